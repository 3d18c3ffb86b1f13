#include "mail/flags.h"

#include "base/test.h"
#include "mail/limits.h"

static void a_keyword_is_an_atom(void **state)
{
    (void)state;
    static const char *const good[] = {"$Label1", "work", "a[", "~!#&'+,-./:;<=>?@^_`|}"};
    static const char *const bad[] = {"",   "a b", "a)",  "(a", "\\Seen",   "a\"",
                                      "a]", "{3}", "50%", "*",  "\xc3\xa4", "a\r\nb"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) assert_int_equal(keyword_check(str_c(good[i])), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_int_equal(keyword_check(str_c(bad[i])), ERR_SYNTAX);
    assert_int_equal(keyword_check(str_of("a\0b", 3)), ERR_SYNTAX);
    char name[LIMIT_KEYWORD_NAME + 1];
    memset(name, 'k', sizeof name);
    assert_int_equal(keyword_check(str_of(name, sizeof name - 1)), 0);
    assert_int_equal(keyword_check(str_of(name, sizeof name)), ERR_TOO_LONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_keyword_is_an_atom),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
