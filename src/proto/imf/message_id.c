/* Finding ids between angle brackets (RFC 5322 §3.6.4). */
#include "proto/imf/message_id.h"

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

static struct str without_blanks(struct arena *a, struct str s)
{
    size_t i = 0;
    s = str_trim(s);
    while (i < s.n && !is_blank(s.p[i])) i++;
    if (i == s.n) return s;
    char *p = arena_alloc(a, s.n);
    size_t n = 0;
    for (i = 0; i < s.n; i++)
        if (!is_blank(s.p[i])) p[n++] = s.p[i];
    return str_of(p, n);
}

/* The next id at or after *at; false at the end. An opening bracket inside one begins it anew. */
static bool next_id(struct str body, size_t *at, struct str *id)
{
    size_t i = *at;
    while (i < body.n) {
        const char *lt = memchr(body.p + i, '<', body.n - i);
        if (!lt) break;
        size_t from = (size_t)(lt - body.p) + 1, to = from;
        while (to < body.n && body.p[to] != '>' && body.p[to] != '<') to++;
        i = to;
        if (to == body.n || body.p[to] == '<') continue;
        *at = to + 1;
        *id = str_sub(body, from, to);
        return true;
    }
    *at = body.n;
    return false;
}

static bool has(const struct imf_ids *ids, struct str id)
{
    for (size_t i = 0; i < ids->n; i++)
        if (str_eq(ids->v[i], id)) return true;
    return false;
}

/* One more; when full, the second oldest gives way, so that the first id and the latest stay. */
static void add(struct imf_ids *ids, size_t max, struct str id)
{
    if (ids->n == max) {
        if (max < 2) return;
        memmove((void *)(ids->v + 1), ids->v + 2, (max - 2) * sizeof *ids->v);
        ids->n--;
    }
    ids->v[ids->n++] = id;
}

struct imf_ids imf_message_ids(struct arena *a, struct str body, size_t max)
{
    struct imf_ids ids = {NULL, 0};
    size_t at = 0, count = 0;
    struct str id;
    while (count < max && next_id(body, &at, &id)) count++;
    if (max == 0) return ids;
    ids.v = arena_array(a, count ? count : 1, sizeof *ids.v);

    at = 0;
    while (next_id(body, &at, &id)) {
        id = without_blanks(a, id);
        if (id.n > 0 && !has(&ids, id)) add(&ids, max, id);
    }
    if (count == 0) {
        struct str bare = str_trim(body);
        if (bare.n > 0 && without_blanks(a, bare).n == bare.n && str_find_char(bare, '<') == bare.n)
            ids.v[ids.n++] = bare;
    }
    return ids;
}

struct str imf_message_id(struct arena *a, struct str body)
{
    struct imf_ids ids = imf_message_ids(a, body, 1);
    return ids.n ? ids.v[0] : STR_NONE;
}
