/* A large mailbox in the real world: opening it, the facts of its letters, flags, copies, expunging. What is right is
 * asserted; how long it took is only printed, it drifts with the machine.
 *
 *     store_large_test 100000     the size bars are set for */
#include <unistd.h>

#include "store/mailboxes.h"
#include "store/testing.h"
#include "store/view.h"

enum { FEW = 3000, BATCH = 1000 };

static uint32_t letters = FEW;

struct filling {
    struct testing *t;
    uint32_t n;
};

/* Letters on one body, with prefixes as long as those of real ones. */
static int run_fill(struct store *s, void *args, struct error *e)
{
    static const char prefix[700] = "";
    const struct filling *f = args;
    struct mailbox_row *m;
    struct account_row *a;
    int64_t body;
    int r = rows_mailbox(s, f->t->inbox, &m, e);
    if (!r) r = rows_account(s, m->account, &a, e);
    if (!r) r = db_exec_int(s->writer.db, "SELECT MIN(id) FROM body", &body, e);
    for (uint32_t i = 0; !r && i < f->n; i++) {
        struct entry entry = {.email = store_new_id(s), .size = 10000 + i};
        r = rows_append(s, m, a, &entry, e);
        struct query q = db_query(s->writer.db, SQL_EMAIL_INSERT);
        q_int(&q, entry.email);
        q_int(&q, a->id);
        q_int(&q, entry.email);
        q_int(&q, body);
        q_int(&q, entry.size);
        q_int(&q, 1000 + i);
        q_int(&q, 2000 + i);
        q_int(&q, (int64_t)entry.modseq);
        q_bytes(&q, str_of(prefix, sizeof prefix));
        if (!r) r = q_run(&q, e);
    }
    return r;
}

static const struct job_kind fill_job = {.name = "fill", .run = run_fill, .makes_ids = true};

static mono_us begun;

static void start(struct testing *t) { begun = clock_mono(t->world); }

static void stop(struct testing *t, const char *what)
{
    print_message("%-44s %8.2f ms\n", what, (double)(clock_mono(t->world) - begun) / 1000);
}

static FIBER const struct snapshot *open_view(struct testing *t, int64_t mailbox, struct view **v)
{
    struct error e = {0};
    ok(store_view_open(t->store, loop_self(), mailbox, NULL, NULL, v, &e), &e);
    return view_newest(*v);
}

static FIBER void change_it(struct testing *t, const struct uid_set *uids, const char *what)
{
    struct error e = {0};
    struct flags_change c = {.who = t->account, .mailbox = t->inbox, .uids = uids, .how = FLAGS_ADD,
                             .flags = FLAG_SEEN, .unchanged_since = UINT64_MAX};
    start(t);
    ok(store_flags_change(t->store, t->arena, &c, &e), &e);
    stop(t, what);
}

static void count_changed(uint32_t seq, const struct view_entry *v, void *arg)
{
    uint32_t *n = arg;
    assert_true(seq > 0 && v->flags & FLAG_SEEN);
    ++*n;
}

static FIBER void looked_at(struct testing *t, const struct uid_set *all)
{
    struct error e = {0};
    struct view *v, *again;
    start(t);
    const struct snapshot *first = open_view(t, t->inbox, &v);
    stop(t, "open, cold");
    assert_int_equal(first->count, letters + 1);
    start(t);
    snapshot_unref(open_view(t, t->inbox, &again));
    stop(t, "open, while another looks");
    start(t);
    ok(store_view_facts(t->store, first, 0, first->n_chunks, &e), &e);
    stop(t, "facts of all");
    const struct view_chunk *c = first->chunks[first->n_chunks - 1];
    assert_int_equal(c->facts->size[c->v[c->n - 1].uid % 128], 10000 + (letters - 1) % BATCH);
    start(t);
    ok(letter_accept(t, S("Subject: x\r\n\r\n"), 0, NULL, &e), &e);
    stop(t, "a delivery, watched");
    change_it(t, all, "STORE 1:* +FLAGS, watched");
    const struct snapshot *later = view_newest(v);
    uint32_t changed = 0;
    start(t);
    snapshot_changed(first, later, count_changed, &changed);
    stop(t, "what changed");
    assert_int_equal(changed, letters + 1);
    ok(store_view_facts(t->store, later, 0, later->n_chunks - 1, &e), &e); /* they are there */
    snapshot_unref(first);
    snapshot_unref(later);
    store_view_close(again);
    store_view_close(v);
    start(t);
    snapshot_unref(open_view(t, t->inbox, &v));
    stop(t, "open, closed just now");
    store_view_close(v);
}

