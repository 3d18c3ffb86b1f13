/* Routing: each rule of the order of look-up, and what it answers. */
#include "base/test.h"
#include "mail/limits.h"
#include "queue/directory_fixture.h"
#include "queue/route.h"

static const char town[] = "domain example.org\n"
                           "domain mail.example.org\n"
                           "domain old.example = example.org\n"
                           "domain caught.example\n"
                           "account alice@example.org\n"
                           "account bob@example.org\n"
                           "account bob+special@example.org\n"
                           "account off@example.org disabled\n"
                           "account full@example.org quota 1000 used 1090\n"
                           "account over@example.org quota 1000 used 1200\n"
                           "account jürgen@example.org\n"
                           "catch caught.example -> alice@example.org\n"
                           "alias postmaster@mail.example.org -> alice@example.org\n"
                           "alias team@example.org -> alice@example.org bob@example.org ALICE@example.org\n"
                           "alias bob@example.org -> bob@example.org alice@example.org\n"
                           "alias away@example.org -> friend@elsewhere.example\n"
                           "alias both@example.org -> bob+special@example.org friend@elsewhere.example\n"
                           "alias two@example.org -> one@example.org\n"
                           "alias one@example.org -> two@example.org\n"
                           "alias dead@example.org -> off@example.org\n"
                           "alias abuse@caught.example -> off@example.org\n"
                           "alias half@example.org -> off@example.org alice@example.org\n"
                           "alias nowhere@example.org -> nobody@example.org\n"
                           "alias fullteam@example.org -> over@example.org alice@example.org\n"
                           "alias fixed@example.org -> alice+fixed@example.org\n";

/* want: the code and status, or the final addresses separated by spaces ("!" before a foreign one). */
static const struct {
    const char *rcpt, *want;
    int64_t size;
} cases[] = {
    {"alice@example.org", "alice@example.org", -1},
    {"ALICE@EXAMPLE.ORG", "alice@example.org", -1},
    {"\"alice\"@example.org", "alice@example.org", -1},
    {"alice@old.example", "alice@example.org", -1},
    {"alice+news@example.org", "alice+news@example.org", -1},
    {"alice+@example.org", "alice+@example.org", -1},
    {"JÜRGEN@example.org", "jürgen@example.org", -1},
    {"bob+special@example.org", "bob+special@example.org", -1},
    {"bob@example.org", "bob@example.org alice@example.org", -1},
    {"bob+x@example.org", "bob+x@example.org alice+x@example.org", -1},
    {"team@example.org", "alice@example.org bob@example.org", -1},
    {"team+urgent@example.org", "alice+urgent@example.org bob+urgent@example.org", -1},
    {"fixed+x@example.org", "alice+fixed@example.org", -1},
    {"away@example.org", "!friend@elsewhere.example", -1},
    {"away+x@example.org", "!friend+x@elsewhere.example", -1},
    {"both@example.org", "bob+special@example.org !friend@elsewhere.example", -1},
    {"half@example.org", "alice@example.org", -1},
    {"anybody@caught.example", "alice@example.org", -1},
    {"postmaster@caught.example", "alice@example.org", -1},
    {"nobody@example.org", "550 5.1.1", -1},
    {"nowhere@example.org", "550 5.1.1", -1},
    {"off@example.org", "550 5.2.1", -1},
    {"dead@example.org", "550 5.2.1", -1},
    {"abuse@caught.example", "off@example.org", -1},
    {"one@example.org", "550 5.4.6", -1},
    {"a@elsewhere.example", "!a@elsewhere.example", -1},
    {"a@[192.0.2.9]", "!a@[192.0.2.9]", -1},
    {"alice@[192.0.2.1]", "550 5.1.1", -1},
    {"postmaster@[192.0.2.1]", "alice@example.org", -1},
    {"postmaster@[192.0.2.2]", "!postmaster@[192.0.2.2]", -1},
    {"Postmaster", "alice@example.org", -1},
    {"PostMaster@mail.example.org", "alice@example.org", -1},
    {"abuse@example.org", "alice@example.org", -1},
    {"mailer-daemon@old.example", "alice@example.org", -1},
    {"postmaster+x@example.org", "550 5.1.1", -1},
    {"full@example.org", "full@example.org", 10},
    {"full@example.org", "552 5.2.2", 11},
    {"over@example.org", "552 5.2.2", -1},
    {"fullteam@example.org", "over@example.org alice@example.org", 5000},
};

static struct str shown(struct arena *a, const struct route *r)
{
    if (r->refusal.code)
        return arena_printf(a, "%d %d.%d.%d", r->refusal.code, r->refusal.status.class, r->refusal.status.subject,
                            r->refusal.status.detail);
    struct buf *b = buf_in(a, 65536);
    for (size_t i = 0; i < r->n; i++) {
        if (i) buf_char(b, ' ');
        if (!r->targets[i].account) buf_char(b, '!');
        address_put(b, r->targets[i].final);
    }
    return buf_str(b);
}

