/* The events of a message's life as the queue tells them to the trace. */
#ifndef QUEUE_RECORD_H
#define QUEUE_RECORD_H

#include "mail/reply.h"
#include "mail/transaction.h"
#include "queue/errand.h"
#include "store/store.h"

struct record { /* the events of one message, in order */
    struct arena *arena;
    utc_us at;
    struct trace_event *events;
    size_t n, cap;
};

/* "received"; origin: where a letter of ours comes from, in words that name the message it is about; else empty */
void record_begin(struct record *r, struct arena *a, const struct transaction *t, int64_t size, struct str origin);
void record_delivered(struct record *r, uint32_t recipient, struct address final, struct str where);
/* it waits for its next hop; way: in words */
void record_routed(struct record *r, uint32_t recipient, struct address final, struct str way);
/* where an alias leads, but a route of the owner's refuses */
void record_refused_target(struct record *r, uint32_t recipient, struct address final, struct str words);
/* where an alias leads, but nobody is */
void record_missing(struct record *r, uint32_t recipient, struct address missing);
void record_accepted(struct record *r);

/* ---- later: what is told with a settlement ---- */

/* No events yet; at: the time of all that follow. */
void record_resume(struct record *r, struct arena *a, utc_us at);
/* It may have gone out before, when the server died. */
void record_doubt(struct record *r, const struct queue_item *recipient);
/* What went wrong in an attempt before it came to an outcome. */
void record_tried(struct record *r, const struct attempt *v, size_t n);
/* What became of a recipient, with the words of whom it comes from. */
void record_outcome(struct record *r, enum trace_kind kind, const struct queue_item *recipient,
                    const struct contact *contact, const struct outcome *o);
/* Somebody was told by a letter of ours, what: "a report", "a delay warning". */
void record_reported(struct record *r, struct address reader, struct str what, int64_t report);
/* Nobody is, of this recipient. */
void record_unreported(struct record *r, int32_t recipient /* -1: all it would have told of */, struct str why);

/* A message that was refused after its data, or (what is a command's argument) before it. */
void record_refused(struct store *s, const struct transaction *t, const struct reply *why);
void record_refused_command(struct store *s, const struct transaction *t, struct str what, const struct reply *why);
/* A message that was accepted while its client went away unanswered: it may come again. */
void record_lost(struct store *s, const struct transaction *t);
void record_refused_more(struct store *s, const struct transaction *t, int64_t count);

#endif
