/* The resolver: names to records, from the cache, or by one fiber that asks for all who want the same.
 *
 * Nobody owns a question: the first who wants it asks; if that fiber is cancelled, the next who waits takes over. What
 * came goes through the cache to everybody, also what the cache may not keep. Special names never leave the machine
 * (RFC 6761). */
#include "io/resolver.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "io/resolver_core.h"
#include "mail/limits.h"

struct flight { /* a question underway */
    struct event landed;
    int waiting; /* fibers besides the one that asks */
    size_t key_n;
    char key[1 + LIMIT_DOMAIN];
};

struct resolver {
    struct loop *loop;
    struct world *world;
    struct arena *arena; /* of all questions underway */
    struct dns_servers servers;
    struct dns_cache *cache;
    struct map flights;
};

/* ---- servers ---- */

static size_t read_resolv_conf(struct endpoint *out, size_t max)
{
    char text[3000];
    FILE *f = fopen("/etc/resolv.conf", "re");
    if (!f) return 0;
    size_t n = fread(text, 1, sizeof text, f);
    fclose(f);
    return resolv_conf_servers(str_of(text, n), out, max);
}

static void set_servers(struct dns_servers *s, const struct resolver_options *o)
{
    s->trust_ad_any = o->trust_ad_any;
    for (size_t i = 0; i < o->n_servers && i < DNS_SERVERS_MAX; i++) s->at[s->n++] = o->servers[i];
    if (s->n == 0 && !world_is_simulated(s->world)) s->n = read_resolv_conf(s->at, DNS_SERVERS_MAX);
    if (s->n == 0) s->at[s->n++] = (struct endpoint){{4, {127, 0, 0, 1}}, DNS_PORT}; /* as resolv.conf(5) has it */
}

struct resolver *resolver_new(struct loop *l, const struct resolver_options *o)
{
    struct resolver *r = calloc(1, sizeof *r);
    if (!r) abort();
    r->loop = l;
    r->world = r->servers.world = loop_world(l);
    r->arena = arena_new(NULL, 0);
    r->cache = dns_cache_new(world_hash_key(r->world), LIMIT_DNS_CACHE, LIMIT_DNS_CACHE_BYTES);
    map_init(&r->flights, world_hash_key(r->world));
    set_servers(&r->servers, o);
    return r;
}

void resolver_free(struct resolver *r)
{
    if (!r) return;
    const struct map_entry *e;
    for (size_t i = 0; (e = map_next(&r->flights, &i));) free(e->value); /* of fibers that died with their machine */
    map_free(&r->flights);
    dns_cache_free(r->cache);
    arena_free(r->arena);
    free(r);
}

/* ---- questions underway ---- */

static struct str key_of(char *key, struct str name, enum dns_type type)
{
    key[0] = (char)type;
    memcpy(key + 1, name.p, name.n);
    return str_of(key, name.n + 1);
}

static FIBER int ask(struct resolver *r, struct str name, enum dns_type type, mono_us deadline)
{
    struct arena *a = arena_new(r->arena, 0);
    struct dns_answer answer;
    int e = world_is_simulated(r->world) ? dns_zone_ask(r->world, a, name, type, deadline, &answer)
                                         : dns_servers_ask(&r->servers, a, name, type, deadline, &answer);
    if (e == 0) dns_cache_put(r->cache, name, type, loop_now(), &answer);
    arena_free(a);
    return e;
}

/* Asks, for all who will wait for it. 0: the answer is in the cache; ERR_CANCELLED. */
static FIBER int lead(struct resolver *r, struct str name, enum dns_type type, mono_us deadline)
{
    struct flight *f = calloc(1, sizeof *f);
    if (!f) abort();
    event_init(&f->landed);
    f->key_n = key_of(f->key, name, type).n;
    map_set(&r->flights, str_of(f->key, f->key_n), f);
    int e = ask(r, name, type, deadline);
    map_remove(&r->flights, str_of(f->key, f->key_n));
    event_set(&f->landed);
    if (f->waiting == 0) free(f);
    return e;
}

/* Waits for another's question. 0: look again; ERR_TIMEOUT, ERR_CANCELLED. */
static FIBER int follow(struct flight *f, mono_us deadline)
{
    f->waiting++;
    int e = event_wait(&f->landed, deadline);
    if (--f->waiting == 0 && f->landed.set) free(f);
    return e;
}

static FIBER int look_up(struct resolver *r, struct arena *a, struct str name, enum dns_type type,
                         struct dns_answer *out)
{
    mono_us asked = loop_now(), deadline = asked + TIMEOUT_DNS, expires;
    char key[1 + LIMIT_DOMAIN];
    for (;;) {
        const struct dns_answer *kept = dns_cache_get(r->cache, name, type, loop_now(), asked, &expires);
        if (kept) {
            dns_answer_copy(arena_alloc(a, dns_answer_size(kept)), kept, out);
            out->ttl = expires > loop_now() ? (uint32_t)((expires - loop_now()) / US_PER_S) : 0;
            return 0;
        }
        struct flight *f = map_get(&r->flights, key_of(key, name, type));
        int e = f ? follow(f, deadline) : lead(r, name, type, deadline);
        if (e == ERR_TIMEOUT) {
            *out = (struct dns_answer){.status = DNS_FAILURE, .canonical = name};
            return 0;
        }
        if (e) return e;
    }
}

