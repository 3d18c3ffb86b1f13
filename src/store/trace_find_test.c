/* Looking messages up in the record: in the index, behind it, and by what; and how the record grows old. */
#include "mail/limits.h"
#include "store/testing.h"

enum { MANY = 2 * SEGMENT_ROWS + 1500 };

static FIBER void refuse(struct testing *t, int i)
{
    char address[64];
    snprintf(address, sizeof address, "Nobody-%d@D%d.Example", i, i % 7);
    struct trace_event e = {.at = clock_utc(t->world),
                            .kind = TRACE_REFUSED,
                            .recipient = -1,
                            .address = str_c(address),
                            .code = 550,
                            .text = S("no such address here")};
    store_trace(t->store, 1, 1000000 + i, &e, 1);
}

static FIBER void letter_about(struct testing *t, const char *subject, const char *message_id)
{
    struct letter_out l;
    struct error e = {0};
    ok(letter_fill(t, t->arena, &l, S("Subject: s\r\n\r\n"), 0, &e), &e);
    l.facts.subject = str_c(subject);
    l.facts.message_id = str_c(message_id);
    ok(store_accept(t->store, &l.a, &e), &e);
}

/* Letters at the beginning, between the segments, and at the end of many refusals. */
static FIBER void fill(struct testing *t)
{
    testing_account(t);
    letter_about(t, "Grüße aus KÖLN, dear Bob", "First@example.net");
    for (int i = 0; i < MANY; i++) {
        refuse(t, i);
        if (i % 1000 == 999) fiber_sleep(SECONDS(10));
        if (i == SEGMENT_ROWS) letter_about(t, "The minutes of Tuesday", "second@example.net");
    }
    letter_about(t, "Minutes and hours", "third@example.net");
    fiber_sleep(SECONDS(10));
}

static size_t found(struct testing *t, struct trace_query q, int64_t before, size_t max, struct trace_hit **hits)
{
    struct error e = {0};
    size_t n;
    ok(store_trace_find(t->store, t->arena, &q, before, max, hits, &n, &e), &e);
    return n;
}

static size_t count(struct testing *t, struct trace_query q)
{
    struct trace_hit *hits;
    return found(t, q, 0, 2 * MANY, &hits);
}

static FIBER void look_up(void *arg)
{
    struct testing *t = arg;
    struct trace_hit *hits;
    fill(t);
    const int edges[] = {0, 1, SEGMENT_ROWS - 2, SEGMENT_ROWS, 2 * SEGMENT_ROWS, MANY - 1};
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
        char address[64];
        snprintf(address, sizeof address, "nobody-%d@d%d.example", edges[i], edges[i] % 7);
        assert_int_equal(found(t, (struct trace_query){.address = str_c(address)}, 0, 10, &hits), 1);
        assert_int_equal(hits[0].message, 1000000 + edges[i]);
    }
    assert_int_equal(count(t, (struct trace_query){.address = S("nobody-1@d2.example")}), 0);
    assert_int_equal(count(t, (struct trace_query){.address = S("ANN@example.net")}), 3);
    assert_int_equal(count(t, (struct trace_query){.address = S("example.org")}), 3);
    assert_int_equal(count(t, (struct trace_query){.message_id = S("<first@EXAMPLE.net>")}), 1);
    assert_int_equal(count(t, (struct trace_query){.message_id = S("first@example")}), 0);
    assert_int_equal(count(t, (struct trace_query){.subject = S("minutes")}), 2);
    assert_int_equal(count(t, (struct trace_query){.subject = S("tuesday MINUTES")}), 1);
    assert_int_equal(count(t, (struct trace_query){.subject = S("minute")}), 0);
    assert_int_equal(count(t, (struct trace_query){.subject = S("köln")}), 1);
    assert_int_equal(count(t, (struct trace_query){.subject = S("hours"), .address = S("ann@example.net")}), 1);
    assert_int_equal(count(t, (struct trace_query){.subject = S("hours"), .address = S("eve@example.net")}), 0);
    assert_true(store_stats(t->store).row_writes > 2 * SEGMENT_BUCKETS); /* there is an index */
    assert_sound(t);
}

static void test_look_up(void **state)
{
    (void)state;
    twice(look_up);
}

