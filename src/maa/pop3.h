/* The POP3 server (RFC 1939, RFC 2449, RFC 2595, RFC 5034, RFC 6856): a mailbox handed out letter by letter, and
 * emptied. */
#ifndef MAA_POP3_H
#define MAA_POP3_H

#include "store/store.h"
#include "wire/sasl.h"

struct log;

struct pop3_service { /* what stands behind a listener; constant while sessions run */
    struct store *store;
    const struct sasl_accounts *accounts;
    struct tls_context *(*tls)(void *arg); /* referenced, for STLS; NULL function or result: none */
    /* TLS from the first byte (995), behind the PROXY header; else the listener has seen to it */
    bool tls_first;
    bool (*plaintext_auth)(void *arg, struct ip peer); /* may log in without TLS */
    bool (*trusted)(void *arg, struct ip peer);        /* limits do not apply; nor to loopback */
    bool (*proxy_allowed)(void *arg, struct ip peer);  /* PROXY header required from this peer; NULL: never */
    void *arg;
    struct str hostname;
    const struct log *log;
};

/* Serves one connection to its end and closes the stream. */
FIBER void pop3_serve(struct stream *io, const struct pop3_service *service);

#endif
