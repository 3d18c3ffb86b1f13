/* Threading (RFC 5256): what comes out for letters that answer each other in all the ways there are. */
#include "maa/imap/thread.h"

#include <stdlib.h>

#include "base/test.h"

struct row { /* a letter: ids as letters, '-' none */
    const char *id, *references, *subject; /* a subject with '+' in front is a reply's */
    int sent;
};

static struct str thread(struct arena *a, const struct row *rows, size_t n, enum imap_thread_algorithm how)
{
    struct imap_threading t = {.algorithm = how, .arena = a, .n = n, .out = buf_in(a, 64 << 20), .key = {{3, 4}}};
    t.letters = arena_array(a, n, sizeof *t.letters);
    for (size_t i = 0; i < n; i++) {
        struct imap_thread_letter *l = &t.letters[i];
        const struct row *r = &rows[i];
        bool reply = r->subject[0] == '+';
        *l = (struct imap_thread_letter){.number = (uint32_t)i + 1,
                                         .sent = r->sent ? r->sent : (utc_us)i,
                                         .subject = str_c(r->subject + reply),
                                         .reply = reply,
                                         .id = r->id[0] == '-' ? 0 : (uint64_t)(unsigned char)r->id[0],
                                         .n_references = strlen(r->references)};
        l->references = arena_array(a, l->n_references, sizeof *l->references);
        for (size_t k = 0; k < l->n_references; k++) l->references[k] = (uint64_t)(unsigned char)r->references[k];
    }
    imap_thread(&t);
    return buf_str(t.out);
}

static const struct {
    const char *what;
    struct row rows[8];
    const char *references, *ordered;
} cases[] = {
    {"nothing", {{0}}, "* THREAD\r\n", "* THREAD\r\n"},
    {"one", {{"a", "", "x", 0}}, "* THREAD (1)\r\n", "* THREAD (1)\r\n"},
    {"a chain",
     {{"a", "", "x", 0}, {"b", "a", "+x", 0}, {"c", "ab", "+x", 0}},
     "* THREAD (1 2 3)\r\n",
     "* THREAD (1 (2)(3))\r\n"},
    {"a fork",
     {{"a", "", "x", 0}, {"b", "a", "+x", 0}, {"c", "a", "+x", 0}, {"d", "ac", "+x", 0}},
     "* THREAD (1 (2)(3 4))\r\n",
     "* THREAD (1 (2)(3)(4))\r\n"},
    {"out of order, by date",
     {{"c", "ab", "+x", 30}, {"b", "a", "+x", 20}, {"a", "", "x", 10}, {"d", "", "y", 5}},
     "* THREAD (4)(3 2 1)\r\n",
     "* THREAD (4)(3 (2)(1))\r\n"},
    {"a parent that is not there",
     {{"b", "a", "+x", 0}, {"c", "a", "+x", 0}},
     "* THREAD ((1)(2))\r\n",
     "* THREAD (1 2)\r\n"},
    {"one child of it", {{"b", "a", "+x", 0}, {"c", "", "y", 0}}, "* THREAD (1)(2)\r\n", "* THREAD (1)(2)\r\n"},
    {"in the middle of a chain",
     {{"a", "", "x", 0}, {"c", "ab", "+x", 0}, {"d", "abc", "+x", 0}},
     "* THREAD (1 2 3)\r\n",
     "* THREAD (1 (2)(3))\r\n"},
    {"a loop", {{"a", "b", "x", 0}, {"b", "a", "y", 0}}, "* THREAD (2 1)\r\n", "* THREAD (1)(2)\r\n"},
    {"itself", {{"a", "a", "x", 0}, {"b", "ba", "y", 0}}, "* THREAD (2 1)\r\n", "* THREAD (1)(2)\r\n"},
    {"an id twice", {{"a", "", "x", 0}, {"a", "", "y", 0}, {"b", "a", "z", 0}}, "* THREAD (1 3)(2)\r\n",
     "* THREAD (1)(2)(3)\r\n"},
    {"a reply known by its subject", {{"a", "", "x", 0}, {"-", "", "+x", 0}}, "* THREAD (1 2)\r\n",
     "* THREAD (1 2)\r\n"},
    {"two of a subject", {{"a", "", "x", 0}, {"b", "", "x", 0}}, "* THREAD ((1)(2))\r\n", "* THREAD (1 2)\r\n"},
    {"without a subject", {{"a", "", "", 0}, {"b", "", "", 0}}, "* THREAD (1)(2)\r\n", "* THREAD (1 2)\r\n"},
    {"two groups of a subject",
     {{"b", "a", "+x", 0}, {"c", "a", "+x", 0}, {"e", "d", "+x", 0}, {"f", "d", "+x", 0}},
     "* THREAD ((1)(2)(3)(4))\r\n",
     "* THREAD (1 (2)(3)(4))\r\n"},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *a = arena_new(NULL, 0);
        size_t n = 0;
        while (n < 8 && cases[i].rows[n].id) n++;
        struct str by_references = thread(a, cases[i].rows, n, IMAP_THREAD_REFERENCES);
        struct str by_subject = thread(a, cases[i].rows, n, IMAP_THREAD_ORDEREDSUBJECT);
        if (!str_eq(by_references, str_c(cases[i].references)) || !str_eq(by_subject, str_c(cases[i].ordered)))
            print_error("%s\n", cases[i].what);
        assert_str(by_references, str_c(cases[i].references));
        assert_str(by_subject, str_c(cases[i].ordered));
        arena_free(a);
    }
}

