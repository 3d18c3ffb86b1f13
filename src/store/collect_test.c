/* Collecting what nobody needs any more, in the simulated world: the disk shrinks, what is left reads back byte for
 * byte, a power cut or a full disk at any operation loses nothing, readers are not disturbed. */
#include "store/entries.h"
#include "store/testing.h"

enum { LETTERS = 48, SIZE = 4000, LARGE = 300 << 10 };

struct plan {
    struct testing t;
    int64_t emails[LETTERS];
    bool gone[LETTERS];
    int result;
};

/* Each letter says which one it is in every line. */
static struct str text_of(struct arena *a, int number)
{
    size_t n = number % 16 == 5 ? LARGE : SIZE;
    char *p = arena_alloc(a, n + 40);
    size_t at = 0;
    while (at < n) at += (size_t)snprintf(p + at, 40, "Subject: letter %06d\r\n", number);
    return str_of(p, n);
}

static FIBER void fill(void *arg)
{
    struct plan *p = arg;
    testing_account(&p->t);
    for (int i = 0; i < LETTERS; i++) {
        struct arena *a = arena_new(NULL, 0);
        struct error e = {0};
        struct letter_out l;
        ok(letter_accept(&p->t, text_of(a, i), (uint64_t)i + 1, &l, &e), &e);
        p->emails[i] = l.d.email;
        arena_free(a);
    }
}

static FIBER void expunge(struct plan *p, int from, int step)
{
    struct error e = {0};
    struct uid_set set = {0};
    size_t gone;
    for (int i = from; i < LETTERS; i += step) {
        uid_set_add(p->t.arena, &set, (uid)i + 1, (uid)i + 1);
        p->gone[i] = true;
    }
    ok(expunge_letters(&p->t, p->t.inbox, &set, &gone, &e), &e);
}

/* All but every fourth letter, so that the shared pack is worth compacting; the large ones stay. */
static FIBER void expunge_most(void *arg)
{
    expunge(arg, 0, 4);
    expunge(arg, 2, 4);
    expunge(arg, 3, 4);
}

static FIBER void look(void *arg)
{
    struct plan *p = arg;
    size_t n, expected = 0;
    entries_of(&p->t, p->t.inbox, &n);
    for (int i = 0; i < LETTERS; i++) {
        if (p->gone[i]) continue;
        struct arena *a = arena_new(NULL, 0);
        struct str whole = read_whole(&p->t, p->emails[i]);
        assert_true(str_eq(str_skip(whole, strlen(PREFIXES)), text_of(a, i)));
        arena_free(a);
        expected++;
    }
    assert_int_equal(n, expected);
    assert_sound(&p->t);
}

static FIBER void collect(void *arg)
{
    struct plan *p = arg;
    p->result = store_collect(p->t.store, NULL);
}

static FIBER void collect_well(void *arg)
{
    collect(arg);
    assert_int_equal(((struct plan *)arg)->result, 0);
}

/* Bytes of all packs there are, and how many files; as the disk has them. */
static int64_t on_disk(struct plan *p, size_t *files)
{
    struct arena *a = arena_new(NULL, 0);
    struct error e = {0};
    struct str *names;
    size_t n;
    int64_t sum = 0;
    ok(folder_list(p->t.world, a, "/data/packs", &names, &n, &e), &e);
    *files = 0;
    for (size_t i = 0; i < n; i++) {
        struct file *f;
        if (!str_ends(names[i], S(".pack"))) continue;
        char path[128];
        snprintf(path, sizeof path, "/data/packs/%.*s", STR_FMT(names[i]));
        ok(file_open(p->t.world, path, FILE_READ, &f, &e), &e);
        sum += file_size(f);
        file_close(f);
        ++*files;
    }
    ok(folder_list(p->t.world, a, "/data/packs/lost", &names, &n, &e), &e);
    assert_int_equal(n, 0);
    arena_free(a);
    return sum;
}

static int64_t rows_of(struct plan *p, const char *sql)
{
    struct error e = {0};
    int64_t n = -1;
    ok(db_exec_int(p->t.store->writer.db, sql, &n, &e), &e);
    return n;
}

static struct plan *begin(struct sim *sim)
{
    struct plan *p = calloc(1, sizeof *p);
    assert_non_null(p);
    testing_begin(&p->t, sim);
    testing_run(&p->t, fill, p);
    return p;
}

static void end(struct plan *p)
{
    testing_close(&p->t);
    free(p);
}

/* ---- what it is for ---- */

