/* SQLite behind db.h: pragmas, prepared statements, transactions, and what its error codes mean to us (store.md,
 * "SQLite"). */
#include "store/db.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

enum { CACHE_WRITER_KIB = 4096, CACHE_READER_KIB = 512 };

struct db {
    sqlite3 *handle;
    sqlite3_stmt *statements[SQL_ALL];
    sqlite3_stmt *begin, *commit, *rollback;
    int64_t run, fail_in, wal_frames;
    enum db_role role;
};

static int meaning(int code)
{
    switch (code & 0xff) {
    case SQLITE_OK: return 0;
    case SQLITE_FULL: return ERR_NO_SPACE;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return ERR_CORRUPT;
    case SQLITE_BUSY: return ERR_BUSY;
    case SQLITE_CONSTRAINT: return ERR_CONFLICT;
    case SQLITE_INTERRUPT: return ERR_CANCELLED;
    default: return ERR_IO;
    }
}

static int refused(struct db *db, const char *what, struct error *e)
{
    int code = sqlite3_extended_errcode(db->handle);
    int r = meaning(code);
    return error_set(e, r ? r : ERR_IO, "database: %s: %s (%d)", what, sqlite3_errmsg(db->handle), code);
}

static int on_commit(void *arg, sqlite3 *handle, const char *name, int frames)
{
    (void)handle, (void)name;
    ((struct db *)arg)->wal_frames = frames;
    return SQLITE_OK;
}

static int prepare(struct db *db, const char *sql, sqlite3_stmt **out, struct error *e)
{
    if (sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) != SQLITE_OK)
        return refused(db, sql, e);
    for (int i = 1, n = sqlite3_bind_parameter_count(*out); i <= n; i++) {
        const char *name = sqlite3_bind_parameter_name(*out, i);
        char expected[16];
        snprintf(expected, sizeof expected, "$%d", i);
        if (!name || strcmp(name, expected) != 0)
            return error_set(e, ERR_SYNTAX, "database: parameter %d is %s in: %s", i, name ? name : "unnamed", sql);
    }
    return 0;
}

static int set_up(struct db *db, struct error *e)
{
    char cache[64];
    snprintf(cache, sizeof cache, "PRAGMA cache_size=-%d", db->role == DB_READER ? CACHE_READER_KIB : CACHE_WRITER_KIB);
    const char *pragmas[] = {
        cache, "PRAGMA mmap_size=0", "PRAGMA temp_store=MEMORY", "PRAGMA foreign_keys=ON", "PRAGMA trusted_schema=OFF",
        "PRAGMA secure_delete=OFF", "PRAGMA wal_autocheckpoint=0", "PRAGMA journal_mode=WAL",
        db->role == DB_INDEX ? "PRAGMA synchronous=NORMAL" : "PRAGMA synchronous=FULL",
    };
    for (size_t i = 0; i < sizeof pragmas / sizeof *pragmas; i++) {
        int r = db_exec(db, pragmas[i], e);
        if (r) return r;
    }
    if (db->role != DB_READER) sqlite3_wal_hook(db->handle, on_commit, db);
    int r = prepare(db, db->role == DB_READER ? "BEGIN" : "BEGIN IMMEDIATE", &db->begin, e);
    if (!r) r = prepare(db, "COMMIT", &db->commit, e);
    if (!r) r = prepare(db, "ROLLBACK", &db->rollback, e);
    return r;
}

/* Threads never share a connection, so SQLite's own mutexes can go, and nobody asks how much memory it has. */
void db_configure(void)
{
    sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

int db_open(const char *vfs, const char *name, enum db_role role, struct db **out, struct error *e)
{
    struct db *db = calloc(1, sizeof *db);
    if (!db) abort();
    db->role = role;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                (role == DB_READER ? 0 : SQLITE_OPEN_CREATE);
    int r = 0;
    if (sqlite3_open_v2(name, &db->handle, flags, vfs) != SQLITE_OK) r = refused(db, name, e);
    if (!r) sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (!r) r = set_up(db, e);
    if (r) {
        db_close(db);
        return r;
    }
    *out = db;
    return 0;
}

void db_close(struct db *db)
{
    if (!db) return;
    for (int i = 0; i < SQL_ALL; i++) sqlite3_finalize(db->statements[i]);
    sqlite3_finalize(db->begin);
    sqlite3_finalize(db->commit);
    sqlite3_finalize(db->rollback);
    sqlite3_close(db->handle);
    free(db);
}

/* One step, or the failure a test has asked for. */
static int step(struct db *db, sqlite3_stmt *s)
{
    if (db->fail_in > 0 && --db->fail_in == 0) return SQLITE_IOERR;
    return sqlite3_step(s);
}

static int run_plain(struct db *db, sqlite3_stmt *s, const char *what, struct error *e)
{
    db->run++;
    int code = step(db, s), r = 0;
    if (code != SQLITE_DONE && code != SQLITE_ROW)
        r = code == SQLITE_IOERR && sqlite3_errcode(db->handle) != SQLITE_IOERR
                ? error_set(e, ERR_IO, "database: %s: made to fail", what)
                : refused(db, what, e);
    sqlite3_reset(s);
    return r;
}

int db_exec(struct db *db, const char *sql, struct error *e)
{
    sqlite3_stmt *s = NULL;
    int r = sqlite3_prepare_v2(db->handle, sql, -1, &s, NULL) == SQLITE_OK ? 0 : refused(db, sql, e);
    if (!r) r = run_plain(db, s, sql, e);
    sqlite3_finalize(s);
    return r;
}

int db_exec_int(struct db *db, const char *sql, int64_t *out, struct error *e)
{
    sqlite3_stmt *s = NULL;
    int r = sqlite3_prepare_v2(db->handle, sql, -1, &s, NULL) == SQLITE_OK ? 0 : refused(db, sql, e);
    if (!r && step(db, s) != SQLITE_ROW) r = refused(db, sql, e);
    if (!r) *out = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return r;
}

int db_exec_rows(struct db *db, const char *sql, void (*fn)(struct str row, void *arg), void *arg, struct error *e)
{
    sqlite3_stmt *s = NULL;
    int r = sqlite3_prepare_v2(db->handle, sql, -1, &s, NULL) == SQLITE_OK ? 0 : refused(db, sql, e);
    int code = SQLITE_DONE;
    while (!r && (code = step(db, s)) == SQLITE_ROW)
        fn(str_of(sqlite3_column_blob(s, 0), (size_t)sqlite3_column_bytes(s, 0)), arg);
    if (!r && code != SQLITE_DONE) r = refused(db, sql, e);
    sqlite3_finalize(s);
    return r;
}

int db_begin(struct db *db, struct error *e) { return run_plain(db, db->begin, "BEGIN", e); }
int db_commit(struct db *db, struct error *e) { return run_plain(db, db->commit, "COMMIT", e); }
bool db_in_transaction(struct db *db) { return !sqlite3_get_autocommit(db->handle); }

void db_rollback(struct db *db)
{
    if (!db_in_transaction(db)) return;
    sqlite3_step(db->rollback);
    sqlite3_reset(db->rollback);
}

int db_checkpoint(struct db *db, bool *whole, struct error *e)
{
    int frames = 0, done = 0;
    int code = sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, &frames, &done);
    if (whole) *whole = code == SQLITE_OK && frames == done;
    return code == SQLITE_OK || code == SQLITE_BUSY ? 0 : refused(db, "checkpoint", e);
}

