/* MX hosts sorted, shuffled, looked up and doubted. RFC 5321 §5.1: A and AAAA of the domain itself only if it has no MX
 * at all; we ourselves end the list; RFC 7505: "." means that it takes no mail. CNAMEs on the way are the resolver's.
 */
#include "mta/hosts.h"

#include "mail/address.h"
#include "mail/limits.h"

enum { ADDRESSES_SEEN = 16 }; /* of one host; are we among them? */

/* ---- failures ---- */

/* What happened to one host; what is temporary outweighs what is for good. */
static void note_failure(struct hosts *h, struct hosts_failure f)
{
    if (h->given && f.permanent) { /* the owner's slip must not send his mail back */
        f.permanent = false;
        f.code = 451;
        f.status.class = 4;
    }
    bool first = h->failure.code == 0;
    if (first || h->failure.permanent || !f.permanent) h->failure = f;
}

#define TEMPORARY(status, ...) ((struct hosts_failure){false, 451, (status), arena_printf(h->arena, __VA_ARGS__)})
#define PERMANENT(code, status, ...) \
    ((struct hosts_failure){true, (code), (status), arena_printf(h->arena, __VA_ARGS__)})

/* ---- MX records ---- */

static bool is_null_mx(const struct dns_answer *mx) /* RFC 7505 §3 */
{
    return mx->n == 1 && mx->records[0].name.n == 0;
}

static bool is_listed(const struct hosts *h, struct str name)
{
    for (size_t i = 0; i < h->n_mx; i++)
        if (str_eq(h->mx[i].name, name)) return true;
    return false;
}

/* The next in order: the least preference, and among equals the least lot. NULL: all are listed. */
static const struct dns_record *best_of(const struct hosts *h, const struct dns_answer *mx, const uint32_t *lots)
{
    const struct dns_record *best = NULL;
    uint32_t lot = 0;
    for (size_t i = 0; i < mx->n; i++) {
        const struct dns_record *r = &mx->records[i];
        if (best && (r->preference > best->preference || (r->preference == best->preference && lots[i] >= lot)))
            continue;
        if (r->name.n == 0 || is_listed(h, r->name)) continue; /* a "." among others means nothing */
        best = r;
        lot = lots[i];
    }
    return best;
}

/* RFC 5321 §5.1: sorted by preference, shuffled inside each. */
static void list_mx(struct hosts *h, const struct dns_answer *mx)
{
    uint32_t *lots = arena_array(h->arena, mx->n, sizeof *lots);
    world_random(h->relay->world, lots, mx->n * sizeof *lots);
    while (h->n_mx < LIMIT_RELAY_MX) {
        const struct dns_record *r = best_of(h, mx, lots);
        if (!r) break;
        h->mx[h->n_mx++] = (struct mx){r->name, r->preference};
    }
}

static FIBER void ask_mx(struct hosts *h, struct str domain)
{
    struct dns_answer mx;
    int e = dns_query(h->resolver, h->arena, domain, DNS_MX, &mx);
    if (e == ERR_SYNTAX || (e == 0 && mx.status == DNS_NXDOMAIN)) {
        note_failure(h, PERMANENT(550, E(5, 1, 2), "the domain %.*s does not exist", STR_FMT(domain)));
    } else if (e || mx.status == DNS_FAILURE) {
        note_failure(h, TEMPORARY(E(4, 4, 3), "no answer from DNS for the MX of %.*s", STR_FMT(domain)));
    } else if (mx.status == DNS_NODATA || mx.n == 0) {
        h->mx[h->n_mx++] = (struct mx){domain, 0}; /* RFC 5321 §5.1: the implicit MX */
        h->implicit = true;
    } else if (is_null_mx(&mx)) {
        note_failure(h, PERMANENT(556, E(5, 1, 10), "the domain %.*s takes no mail (null MX)", STR_FMT(domain)));
    } else {
        list_mx(h, &mx);
        if (h->n_mx == 0) note_failure(h, PERMANENT(550, E(5, 4, 4), "the MX of %.*s name no host", STR_FMT(domain)));
    }
}

static uint16_t port_of(const struct relay *r, const struct next_hop *hop)
{
    if (hop->port) return hop->port;
    if (hop->tls_first) return 465; /* RFC 8314 §3.3 */
    return hop->lmtp ? 24 : r->port;
}

FIBER void hosts_open(struct hosts *h, const struct relay *r, struct arena *a, const struct next_hop *hop)
{
    *h = (struct hosts){.relay = r, .arena = a, .resolver = r->resolver(r->arg), .port = port_of(r, hop)};
    h->given = hop->kind == HOP_HOST || !str_eq(hop->key, hop->host);
    h->named = hop->kind == HOP_HOST;
    struct str name;
    if (domain_key(a, hop->host, &name)) {
        note_failure(h, PERMANENT(550, E(5, 1, 2), "\"%.*s\" is no domain name", STR_FMT(hop->host)));
    } else if (h->named || domain_is_literal(name)) {
        h->mx[h->n_mx++] = (struct mx){name, 0};
    } else {
        ask_mx(h, name);
    }
}

/* ---- addresses ---- */

