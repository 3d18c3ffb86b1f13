/* NOTIFY (RFC 5465), over several loops: what is told, when, to whom, and what is not. */
#include "maa/imap/testing.h"

#define LETTER "Subject: x\r\n\r\ntext\r\n"
#define BOB "Shared/bob@example.org/"

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

/* Says a command that another session is to hear of, and waits until it has been told. */
static FIBER void act(struct imap_client *c, const char *command)
{
    imap_ask(c, command);
    fiber_sleep(SECONDS(1));
}

/* Nothing was told unasked; nor is it at the next command. */
static FIBER void assert_silent(struct imap_client *c)
{
    fiber_sleep(SECONDS(1));
    imap_ask(c, "noop");
    assert_str(c->said, S(""));
}

/* ---- who hears (RFC 5465 §3.1, §5.9, §6) ---- */

static FIBER void groups(struct imap_test *t)
{
    struct imap_client *c = imap_login(t, "bob"), *other = imap_login(t, "bob");
    imap_ask(c, "notify set (mailboxes INBOX (MessageNew MessageExpunge)) (personal (SubscriptionChange))");
    letters(t, 1);
    imap_expect(c, "* STATUS INBOX (MESSAGES 1 *");
    imap_ask(other, "unsubscribe INBOX");
    imap_expect(c, "* LIST (\\HasNoChildren) \"/\" INBOX");
    imap_ask(c, "notify set (mailboxes INBOX NONE) (personal (MessageNew MessageExpunge))");
    letters(t, 1);
    assert_silent(c);
    imap_ask(other, "select INBOX");
    imap_ask(other, "copy 1 Sent");
    imap_expect(c, "* STATUS Sent (MESSAGES 1 *");
    /* what is refused changes nothing */
    imap_ask_for(c, "notify set (personal (MailboxName AnnotationChange))", "BAD *");
    imap_ask_for(c, "notify set (personal (MessageNew MessageExpunge AnnotationChange))", "NO [BADEVENT (*)]*");
    imap_ask_for(c, "notify set (personal (Unheard))", "NO [BADEVENT (*)]*");
    imap_ask_for(c, "notify set (selected none) (selected none)", "BAD *");
    imap_ask_for(c, "notify set (selected (MailboxName))", "BAD *");
    imap_ask_for(c, "notify set (personal (MessageNew (uid) MessageExpunge))", "BAD *");
    imap_ask(other, "copy 1 Sent");
    imap_expect(c, "* STATUS Sent (MESSAGES 2 *");
    imap_bye(c);
    imap_bye(other);
}

static FIBER void rights(struct imap_test *t)
{
    struct imap_client *bob = imap_login(t, "bob"), *ann = imap_login(t, "ann");
    imap_ask(bob, "create Work");
    imap_ask(bob, "create Seen");
    imap_ask(bob, "create None");
    imap_ask(bob, "setacl Seen ann@example.org l");
    /* Work shows nothing yet; his login may be written otherwise */
    imap_ask(ann, "notify set status (mailboxes (Shared/BOB@example.org/Work " BOB "Seen Shared/nobody/x) "
                  "(MailboxName MessageNew MessageExpunge))");
    imap_heard(ann, "* LIST (\\NoAccess \\HasNoChildren) \"/\" " BOB "Seen");
    assert_false(imap_said(ann, "* STATUS*"));
    act(bob, "setacl None ann@example.org lr");
    act(bob, "setacl Work ann@example.org lr");
    imap_expect(ann, "* LIST (\\HasNoChildren) \"/\" " BOB "Work");
    imap_ask(bob, "append Work {26+}\r\n" LETTER "xxxx\r\n");
    imap_expect(ann, "* STATUS " BOB "Work (MESSAGES 1 *");
    act(bob, "setacl Work ann@example.org -r");
    imap_expect(ann, "* LIST (\\NoAccess \\HasNoChildren) \"/\" " BOB "Work");
    imap_ask(bob, "append Work {26+}\r\n" LETTER "xxxx\r\n");
    assert_silent(ann);
    act(bob, "setacl Work ann@example.org +r");
    imap_expect(ann, "* LIST (\\HasNoChildren) \"/\" " BOB "Work");
    act(bob, "deleteacl Work ann@example.org");
    imap_expect(ann, "* LIST (\\NonExistent \\HasNoChildren) \"/\" " BOB "Work");
    imap_ask(bob, "append Work {26+}\r\n" LETTER "xxxx\r\n");
    assert_silent(ann);
    imap_bye(bob);
    imap_bye(ann);
}

