/* Searches that are kept up to date (RFC 5267), as clients see them: by hand, and against the same search done anew. */
#include "maa/imap/testing.h"
#include "store/search.h"

static FIBER uid letter(struct imap_test *t, const char *subject, const char *text)
{
    struct str whole = arena_printf(t->t.arena, "Subject: %s\r\n\r\n%s\r\n", subject, text);
    return imap_letter_in(t, t->bob, 0, whole, 0);
}

static FIBER void letters(struct imap_test *t, int n)
{
    for (int i = 0; i < n; i++) letter(t, "x", "body");
}

/* ---- SEARCH ---- */

static FIBER void searching(struct imap_test *t) /* RFC 5267 §4.3 */
{
    letters(t, 4);
    struct imap_client *c = imap_in_inbox(t), *d = imap_in_inbox(t);
    imap_ask(d, "store 2 +flags (\\flagged)");
    imap_ask(c, "noop");
    imap_say(c, "B01 UID SEARCH RETURN (UPDATE COUNT) FLAGGED");
    imap_expect(c, "* ESEARCH (TAG \"B01\") UID COUNT 1");
    imap_expect(c, "B01 OK *");
    imap_say(c, "B02 SEARCH RETURN (UPDATE) FLAGGED");
    imap_expect(c, "* ESEARCH (TAG \"B02\")");
    imap_expect(c, "B02 OK *");
    imap_ask(d, "store 3:4 +flags (\\flagged)");
    imap_answers(c, "noop",
                 "* 3 FETCH (UID 3 FLAGS (\\Flagged))\r\n* 4 FETCH (UID 4 FLAGS (\\Flagged))\r\n"
                 "* ESEARCH (TAG \"B01\") UID ADDTO (0 3:4)\r\n* ESEARCH (TAG \"B02\") ADDTO (0 3:4)\r\n");
    imap_answers(c, "store 2 -flags.silent (\\flagged)",
                 "* ESEARCH (TAG \"B01\") UID REMOVEFROM (0 2)\r\n* ESEARCH (TAG \"B02\") REMOVEFROM (0 2)\r\n");
    imap_ask(d, "store 2 +flags (\\seen)"); /* is nothing to them */
    imap_answers(c, "noop", "* 2 FETCH (UID 2 FLAGS (\\Seen))\r\n");
    imap_ask(d, "store 3 -flags (\\flagged)");
    imap_ask(d, "store 3 +flags (\\flagged)"); /* left and joined: nothing was */
    imap_answers(c, "noop", "* 3 FETCH (UID 3 FLAGS (\\Flagged))\r\n");
    imap_letter_in(t, t->bob, 0, S("Subject: y\r\n\r\n"), FLAG_FLAGGED);
    imap_letter_in(t, t->bob, 0, S("Subject: z\r\n\r\n"), 0);
    imap_ask(d, "uid store 1 +flags (\\flagged)");
    imap_ask(d, "uid store 4 -flags (\\flagged)");
    imap_answers(c, "noop",
                 "* 6 EXISTS\r\n* 1 FETCH (UID 1 FLAGS (\\Flagged))\r\n* 4 FETCH (UID 4 FLAGS ())\r\n"
                 "* ESEARCH (TAG \"B01\") UID REMOVEFROM (0 4) ADDTO (0 1,5)\r\n"
                 "* ESEARCH (TAG \"B02\") REMOVEFROM (0 4) ADDTO (0 1,5)\r\n");
    imap_bye(c);
    imap_bye(d);
}

/* Letters that are gone leave at once, by the number they have; EXPUNGE waits for a command that allows it. */
static FIBER void expunging(struct imap_test *t) /* RFC 5267 §4.3.4, §A.3 */
{
    letters(t, 5);
    struct imap_client *c = imap_in_inbox(t), *d = imap_in_inbox(t);
    imap_ask(c, "search return (update) all");
    imap_ask(c, "uid search return (update) uid 2:4");
    imap_ask(d, "store 2,4:5 +flags.silent (\\deleted)");
    imap_ask(c, "noop");
    imap_ask(d, "uid expunge 2,5");
    imap_answers(c, "fetch 1 uid",
                 "* 1 FETCH (UID 1)\r\n* ESEARCH (TAG \"t4\") REMOVEFROM (0 2,5)\r\n"
                 "* ESEARCH (TAG \"t5\") UID REMOVEFROM (0 2)\r\n");
    imap_answers(c, "fetch 3 uid", "* 3 FETCH (UID 3)\r\n");
    imap_ask(d, "expunge");
    letters(t, 1);
    imap_answers(c, "noop",
                 "* ESEARCH (TAG \"t4\") REMOVEFROM (0 4)\r\n* ESEARCH (TAG \"t5\") UID REMOVEFROM (0 4)\r\n"
                 "* 5 EXPUNGE\r\n* 4 EXPUNGE\r\n* 2 EXPUNGE\r\n* 3 EXISTS\r\n"
                 "* ESEARCH (TAG \"t4\") ADDTO (0 3)\r\n");
    imap_ask(c, "store 1 +flags.silent (\\deleted)");
    imap_answers(c, "expunge", "* ESEARCH (TAG \"t4\") REMOVEFROM (0 1)\r\n* 1 EXPUNGE\r\n");
    imap_bye(c);
    imap_bye(d);
}

