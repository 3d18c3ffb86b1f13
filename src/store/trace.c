/* The record: rows (node, seq) without gaps, each chained to the one before it, so that nothing can be changed or taken
 * out unseen (mail-rules.md, "The record").
 *
 *     digest = SHA-256(salt + payload)        chain = SHA-256(chain of the row before + digest)
 *
 * Redacting a row empties its payload and keeps its digest. Refusals come here without waiting and ride along with a
 * later group. */
#include <stdlib.h>

#include "store/inside.h"

enum { SALT = 16, NODE = 0 };

int trace_load(struct store *s, struct error *e)
{
    struct writer *w = &s->writer;
    w->trace_committed = (struct trace_state){0};
    struct query q = db_query(w->db, SQL_TRACE_LAST);
    q_int(&q, NODE);
    int r = q_row(&q, e);
    if (r <= 0) return r;
    struct str chain = q_get(&q, 1);
    w->trace_committed.seq = q_get_int(&q, 0);
    w->pack = (struct pack_durable){.pack = q_get_int(&q, 2), .size = q_get_int(&q, 3)};
    int64_t last_id = q_get_int(&q, 4);
    if (last_id > ids_last(&s->ids)) ids_start(&s->ids, s->ids.node, last_id);
    if (chain.n == SHA256_SIZE) memcpy(w->trace_committed.chain.b, chain.p, SHA256_SIZE);
    else r = error_set(e, ERR_CORRUPT, "the trace's last row has no chain");
    q_end(&q);
    return r < 0 ? r : 0;
}

/* A salt; random bytes are fetched for many rows at once. */
static const char *next_salt(struct store *s)
{
    struct writer *w = &s->writer;
    if (w->salts_left == 0) {
        world_random(s->world, w->salts, sizeof w->salts);
        w->salts_left = sizeof w->salts;
    }
    w->salts_left -= SALT;
    return w->salts + w->salts_left;
}

int trace_insert(struct store *s, int64_t session, int64_t message, struct str payload, struct error *e)
{
    struct writer *w = &s->writer;
    struct {
        unsigned char chain[SHA256_SIZE], digest[SHA256_SIZE];
    } link;
    char *salted = arena_alloc(w->arena, SALT + payload.n);
    memcpy(salted, next_salt(s), SALT);
    memcpy(salted + SALT, payload.p, payload.n);
    struct sha256 digest = sha256_of(str_of(salted, SALT + payload.n));
    memcpy(link.chain, w->trace.chain.b, SHA256_SIZE);
    memcpy(link.digest, digest.b, SHA256_SIZE);
    struct sha256 chain = sha256_of(str_of(&link, sizeof link));

    struct query q = db_query(w->db, SQL_TRACE_INSERT);
    q_int(&q, NODE);
    q_int(&q, w->trace.seq + 1);
    q_int(&q, session);
    q_int(&q, message);
    q_int(&q, w->pack_now.pack);
    q_int(&q, w->pack_now.size);
    q_int(&q, ids_last(&s->ids));
    q_bytes(&q, str_of(salted, SALT));
    q_bytes(&q, sha256_str(&digest));
    q_bytes(&q, sha256_str(&chain));
    q_bytes(&q, payload);
    int r = q_run(&q, e);
    if (r) return r;
    w->trace.seq++;
    w->trace.chain = chain;
    w->wrote_trace = true;
    return 0;
}

/* ---- refusals ---- */

void trace_queue_free(struct trace_queue *q)
{
    for (struct trace_waiting *t = q->first, *next; t; t = next) {
        next = t->next;
        free(t);
    }
    *q = (struct trace_queue){0};
}

static void queue_put(struct trace_queue *q, struct trace_waiting *t)
{
    if (!q->first) q->end = &q->first;
    *q->end = t;
    q->end = &t->next;
    q->n++;
}

/* Refusals that have waited for company long enough get a group of their own. */
static void trace_late(void *store)
{
    struct store *s = store;
    fiber_sleep(TRACES_LATE); /* cut short when the loop stops: then they are due as well */
    lock_take(s->lock);
    s->traces_timer = false;
    s->traces_due = s->traces.n > 0 || s->traces_dropped > 0;
    bool due = s->traces_due;
    lock_give(s->lock);
    if (due) lane_wake(s->lane);
}

void store_trace(struct store *s, int64_t session, int64_t message, const struct trace_event *events, size_t n)
{
    if (n == 0) return;
    struct buf b = BUF(RECORD_MAX);
    struct record r = {.session = session, .message = message, .at = events[0].at, .events = events, .n_events = n};
    record_pack(&b, &r);
    struct trace_waiting *t = malloc(sizeof *t + b.n);
    if (!t) abort();
    *t = (struct trace_waiting){.session = session, .message = message, .n = b.n};
    memcpy(t->payload, b.p, b.n);

    lock_take(s->lock);
    /* refusals must not fill the disk */
    bool full = s->traces.n >= TRACES_WAITING || b.failed || space_is_low(s->space);
    if (full) s->traces_dropped++;
    else queue_put(&s->traces, t);
    bool now = s->traces.n >= TRACES_DUE || !loop_self(), later = !now && !s->traces_timer;
    if (now) s->traces_due = true;
    if (later) s->traces_timer = true;
    lock_give(s->lock);
    if (full) free(t);
    buf_free(&b);
    if (now) lane_wake(s->lane);
    if (later) fiber_spawn(loop_scope(loop_self()), trace_late, s);
}

