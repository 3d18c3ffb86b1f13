/* Network addresses of peers, as values: IPv4 or IPv6 (an IPv4-mapped one is IPv4), with or without a port. */
#ifndef MAIL_IP_H
#define MAIL_IP_H

#include "base/buf.h"

struct ip {
    uint8_t family; /* 4, 6, or 0 = none */
    uint8_t b[16];  /* network order; the first 4 for IPv4 */
};

struct endpoint {
    struct ip ip;
    uint16_t port;
};

struct ip_prefix { /* "10.1.0.0/16" */
    struct ip ip;
    uint8_t bits;
};

/* 0 or ERR_SYNTAX; "IPv6:" prefix and zones are not taken */
int ip_parse(struct str text, struct ip *out);
/* without "/n": the whole address; stray host bits: ERR_SYNTAX */
int ip_prefix_parse(struct str text, struct ip_prefix *out);
void ip_put(struct buf *b, struct ip ip);                    /* canonical text (RFC 5952) */
void ip_put_literal(struct buf *b, struct ip ip);            /* "[192.0.2.1]", "[IPv6:2001:db8::1]" (RFC 5321 §4.1.3) */
bool ip_eq(struct ip a, struct ip b);
bool ip_is_loopback(struct ip ip);
bool ip_within(struct ip ip, struct ip_prefix p);
struct ip ip_client_key(struct ip ip); /* what per-address limits count: IPv4 whole, IPv6 the /64 */

/* "host:port", "[v6]:port", "*:port" -> host part and port; 0 or ERR_SYNTAX. */
int endpoint_split(struct str text, struct str *host, uint16_t *port);

#endif