/* Numbers, "$" and "*" of numbers mean what they meant; "*" of UIDs and names of keywords what they mean. */
static FIBER void what_keys_mean(struct imap_test *t)
{
    letters(t, 4);
    struct imap_client *c = imap_in_inbox(t), *d = imap_in_inbox(t);
    imap_ask(c, "search return (save) 1:2");
    imap_ask(c, "uid search return (update) unseen 3:900");     /* t5 */
    imap_ask(c, "uid search return (update) unseen $");       /* t6 */
    imap_ask(c, "search return (save) 4");                    /* another "$" is nothing to t6 */
    imap_ask(c, "uid search return (update) uid *");          /* t8 */
    imap_ask(c, "uid search return (update) unseen uid 9:*"); /* t9 */
    imap_ask(c, "uid search return (update) keyword New");    /* t10 */
    letters(t, 1);
    imap_answers(c, "noop",
                 "* 5 EXISTS\r\n* ESEARCH (TAG \"t8\") UID REMOVEFROM (0 4) ADDTO (0 5)\r\n"
                 "* ESEARCH (TAG \"t9\") UID REMOVEFROM (0 4) ADDTO (0 5)\r\n");
    imap_ask(d, "noop");
    imap_ask(d, "uid store 1,4:5 +flags.silent (\\seen new)");
    imap_ask(c, "noop");
    imap_heard(c, "* ESEARCH (TAG \"t5\") UID REMOVEFROM (0 4)");
    imap_heard(c, "* ESEARCH (TAG \"t6\") UID REMOVEFROM (0 1)");
    imap_heard(c, "* ESEARCH (TAG \"t9\") UID REMOVEFROM (0 5)");
    imap_heard(c, "* ESEARCH (TAG \"t10\") UID ADDTO (0 1,4:5)");
    imap_ask(d, "uid store 4 -flags.silent (\\seen)");
    imap_ask(c, "noop");
    imap_ask(d, "uid store 5 +flags.silent (\\deleted)");
    imap_ask(d, "expunge");
    imap_ask(c, "noop");
    imap_heard(c, "* ESEARCH (TAG \"t8\") UID REMOVEFROM (0 5)");
    imap_heard(c, "* ESEARCH (TAG \"t8\") UID ADDTO (0 4)");
    imap_heard(c, "* ESEARCH (TAG \"t9\") UID ADDTO (0 4)");
    imap_bye(c);
    imap_bye(d);
}

/* A letter's text is read once, however often its flags change. */
static FIBER void texts(struct imap_test *t)
{
    letter(t, "a", "an apple");
    letter(t, "b", "a pear");
    struct imap_client *c = imap_in_inbox(t), *d = imap_in_inbox(t);
    imap_say(c, "T SEARCH RETURN (UPDATE ALL) UNSEEN (BODY apple)");
    imap_expect(c, "* ESEARCH (TAG \"T\") ALL 1");
    imap_expect(c, "T OK *");
    int64_t read = store_search_stats(t->t.store).scanned;
    for (int i = 0; i < 3; i++) {
        imap_ask(d, "store 1:2 +flags.silent (\\seen)");
        imap_ask(c, "noop");
        imap_heard(c, "* ESEARCH (TAG \"T\") REMOVEFROM (0 1)");
        imap_ask(d, "store 1:2 -flags.silent (\\seen)");
        imap_ask(c, "noop");
        imap_heard(c, "* ESEARCH (TAG \"T\") ADDTO (0 1)");
    }
    assert_int_equal(store_search_stats(t->t.store).scanned, read);
    letter(t, "c", "apples");
    letter(t, "d", "pears");
    imap_ask(c, "noop");
    imap_heard(c, "* ESEARCH (TAG \"T\") ADDTO (0 3)");
    assert_int_equal(store_search_stats(t->t.store).scanned, read + 2);
    imap_letter_in(t, t->bob, 0, S("Subject: e\r\n\r\napple pie\r\n"), FLAG_SEEN); /* not read before it may match */
    imap_ask(c, "noop");
    assert_int_equal(store_search_stats(t->t.store).scanned, read + 2);
    imap_ask(d, "noop");
    imap_ask(d, "store 5 -flags.silent (\\seen)");
    imap_ask(c, "noop");
    imap_heard(c, "* ESEARCH (TAG \"T\") ADDTO (0 5)");
    imap_bye(c);
    imap_bye(d);
}

