/* Bodies decoded, HTML as text, white space collapsed. */
#include "proto/mime/decode.h"

#include "base/test.h"
#include "base/utf8.h"

static void test_encodings(void **state)
{
    (void)state;
    static const struct {
        enum mime_encoding encoding;
        struct str raw, bytes;
    } table[] = {
        {MIME_7BIT, S_INIT("a=41\r\n"), S_INIT("a=41\r\n")},
        {MIME_8BIT, S_INIT("\xC3\xA4"), S_INIT("\xC3\xA4")},
        {MIME_OTHER_ENCODING, S_INIT("x"), S_INIT("x")},
        {MIME_BASE64, S_INIT("SGVs\r\nbG8=\r\n"), S_INIT("Hello")},
        {MIME_QP, S_INIT("a=3D=\r\nb \t\r\n=E4=X"), S_INIT("a=b\r\n\xE4=X")},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct buf b = BUF(100);
        assert_int_equal(mime_decode(table[i].encoding, table[i].raw, &b), 0);
        assert_str(buf_str(&b), table[i].bytes);
        for (size_t cut = 0; cut <= table[i].raw.n; cut++) {
            struct mime_decoder d = {.encoding = table[i].encoding};
            struct buf pieces = BUF(100);
            mime_decode_feed(&d, str_head(table[i].raw, cut), &pieces);
            mime_decode_feed(&d, str_skip(table[i].raw, cut), &pieces);
            mime_decode_end(&d, &pieces);
            assert_str(buf_str(&pieces), buf_str(&b));
            buf_free(&pieces);
        }
        buf_free(&b);
    }
    struct buf small = BUF(3);
    assert_int_equal(mime_decode(MIME_7BIT, S("abcdef"), &small), ERR_TOO_LONG);
    assert_str(buf_str(&small), S("abc"));
    buf_free(&small);
}

static void test_text(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct mime_letter *l = mime_parse(
        a, S("Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\nGr=FC=DFe"));
    struct buf *b = buf_in(a, 100);
    assert_int_equal(mime_decode_text(a, l->root, l->plain_raw, 100, b), 0);
    assert_str(buf_str(b), S("Gr\xC3\xBC\xC3\x9F"
                             "e"));
    buf_clear(b);
    mime_decode_text(a, l->root, l->plain_raw, 3, b);
    assert_str(buf_str(b), S("Gr")); /* whole characters */
    arena_free(a);
}

static void test_html(void **state)
{
    (void)state;
    static const struct {
        struct str html;
        const char *text;
    } table[] = {
        {S_INIT("plain"), "plain"},
        {S_INIT("<p>One</p><p>Two<br>Three"), "One Two Three"},
        {S_INIT("<b>bo</b>ld"), "bold"},
        {S_INIT("<style>p{color:red}</style><script>if (a<b) x('</p>')</script>seen"), "seen"},
        {S_INIT("<SCRIPT>x</script >seen"), "seen"},
        {S_INIT("<script>never closed"), ""},
        {S_INIT("<!-- <p>hidden</p> -->seen<!doctype html><?xml x?>"), "seen"},
        {S_INIT("<!-- never closed"), ""},
        {S_INIT("<a title=\"x > y\" href='z>'>link</a>"), "link"},
        {S_INIT("a < b &amp; c &lt;d&gt; &#65;&#x42; &copy; &euro; &auml;&Auml; &bogus; & &#0; &#xFFFFFFFFFF;"),
         "a < b & c <d> AB \xC2\xA9 \xE2\x82\xAC \xC3\xA4\xC3\x84 &bogus; & \xEF\xBF\xBD \xEF\xBF\xBD"},
        {S_INIT("a&nbsp;&nbsp;b"), "a b"},
        {S_INIT("<title>no</title>yes"), "yes"},
        {S_INIT("<td>1<td>2"), "1 2"},
        {S_INIT("<"), "<"},
        {S_INIT("1 <2"), "1 <2"},
        {S_INIT("<p"), ""},
        {S_INIT("<style/>seen"), "seen"},
        {S_INIT("\xFF"), "\xEF\xBF\xBD"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct buf text = BUF(1000), out = BUF(1000);
        mime_html_text(table[i].html, 1000, &text);
        mime_collapse(buf_str(&text), 1000, &out);
        assert_str(buf_str(&out), str_c(table[i].text));
        for (size_t n = 0; n < table[i].html.n; n++) {
            char own[200];
            memcpy(own, table[i].html.p, n);
            buf_clear(&text);
            mime_html_text(str_of(own, n), 20, &text);
            assert_true(text.n <= 20 && utf8_valid(buf_str(&text)));
        }
        buf_free(&text);
        buf_free(&out);
    }
}

static void test_collapse(void **state)
{
    (void)state;
    static const struct {
        struct str text;
        size_t max;
        const char *out;
    } table[] = {
        {S_INIT("  a \r\n\t b  "), 100, "a b"},
        {S_INIT("a\xE2\x80\x8C\xC2\xA0\xE2\x80\x8C\xC2\xA0 b"), 100, "a b"}, /* the filler of newsletters */
        {S_INIT("abcdef"), 3, "abc"},
        {S_INIT("ab cd"), 3, "ab"},
        {S_INIT("\xC3\xA4\xC3\xA4\xC3\xA4"), 2, "\xC3\xA4\xC3\xA4"},
        {S_INIT(" "), 10, ""},
        {S_INIT("a\0b"), 10, "a b"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct buf out = BUF(1000);
        mime_collapse(table[i].text, table[i].max, &out);
        assert_str(buf_str(&out), str_c(table[i].out));
        buf_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encodings),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_html),
        cmocka_unit_test(test_collapse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
