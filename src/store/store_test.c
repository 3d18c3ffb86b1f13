/* The store as its callers see it, in the simulated world, each test twice: letters in and out, the directory, the
 * record. Faults and power cuts are in store_crash_test.c, threads and time in store_real_test.c. */
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
    ok(flag_letters(t, t->inbox, &set, FLAG_SEEN, 0, &e), &e);
    v = entries_of(t, t->inbox, &n);
    assert_int_equal(v[0].flags, FLAG_SEEN);
    assert_true(v[0].modseq > v[1].modseq);
    size_t gone;
    ok(expunge_letters(t, t->inbox, &set, &gone, &e), &e);
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

static void test_way_of_a_letter(void **state)
{
    (void)state;
    twice(way_of_a_letter);
}

/* ---- a letter for several, and what waits ---- */

static FIBER void several_recipients(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    testing_account(t);
    int64_t eve = add_account(t, "eve");
    struct mailbox_info junk;
    ok(store_mailbox_by_use(t->store, t->arena, eve, USE_JUNK, &junk, &e), &e);
    struct letter_out l;
    ok(letter_fill(t, t->arena, &l, S("Subject: all\r\n\r\n"), 5, &e), &e);
    struct delivery d[2] = {l.d,
                            {.account = eve,
                             .mailbox = junk.id,
                             .flags = FLAG_JUNK,
                             .prefix = S("Delivered-To: eve@example.org\r\n"),
                             .recipient = 1}};
    struct trace_recipient to[3] = {l.to,
                                    {.path.address = {S("eve"), S("example.org")}},
                                    {.path = {.address = {S("far"), S("example.com")},
                                              .notify = DSN_NOTIFY_FAILURE,
                                              .orcpt = S("rfc822;far@example.com")}}};
    struct queued q = {.recipient = 2,
                       .final = {S("far"), S("example.com")},
                       .next_hop = S("example.com"),
                       .expires = DAYS(5)};
    l.a.deliveries = d;
    l.a.n_deliveries = 2;
    l.a.recipients = to;
    l.a.n_recipients = 3;
    l.a.queue = &q;
    l.a.n_queue = 1;
    l.a.submitter = t->account;
    l.a.submitted_recipients = 3;
    ok(store_accept(t->store, &l.a, &e), &e);
    assert_int_not_equal(d[0].email, d[1].email);
    size_t n;
    struct entry *v = entries_of(t, junk.id, &n);
    assert_int_equal(n, 1);
    assert_int_equal(v[0].flags, FLAG_JUNK);
    entries_of(t, t->inbox, &n);
    assert_int_equal(n, 1);
    assert_int_equal(store_stats(t->store).queue_rows, 1);
    assert_int_equal(store_stats(t->store).messages, 2);

    struct submission_usage u = store_submission_usage(t->store, t->account, clock_utc(t->world));
    assert_int_equal(u.hour, 3);
    assert_int_equal(u.day, 3);
    u = store_submission_usage(t->store, t->account, clock_utc(t->world) + HOURS(2));
    assert_int_equal(u.hour, 0);
    assert_int_equal(u.day, 3);
    assert_int_equal(store_submission_usage(t->store, eve, 0).day, 0);

    assert_int_equal(store_rights(t->store, eve, junk.id), RIGHTS_ALL);
    assert_int_equal(store_rights(t->store, t->account, junk.id), 0);
    /* another's */
    assert_int_equal(store_letter(t->store, t->arena, t->account, d[1].email, &(struct letter){0}, &e), ERR_NOT_FOUND);
    assert_sound(t);
}

static void test_several_recipients(void **state)
{
    (void)state;
    twice(several_recipients);
}

/* ---- a mailbox over many chunks ---- */

enum { MANY = 300 };

