/* The commands on mailboxes, as one and two clients see them: LIST and its extensions, others' mailboxes, access
 * lists, quotas, annotations. The transcripts have the RFCs' examples. */
#include "maa/imap/testing.h"

/* All that was said, in order. */
static void assert_said(const struct imap_client *c, const char *lines)
{
    if (!str_eq(c->said, str_c(lines))) fail_msg("want\n%sgot\n%.*s", lines, STR_FMT(c->said));
}

static FIBER void ask(struct imap_client *c, const char *command, const char *lines)
{
    imap_ask(c, command);
    assert_said(c, lines);
}

static FIBER void ask_all(struct imap_client *c, const char *const *commands)
{
    for (; *commands; commands++) imap_ask(c, *commands);
}

#define ALL(...) ((const char *const[]){__VA_ARGS__, NULL})

/* ---- LIST ---- */

static FIBER void forget_the_first(struct imap_client *c)
{
    ask_all(c, ALL("delete Archive", "delete Drafts", "delete Junk", "delete Sent", "delete Trash",
                   "unsubscribe Archive", "unsubscribe Drafts", "unsubscribe Junk", "unsubscribe Sent",
                   "unsubscribe Trash", "unsubscribe INBOX"));
}

/* RFC 5258 §5, examples 8 and 9. */
static FIBER void recursive_match(struct imap_test *t)
{
    struct imap_client *c = imap_login(t, "bob");
    forget_the_first(c);
    ask_all(c, ALL("create foo2/bar1", "create foo2/bar2", "create baz2/bar2", "create baz2/bar22",
                   "create baz2/bar222", "create eps2/mamba", "create qux2/bar2", "delete qux2/bar2", "delete qux2"));
    ask_all(c, ALL("subscribe foo2/bar1", "subscribe foo2/bar2", "subscribe baz2/bar2", "subscribe baz2/bar22",
                   "subscribe baz2/bar222", "subscribe eps2", "subscribe eps2/mamba", "subscribe qux2/bar2"));
    ask(c, "list (recursivematch subscribed) \"\" \"*2\"",
        "* LIST (\\HasNoChildren \\Subscribed) \"/\" baz2/bar2\r\n"
        "* LIST (\\HasNoChildren \\Subscribed) \"/\" baz2/bar22\r\n"
        "* LIST (\\HasNoChildren \\Subscribed) \"/\" baz2/bar222\r\n"
        "* LIST (\\HasChildren \\Subscribed) \"/\" eps2 (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n"
        "* LIST (\\HasChildren) \"/\" foo2 (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n"
        "* LIST (\\HasNoChildren \\Subscribed) \"/\" foo2/bar2\r\n"
        "* LIST (\\NonExistent \\HasNoChildren \\Subscribed) \"/\" qux2/bar2\r\n");
    ask(c, "list (subscribed recursivematch) \"\" %",
        "* LIST (\\HasChildren) \"/\" baz2 (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n"
        "* LIST (\\HasChildren \\Subscribed) \"/\" eps2 (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n"
        "* LIST (\\HasChildren) \"/\" foo2 (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n"
        "* LIST (\\NonExistent \\HasNoChildren) \"/\" qux2 (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n");
    ask(c, "list (subscribed) \"\" %", "* LIST (\\HasChildren \\Subscribed) \"/\" eps2\r\n");
    /* RFC 9051 §6.3.9.8, example 11: no STATUS of what is told for its children's sake */
    ask(c, "list (subscribed recursivematch) \"\" (eps2 foo2) return (status (messages))",
        "* LIST (\\HasChildren \\Subscribed) \"/\" eps2 (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n"
        "* STATUS eps2 (MESSAGES 0)\r\n"
        "* LIST (\\HasChildren) \"/\" foo2 (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n");
    ask(c, "list \"\" (\"foo2\" \"e%\" \"INBOX\" \"inbox\") return (subscribed)",
        "* LIST (\\HasNoChildren) \"/\" INBOX\r\n"
        "* LIST (\\HasChildren \\Subscribed) \"/\" eps2\r\n"
        "* LIST (\\HasChildren) \"/\" foo2\r\n");
    ask(c, "lsub \"\" %",
        "* LSUB (\\Noselect) \"/\" baz2\r\n* LSUB () \"/\" eps2\r\n* LSUB (\\Noselect) \"/\" foo2\r\n"
        "* LSUB (\\Noselect) \"/\" qux2\r\n");
    ask(c, "lsub baz2/ bar2%",
        "* LSUB () \"/\" baz2/bar2\r\n* LSUB () \"/\" baz2/bar22\r\n* LSUB () \"/\" baz2/bar222\r\n");
    ask(c, "lsub \"\" foo2", "");
    imap_bye(c);
}
static void test_recursive_match(void **state)
{
    (void)state;
    imap_twice(recursive_match);
}

