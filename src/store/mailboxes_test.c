/* The tree of mailboxes as its callers see it: names, making, deleting, renaming, subscriptions, access lists,
 * annotations, and what is brought back. In the simulated world, each test twice. */
#include "store/testing.h"

#include "base/test.h"

#include "mail/limits.h"

/* ---- names ---- */

static FIBER int make(struct testing *t, const char *path)
{
    int64_t id;
    return store_mailbox_make(t->store, t->account, t->account, str_c(path), USE_NONE, &id, NULL);
}

static FIBER struct mailbox find(struct testing *t, const char *path)
{
    struct error e = {0};
    struct mailbox m;
    ok(store_mailbox_find(t->store, t->arena, t->account, t->account, str_c(path), &m, &e), &e);
    return m;
}

static FIBER void names(void *arg)
{
    static const struct {
        const char *path;
        int result;
    } cases[] = {
        {"Work", 0},
        {"Work", ERR_EXISTS},
        {"work", 0}, /* case counts */
        {"a/b/c", 0},
        {"a/b", ERR_EXISTS},
        {"inbox", ERR_EXISTS},
        {"InBoX/Lists", 0},
        {"Inboxes", 0},
        {"100%", 0},
        {"Caf\xc3\xa9", 0},
        {"Cafe\xcc\x81", ERR_EXISTS}, /* the same in NFC */
        {"", ERR_SYNTAX},
        {"/", ERR_SYNTAX},
        {"/a", ERR_SYNTAX},
        {"a/", ERR_SYNTAX},
        {"a//b", ERR_SYNTAX},
        {".", ERR_SYNTAX},
        {"..", ERR_SYNTAX},
        {"a/../b", ERR_SYNTAX},
        {"...", 0},
        {"#news", ERR_SYNTAX},
        {"a/#1", 0},
        {"Shared", ERR_SYNTAX},
        {"Shared/bob@example.org", ERR_SYNTAX},
        {"SHARED/x", ERR_SYNTAX},
        {"a/Shared", 0},
        {"a\nb", ERR_SYNTAX},
        {"a\x7f", ERR_SYNTAX},
        {"\xff", ERR_SYNTAX},
    };
    struct testing *t = arg;
    testing_account(t);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int r = make(t, cases[i].path);
        if (r != cases[i].result) fail_msg("%s: %d, not %d", cases[i].path, r, cases[i].result);
    }
    assert_true(str_eq(find(t, "Cafe\xcc\x81").path, S("Caf\xc3\xa9")));
    assert_true(str_eq(find(t, "iNBOX/Lists").path, S("INBOX/Lists")));

    char level[LIMIT_MAILBOX_NAME + 2] = {0};
    memset(level, 'x', LIMIT_MAILBOX_NAME + 1);
    assert_int_equal(make(t, level), ERR_SYNTAX);
    level[LIMIT_MAILBOX_NAME] = '\0';
    assert_int_equal(make(t, level), 0);
    char deep[2 * LIMIT_MAILBOX_DEPTH + 2] = {0};
    for (int i = 0; i <= LIMIT_MAILBOX_DEPTH; i++) memcpy(deep + 2 * i, "d/", 2);
    deep[2 * LIMIT_MAILBOX_DEPTH + 1] = '\0';
    assert_int_equal(make(t, deep), ERR_CONFLICT);
    deep[2 * LIMIT_MAILBOX_DEPTH - 1] = '\0';
    assert_int_equal(make(t, deep), 0);
}

static void test_names(void **state)
{
    (void)state;
    twice(names);
}

/* ---- the tree ---- */

static FIBER void assert_tree(struct testing *t, const char *const *paths)
{
    struct error e = {0};
    struct mailbox *v;
    size_t n, i = 0;
    ok(store_mailbox_tree(t->store, t->arena, t->account, t->account, &v, &n, &e), &e);
    for (; paths[i]; i++)
        if (i >= n || !str_eq(v[i].path, str_c(paths[i])))
            fail_msg("%zu: want %s, got %.*s", i, paths[i], i < n ? (int)v[i].path.n : 0, i < n ? v[i].path.p : "");
    assert_int_equal(n, i);
}

