/* Streams: compression of both directions (RFC 4978) by zlib's raw deflate (RFC 1951).
 *
 * A deflater for output is made when there is something to say and can be given up whenever all of it has been flushed:
 * what a new one writes refers to nothing older, and the peer need not know. An inflater must remember the last 32 KiB
 * the peer has said, since the peer may refer to them; of one that sleeps only these bytes are kept. */
#define ZLIB_CONST
#include <stdlib.h>
#include <zlib.h>

#include "io/stream_core.h"

enum {
    WINDOW_IN = -15, /* bits; negative: no header. The peer may use all that deflate has */
    WINDOW_OUT = -13,
    MEMORY_OUT = 5, /* with the window 53 KiB, where zlib's defaults take 261 KiB */
    LEVEL = 5,
    STEP_IN = 64 * 1024, /* bytes inflated at once: others want their turn */
    BARREN = 4, /* blocks of input that may yield nothing (deflate has empty blocks) before others get their turn */
};

struct deflate {
    z_stream in, out;
    bool has_in, has_out;
    bool full; /* the last output of `in` filled its room: there may be more of the same input */
    bool ended, broken;
    bool gave_way;
    char *raw; /* the peer's bytes as they came: [start, end) of cap; NULL while there are none */
    uint32_t cap, start, end;
    char *window; /* of an inflater that sleeps */
    uint32_t window_n;
};

/* ---- beginning and end ---- */

FIBER int stream_deflate(struct stream *s)
{
    int e = stream_flush(s);
    if (e) return e;
    struct deflate *d = calloc(1, sizeof *d);
    if (!d || s->deflate) abort();
    if (s->start < s->end) {
        d->raw = s->in;
        d->cap = s->cap;
        d->start = s->start;
        d->end = s->end;
        s->in = NULL;
        s->cap = s->start = s->end = 0;
    } else {
        stream_drop_input(s);
    }
    s->deflate = d;
    return 0;
}

static void raw_return(struct deflate *d)
{
    if (d->cap > BLOCK_SIZE) free(d->raw);
    else if (d->raw) block_give(d->raw);
    d->raw = NULL;
    d->cap = d->start = d->end = 0;
}

static void out_end(struct deflate *d)
{
    if (d->has_out) deflateEnd(&d->out);
    d->has_out = false;
}

static void in_end(struct deflate *d)
{
    if (d->has_in) inflateEnd(&d->in);
    d->has_in = false;
}

void deflate_free(struct stream *s)
{
    struct deflate *d = s->deflate;
    if (!d) return;
    raw_return(d);
    out_end(d);
    in_end(d);
    free(d->window);
    free(d);
}

FIBER int stream_deflate_end(struct stream *s)
{
    struct deflate *d = s->deflate;
    int e = stream_flush(s);
    if (e || !d) return e;
    stream_drop_input(s);
    if (d->raw) {
        s->in = d->raw;
        s->cap = d->cap;
        s->start = d->start;
        s->end = d->end;
        d->raw = NULL;
    }
    deflate_free(s);
    s->deflate = NULL;
    return 0;
}

/* ---- idle ---- */

/* Between two blocks and at the end of a byte an inflater is its window and nothing more. */
static void sleep_in(struct deflate *d)
{
    uInt n = 0;
    if (!d->has_in || d->raw || d->full || d->in.data_type != 128) return;
    if (inflateGetDictionary(&d->in, NULL, &n) != Z_OK) return;
    d->window_n = n;
    if (n && !(d->window = malloc(n))) abort();
    if (n) inflateGetDictionary(&d->in, (Bytef *)d->window, &n);
    in_end(d);
}

static void wake_in(struct deflate *d)
{
    if (d->has_in) return;
    d->in = (z_stream){0};
    if (inflateInit2(&d->in, WINDOW_IN) != Z_OK) abort();
    d->has_in = true;
    if (d->window_n && inflateSetDictionary(&d->in, (const Bytef *)d->window, d->window_n) != Z_OK) abort();
    free(d->window);
    d->window = NULL;
    d->window_n = 0;
}

void deflate_trim(struct stream *s)
{
    struct deflate *d = s->deflate;
    if (!d) return;
    if (!s->sending) out_end(d);
    sleep_in(d);
}

/* ---- reading ---- */

