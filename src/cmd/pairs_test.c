/* The memory of imports and exports, written and read back. */
#include "base/test.h"
#include "cmd/pairs.h"
#include "mail/limits.h"

static struct pairs there_and_back(struct arena *a, const struct pairs *p, size_t most)
{
    struct pairs again;
    struct buf *b = buf_in(a, 1 << 20);
    pairs_put(b, p);
    assert_true(b->n <= most);
    assert_int_equal(pairs_read(a, buf_str(b), &again), 0);
    assert_int_equal(again.n, p->n);
    for (size_t i = 0; i < p->n; i++) assert_memory_equal(&again.v[i], &p->v[i], sizeof *p->v);
    return again;
}

static void round_trips(void **state)
{
    struct arena *a = arena_new(NULL, 0);
    struct pairs p = {.their_validity = 4294967295u, .our_validity = 7};
    (void)state;
    there_and_back(a, &p, 100);
    p.words[10] = S("work");
    p.words[31] = S("-x");
    for (uid u = 1; u <= 100000; u++) pairs_add(a, &p, (struct pair){u + 5, u, FLAG_SEEN});
    struct pairs again = there_and_back(a, &p, 120); /* what was carried in one go is one run */
    assert_int_equal(again.their_validity, 4294967295u);
    assert_int_equal(again.our_validity, 7);
    assert_str(again.words[10], S("work"));
    assert_str(again.words[31], S("-x"));
    assert_true(str_is_none(again.words[11]));
    pairs_add(a, &p, (struct pair){0, 4294967295u, 0xffffffff});
    pairs_add(a, &p, (struct pair){4294967295u, 1, 0});
    pairs_add(a, &p, (struct pair){3, 4294967295u, 0x80000000});
    there_and_back(a, &p, 240);
    arena_free(a);
}

static void what_is_no_memory(void **state)
{
    static const char *const bad[] = {
        "",
        "pairs 1 1 1",
        "pairs 2 1 1\n\n",
        "pairs 1 1\n\n",
        "pairs 1 1 1\n-\n1,1,1,0",
        "pairs 1 1 1\n-\n1,1,0,0;",
        "pairs 1 1 1\n-\n1,0,1,0;",
        "pairs 1 1 1\n-\n-1,1,1,0;",
        "pairs 1 1 1\n-\n1,1,1,g;",
        "pairs 1 1 1\n-\n1,1,1;",
        "pairs 1 1 1\n-\n1,1,99999999999,0;",
        "pairs 1 1 1\n-\n4294967295,1,2,0;",
        "pairs 1 1 1\n-\n1,1,4000000,0;1,1,4000000,0;",
    };
    struct arena *a = arena_new(NULL, 0);
    struct pairs p;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_true(pairs_read(a, str_c(bad[i]), &p) < 0);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(round_trips), cmocka_unit_test(what_is_no_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
