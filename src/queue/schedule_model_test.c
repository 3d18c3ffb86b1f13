/* The queue against a model, over random seeds: letters come, next hops serve, refuse, are shut, the owner holds and
 * releases and removes, the scheduler is stopped, the power is cut. In the end all is well again, and every recipient
 * that was accepted has ended exactly once: delivered, bounced, given up or removed; who carried it knows of it no more
 * than once, but for what the power cut made him forget.
 *
 *     PENNY_SEED=123 build/src/queue_schedule_model_test     one seed, and what happened in it
 *     PENNY_SEEDS=100000 …                                   so many, from a random one on */
#include <time.h>

#include "queue/schedule_fixture.h"

enum { STEPS = 30, MOST = 4, SEEDS = 150, LEDGER = 2000 };

struct promise { /* a recipient of an acceptance */
    int64_t message;
    int32_t number;
    bool accepted;  /* the store said so */
    bool removable; /* the owner removed what matched */
    int carried;    /* how often a carrier was told that he has it */
    int ended;      /* events of the record that end it */
    bool failed;    /* one of them: no delivery */
};

struct model {
    struct town w;
    uint64_t random;
    struct promise promises[LEDGER];
    size_t n;
    int crashes;
    bool crash_now, loud;
    size_t counted; /* of w.carried */
};

static uint64_t draw(struct model *m, uint64_t below) /* splitmix64 */
{
    uint64_t z = m->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % below;
}

#define SAY(m, ...) \
    do { \
        if ((m)->loud) print_message(__VA_ARGS__); \
    } while (0)

static const char *const houses[] = {"a.example", "b.example", "c.example"};

/* ---- letters ---- */

struct model_letter {
    struct model *m;
    int recipients;
    bool null_sender;
    size_t first; /* promise */
};

static FIBER void hand_in_random(void *arg)
{
    struct model_letter *h = arg;
    struct model *m = h->m;
    struct town *w = &m->w;
    struct arena *a = arena_new(NULL, 0);
    struct letter_out l;
    struct error e = {0};
    struct queued q[MOST] = {0};
    struct trace_recipient to[MOST] = {0};
    int n = h->recipients;
    if (letter_fill(&w->t, a, &l, S("Subject: hello\r\n\r\ntext\r\n"), 0, &e) != 0) {
        arena_free(a);
        return;
    }
    for (int i = 0; i < n; i++) {
        q[i].recipient = (uint32_t)i;
        q[i].final = (struct address){arena_printf(a, "user%d", i), str_c(houses[draw(m, 3)])};
        q[i].next_hop = q[i].final.domain;
        q[i].leased = true;
        q[i].not_before = clock_utc(w->t.world);
        q[i].expires = clock_utc(w->t.world) + (h->null_sender ? SPAN_EXPIRES_NULL : SPAN_EXPIRES);
        to[i].path.address = q[i].final;
    }
    l.a.from.address = h->null_sender ? (struct address){0} : parsed(a, S("bob@example.org"));
    l.a.authenticated = true;
    l.a.recipients = to;
    l.a.n_recipients = (size_t)n;
    l.a.n_deliveries = 0;
    l.a.n_events = 1;
    l.a.queue = q;
    l.a.n_queue = (size_t)n;
    h->first = m->n;
    for (int i = 0; i < n; i++) m->promises[m->n++] = (struct promise){.message = l.a.id, .number = i};
    if (store_accept(w->t.store, &l.a, &e) == 0) {
        for (int i = 0; i < n; i++) m->promises[h->first + (size_t)i].accepted = true;
        scheduler_accepted(w->scheduler, &l.a, body_memory(l.a.body));
    }
    arena_free(a);
}

/* The latest: when the power is cut in the very millisecond in which an id was given out, it is given out again. */
static struct promise *promise_of(struct model *m, int64_t message, int32_t number)
{
    for (size_t i = m->n; i-- > 0;)
        if (m->promises[i].message == message && m->promises[i].number == number) return &m->promises[i];
    return NULL;
}

/* ---- steps ---- */

static void step_letters(struct model *m)
{
    struct model_letter v[6];
    size_t n = 1 + draw(m, 6);
    if (m->n + n * MOST > LEDGER) return;
    for (size_t i = 0; i < n; i++) {
        v[i] = (struct model_letter){.m = m, .recipients = 1 + (int)draw(m, MOST), .null_sender = draw(m, 4) == 0};
        loop_spawn(m->w.t.loop, hand_in_random, &v[i]);
    }
    SAY(m, "%zu letters\n", n);
    town_run(&m->w, SECONDS(1));
}

