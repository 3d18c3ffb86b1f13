/* The part parser: RFC 2046's rules of boundaries one by one, every letter also fed in two pieces cut at every byte and
 * byte by byte, and compared with the parse of the whole. */
#include "proto/mime/parse.h"

#include "base/test.h"
#include "proto/mime/test_tree.h"

static struct str parse_cut(struct arena *a, struct str letter, size_t cut, size_t step)
{
    struct mime_parser *p = mime_parser_new(a);
    if (step) {
        for (size_t i = 0; i < letter.n; i += step) {
            /* its own memory: overruns are seen, so are kept pointers */
            char *piece = arena_cstr(a, str_sub(letter, i, i + step));
            size_t n = letter.n - i < step ? letter.n - i : step;
            mime_parser_feed(p, str_of(piece, n));
            memset(piece, '#', n);
        }
    } else {
        mime_parser_feed(p, str_head(letter, cut));
        mime_parser_feed(p, str_skip(letter, cut));
    }
    struct buf *b = buf_in(a, 1 << 22);
    tree_put(b, mime_parser_end(p));
    return buf_str(b);
}

static struct str parse_whole(struct arena *a, struct str letter)
{
    struct buf *b = buf_in(a, 1 << 22);
    tree_put(b, mime_parse(a, letter));
    return buf_str(b);
}

static void check_cuts(struct str letter)
{
    struct arena *a = arena_new(NULL, 0), *tmp = arena_new(a, 0);
    struct str whole = parse_whole(a, letter);
    for (size_t cut = 0; cut <= letter.n; cut++) {
        assert_str(parse_cut(tmp, letter, cut, 0), whole);
        arena_reset(tmp);
    }
    for (size_t step = 1; step < 8; step++) {
        assert_str(parse_cut(tmp, letter, 0, step), whole);
        arena_reset(tmp);
    }
    arena_free(a);
}

