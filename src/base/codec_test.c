/* Every decoder is fed whole and cut at every point; encoders are read back. */
#include "base/codec.h"

#include "base/test.h"

#include <stdlib.h>

enum { MAX = 1 << 20 };

static void base64_both_ways(void **state)
{
    (void)state;
    static const struct {
        struct str plain, text;
    } cases[] = {
        {S_INIT(""), S_INIT("")}, /* RFC 4648 §10 */
        {S_INIT("f"), S_INIT("Zg==")},
        {S_INIT("fo"), S_INIT("Zm8=")},
        {S_INIT("foo"), S_INIT("Zm9v")},
        {S_INIT("foob"), S_INIT("Zm9vYg==")},
        {S_INIT("fooba"), S_INIT("Zm9vYmE=")},
        {S_INIT("foobar"), S_INIT("Zm9vYmFy")},
        {S_INIT("\0user\0secret"), S_INIT("AHVzZXIAc2VjcmV0")}, /* a PLAIN response */
        {S_INIT("\xfb\xff\xbf\x00"), S_INIT("+/+/AA==")},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf b = BUF(MAX);
        base64_put(&b, cases[i].plain);
        assert_str(buf_str(&b), cases[i].text);
        buf_clear(&b);
        assert_int_equal(base64_decode(&b, cases[i].text), 0);
        assert_str(buf_str(&b), cases[i].plain);
        buf_free(&b);
    }
}

static void base64_strict_refuses(void **state)
{
    (void)state;
    static const char *const cases[] = {
        /* spare bits set */
        "Z",    "Zg",   "Zg=",  "Zm9",   "Zg==Zg==", "Z===",  "====", "=", "Zm9v\r\n", "Zm 9v", "Zh==",
        "Zm9=", "Zg=v", "-_-_", "Zm9v=", "=Zg=",     "Zm9v!", "AAA\x80",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf b = BUF(MAX);
        buf_lit(&b, "kept");
        assert_int_equal(base64_decode(&b, str_c(cases[i])), ERR_SYNTAX);
        assert_str(buf_str(&b), S("kept"));
        buf_free(&b);
    }
    for (int c = 0; c < 256; c++) { /* every byte, in each place of a group */
        for (size_t at = 0; at < 4; at++) {
            char text[4] = {'A', 'A', 'A', 'A'};
            text[at] = (char)c;
            bool pad_ok = c == '=' && at == 3;
            struct buf b = BUF(MAX);
            bool ok = ch_alnum(c) || c == '+' || c == '/' || pad_ok;
            assert_int_equal(base64_decode(&b, str_of(text, 4)), ok ? 0 : ERR_SYNTAX);
            buf_free(&b);
        }
    }
}

static void base64_keeps_to_the_maximum(void **state)
{
    (void)state;
    struct buf b = BUF(8);
    base64_put(&b, S("123456"));
    assert_int_equal(b.failed, 0);
    base64_put(&b, S("1"));
    assert_int_equal(b.failed, ERR_TOO_LONG);
    assert_int_equal(b.n, 8);
    buf_free(&b);
    b = BUF(5);
    assert_int_equal(base64_decode(&b, S("Zm9vYmE=")), 0); /* the padding needs no room */
    buf_clear(&b);
    assert_int_equal(base64_decode(&b, S("Zm9vYmFy")), ERR_TOO_LONG);
    buf_free(&b);
    b = BUF(4);
    struct base64_decoder d = {0};
    base64_feed(&d, S("Zm9v"), &b);
    assert_int_equal(b.failed, 0);
    base64_feed(&d, S("Zm9v"), &b);
    assert_int_equal(b.failed, ERR_TOO_LONG);
    assert_str(buf_str(&b), S("foo"));
    buf_free(&b);
}

