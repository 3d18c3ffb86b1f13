/* The searchable text of letters: what is found in them by which words, and the normal form it is found by. */
#include "proto/mime/text.h"

#include <stdlib.h>

#include "base/codec.h"
#include "base/test.h"
#include "base/utf8.h"
#include "proto/mime/derive.h"
#include "proto/mime/fold.h"

/* ---- the normal form ---- */

static struct str fold(struct arena *a, struct str s)
{
    struct fold *f = arena_new_of(a, struct fold);
    struct buf *out = buf_in(a, 1 << 16);
    fold_text(f, s, out);
    return buf_str(out);
}

static const struct {
    struct str text, folded;
} forms[] = {
    {S_INIT(""), S_INIT("")},
    {S_INIT("Hello, World"), S_INIT("hello, world")},
    {S_INIT("a \t\r\n  b  "), S_INIT("a b ")},
    {S_INIT("\0a\x01\x7f"), S_INIT("a")},
    {S_INIT("GR\xC3\x9C\xC3\x9F"), S_INIT("gru\xCC\x88\xC3\x9F")},        /* composed */
    {S_INIT("GrU\xCC\x88\xC3\x9F"), S_INIT("gru\xCC\x88\xC3\x9F")},       /* and not */
    {S_INIT("\xD0\x9F\xD0\xA0\xD0\x98"), S_INIT("\xD0\xBF\xD1\x80\xD0\xB8")},
    {S_INIT("\xCE\xA3\xCF\x82\xCF\x83"), S_INIT("\xCF\x83\xCF\x83\xCF\x83")}, /* the three sigmas */
    {S_INIT("\xEF\xAC\x81ne"), S_INIT("fine")},                           /* a ligature */
    {S_INIT("\xEF\xBC\xA1\xEF\xBC\xA2"), S_INIT("ab")},                   /* full width */
    {S_INIT("\xED\x95\x9C"), S_INIT("\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB")}, /* Hangul */
    {S_INIT("\xE6\x97\xA5\xE6\x9C\xAC"), S_INIT("\xE6\x97\xA5\xE6\x9C\xAC")},
    {S_INIT("a\xC2\xA0 \xE3\x80\x80" "b"), S_INIT("a b")},                /* spaces of all kinds */
    {S_INIT("so\xC2\xADme\xE2\x80\x8B"), S_INIT("some")},
    {S_INIT("\xFF\xC3(a"), S_INIT("(a")},                                 /* no UTF-8 */
};

static void test_forms(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        assert_str(fold(a, forms[i].text), forms[i].folded);
        assert_str(fold(a, forms[i].folded), forms[i].folded);
        struct fold *f = arena_new_of(a, struct fold);
        struct buf *out = buf_in(a, 100);
        uint32_t cp;
        for (struct str s = forms[i].text; s.n;) { /* character by character */
            int n = utf8_next(s, &cp);
            fold_text(f, str_head(s, n > 0 ? (size_t)n : 1), out);
            s = str_skip(s, n > 0 ? (size_t)n : 1);
        }
        assert_str(buf_str(out), forms[i].folded);
        for (size_t max = 0; max < forms[i].folded.n; max++) { /* no room */
            struct buf *small = buf_in(a, max);
            fold_text(arena_new_of(a, struct fold), forms[i].text, small);
            assert_true(str_starts(forms[i].folded, buf_str(small)));
        }
    }
    arena_free(a);
}

/* All of Unicode: the normal form is one, is UTF-8, and never holds a line feed. */
static void test_all_characters(void **state)
{
    (void)state;
    struct fold *f = calloc(1, sizeof *f);
    struct buf in = BUF(8), once = BUF(400), twice = BUF(800);
    for (uint32_t cp = 1; cp <= 0x10FFFF; cp++) {
        if (cp >= 0xD800 && cp < 0xE000) continue;
        if (cp == 0x30000) cp = 0xE0000;
        buf_clear(&in), buf_clear(&once), buf_clear(&twice);
        f->after_space = false;
        utf8_put(&in, cp);
        fold_text(f, buf_str(&in), &once);
        f->after_space = false;
        fold_text(f, buf_str(&once), &twice);
        if (!str_eq(buf_str(&once), buf_str(&twice))) print_error("U+%04X\n", cp);
        assert_true(str_eq(buf_str(&once), buf_str(&twice)));
        assert_true(utf8_valid(buf_str(&once)) && str_find_char(buf_str(&once), '\n') == once.n);
    }
    buf_free(&in), buf_free(&once), buf_free(&twice);
    free(f);
}

