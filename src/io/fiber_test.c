/* Fibers: order, scopes, cancelling, deadlines, events, permits. In the simulated world, each test twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arena.h"
#include "io/loop_core.h"
#include "io/sim.h"

static const struct ip home = {4, {10, 0, 0, 1}};

/* What the fibers of a test have to say, in order. */
struct log_of {
    char text[256];
    size_t n;
};
static void say(struct log_of *log, const char *word)
{
    log->n += (size_t)snprintf(log->text + log->n, sizeof log->text - log->n, "%s ", word);
}

/* Runs fn(arg) in a fiber of a simulated node until nothing is left to do. */
struct run {
    void (*fn)(void *);
    void *arg;
    mono_us end;
};
static void run_in_sim(struct sim *s, void *arg)
{
    struct run *r = arg;
    struct loop *l = loop_new(sim_node(s, "home", home));
    loop_spawn(l, r->fn, r->arg);
    r->end = sim_run(s, FOREVER);
    assert_int_equal(loop_stats(l).fibers_now, 0);
    loop_free(l);
}
static mono_us run(void (*fn)(void *), void *arg)
{
    struct run r = {fn, arg, 0};
    sim_twice(7, run_in_sim, &r);
    return r.end;
}

/* ---- scopes ---- */

static FIBER void count_up(void *n)
{
    fiber_sleep(SECONDS(1));
    ++*(int *)n;
}

static FIBER void join_many(void *arg)
{
    int n = 0;
    struct scope s;
    scope_init(&s);
    scope_join(&s); /* an empty scope has ended */
    for (int i = 0; i < 100; i++) fiber_spawn(&s, count_up, &n);
    assert_int_equal(n, 0);
    scope_join(&s);
    assert_int_equal(n, 100);
    fiber_spawn(&s, count_up, &n); /* and may be used again */
    scope_join(&s);
    assert_int_equal(n, 101);
    *(bool *)arg = true;
}

static void test_join(void **state)
{
    (void)state;
    bool done = false;
    mono_us end = run(join_many, &done);
    assert_true(done);
    assert_in_range(end, SECONDS(2), SECONDS(2) + 1000);
}

static FIBER void sleeper(void *arg)
{
    struct log_of *log = arg;
    int e = fiber_sleep(HOURS(1));
    say(log, e == ERR_CANCELLED ? "cancelled" : "slept");
    assert_int_equal(fiber_sleep(HOURS(1)), ERR_CANCELLED); /* later waits too */
    assert_true(fiber_cancelled());
    fiber_yield(); /* is no wait */
}

static FIBER void nested(void *arg)
{
    struct scope inner;
    scope_init(&inner);
    fiber_spawn(&inner, sleeper, arg);
    scope_join(&inner); /* cannot be cancelled itself; what is inside is */
    say(arg, "joined");
}

static FIBER void cancel_tree(void *arg)
{
    struct scope outer, other;
    scope_init(&outer);
    scope_init(&other);
    int n = 0;
    fiber_spawn(&outer, nested, arg);
    fiber_spawn(&other, count_up, &n);
    fiber_sleep(10);
    scope_cancel(&outer);
    fiber_spawn(&outer, sleeper, arg); /* born cancelled */
    scope_join(&outer);
    assert_false(fiber_cancelled());
    scope_join(&other);
    assert_int_equal(n, 1); /* another scope is not touched */
}

static void test_cancel(void **state)
{
    (void)state;
    struct log_of log = {0};
    struct run r = {cancel_tree, &log, 0};
    struct sim *s = sim_new(1);
    run_in_sim(s, &r);
    assert_string_equal(log.text, "cancelled cancelled joined ");
    assert_true(r.end < SECONDS(2));
    sim_free(s);
}

static FIBER void wait_forever(void *arg) { *(int *)arg = fiber_park(FOREVER); }

