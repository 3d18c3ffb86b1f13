/* Directory snapshots: what a look-up finds, that old snapshots stay as they were, and that one more account among
 * 100,000 is cheap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "store/directory_edit.h"

enum { MANY = 100000 };

static const struct hash_key key = {{1, 2}};

static void set_account(struct directory *d, int64_t id, const char *local, int64_t used)
{
    struct address a = {str_c(local), S("example.org")};
    struct directory_account account = {.id = id, .key = a, .shown = a, .name = S("Somebody"), .inbox = id + 1};
    directory_set_account(d, &account, &a, 1, used, used / 100);
}

static const struct directory_account *find(const struct directory *d, const char *local)
{
    return directory_account(d, (struct address){str_c(local), S("example.org")});
}

static void test_snapshots(void **state)
{
    (void)state;
    struct directory *one = directory_new(key);
    directory_set_domain(one, &(struct directory_domain){.id = 1, .key = S("example.org"), .shown = S("example.org")},
                         S(""));
    directory_set_domain(one,
                         &(struct directory_domain){.id = 2, .key = S("alias.example"), .shown = S("alias.example")},
                         S("example.org"));
    set_account(one, 10, "bob", 500);
    struct directory *two = directory_copy(one);
    set_account(two, 20, "eve", 0);
    directory_drop_account(two, 10);
    directory_set_domain(two,
                         &(struct directory_domain){.id = 1,
                                                    .key = S("example.org"),
                                                    .shown = S("example.org"),
                                                    .catch_all = {S("eve"), S("example.org")}},
                         S(""));
    assert_non_null(find(one, "bob"));
    assert_null(find(one, "eve"));
    assert_null(find(two, "bob"));
    assert_int_equal(find(two, "eve")->id, 20);
    assert_int_equal(directory_account_by_id(one, 10)->inbox, 11);
    assert_null(directory_account_by_id(two, 10));
    assert_int_equal(directory_used_bytes(one, 10), 500);
    assert_int_equal(directory_used_count(one, 10), 5);
    assert_int_equal(directory_used_bytes(two, 10), 0);
    assert_int_equal(directory_domain(two, S("alias.example"))->alias_of->catch_all.local.n, 3); /* aliases follow */
    assert_int_equal(directory_domain(one, S("alias.example"))->alias_of->catch_all.local.n, 0);
    assert_null(find(two, ""));
    char longest[2 * DIRECTORY_ADDRESS_MAX];
    memset(longest, 'x', sizeof longest);
    assert_null(directory_account(two, (struct address){str_of(longest, sizeof longest), S("example.org")}));
    directory_unref(one);
    assert_int_equal(find(two, "eve")->id, 20);

    struct directory *three = directory_copy(two);
    set_account(three, 20, "eve", -1); /* changed: used bytes are shared */
    directory_set_used(three, 20, 77, 7);
    assert_int_equal(directory_used_bytes(two, 20), 77);
    assert_int_equal(directory_used_count(two, 20), 7);
    directory_unref(two);
    assert_int_equal(directory_used_bytes(three, 20), 77);
    directory_unref(three);
}

static void count(const struct directory_account *a, void *arg)
{
    struct {
        size_t n;
        struct str last;
    } *seen = arg;
    assert_true(seen->n == 0 || str_cmp(seen->last, a->key.local) < 0); /* in order */
    seen->last = a->key.local;
    seen->n++;
}

static int64_t now_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void test_one_more_among_many(void **state)
{
    (void)state;
    char local[20];
    struct directory *d = directory_new(key);
    for (int i = 0; i < MANY; i++) {
        snprintf(local, sizeof local, "user%d", i);
        set_account(d, i + 1, local, i);
    }
    int64_t begun = now_us(), took = INT64_MAX;
    for (int i = 0; i < 20; i++, begun = now_us()) {
        struct directory *next = directory_copy(d);
        snprintf(local, sizeof local, "new%d", i);
        set_account(next, MANY + i + 1, local, 0);
        directory_unref(d);
        d = next;
        if (now_us() - begun < took) took = now_us() - begun;
    }
    print_message("one account more among %d: %lld µs\n", MANY, (long long)took);
    assert_true(took < 10000);
    struct { size_t n; struct str last; } seen = {0};
    directory_each_account(d, count, &seen);
    assert_int_equal(seen.n, MANY + 20);
    assert_int_equal(directory_count_accounts(d), MANY + 20);
    assert_int_equal(directory_used_bytes(d, 500), 499);
    directory_unref(d);
}

static void set_route(struct directory *d, bool by_sender, const char *k, const char *target)
{
    directory_set_route(d, &(struct directory_route){.by_sender = by_sender,
                                                     .key = str_c(k),
                                                     .target = str_c(target),
                                                     .tls = TLS_POLICY_ENCRYPT,
                                                     .user = S("me"),
                                                     .password = S("secret")});
}

static void note_route(const struct directory_route *r, void *arg)
{
    buf_printf(arg, "%d%.*s ", r->by_sender, STR_FMT(r->key));
}

static void test_routes(void **state)
{
    (void)state;
    char text[200];
    struct buf b = BUF_OVER(text);
    struct directory *one = directory_new(key);
    set_route(one, false, "example.org", "mx");
    set_route(one, true, "example.org", "discard"); /* another side, another route */
    set_route(one, false, "*", "refuse");
    directory_set_destination(one, &(struct directory_destination){S("slow.example"), true, 0});
    struct directory *two = directory_copy(one);
    set_route(two, false, "example.org", "smtp://relay.example");
    set_route(two, false, "a.example", "mx");
    directory_drop_route(two, true, S("example.org"));
    directory_drop_route(two, true, S("never.example"));
    directory_set_destination(two, &(struct directory_destination){S("slow.example"), false, 7});
    directory_set_destination(two, &(struct directory_destination){S("other.example"), true, 0});
    directory_set_destination(two, &(struct directory_destination){S("other.example"), false, 0});
    assert_true(str_eq(directory_route(one, false, S("example.org"))->target, S("mx")));
    assert_true(str_eq(directory_route(one, true, S("example.org"))->target, S("discard")));
    assert_true(directory_destination(one, S("slow.example"))->suspended);
    assert_int_equal(directory_count_routes(one), 3);
    directory_unref(one);
    const struct directory_route *r = directory_route(two, false, S("example.org"));
    assert_true(str_eq(r->target, S("smtp://relay.example")));
    assert_true(str_eq(r->user, S("me")) && str_eq(r->password, S("secret")));
    assert_int_equal(r->tls, TLS_POLICY_ENCRYPT);
    assert_null(directory_route(two, true, S("example.org")));
    assert_null(directory_route(two, false, S("")));
    assert_int_equal(directory_count_routes(two), 3);
    assert_int_equal(directory_count_destinations(two), 1);
    assert_int_equal(directory_destination(two, S("slow.example"))->per_hour, 7);
    assert_null(directory_destination(two, S("other.example")));
    directory_each_route(two, note_route, &b);
    assert_true(str_eq(buf_str(&b), S("0* 0a.example 0example.org ")));
    directory_unref(two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_snapshots), cmocka_unit_test(test_routes),
                                       cmocka_unit_test(test_one_more_among_many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
