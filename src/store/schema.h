/* The shape of the database: one text for SQLite and PostgreSQL, and how one format becomes the next.
 *
 * The types are macros' arguments: ID (64-bit integer), TEXT (valid UTF-8 without NUL, compared by bytes), BYTES. Keys are NOT NULL,
 * booleans 0 or 1, "none" is 0 or empty. */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

#include "store/db.h"

enum { SCHEMA_VERSION = 1 };

struct migration {
    int version;                   /* the format it makes */
    const char *const *statements; /* in order, ends with NULL */
};

/* Brings the database to the last of the n migrations (ascending versions), in one transaction; an empty one gets them all.
 * 0; ERR_TOO_NEW: it was written by a later Penny Post. */
int schema_migrate(struct db *db, const struct migration *m, size_t n, struct error *e);
int schema_version(struct db *db, int *version, struct error *e); /* 0: empty */

extern const struct migration schema_sqlite[SCHEMA_VERSION];
extern const struct migration schema_postgres[SCHEMA_VERSION]; /* the same text, for the check that PostgreSQL takes it */

#endif
