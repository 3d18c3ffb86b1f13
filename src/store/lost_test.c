/* Letters that were expunged and are kept: how they come back, and how they count. */
#include "store/entries_inside.h"
#include "store/testing.h"
#include "store/view.h"

static FIBER void give_letters(struct testing *t, int n)
{
    struct error e = {0};
    for (int i = 0; i < n; i++) ok(letter_accept(t, S("Subject: x\r\n\r\nhello\r\n"), 0, NULL, &e), &e);
}

static struct uid_set uids(struct testing *t, uid first, uid last)
{
    struct uid_set s = {0};
    uid_set_add(t->arena, &s, first, last);
    return s;
}

static FIBER void expunge(struct testing *t, int64_t mailbox, uid first, uid last)
{
    struct error e = {0};
    size_t gone;
    struct uid_set set = uids(t, first, last);
    ok(expunge_letters(t, mailbox, &set, &gone, &e), &e);
    assert_int_equal(gone, last - first + 1);
}

static FIBER void flag(struct testing *t, int64_t mailbox, uid u, flag_set flags, const char *keyword)
{
    struct error e = {0};
    struct uid_set one = uids(t, u, u);
    struct str name = str_c(keyword ? keyword : "");
    struct flags_change c = {.who = t->account, .mailbox = mailbox, .uids = &one, .how = FLAGS_ADD, .flags = flags,
                             .keywords = &name, .n_keywords = keyword != NULL, .unchanged_since = UINT64_MAX};
    ok(store_flags_change(t->store, t->arena, &c, &e), &e);
}

/* All that is lost in the mailbox (0: everywhere), brought back. */
static FIBER size_t bring_back(struct testing *t, int64_t mailbox, int64_t into)
{
    struct error e = {0};
    struct lost_letter *v;
    size_t n, back;
    ok(store_lost(t->store, t->arena, t->account, mailbox, 0, 1000, &v, &n, &e), &e);
    ok(store_undelete(t->store, t->account, v, n, into, &back, &e), &e);
    assert_int_equal(back, n);
    return n;
}

/* The letter's flags by name, in order of their bits. */
static FIBER const char *flags_of(struct testing *t, int64_t mailbox, uid u)
{
    struct error e = {0};
    struct view *v;
    struct buf *b = buf_in(t->arena, 4096);
    ok(store_view_open(t->store, loop_self(), mailbox, NULL, NULL, &v, &e), &e);
    const struct snapshot *s = view_newest(v);
    const struct view_entry *entry = snapshot_at(s, snapshot_seq(s, u));
    assert_non_null(entry);
    for (int i = 0; i < 32; i++)
        if (entry->flags & (flag_set)1 << i) buf_printf(b, "%s%.*s", b->n ? " " : "", STR_FMT(s->keywords->name[i]));
    snapshot_unref(s);
    store_view_close(v);
    return arena_cstr(t->arena, buf_str(b));
}

static FIBER void as_it_was(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    int64_t work, other;
    testing_account(t);
    give_letters(t, 4);
    ok(store_mailbox_make(t->store, t->account, t->account, S("Work"), USE_NONE, &work, &e), &e);
    ok(store_mailbox_make(t->store, t->account, t->account, S("Other"), USE_NONE, &other, &e), &e);
    flag(t, t->inbox, 1, FLAG_SEEN | FLAG_FLAGGED | FLAG_DELETED, "red");
    flag(t, t->inbox, 2, FLAG_ANSWERED, "blue");
    flag(t, t->inbox, 3, FLAG_DRAFT, NULL);
    size_t n;
    struct entry *v = entries_of(t, t->inbox, &n);
    struct letter before, after;
    int64_t email = v[0].email;
    ok(store_letter(t->store, t->arena, t->account, email, &before, &e), &e);
    fiber_sleep(SECONDS(100));

    /* into the mailbox it was in: a new letter to all who look, with its date, its thread and its flags */
    expunge(t, t->inbox, 1, 3);
    assert_int_equal(bring_back(t, t->inbox, 0), 3);
    v = entries_of(t, t->inbox, &n);
    assert_int_equal(n, 4);
    assert_true(v[0].uid == 4 && v[1].uid == 5 && v[3].uid == 7);
    assert_true(v[1].modseq > v[0].modseq && v[3].modseq > v[2].modseq);
    assert_string_equal(flags_of(t, t->inbox, 5), "\\Seen \\Flagged red");
    assert_string_equal(flags_of(t, t->inbox, 6), "\\Answered blue");
    assert_string_equal(flags_of(t, t->inbox, 7), "\\Draft");
    ok(store_letter(t->store, t->arena, t->account, v[1].email, &after, &e), &e);
    assert_true(v[1].email == email && after.received_at == before.received_at);
    assert_sound(t);

    /* elsewhere: keywords by name, whatever bits they have there */
    flag(t, t->inbox, 4, 0, "blue");
    struct uid_set one = uids(t, 4, 4);
    struct copying c = {.who = t->account, .from = t->inbox, .to = other, .uids = &one};
    ok(store_copy(t->store, t->arena, &c, &e), &e);
    expunge(t, t->inbox, 5, 5);
    assert_int_equal(bring_back(t, t->inbox, other), 1);
    assert_string_equal(flags_of(t, other, 2), "\\Seen \\Flagged red");
    v = entries_of(t, other, &n);
    assert_int_equal(v[0].flags & v[1].flags >> FLAG_FIRST_OWN << FLAG_FIRST_OWN, 0);

    /* from a mailbox that is gone, and its keywords with it */
    struct uid_set rest = uids(t, 6, 7);
    c = (struct copying){.who = t->account, .from = t->inbox, .to = work, .uids = &rest, .move = true};
    ok(store_copy(t->store, t->arena, &c, &e), &e);
    flag(t, work, 2, 0, "green");
    ok(store_mailbox_delete(t->store, t->account, work, &e), &e);
    assert_int_equal(bring_back(t, work, 0), 2);
    assert_string_equal(flags_of(t, t->inbox, 8), "\\Answered blue");
    assert_string_equal(flags_of(t, t->inbox, 9), "\\Draft green");
    assert_sound(t);
}

