/* Dates: RFC 5322's examples, its obsolete forms, and what is seen. Expected values as Python has them, where it
 * follows RFC 5322. */
#include "proto/imf/date.h"

#include "base/test.h"

static const struct {
    struct str text;
    int64_t seconds;
    int offset;
    bool known;
} good[] = {
    {S_INIT("Fri, 21 Nov 1997 09:55:06 -0600"), 880127706, -360, true},
    {S_INIT("Tue, 1 Jul 2003 10:52:37 +0200"), 1057049557, 120, true},
    {S_INIT("Thu, 13 Feb 1969 23:32:54 -0330"), -27723426, -210, true},
    {S_INIT(
         "Thu,\r\n      13\r\n        Feb\r\n          1969\r\n      23:32\r\n"
         "               -0330 (Newfoundland Time)"),
     -27723480, -210, true},
    {S_INIT("21 Nov 97 09:55:06 GMT"), 880106106, 0, true},
    {S_INIT("Fri, 21 Nov 1997 09(comment):   55  :  06 -0600"), 880127706, -360, true},
    {S_INIT("1 Jan 49 00:00 +0000"), 2493072000, 0, true},
    {S_INIT("1 Jan 50 00:00 +0000"), -631152000, 0, true},
    {S_INIT("1 Jan 105 00:00 +0000"), 1104537600, 0, true},
    {S_INIT("1 Jan 2000 00:00:00 EST"), 946702800, -300, true},
    {S_INIT("1 Jan 2000 00:00:00 PDT"), 946710000, -420, true},
    {S_INIT("1 Jan 2000 00:00:00 Z"), 946684800, 0, true},
    {S_INIT("1 Jan 2000 00:00:00 A"), 946684800, 0, false}, /* RFC 5322 §4.3 */
    {S_INIT("1 Jan 2000 00:00:00 XYZ"), 946684800, 0, false},
    {S_INIT("1 Jan 2000 00:00:00 -0000"), 946684800, 0, false}, /* RFC 5322 §3.3 */
    {S_INIT("1 Jan 2000 00:00:00"), 946684800, 0, false},
    {S_INIT("1 Jan 2000 00:00:00 +9999"), 946684800, 0, false},
    {S_INIT("1 Jan 2000 00:00:00 +02:00"), 946677600, 120, true},
    {S_INIT("1 Jan 2000 00:00:00 GMT+0200"), 946677600, 120, true},
    {S_INIT("Sat Jan  1 00:00:00 2000"), 946684800, 0, false},
    {S_INIT("Sat Jan  1 00:00:00 EST 2000"), 946702800, -300, true},
    {S_INIT("Sat Jan  1 00:00:00 2000 +0100"), 946681200, 60, true},
    {S_INIT("1-Jan-2000 00:00:00 +0000"), 946684800, 0, true},
    {S_INIT("1 January 2000 00:00:00 +0000"), 946684800, 0, true},
    {S_INIT("January 1, 2000 00:00:00"), 946684800, 0, false},
    {S_INIT("Saturday, 1 Jan 2000 00:00:00 +0000"), 946684800, 0, true},
    {S_INIT("Mon, 29 Feb 2016 12:00:00 +0000"), 1456747200, 0, true},
    {S_INIT("31 Dec 2016 23:59:60 +0000"), 1483228800, 0, true},
    {S_INIT("(x) 1 Jan 2000 00:00:00 +0000 junk"), 946684800, 0, true},
};

static const struct str bad[] = {
    S_INIT(""),
    S_INIT("yesterday"),
    S_INIT("32 Jan 2000 00:00:00 +0000"),
    S_INIT("29 Feb 2015 00:00:00 +0000"),
    S_INIT("1 Foo 2000 00:00:00 +0000"),
    S_INIT("1 Jan 2000"),
    S_INIT("1 Jan 2000 24:00:00 +0000"),
    S_INIT("1 Jan 2000 00:60:00 +0000"),
    S_INIT("0 Jan 2000 00:00:00 +0000"),
    S_INIT("1 Jan 20000 00:00:00 +0000"),
    S_INIT("1 Jan 0 00:00:00 +0000"),
    S_INIT("99999999999999999999 Jan 2000 00:00"),
    S_INIT("1 Jan 2000 00:00:61"),
    S_INIT("("),
    S_INIT("Mon,"),
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct imf_date d;
        int r = imf_date_parse(good[i].text, &d);
        if (r != 0 || d.utc != SECONDS(good[i].seconds) || d.offset != good[i].offset || d.zone_known != good[i].known)
            fail_msg("%.*s: %d %lld %d %d", STR_FMT(good[i].text), r, (long long)(d.utc / US_PER_S), d.offset,
                     d.zone_known);
    }
}

static void test_bad(void **state)
{
    (void)state;
    struct imf_date d = {.utc = 42};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (imf_date_parse(bad[i], &d) != ERR_SYNTAX) fail_msg("%.*s", STR_FMT(bad[i]));
        assert_int_equal(d.utc, 42);
    }
}

static void test_round_trip(void **state)
{
    (void)state;
    for (int64_t day = -30000; day < 100000; day += 37) {
        struct imf_date d;
        struct buf b = BUF(100);
        int offset = (int)(day % 24) * 30;
        time_put_rfc5322(&b, DAYS(day) + SECONDS(day), offset);
        assert_int_equal(imf_date_parse(buf_str(&b), &d), 0);
        assert_int_equal(d.utc, DAYS(day) + SECONDS(day));
        assert_int_equal(d.offset, offset);
        buf_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_good), cmocka_unit_test(test_bad),
                                       cmocka_unit_test(test_round_trip)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
