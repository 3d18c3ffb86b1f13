/* Mailbox names in modified UTF-7 and UTF-8 (RFC 3501 §5.1.3, RFC 9051 §5.1, RFC 6855). */
#include "proto/imap/mailbox.h"

#include <stdlib.h>

#include "base/test.h"
#include "base/utf8.h"

static void reads_and_writes_names(void **state)
{
    (void)state;
    static const struct {
        struct str utf7, name;
    } rows[] = {
        {S_INIT("INBOX"), S_INIT("INBOX")},
        {S_INIT("Sent/2026"), S_INIT("Sent/2026")},
        {S_INIT("~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
         S_INIT("~peter/mail/\345\217\260\345\214\227/\346\227\245\346\234\254\350\252\236")},
        {S_INIT("R&-D"), S_INIT("R&D")},
        {S_INIT("&-&-"), S_INIT("&&")},
        {S_INIT("Entw&APw-rfe"), S_INIT("Entw\303\274rfe")},
        {S_INIT("&AOQA9gD8-"), S_INIT("\303\244\303\266\303\274")},
        {S_INIT("&2D3eAA-"), S_INIT("\360\237\230\200")},
        {S_INIT("&2D3eANg93gE-x&2D3eAg-"), S_INIT("\360\237\230\200\360\237\230\201x\360\237\230\202")},
        {S_INIT("&,,8-"), S_INIT("\357\277\277")},
        {S_INIT("a b\"c\\d"), S_INIT("a b\"c\\d")},
        {S_INIT("%&AOQ-*"), S_INIT("%\303\244*")},
        {S_INIT(""), S_INIT("")},
    };
    struct arena *a = arena_new(NULL, 0);
    struct buf b = BUF(1000);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct str name;
        assert_int_equal(imap_mailbox_decode(a, rows[i].utf7, false, &name), 0);
        assert_str(name, rows[i].name);
        assert_int_equal(imap_mailbox_decode(a, rows[i].name, true, &name), 0);
        assert_str(name, rows[i].name);
        buf_clear(&b);
        imap_put_utf7(&b, rows[i].name);
        assert_str(buf_str(&b), rows[i].utf7);
        for (size_t n = 0; n < rows[i].utf7.n; n++) { /* cut anywhere: an error, or the beginning of the name */
            char *cut = malloc(n + 1);
            memcpy(cut, rows[i].utf7.p, n);
            if (imap_mailbox_decode(a, str_of(cut, n), false, &name) == 0) assert_true(str_starts(rows[i].name, name));
            free(cut);
        }
    }
    buf_free(&b);
    arena_free(a);
}

static void refuses_names(void **state)
{
    (void)state;
    static const struct str rows[] = {
        S_INIT("R&D"),            /* no end */
        S_INIT("&"),
        S_INIT("&AOQ"),
        S_INIT("&AGE-"),          /* an "a" */
        S_INIT("&AC8-"),          /* a "/", hidden */
        S_INIT("&ACY-"),          /* a "&" */
        S_INIT("&AOQ-&APY-"),     /* two runs for one */
        S_INIT("&AOR-"),          /* bits that are not zero */
        S_INIT("&AOQA-"),         /* a superfluous digit */
        S_INIT("&A-"),
        S_INIT("&AOQ/-"),         /* "/" where "," stands for it */
        S_INIT("&AOQ=-"),
        S_INIT("&2D0-"),          /* half a pair */
        S_INIT("&3gA-"),
        S_INIT("&2D3YPd4A-"),
        S_INIT("&AAA-"),          /* NUL */
        S_INIT("&AAE-"),
        S_INIT("a\nb"),
        S_INIT("a\0b"),
        S_INIT("\377"),
        S_INIT("\303"),
    };
    struct arena *a = arena_new(NULL, 0);
    struct str name;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (imap_mailbox_decode(a, rows[i], false, &name) != ERR_SYNTAX)
            fail_msg("%.*s is taken as %.*s", STR_FMT(rows[i]), STR_FMT(name));
    assert_int_equal(imap_mailbox_decode(a, S("\377"), true, &name), ERR_SYNTAX);
    assert_int_equal(imap_mailbox_decode(a, S("a\0b"), true, &name), ERR_SYNTAX);
    arena_free(a);
}

/* What clients write: the inbox in any case, UTF-8 though they did not enable it, "&" when they did. */
static void is_lenient_where_it_can_be(void **state)
{
    (void)state;
    static const struct {
        struct str written;
        bool utf8;
        struct str name;
    } rows[] = {
        {S_INIT("inbox"), false, S_INIT("INBOX")},
        {S_INIT("iNbOx/x"), false, S_INIT("INBOX/x")},
        {S_INIT("inboxes"), false, S_INIT("inboxes")},
        {S_INIT("x/inbox"), true, S_INIT("x/inbox")},
        {S_INIT("inbox"), true, S_INIT("INBOX")},
        {S_INIT("R&D"), true, S_INIT("R&D")},
        {S_INIT("R&-D"), true, S_INIT("R&-D")},
        {S_INIT("Entw\303\274rfe & more"), false, S_INIT("Entw\303\274rfe & more")},
    };
    struct arena *a = arena_new(NULL, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct str name;
        assert_int_equal(imap_mailbox_decode(a, rows[i].written, rows[i].utf8, &name), 0);
        assert_str(name, rows[i].name);
    }
    arena_free(a);
}

static void writes_names(void **state)
{
    (void)state;
    static const struct {
        struct str name;
        bool utf8;
        struct str written;
    } rows[] = {
        {S_INIT("INBOX"), false, S_INIT("INBOX")},
        {S_INIT(""), false, S_INIT("\"\"")},
        {S_INIT("nil"), false, S_INIT("\"nil\"")},
        {S_INIT("a b"), false, S_INIT("\"a b\"")},
        {S_INIT("a\"\\"), false, S_INIT("\"a\\\"\\\\\"")},
        {S_INIT("R&D"), false, S_INIT("R&-D")},
        {S_INIT("R&D"), true, S_INIT("R&D")},
        {S_INIT("\303\274"), false, S_INIT("&APw-")},
        {S_INIT("\303\274 x"), false, S_INIT("\"&APw- x\"")},
        {S_INIT("\303\274"), true, S_INIT("\"\303\274\"")},
        {S_INIT("100%"), false, S_INIT("\"100%\"")},
    };
    struct buf b = BUF(1000);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        buf_clear(&b);
        imap_put_mailbox(&b, rows[i].name, rows[i].utf8);
        assert_str(buf_str(&b), rows[i].written);
    }
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_writes_names),
        cmocka_unit_test(refuses_names),
        cmocka_unit_test(is_lenient_where_it_can_be),
        cmocka_unit_test(writes_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
