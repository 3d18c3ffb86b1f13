/* Addresses as text and as prefixes: the examples of RFC 5952, what must be refused, and networks. */
#include "mail/ip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct ip ip_of(const char *text)
{
    struct ip ip;
    assert_int_equal(ip_parse(str_c(text), &ip), 0);
    return ip;
}

static void assert_text(struct buf *b, const char *want)
{
    buf_char(b, 0);
    assert_string_equal(b->p, want);
    buf_free(b);
}

static void writes_canonical_text(void **state)
{
    static const struct {
        const char *in, *out;
    } row[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"0.0.0.0", "0.0.0.0"},
        {"::", "::"},
        {"::1", "::1"},
        {"1::", "1::"},
        {"2001:0DB8:0:0:0:0:2:1", "2001:db8::2:1"},          /* RFC 5952 §4.2.1 */
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},    /* RFC 5952 §4.2.2 */
        {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},             /* RFC 5952 §4.2.3 */
        {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},       /* RFC 5952 §4.2.3, the first of equals */
        {"2001:DB8::ABCD", "2001:db8::abcd"},
        {"fe80:0:0:0:1:2:0:0", "fe80::1:2:0:0"},
        {"1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"::FFFF:c000:0201", "192.0.2.1"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct buf b = BUF(64);
        ip_put(&b, ip_of(row[i].in));
        assert_text(&b, row[i].out);
    }
}

static void writes_literals(void **state)
{
    (void)state;
    struct buf b = BUF(64);
    ip_put_literal(&b, ip_of("192.0.2.1"));
    ip_put_literal(&b, ip_of("2001:db8::1"));
    assert_text(&b, "[192.0.2.1][IPv6:2001:db8::1]");
}

