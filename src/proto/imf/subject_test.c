/* Base subjects (RFC 5256 §2.1). */
#include "proto/imf/subject.h"

#include "base/test.h"

static void test_base(void **state)
{
    (void)state;
    static const struct {
        struct str body;
        const char *text, *base;
        bool reply;
    } table[] = {
        {S_INIT(" Hello"), "Hello", "Hello", false},
        {S_INIT(""), "", "", false},
        {S_INIT("Re: Hello"), "Re: Hello", "Hello", true},
        {S_INIT("re : fwd: FW: Hello"), "re : fwd: FW: Hello", "Hello", true},
        {S_INIT("Re[4]: Hello"), "Re[4]: Hello", "Hello", true},
        {S_INIT("Re [x]: Hello"), "Re [x]: Hello", "Hello", true},
        {S_INIT("[list] Re: [list] Hello (fwd)"), "[list] Re: [list] Hello (fwd)", "Hello", true},
        {S_INIT("[list] Hello"), "[list] Hello", "Hello", false},
        {S_INIT("[a] [b] [c]"), "[a] [b] [c]", "[c]", false},
        {S_INIT("[a]"), "[a]", "[a]", false},
        {S_INIT("[a] Re:"), "[a] Re:", "", true},
        {S_INIT("[fwd: Re: Hello]"), "[fwd: Re: Hello]", "Hello", true},
        {S_INIT("[FWD: [fwd: x (fwd)]]"), "[FWD: [fwd: x (fwd)]]", "x", true},
        {S_INIT("Hello (fwd) (FWD)"), "Hello (fwd) (FWD)", "Hello", true},
        {S_INIT("Regards"), "Regards", "Regards", false},
        {S_INIT("Re"), "Re", "Re", false},
        {S_INIT(" a\r\n \t b"), "a b", "a b", false},
        {S_INIT("=?utf-8?q?Re:_Gr=C3=BC=C3=9Fe?="), "Re: Gr\xC3\xBC\xC3\x9F" "e", "Gr\xC3\xBC\xC3\x9F" "e", true},
        {S_INIT("Aw: Hello"), "Aw: Hello", "Aw: Hello", false}, /* RFC 5256 knows English only */
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct arena *a = arena_new(NULL, 0);
        struct imf_subject s = imf_subject_parse(a, table[i].body);
        assert_str(s.text, str_c(table[i].text));
        assert_str(s.base, str_c(table[i].base));
        assert_int_equal(s.reply, table[i].reply);
        arena_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_base)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
