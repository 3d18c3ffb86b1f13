/* What becomes of rows that wait: settled by those who tried to carry them, or changed by the owner's hand.
 *
 * A settlement is one job: its rows, what the record says of it, and the letters written about it (reports, warnings)
 * are committed together, so that a report is there exactly when the row is not. The owner's changes go in pieces, each
 * a job of its own between which mail goes on; a row that was settled meanwhile is passed over. */
#include <stdlib.h>

#include "base/utf8.h"
#include "mail/limits.h"
#include "store/inside.h"

/* ---- what both need ---- */

int queue_forget(struct store *s, int64_t message, struct error *e)
{
    struct query q = db_query(s->writer.db, SQL_QUEUE_MESSAGE_DELETE);
    q_int(&q, message);
    int r = q_row(&q, e);
    if (r <= 0) return r; /* others of it wait */
    s->writer.collect.garbage += q_get_int(&q, 0);
    return q_run(&q, e);
}

int queue_record(struct store *s, int64_t message, const struct trace_event *events, size_t n, struct error *e)
{
    while (n > 0) {
        struct buf *b = buf_in(s->writer.arena, RECORD_MAX);
        size_t some = n;
        struct record r = {.message = message, .at = events[0].at, .events = events, .n_events = some};
        for (record_pack(b, &r); b->failed && some > 1; record_pack(b, &r)) {
            buf_clear(b);
            r.n_events = some = some / 2;
        }
        if (b->failed) return error_set(e, ERR_TOO_LONG, "an event would be over %d bytes", RECORD_MAX);
        int failed = trace_insert(s, 0, message, buf_str(b), e);
        if (failed) return failed;
        events += some;
        n -= some;
    }
    return 0;
}

/* Runs a statement that ends with a row's key; *changed: was it there? */
static int run_on_row(struct query *q, int64_t message, int32_t number, bool *changed, struct error *e)
{
    q_int(q, message);
    q_int(q, number);
    int r = q_run(q, e);
    *changed = !r && q_changed(q) > 0;
    return r;
}

/* ---- settling ---- */

struct settling {
    struct settlement *v;
    bool there;   /* a row was */
    int64_t gone; /* rows */
};

static int settle_row(struct store *s, int64_t message, const struct settled *d, bool *changed, struct error *e)
{
    struct query q = {0};
    struct str last_reply = utf8_head(d->last_reply, LIMIT_QUEUE_REPLY);
    switch (d->what) {
    case SETTLE_GONE:
        q = db_query(s->writer.db, SQL_QUEUE_DELETE);
        return run_on_row(&q, message, d->number, changed, e);
    case SETTLE_DEFERRED:
        q = db_query(s->writer.db, SQL_QUEUE_DEFER);
        q_int(&q, d->due);
        q_bytes(&q, last_reply);
        break;
    case SETTLE_POSTPONED:
        q = db_query(s->writer.db, SQL_QUEUE_POSTPONE);
        q_int(&q, d->due);
        break;
    case SETTLE_HELD:
        q = db_query(s->writer.db, SQL_QUEUE_KEEP_BACK);
        q_bytes(&q, last_reply);
        break;
    case SETTLE_MOVED:
        q = db_query(s->writer.db, SQL_QUEUE_MOVE);
        q_bytes(&q, d->next_hop);
        break;
    }
    q_int(&q, d->warned);
    return run_on_row(&q, message, d->number, changed, e);
}

/* The commit whose outcome nobody knew has happened: its letters are there. */
static int has_happened(struct store *s, const struct settlement *v, bool *is, struct error *e)
{
    int64_t one;
    *is = false;
    if (!v->again || v->n_letters == 0) return 0;
    struct query q = db_query(s->writer.db, SQL_BODY_IS_THERE);
    q_int(&q, body_id(v->letters->body));
    int r = q_one_int(&q, &one, e);
    *is = r == 0;
    return r == ERR_NOT_FOUND ? 0 : r;
}

static int run_settle(struct store *s, void *args, struct error *e)
{
    struct settling *g = args;
    const struct settlement *v = g->v;
    bool happened;
    int r = has_happened(s, v, &happened, e);
    g->gone = 0;
    g->there = happened;
    for (size_t i = 0; happened && i < v->n; i++) g->gone += v->recipients[i].what == SETTLE_GONE;
    if (r || happened) return r;
    g->there = v->n == 0;
    for (size_t i = 0; !r && i < v->n; i++) {
        bool changed;
        r = settle_row(s, v->message, &v->recipients[i], &changed, e);
        g->there |= changed;
        g->gone += changed && v->recipients[i].what == SETTLE_GONE;
    }
    if (!r && g->gone) r = queue_forget(s, v->message, e);
    if (!r && (g->there || !v->again)) r = queue_record(s, v->message, v->events, v->n_events, e);
    for (size_t i = 0; !r && g->there && i < v->n_letters; i++) r = accept_write(s, &v->letters[i], e);
    return r;
}

static struct acceptance *letters_of_settlement(void *args, size_t *n)
{
    const struct settling *g = args;
    *n = g->v->n_letters;
    return g->v->letters;
}

static void settle_committed(struct store *s, void *args, bool sure)
{
    const struct settling *g = args;
    if (sure) s->count.queue_rows -= g->gone;
    for (size_t i = 0; g->there && i < g->v->n_letters; i++) accept_committed(s, &g->v->letters[i], sure);
}

static const struct job_kind settle_job = {
    .name = "settle", .run = run_settle, .letters = letters_of_settlement, .committed = settle_committed};

