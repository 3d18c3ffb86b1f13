/* Inside io/: stacks, and the switch from one to another, told to ASan, LSan, TSan and valgrind.
 *
 * The switch itself is Boost.Context's (make_fcontext, jump_fcontext): callee-saved registers, nothing else, 4 ns. */
#ifndef IO_FIBER_SWITCH_H
#define IO_FIBER_SWITCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Stacks of one loop: cut from slabs, each with a guard page below it, reused last in, first out (warm pages). */
struct stacks {
    struct slab *slabs;
    void *free; /* a chain through the upper end of the stacks */
    bool guards_by_protection; /* the kernel knows no MADV_GUARD_INSTALL */
};
void *stacks_take(struct stacks *s); /* the lowest usable byte of a stack; aborts without memory */
void stacks_give(struct stacks *s, void *lowest);
void stacks_free(struct stacks *s);
size_t stack_size(void);  /* usable bytes */
size_t stack_guard(void); /* bytes of the guard below them */

/* One side of a switch: a place where execution stopped. */
struct switcher {
    void *context;
    const void *low; /* the stack's lowest byte and size, as ASan wants them */
    size_t size;
    void *fake;      /* ASan's fake stack while away */
    void *tsan;
};
struct stack {
    struct switcher self;
    struct switcher *home; /* where stack_leave() goes: who entered */
    void (*main)(void *arg);
    void *arg;
    unsigned valgrind_id;
};

/* Prepares a stack so that the first stack_enter() calls main(arg) on it. main must end with stack_end(). */
void stack_init(struct stack *k, void *lowest, size_t usable, void (*main)(void *arg), void *arg);
void stack_enter(struct switcher *from, struct stack *k); /* returns when the other side leaves or ends */
void stack_leave(struct stack *k);                        /* back to who entered; returns at the next enter */
_Noreturn void stack_end(struct stack *k);
void stack_trim(struct stack *k);                         /* on it: pages below the caller's frame are given back */
void stack_done(struct stack *k); /* after it ended or was given up: tells the tools that the stack is gone */

#endif
