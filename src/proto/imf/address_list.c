/* Reading address lists element by element (RFC 5322 §3.4, §4.4). An element is first scanned for its marks (angle
 * brackets,
 * "@", comment, end), then its pieces are rendered into one scratch text as long as the body: linear, two passes.
 *
 * Not `strict` is: anything unclosed or empty, routes, no or several "@", semicolons outside groups, text after ">",
 * white space or comments inside an address, bytes no atom may have, control characters, bad UTF-8, "=?" inside an
 * address, angle brackets or "@" in comments, angle brackets in names, "@" in a quoted local part. */
#include "proto/imf/address_list.h"

#include "base/utf8.h"
#include "mail/limits.h"
#include "proto/imf/encoded_word.h"

struct reader {
    struct arena *a;
    struct str s;
    size_t at;
    char *scratch; /* an element is rendered once, and perhaps its comment */
    size_t used, room;
    /* the first one that is never closed: from there on the mark is a letter like others */
    size_t comments_end, quotes_end;
    bool in_group;
    size_t cap;
    struct imf_address_list list;
};

enum { NOWHERE = -1 };

/* Marks of one element, offsets into the body. */
struct element {
    size_t begin, end; /* end: of the delimiter or the body */
    ptrdiff_t lt, gt;  /* gt: end of what is inside the angle brackets */
    ptrdiff_t at;      /* the last "@" outside of angle brackets */
    ptrdiff_t comment; /* the last one, offset of "(" */
    size_t ats;
    char stop;         /* , ; : < or 0 at the end of the body */
};

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

/* Offset after the closing mark of the quoted string, comment or literal that begins at i; 0 when it is never closed.
 */
static size_t skip_quoted(struct str s, size_t i)
{
    for (i++; i < s.n; i++) {
        if (s.p[i] == '\\') i++;
        else if (s.p[i] == '"') return i + 1;
    }
    return 0;
}

static size_t skip_comment(struct str s, size_t i)
{
    size_t depth = 0;
    for (; i < s.n; i++) {
        if (s.p[i] == '\\') i++;
        else if (s.p[i] == '(') depth++;
        else if (s.p[i] == ')' && --depth == 0) return i + 1;
    }
    return 0;
}

/* Where the comment or quoted string at i ends; i when there is none, none that is closed, or none that ends before
 * `to`. */
static size_t skip_span(struct reader *r, size_t i, size_t to)
{
    size_t end = 0;
    if (r->s.p[i] == '(' && i < r->comments_end) {
        end = skip_comment(r->s, i);
        if (end == 0) r->comments_end = i;
    } else if (r->s.p[i] == '"' && i < r->quotes_end) {
        end = skip_quoted(r->s, i);
        if (end == 0) r->quotes_end = i;
    } else {
        return i;
    }
    if (end == 0 || end > to) r->list.strict = false;
    return end == 0 || end > to ? i : end;
}

/* After "<": to the offset of ">", or where an unclosed one breaks off. */
static size_t scan_angle(struct reader *r, size_t i, bool *closed)
{
    bool route = false, begun = false;
    for (; i < r->s.n; i++) {
        char c = r->s.p[i];
        size_t end = skip_span(r, i, r->s.n);
        if (end > i) {
            i = end - 1;
            begun = true;
            continue;
        }
        *closed = c == '>';
        if (c == '>' || c == '<' || (!route && (c == ',' || c == ';'))) return i;
        if (c == '@' && !begun) route = true;
        if (c == ':') route = false;
        if (!is_blank(c)) begun = true;
    }
    *closed = false;
    return i;
}

/* A domain literal may hold ":". Looks no further than the next mark, so it is linear. */
static size_t skip_literal(struct str s, size_t i)
{
    size_t end = i + 1;
    while (end < s.n && !memchr("[],<>()\"", s.p[end], 8)) end++;
    return end < s.n && s.p[end] == ']' ? end + 1 : i + 1;
}

