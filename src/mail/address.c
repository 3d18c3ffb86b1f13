/* Mail addresses: the Mailbox of RFC 5321 §4.1.2 with the UTF-8 of RFC 6531 §3.3, and the keys the directory knows them
 * by.
 *
 * Domains become A-labels by IDNA2008 (RFC 5890, RFC 5891), without the transitional mapping; local parts their
 * canonical caseless form. Addresses of plain ASCII, which is nearly all of them, never reach a library. */
#include "mail/address.h"

#include <idn2.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "mail/ip.h"
#include "mail/limits.h"
#include "mail/unicode.h"

enum { DOMAIN_MAX = 253, LABEL_MAX = 63 }; /* RFC 1035 §2.3.4, without the root's dot */

enum { ATEXT = 1, LABEL = 2 }; /* RFC 5321 §4.1.2: of an Atom; of a sub-domain (underscores tolerated) */
static const uint8_t classes[256] = {
    ['a' ... 'z'] = ATEXT | LABEL,
    ['A' ... 'Z'] = ATEXT | LABEL,
    ['0' ... '9'] = ATEXT | LABEL,
    ['-'] = ATEXT | LABEL,
    ['_'] = ATEXT | LABEL,
    ['!'] = ATEXT,
    ['#'] = ATEXT,
    ['$'] = ATEXT,
    ['%'] = ATEXT,
    ['&'] = ATEXT,
    ['\''] = ATEXT,
    ['*'] = ATEXT,
    ['+'] = ATEXT,
    ['/'] = ATEXT,
    ['='] = ATEXT,
    ['?'] = ATEXT,
    ['^'] = ATEXT,
    ['`'] = ATEXT,
    ['{'] = ATEXT,
    ['|'] = ATEXT,
    ['}'] = ATEXT,
    ['~'] = ATEXT,
    [0x80 ... 0xff] = ATEXT | LABEL, /* RFC 6531 §3.3; whether it is UTF-8 is asked of the whole */
};
static bool is(char c, uint8_t class) { return classes[(unsigned char)c] & class; }

/* ---- domains ---- */

/* Domain = sub-domain *("." sub-domain); sub-domain = Let-dig [Ldh-str]. Of ASCII alone. */
static bool labels_right(struct str d)
{
    if (d.n == 0 || d.n > DOMAIN_MAX) return false;
    size_t label = 0; /* where it begins */
    for (size_t i = 0; i <= d.n; i++) {
        if (i < d.n && d.p[i] != '.') {
            if (!is(d.p[i], LABEL) || (unsigned char)d.p[i] >= 0x80) return false;
            continue;
        }
        if (i == label || i - label > LABEL_MAX || d.p[label] == '-' || d.p[i - 1] == '-') return false;
        label = i + 1;
    }
    return true;
}

static struct str lower(struct arena *a, struct str s)
{
    char *p = arena_alloc(a, s.n);
    for (size_t i = 0; i < s.n; i++) p[i] = ch_lower(s.p[i]);
    return str_of(p, s.n);
}

bool domain_is_literal(struct str domain)
{
    return domain.n >= 2 && domain.p[0] == '[' && domain.p[domain.n - 1] == ']';
}

/* address-literal = "[" ( IPv4-address-literal / IPv6-address-literal ) "]" (RFC 5321 §4.1.3); other tags mean nothing
 * to us. */
static int literal_key(struct arena *a, struct str domain, struct str *key)
{
    struct str inside = str_sub(domain, 1, domain.n - 1);
    bool tagged = str_istarts(inside, S("IPv6:"));
    struct str text = tagged ? str_skip(inside, 5) : inside;
    struct ip ip;
    if (ip_parse(text, &ip) || tagged != (str_find_char(text, ':') < text.n)) return ERR_SYNTAX;
    struct buf *b = buf_in(a, 64);
    ip_put_literal(b, ip);
    *key = buf_str(b);
    return 0;
}

/* RFC 5891 §5, with the mapping of UTS 46 that users' input needs (upper case, full-width dots). */
static int u_label_key(struct arena *a, struct str domain, struct str *key)
{
    if (domain.n > 4 * DOMAIN_MAX || !utf8_valid(domain) || memchr(domain.p, 0, domain.n)) return ERR_SYNTAX;
    uint8_t *made;
    if (idn2_lookup_u8((const uint8_t *)arena_cstr(a, domain), &made, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL))
        return ERR_SYNTAX;
    *key = lower(a, str_c((char *)made));
    idn2_free(made);
    return labels_right(*key) ? 0 : ERR_SYNTAX; /* the mapping can make any ASCII character out of others */
}

int domain_key(struct arena *a, struct str domain, struct str *key)
{
    if (labels_right(domain)) {
        *key = lower(a, domain);
        return 0;
    }
    if (domain_is_literal(domain)) return literal_key(a, domain, key);
    return str_is_ascii(domain) ? ERR_SYNTAX : u_label_key(a, domain, key);
}

struct str domain_shown(struct arena *a, struct str key)
{
    if (str_ifind(key, S("xn--")) == key.n) return key;
    char *made;
    if (idn2_to_unicode_8z8z(arena_cstr(a, key), &made, 0)) return key;
    struct str shown = arena_str(a, str_c(made)), again;
    idn2_free(made);
    /* a broken A-label may hide anything */
    return domain_key(a, shown, &again) == 0 && str_eq(again, key) ? shown : key;
}

bool domain_within(struct str domain, struct str parent)
{
    if (parent.n == 0 || !str_ends(domain, parent)) return false;
    return domain.n == parent.n || domain.p[domain.n - parent.n - 1] == '.';
}

