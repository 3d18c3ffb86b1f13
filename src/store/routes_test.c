/* Routes and what is said of next hops: in the directory at once, in the store after it was opened again, and no more
 * of them than there may be. In the simulated world, each test twice. */
#include "mail/limits.h"
#include "store/testing.h"

static void list_route(const struct directory_route *r, void *arg)
{
    buf_printf(arg, "%d %.*s=%.*s tls=%d %.*s:%.*s %d;", r->by_sender, STR_FMT(r->key), STR_FMT(r->target), (int)r->tls,
               STR_FMT(r->user), STR_FMT(r->password), r->accept);
}

static void list_destination(const struct directory_destination *d, void *arg)
{
    buf_printf(arg, "%.*s %d %lld;", STR_FMT(d->key), d->suspended, (long long)d->per_hour);
}

static void assert_routes(struct testing *t, const char *expected)
{
    char text[1000];
    struct buf b = BUF_OVER(text);
    const struct directory *d = store_directory(t->store);
    directory_each_route(d, list_route, &b);
    directory_each_destination(d, list_destination, &b);
    directory_unref(d);
    if (!str_eq(buf_str(&b), str_c(expected))) fail_msg("%.*s", STR_FMT(buf_str(&b)));
}

#define ROUTES_AFTER \
    "0 *=smtp://relay.example tls=3 me:secret 0;0 backup.example=mx tls=0 : 1;1 bob@example.org=discard tls=0 : 0;" \
    "slow.example 0 100;"

static FIBER void routes(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    struct store *s = t->store;
    struct directory_route all = {.key = S("*"), .target = S("smtp://old.example")},
                           backup = {.key = S("backup.example"), .target = S("mx"), .accept = true},
                           bob = {.by_sender = true, .key = S("bob@example.org"), .target = S("discard")},
                           gone = {.by_sender = true, .key = S("*"), .target = S("discard")};
    ok(store_route_put(s, &backup, &e), &e);
    ok(store_route_put(s, &bob, &e), &e);
    ok(store_route_put(s, &all, &e), &e);
    ok(store_route_put(s, &gone, &e), &e);
    const struct directory *before = store_directory(s);
    all.target = S("smtp://relay.example");
    all.tls = TLS_POLICY_VERIFY;
    all.user = S("me");
    all.password = S("secret");
    ok(store_route_put(s, &all, &e), &e);
    ok(store_route_remove(s, true, S("*"), &e), &e);
    assert_int_equal(store_route_remove(s, true, S("*"), &e), ERR_NOT_FOUND);
    assert_int_equal(store_route_remove(s, false, S("bob@example.org"), &e), ERR_NOT_FOUND);
    assert_true(str_eq(directory_route(before, false, S("*"))->target, S("smtp://old.example")));
    assert_non_null(directory_route(before, true, S("*")));
    directory_unref(before);
    ok(store_destination_put(s, &(struct directory_destination){S("slow.example"), true, 0}, &e), &e);
    ok(store_destination_put(s, &(struct directory_destination){S("slow.example"), false, 100}, &e), &e);
    ok(store_destination_put(s, &(struct directory_destination){S("other.example"), true, 0}, &e), &e);
    ok(store_destination_put(s, &(struct directory_destination){S("other.example"), false, 0}, &e), &e);
    ok(store_destination_put(s, &(struct directory_destination){S("never.example"), false, 0}, &e), &e);
    assert_routes(t, ROUTES_AFTER);
    char longest[2 * DIRECTORY_ADDRESS_MAX];
    memset(longest, 'x', sizeof longest);
    struct directory_route bad = {.key = str_of(longest, sizeof longest), .target = S("mx")};
    assert_int_equal(store_route_put(s, &bad, &e), ERR_SYNTAX);
    assert_int_equal(store_route_put(s, &(struct directory_route){.key = S("x")}, &e), ERR_SYNTAX);
    assert_int_equal(store_route_remove(s, false, bad.key, &e), ERR_NOT_FOUND);
    assert_int_equal(store_destination_put(s, &(struct directory_destination){.key = bad.key}, &e), ERR_SYNTAX);
    assert_null(directory_route(s->directory, false, bad.key));
    assert_null(directory_destination(s->directory, bad.key));
}

static void run_routes(struct sim *sim, void *arg)
{
    (void)arg;
    struct testing t = {0};
    testing_begin(&t, sim);
    testing_run(&t, routes, &t);
    testing_close(&t);
    testing_open(&t);
    assert_routes(&t, ROUTES_AFTER);
    testing_close(&t);
}

static void test_routes(void **state)
{
    (void)state;
    sim_twice(1, run_routes, NULL);
}

static FIBER void too_many_routes(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    char key[32];
    for (int i = 0; i < LIMIT_ROUTES; i++) {
        snprintf(key, sizeof key, "d%d.example", i);
        ok(store_route_put(t->store, &(struct directory_route){.key = str_c(key), .target = S("mx")}, &e), &e);
    }
    struct directory_route more = {.key = S("more.example"), .target = S("mx")};
    assert_int_equal(store_route_put(t->store, &more, &e), ERR_CONFLICT);
    more.key = str_c(key); /* what is there may change */
    ok(store_route_put(t->store, &more, &e), &e);
    ok(store_route_remove(t->store, false, more.key, &e), &e);
    more.key = S("more.example");
    ok(store_route_put(t->store, &more, &e), &e);
}

static void test_too_many_routes(void **state)
{
    (void)state;
    void (*fn)(void *) = too_many_routes;
    struct sim *sim = sim_new(1);
    run_on_store(sim, &fn);
    sim_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_too_many_routes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
