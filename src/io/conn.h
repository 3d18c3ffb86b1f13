/* Inside io/: a connected socket without buffering, real or simulated, and the TLS layer over it.
 *
 * The try_ functions never wait; conn_wait() does. Streams are built on these. */
#ifndef IO_CONN_H
#define IO_CONN_H

#include <sys/uio.h>

#include "io/fiber.h"
#include "io/listen.h"
#include "io/stream.h"
#include "io/tls.h"

enum { CONN_AGAIN = -100 }; /* nothing now: conn_wait(), then try again */

struct conn; /* begins with a pointer to its operations; made by listen, connect, the simulation, memory pairs */

struct conn_ops {
    /* Bytes read, 0 at the end of input, CONN_AGAIN, ERR_IO. No system call while nothing can have come. */
    int64_t (*try_read)(struct conn *c, void *out, size_t n);
    /* Bytes taken (maybe fewer than offered), CONN_AGAIN, ERR_IO. */
    int64_t (*try_writev)(struct conn *c, const struct iovec *v, int n);

    /* May the next try_read (try_writev) do something? */
    bool (*ready)(struct conn *c, bool for_write);
    /* Wakes f whenever that may have become true; NULL: nobody any more. One fiber for each direction. */
    void (*watch)(struct conn *c, bool for_write, struct fiber *f);

    /* Sends the end of output, reads on (a peer still sending must not lose our last words to a reset). */
    void (*shut)(struct conn *c);
    void (*close)(struct conn *c, bool abort); /* frees c; abort: by a reset where there is such a thing */

    struct endpoint (*peer)(struct conn *c);
    struct endpoint (*local)(struct conn *c);
    int (*credentials)(struct conn *c, struct peer_credentials *out); /* 0 or ERR_UNSUPPORTED */
};
struct conn {
    const struct conn_ops *ops;
};

/* Until try_read (or try_writev) may do something. 0, ERR_TIMEOUT, ERR_CANCELLED. */
FIBER int conn_wait(struct conn *c, bool for_write, mono_us deadline);

/* A stream over a connection, which it owns from now on. */
struct stream *stream_over(struct conn *c);

/* The TLS layer: OpenSSL over a conn through a BIO of ours, never waiting inside the library. */
struct tls_layer;
struct tls_layer *tls_layer_new(struct tls_context *t, struct conn *c, bool server, struct str server_name);
/* Bytes of the peer's, read from the connection before there was a layer: it takes them (a copy) before any others.
 * Once, before the first step. */
void tls_layer_feed(struct tls_layer *l, struct str bytes);
/* One step: 0 done, CONN_AGAIN with *want_write telling what to wait for, ERR_TLS, ERR_EOF. */
int tls_layer_handshake(struct tls_layer *l, bool *want_write, struct error *e);
int64_t tls_layer_try_read(struct tls_layer *l, void *out, size_t n, bool *want_write); /* as conn try_read; ERR_TLS */
int64_t tls_layer_try_write(struct tls_layer *l, const void *p, size_t n, bool *want_write);
/* close_notify, without waiting for the peer's (returns as handshake does). */
int tls_layer_shutdown(struct tls_layer *l, bool *want_write);
void tls_layer_free(struct tls_layer *l);
void tls_layer_facts(struct tls_layer *l, struct tls_facts *out);
struct str tls_layer_channel_binding(struct tls_layer *l, struct arena *a, struct str type);
struct str tls_layer_fingerprint(struct tls_layer *l, struct arena *a); /* as stream_peer_fingerprint() */
bool tls_context_is_simulated(struct tls_context *t); /* made in a simulated world: marks streams, no cryptography */

#endif
