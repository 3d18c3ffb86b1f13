/* The order of look-up (docs: "Addresses and look-up"): domain alias; whole local part as alias, then account; the same
 * without its detail; role addresses; return addresses we made for forwarded mail; catch-all; else no such address. An
 * alias that names itself means the account of that name. What is not ours gets its next hop from queue/route_hop.c. */
#include "queue/route.h"

#include "mail/limits.h"
#include "proto/smtp/srs.h"

struct walk {
    struct arena *arena;
    const struct directory *directory;
    const struct route_rules *rules;
    const struct route_question *question;
    struct route *route;
    size_t cap;
    int steps; /* look-ups made, so that aliases of many aliases of many aliases end */
    bool too_many, disabled;
};

bool route_is_role(struct str local) /* RFC 2142 §5, RFC 5321 §4.5.1 */
{
    return str_eq(local, S("postmaster")) || str_eq(local, S("abuse")) || str_eq(local, S("mailer-daemon"));
}

static void add_target(struct walk *w, struct address final, struct address shown,
                       const struct directory_account *account, bool forwarded)
{
    struct route *r = w->route;
    for (size_t i = 0; i < r->n; i++)
        if (address_key_eq(r->targets[i].final, final)) return;
    if (r->n == LIMIT_ALIAS_TARGETS) {
        w->too_many = true;
        return;
    }
    r->targets = arena_grow(w->arena, r->targets, r->n, &w->cap, sizeof *r->targets);
    r->targets[r->n++] =
        (struct route_target){.final = final, .shown = shown, .account = account, .forwarded = forwarded};
    r->foreign |= account == NULL;
}

static void add_account(struct walk *w, struct address final, const struct directory_account *account)
{
    /* a role's mail always has a place, RFC 5321 §4.5.1 */
    if (account->disabled && !w->route->role) w->disabled = true;
    else add_target(w, final, final, account, false);
}

static struct address with_detail(const struct walk *w, struct address target, struct str detail)
{
    if (detail.n == 0 || str_find_char(target.local, w->rules->separator) < target.local.n) return target;
    struct str local =
        arena_printf(w->arena, "%.*s%c%.*s", STR_FMT(target.local), w->rules->separator, STR_FMT(detail));
    return (struct address){local, target.domain};
}

static bool expand(struct walk *w, struct address key, struct address shown, int depth);

static bool is_ours(const struct walk *w, struct str domain)
{
    return directory_domain(w->directory, domain) || str_eq(domain, w->rules->hostname);
}

