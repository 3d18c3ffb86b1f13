/* Slices. */
#include "base/str.h"

#include "base/test.h"

static void compares(void **state)
{
    (void)state;
    static const struct {
        struct str a, b;
        int order; /* sign of str_cmp() */
        bool ieq;
    } cases[] = {
        {S_INIT(""), S_INIT(""), 0, true},        {{NULL, 0}, S_INIT(""), 0, true},
        {S_INIT("a"), S_INIT(""), 1, false},      {S_INIT("a"), S_INIT("A"), 1, true},
        {S_INIT("ab"), S_INIT("abc"), -1, false}, {S_INIT("a\0b"), S_INIT("a\0c"), -1, false},
        {S_INIT("\xff"), S_INIT("a"), 1, false},  {S_INIT("[@`{"), S_INIT("{`@["), -1, false},
        {S_INIT("\xc4"), S_INIT("\xe4"), -1, false}, /* ASCII case only */
        {S_INIT("Received-SPF-Received"), S_INIT("rECEIVED-spf-rECEIVED"), -1, true},
        {S_INIT("Received-SPF-Received"), S_INIT("rECEIVED-spf-rECEIVEE"), -1, false},
        {S_INIT("Message-ID@"), S_INIT("Message-ID`"), -1, false}, /* differ in bit 5, but are no letters */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str a = cases[i].a, b = cases[i].b;
        int order = str_cmp(a, b);
        assert_int_equal((order > 0) - (order < 0), cases[i].order);
        assert_int_equal(str_cmp(b, a) > 0, order < 0);
        assert_int_equal(str_eq(a, b), order == 0);
        assert_int_equal(str_ieq(a, b), cases[i].ieq);
        assert_int_equal(str_ieq(b, a), cases[i].ieq);
        assert_int_equal(str_eq_secret(a, b), order == 0);
        assert_int_equal(str_eq_secret(b, a), order == 0);
    }
    char x[2] = {0};
    for (int c = 0; c < 256 * 256; c++) { /* every pair of bytes, alone and in a long string */
        x[0] = (char)c, x[1] = (char)(c >> 8);
        bool same = ch_lower(x[0]) == ch_lower(x[1]);
        assert_int_equal(str_ieq(str_of(x, 1), str_of(x + 1, 1)), same);
        char a[] = "0123456?", b[] = "0123456?";
        a[7] = x[0], b[7] = x[1];
        assert_int_equal(str_ieq(str_of(a, 8), str_of(b, 8)), same);
    }
}

static void secrets_of_all_lengths(void **state)
{
    (void)state;
    char a[33] = "0123456789abcdef0123456789abcdef", b[33];
    for (size_t n = 0; n <= 32; n++)
        for (size_t m = 0; m <= 32; m++) {
            memcpy(b, a, sizeof b);
            assert_int_equal(str_eq_secret(str_of(a, n), str_of(b, m)), n == m);
            for (size_t i = 0; i < m && n == m; i++) {
                b[i] ^= 1;
                assert_false(str_eq_secret(str_of(a, n), str_of(b, m)));
                b[i] ^= 1;
            }
        }
}

static void starts_and_ends(void **state)
{
    (void)state;
    assert_true(str_starts(S("Subject: x"), S("Subject:")));
    assert_false(str_starts(S("subject: x"), S("Subject:")));
    assert_true(str_istarts(S("subject: x"), S("Subject:")));
    assert_false(str_istarts(S("sub"), S("Subject:")));
    assert_true(str_ends(S("a.example"), S(".example")));
    assert_false(str_ends(S("example"), S(".example")));
    assert_true(str_starts(STR_NONE, S("")) && str_ends(STR_NONE, S("")) && str_istarts(STR_NONE, STR_NONE));
}

static void finds(void **state)
{
    (void)state;
    struct str s = S("a\r\nB\0c\r\n");
    assert_int_equal(str_find_char(s, '\r'), 1);
    assert_int_equal(str_rfind_char(s, '\r'), 6);
    assert_int_equal(str_find_char(s, 'x'), s.n);
    assert_int_equal(str_rfind_char(s, 'x'), s.n);
    assert_int_equal(str_find_char(STR_NONE, 'x'), 0);
    assert_int_equal(str_rfind_char(STR_NONE, 'x'), 0);
    assert_int_equal(str_find(s, S("B\0c")), 3);
    assert_int_equal(str_find(s, S("b")), s.n);
    assert_int_equal(str_ifind(s, S("b\0C")), 3);
    assert_int_equal(str_ifind(s, S("c\r\n\r")), s.n);
    assert_int_equal(str_find(s, S("")), 0);
    assert_int_equal(str_ifind(s, S("")), 0);
    assert_int_equal(str_find(STR_NONE, S("x")), 0);
    assert_int_equal(str_ifind(STR_NONE, STR_NONE), 0);
    char long_needle[257];
    memset(long_needle, 'n', sizeof long_needle);
    struct str whole = str_of(long_needle, 257);
    assert_int_equal(str_ifind(whole, str_head(whole, 256)), 0);
    assert_int_equal(str_ifind(whole, whole), 257);
}

