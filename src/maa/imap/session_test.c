/* IMAP sessions as such: opening mailboxes, what is told when, IDLE over several loops, and clients that do
 * not behave. */
#include "maa/imap/testing.h"

#define LETTER "Subject: x\r\n\r\ntext\r\n"

static FIBER void letters(struct imap_test *t, int n)
{
    for (int i = 0; i < n; i++) imap_letter_in(t, t->bob, 0, S(LETTER), 0);
}

static FIBER struct imap_client *open_inbox(struct imap_test *t, const char *enable)
{
    struct imap_client *c = imap_login(t, "bob");
    if (*enable) imap_ask(c, arena_cstr(c->arena, arena_printf(c->arena, "enable %s", enable)));
    imap_ask(c, "select inbox");
    return c;
}

static void assert_said(const struct imap_client *c, const char *text) { assert_str(c->said, str_c(text)); }

/* ---- SELECT ---- */

static FIBER void selecting(struct imap_test *t)
{
    letters(t, 3);
    struct imap_client *c = imap_login(t, "bob");
    imap_ask_for(c, "select inbox", "OK [READ-WRITE]*");
    imap_heard(c, "* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft*)");
    imap_heard(c, "* OK [PERMANENTFLAGS (\\Seen*)]*");
    imap_heard(c, "* 3 EXISTS");
    imap_heard(c, "* 3 RECENT");
    imap_heard(c, "* OK [UNSEEN 1]*");
    imap_heard(c, "* OK [UIDNEXT 4]*");
    imap_heard(c, "* OK [HIGHESTMODSEQ *");
    imap_heard(c, "* OK [MAILBOXID (F*)]*");
    imap_ask_for(c, "examine inbox", "OK [READ-ONLY]*");
    imap_heard(c, "* OK [CLOSED]*");
    imap_heard(c, "* 0 RECENT"); /* they have been told of */
    imap_heard(c, "* OK [PERMANENTFLAGS ()]*");
    imap_ask_for(c, "select nowhere", "NO [NONEXISTENT]*");
    imap_ask_for(c, "fetch 1 flags", "BAD *"); /* RFC 9051 §6.3.2: nothing is selected now */
    imap_ask_for(c, "select inbox (qresync (1 1))", "BAD *");
    imap_ask(c, "enable imap4rev2");
    imap_ask(c, "select inbox");
    imap_heard(c, "* LIST () \"/\" INBOX (\"OLDNAME\" (inbox))"); /* RFC 9051 §8 */
    assert_false(imap_said(c, "* *RECENT*"));
    assert_false(imap_said(c, "* OK [UNSEEN*"));
    imap_ask(c, "unselect");
    imap_ask_for(c, "close", "BAD *");
    imap_bye(c);
}

static void select_tells_what_there_is(void **state)
{
    (void)state;
    imap_twice(selecting);
}

/* RFC 7162 §3.2.5 */
static FIBER void resyncing(struct imap_test *t)
{
    letters(t, 8);
    struct imap_client *c = open_inbox(t, "qresync");
    struct str validity = c->said, modseq = c->said;
    validity = str_skip(validity, str_find(validity, S("[UIDVALIDITY ")) + 13);
    modseq = str_skip(modseq, str_find(modseq, S("[HIGHESTMODSEQ ")) + 15);
    validity = str_head(validity, str_find_char(validity, ']'));
    modseq = str_head(modseq, str_find_char(modseq, ']'));
    struct imap_client *other = open_inbox(t, "");
    imap_ask(other, "store 2,5,6 +flags.silent \\deleted");
    imap_ask(other, "expunge");
    imap_ask(other, "store 1 +flags.silent \\seen");
    imap_ask(c, "unselect");
    imap_ask(c, arena_cstr(c->arena, arena_printf(c->arena, "select inbox (qresync (%.*s %.*s))", STR_FMT(validity),
                                                  STR_FMT(modseq))));
    imap_heard(c, "* VANISHED (EARLIER) 2,5:6");
    imap_heard(c, "* 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ (*))");
    assert_false(imap_said(c, "* *2 FETCH*"));
    imap_ask(c, arena_cstr(c->arena, arena_printf(c->arena, "select inbox (qresync (%.*s %.*s 4:7 (1,2 1,3)))",
                                                  STR_FMT(validity), STR_FMT(modseq))));
    imap_heard(c, "* VANISHED (EARLIER) 5:6");
    assert_false(imap_said(c, "* * FETCH*"));
    imap_ask(c, arena_cstr(c->arena, arena_printf(c->arena, "select inbox (qresync (1 %.*s))", STR_FMT(modseq))));
    assert_false(imap_said(c, "* VANISHED*"));
    imap_ask(other, "store 1 +flags.silent \\deleted");
    imap_ask(other, "expunge");
    imap_ask(c, "noop");
    imap_heard(c, "* VANISHED 1");
    imap_bye(c);
    imap_bye(other);
}

