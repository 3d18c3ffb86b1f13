/* The words of IMAP commands (RFC 9051 §9). */
#include "proto/imap/scan.h"

#include "base/utf8.h"

/* --- characters --- */

bool imap_atom_char(char c)
{
    unsigned char u = (unsigned char)c;
    return u > ' ' && u < 0x7f && !strchr("(){%*\"\\]", c);
}

static bool astring_char(char c) { return imap_atom_char(c) || c == ']' || (unsigned char)c >= 0x80; }
static bool list_char(char c) { return astring_char(c) || c == '%' || c == '*'; }
static bool word_char(char c) { return ch_alnum(c) || c == '-' || c == '_' || c == '.'; }

static struct str take_while(struct imap_scan *s, bool (*is)(char))
{
    size_t n = 0;
    while (n < s->rest.n && is(s->rest.p[n])) n++;
    struct str taken = str_head(s->rest, n);
    s->rest = str_skip(s->rest, n);
    return taken;
}

bool scan_char(struct imap_scan *s, char c)
{
    if (scan_if(s, c)) return true;
    switch (c) {
    case '(': return scan_fail(s, "an opening parenthesis is missing");
    case ')': return scan_fail(s, "a closing parenthesis is missing");
    case ']': return scan_fail(s, "a closing bracket is missing");
    default: return scan_fail(s, "an unexpected character");
    }
}

bool scan_space(struct imap_scan *s)
{
    if (!scan_is(s, ' ')) return scan_fail(s, s->rest.n ? "an unexpected character" : "an argument is missing");
    while (scan_if(s, ' ')) {
    }
    return s->rest.n ? true : scan_fail(s, "an argument is missing");
}

bool scan_more(struct imap_scan *s)
{
    if (!scan_is(s, ' ')) return false;
    while (scan_if(s, ' ')) {
    }
    return s->rest.n > 0;
}

bool scan_end(struct imap_scan *s)
{
    while (scan_if(s, ' ')) {
    }
    return s->rest.n == 0 ? true : scan_fail(s, "too many arguments");
}

/* --- words and strings --- */

struct str scan_word(struct imap_scan *s) { return take_while(s, word_char); }

bool scan_word_is(struct imap_scan *s, struct str word)
{
    struct imap_scan ahead = *s;
    if (!str_ieq(scan_word(&ahead), word)) return false;
    *s = ahead;
    return true;
}

bool scan_atom(struct imap_scan *s, struct str *out)
{
    *out = take_while(s, imap_atom_char);
    return out->n ? true : scan_fail(s, "a word is missing");
}

/* quoted = DQUOTE *QUOTED-CHAR DQUOTE */
static bool read_quoted(struct imap_scan *s, struct str *out)
{
    size_t n = 1, escapes = 0;
    for (; n < s->rest.n && s->rest.p[n] != '"'; n++) {
        char c = s->rest.p[n];
        if (c == '\0' || c == '\r' || c == '\n') break;
        if (c != '\\') continue;
        escapes++;
        n++;
        if (n == s->rest.n || (s->rest.p[n] != '"' && s->rest.p[n] != '\\'))
            return scan_fail(s, "a backslash that escapes nothing");
    }
    if (n >= s->rest.n || s->rest.p[n] != '"') return scan_fail(s, "a quoted string does not end");
    struct str inside = str_sub(s->rest, 1, n);
    s->rest = str_skip(s->rest, n + 1);
    *out = str_of(inside.n ? inside.p : "", inside.n);
    if (escapes == 0 || !s->a) return true;
    char *p = arena_alloc(s->a, inside.n - escapes);
    *out = str_of(p, inside.n - escapes);
    for (size_t i = 0; i < inside.n; i++) {
        if (inside.p[i] == '\\') i++;
        *p++ = inside.p[i];
    }
    return true;
}

/* literal = "{" number64 ["+"] "}" CRLF *CHAR8, literal8 = "~{" number64 ["+"] "}" CRLF *OCTET (RFC 9051 §9) */
enum octets { TEXT, BINARY_TOO, ANY }; /* ANY: NUL without "~" as well */

static bool read_literal(struct imap_scan *s, enum octets what, struct str *out)
{
    size_t line = str_find_char(s->rest, '\n');
    struct str head = str_head(s->rest, line);
    if (str_ends(head, S("\r"))) head.n--;
    struct imap_literal l;
    if (line == s->rest.n || !imap_literal_at_end(head, &l) || str_rfind_char(head, '{') != (l.binary ? 1 : 0))
        return scan_fail(s, "a literal without its length");
    if (l.binary && what == TEXT) return scan_fail(s, "a binary literal is not taken here");
    struct str rest = str_skip(s->rest, line + 1);
    if (l.size > rest.n) return scan_fail(s, "a literal is cut off");
    *out = str_of(rest.p ? rest.p : "", (size_t)l.size);
    s->rest = str_skip(rest, (size_t)l.size);
    if (!l.binary && what != ANY && memchr(out->p, 0, out->n)) return scan_fail(s, "a NUL in a literal");
    return true;
}

