/* Letters that wait, as the scheduler and the owner see them: what is due, what a filter finds, what a settlement and
 * the owner's hand do to rows, letters and the record. In the simulated world, each test twice. */
#include "mail/limits.h"
#include "store/testing.h"

static const struct queue_filter everything = {0};
static const struct queue_place beginning = {0};

static struct queue_place place_of(const struct queue_item *i)
{
    return (struct queue_place){i->due, i->message, i->number};
}

/* ---- a letter's way ---- */

static FIBER void what_is_kept(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    struct queued_out o;
    struct str text = S("Subject: far away\r\n\r\nHello\r\n");
    ok(queued_fill(t, t->arena, &o, text, TO("far@example.com", "near@example.net"), &e), &e);
    struct acceptance *a = &o.l.a;
    a->submitter = 0;
    a->authenticated = a->needs_8bit = a->needs_utf8 = true;
    a->from.envid = S("envelope 1");
    a->from.ret = DSN_RET_HDRS;
    o.to[0].path.orcpt = S("rfc822;first@example.com");
    o.q[0].final = (struct address){S("other"), S("example.com")};
    o.q[0].notify = DSN_NOTIFY_SUCCESS | DSN_NOTIFY_DELAY;
    o.q[0].forwarded = true;
    o.q[0].priority = -3;
    o.q[1].not_before += HOURS(1);
    ok(store_accept(t->store, a, &e), &e);

    size_t n;
    struct queue_item *v = queue_all(t, &everything, &n);
    assert_int_equal(n, 2);
    const struct queue_item *i = &v[0];
    assert_int_equal(i->message, a->id);
    assert_int_equal(i->number, 0);
    assert_int_equal(i->recipient, 0);
    assert_true(str_eq(address_str(t->arena, i->final), S("other@example.com")));
    assert_true(str_eq(address_str(t->arena, i->original), S("far@example.com")));
    assert_true(str_eq(i->orcpt, S("rfc822;first@example.com")));
    assert_int_equal(i->notify, DSN_NOTIFY_SUCCESS | DSN_NOTIFY_DELAY);
    assert_true(i->forwarded && !i->held && !i->warned);
    assert_true(str_eq(i->next_hop, S("example.com")));
    assert_int_equal(i->not_before, a->received_at);
    assert_int_equal(i->due, a->received_at);
    assert_int_equal(i->expires, a->received_at + DAYS(5));
    assert_int_equal(i->attempts, 0);
    assert_int_equal(i->last_reply.n, 0);
    assert_int_equal(i->priority, -3);
    assert_int_equal(v[1].number, 1);
    assert_int_equal(v[1].due, a->received_at + HOURS(1));
    assert_true(str_is_none(v[1].orcpt));
    assert_false(v[1].forwarded);

    struct queue_letter l;
    struct str bytes;
    ok(store_queue_letter(t->store, t->arena, a->id, &l, &e), &e);
    assert_int_equal(l.id, a->id);
    assert_true(l.authenticated && l.needs_8bit && l.needs_utf8 && !l.require_tls);
    assert_int_equal(l.received_at, a->received_at);
    assert_true(str_eq(address_str(t->arena, l.from.address), S("ann@example.net")));
    assert_true(str_eq(l.from.envid, S("envelope 1")));
    assert_int_equal(l.from.ret, DSN_RET_HDRS);
    assert_true(str_eq(l.message_id, S("1@example.net")));
    assert_true(str_eq(l.subject, S("a letter")));
    ok(store_letter_read(t->store, t->arena, l.letter, 0, (size_t)l.letter->size, &bytes, &e), &e);
    assert_true(str_eq(bytes, S("Received: from here\r\nSubject: far away\r\n\r\nHello\r\n")));
    assert_int_equal(store_queue_letter(t->store, t->arena, a->id + 1, &l, &e), ERR_NOT_FOUND);
    assert_int_equal(store_stats(t->store).queue_rows, 2);
    assert_sound(t);
}

static void test_what_is_kept(void **state)
{
    (void)state;
    twice(what_is_kept);
}