static void test_strip(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct buf *out = buf_in(a, 100);
    fold_strip(fold(a, S("\xC3\x89t\xC3\xA9 \xE6\x97\xA5!")), out);
    assert_str(buf_str(out), S("ete \xE6\x97\xA5!"));
    arena_free(a);
}

/* ---- letters ---- */

struct heard {
    struct buf *of[5];
    size_t pieces;
};

static bool hear(void *arg, enum text_place place, struct str text)
{
    struct heard *h = arg;
    assert_true(text.n > 0);
    buf_add(h->of[place], text);
    h->pieces++;
    return true;
}

static struct str read_whole(void *arg, uint64_t at, size_t n)
{
    struct str s = *(struct str *)arg;
    return str_head(str_skip(s, (size_t)at), n);
}

static struct heard listen(struct arena *a, struct str prefix, struct str letter, unsigned places)
{
    struct heard h = {0};
    for (int place = TEXT_FIELD; place <= TEXT_BODY; place *= 2) h.of[place] = buf_in(a, SIZE_MAX / 2);
    struct mime_part *root;
    struct mime_derived d = mime_derive(a, mime_parse(a, letter));
    assert_int_equal(mime_structure_read(a, d.structure, &root), 0);
    struct text_letter l = {.root = root, .prefix = prefix, .read = read_whole, .arg = &letter};
    text_of(text_reader_new(a), &l, places, hear, &h);
    return h;
}

static const struct str letter = S_INIT(
    "Subject: Re: =?utf-8?q?Gr=C3=BC=C3=9Fe?= aus\r\n =?iso-8859-1?q?K=F6ln?=\r\nX-Raw: caf\xE9\r\n"
    "Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n"
    "--b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n"
    "--c\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    "Hello =\r\n  World,\r\n\r\nit is =C3=84.\r\n"
    "--c\r\nContent-Type: text/html; charset=windows-1251\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    "PHA+z/Do4uXyPC9wPjxzdHlsZT5oaWRkZW48L3N0eWxlPg==\r\n--c--\r\n"
    "--b\r\nContent-Type: application/pdf; name=\"plain name.pdf\"\r\nContent-Transfer-Encoding: base64\r\n"
    "Content-Disposition: attachment; filename*=utf-8''%C3%84nderung.pdf\r\n\r\nSGVsbG8gc2VjcmV0\r\n\r\n"
    "--b\r\nContent-Type: text/plain; charset=iso-2022-jp\r\n\r\n\x1b$BF|K\\\x1b(B\r\n"
    "--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: in@side\r\nSubject: =?utf-8?q?INN=C3=89R?=\r\n\r\nthe text\r\n"
    "--b--\r\n");

static void test_letter(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct heard h = listen(a, S("Return-Path: <X@y>\r\nDelivered-To: Me\r\n"), letter, 7);
    assert_str(buf_str(h.of[TEXT_FIELD]), S("return-path: <x@y>\ndelivered-to: me\nsubject: re: gru\xCC\x88\xC3\x9F"
                                            "e aus ko\xCC\x88ln\n"
                                            "x-raw: cafe\xCC\x81\ncontent-type: multipart/mixed; boundary=b\n"));
    assert_str(buf_str(h.of[TEXT_BODY]),
               S("hello world, it is a\xCC\x88.\n \xD0\xBF\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82 \n"
                 "\xE6\x97\xA5\xE6\x9C\xAC\nfrom: in@side\nsubject: inne\xCC\x81r\nthe text\n"));
    struct str parts = buf_str(h.of[TEXT_PART]);
    assert_true(str_find(parts, S("\nplain name.pdf\n")) < parts.n);
    assert_true(str_find(parts, S("\na\xCC\x88nderung.pdf\n")) < parts.n);
    assert_true(str_find(parts, S("content-type: message/rfc822\n")) < parts.n);

    h = listen(a, S(""), letter, TEXT_BODY);
    assert_true(h.of[TEXT_FIELD]->n == 0 && h.of[TEXT_PART]->n == 0 && h.of[TEXT_BODY]->n > 50);
    h = listen(a, S(""), letter, TEXT_FIELD);
    assert_true(h.of[TEXT_FIELD]->n > 50 && h.of[TEXT_PART]->n == 0 && h.of[TEXT_BODY]->n == 0);
    for (size_t n = 0; n <= letter.n; n++) listen(a, S(""), str_head(letter, n), 7); /* cut at every point */
    arena_free(a);
}