/* Expected: the lines of tree_put_part() without fields. */
static const struct {
    const char *what;
    struct str letter;
    const char *tree;
    bool truncated;
} cases[] = {
    {"RFC 822 text: defaults of RFC 2045 §5.2", S_INIT("From: a@b\r\nSubject: hi\r\n\r\nHello\r\nthere\r\n"),
     "leaf text/plain; charset=us-ascii | 7bit h=0+26 b=26+14 l=2\n", false},
    {"no header", S_INIT("\r\nbody"), "leaf text/plain; charset=us-ascii | 7bit h=0+2 b=2+4 l=1\n", false},
    {"nothing at all", S_INIT(""), "leaf text/plain; charset=us-ascii | 7bit h=0+0 b=0+0 l=0\n", false},
    {"header only, cut off", S_INIT("Content-Type: text/html"), "leaf text/html | 7bit h=0+23 b=23+0 l=0\n", false},
    {"body without an empty line", S_INIT("Subject: x\r\nThis is no field\r\n\r\nmore"),
     "leaf text/plain; charset=us-ascii | 7bit h=0+12 b=12+24 l=3\n", false},
    {"RFC 2046 §5.1.1 example",
     S_INIT(
         "From: Nathaniel Borenstein <nsb@bellcore.com>\r\nMIME-Version: 1.0\r\n"
         "Content-type: multipart/mixed; boundary=\"simple boundary\"\r\n\r\n"
         "This is the preamble.\r\n--simple boundary\r\n\r\n"
         "This is implicitly typed plain US-ASCII text.\r\nIt does NOT end with a linebreak.\r\n--simple boundary\r\n"
         "Content-type: text/plain; charset=us-ascii\r\n\r\n"
         "This is explicitly typed plain US-ASCII text.\r\nIt DOES end with a linebreak.\r\n\r\n"
         "--simple boundary--\r\n\r\n"
         "This is the epilogue.\r\n"),
     "multi multipart/mixed; boundary=simple boundary | 7bit h=0+127 b=127+317 l=14\n"
     "  leaf text/plain; charset=us-ascii | 7bit h=169+2 b=171+80 l=2\n"
     "  leaf text/plain; charset=us-ascii | 7bit h=272+46 b=318+78 l=2\n", false},
    {"missing close, empty parts, part ended by its header",
     S_INIT(
         "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n--b\r\n\r\n--b\r\nContent-Type: image/png\r\n"
         "--b\r\nX: y\r\n\r\nlast"),
     "multi multipart/mixed; boundary=b | 7bit h=0+45 b=45+59 l=9\n"
     "  leaf text/plain; charset=us-ascii | 7bit h=50+0 b=50+0 l=0\n"
     "  leaf text/plain; charset=us-ascii | 7bit h=55+0 b=55+0 l=0\n"
     "  leaf image/png | 7bit h=62+23 b=85+0 l=0\n"
     "  leaf text/plain; charset=us-ascii | 7bit h=92+8 b=100+4 l=1\n", false},
    {"RFC 2046 §5.1.1: the beginning of the line decides, blanks after it are padding",
     S_INIT(
         "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b  \t\r\n\r\n1\r\n--but\r\n\r\n2\r\n --b\r\n--b--x\r\n"
         "--b\r\nno"),
     "multi multipart/mixed; boundary=b | 7bit h=0+45 b=45+46 l=10\n"
     "  leaf text/plain; charset=us-ascii | 7bit h=53+2 b=55+1 l=1\n"
     "  leaf text/plain; charset=us-ascii | 7bit h=65+2 b=67+7 l=2\n", false},
    {"prefix boundaries: the longest open one",
     S_INIT("Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/alternative; boundary=b-1\n\n"
            "--b-1\n\nx\n--b-1--\n--b\n\ny\n--b--\n"),
     "multi multipart/mixed; boundary=b | 7bit h=0+43 b=43+85 l=11\n"
     "  multi multipart/alternative; boundary=b-1 | 7bit h=47+51 b=98+16 l=4\n"
     "    leaf text/plain; charset=us-ascii | 7bit h=104+1 b=105+1 l=1\n"
     "  leaf text/plain; charset=us-ascii | 7bit h=119+1 b=120+1 l=1\n", false},
    {"the same boundary inside: the innermost that is open",
     S_INIT(
         "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n"
         "--b--\n--b\n\ny\n--b--\nz"),
     "multi multipart/mixed; boundary=b | 7bit h=0+43 b=43+74 l=12\n"
     "  multi multipart/mixed; boundary=b | 7bit h=47+43 b=90+12 l=4\n"
     "    leaf text/plain; charset=us-ascii | 7bit h=94+1 b=95+1 l=1\n"
     "  leaf text/plain; charset=us-ascii | 7bit h=107+1 b=108+1 l=1\n", false},
    {"an outer boundary ends the inner one that was not closed",
     S_INIT(
         "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n"
         "--i\r\n\r\nx\r\n--o--\r\n"),
     "multi multipart/mixed; boundary=o | 7bit h=0+45 b=45+67 l=7\n"
     "  multi multipart/mixed; boundary=i | 7bit h=50+45 b=95+8 l=3\n"
     "    leaf text/plain; charset=us-ascii | 7bit h=100+2 b=102+1 l=1\n", false},
    {"RFC 2046 §5.1.5: digest, and a message without a header of its own",
     S_INIT(
         "Content-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n\r\nFrom: x\r\nSubject: s\r\n\r\nbody\r\n\r\n"
         "--d\r\n--d\r\nContent-Type: text/plain\r\n\r\nt\r\n--d--\r\n"),
     "multi multipart/digest; boundary=d | 7bit h=0+46 b=46+86 l=13\n"
     "  message message/rfc822 | 7bit h=51+2 b=53+29 l=4\n"
     "    leaf text/plain; charset=us-ascii | 7bit h=53+23 b=76+6 l=1\n"
     "  message message/rfc822 | 7bit h=89+0 b=89+0 l=0\n"
     "    leaf text/plain; charset=us-ascii | 7bit h=89+0 b=89+0 l=0\n"
     "  leaf text/plain | 7bit h=94+28 b=122+1 l=1\n", false},
    {"RFC 2046 §5.2.1: an enclosed message, and its parts",
     S_INIT(
         "Content-Type: message/rfc822\r\n\r\nSubject: in\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
         "--b\r\n\r\nx\r\n--b--\r\n"),
     "message message/rfc822 | 7bit h=0+32 b=32+75 l=7\n"
     "  multi multipart/mixed; boundary=b | 7bit h=32+58 b=90+17 l=4\n"
     "    leaf text/plain; charset=us-ascii | 7bit h=95+2 b=97+1 l=1\n",
     false},
    {"an encoded message is a leaf",
     S_INIT("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: BASE64\r\n\r\nU3ViamVjdDogeA0KDQp5\r\n"),
     "leaf message/rfc822 | base64 h=0+67 b=67+22 l=1\n", false},
    {"multipart without boundary is text", S_INIT("Content-Type: multipart/mixed\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n"),
     "leaf text/plain; charset=us-ascii | 7bit h=0+33 b=33+17 l=4\n", false},
    {"multipart without parts", S_INIT("Content-Type: multipart/mixed; boundary=b\r\n\r\nnothing\r\n--b--\r\n"),
     "multi multipart/mixed; boundary=b | 7bit h=0+45 b=45+16 l=2\n", false},
    {"all the fields of a part",
     S_INIT(
         "Content-Type: Text/Plain;\r\n charset=\"UTF-8\"; format=flowed (a comment)\r\n"
         "Content-Transfer-Encoding: Quoted-Printable\r\n"
         "Content-ID: <a@b>\r\nContent-Description: some\r\n text\r\nContent-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\r\n"
         "Content-Disposition: attachment; filename*=utf-8''%e2%82%ac.txt\r\nContent-Language: de, en\r\n"
         "Content-Location: http://x/\r\nContent-Type: text/html\r\n\r\n=41"),
     "leaf text/plain; charset=UTF-8; format=flowed | quoted-printable h=0+356 b=356+3 l=1 id='<a@b>' desc='some text' "
     "md5='Q2hlY2sgSW50ZWdyaXR5IQ==' dsp='attachment'; filename=\xE2\x82\xAC.txt lang='de' lang='en' loc='http://x/'\n",
     false},
    {"mbox line on top", S_INIT("From x@y Sat Jan  3 01:05:34 1996\nSubject: s\n\nb\n"),
     "leaf text/plain; charset=us-ascii | 7bit h=0+46 b=46+2 l=1\n", false},
    {"delimiter at the very end opens nothing", S_INIT("Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b"),
     "multi multipart/mixed; boundary=b | 7bit h=0+43 b=43+10 l=4\n"
     "  leaf text/plain; charset=us-ascii | 7bit h=47+1 b=48+1 l=1\n", false},
};

