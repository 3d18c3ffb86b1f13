/* SQLite over our vfs on a real disk: many connections, foreign programs, names, locks, joined writes.
 * Called as `vfs_test foreign FILE SQL` it is the foreign program: SQLite with its usual vfs; exits with the result
 * code. */
#include "store/vfs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/file.h"

struct fixture {
    struct world *w;
    struct store_vfs *v;
    char folder[64];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    strcpy(f->folder, "/tmp/penny-vfs-XXXXXX");
    if (!mkdtemp(f->folder)) return -1;
    f->w = world_real(1);
    *state = f;
    return store_vfs_register(f->w, f->folder, &f->v, NULL);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[128];
    store_vfs_unregister(f->v);
    world_free(f->w);
    snprintf(command, sizeof command, "rm -rf %s", f->folder);
    int r = system(command);
    free(f);
    return r;
}

static int try_open(struct fixture *f, const char *name, sqlite3 **db)
{
    return sqlite3_open_v2(name, db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                           store_vfs_name(f->v));
}

static void run(sqlite3 *db, const char *sql)
{
    char *why = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK) fail_msg("%s: %s", sql, why);
}

static sqlite3 *open_db(struct fixture *f)
{
    sqlite3 *db;
    assert_int_equal(try_open(f, "penny.db", &db), SQLITE_OK);
    run(db, "PRAGMA temp_store=MEMORY; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
            "PRAGMA wal_autocheckpoint=0; PRAGMA mmap_size=0");
    return db;
}

static int64_t number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *q;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    return n;
}

static void assert_sound(sqlite3 *db)
{
    sqlite3_stmt *q;
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &q, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    assert_string_equal(sqlite3_column_text(q, 0), "ok");
    sqlite3_finalize(q);
}

static int there(struct fixture *f, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", f->folder, name);
    return access(path, F_OK) == 0;
}

/* ---- foreign programs ---- */

static int foreign(const char *path, const char *sql)
{
    sqlite3 *db;
    int r = sqlite3_open(path, &db);
    if (r == SQLITE_OK) r = sqlite3_exec(db, sql, NULL, NULL, NULL);
    sqlite3_close(db);
    return r;
}

static pid_t foreign_start(struct fixture *f, const char *sql)
{
    char path[128];
    snprintf(path, sizeof path, "%s/penny.db", f->folder);
    pid_t pid = fork();
    if (pid == 0) {
        execl("/proc/self/exe", "vfs_test", "foreign", path, sql, (char *)NULL);
        _exit(99);
    }
    return pid;
}

static int foreign_result(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void another_program_is_kept_out(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db = open_db(f);
    run(db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)");
    sqlite3 *reader = open_db(f);
    assert_int_equal(number(reader, "SELECT count(*) FROM t"), 0);
    static const char *const attempts[] = {"SELECT count(*) FROM t", "PRAGMA wal_checkpoint(TRUNCATE)",
                                           "INSERT INTO t(b) VALUES('x')", "PRAGMA journal_mode=DELETE", "VACUUM"};
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++)
        assert_int_equal(foreign_result(foreign_start(f, attempts[i])), SQLITE_BUSY);
    sqlite3_close(reader); /* closes no descriptor of the database: the lock stays */
    assert_int_equal(foreign_result(foreign_start(f, attempts[1])), SQLITE_BUSY);
    assert_true(there(f, "penny.db-wal") && !there(f, "penny.db-shm"));
    for (int i = 0; i < 100; i++) run(db, "INSERT INTO t(b) VALUES('after the visit')");
    sqlite3_close(db);
    /* still ours, without a connection */
    assert_int_equal(foreign_result(foreign_start(f, "SELECT 1 FROM t")), SQLITE_BUSY);
    db = open_db(f);
    assert_int_equal(number(db, "SELECT count(*) FROM t"), 100);
    assert_sound(db);
    sqlite3_close(db);
    store_vfs_unregister(f->v);
    assert_int_equal(foreign_result(foreign_start(f, "INSERT INTO t(b) VALUES('now it may')")), SQLITE_OK);
    assert_int_equal(store_vfs_register(f->w, f->folder, &f->v, NULL), 0);
    db = open_db(f);
    assert_int_equal(number(db, "SELECT count(*) FROM t"), 101);
    sqlite3_close(db);
}