static FIBER void returns(struct imap_test *t)
{
    imap_letter_in(t, t->bob, 0, S("Subject: one\r\n\r\ntext\r\n"), FLAG_SEEN);
    imap_letter_in(t, t->bob, 0, S("Subject: two\r\n\r\ntext\r\n"), FLAG_DELETED);
    struct imap_client *c = imap_login(t, "bob");
    ask_all(c, ALL("delete Archive", "delete Junk", "create \"a b\"",
                   "setmetadata INBOX (/private/comment \"of mine\" /shared/x {3+}\r\na\"b)"));
    ask(c, "list \"\" * return (special-use)",
        "* LIST (\\HasNoChildren) \"/\" INBOX\r\n* LIST (\\HasNoChildren \\Drafts) \"/\" Drafts\r\n"
        "* LIST (\\HasNoChildren \\Sent) \"/\" Sent\r\n* LIST (\\HasNoChildren \\Trash) \"/\" Trash\r\n"
        "* LIST (\\HasNoChildren) \"/\" \"a b\"\r\n");
    ask(c, "list (special-use) \"\" *",
        "* LIST (\\HasNoChildren \\Drafts) \"/\" Drafts\r\n* LIST (\\HasNoChildren \\Sent) \"/\" Sent\r\n"
        "* LIST (\\HasNoChildren \\Trash) \"/\" Trash\r\n");
    ask(c, "list \"\" (inbox \"a b\") return (status (messages unseen deleted uidnext) myrights)",
        "* LIST (\\HasNoChildren) \"/\" INBOX\r\n"
        "* STATUS INBOX (MESSAGES 2 UIDNEXT 3 UNSEEN 1 DELETED 1)\r\n"
        "* MYRIGHTS INBOX lrswipkxteacd\r\n"
        "* LIST (\\HasNoChildren) \"/\" \"a b\"\r\n"
        "* STATUS \"a b\" (MESSAGES 0 UIDNEXT 1 UNSEEN 0 DELETED 0)\r\n"
        "* MYRIGHTS \"a b\" lrswipkxteacd\r\n");
    ask(c, "list \"\" (inbox Sent) return (metadata (/private/comment /shared/x))",
        "* LIST (\\HasNoChildren) \"/\" INBOX\r\n"
        "* METADATA INBOX (/private/comment \"of mine\" /shared/x \"a\\\"b\")\r\n"
        "* LIST (\\HasNoChildren \\Sent) \"/\" Sent\r\n"
        "* METADATA Sent (/private/comment NIL /shared/x NIL)\r\n");
    ask(c, "list \"\" \"\"", "* LIST (\\Noselect) \"/\" \"\"\r\n");
    ask(c, "list Shared/x \"\"", "* LIST (\\Noselect) \"/\" \"Shared/\"\r\n");
    ask(c, "list () \"\" \"\"", "");
    ask(c, "list \"\" \"&a\"", ""); /* RFC 9051 §6.3.9: ignored */
    ask(c, "list \"\" (\"&a\" Trash)", "* LIST (\\HasNoChildren \\Trash) \"/\" Trash\r\n");
    ask(c, "lsub \"\" \"&a\"", "");
    /* all items */
    imap_ask(c, "status INBOX (messages recent uidnext uidvalidity unseen deleted size highestmodseq appendlimit "
                "deleted-storage mailboxid)");
    imap_heard(c, "* STATUS INBOX (MESSAGES 2 RECENT 2 UIDNEXT 3 UIDVALIDITY * UNSEEN 1 DELETED 1 SIZE * "
                  "HIGHESTMODSEQ * APPENDLIMIT 52428800 DELETED-STORAGE * MAILBOXID (F*))");
    imap_ask_for(c, "status nothing (messages)", "NO [NONEXISTENT]*");
    imap_bye(c);
}
static void test_returns(void **state)
{
    (void)state;
    imap_twice(returns);
}

/* ---- making, deleting, renaming ---- */

