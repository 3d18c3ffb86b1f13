/* Links between simulated nodes: bytes on their way, in order, after a latency; resets; machines that fall silent. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/sim_core.h"

enum { WINDOW = 64 * 1024 }; /* bytes of one direction that are on their way or unread */

enum segment_kind { BYTES, END, RESET };

struct segment {
    struct timer event;
    struct list link;
    struct end *to;
    enum segment_kind kind;
    uint32_t n;
    char bytes[];
};

struct end {
    struct conn base;
    struct list in_node;
    struct sim_node *node;
    struct link *link;
    struct end *other;
    struct endpoint here;
    bool local;            /* a Unix socket */
    bool closed;           /* by its owner: what still comes is answered with a reset */
    bool ended, shut;      /* the peer will send no more; we will not */
    bool broken;           /* reset */
    struct buf arrived;
    size_t taken;          /* of arrived */
    uint32_t unread;       /* arrived and on its way to here */
    mono_us last_arrival;  /* of what is on its way to here */
    struct fiber *reader, *writer;
};

struct link {
    struct list in_sim, segments;
    struct end ends[2];
};

static struct end *end_of(struct conn *c) { return (struct end *)c; }
static mono_us latency(struct sim *s) { return (int64_t)sim_below(s, (uint64_t)s->faults.latency_max_us + 1); }

static void wake_both(struct end *e)
{
    if (e->reader) fiber_wake(e->reader);
    if (e->writer) fiber_wake(e->writer);
}

static void link_free(struct link *l)
{
    for (int i = 0; i < 2; i++) {
        buf_free(&l->ends[i].arrived);
        list_remove(&l->ends[i].in_node);
    }
    list_each_safe (n, &l->segments) {
        struct segment *g = list_entry(n, struct segment, link);
        sim_forget(l->ends[0].node->sim, &g->event);
        free(g);
    }
    list_remove(&l->in_sim);
    free(l);
}

static void arrive(struct timer *t);

static void send_segment(struct end *from, enum segment_kind kind, const struct iovec *v, int n, size_t bytes)
{
    struct end *to = from->other;
    struct sim *s = from->node->sim;
    struct segment *g = malloc(sizeof *g + bytes);
    if (!g) abort();
    *g = (struct segment){.event.fire = arrive, .to = to, .kind = kind, .n = (uint32_t)bytes};
    size_t done = 0;
    for (int i = 0; i < n && done < bytes; i++) {
        size_t part = v[i].iov_len < bytes - done ? v[i].iov_len : bytes - done;
        if (part) memcpy(g->bytes + done, v[i].iov_base, part);
        done += part;
    }
    list_push(&from->link->segments, &g->link);
    mono_us at = s->now + latency(s);
    to->last_arrival = at > to->last_arrival ? at : to->last_arrival + 1; /* never out of order */
    to->unread += (uint32_t)bytes;
    sim_at(s, &g->event, to->last_arrival);
}

static void break_end(struct end *e)
{
    e->broken = true;
    wake_both(e);
}

static void arrive(struct timer *t)
{
    struct segment *g = list_entry(t, struct segment, event);
    struct end *e = g->to;
    list_remove(&g->link);
    if (e->node->crashed) {
        /* nobody is there, not even to refuse */
    } else if (e->closed) {
        if (g->kind == BYTES && !e->other->closed) send_segment(e, RESET, NULL, 0, 0);
    } else if (g->kind == BYTES) {
        buf_add(&e->arrived, str_of(g->bytes, g->n));
        if (e->reader) fiber_wake(e->reader);
    } else if (g->kind == END) {
        e->ended = true;
        if (e->reader) fiber_wake(e->reader);
    } else {
        break_end(e);
    }
    free(g);
    if (e->closed && e->other->closed) link_free(e->link);
}

/* ---- as a connection ---- */

/* Chance breaks the link under a reader's or writer's hands. */
static bool reset_by_chance(struct end *e)
{
    if (e->broken || e->local || !sim_chance(e->node->sim, e->node->sim->faults.connection_reset)) return e->broken;
    sim_note(e->node->sim, "reset", 0, 0);
    break_end(e);
    break_end(e->other);
    return true;
}

