/* Bytes as text: base64 (RFC 4648 §4), quoted-printable (RFC 2045 §6.7), hexadecimal, identifiers.
 *
 * Protocol decoders are strict and take the whole text. Body decoders take whatever real letters hold, in any
 * cuts, and need no memory of their own. Which of them a body part wants is MIME's business, not decided here. */
#include "base/codec.h"

/* --- base64 --- */

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum { DIGIT = 64 }; /* marks members of the alphabet; the low six bits are the value */
static const uint8_t base64_value[256] = {
    ['A'] = 64,  65,  66,  67,  68,  69,  70,  71,  72,  73,  74,  75,  76, /* to M */
    ['N'] = 77,  78,  79,  80,  81,  82,  83,  84,  85,  86,  87,  88,  89,
    ['a'] = 90,  91,  92,  93,  94,  95,  96,  97,  98,  99,  100, 101, 102,
    ['n'] = 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115,
    ['0'] = 116, 117, 118, 119, 120, 121, 122, 123, 124, 125, ['+'] = 126, ['/'] = 127,
};

static uint8_t value_of(char c) { return base64_value[(unsigned char)c]; }

static char *encode_bits(char *to, uint32_t bits)
{
    to[0] = base64_digits[bits >> 18 & 63];
    to[1] = base64_digits[bits >> 12 & 63];
    to[2] = base64_digits[bits >> 6 & 63];
    to[3] = base64_digits[bits & 63];
    return to + 4;
}

void base64_put(struct buf *b, struct str bytes)
{
    size_t whole = bytes.n / 3 * 3, rest = bytes.n - whole;
    char *to = buf_reserve(b, (bytes.n + 2) / 3 * 4);
    if (!to) return;
    const unsigned char *p = (const unsigned char *)bytes.p;
    for (size_t i = 0; i < whole; i += 3)
        to = encode_bits(to, (uint32_t)p[i] << 16 | (uint32_t)p[i + 1] << 8 | p[i + 2]);
    if (rest) {
        to = encode_bits(to, (uint32_t)p[whole] << 16 | (rest == 2 ? (uint32_t)p[whole + 1] << 8 : 0));
        to[-1] = '=';
        if (rest == 1) to[-2] = '=';
    }
    b->n = (size_t)(to - b->p);
}

void base64_put_lines(struct buf *b, struct str bytes)
{
    enum { BYTES_PER_LINE = 76 / 4 * 3 }; /* RFC 2045 §6.8 */
    for (; bytes.n && !b->failed; bytes = str_skip(bytes, BYTES_PER_LINE)) {
        base64_put(b, str_head(bytes, BYTES_PER_LINE));
        buf_lit(b, "\r\n");
    }
}

/* Writes the three bytes of four digits; 0 when one of them is no digit. */
static inline uint8_t decode_group(const char *p, char *to)
{
    uint8_t v0 = value_of(p[0]), v1 = value_of(p[1]), v2 = value_of(p[2]), v3 = value_of(p[3]);
    to[0] = (char)(v0 << 2 | (v1 >> 4 & 3));
    to[1] = (char)(v1 << 4 | (v2 >> 2 & 15));
    to[2] = (char)(v2 << 6 | (v3 & 63));
    return v0 & v1 & v2 & v3 & DIGIT;
}

int base64_decode(struct buf *b, struct str text)
{
    if (text.n % 4) return ERR_SYNTAX;
    if (text.n == 0) return 0;
    size_t pads = text.p[text.n - 1] != '=' ? 0 : text.p[text.n - 2] != '=' ? 1 : 2;
    size_t whole = pads ? text.n - 4 : text.n;
    char *to = buf_reserve(b, text.n / 4 * 3 - pads);
    if (!to) return b->failed;
    for (size_t i = 0; i < whole; i += 4, to += 3)
        if (!decode_group(text.p + i, to)) return ERR_SYNTAX;
    if (pads) {
        const char *p = text.p + whole;
        char last[4] = {p[0], p[1], pads == 2 ? 'A' : p[2], 'A'}, bytes[3];
        if (!decode_group(last, bytes)) return ERR_SYNTAX;
        if (bytes[2] || (pads == 2 && bytes[1])) return ERR_SYNTAX; /* RFC 4648 §3.5 */
        memcpy(to, bytes, 3 - pads);
    }
    b->n += text.n / 4 * 3 - pads;
    return 0;
}

enum { PAD_MAY_FOLLOW = 4 }; /* as base64_decoder.count: "QQ=" was seen */

