/* Loops and fibers: straight-line code that waits.
 *
 * A loop is one thread's turn of events; a fiber is a stack of its own on one loop, for its whole life. Fibers of a
 * loop never run at the same time, so they need no locks among themselves; they lose control only inside FIBER
 * functions.
 *
 * A stack has 64 KiB. arena_protect() leaves by longjmp and must not leave a fiber: a child fiber allocates under a
 * guard of its own (or from an arena without a budget), never under its parent's. */
#ifndef IO_FIBER_H
#define IO_FIBER_H

#include "base/list.h"
#include "io/world.h"

/* ---- loops ---- */

struct loop;
struct fiber;

struct loop *loop_new(struct world *w);
void loop_free(struct loop *l); /* after loop_run returned; all fibers must have ended */

/* Runs until loop_stop() has been called and the last fiber has ended. Real world only; a simulated node's loops are
 * run by sim_run(). */
void loop_run(struct loop *l);
/* Starts a thread that runs the loop; loop_join waits for its end. */
void loop_start(struct loop *l, const char *name);
void loop_join(struct loop *l);
void loop_stop(struct loop *l); /* any thread; cancels the loop's root scope */

struct loop *loop_self(void);   /* of the calling fiber; NULL outside */
struct world *loop_world(struct loop *l);
mono_us loop_now(void);         /* clock_mono() at the start of this turn, for deadlines: loop_now() + SECONDS(5) */

/* Runs p->fn(p) on loop l soon, from any thread; `p` must stay until then. fn does not suspend. A batch of posts wakes
 * the loop once, and only if it sleeps. In order per sender.
 * After loop_run() has returned posts are dropped. */
struct post {
    struct post *next;
    void (*fn)(struct post *p);
    void *arg; /* for fn */
};
void loop_post(struct loop *l, struct post *p);

/* What a loop has done. Any thread. */
struct loop_stats {
    int64_t longest_run_us; /* the longest stretch one fiber ran without suspending, since the last call */
    int64_t turns, polls;   /* rounds of running what is ready; questions to the kernel */
    int64_t fibers_now, fibers_ever;
};
struct loop_stats loop_stats(struct loop *l);

/* ---- fibers and scopes ---- */

/* Fibers live in a scope; a scope ends only when its fibers have. While it has fibers it lies inside the scope of the
 * fiber that spawned the first of them, and is cancelled with that. All its fields are fiber.c's. */
struct scope {
    struct list fibers;
    struct scope *parent;
    struct list children, in_parent;
    struct fiber *joiner;
    bool cancelled;
};
void scope_init(struct scope *s);
struct scope *loop_scope(struct loop *l); /* the root scope */

/* A new fiber, which begins to run when the others of the loop let it. fiber_spawn: from a fiber, on its loop;
 * loop_spawn: from any thread (or before the loop runs), in the root scope. */
void fiber_spawn(struct scope *s, void (*fn)(void *), void *arg);
void loop_spawn(struct loop *l, void (*fn)(void *), void *arg);

/* Every wait of its fibers and of the scopes inside it (now and later) returns ERR_CANCELLED. From the same loop. */
void scope_cancel(struct scope *s);
FIBER void scope_join(struct scope *s); /* until all its fibers have ended; not itself cancellable */

struct fiber *fiber_self(void);
bool fiber_cancelled(void); /* has the calling fiber been cancelled? */

/* The bare wait: until fiber_wake(), the deadline or cancellation. 0, ERR_TIMEOUT, ERR_CANCELLED. A wake that comes
 * before the wait is not lost: the next park returns at once. Users therefore wait for a condition, in a loop. */
FIBER int fiber_park(mono_us deadline);
FIBER void fiber_park_whatever(void); /* only a wake ends it: for jobs that cannot be recalled */
void fiber_wake(struct fiber *f);     /* from the same loop */
void fiber_wake_far(struct fiber *f, struct post *p); /* from any thread; p is the caller's, one per outstanding wake */

/* The machine gets back what the calling fiber's stack holds below its present depth. For one that will sleep long;
 * the waits of streams do it themselves. */
void fiber_trim(void);

FIBER int fiber_sleep(int64_t span_us); /* 0 or ERR_CANCELLED */
FIBER void fiber_yield(void);           /* lets others of the loop run */
FIBER void fiber_yield_if_long(void);   /* when this fiber has run for over 1 ms */

/* ---- events, offloaded work ---- */

/* Something fibers of one loop wait for. event_set wakes all that wait and stays set until event_clear. */
struct event {
    struct list waiters;
    bool set;
};
void event_init(struct event *e);
void event_set(struct event *e);
void event_clear(struct event *e);
FIBER int event_wait(struct event *e, mono_us deadline); /* 0, ERR_TIMEOUT, ERR_CANCELLED */

/* At most n holders at a time (TLS handshakes, password hashes). */
struct permits {
    int free;
    struct list waiters;
};
void permits_init(struct permits *p, int n);
FIBER int permits_take(struct permits *p, mono_us deadline);
void permits_give(struct permits *p);

/* Runs fn(arg) on a thread of the pool while the fiber sleeps. Not cancellable: arg may live on the fiber's stack. */
FIBER void offload(void (*fn)(void *), void *arg); /* outside a fiber: runs it in place */

/* Is this the guard page under the stack of the fiber that runs on this thread? For a SIGSEGV handler (on a signal
 * stack of its own) that wants to say "fiber stack overflow". Async-signal-safe. */
bool fiber_stack_overflowed(const void *fault_address);

#endif
