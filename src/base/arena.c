/* Arenas: chunks of growing size, a chain of undo records, a budget charged to every ancestor. */
#include "base/arena.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif
#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n) __asan_poison_memory_region((p), (n))
#define UNPOISON(p, n) __asan_unpoison_memory_region((p), (n))
#define RED_ZONE 16 /* between two allocations, so that an overrun is seen */
#else
#define POISON(p, n) ((void)0)
#define UNPOISON(p, n) ((void)0)
#define RED_ZONE 0
#endif

enum { CHUNK_MIN = 1024, CHUNK_MAX = 64 * 1024 };

struct chunk {
    struct chunk *next;
    size_t size, used; /* of bytes[] */
    alignas(max_align_t) char bytes[];
};

struct arena_undo {
    struct arena_undo *next;
    void (*undo)(void *);
    void *arg;
};

struct arena {
    struct arena *parent, *children, *next, **prev_link;
    struct chunk *chunks; /* the newest first */
    struct arena_undo *undos;
    size_t budget, used;
    struct guard *guard;
};

struct guard {
    jmp_buf env;
    struct guard *outer;    /* of the same arena */
    const char *stack_frame; /* of arena_protect() */
};

/* Guards below `a` whose frames lie between `low` and `high` are about to be jumped over: nobody may jump to them. */
static void forget_guards(struct arena *a, const char *low, const char *high)
{
    for (struct arena *c = a->children; c; c = c->next) {
        while (c->guard && c->guard->stack_frame >= low && c->guard->stack_frame < high) c->guard = c->guard->outer;
        forget_guards(c, low, high);
    }
}

static _Noreturn void leave(struct arena *a)
{
    for (; a; a = a->parent) {
        if (!a->guard) continue;
        forget_guards(a, __builtin_frame_address(0), a->guard->stack_frame);
        longjmp(a->guard->env, 1);
    }
    fputs("penny: memory budget exceeded outside any guard\n", stderr);
    abort();
}

int arena_charge(struct arena *a, ptrdiff_t bytes)
{
    size_t n = (size_t)bytes;
    if (bytes > 0)
        for (struct arena *x = a; x; x = x->parent)
            if (x->budget && n > x->budget - (x->used < x->budget ? x->used : x->budget)) return ERR_BUDGET;
    for (struct arena *x = a; x; x = x->parent) x->used += n; /* modular: negative gives back */
    return 0;
}

static void *take(struct arena *a, size_t n)
{
    if (n > PTRDIFF_MAX || arena_charge(a, (ptrdiff_t)n) != 0) leave(a);
    void *p = malloc(n);
    if (!p) {
        arena_charge(a, -(ptrdiff_t)n);
        leave(a);
    }
    return p;
}

struct arena *arena_new(struct arena *parent, size_t budget)
{
    struct arena *a = parent ? take(parent, sizeof *a) : malloc(sizeof *a);
    if (!a) abort();
    *a = (struct arena){.parent = parent, .budget = budget};
    if (parent) {
        a->next = parent->children;
        if (a->next) a->next->prev_link = &a->next;
        a->prev_link = &parent->children;
        parent->children = a;
    }
    return a;
}

static void free_chunks(struct arena *a, bool keep_oldest)
{
    struct chunk *c = a->chunks;
    a->chunks = NULL;
    while (c) {
        struct chunk *next = c->next;
        UNPOISON(c->bytes, c->size);
        if (keep_oldest && !next && c->size <= CHUNK_MIN) {
            c->used = 0;
            POISON(c->bytes, c->size);
            a->chunks = c;
            return;
        }
        arena_charge(a, -(ptrdiff_t)(sizeof *c + c->size));
        free(c);
        c = next;
    }
}

static void undo_all(struct arena *a)
{
    while (a->children) arena_free(a->children);
    while (a->undos) {
        struct arena_undo *u = a->undos;
        a->undos = u->next;
        u->undo(u->arg);
    }
}

void arena_reset(struct arena *a)
{
    undo_all(a);
    free_chunks(a, true);
}

void arena_free(struct arena *a)
{
    if (!a) return;
    undo_all(a);
    free_chunks(a, false);
    if (a->parent) {
        *a->prev_link = a->next;
        if (a->next) a->next->prev_link = a->prev_link;
        arena_charge(a->parent, -(ptrdiff_t)sizeof *a);
    }
    free(a);
}

static struct chunk *grow(struct arena *a, size_t n)
{
    size_t size = a->chunks ? a->chunks->size * 2 : CHUNK_MIN;
    if (size > CHUNK_MAX) size = CHUNK_MAX;
    if (size < n) size = n;
    struct chunk *c = take(a, sizeof *c + size);
    c->size = size;
    c->used = 0;
    c->next = a->chunks;
    a->chunks = c;
    POISON(c->bytes, size);
    return c;
}

void *arena_alloc(struct arena *a, size_t n)
{
    size_t align = alignof(max_align_t);
    if (n > PTRDIFF_MAX / 2) leave(a);
    size_t room = (n + align - 1) / align * align + RED_ZONE;
    if (room == 0) room = align;
    struct chunk *c = a->chunks;
    if (!c || c->size - c->used < room) c = grow(a, room);
    char *p = c->bytes + c->used;
    c->used += room;
    UNPOISON(p, n);
    memset(p, 0, n);
    return p;
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) leave(a);
    return arena_alloc(a, bytes);
}

void *arena_grow(struct arena *a, void *array, size_t n, size_t *cap, size_t size)
{
    if (n < *cap) return array;
    *cap = *cap ? *cap * 2 : 4;
    void *larger = arena_array(a, *cap, size);
    if (n) memcpy(larger, array, n * size);
    return larger;
}

struct str arena_str(struct arena *a, struct str s)
{
    if (!s.p) return s;
    char *p = arena_alloc(a, s.n);
    if (s.n) memcpy(p, s.p, s.n);
    return (struct str){p, s.n};
}

char *arena_cstr(struct arena *a, struct str s)
{
    char *p = arena_alloc(a, s.n + 1);
    if (s.n) memcpy(p, s.p, s.n);
    return p;
}

struct str arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    assert(n >= 0);
    char *p = arena_alloc(a, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return (struct str){p, (size_t)n};
}

struct arena_undo *arena_defer(struct arena *a, void (*undo)(void *), void *arg)
{
    struct arena_undo *u = arena_alloc(a, sizeof *u);
    *u = (struct arena_undo){a->undos, undo, arg};
    a->undos = u;
    return u;
}

void arena_undefer(struct arena *a, struct arena_undo *u)
{
    for (struct arena_undo **at = &a->undos; *at; at = &(*at)->next)
        if (*at == u) {
            *at = u->next;
            return;
        }
}

size_t arena_used(const struct arena *a) { return a->used; }

int arena_protect(struct arena *a, int (*fn)(void *), void *arg)
{
    struct guard here = {.outer = a->guard, .stack_frame = __builtin_frame_address(0)};
    int result = ERR_BUDGET;
    if (setjmp(here.env) == 0) {
        a->guard = &here;
        result = fn(arg);
    }
    a->guard = here.outer;
    return result;
}