static FIBER void changing(struct imap_test *t)
{
    struct imap_client *c = imap_login(t, "bob");
    imap_ask_for(c, "create x/y/", "OK [MAILBOXID (F*)]*");
    imap_ask_for(c, "create x/y", "NO [ALREADYEXISTS]*");
    imap_ask_for(c, "create inBOX", "NO [ALREADYEXISTS]*");
    imap_ask_for(c, "create x//y", "NO [CANNOT]*");
    imap_ask_for(c, "create ../x", "NO [CANNOT]*");
    imap_ask_for(c, "create Shared", "NO [*]*");
    imap_ask_for(c, "create \"Shared/ann@example.org/x\"", "NO [NOPERM]*");
    imap_ask_for(c, "create \"Shared/nobody@example.org/x\"", "NO [NOPERM]*");
    imap_ask_for(c, "create \"\"", "NO [CANNOT]*");
    imap_ask_for(c, "create {2+}\r\na\n", "NO [CANNOT]*");
    imap_ask_for(c, "create z (use (\\Drafts))", "NO [USEATTR]*");
    imap_ask_for(c, "create z (use (\\Flagged))", "NO [USEATTR]*");
    imap_ask_for(c, "create z (use (\\Junk \\Trash))", "NO [USEATTR]*");
    imap_ask(c, "delete Drafts");
    imap_ask(c, "create Entw&APw-rfe (use (\\Drafts))");
    ask(c, "list (special-use) \"\" E%", "* LIST (\\HasNoChildren \\Drafts) \"/\" Entw&APw-rfe\r\n");
    imap_ask_for(c, "delete inbox", "NO [CANNOT]*");
    imap_ask_for(c, "delete none", "NO [NONEXISTENT]*");
    imap_ask_for(c, "rename x x/y/z", "NO [CANNOT]*");
    imap_ask_for(c, "rename x Sent", "NO [ALREADYEXISTS]*");
    imap_ask_for(c, "rename none x", "NO [NONEXISTENT]*");
    imap_ask_for(c, "rename x \"Shared/ann@example.org/x\"", "NO [CANNOT]*");
    imap_ask(c, "rename x q/x");
    ask(c, "list \"\" q*",
        "* LIST (\\HasChildren) \"/\" q\r\n* LIST (\\HasChildren) \"/\" q/x\r\n"
        "* LIST (\\HasNoChildren) \"/\" q/x/y\r\n");
    imap_ask_for(c, "subscribe \"\"", "NO [CANNOT]*");
    /* names that are written otherwise than they will be (RFC 9051 §6.3.4) */
    imap_ask(c, "subscribe u&AwE-");
    imap_ask(c, "create u&AwE-");
    ask(c, "list \"\" u&AwE- return (subscribed)", "* LIST (\\HasNoChildren \\Subscribed) \"/\" &APo-\r\n");
    ask(c, "lsub \"\" u&AwE-", "* LSUB () \"/\" &APo-\r\n");
    imap_ask(c, "unsubscribe u&AwE-");
    imap_ask(c, "append u&AwE- {4+}\r\na: b");
    imap_ask(c, "esearch in (mailboxes u&AwE-) return (count) all");
    imap_heard(c, "* ESEARCH (TAG * MAILBOX &APo- UIDVALIDITY *) UID COUNT 1");
    imap_ask(c, "enable IMAP4rev2");
    imap_ask(c, "create {6+}\r\nCafe\xcc\x81");
    imap_heard(c, "* LIST () \"/\" \"Caf\xc3\xa9\" (\"OLDNAME\" (\"Cafe\xcc\x81\"))");
    ask(c, "list \"\" C*", "* LIST (\\HasNoChildren) \"/\" \"Caf\xc3\xa9\"\r\n");
    /* and the same in all commands (§5.1, §6.3.9.7) */
    ask(c, "list \"\" {6+}\r\nCafe\xcc\x81", "* LIST (\\HasNoChildren) \"/\" \"Caf\xc3\xa9\"\r\n");
    imap_ask(c, "subscribe {6+}\r\nCafe\xcc\x81");
    ask(c, "list (subscribed) \"\" C*", "* LIST (\\HasNoChildren \\Subscribed) \"/\" \"Caf\xc3\xa9\"\r\n");
    imap_ask(c, "unsubscribe {6+}\r\nCafe\xcc\x81");
    ask(c, "list (subscribed) \"\" C*", "");
    imap_ask(c, "status {6+}\r\nCafe\xcc\x81 (messages)");
    imap_ask(c, "append {6+}\r\nCafe\xcc\x81 {8+}\r\nA: b\r\n\r\n");
    imap_heard(c, "* LIST () \"/\" \"Caf\xc3\xa9\" (\"OLDNAME\" (\"Cafe\xcc\x81\"))");
    imap_ask(c, "select {6+}\r\nCafe\xcc\x81");
    imap_heard(c, "* LIST () \"/\" \"Caf\xc3\xa9\" (\"OLDNAME\" (\"Cafe\xcc\x81\"))");
    imap_ask(c, "select Trash");
    imap_heard(c, "* LIST (\\Trash) \"/\" Trash");
    ask(c, "rename {6+}\r\nCafe\xcc\x81 Bar", "* LIST () \"/\" Bar (\"OLDNAME\" (\"Cafe\xcc\x81\"))\r\n");
    ask(c, "rename Bar {6+}\r\nCafe\xcc\x81", "* LIST () \"/\" \"Caf\xc3\xa9\" (\"OLDNAME\" (Bar))\r\n");
    ask(c, "delete {6+}\r\nCafe\xcc\x81",
        "* LIST (\\NonExistent) \"/\" \"Caf\xc3\xa9\" (\"OLDNAME\" (\"Cafe\xcc\x81\"))\r\n");
    ask(c, "rename Sent Gone", "");
    imap_bye(c);
}
static void test_changing(void **state)
{
    (void)state;
    imap_twice(changing);
}

