/* Streams: reading, waiting, ending. Writing is stream_write.c's, TLS stream_tls.c's. */
#include "io/stream_core.h"

#include <assert.h>
#include <stdlib.h>

#include "mail/limits.h"

#define RATE_WINDOW MINUTES(1)
#define LINGER SECONDS(2) /* for a peer that still sends when we close, to read our last words */
enum { LINGER_BYTES = 256 * 1024 };

struct stream *stream_over(struct conn *c)
{
    struct stream *s = calloc(1, sizeof *s);
    if (!s) abort();
    s->conn = c;
    s->deadline = FOREVER;
    return s;
}

int stream_fail_input(struct stream *s, int error)
{
    if (!s->in_error) s->in_error = (int16_t)error;
    return s->in_error;
}

int stream_fail(struct stream *s, int error)
{
    if (!s->out_error) s->out_error = (int16_t)error;
    return stream_fail_input(s, error);
}

/* ---- the input buffer ---- */

static void input_return(struct stream *s)
{
    if (s->cap > BLOCK_SIZE) free(s->in);
    else if (s->in) block_give(s->in);
    s->in = NULL;
    s->cap = s->start = s->end = 0;
}

void stream_drop_input(struct stream *s) { input_return(s); }

/* Room to read into, with space for a line of `room` bytes in the end. */
static void input_room(struct stream *s, size_t room)
{
    if (!s->in) {
        s->in = block_take();
        s->cap = BLOCK_SIZE;
    }
    uint32_t unread = s->end - s->start;
    if (s->start > 0 && (unread == 0 || s->cap - s->end < s->cap / 4)) {
        memmove(s->in, s->in + s->start, unread);
        s->start = 0;
        s->end = unread;
    }
    if (s->end < s->cap) return;
    uint32_t cap = s->cap * 2 < room ? s->cap * 2 : (uint32_t)room;
    assert(cap > s->cap);
    char *larger = malloc(cap);
    if (!larger) abort();
    memcpy(larger, s->in, unread);
    input_return(s);
    s->in = larger;
    s->cap = cap;
    s->end = unread;
}

/* ---- getting input ---- */

int64_t stream_try_receive(struct stream *s, void *out, size_t n, bool *want_write)
{
    int64_t got = s->tls ? tls_layer_try_read(s->tls, out, n, want_write) : s->conn->ops->try_read(s->conn, out, n);
    if (got > 0) {
        s->bytes_in += got;
        s->rate_bytes += got;
    }
    return got;
}

static int64_t try_input(struct stream *s, void *out, size_t n, bool *want_write)
{
    *want_write = false;
    int64_t got = s->deflate ? deflate_try_read(s, out, n, want_write) : stream_try_receive(s, out, n, want_write);
    if (got == 0) got = stream_fail_input(s, ERR_EOF);
    else if (got == ERR_SYNTAX) got = stream_fail_input(s, ERR_SYNTAX);
    else if (got < 0 && got != CONN_AGAIN) got = stream_fail(s, (int)got);
    return got;
}

int64_t stream_try_fill(struct stream *s, size_t room, bool *want_write)
{
    if (s->in_error) return s->in_error;
    input_room(s, room);
    int64_t got = try_input(s, s->in + s->end, s->cap - s->end, want_write);
    if (got > 0) s->end += (uint32_t)got;
    else if (s->start == s->end) input_return(s);
    return got;
}

/* A wait that turns out long: what was only good for being quick is given back in the middle of it. So a session that
 * sleeps costs little, whoever wrote it, and one that is busy never comes here. */
static void sleep_light(struct stream *s)
{
    if (s) deflate_trim(s);
    fiber_trim();
}

static mono_us soon_of(mono_us deadline)
{
    mono_us soon = loop_now() + SPAN_IDLE;
    return soon < deadline ? soon : deadline;
}

static FIBER int wait_conn(struct stream *s, bool want_write, mono_us deadline)
{
    mono_us soon = soon_of(deadline);
    int result = conn_wait(s->conn, want_write, soon);
    if (result != ERR_TIMEOUT || soon == deadline) return result;
    sleep_light(s);
    return conn_wait(s->conn, want_write, deadline);
}

