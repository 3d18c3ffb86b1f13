/* Requests about next hops: how each stands, and what the owner says of it. */
#include <stdlib.h>

#include "cmd/admin.h"
#include "cmd/server.h"
#include "mail/limits.h"
#include "queue/schedule.h"

/* ---- listing ---- */

struct named { /* a next hop with what is known of it; either may be missing */
    struct str key;
    const struct hop_state *state;
    const struct directory_destination *said;
};

struct listing {
    struct arena *arena;
    struct named *v;
    size_t n, cap;
};

static void add(struct listing *l, struct named what)
{
    l->v = arena_grow(l->arena, l->v, l->n, &l->cap, sizeof *l->v);
    l->v[l->n++] = what;
}

static void add_destination(const struct directory_destination *d, void *arg)
{
    add(arg, (struct named){.key = d->key, .said = d});
}

static int by_key(const void *a, const void *b)
{
    return str_cmp(((const struct named *)a)->key, ((const struct named *)b)->key);
}

/* Rows of one key become one. */
static void join(struct listing *l)
{
    size_t kept = 0;
    if (l->n) qsort(l->v, l->n, sizeof *l->v, by_key);
    for (size_t i = 0; i < l->n; i++) {
        struct named *last = kept ? &l->v[kept - 1] : NULL;
        if (last && str_eq(last->key, l->v[i].key)) {
            if (l->v[i].state) last->state = l->v[i].state;
            if (l->v[i].said) last->said = l->v[i].said;
        } else {
            l->v[kept++] = l->v[i];
        }
    }
    l->n = kept;
}

static FIBER void put(struct answer *a, const struct named *h)
{
    static const struct hop_state nothing = {.hour_left = -1};
    const struct hop_state *s = h->state ? h->state : &nothing;
    struct json *j = answer_row(a);
    json_put_str(j, "hop", h->key);
    json_put_int(j, "connections", s->connections);
    json_put_int(j, "window", s->window);
    json_put_int(j, "waiting", (int64_t)s->waiting);
    json_put_bool(j, "more", s->more);
    json_put_bool(j, "suspended", h->said && h->said->suspended);
    json_put_int(j, "per_hour", h->said ? h->said->per_hour : 0);
    if (s->hour_left >= 0) json_put_int(j, "hour_left", s->hour_left);
    if (s->rests_until) json_put_time(j, "rests_until", s->rests_until);
    if (s->last_words.n) json_put_str(j, "last_words", s->last_words);
    answer_send(a);
}

static FIBER int hops(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    (void)request;
    (void)e;
    struct listing l = {.arena = a->arena};
    struct hop_state *v = NULL;
    size_t n = 0;
    if (admin->server) scheduler_hops(server_scheduler(admin->server), a->arena, &v, &n);
    for (size_t i = 0; i < n; i++)
        if (v[i].key.n) add(&l, (struct named){.key = v[i].key, .state = &v[i]}); /* "": rows to be routed anew */
    directory_each_destination(store_directory_in(a->arena, admin->store), add_destination, &l);
    join(&l);
    for (size_t i = 0; i < l.n && !a->failed; i++) put(a, &l.v[i]);
    return 0;
}

/* ---- changing ---- */

int admin_hop(struct answer *a, struct str text, struct str *key, struct error *e)
{
    struct str host, more;
    struct next_hop hop;
    if (text.n == 0 || text.n > 512) return error_set(e, ERR_SYNTAX, "which next hop?");
    *key = text;
    if (str_find(text, S("://")) == text.n) {
        if (domain_key(a->arena, text, key) == 0) return 0;
        return error_set(e, ERR_SYNTAX, "\"%.*s\" is no next hop; `penny queue hops` shows them", STR_FMT(text));
    }
    str_cut(text, ';', &host, &more); /* ";tls=verify" */
    if (str_find_char(host, '@') < host.n || next_hop_parse(a->arena, host, &hop, NULL) || hop.kind != HOP_HOST)
        return 0;
    *key = arena_printf(a->arena, "%.*s%s%.*s", STR_FMT(hop.key), more.n ? ";" : "", STR_FMT(more));
    return 0;
}

static int read_hop(struct answer *a, const json_t *request, struct str *key, struct error *e)
{
    return admin_hop(a, request_text(request, "hop"), key, e);
}

static FIBER int say(const struct admin *admin, struct answer *a, struct str key, const bool *suspended,
                     const int64_t *per_hour, struct error *e)
{
    const struct directory *d = store_directory_in(a->arena, admin->store);
    const struct directory_destination *was = directory_destination(d, key);
    struct directory_destination is = {.key = key};
    if (was) is = *was;
    if (suspended) is.suspended = *suspended;
    if (per_hour) is.per_hour = *per_hour;
    int error = store_destination_put(admin->store, &is, e);
    if (!error && admin->server) scheduler_look_again(server_scheduler(admin->server));
    return error;
}

static FIBER int suspend(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    static const bool yes = true;
    struct str key;
    int error = read_hop(a, request, &key, e);
    return error ? error : say(admin, a, key, &yes, NULL, e);
}

static FIBER int resume(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    static const bool no = false;
    struct str key;
    int error = read_hop(a, request, &key, e);
    return error ? error : say(admin, a, key, &no, NULL, e);
}

static FIBER int limit(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    struct str key;
    int64_t per_hour = request_int(request, "per_hour", -1);
    int error = read_hop(a, request, &key, e);
    if (!error && per_hour < 0) error = error_set(e, ERR_SYNTAX, "how many recipients an hour?");
    return error ? error : say(admin, a, key, NULL, &per_hour, e);
}

const struct admin_op admin_hop_ops[] = {
    {"queue.hops", hops, NULL},
    {"queue.suspend", suspend, "hop"},
    {"queue.resume", resume, "hop"},
    {"queue.limit", limit, "hop"},
    {0},
};
