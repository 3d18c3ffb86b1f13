/* A letter's words, part by part. The common cases (ASCII and UTF-8, 7bit and quoted-printable) copy once or twice; the
 * others go through the decoders that everybody uses. */
#include "proto/mime/text.h"

#include "base/utf8.h"
#include "proto/imf/encoded_word.h"
#include "proto/imf/field.h"
#include "proto/mime/decode.h"
#include "proto/mime/fold.h"

enum {
    TELL = 512 << 10,  /* bytes gathered before they are told */
    ROOM = 12 << 20,   /* of a piece in its normal form: a character may become ten times as long */
    READ = 32 << 10,
};

struct text_reader {
    struct fold fold;
    struct buf *bytes, *utf8, *plain, *field; /* a piece decoded, as UTF-8, without tags; a field decoded */
    struct buf *parts, *body;                 /* gathered, in the normal form */
};

struct text_reader *text_reader_new(struct arena *a)
{
    struct text_reader *r = arena_new_of(a, struct text_reader);
    r->bytes = buf_in(a, 3 * TEXT_PIECE);
    r->utf8 = buf_in(a, 12 * TEXT_PIECE);
    r->plain = buf_in(a, 12 * TEXT_PIECE);
    r->field = buf_in(a, LIMIT_FIELD_SHOWN * 12);
    r->parts = buf_in(a, ROOM);
    r->body = buf_in(a, ROOM);
    return r;
}

struct reading {
    struct text_reader *r;
    const struct text_letter *l;
    unsigned places;
    bool (*fn)(void *arg, enum text_place place, struct str text);
    void *arg;
    bool enough;
};

/* ---- telling ---- */

/* Tells what was gathered, if that is a lot or all there is. `cut`: in the middle of a line. */
static void tell(struct reading *re, enum text_place place, struct buf *b, size_t least, bool cut)
{
    if (b->n <= least || re->enough) return;
    re->enough = !re->fn(re->arg, place, buf_str(b));
    size_t keep = cut ? TEXT_NEEDLE - 1 : 0;
    if (keep >= b->n) return;
    buf_drop(b, b->n - keep);
    b->failed = 0;
}

/* ---- fields ---- */

static bool is_plain(struct str s) { return str_is_ascii(s) && str_find(s, S("=?")) == s.n; }

static void fold_field(struct text_reader *r, struct str raw, struct buf *out)
{
    raw = str_trim(str_head(raw, LIMIT_FIELD_SHOWN));
    if (!is_plain(raw)) {
        buf_clear(r->field);
        imf_decode_words(r->field, raw);
        raw = buf_str(r->field);
    }
    fold_text(&r->fold, raw, out);
}

/* The fields that are whole: `last`, or something stands behind them. How many bytes were taken; 0: the first field
 * is longer than this, and its beginning was. */
static size_t fold_fields(struct reading *re, struct str header, bool last, enum text_place place, struct buf *out)
{
    struct imf_fields fields = {.text = header};
    for (struct imf_field f; !re->enough && imf_next_field(&fields, &f);) {
        bool cut = !last && f.end == header.n;
        if (cut && f.at > 0) return f.at;
        fold_text(&re->r->fold, f.name, out);
        fold_text(&re->r->fold, S(": "), out);
        fold_field(re->r, f.body, out);
        fold_line(&re->r->fold, out);
        tell(re, place, out, TELL, false);
        if (cut) return 0;
    }
    return fields.at;
}

/* Where the field ends that begins at `at` of the header. */
static uint64_t skip_field(struct reading *re, const struct mime_part *p, uint64_t at)
{
    bool line = false; /* one is over */
    while (at < p->header_size) {
        uint64_t left = p->header_size - at;
        struct str s = re->l->read(re->l->arg, p->header_at + at, left < LIMIT_HEADER ? (size_t)left : LIMIT_HEADER);
        if (s.n == 0) break;
        for (size_t i = 0; i < s.n; i++) {
            if (line && !ch_space(s.p[i])) return at + i;
            line = s.p[i] == '\n';
        }
        at += s.n;
    }
    return p->header_size;
}

/* A header, LIMIT_HEADER bytes at a time: only that of a letter that was put here by its owner has more. */
static void fold_header(struct reading *re, const struct mime_part *p, enum text_place place, struct buf *out)
{
    for (uint64_t at = 0; at < p->header_size && !re->enough;) {
        uint64_t left = p->header_size - at;
        size_t n = left < LIMIT_HEADER ? (size_t)left : LIMIT_HEADER;
        struct str header = re->l->read(re->l->arg, p->header_at + at, n);
        bool last = n == left || header.n < n;
        size_t taken = fold_fields(re, header, last, place, out);
        if (last) break;
        at = taken ? at + taken : skip_field(re, p, at);
    }
}

static void own_header(struct reading *re)
{
    fold_fields(re, re->l->prefix, true, TEXT_FIELD, re->r->parts);
    fold_header(re, re->l->root, TEXT_FIELD, re->r->parts);
    tell(re, TEXT_FIELD, re->r->parts, 0, false);
}

static void file_name(struct reading *re, struct mime_params params, struct str name)
{
    struct str value = mime_param(params, name);
    if (value.n == 0) return;
    fold_field(re->r, value, re->r->parts);
    fold_line(&re->r->fold, re->r->parts);
}

