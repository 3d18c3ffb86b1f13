/* A connection in memory: two rings of bytes, one for each direction, between fibers of one loop. */
#include "io/stream_core.h"

struct ring {
    char *bytes;
    size_t cap, at, n; /* n bytes from at on, round the end */
    bool ended;        /* nobody writes any more */
    bool broken;       /* nobody reads any more, or one side was aborted */
};

struct end {
    struct conn base;
    struct ring *in, *out;
    struct end *other;
    struct fiber *reader, *writer;
    struct stream *stream;
    struct arena *arena;
    struct arena_undo *undo;
};

static struct end *end_of(struct conn *c) { return (struct end *)c; }

static void wake(struct fiber *f)
{
    if (f) fiber_wake(f);
}

static int64_t pair_try_read(struct conn *c, void *out, size_t n)
{
    struct ring *r = end_of(c)->in;
    if (r->n == 0) return r->broken ? ERR_IO : r->ended ? 0 : CONN_AGAIN;
    size_t done = 0;
    while (done < n && r->n > 0) {
        size_t run = r->cap - r->at < r->n ? r->cap - r->at : r->n;
        if (run > n - done) run = n - done;
        memcpy((char *)out + done, r->bytes + r->at, run);
        r->at = (r->at + run) % r->cap;
        r->n -= run;
        done += run;
    }
    wake(end_of(c)->other->writer);
    return (int64_t)done;
}

static size_t ring_put(struct ring *r, const char *p, size_t n)
{
    size_t done = 0;
    while (done < n && r->n < r->cap) {
        size_t to = (r->at + r->n) % r->cap, run = (to < r->at ? r->at : r->cap) - to;
        if (run > r->cap - r->n) run = r->cap - r->n;
        if (run > n - done) run = n - done;
        memcpy(r->bytes + to, p + done, run);
        r->n += run;
        done += run;
    }
    return done;
}

static int64_t pair_try_writev(struct conn *c, const struct iovec *v, int n)
{
    struct ring *r = end_of(c)->out;
    if (r->broken || r->ended) return ERR_IO;
    size_t done = 0;
    for (int i = 0; i < n && r->n < r->cap; i++) done += ring_put(r, v[i].iov_base, v[i].iov_len);
    if (done == 0 && r->n == r->cap) return CONN_AGAIN;
    wake(end_of(c)->other->reader);
    return (int64_t)done;
}

static bool pair_ready(struct conn *c, bool for_write)
{
    struct ring *r = for_write ? end_of(c)->out : end_of(c)->in;
    return r->broken || r->ended || (for_write ? r->n < r->cap : r->n > 0);
}

static void pair_watch(struct conn *c, bool for_write, struct fiber *f)
{
    *(for_write ? &end_of(c)->writer : &end_of(c)->reader) = f;
}

static void pair_shut(struct conn *c)
{
    end_of(c)->out->ended = true;
    wake(end_of(c)->other->reader);
}

static void pair_close(struct conn *c, bool abort)
{
    struct end *e = end_of(c);
    arena_undefer(e->arena, e->undo);
    e->out->ended = true;
    if (abort) e->out->broken = true;
    e->in->broken = true;
    wake(e->other->reader);
    wake(e->other->writer);
}

static struct endpoint pair_nowhere(struct conn *c)
{
    (void)c;
    return (struct endpoint){0};
}

static int pair_credentials(struct conn *c, struct peer_credentials *out)
{
    (void)c, (void)out;
    return ERR_UNSUPPORTED;
}

static const struct conn_ops pair_ops = {
    .try_read = pair_try_read,
    .try_writev = pair_try_writev,
    .ready = pair_ready,
    .watch = pair_watch,
    .shut = pair_shut,
    .close = pair_close,
    .peer = pair_nowhere,
    .local = pair_nowhere,
    .credentials = pair_credentials,
};

static void abandoned(void *end) { stream_abort(((struct end *)end)->stream); }

static struct stream *open_end(struct arena *a, struct end *e, struct end *other, struct ring *in, struct ring *out)
{
    *e = (struct end){.base.ops = &pair_ops, .in = in, .out = out, .other = other, .arena = a};
    e->undo = arena_defer(a, abandoned, e);
    return e->stream = stream_over(&e->base);
}

void stream_pair(struct arena *a, size_t capacity, struct stream **left, struct stream **right)
{
    struct end *ends = arena_array(a, 2, sizeof *ends);
    struct ring *rings = arena_array(a, 2, sizeof *rings);
    for (int i = 0; i < 2; i++) rings[i] = (struct ring){.bytes = arena_alloc(a, capacity), .cap = capacity};
    *left = open_end(a, &ends[0], &ends[1], &rings[0], &rings[1]);
    *right = open_end(a, &ends[1], &ends[0], &rings[1], &rings[0]);
}