static void qresync_tells_what_happened(void **state)
{
    (void)state;
    imap_twice(resyncing);
}

/* RFC 7162 §3.2, §6: who hears of MODSEQs while expunges are held back must not think he knows all up to there. */
static FIBER void holding_back(struct imap_test *t)
{
    letters(t, 4);
    struct imap_client *c = open_inbox(t, "qresync"), *other = open_inbox(t, "");
    struct str known = str_skip(c->said, str_find(c->said, S("[HIGHESTMODSEQ ")));
    known = str_head(known, str_find_char(known, ']') + 1);
    imap_ask(other, "store 4 +flags.silent \\deleted");
    imap_ask(other, "expunge");
    imap_ask(other, "store 1 +flags.silent \\flagged");
    imap_ask(c, "fetch 2 modseq");
    imap_heard(c, "* 1 FETCH (UID 1 FLAGS (*\\Flagged) MODSEQ (*))");
    assert_false(imap_said(c, "* VANISHED*"));
    imap_heard(c, arena_cstr(c->arena, arena_printf(c->arena, "* OK %.*s *", STR_FMT(known))));
    imap_ask(c, "uid search 1:2"); /* §3.2.10.2: its numbers must not shift either */
    assert_false(imap_said(c, "* VANISHED*"));
    imap_ask(c, "uid search uid 1:2");
    imap_heard(c, "* VANISHED 4");
    assert_false(imap_said(c, "* OK [HIGHESTMODSEQ*"));
    imap_bye(c);
    imap_bye(other);
}

static void what_is_held_back_is_not_counted(void **state)
{
    (void)state;
    imap_twice(holding_back);
}

/* ---- what is told when ---- */

static FIBER void telling(struct imap_test *t)
{
    letters(t, 5);
    struct imap_client *c = open_inbox(t, ""), *other = open_inbox(t, "");
    imap_ask(other, "store 2,4 +flags.silent \\deleted");
    imap_ask(other, "expunge");
    assert_said(other, "* 4 EXPUNGE\r\n* 2 EXPUNGE\r\n");
    letters(t, 1);
    imap_ask(c, "fetch 5 flags"); /* numbers must not shift under it */
    assert_false(imap_said(c, "* * EXPUNGE"));
    imap_heard(c, "* 6 EXISTS");
    imap_ask(c, "fetch 6 uid");
    assert_said(c, "* 6 FETCH (UID 6)\r\n");
    imap_ask(c, "uid fetch 1 flags");
    imap_heard(c, "* 4 EXPUNGE");
    imap_ask(c, "fetch 3,4 uid");
    assert_said(c, "* 3 FETCH (UID 5)\r\n* 4 FETCH (UID 6)\r\n");
    imap_ask(other, "noop");
    imap_ask(other, "store 1 flags ($Forwarded own)"); /* a new keyword */
    imap_ask(c, "noop");
    imap_heard(c, "* FLAGS (* own)");
    imap_heard(c, "* 1 FETCH (UID 1 FLAGS (*$Forwarded own))");
    imap_bye(c);
    imap_bye(other);
}

static void news_come_when_they_may(void **state)
{
    (void)state;
    imap_twice(telling);
}

static FIBER void losing(struct imap_test *t)
{
    struct imap_client *c = imap_login(t, "bob"), *other = imap_login(t, "bob");
    imap_ask(c, "create Work");
    imap_ask(c, "select Work");
    imap_ask(other, "delete Work");
    imap_ask(c, "noop");
    imap_heard(c, "* OK [CLOSED]*");
    imap_ask_for(c, "fetch 1 flags", "BAD *");
    imap_bye(c);
    imap_bye(other);
}

static void a_mailbox_that_goes_is_closed(void **state)
{
    (void)state;
    imap_twice(losing);
}

