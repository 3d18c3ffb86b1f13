/* Making an 8-bit letter pass through a 7-bit peer (RFC 6152 §3, RFC 2045 §6, RFC 2046 §5.2.1).
 *
 * One walk over the parts: what may not be touched stops it, leaves that need it are encoded anew, everything else is
 * copied. Header fields with 8-bit bytes are SMTPUTF8's matter (RFC 6532) and not mended here. */
#include "proto/mime/downgrade.h"

#include "base/utf8.h"
#include "proto/imf/field.h"
#include "proto/mime/decode.h"
#include "proto/mime/params.h"
#include "proto/mime/parse.h"

enum { LINE_LONGEST = 998 }; /* RFC 5322 §2.1.1 */

struct walk {
    struct str letter;
    struct buf *out;
    uint64_t copied; /* bytes of the letter that are in `out` already, as they were or changed */
    struct error *e;
};

static struct str slice(const struct walk *w, uint64_t at, uint64_t size)
{
    return str_sub(w->letter, (size_t)at, (size_t)(at + size));
}

static void copy_to(struct walk *w, uint64_t end)
{
    buf_add(w->out, slice(w, w->copied, end - w->copied));
    w->copied = end;
}

/* ---- leaves ---- */

enum need { NEED_NOTHING, NEED_LINES /* too long, or NUL */, NEED_8BIT };

static enum need need_of(struct str body)
{
    enum need need = NEED_NOTHING;
    if (!str_is_ascii(body)) return NEED_8BIT;
    if (body.n && memchr(body.p, 0, body.n)) need = NEED_LINES;
    for (struct str rest = body; rest.n;) {
        size_t line = str_find_char(rest, '\n');
        if (line > LINE_LONGEST + 1 || (line == rest.n && line > LINE_LONGEST)) need = NEED_LINES;
        rest = str_skip(rest, line + 1);
    }
    return need;
}

/* Is quoted-printable the shorter one? */
static bool mostly_ascii(struct str bytes)
{
    size_t escaped = 0;
    for (size_t i = 0; i < bytes.n; i++) {
        unsigned char c = (unsigned char)bytes.p[i];
        escaped += c > '~' || c == '=' || (c < ' ' && c != '\t' && c != '\r' && c != '\n');
    }
    return 2 * escaped <= bytes.n / 3;
}

/* The body's bytes, encoded into `out`; returns the name of the encoding. Text that is legible stays so. */
static struct str encode(struct buf *out, const struct mime_part *part, struct str bytes)
{
    if (str_eq(part->type, S("text")) && mostly_ascii(bytes)) {
        qp_put(out, bytes);
        /* a soft break before dashes could make a boundary of them */
        if (str_find(buf_str(out), S("=\r\n--")) == out->n) return S("quoted-printable");
        buf_clear(out);
    }
    base64_put_lines(out, bytes);
    if (part->parent && out->n) out->n -= 2; /* the line end before a boundary is the boundary's */
    return S("base64");
}

/* Does an empty line end it? Without one it reaches to the first line that is no field. */
static bool is_separated(struct str header)
{
    return str_eq(header, S("\r\n")) || str_eq(header, S("\n")) || str_ends(header, S("\n\r\n")) ||
           str_ends(header, S("\n\n"));
}

/* The header with another Content-Transfer-Encoding; where there was none, it is added with `add`. */
static void put_header(struct walk *w, const struct mime_part *part, struct str encoding, bool add)
{
    struct str header = slice(w, part->header_at, part->header_size);
    struct imf_fields f = {.text = header};
    struct imf_field field;
    size_t done = 0;
    bool written = false, versioned = part->parent != NULL;
    const struct mime_part *around = part->parent;
    /* what is added must not fall into the header of the message it begins */
    if (add && around && around->kind == MIME_MESSAGE &&
        !is_separated(slice(w, around->header_at, around->header_size)))
        buf_lit(w->out, "\r\n");
    while (imf_next_field(&f, &field)) {
        if (str_ieq(field.name, S("MIME-Version"))) versioned = true;
        if (!str_ieq(field.name, S("Content-Transfer-Encoding"))) continue;
        buf_add(w->out, str_sub(header, done, field.at));
        if (!written) {
            buf_add(w->out, field.name);
            buf_lit(w->out, ": ");
            buf_add(w->out, encoding);
            buf_lit(w->out, "\r\n");
        }
        written = true;
        done = field.end;
    }
    buf_add(w->out, str_sub(header, done, f.at));
    if (add && f.at && w->out->n && w->out->p[w->out->n - 1] != '\n') buf_lit(w->out, "\r\n");
    if (add && !versioned) buf_lit(w->out, "MIME-Version: 1.0\r\n"); /* without it the encoding means nothing */
    if (add && !written) {
        buf_lit(w->out, "Content-Transfer-Encoding: ");
        buf_add(w->out, encoding);
        buf_lit(w->out, "\r\n");
    }
    buf_add(w->out, str_skip(header, f.at));
    if (add && f.at == header.n) buf_lit(w->out, "\r\n"); /* the empty line was missing */
    w->copied = part->header_at + part->header_size;
}

