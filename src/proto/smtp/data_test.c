/* The end of DATA and the dots before it (RFC 5321 §4.5.2), at every cut; smuggling; sending and reading back. */
#include "proto/smtp/data.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

struct outcome {
    struct buf letter;
    size_t taken; /* of the input, up to the end found */
    bool ended, bare;
};

/* Feeds `in` in pieces of `step` bytes after a first one of `first`, each in a block of its own. */
static struct outcome decode(bool dots, bool normalise, struct str in, size_t first, size_t step)
{
    struct smtp_data d = smtp_data_new(dots, normalise);
    struct outcome o = {.letter = BUF(1 << 20)};
    size_t n = first;
    while (o.taken < in.n && !smtp_data_ended(&d)) {
        struct arena *a = arena_new(NULL, 0);
        struct str block = arena_str(a, str_head(str_skip(in, o.taken), n)), piece;
        while (block.n && !smtp_data_ended(&d)) {
            size_t taken = smtp_data_take(&d, block, &piece);
            assert_true(taken || piece.n);
            buf_add(&o.letter, piece);
            block = str_skip(block, taken);
            o.taken += taken;
        }
        arena_free(a);
        n = step;
    }
    if (!dots) buf_add(&o.letter, smtp_data_finish(&d));
    o.ended = smtp_data_ended(&d);
    o.bare = d.bare_newlines;
    return o;
}

static void same(struct outcome a, struct outcome b)
{
    assert_int_equal(a.taken, b.taken);
    assert_int_equal(a.ended, b.ended);
    assert_int_equal(a.bare, b.bare);
    assert_int_equal(a.letter.n, b.letter.n);
    if (a.letter.n) assert_memory_equal(a.letter.p, b.letter.p, a.letter.n);
    buf_free(&b.letter);
}

static struct outcome at_every_cut(bool dots, bool normalise, struct str in)
{
    struct outcome whole = decode(dots, normalise, in, in.n, in.n);
    for (size_t cut = 1; cut < in.n; cut++) same(whole, decode(dots, normalise, in, cut, in.n));
    same(whole, decode(dots, normalise, in, 1, 1));
    return whole;
}

