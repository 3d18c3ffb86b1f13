/* The scheduler over a real store in the simulated world, with a carrier that does as the test says. Each test runs
 * twice from one seed. */
#include "queue/schedule_fixture.h"

/* ---- the tests ---- */

static void straight_from_memory(struct town *w)
{
    send_letters(w, (struct handing_in){.to = "user%d@far.example", .n = 20});
    struct look l = look(w);
    assert_int_equal(l.waiting, 0);
    all_delivered_once(w, 20);
    assert_int_equal(count_events(&l, TRACE_DELIVERED), 20);
    for (size_t i = 0; i < w->n_carried; i++) assert_true(w->carried[i].at - w->began < SECONDS(2));
    struct behaviour *b = behaviour_of(w, S("far.example"));
    assert_true(b->errands <= LIMIT_RELAY_WINDOW);
    struct schedule_stats s = scheduler_stats(w->scheduler);
    assert_int_equal(s.recipients, 0);
    assert_int_equal(s.bytes, 0);
    assert_int_equal(s.delivered, 20);
}

static bool is_about(int64_t actual, int64_t wanted)
{
    return actual >= wanted * 79 / 100 && actual <= wanted * 121 / 100 + SECONDS(5);
}

static void retried_with_growing_delay(struct town *w)
{
    static const int64_t spans[] = {0, MINUTES(5), MINUTES(10), MINUTES(20), MINUTES(40), MINUTES(80), MINUTES(160),
                                    HOURS(4), HOURS(4)};
    struct behaviour *b = behaviour_of(w, S("slow.example"));
    b->outcome = (struct outcome){.kind = OUTCOME_DEFERRED,
                                  .remote = true,
                                  .code = 451,
                                  .status = E(4, 3, 0),
                                  .text = S("not now")};
    send_letters(w, (struct handing_in){.to = "ann@slow.example", .n = 1});
    town_run(w, HOURS(18));
    assert_true(w->n_carried >= 8);
    for (size_t i = 1; i < 9 && i < w->n_carried; i++)
        assert_true(is_about(w->carried[i].at - w->carried[i - 1].at, spans[i]));
    struct look l = look(w);
    assert_int_equal(l.waiting, 1);
    assert_str(l.v->last_reply, S("mx.slow.example said: 451 4.3.0 not now"));
    assert_int_equal(l.v->attempts, w->n_carried);
    assert_true(l.v->warned);
    assert_int_equal(l.inbox, 1); /* bob was told after four hours */
    b->outcome.kind = OUTCOME_UNTRIED;
    town_run(w, HOURS(5));
    l = look(w);
    assert_int_equal(l.waiting, 0);
    assert_int_equal(l.inbox, 1);
}

static void given_up_in_time(struct town *w)
{
    struct behaviour *b = behaviour_of(w, S("never.example"));
    b->outcome = (struct outcome){.kind = OUTCOME_DEFERRED, .remote = true, .code = 451, .text = S("not now")};
    send_letters(w, (struct handing_in){.to = "ann@never.example", .n = 1});
    send_letters(w, (struct handing_in){.to = "ann@never.example", .n = 1, .null_sender = true});
    town_run(w, DAYS(2) + HOURS(6));
    struct look l = look(w);
    assert_int_equal(l.waiting, 1); /* what nobody sent is given up after two days, in silence */
    assert_int_equal(count_events(&l, TRACE_EXPIRED), 1);
    town_run(w, DAYS(3));
    l = look(w);
    assert_int_equal(l.waiting, 0);
    assert_int_equal(count_events(&l, TRACE_EXPIRED), 2);
    assert_int_equal(l.inbox, 2); /* a warning and a report */
}

static void bounced_at_once(struct town *w)
{
    behaviour_of(w, S("no.example"))->outcome =
        (struct outcome){.kind = OUTCOME_FAILED, .remote = true, .code = 550, .status = E(5, 1, 1), .text = S("who?")};
    send_letters(w, (struct handing_in){.to = "ann@no.example", .n = 1});
    send_letters(w, (struct handing_in){.to = "ann@no.example", .n = 1, .notify = DSN_NOTIFY_NEVER});
    send_letters(
        w, (struct handing_in){.sender = "he@elsewhere.example", .to = "ann@no.example", .n = 1, .unknown = true});
    struct look l = look(w);
    assert_int_equal(l.waiting, 0);
    assert_int_equal(count_events(&l, TRACE_BOUNCED), 3);
    assert_int_equal(l.inbox, 1); /* one asked not to be told, of one we do not know who he is */
}

