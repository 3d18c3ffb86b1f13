/* What all reports of ours have in common (RFC 3461 §6.1, RFC 3464 §2, RFC 3834 §4): whom they come from, what they are
 * called, and that they travel under the null reverse-path. Who is told what is decided in queue/bounce and
 * queue/receipt. */
#ifndef QUEUE_REPORT_H
#define QUEUE_REPORT_H

#include "proto/dsn/report.h"
#include "queue/incoming.h"

/* What of a letter is returned when only its header is: the fields, cut between two of them at LIMIT_BOUNCE_RETURNED.
 * Its first LIMIT_BOUNCE_RETURNED + 1 bytes are enough. */
struct str report_header(struct str letter);

/* Writes the report and makes it an acceptance, in `a`. The caller has filled all of *r but hostname, from, message_id
 * and now; r->queue_id is the message it is about, which the record of the report names: "a report about message ID".
 * Where r->to leads nowhere (people may be granted addresses that nobody has) it becomes the address of the account
 * that submitted the letter, if one did (else 0). 0; ERR_NOT_FOUND: nobody can be told, the reason in *e; or what
 * posting_accept() says. */
FIBER int report_post(const struct queue *q, struct arena *a, struct dsn_report *r, int64_t submitter,
                      struct acceptance *out, struct error *e);

#endif
