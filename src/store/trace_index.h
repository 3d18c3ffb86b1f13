/* Inside store/: finding messages in the record by address, domain, Message-ID and words of the subject.
 *
 * The index follows behind the commits. Rows that tell of a message's arrival or refusal are read again, a few hundred
 * at a time, and their names gathered as hashes; SEGMENT_ROWS rows make a segment, written at once as SEGMENT_BUCKETS
 * rows of sorted hashes. A look-up reads one bucket of each segment, and looks itself at the rows behind the last one.
 * So a message costs a few microseconds and a fraction of a row, and commits never wait. */
#ifndef STORE_TRACE_INDEX_H
#define STORE_TRACE_INDEX_H

#include "io/world.h"
#include "store/record.h"

struct store;

enum {
    SEGMENT_ROWS = 4096,
    SEGMENT_NAMES = 1 << 16, /* hashes; a segment ends early rather than hold more */
    SEGMENT_BUCKETS = 128,
    INDEX_PIECE = 512,       /* rows read between two groups */
    TRACE_SLICE = 500,       /* rows deleted at once */
    TRACE_NAMES = 4096,      /* of one row; more are not found by */
    TRACE_WORDS = 20,        /* of a subject */
};

/* ---- names: what a row can be found by ---- */

enum trace_name { NAME_ADDRESS = 1, NAME_DOMAIN, NAME_MESSAGE_ID, NAME_WORD };

struct trace_names {
    uint64_t *v; /* TRACE_NAMES of them */
    size_t n;
};

bool trace_is_told(const struct record *r); /* an arrival or a refusal of a message: rows that are looked for */
void trace_names_of(struct arena *a, const struct record *r, struct trace_names *out);
uint64_t trace_name_hash(enum trace_name kind, struct str folded);

struct str trace_fold(struct arena *a, struct str text); /* case folded; what is no text as it is */
/* "Bob@Example.ORG", "example.org" as they are compared. */
struct str trace_fold_address(struct arena *a, struct str text);
/* The next word of a folded subject; empty at its end. */
struct str trace_word(struct str *rest);

/* ---- the writer's own ---- */

struct trace_entry {
    uint32_t hash;
    uint16_t bucket, row; /* row: seq - first */
};
struct trace_index {
    int64_t first, next;  /* rows of the segment being gathered: [first, next) */
    struct trace_entry *v;
    size_t n, cap;
    struct arena *arena;  /* of the row being read */
    struct trace_names names;
    int groups_passed;    /* since it had its turn */
    mono_us not_before;   /* after a failure */
    mono_us look_at_age;  /* when the oldest rows are looked at again */
};

int trace_index_load(struct store *s, struct error *e); /* where the last segment ended */
void trace_index_free(struct trace_index *x);
/* In the lane, between groups. gather: reads rows that were committed; outside a transaction. write: the segment, in a
 * transaction, if trace_index_is_full(); written: it is committed. */
bool trace_index_is_behind(struct store *s);
int trace_index_gather(struct store *s, struct error *e);
bool trace_index_is_full(const struct trace_index *x);
int trace_index_write(struct store *s, struct error *e);
void trace_index_written(struct store *s);
void trace_index_failed(struct store *s); /* rests, and begins the segment anew */
/* A slice of the rows that are kept no longer, in a transaction. The last row stays: it says where the packs end. */
bool trace_is_old(struct store *s);
int trace_forget(struct store *s, struct error *e);

/* The entry in a packed bucket: 6 bytes, hash and row. */
enum { TRACE_ENTRY = 6 };

#endif
