/* What crosses threads, in the real world: posts, spawns, stops, offloaded work, lanes, locks. Also run under TSan. */
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/loop_core.h"

/* Runs fn(arg) in a fiber of a loop on this thread, and stops the loop when it has returned. */
struct run {
    void (*fn)(void *);
    void *arg;
};
static FIBER void run_then_stop(void *arg)
{
    struct run *r = arg;
    r->fn(r->arg);
    loop_stop(loop_self());
}
static void run(struct world *w, void (*fn)(void *), void *arg)
{
    struct loop *l = loop_new(w);
    struct run r = {fn, arg};
    loop_spawn(l, run_then_stop, &r);
    loop_run(l);
    loop_free(l);
}

/* ---- offload ---- */

static void square(void *arg)
{
    int *n = arg;
    usleep((useconds_t)(*n % 7) * 100);
    *n *= *n;
}

static FIBER void offload_one(void *arg)
{
    int *sum = arg, n = *sum + 3;
    fiber_yield(); /* arg may lie on the fiber's stack */
    offload(square, &n);
    *sum += n;
}

static FIBER void offload_many(void *arg)
{
    struct scope s;
    int sums[50] = {0};
    (void)arg;
    scope_init(&s);
    for (int i = 0; i < 50; i++) {
        sums[i] = i;
        fiber_spawn(&s, offload_one, &sums[i]);
    }
    scope_cancel(&s); /* it cannot be recalled */
    scope_join(&s);
    for (int i = 0; i < 50; i++) assert_int_equal(sums[i], i + (i + 3) * (i + 3));
}

static void test_offload(void **state)
{
    (void)state;
    struct world *w = world_real(3);
    run(w, offload_many, NULL);
    run(w, offload_many, NULL);
    int n = 12;
    offload(square, &n); /* outside of a fiber: in place */
    assert_int_equal(n, 144);
    world_free(w);
}

struct ordered {
    int next, out_of_order;
};
struct ticket {
    struct ordered *all;
    int number;
};

static void take_ticket(void *arg)
{
    struct ticket *t = arg;
    if (t->all->next++ != t->number) t->all->out_of_order++;
}

static FIBER void offload_ticket(void *arg) { offload(take_ticket, arg); }

static FIBER void offload_in_order(void *arg)
{
    struct scope s;
    struct ordered o = {0, 0};
    struct ticket t[200];
    (void)arg;
    scope_init(&s);
    for (int i = 0; i < 200; i++) {
        t[i] = (struct ticket){&o, i};
        fiber_spawn(&s, offload_ticket, &t[i]);
    }
    scope_join(&s);
    assert_int_equal(o.next, 200);
    assert_int_equal(o.out_of_order, 0);
}

static void test_offload_order(void **state)
{
    (void)state;
    struct world *w = world_real(1); /* one thread: first come, first served */
    run(w, offload_in_order, NULL);
    world_free(w);
}

struct guest {
    _Atomic int *there;
    bool met;
};

static void wait_for_another(void *arg)
{
    struct guest *g = arg;
    ++*g->there;
    for (int i = 0; i < 20000 && *g->there < 2; i++) usleep(100);
    g->met = *g->there == 2;
}

static FIBER void offload_guest(void *arg) { offload(wait_for_another, arg); }

/* Two jobs at once where one thread is idle: the second must not wait behind the first. */
static FIBER void offload_two(void *arg)
{
    _Atomic int there = 0;
    struct guest g[2] = {{&there, false}, {&there, false}};
    struct scope s;
    int n = 0;
    (void)arg;
    offload(square, &n);
    fiber_sleep(SECONDS(1) / 20); /* the thread goes idle */
    scope_init(&s);
    for (int i = 0; i < 2; i++) fiber_spawn(&s, offload_guest, &g[i]);
    scope_join(&s);
    assert_true(g[0].met && g[1].met);
}

static void test_offload_side_by_side(void **state)
{
    (void)state;
    struct world *w = world_real(2);
    run(w, offload_two, NULL);
    world_free(w);
}

/* ---- lanes ---- */

struct counter {
    _Atomic int runs, inside;
    _Atomic bool hold;
    _Atomic int64_t owed, seen;
};

static void lane_run(void *arg)
{
    struct counter *c = arg;
    c->inside++;
    assert(c->inside == 1);
    c->runs++;
    c->seen = c->owed;
    while (c->hold) usleep(100);
    c->inside--;
}

static void wait_until(_Atomic int *n, int value)
{
    for (int i = 0; i < 50000 && *n < value; i++) usleep(100);
    assert_int_equal(*n, value);
}

static void test_lane_coalesces(void **state)
{
    (void)state;
    struct world *w = world_real(1);
    struct counter c = {0};
    struct lane *l = lane_new(w, "lane", lane_run, &c);
    usleep(1000);
    assert_int_equal(c.runs, 0); /* not woken, not run */
    c.hold = true;
    lane_wake(l);
    wait_until(&c.runs, 1);
    for (int i = 0; i < 100; i++) lane_wake(l); /* all of these while it runs: */
    c.hold = false;
    wait_until(&c.runs, 2); /* exactly one more run */
    usleep(5000);
    assert_int_equal(c.runs, 2);
    c.hold = true;
    lane_wake(l);
    wait_until(&c.runs, 3);
    lane_wake(l);
    c.hold = false;
    lane_free(l); /* gives what is owed */
    assert_int_equal(c.runs, 4);
    world_free(w);
}

struct waker {
    struct lane *lane;
    struct counter *c;
};
static FIBER void wake_often(void *arg)
{
    struct waker *k = arg;
    for (int i = 0; i < 20000; i++) {
        k->c->owed++;
        lane_wake(k->lane);
    }
}

