/* The bytes of a pack: its head, the records, and how to find them again after damage. Pure but for the reader it is
 * handed.
 *
 * All numbers are little-endian; records begin at multiples of 8, zeros between.
 *
 *   pack head, 64 bytes            record header, 64 bytes
 *    0  8  "PennyPk" and format     0  4  magic
 *    8  8  pack id                  4  1  format
 *   16  8  epoch                    5  1  codec: 0 = the body as it is
 *   24  8  made at, µs UTC          6  2  zero
 *   32  4  kind                     8  4  key id: 0 = not encrypted
 *   36 24  zero                    12  4  length of the envelope copy
 *   60  4  CRC32C of 0..59         16  8  epoch of the pack
 *                                  24  8  body id
 *                                  32  8  length of the body as it is
 *                                  40  8  length of the body as stored
 *                                  48  4  CRC32C of the envelope copy
 *                                  52  4  CRC32C of the body as stored
 *                                  56  4  zero
 *                                  60  4  CRC32C of 0..59
 *                                  64     envelope copy, then the body as stored
 *
 * The epoch is random per pack. It tells a record from a dead pack's bytes in a block used again, and from a record
 * that a sender wrote into a letter: whoever looks for records after damage believes only those with the pack's own
 * epoch. */
#ifndef STORE_PACK_RECORD_H
#define STORE_PACK_RECORD_H

#include "base/error.h"
#include "base/str.h"
#include "base/time.h"

enum {
    PACK_HEAD = 64,
    PACK_RECORD_HEADER = 64,
    PACK_ALIGN = 8,
    PACK_ENVELOPE_MAX = 4 << 20, /* bytes; 1000 recipients with all their parameters need less than 1 MiB */
    PACK_FORMAT = 1,
};
#define PACK_BODY_MAX (INT64_C(1) << 40) /* bytes; a greater length is damage */

enum pack_kind { PACK_SHARED = 1, PACK_STREAM = 2 /* one large body of its own */ };

struct pack_head {
    int64_t id;
    uint64_t epoch;
    utc_us made_at;
    enum pack_kind kind;
};

struct pack_header {
    int codec;
    uint32_t key;
    uint32_t envelope_length, envelope_crc, body_crc;
    uint64_t epoch;
    int64_t body, length, stored;
};

void pack_head_put(unsigned char out[PACK_HEAD], const struct pack_head *h);
int pack_head_parse(const unsigned char in[PACK_HEAD], struct pack_head *h); /* 0, ERR_CORRUPT, ERR_TOO_NEW (format) */

void pack_header_put(unsigned char out[PACK_RECORD_HEADER], const struct pack_header *h);
/* 0, ERR_CORRUPT, ERR_TOO_NEW (format). The lengths are within their maxima. */
int pack_header_parse(const unsigned char in[PACK_RECORD_HEADER], struct pack_header *h);

/* Bytes a record takes up, padding included. */
static inline int64_t pack_record_size(const struct pack_header *h)
{
    int64_t n = PACK_RECORD_HEADER + (int64_t)h->envelope_length + h->stored;
    return (n + PACK_ALIGN - 1) / PACK_ALIGN * PACK_ALIGN;
}

/* Where a pack's bytes come from: read() gives the bytes read (fewer than n only at the end) or a negative enum err. */
struct pack_source {
    int64_t (*read)(void *arg, void *out, size_t n, int64_t offset, struct error *e);
    void *arg;
    int64_t size; /* look no further */
};

struct pack_found { /* a record of a scan */
    int64_t offset;
    struct pack_header header;
    struct str envelope;         /* borrowed; none if damaged */
    bool envelope_ok, body_ok;   /* do the CRCs agree? */
};

struct pack_scan_result {
    int64_t records, damaged; /* seen; of them with a wrong CRC */
    int64_t skipped;          /* bytes between records that belong to none */
};

/* Visits the records in order until fn returns false. Where bytes make no record it looks for the next header from the
 * next multiple of 8 on. 0 when the source could be read, whatever it held; else its error. */
int pack_scan(const struct pack_source *s, bool (*fn)(void *arg, const struct pack_found *f), void *arg,
              struct pack_scan_result *result, struct error *e);

#endif
