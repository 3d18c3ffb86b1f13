/* What is made of a letter and its routes: copies, rows, and the record of both. */
#include "queue/planning.h"

#include "base/codec.h"
#include "queue/post_fixture.h"

void scheduler_accepted(struct scheduler *s, const struct acceptance *a, struct str body)
{
    (void)s, (void)a, (void)body;
    fail_msg("nothing is accepted here");
}

#define LETTER "From: ann@example.net\r\nSubject: a letter\r\nMessage-ID: <1@example.net>\r\n\r\nHello.\r\n"

enum { RCPT_MAX = 8 };

struct planned {
    struct sending s;
    struct forward_path to[RCPT_MAX];
    struct transaction t;
    struct journey journey;
    struct reply results[RCPT_MAX];
    struct acceptance out;
    bool anybody;
};

/* recipients: addresses with blanks between them. */
static void begin(struct post_room *p, struct planned *l, const char *sender, bool trusted, const char *recipients)
{
    struct str rest = str_c(recipients), word;
    *l = (struct planned){.s = {.from = {.address = address_of(p->arena, sender), .size = -1},
                                .trusted = trusted,
                                .to = l->to,
                                .bytes = S(LETTER)}};
    while ((word = str_word(&rest)).n) l->to[l->s.n++].address = address_of(p->arena, arena_cstr(p->arena, word));
}

static FIBER void finish(struct post_room *p, struct planned *l)
{
    struct error e = {0};
    struct incoming_recipient *rcpt;
    l->t = post_begin(p, p->arena, &l->s, &rcpt);
    struct body *body = body_begin(p->store, p->arena);
    right(body_write(body, l->s.bytes, &e), &e);
    right(body_finish(body, &e), &e);
    struct planning plan = {.queue = &p->queue,
                            .arena = p->arena,
                            .t = &l->t,
                            .now = l->t.at,
                            .authenticated = l->s.trusted,
                            .rcpt = rcpt,
                            .n_rcpt = l->s.n,
                            .journey = l->journey,
                            .body = body,
                            .prefix = S("Received: here\r\n"),
                            .letter = mime_parse(p->arena, l->s.bytes)};
    l->anybody = plan_acceptance(&plan, &l->out, l->results);
}

static FIBER void plan(struct post_room *p, struct planned *l, const char *sender, bool trusted, const char *recipients)
{
    begin(p, l, sender, trusted, recipients);
    finish(p, l);
}

/* "prefix -> recipient" of copies, "address by next-hop" of rows; an f for what was forwarded */
static struct str copies_of(struct post_room *p, const struct planned *l)
{
    struct buf *b = buf_in(p->arena, 65536);
    for (size_t i = 0; i < l->out.n_deliveries; i++) {
        struct str prefix = l->out.deliveries[i].prefix, line, word;
        buf_printf(b, "%u:", l->out.deliveries[i].recipient);
        while (str_cut(prefix, '\n', &line, &prefix)) {
            str_word(&line);
            word = str_trim(line);
            if (word.n && word.p[word.n - 1] == '\r') word.n--;
            buf_printf(b, " %.*s", STR_FMT(word));
        }
        buf_char(b, '\n');
    }
    return buf_str(b);
}

static struct str rows_of(struct post_room *p, const struct planned *l)
{
    struct buf *b = buf_in(p->arena, 65536);
    for (size_t i = 0; i < l->out.n_queue; i++) {
        const struct queued *w = &l->out.queue[i];
        buf_printf(b, "%u: ", w->recipient);
        address_put(b, w->final);
        buf_printf(b, " by %.*s%s\n", STR_FMT(w->next_hop), w->forwarded ? " forwarded" : "");
    }
    return buf_str(b);
}

static struct str told(struct post_room *p, const struct planned *l)
{
    struct buf *b = buf_in(p->arena, 65536);
    for (size_t i = 0; i < l->out.n_events; i++) {
        const struct trace_event *t = &l->out.events[i];
        buf_printf(b, "%d %d %.*s %d %.*s\n", t->kind, t->recipient, STR_FMT(t->address), t->code, STR_FMT(t->text));
    }
    return buf_str(b);
}

