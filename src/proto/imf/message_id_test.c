/* Message ids. */
#include "proto/imf/message_id.h"

#include "base/test.h"
#include "mail/limits.h"

static void test_lists(void **state)
{
    (void)state;
    static const struct {
        struct str body;
        size_t max;
        const char *ids;
    } table[] = {
        {S_INIT(" <1234@local.machine.example>"), 10, "1234@local.machine.example "},
        {S_INIT("<a@b>\r\n <c@d>\t<e@f>"), 10, "a@b c@d e@f "},
        {S_INIT("<a@b><c@d>"), 10, "a@b c@d "},
        {S_INIT("<a@b> <c@d> <a@b>"), 10, "a@b c@d "},
        /* RFC 5322 appendix A.5 */
        {S_INIT("<1234   @   local  .machine .example>"), 10, "1234@local.machine.example "},
        {S_INIT("Your letter of Monday <a@b> (about <c@d>)"), 10, "a@b c@d "},
        {S_INIT("<>"), 10, ""},
        {S_INIT(""), 10, ""},
        {S_INIT("<a@b"), 10, ""},
        {S_INIT("<<a@b>"), 10, "a@b "},
        {S_INIT("<a@b <c@d>"), 10, "c@d "},
        {S_INIT("bare@id"), 10, "bare@id "},
        {S_INIT("bare words"), 10, ""},
        {S_INIT("<1> <2> <3> <4> <5>"), 3, "1 4 5 "}, /* the first and the last */
        {S_INIT("<1> <2> <3>"), 1, "1 "},
        {S_INIT("<1> <2> <3>"), 2, "1 3 "},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct arena *a = arena_new(NULL, 0);
        struct buf *b = buf_in(a, 1000);
        struct imf_ids ids = imf_message_ids(a, table[i].body, table[i].max);
        for (size_t k = 0; k < ids.n; k++) {
            buf_add(b, ids.v[k]);
            buf_char(b, ' ');
        }
        assert_str(buf_str(b), str_c(table[i].ids));
        arena_free(a);
    }
}

static void test_many(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct buf *b = buf_in(a, 1 << 20);
    for (int i = 0; i < 5000; i++) buf_printf(b, "<%d@x> ", i);
    struct imf_ids ids = imf_message_ids(a, buf_str(b), LIMIT_REFERENCES);
    assert_int_equal(ids.n, LIMIT_REFERENCES);
    assert_str(ids.v[0], S("0@x"));
    assert_str(ids.v[1], S("4901@x"));
    assert_str(ids.v[99], S("4999@x"));
    assert_str(imf_message_id(a, buf_str(b)), S("0@x"));
    assert_true(str_is_none(imf_message_id(a, S("none at all"))));
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lists), cmocka_unit_test(test_many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
