/* Sequence sets (RFC 9051 §9, RFC 5182 §2.1). */
#include "proto/imap/set.h"

#include "base/test.h"
#include "proto/imap/test_rewrite.h"

static void reads_sets(void **state)
{
    (void)state;
    static const struct {
        struct str text;
        const char *set;       /* NULL: wrong */
        uint32_t max;
        const char *resolved;
    } rows[] = {
        {S_INIT("1"), "1", 5, "1"},
        {S_INIT("2:4"), "2:4", 5, "2:4"},
        {S_INIT("4:2"), "2:4", 5, "2:4"},
        {S_INIT("5,1,3"), "1,3,5", 9, "1,3,5"},
        {S_INIT("2,4:7,9,12:*"), "2,4:7,9,12:*", 15, "2,4:7,9,12:15"}, /* RFC 9051 §9 */
        {S_INIT("*:4,5:7"), "5:7,4:*", 10, "4:10"},
        {S_INIT("3:*"), "3:*", 3, "3"},
        {S_INIT("559:*"), "559:*", 20, "20"},
        {S_INIT("*"), "*", 20, "20"},
        {S_INIT("*"), "*", 0, ""},
        {S_INIT("1:*"), "1:*", 0, ""},
        {S_INIT("*:*"), "*", 7, "7"},
        {S_INIT("*,3:*,5:*"), "3:*", 7, "3:7"},
        {S_INIT("2,*"), "2,*", 1, "1:2"},
        {S_INIT("1:2,9,4:*"), "1:2,9,4:*", 5, "1:2,4:5,9"},
        {S_INIT("1,2,3,2,1"), "1:3", 9, "1:3"},
        {S_INIT("10:20,15:30,31"), "10:31", 40, "10:31"},
        {S_INIT("4294967295"), "4294967295", 9, "4294967295"},
        {S_INIT("4294967294,4294967295"), "4294967294:4294967295", 9, "4294967294:4294967295"},
        {S_INIT("1:4294967295,1:4294967295"), "1:4294967295", 9, "1:4294967295"},
        {S_INIT(""), NULL, 0, NULL},
        {S_INIT("0"), NULL, 0, NULL},
        {S_INIT("0:3"), NULL, 0, NULL},
        {S_INIT("4294967296"), NULL, 0, NULL},
        {S_INIT("1:"), NULL, 0, NULL},
        {S_INIT(":1"), NULL, 0, NULL},
        {S_INIT("1,"), NULL, 0, NULL},
        {S_INIT(",1"), NULL, 0, NULL},
        {S_INIT("1:2:3"), NULL, 0, NULL},
        {S_INIT("**"), NULL, 0, NULL},
        {S_INIT("-1"), NULL, 0, NULL},
        {S_INIT("1 2"), NULL, 0, NULL},
        {S_INIT("$,1"), NULL, 0, NULL},
        {S_INIT("1,$"), NULL, 0, NULL},
        {S_INIT("1\0"), NULL, 0, NULL},
    };
    struct arena *a = arena_new(NULL, 0);
    struct buf b = BUF(1000);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct imap_set s;
        int e = imap_set_parse(a, rows[i].text, &s);
        if (e != (rows[i].set ? 0 : ERR_SYNTAX)) fail_msg("%.*s: %d", STR_FMT(rows[i].text), e);
        if (e) continue;
        buf_clear(&b);
        rewrite_set(&b, &s);
        assert_str(buf_str(&b), str_c(rows[i].set));
        buf_clear(&b);
        struct uid_set resolved = imap_set_resolve(a, &s, rows[i].max);
        imap_put_set(&b, &resolved);
        assert_str(buf_str(&b), str_c(rows[i].resolved));
    }
    struct imap_set s;
    assert_int_equal(imap_set_parse(a, S("$"), &s), 0);
    assert_true(s.saved && s.numbers.n == 0 && s.from == 0);
    buf_free(&b);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_sets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
