/* The characters of a configuration file, before libconfuse sees them.
 *
 * libconfuse expands ${VARIABLES}, takes any byte it does not know for a blank, closes a comment or block that the file
 * leaves open without a word, cuts text at \0, trips over comments inside lists and miscounts lines after some. Here
 * all that is refused or written so that it cannot happen. Which settings exist is not known here. */
#include "base/conf_parts.h"
#include "base/utf8.h"

struct scan {
    const char *name;
    struct str text;
    bool fallback;
    size_t at;
    unsigned line;
    unsigned depth, opened; /* braces that are open; the line of the outermost */
    struct buf *out;
    struct error *e;
    enum { START, NAME, TITLE, VALUE_NEXT, VALUE } last; /* the word before, or what must come now */
};

#define WRONG(s, where, ...) (error_set((s)->e, ERR_CONFIG, __VA_ARGS__), wrong_at((s), (where)))

static int wrong_at(struct scan *s, unsigned line)
{
    error_prefix(s->e, "%s:%u: ", s->name, line);
    return ERR_CONFIG;
}

static char ahead(const struct scan *s, size_t n) { return s->at + n < s->text.n ? s->text.p[s->at + n] : '\0'; }

static bool is_word(char c) { return ch_alnum(c) || (c && strchr("_-.:/@%", c)); }

static int skip_block_comment(struct scan *s)
{
    unsigned opened = s->line;
    struct str rest = str_skip(s->text, s->at + 2);
    size_t length = str_find(rest, S("*/"));
    if (length == rest.n) return WRONG(s, opened, "this comment is never closed (\"*/\")");
    for (size_t i = 0; i < length; i++) {
        if (rest.p[i] != '\n') continue;
        buf_char(s->out, '\n');
        s->line++;
    }
    s->at += length + 4;
    return 0;
}

/* What kind of word comes now: libconfuse reaches the same decision by the same tokens. */
static int place_word(struct scan *s, bool quoted)
{
    s->last = s->last == VALUE_NEXT ? VALUE : s->last == NAME ? TITLE : NAME;
    if (s->last == NAME && quoted) return WRONG(s, s->line, "a setting's name is expected here, not a text in quotes");
    return 0;
}

static void end_word(struct scan *s)
{
    if (s->last == TITLE) buf_printf(s->out, "%c%u.%zu", CONF_MARK, s->line, s->at);
    if (s->fallback) buf_char(s->out, CONF_MARK);
    buf_char(s->out, '"');
}

static int scan_word(struct scan *s)
{
    int error = place_word(s, false);
    buf_char(s->out, '"');
    for (; is_word(ahead(s, 0)); s->at++) buf_char(s->out, ahead(s, 0));
    end_word(s);
    return error;
}

static int scan_quoted(struct scan *s)
{
    char quote = s->text.p[s->at++];
    int error = place_word(s, true);
    buf_char(s->out, '"');
    for (; !error; s->at++) {
        uint32_t cp;
        char c = ahead(s, 0);
        if (s->at >= s->text.n || c == '\n') return WRONG(s, s->line, "this text is not closed in its line");
        if (c == quote) break;
        int n = utf8_next(str_skip(s->text, s->at), &cp);
        if (n < 0) return WRONG(s, s->line, "this text is not UTF-8");
        if (cp < 0x20 || cp == 0x7f) return WRONG(s, s->line, "there is a control character in this text");
        if (c == '\\') {
            c = ahead(s, 1);
            if (c != '\\' && c != '"' && c != '\'')
                return WRONG(s, s->line, "only \\\\, \\\" and \\' may follow a backslash");
            s->at++;
        }
        if (c == '\\' || c == '"' || c == '$') buf_char(s->out, '\\'); /* "$": no ${VARIABLE} */
        buf_add(s->out, str_sub(s->text, s->at, s->at + (size_t)n));
        s->at += (size_t)n - 1;
    }
    s->at++;
    end_word(s);
    return error;
}

static int scan_mark(struct scan *s)
{
    char c = ahead(s, 0);
    bool append = c == '+' && ahead(s, 1) == '=';
    if (append || c == '=' || c == ',') s->last = VALUE_NEXT;
    else if (c == '}' || (c == '{' && s->last != VALUE_NEXT)) s->last = START;
    else if (c != '{') {
        if (c > ' ' && c < 0x7f) return WRONG(s, s->line, "unexpected '%c' (text goes in quotes)", c);
        return WRONG(s, s->line, "unexpected byte 0x%02x (text goes in quotes)", (unsigned char)c);
    }
    if (c == '{' && s->depth++ == 0) s->opened = s->line;
    if (c == '}' && s->depth) s->depth--;
    buf_add(s->out, str_sub(s->text, s->at, s->at + 1 + append));
    s->at += 1 + append;
    return 0;
}

static int scan_next(struct scan *s)
{
    char c = ahead(s, 0);
    if (ch_space(c) || c == '\r' || c == '\n') {
        buf_char(s->out, c == '\n' ? '\n' : ' ');
        s->line += c == '\n';
        s->at++;
        return 0;
    }
    if (c == '#' || (c == '/' && ahead(s, 1) == '/')) {
        s->at += str_find_char(str_skip(s->text, s->at), '\n');
        return 0;
    }
    if (c == '/' && ahead(s, 1) == '*') return skip_block_comment(s);
    if (c == '"' || c == '\'') return scan_quoted(s);
    return is_word(c) ? scan_word(s) : scan_mark(s);
}

int conf_scan(struct buf *out, const char *name, struct str text, bool fallback, struct error *e)
{
    struct scan s = {.name = name, .text = text, .fallback = fallback, .line = 1, .out = out, .e = e};
    s.last = fallback ? VALUE_NEXT : START;
    if (str_starts(text, S("\xef\xbb\xbf"))) s.at = 3; /* some editors begin UTF-8 files so */
    while (s.at < text.n) {
        int error = scan_next(&s);
        if (error) return error;
    }
    if (s.depth) return WRONG(&s, s.opened, "this '{' is never closed");
    buf_char(out, '\0');
    return out->failed ? WRONG(&s, s.line, "the file is too long") : 0;
}