static FIBER void subscribed(struct imap_test *t)
{
    struct imap_client *bob = imap_login(t, "bob"), *ann = imap_login(t, "ann"), *other = imap_login(t, "ann");
    imap_ask(bob, "create Work");
    imap_ask(bob, "setacl Work ann@example.org lr");
    imap_ask(ann, "notify set (subscribed (MessageNew MessageExpunge SubscriptionChange))");
    act(other, "subscribe " BOB "Work"); /* §6.4: the list is looked at anew */
    imap_expect(ann, "* LIST (\\HasNoChildren \\Subscribed) \"/\" " BOB "Work");
    imap_ask(bob, "append Work {26+}\r\n" LETTER "xxxx\r\n");
    imap_expect(ann, "* STATUS " BOB "Work (MESSAGES 1 *");
    act(other, "unsubscribe " BOB "Work");
    imap_expect(ann, "* LIST (\\HasNoChildren) \"/\" " BOB "Work");
    imap_ask(bob, "append Work {26+}\r\n" LETTER "xxxx\r\n");
    assert_silent(ann);
    imap_bye(bob);
    imap_bye(ann);
    imap_bye(other);
}

static void notify_tells_whom_it_concerns(void **state)
{
    (void)state;
    imap_twice(groups);
    imap_twice(rights);
    imap_twice(subscribed);
}

/* ---- names (RFC 5465 §5.1, §5.4) ---- */

static FIBER void names(struct imap_test *t)
{
    struct imap_client *c = imap_login(t, "bob"), *other = imap_login(t, "bob");
    imap_ask(c, "notify set (personal (MailboxName))");
    act(other, "create A/B/C"); /* all of them are made; parents among them are told once */
    imap_expect(c, "* LIST (\\HasChildren) \"/\" A");
    imap_expect(c, "* LIST (\\HasChildren) \"/\" A/B");
    imap_expect(c, "* LIST (\\HasNoChildren) \"/\" A/B/C");
    act(other, "rename A/B Z"); /* no event for what goes with it */
    imap_expect(c, "* LIST (\\HasChildren) \"/\" Z (\"OLDNAME\" (A/B))");
    act(other, "delete Z/C");
    imap_expect(c, "* LIST (\\NonExistent \\HasNoChildren) \"/\" Z/C");
    imap_expect(c, "* LIST (\\HasNoChildren) \"/\" Z");
    act(other, "create Z/C/D");
    imap_expect(c, "* LIST (\\HasChildren) \"/\" Z/C");
    imap_expect(c, "* LIST (\\HasNoChildren) \"/\" Z/C/D");
    imap_expect(c, "* LIST (\\HasChildren) \"/\" Z");
    act(other, "delete Z/C"); /* its name stays, above another */
    imap_expect(c, "* LIST (\\NonExistent \\HasChildren) \"/\" Z/C");
    imap_expect(c, "* LIST (\\HasChildren) \"/\" Z");
    act(other, "rename INBOX Old/Letters");
    imap_expect(c, "* LIST (\\HasChildren) \"/\" Old");
    imap_expect(c, "* LIST (\\HasNoChildren) \"/\" Old/Letters (\"OLDNAME\" (INBOX))");
    assert_silent(c);
    /* where only the child is meant, its new name is told */
    imap_ask(c, "notify set (subtree Old/Letters (MailboxName))");
    act(other, "rename Old New");
    imap_expect(c, "* LIST (\\HasNoChildren) \"/\" New/Letters (\"OLDNAME\" (Old/Letters))");
    imap_bye(c);
    imap_bye(other);
}

