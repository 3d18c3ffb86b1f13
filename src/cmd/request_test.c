#include "base/test.h"
#include "cmd/request.h"
#include "mail/limits.h"

static void members(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    json_t *r;
    struct error e;
    assert_int_equal(request_read(a, S("{\"op\":\"x\",\"n\":7,\"yes\":true,\"text\":\"gr\\u00fc\\\"\"}"), &r, &e), 0);
    assert_str(request_text(r, "op"), S("x"));
    assert_str(request_text(r, "text"), S("gr\xc3\xbc\""));
    assert_true(str_is_none(request_text(r, "n")));
    assert_true(str_is_none(request_text(r, "absent")));
    assert_int_equal(request_int(r, "n", 1), 7);
    assert_int_equal(request_int(r, "op", 1), 1);
    assert_true(request_bool(r, "yes"));
    assert_false(request_bool(r, "n"));
    arena_free(a);
}

static void refusals(void **state)
{
    (void)state;
    static const struct {
        struct str text;
        int error;
    } cases[] = {
        {S_INIT(""), ERR_SYNTAX},
        {S_INIT("[]"), ERR_SYNTAX},
        {S_INIT("\"op\""), ERR_SYNTAX},
        {S_INIT("{\"op\":1"), ERR_SYNTAX},
        {S_INIT("{\"op\":1} x"), ERR_SYNTAX},
        {S_INIT("{\"op\":1,\"op\":2}"), ERR_SYNTAX},
        {S_INIT("{\"op\":\"\xff\"}"), ERR_SYNTAX},
        {S_INIT("{\"op\":\"a\\u0000b\"}"), ERR_SYNTAX},
    };
    struct arena *a = arena_new(NULL, 0);
    json_t *r;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error e = {0};
        assert_int_equal(request_read(a, cases[i].text, &r, &e), cases[i].error);
        assert_true(e.text[0]);
    }
    arena_free(a);
}

/* {"a":[[[…]]]} with `depth` levels in all */
static struct str nested(struct arena *a, int depth)
{
    struct buf *b = buf_in(a, 1 << 20);
    buf_lit(b, "{\"a\":");
    for (int i = 1; i < depth; i++) buf_char(b, '[');
    for (int i = 1; i < depth; i++) buf_char(b, ']');
    if (depth == 1) buf_lit(b, "\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[[[[[\"");
    buf_char(b, '}');
    return buf_str(b);
}

static void limits(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    json_t *r;
    struct error e;
    assert_int_equal(request_read(a, nested(a, 1), &r, &e), 0); /* brackets in a string are none */
    assert_int_equal(request_read(a, nested(a, LIMIT_JSON_DEPTH), &r, &e), 0);
    assert_int_equal(request_read(a, nested(a, LIMIT_JSON_DEPTH + 1), &r, &e), ERR_TOO_LONG);
    assert_int_equal(request_read(a, nested(a, 100000), &r, &e), ERR_TOO_LONG);
    struct buf *b = buf_in(a, 2 * LIMIT_ADMIN_REQUEST);
    buf_lit(b, "{\"a\":1");
    while (b->n < LIMIT_ADMIN_REQUEST - 1) buf_char(b, ' ');
    buf_char(b, '}');
    assert_int_equal(request_read(a, buf_str(b), &r, &e), 0);
    b->n--;
    buf_lit(b, " }");
    assert_int_equal(request_read(a, buf_str(b), &r, &e), ERR_TOO_LONG);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(members), cmocka_unit_test(refusals), cmocka_unit_test(limits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
