/* The MTA's sending side: carries parcels to a next hop. Which hosts (RFC 5321 §5, RFC 7505), which of their addresses,
 * with what TLS, and what each reply means for each recipient. */
#ifndef MTA_RELAY_H
#define MTA_RELAY_H

#include "base/log.h"
#include "io/resolver.h"
#include "io/tls.h"
#include "queue/errand.h"

struct relay { /* made by the program, constant while it runs */
    struct world *world;
    struct store *store;
    struct str hostname; /* said in EHLO: an A-label */
    uint16_t port;       /* where MX hosts listen: 25 */
    bool loopback;       /* an MX may be at a loopback address: tests */
    struct resolver *(*resolver)(void *arg); /* of the calling fiber's loop */
    /* Is this one of our own addresses and ports? Such an MX and all of equal or worse preference are passed over. */
    bool (*is_ours)(void *arg, struct endpoint e);
    struct tls_context *(*tls)(void *arg, enum tls_verify v); /* borrowed for the errand */
    struct ip source[2]; /* IPv4 and IPv6 to send from; family 0: the system's choice */
    void *arg;
    const struct log *log; /* may be NULL */
};

/* For struct post_office: arg is a struct relay. */
FIBER enum errand_end relay_carry(void *relay, struct errand *e);

#endif