static void run_shrinks(struct sim *sim, void *arg)
{
    (void)arg;
    size_t files;
    struct plan *p = begin(sim);
    testing_run(&p->t, expunge_most, p);
    testing_run(&p->t, collect_well, p);
    testing_run(&p->t, look, p);
    int64_t live = on_disk(p, &files); /* 3 large ones stay, with 9 others */
    int expected = 0;
    for (int i = 0; i < LETTERS; i++) expected += p->gone[i] ? 0 : i % 16 == 5 ? LARGE : SIZE;
    assert_true(live >= expected && live < expected + (9 << 20)); /* the open pack grows in steps */
    assert_int_equal(files, 4);
    assert_true(store_stats(p->t.store).packs_removed >= 1);
    assert_int_equal(rows_of(p, "SELECT COUNT(*) FROM email"), 12);
    assert_int_equal(rows_of(p, "SELECT COUNT(*) FROM body"), 12);
    assert_int_equal(rows_of(p, "SELECT COUNT(*) FROM tombstone"), 0);
    testing_close(&p->t);
    testing_open(&p->t);
    testing_run(&p->t, look, p);
    end(p);
}

static void test_shrinks(void **state)
{
    (void)state;
    sim_twice(1, run_shrinks, NULL);
}

static FIBER void expunge_rest(void *arg) { expunge(arg, 0, 1); }

static void run_all_gone(struct sim *sim, void *arg)
{
    (void)arg;
    size_t files;
    struct plan *p = begin(sim);
    testing_run(&p->t, expunge_rest, p);
    testing_run(&p->t, collect_well, p);
    on_disk(p, &files);
    assert_int_equal(files, 0);
    testing_run(&p->t, look, p);
    testing_close(&p->t); /* the record's last row names a pack that is gone */
    testing_open(&p->t);
    assert_int_equal(store_stats(p->t.store).damaged_packs, 0);
    testing_run(&p->t, look, p);
    testing_run(&p->t, collect_well, p);
    end(p);
}

static void test_all_gone(void **state)
{
    (void)state;
    sim_twice(2, run_all_gone, NULL);
}

static void run_by_itself(struct sim *sim, void *arg)
{
    (void)arg;
    size_t files;
    struct plan *p = begin(sim);
    testing_run(&p->t, expunge_rest, p); /* over COLLECT_LEAST, and over a quarter */
    on_disk(p, &files);
    assert_int_equal(files, 0);
    end(p);
}

static void test_by_itself(void **state)
{
    (void)state;
    sim_twice(7, run_by_itself, NULL);
}

/* ---- removed accounts ---- */

static FIBER void remove_account(void *arg)
{
    struct plan *p = arg;
    struct error e = {0};
    ok(store_account_remove(p->t.store, p->t.account, &e), &e);
    for (int i = 0; i < LETTERS; i++) p->gone[i] = true;
    ok(store_collect(p->t.store, &e), &e);
    assert_sound(&p->t);
}

static void run_removed(struct sim *sim, void *arg)
{
    (void)arg;
    size_t files;
    struct plan *p = begin(sim);
    testing_run(&p->t, remove_account, p);
    on_disk(p, &files);
    assert_int_equal(files, 0);
    static const char *const empty[] = {"email", "body", "mailbox", "entries", "thread_ref", "tombstone"};
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
        char sql[64];
        snprintf(sql, sizeof sql, "SELECT COUNT(*) FROM %s", empty[i]);
        assert_int_equal(rows_of(p, sql), 0);
    }
    assert_int_equal(rows_of(p, "SELECT COUNT(*) FROM principal WHERE kind = 1"), 1);
    end(p);
}

static void test_removed_account(void **state)
{
    (void)state;
    sim_twice(3, run_removed, NULL);
}

/* ---- kept for a while ---- */

static FIBER void kept(void *arg)
{
    struct plan *p = arg;
    p->t.store->keep_expunged_us = SECONDS(100);
    expunge_most(p);
    collect_well(p);
    assert_int_equal(rows_of(p, "SELECT COUNT(*) FROM email"), LETTERS);
    fiber_sleep(SECONDS(101));
    collect_well(p);
    assert_int_equal(rows_of(p, "SELECT COUNT(*) FROM email"), 12);
}

