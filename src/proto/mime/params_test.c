/* Values with parameters: RFC 2045, RFC 2231's examples, and what is seen. */
#include "proto/mime/params.h"

#include "base/test.h"

static struct str shown(struct arena *a, struct str body)
{
    struct buf *b = buf_in(a, 1 << 20);
    size_t budget = 100000;
    char *own = arena_cstr(a, body);
    struct mime_value v = mime_value_parse(a, str_of(own, body.n), mime_scratch_in(a), &budget);
    memset(own, '#', body.n); /* nothing kept may point into it */
    buf_printf(b, "%.*s/%.*s", STR_FMT(v.type), STR_FMT(v.subtype));
    for (size_t i = 0; i < v.params.n; i++)
        buf_printf(b, ";%.*s=%.*s", STR_FMT(v.params.v[i].name), STR_FMT(v.params.v[i].value));
    return buf_str(b);
}

static const struct {
    struct str body;
    const char *value;
} cases[] = {
    {S_INIT("text/plain"), "text/plain"},
    {S_INIT(" Text / HTML ; Charset = US-ASCII (Plain text)"), "text/html;charset=US-ASCII"},
    {S_INIT("text/plain; charset=\"us-ascii\""), "text/plain;charset=us-ascii"},
    /* unquoted ":" */
    {S_INIT("multipart/mixed; boundary=gc0pJq0M:08jU534c0p"), "multipart/mixed;boundary=gc0pJq0M:08jU534c0p"},
    {S_INIT("multipart/mixed; boundary=\"a ; \\\"b\\\" \""), "multipart/mixed;boundary=a ; \"b\" "},
    {S_INIT("multipart/mixed;\r\n\tboundary=\"--=_x\"\r\n"), "multipart/mixed;boundary=--=_x"},
    {S_INIT("attachment; filename=my letter.pdf; size=3"), "attachment/;filename=my letter.pdf;size=3"},
    {S_INIT("attachment; filename=\"C:\\\\a.txt\""), "attachment/;filename=C:\\a.txt"},
    {S_INIT("attachment;;; a=b;"), "attachment/;a=b"},
    {S_INIT("attachment; a; b=c"), "attachment/;b=c"},
    {S_INIT("attachment; a=b c=\"d\" e = f"), "attachment/;a=b;c=d;e=f"}, /* the example of RFC 2045 forgets them too */
    {S_INIT("attachment a=b"), "attachment/;a=b"},
    {S_INIT("attachment; = ; =x; a=b"), "attachment/;a=b"},
    {S_INIT("attachment; a=\"open; b=c"), "attachment/;a=open; b=c"},
    {S_INIT("attachment; a=\"\""), "attachment/;a="},
    {S_INIT("attachment; a="), "attachment/;a="},
    {S_INIT("attachment; a=b; A=c"), "attachment/;a=b"},
    {S_INIT("(c) text (c) / (c) plain (c) ; (c) a (c) = (c) b (c)"), "text/plain;a=b"},
    {S_INIT(""), "/"},
    {S_INIT(";a=b"), "/;a=b"},
    {S_INIT("text"), "text/"},
    {S_INIT("/plain"), "/plain"},
    /* RFC 2231 §3, §4, §4.1 */
    {S_INIT(
         "message/external-body; access-type=URL;\r\n URL*0=\"ftp://\";\r\n"
         " URL*1=\"cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar\""),
     "message/external-body;access-type=URL;url=ftp://cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar"},
    {S_INIT("application/x-stuff;\r\n title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A"),
     "application/x-stuff;title=This is ***fun***"},
    {S_INIT(
         "application/x-stuff\r\n ;title*0*=us-ascii'en'This%20is%20even%20more%20\r\n"
         " ;title*1*=%2A%2A%2Afun%2A%2A%2A%20\r\n ;title*2=\"isn't it!\""),
     "application/x-stuff;title=This is even more ***fun*** isn't it!"},
    {S_INIT("a/b; f*1=y; f*0=x; f*3=no"), "a/b;f=xy"},
    {S_INIT("a/b; f*0*=utf-8''%e2%82; f*1*=%ac"), "a/b;f=\xE2\x82\xAC"}, /* a character across pieces */
    {S_INIT("a/b; f*=iso-8859-1''%e4; f=ae"), "a/b;f=\xC3\xA4"},          /* the extended one counts */
    {S_INIT("a/b; f=ae; f*=iso-8859-1''%e4"), "a/b;f=\xC3\xA4"},
    {S_INIT("a/b; f*=nothing%20here"), "a/b;f=nothing here"},
    {S_INIT("a/b; f*=utf-8''%zz%4"), "a/b;f=%zz%4"},
    {S_INIT("a/b; f*x=y; f*1=z"), "a/b;f*x=y;f="},
    {S_INIT("a/b; filename=\"=?utf-8?q?=C3=A4?=.txt\""), "a/b;filename=\xC3\xA4.txt"},
    {S_INIT("a/b; boundary=\"=?utf-8?q?=C3=A4?=\""), "a/b;boundary==?utf-8?q?=C3=A4?="},
    {S_INIT("a/b; name=\"\xE4\""), "a/b;name=\xC3\xA4"},
};

static void test_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *a = arena_new(NULL, 0);
        assert_str(shown(a, cases[i].body), str_c(cases[i].value));
        for (size_t n = 0; n < cases[i].body.n; n++) shown(a, arena_str(a, str_head(cases[i].body, n)));
        arena_free(a);
    }
}

static void test_limits(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct buf *b = buf_in(a, 1 << 20);
    buf_lit(b, "a/b");
    for (int i = 0; i < LIMIT_MIME_PARAMETERS; i++) buf_printf(b, ";p%d=v", i);
    size_t budget = 1 << 20;
    struct mime_scratch scratch = mime_scratch_in(a);
    struct mime_value v = mime_value_parse(a, buf_str(b), scratch, &budget);
    assert_true(v.params.n == LIMIT_MIME_PARAMETERS && !v.cut);
    buf_lit(b, ";q=v");
    v = mime_value_parse(a, buf_str(b), scratch, &budget);
    assert_true(v.params.n == LIMIT_MIME_PARAMETERS && v.cut);
    for (budget = 0; budget < 8000; budget += 100) { /* what is taken is what was allowed */
        size_t left = budget, before = arena_used(a);
        struct arena *own = arena_new(a, 0);
        v = mime_value_parse(own, buf_str(b), scratch, &left);
        assert_true(left <= budget && v.cut);
        assert_true(arena_used(a) - before < budget * 4 + 8192); /* chunks, and red zones under ASan */
        arena_free(own);
    }
    arena_free(a);
}

static void test_encodings(void **state)
{
    (void)state;
    assert_int_equal(mime_encoding_of(S("BASE64")), MIME_BASE64);
    assert_int_equal(mime_encoding_of(S("Quoted-Printable")), MIME_QP);
    assert_int_equal(mime_encoding_of(S("x-uuencode")), MIME_OTHER_ENCODING);
    assert_str(mime_encoding_name(MIME_8BIT), S("8bit"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_values), cmocka_unit_test(test_limits),
                                       cmocka_unit_test(test_encodings)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
