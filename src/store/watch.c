/* Telling sessions what a commit changed in the mailboxes they watch, and the POP3 maildrop lock (RFC 1939 §4).
 *
 * The writer copies a commit's changes once per loop that has watchers; on that loop each watcher of the mailbox is
 * called. */
#include <stdlib.h>

#include "store/inside.h"

struct watched { /* a mailbox somebody watches */
    int64_t mailbox;
    struct list watches;
};
struct watch {
    struct list link;
    struct store *store;
    struct loop *loop;
    struct watched *watched;
    int64_t round; /* of what it was told last */
    void (*fn)(const struct change *c, void *arg);
    void *arg;
};

struct told { /* one mailbox's changes on their way to one loop */
    struct post post;
    struct told *next;
    struct store *store;
    struct loop *loop;
    int64_t round;
    struct change change;
};

static struct str key_of(const int64_t *id) { return str_of(id, sizeof *id); }

struct watch *store_watch(struct store *s, struct loop *l, int64_t mailbox,
                          void (*fn)(const struct change *c, void *arg), void *arg)
{
    struct watch *w = calloc(1, sizeof *w);
    struct watched *fresh = calloc(1, sizeof *fresh);
    if (!w || !fresh) abort();
    fresh->mailbox = mailbox;
    list_init(&fresh->watches);
    *w = (struct watch){.store = s, .loop = l, .fn = fn, .arg = arg};
    lock_take(s->lock);
    w->watched = map_get(&s->watched, key_of(&mailbox));
    if (!w->watched) {
        w->watched = fresh;
        map_set(&s->watched, key_of(&fresh->mailbox), fresh);
        fresh = NULL;
    }
    w->round = s->watch_round; /* what is already on its way is older than this watch */
    list_push(&w->watched->watches, &w->link);
    atomic_fetch_add(&s->watching, 1);
    lock_give(s->lock);
    free(fresh);
    return w;
}

void store_unwatch(struct watch *w)
{
    struct store *s = w->store;
    lock_take(s->lock);
    list_remove(&w->link);
    bool last = list_empty(&w->watched->watches);
    if (last) map_remove(&s->watched, key_of(&w->watched->mailbox));
    atomic_fetch_sub(&s->watching, 1);
    lock_give(s->lock);
    if (last) free(w->watched);
    free(w);
}

/* The next watcher on this loop that has not been told; watchers may come and go while others are called. */
static struct watch *next_watcher(struct told *t)
{
    struct watch *found = NULL;
    lock_take(t->store->lock);
    struct watched *of = map_get(&t->store->watched, key_of(&t->change.mailbox));
    for (struct list *n = of ? of->watches.next : NULL; n && n != &of->watches && !found; n = n->next) {
        struct watch *w = list_entry(n, struct watch, link);
        if (w->loop == t->loop && w->round < t->round) found = w;
    }
    if (found) found->round = t->round;
    lock_give(t->store->lock);
    return found;
}

static void tell(struct post *post)
{
    struct told *t = list_entry(post, struct told, post);
    for (struct watch *w; (w = next_watcher(t));) w->fn(&t->change, w->arg);
    free(t);
}

/* A mailbox's changes of this commit in one block of memory. */
static struct told *told_new(struct store *s, struct loop *l, int64_t mailbox)
{
    const struct rows *r = &s->writer.rows;
    size_t n[3] = {0};
    for (size_t i = 0; i < r->n_changes; i++) n[r->changes[i].kind] += r->changes[i].mailbox == mailbox;
    struct told *t = calloc(1, sizeof *t + (n[CHANGE_ADDED] + n[CHANGE_CHANGED]) * sizeof(struct entry) +
                                   n[CHANGE_GONE] * sizeof(uid));
    if (!t) abort();
    struct entry *added = (struct entry *)(t + 1), *changed = added + n[CHANGE_ADDED];
    uid *gone = (uid *)(changed + n[CHANGE_CHANGED]);
    *t = (struct told){.post.fn = tell,
                       .store = s,
                       .loop = l,
                       .round = s->watch_round,
                       .change = {.mailbox = mailbox, .added = added, .changed = changed, .gone = gone}};
    for (size_t i = 0; i < r->n_changes; i++) {
        const struct change_note *c = &r->changes[i];
        if (c->mailbox != mailbox) continue;
        if (c->kind == CHANGE_ADDED) added[t->change.n_added++] = c->entry;
        else if (c->kind == CHANGE_CHANGED) changed[t->change.n_changed++] = c->entry;
        else gone[t->change.n_gone++] = c->entry.uid;
        if (c->entry.modseq > t->change.modseq) t->change.modseq = c->entry.modseq;
    }
    return t;
}

/* One message for each loop with watchers of the mailbox, put before `list`. */
static struct told *tell_mailbox(struct store *s, const struct watched *of, struct told *list)
{
    list_each (node, &of->watches) {
        struct watch *w = list_entry(node, struct watch, link);
        struct told *t = list;
        while (t && (t->loop != w->loop || t->change.mailbox != of->mailbox)) t = t->next;
        if (t) continue;
        t = told_new(s, w->loop, of->mailbox);
        t->next = list;
        list = t;
    }
    return list;
}

void watch_tell(struct store *s)
{
    const struct rows *r = &s->writer.rows;
    if (atomic_load(&s->watching) == 0 || r->n_changes == 0) return;
    struct told *list = NULL;
    lock_take(s->lock);
    s->watch_round++;
    for (size_t i = 0; i < r->n_changes; i++) {
        int64_t mailbox = r->changes[i].mailbox;
        const struct watched *of =
            i && r->changes[i - 1].mailbox == mailbox ? NULL : map_get(&s->watched, key_of(&mailbox));
        if (of) list = tell_mailbox(s, of, list);
    }
    lock_give(s->lock);
    for (struct told *t = list, *next; t; t = next) {
        next = t->next;
        loop_post(t->loop, &t->post);
    }
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
