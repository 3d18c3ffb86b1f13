/* Searching within bounds: what SEARCH, SORT and THREAD work in is limited, by itself and with all others' together;
 * a command that would take more is refused with [LIMIT] (RFC 5530), and the session goes on. */
#include "maa/imap/testing.h"

#include "store/search.h"

enum { LETTERS = 300 };

static const char *const commands[] = {
    "search undeleted",
    "sort (subject) utf-8 all",
    "thread references utf-8 all",
    "thread orderedsubject utf-8 all",
    "search return (save all) all",
    "search body text",
    "search savedsince 1-Jan-2000",
    "esearch in (personal) return (count) undeleted",
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static FIBER struct imap_client *begin(struct imap_test *t)
{
    for (int i = 0; i < LETTERS; i++) {
        struct str letter = arena_printf(t->t.arena,
                                         "Subject: letter %d of a row\r\nMessage-ID: <%d@example.org>\r\n"
                                         "References: <%d@example.org> <%d@example.org>\r\n\r\ntext\r\n",
                                         i, i, i / 2, i / 3);
        imap_letter_in(t, t->bob, 0, letter, 0);
    }
    struct imap_client *c = imap_login(t, "bob");
    imap_ask(c, "select inbox");
    return c;
}

static FIBER bool refused(struct imap_client *c, const char *command)
{
    imap_ask_for(c, command, "*");
    bool no = str_starts(c->done, S("NO [LIMIT] "));
    if (no && c->said.n) fail_msg("%s: refused after\n%.*s", command, STR_FMT(c->said));
    if (!no && !str_starts(c->done, S("OK"))) fail_msg("%s: %.*s", command, STR_FMT(c->done));
    imap_ask(c, "noop");
    return no;
}

static FIBER void of_one(struct imap_test *t)
{
    struct imap_client *c = begin(t);
    size_t least[COMMANDS] = {0}; /* that a command is content with */
    for (size_t memory = 1024; memory <= 1 << 20; memory += memory / 4) {
        t->service.search_memory = memory;
        for (size_t i = 0; i < COMMANDS; i++) {
            bool no = refused(c, commands[i]);
            if (memory == 1024) assert_true(no);
            if (no) least[i] = 0;
            else if (!least[i]) least[i] = memory;
        }
    }
    for (size_t i = 0; i < COMMANDS; i++) {
        if (!least[i]) fail_msg("%s: never done", commands[i]);
        if (least[i] < least[0]) fail_msg("%s: in less than a simple search, %zu", commands[i], least[i]);
    }
    for (size_t i = 1; i < 4; i++) /* all that is found is looked at again */
        if (least[i] == least[0]) fail_msg("%s: not charged for, %zu", commands[i], least[i]);
    imap_bye(c);
}

static FIBER void of_all(struct imap_test *t)
{
    struct imap_client *c = begin(t);
    assert_true(store_search_take(t->t.store, LIMIT_IMAP_SEARCHES_MEMORY - 1024, LIMIT_IMAP_SEARCHES_MEMORY));
    for (size_t i = 0; i < COMMANDS; i++) assert_true(refused(c, commands[i]));
    store_search_give(t->t.store, LIMIT_IMAP_SEARCHES_MEMORY - 1024);
    for (size_t i = 0; i < COMMANDS; i++) assert_false(refused(c, commands[i]));
    /* and all was given back */
    assert_true(store_search_take(t->t.store, LIMIT_IMAP_SEARCHES_MEMORY, LIMIT_IMAP_SEARCHES_MEMORY));
    assert_false(store_search_take(t->t.store, 1, LIMIT_IMAP_SEARCHES_MEMORY));
    store_search_give(t->t.store, LIMIT_IMAP_SEARCHES_MEMORY);
    imap_bye(c);
}

static void test_of_one(void **state)
{
    (void)state;
    imap_twice(of_one);
}

static void test_of_all(void **state)
{
    (void)state;
    imap_twice(of_all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_of_one), cmocka_unit_test(test_of_all)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
