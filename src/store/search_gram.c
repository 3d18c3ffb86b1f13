/* Segments of the search index as bytes: gathering the hashes of letters, packing them, and reading one of them back.
 *
 * A row holds the hashes of its bucket in ascending order, then a CRC32C: each is two bytes of key, one that counts,
 * then so many letters of a byte each; where a bitmap is not longer, 0 and 32 bytes of bits. */
#include <stdlib.h>

#include "base/hash.h"
#include "store/blob.h"
#include "store/search_index.h"

enum { BITMAP = INDEX_SEGMENT / 8, ENTRY_HEAD = 3, CRC = 4, HASHES = 1 << INDEX_GRAM_BITS };

struct grams {
    uint32_t *v, *other;    /* hash << 8 | letter; the second for sorting */
    size_t n, cap;
    size_t letter_from;     /* where those of the letter at hand begin */
    unsigned letter;
    uint64_t has[HASHES / 64]; /* of the letter at hand */
};

static void *allocated(void *p)
{
    if (!p) abort();
    return p;
}

struct grams *grams_new(void) { return allocated(calloc(1, sizeof(struct grams))); }

void grams_free(struct grams *g)
{
    if (!g) return;
    free(g->v);
    free(g->other);
    free(g);
}

void grams_clear(struct grams *g) { g->n = g->letter_from = g->letter = 0; }

bool grams_full(const struct grams *g)
{
    return g->letter == INDEX_SEGMENT || g->n + INDEX_LETTER_GRAMS > INDEX_SEGMENT_GRAMS;
}

static void make_room(struct grams *g)
{
    if (g->n < g->cap) return;
    g->cap = g->cap ? g->cap * 2 : 1 << 16;
    g->v = allocated(realloc(g->v, g->cap * sizeof *g->v));
}

void grams_add(struct grams *g, struct str text)
{
    const unsigned char *p = (const unsigned char *)text.p;
    for (size_t i = 0; i + 2 < text.n; i++) {
        if (p[i + 2] == '\n') { /* nothing is looked for across lines */
            i += 2;
            continue;
        }
        if (p[i] == '\n' || p[i + 1] == '\n') continue;
        uint32_t hash = gram_hash((uint32_t)p[i] << 16 | (uint32_t)p[i + 1] << 8 | p[i + 2]);
        uint64_t bit = UINT64_C(1) << (hash % 64);
        if (g->has[hash / 64] & bit) continue;
        if (g->n - g->letter_from > INDEX_LETTER_GRAMS) return; /* too many already */
        g->has[hash / 64] |= bit;
        make_room(g);
        g->v[g->n++] = hash << 8 | g->letter;
    }
}

void grams_end(struct grams *g, bool *rich)
{
    for (size_t i = g->letter_from; i < g->n; i++) g->has[(g->v[i] >> 8) / 64] = 0;
    *rich = g->n - g->letter_from > INDEX_LETTER_GRAMS;
    if (*rich) g->n = g->letter_from;
    g->letter_from = g->n;
    g->letter++;
}

/* By hash; letters are in order already, and stay so. Two passes of 11 bits. */
static void sort(struct grams *g)
{
    enum { DIGIT = INDEX_GRAM_BITS / 2, DIGITS = 1 << DIGIT };
    g->other = allocated(realloc(g->other, (g->cap ? g->cap : 1) * sizeof *g->other));
    size_t *at = allocated(malloc((DIGITS + 1) * sizeof *at));
    for (unsigned shift = 8; shift < 8 + INDEX_GRAM_BITS; shift += DIGIT) {
        memset(at, 0, (DIGITS + 1) * sizeof *at);
        for (size_t i = 0; i < g->n; i++) at[(g->v[i] >> shift & (DIGITS - 1)) + 1]++;
        for (size_t d = 0; d < DIGITS; d++) at[d + 1] += at[d];
        for (size_t i = 0; i < g->n; i++) g->other[at[g->v[i] >> shift & (DIGITS - 1)]++] = g->v[i];
        uint32_t *sorted = g->other;
        g->other = g->v;
        g->v = sorted;
    }
    free(at);
}

/* One hash and its letters. */
static void put_entry(struct buf *b, const uint32_t *v, size_t n)
{
    uint32_t key = v[0] >> 8 & ((1u << INDEX_KEY_BITS) - 1);
    char head[ENTRY_HEAD] = {(char)(key & 0xff), (char)(key >> 8), (char)(n <= BITMAP ? n : 0)};
    buf_add(b, str_of(head, sizeof head));
    if (n <= BITMAP) {
        for (size_t i = 0; i < n; i++) buf_char(b, (char)(v[i] & 0xff));
        return;
    }
    unsigned char bits[BITMAP] = {0};
    for (size_t i = 0; i < n; i++) bits[(v[i] & 0xff) / 8] |= (unsigned char)(1u << (v[i] & 7));
    buf_add(b, str_of(bits, sizeof bits));
}

