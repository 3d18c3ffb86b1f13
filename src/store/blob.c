/* Numbers and strings in the store's packed columns (see blob.h). */
#include "store/blob.h"

enum { NUMBER_MAX = 10 }; /* bytes of a 64-bit number, 7 bits each */

void blob_put_uint(struct buf *b, uint64_t v)
{
    char *p = buf_reserve(b, NUMBER_MAX);
    if (!p) return;
    size_t n = 0;
    for (; v >= 0x80; v >>= 7) p[n++] = (char)((v & 0x7f) | 0x80);
    p[n++] = (char)v;
    b->n += n;
}

void blob_put_int(struct buf *b, int64_t v) { blob_put_uint(b, ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0)); }

void blob_put_str(struct buf *b, struct str s)
{
    blob_put_uint(b, s.n);
    buf_add(b, s);
}

uint64_t blob_uint(struct blob *b)
{
    uint64_t v = 0;
    for (unsigned shift = 0, i = 0; !b->bad && i < b->rest.n && i < NUMBER_MAX; i++, shift += 7) {
        uint8_t c = (uint8_t)b->rest.p[i];
        if (shift == 63 && c > 1) break;
        v |= (uint64_t)(c & 0x7f) << shift;
        if (c & 0x80) continue;
        b->rest = str_skip(b->rest, i + 1);
        return v;
    }
    b->bad = true;
    return 0;
}

uint64_t blob_uint_max(struct blob *b, uint64_t max)
{
    uint64_t v = blob_uint(b);
    if (v <= max) return v;
    b->bad = true;
    return 0;
}

int64_t blob_int(struct blob *b)
{
    uint64_t v = blob_uint(b);
    return (int64_t)((v >> 1) ^ (v & 1 ? UINT64_MAX : 0));
}

struct str blob_str(struct blob *b)
{
    size_t n = (size_t)blob_uint_max(b, b->rest.n);
    if (b->bad) return STR_NONE;
    if (n > b->rest.n) { /* the count itself took bytes */
        b->bad = true;
        return STR_NONE;
    }
    struct str s = str_head(b->rest, n);
    b->rest = str_skip(b->rest, n);
    return s;
}

size_t blob_count(struct blob *b, size_t least)
{
    uint64_t n = blob_uint(b);
    if (!b->bad && n <= b->rest.n / least) return (size_t)n;
    b->bad = true;
    return 0;
}