/* RFC 5465 §5: the client's own doing is not told; what others did meanwhile is. */
static FIBER void own(struct imap_test *t)
{
    struct imap_client *c = imap_login(t, "bob"), *other = imap_login(t, "bob");
    imap_ask(c, "notify set (personal (MailboxName SubscriptionChange MessageNew MessageExpunge FlagChange "
                "MailboxMetadataChange ServerMetadataChange))");
    static const char *const commands[] = {"create Work",
                                           "create Work/Deep",
                                           "rename Work Play",
                                           "subscribe Play",
                                           "append Play {26+}\r\n" LETTER "xxxx\r\n",
                                           "setmetadata Play (/shared/comment \"x\")",
                                           "setmetadata \"\" (/private/comment \"x\")",
                                           "unsubscribe Play",
                                           "delete Play/Deep",
                                           "rename INBOX Old"};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        imap_ask(c, commands[i]);
        if (c->said.n) fail_msg("%s: %.*s", commands[i], STR_FMT(c->said));
        assert_silent(c);
    }
    act(other, "create Play/Other");
    imap_expect(c, "* LIST (\\HasNoChildren) \"/\" Play/Other");
    imap_expect(c, "* STATUS Play/Other (MESSAGES 0 *");
    imap_expect(c, "* LIST (\\HasChildren) \"/\" Play");
    assert_silent(c);
    imap_bye(c);
    imap_bye(other);
}

static FIBER void validity(struct imap_test *t)
{
    struct imap_client *c = imap_login(t, "bob"), *other = imap_login(t, "bob");
    imap_ask(other, "create Work");
    imap_ask(c, "notify set status (mailboxes Work (MessageNew MessageExpunge FlagChange))");
    imap_heard(c, "* STATUS Work (MESSAGES 0 UIDNEXT 1 UIDVALIDITY * UNSEEN 0 HIGHESTMODSEQ *)"); /* §3.1 */
    imap_say(other, "1 delete Work\r\n2 create Work");
    imap_expect(c, "* STATUS Work (MESSAGES 0 UIDNEXT 1 UIDVALIDITY * UNSEEN 0)");
    imap_ask(c, "enable condstore");
    imap_expect(other, "1 OK *");
    imap_expect(other, "2 OK *");
    imap_ask(other, "append Work {26+}\r\n" LETTER "xxxx\r\n");
    imap_expect(c, "* STATUS Work (MESSAGES 1 UIDNEXT 2 UIDVALIDITY * UNSEEN 1 HIGHESTMODSEQ *)"); /* §5.2 */
    imap_bye(c);
    imap_bye(other);
}

static void notify_tells_names(void **state)
{
    (void)state;
    imap_twice(names);
    imap_twice(own);
    imap_twice(validity);
}

/* ---- annotations (RFC 5465 §5.6, §5.7), overflow (§5.8) ---- */

static FIBER void annotations(struct imap_test *t)
{
    struct imap_client *c = imap_login(t, "bob"), *other = imap_login(t, "bob"), *ann = imap_login(t, "ann");
    imap_ask(other, "setacl INBOX ann@example.org lrw");
    imap_ask(other, "setmetadata INBOX (/shared/one \"1\" /shared/two \"2\" /private/three \"3\")");
    imap_ask(c, "notify set (personal (MailboxMetadataChange ServerMetadataChange))");
    imap_ask(other, "setmetadata INBOX (/Shared/Two \"2b\")");
    imap_expect(c, "* METADATA INBOX /shared/two");
    imap_ask(other, "setmetadata INBOX (/shared/one NIL /private/three \"\")");
    imap_expect(c, "* METADATA INBOX /shared/one /private/three");
    imap_ask(ann, "setmetadata " BOB "INBOX (/private/three \"mine\")");
    assert_silent(c);
    imap_ask(other, "setmetadata \"\" (/private/comment \"x\")");
    imap_expect(c, "* METADATA \"\" /private/comment");
    imap_bye(c);
    imap_bye(other);
    imap_bye(ann);
}

