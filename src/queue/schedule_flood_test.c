/* A host that is down for two days, and a hundred thousand recipients who wait for it, in the simulated world. */
#include "queue/schedule_fixture.h"

/* Letters to lists of a thousand. In builds with sanitizers a tenth of them. */
#if defined __SANITIZE_ADDRESS__
enum { MANY_LETTERS = 10 };
#else
enum { MANY_LETTERS = 100 };
#endif

static FIBER void hand_in_lists(void *arg)
{
    struct town *w = arg;
    enum { EACH = 1000 };
    for (int k = 0; k < MANY_LETTERS; k++) {
        struct arena *a = arena_new(NULL, 0);
        struct letter_out l;
        struct error e = {0};
        struct queued *q = arena_array(a, EACH, sizeof *q);
        struct trace_recipient *to = arena_array(a, EACH, sizeof *to);
        ok(letter_fill(&w->t, a, &l, S("Subject: hello\r\n\r\ntext\r\n"), 0, &e), &e);
        for (int i = 0; i < EACH; i++) {
            q[i] = (struct queued){.recipient = (uint32_t)i, .leased = true, .not_before = clock_utc(w->t.world)};
            q[i].final = (struct address){arena_printf(a, "user%d", i), S("down.example")};
            q[i].next_hop = q[i].final.domain;
            q[i].expires = q[i].not_before + SPAN_EXPIRES;
            to[i].path.address = q[i].final;
        }
        l.a.from.address = parsed(a, S("bob@example.org"));
        l.a.authenticated = true;
        l.a.recipients = to;
        l.a.n_recipients = l.a.n_queue = EACH;
        l.a.n_deliveries = 0;
        l.a.n_events = 1;
        l.a.queue = q;
        ok(store_accept(w->t.store, &l.a, &e), &e);
        scheduler_accepted(w->scheduler, &l.a, body_memory(l.a.body));
        arena_free(a);
    }
}

/* Two days without their host, and a day in which all of it gets through: a few hundred knocks, everything once. */
static void a_hundred_thousand_wait(struct town *w)
{
    struct behaviour *b = behaviour_of(w, S("down.example"));
    b->refuses = ERRAND_NOWHERE;
    loop_spawn(w->t.loop, hand_in_lists, w);
    town_run(w, DAYS(2));
    assert_int_equal(w->n_carried, 0);
    assert_true(b->knocks > 60 && b->knocks < 250);
    assert_true(w->most_in_memory <= 300 + 2 * 1000);
    b->refuses = ERRAND_DONE;
    town_run(w, HOURS(6));
    struct schedule_stats s = scheduler_stats(w->scheduler);
    assert_int_equal(w->n_carried, MANY_LETTERS * 1000);
    assert_int_equal(s.delivered, MANY_LETTERS * 1000);
    assert_int_equal(s.recipients, 0);
    assert_int_equal(store_stats(w->t.store).queue_rows, 0);
}

static void test_a_hundred_thousand_wait(void **state) /* once: it is long */
{
    (void)state;
    void (*act)(struct town *) = a_hundred_thousand_wait;
    struct sim *sim = sim_new(9);
    in_town(sim, &act);
    sim_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_hundred_thousand_wait)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
