/* Reports about letters that did not get through, are late, or arrived where that was asked for (RFC 3461, RFC 3464,
 * RFC 3834): who gets one, and the letter itself, ready to be committed with the settlement it belongs to.
 *
 * Who is told, and when:
 *   - Nobody of what happens to a letter from <> (RFC 5321 §4.5.5), nor of a recipient with NOTIFY=NEVER.
 *   - Failures: unless NOTIFY names other things only. Delays: with NOTIFY=DELAY, and of what authenticated senders
 * sent without NOTIFY. Passing on to a host without DSN, delivery: with NOTIFY=SUCCESS.
 *   - The sender, when he was authenticated, or when his address is one of ours, or when patience has ended. Anybody
 *     else may never have sent it: the report of a refusal would be backscatter, so there is none; the record says so.
 *   - But of a letter of an unauthenticated sender that an alias of ours passed on, the failure is reported to the
 *     alias's owner: the one account of ours that the address leads to; when it leads to none or to several, the
 *     postmaster of its domain, who tends its aliases. He gets the header only, whatever the sender said with RET.
 *   - A sender's address that leads nowhere (people may be granted such) gives way to the submitter's own.
 *   - One report to a reader, of all recipients at once. */
#ifndef QUEUE_BOUNCE_H
#define QUEUE_BOUNCE_H

#include "queue/errand.h"
#include "queue/incoming.h"
#include "queue/record.h"

enum report_kind { REPORT_FAILED, REPORT_DELAYED, REPORT_RELAYED, REPORT_DELIVERED, REPORT_EXPANDED };

struct report_recipient {
    const struct queue_item *item;
    const struct outcome *outcome;
    enum report_kind kind;
    bool expired; /* REPORT_FAILED: patience ended */
};

/* Can a report be owed of this recipient? Cheap; for skipping what arrived and nobody asked about. */
bool bounce_is_asked(const struct queue_letter *letter, const struct report_recipient *r);

/* The letters owed for these recipients of one message, at most one to each reader, as acceptances to be committed
 * together with their settlement (then posting_accepted()); everything in `a`. Reads the returned message (RET) from
 * the store when its bytes are not given; a damaged one is reported without it. Also adds to `record` what the
 * settlement will tell: for each failed recipient "bounced" or "expired" with the last words, for each reader
 * "reported" with the report's message id, or why nobody is told. 0, or what posting_accept() and store_letter_read()
 * say: then there are neither letters nor events, and it can be asked again later. */
FIBER int bounce_reports(const struct queue *q, struct arena *a, const struct parcel *p,
                         const struct report_recipient *v, size_t n, struct acceptance **letters, size_t *n_letters,
                         struct record *record, struct error *e);

#endif
