/* Changing what is in mailboxes, as set operations: flags, copy, move, append, expunge. Part of the store's contract
 * (store.h); `who` and rights as in mailboxes.h.
 *
 * Long work is done in pieces of one commit each, and other requests pass in between; COPY, MOVE and APPEND are all or
 * nothing all the same: what a piece that fails has left behind is taken back. */
#ifndef STORE_ENTRIES_H
#define STORE_ENTRIES_H

#include "mail/rights.h"
#include "store/store.h"

struct flags_change {
    int64_t who, mailbox;
    const struct uid_set *uids;
    enum flags_how { FLAGS_ADD, FLAGS_REMOVE, FLAGS_REPLACE } how;
    flag_set flags;             /* system flags and fixed keywords, */
    const struct str *keywords; /* and names of others; the mailbox gives them bits as needed (matched without case) */
    size_t n_keywords;
    uint64_t unchanged_since;   /* UINT64_MAX: whatever has happened since (RFC 7162 §3.1.3) */
    /* out, in the caller's arena: */
    struct uid_set changed;  /* letters whose flags are others now */
    struct uid_set refused;  /* left alone: MODSEQ above unchanged_since */
    uint64_t modseq;         /* highest given out; 0 when nothing changed */
};
/* Flags `who` has no right to (s: \Seen, t: \Deleted, w: the others) are left as they are; ERR_DENIED if that is all
 * of them (RFC 4314 §4). ERR_CONFLICT: there is no room for a new keyword (LIMIT_KEYWORDS).
 * ERR_SYNTAX, ERR_TOO_LONG: a new keyword cannot be called so. */
FIBER int store_flags_change(struct store *s, struct arena *a, struct flags_change *c, struct error *e);

struct copying {
    int64_t who, from, to;
    const struct uid_set *uids; /* those that are not there are passed over */
    bool move;                  /* and expunge them there, in the same commit */
    /* out, in the caller's arena, letter by letter in ascending order: */
    uint32_t uid_validity;      /* of `to` */
    struct uid_set source, made; /* equally many */
    size_t n;
};
/* Within an account the email stays the same one, with another entry; between accounts the body does. Flags and
 * keywords go along (keywords by name), those `who` may not set there do not. ERR_CONFLICT: over quota (RFC 9208 §4.3).
 */
FIBER int store_copy(struct store *s, struct arena *a, struct copying *c, struct error *e);

struct new_letter {
    struct body *body;              /* finished */
    const struct body_facts *facts;
    flag_set flags;
    const struct str *keywords;
    size_t n_keywords;
    utc_us received_at; /* INTERNALDATE; 0: now */
    /* out: */
    uid uid;
    int64_t email;
};
struct appending {
    int64_t who, mailbox;
    struct new_letter *letters;
    size_t n;
    uid replaced;            /* 0, or the letter in replaced_in that goes in the same commit (RFC 8508) */
    int64_t replaced_in;
    uint32_t uid_validity;   /* out */
};
FIBER int store_append(struct store *s, struct appending *a, struct error *e);

/* *gone, in `a`: the UIDs that were there and are not any more. `deleted_only`: of those with \Deleted alone. */
FIBER int store_expunge_set(struct store *s, struct arena *a, int64_t who, int64_t mailbox, const struct uid_set *uids,
                            bool deleted_only, struct uid_set *gone, struct error *e);

/* UIDs of `known` (none: all) expunged since `modseq` (RFC 7162 §3.2.6). Where the memory of that has been collected,
 * all that are not there now. */
FIBER int store_vanished(struct store *s, struct arena *a, int64_t mailbox, uint64_t modseq,
                         const struct uid_set *known, struct uid_set *out, struct error *e);

/* When letters came into the mailbox (RFC 8514), for ascending UIDs with their emails: out[i]. Copies count from when
 * they were made. */
FIBER int store_saved_at(struct store *s, int64_t mailbox, const uid *uids, const int64_t *emails, size_t n,
                         utc_us *out, struct error *e);

/* \Recent (RFC 3501 §2.3.2): the first UID no session was told of before; with `claim` later sessions will not be. */
FIBER int store_recent(struct store *s, int64_t mailbox, bool claim, uid *first, struct error *e);

#endif
