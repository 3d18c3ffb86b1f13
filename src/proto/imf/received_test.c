/* Trace fields. */
#include "proto/imf/received.h"

#include "base/test.h"
#include "proto/imf/field.h"

static const struct address rcpt = {S_INIT("b\xC3\xB6" "b"), S_INIT("y.org")};
static const struct address ascii_rcpt = {S_INIT("b b"), S_INIT("y.org")};

static void test_writing(void **state)
{
    (void)state;
    struct imf_received r = {.helo = S("mail.x.org"),
                             .ptr = S("out.x.org"),
                             .by = S("mx.y.org"),
                             .esmtp = true,
                             .tls = true,
                             .tls_version = S("TLSv1.3"),
                             .tls_cipher = S("TLS_AES_256_GCM_SHA384"),
                             .id = S("0123456789abc"),
                             .rcpt = &ascii_rcpt,
                             .at = SECONDS(1795311000),
                             .offset = 60};
    struct buf b = BUF(1000);
    assert_int_equal(ip_parse(S("192.0.2.1"), &r.client), 0);
    imf_put_received(&b, &r);
    assert_str(
        buf_str(&b),
        S("Received: from mail.x.org (out.x.org [192.0.2.1])\r\n\tby mx.y.org with ESMTPS id 0123456789abc\r\n"
          "\t(TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n\tfor <\"b b\"@y.org>;\r\n\tSun, 22 Nov 2026 02:30:00 +0100\r\n"));
    buf_clear(&b);
    r.ptr = S("");
    r.helo = S("[IPv6:2001:db8::1]");
    r.rcpt = NULL;
    r.tls = false;
    r.auth = true;
    assert_int_equal(ip_parse(S("2001:db8::1"), &r.client), 0);
    imf_put_received(&b, &r);
    assert_str(
        buf_str(&b),
        S("Received: from [IPv6:2001:db8::1] ([IPv6:2001:db8::1])\r\n\tby mx.y.org with ESMTPA id 0123456789abc;\r\n"
          "\tSun, 22 Nov 2026 02:30:00 +0100\r\n"));
    buf_clear(&b);
    r.client = (struct ip){0}; /* submission: who sent it stays in the trace */
    imf_put_received(&b, &r);
    assert_str(buf_str(&b),
               S("Received: by mx.y.org with ESMTPA id 0123456789abc;\r\n\tSun, 22 Nov 2026 02:30:00 +0100\r\n"));
    buf_free(&b);
}

static void test_with_types(void **state)
{
    (void)state;
    static const char *const names[] = {"SMTP", "UTF8SMTP", "ESMTP", "UTF8SMTP", "LMTP", "UTF8LMTP"};
    static const char *const suffix[] = {"", "A", "S", "SA"};
    for (unsigned i = 0; i < 6; i++)
        for (unsigned k = 0; k < 4; k++) {
            if (i < 2 && (k || i)) continue; /* plain SMTP has no extensions */
            struct imf_received r = {.lmtp = i >= 4, .esmtp = i >= 2, .utf8 = i & 1, .tls = k >> 1, .auth = k & 1};
            struct buf b = BUF(100);
            buf_printf(&b, "%s%s", names[i], suffix[k]);
            assert_str(imf_with_type(&r), buf_str(&b));
            buf_free(&b);
        }
}

/* Nothing a peer says may end the field or begin another. */
static void test_hostile(void **state)
{
    (void)state;
    static const struct str evil[] = {
        S_INIT("x\r\nBcc: y"),  S_INIT("x) by fake (y"), S_INIT("a b"),  S_INIT(""),
        S_INIT("x\0y"),         S_INIT("\xFF"),          S_INIT("[x)]"), S_INIT("x;y"),
        S_INIT("\xC3\xA4.org"),
    };
    for (size_t i = 0; i < sizeof evil / sizeof *evil; i++) {
        struct address to = {evil[i], S("y.org")};
        struct imf_received r = {.helo = evil[i],
                                 .ptr = evil[i],
                                 .by = S("mx.y.org"),
                                 .esmtp = true,
                                 .tls = true,
                                 .tls_version = evil[i],
                                 .tls_cipher = evil[i],
                                 .id = S("0123456789abc"),
                                 .rcpt = &to,
                                 .client = {4, {192, 0, 2, 1}}};
        struct buf b = BUF(1000);
        imf_put_received(&b, &r);
        struct imf_fields walk = {.text = buf_str(&b)};
        struct imf_field f;
        assert_true(imf_next_field(&walk, &f));
        assert_int_equal(f.end, b.n);
        assert_true(str_starts(f.body, S(" from unknown ([192.0.2.1])\r\n\tby mx.y.org with ESMTPS id ")));
        buf_free(&b);
    }
    struct imf_received utf8 = {.helo = S("\xC3\xA4.org"),
                                .by = S("y"),
                                .utf8 = true,
                                .id = S("1"),
                                .rcpt = &rcpt,
                                .client = {4, {1, 2, 3, 4}}};
    struct buf b = BUF(1000);
    imf_put_received(&b, &utf8); /* RFC 6531 §3.7.3 */
    assert_true(str_starts(buf_str(&b),
                           S("Received: from \xC3\xA4.org ([1.2.3.4])\r\n\tby y with UTF8SMTP id 1\r\n\tfor <b\xC3\xB6"
                             "b@y.org>;")));
    buf_clear(&b);
    const struct address idn = {S("bob"), S("b\xC3\xBC" "cher.example")}; /* it may go on to who has no SMTPUTF8 */
    const struct imf_received ascii = {.by = S("y"), .utf8 = true, .esmtp = true, .id = S("1"), .rcpt = &idn};
    imf_put_received(&b, &ascii);
    assert_true(str_starts(buf_str(&b), S("Received: by y with UTF8SMTP id 1\r\n\tfor <bob@xn--bcher-kva.example>;")));
    buf_clear(&b);
    utf8.utf8 = false;
    imf_put_received(&b, &utf8);
    assert_true(str_starts(buf_str(&b), S("Received: from unknown ([1.2.3.4])\r\n\tby y with SMTP id 1;")));
    buf_free(&b);
}

static void test_reading(void **state)
{
    (void)state;
    struct str header =
        S("Received: a\r\nreceived: b\r\n c\r\nX-Received: d\r\nDelivered-To: B+x@Y.org\r\nSubject: Received: e\r\n"
          "\r\nReceived: f\r\n");
    assert_int_equal(imf_count_received(header), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writing),
        cmocka_unit_test(test_with_types),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
