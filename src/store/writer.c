/* The writer: one lane, one connection, group commit without timers (store.md, "SQLite, the embedded engine").
 *
 * All that waits is one group, up to its limits: the bodies go into the packs with one write and one sync, the rows
 * into one transaction, and after its COMMIT the fibers are woken, with one post for each loop. What arrives meanwhile
 * is the next group. If a job fails the group is rolled back and each runs alone. A COMMIT whose outcome is not known
 * stops all writing until the database has been opened anew. */
#include <stdlib.h>

#include "base/codec.h"
#include "store/inside.h"

/* ---- handing over ---- */

static void group_done(struct post *post)
{
    for (struct job *j = list_entry(post, struct job, post), *next; j; j = next) {
        next = j->next_done; /* the fiber runs after this function */
        j->done = true;
        fiber_wake(j->fiber);
    }
}

/* New mail is refused; the lane looks again whether it must be. */
bool disk_is_low(struct store *s)
{
    if (!space_is_low(s->space)) return false;
    lane_wake(s->lane);
    return true;
}

/* At the end of the loop's turn, so that the jobs of one turn are one group. */
static void hand_over(struct post *turn) { lane_wake(list_entry(turn, struct job, turn)->store->lane); }

/* Puts the jobs on the list, with one wake, and sleeps until all are done. */
static FIBER void wait_in(struct store *s, struct list *list, struct job *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        v[i].store = s;
        v[i].fiber = fiber_self();
        v[i].loop = loop_self();
        v[i].turn.fn = hand_over;
        v[i].post.fn = group_done;
    }
    lock_take(s->lock);
    for (size_t i = 0; i < n; i++) list_push(list, &v[i].link);
    lock_give(s->lock);
    loop_post(v->loop, &v->turn);
    for (size_t i = 0; i < n; i++)
        while (!v[i].done) fiber_park_whatever(); /* what was handed over cannot be recalled */
}

FIBER int store_job(struct store *s, const struct job_kind *kind, void *args, int64_t bytes, struct error *e)
{
    struct job j = {.kind = kind, .args = args, .bytes = bytes};
    if (kind->new_mail && disk_is_low(s)) return error_set(e, ERR_NO_SPACE, "the disk is nearly full");
    wait_in(s, &s->jobs, &j, 1);
    if (j.result < 0 && e) *e = j.error;
    return j.result;
}

FIBER void store_jobs(struct store *s, struct job *v, size_t n)
{
    if (n > 0) wait_in(s, &s->jobs, v, n);
}

FIBER int store_collect(struct store *s, struct error *e)
{
    struct job j = {0};
    wait_in(s, &s->collectors, &j, 1);
    if (j.result < 0 && e) *e = j.error;
    return j.result;
}

/* Wakes the fibers of jobs that are done, one post for each loop. */
static void wake(struct job **jobs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!jobs[i]) continue;
        struct job *first = jobs[i], *last = first;
        for (size_t k = i + 1; k < n; k++) {
            if (!jobs[k] || jobs[k]->loop != first->loop) continue;
            last = last->next_done = jobs[k];
            jobs[k] = NULL;
        }
        loop_post(first->loop, &first->post); /* from here on they may be gone */
    }
}

static size_t take(struct store *s, struct job **jobs)
{
    size_t n = 0;
    int64_t bytes = 0;
    lock_take(s->lock);
    while (n < GROUP_JOBS && (n == 0 || bytes < GROUP_BYTES) && !list_empty(&s->jobs)) {
        jobs[n] = list_entry(list_shift(&s->jobs), struct job, link);
        bytes += jobs[n++]->bytes;
    }
    lock_give(s->lock);
    return n;
}

static void give_back(struct store *s, struct job **jobs, size_t n)
{
    lock_take(s->lock);
    while (n > 0) list_unshift(&s->jobs, &jobs[--n]->link);
    lock_give(s->lock);
}

/* ---- one transaction ---- */

struct directory *writer_directory(struct store *s)
{
    if (!s->writer.directory) s->writer.directory = directory_copy(s->directory);
    return s->writer.directory;
}

int writer_begin(struct store *s, struct error *e)
{
    struct writer *w = &s->writer;
    w->trace = w->trace_committed;
    w->pack_now = packs_durable(s->packs);
    w->wrote_trace = w->made_ids = false;
    return db_begin(w->db, e);
}

