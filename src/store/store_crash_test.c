/* Power cuts, failing disks and full disks at every file operation in turn, while letters are accepted, expunged and
 * read: what was acknowledged is there afterwards exactly once, what was not at most once, and the store is sound
 * (style.md, "Crash sweep"). */
#include "store/testing.h"

enum { WRITERS = 4, ROUNDS = 6, LARGE = 300 << 10, LETTERS = WRITERS * ROUNDS };

struct plan {
    struct testing t;
    bool acknowledged[LETTERS], refused[LETTERS];
    int working;            /* fibers that still write */
    bool expunge;           /* the first writer takes out what it has put in */
    bool gone[LETTERS];     /* expunged, acknowledged; */
    bool maybe_gone[LETTERS]; /* asked for, outcome not known */
    int full;               /* refused for want of space */
};

struct one {
    struct plan *p;
    int writer;
};

static struct str text_of(struct arena *a, int number)
{
    struct str head = arena_printf(a, "Subject: letter %04d\r\n\r\n", number);
    if (number % 7 != 3) return head;
    char *p = arena_alloc(a, LARGE); /* streamed to a pack of its own */
    memset(p, 'x', LARGE);
    memcpy(p, head.p, head.n);
    return str_of(p, LARGE);
}

static FIBER void take_out(struct plan *p, int number, uid u)
{
    struct error e = {0};
    struct arena *a = arena_new(NULL, 0);
    struct uid_set set = {0};
    size_t gone;
    uid_set_add(a, &set, u, u);
    p->maybe_gone[number] = true;
    if (expunge_letters(&p->t, p->t.inbox, &set, &gone, &e) == 0) p->gone[number] = true;
    arena_free(a);
}

static FIBER void write_letters(void *arg)
{
    struct one *w = arg;
    struct plan *p = w->p;
    for (int i = 0; i < ROUNDS; i++) {
        int number = i * WRITERS + w->writer;
        struct arena *a = arena_new(NULL, 0);
        struct letter_out l;
        struct error e = {0};
        int r = letter_fill(&p->t, a, &l, text_of(a, number), (uint64_t)number + 1, &e);
        if (!r) r = store_accept(p->t.store, &l.a, &e);
        p->acknowledged[number] = r == 0;
        p->refused[number] = r != 0 && r != ERR_UNKNOWN;
        p->full += r == ERR_NO_SPACE;
        if (r == 0 && p->expunge && w->writer == 0) take_out(p, number, l.d.uid);
        arena_free(a);
    }
    p->working--;
}

static void start_writers(struct plan *p, struct one *w)
{
    p->working = WRITERS;
    for (int i = 0; i < WRITERS; i++) {
        w[i] = (struct one){p, i};
        loop_spawn(p->t.loop, write_letters, &w[i]);
    }
}

/* ---- what must hold afterwards ---- */

static FIBER void look(void *arg)
{
    struct plan *p = arg;
    size_t n;
    int count[LETTERS] = {0};
    struct entry *v = entries_of(&p->t, p->t.inbox, &n);
    for (size_t i = 0; i < n; i++) {
        struct str whole = read_whole(&p->t, v[i].email);
        struct str head = str_skip(whole, strlen(PREFIXES "Subject: letter "));
        uint64_t number;
        assert_true(str_to_u64(str_head(head, 4), LETTERS - 1, &number));
        struct arena *a = arena_new(NULL, 0);
        assert_true(str_eq(str_skip(whole, strlen(PREFIXES)), text_of(a, (int)number)));
        arena_free(a);
        count[number]++;
    }
    for (int i = 0; i < LETTERS; i++) {
        if (count[i] > 1) fail_msg("letter %d is there %d times", i, count[i]);
        if (p->gone[i] && count[i]) fail_msg("letter %d was expunged, and is there", i);
        if (p->acknowledged[i] && !p->maybe_gone[i] && !count[i])
            fail_msg("letter %d was acknowledged, and is lost", i);
        if (p->refused[i] && count[i]) fail_msg("letter %d was refused, and is there", i);
    }
    assert_sound(&p->t);
}

/* It goes on working. */
static FIBER void one_more(void *arg)
{
    struct plan *p = arg;
    struct error e = {0};
    struct letter_out l;
    ok(letter_accept(&p->t, S("Subject: letter 0000\r\n\r\n"), 999, &l, &e), &e);
    struct arena *a = arena_new(NULL, 0);
    struct uid_set set = {0};
    size_t gone;
    uid_set_add(a, &set, l.d.uid, l.d.uid);
    ok(expunge_letters(&p->t, p->t.inbox, &set, &gone, &e), &e);
    assert_int_equal(gone, 1);
    arena_free(a);
}

static FIBER void begin(void *arg)
{
    struct plan *p = arg;
    testing_account(&p->t);
}

/* ---- power cuts ---- */

struct cut {
    int64_t at;
    bool happened, expunge;
};

static void run_cut(struct sim *sim, void *arg)
{
    struct cut *c = arg;
    struct plan *p = calloc(1, sizeof *p);
    struct one w[WRITERS];
    assert_non_null(p);
    p->expunge = c->expunge;
    testing_begin(&p->t, sim);
    testing_run(&p->t, begin, p);
    sim_crash_at(p->t.world, c->at);
    start_writers(p, w);
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

static void sweep_cuts(uint64_t seed, bool expunge)
{
    struct cut c = {.at = 1, .happened = true, .expunge = expunge};
    for (; c.happened; c.at++) {
        c.happened = false;
        sim_twice(seed + (uint64_t)c.at, run_cut, &c);
        assert_true(c.at < 2000);
    }
    print_message("%lld operations\n", (long long)c.at - 1);
}

static void test_power_cut_while_accepting(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 2; seed++) sweep_cuts(seed * 1000, false);
}

