/* Who may do what in a mailbox of somebody else (RFC 4314 §4): each request of the store with each right alone, and
 * with all rights but that one. */
#include "store/testing.h"

struct scene {
    struct testing *t;
    int64_t bob, eve, work; /* bob's mailbox with three letters, that eve visits */
    int64_t own;            /* eve's */
};

static FIBER void give(struct scene *s, int64_t mailbox, right_set rights)
{
    struct error e = {0};
    ok(store_acl_change(s->t->store, s->bob, mailbox, s->eve, ACL_SET, rights, &e), &e);
}

/* ---- the requests, as eve; each puts back what it did ---- */

static FIBER int find(struct scene *s)
{
    struct mailbox m;
    return store_mailbox_find(s->t->store, s->t->arena, s->eve, s->bob, S("Work"), &m, NULL);
}

static FIBER int tree(struct scene *s)
{
    struct mailbox *v;
    size_t n;
    int r = store_mailbox_tree(s->t->store, s->t->arena, s->eve, s->bob, &v, &n, NULL);
    return r ? r : n ? 0 : ERR_NOT_FOUND;
}

static FIBER int sharing(struct scene *s)
{
    int64_t *v;
    size_t n;
    int r = store_shared_accounts(s->t->store, s->t->arena, s->eve, &v, &n, NULL);
    return r ? r : n ? 0 : ERR_NOT_FOUND;
}

static FIBER int make(struct scene *s)
{
    int64_t id;
    struct error e = {0};
    int r = store_mailbox_make(s->t->store, s->eve, s->bob, S("Work/new"), USE_NONE, &id, NULL);
    if (!r) ok(store_mailbox_delete(s->t->store, s->bob, id, &e), &e);
    return r;
}

static FIBER int make_at_root(struct scene *s)
{
    return store_mailbox_make(s->t->store, s->eve, s->bob, S("new"), USE_NONE, NULL, NULL);
}

static FIBER int remove_it(struct scene *s)
{
    int64_t id;
    struct error e = {0};
    right_set rights = store_rights(s->t->store, s->eve, s->work);
    ok(store_mailbox_make(s->t->store, s->bob, s->bob, S("Work/doomed"), USE_NONE, &id, &e), &e);
    assert_int_equal(store_rights(s->t->store, s->eve, id), rights); /* inherited */
    int r = store_mailbox_delete(s->t->store, s->eve, id, NULL);
    if (r) ok(store_mailbox_delete(s->t->store, s->bob, id, &e), &e);
    return r;
}

/* Below where eve has all rights, so that those of the mailbox alone decide. */
static FIBER int rename_it(struct scene *s)
{
    struct error e = {0};
    int r = store_mailbox_rename(s->t->store, s->eve, s->work, S("Open/Work"), NULL);
    if (!r) ok(store_mailbox_rename(s->t->store, s->bob, s->work, S("Work"), &e), &e);
    return r;
}

static FIBER int rename_to_below(struct scene *s)
{
    int64_t id;
    struct error e = {0};
    ok(store_mailbox_make(s->t->store, s->bob, s->bob, S("Open/mine"), USE_NONE, &id, &e), &e);
    int r = store_mailbox_rename(s->t->store, s->eve, id, S("Work/mine"), NULL);
    ok(store_mailbox_delete(s->t->store, s->bob, id, &e), &e);
    return r;
}

static FIBER int use(struct scene *s) { return store_mailbox_use(s->t->store, s->eve, s->work, USE_NONE, NULL); }

static FIBER int acl(struct scene *s)
{
    struct acl_entry *v;
    size_t n;
    return store_acl(s->t->store, s->t->arena, s->eve, s->work, &v, &n, NULL);
}

static FIBER int acl_change(struct scene *s)
{
    return store_acl_change(s->t->store, s->eve, s->work, PRINCIPAL_ANYONE, ACL_ADD, 0, NULL);
}

static FIBER int metadata(struct scene *s)
{
    struct metadata *v;
    size_t n;
    return store_metadata(s->t->store, s->t->arena, s->eve, s->work, &v, &n, NULL);
}

static FIBER int annotate_for_oneself(struct scene *s)
{
    struct metadata m = {S("/private/x"), S("x")};
    return store_metadata_set(s->t->store, s->eve, s->work, &m, 1, NULL);
}

static FIBER int annotate_for_all(struct scene *s)
{
    struct metadata m = {S("/shared/x"), S("x")};
    return store_metadata_set(s->t->store, s->eve, s->work, &m, 1, NULL);
}

