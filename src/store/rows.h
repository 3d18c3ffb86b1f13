/* Inside store/: rows the writer changes again and again, kept between jobs and written once per group: mailboxes (with
 * the chunk that still fills) and accounts. All of it is thrown away when a group is rolled back. */
#ifndef STORE_ROWS_H
#define STORE_ROWS_H

#include "base/map.h"
#include "store/chunk.h"

struct mailbox_row {
    int64_t id, account;
    uint64_t uid_next; /* 64 bits: one past the last UID there is */
    uint64_t highest_modseq;
    int64_t messages, unseen, octets;
    bool dirty;
    struct mailbox_row *next_dirty;
    size_t tail_n; /* bytes */
    char tail[CHUNK_PACKED];
};
struct account_row {
    int64_t id;
    uint64_t modseq;
    int64_t used_bytes, used_count, uid_validity, inbox;
    bool removed; /* in this group */
    bool dirty;
    bool submitted; /* the counters below changed, a row of their own */
    struct account_row *next_dirty;
    struct submission_usage usage;
};

enum change_kind { CHANGE_ADDED, CHANGE_CHANGED, CHANGE_GONE };
struct change_note { /* for the watchers, should there be any when the group is committed */
    int64_t mailbox;
    enum change_kind kind;
    struct entry entry;
};

struct rows {
    struct map mailboxes, accounts;
    struct mailbox_row *dirty_mailboxes;
    struct account_row *dirty_accounts;
    size_t n_dirty_mailboxes, n_dirty_accounts;
    bool stale; /* an account was removed: forget all after the commit */
    struct change_note *changes;
    size_t n_changes, cap_changes;
};

void rows_init(struct rows *r, struct hash_key key);
void rows_forget(struct rows *r); /* everything */
void rows_free(struct rows *r);

/* In the lane. 0, ERR_NOT_FOUND, or what the database says. */
int rows_mailbox(struct store *s, int64_t id, struct mailbox_row **out, struct error *e);
int rows_account(struct store *s, int64_t id, struct account_row **out, struct error *e);

/* They will be written with the group. */
void rows_touch_mailbox(struct store *s, struct mailbox_row *m);
void rows_touch_account(struct store *s, struct account_row *a);
void rows_touch_submission(struct store *s, struct account_row *a);
/* for the rest of the group there is none */
int rows_remove_account(struct store *s, int64_t account, struct error *e);
uint64_t rows_next_modseq(struct store *s, struct account_row *a);

/* A new letter in a mailbox: fills e->uid and e->modseq, counts it for both. ERR_CONFLICT: the mailbox has used up its
 * UIDs. */
int rows_append(struct store *s, struct mailbox_row *m, struct account_row *a, struct entry *entry, struct error *e);

/* The first chunk of the mailbox from `from` on, unpacked into v[CHUNK_ENTRIES]: 1, 0 when there is none, or an error.
 */
int rows_chunk(struct store *s, struct mailbox_row *m, uint32_t from, uint32_t *number, struct entry *v, size_t *n,
               struct error *e);
int rows_chunk_put(struct store *s, struct mailbox_row *m, uint32_t number, const struct entry *v, size_t n,
                   struct error *e);

void rows_note(struct rows *r, int64_t mailbox, enum change_kind kind, const struct entry *entry);

int rows_flush(struct store *s, struct error *e); /* what is dirty, into the transaction, in ascending order of id */
void rows_committed(struct store *s);             /* it is true now: others may see it */

#endif
