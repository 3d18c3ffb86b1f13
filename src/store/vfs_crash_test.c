/* SQLite over our vfs when the machine dies or the disk fails, at every file operation in turn: every acknowledged
 * commit is there afterwards, whole, and the database is sound. */
#include "store/vfs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/file.h"
#include "io/sim.h"

enum { COMMITS = 14, ROWS = 6 };

struct node {
    struct world *w;
    struct store_vfs *v;
    sqlite3 *db, *reader;
    int acknowledged; /* commits SQLite said are done */
    int failed;
};

static bool connected(struct node *n) { return n->db != NULL; }

static void disconnect(struct node *n)
{
    sqlite3_close(n->reader);
    sqlite3_close(n->db);
    n->db = n->reader = NULL;
}

static void leave(struct node *n)
{
    disconnect(n);
    store_vfs_unregister(n->v);
    n->v = NULL;
}

static int connect_one(struct node *n, sqlite3 **db)
{
    int r = sqlite3_open_v2("penny.db", db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                            store_vfs_name(n->v));
    if (r == SQLITE_OK)
        r = sqlite3_exec(*db,
                         "PRAGMA temp_store=MEMORY; PRAGMA cache_size=20; PRAGMA journal_mode=WAL;"
                         "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0",
                         NULL, NULL, NULL);
    return r;
}

static int count_round(sqlite3 *db, int round)
{
    sqlite3_stmt *q;
    int found = -1;
    if (sqlite3_prepare_v2(db, round < 0 ? "SELECT count(*) FROM t" : "SELECT count(*) FROM t WHERE round = ?", -1, &q,
                           NULL) != SQLITE_OK)
        return -1;
    if (round >= 0) sqlite3_bind_int(q, 1, round);
    if (sqlite3_step(q) == SQLITE_ROW) found = sqlite3_column_int(q, 0);
    sqlite3_finalize(q);
    return found;
}

/* A commit whose outcome was not known happened, whole, or did not; if it can be read after recovery it holds from now
 * on. */
static void look_again(struct node *n)
{
    int rows = count_round(n->db, n->acknowledged + 1);
    assert_true(rows <= 0 || rows == ROWS);
    n->acknowledged += rows == ROWS;
}

