/* Replies on the wire: code, status, text (RFC 5321 §4.2, RFC 2034 §4). */
#include "mail/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void writes_code_status_and_text(void **state)
{
    (void)state;
    const struct {
        struct reply reply;
        const char *line;
    } cases[] = {
        {R(250, E(2, 1, 0), "sender ok"), "250 2.1.0 sender ok\r\n"},
        {R(354, E_NONE, "go on"), "354 go on\r\n"},
        {R(550, E(5, 1, 1), "no mailbox <%s>", "x@y"), "550 5.1.1 no mailbox <x@y>\r\n"},
        {R_CLOSE(421, E(4, 7, 10), "100%%"), "421 4.7.10 100%\r\n"},
        {R(550, E(5, 999, 100), "%s", "a\r\nb\x01\xc3\xa9"), "550 5.999.100 a??b???\r\n"},
        {R(250, E(2, 0, 0), "%s", ""), "250 2.0.0 \r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf b = BUF(1024);
        reply_write(&b, &cases[i].reply);
        assert_int_equal(b.n, strlen(cases[i].line));
        assert_memory_equal(b.p, cases[i].line, b.n);
        buf_free(&b);
    }
}

static void cuts_a_long_text(void **state)
{
    (void)state;
    char text[600];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    struct reply r = R(250, E(2, 0, 0), "%s", text);
    assert_int_equal(strlen(r.text), sizeof r.text - 1);
    assert_true(r.then == THEN_GO_ON);
    assert_true(R_CLOSE(221, E(2, 0, 0), "bye").then == THEN_CLOSE);
}

static void knows_its_class(void **state)
{
    (void)state;
    assert_true(reply_ok(R(250, E_NONE, "x")) && reply_ok(R(354, E_NONE, "x")) && !reply_ok(R(450, E_NONE, "x")));
    assert_true(reply_temporary(R(421, E_NONE, "x")) && !reply_temporary(R(550, E_NONE, "x")));
    assert_true(reply_permanent(R(500, E_NONE, "x")) && !reply_permanent(R(499, E_NONE, "x")));
}

static void heads_lines_that_go_on(void **state)
{
    (void)state;
    char head[REPLY_HEAD];
    assert_int_equal(reply_head(head, 250, E(2, 1, 5), false), 10);
    assert_memory_equal(head, "250-2.1.5 ", 10);
    assert_int_equal(reply_head(head, 250, E_NONE, false), 4);
    assert_memory_equal(head, "250-", 4);
    assert_true(reply_head(head, 599, E(5, 999, 999), true) <= sizeof head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_code_status_and_text),
        cmocka_unit_test(cuts_a_long_text),
        cmocka_unit_test(knows_its_class),
        cmocka_unit_test(heads_lines_that_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