static FIBER void many_letters(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    size_t n, gone;
    testing_account(t);
    for (int i = 0; i < MANY; i++) ok(letter_accept(t, S("Subject: x\r\n\r\n"), 0, NULL, &e), &e);
    struct entry *v = entries_of(t, t->inbox, &n);
    assert_int_equal(n, MANY);
    for (size_t i = 0; i < n; i++) assert_int_equal(v[i].uid, i + 1);
    bool more;
    /* across the border of two chunks */
    ok(store_entries(t->store, t->arena, t->inbox, 126, 5, false, &v, &n, &more, &e), &e);
    assert_true(more && n == 5 && v[0].uid == 127 && v[4].uid == 131 && v[0].size == 0);

    struct uid_set some = {0}, all = {0};
    uid_set_add(t->arena, &some, 100, 270);
    uid_set_add(t->arena, &some, 299, 4000000000u);
    uid_set_add(t->arena, &all, 1, UINT32_MAX);
    ok(flag_letters(t, t->inbox, &all, FLAG_SEEN | FLAG_FLAGGED, 0, &e), &e);
    ok(flag_letters(t, t->inbox, &some, FLAG_DELETED, FLAG_SEEN, &e), &e);
    struct mailbox_info m;
    ok(store_mailbox_by_use(t->store, t->arena, t->account, USE_INBOX, &m, &e), &e);
    assert_int_equal(m.unseen, 171 + 2);
    ok(expunge_letters(t, t->inbox, &some, &gone, &e), &e);
    assert_int_equal(gone, 173);
    v = entries_of(t, t->inbox, &n);
    assert_int_equal(n, MANY - 173);
    assert_int_equal(v[99].uid, 271);
    assert_int_equal(v[0].flags, FLAG_SEEN | FLAG_FLAGGED);
    ok(expunge_letters(t, t->inbox, &all, &gone, &e), &e);
    assert_int_equal(gone, MANY - 173);
    ok(expunge_letters(t, t->inbox, &all, &gone, &e), &e);
    assert_int_equal(gone, 0);
    struct letter_out l;
    ok(letter_accept(t, S("Subject: x\r\n\r\n"), 0, &l, &e), &e);
    assert_int_equal(l.d.uid, MANY + 1); /* UIDs are never used again (RFC 9051 §2.3.1.1) */
    assert_sound(t);
}

static void test_many_letters(void **state)
{
    (void)state;
    twice(many_letters);
}

/* ---- threads ---- */

static int64_t thread_of(struct testing *t, const uint64_t *refs, size_t n_refs)
{
    struct error e = {0};
    struct letter_out l;
    int64_t thread = 0;
    struct arena *a = arena_new(NULL, 0);
    ok(letter_fill(t, a, &l, S("Subject: x\r\n\r\n"), 0, &e), &e);
    l.facts.thread_refs = refs;
    l.facts.n_thread_refs = n_refs;
    ok(store_accept(t->store, &l.a, &e), &e);
    char sql[80];
    snprintf(sql, sizeof sql, "SELECT thread FROM email WHERE id = %lld", (long long)l.d.email);
    ok(db_exec_int(t->store->writer.db, sql, &thread, &e), &e); /* the lane sleeps: nothing waits for it */
    arena_free(a);
    return thread;
}

static FIBER void threads(void *arg)
{
    struct testing *t = arg;
    testing_account(t);
    int64_t first = thread_of(t, (uint64_t[]){1}, 1);
    assert_int_equal(thread_of(t, (uint64_t[]){2, 1}, 2), first);       /* a reply */
    assert_int_equal(thread_of(t, (uint64_t[]){3, 9, 2, 1}, 4), first); /* another, that names one we never saw */
    assert_int_not_equal(thread_of(t, (uint64_t[]){4}, 1), first);
    assert_int_equal(thread_of(t, (uint64_t[]){9}, 1), first); /* which arrives late */
    assert_int_equal(thread_of(t, (uint64_t[]){1}, 1), first); /* a second copy */
    assert_int_not_equal(thread_of(t, NULL, 0), first);
    assert_sound(t);
}

static void test_threads(void **state)
{
    (void)state;
    twice(threads);
}

/* ---- the record ---- */

