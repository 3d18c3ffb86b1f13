/* Power cuts, failing disks and full disks at every file operation in turn, while letters that must wait are accepted,
 * held, deferred and settled: a row accepted is there exactly once until a settlement takes it, a report exactly when
 * it did (style.md, "Crash sweep"). */
#include "store/testing.h"

enum { WRITERS = 3, ROUNDS = 4, LETTERS = WRITERS * ROUNDS, LARGE = 300 << 10 };

enum sure { UNTRIED, REFUSED, UNSURE, DONE };

struct waits {
    int64_t id;
    enum sure accepted, held, deferred, gone;
};
struct plan {
    struct testing t;
    struct waits v[LETTERS];
    int working;
};
struct one {
    struct plan *p;
    int writer;
};

static enum sure sure_of(int r) { return r == 0 ? DONE : r == ERR_UNKNOWN ? UNSURE : REFUSED; }

static FIBER enum sure accept(struct plan *p, struct waits *w)
{
    struct error e = {0};
    struct arena *a = arena_new(NULL, 0);
    struct queued_out o;
    static const char *const to[] = {"far@example.com", NULL};
    int r = queued_fill(&p->t, a, &o, S("Subject: far away\r\n\r\n"), to, &e);
    w->id = o.l.a.id;
    w->accepted = UNSURE;
    if (!r) r = store_accept(p->t.store, &o.l.a, &e);
    arena_free(a);
    return w->accepted = sure_of(r);
}

static FIBER void hold(struct plan *p, struct waits *w)
{
    struct error e = {0};
    struct queue_filter f = {.message = w->id};
    int64_t n;
    w->held = UNSURE;
    int r = store_queue_change(p->t.store, &f, QUEUE_HOLD, S("root"), &n, &e);
    if (r == 0) assert_int_equal(n, 1);
    w->held = sure_of(r);
}

static FIBER void defer(struct plan *p, struct waits *w)
{
    struct settled d = {.what = SETTLE_DEFERRED, .due = clock_utc(p->t.world) + HOURS(1), .last_reply = S("later")};
    w->deferred = UNSURE;
    w->deferred = sure_of(queue_settle(&p->t, w->id, d, S("later")));
}

static struct str report_about(struct arena *a, int number)
{
    struct str head = arena_printf(a, "Subject: report %04d\r\n\r\n", number);
    if (number % 5 != 2) return head;
    char *p = arena_alloc(a, LARGE); /* streamed to a pack of its own */
    memset(p, 'x', LARGE);
    memcpy(p, head.p, head.n);
    return str_of(p, LARGE);
}

static FIBER void settle(struct plan *p, struct waits *w, int number)
{
    struct error e = {0};
    struct arena *a = arena_new(NULL, 0);
    struct letter_out report;
    struct settled gone = {.what = SETTLE_GONE};
    struct trace_event event = {.at = clock_utc(p->t.world), .kind = TRACE_BOUNCED};
    struct settlement v = {.message = w->id, .recipients = &gone, .n = 1, .events = &event, .n_events = 1,
                           .letters = &report.a, .n_letters = 1};
    int r = letter_fill(&p->t, a, &report, report_about(a, number), 0, &e);
    if (!r) {
        w->gone = UNSURE;
        store_settle(p->t.store, &v, 1);
        w->gone = sure_of(v.result);
    }
    arena_free(a);
}

static FIBER void write_some(void *arg)
{
    struct one *one = arg;
    struct plan *p = one->p;
    for (int i = 0; i < ROUNDS; i++) {
        int number = i * WRITERS + one->writer;
        struct waits *w = &p->v[number];
        if (accept(p, w) != DONE) continue;
        if (number % 3 == 0) hold(p, w);
        if (number % 2 == 0) defer(p, w);
        if (number % 4 != 1) settle(p, w, number);
    }
    p->working--;
}

static void start(struct plan *p, struct one *w)
{
    p->working = WRITERS;
    for (int i = 0; i < WRITERS; i++) {
        w[i] = (struct one){p, i};
        loop_spawn(p->t.loop, write_some, &w[i]);
    }
}

/* ---- what must hold afterwards ---- */

static FIBER void count_reports(struct plan *p, int count[LETTERS])
{
    size_t n;
    struct entry *v = entries_of(&p->t, p->t.inbox, &n);
    for (size_t i = 0; i < n; i++) {
        uint64_t number;
        struct str whole = read_whole(&p->t, v[i].email);
        struct str text = str_skip(whole, strlen(PREFIXES)), digits = str_skip(text, strlen("Subject: report "));
        assert_true(str_to_u64(str_head(digits, 4), LETTERS - 1, &number));
        assert_true(str_eq(text, report_about(p->t.arena, (int)number)));
        count[number]++;
    }
}

