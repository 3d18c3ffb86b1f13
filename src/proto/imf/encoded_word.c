/* Encoded words: reading any, writing UTF-8 ones (RFC 2047). */
#include "proto/imf/encoded_word.h"

#include "base/codec.h"
#include "base/utf8.h"
#include "mail/limits.h"

enum {
    WORD_MAX = 75,   /* RFC 2047 §2 */
    WORD_FRAME = 12, /* of them all but the text: =?utf-8?q?…?= */
    LINE_MAX = 78,   /* RFC 5322 §2.1.1 */
    BLANKS_MAX = 40,
};

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

/* encoded-word = "=?" charset ["*" language] "?" encoding "?" encoded-text "?=" */
struct word {
    struct str charset, text;
    char encoding; /* 'q' or 'b' */
    size_t size;
};

/* s begins with "=?". Looks no further than three '?' on, so that a text full of beginnings costs linear time. */
static bool parse_word(struct str s, struct word *w)
{
    struct str rest = str_skip(s, 2), charset, encoding, text, after;
    if (!str_cut(rest, '?', &charset, &rest) || charset.n == 0 || charset.n > LIMIT_CHARSET_NAME) return false;
    if (!str_cut(rest, '?', &encoding, &rest) || encoding.n != 1) return false;
    if (!str_cut(rest, '?', &text, &after) || after.n == 0 || after.p[0] != '=') return false;
    w->encoding = ch_lower(encoding.p[0]);
    if (w->encoding != 'q' && w->encoding != 'b') return false;
    for (size_t i = 0; i < charset.n; i++)
        if (is_blank(charset.p[i])) return false;
    w->charset = str_head(charset, str_find_char(charset, '*')); /* RFC 2231 §5 */
    w->text = text;
    w->size = (size_t)(after.p + 1 - s.p);
    return charset_known(w->charset);
}

static int hex_value(char c)
{
    return ch_digit(c) ? c - '0' : ch_lower(c) >= 'a' && ch_lower(c) <= 'f' ? ch_lower(c) - 'a' + 10 : -1;
}

static void add_q(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        int high = c == '=' && i + 2 < s.n ? hex_value(s.p[i + 1]) : -1;
        int low = high >= 0 ? hex_value(s.p[i + 2]) : -1;
        if (low >= 0) {
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '_') {
            c = ' ';
        }
        buf_char(out, c);
    }
}

static void add_word_bytes(struct buf *out, const struct word *w)
{
    if (w->encoding == 'q') {
        add_q(out, w->text);
    } else {
        struct base64_decoder d = {0};
        base64_feed(&d, w->text, out);
    }
}

/* What must never come out of a header: NUL and line ends vanish, other controls become spaces. */
static void clean_from(struct buf *out, size_t from)
{
    size_t n = from;
    for (size_t i = from; i < out->n; i++) {
        unsigned char c = (unsigned char)out->p[i];
        if (c == 0 || c == '\r' || c == '\n') continue;
        out->p[n++] = c < ' ' || c == 127 ? ' ' : (char)c;
    }
    out->n = n;
}

/* Decodes the word at *at and those of the same charset right behind it; leaves *at after the last. */
static void add_run(struct buf *out, struct buf *bytes, struct str text, size_t *at, struct word w)
{
    struct str charset = w.charset;
    buf_clear(bytes);
    for (;;) {
        add_word_bytes(bytes, &w);
        *at += w.size;
        size_t next = *at;
        while (next < text.n && is_blank(text.p[next])) next++;
        if (!str_starts(str_skip(text, next), S("=?")) || !parse_word(str_skip(text, next), &w)) break;
        *at = next; /* RFC 2047 §6.2: white space between two words is not shown */
        if (!str_ieq(w.charset, charset)) break;
    }
    charset_to_utf8(out, charset, buf_str(bytes), SIZE_MAX);
}

void imf_decode_words(struct buf *out, struct str text)
{
    struct buf bytes = BUF(text.n + 1);
    size_t start = out->n, at = 0;
    while (at < text.n) {
        struct str rest = str_skip(text, at);
        struct word w;
        size_t plain = str_find(rest, S("=?"));
        if (plain == 0 && parse_word(rest, &w)) {
            add_run(out, &bytes, text, &at, w);
            continue;
        }
        if (plain == 0) { /* no word after all; "=" and "?" stand for themselves */
            size_t next = str_find(str_skip(rest, 1), S("=?"));
            plain = next < rest.n - 1 ? next + 1 : rest.n;
        }
        charset_to_utf8(out, S("us-ascii"), str_head(rest, plain), SIZE_MAX);
        at += plain;
    }
    clean_from(out, start);
    buf_free(&bytes);
}

static bool is_plain(struct str s) /* nothing to decode, repair or clean */
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ' || (unsigned char)s.p[i] >= 127) return false;
    return str_find(s, S("=?")) == s.n;
}

struct str imf_decode_text(struct arena *a, struct str text)
{
    text = str_head(text, LIMIT_FIELD_SHOWN);
    if (is_plain(text)) return text;
    struct buf *b = buf_in(a, text.n * 4 + 16);
    imf_decode_words(b, text);
    return buf_str(b);
}

/* --- writing --- */

