/* All tables (store.md, "Shape"), also those that later work fills, and the migrations between formats.
 *
 * Entries and mailboxes are not KEYED: their rows of up to 3.3 KB must lie inline in a page, which SQLite grants only
 * tables stored in the order of rows. */
#include "store/schema.h"

static const char *const format_1[] = {
    "CREATE TABLE setting (name TEXT PRIMARY KEY, value BYTES) KEYED",

    /* who there is */
    "CREATE TABLE tenant (id INT PRIMARY KEY, name TEXT) ROWS",
    "INSERT INTO tenant (id, name) VALUES (1, 'default')",
    /* kind: 1 tenant, 2 domain, 3 account */
    "CREATE TABLE limits (kind INT, owner INT, name TEXT, value INT, PRIMARY KEY (kind, owner, name)) KEYED",
    "CREATE TABLE domain (id INT PRIMARY KEY, tenant INT REFERENCES tenant, name TEXT UNIQUE, alias_of INT, "
    "catch_all_local TEXT, catch_all_domain TEXT) ROWS",
    /* kind: 1 account, 2 group; removed_at: a tombstone */
    "CREATE TABLE principal (id INT PRIMARY KEY, tenant INT REFERENCES tenant, kind INT, name BYTES, disabled INT, "
    "removed_at INT, created_at INT, quota INT, used_bytes INT, used_count INT, modseq INT, uid_validity INT, "
    "inbox INT) ROWS",
    /* kind: 1 an account's, 2 an alias */
    "CREATE TABLE address (id INT PRIMARY KEY, domain INT REFERENCES domain, local_key TEXT, local_shown TEXT, "
    "kind INT, principal INT, may_send INT, UNIQUE (domain, local_key, kind)) ROWS",
    "CREATE TABLE alias_target (address INT REFERENCES address, domain_key TEXT, local_key TEXT, domain_shown TEXT, "
    "local_shown TEXT, PRIMARY KEY (address, domain_key, local_key)) KEYED",
    "CREATE TABLE send_grant (principal INT REFERENCES principal, domain_key TEXT, local_key TEXT, "
    "PRIMARY KEY (principal, domain_key, local_key)) KEYED",
    /* kind: 1 password (data: crypt(3); scram: its keys) */
    "CREATE TABLE credential (id INT PRIMARY KEY, principal INT REFERENCES principal, kind INT, data BYTES, "
    "scram BYTES, name BYTES, scopes TEXT, created_at INT, last_used_at INT, expires_at INT) ROWS",
    "CREATE INDEX credential_principal ON credential (principal)",
    "CREATE TABLE submission (account INT PRIMARY KEY REFERENCES principal, hour_ends INT, hour INT, day_ends INT, "
    "day INT) ROWS",

    /* mailboxes; purpose: enum special_use; deleted_at: a tombstone; tail: the chunk of entries that still fills */
    "CREATE TABLE mailbox (id INT PRIMARY KEY, account INT REFERENCES principal, parent INT, name TEXT, purpose INT, "
    "uid_validity INT, created_modseq INT, deleted_at INT, uid_next INT, highest_modseq INT, messages INT, "
    "unseen INT, octets INT, tail BYTES, UNIQUE (account, parent, name, deleted_at)) ROWS",
    "CREATE TABLE keyword (mailbox INT REFERENCES mailbox, bit INT, name TEXT, PRIMARY KEY (mailbox, bit)) KEYED",
    "CREATE TABLE acl (mailbox INT REFERENCES mailbox, principal INT REFERENCES principal, rights TEXT, "
    "PRIMARY KEY (mailbox, principal)) KEYED",
    "CREATE TABLE entries (mailbox INT REFERENCES mailbox, chunk INT, modseq INT, packed BYTES, PRIMARY KEY (mailbox, "
    "chunk)) ROWS",
    /* kind: 1 entries of the mailbox `object` */
    "CREATE TABLE tombstone (account INT REFERENCES principal, modseq INT, kind INT, object INT, part INT, at INT, "
    "packed BYTES, PRIMARY KEY (account, modseq, kind, object, part)) KEYED",

    /* letters */
    "CREATE TABLE body (id INT PRIMARY KEY, sha256 BYTES, size INT, location BYTES, key_id INT, derived_version INT, "
    "sent_at INT, has_attachment INT, envelope BYTES, structure BYTES, preview BYTES) ROWS",
    "CREATE TABLE email (id INT PRIMARY KEY, account INT REFERENCES principal, thread INT, body INT REFERENCES body, "
    "size INT, received_at INT, saved_at INT, created_modseq INT, prefixes BYTES) ROWS",
    "CREATE INDEX email_body ON email (body)",
    "CREATE TABLE thread_ref (account INT REFERENCES principal, hash INT, thread INT, PRIMARY KEY (account, "
    "hash)) KEYED",
    /* sealed: 0 it is written, 1 it is not, 2 it is dead: no row names it, its file goes or is gone */
    "CREATE TABLE pack (id INT PRIMARY KEY, size INT, sealed INT) ROWS",

    /* what waits; kind: enum queue_kind */
    "CREATE TABLE queue_message (id INT PRIMARY KEY, body INT REFERENCES body, submitter INT, received_at INT, "
    "size INT, from_local BYTES, from_domain BYTES, envid BYTES, ret INT, needs_8bit INT, needs_utf8 INT, "
    "require_tls INT, prefix BYTES) ROWS",
    "CREATE INDEX queue_message_body ON queue_message (body)",
    "CREATE TABLE queue_recipient (message INT REFERENCES queue_message, number INT, kind INT, final_local BYTES, "
    "final_domain BYTES, original_local BYTES, original_domain BYTES, orcpt BYTES, notify INT, next_hop BYTES, "
    "not_before INT, due INT, expires INT, attempts INT, last_reply BYTES, lease_node INT, lease_until INT, "
    "fence INT, priority INT, held INT, PRIMARY KEY (message, number)) KEYED",
    "CREATE INDEX queue_due ON queue_recipient (due)",

    /* the record; a row also says what its commit must remember: the open pack's durable size, the last id given out */
    "CREATE TABLE trace (node INT, seq INT, session INT, message INT, pack INT, pack_size INT, last_id INT, "
    "salt BYTES, digest BYTES, chain BYTES, payload BYTES, PRIMARY KEY (node, seq)) KEYED",
    "CREATE INDEX trace_message ON trace (message) WHERE message <> 0",
    NULL,
};

