/* A loop's turn: the clock, posts from other threads, timers, the fibers that are ready. What it sleeps on between
 * turns is poll.c's in the real world; the simulation runs the turns of its loops itself. */
#include <assert.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "io/loop_core.h"
#include "io/world_core.h"
#include "mail/limits.h"

enum { TURN = 500 }; /* microseconds of running fibers after which the kernel is asked for news */

static _Thread_local struct loop *current;

void loop_enter(struct loop *l) { current = l; }
struct loop *loop_self(void) { return current; }
struct fiber *fiber_self(void) { return current ? current->running : NULL; }
struct world *loop_world(struct loop *l) { return l->world; }
struct scope *loop_scope(struct loop *l) { return &l->root; }

mono_us loop_now(void)
{
    assert(current);
    return current->now;
}

static void stop_posted(struct post *p)
{
    struct loop *l = p->arg;
    scope_cancel(&l->root);
}

struct loop *loop_new(struct world *w)
{
    struct loop *l = calloc(1, sizeof *l);
    if (!l) abort();
    l->world = w;
    l->epoll_fd = l->event_fd = -1;
    l->now = l->clock = clock_mono(w);
    l->stop = (struct post){.fn = stop_posted, .arg = l};
    list_init(&l->ready);
    list_init(&l->in_sim);
    scope_init(&l->root);
    l->handshake_limit = LIMIT_HANDSHAKES;
    w->ops->loop_opened(w, l);
    return l;
}

/* ---- posts: a chain, newest first, that many push and the loop takes whole ---- */

/* False: the loop has ended, p was not taken. */
static bool post(struct loop *l, struct post *p)
{
    atomic_fetch_add(&l->posting, 1); /* once p is in, the loop may run it, end, and be freed: not before we are out */
    bool open = !atomic_load(&l->ended);
    if (open) {
        p->next = atomic_load(&l->inbox);
        while (!atomic_compare_exchange_weak(&l->inbox, &p->next, p)) continue;
        poll_wake(l);
    }
    atomic_fetch_sub(&l->posting, 1);
    return open;
}

void loop_post(struct loop *l, struct post *p) { post(l, p); }

/* No more posts; false if one slipped in before. */
static bool inbox_closed(struct loop *l)
{
    atomic_store(&l->ended, true);
    while (atomic_load(&l->posting)) sched_yield();
    if (!atomic_load(&l->inbox)) return true;
    atomic_store(&l->ended, false);
    return false;
}

static struct post *take_posts(struct loop *l)
{
    struct post *newest_first = atomic_exchange(&l->inbox, NULL), *in_order = NULL;
    while (newest_first) {
        struct post *p = newest_first;
        newest_first = p->next;
        p->next = in_order;
        in_order = p;
    }
    return in_order;
}

void loop_receive(struct loop *l)
{
    if (!atomic_load_explicit(&l->inbox, memory_order_relaxed)) return;
    for (struct post *p = take_posts(l), *next; p; p = next) {
        next = p->next; /* fn may free or post p again */
        p->fn(p);
    }
}

struct spawn {
    struct post post;
    struct loop *loop;
    void (*fn)(void *);
    void *arg;
};

static void spawn_posted(struct post *p)
{
    struct spawn *s = (struct spawn *)p;
    fiber_new(s->loop, &s->loop->root, s->fn, s->arg);
    free(s);
}

void loop_spawn(struct loop *l, void (*fn)(void *), void *arg)
{
    struct spawn *s = malloc(sizeof *s);
    if (!s) abort();
    *s = (struct spawn){.post.fn = spawn_posted, .loop = l, .fn = fn, .arg = arg};
    if (!post(l, &s->post)) free(s);
}

/* ---- turns ---- */

bool loop_has_work(struct loop *l) { return l->n_ready > 0 || atomic_load(&l->inbox); }

mono_us loop_next_timer(struct loop *l) { return timers_next(&l->timers); }

void loop_tick(struct loop *l)
{
    l->now = l->clock = clock_mono(l->world);
    timers_fire(&l->timers, l->now);
}

void loop_run_one(struct loop *l, size_t nth)
{
    struct list *n = l->ready.next;
    while (nth-- > 0) n = n->next;
    fiber_run(list_entry(n, struct fiber, in_ready));
}

void loop_run_ready(struct loop *l)
{
    count(&l->turns, 1);
    for (size_t n = l->n_ready; n > 0 && l->n_ready > 0; n--) loop_run_one(l, 0);
}

void loop_run(struct loop *l)
{
    assert(!world_is_simulated(l->world) && !current);
    loop_enter(l);
    for (;;) {
        loop_tick(l);
        loop_receive(l);
        do loop_run_ready(l);
        while (l->n_ready > 0 && l->clock - l->now < TURN);
        if (atomic_load(&l->stopping) && l->fibers_now == 0 && !loop_has_work(l) && inbox_closed(l)) break;
        poll_wait(l);
    }
    loop_enter(NULL);
}

static void *run_thread(void *arg)
{
    struct loop *l = arg;
    pthread_setname_np(pthread_self(), l->name);
    loop_run(l);
    return NULL;
}

void loop_start(struct loop *l, const char *name)
{
    strncpy(l->name, name, sizeof l->name - 1);
    if (pthread_create(&l->thread, NULL, run_thread, l) != 0) abort();
}

void loop_join(struct loop *l) { pthread_join(l->thread, NULL); }

void loop_stop(struct loop *l)
{
    if (!atomic_exchange(&l->stopping, true)) loop_post(l, &l->stop);
}

void loop_free(struct loop *l)
{
    while (atomic_load(&l->posting)) sched_yield();
    l->world->ops->loop_closed(l->world, l);
    if (world_is_simulated(l->world)) scope_drop(&l->root);
    assert(l->fibers_now == 0);
    for (struct post *p = take_posts(l), *next; p; p = next) {
        next = p->next;
        if (p->fn == spawn_posted) free(p);
    }
    for (void *b = l->blocks, *next; b; b = next) {
        memcpy(&next, b, sizeof next);
        free(b);
    }
    stacks_free(&l->stacks);
    free(l->timers.heap);
    free(l);
}

struct loop_stats loop_stats(struct loop *l)
{
    return (struct loop_stats){
        .longest_run_us = atomic_exchange(&l->longest_run, 0),
        .turns = l->turns,
        .polls = l->polls,
        .fibers_now = l->fibers_now,
        .fibers_ever = l->fibers_ever,
    };
}

void loop_limit_handshakes(struct loop *l, int n) { atomic_store(&l->handshake_limit, n); }

struct permits *loop_handshakes(struct loop *l)
{
    if (!l->handshakes.waiters.next) permits_init(&l->handshakes, atomic_load(&l->handshake_limit));
    return &l->handshakes;
}

/* ---- blocks ---- */

void *block_take(void)
{
    void *b = current ? current->blocks : NULL;
    if (b) {
        memcpy(&current->blocks, b, sizeof(void *));
        current->n_blocks--;
        return b;
    }
    b = malloc(BLOCK_SIZE);
    if (!b) abort();
    return b;
}

void block_give(void *block)
{
    if (!current || current->n_blocks == BLOCKS_KEPT) {
        free(block);
        return;
    }
    memcpy(block, &current->blocks, sizeof(void *));
    current->blocks = block;
    current->n_blocks++;
}
