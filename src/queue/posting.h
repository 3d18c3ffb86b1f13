/* A letter that no session brings: one we write ourselves (a report, a warning, a redirected copy), or one that was
 * held back and is handed to the mailboxes here now. It is derived, routed and planned like any other.
 *
 * The record of the new message says in the text of its "received" where it comes from: "a report about message ID",
 * "message ID, held back until now"; so `penny trace` finds the one from the other. */
#ifndef QUEUE_POSTING_H
#define QUEUE_POSTING_H

#include "queue/incoming.h"

struct posting {
    int64_t id;        /* of the message, or 0: a new one */
    int64_t submitter; /* account, 0 none; not counted against its limits */
    struct reverse_path from;  /* null for reports */
    const struct forward_path *to;
    size_t n;
    struct str bytes;      /* the whole letter, CRLF lines; or none and ... */
    struct letter *letter; /* ... it is read from the store, in pieces */
    bool authenticated;
    struct str origin; /* words for the record */
};

/* Everything in `a`. 0 with *out filled (its body is finished, nothing is committed), ERR_NOT_FOUND when no recipient
 * leads anywhere, or what body_write() and store_letter_read() say. */
FIBER int posting_accept(const struct queue *q, struct arena *a, const struct posting *p, struct acceptance *out,
                         struct error *e);

/* The scheduler's local hand-over: a parcel for "local" becomes *letters (the letter, then reports of success that are
 * owed now; none when nobody can have it), to be committed with the settlement in which its rows go; then
 * posting_accepted(). The same reverse-path, ENVID, RET, NOTIFY and ORCPT; where each address leads is asked anew; the
 * loop rules hold (RFC 5321 §6.3).
 *
 * Fills the outcome of every recipient: delivered (once it is committed), or failed with our own words. Success needs
 * no further report. On an error no outcome is filled. */
FIBER int posting_hand_over(const struct queue *q, struct arena *a, struct parcel *p, struct acceptance **letters,
                            size_t *n_letters, struct error *e);

/* They are committed: tells the scheduler, if there is one, of what is to be carried. */
void posting_accepted(const struct queue *q, const struct acceptance *letters, size_t n);

#endif