/* Every message of a domain is found once, newest first, however the pages are cut. */
static FIBER void pages(void *arg)
{
    struct testing *t = arg;
    fill(t);
    for (size_t page = 97; page < 3000; page *= 3) {
        int64_t before = 0, last = INT64_MAX;
        size_t all = 0;
        struct trace_hit *hits;
        for (size_t n; (n = found(t, (struct trace_query){.address = S("d3.example")}, before, page, &hits)) > 0;) {
            for (size_t i = 0; i < n; i++) {
                assert_true(hits[i].seq < last);
                assert_int_equal((hits[i].message - 1000000) % 7, 3);
                last = hits[i].seq;
            }
            before = last;
            all += n;
        }
        assert_int_equal(all, (MANY - 3 + 6) / 7);
    }
}

static void test_pages(void **state)
{
    (void)state;
    twice(pages);
}

static FIBER void times(void *arg)
{
    struct testing *t = arg;
    fill(t);
    fiber_sleep(DAYS(10));
    utc_us middle = clock_utc(t->world) - DAYS(5);
    letter_about(t, "late", "late@example.net");
    struct trace_hit *hits;
    assert_int_equal(found(t, (struct trace_query){.since = middle}, 0, 100, &hits), 1);
    assert_int_equal(found(t, (struct trace_query){.until = middle}, 0, 100, &hits), 100);
    assert_int_equal(count(t, (struct trace_query){.until = middle, .subject = S("late")}), 0);
    assert_int_equal(count(t, (struct trace_query){.since = middle, .address = S("example.net")}), 1);
    assert_int_equal(count(t, (struct trace_query){.since = middle, .until = middle}), 0);
    assert_int_equal(count(t, (struct trace_query){0}), MANY + 4);
}

static void test_times(void **state)
{
    (void)state;
    twice(times);
}

/* After its time a row goes, with what the index says of it; the chain holds from where it begins then. */
static FIBER void grow_old(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    struct trace_row *rows;
    size_t n;
    fill(t);
    fiber_sleep(SPAN_TRACE_KEPT - HOURS(1));
    letter_about(t, "young", "young@example.net");
    assert_int_equal(count(t, (struct trace_query){.address = S("nobody-1@d1.example")}), 1);
    fiber_sleep(HOURS(2));
    for (int i = 0; i < 3; i++) { /* whatever wakes the lane */
        letter_about(t, "younger", "younger@example.net");
        fiber_sleep(MINUTES(11));
    }
    assert_int_equal(count(t, (struct trace_query){.address = S("nobody-1@d1.example")}), 0);
    assert_int_equal(count(t, (struct trace_query){0}), 4);
    ok(store_trace_read(t->store, t->arena, 0, 0, 100, &rows, &n, &e), &e);
    assert_int_equal(n, 4);
    assert_true(rows[0].seq > MANY);
    assert_sound(t);
}

static void test_grow_old(void **state)
{
    (void)state;
    twice(grow_old);
}

/* The index goes on where it was after a restart. */
static FIBER void look_again(void *arg)
{
    struct testing *t = arg;
    assert_int_equal(t->store->writer.index.first, 2 * SEGMENT_ROWS + 1);
    assert_int_equal(count(t, (struct trace_query){.address = S("nobody-5@d5.example")}), 1);
    assert_int_equal(count(t, (struct trace_query){0}), MANY + 3);
    for (int i = 0; i < SEGMENT_ROWS; i++) {
        refuse(t, MANY + i);
        if (i % 1000 == 999) fiber_sleep(SECONDS(10));
    }
    fiber_sleep(SECONDS(10));
    assert_int_equal(t->store->writer.index.first, 3 * SEGMENT_ROWS + 1);
    assert_int_equal(count(t, (struct trace_query){0}), MANY + 3 + SEGMENT_ROWS);
}

static FIBER void only_fill(void *arg) { fill(arg); }

static void restart(struct sim *sim, void *arg)
{
    (void)arg;
    struct testing t = {0};
    testing_begin(&t, sim);
    testing_run(&t, only_fill, &t);
    testing_close(&t);
    testing_open(&t);
    testing_run(&t, look_again, &t);
    testing_close(&t);
}

static void test_restart(void **state)
{
    (void)state;
    sim_twice(1, restart, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_look_up),  cmocka_unit_test(test_pages),   cmocka_unit_test(test_times),
        cmocka_unit_test(test_grow_old), cmocka_unit_test(test_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
