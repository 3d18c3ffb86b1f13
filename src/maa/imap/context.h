/* Inside maa/imap/: contexts, that is searches kept up to date (RFC 5267): what SEARCH and SORT with UPDATE leave
 * behind in the selected mailbox, until CANCELUPDATE or until it is left.
 *
 *     context.c          made, refused, looked for, cancelled
 *     context_program.c  the program of keys, as it lives on; which letters match it now
 *     context_tell.c     what has changed, as ADDTO and REMOVEFROM
 *
 * What is found is kept as UIDs, so that a letter can be taken from it that nobody can look at any more. An update
 * looks at the letters that came or changed, never at the others; what texts, dates and addresses say of a letter is
 * asked once, for it stays so.
 *
 * imap_sync() tells updates beside what brings them about, and so at its moments: of letters that are gone as soon as
 * that is known, before EXPUNGE, which may have to wait (RFC 5267 §4.3.4, §A.3); of those that changed behind
 * their FETCH (RFC 5465 §5.1); of those that came behind EXISTS (§5.2). */
#ifndef MAA_IMAP_CONTEXT_H
#define MAA_IMAP_CONTEXT_H

#include "maa/imap/search.h"

struct imap_context {
    struct imap_context *next;
    struct arena *arena; /* of all that follows; a child of the selected mailbox's */
    struct str tag;
    bool uids, sorted;
    struct imap_search sort;       /* by what */
    struct imap_fetch_items fetch; /* of letters that come and match (RFC 5465 §7) */

    /* The keys in two parts that must both hold, if they can be parted so; else all are in `known`. */
    struct imap_search known;      /* what the snapshot answers */
    struct imap_search texts;      /* what the store answers, the same for ever; without a key: nothing */
    struct uid_set asked, holding; /* letters for which `texts` was asked, and holds */
    bool last;                     /* "*" stands in a set of UIDs: what the last letter is matters */
    uid last_uid;
    uint64_t *ages;                /* of OLDER and YOUNGER, in seconds */
    size_t n_ages, cap_ages;
    utc_us aged_at, due;           /* when letters last grew old; when the next does (FOREVER: none will) */

    struct uid_set found;
    struct imap_listed *order;     /* of a sorted one: the same letters, in order */
    size_t n, cap;
    struct uid_set came;           /* of the update at hand: letters new to the client that match; in s->cmd */
};

/* ---- context.c ---- */

/* May a search with UPDATE use this command's tag? Else *refusal: BAD (RFC 5267 §4.3). */
bool imap_context_may_begin(const struct imap_session *s, struct imap_done *refusal);
/* Keeps the result of the command at hand, run over what is shown, with r->uids. False: no more fit, or they cannot be
 * kept. */
FIBER bool imap_context_begin(struct imap_session *s, const struct imap_command *c, const struct imap_result *r,
                              bool sorted);
FIBER void imap_context_refuse(struct imap_session *s, struct str tag); /* NO [NOUPDATE "tag"] (RFC 5267 §4.3.1) */
/* Ends it, and says so in the same words: there is no room, or its letters cannot be looked at. */
FIBER void imap_context_drop(struct imap_session *s, struct imap_context *x);
/* RFC 9586 §3: no message number is said any more; contexts that speak in them end. */
FIBER void imap_contexts_without_numbers(struct imap_session *s);
bool imap_contexts_too_big(const struct imap_session *s, size_t more); /* with so many bytes more */
mono_us imap_contexts_due(const struct imap_session *s); /* when letters grow older than a key allows; FOREVER: never */

/* ---- context_program.c ---- */

/* Copies the command's program into the context's arena; message numbers and "$" become the UIDs they mean now. */
void imap_context_keep_program(struct imap_session *s, struct imap_context *x, const struct imap_search *c);
/* What `texts` says of the letters found, and of those it need not be asked for again. 0, or the store's error. */
FIBER int imap_context_remember(struct imap_session *s, struct imap_context *x, struct error *e);
/* Those of the letters that match, in order of the mailbox. 0, or the store's error. */
FIBER int imap_context_match(struct imap_session *s, struct imap_context *x, const struct uid_set *among,
                             struct imap_result *r, struct error *e);
/* Letters that did not change and may begin or cease to match, by the last letter being another and by time, are added
 * to `changed`, in s->cmd. Of the letters from `first` on it is noted when they will be old. 0, or the store's error.
 */
FIBER int imap_context_others(struct imap_session *s, struct imap_context *x, uid first, struct uid_set *changed,
                              struct error *e);

/* ---- context_tell.c ---- */

/* Before numbers change: `now` is the mailbox as it is, whether the client may be told of EXPUNGEs or not. */
FIBER void imap_contexts_gone(struct imap_session *s, const struct snapshot *now);
/* After that: `changed` are the letters that came or changed since, those from `first` on came. */
FIBER void imap_contexts_tell(struct imap_session *s, const struct uid_set *changed, uid first);

#endif
