/* Where the queue reaches the agents without knowing them: a table the program fills. */
#ifndef QUEUE_POST_H
#define QUEUE_POST_H

#include "mail/transaction.h"
#include "queue/errand.h"
#include "queue/route.h"
#include "store/store.h"

struct plan_action { /* one thing to do with a letter for an account */
    enum { PLAN_FILE } kind;
    int64_t mailbox; /* PLAN_FILE; 0 = INBOX */
    flag_set flags;
    struct str why; /* for the trace: "INBOX", a rule's name */
};

struct plan {
    struct plan_action *actions;
    size_t n;
};

struct post_office {
    /* What becomes of a letter for this account (the MDA: later Sieve). Pure: reads what it is given, may be called
     * again. */
    void (*plan_local)(struct arena *a, const struct directory_account *account, const struct transaction *t,
                       const struct body_facts *facts, struct plan *out);
    /* Carries parcels of one next hop (the MTA's relay); returns when the errand is over. NULL: nothing is relayed. */
    FIBER enum errand_end (*carry)(void *arg, struct errand *e);
    void *carry_arg;
};

#endif