static FIBER void overflowing(struct imap_test *t)
{
    struct imap_client *c = imap_login(t, "bob"), *other = imap_login(t, "bob");
    imap_ask(c, "notify set (personal (MailboxMetadataChange MailboxName))");
    imap_say(c, "a append INBOX {26}"); /* it hears nothing while it is to speak */
    imap_expect(c, "+ *");
    for (int i = 0; i < LIMIT_WATCH_MAILBOXES + 10; i++)
        imap_ask(other, arena_cstr(other->arena, arena_printf(other->arena, "create B%d", i)));
    imap_say(c, LETTER "xxxx\r\n");
    imap_expect(c, "* OK [NOTIFICATIONOVERFLOW] *");
    imap_expect(c, "a OK *");
    act(other, "create Silence");
    assert_silent(c);
    struct buf *b = buf_in(c->arena, 64 << 10);
    buf_lit(b, "notify set (mailboxes (");
    for (int i = 0; i <= LIMIT_IMAP_WATCHED; i++) {
        add_account(&t->t, arena_cstr(c->arena, arena_printf(c->arena, "user%d", i)));
        buf_printf(b, "%sShared/user%d@example.org/INBOX", i ? " " : "", i);
    }
    buf_lit(b, ") (MailboxName))");
    imap_ask_for(c, arena_cstr(c->arena, buf_str(b)), "NO [NOTIFICATIONOVERFLOW]*");
    imap_bye(c);
    imap_bye(other);
}

static void notify_tells_annotations(void **state)
{
    (void)state;
    imap_twice(annotations);
    imap_twice(overflowing);
}

/* ---- the selected mailbox (RFC 5465 §3.1, §4, §5.1 - §5.3, §6.1) ---- */

static FIBER void snapshots(struct imap_test *t)
{
    letters(t, 3);
    struct imap_client *c = open_inbox(t, ""), *other = open_inbox(t, "");
    static const char *const silence[] = {"notify none", "notify set (selected none)",
                                          "notify set (personal (MessageNew MessageExpunge))"};
    for (size_t i = 0; i < 3; i++) {
        imap_ask(other, "store 1 +flags (\\flagged)");
        imap_ask(c, silence[i]); /* what happened until now is told */
        if (i > 0) imap_heard(c, "* 1 FETCH (UID * FLAGS (*\\Flagged*))");
        letters(t, 1);
        imap_ask(other, "store 1 flags (\\deleted)");
        imap_ask(other, "expunge");
        assert_silent(c);
        imap_say(c, "i IDLE");
        imap_expect(c, "+ *");
        letters(t, 1);
        fiber_sleep(SECONDS(1));
        imap_say(c, "DONE");
        imap_expect(c, "i OK *");
        imap_ask(c, "uid fetch 1:* flags");
        assert_false(imap_said(c, "* * EXISTS"));
        imap_ask(c, "store 2 +flags (\\answered)"); /* its own doing is */
        imap_heard(c, "* * FETCH (UID * FLAGS (*\\Answered*))");
    }
    imap_bye(c);
    imap_bye(other);
}

static FIBER void flags(struct imap_test *t)
{
    letters(t, 3);
    struct imap_client *c = open_inbox(t, ""), *other = open_inbox(t, "");
    imap_ask(c, "notify set (selected (MessageNew MessageExpunge))");
    imap_ask(other, "store 1 +flags (\\flagged)");
    assert_silent(c);
    imap_say(c, "i IDLE");
    imap_expect(c, "+ *");
    imap_ask(other, "store 2 +flags (\\flagged)");
    letters(t, 1);
    imap_expect(c, "* 4 EXISTS");
    imap_expect(c, "* * RECENT");
    imap_say(c, "DONE");
    imap_expect(c, "i OK *");
    imap_ask(c, "notify set (selected-delayed (MessageNew MessageExpunge FlagChange))");
    imap_say(c, "i IDLE");
    imap_expect(c, "+ *");
    imap_ask(other, "store 3 +flags (\\flagged \\deleted)");
    imap_expect(c, "* 3 FETCH (UID 3 FLAGS (*))"); /* §5.1 */
    imap_ask(other, "expunge");
    imap_expect(c, "* 3 EXPUNGE"); /* §6.1.2: IDLE allows it */
    imap_say(c, "DONE");
    imap_expect(c, "i OK *");
    imap_bye(c);
    imap_bye(other);
}