static void base64_lines(void **state)
{
    (void)state;
    char bytes[58 * 2];
    memset(bytes, 'x', sizeof bytes);
    struct buf b = BUF(MAX);
    base64_put_lines(&b, S(""));
    assert_int_equal(b.n, 0);
    base64_put_lines(&b, str_of(bytes, 57));
    assert_int_equal(b.n, 78);
    buf_clear(&b);
    base64_put_lines(&b, str_of(bytes, 58));
    assert_int_equal(b.n, 78 + 6);
    assert_str(str_skip(buf_str(&b), 76), S("\r\neA==\r\n"));
    buf_free(&b);
}

/* Feeds `text` in three parts, cut at i and j. */
static struct buf feed_base64(struct str text, size_t i, size_t j, bool *damaged)
{
    struct buf b = BUF(MAX);
    struct base64_decoder d = {0};
    base64_feed(&d, str_head(text, i), &b);
    base64_feed(&d, str_sub(text, i, j), &b);
    base64_feed(&d, str_skip(text, j), &b);
    *damaged = d.damaged;
    return b;
}

static void base64_tolerates(void **state)
{
    (void)state;
    static const struct {
        struct str text, plain;
        bool damaged;
    } cases[] = {
        {S_INIT("Zm9v\r\nYmFy\r\n"), S_INIT("foobar"), false},
        {S_INIT("Z\nm\r9\nvY\r\nmFy"), S_INIT("foobar"), false},
        {S_INIT("Zg==\r\n"), S_INIT("f"), false},
        {S_INIT("Zg=\r\n=\r\nZm8="), S_INIT("ffo"), false}, /* padding ends a group, more may come */
        {S_INIT("Zg=Zm8="), S_INIT("ffo"), true},
        {S_INIT("Zm9v!YmFy"), S_INIT("foobar"), true},
        {S_INIT("Zm9v Y"), S_INIT("foo"), true},
        {S_INIT("Zm9vYg"), S_INIT("foo"), false}, /* a missing tail is dropped */
        {S_INIT("=Zm9v"), S_INIT("foo"), true},
        {S_INIT("Z=m9v"), S_INIT("foo"), true},
        {S_INIT("\0\xff"), S_INIT(""), true},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        for (size_t i = 0; i <= cases[c].text.n; i++)
            for (size_t j = i; j <= cases[c].text.n; j++) {
                bool damaged;
                struct buf b = feed_base64(cases[c].text, i, j, &damaged);
                assert_str(buf_str(&b), cases[c].plain);
                assert_int_equal(damaged, cases[c].damaged);
                buf_free(&b);
            }
}

static void base64_long_body(void **state)
{
    (void)state;
    char plain[3500];
    for (size_t i = 0; i < sizeof plain; i++) plain[i] = (char)(i * 7 + i / 251);
    struct buf text = BUF(MAX);
    base64_put_lines(&text, str_of(plain, sizeof plain));
    for (size_t step = 1; step < 6000; step = step * 3 / 2 + 1) {
        struct buf b = BUF(sizeof plain); /* exactly enough is enough */
        struct base64_decoder d = {0};
        for (struct str rest = buf_str(&text); rest.n; rest = str_skip(rest, step))
            base64_feed(&d, str_head(rest, step), &b);
        assert_int_equal(b.failed, 0);
        assert_str(buf_str(&b), str_of(plain, sizeof plain));
        assert_false(d.damaged);
        buf_free(&b);
    }
    buf_free(&text);
}

static void hex_both_ways(void **state)
{
    (void)state;
    struct buf b = BUF(MAX), back = BUF(MAX);
    char all[256];
    for (int i = 0; i < 256; i++) all[i] = (char)i;
    hex_put(&b, str_of(all, 256));
    assert_str(str_head(buf_str(&b), 8), S("00010203"));
    assert_str(str_skip(buf_str(&b), 504), S("fcfdfeff"));
    assert_int_equal(hex_decode(&back, buf_str(&b)), 0);
    assert_str(buf_str(&back), str_of(all, 256));
    buf_clear(&back);
    assert_int_equal(hex_decode(&back, S("fFAa")), 0);
    assert_str(buf_str(&back), S("\xff\xaa"));
    assert_int_equal(hex_decode(&back, S("")), 0);
    static const char *const wrong[] = {"f", "fg", "0x", " 0", "0 ", "fff", "/0", ":0", "@0", "G0", "`0"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(hex_decode(&back, str_c(wrong[i])), ERR_SYNTAX);
    assert_int_equal(back.n, 2);
    struct buf little = BUF(1);
    assert_int_equal(hex_decode(&little, S("0000")), ERR_TOO_LONG);
    buf_free(&b);
    buf_free(&back);
    buf_free(&little);
}

static struct buf feed_qp(struct str text, size_t i, size_t j, bool *damaged)
{
    struct buf b = BUF(MAX);
    struct qp_decoder d = {0};
    qp_feed(&d, str_head(text, i), &b);
    qp_feed(&d, str_sub(text, i, j), &b);
    qp_feed(&d, str_skip(text, j), &b);
    qp_end(&d, &b);
    *damaged = d.damaged;
    return b;
}

static void qp_decodes(void **state)
{
    (void)state;
    static const struct {
        struct str text, plain;
        bool damaged;
    } cases[] = {
        {S_INIT(""), S_INIT(""), false},
        {S_INIT("caf=C3=A9\r\n"), S_INIT("caf\xc3\xa9\r\n"), false},
        {S_INIT("=c3=a9=00"), S_INIT("\xc3\xa9\0"), false}, /* lower case: illegal, but robustly read */
        {S_INIT("one=\r\ntwo"), S_INIT("onetwo"), false},
        {S_INIT("one=\ntwo"), S_INIT("onetwo"), false},
        {S_INIT("one= \t \r\ntwo"), S_INIT("onetwo"), false}, /* padded in transport */
        {S_INIT("one \t \r\ntwo  "), S_INIT("one\r\ntwo"), false},
        {S_INIT("one \t=\r\n two"), S_INIT("one \t two"), false},
        {S_INIT("one \n two"), S_INIT("one\n two"), false},
        {S_INIT("one=20\r\n"), S_INIT("one \r\n"), false},
        {S_INIT("a \r b\r\r\n"), S_INIT("a \r b\r\r\n"), false}, /* a bare CR is text */
        {S_INIT("a \r"), S_INIT("a \r"), false},
        {S_INIT("soft="), S_INIT("soft"), false},
        {S_INIT("soft= "), S_INIT("soft"), false},
        {S_INIT("soft=\r"), S_INIT("soft"), false},
        {S_INIT("1+1=2"), S_INIT("1+1=2"), true}, /* broken escapes stay */
        {S_INIT("=4Z=G1"), S_INIT("=4Z=G1"), true},
        {S_INIT("==41"), S_INIT("=A"), true},
        {S_INIT("=4=41"), S_INIT("=4A"), true},
        {S_INIT("=4\r\n"), S_INIT("=4\r\n"), true},
        {S_INIT("= x"), S_INIT("= x"), true},
        {S_INIT("= \t41"), S_INIT("= \t41"), true},
        {S_INIT("= \rx"), S_INIT("= \rx"), true},
        {S_INIT("=\r\r\n"), S_INIT("=\r\r\n"), true},
        {S_INIT("\xe9\0"), S_INIT("\xe9\0"), false}, /* 8-bit that nobody encoded */
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        for (size_t i = 0; i <= cases[c].text.n; i++)
            for (size_t j = i; j <= cases[c].text.n; j++) {
                bool damaged;
                struct buf b = feed_qp(cases[c].text, i, j, &damaged);
                assert_str(buf_str(&b), cases[c].plain);
                assert_int_equal(damaged, cases[c].damaged);
                buf_free(&b);
            }
}

static void qp_endless_blanks(void **state)
{
    (void)state;
    static const char *const before[] = {"x", "="};
    for (int k = 0; k < 2; k++) {
        struct buf text = BUF(MAX), b = BUF(MAX);
        struct qp_decoder d = {0};
        buf_add(&text, str_c(before[k]));
        for (int i = 0; i < 5000; i++) buf_char(&text, i % 3 ? ' ' : '\t');
        buf_lit(&text, "y\r\n");
        qp_feed(&d, buf_str(&text), &b);
        qp_end(&d, &b);
        assert_str(buf_str(&b), buf_str(&text)); /* nothing lost, nothing moved */
        assert_int_equal(d.damaged, k == 1);
        buf_free(&text);
        buf_free(&b);
    }
}

static void qp_encodes(void **state)
{
    (void)state;
    static const struct {
        struct str plain, text;
    } cases[] = {
        {S_INIT(""), S_INIT("")},
        {S_INIT("caf\xc3\xa9 = 1\r\n"), S_INIT("caf=C3=A9 =3D 1\r\n")},
        {S_INIT("end \r\nend\t"), S_INIT("end=20\r\nend=09")},
        {S_INIT("a\rb\nc\r\r\n"), S_INIT("a=0Db=0Ac=0D\r\n")},
        {S_INIT("\r\n\r\n"), S_INIT("\r\n\r\n")},
        {S_INIT("\0\x7f\x1f"), S_INIT("=00=7F=1F")},
        {S_INIT("123456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789"),
         S_INIT("123456789 123456789 123456789 123456789 123456789 123456789 123456789 12345=\r\n6789")},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf b = BUF(MAX);
        qp_put(&b, cases[i].plain);
        assert_str(buf_str(&b), cases[i].text);
        buf_free(&b);
    }
}

static void qp_round_trips(void **state)
{
    (void)state;
    uint32_t seed = 1;
    for (int round = 0; round < 2000; round++) {
        char plain[300];
        size_t n = (size_t)round % sizeof plain;
        for (size_t i = 0; i < n; i++) {
            seed = seed * 1664525 + 1013904223;
            plain[i] = "ab =\t\r\n\xff."[seed >> 24 & 7];
        }
        struct buf text = BUF(MAX);
        qp_put(&text, str_of(plain, n));
        for (struct str rest = buf_str(&text), line; rest.n;) {
            size_t end = str_find(rest, S("\r\n"));
            line = str_head(rest, end);
            rest = str_skip(rest, end + 2);
            assert_true(line.n <= 76);
            assert_false(str_ends(line, S(" ")) || str_ends(line, S("\t")));
        }
        bool damaged;
        struct buf back = feed_qp(buf_str(&text), text.n / 3, text.n / 2, &damaged);
        assert_str(buf_str(&back), str_of(plain, n));
        assert_false(damaged);
        buf_free(&text);
        buf_free(&back);
    }
}

static void ids_both_ways(void **state)
{
    (void)state;
    static const struct {
        int64_t id;
        const char *text;
    } cases[] = {
        {0, "0000000000000"},        {1, "0000000000001"},         {31, "000000000000v"},
        {32, "0000000000010"},       {INT64_MAX, "7vvvvvvvvvvvv"}, {INT64_MAX - 31, "7vvvvvvvvvvv0"},
        {INT64_C(1) << 60, "1000000000000"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf b = BUF(ID_TEXT);
        int64_t id = -1;
        id_put(&b, cases[i].id);
        assert_str(buf_str(&b), str_c(cases[i].text));
        assert_int_equal(id_parse(buf_str(&b), &id), 0);
        assert_int_equal(id, cases[i].id);
        buf_free(&b);
    }
    static const char *const wrong[] = {"", "000000000000", "00000000000000", "8000000000000", "000000000000w",
                                        "000000000000A", "-000000000001", "000000 000001", "v000000000000"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        int64_t id = 4711;
        assert_int_equal(id_parse(str_c(wrong[i]), &id), ERR_SYNTAX);
        assert_int_equal(id, 4711);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_both_ways),
        cmocka_unit_test(base64_strict_refuses),
        cmocka_unit_test(base64_keeps_to_the_maximum),
        cmocka_unit_test(base64_lines),
        cmocka_unit_test(base64_tolerates),
        cmocka_unit_test(base64_long_body),
        cmocka_unit_test(hex_both_ways),
        cmocka_unit_test(qp_decodes),
        cmocka_unit_test(qp_endless_blanks),
        cmocka_unit_test(qp_encodes),
        cmocka_unit_test(qp_round_trips),
        cmocka_unit_test(ids_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
