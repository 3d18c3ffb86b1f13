/* Domains, accounts, aliases and the directory snapshot they make, in the simulated world, each test twice; and that
 * all of it is there again after opening, whatever the clock says. */
#include "mail/limits.h"
#include "store/testing.h"

static struct address at(const char *local, const char *domain)
{
    return (struct address){str_c(local), str_c(domain)};
}

static int alias(struct testing *t, const char *name, const char *target, bool may_send)
{
    struct address to = at(target, "example.org"), name_key = at(name, "example.org");
    return store_alias_add(t->store, name_key, name_key, &to, 1, may_send, NULL);
}

static FIBER void domains_and_accounts(void *arg)
{
    struct testing *t = arg;
    struct store *s = t->store;
    struct error e = {0};
    testing_account(t);
    assert_int_equal(store_domain_add(s, S("example.org"), S(""), &e), ERR_EXISTS);
    assert_int_equal(store_domain_add(s, S("alias.example"), S("nowhere.example"), &e), ERR_NOT_FOUND);
    ok(store_domain_add(s, S("alias.example"), S("example.org"), &e), &e);
    assert_int_equal(store_domain_add(s, S("more.example"), S("alias.example"), &e), ERR_CONFLICT);
    struct new_account n = {.shown = at("x", "alias.example"), .key = at("x", "alias.example")};
    assert_int_equal(store_account_add(s, &n, NULL, &e), ERR_NOT_FOUND);
    n.shown = n.key = at("bob", "example.org");
    assert_int_equal(store_account_add(s, &n, NULL, &e), ERR_EXISTS);
    assert_int_equal(store_domain_remove(s, S("example.org"), &e), ERR_CONFLICT);
    assert_int_equal(store_domain_remove(s, S("nowhere.example"), &e), ERR_NOT_FOUND);

    const struct directory *before = store_directory(s);
    bool disabled = true;
    int64_t quota = 1000;
    ok(store_account_change(s, t->account, &disabled, &quota, NULL, NULL, &e), &e);
    ok(store_account_password(s, t->account, &(struct credential_data){S("$y$other"), S("scram")}, &e), &e);
    ok(store_domain_catch_all(s, S("example.org"), at("bob", "example.org"), &e), &e);
    const struct directory *now = store_directory(s);
    const struct directory_account *bob = directory_account(now, at("bob", "example.org"));
    assert_true(bob->disabled && bob->quota_bytes == 1000 && bob->n_credentials == 1);
    assert_true(str_eq(bob->credentials[0].password_hash, S("$y$other")));
    assert_false(directory_account(before, at("bob", "example.org"))->disabled); /* who holds the old one keeps it */
    assert_true(str_eq(directory_domain(now, S("alias.example"))->alias_of->catch_all.local, S("bob")));
    directory_unref(before);
    directory_unref(now);
    struct str value;
    ok(store_setting(s, t->arena, S("server_secret"), S("first"), &value, &e), &e);
    ok(store_setting(s, t->arena, S("server_secret"), S("second"), &value, &e), &e);
    assert_true(str_eq(value, S("first")));

    ok(store_account_remove(s, t->account, &e), &e);
    assert_int_equal(store_account_remove(s, t->account, &e), ERR_NOT_FOUND);
    now = store_directory(s);
    assert_null(directory_account(now, at("bob", "example.org")));
    assert_int_equal(directory_domain(now, S("example.org"))->catch_all.local.n, 0);
    directory_unref(now);
    assert_int_equal(letter_accept(t, S("\r\n"), 0, NULL, &e), ERR_NOT_FOUND);
    ok(store_domain_remove(s, S("alias.example"), &e), &e);
    ok(store_domain_remove(s, S("example.org"), &e), &e);
    assert_sound(t);
}

static void test_domains_and_accounts(void **state)
{
    (void)state;
    twice(domains_and_accounts);
}

