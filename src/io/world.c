/* The parts of a world that are the same in both: the way through its table, and locks. */
#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "io/world_core.h"

void world_free(struct world *w) { w->ops->free(w); }
utc_us clock_utc(struct world *w) { return w->ops->utc(w); }
mono_us clock_mono(struct world *w) { return w->ops->mono(w); }
void world_random(struct world *w, void *out, size_t n) { w->ops->random(w, out, n); }
bool world_is_simulated(struct world *w) { return w->ops->simulated; }

void world_pause(struct world *w, int64_t span_us)
{
    struct timespec span = {.tv_sec = span_us / US_PER_S, .tv_nsec = span_us % US_PER_S * 1000};
    if (!world_is_simulated(w)) nanosleep(&span, NULL); /* a signal may cut it short: callers look again anyway */
}

struct hash_key world_hash_key(struct world *w)
{
    struct hash_key k;
    world_random(w, &k, sizeof k);
    return k;
}

/* A lock is a mutex in the simulation too: its one thread never waits for it, as nothing suspends under a lock. */
struct lock {
    pthread_mutex_t mutex;
    bool simulated;
};

struct lock *lock_new(struct world *w)
{
    struct lock *l = malloc(sizeof *l);
    if (!l || pthread_mutex_init(&l->mutex, NULL) != 0) abort();
    l->simulated = world_is_simulated(w);
    return l;
}

void lock_free(struct lock *l)
{
    if (!l) return;
    pthread_mutex_destroy(&l->mutex);
    free(l);
}

void lock_take(struct lock *l)
{
    int e = l->simulated ? pthread_mutex_trylock(&l->mutex) : pthread_mutex_lock(&l->mutex);
    assert(e == 0); /* simulated: taken twice, or held across a suspension */
    (void)e;
}

void lock_give(struct lock *l) { pthread_mutex_unlock(&l->mutex); }

struct lane *lane_new(struct world *w, const char *name, void (*fn)(void *arg), void *arg)
{
    return w->ops->lane_new(w, name, fn, arg);
}
void lane_wake(struct lane *l) { l->ops->wake(l); }
void lane_free(struct lane *l)
{
    if (l) l->ops->free(l);
}

FIBER void offload(void (*fn)(void *), void *arg)
{
    struct loop *l = loop_self();
    if (!l || !l->running) {
        fn(arg);
        return;
    }
    l->world->ops->offload(l->world, fn, arg);
}

struct udp *udp_open(struct world *w, struct endpoint server) { return w->ops->udp_open(w, server); }
void udp_close(struct udp *u)
{
    if (u) u->ops->close(u);
}
int udp_send(struct udp *u, struct str datagram) { return u->ops->send(u, datagram); }
FIBER int64_t udp_recv(struct udp *u, void *out, size_t max, mono_us deadline)
{
    return u->ops->recv(u, out, max, deadline);
}
