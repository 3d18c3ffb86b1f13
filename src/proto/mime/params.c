/* Parameters: first all pieces of the field are noted as slices of it, then the pieces of one name are put together. */
#include "proto/mime/params.h"

#include "base/utf8.h"
#include "proto/imf/encoded_word.h"

enum { PLAIN = -1, PIECES_MAX = LIMIT_MIME_PARAMETERS };

struct piece {
    struct str name; /* without "*0*" */
    struct str raw;  /* as it stands, without the outer quotes */
    int number;      /* of "*0", PLAIN without */
    bool quoted, extended, used;
};

struct pieces {
    struct piece *v; /* PIECES_MAX of them, in the scratch memory */
    size_t n;
};

struct mime_scratch mime_scratch_in(struct arena *a)
{
    return (struct mime_scratch){buf_in(a, 4 * LIMIT_FIELD_SHOWN + 16), buf_in(a, PIECES_MAX * sizeof(struct piece))};
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

static size_t skip_cfws(struct str s, size_t i)
{
    size_t depth = 0;
    for (; i < s.n; i++) {
        char c = s.p[i];
        if (depth && c == '\\') i++;
        else if (c == '(') depth++;
        else if (depth && c == ')') depth--;
        else if (!depth && !is_blank(c)) return i;
    }
    return s.n;
}

static size_t token_end(struct str s, size_t i, const char *stops)
{
    while (i < s.n && !is_blank(s.p[i]) && (s.p[i] == 0 || !strchr(stops, s.p[i]))) i++;
    return i;
}

/* RFC 2231 §3, §4: name "*" number "*"; the number is at most three digits. */
static void split_name(struct piece *p)
{
    struct str rest;
    p->number = PLAIN;
    if (p->name.n && p->name.p[p->name.n - 1] == '*') {
        p->extended = true;
        p->name.n--;
    }
    size_t star = str_find_char(p->name, '*');
    uint64_t number;
    rest = str_skip(p->name, star + 1);
    if (star == p->name.n || rest.n > 3 || !str_to_u64(rest, 999, &number)) return;
    p->number = (int)number;
    p->name = str_head(p->name, star);
}

/* A name and "=": another parameter, before which the ";" was forgotten. */
static bool is_param(struct str s, size_t i)
{
    size_t end = token_end(s, i, ";=(");
    end = skip_cfws(s, end);
    return end > i && end < s.n && s.p[end] == '=';
}

/* value = token / quoted-string; unquoted values may hold what they should not, up to the next ";". Returns the end. */
static size_t read_value(struct str s, size_t i, struct piece *p)
{
    if (i < s.n && s.p[i] == '"') {
        size_t end = i + 1;
        while (end < s.n && s.p[end] != '"') end += s.p[end] == '\\' ? 2 : 1;
        if (end > s.n) end = s.n;
        p->quoted = true;
        p->raw = str_sub(s, i + 1, end);
        return end < s.n ? end + 1 : end;
    }
    size_t end = token_end(s, i, ";(");
    size_t next = skip_cfws(s, end);
    /* filename=my letter.pdf */
    if (next > end && next < s.n && s.p[next] != ';' && s.p[next - 1] != ')' && !is_param(s, next)) {
        next = i + str_find_char(str_skip(s, i), ';');
        end = next;
        while (end > i && is_blank(s.p[end - 1])) end--;
    }
    p->raw = str_sub(s, i, end);
    return next;
}

static void read_pieces(struct str s, size_t i, struct pieces *out, bool *cut)
{
    while ((i = skip_cfws(s, i)) < s.n) {
        size_t end = token_end(s, i, ";=(");
        struct piece p = {.name = str_sub(s, i, end)};
        i = end > i ? skip_cfws(s, end) : i + 1; /* ";" and junk are stepped over, forgotten ones not missed */
        if (i >= s.n || s.p[i] != '=' || p.name.n == 0) continue;
        i = read_value(s, skip_cfws(s, i + 1), &p);
        if (out->n == PIECES_MAX) {
            *cut = true;
            return;
        }
        split_name(&p);
        out->v[out->n++] = p;
    }
}

static int hex_value(char c)
{
    c = ch_lower(c);
    return ch_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void add_percent(struct buf *b, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        int high = s.p[i] == '%' && i + 2 < s.n ? hex_value(s.p[i + 1]) : -1;
        int low = high >= 0 ? hex_value(s.p[i + 2]) : -1;
        buf_char(b, low >= 0 ? (char)(high * 16 + low) : s.p[i]);
        if (low >= 0) i += 2;
    }
}

static void add_raw(struct buf *b, const struct piece *p)
{
    for (size_t i = 0; i < p->raw.n; i++) {
        char c = p->raw.p[i];
        if (p->quoted && c == '\\' && i + 1 < p->raw.n) c = p->raw.p[++i];
        if (c != '\r' && c != '\n' && c != 0) buf_char(b, c);
    }
}

/* charset "'" language "'" text, of the first piece of an extended value. */
static struct str cut_charset(struct str raw, struct str *charset)
{
    struct str rest, language, text;
    *charset = S("us-ascii");
    if (!str_cut(raw, '\'', charset, &rest) || !str_cut(rest, '\'', &language, &text)) {
        *charset = S("us-ascii");
        return raw;
    }
    return text;
}

/* The piece of that name with that number; extended ones count more (RFC 2231 §4, as RFC 6266 has it). */
static struct piece *find_piece(struct pieces *all, struct str name, int number)
{
    struct piece *found = NULL;
    for (size_t i = 0; i < all->n; i++) {
        struct piece *p = &all->v[i];
        if (p->number != number || !str_ieq(p->name, name)) continue;
        if (!found || (p->extended && !found->extended)) found = p;
    }
    return found;
}

static bool is_file_name(struct str name) { return str_ieq(name, S("name")) || str_ieq(name, S("filename")); }

/* Joins what belongs to one parameter into `b`, in UTF-8. */
static void join(struct pieces *all, struct str name, struct buf *b)
{
    struct piece *single = find_piece(all, name, PLAIN), *first = find_piece(all, name, 0);
    struct str charset = S("us-ascii");
    struct buf bytes = BUF(b->max);
    if (single && (single->extended || !first)) {
        if (single->extended) add_percent(&bytes, cut_charset(single->raw, &charset));
        else add_raw(&bytes, single);
        /* forbidden by RFC 2047 §5, usual */
        if (!single->extended && is_file_name(name)) imf_decode_words(b, buf_str(&bytes));
        else charset_to_utf8(b, charset, buf_str(&bytes), SIZE_MAX);
        buf_free(&bytes);
        return;
    }
    for (int i = 0; first; first = find_piece(all, name, ++i)) {
        struct str raw = i == 0 && first->extended ? cut_charset(first->raw, &charset) : first->raw;
        if (first->extended) add_percent(&bytes, raw);
        else add_raw(&bytes, first);
    }
    charset_to_utf8(b, charset, buf_str(&bytes), SIZE_MAX);
    buf_free(&bytes);
}

static bool needs_no_joining(const struct piece *p)
{
    if (p->extended || p->number != PLAIN) return false;
    for (size_t i = 0; i < p->raw.n; i++) {
        unsigned char c = (unsigned char)p->raw.p[i];
        if (c < ' ' || c >= 127 || c == '\\' || (c == '=' && i + 1 < p->raw.n && p->raw.p[i + 1] == '?')) return false;
    }
    return true;
}

static struct str lower(struct str s)
{
    char *p = (char *)(uintptr_t)s.p; /* our own copy */
    for (size_t i = 0; i < s.n; i++) p[i] = ch_lower(p[i]);
    return s;
}

/* The names that are in most letters, so that they cost nothing to keep. */
static const struct str common[] = {
    S_INIT("text"),        S_INIT("plain"),       S_INIT("html"),     S_INIT("multipart"),    S_INIT("mixed"),
    S_INIT("alternative"), S_INIT("related"),     S_INIT("image"),    S_INIT("png"),          S_INIT("jpeg"),
    S_INIT("gif"),         S_INIT("application"), S_INIT("pdf"),      S_INIT("octet-stream"), S_INIT("message"),
    S_INIT("rfc822"),      S_INIT("charset"),     S_INIT("utf-8"),    S_INIT("us-ascii"),     S_INIT("iso-8859-1"),
    S_INIT("boundary"),    S_INIT("name"),        S_INIT("filename"), S_INIT("attachment"),   S_INIT("inline"),
    S_INIT("format"),      S_INIT("flowed"),      S_INIT("delsp"),    S_INIT("yes"),          S_INIT("signed"),
    S_INIT("report"),      S_INIT("type"),
};

struct str mime_keep(struct arena *a, struct str s, size_t *budget, bool *cut)
{
    if (s.n == 0) return S("");
    for (size_t i = 0; s.n < 16 && i < sizeof common / sizeof *common; i++)
        if (str_eq(s, common[i])) return common[i];
    size_t cost = (s.n + 31) / 16 * 16;
    if (cost > *budget) {
        *cut = true;
        return STR_NONE;
    }
    *budget -= cost;
    return arena_str(a, s);
}

static struct str keep_lower(struct arena *a, struct str s, size_t *budget, bool *cut)
{
    char small[16];
    if (s.n < sizeof small) {
        for (size_t i = 0; i < s.n; i++) small[i] = ch_lower(s.p[i]);
        struct str kept = mime_keep(a, str_of(small, s.n), budget, cut);
        return kept;
    }
    return lower(mime_keep(a, s, budget, cut));
}

static struct mime_params put_together(struct arena *a, struct pieces *all, struct buf *scratch, size_t *budget,
                                       bool *cut)
{
    struct mime_params out = {NULL, 0};
    size_t cost = all->n * sizeof *out.v;
    if (all->n == 0) return out;
    if (cost > *budget) {
        *cut = true;
        return out;
    }
    *budget -= cost;
    struct mime_param *v = arena_array(a, all->n, sizeof *v);
    out.v = v;
    for (size_t i = 0; i < all->n; i++) {
        struct piece *p = &all->v[i];
        if (p->used) continue;
        for (size_t j = i; j < all->n; j++)
            if (str_ieq(all->v[j].name, p->name)) all->v[j].used = true;
        struct str value = p->raw;
        bool alone = needs_no_joining(p);
        for (size_t j = i + 1; alone && j < all->n; j++) alone = !str_ieq(all->v[j].name, p->name);
        if (!alone) {
            buf_clear(scratch);
            join(all, p->name, scratch);
            value = buf_str(scratch);
        }
        bool full = false;
        struct mime_param kept = {keep_lower(a, p->name, budget, &full), mime_keep(a, value, budget, &full)};
        if (!full) v[out.n++] = kept;
        *cut |= full;
    }
    return out;
}

struct mime_value mime_value_parse(struct arena *a, struct str body, struct mime_scratch scratch, size_t *budget)
{
    struct mime_value out = {.type = S(""), .subtype = S("")};
    body = str_head(body, LIMIT_FIELD_SHOWN);
    size_t at = skip_cfws(body, 0), end = token_end(body, at, "/;(");
    out.type = keep_lower(a, str_sub(body, at, end), budget, &out.cut);
    at = skip_cfws(body, end);
    if (at < body.n && body.p[at] == '/') {
        at = skip_cfws(body, at + 1);
        end = token_end(body, at, "/;(");
        out.subtype = keep_lower(a, str_sub(body, at, end), budget, &out.cut);
        at = end;
    }
    if (str_find_char(str_skip(body, at), '=') == body.n - at) return out;
    buf_clear(scratch.pieces);
    struct pieces all = {(void *)buf_reserve(scratch.pieces, PIECES_MAX * sizeof(struct piece)), 0};
    if (!all.v) {
        out.cut = true;
        return out;
    }
    read_pieces(body, at, &all, &out.cut);
    out.params = put_together(a, &all, scratch.text, budget, &out.cut);
    return out;
}

struct str mime_param(struct mime_params params, struct str name)
{
    for (size_t i = 0; i < params.n; i++)
        if (str_eq(params.v[i].name, name)) return params.v[i].value;
    return STR_NONE;
}

static const struct str encodings[] = {
    [MIME_7BIT] = S_INIT("7bit"), [MIME_8BIT] = S_INIT("8bit"), [MIME_BINARY] = S_INIT("binary"),
    [MIME_QP] = S_INIT("quoted-printable"), [MIME_BASE64] = S_INIT("base64"), [MIME_OTHER_ENCODING] = S_INIT("7bit"),
};

enum mime_encoding mime_encoding_of(struct str name)
{
    for (enum mime_encoding e = MIME_7BIT; e < MIME_OTHER_ENCODING; e++)
        if (str_ieq(name, encodings[e])) return e;
    return MIME_OTHER_ENCODING;
}

struct str mime_encoding_name(enum mime_encoding e) { return encodings[e]; }