static FIBER void aliases(void *arg)
{
    struct testing *t = arg;
    struct store *s = t->store;
    struct error e = {0};
    testing_account(t);
    assert_int_equal(store_alias_add(s, at("x", "example.net"), at("x", "example.net"),
                                     &(struct address){S("bob"), S("example.org")}, 1, true, &e),
                     ERR_NOT_FOUND);
    assert_int_equal(alias(t, "bob", "far", true), ERR_EXISTS);     /* would take the account's mail away */
    assert_int_equal(alias(t, "self", "self", true), ERR_NOT_FOUND); /* names itself, without an account */
    assert_int_equal(alias(t, "a", "b", true), 0);
    assert_int_equal(alias(t, "b", "c", true), 0);
    assert_int_equal(alias(t, "c", "a", true), ERR_CONFLICT);         /* a loop */
    assert_int_equal(alias(t, "c", "a+detail", true), ERR_CONFLICT);  /* the same, with a detail */
    assert_int_equal(alias(t, "c", "bob", true), 0);
    assert_int_equal(alias(t, "sales", "bob", false), 0);
    const struct directory *d = store_directory(s);
    assert_null(directory_alias(d, at("self", "example.org")));
    assert_true(directory_may_send_as(d, t->account, at("a", "example.org")));
    assert_true(directory_may_send_as(d, t->account, at("a+list", "example.org")));
    assert_false(directory_may_send_as(d, t->account, at("sales", "example.org")));
    assert_false(directory_may_send_as(d, t->account, at("nobody", "example.org")));
    directory_unref(d);

    char from[8] = "d0", to[8] = "bob"; /* ten in a row are fine, whichever end grows */
    for (int i = 0; i < 10; i++, memcpy(to, from, sizeof to), from[1]++) assert_int_equal(alias(t, from, to, true), 0);
    assert_int_equal(alias(t, "e", "d9", true), ERR_CONFLICT);
    assert_int_equal(alias(t, "f", "g", true), 0);
    assert_int_equal(alias(t, "g", "d8", true), ERR_CONFLICT); /* f → g → d8 …: eleven */
    assert_int_equal(alias(t, "g", "d7", true), 0);

    add_account(t, "eve");
    struct address both[] = {at("eve", "example.org"), at("copy", "example.net")};
    ok(store_alias_add(s, both[0], both[0], both, 2, true, &e), &e); /* keeps a copy */
    assert_int_equal(store_alias_add(s, at("bob", "example.org"), at("bob", "example.org"), &both[1], 1, true, &e),
                     ERR_EXISTS);
    assert_int_equal(store_alias_remove(s, both[0], &both[0], 1, &e), ERR_CONFLICT);
    ok(store_alias_remove(s, both[0], NULL, 0, &e), &e);

    assert_int_equal(alias(t, "postmaster", "bob", true), 0);
    assert_int_equal(store_alias_remove(s, at("postmaster", "example.org"), NULL, 0, &e), ERR_CONFLICT);
    assert_int_equal(store_account_remove(s, t->account, &e), ERR_CONFLICT);
    assert_int_equal(alias(t, "postmaster", "eve", true), 0);
    ok(store_account_remove(s, t->account, &e), &e);
    d = store_directory(s);
    assert_int_equal(directory_alias(d, at("postmaster", "example.org"))->n_targets, 1);
    assert_null(directory_alias(d, at("sales", "example.org"))); /* led nowhere any more */
    directory_unref(d);
    assert_sound(t);
}

static void test_aliases(void **state)
{
    (void)state;
    twice(aliases);
}

static size_t grants_of(struct testing *t, int64_t account)
{
    const struct directory *d = store_directory(t->store);
    size_t n = directory_account_by_id(d, account)->n_grants;
    directory_unref(d);
    return n;
}

