/* Inside store/: what the set operations on entries share (entries.h). All of it in the lane, within a job. */
#ifndef STORE_ENTRIES_INSIDE_H
#define STORE_ENTRIES_INSIDE_H

#include "store/access.h"
#include "store/emails.h"
#include "store/entries.h"
#include "store/inside.h"

enum {
    PIECE_CHUNKS = 128, /* of one job: long work comes in pieces and lets acceptances pass */
    TOMBSTONE_OF_ENTRIES = 1, /* tombstone.kind */
    TOMBSTONE_ROW = 100, /* bytes such a row takes besides what is packed in it, with its index */
};

/* Going through a set in ascending order, for as long as what is asked for ascends. */
struct set_walk {
    const struct uid_set *set;
    size_t at;
};
struct set_walk set_walk_from(const struct uid_set *set, uid u);
bool set_walk_has(struct set_walk *w, uid u);
uint32_t set_walk_chunk(struct set_walk *w, uint32_t chunk); /* the first from `chunk` on; UINT32_MAX: none */

/* UIDs gathered in ascending order, for the fiber that waits. Of the heap, and freed with `a`. */
struct buf *gathered_new(struct arena *a);
void gather(struct buf *ranges, uid u);
void gathered_into(struct arena *a, struct uid_set *set, const struct buf *ranges);

/* The chunks of a mailbox that a set has UIDs in, one after the other. */
struct chunk_walk {
    struct mailbox_row *mailbox;
    struct set_walk wanted;
    uint32_t next;  /* chunk to go on with */
    int left;       /* chunks of this piece */
    bool more;      /* it ended because the piece did */
    /* the chunk at hand: */
    uint32_t number;
    size_t n;
    struct entry v[CHUNK_ENTRIES];
};
struct chunk_walk *chunk_walk_new(struct store *s, struct mailbox_row *m, const struct uid_set *uids, uint32_t from,
                                  int chunks);
int chunk_walk_next(struct store *s, struct chunk_walk *w, struct error *e); /* 1, 0 at the end, or an error */

/* Taking entries out of a mailbox: counters, and what is remembered of them. The chunks are the caller's. */
struct burial {
    struct mailbox_row *mailbox;
    struct account_row *account;
    bool kept;       /* they are expunged letters; else they are elsewhere now */
    uint64_t modseq; /* of all of it; 0: nothing yet */
    size_t parts, n;
    char packed[TOMBSTONE_ENTRIES * TOMBSTONE_PACKED];
};
struct burial *burial_new(struct store *s, struct mailbox_row *m, struct account_row *a, bool kept);
int burial_add(struct store *s, struct burial *b, const struct entry *entry, int64_t size, struct error *e);
int burial_end(struct store *s, struct burial *b, struct error *e);

/* The rows a request is about, once it is known that `who` has the rights. */
int entries_rows(struct store *s, int64_t who, int64_t mailbox, right_set needed, right_set *rights,
                 struct mailbox_row **m, struct account_row **a, struct error *e);
flag_set flags_allowed(right_set rights); /* RFC 4314 §2.1: s, t and w */
/* ERR_CONFLICT when the account cannot hold so many bytes or letters more (RFC 9208 §4.3). */
int quota_check(struct store *s, const struct account_row *a, int64_t bytes, int64_t letters, struct error *e);
/* What a COPY had made, when the whole of it is refused: nobody's loss. */
FIBER void entries_unmake(struct store *s, struct arena *a, int64_t mailbox, const struct uid_set *uids);
/* Notes that UIDs came by COPY just now. */
int arrival_put(struct store *s, int64_t mailbox, uid first, uid last, struct error *e);

#endif
