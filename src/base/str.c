/* Slices: comparing, finding, cutting. */
#include "base/str.h"

bool str_ieq(struct str a, struct str b)
{
    if (a.n != b.n) return false;
    for (size_t i = 0; i < a.n; i++)
        if (ch_lower(a.p[i]) != ch_lower(b.p[i])) return false;
    return true;
}

int str_cmp(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n ? memcmp(a.p, b.p, n) : 0;
    return c ? c : (a.n > b.n) - (a.n < b.n);
}

bool str_eq_secret(struct str a, struct str b)
{
    volatile unsigned char diff = a.n != b.n;
    for (size_t i = 0; i < a.n; i++) diff |= (unsigned char)(a.p[i] ^ (b.n ? b.p[i % b.n] : 1));
    return diff == 0;
}

bool str_starts(struct str s, struct str prefix) { return s.n >= prefix.n && str_eq(str_head(s, prefix.n), prefix); }
bool str_istarts(struct str s, struct str prefix) { return s.n >= prefix.n && str_ieq(str_head(s, prefix.n), prefix); }
bool str_ends(struct str s, struct str suffix)
{
    return s.n >= suffix.n && str_eq(str_skip(s, s.n - suffix.n), suffix);
}

size_t str_find_char(struct str s, char c)
{
    const char *at = s.n ? memchr(s.p, c, s.n) : NULL;
    return at ? (size_t)(at - s.p) : s.n;
}

size_t str_rfind_char(struct str s, char c)
{
    const char *at = s.n ? memrchr(s.p, c, s.n) : NULL;
    return at ? (size_t)(at - s.p) : s.n;
}

/* By windows: the sanitizers' memmem() looks at all it is given, however early it finds, and that made callers
 * quadratic in the tests that measure them. */
size_t str_find(struct str s, struct str needle)
{
    size_t window = needle.n < 4096 ? 4096 : needle.n;
    if (needle.n == 0) return 0;
    for (size_t at = 0; at + needle.n <= s.n; at += window) {
        struct str part = str_head(str_skip(s, at), window + needle.n - 1);
        const char *hit = memmem(part.p, part.n, needle.p, needle.n);
        if (hit) return (size_t)(hit - s.p);
    }
    return s.n;
}

size_t str_ifind(struct str s, struct str needle)
{
    if (needle.n == 0) return 0;
    if (needle.n > 256) return s.n;
    for (size_t i = 0; i + needle.n <= s.n; i++)
        if (str_ieq((struct str){s.p + i, needle.n}, needle)) return i;
    return s.n;
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

struct str str_trim(struct str s)
{
    while (s.n && is_blank(s.p[0])) s = str_skip(s, 1);
    while (s.n && is_blank(s.p[s.n - 1])) s.n--;
    return s;
}

bool str_cut(struct str s, char c, struct str *before, struct str *after)
{
    size_t at = str_find_char(s, c);
    bool found = at < s.n;
    *after = found ? (struct str){s.p + at + 1, s.n - at - 1} : (struct str){s.p ? s.p + s.n : NULL, 0};
    *before = str_head(s, at);
    return found;
}

struct str str_word(struct str *s)
{
    size_t i = 0;
    while (i < s->n && ch_space(s->p[i])) i++;
    size_t from = i;
    while (i < s->n && !ch_space(s->p[i])) i++;
    struct str word = str_sub(*s, from, i);
    *s = str_skip(*s, i);
    return word;
}

bool str_to_u64(struct str s, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;
    if (s.n == 0) return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!ch_digit(s.p[i])) return false;
        uint64_t d = (uint64_t)(s.p[i] - '0');
        if (v > (UINT64_MAX - d) / 10) return false;
        v = v * 10 + d;
    }
    if (v > max) return false;
    *out = v;
    return true;
}

size_t str_distance(struct str a, struct str b)
{
    size_t row[STR_DISTANCE_MAX + 1];
    if (a.n > STR_DISTANCE_MAX || b.n > STR_DISTANCE_MAX) return SIZE_MAX;
    for (size_t j = 0; j <= b.n; j++) row[j] = j;
    for (size_t i = 0; i < a.n; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < b.n; j++) {
            size_t best = diagonal + (ch_lower(a.p[i]) != ch_lower(b.p[j]));
            diagonal = row[j + 1];
            if (best > row[j] + 1) best = row[j] + 1;
            if (best > diagonal + 1) best = diagonal + 1;
            row[j + 1] = best;
        }
    }
    return row[b.n];
}