static FIBER void grants(void *arg)
{
    struct testing *t = arg;
    struct store *s = t->store;
    struct error e = {0};
    struct address boss = at("boss", "firm.example"), chief = at("chief", "example.org");
    testing_account(t);
    int64_t bob = t->account;
    assert_int_equal(store_grant_add(s, bob, boss, &e), ERR_NOT_FOUND); /* no such domain */
    ok(store_domain_add(s, S("firm.example"), S(""), &e), &e);
    ok(store_domain_add(s, S("alias.example"), S("firm.example"), &e), &e);
    assert_int_equal(store_grant_add(s, bob, at("boss", "alias.example"), &e), ERR_NOT_FOUND);
    assert_int_equal(store_grant_add(s, bob, at("", "firm.example"), &e), ERR_SYNTAX);
    assert_int_equal(store_grant_add(s, bob + 1000, boss, &e), ERR_NOT_FOUND);
    ok(store_grant_add(s, bob, boss, &e), &e);
    ok(store_grant_add(s, bob, chief, &e), &e);
    assert_int_equal(store_grant_add(s, bob, boss, &e), ERR_EXISTS);
    const struct directory *before = store_directory(s);
    const struct directory_account *a = directory_account_by_id(before, bob);
    assert_true(directory_is_granted(a, boss) && directory_is_granted(a, chief));
    assert_false(directory_is_granted(a, at("boss", "example.org")));
    assert_false(directory_may_send_as(before, bob, boss)); /* that is about aliases */
    ok(store_grant_remove(s, bob, chief, &e), &e);
    assert_int_equal(store_grant_remove(s, bob, chief, &e), ERR_NOT_FOUND);
    assert_int_equal(a->n_grants, 2); /* who holds the old one keeps it */
    directory_unref(before);
    assert_int_equal(grants_of(t, bob), 1);

    ok(store_domain_remove(s, S("alias.example"), &e), &e);
    ok(store_grant_add(s, bob, chief, &e), &e);
    ok(store_domain_remove(s, S("firm.example"), &e), &e); /* takes its grants along, not the others */
    assert_int_equal(grants_of(t, bob), 1);
    ok(store_domain_add(s, S("firm.example"), S(""), &e), &e);
    ok(store_grant_add(s, bob, boss, &e), &e); /* its row was gone, too */
    char local[16];
    for (int i = 2; i < LIMIT_GRANTS; i++) {
        snprintf(local, sizeof local, "u%d", i);
        ok(store_grant_add(s, bob, at(local, "firm.example"), &e), &e);
    }
    assert_int_equal(store_grant_add(s, bob, at("one-more", "firm.example"), &e), ERR_CONFLICT);
    ok(store_account_remove(s, bob, &e), &e);
    assert_int_equal(store_grant_remove(s, bob, boss, &e), ERR_NOT_FOUND);
    int64_t left = -1;
    ok(db_exec_int(s->writer.db, "SELECT COUNT(*) FROM send_grant", &left, &e), &e); /* the lane sleeps */
    assert_int_equal(left, 0);
    assert_sound(t);
}

static void test_grants(void **state)
{
    (void)state;
    twice(grants);
}

/* ---- all of it again after opening ---- */

static void list_domain(const struct directory_domain *d, void *arg)
{
    buf_printf(arg, "%lld %.*s %.*s %.*s\n", (long long)d->id, STR_FMT(d->key),
               STR_FMT(d->alias_of ? d->alias_of->key : S("")), STR_FMT(d->catch_all.local));
}

static void list_account(const struct directory_account *a, void *arg)
{
    buf_printf(arg, "%lld %.*s %.*s %d %lld %lld %zu\n", (long long)a->id, STR_FMT(a->key.local), STR_FMT(a->name),
               a->disabled, (long long)a->quota_bytes, (long long)a->inbox, a->n_credentials);
    for (size_t i = 0; i < a->n_credentials; i++) buf_printf(arg, "  %.*s\n", STR_FMT(a->credentials[i].password_hash));
    for (size_t i = 0; i < a->n_grants; i++)
        buf_printf(arg, "  as %.*s@%.*s\n", STR_FMT(a->grants[i].local), STR_FMT(a->grants[i].domain));
}

