/* The directory in memory: domains, accounts, aliases, credentials and routes as one immutable snapshot.
 *
 * Look-ups never wait. A snapshot is swapped whole at a commit that changes it; whoever holds a reference keeps the
 * old one. All slices live as long as the reference. Keys are those of mail/address.h. */
#ifndef STORE_DIRECTORY_H
#define STORE_DIRECTORY_H

#include "mail/address.h"
#include "mail/next_hop.h"

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
    int64_t quota_count; /* letters; 0 none */
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

struct directory_route { /* where mail for somebody else goes */
    bool by_sender;    /* key is a sender's: "bob@example.org" or "example.org"; else a recipient's domain */
    struct str key;    /* a domain's or an address's key as text; "*": everybody */
    struct str target; /* as mail/next_hop.h reads it */
    enum tls_policy tls;
    struct str user, password;
    bool accept; /* port 25 takes mail for the domain from anybody: we are its (backup) MX */
};

struct directory_destination { /* what the owner said of a next hop */
    struct str key; /* struct next_hop's */
    bool suspended;
    int64_t per_hour; /* recipients, 0 any: a new address is warmed up slowly */
};

/* NULL when unknown. An alias domain is returned as it is; follow alias_of. */
const struct directory_domain *directory_domain(const struct directory *d, struct str domain_key);
/* by any of its addresses */
const struct directory_account *directory_account(const struct directory *d, struct address key);
const struct directory_account *directory_account_by_id(const struct directory *d, int64_t id);
const struct directory_alias *directory_alias(const struct directory *d, struct address key);

/* exactly this one; NULL */
const struct directory_route *directory_route(const struct directory *d, bool by_sender, struct str key);
const struct directory_destination *directory_destination(const struct directory *d, struct str next_hop);

/* Does mail to `key` reach `account` through aliases (to LIMIT_ALIAS_DEPTH), only over aliases with may_send? */
bool directory_may_send_as(const struct directory *d, int64_t account, struct address key);
/* Was the account granted this very address? */
bool directory_is_granted(const struct directory_account *a, struct address key);

/* What of its quotas the account has used now; lags behind commits by nothing. Any thread. */
int64_t directory_used_bytes(const struct directory *d, int64_t account);
int64_t directory_used_count(const struct directory *d, int64_t account);

/* Visiting everything, in order of key, for listings. */
void directory_each_domain(const struct directory *d, void (*fn)(const struct directory_domain *, void *), void *arg);
void directory_each_account(const struct directory *d, void (*fn)(const struct directory_account *, void *), void *arg);
void directory_each_alias(const struct directory *d, void (*fn)(const struct directory_alias *, void *), void *arg);
void directory_each_route(const struct directory *d, void (*fn)(const struct directory_route *, void *), void *arg);
void directory_each_destination(const struct directory *d, void (*fn)(const struct directory_destination *, void *),
                                void *arg);
size_t directory_count_accounts(const struct directory *d);

#endif