static FIBER int flag(struct scene *s, flag_set flags)
{
    struct uid_set all = {&(struct uid_range){1, 3}, 1, 1};
    struct flags_change c = {.who = s->eve, .mailbox = s->work, .uids = &all, .how = FLAGS_ADD, .flags = flags,
                             .unchanged_since = UINT64_MAX};
    int r = store_flags_change(s->t->store, s->t->arena, &c, NULL);
    size_t n;
    bool changed = entries_of(s->t, s->work, &n)[0].flags & flags;
    assert_int_equal(changed, r == 0);
    if (changed) {
        struct flags_change back = c;
        struct error e = {0};
        back.who = s->bob;
        back.how = FLAGS_REMOVE;
        ok(store_flags_change(s->t->store, s->t->arena, &back, &e), &e);
    }
    return r;
}
static FIBER int flag_seen(struct scene *s) { return flag(s, FLAG_SEEN); }
static FIBER int flag_deleted(struct scene *s) { return flag(s, FLAG_DELETED); }
static FIBER int flag_others(struct scene *s) { return flag(s, FLAG_FLAGGED | FLAG_ANSWERED); }

static FIBER int copy_from(struct scene *s)
{
    struct uid_set all = {&(struct uid_range){1, 3}, 1, 1};
    struct copying c = {.who = s->eve, .from = s->work, .to = s->own, .uids = &all};
    return store_copy(s->t->store, s->t->arena, &c, NULL);
}

static FIBER int copy_to(struct scene *s)
{
    struct uid_set all = {&(struct uid_range){1, 3}, 1, 1};
    struct copying c = {.who = s->eve, .from = s->own, .to = s->work, .uids = &all};
    return store_copy(s->t->store, s->t->arena, &c, NULL);
}

static FIBER int expunge(struct scene *s)
{
    struct uid_set none = {&(struct uid_range){1000000, 1000000}, 1, 1}, gone = {0};
    return store_expunge_set(s->t->store, s->t->arena, s->eve, s->work, &none, false, &gone, NULL);
}

/* ---- the table ---- */

enum { L = RIGHT_LOOKUP, R = RIGHT_READ, NEVER = RIGHTS_ALL + 1 };

static const struct row {
    const char *name;
    FIBER int (*run)(struct scene *s);
    right_set needs;  /* all of these, */
    right_set any;    /* and one of these, if there are any */
} table[] = {
    {"find", find, 0, RIGHTS_ALL},
    {"tree", tree, L, 0},
    {"shared accounts", sharing, L, 0},
    {"make below", make, RIGHT_CREATE, 0},
    {"make at the root", make_at_root, NEVER, 0},
    {"delete", remove_it, RIGHT_REMOVE, 0},
    {"rename", rename_it, RIGHT_REMOVE, 0},
    {"rename to below", rename_to_below, RIGHT_CREATE, 0},
    {"special use", use, NEVER, 0},
    {"acl", acl, RIGHT_ADMIN, 0},
    {"acl change", acl_change, RIGHT_ADMIN, 0},
    {"metadata", metadata, L, R | RIGHT_SEEN | RIGHT_WRITE | RIGHT_INSERT | RIGHT_POST},
    {"annotate for oneself", annotate_for_oneself, L, R | RIGHT_SEEN | RIGHT_WRITE | RIGHT_INSERT | RIGHT_POST},
    {"annotate for all", annotate_for_all, L | RIGHT_WRITE, 0},
    {"flag \\Seen", flag_seen, R | RIGHT_SEEN, 0},
    {"flag \\Deleted", flag_deleted, R | RIGHT_DELETE, 0},
    {"flag others", flag_others, R | RIGHT_WRITE, 0},
    {"copy from", copy_from, R, 0},
    {"copy to", copy_to, RIGHT_INSERT, 0},
    {"expunge", expunge, RIGHT_EXPUNGE, 0},
};

static FIBER void check(struct scene *s, const struct row *row, right_set rights)
{
    give(s, s->work, rights);
    int r = row->run(s);
    bool may = (rights & row->needs) == row->needs && (!row->any || rights & row->any);
    /* who may not even look it up hears that there is none (RFC 4314 §6) */
    int want = may ? 0 : rights & (L | R) ? ERR_DENIED : ERR_NOT_FOUND;
    if (!may && (row->run == make_at_root || row->run == make || row->run == rename_to_below)) want = ERR_DENIED;
    if (!may && (row->run == tree || row->run == sharing)) want = ERR_NOT_FOUND;
    if (r == want) return;
    char letters[32];
    struct buf b = BUF_OVER(letters);
    rights_put(&b, rights, false);
    fail_msg("%s with \"%.*s\": %d, not %d", row->name, STR_FMT(buf_str(&b)), r, want);
}