static void list_alias(const struct directory_alias *a, void *arg)
{
    buf_printf(arg, "%.*s %d", STR_FMT(a->key.local), a->may_send);
    for (size_t i = 0; i < a->n_targets; i++)
        buf_printf(arg, " %.*s@%.*s", STR_FMT(a->targets[i].local), STR_FMT(a->targets_shown[i].domain));
    buf_lit(arg, "\n");
}

static struct str list_directory(struct testing *t, struct buf *b)
{
    const struct directory *d = store_directory(t->store);
    directory_each_domain(d, list_domain, b);
    directory_each_account(d, list_account, b);
    directory_each_alias(d, list_alias, b);
    buf_printf(b, "%lld bytes\n", (long long)directory_used_bytes(d, t->account));
    directory_unref(d);
    return buf_str(b);
}

static FIBER void fill_directory(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    testing_account(t);
    add_account(t, "eve");
    add_account(t, "carl");
    ok(store_account_password(t->store, t->account, &(struct credential_data){S("$y$new"), S("scram")}, &e), &e);
    ok(store_domain_add(t->store, S("alias.example"), S("example.org"), &e), &e);
    ok(store_domain_catch_all(t->store, S("example.org"), at("eve", "example.org"), &e), &e);
    assert_int_equal(alias(t, "all", "bob", true), 0);
    assert_int_equal(alias(t, "all", "eve", true), 0);
    assert_int_equal(alias(t, "sales", "all", false), 0);
    const struct directory *d = store_directory(t->store);
    int64_t carl = directory_account(d, at("carl", "example.org"))->id;
    directory_unref(d);
    const char *const as[] = {"chief", "boss", "friend", "clerk"};
    for (int i = 0; i < 4; i++) ok(store_grant_add(t->store, carl, at(as[i], "example.org"), &e), &e);
    ok(store_grant_add(t->store, t->account, at("boss", "example.org"), &e), &e);
    struct letter_out l;
    ok(letter_fill(t, t->arena, &l, S("Subject: kept\r\n\r\n"), 1, &e), &e);
    l.a.submitter = t->account;
    l.a.submitted_recipients = 4;
    ok(store_accept(t->store, &l.a, &e), &e);
}

static FIBER void look_again(void *arg)
{
    struct testing *t = arg;
    size_t n;
    struct entry *v = entries_of(t, t->inbox, &n);
    assert_int_equal(n, 1);
    assert_true(str_ends(read_whole(t, v[0].email), S("Subject: kept\r\n\r\n")));
    assert_int_equal(store_submission_usage(t->store, t->account, clock_utc(t->world)).hour, 4);
    assert_sound(t);
}

static void run_reopen(struct sim *sim, void *arg)
{
    (void)arg;
    struct testing t = {0};
    struct buf before = BUF(10000), after = BUF(10000);
    testing_begin(&t, sim);
    testing_run(&t, fill_directory, &t);
    list_directory(&t, &before);
    int64_t last = store_new_id(t.store);
    testing_close(&t);
    sim_set_utc(sim, clock_utc(t.world) - DAYS(400)); /* the clock went back */
    testing_open(&t);
    assert_true(store_new_id(t.store) > last);
    struct str again = list_directory(&t, &after);
    if (!str_eq(buf_str(&before), again)) fail_msg("%.*s\nwas\n%.*s", STR_FMT(again), STR_FMT(buf_str(&before)));
    testing_run(&t, look_again, &t);
    testing_close(&t);
    buf_free(&before);
    buf_free(&after);
}

static void test_reopen(void **state)
{
    (void)state;
    sim_twice(2, run_reopen, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_domains_and_accounts),
        cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_grants),
        cmocka_unit_test(test_reopen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
