/* Pack heads and record headers as bytes, and the scan for verify and rebuild. The layout stands in the header file. */
#include "store/pack_record.h"

#include <stdlib.h>

#include "base/hash.h"

enum { SCAN_WINDOW = 256 << 10 }; /* bytes read at once */

static const char head_magic[7] = {'P', 'e', 'n', 'n', 'y', 'P', 'k'};
static const unsigned char record_magic[4] = {0xf3, 'P', 'k', 0x0a}; /* not UTF-8: rare in letters */

static void put32(unsigned char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) p[i] = (unsigned char)(v >> (8 * i));
}

static void put64(unsigned char *p, uint64_t v)
{
    for (int i = 0; i < 8; i++) p[i] = (unsigned char)(v >> (8 * i));
}

static uint32_t get32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get64(const unsigned char *p) { return get32(p) | (uint64_t)get32(p + 4) << 32; }

static uint32_t crc_of(const void *p, size_t n) { return hash_crc32c(0, str_of(p, n)); }

/* ---- heads ---- */

void pack_head_put(unsigned char out[PACK_HEAD], const struct pack_head *h)
{
    memset(out, 0, PACK_HEAD);
    memcpy(out, head_magic, sizeof head_magic);
    out[7] = PACK_FORMAT;
    put64(out + 8, (uint64_t)h->id);
    put64(out + 16, h->epoch);
    put64(out + 24, (uint64_t)h->made_at);
    put32(out + 32, (uint32_t)h->kind);
    put32(out + 60, crc_of(out, 60));
}

int pack_head_parse(const unsigned char in[PACK_HEAD], struct pack_head *h)
{
    if (memcmp(in, head_magic, sizeof head_magic) != 0 || get32(in + 60) != crc_of(in, 60)) return ERR_CORRUPT;
    if (in[7] > PACK_FORMAT) return ERR_TOO_NEW;
    uint32_t kind = get32(in + 32);
    if (kind != PACK_SHARED && kind != PACK_STREAM) return ERR_CORRUPT;
    *h = (struct pack_head){.id = (int64_t)get64(in + 8),
                            .epoch = get64(in + 16),
                            .made_at = (utc_us)get64(in + 24),
                            .kind = (enum pack_kind)kind};
    return 0;
}

void pack_header_put(unsigned char out[PACK_RECORD_HEADER], const struct pack_header *h)
{
    memset(out, 0, PACK_RECORD_HEADER);
    memcpy(out, record_magic, sizeof record_magic);
    out[4] = PACK_FORMAT;
    out[5] = (unsigned char)h->codec;
    put32(out + 8, h->key);
    put32(out + 12, h->envelope_length);
    put64(out + 16, h->epoch);
    put64(out + 24, (uint64_t)h->body);
    put64(out + 32, (uint64_t)h->length);
    put64(out + 40, (uint64_t)h->stored);
    put32(out + 48, h->envelope_crc);
    put32(out + 52, h->body_crc);
    put32(out + 60, crc_of(out, 60));
}

int pack_header_parse(const unsigned char in[PACK_RECORD_HEADER], struct pack_header *h)
{
    if (memcmp(in, record_magic, sizeof record_magic) != 0 || get32(in + 60) != crc_of(in, 60)) return ERR_CORRUPT;
    if (in[4] > PACK_FORMAT) return ERR_TOO_NEW;
    struct pack_header r = {
        .codec = in[5],
        .key = get32(in + 8),
        .envelope_length = get32(in + 12),
        .epoch = get64(in + 16),
        .body = (int64_t)get64(in + 24),
        .length = (int64_t)get64(in + 32),
        .stored = (int64_t)get64(in + 40),
        .envelope_crc = get32(in + 48),
        .body_crc = get32(in + 52),
    };
    if (r.envelope_length > PACK_ENVELOPE_MAX || r.length < 0 || r.length > PACK_BODY_MAX || r.stored < 0 ||
        r.stored > PACK_BODY_MAX)
        return ERR_CORRUPT;
    *h = r;
    return 0;
}

/* ---- scan ---- */

struct scan {
    const struct pack_source *source;
    struct pack_scan_result *result;
    unsigned char *window;
    int64_t at, n; /* window holds bytes [at, at + n) */
    uint64_t epoch;
    bool epoch_known;
};

/* At least `need` (at most SCAN_WINDOW) bytes at `offset`, fewer at the end: how many there are, or an error. */
static int64_t scan_fill(struct scan *s, int64_t offset, int64_t need, struct error *e)
{
    if (offset >= s->at && offset + need <= s->at + s->n) return s->at + s->n - offset;
    int64_t want = s->source->size - offset;
    if (want > SCAN_WINDOW) want = SCAN_WINDOW;
    s->at = offset;
    s->n = 0;
    if (want <= 0) return 0;
    int64_t got = s->source->read(s->source->arg, s->window, (size_t)want, offset, e);
    if (got > 0) s->n = got;
    return got;
}