static void part_header(struct reading *re, const struct mime_part *p)
{
    bool letter = p->fields || p->envelope.p;
    if (letter && re->places & TEXT_BODY) {
        fold_header(re, p, TEXT_BODY, re->r->body);
        tell(re, TEXT_BODY, re->r->body, TELL, false);
    }
    if (letter || !(re->places & TEXT_PART)) return;
    fold_header(re, p, TEXT_PART, re->r->parts);
}

/* ---- texts ---- */

/* How much of the bytes can be taken by themselves: to the end of a line, or of a tag. Most that there is when nothing
 * of the kind is near: then something may be lost at the seam. */
static size_t seam(struct str bytes, bool html)
{
    size_t at = str_rfind_char(bytes, html ? '>' : '\n');
    return at < bytes.n && at > bytes.n / 2 ? at + 1 : bytes.n;
}

static struct str as_utf8(struct text_reader *r, struct str charset, struct str bytes)
{
    bool unicode = charset.n == 0 || str_ieq(charset, S("utf-8")) || str_ieq(charset, S("us-ascii"));
    if (unicode && utf8_valid(bytes)) return bytes;
    buf_clear(r->utf8);
    charset_to_utf8(r->utf8, charset.n ? charset : S("us-ascii"), bytes, SIZE_MAX);
    return buf_str(r->utf8);
}

static void put_text(struct reading *re, const struct mime_part *p, struct str bytes)
{
    struct text_reader *r = re->r;
    struct str text = as_utf8(r, mime_param(p->params, S("charset")), bytes);
    if (str_eq(p->subtype, S("html"))) {
        buf_clear(r->plain);
        mime_html_text(text, SIZE_MAX / 2, r->plain);
        text = buf_str(r->plain);
    }
    fold_text(&r->fold, text, r->body);
    tell(re, TEXT_BODY, r->body, TELL, true);
}

/* A part that is longer than a piece. */
static void read_long(struct reading *re, const struct mime_part *p)
{
    struct text_reader *r = re->r;
    struct mime_decoder d = {.encoding = p->encoding};
    bool html = str_eq(p->subtype, S("html"));
    buf_clear(r->bytes);
    for (uint64_t at = 0; at < p->body_size && !re->enough;) {
        uint64_t left = p->body_size - at;
        struct str raw = re->l->read(re->l->arg, p->body_at + at, left < TEXT_PIECE ? (size_t)left : TEXT_PIECE);
        if (raw.n == 0) break;
        at += raw.n;
        mime_decode_feed(&d, raw, r->bytes);
        if (r->bytes->n < TEXT_PIECE && at < p->body_size) continue;
        if (at == p->body_size) mime_decode_end(&d, r->bytes);
        size_t n = at < p->body_size ? seam(buf_str(r->bytes), html) : r->bytes->n;
        put_text(re, p, str_head(buf_str(r->bytes), n));
        buf_drop(r->bytes, n);
    }
    if (r->bytes->n) put_text(re, p, buf_str(r->bytes));
}

static void leaf(struct reading *re, const struct mime_part *p)
{
    bool text = str_eq(p->type, S("text")) || str_eq(p->type, S("message"));
    if (!text || p->encoding == MIME_OTHER_ENCODING || p->body_size == 0) return;
    if (p->body_size > TEXT_PIECE) {
        read_long(re, p);
    } else {
        struct str raw = re->l->read(re->l->arg, p->body_at, (size_t)p->body_size);
        if (p->encoding == MIME_QP || p->encoding == MIME_BASE64) {
            buf_clear(re->r->bytes);
            mime_decode(p->encoding, raw, re->r->bytes);
            raw = buf_str(re->r->bytes);
        }
        put_text(re, p, raw);
    }
    fold_line(&re->r->fold, re->r->body);
}

struct str text_folded(struct text_reader *r, struct arena *a, struct str text)
{
    struct buf *out = buf_in(a, text.n * 11 + 64);
    r->fold.after_space = false;
    fold_text(&r->fold, text, out);
    r->fold.after_space = false;
    return buf_str(out);
}

struct str text_field(struct text_reader *r, struct str raw)
{
    buf_clear(r->body);
    r->fold.after_space = false;
    fold_field(r, raw, r->body);
    return buf_str(r->body);
}

void text_of(struct text_reader *r, const struct text_letter *l, unsigned places,
             bool (*fn)(void *arg, enum text_place place, struct str text), void *arg)
{
    struct reading re = {.r = r, .l = l, .places = places, .fn = fn, .arg = arg};
    r->fold.after_space = false;
    buf_clear(r->parts);
    buf_clear(r->body);
    if (places & TEXT_FIELD) own_header(&re);
    if (!(places & (TEXT_PART | TEXT_BODY))) return;
    for (const struct mime_part *p = l->root; p && !re.enough; p = mime_next(p)) {
        if (p != l->root) part_header(&re, p);
        if (places & TEXT_PART) {
            file_name(&re, p->params, S("name"));
            file_name(&re, p->extra->disposition_params, S("filename"));
            tell(&re, TEXT_PART, r->parts, TELL, false);
        }
        if (places & TEXT_BODY && p->kind == MIME_LEAF) leaf(&re, p);
    }
    tell(&re, TEXT_PART, r->parts, 0, false);
    tell(&re, TEXT_BODY, r->body, 0, false);
}
