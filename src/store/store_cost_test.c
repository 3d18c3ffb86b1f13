/* What it costs in the real world to accept a letter, for a mailbox here or to be relayed, and to settle it:
 * statements, rows written, syncs and the lane's processor time, in groups of 1, 8 and 32. The counts are gated
 * (store.md, "Where 200 µs may go"); the time is only printed, it drifts with the machine. */
#include <sys/resource.h>
#include <unistd.h>

#include "store/testing.h"

enum { GROUPS = 60, GROUP_MAX = 32, LETTER = 10240 };

struct cpu { /* of a thread, in microseconds */
    double user, system;
};

struct cost {
    struct testing t;
    int group, rounds;
    void (*work)(void *cost); /* of each letter of a group, a fiber */
    int64_t *waiting;         /* message ids, accepted and not settled */
    size_t n_waiting;
    char letter[LETTER];
    int running, expected;
    _Atomic bool holding;
    struct fiber *leader;
    bool begun;
    struct cpu spent, before;
};

static struct cpu thread_cpu(void)
{
    struct rusage u;
    getrusage(RUSAGE_THREAD, &u);
    return (struct cpu){(double)u.ru_utime.tv_sec * 1e6 + (double)u.ru_utime.tv_usec,
                        (double)u.ru_stime.tv_sec * 1e6 + (double)u.ru_stime.tv_usec};
}

/* Keeps the lane busy until the letters of the next group wait, and notes its processor time. */
static int run_hold(struct store *s, void *args, struct error *e)
{
    (void)e;
    struct cost *c = args;
    struct cpu now = thread_cpu();
    if (c->begun)
        c->spent =
            (struct cpu){c->spent.user + now.user - c->before.user, c->spent.system + now.system - c->before.system};
    c->holding = true;
    for (int waiting = 0; waiting < c->expected; usleep(200)) {
        waiting = 0;
        lock_take(s->lock);
        list_each (node, &s->jobs) waiting++;
        lock_give(s->lock);
    }
    c->before = thread_cpu();
    c->begun = true;
    return 0;
}

static const struct job_kind hold_job = {.name = "hold", .run = run_hold};

static FIBER void done(struct cost *c)
{
    c->running--;
    fiber_wake(c->leader);
}

static FIBER void hold(void *arg)
{
    struct cost *c = arg;
    ok(store_job(c->t.store, &hold_job, c, 0, NULL), &(struct error){0});
    done(c);
}

static FIBER void accept_one(void *arg)
{
    struct cost *c = arg;
    struct error e = {0};
    uint64_t hash;
    world_random(c->t.world, &hash, sizeof hash);
    ok(letter_accept(&c->t, str_of(c->letter, LETTER), hash, NULL, &e), &e);
    done(c);
}

static FIBER void accept_relayed(void *arg)
{
    struct cost *c = arg;
    struct error e = {0};
    struct arena *a = arena_new(NULL, 0);
    struct queued_out o;
    static const char *const to[] = {"somebody@destination.example", NULL};
    ok(queued_fill(&c->t, a, &o, str_of(c->letter, LETTER), to, &e), &e);
    o.q[0].leased = true;
    ok(store_accept(c->t.store, &o.l.a, &e), &e);
    c->waiting[c->n_waiting++] = o.l.a.id;
    arena_free(a);
    done(c);
}

static FIBER void settle_one(void *arg)
{
    struct cost *c = arg;
    struct trace_event event = {.at = clock_utc(c->t.world),
                                .kind = TRACE_DELIVERED,
                                .host = S("mx.destination.example"),
                                .tls = S("TLSv1.3 TLS_AES_256_GCM_SHA384 unverified"),
                                .address = S("somebody@destination.example"),
                                .code = 250,
                                .text = S("2.0.0 Ok: queued as 4Xy2Zk1Q5fz9rPB")};
    struct settled gone = {.what = SETTLE_GONE};
    struct settlement v = {.message = c->waiting[--c->n_waiting],
                           .recipients = &gone,
                           .n = 1,
                           .events = &event,
                           .n_events = 1};
    store_settle(c->t.store, &v, 1);
    ok(v.result, &v.error);
    done(c);
}

