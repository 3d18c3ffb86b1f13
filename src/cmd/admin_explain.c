/* `penny route test`: the whole decision about an address, as it would be taken now, without sending anything: aliases,
 * routes, MX hosts and what DNS says of them, TLS, the return address.
 *
 * It asks the functions that decide when a letter comes (queue/route.h, mta/hosts.h), not a copy of their rules. */
#include "cmd/admin.h"
#include "cmd/own_address.h"
#include "cmd/secrets.h"
#include "cmd/server.h"
#include "mail/limits.h"
#include "mta/hosts.h"
#include "proto/smtp/srs.h"
#include "queue/incoming.h"

struct explaining {
    const struct admin *admin;
    struct arena *arena;
    const struct relay *relay;
    const struct directory *directory;
    struct route_rules rules;
    struct str srs_secret;
    struct address sender; /* empty: <> */
    utc_us now;

    /* without a server: what it would have */
    struct relay own_relay;
    struct resolver *own_resolver;
    struct own_addresses own_addresses;
};

/* ---- what a server has, or would have ---- */

static struct resolver *resolver_here(void *x) { return ((struct explaining *)x)->own_resolver; }

static bool is_ours(void *arg, struct endpoint e)
{
    const struct explaining *x = arg;
    return own_address_is(&x->own_addresses, x->admin->config, e);
}

static void free_resolver(void *r) { resolver_free(r); }

static FIBER int stand_in(struct explaining *x, struct error *e)
{
    const struct config *c = x->admin->config;
    const struct resolver_options o = {.servers = c->resolver_servers,
                                       .n_servers = c->resolver.servers.n,
                                       .trust_ad_any = c->resolver.trust_ad};
    struct str secret;
    int error = secret_of_server(x->admin->world, x->admin->store, x->arena, &secret, e);
    if (error) return error;
    x->srs_secret = secret_of_returns(x->arena, secret);
    x->rules = (struct route_rules){.hostname = c->hostname_key, .separator = '+'};
    x->own_resolver = resolver_new(loop_self(), &o);
    arena_defer(x->arena, free_resolver, x->own_resolver);
    x->own_addresses = own_addresses_now(x->arena, c);
    x->own_relay = (struct relay){.world = x->admin->world,
                                  .store = x->admin->store,
                                  .hostname = c->hostname_key,
                                  .port = (uint16_t)c->relay.port,
                                  .loopback = c->relay.loopback,
                                  .resolver = resolver_here,
                                  .is_ours = is_ours,
                                  .arg = x};
    x->relay = &x->own_relay;
    return 0;
}

static FIBER int prepare(struct explaining *x, struct error *e)
{
    struct server *s = x->admin->server;
    x->directory = store_directory_in(x->arena, x->admin->store);
    x->now = clock_utc(x->admin->world);
    if (!s) return stand_in(x, e);
    x->relay = server_relay(s);
    x->rules = server_queue(s)->rules;
    x->srs_secret = server_queue(s)->srs_secret;
    return 0;
}

/* ---- hosts ---- */

static void put_addresses(struct json *j, const struct hosts *h, struct str name)
{
    json_put_array(j, "addresses");
    for (size_t i = 0; i < h->n; i++) {
        char room[80];
        struct buf text = BUF_OVER(room);
        if (!str_eq(h->v[i].name, name)) continue;
        ip_put_literal(&text, h->v[i].at.ip);
        buf_printf(&text, ":%u", h->v[i].at.port);
        json_put_str(j, NULL, buf_str(&text));
    }
    json_put_end(j, ']');
}

/* What the relay would find, asked to the end: at most LIMIT_RELAY_ADDRESSES addresses, as in one attempt. */
static FIBER void put_hosts(struct json *j, const struct explaining *x, const struct next_hop *hop)
{
    struct hosts h;
    struct host each;
    hosts_open(&h, x->relay, x->arena, hop);
    while (hosts_next(&h, &each)) continue;
    json_put_array(j, "hosts");
    for (size_t i = 0; i < h.n_mx; i++) {
        json_put_object(j, NULL);
        json_put_str(j, "name", h.mx[i].name);
        if (!h.named && !h.implicit) json_put_int(j, "preference", h.mx[i].preference);
        put_addresses(j, &h, h.mx[i].name);
        json_put_end(j, '}');
    }
    json_put_end(j, ']');
    if (h.implicit) json_put_bool(j, "implicit", true);
    if (h.failure.code == 0) return;
    json_put_object(j, h.n ? "trouble" : "failure"); /* one host of several, or all there are */
    json_put_bool(j, "permanent", h.failure.permanent);
    json_put_int(j, "code", h.failure.code);
    json_put_str(j, "text", h.failure.text);
    json_put_end(j, '}');
}

/* ---- one target ---- */

