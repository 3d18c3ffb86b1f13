/* The timer heap: a binary heap of pointers, each timer knowing its place. */
#include <stdlib.h>

#include "io/loop_core.h"

static void place(struct timers *ts, uint32_t i, struct timer *t)
{
    ts->heap[i] = t;
    t->at = i + 1;
}

static void sift_up(struct timers *ts, uint32_t i, struct timer *t)
{
    while (i > 0) {
        uint32_t parent = (i - 1) / 2;
        if (ts->heap[parent]->when <= t->when) break;
        place(ts, i, ts->heap[parent]);
        i = parent;
    }
    place(ts, i, t);
}

static void sift_down(struct timers *ts, uint32_t i, struct timer *t)
{
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= ts->n) break;
        if (child + 1 < ts->n && ts->heap[child + 1]->when < ts->heap[child]->when) child++;
        if (t->when <= ts->heap[child]->when) break;
        place(ts, i, ts->heap[child]);
        i = child;
    }
    place(ts, i, t);
}

static void insert(struct timers *ts, struct timer *t)
{
    if (ts->n == ts->cap) {
        ts->cap = ts->cap ? ts->cap * 2 : 64;
        ts->heap = realloc(ts->heap, ts->cap * sizeof(struct timer *));
        if (!ts->heap) abort();
    }
    sift_up(ts, ts->n++, t);
}

void timer_set(struct timers *ts, struct timer *t, mono_us due)
{
    t->due = due;
    if (t->at) {
        if (due >= t->when) return; /* it comes up too early and is put right then */
        t->when = due;
        sift_up(ts, t->at - 1, t);
    } else if (due != FOREVER) {
        t->when = due;
        insert(ts, t);
    }
}

void timer_remove(struct timers *ts, struct timer *t)
{
    if (!t->at) return;
    uint32_t hole = t->at - 1;
    struct timer *last = ts->heap[--ts->n];
    t->at = 0;
    if (last == t) return;
    if (hole > 0 && last->when < ts->heap[(hole - 1) / 2]->when) sift_up(ts, hole, last);
    else sift_down(ts, hole, last);
}

mono_us timers_next(struct timers *ts)
{
    while (ts->n > 0) {
        struct timer *t = ts->heap[0];
        if (t->due <= t->when) return t->when;
        if (t->due == FOREVER) {
            timer_remove(ts, t);
        } else {
            t->when = t->due;
            sift_down(ts, 0, t);
        }
    }
    return FOREVER;
}

void timers_fire(struct timers *ts, mono_us now)
{
    while (timers_next(ts) <= now) {
        struct timer *t = ts->heap[0];
        timer_remove(ts, t);
        t->due = FOREVER;
        t->fire(t);
    }
}
