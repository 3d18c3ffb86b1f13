/* Composition, caseless keys, passwords (RFC 5198, RFC 8265). */
#include "mail/unicode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "base/utf8.h"
#include "mail/limits.h"

typedef int transform(struct arena *, struct str, struct str *);

struct row {
    struct str in, out; /* out none: refused */
};

static void check(transform *t, const struct row *rows, size_t n)
{
    struct arena *a = arena_new(NULL, 0);
    for (size_t i = 0; i < n; i++) {
        struct str out;
        int e = t(a, rows[i].in, &out);
        if (str_is_none(rows[i].out)) {
            assert_true(e < 0);
            continue;
        }
        assert_int_equal(e, 0);
        assert_int_equal(out.n, rows[i].out.n);
        assert_memory_equal(out.p, rows[i].out.p, out.n);
    }
    arena_free(a);
}
#define CHECK(t, rows) check((t), (rows), sizeof(rows) / sizeof *(rows))

static void composes(void **state)
{
    (void)state;
    const struct row rows[] = {
        {S("Bob"), S("Bob")},
        {S(""), S("")},
        {S("e\xcc\x81"), S("\xc3\xa9")},                     /* e + acute */
        {S("\xe2\x84\xab"), S("\xc3\x85")},                   /* Angstrom sign */
        {S("\xef\xac\x81"), S("\xef\xac\x81")},               /* fi ligature stays: NFC, not NFKC */
        {S("\xc3"), STR_NONE},
        {S("\xed\xa0\x80"), STR_NONE},                        /* surrogate */
        {S("a\x7f"), STR_NONE},
        {S("\xc2\x85"), STR_NONE},                            /* NEL */
        {S("\xe2\x80\xa8"), STR_NONE},                        /* line separator */
        {S("a\0b"), STR_NONE},
    };
    CHECK(unicode_nfc, rows);
}

static void folds_case(void **state)
{
    (void)state;
    const struct row rows[] = {
        {S("BoB.Smith"), S("bob.smith")},
        {S("M\xc3\x9cLLER"), S("m\xc3\xbcller")},
        {S("Mu\xcc\x88ller"), S("m\xc3\xbcller")},
        {S("stra\xc3\x9f" "e"), S("strasse")},
        {S("\xce\xa3\xcf\x82"), S("\xcf\x83\xcf\x83")},         /* both sigmas */
        {S("a\tb"), STR_NONE},
        {S("\xff"), STR_NONE},
    };
    CHECK(unicode_caseless, rows);
}

/* A key's key is itself: for every character alone and before a combining iota and acute, which reorder. */
static void keys_are_stable(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    const struct str tails[] = {S(""), S("\xcd\x85"), S("\xcd\x85\xcc\x81"), S("\xcc\x81")};
    for (uint32_t cp = 0xa0; cp < 0x20000; cp++) {
        if (cp == 0xd800) cp = 0xe000;
        for (size_t t = 0; t < sizeof tails / sizeof *tails; t++) {
            struct buf b = BUF(32);
            struct str once, twice;
            utf8_put(&b, cp);
            buf_add(&b, tails[t]);
            if (unicode_caseless(a, buf_str(&b), &once) == 0) {
                assert_int_equal(unicode_caseless(a, once, &twice), 0);
                if (!str_eq(once, twice)) fail_msg("U+%04X tail %zu", cp, t);
            }
            buf_free(&b);
        }
        arena_reset(a);
    }
    arena_free(a);
}

static void prepares_passwords(void **state)
{
    (void)state;
    const struct row rows[] = {
        {S("correct horse"), S("correct horse")},             /* RFC 8265 §4.3 example 1: case and spaces stay */
        {S("Correct Horse"), S("Correct Horse")},
        {S("\xcf\x80\xc3\x9f\xc3\xa5"), S("\xcf\x80\xc3\x9f\xc3\xa5")}, /* example 3 */
        {S("Jack of \xe2\x99\xa6s"), S("Jack of \xe2\x99\xa6s")},       /* example 4 */
        {S("foo\xe1\x9a\x80" "bar"), S("foo bar")},           /* example 5: OGHAM SPACE MARK */
        {S(""), STR_NONE},                                    /* example 6 */
        {S("my cat is a \x09" "by"), STR_NONE},               /* example 7 */
        {S("u\xcc\x88"), S("\xc3\xbc")},
        {S("\xfe"), STR_NONE},
    };
    CHECK(password_prepare, rows);
}

static void limits_passwords(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct str out;
    char long_one[LIMIT_PASSWORD + 1];
    memset(long_one, 'x', sizeof long_one);
    assert_int_equal(password_prepare(a, str_of(long_one, sizeof long_one), &out), ERR_TOO_LONG);
    assert_int_equal(password_prepare(a, str_of(long_one, LIMIT_PASSWORD), &out), 0);
    assert_int_equal(out.n, LIMIT_PASSWORD);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(composes),        cmocka_unit_test(folds_case),       cmocka_unit_test(keys_are_stable),
        cmocka_unit_test(prepares_passwords), cmocka_unit_test(limits_passwords),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
