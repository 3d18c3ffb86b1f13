/* Dates: every day of the calendar there and back, known moments, the two written forms. */
#include "base/time.h"

#include "base/test.h"

static void every_day_there_and_back(void **state)
{
    (void)state;
    static const int lengths[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    struct civil first = {.year = 1, .month = 1, .day = 1};
    int64_t t = civil_to_utc(&first);
    int weekday = 1; /* 0001-01-01 was a Monday */
    for (int year = 1; year <= 9999; year++) {
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        for (int month = 1; month <= 12; month++)
            for (int day = 1; day <= lengths[month - 1] + (leap && month == 2); day++) {
                struct civil c = civil_of(t + DAYS(1) - 1, 0); /* the last microsecond of the day */
                if (c.year != year || c.month != month || c.day != day || c.weekday != weekday || c.hour != 23 ||
                    c.minute != 59 || c.second != 59 || !civil_valid(&c) || civil_to_utc(&c) != t + DAYS(1) - US_PER_S)
                    fail_msg("%04d-%02d-%02d", year, month, day);
                t += DAYS(1);
                weekday = (weekday + 1) % 7;
            }
    }
    assert_true(t == INT64_C(253402300800) * US_PER_S); /* 10000-01-01 */
}

static void known_moments(void **state)
{
    (void)state;
    static const struct {
        int64_t seconds;
        int offset;
        const char *rfc5322, *rfc3339;
    } cases[] = {
        {0, 0, "Thu, 1 Jan 1970 00:00:00 +0000", "1970-01-01T00:00:00.000Z"},
        {-1, 0, "Wed, 31 Dec 1969 23:59:59 +0000", "1969-12-31T23:59:59.000Z"},
        {951782400, 0, "Tue, 29 Feb 2000 00:00:00 +0000", "2000-02-29T00:00:00.000Z"},
        {880127706, -360, "Fri, 21 Nov 1997 09:55:06 -0600", "1997-11-21T15:55:06.000Z"}, /* RFC 5322 §A.1.1 */
        {2147483648, 330, "Tue, 19 Jan 2038 08:44:08 +0530", "2038-01-19T03:14:08.000Z"},
        {1795311000, -210, "Sat, 21 Nov 2026 22:00:00 -0330", "2026-11-22T01:30:00.000Z"},
        {-62135596800, 0, "Mon, 1 Jan 0001 00:00:00 +0000", "0001-01-01T00:00:00.000Z"},
        {253402300799, 0, "Fri, 31 Dec 9999 23:59:59 +0000", "9999-12-31T23:59:59.000Z"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf b = BUF(64);
        time_put_rfc5322(&b, SECONDS(cases[i].seconds), cases[i].offset);
        assert_str(buf_str(&b), str_c(cases[i].rfc5322));
        buf_clear(&b);
        time_put_rfc3339(&b, SECONDS(cases[i].seconds));
        assert_str(buf_str(&b), str_c(cases[i].rfc3339));
        struct civil c = civil_of(SECONDS(cases[i].seconds), cases[i].offset);
        assert_int_equal(c.offset, cases[i].offset);
        assert_true(civil_to_utc(&c) == SECONDS(cases[i].seconds));
        buf_free(&b);
    }
    struct buf b = BUF(64);
    time_put_rfc3339(&b, -1);
    assert_str(buf_str(&b), S("1969-12-31T23:59:59.999Z"));
    buf_clear(&b);
    time_put_rfc3339(&b, 1999);
    assert_str(buf_str(&b), S("1970-01-01T00:00:00.001Z"));
    buf_free(&b);
}

static void validity(void **state)
{
    (void)state;
    static const struct {
        struct civil c;
        bool valid;
    } cases[] = {
        {{2024, 2, 29, 23, 59, 60, 0, 1439}, true}, {{2023, 2, 29, 0, 0, 0, 0, 0}, false},
        {{1900, 2, 29, 0, 0, 0, 0, 0}, false},      {{2000, 2, 29, 0, 0, 0, 0, -1439}, true},
        {{0, 1, 1, 0, 0, 0, 0, 0}, false},          {{10000, 1, 1, 0, 0, 0, 0, 0}, false},
        {{2024, 0, 1, 0, 0, 0, 0, 0}, false},       {{2024, 13, 1, 0, 0, 0, 0, 0}, false},
        {{2024, 4, 31, 0, 0, 0, 0, 0}, false},      {{2024, 4, 0, 0, 0, 0, 0, 0}, false},
        {{2024, 4, 1, 24, 0, 0, 0, 0}, false},      {{2024, 4, 1, 0, 60, 0, 0, 0}, false},
        {{2024, 4, 1, 0, 0, 61, 0, 0}, false},      {{2024, 4, 1, -1, 0, 0, 0, 0}, false},
        {{2024, 4, 1, 0, -1, 0, 0, 0}, false},      {{2024, 4, 1, 0, 0, -1, 0, 0}, false},
        {{2024, 4, 1, 0, 0, 0, 0, 1440}, false},    {{2024, 4, 1, 0, 0, 0, 0, -1440}, false},
        {{2024, -5, 1, 0, 0, 0, 0, 0}, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(civil_valid(&cases[i].c), cases[i].valid);
}

static void offsets_shift(void **state)
{
    (void)state;
    for (int offset = -1439; offset < 1440; offset++) {
        struct civil c = civil_of(SECONDS(1795311000), offset);
        assert_true(civil_valid(&c));
        assert_true(civil_to_utc(&c) == SECONDS(1795311000));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_day_there_and_back),
        cmocka_unit_test(known_moments),
        cmocka_unit_test(validity),
        cmocka_unit_test(offsets_shift),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
