/* The directory in memory: domains, accounts, aliases and credentials as one immutable snapshot.
 *
 * Look-ups never wait. A snapshot is swapped whole at a commit that changes it; whoever holds a reference keeps the
 * old one. All slices live as long as the reference. Keys are those of mail/address.h. */
#ifndef STORE_DIRECTORY_H
#define STORE_DIRECTORY_H

#include "mail/address.h"

struct directory;
void directory_unref(const struct directory *snapshot);
const struct directory *directory_ref(const struct directory *d);

struct directory_domain {
    int64_t id;
    struct str key, shown;
    const struct directory_domain *alias_of; /* NULL: itself */
    struct address catch_all;                /* key; empty: none */
};

struct directory_credential {
    int64_t id;
    struct str password_hash; /* crypt(3) */
    struct str scram;         /* packed scram_keys */
    int64_t created;
};

struct directory_account {
    int64_t id;
    struct address key, shown; /* its first address: the login */
    struct str name;
    bool disabled;
    int64_t quota_bytes; /* 0 none */
    int64_t inbox;       /* mailbox id */
    const struct directory_credential *credentials;
    size_t n_credentials;
    const struct address *grants; /* keys of addresses it may also send as, whether there is anybody or not */
    size_t n_grants;
};

struct directory_alias {
    struct address key, shown;
    bool may_send;
    const struct address *targets; /* keys; domain none of ours: foreign */
    const struct address *targets_shown;
    size_t n_targets;
};

/* NULL when unknown. An alias domain is returned as it is; follow alias_of. */
const struct directory_domain *directory_domain(const struct directory *d, struct str domain_key);
/* by any of its addresses */
const struct directory_account *directory_account(const struct directory *d, struct address key);
const struct directory_account *directory_account_by_id(const struct directory *d, int64_t id);
const struct directory_alias *directory_alias(const struct directory *d, struct address key);

/* Does mail to `key` reach `account` through aliases (to LIMIT_ALIAS_DEPTH), only over aliases with may_send? */
bool directory_may_send_as(const struct directory *d, int64_t account, struct address key);
/* Was the account granted this very address? */
bool directory_is_granted(const struct directory_account *a, struct address key);

/* How much the account's mailboxes hold now; lags behind commits by nothing. Any thread. */
int64_t directory_used_bytes(const struct directory *d, int64_t account);

/* Visiting everything, in order of key, for listings. */
void directory_each_domain(const struct directory *d, void (*fn)(const struct directory_domain *, void *), void *arg);
void directory_each_account(const struct directory *d, void (*fn)(const struct directory_account *, void *), void *arg);
void directory_each_alias(const struct directory *d, void (*fn)(const struct directory_alias *, void *), void *arg);
size_t directory_count_accounts(const struct directory *d);

#endif
