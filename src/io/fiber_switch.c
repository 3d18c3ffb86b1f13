/* Stacks, and the switch from one to another.
 *
 * Boost.Context's two assembly routines are all we use of it; there is no C++ at run time. Everything else here is
 * telling the tools: ASan wants the bounds of the stack we go to and its fake stack kept, TSan a fiber object, LSan a
 * root region (what only a sleeping stack points to is not leaked), valgrind a stack id. */
#include "io/fiber_switch.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__has_feature)
#define FEATURE(x) __has_feature(x)
#else
#define FEATURE(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || FEATURE(address_sanitizer)
#define WITH_ASAN 1
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#else
#define WITH_ASAN 0
#endif
#if defined(__SANITIZE_THREAD__) || FEATURE(thread_sanitizer)
#define WITH_TSAN 1
#include <sanitizer/tsan_interface.h>
#else
#define WITH_TSAN 0
#endif
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(low, high) (0)
#define VALGRIND_STACK_DEREGISTER(id) ((void)(id))
#endif

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13: a guard that costs no mapping of its own */
#endif

/* ---- Boost.Context's C symbols ---- */

struct transfer {
    void *from, *data;
};
void *make_fcontext(void *upper_end, size_t size, void (*fn)(struct transfer));
struct transfer jump_fcontext(void *to, void *data);

/* ---- stacks ---- */

enum {
    GUARD = 16 * 1024,                                 /* wider than any frame we allow (-Wframe-larger-than) */
    STACK = (WITH_ASAN || WITH_TSAN ? 256 : 64) * 1024,
    STRIDE = GUARD + STACK,
    SLAB = 32, /* stacks in one mapping */
    PAGE = 4096,      /* or a part of one: madvise() would refuse, and nothing be lost */
    OWN_FRAMES = 512, /* below the frame address: this function's, and the red zone */
};

struct slab {
    struct slab *next;
    char *memory;
    int used; /* stacks cut from it so far */
};

size_t stack_size(void) { return STACK; }
size_t stack_guard(void) { return GUARD; }

static void add_slab(struct stacks *s)
{
    struct slab *b = malloc(sizeof *b);
    void *p = mmap(NULL, (size_t)STRIDE * SLAB, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (!b || p == MAP_FAILED) abort();
    madvise(p, (size_t)STRIDE * SLAB, MADV_NOHUGEPAGE); /* an idle fiber costs the pages it touched, not 2 MiB */
    *b = (struct slab){.next = s->slabs, .memory = p};
    s->slabs = b;
}

static void *upper_link(void *lowest) { return (char *)lowest + stack_size() - sizeof(void *); }

void *stacks_take(struct stacks *s)
{
    void *lowest = s->free;
    if (lowest) {
        s->free = *(void **)upper_link(lowest);
        return lowest;
    }
    if (!s->slabs || s->slabs->used == SLAB) add_slab(s);
    char *guard = s->slabs->memory + (size_t)STRIDE * (size_t)s->slabs->used++;
    if (!s->guards_by_protection && madvise(guard, GUARD, MADV_GUARD_INSTALL) != 0) s->guards_by_protection = true;
    if (s->guards_by_protection && mprotect(guard, GUARD, PROT_NONE) != 0) abort();
    return guard + GUARD;
}

void stacks_give(struct stacks *s, void *lowest)
{
    *(void **)upper_link(lowest) = s->free;
    s->free = lowest;
}

void stacks_free(struct stacks *s)
{
    while (s->slabs) {
        struct slab *b = s->slabs;
        s->slabs = b->next;
        munmap(b->memory, (size_t)STRIDE * SLAB);
        free(b);
    }
    s->free = NULL;
}

/* Not under the tools: they keep notes about these bytes. */
__attribute__((noinline)) void stack_trim(struct stack *k)
{
    uintptr_t low = (uintptr_t)k->self.low, here = (uintptr_t)__builtin_frame_address(0);
    uintptr_t keep = (here - OWN_FRAMES) & ~(uintptr_t)(PAGE - 1);
    if (WITH_ASAN || WITH_TSAN || keep <= low) return;
    madvise((void *)low, keep - low, MADV_DONTNEED);
}

/* ---- telling the tools ---- */

/* Called on the side that goes away; `to` is where it goes. `away` NULL: it will not come back. */
static inline void before_switch(struct switcher *away, struct switcher *to)
{
#if WITH_ASAN
    __sanitizer_start_switch_fiber(away ? &away->fake : NULL, to->low, to->size);
#endif
#if WITH_TSAN
    __tsan_switch_to_fiber(to->tsan, 0);
#endif
    (void)away;
    (void)to;
}

/* Called on the side that has come (back); learns the bounds of the stack it came from when that is not known yet. */
static inline void after_switch(struct switcher *here, struct switcher *from)
{
#if WITH_ASAN
    __sanitizer_finish_switch_fiber(here->fake, from ? &from->low : NULL, from ? &from->size : NULL);
#endif
    (void)here;
    (void)from;
}

/* ---- switching ---- */

static void begin(struct transfer t)
{
    struct stack *k = t.data;
    k->home->context = t.from;
    after_switch(&k->self, k->home);
    k->main(k->arg);
    abort(); /* main ends with stack_end() */
}

void stack_init(struct stack *k, void *lowest, size_t usable, void (*main)(void *arg), void *arg)
{
    *k = (struct stack){.main = main, .arg = arg, .self = {.low = lowest, .size = usable}};
#if WITH_ASAN
    __asan_unpoison_memory_region(lowest, usable);
    __lsan_register_root_region(lowest, STACK);
#endif
#if WITH_TSAN
    k->self.tsan = __tsan_create_fiber(0);
#endif
    k->valgrind_id = (unsigned)VALGRIND_STACK_REGISTER(lowest, (char *)lowest + usable);
    k->self.context = make_fcontext((char *)lowest + usable, usable, begin);
}

void stack_done(struct stack *k)
{
#if WITH_ASAN
    __lsan_unregister_root_region(k->self.low, STACK);
#endif
#if WITH_TSAN
    __tsan_destroy_fiber(k->self.tsan);
#endif
    VALGRIND_STACK_DEREGISTER(k->valgrind_id);
}

void stack_enter(struct switcher *from, struct stack *k)
{
    k->home = from;
#if WITH_TSAN
    from->tsan = __tsan_get_current_fiber();
#endif
    before_switch(from, &k->self);
    struct transfer t = jump_fcontext(k->self.context, k);
    k->self.context = t.from;
    after_switch(from, NULL);
}

void stack_leave(struct stack *k)
{
    before_switch(&k->self, k->home);
    struct transfer t = jump_fcontext(k->home->context, NULL);
    k->home->context = t.from;
    after_switch(&k->self, k->home);
}

void stack_end(struct stack *k)
{
    before_switch(NULL, k->home);
    jump_fcontext(k->home->context, NULL);
    abort();
}
