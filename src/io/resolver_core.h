/* Inside io/: the parts of the resolver. resolver.c answers from the cache or has one fiber ask for all who wait;
 * resolver_ask.c speaks with servers; resolver_zone.c is them in the simulation; resolver_cache.c remembers. */
#ifndef IO_RESOLVER_CORE_H
#define IO_RESOLVER_CORE_H

#include "base/hash.h"
#include "io/resolver.h"

/* ---- answers kept ---- */

struct dns_cache; /* at most max_answers in max_bytes; the least recently used goes first, the newest never */
struct dns_cache *dns_cache_new(struct hash_key key, size_t max_answers, size_t max_bytes);
void dns_cache_free(struct dns_cache *c);

/* The answer if it is still good, or came after `asked` (so that who waited gets even what may not be kept);
 * *expires is when it ends. NULL if there is none. Valid until the next put. */
const struct dns_answer *dns_cache_get(struct dns_cache *c, struct str name, enum dns_type type, mono_us now,
                                       mono_us asked, mono_us *expires);
/* Copies the answer in, for as long as its ttl and kind allow. */
void dns_cache_put(struct dns_cache *c, struct str name, enum dns_type type, mono_us now,
                   const struct dns_answer *answer);
size_t dns_cache_count(const struct dns_cache *c);

/* An answer in one piece of memory: how many bytes, and the copy. */
size_t dns_answer_size(const struct dns_answer *answer);
void dns_answer_copy(void *memory, const struct dns_answer *from, struct dns_answer *out);

/* ---- servers ---- */

enum { DNS_SERVERS_MAX = 8, DNS_PORT = 53 };
struct dns_servers {
    struct world *world;
    struct endpoint at[DNS_SERVERS_MAX];
    size_t n;
    size_t preferred; /* the one that answered last is asked first */
    bool trust_ad_any;
};

/* The "nameserver" lines of a resolv.conf(5); returns how many, 0 if there are none. */
size_t resolv_conf_servers(struct str text, struct endpoint *out, size_t max);

/* Asks until one knows. 0 (DNS_FAILURE: none does), ERR_CANCELLED. name as from dns_name(). */
FIBER int dns_servers_ask(struct dns_servers *s, struct arena *a, struct str name, enum dns_type type, mono_us deadline,
                          struct dns_answer *out);

/* The same from the text of a simulated world's zone. */
FIBER int dns_zone_ask(struct world *w, struct arena *a, struct str name, enum dns_type type, mono_us deadline,
                       struct dns_answer *out);

#endif