static FIBER void the_record(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    struct letter_out l;
    testing_account(t);
    struct trace_event refused = {.at = 5,
                                  .kind = TRACE_REFUSED,
                                  .recipient = -1,
                                  .peer = test_ip,
                                  .host = S("client"),
                                  .code = 550,
                                  .status = E(5, 1, 1),
                                  .address = S("nobody@example.org"),
                                  .text = S("no such mailbox")};
    store_trace(t->store, 3, 4, &refused, 1);
    ok(letter_accept(t, S("Subject: x\r\n\r\n"), 1, &l, &e), &e);
    struct trace_row *v;
    size_t n;
    ok(store_trace_read(t->store, t->arena, 0, 0, 100, &v, &n, &e), &e);
    assert_int_equal(n, 2); /* the refusal rode along */
    assert_int_equal(v[0].seq, 1);
    assert_int_equal(v[0].session, 7);
    assert_true(str_eq(v[0].sender, S("ann@example.net")));
    assert_true(str_eq(v[0].subject, S("a letter")));
    assert_int_equal(v[0].n_events, 2);
    assert_int_equal(v[0].events[1].number, l.d.uid); /* filled in by the store */
    assert_true(str_eq(v[0].recipients[0].path.address.local, S("bob")));
    assert_int_equal(v[1].session, 3);
    assert_true(ip_eq(v[1].events[0].peer, test_ip));
    assert_true(str_eq(v[1].events[0].text, S("no such mailbox")));
    assert_int_equal(v[1].events[0].status.detail, 1);
    ok(store_trace_read(t->store, t->arena, 0, l.a.id, 100, &v, &n, &e), &e);
    assert_int_equal(n, 1);

    store_trace(t->store, 3, 0, &refused, 1); /* nobody comes along: about a second later */
    fiber_sleep(SECONDS(1) / 2);
    ok(store_trace_read(t->store, t->arena, 2, 0, 100, &v, &n, &e), &e);
    assert_int_equal(n, 0);
    fiber_sleep(SECONDS(2));
    ok(store_trace_read(t->store, t->arena, 2, 0, 100, &v, &n, &e), &e);
    assert_int_equal(n, 1);

    /* a dictionary attack: the rest is counted */
    for (int i = 0; i < 10500; i++) store_trace(t->store, 3, 0, &refused, 1);
    fiber_sleep(SECONDS(5));
    int64_t counted = 0, rows = 0;
    for (int64_t after = 3;; after = v[n - 1].seq, rows += (int64_t)n) {
        ok(store_trace_read(t->store, t->arena, after, 0, 1000, &v, &n, &e), &e);
        if (n == 0) break;
        for (size_t i = 0; i < n; i++)
            if (v[i].events[0].kind == TRACE_REFUSED_MANY) counted += v[i].events[0].number;
    }
    assert_true(counted >= 500 && rows + counted - 1 == 10500);
    assert_sound(t);
}

static void test_the_record(void **state)
{
    (void)state;
    twice(the_record);
}

static FIBER void tampered_record(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    int64_t bad = 0;
    testing_account(t);
    for (int i = 0; i < 4; i++) ok(letter_accept(t, S("Subject: x\r\n\r\n"), 0, NULL, &e), &e);
    /* redacted: the chain holds */
    ok(db_exec(t->store->writer.db, "UPDATE trace SET payload = x'' WHERE seq = 2", &e), &e);
    assert_sound(t);
    ok(db_exec(t->store->writer.db, "UPDATE trace SET payload = zeroblob(20) WHERE seq = 3", &e), &e);
    ok(store_verify(t->store, true, ignore_finding, NULL, &bad, &e), &e);
    assert_true(bad >= 1);
    ok(db_exec(t->store->writer.db, "DELETE FROM trace WHERE seq = 3", &e), &e);
    ok(store_verify(t->store, true, ignore_finding, NULL, &bad, &e), &e);
    assert_int_equal(bad, 2); /* a gap, and a broken chain */
}

static void test_tampered_record(void **state)
{
    (void)state;
    twice(tampered_record);
}

static FIBER void damage(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    testing_account(t);
    for (int i = 0; i < 4; i++) ok(letter_accept(t, S("Subject: x\r\n\r\n"), 0, NULL, &e), &e);
    static const char *const harm[] = {
        "UPDATE mailbox SET unseen = unseen + 1 WHERE messages > 0",
        "UPDATE principal SET used_bytes = used_bytes - 1",
        "UPDATE body SET sha256 = zeroblob(32) WHERE id = (SELECT MIN(id) FROM body)",
        "UPDATE body SET location = x'01'  WHERE id = (SELECT MAX(id) FROM body)",
        "UPDATE mailbox SET deleted = 1 WHERE id = (SELECT MAX(id) FROM mailbox)",
        "INSERT INTO email_shared (email, more) SELECT MIN(id), 1 FROM email",
        "INSERT INTO arrival (mailbox, last_uid, first_uid, at) SELECT MIN(id), 9, 7, 0 FROM mailbox",
        /* a nameless keyword */
        "UPDATE mailbox SET tail = CAST(x'01000000000004' || substr(tail, 8) AS BLOB) WHERE messages > 0",
    };
    int64_t bad = 0;
    for (size_t i = 0; i < sizeof harm / sizeof *harm; i++) {
        ok(db_exec(t->store->writer.db, harm[i], &e), &e);
        ok(store_verify(t->store, true, ignore_finding, NULL, &bad, &e), &e);
        assert_int_equal(bad, i + 1); /* each is found, and what was found before */
    }
}

