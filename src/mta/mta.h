/* The MTA's receiving side: port 25 and LMTP. Takes mail for our own recipients from anybody, never relays for
 * strangers. */
#ifndef MTA_MTA_H
#define MTA_MTA_H

#include "queue/reception.h"

struct mta {
    struct reception_desk desk; /* first: struct smtp_service's agent */
};

extern const struct smtp_policy mta_policy;
/* answers EXPN too; the session offers it to trusted clients only */
extern const struct smtp_policy mta_policy_with_expn;

#endif
