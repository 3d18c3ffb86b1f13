/* Streams: writing. Small pieces gather in one block; what does not fit goes out with it, uncopied, in one call. */
#include <stdlib.h>

#include "io/stream_core.h"

enum {
    PIECES = 32, /* of one system call */
    MUCH = 4096, /* bytes; less is not worth looking at the clock for */
};

static void advance(struct iovec **v, int *n, size_t put)
{
    while (*n > 0 && put >= (*v)->iov_len) {
        put -= (*v)->iov_len;
        (*v)++;
        (*n)--;
    }
    if (*n > 0) {
        (*v)->iov_base = (char *)(*v)->iov_base + put;
        (*v)->iov_len -= put;
    }
}

/* The fiber that reads flushes before it waits, so two may want to send at the same time. */
static FIBER int begin_sending(struct stream *s)
{
    int e = 0;
    while (s->sending && !e) {
        s->sender = fiber_self();
        e = fiber_park(s->deadline);
        s->sender = NULL;
    }
    if (e) stream_fail(s, e);
    if (s->out_error) return s->out_error;
    s->sending = true;
    return 0;
}

static int end_sending(struct stream *s, int result)
{
    s->sending = false;
    if (s->sender) fiber_wake(s->sender);
    return result;
}

/* The peer may have said why it does not read on ("552 too large"): that must not be lost with the connection. */
static FIBER void save_last_words(struct stream *s)
{
    bool want_write;
    if (s->in_error || s->start < s->end) return;
    if (!s->conn->ops->ready(s->conn, false)) fiber_yield(); /* the loop may not have noticed yet */
    stream_try_fill(s, BLOCK_SIZE, &want_write);
}

FIBER int stream_send(struct stream *s, struct iovec *v, int n)
{
    for (advance(&v, &n, 0); n > 0;) {
        bool want_write = true;
        int64_t put = s->tls ? tls_layer_try_write(s->tls, v->iov_base, v->iov_len, &want_write)
                             : s->conn->ops->try_writev(s->conn, v, n);
        if (put >= 0) {
            s->bytes_out += put;
            advance(&v, &n, (size_t)put);
            if (put >= MUCH) fiber_moved((size_t)put);
            continue;
        }
        int e = put == CONN_AGAIN ? conn_wait(s->conn, want_write, s->deadline) : (int)put;
        if (!e) continue;
        if (e != ERR_CANCELLED) save_last_words(s);
        stream_fail(s, e);
        return s->out_error;
    }
    return 0;
}

static FIBER int send_all(struct stream *s, struct iovec *v, int n)
{
    return s->deflate ? deflate_send(s, v, n) : stream_send(s, v, n);
}

/* Takes the gathered output off the stream: what others write meanwhile gathers anew behind it. */
static struct iovec take_gathered(struct stream *s)
{
    struct iovec v = {s->out, s->out_n};
    s->out = NULL;
    s->out_n = 0;
    return v;
}

static void give_back(struct iovec gathered)
{
    if (gathered.iov_base) block_give(gathered.iov_base);
}

FIBER int stream_flush(struct stream *s)
{
    if (s->out_error || (!s->out_n && !s->sending)) return s->out_error;
    int e = begin_sending(s);
    if (e) return e;
    struct iovec gathered = take_gathered(s), v = gathered;
    e = send_all(s, &v, 1);
    give_back(gathered);
    return end_sending(s, e);
}

static void gather(struct stream *s, const void *p, size_t n)
{
    if (n == 0) return;
    if (!s->out) s->out = block_take();
    memcpy(s->out + s->out_n, p, n);
    s->out_n += (uint32_t)n;
}

FIBER int stream_write(struct stream *s, struct str bytes)
{
    if (s->out_error) return s->out_error;
    if (bytes.n > BLOCK_SIZE - s->out_n)
        return stream_writev(s, &(struct iovec){(void *)(uintptr_t)bytes.p, bytes.n}, 1);
    gather(s, bytes.p, bytes.n);
    return 0;
}

/* TLS takes one piece at a time and makes a record of it: small ones are better gathered. */
static FIBER int write_records(struct stream *s, const struct iovec *v, int n)
{
    for (int i = 0; i < n; i++) {
        struct iovec piece = v[i];
        while (piece.iov_len > 0) {
            if (s->out_n == 0 && piece.iov_len >= BLOCK_SIZE) {
                int e = begin_sending(s);
                if (!e) e = end_sending(s, send_all(s, &piece, 1));
                if (e) return e;
                break;
            }
            size_t room = BLOCK_SIZE - s->out_n, part = piece.iov_len < room ? piece.iov_len : room;
            gather(s, piece.iov_base, part);
            piece.iov_base = (char *)piece.iov_base + part;
            piece.iov_len -= part;
            int e = s->out_n == BLOCK_SIZE ? stream_flush(s) : 0;
            if (e) return e;
        }
    }
    return stream_flush(s);
}

FIBER int stream_writev(struct stream *s, const struct iovec *v, int n)
{
    if (s->out_error) return s->out_error;
    if (s->tls && !s->deflate) return write_records(s, v, n);
    int e = begin_sending(s);
    if (e) return e;
    struct iovec gathered = take_gathered(s), batch[PIECES] = {gathered};
    int used = 1;
    for (int i = 0; i < n && !e; i++) {
        batch[used++] = v[i];
        if (used < PIECES && i + 1 < n) continue;
        e = send_all(s, batch, used);
        used = 0;
    }
    if (used && !e) e = send_all(s, batch, used);
    give_back(gathered);
    return end_sending(s, e);
}