static void another_program_was_first(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db = open_db(f);
    run(db, "CREATE TABLE t(a)");
    sqlite3_close(db);
    store_vfs_unregister(f->v);
    assert_int_equal(store_vfs_register(f->w, f->folder, &f->v, NULL), 0);
    /* a long statement in a transaction of its own */
    pid_t pid = foreign_start(f, "INSERT INTO t VALUES(1); BEGIN IMMEDIATE;"
                                 "WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL SELECT x+1 FROM c WHERE x<700000)"
                                 "INSERT INTO t SELECT x FROM c; COMMIT");
    while (!there(f, "penny.db-shm")) usleep(1000);
    assert_int_equal(try_open(f, "penny.db", &db), SQLITE_BUSY);
    sqlite3_close(db);
    assert_int_equal(foreign_result(pid), SQLITE_OK);
    db = open_db(f);
    assert_int_equal(number(db, "SELECT count(*) FROM t"), 700001);
    sqlite3_close(db);
}

static void two_of_us_in_one_process(void **state)
{
    struct fixture *f = *state;
    struct store_vfs *second;
    assert_int_equal(store_vfs_register(f->w, f->folder, &second, NULL), 0);
    assert_string_not_equal(store_vfs_name(second), store_vfs_name(f->v));
    sqlite3 *db = open_db(f), *other;
    assert_int_equal(sqlite3_open_v2("penny.db", &other, SQLITE_OPEN_READWRITE, store_vfs_name(second)), SQLITE_BUSY);
    sqlite3_close(other);
    sqlite3_close(db);
    store_vfs_unregister(second);
}

/* ---- names ---- */

static void names(void **state)
{
    struct fixture *f = *state;
    char within[128], beyond[128];
    snprintf(within, sizeof within, "%s/inside.db", f->folder);
    snprintf(beyond, sizeof beyond, "%s/../outside.db", f->folder);
    const struct {
        const char *name;
        int want;
    } cases[] = {{"plain.db", SQLITE_OK},       {within, SQLITE_OK},
                 {beyond, SQLITE_CANTOPEN},     {"/tmp/penny-outside.db", SQLITE_CANTOPEN},
                 {"sub/x.db", SQLITE_CANTOPEN}, {"..", SQLITE_CANTOPEN},
                 {"../x.db", SQLITE_CANTOPEN}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sqlite3 *db;
        assert_int_equal(try_open(f, cases[i].name, &db), cases[i].want);
        if (cases[i].want == SQLITE_OK) run(db, "CREATE TABLE t(a)");
        sqlite3_close(db);
    }
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2("absent.db", &db, SQLITE_OPEN_READONLY, store_vfs_name(f->v)), SQLITE_CANTOPEN);
    sqlite3_close(db);
    assert_true(!there(f, "absent.db"));
}

/* ---- many connections ---- */

struct reading {
    struct fixture *f;
    atomic_bool stop;
    atomic_int rounds, wrong;
};

static void *reader_main(void *arg)
{
    struct reading *r = arg;
    sqlite3 *db;
    if (sqlite3_open_v2("penny.db", &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, store_vfs_name(r->f->v)) !=
        SQLITE_OK)
        return arg;
    sqlite3_stmt *q;
    int64_t last = 0;
    if (sqlite3_prepare_v2(db, "SELECT count(*), sum(b), max(a) FROM t", -1, &q, NULL) != SQLITE_OK)
        atomic_fetch_add(&r->wrong, 1);
    while (!atomic_load(&r->stop)) {
        int step = sqlite3_step(q);
        int64_t count = sqlite3_column_int64(q, 0), sum = sqlite3_column_int64(q, 1);
        /* whole commits only */
        if (step != SQLITE_ROW || count % 10 != 0 || sum != 0 || count < last) atomic_fetch_add(&r->wrong, 1);
        last = count;
        sqlite3_reset(q);
        atomic_fetch_add(&r->rounds, 1);
    }
    sqlite3_finalize(q);
    sqlite3_close(db);
    return NULL;
}

