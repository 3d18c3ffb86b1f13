/* Walking header fields line by line (RFC 5322 §2.2). */
#include "proto/imf/field.h"

#include "mail/limits.h"

static size_t line_end(struct str text, size_t at) /* offset after the line's LF, or the end */
{
    const char *lf = at < text.n ? memchr(text.p + at, '\n', text.n - at) : NULL;
    return lf ? (size_t)(lf - text.p) + 1 : text.n;
}

static bool is_empty_line(struct str line)
{
    return (line.n == 1 && line.p[0] == '\n') || (line.n == 2 && line.p[0] == '\r' && line.p[1] == '\n');
}

size_t imf_field_name(struct str line, size_t *colon)
{
    size_t max = line.n < LIMIT_FIELD_NAME + 1 ? line.n : LIMIT_FIELD_NAME + 1, i = 0;
    while (i < max && (unsigned char)line.p[i] > ' ' && (unsigned char)line.p[i] < 127 && line.p[i] != ':') i++;
    size_t name = i;
    while (i < max && ch_space(line.p[i])) i++; /* RFC 5322 §4.5.8 */
    if (name == 0 || i >= max || line.p[i] != ':') return 0;
    if (colon) *colon = i;
    return name;
}

bool imf_is_mbox_line(struct str line) { return str_starts(line, S("From ")) || str_starts(line, S(">From ")); }

bool imf_next_field(struct imf_fields *f, struct imf_field *out)
{
    if (f->at >= f->text.n) return false;
    size_t end = line_end(f->text, f->at);
    struct str line = str_sub(f->text, f->at, end);
    size_t colon, name = imf_field_name(line, &colon);
    if (name == 0 && f->at == 0 && imf_is_mbox_line(line)) {
        f->at = end;
        end = line_end(f->text, f->at);
        line = str_sub(f->text, f->at, end);
        name = imf_field_name(line, &colon);
    }
    if (name == 0) return false;
    while (end < f->text.n && ch_space(f->text.p[end])) end = line_end(f->text, end);

    size_t stop = end;
    if (stop > f->at && f->text.p[stop - 1] == '\n') stop--;
    if (stop < end && stop > f->at && f->text.p[stop - 1] == '\r') stop--;
    *out = (struct imf_field){.name = str_head(line, name), .at = f->at, .end = end};
    out->body = str_of(line.p + colon + 1, stop - (f->at + colon + 1));
    f->at = end;
    return true;
}

struct imf_header imf_header_of(struct str letter)
{
    struct imf_fields walk = {.text = letter};
    struct imf_field field;
    while (imf_next_field(&walk, &field)) continue;
    struct str line = str_sub(letter, walk.at, line_end(letter, walk.at));
    struct imf_header h = {.size = walk.at, .body = walk.at};
    if (is_empty_line(line)) {
        h.separated = true;
        h.body = walk.at + line.n;
    }
    h.junk =
        (!h.separated && line.n > 0) || (!imf_field_name(str_head(letter, line_end(letter, 0)), NULL) && h.size > 0);
    return h;
}

bool imf_find_field(struct str letter, struct str name, size_t *from, struct imf_field *out)
{
    struct imf_fields walk = {.text = letter, .at = *from};
    while (imf_next_field(&walk, out))
        if (str_ieq(out->name, name)) {
            *from = walk.at;
            return true;
        }
    *from = walk.at;
    return false;
}

struct str imf_unfold(struct arena *a, struct str raw, size_t max)
{
    struct str s = str_trim(str_head(raw, max));
    if (str_find_char(s, '\n') == s.n && str_find_char(s, '\r') == s.n) return s;
    char *p = arena_alloc(a, s.n);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '\r' && i + 1 < s.n && s.p[i + 1] == '\n') continue;
        if (c == '\n' && i + 1 < s.n && ch_space(s.p[i + 1])) continue;
        p[n++] = c == '\n' || c == '\r' ? ' ' : c;
    }
    return str_of(p, n);
}
