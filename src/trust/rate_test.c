/* Counting in a window, forgetting, and staying small. */
#include "base/test.h"
#include "io/sim.h"
#include "trust/rate.h"

static const struct ip home = {4, {10, 0, 0, 1}};

static FIBER void count_and_forget(void *arg)
{
    (void)arg;
    struct rate *r = rate_new(loop_world(loop_self()), MINUTES(10), 100);
    assert_int_equal(rate_add(r, S("a"), 1), 1);
    assert_int_equal(rate_add(r, S("a"), 2), 3);
    assert_int_equal(rate_count(r, S("b")), 0);
    fiber_sleep(MINUTES(6));
    assert_int_equal(rate_add(r, S("a"), 1), 4); /* the older half still counts */
    fiber_sleep(MINUTES(6));
    assert_int_equal(rate_count(r, S("a")), 1); /* it is gone, the newer one is the older now */
    fiber_sleep(MINUTES(30));
    assert_int_equal(rate_count(r, S("a")), 0);
    rate_add(r, S("a"), 5);
    rate_clear(r, S("a"));
    assert_int_equal(rate_count(r, S("a")), 0);
    rate_free(r);
}

/* Ten thousand addresses that fail once each do not push out the one that goes on. */
static FIBER void many_keys(void *arg)
{
    (void)arg;
    struct rate *r = rate_new(loop_world(loop_self()), MINUTES(10), 100);
    int64_t seen = 0;
    for (int64_t i = 0; i < 10000; i++) {
        rate_add(r, str_of(&i, sizeof i), 1);
        if (i % 20 == 0) seen = rate_add(r, S("guesser"), 1);
    }
    assert_true(seen >= 4);
    rate_free(r);
}

static void run_fiber(struct sim *s, void *arg)
{
    struct loop *l = loop_new(sim_node(s, "home", home));
    void (*fn)(void *) = *(void (**)(void *))arg;
    loop_spawn(l, fn, NULL);
    sim_run(s, FOREVER);
    loop_free(l);
}

static void run_in_sim(void (*fn)(void *)) { sim_twice(1, run_fiber, &fn); }
static void test_count_and_forget(void **state)
{
    (void)state;
    run_in_sim(count_and_forget);
}
static void test_many_keys(void **state)
{
    (void)state;
    run_in_sim(many_keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_count_and_forget),
        cmocka_unit_test(test_many_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