static FIBER void test_copies_and_rows(struct post_room *p)
{
    struct planned l;
    plan(p, &l, "Ann@example.net", false, "Carol+x@EXAMPLE.org nick@example.org team@example.org x@Else.example");
    assert_true(l.anybody);
    /* carol+x and carol are two final addresses; carol by nick and by team is one */
    assert_str(copies_of(p, &l), S("0: <Ann@example.net> carol+x@example.org\n"
                                   "1: <Ann@example.net> carol@example.org nick@example.org\n"
                                   "2: <Ann@example.net> bob@example.org team@example.org\n"));
    assert_str(rows_of(p, &l), S("2: bob@private.example by private.example forwarded\n"
                                 "2: dave@elsewhere.example by elsewhere.example forwarded\n"
                                 "3: x@else.example by else.example\n"));
    assert_int_equal(l.out.n_recipients, 4);
    assert_str(address_str(p->arena, l.out.recipients[1].final), S("carol@example.org"));
    assert_true(address_is_null(l.out.recipients[2].final)); /* there is no one */
    assert_false(l.out.authenticated);
    assert_int_equal(l.out.facts->n_thread_refs, 1);
    assert_str(l.out.facts->message_id, S("1@example.net"));
    assert_str(told(p, &l), S("1 -1  0 \n6 0 carol+x@example.org 0 INBOX\n6 1 carol@example.org 0 INBOX\n"
                              "6 2 bob@example.org 0 INBOX\n"
                              "3 2 bob@private.example 0 the MX hosts of private.example\n"
                              "3 2 dave@elsewhere.example 0 the MX hosts of elsewhere.example\n"
                              "3 3 x@else.example 0 the MX hosts of else.example\n2 -1  250 \n"));
}

static FIBER void test_patience(struct post_room *p)
{
    struct planned l;
    plan(p, &l, "ann@example.net", false, "x@elsewhere.example");
    assert_int_equal(l.out.queue[0].not_before, l.t.at);
    assert_int_equal(l.out.queue[0].expires, l.t.at + SPAN_EXPIRES);
    assert_false(l.out.queue[0].leased); /* nobody would carry it from memory */
    plan(p, &l, "", false, "x@elsewhere.example");
    assert_int_equal(l.out.queue[0].expires, l.t.at + SPAN_EXPIRES_NULL);
    p->queue.scheduler = (struct scheduler *)p;
    plan(p, &l, "ann@example.net", false, "x@elsewhere.example");
    p->queue.scheduler = NULL;
    assert_true(l.out.queue[0].leased);
}

/* RFC 4865 */
static FIBER void test_held_back(struct post_room *p)
{
    struct planned l;
    begin(p, &l, "alice@example.org", true, "nick@example.org x@elsewhere.example away@example.org");
    l.s.from.hold_for = 7200;
    finish(p, &l);
    assert_str(copies_of(p, &l), S(""));
    assert_str(rows_of(p, &l), S("0: nick@example.org by local\n1: x@elsewhere.example by elsewhere.example\n"
                                 "2: away@example.org by local\n"));
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(l.out.queue[i].not_before, l.t.at + HOURS(2));
        assert_int_equal(l.out.queue[i].expires, l.t.at + HOURS(2) + SPAN_EXPIRES);
        assert_false(l.out.queue[i].leased);
    }
    assert_contains(told(p, &l), S("3 0 nick@example.org 0 held back until its release\n"));

    begin(p, &l, "alice@example.org", true, "x@elsewhere.example");
    l.s.from.hold_until = clock_utc(p->world) + DAYS(3);
    finish(p, &l);
    assert_int_equal(l.out.queue[0].not_before, l.s.from.hold_until);
    l.s.from.hold_until = clock_utc(p->world) - DAYS(3); /* that was then */
    finish(p, &l);
    assert_int_equal(l.out.queue[0].not_before, l.t.at);

    begin(p, &l, "ann@example.net", false, "carol@example.org x@elsewhere.example"); /* not for strangers */
    l.s.from.hold_for = 7200;
    finish(p, &l);
    assert_int_equal(l.out.n_deliveries, 1);
    assert_int_equal(l.out.queue[0].not_before, l.t.at);
}