static FIBER void losing_rights(struct imap_test *t)
{
    letters(t, 2);
    struct imap_client *bob = imap_login(t, "bob"), *ann = imap_login(t, "ann"), *idle = imap_login(t, "ann");
    imap_ask(bob, "setacl inbox ann@example.org lr");
    imap_ask_for(ann, "select Shared/bob@example.org/INBOX", "OK [READ-ONLY]*");
    imap_ask(idle, "select Shared/bob@example.org/INBOX");
    imap_say(idle, "i IDLE");
    imap_expect(idle, "+ *");
    imap_ask(ann, "fetch 1:2 body.peek[]");
    imap_ask(bob, "deleteacl inbox ann@example.org");
    imap_ask_for(ann, "fetch 1:2 body.peek[]", "NO [NOPERM]*");
    letters(t, 1);
    imap_ask(ann, "noop");
    assert_int_equal(ann->said.n, 0);
    imap_say(idle, "DONE");
    imap_expect(idle, "i OK *");
    imap_bye(bob);
    imap_bye(ann);
    imap_bye(idle);
}

/* RFC 4314 §5.1.1: FLAGS and PERMANENTFLAGS say what may be kept now. */
static FIBER void changing_rights(struct imap_test *t)
{
    letters(t, 1);
    struct imap_client *bob = imap_login(t, "bob"), *ann = imap_login(t, "ann");
    imap_ask(bob, "setacl inbox ann@example.org lrswt");
    imap_ask(ann, "select Shared/bob@example.org/INBOX");
    imap_heard(ann, "* OK [PERMANENTFLAGS (\\Seen \\Answered *\\*)]*");
    imap_ask(ann, "fetch 1 uid");
    assert_false(imap_said(ann, "* OK [PERMANENTFLAGS*"));
    imap_ask(bob, "setacl inbox ann@example.org -wt");
    imap_ask(ann, "fetch 1 uid");
    imap_heard(ann, "* FLAGS (*)");
    imap_heard(ann, "* OK [PERMANENTFLAGS (\\Seen)]*");
    imap_ask(ann, "fetch 1 uid");
    assert_false(imap_said(ann, "* OK [PERMANENTFLAGS*"));
    imap_bye(bob);
    imap_bye(ann);
}

/* An account that is disabled or removed: its sessions see nothing from then on. */
static FIBER void disabling(struct imap_test *t)
{
    struct error e = {0};
    letters(t, 2);
    for (int removed = 0; removed < 2; removed++) {
        struct imap_client *c = open_inbox(t, ""), *idle = open_inbox(t, ""), *notify = open_inbox(t, "");
        imap_ask(notify, "notify set (selected (MessageNew (uid body.peek[]) MessageExpunge))");
        imap_say(idle, "i IDLE");
        imap_expect(idle, "+ *");
        imap_ask(c, "fetch 1 body.peek[]");
        struct mailbox m;
        ok(store_mailbox_find(t->t.store, t->t.arena, t->bob, t->bob, S("INBOX"), &m, &e), &e);
        ok(removed ? store_account_remove(t->t.store, t->bob, &e)
                   : store_account_change(t->t.store, t->bob, &(bool){true}, NULL, NULL, NULL, &e),
           &e);
        if (!removed) letters(t, 1);
        imap_say(c, "f fetch 1 body.peek[]");
        imap_expect(c, "* BYE *");
        if (!removed) imap_expect(idle, "* BYE *");
        if (!removed) imap_expect(notify, "* BYE *");
        imap_bye(c);
        imap_bye(idle);
        imap_bye(notify);
        if (!removed) ok(store_account_change(t->t.store, t->bob, &(bool){false}, NULL, NULL, NULL, &e), &e);
    }
}

static void who_is_served_no_more_is_thrown_out(void **state)
{
    (void)state;
    imap_twice(disabling);
}

static void rights_taken_back_are_the_end_of_news(void **state)
{
    (void)state;
    imap_twice(losing_rights);
    imap_twice(changing_rights);
}

