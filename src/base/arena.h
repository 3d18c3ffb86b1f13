/* Memory that dies together: process > connection > transaction > command.
 *
 * An arena hands out zeroed bytes and frees them all at once, its children with it. It never returns
 * NULL: passing its byte budget (or the system running out of memory) ends the guarded call around it,
 * see arena_protect(), and so one connection, not the server. What is not memory but must be undone
 * (an open file, a lease) is registered with arena_defer() and undone in reverse order. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdalign.h>

#include "base/error.h"
#include "base/str.h"

struct arena;

/* parent: freed with it and charged to its budget too; NULL for a root. budget: bytes, 0 = no own limit. */
struct arena *arena_new(struct arena *parent, size_t budget);

/* Undoes everything (children first, then defers in reverse order) and keeps the arena for reuse. */
void arena_reset(struct arena *a);

/* Undoes everything and the arena itself. NULL is fine. */
void arena_free(struct arena *a);

/* Zeroed memory, aligned for any type. n = 0 gives a unique pointer. Leaves by the guard when the budget is passed. */
void *arena_alloc(struct arena *a, size_t n) __attribute__((malloc, returns_nonnull, alloc_size(2)));
#define arena_new_of(a, type) ((type *)arena_alloc((a), sizeof(type)))
void *arena_array(struct arena *a, size_t count, size_t size) __attribute__((returns_nonnull)); /* overflow-checked */
/* Room for one more element behind the n there are: the array itself, or its copy with twice the room. *cap: elements
 * there is room for; array NULL and *cap 0 at first. */
void *arena_grow(struct arena *a, void *array, size_t n, size_t *cap, size_t size) __attribute__((returns_nonnull));

/* Copies. arena_cstr() adds the NUL. arena_printf() never truncates. */
struct str arena_str(struct arena *a, struct str s);
char *arena_cstr(struct arena *a, struct str s);
struct str arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Runs undo(arg) when the arena is reset or freed, last registered first. Returns a handle for arena_undefer(). */
struct arena_undo *arena_defer(struct arena *a, void (*undo)(void *), void *arg);
void arena_undefer(struct arena *a, struct arena_undo *u); /* forgets it without running it */

/* Bytes charged at present, children included. */
size_t arena_used(const struct arena *a);

/* Charges (or, negative, gives back) bytes held elsewhere on the arena's behalf, such as a stream's buffers.
 * Returns 0 or ERR_BUDGET; never leaves. */
int arena_charge(struct arena *a, ptrdiff_t bytes);

/* Calls fn(arg). When an allocation under `a` passes a budget on the way up to and including `a`, the call is
 * abandoned where it stands and ERR_BUDGET is returned; the caller then resets or frees what the call was using.
 * Returns fn's value otherwise. Nested guards work inside out. Without any guard, passing a budget aborts.
 * The guard stands on the stack of the fiber that calls: another fiber may allocate below `a` only under a guard of
 * its own, on an arena below `a`. */
int arena_protect(struct arena *a, int (*fn)(void *), void *arg);

#endif
