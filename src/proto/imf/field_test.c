/* Header fields: names, folds, ends. */
#include "proto/imf/field.h"

#include "base/test.h"
#include "mail/limits.h"

static void test_walk(void **state)
{
    (void)state;
    static const struct {
        struct str letter;
        const char *fields; /* name=body;… */
        size_t size, body;
        bool separated, junk;
    } table[] = {
        {S_INIT(""), "", 0, 0, false, false},
        {S_INIT("\r\n"), "", 0, 2, true, false},
        {S_INIT("A: b\r\nC: d\r\n\r\nE: f\r\n"), "A= b;C= d;", 12, 14, true, false},
        {S_INIT("A: b\nC:\n\nbody"), "A= b;C=;", 8, 9, true, false},
        {S_INIT("A: b\r\n c\r\n\t\r\nD: e\r\n\r\n"), "A= b\r\n c\r\n\t;D= e;", 19, 21, true, false},
        {S_INIT("A \t: b\r\n\r\n"), "A= b;", 8, 10, true, false}, /* RFC 5322 §4.5.8 */
        {S_INIT("A: b"), "A= b;", 4, 4, false, false},
        {S_INIT("A: b\r"), "A= b\r;", 5, 5, false, false},
        {S_INIT("A: b\r\nno field here\r\nC: d\r\n\r\n"), "A= b;", 6, 6, false, true},
        {S_INIT(" A: b\r\n\r\n"), "", 0, 0, false, true},
        {S_INIT("\xC3\xA4: b\r\n\r\n"), "", 0, 0, false, true},
        {S_INIT("A\0: b\r\n\r\n"), "", 0, 0, false, true},
        {S_INIT(": b\r\n\r\n"), "", 0, 0, false, true},
        {S_INIT("From x Mon\r\nA: b\r\n\r\n"), "A= b;", 18, 20, true, true},
        {S_INIT("A: b\r\n>From x\r\n\r\n"), "A= b;", 6, 6, false, true},
        {S_INIT("A: b\rC: d\r\n\r\n"), "A= b\rC: d;", 11, 13, true, false}, /* a bare CR ends nothing */
        {S_INIT("A: b\r\n\r\r\nC: d\r\n"), "A= b;", 6, 6, false, true},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct imf_fields walk = {.text = table[i].letter};
        struct imf_field f;
        struct buf b = BUF(1000);
        size_t last = 0;
        while (imf_next_field(&walk, &f)) {
            buf_add(&b, f.name);
            buf_char(&b, '=');
            buf_add(&b, f.body);
            buf_char(&b, ';');
            assert_true(f.at >= last && f.end > f.at && f.name.p == table[i].letter.p + f.at);
            last = f.end;
        }
        assert_str(buf_str(&b), str_c(table[i].fields));
        buf_free(&b);
        struct imf_header h = imf_header_of(table[i].letter);
        assert_int_equal(h.size, table[i].size);
        assert_int_equal(h.body, table[i].body);
        assert_int_equal(h.separated, table[i].separated);
        assert_int_equal(h.junk, table[i].junk);
    }
}

static void test_name_limit(void **state)
{
    (void)state;
    char line[LIMIT_FIELD_NAME + 4];
    memset(line, 'x', sizeof line);
    line[LIMIT_FIELD_NAME] = ':';
    assert_int_equal(imf_field_name(str_of(line, sizeof line), NULL), LIMIT_FIELD_NAME);
    line[LIMIT_FIELD_NAME] = 'x';
    line[LIMIT_FIELD_NAME + 1] = ':';
    assert_int_equal(imf_field_name(str_of(line, sizeof line), NULL), 0);
}

static void test_find(void **state)
{
    (void)state;
    struct str letter = S("A: 1\r\nB: 2\r\na: 3\r\n\r\nA: 4\r\n");
    struct imf_field f;
    size_t from = 0;
    assert_true(imf_find_field(letter, S("a"), &from, &f));
    assert_str(f.body, S(" 1"));
    assert_true(imf_find_field(letter, S("A"), &from, &f));
    assert_str(f.body, S(" 3"));
    assert_int_equal(f.at, 12);
    assert_false(imf_find_field(letter, S("A"), &from, &f));
}

static void test_unfold(void **state)
{
    (void)state;
    static const struct {
        struct str raw, text;
    } table[] = {
        {S_INIT(" plain "), S_INIT("plain")},
        {S_INIT(" a\r\n b\r\n\tc\r\n"), S_INIT("a b\tc")},
        {S_INIT("a\n b"), S_INIT("a b")},
        {S_INIT("a\rb"), S_INIT("a b")},
        {S_INIT("a\nb"), S_INIT("a b")},
        {S_INIT(""), S_INIT("")},
        {S_INIT(" \r\n "), S_INIT("")},
    };
    struct arena *a = arena_new(NULL, 0);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        assert_str(imf_unfold(a, table[i].raw, 1000), table[i].text);
    assert_str(imf_unfold(a, S("abcdef"), 3), S("abc"));
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walk),
        cmocka_unit_test(test_name_limit),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_unfold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