/* Names without a domain, and at our network address, wait under our own name. */
static FIBER void test_held_back_roles(struct post_room *p)
{
    struct planned l;
    begin(p, &l, "alice@example.org", true, "");
    l.to[0].address = (struct address){S("Postmaster"), STR_NONE};
    l.s.n = 1;
    l.s.from.hold_for = 60;
    finish(p, &l);
    assert_str(rows_of(p, &l), S("0: Postmaster@mail.example.org by local\n"));
}

/* RFC 3461 §4.1, §5.2.7 */
static FIBER void test_notify(struct post_room *p)
{
    enum { NEVER = DSN_NOTIFY_NEVER, SUCCESS = DSN_NOTIFY_SUCCESS, FAILURE = DSN_NOTIFY_FAILURE,
           DELAY = DSN_NOTIFY_DELAY };
    static const struct {
        const char *rcpt;
        bool known;
        unsigned asked, kept;
    } cases[] = {
        {"x@elsewhere.example", true, 0, 0},
        {"x@elsewhere.example", true, NEVER, NEVER},
        {"x@elsewhere.example", true, SUCCESS | FAILURE | DELAY, SUCCESS | FAILURE | DELAY},
        {"away@example.org", true, SUCCESS | FAILURE, SUCCESS | FAILURE}, /* one target: unchanged */
        {"team@example.org", true, SUCCESS | FAILURE, FAILURE},
        {"team@example.org", true, SUCCESS | DELAY, DELAY},
        {"team@example.org", true, SUCCESS, NEVER}, /* who did not ask for failures is not told of them now */
        {"team@example.org", true, 0, 0},
        /* of a sender who is not known */
        {"x@elsewhere.example", false, SUCCESS | FAILURE | DELAY, FAILURE},
        {"x@elsewhere.example", false, SUCCESS, NEVER},
        {"x@elsewhere.example", false, NEVER, NEVER},
        {"x@elsewhere.example", false, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct planned l;
        begin(p, &l, "alice@example.org", cases[i].known, cases[i].rcpt);
        l.to[0].notify = cases[i].asked;
        finish(p, &l);
        if (l.out.queue[0].notify != cases[i].kept) fail_msg("case %zu: %u", i, l.out.queue[0].notify);
    }
    struct planned l; /* what is held back has not gone to several yet */
    begin(p, &l, "alice@example.org", true, "team@example.org");
    l.to[0].notify = SUCCESS;
    l.s.from.hold_for = 60;
    finish(p, &l);
    assert_int_equal(l.out.queue[0].notify, SUCCESS);
}

/* RFC 5321 §6.3 */
static FIBER void test_loops(struct post_room *p)
{
    static const struct str been[] = {S_INIT("CAROL@example.org"), S_INIT("friend@elsewhere.example")};
    struct planned l;
    begin(p, &l, "ann@example.net", false, "carol@example.org carol+x@example.org team@example.org away@example.org");
    l.journey = (struct journey){.delivered_to = been, .n = 2};
    finish(p, &l);
    assert_true(l.anybody);
    assert_int_equal(l.results[0].code, 554);
    assert_int_equal(l.results[0].status.subject, 4);
    assert_int_equal(l.results[1].code, 0); /* another address */
    assert_int_equal(l.results[2].code, 0); /* the others of the team */
    assert_int_equal(l.results[3].code, 0); /* what others wrote about theirs is theirs */
    assert_lacks(copies_of(p, &l), S("carol@example.org"));
    assert_contains(copies_of(p, &l), S("bob@example.org"));

    begin(p, &l, "ann@example.net", false, "carol@example.org");
    l.journey = (struct journey){.delivered_to = been, .n = 1};
    finish(p, &l);
    assert_false(l.anybody);
}

static FIBER void test_journey(struct post_room *p)
{
    struct buf *b = buf_in(p->arena, 1 << 20);
    struct journey j = plan_journey(p->arena, S("Received: a\r\n b\r\nDelivered-To:  x@y \r\nreceived: c\r\n"
                                                "DELIVERED-TO: z@y\r\nX-Received: d\r\n\r\nReceived: in the body\r\n"));
    assert_int_equal(j.received, 2);
    assert_int_equal(j.n, 2);
    assert_str(j.delivered_to[0], S("x@y"));
    assert_str(j.delivered_to[1], S("z@y"));
    for (int i = 0; i < 5000; i++) buf_lit(b, "Delivered-To: x@y\r\n");
    assert_int_equal(plan_journey(p->arena, buf_str(b)).n, LIMIT_RECEIVED_FIELDS + 1);
}

/* RFC 6152, RFC 6531: what its next hosts must be able to take comes from the letter, not from what was said of it. */
static FIBER void test_needs(struct post_room *p)
{
    static const struct {
        const char *sender, *rcpt;
        struct str bytes;
        bool eight, utf8;
    } cases[] = {
        {"ann@example.net", "x@elsewhere.example", S_INIT(LETTER), false, false},
        {"ann@example.net", "x@elsewhere.example", S_INIT("Subject: a\r\n\r\nGr\xC3\xBC\xC3\x9F" "e\r\n"), true, false},
        {"ann@example.net", "x@elsewhere.example", S_INIT("Subject: Gr\xC3\xBC\xC3\x9F" "e\r\n\r\na\r\n"), false, true},
        {"ann@example.net", "\xC3\xBC@elsewhere.example", S_INIT(LETTER), false, true},
        {"\xC3\xBC@example.net", "x@elsewhere.example", S_INIT(LETTER), false, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct planned l;
        begin(p, &l, cases[i].sender, true, cases[i].rcpt);
        l.s.bytes = cases[i].bytes;
        l.s.from.smtputf8 = true; /* said of all of them */
        finish(p, &l);
        if (l.out.needs_8bit != cases[i].eight || l.out.needs_utf8 != cases[i].utf8)
            fail_msg("case %zu: %d %d", i, l.out.needs_8bit, l.out.needs_utf8);
    }
}

static FIBER void put_route(struct post_room *p, const char *key, const char *target)
{
    struct error e = {0};
    const struct directory_route route = {.key = str_c(key), .target = str_c(target)};
    right(store_route_put(p->store, &route, &e), &e);
}

/* What the owner's routes throw away or refuse, and what his aliases miss. */
static FIBER void test_what_goes_nowhere(struct post_room *p)
{
    struct planned l;
    put_route(p, "hole.example", "discard");
    put_route(p, "refused.example", "refuse:gone away");
    post_alias(p, "mixed@example.org", "carol@example.org");
    post_alias(p, "mixed@example.org", "x@refused.example");
    post_alias(p, "mixed@example.org", "y@hole.example");
    post_alias(p, "mixed@example.org", "gone@example.org");
    plan(p, &l, "ann@example.net", false, "mixed@example.org z@hole.example");
    assert_true(l.anybody);
    assert_int_equal(l.results[0].code, 0);
    assert_int_equal(l.results[1].code, 0);
    assert_int_equal(l.out.n_deliveries, 1);
    assert_int_equal(l.out.n_queue, 0);
    struct str events = told(p, &l);
    assert_contains(events, S("10 0 x@refused.example 550 gone away\n"));
    assert_contains(events, S("6 0 y@hole.example 0 thrown away: the route of hole.example, discard\n"));
    assert_contains(events, S("6 1 z@hole.example 0 thrown away: the route of hole.example, discard\n"));
    assert_contains(events, S("10 0 gone@example.org 550 an alias leads here, but there is no such address\n"));
}

IN_POST_ROOM(test_copies_and_rows)
IN_POST_ROOM(test_patience)
IN_POST_ROOM(test_held_back)
IN_POST_ROOM(test_held_back_roles)
IN_POST_ROOM(test_notify)
IN_POST_ROOM(test_loops)
IN_POST_ROOM(test_journey)
IN_POST_ROOM(test_needs)
IN_POST_ROOM(test_what_goes_nowhere)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies_and_rows_room), cmocka_unit_test(test_patience_room),
        cmocka_unit_test(test_held_back_room),       cmocka_unit_test(test_held_back_roles_room),
        cmocka_unit_test(test_notify_room),          cmocka_unit_test(test_loops_room),
        cmocka_unit_test(test_journey_room),         cmocka_unit_test(test_needs_room),
        cmocka_unit_test(test_what_goes_nowhere_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