static int64_t sim_try_read(struct conn *c, void *out, size_t n)
{
    struct end *e = end_of(c);
    struct sim *s = e->node->sim;
    size_t have = e->arrived.n - e->taken;
    if (e->node->crashed || reset_by_chance(e)) return ERR_IO;
    if (have == 0) return e->ended ? 0 : CONN_AGAIN;
    if (n > have) n = have;
    if (n > 1 && sim_chance(s, s->faults.short_read)) n = 1 + sim_below(s, n - 1);
    memcpy(out, e->arrived.p + e->taken, n);
    e->taken += n;
    e->unread -= (uint32_t)n;
    if (e->taken == e->arrived.n) {
        buf_clear(&e->arrived);
        e->taken = 0;
    }
    sim_note_bytes(s, "read", e->here.port, str_of(out, n));
    if (e->other->writer) fiber_wake(e->other->writer);
    return (int64_t)n;
}

static int64_t sim_try_writev(struct conn *c, const struct iovec *v, int n)
{
    struct end *e = end_of(c);
    if (e->node->crashed || reset_by_chance(e) || e->shut) return ERR_IO;
    size_t offered = 0, room = WINDOW - e->other->unread;
    for (int i = 0; i < n; i++) offered += v[i].iov_len;
    if (room == 0) return CONN_AGAIN;
    if (offered > room) offered = room;
    sim_note(e->node->sim, "write", e->here.port, offered);
    send_segment(e, BYTES, v, n, offered);
    return (int64_t)offered;
}

static bool sim_ready(struct conn *c, bool for_write)
{
    struct end *e = end_of(c);
    if (e->broken || e->node->crashed) return true;
    return for_write ? e->other->unread < WINDOW : e->ended || e->arrived.n > e->taken;
}

static void sim_watch(struct conn *c, bool for_write, struct fiber *f)
{
    *(for_write ? &end_of(c)->writer : &end_of(c)->reader) = f;
}

static void sim_shut(struct conn *c)
{
    struct end *e = end_of(c);
    if (e->shut || e->node->crashed) return;
    e->shut = true;
    send_segment(e, END, NULL, 0, 0);
}

static void sim_close(struct conn *c, bool abort)
{
    struct end *e = end_of(c);
    e->closed = true;
    e->reader = e->writer = NULL;
    sim_note(e->node->sim, "close", e->here.port, abort);
    bool rude = abort || e->arrived.n > e->taken; /* unread input: the kernel resets, and so do we */
    if (!e->node->crashed && !e->broken && !e->other->closed) {
        if (rude) send_segment(e, RESET, NULL, 0, 0);
        else if (!e->shut) send_segment(e, END, NULL, 0, 0);
    }
    if (e->other->closed && list_empty(&e->link->segments)) link_free(e->link);
}

static struct endpoint sim_peer(struct conn *c) { return end_of(c)->other->here; }
static struct endpoint sim_local(struct conn *c) { return end_of(c)->here; }

static int sim_credentials(struct conn *c, struct peer_credentials *out)
{
    if (!end_of(c)->local) return ERR_UNSUPPORTED;
    *out = (struct peer_credentials){.pid = 1, .uid = 0, .gid = 0};
    return 0;
}

static const struct conn_ops sim_conn_ops = {
    .try_read = sim_try_read,
    .try_writev = sim_try_writev,
    .ready = sim_ready,
    .watch = sim_watch,
    .shut = sim_shut,
    .close = sim_close,
    .peer = sim_peer,
    .local = sim_local,
    .credentials = sim_credentials,
};

static struct link *link_new(struct sim_node *a, struct endpoint at_a, struct sim_node *b, struct endpoint at_b)
{
    struct link *l = calloc(1, sizeof *l);
    if (!l) abort();
    list_init(&l->segments);
    list_push(&a->sim->links, &l->in_sim);
    for (int i = 0; i < 2; i++) {
        struct sim_node *n = i ? b : a;
        l->ends[i] = (struct end){.base.ops = &sim_conn_ops, .node = n, .link = l, .other = &l->ends[!i]};
        l->ends[i].here = i ? at_b : at_a;
        l->ends[i].arrived = BUF(WINDOW * 2);
        list_push(&n->conns, &l->ends[i].in_node);
    }
    return l;
}

