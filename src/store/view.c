/* Who looks at which mailbox, and what they see (see view.h).
 *
 * The first who opens a mailbox reads it; what commits change meanwhile is kept aside and applied to what was read, by
 * MODSEQ. From then on the writer alone replaces the newest snapshot, after each commit that changed the mailbox. When
 * the last one closes it, the snapshot stays a while if there is room; the first commit that would change it then drops
 * it: a delivery to a mailbox nobody looks at makes no snapshot. */
#include <stdatomic.h>
#include <stdlib.h>

#include "mail/limits.h"
#include "store/view_inside.h"

struct shared_view { /* a mailbox somebody looks at; all behind the store's lock */
    int64_t mailbox;
    struct list holders;             /* struct view */
    const struct snapshot *newest;   /* NULL: not read yet */
    bool loading;                    /* by one of the holders */
    bool used;                       /* the lane is about to replace the newest */
    unsigned round;                  /* the database was opened anew: what was being read may be too old */
    struct view_update *aside, **end; /* what commits changed while it is being read */
    struct list idle;                /* without holders, among the others */
    size_t bytes;                    /* then */
};
struct view {
    struct list link; /* in holders, or among those that wait for their post */
    struct store *store;
    struct shared_view *of; /* NULL: closed */
    struct loop *loop;
    void (*changed)(void *arg);
    void *arg;
    struct post post;
    bool posted;
    struct fiber *opening; /* waits for another to have read it */
    struct view *next;     /* of those that will be told */
};

static struct str key_of(const int64_t *id) { return str_of(id, sizeof *id); }

/* ---- shared views; under the lock ---- */

static void free_shared(struct shared_view *of)
{
    for (struct view_update *u; (u = of->aside);) {
        of->aside = u->next;
        view_update_free(u);
    }
    snapshot_unref(of->newest);
    free(of);
}

/* Off all lists; freed by the caller, without the lock. */
static struct shared_view *take_out(struct store *s, struct shared_view *of, struct shared_view *dropped)
{
    if (!list_empty(&of->idle)) {
        list_remove(&of->idle);
        s->views.idle_bytes -= of->bytes;
    }
    map_remove(&s->views.map, key_of(&of->mailbox));
    atomic_fetch_sub(&s->views.n, 1);
    of->idle.next = dropped ? &dropped->idle : NULL;
    return of;
}

static void free_dropped(struct shared_view *of)
{
    while (of) {
        struct list *next = of->idle.next;
        free_shared(of);
        of = next ? list_entry(next, struct shared_view, idle) : NULL;
    }
}

static struct shared_view *obtain(struct store *s, int64_t mailbox, struct shared_view **fresh)
{
    struct shared_view *of = map_get(&s->views.map, key_of(&mailbox));
    if (!of) {
        of = *fresh;
        *fresh = NULL;
        map_set(&s->views.map, key_of(&of->mailbox), of);
        atomic_fetch_add(&s->views.n, 1);
    }
    if (!list_empty(&of->idle)) {
        list_remove(&of->idle);
        s->views.idle_bytes -= of->bytes;
    }
    return of;
}

/* Nobody looks at it any more: it stays if there is room. What must be freed. */
static struct shared_view *retire(struct store *s, struct shared_view *of)
{
    struct shared_view *dropped = NULL;
    if (!of->newest || of->newest->gone || (of->bytes = snapshot_bytes(of->newest)) > LIMIT_VIEWS_KEPT) {
        if (!of->used) return take_out(s, of, NULL);
        of->bytes = 0;
    }
    list_push(&s->views.idle, &of->idle);
    s->views.idle_bytes += of->bytes;
    while (s->views.idle_bytes > LIMIT_VIEWS_KEPT) {
        struct shared_view *oldest = list_entry(s->views.idle.next, struct shared_view, idle);
        if (oldest->used) break;
        dropped = take_out(s, oldest, dropped);
    }
    return dropped;
}

/* ---- telling ---- */

static void tell(struct post *post)
{
    struct view *v = list_entry(post, struct view, post);
    lock_take(v->store->lock);
    v->posted = false;
    bool closed = v->of == NULL;
    struct fiber *opening = v->opening;
    v->opening = NULL;
    if (closed) list_remove(&v->link);
    lock_give(v->store->lock);
    if (closed) free(v);
    else if (opening) fiber_wake(opening);
    else if (v->changed) v->changed(v->arg);
}

/* Holders (only those that wait to open it) that have not been posted to yet, as a chain to be posted to without the
 * lock: none of them is freed before its post has run. */
