/* The next hop "local": letters whose time of release has come, or whose delivery failed for now, are handed to our own
 * mailboxes like letters that have just come in. The new acceptance is committed in the same transaction in which the
 * old row goes, so that it is there exactly once. */
#include "queue/posting.h"
#include "queue/schedule_core.h"

static FIBER void hand_over(const struct queue *q, struct parcel *p)
{
    struct error e = {0};
    struct bundle *b = (struct bundle *)p;
    int r = posting_hand_over(q, p->arena, p, &b->handed, &b->n_handed, &e);
    struct outcome trouble = {.kind = r == ERR_CORRUPT ? OUTCOME_DAMAGED : OUTCOME_DEFERRED,
                              .code = 451,
                              .status = E(4, 3, 0),
                              .text = arena_str(p->arena, str_c(e.text))};
    for (size_t i = 0; i < p->n; i++) {
        if (r) p->v[i].outcome = trouble;
        p->v[i].outcome.passed_dsn = true; /* what success owes is among the letters */
    }
}

FIBER enum errand_end local_carry(const struct queue *q, struct errand *e)
{
    for (struct parcel *p; (p = errand_next(e, 0));) {
        hand_over(q, p);
        errand_give_back(e, p);
    }
    return ERRAND_DONE;
}
