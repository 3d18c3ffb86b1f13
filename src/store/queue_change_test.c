/* Letters that wait, changed by the owner's hand: hold, release, retry, remove, re-route; how long they wait then, and
 * what the record says of it. In the simulated world, each test twice. */
#include "store/testing.h"

static const struct queue_filter everything = {0};

static FIBER int64_t change(struct testing *t, struct queue_filter f, enum queue_change what)
{
    struct error e = {0};
    int64_t n = -1;
    ok(store_queue_change(t->store, &f, what, S("root"), &n, &e), &e);
    return n;
}

static FIBER struct trace_row last_row(struct testing *t, int64_t message)
{
    struct error e = {0};
    struct trace_row *rows;
    size_t n;
    ok(store_trace_read(t->store, t->arena, 0, message, 1000, &rows, &n, &e), &e);
    return rows[n - 1];
}

static FIBER void every_change(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    utc_us begun = clock_utc(t->world);
    int64_t id = queued_accept(t, S("Subject: x\r\n\r\n"), TO("a@one.example", "b@two.example"));
    struct queue_filter all = {.message = id}, one = {.message = id, .domain = S("one.example")};
    ok(queue_settle(t, id, (struct settled){.what = SETTLE_DEFERRED, .due = begun + HOURS(2)}, S("")), &e);

    assert_int_equal(change(t, all, QUEUE_HOLD), 2);
    assert_int_equal(change(t, all, QUEUE_HOLD), 0); /* they are held already */
    struct trace_row row = last_row(t, id);
    assert_int_equal(row.n_events, 2);
    assert_int_equal(row.events[1].kind, TRACE_HELD);
    assert_int_equal(row.events[1].recipient, 1);
    assert_true(str_eq(row.events[1].address, S("b@two.example")));
    assert_true(str_eq(row.events[1].text, S("held by root")));
    assert_int_equal(change(t, all, QUEUE_RETRY), 0); /* what is held is not hurried */

    fiber_sleep(DAYS(9));
    utc_us now = clock_utc(t->world);
    assert_int_equal(change(t, one, QUEUE_RELEASE), 1);
    assert_int_equal(change(t, one, QUEUE_RELEASE), 0);
    size_t n;
    struct queue_item *v = queue_all(t, &all, &n);
    assert_true(!v[0].held && v[1].held);
    assert_about(v[0].due, now);
    assert_about(v[0].not_before, now);
    assert_about(v[0].expires, now + DAYS(5)); /* as if it had come now */
    assert_int_equal(v[0].attempts, 1);
    assert_true(str_eq(last_row(t, id).events[0].text, S("released by root")));

    ok(queue_settle(t, id, (struct settled){.what = SETTLE_DEFERRED, .due = now + HOURS(2)}, S("")), &e);
    fiber_sleep(MINUTES(1));
    assert_int_equal(change(t, (struct queue_filter){0}, QUEUE_RETRY), 1);
    assert_about(queue_all(t, &all, &n)[0].due, now + MINUTES(1));
    assert_int_equal(last_row(t, id).events[0].kind, TRACE_ADMIN);

    assert_int_equal(change(t, all, QUEUE_REROUTE), 2);
    v = queue_all(t, &all, &n);
    assert_true(v[0].next_hop.n == 0 && v[1].next_hop.n == 0 && v[1].held);
    assert_about(v[1].due, now + MINUTES(1));

    assert_int_equal(store_stats(t->store).queue_rows, 2);
    assert_int_equal(change(t, one, QUEUE_REMOVE), 1);
    assert_int_equal(store_stats(t->store).queue_rows, 1);
    struct queue_letter l;
    ok(store_queue_letter(t->store, t->arena, id, &l, &e), &e); /* the other one still waits */
    assert_int_equal(change(t, all, QUEUE_REMOVE), 1);
    assert_int_equal(store_queue_letter(t->store, t->arena, id, &l, &e), ERR_NOT_FOUND);
    assert_int_equal(store_stats(t->store).queue_rows, 0);
    assert_true(str_eq(last_row(t, id).events[0].text, S("removed by root")));
    assert_int_equal(change(t, all, QUEUE_REMOVE), 0);
    assert_sound(t);
}

static void test_every_change(void **state)
{
    (void)state;
    twice(every_change);
}

/* A letter whose time has not come (RFC 4865) is not hurried, but its sender may be overruled. */
static FIBER void scheduled(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    struct queued_out o;
    utc_us now = clock_utc(t->world);
    ok(queued_fill(t, t->arena, &o, S("Subject: x\r\n\r\n"), TO("a@one.example"), &e), &e);
    o.q[0].not_before = now + DAYS(30);
    o.q[0].expires = now + DAYS(35);
    ok(store_accept(t->store, &o.l.a, &e), &e);
    struct queue_filter f = {.message = o.l.a.id};
    assert_int_equal(change(t, f, QUEUE_RETRY), 1);
    assert_int_equal(queue_only(t, f.message).due, now + DAYS(30));
    assert_int_equal(change(t, f, QUEUE_REROUTE), 1);
    assert_int_equal(queue_only(t, f.message).due, now + DAYS(30));
    fiber_sleep(HOURS(1));
    assert_int_equal(change(t, f, QUEUE_RELEASE), 1);
    struct queue_item i = queue_only(t, f.message);
    assert_about(i.due, now + HOURS(1));
    assert_about(i.expires, now + HOURS(1) + DAYS(5));
}

static void test_scheduled(void **state)
{
    (void)state;
    twice(scheduled);
}

/* Many rows go in pieces; what is accepted meanwhile stays as it is. */
struct crowd {
    struct testing *t;
    bool working;
    int late;
};

static FIBER void come_late(void *arg)
{
    struct crowd *c = arg;
    while (c->working) {
        queued_accept(c->t, S("Subject: late\r\n\r\n"), TO("a@one.example"));
        c->late++;
    }
}

static FIBER void change_many(void *arg)
{
    struct testing *t = arg;
    enum { MANY = 900 };
    for (int i = 0; i < MANY / 3; i++)
        queued_accept(t, S("Subject: x\r\n\r\n"), TO("a@one.example", "b@two.example", "c@one.example"));
    struct crowd c = {.t = t, .working = true};
    fiber_spawn(loop_scope(loop_self()), come_late, &c);
    assert_int_equal(change(t, (struct queue_filter){.domain = S("two.example")}, QUEUE_HOLD), MANY / 3);
    int64_t gone = change(t, (struct queue_filter){.domain = S("one.example")}, QUEUE_REMOVE);
    c.working = false;
    assert_true(gone >= 2 * MANY / 3);
    fiber_sleep(SECONDS(1));
    assert_true(c.late > 2); /* nobody was held up */
    size_t n;
    queue_all(t, &everything, &n);
    assert_int_equal(n, MANY + c.late - gone);
    assert_int_equal(store_stats(t->store).queue_rows, n);
    assert_sound(t);
}

static void test_change_many(void **state)
{
    (void)state;
    twice(change_many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_change),
        cmocka_unit_test(test_scheduled),
        cmocka_unit_test(test_change_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