/* Who sorts his letters and deletes none leaves tombstones too: they count, and go. */
static FIBER void moved(void *arg)
{
    struct plan *p = arg;
    struct error e = {0};
    struct mailbox_info junk;
    ok(store_mailbox_by_use(p->t.store, p->t.arena, p->t.account, USE_JUNK, &junk, &e), &e);
    int64_t before = p->t.store->writer.collect.garbage;
    for (uid u = 1; u <= LETTERS; u++) {
        struct uid_range one = {u, u};
        struct uid_set set = {&one, 1, 1};
        struct copying c = {
            .who = p->t.account, .from = p->t.inbox, .to = junk.id, .uids = &set, .move = true};
        ok(store_copy(p->t.store, p->t.arena, &c, &e), &e);
    }
    assert_int_equal(rows_of(p, "SELECT COUNT(*) FROM tombstone"), LETTERS);
    assert_true(p->t.store->writer.collect.garbage - before >= LETTERS * 100);
    collect_well(p);
    assert_int_equal(rows_of(p, "SELECT COUNT(*) FROM tombstone"), 0);
    assert_int_equal(rows_of(p, "SELECT COUNT(*) FROM email"), LETTERS);
}

static void run_moved(struct sim *sim, void *arg)
{
    (void)arg;
    struct plan *p = begin(sim);
    testing_run(&p->t, moved, p);
    end(p);
}

static void test_moved(void **state)
{
    (void)state;
    sim_twice(9, run_moved, NULL);
}

static void run_kept(struct sim *sim, void *arg)
{
    (void)arg;
    struct plan *p = begin(sim);
    testing_run(&p->t, kept, p);
    testing_run(&p->t, look, p);
    end(p);
}

static void test_kept(void **state)
{
    (void)state;
    sim_twice(4, run_kept, NULL);
}

/* ---- power cuts ---- */

struct cut {
    int64_t at;
    int code; /* 0: a power cut, else the operation fails with it */
    bool happened;
};

static void run_cut(struct sim *sim, void *arg)
{
    struct cut *c = arg;
    struct plan *p = begin(sim);
    testing_run(&p->t, expunge_most, p);
    int64_t before = sim_file_operations(p->t.world);
    if (c->code) sim_fail_at(p->t.world, c->at, c->code);
    else sim_crash_at(p->t.world, c->at);
    loop_spawn(p->t.loop, collect, p);
    sim_run(sim, FOREVER);
    c->happened = c->code ? sim_file_operations(p->t.world) - before >= c->at : sim_crashed(p->t.world);
    if (c->code) sim_fail_at(p->t.world, 0, 0);
    if (sim_crashed(p->t.world)) {
        testing_restart(&p->t);
        testing_open(&p->t);
    } else if (!c->code) {
        sim_crash_at(p->t.world, 0);
    }
    assert_int_equal(store_stats(p->t.store).damaged_packs, 0);
    testing_run(&p->t, look, p);
    testing_run(&p->t, collect_well, p);
    testing_run(&p->t, look, p);
    assert_int_equal(rows_of(p, "SELECT COUNT(*) FROM body"), 12);
    assert_int_equal(rows_of(p, "SELECT COUNT(*) FROM pack WHERE sealed = 2") <= 1, 1);
    testing_close(&p->t);
    testing_open(&p->t);
    assert_int_equal(store_stats(p->t.store).damaged_packs, 0);
    testing_run(&p->t, look, p);
    end(p);
}

static void sweep(int code)
{
    struct cut c = {.at = 1, .code = code, .happened = true};
    for (; c.happened; c.at++) {
        c.happened = false;
        sim_twice(100 + (uint64_t)c.at, run_cut, &c);
        assert_true(c.at < 2000);
    }
    print_message("%lld operations\n", (long long)c.at - 1);
}

static void test_power_cut(void **state)
{
    (void)state;
    sweep(0);
}

static void test_no_space_once(void **state)
{
    (void)state;
    sweep(ERR_NO_SPACE);
}

static void test_io_error(void **state)
{
    (void)state;
    sweep(ERR_IO);
}

/* ---- a full disk ---- */

static void run_full(struct sim *sim, void *arg)
{
    (void)arg;
    struct plan *p = begin(sim);
    testing_run(&p->t, expunge_most, p);
    sim_disk_limit(p->t.world, 0);
    testing_run(&p->t, collect, p);
    assert_int_not_equal(p->result, 0);
    testing_run(&p->t, look, p);
    sim_disk_limit(p->t.world, -1);
    testing_run(&p->t, collect_well, p);
    testing_run(&p->t, look, p);
    assert_int_equal(rows_of(p, "SELECT COUNT(*) FROM body"), 12);
    end(p);
}

static void test_full_disk(void **state)
{
    (void)state;
    sim_twice(5, run_full, NULL);
}

/* ---- readers ---- */

