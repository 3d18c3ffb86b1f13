/* HTML to plain text, by a tokenizer that never looks back: tags go, some leave a space or a line, entities become what
 * they mean, the insides of scripts and styles are stepped over. Not for showing HTML, only for its words. */
#include "base/utf8.h"
#include "proto/mime/decode.h"

struct html {
    struct str s;
    struct buf *out;
    size_t start, cap;
};

static const struct {
    const char *name;
    uint16_t cp;
} entities[] = {
    {"amp", '&'},       {"lt", '<'},       {"gt", '>'},       {"quot", '"'},      {"apos", '\''},    {"nbsp", 0xA0},
    {"zwnj", 0x200C},   {"zwj", 0x200D},   {"shy", 0xAD},     {"ensp", 0x2002},   {"emsp", 0x2003},  {"thinsp", 0x2009},
    {"ndash", 0x2013},  {"mdash", 0x2014}, {"lsquo", 0x2018}, {"rsquo", 0x2019},  {"sbquo", 0x201A}, {"ldquo", 0x201C},
    {"rdquo", 0x201D},  {"bdquo", 0x201E}, {"bull", 0x2022},  {"hellip", 0x2026}, {"prime", 0x2032}, {"lsaquo", 0x2039},
    {"rsaquo", 0x203A}, {"euro", 0x20AC},  {"trade", 0x2122}, {"larr", 0x2190},   {"uarr", 0x2191},  {"rarr", 0x2192},
    {"darr", 0x2193},   {"minus", 0x2212}, {"OElig", 0x152},  {"oelig", 0x153},   {"Scaron", 0x160}, {"scaron", 0x161},
    {"Yuml", 0x178},
};

/* U+00A1 - U+00FF in order. */
static const char *const latin1[] = {
    "iexcl",  "cent",   "pound",  "curren", "yen",    "brvbar", "sect",   "uml",    "copy",   "ordf",   "laquo",
    "not",    "shy",    "reg",    "macr",   "deg",    "plusmn", "sup2",   "sup3",   "acute",  "micro",  "para",
    "middot", "cedil",  "sup1",   "ordm",   "raquo",  "frac14", "frac12", "frac34", "iquest", "Agrave", "Aacute",
    "Acirc",  "Atilde", "Auml",   "Aring",  "AElig",  "Ccedil", "Egrave", "Eacute", "Ecirc",  "Euml",   "Igrave",
    "Iacute", "Icirc",  "Iuml",   "ETH",    "Ntilde", "Ograve", "Oacute", "Ocirc",  "Otilde", "Ouml",   "times",
    "Oslash", "Ugrave", "Uacute", "Ucirc",  "Uuml",   "Yacute", "THORN",  "szlig",  "agrave", "aacute", "acirc",
    "atilde", "auml",   "aring",  "aelig",  "ccedil", "egrave", "eacute", "ecirc",  "euml",   "igrave", "iacute",
    "icirc",  "iuml",   "eth",    "ntilde", "ograve", "oacute", "ocirc",  "otilde", "ouml",   "divide", "oslash",
    "ugrave", "uacute", "ucirc",  "uuml",   "yacute", "thorn",  "yuml",
};

static bool put_char(struct html *h, uint32_t cp)
{
    if (h->out->n - h->start + 4 > h->cap) return false;
    utf8_put(h->out, cp);
    return !h->out->failed;
}

static uint32_t named(struct str name)
{
    char first = name.n ? name.p[0] : 0;
    for (size_t i = 0; i < sizeof entities / sizeof *entities; i++)
        if (entities[i].name[0] == first && str_eq(name, str_c(entities[i].name))) return entities[i].cp;
    for (size_t i = 0; i < sizeof latin1 / sizeof *latin1; i++)
        if (latin1[i][0] == first && str_eq(name, str_c(latin1[i]))) return (uint32_t)(0xA1 + i);
    return 0;
}

static int digit_value(char c, unsigned base)
{
    int v = ch_digit(c) ? c - '0' : ch_lower(c) >= 'a' && ch_lower(c) <= 'f' ? ch_lower(c) - 'a' + 10 : 99;
    return v < (int)base ? v : -1;
}

/* At "&": the character and the bytes it takes; 0 when "&" stands for itself. */
static size_t entity(struct str s, uint32_t *cp)
{
    enum { LONGEST = 12 };
    size_t i = 1;
    if (i < s.n && s.p[i] == '#') {
        unsigned base = i + 1 < s.n && ch_lower(s.p[i + 1]) == 'x' ? 16 : 10;
        size_t first = base == 16 ? 3 : 2;
        uint32_t v = 0;
        for (i = first; i < s.n && i < first + LONGEST && digit_value(s.p[i], base) >= 0; i++)
            v = v > 0x10FFFF ? v : v * base + (uint32_t)digit_value(s.p[i], base);
        *cp = v == 0 ? 0xFFFD : v;
        if (i == first) return 0;
    } else {
        while (i < s.n && i < LONGEST && ch_alnum(s.p[i])) i++;
        *cp = named(str_sub(s, 1, i));
        if (*cp == 0) return 0;
    }
    return i < s.n && s.p[i] == ';' ? i + 1 : i;
}

