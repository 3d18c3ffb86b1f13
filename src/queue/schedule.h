/* The scheduler: which letters are carried where, when, and by how many connections.
 *
 * One scheduler, on one loop. Rows stay in the store; in memory are the parcels at hand (bounded), the next hops that
 * have some or have failed of late (bounded), and the place up to which due rows have been looked at. For each next hop
 * a window says how many connections it gets: it grows with success and shrinks when the peer is busy; one that cannot
 * be reached at all rests, longer each time, apart from the recipients' own schedule. Next hops take turns, and so do
 * the senders within one. Results settle in groups. */
#ifndef QUEUE_SCHEDULE_H
#define QUEUE_SCHEDULE_H

#include "base/log.h"
#include "queue/errand.h"
#include "queue/incoming.h"

struct schedule_options {
    const struct log *log;      /* may be NULL */
    int connections;            /* in all; 0: LIMIT_RELAY_CONNECTIONS */
    int window;                 /* most connections to one next hop; 0: LIMIT_RELAY_WINDOW */
    int64_t memory;             /* bytes of letters kept for the relay; 0: LIMIT_RELAY_MEMORY */
    size_t recipients;          /* in memory; 0: LIMIT_RELAY_RECIPIENTS */
};

/* Runs on loop l as soon as that runs; queue->post must have `carry`. Ends when the loop stops: what is under way is
 * settled first. */
struct scheduler *scheduler_new(struct loop *l, const struct queue *q, const struct schedule_options *o);
void scheduler_free(struct scheduler *s); /* after the loop ended */

/* A message has just been committed with rows to carry: from memory if there is room. Copies what it needs; any
 * thread, never waits. body: all bytes if they are in memory, else none. */
void scheduler_accepted(struct scheduler *s, const struct acceptance *a, struct str body);

/* Rows were changed by somebody else (hold, release, retry, remove, re-route), or what is said of next hops: forgets
 * what is not under way and looks anew. Any thread. */
void scheduler_look_again(struct scheduler *s);

/* ETRN of strangers: it costs work for every letter that waits, so after one session was obeyed another has to wait for
 * SPAN_ETRN. May this one? And: it was. Any thread. */
bool scheduler_may_be_hurried(struct scheduler *s, int64_t session);
void scheduler_hurried(struct scheduler *s, int64_t session);

/* The server is about to stop: what is under way goes on, nothing new begins. scheduler_stats().connections tells how
 * much of it there still is. Any thread. */
void scheduler_drain(struct scheduler *s);

/* A next hop as it stands, for people. */
struct hop_state {
    struct str key;
    int connections, window;
    size_t waiting;      /* parcels in memory */
    bool more;           /* and others in the store */
    bool suspended;
    utc_us rests_until;  /* 0: it does not */
    struct str last_words; /* why it rests */
    int64_t hour_left;   /* recipients it may get in this hour; -1 any */
};
/* Copies into `a`. From its own loop, where administration is served. */
void scheduler_hops(struct scheduler *s, struct arena *a, struct hop_state **out, size_t *n);

struct schedule_stats {
    int64_t parcels, recipients, bytes; /* in memory now */
    int64_t connections;                /* now */
    int64_t delivered, deferred, failed, settlements, groups; /* since it began */
};
struct schedule_stats scheduler_stats(struct scheduler *s); /* any thread */

#endif
