/* The bytes of derived blobs: little-endian varints, strings with their length + 1 before them (0: absent). Inside of
 * proto/mime. Reading is sticky: past a broken place everything reads as zero and `bad` stays set. */
#ifndef PROTO_MIME_BLOB_H
#define PROTO_MIME_BLOB_H

#include "base/buf.h"

/* Beside the kind (2 bits) in the first number of an address: what of it is there. */
enum { HAS_NAME = 1 << 2, HAS_ROUTE = 1 << 3, HAS_LOCAL = 1 << 4, HAS_DOMAIN = 1 << 5 };
/* Beside the kind (2 bits) and the encoding (3) in the first number of a part. */
enum { ENCODING_SHIFT = 2, ENCODING_MASK = 7, IS_EXTRA = 1 << 5, IS_LETTER = 1 << 6 };

static inline void blob_put_number(struct buf *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7) buf_char(b, (char)(v | 0x80));
    buf_char(b, (char)v);
}

static inline void blob_put_str(struct buf *b, struct str s)
{
    blob_put_number(b, str_is_none(s) ? 0 : s.n + 1);
    buf_add(b, s);
}

struct blob {
    struct str rest;
    bool bad;
};

static inline uint64_t blob_number(struct blob *r)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 63 && r->rest.n; shift += 7) {
        unsigned char c = (unsigned char)r->rest.p[0];
        r->rest = str_skip(r->rest, 1);
        v |= (uint64_t)(c & 0x7F) << shift;
        if (c < 0x80) return v;
    }
    r->bad = true;
    r->rest.n = 0;
    return 0;
}

static inline struct str blob_str(struct blob *r)
{
    uint64_t n = blob_number(r);
    if (n == 0) return STR_NONE;
    if (n - 1 > r->rest.n) {
        r->bad = true;
        r->rest.n = 0;
        return STR_NONE;
    }
    struct str s = {r->rest.p, (size_t)(n - 1)};
    r->rest = (struct str){r->rest.p + s.n, r->rest.n - s.n};
    return s;
}

#endif