static int reencode(struct walk *w, const struct mime_part *part)
{
    struct str raw = slice(w, part->body_at, part->body_size), bytes = raw;
    struct buf decoded = BUF(raw.n + 1), encoded = BUF(4 * raw.n + 64);
    if (part->encoding == MIME_QP || part->encoding == MIME_BASE64) { /* which are broken: their bytes are not theirs */
        mime_decode(part->encoding, raw, &decoded);
        bytes = buf_str(&decoded);
    }
    put_header(w, part, encode(&encoded, part, bytes), true);
    buf_add(w->out, buf_str(&encoded));
    w->copied = part->body_at + part->body_size;
    int failed = decoded.failed | encoded.failed;
    buf_free(&decoded);
    buf_free(&encoded);
    return failed ? error_set(w->e, ERR_TOO_LONG, "a part is too long to be encoded for a 7-bit host") : 0;
}

static int walk_leaf(struct walk *w, const struct mime_part *part, bool frozen)
{
    enum need need = need_of(slice(w, part->body_at, part->body_size));
    copy_to(w, part->header_at);
    if (need == NEED_8BIT && frozen)
        return error_set(w->e, ERR_DENIED, "an 8-bit letter that is signed cannot be encoded for a 7-bit host");
    if (need != NEED_NOTHING && !frozen) {
        if (part->encoding == MIME_OTHER_ENCODING || str_eq(part->type, S("message"))) /* RFC 2046 §5.2 */
            return need == NEED_8BIT ? error_set(w->e, ERR_UNSUPPORTED, "a part of type %.*s/%.*s cannot be encoded",
                                                 STR_FMT(part->type), STR_FMT(part->subtype))
                                     : 0;
        return reencode(w, part);
    }
    if (!frozen && (part->encoding == MIME_8BIT || part->encoding == MIME_BINARY))
        put_header(w, part, S("7bit"), false);
    return 0;
}

/* ---- the walk ---- */

static bool is_dkim_signed(const struct walk *w, const struct mime_part *letter)
{
    struct imf_field field;
    size_t from = 0;
    return imf_find_field(slice(w, letter->header_at, letter->header_size), S("DKIM-Signature"), &from, &field);
}

/* frozen: a signature covers the part. Depth is LIMIT_MIME_DEPTH at most. */
static int walk_part(struct walk *w, const struct mime_part *part, bool frozen)
{
    if (part->fields && is_dkim_signed(w, part)) frozen = true; /* RFC 6376 §5.3 */
    if (part->kind == MIME_LEAF) return walk_leaf(w, part, frozen);
    copy_to(w, part->header_at);
    if (!frozen && (part->encoding == MIME_8BIT || part->encoding == MIME_BINARY))
        put_header(w, part, S("7bit"), false);
    /* RFC 1847 §2.1, §2.2 */
    if (part->kind == MIME_MULTIPART && (str_eq(part->subtype, S("signed")) || str_eq(part->subtype, S("encrypted"))))
        frozen = true;
    for (const struct mime_part *child = part->first; child; child = child->next) {
        int r = walk_part(w, child, frozen);
        if (r) return r;
    }
    return 0;
}

static int downgrade(struct arena *a, struct str letter, struct buf *out, struct error *e)
{
    const struct mime_letter *parsed = mime_parse(a, letter);
    if (parsed->traits & MIME_HEADER_8BIT)
        return error_set(e, ERR_UNSUPPORTED, "its header is not ASCII, which a host without SMTPUTF8 cannot take");
    if (parsed->truncated) return error_set(e, ERR_UNSUPPORTED, "it has too many parts to be encoded for a 7-bit host");
    struct walk w = {.letter = letter, .out = out, .e = e};
    size_t from = out->n;
    int r = walk_part(&w, parsed->root, false);
    if (r) return r;
    copy_to(&w, letter.n);
    if (out->failed) return error_set(e, ERR_TOO_LONG, "it is too long to be encoded for a 7-bit host");
    if (!str_is_ascii(str_skip(buf_str(out), from))) /* headers of parts, what stands between parts */
        return error_set(e, ERR_UNSUPPORTED, "it has 8-bit text outside of its parts' bodies");
    return 0;
}

int mime_downgrade(struct arena *a, struct str letter, struct buf *out, struct error *e)
{
    size_t before = out->n;
    if (str_is_ascii(letter)) {
        buf_add(out, letter);
        return out->failed ? error_set(e, ERR_TOO_LONG, "it is too long") : 0;
    }
    if (letter.n > LIMIT_DOWNGRADE)
        return error_set(e, ERR_TOO_LONG, "an 8-bit letter of more than %d MiB is not encoded for a 7-bit host",
                         LIMIT_DOWNGRADE >> 20);
    int r = downgrade(a, letter, out, e);
    if (r) out->n = before;
    return r;
}
