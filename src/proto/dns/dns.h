/* DNS messages as mail needs them: a question as bytes, a reply as records (RFC 1035, RFC 2308, RFC 6891).
 *
 * Pure: who is asked, when, and what is kept is io/resolver's. A reply is only believed as far as it belongs to the
 * question; what follows from its records (MX order, null MX, TLSA matching) is left to those who asked. */
#ifndef PROTO_DNS_DNS_H
#define PROTO_DNS_DNS_H

#include "base/arena.h"
#include "mail/ip.h"

enum dns_type { DNS_A = 1, DNS_CNAME = 5, DNS_PTR = 12, DNS_MX = 15, DNS_TXT = 16, DNS_AAAA = 28, DNS_TLSA = 52 };

enum dns_status {
    DNS_OK,       /* records there */
    DNS_NODATA,   /* the name exists, no record of this type */
    DNS_NXDOMAIN, /* no such name */
    DNS_FAILURE   /* SERVFAIL, time-out, lies: nothing is known */
};

struct dns_record {
    enum dns_type type;
    struct ip ip;        /* A, AAAA */
    /* MX exchange ("" for the null MX), PTR, CNAME target: lower-case text without the final dot */
    struct str name;
    uint16_t preference; /* MX */
    struct str data;     /* TXT: the strings joined; TLSA: certificate association data */
    uint8_t usage, selector, matching; /* TLSA */
};

struct dns_answer {
    enum dns_status status;
    bool secure;             /* AD bit from a trusted server */
    uint32_t ttl;            /* seconds, of the answer as a whole; 0: not to be kept */
    struct str canonical;    /* the name after CNAMEs */
    const struct dns_record *records;
    size_t n;
};

/* Text as a domain name in the form used everywhere: lower case, no final dot, labels of 1-63 printable characters,
 * at most 253 in all. 0 and *out in `a`, or ERR_SYNTAX (empty, the root, an empty or long label, white space, 8-bit,
 * '\'). */
int dns_name(struct arena *a, struct str text, struct str *out);

/* Where the PTR record of an address stands: "1.2.0.192.in-addr.arpa" (RFC 1035 §3.5), "….ip6.arpa" (RFC 3596 §2.5). */
struct str dns_ptr_name(struct arena *a, struct ip ip);

/* Appends a query for one name (of dns_name()): recursion desired, AD wanted (RFC 6840 §5.7), with an EDNS OPT record
 * announcing LIMIT_DNS_UDP unless `edns` is false. */
enum { DNS_QUERY_MAX = 12 + 255 + 4 + 11 }; /* bytes */
void dns_query_put(struct buf *b, uint16_t id, struct str name, enum dns_type type, bool edns);

/* Reads a server's reply to `query` (as made by dns_query_put). *out, in `a`, has the records of the asked type at the
 * end of the CNAME chain; `secure` is the server's AD bit; a refusal of the server is DNS_FAILURE.
 * 0; ERR_CONFLICT: no reply to this query (id, question), go on waiting; ERR_TOO_LONG: truncated, ask over TCP;
 * ERR_UNSUPPORTED: the server stumbles over EDNS, ask without; ERR_SYNTAX: damaged. */
int dns_reply_read(struct arena *a, struct str query, struct str reply, struct dns_answer *out);

#endif