static void test_lane_loses_nothing(void **state)
{
    (void)state;
    struct world *w = world_real(1);
    struct counter c = {0};
    struct waker k = {lane_new(w, "lane", lane_run, &c), &c};
    struct loop *l[2] = {loop_new(w), loop_new(w)};
    for (int i = 0; i < 2; i++) {
        loop_spawn(l[i], wake_often, &k);
        loop_start(l[i], "waker");
    }
    for (int i = 0; i < 2; i++) loop_stop(l[i]);
    for (int i = 0; i < 2; i++) loop_join(l[i]);
    for (int i = 0; i < 2; i++) loop_free(l[i]);
    lane_free(k.lane);
    assert_int_equal(c.owed, 40000);
    assert_int_equal(c.seen, 40000); /* the last run saw the last wake */
    world_free(w);
}

/* ---- posts ---- */

enum { SENDERS = 3, POSTS = 5000 };

struct letter {
    struct post post;
    int sender, number;
};
static struct mailroom {
    struct loop *to;
    struct letter letters[SENDERS][POSTS];
    int next[SENDERS], out_of_order, arrived;
    struct event all;
} mailroom;

static void letter_came(struct post *p)
{
    struct letter *m = (struct letter *)p;
    if (mailroom.next[m->sender]++ != m->number) mailroom.out_of_order++;
    if (++mailroom.arrived == SENDERS * POSTS) event_set(&mailroom.all);
}

static FIBER void send_letters(void *arg)
{
    int sender = *(int *)arg;
    for (int i = 0; i < POSTS; i++) {
        mailroom.letters[sender][i] = (struct letter){{.fn = letter_came}, sender, i};
        loop_post(mailroom.to, &mailroom.letters[sender][i].post);
        if (i % 100 == 0) fiber_sleep(200); /* let the other side fall asleep now and then */
    }
    loop_stop(loop_self());
}

static FIBER void receive_letters(void *arg)
{
    assert_int_equal(event_wait(&mailroom.all, loop_now() + SECONDS(60)), 0);
    *(bool *)arg = true;
}

static void test_posts(void **state)
{
    (void)state;
    struct world *w = world_real(1);
    struct loop *loops[SENDERS];
    int numbers[SENDERS];
    bool done = false;
    struct run r = {receive_letters, &done};
    event_init(&mailroom.all);
    mailroom.to = loop_new(w);
    for (int i = 0; i < SENDERS; i++) {
        numbers[i] = i;
        loops[i] = loop_new(w);
        loop_spawn(loops[i], send_letters, &numbers[i]);
        loop_start(loops[i], "sender");
    }
    loop_spawn(mailroom.to, run_then_stop, &r);
    loop_run(mailroom.to);
    for (int i = 0; i < SENDERS; i++) loop_join(loops[i]);
    for (int i = 0; i < SENDERS; i++) loop_free(loops[i]);
    loop_free(mailroom.to);
    assert_true(done);
    assert_int_equal(mailroom.out_of_order, 0);
    world_free(w);
}

/* ---- stopping, statistics, locks ---- */

static FIBER void park(void *arg) { *(_Atomic int *)arg += fiber_park(FOREVER) == ERR_CANCELLED; }

static void test_stop_from_outside(void **state)
{
    (void)state;
    struct world *w = world_real(1);
    struct loop *l = loop_new(w);
    _Atomic int cancelled = 0;
    for (int i = 0; i < 10; i++) loop_spawn(l, park, &cancelled);
    loop_start(l, "parked");
    while (loop_stats(l).fibers_now < 10) usleep(100);
    loop_stop(l);
    loop_stop(l);
    loop_join(l);
    assert_int_equal(cancelled, 10);
    assert_int_equal(loop_stats(l).fibers_ever, 10);
    loop_free(l);
    world_free(w);
}

static FIBER void hog(void *arg)
{
    struct world *w = arg;
    mono_us until = clock_mono(w) + 20 * US_PER_MS;
    while (clock_mono(w) < until) continue;
    fiber_yield_if_long();
    assert_in_range(loop_stats(loop_self()).longest_run_us, 19 * US_PER_MS, SECONDS(5));
    assert_int_equal(loop_stats(loop_self()).longest_run_us, 0); /* asked since */
}

static void test_longest_run(void **state)
{
    (void)state;
    struct world *w = world_real(1);
    run(w, hog, w);
    struct world_usage u = world_usage(w);
    assert_true(u.cpu_user_us + u.cpu_system_us > 0);
    assert_true(u.resident_bytes > 1 << 20);
    world_free(w);
}

struct shared {
    struct lock *lock;
    int64_t n; /* under the lock */
};
static void add(void *arg)
{
    struct shared *s = arg;
    for (int i = 0; i < 10000; i++) {
        lock_take(s->lock);
        s->n++;
        lock_give(s->lock);
    }
}
static FIBER void offload_add(void *arg) { offload(add, arg); }
static FIBER void add_from_all_sides(void *arg)
{
    struct scope s;
    scope_init(&s);
    for (int i = 0; i < 6; i++) fiber_spawn(&s, offload_add, arg);
    scope_join(&s);
}

static void test_lock(void **state)
{
    (void)state;
    struct world *w = world_real(3);
    struct shared s = {lock_new(w), 0};
    run(w, add_from_all_sides, &s);
    assert_int_equal(s.n, 60000);
    lock_free(s.lock);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offload),
        cmocka_unit_test(test_offload_order),
        cmocka_unit_test(test_offload_side_by_side),
        cmocka_unit_test(test_lane_coalesces),
        cmocka_unit_test(test_lane_loses_nothing),
        cmocka_unit_test(test_posts),
        cmocka_unit_test(test_stop_from_outside),
        cmocka_unit_test(test_longest_run),
        cmocka_unit_test(test_lock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
