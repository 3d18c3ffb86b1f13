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

static struct uid_set random_set(struct arena *a, uint32_t *seed, bool bits[])
{
    struct uid_set s = {0};
    uint32_t n = (*seed = *seed * 1664525 + 1013904223) >> 28;
    for (uint32_t i = 0; i < n; i++) {
        *seed = *seed * 1664525 + 1013904223;
        uid first = 1 + (*seed >> 8) % 60, last = first + (*seed >> 20) % 6;
        uid_set_add(a, &s, first, last);
        for (uid u = first; u <= last; u++) bits[u] = true;
    }
    return s;
}

static void unites_and_subtracts_like_bitmaps(void **state)
{
    (void)state;
    uint32_t seed = 7;
    for (int round = 0; round < 3000; round++) {
        struct arena *a = arena_new(NULL, 0);
        bool in[70] = {false}, out[70] = {false};
        struct uid_set one = random_set(a, &seed, in), two = random_set(a, &seed, out), both = {0}, left = {0};
        uid_set_unite(a, &both, &one);
        uid_set_unite(a, &both, &two);
        uid_set_unite(a, &left, &one);
        uid_set_subtract(a, &left, &two);
        well_formed(&both);
        well_formed(&left);
        for (uid u = 1; u < 70; u++) {
            assert_int_equal(uid_set_has(&both, u), in[u] || out[u]);
            assert_int_equal(uid_set_has(&left, u), in[u] && !out[u]);
        }
        arena_free(a);
    }
}

static void unites_and_subtracts_at_the_ends(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct uid_set all = {0}, ends = {0};
    uid_set_add(a, &all, 1, UINT32_MAX);
    uid_set_add(a, &ends, 1, 1);
    uid_set_add(a, &ends, UINT32_MAX, UINT32_MAX);
    uid_set_subtract(a, &all, &ends);
    assert_true(all.n == 1 && all.v[0].first == 2 && all.v[0].last == UINT32_MAX - 1);
    uid_set_unite(a, &all, &ends);
    assert_true(all.n == 1 && all.v[0].first == 1 && all.v[0].last == UINT32_MAX);
    uid_set_subtract(a, &ends, &all);
    assert_int_equal(ends.n, 0);
    arena_free(a);
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
        cmocka_unit_test(agrees_with_a_bitmap), cmocka_unit_test(unites_and_subtracts_like_bitmaps),
        cmocka_unit_test(unites_and_subtracts_at_the_ends),
        cmocka_unit_test(holds_the_whole_range),
        cmocka_unit_test(grows_in_ascending_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
