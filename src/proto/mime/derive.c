/* Derived data: envelope and structure as blobs, and what threads, sorts and previews a letter. */
#include "proto/mime/derive.h"

#include "proto/imf/message_id.h"
#include "proto/imf/subject.h"
#include "proto/mime/blob.h"
#include "proto/mime/decode.h"

/* --- envelope: version, date, subject, in-reply-to, message-id, then six address lists, each a string of its own ---
 */

static void put_address(struct buf *b, const struct imf_address *m)
{
    unsigned flags = (unsigned)m->kind | (str_is_none(m->name) ? 0u : HAS_NAME) |
                     (str_is_none(m->route) ? 0u : HAS_ROUTE) | (m->local.n ? HAS_LOCAL : 0u) |
                     (m->domain.n ? HAS_DOMAIN : 0u);
    blob_put_number(b, flags);
    if (flags & HAS_NAME) blob_put_str(b, m->name);
    if (flags & HAS_ROUTE) blob_put_str(b, m->route);
    if (flags & HAS_LOCAL) blob_put_str(b, m->local);
    if (flags & HAS_DOMAIN) blob_put_str(b, m->domain);
}

static void put_list(struct arena *a, struct buf *b, struct buf *list, struct str body)
{
    struct imf_address_list l = str_is_none(body) ? (struct imf_address_list){0} : imf_addresses(a, body);
    buf_clear(list);
    for (size_t i = 0; i < l.n; i++) put_address(list, &l.v[i]);
    blob_put_str(b, buf_str(list));
}

static void put_envelope(struct arena *a, struct buf *b, struct buf *scratch, const struct mime_fields *f)
{
    blob_put_number(b, MIME_DERIVED_VERSION);
    blob_put_str(b, f->date);
    blob_put_str(b, f->subject);
    blob_put_str(b, f->in_reply_to);
    blob_put_str(b, f->message_id);
    const struct str lists[] = {f->from, f->sender, f->reply_to, f->to, f->cc, f->bcc};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) put_list(a, b, scratch, lists[i]);
}

static struct imf_address_list read_list(struct arena *a, struct blob *in)
{
    struct imf_address_list l = {0};
    struct blob r = {blob_str(in), false};
    for (struct blob count = r; count.rest.n && !count.bad; l.n++) {
        uint64_t flags = blob_number(&count);
        for (uint64_t has = HAS_NAME; has <= HAS_DOMAIN; has *= 2)
            if (flags & has) blob_str(&count);
    }
    l.v = arena_array(a, l.n, sizeof *l.v);
    for (size_t i = 0; i < l.n; i++) {
        uint64_t flags = blob_number(&r);
        struct imf_address *m = &l.v[i];
        m->kind = (enum imf_address_kind)(flags & 3);
        if (flags & HAS_NAME) m->name = blob_str(&r);
        if (flags & HAS_ROUTE) m->route = blob_str(&r);
        if (flags & HAS_LOCAL) m->local = blob_str(&r);
        if (flags & HAS_DOMAIN) m->domain = blob_str(&r);
        l.mailboxes += m->kind == IMF_MAILBOX;
    }
    in->bad |= r.bad;
    return l;
}

static int version_of(struct blob *r)
{
    uint64_t version = blob_number(r);
    if (r->bad || version == 0) return ERR_CORRUPT;
    return version > MIME_DERIVED_VERSION ? ERR_TOO_NEW : 0;
}

int mime_envelope_read(struct arena *a, struct str blob, struct mime_envelope *out)
{
    struct blob r = {blob, false};
    int bad = version_of(&r);
    if (bad) return bad;
    *out = (struct mime_envelope){0};
    out->date = blob_str(&r);
    out->subject = blob_str(&r);
    out->in_reply_to = blob_str(&r);
    out->message_id = blob_str(&r);
    struct imf_address_list *lists[] = {&out->from, &out->sender, &out->reply_to, &out->to, &out->cc, &out->bcc};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) *lists[i] = read_list(a, &r);
    return r.bad || r.rest.n ? ERR_CORRUPT : 0;
}

/* --- structure: version, then each part before its children. See put_part for the order of a part. --- */

struct writer {
    struct arena *a;
    struct buf *b, *list, *envelope;
};

static void put_params(struct buf *b, struct mime_params p)
{
    blob_put_number(b, p.n);
    for (size_t i = 0; i < p.n; i++) {
        blob_put_str(b, p.v[i].name);
        blob_put_str(b, p.v[i].value);
    }
}

