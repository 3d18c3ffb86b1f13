/* Keeping the record's index behind the commits, and the record no longer than it is to be kept (mail-rules.md, "The
 * record"). A segment that is being gathered lies in memory only: after a stop its rows are read once more. */
#include "store/trace_index.h"

#include <stdlib.h>

#include "mail/limits.h"
#include "store/inside.h"

enum { NODE = 0 };
#define SPAN_LOOK_AT_AGE MINUTES(10)
#define SPAN_AFTER_FAILURE MINUTES(1)

int trace_index_load(struct store *s, struct error *e)
{
    struct trace_index *x = &s->writer.index;
    int64_t last = 0;
    struct query q = db_query(s->writer.db, SQL_TRACE_SEGMENT_LAST);
    q_int(&q, NODE);
    int r = q_one_int(&q, &last, e);
    if (r) return r;
    x->first = x->next = last + 1;
    x->n = 0;
    x->look_at_age = clock_mono(s->world) + SPAN_LOOK_AT_AGE;
    if (!x->arena) x->arena = arena_new(NULL, 0);
    if (!x->names.v) x->names.v = calloc(TRACE_NAMES, sizeof *x->names.v);
    if (!x->names.v) abort();
    return 0;
}

void trace_index_free(struct trace_index *x)
{
    arena_free(x->arena);
    free(x->names.v);
    free(x->v);
}

/* ---- gathering ---- */

bool trace_index_is_behind(struct store *s)
{
    const struct trace_index *x = &s->writer.index;
    return s->writer.trace_committed.seq - x->next >= INDEX_PIECE && clock_mono(s->world) >= x->not_before;
}

bool trace_index_is_full(const struct trace_index *x)
{
    return x->next - x->first >= SEGMENT_ROWS || x->n + TRACE_NAMES > SEGMENT_NAMES;
}

static void note(struct trace_index *x, int64_t seq, const struct trace_names *names)
{
    if (x->n + names->n > x->cap) {
        x->cap = x->cap ? 2 * x->cap : 8192;
        x->v = realloc(x->v, x->cap * sizeof *x->v);
        if (!x->v) abort();
    }
    for (size_t i = 0; i < names->n; i++)
        x->v[x->n++] = (struct trace_entry){.hash = (uint32_t)names->v[i],
                                            .bucket = (uint16_t)(names->v[i] >> 32) % SEGMENT_BUCKETS,
                                            .row = (uint16_t)(seq - x->first)};
}

/* A row that cannot be read is found by nothing; verify tells of it. */
static void note_row(struct trace_index *x, int64_t seq, struct str payload)
{
    struct record r;
    arena_reset(x->arena);
    if (record_unpack(x->arena, payload, &r) != 0 || !trace_is_told(&r)) return;
    trace_names_of(x->arena, &r, &x->names);
    note(x, seq, &x->names);
}

int trace_index_gather(struct store *s, struct error *e)
{
    struct trace_index *x = &s->writer.index;
    struct query q = db_query(s->writer.db, SQL_TRACE_PAGE);
    q_int(&q, NODE);
    q_int(&q, x->next - 1);
    q_int(&q, INDEX_PIECE);
    int r = 0;
    while (!trace_index_is_full(x) && (r = q_row(&q, e)) > 0) {
        int64_t seq = q_get_int(&q, 0);
        if (x->n == 0 && x->next == x->first) x->first = seq; /* rows before it have been deleted */
        bool in_segment = seq - x->first < SEGMENT_ROWS;
        if (in_segment) note_row(x, seq, q_get(&q, 1));
        x->next = in_segment ? seq + 1 : x->first + SEGMENT_ROWS;
    }
    q_end(&q);
    return r < 0 ? r : 0;
}

/* ---- writing ---- */

