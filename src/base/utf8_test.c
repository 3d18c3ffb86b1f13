/* UTF-8: every character, every form of two and three bytes, and four of them at their borders. */
#include "base/utf8.h"

#include "base/test.h"

static bool is_scalar(uint32_t cp) { return cp <= 0x10ffff && (cp < 0xd800 || cp > 0xdfff); }

static void every_character(void **state)
{
    (void)state;
    for (uint32_t cp = 0; cp <= 0x110000; cp++) {
        char room[4];
        struct buf b = BUF_OVER(room);
        uint32_t back;
        utf8_put(&b, cp);
        struct str s = buf_str(&b);
        size_t n = cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
        if (!is_scalar(cp)) n = 3; /* U+FFFD */
        bool ok = s.n == n && utf8_next(s, &back) == (int)n && back == (is_scalar(cp) ? cp : 0xfffd) && utf8_valid(s) &&
                  utf8_count(s) == 1 && str_is_ascii(s) == (cp < 0x80);
        for (size_t cut = 1; cut < n && ok; cut++)
            ok = utf8_next(str_head(s, cut), &back) == -1 && back == 0xfffd && utf8_head(s, cut).n == 0;
        if (!ok) fail_msg("U+%04X", cp);
    }
}

/* What the first bytes of these mean, computed from the table of RFC 3629 §4, not by decoding. */
static int expected_length(const unsigned char c[4], size_t n)
{
    static const struct {
        unsigned char first_low, first_high, second_low, second_high;
        int length;
    } rows[] = {
        {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
        {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    if (c[0] < 0x80) return 1;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (c[0] < rows[i].first_low || c[0] > rows[i].first_high) continue;
        if (n < (size_t)rows[i].length || c[1] < rows[i].second_low || c[1] > rows[i].second_high) return -1;
        for (int k = 2; k < rows[i].length; k++)
            if (c[k] < 0x80 || c[k] > 0xbf) return -1;
        return rows[i].length;
    }
    return -1;
}

static void every_form(void **state)
{
    (void)state;
    static const unsigned char border[] = {0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xff};
    uint32_t cp;
    for (uint32_t v = 0; v < 1 << 24; v++) { /* all of three bytes; of shorter ones with it */
        unsigned char c[4] = {(unsigned char)(v >> 16), (unsigned char)(v >> 8), (unsigned char)v, 0};
        for (size_t n = v & 0xff ? 3 : 1; n <= 3; n++)
            if (utf8_next(str_of(c, n), &cp) != expected_length(c, n))
                fail_msg("%02x %02x %02x (%zu)", c[0], c[1], c[2], n);
        if (c[0] < 0xf0) continue;
        for (size_t i = 0; i < sizeof border; i++) {
            c[3] = border[i];
            if (utf8_next(str_of(c, 4), &cp) != expected_length(c, 4))
                fail_msg("%02x %02x %02x %02x", c[0], c[1], c[2], c[3]);
        }
    }
    assert_int_equal(utf8_next(S(""), &cp), 0);
    assert_int_equal(utf8_next(STR_NONE, &cp), 0);
}

static void heads(void **state)
{
    (void)state;
    static const struct {
        struct str s;
        size_t max, n;
    } cases[] = {
        {S_INIT("abc"), 5, 3},
        {S_INIT("abc"), 2, 2},
        {S_INIT("a\xc3\xa9"), 2, 1},
        {S_INIT("a\xe2\x82\xac."), 3, 1},
        {S_INIT("a\xe2\x82\xac."), 4, 4},
        {S_INIT("\xf0\x9f\x93\xae."), 3, 0},
        {S_INIT("\x80\x80\x80\x80\x80\x80"), 5, 5}, /* bad bytes are characters of their own */
        {S_INIT("\xc3\x41\x80."), 3, 3},
        {S_INIT("\xe2\x82\x41."), 2, 2},
        {S_INIT("x"), 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(utf8_head(cases[i].s, cases[i].max).n, cases[i].n);
}

static void repairs_and_counts(void **state)
{
    (void)state;
    static const struct {
        struct str s, repaired;
        size_t count;
    } cases[] = {
        {S_INIT(""), S_INIT(""), 0},
        {S_INIT("caf\xc3\xa9"), S_INIT("caf\xc3\xa9"), 4},
        {S_INIT("caf\xe9"), S_INIT("caf\xef\xbf\xbd"), 4},
        {S_INIT("\xc0\xaf"), S_INIT("\xef\xbf\xbd\xef\xbf\xbd"), 2},
        {S_INIT("\xe2\x82"), S_INIT("\xef\xbf\xbd\xef\xbf\xbd"), 2},
        {S_INIT("\xed\xa0\x80"), S_INIT("\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"), 3},
        {S_INIT("a\0b"), S_INIT("a\0b"), 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf b = BUF(100);
        utf8_put_repaired(&b, cases[i].s);
        assert_str(buf_str(&b), cases[i].repaired);
        assert_true(utf8_valid(buf_str(&b)));
        assert_int_equal(utf8_valid(cases[i].s), str_eq(cases[i].s, cases[i].repaired));
        assert_int_equal(utf8_count(cases[i].s), cases[i].count);
        buf_free(&b);
    }
}

static void ascii_at_every_place(void **state)
{
    (void)state;
    char text[40];
    memset(text, 'a', sizeof text);
    assert_true(str_is_ascii(STR_NONE));
    for (size_t n = 0; n <= sizeof text; n++) {
        assert_true(str_is_ascii(str_of(text, n)));
        for (size_t i = 0; i < n; i++) {
            text[i] = (char)0x80;
            assert_false(str_is_ascii(str_of(text, n)));
            assert_false(utf8_valid(str_of(text, n)));
            text[i] = 'a';
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_character),    cmocka_unit_test(every_form),           cmocka_unit_test(heads),
        cmocka_unit_test(repairs_and_counts), cmocka_unit_test(ascii_at_every_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