static struct view *to_be_told(struct shared_view *of, bool only_opening)
{
    struct view *first = NULL;
    list_each (node, &of->holders) {
        struct view *v = list_entry(node, struct view, link);
        if (v->posted || (only_opening && !v->opening)) continue;
        v->posted = true;
        v->next = first;
        first = v;
    }
    return first;
}

static void post_all(struct view *v)
{
    for (struct view *next; v; v = next) {
        next = v->next;
        loop_post(v->loop, &v->post);
    }
}

/* ---- opening ---- */

struct opening {
    int64_t mailbox;
    struct snapshot *base;
};

static int read_snapshot(struct store *s, struct db *db, void *arg, struct error *e)
{
    (void)s;
    struct opening *o = arg;
    return snapshot_load(db, o->mailbox, &o->base, e);
}

static struct snapshot *apply(struct snapshot *base, struct view_update *u)
{
    for (struct view_update *next; u; u = next) {
        next = u->next;
        if (u->totals.gone || u->totals.highest_modseq > base->highest_modseq) {
            struct snapshot *later = snapshot_next(base, u);
            snapshot_unref(base);
            base = later;
        }
        view_update_free(u);
    }
    return base;
}

static struct view_update *take_aside(struct shared_view *of)
{
    struct view_update *u = of->aside;
    of->aside = NULL;
    of->end = &of->aside;
    return u;
}

/* Reads the mailbox and makes it seen. The caller has said that it is loading. */
static FIBER int read_newest(struct store *s, struct shared_view *of, struct error *e)
{
    struct opening o = {.mailbox = of->mailbox};
    int r;
    bool done = false;
    while (!done) {
        lock_take(s->lock);
        unsigned round = of->round;
        lock_give(s->lock);
        r = store_read(s, read_snapshot, &o, e);
        if (r) break;
        lock_take(s->lock);
        for (struct view_update *u; !done && of->round == round;) {
            u = take_aside(of);
            done = u == NULL;
            if (done) break;
            lock_give(s->lock);
            o.base = apply(o.base, u);
            lock_take(s->lock);
        }
        if (done) of->newest = o.base;
        lock_give(s->lock);
        if (!done) snapshot_unref(o.base);
    }
    lock_take(s->lock);
    of->loading = false;
    struct view *told = to_be_told(of, true);
    lock_give(s->lock);
    post_all(told);
    return r;
}

/* Until there is something to see. */
static FIBER int wait_for_newest(struct store *s, struct view *v, struct error *e)
{
    for (int r = 0; !r;) {
        lock_take(s->lock);
        const struct snapshot *newest = v->of->newest;
        bool gone = newest && newest->gone, mine = !newest && !v->of->loading;
        if (mine) v->of->loading = true;
        v->opening = newest || mine ? NULL : fiber_self();
        lock_give(s->lock);
        if (gone) return error_set(e, ERR_NOT_FOUND, "there is no such mailbox");
        if (newest) return 0;
        if (mine) r = read_newest(s, v->of, e);
        else fiber_park_whatever();
        if (r) return r;
    }
    return 0;
}

FIBER int store_view_open(struct store *s, struct loop *l, int64_t mailbox, void (*changed)(void *arg), void *arg,
                          struct view **out, struct error *e)
{
    struct view *v = calloc(1, sizeof *v);
    struct shared_view *fresh = calloc(1, sizeof *fresh);
    if (!v || !fresh) abort();
    fresh->mailbox = mailbox;
    fresh->end = &fresh->aside;
    list_init(&fresh->holders);
    list_init(&fresh->idle);
    *v = (struct view){.store = s, .loop = l, .changed = changed, .arg = arg, .post.fn = tell};
    lock_take(s->lock);
    v->of = obtain(s, mailbox, &fresh);
    list_push(&v->of->holders, &v->link);
    lock_give(s->lock);
    free(fresh);
    int r = wait_for_newest(s, v, e);
    if (r) store_view_close(v);
    else *out = v;
    return r;
}

void store_view_close(struct view *v)
{
    struct store *s = v->store;
    struct shared_view *of = v->of, *dropped = NULL;
    lock_take(s->lock);
    list_remove(&v->link);
    v->of = NULL;
    bool posted = v->posted;
    if (posted) list_push(&s->views.closed, &v->link);
    if (list_empty(&of->holders)) dropped = retire(s, of);
    lock_give(s->lock);
    if (!posted) free(v);
    free_dropped(dropped);
}

const struct snapshot *view_newest(struct view *v)
{
    lock_take(v->store->lock);
    const struct snapshot *newest = snapshot_ref(v->of->newest);
    lock_give(v->store->lock);
    return newest;
}

