/* The post office as its peers see it: what is taken, what is refused, with which words, and what the record says of
 * it. The rules are those of RFC 5321, RFC 2033 and RFC 6409, and of our own book. All in the simulated world, each
 * test twice. */
#include "cmd/office_fixture.h"

#include "proto/smtp/srs.h"

/* ---- port 25 ---- */

static void deliver_one(struct office *o)
{
    office_talk(
        o, stranger_ip, 25,
        HELLO
        "C: MAIL FROM:<a@sender.example> BODY=8BITMIME\nS: 250 2.1.0\nC: RCPT TO:<bob@example.org>\nS: 250 2.1.5\n"
        "C: DATA\nS: 354\n" LETTER "S: 250 2.0.0\n" QUIT);
    struct office_mail m = office_mail(o, "bob@example.org");
    assert_int_equal(m.n, 1);
    assert_true(str_starts(m.text[0], S("Return-Path: <a@sender.example>\r\nDelivered-To: bob@example.org\r\n"
                                        "Received: from client.example ([203.0.113.7])\r\n")));
    assert_true(str_ends(m.text[0], S("\r\nFrom: <a@sender.example>\r\nSubject: hello\r\n\r\ntext\r\n")));
    assert_int_equal(office_trace_count(o, TRACE_DELIVERED, 0), 1);
    assert_int_equal(office_trace_count(o, TRACE_ACCEPTED, 250), 1);
}

