/* Who is told of a letter's fate, and what he reads (docs: "Bounces", "Forwarding"; RFC 3461 §5.2, §6; RFC 3464). */
#include "base/codec.h"
#include "proto/imf/field.h"
#include "queue/bounce.h"
#include "queue/post_fixture.h"
#include "queue/report.h"

void scheduler_accepted(struct scheduler *s, const struct acceptance *a, struct str body)
{
    (void)s, (void)a, (void)body;
    fail_msg("there is no scheduler");
}

#define HEADER \
    "From: Alice <alice@example.org>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <1@example.org>\r\n"
#define LETTER HEADER "\r\nThe secret text.\r\n"

struct fate { /* of one recipient */
    const char *original, *final;
    unsigned notify;
    bool forwarded;
    enum report_kind kind;
    bool passed_dsn, expired;
};

struct reported { /* a call of bounce_reports() */
    struct queue_letter letter;
    struct queue_item items[4];
    struct outcome outcomes[4];
    struct report_recipient v[4];
    struct parcel parcel;
    struct acceptance *letters;
    size_t n;
    struct record record;
};

static void prepare(struct post_room *p, struct reported *r, const char *sender, bool authenticated,
                    const struct fate *fates, size_t n)
{
    static const struct outcome refused = {.kind = OUTCOME_FAILED,
                                           .remote = true,
                                           .code = 550,
                                           .status = {5, 1, 1},
                                           .text = S_INIT("no such user\nreally not")};
    utc_us now = clock_utc(p->world);
    *r = (struct reported){.letter = {.id = 4711,
                                      .authenticated = authenticated,
                                      .received_at = now - DAYS(5),
                                      .from = {.address = address_of(p->arena, sender), .envid = S("e+1")},
                                      .message_id = S("1@example.org"),
                                      .subject = S("Gr\xC3\xBC\xC3\x9F"
                                                   "e")}};
    for (size_t i = 0; i < n; i++) {
        r->items[i] = (struct queue_item){.message = 4711,
                                          .recipient = (uint32_t)i,
                                          .final = address_of(p->arena, fates[i].final),
                                          .original = address_of(p->arena, fates[i].original),
                                          .notify = fates[i].notify,
                                          .forwarded = fates[i].forwarded,
                                          .expires = now};
        r->outcomes[i] = refused;
        r->outcomes[i].passed_dsn = fates[i].passed_dsn;
        r->v[i] = (struct report_recipient){&r->items[i], &r->outcomes[i], fates[i].kind, fates[i].expired};
    }
    r->parcel = (struct parcel){.letter = &r->letter,
                                .bytes = S(LETTER),
                                .contact = {.host = S("mx.elsewhere.example"),
                                            .address = {{4, {203, 0, 113, 9}}, 25},
                                            .tls = S("TLSv1.3 TLS_AES_256_GCM_SHA384 unverified")}};
    record_resume(&r->record, p->arena, now);
}

static FIBER void report(struct post_room *p, struct reported *r, size_t n)
{
    struct error e = {0};
    right(bounce_reports(&p->queue, p->arena, &r->parcel, r->v, n, &r->letters, &r->n, &r->record, &e), &e);
}

static FIBER void prepare_and_report(struct post_room *p, struct reported *r, const char *sender, bool authenticated,
                                     const struct fate *fates, size_t n)
{
    prepare(p, r, sender, authenticated, fates, n);
    report(p, r, n);
}

static struct str bytes_of(const struct acceptance *a) { return body_memory(a->body); }

static struct str events_of(struct post_room *p, const struct record *r)
{
    struct buf *b = buf_in(p->arena, 65536);
    for (size_t i = 0; i < r->n; i++)
        buf_printf(b, "%d:%d %.*s\n", r->events[i].kind, r->events[i].recipient, STR_FMT(r->events[i].text));
    return buf_str(b);
}

/* ---- who is told ---- */

enum { UNSAID = DSN_NOTIFY_UNSAID, NEVER = DSN_NOTIFY_NEVER, SUCCESS = DSN_NOTIFY_SUCCESS, FAILURE = DSN_NOTIFY_FAILURE,
       DELAY = DSN_NOTIFY_DELAY };

