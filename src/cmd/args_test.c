#include "base/test.h"
#include "cmd/args.h"
#include "cmd/suggest.h"

struct read {
    bool flag;
    const char *text;
    struct words list, words;
    int64_t number;
    struct error e;
};

static int read(struct arena *a, struct read *r, bool stop, const char *line) /* words separated by blanks */
{
    char *argv[32];
    int argc = 0;
    *r = (struct read){0};
    for (struct str rest = str_c(line), word; (word = str_word(&rest)).n > 0;) argv[argc++] = arena_cstr(a, word);
    const struct arg table[] = {
        {"--flag", 'f', ARG_FLAG, &r->flag},
        {"--text", 't', ARG_TEXT, &r->text},
        {"--list", 0, ARG_TEXTS, &r->list},
        {"--number", 'n', ARG_NUMBER, &r->number},
        {0},
    };
    return args_read(a, argc, argv, table, stop, &r->words, &r->e);
}

static void options_and_words(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct read r;
    assert_int_equal(read(a, &r, false, "one --text x -f two --list a --list=b --number 7 -- --flag"), 0);
    assert_true(r.flag);
    assert_string_equal(r.text, "x");
    assert_int_equal(r.list.n, 2);
    assert_string_equal(r.list.v[1], "b");
    assert_int_equal(r.number, 7);
    assert_int_equal(r.words.n, 3);
    assert_string_equal(r.words.v[2], "--flag");
    assert_int_equal(read(a, &r, false, "--text=a=b -"), 0);
    assert_string_equal(r.text, "a=b");
    assert_string_equal(r.words.v[0], "-");
    assert_int_equal(read(a, &r, true, "-t x command --flag --unknown"), 0);
    assert_false(r.flag);
    assert_int_equal(r.words.n, 3);
    arena_free(a);
}

static void complaints(void **state)
{
    (void)state;
    static const struct {
        const char *line, *says;
    } cases[] = {
        {"--txet x", "no option --txet (did you mean --text?)"},
        {"--qqqqqqq", "no option --qqqqqqq"},
        {"-x", "no option -x"},
        {"--text", "--text wants a value"},
        {"--flag=yes", "--flag takes no value"},
        {"--number many", "--number wants a whole number, not \"many\""},
        {"-n -1", "--number wants a whole number, not \"-1\""},
    };
    struct arena *a = arena_new(NULL, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct read r;
        assert_int_equal(read(a, &r, false, cases[i].line), ERR_SYNTAX);
        assert_string_equal(r.e.text, cases[i].says);
    }
    arena_free(a);
}

static void sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t bytes; /* -1: wrong */
    } cases[] = {
        {"0", 0},
        {"1", 1},
        {"500", 500},
        {"1K", 1024},
        {"500M", INT64_C(500) << 20},
        {"2g", INT64_C(2) << 30},
        {"1T", INT64_C(1) << 40},
        {"", -1},
        {"M", -1},
        {"1.5G", -1},
        {"-1", -1},
        {"1X", -1},
        {"9000000000000000000T", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t n = -1;
        struct error e;
        assert_int_equal(args_size(cases[i].text, &n, &e), cases[i].bytes < 0 ? ERR_SYNTAX : 0);
        assert_int_equal(n, cases[i].bytes);
    }
}

static void suggestions(void **state)
{
    (void)state;
    static const char *const names[] = {"setup", "serve", "status", "send"};
    assert_string_equal(suggest(S("sreve"), names, 4), "serve");
    assert_string_equal(suggest(S("stats"), names, 4), "status");
    assert_string_equal(suggest(S("snd"), names, 4), "send");
    assert_null(suggest(S("frobnicate"), names, 4));
    assert_null(suggest(S(""), names, 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_and_words),
        cmocka_unit_test(complaints),
        cmocka_unit_test(sizes),
        cmocka_unit_test(suggestions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
