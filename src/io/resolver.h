/* The resolver: a stub that asks recursive servers over UDP, then TCP, with a cache (RFC 1035, RFC 6891, RFC 2308).
 *
 * One per loop, no locks. Equal questions in flight are asked once. The AD bit of an answer is believed only from
 * servers configured as trusted (loopback by default). */
#ifndef IO_RESOLVER_H
#define IO_RESOLVER_H

#include "base/arena.h"
#include "io/fiber.h"
#include "mail/ip.h"
#include "proto/dns/dns.h"

struct resolver;
struct resolver_options {
    const struct endpoint *servers;
    size_t n_servers;        /* 0: read /etc/resolv.conf */
    bool trust_ad_any;       /* believe AD from every server, not only from loopback ones */
};
struct resolver *resolver_new(struct loop *l, const struct resolver_options *o);
void resolver_free(struct resolver *r);

/* Asks. The answer is copied into `a`. name: text, with or without final dot, A-labels. Returns 0 with *out filled
 * (status tells; DNS_FAILURE is an answer too), or ERR_CANCELLED, ERR_SYNTAX (no domain name). Waits at most
 * TIMEOUT_DNS. */
FIBER int dns_query(struct resolver *r, struct arena *a, struct str name, enum dns_type type, struct dns_answer *out);

/* The PTR name of an address; status as above. */
FIBER int dns_query_ptr(struct resolver *r, struct arena *a, struct ip ip, struct dns_answer *out);

/* A host's addresses (A and AAAA asked side by side), at most `max`; IPv6 and IPv4 in turn. Returns the status of the
 * pair. */
FIBER enum dns_status dns_host(struct resolver *r, struct arena *a, struct str host, struct ip *out, size_t max,
                               size_t *n, bool *secure);

#endif
