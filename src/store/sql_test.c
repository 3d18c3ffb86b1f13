/* Every statement can be prepared on SQLite, those over many rows go by an index, and all keep to the rules of "One SQL
 * for two engines" (store.md). With the argument `postgresql` the program writes the schema and all statements for psql
 * instead; tests/store/run feeds them to a server. */
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

#include "store/schema.h"
#include "store/testing.h"

/* ---- the rules ---- */

static bool is_word(char c) { return ch_alnum((unsigned char)c) || c == '_'; }

/* The word as SQL reads it, not inside a name. */
static bool has_word(const char *sql, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = sql; *p; p++)
        if (str_ieq(str_of(p, strnlen(p, n)), str_c(word)) && (p == sql || !is_word(p[-1])) && !is_word(p[n]))
            return true;
    return false;
}

static void check_rules(const char *sql)
{
    static const char *const forbidden[] = {"LIKE",      "NOCASE",   "rowid",      "AUTOINCREMENT", "CURRENT_TIMESTAMP",
                                            "random",    "GLOB",     "OR REPLACE", "OR IGNORE",     "REPLACE INTO",
                                            "julianday", "strftime", "IFNULL",     "group_concat",  "?",
                                            "1=1"};
    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++)
        if (has_word(sql, forbidden[i])) fail_msg("%s in: %s", forbidden[i], sql);
    if (has_word(sql, "INSERT") && has_word(sql, "SELECT") && has_word(sql, "CONFLICT") && !strstr(sql, "WHERE"))
        fail_msg("INSERT … SELECT … ON CONFLICT needs WHERE true: %s", sql);
    int highest = 0;
    for (const char *p = strchr(sql, '$'); p; p = strchr(p + 1, '$')) {
        int number = atoi(p + 1);
        assert_true(number >= 1 && number <= highest + 1); /* first appearing in ascending order */
        if (number > highest) highest = number;
    }
}

static void test_rules(void **state)
{
    (void)state;
    for (int i = 0; i < SQL_COUNT; i++) {
        assert_non_null(sql_text[i]);
        check_rules(sql_text[i]);
    }
    for (int m = 0; m < SCHEMA_VERSION; m++)
        for (size_t i = 0; schema_migrations[m].statements[i]; i++) check_rules(schema_migrations[m].statements[i]);
    assert_true(has_word("a LIKE b", "like") && !has_word("alike", "like"));
}

/* ---- on SQLite ---- */

struct place {
    struct world *world;
    struct store_vfs *vfs;
    char folder[64];
};

static int set_up(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    strcpy(p->folder, "/tmp/penny-sql-XXXXXX");
    if (!p || !mkdtemp(p->folder)) return -1;
    p->world = world_real(1);
    *state = p;
    return store_vfs_register(p->world, p->folder, &p->vfs, NULL);
}

static int tear_down(void **state)
{
    struct place *p = *state;
    char remove[96];
    snprintf(remove, sizeof remove, "rm -r %s", p->folder);
    store_vfs_unregister(p->vfs);
    world_free(p->world);
    free(p);
    return system(remove);
}

static struct db *open_db(struct place *p)
{
    struct error e = {0};
    struct db *db;
    ok(db_open(store_vfs_name(p->vfs), "penny.db", DB_WRITER, &db, &e), &e);
    return db;
}

static void test_prepare(void **state)
{
    struct error e = {0};
    struct db *db = open_db(*state);
    ok(schema_migrate(db, schema_migrations, SCHEMA_VERSION, &e), &e);
    ok(db_prepare_all(db, &e), &e);
    db_close(db);
}

/* ---- migrations ---- */

static const char *const make_a[] = {"CREATE TABLE a (x INT) ROWS", "INSERT INTO a (x) VALUES (1)", NULL};
static const char *const a_to_b[] = {"CREATE TABLE b (y INT) ROWS", "INSERT INTO b (y) SELECT x + 1 FROM a",
                                     NULL};
static const char *const b_to_c[] = {"DROP TABLE a", NULL};
static const char *const broken[] = {"DELETE FROM b", "no SQL at all", NULL};
static const struct migration three[] = {{1, make_a}, {2, a_to_b}, {3, b_to_c}},
                              wrong[] = {{1, make_a}, {2, a_to_b}, {3, broken}};

