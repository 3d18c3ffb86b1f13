/* The hash map, against a plain list that does the same. */
#include "base/map.h"

#include "base/test.h"

#include <stdio.h>

static const struct hash_key key = {{1, 2}};

static void sets_gets_removes(void **state)
{
    (void)state;
    struct map m;
    int one = 1, two = 2;
    map_init(&m, key);
    assert_null(map_get(&m, S("a")));
    assert_null(map_remove(&m, S("a")));
    assert_null(map_set(&m, S("a"), &one));
    assert_ptr_equal(map_set(&m, S("a"), &two), &one);
    assert_ptr_equal(map_get(&m, S("a")), &two);
    assert_null(map_get(&m, S("A")));
    assert_null(map_set(&m, STR_NONE, &one)); /* the empty key is a key */
    assert_ptr_equal(map_get(&m, S("")), &one);
    assert_ptr_equal(map_remove(&m, S("")), &one);
    assert_null(map_get(&m, S("")));
    assert_ptr_equal(map_remove(&m, S("a")), &two);
    assert_null(map_remove(&m, S("a")));
    assert_int_equal(m.live, 0);
    map_free(&m);
    assert_null(map_get(&m, S("a")));
}

/* Keys that fall on one slot of the smallest table: probing must walk over each other and over the removed. */
static void colliding_keys(void **state)
{
    (void)state;
    enum { KEYS = 10, SLOTS = 16 };
    char names[KEYS][8];
    int n = 0;
    for (int i = 0; n < KEYS; i++) {
        struct str name = {names[n], (size_t)snprintf(names[n], sizeof names[n], "%d", i)};
        if (hash_sip(&key, name) % SLOTS == SLOTS - 1) n++; /* the last one: probing wraps around */
    }
    for (int gone = 0; gone < KEYS; gone++) {
        struct map m;
        map_init(&m, key);
        for (int i = 0; i < KEYS; i++) assert_null(map_set(&m, str_c(names[i]), names[i]));
        assert_int_equal(m.cap, SLOTS);
        assert_ptr_equal(map_remove(&m, str_c(names[gone])), names[gone]);
        for (int i = 0; i < KEYS; i++) assert_ptr_equal(map_get(&m, str_c(names[i])), i == gone ? NULL : names[i]);
        assert_null(map_set(&m, str_c(names[gone]), names[gone]));
        for (int i = 0; i < KEYS; i++) assert_ptr_equal(map_get(&m, str_c(names[i])), names[i]);
        map_free(&m);
    }
}

/* The removed key's memory may be used for something else. */
static void forgets_removed_keys(void **state)
{
    (void)state;
    struct map m;
    map_init(&m, key);
    char *text = test_malloc(2);
    text[0] = 'k';
    map_set(&m, str_of(text, 1), text);
    map_remove(&m, str_of(text, 1));
    test_free(text);
    assert_null(map_get(&m, S("k")));
    for (int i = 0; i < 100; i++) map_set(&m, S("other"), &m);
    map_free(&m);
}

static void agrees_with_a_list(void **state)
{
    (void)state;
    enum { KEYS = 300, STEPS = 20000 };
    static char names[KEYS][16];
    int order[KEYS] = {0}, clock = 0; /* when each key was inserted, 0 = absent */
    void *values[KEYS] = {0};
    uint32_t seed = 7;
    struct map m;
    map_init(&m, key);
    for (int i = 0; i < KEYS; i++) snprintf(names[i], sizeof names[i], "key%d", i);
    for (int step = 0; step < STEPS; step++) {
        seed = seed * 1664525 + 1013904223;
        int k = (int)(seed >> 8) % KEYS;
        bool grow = step % 4000 < 2000 ? seed >> 29 != 0 : seed >> 30 == 0;
        if (grow) {
            void *value = &values[seed >> 24];
            assert_ptr_equal(map_set(&m, str_c(names[k]), value), values[k]);
            if (!values[k]) order[k] = ++clock;
            values[k] = value;
        } else {
            assert_ptr_equal(map_remove(&m, str_c(names[k])), values[k]);
            values[k] = NULL;
        }
        if (step % 97) continue;
        size_t live = 0, seen = 0;
        for (int i = 0; i < KEYS; i++) {
            assert_ptr_equal(map_get(&m, str_c(names[i])), values[i]);
            live += values[i] != NULL;
        }
        int last = 0;
        const struct map_entry *e;
        for (size_t i = 0; (e = map_next(&m, &i)); seen++) { /* in order of insertion */
            int at = (int)((e->key.p - names[0]) / (ptrdiff_t)sizeof names[0]);
            assert_ptr_equal(e->value, values[at]);
            assert_true(order[at] > last);
            last = order[at];
        }
        assert_int_equal(seen, live);
        assert_int_equal(m.live, live);
    }
    assert_true(m.cap <= 2048); /* removals do not make it grow for ever */
    map_free(&m);
}

/* What is removed and set again stands at the end; the empty key, which a removed entry seems to have, too. */
static void sets_again_at_the_end(void **state)
{
    (void)state;
    struct map m;
    map_init(&m, key);
    map_set(&m, S(""), &m);
    map_set(&m, S("a"), &m);
    map_remove(&m, S(""));
    map_set(&m, S(""), &m);
    size_t i = 0;
    assert_str(map_next(&m, &i)->key, S("a"));
    assert_str(map_next(&m, &i)->key, S(""));
    assert_null(map_next(&m, &i));
    map_free(&m);
}

static void removes_while_walking(void **state)
{
    (void)state;
    struct map m;
    static const char *const names[] = {"a", "b", "c", "d"};
    map_init(&m, key);
    for (int i = 0; i < 4; i++) map_set(&m, str_c(names[i]), &m);
    const struct map_entry *e;
    int seen = 0;
    for (size_t i = 0; (e = map_next(&m, &i)); seen++) map_remove(&m, e->key);
    assert_int_equal(seen, 4);
    assert_int_equal(m.live, 0);
    map_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_gets_removes),     cmocka_unit_test(colliding_keys),
        cmocka_unit_test(forgets_removed_keys),  cmocka_unit_test(agrees_with_a_list),
        cmocka_unit_test(removes_while_walking), cmocka_unit_test(sets_again_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