/* Each letter is told of once, whatever it says; and in time, however deep. */
static void test_any(void **state)
{
    (void)state;
    enum { N = 50000 };
    for (int kind = 0; kind < 3; kind++) {
        struct arena *a = arena_new(NULL, 0);
        struct imap_threading t = {.algorithm = IMAP_THREAD_REFERENCES, .arena = a, .n = N, .key = {{3, 4}}};
        t.out = buf_in(a, 64 << 20);
        t.letters = arena_array(a, N, sizeof *t.letters);
        uint64_t random = 7;
        for (size_t i = 0; i < N; i++) {
            struct imap_thread_letter *l = &t.letters[i];
            random = random * 6364136223846793005u + 1442695040888963407u;
            *l = (struct imap_thread_letter){.number = (uint32_t)i + 1,
                                             .sent = (utc_us)(random >> 40),
                                             .id = i + 1,
                                             .reply = random & 1,
                                             .subject = random & 2 ? S("x") : S("")};
            l->references = arena_array(a, 5, sizeof *l->references);
            l->n_references = kind == 0 ? 1 : 5;
            for (size_t k = 0; k < l->n_references; k++)
                l->references[k] = kind == 0   ? i                                   /* one chain */
                                   : kind == 1 ? (random >> (7 * k)) % (2 * N) + 1   /* anything */
                                               : (i + N - 5 + k) % N + 1;            /* loops */
        }
        imap_thread(&t);
        bool *seen = arena_array(a, N + 1, sizeof *seen);
        size_t count = 0, depth = 0;
        struct str out = str_skip(buf_str(t.out), sizeof "* THREAD " - 1);
        for (size_t i = 0; i < out.n; i++) {
            depth += out.p[i] == '(';
            depth -= out.p[i] == ')';
            if (!ch_digit(out.p[i])) continue;
            size_t number = 0;
            for (; ch_digit(out.p[i]); i++) number = number * 10 + (size_t)(out.p[i] - '0');
            i--;
            assert_true(number >= 1 && number <= N && !seen[number] && depth > 0);
            seen[number] = true;
            count++;
        }
        assert_int_equal(count, N);
        assert_int_equal(depth, 0);
        arena_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases), cmocka_unit_test(test_any)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