static FIBER void tree(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    testing_account(t);
    assert_int_equal(make(t, "b/x/y"), 0);
    assert_int_equal(make(t, "a"), 0);
    assert_int_equal(make(t, "INBOX/z"), 0);
    assert_tree(t, (const char *const[]){"INBOX", "INBOX/z", "Archive", "Drafts", "Junk", "Sent", "Trash", "a", "b",
                                         "b/x", "b/x/y", NULL});
    /* renaming takes what is below along, and makes what is missing above */
    struct mailbox x = find(t, "b/x");
    ok(store_mailbox_rename(t->store, t->account, x.id, S("new/one/x2"), &e), &e);
    assert_tree(t, (const char *const[]){"INBOX", "INBOX/z", "Archive", "Drafts", "Junk", "Sent", "Trash", "a", "b",
                                         "new", "new/one", "new/one/x2", "new/one/x2/y", NULL});
    assert_int_equal(find(t, "new/one/x2").id, x.id);
    assert_int_equal(find(t, "new/one/x2").uid_validity, x.uid_validity);
    assert_int_equal(store_mailbox_rename(t->store, t->account, x.id, S("a"), &e), ERR_EXISTS);
    assert_int_equal(store_mailbox_rename(t->store, t->account, x.id, S("new/one/x2/y/z"), &e), ERR_CONFLICT);
    assert_int_equal(store_mailbox_rename(t->store, t->account, x.id, S("new/one/x2"), &e), ERR_EXISTS);
    assert_int_equal(store_mailbox_rename(t->store, t->account, x.id, S(".."), &e), ERR_SYNTAX);
    assert_int_equal(store_mailbox_rename(t->store, t->account, 99, S("q"), &e), ERR_NOT_FOUND);
    /* deleting */
    int64_t level;
    assert_int_equal(store_mailbox_delete(t->store, t->account, t->inbox, &e), ERR_DENIED);
    assert_int_equal(store_level_find(t->store, t->account, t->account, S("new/one/x2"), &level, &e), ERR_EXISTS);
    ok(store_mailbox_delete(t->store, t->account, x.id, &e), &e);
    assert_int_equal(store_mailbox_delete(t->store, t->account, x.id, &e), ERR_NOT_FOUND);
    assert_tree(t, (const char *const[]){"INBOX", "INBOX/z", "Archive", "Drafts", "Junk", "Sent", "Trash", "a", "b",
                                         "new", "new/one", "new/one/x2/y", NULL});
    ok(store_level_find(t->store, t->account, t->account, S("new/one/x2"), &level, &e), &e);
    assert_int_equal(store_mailbox_delete(t->store, t->account, level, &e), ERR_NOT_FOUND);
    assert_int_equal(store_rights(t->store, t->account, level), 0);
    ok(store_mailbox_delete(t->store, t->account, find(t, "new/one/x2/y").id, &e), &e);
    assert_int_equal(store_level_find(t->store, t->account, t->account, S("new/one/x2"), &level, &e), ERR_NOT_FOUND);
    assert_sound(t);
    /* a new one of the old name is another */
    assert_int_equal(make(t, "new/one/x2"), 0);
    assert_true(find(t, "new/one/x2").uid_validity > x.uid_validity);
    for (int i = 0; i < 3; i++) { /* within one moment of the clock, too */
        ok(store_mailbox_delete(t->store, t->account, find(t, "new/one/x2").id, &e), &e);
        assert_int_equal(make(t, "new/one/x2"), 0);
    }
    /* the depth counts below, too */
    char deep[2 * LIMIT_MAILBOX_DEPTH] = {0};
    for (int i = 0; i < LIMIT_MAILBOX_DEPTH - 1; i++) memcpy(deep + 2 * i, "d/", 2);
    deep[2 * LIMIT_MAILBOX_DEPTH - 3] = '\0';
    assert_int_equal(make(t, deep), 0);
    struct mailbox d = find(t, "d");
    ok(store_mailbox_rename(t->store, t->account, d.id, S("one/more"), &e), &e);
    assert_int_equal(store_mailbox_rename(t->store, t->account, find(t, "one/more").id, S("two/are/more"), &e),
                     ERR_CONFLICT);
    assert_sound(t);
}

