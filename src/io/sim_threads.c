/* Offloaded jobs and lanes in the simulation: events that run whole, at a moment and in an order the seed chooses. */
#include <stdlib.h>

#include "io/sim_core.h"

static mono_us some_time_later(struct sim *s)
{
    return s->now + (int64_t)sim_below(s, (uint64_t)s->faults.job_latency_max_us + 1);
}

struct sim_job { /* on the waiting fiber's stack */
    struct timer event;
    struct list link;
    struct sim_node *node;
    void (*fn)(void *);
    void *arg;
    struct fiber *fiber;
    bool finished;
};

static void run_job(struct timer *t)
{
    struct sim_job *j = list_entry(t, struct sim_job, event);
    list_remove(&j->link);
    sim_note(j->node->sim, "job", 0, 0);
    j->fn(j->arg);
    j->finished = true;
    fiber_wake(j->fiber);
}

FIBER void offload_sim(struct world *w, void (*fn)(void *), void *arg)
{
    struct sim_node *n = node_of(w);
    struct sim_job j = {.event.fire = run_job, .node = n, .fn = fn, .arg = arg, .fiber = fiber_self()};
    list_push(&n->jobs, &j.link);
    sim_at(n->sim, &j.event, some_time_later(n->sim));
    while (!j.finished) fiber_park_whatever();
}

void sim_threads_forget(struct sim_node *n, struct loop *l)
{
    list_each_safe (link, &n->jobs) {
        struct sim_job *j = list_entry(link, struct sim_job, link);
        if (j->fiber->loop != l) continue;
        sim_forget(n->sim, &j->event);
        list_remove(link);
    }
}

/* ---- lanes ---- */

struct sim_lane {
    struct lane base;
    struct timer event; /* in the queue: a run is owed */
    struct sim_node *node;
    void (*fn)(void *);
    void *arg;
};

static void run_lane(struct timer *t)
{
    struct sim_lane *l = list_entry(t, struct sim_lane, event);
    sim_note(l->node->sim, "lane", 0, 0);
    l->fn(l->arg); /* a wake from inside puts it into the queue again */
}

static void lane_sim_wake(struct lane *lane)
{
    struct sim_lane *l = (struct sim_lane *)lane;
    if (!l->event.at) sim_at(l->node->sim, &l->event, some_time_later(l->node->sim));
}

static void lane_sim_free(struct lane *lane)
{
    struct sim_lane *l = (struct sim_lane *)lane;
    while (l->event.at) {
        sim_forget(l->node->sim, &l->event);
        run_lane(&l->event);
    }
    free(l);
}

static const struct lane_ops lane_sim_ops = {.wake = lane_sim_wake, .free = lane_sim_free};

struct lane *lane_sim_new(struct world *w, const char *name, void (*fn)(void *arg), void *arg)
{
    (void)name;
    struct sim_lane *l = malloc(sizeof *l);
    if (!l) abort();
    *l = (struct sim_lane){.base.ops = &lane_sim_ops, .event.fire = run_lane, .node = node_of(w), .fn = fn, .arg = arg};
    return &l->base;
}
