/* Inside maa/imap/: what SEARCH, SORT, THREAD and ESEARCH share: a program of search keys run over a mailbox. */
#ifndef MAA_IMAP_SEARCH_H
#define MAA_IMAP_SEARCH_H

#include "maa/imap/session.h"
#include "store/search.h"

struct imap_found { /* a letter that matches */
    const struct view_entry *entry; /* of the snapshot searched */
    uint32_t seq;
    uint8_t score; /* 1 … 100 (RFC 6203) */
};

/* What a command works in: not charged to the connection, which a mailbox may outgrow, but bounded by itself and with
 * all others together (LIMIT_IMAP_SEARCH_MEMORY). */
struct imap_room {
    struct imap_session *s;
    struct arena *arena;
    size_t aside;  /* bytes beside the arena: buffers of the answer */
    int64_t taken; /* of what all searches have together */
};
/* Before so many bytes more are allocated; 0 looks whether what was is too much. 0; ERR_BUDGET. room may be NULL: no
 * limit. */
int imap_room(struct imap_room *room, size_t more, struct error *e);

struct imap_result { /* in order of the mailbox, or as sorted */
    struct imap_found *v;
    size_t n;
    struct uid_set uids; /* of them, if UPDATE is asked for */
    utc_us at;           /* when it was: ages (RFC 5032) are as of then */
    struct arena *arena; /* freed with the command */
    struct imap_room *room; /* the arena's; NULL of one that is made of others */
};
struct uid_set imap_result_uids(const struct imap_result *r); /* of one in order of the mailbox; in its arena */

/* Says now and then how far a long command is (RFC 9585). */
struct imap_progress {
    struct imap_session *s;
    size_t total;
    mono_us next;
};
void imap_progress_begin(struct imap_progress *p, struct imap_session *s, size_t total);
FIBER bool imap_progress(void *progress, size_t done); /* false: the client is gone */

/* Brings the texts of a program to UTF-8. False, with the refusal: a charset nobody knows (RFC 9051 §7.1, BADCHARSET).
 */
bool imap_search_charset(struct imap_session *s, const struct imap_search *c, struct imap_done *refusal);

/* Runs the keys over a snapshot. With `selected` it is what is shown in the selected mailbox: message numbers, "$" and
 * \Recent mean something. ERR_SYNTAX: a message number that is not there. ERR_BUDGET: imap_room(). */
FIBER int imap_search_run(struct imap_session *s, const struct imap_search *c, const struct snapshot *shown,
                          bool selected, struct imap_result *out, struct error *e);
bool imap_search_names(const struct imap_key *k, enum imap_key_kind kind); /* anywhere in it; not "$" as numbers */
/* then the answer tells MODSEQ (RFC 7162 §3.1.5) */
static inline bool imap_search_names_modseq(const struct imap_key *k) { return imap_search_names(k, IMAP_KEY_MODSEQ); }
/* Over these letters of what is shown alone, and without a word about progress: for updates (context.h). */
FIBER int imap_search_some(struct imap_session *s, const struct imap_search *c, const struct uid_set *only,
                           struct imap_result *out, struct error *e);

/* What SEARCH and SORT begin with: a tag that may be kept, a charset that is known, MODSEQ that implies CONDSTORE. */
bool imap_search_allowed(struct imap_session *s, const struct imap_command *c, struct imap_done *refusal);
/* The answer to SEARCH and SORT: an ESEARCH response when RETURN was given (or IMAP4rev2 asks for it), else a list.
 * `sorted`: the result's order is the answer's. With UPDATE it becomes a context, if there is room. */
FIBER struct imap_done imap_search_answer(struct imap_session *s, const struct imap_command *c, struct imap_result *r,
                                          bool sorted);
/* Keeps the result as "$" (RFC 5182 §2.1, RFC 9394 §3.2): what is told; with ALL or COUNT, or SAVE alone, all of it. */
void imap_search_save(struct imap_session *s, const struct imap_search *c, const struct imap_result *r);
/* What follows the correlator in an ESEARCH response: " UID COUNT 3 ALL 1:3"; nothing when nothing is left to say. */
void imap_put_esearch(struct imap_session *s, struct buf *b, const struct imap_search *c, const struct imap_result *r,
                      bool uids, bool sorted);
struct imap_done imap_search_failed(struct imap_session *s, const struct imap_search *c, int error,
                                    const struct error *why);

/* ---- sorting (sort.c) ---- */

struct imap_listed { /* a letter of a sorted list that is kept */
    uid uid;
    uint8_t score;
};
/* Sorts r as the program says, and finds where in a list that is sorted so already each letter belongs: places[i] of
 * them stand before r->v[i]. Letters of the list may be gone from the store. 0, or the store's error. */
FIBER int imap_sort_places(struct imap_session *s, const struct imap_search *c, struct imap_result *r,
                           const struct imap_listed *list, size_t n, size_t *places, struct error *e);

#endif