static void put_crc(struct buf *b)
{
    uint32_t crc = hash_crc32c(0, buf_str(b));
    for (int i = 0; i < CRC; i++) buf_char(b, (char)(crc >> (8 * i)));
}

static bool crc_is_right(struct str *packed)
{
    if (packed->n < CRC) return false;
    packed->n -= CRC;
    uint32_t crc = 0;
    for (int i = 0; i < CRC; i++) crc |= (uint32_t)(unsigned char)packed->p[packed->n + (size_t)i] << (8 * i);
    return crc == hash_crc32c(0, *packed);
}

int grams_rows(struct grams *g, int (*fn)(void *arg, unsigned bucket, struct str packed), void *arg)
{
    struct buf row = BUF(SIZE_MAX / 2);
    int r = 0;
    sort(g);
    size_t i = 0;
    for (unsigned bucket = 0; bucket < INDEX_BUCKETS && !r; bucket++) {
        buf_clear(&row);
        while (i < g->n && gram_bucket(g->v[i] >> 8) == bucket) {
            size_t from = i;
            while (i < g->n && g->v[i] >> 8 == g->v[from] >> 8) i++;
            put_entry(&row, g->v + from, i - from);
        }
        put_crc(&row);
        r = fn(arg, bucket, buf_str(&row));
    }
    buf_free(&row);
    return r;
}

/* ---- reading ---- */

static struct letters_mask entry_mask(struct str letters, bool bitmap)
{
    struct letters_mask m = {{0}};
    for (size_t i = 0; i < letters.n; i++) {
        unsigned char c = (unsigned char)letters.p[i];
        if (bitmap) m.bits[i / 8] |= (uint64_t)c << (8 * (i % 8));
        else m.bits[c / 64] |= UINT64_C(1) << (c % 64);
    }
    return m;
}

int gram_keep(struct str packed, uint32_t hash, struct letters_mask *m)
{
    uint32_t wanted = hash & ((1u << INDEX_KEY_BITS) - 1);
    struct letters_mask has = {{0}};
    if (!crc_is_right(&packed)) return ERR_CORRUPT;
    while (packed.n) {
        if (packed.n < ENTRY_HEAD) return ERR_CORRUPT;
        const unsigned char *p = (const unsigned char *)packed.p;
        uint32_t key = p[0] | (uint32_t)p[1] << 8;
        size_t n = p[2] ? p[2] : BITMAP;
        if (packed.n < ENTRY_HEAD + n) return ERR_CORRUPT;
        if (key == wanted) has = entry_mask(str_sub(packed, ENTRY_HEAD, ENTRY_HEAD + n), p[2] == 0);
        if (key >= wanted) break;
        packed = str_skip(packed, ENTRY_HEAD + n);
    }
    for (size_t i = 0; i < INDEX_SEGMENT / 64; i++) m->bits[i] &= has.bits[i];
    return 0;
}

size_t gram_hashes(struct str needle, uint32_t *out, size_t max)
{
    const unsigned char *p = (const unsigned char *)needle.p;
    size_t n = 0;
    for (size_t i = 0; i + 2 < needle.n && n < max; i++) {
        uint32_t hash = gram_hash((uint32_t)p[i] << 16 | (uint32_t)p[i + 1] << 8 | p[i + 2]);
        size_t same = 0;
        while (same < n && out[same] != hash) same++;
        if (same == n) out[n++] = hash;
    }
    return n;
}

void segment_pack(struct buf *b, const int64_t *emails, size_t n, const struct letters_mask *rich)
{
    blob_put_uint(b, n);
    for (size_t i = 0; i < n; i++) blob_put_uint(b, (uint64_t)(emails[i] - (i ? emails[i - 1] : 0)));
    for (size_t i = 0; i < INDEX_SEGMENT / 64; i++) blob_put_uint(b, rich->bits[i]);
    put_crc(b);
}

int segment_unpack(struct str packed, int64_t emails[INDEX_SEGMENT], size_t *n, struct letters_mask *rich)
{
    if (!crc_is_right(&packed)) return ERR_CORRUPT;
    struct blob in = {packed, false};
    *n = (size_t)blob_uint_max(&in, INDEX_SEGMENT);
    int64_t last = 0;
    for (size_t i = 0; i < *n; i++) emails[i] = last += (int64_t)blob_uint_max(&in, (uint64_t)(INT64_MAX - last));
    for (size_t i = 0; i < INDEX_SEGMENT / 64; i++) rich->bits[i] = blob_uint(&in);
    return in.bad || *n == 0 ? ERR_CORRUPT : 0;
}
