/* Addresses and their keys (RFC 5321 §4.1.2, RFC 6531 §3.3, RFC 5891). */
#include "mail/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "mail/limits.h"

#define LABEL_63 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg"

struct row {
    struct str in, out; /* out none: refused */
};

static void check(const char *what, struct row row, int e, struct str out)
{
    if (str_is_none(row.out) ? e == 0 : e != 0 || !str_eq(out, row.out))
        fail_msg("%s(%.*s): %d, %.*s", what, STR_FMT(row.in), e, STR_FMT(e ? S("") : out));
}

static void makes_keys_of_domains(void **state)
{
    (void)state;
    const struct row rows[] = {
        {S("Example.ORG"), S("example.org")},
        {S("localhost"), S("localhost")},
        {S("_dmarc.a_b.example"), S("_dmarc.a_b.example")},
        {S("1.2.3.4"), S("1.2.3.4")},
        {S("xn--MLLER-kva.example"), S("xn--mller-kva.example")},
        {S("M\xc3\xbcller.example"), S("xn--mller-kva.example")},
        {S("mu\xcc\x88ller.example"), S("xn--mller-kva.example")},
        {S("M\xc3\x9cLLER\xe3\x80\x82" "Example"), S("xn--mller-kva.example")}, /* ideographic full stop */
        {S("stra\xc3\x9f" "e.example"), S("xn--strae-oqa.example")},            /* not transitional */
        {S("\xe4\xbe\x8b\xe5\xad\x90.example"), S("xn--fsqu00a.example")},
        /* 252 */
        {S(LABEL_63 "." LABEL_63 "." LABEL_63 ".dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"),
         S(LABEL_63 "." LABEL_63 "." LABEL_63 ".dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd")},
        {S(LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63), STR_NONE}, /* 255 */
        {S(LABEL_63 "x.example"), STR_NONE},
        {S(""), STR_NONE},
        {S("."), STR_NONE},
        {S("a..b"), STR_NONE},
        {S(".a"), STR_NONE},
        {S("a."), STR_NONE},
        {S("-a.example"), STR_NONE},
        {S("a-.example"), STR_NONE},
        {S("a b.example"), STR_NONE},
        {S("a/b.example"), STR_NONE},
        {S("a\xef\xbc\x8f" "b.example"), STR_NONE}, /* full-width solidus, mapped to '/' */
        {S("a\xc3"), STR_NONE},
        {S("\xc3\xbc\0b.example"), STR_NONE},
        {S("\xe2\x99\xa5\xe2\x80\x8d.example"), STR_NONE}, /* a joiner where none may stand */
        {S("[192.0.2.1]"), S("[192.0.2.1]")},
        {S("[IPv6:2001:DB8:0::1]"), S("[IPv6:2001:db8::1]")},
        {S("[ipv6:2001:db8::1]"), S("[IPv6:2001:db8::1]")},
        {S("[2001:db8::1]"), STR_NONE},
        {S("[IPv6:192.0.2.1]"), STR_NONE},
        {S("[192.0.2.256]"), STR_NONE},
        {S("[x-tag:abc]"), STR_NONE},
        {S("[]"), STR_NONE},
        {S("["), STR_NONE},
    };
    struct arena *a = arena_new(NULL, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct str key = STR_NONE;
        check("domain_key", rows[i], domain_key(a, rows[i].in, &key), key);
    }
    arena_free(a);
}

static void shows_domains(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    assert_true(str_eq(domain_shown(a, S("xn--mller-kva.example")), S("m\xc3\xbcller.example")));
    assert_true(str_eq(domain_shown(a, S("example.org")), S("example.org")));
    assert_true(str_eq(domain_shown(a, S("xn--a.example")), S("xn--a.example"))); /* not an A-label */
    assert_true(domain_within(S("mail.example.org"), S("example.org")));
    assert_true(domain_within(S("example.org"), S("example.org")));
    assert_false(domain_within(S("badexample.org"), S("example.org")));
    assert_false(domain_within(S("org"), S("example.org")));
    assert_false(domain_within(S("org"), S("")));
    arena_free(a);
}

static void makes_keys_of_local_parts(void **state)
{
    (void)state;
    const struct row rows[] = {
        {S("Bob"), S("bob")},
        {S("B b"), S("b b")},
        {S("J\xc3\x96RG"), S("j\xc3\xb6rg")},
        {S("a\nb"), STR_NONE},
        {S("\xff"), STR_NONE},
    };
    struct arena *a = arena_new(NULL, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct str key = STR_NONE;
        check("local_key", rows[i], local_key(a, rows[i].in, &key), key);
    }
    struct address one, two;
    assert_int_equal(address_key(a, (struct address){S("B"), S("X.Y")}, &one), 0);
    assert_int_equal(address_key(a, (struct address){S("b"), S("x.y")}, &two), 0);
    assert_true(address_key_eq(one, two));
    assert_int_equal(address_key(a, (struct address){S("b"), S("x..y")}, &two), ERR_SYNTAX);
    arena_free(a);
}

static void finds_the_detail(void **state)
{
    (void)state;
    struct str base, detail;
    assert_true(local_detail(S("bob+x+y"), '+', &base, &detail));
    assert_true(str_eq(base, S("bob")) && str_eq(detail, S("x+y")));
    assert_true(local_detail(S("bob+"), '+', &base, &detail));
    assert_true(str_eq(base, S("bob")) && detail.n == 0);
    assert_true(local_detail(S("+bob+x"), '+', &base, &detail));
    assert_true(str_eq(base, S("+bob")));
    assert_false(local_detail(S("bob"), '+', &base, &detail));
    assert_false(local_detail(S("+bob"), '+', &base, &detail));
    assert_false(local_detail(S(""), '+', &base, &detail));
}

