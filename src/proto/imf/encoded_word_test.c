/* Encoded words and charsets: RFC 2047 §8's examples, broken words, words split in characters; and back again. */
#include "proto/imf/encoded_word.h"

#include "base/test.h"
#include "base/utf8.h"

static const struct {
    struct str in, out;
} decoded[] = {
    {S_INIT("plain"), S_INIT("plain")},
    {S_INIT(""), S_INIT("")},
    /* RFC 2047 §8 */
    {S_INIT("=?US-ASCII?Q?Keith_Moore?="), S_INIT("Keith Moore")},
    {S_INIT("=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?="), S_INIT("Keld J\xC3\xB8rn Simonsen")},
    {S_INIT(
         "=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\r\n =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?="),
     S_INIT("If you can read this you understand the example.")},
    {S_INIT("=?ISO-8859-8?b?7eXs+SDv4SDp7Oj08A==?="),
     S_INIT("\xD7\x9D\xD7\x95\xD7\x9C\xD7\xA9 \xD7\x9F\xD7\x91 \xD7\x99\xD7\x9C\xD7\x98\xD7\xA4\xD7\xA0")},
    {S_INIT("=?ISO-8859-1?Q?a?="), S_INIT("a")},
    {S_INIT("=?ISO-8859-1?Q?a?= b"), S_INIT("a b")},
    {S_INIT("=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?="), S_INIT("ab")},
    {S_INIT("=?ISO-8859-1?Q?a?=  \r\n\t=?ISO-8859-1?Q?b?="), S_INIT("ab")},
    {S_INIT("=?ISO-8859-1?Q?a_b?="), S_INIT("a b")},
    {S_INIT("=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?="), S_INIT("a b")},
    {S_INIT("(=?utf-8*de?Q?gr=C3=BCn?=)"), S_INIT("(gr\xC3\xBCn)")}, /* RFC 2231 §5 */
    /* a character across words of one charset, in either encoding */
    {S_INIT("=?utf-8?q?=E2=82?= =?utf-8?b?rA==?="), S_INIT("\xE2\x82\xAC")},
    {S_INIT("=?utf-8?q?=E2=82?= =?UTF-8?q?=AC?= x"), S_INIT("\xE2\x82\xAC x")},
    {S_INIT("=?iso-2022-jp?b?GyRCRnxLXBsoQg==?="), S_INIT("\xE6\x97\xA5\xE6\x9C\xAC")},
    {S_INIT("=?gb2312?b?1tC5+g==?="), S_INIT("\xE4\xB8\xAD\xE5\x9B\xBD")},
    {S_INIT("=?windows-1252?q?=80?="), S_INIT("\xE2\x82\xAC")},
    {S_INIT("=?koi8-r?q?=F2?="), S_INIT("\xD0\xA0")},
    {S_INIT("=?us-ascii?q?=E4?="), S_INIT("\xC3\xA4")},
    {S_INIT("=?utf-8?q?a b?="), S_INIT("a b")}, /* not allowed, seen */
    /* broken: as it stands */
    {S_INIT("=?utf-8?q?a"), S_INIT("=?utf-8?q?a")},
    {S_INIT("=?utf-8?x?a?="), S_INIT("=?utf-8?x?a?=")},
    {S_INIT("=?utf-8?q?a?b?="), S_INIT("=?utf-8?q?a?b?=")},
    {S_INIT("=?no-such?q?a?="), S_INIT("=?no-such?q?a?=")},
    {S_INIT("=?" "?q?a?="), S_INIT("=?" "?q?a?=")},
    {S_INIT("=?=?utf-8?q?a?="), S_INIT("=?a")},
    {S_INIT("=?utf-8?q?=4?="), S_INIT("=4")},
    {S_INIT("=?utf-8?q?" "?="), S_INIT("")},
    {S_INIT("=? "), S_INIT("=? ")},
    /* bytes that must not come out */
    {S_INIT("=?utf-8?q?a=0D=0ABcc:_x=00=07?="), S_INIT("aBcc: x ")},
    {S_INIT("a\r\n b\tc"), S_INIT("a b c")},
    {S_INIT("\xC3\xA4 \xFF"), S_INIT("\xC3\x83\xC2\xA4 \xC3\xBF")}, /* not UTF-8: windows-1252 */
    {S_INIT("=?utf-8?q?=FF?="), S_INIT("\xEF\xBF\xBD")},
};

static void test_decode(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    for (size_t i = 0; i < sizeof decoded / sizeof *decoded; i++) {
        char *own = arena_cstr(a, decoded[i].in);
        assert_str(imf_decode_text(a, str_of(own, decoded[i].in.n)), decoded[i].out);
        for (size_t n = 0; n < decoded[i].in.n; n++) { /* whatever is cut off, what comes out is UTF-8 */
            char *part = arena_cstr(a, str_head(decoded[i].in, n));
            assert_true(utf8_valid(imf_decode_text(a, str_of(part, n))));
        }
    }
    arena_free(a);
}