/* RFC 5465 §5.2: no FETCH of what the client itself put there. */
static FIBER void own_letters(struct imap_test *t)
{
    letters(t, 1);
    struct imap_client *c = open_inbox(t, "");
    imap_ask(c, "notify set (selected (MessageNew (uid) MessageExpunge))");
    imap_ask(c, "append INBOX {26+}\r\n" LETTER "xxxx\r\n");
    imap_heard(c, "* 2 EXISTS");
    assert_false(imap_said(c, "* * FETCH*"));
    imap_ask(c, "uid copy 1:2 INBOX");
    imap_heard(c, "* 4 EXISTS");
    assert_false(imap_said(c, "* * FETCH*"));
    letters(t, 1);
    imap_expect(c, "* 5 EXISTS");
    imap_expect(c, "* * RECENT");
    imap_expect(c, "* 5 FETCH (UID 5)");
    imap_bye(c);
}

static FIBER void with_qresync(struct imap_test *t)
{
    letters(t, 3);
    struct imap_client *c = open_inbox(t, "qresync"), *only = open_inbox(t, "uidonly"), *other = open_inbox(t, "");
    imap_ask(c, "notify set (selected (MessageNew (uid) MessageExpunge FlagChange))");
    imap_ask(only, "notify set (selected (MessageNew (flags) MessageExpunge FlagChange))");
    imap_ask(other, "store 2 flags (\\deleted)");
    imap_expect(c, "* 2 FETCH (UID 2 FLAGS (*\\Deleted*) MODSEQ (*))");
    imap_expect(only, "* 2 UIDFETCH (FLAGS (*\\Deleted*))");
    imap_ask(other, "expunge");
    imap_expect(c, "* VANISHED 2");
    imap_expect(only, "* VANISHED 2");
    letters(t, 1);
    imap_expect(c, "* 3 EXISTS");
    imap_expect(c, "* * RECENT");
    imap_expect(c, "* 3 FETCH (UID 4*)");
    imap_expect(only, "* 3 EXISTS");
    imap_expect(only, "* * RECENT");
    imap_expect(only, "* 4 UIDFETCH (FLAGS (*))");
    imap_bye(c);
    imap_bye(only);
    imap_bye(other);
}

static void notify_tells_of_the_selected_mailbox(void **state)
{
    (void)state;
    imap_twice(snapshots);
    imap_twice(flags);
    imap_twice(own_letters);
    imap_twice(with_qresync);
}

/* ---- while nothing is asked (RFC 5465 §3) ---- */

static FIBER void notifying(struct imap_test *t)
{
    letters(t, 3);
    struct imap_client *c = open_inbox(t, ""), *other = open_inbox(t, "");
    imap_ask_for(c, "notify set (selected (MessageNew))", "BAD *");
    imap_ask_for(c, "notify set (selected (MessageNew MessageExpunge AnnotationChange FlagChange))", "NO [BADEVENT *");
    imap_ask_for(c, "notify set (selected none) (selected-delayed none)", "BAD *");
    imap_ask(c, "create Work");
    imap_ask(c, "notify set status (selected (MessageNew (uid body.peek[header.fields (subject)]) MessageExpunge)) "
                "(subtree Work (MessageNew MessageExpunge)) (personal (MailboxName SubscriptionChange))");
    imap_heard(c, "* STATUS Work (MESSAGES 0 *");
    assert_false(imap_said(c, "* STATUS *Sent*"));
    imap_ask(other, "store 2 +flags.silent \\deleted");
    imap_ask(other, "expunge");
    imap_expect(c, "* 2 EXPUNGE");
    letters(t, 1);
    imap_expect(c, "* 3 EXISTS");
    imap_expect(c, "* * RECENT");
    imap_expect(c, "* 3 FETCH (UID 4 BODY[HEADER.FIELDS (subject)] {*}");
    imap_expect(c, "Subject: x");
    imap_expect(c, "");
    imap_expect(c, ")");
    imap_ask(other, "copy 1 Work");
    imap_expect(c, "* STATUS Work (MESSAGES 1 UIDNEXT 2 *");
    imap_ask(other, "create Work/2026"); /* RFC 5465 §6: several groups can mean one mailbox */
    imap_expect(c, "* LIST (\\HasNoChildren) \"/\" Work/2026");
    imap_expect(c, "* LIST (\\HasChildren) \"/\" Work");
    imap_bye(c);
    imap_bye(other);
}