/* Letters leave: what the relay must know of them, and in which order it asks for them. Held rows are no part of the
 * order within a next hop. */
static const char *const format_2[] = {
    "ALTER TABLE queue_message ADD COLUMN authenticated INT DEFAULT 0",
    "ALTER TABLE queue_message ADD COLUMN message_id BYTES DEFAULT EMPTY",
    "ALTER TABLE queue_message ADD COLUMN subject BYTES DEFAULT EMPTY",
    "ALTER TABLE queue_recipient DROP COLUMN kind",
    "ALTER TABLE queue_recipient ADD COLUMN recipient INT DEFAULT 0",
    "ALTER TABLE queue_recipient ADD COLUMN forwarded INT DEFAULT 0",
    "ALTER TABLE queue_recipient ADD COLUMN warned INT DEFAULT 0",
    "UPDATE queue_recipient SET recipient = number, next_hop = EMPTY", /* where to is decided anew */
    "DROP INDEX queue_due",
    "CREATE INDEX queue_due ON queue_recipient (held, due, message, number)",
    "CREATE INDEX queue_next_hop ON queue_recipient (next_hop, due, message, number) WHERE held = 0",

    /* where mail for others goes, and what the owner said of a next hop; tls: enum tls_policy */
    ("CREATE TABLE route (by_sender INT, name TEXT, target BYTES, tls INT, login BYTES, password BYTES, accept INT, "
     "PRIMARY KEY (by_sender, name)) KEYED"),

    /* the record's index, see trace_index.h */
    ("CREATE TABLE trace_segment (node INT, bucket INT, last_seq INT, first_seq INT, packed BYTES, "
     "PRIMARY KEY (node, bucket, last_seq)) ROWS"),

    "CREATE TABLE destination (name TEXT PRIMARY KEY, suspended INT, per_hour INT) KEYED",
    NULL,
};