static struct element scan_element(struct reader *r)
{
    struct element e = {.begin = r->at, .lt = NOWHERE, .gt = NOWHERE, .at = NOWHERE, .comment = NOWHERE};
    size_t i = r->at;
    for (; i < r->s.n; i++) {
        char c = r->s.p[i];
        size_t end = skip_span(r, i, r->s.n);
        if (end > i) {
            if (c == '(') e.comment = (ptrdiff_t)i;
            i = end - 1;
            continue;
        }
        if (c == ',' || c == ';') break;
        if (c == '<') {
            if (e.lt != NOWHERE) break; /* a comma is missing */
            bool closed = false;
            e.lt = (ptrdiff_t)i;
            i = scan_angle(r, i + 1, &closed);
            e.gt = (ptrdiff_t)i;
            if (closed) continue;
            r->list.strict = false;
            break;
        }
        if (e.lt != NOWHERE) continue;
        if (c == '@') {
            e.at = (ptrdiff_t)i;
            e.ats++;
        } else if (c == '[' && e.at != NOWHERE) {
            i = skip_literal(r->s, i) - 1;
        } else if (c == ':' && e.at == NOWHERE && !r->in_group) {
            break;
        }
    }
    e.end = i < r->s.n ? i : r->s.n;
    e.stop = (char)(i < r->s.n ? r->s.p[i] : 0);
    r->at = e.stop && e.stop != '<' ? e.end + 1 : e.end;
    return e;
}

static void put(struct reader *r, char c)
{
    if (r->used < r->room) r->scratch[r->used++] = c;
}

static struct str taken(const struct reader *r, size_t from) { return str_of(r->scratch + from, r->used - from); }

/* The inside of a quoted string or comment from..to, quoted pairs undone, line ends dropped. */
static void put_inside(struct reader *r, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        char c = r->s.p[i];
        if (c == '\\' && i + 1 < to) c = r->s.p[++i];
        if (c != '\r' && c != '\n') put(r, c);
    }
}

static bool is_atext(unsigned char c)
{
    return ch_alnum(c) || c >= 128 || (c != 0 && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* phrase = 1*(word / "." / CFWS): a display name or a group's name. */
static struct str put_phrase(struct reader *r, size_t from, size_t to)
{
    size_t start = r->used, names = 0;
    for (size_t i = from; i < to;) {
        char c = r->s.p[i];
        size_t end = skip_span(r, i, to);
        if (is_blank(c) || (c == '(' && end > i)) {
            if (r->used > start && r->scratch[r->used - 1] != ' ') put(r, ' ');
            i = end > i ? end : i + 1;
            continue;
        }
        names++;
        if (end > i) {
            put_inside(r, i + 1, end - 1);
            i = end;
            continue;
        }
        if (!is_atext((unsigned char)c) && c != '.') r->list.strict = false;
        put(r, c);
        i++;
    }
    while (r->used > start && r->scratch[r->used - 1] == ' ') r->used--;
    struct str name = taken(r, start);
    if (memchr(name.p, '<', name.n) || memchr(name.p, '>', name.n)) r->list.strict = false;
    return names ? name : STR_NONE;
}

/* One side of an address from..to: unquoted, without white space and comments. */
struct side {
    struct str text;
    bool quoted; /* it is one quoted string */
    bool whole;  /* white space and comments were only around it */
};

static struct side put_side(struct reader *r, size_t from, size_t to)
{
    size_t start = r->used, first = to, last = from, quotes = 0;
    for (size_t i = from; i < to;) {
        char c = r->s.p[i];
        size_t end = skip_span(r, i, to);
        size_t next = end > i ? end : i + 1;
        if (is_blank(c) || (end > i && c == '(')) {
            i = next;
            continue;
        }
        if (end > i) {
            quotes++;
            put_inside(r, i + 1, end - 1);
        } else {
            put(r, c);
        }
        if (first == to) first = i;
        last = next;
        i = next;
    }
    struct side side = {.text = taken(r, start)};
    side.quoted = quotes == 1 && r->s.p[first] == '"' && skip_span(r, first, to) == last;
    side.whole = side.quoted || (quotes == 0 && last - first == side.text.n);
    return side;
}

static bool is_dot_atom(struct str s)
{
    bool dot = true;
    for (size_t i = 0; i < s.n; i++) {
        bool is_dot = s.p[i] == '.';
        if (is_dot ? dot : !is_atext((unsigned char)s.p[i])) return false;
        dot = is_dot;
    }
    return !dot;
}

static bool is_plain_domain(struct str s)
{
    if (domain_is_literal(s)) return str_find_char(str_skip(s, 1), '[') == s.n - 1;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (!ch_alnum(c) && c < 128 && c != '-' && c != '.' && c != '_') return false;
    }
    return is_dot_atom(s);
}

/* Quoted local parts that hold an address themselves mislead. */
static bool is_plain_local(const struct side *local)
{
    struct str s = local->text;
    if (!local->quoted) return is_dot_atom(s) && str_find(s, S("=?")) == s.n;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '@' || s.p[i] == '<' || s.p[i] == '>') return false;
    return s.n > 0 && str_find(s, S("=?")) == s.n;
}

