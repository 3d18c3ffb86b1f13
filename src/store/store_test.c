/* The store as its callers see it, in the simulated world, each test twice: letters in and out, the directory, the record. Faults and
 * power cuts are in store_crash_test.c, threads and time in store_real_test.c. */
#include "store/testing.h"

/* ---- a letter's way ---- */

static FIBER void way_of_a_letter(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    struct letter_out l;
    testing_account(t);
    ok(letter_accept(t, S("Subject: one\r\n\r\nHello\r\n"), 11, &l, &e), &e);
    assert_int_equal(l.d.uid, 1);
    ok(letter_accept(t, S("Subject: two\r\n\r\nHello again\r\n"), 12, &l, &e), &e);

    size_t n;
    struct entry *v = entries_of(t, t->inbox, &n);
    assert_int_equal(n, 2);
    assert_int_equal(v[1].uid, 2);
    assert_int_equal(v[1].email, l.d.email);
    assert_true(v[1].modseq > v[0].modseq);
    struct str one = read_whole(t, v[0].email);
    assert_true(str_eq(one, S(PREFIXES "Subject: one\r\n\r\nHello\r\n")));
    assert_int_equal(v[0].size, one.n);

    struct mailbox_info *m;
    size_t n_m;
    ok(store_mailboxes(t->store, t->arena, t->account, &m, &n_m, &e), &e);
    assert_int_equal(n_m, 6);
    assert_int_equal(m[0].id, t->inbox);
    assert_int_equal(m[0].messages, 2);
    assert_int_equal(m[0].unseen, 2);
    assert_int_equal(m[0].uid_next, 3);
    const struct directory *d = store_directory(t->store);
    assert_int_equal(directory_used_bytes(d, t->account), m[0].bytes);
    assert_int_equal(m[0].bytes, v[0].size + v[1].size);

    struct uid_set set = {0};
    uid_set_add(t->arena, &set, 1, 1);
    ok(store_flags(t->store, t->inbox, &set, FLAG_SEEN, 0, &e), &e);
    v = entries_of(t, t->inbox, &n);
    assert_int_equal(v[0].flags, FLAG_SEEN);
    assert_true(v[0].modseq > v[1].modseq);
    size_t gone;
    ok(store_expunge(t->store, t->inbox, &set, &gone, &e), &e);
    assert_int_equal(gone, 1);
    entries_of(t, t->inbox, &n);
    assert_int_equal(n, 1);
    ok(store_mailboxes(t->store, t->arena, t->account, &m, &n_m, &e), &e);
    assert_int_equal(m[0].messages, 1);
    assert_int_equal(m[0].unseen, 1);
    assert_int_equal(directory_used_bytes(d, t->account), m[0].bytes);
    directory_unref(d);
    assert_sound(t);
}

static void run_way(struct sim *sim, void *arg)
{
    (void)arg;
    struct testing t = {0};
    testing_begin(&t, sim);
    testing_run(&t, way_of_a_letter, &t);
    testing_close(&t);
}

static void test_way_of_a_letter(void **state)
{
    (void)state;
    sim_twice(1, run_way, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_way_of_a_letter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