/* Letters are read: what IMAP keeps of mailboxes. */
static const char *const format_3[] = {
    "ALTER TABLE mailbox ADD COLUMN deleted INT DEFAULT 0",   /* letters marked as deleted */
    "ALTER TABLE mailbox ADD COLUMN recent_uid INT DEFAULT 1", /* the first no session was told of */
    /* kind 3: whoever can log in (RFC 4314 §2, "anyone") */
    ("INSERT INTO principal (id, tenant, kind, name, disabled, removed_at, created_at, quota, used_bytes, used_count, "
     "modseq, uid_validity, inbox) VALUES (2, 1, 3, EMPTY, 1, 0, 0, 0, 0, 0, 1, 1, 0)"),
    "CREATE TABLE subscription (account INT REFERENCES principal, name TEXT, PRIMARY KEY (account, name)) KEYED",
    "INSERT INTO subscription (account, name) SELECT account, name FROM mailbox WHERE parent = 0 AND deleted_at = 0",
    /* mailbox 0: the server's; owner 0: everybody's ("/shared/") */
    "CREATE TABLE metadata (mailbox INT, owner INT, name TEXT, value BYTES, PRIMARY KEY (mailbox, owner, name)) KEYED",
    "CREATE INDEX metadata_owner ON metadata (owner)",
    "CREATE INDEX acl_principal ON acl (principal)",
    /* when UIDs came by COPY or MOVE; others came when their email was saved */
    ("CREATE TABLE arrival (mailbox INT REFERENCES mailbox, last_uid INT, first_uid INT, at INT, "
     "PRIMARY KEY (mailbox, last_uid)) KEYED"),
    /* letters that COPY gave more than one entry: how many more, expunged ones that are remembered included */
    "CREATE TABLE email_shared (email INT PRIMARY KEY REFERENCES email, more INT) KEYED",
    "ALTER TABLE mailbox ADD COLUMN forgotten_modseq INT DEFAULT 0", /* what was expunged up to here is not known */
    "CREATE INDEX mailbox_deleted ON mailbox (deleted_at) WHERE deleted_at <> 0",
    NULL,
};

/* Quotas of letters. */
static const char *const format_4[] = {
    "ALTER TABLE principal ADD COLUMN quota_count INT DEFAULT 0", /* letters; 0: any number */
    NULL,
};

/* Expunged letters count, and are brought back as they were: what was expunged before does not, and is not. */
static const char *const format_5[] = {
    "ALTER TABLE principal ADD COLUMN kept_bytes INT DEFAULT 0",
    "ALTER TABLE principal ADD COLUMN kept_count INT DEFAULT 0",
    "ALTER TABLE tombstone ADD COLUMN kept INT DEFAULT 0", /* see chunk.h */
    /* of a deleted mailbox: letters that count, none once they are being collected */
    "UPDATE mailbox SET messages = 0, unseen = 0, octets = 0, deleted = 0 WHERE deleted_at <> 0",
    NULL,
};

/* What is old enough to be collected is found at once, among millions that are not. */
static const char *const format_6[] = {
    "CREATE INDEX tombstone_at ON tombstone (at)",
    "CREATE INDEX principal_removed ON principal (removed_at) WHERE removed_at <> 0 AND inbox <> 0",
    NULL,
};

