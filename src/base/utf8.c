/* UTF-8 by the table of well-formed sequences (RFC 3629 §4). */
#include "base/utf8.h"

static bool is_tail(char c) { return ((unsigned char)c & 0xc0) == 0x80; }

int utf8_next(struct str s, uint32_t *cp)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (s.n == 0) return 0;
    unsigned char c = (unsigned char)s.p[0];
    if (c < 0x80) {
        *cp = c;
        return 1;
    }
    int n = c >= 0xf0 && c <= 0xf4 ? 4 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xc2 && c < 0xe0 ? 2 : 0;
    *cp = 0xfffd;
    if (n == 0 || s.n < (size_t)n) return -1;
    uint32_t v = c & (0xffu >> (n + 1));
    for (int i = 1; i < n; i++) {
        if (!is_tail(s.p[i])) return -1;
        v = v << 6 | ((unsigned char)s.p[i] & 0x3f);
    }
    if (v < least[n] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff)) return -1;
    *cp = v;
    return n;
}

/* How many bytes at the beginning are ASCII. */
static size_t ascii_run(struct str s)
{
    size_t i = 0;
    for (uint64_t w; i + 8 <= s.n; i += 8) {
        memcpy(&w, s.p + i, 8);
        if (w & 0x8080808080808080u) break;
    }
    while (i < s.n && (unsigned char)s.p[i] < 0x80) i++;
    return i;
}

bool str_is_ascii(struct str s) { return ascii_run(s) == s.n; }

bool utf8_valid(struct str s)
{
    uint32_t cp;
    for (;;) {
        s = str_skip(s, ascii_run(s));
        int n = utf8_next(s, &cp);
        if (n <= 0) return n == 0;
        s = str_skip(s, (size_t)n);
    }
}

size_t utf8_count(struct str s)
{
    size_t count = 0;
    uint32_t cp;
    for (; s.n; count++) {
        int n = utf8_next(s, &cp);
        s = str_skip(s, n < 0 ? 1 : (size_t)n);
    }
    return count;
}

struct str utf8_head(struct str s, size_t max)
{
    if (s.n <= max) return s;
    uint32_t cp;
    for (size_t back = 1; back <= 3 && back <= max; back++) {
        int n = utf8_next(str_skip(s, max - back), &cp);
        if (n > (int)back) return str_head(s, max - back); /* this one would be cut in two */
        if (n > 0) break;
    }
    return str_head(s, max);
}

void utf8_put(struct buf *b, uint32_t cp)
{
    if (cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff)) cp = 0xfffd;
    if (cp < 0x80) {
        buf_char(b, (char)cp);
        return;
    }
    char c[4];
    int n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (int i = n - 1; i > 0; i--, cp >>= 6) c[i] = (char)(0x80 | (cp & 0x3f));
    c[0] = (char)(cp | (0xf00u >> n & 0xff));
    buf_add(b, str_of(c, (size_t)n));
}

void utf8_put_repaired(struct buf *b, struct str s)
{
    uint32_t cp;
    while (s.n) {
        int n = utf8_next(s, &cp);
        size_t take = n < 0 ? 1 : (size_t)n;
        if (n < 0) utf8_put(b, 0xfffd);
        else buf_add(b, str_head(s, take));
        s = str_skip(s, take);
    }
}