static struct address typed(struct arena *a, const char *text)
{
    struct address address;
    if (str_find_char(str_c(text), '@') == strlen(text)) return (struct address){str_c(text), STR_NONE};
    size_t at = str_rfind_char(str_c(text), '@');
    if (text[at + 1] == '[') return (struct address){str_head(str_c(text), at), str_c(text + at + 1)};
    assert_int_equal(address_parse(a, str_c(text), &address), 0);
    return address;
}

static const struct route_rules rules = {{"mail.example.org", 16}, '+'};
static const struct ip own_address = {4, {192, 0, 2, 1}};

static void test_order_of_look_up(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct directory *d = directory_fixture(a, town);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct route r;
        route_resolve(a, d, &rules, typed(a, cases[i].rcpt), own_address, cases[i].size, &r);
        struct str got = shown(a, &r);
        if (!str_eq(got, str_c(cases[i].want))) print_error("%s:\n", cases[i].rcpt);
        assert_str(got, str_c(cases[i].want));
    }
    directory_unref(d);
    arena_free(a);
}

static void test_relay_is_told_from_forwarding(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct directory *d = directory_fixture(a, town);
    struct route r;
    route_resolve(a, d, &rules, typed(a, "a@elsewhere.example"), own_address, -1, &r);
    assert_true(r.relay && r.foreign);
    route_resolve(a, d, &rules, typed(a, "away@example.org"), own_address, -1, &r);
    assert_true(!r.relay && r.foreign);
    route_resolve(a, d, &rules, typed(a, "alice@example.org"), own_address, -1, &r);
    assert_true(!r.relay && !r.foreign && !r.role);
    directory_unref(d);
    arena_free(a);
}

static void test_missing_target_is_named(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct directory *d = directory_fixture(a, "domain example.org\naccount alice@example.org\n"
                                               "alias team@example.org -> gone@example.org alice@example.org\n");
    struct route r;
    route_resolve(a, d, &rules, typed(a, "team@example.org"), own_address, -1, &r);
    assert_str(shown(a, &r), S("alice@example.org"));
    assert_str(address_str(a, r.missing), S("gone@example.org"));
    route_resolve(a, d, &rules, typed(a, "alice@example.org"), own_address, -1, &r);
    assert_true(address_is_null(r.missing));
    directory_unref(d);
    arena_free(a);
}

/* A chain of aliases as deep as allowed, and one deeper. */
static void test_depth(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct buf *text = buf_in(a, 65536);
    buf_lit(text, "domain example.org\naccount end@example.org\n");
    for (int i = 1; i <= LIMIT_ALIAS_DEPTH + 1; i++) {
        buf_printf(text, "alias a%d@example.org -> ", i);
        if (i == 1) buf_lit(text, "end@example.org\n");
        else buf_printf(text, "a%d@example.org\n", i - 1);
    }
    buf_char(text, '\0');
    struct directory *d = directory_fixture(a, text->p);
    struct route r;
    struct str deepest = arena_printf(a, "a%d", LIMIT_ALIAS_DEPTH),
               beyond = arena_printf(a, "a%d", LIMIT_ALIAS_DEPTH + 1);
    route_resolve(a, d, &rules, (struct address){deepest, S("example.org")}, own_address, -1, &r);
    assert_int_equal(r.refusal.code, 0);
    route_resolve(a, d, &rules, (struct address){beyond, S("example.org")}, own_address, -1, &r);
    assert_int_equal(r.refusal.code, 550);
    assert_int_equal(r.refusal.status.subject, 4);
    directory_unref(d);
    arena_free(a);
}

/* Layers of aliases each of which leads to all of the next: few addresses, more ways than anybody can walk. */
static void test_a_web_of_aliases_ends(void **state)
{
    (void)state;
    enum { LAYERS = 9, WIDTH = 10 };
    struct arena *a = arena_new(NULL, 0);
    struct buf *text = buf_in(a, 65536);
    buf_lit(text, "domain example.org\naccount end@example.org\n");
    for (int layer = 0; layer < LAYERS; layer++)
        for (int i = 0; i < WIDTH; i++) {
            buf_printf(text, "alias a%d.%d@example.org ->", layer, i);
            for (int k = 0; layer && k < WIDTH; k++) buf_printf(text, " a%d.%d@example.org", layer - 1, k);
            buf_add(text, layer ? S("\n") : S(" end@example.org\n"));
        }
    buf_char(text, '\0');
    struct directory *d = directory_fixture(a, text->p);
    struct route r;
    route_resolve(a, d, &rules, typed(a, "a2.0@example.org"), own_address, -1, &r);
    assert_int_equal(r.refusal.code, 0);
    assert_int_equal(r.n, 1);
    route_resolve(a, d, &rules, typed(a, "a8.0@example.org"), own_address, -1, &r);
    assert_int_equal(r.refusal.code, 550);
    assert_int_equal(r.refusal.status.subject, 4);
    directory_unref(d);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_of_look_up),
        cmocka_unit_test(test_relay_is_told_from_forwarding),
        cmocka_unit_test(test_missing_target_is_named),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_a_web_of_aliases_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