/* The lane sleeps in one job while the letters of a group queue up behind it. */
static FIBER void measure(void *arg)
{
    struct cost *c = arg;
    c->leader = fiber_self();
    c->begun = false;
    c->spent = (struct cpu){0, 0};
    for (int i = 0; i <= c->rounds; i++) {
        c->expected = i < c->rounds ? c->group : 0;
        c->running = 1 + c->expected;
        fiber_spawn(loop_scope(loop_self()), hold, c);
        while (!c->holding) fiber_sleep(200); /* it is a group of its own */
        c->holding = false;
        for (int k = 0; k < c->expected; k++) fiber_spawn(loop_scope(loop_self()), c->work, c);
        while (c->running > 0) fiber_park(FOREVER);
    }
    loop_stop(loop_self());
}

static FIBER void prepare(void *arg)
{
    struct cost *c = arg;
    testing_account(&c->t);
    loop_stop(loop_self());
}

static void run_on_new_loop(struct testing *t, void (*fn)(void *), void *arg)
{
    loop_free(t->loop);
    t->loop = loop_new(t->world);
    testing_run(t, fn, arg);
}

static void one_size(struct cost *c, const char *what, int group, double rows_most, double statements_most)
{
    c->group = group;
    c->rounds = group == 1 ? GROUPS * 4 : GROUPS;
    struct store_stats before = store_stats(c->t.store);
    run_on_new_loop(&c->t, measure, c);
    struct store_stats after = store_stats(c->t.store);
    double letters = c->group * c->rounds, groups = c->rounds;
    double rows = (double)(after.row_writes - before.row_writes) / letters;
    /* without the holds' own */
    double statements = ((double)(after.statements - before.statements) - 2.0 * (groups + 1)) / letters;
    double syncs = (double)(after.pack_syncs - before.pack_syncs) / groups;
    print_message("%s, group of %2d: %5.1f µs user, %5.1f µs system a letter; %.2f rows, %.2f statements; "
                  "%.2f pack syncs\n",
                  what, group, c->spent.user / letters, c->spent.system / letters, rows, statements, syncs);
    assert_true(rows <= rows_most);
    assert_true(statements <= statements_most);
    assert_true(syncs <= 1.05);
}

struct budget {
    const char *what;
    void (*work)(void *);
    double rows[3], statements[3]; /* in groups of 1, 8, 32 */
};

static void test_cost(void **state)
{
    (void)state;
    /* store.md: ≤ 6 rows to accept, ≤ 4 to settle; a chunk, a new pack, a segment of the record's index now and then */
    static const struct budget budgets[] = {
        {"accepted here", accept_one, {6.1, 4.4, 4.2}, {8.1, 4.7, 4.3}},
        {"to be relayed", accept_relayed, {4.1, 4.1, 4.1}, {6.1, 4.4, 4.2}},
        {"settled", settle_one, {3.1, 3.1, 3.1}, {5.1, 3.4, 3.2}},
    };
    static const int groups[] = {1, 8, 32};
    struct cost *c = calloc(1, sizeof *c);
    char folder[] = "/tmp/penny-cost-XXXXXX";
    assert_non_null(c);
    assert_non_null(mkdtemp(folder));
    memset(c->letter, 'x', LETTER);
    c->waiting = calloc((GROUP_MAX + 8 + 4) * GROUPS, sizeof *c->waiting);
    assert_non_null(c->waiting);
    c->t = (struct testing){.world = world_real(2), .folder = folder};
    testing_open(&c->t);
    testing_run(&c->t, prepare, c);
    /* nothing is collected meanwhile: that takes a row more for each body, when it is worth it */
    c->t.store->verifying++;
    for (size_t i = 0; i < sizeof budgets / sizeof *budgets; i++)
        for (size_t k = 0; k < 3; k++) {
            c->work = budgets[i].work;
            one_size(c, budgets[i].what, groups[k], budgets[i].rows[k], budgets[i].statements[k]);
        }
    assert_int_equal(c->n_waiting, 0);
    assert_int_equal(store_stats(c->t.store).queue_rows, 0);
    testing_close(&c->t);
    world_free(c->t.world);
    char remove[64];
    snprintf(remove, sizeof remove, "rm -r %s", folder);
    assert_int_equal(system(remove), 0);
    free(c->waiting);
    free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cost)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