/* One character that did not come as part of a clean group of four; returns the end of what it completes. */
static char *decode_char(struct base64_decoder *d, char c, char *to)
{
    uint8_t v = value_of(c);
    if (v) {
        if (d->count == PAD_MAY_FOLLOW) {
            d->count = 0;
            d->damaged = true;
        }
        d->bits = d->bits << 6 | (v & 63u);
        if (++d->count < 4) return to;
        *to++ = (char)(d->bits >> 16);
        *to++ = (char)(d->bits >> 8);
        *to++ = (char)d->bits;
        d->count = 0;
    } else if (c == '=' && d->count == 2) {
        *to++ = (char)(d->bits >> 4);
        d->count = PAD_MAY_FOLLOW;
    } else if (c == '=' && d->count == 3) {
        *to++ = (char)(d->bits >> 10);
        *to++ = (char)(d->bits >> 2);
        d->count = 0;
    } else if (c == '=' && d->count == PAD_MAY_FOLLOW) {
        d->count = 0;
    } else if (c != '\r' && c != '\n') { /* RFC 2045 §6.8: ignored, but worth knowing */
        d->damaged = true;
    }
    return to;
}

void base64_feed(struct base64_decoder *d, struct str text, struct buf *out)
{
    char bytes[1536];
    if (text.n == 0) return;
    const char *p = text.p, *end = text.p + text.n;
    while (p < end && !out->failed) {
        char *to = bytes;
        while (p < end && to + 3 <= bytes + sizeof bytes) {
            if (d->count == 0 && end - p >= 4 && decode_group(p, to)) {
                p += 4;
                to += 3;
            } else {
                to = decode_char(d, *p++, to);
            }
        }
        buf_add(out, str_of(bytes, (size_t)(to - bytes)));
    }
}

/* --- hexadecimal --- */

