/* Inside store/: making directory snapshots.
 *
 * A snapshot is six tables (domains, addresses, accounts, aliases, routes, destinations) of shards; a copy shares all
 * shards and copies only those it changes, so one new account among 100,000 costs microseconds. Edit a snapshot only
 * before anybody else has it. */
#ifndef STORE_DIRECTORY_EDIT_H
#define STORE_DIRECTORY_EDIT_H

#include "base/hash.h"
#include "store/directory.h"

enum { DIRECTORY_ADDRESS_MAX = 512 }; /* bytes of an address' key; no longer one can be added */

struct directory *directory_new(struct hash_key key);
struct directory *directory_copy(const struct directory *d);

/* What is given is copied. Setting replaces what has the same key (domain, alias) or id (account). alias_of of the
 * domain is looked up by `alias_of_key` (empty: none). */
void directory_set_domain(struct directory *d, const struct directory_domain *what, struct str alias_of_key);
void directory_drop_domain(struct directory *d, struct str key);
/* keys: all its addresses. What is used is shared by all snapshots that know the account;
 * -1 keeps what it was. */
void directory_set_account(struct directory *d, const struct directory_account *what, const struct address *keys,
                           size_t n_keys, int64_t used_bytes, int64_t used_count);
void directory_drop_account(struct directory *d, int64_t id);
/* row: of its address row, remembered for later statements. */
void directory_set_alias(struct directory *d, const struct directory_alias *what, int64_t row);
void directory_drop_alias(struct directory *d, struct address key);

/* Setting replaces what has the same key (and side). A destination that is neither suspended nor limited goes. */
void directory_set_route(struct directory *d, const struct directory_route *what);
void directory_drop_route(struct directory *d, bool by_sender, struct str key);
void directory_set_destination(struct directory *d, const struct directory_destination *what);

int64_t directory_alias_row(const struct directory_alias *a);
size_t directory_account_keys(const struct directory_account *a, const struct address **keys);
void directory_set_used(const struct directory *d, int64_t account, int64_t bytes, int64_t count);
size_t directory_count_domains(const struct directory *d);
size_t directory_count_routes(const struct directory *d);
size_t directory_count_destinations(const struct directory *d);

/* Where mail to an address of ours goes: the alias and the account its key names (either may be NULL), whole or without
 * its detail, domain aliases rewritten. */
void directory_look_up(const struct directory *d, struct address key, const struct directory_alias **alias,
                       const struct directory_account **account);
/* All aliases in any order. */
void directory_scan_aliases(const struct directory *d, void (*fn)(const struct directory_alias *, void *), void *arg);

#endif