static int by_bucket(const void *a, const void *b)
{
    const struct trace_entry *x = a, *y = b;
    if (x->bucket != y->bucket) return x->bucket < y->bucket ? -1 : 1;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static void put_entry(struct buf *b, const struct trace_entry *t)
{
    const char bytes[TRACE_ENTRY] = {(char)t->hash,         (char)(t->hash >> 8), (char)(t->hash >> 16),
                                     (char)(t->hash >> 24), (char)t->row,         (char)(t->row >> 8)};
    buf_add(b, str_of(bytes, sizeof bytes));
}

int trace_index_write(struct store *s, struct error *e)
{
    struct trace_index *x = &s->writer.index;
    struct buf *b = buf_in(s->writer.arena, SEGMENT_NAMES * TRACE_ENTRY);
    int r = 0;
    qsort(x->v, x->n, sizeof *x->v, by_bucket);
    for (size_t bucket = 0, i = 0; !r && bucket < SEGMENT_BUCKETS; bucket++) {
        buf_clear(b);
        for (; i < x->n && x->v[i].bucket == bucket; i++) put_entry(b, &x->v[i]);
        struct query q = db_query(s->writer.db, SQL_TRACE_SEGMENT_INSERT);
        q_int(&q, NODE);
        q_int(&q, (int64_t)bucket);
        q_int(&q, x->next - 1);
        q_int(&q, x->first);
        q_bytes(&q, buf_str(b));
        r = q_run(&q, e);
    }
    return r;
}

void trace_index_written(struct store *s)
{
    struct trace_index *x = &s->writer.index;
    x->first = x->next;
    x->n = 0;
}

void trace_index_failed(struct store *s)
{
    struct trace_index *x = &s->writer.index;
    x->n = 0;
    x->next = x->first;
    x->not_before = clock_mono(s->world) + SPAN_AFTER_FAILURE;
    x->look_at_age = clock_mono(s->world) + SPAN_LOOK_AT_AGE;
}

/* ---- forgetting ---- */

bool trace_is_old(struct store *s) { return clock_mono(s->world) >= s->writer.index.look_at_age; }

/* The seq up to which a slice of the oldest rows is to go; 0 none. */
static int oldest(struct store *s, int64_t *until, bool *more, struct error *e)
{
    utc_us before = clock_utc(s->world) - s->keep_trace_us;
    struct query q = db_query(s->writer.db, SQL_TRACE_PAGE);
    q_int(&q, NODE);
    q_int(&q, 0);
    q_int(&q, TRACE_SLICE);
    int r, n = 0;
    *until = 0;
    while ((r = q_row(&q, e)) > 0) {
        struct record record;
        arena_reset(s->writer.arena);
        int64_t seq = q_get_int(&q, 0);
        bool read = record_unpack(s->writer.arena, q_get(&q, 1), &record) == 0 && record.at != 0;
        if ((read && record.at >= before) || seq == s->writer.trace_committed.seq) break;
        *until = seq;
        n++;
    }
    q_end(&q);
    *more = n == TRACE_SLICE;
    return r < 0 ? r : 0;
}

/* Segments all of whose rows are gone. */
static int forget_segments(struct store *s, int64_t until, struct error *e)
{
    int r = 0;
    for (int bucket = 0; !r && bucket < SEGMENT_BUCKETS; bucket++) {
        struct query q = db_query(s->writer.db, SQL_TRACE_SEGMENTS_FORGET);
        q_int(&q, NODE);
        q_int(&q, bucket);
        q_int(&q, until);
        r = q_run(&q, e);
        if (!r && bucket == 0 && q_changed(&q) == 0) break;
    }
    return r;
}

int trace_forget(struct store *s, struct error *e)
{
    int64_t until;
    bool more;
    s->writer.index.look_at_age = clock_mono(s->world) + SPAN_LOOK_AT_AGE;
    int r = oldest(s, &until, &more, e);
    if (!r && until) {
        struct query q = db_query(s->writer.db, SQL_TRACE_FORGET);
        q_int(&q, NODE);
        q_int(&q, until);
        r = q_run(&q, e);
    }
    if (!r && until) r = forget_segments(s, until, e);
    if (!r && more) s->writer.index.look_at_age = 0;
    return r;
}