static void put_extra(struct buf *b, const struct mime_extra *e)
{
    blob_put_str(b, e->id);
    blob_put_str(b, e->description);
    blob_put_str(b, e->encoding);
    blob_put_str(b, e->md5);
    blob_put_str(b, e->disposition);
    put_params(b, e->disposition_params);
    blob_put_number(b, e->n_languages);
    for (size_t i = 0; i < e->n_languages; i++) blob_put_str(b, e->languages[i]);
    blob_put_str(b, e->location);
}

static bool has_extra(const struct mime_extra *e)
{
    return e->id.p || e->description.p || e->encoding.p || e->md5.p || e->disposition.p || e->n_languages ||
           e->location.p;
}

static void put_part(struct writer *w, const struct mime_part *part)
{
    bool extra = has_extra(part->extra), letter = part->parent && part->fields;
    blob_put_number(w->b, (unsigned)part->kind | (unsigned)part->encoding << ENCODING_SHIFT | (extra ? IS_EXTRA : 0u) |
                              (letter ? IS_LETTER : 0u));
    blob_put_number(w->b, part->header_at);
    blob_put_number(w->b, part->header_size);
    blob_put_number(w->b, part->body_size);
    blob_put_number(w->b, part->lines);
    blob_put_str(w->b, part->type);
    blob_put_str(w->b, part->subtype);
    put_params(w->b, part->params);
    if (extra) put_extra(w->b, part->extra);
    if (letter) {
        buf_clear(w->envelope);
        put_envelope(w->a, w->envelope, w->list, part->fields);
        blob_put_str(w->b, buf_str(w->envelope));
    }
    if (part->kind == MIME_LEAF) return;
    size_t children = 0;
    for (const struct mime_part *c = part->first; c; c = c->next) children++;
    blob_put_number(w->b, children);
}

static struct str structure_of(struct writer *w, const struct mime_part *root)
{
    w->b = buf_in(w->a, MIME_STRUCTURE_MAX);
    blob_put_number(w->b, MIME_DERIVED_VERSION);
    for (const struct mime_part *p = root; p; p = mime_next(p)) put_part(w, p);
    if (w->b->failed) { /* the parser's limits keep it from happening; the letter stays readable if they ever change */
        struct mime_part leaf = *root;
        leaf.kind = MIME_LEAF;
        leaf.type = S("application");
        leaf.subtype = S("octet-stream");
        leaf.params.n = 0;
        buf_clear(w->b);
        blob_put_number(w->b, MIME_DERIVED_VERSION);
        put_part(w, &leaf);
    }
    return buf_str(w->b);
}

/* Counts come from the blob: each thing counted takes at least `least` bytes of it. */
static size_t read_count(struct blob *r, size_t least)
{
    uint64_t n = blob_number(r);
    if (n <= r->rest.n / least) return (size_t)n;
    r->bad = true;
    return 0;
}

static struct mime_params read_params(struct arena *a, struct blob *r)
{
    size_t n = read_count(r, 2);
    struct mime_param *v = n ? arena_array(a, n, sizeof *v) : NULL;
    for (size_t i = 0; i < n; i++) {
        v[i].name = blob_str(r);
        v[i].value = blob_str(r);
    }
    return (struct mime_params){v, n};
}

static const struct mime_extra *read_extra(struct arena *a, struct blob *r)
{
    struct mime_extra *e = arena_new_of(a, struct mime_extra);
    e->id = blob_str(r);
    e->description = blob_str(r);
    e->encoding = blob_str(r);
    e->md5 = blob_str(r);
    e->disposition = blob_str(r);
    e->disposition_params = read_params(a, r);
    e->n_languages = read_count(r, 1);
    struct str *languages = e->n_languages ? arena_array(a, e->n_languages, sizeof *languages) : NULL;
    for (size_t i = 0; i < e->n_languages; i++) languages[i] = blob_str(r);
    e->languages = languages;
    e->location = blob_str(r);
    return e;
}

/* The numbers every part begins with. */
static unsigned read_numbers(struct blob *r, struct mime_part *part)
{
    unsigned flags = (unsigned)blob_number(r);
    part->kind = (enum mime_kind)(flags & 3);
    part->encoding = (enum mime_encoding)(flags >> ENCODING_SHIFT & ENCODING_MASK);
    if (part->kind > MIME_MESSAGE || part->encoding > MIME_OTHER_ENCODING || flags > 127) r->bad = true;
    part->header_at = blob_number(r);
    part->header_size = blob_number(r);
    part->body_at = part->header_at + part->header_size;
    part->body_size = blob_number(r);
    part->lines = blob_number(r);
    return flags;
}

