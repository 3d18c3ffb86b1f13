/* The search index (store/search_index.h) where everything goes wrong: power cuts and failing disks at every file
 * operation of the indexer, a full disk, a database that is torn, damaged, of another format or of something else,
 * accounts that are gone. What is found must be what a scan finds, and the index must come back by itself. */
#include <errno.h>

#include "mail/limits.h"
#include "store/search_testing.h"

enum {
    OURS = 20,
    THEIRS = 12,
    SEGMENT = 8,
    TIMES = 6, /* each is asked about so often: few are not looked up at all */
};

static const char *const questions[] = {"B'quick fox'", "X'lazy'",  "s'letter 1'",       "!B'quick'.",
                                        "~B'fox'",      "B'foxes'", "|B'night'f'ann'.", "&B'quick'X'lazy'."};
enum { QUESTIONS = sizeof questions / sizeof *questions };

struct plan {
    struct testing t;
    int64_t ours[OURS * TIMES], theirs[THEIRS * TIMES], eve;
    char *found[QUESTIONS], *found_by_eve; /* by a scan */
};

static FIBER struct str ask_eve(struct plan *p)
{
    int64_t bob = p->t.account;
    p->t.account = p->eve;
    struct str found = ask(&p->t, p->theirs, THEIRS * TIMES, "B'fox'");
    p->t.account = bob;
    return found;
}

static FIBER void same_as_ever(struct plan *p)
{
    for (size_t i = 0; i < QUESTIONS; i++) {
        struct str found = ask(&p->t, p->ours, OURS * TIMES, questions[i]);
        if (!str_eq(found, str_c(p->found[i])))
            fail_msg("%s finds %.*s, not %s", questions[i], STR_FMT(found), p->found[i]);
    }
    assert_str_is(ask_eve(p), p->found_by_eve);
}

static char *kept(struct str s) { return strndup(s.p ? s.p : "", s.n); }

static FIBER int64_t deliver_one(struct plan *p, int i)
{
    static const char *const words[] = {"quick fox", "lazy dogs", "good night"};
    struct buf *b = buf_in(p->t.arena, 1000);
    buf_printf(b, "Subject: letter %d\r\nFrom: %s@example.net\r\n\r\n", i, i % 4 ? "ann" : "joe");
    for (int w = 0; w < 3; w++)
        if ((i + 1) >> w & 1) buf_printf(b, "the %s\r\n", words[w]);
    return deliver(&p->t, buf_str(b));
}

static FIBER void begin(void *arg)
{
    struct plan *p = arg;
    struct testing *t = &p->t;
    testing_account(t);
    for (int i = 0; i < OURS; i++) p->ours[i] = deliver_one(p, i);
    int64_t bob = t->account;
    p->eve = t->account = add_account(t, "eve");
    for (int i = 0; i < THEIRS; i++) p->theirs[i] = deliver_one(p, i);
    t->account = bob;
    for (int i = OURS; i < OURS * TIMES; i++) p->ours[i] = p->ours[i % OURS];
    for (int i = THEIRS; i < THEIRS * TIMES; i++) p->theirs[i] = p->theirs[i % THEIRS];
    for (size_t i = 0; i < QUESTIONS; i++) p->found[i] = kept(ask(t, p->ours, OURS * TIMES, questions[i]));
    p->found_by_eve = kept(ask_eve(p));
    assert_true(p->found[0][0] && p->found_by_eve[0]);
}

/* ---- indexing ---- */

static FIBER void index_for_a_while(struct plan *p)
{
    struct scope scope;
    struct indexer x = {p->t.store, false};
    scope_init(&scope);
    fiber_spawn(&scope, run_indexer, &x);
    fiber_sleep(4 * SPAN_INDEX_RETRY);
    scope_cancel(&scope);
    scope_join(&scope);
}

/* What the indexer does, and what closing does. */
static void only_index(void *arg)
{
    struct plan *p = arg;
    index_for_a_while(p);
    if (p->t.store->search->writer) db_checkpoint(p->t.store->search->writer, NULL, NULL);
}

static int64_t count(struct plan *p, const char *sql)
{
    int64_t n = -1;
    struct error e = {0};
    ok(db_exec_int(p->t.store->search->writer, sql, &n, &e), &e);
    return n;
}