/* RFC 5032 §2: letters grow older while nothing else happens. */
static FIBER void ages(struct imap_test *t)
{
    letters(t, 2);
    struct imap_client *c = imap_in_inbox(t);
    imap_say(c, "Y UID SEARCH RETURN (UPDATE COUNT) YOUNGER 2400");
    imap_expect(c, "* ESEARCH (TAG \"Y\") UID COUNT 2");
    imap_expect(c, "Y OK *");
    imap_say(c, "O UID SEARCH RETURN (UPDATE COUNT) OLDER 7200 UNSEEN");
    imap_expect(c, "* ESEARCH (TAG \"O\") UID COUNT 0");
    imap_expect(c, "O OK *");
    fiber_sleep(MINUTES(20));
    letters(t, 1);
    imap_answers(c, "noop", "* 3 EXISTS\r\n* ESEARCH (TAG \"Y\") UID ADDTO (0 3)\r\n");
    imap_say(c, "I IDLE");
    imap_expect(c, "+ *");
    mono_us began = loop_now();
    imap_expect(c, "* ESEARCH (TAG \"Y\") UID REMOVEFROM (0 1)");
    assert_true(loop_now() - began > MINUTES(20) - SECONDS(1) && loop_now() - began < MINUTES(20) + SECONDS(1));
    imap_expect(c, "* ESEARCH (TAG \"Y\") UID REMOVEFROM (0 2)"); /* looked for once a minute at most */
    assert_true(loop_now() - began < MINUTES(21) + SECONDS(1));
    imap_say(c, "DONE");
    imap_expect(c, "I OK *");
    for (int i = 0; i < 3; i++) {
        fiber_sleep(MINUTES(29));
        imap_ask(c, "noop");
    }
    imap_heard(c, "* ESEARCH (TAG \"O\") UID ADDTO (0 1:2)");
    imap_bye(c);
}

/* ---- SORT ---- */

static FIBER void sorting(struct imap_test *t)
{
    letter(t, "m", "1");
    letter(t, "c", "2");
    letter(t, "x", "3");
    struct imap_client *c = imap_in_inbox(t), *d = imap_in_inbox(t);
    imap_say(c, "S UID SORT RETURN (UPDATE ALL) (SUBJECT) UTF-8 UNSEEN");
    imap_expect(c, "* ESEARCH (TAG \"S\") UID ALL 2,1,3");
    imap_expect(c, "S OK *");
    imap_say(c, "R SORT RETURN (UPDATE PARTIAL 1:2) (REVERSE SUBJECT) UTF-8 ALL");
    imap_expect(c, "* ESEARCH (TAG \"R\") PARTIAL (1:2 3,1)");
    imap_expect(c, "R OK *");
    letter(t, "a", "4");
    letter(t, "n", "5");
    letter(t, "o", "6");
    letter(t, "d", "7");
    imap_answers(c, "noop",
                 "* 7 EXISTS\r\n* ESEARCH (TAG \"S\") UID ADDTO (1 4 3 7 5 5:6)\r\n"
                 "* ESEARCH (TAG \"R\") ADDTO (2 6,5 5 7 7 4)\r\n"); /* S: 4 2 7 1 5 6 3. R: 3 6 5 1 7 2 4 */
    imap_ask(d, "noop");
    imap_ask(d, "uid store 2,5:7 +flags.silent (\\seen)");
    imap_ask(c, "noop");
    imap_heard(c, "* ESEARCH (TAG \"S\") UID REMOVEFROM (5 5:6 2 2,7)"); /* 4 1 3 */
    imap_ask(d, "uid store 4:5 +flags.silent (\\deleted)");
    imap_ask(c, "noop");
    imap_ask(d, "expunge");
    imap_answers(c, "noop",
                 "* ESEARCH (TAG \"S\") UID REMOVEFROM (1 4)\r\n* ESEARCH (TAG \"R\") REMOVEFROM (7 4 3 5)\r\n"
                 "* 5 EXPUNGE\r\n* 4 EXPUNGE\r\n"); /* S: 1 3. R: 3 6 1 7 2, by number 3 4 1 5 2 */
    imap_ask(d, "uid store 6 -flags.silent (\\seen)");
    imap_ask(c, "noop");
    imap_heard(c, "* ESEARCH (TAG \"S\") UID ADDTO (2 6)");
    assert_false(imap_said(c, "*(TAG \"R\")*"));
    imap_bye(c);
    imap_bye(d);
}

/* ---- beginning and end ---- */

