/* Telling those who watch an account what a commit did to its mailboxes, and the POP3 maildrop lock (RFC 1939 §4).
 *
 * The writer notes bits by mailbox with each watch; its loop reads them when it comes to it, so what several commits
 * did meanwhile is told as one. */
#include <stdatomic.h>
#include <stdlib.h>

#include "store/inside.h"

struct watched { /* an account somebody watches */
    int64_t account;
    struct list watches;
};
struct news {
    int64_t mailbox;
    unsigned bits;
};
struct account_watch {
    struct list link;
    struct store *store;
    struct watched *of; /* NULL: unwatched */
    struct loop *loop;
    void (*fn)(int64_t mailbox, unsigned news, void *arg);
    void *arg;
    struct post post;
    bool posted;
    struct news *v; /* not told yet */
    size_t n, cap;
    struct account_watch *next; /* of those that will be posted to */
};

static struct str key_of(const int64_t *id) { return str_of(id, sizeof *id); }

static void free_watch(struct account_watch *w)
{
    free(w->v);
    free(w);
}

static void tell(struct post *post)
{
    struct account_watch *w = list_entry(post, struct account_watch, post);
    struct store *s = w->store;
    for (bool more = true; more;) { /* one after the other: fn may end the watch */
        struct news first = {0};
        lock_take(s->lock);
        bool closed = w->of == NULL;
        more = !closed && w->n > 0;
        if (more) {
            first = w->v[0];
            memmove(w->v, w->v + 1, --w->n * sizeof *w->v);
        } else {
            w->posted = false;
        }
        if (closed) list_remove(&w->link);
        lock_give(s->lock);
        if (closed) free_watch(w);
        else if (more) w->fn(first.mailbox, first.bits, w->arg);
    }
}

struct account_watch *store_watch_account(struct store *s, struct loop *l, int64_t account,
                                          void (*fn)(int64_t mailbox, unsigned news, void *arg), void *arg)
{
    struct account_watch *w = calloc(1, sizeof *w);
    struct watched *fresh = calloc(1, sizeof *fresh);
    if (!w || !fresh) abort();
    fresh->account = account;
    list_init(&fresh->watches);
    *w = (struct account_watch){.store = s, .loop = l, .fn = fn, .arg = arg, .post.fn = tell};
    lock_take(s->lock);
    w->of = map_get(&s->watched.map, key_of(&account));
    if (!w->of) {
        w->of = fresh;
        map_set(&s->watched.map, key_of(&fresh->account), fresh);
        fresh = NULL;
    }
    list_push(&w->of->watches, &w->link);
    atomic_fetch_add(&s->watched.n, 1);
    lock_give(s->lock);
    free(fresh);
    return w;
}

void store_unwatch_account(struct account_watch *w)
{
    struct store *s = w->store;
    struct watched *of = w->of;
    lock_take(s->lock);
    list_remove(&w->link);
    bool last = list_empty(&of->watches), posted = w->posted;
    if (last) map_remove(&s->watched.map, key_of(&of->account));
    if (posted) list_push(&s->watched.closed, &w->link);
    w->of = NULL;
    atomic_fetch_sub(&s->watched.n, 1);
    lock_give(s->lock);
    if (last) free(of);
    if (!posted) free_watch(w);
}

/* ---- commits; in the lane ---- */

static void note(struct account_watch *w, int64_t mailbox, unsigned bits)
{
    size_t i = 0;
    while (i < w->n && w->v[i].mailbox != mailbox) i++;
    if (i == w->cap) {
        w->cap = w->cap ? w->cap * 2 : 8;
        w->v = realloc(w->v, w->cap * sizeof *w->v);
        if (!w->v) abort();
    }
    if (i == w->n) w->v[w->n++] = (struct news){mailbox, 0};
    w->v[i].bits |= bits;
}

/* To all watches of the account; those to be posted to are put before `list`. Under the lock. */
static struct account_watch *note_all(struct store *s, int64_t account, int64_t mailbox, unsigned bits,
                                      struct account_watch *list)
{
    struct watched *of = map_get(&s->watched.map, key_of(&account));
    if (!of) return list;
    list_each (node, &of->watches) {
        struct account_watch *w = list_entry(node, struct account_watch, link);
        note(w, mailbox, bits);
        if (w->posted) continue;
        w->posted = true;
        w->next = list;
        list = w;
    }
    return list;
}

void watch_committed(struct store *s)
{
    const struct rows *r = &s->writer.rows;
    if (atomic_load(&s->watched.n) == 0) return;
    struct account_watch *list = NULL;
    lock_take(s->lock);
    for (const struct mailbox_row *m = r->dirty_mailboxes; m; m = m->next_dirty)
        if (m->news) list = note_all(s, m->account, m->id, m->news, list);
    for (size_t i = 0; i < r->n_news; i++)
        list = note_all(s, r->news[i].account, r->news[i].mailbox, r->news[i].news, list);
    lock_give(s->lock);
    for (struct account_watch *next; list; list = next) {
        next = list->next;
        loop_post(list->loop, &list->post);
    }
}

void watches_init(struct store *s)
{
    map_init(&s->watched.map, s->hash_key);
    list_init(&s->watched.closed);
}

void watches_free(struct store *s)
{
    for (struct list *node; (node = list_shift(&s->watched.closed));)
        free_watch(list_entry(node, struct account_watch, link));
    map_free(&s->watched.map);
}

/* ---- maildrops ---- */

struct maildrop {
    int64_t account;
};

int store_maildrop_lock(struct store *s, int64_t account)
{
    struct maildrop *m = malloc(sizeof *m);
    if (!m) abort();
    m->account = account;
    lock_take(s->lock);
    bool taken = map_get(&s->maildrops, str_of(&account, sizeof account)) != NULL;
    if (!taken) map_set(&s->maildrops, str_of(&m->account, sizeof m->account), m);
    lock_give(s->lock);
    if (taken) free(m);
    return taken ? ERR_BUSY : 0;
}

void store_maildrop_unlock(struct store *s, int64_t account)
{
    lock_take(s->lock);
    void *m = map_remove(&s->maildrops, str_of(&account, sizeof account));
    lock_give(s->lock);
    free(m);
}
