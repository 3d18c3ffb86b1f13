/* Events and permits: fibers of one loop waiting for each other. A waiter lies on the stack of the fiber that waits. */
#include "io/loop_core.h"

void event_init(struct event *e)
{
    list_init(&e->waiters);
    e->set = false;
}

void event_set(struct event *e)
{
    e->set = true;
    list_each (n, &e->waiters) {
        struct waiter *w = list_entry(n, struct waiter, link);
        w->served = true; /* even if it is cleared before the waiter runs */
        fiber_wake(w->fiber);
    }
}

void event_clear(struct event *e) { e->set = false; }

FIBER int event_wait(struct event *e, mono_us deadline)
{
    struct waiter w = {.fiber = fiber_self()};
    list_push(&e->waiters, &w.link);
    int result = 0;
    while (!e->set && !w.served && result == 0) result = fiber_park(deadline);
    list_remove(&w.link);
    return e->set || w.served ? 0 : result;
}

void permits_init(struct permits *p, int n)
{
    p->free = n;
    list_init(&p->waiters);
}

FIBER int permits_take(struct permits *p, mono_us deadline)
{
    if (p->free > 0) {
        p->free--;
        return 0;
    }
    struct waiter w = {.fiber = fiber_self()};
    list_push(&p->waiters, &w.link);
    int result = 0;
    while (!w.served && result == 0) result = fiber_park(deadline);
    list_remove(&w.link);
    return w.served ? 0 : result;
}

void permits_give(struct permits *p)
{
    struct list *first = list_shift(&p->waiters);
    if (!first) {
        p->free++;
        return;
    }
    /* the permit goes from hand to hand: first come, first served */
    struct waiter *w = list_entry(first, struct waiter, link);
    w->served = true;
    fiber_wake(w->fiber);
}
