/* PROXY protocol headers, whole, cut and broken. */
#include "proto/proxy/header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct ip ip(const char *text)
{
    struct ip out;
    assert_int_equal(ip_parse(str_c(text), &out), 0);
    return out;
}

static void reads_lines(void **state)
{
    (void)state;
    const struct {
        const char *line, *source; /* NULL: nobody is named; "": refused */
        uint16_t port;
    } rows[] = {
        {"PROXY TCP4 192.0.2.1 198.51.100.2 56324 25", "192.0.2.1", 56324},
        {"PROXY TCP6 2001:db8::1 2001:db8::2 0 65535", "2001:db8::1", 0},
        {"PROXY UNKNOWN", NULL, 0},
        {"PROXY UNKNOWN ffff::1 ffff::2 65535 65535", NULL, 0},
        {"PROXY TCP4 192.0.2.1 198.51.100.2 56324", "", 0},
        {"PROXY TCP4 192.0.2.1 198.51.100.2 56324 25 x", "", 0},
        {"PROXY TCP4 192.0.2.1 198.51.100.2 65536 25", "", 0},
        {"PROXY TCP4 192.0.2.1 198.51.100.2 025 25", "", 0},
        {"PROXY TCP4 2001:db8::1 2001:db8::2 1 2", "", 0},
        {"PROXY TCP6 192.0.2.1 198.51.100.2 1 2", "", 0},
        {"PROXY UDP4 192.0.2.1 198.51.100.2 1 2", "", 0},
        {"proxy TCP4 192.0.2.1 198.51.100.2 1 2", "", 0},
        {"EHLO x", "", 0},
        {"", "", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct proxy_header h;
        int e = proxy_parse_line(str_c(rows[i].line), &h);
        assert_int_equal(e, rows[i].source && !*rows[i].source ? ERR_SYNTAX : 0);
        if (e) continue;
        assert_int_equal(h.named, rows[i].source != NULL);
        if (h.named) assert_true(ip_eq(h.source.ip, ip(rows[i].source)) && h.source.port == rows[i].port);
    }
}

static void reads_binary(void **state)
{
    (void)state;
    unsigned char head[PROXY_V2_HEAD] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c";
    const char four[] = "\xc0\0\2\1\xc6\x33\x64\2\xdc\4\0\x19";
    struct proxy_header h;
    assert_int_equal(proxy_v2_length(head), 12);
    assert_int_equal(proxy_parse_binary(head, str_of(four, 12), &h), 0);
    assert_true(h.named && ip_eq(h.source.ip, ip("192.0.2.1")) && h.source.port == 56324);
    assert_true(ip_eq(h.destination.ip, ip("198.51.100.2")) && h.destination.port == 25);
    assert_int_equal(proxy_parse_binary(head, str_of(four, 11), &h), ERR_SYNTAX);

    head[15] = 11; /* too short for its addresses */
    assert_int_equal(proxy_parse_binary(head, str_of(four, 11), &h), ERR_SYNTAX);
    head[13] = 0x31; /* a Unix socket */
    assert_int_equal(proxy_parse_binary(head, str_of(four, 11), &h), 0);
    assert_false(h.named);
    head[12] = 0x20; /* LOCAL */
    assert_int_equal(proxy_parse_binary(head, str_of(four, 11), &h), 0);
    assert_false(h.named);
    head[12] = 0x22;
    assert_int_equal(proxy_v2_length(head), ERR_SYNTAX);
    head[12] = 0x11; /* version 1 in binary */
    assert_int_equal(proxy_v2_length(head), ERR_SYNTAX);

    char six[40] = {
        0x20, 0x01, 0x0d, (char)0xb8, [15] = 1, [16 + 10] = (char)0xff, [16 + 11] = (char)0xff, 10, 0, 0, 1, 0, 9, 0,
        25,   'T',  0,    1,          'x'};
    head[12] = 0x21;
    head[13] = 0x21;
    head[15] = sizeof six;
    assert_int_equal(proxy_parse_binary(head, str_of(six, sizeof six), &h), 0);
    assert_true(ip_eq(h.source.ip, ip("2001:db8::1")) && h.source.port == 9);
    assert_true(ip_eq(h.destination.ip, ip("10.0.0.1")));
    head[14] = 0xff;
    assert_int_equal(proxy_v2_length(head), ERR_SYNTAX);
    head[14] = 0;
    head[0] = 'x';
    assert_int_equal(proxy_v2_length(head), ERR_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_lines), cmocka_unit_test(reads_binary)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
