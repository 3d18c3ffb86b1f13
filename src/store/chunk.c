/* Packed mailbox entries and tombstones (see chunk.h). */
#include "store/chunk.h"

#include <endian.h>

static uint32_t get32(const char *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return le32toh(v);
}

static uint64_t get64(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return le64toh(v);
}

static void put32(char *p, uint32_t v)
{
    v = htole32(v);
    memcpy(p, &v, sizeof v);
}

static void put64(char *p, uint64_t v)
{
    v = htole64(v);
    memcpy(p, &v, sizeof v);
}

void entry_pack(const struct entry *e, char out[ENTRY_PACKED])
{
    put32(out, e->uid);
    put32(out + 4, e->flags);
    put64(out + 8, e->modseq);
    put64(out + 16, (uint64_t)e->email);
}

size_t chunk_pack(const struct entry *v, size_t n, char *out)
{
    for (size_t i = 0; i < n; i++) entry_pack(&v[i], out + i * ENTRY_PACKED);
    return n * ENTRY_PACKED;
}

int chunk_unpack(struct str packed, uint32_t number, struct entry *out, size_t *n)
{
    *n = 0;
    if (packed.n % ENTRY_PACKED != 0 || packed.n > CHUNK_PACKED) return ERR_CORRUPT;
    uid last = 0;
    for (size_t i = 0; i < packed.n / ENTRY_PACKED; i++) {
        const char *p = packed.p + i * ENTRY_PACKED;
        struct entry e = {.uid = get32(p),
                          .flags = get32(p + 4),
                          .modseq = get64(p + 8),
                          .email = (int64_t)get64(p + 16)};
        if (e.uid <= last || chunk_of(e.uid) != number || e.modseq == 0 || e.email <= 0) return ERR_CORRUPT;
        last = e.uid;
        out[i] = e;
    }
    *n = packed.n / ENTRY_PACKED;
    return 0;
}

size_t tombstone_pack(const struct tombstone *t, bool kept, char *out)
{
    put32(out, t->uid);
    if (!kept) {
        put64(out + 4, (uint64_t)t->email);
        return TOMBSTONE_BARE;
    }
    put32(out + 4, t->flags);
    put64(out + 8, (uint64_t)t->email);
    put64(out + 16, (uint64_t)t->size);
    return TOMBSTONE_PACKED;
}

int tombstone_unpack(struct str packed, bool kept, void (*fn)(const struct tombstone *t, void *arg), void *arg)
{
    size_t one = kept ? TOMBSTONE_PACKED : TOMBSTONE_BARE;
    if (packed.n % one != 0 || packed.n > TOMBSTONE_ENTRIES * one) return ERR_CORRUPT;
    for (uid last = 0; packed.n > 0; packed = str_skip(packed, one)) {
        struct tombstone t = {.uid = get32(packed.p)};
        if (kept) t.flags = get32(packed.p + 4);
        t.email = (int64_t)get64(packed.p + (kept ? 8 : 4));
        if (kept) t.size = (int64_t)get64(packed.p + 16);
        if (t.uid <= last || t.email < 0 || t.size < 0) return ERR_CORRUPT;
        fn(&t, arg);
        last = t.uid;
    }
    return 0;
}