static void test_tree(void **state)
{
    (void)state;
    twice(tree);
}

/* ---- special uses ---- */

static FIBER void uses(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    int64_t id;
    testing_account(t);
    int64_t bob = t->account;
    assert_int_equal(store_mailbox_make(t->store, bob, bob, S("Other"), USE_DRAFTS, &id, &e), ERR_CONFLICT);
    ok(store_mailbox_use(t->store, bob, find(t, "Drafts").id, USE_NONE, &e), &e);
    ok(store_mailbox_make(t->store, bob, bob, S("x/Other"), USE_DRAFTS, &id, &e), &e);
    assert_int_equal(find(t, "x/Other").use, USE_DRAFTS);
    assert_int_equal(find(t, "x").use, USE_NONE);
    ok(store_mailbox_use(t->store, bob, id, USE_DRAFTS, &e), &e);
    assert_int_equal(store_mailbox_use(t->store, bob, id, USE_SENT, &e), ERR_CONFLICT);
    assert_int_equal(store_mailbox_use(t->store, bob, id, USE_INBOX, &e), ERR_CONFLICT);
    assert_int_equal(store_mailbox_use(t->store, bob, t->inbox, USE_NONE, &e), ERR_CONFLICT);
    ok(store_mailbox_delete(t->store, bob, id, &e), &e);
    ok(store_mailbox_use(t->store, bob, find(t, "Drafts").id, USE_DRAFTS, &e), &e); /* it is free again */
}

static void test_uses(void **state)
{
    (void)state;
    twice(uses);
}

/* ---- INBOX ---- */

static FIBER void renaming_inbox(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    size_t n;
    testing_account(t);
    assert_int_equal(make(t, "INBOX/below"), 0);
    for (int i = 0; i < 3; i++) ok(letter_accept(t, S("Subject: x\r\n\r\nx\r\n"), 0, NULL, &e), &e);
    struct mailbox before = find(t, "INBOX");
    ok(store_mailbox_rename(t->store, t->account, t->inbox, S("old/mail"), &e), &e);
    struct mailbox after = find(t, "INBOX"), old = find(t, "old/mail");
    assert_int_equal(after.messages, 0);
    assert_int_equal(after.bytes, 0);
    assert_int_equal(after.id, before.id);
    assert_int_equal(after.uid_validity, before.uid_validity);
    assert_int_equal(after.uid_next, 4);
    assert_int_equal(old.messages, 3);
    assert_int_equal(old.bytes, before.bytes);
    assert_int_not_equal(old.uid_validity, before.uid_validity);
    entries_of(t, old.id, &n);
    assert_int_equal(n, 3);
    find(t, "INBOX/below");
    assert_int_equal(store_mailbox_rename(t->store, t->account, t->inbox, S("old/mail"), &e), ERR_EXISTS);
    ok(letter_accept(t, S("Subject: x\r\n\r\nx\r\n"), 0, NULL, &e), &e);
    assert_int_equal(find(t, "INBOX").messages, 1);
    assert_sound(t);
}

static void test_renaming_inbox(void **state)
{
    (void)state;
    twice(renaming_inbox);
}

/* ---- subscriptions ---- */

static FIBER void assert_subscribed(struct testing *t, const char *const *want)
{
    struct error e = {0};
    struct str *v;
    size_t n, i = 0;
    ok(store_subscriptions(t->store, t->arena, t->account, &v, &n, &e), &e);
    for (; want[i]; i++) assert_true(i < n && str_eq(v[i], str_c(want[i])));
    assert_int_equal(n, i);
}