static void readers_in_threads(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db = open_db(f);
    /* small: pages are spilled and read again */
    run(db, "PRAGMA cache_size=50; CREATE TABLE t(a INTEGER PRIMARY KEY, b INTEGER, c BLOB)");
    struct reading r = {.f = f};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, reader_main, &r), 0);
    for (int i = 0; i < 300; i++) {
        run(db, "BEGIN IMMEDIATE");
        for (int k = 0; k < 10; k++)
            run(db, k < 5 ? "INSERT INTO t(b, c) VALUES(1, randomblob(3000))"
                          : "INSERT INTO t(b, c) VALUES(-1, randomblob(3000))");
        run(db, i % 10 == 3 ? "ROLLBACK" : "COMMIT");
        if (i % 7 == 0) sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    }
    atomic_store(&r.stop, true);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&r.wrong), 0);
    assert_true(atomic_load(&r.rounds) > 20);
    assert_int_equal(number(db, "SELECT count(*) FROM t"), 2700);
    assert_sound(db);
    assert_int_equal(sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL), SQLITE_OK);
    assert_sound(db);
    sqlite3_close(db);
    assert_true(!there(f, "penny.db-wal"));
}

/* ---- locks of the rollback journal's time ---- */

static void rollback_journal_locks(void **state)
{
    struct fixture *f = *state;
    sqlite3 *a, *b;
    assert_int_equal(try_open(f, "old.db", &a), SQLITE_OK);
    assert_int_equal(try_open(f, "old.db", &b), SQLITE_OK);
    run(a, "PRAGMA temp_store=MEMORY; CREATE TABLE t(a); INSERT INTO t VALUES(1)");
    run(b, "BEGIN; SELECT * FROM t");
    run(a, "BEGIN IMMEDIATE; INSERT INTO t VALUES(2)");
    assert_true(there(f, "old.db-journal"));
    assert_int_equal(sqlite3_exec(b, "INSERT INTO t VALUES(3)", NULL, NULL, NULL), SQLITE_BUSY);
    assert_int_equal(sqlite3_exec(a, "COMMIT", NULL, NULL, NULL), SQLITE_BUSY); /* b reads */
    sqlite3 *c;
    assert_int_equal(try_open(f, "old.db", &c), SQLITE_OK);
    assert_int_equal(sqlite3_exec(c, "SELECT * FROM t", NULL, NULL, NULL), SQLITE_BUSY); /* pending: no new readers */
    run(b, "COMMIT");
    run(a, "COMMIT");
    assert_true(!there(f, "old.db-journal"));
    assert_int_equal(number(b, "SELECT count(*) FROM t"), 2);
    assert_int_equal(number(c, "SELECT count(*) FROM t"), 2);
    run(a, "BEGIN EXCLUSIVE; DELETE FROM t");
    assert_int_equal(sqlite3_exec(b, "SELECT * FROM t", NULL, NULL, NULL), SQLITE_BUSY);
    sqlite3_close(a); /* rolls back */
    assert_int_equal(number(b, "SELECT count(*) FROM t"), 2);
    sqlite3_close(b);
    sqlite3_close(c);
}

/* ---- joined writes ---- */

static void one_write_and_one_sync_a_commit(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db = open_db(f);
    run(db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB); INSERT INTO t(b) VALUES(zeroblob(10))");
    for (int rows = 1; rows <= 32; rows *= 2) {
        struct store_vfs_stats before = store_vfs_stats(f->v);
        run(db, "BEGIN IMMEDIATE");
        for (int i = 0; i < rows; i++) run(db, "INSERT INTO t(b) VALUES(randomblob(3000))");
        run(db, "COMMIT");
        struct store_vfs_stats after = store_vfs_stats(f->v);
        assert_int_equal(after.writes - before.writes, 1);
        assert_int_equal(after.syncs - before.syncs, 1);
        assert_true(after.asked_writes - before.asked_writes >= 2 * rows);
        assert_int_equal(after.others - before.others, 0);
        assert_int_equal(after.reads - before.reads, 0);
    }
    sqlite3_close(db);
}

