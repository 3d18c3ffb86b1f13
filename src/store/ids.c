/* The generator of identifiers (see ids.h). When the clock stands still or went back it counts on from the last one
 * given, borrowing milliseconds from the future when a millisecond's counter is used up. */
#include "store/ids.h"

enum { STEP_BITS = ID_COUNTER_BITS + ID_NODE_BITS };

void ids_start(struct ids *g, int64_t node, int64_t last)
{
    g->node = node;
    atomic_store(&g->last, last);
}

int64_t ids_next(struct ids *g, utc_us now)
{
    int64_t node = g->node << ID_COUNTER_BITS, full = (INT64_C(1) << ID_COUNTER_BITS) - 1;
    int64_t first = now > ID_EPOCH ? ((now - ID_EPOCH) / US_PER_MS) << STEP_BITS | node : 1 << STEP_BITS | node;
    int64_t last = atomic_load_explicit(&g->last, memory_order_relaxed), next;
    do {
        int64_t ms = last >> STEP_BITS;
        /* `last` may have been another node's, in a copied store */
        next = (ms << STEP_BITS | node | (last & full)) + 1;
        if (first > last) next = first;
        else if (next <= last || (last & full) == full) next = (ms + 1) << STEP_BITS | node;
    } while (!atomic_compare_exchange_weak(&g->last, &last, next));
    return next;
}

utc_us id_time(int64_t id) { return (id >> STEP_BITS) * US_PER_MS + ID_EPOCH; }