static void refuses_what_is_no_address(void **state)
{
    static const struct str row[] = {
        S_INIT(""), S_INIT("1"), S_INIT("1.2.3"), S_INIT("1.2.3.4.5"), S_INIT("1.2.3.256"), S_INIT("01.2.3.4"),
        S_INIT("1.2.3.4 "), S_INIT(" 1.2.3.4"), S_INIT("1.2.3.4\0"), S_INIT("1.2\0.3.4"), S_INIT("0x1.2.3.4"),
        S_INIT(":"), S_INIT(":::"), S_INIT("1::2::3"), S_INIT("12345::"), S_INIT("g::"), S_INIT("fe80::1%eth0"),
        S_INIT("IPv6:::1"), S_INIT("[::1]"), S_INIT("1:2:3:4:5:6:7"), S_INIT("1:2:3:4:5:6:7:8:9"), S_INIT("::1.2.3"),
        S_INIT("1:2:3:4:5:6:7:8:1:2:3:4:5:6:7:8:1:2:3:4:5:6:7:8"), S_INIT("127.1"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct ip ip = {.family = 99};
        assert_int_equal(ip_parse(row[i], &ip), ERR_SYNTAX);
        assert_int_equal(ip.family, 99);
    }
}

static void cut_anywhere_never_reads_past_the_end(void **state)
{
    static const char text[] = "2001:db8:0:1:1:1:192.168.100.200/128";
    (void)state;
    for (size_t n = 0; n < sizeof text; n++) {
        char *exact = test_malloc(n + 1); /* so that a reader of one byte more is seen */
        memcpy(exact + 1, text, n);
        struct ip ip;
        struct ip_prefix p;
        ip_parse(str_of(exact + 1, n), &ip);
        ip_prefix_parse(str_of(exact + 1, n), &p);
        test_free(exact);
    }
}

static void prefixes(void **state)
{
    static const struct {
        const char *prefix, *ip;
        bool inside;
    } row[] = {
        {"10.1.0.0/16", "10.1.255.255", true},      {"10.1.0.0/16", "10.2.0.0", false},
        {"0.0.0.0/0", "255.1.2.3", true},           {"0.0.0.0/0", "::1", false},
        {"::/0", "2001:db8::1", true},              {"::/0", "10.0.0.1", false},
        {"192.0.2.1", "192.0.2.1", true},           {"192.0.2.1", "192.0.2.2", false},
        {"192.0.2.128/25", "192.0.2.127", false},   {"192.0.2.128/25", "192.0.2.129", true},
        {"2001:db8::/33", "2001:db8:7fff::", true}, {"2001:db8::/33", "2001:db8:8000::", false},
        {"::1/128", "::1", true},                   {"::1/128", "::2", false},
        {"::ffff:10.0.0.0/104", "10.9.9.9", true},  {"::ffff:10.0.0.0/104", "11.0.0.0", false},
        {"10.0.0.0/8", "::ffff:10.9.9.9", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct ip_prefix p;
        assert_int_equal(ip_prefix_parse(str_c(row[i].prefix), &p), 0);
        assert_int_equal(ip_within(ip_of(row[i].ip), p), row[i].inside);
    }
    struct ip_prefix any = {0};
    assert_false(ip_within((struct ip){0}, any)); /* "none" is in no network */
}

static void refuses_what_is_no_prefix(void **state)
{
    static const char *const row[] = {
        "10.1.0.0/33", "10.1.0.1/16", "10.1.0.0/", "/8", "10.0.0.0/-1", "10.0.0.0/08", "10.0.0.0/8 ", "10.0.0.0/8/8",
        "2001:db8::/129", "2001:db8::1/64", "::ffff:10.0.0.0/90", "10/8", "*", "",
    };
    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct ip_prefix p;
        assert_int_equal(ip_prefix_parse(str_c(row[i]), &p), ERR_SYNTAX);
    }
}

static void equality_loopback_and_client_keys(void **state)
{
    (void)state;
    assert_true(ip_eq(ip_of("::ffff:127.0.0.1"), ip_of("127.0.0.1")));
    assert_false(ip_eq(ip_of("::7f00:1"), ip_of("127.0.0.1")));
    assert_true(ip_is_loopback(ip_of("127.255.0.1")));
    assert_true(ip_is_loopback(ip_of("::1")));
    assert_true(ip_is_loopback(ip_of("::ffff:127.0.0.1")));
    assert_false(ip_is_loopback(ip_of("128.0.0.1")));
    assert_false(ip_is_loopback(ip_of("::")));
    assert_false(ip_is_loopback((struct ip){0}));
    assert_true(ip_eq(ip_client_key(ip_of("2001:db8:1:2:3:4:5:6")), ip_of("2001:db8:1:2::")));
    assert_true(ip_eq(ip_client_key(ip_of("192.0.2.77")), ip_of("192.0.2.77")));
}

static void endpoints(void **state)
{
    static const struct {
        const char *text, *host;
        int port; /* -1: refused */
    } row[] = {
        {"127.0.0.1:25", "127.0.0.1", 25},     {"*:587", "*", 587},         {"mx.example.org:0", "mx.example.org", 0},
        {"[::1]:65535", "::1", 65535},         {"[2001:db8::1]:25", "2001:db8::1", 25},
        {"::1:25", NULL, -1},                  {":25", NULL, -1},           {"host", NULL, -1},
        {"host:", NULL, -1},                   {"host:65536", NULL, -1},    {"host:-1", NULL, -1},
        {"host:000025", NULL, -1},             {"[::1:25", NULL, -1},       {"[127.0.0.1]:25", NULL, -1},
        {"[x::]:25", NULL, -1},                {"[]:25", NULL, -1},         {"[:25", NULL, -1},
        {"", NULL, -1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct str host;
        uint16_t port;
        int e = endpoint_split(str_c(row[i].text), &host, &port);
        assert_int_equal(e, row[i].port < 0 ? ERR_SYNTAX : 0);
        if (e) continue;
        assert_true(str_eq(host, str_c(row[i].host)));
        assert_int_equal(port, row[i].port);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_canonical_text),
        cmocka_unit_test(writes_literals),
        cmocka_unit_test(refuses_what_is_no_address),
        cmocka_unit_test(cut_anywhere_never_reads_past_the_end),
        cmocka_unit_test(prefixes),
        cmocka_unit_test(refuses_what_is_no_prefix),
        cmocka_unit_test(equality_loopback_and_client_keys),
        cmocka_unit_test(endpoints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