static void joined_writes_are_read(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db = open_db(f), *reader = open_db(f);
    run(db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)");
    run(db, "PRAGMA synchronous=OFF; PRAGMA cache_size=5"); /* nothing is flushed by a sync, pages are read back soon */
    run(reader, "PRAGMA cache_size=5");
    for (int i = 1; i <= 200; i++) {
        run(db, "INSERT INTO t(b) VALUES(randomblob(2500))");
        if (i % 3 == 0) assert_int_equal(number(reader, "SELECT count(*) FROM t WHERE length(b) = 2500"), i);
        if (i % 50 == 0) assert_sound(reader);
        if (i % 70 == 0) sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    }
    /* spills before it commits */
    run(db, "BEGIN; INSERT INTO t(b) SELECT randomblob(2500) FROM t; UPDATE t SET b = randomblob(2501)");
    assert_int_equal(number(db, "SELECT count(*) FROM t WHERE length(b) = 2501"), 400);
    assert_int_equal(number(reader, "SELECT count(*) FROM t WHERE length(b) = 2500"), 200);
    run(db, "ROLLBACK");
    assert_sound(db);
    sqlite3_close(reader);
    sqlite3_close(db);
    db = open_db(f);
    assert_int_equal(number(db, "SELECT count(*) FROM t"), 200);
    sqlite3_close(db);
}

static void temporary_files_are_not_made(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db = open_db(f);
    run(db, "PRAGMA cache_size=10; CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)");
    run(db, "WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL SELECT x+1 FROM c WHERE x<3000)"
            "INSERT INTO t(b) SELECT randomblob(500) FROM c");
    run(db, "CREATE TEMP TABLE s AS SELECT b FROM t ORDER BY b; CREATE INDEX i ON t(b)");
    run(db, "BEGIN; SAVEPOINT p; UPDATE t SET b = randomblob(500) WHERE a % 2; ROLLBACK TO p; COMMIT; VACUUM");
    assert_sound(db);
    sqlite3_close(db);
    struct arena *a = arena_new(NULL, 0);
    struct str *list;
    size_t n;
    assert_int_equal(folder_list(f->w, a, f->folder, &list, &n, NULL), 0);
    assert_true(n == 1 && str_eq(list[0], S("penny.db")));
    arena_free(a);
}

/* What lies on disk at any moment, copied away as a crash would leave it (nothing unsynced lost), opens with every
 * commit. */
static void recovery_from_the_wal(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db = open_db(f);
    run(db, "CREATE TABLE t(a INTEGER PRIMARY KEY)");
    for (int i = 0; i < 20; i++) run(db, "INSERT INTO t DEFAULT VALUES");
    char command[300], copy[80];
    snprintf(command, sizeof command, "mkdir %s/copy && cp %s/penny.db* %s/copy", f->folder, f->folder, f->folder);
    assert_int_equal(system(command), 0);
    sqlite3_close(db);
    struct fixture g = {.w = f->w};
    snprintf(copy, sizeof copy, "%s/copy", f->folder);
    assert_int_equal(store_vfs_register(f->w, copy, &g.v, NULL), 0);
    db = open_db(&g);
    assert_int_equal(number(db, "SELECT count(*) FROM t"), 20);
    sqlite3_close(db);
    store_vfs_unregister(g.v);
}

static void the_world_gives_the_time(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db = open_db(f);
    int64_t now = clock_utc(f->w) / US_PER_S, said = number(db, "SELECT CAST(strftime('%s', 'now') AS INTEGER)");
    assert_true(said >= now && said <= now + 2);
    sqlite3_close(db);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "foreign") == 0) return foreign(argv[2], argv[3]);
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(another_program_is_kept_out),
        T(another_program_was_first),
        T(two_of_us_in_one_process),
        T(names),
        T(readers_in_threads),
        T(rollback_journal_locks),
        T(one_write_and_one_sync_a_commit),
        T(joined_writes_are_read),
        T(temporary_files_are_not_made),
        T(recovery_from_the_wal),
        T(the_world_gives_the_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