static FIBER void uids_only(struct imap_test *t)
{
    letters(t, 4);
    struct imap_client *c = open_inbox(t, "uidonly"), *other = open_inbox(t, "");
    static const char *const refused[] = {"fetch 1 flags", "store 1 flags ()", "copy 1 inbox", "move 1 inbox"};
    for (size_t i = 0; i < 4; i++) imap_ask_for(c, refused[i], "BAD [UIDREQUIRED]*");
    imap_ask(c, "uid fetch 2:3 flags");
    assert_said(c, "* 2 UIDFETCH (FLAGS (\\Recent))\r\n* 3 UIDFETCH (FLAGS (\\Recent))\r\n");
    imap_ask(other, "store 1,3 +flags.silent \\deleted");
    imap_ask(other, "expunge");
    imap_ask(other, "store 1 +flags \\seen");
    imap_ask(c, "noop");
    imap_heard(c, "* VANISHED 1,3");
    imap_heard(c, "* 2 UIDFETCH (FLAGS (*\\Seen))");
    imap_bye(c);
    imap_bye(other);
}

static void uidonly_has_no_numbers(void **state) /* RFC 9586 */
{
    (void)state;
    imap_twice(uids_only);
}

/* ---- IDLE ---- */

static FIBER void idling(struct imap_test *t)
{
    struct imap_client *c[3];
    letters(t, 2);
    for (int i = 0; i < 3; i++) c[i] = open_inbox(t, "");
    for (int i = 0; i < 3; i++) {
        imap_say(c[i], "i IDLE");
        imap_expect(c[i], "+ *");
    }
    mono_us before = loop_now();
    letters(t, 1);
    for (int i = 0; i < 3; i++) {
        imap_expect(c[i], "* 3 EXISTS");
        imap_expect(c[i], "* * RECENT");
    }
    assert_true(loop_now() - before < SECONDS(1));
    struct imap_client *other = open_inbox(t, "");
    imap_ask(other, "store 1 +flags \\deleted");
    imap_ask(other, "uid expunge 1");
    for (int i = 0; i < 3; i++) {
        imap_expect(c[i], "* 1 FETCH (UID 1 FLAGS (*\\Deleted))");
        imap_expect(c[i], "* 1 EXPUNGE");
        imap_say(c[i], i == 2 ? "STOP" : "done");
        imap_expect(c[i], i == 2 ? "i BAD *" : "i OK *");
    }
    imap_say(c[0], "i IDLE");
    imap_expect(c[0], "+ *");
    imap_expect(c[0], "* BYE *"); /* RFC 9051 §5.4: half an hour later */
    assert_true(loop_now() - before > MINUTES(29));
    for (int i = 0; i < 3; i++) imap_bye(c[i]);
    imap_bye(other);
}

static void idle_hears_at_once(void **state)
{
    (void)state;
    imap_twice(idling);
}

/* ---- clients that do not behave ---- */

static FIBER void pipelining(struct imap_test *t)
{
    struct imap_client *c = imap_login(t, "bob");
    struct buf *b = buf_in(c->arena, 1 << 20);
    for (int i = 0; i < 10000; i++) buf_printf(b, "n%d NOOP\r\n", i);
    stream_deadline(c->stream, loop_now() + HOURS(1));
    stream_write(c->stream, buf_str(b));
    for (int i = 0; i < 10000; i++) {
        char want[30];
        snprintf(want, sizeof want, "n%d OK done", i);
        struct str line;
        assert_int_equal(stream_line(c->stream, 1000, &line), 0);
        assert_str(line, str_c(want));
    }
    imap_bye(c);
}

static void ten_thousand_commands_come_in_order(void **state)
{
    (void)state;
    imap_twice(pipelining);
}

