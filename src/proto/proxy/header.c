/* PROXY protocol headers, text and binary. */
#include "proto/proxy/header.h"

static bool take_ip(struct str *rest, int family, struct ip *out)
{
    struct str word = str_word(rest);
    bool has_colon = str_find_char(word, ':') < word.n;
    return has_colon == (family == 6) && ip_parse(word, out) == 0;
}

static bool take_port(struct str *rest, uint16_t *out)
{
    struct str word = str_word(rest);
    uint64_t port;
    if ((word.n > 1 && word.p[0] == '0') || !str_to_u64(word, UINT16_MAX, &port)) return false;
    *out = (uint16_t)port;
    return true;
}

int proxy_parse_line(struct str line, struct proxy_header *out)
{
    struct proxy_header h = {.named = true};
    if (line.n + 2 > PROXY_V1_MAX || !str_starts(line, S("PROXY "))) return ERR_SYNTAX;
    struct str rest = str_skip(line, strlen("PROXY ")), kind = str_word(&rest);
    if (str_eq(kind, S("UNKNOWN"))) {
        *out = (struct proxy_header){0};
        return 0;
    }
    int family = str_eq(kind, S("TCP4")) ? 4 : str_eq(kind, S("TCP6")) ? 6 : 0;
    if (!family || !take_ip(&rest, family, &h.source.ip) || !take_ip(&rest, family, &h.destination.ip))
        return ERR_SYNTAX;
    if (!take_port(&rest, &h.source.port) || !take_port(&rest, &h.destination.port) || rest.n) return ERR_SYNTAX;
    *out = h;
    return 0;
}

const struct str proxy_v2_signature = S_INIT("\r\n\r\n\0\r\nQUIT\n");

enum { V2_LOCAL = 0x20, V2_PROXY = 0x21, V2_TCP4 = 0x11, V2_TCP6 = 0x21 };

int proxy_v2_length(const unsigned char head[PROXY_V2_HEAD])
{
    int length = head[14] << 8 | head[15];
    if (memcmp(head, proxy_v2_signature.p, proxy_v2_signature.n) != 0) return ERR_SYNTAX;
    if (head[12] != V2_LOCAL && head[12] != V2_PROXY) return ERR_SYNTAX;
    return length > PROXY_V2_MAX ? ERR_SYNTAX : length;
}

/* An address of `n` bytes, IPv4-mapped ones made IPv4 as everywhere. */
static struct ip ip_of(const unsigned char *b, size_t n)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    bool inside = n == 16 && memcmp(b, mapped, sizeof mapped) == 0;
    struct ip ip = {.family = n == 4 || inside ? 4 : 6};
    memcpy(ip.b, inside ? b + sizeof mapped : b, ip.family == 4 ? 4 : 16);
    return ip;
}

int proxy_parse_binary(const unsigned char head[PROXY_V2_HEAD], struct str body, struct proxy_header *out)
{
    const unsigned char *b = (const unsigned char *)body.p;
    int length = proxy_v2_length(head);
    if (length < 0 || (size_t)length != body.n) return ERR_SYNTAX;
    *out = (struct proxy_header){0};
    if (head[12] == V2_LOCAL || (head[13] != V2_TCP4 && head[13] != V2_TCP6)) return 0;
    size_t n = head[13] == V2_TCP4 ? 4 : 16;
    if (body.n < 2 * n + 4) return ERR_SYNTAX;
    const unsigned char *ports = b + 2 * n;
    out->named = true;
    out->source = (struct endpoint){ip_of(b, n), (uint16_t)(ports[0] << 8 | ports[1])};
    out->destination = (struct endpoint){ip_of(b + n, n), (uint16_t)(ports[2] << 8 | ports[3])};
    return 0;
}
