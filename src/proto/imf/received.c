/* Our trace field, and what the fields of others tell. */
#include "proto/imf/received.h"

#include "base/utf8.h"
#include "proto/imf/field.h"

struct str imf_with_type(const struct imf_received *r)
{
    static const struct str types[2][2][2][2] = { /* lmtp, utf8, tls, auth: RFC 3848, RFC 6531 §4.3 */
        {{{S_INIT("ESMTP"), S_INIT("ESMTPA")}, {S_INIT("ESMTPS"), S_INIT("ESMTPSA")}},
         {{S_INIT("UTF8SMTP"), S_INIT("UTF8SMTPA")}, {S_INIT("UTF8SMTPS"), S_INIT("UTF8SMTPSA")}}},
        {{{S_INIT("LMTP"), S_INIT("LMTPA")}, {S_INIT("LMTPS"), S_INIT("LMTPSA")}},
         {{S_INIT("UTF8LMTP"), S_INIT("UTF8LMTPA")}, {S_INIT("UTF8LMTPS"), S_INIT("UTF8LMTPSA")}}},
    };
    if (!r->lmtp && !r->esmtp && !r->tls && !r->auth && !r->utf8) return S("SMTP");
    return types[r->lmtp][r->utf8][r->tls][r->auth];
}

/* What may stand in a trace field as a name: a domain, or an address literal; UTF-8 only in a UTF8 transaction. */
static bool is_name(struct str s, bool utf8)
{
    bool literal = domain_is_literal(s);
    if (s.n == 0 || s.n > 255 || !(utf8 ? utf8_valid(s) : str_is_ascii(s))) return false;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool bracket = literal && (i == 0 || i == s.n - 1);
        if (!ch_alnum(c) && c < 128 && c != '-' && c != '.' && c != '_' && c != ':' && !bracket) return false;
    }
    return true;
}

static void put_name(struct buf *b, struct str s, bool utf8) { buf_add(b, is_name(s, utf8) ? s : S("unknown")); }

static void put_from(struct buf *b, const struct imf_received *r)
{
    buf_lit(b, "from ");
    put_name(b, r->helo, r->utf8);
    buf_lit(b, " (");
    if (is_name(r->ptr, r->utf8)) {
        buf_add(b, r->ptr);
        buf_char(b, ' ');
    }
    ip_put_literal(b, r->client);
    buf_lit(b, ")\r\n\t");
}

static void put_tls(struct buf *b, const struct imf_received *r)
{
    if (!is_name(r->tls_version, false)) return;
    buf_lit(b, "\r\n\t(");
    buf_add(b, r->tls_version);
    if (is_name(r->tls_cipher, false)) {
        buf_char(b, ' ');
        buf_add(b, r->tls_cipher);
    }
    buf_char(b, ')');
}

/* The domain as an A-label where the local part is ASCII: the letter may have to go on to who does not know SMTPUTF8.
 */
static void put_for(struct buf *b, const struct imf_received *r)
{
    struct buf addr = BUF(1024);
    struct address rcpt = *r->rcpt;
    struct arena *a = NULL;
    if (str_is_ascii(rcpt.local) && !str_is_ascii(rcpt.domain)) {
        a = arena_new(NULL, 0);
        if (domain_key(a, rcpt.domain, &rcpt.domain)) rcpt = *r->rcpt;
    }
    address_put(&addr, rcpt);
    arena_free(a);
    struct str s = buf_str(&addr);
    bool clean = !addr.failed && (r->utf8 ? utf8_valid(s) : str_is_ascii(s));
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == 127) clean = false;
    if (clean) {
        buf_lit(b, "\r\n\tfor <");
        buf_add(b, s);
        buf_char(b, '>');
    }
    buf_free(&addr);
}

void imf_put_received(struct buf *b, const struct imf_received *r)
{
    buf_lit(b, "Received: ");
    if (r->client.family) put_from(b, r);
    buf_lit(b, "by ");
    put_name(b, r->by, r->utf8);
    buf_lit(b, " with ");
    buf_add(b, imf_with_type(r));
    buf_lit(b, " id ");
    put_name(b, r->id, false);
    if (r->tls) put_tls(b, r);
    if (r->rcpt) put_for(b, r);
    buf_lit(b, ";\r\n\t");
    time_put_rfc5322(b, r->at, r->offset);
    buf_lit(b, "\r\n");
}

size_t imf_count_received(struct str header)
{
    struct imf_field field;
    size_t from = 0, count = 0;
    while (imf_find_field(header, S("Received"), &from, &field)) count++;
    return count;
}
