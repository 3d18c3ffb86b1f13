/* 8-bit letters for 7-bit hosts: what may be encoded anew is, and means the same; what may not is left alone. */
#include "proto/mime/downgrade.h"

#include "base/test.h"
#include "proto/mime/downgrade_check.h"

static struct arena *a;

static int set_up(void **state)
{
    (void)state;
    a = arena_new(NULL, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(a);
    return 0;
}

static struct str downgraded(struct str letter)
{
    struct buf *b = buf_in(a, 64 << 20);
    struct error e = {0};
    buf_lit(b, "before");
    int r = mime_downgrade(a, letter, b, &e);
    if (r) fail_msg("%s:\n%.*s", e.text, STR_FMT(letter));
    struct str out = str_skip(buf_str(b), 6);
    const char *wrong = downgrade_check(a, letter, out);
    if (wrong) fail_msg("%s:\n%.*s\nbecame\n%.*s", wrong, STR_FMT(letter), STR_FMT(out));
    return out;
}

#define UE "\xC3\xBC"
#define TEXT_8BIT "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
#define TEXT_QP "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
#define MIXED "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"

static void test_what_is_encoded(void **state)
{
    static const struct {
        struct str was, is;
    } cases[] = {
        /* nothing to do */
        {S_INIT("Subject: a\r\n\r\ntext\r\n"), S_INIT("Subject: a\r\n\r\ntext\r\n")},
        {S_INIT(""), S_INIT("")},
        {S_INIT("MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n\r\ntext\r\n"),
         S_INIT("MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n\r\ntext\r\n")},
        /* text stays legible */
        {S_INIT("Subject: a\r\nMIME-Version: 1.0\r\n" TEXT_8BIT "viele Gr" UE "\xC3\x9F" "e, und das ist alles\r\n"),
         S_INIT("Subject: a\r\nMIME-Version: 1.0\r\n" TEXT_QP
                "viele Gr=C3=BC=C3=9Fe, und das ist alles\r\n")},
        /* who said nothing of MIME */
        {S_INIT("Subject: a\r\n\r\nviele Gr" UE "\xC3\x9F" "e, und das ist alles\r\n"),
         S_INIT("Subject: a\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
                "viele Gr=C3=BC=C3=9Fe, und das ist alles\r\n")},
        /* what is no text, and text with few letters of ours */
        {S_INIT("MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n\r\n\xff\xfe\xfd"),
         S_INIT(
             "MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
             "//79\r\n")},
        {S_INIT("MIME-Version: 1.0\r\n" TEXT_8BIT "\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E\r\n"),
         S_INIT(
             "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
             "5pel5pys6KqeDQo=\r\n")},
        /* the parts that need it, and the field of what is around them */
        {S_INIT(MIXED "Content-Transfer-Encoding: 8bit\r\n\r\n--b\r\n\r\nplain\r\n--b\r\n" TEXT_8BIT "Gr" UE
                "n ist die Hoffnung, sagt man\r\n--b--\r\n"),
         S_INIT(MIXED "Content-Transfer-Encoding: 7bit\r\n\r\n--b\r\n\r\nplain\r\n--b\r\n" TEXT_QP
                "Gr=C3=BCn ist die Hoffnung, sagt man\r\n--b--\r\n")},
        {S_INIT(MIXED "\r\n--b\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n--b\r\n" TEXT_8BIT "ascii\r\n--b--\r\n"),
         S_INIT(
             MIXED
             "\r\n--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw==\r\n--b\r\n"
             "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\nascii\r\n--b--\r\n")},
        /* a letter in the letter: its leaf, not the letter itself (RFC 2046 §5.2.1) */
        {S_INIT("MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
                "Subject: inside\r\nMIME-Version: 1.0\r\n" TEXT_8BIT "Gr" UE "n ist die Hoffnung, sagt man\r\n"),
         S_INIT("MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
                "Subject: inside\r\nMIME-Version: 1.0\r\n" TEXT_QP "Gr=C3=BCn ist die Hoffnung, sagt man\r\n")},
        /* a letter in a letter whose header has no end: what is added must not become a part of it */
        {S_INIT("MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\nGr" UE "n ist die Hoffnung, sagt man\r\n"),
         S_INIT("MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n\r\n"
                "Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BCn ist die Hoffnung, sagt man\r\n")},
        /* fields said twice are said once */
        {S_INIT(
             "MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\nX: y\r\ncontent-transfer-encoding:\r\n 8bit\r\n"
             "\r\nGr" UE "n ist die Hoffnung, sagt man\r\n"),
         S_INIT("MIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\nX: y\r\n\r\n"
                "Gr=C3=BCn ist die Hoffnung, sagt man\r\n")},
        /* no body of its own, no line end */
        {S_INIT("X: y\r\n" UE),
         S_INIT("X: y\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: base64\r\n\r\nw7w=\r\n")},
        /* a signed letter that is 7-bit beside a part that is not */
        {S_INIT(MIXED "\r\n--b\r\nContent-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n\r\nsigned\r\n--s\r\n\r\n"
                "signature\r\n--s--\r\n--b\r\n" TEXT_8BIT "Gr" UE "n ist die Hoffnung, sagt man\r\n--b--\r\n"),
         S_INIT(MIXED "\r\n--b\r\nContent-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n\r\nsigned\r\n--s\r\n\r\n"
                "signature\r\n--s--\r\n--b\r\n" TEXT_QP "Gr=C3=BCn ist die Hoffnung, sagt man\r\n--b--\r\n")},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) assert_str(downgraded(cases[i].was), cases[i].is);
}

/* What is hard to encode and harder to find again. */
static void test_awkward_letters(void **state)
{
    static const struct str letters[] = {
        S_INIT("MIME-Version: 1.0\r\n" TEXT_QP "broken =XY =\r\n escapes =E4 and " UE " in the open\r\n"),
        S_INIT("MIME-Version: 1.0\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n" UE "and then not\r\n"),
        S_INIT("MIME-Version: 1.0\r\n" TEXT_8BIT "trailing blanks  \r\nand tabs\t\r\n " UE " \r\n.\r\n..\r\nFrom " UE
               "\r\n"),
        S_INIT("MIME-Version: 1.0\r\n" TEXT_8BIT "bare\nLF " UE "\rand CR\r\r\n\r\n\r\n"),
        S_INIT("MIME-Version: 1.0\r\n" TEXT_8BIT "nul \0 and " UE "\r\n"),
        S_INIT("MIME-Version: 1.0\r\nContent-Transfer-Encoding: binary\r\n\r\n" UE " no line end"),
        S_INIT(MIXED "\r\n--b\r\n" TEXT_8BIT UE "\r\n\r\n--b\r\n" TEXT_8BIT UE "--b\r\n--b--\r\nepilogue\r\n"),
        S_INIT(MIXED "\r\n--b\r\n" TEXT_8BIT UE "\r\n"), /* never closed */
        S_INIT(MIXED "\r\n--b\r\n\r\n" UE "\r\n--b\r\n\r\n" UE "\r\n--b--\r\n"),
        S_INIT(MIXED "\r\n--b\n" UE "\n--b--\n"),
        S_INIT("Content-Type: multipart/alternative; boundary=\"x y\"\r\n\r\n--x y\r\nContent-Type: text/html\r\n\r\n"
               "<p>" UE "</p>\r\n--x y--\r\n"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++) downgraded(letters[i]);
}

/* Soft breaks of quoted-printable must not make a boundary out of dashes: at every column. */
static void test_no_new_boundaries(void **state)
{
    (void)state;
    for (int i = 60; i < 90; i++) {
        struct str letter = arena_printf(a, MIXED "\r\n--b\r\n" TEXT_8BIT "%0*d" UE "--b--b\r\n--b--\r\n", i, 0);
        downgraded(letter);
    }
}

/* An 8-bit letter goes through a session that takes lines of 998 bytes: its other parts must fit too. */
static void test_long_lines(void **state)
{
    (void)state;
    char *x = arena_alloc(a, 3000);
    memset(x, 'x', 3000);
    struct str out = downgraded(
        arena_printf(a, MIXED "\r\n--b\r\n\r\n%.*s\r\n--b\r\n" TEXT_8BIT UE "%.*s\r\n--b--\r\n", 3000, x, 3000, x));
    assert_int_equal(str_find(out, str_of(x, 999)), out.n);
    out = downgraded(arena_printf(a, MIXED "\r\n--b\r\n\r\n%.*s\r\n--b\r\n" TEXT_8BIT UE "\r\n--b--\r\n", 998, x));
    assert_true(str_find(out, str_of(x, 998)) < out.n); /* as long as it may be: left alone */
}

static void test_what_is_refused(void **state)
{
    static const struct {
        struct str letter;
        int error;
        const char *words;
    } cases[] = {
        /* what is signed (RFC 1847, RFC 6376 §5.3) */
        {S_INIT("DKIM-Signature: v=1; d=x.example\r\nMIME-Version: 1.0\r\n" TEXT_8BIT UE "\r\n"), ERR_DENIED, "signed"},
        {S_INIT("dkim-signature: v=1; d=x.example\r\n" MIXED "\r\n--b\r\n" TEXT_8BIT UE "\r\n--b--\r\n"), ERR_DENIED,
         "signed"},
        {S_INIT("MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n" TEXT_8BIT UE
                "\r\n--b\r\n\r\nsignature\r\n--b--\r\n"), ERR_DENIED, "signed"},
        {S_INIT("MIME-Version: 1.0\r\nContent-Type: multipart/encrypted; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\n"
                "Content-Type: application/octet-stream\r\n\r\n" UE "\r\n--b--\r\n"),
         ERR_DENIED, "signed"},
        {S_INIT("MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n\r\nDKIM-Signature: v=1\r\n\r\n" UE "\r\n"),
         ERR_DENIED, "signed"},
        {S_INIT(
             MIXED
             "\r\n--b\r\nContent-Type: multipart/signed; boundary=s\r\n\r\n--s\r\nContent-Type: message/rfc822\r\n\r\n"
             "Subject: x\r\n\r\n" UE "\r\n--s--\r\n--b--\r\n"),
         ERR_DENIED, "signed"},
        /* what is 8-bit where no encoding reaches */
        {S_INIT("Subject: " UE "\r\n\r\ntext\r\n"), ERR_UNSUPPORTED, "header"},
        {S_INIT("Subject: a\r\nContent-Type: message/rfc822\r\n\r\nSubject: " UE "\r\n\r\ntext\r\n"), ERR_UNSUPPORTED,
         "outside"},
        {S_INIT(MIXED "\r\n" UE "\r\n--b\r\n\r\nx\r\n--b--\r\n"), ERR_UNSUPPORTED, "outside"},
        {S_INIT(MIXED "\r\n--b\r\n\r\nx\r\n--b--\r\n" UE "\r\n"), ERR_UNSUPPORTED, "outside"},
        {S_INIT(MIXED "\r\n--b\r\nX: " UE "\r\n\r\nx\r\n--b--\r\n"), ERR_UNSUPPORTED, "outside"},
        /* encodings nobody knows */
        {S_INIT("MIME-Version: 1.0\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\n" UE "\r\n"), ERR_UNSUPPORTED,
         "text/plain"},
        {S_INIT("MIME-Version: 1.0\r\nContent-Type: message/partial; id=1\r\n\r\n" UE "\r\n"), ERR_UNSUPPORTED,
         "message/partial"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf *b = buf_in(a, 65536);
        struct error e = {0};
        buf_lit(b, "before");
        int r = mime_downgrade(a, cases[i].letter, b, &e);
        if (r != cases[i].error) fail_msg("%d: %.*s", r, STR_FMT(cases[i].letter));
        if (!strstr(e.text, cases[i].words)) fail_msg("\"%s\" lacks %s", e.text, cases[i].words);
        assert_str(buf_str(b), S("before"));
    }
}

static void test_sizes(void **state)
{
    (void)state;
    char *bytes = arena_alloc(a, LIMIT_DOWNGRADE + 1);
    memset(bytes, '\xfc', LIMIT_DOWNGRADE + 1);
    memcpy(bytes, "X: y\r\n\r\n", 8);
    struct buf *b = buf_in(a, 64 << 20);
    assert_int_equal(mime_downgrade(a, str_of(bytes, LIMIT_DOWNGRADE), b, NULL), 0);
    assert_true(str_is_ascii(buf_str(b)));
    buf_clear(b);
    assert_int_equal(mime_downgrade(a, str_of(bytes, LIMIT_DOWNGRADE + 1), b, NULL), ERR_TOO_LONG);
    assert_int_equal(b->n, 0);
    struct buf small = BUF(50); /* the caller's own limit */
    assert_int_equal(mime_downgrade(a, S("X: y\r\n\r\n" UE UE UE UE UE UE UE UE "\r\n"), &small, NULL), ERR_TOO_LONG);
    assert_int_equal(small.n, 0);
    buf_free(&small);
    bytes = arena_alloc(a, LIMIT_DOWNGRADE + 1);
    memset(bytes, 'x', LIMIT_DOWNGRADE + 1); /* of ASCII any amount passes */
    assert_int_equal(mime_downgrade(a, str_of(bytes, LIMIT_DOWNGRADE + 1), b, NULL), 0);
}

/* Cut anywhere it is another letter, and that passes or is refused too. */
static void test_cuts(void **state)
{
    static const struct str letter =
        S_INIT(MIXED "Content-Transfer-Encoding: 8bit\r\n\r\n--b\r\n" TEXT_8BIT "Gr" UE "n\r\n--b\r\n"
                     "Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\n" UE "\r\n--b--\r\n");
    (void)state;
    for (size_t n = 0; n <= letter.n; n++) {
        struct str cut = arena_str(a, str_head(letter, n));
        struct buf *b = buf_in(a, 65536);
        if (mime_downgrade(a, cut, b, NULL) != 0) continue;
        const char *wrong = downgrade_check(a, cut, buf_str(b));
        if (wrong) fail_msg("at %zu: %s:\n%.*s", n, wrong, STR_FMT(buf_str(b)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_encoded),   cmocka_unit_test(test_awkward_letters),
        cmocka_unit_test(test_no_new_boundaries), cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_what_is_refused),   cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_cuts),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
