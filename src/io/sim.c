/* The simulation's heart: chance, the hash of what happened, nodes, and the choice of what happens next. */
#include "io/sim_core.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- chance: xoshiro256**, seeded by splitmix64 ---- */

static uint64_t splitmix(uint64_t *x)
{
    uint64_t z = (*x += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static uint64_t rotate(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

uint64_t sim_random(struct sim *s)
{
    uint64_t *r = s->random, result = rotate(r[1] * 5, 7) * 9, t = r[1] << 17;
    r[2] ^= r[0];
    r[3] ^= r[1];
    r[1] ^= r[2];
    r[0] ^= r[3];
    r[2] ^= t;
    r[3] = rotate(r[3], 45);
    return result;
}

uint64_t sim_below(struct sim *s, uint64_t n) { return n > 1 ? sim_random(s) % n : 0; }
bool sim_chance(struct sim *s, int per_million)
{
    return per_million > 0 && sim_below(s, 1000000) < (uint64_t)per_million;
}

/* ---- what happened ---- */

static void mix(struct sim *s, uint64_t x)
{
    s->hash ^= x;
    splitmix(&s->hash);
    s->hash = rotate(s->hash * 0xff51afd7ed558ccd, 29);
}

void sim_note(struct sim *s, const char *what, uint64_t a, uint64_t b)
{
    mix(s, hash_crc32c(0, str_c(what)));
    mix(s, (uint64_t)s->now);
    mix(s, a);
    mix(s, b);
}

void sim_note_bytes(struct sim *s, const char *what, uint64_t a, struct str bytes)
{
    sim_note(s, what, a, (uint64_t)bytes.n << 32 | hash_crc32c(0, bytes));
}

uint64_t sim_hash(struct sim *s) { return s->hash; }

/* ---- what is to come ---- */

/* Ten random bits below the microseconds: equal moments come in an order the seed chooses. */
void sim_at(struct sim *s, struct timer *t, mono_us at)
{
    if (at < s->now) at = s->now;
    timer_set(&s->events, t, at << 10 | (int64_t)sim_below(s, 1024));
}

void sim_forget(struct sim *s, struct timer *t) { timer_remove(&s->events, t); }

static mono_us next_event(struct sim *s)
{
    mono_us key = timers_next(&s->events);
    return key == FOREVER ? FOREVER : key >> 10;
}

static void fire_event(struct sim *s)
{
    struct timer *t = s->events.heap[0];
    timer_remove(&s->events, t);
    t->due = FOREVER;
    t->fire(t);
}

/* ---- the world as its node sees it ---- */

static utc_us sim_utc(struct world *w) { return node_of(w)->sim->utc + node_of(w)->sim->now; }
static mono_us sim_mono(struct world *w) { return node_of(w)->sim->now; }

static void sim_random_bytes(struct world *w, void *out, size_t n)
{
    for (char *at = out; n > 0;) {
        uint64_t r = sim_random(node_of(w)->sim);
        size_t part = n < sizeof r ? n : sizeof r;
        memcpy(at, &r, part);
        at += part;
        n -= part;
    }
}

static void sim_loop_opened(struct world *w, struct loop *l) { list_push(&node_of(w)->sim->loops, &l->in_sim); }

static void sim_loop_closed(struct world *w, struct loop *l)
{
    sim_threads_forget(node_of(w), l);
    sim_net_forget(node_of(w), l);
    list_remove(&l->in_sim);
}

static void sim_world_free(struct world *w) { (void)w; } /* sim_free() frees all nodes */

const struct world_ops sim_world_ops = {
    .simulated = true,
    .free = sim_world_free,
    .utc = sim_utc,
    .mono = sim_mono,
    .random = sim_random_bytes,
    .loop_opened = sim_loop_opened,
    .loop_closed = sim_loop_closed,
    .offload = offload_sim,
    .lane_new = lane_sim_new,
    .connect = connect_sim,
    .connect_unix = connect_unix_sim,
    .listen = listen_sim,
    .listen_unix = listen_unix_sim,
    .udp_open = udp_sim_open,
    .file_open = file_sim_open,
    .file_remove = file_sim_remove,
    .file_rename = file_sim_rename,
    .file_exists = file_sim_exists,
    .folder_create = folder_sim_create,
    .folder_sync = folder_sim_sync,
    .folder_list = folder_sim_list,
    .folder_free_bytes = folder_sim_free_bytes,
};

/* ---- simulations and nodes ---- */

struct sim *sim_new(uint64_t seed)
{
    struct sim *s = calloc(1, sizeof *s);
    if (!s) abort();
    for (int i = 0; i < 4; i++) s->random[i] = splitmix(&seed);
    s->now = 1;
    s->utc = SECONDS(1795311000); /* 2026-11-22 01:30 UTC */
    s->next_port = 40000;
    s->zone = "";
    list_init(&s->nodes);
    list_init(&s->loops);
    list_init(&s->links);
    return s;
}

void sim_free(struct sim *s)
{
    assert(list_empty(&s->loops)); /* loop_free() them first */
    sim_net_free(s);
    list_each_safe (n, &s->nodes) {
        struct sim_node *node = list_entry(n, struct sim_node, in_sim);
        disk_free(node->disk);
        free(node);
    }
    free(s->events.heap);
    free(s->zone_copy);
    free(s);
}

void sim_set_faults(struct sim *s, struct sim_faults f) { s->faults = f; }
void sim_set_utc(struct sim *s, utc_us now) { s->utc = now - s->now; }

void sim_dns(struct sim *s, const char *zone_text)
{
    free(s->zone_copy);
    s->zone = s->zone_copy = strdup(zone_text);
    if (!s->zone) abort();
}

const char *sim_dns_zone(struct world *w) { return world_is_simulated(w) ? node_of(w)->sim->zone : NULL; }

struct sim_node *sim_node_new(struct sim *s, const char *name)
{
    struct sim_node *n = calloc(1, sizeof *n);
    if (!n) abort();
    n->base.ops = &sim_world_ops;
    n->sim = s;
    snprintf(n->name, sizeof n->name, "%s", name);
    list_init(&n->jobs);
    list_init(&n->conns);
    list_init(&n->acceptors);
    list_push(&s->nodes, &n->in_sim);
    return n;
}

struct world *sim_node(struct sim *s, const char *name, struct ip address)
{
    struct sim_node *n = sim_node_new(s, name);
    n->addresses[n->n_addresses++] = address;
    n->disk = disk_new();
    return &n->base;
}

void sim_node_address(struct world *node, struct ip address)
{
    struct sim_node *n = node_of(node);
    assert(n->n_addresses < NODE_ADDRESSES);
    n->addresses[n->n_addresses++] = address;
}

/* ---- death ---- */

void sim_node_die(struct sim_node *n)
{
    if (n->crashed) return;
    n->crashed = true;
    sim_note(n->sim, "crash", (uint64_t)n->operations, 0);
    disk_power_cut(n->disk, n->sim);
    sim_net_cut(n);
    list_each (link, &n->sim->loops) {
        struct loop *l = list_entry(link, struct loop, in_sim);
        if (l->world == &n->base) scope_cancel(&l->root);
    }
}

void sim_crash(struct world *node) { sim_node_die(node_of(node)); }
bool sim_crashed(struct world *node) { return node_of(node)->crashed; }

struct world *sim_restart(struct world *crashed)
{
    struct sim_node *old = node_of(crashed);
    assert(old->crashed && old->disk);
    struct sim_node *n = sim_node_new(old->sim, old->name);
    memcpy(n->addresses, old->addresses, sizeof n->addresses);
    n->n_addresses = old->n_addresses;
    n->disk = old->disk;
    old->disk = NULL;
    return &n->base;
}

void sim_crash_at(struct world *node, int64_t nth_operation)
{
    struct sim_node *n = node_of(node);
    n->crash_at = nth_operation ? n->operations + nth_operation : 0;
}

void sim_fail_at(struct world *node, int64_t nth_operation, int code)
{
    struct sim_node *n = node_of(node);
    n->fail_at = nth_operation ? n->operations + nth_operation : 0;
    n->fail_code = code;
}

int64_t sim_file_operations(struct world *node) { return node_of(node)->operations; }
void sim_disk_limit(struct world *node, int64_t bytes) { disk_limit(node_of(node)->disk, bytes); }

/* ---- running ---- */

/* Things a loop could do next: run one of its ready fibers, or take its posts. */
static size_t choices_of(struct loop *l) { return l->n_ready + (atomic_load(&l->inbox) ? 1 : 0); }

static void run_choice(struct loop *l, size_t nth)
{
    loop_enter(l);
    loop_tick(l);
    if (nth < l->n_ready) loop_run_one(l, nth);
    else loop_receive(l);
    loop_enter(NULL);
}

/* Does one thing that can be done now; false if there is none. */
static bool step(struct sim *s)
{
    bool event = next_event(s) <= s->now;
    size_t n = event;
    list_each (l, &s->loops) {
        struct loop *loop = list_entry(l, struct loop, in_sim);
        if (loop_next_timer(loop) <= s->now) {
            loop_enter(loop);
            loop_tick(loop);
            loop_enter(NULL);
        }
        n += choices_of(loop);
    }
    if (n == 0) return false;
    size_t pick = sim_below(s, n);
    mix(s, (uint64_t)n << 32 | pick);
    if (event && pick-- == 0) {
        fire_event(s);
        return true;
    }
    list_each (l, &s->loops) {
        struct loop *loop = list_entry(l, struct loop, in_sim);
        if (pick < choices_of(loop)) {
            run_choice(loop, pick);
            return true;
        }
        pick -= choices_of(loop);
    }
    return true;
}

mono_us sim_run(struct sim *s, mono_us until)
{
    assert(!loop_self());
    while (s->now < until) {
        if (step(s)) {
            s->now++; /* work takes time: nobody can wait for a moment by never sleeping */
            continue;
        }
        mono_us next = next_event(s);
        list_each (l, &s->loops) {
            mono_us timer = loop_next_timer(list_entry(l, struct loop, in_sim));
            if (timer < next) next = timer;
        }
        if (next == FOREVER) break;
        s->now = next < until ? next : until;
    }
    return s->now;
}

void sim_twice(uint64_t seed, void (*test)(struct sim *s, void *arg), void *arg)
{
    uint64_t hash[2];
    for (int i = 0; i < 2; i++) {
        struct sim *s = sim_new(seed);
        test(s, arg);
        hash[i] = sim_hash(s);
        sim_free(s);
    }
    if (hash[0] == hash[1]) return;
    fprintf(stderr, "seed %llu does not replay: something depends on more than the seed\n", (unsigned long long)seed);
    abort();
}