/* Opens as the store does: the writer recovers and checkpoints before any reader exists. */
static bool connect_all(struct node *n)
{
    int r = n->v ? SQLITE_OK : store_vfs_register(n->w, "/data", &n->v, NULL);
    if (r == SQLITE_OK) r = connect_one(n, &n->db);
    if (r == SQLITE_OK) r = sqlite3_wal_checkpoint_v2(n->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    if (r == SQLITE_OK)
        r = sqlite3_exec(n->db,
                         "CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, round INTEGER, words BLOB);"
                         "CREATE INDEX IF NOT EXISTS i ON t(round)",
                         NULL, NULL, NULL);
    if (r == SQLITE_OK) r = connect_one(n, &n->reader);
    if (r == SQLITE_OK) look_again(n);
    if (r != SQLITE_OK) disconnect(n);
    return r == SQLITE_OK;
}

/* Commit number n->acknowledged + 1: rows of its own, and a change to all earlier ones. */
static int one_commit(struct node *n)
{
    char sql[400];
    int round = n->acknowledged + 1;
    snprintf(sql, sizeof sql,
             "BEGIN IMMEDIATE; UPDATE t SET words = zeroblob(%d);"
             "WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL SELECT x+1 FROM c WHERE x<%d) "
             "INSERT INTO t(round, words) SELECT %d, zeroblob(%d) FROM c; COMMIT",
             900 + round, ROWS, round, 900 + round);
    int r = sqlite3_exec(n->db, sql, NULL, NULL, NULL);
    if (r == SQLITE_OK) {
        n->acknowledged = round;
    } else {
        n->failed++;
        if (!sqlite3_get_autocommit(n->db)) sqlite3_exec(n->db, "ROLLBACK", NULL, NULL, NULL);
    }
    return r;
}

static void workload(struct node *n)
{
    for (int i = 0; i < COMMITS && !sim_crashed(n->w); i++) {
        if (!connected(n) && !connect_all(n)) continue;
        int r = one_commit(n);
        if (r == SQLITE_OK && count_round(n->reader, -1) >= 0)
            assert_int_equal(count_round(n->reader, -1), n->acknowledged * ROWS);
        if (r != SQLITE_OK && r != SQLITE_FULL) { /* its outcome is not known: open again, look what holds */
            disconnect(n);
            connect_all(n);
        }
        if (i % 4 == 3 && connected(n)) sqlite3_wal_checkpoint_v2(n->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        if (i == 9) disconnect(n);
    }
}

static void assert_sound(sqlite3 *db)
{
    sqlite3_stmt *q;
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &q, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    assert_string_equal(sqlite3_column_text(q, 0), "ok");
    sqlite3_finalize(q);
}

static void check(struct node *n)
{
    assert_true(connect_all(n));
    assert_sound(n->db);
    for (int round = 1; round <= n->acknowledged; round++) assert_int_equal(count_round(n->db, round), ROWS);
    assert_int_equal(count_round(n->db, -1), n->acknowledged * ROWS);
    assert_int_equal(one_commit(n), SQLITE_OK);
    assert_int_equal(sqlite3_wal_checkpoint_v2(n->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL), SQLITE_OK);
    assert_sound(n->reader);
    leave(n);
}

static struct node node_new(struct sim *s)
{
    struct node n = {.w = sim_node(s, "post", (struct ip){0})};
    assert_int_equal(folder_create(n.w, "/data", NULL), 0);
    assert_int_equal(folder_sync(n.w, "/", NULL), 0);
    return n;
}

struct sweep {
    int64_t at;
    int code; /* 0: a power cut */
    bool reached;
    int failures;
};

static void power_cut(struct sim *s, void *arg)
{
    struct sweep *sweep = arg;
    struct node n = node_new(s);
    sim_crash_at(n.w, sweep->at);
    workload(&n);
    sweep->reached = sim_crashed(n.w);
    if (!sweep->reached) {
        assert_int_equal(n.acknowledged, COMMITS);
        sim_crash(n.w);
    }
    leave(&n);
    n.w = sim_restart(n.w);
    check(&n);
}

static void power_cut_at_every_operation(void **state)
{
    (void)state;
    struct sweep sweep = {.reached = true};
    for (sweep.at = 1; sweep.reached; sweep.at++)
        for (uint64_t seed = 0; seed < 3; seed++) sim_twice((uint64_t)sweep.at * 10 + seed, power_cut, &sweep);
    assert_true(sweep.at > 50);
}

static void one_failure(struct sim *s, void *arg)
{
    struct sweep *sweep = arg;
    struct node n = node_new(s);
    sim_fail_at(n.w, sweep->at, sweep->code);
    workload(&n);
    sweep->reached = sim_file_operations(n.w) >= sweep->at;
    sweep->failures += n.failed;
    assert_true(n.acknowledged >= COMMITS - 2);
    sim_crash(n.w);
    leave(&n);
    n.w = sim_restart(n.w);
    check(&n);
}

static void one_operation_fails(void **state)
{
    (void)state;
    const int codes[] = {ERR_IO, ERR_NO_SPACE};
    for (int i = 0; i < 2; i++) {
        struct sweep sweep = {.code = codes[i], .reached = true};
        for (sweep.at = 1; sweep.reached; sweep.at++) sim_twice((uint64_t)sweep.at, one_failure, &sweep);
        assert_true(sweep.at > 50 && sweep.failures > 10);
    }
}

static void bad_disk(struct sim *s, void *arg)
{
    (void)arg;
    struct node n = node_new(s);
    sim_set_faults(s, (struct sim_faults){.write_error = 40000, .sync_error = 40000, .torn_write = 40000});
    workload(&n);
    sim_set_faults(s, (struct sim_faults){0});
    sim_crash(n.w);
    leave(&n);
    n.w = sim_restart(n.w);
    check(&n);
}

static void bad_disks(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) sim_twice(seed, bad_disk, NULL);
}

/* The disk fills up: SQLITE_FULL, a rollback, and when there is room again the same connection goes on. */
struct limit {
    int64_t bytes;
    bool was_full;
};

static void full_disk(struct sim *s, void *arg)
{
    struct limit *limit = arg;
    struct node n = node_new(s);
    assert_true(connect_all(&n));
    sim_disk_limit(n.w, limit->bytes);
    int full = 0;
    for (int i = 0; i < COMMITS; i++) {
        int r = one_commit(&n);
        assert_true(r == SQLITE_OK || r == SQLITE_FULL);
        full += r == SQLITE_FULL;
        int rows = count_round(n.reader, -1);
        assert_int_equal(rows, n.acknowledged * ROWS);
    }
    sim_disk_limit(n.w, -1);
    assert_int_equal(one_commit(&n), SQLITE_OK);
    sim_crash(n.w);
    leave(&n);
    n.w = sim_restart(n.w);
    check(&n);
    limit->was_full = full > 0;
}

static void disk_fills_up_anywhere(void **state)
{
    (void)state;
    struct limit limit = {.bytes = 100000, .was_full = true};
    for (; limit.was_full; limit.bytes += 5003) sim_twice(9, full_disk, &limit);
    assert_true(limit.bytes > 300000);
}

/* A WAL whose sync failed takes nothing more, whoever asks, until it has been opened anew. */
static void a_broken_wal_stays_shut(void **state)
{
    (void)state;
    struct sim *s = sim_new(3);
    struct node n = node_new(s);
    assert_true(connect_all(&n));
    assert_int_equal(one_commit(&n), SQLITE_OK);
    sim_set_faults(s, (struct sim_faults){.sync_error = 1000000});
    assert_int_equal(one_commit(&n), SQLITE_IOERR);
    sim_set_faults(s, (struct sim_faults){0});
    assert_int_equal(one_commit(&n), SQLITE_IOERR);
    assert_int_equal(one_commit(&n), SQLITE_IOERR);
    assert_int_equal(count_round(n.reader, -1), ROWS);
    disconnect(&n);
    assert_true(connect_all(&n));
    assert_int_equal(one_commit(&n), SQLITE_OK);
    sim_crash(n.w);
    leave(&n);
    n.w = sim_restart(n.w);
    check(&n);
    sim_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(power_cut_at_every_operation),
        cmocka_unit_test(one_operation_fails),
        cmocka_unit_test(bad_disks),
        cmocka_unit_test(disk_fills_up_anywhere),
        cmocka_unit_test(a_broken_wal_stays_shut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