static void undoes_dots(void **state)
{
    (void)state;
    const struct {
        struct str in, letter;
        bool ended, bare;
        size_t left; /* bytes behind the end */
    } rows[] = {
        {S(".\r\n"), S(""), true, false, 0},
        {S("a\r\n.\r\n"), S("a\r\n"), true, false, 0},
        {S("a\r\n.\r\nQUIT\r\n"), S("a\r\n"), true, false, 6},
        {S("..\r\n.\r\n"), S(".\r\n"), true, false, 0},
        {S(".a\r\n...\r\n.\r\n"), S("a\r\n..\r\n"), true, false, 0},
        {S("\r\n\r\n.\r\n"), S("\r\n\r\n"), true, false, 0},
        {S("a.\r\n.b\r\n.\r\n"), S("a.\r\nb\r\n"), true, false, 0},
        {S("a\0b\r\n.\r\n"), S("a\0b\r\n"), true, false, 0},
        {S("a\r\n."), S("a\r\n"), false, false, 0},
        {S("a\r\n.\r"), S("a\r\n"), false, false, 0},
        {S("a"), S("a"), false, false, 0},
        /* not the end */
        {S("a\n.\n"), S("a\n.\n"), false, true, 0},
        {S("a\n.\r\n"), S("a\n.\r\n"), false, true, 0},
        {S("a\r\n.\nb\r\n"), S("a\r\n\nb\r\n"), false, true, 0},
        {S("a\r.\rb"), S("a\r.\rb"), false, true, 0},
        {S("a\r.\r\n"), S("a\r.\r\n"), false, true, 0},
        {S("a\r\n.\rb"), S("a\r\n\rb"), false, true, 0},
        {S("a\r\n.\r\r\n"), S("a\r\n\r\r\n"), false, true, 0},
        {S("a\r\r\n.\r\n"), S("a\r\r\n"), true, true, 0},
        {S("\n.\r\n"), S("\n.\r\n"), false, true, 0},
        {S("a\r\n\n.\r\n"), S("a\r\n\n.\r\n"), false, true, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct outcome o = at_every_cut(true, false, rows[i].in);
        if (!str_eq(buf_str(&o.letter), rows[i].letter) || o.ended != rows[i].ended || o.bare != rows[i].bare ||
            o.taken + rows[i].left != rows[i].in.n)
            fail_msg("row %zu: %d %d %zu \"%.*s\"", i, o.ended, o.bare, o.taken, STR_FMT(buf_str(&o.letter)));
        buf_free(&o.letter);
    }
}

static void normalises_newlines(void **state)
{
    (void)state;
    const struct {
        struct str in, letter;
        bool ended;
    } rows[] = {
        {S("a\nb\rc\r\n.\r\n"), S("a\r\nb\r\nc\r\n"), true},
        {S("a\n.\nb\r\n.\r\n"), S("a\r\n.\r\nb\r\n"), true},
        {S("a\r\r\n.\r\n"), S("a\r\n\r\n"), true},
        {S("\n\n\r\n.\r\n"), S("\r\n\r\n\r\n"), true},
        {S("a\n.\r\n.\r\n"), S("a\r\n.\r\n"), true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct outcome o = at_every_cut(true, true, rows[i].in);
        if (!str_eq(buf_str(&o.letter), rows[i].letter) || o.ended != rows[i].ended || !o.bare)
            fail_msg("row %zu: \"%.*s\"", i, STR_FMT(buf_str(&o.letter)));
        buf_free(&o.letter);
    }
}

/* All of {LF, CR, CRLF, NUL, ""} x "." x {LF, CR, CRLF, NUL, ""} behind text: CRLF.CRLF ends, nothing else does. */
static void only_crlf_dot_crlf_ends(void **state)
{
    (void)state;
    const struct str ends[] = {S("\n"), S("\r"), S("\r\n"), S("\0"), S(""), S("\r\r\n"), S("\n\r"), S("\r\0\n")};
    const size_t count = sizeof ends / sizeof *ends;
    for (int normalise = 0; normalise < 2; normalise++)
        for (size_t before = 0; before < count; before++)
            for (size_t after = 0; after < count; after++) {
                struct buf in = BUF(100);
                buf_lit(&in, "text");
                buf_add(&in, ends[before]);
                buf_char(&in, '.');
                buf_add(&in, ends[after]);
                size_t dot_end = in.n;
                buf_lit(&in, "MAIL FROM:<>\r\n.\r\n");
                struct outcome o = at_every_cut(true, normalise, buf_str(&in));
                bool is_end = str_ends(ends[before], S("\r\n")) && str_eq(ends[after], S("\r\n"));
                assert_true(o.ended);
                assert_int_equal(o.taken, is_end ? dot_end : in.n);
                buf_free(&o.letter);
                buf_free(&in);
            }
}

/* Any bytes of a small alphabet: where the reference says the end is, and what one reading by the book gives. */
static void agrees_with_the_book(void **state)
{
    (void)state;
    static const char alphabet[] = {'\r', '\n', '.', 'a'};
    for (uint32_t code = 0; code < 1 << 16; code++) {
        char text[8];
        for (int i = 0; i < 8; i++) text[i] = alphabet[code >> (2 * i) & 3];
        struct str in = str_of(text, 8);
        struct outcome o = decode(true, false, in, 8, 8);
        size_t end = str_starts(in, S(".\r\n")) ? 3 : str_find(in, S("\r\n.\r\n")) + 5;
        bool ends = end == 3 || end <= 8;
        assert_int_equal(o.ended, ends);
        assert_int_equal(o.taken, ends ? end : 8);
        struct buf book = BUF(64);
        size_t stop = ends ? end - 3 : 8;
        for (size_t i = 0; i < stop; i++) {
            bool begin = i == 0 || (i >= 2 && text[i - 2] == '\r' && text[i - 1] == '\n');
            if (!(begin && text[i] == '.')) buf_char(&book, text[i]);
        }
        if (!ends && book.n && text[7] == '\r') book.n--; /* held back */
        assert_int_equal(o.letter.n, book.n);
        if (book.n) assert_memory_equal(o.letter.p, book.p, book.n);
        same(o, decode(true, false, in, 1, 1));
        buf_free(&o.letter);
        buf_free(&book);
    }
}

static void reads_chunks(void **state)
{
    (void)state;
    const struct {
        bool normalise;
        struct str in, letter;
        bool bare;
    } rows[] = {
        {false, S("a\r\n.\r\nb\r\n"), S("a\r\n.\r\nb\r\n"), false},
        {false, S(".a"), S(".a\r\n"), false},
        {false, S(""), S(""), false},
        {false, S("a\r"), S("a\r\r\n"), true},
        {true, S("a\r"), S("a\r\n"), true},
        {true, S("a\n.\rb"), S("a\r\n.\r\nb\r\n"), true},
        {false, S("a\nb"), S("a\nb\r\n"), true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct outcome o = at_every_cut(false, rows[i].normalise, rows[i].in);
        if (!str_eq(buf_str(&o.letter), rows[i].letter) || o.bare != rows[i].bare)
            fail_msg("row %zu: \"%.*s\"", i, STR_FMT(buf_str(&o.letter)));
        buf_free(&o.letter);
    }
}

/* One letter in, one letter out, whatever is in it: no bytes make the other side see a second message. */
static void sends_what_is_read_back(void **state)
{
    (void)state;
    static const char alphabet[] = {'\r', '\n', '.', 'a'};
    for (uint32_t code = 0; code < 1 << 14; code++) {
        char text[7];
        for (int i = 0; i < 7; i++) text[i] = alphabet[code >> (2 * i) & 3];
        for (size_t cut = 0; cut <= 7; cut++) {
            struct buf wire = BUF(256);
            struct smtp_stuffer w = {0};
            smtp_stuff(&w, str_of(text, cut), &wire);
            smtp_stuff(&w, str_of(text + cut, 7 - cut), &wire);
            smtp_stuff_end(&w, &wire);
            struct outcome o = decode(true, false, buf_str(&wire), wire.n, wire.n);
            assert_true(o.ended && !o.bare);
            assert_int_equal(o.taken, wire.n);
            struct outcome again = decode(false, true, str_of(text, 7), 7, 7); /* normalised, with its last CRLF */
            assert_int_equal(again.letter.n, o.letter.n);
            assert_memory_equal(again.letter.p, o.letter.p, o.letter.n);
            buf_free(&again.letter);
            buf_free(&o.letter);
            buf_free(&wire);
        }
    }
}

/* Where nothing must change the letter goes out uncopied: exactly then, at every cut; and BDAT's dots stay. */
static void knows_what_need_not_change(void **state)
{
    (void)state;
    static const char alphabet[] = {'\r', '\n', '.', 'a'};
    int needless = 0;
    for (unsigned i = 0; i < 1 << 15; i++) {
        char text[7];
        for (int k = 0; k < 7; k++) text[k] = alphabet[i >> 2 * k & 3];
        bool counted = i >> 14 & 1;
        for (size_t cut = 0; cut <= 7; cut++) {
            struct smtp_stuffer copied = {.counted = counted}, looked_at = copied;
            struct buf begin = BUF(256), wire = BUF(256);
            struct str rest = str_of(text + cut, 7 - cut);
            smtp_stuff(&copied, str_of(text, cut), &begin);
            looked_at = copied;
            smtp_stuff(&copied, rest, &wire);
            bool same_bytes = str_eq(buf_str(&wire), rest);
            if (smtp_stuff_needless(&looked_at, rest)) {
                needless++;
                assert_true(same_bytes);
                assert_int_equal(looked_at.state, copied.state);
            } else {
                assert_true(!same_bytes || looked_at.state == STUFF_CR); /* behind a CR it is not looked at */
            }
            buf_free(&begin);
            buf_free(&wire);
        }
    }
    assert_true(needless > 1000);
}

static void passes_long_lines(void **state)
{
    (void)state;
    struct buf in = BUF(1 << 20);
    for (int i = 0; i < 5000; i++) buf_lit(&in, "0123456789");
    buf_lit(&in, "\r\n.\r\n");
    struct outcome o = decode(true, false, buf_str(&in), in.n, in.n);
    assert_true(o.ended && o.letter.n == 50002);
    same(o, decode(true, false, buf_str(&in), 1000, 1023));
    buf_free(&o.letter);
    buf_free(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(undoes_dots),          cmocka_unit_test(normalises_newlines),
        cmocka_unit_test(only_crlf_dot_crlf_ends), cmocka_unit_test(agrees_with_the_book),
        cmocka_unit_test(reads_chunks),         cmocka_unit_test(sends_what_is_read_back),
        cmocka_unit_test(knows_what_need_not_change), cmocka_unit_test(passes_long_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
