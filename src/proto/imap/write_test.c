/* Pieces of IMAP responses (RFC 9051 §9). */
#include "proto/imap/write.h"

#include "base/test.h"
#include "mail/limits.h"

static void writes_strings(void **state)
{
    (void)state;
    static const struct {
        struct str s;
        bool utf8;
        struct str string, astring;
    } rows[] = {
        {S_INIT(""), false, S_INIT("\"\""), S_INIT("\"\"")},
        {S_INIT("abc]"), false, S_INIT("\"abc]\""), S_INIT("abc]")},
        {S_INIT("NIL"), false, S_INIT("\"NIL\""), S_INIT("\"NIL\"")},
        {S_INIT("a\\b\"c"), false, S_INIT("\"a\\\\b\\\"c\""), S_INIT("\"a\\\\b\\\"c\"")},
        {S_INIT("\"\""), false, S_INIT("\"\\\"\\\"\""), S_INIT("\"\\\"\\\"\"")},
        {S_INIT("a\r\nb"), false, S_INIT("{4}\r\na\r\nb"), S_INIT("{4}\r\na\r\nb")},
        {S_INIT("a\tb"), true, S_INIT("{3}\r\na\tb"), S_INIT("{3}\r\na\tb")},
        {S_INIT("a\0b"), true, S_INIT("{3}\r\na\200b"), S_INIT("{3}\r\na\200b")},
        {S_INIT("\303\274"), false, S_INIT("{2}\r\n\303\274"), S_INIT("{2}\r\n\303\274")},
        {S_INIT("\303\274"), true, S_INIT("\"\303\274\""), S_INIT("\"\303\274\"")},
        {S_INIT("\374"), true, S_INIT("{1}\r\n\374"), S_INIT("{1}\r\n\374")},
    };
    struct buf b = BUF(1000);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        buf_clear(&b);
        imap_put_string(&b, rows[i].s, rows[i].utf8);
        assert_str(buf_str(&b), rows[i].string);
        buf_clear(&b);
        imap_put_astring(&b, rows[i].s, rows[i].utf8);
        assert_str(buf_str(&b), rows[i].astring);
    }
    buf_clear(&b);
    imap_put_nstring(&b, STR_NONE, false);
    buf_char(&b, ' ');
    imap_put_nstring(&b, S(""), false);
    imap_put_literal_head(&b, 5000000000, true);
    assert_str(buf_str(&b), S("NIL \"\"~{5000000000}\r\n"));
    buf_free(&b);
    struct buf large = BUF(10000);
    char text[LIMIT_IMAP_QUOTED + 1];
    memset(text, 'x', sizeof text);
    imap_put_string(&large, str_of(text, sizeof text - 1), false);
    assert_int_equal(large.p[0], '"');
    buf_clear(&large);
    imap_put_astring(&large, str_of(text, sizeof text), false);
    assert_int_equal(large.p[0], '{');
    buf_free(&large);
}

static void writes_dates(void **state)
{
    (void)state;
    static const struct {
        struct civil at;
        struct str written;
    } rows[] = {
        {{1996, 7, 17, 2, 44, 25, 0, -420}, S_INIT("\"17-Jul-1996 02:44:25 -0700\"")},
        {{2026, 11, 8, 20, 55, 0, 0, 0}, S_INIT("\" 8-Nov-2026 20:55:00 +0000\"")},
        {{1970, 1, 1, 0, 0, 0, 0, 330}, S_INIT("\" 1-Jan-1970 00:00:00 +0530\"")},
        {{999, 12, 31, 23, 59, 59, 0, 0}, S_INIT("\"31-Dec-0999 23:59:59 +0000\"")},
    };
    struct buf b = BUF(100);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        buf_clear(&b);
        imap_put_date_time(&b, civil_to_utc(&rows[i].at), rows[i].at.offset);
        assert_str(buf_str(&b), rows[i].written);
    }
    buf_free(&b);
}

static void writes_flags(void **state)
{
    (void)state;
    static const struct str own[] = {S_INIT("work"), S_INIT(""), S_INIT("play")};
    static const struct {
        flag_set flags;
        struct str written;
    } rows[] = {
        {0, S_INIT("()")},
        {FLAG_SEEN, S_INIT("(\\Seen)")},
        {(1u << FLAG_FIRST_OWN) - 1,
         S_INIT("(\\Seen \\Answered \\Flagged \\Deleted \\Draft $Forwarded $MDNSent $Junk $NotJunk $Phishing)")},
        {FLAG_DRAFT | 1u << FLAG_FIRST_OWN | 4u << FLAG_FIRST_OWN, S_INIT("(\\Draft work play)")},
        {2u << FLAG_FIRST_OWN | 8u << FLAG_FIRST_OWN | 1u << 31, S_INIT("()")}, /* nameless */
    };
    struct buf b = BUF(200);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        buf_clear(&b);
        imap_put_flags(&b, rows[i].flags, own, 3);
        assert_str(buf_str(&b), rows[i].written);
    }
    buf_free(&b);
}

static void writes_sections(void **state)
{
    (void)state;
    const uint32_t path[] = {1, 20, 3};
    struct str fields[] = {S("Subject"), S("X Y")};
    struct buf b = BUF(200);
    imap_put_section(&b, &(struct imap_section){0});
    imap_put_section(&b, &(struct imap_section){.text = IMAP_SECTION_HEADER});
    imap_put_section(&b, &(struct imap_section){.path = path, .depth = 3});
    imap_put_section(&b, &(struct imap_section){.path = path, .depth = 2, .text = IMAP_SECTION_MIME});
    imap_put_section(&b, &(struct imap_section){.text = IMAP_SECTION_FIELDS_NOT, .fields = {fields, 2, 2}});
    assert_str(buf_str(&b), S("[][HEADER][1.20.3][1.20.MIME][HEADER.FIELDS.NOT (Subject \"X Y\")]"));
    buf_free(&b);
}

static void writes_conditions(void **state)
{
    (void)state;
    struct buf b = BUF(1000);
    imap_put_condition(&b, S("*"), IMAP_PREAUTH, S(""), S("hello"));
    imap_put_condition(&b, S("a1"), IMAP_OK, S("READ-WRITE"), S("SELECT completed"));
    imap_put_condition(&b, S("a2"), IMAP_NO, S(""), S("[not a code"));
    imap_put_condition(&b, S("a3"), IMAP_BAD, S(""), S("x\r\ny\303\274\0"));
    imap_put_condition(&b, S("*"), IMAP_BYE, S(""), S(""));
    assert_str(buf_str(&b), S("* PREAUTH hello\r\na1 OK [READ-WRITE] SELECT completed\r\na2 NO . [not a code\r\n"
                              "a3 BAD x??y???\r\n* BYE done\r\n"));
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_strings),  cmocka_unit_test(writes_dates),      cmocka_unit_test(writes_flags),
        cmocka_unit_test(writes_sections), cmocka_unit_test(writes_conditions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