/* want: the reader and what is said of the recipient; "" nobody. */
#define OURS "alice@example.org", true
#define FORGED "alice@example.org", false
#define STRANGER "ann@example.net", false
#define DIRECT "a@x.example", "a@x.example"
#define BOBS "bob@example.org", "bob@private.example"

static const struct {
    const char *sender;
    bool authenticated;
    struct fate fate;
    const char *reader, *action;
} rules[] = {
    /* our own users: failures unless they ask for other things only */
    {OURS, {DIRECT, UNSAID, false, REPORT_FAILED}, "alice@example.org", "failed"},
    {OURS, {DIRECT, FAILURE, false, REPORT_FAILED}, "alice@example.org", "failed"},
    {OURS, {DIRECT, NEVER, false, REPORT_FAILED}, "", ""},
    {OURS, {DIRECT, SUCCESS | DELAY, false, REPORT_FAILED}, "", ""},
    /* warnings: our own users, or where DELAY is asked for */
    {OURS, {DIRECT, UNSAID, false, REPORT_DELAYED}, "alice@example.org", "delayed"},
    {OURS, {DIRECT, DELAY, false, REPORT_DELAYED}, "alice@example.org", "delayed"},
    {OURS, {DIRECT, FAILURE, false, REPORT_DELAYED}, "", ""},
    {OURS, {DIRECT, NEVER, false, REPORT_DELAYED}, "", ""},
    {FORGED, {DIRECT, UNSAID, false, REPORT_DELAYED}, "", ""},
    /* success: a peer with DSN tells it, else we say how far it came */
    {OURS, {DIRECT, SUCCESS, false, REPORT_RELAYED}, "alice@example.org", "relayed"},
    {OURS, {DIRECT, SUCCESS, false, REPORT_RELAYED, true}, "", ""},
    {OURS, {DIRECT, UNSAID, false, REPORT_RELAYED}, "", ""},
    {OURS, {DIRECT, FAILURE | DELAY, false, REPORT_RELAYED}, "", ""},
    {OURS, {DIRECT, SUCCESS, false, REPORT_DELIVERED}, "alice@example.org", "delivered"},
    {OURS, {DIRECT, UNSAID, false, REPORT_DELIVERED}, "", ""},
    /* <> is never answered */
    {"", true, {DIRECT, UNSAID, false, REPORT_FAILED}, "", ""},
    {"", false, {BOBS, UNSAID, true, REPORT_FAILED}, "", ""},
    {"", true, {DIRECT, SUCCESS | FAILURE | DELAY, false, REPORT_DELAYED}, "", ""},
    /* a trusted client's sender may be anybody */
    {"ann@example.net", true, {DIRECT, UNSAID, false, REPORT_FAILED}, "ann@example.net", "failed"},
    /* no backscatter: a stranger is not told, one of ours is */
    {STRANGER, {DIRECT, UNSAID, false, REPORT_FAILED}, "", ""},
    {STRANGER, {DIRECT, FAILURE, false, REPORT_FAILED}, "", ""},
    {FORGED, {DIRECT, UNSAID, false, REPORT_FAILED}, "alice@example.org", "failed"},
    {"nobody@example.org", false, {DIRECT, UNSAID, false, REPORT_FAILED}, "", ""},
    /* but when patience ends nobody is left in the dark */
    {STRANGER, {DIRECT, UNSAID, false, REPORT_FAILED, false, true}, "ann@example.net", "failed"},
    {STRANGER, {DIRECT, NEVER, false, REPORT_FAILED, false, true}, "", ""},
    /* forwarded: to the sender if we know him, else to the alias's owner */
    {OURS, {BOBS, UNSAID, true, REPORT_FAILED}, "alice@example.org", "failed"},
    {FORGED, {BOBS, UNSAID, true, REPORT_FAILED}, "bob@example.org", "failed"},
    {STRANGER, {BOBS, UNSAID, true, REPORT_FAILED}, "bob@example.org", "failed"},
    {STRANGER, {BOBS, NEVER, true, REPORT_FAILED}, "", ""},
    {STRANGER, {BOBS, UNSAID, true, REPORT_DELAYED}, "", ""},
    /* an alias that leads to nobody or to several of ours: the postmaster of its domain */
    {STRANGER,
     {"away@example.org", "friend@elsewhere.example", UNSAID, true, REPORT_FAILED},
     "postmaster@example.org",
     "failed"},
    {STRANGER,
     {"team@example.org", "dave@elsewhere.example", UNSAID, true, REPORT_FAILED},
     "postmaster@example.org",
     "failed"},
    /* an alias or a domain that is gone */
    {STRANGER,
     {"gone@example.org", "x@elsewhere.example", UNSAID, true, REPORT_FAILED},
     "postmaster@example.org",
     "failed"},
    {STRANGER,
     {"gone@old.example", "x@elsewhere.example", UNSAID, true, REPORT_FAILED},
     "postmaster@mail.example.org",
     "failed"},
};

