/* The desk where an SMTP session meets the queue: what MTA and MSA do alike with a transaction, from MAIL to the last
 * reply.
 *
 * The agents' policies judge senders and recipients themselves and point the rest of their table here. */
#ifndef QUEUE_RECEPTION_H
#define QUEUE_RECEPTION_H

#include "base/log.h"
#include "io/resolver.h"
#include "queue/incoming.h"
#include "wire/smtp_server.h"

struct reception_desk { /* the first member of every agent: struct smtp_service's agent points at it */
    const struct queue *queue;
    struct resolver *(*resolver)(void *arg); /* of the calling fiber's loop */
    void *arg;
    const struct log *log;
};

struct reception { /* a transaction at the desk: smtp_tx.mark */
    const struct reception_desk *desk;
    struct transaction t;
    struct incoming_rules rules;       /* the agent sets them at MAIL */
    const struct directory *directory; /* one snapshot for the whole transaction */
    const struct route *last_route;    /* of the recipients that were not refused */
    struct incoming *incoming;
    void *mark; /* the agent's */
};

/* At MAIL: makes tx->mark. */
struct reception *reception_begin(struct smtp_session *s, struct smtp_tx *tx);

/* At RCPT: the route, with *mark set when it is not refused. */
const struct route *reception_route(struct smtp_session *s, struct smtp_tx *tx, const struct forward_path *to,
                                    void **mark);

/* Entries for struct smtp_policy. */
FIBER struct reply reception_data(struct smtp_session *s, struct smtp_tx *tx);
FIBER void reception_bytes(struct smtp_session *s, struct smtp_tx *tx, struct str bytes);
FIBER void reception_end(struct smtp_session *s, struct smtp_tx *tx, struct reply *results);
void reception_done(struct smtp_session *s, struct smtp_tx *tx);
void reception_refused(struct smtp_session *s, struct smtp_tx *tx, enum smtp_refused what, struct str argument,
                       const struct reply *r);
void reception_closed(struct smtp_session *s);

#endif