static FIBER void notifying_names(struct imap_test *t)
{
    struct imap_client *c = imap_login(t, "bob"), *other = imap_login(t, "bob");
    imap_ask(c, "notify set (personal (MailboxName SubscriptionChange MessageNew MessageExpunge FlagChange))");
    imap_ask(other, "create Work");
    imap_expect(c, "* LIST (*) \"/\" Work");
    imap_expect(c, "* STATUS Work (MESSAGES 0 *"); /* §5.1: a name that means another mailbox now */
    imap_ask(other, "rename Work Play");
    imap_expect(c, "* LIST (*) \"/\" Play (*OLDNAME* (Work))");
    imap_expect(c, "* STATUS Play (MESSAGES 0 *");
    imap_ask(other, "subscribe Play");
    imap_expect(c, "* LIST (\\HasNoChildren \\Subscribed) \"/\" Play");
    imap_ask(other, "unsubscribe Play");
    imap_expect(c, "* LIST (\\HasNoChildren) \"/\" Play");
    letters(t, 1);
    imap_expect(c, "* STATUS INBOX (MESSAGES 1 UIDNEXT 2 UIDVALIDITY * UNSEEN 1)");
    imap_ask(other, "select inbox");
    imap_ask(other, "store 1 +flags \\seen");
    imap_expect(c, "* STATUS INBOX (MESSAGES 1 UIDNEXT 2 UIDVALIDITY * UNSEEN 0)");
    imap_ask(other, "delete Play");
    imap_expect(c, "* LIST (\\NonExistent \\HasNoChildren) \"/\" Play");
    imap_ask(c, "notify none");
    imap_ask(other, "create Silence");
    fiber_sleep(SECONDS(1));
    imap_ask(c, "noop");
    assert_int_equal(c->said.n, 0);
    imap_bye(c);
    imap_bye(other);
}

static FIBER void notifying_later(struct imap_test *t)
{
    letters(t, 2);
    struct imap_client *c = open_inbox(t, ""), *other = open_inbox(t, "");
    imap_ask(c, "notify set (selected-delayed (MessageNew MessageExpunge FlagChange))");
    imap_ask(other, "store 1 +flags.silent \\deleted");
    imap_expect(c, "* 1 FETCH (UID 1 FLAGS (*\\Deleted))");
    imap_ask(other, "expunge");
    letters(t, 1);
    imap_expect(c, "* 3 EXISTS"); /* what is gone keeps its number */
    imap_expect(c, "* * RECENT");
    imap_ask(c, "noop");
    imap_heard(c, "* 1 EXPUNGE");
    imap_bye(c);
    imap_bye(other);
}

/* More mailboxes than the memory of what is pending holds. */
static FIBER void notifying_of_many(struct imap_test *t)
{
    struct imap_client *c = imap_login(t, "bob"), *other = imap_login(t, "bob");
    imap_ask(c, "notify set (personal (MailboxName))");
    for (int i = 0; i < 150; i++) {
        struct str line = arena_printf(other->arena, "m CREATE B%d", i);
        imap_say(other, arena_cstr(other->arena, line));
    }
    for (int i = 0; i < 150; i++) imap_expect(other, "m OK *");
    fiber_sleep(SECONDS(1));
    for (int i = 0; i < 150; i++) imap_expect(c, "* LIST (*) \"/\" B*");
    imap_bye(c);
    imap_bye(other);
}

static void notify_tells_unasked(void **state)
{
    (void)state;
    imap_twice(notifying);
    imap_twice(notifying_names);
    imap_twice(notifying_later);
    imap_twice(notifying_of_many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notify_tells_whom_it_concerns),
        cmocka_unit_test(notify_tells_names),
        cmocka_unit_test(notify_tells_annotations),
        cmocka_unit_test(notify_tells_of_the_selected_mailbox),
        cmocka_unit_test(notify_tells_unasked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