static FIBER void test_who_is_told(struct post_room *p)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        struct reported r;
        prepare_and_report(p, &r, rules[i].sender, rules[i].authenticated, &rules[i].fate, 1);
        if (r.n != (*rules[i].reader != 0)) fail_msg("rule %zu: %zu letters", i, r.n);
        /* a failure is in the record, and so is whether anybody heard of it */
        struct str events = events_of(p, &r.record);
        bool failed = rules[i].fate.kind == REPORT_FAILED;
        if (failed)
            assert_contains(events, arena_printf(p->arena, "%d:0 no such user\nreally not\n",
                                                 rules[i].fate.expired ? TRACE_EXPIRED : TRACE_BOUNCED));
        if (failed && r.n == 0) assert_contains(events, S("nobody is told: "));
        if (r.n == 0) continue;
        assert_lacks(events, S("nobody is told"));
        assert_int_equal(r.letters[0].n_recipients, 1);
        assert_str(address_str(p->arena, r.letters[0].recipients[0].path.address), str_c(rules[i].reader));
        assert_true(address_is_null(r.letters[0].from.address));
        assert_contains(part_of(p->arena, bytes_of(&r.letters[0]), 1),
                        arena_printf(p->arena, "\r\nAction: %s\r\n", rules[i].action));
    }
}

/* ---- what he reads ---- */

static struct str field_of(struct arena *a, struct str letter, struct str name)
{
    struct imf_field f;
    size_t from = 0;
    if (!imf_find_field(letter, name, &from, &f)) return STR_NONE;
    return imf_unfold(a, f.body, 10000);
}

static FIBER void test_the_letter(struct post_room *p)
{
    struct arena *a = p->arena;
    struct reported r;
    const struct fate fate = {DIRECT, UNSAID, false, REPORT_FAILED};
    prepare_and_report(p, &r, OURS, &fate, 1);
    assert_int_equal(r.n, 1);
    struct str letter = bytes_of(&r.letters[0]);
    assert_str(field_of(a, letter, S("From")), S("Mail Delivery System <MAILER-DAEMON@mail.example.org>"));
    assert_str(field_of(a, letter, S("To")), S("alice@example.org"));
    assert_str(field_of(a, letter, S("Auto-Submitted")), S("auto-replied")); /* RFC 3834 §5 */
    assert_str(field_of(a, letter, S("In-Reply-To")), S("<1@example.org>"));
    assert_true(field_of(a, letter, S("Date")).n > 0);
    struct buf *id = buf_in(a, 100);
    buf_char(id, '<');
    id_put(id, r.letters[0].id);
    buf_lit(id, "@mail.example.org>");
    assert_str(field_of(a, letter, S("Message-ID")), buf_str(id));

    struct str words = part_of(a, letter, 0), status = part_of(a, letter, 1);
    assert_contains(words, S("Your letter could not be delivered to:"));
    assert_contains(words,
                    S("    a@x.example\r\n    The mail server there refused it.\r\n    There is no such mailbox."));
    assert_contains(words, S("The server mx.elsewhere.example (203.0.113.9) said:"));
    assert_contains(words, S("        550 5.1.1 no such user\r\n        really not\r\n"));
    assert_contains(words, S("Subject: Gr\xC3\xBC\xC3\x9F"
                             "e"));
    assert_str(str_head(status, str_find(status, S("X-Queue-ID"))),
               S("Original-Envelope-Id: e+1\r\nReporting-MTA: dns; mail.example.org\r\n"));
    assert_contains(status, S("\r\n\r\nFinal-Recipient: rfc822; a@x.example\r\nAction: failed\r\nStatus: 5.1.1\r\n"
                              "Remote-MTA: dns; mx.elsewhere.example (203.0.113.9)\r\n"
                              "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n really not\r\nLast-Attempt-Date: "));
    assert_str(part_of(a, letter, 2), S(HEADER));
    assert_lacks(letter, S("secret text"));
}