static void test_damage_is_found(void **state)
{
    (void)state;
    twice(damage);
}

/* ---- groups ---- */

struct crowd {
    struct testing *t;
    int number, results[8];
    int left;
    bool stranger; /* one of them delivers to nobody */
};
struct member {
    struct crowd *crowd;
    int number;
};

static FIBER void accept_in_crowd(void *arg)
{
    struct member *m = arg;
    struct crowd *c = m->crowd;
    struct arena *a = arena_new(NULL, 0);
    struct letter_out l;
    struct error e = {0};
    ok(letter_fill(c->t, a, &l, S("Subject: crowd\r\n\r\n"), 0, &e), &e);
    if (c->stranger && m->number == 3) l.d.account = 12345;
    c->results[m->number] = store_accept(c->t->store, &l.a, &e);
    arena_free(a);
    c->left--;
}

static FIBER void crowds(void *arg)
{
    struct testing *t = arg;
    testing_account(t);
    for (int round = 0; round < 2; round++) {
        struct crowd c = {.t = t, .left = 8, .stranger = round == 1};
        struct member m[8];
        struct store_stats before = store_stats(t->store);
        for (int i = 0; i < 8; i++) {
            m[i] = (struct member){&c, i};
            fiber_spawn(loop_scope(loop_self()), accept_in_crowd, &m[i]);
        }
        while (c.left > 0) fiber_sleep(1000);
        struct store_stats after = store_stats(t->store);
        for (int i = 0; i < 8; i++) assert_int_equal(c.results[i], c.stranger && i == 3 ? ERR_NOT_FOUND : 0);
        if (c.stranger) assert_true(after.jobs_alone > before.jobs_alone);
        else assert_true(after.commits - before.commits < 8); /* they shared transactions */
    }
    size_t n;
    entries_of(t, t->inbox, &n);
    assert_int_equal(n, 15);
    assert_sound(t);
}

static void test_a_job_fails_in_a_group(void **state)
{
    (void)state;
    twice(crowds);
}

/* ---- the n-th SQL step fails ---- */

static FIBER void failing_steps(void *arg)
{
    struct testing *t = arg;
    size_t n;
    testing_account(t);
    int accepted = 0, failed = 0, unknown = 0;
    for (int nth = 1; nth < 40; nth++) {
        struct error e = {0};
        store_fail_step(t->store, nth);
        int r = letter_accept(t, S("Subject: x\r\n\r\n"), (uint64_t)nth, NULL, &e);
        store_fail_step(t->store, 0);
        accepted += r == 0;
        failed += r == ERR_UNAVAILABLE;
        unknown += r == ERR_UNKNOWN;
        assert_true(r == 0 || r == ERR_UNAVAILABLE || r == ERR_UNKNOWN);
        while (store_stats(t->store).writes_refused) {
            struct uid_set none = {0};
            uid_set_add(t->arena, &none, UINT32_MAX, UINT32_MAX);
            flag_letters(t, t->inbox, &none, 0, 0, NULL); /* whoever comes next has it opened again */
            fiber_sleep(SECONDS(1));
        }
        entries_of(t, t->inbox, &n);
        assert_int_equal(n, accepted); /* the COMMIT was not run: what is unknown did not happen here */
    }
    assert_true(accepted > 20 && failed + unknown > 0);
    assert_sound(t);
}

static void test_failing_steps(void **state)
{
    (void)state;
    twice(failing_steps);
}

/* ---- the maildrop lock ---- */

