/* Fibers and their scopes: beginning, waiting, waking, cancelling, joining. */
#include <assert.h>
#include <stdlib.h>

#include "io/loop_core.h"

enum {
    MOVED_ENOUGH = 64 * 1024, /* bytes read or written after which others get their turn */
    RUN_ENOUGH = 1000,      /* microseconds after which they do */
};

/* ---- scopes: a tree, of which only scopes with fibers are part ---- */

void scope_init(struct scope *s)
{
    *s = (struct scope){0};
    list_init(&s->fibers);
    list_init(&s->children);
    list_init(&s->in_parent);
}

static void scope_adopt(struct scope *s, struct fiber *f)
{
    if (list_empty(&s->fibers) && s != &f->loop->root) {
        struct fiber *spawner = f->loop->running;
        s->parent = spawner && spawner->scope != s ? spawner->scope : &f->loop->root;
        list_push(&s->parent->children, &s->in_parent);
        if (s->parent->cancelled) s->cancelled = true;
    }
    f->scope = s;
    list_push(&s->fibers, &f->in_scope);
}

static void scope_emptied(struct scope *s)
{
    if (s->parent) {
        list_each_safe (n, &s->children) { /* scopes that outlive this one */
            struct scope *child = list_entry(n, struct scope, in_parent);
            list_remove(n);
            child->parent = s->parent;
            list_push(&s->parent->children, n);
        }
        list_remove(&s->in_parent);
        s->parent = NULL;
    }
    if (s->joiner) fiber_wake(s->joiner);
}

static void make_ready(struct fiber *f)
{
    f->state = FIBER_READY;
    f->loop->n_ready++;
    list_push(&f->loop->ready, &f->in_ready);
}

void scope_cancel(struct scope *s)
{
    s->cancelled = true;
    list_each (n, &s->fibers) {
        struct fiber *f = list_entry(n, struct fiber, in_scope);
        if (f->state == FIBER_PARKED && !f->deaf) make_ready(f);
    }
    list_each (n, &s->children) scope_cancel(list_entry(n, struct scope, in_parent));
}

FIBER void scope_join(struct scope *s)
{
    struct fiber *self = fiber_self();
    assert(self && !s->joiner && self->scope != s);
    s->joiner = self;
    while (!list_empty(&s->fibers)) fiber_park_whatever();
    s->joiner = NULL;
}

/* ---- one fiber ---- */

static void fiber_main(void *arg)
{
    struct fiber *f = arg;
    f->fn(f->arg);
    f->state = FIBER_ENDED;
    stack_end(&f->stack);
}

static void deadline_passed(struct timer *t)
{
    struct fiber *f = list_entry(t, struct fiber, timer);
    if (f->state != FIBER_PARKED || f->deaf) return;
    f->timed_out = true;
    make_ready(f);
}

struct fiber *fiber_new(struct loop *l, struct scope *s, void (*fn)(void *), void *arg)
{
    char *lowest = stacks_take(&l->stacks);
    size_t usable = (stack_size() - sizeof(struct fiber)) & ~(size_t)63;
    struct fiber *f = (struct fiber *)(void *)(lowest + usable);
    stack_init(&f->stack, lowest, usable, fiber_main, f);
    f->loop = l;
    f->fn = fn;
    f->arg = arg;
    f->timer = (struct timer){.due = FOREVER, .fire = deadline_passed};
    f->woken = f->timed_out = f->deaf = false;
    f->moved = 0;
    list_init(&f->in_ready);
    scope_adopt(s, f);
    count(&l->fibers_now, 1);
    count(&l->fibers_ever, 1);
    make_ready(f);
    return f;
}

/* Its memory goes back to the loop. */
static void fiber_gone(struct fiber *f)
{
    struct loop *l = f->loop;
    struct scope *s = f->scope;
    timer_remove(&l->timers, &f->timer);
    list_remove(&f->in_scope);
    count(&l->fibers_now, -1);
    void *lowest = (void *)f->stack.self.low;
    stack_done(&f->stack);
    stacks_give(&l->stacks, lowest);
    if (list_empty(&s->fibers)) scope_emptied(s);
}