static bool string_ahead(const struct imap_scan *s) { return scan_is(s, '"') || scan_is(s, '{') || scan_is(s, '~'); }

static bool read_string(struct imap_scan *s, enum octets what, struct str *out)
{
    if (!scan_is(s, '"')) return read_literal(s, what, out);
    if (!read_quoted(s, out)) return false;
    /* RFC 6855 §3; of what other servers say we make the best */
    return what == ANY || utf8_valid(*out) ? true : scan_fail(s, "a quoted string that is no UTF-8");
}

bool scan_string(struct imap_scan *s, struct str *out)
{
    if (!string_ahead(s)) return scan_fail(s, "a string is missing");
    return read_string(s, TEXT, out);
}

bool scan_octets(struct imap_scan *s, struct str *out) { return read_string(s, ANY, out); }

/* "~" begins atoms too: "~user" */
static bool unquoted_or_string(struct imap_scan *s, bool (*is)(char), struct str *out)
{
    if (scan_is(s, '"') || scan_is(s, '{') || str_starts(s->rest, S("~{"))) return read_string(s, TEXT, out);
    *out = take_while(s, is);
    return out->n ? true : scan_fail(s, "an argument is missing");
}

bool scan_astring(struct imap_scan *s, struct str *out) { return unquoted_or_string(s, astring_char, out); }
bool scan_list_mailbox(struct imap_scan *s, struct str *out) { return unquoted_or_string(s, list_char, out); }

bool scan_nstring(struct imap_scan *s, struct str *out)
{
    bool atom = !scan_is(s, '"') && !scan_is(s, '{');
    if (!scan_astring(s, out)) return false;
    if (atom && str_ieq(*out, S("NIL"))) *out = STR_NONE;
    return true;
}

bool scan_value(struct imap_scan *s, struct str *out)
{
    if (str_starts(s->rest, S("~{"))) return read_literal(s, BINARY_TOO, out);
    return scan_nstring(s, out);
}

/* --- numbers --- */

static bool digit(char c) { return ch_digit(c); }

bool scan_number(struct imap_scan *s, uint64_t least, uint64_t most, uint64_t *out)
{
    struct str digits = take_while(s, digit);
    if (digits.n == 0) return scan_fail(s, "a number is missing");
    if (!str_to_u64(digits, most, out)) return scan_fail(s, "a number is too large");
    return *out >= least ? true : scan_fail(s, "a number is too small");
}

bool scan_u32(struct imap_scan *s, uint32_t least, uint32_t *out)
{
    uint64_t v;
    if (!scan_number(s, least, UINT32_MAX, &v)) return false;
    *out = (uint32_t)v;
    return true;
}

bool scan_modseq(struct imap_scan *s, uint64_t *out) { return scan_number(s, 0, INT64_MAX, out); }

static bool set_char(char c) { return ch_digit(c) || c == ':' || c == ',' || c == '*' || c == '$'; }

bool scan_set(struct imap_scan *s, struct imap_set *out)
{
    int e = imap_set_parse(s->a, take_while(s, set_char), out);
    if (e == ERR_TOO_LONG) return scan_fail(s, "a set of too many ranges");
    return e == 0 ? true : scan_fail(s, "a set of messages is wrong");
}

/* partial-range = nz-number ":" nz-number / "-" nz-number ":" "-" nz-number (RFC 9394 §4) */
bool scan_partial(struct imap_scan *s, struct imap_partial *out)
{
    *out = (struct imap_partial){.given = true, .from_end = scan_if(s, '-')};
    if (!scan_u32(s, 1, &out->first) || !scan_char(s, ':')) return false;
    if (out->from_end && !scan_char(s, '-')) return false;
    if (!scan_u32(s, 1, &out->last)) return false;
    if (out->last < out->first) {
        uint32_t first = out->last;
        out->last = out->first;
        out->first = first;
        out->backwards = true;
    }
    return true;
}

/* --- dates --- */

/* date-text = date-day "-" date-month "-" date-year */
static bool read_day(struct imap_scan *s, struct civil *c)
{
    uint64_t day, year;
    if (!scan_number(s, 1, 31, &day) || !scan_char(s, '-')) return false;
    c->day = (int)day;
    c->month = 0;
    for (int m = 0; m < 12; m++)
        if (str_ieq(str_head(s->rest, 3), str_c(time_month_names[m]))) c->month = m + 1;
    if (c->month == 0) return scan_fail(s, "a month is wrong");
    s->rest = str_skip(s->rest, 3);
    if (!scan_char(s, '-')) return false;
    size_t before = s->rest.n;
    if (!scan_number(s, 1, 9999, &year)) return false;
    if (before - s->rest.n != 4) return scan_fail(s, "a year has four digits");
    c->year = (int)year;
    return civil_valid(c) ? true : scan_fail(s, "no such day");
}

