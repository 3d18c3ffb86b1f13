/* All tables (store.md, "Shape"), also those that later work fills, and the migrations between formats.
 *
 * Told apart for SQLite: KEYED, a table stored by its primary key, for rows that are small or appended in order. Entries and
 * mailboxes are not KEYED: their rows of up to 3.3 KB must lie inline in a page, which SQLite grants only tables by rowid. */
#include "store/schema.h"

#include <stdio.h>

#define FORMAT_1(ID, TEXT, BYTES, END, KEYED)                                                                                    \
    "CREATE TABLE setting (name " TEXT " NOT NULL PRIMARY KEY, value " BYTES " NOT NULL" KEYED,                                   \
                                                                                                                                 \
        /* who there is */                                                                                                       \
        "CREATE TABLE tenant (id " ID " NOT NULL PRIMARY KEY, name " TEXT " NOT NULL" END,                                        \
        "CREATE TABLE limits (kind " ID " NOT NULL, owner " ID " NOT NULL, name " TEXT " NOT NULL, value " ID " NOT NULL, "       \
        "PRIMARY KEY (kind, owner, name)" KEYED, /* kind: 1 tenant, 2 domain, 3 account */                                       \
        "CREATE TABLE domain (id " ID " NOT NULL PRIMARY KEY, tenant " ID " NOT NULL REFERENCES tenant, name " TEXT               \
        " NOT NULL UNIQUE, alias_of " ID " NOT NULL, catch_all_local " TEXT " NOT NULL, catch_all_domain " TEXT " NOT NULL" END,   \
        "CREATE TABLE principal (id " ID " NOT NULL PRIMARY KEY, tenant " ID " NOT NULL REFERENCES tenant, kind " ID              \
        " NOT NULL, name " BYTES " NOT NULL, disabled " ID " NOT NULL, removed_at " ID " NOT NULL, created_at " ID                \
        " NOT NULL, quota " ID " NOT NULL, used_bytes " ID " NOT NULL, used_count " ID " NOT NULL, modseq " ID                    \
        " NOT NULL, uid_validity " ID " NOT NULL, inbox " ID " NOT NULL" END, /* kind: 1 account, 2 group */                    \
        "CREATE TABLE address (id " ID " NOT NULL PRIMARY KEY, domain " ID " NOT NULL REFERENCES domain, local_key " TEXT         \
        " NOT NULL, local_shown " TEXT " NOT NULL, kind " ID " NOT NULL, principal " ID " NOT NULL, may_send " ID                 \
        " NOT NULL, UNIQUE (domain, local_key, kind)" END, /* kind: 1 account's, 2 alias */                                      \
        "CREATE TABLE alias_target (address " ID " NOT NULL REFERENCES address, domain_key " TEXT " NOT NULL, local_key " TEXT    \
        " NOT NULL, domain_shown " TEXT " NOT NULL, local_shown " TEXT " NOT NULL, "                                             \
        "PRIMARY KEY (address, domain_key, local_key)" KEYED,                                                                    \
        "CREATE TABLE send_grant (principal " ID " NOT NULL REFERENCES principal, domain_key " TEXT " NOT NULL, local_key " TEXT  \
        " NOT NULL, PRIMARY KEY (principal, domain_key, local_key)" KEYED,                                                       \
        "CREATE TABLE credential (id " ID " NOT NULL PRIMARY KEY, principal " ID " NOT NULL REFERENCES principal, kind " ID       \
        " NOT NULL, data " BYTES " NOT NULL, scram " BYTES " NOT NULL, name " BYTES " NOT NULL, scopes " TEXT                     \
        " NOT NULL, created_at " ID " NOT NULL, last_used_at " ID " NOT NULL, expires_at " ID " NOT NULL" END,                    \
        "CREATE INDEX credential_principal ON credential (principal)",                                                           \
        "CREATE TABLE submission (account " ID " NOT NULL PRIMARY KEY REFERENCES principal, hour_ends " ID " NOT NULL, hour " ID  \
        " NOT NULL, day_ends " ID " NOT NULL, day " ID " NOT NULL" END,                                                          \
                                                                                                                                 \
        /* mailboxes; use: enum special_use; deleted_at: a tombstone */                                                          \
        "CREATE TABLE mailbox (id " ID " NOT NULL PRIMARY KEY, account " ID " NOT NULL REFERENCES principal, parent " ID          \
        " NOT NULL, name " TEXT " NOT NULL, purpose " ID " NOT NULL, uid_validity " ID " NOT NULL, created_modseq " ID            \
        " NOT NULL, deleted_at " ID " NOT NULL, uid_next " ID " NOT NULL, highest_modseq " ID " NOT NULL, messages " ID           \
        " NOT NULL, unseen " ID " NOT NULL, octets " ID " NOT NULL, tail " BYTES                                                 \
        " NOT NULL, UNIQUE (account, parent, name, deleted_at)" END,                                                             \
        "CREATE TABLE keyword (mailbox " ID " NOT NULL REFERENCES mailbox, bit " ID " NOT NULL, name " TEXT                       \
        " NOT NULL, PRIMARY KEY (mailbox, bit)" KEYED,                                                                           \
        "CREATE TABLE acl (mailbox " ID " NOT NULL REFERENCES mailbox, principal " ID " NOT NULL REFERENCES principal, rights "   \
        TEXT " NOT NULL, PRIMARY KEY (mailbox, principal)" KEYED,                                                                \
        "CREATE TABLE entries (mailbox " ID " NOT NULL REFERENCES mailbox, chunk " ID " NOT NULL, modseq " ID " NOT NULL, "       \
        "packed " BYTES " NOT NULL, PRIMARY KEY (mailbox, chunk)" END,                                                           \
        "CREATE TABLE tombstone (account " ID " NOT NULL REFERENCES principal, modseq " ID " NOT NULL, kind " ID                  \
        " NOT NULL, object " ID " NOT NULL, part " ID " NOT NULL, at " ID " NOT NULL, packed " BYTES                             \
        " NOT NULL, PRIMARY KEY (account, modseq, kind, object, part)" KEYED, /* kind: 1 entries of mailbox `object` */          \
                                                                                                                                 \
        /* letters */                                                                                                            \
        "CREATE TABLE body (id " ID " NOT NULL PRIMARY KEY, sha256 " BYTES " NOT NULL, size " ID " NOT NULL, location " BYTES     \
        " NOT NULL, key_id " ID " NOT NULL, derived_version " ID " NOT NULL, sent_at " ID " NOT NULL, has_attachment " ID         \
        " NOT NULL, envelope " BYTES " NOT NULL, structure " BYTES " NOT NULL, preview " BYTES " NOT NULL" END,                   \
        "CREATE TABLE email (id " ID " NOT NULL PRIMARY KEY, account " ID " NOT NULL REFERENCES principal, thread " ID            \
        " NOT NULL, body " ID " NOT NULL REFERENCES body, size " ID " NOT NULL, received_at " ID " NOT NULL, saved_at " ID        \
        " NOT NULL, created_modseq " ID " NOT NULL, prefixes " BYTES " NOT NULL" END,                                            \
        "CREATE TABLE thread_ref (account " ID " NOT NULL REFERENCES principal, hash " ID " NOT NULL, thread " ID                 \
        " NOT NULL, PRIMARY KEY (account, hash)" KEYED,                                                                          \
        "CREATE TABLE pack (id " ID " NOT NULL PRIMARY KEY, size " ID " NOT NULL, sealed " ID " NOT NULL" END,                    \
                                                                                                                                 \
        /* what waits; kind: enum queue_kind */                                                                                  \
        "CREATE TABLE queue_message (id " ID " NOT NULL PRIMARY KEY, body " ID " NOT NULL REFERENCES body, submitter " ID         \
        " NOT NULL, received_at " ID " NOT NULL, size " ID " NOT NULL, from_local " BYTES " NOT NULL, from_domain " BYTES         \
        " NOT NULL, envid " BYTES " NOT NULL, ret " ID " NOT NULL, needs_8bit " ID " NOT NULL, needs_utf8 " ID                    \
        " NOT NULL, require_tls " ID " NOT NULL, prefix " BYTES " NOT NULL" END,                                                 \
        "CREATE TABLE queue_recipient (message " ID " NOT NULL REFERENCES queue_message, number " ID " NOT NULL, kind " ID        \
        " NOT NULL, final_local " BYTES " NOT NULL, final_domain " BYTES " NOT NULL, original_local " BYTES                      \
        " NOT NULL, original_domain " BYTES " NOT NULL, orcpt " BYTES " NOT NULL, notify " ID " NOT NULL, next_hop " BYTES        \
        " NOT NULL, not_before " ID " NOT NULL, due " ID " NOT NULL, expires " ID " NOT NULL, attempts " ID                      \
        " NOT NULL, last_reply " BYTES " NOT NULL, lease_node " ID " NOT NULL, lease_until " ID " NOT NULL, fence " ID            \
        " NOT NULL, priority " ID " NOT NULL, held " ID " NOT NULL, PRIMARY KEY (message, number)" KEYED,                        \
        "CREATE INDEX queue_due ON queue_recipient (due)",                                                                       \
                                                                                                                                 \
        /* the record; each row also says what its commit must remember: the open pack's durable size, the last id given out */  \
        "CREATE TABLE trace (node " ID " NOT NULL, seq " ID " NOT NULL, session " ID " NOT NULL, message " ID " NOT NULL, "       \
        "pack " ID " NOT NULL, pack_size " ID " NOT NULL, last_id " ID " NOT NULL, salt " BYTES " NOT NULL, digest " BYTES        \
        " NOT NULL, chain " BYTES " NOT NULL, payload " BYTES " NOT NULL, PRIMARY KEY (node, seq)" KEYED,                        \
        "CREATE INDEX trace_message ON trace (message) WHERE message <> 0",                                                      \
                                                                                                                                 \
        "INSERT INTO tenant (id, name) VALUES (1, 'default')", NULL