void sim_net_forget(struct sim_node *n, struct loop *l)
{
    list_each (link, &n->conns) {
        struct end *e = list_entry(link, struct end, in_node);
        if (e->reader && e->reader->loop == l) e->reader = NULL;
        if (e->writer && e->writer->loop == l) e->writer = NULL;
    }
}

/* The peers of a machine that died hear a reset when it comes up again, or nothing at all. */
void sim_net_cut(struct sim_node *n)
{
    list_each (link, &n->conns) {
        struct end *e = list_entry(link, struct end, in_node);
        wake_both(e);
        if (!e->other->closed && !e->other->node->crashed && sim_below(n->sim, 2)) send_segment(e, RESET, NULL, 0, 0);
    }
}

void sim_net_free(struct sim *s)
{
    while (!list_empty(&s->links)) link_free(list_entry(s->links.next, struct link, in_sim));
}

/* ---- listening ---- */

struct sim_acceptor {
    struct acceptor base;
    struct list in_node;
    struct sim_node *node;
    struct endpoint at;
    char *path;
    struct loop **loops;
    int n;
    bool open;
};

static void acceptor_start(struct acceptor *base, struct loop **loops, int n)
{
    struct sim_acceptor *a = (struct sim_acceptor *)base;
    a->loops = malloc((size_t)n * sizeof(struct loop *));
    if (!a->loops) abort();
    memcpy(a->loops, loops, (size_t)n * sizeof(struct loop *));
    a->n = n;
    a->open = true;
}

static void acceptor_stop(struct acceptor *a) { ((struct sim_acceptor *)a)->open = false; }

static void acceptor_free(struct acceptor *base)
{
    struct sim_acceptor *a = (struct sim_acceptor *)base;
    list_remove(&a->in_node);
    free(a->loops);
    free(a->path);
    free(a);
}

static uint16_t acceptor_port(struct acceptor *a) { return ((struct sim_acceptor *)a)->at.port; }

static const struct acceptor_ops sim_acceptor_ops = {acceptor_start, acceptor_stop, acceptor_free, acceptor_port};

static bool answers_to(struct sim_node *n, struct ip ip)
{
    if (ip_is_loopback(ip)) return true;
    for (int i = 0; i < n->n_addresses; i++)
        if (ip_eq(n->addresses[i], ip)) return true;
    return false;
}

static struct sim_acceptor *acceptor_at(struct sim_node *n, struct endpoint at)
{
    list_each (link, &n->acceptors) {
        struct sim_acceptor *a = list_entry(link, struct sim_acceptor, in_node);
        if (!a->path && a->at.port == at.port && (a->at.ip.family == 0 || at.ip.family == 0 || ip_eq(a->at.ip, at.ip)))
            return a;
    }
    return NULL;
}

static struct acceptor *acceptor_new(struct sim_node *n, struct endpoint at, const char *path)
{
    struct sim_acceptor *a = calloc(1, sizeof *a);
    if (!a || (path && !(a->path = strdup(path)))) abort();
    a->base.ops = &sim_acceptor_ops;
    a->node = n;
    a->at = at;
    list_push(&n->acceptors, &a->in_node);
    return &a->base;
}

int listen_sim(struct world *w, struct endpoint at, int backlog, struct acceptor **out, struct error *e)
{
    struct sim_node *n = node_of(w);
    (void)backlog;
    if (at.ip.family && !answers_to(n, at.ip)) return error_set(e, ERR_IO, "not an address of node %s", n->name);
    if (at.port == 0) at.port = n->sim->next_port++;
    if (acceptor_at(n, at)) return error_set(e, ERR_BUSY, "port %d of node %s is taken", at.port, n->name);
    *out = acceptor_new(n, at, NULL);
    return 0;
}

static struct sim_acceptor *acceptor_on(struct sim_node *n, const char *path)
{
    list_each (link, &n->acceptors) {
        struct sim_acceptor *a = list_entry(link, struct sim_acceptor, in_node);
        if (a->path && strcmp(a->path, path) == 0) return a;
    }
    return NULL;
}

