/* Where does a recipient's mail go? Domain aliases, aliases, accounts, role addresses, catch-all, return addresses of
 * ours, and for everybody else the next hop; decided at RCPT from the directory alone, without waiting, so that
 * whatever can be refused is refused in the session. */
#ifndef QUEUE_ROUTE_H
#define QUEUE_ROUTE_H

#include "mail/envelope.h"
#include "mail/ip.h"
#include "mail/next_hop.h"
#include "mail/reply.h"
#include "store/directory.h"

struct route_rules {
    struct str hostname; /* our own name, as a domain key: its role addresses always exist */
    char separator;      /* between local part and detail, '+' */
};

struct route_question {
    struct address rcpt;    /* as RCPT said it */
    struct address sender;  /* as MAIL said it, if we know that it is he; else empty, as for <> */
    struct ip our_address;  /* the one the client talks to (postmaster@[it] is ours); family 0: unknown */
    int64_t size;           /* SIZE of MAIL, or -1 */
    struct str srs_secret;  /* of return addresses (proto/smtp/srs.h); empty: none are ours */
    utc_us now;             /* for their age */
    const struct route *earlier; /* recipients of the same letter: the route before; NULL */
};

struct route_target {
    struct address final; /* key, detail included: what Delivered-To says */
    struct address shown; /* the same as it was written, RFC 5321 §2.4: what the next host hears */
    const struct directory_account *account; /* of the directory asked; NULL: foreign */
    bool forwarded; /* foreign, and an alias of ours led here */
    const struct next_hop *hop; /* of a foreign one */
    struct str why;             /* it goes there: a sentence for people */
};

struct route {
    struct reply refusal; /* code 0: none of it is refused */
    bool role;            /* postmaster, abuse, mailer-daemon: exempt from content refusal, quota and greylisting */
    bool relay;           /* the recipient's own domain is not ours */
    bool foreign;         /* some target is not ours: itself, or where an alias leads */
    bool backup;          /* relay, and the owner said that port 25 takes mail for it: `penny route add --accept` */
    bool returns;         /* an SRS address of ours: goes back to the sender it names */
    struct route_target *targets; /* deduplicated by final address */
    size_t n;
    /* an alias leads to this address of ours, which does not exist; empty: none. Others were found */
    struct address missing;
    const struct route *earlier; /* as asked */
};

/* A recipient of another domain gives one foreign target: whether it may be relayed is the agent's to say. Refused is
 * what all next hops refuse, and a return address of ours that is forged (550 5.7.1) or too old (550 5.7.1). Everything
 * in `a`; accounts live as long as the directory's reference. */
void route_resolve(struct arena *a, const struct directory *d, const struct route_rules *rules,
                   const struct route_question *q, struct route *out);

/* The next hop of mail from `sender` (a key; empty: <>) for an address that is not ours: the sender's own route
 * (address, domain), the domain's, those of its parents ("*.example.org"), the default "*", else its MX hosts. A domain
 * of ours gives HOP_LOCAL. Everything in `a`. why (may be NULL): a sentence for people.
 *
 * What is carried under different log-ins or TLS rules has different keys: "smtp://user@host:587",
 * "mx://example.org;tls=verify". */
void route_next_hop(struct arena *a, const struct directory *d, const struct route_rules *rules, struct address sender,
                    struct address final, struct next_hop *out, struct str *why);

/* The route the owner gave for mail to this domain (a key): its own, or the nearest parent's; never "*". NULL. */
const struct directory_route *route_of_domain(const struct directory *d, struct str domain);

/* postmaster, abuse, mailer-daemon (RFC 2142, RFC 5321 §4.5.1); local: a key. */
bool route_is_role(struct str local);

#endif
