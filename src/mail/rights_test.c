/* Rights as letters and as bits. */
#include "mail/rights.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "base/error.h"

static void reads_letters(void **state)
{
    (void)state;
    static const struct {
        struct str text;
        int result;
        right_set rights;
    } cases[] = {
        {S_INIT(""), 0, 0},
        {S_INIT("l"), 0, RIGHT_LOOKUP},
        {S_INIT("rl"), 0, RIGHT_LOOKUP | RIGHT_READ},
        {S_INIT("lll"), 0, RIGHT_LOOKUP},
        {S_INIT("lrswipkxtea"), 0, RIGHTS_ALL},
        {S_INIT("c"), 0, RIGHT_CREATE | RIGHT_REMOVE},
        {S_INIT("d"), 0, RIGHT_DELETE | RIGHT_EXPUNGE},
        {S_INIT("cda"), 0, RIGHT_CREATE | RIGHT_REMOVE | RIGHT_DELETE | RIGHT_EXPUNGE | RIGHT_ADMIN},
        {S_INIT("n"), ERR_SYNTAX, 0},
        {S_INIT("lr0"), ERR_SYNTAX, 0},
        {S_INIT("L"), ERR_SYNTAX, 0},
        {S_INIT("l\0r"), ERR_SYNTAX, 0},
        {S_INIT("l r"), ERR_SYNTAX, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        right_set out = 0;
        assert_int_equal(rights_parse(cases[i].text, &out), cases[i].result);
        assert_int_equal(out, cases[i].rights);
    }
}

static void writes_letters(void **state)
{
    (void)state;
    static const struct {
        right_set rights;
        struct str plain, old;
    } cases[] = {
        {0, S_INIT(""), S_INIT("")},
        {RIGHTS_ALL, S_INIT("lrswipkxtea"), S_INIT("lrswipkxteacd")},
        {RIGHT_READ | RIGHT_LOOKUP, S_INIT("lr"), S_INIT("lr")},
        {RIGHT_REMOVE, S_INIT("x"), S_INIT("xc")}, /* any member shows the old right (RFC 4314 §2.1.1) */
        {RIGHT_CREATE, S_INIT("k"), S_INIT("kc")},
        {RIGHT_DELETE, S_INIT("t"), S_INIT("td")},
        {RIGHT_EXPUNGE, S_INIT("e"), S_INIT("ed")},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[32];
        struct buf b = BUF_OVER(text);
        rights_put(&b, cases[i].rights, false);
        assert_true(str_eq(buf_str(&b), cases[i].plain));
        buf_clear(&b);
        rights_put(&b, cases[i].rights, true);
        assert_true(str_eq(buf_str(&b), cases[i].old));
    }
}

static void reads_what_it_writes(void **state)
{
    (void)state;
    for (right_set rights = 0; rights <= RIGHTS_ALL; rights++) {
        char text[32];
        struct buf b = BUF_OVER(text);
        rights_put(&b, rights, false);
        right_set out = RIGHTS_ALL + 1;
        assert_int_equal(rights_parse(buf_str(&b), &out), 0);
        assert_int_equal(out, rights);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_letters),
        cmocka_unit_test(writes_letters),
        cmocka_unit_test(reads_what_it_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