/* addr-spec = local-part "@" domain in from..to, the "@" at `at`, or at == to without one */
static void put_address(struct reader *r, struct imf_address *m, size_t from, size_t at, size_t to)
{
    struct side local = put_side(r, from, at);
    struct side domain = put_side(r, at < to ? at + 1 : to, to);
    m->local = local.text;
    m->domain = domain.text;
    if (at == to || !local.whole || !domain.whole || domain.quoted || !is_plain_local(&local) ||
        !is_plain_domain(domain.text))
        r->list.strict = false;
}

/* angle-addr = "<" [obs-route] addr-spec ">" */
static void put_angle(struct reader *r, struct imf_address *m, size_t from, size_t to)
{
    while (from < to && is_blank(r->s.p[from])) from++;
    if (from < to && r->s.p[from] == '@') { /* obs-route = "@" domain *("," "@" domain) ":" */
        size_t colon = from;
        while (colon < to && r->s.p[colon] != ':') colon++;
        r->list.strict = false;
        if (colon < to) {
            m->route = put_side(r, from, colon).text;
            from = colon + 1;
        }
    }
    size_t at = to;
    for (size_t i = from, ats = 0; i < to; i++) {
        size_t end = skip_span(r, i, to);
        if (end > i) {
            i = end - 1;
        } else if (r->s.p[i] == '@') {
            at = i;
            if (ats++) r->list.strict = false;
        }
    }
    put_address(r, m, from, at, to);
}

static void append(struct reader *r, struct imf_address m)
{
    struct imf_address_list *l = &r->list;
    if (l->n == LIMIT_ADDRESSES) {
        l->cut = true;
        l->strict = false;
        return;
    }
    if (l->n == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 4;
        struct imf_address *v = arena_array(r->a, r->cap, sizeof *v);
        if (l->n) memcpy(v, l->v, l->n * sizeof *v);
        l->v = v;
    }
    l->v[l->n++] = m;
    if (m.kind == IMF_MAILBOX) l->mailboxes++;
}

static struct str comment_name(struct reader *r, size_t at)
{
    size_t start = r->used, end = skip_comment(r->s, at); /* it is closed, or it would not have been noted */
    put_inside(r, at + 1, end - 1);
    return str_trim(taken(r, start));
}

static bool only_cfws(struct reader *r, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        size_t end = r->s.p[i] == '(' ? skip_span(r, i, to) : i;
        if (end > i) i = end - 1;
        else if (!is_blank(r->s.p[i])) return false;
    }
    return true;
}