/* ---- names that need no server ---- */

static bool is_under(struct str name, const char *top)
{
    struct str end = str_c(top);
    return str_ends(name, end) && (name.n == end.n || name.p[name.n - end.n - 1] == '.');
}

/* RFC 6761 §6.3 (localhost) and §6.4 (invalid). */
static bool answer_special(struct arena *a, struct str name, enum dns_type type, struct dns_answer *out)
{
    *out = (struct dns_answer){.status = DNS_NXDOMAIN, .canonical = name};
    if (is_under(name, "invalid")) return true;
    if (!is_under(name, "localhost")) return false;
    out->status = DNS_NODATA;
    if (type != DNS_A && type != DNS_AAAA) return true;
    struct dns_record *record = arena_new_of(a, struct dns_record);
    record->type = type;
    record->ip = type == DNS_A ? (struct ip){4, {127, 0, 0, 1}} : (struct ip){6, {[15] = 1}};
    out->status = DNS_OK;
    out->records = record;
    out->n = 1;
    return true;
}

/* ---- questions ---- */

FIBER int dns_query(struct resolver *r, struct arena *a, struct str name, enum dns_type type, struct dns_answer *out)
{
    struct str normal;
    if (dns_name(a, name, &normal)) return ERR_SYNTAX;
    if (answer_special(a, normal, type, out)) return 0;
    return look_up(r, a, normal, type, out);
}

FIBER int dns_query_ptr(struct resolver *r, struct arena *a, struct ip ip, struct dns_answer *out)
{
    return dns_query(r, a, dns_ptr_name(a, ip), DNS_PTR, out);
}

struct side { /* one of the two questions for a host's addresses */
    struct resolver *r;
    struct arena *a;
    struct str host;
    enum dns_type type;
    struct dns_answer answer;
    int error;
    struct event done;
};

static FIBER void ask_side(void *arg)
{
    struct side *s = arg;
    s->error = dns_query(s->r, s->a, s->host, s->type, &s->answer);
    if (s->error) s->answer = (struct dns_answer){.status = s->error == ERR_SYNTAX ? DNS_NXDOMAIN : DNS_FAILURE};
    event_set(&s->done);
}

/* Both questions at once. The second has a fiber of its own, which has ended when this returns. */
static FIBER void ask_both(struct side *ipv6, struct side *ipv4)
{
    struct scope scope;
    mono_us expires;
    event_init(&ipv6->done);
    event_init(&ipv4->done);
    scope_init(&scope);
    bool known = dns_cache_get(ipv4->r->cache, ipv4->host, DNS_A, loop_now(), FOREVER, &expires);
    if (!known) fiber_spawn(&scope, ask_side, ipv4);
    ask_side(ipv6);
    if (known) ask_side(ipv4);
    if (event_wait(&ipv4->done, FOREVER) != 0) scope_cancel(&scope); /* we are cancelled, and so is the other */
    scope_join(&scope);
}

/* IPv6 and IPv4 in turn, so that a host with one broken kind is reached soon by the other. */
static size_t interleave(const struct dns_answer *ipv6, const struct dns_answer *ipv4, struct ip *out, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; n < max && (i < ipv6->n || i < ipv4->n); i++) {
        if (i < ipv6->n) out[n++] = ipv6->records[i].ip;
        if (i < ipv4->n && n < max) out[n++] = ipv4->records[i].ip;
    }
    return n;
}

static enum dns_status status_of_pair(enum dns_status a, enum dns_status b)
{
    if (a == DNS_OK || b == DNS_OK) return DNS_OK;
    if (a == DNS_FAILURE || b == DNS_FAILURE) return DNS_FAILURE;
    return a == DNS_NXDOMAIN || b == DNS_NXDOMAIN ? DNS_NXDOMAIN : DNS_NODATA;
}

FIBER enum dns_status dns_host(struct resolver *r, struct arena *a, struct str host, struct ip *out, size_t max,
                               size_t *n, bool *secure)
{
    (void)a;
    *n = 0;
    *secure = false;
    if (max > 0 && ip_parse(host, &out[0]) == 0) {
        *n = 1;
        return DNS_OK;
    }
    /* The caller's arena is not touched while the other fiber runs: a budget passed would pull this frame from under
     * it. */
    struct arena *own = arena_new(r->arena, 0);
    struct side ipv6 = {.r = r, .a = own, .host = host, .type = DNS_AAAA}, ipv4 = ipv6;
    ipv4.type = DNS_A;
    ask_both(&ipv6, &ipv4);
    *n = interleave(&ipv6.answer, &ipv4.answer, out, max);
    *secure = (ipv6.answer.n == 0 || ipv6.answer.secure) && (ipv4.answer.n == 0 || ipv4.answer.secure) && *n > 0;
    enum dns_status status = status_of_pair(ipv6.answer.status, ipv4.answer.status);
    arena_free(own);
    return status;
}
