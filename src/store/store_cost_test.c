/* What an acceptance costs in the real world: statements, rows written, syncs and the lane's processor time, in groups
 * of 1, 8 and 32. The counts are gated (store.md, "Where 200 µs may go"); the time is only printed, it drifts with the
 * machine. */
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

static const struct job_kind hold_job = {"hold", run_hold, false, false};

static FIBER void hold(void *arg)
{
    struct cost *c = arg;
    ok(store_job(c->t.store, &hold_job, c, 0, NULL), &(struct error){0});
    c->running--;
    fiber_wake(c->leader);
}

static FIBER void accept_one(void *arg)
{
    struct cost *c = arg;
    struct error e = {0};
    uint64_t hash;
    world_random(c->t.world, &hash, sizeof hash);
    ok(letter_accept(&c->t, str_of(c->letter, LETTER), hash, NULL, &e), &e);
    c->running--;
    fiber_wake(c->leader);
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
        for (int k = 0; k < c->expected; k++) fiber_spawn(loop_scope(loop_self()), accept_one, c);
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

static void one_size(struct cost *c, int group, double rows_most, double statements_most)
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
    print_message(
        "group of %2d: %5.1f µs user, %5.1f µs system a letter; %.2f rows, %.2f statements; %.2f pack syncs\n", group,
        c->spent.user / letters, c->spent.system / letters, rows, statements, syncs);
    assert_true(rows <= rows_most);
    assert_true(statements <= statements_most);
    assert_true(syncs <= 1.05);
}

static void test_cost_of_acceptance(void **state)
{
    (void)state;
    struct cost *c = calloc(1, sizeof *c);
    char folder[] = "/tmp/penny-cost-XXXXXX";
    assert_non_null(c);
    assert_non_null(mkdtemp(folder));
    memset(c->letter, 'x', LETTER);
    c->t = (struct testing){.world = world_real(2), .folder = folder};
    testing_open(&c->t);
    testing_run(&c->t, prepare, c);
    one_size(c, 1, 6.1, 8.1); /* store.md: ≤ 6 rows; a chunk and a new pack now and then */
    one_size(c, 8, 4.4, 4.7);
    one_size(c, 32, 4.2, 4.3);
    testing_close(&c->t);
    world_free(c->t.world);
    char remove[64];
    snprintf(remove, sizeof remove, "rm -r %s", folder);
    assert_int_equal(system(remove), 0);
    free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cost_of_acceptance)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