/* Whatever has happened: it answers, it is made, it answers, and now it is of use. */
static FIBER void look(void *arg)
{
    struct plan *p = arg;
    same_as_ever(p);
    index_for_a_while(p);
    same_as_ever(p);
    index_for_a_while(p); /* if reading has shown some damage */
    same_as_ever(p);
    assert_int_equal(count(p, "SELECT SUM(letters) FROM segment"), OURS + THEIRS);
    assert_int_equal(count(p, "SELECT COUNT(*) FROM pending"), 0);
    int64_t scanned = store_search_stats(p->t.store).scanned;
    ask(&p->t, p->ours, OURS * TIMES, "B'zzzzzz'");
    assert_int_equal(store_search_stats(p->t.store).scanned, scanned);
    assert_sound(&p->t);
}

static void reopen(struct plan *p)
{
    testing_open(&p->t);
    p->t.store->search->segment = SEGMENT;
}

static struct plan *plan_of(struct sim *sim)
{
    struct plan *p = calloc(1, sizeof *p);
    assert_non_null(p);
    testing_begin(&p->t, sim);
    p->t.store->search->segment = SEGMENT;
    testing_run(&p->t, begin, p);
    return p;
}

static void look_and_end(struct plan *p)
{
    testing_run(&p->t, look, p);
    testing_close(&p->t);
    for (size_t i = 0; i < QUESTIONS; i++) free(p->found[i]);
    free(p->found_by_eve);
    free(p);
}

/* Damage is the same each time: once is enough. */
static void once(void (*run)(struct sim *sim, void *arg), void *arg)
{
    struct sim *sim = sim_new(1);
    run(sim, arg);
    sim_free(sim);
}

/* ---- power cuts and failing disks ---- */

struct sweep {
    int64_t at;
    int code;
    bool over;
};

static void run_cut(struct sim *sim, void *arg)
{
    struct sweep *s = arg;
    struct plan *p = plan_of(sim);
    sim_crash_at(p->t.world, s->at);
    loop_spawn(p->t.loop, only_index, p);
    sim_run(sim, FOREVER);
    s->over = !sim_crashed(p->t.world);
    if (s->over) {
        sim_crash_at(p->t.world, 0);
    } else {
        testing_restart(&p->t);
        reopen(p);
    }
    look_and_end(p);
}

static void test_power_cut(void **state)
{
    (void)state;
    struct sweep s = {.at = 1};
    for (; !s.over; s.at++) {
        sim_twice(100 + (uint64_t)s.at, run_cut, &s);
        assert_true(s.at < 2000);
    }
    print_message("%lld operations\n", (long long)s.at - 1);
}

static void run_failing(struct sim *sim, void *arg)
{
    struct sweep *s = arg;
    struct plan *p = plan_of(sim);
    int64_t before = sim_file_operations(p->t.world);
    sim_fail_at(p->t.world, s->at, s->code);
    testing_run(&p->t, only_index, p);
    s->over = sim_file_operations(p->t.world) - before < s->at;
    sim_fail_at(p->t.world, 0, 0);
    look_and_end(p);
}

static void test_failing_disk(void **state)
{
    (void)state;
    static const int codes[] = {EIO, ENOSPC};
    for (size_t i = 0; i < 2; i++) {
        struct sweep s = {.at = 1, .code = codes[i]};
        for (; !s.over; s.at++) {
            once(run_failing, &s);
            assert_true(s.at < 2000);
        }
    }
}

/* ---- a full disk ---- */

static FIBER void fill_and_look(void *arg)
{
    struct plan *p = arg;
    int64_t operations = sim_file_operations(p->t.world);
    p->t.low_water = 0;
    index_for_a_while(p);
    same_as_ever(p);
    assert_int_equal(sim_file_operations(p->t.world), operations); /* what room there is is for the mail */
    assert_false(file_exists(p->t.world, "/data/search.db"));
}

static void run_full(struct sim *sim, void *arg)
{
    (void)arg;
    struct plan *p = plan_of(sim);
    testing_close(&p->t);
    p->t.low_water = INT64_C(1) << 40;
    sim_disk_limit(p->t.world, INT64_C(1) << 38);
    reopen(p);
    testing_run(&p->t, fill_and_look, p);
    testing_close(&p->t);
    sim_disk_limit(p->t.world, -1);
    reopen(p);
    look_and_end(p);
}

static void test_full_disk(void **state)
{
    (void)state;
    once(run_full, NULL);
}

/* ---- what is found in its place ---- */

