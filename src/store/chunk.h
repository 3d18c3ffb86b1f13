/* A mailbox's entries as they lie in rows: 128 UIDs to a chunk, 24 bytes each, little endian (store.md, "Shape").
 *
 *     uid u32 | flags u32 | modseq u64 | email i64
 *
 * Chunk number c holds the UIDs 128c to 128c + 127, ascending. The chunk the next UID falls into lies in the mailbox's
 * own row
 * (`tail`), so that a delivery changes one row for both; it moves to a row of its own when it is full. */
#ifndef STORE_CHUNK_H
#define STORE_CHUNK_H

#include "store/store.h"

enum { CHUNK_ENTRIES = 128, ENTRY_PACKED = 24, CHUNK_PACKED = CHUNK_ENTRIES * ENTRY_PACKED };

static inline uint32_t chunk_of(uid u) { return u / CHUNK_ENTRIES; }

void entry_pack(const struct entry *e, char out[ENTRY_PACKED]);

/* Writes n packed entries (at most CHUNK_ENTRIES) to out; returns the bytes. */
size_t chunk_pack(const struct entry *v, size_t n, char *out);

/* Reads the entries of chunk `number` into out[CHUNK_ENTRIES], size 0. 0, or ERR_CORRUPT when the bytes are none: a
 * broken length, UIDs of another chunk or out of order, MODSEQs of 0. */
int chunk_unpack(struct str packed, uint32_t number, struct entry *out, size_t *n);

/* What expunging leaves behind, in ascending order; email 0: it was brought back. Of entries that are `kept`
 *
 *     uid u32 | flags u32 | email i64 | size i64
 *
 * which count as expunged letters of the account (store.h, count_expunged); of others (uid u32, email i64), 12 bytes:
 * what was moved within the account, and what was expunged before there were flags and sizes. */
enum { TOMBSTONE_PACKED = 24, TOMBSTONE_BARE = 12, TOMBSTONE_ENTRIES = 256 };
struct tombstone {
    uid uid;
    flag_set flags;
    int64_t email, size;
};
size_t tombstone_pack(const struct tombstone *t, bool kept, char *out);
int tombstone_unpack(struct str packed, bool kept, void (*fn)(const struct tombstone *t, void *arg), void *arg);

#endif