int listen_unix_sim(struct world *w, const char *path, bool everybody, struct acceptor **out, struct error *e)
{
    (void)everybody; /* a node has no users */
    if (acceptor_on(node_of(w), path)) return error_set(e, ERR_BUSY, "%s is taken", path);
    *out = acceptor_new(node_of(w), (struct endpoint){0}, path);
    return 0;
}

/* ---- connecting ---- */

static struct sim_node *node_at(struct sim_node *from, struct ip ip)
{
    if (ip_is_loopback(ip)) return from;
    list_each (link, &from->sim->nodes) {
        struct sim_node *n = list_entry(link, struct sim_node, in_sim);
        if (!n->crashed && answers_to(n, ip)) return n;
    }
    return NULL;
}

static struct ip own_address(struct sim_node *n, struct ip to)
{
    if (ip_is_loopback(to)) return to;
    for (int i = 0; i < n->n_addresses; i++)
        if (n->addresses[i].family == to.family) return n->addresses[i];
    return (struct ip){0};
}

/* The way there and back; the connection exists from the moment the first packet has arrived. */
static FIBER int meet(struct sim_node *from, struct endpoint here, struct sim_acceptor *a, struct endpoint to,
                      mono_us deadline, struct conn **out, struct error *e)
{
    struct sim *s = from->sim;
    if (!a || !a->open || a->n == 0) return error_set(e, ERR_IO, "cannot connect: Connection refused");
    struct link *l = link_new(from, here, a->node, to);
    l->ends[0].local = l->ends[1].local = a->path != NULL;
    sim_note(s, "connect", here.port, to.port);
    a->base.accepted(a->base.arg, a->loops[sim_below(s, (uint64_t)a->n)], &l->ends[1].base);
    mono_us answer = loop_now() + latency(s);
    int result = 0;
    while (loop_now() < answer && (result = fiber_park(answer < deadline ? answer : deadline)) == 0) continue;
    if (result == ERR_TIMEOUT && loop_now() >= answer) result = 0;
    if (result == 0) *out = &l->ends[0].base;
    else sim_close(&l->ends[0].base, true);
    return result ? error_set(e, result, "%s", err_name(result)) : 0;
}

FIBER int connect_sim(struct world *w, struct endpoint to, struct ip source, mono_us deadline, struct conn **out,
                      struct error *e)
{
    struct sim_node *n = node_of(w);
    struct endpoint here = {source.family ? source : own_address(n, to.ip), n->sim->next_port++};
    mono_us there = loop_now() + latency(n->sim) + 1;
    int result = 0;
    while (result == 0) result = fiber_park(there < deadline ? there : deadline);
    if (result == ERR_TIMEOUT && loop_now() >= there) result = 0;
    struct sim_node *peer = node_at(n, to.ip);
    while (result == 0 && !peer) result = fiber_park(deadline); /* packets to nowhere */
    if (n->crashed) result = ERR_IO;
    if (result) return error_set(e, result, "%s", err_name(result));
    return meet(n, here, acceptor_at(peer, to), to, deadline, out, e);
}

FIBER int connect_unix_sim(struct world *w, const char *path, mono_us deadline, struct conn **out, struct error *e)
{
    struct sim_node *n = node_of(w);
    struct sim_acceptor *a = acceptor_on(n, path);
    if (!a) return error_set(e, ERR_NOT_FOUND, "cannot connect to %s: nobody listens", path);
    return meet(n, (struct endpoint){0}, a, (struct endpoint){0}, deadline, out, e);
}

/* ---- UDP: nobody of the simulation serves it, see udp.h ---- */

static void udp_sim_close(struct udp *u) { free(u); }

static int udp_sim_send(struct udp *u, struct str datagram)
{
    (void)u, (void)datagram;
    return 0;
}

static FIBER int64_t udp_sim_recv(struct udp *u, void *out, size_t max, mono_us deadline)
{
    int result = 0;
    (void)u, (void)out, (void)max;
    while (result == 0) result = fiber_park(deadline);
    return result;
}

static const struct udp_ops udp_sim_ops = {udp_sim_close, udp_sim_send, udp_sim_recv};

struct udp *udp_sim_open(struct world *w, struct endpoint server)
{
    (void)w, (void)server;
    struct udp *u = malloc(sizeof *u);
    if (!u) abort();
    u->ops = &udp_sim_ops;
    return u;
}