static int hex_value(char c)
{
    return ch_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

void hex_put(struct buf *b, struct str bytes)
{
    char *to = buf_reserve(b, bytes.n * 2);
    if (!to) return;
    for (size_t i = 0; i < bytes.n; i++) {
        *to++ = "0123456789abcdef"[bytes.p[i] >> 4 & 15];
        *to++ = "0123456789abcdef"[bytes.p[i] & 15];
    }
    b->n += bytes.n * 2;
}

int hex_decode(struct buf *b, struct str text)
{
    if (text.n % 2) return ERR_SYNTAX;
    char *to = buf_reserve(b, text.n / 2);
    if (!to) return b->failed;
    for (size_t i = 0; i < text.n; i += 2) {
        int high = hex_value(text.p[i]), low = hex_value(text.p[i + 1]);
        if (high < 0 || low < 0) return ERR_SYNTAX;
        *to++ = (char)(high << 4 | low);
    }
    b->n += text.n / 2;
    return 0;
}

/* --- quoted-printable --- */

static bool is_break(struct str s) { return s.n >= 2 && s.p[0] == '\r' && s.p[1] == '\n'; }

/* How text begins on an encoded line: itself or "=XX". Returns the length. RFC 2045 §6.7 (1) (2) (3) */
static size_t qp_escape(struct str text, char to[3])
{
    char c = text.p[0];
    struct str rest = str_skip(text, 1);
    bool plain = ch_space(c) ? rest.n && !is_break(rest) : c > ' ' && c < 0x7f && c != '=';
    to[0] = plain ? c : '=';
    to[1] = "0123456789ABCDEF"[c >> 4 & 15];
    to[2] = "0123456789ABCDEF"[c & 15];
    return plain ? 1 : 3;
}

void qp_put(struct buf *b, struct str text)
{
    enum { LINE = 76 }; /* RFC 2045 §6.7 (5); the last place is kept for the "=" of a soft break */
    char line[LINE + 2], token[3];
    size_t n = 0, width;
    for (; text.n && !b->failed; text = str_skip(text, 1)) {
        if (is_break(text)) {
            text = str_skip(text, 1);
            memcpy(line + n, "\r\n", 2);
            buf_add(b, str_of(line, n + 2));
            n = 0;
            continue;
        }
        width = qp_escape(text, token);
        if (n + width > LINE - 1) {
            buf_add(b, str_of(line, n));
            buf_lit(b, "=\r\n");
            n = 0;
        }
        memcpy(line + n, token, width);
        n += width;
    }
    buf_add(b, str_of(line, n));
}

static void put_blanks(struct qp_decoder *d, struct buf *out)
{
    for (size_t i = 0; i < d->blanks; i++) buf_char(out, d->tabs[i / 64] >> (i % 64) & 1 ? '\t' : ' ');
    d->blanks = 0;
}

static void hold_blanks(struct qp_decoder *d, struct str blanks, struct buf *out)
{
    for (size_t i = 0; i < blanks.n; i++) {
        if (d->blanks == QP_BLANKS) put_blanks(d, out);
        uint64_t bit = UINT64_C(1) << (d->blanks % 64), *word = &d->tabs[d->blanks / 64];
        *word = blanks.p[i] == '\t' ? *word | bit : *word & ~bit;
        d->blanks++;
    }
}

/* Gives up what was held: it was no escape or no line end after all. */
static void qp_release(struct qp_decoder *d, struct buf *out)
{
    if (d->state >= QP_ESCAPE) {
        d->damaged = true;
        buf_char(out, '=');
    }
    if (d->state == QP_ESCAPE_DIGIT) buf_char(out, d->digit);
    put_blanks(d, out);
    if (d->state == QP_CR || d->state == QP_ESCAPE_CR) buf_char(out, '\r');
    d->state = QP_TEXT;
}

/* Takes text up to what may end a line or begin an escape; returns how much. */
static size_t qp_text(struct qp_decoder *d, struct str text, struct buf *out)
{
    size_t n = 0;
    while (n < text.n && text.p[n] != '=' && text.p[n] != '\r' && text.p[n] != '\n') n++;
    size_t solid = n;
    while (solid && ch_space(text.p[solid - 1])) solid--;
    if (solid) put_blanks(d, out);
    buf_add(out, str_head(text, solid));
    hold_blanks(d, str_sub(text, solid, n), out);
    return n;
}

/* One character in an escape or after a CR. False: it does not belong there and must be looked at as text. */
static bool qp_special(struct qp_decoder *d, char c, struct buf *out)
{
    if (c == '\n') { /* RFC 2045 §6.7 (3): white space before a line end was added in transport; (5) soft break */
        if (d->state == QP_ESCAPE_DIGIT) return false;
        if (d->state == QP_CR) buf_lit(out, "\r\n");
        d->blanks = 0;
        d->state = QP_TEXT;
        return true;
    }
    if (d->state == QP_ESCAPE && c == '\r') {
        d->state = QP_ESCAPE_CR;
        return true;
    }
    if (d->state == QP_ESCAPE && ch_space(c) && d->blanks < QP_BLANKS) {
        hold_blanks(d, str_of(&c, 1), out);
        return true;
    }
    if (d->state == QP_ESCAPE && d->blanks == 0 && hex_value(c) >= 0) {
        d->state = QP_ESCAPE_DIGIT;
        d->digit = c;
        return true;
    }
    if (d->state == QP_ESCAPE_DIGIT && hex_value(c) >= 0) {
        buf_char(out, (char)((hex_value(d->digit) & 15) << 4 | hex_value(c)));
        d->state = QP_TEXT;
        return true;
    }
    return false;
}

void qp_feed(struct qp_decoder *d, struct str text, struct buf *out)
{
    while (text.n && !out->failed) {
        char c = text.p[0];
        size_t took = 1;
        if (d->state != QP_TEXT) {
            if (!qp_special(d, c, out)) {
                qp_release(d, out);
                took = 0;
            }
        } else if (c == '=') {
            put_blanks(d, out);
            d->state = QP_ESCAPE;
        } else if (c == '\r') {
            d->state = QP_CR;
        } else if (c == '\n') {
            d->blanks = 0;
            buf_char(out, '\n');
        } else {
            took = qp_text(d, text, out);
        }
        text = str_skip(text, took);
    }
}

void qp_end(struct qp_decoder *d, struct buf *out)
{
    bool soft = d->state == QP_ESCAPE || d->state == QP_ESCAPE_CR;
    if (d->state == QP_TEXT || soft) d->blanks = 0;
    else qp_release(d, out);
    *d = (struct qp_decoder){.damaged = d->damaged};
}

/* --- identifiers --- */

void id_put(struct buf *b, int64_t id)
{
    char text[ID_TEXT];
    uint64_t v = (uint64_t)id;
    for (size_t i = ID_TEXT; i--; v >>= 5) text[i] = "0123456789abcdefghijklmnopqrstuv"[v & 31];
    buf_add(b, str_of(text, ID_TEXT));
}

int id_parse(struct str text, int64_t *id)
{
    uint64_t v = 0;
    if (text.n != ID_TEXT || text.p[0] > '7') return ERR_SYNTAX; /* 65 bits of room, 63 of them used */
    for (size_t i = 0; i < ID_TEXT; i++) {
        char c = text.p[i];
        if (!ch_digit(c) && !(c >= 'a' && c <= 'v')) return ERR_SYNTAX;
        v = v << 5 | (uint64_t)(ch_digit(c) ? c - '0' : c - 'a' + 10);
    }
    *id = (int64_t)v;
    return 0;
}