static void test_loop_stop(void **state)
{
    (void)state;
    struct sim *s = sim_new(1);
    struct loop *l = loop_new(sim_node(s, "home", home));
    int result = 1;
    loop_spawn(l, wait_forever, &result);
    sim_run(s, SECONDS(1));
    assert_int_equal(loop_stats(l).fibers_now, 1);
    loop_stop(l);
    sim_run(s, SECONDS(2));
    assert_int_equal(result, ERR_CANCELLED);
    assert_int_equal(loop_stats(l).fibers_now, 0);
    loop_free(l);
    sim_free(s);
}

/* ---- parking ---- */

static FIBER void wakes_and_deadlines(void *arg)
{
    mono_us began = loop_now();
    fiber_wake(fiber_self()); /* a wake before the wait is not lost */
    assert_int_equal(fiber_park(FOREVER), 0);
    assert_int_equal(fiber_park(began - 1), ERR_TIMEOUT);
    assert_int_equal(fiber_park(loop_now() + SECONDS(5)), ERR_TIMEOUT);
    assert_in_range(loop_now() - began, SECONDS(5), SECONDS(5) + 100);
    assert_int_equal(fiber_sleep(0), 0);
    *(bool *)arg = true;
}

static void test_park(void **state)
{
    (void)state;
    bool done = false;
    run(wakes_and_deadlines, &done);
    assert_true(done);
}

/* A deadline moved with each step, as sessions do, never touches the heap, and the last one counts. */
static FIBER void moving_deadline(void *arg)
{
    struct timers *ts = &loop_self()->timers;
    for (int i = 0; i < 100; i++) {
        fiber_wake(fiber_self());
        fiber_park(loop_now() + MINUTES(5));
        fiber_sleep(SECONDS(1));
        assert_true(ts->n <= 1);
    }
    mono_us began = loop_now();
    assert_int_equal(fiber_park(loop_now() + SECONDS(2)), ERR_TIMEOUT); /* sooner than what stands in the heap */
    assert_in_range(loop_now() - began, SECONDS(2), SECONDS(2) + 100);
    *(bool *)arg = true;
}

static void test_moving_deadline(void **state)
{
    (void)state;
    bool done = false;
    run(moving_deadline, &done);
    assert_true(done);
}

static struct timer *fired[64];
static int n_fired;
static void note_fired(struct timer *t) { fired[n_fired++] = t; }

static void test_timers(void **state)
{
    (void)state;
    struct timers ts = {0};
    struct timer t[64];
    n_fired = 0;
    for (int i = 0; i < 64; i++) {
        t[i] = (struct timer){.due = FOREVER, .fire = note_fired};
        timer_set(&ts, &t[i], 1000 + (i * 37) % 64);
    }
    for (int i = 0; i < 64; i += 2) timer_set(&ts, &t[i], 5000 - i); /* later */
    for (int i = 1; i < 64; i += 4) timer_remove(&ts, &t[i]);
    timer_set(&ts, &t[2], 10); /* sooner again */
    timer_set(&ts, &t[4], FOREVER);
    assert_int_equal(timers_next(&ts), 10);
    timers_fire(&ts, 4000);
    assert_ptr_equal(fired[0], &t[2]);
    assert_int_equal(n_fired, 1 + 16);
    timers_fire(&ts, 6000);
    assert_int_equal(n_fired, 1 + 16 + 30);
    for (int i = 18; i < n_fired; i++) assert_true(fired[i] < fired[i - 1]); /* 5000 - i: the last first */
    assert_int_equal(timers_next(&ts), FOREVER);
    free(ts.heap);
}

/* ---- events and permits ---- */

struct meeting {
    struct event event;
    struct permits permits;
    int inside, most, served, timed_out;
};

static FIBER void wait_for_event(void *arg)
{
    struct meeting *m = arg;
    int e = event_wait(&m->event, loop_now() + SECONDS(10));
    if (e == 0) m->served++;
    if (e == ERR_TIMEOUT) m->timed_out++;
}