/* What a tag does to the text around it, opening and closing, or to the text inside it. */
enum { LINE = 1, SPACE = 2, UNSEEN = 4 };
static const struct tag {
    struct str name;
    unsigned does;
} tags[] = {
    {S_INIT("br"), LINE},         {S_INIT("p"), LINE},          {S_INIT("div"), LINE},
    {S_INIT("tr"), LINE},         {S_INIT("li"), LINE},         {S_INIT("ul"), LINE},
    {S_INIT("ol"), LINE},         {S_INIT("dl"), LINE},         {S_INIT("dt"), LINE},
    {S_INIT("dd"), LINE},         {S_INIT("h1"), LINE},         {S_INIT("h2"), LINE},
    {S_INIT("h3"), LINE},         {S_INIT("h4"), LINE},         {S_INIT("h5"), LINE},
    {S_INIT("h6"), LINE},         {S_INIT("table"), LINE},      {S_INIT("blockquote"), LINE},
    {S_INIT("pre"), LINE},        {S_INIT("hr"), LINE},         {S_INIT("section"), LINE},
    {S_INIT("article"), LINE},    {S_INIT("header"), LINE},     {S_INIT("footer"), LINE},
    {S_INIT("center"), LINE},     {S_INIT("form"), LINE},       {S_INIT("td"), SPACE},
    {S_INIT("th"), SPACE},        {S_INIT("img"), SPACE},       {S_INIT("option"), SPACE},
    {S_INIT("input"), SPACE},     {S_INIT("script"), UNSEEN},   {S_INIT("style"), UNSEEN},
    {S_INIT("template"), UNSEEN}, {S_INIT("textarea"), UNSEEN}, {S_INIT("svg"), UNSEEN},
    {S_INIT("noscript"), UNSEEN}, {S_INIT("select"), UNSEEN},    {S_INIT("title"), LINE | UNSEEN},
};

static unsigned tag_does(struct str name)
{
    char first = ch_lower(name.p[0]);
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
        if (tags[i].name.n == name.n && tags[i].name.p[0] == first && str_ieq(name, tags[i].name)) return tags[i].does;
    return 0;
}

/* After the tag "<name …>": past "</name". Looks at each byte once more at most, for the text ends there or is given
 * up. */
static size_t skip_inside(struct str s, size_t i, struct str name)
{
    for (; i < s.n; i++) {
        const char *lt = memchr(s.p + i, '<', s.n - i);
        if (!lt) return s.n;
        i = (size_t)(lt - s.p);
        if (i + 2 + name.n <= s.n && s.p[i + 1] == '/' && str_ieq(str_of(s.p + i + 2, name.n), name)) return i;
    }
    return s.n;
}

/* At "<" of a tag: past its ">", quoted attributes understood. */
static size_t skip_tag(struct str s, size_t i)
{
    for (; i < s.n && s.p[i] != '>'; i++)
        if ((s.p[i] == '"' || s.p[i] == '\'') && s.p[i - 1] == '=') {
            const char *close = memchr(s.p + i + 1, s.p[i], s.n - i - 1);
            if (!close) return s.n;
            i = (size_t)(close - s.p);
        }
    return i < s.n ? i + 1 : s.n;
}

/* At "<": the next place to read from, i when the mark stands for itself. */
static size_t markup(struct html *h, size_t i)
{
    struct str s = h->s;
    char c = i + 1 < s.n ? s.p[i + 1] : 0;
    if (c == '!' || c == '?') {
        if (!str_starts(str_skip(s, i), S("<!--"))) return i + 1 + str_find_char(str_skip(s, i), '>');
        size_t end = str_find(str_skip(s, i + 4), S("-->"));
        return i + 4 + end + 3;
    }
    bool closing = c == '/';
    size_t from = i + 1 + closing, to = from;
    while (to < s.n && ch_alnum(s.p[to])) to++;
    if (to == from || !ch_alpha(s.p[from])) return i;
    struct str name = str_sub(s, from, to);
    unsigned does = tag_does(name);
    if (does & LINE) put_char(h, '\n');
    else if (does & SPACE) put_char(h, ' ');
    i = skip_tag(s, to);
    bool hides = !closing && does & UNSEEN && s.p[i - 1] == '>' && s.p[i - 2] != '/';
    return hides ? skip_inside(s, i, name) : i;
}

/* Takes the ASCII that stands for itself; the next place to read from. */
static size_t plain(struct html *h, size_t i)
{
    size_t room = h->cap - (h->out->n - h->start), end = h->s.n - i < room ? h->s.n : i + room, from = i;
    while (i < end && h->s.p[i] != '<' && h->s.p[i] != '&' && (unsigned char)h->s.p[i] < 0x80) i++;
    buf_add(h->out, str_sub(h->s, from, i));
    return i;
}

void mime_html_text(struct str html, size_t cap, struct buf *out)
{
    struct html h = {html, out, out->n, cap};
    for (size_t i = 0; i < html.n && out->n - h.start + 4 <= cap && !out->failed;) {
        size_t after = plain(&h, i);
        if (after > i) {
            i = after;
            continue;
        }
        if (html.p[i] == '<') {
            size_t next = markup(&h, i);
            if (next > i) {
                i = next;
                continue;
            }
        }
        uint32_t cp;
        size_t n = html.p[i] == '&' ? entity(str_skip(html, i), &cp) : 0;
        if (n == 0) {
            int size = utf8_next(str_skip(html, i), &cp);
            n = size > 0 ? (size_t)size : 1;
        }
        if (!put_char(&h, cp)) return;
        i += n;
    }
}