static void roll_back(struct store *s)
{
    struct writer *w = &s->writer;
    db_rollback(w->db);
    rows_forget(&w->rows);
    directory_unref(w->directory);
    w->directory = NULL;
}

static int put_pack(struct store *s, struct pack_durable pack, bool sealed, struct error *e)
{
    struct query q = db_query(s->writer.db, SQL_PACK_PUT);
    q_int(&q, pack.pack);
    q_int(&q, pack.size);
    q_int(&q, sealed);
    return q_run(&q, e);
}

static int put_last_id(struct store *s, struct error *e)
{
    char text[ID_TEXT];
    struct buf b = BUF_OVER(text);
    id_put(&b, ids_last(&s->ids));
    struct query q = db_query(s->writer.db, SQL_SETTING_PUT);
    q_text(&q, S("last_id"));
    q_bytes(&q, buf_str(&b));
    return q_run(&q, e);
}

/* What a group writes once: refusals that ride along, hot rows, what must be remembered of packs and ids. */
static int flush(struct store *s, struct error *e)
{
    struct writer *w = &s->writer;
    int r = trace_flush(s, e);
    if (!r) r = rows_flush(s, e);
    if (!r && w->pack_now.pack != w->pack.pack) {
        if (w->pack.pack) r = put_pack(s, w->pack, true, e);
        if (!r && w->pack_now.pack) r = put_pack(s, w->pack_now, false, e);
    }
    /* as a rule the record's row carries these */
    if (!r && w->pack_now.pack && w->pack_now.size > w->pack.size && !w->wrote_trace)
        r = put_pack(s, w->pack_now, false, e);
    if (!r && w->made_ids && !w->wrote_trace) r = put_last_id(s, e);
    return r;
}

static void committed(struct store *s)
{
    struct writer *w = &s->writer;
    w->trace_committed = w->trace;
    w->pack = w->pack_now;
    if (w->directory) store_publish(s, w->directory);
    w->directory = NULL;
    view_committed(s);
    watch_committed(s);
    rows_committed(s);
    trace_committed(s);
    search_index_tell(s->search);
    s->count.commits++;
}

/* 0: committed. ERR_UNKNOWN: may be. Anything else: nothing of it happened. */
static int commit(struct store *s, struct error *e)
{
    int r = flush(s, e);
    if (!r) {
        r = db_commit(s->writer.db, e);
        if (r && r != ERR_NO_SPACE) { /* a full disk shows before the frame that commits is written */
            error_prefix(e, "outcome unknown: ");
            s->writer.broken = true;
            atomic_store(&s->writes_refused, true);
            return ERR_UNKNOWN;
        }
    }
    if (r) roll_back(s);
    else committed(s);
    return r;
}

static int run_one(struct store *s, struct job *j)
{
    j->error = (struct error){0};
    s->writer.by = j->fiber;
    int r = j->kind->run(s, j->args, &j->error);
    s->writer.by = NULL;
    if (j->kind->makes_ids) s->writer.made_ids = true;
    return r;
}

/* What goes to the caller: the disk's own words are no use to a client. */
static void settle(struct job *j, int result, const struct error *e)
{
    if (result == ERR_IO || result == ERR_BUSY) result = ERR_UNAVAILABLE;
    j->result = result;
    if (result < 0 && j->error.code == 0) {
        if (e) j->error = *e;
        else error_set(&j->error, result, "%s", err_name(result));
    }
    j->error.code = result;
}

static void alone(struct store *s, struct job *j)
{
    if (s->writer.broken) {
        settle(j, ERR_UNAVAILABLE, NULL);
        return;
    }
    s->count.jobs_alone++;
    for (bool again = true; again;) {
        struct error e = {0};
        arena_reset(s->writer.arena);
        int r = writer_begin(s, &e);
        if (!r) r = run_one(s, j);
        if (!r) r = commit(s, &e);
        else roll_back(s);
        again = r == ERR_NO_SPACE && !j->kind->new_mail && space_release(s->space);
        if (!again) settle(j, r, &e);
    }
}

/* Runs the first of the n jobs as one transaction; returns how many that were. The others did not fit into the time. */
static size_t run_group(struct store *s, struct job **jobs, size_t n)
{
    struct error e = {0};
    mono_us end = clock_mono(s->world) + GROUP_US;
    int r = writer_begin(s, &e);
    size_t ran = 0;
    while (!r && ran < n) {
        r = run_one(s, jobs[ran++]);
        if (clock_mono(s->world) > end) break;
    }
    if (!r) r = commit(s, &e);
    else roll_back(s);
    if (r && r != ERR_UNKNOWN && ran > 0) {
        for (size_t i = 0; i < ran; i++) alone(s, jobs[i]);
        return ran;
    }
    for (size_t i = 0; i < ran; i++) settle(jobs[i], r, &e);
    if (ran == 0 && r) { /* not even BEGIN worked */
        for (size_t i = 0; i < n; i++) settle(jobs[i], r, &e);
        return n;
    }
    return ran;
}

