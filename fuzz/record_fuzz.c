/* The store's packed columns as a disk may give them back: trace payloads, envelopes of packs, places of bodies, chunks
 * of entries, tombstones. What can be read is written again and must read the same. The first byte says which. */
#include <assert.h>
#include <stdlib.h>

#include "store/chunk.h"
#include "store/record.h"

static void again(struct arena *a, const struct record *r)
{
    struct buf once = BUF(RECORD_MAX * 8), twice = BUF(RECORD_MAX * 8);
    struct record read;
    record_pack(&once, r);
    assert(!once.failed && record_unpack(a, buf_str(&once), &read) == 0);
    record_pack(&twice, &read);
    assert(str_eq(buf_str(&once), buf_str(&twice)));
    buf_free(&once);
    buf_free(&twice);
}

static void fuzz_record(struct arena *a, struct str bytes)
{
    struct record r;
    if (bytes.n > 0 && record_unpack(a, bytes, &r) == 0) again(a, &r);
}

static void fuzz_envelope(struct arena *a, struct str bytes)
{
    struct reverse_path from;
    struct trace_recipient *to;
    struct buf b = BUF(RECORD_MAX * 8);
    size_t n;
    utc_us at;
    if (record_unpack_envelope(a, bytes, &from, &to, &n, &at) == 0) {
        record_pack_envelope(&b, &from, to, n, at);
        size_t n_again;
        assert(record_unpack_envelope(a, buf_str(&b), &from, &to, &n_again, &at) == 0 && n_again == n);
    }
    buf_free(&b);
}

static void fuzz_chunk(struct str bytes)
{
    static struct entry v[CHUNK_ENTRIES];
    char packed[CHUNK_PACKED];
    size_t n;
    uint32_t number = bytes.n >= 4 ? (uint32_t)(uint8_t)bytes.p[0] / 128 : 0;
    if (chunk_unpack(bytes, number, v, &n)) return;
    assert(chunk_pack(v, n, packed) == bytes.n && (n == 0 || memcmp(packed, bytes.p, bytes.n) == 0));
}

static void count(const struct tombstone *t, void *arg)
{
    assert(t->email >= 0 && t->uid > 0 && t->size >= 0); /* email 0: it was brought back */
    ++*(size_t *)arg;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    struct arena *a = arena_new(NULL, 0);
    struct str bytes = str_of(data + 1, size - 1);
    struct pack_place place;
    size_t n = 0;
    switch (data[0] % 5) {
    case 0: fuzz_record(a, bytes); break;
    case 1: fuzz_envelope(a, bytes); break;
    case 2: fuzz_chunk(bytes); break;
    case 3:
        (void)tombstone_unpack(bytes, false, count, &n);
        (void)tombstone_unpack(bytes, true, count, &n);
        break;
    default: (void)place_unpack(bytes, &place); break;
    }
    arena_free(a);
    return 0;
}
