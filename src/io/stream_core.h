/* Inside io/: what a stream is made of. An idle one has no buffers: they are borrowed while bytes are there. */
#ifndef IO_STREAM_CORE_H
#define IO_STREAM_CORE_H

#include "io/conn.h"
#include "io/loop_core.h"

struct stream {
    struct conn *conn;
    struct tls_layer *tls; /* NULL: plain */
    struct deflate *deflate; /* NULL: not compressed */
    struct arrival *arrival; /* at a listener; NULL: made otherwise */

    char *in; /* input: bytes [start, end) of cap; NULL while there are none */
    uint32_t cap, start, end;
    uint32_t out_n;
    char *out; /* gathered output, BLOCK_SIZE; NULL while there is none */
    bool sending;          /* a fiber is in the middle of handing bytes over: */
    struct fiber *sender;  /* another one waits for it to be done */

    int16_t in_error, out_error; /* sticky; a broken connection is both, an end of input only the first */
    bool lenient;
    bool peer_set;
    struct endpoint peer;
    mono_us deadline;
    int64_t bytes_in, bytes_out;

    int64_t min_rate;               /* bytes a second, 0: any */
    int64_t rate_waited, rate_bytes; /* microseconds waited for input, and what came, in this minute */

    struct tls_facts *facts; /* NULL: plain */
    struct error *detail;    /* of the sticky error, where there is more to say than its name */
};

/* One try to get input without waiting: bytes got (> 0), CONN_AGAIN with *want_write, or the error, sticky then. */
int64_t stream_try_fill(struct stream *s, size_t room, bool *want_write);
void stream_drop_input(struct stream *s); /* all that is buffered, and the buffer */

/* The bytes of the connection, under TLS if there is any, without compression. Received: as conn try_read, counted.
 * Sent: all of v[0..n), which is used up; 0 or the sticky error. */
int64_t stream_try_receive(struct stream *s, void *out, size_t n, bool *want_write);
FIBER int stream_send(struct stream *s, struct iovec *v, int n);

/* Compression over these. What was read as conn try_read, and ERR_SYNTAX; a try that has seen much input and no output
 * says CONN_AGAIN although there may be more: then deflate_gave_way(), and nobody should wait for the connection. */
int64_t deflate_try_read(struct stream *s, void *out, size_t n, bool *want_write);
bool deflate_gave_way(const struct stream *s);
FIBER int deflate_send(struct stream *s, struct iovec *v, int n);
void deflate_trim(struct stream *s); /* keeps only what cannot be made anew */
void deflate_free(struct stream *s);

/* Notes the first error; returns it. */
int stream_fail_input(struct stream *s, int error); /* nothing more can be read; stream_fail(): nor written */

#endif
