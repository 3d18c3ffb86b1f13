/* The sender's rights, from the directory alone. */
#include "msa/rights.h"

static bool is_own(const struct directory *d, int64_t account, struct address key)
{
    const struct directory_account *own = directory_account(d, key);
    return (own && own->id == account) || directory_may_send_as(d, account, key);
}

/* ... or was granted it: that lets it use the address, but makes nothing its own that comes with the address. */
static bool may_use(const struct directory *d, int64_t account, struct address key)
{
    const struct directory_account *a = directory_account_by_id(d, account);
    return is_own(d, account, key) || (a && directory_is_granted(a, key));
}

static bool is_taken(const struct directory *d, struct address key)
{
    return directory_account(d, key) || directory_alias(d, key);
}

bool may_send_as(struct arena *a, const struct directory *d, const struct route_rules *rules, int64_t account,
                 struct address address)
{
    struct address key;
    if (account == 0 || address_key(a, address, &key) != 0) return false;
    const struct directory_domain *domain = directory_domain(d, key.domain);
    if (!domain) return false;
    if (domain->alias_of) domain = domain->alias_of;
    key.domain = domain->key;
    if (may_use(d, account, key)) return true;

    struct str base, detail;
    struct address whole = key;
    if (local_detail(key.local, rules->separator, &base, &detail)) {
        whole.local = base;
        if (!is_taken(d, key) && may_use(d, account, whole)) return true;
    }
    bool caught =
        !is_taken(d, key) && !is_taken(d, whole) && !address_is_null(domain->catch_all) && !route_is_role(key.local);
    return caught && is_own(d, account, domain->catch_all);
}