/* ---- collecting ---- */

static void collect_done(struct store *s, int r, const struct error *e)
{
    collect_end(s, r);
    for (struct list *node; (node = list_shift(&s->writer.collect.asked));) {
        struct job *j = list_entry(node, struct job, link);
        settle(j, r, e);
        loop_post(j->loop, &j->post);
    }
}

/* One piece of the collection that is due, in a transaction of its own (it may change the open pack, as a group does
 * before it begins). True: there was one. It waits while others do, but not for ever. */
static bool collect(struct store *s, bool idle)
{
    struct writer *w = &s->writer;
    if (atomic_load(&s->closing) || s->verifying || !collect_is_due(s)) return false;
    if (!idle && (w->held_back || ++w->groups_passed < COLLECT_PASSES)) return false;
    w->groups_passed = 0;
    if (w->collect.phase == COLLECT_IDLE) collect_ask(s);
    int r;
    struct error e = {0};
    mono_us begun = clock_mono(s->world);
    for (bool again = true; again;) {
        struct collect before = w->collect;
        bool moving = before.phase == COLLECT_MOVE;
        e = (struct error){0};
        arena_reset(w->arena);
        r = writer_begin(s, &e);
        if (!r) r = collect_piece(s, &e);
        if (!r) r = commit(s, &e);
        else roll_back(s);
        again = r == ERR_NO_SPACE && !moving && space_release(s->space);
        if (again) collect_again(s, &before);
    }
    if (!r) collect_committed(s);
    w->collect.took += clock_mono(s->world) - begun;
    if (!r && w->collect.phase == COLLECT_IDLE && w->collect.left)
        r = error_set(&e, ERR_NO_SPACE, "no room to compact");
    if (r || w->collect.phase == COLLECT_IDLE) collect_done(s, r, &e);
    return true;
}

/* ---- the record's index and age ---- */

static int in_transaction(struct store *s, int (*fn)(struct store *s, struct error *e), struct error *e)
{
    arena_reset(s->writer.arena);
    int r = writer_begin(s, e);
    if (!r) r = fn(s, e);
    if (!r) return commit(s, e);
    roll_back(s);
    return r;
}

/* A piece of the work on the record that no commit waits for. True: there was one. */
static bool keep_record(struct store *s, bool idle)
{
    struct trace_index *x = &s->writer.index;
    bool behind = trace_index_is_behind(s), old = idle && !s->verifying && trace_is_old(s);
    if (atomic_load(&s->closing) || (!behind && !old)) return false;
    if (!idle && (s->writer.held_back || ++x->groups_passed < COLLECT_PASSES)) return false;
    struct error e = {0};
    x->groups_passed = 0;
    int r = behind ? trace_index_gather(s, &e) : in_transaction(s, trace_forget, &e);
    if (!r && trace_index_is_full(x)) {
        r = in_transaction(s, trace_index_write, &e);
        if (!r) trace_index_written(s);
    }
    if (r) trace_index_failed(s);
    return true;
}

/* ---- the WAL ---- */

/* Moves the WAL into the database when that is worth its syncs; when readers have kept it from being reused for too
 * long they wait for a moment. If even that did not help (a long read apart) it may grow as much again. */
static void checkpoint(struct store *s)
{
    struct writer *w = &s->writer;
    int64_t frames = db_wal_frames(w->db);
    if (frames < w->wal_checkpointed) w->wal_checkpointed = w->wal_gate = 0; /* it began anew */
    atomic_store(&s->count.wal_bytes, frames * WAL_FRAME);
    if ((frames - w->wal_gate) * WAL_FRAME > WAL_MOST) readers_close_gate(s);
    bool gate = s->readers.closed, whole = false;
    if (gate ? !readers_gone(s) : (frames - w->wal_checkpointed) * WAL_FRAME < WAL_WORTH) return;
    if (db_checkpoint(w->db, &whole, NULL) == ERR_NO_SPACE && space_release(s->space))
        db_checkpoint(w->db, &whole, NULL);
    w->wal_checkpointed = frames;
    if (gate && !whole) w->wal_gate = frames;
    s->count.checkpoints++;
    if (gate) readers_open_gate(s);
}