/* A house that is down for two days: few knocks, no letter lost, memory bounded. */
static void down_for_two_days(struct town *w)
{
    struct behaviour *b = behaviour_of(w, S("down.example"));
    b->refuses = ERRAND_NOWHERE;
    send_letters(w, (struct handing_in){.to = "user%d@down.example", .n = 1500});
    town_run(w, DAYS(2));
    assert_int_equal(w->n_carried, 0);
    assert_true(b->knocks > 60 && b->knocks < 250);
    assert_true(w->most_in_memory <= 300 + 1);
    struct look l = look(w);
    assert_int_equal(l.waiting, 1500);
    assert_int_equal(l.inbox, 1500); /* warnings; of the same sender */
    b->refuses = ERRAND_DONE;
    town_run(w, HOURS(5));
    l = look(w);
    assert_int_equal(l.waiting, 0);
    all_delivered_once(w, 1500);
}

static void others_pass_a_dead_house(struct town *w)
{
    behaviour_of(w, S("down.example"))->refuses = ERRAND_NOWHERE;
    send_letters(w, (struct handing_in){.to = "user%d@down.example", .n = 600});
    send_letters(w, (struct handing_in){.to = "user%d@far.example", .n = 50});
    town_run(w, SECONDS(5));
    all_delivered_once(w, 50);
}

static void senders_take_turns(struct town *w)
{
    behaviour_of(w, S("far.example"))->takes_us = (500 * US_PER_MS);
    send_letters(w, (struct handing_in){.to = "user%d@far.example", .n = 290});
    send_letters(w, (struct handing_in){.sender = "ann@example.org", .to = "friend@far.example", .n = 1});
    town_run(w, SECONDS(120));
    all_delivered_once(w, 291);
    size_t before = 0;
    while (before < w->n_carried && !str_starts(w->carried[before].to, S("friend@"))) before++;
    assert_true(before < 200); /* not behind all of bob's */
}

static void the_urgent_first(struct town *w)
{
    behaviour_of(w, S("far.example"))->takes_us = SECONDS(1);
    behaviour_of(w, S("far.example"))->most = 3;
    send_letters(w, (struct handing_in){.to = "bulk%d@far.example", .n = 20, .priority = -1});
    send_letters(w, (struct handing_in){.to = "urgent%d@far.example", .n = 3, .priority = 1});
    town_run(w, MINUTES(10));
    all_delivered_once(w, 23);
    size_t last_bulk = 0, last_urgent = 0;
    for (size_t i = 0; i < w->n_carried; i++)
        *(str_starts(w->carried[i].to, S("bulk")) ? &last_bulk : &last_urgent) = i;
    assert_true(last_urgent < last_bulk);
}

static void window_grows_and_shrinks(struct town *w)
{
    struct behaviour *b = behaviour_of(w, S("far.example"));
    b->takes_us = (200 * US_PER_MS);
    send_letters(w, (struct handing_in){.to = "user%d@far.example", .n = 250});
    town_run(w, MINUTES(1));
    all_delivered_once(w, 250);
    assert_true(b->peak > LIMIT_RELAY_WINDOW_FIRST && b->peak <= LIMIT_RELAY_WINDOW);
    b->most = 2;
    b->peak = 0;
    send_letters(w, (struct handing_in){.to = "user%d@far.example", .n = 250});
    town_run(w, MINUTES(30));
    all_delivered_once(w, 500);
}

static void taken_up_after_a_restart(struct town *w)
{
    struct behaviour *b = behaviour_of(w, S("far.example"));
    b->refuses = ERRAND_NOWHERE;
    send_letters(w, (struct handing_in){.to = "user%d@far.example", .n = 400});
    b->refuses = ERRAND_DONE;
    town_stop(w);
    town_start(w);
    town_run(w, HOURS(1));
    all_delivered_once(w, 400);
}

static void the_clock_jumps(struct town *w)
{
    struct behaviour *b = behaviour_of(w, S("far.example"));
    b->outcome = (struct outcome){.kind = OUTCOME_DEFERRED, .remote = true, .code = 451, .text = S("not now")};
    send_letters(w, (struct handing_in){.to = "user%d@far.example", .n = 5});
    sim_set_utc(w->t.sim, w->began - HOURS(1));
    town_run(w, MINUTES(70));
    assert_int_equal(w->n_carried, 10); /* an hour late, and none is lost */
    b->outcome = (struct outcome){0};
    sim_set_utc(w->t.sim, w->began + DAYS(400)); /* patience would be over, but they get through */
    town_run(w, MINUTES(3));
    struct look l = look(w);
    assert_int_equal(l.waiting, 0);
    assert_int_equal(count_events(&l, TRACE_DELIVERED), 5);
    assert_int_equal(count_events(&l, TRACE_EXPIRED), 0);
}

