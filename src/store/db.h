/* One connection to the database and its prepared statements: all that the store knows of SQLite, in one place.
 *
 * Every statement of sql.h is prepared once per connection, when it is first used. The database's refusals come as enum
 * err: ERR_NO_SPACE (full), ERR_IO, ERR_CORRUPT, ERR_BUSY (another process has it), ERR_CONFLICT (a constraint). */
#ifndef STORE_DB_H
#define STORE_DB_H

#include "base/arena.h"
#include "store/sql.h"

struct db;

/* Before anything else of SQLite runs in the process; later calls change nothing. */
void db_configure(void);

enum db_role {
    DB_WRITER,
    DB_READER,
    DB_INDEX, /* writes what can be made anew: a power cut may take the last commits, but damages nothing */
};
int db_open(const char *vfs, const char *name, enum db_role role, struct db **out, struct error *e);
void db_close(struct db *db); /* no last checkpoint, the WAL stays; NULL is fine */

/* Text that is not in the table: migrations, pragmas. NUL-terminated; one row's first column is the int. */
int db_exec(struct db *db, const char *sql, struct error *e);
int db_exec_int(struct db *db, const char *sql, int64_t *out, struct error *e);
/* All rows' first columns as text, to fn. */
int db_exec_rows(struct db *db, const char *sql, void (*fn)(struct str row, void *arg), void *arg, struct error *e);

/* Transactions. begin of a writer locks at once; a reader's sees one state of things until its end. */
int db_begin(struct db *db, struct error *e);
int db_commit(struct db *db, struct error *e);
void db_rollback(struct db *db); /* nothing to do is fine */
bool db_in_transaction(struct db *db);

/* Writes what is committed from the WAL into the database as far as readers allow. *whole: all of it. */
int db_checkpoint(struct db *db, bool *whole, struct error *e);
int64_t db_wal_frames(struct db *db); /* after the last commit of this connection */
void db_interrupt(struct db *db);     /* any thread: the statement that runs ends with ERR_CANCELLED */

struct db_stats {
    int64_t statements, row_writes;
};
struct db_stats db_stats(struct db *db);
void db_fail_at(struct db *db, int64_t nth_step); /* for tests: that step from now fails with ERR_IO, 0 = none */

/* One run of a statement: bind the parameters in order, then q_run(), or q_row() until it says 0; q_end() in between.
 * Slices bound must live until the end; slices read live until the next q_row() or the end. Errors are sticky and told
 * once, by run or row. */
struct query {
    struct db *db;
    void *statement;
    enum sql sql;
    int bound, error;
};
struct query db_query(struct db *db, enum sql sql);
void q_int(struct query *q, int64_t v);
void q_text(struct query *q, struct str s);
void q_bytes(struct query *q, struct str s);
int q_row(struct query *q, struct error *e); /* 1 there is a row, 0 no more (and ended), or an error (and ended) */
void q_end(struct query *q);
int q_run(struct query *q, struct error *e);   /* to the end: 0 or an error */
int64_t q_changed(struct query *q);            /* rows written by the last q_run() on this connection */
int64_t q_get_int(struct query *q, int column);
struct str q_get(struct query *q, int column); /* text or bytes */

/* A statement that gives one row of one number: 0, ERR_NOT_FOUND or another error. Ends the query. */
int q_one_int(struct query *q, int64_t *out, struct error *e);

/* Prepares all statements, to see that they can be. */
int db_prepare_all(struct db *db, struct error *e);

#endif