static void test_power_cut_while_expunging(void **state)
{
    (void)state;
    sweep_cuts(7, true);
}

/* ---- power cuts while the store is made or opened ---- */

static void run_cut_open(struct sim *sim, void *arg)
{
    struct cut *c = arg;
    struct plan *p = calloc(1, sizeof *p);
    assert_non_null(p);
    p->t = (struct testing){.sim = sim, .folder = "/data", .world = sim_node(sim, "node", test_ip)};
    struct store_options o = {.folder = p->t.folder, .low_water_bytes = 1};
    struct error e = {0};
    sim_crash_at(p->t.world, c->at);
    int r = store_open(p->t.world, &o, &p->t.store, &e);
    if (r == 0) store_close(p->t.store);
    c->happened = sim_crashed(p->t.world);
    if (c->happened) p->t.world = sim_restart(p->t.world);
    else ok(r, &e);
    sim_crash_at(p->t.world, 0);
    testing_open(&p->t);
    testing_run(&p->t, begin, p);
    testing_run(&p->t, one_more, p);
    testing_run(&p->t, look, p);
    testing_close(&p->t);
    free(p);
}

static void test_power_cut_while_opening(void **state)
{
    (void)state;
    struct cut c = {.at = 1, .happened = true};
    for (; c.happened; c.at++) {
        c.happened = false;
        sim_twice(50 + (uint64_t)c.at, run_cut_open, &c);
        assert_true(c.at < 2000);
    }
    print_message("%lld operations\n", (long long)c.at - 1);
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
    p->expunge = true;
    testing_begin(&p->t, sim);
    testing_run(&p->t, begin, p);
    int64_t before = sim_file_operations(p->t.world);
    sim_fail_at(p->t.world, f->at, f->code);
    start_writers(p, w);
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

static void test_no_space_once(void **state)
{
    (void)state;
    sweep_failures(ERR_NO_SPACE);
}

/* ---- a disk that stays full ---- */

static void run_full(struct sim *sim, void *arg)
{
    int64_t *room = arg;
    struct plan *p = calloc(1, sizeof *p);
    struct one w[WRITERS];
    assert_non_null(p);
    p->expunge = true;
    p->t.low_water = 1;
    testing_begin(&p->t, sim);
    testing_run(&p->t, begin, p);
    sim_disk_limit(p->t.world, *room);
    start_writers(p, w);
    sim_run(sim, FOREVER);
    assert_int_equal(p->working, 0);
    testing_run(&p->t, look, p); /* reading goes on */
    sim_disk_limit(p->t.world, -1);
    sim_run(sim, FOREVER);
    testing_run(&p->t, one_more, p);
    testing_run(&p->t, look, p);
    testing_close(&p->t);
    testing_open(&p->t);
    testing_run(&p->t, look, p);
    testing_close(&p->t);
    *room = p->full;
    free(p);
}

static void test_full_disk(void **state)
{
    (void)state;
    int refused = 0;
    for (int64_t room = 0; room < 6000 << 10; room += 97 << 10) {
        int64_t arg = room, again = room;
        (void)again;
        struct sim *sim = sim_new(400 + (uint64_t)room);
        run_full(sim, &arg);
        refused += (int)arg;
        sim_free(sim);
    }
    assert_true(refused > 0);
}

/* ---- a disk that is nearly full ---- */

static FIBER int try_until(struct testing *t, int wanted)
{
    int r = -1;
    for (int i = 0; i < 20; i++) {
        struct error e = {0};
        r = letter_accept(t, S("Subject: letter 0001\r\n\r\n"), 0, NULL, &e);
        if (r == wanted) break;
        fiber_sleep(SECONDS(1) / 5);
    }
    return r;
}

static FIBER void nearly_full(void *arg)
{
    struct plan *p = arg;
    struct testing *t = &p->t;
    struct error e = {0};
    struct uid_set all = {0};
    size_t gone;
    testing_account(t);
    assert_int_equal(try_until(t, 0), 0);
    sim_disk_limit(t->world, SPACE_RESERVE + (4 << 20)); /* below the mark, and yet room for what must go on */
    assert_int_equal(try_until(t, ERR_NO_SPACE), ERR_NO_SPACE);
    fiber_sleep(SECONDS(1) / 5); /* between two looks at the disk */
    uid_set_add(t->arena, &all, 1, UINT32_MAX);
    ok(flag_letters(t, t->inbox, &all, FLAG_DELETED, 0, &e), &e);
    ok(expunge_letters(t, t->inbox, &all, &gone, &e), &e);
    assert_true(gone >= 1);
    assert_true(store_stats(t->store).disk_low);
    sim_disk_limit(t->world, -1);
    assert_int_equal(try_until(t, 0), 0); /* it is noticed though nobody else writes */
    assert_false(store_stats(t->store).disk_low);
    assert_sound(t);
}

static void run_nearly_full(struct sim *sim, void *arg)
{
    (void)arg;
    struct plan *p = calloc(1, sizeof *p);
    assert_non_null(p);
    p->t.low_water = 8 << 20;
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
        cmocka_unit_test(test_power_cut_while_accepting), cmocka_unit_test(test_power_cut_while_expunging),
        cmocka_unit_test(test_power_cut_while_opening),   cmocka_unit_test(test_io_error),
        cmocka_unit_test(test_no_space_once),             cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_low_water),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