static void scribble(struct plan *p, int64_t offset, const char *bytes, size_t n)
{
    struct file *f;
    assert_int_equal(file_open(p->t.world, "/data/search.db", FILE_WRITE, &f, NULL), 0);
    assert_int_equal(file_write(f, bytes, n, offset, NULL), 0);
    assert_int_equal(file_sync(f, NULL), 0);
    file_close(f);
}

static int64_t size_of_index(struct plan *p)
{
    struct file *f;
    assert_int_equal(file_open(p->t.world, "/data/search.db", FILE_WRITE, &f, NULL), 0);
    int64_t n = file_size(f);
    file_close(f);
    return n;
}

static void truncate_index(struct plan *p, int64_t size)
{
    struct file *f;
    assert_int_equal(file_open(p->t.world, "/data/search.db", FILE_WRITE, &f, NULL), 0);
    assert_int_equal(file_truncate(f, size, NULL), 0);
    file_close(f);
}

/* Damages it in the way of this number; false: there is none. */
static bool damage(struct plan *p, int way)
{
    enum { PLACES = 32, CUTS = 8 };
    char noise[700];
    int64_t size = size_of_index(p);
    for (size_t i = 0; i < sizeof noise; i++) noise[i] = (char)(i * 37 + (size_t)way * 11);
    if (way < PLACES) scribble(p, size * way / PLACES + way % 90, noise, way % 3 ? sizeof noise : 1);
    else if (way < PLACES + CUTS) truncate_index(p, size * (way - PLACES) / CUTS);
    else return false;
    return true;
}

static void run_damaged(struct sim *sim, void *arg)
{
    struct sweep *s = arg;
    struct plan *p = plan_of(sim);
    testing_run(&p->t, only_index, p);
    testing_close(&p->t);
    s->over = !damage(p, (int)s->at);
    reopen(p);
    look_and_end(p);
}

static void test_damage(void **state)
{
    (void)state;
    for (struct sweep s = {0}; !s.over; s.at++) once(run_damaged, &s);
}

/* Statements that make another database of it, and that do what a lost page does. */
static const char *const changes[] = {
    "PRAGMA user_version=1",          "PRAGMA user_version=99",
    "DROP TABLE posting",             "DROP TABLE state",
    "DROP INDEX pending_letters",     "DELETE FROM posting WHERE bucket % 3 = 1",
    "DELETE FROM state",
    "UPDATE posting SET packed = x''", "UPDATE segment SET packed = x'01'",
};

static void run_changed(struct sim *sim, void *arg)
{
    struct error e = {0};
    struct plan *p = plan_of(sim);
    testing_run(&p->t, only_index, p);
    ok(db_exec(p->t.store->search->writer, *(const char **)arg, &e), &e);
    testing_close(&p->t);
    reopen(p);
    look_and_end(p);
}

static void test_another_database(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) once(run_changed, (void *)&changes[i]);
}

/* ---- who is gone ---- */

static FIBER void forget(void *arg)
{
    struct plan *p = arg;
    struct error e = {0};
    index_for_a_while(p);
    int64_t bob = p->t.account;
    p->t.account = p->eve;
    deliver_one(p, 1); /* waits for others */
    p->t.account = bob;
    index_for_a_while(p);
    assert_int_equal(count(p, "SELECT COUNT(*) FROM pending"), 1);
    ok(store_account_remove(p->t.store, p->eve, &e), &e);
    fiber_sleep(SPAN_INDEX_DEAD);
    index_for_a_while(p);
    assert_int_equal(count(p, "SELECT COUNT(DISTINCT account) FROM segment"), 1);
    assert_int_equal(count(p, "SELECT COUNT(DISTINCT account) FROM posting"), 1);
    assert_int_equal(count(p, "SELECT COUNT(*) FROM pending"), 0);
    for (size_t i = 0; i < QUESTIONS; i++) assert_str_is(ask(&p->t, p->ours, OURS * TIMES, questions[i]), p->found[i]);
}

static void run_forget(struct sim *sim, void *arg)
{
    (void)arg;
    struct plan *p = plan_of(sim);
    testing_run(&p->t, forget, p);
    testing_close(&p->t);
    for (size_t i = 0; i < QUESTIONS; i++) free(p->found[i]);
    free(p->found_by_eve);
    free(p);
}

static void test_who_is_gone(void **state)
{
    (void)state;
    once(run_forget, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power_cut), cmocka_unit_test(test_failing_disk),     cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_damage),    cmocka_unit_test(test_another_database), cmocka_unit_test(test_who_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