/* RFC 9051 §6.3.5: a mailbox goes and its name stays above others. */
static FIBER void names_left(struct imap_test *t)
{
    struct imap_client *c = imap_login(t, "bob");
    forget_the_first(c);
    ask_all(c, ALL("create x/y/z", "create x/w", "append x {4+}\r\na: b", "append x/y {4+}\r\nc: d", "delete x"));
    ask(c, "list \"\" *",
        "* LIST (\\HasNoChildren) \"/\" INBOX\r\n* LIST (\\Noselect \\HasChildren) \"/\" x\r\n"
        "* LIST (\\HasNoChildren) \"/\" x/w\r\n* LIST (\\HasChildren) \"/\" x/y\r\n"
        "* LIST (\\HasNoChildren) \"/\" x/y/z\r\n");
    ask(c, "list \"\" % return (status (messages))",
        "* LIST (\\HasNoChildren) \"/\" INBOX\r\n* STATUS INBOX (MESSAGES 0)\r\n"
        "* LIST (\\NonExistent \\HasChildren) \"/\" x\r\n");
    static const char *const none[] = {"select x",       "examine x", "status x (messages)", "delete x",
                                       "setacl x ann l", "getacl x",  "myrights x",
                                       "setmetadata x (/private/comment b)"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) imap_ask_for(c, none[i], "NO [NONEXISTENT]*");
    imap_ask_for(c, "append x {4+}\r\na: b", "NO [TRYCREATE]*");
    imap_ask(c, "select x/y");
    imap_ask_for(c, "copy 1 x", "NO [TRYCREATE]*");
    imap_ask(c, "unselect");
    /* made anew it is another one */
    imap_ask_for(c, "create x", "OK [MAILBOXID *]*");
    ask(c, "status x (messages uidnext)", "* STATUS x (MESSAGES 0 UIDNEXT 1)\r\n");
    ask_all(c, ALL("append x {4+}\r\na: b", "delete x", "create x (use (\\Sent))"));
    ask(c, "list (special-use) \"\" *", "* LIST (\\HasChildren \\Sent) \"/\" x\r\n");
    imap_ask_for(c, "create x", "NO [ALREADYEXISTS]*");
    /* the name moves, with what lies below it; and goes with the last of that */
    ask_all(c, ALL("delete x", "delete x/y", "rename x a/b"));
    ask(c, "list \"\" *",
        "* LIST (\\HasNoChildren) \"/\" INBOX\r\n* LIST (\\HasChildren) \"/\" a\r\n"
        "* LIST (\\Noselect \\HasChildren) \"/\" a/b\r\n* LIST (\\HasNoChildren) \"/\" a/b/w\r\n"
        "* LIST (\\Noselect \\HasChildren) \"/\" a/b/y\r\n* LIST (\\HasNoChildren) \"/\" a/b/y/z\r\n");
    imap_ask_for(c, "rename a/b a/b/y", "NO [ALREADYEXISTS]*");
    imap_ask_for(c, "rename a a/b", "NO [ALREADYEXISTS]*");
    imap_ask_for(c, "rename a/b a/b/n", "NO [CANNOT]*");
    imap_ask(c, "rename a/b/w a/b"); /* takes the name of the level it lies below */
    ask(c, "list \"\" a*",
        "* LIST (\\HasChildren) \"/\" a\r\n* LIST (\\HasChildren) \"/\" a/b\r\n"
        "* LIST (\\Noselect \\HasChildren) \"/\" a/b/y\r\n* LIST (\\HasNoChildren) \"/\" a/b/y/z\r\n");
    ask_all(c, ALL("delete a/b", "delete a", "delete a/b/y/z"));
    ask(c, "list \"\" *", "* LIST (\\HasNoChildren) \"/\" INBOX\r\n");
    /* all of it can be brought back */
    struct lost_letter *v;
    size_t n;
    struct error e = {0};
    ok(store_lost(t->t.store, c->arena, t->bob, 0, 0, 10, &v, &n, &e), &e);
    assert_int_equal(n, 3);
    assert_true(str_eq(v[0].path, S("a/b/y"))); /* it lay below what was renamed */
    assert_true(str_eq(v[1].path, S("x")) && str_eq(v[2].path, S("x")));
    /* INBOX's letters go to a mailbox of such a name */
    ask_all(c, ALL("append inbox {4+}\r\na: b", "create x/y", "delete x", "rename inbox x"));
    ask(c, "status x (messages)", "* STATUS x (MESSAGES 1)\r\n");
    imap_bye(c);
}
static void test_names_left(void **state)
{
    (void)state;
    imap_twice(names_left);
}

/* RFC 4314 §4: a name that is left is its owner's; below it counts what is above it. */
static FIBER void names_left_to_others(struct imap_test *t)
{
    struct imap_client *c = imap_login(t, "bob"), *ann = imap_login(t, "ann");
#define AT "Shared/bob@example.org/"
    ask_all(c, ALL("create top/x/y", "setacl top ann lrk", "setacl top/x ann lrkx", "setacl top/x/y ann lrx"));
    imap_ask(ann, "delete " AT "top/x");
    imap_ask_for(ann, "delete " AT "top/x", "NO [NONEXISTENT]*");
    imap_ask_for(ann, "rename " AT "top/x " AT "top/n", "NO [NONEXISTENT]*");
    imap_ask(ann, "list \"\" " AT "top/%");
    imap_heard(ann, "* LIST (\\Noselect \\HasChildren) \"/\" " AT "top/x");
    imap_ask_for(c, "setacl top/x ann lr", "NO [NONEXISTENT]*");
    imap_ask(ann, "create " AT "top/x/n"); /* by 'k' of top, and with its access list */
    ask(c, "getacl top/x/n", "* ACL top/x/n bob@example.org lrswipkxteacd ann@example.org lrkc\r\n");
    imap_ask(c, "setacl top ann lr");
    imap_ask_for(ann, "create " AT "top/x/m", "NO [NOPERM]*");
    imap_ask_for(ann, "create " AT "top/x", "NO [NOPERM]*");
    imap_ask(c, "setacl top ann lrk");
    imap_ask(ann, "create " AT "top/x");
    ask(c, "getacl top/x", "* ACL top/x bob@example.org lrswipkxteacd ann@example.org lrkc\r\n");
    imap_bye(ann);
    imap_bye(c);
}
static void test_names_left_to_others(void **state)
{
    (void)state;
    imap_twice(names_left_to_others);
}

