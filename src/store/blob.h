/* Compact blobs: numbers of 1-10 bytes (LEB128, signed ones zigzag) and counted strings, for what the store keeps
 * packed in one column. Reading is sticky: past the end or at nonsense everything reads as zero and `bad` says so. */
#ifndef STORE_BLOB_H
#define STORE_BLOB_H

#include "base/buf.h"

void blob_put_uint(struct buf *b, uint64_t v);
void blob_put_int(struct buf *b, int64_t v);
void blob_put_str(struct buf *b, struct str s);

struct blob {
    struct str rest;
    bool bad;
};
uint64_t blob_uint(struct blob *b);
uint64_t blob_uint_max(struct blob *b, uint64_t max); /* more is nonsense */
int64_t blob_int(struct blob *b);
struct str blob_str(struct blob *b); /* points into the blob */

/* A count of things of at least `least` bytes each: more than the rest can hold is nonsense, so nobody allocates for
 * it. */
size_t blob_count(struct blob *b, size_t least);

#endif