/* ---- what is due ---- */

static FIBER void due_in_order(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    utc_us begun = clock_utc(t->world);
    int64_t id[6];
    for (int i = 0; i < 6; i++) {
        struct queued_out o;
        ok(queued_fill(t, t->arena, &o, S("Subject: x\r\n\r\n"), TO("a@one.example", "b@two.example"), &e), &e);
        o.q[0].not_before = begun + SECONDS(10 - i); /* the last first */
        o.q[1].not_before = begun + SECONDS(10);
        o.q[1].leased = i == 0;
        ok(store_accept(t->store, &o.l.a, &e), &e);
        id[i] = o.l.a.id;
    }
    size_t n;
    bool more;
    utc_us next;
    struct queue_item *v = queue_due(t, "", beginning, begun + SECONDS(4), 100, &n, &more, &next);
    assert_int_equal(n, 0);
    assert_false(more);
    assert_int_equal(next, begun + SECONDS(5));
    v = queue_due(t, "", beginning, begun + SECONDS(7), 100, &n, &more, &next);
    assert_int_equal(n, 3);
    for (int i = 0; i < 3; i++) assert_int_equal(v[i].message, id[5 - i]);
    assert_int_equal(next, begun + SECONDS(8));

    struct queue_place at = beginning; /* in pages, each row once */
    size_t seen = 0;
    utc_us last = 0;
    for (more = true; more; seen += n) {
        v = queue_due(t, "", at, begun + SECONDS(10), 4, &n, &more, &next);
        assert_true(n > 0 && n <= 4);
        for (size_t i = 0; i < n; i++) {
            assert_true(v[i].due > last || (v[i].due == last && v[i].message > at.message) ||
                        (v[i].due == last && v[i].message == at.message && v[i].number > at.number));
            last = v[i].due;
            at = place_of(&v[i]);
        }
    }
    assert_int_equal(seen, 11);
    assert_int_equal(next, begun + SECONDS(10) + SPAN_QUEUE_LEASE); /* relayed from memory meanwhile */
    v = queue_due(t, "", at, begun + SECONDS(10) + SPAN_QUEUE_LEASE, 4, &n, &more, &next);
    assert_int_equal(n, 1);
    assert_int_equal(v[0].message, id[0]);
    assert_int_equal(v[0].not_before, begun + SECONDS(10));
    assert_int_equal(next, INT64_MAX);

    v = queue_due(t, "one.example", beginning, begun + SECONDS(8), 100, &n, &more, NULL);
    assert_int_equal(n, 4);
    assert_true(str_eq(v[0].next_hop, S("one.example")));
    v = queue_due(t, "one.example", place_of(&v[1]), begun + SECONDS(10), 3, &n, &more, NULL);
    assert_int_equal(n, 3);
    assert_true(more);
    queue_due(t, "three.example", beginning, begun + HOURS(1), 3, &n, &more, NULL);
    assert_int_equal(n, 0);

    assert_int_equal(queue_settle(t, id[5], (struct settled){.what = SETTLE_HELD, .last_reply = S("why")}, S("")), 0);
    v = queue_due(t, "", beginning, begun + SECONDS(7), 100, &n, &more, &next);
    assert_int_equal(n, 2); /* held rows are never due */
    queue_due(t, "one.example", beginning, begun + SECONDS(7), 100, &n, &more, NULL);
    assert_int_equal(n, 2);
    queue_due(t, "", beginning, begun + SECONDS(4), 100, &n, &more, &next);
    assert_int_equal(next, begun + SECONDS(6));
}

static void test_due(void **state)
{
    (void)state;
    twice(due_in_order);
}

/* ---- settlements ---- */

