/* When is it tried again, and when does patience end (docs: "Queue and relay")? */
#include "queue/retry.h"

#include "base/test.h"
#include "mail/limits.h"

#define NOW SECONDS(INT64_C(1795860000))
#define PLAIN {.kind = OUTCOME_DEFERRED, .remote = true, .code = 451, .status = {4, 3, 0}, .text = S_INIT("later")}

/* The span before it is due, at the least, in the middle, and at the most of what chance gives. */
static void assert_due(int attempts, const struct outcome *o, int64_t span)
{
    int64_t least = INT64_MAX, most = 0;
    for (uint64_t random = 0; random < 2000; random++) {
        int64_t due = retry_due(NOW, attempts, o, random * UINT64_C(0x9e3779b97f4a7c15)) - NOW;
        if (due < least) least = due;
        if (due > most) most = due;
    }
    if (least < span / 5 * 4 || least > span / 100 * 81 || most > span / 5 * 6 || most < span / 100 * 119)
        fail_msg("attempt %d: %lld to %lld s instead of %lld ± 20 %%", attempts, (long long)(least / US_PER_S),
                 (long long)(most / US_PER_S), (long long)(span / US_PER_S));
    assert_int_equal(retry_due(NOW, attempts, o, 0), NOW + span / 5 * 4);
    assert_int_equal(retry_due(NOW, attempts, o, (uint64_t)(span / 5 * 2)), NOW + span / 5 * 6);
}

static void test_schedule(void **state)
{
    static const int64_t spans[] = {MINUTES(5),  MINUTES(10),  MINUTES(20), MINUTES(40), MINUTES(80),
                                    MINUTES(160), HOURS(4),    HOURS(4),    HOURS(4)};
    (void)state;
    const struct outcome plain = PLAIN, unreached = {.kind = OUTCOME_DEFERRED, .text = S("nobody answered")};
    for (int i = 0; i < 9; i++) {
        assert_due(i + 1, &plain, spans[i]);
        assert_due(i + 1, &unreached, spans[i]);
    }
    assert_due(1000, &plain, HOURS(4));
    assert_due(0, &plain, MINUTES(5)); /* never tried, but asked */
}

/* Greylisting is over in minutes: the second attempt comes as soon as the first. */
static void test_greylisting(void **state)
{
    static const struct {
        struct outcome o;
        bool soon;
    } cases[] = {
        {{.remote = true, .code = 450, .status = {4, 7, 1}, .text = S_INIT("come back")}, true},
        {{.remote = true, .code = 451, .status = {4, 7, 1}, .text = S_INIT("come back")}, true},
        {{.remote = true, .code = 450, .status = {4, 2, 0}, .text = S_INIT("Recipient Greylisted, see")}, true},
        {{.remote = true, .code = 451, .text = S_INIT("you have been graylisted")}, true},
        {{.remote = true, .code = 421, .status = {4, 7, 1}, .text = S_INIT("greylisted")}, false},
        {{.remote = true, .code = 450, .status = {4, 7, 0}, .text = S_INIT("too much mail")}, false},
        {{.remote = false, .code = 451, .status = {4, 7, 1}, .text = S_INIT("greylisted")}, false}, /* our own words */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_due(1, &cases[i].o, MINUTES(5));
        assert_due(2, &cases[i].o, cases[i].soon ? MINUTES(5) : MINUTES(10));
        assert_due(3, &cases[i].o, MINUTES(20)); /* who says so forever is believed no longer */
    }
}

static void test_full_mailbox(void **state)
{
    (void)state;
    const struct outcome full = {.remote = true, .code = 452, .status = {4, 2, 2}};
    assert_due(1, &full, HOURS(1));
    assert_due(3, &full, HOURS(1));
    assert_due(4, &full, MINUTES(80));
    assert_due(7, &full, HOURS(8));
}

static void test_patience(void **state)
{
    (void)state;
    assert_int_equal(retry_expires(NOW, false), NOW + DAYS(5));
    assert_int_equal(retry_expires(NOW, true), NOW + DAYS(2));
}

/* How many attempts a letter gets in its five days: enough, and no flood. */
static void test_attempts_in_all(void **state)
{
    (void)state;
    const struct outcome plain = PLAIN;
    for (uint64_t seed = 0; seed < 100; seed++) {
        utc_us t = NOW;
        int attempts = 1;
        for (; t < retry_expires(NOW, false); attempts++)
            t = retry_due(t, attempts, &plain, (seed + (uint64_t)attempts) * UINT64_C(0x9e3779b97f4a7c15));
        assert_in_range(attempts, 30, 42);
    }
}

static void test_warnings(void **state)
{
    (void)state;
    struct queue_item item = {.not_before = NOW};
    assert_false(retry_warns(&item, NOW));
    assert_false(retry_warns(&item, NOW + HOURS(4) - 1));
    assert_true(retry_warns(&item, NOW + HOURS(4)));
    assert_true(retry_warns(&item, NOW + DAYS(3)));
    item.warned = true;
    assert_false(retry_warns(&item, NOW + DAYS(3)));
}

static void test_rests(void **state)
{
    static const int64_t spans[] = {MINUTES(1),  MINUTES(2),  MINUTES(4), MINUTES(8),
                                    MINUTES(16), MINUTES(30), MINUTES(30)};
    (void)state;
    for (int i = 0; i < 7; i++) {
        assert_int_equal(retry_rest(i + 1, 0), spans[i] / 5 * 4);
        assert_int_equal(retry_rest(i + 1, (uint64_t)(spans[i] / 5 * 2)), spans[i] / 5 * 6);
    }
    assert_int_equal(retry_rest(0, 0), MINUTES(1) / 5 * 4);
    assert_int_equal(retry_rest(1 << 30, 0), MINUTES(30) / 5 * 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schedule),      cmocka_unit_test(test_greylisting), cmocka_unit_test(test_full_mailbox),
        cmocka_unit_test(test_patience),      cmocka_unit_test(test_attempts_in_all), cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_rests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
