/* A whole letter from its parts (RFC 5322 §3.6, RFC 2046 §5.1). */
#include "base/utf8.h"
#include "proto/imf/encoded_word.h"
#include "proto/mime/write.h"

/* Bytes that would end or forge a field stand in no address, id or file we write. */
static bool is_clean(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == 127) return false;
    return utf8_valid(s);
}

static bool addresses_ok(const struct mime_mailbox *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct str d = v[i].address.domain;
        if (v[i].address.local.n == 0 || !is_clean(v[i].address.local) || !is_clean(d)) return false;
        for (size_t k = 0; k < d.n; k++)
            if (strchr("<>()@,; \"\\", d.p[k])) return false;
    }
    return true;
}

static bool ids_ok(const struct str *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (v[i].n == 0 || v[i].n > 900 || !is_clean(v[i]) || str_find_char(v[i], '>') < v[i].n ||
            str_find_char(v[i], '<') < v[i].n || str_find_char(v[i], ' ') < v[i].n)
            return false;
    return true;
}

static bool all_ok(const struct mime_compose *m)
{
    for (size_t i = 0; i < m->n_attachments; i++)
        if (m->attachments[i].content_id.n && !ids_ok(&m->attachments[i].content_id, 1)) return false;
    return addresses_ok(m->from, m->n_from) && addresses_ok(m->sender, m->sender != NULL) &&
           addresses_ok(m->reply_to, m->n_reply_to) && addresses_ok(m->to, m->n_to) && addresses_ok(m->cc, m->n_cc) &&
           addresses_ok(m->bcc, m->n_bcc) && ids_ok(&m->message_id, m->message_id.n > 0) &&
           ids_ok(m->references, m->n_references);
}

static void put_header(struct buf *b, const struct mime_compose *m)
{
    buf_lit(b, "Date: ");
    time_put_rfc5322(b, m->date, m->offset);
    buf_lit(b, "\r\n");
    if (m->n_from) mime_put_mailboxes(b, S("From"), m->from, m->n_from);
    if (m->sender) mime_put_mailboxes(b, S("Sender"), m->sender, 1);
    if (m->n_reply_to) mime_put_mailboxes(b, S("Reply-To"), m->reply_to, m->n_reply_to);
    if (m->n_to) mime_put_mailboxes(b, S("To"), m->to, m->n_to);
    if (m->n_cc) mime_put_mailboxes(b, S("Cc"), m->cc, m->n_cc);
    if (m->n_bcc) mime_put_mailboxes(b, S("Bcc"), m->bcc, m->n_bcc);
    if (m->message_id.n) mime_put_ids(b, S("Message-ID"), &m->message_id, 1);
    if (m->n_references) {
        mime_put_ids(b, S("In-Reply-To"), m->references + m->n_references - 1, 1);
        mime_put_ids(b, S("References"), m->references, m->n_references);
    }
    mime_put_field(b, S("Subject"), m->subject);
    buf_lit(b, "MIME-Version: 1.0\r\n");
    buf_add(b, m->extra);
}

static void put_multipart(struct buf *b, struct str subtype, const struct mime_boundary *bound)
{
    buf_lit(b, "Content-Type: multipart/");
    buf_add(b, subtype);
    buf_lit(b, ";\r\n\tboundary=\"");
    buf_add(b, str_of(bound->text, bound->n));
    buf_lit(b, "\"\r\n\r\n");
}

static void put_words(struct buf *b, const struct mime_compose *m, struct str text, struct str html)
{
    if (html.n == 0) {
        mime_put_text(b, S("plain"), text);
    } else if (text.n == 0) {
        mime_put_text(b, S("html"), html);
    } else {
        struct mime_boundary inner = mime_boundary_of(m->seed, 1);
        put_multipart(b, S("alternative"), &inner);
        mime_put_boundary(b, &inner, false);
        mime_put_text(b, S("plain"), text);
        buf_lit(b, "\r\n");
        mime_put_boundary(b, &inner, false);
        mime_put_text(b, S("html"), html);
        buf_lit(b, "\r\n");
        mime_put_boundary(b, &inner, true);
    }
}

static int to_utf8(struct buf *out, struct str charset, struct str text)
{
    return charset_to_utf8(out, charset.n ? charset : S("utf-8"), text, SIZE_MAX);
}

int mime_compose(struct buf *b, const struct mime_compose *m)
{
    if (!all_ok(m)) return ERR_SYNTAX;
    if (m->charset.n && !charset_known(m->charset)) return ERR_UNSUPPORTED;
    struct buf text = BUF(m->text.n * 4 + 16), html = BUF(m->html.n * 4 + 16);
    to_utf8(&text, m->charset, m->text);
    to_utf8(&html, m->charset, m->html);
    put_header(b, m);
    if (m->n_attachments == 0) {
        put_words(b, m, buf_str(&text), buf_str(&html));
    } else {
        struct mime_boundary outer = mime_boundary_of(m->seed, 0);
        put_multipart(b, S("mixed"), &outer);
        mime_put_boundary(b, &outer, false);
        put_words(b, m, buf_str(&text), buf_str(&html));
        for (size_t i = 0; i < m->n_attachments; i++) {
            buf_lit(b, "\r\n");
            mime_put_boundary(b, &outer, false);
            mime_put_attachment(b, &m->attachments[i]);
        }
        buf_lit(b, "\r\n");
        mime_put_boundary(b, &outer, true);
    }
    int failed = b->failed | text.failed | html.failed;
    buf_free(&text);
    buf_free(&html);
    return failed ? ERR_TOO_LONG : 0;
}