static void step_house(struct model *m)
{
    struct behaviour *b = behaviour_of(&m->w, str_c(houses[draw(m, 3)]));
    static const struct outcome outcomes[] = {
        {0},
        {.kind = OUTCOME_DEFERRED, .remote = true, .code = 451, .status = {4, 3, 0}, .text = S_INIT("later")},
        {.kind = OUTCOME_FAILED, .remote = true, .code = 550, .status = {5, 1, 1}, .text = S_INIT("who?")},
    };
    b->outcome = outcomes[draw(m, 3)];
    b->refuses = draw(m, 3) == 0 ? ERRAND_NOWHERE : draw(m, 5) == 0 ? ERRAND_BUSY : ERRAND_DONE;
    b->takes_us = (int64_t)draw(m, 3) * SECONDS(1);
    b->most = (int)draw(m, 3);
    SAY(m, "%.*s: outcome %d refuses %d takes %d s, %d at once\n", STR_FMT(b->key), (int)b->outcome.kind,
        (int)b->refuses, (int)(b->takes_us / US_PER_S), b->most);
}

static void step_time(struct model *m)
{
    static const int64_t spans[] = {US_PER_MS, SECONDS(1), MINUTES(1), MINUTES(20), HOURS(3), DAYS(1)};
    int64_t span = spans[draw(m, 6)];
    SAY(m, "%lld s pass\n", (long long)(span / US_PER_S));
    town_run(&m->w, span);
}

static void step_owner(struct model *m)
{
    static const enum queue_change changes[] = {QUEUE_HOLD, QUEUE_RELEASE, QUEUE_RETRY, QUEUE_REROUTE, QUEUE_REMOVE};
    enum queue_change what = changes[draw(m, draw(m, 3) ? 4 : 5)];
    struct queue_filter f = {0};
    if (m->n && draw(m, 2)) f.message = m->promises[draw(m, m->n)].message;
    else f.domain = str_c(houses[draw(m, 3)]);
    if (what == QUEUE_REMOVE)
        for (size_t i = 0; i < m->n; i++)
            m->promises[i].removable |= f.message == 0 || m->promises[i].message == f.message;
    SAY(m, "the owner: %d\n", (int)what);
    change(&m->w, f, what);
}

static void step_hop(struct model *m)
{
    bool suspended = draw(m, 2);
    int64_t per_hour = draw(m, 2) ? 0 : 1 + (int64_t)draw(m, 5);
    const char *key = houses[draw(m, 3)];
    SAY(m, "%s: suspended %d, %d an hour\n", key, suspended, (int)per_hour);
    say_of_hop(&m->w, key, suspended, per_hour);
}

static void step_restart(struct model *m)
{
    SAY(m, "stopped and started\n");
    town_stop(&m->w);
    town_start(&m->w);
}

/* The power is cut, now or at some file operation to come. */
static void step_crash(struct model *m)
{
    struct town *w = &m->w;
    sim_crash_at(w->t.world, 1 + (int64_t)draw(m, 40));
    step_letters(m);
    town_run(w, MINUTES(1));
    if (!sim_crashed(w->t.world)) {
        sim_crash_at(w->t.world, 0);
        return;
    }
    SAY(m, "the power is cut\n");
    m->crashes++;
    loop_stop(w->t.loop);
    sim_run(w->t.sim, FOREVER);
    scheduler_free(w->scheduler);
    loop_free(w->t.loop);
    store_close(w->t.store);
    w->t.world = sim_restart(w->t.world);
    testing_open(&w->t);
    town_start(w);
}

/* One file operation fails. */
static void step_fault(struct model *m)
{
    SAY(m, "a fault to come\n");
    sim_fail_at(m->w.t.world, 1 + (int64_t)draw(m, 40), draw(m, 2) ? ERR_IO : ERR_NO_SPACE);
}

static void one_step(struct model *m)
{
    static void (*const steps[])(struct model *) = {step_letters, step_letters, step_house, step_house,
                                                    step_time,    step_time,    step_owner, step_hop,
                                                    step_restart, step_crash,   step_fault};
    steps[draw(m, sizeof steps / sizeof *steps)](m);
}

/* ---- the end of it ---- */

static void heal(struct model *m)
{
    struct town *w = &m->w;
    sim_fail_at(w->t.world, 0, 0);
    for (size_t i = 0; i < w->n_hops; i++) {
        w->hops[i].outcome = (struct outcome){0};
        w->hops[i].refuses = ERRAND_DONE;
        w->hops[i].most = 0;
    }
    for (size_t i = 0; i < 3; i++) say_of_hop(w, houses[i], false, 0);
    change(w, (struct queue_filter){0}, QUEUE_RELEASE);
    town_run(w, DAYS(1));
}

static void count_carried(struct model *m)
{
    for (size_t i = 0; i < m->w.n_carried; i++) {
        const struct carried *c = &m->w.carried[i];
        struct promise *p = c->kind == OUTCOME_DELIVERED ? promise_of(m, c->message, c->number) : NULL;
        if (p) p->carried++;
    }
}

static void count_ended(struct model *m, const struct look *l)
{
    for (size_t i = 0; i < l->n_rows; i++) {
        for (size_t j = 0; j < l->rows[i].n_events; j++) {
            const struct trace_event *e = &l->rows[i].events[j];
            struct promise *p = promise_of(m, l->rows[i].message, e->recipient);
            bool failed = e->kind == TRACE_BOUNCED || e->kind == TRACE_EXPIRED;
            if (!p || (!failed && e->kind != TRACE_DELIVERED)) continue;
            p->ended++;
            p->failed |= failed;
        }
    }
}

