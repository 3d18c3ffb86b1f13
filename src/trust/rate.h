/* Counting what happens per key (an address, an account) in a sliding window, in bounded memory.
 *
 * Two half windows are kept, so a count looks back between one half and one whole window. When the table is full the
 * keys that were quiet in the newer half are forgotten first; an attacker with many addresses can only make us forget
 * attackers. */
#ifndef TRUST_RATE_H
#define TRUST_RATE_H

#include "base/str.h"
#include "io/world.h"

struct rate;
struct rate *rate_new(struct world *w, int64_t window_us, size_t keys_max);
void rate_free(struct rate *r);

/* the count with n added; any thread. Keys over 64 bytes are cut */
int64_t rate_add(struct rate *r, struct str key, int64_t n);
int64_t rate_count(struct rate *r, struct str key);
void rate_clear(struct rate *r, struct str key);

#endif
