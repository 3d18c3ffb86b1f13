/* Could this domain send or take mail? What DNS says of it, before anybody believes a sender or queues for a recipient.
 */
#ifndef TRUST_MAIL_DOMAIN_H
#define TRUST_MAIL_DOMAIN_H

#include "io/resolver.h"

enum mail_domain {
    MAIL_DOMAIN_OK,      /* has MX, or A/AAAA (RFC 5321 §5.1); literals */
    MAIL_DOMAIN_NONE,    /* no such domain, or neither MX nor address */
    MAIL_DOMAIN_NULL_MX, /* says that it takes no mail (RFC 7505) */
    MAIL_DOMAIN_FAILURE  /* DNS did not answer: nothing is known */
};

/* key: a domain key (mail/address.h). `a` is for scratch. */
FIBER enum mail_domain mail_domain_check(struct resolver *r, struct arena *a, struct str key);

/* The client's name if its PTR leads back to it, else empty; in `a`. */
FIBER struct str mail_client_name(struct resolver *r, struct arena *a, struct ip client);

#endif
