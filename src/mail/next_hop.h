/* Where mail goes next when it is not for a mailbox of ours: the value of a route, as the owner writes it and as the
 * relay uses it.
 *
 *     mx                    the MX hosts of the recipient's domain: what happens without any route
 *     mx://example.net      those of another domain
 *     smtp://HOST[:PORT]    this host, its A and AAAA (a smarthost); HOST may be [192.0.2.1] or [IPv6:2001:db8::1]
 *     smtps://HOST[:PORT]   the same with TLS from the first byte; port 465
 *     lmtp://HOST:PORT      RFC 2033, to another server's mailboxes; port 24
 *     discard               accepted and thrown away, with a row in the record
 *     refuse[:TEXT]         550 5.7.1 with these words */
#ifndef MAIL_NEXT_HOP_H
#define MAIL_NEXT_HOP_H

#include "mail/address.h"

enum hop_kind { HOP_MX, HOP_HOST, HOP_LOCAL /* mailboxes here, again */, HOP_DISCARD, HOP_REFUSE };
enum tls_policy { /* towards a next hop; DANE and MTA-STS will raise it */
    TLS_POLICY_MAY,     /* if offered, no certificate check, else in the clear (RFC 7435) */
    TLS_POLICY_NONE,    /* never */
    TLS_POLICY_ENCRYPT, /* always, with any certificate */
    TLS_POLICY_VERIFY   /* always, and the certificate names the host */
};

struct next_hop {
    enum hop_kind kind;
    struct str key;  /* by which the queue groups: "example.org", "smtp://relay.example:587", "local", "discard" */
    struct str host; /* HOP_MX: the domain whose MX hosts are asked; HOP_HOST: a host name as A-label, or a literal */
    uint16_t port;   /* 0: the relay port (RFC 5321 §4.5.4.2: 25, the configuration may change it) */
    bool lmtp, tls_first;
    enum tls_policy tls;
    struct str user, password; /* user empty: no log-in (RFC 4954) */
    struct str text;           /* HOP_REFUSE */
};

/* Reads a route's value as above; everything in `a`. HOP_MX without a domain leaves host and key empty: they are the
 * recipient's. 0, or ERR_SYNTAX with a sentence in *e. */
int next_hop_parse(struct arena *a, struct str text, struct next_hop *out, struct error *e);

int tls_policy_parse(struct str name, enum tls_policy *out); /* "may" "none" "encrypt" "verify"; 0 or ERR_SYNTAX */
struct str tls_policy_name(enum tls_policy p);

#endif
