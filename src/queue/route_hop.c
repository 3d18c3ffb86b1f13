/* Which next hop? The routes the owner gave, in the order of their nearness: the sender's address, the sender's domain;
 * the recipient's domain, its parents ("*.example.org"), everybody ("*"); without any the MX hosts of the recipient's
 * domain (RFC 5321 §5.1). */
#include "queue/route.h"

static const struct directory_route *route_of_sender(struct arena *a, const struct directory *d, struct address sender)
{
    if (address_is_null(sender)) return NULL;
    const struct directory_route *r = directory_route(d, true, address_str(a, sender));
    return r ? r : directory_route(d, true, sender.domain);
}

const struct directory_route *route_of_domain(const struct directory *d, struct str domain)
{
    const struct directory_route *r = directory_route(d, false, domain);
    if (r || domain_is_literal(domain)) return r;
    for (struct str label, parent = domain; str_cut(parent, '.', &label, &parent);) {
        char text[256 + 2] = "*.";
        struct buf pattern = {.p = text, .n = 2, .cap = sizeof text, .max = sizeof text};
        buf_add(&pattern, parent);
        r = directory_route(d, false, buf_str(&pattern));
        if (r) return r;
    }
    return NULL;
}

/* Is its key the domain's own? Then every letter to the domain goes this very way (but for those whose senders have
 * routes). */
static bool is_own_mx(const struct next_hop *hop, bool by_sender, struct address final)
{
    return hop->kind == HOP_MX && !by_sender && str_eq(hop->host, final.domain);
}

/* The domain itself, but for names that mean something else among keys ("local"): those have no dot. */
static struct str own_key(struct arena *a, struct str domain)
{
    return str_find_char(domain, '.') < domain.n || domain_is_literal(domain)
               ? domain
               : arena_printf(a, "mx://%.*s", STR_FMT(domain));
}

/* What goes to the same hosts under another log-in or with other demands on TLS must not share a connection. */
static struct str key_apart(struct arena *a, const struct next_hop *hop)
{
    size_t host = str_find(hop->key, S("://"));
    bool has_scheme = host < hop->key.n;
    struct str scheme = has_scheme ? str_head(hop->key, host + 3) : S("mx://");
    struct str rest = has_scheme ? str_skip(hop->key, host + 3) : hop->key;
    struct str tls = tls_policy_name(hop->tls);
    return arena_printf(a, "%.*s%.*s%s%.*s%s%.*s", STR_FMT(scheme), STR_FMT(hop->user), hop->user.n ? "@" : "",
                        STR_FMT(rest),
                        hop->tls == TLS_POLICY_MAY ? "" : ";tls=", hop->tls == TLS_POLICY_MAY ? 0 : (int)tls.n, tls.p);
}

static void follow(struct arena *a, const struct directory_route *r, struct address final, struct next_hop *out)
{
    struct error e = {0};
    *out = (struct next_hop){0};
    if (next_hop_parse(a, r->target, out, &e) != 0) { /* nobody could have given it; mail must not take another way */
        *out = (struct next_hop){.kind = HOP_REFUSE, .key = S("refuse"), .text = S("the route of this mail is broken")};
        return;
    }
    out->tls = r->tls;
    out->user = arena_str(a, r->user);
    out->password = arena_str(a, r->password);
    if (out->kind == HOP_MX && out->host.n == 0) out->host = out->key = arena_str(a, final.domain);
    if (is_own_mx(out, r->by_sender, final)) out->key = own_key(a, out->host);
    else if (out->kind == HOP_MX || out->kind == HOP_HOST) out->key = key_apart(a, out);
}

static struct str words(struct arena *a, const struct directory_route *r)
{
    if (!r->by_sender && str_eq(r->key, S("*"))) return arena_printf(a, "the default route, %.*s", STR_FMT(r->target));
    return arena_printf(a, "the route of %s%.*s, %.*s", r->by_sender ? "sender " : "", STR_FMT(r->key),
                        STR_FMT(r->target));
}

static bool is_ours(const struct directory *d, const struct route_rules *rules, struct str domain)
{
    return directory_domain(d, domain) || str_eq(domain, rules->hostname);
}

void route_next_hop(struct arena *a, const struct directory *d, const struct route_rules *rules, struct address sender,
                    struct address final, struct next_hop *out, struct str *why)
{
    struct str unused;
    if (!why) why = &unused;
    if (is_ours(d, rules, final.domain)) {
        *out = (struct next_hop){.kind = HOP_LOCAL, .key = S("local")};
        *why = arena_printf(a, "%.*s is ours", STR_FMT(final.domain));
        return;
    }
    const struct directory_route *r = route_of_sender(a, d, sender);
    if (!r) r = route_of_domain(d, final.domain);
    if (!r) r = directory_route(d, false, S("*"));
    if (r) {
        follow(a, r, final, out);
        *why = words(a, r);
        return;
    }
    struct str domain = arena_str(a, final.domain);
    *out = (struct next_hop){.kind = HOP_MX, .key = own_key(a, domain), .host = domain};
    *why = arena_printf(a, "the %s %.*s", domain_is_literal(final.domain) ? "address" : "MX hosts of",
                        STR_FMT(final.domain));
}
