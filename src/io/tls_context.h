/* Inside io/: what a TLS context is made of, for the files that make one (tls.c, tls_tickets.c, tls_certificate.c) and
 * the one that uses it (tls_layer.c). */
#ifndef IO_TLS_CONTEXT_H
#define IO_TLS_CONTEXT_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "base/map.h"
#include "io/tls.h"

struct tls_tickets;

struct tls_identity { /* one certificate with its chain and key */
    SSL_CTX *ssl;
    struct tls_identity *next;
};

struct tls_context {
    atomic_int refs;
    struct world *world;
    bool server, simulated; /* simulated: nothing below is there */
    enum tls_verify verify;
    BIO_METHOD *bio;
    struct arena *arena;          /* names and identities */
    struct tls_identity *first;   /* for clients that name no host of ours; a client context has only this */
    struct map names;             /* host name, or "*.rest" -> tls_identity; never changed once in use */
    struct tls_tickets *tickets;
};

/* The first entry of OpenSSL's error queue in words for people; empties the queue. */
void tls_reason(char *out, size_t size);
/* error_set(e, ERR_TLS, …) with that reason appended. */
int tls_error(struct error *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Stateless session tickets (RFC 5077, RFC 8446 §4.6.1) sealed with keys of our own, made anew every 12 hours. */
struct tls_tickets *tls_tickets_new(struct world *w);
void tls_tickets_free(struct tls_tickets *t);
void tls_tickets_install(struct tls_tickets *t, SSL_CTX *ssl);
enum { TLS_TICKET_LIFE_S = 12 * 3600 };

/* The BIO through which tls_layer.c lets OpenSSL reach a conn. */
BIO_METHOD *tls_layer_bio(void);

#endif
