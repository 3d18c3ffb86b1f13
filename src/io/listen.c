/* Listeners: who may come in, how many at once, and a fiber for each who does. */
#include "io/listen.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "io/stream_core.h"
#include "io/world_core.h"
#include "mail/limits.h"

/* ---- the gate ---- */

struct visitor { /* connections of one client key */
    char key[17];
    int n;
};

struct gate {
    struct listen_limits limits;
    struct lock *lock;
    struct map visitors; /* client key -> struct visitor */
    int connections;
};

struct gate *gate_new(struct world *w, struct listen_limits limits)
{
    struct gate *g = calloc(1, sizeof *g);
    if (!g) abort();
    g->limits = limits;
    g->lock = lock_new(w);
    map_init(&g->visitors, world_hash_key(w));
    return g;
}

void gate_free(struct gate *g)
{
    if (!g) return;
    const struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(&g->visitors, &i));) free(entry->value);
    map_free(&g->visitors);
    lock_free(g->lock);
    free(g);
}

int gate_connections(struct gate *g)
{
    lock_take(g->lock);
    int n = g->connections;
    lock_give(g->lock);
    return n;
}

static struct visitor *visitor_of(struct gate *g, struct ip peer)
{
    struct ip key = ip_client_key(peer);
    char bytes[17];
    bytes[0] = (char)key.family;
    memcpy(bytes + 1, key.b, 16);
    struct visitor *v = map_get(&g->visitors, str_of(bytes, sizeof bytes));
    if (v) return v;
    v = calloc(1, sizeof *v);
    if (!v) abort();
    memcpy(v->key, bytes, sizeof bytes);
    map_set(&g->visitors, str_of(v->key, sizeof v->key), v);
    return v;
}

static void visitor_leaves(struct gate *g, struct visitor *v)
{
    if (!v || --v->n > 0) return;
    map_remove(&g->visitors, str_of(v->key, sizeof v->key));
    free(v);
}

/* One more of this address, unless it has too many: true, with *who for visitor_leaves (NULL: not counted). */
static bool visitor_comes(struct gate *g, struct ip peer, bool counted, struct visitor **who)
{
    *who = NULL;
    if (!counted) return true;
    struct visitor *v = visitor_of(g, peer);
    if (v->n++ < g->limits.connections_per_address) {
        *who = v;
        return true;
    }
    visitor_leaves(g, v);
    return false;
}

/* Lets one more in: true, with *who to be given back by gate_leave (NULL: not counted per address). */
static bool gate_enter(struct gate *g, struct ip peer, bool counted, struct visitor **who)
{
    lock_take(g->lock);
    bool in = g->connections < g->limits.connections && visitor_comes(g, peer, counted, who);
    if (in) g->connections++;
    lock_give(g->lock);
    return in;
}

/* One who is in turns out to be somebody else. */
static bool gate_rename(struct gate *g, struct ip peer, bool counted, struct visitor **who)
{
    lock_take(g->lock);
    visitor_leaves(g, *who);
    bool in = visitor_comes(g, peer, counted, who);
    lock_give(g->lock);
    return in;
}

static void gate_leave(struct gate *g, struct visitor *who)
{
    lock_take(g->lock);
    g->connections--;
    visitor_leaves(g, who);
    lock_give(g->lock);
}

/* ---- listeners ---- */

struct listener {
    struct listen_options options;
    char *refusal;
    struct acceptor *acceptor;
    struct gate *gate;
};

struct arrival {
    struct listener *listener;
    struct conn *conn;
    struct visitor *visitor;
};

