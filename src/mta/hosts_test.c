/* Who the hosts of a next hop are, in the simulated world: zones as text, the addresses handed out in order, and why
 * there are none. Each look-up runs twice. */
#include "base/test.h"

#include <stdlib.h>

#include "io/sim.h"
#include "mta/hosts.h"

static const struct ip our_ip = {4, {203, 0, 113, 1}};

struct look_up {
    const char *name;
    const char *zone, *hop; /* a route's value; a bare word is the domain whose MX are asked */
    bool loopback;
    const char *hosts;   /* "mx1.example 192.0.2.1, …" */
    const char *failure; /* "550 5.1.2 words"; NULL: there are hosts */
    int64_t least, most; /* seconds it may take; 0 0: any time */
};

struct scene {
    const struct look_up *t;
    struct world *node;
    struct resolver *resolver;
    struct buf got, failure;
    bool done;
};

static struct resolver *resolver_of(void *scene) { return ((struct scene *)scene)->resolver; }

static bool is_ours(void *scene, struct endpoint e)
{
    (void)scene;
    return e.port == 25 && ip_eq(e.ip, our_ip);
}

static void hop_of(struct arena *a, const char *text, struct next_hop *hop)
{
    if (strstr(text, "://")) {
        struct error e;
        assert_int_equal(next_hop_parse(a, str_c(text), hop, &e), 0);
        if (hop->kind == HOP_MX) hop->key = str_c(text);
    } else {
        *hop = (struct next_hop){.kind = HOP_MX, .key = str_c(text), .host = str_c(text)};
    }
}

static void put_host(struct buf *b, const struct host *h)
{
    if (b->n) buf_lit(b, ", ");
    buf_add(b, h->name);
    buf_char(b, ' ');
    ip_put(b, h->at.ip);
    if (h->at.port != 25) buf_printf(b, ":%d", h->at.port);
}

static FIBER void look(void *arg)
{
    struct scene *s = arg;
    struct arena *a = arena_new(NULL, 0);
    const struct relay relay = {.world = s->node,
                                .port = 25,
                                .loopback = s->t->loopback,
                                .resolver = resolver_of,
                                .is_ours = is_ours,
                                .arg = s};
    struct next_hop hop;
    struct hosts h;
    struct host host;
    mono_us began = loop_now();
    hop_of(a, s->t->hop, &hop);
    hosts_open(&h, &relay, a, &hop);
    while (hosts_next(&h, &host)) put_host(&s->got, &host);
    assert_false(hosts_next(&h, &host)); /* and so it stays */
    if (s->got.n == 0)
        buf_printf(&s->failure, "%d %u.%u.%u %.*s", h.failure.code, h.failure.status.class, h.failure.status.subject,
                   h.failure.status.detail, STR_FMT(h.failure.text));
    if (s->got.n == 0) assert_int_equal(h.failure.permanent, h.failure.code >= 500);
    if (s->t->most) assert_in_range((loop_now() - began) / US_PER_S, s->t->least, s->t->most);
    arena_free(a);
    s->done = true;
}

static void run_scene(struct sim *sim, struct scene *s)
{
    s->node = sim_node(sim, "node", our_ip);
    struct loop *l = loop_new(s->node);
    sim_dns(sim, s->t->zone);
    s->resolver = resolver_new(l, &(struct resolver_options){0});
    loop_spawn(l, look, s);
    sim_run(sim, HOURS(30));
    assert_true(s->done);
    loop_free(l);
    resolver_free(s->resolver);
}

static void look_up(struct sim *sim, void *arg)
{
    struct scene s = {.t = arg, .got = BUF(10000), .failure = BUF(10000)};
    run_scene(sim, &s);
    const struct look_up *t = arg;
    if (!str_eq(buf_str(&s.got), str_c(t->hosts)) || !str_eq(buf_str(&s.failure), str_c(t->failure)))
        print_error("%s:\n", t->name);
    assert_str(buf_str(&s.got), str_c(t->hosts));
    assert_str(buf_str(&s.failure), str_c(t->failure));
    buf_free(&s.got);
    buf_free(&s.failure);
}

#define MX2 \
    "to.example. MX 10 mx1.to.example.\nto.example. MX 20 mx2.to.example.\n" \
    "mx1.to.example. A 192.0.2.1\nmx2.to.example. A 192.0.2.2\n"

