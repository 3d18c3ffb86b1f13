/* SASL PLAIN (RFC 4616). */
#include "proto/sasl/plain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void reads_messages(void **state)
{
    (void)state;
    const struct {
        struct str message, authzid, authcid, password; /* authzid none: refused */
    } rows[] = {
        {S("\0tim\0tanstaaftanstaaf"), S(""), S("tim"), S("tanstaaftanstaaf")},         /* RFC 4616 §4 */
        {S("Ursel\0Kurt\0xipj3plmq"), S("Ursel"), S("Kurt"), S("xipj3plmq")},
        {S("\0j\xc3\xb6rg\0p\xc3\xa4ss"), S(""), S("j\xc3\xb6rg"), S("p\xc3\xa4ss")},
        {S(""), STR_NONE, S(""), S("")},
        {S("\0tim"), STR_NONE, S(""), S("")},
        {S("tim\0secret"), STR_NONE, S(""), S("")},
        {S("\0\0secret"), STR_NONE, S(""), S("")},
        {S("\0tim\0"), STR_NONE, S(""), S("")},
        {S("\0tim\0a\0b"), STR_NONE, S(""), S("")},
        {S("\0tim\0\xff"), STR_NONE, S(""), S("")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sasl_plain p;
        int e = sasl_plain_parse(rows[i].message, &p);
        if (str_is_none(rows[i].authzid)) {
            assert_int_equal(e, ERR_SYNTAX);
            continue;
        }
        assert_int_equal(e, 0);
        assert_true(str_eq(p.authzid, rows[i].authzid) && str_eq(p.authcid, rows[i].authcid));
        assert_true(str_eq(p.password, rows[i].password));
        struct buf b = BUF(100);
        sasl_plain_put(&b, &p);
        assert_true(str_eq(buf_str(&b), rows[i].message));
        buf_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_messages)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
