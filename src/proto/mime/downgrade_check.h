/* For tests and fuzzing: is what mime_downgrade() made of a letter the same letter, in ASCII? Both are parsed; trees,
 * header fields and what the bodies mean are compared (RFC 6152 §3). */
#ifndef PROTO_MIME_DOWNGRADE_CHECK_H
#define PROTO_MIME_DOWNGRADE_CHECK_H

#include "base/utf8.h"
#include "proto/imf/field.h"
#include "proto/mime/decode.h"
#include "proto/mime/downgrade.h"
#include "proto/mime/parse.h"

struct downgraded { /* a letter before and after */
    struct arena *arena;
    struct str was, is;
};

static inline struct str check_slice(struct str s, uint64_t at, uint64_t n)
{
    return str_sub(s, (size_t)at, (size_t)(at + n));
}

static inline struct str check_meaning(struct arena *a, struct str letter, const struct mime_part *p)
{
    struct buf *b = buf_in(a, letter.n + 1);
    mime_decode(p->encoding, check_slice(letter, p->body_at, p->body_size), b);
    return buf_str(b);
}

static inline bool check_may_change(struct str name)
{
    return str_ieq(name, S("Content-Transfer-Encoding")) || str_ieq(name, S("MIME-Version"));
}

/* All fields but those that say how it is encoded, in their order. */
static inline const char *check_fields(struct str was, struct str is)
{
    struct imf_fields before = {.text = was}, after = {.text = is};
    struct imf_field b, c;
    for (;;) {
        bool more, still;
        while ((more = imf_next_field(&before, &b)) && check_may_change(b.name)) {
        }
        while ((still = imf_next_field(&after, &c)) && check_may_change(c.name)) {
        }
        if (more != still) return "a field more or less";
        if (!more) return NULL;
        if (!str_eq(b.name, c.name) || !str_eq(b.body, c.body)) return "another field";
    }
}

static inline const char *check_lines_of(struct str body)
{
    while (body.n) {
        size_t end = str_find_char(body, '\n');
        if (end > 999) return "a line over 998 bytes"; /* with its CR */
        body = str_skip(body, end + 1);
    }
    return NULL;
}

static inline const char *check_part(const struct downgraded *d, const struct mime_part *was,
                                     const struct mime_part *is)
{
    const char *wrong = check_fields(check_slice(d->was, was->header_at, was->header_size),
                                     check_slice(d->is, is->header_at, is->header_size));
    if (wrong) return wrong;
    if (was->kind != is->kind || !str_eq(was->type, is->type) || !str_eq(was->subtype, is->subtype))
        return "a part of another type";
    if (is->kind == MIME_LEAF) {
        struct str raw = check_slice(d->is, is->body_at, is->body_size);
        bool changed = !str_eq(raw, check_slice(d->was, was->body_at, was->body_size));
        if (!str_eq(check_meaning(d->arena, d->was, was), check_meaning(d->arena, d->is, is)))
            return "a body that means something else";
        return changed ? check_lines_of(raw) : NULL;
    }
    const struct mime_part *x = was->first, *y = is->first;
    for (; x && y; x = x->next, y = y->next)
        if ((wrong = check_part(d, x, y)) != NULL) return wrong;
    return x || y ? "a part more or less" : NULL;
}

/* NULL, or what is wrong. */
static inline const char *downgrade_check(struct arena *a, struct str was, struct str is)
{
    struct downgraded d = {a, was, is};
    if (!str_is_ascii(is)) return "bytes over 127";
    return check_part(&d, mime_parse(a, was)->root, mime_parse(a, is)->root);
}

#endif
