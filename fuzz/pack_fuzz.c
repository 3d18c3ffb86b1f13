/* Packs that somebody damaged, or wrote to harm: the scan and the reader end, stay within bounds, and never give out
 * wrong bytes.
 *
 * The first byte says how the rest is used: as a pack's bytes; or as damage to a good pack (three bytes each: where,
 * and what to XOR). */
#include <assert.h>
#include <stdlib.h>

#include "base/hash.h"
#include "io/sim.h"
#include "store/pack.h"
#include "store/pack_record.h"

enum { RECORDS = 6, EPOCH = 77, PACK = 5, LETTER = 1500 };

struct image {
    unsigned char bytes[1 << 16];
    int64_t n;
};

static int64_t image_read(void *arg, void *out, size_t n, int64_t offset, struct error *e)
{
    const struct image *m = arg;
    (void)e;
    if (offset >= m->n) return 0;
    if ((int64_t)n > m->n - offset) n = (size_t)(m->n - offset);
    memcpy(out, m->bytes + offset, n);
    return (int64_t)n;
}

static struct str letter(int64_t body, char out[LETTER])
{
    size_t n = (size_t)(body * 331 % LETTER);
    for (size_t i = 0; i < n; i++) out[i] = (char)(body * 17 + (int64_t)(i * 5));
    return str_of(out, n);
}

static void good_pack(struct image *m, struct pack_place places[RECORDS])
{
    pack_head_put(m->bytes, &(struct pack_head){.id = PACK, .epoch = EPOCH, .kind = PACK_SHARED});
    m->n = PACK_HEAD;
    for (int i = 0; i < RECORDS; i++) {
        char bytes[LETTER];
        struct str l = letter(i + 1, bytes), envelope = S("alice to bob");
        struct pack_header h = {.epoch = EPOCH,
                                .body = i + 1,
                                .length = (int64_t)l.n,
                                .stored = (int64_t)l.n,
                                .body_crc = hash_crc32c(0, l),
                                .envelope_length = (uint32_t)envelope.n,
                                .envelope_crc = hash_crc32c(0, envelope)};
        places[i] = (struct pack_place){.pack = PACK, .offset = m->n, .length = h.length, .stored = h.stored};
        pack_header_put(m->bytes + m->n, &h);
        memcpy(m->bytes + m->n + PACK_RECORD_HEADER, envelope.p, envelope.n);
        memcpy(m->bytes + m->n + PACK_RECORD_HEADER + envelope.n, l.p, l.n);
        m->n += pack_record_size(&h);
    }
}

struct seen {
    const struct image *m;
    bool ours; /* a good pack, damaged */
    int64_t last;
};

static bool see(void *arg, const struct pack_found *f)
{
    struct seen *s = arg;
    assert(f->offset > s->last && f->offset + PACK_RECORD_HEADER <= s->m->n);
    s->last = f->offset;
    assert(!f->envelope_ok || f->envelope.n == f->header.envelope_length);
    if (s->ours && f->body_ok) {
        char bytes[LETTER];
        struct str l = letter(f->header.body, bytes);
        assert(f->header.body >= 1 && f->header.body <= RECORDS && f->header.length == (int64_t)l.n);
        assert(memcmp(s->m->bytes + f->offset + PACK_RECORD_HEADER + f->header.envelope_length, l.p, l.n) == 0);
    }
    return true;
}

static bool see_place(void *arg, const struct pack_place *at, int64_t body, struct str envelope, int crc_ok)
{
    (void)envelope;
    char out[2048];
    int64_t r = packs_read(arg, at, body, out, sizeof out, 0, NULL);
    assert(!crc_ok || r >= 0 || r == ERR_UNSUPPORTED);
    assert(r <= (int64_t)sizeof out);
    return true;
}

static int64_t next_id(void *arg) { return ++*(int64_t *)arg; }

/* The same through files: every record that was once named, and whatever the scan finds. */
static void through_files(const struct image *m, const struct pack_place *places)
{
    struct sim *sim = sim_new(1);
    struct world *w = sim_node(sim, "post", (struct ip){0});
    struct file *f;
    int damaged;
    int64_t ids = 100;
    folder_create(w, "/data", NULL);
    folder_create(w, "/data/packs", NULL);
    assert(file_open(w, "/data/packs/0000000000005.pack", FILE_WRITE | FILE_CREATE, &f, NULL) == 0);
    assert(file_write(f, m->bytes, (size_t)m->n, 0, NULL) == 0);
    file_close(f);
    struct packs *p;
    struct pack_durable known = {PACK, m->n};
    assert(packs_open(w, "/data", &known, 1, true, next_id, &ids, &p, &damaged, NULL) == 0);
    for (int i = 0; places && i < RECORDS; i++) {
        char out[LETTER], want[LETTER];
        struct str l = letter(i + 1, want);
        int64_t r = packs_read(p, &places[i], i + 1, out, sizeof out, 0, NULL);
        assert(r == (int64_t)l.n || r == ERR_CORRUPT || r == ERR_UNSUPPORTED);
        if (r > 0) assert(memcmp(out, want, l.n) == 0);
    }
    packs_scan(p, PACK, see_place, p, NULL);
    packs_close(p);
    sim_free(sim);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct image m;
    if (size == 0) return 0;
    struct pack_place places[RECORDS];
    bool ours = data[0] & 1;
    if (ours) {
        good_pack(&m, places);
        for (size_t i = 1; i + 2 < size; i += 3) m.bytes[(data[i] << 8 | data[i + 1]) % m.n] ^= data[i + 2];
        if (data[0] & 2) m.n -= data[0] * 40 % m.n;
    } else {
        m.n = (int64_t)(size - 1 < sizeof m.bytes ? size - 1 : sizeof m.bytes);
        memcpy(m.bytes, data + 1, (size_t)m.n);
    }
    struct pack_source source = {image_read, &m, m.n};
    struct seen s = {.m = &m, .ours = ours};
    struct pack_scan_result r;
    assert(pack_scan(&source, see, &s, &r, NULL) == 0);
    assert(r.skipped >= 0 && r.skipped <= m.n && r.damaged <= r.records);
    if (data[0] & 4) through_files(&m, ours ? places : NULL);
    return 0;
}