static FIBER void test_patience_ended(struct post_room *p)
{
    struct reported r;
    const struct fate fate = {DIRECT, UNSAID, false, REPORT_FAILED, false, true};
    prepare(p, &r, OURS, &fate, 1);
    r.outcomes[0] = (struct outcome){.kind = OUTCOME_DEFERRED, .status = {4, 4, 1}, .text = S("nobody answered")};
    report(p, &r, 1);
    assert_int_equal(r.n, 1);
    struct str words = part_of(p->arena, bytes_of(&r.letters[0]), 0),
               status = part_of(p->arena, bytes_of(&r.letters[0]), 1);
    assert_contains(words, S("It was tried again and again for 5 days. Nobody answered."));
    assert_contains(status, S("Action: failed\r\nStatus: 4.4.7\r\n"));
    assert_lacks(status, S("Remote-MTA"));
    assert_lacks(status, S("Diagnostic-Code")); /* those would be a peer's words */
    assert_contains(events_of(p, &r.record), S("8:0 nobody answered\n"));
}

static FIBER void test_a_warning(struct post_room *p)
{
    struct reported r;
    const struct fate fate = {DIRECT, UNSAID, false, REPORT_DELAYED};
    prepare(p, &r, OURS, &fate, 1);
    r.outcomes[0] = (struct outcome){.kind = OUTCOME_DEFERRED, .remote = true, .code = 451, .text = S("later")};
    report(p, &r, 1);
    assert_int_equal(r.n, 1);
    struct str words = part_of(p->arena, bytes_of(&r.letters[0]), 0),
               status = part_of(p->arena, bytes_of(&r.letters[0]), 1);
    assert_contains(words, S("Your letter has not arrived yet at:"));
    assert_contains(words, S("You need not do anything"));
    assert_contains(status, S("Action: delayed\r\nStatus: 4.0.0\r\n"));
    assert_contains(status, S("Diagnostic-Code: smtp; 451 later\r\n"));
    assert_contains(status, S("Will-Retry-Until: "));
    assert_int_equal(r.record.n, 1); /* the attempt is told by who made it */
    assert_int_equal(r.record.events[0].number, r.letters[0].id);
}

/* Several recipients, several fates: one letter to each reader. */
static FIBER void test_one_to_a_reader(struct post_room *p)
{
    struct reported r;
    const struct fate fates[] = {{DIRECT, UNSAID, false, REPORT_FAILED},
                                 {"b@x.example", "b@x.example", NEVER, false, REPORT_FAILED},
                                 {"c@x.example", "c@x.example", UNSAID, false, REPORT_DELAYED},
                                 {"d@x.example", "d@x.example", SUCCESS, false, REPORT_RELAYED}};
    prepare_and_report(p, &r, OURS, fates, 4);
    assert_int_equal(r.n, 1);
    struct str status = part_of(p->arena, bytes_of(&r.letters[0]), 1);
    assert_contains(status, S("rfc822; a@x.example\r\nAction: failed\r\n"));
    assert_contains(status, S("rfc822; c@x.example\r\nAction: delayed\r\n"));
    assert_contains(status, S("rfc822; d@x.example\r\nAction: relayed\r\n"));
    assert_lacks(status, S("b@x.example"));
    assert_contains(field_of(p->arena, bytes_of(&r.letters[0]), S("Subject")), S("Not delivered: "));

    const struct fate forwards[] = {{BOBS, UNSAID, true, REPORT_FAILED},
                                    {"away@example.org", "friend@elsewhere.example", UNSAID, true, REPORT_FAILED},
                                    {"bob@example.org", "bob@other.example", UNSAID, true, REPORT_FAILED}};
    prepare_and_report(p, &r, STRANGER, forwards, 3);
    assert_int_equal(r.n, 2);
    struct str bobs = bytes_of(&r.letters[0]), masters = bytes_of(&r.letters[1]);
    assert_contains(part_of(p->arena, bobs, 1), S("Original-Recipient: rfc822; bob@example.org\r\n"
                                                  "Final-Recipient: rfc822; bob@private.example\r\n"));
    assert_contains(part_of(p->arena, bobs, 1), S("bob@other.example"));
    assert_lacks(part_of(p->arena, bobs, 1), S("Original-Envelope-Id")); /* a stranger's, for the stranger */
    assert_contains(part_of(p->arena, bobs, 0), S("A letter to an address of yours could not be passed on to:"));
    assert_contains(part_of(p->arena, masters, 1), S("friend@elsewhere.example"));
    assert_lacks(part_of(p->arena, masters, 1), S("bob@"));
}