/* One connection, in its fiber. */
static FIBER void serve(void *arg)
{
    struct arrival a = *(struct arrival *)arg;
    free(arg);
    const struct listen_options *o = &a.listener->options;
    struct stream *s = stream_over(a.conn);
    s->arrival = &a;
    struct tls_context *tls = o->tls ? o->tls(o->arg) : NULL;
    int failed = 0;
    if (tls) {
        stream_deadline(s, loop_now() + TIMEOUT_TLS_HANDSHAKE);
        failed = stream_tls_server(s, tls);
        tls_unref(tls);
    }
    if (failed) {
        stream_close(s); /* the alert that says why is on its way */
    } else {
        stream_deadline(s, FOREVER);
        o->serve(s, o->arg);
    }
    if (a.listener->gate) gate_leave(a.listener->gate, a.visitor);
}

static bool is_counted(const struct listener *l, struct ip peer)
{
    if (!peer.family || ip_is_loopback(peer)) return false;
    return !(l->options.exempt && l->options.exempt(peer, l->options.arg));
}

int stream_count_as(struct stream *s, struct ip named)
{
    struct arrival *a = s->arrival;
    if (!a || !a->listener->gate) return 0;
    return gate_rename(a->listener->gate, named, is_counted(a->listener, named), &a->visitor) ? 0 : ERR_BUSY;
}

static void turn_away(struct listener *l, struct conn *c)
{
    if (l->refusal && !l->options.tls) {
        struct iovec v = {l->refusal, strlen(l->refusal)};
        c->ops->try_writev(c, &v, 1);
    }
    c->ops->close(c, false);
}

static void accepted(void *arg, struct loop *loop, struct conn *c)
{
    struct listener *l = arg;
    struct visitor *visitor = NULL;
    if (loop->root.cancelled) {
        c->ops->close(c, true);
        return;
    }
    if (l->gate) {
        struct ip peer = c->ops->peer(c).ip;
        bool counted = is_counted(l, peer) && !(l->options.proxy && l->options.proxy(peer, l->options.arg));
        if (!gate_enter(l->gate, peer, counted, &visitor)) {
            turn_away(l, c);
            return;
        }
    }
    struct arrival *a = malloc(sizeof *a);
    if (!a) abort();
    *a = (struct arrival){.listener = l, .conn = c, .visitor = visitor};
    fiber_new(loop, &loop->root, serve, a);
}

static struct listener *listener_new(const struct listen_options *o, struct acceptor *a)
{
    struct listener *l = malloc(sizeof *l);
    if (!l) abort();
    *l = (struct listener){.options = *o, .acceptor = a};
    if (o->refusal && !(l->refusal = strdup(o->refusal))) abort();
    a->accepted = accepted;
    a->arg = l;
    return l;
}

int listener_open(struct world *w, const struct listen_options *o, struct listener **out, struct error *e)
{
    struct acceptor *a;
    int result = w->ops->listen(w, o->address, o->backlog ? o->backlog : 1024, &a, e);
    if (result == 0) *out = listener_new(o, a);
    return result;
}

int listener_open_unix(struct world *w, const char *path, bool everybody,
                       FIBER void (*serve_one)(struct stream *s, void *arg), void *arg, struct listener **out,
                       struct error *e)
{
    struct acceptor *a;
    int result = w->ops->listen_unix(w, path, everybody, &a, e);
    if (result == 0) *out = listener_new(&(struct listen_options){.name = path, .serve = serve_one, .arg = arg}, a);
    return result;
}

void listener_start(struct listener *l, struct gate *g, struct loop **loops, int n)
{
    l->gate = g;
    if (g && g->limits.handshakes > 0)
        for (int i = 0; i < n; i++) loop_limit_handshakes(loops[i], (g->limits.handshakes + n - 1) / n);
    l->acceptor->ops->start(l->acceptor, loops, n);
}

uint16_t listener_port(struct listener *l) { return l->acceptor->ops->port(l->acceptor); }
void listener_stop(struct listener *l) { l->acceptor->ops->stop(l->acceptor); }

void listener_free(struct listener *l)
{
    if (!l) return;
    l->acceptor->ops->free(l->acceptor);
    free(l->refusal);
    free(l);
}
