/* MAIL and RCPT as they are said to a server (RFC 5321 §4.1.1.2, §4.1.1.3): addresses in the form it understands, and
 * the parameters of the extensions it offers: SIZE (RFC 1870), 8BITMIME (RFC 6152), SMTPUTF8 (RFC 6531), DSN (RFC 3461,
 * RFC 6533). Nothing that is put here can end a line. */
#include "base/utf8.h"
#include "proto/smtp/xtext.h"
#include "wire/smtp_client_core.h"

static bool offers(const struct smtp_client *c, enum smtp_offers what) { return (c->offers & what) != 0; }

static bool is_printable(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == 127) return false;
    return true;
}

/* Nothing in it that would end the path, or make another domain of it. */
static bool is_domain_safe(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (memchr(" <>@\"\\,", s.p[i], 7)) return false;
    return is_printable(s);
}

/* atom of RFC 3461 §4.2: nothing that would begin another parameter */
static bool is_type(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ch_alnum(s.p[i]) && s.p[i] != '-') return false;
    return s.n > 0;
}

static bool unsayable(struct smtp_unsayable *why, struct status status, struct str text)
{
    *why = (struct smtp_unsayable){553, status, text};
    return false;
}

/* A domain beyond ASCII has another form (RFC 5891 §4.4) for who does not know SMTPUTF8; a local part has none. */
static bool put_address(struct arena *a, struct buf *b, struct address x, bool utf8, struct status bad_syntax,
                        struct smtp_unsayable *why)
{
    if (!utf8 && !str_is_ascii(x.local))
        return unsayable(why, E(5, 6, 7), S("the address needs SMTPUTF8, which the server does not know"));
    if (!utf8 && !str_is_ascii(x.domain) && domain_key(a, x.domain, &x.domain) != 0)
        return unsayable(why, bad_syntax, S("the domain is none"));
    if (x.local.n + x.domain.n > LIMIT_PATH + LIMIT_DOMAIN || !is_printable(x.local) || !is_domain_safe(x.domain) ||
        !utf8_valid(x.local) || !utf8_valid(x.domain))
        return unsayable(why, bad_syntax, S("the address cannot be said in SMTP"));
    buf_char(b, '<');
    address_put(b, x);
    buf_char(b, '>');
    return true;
}

bool smtp_client_put_mail(const struct smtp_client *c, const struct smtp_outgoing *o, struct buf *b,
                          struct smtp_unsayable *why)
{
    const struct reverse_path *from = &o->from;
    bool utf8 = o->utf8 && offers(c, SMTP_OFFERS_SMTPUTF8);
    size_t before = b->n;
    buf_lit(b, "MAIL FROM:");
    if (!put_address(o->arena, b, from->address, utf8, E(5, 1, 7), why)) {
        b->n = before;
        return false;
    }
    if (offers(c, SMTP_OFFERS_SIZE)) {
        buf_lit(b, " SIZE=");
        buf_u64(b, (uint64_t)o->size);
    }
    if (o->eightbit && offers(c, SMTP_OFFERS_8BITMIME)) buf_lit(b, " BODY=8BITMIME");
    if (utf8) buf_lit(b, " SMTPUTF8");
    if (offers(c, SMTP_OFFERS_DSN)) {
        if (from->ret) buf_add(b, from->ret == DSN_RET_FULL ? S(" RET=FULL") : S(" RET=HDRS"));
        if (from->envid.n && from->envid.n <= LIMIT_ENVID) {
            buf_lit(b, " ENVID=");
            xtext_put(b, from->envid);
        }
    }
    buf_lit(b, "\r\n");
    return true;
}

/* esmtp-value of NOTIFY (RFC 3461 §4.1) */
static void put_notify(struct buf *b, unsigned notify)
{
    static const struct {
        unsigned bit;
        struct str word;
    } words[] = {
        {DSN_NOTIFY_SUCCESS, S_INIT("SUCCESS")},
        {DSN_NOTIFY_FAILURE, S_INIT("FAILURE")},
        {DSN_NOTIFY_DELAY, S_INIT("DELAY")},
    };
    bool first = true;
    if (notify == DSN_NOTIFY_UNSAID) return;
    buf_lit(b, " NOTIFY=");
    if (notify & DSN_NOTIFY_NEVER) {
        buf_lit(b, "NEVER");
        return;
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (!(notify & words[i].bit)) continue;
        if (!first) buf_char(b, ',');
        buf_add(b, words[i].word);
        first = false;
    }
}

/* utf-8-addr-xtext: characters beyond ASCII as "\x{F6}" (RFC 6533 §3) */
static void put_embedded(struct buf *b, struct str text)
{
    while (text.n) {
        uint32_t cp;
        int n = utf8_next(text, &cp);
        if (n == 1) xtext_put(b, str_head(text, 1));
        else buf_printf(b, "\\x{%02X}", cp);
        text = str_skip(text, n > 0 ? (size_t)n : 1);
    }
}

/* original-recipient-address = addr-type ";" xtext (RFC 3461 §4.2) */
static void put_orcpt(struct buf *b, struct str orcpt, bool utf8)
{
    struct str type, address;
    if (orcpt.n > LIMIT_ORCPT || !str_cut(orcpt, ';', &type, &address) || !is_type(type)) return;
    bool unicode = !str_is_ascii(address), visible = is_printable(address) && str_find_char(address, ' ') == address.n;
    if (unicode && (!str_ieq(type, S("utf-8")) || !utf8_valid(address) || !visible)) return;
    buf_lit(b, " ORCPT=");
    buf_add(b, type);
    buf_char(b, ';');
    if (!unicode) xtext_put(b, address);
    else if (utf8 && str_find_char(address, '=') == address.n) buf_add(b, address); /* utf-8-addr-unitext */
    else put_embedded(b, address);
}

bool smtp_client_put_rcpt(const struct smtp_client *c, const struct smtp_outgoing *o, size_t i, struct buf *b,
                          struct smtp_unsayable *why)
{
    const struct forward_path *to = &o->to[i];
    bool utf8 = o->utf8 && offers(c, SMTP_OFFERS_SMTPUTF8);
    size_t before = b->n;
    buf_lit(b, "RCPT TO:");
    if (address_is_null(to->address)) {
        b->n = before;
        return unsayable(why, E(5, 1, 3), S("a recipient has an address"));
    }
    if (!put_address(o->arena, b, to->address, utf8, E(5, 1, 3), why)) {
        b->n = before;
        return false;
    }
    if (offers(c, SMTP_OFFERS_DSN)) {
        put_notify(b, to->notify);
        if (to->orcpt.n) put_orcpt(b, to->orcpt, utf8);
    }
    buf_lit(b, "\r\n");
    return true;
}
