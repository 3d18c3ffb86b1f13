/* Under whose name may an account send? */
#ifndef MSA_RIGHTS_H
#define MSA_RIGHTS_H

#include "queue/route.h"

/* True for an address of the account, an alias that delivers to it and may send, an address it was granted, the detail
 * forms of these, and any free address of a domain whose catch-all is its own. `address`: as written. `a`: scratch. */
bool may_send_as(struct arena *a, const struct directory *d, const struct route_rules *rules, int64_t account,
                 struct address address);

#endif