/* ---- after an unknown outcome ---- */

/* Everything is closed and opened again, which recovers the WAL; what memory keeps is read anew. True: it can be
 * written again. */
static bool recover(struct store *s)
{
    struct writer *w = &s->writer;
    if (clock_mono(s->world) < w->retry_at) return false;
    readers_close_gate(s);
    if (!readers_end_apart(s) || !readers_gone(s)) return false; /* the last one wakes the lane */
    readers_close_all(s);
    rows_forget(&w->rows);
    directory_unref(w->directory);
    w->directory = NULL;
    db_close(w->db);
    w->db = NULL;
    struct error e = {0};
    int r = store_connect(s, &e);
    if (!r && (r = view_recover(s, &e)) != 0) {
        db_close(w->db);
        w->db = NULL;
    }
    if (!r) watch_recover(s);
    w->retry_at = r ? clock_mono(s->world) + REOPEN_US : 0;
    w->broken = r != 0;
    atomic_store(&s->writes_refused, w->broken);
    readers_open_gate(s);
    return r == 0;
}

/* ---- the lane ---- */

static void drop_orphans(struct store *s)
{
    lock_take(s->lock);
    struct orphan *o = s->orphans;
    s->orphans = NULL;
    lock_give(s->lock);
    for (struct orphan *next; o; o = next) {
        next = o->next;
        pack_stream_drop(o->stream);
        free(o);
    }
}

static void refuse_all(struct store *s)
{
    struct job **jobs = s->writer.jobs;
    for (size_t n; (n = take(s, jobs)) > 0; wake(jobs, n))
        for (size_t i = 0; i < n; i++) {
            jobs[i]->error = (struct error){0};
            error_set(&jobs[i]->error, ERR_UNAVAILABLE, "the store is being recovered");
            jobs[i]->result = ERR_UNAVAILABLE;
        }
}

static void collect_refuse(struct store *s)
{
    struct error e = {0};
    error_set(&e, ERR_UNAVAILABLE, "the store is being recovered");
    collect_ask(s);
    collect_done(s, ERR_UNAVAILABLE, &e);
}

/* One group: 0 when nothing waited. */
static size_t one_group(struct store *s)
{
    struct writer *w = &s->writer;
    struct job **jobs = w->jobs, **good = w->good;
    size_t n = take(s, jobs), n_good = 0;
    w->held_back = false;
    if (n == 0 && !trace_is_due(s)) return 0;
    arena_reset(s->writer.arena);
    int64_t packed = packs_stats(s->packs).bytes;
    accept_place(s, jobs, n);
    for (size_t i = 0; i < n; i++)
        if (jobs[i]->result == 0) good[n_good++] = jobs[i];
    size_t ran = run_group(s, good, n_good);
    for (size_t i = 0; i < ran; i++) {
        const struct job *j = good[i];
        if (j->kind->committed && (j->result == 0 || j->result == ERR_UNKNOWN))
            j->kind->committed(s, j->args, j->result == 0);
    }
    w->held_back = ran < n_good;
    if (w->held_back) give_back(s, good + ran, n_good - ran);
    size_t over = 0;
    for (size_t i = 0, k = 0; i < n; i++) { /* those that failed early, and those that ran */
        bool waits = k < n_good && jobs[i] == good[k] && k++ >= ran;
        if (!waits) jobs[over++] = jobs[i];
    }
    s->count.groups++;
    s->count.jobs += (int64_t)over;
    space_check(s->space, packs_stats(s->packs).bytes - packed + (int64_t)(over * WAL_FRAME * 2));
    wake(jobs, over);
    return n + 1;
}

void writer_run(void *store)
{
    struct store *s = store;
    for (;;) {
        drop_orphans(s);
        if (s->writer.broken) collect_refuse(s);
        if (s->writer.broken && !recover(s)) {
            refuse_all(s);
            return;
        }
        bool more = one_group(s) > 0;
        if (s->writer.broken) continue;
        struct db_stats db = db_stats(s->writer.db);
        atomic_store(&s->count.statements, db.statements);
        atomic_store(&s->count.row_writes, db.row_writes);
        checkpoint(s);
        if (collect(s, !more) || keep_record(s, !more)) continue;
        if (!more) {
            space_check(s->space, 0);
            return;
        }
    }
}
