/* Who may send as whom: the table, each cell. */
#include "base/test.h"
#include "msa/rights.h"
#include "queue/directory_fixture.h"

static const char town[] = "domain example.org\n"
                           "domain old.example = example.org\n"
                           "domain mine.example\n"
                           "account alice@example.org\n"
                           "account bob@example.org\n"
                           "account carol+x@example.org\n"
                           "catch mine.example -> alice@example.org\n"
                           "alias team@example.org -> alice@example.org bob@example.org\n"
                           "alias list@example.org no-send -> alice@example.org\n"
                           "alias taken@mine.example -> bob@example.org\n"
                           "alias deep@example.org -> team@example.org\n"
                           "domain firm.example\n"
                           "domain firm.old = firm.example\n"
                           "account eve@firm.example\n"
                           "catch firm.example -> boss@firm.example\n"
                           "grant alice@example.org boss@firm.example\n"
                           "grant alice@example.org sales@firm.example\n"
                           "grant carol+x@example.org bob@example.org\n"
                           "account sales+eve@firm.example\n";

enum { ALICE = 4, BOB = 5, CAROL = 6, EVE = 14 };

static const struct {
    int account;
    const char *address;
    bool may;
} cases[] = {
    {ALICE, "alice@example.org", true},      {ALICE, "ALICE@Example.ORG", true},
    {ALICE, "alice+shop@example.org", true}, {ALICE, "alice@old.example", true},
    {ALICE, "bob@example.org", false},       {ALICE, "bob+x@example.org", false},
    {ALICE, "team@example.org", true},       {ALICE, "team+x@example.org", true},
    {ALICE, "deep@example.org", true},       {ALICE, "list@example.org", false},
    {ALICE, "anything@mine.example", true},  {ALICE, "taken@mine.example", false},
    {ALICE, "taken+x@mine.example", false},  {ALICE, "postmaster@mine.example", false},
    {ALICE, "a@elsewhere.example", false},   {ALICE, "nobody@example.org", false},
    {BOB, "anything@mine.example", false},   {BOB, "taken@mine.example", true},
    {BOB, "team@example.org", true},         {BOB, "alice@example.org", false},
    {CAROL, "carol@example.org", false},     {CAROL, "carol+x@example.org", true},
    {ALICE, "carol+x@example.org", false},   {0, "alice@example.org", false},
    {ALICE, "boss@firm.example", true},      {ALICE, "Boss@FIRM.example", true},
    {ALICE, "boss+x@firm.example", true},    {ALICE, "boss@firm.old", true},
    {BOB, "boss@firm.example", false},       {EVE, "boss@firm.example", false},
    {ALICE, "sales@firm.example", true},     {ALICE, "sales+eve@firm.example", false},
    {ALICE, "free@firm.example", false},     {ALICE, "boss@example.org", false},
    {CAROL, "bob@example.org", true},        {CAROL, "team@example.org", false},
    {CAROL, "taken@mine.example", false},
};

static void test_table(void **state)
{
    (void)state;
    const struct route_rules rules = {{"mail.example.org", 16}, '+'};
    struct arena *a = arena_new(NULL, 0);
    struct directory *d = directory_fixture(a, town);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct address address;
        assert_int_equal(address_parse(a, str_c(cases[i].address), &address), 0);
        if (may_send_as(a, d, &rules, cases[i].account, address) != cases[i].may) {
            print_error("account %d as %s\n", cases[i].account, cases[i].address);
            fail();
        }
    }
    directory_unref(d);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_table)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
