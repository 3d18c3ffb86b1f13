/* Intrusive lists. */
#include "base/list.h"

#include "base/test.h"

struct item {
    int id;
    struct list node;
};

/* The ids in order as a number: 1 2 3 is 123; checked backwards too. */
static int forward(struct list *head)
{
    int v = 0, backward = 0, place = 1;
    list_each (node, head) v = v * 10 + list_entry(node, struct item, node)->id;
    for (struct list *node = head->prev; node != head; node = node->prev) {
        backward += list_entry(node, struct item, node)->id * place;
        place *= 10;
    }
    assert_int_equal(v, backward);
    return v;
}

static void orders(void **state)
{
    (void)state;
    struct list a = LIST_INIT(a), b = LIST_INIT(b);
    struct item items[5];
    for (int i = 0; i < 5; i++) items[i].id = i + 1;
    assert_true(list_empty(&a));
    assert_null(list_shift(&a));
    list_push(&a, &items[1].node);
    list_push(&a, &items[2].node);
    list_unshift(&a, &items[0].node);
    assert_int_equal(forward(&a), 123);
    list_put_after(&items[1].node, &items[3].node);
    assert_int_equal(forward(&a), 1243);
    list_remove(&items[1].node);
    list_remove(&items[1].node); /* points to itself: harmless */
    assert_int_equal(forward(&a), 143);
    list_push(&b, &items[1].node);
    list_push(&b, &items[4].node);
    list_splice(&a, &b);
    assert_int_equal(forward(&a), 14325);
    assert_true(list_empty(&b));
    list_splice(&a, &b);
    assert_int_equal(forward(&a), 14325);
    assert_ptr_equal(list_shift(&a), &items[0].node);
    list_each_safe (node, &a) {
        struct item *x = list_entry(node, struct item, node);
        if (x->id % 2) continue;
        list_remove(node);
        memset(x, 0xff, sizeof *x); /* as if freed */
    }
    assert_int_equal(forward(&a), 35);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(orders)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
