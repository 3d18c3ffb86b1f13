/* The resolver in the simulated world: zones as text, time that passes, cancellation; every test twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "io/resolver.h"
#include "io/sim.h"
#include "mail/limits.h"

static const char zone[] = "; a comment, and an empty line\n"
                           "\n"
                           "example.org. MX 10 mx.example.org.\n"
                           "example.org. 60 MX 20 Backup.Example.ORG.\n"
                           "example.org. TXT \"v=spf1 \" \"-all\"\n"
                           "mx.example.org. A 192.0.2.1\n"
                           "mx.example.org. A 192.0.2.2\n"
                           "mx.example.org. AAAA 2001:db8::1\n"
                           "null.example. MX 0 .\n"
                           "www.example. CNAME alias.example.\n"
                           "alias.example. 30 CNAME mx.example.org.\n"
                           "loop.example. CNAME loop2.example.\n"
                           "loop2.example. CNAME loop.example.\n"
                           "gone.example. CNAME nowhere.example.\n"
                           "safe.example. SECURE\n"
                           "safe.example. A 192.0.2.3\n"
                           "_25._tcp.safe.example. TLSA 3 1 1 00ffAA\n"
                           "broken.example. SERVFAIL\n"
                           "slow.example. TIMEOUT\n"
                           "1.2.0.192.in-addr.arpa. PTR mx.example.org.\n"
                           "raw.example. TXT v=DKIM1; p=abc\n";

struct fixture {
    struct sim *sim;
    struct resolver *r;
    struct arena *a;
    void (*test)(struct fixture *f);
    bool done;
};

static FIBER void in_fiber(void *arg)
{
    struct fixture *f = arg;
    f->test(f);
    f->done = true;
}

static void run_once(struct sim *s, void *arg)
{
    struct fixture f = {.sim = s, .a = arena_new(NULL, 0), .test = *(void (**)(struct fixture *))arg};
    struct world *w = sim_node(s, "node", (struct ip){4, {10, 0, 0, 1}});
    struct loop *l = loop_new(w);
    sim_dns(s, zone);
    f.r = resolver_new(l, &(struct resolver_options){0});
    loop_spawn(l, in_fiber, &f);
    sim_run(s, HOURS(30));
    assert_true(f.done);
    loop_free(l);
    resolver_free(f.r);
    arena_free(f.a);
}

static void twice(void (*test)(struct fixture *f))
{
    for (uint64_t seed = 1; seed <= 5; seed++) sim_twice(seed, run_once, &test);
}

static FIBER struct dns_answer get(struct fixture *f, const char *name, enum dns_type type)
{
    struct dns_answer d;
    assert_int_equal(dns_query(f->r, f->a, str_c(name), type, &d), 0);
    return d;
}

static FIBER void records(struct fixture *f)
{
    struct dns_answer d = get(f, "Example.org", DNS_MX);
    assert_int_equal(d.status, DNS_OK);
    assert_int_equal(d.n, 2);
    assert_true(str_eq(d.records[1].name, S("backup.example.org")));
    assert_int_equal(d.records[1].preference, 20);
    assert_true(d.ttl >= 59 && d.ttl <= 60);
    assert_true(str_eq(get(f, "example.org", DNS_TXT).records[0].data, S("v=spf1 -all")));
    assert_true(str_eq(get(f, "raw.example", DNS_TXT).records[0].data, S("v=DKIM1; p=abc")));
    d = get(f, "null.example", DNS_MX);
    assert_true(d.n == 1 && d.records[0].name.n == 0);
    d = get(f, "www.example", DNS_A);
    assert_int_equal(d.n, 2);
    assert_true(str_eq(d.canonical, S("mx.example.org")));
    assert_true(d.ttl <= 30);
    assert_true(str_eq(get(f, "www.example", DNS_CNAME).records[0].name, S("alias.example")));
    d = get(f, "safe.example", DNS_A);
    assert_true(d.secure);
    d = get(f, "_25._tcp.safe.example", DNS_TLSA);
    assert_true(d.records[0].usage == 3 && str_eq(d.records[0].data, S("\0\xff\xaa")) && !d.secure);
    assert_int_equal(dns_query_ptr(f->r, f->a, (struct ip){4, {192, 0, 2, 1}}, &d), 0);
    assert_true(str_eq(d.records[0].name, S("mx.example.org")));
}

static FIBER void statuses(struct fixture *f)
{
    static const struct {
        const char *name;
        enum dns_type type;
        enum dns_status status;
    } row[] = {
        {"nowhere.example", DNS_A, DNS_NXDOMAIN}, {"gone.example", DNS_A, DNS_NXDOMAIN},
        {"null.example", DNS_A, DNS_NODATA},      {"_tcp.safe.example", DNS_A, DNS_NODATA},
        {"example", DNS_A, DNS_NODATA},           {"xample.org", DNS_A, DNS_NXDOMAIN},
        {"loop.example", DNS_A, DNS_FAILURE},     {"broken.example", DNS_A, DNS_FAILURE},
        {"slow.example", DNS_A, DNS_FAILURE},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        mono_us before = loop_now();
        struct dns_answer d = get(f, row[i].name, row[i].type);
        if (d.status != row[i].status) fail_msg("%s: %d", row[i].name, d.status);
        assert_int_equal(d.n, 0);
        mono_us took = loop_now() - before;
        if (str_eq(str_c(row[i].name), S("slow.example")))
            assert_true(took >= TIMEOUT_DNS && took < TIMEOUT_DNS + SECONDS(1));
        else assert_true(took < SECONDS(1));
    }
}

static FIBER void memory(struct fixture *f)
{
    assert_int_equal(get(f, "mx.example.org", DNS_A).n, 2);
    assert_int_equal(get(f, "broken.example", DNS_A).status, DNS_FAILURE);
    sim_dns(f->sim, "mx.example.org. 600000 A 192.0.2.9\nbroken.example. A 192.0.2.8\n");
    mono_us before = loop_now();
    fiber_sleep(SECONDS(4));
    assert_int_equal(get(f, "broken.example", DNS_A).status, DNS_FAILURE); /* remembered for 5 seconds */
    assert_int_equal(loop_now(), before + SECONDS(4));
    fiber_sleep(SECONDS(2));
    assert_int_equal(get(f, "broken.example", DNS_A).status, DNS_OK);
    fiber_sleep(SECONDS(290));
    assert_int_equal(get(f, "mx.example.org", DNS_A).n, 2);
    fiber_sleep(SECONDS(10));
    assert_int_equal(get(f, "mx.example.org", DNS_A).n, 1);
    sim_dns(f->sim, "");
    fiber_sleep(HOURS(23));
    assert_int_equal(get(f, "mx.example.org", DNS_A).status, DNS_OK);
    fiber_sleep(HOURS(1)); /* a day is the most that is believed */
    assert_int_equal(get(f, "mx.example.org", DNS_A).status, DNS_NXDOMAIN);
}

