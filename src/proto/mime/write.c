/* Fields, parameters and bodies as a careful writer makes them. */
#include "proto/mime/write.h"

#include "base/codec.h"
#include "base/utf8.h"
#include "proto/imf/address_list.h"
#include "proto/imf/encoded_word.h"

enum { COLUMNS = 78, LINE_LONGEST = 998 }; /* RFC 5322 §2.1.1 */

static size_t put_name(struct buf *b, struct str name)
{
    buf_add(b, name);
    buf_lit(b, ": ");
    return name.n + 2;
}

void mime_put_field(struct buf *b, struct str name, struct str text)
{
    imf_encode_words(b, put_name(b, name), text, IMF_UNSTRUCTURED);
    buf_lit(b, "\r\n");
}

void mime_put_mailboxes(struct buf *b, struct str name, const struct mime_mailbox *v, size_t n)
{
    size_t column = put_name(b, name);
    for (size_t i = 0; i < n; i++) {
        if (i > 0) {
            buf_lit(b, ",\r\n ");
            column = 1;
        }
        column = imf_put_mailbox(b, column, v[i].name, v[i].address);
    }
    buf_lit(b, "\r\n");
}

void mime_put_ids(struct buf *b, struct str name, const struct str *ids, size_t n)
{
    put_name(b, name);
    for (size_t i = 0; i < n; i++) {
        if (i > 0) buf_lit(b, "\r\n ");
        buf_char(b, '<');
        buf_add(b, ids[i]);
        buf_char(b, '>');
    }
    buf_lit(b, "\r\n");
}

/* --- parameters --- */

static bool is_token_char(unsigned char c) /* RFC 2045 §5.1 */
{
    return c > ' ' && c < 127 && !strchr("()<>@,;:\\\"/[]?=", c);
}

static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_token_char((unsigned char)s.p[i])) return false;
    return s.n > 0;
}

static bool is_quotable(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ' || (unsigned char)s.p[i] >= 127) return false;
    return true;
}

static size_t fold_before(struct buf *b, size_t column, size_t width)
{
    buf_char(b, ';');
    if (column + 2 + width <= COLUMNS) {
        buf_char(b, ' ');
        return column + 2;
    }
    buf_lit(b, "\r\n\t");
    return 8;
}

/* RFC 2231 §4.1: one piece, as many whole characters as fit; *value loses them. */
static void put_extended(struct buf *b, struct str *value, size_t room)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t used = 0; value->n;) {
        uint32_t cp;
        int n = utf8_next(*value, &cp);
        struct str ch = n > 0 ? str_head(*value, (size_t)n) : S("\xEF\xBF\xBD");
        bool plain = ch.n == 1 && (ch_alnum(ch.p[0]) || strchr("!#$&+-.^_`{}~", ch.p[0])) && ch.p[0];
        size_t width = plain ? 1 : 3 * ch.n;
        if (used && used + width > room) return;
        used += width;
        for (size_t i = 0; i < ch.n; i++) {
            unsigned char c = (unsigned char)ch.p[i];
            if (!plain) buf_char(b, '%');
            if (!plain) buf_char(b, digits[c >> 4]);
            buf_char(b, plain ? (char)c : digits[c & 15]);
        }
        *value = str_skip(*value, n > 0 ? (size_t)n : 1);
    }
}

static size_t extended_width(struct str value)
{
    struct buf all = BUF(value.n * 9 + 9);
    put_extended(&all, &value, SIZE_MAX);
    size_t n = all.n;
    buf_free(&all);
    return n;
}

static size_t put_long_param(struct buf *b, size_t column, struct str name, struct str value)
{
    size_t width = extended_width(value);
    bool single = name.n + width + 10 <= COLUMNS - 8;
    size_t room = COLUMNS - 8 - (name.n < 40 ? name.n : 40) - 16;
    for (unsigned piece = 0; value.n; piece++) {
        column = fold_before(b, column, single ? name.n + width + 9 : COLUMNS);
        size_t from = b->n;
        buf_add(b, name);
        if (!single) {
            buf_char(b, '*');
            buf_u64(b, piece);
        }
        buf_lit(b, "*=");
        if (piece == 0) buf_lit(b, "utf-8''");
        put_extended(b, &value, single ? SIZE_MAX : room);
        column += b->n - from;
    }
    return column;
}

size_t mime_put_param(struct buf *b, size_t column, struct str name, struct str value)
{
    bool token = is_token(value);
    if (!is_quotable(value) || name.n + value.n + 12 > COLUMNS) return put_long_param(b, column, name, value);
    column = fold_before(b, column, name.n + value.n + (token ? 1 : 5));
    size_t from = b->n;
    buf_add(b, name);
    buf_char(b, '=');
    if (token) {
        buf_add(b, value);
    } else {
        buf_char(b, '"');
        for (size_t i = 0; i < value.n; i++) {
            if (value.p[i] == '"' || value.p[i] == '\\') buf_char(b, '\\');
            buf_char(b, value.p[i]);
        }
        buf_char(b, '"');
    }
    return column + b->n - from;
}

/* --- bodies --- */

