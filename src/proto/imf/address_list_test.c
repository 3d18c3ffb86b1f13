/* Address lists: the examples of RFC 5322, what is seen in the wild, and what must not count as strict. */
#include "proto/imf/address_list.h"

#include "base/test.h"
#include "mail/limits.h"

/* Written as name|route|local|domain, groups as {name ... }. */
static void put(struct buf *b, const struct imf_address *m)
{
    if (m->kind == IMF_GROUP_END) {
        buf_lit(b, "}");
        return;
    }
    if (m->kind == IMF_GROUP_BEGIN) buf_char(b, '{');
    buf_add(b, str_is_none(m->name) ? S("-") : m->name);
    if (m->kind == IMF_MAILBOX) {
        buf_printf(b, "|%.*s|%.*s|%.*s", STR_FMT(m->route), STR_FMT(m->local), STR_FMT(m->domain));
    }
    buf_lit(b, " ");
}

static const struct {
    struct str body;
    const char *list;
    bool strict;
} cases[] = {
    /* RFC 5322 appendix A */
    {S_INIT("John Doe <jdoe@machine.example>"), "John Doe||jdoe|machine.example ", true},
    {S_INIT("\"Joe Q. Public\" <john.q.public@example.com>"), "Joe Q. Public||john.q.public|example.com ", true},
    {S_INIT("Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>"),
     "Mary Smith||mary|x.test -||jdoe|example.org Who?||one|y.test ", true},
    {S_INIT("<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>"),
     "-||boss|nil.test Giant; \"Big\" Box||sysservices|example.net ", true},
    {S_INIT("A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;"),
     "{A Group Ed Jones||c|a.test -||joe|where.test John||jdoe|one.test }", true},
    {S_INIT("Undisclosed recipients:;"), "{Undisclosed recipients }", true},
    {S_INIT("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>"), "Pete||pete|silly.test ", true},
    {S_INIT(
         "A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n         joe@example.org,\r\n"
         "  John <jdoe@one.test> (my dear friend); (the end of the group)"),
     "{A Group Chris Jones||c|public.example -||joe|example.org John||jdoe|one.test }", true},
    {S_INIT("(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;"), "{Hidden recipients }", true},
    {S_INIT("Joe Q. Public <john.q.public@example.com>"), "Joe Q. Public||john.q.public|example.com ", true},
    {S_INIT("Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example"),
     "Mary Smith|@node.test|mary|example.net -||jdoe|test.example ", false},
    {S_INIT("<@a,@b:c@d>"), "-|@a,@b|c|d ", false},
    {S_INIT("a@b (Name)"), "Name||a|b ", true},
    {S_INIT("\"a b\"@c.d"), "-||a b|c.d ", true},
    {S_INIT("\"a\\\\b\"@c.d"), "-||a\\b|c.d ", true},
    {S_INIT("a@[192.0.2.1]"), "-||a|[192.0.2.1] ", true},
    {S_INIT("a@[IPv6:2001:db8::1], b@c"), "-||a|[IPv6:2001:db8::1] -||b|c ", true},
    {S_INIT("=?utf-8?q?J=C3=B6rg?= <j@x>"), "=?utf-8?q?J=C3=B6rg?=||j|x ", true},
    {S_INIT("J\xC3\xB6rg <j\xC3\xB6rg@\xC3\xBC.test>"), "J\xC3\xB6rg||j\xC3\xB6rg|\xC3\xBC.test ", true},
    {S_INIT("\"\" <a@b>"), "||a|b ", true},
    /* seen, and taken */
    {S_INIT(""), "", true},
    {S_INIT("a@b; c@d"), "-||a|b -||c|d ", false},
    {S_INIT("a@b,"), "-||a|b ", false},
    {S_INIT("me@x.org <me@x.org>"), "me@x.org||me|x.org ", false},
    {S_INIT("postmaster"), "-||postmaster| ", false},
    {S_INIT("Bob Smith"), "Bob Smith||| ", false},
    {S_INIT("Bob Smith <>"), "Bob Smith||| ", false},
    {S_INIT("A <a@b> <c@d>"), "A||a|b -||c|d ", false},
    {S_INIT("A <a@b, B <c@d>"), "A||a|b B||c|d ", false},
    {S_INIT("A <a@b> junk, c@d"), "A||a|b -||c|d ", false},
    {S_INIT("\"open <a@b>, c@d"), "\"open||a|b -||c|d ", false},
    {S_INIT("(open <a@b>, c@d"), "(open||a|b -||c|d ", false},
    {S_INIT("G: a@b, c@d"), "{G -||a|b -||c|d }", false},
    {S_INIT("a@b@c"), "-||a@b|c ", false},
    {S_INIT("a b@c"), "-||ab|c ", false},
    {S_INIT("a@ b"), "-||a|b ", true}, /* CFWS around the "@" belongs to the atoms (RFC 5322 §3.4.1) */
    {S_INIT("a(x)b@c"), "x||ab|c ", false},
    {S_INIT(".a@b"), "-||.a|b ", false},
    {S_INIT("a@b."), "-||a|b. ", false},
    {S_INIT("a@-b_c"), "-||a|-b_c ", true},
    /* what another reader could see as something else */
    {S_INIT("a@b\0, c@d"), "-||a|b\0 -||c|d ", false},
    {S_INIT("a@b\rFrom: c@d"), NULL, false},
    {S_INIT("(<a@b>) c@d"), "<a@b>||c|d ", false},
    {S_INIT("(a@b) c@d"), "a@b||c|d ", false},
    {S_INIT("\"<a@b>\" <c@d>"), "<a@b>||c|d ", false},
    {S_INIT("\"a@b\"@c"), "-||a@b|c ", false},
    {S_INIT("=?utf-8?q?a=40b?= "), "-||=?utf-8?q?a=40b?=| ", false},
    {S_INIT("=?utf-8?q?a?=@b"), "-||=?utf-8?q?a?=|b ", false},
    {S_INIT("A\xFF <a@b>"), "A\xFF||a|b ", false},
    {S_INIT("a,b <c@d>"), "-||a| b||c|d ", false},
    {S_INIT("x: a@b: c@d ;"), NULL, false},
    {S_INIT("A [x] <a@b>"), "A [x]||a|b ", false},
};