/* A peer must bring min_rate bytes for each second we waited for it, seen over a minute of waiting. */
static FIBER int wait_at_rate(struct stream *s, bool want_write)
{
    if (!s->min_rate) return wait_conn(s, want_write, s->deadline);
    mono_us since = loop_now(), minute_over = since + RATE_WINDOW - s->rate_waited;
    int result = wait_conn(s, want_write, minute_over < s->deadline ? minute_over : s->deadline);
    s->rate_waited += loop_now() - since;
    if (s->rate_waited < RATE_WINDOW) return result;
    if (s->rate_bytes < s->min_rate * (RATE_WINDOW / US_PER_S)) return ERR_TOO_SLOW;
    s->rate_waited = s->rate_bytes = 0;
    return result == ERR_TIMEOUT && loop_now() < s->deadline ? 0 : result;
}

/* Before the fiber waits for the peer, the peer must have all we said. */
static FIBER int wait_for_input(struct stream *s, bool want_write)
{
    /* a writer on its own is not waited for: its peer may wait for us to read */
    int e = s->sending ? 0 : stream_flush(s);
    if (!e && deflate_gave_way(s)) fiber_yield();
    else if (!e) e = wait_at_rate(s, want_write);
    return e ? stream_fail_input(s, e) : 0;
}

/* At least one more byte into the buffer. */
static FIBER int fill(struct stream *s, size_t room)
{
    for (;;) {
        bool want_write = false;
        int64_t got = stream_try_fill(s, room, &want_write);
        if (got > 0) {
            fiber_moved((size_t)got);
            return 0;
        }
        if (got != CONN_AGAIN) return (int)got;
        int e = wait_for_input(s, want_write);
        if (e) return e;
    }
}

/* ---- reading ---- */

void stream_lenient(struct stream *s, bool bare_lf_ends_line) { s->lenient = bare_lf_ends_line; }

/* Length of the line that begins the unread input, with its end; 0: no end there yet. *seen: bytes looked at before. */
static size_t find_line(struct stream *s, size_t *seen)
{
    const char *first = s->in + s->start, *end = s->in + s->end;
    for (const char *at = first + *seen; at < end;) {
        const char *lf = memchr(at, '\n', (size_t)(end - at));
        if (!lf) break;
        if (s->lenient || (lf > first && lf[-1] == '\r')) return (size_t)(lf - first) + 1;
        at = lf + 1;
    }
    *seen = (size_t)(end - first);
    return 0;
}

FIBER int stream_line(struct stream *s, size_t max, struct str *line)
{
    size_t seen = 0;
    bool skipping = false;
    for (;;) {
        size_t n = s->start < s->end ? find_line(s, &seen) : 0;
        if (n) {
            const char *first = s->in + s->start;
            s->start += (uint32_t)n;
            if (skipping || n > max) return ERR_TOO_LONG;
            *line = str_of(first, n - (n >= 2 && first[n - 2] == '\r' ? 2 : 1));
            return 0;
        }
        if (skipping || s->end - s->start >= max) { /* drop it, but for a CR that may be half of the line end */
            skipping = true;
            seen = s->end > s->start && s->in[s->end - 1] == '\r';
            s->start = s->end - (uint32_t)seen;
        }
        int e = fill(s, max);
        if (e) return e;
    }
}

FIBER int stream_peek(struct stream *s, struct str *bytes)
{
    if (s->start == s->end) {
        int e = fill(s, BLOCK_SIZE);
        if (e) return e;
    }
    *bytes = stream_buffered(s);
    return 0;
}

void stream_take(struct stream *s, size_t n)
{
    assert(n <= s->end - s->start);
    s->start += (uint32_t)n;
}

struct str stream_buffered(struct stream *s) { return str_of(s->in ? s->in + s->start : "", s->end - s->start); }

FIBER int stream_read(struct stream *s, void *out, size_t n)
{
    for (char *at = out; n > 0;) {
        size_t have = s->end - s->start;
        if (have) {
            size_t part = have < n ? have : n;
            memcpy(at, s->in + s->start, part);
            s->start += (uint32_t)part;
            at += part;
            n -= part;
        } else if (n < BLOCK_SIZE || s->in_error) {
            int e = fill(s, BLOCK_SIZE);
            if (e) return e;
        } else { /* much: without the buffer between */
            bool want_write;
            int64_t got = try_input(s, at, n, &want_write);
            int e = got > 0 ? 0 : got == CONN_AGAIN ? wait_for_input(s, want_write) : (int)got;
            if (e) return e;
            if (got <= 0) continue;
            fiber_moved((size_t)got);
            at += got;
            n -= (size_t)got;
        }
    }
    return 0;
}