static void test_trees(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *a = arena_new(NULL, 0);
        struct mime_letter *l = mime_parse(a, cases[i].letter);
        struct buf *b = buf_in(a, 1 << 20);
        for (const struct mime_part *p = l->root; p; p = mime_next(p)) tree_put_part(b, p, false);
        if (!str_eq(buf_str(b), str_c(cases[i].tree))) print_error("%s\n", cases[i].what);
        assert_str(buf_str(b), str_c(cases[i].tree));
        assert_int_equal(l->truncated, cases[i].truncated);
        assert_int_equal(l->size, cases[i].letter.n);
        arena_free(a);
        check_cuts(cases[i].letter);
    }
}

static void test_fields(void **state)
{
    (void)state;
    static const struct str letter = S_INIT(
        "Received: from x\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\nSubject: one\r\n two\r\nFROM : a@b\r\n"
        "Subject: other\r\n"
        "To: a@x,\r\n\tb@x\r\nCc: c@x\r\nTo: d@x\r\nBcc:\r\nSender: s@x\r\nReply-To: r@x\r\nMessage-Id: <m@x>\r\n"
        "In-Reply-To: <i@x>\r\nReferences: <r1@x>\r\n <r2@x>\r\n\r\n\r\n");
    struct arena *a = arena_new(NULL, 0);
    struct buf *b = buf_in(a, 4096);
    tree_put_fields(b, mime_parse(a, letter)->root->fields);
    assert_str(
        buf_str(b),
        S(" { date='Sat, 21 Nov 2026 10:00:00 +0000' subject='one two' from='a@b' sender='s@x' reply-to='r@x' "
          "to='a@x,\tb@x, d@x' cc='c@x' bcc='' in-reply-to='<i@x>' message-id='<m@x>' references='<r1@x> <r2@x>' }"));
    arena_free(a);
    check_cuts(letter);
}

static void test_traits(void **state)
{
    (void)state;
    char longest[1100];
    memset(longest, 'x', sizeof longest);
    memcpy(longest, "A: b\r\n\r\n", 8);
    static const struct {
        struct str letter;
        unsigned traits;
    } table[] = {
        {S_INIT("A: b\r\n\r\nx\r\n"), 0},
        {S_INIT("A: \xC3\xA4\r\n\r\nx\r\n"), MIME_HEADER_8BIT},
        {S_INIT("A: b\r\n\xC3\xA4\r\n\r\nx\r\n"), MIME_BODY_8BIT}, /* the body begins with that line */
        {S_INIT("A: b\r\n\r\nx\xFF\r\n"), MIME_BODY_8BIT},
        {S_INIT("A: \xC3\xA4\r\n\r\n\xC3\xA4"), MIME_HEADER_8BIT | MIME_BODY_8BIT},
        {S_INIT("A: b\n\r\nx\r\n"), MIME_BARE_LF},
        {S_INIT("A: b\r\n\r\nx\ry"), MIME_BARE_CR},
        {S_INIT("A: b\r\n\r\nx\r\r\n"), MIME_BARE_CR},
        {S_INIT("A: b\r\n\r\nx\r"), MIME_BARE_CR},
        {S_INIT("A: b\r\n\r\nx\0\r\n"), MIME_NUL},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct arena *a = arena_new(NULL, 0);
        assert_int_equal(mime_parse(a, table[i].letter)->traits, table[i].traits);
        arena_free(a);
        check_cuts(table[i].letter);
    }
    struct arena *a = arena_new(NULL, 0);
    assert_int_equal(mime_parse(a, str_of(longest, 8 + 998))->traits, 0);
    assert_int_equal(mime_parse(a, str_of(longest, 8 + 999))->traits, MIME_LONG_LINE);
    arena_free(a);
}