static const struct look_up table[] = {
    {"sorted by preference", MX2, "to.example", .hosts = "mx1.to.example 192.0.2.1, mx2.to.example 192.0.2.2"},
    {"sorted by number, not by text",
     "d.example. MX 100 b.example.\nd.example. MX 9 a.example.\na.example. A 192.0.2.1\nb.example. A 192.0.2.2\n",
     "d.example", .hosts = "a.example 192.0.2.1, b.example 192.0.2.2"},
    {"IPv6 and IPv4 in turn",
     "d.example. MX 1 a.example.\na.example. A 192.0.2.1\na.example. A 192.0.2.1\na.example. AAAA 2001:db8::1\n",
     "d.example", .hosts = "a.example 2001:db8::1, a.example 192.0.2.1"},
    {"a host without addresses is passed over (RFC 5321 §5.1)",
     "d.example. MX 1 none.example.\nd.example. MX 2 b.example.\nnone.example. TXT x\nb.example. A 192.0.2.2\n",
     "d.example", .hosts = "b.example 192.0.2.2"},
    {"no host has an address, and the domain's own is not asked",
     "d.example. MX 1 none.example.\nd.example. A 192.0.2.9\n", "d.example",
     .failure = "550 5.4.4 the host none.example has no address"},
    {"a dead name server behind one host is temporary",
     "d.example. MX 1 dead.example.\nd.example. MX 2 none.example.\ndead.example. SERVFAIL\n", "d.example",
     .failure = "451 4.4.3 no answer from DNS for the addresses of dead.example"},
    {"and does not delay the others",
     "d.example. MX 1 a.example.\nd.example. MX 2 slow.example.\na.example. A 192.0.2.1\nslow.example. TIMEOUT\n"
     "d.example. MX 0 slow2.example.\nslow2.example. TIMEOUT\n",
     "d.example", .hosts = "a.example 192.0.2.1", .least = 19, .most = 41},
    {"no MX: the domain itself", "d.example. A 192.0.2.7\n", "d.example", .hosts = "d.example 192.0.2.7"},
    {"no MX, an AAAA alone", "d.example. AAAA 2001:db8::7\n", "d.example", .hosts = "d.example 2001:db8::7"},
    {"neither MX nor address", "d.example. TXT x\n", "d.example",
     .failure = "550 5.1.2 the domain d.example has neither MX nor address"},
    {"no such domain", "x.example. A 192.0.2.1\n", "d.example",
     .failure = "550 5.1.2 the domain d.example does not exist"},
    {"the MX cannot be asked", "d.example. SERVFAIL\n", "d.example",
     .failure = "451 4.4.3 no answer from DNS for the MX of d.example"},
    {"nobody answers", "d.example. TIMEOUT\n", "d.example",
     .failure = "451 4.4.3 no answer from DNS for the MX of d.example", .least = 20, .most = 21},
    {"null MX (RFC 7505)", "d.example. MX 0 .\nd.example. A 192.0.2.1\n", "d.example",
     .failure = "556 5.1.10 the domain d.example takes no mail (null MX)"},
    {"a null MX among others means nothing (RFC 7505 §3)",
     "d.example. MX 0 .\nd.example. MX 5 a.example.\na.example. A 192.0.2.1\n", "d.example",
     .hosts = "a.example 192.0.2.1"},
    {"only null MX, several", "d.example. MX 0 .\nd.example. MX 5 .\n", "d.example",
     .failure = "550 5.4.4 the MX of d.example name no host"},
    {"the domain is an alias (RFC 5321 §5.1)",
     "d.example. CNAME e.example.\ne.example. MX 1 a.example.\na.example. A 192.0.2.1\n", "d.example",
     .hosts = "a.example 192.0.2.1"},
    {"the host is an alias",
     "d.example. MX 1 www.example.\nwww.example. CNAME a.example.\na.example. A 192.0.2.1\n", "d.example",
     .hosts = "www.example 192.0.2.1"},
    {"aliases in a loop",
     "d.example. MX 1 l.example.\nl.example. CNAME m.example.\nm.example. CNAME l.example.\n", "d.example",
     .failure = "451 4.4.3 no answer from DNS for the addresses of l.example"},
    {"the domain's aliases in a loop", "d.example. CNAME m.example.\nm.example. CNAME d.example.\n", "d.example",
     .failure = "451 4.4.3 no answer from DNS for the MX of d.example"},
    {"one host named twice", "d.example. MX 1 a.example.\nd.example. MX 2 A.example.\na.example. A 192.0.2.1\n",
     "d.example", .hosts = "a.example 192.0.2.1"},
    {"two names of one address",
     "d.example. MX 1 a.example.\nd.example. MX 2 b.example.\na.example. A 192.0.2.1\nb.example. A 192.0.2.1\n",
     "d.example", .hosts = "a.example 192.0.2.1"},
    /* ourselves */
    {"we are the backup: only those before us",
     "d.example. MX 10 a.example.\nd.example. MX 20 us.example.\nd.example. MX 30 c.example.\na.example. A 192.0.2.1\n"
     "us.example. A 203.0.113.1\nc.example. A 192.0.2.3\n",
     "d.example", .hosts = "a.example 192.0.2.1"},
    {"of equal preference as we: passed over too",
     "d.example. MX 10 a.example.\nd.example. MX 20 b.example.\nd.example. MX 20 us.example.\na.example. A 192.0.2.1\n"
     "b.example. A 192.0.2.2\nus.example. A 203.0.113.1\n",
     "d.example", .hosts = "a.example 192.0.2.1"},
    {"one of its addresses is ours",
     "d.example. MX 10 us.example.\nus.example. A 192.0.2.5\nus.example. A 203.0.113.1\n", "d.example",
     .failure = "554 5.4.6 this server is its best mail host, but not its home"},
    {"the implicit MX is ours", "d.example. A 203.0.113.1\n", "d.example",
     .failure = "554 5.4.6 this server is its best mail host, but not its home"},
    {"our address, but another port", "h.example. A 203.0.113.1\n", "smtp://h.example:2525",
     .hosts = "h.example 203.0.113.1:2525"},
    /* where no mail goes */
    {"loopback is refused", "d.example. MX 1 a.example.\na.example. A 127.0.0.1\n", "d.example",
     .failure = "550 5.4.4 the host a.example is said to be at [127.0.0.1], where no mail is sent"},
    {"unless it is allowed", "d.example. MX 1 a.example.\na.example. A 127.0.0.9\n", "d.example", .loopback = true,
     .hosts = "a.example 127.0.0.9"},
    {"loopback, IPv6", "d.example. MX 1 a.example.\na.example. AAAA ::1\n", "d.example",
     .failure = "550 5.4.4 the host a.example is said to be at [IPv6:::1], where no mail is sent"},
    {"the other addresses are good",
     "d.example. MX 1 a.example.\na.example. A 127.0.0.1\na.example. A 192.0.2.4\na.example. A 0.0.0.0\n", "d.example",
     .hosts = "a.example 192.0.2.4"},
    {"unspecified", "d.example. A 0.0.0.0\n", "d.example",
     .failure = "550 5.4.4 the host d.example is said to be at [0.0.0.0], where no mail is sent"},
    {"link-local", "d.example. A 169.254.1.1\n", "d.example",
     .failure = "550 5.4.4 the host d.example is said to be at [169.254.1.1], where no mail is sent"},
    {"link-local, IPv6", "d.example. AAAA fe80::1\n", "d.example",
     .failure = "550 5.4.4 the host d.example is said to be at [IPv6:fe80::1], where no mail is sent"},
    {"multicast, even where loopback is allowed", "d.example. A 224.0.0.1\n", "d.example", .loopback = true,
     .failure = "550 5.4.4 the host d.example is said to be at [224.0.0.1], where no mail is sent"},
    /* numbers */
    {"an address literal", "x. A 192.0.2.1\n", "[192.0.2.33]", .hosts = "[192.0.2.33] 192.0.2.33"},
    {"an IPv6 literal", "x. A 192.0.2.1\n", "[IPv6:2001:db8::33]", .hosts = "[IPv6:2001:db8::33] 2001:db8::33"},
    {"a literal of loopback", "x. A 192.0.2.1\n", "[127.0.0.1]",
     .failure = "550 5.4.4 the host [127.0.0.1] is said to be at [127.0.0.1], where no mail is sent"},
    {"an MX that is a number (RFC 5321 §5.1)", "d.example. MX 1 192.0.2.1.\n", "d.example",
     .failure = "550 5.4.4 the host 192.0.2.1 has no address"},
    /* IDN */
    {"an IDN domain is asked for as an A-label",
     "xn--bcher-kva.example. MX 1 mx.xn--bcher-kva.example.\nmx.xn--bcher-kva.example. A 192.0.2.1\n",
     "b\xC3\xBC" "cher.example", .hosts = "mx.xn--bcher-kva.example 192.0.2.1"},
    {"no domain at all", "x. A 192.0.2.1\n", "a..b", .failure = "550 5.1.2 \"a..b\" is no domain name"},
    /* routes: what is wrong with them the owner can mend */
    {"a host by its name has no MX", "h.example. MX 1 a.example.\nh.example. A 192.0.2.8\n", "smtp://h.example",
     .hosts = "h.example 192.0.2.8"},
    {"a host with a port", "h.example. A 192.0.2.8\n", "smtp://h.example:2525", .hosts = "h.example 192.0.2.8:2525"},
    {"a literal with a port", "x. A 192.0.2.1\n", "smtp://[127.0.0.1]:2525", .hosts = "[127.0.0.1] 127.0.0.1:2525"},
    {"TLS from the first byte", "h.example. A 192.0.2.8\n", "smtps://h.example", .hosts = "h.example 192.0.2.8:465"},
    {"LMTP", "h.example. A 127.0.0.8\n", "lmtp://h.example:24", .hosts = "h.example 127.0.0.8:24"},
    {"a host that does not exist is temporary", "x. A 192.0.2.1\n", "smtp://h.example",
     .failure = "451 4.4.4 the host h.example has no address"},
    {"the MX of another domain", MX2, "mx://to.example",
     .hosts = "mx1.to.example 192.0.2.1, mx2.to.example 192.0.2.2"},
    {"which does not exist", "x. A 192.0.2.1\n", "mx://to.example",
     .failure = "451 4.1.2 the domain to.example does not exist"},
    /* bounds */
    {"five addresses at most, two of each host",
     "d.example. MX 1 a.example.\nd.example. MX 2 b.example.\nd.example. MX 3 c.example.\n"
     "a.example. A 192.0.2.1\na.example. A 192.0.2.2\na.example. A 192.0.2.3\n"
     "b.example. A 192.0.2.11\nb.example. A 192.0.2.12\nb.example. A 192.0.2.13\n"
     "c.example. A 192.0.2.21\nc.example. A 192.0.2.22\n",
     "d.example",
     .hosts = "a.example 192.0.2.1, a.example 192.0.2.2, b.example 192.0.2.11, b.example 192.0.2.12, "
              "c.example 192.0.2.21"},
    {"five of one host",
     "d.example. A 192.0.2.1\nd.example. A 192.0.2.2\nd.example. A 192.0.2.3\nd.example. A 192.0.2.4\n"
     "d.example. A 192.0.2.5\nd.example. A 192.0.2.6\nd.example. A 192.0.2.7\n",
     "d.example",
     .hosts = "d.example 192.0.2.1, d.example 192.0.2.2, d.example 192.0.2.3, d.example 192.0.2.4, "
              "d.example 192.0.2.5"},
};