FIBER void store_settle(struct store *s, struct settlement *v, size_t n)
{
    struct job *jobs = calloc(n + 1, sizeof *jobs);
    struct settling *settling = calloc(n + 1, sizeof *settling);
    if (!jobs || !settling) abort();
    for (size_t i = 0; i < n; i++) {
        settling[i].v = &v[i];
        jobs[i].kind = &settle_job;
        jobs[i].args = &settling[i];
        for (size_t k = 0; k < v[i].n_letters; k++) jobs[i].bytes += accept_bytes(&v[i].letters[k]);
    }
    store_jobs(s, jobs, n);
    for (size_t i = 0; i < n; i++) {
        v[i].result = jobs[i].result;
        v[i].error = jobs[i].error;
    }
    free(settling);
    free(jobs);
}

/* ---- by hand ---- */

enum { PIECE = 200 }; /* rows of one job */

struct piece {
    enum queue_change what;
    struct str who;
    const struct queue_item *v; /* in order of messages */
    size_t n;
    int64_t changed; /* rows */
};

static const struct {
    enum trace_kind kind;
    struct str words;
} told[] = {
    [QUEUE_HOLD] = {TRACE_HELD, S_INIT("held")},
    [QUEUE_RELEASE] = {TRACE_ADMIN, S_INIT("released")},
    [QUEUE_RETRY] = {TRACE_ADMIN, S_INIT("to be tried at once")},
    [QUEUE_REMOVE] = {TRACE_ADMIN, S_INIT("removed")},
    [QUEUE_REROUTE] = {TRACE_ADMIN, S_INIT("to be routed anew")},
};

static int change_row(struct store *s, enum queue_change what, const struct queue_item *i, bool *changed,
                      struct error *e)
{
    struct query q = {0};
    utc_us now = clock_utc(s->world);
    switch (what) {
    case QUEUE_HOLD: q = db_query(s->writer.db, SQL_QUEUE_HOLD); break;
    case QUEUE_REMOVE: q = db_query(s->writer.db, SQL_QUEUE_DELETE); break;
    case QUEUE_RELEASE:
        q = db_query(s->writer.db, SQL_QUEUE_RELEASE);
        for (int k = 0; k < 3; k++) q_int(&q, now);
        q_int(&q, i->message);
        q_int(&q, i->number);
        q_int(&q, now);
        int r = q_run(&q, e);
        *changed = !r && q_changed(&q) > 0;
        return r;
    case QUEUE_REROUTE:
        q = db_query(s->writer.db, SQL_QUEUE_REROUTE);
        q_bytes(&q, S(""));
        q_int(&q, now);
        q_int(&q, now);
        break;
    case QUEUE_RETRY:
        q = db_query(s->writer.db, SQL_QUEUE_RETRY);
        q_int(&q, now);
        q_int(&q, now);
        break;
    }
    return run_on_row(&q, i->message, i->number, changed, e);
}

/* The rows of one message, the first n of v. */
static int change_message(struct store *s, struct piece *p, const struct queue_item *v, size_t n, struct error *e)
{
    struct arena *a = s->writer.arena;
    struct trace_event *events = arena_array(a, n, sizeof *events);
    struct str words = told[p->what].words, by = p->who.n ? S(" by ") : S("");
    size_t n_events = 0;
    int r = 0;
    for (size_t i = 0; !r && i < n; i++) {
        bool changed;
        r = change_row(s, p->what, &v[i], &changed, e);
        if (changed)
            events[n_events++] = (struct trace_event){
                .at = clock_utc(s->world),
                .kind = told[p->what].kind,
                .recipient = (int32_t)v[i].recipient,
                .address = address_str(a, v[i].final),
                .text = arena_printf(a, "%.*s%.*s%.*s", STR_FMT(words), STR_FMT(by), STR_FMT(p->who))};
    }
    p->changed += (int64_t)n_events;
    if (!r && n_events && p->what == QUEUE_REMOVE) r = queue_forget(s, v->message, e);
    return r ? r : queue_record(s, v->message, events, n_events, e);
}

static int run_change(struct store *s, void *args, struct error *e)
{
    struct piece *p = args;
    int r = 0;
    p->changed = 0;
    for (size_t i = 0, n; !r && i < p->n; i += n) {
        for (n = 1; i + n < p->n && p->v[i + n].message == p->v[i].message;) n++;
        r = change_message(s, p, &p->v[i], n, e);
    }
    return r;
}

static void change_committed(struct store *s, void *args, bool sure)
{
    const struct piece *p = args;
    if (sure && p->what == QUEUE_REMOVE) s->count.queue_rows -= p->changed;
}

static const struct job_kind change_job = {.name = "queue change", .run = run_change, .committed = change_committed};

FIBER int store_queue_change(struct store *s, const struct queue_filter *f, enum queue_change what, struct str who,
                             int64_t *n_changed, struct error *e)
{
    struct arena *a = arena_new(NULL, 0);
    struct queue_place after = {0};
    int64_t last = store_new_id(s); /* what comes after it is none of this: there may be no end of it */
    bool more = true;
    int r = 0;
    *n_changed = 0;
    while (!r && more) {
        struct piece p = {.what = what, .who = who};
        struct queue_item *v;
        arena_reset(a);
        r = store_queue_list(s, a, f, after, PIECE, &v, &p.n, &more, e);
        if (r || p.n == 0) break;
        after = (struct queue_place){.message = v[p.n - 1].message, .number = v[p.n - 1].number};
        more = more && after.message <= last;
        p.v = v;
        r = store_job(s, &change_job, &p, 0, e);
        if (!r) *n_changed += p.changed;
    }
    arena_free(a);
    return r;
}
