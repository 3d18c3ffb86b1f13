/* Routes as their owner writes them: "mx", "smtp://HOST:PORT" and the others of next_hop.h, read into what the relay
 * goes by, with a key that is the same for everything that reaches the same hosts in the same way.
 *
 * Which route a letter takes is the queue's to say, who the hosts are the relay's. */
#include "mail/next_hop.h"

#include "mail/ip.h"

enum { REFUSE_TEXT_MAX = 200 }; /* bytes: a reply line holds them beside our own words (RFC 5321 §4.5.3.1.5) */
enum { PORT_SMTPS = 465 /* RFC 8314 §7.3 */, PORT_LMTP = 24 /* RFC 2033 §2 */ };

static const struct scheme {
    struct str prefix;
    uint16_t port; /* when none is written; 0: the relay's */
    bool lmtp, tls_first;
} schemes[] = {
    {S_INIT("smtp://"), 0, false, false},
    {S_INIT("smtps://"), PORT_SMTPS, false, true},
    {S_INIT("lmtp://"), PORT_LMTP, true, false},
};

/* ---- hosts ---- */

/* A network address, tagged or not ("192.0.2.1", "IPv6:2001:db8::1"), as RFC 5321 §4.1.3 writes it. */
static int read_literal(struct arena *a, struct str text, struct str *host)
{
    struct ip ip;
    if (str_istarts(text, S("IPv6:"))) text = str_skip(text, 5);
    if (ip_parse(text, &ip)) return ERR_SYNTAX;
    struct buf *b = buf_in(a, 64);
    ip_put_literal(b, ip);
    *host = buf_str(b);
    return 0;
}

/* Names whose last label is a number exist nowhere: who writes one meant an address. */
static bool ends_in_number(struct str name)
{
    size_t dot = str_rfind_char(name, '.');
    struct str last = dot < name.n ? str_skip(name, dot + 1) : name;
    uint64_t number;
    return str_to_u64(last, UINT64_MAX, &number);
}

static int read_name(struct arena *a, struct str text, struct str *name)
{
    if (str_ends(text, S("."))) text.n--; /* as zone files write it */
    if (domain_is_literal(text) || ends_in_number(text) || domain_key(a, text, name)) return ERR_SYNTAX;
    return 0;
}

/* HOST, cut from what follows it: "[...]" or everything up to the colon. */
static int read_host(struct arena *a, struct str text, struct str *host, struct str *rest)
{
    if (text.n && text.p[0] == '[') {
        size_t end = str_find_char(text, ']');
        if (end == text.n) return ERR_SYNTAX;
        *rest = str_skip(text, end + 1);
        return read_literal(a, str_sub(text, 1, end), host);
    }
    struct str name = str_head(text, str_find_char(text, ':'));
    *rest = str_skip(text, name.n);
    return read_literal(a, name, host) ? read_name(a, name, host) : 0;
}

static int read_port(struct str text, uint16_t *port)
{
    uint64_t number;
    if (text.n < 2 || text.p[0] != ':' || !str_to_u64(str_skip(text, 1), UINT16_MAX, &number) || number == 0)
        return ERR_SYNTAX;
    *port = (uint16_t)number;
    return 0;
}

/* ---- kinds of routes ---- */

static int parse_host(struct arena *a, const struct scheme *s, struct str text, struct next_hop *hop, struct error *e)
{
    struct str rest;
    hop->kind = HOP_HOST;
    hop->port = s->port;
    hop->lmtp = s->lmtp;
    hop->tls_first = s->tls_first;
    if (str_find_char(text, '@') < text.n)
        return error_set(e, ERR_SYNTAX, "user and password are no part of the host: they have settings of their own");
    if (read_host(a, text, &hop->host, &rest))
        return error_set(e, ERR_SYNTAX, "\"%.*s\" does not begin with a host name, [192.0.2.1] or [IPv6:2001:db8::1]",
                         STR_FMT(text));
    if (rest.n && read_port(rest, &hop->port))
        return error_set(e, ERR_SYNTAX, "\"%.*s\" is no port: a colon and a number from 1 to 65535 are wanted",
                         STR_FMT(rest));
    hop->key = hop->port ? arena_printf(a, "%.*s%.*s:%u", STR_FMT(s->prefix), STR_FMT(hop->host), hop->port)
                         : arena_printf(a, "%.*s%.*s", STR_FMT(s->prefix), STR_FMT(hop->host));
    return 0;
}

static int parse_mx(struct arena *a, struct str domain, struct next_hop *hop, struct error *e)
{
    hop->kind = HOP_MX;
    if (read_name(a, domain, &hop->host))
        return error_set(e, ERR_SYNTAX, "\"%.*s\" is no domain; for a host or an address write smtp://HOST:PORT",
                         STR_FMT(domain));
    hop->key = hop->host;
    return 0;
}

static int parse_refuse(struct arena *a, struct str words, struct next_hop *hop, struct error *e)
{
    hop->kind = HOP_REFUSE;
    hop->key = S("refuse");
    words = str_trim(words);
    if (words.n > REFUSE_TEXT_MAX)
        return error_set(e, ERR_SYNTAX, "the words of a refusal are at most %d bytes", REFUSE_TEXT_MAX);
    for (size_t i = 0; i < words.n; i++)
        if (words.p[i] < ' ' || words.p[i] > '~') /* RFC 5321 §4.2: textstring */
            return error_set(e, ERR_SYNTAX, "the words of a refusal are plain ASCII on one line");
    hop->text = words.n ? arena_str(a, words) : S("mail for this address is not accepted here");
    return 0;
}

int next_hop_parse(struct arena *a, struct str text, struct next_hop *out, struct error *e)
{
    struct next_hop hop = {0};
    int r;
    text = str_trim(text);
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        if (!str_istarts(text, schemes[i].prefix)) continue;
        r = parse_host(a, &schemes[i], str_skip(text, schemes[i].prefix.n), &hop, e);
        if (!r) *out = hop;
        return r;
    }
    if (str_ieq(text, S("mx"))) {
        hop.kind = HOP_MX;
        r = 0;
    } else if (str_istarts(text, S("mx://"))) {
        r = parse_mx(a, str_skip(text, 5), &hop, e);
    } else if (str_ieq(text, S("discard"))) {
        hop.kind = HOP_DISCARD;
        hop.key = S("discard");
        r = 0;
    } else if (str_ieq(text, S("refuse")) || str_istarts(text, S("refuse:"))) {
        r = parse_refuse(a, str_skip(text, 7), &hop, e);
    } else {
        r = error_set(
            e, ERR_SYNTAX,
            "\"%.*s\" is no route: mx, mx://DOMAIN, smtp://HOST:PORT, smtps://HOST, lmtp://HOST:PORT, discard "
            "or refuse:TEXT",
            STR_FMT(str_head(text, 80)));
    }
    if (!r) *out = hop;
    return r;
}

/* ---- TLS policies ---- */

static const struct str policies[] = {
    [TLS_POLICY_MAY] = S_INIT("may"),
    [TLS_POLICY_NONE] = S_INIT("none"),
    [TLS_POLICY_ENCRYPT] = S_INIT("encrypt"),
    [TLS_POLICY_VERIFY] = S_INIT("verify"),
};

int tls_policy_parse(struct str name, enum tls_policy *out)
{
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
        if (!str_ieq(name, policies[i])) continue;
        *out = (enum tls_policy)i;
        return 0;
    }
    return ERR_SYNTAX;
}

struct str tls_policy_name(enum tls_policy p) { return policies[p]; }
