/* Success told at acceptance (RFC 3461 §5.2.3, §5.2.7): to whom, of what, in the same commit. */
#include "queue/post_fixture.h"

void scheduler_accepted(struct scheduler *s, const struct acceptance *a, struct str body)
{
    (void)s, (void)a, (void)body;
    fail_msg("there is no scheduler");
}

#define LETTER "From: alice@example.org\r\nSubject: a letter\r\nMessage-ID: <1@example.org>\r\n\r\nThe secret text.\r\n"

enum { UNSAID = DSN_NOTIFY_UNSAID, NEVER = DSN_NOTIFY_NEVER, SUCCESS = DSN_NOTIFY_SUCCESS,
       FAILURE = DSN_NOTIFY_FAILURE };

static const struct {
    const char *sender;
    bool trusted;
    const char *rcpt;
    unsigned notify;
    const char *action; /* "" no report */
} cases[] = {
    {"alice@example.org", true, "carol@example.org", SUCCESS, "delivered"},
    {"alice@example.org", true, "carol+detail@example.org", SUCCESS | FAILURE, "delivered"},
    {"alice@example.org", true, "nick@example.org", SUCCESS, "delivered"},
    {"alice@example.org", true, "team@example.org", SUCCESS, "expanded"},
    {"alice@example.org", true, "bob@example.org", SUCCESS, "expanded"},
    {"alice@example.org", true, "carol@example.org", UNSAID, ""},
    {"alice@example.org", true, "carol@example.org", FAILURE, ""},
    {"alice@example.org", true, "carol@example.org", NEVER, ""},
    /* elsewhere: who carries it says how far it came */
    {"alice@example.org", true, "away@example.org", SUCCESS, ""},
    {"alice@example.org", true, "x@elsewhere.example", SUCCESS, ""},
    /* a stranger's claim is no reason to write to anybody */
    {"alice@example.org", false, "carol@example.org", SUCCESS, ""},
    {"alice@example.org", false, "team@example.org", SUCCESS, ""},
    {"", true, "carol@example.org", SUCCESS, ""},
    /* nobody has this address */
    {"former@example.org", true, "carol@example.org", SUCCESS, ""},
};

static FIBER void test_cases(struct post_room *p)
{
    size_t seen = 0, n;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct forward_path to = {.address = address_of(p->arena, cases[i].rcpt), .notify = cases[i].notify};
        const struct sending s = {
            .from = {.address = address_of(p->arena, cases[i].sender), .size = -1, .envid = S("e 1")},
            .trusted = cases[i].trusted, .to = &to, .n = 1, .bytes = S(LETTER)};
        int64_t jobs = store_stats(p->store).jobs;
        int64_t id = post_take_in(p, &s);
        assert_int_equal(store_stats(p->store).jobs, jobs + 1); /* the report is in the letter's own commit */
        struct str *inbox = inbox_of(p, "alice@example.org", &n);
        if (n != seen + (*cases[i].action != 0)) fail_msg("case %zu: %zu reports", i, n - seen);
        seen = n;
        if (!*cases[i].action) continue;
        struct str status = part_of(p->arena, inbox[n - 1], 1);
        assert_contains(status, S("Original-Envelope-Id: e 1\r\n"));
        assert_contains(status, arena_printf(p->arena, "\r\n\r\nFinal-Recipient: rfc822; %s\r\nAction: %s\r\n",
                                             cases[i].rcpt, cases[i].action));
        assert_contains(status, S("Status: 2.0.0\r\n"));
        assert_contains(part_of(p->arena, inbox[n - 1], 2), S("Message-ID: <1@example.org>\r\n"));
        assert_lacks(inbox[n - 1], S("secret text"));
        assert_contains(inbox[n - 1], S("Return-Path: <>\r\n"));
        assert_contains(record_of(p, id), S("2 -1  250 ")); /* accepted */
    }
}

/* Whoever is told that it went to several is not told again of each (RFC 3461 §5.2.7.3). */
static FIBER void test_a_letter_to_many(struct post_room *p)
{
    const struct forward_path to[] = {
        {.address = address_of(p->arena, "carol@example.org"), .notify = SUCCESS, .orcpt = S("rfc822;c@old.example")},
        {.address = address_of(p->arena, "team@example.org"), .notify = SUCCESS | FAILURE},
        {.address = address_of(p->arena, "x@elsewhere.example"), .notify = SUCCESS},
        {.address = address_of(p->arena, "nick@example.org"), .notify = FAILURE},
    };
    const struct sending s = {.from = {.address = address_of(p->arena, "alice@example.org"), .size = -1},
                              .trusted = true, .to = to, .n = 4, .bytes = S(LETTER)};
    struct error e = {0};
    struct queue_item *rows;
    size_t n;
    bool more;
    int64_t id = post_take_in(p, &s);
    struct str *inbox = inbox_of(p, "alice@example.org", &n);
    assert_int_equal(n, 1);
    struct str status = part_of(p->arena, inbox[0], 1);
    assert_contains(status,
                    S("Original-Recipient: rfc822; c@old.example\r\nFinal-Recipient: rfc822; carol@example.org\r\n"
                      "Action: delivered\r\n"));
    assert_contains(status, S("Final-Recipient: rfc822; team@example.org\r\nAction: expanded\r\n"));
    assert_lacks(status, S("nick"));
    assert_lacks(status, S("elsewhere"));

    const struct queue_filter filter = {.message = id};
    right(store_queue_list(p->store, p->arena, &filter, (struct queue_place){0}, 10, &rows, &n, &more, &e), &e);
    assert_int_equal(n, 3);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(rows[i].notify, rows[i].recipient == 1 ? (unsigned)FAILURE : (unsigned)SUCCESS);
}

IN_POST_ROOM(test_cases)
IN_POST_ROOM(test_a_letter_to_many)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases_room),
        cmocka_unit_test(test_a_letter_to_many_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