static void test_migrations(void **state)
{
    struct error e = {0};
    struct db *db = open_db(*state);
    int version = -1;
    int64_t y = 0;
    ok(schema_migrate(db, three, 1, &e), &e); /* as an older Penny Post left it */
    ok(schema_version(db, &version, &e), &e);
    assert_int_equal(version, 1);
    assert_int_not_equal(schema_migrate(db, wrong, 3, &e), 0); /* all of it or nothing */
    ok(schema_version(db, &version, &e), &e);
    assert_int_equal(version, 1);
    ok(schema_migrate(db, three, 3, &e), &e);
    ok(schema_migrate(db, three, 3, &e), &e);
    ok(schema_version(db, &version, &e), &e);
    assert_int_equal(version, 3);
    ok(db_exec_int(db, "SELECT y FROM b", &y, &e), &e);
    assert_int_equal(y, 2);
    assert_int_equal(schema_migrate(db, three, 2, &e), ERR_TOO_NEW); /* as a newer one left it */
    assert_true(strstr(e.text, "format 3") != NULL);
    db_close(db);
}

/* ---- by index ---- */

static void run_plain(sqlite3 *db, const char *sql)
{
    struct buf b = BUF(1 << 16);
    schema_put(&b, sql, SCHEMA_SQLITE);
    buf_char(&b, 0);
    if (sqlite3_exec(db, b.p, NULL, NULL, NULL) != SQLITE_OK) fail_msg("%s: %s", sqlite3_errmsg(db), b.p);
    buf_free(&b);
}

/* Neither looks at every row nor sorts. */
static void check_plan(sqlite3 *db, const char *sql, bool may_sort)
{
    sqlite3_stmt *plan;
    struct buf b = BUF(1 << 16);
    buf_printf(&b, "EXPLAIN QUERY PLAN %s", sql);
    buf_char(&b, 0);
    assert_int_equal(sqlite3_prepare_v2(db, b.p, -1, &plan, NULL), SQLITE_OK);
    while (sqlite3_step(plan) == SQLITE_ROW) {
        struct str step = str_c((const char *)sqlite3_column_text(plan, 3));
        if ((str_starts(step, S("SCAN ")) && !str_eq(step, S("SCAN CONSTANT ROW"))) ||
            (str_starts(step, S("USE TEMP B-TREE")) && !may_sort) || str_ends(step, S(" USING PRIMARY KEY")))
            fail_msg("%.*s in: %s", STR_FMT(step), sql);
    }
    sqlite3_finalize(plan);
    buf_free(&b);
}

static bool is_one_of(int statement, const enum sql *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (v[i] == (enum sql)statement) return true;
    return false;
}

/* A million letters may wait or be remembered, and the record is longer than that (store.md, "Shape"). */
static void test_plans(void **state)
{
    (void)state;
    static const enum sql whole[] = {
        /* what memory keeps, when the store is opened; packs are as many as files */
        SQL_DOMAINS, SQL_ACCOUNTS, SQL_ADDRESSES, SQL_TARGETS, SQL_CREDENTIALS, SQL_GRANTS, SQL_SUBMISSIONS, SQL_ROUTES,
        SQL_DESTINATIONS, SQL_PACKS, SQL_PACKS_FORGET, SQL_COUNT_LETTERS, SQL_COUNT_QUEUE,
        /* by hand, and seldom */
        SQL_ADDRESSES_DELETE, SQL_GRANTS_OF_DOMAIN_DELETE};
    /* they sort what there is of one account, mailbox or principal */
    static const enum sql sorting[] = {
        SQL_MAILBOXES, SQL_MAILBOX_BY_USE, SQL_MAILBOX_ID_BY_USE, SQL_MAILBOXES_DELETED, SQL_ACLS_OF_PRINCIPAL,
        SQL_METADATA, SQL_TOMBSTONES_BACK, SQL_VANISHED, SQL_CHECK_MAILBOXES,
        SQL_CHECK_TOMBSTONES};
    sqlite3 *db;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    for (int m = 0; m < SCHEMA_VERSION; m++)
        for (size_t i = 0; schema_migrations[m].statements[i]; i++) run_plain(db, schema_migrations[m].statements[i]);
    for (int i = 0; i < SQL_COUNT; i++)
        if (!is_one_of(i, whole, sizeof whole / sizeof *whole))
            check_plan(db, sql_text[i], is_one_of(i, sorting, sizeof sorting / sizeof *sorting));
    sqlite3_close(db);
}

/* ---- for PostgreSQL ---- */

static int write_for_psql(void)
{
    struct buf b = BUF(1 << 20);
    for (int m = 0; m < SCHEMA_VERSION; m++)
        for (size_t i = 0; schema_migrations[m].statements[i]; i++) {
            schema_put(&b, schema_migrations[m].statements[i], SCHEMA_POSTGRESQL);
            buf_lit(&b, ";\n");
        }
    printf("%.*s", STR_FMT(buf_str(&b)));
    buf_free(&b);
    for (int i = 0; i < SQL_COUNT; i++) printf("PREPARE s%d AS %s;\n", i, sql_text[i]);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "postgresql") == 0) return write_for_psql();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test_setup_teardown(test_prepare, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_migrations, set_up, tear_down),
        cmocka_unit_test(test_plans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