static void test_charsets(void **state)
{
    (void)state;
    static const struct {
        const char *charset;
        struct str in, out;
        int result;
    } table[] = {
        {"UTF-8", S_INIT("\xE2\x82\xAC"), S_INIT("\xE2\x82\xAC"), 0},
        {"utf-8", S_INIT("a\xE2\x82"), S_INIT("a\xEF\xBF\xBD\xEF\xBF\xBD"), 0},
        {"us-ascii", S_INIT("a"), S_INIT("a"), 0},
        {"iso-8859-1", S_INIT("\x80\xE4"), S_INIT("\xE2\x82\xAC\xC3\xA4"), 0},
        {"iso-8859-15", S_INIT("\xA4"), S_INIT("\xE2\x82\xAC"), 0},
        {"Shift_JIS", S_INIT("\x93\xFA"), S_INIT("\xE6\x97\xA5"), 0},
        {"shift_jis", S_INIT("a\x93"), S_INIT("a\xEF\xBF\xBD"), 0},
        {"euc-kr", S_INIT("\xC7\xD1"), S_INIT("\xED\x95\x9C"), 0},
        {"iso-8859-8-i", S_INIT("\xE0"), S_INIT("\xD7\x90"), 0},
        {"unicode-1-1-utf-7", S_INIT("+AOQ-"), S_INIT("\xC3\xA4"), 0},
        {"utf-16be", S_INIT("\x20\xAC"), S_INIT("\xE2\x82\xAC"), 0},
        {"iso-8859-7", S_INIT("a\xFF" "b"), S_INIT("a\xEF\xBF\xBD" "b"), 0},
        {"x-unknown", S_INIT("\xC3\xA4"), S_INIT("\xC3\xA4"), ERR_UNSUPPORTED},
        {"x-unknown", S_INIT("\xE4"), S_INIT("\xC3\xA4"), ERR_UNSUPPORTED},
        {"utf-8//TRANSLIT", S_INIT("a"), S_INIT("a"), ERR_UNSUPPORTED},
        {"ISO-2022-CN-EXT", S_INIT("a"), S_INIT("a"), ERR_UNSUPPORTED},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct buf b = BUF(1000);
        assert_int_equal(charset_to_utf8(&b, str_c(table[i].charset), table[i].in, 1000), table[i].result);
        assert_str(buf_str(&b), table[i].out);
        size_t whole = b.n;
        for (size_t cap = 0; cap < whole; cap++) { /* a cap cuts between characters */
            buf_clear(&b);
            charset_to_utf8(&b, str_c(table[i].charset), table[i].in, cap);
            assert_true(b.n <= cap && utf8_valid(buf_str(&b)));
        }
        buf_free(&b);
    }
}

/* Every charset of the table exists in this system's iconv, or the table lies. */
static void test_all_charsets(void **state)
{
    (void)state;
    static const char *const names[] = {
        "iso-8859-2",   "iso-8859-3",    "iso-8859-4",    "iso-8859-5",     "iso-8859-6",   "iso-8859-7",
        "iso-8859-8",   "iso-8859-9",    "iso-8859-10",   "iso-8859-11",    "iso-8859-13",  "iso-8859-14",
        "iso-8859-15",  "iso-8859-16",   "windows-1250",  "windows-1251",   "windows-1253", "windows-1254",
        "windows-1255", "windows-1256",  "windows-1257",  "windows-1258",   "windows-874",  "koi8-r",
        "koi8-u",       "koi8-ru",       "ibm437",        "ibm850",         "ibm852",       "ibm855",
        "ibm858",       "ibm866",        "macintosh",     "x-mac-cyrillic", "x-mac-ce",     "viscii",
        "tcvn",         "armscii-8",     "gb2312",        "big5",           "cp950",        "euc-tw",
        "iso-2022-jp",  "iso-2022-jp-1", "iso-2022-jp-2", "euc-jp",         "shift_jis",    "euc-kr",
        "iso-2022-kr",  "johab",         "utf-7",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct buf b = BUF(100);
        if (charset_to_utf8(&b, str_c(names[i]), S("Aa1"), 100) != 0) fail_msg("%s", names[i]);
        assert_str(buf_str(&b), S("Aa1"));
        buf_free(&b);
    }
}

static const struct str texts[] = {
    S_INIT("Hello World"),
    S_INIT("Gr\xC3\xBC\xC3\x9F"
           "e aus K\xC3\xB6ln und eine lange Zeile, die ganz sicher gefaltet werden mu\xC3\x9F, weil sie nicht passt"),
    S_INIT(
        "\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E\xE6\x97\xA5\xE6\x9C\xAC\xE8"
        "\xAA\x9E\xE6\x97\xA5\xE6\x9C\xAC"
        "\xE8\xAA\x9E\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E\xE6\x97\xA5\xE6"
        "\x9C\xAC\xE8\xAA\x9E"),
    S_INIT("=?utf-8?q?not=20a=20word?= but text"),
    S_INIT(
        "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"),
    S_INIT("a  b   c"),
    S_INIT("\xF0\x9F\x98\x80\xF0\x9F\x98\x80 smile \xF0\x9F\x98\x80"),
    S_INIT(
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx "
        "\xC3\xA4"),
};

static void test_round_trip(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (int place = IMF_UNSTRUCTURED; place <= IMF_PHRASE; place++) {
            struct arena *a = arena_new(NULL, 0);
            struct buf *b = buf_in(a, 10000);
            size_t column = imf_encode_words(b, 9, texts[i], (enum imf_place)place);
            struct str rest = buf_str(b), line;
            size_t start = 9;
            assert_true(str_is_ascii(rest));
            for (bool more = true; more; start = 0) {
                more = str_cut(rest, '\n', &line, &rest);
                size_t words = str_find(line, S("=?"));
                if (words < line.n) assert_true(start + line.n <= 78u + more); /* RFC 2047 §2: with the CR */
                if (more) assert_true(line.n > 0 && line.p[line.n - 1] == '\r' && rest.n && ch_space(rest.p[0]));
                else assert_int_equal(column, start + line.n);
            }
            struct buf *back = buf_in(a, 10000);
            imf_decode_words(back, buf_str(b));
            assert_str(buf_str(back), texts[i]);
            arena_free(a);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_charsets),
        cmocka_unit_test(test_all_charsets),
        cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