static FIBER void babbling(struct imap_test *t)
{
    static const struct {
        const char *said, *heard;
    } cases[] = {
        {"a LOGIN {20000}\r\n", "a BAD [TOOBIG]*"}, /* refused before it comes */
        {"a LOGIN {99999999999999999999999}\r\n", "a BAD *"},
        {"a LOGIN {99999999999999999999999+}\r\n", "* BYE [TOOBIG]*"},
        {"a LOGIN {70000000+}\r\nx", "* BYE [TOOBIG]*"},
        {"{1\r\n", "* BAD *"},
        {"\r\n", "* BAD *"},
        {" \r\n", "* BAD *"},
        {"a\r\n", "a BAD *"},
        {"+ x\r\n", "* BAD *"},
        {"a LOGIN {0}\r\n", "+ *"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct imap_client *c = imap_visit(t);
        stream_write(c->stream, str_c(cases[i].said));
        imap_expect(c, cases[i].heard);
        imap_bye(c);
    }
    struct imap_client *c = imap_visit(t);
    struct buf *long_one = buf_in(c->arena, 100000);
    memset(buf_reserve(long_one, 20000), 'x', 20000);
    long_one->n = 20000;
    stream_write(c->stream, S("a LOGIN {20000+}\r\n")); /* read, thrown away, and no part of it taken for a command */
    stream_write(c->stream, buf_str(long_one));
    stream_write(c->stream, S(" {3+}\r\nabc\r\nb NOOP\r\n"));
    imap_expect(c, "a BAD [TOOBIG]*");
    imap_expect(c, "b OK *");
    stream_write(c->stream, buf_str(long_one)); /* a line without end */
    imap_say(c, "");
    imap_expect(c, "* BYE *");
    imap_bye(c);
    c = imap_visit(t);
    for (int i = 0; i < LIMIT_IMAP_ERRORS; i++) imap_say(c, "x NONSENSE");
    for (int i = 0; i < LIMIT_IMAP_ERRORS; i++) imap_expect(c, "x BAD *");
    imap_expect(c, "* BYE too many errors");
    imap_bye(c);
}

static void nonsense_is_answered(void **state)
{
    (void)state;
    imap_twice(babbling);
}

/* A client that never reads costs a bounded amount of memory, and in the end its connection. */
static FIBER void never_reading(struct imap_test *t)
{
    letters(t, 200);
    struct imap_client *c = open_inbox(t, "");
    for (int i = 0; i < 300; i++) imap_say(c, "f FETCH 1:* (FLAGS ENVELOPE BODY[])");
    fiber_sleep(MINUTES(1));
    assert_true(stream_bytes_in(c->stream) < (4 << 20));
    fiber_sleep(MINUTES(40));
    struct str line;
    int lines = 0, e;
    while ((e = stream_line(c->stream, 10000, &line)) == 0) lines++;
    assert_true(e == ERR_EOF || e == ERR_IO);
    assert_true(lines < 50000);
    imap_bye(c);
}

static void who_never_reads_is_not_waited_for(void **state)
{
    (void)state;
    imap_twice(never_reading);
}

/* RFC 8437, and what TLS and COMPRESS leave behind. */
static FIBER void leaving(struct imap_test *t)
{
    letters(t, 1);
    struct imap_client *c = open_inbox(t, "qresync");
    imap_ask(c, "unauthenticate");
    imap_ask_for(c, "noop", "OK *");
    imap_ask_for(c, "select inbox", "BAD *");
    imap_ask(c, "login ann secret");
    imap_ask(c, "select inbox");
    imap_heard(c, "* 0 EXISTS");
    imap_ask_for(c, "select inbox (qresync (1 1))", "BAD *"); /* nothing is enabled */
    imap_ask(c, "compress deflate");
    assert_int_equal(stream_deflate(c->stream), 0);
    imap_ask(c, "noop");
    imap_ask_for(c, "compress deflate", "BAD [COMPRESSIONACTIVE]*");
    imap_ask(c, "unauthenticate"); /* RFC 8437 §4.1 */
    assert_int_equal(stream_deflate_end(c->stream), 0);
    imap_ask_for(c, "noop", "OK *");
    imap_ask(c, "login bob secret");
    imap_ask(c, "compress deflate");
    assert_int_equal(stream_deflate(c->stream), 0);
    imap_ask(c, "select inbox");
    imap_heard(c, "* 1 EXISTS");
    imap_ask_for(c, "logout", "OK *");
    imap_bye(c);
}

static void who_leaves_leaves_nothing(void **state)
{
    (void)state;
    imap_twice(leaving);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(select_tells_what_there_is),
        cmocka_unit_test(qresync_tells_what_happened),
        cmocka_unit_test(what_is_held_back_is_not_counted),
        cmocka_unit_test(news_come_when_they_may),
        cmocka_unit_test(a_mailbox_that_goes_is_closed),
        cmocka_unit_test(rights_taken_back_are_the_end_of_news),
        cmocka_unit_test(who_is_served_no_more_is_thrown_out),
        cmocka_unit_test(uidonly_has_no_numbers),
        cmocka_unit_test(idle_hears_at_once),
        cmocka_unit_test(ten_thousand_commands_come_in_order),
        cmocka_unit_test(nonsense_is_answered),
        cmocka_unit_test(who_never_reads_is_not_waited_for),
        cmocka_unit_test(who_leaves_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