/* Feeds [offset, offset + n) to a CRC; *short_read if the source ends before. */
static int scan_crc(struct scan *s, int64_t offset, int64_t n, uint32_t *crc, bool *short_read, struct error *e)
{
    *crc = 0;
    *short_read = false;
    while (n > 0) {
        int64_t got = scan_fill(s, offset, 1, e);
        if (got < 0) return (int)got;
        if (got == 0) {
            *short_read = true;
            return 0;
        }
        if (got > n) got = n;
        *crc = hash_crc32c(*crc, str_of(s->window + (offset - s->at), (size_t)got));
        offset += got;
        n -= got;
    }
    return 0;
}

/* Is there a header of this pack at `offset`, of a record that fits into it? 1, 0 or an error. */
static int scan_header(struct scan *s, int64_t offset, struct pack_header *h, struct error *e)
{
    int64_t got = scan_fill(s, offset, PACK_RECORD_HEADER, e);
    if (got < 0) return (int)got;
    if (got < PACK_RECORD_HEADER || pack_header_parse(s->window + (offset - s->at), h) != 0) return 0;
    if (h->epoch != s->epoch && s->epoch_known) return 0;
    return 1;
}

/* The first offset from `from` on that bears a header, or the end. */
static int64_t scan_resync(struct scan *s, int64_t from, struct error *e)
{
    struct pack_header h;
    for (int64_t at = from; at + PACK_RECORD_HEADER <= s->source->size; at += PACK_ALIGN) {
        int64_t got = scan_fill(s, at, PACK_RECORD_HEADER, e);
        if (got < 0) return got;
        if (got < PACK_RECORD_HEADER) break;
        if (memcmp(s->window + (at - s->at), record_magic, sizeof record_magic) != 0) continue;
        int r = scan_header(s, at, &h, e);
        if (r < 0) return r;
        if (r) return at;
    }
    return s->source->size;
}

/* Reads and checks the record at f->offset; the envelope goes into a new allocation, *envelope. */
static int scan_record(struct scan *s, struct pack_found *f, char **envelope, struct error *e)
{
    int64_t at = f->offset + PACK_RECORD_HEADER;
    size_t n = f->header.envelope_length;
    *envelope = malloc(n + 1);
    if (!*envelope) return error_set(e, ERR_IO, "no memory for an envelope of %zu bytes", n);
    if (at + (int64_t)n <= s->source->size) {
        int64_t got = s->source->read(s->source->arg, *envelope, n, at, e);
        if (got < 0) return (int)got;
        f->envelope_ok = (size_t)got == n && crc_of(*envelope, n) == f->header.envelope_crc;
        if (f->envelope_ok) f->envelope = str_of(*envelope, n);
    }
    at += (int64_t)n;
    uint32_t crc;
    bool cut = at + f->header.stored > s->source->size;
    if (cut) return 0;
    int r = scan_crc(s, at, f->header.stored, &crc, &cut, e);
    f->body_ok = r == 0 && !cut && crc == f->header.body_crc;
    return r;
}

static int scan_all(struct scan *s, bool (*fn)(void *arg, const struct pack_found *f), void *arg, struct error *e)
{
    int64_t offset = PACK_HEAD;
    while (offset < s->source->size) {
        struct pack_found f = {.offset = offset};
        int r = scan_header(s, offset, &f.header, e);
        if (r < 0) return r;
        if (r == 0) {
            int64_t next = scan_resync(s, offset + PACK_ALIGN, e);
            if (next < 0) return (int)next;
            s->result->skipped += next - offset;
            offset = next;
            continue;
        }
        if (!s->epoch_known) s->epoch = f.header.epoch; /* the pack's head is damaged: its first record speaks for it */
        s->epoch_known = true;
        char *envelope = NULL;
        r = scan_record(s, &f, &envelope, e);
        s->result->records += r == 0;
        s->result->damaged += r == 0 && !(f.envelope_ok && f.body_ok);
        bool more = r == 0 && fn(arg, &f);
        free(envelope);
        if (!more) return r;
        int64_t end = offset + PACK_RECORD_HEADER + (int64_t)f.header.envelope_length + f.header.stored;
        if (end <= s->source->size) { /* the last one of a pack need not be padded */
            offset += pack_record_size(&f.header);
        } else { /* a record cut off, or lengths of another time: look for what may lie inside */
            int64_t next = scan_resync(s, offset + PACK_RECORD_HEADER, e);
            if (next < 0) return (int)next;
            offset = next;
        }
    }
    return 0;
}

int pack_scan(const struct pack_source *source, bool (*fn)(void *arg, const struct pack_found *f), void *arg,
              struct pack_scan_result *result, struct error *e)
{
    *result = (struct pack_scan_result){0};
    struct scan s = {.source = source, .result = result, .window = malloc(SCAN_WINDOW)};
    if (!s.window) return error_set(e, ERR_IO, "no memory to scan a pack");
    int64_t got = scan_fill(&s, 0, PACK_HEAD, e);
    struct pack_head head;
    if (got >= PACK_HEAD && pack_head_parse(s.window, &head) == 0) {
        s.epoch = head.epoch;
        s.epoch_known = true;
    } else if (got >= 0) {
        result->skipped += got < PACK_HEAD ? got : PACK_HEAD;
    }
    int r = got < 0 ? (int)got : scan_all(&s, fn, arg, e);
    free(s.window);
    return r;
}