static const char *const format_1_sqlite[] = {FORMAT_1("INTEGER", "TEXT", "BLOB", ") STRICT", ") STRICT, WITHOUT ROWID")};
static const char *const format_1_postgres[] = {FORMAT_1("BIGINT", "TEXT COLLATE \"C\"", "BYTEA", ")", ")")};

const struct migration schema_sqlite[SCHEMA_VERSION] = {{1, format_1_sqlite}};
const struct migration schema_postgres[SCHEMA_VERSION] = {{1, format_1_postgres}};

/* Made before all formats, so that any Penny Post can tell what it has before it. */
static const char format_table[] = "CREATE TABLE IF NOT EXISTS format (id BIGINT NOT NULL PRIMARY KEY, version BIGINT NOT NULL)";

int schema_version(struct db *db, int *version, struct error *e)
{
    int64_t v = 0;
    int r = db_exec(db, format_table, e);
    if (!r) r = db_exec_int(db, "SELECT COALESCE(MAX(version), 0) FROM format", &v, e);
    if (!r) *version = (int)v;
    return r;
}

static int apply(struct db *db, const struct migration *m, struct error *e)
{
    int r = 0;
    for (size_t i = 0; !r && m->statements[i]; i++) r = db_exec(db, m->statements[i], e);
    if (!r) r = db_exec(db, "DELETE FROM format", e);
    if (r) return r;
    char sql[80];
    snprintf(sql, sizeof sql, "INSERT INTO format (id, version) VALUES (1, %d)", m->version);
    return db_exec(db, sql, e);
}

int schema_migrate(struct db *db, const struct migration *m, size_t n, struct error *e)
{
    int have = 0, r = db_begin(db, e);
    if (r) return r;
    r = schema_version(db, &have, e);
    if (!r && have > m[n - 1].version)
        r = error_set(e, ERR_TOO_NEW, "the store has format %d, this Penny Post knows up to %d", have, m[n - 1].version);
    for (size_t i = 0; !r && i < n; i++)
        if (m[i].version > have) r = apply(db, &m[i], e);
    if (!r) r = db_commit(db, e);
    if (r) db_rollback(db);
    return r;
}