static void takes_parts(void **state)
{
    (void)state;
    struct str s = S("abcdef");
    assert_str(str_skip(s, 2), S("cdef"));
    assert_str(str_skip(s, 7), S(""));
    assert_str(str_head(s, 2), S("ab"));
    assert_str(str_head(s, 7), s);
    assert_str(str_sub(s, 1, 3), S("bc"));
    assert_str(str_sub(s, 4, 99), S("ef"));
    assert_str(str_sub(s, 3, 1), S(""));
    assert_true(str_is_none(str_skip(STR_NONE, 5)));
    assert_false(str_is_none(str_skip(s, 6)));
    assert_str(str_trim(S(" \t\r\n a b \r\n")), S("a b"));
    assert_str(str_trim(S(" \t ")), S(""));
}

static void cuts(void **state)
{
    (void)state;
    static const struct {
        struct str s;
        bool found;
        struct str before, after;
    } cases[] = {
        {S_INIT("user@host"), true, S_INIT("user"), S_INIT("host")},
        {S_INIT("a@b@c"), true, S_INIT("a"), S_INIT("b@c")},
        {S_INIT("@"), true, S_INIT(""), S_INIT("")},
        {S_INIT("user"), false, S_INIT("user"), S_INIT("")},
        {{NULL, 0}, false, S_INIT(""), S_INIT("")},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str before, after;
        assert_int_equal(str_cut(cases[i].s, '@', &before, &after), cases[i].found);
        assert_str(before, cases[i].before);
        assert_str(after, cases[i].after);
        assert_int_equal(str_is_none(before), str_is_none(cases[i].s));
    }
}

static void takes_words(void **state)
{
    (void)state;
    struct str s = S("  MAIL \t FROM:<a@b>  ");
    assert_str(str_word(&s), S("MAIL"));
    assert_str(str_word(&s), S("FROM:<a@b>"));
    assert_str(str_word(&s), S(""));
    assert_str(s, S(""));
}

static void reads_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t max, value;
        bool ok;
    } cases[] = {
        {"0", 0, 0, true},
        {"007", 7, 7, true},
        {"8", 7, 0, false},
        {"", 9, 0, false},
        {"-1", 9, 0, false},
        {"+1", 9, 0, false},
        {" 1", 9, 0, false},
        {"1a", 99, 0, false},
        {"18446744073709551615", UINT64_MAX, UINT64_MAX, true},
        {"18446744073709551616", UINT64_MAX, 0, false},
        {"18446744073709551620", UINT64_MAX, 0, false},
        {"99999999999999999999", UINT64_MAX, 0, false},
        {"0000000000000000000000000000000001", 1, 1, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t v = 4711;
        assert_int_equal(str_to_u64(str_c(cases[i].text), cases[i].max, &v), cases[i].ok);
        assert_int_equal(v, cases[i].ok ? cases[i].value : 4711);
    }
}

static void measures_distances(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        size_t distance;
    } cases[] = {
        {"", "", 0},
        {"a", "", 1},
        {"", "abc", 3},
        {"listen", "LISTEN", 0},
        {"listen", "lisen", 1},
        {"tsl", "tls", 2},
        {"kitten", "sitting", 3},
        {"hostname", "host", 4},
        {"ab", "cd", 2},
        {"0123456789012345678901234567890123456789012345678", "a", SIZE_MAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(str_distance(str_c(cases[i].a), str_c(cases[i].b)), cases[i].distance);
        assert_int_equal(str_distance(str_c(cases[i].b), str_c(cases[i].a)), cases[i].distance);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares),    cmocka_unit_test(secrets_of_all_lengths), cmocka_unit_test(starts_and_ends),
        cmocka_unit_test(finds),       cmocka_unit_test(takes_parts),            cmocka_unit_test(cuts),
        cmocka_unit_test(takes_words), cmocka_unit_test(reads_numbers),          cmocka_unit_test(measures_distances),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
