/* Derived data: what comes out of a letter, IMAP's views of it, blobs read back, cut and broken. */
#include "proto/mime/derive.h"

#include "base/test.h"
#include "base/utf8.h"
#include "proto/mime/test_tree.h"

static const struct str letter_text = S_INIT(
    "Received: from x\r\nDate: Sun, 22 Nov 2026 02:30:00 +0100\r\nSubject: Re: [list] =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    "From: \"Terry \\\"T\\\" Gray\" <gray@cac.test>\r\nTo: A Group: imap@cac.test, =?utf-8?q?J=C3=B6rg?= <j@x>;\r\n"
    "Cc: minutes@cnri.test\r\n"
    "Message-ID: <m1@cac.test>\r\nReferences: <r1@x> <r2@x>\r\nIn-Reply-To: <r2@x>\r\n"
    "Content-Type: multipart/mixed; boundary=b; x=\"\xC3\xA4\"\r\nContent-Language: en\r\n\r\n"
    "--b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n"
    "--c\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    "Hello =\r\n  World,\r\n\r\nit is =C3=A4.\r\n"
    "--c\r\nContent-Type: text/html\r\n\r\n<p>Hello\r\n--c--\r\n"
    "--b\r\nContent-Type: application/pdf; name=\"a b.pdf\"\r\nContent-Transfer-Encoding: base64\r\n"
    "Content-ID: <1@x>\r\n"
    "Content-Description: a \"paper\"\r\nContent-MD5: abc\r\n"
    "Content-Disposition: attachment; filename*=utf-8''%C3%A4.pdf\r\nContent-Location: http://x\r\n\r\nAAAA\r\n\r\n"
    "--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: in@side\r\nSubject: inner\r\n\r\ntext\r\n--b--\r\n");

static struct mime_derived derive(struct arena *a, struct str letter) { return mime_derive(a, mime_parse(a, letter)); }

static void test_values(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct mime_derived d = derive(a, letter_text);
    assert_str(d.subject, S("Re: [list] Gr\xC3\xBC\xC3\x9F"
                            "e"));
    assert_str(d.base_subject, S("Gr\xC3\xBC\xC3\x9F"
                                 "e"));
    assert_true(d.is_reply && d.has_date && d.has_attachment);
    assert_int_equal(d.sent.utc, SECONDS(1795311000));
    assert_int_equal(d.sent.offset, 60);
    assert_str(d.message_id, S("m1@cac.test"));
    assert_int_equal(d.n_references, 2);
    assert_str(d.references[1], S("r2@x"));
    assert_str(d.preview, S("Hello World, it is \xC3\xA4."));
    assert_int_equal(d.parts, 7);

    d = derive(a, S("In-Reply-To: <p@x> <q@x>\r\nContent-Type: text/html\r\n\r\n<style>x</style><b>Only</b> HTML"));
    assert_int_equal(d.n_references, 1); /* RFC 5256 §2.2 */
    assert_str(d.references[0], S("p@x"));
    assert_str(d.preview, S("Only HTML"));
    assert_true(!d.has_date && !d.has_attachment && str_is_none(d.message_id));

    d = derive(a, S(""));
    assert_str(d.subject, S(""));
    assert_str(d.preview, S(""));
    assert_int_equal(d.parts, 1);

    struct buf *b = buf_in(a, 10000);
    buf_lit(b, "\r\n");
    for (int i = 0; i < 300; i++) buf_lit(b, "\xC3\xA4 ");
    d = derive(a, buf_str(b));
    assert_int_equal(utf8_count(d.preview), LIMIT_PREVIEW - 1); /* the 256th would be a blank */
    arena_free(a);
}

static void assert_imap(struct str letter, const char *envelope, const char *body, const char *bodystructure)
{
    struct arena *a = arena_new(NULL, 0);
    struct mime_derived d = derive(a, letter);
    struct buf *b = buf_in(a, 1 << 16);
    if (envelope) {
        assert_int_equal(mime_put_imap_envelope(b, d.envelope, false), 0);
        assert_str(buf_str(b), str_c(envelope));
    }
    buf_clear(b);
    assert_int_equal(mime_put_imap_bodystructure(b, d.structure, false, false), 0);
    if (body) assert_str(buf_str(b), str_c(body));
    buf_clear(b);
    assert_int_equal(mime_put_imap_bodystructure(b, d.structure, true, false), 0);
    if (bodystructure) assert_str(buf_str(b), str_c(bodystructure));
    arena_free(a);
}

