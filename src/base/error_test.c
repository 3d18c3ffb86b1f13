/* Error texts: whole, cut, and harmless whatever was put into them. */
#include "base/error.h"

#include "base/test.h"

#include <errno.h>
#include <limits.h>

static void names(void **state)
{
    (void)state;
    for (int code = 0; code >= ERR_UNSUPPORTED; code--) {
        assert_string_not_equal(err_name(code), "unknown error");
        for (int other = code + 1; other <= 0; other++) assert_string_not_equal(err_name(code), err_name(other));
    }
    static const int unknown[] = {1, INT_MAX, INT_MIN, ERR_UNSUPPORTED - 1};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        assert_string_equal(err_name(unknown[i]), "unknown error");
}

static void sets(void **state)
{
    (void)state;
    struct error e = {0};
    assert_int_equal(error_set(&e, ERR_TLS, "%s is %d", "x", 1), ERR_TLS);
    assert_int_equal(e.code, ERR_TLS);
    assert_string_equal(e.text, "x is 1");
    error_prefix(&e, "%s:%d: ", "penny.conf", 3);
    assert_string_equal(e.text, "penny.conf:3: x is 1");
    assert_int_equal(e.code, ERR_TLS);
    assert_int_equal(error_set(NULL, ERR_IO, "nobody asks"), ERR_IO);
    error_prefix(NULL, "nobody asks");
    error_set(&e, ERR_IO, "a\r\nb\x1b[2J\x7f\tc");
    assert_string_equal(e.text, "a??b?[2J??c");
}

static void cuts_long_texts(void **state)
{
    (void)state;
    struct error e;
    error_set(&e, ERR_IO, "%0500d", 7);
    assert_int_equal(strlen(e.text), sizeof e.text - 1);
    error_prefix(&e, "%s", "before: ");
    assert_int_equal(strlen(e.text), sizeof e.text - 1);
    assert_memory_equal(e.text, "before: 000", 11);
    error_set(&e, ERR_IO, "tail");
    error_prefix(&e, "%0200d: ", 7);
    assert_string_equal(e.text + 200, ": tail");
}

static void tells_the_systems_errors(void **state)
{
    (void)state;
    static const struct {
        int errnum, code;
    } cases[] = {{ENOENT, ERR_NOT_FOUND}, {EEXIST, ERR_EXISTS},     {EACCES, ERR_DENIED},     {EPERM, ERR_DENIED},
                 {ENOSPC, ERR_NO_SPACE},  {EDQUOT, ERR_NO_SPACE},   {ETIMEDOUT, ERR_TIMEOUT}, {EIO, ERR_IO},
                 {ECONNRESET, ERR_IO},    {12345, ERR_IO}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(error_os(NULL, cases[i].errnum, "x"), cases[i].code);
        struct error e = {0};
        assert_int_equal(error_os(&e, cases[i].errnum, "cannot %s", "open"), cases[i].code);
        assert_int_equal(e.code, cases[i].code);
        assert_true(str_starts(str_c(e.text), S("cannot open: ")));
    }
    struct error e;
    error_os(&e, ENOENT, "cannot open %s", "x");
    assert_string_equal(e.text, "cannot open x: No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(sets),
        cmocka_unit_test(cuts_long_texts),
        cmocka_unit_test(tells_the_systems_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
