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

size_t tombstone_pack(uid u, int64_t email, char *out)
{
    put32(out, u);
    put64(out + 4, (uint64_t)email);
    return TOMBSTONE_PACKED;
}

int tombstone_unpack(struct str packed, void (*fn)(uid u, int64_t email, void *arg), void *arg)
{
    if (packed.n % TOMBSTONE_PACKED != 0 || packed.n > TOMBSTONE_ENTRIES * TOMBSTONE_PACKED) return ERR_CORRUPT;
    for (uid last = 0; packed.n > 0; packed = str_skip(packed, TOMBSTONE_PACKED)) {
        uid u = get32(packed.p);
        int64_t email = (int64_t)get64(packed.p + 4);
        if (u <= last || email < 0) return ERR_CORRUPT;
        fn(u, email, arg);
        last = u;
    }
    return 0;
}