static void check(int number, const struct waits *w, const struct queue_item *row, int reports)
{
    bool there = row != NULL;
    if (reports > 1) fail_msg("%d: %d reports", number, reports);
    if (w->accepted == REFUSED && there) fail_msg("%d was refused, and is there", number);
    if (w->accepted == DONE && there + reports != 1) fail_msg("%d: row %d, reports %d", number, there, reports);
    if (w->accepted != DONE && reports) fail_msg("%d was not accepted, and settled", number);
    if (w->gone == DONE && there) fail_msg("%d was settled, and is there", number);
    if (w->gone <= REFUSED && reports) fail_msg("%d was not settled, and there is a report", number);
    if (!there) return;
    if (w->held == DONE && !row->held) fail_msg("%d was held, and is not", number);
    if (w->held <= REFUSED && row->held) fail_msg("%d was not held, and is", number);
    if (w->deferred == DONE && row->attempts != 1) fail_msg("%d was deferred, and is not", number);
    if (w->deferred <= REFUSED && row->attempts != 0) fail_msg("%d was not deferred, and is", number);
}

static FIBER void look(void *arg)
{
    struct plan *p = arg;
    struct error e = {0};
    size_t n, all = 0;
    int reports[LETTERS] = {0};
    count_reports(p, reports);
    for (int i = 0; i < LETTERS; i++) {
        struct waits *w = &p->v[i];
        struct queue_filter f = {.message = w->id};
        if (!w->id) continue;
        struct queue_item *v = queue_all(&p->t, &f, &n);
        assert_true(n <= 1);
        all += n;
        check(i, w, n ? v : NULL, reports[i]);
        struct queue_letter l;
        struct str bytes;
        int r = store_queue_letter(p->t.store, p->t.arena, w->id, &l, &e);
        assert_int_equal(r, n ? 0 : ERR_NOT_FOUND);
        if (n) ok(store_letter_read(p->t.store, p->t.arena, l.letter, 0, (size_t)l.letter->size, &bytes, &e), &e);
    }
    queue_all(&p->t, &(struct queue_filter){0}, &n);
    assert_int_equal(n, all);
    assert_int_equal(store_stats(p->t.store).queue_rows, all);
    assert_sound(&p->t);
}

/* It goes on working: what is left can be taken away. */
static FIBER void one_more(void *arg)
{
    struct plan *p = arg;
    int64_t id = queued_accept(&p->t, S("Subject: y\r\n\r\n"), TO("near@example.com"));
    assert_int_equal(queue_settle(&p->t, id, (struct settled){.what = SETTLE_GONE}, S("")), 0);
}

static FIBER void begin(void *arg)
{
    struct plan *p = arg;
    testing_account(&p->t);
}

/* ---- power cuts ---- */

struct cut {
    int64_t at;
    bool happened;
};

static void run_cut(struct sim *sim, void *arg)
{
    struct cut *c = arg;
    struct plan *p = calloc(1, sizeof *p);
    struct one w[WRITERS];
    assert_non_null(p);
    testing_begin(&p->t, sim);
    testing_run(&p->t, begin, p);
    sim_crash_at(p->t.world, c->at);
    start(p, w);
    sim_run(sim, FOREVER);
    c->happened = sim_crashed(p->t.world);
    if (c->happened) {
        testing_restart(&p->t);
        testing_open(&p->t);
    } else {
        sim_crash_at(p->t.world, 0);
    }
    testing_run(&p->t, look, p);
    testing_run(&p->t, one_more, p);
    testing_run(&p->t, look, p);
    testing_close(&p->t);
    free(p);
}

static void test_power_cut(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 3; seed++) {
        struct cut c = {.at = 1, .happened = true};
        for (; c.happened; c.at++) {
            c.happened = false;
            sim_twice(seed * 1000 + (uint64_t)c.at, run_cut, &c);
            assert_true(c.at < 2000);
        }
        print_message("%lld operations\n", (long long)c.at - 1);
    }
}

/* ---- operations that fail ---- */

struct failing {
    int64_t at;
    int code;
    bool past_the_end;
};

