/* The MSA: ports 587 and 465 (RFC 6409). Takes mail from our own people, under their own names, within limits, made
 * well-formed. */
#ifndef MSA_MSA_H
#define MSA_MSA_H

#include "queue/reception.h"

struct msa {
    struct reception_desk desk; /* first: struct smtp_service's agent */
    int64_t per_hour, per_day;  /* recipients an account may submit */
    bool show_client;           /* the client's address in Received */
    /* May this client use the address as its own? For clients that are known otherwise than by a log-in (users of this
     * machine); NULL: what the account may. */
    bool (*may_send)(const struct smtp_session *s, struct arena *a, const struct directory *d, struct address address);
};

extern const struct smtp_policy msa_policy;

#endif
