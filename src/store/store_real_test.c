/* The store with real threads and a real disk: one folder, one store; formats; readers that never rest while letters
 * come in; letters that come and go; a mailbox of 100,000; a directory of 100,000. */
#include <sys/stat.h>
#include <unistd.h>

#include "store/schema.h"
#include "store/testing.h"

static char *path_in(struct testing *t, const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", t->folder, name);
    return path;
}

static int set_up(void **state)
{
    struct testing *t = calloc(1, sizeof *t);
    char *folder = strdup("/tmp/penny-store-XXXXXX");
    if (!t || !folder || !mkdtemp(folder)) return -1;
    *t = (struct testing){.world = world_real(4), .folder = folder};
    testing_open(t);
    *state = t;
    return 0;
}

static int tear_down(void **state)
{
    struct testing *t = *state;
    char remove[128];
    if (t->store) testing_close(t);
    world_free(t->world);
    snprintf(remove, sizeof remove, "rm -r %s", t->folder);
    free((void *)(uintptr_t)t->folder);
    free(t);
    return system(remove);
}

/* Runs a fiber on a loop of its own; the fiber stops it. */
static void run_loop(struct testing *t, void (*fn)(void *), void *arg)
{
    loop_free(t->loop);
    t->loop = loop_new(t->world);
    loop_spawn(t->loop, fn, arg);
    loop_run(t->loop);
}

static FIBER void make_account(void *arg)
{
    testing_account(arg);
    loop_stop(loop_self());
}

/* ---- whose store it is ---- */