static FIBER void tags(struct imap_test *t)
{
    letters(t, 2);
    struct imap_client *c = imap_in_inbox(t), *d = imap_in_inbox(t);
    imap_say(c, "B01 UID SEARCH RETURN (UPDATE COUNT) SEEN");
    imap_expect(c, "* ESEARCH (TAG \"B01\") UID COUNT 0");
    imap_expect(c, "B01 OK *");
    imap_say(c, "B01 SORT RETURN (UPDATE) (SUBJECT) UTF-8 FLAGGED");
    imap_expect(c, "B01 BAD *");
    imap_say(c, "B01 SEARCH RETURN (COUNT) FLAGGED"); /* without UPDATE nothing can be mixed up */
    imap_expect(c, "* ESEARCH (TAG \"B01\") COUNT 0");
    imap_expect(c, "B01 OK *");
    imap_ask(d, "store 1 +flags.silent (\\seen)");
    imap_ask(c, "noop");
    imap_heard(c, "* ESEARCH (TAG \"B01\") UID ADDTO (0 1)");
    imap_ask(c, "cancelupdate \"B01\"");
    imap_ask_for(c, "cancelupdate \"B01\"", "NO *");
    imap_ask_for(c, "cancelupdate", "BAD *");
    imap_ask(d, "store 2 +flags.silent (\\seen)");
    imap_answers(c, "noop", "* 2 FETCH (UID 2 FLAGS (\\Seen))\r\n");
    imap_say(c, "B01 SEARCH RETURN (UPDATE CONTEXT COUNT) SEEN"); /* the tag is free again */
    imap_expect(c, "* ESEARCH (TAG \"B01\") COUNT 2");
    imap_expect(c, "B01 OK *");
    imap_ask(c, "uid search return (update) unseen");
    imap_ask_for(c, "cancelupdate \"nosuch\" \"B01\"", "NO *"); /* what there is is cancelled */
    imap_ask(d, "store 2 -flags.silent (\\seen)");
    imap_ask(c, "noop");
    imap_heard(c, "* ESEARCH (TAG \"*\") UID ADDTO (0 2)");
    assert_false(imap_said(c, "*(TAG \"B01\")*"));
    char *tag = arena_alloc(c->arena, 1200);
    memset(tag, 'x', 1001);
    imap_say(c, arena_cstr(c->arena, arena_printf(c->arena, "%s search return (update) all", tag)));
    imap_expect(c, "xxx* BAD *");
    imap_ask_for(c, "esearch return (update) all", "BAD *");
    imap_bye(c);
    imap_bye(d);
}

/* They end with the mailbox, whatever ends that. */
static FIBER void leaving(struct imap_test *t)
{
    static const char *const ways[] = {"unselect", "close", "select Trash", "select nosuch", "unauthenticate"};
    letters(t, 1);
    struct imap_client *d = imap_in_inbox(t);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct imap_client *c = imap_in_inbox(t);
        imap_ask(c, "uid search return (update) seen");
        imap_ask_for(c, ways[i], "*");
        if (i == 4) imap_ask(c, "login bob secret");
        imap_ask(c, "select inbox");
        imap_ask(d, i % 2 ? "store 1 -flags (\\seen)" : "store 1 +flags (\\seen)");
        imap_ask(c, "noop");
        imap_heard(c, "* 1 FETCH *");
        assert_false(imap_said(c, "* ESEARCH *"));
        imap_ask_for(c, "cancelupdate t4", "NO *");
        imap_ask(c, "unselect");
        imap_ask_for(c, "cancelupdate t4", "BAD *");
        imap_bye(c);
    }
    imap_ask(d, "create Short");
    imap_ask(d, "select Short");
    imap_ask(d, "uid search return (update) all");
    struct imap_client *c = imap_in_inbox(t);
    imap_ask(c, "delete Short");
    imap_ask(d, "noop");
    imap_heard(d, "* OK [CLOSED] *");
    imap_bye(c);
    imap_bye(d);
}

static FIBER void too_many(struct imap_test *t) /* RFC 5267 §4.3.1 */
{
    letters(t, 2);
    struct imap_client *c = imap_in_inbox(t), *d = imap_in_inbox(t);
    for (int i = 0; i < LIMIT_IMAP_CONTEXTS; i++) {
        imap_ask(c, i % 2 ? "uid sort return (update) (size) utf-8 flagged" : "search return (update) flagged");
        assert_false(imap_said(c, "* NO *"));
    }
    imap_say(c, "B02 UID SORT RETURN (UPDATE COUNT) (SUBJECT) UTF-8 UNSEEN");
    imap_expect(c, "* ESEARCH (TAG \"B02\") UID COUNT 2");
    imap_expect(c, "* NO [NOUPDATE \"B02\"] *");
    imap_expect(c, "B02 OK *");
    imap_ask(d, "store 1 +flags.silent (\\seen \\flagged)");
    imap_ask(c, "noop");
    imap_heard(c, "* ESEARCH (TAG \"t4\") ADDTO (0 1)");
    imap_heard(c, "* ESEARCH (TAG \"t5\") UID ADDTO (1 1)");
    assert_false(imap_said(c, "*B02*"));
    imap_ask_for(c, "cancelupdate B02", "NO *");
    imap_ask(c, "cancelupdate t5 t6");
    imap_ask(c, "uid sort return (update) (subject) utf-8 unseen");
    assert_false(imap_said(c, "* NO *"));
    imap_bye(c);
    imap_bye(d);
}

