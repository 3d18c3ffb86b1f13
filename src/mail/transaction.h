/* A mail transaction as the record and the trace fields see it: who talked to us, how, and what the envelope said.
 *
 * The session fills it (wire/smtp_facts), the queue reads it; so neither knows the other. Slices live as long as the
 * transaction. */
#ifndef MAIL_TRANSACTION_H
#define MAIL_TRANSACTION_H

#include "base/time.h"
#include "mail/envelope.h"
#include "mail/ip.h"

struct transaction {
    int64_t session;
    int64_t id; /* the message id, told to the client */
    utc_us at;
    struct ip client;
    struct str helo; /* as said */
    struct str ptr;  /* the client's checked name, empty if none */
    bool lmtp, esmtp;
    bool trusted;    /* one of the owner's networks */
    struct str user; /* of this machine: the kernel says who is there; empty: nobody of it */
    struct str tls_version, tls_cipher; /* empty: no TLS */
    int64_t account; /* logged in as, 0 = not */
    struct reverse_path from;
};

#endif