/* For a seed that fails: what is on record of the letter. */
static void tell_story(const struct look *l, const struct promise *p)
{
    for (size_t i = 0; i < l->n_rows; i++) {
        if (l->rows[i].message != p->message) continue;
        for (size_t j = 0; j < l->rows[i].n_events; j++) {
            const struct trace_event *e = &l->rows[i].events[j];
            print_message("  %lld s: kind %d recipient %d: %.*s\n", (long long)(e->at / US_PER_S - 1795310400),
                          (int)e->kind, e->recipient, STR_FMT(e->text));
        }
    }
}

static void tell_what_waits(struct model *m, const struct look *l)
{
    struct hop_state *hops;
    size_t n;
    print_message("still waits for %.*s: held %d, due %lld s, %d attempts, now %lld s: %.*s\n", STR_FMT(l->v->next_hop),
                  l->v->held, (long long)(l->v->due / US_PER_S - 1795310400), l->v->attempts,
                  (long long)(clock_utc(m->w.t.world) / US_PER_S - 1795310400), STR_FMT(l->v->last_reply));
    struct schedule_stats s = scheduler_stats(m->w.scheduler);
    print_message("  at hand: %lld recipients, %lld connections\n", (long long)s.recipients, (long long)s.connections);
    scheduler_hops(m->w.scheduler, m->w.memory, &hops, &n);
    for (size_t i = 0; i < n; i++)
        print_message("  %.*s: %d of %d connections, %zu waiting, more %d, rests until %lld s\n", STR_FMT(hops[i].key),
                      hops[i].connections, hops[i].window, hops[i].waiting, hops[i].more,
                      (long long)(hops[i].rests_until / US_PER_S - 1795310400));
}

static void check(struct model *m)
{
    struct look l = look(&m->w);
    if (l.waiting && m->loud) tell_what_waits(m, &l);
    assert_int_equal(l.waiting, 0);
    count_carried(m);
    count_ended(m, &l);
    for (size_t i = 0; i < m->n; i++) {
        const struct promise *p = &m->promises[i];
        bool wrong = p->accepted && !p->removable && p->ended != 1;
        if (m->loud && (wrong || p->carried > 1 + m->crashes)) tell_story(&l, p);
        if (wrong) fail_msg("recipient %d of letter %zu ended %d times", p->number, i, p->ended);
        if (!p->removable) assert_true(p->ended <= 1);
        if (p->carried > 1 + m->crashes) fail_msg("letter %zu was carried %d times", i, p->carried);
        if (p->ended == 1 && !p->failed) assert_true(p->carried >= 1);
        if (p->failed && p->carried > 0) assert_true(m->crashes > 0);
    }
    struct schedule_stats s = scheduler_stats(m->w.scheduler);
    assert_int_equal(s.recipients, 0);
    assert_int_equal(s.parcels, 0);
    assert_int_equal(s.bytes, 0);
}

static FIBER void is_sound(void *arg) { assert_sound(&((struct model *)arg)->w.t); }

static void run_model(struct sim *sim, void *arg)
{
    struct model *m = arg;
    struct town *w = &m->w;
    m->w = (struct town){.memory = arena_new(NULL, 0)};
    m->n = 0;
    m->crashes = 0;
    m->random = w->seed = m->random;
    sim_set_utc(sim, INT64_C(1795310400) * US_PER_S);
    testing_begin(&w->t, sim);
    testing_run(&w->t, open_account, &w->t);
    town_start(w);
    for (int i = 0; i < STEPS; i++) one_step(m);
    heal(m);
    check(m);
    loop_spawn(w->t.loop, is_sound, m);
    town_run(w, MINUTES(1));
    town_stop(w);
    testing_close(&w->t);
    arena_free(w->memory);
}

static void run_seed(uint64_t seed, bool loud)
{
    struct model *m = calloc(1, sizeof *m);
    assert_non_null(m);
    struct sim *sim = sim_new(seed);
    m->random = seed;
    m->loud = loud;
    run_model(sim, m);
    sim_free(sim);
    free(m);
}

static uint64_t number_in(const char *name, uint64_t otherwise)
{
    uint64_t n;
    return str_to_u64(str_c(getenv(name)), UINT64_MAX, &n) ? n : otherwise;
}

static void test_every_recipient_ends_once(void **state)
{
    (void)state;
    uint64_t one = number_in("PENNY_SEED", 0), n = number_in("PENNY_SEEDS", SEEDS);
    uint64_t first = getenv("PENNY_SEEDS") ? (uint64_t)time(NULL) * 1000000 : 1;
    if (one) {
        run_seed(one, true);
        return;
    }
    for (uint64_t seed = first; seed < first + n; seed++) {
        print_message("\rseed %llu ", (unsigned long long)seed);
        run_seed(seed, false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_recipient_ends_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
