/* Lanes: a thread that sleeps on a futex until it is woken, runs once, and looks again.
 *
 * One word says it all. Waking a lane that runs only sets the word: a busy writer costs its customers nothing. */
#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io/world_real.h"

enum { SLEEPING, WOKEN, RUNNING };

struct real_lane {
    struct lane base;
    _Atomic uint32_t state;
    _Atomic bool closing;
    void (*fn)(void *);
    void *arg;
    pthread_t thread;
    char name[16];
};

static void *lane_main(void *arg)
{
    struct real_lane *l = arg;
    pthread_setname_np(pthread_self(), l->name);
    for (;;) {
        uint32_t was = WOKEN;
        if (atomic_compare_exchange_strong(&l->state, &was, RUNNING)) {
            l->fn(l->arg);
            was = RUNNING;
            atomic_compare_exchange_strong(&l->state, &was, SLEEPING); /* fails if it was woken meanwhile */
        } else if (atomic_load(&l->closing)) {
            return NULL;
        } else {
            syscall(SYS_futex, &l->state, FUTEX_WAIT_PRIVATE, SLEEPING, NULL, NULL, 0);
        }
    }
}

static void wake_thread(struct real_lane *l) { syscall(SYS_futex, &l->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0); }

static void lane_real_wake(struct lane *lane)
{
    struct real_lane *l = (struct real_lane *)lane;
    if (atomic_exchange(&l->state, WOKEN) == SLEEPING) wake_thread(l);
}

static void lane_real_free(struct lane *lane)
{
    struct real_lane *l = (struct real_lane *)lane;
    atomic_store(&l->closing, true);
    lane_real_wake(lane);
    pthread_join(l->thread, NULL);
    free(l);
}

static const struct lane_ops lane_real_ops = {.wake = lane_real_wake, .free = lane_real_free};

struct lane *lane_real_new(struct world *w, const char *name, void (*fn)(void *arg), void *arg)
{
    (void)w;
    struct real_lane *l = calloc(1, sizeof *l);
    if (!l) abort();
    *l = (struct real_lane){.base.ops = &lane_real_ops, .fn = fn, .arg = arg};
    strncpy(l->name, name, sizeof l->name - 1);
    if (pthread_create(&l->thread, NULL, lane_main, l) != 0) abort();
    return &l->base;
}
