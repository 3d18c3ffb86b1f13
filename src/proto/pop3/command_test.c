/* POP3 command lines and responses (RFC 1939, RFC 2449, RFC 5034). */
#include "proto/pop3/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void reads_commands(void **state)
{
    (void)state;
    const struct {
        struct str line;
        enum pop3_verb verb;
        bool wrong;
        struct str argument;
        uint32_t message, lines;
    } rows[] = {
        {S("CAPA"), POP3_CAPA, false, S(""), 0, 0},
        {S("user bob@example.org"), POP3_USER, false, S("bob@example.org"), 0, 0},
        {S("USER"), POP3_USER, true, S(""), 0, 0},
        {S("PASS  a b "), POP3_PASS, false, S(" a b "), 0, 0},
        {S("PASS"), POP3_PASS, true, S(""), 0, 0},
        {S("PASS p\xc3\xa4ss"), POP3_PASS, false, S("p\xc3\xa4ss"), 0, 0},
        {S("STAT"), POP3_STAT, false, S(""), 0, 0},
        {S("STAT 1"), POP3_STAT, true, S("1"), 0, 0},
        {S("LIST"), POP3_LIST, false, S(""), 0, 0},
        {S("LIST 3"), POP3_LIST, false, S("3"), 3, 0},
        {S("LIST 0"), POP3_LIST, true, S("0"), 0, 0},
        {S("LIST -1"), POP3_LIST, true, S("-1"), 0, 0},
        {S("LIST 1 2"), POP3_LIST, true, S("1 2"), 0, 0},
        {S("RETR 4294967295"), POP3_RETR, false, S("4294967295"), UINT32_MAX, 0},
        {S("RETR 4294967296"), POP3_RETR, true, S("4294967296"), 0, 0},
        {S("RETR"), POP3_RETR, true, S(""), 0, 0},
        {S("DELE 7"), POP3_DELE, false, S("7"), 7, 0},
        {S("TOP 2 0"), POP3_TOP, false, S("2 0"), 2, 0},
        {S("top 2 10"), POP3_TOP, false, S("2 10"), 2, 10},
        {S("TOP 2"), POP3_TOP, true, S("2"), 2, 0},
        {S("TOP 2 3 4"), POP3_TOP, true, S("2 3 4"), 0, 0},
        {S("UIDL"), POP3_UIDL, false, S(""), 0, 0},
        {S("UIDL 9"), POP3_UIDL, false, S("9"), 9, 0},
        {S("UTF8"), POP3_UTF8, false, S(""), 0, 0},
        {S("QUIT "), POP3_QUIT, false, S(""), 0, 0},
        {S("APOP bob x"), POP3_UNKNOWN, true, S("bob x"), 0, 0},
        {S(""), POP3_UNKNOWN, true, S(""), 0, 0},
        {S("NOOP\0"), POP3_UNKNOWN, true, S(""), 0, 0},
        {S("USER a\rb"), POP3_USER, true, S("a\rb"), 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pop3_command c = pop3_parse(rows[i].line);
        if (c.verb != rows[i].verb || (c.error != NULL) != rows[i].wrong || !str_eq(c.argument, rows[i].argument) ||
            (!rows[i].wrong && (c.message != rows[i].message || c.lines != rows[i].lines)))
            fail_msg("%.*s: %d %s", STR_FMT(rows[i].line), c.verb, c.error ? c.error : "-");
    }
}

static void reads_auth(void **state)
{
    (void)state;
    struct pop3_command c = pop3_parse(S("AUTH PLAIN ="));
    assert_true(!c.error && str_eq(c.mechanism, S("PLAIN")) && str_eq(c.initial, S("=")));
    c = pop3_parse(S("AUTH LOGIN"));
    assert_true(!c.error && str_eq(c.mechanism, S("LOGIN")) && str_is_none(c.initial));
    c = pop3_parse(S("AUTH"));
    assert_true(!c.error && str_is_none(c.mechanism));
    assert_non_null(pop3_parse(S("AUTH PLAIN a b")).error);
}

static void names_verbs(void **state)
{
    (void)state;
    for (enum pop3_verb v = POP3_CAPA; v < POP3_VERBS; v++) assert_true(pop3_parse(pop3_verb_name(v)).verb == v);
}

static void writes_responses(void **state)
{
    (void)state;
    struct buf b = BUF(1000);
    pop3_ok(&b, S(""));
    pop3_ok(&b, S("2 320"));
    pop3_err(&b, NULL, S("no"));
    pop3_err(&b, "IN-USE", S("a\r\nb\xc3"));
    assert_true(str_eq(buf_str(&b), S("+OK\r\n+OK 2 320\r\n-ERR no\r\n-ERR [IN-USE] a??b?\r\n")));
    buf_free(&b);
}

static void writes_capabilities(void **state)
{
    (void)state;
    struct buf b = BUF(1000);
    pop3_put_capabilities(&b, &(struct pop3_capabilities){.user = true, .mechanisms = S("PLAIN LOGIN")});
    assert_true(str_starts(buf_str(&b), S("+OK ")) && str_ends(buf_str(&b), S("\r\n.\r\n")));
    assert_true(str_find(buf_str(&b), S("\r\nUSER\r\nSASL PLAIN LOGIN\r\n")) < b.n);
    assert_true(str_find(buf_str(&b), S("\r\nSTLS\r\n")) == b.n);
    buf_clear(&b);
    pop3_put_capabilities(&b, &(struct pop3_capabilities){.stls = true});
    assert_true(str_find(buf_str(&b), S("\r\nUSER\r\n")) == b.n && str_find(buf_str(&b), S("SASL")) == b.n);
    assert_true(str_find(buf_str(&b), S("\r\nSTLS\r\n")) < b.n);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_commands),   cmocka_unit_test(reads_auth),          cmocka_unit_test(names_verbs),
        cmocka_unit_test(writes_responses), cmocka_unit_test(writes_capabilities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
