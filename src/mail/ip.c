/* Network addresses as text (RFC 4291 §2.2, written as RFC 5952 wants it) and as prefixes of networks.
 *
 * An IPv4-mapped IPv6 address is the IPv4 address it carries, so that one client has one name whichever socket it
 * came through. Zones ("%eth0") and the words around addresses in mail are left to others. */
#include "mail/ip.h"

#include <arpa/inet.h>

enum { BITS_IPV4 = 32, BITS_IPV6 = 128, BITS_MAPPED = 96 };

static unsigned address_bits(struct ip ip) { return ip.family == 4 ? BITS_IPV4 : BITS_IPV6; }

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}; /* ::ffff:0:0/96, RFC 4291 §2.5.5.2 */

static struct ip unmapped(const uint8_t b[16])
{
    struct ip ip = {0};
    bool is_mapped = memcmp(b, mapped, sizeof mapped) == 0;
    ip.family = is_mapped ? 4 : 6;
    memcpy(ip.b, is_mapped ? b + sizeof mapped : b, is_mapped ? 4 : 16);
    return ip;
}

int ip_parse(struct str text, struct ip *out)
{
    char c[INET6_ADDRSTRLEN];
    uint8_t b[16];
    if (text.n == 0 || text.n >= sizeof c || memchr(text.p, 0, text.n)) return ERR_SYNTAX;
    memcpy(c, text.p, text.n);
    c[text.n] = 0;
    if (inet_pton(AF_INET, c, b) == 1) {
        *out = (struct ip){.family = 4, .b = {b[0], b[1], b[2], b[3]}};
        return 0;
    }
    if (inet_pton(AF_INET6, c, b) != 1) return ERR_SYNTAX;
    *out = unmapped(b);
    return 0;
}

static struct ip masked(struct ip ip, unsigned bits)
{
    for (unsigned i = 0; i < sizeof ip.b; i++) {
        unsigned keep = bits > i * 8 ? bits - i * 8 : 0;
        if (keep < 8) ip.b[i] = (uint8_t)(ip.b[i] & (0xff00u >> keep));
    }
    return ip;
}

int ip_prefix_parse(struct str text, struct ip_prefix *out)
{
    struct str address, length;
    struct ip_prefix p;
    bool cut = str_cut(text, '/', &address, &length);
    if (ip_parse(address, &p.ip)) return ERR_SYNTAX;
    uint64_t bits = address_bits(p.ip);
    if (cut) {
        bool in_ipv6 = str_find_char(address, ':') < address.n;
        unsigned before = in_ipv6 && p.ip.family == 4 ? BITS_MAPPED : 0;
        if (length.n > 1 && length.p[0] == '0') return ERR_SYNTAX;
        if (!str_to_u64(length, bits + before, &bits) || bits < before) return ERR_SYNTAX;
        bits -= before;
    }
    p.bits = (uint8_t)bits;
    if (!ip_eq(masked(p.ip, p.bits), p.ip)) return ERR_SYNTAX;
    *out = p;
    return 0;
}

/* The longest run of two or more zero groups, the first of equals (RFC 5952 §4.2); *count is 0 if there is none. */
static unsigned longest_zeros(const unsigned group[8], unsigned *count)
{
    unsigned best = 0;
    *count = 0;
    for (unsigned i = 0, n; i < 8; i += n + 1) {
        for (n = 0; i + n < 8 && group[i + n] == 0; n++) continue;
        if (n >= 2 && n > *count) best = i, *count = n;
    }
    return best;
}

void ip_put(struct buf *b, struct ip ip)
{
    if (ip.family == 4) buf_printf(b, "%u.%u.%u.%u", ip.b[0], ip.b[1], ip.b[2], ip.b[3]);
    if (ip.family != 6) return;
    unsigned group[8], zeros, from;
    for (unsigned i = 0; i < 8; i++) group[i] = (unsigned)(ip.b[2 * i] << 8 | ip.b[2 * i + 1]);
    from = longest_zeros(group, &zeros);
    for (unsigned i = 0; i < 8; i++) {
        if (zeros && i == from) {
            buf_lit(b, "::");
            i += zeros - 1;
        } else {
            buf_printf(b, i == 0 || (zeros && i == from + zeros) ? "%x" : ":%x", group[i]); /* RFC 5952 §4.1, §4.3 */
        }
    }
}

void ip_put_literal(struct buf *b, struct ip ip) /* RFC 5321 §4.1.3 */
{
    buf_add(b, ip.family == 6 ? S("[IPv6:") : S("["));
    ip_put(b, ip);
    buf_char(b, ']');
}

bool ip_eq(struct ip a, struct ip b) { return a.family == b.family && memcmp(a.b, b.b, address_bits(a) / 8) == 0; }

bool ip_is_loopback(struct ip ip)
{
    static const uint8_t one[16] = {[15] = 1};
    if (ip.family == 4) return ip.b[0] == 127; /* RFC 1122 §3.2.1.3 */
    return ip.family == 6 && memcmp(ip.b, one, sizeof one) == 0;
}

bool ip_within(struct ip ip, struct ip_prefix p)
{
    return ip.family == p.ip.family && ip.family != 0 && ip_eq(masked(ip, p.bits), masked(p.ip, p.bits));
}

struct ip ip_client_key(struct ip ip) { return ip.family == 6 ? masked(ip, 64) : ip; }

int endpoint_split(struct str text, struct str *host, uint16_t *port)
{
    size_t colon = str_rfind_char(text, ':');
    struct str name = str_head(text, colon), number = str_skip(text, colon + 1);
    uint64_t value;
    if (colon == text.n || number.n > 5 || !str_to_u64(number, UINT16_MAX, &value)) return ERR_SYNTAX;
    if (name.n && name.p[0] == '[') {
        struct ip ip;
        if (name.p[name.n - 1] != ']') return ERR_SYNTAX;
        name = str_sub(name, 1, name.n - 1);
        if (str_find_char(name, ':') == name.n || ip_parse(name, &ip)) return ERR_SYNTAX;
    } else if (name.n == 0 || str_find_char(name, ':') < name.n) {
        return ERR_SYNTAX; /* an IPv6 address needs its brackets */
    }
    *host = name;
    *port = (uint16_t)value;
    return 0;
}
