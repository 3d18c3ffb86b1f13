/* A two-way stream of bytes with a peer: buffered, with limits and deadlines, over a socket, TLS, memory or deflate.
 *
 * Input: line or block reads, each with its limit. Output gathers in a buffer and is sent when it is full, on
 * stream_flush(), or when a read is about to wait ("flush only when input would block"). All waits end with the
 * deadline set last.
 *
 * Errors are sticky. A broken connection (ERR_IO, ERR_TLS, a write that timed out) ends everything; what only ends
 * reading (ERR_EOF, ERR_TIMEOUT, ERR_CANCELLED, ERR_TOO_SLOW) is returned by every later read, and last words may still
 * be written: "421 4.4.2 timed out", or the replies to a peer that has shut down its own half. When a write fails, what
 * the peer said before it hung up is kept and can still be read. One fiber reads and one writes, usually the same. */
#ifndef IO_STREAM_H
#define IO_STREAM_H

#include <sys/uio.h>

#include "base/arena.h"
#include "io/fiber.h"
#include "mail/ip.h"

struct stream;
struct tls_context;

/* ---- reading ---- */

/* The next line without its line end. A line ends with CRLF; a bare LF also ends one when `lenient` was set
 * (stream_lenient), and is otherwise part of the line. *line is borrowed until the next read.
 * 0; ERR_TOO_LONG: the line had more than max bytes with its end; it has been skipped whole, reading goes on (not
 * sticky); ERR_EOF (what stood before without a line end is dropped), ERR_TIMEOUT, ERR_CANCELLED, ERR_TOO_SLOW,
 * ERR_TLS, ERR_IO: sticky. */
FIBER int stream_line(struct stream *s, size_t max, struct str *line);
void stream_lenient(struct stream *s, bool bare_lf_ends_line);

/* At least one byte, whatever is buffered or arrives first; borrowed until the next read. Then take of it. */
FIBER int stream_peek(struct stream *s, struct str *bytes);
void stream_take(struct stream *s, size_t n);

/* What is buffered now, without waiting; may be empty. "Is another whole line here already?" for PIPELINING. */
struct str stream_buffered(struct stream *s);

/* Is there something to read, be it the news that nothing more will come? Never waits. "Has the peer an answer already,
 * in the middle of what we say?" */
bool stream_has_input(struct stream *s);

/* Exactly n bytes into out. */
FIBER int stream_read(struct stream *s, void *out, size_t n);

/* ---- writing ---- */

/* Appends to the output; sends when over 16 KiB are gathered. 0 or the sticky error. */
FIBER int stream_write(struct stream *s, struct str bytes);
/* Sends all gathered output followed by the pieces in as few writes as possible, without copying the pieces. */
FIBER int stream_writev(struct stream *s, const struct iovec *v, int n);
FIBER int stream_flush(struct stream *s);

/* ---- waiting ---- */

void stream_deadline(struct stream *s, mono_us deadline); /* for all waits from now on */
/* averaged over a minute while reading; 0 = none; ERR_TOO_SLOW */
void stream_min_rate(struct stream *s, int64_t bytes_per_second);

enum { WAIT_INPUT = 1, WAIT_EVENT = 2 };
/* Until input is there (or the stream failed: the read will tell), the event is set, or the deadline. Flushes first.
 * WAIT_INPUT, WAIT_EVENT, ERR_TIMEOUT, ERR_CANCELLED. s or e may be NULL. */
FIBER int wait_any(struct stream *s, struct event *e, mono_us deadline);

/* ---- TLS ---- */

/* Flushes output, throws away every plaintext byte still buffered (RFC 3207 §4.2, "STARTTLS injection"), shakes hands.
 * 0 or ERR_TLS / ERR_TIMEOUT / ERR_EOF (sticky). In the simulated world the stream is only marked as TLS. */
FIBER int stream_starttls_server(struct stream *s, struct tls_context *tls);
/* TLS from the first byte (RFC 8314 §3), maybe behind a PROXY header: flushes output and shakes hands, beginning with
 * what is already buffered, as a ClientHello may have come in one segment with the header. Returns as the one above;
 * in the simulated world the buffered bytes stay what the peer says under TLS. */
FIBER int stream_tls_server(struct stream *s, struct tls_context *tls);
/* server_name: for SNI and for verification if the context verifies; may be none. */
FIBER int stream_starttls_client(struct stream *s, struct tls_context *tls, struct str server_name);

struct tls_facts { /* all empty on a plain stream */
    const char *version; /* "TLSv1.3"; NULL: no TLS */
    const char *cipher;  /* "TLS_AES_256_GCM_SHA384" */
    int bits;
    char server_name[256]; /* SNI, "" if none */
    bool resumed;
    bool verified; /* client side: the peer's certificate was verified */
};
const struct tls_facts *stream_tls(struct stream *s);
/* Channel binding data: type "tls-exporter" (RFC 9266) or "tls-server-end-point" (RFC 5929); none: unknown. In `a`. */
struct str stream_channel_binding(struct stream *s, struct arena *a, struct str type);
/* The SHA-256 of the server's certificate, 32 bytes in `a`; none on a plain stream and at the server's end. */
struct str stream_peer_fingerprint(struct stream *s, struct arena *a);

/* ---- compression ---- */

/* From now on both directions are raw deflate (RFC 4978, RFC 1951): output gathered so far is sent as it is, input that
 * is already buffered is the beginning of the peer's compressed data. The same call at both ends: the server's after
 * the OK of COMPRESS, the client's after reading it. Over plain connections and TLS; TLS cannot be begun afterwards.
 * Each flush ends what it sends so that the peer can read all of it. The end of the peer's deflate data is the end of
 * input. Data that is not deflate: ERR_SYNTAX, sticky for reading; last words may still be written. Once. 0, or the
 * error of the flush. */
FIBER int stream_deflate(struct stream *s);

/* From now on both directions are as they were before (RFC 8437 §4.1): what was written goes out compressed, input that
 * was inflated and not read is thrown away, and input behind the end of the peer's deflate data (or, without such an
 * end, of what has come of it) is plain. Nothing without compression. Then stream_deflate() may be called again. 0, or
 * the error of the flush. */
FIBER int stream_deflate_end(struct stream *s);

/* ---- the rest ---- */

struct endpoint stream_peer(struct stream *s);
struct endpoint stream_local(struct stream *s);
/* Replaces what stream_peer() says, after a PROXY header from a peer that may send one. */
void stream_set_peer(struct stream *s, struct endpoint peer);
int stream_error(struct stream *s);              /* the sticky error or 0 */
/* Nothing is read or written any more: what was said cannot be made good. The first error stays; it is returned. */
int stream_fail(struct stream *s, int error);
/* why, for a person: a failed handshake has more to say than its name */
const char *stream_error_text(struct stream *s);
/* What the connection has carried, before TLS; compressed where there is compression. */
int64_t stream_bytes_in(struct stream *s);
int64_t stream_bytes_out(struct stream *s);

/* Flushes (within its deadline), shuts TLS down, closes. The stream is gone. */
FIBER void stream_close(struct stream *s);
void stream_abort(struct stream *s); /* closes at once, sends nothing more */

/* Two ends of a pipe in memory, for tests and for agents in one process. Capacity in bytes of each direction. */
void stream_pair(struct arena *a, size_t capacity, struct stream **left, struct stream **right);

#endif