static void put_mailbox(struct reader *r, const struct element *e)
{
    struct imf_address m = {.kind = IMF_MAILBOX};
    size_t comma = e->end;
    if (e->lt == NOWHERE && e->at == NOWHERE && only_cfws(r, e->begin, comma)) {
        r->list.strict = false; /* an empty element: RFC 5322 §4.4 obs-addr-list */
        return;
    }
    if (e->lt != NOWHERE) {
        m.name = put_phrase(r, e->begin, (size_t)e->lt);
        put_angle(r, &m, (size_t)e->lt + 1, (size_t)e->gt);
        if ((size_t)e->gt < comma && !only_cfws(r, (size_t)e->gt + 1, comma)) r->list.strict = false;
    } else if (e->at != NOWHERE) {
        if (e->ats > 1) r->list.strict = false;
        put_address(r, &m, e->begin, (size_t)e->at, comma);
    } else {
        r->list.strict = false;
        struct str phrase = put_phrase(r, e->begin, comma);
        if (str_find_char(phrase, ' ') < phrase.n) m.name = phrase; /* words without an address */
        else m.local = phrase;                                      /* a local user, as in RFC 822 */
    }
    if (str_is_none(m.name) && e->comment != NOWHERE) m.name = comment_name(r, (size_t)e->comment);
    append(r, m);
}

static void read_element(struct reader *r)
{
    struct element e = scan_element(r);
    if (e.stop == ':') { /* group = display-name ":" [group-list] ";" */
        append(r, (struct imf_address){.kind = IMF_GROUP_BEGIN, .name = put_phrase(r, e.begin, e.end)});
        r->in_group = true;
        return;
    }
    bool ends_group = r->in_group && e.stop == ';';
    bool empty = e.lt == NOWHERE && e.at == NOWHERE && only_cfws(r, e.begin, e.end);
    bool after_group = !r->in_group && r->list.n > 0 && r->list.v[r->list.n - 1].kind == IMF_GROUP_END;
    if (!(empty && (ends_group || after_group))) put_mailbox(r, &e);
    if (ends_group) append(r, (struct imf_address){.kind = IMF_GROUP_END});
    else if (e.stop == ';' || e.stop == '<') r->list.strict = false;
    if (ends_group) r->in_group = false;
}

/* Bytes no field may hold, and comments that would look like addresses to a careless reader. */
static bool clean(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool fold = c == '\n' ? i + 1 < s.n && ch_space(s.p[i + 1]) : c == '\r' && i + 1 < s.n && s.p[i + 1] == '\n';
        if ((c < ' ' && c != '\t' && !fold) || c == 127) return false;
    }
    return utf8_valid(s);
}

static bool comments_clean(struct reader *r)
{
    for (size_t i = 0; i < r->s.n; i++) {
        size_t end = skip_span(r, i, r->s.n);
        if (end == i) continue;
        struct str inside = str_sub(r->s, i, end);
        if (r->s.p[i] == '(' &&
            (memchr(inside.p, '<', inside.n) || memchr(inside.p, '>', inside.n) || memchr(inside.p, '@', inside.n)))
            return false;
        i = end - 1;
    }
    return true;
}

struct imf_address_list imf_addresses(struct arena *a, struct str body)
{
    struct reader r = {.a = a,
                       .s = str_trim(body),
                       .comments_end = SIZE_MAX,
                       .quotes_end = SIZE_MAX,
                       .list = {.strict = true}};
    if (r.s.n == 0) return r.list;
    r.room = r.s.n * 2;
    r.scratch = arena_alloc(a, r.room);
    if (!clean(r.s) || !comments_clean(&r)) r.list.strict = false;
    while (r.at < r.s.n && !r.list.cut) {
        read_element(&r);
        if (r.at == r.s.n && r.s.p[r.s.n - 1] == ',') r.list.strict = false;
    }
    if (r.in_group) {
        r.list.strict = false;
        append(&r, (struct imf_address){.kind = IMF_GROUP_END});
    }
    return r.list;
}

struct str imf_display_name(struct arena *a, const struct imf_address *m)
{
    return str_is_none(m->name) ? S("") : imf_decode_text(a, m->name);
}