bool scan_date(struct imap_scan *s, utc_us *day)
{
    struct civil c = {0};
    bool quoted = scan_if(s, '"');
    if (!read_day(s, &c) || (quoted && !scan_char(s, '"'))) return false;
    *day = civil_to_utc(&c);
    return true;
}

static bool two_digits(struct imap_scan *s, int *out)
{
    uint64_t v;
    if (!str_to_u64(str_head(s->rest, 2), 99, &v) || s->rest.n < 2) return scan_fail(s, "a date is wrong");
    s->rest = str_skip(s->rest, 2);
    *out = (int)v;
    return true;
}

/* date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE; one digit for a day is taken
 * without its blank too */
bool scan_date_time(struct imap_scan *s, utc_us *at, int *offset)
{
    struct civil c = {0};
    int hours = 0, minutes = 0;
    if (!scan_char(s, '"')) return false;
    while (scan_if(s, ' ')) {
    }
    if (!read_day(s, &c) || !scan_char(s, ' ') || !two_digits(s, &c.hour) || !scan_char(s, ':') ||
        !two_digits(s, &c.minute) || !scan_char(s, ':') || !two_digits(s, &c.second) || !scan_char(s, ' '))
        return false;
    bool west = scan_if(s, '-');
    if (!west && !scan_char(s, '+')) return false;
    if (!two_digits(s, &hours) || !two_digits(s, &minutes) || !scan_char(s, '"')) return false;
    c.offset = (west ? -1 : 1) * (hours * 60 + minutes);
    if (minutes > 59 || !civil_valid(&c)) return scan_fail(s, "no such time");
    *at = civil_to_utc(&c);
    *offset = c.offset;
    return true;
}

/* --- lists --- */

bool scan_list(struct imap_scan *s, bool may_be_empty, bool (*one)(struct imap_scan *, void *), void *arg)
{
    while (scan_if(s, ' ')) {
    }
    if (scan_if(s, ')')) return may_be_empty ? true : scan_fail(s, "an empty list");
    for (;;) {
        if (!one(s, arg)) return false;
        bool more = scan_more(s);
        if (scan_if(s, ')')) return true;
        if (!more) return scan_fail(s, s->rest.n ? "an unexpected character" : "a closing parenthesis is missing");
    }
}

int imap_word_find(const struct imap_word *table, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++)
        if (str_ieq(table[i].name, name)) return table[i].value;
    return -1;
}

void imap_strings_add(struct arena *a, struct imap_strings *l, struct str s)
{
    l->v = arena_grow(a, l->v, l->n, &l->cap, sizeof *l->v);
    l->v[l->n++] = s;
}

/* --- flags --- */

static const struct imap_word flags[] = {
    {S_INIT("\\Seen"), FLAG_SEEN},           {S_INIT("\\Answered"), FLAG_ANSWERED},
    {S_INIT("\\Flagged"), FLAG_FLAGGED},     {S_INIT("\\Deleted"), FLAG_DELETED},
    {S_INIT("\\Draft"), FLAG_DRAFT},         {S_INIT("$Forwarded"), FLAG_FORWARDED},
    {S_INIT("$MDNSent"), FLAG_MDN_SENT},     {S_INIT("$Junk"), FLAG_JUNK},
    {S_INIT("$NotJunk"), FLAG_NOT_JUNK},     {S_INIT("$Phishing"), FLAG_PHISHING},
};

flag_set imap_flag_bit(struct str name)
{
    int bit = IMAP_WORD(flags, name);
    return bit < 0 ? 0 : (flag_set)bit;
}

/* flag = "\Answered" / ... / flag-keyword (RFC 9051 §9). \Recent cannot be set (RFC 3501 §2.3.2), but old clients give
 * back what they were given. */
static bool read_flag(struct imap_scan *s, void *arg)
{
    struct imap_flags *out = arg;
    struct str whole = s->rest, name;
    bool system = scan_if(s, '\\');
    if (!scan_atom(s, &name)) return false;
    if (system) name = str_head(whole, name.n + 1);
    flag_set bit = imap_flag_bit(name);
    out->known |= bit;
    if (bit || str_ieq(name, S("\\Recent"))) return true;
    if (system) return scan_fail(s, "no such system flag");
    for (size_t i = 0; i < out->keywords.n; i++)
        if (str_eq(out->keywords.v[i], name)) return true;
    out->too_many = out->keywords.n == LIMIT_IMAP_KEYWORDS;
    if (!out->too_many) imap_strings_add(s->a, &out->keywords, name);
    return true;
}

bool scan_flags(struct imap_scan *s, bool parentheses, struct imap_flags *out)
{
    *out = (struct imap_flags){0};
    if (parentheses) return scan_char(s, '(') && scan_list(s, true, read_flag, out);
    do
        if (!read_flag(s, out)) return false;
    while (scan_more(s));
    return true;
}