static bool is_atext(unsigned char c) /* RFC 5322 §3.2.3 */
{
    return ch_alnum(c) || (c != 0 && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool word_stands(struct str w, enum imf_place place)
{
    if (str_find(w, S("=?")) < w.n || w.n > 500) return false;
    for (size_t i = 0; i < w.n; i++) {
        unsigned char c = (unsigned char)w.p[i];
        if (c <= ' ' || c >= 127 || (place == IMF_PHRASE && !is_atext(c))) return false;
    }
    return true;
}

static bool is_q_safe(unsigned char c) /* RFC 2047 §5 (3), the set that may stand anywhere */
{
    return ch_alnum(c) || c == '!' || c == '*' || c == '+' || c == '-' || c == '/';
}

static size_t q_size(struct str ch)
{
    return ch.n == 1 && (is_q_safe((unsigned char)ch.p[0]) || ch.p[0] == ' ') ? 1 : 3 * ch.n;
}

static struct str next_char(struct str *s)
{
    uint32_t cp;
    int n = utf8_next(*s, &cp);
    struct str ch = n > 0 ? str_head(*s, (size_t)n) : S("\xEF\xBF\xBD");
    *s = str_skip(*s, n > 0 ? (size_t)n : 1);
    if (ch.n == 1 && ((unsigned char)ch.p[0] < ' ' || ch.p[0] == 127)) ch = S(" ");
    return ch;
}

static void put_q(struct buf *out, struct str ch)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < ch.n; i++) {
        unsigned char c = (unsigned char)ch.p[i];
        if (c == ' ') {
            buf_char(out, '_');
        } else if (is_q_safe(c)) {
            buf_char(out, (char)c);
        } else {
            buf_char(out, '=');
            buf_char(out, digits[c >> 4]);
            buf_char(out, digits[c & 15]);
        }
    }
}

/* Takes as many whole characters off *text as one word of at most `room` columns holds; at least one. */
static struct buf take_word(struct str *text, size_t room, bool q)
{
    struct buf word = BUF(WORD_MAX * 4);
    size_t used = WORD_FRAME, bytes = 0;
    while (text->n) {
        struct str rest = *text, ch = next_char(&rest);
        size_t more = q ? q_size(ch) : (bytes + ch.n + 2) / 3 * 4 - (bytes + 2) / 3 * 4;
        if (bytes > 0 && used + more > room) break;
        used += more;
        bytes += ch.n;
        if (q) put_q(&word, ch);
        else buf_add(&word, ch);
        *text = rest;
    }
    return word;
}

static size_t put_encoded(struct buf *out, size_t column, struct str text)
{
    size_t q = 0;
    for (struct str rest = text; rest.n;) q += q_size(next_char(&rest));
    bool as_q = q <= (text.n + 2) / 3 * 6; /* half as long again is fair for what people can read */
    bool first = true;
    while (text.n) {
        if (!first || column + 28 > LINE_MAX) {
            buf_lit(out, "\r\n ");
            column = 1;
        }
        size_t before = out->n, room = LINE_MAX - column < WORD_MAX ? LINE_MAX - column : WORD_MAX;
        struct buf word = take_word(&text, room, as_q);
        if (as_q) buf_lit(out, "=?utf-8?q?");
        else buf_lit(out, "=?utf-8?b?");
        if (as_q) buf_add(out, buf_str(&word));
        else base64_put(out, buf_str(&word));
        buf_lit(out, "?=");
        buf_free(&word);
        column += out->n - before;
        first = false;
    }
    return column;
}

/* A word and the blanks before it. */
static struct str cut_word(struct str *text, struct str *blanks)
{
    size_t i = 0;
    while (i < text->n && is_blank(text->p[i])) i++;
    *blanks = str_head(*text, i);
    size_t from = i;
    while (i < text->n && !is_blank(text->p[i])) i++;
    struct str word = str_sub(*text, from, i);
    *text = str_skip(*text, i);
    return word;
}

/* Words that must be encoded and stand side by side become one run, the blanks between them inside it. */
static struct str cut_run(struct str word, struct str *text, enum imf_place place)
{
    struct str run = word;
    for (;;) {
        struct str rest = *text, blanks, next = cut_word(&rest, &blanks);
        if (next.n == 0 || word_stands(next, place)) return run;
        run.n = (size_t)(next.p + next.n - run.p);
        *text = rest;
    }
}

/* Blanks as they were, without line ends; at least one, and not so many that a line would hold nothing else. */
static size_t put_blanks(struct buf *out, struct str blanks)
{
    size_t before = out->n;
    for (size_t i = 0; i < blanks.n && out->n - before < BLANKS_MAX; i++)
        if (ch_space(blanks.p[i])) buf_char(out, blanks.p[i]);
    if (out->n == before) buf_char(out, ' ');
    return out->n - before;
}

size_t imf_encode_words(struct buf *out, size_t column, struct str text, enum imf_place place)
{
    bool first = true;
    text = str_trim(text);
    while (text.n) {
        struct str blanks, word = cut_word(&text, &blanks);
        bool stands = word_stands(word, place);
        if (!stands) word = cut_run(word, &text, place);
        size_t width = stands ? word.n : 28;
        if (!first && column + blanks.n + width > LINE_MAX) {
            buf_lit(out, "\r\n");
            column = 0;
        }
        if (!first) column += put_blanks(out, blanks);
        if (stands) {
            buf_add(out, word);
            column += word.n;
        } else {
            column = put_encoded(out, column, word);
        }
        first = false;
    }
    return column;
}
