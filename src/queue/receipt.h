/* Reports of success that are owed as soon as a letter is accepted (RFC 3461 §5.2.3, §5.2.7): it lies in a mailbox, or
 * was passed on to everybody behind an alias; to senders we know who asked with NOTIFY=SUCCESS. */
#ifndef QUEUE_RECEIPT_H
#define QUEUE_RECEIPT_H

#include "queue/planning.h"

/* *v is the acceptance that was planned, results as the plan left them, header the letter's. When a report is owed, *v
 * becomes an array (in the planning's arena) of the same acceptance and the report, *n its length: they belong into one
 * commit. Else nothing is changed or allocated. Where the sender's address leads nowhere, the account that submitted
 * the letter is told; without one nobody. */
FIBER int receipt_add(const struct planning *p, struct str header, const struct reply *results, struct acceptance **v,
                      size_t *n, struct error *e);

#endif