static FIBER void copied(struct testing *t)
{
    struct error e = {0};
    struct mailbox_info archive;
    ok(store_mailbox_by_use(t->store, t->arena, t->account, USE_ARCHIVE, &archive, &e), &e);
    for (int move = 0; move < 2; move++) {
        struct uid_set some = {0};
        uid_set_add(t->arena, &some, 1, 1000);
        struct copying c = {.who = t->account, .from = t->inbox, .to = archive.id, .uids = &some, .move = move != 0};
        start(t);
        ok(store_copy(t->store, t->arena, &c, &e), &e);
        stop(t, move ? "MOVE 1:1000" : "COPY 1:1000");
        assert_int_equal(c.n, 1000);
    }
    struct uid_set all = {0};
    uid_set_add(t->arena, &all, 1, UINT32_MAX);
    struct copying c = {.who = t->account, .from = t->inbox, .to = archive.id, .uids = &all};
    start(t);
    ok(store_copy(t->store, t->arena, &c, &e), &e);
    stop(t, "COPY 1:*");
    assert_int_equal(c.n, letters + 2 - 1000);
}

static FIBER void expunged(struct testing *t)
{
    struct error e = {0};
    struct uid_set even = {0}, gone = {0}, vanished = {0};
    struct view *v;
    for (uid u = 2; u <= letters; u += 2) uid_set_add(t->arena, &even, u, u);
    const struct snapshot *before = open_view(t, t->inbox, &v);
    store_view_close(v);
    start(t);
    ok(store_expunge_set(t->store, t->arena, t->account, t->inbox, &even, false, &gone, &e), &e);
    stop(t, "EXPUNGE of every other");
    assert_int_equal(uid_set_count(&gone), (letters - 1000) / 2);
    start(t);
    ok(store_vanished(t->store, t->arena, t->inbox, before->highest_modseq, NULL, &vanished, &e), &e);
    stop(t, "VANISHED of these");
    assert_int_equal(uid_set_count(&vanished), uid_set_count(&gone));
    snapshot_unref(before);
}

/* More than fits in one commit, and the last piece is refused: what the others made is taken back. */
static FIBER void taken_back(struct testing *t)
{
    struct error e = {0};
    struct mailbox_info archive;
    size_t n;
    int64_t ann = add_account(t, "ann"), inbox, quota = 11000 * 10500;
    inbox = directory_account_by_id(store_directory_in(t->arena, t->store), ann)->inbox;
    ok(store_account_change(t->store, ann, NULL, &quota, NULL, NULL, &e), &e);
    ok(store_mailbox_by_use(t->store, t->arena, t->account, USE_ARCHIVE, &archive, &e), &e);
    ok(store_acl_change(t->store, ann, inbox, t->account, ACL_SET, RIGHT_LOOKUP | RIGHT_INSERT, &e), &e);
    struct uid_set all = {0};
    uid_set_add(t->arena, &all, 1, UINT32_MAX);
    for (n = 0; n < 20000;) {
        struct copying c = {.who = t->account, .from = archive.id, .to = archive.id, .uids = &all};
        ok(store_copy(t->store, t->arena, &c, &e), &e);
        n = 2 * c.n;
    }
    for (int move = 0; move < 2; move++) {
        struct copying c = {.who = t->account, .from = archive.id, .to = inbox, .uids = &all, .move = move != 0};
        start(t);
        assert_int_equal(store_copy(t->store, t->arena, &c, &e), ERR_CONFLICT);
        stop(t, move ? "MOVE, taken back" : "COPY, taken back");
        assert_int_equal(c.n, 0);
        struct view *v;
        snapshot_unref(open_view(t, inbox, &v));
        const struct snapshot *s = view_newest(v);
        assert_int_equal(s->count, 0);
        snapshot_unref(s);
        store_view_close(v);
        s = open_view(t, archive.id, &v);
        assert_int_equal(s->count, n);
        snapshot_unref(s);
        store_view_close(v);
    }
}

static FIBER void run(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    testing_account(t);
    ok(letter_accept(t, S("Subject: x\r\n\r\n"), 0, NULL, &e), &e);
    for (uint32_t at = 0; at < letters; at += BATCH) {
        struct filling f = {t, letters - at < BATCH ? letters - at : BATCH};
        ok(store_job(t->store, &fill_job, &f, 0, &e), &e);
    }
    struct uid_set all = {0};
    uid_set_add(t->arena, &all, 1, UINT32_MAX);
    looked_at(t, &all);
    copied(t);
    ok(flag_letters(t, t->inbox, &all, 0, FLAG_SEEN, &e), &e);
    change_it(t, &all, "STORE 1:* +FLAGS");
    expunged(t);
    taken_back(t);
    assert_sound(t);
    loop_stop(loop_self());
}

static void test_large(void **state)
{
    (void)state;
    char folder[] = "/tmp/penny-large-XXXXXX", remove[64];
    assert_non_null(mkdtemp(folder));
    struct testing t = {.world = world_real(2), .folder = folder};
    testing_open(&t);
    t.store->keep_expunged_us = DAYS(7); /* as a rule */
    testing_run(&t, run, &t);
    testing_close(&t);
    world_free(t.world);
    snprintf(remove, sizeof remove, "rm -r %s", folder);
    assert_int_equal(system(remove), 0);
}

int main(int argc, char **argv)
{
    uint64_t n;
    if (argc > 1 && str_to_u64(str_c(argv[1]), 10000000, &n) && n >= 2000) letters = (uint32_t)n;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_large)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
