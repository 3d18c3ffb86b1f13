/* From a whole letter and where its recipients lead to the one request that keeps it: what the store remembers of the
 * letter, who has it in a mailbox, what waits for its next hop, and the record of all that.
 *
 * Letters that come in by SMTP (queue/incoming) and those we write ourselves (queue/posting) pass here alike. */
#ifndef QUEUE_PLANNING_H
#define QUEUE_PLANNING_H

#include "proto/mime/parse.h"
#include "queue/incoming.h"

struct journey { /* what a header tells of the way behind it */
    size_t received;
    bool bulk; /* sent to many: other mail goes before it (RFC 3834 §5, RFC 2919) */
    const struct str *delivered_to; /* whose mailboxes it has been in */
    size_t n;
};
/* In `a`. Not more than LIMIT_RECEIVED_FIELDS + 1 Delivered-To fields are looked at: each recipient is compared with
 * them, and there may be many of both. */
struct journey plan_journey(struct arena *a, struct str header);

struct planning {
    const struct queue *queue;
    struct arena *arena;
    const struct transaction *t;
    utc_us now;         /* for what waits; t->at is when the transaction began */
    bool authenticated; /* signed in, trusted, or ourselves */
    const struct incoming_recipient *rcpt; /* none of their routes is refused */
    size_t n_rcpt;
    struct journey journey;
    struct body *body; /* finished */
    struct str prefix; /* per message */
    const struct mime_letter *letter;
    struct str origin; /* of a letter of ours, for the record (record_begin) */
};

/* Fills *out; everything in the planning's arena. results[i]: code 0, or why recipient i cannot have it. False when
 * nobody can. */
bool plan_acceptance(const struct planning *p, struct acceptance *out, struct reply *results);

/* What the trace and the pack say of the recipients. */
struct trace_recipient *plan_recipients(struct arena *a, const struct incoming_recipient *rcpt, size_t n);

/* What a recipient's NOTIFY comes to: nobody is told of a success who is not known to have asked, and none is left when
 * the letter goes to several (RFC 3461 §5.2.7). */
unsigned plan_notify(const struct planning *p, const struct incoming_recipient *rcpt);

#endif
