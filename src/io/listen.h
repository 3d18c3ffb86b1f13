/* Listeners: addresses we accept connections on, limits per client and in all, one fiber per connection. */
#ifndef IO_LISTEN_H
#define IO_LISTEN_H

#include "io/stream.h"

struct listener;

struct listen_options {
    const char *name;           /* for messages: "smtp" */
    struct endpoint address;    /* family 0 = any address, IPv4 and IPv6 */
    int backlog;                /* 0 = 1024 */
    struct tls_context *(*tls)(void *arg); /* implicit TLS (465, 993, 995): the context to shake hands with, referenced
                                              for the caller; NULL: plain. Asked per connection so that reload works */
    /* Serves one connection in a fiber of its own; the stream is the handler's to close. */
    FIBER void (*serve)(struct stream *s, void *arg);
    void *arg; /* tls, serve, exempt and proxy are called on all loops */
    /* Sent (plain listeners) before a connection over the limits is closed: "421 4.7.0 too many connections\r\n" */
    const char *refusal;
    /* not counted per address: trusted clients; loopback is exempt anyway. May be NULL */
    bool (*exempt)(struct ip peer, void *arg);
    /* peers that begin with a PROXY header: not counted per address either, but who they name is (stream_count_as).
     * May be NULL */
    bool (*proxy)(struct ip peer, void *arg);
};

/* Limits shared by all listeners of a server. */
struct listen_limits {
    int connections;             /* in all */
    int connections_per_address; /* per ip_client_key() */
    int handshakes;              /* TLS handshakes at once */
};
struct gate; /* counts connections; one per server, safe from all loops */
struct gate *gate_new(struct world *w, struct listen_limits limits);
void gate_free(struct gate *g);
int gate_connections(struct gate *g);

/* A connection that came through a listener counts from now on for the address a PROXY header names, instead of its
 * own; loopback and what the listener exempts count for none, as when they connect themselves. 0, also without a gate;
 * ERR_BUSY: that address has its connections_per_address, and this one is to be closed (it counts for none till then).
 * The stream's own fiber calls it. */
int stream_count_as(struct stream *s, struct ip named);

/* Binds now (so that privileges can be dropped afterwards) and accepts on all the given loops once listener_start() is
 * called. 0 or ERR_DENIED / ERR_BUSY / ERR_IO with a sentence. */
int listener_open(struct world *w, const struct listen_options *o, struct listener **out, struct error *e);
void listener_start(struct listener *l, struct gate *g, struct loop **loops, int n);
uint16_t listener_port(struct listener *l); /* the real one if 0 was asked */
void listener_stop(struct listener *l);     /* any thread: accepts no more; connections go on */
void listener_free(struct listener *l);     /* after the loops ended */

/* Unix sockets: path is created with mode 0600, or 0666 for everybody whom its folder lets in; an old socket file is
 * replaced. */
int listener_open_unix(struct world *w, const char *path, bool everybody,
                       FIBER void (*serve)(struct stream *s, void *arg), void *arg, struct listener **out,
                       struct error *e);
struct peer_credentials {
    int64_t pid, uid, gid;
};
int stream_peer_credentials(struct stream *s, struct peer_credentials *out); /* 0 or ERR_UNSUPPORTED */

#endif