static FIBER void every_settlement(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    utc_us now = clock_utc(t->world);
    int64_t id = queued_accept(t, S("Subject: x\r\n\r\n"), TO("a@one.example", "b@two.example"));
    struct settled to[2] = {
        {.number = 0, .what = SETTLE_DEFERRED, .due = now + MINUTES(5), .last_reply = S("mx said: 450 4.2.1 later")},
        {.number = 1, .what = SETTLE_POSTPONED, .due = now + MINUTES(1), .last_reply = S("not kept")}};
    struct trace_event events[] = {{.at = now, .kind = TRACE_ATTEMPT, .recipient = 0, .code = 450, .text = S("later")},
                                   {.at = now, .kind = TRACE_DEFERRED, .recipient = 0}};
    struct settlement v = {.message = id, .recipients = to, .n = 2, .events = events, .n_events = 2};
    store_settle(t->store, &v, 1);
    ok(v.result, &v.error);
    size_t n;
    struct queue_item *i = queue_all(t, &everything, &n);
    assert_int_equal(n, 2);
    assert_int_equal(i[0].attempts, 1);
    assert_int_equal(i[0].due, now + MINUTES(5));
    assert_true(str_eq(i[0].last_reply, S("mx said: 450 4.2.1 later")));
    assert_false(i[0].warned);
    assert_int_equal(i[1].attempts, 0);
    assert_int_equal(i[1].due, now + MINUTES(1));
    assert_int_equal(i[1].last_reply.n, 0);

    to[0].warned = true; /* and stays so */
    to[0].last_reply = S("again");
    to[1] = (struct settled){.number = 1, .what = SETTLE_MOVED, .next_hop = S("three.example"), .due = now + HOURS(9)};
    store_settle(t->store, &v, 1);
    ok(v.result, &v.error);
    to[0].warned = false;
    store_settle(t->store, &v, 1);
    ok(v.result, &v.error);
    i = queue_all(t, &everything, &n);
    assert_true(i[0].warned && !i[1].warned);
    assert_int_equal(i[0].attempts, 3);
    assert_true(str_eq(i[0].last_reply, S("again")));
    assert_true(str_eq(i[1].next_hop, S("three.example")));
    assert_int_equal(i[1].due, now + MINUTES(1));
    assert_int_equal(i[1].attempts, 0);

    char longest[2 * LIMIT_QUEUE_REPLY];
    memset(longest, 'x', sizeof longest);
    to[0] = (struct settled){.number = 0, .what = SETTLE_HELD, .last_reply = str_of(longest, sizeof longest)};
    to[1].what = SETTLE_GONE;
    store_settle(t->store, &v, 1);
    ok(v.result, &v.error);
    struct queue_item left = queue_only(t, id);
    assert_int_equal(left.number, 0);
    assert_true(left.held && left.warned);
    assert_int_equal(left.attempts, 3);
    assert_int_equal(left.last_reply.n, LIMIT_QUEUE_REPLY);
    assert_int_equal(store_stats(t->store).queue_rows, 1);

    to[0].what = SETTLE_GONE; /* the other one is gone already and is passed over */
    store_settle(t->store, &v, 1);
    ok(v.result, &v.error);
    queue_all(t, &everything, &n);
    assert_int_equal(n, 0);
    assert_int_equal(store_stats(t->store).queue_rows, 0);
    struct queue_letter l;
    assert_int_equal(store_queue_letter(t->store, t->arena, id, &l, &e), ERR_NOT_FOUND);

    struct trace_row *rows;
    ok(store_trace_read(t->store, t->arena, 0, id, 100, &rows, &n, &e), &e);
    assert_int_equal(n, 6); /* the acceptance, and each settlement */
    assert_int_equal(rows[1].n_events, 2);
    assert_int_equal(rows[1].message, id);
    assert_int_equal(rows[1].events[0].kind, TRACE_ATTEMPT);
    assert_int_equal(rows[1].events[0].code, 450);
    assert_true(str_eq(rows[1].events[0].text, S("later")));
    assert_sound(t);
}

static void test_every_settlement(void **state)
{
    (void)state;
    twice(every_settlement);
}

