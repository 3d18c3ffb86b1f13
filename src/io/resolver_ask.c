/* Speaking with recursive servers: UDP, then TCP when the answer was cut (RFC 1035 §4.2, RFC 7766), EDNS and its
 * absence (RFC 6891 §6.2.2), several servers in turn. Each query has a random id and a socket, so a random port, of its
 * own (RFC 5452 §9.2); replies that do not belong to it are passed over and the wait goes on. */
#include "io/connect.h"
#include "io/resolver_core.h"
#include "io/udp.h"
#include "mail/limits.h"

enum { DATAGRAM_MAX = 4096 }; /* we announce LIMIT_DNS_UDP; some send more */

struct question {
    struct dns_servers *servers;
    struct arena *a;
    struct str name;
    enum dns_type type;
    struct endpoint server;
    mono_us deadline; /* of this try */
};

static struct str make_query(const struct question *q, bool edns)
{
    uint16_t id;
    struct buf *b = buf_in(q->a, DNS_QUERY_MAX);
    world_random(q->servers->world, &id, sizeof id);
    dns_query_put(b, id, q->name, q->type, edns);
    return buf_str(b);
}

/* As dns_reply_read(), and ERR_TIMEOUT, ERR_CANCELLED, ERR_IO. */
static FIBER int ask_udp(const struct question *q, bool edns, struct dns_answer *out)
{
    struct str query = make_query(q, edns);
    char *reply = arena_alloc(q->a, DATAGRAM_MAX);
    struct udp *u = udp_open(q->servers->world, q->server);
    int result = u ? udp_send(u, query) : ERR_IO;
    if (result == 0) result = ERR_CONFLICT;
    while (result == ERR_CONFLICT) {
        int64_t n = udp_recv(u, reply, DATAGRAM_MAX, q->deadline);
        result = n < 0 ? (int)n : dns_reply_read(q->a, query, str_of(reply, (size_t)n), out);
    }
    udp_close(u);
    return result;
}

static FIBER int exchange_tcp(const struct question *q, struct stream *s, struct str query, struct dns_answer *out)
{
    unsigned char size[2] = {(unsigned char)(query.n >> 8), (unsigned char)query.n}; /* RFC 1035 §4.2.2 */
    int e = stream_write(s, str_of(size, 2));
    if (!e) e = stream_write(s, query);
    if (!e) e = stream_flush(s);
    if (!e) e = stream_read(s, size, 2);
    if (e) return e;
    size_t n = (size_t)(size[0] << 8 | size[1]);
    char *reply = arena_alloc(q->a, n);
    e = stream_read(s, reply, n);
    if (e) return e;
    e = dns_reply_read(q->a, query, str_of(reply, n), out);
    return e == ERR_CONFLICT || e == ERR_TOO_LONG ? ERR_SYNTAX : e; /* nothing else will come */
}

static FIBER int ask_tcp(const struct question *q, bool edns, struct dns_answer *out)
{
    struct stream *s;
    int e = stream_connect(q->server, (struct ip){0}, q->deadline, &s, NULL);
    if (e) return e;
    stream_deadline(s, q->deadline);
    e = exchange_tcp(q, s, make_query(q, edns), out);
    stream_close(s);
    return e;
}

/* 0 and *out; ERR_TIMEOUT; ERR_CANCELLED; anything else: this server is of no use for this question. */
static FIBER int ask_server(const struct question *q, struct dns_answer *out)
{
    int e = ERR_UNSUPPORTED;
    for (int edns = 1; edns >= 0 && e == ERR_UNSUPPORTED; edns--) {
        e = ask_udp(q, edns, out);
        if (e == ERR_TOO_LONG) e = ask_tcp(q, edns, out);
    }
    return e;
}

static bool trusts(const struct dns_servers *s, struct endpoint server)
{
    return s->trust_ad_any || ip_is_loopback(server.ip);
}

FIBER int dns_servers_ask(struct dns_servers *s, struct arena *a, struct str name, enum dns_type type, mono_us deadline,
                          struct dns_answer *out)
{
    bool useless[DNS_SERVERS_MAX] = {false};
    size_t left = s->n, first = s->preferred;
    for (size_t turn = 0; left > 0 && loop_now() < deadline; turn++) {
        size_t i = (first + turn) % s->n;
        if (useless[i]) continue;
        mono_us try_until = loop_now() + TIMEOUT_DNS_QUERY;
        struct question q = {s, a, name, type, s->at[i], try_until < deadline ? try_until : deadline};
        int e = ask_server(&q, out);
        if (e == ERR_CANCELLED) return e;
        if (e == 0 && out->status != DNS_FAILURE) {
            s->preferred = i;
            out->secure = out->secure && trusts(s, s->at[i]);
            return 0;
        }
        if (e == ERR_TIMEOUT) continue;
        useless[i] = true;
        left--;
    }
    *out = (struct dns_answer){.status = DNS_FAILURE, .canonical = name};
    return 0;
}

/* ---- resolv.conf(5) ---- */

size_t resolv_conf_servers(struct str text, struct endpoint *out, size_t max)
{
    size_t n = 0;
    while (text.n && n < max) {
        struct str line, address, zone;
        str_cut(text, '\n', &line, &text);
        line = str_trim(line);
        if (!str_eq(str_word(&line), S("nameserver"))) continue;
        str_cut(str_word(&line), '%', &address, &zone); /* a zone is for link-local servers, which we cannot name */
        struct endpoint e = {.port = DNS_PORT};
        if (ip_parse(address, &e.ip) == 0 && zone.n == 0) out[n++] = e;
    }
    return n;
}
