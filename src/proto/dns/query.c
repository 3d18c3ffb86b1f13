/* DNS names from text, and queries for them (RFC 1035 §4.1, RFC 6891). */
#include "mail/limits.h"
#include "proto/dns/dns.h"
#include "proto/dns/wire.h"

enum { LABEL_MAX = 63, NAME_MAX_TEXT = 253 }; /* RFC 1035 §2.3.4: 255 bytes on the wire are 253 as text */

static bool valid_label(struct str label)
{
    if (label.n == 0 || label.n > LABEL_MAX) return false;
    for (size_t i = 0; i < label.n; i++)
        if (label.p[i] <= ' ' || label.p[i] > '~' || label.p[i] == '\\') return false; /* 8-bit: one or the other */
    return true;
}

int dns_name(struct arena *a, struct str text, struct str *out)
{
    struct str rest = str_ends(text, S(".")) ? str_head(text, text.n - 1) : text;
    struct str name = rest, label;
    if (name.n == 0 || name.n > NAME_MAX_TEXT) return ERR_SYNTAX;
    for (bool more = true; more;) {
        more = str_cut(rest, '.', &label, &rest);
        if (!valid_label(label)) return ERR_SYNTAX;
    }
    char *lower = arena_alloc(a, name.n);
    for (size_t i = 0; i < name.n; i++) lower[i] = ch_lower(name.p[i]);
    *out = str_of(lower, name.n);
    return 0;
}

struct str dns_ptr_name(struct arena *a, struct ip ip)
{
    static const char digit[] = "0123456789abcdef";
    if (ip.family == 4)
        return arena_printf(a, "%u.%u.%u.%u.in-addr.arpa", ip.b[3], ip.b[2], ip.b[1], ip.b[0]); /* RFC 1035 §3.5 */
    char text[16 * 4 + 1], *p = text;
    for (int i = 15; i >= 0; i--) { /* RFC 3596 §2.5 */
        *p++ = digit[ip.b[i] & 15];
        *p++ = '.';
        *p++ = digit[ip.b[i] >> 4];
        *p++ = '.';
    }
    *p = 0;
    return arena_printf(a, "%sip6.arpa", text);
}

static void put16(struct buf *b, unsigned v)
{
    buf_char(b, (char)(v >> 8));
    buf_char(b, (char)v);
}

static void put_name(struct buf *b, struct str name)
{
    struct str label;
    for (bool more = true; more;) {
        more = str_cut(name, '.', &label, &name);
        buf_char(b, (char)label.n);
        buf_add(b, label);
    }
    buf_char(b, 0);
}

void dns_query_put(struct buf *b, uint16_t id, struct str name, enum dns_type type, bool edns)
{
    put16(b, id);
    put16(b, FLAG_RD | FLAG_AD); /* AD: the answer may tell that it is authentic (RFC 6840 §5.7) */
    put16(b, 1);
    put16(b, 0);
    put16(b, 0);
    put16(b, edns);
    put_name(b, name);
    put16(b, type);
    put16(b, CLASS_IN);
    if (!edns) return;
    buf_char(b, 0); /* RFC 6891 §6.1.2: owner is the root, class our buffer, TTL version and flags, no options */
    put16(b, TYPE_OPT);
    put16(b, LIMIT_DNS_UDP);
    put16(b, 0);
    put16(b, 0);
    put16(b, 0);
}