/* ---- others' ---- */

static FIBER void sharing(struct imap_test *t)
{
    struct imap_client *bob = imap_login(t, "bob"), *ann = imap_login(t, "ann");
    imap_ask(bob, "create Work/Plans/Old");
    imap_ask_for(ann, "status \"Shared/bob@example.org/Work\" (messages)", "NO [NONEXISTENT]*");
    ask(ann, "list \"\" Shared*", "");
    imap_ask_for(bob, "setacl Work/Plans ann@example.org lrq", "BAD*");
    imap_ask_for(bob, "setacl Work/Plans nobody@example.org lr", "NO [CANNOT]*");
    imap_ask_for(bob, "setacl Work/Plans -ann@example.org lr", "NO [CANNOT]*");
    imap_ask_for(bob, "setacl Work/Plans bob@example.org lr", "NO [CANNOT]*");
    imap_ask(bob, "setacl Work/Plans ann@example.org lr");
    imap_ask(bob, "setacl Work/Plans/Old ann lrsit");
    ask(bob, "getacl Work/Plans", "* ACL Work/Plans bob@example.org lrswipkxteacd ann@example.org lr\r\n");
    ask(bob, "listrights Work ann@example.org", "* LISTRIGHTS Work ann@example.org \"\" l r s w i p k x t e a c d\r\n");
    ask(bob, "listrights Work bob@example.org", "* LISTRIGHTS Work bob@example.org lrswipkxteacd\r\n");
    ask(ann, "list \"\" *",
        "* LIST (\\HasNoChildren) \"/\" INBOX\r\n* LIST (\\HasNoChildren \\Archive) \"/\" Archive\r\n"
        "* LIST (\\HasNoChildren \\Drafts) \"/\" Drafts\r\n* LIST (\\HasNoChildren \\Junk) \"/\" Junk\r\n"
        "* LIST (\\HasNoChildren \\Sent) \"/\" Sent\r\n* LIST (\\HasNoChildren \\Trash) \"/\" Trash\r\n"
        "* LIST (\\HasChildren) \"/\" Shared/bob@example.org/Work/Plans\r\n"
        "* LIST (\\HasNoChildren) \"/\" Shared/bob@example.org/Work/Plans/Old\r\n");
    /* level by level (RFC 9051 §6.3.9) */
    ask(ann, "list \"\" S%",
        "* LIST (\\HasNoChildren \\Sent) \"/\" Sent\r\n* LIST (\\Noselect \\HasChildren) \"/\" Shared\r\n");
    ask(ann, "list (remote) \"\" Share%", "* LIST (\\NonExistent \\HasChildren) \"/\" Shared\r\n"); /* example 10 */
    ask(ann, "list \"\" Shared/%", "* LIST (\\Noselect \\HasChildren) \"/\" Shared/bob@example.org\r\n");
    ask(ann, "list Shared/ bob@example.org/%",
        "* LIST (\\Noselect \\HasChildren) \"/\" Shared/bob@example.org/Work\r\n");
    ask(ann, "list () Shared/bob@example.org/ Work/%",
        "* LIST (\\HasChildren) \"/\" Shared/bob@example.org/Work/Plans\r\n");
    ask(ann, "namespace", "* NAMESPACE ((\"\" \"/\")) ((\"Shared/\" \"/\")) NIL\r\n");
    ask(ann, "myrights Shared/bob@example.org/Work/Plans/Old",
        "* MYRIGHTS Shared/bob@example.org/Work/Plans/Old lrsitd\r\n");
    imap_ask_for(ann, "myrights Shared/bob@example.org/Work", "NO [NONEXISTENT]*");
    imap_ask_for(ann, "getacl Shared/bob@example.org/Work/Plans", "NO [NOPERM]*");
    imap_ask_for(ann, "delete Shared/bob@example.org/Work/Plans/Old", "NO [NOPERM]*");
    imap_ask_for(ann, "rename Shared/bob@example.org/Work/Plans/Old mine", "NO [NOPERM]*");
    imap_ask_for(ann, "create Shared/bob@example.org/Work/Plans/New", "NO [NOPERM]*");
    imap_ask(bob, "setacl Work/Plans ann@example.org +k");
    imap_ask(ann, "create Shared/bob@example.org/Work/Plans/New");
    ask(ann, "myrights Shared/bob@example.org/Work/Plans/New",
        "* MYRIGHTS Shared/bob@example.org/Work/Plans/New lrkc\r\n");
    imap_ask(ann, "subscribe Shared/bob@example.org/Work/Plans");
    ask(ann, "lsub \"\" Sh*", "* LSUB () \"/\" Shared/bob@example.org/Work/Plans\r\n");
    /* taken away again */
    imap_ask(bob, "setacl Work/Plans ann@example.org -k");
    imap_ask_for(ann, "create Shared/bob@example.org/Work/Plans/More", "NO [NOPERM]*");
    imap_ask_for(bob, "setacl Work/Plans \"\" lr", "BAD*"); /* RFC 4314 §3 */
    imap_ask_for(bob, "setacl Work/Plans \"x\ty\" lr", "BAD*");
    imap_ask_for(bob, "listrights Work/Plans \"\"", "BAD*");
    imap_ask_for(bob, "deleteacl Work/Plans \"\"", "BAD*");
    imap_ask(bob, "deleteacl Work/Plans ann@example.org");
    imap_ask_for(ann, "status Shared/bob@example.org/Work/Plans (messages)", "NO [NONEXISTENT]*");
    /* everybody */
    imap_ask(bob, "setacl INBOX anyone l");
    ask(bob, "getacl INBOX", "* ACL INBOX bob@example.org lrswipkxteacd anyone l\r\n");
    ask(ann, "list \"\" Shared/bob@example.org/IN%",
        "* LIST (\\Noselect \\HasNoChildren) \"/\" Shared/bob@example.org/INBOX\r\n");
    imap_ask_for(ann, "status Shared/bob@example.org/INBOX (messages)", "NO [NOPERM]*");
    imap_bye(bob);
    imap_bye(ann);
}
/* RFC 7377 §2.2: what is named needs the right to read alone; what is found below a name one must be able to look up.
 */
