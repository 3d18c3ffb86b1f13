/* The PROXY protocol, versions 1 and 2 (haproxy's proxy-protocol.txt): who really connected, told by a load balancer
 * in front of the first byte. Whom to believe is for the reader to know (wire/proxy.h). */
#ifndef PROTO_PROXY_HEADER_H
#define PROTO_PROXY_HEADER_H

#include "mail/ip.h"

struct proxy_header {
    bool named; /* false: LOCAL, UNKNOWN or a kind of address that is not IP: nobody is named */
    struct endpoint source, destination;
};

enum {
    PROXY_V1_MAX = 107, /* a line of version 1 with its CRLF */
    PROXY_V2_HEAD = 16, /* bytes of version 2 before the addresses */
    PROXY_V2_MAX = 2048 /* bytes behind the head that we are ready to read: addresses and extensions */
};

/* Version 1: a line without its CRLF. 0 or ERR_SYNTAX. */
int proxy_parse_line(struct str line, struct proxy_header *out);

extern const struct str proxy_v2_signature; /* 12 bytes */
/* Version 2: the head tells how many bytes follow (0 … PROXY_V2_MAX); ERR_SYNTAX. */
int proxy_v2_length(const unsigned char head[PROXY_V2_HEAD]);
int proxy_parse_binary(const unsigned char head[PROXY_V2_HEAD], struct str body, struct proxy_header *out);

#endif
