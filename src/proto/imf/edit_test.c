/* Header edits: what is named goes, what is missing comes, all other bytes stay. */
#include "proto/imf/edit.h"

#include "base/test.h"
#include "proto/imf/field.h"

static const struct str private[] = {S_INIT("Bcc"), S_INIT("Resent-Bcc"), S_INIT("Return-Path")};

static void test_edits(void **state)
{
    (void)state;
    static const struct {
        struct str letter, header;
        size_t body, removed;
        bool date, id;
    } table[] = {
        {S_INIT("From: a\r\nBcc: x,\r\n y\r\nTo: b\r\nDate: d\r\nMessage-ID: <i>\r\n\r\nbody"),
         S_INIT("P: q\r\nFrom: a\r\nTo: b\r\nDate: d\r\nMessage-ID: <i>\r\n\r\n"), 57, 1, false, false},
        {S_INIT("From:a\r\nX :  y \r\n\r\nBcc: stays\r\n"),
         S_INIT("P: q\r\nMessage-ID: <m@h>\r\nDate: Sun, 22 Nov 2026 01:30:00 +0000\r\nFrom:a\r\nX :  y \r\n\r\n"), 19,
         0, true, true},
        {S_INIT("bcc:\r\nBCC: x\r\nReturn-Path: <r>\r\nmessage-id: <i>\r\ndate: d\r\nResent-Bcc: z\r\n\r\n"),
         S_INIT("P: q\r\nmessage-id: <i>\r\ndate: d\r\n\r\n"), 75, 4, false, false},
        {S_INIT("Date: d\r\nMessage-ID: <i>\r\nno separator"), S_INIT("P: q\r\nDate: d\r\nMessage-ID: <i>\r\n\r\n"), 26,
         0, false, false},
        {S_INIT("Date: d\r\nMessage-ID: <i>"), S_INIT("P: q\r\nDate: d\r\nMessage-ID: <i>\r\n\r\n"), 24, 0, false,
         false},
        {S_INIT("From x Mon\r\nDate: d\r\nMessage-ID: <i>\r\n\r\n"),
         S_INIT("P: q\r\nDate: d\r\nMessage-ID: <i>\r\n\r\n"), 40, 0, false, false},
        {S_INIT(""), S_INIT("P: q\r\nMessage-ID: <m@h>\r\nDate: Sun, 22 Nov 2026 01:30:00 +0000\r\n\r\n"), 0, 0, true,
         true},
        {S_INIT("\r\n"), S_INIT("P: q\r\nMessage-ID: <m@h>\r\nDate: Sun, 22 Nov 2026 01:30:00 +0000\r\n\r\n"), 2, 0,
         true, true},
        {S_INIT(
             "Authentication-Results: mx.y.org; spf=pass\r\nAuthentication-Results: other; spf=pass\r\nDate: d\r\n"
             "Message-ID: <i>\r\n\r\n"),
         S_INIT("P: q\r\nAuthentication-Results: other; spf=pass\r\nDate: d\r\nMessage-ID: <i>\r\n\r\n"), 113, 1, false,
         false},
    };
    struct imf_edit e = {.remove = private,
                         .removes = 3,
                         .authserv_id = S("MX.y.org"),
                         .prepend = S("P: q\r\n"),
                         .add_date = true,
                         .now = SECONDS(1795311000),
                         .add_message_id = S("m@h")};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct buf b = BUF(10000);
        struct imf_edited r = imf_edit_header(&b, table[i].letter, &e);
        assert_str(buf_str(&b), table[i].header);
        assert_int_equal(r.header, table[i].body);
        assert_int_equal(r.removed, table[i].removed);
        assert_int_equal(r.added_date, table[i].date);
        assert_int_equal(r.added_message_id, table[i].id);
        buf_free(&b);
    }
}

static void test_nothing(void **state)
{
    (void)state;
    struct str letter = S("A: b\r\n\tc\nB :\xFF\0\r\n\nbody");
    struct buf b = BUF(1000);
    struct imf_edited r = imf_edit_header(&b, letter, &(struct imf_edit){0});
    assert_str(buf_str(&b), str_head(letter, r.header));
    assert_int_equal(r.header, imf_header_of(letter).body);
    buf_free(&b);
}

static void test_too_long(void **state)
{
    (void)state;
    struct buf b = BUF(10);
    imf_edit_header(&b, S("Subject: a longer header\r\n\r\n"), &(struct imf_edit){0});
    assert_int_equal(b.failed, ERR_TOO_LONG);
    buf_free(&b);
}

static void test_authserv_id(void **state)
{
    (void)state;
    static const struct {
        struct str body;
        bool ours;
    } table[] = {
        {S_INIT(" mx.y.org; none"), true},
        {S_INIT("MX.Y.ORG"), true},
        {S_INIT("mx.y.org 1; spf=pass"), true},
        {S_INIT("\r\n (c (d)) mx.y.org(e);"), true},
        {S_INIT("\"mx.y.org\"; x"), true},
        {S_INIT("\"mx\\.y.org\" 1; x"), true},
        {S_INIT("mx.y.orgx; none"), false},
        {S_INIT("mx.y; none"), false},
        {S_INIT(""), false},
        {S_INIT("other; mx.y.org"), false},
        {S_INIT("(mx.y.org) x"), false},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        assert_int_equal(imf_is_authserv_id(table[i].body, S("mx.y.org")), table[i].ours);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edits),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_authserv_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