static FIBER void searching_others(struct imap_test *t)
{
    struct imap_client *bob = imap_login(t, "bob"), *ann = imap_login(t, "ann");
    imap_ask(bob, "create Work/Plans");
    imap_ask(bob, "append Work {26+}\r\nSubject: x\r\n\r\ntext\r\nxxxx\r\n");
    imap_ask(bob, "append Work/Plans {26+}\r\nSubject: x\r\n\r\ntext\r\nxxxx\r\n");
    imap_ask(bob, "setacl Work ann@example.org r");
    imap_ask(bob, "setacl Work/Plans ann@example.org r");
    imap_ask(ann, "subscribe Shared/bob@example.org/Work");
    imap_ask(ann, "esearch in (mailboxes Shared/bob@example.org/Work) all");
    imap_heard(ann, "* ESEARCH (* MAILBOX Shared/bob@example.org/Work UIDVALIDITY *) UID ALL 1");
    imap_ask(ann, "esearch in (subtree Shared/bob@example.org/Work) all");
    imap_heard(ann, "* ESEARCH (* MAILBOX Shared/bob@example.org/Work UIDVALIDITY *) UID ALL 1");
    assert_false(imap_said(ann, "* ESEARCH (*Plans*"));
    ask(ann, "esearch in (subscribed) all", "");
    imap_ask(bob, "setacl Work/Plans ann@example.org +l");
    imap_ask(ann, "esearch in (subtree Shared/bob@example.org/Work) all");
    imap_heard(ann, "* ESEARCH (*Plans*");
    imap_bye(bob);
    imap_bye(ann);
}

static void test_sharing(void **state)
{
    (void)state;
    imap_twice(sharing);
    imap_twice(searching_others);
}

/* RFC 8474 §5.2: a letter that is copied joins its thread in the other account. */
static FIBER void threads_of_copies(struct imap_test *t)
{
    struct imap_client *c = imap_login(t, "bob"), *ann = imap_login(t, "ann");
    imap_ask(c, "append inbox {28+}\r\nMessage-ID: <one@x>\r\n\r\na\r\n\r\n");
    imap_ask(ann, "append inbox {52+}\r\nMessage-ID: <two@x>\r\nIn-Reply-To: <one@x>\r\n\r\nb\r\n1234");
    imap_ask(ann, "append inbox {29+}\r\nMessage-ID: <else@x>\r\n\r\nc\r\n\r\n");
    imap_ask(c, "setacl inbox ann lrsi");
    imap_ask(ann, "select inbox");
    imap_ask(ann, "copy 1:2 Shared/bob@example.org/INBOX");
    imap_ask(c, "select inbox");
    struct str thread[3];
    for (uid u = 1; u <= 3; u++) {
        imap_ask(c, arena_cstr(c->arena, arena_printf(c->arena, "uid fetch %u (threadid)", u)));
        thread[u - 1] = arena_str(t->t.arena, str_skip(c->said, str_find(c->said, S("THREADID"))));
        assert_true(thread[u - 1].n > 20);
    }
    assert_true(str_eq(thread[1], thread[0]));
    assert_false(str_eq(thread[2], thread[0]));
    imap_bye(ann);
    imap_bye(c);
}
static void test_threads_of_copies(void **state)
{
    (void)state;
    imap_twice(threads_of_copies);
}

/* ---- quotas, annotations ---- */