static FIBER void scene_begin(struct scene *s, struct testing *t)
{
    struct error e = {0};
    int64_t open;
    testing_account(t);
    *s = (struct scene){.t = t, .bob = t->account, .eve = add_account(t, "eve")};
    ok(store_mailbox_make(t->store, s->bob, s->bob, S("Work"), USE_NONE, &s->work, &e), &e);
    ok(store_mailbox_make(t->store, s->bob, s->bob, S("Open"), USE_NONE, &open, &e), &e);
    ok(store_mailbox_make(t->store, s->eve, s->eve, S("Own"), USE_NONE, &s->own, &e), &e);
    for (int i = 0; i < 3; i++) ok(letter_accept(t, S("Subject: x\r\n\r\nx\r\n"), 0, NULL, &e), &e);
    struct uid_set all = {&(struct uid_range){1, 3}, 1, 1};
    struct copying c = {.who = s->bob, .from = t->inbox, .to = s->work, .uids = &all, .move = true};
    ok(store_copy(t->store, t->arena, &c, &e), &e);
    c = (struct copying){.who = PRINCIPAL_ADMIN, .from = s->work, .to = s->own, .uids = &all};
    ok(store_copy(t->store, t->arena, &c, &e), &e);
    give(s, open, RIGHTS_ALL & ~(right_set)RIGHT_LOOKUP); /* not seen, so that LIST's rows are about Work alone */
}

static FIBER void cell_by_cell(void *arg)
{
    struct scene s;
    scene_begin(&s, arg);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        check(&s, &table[i], 0);
        check(&s, &table[i], RIGHTS_ALL);
        for (right_set right = 1; right < RIGHTS_ALL; right <<= 1) {
            check(&s, &table[i], right);
            check(&s, &table[i], right | L);
            check(&s, &table[i], RIGHTS_ALL & ~right);
        }
    }
    assert_sound(s.t);
}

static void test_cell_by_cell(void **state)
{
    (void)state;
    twice(cell_by_cell);
}

/* ---- whose rights ---- */

static FIBER void whose(void *arg)
{
    struct scene s;
    struct error e = {0};
    scene_begin(&s, arg);
    struct store *store = s.t->store;
    assert_int_equal(store_rights(store, s.bob, s.work), RIGHTS_ALL);
    assert_int_equal(store_rights(store, PRINCIPAL_ADMIN, s.work), RIGHTS_ALL);
    assert_int_equal(store_rights(store, s.eve, s.work), 0);
    assert_int_equal(store_rights(store, s.bob, 99), 0);
    assert_int_equal(store_rights(store, 99, s.work), 0);
    assert_int_equal(store_rights(store, PRINCIPAL_ANYONE, s.work), 0);
    assert_int_equal(store_rights(store, 0, s.work), 0);
    /* anyone's rights and one's own together */
    ok(store_acl_change(store, s.bob, s.work, PRINCIPAL_ANYONE, ACL_SET, L, &e), &e);
    assert_int_equal(store_rights(store, s.eve, s.work), L);
    assert_int_equal(store_rights(store, 99, s.work), 0); /* nobody is not anyone */
    ok(store_acl_change(store, s.bob, s.work, s.eve, ACL_ADD, R, &e), &e);
    ok(store_acl_change(store, s.bob, s.work, s.eve, ACL_ADD, RIGHT_SEEN, &e), &e);
    assert_int_equal(store_rights(store, s.eve, s.work), L | R | RIGHT_SEEN);
    ok(store_acl_change(store, s.bob, s.work, s.eve, ACL_TAKE, R, &e), &e);
    assert_int_equal(store_rights(store, s.eve, s.work), L | RIGHT_SEEN);
    ok(store_acl_change(store, s.bob, s.work, s.eve, ACL_SET, 0, &e), &e);
    assert_int_equal(store_rights(store, s.eve, s.work), L);
    struct acl_entry *v;
    size_t n;
    ok(store_acl(store, s.t->arena, s.bob, s.work, &v, &n, &e), &e);
    assert_int_equal(n, 1);
    assert_true(v[0].principal == PRINCIPAL_ANYONE && v[0].rights == L);
    /* who cannot be given any */
    assert_int_equal(store_acl_change(store, s.bob, s.work, s.bob, ACL_SET, 0, &e), ERR_DENIED);
    assert_int_equal(store_acl_change(store, s.bob, s.work, 99, ACL_SET, L, &e), ERR_NOT_FOUND);
    /* who is disabled has none, owner or not; who is removed leaves none behind */
    bool yes = true, no = false;
    ok(store_account_change(store, s.eve, &yes, NULL, NULL, NULL, &e), &e);
    assert_int_equal(store_rights(store, s.eve, s.work), 0);
    assert_int_equal(store_rights(store, s.eve, s.own), 0);
    ok(store_account_change(store, s.eve, &no, NULL, NULL, NULL, &e), &e);
    give(&s, s.work, R);
    ok(store_account_remove(store, s.eve, &e), &e);
    assert_int_equal(store_rights(store, s.eve, s.work), 0);
    assert_int_equal(store_rights(store, s.eve, s.own), 0);
    ok(store_acl(store, s.t->arena, s.bob, s.work, &v, &n, &e), &e);
    assert_int_equal(n, 1);
}

static void test_whose(void **state)
{
    (void)state;
    twice(whose);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cell_by_cell), cmocka_unit_test(test_whose)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