static void finds_hosts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct look_up t = table[i];
        if (!t.hosts) t.hosts = "";
        if (!t.failure) t.failure = "";
        for (uint64_t seed = 1; seed <= 3; seed++) sim_twice(seed, look_up, &t);
    }
}

/* Inside a preference the order is a lot's, and each host has its turn; never across (RFC 5321 §5.1). */
static void shuffles_inside_a_preference(void **state)
{
    (void)state;
    enum { SEEDS = 60 };
    int first[3] = {0}, other_order = 0;
    static const char zone[] = "d.example. MX 5 a.example.\nd.example. MX 5 b.example.\nd.example. MX 5 c.example.\n"
                               "d.example. MX 9 z.example.\na.example. A 192.0.2.1\nb.example. A 192.0.2.2\n"
                               "c.example. A 192.0.2.3\nz.example. A 192.0.2.9\n";
    const struct look_up t = {"shuffled", zone, "d.example"};
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct scene s = {.t = &t, .got = BUF(1000), .failure = BUF(1000)};
        struct sim *sim = sim_new(seed);
        run_scene(sim, &s);
        struct str got = buf_str(&s.got);
        assert_true(str_ends(got, S(", z.example 192.0.2.9")));
        for (int i = 0; i < 3; i++) {
            char name[] = {(char)('a' + i), '.', 0};
            size_t at = str_find(got, str_c(name));
            assert_true(at < got.n && str_find(str_skip(got, at + 1), str_c(name)) + at + 1 >= got.n);
            first[i] += at == 0;
        }
        other_order += str_find(got, S("b.ex")) > str_find(got, S("c.ex"));
        buf_free(&s.got);
        buf_free(&s.failure);
        sim_free(sim);
    }
    for (int i = 0; i < 3; i++) assert_in_range(first[i], SEEDS / 6, SEEDS / 2);
    assert_in_range(other_order, SEEDS / 4, SEEDS * 3 / 4);
}

/* An answer of 10,000 MX, most of them lies: ten are looked at, five are handed out, and soon. */
static void bounds_what_dns_says(void **state)
{
    (void)state;
    struct buf zone = BUF(1 << 20);
    for (int i = 0; i < 10000; i++) buf_printf(&zone, "d.example. MX %d h%d.d.example.\n", i < 250 ? 7 : 8, i);
    buf_lit(&zone, "x.example. A 192.0.2.1\n");
    buf_char(&zone, 0);
    const struct look_up t = {.zone = zone.p, .hop = "d.example", .least = 0, .most = 60};
    struct scene s = {.t = &t, .got = BUF(1000), .failure = BUF(1000)};
    struct sim *sim = sim_new(1);
    run_scene(sim, &s);
    assert_int_equal(s.got.n, 0);
    assert_true(str_starts(buf_str(&s.failure), S("550 5.4.4 the host h")));
    sim_free(sim);
    buf_free(&zone);
    buf_free(&s.got);
    buf_free(&s.failure);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_hosts),
        cmocka_unit_test(shuffles_inside_a_preference),
        cmocka_unit_test(bounds_what_dns_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