/* ---- local parts ---- */

int local_key(struct arena *a, struct str local, struct str *key) { return unicode_caseless(a, local, key); }

bool local_detail(struct str local, char separator, struct str *base, struct str *detail)
{
    for (size_t i = 1; i < local.n; i++) {
        if (local.p[i] != separator) continue;
        *base = str_head(local, i);
        *detail = str_skip(local, i + 1);
        return true;
    }
    return false;
}

/* ---- whole addresses ---- */

int address_key(struct arena *a, struct address addr, struct address *key)
{
    struct address k;
    if (local_key(a, addr.local, &k.local) || domain_key(a, addr.domain, &k.domain)) return ERR_SYNTAX;
    *key = k;
    return 0;
}

bool address_is_ascii(struct address a) { return str_is_ascii(a.local) && str_is_ascii(a.domain); }

bool address_key_eq(struct address a, struct address b)
{
    return str_eq(a.local, b.local) && str_eq(a.domain, b.domain);
}

struct address address_copy(struct arena *a, struct address from)
{
    return (struct address){arena_str(a, from.local), arena_str(a, from.domain)};
}

/* Dot-string = Atom *("." Atom): how many bytes at the front of s are one; 0 if it is broken. */
static size_t dot_string(struct str s)
{
    size_t i = 0;
    for (;;) {
        size_t atom = i;
        while (i < s.n && is(s.p[i], ATEXT)) i++;
        if (i == atom) return 0;
        if (i == s.n || s.p[i] != '.') return i;
        i++;
    }
}

void address_put(struct buf *b, struct address addr)
{
    if (addr.local.n && dot_string(addr.local) == addr.local.n) {
        buf_add(b, addr.local);
    } else if (!address_is_null(addr)) {
        buf_char(b, '"');
        for (size_t i = 0; i < addr.local.n; i++) {
            if (addr.local.p[i] == '"' || addr.local.p[i] == '\\') buf_char(b, '\\');
            buf_char(b, addr.local.p[i]);
        }
        buf_char(b, '"');
    }
    if (addr.domain.n == 0) return;
    buf_char(b, '@');
    buf_add(b, addr.domain);
}

struct str address_str(struct arena *a, struct address addr)
{
    struct buf *b = buf_in(a, 2 * addr.local.n + addr.domain.n + 3);
    address_put(b, addr);
    return buf_str(b);
}

/* Quoted-string = DQUOTE *QcontentSMTP DQUOTE; s is behind the first DQUOTE. Bytes taken, with the last one; 0 if
 * broken. */
static size_t quoted_string(struct arena *a, struct str s, struct str *meaning)
{
    char *unescaped = NULL;
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '"') {
            *meaning = unescaped ? str_of(unescaped, n) : str_head(s, i);
            return i + 1;
        }
        if (c == '\\') { /* quoted-pairSMTP = %d92 %d32-126 */
            if (++i == s.n || (unsigned char)s.p[i] > 126) return 0;
            if (!unescaped) {
                unescaped = arena_alloc(a, s.n);
                memcpy(unescaped, s.p, i - 1);
            }
            c = s.p[i];
        }
        if ((unsigned char)c < ' ' || c == 0x7f) return 0;
        if (unescaped) unescaped[n] = c;
        n++;
    }
    return 0;
}

/* How many bytes at the front of s are a Domain or an address-literal; 0 if none is. */
static size_t domain_span(struct str s)
{
    if (s.n && s.p[0] == '[') {
        size_t end = str_find_char(s, ']');
        return end < s.n ? end + 1 : 0;
    }
    size_t i = 0;
    while (i < s.n && (s.p[i] == '.' || is(s.p[i], LABEL))) i++;
    return i;
}

int domain_take(struct arena *a, struct str *text, struct str *domain)
{
    struct str d = str_head(*text, domain_span(*text)), key;
    if (d.n == 0 || (!labels_right(d) && domain_key(a, d, &key))) return ERR_SYNTAX;
    *text = str_skip(*text, d.n);
    *domain = d;
    return 0;
}

int local_take(struct arena *a, struct str *text, struct str *local)
{
    struct str key;
    bool quoted = text->n && text->p[0] == '"';
    size_t n = quoted ? quoted_string(a, str_skip(*text, 1), local) : dot_string(*text);
    if (n == 0) return ERR_SYNTAX;
    if (!quoted) *local = str_head(*text, n);
    if (!str_is_ascii(*local) && local_key(a, *local, &key)) return ERR_SYNTAX;
    *text = str_skip(*text, n + quoted);
    return 0;
}

int address_take(struct arena *a, struct str *text, struct address *out)
{
    struct str rest = *text;
    struct address addr;
    if (local_take(a, &rest, &addr.local)) return ERR_SYNTAX;
    if (rest.n == 0 || rest.p[0] != '@') return ERR_SYNTAX;
    rest = str_skip(rest, 1);
    if (domain_take(a, &rest, &addr.domain)) return ERR_SYNTAX;
    if (text->n - rest.n > LIMIT_PATH) return ERR_TOO_LONG; /* RFC 5321 §4.5.3.1.3 */
    *text = rest;
    *out = addr;
    return 0;
}

int address_parse(struct arena *a, struct str text, struct address *out)
{
    struct address addr;
    if (address_take(a, &text, &addr) || text.n) return ERR_SYNTAX;
    if (addr.local.n == 0 || addr.local.n > LIMIT_LOCAL_PART) return ERR_SYNTAX;
    *out = (struct address){arena_str(a, addr.local), arena_str(a, addr.domain)};
    return 0;
}