static void put_hop(struct json *j, const struct explaining *x, const struct next_hop *hop)
{
    static const char *const kinds[] = {[HOP_MX] = "mx",
                                        [HOP_HOST] = "host",
                                        [HOP_LOCAL] = "local",
                                        [HOP_DISCARD] = "discard",
                                        [HOP_REFUSE] = "refuse"};
    json_put_str(j, "hop", hop->key);
    json_put_str(j, "kind", str_c(kinds[hop->kind]));
    if (hop->kind == HOP_REFUSE) json_put_str(j, "words", hop->text);
    if (hop->kind != HOP_MX && hop->kind != HOP_HOST) return;
    json_put_str(j, "protocol", hop->lmtp ? S("lmtp") : S("smtp"));
    json_put_str(j, "tls", hop->tls_first ? S("from the first byte") : tls_policy_name(hop->tls));
    json_put_bool(j, "verified", hop->tls == TLS_POLICY_VERIFY);
    if (hop->user.n) json_put_str(j, "user", hop->user);
    const struct directory_destination *d = directory_destination(x->directory, hop->key);
    if (d && d->suspended) json_put_bool(j, "suspended", true);
    if (d && d->per_hour) json_put_int(j, "per_hour", d->per_hour);
}

static bool sender_is_ours(const struct explaining *x)
{
    struct address key;
    return address_key(x->arena, x->sender, &key) == 0 &&
           (directory_domain(x->directory, key.domain) || str_eq(key.domain, x->rules.hostname));
}

/* What MAIL will say where an alias leads away. */
static void put_return(struct json *j, const struct explaining *x, const struct route_target *t)
{
    struct address out;
    if (!t->forwarded || !t->hop || (t->hop->kind != HOP_MX && t->hop->kind != HOP_HOST)) return;
    if (address_is_null(x->sender) || x->srs_secret.n == 0 || sender_is_ours(x)) return;
    if (srs_forward(x->arena, x->srs_secret, x->sender, x->rules.hostname, x->now, &out) == 0)
        json_put_str(j, "return_address", address_str(x->arena, out));
}

static FIBER void put_target(struct json *j, const struct explaining *x, const struct route_target *t)
{
    json_put_object(j, NULL);
    json_put_str(j, "to", address_str(x->arena, t->account ? t->final : t->shown));
    if (t->account) json_put_str(j, "account", address_str(x->arena, t->account->shown));
    if (t->forwarded) json_put_bool(j, "forwarded", true);
    if (t->hop) {
        json_put_str(j, "why", t->why);
        put_hop(j, x, t->hop);
        put_return(j, x, t);
        if (t->hop->kind == HOP_MX || t->hop->kind == HOP_HOST) put_hosts(j, x, t->hop);
    }
    json_put_end(j, '}');
}

/* ---- the request ---- */

static int read_sender(struct explaining *x, struct answer *a, const json_t *request, struct error *e)
{
    struct str text = request_text(request, "from");
    struct address key;
    if (text.n == 0 || str_eq(text, S("<>"))) return 0;
    return admin_address(a, text, &x->sender, &key, e);
}

static void put_refusal(struct json *j, const struct route *r)
{
    if (r->refusal.code == 0) return;
    json_put_object(j, "refused");
    json_put_int(j, "code", r->refusal.code);
    json_put_str(j, "text", str_c(r->refusal.text));
    json_put_end(j, '}');
}

static FIBER int test(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    struct explaining x = {.admin = admin, .arena = a->arena};
    struct address rcpt, key;
    int error = admin_address(a, request_text(request, "address"), &rcpt, &key, e);
    if (!error) error = read_sender(&x, a, request, e);
    if (!error) error = prepare(&x, e);
    if (error) return error;
    struct route route;
    const struct route_question question = {.rcpt = rcpt,
                                            .sender = x.sender,
                                            .size = -1,
                                            .srs_secret = x.srs_secret,
                                            .now = x.now};
    route_resolve(x.arena, x.directory, &x.rules, &question, &route);
    struct json *j = answer_row(a);
    json_put_str(j, "address", address_str(x.arena, rcpt));
    json_put_str(j, "from", address_is_null(x.sender) ? S("<>") : address_str(x.arena, x.sender));
    put_refusal(j, &route);
    json_put_bool(j, "relay", route.relay);
    json_put_bool(j, "backup", route.backup);
    if (route.returns) json_put_bool(j, "returns", true);
    if (!address_is_null(route.missing)) json_put_str(j, "missing", address_str(x.arena, route.missing));
    json_put_array(j, "targets");
    for (size_t i = 0; i < route.n; i++) put_target(j, &x, &route.targets[i]);
    json_put_end(j, ']');
    return answer_send(a);
}

const struct admin_op admin_explain_ops[] = {{"route.test", test, NULL}, {0}};