/* Mailboxes deleted from above others leave a name. */
static const char *const format_7[] = {
    "ALTER TABLE mailbox ADD COLUMN level INT DEFAULT 0", /* 1: no mailbox, only a level above mailboxes */
    NULL,
};

const struct migration schema_migrations[SCHEMA_VERSION] = {
    {1, format_1}, {2, format_2}, {3, format_3}, {4, format_4}, {5, format_5}, {6, format_6}, {7, format_7}};

/* ---- the engines' words ---- */

static const struct word {
    struct str word, in[2]; /* by enum schema_engine */
} words[] = {
    {S_INIT("INT"), {S_INIT("INTEGER NOT NULL"), S_INIT("BIGINT NOT NULL")}},
    {S_INIT("TEXT"), {S_INIT("TEXT NOT NULL"), S_INIT("TEXT COLLATE \"C\" NOT NULL")}},
    {S_INIT("BYTES"), {S_INIT("BLOB NOT NULL"), S_INIT("BYTEA NOT NULL")}},
    {S_INIT("EMPTY"), {S_INIT("x''"), S_INIT("''")}},
    {S_INIT("ROWS"), {S_INIT("STRICT"), S_INIT("")}},
    {S_INIT("KEYED"), {S_INIT("STRICT, WITHOUT ROWID"), S_INIT("")}},
};

static struct str in_words_of(struct str word, enum schema_engine engine)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_eq(word, words[i].word)) return words[i].in[engine];
    return word;
}

void schema_put(struct buf *b, const char *statement, enum schema_engine engine)
{
    for (struct str rest = str_c(statement); rest.n > 0;) {
        size_t n = 0;
        while (n < rest.n && (ch_alnum((unsigned char)rest.p[n]) || rest.p[n] == '_')) n++;
        if (n == 0) n = 1; /* not a word */
        buf_add(b, in_words_of(str_head(rest, n), engine));
        rest = str_skip(rest, n);
    }
}

/* ---- migrations ---- */

/* Made before all formats, so that any Penny Post can tell what it has before it. */
static const char format_table[] = "CREATE TABLE IF NOT EXISTS format (id INT PRIMARY KEY, version INT) ROWS";

static int run(struct db *db, const char *statement, struct error *e)
{
    struct buf b = BUF(1 << 16);
    schema_put(&b, statement, SCHEMA_SQLITE);
    buf_char(&b, '\0');
    int r = db_exec(db, b.p, e);
    buf_free(&b);
    return r;
}

int schema_version(struct db *db, int *version, struct error *e)
{
    int64_t v = 0;
    int r = run(db, format_table, e);
    if (!r) r = db_exec_int(db, "SELECT COALESCE(MAX(version), 0) FROM format", &v, e);
    if (!r) *version = (int)v;
    return r;
}

static int apply(struct db *db, const struct migration *m, struct error *e)
{
    int r = 0;
    for (size_t i = 0; !r && m->statements[i]; i++) r = run(db, m->statements[i], e);
    if (!r) r = run(db, "DELETE FROM format", e);
    struct buf b = BUF(100);
    buf_printf(&b, "INSERT INTO format (id, version) VALUES (1, %d)", m->version);
    buf_char(&b, '\0');
    if (!r) r = run(db, b.p, e);
    buf_free(&b);
    return r;
}

int schema_migrate(struct db *db, const struct migration *m, size_t n, struct error *e)
{
    int have = 0, r = db_begin(db, e);
    if (r) return r;
    r = schema_version(db, &have, e);
    if (!r && have > m[n - 1].version)
        r = error_set(e, ERR_TOO_NEW, "the store has format %d, this Penny Post knows up to %d", have,
                      m[n - 1].version);
    for (size_t i = 0; !r && i < n; i++)
        if (m[i].version > have) r = apply(db, &m[i], e);
    if (!r) r = db_commit(db, e);
    if (r) db_rollback(db);
    return r;
}