/* ---- waiting for several things ---- */

/* Has input come, or an error the next read will tell? */
static bool input_came(struct stream *s, bool *want_write)
{
    return s->start < s->end || stream_try_fill(s, BLOCK_SIZE, want_write) != CONN_AGAIN;
}

bool stream_has_input(struct stream *s)
{
    bool want_write;
    return input_came(s, &want_write);
}

FIBER int wait_any(struct stream *s, struct event *e, mono_us deadline)
{
    if (s && s->start == s->end && !s->sending && stream_flush(s) != 0) return WAIT_INPUT;
    struct waiter w = {.fiber = fiber_self()};
    if (e) list_push(&e->waiters, &w.link);
    mono_us soon = soon_of(deadline);
    int result = 0;
    for (;;) {
        bool want_write = false;
        if (s && input_came(s, &want_write)) result = WAIT_INPUT;
        else if (e && (e->set || w.served)) result = WAIT_EVENT;
        if (result) break;
        if (s && deflate_gave_way(s)) {
            fiber_yield();
            continue;
        }
        if (s) s->conn->ops->watch(s->conn, want_write, w.fiber);
        result = fiber_park(soon);
        if (s) s->conn->ops->watch(s->conn, want_write, NULL);
        if (result != ERR_TIMEOUT || soon == deadline) continue;
        sleep_light(s);
        soon = deadline;
        result = 0;
    }
    if (e) list_remove(&w.link);
    return result;
}

void stream_deadline(struct stream *s, mono_us deadline) { s->deadline = deadline; }

void stream_min_rate(struct stream *s, int64_t bytes_per_second)
{
    s->min_rate = bytes_per_second;
    s->rate_waited = s->rate_bytes = 0;
}

/* ---- the rest ---- */

struct endpoint stream_peer(struct stream *s) { return s->peer_set ? s->peer : s->conn->ops->peer(s->conn); }
struct endpoint stream_local(struct stream *s) { return s->conn->ops->local(s->conn); }

void stream_set_peer(struct stream *s, struct endpoint peer)
{
    s->peer = peer;
    s->peer_set = true;
}

int stream_error(struct stream *s) { return s->out_error ? s->out_error : s->in_error; }
const char *stream_error_text(struct stream *s) { return s->detail ? s->detail->text : err_name(stream_error(s)); }
int64_t stream_bytes_in(struct stream *s) { return s->bytes_in; }
int64_t stream_bytes_out(struct stream *s) { return s->bytes_out; }

int stream_peer_credentials(struct stream *s, struct peer_credentials *out)
{
    return s->conn->ops->credentials(s->conn, out);
}

/* ---- ending ---- */

/* Closing a socket with unread input makes the kernel send a reset, which can take our last reply away from the peer:
 * so what it still sends is read and thrown away, for a short while. */
static FIBER void linger(struct stream *s)
{
    struct conn *c = s->conn;
    mono_us until = loop_now() + LINGER;
    char *waste = block_take();
    bool unread = s->start < s->end, shut = false;
    for (int64_t left = LINGER_BYTES; left > 0;) {
        int64_t got = c->ops->try_read(c, waste, BLOCK_SIZE);
        if (got > 0) {
            unread = true;
            left -= got;
        } else if (got != CONN_AGAIN || !unread) {
            break;
        } else {
            if (!shut) c->ops->shut(c);
            shut = true;
            if (conn_wait(c, false, until) != 0) break;
        }
    }
    block_give(waste);
}

static void discard(struct stream *s, bool abort)
{
    input_return(s);
    if (s->out) block_give(s->out);
    deflate_free(s);
    if (s->tls) tls_layer_free(s->tls);
    s->conn->ops->close(s->conn, abort);
    free(s->facts);
    free(s->detail);
    free(s);
}

FIBER void stream_close(struct stream *s)
{
    if (stream_flush(s) == 0) {
        bool want_write;
        if (s->tls) tls_layer_shutdown(s->tls, &want_write);
        if (s->in_error != ERR_EOF) linger(s);
    }
    discard(s, false);
}

void stream_abort(struct stream *s) { discard(s, true); }