/* A report is there exactly when the row it is about is gone. */
static FIBER void letters_of_settlements(void *arg)
{
    struct testing *t = arg;
    struct error e = {0};
    testing_account(t);
    enum { SOME = 40, LARGE = 300 << 10 /* streamed to a pack of its own */ };
    int64_t id[SOME];
    struct settlement v[SOME] = {0};
    struct settled gone = {.what = SETTLE_GONE};
    struct letter_out *l = arena_array(t->arena, SOME, sizeof *l);
    struct str large = str_of(memset(arena_alloc(t->arena, LARGE), 'x', LARGE), LARGE);
    struct trace_event event = {.at = clock_utc(t->world), .kind = TRACE_BOUNCED};
    for (int i = 0; i < SOME; i++) {
        id[i] = queued_accept(t, S("Subject: x\r\n\r\n"), TO("a@one.example"));
        if (i % 2 == 0)
            ok(letter_fill(t, t->arena, &l[i], i % 10 == 8 ? large : S("Subject: it failed\r\n\r\n"), 0, &e), &e);
        v[i] = (struct settlement){.message = id[i],
                                   .recipients = &gone,
                                   .n = 1,
                                   .events = &event,
                                   .n_events = 1,
                                   .letters = &l[i].a,
                                   .n_letters = i % 2 == 0};
    }
    v[7].message = 1; /* nothing of it waits */
    v[8].message = 1;
    store_settle(t->store, v, SOME);
    for (int i = 0; i < SOME; i++) ok(v[i].result, &v[i].error);
    size_t n;
    struct queue_item *left = queue_all(t, &everything, &n);
    assert_int_equal(n, 2);
    assert_int_equal(left[0].message, id[7]);
    assert_int_equal(left[1].message, id[8]);
    entries_of(t, t->inbox, &n);
    assert_int_equal(n, SOME / 2 - 1); /* not that of the message that was not there */
    assert_int_equal(store_stats(t->store).queue_rows, 2);
    assert_int_equal(store_stats(t->store).messages, SOME / 2 - 1);

    struct queued_out report; /* one that waits itself */
    ok(queued_fill(t, t->arena, &report, S("Subject: it failed\r\n\r\n"), TO("ann@example.net"), &e), &e);
    struct settlement last = {.message = id[7], .recipients = &gone, .n = 1, .letters = &report.l.a, .n_letters = 1};
    store_settle(t->store, &last, 1);
    ok(last.result, &last.error);
    assert_true(str_eq(queue_only(t, report.l.a.id).next_hop, S("example.net")));
    assert_int_equal(store_stats(t->store).queue_rows, 2);

    struct letter_out refused; /* one that cannot be written takes the settlement with it */
    ok(letter_fill(t, t->arena, &refused, S("Subject: it failed\r\n\r\n"), 0, &e), &e);
    refused.d.account = 12345;
    struct settlement fails = {.message = id[8], .recipients = &gone, .n = 1, .letters = &refused.a, .n_letters = 1};
    store_settle(t->store, &fails, 1);
    assert_int_equal(fails.result, ERR_NOT_FOUND);
    queue_only(t, id[8]);
    assert_int_equal(store_stats(t->store).queue_rows, 2);
    store_settle(t->store, NULL, 0);
    assert_sound(t);
}

static void test_letters_of_settlements(void **state)
{
    (void)state;
    twice(letters_of_settlements);
}

/* ---- filters ---- */

struct sent {
    const char *from;
    const char *const *to;
};

static FIBER void send_all(struct testing *t, const struct sent *v, size_t n, int64_t *id)
{
    for (size_t i = 0; i < n; i++) {
        struct error e = {0};
        struct queued_out o;
        ok(queued_fill(t, t->arena, &o, S("Subject: x\r\n\r\n"), v[i].to, &e), &e);
        o.l.a.from.address = v[i].from[0] ? address_of(v[i].from) : (struct address){S(""), S("")};
        for (size_t k = 0; k < o.l.a.n_queue; k++) /* an alias led there */
            if (str_eq(o.q[k].final.local, S("alias"))) o.q[k].final = address_of("real@Other.Example");
        ok(store_accept(t->store, &o.l.a, &e), &e);
        id[i] = o.l.a.id;
    }
}