struct asker {
    struct fixture *f;
    const char *name;
    int result;
    struct dns_answer answer;
};

static FIBER void ask(void *arg)
{
    struct asker *k = arg;
    k->result = dns_query(k->f->r, k->f->a, str_c(k->name), DNS_A, &k->answer);
}

/* Of many who wait for the same name the first, then the second is cancelled; the others get their answer in time. */
static FIBER void who_asks_is_cancelled(struct fixture *f)
{
    struct asker k[10];
    struct scope one, two, rest;
    scope_init(&one);
    scope_init(&two);
    scope_init(&rest);
    mono_us before = loop_now();
    for (int i = 0; i < 10; i++) {
        k[i] = (struct asker){f, "slow.example", 1, {0}};
        fiber_spawn(i == 0 ? &one : i == 1 ? &two : &rest, ask, &k[i]);
        fiber_sleep(SECONDS(1));
    }
    scope_cancel(&one);
    scope_join(&one);
    scope_cancel(&two);
    scope_join(&two);
    scope_join(&rest);
    assert_int_equal(k[0].result, ERR_CANCELLED);
    assert_int_equal(k[1].result, ERR_CANCELLED);
    for (int i = 2; i < 10; i++) {
        assert_int_equal(k[i].result, 0);
        assert_int_equal(k[i].answer.status, DNS_FAILURE);
    }
    assert_true(loop_now() - before <= SECONDS(10) + TIMEOUT_DNS); /* none waits longer than TIMEOUT_DNS */
}

static FIBER void hosts(struct fixture *f)
{
    struct ip ip[8];
    size_t n;
    bool secure;
    mono_us before = loop_now();
    assert_int_equal(dns_host(f->r, f->a, S("www.example"), ip, 8, &n, &secure), DNS_OK);
    assert_true(loop_now() - before <= 21 * US_PER_MS); /* side by side, not one after the other */
    assert_int_equal(n, 3);
    assert_true(ip[0].family == 6 && ip[1].family == 4 && ip[2].family == 4 && !secure);
    assert_int_equal(dns_host(f->r, f->a, S("safe.example"), ip, 8, &n, &secure), DNS_OK);
    assert_true(secure);
    assert_int_equal(dns_host(f->r, f->a, S("slow.example"), ip, 8, &n, &secure), DNS_FAILURE);
    assert_int_equal(dns_host(f->r, f->a, S("nowhere.example"), ip, 8, &n, &secure), DNS_NXDOMAIN);
    assert_int_equal(dns_host(f->r, f->a, S("null.example"), ip, 8, &n, &secure), DNS_NODATA);
}

static void test_records(void **state) { (void)state, twice(records); }
static void test_statuses(void **state) { (void)state, twice(statuses); }
static void test_memory(void **state) { (void)state, twice(memory); }
static void test_cancel(void **state) { (void)state, twice(who_asks_is_cancelled); }
static void test_hosts(void **state) { (void)state, twice(hosts); }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records), cmocka_unit_test(test_statuses), cmocka_unit_test(test_memory),
        cmocka_unit_test(test_cancel),  cmocka_unit_test(test_hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
