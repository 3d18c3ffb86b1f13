/* The MDA: what becomes of a letter for an account. Today it is filed into INBOX; Sieve will decide here. Pure. */
#ifndef MDA_PLAN_H
#define MDA_PLAN_H

#include "queue/post.h"

/* struct post_office's plan_local. A detail ("user+detail") alone never picks a folder. */
void mda_plan(struct arena *a, const struct directory_account *account, const struct transaction *t,
              const struct body_facts *facts, struct plan *out);

#endif