static FIBER void every_filter(void *arg)
{
    struct testing *t = arg;
    static const char *const first[] = {"a@One.example", "b@two.example", NULL},
                            *const second[] = {"B@two.example", "alias@three.example", NULL},
                            *const third[] = {"grüße@köln.example", "c@[IPv6:2001:DB8::1]", NULL};
    static const struct sent sent[] = {{"Ann@example.net", first}, {"", second}, {"ann@EXAMPLE.net", third}};
    int64_t id[3];
    send_all(t, sent, 3, id);
    assert_int_equal(queue_settle(t, id[1], (struct settled){.number = 1, .what = SETTLE_HELD}, S("")), 0);
    const struct {
        struct queue_filter f;
        const char *found; /* "message.number" */
    } cases[] = {
        {{0}, "0.0 0.1 1.0 1.1 2.0 2.1 "},
        {{.message = id[1]}, "1.0 1.1 "},
        {{.message = id[1] + 1}, ""},
        {{.recipient = {S("a"), S("one.example")}}, "0.0 "},
        {{.recipient = {S("b"), S("two.example")}}, "0.1 1.0 "},
        {{.recipient = {S("alias"), S("three.example")}}, "1.1 "}, /* the original one, */
        {{.recipient = {S("real"), S("other.example")}}, "1.1 "},  /* and the final */
        {{.recipient = {S("grüsse"), S("xn--kln-sna.example")}}, "2.0 "},
        {{.recipient = {S("c"), S("[IPv6:2001:db8::1]")}}, "2.1 "},
        {{.recipient = {S("d"), S("one.example")}}, ""},
        {{.domain = S("two.example")}, "0.1 1.0 "},
        {{.domain = S("other.example")}, "1.1 "},
        {{.domain = S("three.example")}, ""}, /* of the final address alone */
        {{.domain = S("xn--kln-sna.example")}, "2.0 "},
        {{.domain = S("two.example"), .below = true}, "0.1 1.0 "},
        {{.domain = S("example"), .below = true}, "0.0 0.1 1.0 1.1 2.0 "}, /* not the address literal */
        {{.domain = S("ne.example"), .below = true}, ""},
        {{.domain = S("xn--kln-sna.example"), .below = true}, "2.0 "},
        {{.next_hop = S("two.example")}, "0.1 1.0 "},
        {{.next_hop = S("three.example")}, "1.1 "},
        {{.sender = {S("ann"), S("example.net")}}, "0.0 0.1 2.0 2.1 "},
        {{.sender = {S("eve"), S("example.net")}}, ""},
        {{.held_only = true}, "1.1 "},
        {{.held_only = true, .domain = S("two.example")}, ""},
        {{.sender = {S("ann"), S("example.net")}, .domain = S("two.example")}, "0.1 "},
        {{.message = id[2], .recipient = {S("b"), S("two.example")}}, ""},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        for (size_t max = 1; max < 8; max++) { /* however the pages are cut */
            char text[200];
            struct buf b = BUF_OVER(text);
            struct queue_place after = {0};
            struct queue_item *v;
            size_t n;
            for (bool more = true; more;) {
                struct error e = {0};
                ok(store_queue_list(t->store, t->arena, &cases[c].f, after, max, &v, &n, &more, &e), &e);
                assert_true(n <= max && (n > 0 || !more));
                for (size_t i = 0; i < n; i++) {
                    int which = v[i].message == id[0] ? 0 : v[i].message == id[1] ? 1 : 2;
                    buf_printf(&b, "%d.%d ", which, v[i].number);
                    after = (struct queue_place){.message = v[i].message, .number = v[i].number};
                }
            }
            if (!str_eq(buf_str(&b), str_c(cases[c].found)))
                fail_msg("case %zu, pages of %zu: %.*s, not %s", c, max, STR_FMT(buf_str(&b)), cases[c].found);
        }
}

static void test_filters(void **state)
{
    (void)state;
    twice(every_filter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_kept),
        cmocka_unit_test(test_due),
        cmocka_unit_test(test_every_settlement),
        cmocka_unit_test(test_letters_of_settlements),
        cmocka_unit_test(test_filters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