static FIBER void subscriptions(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    testing_account(t);
    assert_subscribed(t, (const char *const[]){"Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash", NULL});
    static const char *const gone[] = {"Archive", "Drafts", "Junk", "Sent"};
    for (size_t i = 0; i < 4; i++) ok(store_subscribe(t->store, t->account, str_c(gone[i]), false, &e), &e);
    ok(store_subscribe(t->store, t->account, S("not/there"), true, &e), &e);
    ok(store_subscribe(t->store, t->account, S("not/there"), true, &e), &e);
    ok(store_subscribe(t->store, t->account, S("never"), false, &e), &e);
    assert_subscribed(t, (const char *const[]){"INBOX", "Trash", "not/there", NULL});
    ok(store_mailbox_delete(t->store, t->account, find(t, "Trash").id, &e), &e);
    assert_subscribed(t, (const char *const[]){"INBOX", "Trash", "not/there", NULL}); /* RFC 9051 §6.3.7 */
    assert_int_equal(store_subscribe(t->store, t->account, S(""), true, &e), ERR_SYNTAX);
    assert_int_equal(store_subscribe(t->store, t->account, S("\xff"), true, &e), ERR_SYNTAX);
    assert_int_equal(store_subscribe(t->store, 99, S("x"), true, &e), ERR_NOT_FOUND);
    /* at the limit nothing more is taken, but what is there already may be said again */
    struct str fill = arena_printf(t->arena,
                                   "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
                                   "INSERT INTO subscription (account, name) SELECT %lld, 'm' || i FROM n",
                                   LIMIT_SUBSCRIPTIONS - 3, (long long)t->account);
    ok(db_exec(t->store->writer.db, arena_cstr(t->arena, fill), &e), &e);
    ok(store_subscribe(t->store, t->account, S("not/there"), true, &e), &e);
    assert_int_equal(store_subscribe(t->store, t->account, S("one more"), true, &e), ERR_CONFLICT);
    ok(store_subscribe(t->store, t->account, S("m1"), false, &e), &e);
    ok(store_subscribe(t->store, t->account, S("one more"), true, &e), &e);
}

/* RFC 9051 §2.3.1.1: UIDs end. What is there can be read still, and UIDNEXT is a number of 32 bits. */
static FIBER void last_uids(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    struct mailbox_info *v;
    size_t n;
    testing_account(t);
    ok(db_exec(t->store->writer.db, "UPDATE mailbox SET uid_next = 4294967296 WHERE name = 'Trash'", &e), &e);
    assert_int_equal(find(t, "Trash").uid_next, UINT32_MAX);
    ok(store_mailboxes(t->store, t->arena, t->account, &v, &n, &e), &e);
    for (size_t i = 0; i < n; i++)
        if (v[i].use == USE_TRASH) assert_int_equal(v[i].uid_next, UINT32_MAX);
    struct uid_range one = {1, 1};
    struct uid_set uids = {&one, 1, 1};
    ok(store_mailbox_make(t->store, t->account, t->account, S("x"), USE_NONE, NULL, &e), &e);
    struct arena *a = arena_new(NULL, 0);
    struct letter_out l;
    ok(letter_fill(t, a, &l, S("Subject: x\r\n\r\n"), 0, &e), &e);
    ok(store_accept(t->store, &l.a, &e), &e);
    struct copying c = {.who = t->account, .from = t->inbox, .to = find(t, "Trash").id, .uids = &uids, .move = true};
    assert_int_equal(store_copy(t->store, a, &c, &e), ERR_CONFLICT);
    assert_int_equal(find(t, "INBOX").messages, 1); /* it is where it was */
    arena_free(a);
}

static void test_subscriptions(void **state)
{
    (void)state;
    twice(subscriptions);
    twice(last_uids);
}

/* ---- annotations ---- */

static FIBER int annotate(struct testing *t, int64_t who, int64_t mailbox, const char *name, struct str value)
{
    return store_metadata_set(t->store, who, mailbox, &(struct metadata){str_c(name), value}, 1, NULL);
}

static FIBER size_t annotations(struct testing *t, int64_t who, int64_t mailbox, struct metadata **v)
{
    struct error e = {0};
    size_t n;
    ok(store_metadata(t->store, t->arena, who, mailbox, v, &n, &e), &e);
    return n;
}

