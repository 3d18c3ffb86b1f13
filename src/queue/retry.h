/* When is a recipient tried again, and when does patience end? Pure arithmetic (mail-rules.md, "Queue and relay"). */
#ifndef QUEUE_RETRY_H
#define QUEUE_RETRY_H

#include "base/time.h"
#include "queue/errand.h"

/* After the attempts-th attempt (1 = the first) ended so: when the next is due. random: any bits, for ±20 %.
 * Greylisting (450/451 4.7.1 and what says so) comes back soon, a full mailbox (4.2.2) later than the schedule says. */
utc_us retry_due(utc_us now, int attempts, const struct outcome *o, uint64_t random);

/* Until when a recipient of a letter received at `from` is tried: 5 days, 2 for the null sender. */
utc_us retry_expires(utc_us from, bool null_sender);

/* Is a delay warning owed now? Once, SPAN_DELAY_WARNING after it could first have been sent. */
bool retry_warns(const struct queue_item *item, utc_us now);

/* How long a next hop rests after its failures-th failure in a row to be reached. */
int64_t retry_rest(int failures, uint64_t random);

#endif
