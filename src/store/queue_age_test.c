/* Letters that wait while things happen to the store: a damaged record, a stop, a newer Penny Post. In the simulated
 * world, each test twice. */
#include "base/codec.h"
#include "mail/limits.h"
#include "store/schema.h"
#include "store/testing.h"

static const struct queue_filter everything = {0};
static const struct queue_place beginning = {0};

static FIBER void damage(struct testing *t, const struct letter *l)
{
    struct error e = {0};
    struct file *f;
    char path[100], byte;
    struct buf b = BUF_OVER(path);
    buf_printf(&b, "%s/packs/", t->folder);
    id_put(&b, l->place.pack);
    buf_add(&b, str_of(".pack", sizeof ".pack"));
    ok(file_open(t->world, path, FILE_WRITE, &f, &e), &e);
    struct str record = str_of(arena_alloc(t->arena, 4096), 4096); /* the first of its text, behind the envelope */
    int64_t got = file_read(f, (char *)(uintptr_t)record.p, record.n, l->place.offset, &e);
    assert_true(got > 0);
    size_t at = str_find(str_head(record, (size_t)got), S("Subject: "));
    assert_true(at < (size_t)got);
    byte = (char)(record.p[at] ^ 1);
    ok(file_write(f, &byte, 1, l->place.offset + (int64_t)at, &e), &e);
    file_close(f);
}

/* A record that cannot be read is one letter's misfortune. */
static FIBER void corrupt(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    struct queue_letter l[3];
    struct str bytes;
    int64_t id[3];
    for (int i = 0; i < 3; i++) {
        id[i] = queued_accept(t, S("Subject: x\r\n\r\n"), TO("a@one.example"));
        ok(store_queue_letter(t->store, t->arena, id[i], &l[i], &e), &e);
    }
    damage(t, l[1].letter);
    for (int i = 0; i < 3; i++) {
        int r = store_letter_read(t->store, t->arena, l[i].letter, 0, (size_t)l[i].letter->size, &bytes, &e);
        assert_int_equal(r, i == 1 ? ERR_CORRUPT : 0);
    }
    ok(queue_settle(t, id[1], (struct settled){.what = SETTLE_HELD, .last_reply = S("its body is damaged")}, S("")),
       &e);
    size_t n;
    bool more;
    struct queue_item *v = queue_due(t, "", beginning, clock_utc(t->world), 10, &n, &more, NULL);
    assert_int_equal(n, 2);
    assert_int_equal(v[1].message, id[2]);
    int64_t bad;
    ok(store_verify(t->store, true, ignore_finding, NULL, &bad, &e), &e);
    assert_int_equal(bad, 2); /* its body, and its record in the pack */
}

static void test_corrupt(void **state)
{
    (void)state;
    twice(corrupt);
}

/* What verify says of rows that cannot be. */
static FIBER void unsound(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    int64_t bad;
    int64_t id[3];
    for (int i = 0; i < 3; i++) id[i] = queued_accept(t, S("Subject: x\r\n\r\n"), TO("a@one.example"));
    assert_sound(t);
    char sql[100];
    snprintf(sql, sizeof sql, "DELETE FROM queue_recipient WHERE message = %lld", (long long)id[0]);
    ok(db_exec(t->store->writer.db, sql, &e), &e);
    snprintf(sql, sizeof sql, "UPDATE queue_message SET size = size + 1 WHERE id = %lld", (long long)id[2]);
    ok(db_exec(t->store->writer.db, sql, &e), &e);
    ok(store_verify(t->store, true, ignore_finding, NULL, &bad, &e), &e);
    assert_int_equal(bad, 2);
    struct queue_letter l;
    assert_int_equal(store_queue_letter(t->store, t->arena, id[2], &l, &e), ERR_CORRUPT);
    ok(store_queue_letter(t->store, t->arena, id[1], &l, &e), &e);
}

static void test_unsound(void **state)
{
    (void)state;
    twice(unsound);
}

struct before { /* a stop */
    struct testing t;
    int64_t id[2];
    utc_us begun;
};

static FIBER void before_the_stop(void *arg)
{
    struct before *b = arg;
    struct error e = {0};
    struct queued_out o;
    testing_account(&b->t);
    b->begun = clock_utc(b->t.world);
    ok(queued_fill(&b->t, b->t.arena, &o, S("Subject: x\r\n\r\n"), TO("a@one.example", "b@two.example"), &e), &e);
    o.q[0].leased = o.q[1].leased = true;
    ok(store_accept(b->t.store, &o.l.a, &e), &e);
    b->id[0] = o.l.a.id;
    b->id[1] = queued_accept(&b->t, S("Subject: y\r\n\r\n"), TO("c@one.example"));
    ok(queue_settle(&b->t, b->id[0], (struct settled){.number = 1, .what = SETTLE_GONE}, S("")), &e);
}

/* What was relayed from memory is due again by itself. */
static FIBER void after_the_stop(void *arg)
{
    struct before *b = arg;
    struct error e = {0};
    size_t n;
    bool more;
    utc_us next;
    assert_int_equal(store_stats(b->t.store).queue_rows, 2);
    struct queue_item *v = queue_due(&b->t, "", beginning, b->begun + SECONDS(1), 10, &n, &more, &next);
    assert_int_equal(n, 1);
    assert_int_equal(v[0].message, b->id[1]);
    assert_about(next, b->begun + SPAN_QUEUE_LEASE);
    v = queue_due(&b->t, "", beginning, next, 10, &n, &more, &next);
    assert_int_equal(n, 2);
    assert_int_equal(v[1].message, b->id[0]);
    struct queue_letter l;
    struct str bytes;
    ok(store_queue_letter(b->t.store, b->t.arena, b->id[0], &l, &e), &e);
    ok(store_letter_read(b->t.store, b->t.arena, l.letter, 0, (size_t)l.letter->size, &bytes, &e), &e);
    assert_true(str_ends(bytes, S("Subject: x\r\n\r\n")));
    assert_sound(&b->t);
}

