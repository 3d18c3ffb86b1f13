/* Telling those who watch an account what a commit did to its mailboxes, and the POP3 maildrop lock (RFC 1939 §4).
 *
 * The writer notes bits by mailbox with each watch; its loop reads them when it comes to it, so what several commits
 * did meanwhile is told as one. */
#include <stdatomic.h>
#include <stdlib.h>

#include "mail/limits.h"
#include "store/inside.h"

struct watched { /* an account somebody watches */
    int64_t account;
    struct list watches;
};
struct noted {
    int64_t mailbox;
    unsigned news, own;
};
struct noted_entry { /* an annotation others changed; its name lies behind it */
    int64_t mailbox;
    size_t n;
};
struct account_watch {
    struct list link;
    struct store *store;
    struct watched *of; /* NULL: unwatched */
    struct loop *loop;
    const struct fiber *fiber;
    int64_t who;
    void (*fn)(void *arg);
    void *arg;
    struct post post;
    bool posted, lost;
    struct noted *v; /* not taken yet */
    size_t n, cap;
    struct buf entries; /* struct noted_entry */
    struct account_watch *next; /* of those that will be posted to */
};

static struct str key_of(const int64_t *id) { return str_of(id, sizeof *id); }

static void forget(struct account_watch *w)
{
    w->n = 0;
    buf_clear(&w->entries);
}

static void free_watch(struct account_watch *w)
{
    free(w->v);
    buf_free(&w->entries);
    free(w);
}

static void tell(struct post *post)
{
    struct account_watch *w = list_entry(post, struct account_watch, post);
    struct store *s = w->store;
    lock_take(s->lock);
    bool closed = w->of == NULL;
    w->posted = false;
    if (closed) list_remove(&w->link);
    lock_give(s->lock);
    if (closed) free_watch(w);
    else w->fn(w->arg);
}

