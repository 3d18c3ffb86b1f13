/* Why a message still waits, in words. */
#ifndef CMD_QUEUE_WORDS_H
#define CMD_QUEUE_WORDS_H

#include "queue/schedule.h"

struct waiting { /* what there is to say of one recipient */
    const struct queue_item *item;
    const struct directory_destination *said; /* by the owner of its next hop; NULL: nothing */
    const struct hop_state *hop;              /* as the scheduler sees it; NULL: as any other */
    bool stopped;                             /* no server runs */
    utc_us now;
};

/* One line: "mx.example.org said: 450 4.2.1 …; 3 attempts, next at 2026-11-28 18:20 UTC (in 12 min); gives up on …". */
void queue_put_why(struct buf *b, const struct waiting *w);

void put_moment(struct buf *b, utc_us t);      /* "2026-11-28 18:20:11 UTC" */
void put_span(struct buf *b, int64_t span_us); /* "12 min", "3 h 20 min", "2 d 3 h" */

#endif