static void test_imap(void **state)
{
    (void)state;
    assert_imap(
        letter_text,
        "(\"Sun, 22 Nov 2026 02:30:00 +0100\" \"Re: [list] =?utf-8?q?Gr=C3=BC=C3=9Fe?=\" "
        "((\"Terry \\\"T\\\" Gray\" NIL \"gray\" \"cac.test\")) ((\"Terry \\\"T\\\" Gray\" NIL \"gray\" \"cac.test\")) "
        "((\"Terry \\\"T\\\" Gray\" NIL \"gray\" \"cac.test\")) "
        "((NIL NIL \"A Group\" NIL)(NIL NIL \"imap\" \"cac.test\")(\"=?utf-8?q?J=C3=B6rg?=\" NIL \"j\" \"x\")(NIL "
        "NIL NIL NIL)) "
        "((NIL NIL \"minutes\" \"cnri.test\")) NIL \"<r2@x>\" \"<m1@cac.test>\")",
        "(((\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"quoted-printable\" 34 4)(\"text\" \"html\" NIL NIL "
        "NIL \"7bit\" 8 1) \"alternative\")"
        "(\"application\" \"pdf\" (\"name\" \"a b.pdf\") \"<1@x>\" \"a \\\"paper\\\"\" \"base64\" 6)"
        "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 37 (NIL \"inner\" ((NIL NIL \"in\" \"side\")) ((NIL NIL "
        "\"in\" \"side\")) "
        "((NIL NIL \"in\" \"side\")) NIL NIL NIL NIL NIL) (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL "
        "\"7bit\" 4 1) 4) \"mixed\")",
        "(((\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"quoted-printable\" 34 4 NIL NIL NIL NIL)"
        "(\"text\" \"html\" NIL NIL NIL \"7bit\" 8 1 NIL NIL NIL NIL) \"alternative\" (\"boundary\" \"c\") NIL NIL NIL)"
        "(\"application\" \"pdf\" (\"name\" \"a b.pdf\") \"<1@x>\" \"a \\\"paper\\\"\" \"base64\" 6 \"abc\" "
        "(\"attachment\" (\"filename*\" \"utf-8''%C3%A4.pdf\")) NIL \"http://x\")"
        "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 37 (NIL \"inner\" ((NIL NIL \"in\" \"side\")) ((NIL NIL "
        "\"in\" \"side\")) "
        "((NIL NIL \"in\" \"side\")) NIL NIL NIL NIL NIL) (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL "
        "\"7bit\" 4 1 NIL NIL NIL NIL) 4 "
        "NIL NIL NIL NIL) \"mixed\" (\"boundary\" \"b\" \"x*\" \"utf-8''%C3%A4\") NIL (\"en\") NIL)");
    assert_imap(S("Subject: caf\xC3\xA9\r\nFrom: <@r,@s:a@b>, \"\" <c@d>\r\nSender:\r\nReply-To: x\r\nDate:\r\n\r\n"),
                "(\"\" \"=?utf-8?q?caf=C3=A9?=\" ((NIL \"@r,@s\" \"a\" \"b\")(\"\" NIL \"c\" \"d\")) "
                "((NIL \"@r,@s\" \"a\" \"b\")(\"\" NIL \"c\" \"d\")) "
                "((NIL NIL \"x\" \"\")) NIL NIL NIL NIL NIL)",
                NULL, NULL);
    assert_imap(S("Content-Type: multipart/mixed; boundary=b\r\n\r\nno part"), NULL,
                "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0) \"mixed\")", NULL);
    assert_imap(S("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA"), NULL,
                "(\"application\" \"octet-stream\" NIL NIL NIL \"base64\" 4)", NULL);
    assert_imap(S("Content-Type: x/y; a=\"b\\\"c\"\r\nContent-Transfer-Encoding: x-uue\r\n\r\n"), NULL,
                "(\"x\" \"y\" (\"a\" \"b\\\"c\") NIL NIL \"x-uue\" 0)", NULL);
    struct arena *a = arena_new(NULL, 0);
    struct buf *b = buf_in(a, 1000);
    static const struct {
        struct str letter;
        bool utf8;
        const char *envelope;
    } words[] = {
        {S_INIT("Subject: a\0b\r\n\r\n"), false, "(NIL {3}\r\na\x80" "b NIL"},
        {S_INIT("Subject: a\0b\xFF\r\n\r\n"), true, "(NIL {4}\r\na\x80" "b\xFF NIL"},
        {S_INIT("Subject: b\xE9\r\n\r\n"), false, "(NIL \"=?utf-8?b?YsOp?=\" NIL"},
        {S_INIT("Subject: caf\xC3\xA9\r\n\r\n"), true, "(NIL \"caf\xC3\xA9\" NIL"},
        {S_INIT("From: \"J\xC3\xB6rg \\\"X\" <j@x>\r\n\r\n"), true, "(NIL NIL ((\"J\xC3\xB6rg \\\"X\" NIL"},
        {S_INIT("From: J\xC3\xB6rg <j@x>\r\n\r\n"), false, "(NIL NIL ((\"=?utf-8?q?J=C3=B6rg?=\" NIL"},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        buf_clear(b);
        assert_int_equal(mime_put_imap_envelope(b, derive(a, words[i].letter).envelope, words[i].utf8), 0);
        assert_str(str_head(buf_str(b), strlen(words[i].envelope)), str_c(words[i].envelope));
    }
    arena_free(a);
}

