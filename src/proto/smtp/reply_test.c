/* Replies as a client reads them (RFC 5321 §4.2.1, RFC 2034). */
#include "proto/smtp/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "mail/limits.h"

static void reads_single_lines(void **state)
{
    (void)state;
    const struct {
        struct str line;
        int result, code;
        struct status status;
        struct str text;
    } rows[] = {
        {S("250 ok"), 1, 250, E_NONE, S("ok")},
        {S("250"), 1, 250, E_NONE, S("")},
        {S("250 "), 1, 250, E_NONE, S("")},
        {S("250 2.1.5 ok"), 1, 250, E(2, 1, 5), S("ok")},
        {S("550 5.1.1"), 1, 550, E(5, 1, 1), S("")},
        {S("550 5.100.999 x"), 1, 550, E(5, 100, 999), S("x")},
        {S("550 4.1.1 x"), 1, 550, E_NONE, S("4.1.1 x")}, /* class and code disagree */
        {S("550 5.1.1000 x"), 1, 550, E_NONE, S("5.1.1000 x")},
        {S("550 5.01.1 x"), 1, 550, E_NONE, S("5.01.1 x")},
        {S("550 5.1.1x"), 1, 550, E_NONE, S("5.1.1x")},
        {S("250-more"), 0, 250, E_NONE, S("more")},
        {S("220 a\x01" "b\xc3\n"), 1, 220, E_NONE, S("a?b??")},
        {S(""), ERR_SYNTAX, 0, E_NONE, S("")},
        {S("25"), ERR_SYNTAX, 0, E_NONE, S("")},
        {S("150 x"), ERR_SYNTAX, 0, E_NONE, S("")},
        {S("650 x"), ERR_SYNTAX, 0, E_NONE, S("")},
        {S("571 5.7.1 x"), 1, 571, E(5, 7, 1), S("x")}, /* seen for policy */
        {S("499 x"), 1, 499, E_NONE, S("x")},
        {S("260 x"), ERR_SYNTAX, 0, E_NONE, S("")},
        {S("250x"), ERR_SYNTAX, 0, E_NONE, S("")},
        {S("HTTP/1.1 200"), ERR_SYNTAX, 0, E_NONE, S("")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena *a = arena_new(NULL, 0);
        struct smtp_reply r;
        smtp_reply_init(&r, a);
        assert_int_equal(smtp_reply_line(&r, arena_str(a, rows[i].line)), rows[i].result);
        assert_int_equal(r.code, rows[i].code);
        assert_int_equal(r.status.class, rows[i].status.class);
        assert_int_equal(r.status.subject, rows[i].status.subject);
        assert_int_equal(r.status.detail, rows[i].status.detail);
        assert_true(str_eq(buf_str(&r.text), rows[i].text));
        arena_free(a);
    }
}

static void reads_ehlo(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct smtp_reply r;
    struct str parameters;
    smtp_reply_init(&r, a);
    assert_int_equal(smtp_reply_line(&r, S("250-SIZE mx.example")), 0); /* a host of that name */
    assert_int_equal(smtp_reply_line(&r, S("250-PIPELINING")), 0);
    assert_int_equal(smtp_reply_line(&r, S("250-size 1000")), 0);
    assert_int_equal(smtp_reply_line(&r, S("250 AUTH PLAIN LOGIN")), 1);
    assert_true(smtp_reply_keyword(&r, S("SIZE"), &parameters) && str_eq(parameters, S("1000")));
    assert_true(smtp_reply_keyword(&r, S("AUTH"), &parameters) && str_eq(parameters, S("PLAIN LOGIN")));
    assert_true(smtp_reply_keyword(&r, S("PIPELINING"), &parameters) && parameters.n == 0);
    assert_false(smtp_reply_keyword(&r, S("STARTTLS"), &parameters));
    assert_false(smtp_reply_keyword(&r, S("mx.example"), &parameters));
    smtp_reply_clear(&r);
    assert_int_equal(smtp_reply_line(&r, S("250 alone")), 1);
    assert_false(smtp_reply_keyword(&r, S("alone"), &parameters));
    arena_free(a);
}

static void refuses_endless_and_changing_ones(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct smtp_reply r;
    smtp_reply_init(&r, a);
    assert_int_equal(smtp_reply_line(&r, S("250-a")), 0);
    assert_int_equal(smtp_reply_line(&r, S("251 b")), ERR_SYNTAX);
    smtp_reply_clear(&r);
    for (int i = 0; i < LIMIT_SMTP_REPLY_LINES; i++) assert_int_equal(smtp_reply_line(&r, S("250-a")), 0);
    assert_int_equal(smtp_reply_line(&r, S("250 a")), ERR_TOO_LONG);
    smtp_reply_clear(&r);
    char line[LIMIT_SMTP_REPLY + 10];
    memset(line, 'x', sizeof line);
    memcpy(line, "250 ", 4);
    assert_int_equal(smtp_reply_line(&r, str_of(line, LIMIT_SMTP_REPLY + 4)), 1);
    smtp_reply_clear(&r);
    assert_int_equal(smtp_reply_line(&r, str_of(line, LIMIT_SMTP_REPLY + 5)), ERR_TOO_LONG);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_single_lines),
        cmocka_unit_test(reads_ehlo),
        cmocka_unit_test(refuses_endless_and_changing_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