static struct mime_part *read_part(struct arena *a, struct blob *r, size_t *children)
{
    static const struct mime_extra no_extra;
    struct mime_part *part = arena_new_of(a, struct mime_part);
    unsigned flags = read_numbers(r, part);
    part->type = blob_str(r);
    part->subtype = blob_str(r);
    part->params = read_params(a, r);
    part->extra = flags & IS_EXTRA ? read_extra(a, r) : &no_extra;
    if (flags & IS_LETTER) part->envelope = blob_str(r);
    *children = part->kind == MIME_LEAF ? 0 : read_count(r, 7);
    return part;
}

int mime_structure_root(struct str blob, struct mime_part *root)
{
    struct blob r = {blob, false};
    int bad = version_of(&r);
    if (bad) return bad;
    *root = (struct mime_part){0};
    read_numbers(&r, root);
    return r.bad ? ERR_CORRUPT : 0;
}

int mime_structure_read(struct arena *a, struct str blob, struct mime_part **root)
{
    struct blob r = {blob, false};
    int bad = version_of(&r);
    if (bad) return bad;
    size_t left[LIMIT_MIME_DEPTH + 1], depth = 0; /* children still to come, of each part around */
    struct mime_part *around = NULL, *before = NULL;
    for (;;) {
        size_t children;
        struct mime_part *part = read_part(a, &r, &children);
        if (r.bad) return ERR_CORRUPT;
        part->parent = around;
        if (before) before->next = part;
        else if (around) around->first = part;
        else *root = part;
        before = part;
        if (children) {
            if (depth == LIMIT_MIME_DEPTH) return ERR_CORRUPT;
            left[depth++] = children;
            around = part;
            before = NULL;
            continue;
        }
        while (depth && --left[depth - 1] == 0) {
            depth--;
            before = around;
            around = around->parent;
        }
        if (depth == 0) return r.rest.n ? ERR_CORRUPT : 0;
    }
}

/* --- the rest --- */

/* RFC 8970: the first words a person would read. */
static struct str preview_of(struct arena *a, const struct mime_letter *letter)
{
    enum { RAW_ENOUGH = LIMIT_PREVIEW * 16, TEXT_ENOUGH = LIMIT_PREVIEW * 8 };
    struct buf *text = buf_in(a, LIMIT_PREVIEW_RAW * 3), *out = buf_in(a, LIMIT_PREVIEW * 4 + 8);
    if (letter->plain) {
        mime_decode_text(a, letter->plain, str_head(letter->plain_raw, RAW_ENOUGH), TEXT_ENOUGH, text);
        mime_collapse(buf_str(text), LIMIT_PREVIEW, out);
    }
    if (out->n == 0 && letter->html) {
        struct buf *words = buf_in(a, LIMIT_PREVIEW_RAW);
        buf_clear(text);
        mime_decode_text(a, letter->html, letter->html_raw, LIMIT_PREVIEW_RAW * 2, text);
        mime_html_text(buf_str(text), TEXT_ENOUGH, words);
        mime_collapse(buf_str(words), LIMIT_PREVIEW, out);
    }
    return buf_str(out);
}

static void take_references(struct arena *a, struct mime_derived *d, const struct mime_fields *f)
{
    struct imf_ids ids = imf_message_ids(a, f->references, LIMIT_REFERENCES);
    if (ids.n == 0) ids = imf_message_ids(a, f->in_reply_to, 1); /* RFC 5256 §2.2 */
    d->references = ids.v;
    d->n_references = ids.n;
}

struct mime_derived mime_derive(struct arena *a, const struct mime_letter *letter)
{
    const struct mime_fields *f = letter->root->fields;
    struct mime_derived d = {.parts = (uint32_t)letter->parts};
    struct writer w = {a, NULL, buf_in(a, MIME_ENVELOPE_MAX), buf_in(a, MIME_ENVELOPE_MAX)};
    put_envelope(a, w.envelope, w.list, f);
    d.envelope = arena_str(a, buf_str(w.envelope)); /* the buffer serves nested letters next */
    d.structure = structure_of(&w, letter->root);

    struct imf_subject subject = imf_subject_parse(a, f->subject);
    d.subject = subject.text;
    d.base_subject = subject.base;
    d.is_reply = subject.reply;
    d.has_date = imf_date_parse(f->date, &d.sent) == 0;
    d.message_id = imf_message_id(a, f->message_id);
    take_references(a, &d, f);
    d.preview = preview_of(a, letter);
    for (const struct mime_part *p = letter->root; p && !d.has_attachment; p = mime_next(p))
        d.has_attachment = mime_is_attachment(p);
    return d;
}