static void test_preview_bytes(void **state)
{
    (void)state;
    static const struct str letter = S_INIT(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Disposition: attachment\r\n\r\nnot this\r\n"
        "--b\r\nContent-Type: text/html\r\n\r\n<p>\r\n--\r\n\r\n--b\r\n\r\nthe text\r\n-- \r\n--b--\r\n");
    struct arena *a = arena_new(NULL, 0);
    struct mime_letter *l = mime_parse(a, letter);
    assert_str(l->plain_raw, S("the text\r\n-- "));
    assert_str(l->html_raw, S("<p>\r\n--\r\n"));
    arena_free(a);
    check_cuts(letter);
}

/* RFC 2046 §5.1.2 with boundaries of the greatest length, lines beyond the head, and long padding. */
static void test_long_boundary(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct buf *b = buf_in(a, 1 << 20);
    char *name = arena_alloc(a, LIMIT_BOUNDARY + 1);
    for (size_t n = LIMIT_BOUNDARY; n <= LIMIT_BOUNDARY + 1; n++) {
        memset(name, 'b', n);
        buf_clear(b);
        buf_lit(b, "Content-Type: multipart/mixed; boundary=\"");
        buf_add(b, str_of(name, n));
        buf_lit(b, "\"\r\n\r\n--");
        buf_add(b, str_of(name, n));
        for (int i = 0; i < 500; i++) buf_char(b, ' ');
        buf_lit(b, "\r\nSubject: ");
        for (int i = 0; i < 1500; i++) buf_char(b, 'y');
        buf_lit(b, "\r\n\r\ntext\r\n--");
        buf_add(b, str_of(name, n - 1));
        buf_lit(b, "\r\n--");
        buf_add(b, str_of(name, n));
        buf_lit(b, "--\r\n");
        struct mime_letter *l = mime_parse(a, buf_str(b));
        assert_int_equal(l->parts, n == LIMIT_BOUNDARY ? 2 : 1);
        if (l->parts == 2) assert_int_equal(l->root->first->body_size, 4 + 2 + 2 + n - 1);
        struct str whole = parse_whole(a, buf_str(b));
        for (size_t step = 1; step < 3000; step += 97) assert_str(parse_cut(a, buf_str(b), 0, step), whole);
    }
    arena_free(a);
}

static void test_attachments(void **state)
{
    (void)state;
    static const struct {
        struct str header;
        bool attachment;
    } table[] = {
        {S_INIT(""), false},
        {S_INIT("Content-Type: text/html\n"), false},
        {S_INIT("Content-Type: text/plain; name=x.txt\n"), true},
        {S_INIT("Content-Disposition: attachment\n"), true},
        {S_INIT("Content-Disposition: inline\n"), false},
        {S_INIT("Content-Type: application/pdf\n"), true},
        {S_INIT("Content-Type: image/png\nContent-Disposition: inline\n"), true},
        {S_INIT("Content-Type: multipart/mixed; boundary=b\nContent-Disposition: attachment\n"), false},
        {S_INIT("Content-Type: message/rfc822\n"), true},
        {S_INIT("Content-Type: message/delivery-status\n"), false},
        {S_INIT("Content-Type: application/pgp-signature; name=signature.asc\nContent-Disposition: attachment\n"),
         false},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct arena *a = arena_new(NULL, 0);
        assert_int_equal(mime_is_attachment(mime_parse(a, table[i].header)->root), table[i].attachment);
        arena_free(a);
    }
    struct arena *a = arena_new(NULL, 0);
    struct mime_letter *l =
        mime_parse(a, S("Content-Type: multipart/related; boundary=b\n\n--b\n\n--b\nContent-Type: image/png; name=a\n"
                        "Content-ID: <1>\n\n--b\nContent-Type: image/png\n\n--b--\n"));
    assert_false(mime_is_attachment(l->root->first->next));
    assert_true(mime_is_attachment(l->root->first->next->next));
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trees),         cmocka_unit_test(test_fields),      cmocka_unit_test(test_traits),
        cmocka_unit_test(test_preview_bytes), cmocka_unit_test(test_long_boundary), cmocka_unit_test(test_attachments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
