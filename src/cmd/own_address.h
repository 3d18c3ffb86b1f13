/* Is this ourselves? The relay must not talk to its own server (RFC 5321 §5.1), under whatever address it is reached.
 */
#ifndef CMD_OWN_ADDRESS_H
#define CMD_OWN_ADDRESS_H

#include "cmd/config.h"

struct own_addresses { /* what the machine has, and what leads to it from outside; in one arena */
    struct ip *interfaces, *public;
    size_t n_interfaces, n_public;
};

/* As the machine and the configuration say now. Without a list of interfaces only what is written counts. */
struct own_addresses own_addresses_now(struct arena *a, const struct config *c);

/* An address and port of one of the listeners, or any port of a public address. */
bool own_address_is(const struct own_addresses *own, const struct config *c, struct endpoint e);

#endif
