/* Views: what sessions see of a mailbox. Part of the store's contract (store.h).
 *
 * A *snapshot* is a mailbox at one commit: immutable, in chunks of up to 128 entries. After each commit that touches a
 * mailbox somebody looks at, the writer makes the next snapshot: chunks that did not change are shared, by reference
 * count, with the one before and with every session on every loop. So a session that shows its client an older state
 * holds a pointer, and what has changed since is found by comparing two snapshots: equal chunks are skipped.
 *
 *     store --- view (one for a mailbox, while anybody looks) --- newest snapshot --- chunk, chunk, chunk…
 *                                                                 older snapshot ------'      (shared)
 */
#ifndef STORE_VIEW_H
#define STORE_VIEW_H

#include "store/store.h"

struct view_entry { /* 24 bytes */
    uid uid;
    flag_set flags;
    uint64_t modseq;
    int64_t email;
};

/* What never changes of the letters of a chunk, by uid % 128; read when first asked for, and shared by all states of
 * the chunk. Of a letter that is gone from the store altogether all is 0. */
struct view_facts {
    _Atomic int refs;
    _Atomic uint64_t known[2];
    uint32_t size[128]; /* octets as fetched, prefixes included */
    utc_us received[128];
};

struct view_chunk {
    _Atomic int refs;
    uint32_t number; /* holds UIDs 128 * number … 128 * number + 127 */
    uint32_t n;
    uint64_t modseq; /* highest of its entries */
    struct view_facts *_Atomic facts; /* NULL: not read yet; those of its letters are after store_view_facts() */
    struct view_entry v[];
};

struct snapshot {
    _Atomic int refs;
    int64_t mailbox, account; /* account: the owner */
    uint32_t uid_validity;
    uid uid_next;
    uint64_t highest_modseq;
    uint32_t count;   /* letters */
    uint32_t unseen, deleted;
    bool gone;        /* the mailbox was deleted: count is 0 */
    const struct keyword_names *keywords;
    size_t n_chunks;
    const struct view_chunk *const *chunks; /* ascending, none empty */
    const uint32_t *before;                 /* letters before chunk i */
};

/* Names of the keyword bits of a mailbox: bits under FLAG_FIRST_OWN by their fixed names, others as given out. */
struct keyword_names {
    _Atomic int refs;
    struct str name[32]; /* by bit number; empty: not given out */
};
int keyword_bit(const struct keyword_names *k, struct str name); /* in any case; -1: it has none */

struct view; /* one session's hold on a mailbox */

/* Opens the mailbox for looking; l is the loop of the fiber. `changed(arg)` runs on it, soon after a commit made a
 * newer snapshot (several commits may give one call); it may be NULL. ERR_NOT_FOUND, ERR_CORRUPT. */
FIBER int store_view_open(struct store *s, struct loop *l, int64_t mailbox, void (*changed)(void *arg), void *arg,
                          struct view **out, struct error *e);
void store_view_close(struct view *v); /* on its loop; changed() is not called any more */

const struct snapshot *view_newest(struct view *v); /* referenced: give back with snapshot_unref(). Any thread */
const struct snapshot *snapshot_ref(const struct snapshot *s);
/* `now` with those letters of `old` that are gone from it, as they were: for a client that may not be told yet. Takes
 * over the reference to `now`; the result is to be given back. */
const struct snapshot *snapshot_keeping(const struct snapshot *old, const struct snapshot *now);
void snapshot_unref(const struct snapshot *s); /* NULL is fine */

/* Sequence numbers count from 1. */
/* O(log); NULL past the end */
const struct view_entry *snapshot_at(const struct snapshot *s, uint32_t seq);
uint32_t snapshot_seq(const struct snapshot *s, uid u);                                  /* 0: no such letter */
uint32_t snapshot_seq_from(const struct snapshot *s, uid u); /* of the first letter with uid >= u; count + 1: none */

/* Walking: for (struct walk w = walk_from(s, seq); walk_next(&w);) … w.entry, w.seq, w.chunk */
struct walk {
    const struct snapshot *s;
    size_t chunk_index;
    uint32_t at; /* within the chunk, of the next */
    uint32_t seq;
    const struct view_entry *entry;
    const struct view_chunk *chunk;
};
struct walk walk_from(const struct snapshot *s, uint32_t seq);
bool walk_next(struct walk *w);

/* What changed from `old` to `now` (both of one mailbox). UIDs gone ascending in *gone; entries whose flags or MODSEQ
 * changed, ascending, by fn; those with uid >= old->uid_next are new (walk from there). Skips shared chunks. */
void snapshot_gone(const struct snapshot *old, const struct snapshot *now, struct arena *a, struct uid_set *gone);
void snapshot_changed(const struct snapshot *old, const struct snapshot *now,
                      void (*fn)(uint32_t seq_now, const struct view_entry *e, void *arg), void *arg);

/* Reads the facts of chunks [first, first + n) of the snapshot that lack them, in pages of at most 20 ms. They stay
 * with the chunks for as long as anybody looks at them. */
FIBER int store_view_facts(struct store *s, const struct snapshot *snap, size_t first, size_t n, struct error *e);

#endif