static FIBER void events(void *arg)
{
    struct meeting m = {0};
    struct scope s;
    scope_init(&s);
    event_init(&m.event);
    for (int i = 0; i < 10; i++) fiber_spawn(&s, wait_for_event, &m);
    fiber_sleep(SECONDS(1));
    event_set(&m.event);
    event_clear(&m.event); /* at once: those who waited have been served all the same */
    scope_join(&s);
    assert_int_equal(m.served, 10);
    fiber_spawn(&s, wait_for_event, &m);
    scope_join(&s);
    assert_int_equal(m.timed_out, 1);
    event_set(&m.event);
    assert_int_equal(event_wait(&m.event, 0), 0); /* it stays set */
    assert_true(list_empty(&m.event.waiters));
    *(bool *)arg = true;
}

static void test_events(void **state)
{
    (void)state;
    bool done = false;
    run(events, &done);
    assert_true(done);
}

static FIBER void with_permit(void *arg)
{
    struct meeting *m = arg;
    int e = permits_take(&m->permits, loop_now() + SECONDS(4));
    if (e) {
        assert_int_equal(e, ERR_TIMEOUT);
        m->timed_out++;
        return;
    }
    if (++m->inside > m->most) m->most = m->inside;
    fiber_sleep(SECONDS(1));
    m->inside--;
    m->served++;
    permits_give(&m->permits);
}

static FIBER void permits(void *arg)
{
    struct meeting m = {0};
    struct scope s;
    scope_init(&s);
    permits_init(&m.permits, 3);
    for (int i = 0; i < 20; i++) fiber_spawn(&s, with_permit, &m);
    scope_join(&s);
    assert_int_equal(m.most, 3);
    assert_in_range(m.served, 12, 15); /* four or five rounds within the four seconds */
    assert_int_equal(m.served + m.timed_out, 20);
    assert_int_equal(m.permits.free, 3);
    *(bool *)arg = true;
}

static void test_permits(void **state)
{
    (void)state;
    bool done = false;
    run(permits, &done);
    assert_true(done);
}

/* ---- the stack ---- */

static int eat(void *arg)
{
    for (int i = 0; i < 100; i++) arena_alloc(arg, 1000);
    return 0;
}

/* arena_protect() leaves by longjmp, within one fiber's stack, while others are in the middle of their own. */
static FIBER void leaves_by_guard(void *arg)
{
    for (int i = 0; i < 5; i++) {
        struct arena *a = arena_new(NULL, 20000);
        assert_int_equal(arena_protect(a, eat, a), ERR_BUDGET);
        arena_free(a);
        fiber_sleep(10);
    }
    ++*(int *)arg;
}

static FIBER void guards(void *arg)
{
    struct scope s;
    scope_init(&s);
    for (int i = 0; i < 8; i++) fiber_spawn(&s, leaves_by_guard, arg);
    scope_join(&s);
}

static void test_guard_inside_fiber(void **state)
{
    (void)state;
    int n = 0;
    run(guards, &n);
    assert_int_equal(n, 16);
}

static int deep(int n)
{
    volatile char room[1000];
    for (size_t i = 0; i < sizeof room; i++) room[i] = (char)n;
    return n ? deep(n - 1) + (room[n] == (char)n) : 0;
}

static FIBER void touch_guard(void *arg)
{
    const char *low = fiber_self()->stack.self.low;
    assert_true(fiber_stack_overflowed(low - 1));
    assert_true(fiber_stack_overflowed(low - stack_guard()));
    assert_false(fiber_stack_overflowed(low - stack_guard() - 1));
    assert_false(fiber_stack_overflowed(low));
    *(bool *)arg = deep(45) == 45; /* 45 KiB and more fit */
}

static void test_stack(void **state)
{
    (void)state;
    bool done = false;
    assert_false(fiber_stack_overflowed(NULL));
    run(touch_guard, &done);
    assert_true(done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_join),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_loop_stop),
        cmocka_unit_test(test_park),
        cmocka_unit_test(test_moving_deadline),
        cmocka_unit_test(test_timers),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_permits),
        cmocka_unit_test(test_guard_inside_fiber),
        cmocka_unit_test(test_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
