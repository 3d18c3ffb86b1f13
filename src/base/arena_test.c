/* Arenas: what they charge, whom they stop, in what order they undo. */
#include "base/arena.h"

#include "base/test.h"

#include <stdio.h>

static void gives_zeroed_aligned_bytes(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    for (int round = 0; round < 3; round++) {
        char *last = NULL;
        for (size_t n = 0; n < 3000; n = n * 5 / 4 + 1) {
            char *p = arena_alloc(a, n);
            assert_ptr_not_equal(p, last);
            assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
            for (size_t i = 0; i < n; i++) assert_int_equal(p[i], 0);
            memset(p, 0xff, n);
            last = p;
        }
        assert_ptr_not_equal(arena_alloc(a, 0), arena_alloc(a, 0));
        arena_reset(a); /* the kept memory is zeroed again */
    }
    arena_free(a);
    arena_free(NULL);
}

static void copies(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct str s = S("a\0b"), copy = arena_str(a, s);
    assert_str(copy, s);
    assert_ptr_not_equal(copy.p, s.p);
    assert_true(str_is_none(arena_str(a, STR_NONE)));
    assert_false(str_is_none(arena_str(a, S(""))));
    assert_memory_equal(arena_cstr(a, s), "a\0b\0", 4);
    assert_string_equal(arena_cstr(a, STR_NONE), "");
    assert_str(arena_printf(a, "%s-%d", "x", 7), S("x-7"));
    assert_int_equal(arena_printf(a, "%5000d", 1).n, 5000);
    int *v = arena_array(a, 1000, sizeof *v);
    assert_int_equal(v[999], 0);
    arena_free(a);
}

static void charges_every_ancestor(void **state)
{
    (void)state;
    struct arena *root = arena_new(NULL, 0), *child = arena_new(root, 0), *grandchild = arena_new(child, 0);
    size_t root_before = arena_used(root), child_before = arena_used(child);
    arena_alloc(grandchild, 10000);
    assert_true(arena_used(grandchild) >= 10000);
    assert_int_equal(arena_used(child) - child_before, arena_used(grandchild));
    assert_int_equal(arena_used(root) - root_before, arena_used(grandchild));
    arena_reset(grandchild);
    assert_int_equal(arena_used(grandchild), 0); /* too big to be kept */
    assert_int_equal(arena_used(root), root_before);
    arena_alloc(grandchild, 10);
    size_t kept = arena_used(grandchild);
    assert_true(kept > 0);
    arena_reset(grandchild);
    assert_int_equal(arena_used(grandchild), kept); /* keeps its first piece */
    for (int i = 0; i < 1000; i++) {
        arena_alloc(grandchild, 10);
        arena_reset(grandchild);
    }
    assert_int_equal(arena_used(grandchild), kept);
    arena_free(grandchild);
    arena_free(child);
    assert_int_equal(arena_used(root), 0);
    arena_free(root);
}

static void charges_for_others(void **state)
{
    (void)state;
    struct arena *root = arena_new(NULL, 5000), *child = arena_new(root, 1000);
    size_t before = arena_used(root);
    assert_int_equal(arena_charge(child, 1001), ERR_BUDGET);
    assert_int_equal(arena_used(root), before); /* nothing half charged */
    assert_int_equal(arena_charge(child, 1000), 0);
    assert_int_equal(arena_charge(child, 1), ERR_BUDGET);
    assert_int_equal(arena_charge(root, 5000), ERR_BUDGET);
    assert_int_equal(arena_charge(child, -1000), 0);
    assert_int_equal(arena_used(root), before);
    assert_int_equal(arena_charge(child, PTRDIFF_MAX), ERR_BUDGET);
    arena_free(root); /* the child with it */
}

struct order {
    char text[16];
    size_t n;
};
struct note {
    struct order *order;
    char name;
};

static void note(void *of)
{
    struct note *x = of;
    x->order->text[x->order->n++] = x->name;
}

static void undoes_in_reverse(void **state)
{
    (void)state;
    struct order order = {0};
    struct note a = {&order, 'a'}, b = {&order, 'b'}, c = {&order, 'c'}, d = {&order, 'd'}, x = {&order, 'x'};
    struct arena *root = arena_new(NULL, 0);
    arena_defer(root, note, &a);
    struct arena *child = arena_new(root, 0), *younger = arena_new(root, 0);
    arena_defer(root, note, &b);
    arena_defer(child, note, &c);
    struct arena_undo *forgotten = arena_defer(root, note, &x);
    arena_defer(younger, note, &d);
    arena_undefer(root, forgotten);
    arena_reset(root);
    assert_string_equal(order.text, "dcba"); /* children first, the youngest first */
    arena_reset(root);
    assert_int_equal(order.n, 4); /* once */
    arena_defer(root, note, &x);
    arena_free(root);
    assert_string_equal(order.text, "dcbax");
}

static void defer_again(void *of)
{
    struct arena *a = of;
    arena_alloc(a, 100);
    if (arena_used(a) < 5000) arena_defer(a, defer_again, a);
}

static void undo_may_use_the_arena(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    arena_defer(a, defer_again, a);
    arena_reset(a);
    arena_defer(a, defer_again, a);
    arena_free(a);
}