static bool is_link_local(struct ip ip)
{
    return ip.family == 4 ? ip.b[0] == 169 && ip.b[1] == 254 : ip.b[0] == 0xfe && (ip.b[1] & 0xc0) == 0x80;
}

static bool is_unspecified(struct ip ip) /* all of 0.0.0.0/8 is "this network" (RFC 1122 §3.2.1.3) */
{
    if (ip.family == 4) return ip.b[0] == 0;
    for (size_t i = 0; i < sizeof ip.b; i++)
        if (ip.b[i]) return false;
    return true;
}

static bool is_multicast(struct ip ip) /* RFC 1112 §4 with the reserved rest, RFC 4291 §2.7 */
{
    return ip.family == 4 ? ip.b[0] >= 224 : ip.b[0] == 0xff;
}

/* May a host of the mail's own domain be there? Who names such an address would have us talk to ourselves or to our
 * neighbours. */
static bool is_usable(const struct hosts *h, struct ip ip)
{
    if (is_multicast(ip)) return false;
    if (h->relay->loopback || h->named) return true;
    return !ip_is_loopback(ip) && !is_unspecified(ip) && !is_link_local(ip);
}

static FIBER enum dns_status ask_addresses(struct hosts *h, struct str name, struct ip out[ADDRESSES_SEEN], size_t *n)
{
    bool secure;
    *n = 0;
    if (domain_is_literal(name)) { /* RFC 5321 §4.1.3 */
        struct str inside = str_sub(name, 1, name.n - 1);
        if (str_istarts(inside, S("IPv6:"))) inside = str_skip(inside, 5);
        if (ip_parse(inside, &out[0])) return DNS_NXDOMAIN;
        *n = 1;
        return DNS_OK;
    }
    struct ip number;
    if (!h->named && ip_parse(name, &number) == 0) return DNS_NXDOMAIN; /* an MX names a host (RFC 5321 §5.1) */
    return dns_host(h->resolver, h->arena, name, out, ADDRESSES_SEEN, n, &secure);
}

static bool is_known(const struct hosts *h, struct ip ip)
{
    for (size_t i = 0; i < h->n; i++)
        if (ip_eq(h->v[i].at.ip, ip)) return true;
    return false;
}

/* One host in five addresses, five hosts with two each: a dead host does not use up the attempt. */
static size_t share_of(const struct hosts *h)
{
    size_t share = (LIMIT_RELAY_ADDRESSES + h->n_mx - 1) / h->n_mx;
    return share < 2 ? 2 : share;
}

static void note_nowhere(struct hosts *h, struct str name, enum dns_status status)
{
    if (status == DNS_FAILURE)
        note_failure(h, TEMPORARY(E(4, 4, 3), "no answer from DNS for the addresses of %.*s", STR_FMT(name)));
    else if (h->implicit)
        note_failure(h, PERMANENT(550, E(5, 1, 2), "the domain %.*s has neither MX nor address", STR_FMT(name)));
    else note_failure(h, PERMANENT(550, E(5, 4, 4), "the host %.*s has no address", STR_FMT(name)));
}

static void note_refused(struct hosts *h, struct str name, struct ip ip)
{
    char text[64];
    struct buf b = BUF_OVER(text);
    ip_put_literal(&b, ip);
    note_failure(h, PERMANENT(550, E(5, 4, 4), "the host %.*s is said to be at %.*s, where no mail is sent",
                              STR_FMT(name), STR_FMT(buf_str(&b))));
}

/* Adds a host's addresses. False: it is ourselves. */
static FIBER bool add_host(struct hosts *h, struct str name)
{
    struct ip found[ADDRESSES_SEEN];
    size_t n, added = 0;
    enum dns_status status = ask_addresses(h, name, found, &n);
    if (n == 0) note_nowhere(h, name, status);
    for (size_t i = 0; i < n; i++)
        if (h->relay->is_ours && h->relay->is_ours(h->relay->arg, (struct endpoint){found[i], h->port})) return false;
    for (size_t i = 0; i < n; i++) {
        if (!is_usable(h, found[i])) {
            note_refused(h, name, found[i]);
        } else if (added < share_of(h) && h->n < LIMIT_RELAY_ADDRESSES && !is_known(h, found[i])) {
            h->v[h->n++] = (struct host){name, {found[i], h->port}};
            added++;
        }
    }
    return true;
}

/* All hosts of the next preference. RFC 5321 §5.1: if we are one of them, they and all after them are passed over. */
static FIBER void add_preference(struct hosts *h)
{
    size_t known = h->n;
    uint16_t preference = h->mx[h->mx_seen].preference;
    while (h->mx_seen < h->n_mx && h->mx[h->mx_seen].preference == preference) {
        if (add_host(h, h->mx[h->mx_seen++].name)) continue;
        note_failure(h, PERMANENT(554, E(5, 4, 6), "this server is its best mail host, but not its home"));
        h->n = known;
        h->mx_seen = h->n_mx;
    }
}

FIBER bool hosts_next(struct hosts *h, struct host *out)
{
    while (h->handed == h->n && h->mx_seen < h->n_mx && h->n < LIMIT_RELAY_ADDRESSES && !fiber_cancelled())
        add_preference(h);
    if (h->handed == h->n) return false;
    *out = h->v[h->handed++];
    return true;
}
