/* Inside io/: what a loop and a fiber are made of. */
#ifndef IO_LOOP_CORE_H
#define IO_LOOP_CORE_H

#include <pthread.h>
#include <stdatomic.h>

#include "io/fiber.h"
#include "io/fiber_switch.h"

/* ---- timers: a heap that is touched as seldom as possible ---- */

/* Fires once when `due` has come. Moving `due` later (or to FOREVER) leaves the heap alone: the entry comes up at its
 * old place, `when`, and is put right then. A connection that moves its deadline with each line costs it nothing. */
struct timer {
    mono_us due, when;
    uint32_t at; /* index in the heap + 1; 0 = not in it */
    void (*fire)(struct timer *t);
};
struct timers {
    struct timer **heap;
    uint32_t n, cap;
};
void timer_set(struct timers *ts, struct timer *t, mono_us due);
void timer_remove(struct timers *ts, struct timer *t); /* before t's memory goes */
mono_us timers_next(struct timers *ts);                /* FOREVER when there is none */
void timers_fire(struct timers *ts, mono_us now);      /* all that are due, earliest first */

/* ---- file descriptors a loop watches ---- */

struct watch {
    void (*ready)(struct watch *w, uint32_t epoll_events); /* only sets flags and wakes fibers, never frees watches */
};

/* ---- fibers ---- */

enum fiber_state { FIBER_READY, FIBER_RUNNING, FIBER_PARKED, FIBER_ENDED };

struct fiber { /* lies at the upper end of its own stack */
    struct stack stack;
    struct loop *loop;
    struct scope *scope;
    struct list in_scope, in_ready;
    void (*fn)(void *);
    void *arg;
    struct timer timer;
    uint8_t state;     /* enum fiber_state */
    bool woken;        /* a wake came while it was running: the next park returns at once */
    bool timed_out;    /* why it is ready */
    bool deaf;         /* parked in fiber_park_whatever() */
    uint32_t moved;    /* bytes read and written since it last suspended */
    mono_us resumed;   /* when it last got the thread */
};

/* A fiber of loop l in scope s, from anywhere on the loop's thread. */
struct fiber *fiber_new(struct loop *l, struct scope *s, void (*fn)(void *), void *arg);
void fiber_run(struct fiber *f); /* switches to it, until it parks or ends */
void scope_drop(struct scope *s); /* takes its fibers away where they stand, and those of the scopes inside */

/* After n bytes of input or output: gives way when it was 64 KiB of them, or 1 ms, without suspending. */
FIBER void fiber_moved(size_t n);

/* Fibers waiting for something, on their own stacks. */
struct waiter {
    struct list link;
    struct fiber *fiber;
    bool served;
};

/* ---- loops ---- */

enum { BLOCK_SIZE = 16 * 1024, BLOCKS_KEPT = 64 };

struct loop {
    struct world *world;
    struct list in_sim; /* the simulation's list of loops */
    struct fiber *running;
    struct list ready;
    size_t n_ready;
    struct scope root;
    struct timers timers;
    mono_us now;   /* of this turn, for deadlines */
    mono_us clock; /* read last */
    struct stacks stacks;
    struct switcher self; /* the thread's own stack, while a fiber runs */

    _Atomic(struct post *) inbox; /* newest first */
    _Atomic int posting;            /* threads inside loop_post() */
    _Atomic bool sleeping;        /* in the kernel: a post must write to event_fd */
    _Atomic bool stopping, ended;
    struct post stop;
    int epoll_fd, event_fd; /* -1 in the simulation */
    struct watch wake_watch;

    void *blocks; /* free I/O blocks, a chain through their first bytes */
    int n_blocks;
    struct permits handshakes; /* TLS handshakes at once; made of the limit when the first one comes */
    _Atomic int handshake_limit;

    pthread_t thread;
    char name[16];

    _Atomic int64_t longest_run, turns, polls, fibers_now, fibers_ever;
};

/* Statistics have one writer, the loop's thread, and readers anywhere: no locked instruction is needed. */
static inline void count(_Atomic int64_t *n, int64_t more)
{
    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + more, memory_order_relaxed);
}

void loop_enter(struct loop *l); /* makes it the calling thread's; NULL: none */
bool loop_has_work(struct loop *l); /* ready fibers or posts */
mono_us loop_next_timer(struct loop *l);
void loop_receive(struct loop *l);              /* runs the posts */
void loop_run_ready(struct loop *l);            /* each fiber that is ready now, once */
void loop_run_one(struct loop *l, size_t nth);  /* the nth of the ready ones, 0 the oldest */
void loop_tick(struct loop *l);                 /* reads the clock, fires timers */

/* Blocks of BLOCK_SIZE bytes for input and output, kept by the loop that runs on this thread. */
void *block_take(void);
void block_give(void *block);

/* TLS handshakes at once on this loop. Set from any thread, before the first one. */
void loop_limit_handshakes(struct loop *l, int n);
struct permits *loop_handshakes(struct loop *l);

/* The poller of real loops. */
void poll_open(struct loop *l);
void poll_close(struct loop *l);
void poll_wait(struct loop *l); /* sleeps until something happens; returns at once if the loop has work */
void poll_wake(struct loop *l); /* any thread: ends its sleep */
int poll_add(struct loop *l, int fd, uint32_t epoll_events, struct watch *w); /* 0 or -errno */
int poll_change(struct loop *l, int fd, uint32_t epoll_events, struct watch *w);
void poll_remove(struct loop *l, int fd);

#endif