/* Looks a letter up, and reads it when its pack is gone. */
static FIBER void read_late(void *arg)
{
    struct plan *p = arg;
    struct error e = {0};
    struct letter stays, goes;
    struct str bytes;
    ok(store_letter(p->t.store, p->t.arena, p->t.account, p->emails[1], &stays, &e), &e);
    ok(store_letter(p->t.store, p->t.arena, p->t.account, p->emails[0], &goes, &e), &e);
    int64_t pack = stays.place.pack;
    expunge_most(p);
    collect_well(p);
    ok(store_letter_read(p->t.store, p->t.arena, &stays, 0, (size_t)stays.size, &bytes, &e), &e);
    assert_true(str_eq(str_skip(bytes, strlen(PREFIXES)), text_of(p->t.arena, 1)));
    assert_true(stays.place.pack != pack);
    assert_int_equal(store_letter_read(p->t.store, p->t.arena, &goes, 0, (size_t)goes.size, &bytes, &e), ERR_NOT_FOUND);
}

static void run_readers(struct sim *sim, void *arg)
{
    (void)arg;
    struct plan *p = begin(sim);
    testing_run(&p->t, read_late, p);
    end(p);
}

static void test_readers(void **state)
{
    (void)state;
    sim_twice(6, run_readers, NULL);
}

/* ---- what waits ---- */

struct waiting {
    struct plan *p;
    int64_t id[LETTERS];
};

static FIBER void wait_all(struct waiting *w)
{
    const char *const to[] = {"far@example.com", "near@example.net", NULL};
    for (int i = 0; i < LETTERS; i++) {
        struct arena *a = arena_new(NULL, 0);
        w->id[i] = queued_accept(&w->p->t, text_of(a, i), to);
        arena_free(a);
    }
}

static FIBER void settle(struct waiting *w, int i, int32_t number)
{
    assert_int_equal(queue_settle(&w->p->t, w->id[i], (struct settled){.number = number, .what = SETTLE_GONE}, S("")),
                     0);
}

/* A body stays until nobody waits for it any more; where it was moved to is found by those who asked before. */
static FIBER void collect_waiting(void *arg)
{
    struct waiting w = {.p = arg};
    struct testing *t = &w.p->t;
    struct error e = {0};
    struct queue_letter before, after;
    struct str bytes;
    wait_all(&w);
    ok(store_queue_letter(t->store, t->arena, w.id[1], &before, &e), &e);
    for (int i = 0; i < LETTERS; i++) {
        settle(&w, i, 0);
        if (i % 4 != 1) settle(&w, i, 1);
    }
    ok(store_collect(t->store, &e), &e);
    assert_int_equal(rows_of(w.p, "SELECT COUNT(*) FROM queue_message"), LETTERS / 4);
    assert_int_equal(rows_of(w.p, "SELECT COUNT(*) FROM body"), LETTERS / 4);
    for (int i = 1; i < LETTERS; i += 4) {
        ok(store_queue_letter(t->store, t->arena, w.id[i], &after, &e), &e);
        ok(store_letter_read(t->store, t->arena, after.letter, 0, (size_t)after.letter->size, &bytes, &e), &e);
        assert_true(str_ends(bytes, text_of(t->arena, i)));
        if (i == 1) assert_true(after.letter->place.pack != before.letter->place.pack);
    }
    ok(store_letter_read(t->store, t->arena, before.letter, 0, (size_t)before.letter->size, &bytes, &e), &e);
    assert_true(str_ends(bytes, text_of(t->arena, 1)));
    for (int i = 1; i < LETTERS; i += 4) settle(&w, i, 1);
    ok(store_collect(t->store, &e), &e);
    assert_int_equal(rows_of(w.p, "SELECT COUNT(*) FROM body"), 0);
    size_t files;
    on_disk(w.p, &files);
    assert_true(files <= 1); /* the open one, which is small */
    wait_all(&w); /* by itself, when it is worth it */
    for (int i = 0; i < 2 * LETTERS; i++) settle(&w, i / 2, i % 2);
    fiber_sleep(SECONDS(1));
    assert_true(rows_of(w.p, "SELECT COUNT(*) FROM body") < LETTERS / 4);
    assert_sound(t);
}

static void run_waiting(struct sim *sim, void *arg)
{
    (void)arg;
    struct plan *p = calloc(1, sizeof *p);
    assert_non_null(p);
    testing_begin(&p->t, sim);
    testing_run(&p->t, collect_waiting, p);
    end(p);
}

static void test_waiting(void **state)
{
    (void)state;
    sim_twice(8, run_waiting, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shrinks),   cmocka_unit_test(test_all_gone),      cmocka_unit_test(test_removed_account),
        cmocka_unit_test(test_kept),      cmocka_unit_test(test_readers),       cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_power_cut), cmocka_unit_test(test_no_space_once), cmocka_unit_test(test_io_error),
        cmocka_unit_test(test_by_itself), cmocka_unit_test(test_waiting),      cmocka_unit_test(test_moved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