static FIBER void maildrops(void *arg)
{
    struct testing *t = arg;
    testing_account(t);
    assert_int_equal(store_maildrop_lock(t->store, t->account), 0);
    assert_int_equal(store_maildrop_lock(t->store, t->account), ERR_BUSY);
    store_maildrop_unlock(t->store, t->account);
    assert_int_equal(store_maildrop_lock(t->store, t->account), 0);
    store_maildrop_unlock(t->store, t->account);
}

static void test_maildrop_lock(void **state)
{
    (void)state;
    twice(maildrops);
}

/* ---- mailboxes ---- */

static FIBER void mailboxes(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    int64_t lists, penny;
    testing_account(t);
    int64_t bob = t->account;
    ok(store_mailbox_make(t->store, bob, bob, S("Lists"), USE_NONE, &lists, &e), &e);
    ok(store_mailbox_make(t->store, bob, bob, S("Lists/Penny"), USE_NONE, &penny, &e), &e);
    assert_int_equal(store_mailbox_make(t->store, bob, bob, S("Lists/Penny"), USE_NONE, &penny, &e), ERR_EXISTS);
    struct mailbox_info *m;
    size_t n;
    ok(store_mailboxes(t->store, t->arena, t->account, &m, &n, &e), &e);
    assert_int_equal(n, 8);
    assert_int_equal(m[7].parent, lists);
    assert_true(m[7].uid_validity > m[6].uid_validity && m[6].uid_validity > m[5].uid_validity); /* no two alike */
    assert_int_equal(store_mailbox_by_use(t->store, t->arena, 99, USE_INBOX, m, &e), ERR_NOT_FOUND);
}

static void test_mailboxes(void **state)
{
    (void)state;
    twice(mailboxes);
}

/* ---- large letters, and letters nobody wants ---- */

static FIBER void large_letters(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    enum { LARGE = 1 << 20 };
    testing_account(t);
    char *text = arena_alloc(t->arena, LARGE);
    for (size_t i = 0; i < LARGE; i++) text[i] = (char)('a' + i % 26);
    struct letter_out l;
    struct arena *a = arena_new(NULL, 0);
    ok(letter_fill(t, a, &l, str_of(text, LARGE), 1, &e), &e);
    assert_true(str_is_none(body_memory(l.a.body)));
    assert_int_equal(body_size(l.a.body), LARGE);
    ok(store_accept(t->store, &l.a, &e), &e);
    arena_free(a);
    struct str whole = read_whole(t, l.d.email);
    assert_true(str_ends(whole, str_of(text, LARGE)) && whole.n == LARGE + strlen(PREFIXES));
    struct letter letter;
    struct str part;
    ok(store_letter(t->store, t->arena, t->account, l.d.email, &letter, &e), &e);
    ok(store_letter_read(t->store, t->arena, &letter, (int64_t)strlen(PREFIXES) - 2, 4, &part, &e), &e);
    assert_true(str_eq(part, S("\r\nab"))); /* across prefix and body */
    ok(store_letter_read(t->store, t->arena, &letter, letter.size - 3, 100, &part, &e), &e);
    assert_int_equal(part.n, 3);
    ok(store_letter_read(t->store, t->arena, &letter, letter.size + 9, 100, &part, &e), &e);
    assert_int_equal(part.n, 0);

    a = arena_new(NULL, 0);
    ok(letter_fill(t, a, &l, str_of(text, LARGE), 2, &e), &e); /* the client hung up: nothing stays */
    arena_free(a);
    fiber_sleep(SECONDS(1));
    int64_t *packs, *sizes;
    size_t n;
    packs_list(t->store->packs, t->arena, &packs, &sizes, &n);
    int large = 0;
    for (size_t i = 0; i < n; i++) large += sizes[i] > LARGE;
    assert_int_equal(large, 1);
    assert_int_equal(t->store->spool, 0);
    assert_sound(t);
}

static void test_large_letters(void **state)
{
    (void)state;
    twice(large_letters);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_way_of_a_letter),
        cmocka_unit_test(test_several_recipients),
        cmocka_unit_test(test_many_letters),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_the_record),
        cmocka_unit_test(test_tampered_record),
        cmocka_unit_test(test_damage_is_found),
        cmocka_unit_test(test_a_job_fails_in_a_group),
        cmocka_unit_test(test_failing_steps),
        cmocka_unit_test(test_maildrop_lock),
        cmocka_unit_test(test_mailboxes),
        cmocka_unit_test(test_large_letters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
