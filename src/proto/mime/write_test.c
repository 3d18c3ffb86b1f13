/* Writing letters: what is written is read back by our own parser, lines stay short, nothing can be forged. */
#include "proto/mime/write.h"

#include "base/test.h"
#include "base/utf8.h"
#include "proto/imf/address_list.h"
#include "proto/imf/encoded_word.h"
#include "proto/mime/decode.h"
#include "proto/mime/params.h"

static void assert_lines(struct str letter)
{
    struct str line, rest = letter;
    while (str_cut(rest, '\n', &line, &rest)) {
        assert_true(line.n > 0 && line.p[line.n - 1] == '\r');
        assert_true(line.n - 1 <= 998); /* RFC 5322 §2.1.1 */
        assert_true(str_find_char(line, '\r') == line.n - 1);
    }
    assert_int_equal(line.n, 0); /* nothing behind the last line end */
}

static void test_params(void **state)
{
    (void)state;
    static const struct str values[] = {
        S_INIT("simple.txt"),
        S_INIT("with blank.txt"),
        S_INIT("q\"uo\\te"),
        S_INIT(""),
        S_INIT("\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80.txt"),
        S_INIT(
            "a name that is much too long to stand on one line of a header field, so that it must be cut into "
            "several pieces.txt"),
        S_INIT(
            "\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E\xE6\x97\xA5\xE6\x9C\xAC"
            "\xE8\xAA\x9E\xE6\x97\xA5\xE6\x9C\xAC.pdf"),
        S_INIT("semi;colon=x"),
        S_INIT("50%"),
        S_INIT("it's"),
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct arena *a = arena_new(NULL, 0);
        struct buf *b = buf_in(a, 10000);
        buf_lit(b, "attachment");
        mime_put_param(b, 31, S("filename"), values[i]);
        struct str rest = buf_str(b), line;
        size_t start = 21;
        for (bool more = true; more; start = 7) { /* a tab counts as eight columns */
            more = str_cut(rest, '\n', &line, &rest);
            assert_true(start + line.n - more <= 78);
        }
        size_t budget = 10000;
        struct mime_value v = mime_value_parse(a, buf_str(b), mime_scratch_in(a), &budget);
        assert_int_equal(v.params.n, 1);
        assert_str(v.params.v[0].name, S("filename"));
        assert_str(v.params.v[0].value, values[i]);
        arena_free(a);
    }
}

