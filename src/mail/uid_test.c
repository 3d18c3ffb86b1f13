/* UID sets against the plainest of models: a bitmap. */
#include "mail/uid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void well_formed(const struct uid_set *s)
{
    for (size_t i = 0; i < s->n; i++) {
        assert_true(s->v[i].first >= 1 && s->v[i].first <= s->v[i].last);
        if (i) assert_true(s->v[i - 1].last + 1 < s->v[i].first);
    }
}

static void agrees_with_a_bitmap(void **state)
{
    (void)state;
    uint32_t seed = 1;
    for (int round = 0; round < 300; round++) {
        struct arena *a = arena_new(NULL, 0);
        struct uid_set s = {0};
        bool bits[130] = {false};
        for (int i = 0; i < 40; i++) {
            seed = seed * 1664525 + 1013904223;
            uid first = 1 + (seed >> 8) % 120, last = first + (seed >> 20) % 8;
            uid_set_add(a, &s, first, last);
            for (uid u = first; u <= last; u++) bits[u] = true;
            well_formed(&s);
        }
        uint64_t count = 0;
        for (uid u = 1; u < 130; u++) {
            assert_int_equal(uid_set_has(&s, u), bits[u]);
            count += bits[u];
        }
        assert_int_equal(uid_set_count(&s), count);
        arena_free(a);
    }
}

static void holds_the_whole_range(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct uid_set s = {0};
    assert_false(uid_set_has(&s, 1));
    assert_int_equal(uid_set_count(&s), 0);
    uid_set_add(a, &s, UINT32_MAX, UINT32_MAX);
    uid_set_add(a, &s, 1, 1);
    assert_int_equal(s.n, 2);
    uid_set_add(a, &s, 2, UINT32_MAX - 1);
    assert_int_equal(s.n, 1);
    assert_int_equal(uid_set_count(&s), UINT32_MAX);
    assert_true(uid_set_has(&s, UINT32_MAX));
    arena_free(a);
}

static void grows_in_ascending_order(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct uid_set s = {0};
    for (uid u = 1; u < 20000; u += 2) uid_set_add(a, &s, u, u);
    assert_int_equal(s.n, 10000);
    for (uid u = 2; u < 20000; u += 2) uid_set_add(a, &s, u, u);
    assert_int_equal(s.n, 1);
    assert_int_equal(uid_set_count(&s), 19999);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_bitmap),
        cmocka_unit_test(holds_the_whole_range),
        cmocka_unit_test(grows_in_ascending_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
