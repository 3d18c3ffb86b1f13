/* SASL PLAIN (RFC 4616 §2): message = [authzid] UTF8NUL authcid UTF8NUL passwd. */
#include "proto/sasl/plain.h"

#include "base/utf8.h"

int sasl_plain_parse(struct str message, struct sasl_plain *out)
{
    struct sasl_plain p;
    struct str rest;
    if (!str_cut(message, 0, &p.authzid, &rest) || !str_cut(rest, 0, &p.authcid, &p.password)) return ERR_SYNTAX;
    if (p.authcid.n == 0 || p.password.n == 0 || memchr(p.password.p, 0, p.password.n)) return ERR_SYNTAX;
    if (!utf8_valid(message)) return ERR_SYNTAX;
    *out = p;
    return 0;
}

void sasl_plain_put(struct buf *b, const struct sasl_plain *p)
{
    buf_add(b, p->authzid);
    buf_char(b, 0);
    buf_add(b, p->authcid);
    buf_char(b, 0);
    buf_add(b, p->password);
}