static void sender_domains(struct office *o)
{
    static const struct {
        const char *sender, *answer;
    } cases[] = {
        {"a@sender.example", "250 2.1.5"}, {"a@aonly.example", "250 2.1.5"},  {"", "250 2.1.5"},
        {"a@example.org", "250 2.1.5"},    {"a@null.example", "550 5.7.27"},  {"a@nomail.example", "550 5.1.8"},
        {"a@missing.test", "550 5.1.8"},   {"a@broken.example", "451 4.4.3"}, {"a@slow.example", "451 4.4.3"},
        {"a@[192.0.2.77]", "250 2.1.5"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str script =
            arena_printf(o->arena,
                         HELLO "C: MAIL FROM:<%s>\nS: 250 2.1.0\nC: RCPT TO:<postmaster@example.org>\nS: 250 2.1.5\n"
                               "C: RCPT TO:<bob@example.org>\nS: %s\n" QUIT,
                         cases[i].sender, cases[i].answer);
        office_talk(o, stranger_ip, 25, script.p);
        if (cases[i].sender[0]) /* a friend is believed */
            office_talk(o, friend_ip, 25,
                        arena_printf(o->arena,
                                     HELLO
                                     "C: MAIL FROM:<%s>\nS: 250\nC: RCPT TO:<bob@example.org>\nS: 250 2.1.5\n" QUIT,
                                     cases[i].sender)
                            .p);
    }
    assert_int_equal(office_trace_count(o, TRACE_REFUSED, 550), 3);
    assert_int_equal(office_trace_count(o, TRACE_REFUSED, 451), 2);
}

static void no_open_relay(struct office *o)
{
    office_talk(o, stranger_ip, 25,
                HELLO "C: MAIL FROM:<a@sender.example>\nS: 250\n"
                      "C: RCPT TO:<x@elsewhere.example>\nS: 550 5.7.1\n"
                      "C: RCPT TO:<x%elsewhere.example@example.org>\nS: 550 5.1.1\n"
                      "C: RCPT TO:<elsewhere.example!x@example.org>\nS: 550 5.1.1\n"
                      "C: RCPT TO:<\"x@elsewhere.example\"@example.org>\nS: 550 5.1.1\n"
                      "C: RCPT TO:<@example.org:x@elsewhere.example>\nS: 550 5.7.1\n"
                      "C: RCPT TO:<x@[192.0.2.1]>\nS: 550 5.7.1\n"
                      "C: DATA\nS: 554 5.5.1\n" QUIT);
    /* but an alias of ours may lead away, and friends may send anywhere */
    office_talk(o, stranger_ip, 25,
                HELLO "C: MAIL FROM:<a@sender.example>\nS: 250\nC: RCPT TO:<away@example.org>\nS: 250 2.1.5\n" QUIT);
    office_talk(o, friend_ip, 25,
                HELLO "C: MAIL FROM:<a@sender.example>\nS: 250\nC: RCPT TO:<x@sender.example>\nS: 250 2.1.5\n" QUIT);
}

static void loops_are_cut(struct office *o)
{
    office_talk(o, stranger_ip, 25,
                HELLO "C: MAIL FROM:<a@sender.example>\nS: 250\nC: RCPT TO:<bob@example.org>\nS: 250\nC: DATA\nS: 354\n"
                      "C* 100 Received: from x by y; Sun, 22 Nov 2026 01:30:00 +0000\n" LETTER "S: 554 5.4.6\n"
                      "C: MAIL FROM:<a@sender.example>\nS: 250\nC: RCPT TO:<bob@example.org>\nS: 250\nC: DATA\nS: 354\n"
                      "C* 99 Received: from x by y; Sun, 22 Nov 2026 01:30:00 +0000\n" LETTER "S: 250 2.0.0\n"
                      "C: MAIL FROM:<a@sender.example>\nS: 250\nC: RCPT TO:<bob@example.org>\nS: 250\nC: DATA\nS: 354\n"
                      "C: delivered-to: BOB@example.org\n" LETTER "S: 554 5.4.6\n"
                      "C: MAIL FROM:<a@sender.example>\nS: 250\nC: RCPT TO:<bob@example.org>\nS: 250\n"
                      "C: RCPT TO:<alice@example.org>\nS: 250\n"
                      "C: DATA\nS: 354\nC: Delivered-To: bob@example.org\n" LETTER "S: 250 2.0.0\n" QUIT);
    assert_int_equal(office_mail(o, "bob@example.org").n, 1);
    assert_int_equal(office_mail(o, "alice@example.org").n, 1);
    assert_int_equal(office_trace_count(o, TRACE_REFUSED, 554), 3);
}

static void endless_header(struct office *o)
{
    office_talk(o, stranger_ip, 25,
                HELLO "C: MAIL FROM:<a@sender.example>\nS: 250\nC: RCPT TO:<bob@example.org>\nS: 250\nC: DATA\n"
                      "S: 354\n"
                      "C* 20000 X-Header: and on and on it goes\nC: .\nS: 552 5.3.4\nC: NOOP\nS: 250\n" QUIT);
    assert_int_equal(office_mail(o, "bob@example.org").n, 0);
    assert_int_equal(office_trace_count(o, TRACE_REFUSED, 552), 1);
}

/* A letter made to cost memory (ten thousand parts and more, each with parameters) is taken all the same. */
static void letter_of_many_parts(struct office *o)
{
    struct buf *script = buf_in(o->arena, 8 << 20);
    buf_lit(script,
            HELLO "C: MAIL FROM:<a@sender.example>\nS: 250\nC: RCPT TO:<bob@example.org>\nS: 250\nC: DATA\nS: 354\n"
                  "C: Content-Type: multipart/mixed; boundary=b\nC: \n");
    for (int i = 0; i < 11000; i++)
        buf_printf(
            script,
            "C: --b\n"
            "C: Content-Type: text/plain; name=\"file number %d with a long name\"; charset=utf-8; x=%d\nC: \nC: x\n",
            i, i);
    buf_lit(script, "C: --b--\nC: .\nS: 250 2.0.0\n" QUIT);
    buf_char(script, 0);
    office_talk(o, stranger_ip, 25, script->p);
    struct office_mail m = office_mail(o, "bob@example.org");
    assert_int_equal(m.n, 1);
}

static void one_copy_for_one_address(struct office *o)
{
    office_talk(
        o, stranger_ip, 25,
        HELLO "C: MAIL FROM:<a@sender.example>\nS: 250\nC: RCPT TO:<bob@example.org>\nS: 250\n"
              "C: RCPT TO:<BOB@example.org>\nS: 250\n"
              "C: RCPT TO:<team@example.org>\nS: 250\nC: RCPT TO:<bob+x@example.org>\nS: 250\nC: DATA\nS: 354\n" LETTER
              "S: 250 2.0.0\n" QUIT);
    struct office_mail bob = office_mail(o, "bob@example.org"), alice = office_mail(o, "alice@example.org");
    assert_int_equal(bob.n, 2); /* bob, and bob+x */
    assert_int_equal(alice.n, 1);
    assert_true(
        str_find(alice.text[0], S("\r\nDelivered-To: alice@example.org\r\nX-Original-To: team@example.org\r\n")) <
        alice.text[0].n);
    assert_true(str_find(bob.text[1], S("\r\nDelivered-To: bob+x@example.org\r\n")) < bob.text[1].n);
}

static void what_is_removed(struct office *o)
{
    office_talk(o, stranger_ip, 25,
                HELLO "C: MAIL FROM:<a@sender.example>\nS: 250\nC: RCPT TO:<bob@example.org>\nS: 250\nC: DATA\n"
                      "S: 354\n"
                      "C: Return-Path: <forged@sender.example>\n"
                      "C: Authentication-Results: mail.example.org; spf=pass\n"
                      "C: Authentication-Results: other.example; spf=pass\nC: Bcc: someone@sender.example\n" LETTER
                      "S: 250 2.0.0\n" QUIT);
    struct office_mail m = office_mail(o, "bob@example.org");
    assert_int_equal(m.n, 1);
    assert_true(
        str_ends(m.text[0], S("\r\nAuthentication-Results: other.example; spf=pass\r\nBcc: someone@sender.example\r\n"
                              "From: <a@sender.example>\r\nSubject: hello\r\n\r\ntext\r\n")));
    assert_true(str_find(m.text[0], S("forged")) == m.text[0].n);
}

static void quota(struct office *o)
{
    office_talk(o, stranger_ip, 25,
                HELLO
                "C: MAIL FROM:<a@sender.example> SIZE=12000\nS: 250\nC: RCPT TO:<small@example.org>\nS: 552 5.2.2\n"
                "C: RCPT TO:<bob@example.org>\nS: 250\nC: RSET\nS: 250\n"
                "C: MAIL FROM:<a@sender.example> SIZE=10500\nS: 250\nC: RCPT TO:<small@example.org>\nS: 250\nC: DATA\n"
                "S: 354\n"
                "C: Subject: x\nC: \nC* 1000 123456789\nC: .\nS: 250\n"
                "C: MAIL FROM:<a@sender.example>\nS: 250\nC: RCPT TO:<small@example.org>\nS: 552 5.2.2\n" QUIT);
}

/* Eleven letters are one with ten percent of grace. */
static void quota_of_letters(struct office *o)
{
    for (int i = 0; i < 11; i++)
        office_talk(o, stranger_ip, 25,
                    HELLO "C: MAIL FROM:<a@sender.example>\nS: 250\nC: RCPT TO:<few@example.org>\nS: 250\nC: DATA\n"
                          "S: 354\nC: Subject: x\nC: \nC: y\nC: .\nS: 250\n" QUIT);
    office_talk(o, stranger_ip, 25,
                HELLO "C: MAIL FROM:<a@sender.example>\nS: 250\nC: RCPT TO:<few@example.org>\nS: 552 5.2.2\n"
                      "C: RCPT TO:<few+x@example.org>\nS: 552 5.2.2\nC: RCPT TO:<bob@example.org>\nS: 250\n" QUIT);
}

static void refusals_are_counted(struct office *o)
{
    mono_us took = office_talk(o, friend_ip, 25,
                               HELLO "C: MAIL FROM:<a@sender.example>\nS: 250\n"
                                     "C* 50 RCPT TO:<nobody@example.org>\nC: QUIT\n");
    assert_true(took < SECONDS(60));
    assert_int_equal(office_trace_count(o, TRACE_REFUSED, 550), LIMIT_REFUSALS_TRACED);
    assert_int_equal(office_trace_count(o, TRACE_REFUSED_MANY, 0), 1);
}

static void guessing_recipients_is_slow(struct office *o)
{
    mono_us took = office_talk(o, stranger_ip, 25,
                               HELLO "C: MAIL FROM:<a@sender.example>\nS: 250\nC* 19 RCPT TO:<nobody@example.org>\n"
                                     "C: RCPT TO:<nobody@example.org>\nW: 60\n");
    assert_true(took >= SECONDS(60));
    office_talk(o, stranger_ip, 25,
                HELLO
                "C* 20 FOO\nS: 500\nS: 500\nS: 500\nS: 500\nS: 500\nS: 500\nS: 500\nS: 500\nS: 500\nS: 500\nS: 500\n"
                "S: 500\nS: 500\nS: 500\nS: 500\nS: 500\nS: 500\nS: 500\nS: 500\nS: 500\nS: 421 4.7.0\nS-\n");
}

static void expn(struct office *o)
{
    o->service[0].policy = &mta_policy_with_expn;
    office_talk(o, stranger_ip, 25, HELLO "C: EXPN team@example.org\nS: 502 5.5.1\n" QUIT);
    office_talk(o, friend_ip, 25,
                HELLO "C: EXPN team@example.org\nS: 250 2.5.0 <alice@example.org>\nC: EXPN <bob@example.org>\n"
                      "S: 250 2.5.0 <bob@example.org>\n"
                      "C: EXPN nobody@example.org\nS: 550 5.1.1\nC: EXPN x@elsewhere.example\nS: 550 5.1.1\nC: EXPN @\n"
                      "S: 501 5.1.3\n" QUIT);
    o->service[0].policy = &mta_policy;
    office_talk(o, friend_ip, 25, HELLO "C: EXPN team@example.org\nS: 502 5.5.1\n" QUIT);
}

/* ---- a full disk ---- */

static void full_disk(struct office *o)
{
    const char *letter =
        HELLO "C: MAIL FROM:<a@sender.example>\nS: 250\nC: RCPT TO:<bob@example.org>\nS: 250\nC: DATA\n"
              "S: 354\n" LETTER "S: %s\n" QUIT;
    office_talk(o, stranger_ip, 25, arena_printf(o->arena, letter, "250 2.0.0").p);
    sim_disk_limit(o->world, 1 << 20);
    office_talk(o, stranger_ip, 25, arena_printf(o->arena, letter, "452 4.3.1").p);
    assert_int_equal(office_mail(o, "bob@example.org").n, 1);
    sim_disk_limit(o->world, -1);
    office_talk(o, stranger_ip, 25,
                HELLO "C: MAIL FROM:<a@sender.example>\nS: 250\nC: RCPT TO:<bob@example.org>\nS: 250\nC: DATA\n"
                      "S: 354\n" LETTER
                      /* the first that asks makes the store look again */
                      "S: \nC: RSET\nS: 250\n" QUIT);
    size_t before = office_mail(o, "bob@example.org").n;
    office_talk(o, stranger_ip, 25, arena_printf(o->arena, letter, "250 2.0.0").p);
    assert_int_equal(office_mail(o, "bob@example.org").n, before + 1);
}

/* ---- submission ---- */

static void fix_ups(struct office *o)
{
    office_talk(
        o, stranger_ip, 587,
        SIGNED_IN
        "C: MAIL FROM:<alice@example.org>\nS: 250\nC: RCPT TO:<bob@example.org>\nS: 250\nC: DATA\nS: 354\n" FROM_ALICE
        "C: Bcc: secret@example.org\nC: Resent-Bcc: secret@example.org\nC: Return-Path: <x@y>\nC: \nC: text\n"
        "C: .\nS: 250\n" QUIT);
    struct office_mail m = office_mail(o, "bob@example.org");
    assert_int_equal(m.n, 1);
    assert_true(str_find(m.text[0], S("secret@example.org")) == m.text[0].n);
    assert_true(str_find(m.text[0], S("Return-Path: <x@y>")) == m.text[0].n);
    assert_true(str_find(m.text[0], S("\r\nDate: ")) < m.text[0].n);
    assert_true(str_find(m.text[0], S("\r\nMessage-ID: <")) < m.text[0].n);
    assert_true(str_find(m.text[0], S("203.0.113.7")) == m.text[0].n);
    assert_true(str_ends(m.text[0], S("From: Alice <alice@example.org>\r\nSubject: hello\r\n\r\ntext\r\n")));
}

static void rights(struct office *o)
{
    office_talk(o, stranger_ip, 587, HELLO "C: MAIL FROM:<alice@example.org>\nS: 530 5.7.0\n" QUIT);
    office_talk(
        o, stranger_ip, 587,
        SIGNED_IN
        "C: MAIL FROM:<bob@example.org>\nS: 550 5.7.1\nC: MAIL FROM:<alice+x@example.org>\nS: 250\n"
        "C: RCPT TO:<bob@example.org>\nS: 250\nC: DATA\nS: 354\nC: From: <bob@example.org>\nC: \nC: x\nC: .\n"
        "S: 550 5.7.1\n"
        "C: MAIL FROM:<>\nS: 250\nC: RCPT TO:<bob@example.org>\nS: 250\nC: DATA\nS: 354\nC: Subject: no author\n"
        "C: \nC: x\nC: .\nS: 550 5.6.0\n"
        "C: MAIL FROM:<team@example.org>\nS: 250\nC: RCPT TO:<bob@example.org>\nS: 250\nC: DATA\nS: 354\n" FROM_ALICE
        "C: From: <bob@example.org>\nC: \nC: x\nC: .\nS: 550 5.6.0\n" QUIT);
    assert_int_equal(office_mail(o, "bob@example.org").n, 0);
    assert_int_equal(office_trace_count(o, TRACE_REFUSED, 550), 4);
}

static FIBER void grant_boss(struct office *o, void *arg)
{
    const bool *granted = arg;
    struct address boss = {S("boss"), S("example.org")};
    struct error e = {0};
    const struct directory *d = store_directory(o->store);
    int64_t alice = directory_account(d, (struct address){S("alice"), S("example.org")})->id;
    directory_unref(d);
    assert_int_equal((*granted ? store_grant_add : store_grant_remove)(o->store, alice, boss, &e), 0);
}

static void granted_address(struct office *o)
{
    const char *refused =
        SIGNED_IN "C: MAIL FROM:<boss@example.org>\nS: 550 5.7.1\nC: MAIL FROM:<alice@example.org>\nS: 250\n"
                  "C: RCPT TO:<bob@example.org>\nS: 250\nC: DATA\nS: 354\n"
                  "C: From: <boss@example.org>\nC: \nC: x\nC: .\nS: 550 5.7.1\n" QUIT;
    office_talk(o, stranger_ip, 587, refused);
    office_do(o, grant_boss, &(bool){true});
    office_talk(o, stranger_ip, 587,
                SIGNED_IN
                "C: MAIL FROM:<Boss@example.org>\nS: 250\nC: RCPT TO:<bob@example.org>\nS: 250\nC: DATA\nS: 354\n"
                "C: From: The Boss <boss+news@example.org>\nC: \nC: x\nC: .\nS: 250\n"
                "C: MAIL FROM:<bob@example.org>\nS: 550 5.7.1\n" QUIT);
    struct office_mail m = office_mail(o, "bob@example.org");
    assert_int_equal(m.n, 1);
    assert_true(str_starts(m.text[0], S("Return-Path: <Boss@example.org>\r\n")));
    office_do(o, grant_boss, &(bool){false});
    office_talk(o, stranger_ip, 587, refused);
    assert_int_equal(office_mail(o, "bob@example.org").n, 1);
}

static void hourly_limit(struct office *o)
{
    const char *ten = SIGNED_IN "C: MAIL FROM:<alice@example.org>\nS: 250\nC: RCPT TO:<bob@example.org>\nS: 250\n"
                                "C: RCPT TO:<bob+1@example.org>\nS: 250\n"
                                "C: RCPT TO:<bob+2@example.org>\nS: 250\nC: RCPT TO:<bob+3@example.org>\nS: 250\n"
                                "C: RCPT TO:<bob+4@example.org>\nS: 250\n"
                                "C: DATA\nS: 354\n" FROM_ALICE "C: \nC: x\nC: .\nS: 250\n" QUIT;
    const char *over =
        SIGNED_IN "C: MAIL FROM:<alice@example.org>\nS: 250\nC: RCPT TO:<bob@example.org>\nS: 450 4.7.1\n" QUIT;
    office_talk(o, stranger_ip, 587, ten);
    office_talk(o, stranger_ip, 587, ten);
    office_talk(o, stranger_ip, 587, over);
    office_talk(o, stranger_ip, 25, "S: 220\nW: 7200\n"); /* two hours pass */
    office_talk(o, stranger_ip, 587, ten);
    office_talk(o, stranger_ip, 587, ten);
    office_talk(o, stranger_ip, 25, "S: 220\nW: 7200\n");
    office_talk(o, stranger_ip, 587, over); /* now the day is over its limit of 20 */
}

struct waiting { /* rows of the queue */
    size_t n;
    struct queue_item *v;
};

static FIBER void read_queue(struct office *o, void *arg)
{
    struct waiting *w = arg;
    struct queue_filter all = {0};
    struct error e = {0};
    bool more;
    assert_int_equal(store_queue_list(o->store, o->arena, &all, (struct queue_place){0}, 100, &w->v, &w->n, &more, &e),
                     0);
    assert_false(more);
}

static void foreign_recipients(struct office *o)
{
    office_talk(o, stranger_ip, 587,
                SIGNED_IN "C: MAIL FROM:<alice@example.org>\nS: 250\nC: RCPT TO:<x@sender.example>\nS: 250 2.1.5\n"
                          "C: RCPT TO:<x@missing.test>\nS: 550 5.1.2\n"
                          "C: RCPT TO:<x@null.example>\nS: 556 5.1.10\nC: RCPT TO:<x@broken.example>\nS: 250 2.1.5\n"
                          "C: RCPT TO:<nobody@example.org>\nS: 550 5.1.1\nC: RCPT TO:<bob@example.org>\nS: 250\n"
                          "C: DATA\nS: 354\n" FROM_ALICE "C: \nC: text\nC: .\nS: 250 2.0.0\n" QUIT);
    struct waiting w = {0};
    office_do(o, read_queue, &w);
    assert_int_equal(w.n, 2);
    assert_str(w.v[0].next_hop, S("sender.example"));
    assert_str(w.v[1].next_hop, S("broken.example"));
    assert_int_equal(office_mail(o, "bob@example.org").n, 1);
}

/* Who gets a letter that an alias of ours passed on may answer to its sender's rewritten address; nobody else may. */
static void return_addresses(struct office *o)
{
    const struct address sender = {S("x"), S("sender.example")};
    struct address ours;
    assert_int_equal(
        srs_forward(o->arena, o->queue.srs_secret, sender, S("mail.example.org"), clock_utc(o->world), &ours), 0);
    struct str text = address_str(o->arena, ours);
    struct str script = arena_printf(o->arena,
                                     HELLO "C: MAIL FROM:<>\nS: 250\nC: RCPT TO:<%.*s>\nS: 250 2.1.5\n"
                                           "C: RCPT TO:<SRS0=AAAAAA%.*s>\nS: 550 5.7.1\n"
                                           "C: DATA\nS: 354\n" LETTER "S: 250 2.0.0\n" QUIT,
                                     STR_FMT(text), STR_FMT(str_skip(text, 11)));
    office_talk(o, stranger_ip, 25, arena_cstr(o->arena, script));
    struct waiting w = {0};
    office_do(o, read_queue, &w);
    assert_int_equal(w.n, 1);
    assert_str(address_str(o->arena, w.v[0].final), S("x@sender.example"));
}

static void guessing_passwords(struct office *o)
{
    const char *five = HELLO "C: AUTH PLAIN AGFsaWNlQGV4YW1wbGUub3JnAHdyb25n\nS: 535 5.7.8\n"
                             "C: AUTH PLAIN AGFsaWNlQGV4YW1wbGUub3JnAHdyb25n\nS: 535 5.7.8\n"
                             "C: AUTH PLAIN AGFsaWNlQGV4YW1wbGUub3JnAHdyb25n\nS: 535 5.7.8\n"
                             "C: AUTH PLAIN AGFsaWNlQGV4YW1wbGUub3JnAHdyb25n\nS: 535 5.7.8\n"
                             "C: AUTH PLAIN AGFsaWNlQGV4YW1wbGUub3JnAHdyb25n\nS: 535 5.7.8\nS: 421 4.7.0\nS-\n";
    for (int i = 0; i < 4; i++) assert_true(office_talk(o, stranger_ip, 587, five) >= 4 * SPAN_AUTH_DELAY);
    office_talk(o, stranger_ip, 587,
                HELLO "C: AUTH PLAIN AGFsaWNlQGV4YW1wbGUub3JnAHNlY3JldCBvZiBhbGljZQ==\nS: 454 4.7.0\n" QUIT);
    office_talk(o, friend_ip, 587, SIGNED_IN QUIT); /* somebody else is not shut out */
    office_talk(o, stranger_ip, 25, "S: 220\nW: 2000\n");
    office_talk(o, stranger_ip, 587, SIGNED_IN QUIT);
}

/* ---- LMTP ---- */

static void lmtp(struct office *o)
{
    office_talk(o, stranger_ip, 24, "S: 554 5.7.1\nS-\n");
    office_talk(o, friend_ip, 24,
                "S: 220\nC: LHLO client\nS: 250\nC: MAIL FROM:<a@missing.test>\nS: 250\nC: RCPT TO:<bob@example.org>\n"
                "S: 250\n"
                "C: RCPT TO:<nobody@example.org>\nS: 550 5.1.1\nC: RCPT TO:<alice@example.org>\nS: 250\nC: DATA\n"
                "S: 354\nC: Delivered-To: bob@example.org\n" LETTER "S: 554 5.4.6\nS: 250 2.0.0\n" QUIT);
    assert_int_equal(office_mail(o, "bob@example.org").n, 0);
    assert_int_equal(office_mail(o, "alice@example.org").n, 1);
}

#define TEST(name) \
    static void test_##name(void **state) \
    { \
        (void)state; \
        office_run(name); \
    }
TEST(deliver_one)
TEST(sender_domains)
TEST(no_open_relay)
TEST(loops_are_cut)
TEST(endless_header)
TEST(letter_of_many_parts)
TEST(one_copy_for_one_address)
TEST(what_is_removed)
TEST(quota)
TEST(quota_of_letters)
TEST(refusals_are_counted)
TEST(guessing_recipients_is_slow)
TEST(expn)
TEST(full_disk)
TEST(fix_ups)
TEST(rights)
TEST(granted_address)
TEST(hourly_limit)
TEST(foreign_recipients)
TEST(return_addresses)
TEST(guessing_passwords)
TEST(lmtp)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deliver_one),
        cmocka_unit_test(test_sender_domains),
        cmocka_unit_test(test_no_open_relay),
        cmocka_unit_test(test_loops_are_cut),
        cmocka_unit_test(test_endless_header),
        cmocka_unit_test(test_letter_of_many_parts),
        cmocka_unit_test(test_one_copy_for_one_address),
        cmocka_unit_test(test_what_is_removed),
        cmocka_unit_test(test_quota),
        cmocka_unit_test(test_quota_of_letters),
        cmocka_unit_test(test_refusals_are_counted),
        cmocka_unit_test(test_guessing_recipients_is_slow),
        cmocka_unit_test(test_expn),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_fix_ups),
        cmocka_unit_test(test_rights),
        cmocka_unit_test(test_granted_address),
        cmocka_unit_test(test_hourly_limit),
        cmocka_unit_test(test_foreign_recipients),
        cmocka_unit_test(test_return_addresses),
        cmocka_unit_test(test_guessing_passwords),
        cmocka_unit_test(test_lmtp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
