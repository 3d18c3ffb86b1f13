/* What a running server takes over on SIGHUP. */
#include "cmd/live.h"

#include <stdlib.h>

#include "cmd/own_address.h"

struct live {
    struct world *world;
    struct lock *lock;
    struct tls_context *tls;
    struct arena *lists; /* the prefixes' memory */
    struct ip_prefixes trusted, plaintext;
    struct own_addresses own;
};

static int load_certificate(struct world *w, const struct config *c, struct tls_context **out, struct error *e)
{
    *out = NULL;
    if (c->tls.certificate.n == 0) return 0;
    struct arena *a = arena_new(NULL, 0);
    int error = tls_server_new(w, arena_cstr(a, c->tls.certificate), arena_cstr(a, c->tls.key), out, e);
    arena_free(a);
    return error;
}

static struct ip_prefixes copy(struct arena *a, const struct ip_prefixes *p)
{
    struct ip_prefixes copied = {arena_array(a, p->n, sizeof *p->v), p->n};
    if (p->n) memcpy(copied.v, p->v, p->n * sizeof *p->v);
    return copied;
}

int live_reload(struct live *l, const struct config *c, struct error *e)
{
    struct tls_context *tls;
    int error = load_certificate(l->world, c, &tls, e);
    if (error) return error;
    struct arena *lists = arena_new(NULL, 0), *old_lists;
    struct ip_prefixes trusted = copy(lists, &c->trusted_prefixes), plaintext = copy(lists, &c->plaintext_prefixes);
    struct own_addresses own = own_addresses_now(lists, c);
    lock_take(l->lock);
    struct tls_context *old = l->tls;
    old_lists = l->lists;
    l->tls = tls;
    l->lists = lists;
    l->trusted = trusted;
    l->plaintext = plaintext;
    l->own = own;
    lock_give(l->lock);
    tls_unref(old);
    arena_free(old_lists);
    return 0;
}

struct live *live_new(struct world *w, const struct config *c, struct error *e)
{
    struct live *l = calloc(1, sizeof *l);
    if (!l) abort();
    l->world = w;
    l->lock = lock_new(w);
    if (live_reload(l, c, e) == 0) return l;
    live_free(l);
    return NULL;
}

void live_free(struct live *l)
{
    if (!l) return;
    tls_unref(l->tls);
    arena_free(l->lists);
    lock_free(l->lock);
    free(l);
}

struct tls_context *live_tls(struct live *l)
{
    lock_take(l->lock);
    struct tls_context *t = l->tls ? tls_ref(l->tls) : NULL;
    lock_give(l->lock);
    return t;
}

bool live_trusts(struct live *l, struct ip client)
{
    lock_take(l->lock);
    bool is = ip_prefixes_have(&l->trusted, client);
    lock_give(l->lock);
    return is;
}

bool live_takes_plaintext(struct live *l, struct ip client)
{
    lock_take(l->lock);
    bool is = ip_prefixes_have(&l->plaintext, client);
    lock_give(l->lock);
    return is;
}

bool live_is_ours(struct live *l, const struct config *c, struct endpoint e)
{
    lock_take(l->lock);
    bool is = own_address_is(&l->own, c, e);
    lock_give(l->lock);
    return is;
}