/* "1,3,5,...": n of them */
static const char *odd_numbers(struct imap_client *c, const char *before, int n)
{
    struct buf *b = buf_in(c->arena, 2 << 20);
    buf_add(b, str_c(before));
    for (int i = 0; i < n; i++) buf_printf(b, "%s%d", i ? "," : "", 2 * i + 1);
    return arena_cstr(c->arena, buf_str(b));
}

/* Their memory has a limit, which the connection outlives: they are refused, or dropped when they grow. */
static FIBER void too_big(struct imap_test *t)
{
    letters(t, 1);
    struct imap_client *c = imap_in_inbox(t);
    imap_ask(c, "uid sort return (update) (arrival) utf-8 all");
    int kept = 1;
    for (int n = LIMIT_IMAP_SET; kept < LIMIT_IMAP_CONTEXTS && n > 100;) {
        imap_ask(c, odd_numbers(c, "uid search return (update) unseen uid ", n));
        if (imap_said(c, "* NO [NOUPDATE *")) n /= 2;
        else kept++;
    }
    assert_true(kept > 4 && kept < LIMIT_IMAP_CONTEXTS);
    imap_ask(c, "noop");
    for (int i = 0; i < 12 && !imap_said(c, "* NO [NOUPDATE *"); i++) imap_ask(c, "copy 1:* inbox");
    imap_heard(c, "* NO [NOUPDATE \"t4\"] *");
    imap_ask_for(c, "cancelupdate t4", "NO *");
    imap_ask(c, "store 1 +flags.silent (\\seen)");
    imap_heard(c, "* ESEARCH (TAG \"t5\") UID REMOVEFROM (0 1)");
    imap_ask(c, "cancelupdate t5");
    imap_ask(c, "uid sort return (update) (arrival) utf-8 all");
    assert_false(imap_said(c, "* NO *"));
    imap_bye(c);
}

/* RFC 9586 §3: from then on no numbers. */
static FIBER void uids_only(struct imap_test *t)
{
    letters(t, 3);
    struct imap_client *c = imap_in_inbox(t), *d = imap_in_inbox(t);
    imap_ask(c, "search return (update) unseen");
    imap_ask(c, "uid search return (update) unseen");
    imap_ask(c, "enable uidonly");
    imap_heard(c, "* NO [NOUPDATE \"t4\"] *");
    assert_false(imap_said(c, "* NO [NOUPDATE \"t5\"] *"));
    imap_ask_for(c, "search return (update) all", "BAD [UIDREQUIRED] *");
    imap_ask(d, "store 3 +flags.silent (\\seen)");
    imap_answers(c, "noop", "* 3 UIDFETCH (FLAGS (\\Seen))\r\n* ESEARCH (TAG \"t5\") UID REMOVEFROM (0 3)\r\n");
    imap_ask(d, "store 2 +flags.silent (\\deleted)");
    imap_ask(d, "expunge");
    imap_answers(c, "noop", "* ESEARCH (TAG \"t5\") UID REMOVEFROM (0 2)\r\n* VANISHED 2\r\n");
    imap_bye(c);
    imap_bye(d);
}

/* ---- at other moments ---- */

static FIBER void while_idle(struct imap_test *t)
{
    letters(t, 2);
    struct imap_client *c = imap_in_inbox(t), *d = imap_in_inbox(t);
    imap_ask(c, "search return (update) unseen");
    imap_say(c, "I IDLE");
    imap_expect(c, "+ *");
    imap_ask(d, "store 1 +flags.silent (\\seen)");
    imap_expect(c, "* 1 FETCH (UID 1 FLAGS (\\Seen))");
    imap_expect(c, "* ESEARCH (TAG \"t4\") REMOVEFROM (0 1)");
    letters(t, 1);
    imap_expect(c, "* 3 EXISTS");
    imap_expect(c, "* ESEARCH (TAG \"t4\") ADDTO (0 3)");
    imap_ask(d, "store 2 +flags.silent (\\deleted)");
    imap_expect(c, "* 2 FETCH *");
    imap_ask(d, "expunge");
    imap_expect(c, "* ESEARCH (TAG \"t4\") REMOVEFROM (0 2)");
    imap_expect(c, "* 2 EXPUNGE");
    imap_say(c, "DONE");
    imap_expect(c, "I OK *");
    imap_bye(c);
    imap_bye(d);
}

