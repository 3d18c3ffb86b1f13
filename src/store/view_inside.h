/* Inside store/: how views are made (view.h says what they are).
 *
 *   view.c          who looks at what: opening, closing, the newest snapshot, what a commit makes of it
 *   view_load.c     a snapshot from the database; the facts of letters
 *   view_make.c     chunks, snapshots, and the next one from the former
 *   view_compare.c  sequence numbers, walking, what changed
 */
#ifndef STORE_VIEW_INSIDE_H
#define STORE_VIEW_INSIDE_H

#include "store/inside.h"
#include "store/view.h"

/* ---- view_make.c ---- */

/* From the bytes of a row. NULL when they are none of chunk `number`. n = 0 is none, too. */
struct view_chunk *view_chunk_make(struct str packed, uint32_t number);
void view_chunk_unref(const struct view_chunk *c); /* NULL is fine */
struct view_facts *view_facts_new(void);
void view_facts_unref(struct view_facts *f);

struct view_totals { /* of a mailbox at a commit */
    int64_t mailbox, account;
    uint32_t uid_validity;
    uint64_t uid_next, highest_modseq;
    int64_t unseen, deleted;
    bool gone;
    struct keyword_names *keywords; /* owned */
};
struct view_update { /* what a commit made of it */
    struct view_update *next;
    struct view_totals totals;
    size_t n;
    struct view_chunk_update {
        uint32_t number;
        struct view_chunk *chunk; /* owned; NULL: nothing is in it any more */
    } v[];                        /* ascending */
};
/* Of a mailbox the group has changed. The lane. */
struct view_update *view_update_of(struct store *s, struct mailbox_row *m);
void view_update_free(struct view_update *u);

/* Takes over the totals' keywords and the chunks. */
struct snapshot *snapshot_make(const struct view_totals *t, struct view_chunk *const *chunks, size_t n);
/* The next snapshot; what it needs of `u` is taken out of it. */
struct snapshot *snapshot_next(const struct snapshot *old, struct view_update *u);
size_t snapshot_bytes(const struct snapshot *s);
/* Chunks of `s` that are as they were in `old` become the same. */
void snapshot_share(struct snapshot *s, const struct snapshot *old);

/* ---- view_load.c ---- */

/* As the transaction of db sees it. ERR_NOT_FOUND, ERR_CORRUPT. */
int snapshot_load(struct db *db, int64_t mailbox, struct snapshot **out, struct error *e);

#endif