/* The tree read back is the tree that was parsed. */
static void test_read_back(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct mime_letter *l = mime_parse(a, letter_text);
    struct mime_derived d = mime_derive(a, l);
    struct mime_part *root;
    assert_int_equal(mime_structure_read(a, d.structure, &root), 0);
    struct buf *was = buf_in(a, 1 << 16), *is = buf_in(a, 1 << 16);
    for (const struct mime_part *p = l->root; p; p = mime_next(p)) tree_put_part(was, p, false);
    for (const struct mime_part *p = root; p; p = mime_next(p)) tree_put_part(is, p, false);
    assert_str(buf_str(is), buf_str(was));

    struct mime_envelope e;
    assert_int_equal(mime_envelope_read(a, d.envelope, &e), 0);
    assert_str(e.subject, S("Re: [list] =?utf-8?q?Gr=C3=BC=C3=9Fe?="));
    assert_int_equal(e.to.n, 4);
    assert_int_equal(e.to.mailboxes, 2);
    assert_str(imf_display_name(a, &e.to.v[2]), S("J\xC3\xB6rg"));
    assert_true(e.bcc.n == 0 && e.sender.n == 0);
    const struct mime_part *inner = root->first->next->next->first;
    assert_int_equal(mime_envelope_read(a, inner->envelope, &e), 0);
    assert_str(e.subject, S("inner"));
    arena_free(a);
}

/* Blobs cut at every byte, and with every byte changed, are refused or read as something; nothing worse. */
static void test_broken_blobs(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0), *tmp = arena_new(a, 0);
    struct mime_derived d = derive(a, letter_text);
    const struct str blobs[] = {d.envelope, d.structure};
    for (int which = 0; which < 2; which++)
        for (size_t at = 0; at < blobs[which].n; at++)
            for (int change = 0; change < 4; change++) {
                char *own = arena_alloc(tmp, blobs[which].n);
                struct str blob = {own, change ? blobs[which].n : at};
                struct mime_envelope e;
                struct mime_part *root;
                struct buf *b = buf_in(tmp, 1 << 20);
                memcpy(own, blobs[which].p, blob.n);
                if (change) own[at] = (char)(change == 1 ? own[at] ^ 0x80 : change == 2 ? 0xFF : own[at] + 1);
                int read = which ? mime_structure_read(tmp, blob, &root) : mime_envelope_read(tmp, blob, &e);
                int put = which ? mime_put_imap_bodystructure(b, blob, true, change == 1)
                                : mime_put_imap_envelope(b, blob, change == 1);
                if (!change) assert_true(read == ERR_CORRUPT && put == ERR_CORRUPT && b->n == 0);
                if (at == 0 && change == 3) assert_true(read == ERR_TOO_NEW && put == ERR_TOO_NEW);
                arena_reset(tmp);
            }
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_imap),
        cmocka_unit_test(test_read_back),
        cmocka_unit_test(test_broken_blobs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
