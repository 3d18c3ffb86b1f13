/* Levels of mailbox names and the special uses (RFC 9051 §5.1, RFC 6154 §2). */
#include "mail/mailbox_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "mail/limits.h"

static void normalises_a_level(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct str out;
    assert_int_equal(mailbox_level(a, S("Entwu\xcc\x88rfe"), &out), 0);
    assert_true(str_eq(out, S("Entw\xc3\xbcrfe")));
    assert_int_equal(mailbox_level(a, S(""), &out), ERR_SYNTAX);
    assert_int_equal(mailbox_level(a, S("a/b"), &out), ERR_SYNTAX);
    assert_int_equal(mailbox_level(a, S("a\rb"), &out), ERR_SYNTAX);
    assert_int_equal(mailbox_level(a, S("a\xc0\x80"), &out), ERR_SYNTAX);
    arena_free(a);
}

static void limits_a_level(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct str out;
    char name[5 * LIMIT_MAILBOX_NAME];
    memset(name, 'x', sizeof name);
    assert_int_equal(mailbox_level(a, str_of(name, LIMIT_MAILBOX_NAME), &out), 0);
    assert_int_equal(mailbox_level(a, str_of(name, LIMIT_MAILBOX_NAME + 1), &out), ERR_TOO_LONG);
    assert_int_equal(mailbox_level(a, str_of(name, sizeof name), &out), ERR_TOO_LONG);
    arena_free(a);
}

static void names_special_uses(void **state)
{
    (void)state;
    for (enum special_use use = USE_DRAFTS; use <= USE_ARCHIVE; use++) {
        assert_true(special_use_of(special_use_attribute(use)) == use);
        assert_true(special_use_name(use).n > 0);
    }
    assert_true(special_use_of(S("\\TRASH")) == USE_TRASH);
    assert_true(special_use_of(S("\\Flagged")) == USE_NONE);
    assert_true(special_use_of(S("")) == USE_NONE);
    assert_true(str_eq(special_use_name(USE_INBOX), S("INBOX")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normalises_a_level),
        cmocka_unit_test(limits_a_level),
        cmocka_unit_test(names_special_uses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