static bool hear_one(void *arg, enum text_place place, struct str text)
{
    (void)place, (void)text;
    return ++*(int *)arg < 1;
}

/* Words are found wherever they lie in texts that are told in pieces, whichever way they are written. */
static void test_long(void **state)
{
    (void)state;
    static const char *const kinds[] = {"text/plain; charset=utf-8", "text/html", "text/plain; charset=gb18030"};
    for (size_t kind = 0; kind < 3; kind++)
        for (int base64 = 0; base64 < 2; base64++) {
            struct arena *a = arena_new(NULL, 0);
            struct buf *text = buf_in(a, 8 << 20), *b = buf_in(a, 16 << 20);
            for (int i = 0; i < 60000; i++) /* A-umlaut, or what GB makes of it */
                buf_printf(text, i % 11 ? "word%d \xC3\x84 " : "word%d<br>\r\n", i);
            buf_printf(b, "Content-Type: %s\r\nContent-Transfer-Encoding: %s\r\n\r\n", kinds[kind],
                       base64 ? "base64" : "8bit");
            if (base64) base64_put_lines(b, buf_str(text));
            else buf_add(b, buf_str(text));
            struct heard h = listen(a, S(""), buf_str(b), TEXT_BODY);
            assert_true(h.pieces > 1);
            struct str all = buf_str(h.of[TEXT_BODY]);
            for (int i = 0; i < 60000; i++) {
                struct str word = arena_printf(a, "word%d%s", i, i % 11 ? " " : kind == 1 ? "\n" : "<br>");
                if (kind == 1 && i % 11 == 0) word.n--;
                size_t at = str_find(all, word);
                if (at == all.n) print_error("%zu %d: %.*s\n", kind, base64, STR_FMT(word));
                assert_true(at < all.n);
                all = str_skip(all, at > TEXT_NEEDLE ? at - TEXT_NEEDLE : 0);
            }
            int count = 0;
            struct mime_letter *l = mime_parse(a, buf_str(b));
            struct str bytes = buf_str(b);
            struct text_letter once = {.root = l->root, .read = read_whole, .arg = &bytes};
            text_of(text_reader_new(a), &once, 7, hear_one, &count);
            assert_int_equal(count, 1); /* enough is enough */
            arena_free(a);
        }
}

static void test_deep(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct buf *b = buf_in(a, 8 << 20);
    for (int i = 0; i < 1000; i++) buf_lit(b, "Subject: deep\r\nContent-Type: message/rfc822\r\n\r\n");
    buf_lit(b, "bottom");
    struct heard h = listen(a, S(""), buf_str(b), 7);
    assert_true(h.of[TEXT_BODY]->n > 1000 && h.of[TEXT_BODY]->n < b->n);
    arena_free(a);
}

static void test_needles(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct text_reader *r = text_reader_new(a);
    assert_str(text_folded(r, a, S(" FOO\t bar ")), S(" foo bar "));
    assert_str(text_field(r, S(" =?utf-8?q?=C3=89?= =?utf-8?q?x?=\r\n")), S("e\xCC\x81x"));
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),  cmocka_unit_test(test_all_characters), cmocka_unit_test(test_strip),
        cmocka_unit_test(test_letter), cmocka_unit_test(test_long),           cmocka_unit_test(test_deep),
        cmocka_unit_test(test_needles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