static void test_texts(void **state)
{
    (void)state;
    char *long_line = test_malloc(2000);
    memset(long_line, 'x', 2000);
    const struct {
        struct str text, back;
        enum mime_encoding encoding;
        const char *charset;
    } table[] = {
        {S("Hello\r\n"), S("Hello\r\n"), MIME_7BIT, "us-ascii"},
        {S("Hello\nthere"), S("Hello\r\nthere\r\n"), MIME_7BIT, "us-ascii"},
        {S("a\rb\r\n\nc"), S("a\r\nb\r\n\r\nc\r\n"), MIME_7BIT, "us-ascii"},
        {S(""), S(""), MIME_7BIT, "us-ascii"},
        {S("Gr\xC3\xBC\xC3\x9F"
           "e aus dem Norden"),
         S("Gr\xC3\xBC\xC3\x9F"
           "e aus dem Norden\r\n"),
         MIME_QP, "utf-8"},
        {S("\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E"), S("\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E\r\n"), MIME_BASE64,
         "utf-8"},
        {S("a\0b"), S("a\0b\r\n"), MIME_BASE64, "us-ascii"},
        {str_of(long_line, 2000), STR_NONE, MIME_QP, "us-ascii"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct arena *a = arena_new(NULL, 0);
        struct buf *b = buf_in(a, 10000), *back = buf_in(a, 10000);
        mime_put_text(b, S("plain"), table[i].text);
        assert_lines(buf_str(b));
        struct mime_letter *l = mime_parse(a, buf_str(b));
        assert_int_equal(l->root->encoding, table[i].encoding);
        assert_str(mime_param(l->root->params, S("charset")), str_c(table[i].charset));
        mime_decode(l->root->encoding, l->plain_raw, back);
        if (table[i].back.p) assert_str(buf_str(back), table[i].back);
        else assert_str(buf_str(back), (buf_clear(b), buf_add(b, table[i].text), buf_lit(b, "\r\n"), buf_str(b)));
        arena_free(a);
    }
    test_free(long_line);
}

static const struct mime_mailbox ann = {S_INIT("Ann \xC3\x84rger"), {S_INIT("ann"), S_INIT("x.org")}};
static const struct mime_mailbox many[] = {
    {S_INIT("Bob, the Builder"), {S_INIT("bob"), S_INIT("y.org")}},
    {S_INIT(""), {S_INIT("c d"), S_INIT("y.org")}},
    {S_INIT("A name so long that it surely does not fit beside its address on one line"),
     {S_INIT("e"), S_INIT("y.org")}},
};

static void test_letter(void **state)
{
    (void)state;
    static const struct mime_attachment files[] = {
        {.name = S_INIT("\xC3\xA4.pdf"), .type = S_INIT("application/pdf"), .bytes = S_INIT("%PDF\0\xFF")},
        {.name = S_INIT("x"), .type = S_INIT("not a type"), .bytes = S_INIT("")},
        {.type = S_INIT("message/rfc822"), .bytes = S_INIT("Subject: in\r\n\r\ntext\r\n")},
        {.type = S_INIT("message/rfc822"), .bytes = S_INIT("Subject: in\n\nbare LF\n")},
        {.type = S_INIT("image/png"), .bytes = S_INIT("PNG"), .content_id = S_INIT("img@x.org")},
    };
    static const struct str references[] = {S_INIT("1@x"), S_INIT("2@x")};
    struct mime_compose m = {
        .from = &ann,
        .n_from = 1,
        .to = many,
        .n_to = 3,
        .subject = S("Gr\xC3\xBC\xC3\x9F"
                     "e\r\nBcc: evil@x"),
        .message_id = S("m@x.org"),
        .references = references,
        .n_references = 2,
        .date = SECONDS(1795311000),
        .text = S("Hallo W\xF6rld"),
        .html = S("<p>Hallo"),
        .charset = S("iso-8859-1"),
        .attachments = files,
        .n_attachments = 5,
        .seed = 42,
        .extra = S("X-Mailer: penny\r\n"),
    };
    struct arena *a = arena_new(NULL, 0);
    struct buf *b = buf_in(a, 100000);
    assert_int_equal(mime_compose(b, &m), 0);
    assert_lines(buf_str(b));
    struct mime_letter *l = mime_parse(a, buf_str(b));
    assert_int_equal(l->traits, 0);
    assert_int_equal(l->parts, 10);
    const struct mime_fields *f = l->root->fields;
    assert_str(imf_decode_text(a, f->subject), S("Gr\xC3\xBC\xC3\x9F"
                                                 "e Bcc: evil@x"));
    assert_true(str_is_none(f->bcc));
    assert_str(f->date, S("Sun, 22 Nov 2026 01:30:00 +0000"));
    assert_str(f->message_id, S("<m@x.org>"));
    assert_str(f->in_reply_to, S("<2@x>"));
    assert_str(f->references, S("<1@x> <2@x>"));
    struct imf_address_list to = imf_addresses(a, f->to);
    assert_true(to.n == 3 && to.strict);
    for (size_t i = 0; i < 3; i++) {
        assert_str(imf_display_name(a, &to.v[i]), many[i].name);
        assert_str(to.v[i].local, many[i].address.local);
    }
    struct buf *text = buf_in(a, 1000);
    mime_decode_text(a, l->plain, l->plain_raw, 1000, text);
    assert_str(buf_str(text), S("Hallo W\xC3\xB6rld\r\n"));
    const struct mime_part *file = l->root->first->next;
    assert_str(mime_param(file->extra->disposition_params, S("filename")), S("\xC3\xA4.pdf"));
    buf_clear(text);
    mime_decode(file->encoding, str_sub(buf_str(b), file->body_at, file->body_at + file->body_size), text);
    assert_str(buf_str(text), files[0].bytes);
    file = file->next;
    assert_str(file->subtype, S("octet-stream"));
    assert_int_equal(file->next->kind, MIME_MESSAGE);
    assert_str(file->next->next->subtype, S("octet-stream"));
    assert_str(file->next->next->next->extra->id, S("<img@x.org>"));
    assert_str(file->next->next->next->extra->disposition, S("inline"));
    arena_free(a);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct mime_mailbox evil[] = {
        {S_INIT(""), {S_INIT("a\r\nBcc: x"), S_INIT("y.org")}}, {S_INIT(""), {S_INIT("a"), S_INIT("y.org>, <b@z")}},
        {S_INIT(""), {S_INIT("a\xFF"), S_INIT("y.org")}}, {S_INIT(""), {S_INIT(""), S_INIT("y.org")}},
    };
    struct buf b = BUF(100000);
    for (size_t i = 0; i < sizeof evil / sizeof *evil; i++)
        assert_int_equal(mime_compose(&b, &(struct mime_compose){.to = &evil[i], .n_to = 1}), ERR_SYNTAX);
    assert_int_equal(mime_compose(&b, &(struct mime_compose){.message_id = S("a>\r\nX: y")}), ERR_SYNTAX);
    assert_int_equal(mime_compose(&b, &(struct mime_compose){.charset = S("klingon")}), ERR_UNSUPPORTED);
    assert_int_equal(b.n, 0);
    struct buf small = BUF(40);
    assert_int_equal(mime_compose(&small, &(struct mime_compose){.subject = S("x")}), ERR_TOO_LONG);
    buf_free(&small);
    buf_free(&b);
}

static void test_boundaries(void **state)
{
    (void)state;
    struct mime_boundary seen[60];
    for (unsigned i = 0; i < 60; i++) {
        seen[i] = mime_boundary_of(i / 2, i % 2);
        assert_true(seen[i].n <= 70); /* RFC 2046 §5.1.1 */
        for (unsigned k = 0; k < i; k++) assert_memory_not_equal(seen[i].text, seen[k].text, seen[i].n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_params),   cmocka_unit_test(test_texts),      cmocka_unit_test(test_letter),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_boundaries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
