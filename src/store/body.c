/* A letter's bytes on their way in: in memory up to LIMIT_BODY_MEMORY, beyond that streamed into a pack of their own,
 * which is synced before the acceptance reaches the writer. */
#include <assert.h>
#include <stdlib.h>

#include "mail/limits.h"
#include "store/inside.h"

struct body {
    struct store *store;
    int64_t id, size;
    struct buf memory; /* all of it, or what is not yet in the stream */
    int error;         /* sticky */
    bool finished;
    int64_t charged; /* to the store's spool */
    struct sha256_stream *hash; /* while streaming */
    struct sha256 sha256;
    struct pack_stream *stream;
    struct orphan *orphan; /* to hand the stream over when nobody accepts it */
    struct buf envelope;
    struct pack_place place;
};

static void body_drop(void *arg)
{
    struct body *b = arg;
    struct store *s = b->store;
    if (b->stream) {
        b->orphan->stream = b->stream;
        lock_take(s->lock);
        b->orphan->next = s->orphans;
        s->orphans = b->orphan;
        lock_give(s->lock);
        lane_wake(s->lane);
    } else {
        free(b->orphan);
    }
    if (b->hash) sha256_end(b->hash);
    atomic_fetch_sub(&s->spool, b->charged);
    buf_free(&b->memory);
    buf_free(&b->envelope);
}

struct body *body_begin(struct store *s, struct arena *a)
{
    struct body *b = arena_new_of(a, struct body);
    *b =
        (struct body){.store = s, .id = store_new_id(s), .memory = BUF(LIMIT_BODY_MEMORY), .envelope = BUF(RECORD_MAX)};
    arena_defer(a, body_drop, b);
    return b;
}

void body_envelope(struct body *b, const struct reverse_path *from, const struct trace_recipient *r, size_t n,
                   utc_us received_at)
{
    buf_clear(&b->envelope);
    record_pack_envelope(&b->envelope, from, r, n, received_at);
}

static int fail(struct body *b, int code) { return b->error = code == ERR_IO ? ERR_UNAVAILABLE : code; }

/* Memory of all letters together is bounded: whoever comes too late is asked to come again. */
static int charge(struct body *b, int64_t bytes, struct error *e)
{
    struct store *s = b->store;
    if (atomic_fetch_add(&s->spool, bytes) + bytes > LIMIT_SPOOL_MEMORY) {
        atomic_fetch_sub(&s->spool, bytes);
        return error_set(e, fail(b, ERR_UNAVAILABLE), "too many letters in memory");
    }
    b->charged += bytes;
    return 0;
}

/* ---- streaming ---- */

struct spill {
    struct body *body;
    bool finish;
    int result;
    struct error error;
};

static void run_spill(void *arg)
{
    struct spill *sp = arg;
    struct body *b = sp->body;
    struct iovec bytes = {b->memory.p, b->memory.n};
    if (!b->stream)
        sp->result = pack_stream_begin(b->store->packs, b->id, buf_str(&b->envelope), &b->stream, &sp->error);
    if (!sp->result && bytes.iov_len) sp->result = pack_stream_write(b->stream, &bytes, 1, &sp->error);
    sha256_feed(b->hash, buf_str(&b->memory));
    if (!sp->result && sp->finish) sp->result = pack_stream_finish(b->stream, &b->place, &sp->error);
}

static FIBER int spill(struct body *b, bool finish, struct error *e)
{
    struct store *s = b->store;
    if (disk_is_low(s)) return error_set(e, fail(b, ERR_NO_SPACE), "the disk is nearly full");
    if (!b->hash) {
        b->hash = sha256_begin();
        b->orphan = calloc(1, sizeof *b->orphan);
        if (!b->orphan) abort();
    }
    struct spill sp = {.body = b, .finish = finish};
    offload(run_spill, &sp);
    buf_clear(&b->memory);
    if (!sp.result) return 0;
    if (e) *e = sp.error;
    return fail(b, sp.result);
}

FIBER int body_write(struct body *b, struct str bytes, struct error *e)
{
    if (b->error) return error_set(e, b->error, "%s", err_name(b->error));
    assert(!b->finished);
    while (bytes.n > 0) {
        size_t room = LIMIT_BODY_MEMORY - b->memory.n;
        struct str now = str_head(bytes, room);
        int64_t more = (int64_t)(b->memory.n + now.n) - b->charged;
        int r = now.n == 0 ? spill(b, false, e) : more > 0 ? charge(b, more, e) : 0;
        if (r) return r;
        buf_add(&b->memory, now);
        if (b->memory.failed) return error_set(e, fail(b, ERR_UNAVAILABLE), "no memory for the letter");
        b->size += (int64_t)now.n;
        bytes = str_skip(bytes, now.n);
    }
    return 0;
}

FIBER int body_finish(struct body *b, struct error *e)
{
    if (b->error) return error_set(e, b->error, "%s", err_name(b->error));
    if (b->finished) return 0;
    if (b->stream) {
        int r = spill(b, true, e);
        if (r) return r;
        b->sha256 = sha256_end(b->hash);
        b->hash = NULL;
    } else {
        b->sha256 = sha256_of(buf_str(&b->memory));
    }
    b->finished = true;
    return 0;
}

int64_t body_size(const struct body *b) { return b->size; }
struct sha256 body_sha256(const struct body *b) { return b->sha256; }
struct str body_memory(const struct body *b) { return b->stream ? STR_NONE : buf_str(&b->memory); }

/* ---- for accept.c ---- */

struct str body_bytes(struct body *b) { return b->stream ? S("") : buf_str(&b->memory); }
struct pack_stream *body_stream(struct body *b) { return b->stream; }
int64_t body_id(const struct body *b) { return b->id; }
struct pack_place *body_placed(struct body *b) { return &b->place; }

void body_kept(struct body *b)
{
    if (!b->stream) return;
    pack_stream_keep(b->stream);
    free(b->orphan);
    b->stream = NULL;
    b->orphan = NULL;
}
