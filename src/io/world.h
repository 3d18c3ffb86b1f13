/* The world a node lives in: its clock, randomness, threads, sockets and disk; the real one or a simulated one.
 *
 * All that is not a pure function is reached through a `struct world`. world_real() is the machine we run on. The
 * simulated one (io/sim.h) runs several nodes in one thread from one seed: time jumps, links break, writes tear,
 * machines die, and a seed replays exactly. */
#ifndef IO_WORLD_H
#define IO_WORLD_H

#include "base/error.h"
#include "base/hash.h"
#include "base/time.h"

/* Marks a function that may suspend the calling fiber. Nothing shared is assumed unchanged across a call of it. */
#define FIBER

struct world;

/* The machine. offload_threads: size of the pool for blocking work, 0 = a sensible number. Aborts without memory. */
struct world *world_real(int offload_threads);
void world_free(struct world *w); /* joins the pool; loops and lanes must be gone */

utc_us clock_utc(struct world *w);   /* wall clock; may jump */
mono_us clock_mono(struct world *w); /* for deadlines; starts above 0, never jumps */
/* blocks the thread: on lanes and in offloaded jobs only. Nothing in the simulation */
void world_pause(struct world *w, int64_t span_us);
/* cryptographic in the real world, from the seed in the simulated */
void world_random(struct world *w, void *out, size_t n);
struct hash_key world_hash_key(struct world *w);
bool world_is_simulated(struct world *w);

/* A lock for short, never suspending critical sections between loops, lanes and offloaded jobs. */
struct lock;
struct lock *lock_new(struct world *w);
void lock_free(struct lock *l);
void lock_take(struct lock *l);
void lock_give(struct lock *l);

/* A lane: one thread of its own that runs fn(arg), whole, each time it has been woken since the last run began.
 * Several wakes while it sleeps or runs are one run. In the simulation a run is one event the seed places in time. */
struct lane;
struct lane *lane_new(struct world *w, const char *name, void (*fn)(void *arg), void *arg);
void lane_wake(struct lane *l); /* any thread; a system call only if the lane sleeps */
void lane_free(struct lane *l); /* after a last run if one is owed; joins. Not from a fiber of the simulation's loops */

/* CPU time and resident memory of this process, for status and benchmarks. */
struct world_usage {
    int64_t cpu_user_us, cpu_system_us, resident_bytes;
};
struct world_usage world_usage(struct world *w);

#endif
