/* The shape of the database: one text for SQLite and PostgreSQL, and how one format becomes the next.
 *
 * The text is SQL but for these words, which stand for what each engine calls it; all columns are NOT NULL, booleans 0
 * or 1, "none" is 0 or empty:
 *
 *     INT     64-bit integer                          ROWS    after a table: in the order rows are added
 *     TEXT    UTF-8 without NUL, compared by bytes    KEYED   after a table: stored by its primary key; for rows that
 *     BYTES   anything                                        are small, or appended in order
 *     EMPTY   no bytes, as a default */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

#include "base/buf.h"
#include "store/db.h"

enum { SCHEMA_VERSION = 7 };

enum schema_engine { SCHEMA_SQLITE, SCHEMA_POSTGRESQL };

/* Appends the statement in the engine's words. */
void schema_put(struct buf *b, const char *statement, enum schema_engine engine);

struct migration {
    int version;                   /* the format it makes */
    const char *const *statements; /* in order, ends with NULL */
};
extern const struct migration schema_migrations[SCHEMA_VERSION];

/* Brings the database to the last of the n migrations (ascending versions), in one transaction; an empty one gets them
 * all. 0; ERR_TOO_NEW: it was written by a later Penny Post. */
int schema_migrate(struct db *db, const struct migration *m, size_t n, struct error *e);
int schema_version(struct db *db, int *version, struct error *e); /* 0: empty */

#endif
