/* Growing buffers and their maximum. */
#include "base/buf.h"

#include "base/test.h"

static void grows(void **state)
{
    (void)state;
    struct buf b = BUF(100000);
    assert_str(buf_str(&b), S(""));
    assert_false(str_is_none(buf_str(&b)));
    for (int i = 0; i < 50000; i++) buf_add(&b, S("ab"));
    assert_int_equal(b.failed, 0);
    assert_int_equal(b.n, 100000);
    for (size_t i = 0; i < b.n; i++) assert_int_equal(b.p[i], "ab"[i % 2]);
    assert_true(b.cap <= 100000);
    buf_char(&b, 'x');
    assert_int_equal(b.failed, ERR_TOO_LONG);
    buf_clear(&b);
    buf_char(&b, 'x');
    assert_str(buf_str(&b), S("x"));
    buf_free(&b);
    buf_lit(&b, "usable after buf_free()");
    assert_int_equal(b.failed, 0);
    buf_free(&b);
}

static void failing_is_sticky(void **state)
{
    (void)state;
    struct buf b = BUF(5);
    buf_lit(&b, "abc");
    buf_lit(&b, "def");
    assert_int_equal(b.failed, ERR_TOO_LONG);
    buf_char(&b, 'x'); /* would fit */
    buf_u64(&b, 1);
    buf_printf(&b, "%d", 1);
    assert_null(buf_reserve(&b, 0));
    assert_str(buf_str(&b), S("abc"));
    buf_free(&b);
    b = BUF(0);
    assert_non_null(buf_reserve(&b, 0));
    buf_lit(&b, "");
    assert_int_equal(b.failed, 0);
    buf_char(&b, 'x');
    assert_int_equal(b.failed, ERR_TOO_LONG);
    buf_free(&b);
}

static void writes_numbers(void **state)
{
    (void)state;
    static const struct {
        uint64_t v;
        const char *text;
    } cases[] = {{0, "0"}, {9, "9"}, {10, "10"}, {4294967296, "4294967296"}, {UINT64_MAX, "18446744073709551615"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf b = BUF(20);
        buf_u64(&b, cases[i].v);
        assert_str(buf_str(&b), str_c(cases[i].text));
        buf_free(&b);
    }
}

static void prints_up_to_the_maximum(void **state)
{
    (void)state;
    static const int sizes[] = {1, 5, 254, 255, 256, 257, 1000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct buf b = BUF((size_t)sizes[i]);
        buf_printf(&b, "%*d", sizes[i], 7);
        assert_int_equal(b.failed, 0);
        assert_int_equal(b.n, sizes[i]);
        assert_int_equal(b.p[b.n - 1], '7');
        buf_clear(&b);
        buf_printf(&b, "%*d", sizes[i] + 1, 7);
        assert_int_equal(b.failed, ERR_TOO_LONG);
        assert_int_equal(b.n, 0);
        buf_free(&b);
    }
}

static void drops(void **state)
{
    (void)state;
    struct buf b = BUF(10);
    buf_lit(&b, "0123456789");
    buf_drop(&b, 0);
    buf_drop(&b, 3);
    assert_str(buf_str(&b), S("3456789"));
    buf_drop(&b, 99);
    assert_str(buf_str(&b), S(""));
    buf_free(&b);
}

static void reserves(void **state)
{
    (void)state;
    struct buf b = BUF(1000);
    char *p = buf_reserve(&b, 1000);
    memset(p, 'x', 1000);
    b.n += 1000;
    assert_null(buf_reserve(&b, 1));
    buf_clear(&b);
    assert_null(buf_reserve(&b, SIZE_MAX));
    buf_free(&b);
}

static void stays_in_the_array(void **state)
{
    (void)state;
    char room[4];
    struct buf b = BUF_OVER(room);
    buf_lit(&b, "abcd");
    assert_int_equal(b.failed, 0);
    buf_char(&b, 'e');
    assert_int_equal(b.failed, ERR_TOO_LONG);
    assert_ptr_equal(b.p, room);
}

static void wipes(void **state)
{
    (void)state;
    struct buf b = BUF(16);
    buf_reserve(&b, 16);
    buf_lit(&b, "secret");
    char *p = b.p;
    buf_drop(&b, 1); /* leaves a byte behind the end */
    buf_wipe(&b);
    assert_int_equal(b.n, 0);
    for (int i = 0; i < 6; i++) assert_int_equal(p[i], 0);
    buf_free(&b);
    buf_wipe(&b);
}

static void dies_with_its_arena(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct buf *b = buf_in(a, 100);
    buf_lit(b, "LeakSanitizer watches");
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows),
        cmocka_unit_test(failing_is_sticky),
        cmocka_unit_test(writes_numbers),
        cmocka_unit_test(prints_up_to_the_maximum),
        cmocka_unit_test(drops),
        cmocka_unit_test(reserves),
        cmocka_unit_test(stays_in_the_array),
        cmocka_unit_test(wipes),
        cmocka_unit_test(dies_with_its_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