static void held_back_until_its_release(struct town *w)
{
    send_letters(w, (struct handing_in){.to = "user%d@far.example", .n = 2, .held_back_an_hour = true});
    town_run(w, MINUTES(59));
    assert_int_equal(w->n_carried, 0);
    town_run(w, MINUTES(2));
    all_delivered_once(w, 2);
}

/* ---- what the owner says ---- */

static void suspended_and_resumed(struct town *w)
{
    say_of_hop(w, "far.example", true, 0);
    send_letters(w, (struct handing_in){.to = "user%d@far.example", .n = 30});
    town_run(w, DAYS(6)); /* nobody tried, so nobody gives up */
    assert_int_equal(w->n_carried, 0);
    say_of_hop(w, "far.example", false, 0);
    town_run(w, SECONDS(10));
    all_delivered_once(w, 30);
}

static void so_many_an_hour(struct town *w)
{
    say_of_hop(w, "far.example", false, 10);
    send_letters(w, (struct handing_in){.to = "user%d@far.example", .n = 35});
    town_run(w, MINUTES(30));
    all_delivered_once(w, 10);
    town_run(w, HOURS(1));
    all_delivered_once(w, 20);
    town_run(w, HOURS(3));
    all_delivered_once(w, 35);
}

static void held_and_released(struct town *w)
{
    struct behaviour *b = behaviour_of(w, S("far.example"));
    b->refuses = ERRAND_NOWHERE;
    send_letters(w, (struct handing_in){.to = "user%d@far.example", .n = 10});
    change(w, (struct queue_filter){.domain = S("far.example")}, QUEUE_HOLD);
    b->refuses = ERRAND_DONE;
    town_run(w, DAYS(7)); /* held mail never expires */
    assert_int_equal(w->n_carried, 0);
    change(w, (struct queue_filter){.domain = S("far.example")}, QUEUE_RELEASE);
    all_delivered_once(w, 10);
}

static void retried_now(struct town *w)
{
    struct behaviour *b = behaviour_of(w, S("far.example"));
    b->refuses = ERRAND_NOWHERE;
    send_letters(w, (struct handing_in){.to = "user%d@far.example", .n = 10});
    b->refuses = ERRAND_DONE;
    change(w, (struct queue_filter){.domain = S("far.example")}, QUEUE_RETRY);
    all_delivered_once(w, 10);
}

static void routed_anew(struct town *w)
{
    struct behaviour *b = behaviour_of(w, S("far.example"));
    b->refuses = ERRAND_NOWHERE;
    send_letters(w, (struct handing_in){.to = "user%d@far.example", .n = 10});
    b->refuses = ERRAND_DONE;
    change(w, (struct queue_filter){.domain = S("far.example")}, QUEUE_REROUTE);
    town_run(w, SECONDS(5));
    all_delivered_once(w, 10);
}

#define TEST(name) \
    static void test_##name(void **state) \
    { \
        (void)state; \
        town_twice(name); \
    }
TEST(straight_from_memory)
TEST(retried_with_growing_delay)
TEST(given_up_in_time)
TEST(bounced_at_once)
TEST(down_for_two_days)
TEST(others_pass_a_dead_house)
TEST(senders_take_turns)
TEST(the_urgent_first)
TEST(window_grows_and_shrinks)
TEST(taken_up_after_a_restart)
TEST(the_clock_jumps)
TEST(held_back_until_its_release)
TEST(suspended_and_resumed)
TEST(so_many_an_hour)
TEST(held_and_released)
TEST(retried_now)
TEST(routed_anew)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_straight_from_memory),
        cmocka_unit_test(test_retried_with_growing_delay),
        cmocka_unit_test(test_given_up_in_time),
        cmocka_unit_test(test_bounced_at_once),
        cmocka_unit_test(test_down_for_two_days),
        cmocka_unit_test(test_others_pass_a_dead_house),
        cmocka_unit_test(test_senders_take_turns),
        cmocka_unit_test(test_the_urgent_first),
        cmocka_unit_test(test_window_grows_and_shrinks),
        cmocka_unit_test(test_taken_up_after_a_restart),
        cmocka_unit_test(test_the_clock_jumps),
        cmocka_unit_test(test_held_back_until_its_release),
        cmocka_unit_test(test_suspended_and_resumed),
        cmocka_unit_test(test_so_many_an_hour),
        cmocka_unit_test(test_held_and_released),
        cmocka_unit_test(test_retried_now),
        cmocka_unit_test(test_routed_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