static void test_lists(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *a = arena_new(NULL, 0);
        struct buf *b = buf_in(a, 10000);
        char *own = arena_cstr(a, cases[i].body);
        struct imf_address_list l = imf_addresses(a, str_of(own, cases[i].body.n));
        for (size_t k = 0; k < l.n; k++) put(b, &l.v[k]);
        if (cases[i].list && !memchr(cases[i].body.p, 0, cases[i].body.n)) assert_str(buf_str(b), str_c(cases[i].list));
        if (l.strict != cases[i].strict) fail_msg("strict=%d for %.*s", l.strict, STR_FMT(cases[i].body));
        arena_free(a);
    }
}

/* No prefix of anything may crash, or cost more than the text: the scratch memory is counted. */
static void test_every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t n = 0; n <= cases[i].body.n; n++) {
            struct arena *a = arena_new(NULL, 0);
            imf_addresses(a, arena_str(a, str_head(cases[i].body, n)));
            imf_addresses(a, arena_str(a, str_skip(cases[i].body, n)));
            arena_free(a);
        }
}

static void test_limit(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct buf *b = buf_in(a, 1 << 20);
    for (int i = 0; i < LIMIT_ADDRESSES; i++) buf_lit(b, "a@b,");
    buf_lit(b, "a@b");
    struct imf_address_list l = imf_addresses(a, buf_str(b));
    assert_int_equal(l.n, LIMIT_ADDRESSES);
    assert_true(l.cut && !l.strict);
    l = imf_addresses(a, str_head(buf_str(b), b->n - 4));
    assert_int_equal(l.mailboxes, LIMIT_ADDRESSES);
    assert_true(!l.cut && l.strict);
    arena_free(a);
}

static void test_display(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct imf_address_list l =
        imf_addresses(a, S("=?iso-8859-1?q?Andr=E9?= Pirard <p@x>, \"=?utf-8?b?w6Q=?=\" <q@x>, r@x"));
    assert_str(imf_display_name(a, &l.v[0]), S("Andr\xC3\xA9 Pirard"));
    assert_str(imf_display_name(a, &l.v[1]), S("\xC3\xA4"));
    assert_str(imf_display_name(a, &l.v[2]), S(""));
    arena_free(a);
}

static void test_writing(void **state)
{
    (void)state;
    static const struct {
        struct str name, local, out;
    } table[] = {
        {S_INIT(""), S_INIT("a"), S_INIT("a@x.org")},
        {S_INIT("Bob"), S_INIT("a"), S_INIT("Bob <a@x.org>")},
        {S_INIT("Bob Q. Public"), S_INIT("a"), S_INIT("\"Bob Q. Public\" <a@x.org>")},
        {S_INIT("a \"b\" \\"), S_INIT("a b"), S_INIT("\"a \\\"b\\\" \\\\\" <\"a b\"@x.org>")},
        {S_INIT("J\xC3\xB6rg Meier"), S_INIT("a"), S_INIT("=?utf-8?q?J=C3=B6rg?= Meier <a@x.org>")},
        {S_INIT("=?x?= y"), S_INIT("a"), S_INIT("=?utf-8?b?PT94Pz0=?= y <a@x.org>")},
        {S_INIT("a\r\nBcc: x"), S_INIT("a"), S_INIT("a =?utf-8?q?Bcc=3A?= x <a@x.org>")},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct buf b = BUF(1000);
        size_t column = imf_put_mailbox(&b, 6, table[i].name, (struct address){table[i].local, S("x.org")});
        assert_str(buf_str(&b), table[i].out);
        assert_int_equal(column, 6 + b.n);
        struct arena *a = arena_new(NULL, 0);
        struct imf_address_list l = imf_addresses(a, buf_str(&b));
        assert_true(l.n == 1 && l.strict);
        assert_str(l.v[0].local, table[i].local);
        if (!memchr(table[i].name.p, '\n', table[i].name.n)) assert_str(imf_display_name(a, &l.v[0]), table[i].name);
        arena_free(a);
        buf_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),   cmocka_unit_test(test_every_cut), cmocka_unit_test(test_limit),
        cmocka_unit_test(test_display), cmocka_unit_test(test_writing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