/* RFC 5465 §5, §7: FETCH of flags before ADDTO, FETCH of letters that come after it, once for all who ask. */
static FIBER void notified(struct imap_test *t)
{
    letters(t, 2);
    struct imap_client *c = imap_in_inbox(t), *d = imap_in_inbox(t);
    imap_say(c, "a SEARCH RETURN (COUNT UPDATE (UID BODY[HEADER.FIELDS (SUBJECT)])) SUBJECT boss");
    imap_expect(c, "* ESEARCH (TAG \"a\") COUNT 0");
    imap_expect(c, "a OK *");
    letter(t, "boss", "1");
    letter(t, "nobody", "2");
    imap_answers(c, "noop",
                 "* 4 EXISTS\r\n* ESEARCH (TAG \"a\") ADDTO (0 3)\r\n"
                 "* 3 FETCH (UID 3 BODY[HEADER.FIELDS (SUBJECT)] {17}\r\nSubject: boss\r\n\r\n)\r\n");
    imap_say(c, "b UID SEARCH RETURN (UPDATE (FLAGS UID)) UNSEEN");
    imap_expect(c, "* ESEARCH (TAG \"b\") UID");
    imap_expect(c, "b OK *");
    imap_ask(c, "notify set (selected-delayed (MessageNew (uid preview) MessageExpunge FlagChange))");
    letter(t, "boss", "3");
    imap_expect(c, "* 5 EXISTS");
    imap_expect(c, "* ESEARCH (TAG \"a\") ADDTO (0 5)");
    imap_expect(c, "* ESEARCH (TAG \"b\") UID ADDTO (0 5)");
    imap_expect(c, "* 5 FETCH (UID 5 PREVIEW \"3\" BODY[HEADER.FIELDS (SUBJECT)] {17}");
    imap_expect(c, "Subject: boss");
    imap_expect(c, "");
    imap_expect(c, " FLAGS ())");
    imap_letter_in(t, t->bob, 0, S("Subject: nobody\r\n\r\n4\r\n"), FLAG_SEEN);
    imap_expect(c, "* 6 EXISTS");
    imap_expect(c, "* 6 FETCH (UID 6 PREVIEW \"4\")");
    imap_ask(d, "noop");
    imap_ask(d, "store 6 -flags.silent (\\seen)"); /* RFC 5465 §7: one that joins by its flags is not fetched */
    imap_expect(c, "* 6 FETCH (UID 6 FLAGS ())");
    imap_expect(c, "* ESEARCH (TAG \"b\") UID ADDTO (0 6)");
    imap_ask(d, "store 1 +flags.silent (\\deleted)");
    imap_expect(c, "* 1 FETCH *");
    imap_ask(d, "expunge");
    imap_expect(c, "* ESEARCH (TAG \"b\") UID REMOVEFROM (0 1)"); /* EXPUNGE has to wait */
    imap_answers(c, "noop", "* 1 EXPUNGE\r\n");
    imap_bye(c);
    imap_bye(d);
}

/* The owner takes back what he gave (RFC 4314 §4): no more news, of searches neither. */
static FIBER void of_others(struct imap_test *t)
{
    struct imap_client *c = imap_login(t, "ann"), *d = imap_in_inbox(t);
    letters(t, 2);
    imap_ask(d, "setacl inbox ann@example.org lr");
    imap_ask(c, "select \"Shared/bob@example.org/INBOX\"");
    imap_ask(c, "uid search return (update) unseen younger 60");
    imap_ask(d, "deleteacl inbox ann@example.org");
    imap_ask(d, "store 1 +flags.silent (\\seen)");
    imap_ask(c, "noop");
    assert_false(imap_said(c, "*ESEARCH*"));
    imap_say(c, "I IDLE");
    imap_expect(c, "+ *");
    fiber_sleep(MINUTES(10));
    imap_say(c, "DONE");
    imap_expect(c, "I OK *");
    imap_bye(c);
    imap_bye(d);
}

/* ---- against the same search done anew ---- */

static const struct {
    const char *search, *program;
    bool uids, sorted;
} programs[] = {
    {"uid search", "unseen or modseq 60 not flagged", true, false},
    {"search", "or flagged keyword own", false, false},
    {"uid search", "subject apple unseen", true, false},
    {"search", "or (seen body pear) not subject fig", false, false},
    {"uid sort", "(subject) utf-8 undeleted", true, true},
    {"sort", "(reverse size from) utf-8 unflagged", false, true},
    {"uid sort", "(relevancy reverse arrival) utf-8 or flagged fuzzy body \"plum pear\"", true, true},
    {"search", "all", false, false},
    {"uid search", "uid 4:* not uid *", true, false},
    {"sort", "(date) utf-8 subject pear not body plum", false, true},
};
enum { PROGRAMS = sizeof programs / sizeof *programs, MANY = 400 };

struct kept { /* what a client believes was found */
    uint32_t v[MANY];
    size_t n;
};

struct random_client {
    struct imap_client *c;
    struct kept lists[PROGRAMS];
    uint64_t random;
};

static uint32_t chance(struct random_client *r, uint32_t below)
{
    r->random = r->random * 6364136223846793005 + 1442695040888963407;
    return (uint32_t)(r->random >> 33) % below;
}

