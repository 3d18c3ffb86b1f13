/* The implicit keep of RFC 5228 §2.10.2: without a script every letter goes to INBOX. */
#include "mda/plan.h"

void mda_plan(struct arena *a, const struct directory_account *account, const struct transaction *t,
              const struct body_facts *facts, struct plan *out)
{
    (void)t;
    (void)facts;
    out->actions = arena_new_of(a, struct plan_action);
    out->actions[0] = (struct plan_action){.kind = PLAN_FILE, .mailbox = account->inbox, .why = S("INBOX")};
    out->n = 1;
}
