/* Inside store/: the index for searching: which letters may hold a text of three bytes or more.
 *
 * A database of its own, search.db, which can be thrown away at any time: it is a hint, what it offers is looked at.
 * SEGMENT letters of an account make a segment, written at once when they are all there; the newest letters, up to
 * SEGMENT - 1 of an account, are in none and are scanned. Of each letter every three bytes in a row of its searchable
 * text (in the normal form, with and without accents) are hashed to 22 bits; a segment keeps, for each hash, which of
 * its letters have it: a list of bytes, or a bitmap. The hashes lie in INDEX_BUCKETS rows, so that a look-up reads one
 * row for three bytes and 256 letters.
 *
 * Why not FTS5, which does the same with its trigram tokenizer: measured on the letters of tests/bench/corpus.py (mean
 * 9 KB, of which 3.3 KB are header and text), SQLite 3.40.1, contentless:
 *
 *     tokenizer, detail    bytes of index for a byte of text    CPU to index a letter
 *     trigram, none              0.62 - 0.69                     1013 µs
 *     trigram, column            1.8 - 2.0                       1197 µs
 *     trigram, full              3.1 - 3.2                       1467 µs
 *     unicode61, none            0.13 - 0.20                      150 µs   (words, not the substrings IMAP asks for)
 *     this index                 0.41                              82 µs   (reading and decoding the letter included)
 *
 * To accept a letter costs 120 µs; an index behind it that takes eight times as long would eat a server that is busy.
 */
#ifndef STORE_SEARCH_INDEX_H
#define STORE_SEARCH_INDEX_H

#include "store/inside.h"
#include "store/search_match.h"

enum {
    SEARCH_FORMAT = 2,        /* of all that is in search.db, and of the normal form; another one: built anew */
    INDEX_SEGMENT = 256,      /* letters of a segment */
    INDEX_BUCKETS = 256,
    INDEX_GRAM_BITS = 22,
    INDEX_KEY_BITS = 14,      /* of them within a bucket */
    INDEX_LETTER_GRAMS = 1 << 16, /* different ones of a letter; one with more is always looked at */
    INDEX_SEGMENT_GRAMS = 1 << 20, /* a segment ends early rather than hold more: 8 MiB of memory while it is built */
    INDEX_LEAVES = 32,        /* keys of a search that are looked up */
};

/* ---- what a segment is made of (search_gram.c; pure) ---- */

struct grams; /* of the letters of a segment being gathered */
struct grams *grams_new(void);
void grams_free(struct grams *g);
void grams_clear(struct grams *g); /* for another segment */
/* The texts of one letter after the other; end: *rich, the letter has too many, and none of them counts. */
void grams_add(struct grams *g, struct str text);
void grams_end(struct grams *g, bool *rich);
bool grams_full(const struct grams *g);
/* The rows, by ascending bucket: fn(arg, bucket, packed) for each, the empty ones too: that one is missing must show.
 */
int grams_rows(struct grams *g, int (*fn)(void *arg, unsigned bucket, struct str packed), void *arg);

/* The hash of three bytes; its bucket and its key in there. */
static inline uint32_t gram_hash(uint32_t three) { return (three * UINT32_C(0x9E3779B1)) >> (32 - INDEX_GRAM_BITS); }
static inline unsigned gram_bucket(uint32_t hash) { return hash >> INDEX_KEY_BITS; }

struct letters_mask { /* letters of a segment, as bits */
    uint64_t bits[INDEX_SEGMENT / 64];
};
/* Takes from *m the letters that do not have the hash. 0 or ERR_CORRUPT: also of no row. */
int gram_keep(struct str packed, uint32_t hash, struct letters_mask *m);
/* The different hashes of a text that is looked for, at most max. */
size_t gram_hashes(struct str needle, uint32_t *out, size_t max);

/* A segment's letters: ascending ids, and which of them are always looked at. */
void segment_pack(struct buf *b, const int64_t *emails, size_t n, const struct letters_mask *rich);
int segment_unpack(struct str packed, int64_t emails[INDEX_SEGMENT], size_t *n, struct letters_mask *rich);

/* ---- the database (search_index.c) ---- */

struct search_index {
    struct lock *lock;
    struct store_vfs *vfs;
    struct db *writer;   /* the indexer's; NULL: there is no index */
    struct db *idle;     /* a reader's connection that nobody uses; NULL */
    int reading;         /* look-ups under way */
    int unopened;        /* times that it could not be opened */
    bool damaged;        /* no look-ups begin any more; the indexer starts anew */
    struct loop *loop;   /* of the indexer, NULL: none */
    struct post wake;
    struct event news;
    size_t segment;      /* letters that make one: INDEX_SEGMENT, or fewer in tests */
    _Atomic bool told;   /* the wake is on its way, or the indexer at work */
    _Atomic int64_t letters, segments, rebuilt, scanned;
};

struct search_index *search_index_new(struct world *w);
void search_index_free(struct search_index *x); /* nobody uses it any more */

/* Blocking, on a thread of the pool; the indexer alone. Opens or makes the database; a damaged or older one is thrown
 * away. ERR_BUSY: it is damaged and somebody still reads it. */
int search_index_open(struct store *s, struct error *e);

/* After this error it is made anew: also of rows that should not be there. Commits are not synced, so that a write that
 * fails may be one of a commit that has been read. */
bool search_index_is_lost(int result);

/* Blocking. For each leaf l < INDEX_LEAVES of the plan sets bit l of excluded[i] when letter emails[i] does not hold
 * it. Without an index, or when it fails, nothing is excluded. */
void search_index_exclude(struct store *s, int64_t account, const struct search_plan *p, const int64_t *emails,
                          size_t n, uint32_t *excluded);

#endif