/* in -> the same address written again */
static const struct row written[] = {
    {S("a@b"), S("a@b")},
    {S("A.b+c!#$%&'*/=?^_`{|}~-@Example.org"), S("A.b+c!#$%&'*/=?^_`{|}~-@Example.org")},
    {S("\"bob\"@x"), S("bob@x")},
    {S("\"b\\ob\"@x"), S("bob@x")},
    {S("\"b o b\"@x"), S("\"b o b\"@x")},
    {S("\"a@b\"@x"), S("\"a@b\"@x")},
    {S("\"a\\\"\\\\b\"@x"), S("\"a\\\"\\\\b\"@x")},
    {S("\"a..b\"@x"), S("\"a..b\"@x")},
    {S("j\xc3\xb6rg@m\xc3\xbcller.example"), S("j\xc3\xb6rg@m\xc3\xbcller.example")},
    {S("a@[192.0.2.1]"), S("a@[192.0.2.1]")},
    {S(""), STR_NONE},
    {S("a"), STR_NONE},
    {S("@b"), STR_NONE},
    {S("a@"), STR_NONE},
    {S(".a@b"), STR_NONE},
    {S("a.@b"), STR_NONE},
    {S("a..b@c"), STR_NONE},
    {S("a b@c"), STR_NONE},
    {S("a@b@c"), STR_NONE},
    {S("a@b c"), STR_NONE},
    {S("a@b."), STR_NONE},
    {S("\"\"@x"), STR_NONE},
    {S("\"a@x"), STR_NONE},
    {S("\"a\"b@x"), STR_NONE},
    {S("\"a\\"), STR_NONE},
    {S("\"a\nb\"@x"), STR_NONE},
    {S("\"a\\\x01\"@x"), STR_NONE},
    {S("a\xc3@x"), STR_NONE},
    {S("a@[1.2.3.4"), STR_NONE},
};

static void reads_and_writes_addresses(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    for (size_t i = 0; i < sizeof written / sizeof *written; i++) {
        struct address addr = {0};
        int e = address_parse(a, written[i].in, &addr);
        check("address_parse", written[i], e, e ? S("") : address_str(a, addr));
    }
    assert_int_equal(address_str(a, (struct address){0}).n, 0);
    assert_true(str_eq(address_str(a, (struct address){S(""), S("x")}), S("\"\"@x")));
    assert_true(str_eq(address_str(a, (struct address){S("postmaster"), S("")}), S("postmaster")));
    arena_free(a);
}

static void limits_lengths(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct address addr;
    char text[LIMIT_PATH + 10];
    memset(text, 'l', sizeof text);
    memcpy(text + LIMIT_LOCAL_PART, "@x", 2);
    assert_int_equal(address_parse(a, str_of(text, LIMIT_LOCAL_PART + 2), &addr), 0);
    memset(text, 'l', sizeof text);
    memcpy(text + LIMIT_LOCAL_PART + 1, "@x", 2);
    assert_int_equal(address_parse(a, str_of(text, LIMIT_LOCAL_PART + 3), &addr), ERR_SYNTAX);

    memset(text, 'l', sizeof text);
    memcpy(text + LIMIT_PATH - 2, "@x", 2);
    struct str path = str_of(text, LIMIT_PATH);
    assert_int_equal(address_take(a, &path, &addr), 0);
    assert_int_equal(path.n, 0);
    memset(text, 'l', sizeof text);
    memcpy(text + LIMIT_PATH - 1, "@x", 2);
    path = str_of(text, LIMIT_PATH + 1);
    assert_int_equal(address_take(a, &path, &addr), ERR_TOO_LONG);
    assert_int_equal(path.n, LIMIT_PATH + 1);
    arena_free(a);
}

static void takes_from_the_front(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct address addr;
    struct str text = S("\"a b\"@c.d> SIZE=1");
    assert_int_equal(address_take(a, &text, &addr), 0);
    assert_true(str_eq(text, S("> SIZE=1")) && str_eq(addr.local, S("a b")) && str_eq(addr.domain, S("c.d")));
    struct str domain;
    text = S("a.example,@b:c@d");
    assert_int_equal(domain_take(a, &text, &domain), 0);
    assert_true(str_eq(text, S(",@b:c@d")) && str_eq(domain, S("a.example")));
    arena_free(a);
}

/* Every prefix of every address, in a block of its own size, so that a read past the end is seen. */
static void survives_every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof written / sizeof *written; i++)
        for (size_t n = 0; n <= written[i].in.n; n++) {
            struct arena *a = arena_new(NULL, 0);
            struct str cut = arena_str(a, str_head(written[i].in, n));
            struct address addr;
            if (address_parse(a, cut, &addr) == 0) assert_true(addr.local.n && addr.domain.n);
            arena_free(a);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_keys_of_domains),
        cmocka_unit_test(shows_domains),
        cmocka_unit_test(makes_keys_of_local_parts),
        cmocka_unit_test(finds_the_detail),
        cmocka_unit_test(reads_and_writes_addresses),
        cmocka_unit_test(limits_lengths),
        cmocka_unit_test(takes_from_the_front),
        cmocka_unit_test(survives_every_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
