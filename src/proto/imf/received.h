/* Trace fields (RFC 5321 §4.4): writing our Received line, counting those of others. */
#ifndef PROTO_IMF_RECEIVED_H
#define PROTO_IMF_RECEIVED_H

#include "base/time.h"
#include "mail/address.h"
#include "mail/ip.h"

struct imf_received {
    /* what HELO said, as it came; written only if it is a domain or literal, else in a comment's place "unknown" */
    struct str helo;
    struct str ptr;    /* checked name of the client, empty when none */
    struct ip client;  /* family 0: leave the client out (submission does, by default) */
    struct str by;     /* our host name */
    bool lmtp;         /* RFC 3848, RFC 6531 §4.3: with LMTP, ESMTP, … */
    bool esmtp;        /* EHLO was used; LMTP always has it */
    bool tls, auth, utf8; /* the transaction asked for SMTPUTF8 */
    struct str tls_version, tls_cipher; /* "TLSv1.3", "TLS_AES_256_GCM_SHA384"; empty without TLS */
    struct str id;     /* our message id, 13 characters */
    const struct address *rcpt; /* only with a single recipient, else NULL */
    utc_us at;
    int offset;        /* minutes east of UTC */
};

/* "ESMTPSA", "UTF8LMTPS", … of the IANA table. */
struct str imf_with_type(const struct imf_received *r);

/* The whole field, folded, with the final CRLF. Never emits bytes that end or forge a field, whatever the input. */
void imf_put_received(struct buf *b, const struct imf_received *r);

size_t imf_count_received(struct str header);

#endif
