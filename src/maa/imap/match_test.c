/* LIST's wildcards: a table, and against the plainest of matchers. */
#include "maa/imap/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static bool matches(const char *pattern, const char *name)
{
    struct arena *a = arena_new(NULL, 0);
    struct imap_pattern p = imap_pattern_of(a, str_c(pattern));
    bool it_does = imap_pattern_matches(&p, str_c(name));
    assert_int_equal(imap_pattern_matches(&p, str_c(name)), it_does); /* it can be asked again */
    arena_free(a);
    return it_does;
}

static void matches_names(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *name;
        bool yes;
    } cases[] = {
        {"", "", true},          {"", "a", false},       {"a", "a", true},         {"a", "A", false},
        {"a", "ab", false},      {"ab", "a", false},     {"*", "", true},          {"*", "a/b/c", true},
        {"%", "", true},         {"%", "a", true},       {"%", "a/b", false},      {"%/%", "a/b", true},
        {"%/%", "a/b/c", false}, {"a/%", "a/b", true},   {"a/%", "a/", true},      {"a/%", "a", false},
        {"a*", "a/b/c", true},   {"a%", "a/b", false},   {"a%c", "abc", true},     {"a%c", "a/c", false},
        {"*c", "a/b/c", true},   {"%c", "a/c", false},   {"a*c", "ac", true},      {"a*b*c", "a/b/b/c", true},
        {"**", "a/b", true},     {"%%", "ab", true},     {"%%", "a/b", false},     {"%*", "a/b", true},
        {"*%", "a/b", true},     {"*%*", "a/b", true},   {"a%%*%b", "a/x/b", true}, {"*/b%", "a/x/bc", true},
        {"*/b%", "a/b/c", false}, {"*%/c", "a/b/c", true}, {"%b*", "ab/c", true},  {"%b*", "a/bc", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (matches(cases[i].pattern, cases[i].name) != cases[i].yes)
            fail_msg("\"%s\" and \"%s\"", cases[i].pattern, cases[i].name);
}

static bool plainly(const char *p, const char *n)
{
    if (!*p) return !*n;
    if (*p == '*' || *p == '%') {
        for (;; n++) {
            if (plainly(p + 1, n)) return true;
            if (!*n || (*p == '%' && *n == '/')) return false;
        }
    }
    return *n == *p && plainly(p + 1, n + 1);
}

static void agrees_with_a_plain_one(void **state)
{
    (void)state;
    static const char line[] = "0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123";
    uint32_t seed = 1;
    for (int round = 0; round < 20000; round++) {
        char pattern[8] = {0}, name[8] = {0};
        for (int i = 0; i < 7; i++) {
            seed = seed * 1664525 + 1013904223;
            pattern[i] = "ab/*%a*\0"[(seed >> 8) % 8];
            name[i] = "ab/ab/a\0"[(seed >> 20) % 8];
        }
        char longer[2][80];
        int before = (int)(seed >> 16) % 70; /* states are in words of 64 */
        snprintf(longer[0], sizeof longer[0], "%.*s%s", before, line, pattern);
        snprintf(longer[1], sizeof longer[1], "%.*s%s", before, line, name);
        if (matches(pattern, name) != plainly(pattern, name)) fail_msg("\"%s\" and \"%s\"", pattern, name);
        if (matches(longer[0], longer[1]) != plainly(pattern, name))
            fail_msg("\"%s\" and \"%s\"", longer[0], longer[1]);
    }
}

/* What takes forever when every star is tried anew. */
static void takes_no_time(void **state)
{
    (void)state;
    enum { NAME = 10000 };
    struct arena *a = arena_new(NULL, 0);
    char *name = arena_alloc(a, NAME), *pattern = arena_alloc(a, 2 * NAME);
    memset(name, 'a', NAME);
    for (size_t i = 0; i < NAME; i++) memcpy(pattern + 2 * i, i % 2 ? "%a" : "*a", 2);
    pattern[2 * NAME - 1] = 'b';
    struct imap_pattern p = imap_pattern_of(a, str_of(pattern, 2 * NAME - 2));
    assert_true(imap_pattern_matches(&p, str_of(name, NAME)));
    p = imap_pattern_of(a, str_of(pattern, 2 * NAME));
    assert_false(imap_pattern_matches(&p, str_of(name, NAME)));
    memset(pattern, '*', 2 * NAME);
    p = imap_pattern_of(a, str_of(pattern, 2 * NAME));
    assert_int_equal(p.text.n, 1);
    memset(pattern, 'a', 2 * NAME); /* longer than any name */
    p = imap_pattern_of(a, str_of(pattern, 2 * NAME));
    assert_false(imap_pattern_matches(&p, str_of(name, 100)));
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_names),
        cmocka_unit_test(agrees_with_a_plain_one),
        cmocka_unit_test(takes_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