static void removes_any_child(void **state)
{
    (void)state;
    for (int gone = 0; gone < 3; gone++) {
        struct arena *root = arena_new(NULL, 0), *c[3];
        for (int i = 0; i < 3; i++) c[i] = arena_new(root, 0);
        arena_free(c[gone]);
        arena_free(c[(gone + 1) % 3]);
        arena_alloc(c[(gone + 2) % 3], 10);
        arena_free(root);
    }
}

/* --- guards --- */

struct job {
    struct arena *guarded, *used;
    int (*inner)(void *);
    struct order order;
    int result;
};

static int devour(void *of)
{
    struct job *j = of;
    for (;;) *(char *)arena_alloc(j->used, 100) = 'x';
    return 0;
}

static int behave(void *of)
{
    struct job *j = of;
    arena_alloc(j->used, 100);
    return 42;
}

static int overflow(void *of)
{
    struct job *j = of;
    arena_array(j->used, SIZE_MAX / 2, 3);
    return 0;
}

static int too_big(void *of)
{
    struct job *j = of;
    arena_alloc(j->used, PTRDIFF_MAX - 100);
    return 0;
}

static void stops_at_the_budget(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 20000);
    struct job j = {.used = a};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(arena_protect(a, behave, &j), 42);
        assert_int_equal(arena_protect(a, devour, &j), ERR_BUDGET);
        assert_true(arena_used(a) <= 20000);
        assert_true(arena_used(a) > 10000);
        assert_int_equal(arena_protect(a, overflow, &j), ERR_BUDGET);
        assert_int_equal(arena_protect(a, too_big, &j), ERR_BUDGET);
        arena_reset(a);
    }
    arena_free(a);
}

static void parents_budget_counts(void **state)
{
    (void)state;
    struct arena *root = arena_new(NULL, 30000), *child = arena_new(root, 0), *grandchild = arena_new(child, 0);
    struct job j = {.used = grandchild};
    assert_int_equal(arena_protect(child, devour, &j), ERR_BUDGET);
    assert_true(arena_used(root) <= 30000);
    arena_free(child);
    assert_int_equal(arena_protect(root, behave, &(struct job){.used = root}), 42);
    arena_free(root);
}

static int guard_inner(void *of)
{
    struct job *j = of;
    j->result = arena_protect(j->guarded, j->inner, j);
    return 7;
}

static void guards_nest(void **state)
{
    (void)state;
    struct arena *root = arena_new(NULL, 100000), *child = arena_new(root, 20000);
    struct job j = {.guarded = child, .used = child, .inner = devour};
    assert_int_equal(arena_protect(root, guard_inner, &j), 7); /* the inner one catches */
    assert_int_equal(j.result, ERR_BUDGET);
    arena_reset(child);
    j.used = root;
    j.result = 1;
    assert_int_equal(arena_protect(root, guard_inner, &j), ERR_BUDGET); /* past the inner guard to the outer */
    assert_int_equal(j.result, 1);
    arena_free(child);
    arena_reset(root);
    j = (struct job){.guarded = root, .used = root, .inner = devour}; /* twice on one arena */
    assert_int_equal(arena_protect(root, guard_inner, &j), 7);
    assert_int_equal(j.result, ERR_BUDGET);
    arena_free(root);
}

/* Leaves a guard on the child by jumping over it to the parent's; then the child runs out of budget. */
static int abandon_inner_guard(void *of)
{
    struct job *j = of;
    struct job over = {.guarded = j->used, .used = j->guarded, .inner = devour};
    j->result = arena_protect(j->guarded, guard_inner, &over);
    return devour(j);
}

static void abandoned_guards_are_forgotten(void **state)
{
    (void)state;
    struct arena *top = arena_new(NULL, 0), *middle = arena_new(top, 30000), *low = arena_new(middle, 0);
    struct job j = {.guarded = middle, .used = low};
    assert_int_equal(arena_protect(top, abandon_inner_guard, &j), ERR_BUDGET); /* not into the dead frame on `low` */
    assert_int_equal(j.result, ERR_BUDGET);
    arena_free(top);
}

static int defer_then_devour(void *of)
{
    struct job *j = of;
    static const char names[] = "ab";
    for (int i = 0; i < 2; i++) {
        struct note *n = arena_new_of(j->used, struct note);
        *n = (struct note){&j->order, names[i]};
        arena_defer(j->used, note, n);
    }
    return devour(j);
}

static void abandoned_work_is_undone(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 10000);
    struct job j = {.used = a};
    assert_int_equal(arena_protect(a, defer_then_devour, &j), ERR_BUDGET);
    arena_reset(a);
    assert_string_equal(j.order.text, "ba");
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_zeroed_aligned_bytes),
        cmocka_unit_test(copies),
        cmocka_unit_test(charges_every_ancestor),
        cmocka_unit_test(charges_for_others),
        cmocka_unit_test(undoes_in_reverse),
        cmocka_unit_test(undo_may_use_the_arena),
        cmocka_unit_test(removes_any_child),
        cmocka_unit_test(stops_at_the_budget),
        cmocka_unit_test(parents_budget_counts),
        cmocka_unit_test(guards_nest),
        cmocka_unit_test(abandoned_guards_are_forgotten),
        cmocka_unit_test(abandoned_work_is_undone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
