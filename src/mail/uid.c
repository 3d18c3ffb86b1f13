/* Sets of UIDs (RFC 9051 §9, sequence-set): ranges that stay sorted, disjoint and not adjacent.
 *
 * Protocols say how a set is written ("1:4,9"), the store what is in it. */
#include "mail/uid.h"

#include <assert.h>

/* The first range that ends at or after u. */
static size_t first_reaching(const struct uid_set *s, uid u)
{
    size_t from = 0, to = s->n;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (s->v[middle].last < u) from = middle + 1;
        else to = middle;
    }
    return from;
}

/* For n ranges in all. */
static void make_room(struct arena *a, struct uid_set *s, size_t n)
{
    if (n <= s->cap) return;
    size_t cap = s->cap ? s->cap * 2 : 8;
    while (cap < n) cap *= 2;
    struct uid_range *v = arena_array(a, cap, sizeof *v);
    if (s->n) memcpy(v, s->v, s->n * sizeof *v);
    s->v = v;
    s->cap = cap;
}

void uid_set_add(struct arena *a, struct uid_set *s, uid first, uid last)
{
    assert(first >= 1 && first <= last);
    size_t at = first_reaching(s, first - 1);             /* touches or follows the new range */
    size_t end = at;
    while (end < s->n && (s->v[end].first <= last || s->v[end].first - 1 == last)) end++;
    if (at == end) {
        make_room(a, s, s->n + 1);
        memmove(s->v + at + 1, s->v + at, (s->n - at) * sizeof *s->v);
        s->v[at] = (struct uid_range){first, last};
        s->n++;
        return;
    }
    struct uid_range *r = &s->v[at];
    if (first < r->first) r->first = first;
    if (s->v[end - 1].last > last) last = s->v[end - 1].last;
    if (last > r->last) r->last = last;
    memmove(s->v + at + 1, s->v + end, (s->n - end) * sizeof *s->v);
    s->n -= end - at - 1;
}

/* The ranges move up by n places, so that what is made of them can be written from the front on. */
static const struct uid_range *move_up(struct arena *a, struct uid_set *s, size_t n)
{
    make_room(a, s, s->n + n);
    memmove(s->v + n, s->v, s->n * sizeof *s->v);
    return s->v + n;
}

void uid_set_unite(struct arena *a, struct uid_set *s, const struct uid_set *with)
{
    size_t n = s->n, i = 0, k = 0;
    if (with->n == 0) return;
    const struct uid_range *old = move_up(a, s, with->n);
    s->n = 0;
    while (i < n || k < with->n) {
        bool ours = k == with->n || (i < n && old[i].first <= with->v[k].first);
        struct uid_range next = ours ? old[i++] : with->v[k++];
        struct uid_range *last = s->n ? &s->v[s->n - 1] : NULL;
        if (!last || next.first - 1 > last->last) s->v[s->n++] = next;
        else if (next.last > last->last) last->last = next.last;
    }
}

void uid_set_subtract(struct arena *a, struct uid_set *s, const struct uid_set *what)
{
    size_t n = s->n, k = 0;
    if (n == 0 || what->n == 0) return;
    const struct uid_range *old = move_up(a, s, what->n);
    s->n = 0;
    for (size_t i = 0; i < n; i++) {
        struct uid_range left = old[i];
        bool rest = true;
        while (k < what->n && what->v[k].last < left.first) k++;
        for (size_t j = k; rest && j < what->n && what->v[j].first <= left.last; j++) {
            if (what->v[j].first > left.first) s->v[s->n++] = (struct uid_range){left.first, what->v[j].first - 1};
            rest = what->v[j].last < left.last;
            left.first = rest ? what->v[j].last + 1 : left.first;
        }
        if (rest) s->v[s->n++] = left;
    }
}

bool uid_set_has(const struct uid_set *s, uid u)
{
    size_t at = first_reaching(s, u);
    return at < s->n && s->v[at].first <= u;
}

uint64_t uid_set_count(const struct uid_set *s)
{
    uint64_t count = 0;
    for (size_t i = 0; i < s->n; i++) count += (uint64_t)s->v[i].last - s->v[i].first + 1;
    return count;
}