static void expand_alias(struct walk *w, const struct directory_alias *alias, struct str detail, int depth)
{
    for (size_t i = 0; i < alias->n_targets && !w->too_many; i++) {
        struct address target = with_detail(w, alias->targets[i], detail);
        if (!address_key_eq(alias->targets[i], alias->key)) {
            struct address shown = with_detail(w, alias->targets_shown[i], detail);
            if (!expand(w, target, shown, depth + 1)) w->route->missing = target;
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

/* A return address of ours leads to the sender it names, whoever writes to it: the hash says that we made it. */
static bool expand_return(struct walk *w, struct address rcpt)
{
    const struct route_question *q = w->question;
    struct address sender, key;
    if (q->srs_secret.n == 0 || !srs_is(rcpt.local)) return false;
    int r = srs_reverse(w->arena, q->srs_secret, rcpt, q->now, &sender);
    if (r == 0) r = address_key(w->arena, sender, &key);
    if (r == ERR_TIMEOUT) w->route->refusal = R(550, E(5, 7, 1), "this return address is too old");
    else if (r == ERR_DENIED) w->route->refusal = R(550, E(5, 7, 1), "this return address is not one of ours");
    if (r) return w->route->refusal.code != 0;
    w->route->returns = true;
    if (is_ours(w, key.domain)) return expand(w, key, sender, 1);
    sender.domain = key.domain;
    add_target(w, key, sender, NULL, false);
    return true;
}

static bool expand_local(struct walk *w, const struct directory_domain *domain, struct address key,
                         struct address shown, int depth)
{
    struct str base, detail;
    if (expand_known(w, key, key, STR_NONE, depth)) return true;
    if (local_detail(key.local, w->rules->separator, &base, &detail)) {
        struct address whole = {base, key.domain};
        if (expand_known(w, whole, key, detail, depth)) return true;
    }
    if (expand_role(w, key, depth)) return true;
    if (depth == 0 && expand_return(w, shown)) return true;
    if (!domain || address_is_null(domain->catch_all) || address_key_eq(domain->catch_all, key)) return false;
    return expand(w, domain->catch_all, domain->catch_all, depth + 1);
}

/* False when there is no such address. */
static bool expand(struct walk *w, struct address key, struct address shown, int depth)
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
    if (is_ours(w, key.domain)) return expand_local(w, domain, key, shown, depth);
    w->route->relay |= depth == 0;
    shown.domain = key.domain; /* as an A-label: every host understands it */
    add_target(w, key, shown, NULL, depth > 0);
    return true;
}

/* ---- room ---- */

/* Copies the account gets of this letter, this target's included: each final address is one. */
static int64_t copies(const struct route *r, const struct route_target *target)
{
    int64_t n = 1;
    for (; r; r = r->earlier)
        for (size_t i = 0; i < r->n; i++)
            n += r->targets[i].account == target->account && !address_key_eq(r->targets[i].final, target->final);
    return n;
}

/* What a limit leaves with grace, for new mail alone; 0: any. */
static int64_t room(int64_t limit, int64_t used)
{
    int64_t grace = limit / 100 * LIMIT_QUOTA_GRACE_PERCENT + limit % 100 * LIMIT_QUOTA_GRACE_PERCENT / 100;
    return limit ? limit + grace - used : INT64_MAX;
}

static bool has_room(const struct directory *d, const struct route *r, int64_t size)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct directory_account *account = r->targets[i].account;
        if (!account) return true;
        int64_t bytes = room(account->quota_bytes, directory_used_bytes(d, account->id)),
                letters = room(account->quota_count, directory_used_count(d, account->id)),
                n = copies(r, &r->targets[i]);
        if (bytes >= 0 && size <= bytes / n && n <= letters) return true;
    }
    return r->n == 0;
}

/* ---- the whole of it ---- */

/* Finds the next hops; refused when none of them takes anything. */
static void find_hops(struct walk *w)
{
    struct route *r = w->route;
    struct address sender = {0};
    const struct next_hop *refusing = NULL;
    size_t refused = 0;
    if (!r->foreign) return;
    address_key(w->arena, w->question->sender, &sender); /* one without a key has no route of his own */
    for (size_t i = 0; i < r->n; i++) {
        struct route_target *t = &r->targets[i];
        if (t->account) continue;
        struct next_hop *hop = arena_new_of(w->arena, struct next_hop);
        route_next_hop(w->arena, w->directory, w->rules, sender, t->final, hop, &t->why);
        t->hop = hop;
        if (hop->kind != HOP_REFUSE) continue;
        refusing = hop;
        refused++;
    }
    if (refused == r->n) r->refusal = R(550, E(5, 7, 1), "%.*s", STR_FMT(refusing->text));
    const struct directory_route *own = r->relay ? route_of_domain(w->directory, r->targets[0].final.domain) : NULL;
    r->backup = own && own->accept;
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

void route_resolve(struct arena *a, const struct directory *d, const struct route_rules *rules,
                   const struct route_question *q, struct route *out)
{
    *out = (struct route){.earlier = q->earlier};
    struct walk w = {.arena = a, .directory = d, .rules = rules, .question = q, .route = out};
    struct address key;
    if (!key_of(&w, q->rcpt, q->our_address, &key)) {
        out->refusal = R(553, E(5, 1, 3), "this is not an address mail can be sent to");
        return;
    }
    out->role = route_is_role(key.local);
    /* RCPT's words are gone before the letter is whole, and the next host hears them */
    const struct address shown = {arena_str(a, q->rcpt.local), key.domain};
    bool known = expand(&w, key, shown, 0);
    if (out->refusal.code) return;
    if (!known || (out->n == 0 && !w.disabled && !w.too_many))
        out->refusal = R(550, E(5, 1, 1), "no such address here");
    else if (w.too_many) out->refusal = R(550, E(5, 4, 6), "the alias leads to too many addresses, or in a circle");
    else if (out->n == 0) out->refusal = R(550, E(5, 2, 1), "this mailbox is disabled");
    else if (!out->role && !has_room(d, out, q->size > 0 ? q->size : 0))
        out->refusal = R(552, E(5, 2, 2), "the mailbox is full");
    else find_hops(&w);
}
