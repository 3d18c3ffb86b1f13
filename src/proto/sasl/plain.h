/* SASL PLAIN (RFC 4616): one message, "authzid NUL authcid NUL password". */
#ifndef PROTO_SASL_PLAIN_H
#define PROTO_SASL_PLAIN_H

#include "base/buf.h"

struct sasl_plain {
    struct str authzid; /* whom to act as; empty: oneself */
    struct str authcid; /* who one is */
    struct str password;
};

/* Slices borrow the message. 0 or ERR_SYNTAX (not UTF-8, empty name or password, wrong number of NULs). */
int sasl_plain_parse(struct str message, struct sasl_plain *out);
void sasl_plain_put(struct buf *b, const struct sasl_plain *p);

#endif
