/* The order of look-up (docs: "Addresses and look-up"): domain alias; whole local part as alias, then account; the same
 * without its detail; role addresses; catch-all; else no such address. An alias that names itself means the account of
 * that name. */
#include "queue/route.h"

#include "mail/limits.h"

struct walk {
    struct arena *arena;
    const struct directory *directory;
    const struct route_rules *rules;
    struct route *route;
    size_t cap;
    int steps; /* look-ups made, so that aliases of many aliases of many aliases end */
    bool too_many, disabled;
};

bool route_is_role(struct str local) /* RFC 2142 §5, RFC 5321 §4.5.1 */
{
    return str_eq(local, S("postmaster")) || str_eq(local, S("abuse")) || str_eq(local, S("mailer-daemon"));
}

static void add_target(struct walk *w, struct address final, const struct directory_account *account)
{
    struct route *r = w->route;
    for (size_t i = 0; i < r->n; i++)
        if (address_key_eq(r->targets[i].final, final)) return;
    if (r->n == LIMIT_ALIAS_TARGETS) {
        w->too_many = true;
        return;
    }
    if (r->n == w->cap) {
        size_t cap = w->cap ? w->cap * 2 : 2;
        struct route_target *more = arena_array(w->arena, cap, sizeof *more);
        if (r->n) memcpy(more, r->targets, r->n * sizeof *more);
        r->targets = more;
        w->cap = cap;
    }
    r->targets[r->n++] = (struct route_target){final, account};
    r->foreign |= account == NULL;
}

static void add_account(struct walk *w, struct address final, const struct directory_account *account)
{
    /* a role's mail always has a place, RFC 5321 §4.5.1 */
    if (account->disabled && !w->route->role) w->disabled = true;
    else add_target(w, final, account);
}

static struct address with_detail(const struct walk *w, struct address target, struct str detail)
{
    if (detail.n == 0 || str_find_char(target.local, w->rules->separator) < target.local.n) return target;
    struct str local =
        arena_printf(w->arena, "%.*s%c%.*s", STR_FMT(target.local), w->rules->separator, STR_FMT(detail));
    return (struct address){local, target.domain};
}

static bool expand(struct walk *w, struct address key, int depth);

static void expand_alias(struct walk *w, const struct directory_alias *alias, struct str detail, int depth)
{
    for (size_t i = 0; i < alias->n_targets && !w->too_many; i++) {
        struct address target = with_detail(w, alias->targets[i], detail);
        if (!address_key_eq(alias->targets[i], alias->key)) {
            if (!expand(w, target, depth + 1)) w->route->missing = target;
            continue;
        }
        const struct directory_account *own = directory_account(w->directory, alias->key);
        if (own) add_account(w, target, own); /* it names itself: the account of that name keeps a copy */
    }
}

/* The address exactly as given, as an alias, then as an account. */
static bool expand_known(struct walk *w, struct address key, struct address final, struct str detail, int depth)
{
    const struct directory_alias *alias = directory_alias(w->directory, key);
    if (alias) {
        expand_alias(w, alias, detail, depth);
        return true;
    }
    const struct directory_account *account = directory_account(w->directory, key);
    if (!account) return false;
    add_account(w, final, account);
    return true;
}

static bool expand_role(struct walk *w, struct address key, int depth)
{
    if (!route_is_role(key.local)) return false;
    struct address postmaster = {S("postmaster"), w->rules->hostname};
    if (address_key_eq(key, postmaster)) return false;
    const struct directory_alias *alias = directory_alias(w->directory, postmaster);
    if (alias) expand_alias(w, alias, STR_NONE, depth);
    return alias != NULL;
}

static bool expand_local(struct walk *w, const struct directory_domain *domain, struct address key, int depth)
{
    struct str base, detail;
    if (expand_known(w, key, key, STR_NONE, depth)) return true;
    if (local_detail(key.local, w->rules->separator, &base, &detail)) {
        struct address whole = {base, key.domain};
        if (expand_known(w, whole, key, detail, depth)) return true;
    }
    if (expand_role(w, key, depth)) return true;
    if (!domain || address_is_null(domain->catch_all) || address_key_eq(domain->catch_all, key)) return false;
    return expand(w, domain->catch_all, depth + 1);
}

/* False when there is no such address. */
static bool expand(struct walk *w, struct address key, int depth)
{
    if (depth > LIMIT_ALIAS_DEPTH || ++w->steps > 10 * LIMIT_ALIAS_TARGETS) {
        w->too_many = true;
        return true;
    }
    const struct directory_domain *domain = directory_domain(w->directory, key.domain);
    if (domain && domain->alias_of) {
        domain = domain->alias_of;
        key.domain = domain->key;
    }
    if (domain || str_eq(key.domain, w->rules->hostname)) return expand_local(w, domain, key, depth);
    w->route->relay |= depth == 0;
    add_target(w, key, NULL);
    return true;
}

static bool has_room(const struct directory *d, const struct route *r, int64_t size)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct directory_account *account = r->targets[i].account;
        if (!account || account->quota_bytes == 0) return true;
        int64_t grace = account->quota_bytes / 100 * LIMIT_QUOTA_GRACE_PERCENT;
        if (directory_used_bytes(d, account->id) + size <= account->quota_bytes + grace) return true;
    }
    return r->n == 0;
}

/* <Postmaster> without a domain, and addresses at our own network address, are at our host name. */
static bool key_of(struct walk *w, struct address rcpt, struct ip our_address, struct address *key)
{
    if (rcpt.domain.n == 0) rcpt.domain = w->rules->hostname;
    if (address_key(w->arena, rcpt, key) != 0) return false;
    if (!domain_is_literal(key->domain) || our_address.family == 0) return true;
    struct buf own = BUF(64);
    ip_put_literal(&own, our_address);
    if (str_ieq(buf_str(&own), key->domain)) key->domain = w->rules->hostname;
    buf_free(&own);
    return true;
}

void route_resolve(struct arena *a, const struct directory *d, const struct route_rules *rules, struct address rcpt,
                   struct ip our_address, int64_t size, struct route *out)
{
    *out = (struct route){0};
    struct walk w = {.arena = a, .directory = d, .rules = rules, .route = out};
    struct address key;
    if (!key_of(&w, rcpt, our_address, &key)) {
        out->refusal = R(553, E(5, 1, 3), "this is not an address mail can be sent to");
        return;
    }
    out->role = route_is_role(key.local);
    bool known = expand(&w, key, 0);
    if (!known || (out->n == 0 && !w.disabled && !w.too_many))
        out->refusal = R(550, E(5, 1, 1), "no such address here");
    else if (w.too_many) out->refusal = R(550, E(5, 4, 6), "the alias leads to too many addresses, or in a circle");
    else if (out->n == 0) out->refusal = R(550, E(5, 2, 1), "this mailbox is disabled");
    else if (!out->role && !has_room(d, out, size > 0 ? size : 0))
        out->refusal = R(552, E(5, 2, 2), "the mailbox is full");
}
