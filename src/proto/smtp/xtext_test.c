/* xtext (RFC 3461 §4). */
#include "proto/smtp/xtext.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void decodes(void **state)
{
    (void)state;
    const struct {
        struct str in, out;
    } rows[] = {
        {S("abc"), S("abc")},
        {S(""), S("")},
        {S("a+2Bb"), S("a+b")},
        {S("+3D+00"), S("=\0")},
        {S("a+2b"), STR_NONE}, /* capitals only */
        {S("a+2"), STR_NONE},
        {S("a+"), STR_NONE},
        {S("a=b"), STR_NONE},
        {S("a b"), STR_NONE},
        {S("a\xc3"), STR_NONE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena *a = arena_new(NULL, 0);
        struct str out;
        int e = xtext_decode(a, arena_str(a, rows[i].in), &out);
        if (str_is_none(rows[i].out)) assert_int_equal(e, ERR_SYNTAX);
        else assert_true(e == 0 && str_eq(out, rows[i].out));
        arena_free(a);
    }
}

static void comes_back(void **state)
{
    (void)state;
    char all[256];
    for (int i = 0; i < 256; i++) all[i] = (char)i;
    struct arena *a = arena_new(NULL, 0);
    struct buf b = BUF(2000);
    struct str out;
    xtext_put(&b, str_of(all, sizeof all));
    assert_int_equal(xtext_decode(a, buf_str(&b), &out), 0);
    assert_true(str_eq(out, str_of(all, sizeof all)));
    buf_free(&b);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(decodes), cmocka_unit_test(comes_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