int64_t db_wal_frames(struct db *db) { return db->wal_frames; }
void db_interrupt(struct db *db) { sqlite3_interrupt(db->handle); }
void db_fail_at(struct db *db, int64_t nth_step) { db->fail_in = nth_step; }

struct db_stats db_stats(struct db *db)
{
    return (struct db_stats){.statements = db->run, .row_writes = sqlite3_total_changes64(db->handle)};
}

/* ---- one run of a statement ---- */

struct query db_query(struct db *db, enum sql sql)
{
    struct query q = {.db = db, .sql = sql};
    if (!db->statements[sql]) q.error = prepare(db, sql_text[sql], &db->statements[sql], NULL);
    if (q.error) {
        sqlite3_finalize(db->statements[sql]);
        db->statements[sql] = NULL;
    }
    q.statement = db->statements[sql];
    return q;
}

static void bound(struct query *q, int code)
{
    if (code != SQLITE_OK && !q->error) q->error = meaning(code);
}

void q_int(struct query *q, int64_t v) { bound(q, sqlite3_bind_int64(q->statement, ++q->bound, v)); }

void q_text(struct query *q, struct str s)
{
    bound(q, sqlite3_bind_text64(q->statement, ++q->bound, s.p ? s.p : "", s.n, SQLITE_STATIC, SQLITE_UTF8));
}

void q_bytes(struct query *q, struct str s)
{
    bound(q, sqlite3_bind_blob64(q->statement, ++q->bound, s.p ? s.p : "", s.n, SQLITE_STATIC));
}

void q_end(struct query *q)
{
    if (q->statement) sqlite3_reset(q->statement);
    q->bound = 0;
}

int q_row(struct query *q, struct error *e)
{
    if (q->error) {
        q_end(q);
        return error_set(e, q->error, "database: cannot run: %.200s", sql_text[q->sql]);
    }
    if (!sqlite3_stmt_busy(q->statement)) q->db->run++;
    int code = step(q->db, q->statement);
    if (code == SQLITE_ROW) return 1;
    int r = 0;
    if (code != SQLITE_DONE)
        r = error_set(e, meaning(code), "database: %s (%d) in: %.100s", sqlite3_errmsg(q->db->handle), code,
                      sql_text[q->sql]);
    q_end(q);
    q->error = r;
    return r;
}

int q_run(struct query *q, struct error *e)
{
    int r;
    while ((r = q_row(q, e)) > 0) continue;
    return r;
}

int64_t q_changed(struct query *q) { return sqlite3_changes64(q->db->handle); }
int64_t q_get_int(struct query *q, int column) { return sqlite3_column_int64(q->statement, column); }

struct str q_get(struct query *q, int column)
{
    const void *p = sqlite3_column_blob(q->statement, column);
    return str_of(p ? p : "", (size_t)sqlite3_column_bytes(q->statement, column));
}

int q_one_int(struct query *q, int64_t *out, struct error *e)
{
    int r = q_row(q, e);
    if (r == 0) return ERR_NOT_FOUND;
    if (r < 0) return r;
    *out = q_get_int(q, 0);
    q_end(q);
    return 0;
}

int db_prepare_all(struct db *db, struct error *e)
{
    for (int i = 0; i < SQL_COUNT; i++)
        if (!db->statements[i]) {
            int r = prepare(db, sql_text[i], &db->statements[i], e);
            if (r) return r;
        }
    return 0;
}