static void put_crlf_lines(struct buf *out, struct str text) /* any line ends become CRLF */
{
    for (size_t i = 0; i < text.n; i++) {
        size_t from = i;
        while (i < text.n && text.p[i] != '\r' && text.p[i] != '\n') i++;
        buf_add(out, str_sub(text, from, i));
        if (i < text.n) buf_lit(out, "\r\n");
        if (i + 1 < text.n && text.p[i] == '\r' && text.p[i + 1] == '\n') i++;
    }
}

struct text_traits {
    size_t longest, odd; /* bytes of the longest line; bytes quoted-printable must escape */
    bool ascii, binary;  /* no byte over 127; controls that no text has */
};

static struct text_traits look(struct str text) /* with CRLF line ends */
{
    struct text_traits t = {.ascii = true};
    for (size_t i = 0, line = 0; i < text.n; i++, line++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c == '\n') line = 0;
        if (c >= 128) t.ascii = false;
        if (c < ' ' && c != '\t' && c != '\r' && c != '\n' && c != '\f') t.binary = true;
        if (c >= 127 || c == '=') t.odd++;
        if (line > t.longest) t.longest = line;
    }
    return t;
}

void mime_put_text(struct buf *b, struct str subtype, struct str text)
{
    struct buf lines = BUF(text.n * 2 + 4);
    put_crlf_lines(&lines, text);
    if (lines.n && !str_ends(buf_str(&lines), S("\r\n"))) buf_lit(&lines, "\r\n");
    struct str body = buf_str(&lines);
    struct text_traits t = look(body);
    buf_lit(b, "Content-Type: text/");
    buf_add(b, subtype);
    buf_add(b, t.ascii ? S("; charset=us-ascii\r\n") : S("; charset=utf-8\r\n"));
    if (t.ascii && !t.binary && t.longest <= LINE_LONGEST) {
        buf_lit(b, "Content-Transfer-Encoding: 7bit\r\n\r\n");
        buf_add(b, body);
    } else if (!t.binary && t.odd * 2 <= body.n / 3) {
        buf_lit(b, "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
        qp_put(b, body);
    } else {
        buf_lit(b, "Content-Transfer-Encoding: base64\r\n\r\n");
        base64_put_lines(b, body);
    }
    buf_free(&lines);
}

static bool is_type(struct str s)
{
    struct str type, subtype;
    return s.n < 128 && str_cut(s, '/', &type, &subtype) && is_token(type) && is_token(subtype) &&
           !str_istarts(type, S("multipart"));
}

/* A letter may be enclosed as it is when its lines are lines (RFC 2046 §5.2.1). */
static bool can_enclose(struct str letter, bool *has_8bit)
{
    size_t line = 0;
    *has_8bit = !str_is_ascii(letter);
    for (size_t i = 0; i < letter.n; i++, line++) {
        char c = letter.p[i];
        if (c == 0 || line > LINE_LONGEST + 1) return false;
        if (c == '\r' && (i + 1 >= letter.n || letter.p[i + 1] != '\n')) return false;
        if (c != '\n') continue;
        if (i == 0 || letter.p[i - 1] != '\r') return false;
        line = (size_t)-1;
    }
    return true;
}

void mime_put_attachment(struct buf *b, const struct mime_attachment *at)
{
    bool has_8bit = false, letter = str_ieq(at->type, S("message/rfc822"));
    bool enclosed = letter && can_enclose(at->bytes, &has_8bit);
    bool usable = is_type(at->type) && !(letter && !enclosed) && !str_istarts(at->type, S("message/partial"));
    struct str type = usable ? at->type : S("application/octet-stream");
    buf_lit(b, "Content-Type: ");
    buf_add(b, type);
    if (at->name.n) mime_put_param(b, 14 + type.n, S("name"), at->name);
    buf_lit(b, "\r\nContent-Disposition: ");
    struct str disposition = at->content_id.n ? S("inline") : S("attachment");
    buf_add(b, disposition);
    if (at->name.n) mime_put_param(b, 21 + disposition.n, S("filename"), at->name);
    buf_lit(b, "\r\n");
    if (at->content_id.n) mime_put_ids(b, S("Content-ID"), &at->content_id, 1);
    if (enclosed) {
        buf_add(b,
                has_8bit ? S("Content-Transfer-Encoding: 8bit\r\n\r\n") : S("Content-Transfer-Encoding: 7bit\r\n\r\n"));
        buf_add(b, at->bytes);
        if (!str_ends(at->bytes, S("\r\n"))) buf_lit(b, "\r\n");
    } else {
        buf_lit(b, "Content-Transfer-Encoding: base64\r\n\r\n");
        base64_put_lines(b, at->bytes);
    }
}

struct mime_boundary mime_boundary_of(uint64_t seed, unsigned n)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
    struct mime_boundary m = {.text = "=_penny_"}; /* "=_" is neither base64 nor quoted-printable */
    uint64_t z = seed + (n + 1) * UINT64_C(0x9E3779B97F4A7C15);
    m.n = 8;
    for (int round = 0; round < 2; round++) {
        z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
        z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
        z ^= z >> 31;
        for (int i = 0; i < 12; i++) m.text[m.n++] = digits[z >> (5 * i) & 31];
    }
    return m;
}

void mime_put_boundary(struct buf *b, const struct mime_boundary *m, bool last)
{
    buf_lit(b, "--");
    buf_add(b, str_of(m->text, m->n));
    buf_add(b, last ? S("--\r\n") : S("\r\n"));
}