FIBER struct account_watch *store_watch_account(struct store *s, struct loop *l, int64_t who, int64_t account,
                                                void (*fn)(void *arg), void *arg)
{
    struct account_watch *w = calloc(1, sizeof *w);
    struct watched *fresh = calloc(1, sizeof *fresh);
    if (!w || !fresh) abort();
    fresh->account = account;
    list_init(&fresh->watches);
    *w = (struct account_watch){.store = s,
                                .loop = l,
                                .fiber = fiber_self(),
                                .who = who,
                                .fn = fn,
                                .arg = arg,
                                .post.fn = tell};
    w->entries = BUF(LIMIT_WATCH_ENTRIES);
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

/* The entry at *at, and goes behind it. */
static bool next_entry(const struct account_watch *w, size_t *at, int64_t *mailbox, struct str *name)
{
    struct noted_entry head;
    if (*at == w->entries.n) return false;
    memcpy(&head, w->entries.p + *at, sizeof head);
    *mailbox = head.mailbox;
    *name = str_of(w->entries.p + *at + sizeof head, head.n);
    *at += sizeof head + head.n;
    return true;
}

/* The names of one mailbox's entries; text has room for all. */
static struct str entries_of(const struct account_watch *w, int64_t mailbox, char *text)
{
    int64_t of;
    struct str name;
    size_t n = 0;
    for (size_t at = 0; next_entry(w, &at, &of, &name);) {
        if (of != mailbox) continue;
        text[n] = ' ';
        memcpy(text + n + 1, name.p, name.n);
        n += 1 + name.n;
    }
    return str_of(text, n);
}

size_t store_watch_take(struct account_watch *w, struct arena *a, struct account_news **out, bool *lost)
{
    struct store *s = w->store;
    size_t room = 0, room_text = 0, n;
    char *text = NULL;
    *out = NULL;
    for (;;) { /* the arena may end the session: not under the lock */
        lock_take(s->lock);
        if (w->n <= room && w->entries.n <= room_text) break;
        room = w->n;
        room_text = w->entries.n;
        lock_give(s->lock);
        *out = arena_array(a, room, sizeof **out);
        text = arena_alloc(a, room_text);
    }
    *lost = w->lost;
    n = w->n;
    for (size_t i = 0; i < n; i++) {
        const struct noted *m = &w->v[i];
        struct str entries = m->news & NEWS_METADATA ? entries_of(w, m->mailbox, text) : S("");
        (*out)[i] = (struct account_news){m->mailbox, m->news, m->own, entries};
        text += entries.n;
    }
    forget(w);
    w->lost = false;
    lock_give(s->lock);
    return n;
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

static struct noted *note_of(struct account_watch *w, int64_t mailbox)
{
    size_t i = 0;
    while (i < w->n && w->v[i].mailbox != mailbox) i++;
    if (i == LIMIT_WATCH_MAILBOXES) return NULL;
    if (i == w->cap) {
        w->cap = w->cap ? w->cap * 2 : 8;
        w->v = realloc(w->v, w->cap * sizeof *w->v);
        if (!w->v) abort();
    }
    if (i == w->n) w->v[w->n++] = (struct noted){.mailbox = mailbox};
    return &w->v[i];
}

static void note_entry(struct account_watch *w, int64_t mailbox, struct str name)
{
    int64_t of;
    struct str there;
    for (size_t at = 0; next_entry(w, &at, &of, &there);)
        if (of == mailbox && str_eq(there, name)) return;
    struct noted_entry head = {mailbox, name.n};
    buf_add(&w->entries, str_of(&head, sizeof head));
    buf_add(&w->entries, name);
}

/* What is more than is kept is all forgotten: whoever takes it compares. */
static void note(struct account_watch *w, const struct news_note *what)
{
    if (w->lost || (what->only && what->only != w->who)) return;
    bool own = what->by && what->by == w->fiber;
    struct noted *n = note_of(w, what->mailbox);
    if (n && own) n->own |= what->news;
    else if (n) n->news |= what->news;
    if (n && !own && what->entry.n) note_entry(w, n->mailbox, what->entry);
    w->lost = !n || w->entries.failed;
    if (w->lost) forget(w);
}

static struct account_watch *to_be_posted(struct account_watch *w, struct account_watch *list)
{
    if (w->posted) return list;
    w->posted = true;
    w->next = list;
    return w;
}

/* To all watches of the account; those to be posted to are put before `list`. Under the lock. */
static struct account_watch *note_all(struct store *s, const struct news_note *what, struct account_watch *list)
{
    struct watched *of = map_get(&s->watched.map, key_of(&what->account));
    if (!of) return list;
    list_each (node, &of->watches) {
        struct account_watch *w = list_entry(node, struct account_watch, link);
        note(w, what);
        list = to_be_posted(w, list);
    }
    return list;
}

static void post_all(struct account_watch *list)
{
    for (struct account_watch *next; list; list = next) {
        next = list->next;
        loop_post(list->loop, &list->post);
    }
}

void watch_committed(struct store *s)
{
    const struct rows *r = &s->writer.rows;
    if (atomic_load(&s->watched.n) == 0) return;
    struct account_watch *list = NULL;
    lock_take(s->lock);
    for (const struct mailbox_row *m = r->dirty_mailboxes; m; m = m->next_dirty) {
        struct news_note what = {.account = m->account, .mailbox = m->id, .news = m->news, .by = m->news_by};
        if (m->news) list = note_all(s, &what, list);
    }
    for (size_t i = 0; i < r->n_news; i++) list = note_all(s, &r->news[i], list);
    lock_give(s->lock);
    post_all(list);
}

void watch_recover(struct store *s)
{
    struct account_watch *list = NULL;
    const struct map_entry *entry;
    lock_take(s->lock);
    for (size_t i = 0; (entry = map_next(&s->watched.map, &i));) {
        const struct watched *of = entry->value;
        list_each (node, &of->watches) {
            struct account_watch *w = list_entry(node, struct account_watch, link);
            w->lost = true;
            forget(w);
            list = to_be_posted(w, list);
        }
    }
    lock_give(s->lock);
    post_all(list);
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
