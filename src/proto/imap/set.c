/* Sequence sets (RFC 9051 §9). */
#include "proto/imap/set.h"

#include <stdlib.h>

#include "proto/imap/scan.h"

/* seq-number = nz-number / "*", which is 0 here */
static bool take_number(struct str *rest, uint32_t *out)
{
    if (rest->n && rest->p[0] == '*') {
        *rest = str_skip(*rest, 1);
        *out = 0;
        return true;
    }
    size_t n = 0;
    while (n < rest->n && ch_digit(rest->p[n])) n++;
    uint64_t v;
    if (!str_to_u64(str_head(*rest, n), UINT32_MAX, &v) || v == 0) return false;
    *rest = str_skip(*rest, n);
    *out = (uint32_t)v;
    return true;
}

static int by_first(const void *x, const void *y)
{
    const struct uid_range *a = x, *b = y;
    return a->first < b->first ? -1 : a->first > b->first;
}

void imap_ranges_add(struct arena *a, struct uid_set *s, struct uid_range r)
{
    struct uid_range *last = s->n ? &s->v[s->n - 1] : NULL;
    if (last && r.first >= last->first && (r.first <= last->last || r.first - 1 == last->last)) {
        if (r.last > last->last) last->last = r.last;
        return;
    }
    s->v = arena_grow(a, s->v, s->n, &s->cap, sizeof *s->v);
    s->v[s->n++] = r;
}

void imap_ranges_sort(struct arena *a, struct uid_set *s)
{
    bool sorted = true;
    for (size_t i = 1; i < s->n; i++) sorted = sorted && s->v[i - 1].last < s->v[i].first;
    if (sorted) return;
    qsort(s->v, s->n, sizeof *s->v, by_first);
    size_t n = s->n;
    s->n = 0;
    for (size_t i = 0; i < n; i++) imap_ranges_add(a, s, s->v[i]); /* never overtakes i, so that it needs no memory */
}

int imap_set_parse(struct arena *a, struct str text, struct imap_set *out)
{
    *out = (struct imap_set){0};
    if (str_eq(text, S("$"))) {                     /* RFC 5182 §2.1 */
        out->saved = true;
        return 0;
    }
    for (;;) {
        uint32_t first, last;
        if (!take_number(&text, &first)) return ERR_SYNTAX;
        last = first;
        if (text.n && text.p[0] == ':') {
            text = str_skip(text, 1);
            if (!take_number(&text, &last)) return ERR_SYNTAX;
        }
        if (first == 0 || last == 0) {              /* "n:*" is "*:n" */
            uint32_t from = first ? first : last ? last : UINT32_MAX;
            if (out->from == 0 || from < out->from) out->from = from;
        } else {
            struct uid_range r = first <= last ? (struct uid_range){first, last} : (struct uid_range){last, first};
            imap_ranges_add(a, &out->numbers, r);
            if (out->numbers.n > LIMIT_IMAP_SET) return ERR_TOO_LONG;
        }
        if (text.n == 0) break;
        if (text.p[0] != ',') return ERR_SYNTAX;
        text = str_skip(text, 1);
    }
    imap_ranges_sort(a, &out->numbers);
    return 0;
}

struct uid_set imap_set_resolve(struct arena *a, const struct imap_set *set, uint32_t max)
{
    struct uid_set s = {0};
    uint32_t from = set->from < max ? set->from : max;
    bool open = set->from && max;
    for (size_t i = 0; i <= set->numbers.n; i++) {
        bool end = i == set->numbers.n;
        if (open && (end || set->numbers.v[i].first > from)) {
            imap_ranges_add(a, &s, (struct uid_range){from, max});
            open = false;
        }
        if (!end) imap_ranges_add(a, &s, set->numbers.v[i]);
    }
    return s;
}
