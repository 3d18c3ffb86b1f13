/* Where does a recipient's mail go? Domain aliases, aliases, accounts, role addresses, catch-all; decided at RCPT from
 * the directory alone, without waiting, so that whatever can be refused is refused in the session. */
#ifndef QUEUE_ROUTE_H
#define QUEUE_ROUTE_H

#include "mail/envelope.h"
#include "mail/ip.h"
#include "mail/reply.h"
#include "store/directory.h"

struct route_rules {
    struct str hostname; /* our own name, as a domain key: its role addresses always exist */
    char separator;      /* between local part and detail, '+' */
};

struct route_target {
    struct address final; /* key, detail included: what Delivered-To says */
    const struct directory_account *account; /* of the directory asked; NULL: foreign */
};

struct route {
    struct reply refusal; /* code 0: none of it is refused */
    bool role;            /* postmaster, abuse, mailer-daemon: exempt from content refusal, quota and greylisting */
    bool relay;           /* the recipient's own domain is not ours */
    bool foreign;         /* some target is not ours: itself, or where an alias leads */
    struct route_target *targets; /* deduplicated by final address */
    size_t n;
    /* an alias leads to this address of ours, which does not exist; empty: none. Others were found */
    struct address missing;
};

/* rcpt: as RCPT said it. our_address: the address the client talks to (postmaster@[it] is ours), family 0 if unknown.
 * size: SIZE of MAIL or -1. A recipient of another domain gives one foreign target: whether it may be relayed is the
 * agent's to say. Everything in `a`; accounts live as long as the directory's reference. */
void route_resolve(struct arena *a, const struct directory *d, const struct route_rules *rules, struct address rcpt,
                   struct ip our_address, int64_t size, struct route *out);

/* postmaster, abuse, mailer-daemon (RFC 2142, RFC 5321 §4.5.1); local: a key. */
bool route_is_role(struct str local);

#endif