static FIBER void metadata(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    struct metadata *v;
    testing_account(t);
    int64_t bob = t->account, eve = add_account(t, "eve");
    assert_int_equal(annotate(t, bob, t->inbox, "/Private/Comment", S("mine")), 0);
    assert_int_equal(annotate(t, bob, t->inbox, "/shared/comment", S("all's\0!")), 0);
    assert_int_equal(annotations(t, bob, t->inbox, &v), 2);
    assert_true(str_eq(v[0].name, S("/private/comment")) && str_eq(v[0].value, S("mine")));
    assert_true(str_eq(v[1].name, S("/shared/comment")) && str_eq(v[1].value, S("all's\0!")));
    /* another sees what is shared, and has his own */
    ok(store_acl_change(t->store, bob, t->inbox, eve, ACL_SET, RIGHT_LOOKUP | RIGHT_READ, &e), &e);
    assert_int_equal(annotate(t, eve, t->inbox, "/private/comment", S("eve's")), 0);
    assert_int_equal(annotate(t, eve, t->inbox, "/shared/comment", S("no")), ERR_DENIED);
    assert_int_equal(annotations(t, eve, t->inbox, &v), 2);
    assert_true(str_eq(v[0].value, S("eve's")) && str_eq(v[1].value, S("all's\0!")));
    /* the server's */
    assert_int_equal(annotate(t, bob, 0, "/private/vendor/x", S("1")), 0);
    assert_int_equal(annotate(t, bob, 0, "/shared/admin", S("1")), ERR_DENIED);
    assert_int_equal(annotate(t, PRINCIPAL_ADMIN, 0, "/shared/admin", S("mailto:root")), 0);
    assert_int_equal(annotations(t, bob, 0, &v), 2);
    assert_int_equal(annotations(t, eve, 0, &v), 1);
    /* removing */
    assert_int_equal(annotate(t, bob, t->inbox, "/private/comment", STR_NONE), 0);
    assert_int_equal(annotations(t, bob, t->inbox, &v), 1);
    /* names and sizes */
    static const char *const bad[] = {"",           "/private",    "/private/",  "/shared//x",        "/other/x",
                                      "/private/*", "/private/a%", "/private/ ", "/private/\xc3\xa9", "/private/x/"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(annotate(t, bob, t->inbox, bad[i], S("x")), ERR_SYNTAX);
    char *large = arena_alloc(t->arena, LIMIT_METADATA_VALUE + 1);
    memset(large, 'x', LIMIT_METADATA_VALUE + 1);
    assert_int_equal(annotate(t, bob, t->inbox, "/private/x", str_of(large, LIMIT_METADATA_VALUE + 1)), ERR_TOO_LONG);
    assert_int_equal(annotate(t, bob, t->inbox, "/private/x", str_of(large, LIMIT_METADATA_VALUE)), 0);
    for (int i = 0; i < LIMIT_METADATA_ENTRIES - 2; i++)
        assert_int_equal(annotate(t, bob, t->inbox, arena_printf(t->arena, "/private/n/%d%c", i, 0).p, S("")), 0);
    assert_int_equal(annotate(t, bob, t->inbox, "/private/one/more", S("")), ERR_CONFLICT);
    assert_int_equal(annotate(t, bob, t->inbox, "/private/n/1", S("other")), 0);
}

static void test_metadata(void **state)
{
    (void)state;
    twice(metadata);
}

/* ---- lost and found ---- */

static FIBER struct lost_letter *lost(struct testing *t, int64_t mailbox, size_t max, size_t *n)
{
    struct error e = {0};
    struct lost_letter *v;
    ok(store_lost(t->store, t->arena, t->account, mailbox, 0, max, &v, n, &e), &e);
    return v;
}

static FIBER void undeleting(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    struct uid_set two = {0};
    size_t n, back, gone;
    testing_account(t);
    int64_t bob = t->account, work;
    ok(store_mailbox_make(t->store, bob, bob, S("a/Work"), USE_NONE, &work, &e), &e);
    for (int i = 0; i < 300; i++) ok(letter_accept(t, S("Subject: x\r\n\r\nx\r\n"), 0, NULL, &e), &e);
    struct uid_set most = {0};
    uid_set_add(t->arena, &most, 1, 290);
    struct copying move = {.who = bob, .from = t->inbox, .to = work, .uids = &most, .move = true};
    ok(store_copy(t->store, t->arena, &move, &e), &e);
    uid_set_add(t->arena, &two, 3, 4);
    ok(flag_letters(t, work, &two, FLAG_FLAGGED, 0, &e), &e);
    struct quota before, after;
    ok(store_quota(t->store, bob, &before, &e), &e);
    assert_int_equal(before.used_count, 300);

    fiber_sleep(SECONDS(1));
    ok(expunge_letters(t, t->inbox, &(struct uid_set){&(struct uid_range){295, 296}, 1, 1}, &gone, &e), &e);
    fiber_sleep(SECONDS(1));
    ok(store_mailbox_delete(t->store, bob, work, &e), &e);
    assert_int_equal(store_rights(t->store, bob, work), 0);
    ok(store_quota(t->store, bob, &after, &e), &e);
    assert_int_equal(after.used_count, 8);
    assert_true(after.used_bytes < before.used_bytes);

    /* the newest first, with where they were */
    struct lost_letter *v = lost(t, 0, 1000, &n);
    assert_int_equal(n, 290 + 2); /* that MOVE took them out of INBOX before does not count */
    assert_true(str_eq(v[0].path, S("a/Work")) && v[0].uid == 290 && v[0].size > 0);
    assert_true(str_eq(v[290].path, S("INBOX")) && v[290].uid == 296);
    lost(t, 0, 5, &n);
    assert_int_equal(n, 5);
    v = lost(t, work, 1000, &n);
    assert_int_equal(n, 290);
    for (size_t i = 0; i < n; i++) assert_int_equal(v[i].mailbox, work);

    /* into a new mailbox; twice changes nothing */
    int64_t into;
    ok(store_mailbox_make(t->store, bob, bob, S("Back"), USE_NONE, &into, &e), &e);
    ok(store_undelete(t->store, bob, v, n, into, &back, &e), &e);
    assert_int_equal(back, 290);
    ok(store_undelete(t->store, bob, v, n, into, &back, &e), &e);
    assert_int_equal(back, 0);
    struct entry *entries = entries_of(t, into, &n);
    assert_int_equal(n, 290);
    assert_int_equal(entries[2].flags, FLAG_FLAGGED);
    lost(t, work, 1000, &n);
    assert_int_equal(n, 0);
    /* where they were, with new UIDs */
    v = lost(t, t->inbox, 1000, &n);
    assert_int_equal(v[0].uid, 296);
    ok(store_undelete(t->store, bob, v, 2, 0, &back, &e), &e);
    assert_int_equal(back, 2);
    entries = entries_of(t, t->inbox, &n);
    assert_int_equal(n, 10);
    assert_int_equal(entries[9].uid, 302);
    read_whole(t, entries[9].email);
    ok(store_quota(t->store, bob, &after, &e), &e);
    assert_int_equal(after.used_count, before.used_count);
    assert_int_equal(after.used_bytes, before.used_bytes);
    /* what was gone is still known to be gone (RFC 7162 §3.2.10) */
    struct uid_set vanished = {0};
    ok(store_vanished(t->store, t->arena, t->inbox, 0, &(struct uid_set){&(struct uid_range){1, 400}, 1, 1}, &vanished,
                      &e),
       &e);
    assert_true(uid_set_has(&vanished, 295) && uid_set_has(&vanished, 296));
    assert_sound(t);
    ok(store_collect(t->store, &e), &e); /* what is back is not collected */
    entries = entries_of(t, t->inbox, &n);
    for (size_t i = 0; i < n; i++) read_whole(t, entries[i].email);
    entries = entries_of(t, into, &n);
    assert_int_equal(n, 290);
    for (size_t i = 0; i < n; i += 50) read_whole(t, entries[i].email);
    assert_sound(t);
    lost(t, 0, 1000, &n);
    assert_int_equal(n, 0);
}

static void test_undeleting(void **state)
{
    (void)state;
    twice(undeleting);
}

static FIBER void undelete_and_quota(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    size_t n, back, gone;
    testing_account(t);
    for (int i = 0; i < 4; i++) ok(letter_accept(t, S("Subject: x\r\n\r\nx\r\n"), 0, NULL, &e), &e);
    struct mailbox m = find(t, "INBOX");
    ok(expunge_letters(t, t->inbox, &(struct uid_set){&(struct uid_range){1, 4}, 1, 1}, &gone, &e), &e);
    int64_t quota = m.bytes / 2;
    ok(store_account_change(t->store, t->account, NULL, &quota, NULL, NULL, &e), &e);
    struct lost_letter *v = lost(t, 0, 10, &n);
    assert_int_equal(n, 4);
    assert_int_equal(store_undelete(t->store, t->account, v, n, 0, &back, &e), ERR_CONFLICT);
    lost(t, 0, 10, &n);
    assert_int_equal(n, 4); /* all or nothing */
    ok(store_undelete(t->store, t->account, v, 2, 0, &back, &e), &e);
    assert_int_equal(back, 2);
    int64_t none = 0, letters = 2;
    ok(store_account_change(t->store, t->account, NULL, &none, &letters, NULL, &e), &e);
    assert_int_equal(store_undelete(t->store, t->account, v + 2, 1, 0, &back, &e), ERR_CONFLICT);
    v[2].email = 7; /* a letter that is not there */
    ok(store_undelete(t->store, t->account, v + 2, 1, 0, &back, &e), &e);
    assert_int_equal(back, 0);
    assert_sound(t);
}

static void test_undelete_and_quota(void **state)
{
    (void)state;
    twice(undelete_and_quota);
}

/* ---- news ---- */

static void on_news(void *calls) { ++*(int *)calls; }

/* What the fiber that watches does is its own; what others do is news. */
static FIBER void assert_own_news(struct testing *t, struct account_watch *w, int64_t mailbox, unsigned own)
{
    struct account_news *v;
    bool lost;
    fiber_sleep(SECONDS(1));
    assert_int_equal(store_watch_take(w, t->arena, &v, &lost), 1);
    assert_false(lost);
    assert_int_equal(v->mailbox, mailbox);
    assert_int_equal(v->own, own);
    assert_int_equal(v->news, 0);
}

static FIBER void news(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    int64_t id;
    int calls = 0;
    testing_account(t);
    int64_t bob = t->account, eve = add_account(t, "eve");
    struct account_watch *w = store_watch_account(t->store, t->loop, bob, bob, on_news, &calls);
    ok(store_mailbox_make(t->store, bob, bob, S("x"), USE_NONE, &id, &e), &e);
    assert_own_news(t, w, id, NEWS_MADE);
    ok(store_mailbox_rename(t->store, bob, id, S("y"), &e), &e);
    assert_own_news(t, w, id, NEWS_RENAMED);
    ok(store_acl_change(t->store, bob, id, eve, ACL_SET, RIGHT_LOOKUP | RIGHT_READ | RIGHT_WRITE, &e), &e);
    assert_own_news(t, w, id, NEWS_ACL);
    assert_int_equal(annotate(t, bob, id, "/shared/x", S("x")), 0);
    assert_own_news(t, w, id, NEWS_METADATA);
    ok(store_subscribe(t->store, bob, S("y"), true, &e), &e);
    assert_own_news(t, w, 0, NEWS_SUBSCRIBED);
    ok(store_mailbox_delete(t->store, bob, id, &e), &e);
    assert_own_news(t, w, id, NEWS_DELETED);
    store_unwatch_account(w);
    calls = 0;
    ok(store_subscribe(t->store, bob, S("z"), true, &e), &e);
    fiber_sleep(SECONDS(1));
    assert_int_equal(calls, 0);
}

/* ---- news of others' doing ---- */

struct other {
    struct testing *t;
    FIBER void (*fn)(struct testing *t, int64_t mailbox, int64_t eve);
    int64_t mailbox, eve;
};

static FIBER void run_other(void *arg)
{
    struct other *o = arg;
    o->fn(o->t, o->mailbox, o->eve);
}

static FIBER void as_other(struct testing *t, FIBER void (*fn)(struct testing *t, int64_t mailbox, int64_t eve),
                           int64_t mailbox, int64_t eve)
{
    struct other o = {t, fn, mailbox, eve};
    struct scope scope;
    scope_init(&scope);
    fiber_spawn(&scope, run_other, &o);
    scope_join(&scope);
    fiber_sleep(SECONDS(1));
}

static FIBER void annotate_some(struct testing *t, int64_t mailbox, int64_t eve)
{
    assert_int_equal(annotate(t, t->account, mailbox, "/shared/b", S("x")), 0);
    assert_int_equal(annotate(t, t->account, 0, "/private/server", S("x")), 0);
    assert_int_equal(annotate(t, eve, mailbox, "/private/of/eve", S("x")), 0);
    assert_int_equal(annotate(t, eve, mailbox, "/shared/a", S("x")), 0);
    assert_int_equal(annotate(t, t->account, mailbox, "/shared/b", STR_NONE), 0);
    assert_int_equal(annotate(t, t->account, 0, "/private/other", S("x")), 0);
    assert_int_equal(annotate(t, t->account, mailbox, "/shared/none", STR_NONE), 0); /* there was none */
}

static FIBER void annotate_much(struct testing *t, int64_t mailbox, int64_t eve)
{
    (void)eve;
    for (int i = 0; i < 60; i++) {
        struct str name = arena_printf(t->arena, "/private/%0230d/%d", 7, i);
        assert_int_equal(annotate(t, t->account, mailbox, arena_cstr(t->arena, name), S("x")), 0);
        assert_int_equal(annotate(t, t->account, mailbox, arena_cstr(t->arena, name), STR_NONE), 0);
    }
    for (int i = 60; i < 80; i++) {
        struct str name = arena_printf(t->arena, "/private/%0230d/%d", 7, i);
        assert_int_equal(annotate(t, t->account, mailbox, arena_cstr(t->arena, name), S("x")), 0);
    }
}

static FIBER void make_many(struct testing *t, int64_t mailbox, int64_t eve)
{
    (void)mailbox, (void)eve;
    for (int i = 0; i < LIMIT_WATCH_MAILBOXES + 10; i++) {
        struct error e = {0};
        struct str name = arena_printf(t->arena, "B%d", i);
        ok(store_mailbox_make(t->store, t->account, t->account, name, USE_NONE, NULL, &e), &e);
    }
}

static FIBER void news_of_others(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    struct account_news *v;
    bool lost;
    int calls = 0;
    testing_account(t);
    int64_t bob = t->account, eve = add_account(t, "eve");
    ok(store_acl_change(t->store, bob, t->inbox, eve, ACL_SET, RIGHT_LOOKUP | RIGHT_READ | RIGHT_WRITE, &e), &e);
    struct account_watch *w = store_watch_account(t->store, t->loop, bob, bob, on_news, &calls);
    as_other(t, annotate_some, t->inbox, eve);
    assert_int_equal(store_watch_take(w, t->arena, &v, &lost), 2);
    assert_true(!lost && calls > 0);
    assert_int_equal(v[0].mailbox, t->inbox);
    assert_int_equal(v[0].news, NEWS_METADATA);
    assert_str(v[0].entries, S(" /shared/b /shared/a"));
    assert_int_equal(v[1].mailbox, 0);
    assert_str(v[1].entries, S(" /private/server /private/other"));
    as_other(t, annotate_much, t->inbox, eve);
    assert_int_equal(store_watch_take(w, t->arena, &v, &lost), 0);
    assert_true(lost);
    as_other(t, make_many, 0, eve);
    assert_int_equal(store_watch_take(w, t->arena, &v, &lost), 0);
    assert_true(lost);
    assert_int_equal(store_watch_take(w, t->arena, &v, &lost), 0);
    assert_false(lost);
    store_unwatch_account(w);
}

static void test_news(void **state)
{
    (void)state;
    twice(news);
    twice(news_of_others);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),          cmocka_unit_test(test_tree),
        cmocka_unit_test(test_uses),           cmocka_unit_test(test_renaming_inbox),
        cmocka_unit_test(test_subscriptions),  cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_undeleting),     cmocka_unit_test(test_undelete_and_quota),
        cmocka_unit_test(test_news),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
