/* The resolver's memory: what is kept how long, what goes first, and answers that stay whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "io/resolver_core.h"
#include "mail/limits.h"

static const struct hash_key key = {{1, 2}};

static struct dns_answer answer(enum dns_status status, uint32_t ttl)
{
    return (struct dns_answer){.status = status, .ttl = ttl, .canonical = S("mx.example")};
}

static bool kept(struct dns_cache *c, const char *name, enum dns_type type, mono_us now)
{
    mono_us expires;
    return dns_cache_get(c, str_c(name), type, now, FOREVER, &expires) != NULL;
}

static void spans(void **state)
{
    static const struct {
        enum dns_status status;
        uint32_t ttl;
        int64_t span;
    } row[] = {
        {DNS_OK, 300, SECONDS(300)},          {DNS_OK, 0, 0},
        {DNS_OK, INT32_MAX, SPAN_DNS_TTL_MAX}, {DNS_NODATA, 60, SECONDS(60)},
        {DNS_NODATA, 0, 0},                   {DNS_NXDOMAIN, 86400, SPAN_DNS_NEGATIVE_MAX},
        {DNS_FAILURE, 0, SECONDS(5)},         {DNS_FAILURE, 86400, SECONDS(5)},
    };
    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct dns_cache *c = dns_cache_new(key, 10, 1 << 20);
        struct dns_answer a = answer(row[i].status, row[i].ttl);
        dns_cache_put(c, S("mx.example"), DNS_MX, 1000, &a);
        if (row[i].span) assert_true(kept(c, "mx.example", DNS_MX, 1000 + row[i].span - 1));
        assert_false(kept(c, "mx.example", DNS_MX, 1000 + row[i].span));
        assert_false(kept(c, "mx.example", DNS_A, 1000));
        assert_false(kept(c, "x.example", DNS_MX, 1000));
        mono_us expires;
        /* for who asked before it came */
        assert_non_null(dns_cache_get(c, S("mx.example"), DNS_MX, FOREVER - 1, 1000, &expires));
        assert_int_equal(expires, 1000 + row[i].span);
        dns_cache_free(c);
    }
}

static void the_least_used_goes_first(void **state)
{
    (void)state;
    struct dns_cache *c = dns_cache_new(key, 3, 1 << 20);
    struct dns_answer a = answer(DNS_OK, 300);
    dns_cache_put(c, S("a"), DNS_A, 0, &a);
    dns_cache_put(c, S("b"), DNS_A, 0, &a);
    dns_cache_put(c, S("c"), DNS_A, 0, &a);
    assert_true(kept(c, "a", DNS_A, 1));
    dns_cache_put(c, S("d"), DNS_A, 0, &a);
    assert_int_equal(dns_cache_count(c), 3);
    assert_true(kept(c, "a", DNS_A, 1));
    assert_false(kept(c, "b", DNS_A, 1));
    dns_cache_put(c, S("d"), DNS_A, 5, &a); /* anew: in the place of the former */
    assert_int_equal(dns_cache_count(c), 3);
    assert_true(kept(c, "c", DNS_A, 1));
    dns_cache_free(c);
}

static void bytes_are_bounded(void **state)
{
    (void)state;
    enum { BYTES = 20000 };
    char text[5000] = "";
    struct dns_record record = {.type = DNS_TXT, .data = {text, sizeof text}};
    struct dns_answer a = answer(DNS_OK, 300);
    a.records = &record;
    a.n = 1;
    struct dns_cache *c = dns_cache_new(key, 1000, BYTES);
    char name[16];
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "n%d", i);
        dns_cache_put(c, str_c(name), DNS_TXT, 0, &a);
        assert_true(kept(c, name, DNS_TXT, 1));
        assert_true(dns_cache_count(c) <= BYTES / sizeof text);
    }
    struct dns_cache *tiny = dns_cache_new(key, 1000, 10); /* the newest is always there */
    dns_cache_put(tiny, S("x"), DNS_TXT, 0, &a);
    dns_cache_put(tiny, S("y"), DNS_TXT, 0, &a);
    assert_true(kept(tiny, "y", DNS_TXT, 1));
    assert_int_equal(dns_cache_count(tiny), 1);
    dns_cache_free(tiny);
    dns_cache_free(c);
}

static void answers_stay_whole(void **state)
{
    (void)state;
    char host[] = "mx.example", data[] = "v=spf1 -all", alias[] = "c.example";
    struct dns_record records[] = {{.type = DNS_MX, .name = str_c(host), .preference = 10},
                                   {.type = DNS_TXT, .data = str_c(data)}};
    struct dns_answer a = {DNS_OK, true, 300, str_c(alias), records, 2};
    struct dns_cache *c = dns_cache_new(key, 10, 1 << 20);
    dns_cache_put(c, S("example"), DNS_MX, 0, &a);
    memset(host, 'x', sizeof host);
    memset(data, 'x', sizeof data);
    memset(alias, 'x', sizeof alias);
    memset(records, 0, sizeof records);
    mono_us expires;
    const struct dns_answer *got = dns_cache_get(c, S("example"), DNS_MX, 0, FOREVER, &expires);
    assert_true(got->secure && got->n == 2 && got->records[0].preference == 10);
    assert_true(str_eq(got->canonical, S("c.example")));
    assert_true(str_eq(got->records[0].name, S("mx.example")));
    assert_true(str_eq(got->records[1].data, S("v=spf1 -all")));
    dns_cache_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans),
        cmocka_unit_test(the_least_used_goes_first),
        cmocka_unit_test(bytes_are_bounded),
        cmocka_unit_test(answers_stay_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
