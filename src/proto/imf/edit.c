/* Taking fields out and putting fields on top; all between is copied in whole stretches. */
#include "proto/imf/edit.h"

#include "proto/imf/field.h"

static size_t skip_cfws(struct str s, size_t i)
{
    size_t depth = 0;
    for (; i < s.n; i++) {
        char c = s.p[i];
        if (depth && c == '\\') i++;
        else if (c == '(') depth++;
        else if (depth && c == ')') depth--;
        else if (!depth && !ch_space(c) && c != '\r' && c != '\n') return i;
    }
    return s.n;
}

/* authserv-id = value, that is token / quoted-string (RFC 8601 §2.2, RFC 2045 §5.1) */
bool imf_is_authserv_id(struct str body, struct str id)
{
    size_t i = skip_cfws(body, 0), matched = 0;
    bool quoted = i < body.n && body.p[i] == '"';
    for (i += quoted; i < body.n; i++) {
        char c = body.p[i];
        if (quoted ? c == '"' : ch_space(c) || c == '\r' || c == '\n' || c == ';' || c == '(') break;
        if (quoted && c == '\\' && i + 1 < body.n) c = body.p[++i];
        if (matched >= id.n || ch_lower(c) != ch_lower(id.p[matched])) return false;
        matched++;
    }
    return matched == id.n;
}

static bool is_removed(const struct imf_edit *e, const struct imf_field *f)
{
    for (size_t i = 0; i < e->removes; i++)
        if (str_ieq(f->name, e->remove[i])) return true;
    return e->authserv_id.n && str_ieq(f->name, S("Authentication-Results")) &&
           imf_is_authserv_id(f->body, e->authserv_id);
}

static void put_additions(struct buf *out, const struct imf_edit *e, const struct imf_edited *r)
{
    buf_add(out, e->prepend);
    if (r->added_message_id) {
        buf_lit(out, "Message-ID: <");
        buf_add(out, e->add_message_id);
        buf_lit(out, ">\r\n");
    }
    if (r->added_date) {
        buf_lit(out, "Date: ");
        time_put_rfc5322(out, e->now, e->offset);
        buf_lit(out, "\r\n");
    }
}

struct imf_edited imf_edit_header(struct buf *out, struct str letter, const struct imf_edit *e)
{
    struct imf_header h = imf_header_of(letter);
    struct str fields = str_head(letter, h.size);
    struct imf_edited r = {.header = h.body, .added_date = e->add_date, .added_message_id = e->add_message_id.n > 0};
    struct imf_fields walk = {.text = fields};
    struct imf_field f;
    while (imf_next_field(&walk, &f)) { /* what is removed does not count as being there */
        if (is_removed(e, &f)) continue;
        if (str_ieq(f.name, S("Date"))) r.added_date = false;
        if (str_ieq(f.name, S("Message-ID"))) r.added_message_id = false;
    }
    put_additions(out, e, &r);

    size_t from = 0;
    bool first = true;
    walk = (struct imf_fields){.text = fields};
    for (; imf_next_field(&walk, &f); first = false) {
        if (first) from = f.at; /* an mbox line above would end the header below what is added */
        if (!is_removed(e, &f)) continue;
        buf_add(out, str_sub(fields, from, f.at));
        from = f.end;
        r.removed++;
    }
    if (first) from = fields.n;
    buf_add(out, str_skip(fields, from));
    if (from < fields.n && fields.p[fields.n - 1] != '\n') buf_lit(out, "\r\n");
    if (h.separated) buf_add(out, str_sub(letter, h.size, h.body));
    else buf_lit(out, "\r\n");
    return r;
}