/* RFC 3461 §6.2 */
static FIBER void test_what_is_returned(struct post_room *p)
{
    static const struct {
        const char *sender;
        bool authenticated;
        struct fate fate;
        enum dsn_return ret;
        bool whole;
    } cases[] = {
        {OURS, {DIRECT, UNSAID, false, REPORT_FAILED}, DSN_RET_UNSAID, false},
        {OURS, {DIRECT, UNSAID, false, REPORT_FAILED}, DSN_RET_HDRS, false},
        {OURS, {DIRECT, UNSAID, false, REPORT_FAILED}, DSN_RET_FULL, true},
        {OURS, {DIRECT, UNSAID, false, REPORT_DELAYED}, DSN_RET_FULL, false},
        {OURS, {DIRECT, SUCCESS, false, REPORT_RELAYED}, DSN_RET_FULL, false},
        {STRANGER, {BOBS, UNSAID, true, REPORT_FAILED}, DSN_RET_FULL, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct reported r;
        prepare(p, &r, cases[i].sender, cases[i].authenticated, &cases[i].fate, 1);
        r.letter.from.ret = cases[i].ret;
        report(p, &r, 1);
        assert_int_equal(r.n, 1);
        assert_str(part_of(p->arena, bytes_of(&r.letters[0]), 2), cases[i].whole ? S(LETTER) : S(HEADER));
    }
}

/* A long letter is not sent back whole, nor a long header. */
static FIBER void test_long_letters_are_cut(struct post_room *p)
{
    struct reported r;
    const struct fate fate = {DIRECT, UNSAID, false, REPORT_FAILED};
    struct buf *b = buf_in(p->arena, 1 << 20);
    buf_lit(b, LETTER);
    while (b->n <= LIMIT_BOUNCE_RETURNED) buf_lit(b, "and so on and so on and so on\r\n");
    prepare(p, &r, OURS, &fate, 1);
    r.letter.from.ret = DSN_RET_FULL;
    r.parcel.bytes = buf_str(b);
    report(p, &r, 1);
    assert_str(part_of(p->arena, bytes_of(&r.letters[0]), 2), S(HEADER));

    buf_clear(b);
    for (int i = 0; b->n < 200 << 10; i++) buf_printf(b, "X-Field-%d: %0100d\r\n", i, i);
    buf_lit(b, "\r\nthe end\r\n");
    r.parcel.bytes = buf_str(b);
    report(p, &r, 1);
    struct str header = part_of(p->arena, bytes_of(&r.letters[0]), 2);
    assert_in_range(header.n, LIMIT_BOUNCE_RETURNED - 200, LIMIT_BOUNCE_RETURNED);
    assert_str(report_header(str_head(buf_str(b), LIMIT_BOUNCE_RETURNED + 1)), report_header(buf_str(b)));
    assert_true(str_starts(buf_str(b), header) && str_ends(header, S("\r\n"))); /* whole fields */
}

/* RFC 6533: UTF-8 forms only where the path takes SMTPUTF8. */
static FIBER void test_addresses_in_other_scripts(struct post_room *p)
{
    struct reported r;
    const struct fate fates[] = {{DIRECT, UNSAID, false, REPORT_FAILED},
                                 {"\xC3\xBC@x.example", "\xC3\xBC@x.example", UNSAID, false, REPORT_FAILED}};
    prepare_and_report(p, &r, OURS, fates, 1);
    assert_true(str_find(bytes_of(&r.letters[0]), S("message/delivery-status")) < bytes_of(&r.letters[0]).n);
    assert_false(r.letters[0].needs_utf8);
    prepare_and_report(p, &r, OURS, fates, 2); /* who could write to it has a path for it */
    assert_contains(bytes_of(&r.letters[0]), S("message/global-delivery-status"));
    assert_contains(part_of(p->arena, bytes_of(&r.letters[0]), 1), S("Final-Recipient: utf-8; \xC3\xBC@x.example\r\n"));
}

/* ---- beside the store ---- */

/* The rows of a letter that waits, as the scheduler has them. */
static FIBER int64_t keep_letter(struct post_room *p, struct queue_letter *letter)
{
    struct error e = {0};
    struct acceptance a;
    struct forward_path path = {.address = address_of(p->arena, "a@x.example")};
    const struct posting posting = {.from = {.address = address_of(p->arena, "alice@example.org"), .ret = DSN_RET_FULL},
                                    .to = &path,
                                    .n = 1,
                                    .bytes = S(LETTER),
                                    .authenticated = true};
    right(posting_accept(&p->queue, p->arena, &posting, &a, &e), &e);
    right(store_accept(p->store, &a, &e), &e);
    right(store_queue_letter(p->store, p->arena, a.id, letter, &e), &e);
    return a.id;
}

/* The whole way: the letter is read from the store, its row goes and the report comes in one commit. */
static FIBER void test_settled_with_its_report(struct post_room *p)
{
    struct reported r;
    const struct fate fate = {DIRECT, UNSAID, false, REPORT_FAILED};
    prepare(p, &r, OURS, &fate, 1);
    int64_t id = keep_letter(p, &r.letter);
    r.parcel.bytes = STR_NONE;
    report(p, &r, 1);
    assert_int_equal(r.n, 1);
    const struct settled gone = {.number = 0, .what = SETTLE_GONE};
    struct settlement s = {.message = id,
                           .recipients = &gone,
                           .n = 1,
                           .events = r.record.events,
                           .n_events = r.record.n,
                           .letters = r.letters,
                           .n_letters = r.n};
    store_settle(p->store, &s, 1);
    right(s.result, &s.error);
    size_t n;
    struct str *inbox = inbox_of(p, "alice@example.org", &n);
    assert_int_equal(n, 1);
    assert_contains(inbox[0], S("Return-Path: <>\r\nDelivered-To: alice@example.org\r\n"));
    assert_str(part_of(p->arena, inbox[0], 2), S(LETTER));

    /* each names the other in the record */
    struct buf *b = buf_in(p->arena, 200);
    buf_lit(b, "a report of failure: message ");
    id_put(b, r.letters[0].id);
    assert_contains(record_of(p, id), buf_str(b));
    assert_contains(record_of(p, id), S("7 0 a@x.example 550 no such user"));
    buf_clear(b);
    buf_lit(b, "a report about message ");
    id_put(b, id);
    assert_contains(record_of(p, r.letters[0].id), buf_str(b));
}

/* What the disk has lost cannot be returned, but the report comes. */
static FIBER void test_damaged_letter(struct post_room *p)
{
    struct reported r;
    const struct fate fate = {DIRECT, UNSAID, false, REPORT_FAILED};
    prepare(p, &r, OURS, &fate, 1);
    keep_letter(p, &r.letter);
    r.letter.letter->place.offset += 1;
    r.parcel.bytes = STR_NONE;
    report(p, &r, 1);
    assert_int_equal(r.n, 1);
    assert_contains(part_of(p->arena, bytes_of(&r.letters[0]), 1), S("Action: failed"));
    assert_int_equal(part_of(p->arena, bytes_of(&r.letters[0]), 2).n, 0);
}

/* What cannot be read now may be read later: nothing is told yet, and the second time all of it. */
static FIBER void test_asked_again(struct post_room *p)
{
    struct reported r;
    struct error e = {0};
    const struct fate fate = {DIRECT, UNSAID, false, REPORT_FAILED};
    prepare(p, &r, OURS, &fate, 1);
    keep_letter(p, &r.letter);
    r.parcel.bytes = STR_NONE;
    record_outcome(&r.record, TRACE_DEFERRED, &r.items[0], &r.parcel.contact, &r.outcomes[0]); /* told before */
    sim_set_faults(p->sim, (struct sim_faults){.read_error = 1000000});
    int failed = bounce_reports(&p->queue, p->arena, &r.parcel, r.v, 1, &r.letters, &r.n, &r.record, &e);
    sim_set_faults(p->sim, (struct sim_faults){0});
    assert_true(failed < 0 && failed != ERR_NOT_FOUND && failed != ERR_CORRUPT);
    assert_true(e.text[0] != 0);
    assert_int_equal(r.n, 0);
    assert_int_equal(r.record.n, 1);
    report(p, &r, 1);
    assert_int_equal(r.n, 1);
    assert_int_equal(r.record.n, 3);
    assert_str(part_of(p->arena, bytes_of(&r.letters[0]), 2), S(LETTER));
}

/* A report that leaves waits two days, and is never answered itself. */
static FIBER void test_reports_elsewhere(struct post_room *p)
{
    struct reported r;
    const struct fate fate = {DIRECT, UNSAID, false, REPORT_FAILED};
    prepare_and_report(p, &r, "ann@example.net", true, &fate, 1);
    assert_int_equal(r.n, 1);
    assert_int_equal(r.letters[0].n_queue, 1);
    assert_str(r.letters[0].queue[0].next_hop, S("example.net"));
    assert_int_equal(r.letters[0].queue[0].expires, r.letters[0].received_at + SPAN_EXPIRES_NULL);
    assert_int_equal(r.letters[0].queue[0].notify, DSN_NOTIFY_UNSAID);
    assert_true(str_find(bytes_of(&r.letters[0]), S("Auto-Submitted: auto-replied\r\n")) < bytes_of(&r.letters[0]).n);

    prepare_and_report(p, &r, "", true, &fate, 1);
    assert_int_equal(r.n, 0);
    assert_contains(events_of(p, &r.record), S("nobody is told: its sender is <>"));
}

/* The account has been removed since. */
static FIBER void test_reader_is_gone(struct post_room *p)
{
    struct reported r;
    const struct fate fate = {DIRECT, UNSAID, false, REPORT_FAILED};
    prepare_and_report(p, &r, "former@example.org", true, &fate, 1);
    assert_int_equal(r.n, 0);
    assert_contains(events_of(p, &r.record), S("nobody is told: former@example.org: no such address here"));

    /* addresses that people were granted: whoever sent it is told at his own */
    const struct directory *d = store_directory_in(p->arena, p->store);
    const struct directory_account *bob = directory_account(d, key_of_text(p->arena, "bob@example.org"));
    prepare(p, &r, "former@example.org", true, &fate, 1);
    r.letter.submitter = bob->id;
    report(p, &r, 1);
    assert_int_equal(r.n, 1);
    assert_str(address_str(p->arena, r.letters[0].recipients[0].path.address), S("bob@example.org"));
    assert_str(r.record.events[1].address, S("bob@example.org"));
    assert_str(field_of(p->arena, bytes_of(&r.letters[0]), S("To")), S("bob@example.org"));
}

IN_POST_ROOM(test_who_is_told)
IN_POST_ROOM(test_the_letter)
IN_POST_ROOM(test_patience_ended)
IN_POST_ROOM(test_a_warning)
IN_POST_ROOM(test_one_to_a_reader)
IN_POST_ROOM(test_what_is_returned)
IN_POST_ROOM(test_long_letters_are_cut)
IN_POST_ROOM(test_addresses_in_other_scripts)
IN_POST_ROOM(test_settled_with_its_report)
IN_POST_ROOM(test_damaged_letter)
IN_POST_ROOM(test_asked_again)
IN_POST_ROOM(test_reports_elsewhere)
IN_POST_ROOM(test_reader_is_gone)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_is_told_room),
        cmocka_unit_test(test_the_letter_room),
        cmocka_unit_test(test_patience_ended_room),
        cmocka_unit_test(test_a_warning_room),
        cmocka_unit_test(test_one_to_a_reader_room),
        cmocka_unit_test(test_what_is_returned_room),
        cmocka_unit_test(test_long_letters_are_cut_room),
        cmocka_unit_test(test_addresses_in_other_scripts_room),
        cmocka_unit_test(test_settled_with_its_report_room),
        cmocka_unit_test(test_damaged_letter_room),
        cmocka_unit_test(test_asked_again_room),
        cmocka_unit_test(test_reports_elsewhere_room),
        cmocka_unit_test(test_reader_is_gone_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
