/* For the tests of the MIME parser: a letter's tree as text, one line a part. */
#ifndef PROTO_MIME_TEST_TREE_H
#define PROTO_MIME_TEST_TREE_H

#include "base/buf.h"
#include "proto/mime/params.h"
#include "proto/mime/parse.h"

static inline void tree_put_str(struct buf *b, const char *name, struct str s)
{
    if (str_is_none(s)) return;
    buf_char(b, ' ');
    buf_add(b, str_c(name));
    buf_lit(b, "='");
    buf_add(b, s);
    buf_char(b, '\'');
}

static inline void tree_put_params(struct buf *b, struct mime_params p)
{
    for (size_t i = 0; i < p.n; i++) {
        buf_lit(b, "; ");
        buf_add(b, p.v[i].name);
        buf_char(b, '=');
        buf_add(b, p.v[i].value);
    }
}

static inline void tree_put_fields(struct buf *b, const struct mime_fields *f)
{
    if (!f) return;
    buf_lit(b, " {");
    tree_put_str(b, "date", f->date);
    tree_put_str(b, "subject", f->subject);
    tree_put_str(b, "from", f->from);
    tree_put_str(b, "sender", f->sender);
    tree_put_str(b, "reply-to", f->reply_to);
    tree_put_str(b, "to", f->to);
    tree_put_str(b, "cc", f->cc);
    tree_put_str(b, "bcc", f->bcc);
    tree_put_str(b, "in-reply-to", f->in_reply_to);
    tree_put_str(b, "message-id", f->message_id);
    tree_put_str(b, "references", f->references);
    buf_lit(b, " }");
}

static inline void tree_put_part(struct buf *b, const struct mime_part *p, bool fields)
{
    for (const struct mime_part *up = p->parent; up; up = up->parent) buf_lit(b, "  ");
    buf_add(b, p->kind == MIME_LEAF ? S("leaf ") : p->kind == MIME_MULTIPART ? S("multi ") : S("message "));
    buf_add(b, p->type);
    buf_char(b, '/');
    buf_add(b, p->subtype);
    tree_put_params(b, p->params);
    buf_printf(b, " | %.*s h=%llu+%llu b=%llu+%llu l=%llu", STR_FMT(mime_encoding_name(p->encoding)),
               (unsigned long long)p->header_at, (unsigned long long)p->header_size, (unsigned long long)p->body_at,
               (unsigned long long)p->body_size, (unsigned long long)p->lines);
    tree_put_str(b, "id", p->extra->id);
    tree_put_str(b, "desc", p->extra->description);
    tree_put_str(b, "enc", p->extra->encoding);
    tree_put_str(b, "md5", p->extra->md5);
    tree_put_str(b, "dsp", p->extra->disposition);
    tree_put_params(b, p->extra->disposition_params);
    for (size_t i = 0; i < p->extra->n_languages; i++) tree_put_str(b, "lang", p->extra->languages[i]);
    tree_put_str(b, "loc", p->extra->location);
    if (fields) tree_put_fields(b, p->fields);
    buf_lit(b, "\n");
}

/* The whole result, for comparing two parses. */
static inline void tree_put(struct buf *b, const struct mime_letter *l)
{
    for (const struct mime_part *p = l->root; p; p = mime_next(p)) tree_put_part(b, p, true);
    buf_printf(b, "parts=%zu size=%llu traits=%u truncated=%d", l->parts, (unsigned long long)l->size, l->traits,
               l->truncated);
    tree_put_str(b, "plain", l->plain ? l->plain_raw : STR_NONE);
    tree_put_str(b, "html", l->html ? l->html_raw : STR_NONE);
}

#endif
