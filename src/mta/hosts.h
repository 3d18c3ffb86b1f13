/* Where a next hop's servers are: its MX hosts in the order in which they are to be tried, and the addresses of each
 * (RFC 5321 §5.1, RFC 7505).
 *
 * Hosts of one preference come in random order, their addresses are looked up when their turn has come, and not before:
 * a dead name server behind a backup host delays nothing. What DNS says is bounded and not believed: at most
 * LIMIT_RELAY_MX hosts are looked at, LIMIT_RELAY_ADDRESSES addresses handed out, none twice. */
#ifndef MTA_HOSTS_H
#define MTA_HOSTS_H

#include "mail/limits.h"
#include "mta/relay.h"

struct host { /* one address to try */
    struct str name; /* as it was looked up: the MX host */
    struct endpoint at;
};

struct hosts_failure { /* why there is nobody to talk to */
    bool permanent;
    int code; /* of the reply we would give: 550, 556, 451 … */
    struct status status;
    struct str text;
};

struct hosts { /* one look-up; all of it is hosts.c's but failure */
    const struct relay *relay;
    struct arena *arena;
    struct resolver *resolver;
    bool given;    /* by a route: what is wrong with it the owner can mend */
    bool named;    /* a host by its name, not by a domain's MX */
    bool implicit; /* the domain has no MX and is its own host */
    uint16_t port;
    struct mx {
        struct str name;
        uint16_t preference;
    } mx[LIMIT_RELAY_MX];
    size_t n_mx, mx_seen;
    struct host v[LIMIT_RELAY_ADDRESSES];
    size_t n, handed;
    struct hosts_failure failure; /* meaningful when hosts_next() has never given a host */
};

/* Asks who the hosts of the next hop (HOP_MX or HOP_HOST) are. Names lie in `a`. */
FIBER void hosts_open(struct hosts *h, const struct relay *r, struct arena *a, const struct next_hop *hop);

/* The next address to try, in *out; false: there are no more. If there never was one, h->failure says why: permanent
 * where DNS itself says so of all hosts, temporary when a name server did not answer. */
FIBER bool hosts_next(struct hosts *h, struct host *out);

#endif
