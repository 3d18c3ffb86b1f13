/* Which addresses are ourselves. */
#include "cmd/own_address.h"

#include "io/process.h"

struct own_addresses own_addresses_now(struct arena *a, const struct config *c)
{
    size_t n = c->public_addresses.n;
    struct own_addresses own = {.public = arena_array(a, n, sizeof *own.public), .n_public = n};
    if (n) memcpy(own.public, c->own_addresses, n * sizeof *own.public);
    process_addresses(a, &own.interfaces, &own.n_interfaces, NULL);
    return own;
}

static bool is_among(const struct ip *v, size_t n, struct ip ip)
{
    for (size_t i = 0; i < n; i++)
        if (ip_eq(v[i], ip)) return true;
    return false;
}

bool own_address_is(const struct own_addresses *own, const struct config *c, struct endpoint e)
{
    if (is_among(own->public, own->n_public, e.ip)) return true;
    bool of_machine = ip_is_loopback(e.ip) || is_among(own->interfaces, own->n_interfaces, e.ip);
    for (size_t i = 0; i < c->n_ports; i++) {
        const struct endpoint *at = &c->ports[i].address;
        if (at->port == e.port && (at->ip.family ? ip_eq(at->ip, e.ip) : of_machine)) return true;
    }
    return false;
}
