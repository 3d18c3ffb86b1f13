/* Requests about routes: where mail for somebody else goes. What a route may be is read in mail/next_hop.h. */
#include "cmd/admin.h"
#include "cmd/server.h"
#include "mail/limits.h"
#include "queue/schedule.h"

/* ---- reading ---- */

/* The key: "*", "*.example.org", a domain; of senders an address or a domain. */
static int read_key(struct answer *a, const json_t *request, struct directory_route *r, struct error *e)
{
    struct str text = request_text(request, "key"), domain;
    struct address shown, key;
    r->by_sender = request_bool(request, "sender");
    if (str_ends(text, S(".")) && text.n > 1) text.n--;
    if (r->by_sender && str_find_char(text, '@') < text.n) {
        int error = admin_address(a, text, &shown, &key, e);
        if (!error) r->key = address_str(a->arena, key);
        return error;
    }
    bool below = !r->by_sender && str_starts(text, S("*."));
    if (!r->by_sender && str_eq(text, S("*"))) {
        r->key = S("*");
        return 0;
    }
    if (domain_key(a->arena, below ? str_skip(text, 2) : text, &domain) || (below && domain_is_literal(domain)))
        return error_set(e, ERR_SYNTAX, "\"%.*s\" is no domain%s", STR_FMT(str_head(text, 100)),
                         r->by_sender ? " and no address" : ", no *.DOMAIN and not *");
    r->key = below ? arena_printf(a->arena, "*.%.*s", STR_FMT(domain)) : domain;
    return 0;
}

static bool goes_out(const struct next_hop *hop) { return hop->kind == HOP_MX || hop->kind == HOP_HOST; }

/* What does not go together. */
static int judge(const struct directory_route *r, const struct next_hop *hop, bool tls_said, struct error *e)
{
    if (tls_said && !goes_out(hop))
        return error_set(e, ERR_SYNTAX, "--tls is about hosts; nothing is sent by this route");
    if (hop->tls_first && r->tls == TLS_POLICY_NONE)
        return error_set(e, ERR_SYNTAX, "smtps:// is TLS from the first byte; --tls none means smtp://");
    if (r->user.n && hop->kind != HOP_HOST)
        return error_set(e, ERR_SYNTAX, "a log-in needs one host: smtp://HOST:PORT or smtps://HOST");
    if (r->user.n && r->password.n == 0) return error_set(e, ERR_SYNTAX, "the log-in's password is missing");
    if (r->password.n && r->user.n == 0) return error_set(e, ERR_SYNTAX, "whose password is it? --user");
    if (r->user.n > 255 || r->password.n > LIMIT_PASSWORD)
        return error_set(e, ERR_TOO_LONG, "the log-in is too long: 255 bytes, its password %d", LIMIT_PASSWORD);
    if (r->accept && (r->by_sender || str_eq(r->key, S("*"))))
        return error_set(e, ERR_SYNTAX, "--accept is for the domains we are a backup of; this would be an open relay");
    if (r->accept && hop->kind == HOP_REFUSE) return error_set(e, ERR_SYNTAX, "--accept, and yet refuse?");
    return 0;
}

static int read_route(struct answer *a, const json_t *request, struct directory_route *r, struct error *e)
{
    struct next_hop hop = {0};
    struct str tls = request_text(request, "tls");
    *r = (struct directory_route){.target = request_text(request, "target"),
                                  .user = request_text(request, "user"),
                                  .password = request_text(request, "password"),
                                  .accept = request_bool(request, "accept")};
    int error = read_key(a, request, r, e);
    if (!error) error = next_hop_parse(a->arena, r->target, &hop, e);
    if (!error && tls.n && tls_policy_parse(tls, &r->tls) != 0)
        error =
            error_set(e, ERR_SYNTAX, "--tls is may, none, encrypt or verify, not \"%.*s\"", STR_FMT(str_head(tls, 40)));
    return error ? error : judge(r, &hop, tls.n > 0, e);
}

static void changed(const struct admin *admin)
{
    if (admin->server) scheduler_look_again(server_scheduler(admin->server));
}

/* ---- the requests ---- */

static FIBER int add(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    struct directory_route r;
    int error = read_route(a, request, &r, e);
    if (!error) error = store_route_put(admin->store, &r, e);
    if (error) return error;
    changed(admin);
    const struct directory *d = store_directory_in(a->arena, admin->store);
    if (!r.by_sender && (directory_domain(d, r.key) || str_eq(r.key, admin->config->hostname_key)))
        answer_tell(a, arena_printf(a->arena, "note: %.*s is ours, so this route is not asked", STR_FMT(r.key)), false);
    return 0;
}

static FIBER int remove_route(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    struct directory_route r;
    int error = read_key(a, request, &r, e);
    if (!error) error = store_route_remove(admin->store, r.by_sender, r.key, e);
    if (!error) changed(admin);
    return error;
}

static FIBER void put_route(const struct directory_route *r, void *arg)
{
    struct answer *a = arg;
    struct next_hop hop;
    if (a->failed) return;
    struct json *j = answer_row(a);
    json_put_str(j, "for", r->by_sender ? S("sender") : S("recipient"));
    json_put_str(j, "key", r->key);
    json_put_str(j, "target", r->target);
    bool out = next_hop_parse(a->arena, r->target, &hop, NULL) == 0 && goes_out(&hop);
    json_put_str(j, "tls", out ? tls_policy_name(r->tls) : STR_NONE);
    json_put_str(j, "user", r->user.n ? r->user : STR_NONE); /* the password is told to nobody */
    json_put_bool(j, "accept", r->accept);
    answer_send(a);
}

static FIBER int list(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    (void)request;
    (void)e;
    directory_each_route(store_directory_in(a->arena, admin->store), put_route, a);
    return 0;
}

static FIBER int show(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    struct directory_route wanted;
    int error = read_key(a, request, &wanted, e);
    if (error) return error;
    const struct directory *d = store_directory_in(a->arena, admin->store);
    const struct directory_route *r = directory_route(d, wanted.by_sender, wanted.key);
    if (!r)
        return error_set(e, ERR_NOT_FOUND, "there is no route for %s%.*s", wanted.by_sender ? "sender " : "",
                         STR_FMT(wanted.key));
    put_route(r, a);
    return 0;
}

const struct admin_op admin_route_ops[] = {
    {"route.add", add, "key"},   {"route.list", list, NULL},           {"route.show", show, NULL},
    {"route.remove", remove_route, "key"}, {0},
};
