/* Readers: a pool of read connections used on the threads of offload(), and the gate before them.
 *
 * A read never keeps a statement open while its fiber sleeps: it copies a page and ends. When readers have kept the WAL
 * from being reused for too long, the writer closes the gate, waits for the reads that run, and opens it again
 * (store.md, "SQLite"). */
#include <stdlib.h>

#include "store/inside.h"

static void let_in(struct post *post)
{
    struct gate_wait *w = list_entry(post, struct gate_wait, post);
    w->open = true;
    fiber_wake(w->fiber);
}

static FIBER void enter(struct store *s)
{
    struct gate_wait w = {.fiber = fiber_self(), .loop = loop_self(), .post.fn = let_in};
    lock_take(s->lock);
    bool closed = s->readers.closed;
    if (closed) list_push(&s->readers.waiting, &w.link);
    else s->readers.reading++;
    lock_give(s->lock);
    while (closed && !w.open) fiber_park_whatever(); /* who opens the gate has counted us */
}

static void leave(struct store *s)
{
    lock_take(s->lock);
    bool last = --s->readers.reading == 0 && s->readers.closed;
    lock_give(s->lock);
    if (last) lane_wake(s->lane);
}

void readers_close_gate(struct store *s)
{
    lock_take(s->lock);
    s->readers.closed = true;
    lock_give(s->lock);
}

bool readers_gone(struct store *s)
{
    lock_take(s->lock);
    bool gone = s->readers.reading == 0;
    lock_give(s->lock);
    return gone;
}

void readers_open_gate(struct store *s)
{
    lock_take(s->lock);
    s->readers.closed = false;
    struct list in;
    list_init(&in);
    list_splice(&in, &s->readers.waiting);
    list_each (node, &in) s->readers.reading++;
    lock_give(s->lock);
    for (struct list *node; (node = list_shift(&in));) {
        struct gate_wait *w = list_entry(node, struct gate_wait, link);
        loop_post(w->loop, &w->post);
    }
}

/* ---- connections ---- */

static int take(struct store *s, struct db **db, struct error *e)
{
    *db = NULL;
    lock_take(s->lock);
    if (s->readers.n_free > 0) *db = s->readers.free[--s->readers.n_free];
    lock_give(s->lock);
    return *db ? 0 : db_open(store_vfs_name(s->vfs), store_database, DB_READER, db, e);
}

static void give(struct store *s, struct db *db, bool good)
{
    if (good) {
        lock_take(s->lock);
        if (s->readers.n_free < s->readers.keep) {
            s->readers.free[s->readers.n_free++] = db;
            db = NULL;
        }
        lock_give(s->lock);
    }
    db_close(db);
}

void readers_close_all(struct store *s)
{
    while (s->readers.n_free > 0) db_close(s->readers.free[--s->readers.n_free]);
}

struct read {
    struct store *store;
    int (*fn)(struct store *s, struct db *db, void *arg, struct error *e);
    void *arg;
    int result;
    struct error error;
};

/* What the caller is told: a disk that failed is no concern of a client's. */
static int result_of(const struct read *r, struct error *e)
{
    int result = r->result == ERR_IO || r->result == ERR_CONFLICT ? ERR_UNAVAILABLE : r->result;
    if (result < 0 && e) *e = r->error;
    if (result < 0 && e) e->code = result;
    return result;
}

static void run(void *arg)
{
    struct read *r = arg;
    struct db *db;
    r->result = take(r->store, &db, &r->error);
    if (r->result) return;
    r->result = db_begin(db, &r->error);
    if (!r->result) r->result = r->fn(r->store, db, r->arg, &r->error);
    db_rollback(db); /* nothing was written: the end of the snapshot */
    bool broken = r->result == ERR_IO || r->result == ERR_CORRUPT || r->result == ERR_BUSY;
    give(r->store, db, !broken);
}

FIBER int store_read(struct store *s, int (*fn)(struct store *s, struct db *db, void *arg, struct error *e), void *arg,
                     struct error *e)
{
    struct read r = {.store = s, .fn = fn, .arg = arg};
    enter(s);
    offload(run, &r);
    leave(s);
    return result_of(&r, e);
}

/* ---- the long read ---- */

static void set_apart(struct store *s, struct db *to_interrupt, bool open)
{
    lock_take(s->lock);
    s->readers.to_interrupt = to_interrupt;
    s->readers.apart = open;
    lock_give(s->lock);
}

static void run_apart(void *arg)
{
    struct read *r = arg;
    struct store *s = r->store;
    struct db *db = NULL;
    lock_take(s->lock);
    bool busy = s->readers.apart || s->readers.closed;
    if (!busy) s->readers.apart = true;
    lock_give(s->lock);
    if (busy) {
        r->result = error_set(&r->error, ERR_BUSY, "the store is being checked, or busy with itself");
        return;
    }
    r->result = db_open(store_vfs_name(s->vfs), store_database, DB_READER, &db, &r->error);
    set_apart(s, db, true);
    if (!r->result) r->result = db_begin(db, &r->error);
    if (!r->result) r->result = r->fn(s, db, r->arg, &r->error);
    set_apart(s, NULL, true); /* nobody may interrupt it while it closes */
    if (db) db_rollback(db);
    db_close(db);
    set_apart(s, NULL, false);
    lane_wake(s->lane); /* it may wait for us */
}

FIBER int store_read_apart(struct store *s, int (*fn)(struct store *s, struct db *db, void *arg, struct error *e),
                           void *arg, struct error *e)
{
    struct read r = {.store = s, .fn = fn, .arg = arg};
    offload(run_apart, &r);
    return result_of(&r, e);
}

bool readers_end_apart(struct store *s)
{
    lock_take(s->lock);
    if (s->readers.to_interrupt) db_interrupt(s->readers.to_interrupt);
    bool gone = !s->readers.apart;
    lock_give(s->lock);
    return gone;
}
