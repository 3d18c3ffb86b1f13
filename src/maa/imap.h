/* The IMAP server: IMAP4rev2 (RFC 9051) and IMAP4rev1 (RFC 3501) with their extensions. */
#ifndef MAA_IMAP_H
#define MAA_IMAP_H

#include "store/store.h"
#include "wire/sasl.h"

struct log;

struct imap_service { /* what stands behind a listener; constant while sessions run */
    struct store *store;
    const struct sasl_accounts *accounts;
    struct tls_context *(*tls)(void *arg); /* referenced, for STARTTLS; NULL function or result: none */
    /* TLS from the first byte (993), behind the PROXY header; else the listener has seen to it */
    bool tls_first;
    bool (*plaintext_auth)(void *arg, struct ip peer); /* may log in without TLS */
    bool (*trusted)(void *arg, struct ip peer);        /* limits do not apply; nor to loopback */
    bool (*proxy_allowed)(void *arg, struct ip peer);  /* PROXY header required from this peer; NULL: never */
    void *arg;
    struct str hostname;
    int64_t size_max; /* octets of a letter appended */
    size_t memory;    /* bytes a connection may have; 0: LIMIT_CONNECTION_MEMORY */
    bool unauthenticate; /* one may log out and in again (RFC 8437) */
    bool uidonly;        /* UIDONLY (RFC 9586) is there */
    const struct str *administrators; /* log-ins that may see and set everybody's quota (RFC 9208) */
    size_t n_administrators;
    size_t search_memory; /* bytes a SEARCH, SORT or THREAD works in; 0: LIMIT_IMAP_SEARCH_MEMORY */
    const struct log *log;
};

/* Serves one connection to its end and closes the stream. */
FIBER void imap_serve(struct stream *io, const struct imap_service *service);

#endif