bool trace_is_due(struct store *s)
{
    lock_take(s->lock);
    bool due = s->traces_due;
    s->traces_due = false;
    lock_give(s->lock);
    return due;
}

/* The writer's share of what waits: those of a group that failed first, then as many as one group takes. */
static void take_waiting(struct store *s)
{
    struct writer *w = &s->writer;
    lock_take(s->lock);
    while (s->traces.first && w->traces.n < TRACES_DUE) {
        struct trace_waiting *t = s->traces.first;
        s->traces.first = t->next;
        s->traces.n--;
        t->next = NULL;
        queue_put(&w->traces, t);
    }
    if (s->traces.first) s->traces_due = true;
    w->dropped += s->traces_dropped;
    s->traces_dropped = 0;
    lock_give(s->lock);
}

static int insert_dropped(struct store *s, struct error *e)
{
    struct trace_event lost = {.at = clock_utc(s->world),
                               .kind = TRACE_REFUSED_MANY,
                               .recipient = -1,
                               .number = s->writer.dropped,
                               .text = S("not written: too many at once, or the disk was low")};
    struct record r = {.at = lost.at, .events = &lost, .n_events = 1};
    struct buf *b = buf_in(s->writer.arena, RECORD_MAX);
    record_pack(b, &r);
    return trace_insert(s, 0, 0, buf_str(b), e);
}

int trace_flush(struct store *s, struct error *e)
{
    struct writer *w = &s->writer;
    take_waiting(s);
    int r = 0;
    for (struct trace_waiting *t = w->traces.first; !r && t; t = t->next)
        r = trace_insert(s, t->session, t->message, str_of(t->payload, t->n), e);
    if (!r && w->dropped) r = insert_dropped(s, e);
    return r;
}

void trace_committed(struct store *s)
{
    trace_queue_free(&s->writer.traces);
    s->writer.dropped = 0;
}

/* ---- reading ---- */

struct page {
    int64_t after, message;
    size_t max, n;
    struct arena *arena; /* of the page: the thread must not touch the caller's */
    struct page_row {
        int64_t seq;
        struct str payload;
    } * rows;
};

static int read_page(struct store *s, struct db *db, void *arg, struct error *e)
{
    struct page *p = arg;
    mono_us end = clock_mono(s->world) + READ_US;
    struct query q = db_query(db, p->message ? SQL_TRACE_OF_MESSAGE : SQL_TRACE_PAGE);
    if (p->message) q_int(&q, p->message);
    q_int(&q, NODE);
    q_int(&q, p->after);
    q_int(&q, (int64_t)p->max);
    int r = 0;
    while (p->n < p->max && (r = q_row(&q, e)) > 0) {
        p->rows[p->n++] = (struct page_row){q_get_int(&q, 0), arena_str(p->arena, q_get(&q, 1))};
        if (clock_mono(s->world) > end) break;
    }
    q_end(&q);
    return r < 0 ? r : 0;
}

static int unpack_row(struct arena *a, const struct page_row *from, struct trace_row *out)
{
    struct record r;
    int failed = record_unpack(a, arena_str(a, from->payload), &r);
    if (failed) return failed;
    struct trace_recipient *recipients = arena_array(a, r.n_recipients, sizeof *recipients);
    if (r.n_recipients) memcpy(recipients, r.recipients, r.n_recipients * sizeof *recipients);
    *out = (struct trace_row){.seq = from->seq,
                              .session = r.session,
                              .message = r.message,
                              .at = r.at,
                              .subject = r.subject,
                              .message_id = r.message_id,
                              .events = r.events,
                              .n_events = r.n_events,
                              .recipients = recipients,
                              .n_recipients = r.n_recipients};
    out->sender = address_is_null(r.sender) ? S("") : address_str(a, r.sender);
    return 0;
}

FIBER int store_trace_read(struct store *s, struct arena *a, int64_t after, int64_t message, size_t max,
                           struct trace_row **out, size_t *n, struct error *e)
{
    enum { PAGE_ROWS = 1000 };
    struct page p = {.after = after,
                     .message = message,
                     .max = max < PAGE_ROWS ? max : PAGE_ROWS,
                     .arena = arena_new(NULL, 0)};
    p.rows = arena_array(p.arena, p.max, sizeof *p.rows);
    int r = store_read(s, read_page, &p, e);
    struct trace_row *rows = arena_array(a, p.n, sizeof *rows);
    for (size_t i = 0; !r && i < p.n; i++) {
        r = unpack_row(a, &p.rows[i], &rows[i]);
        if (r) error_set(e, r, "trace row %lld cannot be read", (long long)p.rows[i].seq);
    }
    arena_free(p.arena);
    if (r) return r;
    *out = rows;
    *n = p.n;
    return 0;
}