static FIBER void quotas(struct imap_test *t)
{
    struct error e = {0};
    int64_t limit = 10 << 20;
    imap_letter_in(t, t->bob, 0, S("Subject: one\r\n\r\ntext\r\n"), 0);
    struct imap_client *c = imap_login(t, "bob");
    ask(c, "getquotaroot INBOX", "* QUOTAROOT INBOX \"\"\r\n* QUOTA \"\" (MESSAGE 1 4294967295)\r\n");
    ok(store_account_change(t->t.store, t->bob, NULL, &limit, NULL, NULL, &e), &e);
    ask(c, "getquota \"\"", "* QUOTA \"\" (STORAGE 1 10240 MESSAGE 1 4294967295)\r\n");
    imap_ask_for(c, "getquota x", "NO [NONEXISTENT]*");
    imap_ask_for(c, "getquota ann@example.org", "NO [NONEXISTENT]*");
    imap_ask(c, "getquotaroot none"); /* RFC 9208 §4.1.2: it may be made */
    imap_heard(c, "* QUOTAROOT none \"\"");
    imap_ask_for(c, "getquotaroot Shared/ann@example.org/none", "NO [NONEXISTENT]*");
    imap_ask_for(c, "setquota \"\" (STORAGE 1000)", "NO [NOPERM]*");
    imap_ask(c, "setacl INBOX ann lr");
    struct imap_client *ann = imap_login(t, "ann");
    imap_ask(ann, "getquotaroot Shared/bob@example.org/INBOX");
    imap_heard(ann, "* QUOTAROOT Shared/bob@example.org/INBOX bob@example.org");
    imap_bye(ann);
    imap_bye(c);
}

/* RFC 9208 §4.1.3: only those named in the configuration set quotas, and see those of others. */
static FIBER void quotas_are_set(struct imap_test *t)
{
    static const struct str administrators[] = {S_INIT("nobody@example.org"), S_INIT("Bob@Example.org")};
    t->service.administrators = administrators;
    t->service.n_administrators = 2;
    struct imap_client *c = imap_login(t, "bob"), *ann = imap_login(t, "ann");
    ask(c, "setquota ann@example.org (storage 510 MESSAGE 7)",
        "* QUOTA ann@example.org (STORAGE 0 510 MESSAGE 0 7)\r\n");
    ask(c, "getquota ann@example.org", "* QUOTA ann@example.org (STORAGE 0 510 MESSAGE 0 7)\r\n");
    ask(ann, "getquota \"\"", "* QUOTA \"\" (STORAGE 0 510 MESSAGE 0 7)\r\n");
    ask(c, "setquota ann@example.org (MESSAGE 1)", "* QUOTA ann@example.org (MESSAGE 0 1)\r\n");
    imap_ask_for(ann, "append inbox {4+}\r\na: b", "OK *");
    imap_ask_for(ann, "append inbox {4+}\r\na: b", "NO [OVERQUOTA]*");
    imap_ask_for(c, "setquota ann@example.org (STORAGE 5 X 1)", "NO [CANNOT]*"); /* and nothing of it is done */
    imap_ask_for(c, "setquota ann@example.org (MESSAGE 0)", "NO [CANNOT]*");
    ask(c, "getquota ann@example.org", "* QUOTA ann@example.org (MESSAGE 1 1)\r\n");
    ask(c, "setquota ann@example.org (STORAGE 9223372036854775807 MESSAGE 4294967295)",
        "* QUOTA ann@example.org (MESSAGE 1 4294967295)\r\n");
    ask(c, "setquota \"\" (MESSAGE 3)", "* QUOTA \"\" (MESSAGE 0 3)\r\n");
    ask(c, "setquota \"\" ()", "* QUOTA \"\" (MESSAGE 0 4294967295)\r\n");
    imap_ask_for(c, "setquota eve@example.org ()", "NO [NONEXISTENT]*");
    imap_ask_for(ann, "setquota \"\" ()", "NO [NOPERM]*");
    imap_ask_for(ann, "setquota bob@example.org (MESSAGE 1)", "NO [NOPERM]*");
    imap_ask_for(ann, "getquota bob@example.org", "NO [NONEXISTENT]*");
    imap_bye(ann);
    imap_bye(c);
}
static void test_quotas(void **state)
{
    (void)state;
    imap_twice(quotas);
    imap_twice(quotas_are_set);
}

