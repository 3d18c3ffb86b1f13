/* sendmail(1) as other people's programs call it. */
#include "base/test.h"
#include "cmd/sendmail.h"

enum { WORDS = 8 };

struct row {
    const char *argv[WORDS];
    struct sendmail_words expected;
    const char *recipients; /* "a b ", NULL: refused */
};

static const struct row rows[] = {
    {{"bob"}, {0}, "bob "},
    {{"-t", "-i"}, {.from_header = true, .keep_dots = true}, ""},
    {{"-ti"}, {.from_header = true, .keep_dots = true}, ""},
    {{"-oi", "-t"}, {.from_header = true, .keep_dots = true}, ""},
    /* cron */
    {{"-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root"}, {.name = "CronDaemon", .keep_dots = true}, "root "},
    {{"-i", "-f", "www@x", "--", "bob", "-t"}, {.from = "www@x", .keep_dots = true}, "bob -t "},
    {{"-fwww@x", "bob"}, {.from = "www@x"}, "bob "},
    {{"-f", "", "bob"}, {.from = ""}, "bob "},
    {{"-r", "x", "bob"}, {.from = "x"}, "bob "},
    {{"-oem", "-oi", "-odb", "-om", "a", "b"}, {.keep_dots = true}, "a b "},
    {{"-o", "i", "a"}, {.keep_dots = true}, "a "},
    {{"-O", "DeliveryMode=b", "-OQueueDirectory=/x", "a"}, {0}, "a "},
    {{"-N", "success,failure", "-R", "full", "-V", "e1", "a"},
     {.notify = DSN_NOTIFY_SUCCESS | DSN_NOTIFY_FAILURE, .ret = DSN_RET_FULL, .envid = "e1"},
     "a "},
    {{"-Nnever", "-Rhdrs", "a"}, {.notify = DSN_NOTIFY_NEVER, .ret = DSN_RET_HDRS}, "a "},
    {{"-bs"}, {.mode = SENDMAIL_SPEAK}, ""},
    {{"-b", "p"}, {.mode = SENDMAIL_LIST}, ""},
    {{"-bm", "a"}, {0}, "a "},
    {{"-bi"}, {.mode = SENDMAIL_ALIASES}, ""},
    {{"-I"}, {.mode = SENDMAIL_ALIASES}, ""},
    {{"-q"}, {.mode = SENDMAIL_FLUSH}, ""},
    {{"-qRexample.org"}, {.mode = SENDMAIL_FLUSH, .flush = 'R', .flush_what = "example.org"}, ""},
    {{"-v", "-d0.1", "-em", "-Am", "a"}, {.verbose = true}, "a "},
    {{"-", "a"}, {0}, "- a "},
    {{"-f"}, {0}, NULL},
    {{"-Z"}, {0}, NULL},
    {{"-bd", "-q30m"}, {0}, NULL},
    {{"-q30m"}, {0}, NULL},
    {{"-bx"}, {0}, NULL},
    {{"-N", "never,delay", "a"}, {0}, NULL},
    {{"-N", "often", "a"}, {0}, NULL},
    {{"-R", "some", "a"}, {0}, NULL},
};

static bool same(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }

static void words(void **state)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *r = &rows[i];
        struct arena *a = arena_new(NULL, 0);
        struct sendmail_words w;
        struct error e = {0};
        int argc = 0;
        char *argv[WORDS];
        for (; argc < WORDS && r->argv[argc]; argc++) argv[argc] = (char *)(uintptr_t)r->argv[argc];
        int error = sendmail_words(a, argc, argv, &w, &e);
        assert_int_equal(error, r->recipients ? 0 : ERR_SYNTAX);
        if (!r->recipients) {
            assert_true(e.text[0] != 0);
        } else {
            struct buf *to = buf_in(a, 1000);
            for (size_t k = 0; k < w.recipients.n; k++) buf_printf(to, "%s ", w.recipients.v[k]);
            assert_str(buf_str(to), str_c(r->recipients));
            const struct sendmail_words *x = &r->expected;
            assert_int_equal(w.mode, x->mode);
            assert_int_equal(w.from_header, x->from_header);
            assert_int_equal(w.keep_dots, x->keep_dots);
            assert_int_equal(w.verbose, x->verbose);
            assert_int_equal(w.notify, x->notify);
            assert_int_equal(w.ret, x->ret);
            assert_int_equal(w.flush, x->flush);
            assert_true(same(w.from, x->from) && same(w.name, x->name) && same(w.envid, x->envid));
            assert_true(same(w.flush_what, x->flush_what));
        }
        arena_free(a);
    }
    (void)state;
}

static void names(void **state)
{
    (void)state;
    assert_string_equal(sendmail_by_name("/usr/sbin/sendmail"), "");
    assert_string_equal(sendmail_by_name("mailq"), "-bp");
    assert_string_equal(sendmail_by_name("./newaliases"), "-bi");
    assert_null(sendmail_by_name("penny"));
    assert_null(sendmail_by_name("/usr/sbin/sendmail/penny"));
    assert_null(sendmail_by_name(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(words), cmocka_unit_test(names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
