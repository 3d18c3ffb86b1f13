/* The events of a message's life as the queue tells them to the trace. */
#ifndef QUEUE_RECORD_H
#define QUEUE_RECORD_H

#include "mail/reply.h"
#include "mail/transaction.h"
#include "store/store.h"

struct record { /* the events of one message, in order */
    struct arena *arena;
    utc_us at;
    struct trace_event *events;
    size_t n, cap;
};

void record_begin(struct record *r, struct arena *a, const struct transaction *t, int64_t size); /* "received" */
void record_delivered(struct record *r, uint32_t recipient, struct address final, struct str where);
/* where an alias leads, but nobody is */
void record_missing(struct record *r, uint32_t recipient, struct address missing);
void record_accepted(struct record *r);

/* A message that was refused after its data, or (what is a command's argument) before it. */
void record_refused(struct store *s, const struct transaction *t, const struct reply *why);
void record_refused_command(struct store *s, const struct transaction *t, struct str what, const struct reply *why);
/* A message that was accepted while its client went away unanswered: it may come again. */
void record_lost(struct store *s, const struct transaction *t);
void record_refused_more(struct store *s, const struct transaction *t, int64_t count);

#endif
