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
    directory_set_account(d, &account, &a, 1, used);
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
    directory_set_used_bytes(three, 20, 77);
    assert_int_equal(directory_used_bytes(two, 20), 77);
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_snapshots), cmocka_unit_test(test_one_more_among_many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