static FIBER void annotations(struct imap_test *t)
{
    struct imap_client *c = imap_login(t, "bob");
    imap_ask(c,
             "setmetadata INBOX (/private/comment \"mine\" /private/Filters/a \"one\" /private/filters/a/b \"two\")");
    imap_ask(c, "setmetadata INBOX (/shared/bytes ~{3+}\r\na\1b)");
    ask(c, "getmetadata INBOX /private/comment", "* METADATA INBOX (/private/comment \"mine\")\r\n");
    ask(c, "getmetadata INBOX (/private/COMMENT /shared/none)",
        "* METADATA INBOX (/private/comment \"mine\" /shared/none NIL)\r\n");
    ask(c, "getmetadata (depth 1) INBOX /private/filters", "* METADATA INBOX (/private/filters/a \"one\")\r\n");
    ask(c, "getmetadata (depth infinity) INBOX (/private/filters /private/filters/a)",
        "* METADATA INBOX (/private/filters/a \"one\" /private/filters/a/b \"two\")\r\n");
    ask(c, "getmetadata (depth infinity) INBOX /private/other", "");
    imap_ask_for(c, "getmetadata (maxsize 3) INBOX (/private/comment /private/filters/a)",
                 "OK [METADATA LONGENTRIES 4]*");
    assert_said(c, "* METADATA INBOX (/private/filters/a \"one\")\r\n");
    imap_ask(c, "setmetadata INBOX (/private/comment NIL)");
    ask(c, "getmetadata INBOX /private/comment", "* METADATA INBOX (/private/comment NIL)\r\n");
    imap_ask(c, "setmetadata \"\" (/private/comment \"the server\")");
    ask(c, "getmetadata \"\" /private/comment", "* METADATA \"\" (/private/comment \"the server\")\r\n");
    imap_ask_for(c, "setmetadata \"\" (/shared/comment \"x\")", "NO [NOPERM]*");
    imap_ask_for(c, "setmetadata INBOX (/other/comment \"x\")", "BAD*");
    static const char *const bad[] = {"/private//x", "/private/x/", "/", "\"/private/x\t\"", "\"/shared/*\""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) { /* §3.2 */
        imap_ask_for(c, arena_cstr(c->arena, arena_printf(c->arena, "setmetadata INBOX (%s \"x\")", bad[i])), "BAD*");
        imap_ask_for(c, arena_cstr(c->arena, arena_printf(c->arena, "getmetadata INBOX %s", bad[i])), "BAD*");
    }
    /* one that fails keeps all from being set */
    imap_ask_for(c, "setmetadata INBOX (/shared/new \"x\" /other/comment \"x\")", "BAD*");
    ask(c, "getmetadata INBOX /shared/new", "* METADATA INBOX (/shared/new NIL)\r\n");
    /* §4.1: INBOX has its own still, and what it is renamed to has them too */
    imap_ask(c, "setmetadata INBOX (/shared/comment \"x\")");
    imap_ask(c, "rename INBOX Old");
    ask(c, "getmetadata INBOX /shared/comment", "* METADATA INBOX (/shared/comment \"x\")\r\n");
    ask(c, "getmetadata Old /shared/comment", "* METADATA Old (/shared/comment \"x\")\r\n");
    imap_ask_for(c, "getmetadata none /private/comment", "NO [NONEXISTENT]*");
    /* a change is one of the mailbox: RFC 7162 §3.2 */
    imap_ask(c, "status INBOX (highestmodseq)");
    struct str before = c->said;
    imap_ask(c, "setmetadata INBOX (/private/comment \"again\")");
    imap_ask(c, "status INBOX (highestmodseq)");
    assert_false(str_eq(before, c->said));
    imap_bye(c);
}
/* RFC 6154 §4, §5.4 */
static FIBER void special_uses(struct imap_test *t)
{
    struct imap_client *c = imap_login(t, "bob"), *ann = imap_login(t, "ann");
    ask(c, "getmetadata Drafts /private/specialuse", "* METADATA Drafts (/private/specialuse \"\\\\Drafts\")\r\n");
    ask(c, "getmetadata INBOX /private/specialuse", "* METADATA INBOX (/private/specialuse NIL)\r\n");
    imap_ask(c, "create Saved");
    imap_ask_for(c, "setmetadata Saved (/private/specialuse \"\\\\Drafts\")", "NO [USEATTR]*");
    imap_ask_for(c, "setmetadata Saved (/private/specialuse \"\\\\All\")", "NO [USEATTR]*");
    imap_ask_for(c, "setmetadata INBOX (/private/specialuse \"\\\\Sent\")", "NO [USEATTR]*");
    imap_ask(c, "setmetadata Drafts (/private/specialuse NIL)");
    imap_ask(c, "setmetadata Saved (/private/SpecialUse \"\\\\drafts\" /private/comment \"x\")");
    ask(c, "list (special-use) \"\" \"*d\"", "* LIST (\\HasNoChildren \\Drafts) \"/\" Saved\r\n");
    ask(c, "list \"\" Drafts", "* LIST (\\HasNoChildren) \"/\" Drafts\r\n");
    imap_ask(c, "list \"\" Saved return (metadata (/private/specialuse))");
    imap_heard(c, "* METADATA Saved (/private/specialuse \"\\\\Drafts\")");
    /* what it is to him it is not to others */
    imap_ask(c, "setacl Saved ann@example.org lrw");
    ask(ann, "getmetadata Shared/bob@example.org/Saved /private/specialuse",
        "* METADATA Shared/bob@example.org/Saved (/private/specialuse NIL)\r\n");
    imap_ask_for(ann, "setmetadata Shared/bob@example.org/Saved (/private/specialuse \"\\\\Junk\")", "NO [NOPERM]*");
    ask(ann, "list (special-use) \"\" Shared/*", "");
    imap_bye(c);
    imap_bye(ann);
}

static void test_annotations(void **state)
{
    (void)state;
    imap_twice(annotations);
    imap_twice(special_uses);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recursive_match), cmocka_unit_test(test_returns),
        cmocka_unit_test(test_names_left),      cmocka_unit_test(test_names_left_to_others),
        cmocka_unit_test(test_changing),        cmocka_unit_test(test_sharing),
        cmocka_unit_test(test_threads_of_copies), cmocka_unit_test(test_quotas),
        cmocka_unit_test(test_annotations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
