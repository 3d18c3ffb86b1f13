/* Identifiers: signed 64-bit, time-ordered, never given twice: 41 bits of milliseconds, 10 of node, 12 of counter. */
#ifndef STORE_IDS_H
#define STORE_IDS_H

#include <stdatomic.h>

#include "base/time.h"

enum { ID_COUNTER_BITS = 12, ID_NODE_BITS = 10 };
#define ID_EPOCH (INT64_C(1735689600) * US_PER_S) /* 2025-01-01; the 41 bits end in 2094 */

struct ids {
    _Atomic int64_t last; /* given out; never goes back, whatever the clock does */
    int64_t node;         /* 0 - 1023 */
};

void ids_start(struct ids *g, int64_t node, int64_t last); /* continues after `last` */
int64_t ids_next(struct ids *g, utc_us now);               /* any thread */
static inline int64_t ids_last(struct ids *g) { return atomic_load(&g->last); }
utc_us id_time(int64_t id); /* when it was made, to the millisecond */

#endif