static void test_as_it_was(void **state)
{
    (void)state;
    twice(as_it_was);
}

/* ---- in quota's sight ---- */

/* What the account uses, and what of it is expunged: in letters, and the bytes alike. */
static FIBER void assert_use(struct testing *t, int64_t used, int64_t kept)
{
    struct error e = {0};
    struct quota q;
    ok(store_quota(t->store, t->account, &q, &e), &e);
    assert_int_equal(q.used_count, used);
    assert_int_equal(q.kept_count, kept);
    const struct directory *d = store_directory_in(t->arena, t->store);
    assert_int_equal(directory_used_count(d, t->account), used);
    assert_int_equal(directory_used_bytes(d, t->account), q.used_bytes);
    assert_sound(t);
}

static FIBER void counting(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    int64_t work, limit = 6, none = 0;
    struct store *s = t->store;
    s->count_expunged = true;
    s->keep_expunged_us = DAYS(14);
    testing_account(t);
    give_letters(t, 6);
    ok(store_mailbox_make(s, t->account, t->account, S("Work"), USE_NONE, &work, &e), &e);
    assert_use(t, 6, 0);
    expunge(t, t->inbox, 1, 2);
    assert_use(t, 6, 2);
    struct uid_set some = uids(t, 3, 4);
    struct copying c = {.who = t->account, .from = t->inbox, .to = work, .uids = &some, .move = true};
    ok(store_copy(s, t->arena, &c, &e), &e); /* what was moved is there still */
    assert_use(t, 6, 2);
    ok(store_account_change(s, t->account, NULL, NULL, &limit, NULL, &e), &e);
    c = (struct copying){.who = t->account, .from = work, .to = t->inbox, .uids = &(struct uid_set){0}};
    some = uids(t, 1, 1);
    c.uids = &some;
    assert_int_equal(store_copy(s, t->arena, &c, &e), ERR_CONFLICT); /* they are in the way */
    assert_int_equal(bring_back(t, t->inbox, 0), 2);                 /* but need no more room themselves */
    assert_use(t, 6, 0);
    ok(store_mailbox_delete(s, t->account, work, &e), &e);
    assert_use(t, 6, 2);
    assert_int_equal(store_copy(s, t->arena, &c, &e), ERR_NOT_FOUND);
    struct lost_letter *v;
    size_t n, back;
    ok(store_lost(s, t->arena, t->account, work, 0, 10, &v, &n, &e), &e);
    ok(store_undelete(s, t->account, v, 1, 0, &back, &e), &e);
    assert_use(t, 6, 1);
    expunge(t, t->inbox, 5, 5);
    assert_use(t, 6, 2);
    s->keep_expunged_us = 0;
    fiber_sleep(SECONDS(1));
    ok(store_collect(s, &e), &e);
    assert_use(t, 4, 0);
    ok(store_account_change(s, t->account, NULL, NULL, &none, NULL, &e), &e);
    s->keep_expunged_us = DAYS(14);
    expunge(t, t->inbox, 6, 6);
    assert_use(t, 4, 1);
}

static FIBER void not_counting(void *arg)
{
    struct testing *t = arg;
    assert_use(t, 3, 1);
    expunge(t, t->inbox, 7, 7);
    assert_use(t, 2, 2);
}

static FIBER void counting_again(void *arg) { assert_use(arg, 4, 2); }

static void reopen(struct testing *t, bool count_expunged)
{
    testing_close(t);
    t->count_expunged = count_expunged;
    testing_open(t);
}

static void run_counting(struct sim *sim, void *arg)
{
    struct testing t = {0};
    (void)arg;
    testing_begin(&t, sim);
    testing_run(&t, counting, &t);
    reopen(&t, false);
    testing_run(&t, not_counting, &t);
    reopen(&t, true);
    testing_run(&t, counting_again, &t);
    testing_close(&t);
}

static void test_counting(void **state)
{
    (void)state;
    sim_twice(1, run_counting, NULL);
}

/* A COPY that is refused after a part of it was made leaves nothing to count. */
static FIBER void a_refused_copy(void *arg)
{
    struct testing *t = arg;
    struct uid_set all = uids(t, 1, 2);
    t->store->count_expunged = true;
    t->store->keep_expunged_us = DAYS(14);
    testing_account(t);
    give_letters(t, 2);
    entries_unmake(t->store, t->arena, t->inbox, &all);
    assert_use(t, 0, 0);
    assert_int_equal(bring_back(t, t->inbox, 0), 2);
    assert_use(t, 2, 0);
}

static void test_a_refused_copy(void **state)
{
    (void)state;
    twice(a_refused_copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_as_it_was), cmocka_unit_test(test_counting),
                                       cmocka_unit_test(test_a_refused_copy)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
