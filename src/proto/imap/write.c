/* Pieces of IMAP responses (RFC 9051 §9). */
#include "proto/imap/write.h"

#include "base/utf8.h"
#include "proto/imap/scan.h"

/* --- strings --- */

static bool can_be_quoted(struct str s, bool utf8)
{
    if (s.n > LIMIT_IMAP_QUOTED) return false;
    bool ascii = true;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < ' ' || c == 0x7f) return false;
        if (c > 0x7f) ascii = false;
    }
    return ascii || (utf8 && utf8_valid(s));
}

static void put_quoted(struct buf *b, struct str s)
{
    buf_char(b, '"');
    for (size_t i = 0, from = 0; i <= s.n; i++) {
        if (i < s.n && s.p[i] != '"' && s.p[i] != '\\') continue;
        buf_add(b, str_sub(s, from, i));
        if (i < s.n) buf_char(b, '\\');
        from = i;
    }
    buf_char(b, '"');
}

void imap_put_literal_head(struct buf *b, uint64_t size, bool binary)
{
    if (binary) buf_char(b, '~');
    buf_char(b, '{');
    buf_u64(b, size);
    buf_lit(b, "}\r\n");
}

void imap_put_string(struct buf *b, struct str s, bool utf8)
{
    if (can_be_quoted(s, utf8)) {
        put_quoted(b, s);
        return;
    }
    imap_put_literal_head(b, s.n, false);
    size_t at = b->n;
    buf_add(b, s);
    for (; at < b->n; at++) /* RFC 9051 §9: CHAR8 has no NUL */
        if (b->p[at] == 0) b->p[at] = (char)0x80;
}

void imap_put_nstring(struct buf *b, struct str s, bool utf8)
{
    if (str_is_none(s)) buf_lit(b, "NIL");
    else imap_put_string(b, s, utf8);
}

void imap_put_astring(struct buf *b, struct str s, bool utf8)
{
    bool atom = s.n > 0 && s.n <= LIMIT_IMAP_QUOTED && !str_ieq(s, S("NIL"));
    for (size_t i = 0; i < s.n && atom; i++) atom = imap_atom_char(s.p[i]) || s.p[i] == ']';
    if (atom) buf_add(b, s);
    else imap_put_string(b, s, utf8);
}

/* --- dates and sets --- */

static void put_two(struct buf *b, int v, char fill)
{
    buf_char(b, (char)(v < 10 ? fill : '0' + v / 10));
    buf_char(b, (char)('0' + v % 10));
}

void imap_put_date_time(struct buf *b, utc_us t, int offset)
{
    struct civil c = civil_of(t, offset);
    int zone = offset < 0 ? -offset : offset;
    buf_char(b, '"');
    put_two(b, c.day, ' ');
    buf_char(b, '-');
    buf_add(b, str_c(time_month_names[c.month - 1]));
    buf_char(b, '-');
    put_two(b, c.year / 100, '0');
    put_two(b, c.year % 100, '0');
    buf_char(b, ' ');
    put_two(b, c.hour, '0');
    buf_char(b, ':');
    put_two(b, c.minute, '0');
    buf_char(b, ':');
    put_two(b, c.second, '0');
    buf_add(b, offset < 0 ? S(" -") : S(" +"));
    put_two(b, zone / 60, '0');
    put_two(b, zone % 60, '0');
    buf_char(b, '"');
}

void imap_put_set(struct buf *b, const struct uid_set *s)
{
    for (size_t i = 0; i < s->n; i++) {
        if (i) buf_char(b, ',');
        buf_u64(b, s->v[i].first);
        if (s->v[i].last == s->v[i].first) continue;
        buf_char(b, ':');
        buf_u64(b, s->v[i].last);
    }
}

/* --- flags --- */

static const struct str fixed[FLAG_FIRST_OWN] = {
    S_INIT("\\Seen"),  S_INIT("\\Answered"), S_INIT("\\Flagged"), S_INIT("\\Deleted"), S_INIT("\\Draft"),
    S_INIT("$Forwarded"), S_INIT("$MDNSent"),  S_INIT("$Junk"),     S_INIT("$NotJunk"),  S_INIT("$Phishing"),
};

struct str imap_flag_name(unsigned bit) { return bit < FLAG_FIRST_OWN ? fixed[bit] : S(""); }

void imap_put_flags(struct buf *b, flag_set flags, const struct str *own, size_t n_own)
{
    bool first = true;
    buf_char(b, '(');
    for (; flags; flags &= flags - 1) {
        unsigned bit = (unsigned)__builtin_ctz(flags);
        struct str name = bit < FLAG_FIRST_OWN          ? fixed[bit]
                          : bit - FLAG_FIRST_OWN < n_own ? own[bit - FLAG_FIRST_OWN]
                                                         : S("");
        if (name.n == 0) continue;
        if (!first) buf_char(b, ' ');
        buf_add(b, name);
        first = false;
    }
    buf_char(b, ')');
}

/* --- sections --- */

void imap_put_section(struct buf *b, const struct imap_section *s)
{
    static const struct str names[] = {
        [IMAP_SECTION_ALL] = S_INIT(""),
        [IMAP_SECTION_HEADER] = S_INIT("HEADER"),
        [IMAP_SECTION_FIELDS] = S_INIT("HEADER.FIELDS"),
        [IMAP_SECTION_FIELDS_NOT] = S_INIT("HEADER.FIELDS.NOT"),
        [IMAP_SECTION_TEXT] = S_INIT("TEXT"),
        [IMAP_SECTION_MIME] = S_INIT("MIME"),
    };
    buf_char(b, '[');
    for (size_t i = 0; i < s->depth; i++) {
        if (i) buf_char(b, '.');
        buf_u64(b, s->path[i]);
    }
    if (s->depth && s->text != IMAP_SECTION_ALL) buf_char(b, '.');
    buf_add(b, names[s->text]);
    if (s->text == IMAP_SECTION_FIELDS || s->text == IMAP_SECTION_FIELDS_NOT) {
        for (size_t i = 0; i < s->fields.n; i++) {
            buf_add(b, i ? S(" ") : S(" ("));
            imap_put_astring(b, s->fields.v[i], false);
        }
        buf_char(b, ')');
    }
    buf_char(b, ']');
}

/* --- status responses --- */

static void put_text(struct buf *b, struct str text)
{
    char *at = buf_reserve(b, text.n);
    if (!at) return;
    for (size_t i = 0; i < text.n; i++) at[i] = text.p[i] < ' ' || text.p[i] > '~' ? '?' : text.p[i];
    b->n += text.n;
}

void imap_put_condition(struct buf *b, struct str tag, enum imap_condition c, struct str code, struct str text)
{
    static const struct str names[] = {
        [IMAP_OK] = S_INIT("OK"),   [IMAP_NO] = S_INIT("NO"),           [IMAP_BAD] = S_INIT("BAD"),
        [IMAP_BYE] = S_INIT("BYE"), [IMAP_PREAUTH] = S_INIT("PREAUTH"),
    };
    buf_add(b, tag);
    buf_char(b, ' ');
    buf_add(b, names[c]);
    buf_char(b, ' ');
    if (code.n) {
        buf_char(b, '[');
        buf_add(b, code);
        buf_lit(b, "] ");
    }
    /* resp-text must not be empty, nor look like a code where there is none (RFC 9051 §9) */
    if (text.n == 0) text = S("done");
    else if (code.n == 0 && text.p[0] == '[') buf_lit(b, ". ");
    put_text(b, text);
    buf_lit(b, "\r\n");
}