void fiber_run(struct fiber *f)
{
    struct loop *l = f->loop;
    list_remove(&f->in_ready);
    l->n_ready--;
    f->state = FIBER_RUNNING;
    f->moved = 0;
    l->running = f;
    f->resumed = l->clock;
    stack_enter(&l->self, &f->stack);
    l->running = NULL;
    l->clock = clock_mono(l->world);
    if (l->clock - f->resumed > atomic_load_explicit(&l->longest_run, memory_order_relaxed))
        atomic_store_explicit(&l->longest_run, l->clock - f->resumed, memory_order_relaxed);
    if (f->state == FIBER_ENDED) fiber_gone(f);
}

static void fiber_drop(struct fiber *f)
{
    assert(f->state != FIBER_RUNNING);
    if (f->state == FIBER_READY) {
        list_remove(&f->in_ready);
        f->loop->n_ready--;
    }
    fiber_gone(f);
}

void scope_drop(struct scope *s)
{
    while (!list_empty(&s->children)) scope_drop(list_entry(s->children.next, struct scope, in_parent));
    s->joiner = NULL; /* it goes too */
    while (!list_empty(&s->fibers)) fiber_drop(list_entry(s->fibers.next, struct fiber, in_scope));
}

void fiber_spawn(struct scope *s, void (*fn)(void *), void *arg)
{
    struct fiber *self = fiber_self();
    assert(self);
    fiber_new(self->loop, s, fn, arg);
}

bool fiber_cancelled(void)
{
    struct fiber *self = fiber_self();
    return self && self->scope->cancelled;
}

/* ---- waiting ---- */

FIBER int fiber_park(mono_us deadline)
{
    struct fiber *self = fiber_self();
    assert(self);
    if (self->woken) {
        self->woken = false;
        return 0;
    }
    if (self->scope->cancelled) return ERR_CANCELLED;
    if (deadline <= self->loop->now) return ERR_TIMEOUT;
    timer_set(&self->loop->timers, &self->timer, deadline);
    self->timed_out = false;
    self->state = FIBER_PARKED;
    stack_leave(&self->stack);
    self->timer.due = FOREVER;
    if (self->woken) { /* by something, not by the clock or a cancellation */
        self->woken = false;
        return 0;
    }
    return self->timed_out ? ERR_TIMEOUT : self->scope->cancelled ? ERR_CANCELLED : 0;
}

FIBER void fiber_park_whatever(void)
{
    struct fiber *self = fiber_self();
    assert(self);
    if (!self->woken) {
        self->state = FIBER_PARKED;
        self->deaf = true;
        stack_leave(&self->stack);
        self->deaf = false;
    }
    self->woken = false;
}

void fiber_wake(struct fiber *f)
{
    f->woken = true;
    if (f->state == FIBER_PARKED) make_ready(f);
}

static void wake_posted(struct post *p) { fiber_wake(p->arg); }

void fiber_wake_far(struct fiber *f, struct post *p)
{
    p->fn = wake_posted;
    p->arg = f;
    loop_post(f->loop, p);
}

FIBER int fiber_sleep(int64_t span_us)
{
    struct fiber *self = fiber_self();
    mono_us until = self->loop->now + span_us;
    int e;
    while ((e = fiber_park(until)) == 0) continue;
    return e == ERR_TIMEOUT ? 0 : e;
}

FIBER void fiber_yield(void)
{
    struct fiber *self = fiber_self();
    make_ready(self);
    stack_leave(&self->stack);
}

FIBER void fiber_yield_if_long(void)
{
    struct fiber *self = fiber_self();
    if (clock_mono(self->loop->world) - self->resumed > RUN_ENOUGH) fiber_yield();
}

FIBER void fiber_moved(size_t n)
{
    struct fiber *self = fiber_self();
    self->moved += (uint32_t)(n < MOVED_ENOUGH ? n : MOVED_ENOUGH);
    if (self->moved >= MOVED_ENOUGH) fiber_yield();
    else fiber_yield_if_long();
}

void fiber_trim(void)
{
    struct fiber *self = fiber_self();
    if (self) stack_trim(&self->stack);
}

bool fiber_stack_overflowed(const void *fault_address)
{
    const struct fiber *self = fiber_self();
    if (!self) return false;
    const char *low = self->stack.self.low, *at = fault_address;
    return at < low && at >= low - stack_guard();
}