static void test_one_store_a_folder(void **state)
{
    struct testing *t = *state;
    struct store *second;
    struct error e = {0};
    assert_int_equal(store_open(t->world, &(struct store_options){.folder = t->folder}, &second, &e), ERR_BUSY);
    testing_close(t);
    assert_int_equal(
        store_open(t->world, &(struct store_options){.folder = t->folder, .must_exist = true}, &second, &e), 0);
    store_close(second);
    assert_int_equal(
        store_open(t->world, &(struct store_options){.folder = "/tmp/penny-no-such", .must_exist = true}, &second, &e),
        ERR_NOT_FOUND);
    struct stat st;
    assert_int_equal(stat(t->folder, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

static void set_format(struct testing *t, int version)
{
    struct store_vfs *vfs;
    struct db *db;
    struct error e = {0};
    char sql[64];
    ok(store_vfs_register(t->world, t->folder, &vfs, &e), &e);
    ok(db_open(store_vfs_name(vfs), store_database, DB_WRITER, &db, &e), &e);
    snprintf(sql, sizeof sql, "UPDATE format SET version = %d", version);
    ok(db_exec(db, sql, &e), &e);
    db_close(db);
    store_vfs_unregister(vfs);
}

static void test_newer_format(void **state)
{
    struct testing *t = *state;
    struct error e = {0};
    testing_close(t);
    set_format(t, SCHEMA_VERSION + 1);
    assert_int_equal(store_open(t->world, &(struct store_options){.folder = t->folder}, &t->store, &e), ERR_TOO_NEW);
    t->store = NULL;
    set_format(t, SCHEMA_VERSION);
    testing_open(t); /* nothing was changed */
}

/* ---- a pack that lost its end ---- */

static FIBER void accept_one(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    testing_account(t);
    ok(letter_accept(t, S("Subject: x\r\n\r\n"), 1, NULL, &e), &e);
    loop_stop(loop_self());
}

static FIBER void find_damage(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    int64_t bad = 0;
    ok(store_verify(t->store, true, ignore_finding, NULL, &bad, &e), &e);
    assert_true(bad > 0);
    ok(letter_accept(t, S("Subject: y\r\n\r\n"), 2, NULL, &e), &e); /* mail goes on */
    loop_stop(loop_self());
}

static void test_short_pack(void **state)
{
    struct testing *t = *state;
    char cut[160];
    run_loop(t, accept_one, t);
    assert_int_equal(store_stats(t->store).damaged_packs, 0);
    testing_close(t);
    snprintf(cut, sizeof cut, "for p in %s/packs/*.pack; do truncate -s 60 $p; done", t->folder);
    assert_int_equal(system(cut), 0);
    testing_open(t);
    assert_int_equal(store_stats(t->store).damaged_packs, 1);
    run_loop(t, find_damage, t);
}

/* ---- readers that never rest ---- */

enum { READERS = 4, WRITERS = 6 };

struct busy {
    struct testing *t;
    int writing, running;
    int64_t wal_most, reads;
};

static FIBER void read_on(void *arg)
{
    struct busy *b = arg;
    struct error e = {0};
    while (b->writing > 0) {
        struct arena *a = arena_new(NULL, 0);
        struct entry *v;
        size_t n;
        bool more;
        ok(store_entries(b->t->store, a, b->t->inbox, 0, 2000, true, &v, &n, &more, &e), &e);
        arena_free(a);
        b->reads++;
    }
    if (--b->running == 0) loop_stop(loop_self());
}

static FIBER void write_on(void *arg)
{
    struct busy *b = arg;
    struct error e = {0};
    struct stat st;
    mono_us end = loop_now() + SECONDS(60);
    while (loop_now() < end) {
        ok(letter_accept(b->t, S("Subject: x\r\n\r\n"), (uint64_t)store_new_id(b->t->store), NULL, &e), &e);
        if (stat(path_in(b->t, "penny.db-wal"), &st) == 0 && st.st_size > b->wal_most) b->wal_most = st.st_size;
        if (store_stats(b->t->store).messages > 12000) break;
    }
    b->writing--;
    if (--b->running == 0) loop_stop(loop_self());
}

static FIBER void be_busy(void *arg)
{
    struct busy *b = arg;
    b->writing = WRITERS;
    b->running = READERS + WRITERS;
    for (int i = 0; i < READERS; i++) fiber_spawn(loop_scope(loop_self()), read_on, b);
    for (int i = 0; i < WRITERS; i++) fiber_spawn(loop_scope(loop_self()), write_on, b);
}

static FIBER void check(void *arg)
{
    assert_sound(arg);
    loop_stop(loop_self());
}

static void test_readers_and_the_wal(void **state)
{
    struct testing *t = *state;
    struct busy b = {.t = t};
    run_loop(t, make_account, t);
    run_loop(t, be_busy, &b);
    struct store_stats s = store_stats(t->store);
    print_message("%lld letters, %lld reads, %lld groups, %lld checkpoints, WAL at most %lld MiB\n",
                  (long long)s.messages, (long long)b.reads, (long long)s.groups, (long long)s.checkpoints,
                  (long long)(b.wal_most >> 20));
    assert_true(b.wal_most > 0 && b.wal_most <= 80 << 20); /* store.md, "SQLite" */
    assert_true(b.reads > 0 && s.checkpoints > 0);
    run_loop(t, check, t);
}

/* ---- letters that come and go ---- */

enum { SENDERS = 8, CARRIERS = 3, RELAYED = 4000, AT_ONCE = 50 };

struct relay {
    struct testing *t;
    int sending, running, sent;
    int64_t waiting[RELAYED];
    size_t n_waiting, carried, reports;
};

static FIBER void send_on(void *arg)
{
    struct relay *r = arg;
    while (r->sent < RELAYED) {
        r->sent++;
        int64_t id = queued_accept(r->t, S("Subject: x\r\n\r\n"), TO("far@example.com"));
        r->waiting[r->n_waiting++] = id;
    }
    r->sending--;
    if (--r->running == 0) loop_stop(loop_self());
}

/* Every tenth has failed. */
static FIBER void settle_some(struct relay *r, struct arena *a)
{
    static const struct settled gone = {.what = SETTLE_GONE};
    struct error e = {0};
    struct settlement v[AT_ONCE];
    struct letter_out *reports = arena_array(a, AT_ONCE, sizeof *reports);
    struct trace_event event = {.at = clock_utc(r->t->world), .kind = TRACE_DELIVERED};
    size_t n = 0;
    for (; n < AT_ONCE && r->n_waiting > 0; n++) {
        bool failed = r->carried++ % 10 == 0;
        v[n] = (struct settlement){.message = r->waiting[--r->n_waiting],
                                   .recipients = &gone,
                                   .n = 1,
                                   .events = &event,
                                   .n_events = 1,
                                   .letters = &reports[n].a,
                                   .n_letters = failed};
        if (!failed) continue;
        ok(letter_fill(r->t, a, &reports[n], S("Subject: it failed\r\n\r\n"), 0, &e), &e);
        r->reports++;
    }
    store_settle(r->t->store, v, n);
    for (size_t i = 0; i < n; i++) ok(v[i].result, &v[i].error);
}

static FIBER void carry_on(void *arg)
{
    struct relay *r = arg;
    while (r->sending > 0 || r->n_waiting > 0) {
        struct arena *a = arena_new(NULL, 0);
        if (r->n_waiting > 0) settle_some(r, a);
        else fiber_sleep(US_PER_MS);
        arena_free(a);
    }
    if (--r->running == 0) loop_stop(loop_self());
}

static FIBER void look_on(void *arg)
{
    struct relay *r = arg;
    while (r->sending > 0) {
        struct error e = {0};
        struct arena *a = arena_new(NULL, 0);
        struct queue_item *v;
        struct queue_letter l;
        size_t n;
        bool more;
        utc_us next;
        ok(store_queue_due(r->t->store, a, STR_NONE, (struct queue_place){0}, INT64_MAX - 1, 100, &v, &n, &more, &next,
                           &e),
           &e);
        int got = n ? store_queue_letter(r->t->store, a, v[0].message, &l, &e) : 0;
        assert_true(got == 0 || got == ERR_NOT_FOUND); /* settled meanwhile */
        arena_free(a);
    }
    if (--r->running == 0) loop_stop(loop_self());
}

static FIBER void relay(void *arg)
{
    struct relay *r = arg;
    r->sending = SENDERS;
    r->running = SENDERS + CARRIERS + 1;
    for (int i = 0; i < SENDERS; i++) fiber_spawn(loop_scope(loop_self()), send_on, r);
    for (int i = 0; i < CARRIERS; i++) fiber_spawn(loop_scope(loop_self()), carry_on, r);
    fiber_spawn(loop_scope(loop_self()), look_on, r);
}

static void test_relay(void **state)
{
    struct testing *t = *state;
    struct relay *r = calloc(1, sizeof *r);
    assert_non_null(r);
    r->t = t;
    run_loop(t, make_account, t);
    run_loop(t, relay, r);
    struct store_stats s = store_stats(t->store);
    print_message("%d letters, %lld groups, %.2f rows a letter\n", RELAYED, (long long)s.groups,
                  (double)s.row_writes / RELAYED);
    assert_int_equal(s.queue_rows, 0);
    assert_int_equal(s.messages, r->reports);
    assert_true(r->reports > 0);
    run_loop(t, check, t);
    free(r);
}

/* ---- a mailbox of 100,000 ---- */

enum { ENTRIES = 100000 };

/* The rows as 100,000 deliveries would have left them. */
static void fill_mailbox(struct testing *t)
{
    struct error e = {0};
    struct store *s = t->store;
    struct db *db = s->writer.db;
    struct entry *v = arena_array(t->arena, CHUNK_ENTRIES, sizeof *v);
    char *packed = arena_alloc(t->arena, CHUNK_PACKED), sql[200];
    ok(db_begin(db, &e), &e);
    for (uint32_t c = 0; c < ENTRIES / CHUNK_ENTRIES; c++) {
        size_t n = 0;
        for (uid u = c * CHUNK_ENTRIES; u < (c + 1) * CHUNK_ENTRIES; u++)
            if (u) v[n++] = (struct entry){.uid = u, .modseq = u, .email = u};
        struct query q = db_query(db, SQL_CHUNK_SAVE);
        q_int(&q, t->inbox);
        q_int(&q, c);
        q_int(&q, 1);
        q_bytes(&q, str_of(packed, chunk_pack(v, n, packed)));
        ok(q_run(&q, &e), &e);
    }
    int n = ENTRIES / CHUNK_ENTRIES * CHUNK_ENTRIES;
    snprintf(sql, sizeof sql,
             "UPDATE mailbox SET uid_next = %d, messages = %d, unseen = %d, highest_modseq = %d WHERE id = %lld", n,
             n - 1, n - 1, n, (long long)t->inbox);
    ok(db_exec(db, sql, &e), &e);
    ok(db_commit(db, &e), &e);
    rows_forget(&s->writer.rows);
}

static FIBER void list_all(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    struct entry *v;
    size_t n, all = 0;
    bool more = true;
    mono_us begun = clock_mono(t->world);
    for (uid last = 0; more; last = v[n - 1].uid, all += n) {
        ok(store_entries(t->store, t->arena, t->inbox, last, ENTRIES, false, &v, &n, &more, &e), &e);
        assert_true(n > 0);
    }
    mono_us listed = clock_mono(t->world);
    assert_int_equal(all, ENTRIES / CHUNK_ENTRIES * CHUNK_ENTRIES - 1);
    struct uid_set set = {0};
    uid_set_add(t->arena, &set, 1, UINT32_MAX);
    ok(flag_letters(t, t->inbox, &set, FLAG_SEEN, 0, &e), &e);
    print_message("100,000 entries: listed in %.1f ms, flags of all set in %.1f ms\n", (double)(listed - begun) / 1000,
                  (double)(clock_mono(t->world) - listed) / 1000);
    assert_true(listed - begun < SECONDS(2));
    loop_stop(loop_self());
}

static void test_large_mailbox(void **state)
{
    struct testing *t = *state;
    run_loop(t, make_account, t);
    fill_mailbox(t);
    run_loop(t, list_all, t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_store_a_folder, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_newer_format, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_short_pack, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_readers_and_the_wal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_relay, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_large_mailbox, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
