/* Inside store/: rows the writer changes again and again, kept between jobs and written once per group: mailboxes (with
 * the chunk that still fills) and accounts. All of it is thrown away when a group is rolled back. */
#ifndef STORE_ROWS_H
#define STORE_ROWS_H

#include "base/map.h"
#include "store/chunk.h"
#include "store/keywords.h"
#include "store/mailboxes.h"

struct chunk_note { /* what a chunk became; in the group's arena */
    struct chunk_note *next;
    uint32_t number;
    size_t n; /* bytes */
    char packed[];
};
struct mailbox_row {
    int64_t id, account;
    uint64_t uid_next; /* 64 bits: one past the last UID there is */
    uint64_t highest_modseq;
    int64_t messages, unseen, deleted, octets;
    int64_t recent_uid; /* the first no session was told of */
    uint32_t uid_validity;
    struct keyword_names *keywords; /* NULL: not read yet */
    bool dirty;
    bool gone; /* in this group */
    struct mailbox_row *next_dirty;
    /* of this group, for those who look: */
    unsigned news;              /* enum mailbox_news, */
    const struct fiber *news_by; /* whose doing all of it is; NULL: of several */
    bool tail_changed;
    struct chunk_note *changed; /* chunks other than the tail, the newest first */
    size_t tail_n; /* bytes */
    char tail[CHUNK_PACKED];
};
struct account_row {
    int64_t id;
    uint64_t modseq;
    int64_t used_bytes, used_count; /* in its mailboxes */
    int64_t kept_bytes, kept_count; /* expunged, and not collected yet */
    int64_t uid_validity, inbox;
    bool removed; /* in this group */
    bool dirty;
    bool submitted; /* the counters below changed, a row of their own */
    struct account_row *next_dirty;
    struct submission_usage usage;
};

struct news_note { /* of what is no change to a mailbox's letters */
    int64_t account, mailbox;
    unsigned news;           /* enum mailbox_news */
    const struct fiber *by;  /* whose doing it is */
    struct str entry;        /* NEWS_METADATA: which annotation; in the group's arena */
    int64_t only;            /* it is this principal's alone; 0: everybody's */
};

struct rows {
    struct map mailboxes, accounts;
    struct mailbox_row *dirty_mailboxes;
    struct account_row *dirty_accounts;
    size_t n_dirty_mailboxes, n_dirty_accounts;
    bool stale; /* an account or mailbox was removed: forget all after the commit */
    struct news_note *news;
    size_t n_news, cap_news;
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

/* An entry that is there, counted in (+1) or out (-1) of the mailbox and the account; size: of its letter. */
void rows_count(struct store *s, struct mailbox_row *m, struct account_row *a, flag_set flags, int64_t size, int by);

/* Letters of the account that were expunged, or lie in a deleted mailbox, come (+) or go. */
void rows_keep(struct store *s, struct account_row *a, int64_t bytes, int64_t letters);

/* What counts in its quotas. */
struct account_use {
    int64_t bytes, count;
};
struct account_use rows_use(const struct store *s, const struct account_row *a);

/* The mailbox was deleted: for the rest of the group there is none, and whoever looks at it is told. Its own row is the
 * caller's. */
void rows_remove_mailbox(struct store *s, struct mailbox_row *m);

/* Told to those who watch the account, once the group is committed. Letters that come, go or change tell themselves. */
void rows_mailbox_news(struct store *s, struct mailbox_row *m, unsigned news);
void rows_news(struct store *s, int64_t account, int64_t mailbox, unsigned news);
/* Of an annotation; the name is copied. only: whose it is alone; 0: everybody's. */
void rows_news_entry(struct store *s, int64_t account, int64_t mailbox, struct str entry, int64_t only);

int rows_flush(struct store *s, struct error *e); /* what is dirty, into the transaction, in ascending order of id */
void rows_committed(struct store *s);             /* it is true now: others may see it */

#endif