static void run_reopened(struct sim *sim, void *arg)
{
    struct before b = {0};
    void (*between)(struct testing * t) = *(void (**)(struct testing *))arg;
    testing_begin(&b.t, sim);
    testing_run(&b.t, before_the_stop, &b);
    testing_close(&b.t);
    if (between) between(&b.t);
    testing_open(&b.t);
    testing_run(&b.t, after_the_stop, &b);
    testing_close(&b.t);
}

static void test_reopened(void **state)
{
    (void)state;
    void (*nothing)(struct testing * t) = NULL;
    sim_twice(1, run_reopened, &nothing);
}

/* The database as a Penny Post of the first issue left it, with what that one could not know taken away. */
static const char *const back_to_format_1[] = {
    "ALTER TABLE mailbox DROP COLUMN level",
    "DROP INDEX tombstone_at",
    "DROP INDEX principal_removed",
    "ALTER TABLE principal DROP COLUMN kept_bytes",
    "ALTER TABLE principal DROP COLUMN kept_count",
    "ALTER TABLE tombstone DROP COLUMN kept",
    "ALTER TABLE principal DROP COLUMN quota_count",
    "DROP INDEX metadata_owner",
    "DROP INDEX acl_principal",
    "DROP INDEX mailbox_deleted",
    "DROP TABLE subscription",
    "DROP TABLE metadata",
    "DROP TABLE arrival",
    "DROP TABLE email_shared",
    "ALTER TABLE mailbox DROP COLUMN deleted",
    "ALTER TABLE mailbox DROP COLUMN recent_uid",
    "ALTER TABLE mailbox DROP COLUMN forgotten_modseq",
    "DELETE FROM principal WHERE id = 2",
    "DROP INDEX queue_due",
    "DROP INDEX queue_next_hop",
    "ALTER TABLE queue_message DROP COLUMN authenticated",
    "ALTER TABLE queue_message DROP COLUMN message_id",
    "ALTER TABLE queue_message DROP COLUMN subject",
    "ALTER TABLE queue_recipient DROP COLUMN recipient",
    "ALTER TABLE queue_recipient DROP COLUMN forwarded",
    "ALTER TABLE queue_recipient DROP COLUMN warned",
    "ALTER TABLE queue_recipient ADD COLUMN kind INTEGER NOT NULL DEFAULT 1",
    "UPDATE queue_recipient SET next_hop = x'6d783a6f6e65'",
    "CREATE INDEX queue_due ON queue_recipient (due)",
    "DROP TABLE route",
    "DROP TABLE destination",
    "DROP TABLE trace_segment",
    "UPDATE format SET version = 1",
};

static void make_older(struct testing *t)
{
    struct error e = {0};
    struct store_vfs *vfs;
    struct db *db;
    int version = 0;
    ok(store_vfs_register(t->world, t->folder, &vfs, &e), &e);
    ok(db_open(store_vfs_name(vfs), store_database, DB_WRITER, &db, &e), &e);
    for (size_t i = 0; i < sizeof back_to_format_1 / sizeof *back_to_format_1; i++)
        ok(db_exec(db, back_to_format_1[i], &e), &e);
    ok(schema_version(db, &version, &e), &e);
    assert_int_equal(version, 1);
    db_checkpoint(db, NULL, NULL);
    db_close(db);
    store_vfs_unregister(vfs);
}

static FIBER void as_migrated(void *arg)
{
    struct before *b = arg;
    struct error e = {0};
    size_t n;
    struct queue_item *v = queue_all(&b->t, &everything, &n);
    assert_int_equal(n, 2);
    assert_int_equal(v[0].next_hop.n, 0); /* to be decided anew */
    assert_int_equal(v[0].recipient, v[0].number);
    assert_about(v[0].expires, b->begun + DAYS(5));
    assert_false(v[0].warned || v[0].forwarded);
    struct queue_letter l;
    ok(store_queue_letter(b->t.store, b->t.arena, b->id[1], &l, &e), &e);
    assert_false(l.authenticated);
    assert_true(l.message_id.n == 0 && l.subject.n == 0);
    assert_true(str_eq(address_str(b->t.arena, l.from.address), S("ann@example.net")));
    ok(store_route_put(b->t.store, &(struct directory_route){.key = S("*"), .target = S("discard")}, &e), &e);
}

static void run_migrated(struct sim *sim, void *arg)
{
    (void)arg;
    struct before b = {0};
    testing_begin(&b.t, sim);
    testing_run(&b.t, before_the_stop, &b);
    testing_close(&b.t);
    make_older(&b.t);
    testing_open(&b.t);
    testing_run(&b.t, as_migrated, &b);
    testing_run(&b.t, after_the_stop, &b);
    testing_close(&b.t);
}

static void test_migrated(void **state)
{
    (void)state;
    sim_twice(1, run_migrated, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_corrupt),
        cmocka_unit_test(test_unsound),
        cmocka_unit_test(test_reopened),
        cmocka_unit_test(test_migrated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
