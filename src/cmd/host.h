/* The addresses of a host that a person names, as this machine's own resolver sees them. */
#ifndef CMD_HOST_H
#define CMD_HOST_H

#include "base/arena.h"
#include "io/fiber.h"
#include "mail/ip.h"

/* Fills out[0 … max) with the host's addresses (or the address that it is itself), each with the port. 0, or
 * ERR_UNAVAILABLE, ERR_BUSY (the resolver cannot say now) with a sentence. */
FIBER int host_find(struct arena *a, struct str host, uint16_t port, struct endpoint *out, size_t max, size_t *n,
                    struct error *e);

#endif