/* ---- commits; in the lane ---- */

/* Is it worth an update? A snapshot nobody looks at is dropped instead. */
static bool is_looked_at(struct store *s, int64_t mailbox)
{
    struct shared_view *dropped = NULL;
    lock_take(s->lock);
    struct shared_view *of = map_get(&s->views.map, key_of(&mailbox));
    bool held = of && !list_empty(&of->holders);
    if (of && !held) dropped = take_out(s, of, NULL);
    lock_give(s->lock);
    free_dropped(dropped);
    return held;
}

/* The newest, and the update while it is not needed elsewhere. */
static const struct snapshot *begin_next(struct store *s, int64_t mailbox, struct view_update **u)
{
    const struct snapshot *newest = NULL;
    lock_take(s->lock);
    struct shared_view *of = map_get(&s->views.map, key_of(&mailbox));
    if (of && of->newest) {
        of->used = true;
        newest = snapshot_ref(of->newest);
    } else if (of) {
        *of->end = *u;
        of->end = &(*u)->next;
        *u = NULL;
    }
    lock_give(s->lock);
    return newest;
}

static void end_next(struct store *s, struct snapshot *next)
{
    struct shared_view *dropped = NULL;
    lock_take(s->lock);
    struct shared_view *of = map_get(&s->views.map, key_of(&next->mailbox));
    const struct snapshot *former = of->newest;
    of->newest = next;
    of->used = false;
    struct view *told = to_be_told(of, false);
    if (list_empty(&of->holders)) dropped = take_out(s, of, NULL);
    lock_give(s->lock);
    snapshot_unref(former);
    free_dropped(dropped);
    post_all(told);
}

void view_committed(struct store *s)
{
    if (atomic_load(&s->views.n) == 0) return;
    for (struct mailbox_row *m = s->writer.rows.dirty_mailboxes; m; m = m->next_dirty) {
        if (!is_looked_at(s, m->id)) continue;
        struct view_update *u = view_update_of(s, m);
        const struct snapshot *newest = begin_next(s, m->id, &u);
        if (newest) end_next(s, snapshot_next(newest, u));
        snapshot_unref(newest);
        if (u) view_update_free(u);
    }
}

/* ---- after an unknown outcome ---- */

/* One that has not been read again in this round; what is being read by others will be. */
static struct shared_view *next_outdated(struct store *s, unsigned round)
{
    struct shared_view *found = NULL, *dropped = NULL;
    const struct map_entry *entry;
    lock_take(s->lock);
    for (size_t i = 0; !found && (entry = map_next(&s->views.map, &i));) {
        struct shared_view *of = entry->value;
        if (of->round == round) continue;
        if (of->newest && list_empty(&of->holders)) {
            dropped = take_out(s, of, dropped);
            continue;
        }
        if (of->newest) found = of;
        else of->round = round;
    }
    if (found) found->used = true;
    lock_give(s->lock);
    free_dropped(dropped);
    return found;
}

static int read_again(struct store *s, struct shared_view *of, unsigned round, struct error *e)
{
    struct snapshot *next = NULL;
    int r = snapshot_load(s->writer.db, of->mailbox, &next, e);
    if (r == ERR_NOT_FOUND) {
        struct view_totals t = {.mailbox = of->mailbox, .account = of->newest->account, .gone = true,
                                .uid_validity = of->newest->uid_validity, .uid_next = of->newest->uid_next,
                                .highest_modseq = of->newest->highest_modseq,
                                .keywords = keywords_ref(of->newest->keywords)};
        next = snapshot_make(&t, NULL, 0);
    } else if (r) {
        lock_take(s->lock);
        of->used = false; /* a snapshot it may keep when nobody looks any more is dropped next time */
        lock_give(s->lock);
        return r;
    }
    snapshot_share(next, of->newest);
    of->round = round;
    end_next(s, next);
    return 0;
}

int view_recover(struct store *s, struct error *e)
{
    int r = 0;
    unsigned round = ++s->views.round;
    for (struct shared_view *of; !r && (of = next_outdated(s, round));) r = read_again(s, of, round, e);
    return r;
}

/* ---- the store's ---- */

void views_init(struct store *s)
{
    map_init(&s->views.map, s->hash_key);
    list_init(&s->views.idle);
    list_init(&s->views.closed);
}

void views_free(struct store *s)
{
    const struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(&s->views.map, &i));) free_shared(entry->value);
    for (struct list *node; (node = list_shift(&s->views.closed));) free(list_entry(node, struct view, link));
    map_free(&s->views.map);
}