static void run_failing(struct sim *sim, void *arg)
{
    struct failing *f = arg;
    struct plan *p = calloc(1, sizeof *p);
    struct one w[WRITERS];
    assert_non_null(p);
    testing_begin(&p->t, sim);
    testing_run(&p->t, begin, p);
    int64_t before = sim_file_operations(p->t.world);
    sim_fail_at(p->t.world, f->at, f->code);
    start(p, w);
    sim_run(sim, FOREVER);
    f->past_the_end = sim_file_operations(p->t.world) - before < f->at;
    sim_fail_at(p->t.world, 0, 0);
    assert_int_equal(p->working, 0);
    testing_run(&p->t, one_more, p); /* no restart was needed */
    testing_run(&p->t, look, p);
    testing_close(&p->t);
    testing_open(&p->t);
    testing_run(&p->t, look, p);
    testing_close(&p->t);
    free(p);
}

static void sweep_failures(int code)
{
    struct failing f = {.at = 1, .code = code};
    for (; !f.past_the_end; f.at++) {
        sim_twice(90 + (uint64_t)f.at, run_failing, &f);
        assert_true(f.at < 2000);
    }
    print_message("%lld operations\n", (long long)f.at - 1);
}

static void test_io_error(void **state)
{
    (void)state;
    sweep_failures(ERR_IO);
}

static void test_no_space(void **state)
{
    (void)state;
    sweep_failures(ERR_NO_SPACE);
}

/* The writer's n-th step of a statement fails: a group is run again, job by job. */
static void run_failing_step(struct sim *sim, void *arg)
{
    struct failing *f = arg;
    struct plan *p = calloc(1, sizeof *p);
    struct one w[WRITERS];
    assert_non_null(p);
    testing_begin(&p->t, sim);
    testing_run(&p->t, begin, p);
    int64_t before = store_stats(p->t.store).statements;
    store_fail_step(p->t.store, f->at);
    start(p, w);
    sim_run(sim, FOREVER);
    f->past_the_end = store_stats(p->t.store).statements - before < f->at;
    store_fail_step(p->t.store, 0);
    testing_run(&p->t, one_more, p);
    testing_run(&p->t, look, p);
    testing_close(&p->t);
    free(p);
}

static void test_failing_step(void **state)
{
    (void)state;
    struct failing f = {.at = 1};
    for (; !f.past_the_end; f.at++) sim_twice(700 + (uint64_t)f.at, run_failing_step, &f);
    print_message("%lld steps\n", (long long)f.at - 1);
}

/* ---- a disk that is nearly full ---- */

/* New mail is refused; what is there is settled, with its reports. */
static FIBER void nearly_full(void *arg)
{
    struct plan *p = arg;
    testing_account(&p->t);
    for (int i = 0; i < LETTERS; i++) assert_int_equal(accept(p, &p->v[i]), DONE);
    sim_disk_limit(p->t.world, SPACE_RESERVE + (32 << 20)); /* below the mark, with room for what must go on */
    struct waits refused = {0};
    for (int i = 0; i < 20 && accept(p, &refused) != REFUSED; i++) {
        assert_int_equal(queue_settle(&p->t, refused.id, (struct settled){.what = SETTLE_GONE}, S("")), 0);
        fiber_sleep(SECONDS(1) / 5);
    }
    assert_int_equal(refused.accepted, REFUSED);
    assert_true(store_stats(p->t.store).disk_low);
    for (int i = 0; i < LETTERS; i++) {
        hold(p, &p->v[i]);
        defer(p, &p->v[i]);
        if (i % 2) settle(p, &p->v[i], i);
        assert_int_equal(p->v[i].held, DONE);
        assert_int_equal(p->v[i].deferred, DONE);
        if (i % 2 && i % 5 != 2) assert_int_equal(p->v[i].gone, DONE); /* others are too large, or stay */
    }
    sim_disk_limit(p->t.world, -1);
    look(p);
}

static void run_nearly_full(struct sim *sim, void *arg)
{
    (void)arg;
    struct plan *p = calloc(1, sizeof *p);
    assert_non_null(p);
    p->t.low_water = 64 << 20;
    testing_begin(&p->t, sim);
    testing_run(&p->t, nearly_full, p);
    testing_close(&p->t);
    free(p);
}

static void test_low_water(void **state)
{
    (void)state;
    sim_twice(5, run_nearly_full, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power_cut),    cmocka_unit_test(test_io_error),  cmocka_unit_test(test_no_space),
        cmocka_unit_test(test_failing_step), cmocka_unit_test(test_low_water),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