/* Bytes inflated; 0: more input is needed. ERR_EOF: the deflate data has ended. */
static int64_t inflate_some(struct deflate *d, void *out, size_t n)
{
    if (d->ended) return ERR_EOF;
    if (d->broken) return ERR_SYNTAX;
    if (d->start == d->end && !d->full) return 0;
    wake_in(d);
    d->in.next_in = d->raw ? (const Bytef *)d->raw + d->start : NULL;
    d->in.avail_in = d->end - d->start;
    d->in.next_out = out;
    d->in.avail_out = n < STEP_IN ? (uInt)n : STEP_IN;
    uInt room = d->in.avail_out;
    int result = inflate(&d->in, Z_SYNC_FLUSH);
    d->start = d->end - d->in.avail_in;
    d->full = d->in.avail_out == 0;
    if (d->start == d->end) raw_return(d);
    if (result == Z_MEM_ERROR) abort();
    d->ended = result == Z_STREAM_END;
    d->broken = !d->ended && result != Z_OK && result != Z_BUF_ERROR;
    if (room > d->in.avail_out) return room - d->in.avail_out;
    return d->ended ? ERR_EOF : d->broken ? ERR_SYNTAX : 0;
}

static int64_t refill(struct stream *s, bool *want_write)
{
    struct deflate *d = s->deflate;
    d->raw = block_take();
    d->cap = BLOCK_SIZE;
    d->start = 0;
    int64_t got = stream_try_receive(s, d->raw, d->cap, want_write);
    if (got > 0) d->end = (uint32_t)got;
    else raw_return(d);
    return got;
}

int64_t deflate_try_read(struct stream *s, void *out, size_t n, bool *want_write)
{
    struct deflate *d = s->deflate;
    d->gave_way = false;
    for (int blocks = 0;; blocks++) {
        int64_t got = inflate_some(d, out, n);
        if (got != 0) return got == ERR_EOF ? 0 : got;
        d->gave_way = blocks == BARREN;
        if (d->gave_way) return CONN_AGAIN;
        got = refill(s, want_write);
        if (got <= 0) return got;
    }
}

bool deflate_gave_way(const struct stream *s) { return s->deflate && s->deflate->gave_way; }

/* ---- writing ---- */

static FIBER int send_block(struct stream *s, char *block)
{
    z_stream *z = &s->deflate->out;
    int e = stream_send(s, &(struct iovec){block, BLOCK_SIZE - z->avail_out}, 1);
    z->next_out = (Bytef *)block;
    z->avail_out = BLOCK_SIZE;
    return e;
}

/* Compresses what is at next_in, at most a block of it at a time, and sends what fills a block of output. */
static FIBER int compress_piece(struct stream *s, struct iovec piece, int flush, char *block)
{
    z_stream *z = &s->deflate->out;
    do {
        uInt n = piece.iov_len < BLOCK_SIZE ? (uInt)piece.iov_len : BLOCK_SIZE;
        z->next_in = piece.iov_base;
        z->avail_in = n;
        for (;;) {
            deflate(z, flush); /* cannot fail: without room or input it does nothing */
            if (z->avail_out > 0) break;
            int e = send_block(s, block);
            if (e) return e;
        }
        piece.iov_base = (char *)piece.iov_base + n;
        piece.iov_len -= n;
        if (piece.iov_len) fiber_moved(n);
    } while (piece.iov_len);
    return 0;
}

FIBER int deflate_send(struct stream *s, struct iovec *v, int n)
{
    struct deflate *d = s->deflate;
    if (!d->has_out) {
        d->out = (z_stream){0};
        if (deflateInit2(&d->out, LEVEL, Z_DEFLATED, WINDOW_OUT, MEMORY_OUT, Z_DEFAULT_STRATEGY) != Z_OK) abort();
        d->has_out = true;
    }
    char *block = block_take();
    int e = 0;
    d->out.next_out = (Bytef *)block;
    d->out.avail_out = BLOCK_SIZE;
    for (int i = 0; i < n && !e; i++)
        if (v[i].iov_len) e = compress_piece(s, v[i], Z_NO_FLUSH, block);
    if (!e) e = compress_piece(s, (struct iovec){0}, Z_SYNC_FLUSH, block); /* RFC 4978 §4: the peer waits for it */
    if (!e && d->out.avail_out < BLOCK_SIZE) e = send_block(s, block);
    block_give(block);
    return e;
}
