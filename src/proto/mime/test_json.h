/* For tests that read other people's tables: JSON into a small tree. No numbers but integers, no checks beyond the
 * need. */
#ifndef PROTO_MIME_TEST_JSON_H
#define PROTO_MIME_TEST_JSON_H

#include <stdlib.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/utf8.h"

struct json {
    enum { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_TEXT, JSON_LIST, JSON_OBJECT } kind;
    struct str name, text; /* name: in the object around */
    long long number;      /* or 0, 1 */
    struct json *first, *next;
    size_t n;
};

static inline void json_blanks(struct str *s)
{
    while (s->n && strchr(" \t\r\n,:", s->p[0])) *s = str_skip(*s, 1);
}

static inline struct str json_string(struct arena *a, struct str *s)
{
    struct buf *b = buf_in(a, 1 << 24);
    for (*s = str_skip(*s, 1); s->n && s->p[0] != '"'; *s = str_skip(*s, 1)) {
        if (s->p[0] != '\\') {
            buf_char(b, s->p[0]);
            continue;
        }
        *s = str_skip(*s, 1);
        const char *at = strchr("n\nt\tr\rb\bf\f", s->p[0]);
        if (s->p[0] == 'u') {
            uint32_t cp = (uint32_t)strtoul(arena_cstr(a, str_sub(*s, 1, 5)), NULL, 16);
            *s = str_skip(*s, 4);
            if (cp >= 0xD800 && cp < 0xDC00) {
                cp = 0x10000 + ((cp - 0xD800) << 10) + (uint32_t)strtoul(arena_cstr(a, str_sub(*s, 3, 7)), NULL, 16) -
                     0xDC00;
                *s = str_skip(*s, 6);
            }
            utf8_put(b, cp);
        } else {
            buf_char(b, at && ch_alpha(s->p[0]) ? at[1] : s->p[0]);
        }
    }
    *s = str_skip(*s, 1);
    return b->n ? buf_str(b) : S("");
}

static inline struct json *json_read(struct arena *a, struct str *s)
{
    struct json *j = arena_new_of(a, struct json);
    json_blanks(s);
    if (!s->n) return j;
    char c = s->p[0];
    if (c == '"') {
        j->kind = JSON_TEXT;
        j->text = json_string(a, s);
    } else if (c == '[' || c == '{') {
        struct json **at = &j->first;
        j->kind = c == '[' ? JSON_LIST : JSON_OBJECT;
        *s = str_skip(*s, 1);
        for (json_blanks(s); s->n && s->p[0] != ']' && s->p[0] != '}'; json_blanks(s), at = &(*at)->next, j->n++) {
            struct str name = j->kind == JSON_OBJECT ? json_string(a, s) : STR_NONE;
            *at = json_read(a, s);
            (*at)->name = name;
        }
        *s = str_skip(*s, 1);
    } else {
        size_t n = 0;
        while (n < s->n && !strchr(",]} \r\n\t", s->p[n])) n++;
        j->kind = c == 'n' ? JSON_NULL : c == 't' || c == 'f' ? JSON_BOOL : JSON_NUMBER;
        j->number = c == 't' ? 1 : atoll(arena_cstr(a, str_head(*s, n)));
        *s = str_skip(*s, n);
    }
    return j;
}

static inline const struct json *json_get(const struct json *j, const char *name) /* NULL when absent or null */
{
    for (const struct json *c = j ? j->first : NULL; c; c = c->next)
        if (str_eq(c->name, str_c(name))) return c->kind == JSON_NULL ? NULL : c;
    return NULL;
}

static inline long long json_number(const struct json *j, const char *name)
{
    const struct json *c = json_get(j, name);
    return c ? c->number : 0;
}

static inline struct str json_text(const struct json *j, const char *name)
{
    const struct json *c = json_get(j, name);
    return c ? c->text : STR_NONE;
}

#endif