static uint32_t number(struct str *rest)
{
    uint32_t v = 0;
    assert_true(rest->n && ch_digit(rest->p[0]));
    while (rest->n && ch_digit(rest->p[0])) v = v * 10 + (uint32_t)(rest->p[0] - '0'), *rest = str_skip(*rest, 1);
    return v;
}

static bool take(struct str *rest, const char *word)
{
    if (!str_starts(*rest, str_c(word))) return false;
    *rest = str_skip(*rest, strlen(word));
    return true;
}

static struct kept read_set(struct str *rest)
{
    struct kept out = {.n = 0};
    do {
        uint32_t first = number(rest), last = take(rest, ":") ? number(rest) : first;
        assert_true(first <= last); /* RFC 5267 §3.2 */
        for (; first <= last; first++) out.v[out.n++] = first;
    } while (take(rest, ","));
    return out;
}

static void insert(struct kept *l, size_t at, uint32_t v)
{
    assert_true(at <= l->n);
    memmove(l->v + at + 1, l->v + at, (l->n++ - at) * sizeof *l->v);
    l->v[at] = v;
}

static void delete_at(struct kept *l, size_t at, uint32_t v)
{
    assert_true(at < l->n);
    assert_int_equal(l->v[at], v);
    memmove(l->v + at, l->v + at + 1, (--l->n - at) * sizeof *l->v);
}

static size_t place_of(const struct kept *l, uint32_t v) /* in order of the mailbox */
{
    size_t at = 0;
    while (at < l->n && l->v[at] < v) at++;
    return at;
}

/* RFC 5267 §4.3.3, §4.3.4 */
static void obey(struct kept *l, bool sorted, struct str rest)
{
    while (take(&rest, " ")) {
        bool add = take(&rest, "ADDTO (");
        if (!add) assert_true(take(&rest, "REMOVEFROM ("));
        do {
            size_t place = number(&rest);
            assert_true(take(&rest, " "));
            struct kept set = read_set(&rest);
            assert_true(sorted == (place > 0));
            for (size_t i = 0; i < set.n; i++) {
                size_t at = sorted ? place - 1 + (add ? i : 0) : place_of(l, set.v[i]);
                if (!sorted && add) assert_true(at == l->n || l->v[at] != set.v[i]);
                if (add) insert(l, at, set.v[i]);
                else delete_at(l, at, set.v[i]);
            }
        } while (take(&rest, " "));
        assert_true(take(&rest, ")"));
    }
    assert_int_equal(rest.n, 0);
}

static void expunged(struct random_client *r, uint32_t n)
{
    for (size_t i = 0; i < PROGRAMS; i++) {
        struct kept *l = &r->lists[i];
        for (size_t k = 0; k < l->n && !programs[i].uids; k++) {
            assert_true(l->v[k] != n); /* REMOVEFROM came before */
            l->v[k] -= l->v[k] > n;
        }
    }
}

static void hear(struct random_client *r)
{
    struct str rest = r->c->said, line;
    while (rest.n) {
        str_cut(rest, '\n', &line, &rest);
        line = str_head(line, line.n - 1);
        if (take(&line, "* ESEARCH (TAG \"c")) {
            uint32_t i = number(&line);
            assert_true(take(&line, "\")"));
            assert_true(take(&line, " UID") == programs[i].uids);
            obey(&r->lists[i], programs[i].sorted, line);
        } else if (take(&line, "* ") && line.n && ch_digit(line.p[0])) {
            uint32_t n = number(&line);
            if (str_eq(line, S(" EXPUNGE"))) expunged(r, n);
        }
    }
}

static FIBER void compare_with_new(struct random_client *r, size_t i)
{
    struct imap_client *c = r->c;
    const struct kept *l = &r->lists[i];
    struct str ask = arena_printf(c->arena, "%s return (all) %s", programs[i].search, programs[i].program);
    imap_ask(c, arena_cstr(c->arena, ask));
    struct str rest = str_skip(c->said, str_find(c->said, S("ALL ")));
    struct kept now = take(&rest, "ALL ") ? read_set(&rest) : (struct kept){.n = 0};
    if (now.n == l->n && memcmp(now.v, l->v, l->n * sizeof *l->v) == 0) return;
    for (size_t k = 0; k < l->n; k++) print_error(" %u", l->v[k]);
    fail_msg("%s: kept is above, and found is\n%.*s", programs[i].program, STR_FMT(c->said));
}

static FIBER void begin_list(struct random_client *r, size_t i)
{
    struct imap_client *c = r->c;
    struct str ask =
        arena_printf(c->arena, "c%zu %s return (update all) %s", i, programs[i].search, programs[i].program);
    imap_say(c, arena_cstr(c->arena, ask));
    struct str answer = imap_hear(c);
    if (str_starts(answer, S("* OK [HIGHESTMODSEQ "))) answer = imap_hear(c); /* RFC 7162 §3.1 */
    struct str rest = str_skip(answer, str_find(answer, S("ALL ")));
    r->lists[i] = take(&rest, "ALL ") ? read_set(&rest) : (struct kept){.n = 0};
    imap_expect(c, "c* OK *");
}

static FIBER void add_letters(struct random_client *r, struct imap_test *t)
{
    static const char *const words[] = {"apple", "pear", "plum", "fig", "Pear plum", "re: apple", ""};
    for (uint32_t n = 1 + chance(r, 4); n > 0; n--) {
        uint32_t subject = chance(r, 7), body = chance(r, 7), again = chance(r, 20);
        struct buf *b = buf_in(t->t.arena, 4000);
        buf_printf(b, "Subject: %s\r\nDate: Mon, %u Nov 2026 10:00:00 +0000\r\n\r\n", words[subject],
                   1 + chance(r, 28));
        for (uint32_t i = 0; i <= again; i++) buf_printf(b, "%s\r\n", words[body]);
        imap_letter_in(t, t->bob, 0, buf_str(b), chance(r, 3) ? 0 : FLAG_SEEN);
    }
}

static FIBER void change(struct random_client *r, struct imap_client *c, uint32_t uids)
{
    static const char *const flags[] = {"\\seen", "\\flagged", "\\deleted", "own", "\\seen \\flagged", "$junk"};
    uint32_t first = 1 + chance(r, uids), how = chance(r, 10), last = first + (how < 6 ? chance(r, 5) : 0);
    bool silent = chance(r, 2);
    struct str line = how < 8 ? arena_printf(c->arena, "uid store %u:%u %cflags%s (%s)", first, last,
                                             chance(r, 5) < 3 ? '+' : '-', silent ? ".silent" : "", flags[chance(r, 6)])
                      : how == 8 ? arena_printf(c->arena, "uid expunge %u:%u", first, first + 3)
                                 : S("expunge");
    imap_ask(c, arena_cstr(c->arena, line));
}

/* Something happens here or in another session, then something is asked. */
static FIBER void step(struct random_client *r, struct imap_client *other)
{
    struct imap_test *t = r->c->t;
    static const char *const questions[] = {"noop", "fetch 1 body[]", "uid fetch 3:7 flags", "search unseen",
                                            "store 1 +flags (\\answered)", "noop"};
    imap_ask(r->c, "status inbox (uidnext)");
    hear(r);
    struct str next = str_skip(r->c->said, str_find(r->c->said, S("UIDNEXT ")) + 8);
    uint32_t uids = number(&next);
    for (uint32_t n = chance(r, 4); n > 0; n--) {
        uint32_t what = chance(r, 8);
        if (what < 2) add_letters(r, t);
        else change(r, what < 6 ? other : r->c, uids);
        if (what >= 6) hear(r);
    }
    imap_ask_for(r->c, questions[chance(r, 6)], "*");
    hear(r);
}

static FIBER void randomly(struct imap_test *t)
{
    struct random_client *r = arena_new_of(t->t.arena, struct random_client);
    r->random = *(const uint64_t *)t->arg;
    add_letters(r, t);
    r->c = imap_in_inbox(t);
    struct imap_client *other = imap_in_inbox(t);
    imap_ask(r->c, "compress deflate");
    assert_int_equal(stream_deflate(r->c->stream), 0);
    for (size_t i = 0; i < PROGRAMS; i++) begin_list(r, i);
    for (int i = 0; i < 60; i++) {
        step(r, other);
        if (i % 5) continue;
        imap_ask(r->c, "noop");
        hear(r);
        for (size_t k = 0; k < PROGRAMS; k++) compare_with_new(r, k);
    }
    imap_bye(r->c);
    imap_bye(other);
}

static void lists_kept_are_as_if_found_anew(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) imap_twice_with(randomly, &seed);
}

#define TEST(name)                        \
    static void test_##name(void **state) \
    {                                     \
        (void)state;                      \
        imap_twice(name);                 \
    }
TEST(searching)
TEST(expunging)
TEST(what_keys_mean)
TEST(texts)
TEST(ages)
TEST(sorting)
TEST(tags)
TEST(leaving)
TEST(too_many)
TEST(too_big)
TEST(uids_only)
TEST(while_idle)
TEST(notified)
TEST(of_others)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_searching),
        cmocka_unit_test(test_expunging),
        cmocka_unit_test(test_what_keys_mean),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_ages),
        cmocka_unit_test(test_sorting),
        cmocka_unit_test(test_tags),
        cmocka_unit_test(test_leaving),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_too_big),
        cmocka_unit_test(test_uids_only),
        cmocka_unit_test(test_while_idle),
        cmocka_unit_test(test_notified),
        cmocka_unit_test(test_of_others),
        cmocka_unit_test(lists_kept_are_as_if_found_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
