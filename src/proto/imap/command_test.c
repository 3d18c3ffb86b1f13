/* IMAP commands: what they mean, written again in one form (RFC 9051 and its extensions' examples). */
#include "proto/imap/command.h"

#include <stdlib.h>

#include "base/test.h"
#include "mail/limits.h"
#include "proto/imap/test_rewrite.h"

struct row {
    const char *command;
    const char *means; /* in the canonical form; NULL: it is in it already */
};

/* Parses an exact copy, so that reading past its end is seen. */
static int parse(struct arena *a, struct str text, struct imap_command *c, struct buf *again)
{
    char *copy = malloc(text.n ? text.n : 1);
    if (text.n) memcpy(copy, text.p, text.n);
    int e = imap_parse(a, str_of(copy, text.n), c);
    buf_clear(again);
    if (e == 0) rewrite(again, c);
    else assert_non_null(c->error);
    if (!str_is_none(c->tag)) c->tag = arena_str(a, c->tag);
    free(copy);
    return e;
}

static void check(const struct row *rows, size_t n)
{
    struct arena *a = arena_new(NULL, 0);
    struct buf b = BUF(1 << 20);
    for (size_t i = 0; i < n; i++) {
        struct imap_command c;
        struct str means = str_c(rows[i].means ? rows[i].means : rows[i].command);
        if (parse(a, str_c(rows[i].command), &c, &b)) fail_msg("%s: %s", rows[i].command, c.error);
        assert_str(buf_str(&b), means);
        if (parse(a, means, &c, &b)) fail_msg("again, %.*s: %s", STR_FMT(means), c.error);
        assert_str(buf_str(&b), means);
        arena_reset(a);
    }
    buf_free(&b);
    arena_free(a);
}
#define CHECK(rows) check((rows), sizeof(rows) / sizeof *(rows))

static void reads_simple_commands(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"a001 CAPABILITY", NULL},
        {"a002 noop", "a002 NOOP"},
        {"A023 LOGOUT  ", "A023 LOGOUT"},
        {"A] STARTTLS", "A] STARTTLS"},
        {"a001 AUTHENTICATE GSSAPI", NULL},
        {"A01 AUTHENTICATE PLAIN =", NULL},
        {"A01 AUTHENTICATE PLAIN dGVzdAB0ZXN0AHRlc3Q=", NULL},
        {"a001 LOGIN SMITH SESAME", NULL},
        {"a LOGIN {5}\r\nSMITH {4+}\r\na b\"", "a LOGIN SMITH \"a b\\\"\""},
        {"a LOGIN {5}\nSMITH {0}\n", "a LOGIN SMITH \"\""},
        {"a LOGIN \"a\\\\\\\"b\" \"\"", NULL},
        {"a LOGIN \"b\303\274cher\" p\303\244ss", "a LOGIN {7}\r\nb\303\274cher {5}\r\np\303\244ss"},
        {"t1 ENABLE CONDSTORE", NULL},
        {"t1 ENABLE CONDSTORE X-GOOD-IDEA", NULL},
        {"A932 EXAMINE blurdybloop", NULL},
        {"A003 CREATE owatagusiam/", NULL},
        {"t2 CREATE MySpecial (USE (\\Drafts \\Sent))", NULL},
        {"t2 CREATE x ()", "t2 CREATE x"},
        {"A683 DELETE blurdybloop", NULL},
        {"A684 DELETE nil", "A684 DELETE \"nil\""},
        {"A684 RENAME INBOX old-mail", NULL},
        {"A002 SUBSCRIBE #news.comp.mail.mime", NULL},
        {"A002 UNSUBSCRIBE \"#news.comp.mail mime\"", NULL},
        {"A001 NAMESPACE", NULL},
        {"A042 STATUS blurdybloop (UIDNEXT MESSAGES)", "A042 STATUS blurdybloop (MESSAGES UIDNEXT)"},
        {"s STATUS INBOX (messages RECENT unseen UIDVALIDITY DELETED SIZE HIGHESTMODSEQ APPENDLIMIT MAILBOXID "
         "DELETED-STORAGE)",
         "s STATUS INBOX (MESSAGES RECENT UIDVALIDITY UNSEEN DELETED SIZE HIGHESTMODSEQ APPENDLIMIT MAILBOXID "
         "DELETED-STORAGE)"},
        {"A002 IDLE", NULL},
        {"FXXZ CHECK", NULL},
        {"A341 CLOSE", NULL},
        {"A342 UNSELECT", NULL},
        {"A202 EXPUNGE", NULL},
        {"A003 UID EXPUNGE 3000:3002", NULL},
        {"A003 COPY 2:4 MEETING", NULL},
        {"a UID MOVE 42:69 foo", NULL},
        {"a UID COPY $ \"~peter/mail\"", "a UID COPY $ ~peter/mail"},
        {"a COMPRESS DEFLATE", NULL},
        {"a UNAUTHENTICATE", NULL},
        {"B03 CANCELUPDATE \"B01\" \"B02\"", "B03 CANCELUPDATE B01 B02"},
        {"a023 ID (\"name\" \"sodr\" \"version\" \"19.34\" \"vendor\" NIL)", NULL},
        {"a042 ID NIL", "a042 ID ()"},
    };
    CHECK(rows);
}

static void reads_select(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"A142 SELECT INBOX", NULL},
        {"A142 select {5}\r\nINBOX", "A142 SELECT INBOX"},
        {"A142 SELECT INBOX (CONDSTORE)", NULL},
        {"A02 SELECT INBOX (QRESYNC (67890007 20050715194045000 41,43:211,214:541))", NULL},
        {"A03 SELECT INBOX (QRESYNC (67890007 90060115194045000 41:211,214:541))", NULL},
        {"A04 SELECT INBOX (QRESYNC (67890007 90060115194045000 41:211,214:541 (1,3 2:3)) CONDSTORE)",
         "A04 SELECT INBOX (QRESYNC (67890007 90060115194045000 41:211,214:541 (1,3 2:3)))"},
        {"A05 SELECT INBOX (QRESYNC (1 2 (1 9)))", NULL},
        {"A06 SELECT INBOX (QRESYNC (1 2))", NULL},
    };
    CHECK(rows);
}

static void reads_lists(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"A101 LIST \"\" \"\"", "A101 LIST \"\" \"\""},
        {"A102 LIST #news.comp.mail.misc \"\"", "A102 LIST #news.comp.mail.misc \"\""},
        {"A202 LIST ~/Mail/ %", "A202 LIST ~/Mail/ \"%\""},
        {"A LSUB \"#news.\" comp.mail.*", "A LSUB #news. \"comp.mail.*\""},
        {"A02 LIST (SUBSCRIBED) \"\" \"*\"", "A02 LIST (SUBSCRIBED) \"\" (\"*\") RETURN ()"},
        {"A03 LIST () \"\" % RETURN (CHILDREN)", "A03 LIST () \"\" (\"%\") RETURN (CHILDREN)"},
        {"A LIST (REMOTE SUBSCRIBED RECURSIVEMATCH) \"\" (INBOX Drafts Sent/%) RETURN (special-use subscribed)",
         "A LIST (SUBSCRIBED REMOTE RECURSIVEMATCH) \"\" (INBOX Drafts \"Sent/%\") RETURN (SUBSCRIBED SPECIAL-USE)"},
        {"A01 LIST \"\" % RETURN (STATUS (MESSAGES UNSEEN))",
         "A01 LIST () \"\" (\"%\") RETURN (STATUS (MESSAGES UNSEEN))"},
        {"A01 LIST (SPECIAL-USE) \"\" % RETURN (MYRIGHTS STATUS (SIZE) CHILDREN)",
         "A01 LIST (SPECIAL-USE) \"\" (\"%\") RETURN (CHILDREN STATUS (SIZE) MYRIGHTS)"},
        {"A00 LIST \"\" % RETURN (METADATA (\"/shared/vendor/cmu/cyrus-imapd/color\"))",
         "A00 LIST () \"\" (\"%\") RETURN (METADATA (DEPTH 0) (/shared/vendor/cmu/cyrus-imapd/color))"},
        {"A00 LIST \"\" % RETURN (METADATA (DEPTH 1 MAXSIZE 5) /shared/x)",
         "A00 LIST () \"\" (\"%\") RETURN (METADATA (MAXSIZE 5 DEPTH 1) (/shared/x))"},
    };
    CHECK(rows);
}

static void reads_fetch(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"A654 FETCH 2:4 (FLAGS BODY[HEADER.FIELDS (DATE FROM)])", NULL},
        {"a FETCH 1 ALL", "a FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)"},
        {"a FETCH 1 fast", "a FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE)"},
        {"a FETCH 1 FULL", "a FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY)"},
        {"a FETCH 1:* (FLAGS UID BODYSTRUCTURE)", NULL},
        {"a FETCH * RFC822", "a FETCH * (RFC822)"},
        {"a FETCH 1 (RFC822.HEADER RFC822.TEXT RFC822.SIZE)", NULL},
        {"a FETCH 1 (BODY[] BODY.PEEK[] BODY.PEEK[HEADER] BODY[TEXT] BODY[1.2.3] BODY[4.1.MIME])", NULL},
        {"a FETCH 1 (BODY[4.2.HEADER.FIELDS.NOT (\"Subject\" x-a)])",
         "a FETCH 1 (BODY[4.2.HEADER.FIELDS.NOT (Subject x-a)])"},
        {"a FETCH 1 (BODY[HEADER.FIELDS ({4}\r\nDATE \"F:\")])", "a FETCH 1 (BODY[HEADER.FIELDS (DATE F:)])"},
        {"a FETCH 1 body.peek[]<0.2048>", "a FETCH 1 (BODY.PEEK[]<0.2048>)"},
        {"a FETCH 1 (BINARY[1]<5.10> BINARY.PEEK[2.1] BINARY.SIZE[3] BINARY[])", NULL},
        {"s100 UID FETCH 1:* (FLAGS) (CHANGEDSINCE 12345)", NULL},
        {"s100 UID FETCH 300:500 (FLAGS) (CHANGEDSINCE 12345 VANISHED)", NULL},
        {"101 UID FETCH 25900:26600 (UID FLAGS) (PARTIAL -1:-30)", NULL},
        {"101 UID FETCH 25900:26600 (UID FLAGS) (PARTIAL 30:1 CHANGEDSINCE 98305)",
         "101 UID FETCH 25900:26600 (UID FLAGS) (CHANGEDSINCE 98305 PARTIAL 1:30)"},
        {"a FETCH 1 (MODSEQ EMAILID THREADID PREVIEW SAVEDATE)", NULL},
        {"a FETCH 1 (RFC822.SIZE PREVIEW (LAZY))", NULL},
        {"a FETCH $ ENVELOPE", "a FETCH $ (ENVELOPE)"},
    };
    CHECK(rows);
}

static void reads_store(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"A003 STORE 2:4 +FLAGS (\\Deleted)", NULL},
        {"A STORE 1 FLAGS ()", NULL},
        {"A STORE 1 -flags.silent \\seen", "A STORE 1 -FLAGS.SILENT (\\Seen)"},
        {"A STORE 1 FLAGS \\Answered $forwarded own \\Recent Own own",
         "A STORE 1 FLAGS (\\Answered $Forwarded own Own)"},
        {"a103 UID STORE 6,4,8 (UNCHANGEDSINCE 12121230045) +FLAGS.SILENT (\\Deleted)",
         "a103 UID STORE 4,6,8 (UNCHANGEDSINCE 12121230045) +FLAGS.SILENT (\\Deleted)"},
        {"c UID STORE 100:* (UNCHANGEDSINCE 0) FLAGS ($Junk $NotJunk $MDNSent $Phishing)",
         "c UID STORE 100:* (UNCHANGEDSINCE 0) FLAGS ($MDNSent $Junk $NotJunk $Phishing)"},
    };
    CHECK(rows);
}

static void reads_searches(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"A282 SEARCH FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\"",
         "A282 SEARCH FLAGGED SINCE 1-Feb-1994 NOT FROM Smith"},
        {"A283 SEARCH TEXT \"string not in mailbox\"", NULL},
        {"A284 SEARCH CHARSET UTF-8 TEXT {6}\r\n\320\247\320\260\321\201", NULL},
        {"A284 SEARCH RETURN (MIN COUNT) FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\"",
         "A284 SEARCH RETURN (MIN COUNT) FLAGGED SINCE 1-Feb-1994 NOT FROM Smith"},
        {"A285 SEARCH RETURN () FLAGGED", "A285 SEARCH RETURN (ALL) FLAGGED"},
        {"A300 UID SEARCH RETURN (SAVE) SINCE 1-Jan-2004 NOT FROM Smith", NULL},
        {"C01 UID SEARCH RETURN (PARTIAL 23500:24000 MIN) UNDELETED KEYWORD $Junk",
         "C01 UID SEARCH RETURN (MIN PARTIAL 23500:24000) NOT DELETED KEYWORD $Junk"},
        {"C02 UID SEARCH RETURN (PARTIAL -1:-100) ALL", NULL},
        {"B SEARCH RETURN (UPDATE CONTEXT RELEVANCY) ALL", NULL},
        {"a00 SEARCH RETURN (COUNT UPDATE (UID BODY[HEADER.FIELDS (TO FROM SUBJECT)])) FROM \"boss\"",
         "a00 SEARCH RETURN (UPDATE (UID BODY[HEADER.FIELDS (TO FROM SUBJECT)]) COUNT) FROM boss"},
        {"a UID SEARCH RETURN (UPDATE(FLAGS) PARTIAL 1:5) ALL",
         "a UID SEARCH RETURN (UPDATE (FLAGS) PARTIAL 1:5) ALL"},
        {"a SEARCH OR SEEN OR ANSWERED OR DRAFT FLAGGED", NULL},
        {"a SEARCH OR OR OR SEEN ANSWERED DRAFT FLAGGED", "a SEARCH OR SEEN OR ANSWERED OR DRAFT FLAGGED"},
        {"a SEARCH OR OR SEEN ANSWERED OR DRAFT FLAGGED", "a SEARCH OR SEEN OR ANSWERED OR DRAFT FLAGGED"},
        {"a SEARCH OR (OR SEEN ANSWERED) NOT OR DRAFT FLAGGED", "a SEARCH OR (OR SEEN ANSWERED) NOT OR DRAFT FLAGGED"},
        {"a SEARCH NOT NOT SEEN", "a SEARCH SEEN"},
        {"a SEARCH NOT UNSEEN NOT (SEEN 1:3,* )", "a SEARCH SEEN NOT (SEEN 1:3,*)"},
        {"a SEARCH NEW OLD RECENT", "a SEARCH (RECENT NOT SEEN) NOT RECENT RECENT"},
        {"a SEARCH UNANSWERED UNFLAGGED UNDRAFT UNSEEN UNDELETED",
         "a SEARCH NOT ANSWERED NOT FLAGGED NOT DRAFT NOT SEEN NOT DELETED"},
        {"a SEARCH KEYWORD own UNKEYWORD own KEYWORD $mdnsent UNKEYWORD $Forwarded",
         "a SEARCH KEYWORD own NOT KEYWORD own KEYWORD $MDNSent NOT KEYWORD $Forwarded"},
        {"a SEARCH BCC a BODY b CC c HEADER X-A \"\" SUBJECT d TO e", NULL},
        {"a SEARCH BEFORE \"01-Jan-2020\" ON 2-Feb-2020 SENTBEFORE 3-mar-2020 SENTON 4-Apr-2020 SENTSINCE 5-May-2020",
         "a SEARCH BEFORE 1-Jan-2020 ON 2-Feb-2020 SENTBEFORE 3-Mar-2020 SENTON 4-Apr-2020 SENTSINCE 5-May-2020"},
        {"a SEARCH SAVEDBEFORE 1-Jan-2020 SAVEDON 1-Jan-2020 SAVEDSINCE 1-Jan-2020 SAVEDATESUPPORTED", NULL},
        {"a SEARCH LARGER 0 SMALLER 9223372036854775807 OLDER 1 YOUNGER 259200", NULL},
        {"a SEARCH MODSEQ \"/flags/\\\\draft\" all 620162338", "a SEARCH MODSEQ 620162338"},
        {"t SEARCH OR NOT MODSEQ 720162338 LARGER 50000", NULL},
        {"a SEARCH EMAILID M6d99ac3275bb4e THREADID T64b478a75b7ea9", NULL},
        {"C1 UID SEARCH FUZZY (SUBJECT balnce FROM \"Joe\")", "C1 UID SEARCH FUZZY (SUBJECT balnce FROM Joe)"},
        {"P283 SEARCH CHARSET UTF-8 (OR $ 1,3000:3021) TEXT \"x y\"", NULL},
        {"a UID SEARCH UID 5:3,4,9 1,2", "a UID SEARCH UID 3:5,9 1:2"},
    };
    CHECK(rows);
}

static void reads_sorts_and_threads(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"A282 SORT (SUBJECT) UTF-8 SINCE 1-Feb-1994", NULL},
        {"A283 SORT (SUBJECT REVERSE DATE) UTF-8 ALL", NULL},
        {"A SORT (ARRIVAL CC FROM SIZE TO DISPLAYFROM REVERSE DISPLAYTO RELEVANCY CC) US-ASCII ALL",
         "A SORT (ARRIVAL CC FROM SIZE TO DISPLAYFROM REVERSE DISPLAYTO RELEVANCY) US-ASCII ALL"},
        {"C01 SORT RETURN (COUNT) (SUBJECT REVERSE DATE) UTF-8 SINCE 1-Feb-1994", NULL},
        {"A283 THREAD ORDEREDSUBJECT UTF-8 SINCE 5-MAR-2000", "A283 THREAD ORDEREDSUBJECT UTF-8 SINCE 5-Mar-2000"},
        {"A284 UID THREAD references US-ASCII TEXT gewp", "A284 UID THREAD REFERENCES US-ASCII TEXT gewp"},
        {"A284 THREAD REFS US-ASCII ALL", "A284 THREAD OTHER US-ASCII ALL"},
        {"tag1 ESEARCH IN (mailboxes \"folder1\" subtree \"folder2\") unseen",
         "tag1 ESEARCH IN (mailboxes (folder1) subtree (folder2)) RETURN (ALL) NOT SEEN"},
        {"tag2 ESEARCH IN (mailboxes \"folder1\" subtree-one \"folder2\") RETURN (MIN MAX) subject \"chad\"",
         "tag2 ESEARCH IN (mailboxes (folder1) subtree-one (folder2)) RETURN (MIN MAX) SUBJECT chad"},
        {"tag3 ESEARCH IN (selected personal inboxes subscribed) RETURN (COUNT) CHARSET UTF-8 ALL", NULL},
        {"tag4 ESEARCH RETURN (COUNT) ALL", NULL},
        {"tag5 ESEARCH ALL", "tag5 ESEARCH RETURN (ALL) ALL"},
    };
    CHECK(rows);
}

static void reads_notify(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"a NOTIFY NONE", NULL},
        {"a notify set status (selected (MessageNew (uid body.peek[header.fields (from to subject)]) MessageExpunge))",
         "a NOTIFY SET STATUS (selected (MessageNew (UID BODY.PEEK[HEADER.FIELDS (from to subject)]) MessageExpunge))"},
        {"a NOTIFY SET (mailboxes INBOX (Messagenew messageExpunge FlagChange)) (subtree (Lists \"a b\") NONE)",
         "a NOTIFY SET (mailboxes (INBOX) (MessageNew MessageExpunge FlagChange)) (subtree (Lists \"a b\") NONE)"},
        {"a NOTIFY SET (selected-delayed (MessageNew MessageExpunge AnnotationChange)) (personal (MailboxName "
         "SubscriptionChange)) (inboxes (MailboxMetadataChange)) (subscribed (ServerMetadataChange Other))",
         NULL},
    };
    CHECK(rows);
}

static void reads_administration(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"A002 GETACL INBOX", NULL},
        {"A003 SETACL INBOX/Drafts Byron +lrswikda", "A003 SETACL INBOX/Drafts Byron \"+lrswikda\""},
        {"A003 SETACL INBOX/Drafts Byron \"-t\"", NULL},
        {"A035 SETACL INBOX/Drafts -John \"\"", NULL},
        {"B001 DELETEACL INBOX Fred", NULL},
        {"a001 LISTRIGHTS ~/Mail/saved smith", NULL},
        {"A003 MYRIGHTS INBOX", NULL},
        {"A003 GETQUOTA \"\"", NULL},
        {"A003 GETQUOTAROOT INBOX", NULL},
        {"A001 SETQUOTA \"\" (STORAGE 512 MESSAGE 9223372036854775807)", NULL},
        {"A001 SETQUOTA \"!partition/sda4\" ()", "A001 SETQUOTA !partition/sda4 ()"},
        {"a GETMETADATA \"\" /shared/comment", "a GETMETADATA (DEPTH 0) \"\" (/shared/comment)"},
        {"a GETMETADATA (DEPTH 1) \"INBOX\" (/private/filters/values)",
         "a GETMETADATA (DEPTH 1) INBOX (/private/filters/values)"},
        {"a GETMETADATA \"INBOX\" (DEPTH infinity MAXSIZE 1024) (/shared/comment \"/private/comment\")",
         "a GETMETADATA (MAXSIZE 1024 DEPTH infinity) INBOX (/shared/comment /private/comment)"},
        {"a SETMETADATA INBOX (/private/comment {33}\r\nMy new comment across\r\ntwo lines.)",
         "a SETMETADATA INBOX (\"/private/comment\" {33}\r\nMy new comment across\r\ntwo lines.)"},
        {"a SETMETADATA INBOX (/private/comment NIL /shared/x ~{3}\r\nabc)",
         "a SETMETADATA INBOX (\"/private/comment\" NIL \"/shared/x\" \"abc\")"},
    };
    CHECK(rows);
}

/* What is answered BAD: with the tag and the verb, where they can be read. */
static const struct {
    struct str command;
    struct str tag;
    enum imap_verb verb;
} wrong[] = {
    {S_INIT(""), {NULL, 0}, IMAP_UNKNOWN},
    {S_INIT(" "), {NULL, 0}, IMAP_UNKNOWN},
    {S_INIT("+ NOOP"), {NULL, 0}, IMAP_UNKNOWN},
    {S_INIT("a\"b NOOP"), {NULL, 0}, IMAP_UNKNOWN},
    {S_INIT("* NOOP"), {NULL, 0}, IMAP_UNKNOWN},
    {S_INIT("\303\244 NOOP"), {NULL, 0}, IMAP_UNKNOWN},
    {S_INIT("a"), S_INIT("a"), IMAP_UNKNOWN},
    {S_INIT("a "), S_INIT("a"), IMAP_UNKNOWN},
    {S_INIT("a ()"), S_INIT("a"), IMAP_UNKNOWN},
    {S_INIT("a XYZZY"), S_INIT("a"), IMAP_UNKNOWN},
    {S_INIT("a UID"), S_INIT("a"), IMAP_UNKNOWN},
    {S_INIT("a UID NOOP"), S_INIT("a"), IMAP_NOOP},
    {S_INIT("a NOOP x"), S_INIT("a"), IMAP_NOOP},
    {S_INIT("a NOOP\t"), S_INIT("a"), IMAP_NOOP},
    {S_INIT("a LOGIN a"), S_INIT("a"), IMAP_LOGIN},
    {S_INIT("a LOGIN a b c"), S_INIT("a"), IMAP_LOGIN},
    {S_INIT("a LOGIN \"a b"), S_INIT("a"), IMAP_LOGIN},
    {S_INIT("a LOGIN a \"\\x\""), S_INIT("a"), IMAP_LOGIN},
    {S_INIT("a LOGIN a \"\\"), S_INIT("a"), IMAP_LOGIN},
    {S_INIT("a LOGIN a \"b\0\""), S_INIT("a"), IMAP_LOGIN},
    {S_INIT("a LOGIN a \"b\r\nc\""), S_INIT("a"), IMAP_LOGIN},
    {S_INIT("a LOGIN {3}\r\na\0b c"), S_INIT("a"), IMAP_LOGIN},
    {S_INIT("a LOGIN ~{3}\r\nabc c"), S_INIT("a"), IMAP_LOGIN},
    {S_INIT("a LOGIN {4}\r\nabc"), S_INIT("a"), IMAP_LOGIN},
    {S_INIT("a LOGIN {18446744073709551616}\r\nabc"), S_INIT("a"), IMAP_LOGIN},
    {S_INIT("a LOGIN {x {3}\r\nabc c"), S_INIT("a"), IMAP_LOGIN},
    {S_INIT("a LOGIN {}\r\nabc c"), S_INIT("a"), IMAP_LOGIN},
    {S_INIT("a LOGIN {3}abc c"), S_INIT("a"), IMAP_LOGIN},
    {S_INIT("a SELECT"), S_INIT("a"), IMAP_SELECT},
    {S_INIT("a SELECT x ()"), S_INIT("a"), IMAP_SELECT},
    {S_INIT("a SELECT x (CONDSTOR)"), S_INIT("a"), IMAP_SELECT},
    {S_INIT("a SELECT x (QRESYNC (0 1))"), S_INIT("a"), IMAP_SELECT},
    {S_INIT("a SELECT x (QRESYNC (1 1 1:*))"), S_INIT("a"), IMAP_SELECT},
    {S_INIT("a SELECT x (QRESYNC (1 1 1:3 (1:3 1)))"), S_INIT("a"), IMAP_SELECT},
    {S_INIT("a SELECT x (QRESYNC (1 9223372036854775808))"), S_INIT("a"), IMAP_SELECT},
    {S_INIT("a SELECT x (QRESYNC (1 2) QRESYNC (1 2))"), S_INIT("a"), IMAP_SELECT},
    {S_INIT("a STATUS x ()"), S_INIT("a"), IMAP_STATUS},
    {S_INIT("a STATUS x (MESSAGE)"), S_INIT("a"), IMAP_STATUS},
    {S_INIT("a STATUS x (MESSAGES"), S_INIT("a"), IMAP_STATUS},
    {S_INIT("a LIST \"\""), S_INIT("a"), IMAP_LIST},
    {S_INIT("a LIST \"\" ()"), S_INIT("a"), IMAP_LIST},
    {S_INIT("a LIST (RECURSIVEMATCH) \"\" %"), S_INIT("a"), IMAP_LIST},
    {S_INIT("a LIST (RECURSIVEMATCH REMOTE) \"\" %"), S_INIT("a"), IMAP_LIST},
    {S_INIT("a LIST \"\" % RETURN (FOO)"), S_INIT("a"), IMAP_LIST},
    {S_INIT("a LIST \"\" % CHILDREN"), S_INIT("a"), IMAP_LIST},
    {S_INIT("a FETCH 0 FLAGS"), S_INIT("a"), IMAP_FETCH},
    {S_INIT("a FETCH 1:4294967296 FLAGS"), S_INIT("a"), IMAP_FETCH},
    {S_INIT("a FETCH 1,,2 FLAGS"), S_INIT("a"), IMAP_FETCH},
    {S_INIT("a FETCH 1: FLAGS"), S_INIT("a"), IMAP_FETCH},
    {S_INIT("a FETCH $,1 FLAGS"), S_INIT("a"), IMAP_FETCH},
    {S_INIT("a FETCH 1 ()"), S_INIT("a"), IMAP_FETCH},
    {S_INIT("a FETCH 1 (FLAGS"), S_INIT("a"), IMAP_FETCH},
    {S_INIT("a FETCH 1 FLAG"), S_INIT("a"), IMAP_FETCH},
    {S_INIT("a FETCH 1 BODY[MIME]"), S_INIT("a"), IMAP_FETCH},
    {S_INIT("a FETCH 1 BODY[1.]"), S_INIT("a"), IMAP_FETCH},
    {S_INIT("a FETCH 1 BODY[0]"), S_INIT("a"), IMAP_FETCH},
    {S_INIT("a FETCH 1 BODY[1..2]"), S_INIT("a"), IMAP_FETCH},
    {S_INIT("a FETCH 1 BODY[HEADER.FIELDS]"), S_INIT("a"), IMAP_FETCH},
    {S_INIT("a FETCH 1 BODY[HEADER.FIELDS ()]"), S_INIT("a"), IMAP_FETCH},
    {S_INIT("a FETCH 1 BODY[]<0.0>"), S_INIT("a"), IMAP_FETCH},
    {S_INIT("a FETCH 1 BODY[]<5>"), S_INIT("a"), IMAP_FETCH},
    {S_INIT("a FETCH 1 BODY.PEEK"), S_INIT("a"), IMAP_FETCH},
    {S_INIT("a FETCH 1 BINARY[TEXT]"), S_INIT("a"), IMAP_FETCH},
    {S_INIT("a FETCH 1 PREVIEW (EAGER)"), S_INIT("a"), IMAP_FETCH},
    {S_INIT("a FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)"), S_INIT("a"), IMAP_FETCH},
    {S_INIT("a UID FETCH 1 FLAGS (VANISHED)"), S_INIT("a"), IMAP_FETCH},
    {S_INIT("a UID FETCH 1 FLAGS (PARTIAL 0:1)"), S_INIT("a"), IMAP_FETCH},
    {S_INIT("a UID FETCH 1 FLAGS (PARTIAL -1:1)"), S_INIT("a"), IMAP_FETCH},
    {S_INIT("a STORE 1 FLAGS"), S_INIT("a"), IMAP_STORE},
    {S_INIT("a STORE 1 FLAGS (\\Foo)"), S_INIT("a"), IMAP_STORE},
    {S_INIT("a STORE 1 FLAGS (\\*)"), S_INIT("a"), IMAP_STORE},
    {S_INIT("a STORE 1 *FLAGS (\\Seen)"), S_INIT("a"), IMAP_STORE},
    {S_INIT("a STORE 1 (UNCHANGEDSINCE x) FLAGS (\\Seen)"), S_INIT("a"), IMAP_STORE},
    {S_INIT("a SEARCH"), S_INIT("a"), IMAP_SEARCH},
    {S_INIT("a SEARCH ()"), S_INIT("a"), IMAP_SEARCH},
    {S_INIT("a SEARCH (SEEN"), S_INIT("a"), IMAP_SEARCH},
    {S_INIT("a SEARCH OR SEEN"), S_INIT("a"), IMAP_SEARCH},
    {S_INIT("a SEARCH NOT"), S_INIT("a"), IMAP_SEARCH},
    {S_INIT("a SEARCH SINCE 30-Feb-2020"), S_INIT("a"), IMAP_SEARCH},
    {S_INIT("a SEARCH SINCE 1-Fxb-2020"), S_INIT("a"), IMAP_SEARCH},
    {S_INIT("a SEARCH SINCE 1-Feb-20"), S_INIT("a"), IMAP_SEARCH},
    {S_INIT("a SEARCH OLDER 0"), S_INIT("a"), IMAP_SEARCH},
    {S_INIT("a SEARCH RETURN (FOO) ALL"), S_INIT("a"), IMAP_SEARCH},
    {S_INIT("a SEARCH RETURN (UPDATE ()) ALL"), S_INIT("a"), IMAP_SEARCH},
    {S_INIT("a SEARCH RETURN (COUNT (UID)) ALL"), S_INIT("a"), IMAP_SEARCH},
    {S_INIT("a SEARCH RETURN (ALL PARTIAL 1:2) ALL"), S_INIT("a"), IMAP_SEARCH},
    {S_INIT("a SEARCH FROMX a"), S_INIT("a"), IMAP_SEARCH},
    {S_INIT("a SEARCH CHARSET UTF-8"), S_INIT("a"), IMAP_SEARCH},
    {S_INIT("a SORT () UTF-8 ALL"), S_INIT("a"), IMAP_SORT},
    {S_INIT("a SORT (SUBJECT) ALL"), S_INIT("a"), IMAP_SORT},
    {S_INIT("a SORT (REVERSE) UTF-8 ALL"), S_INIT("a"), IMAP_SORT},
    {S_INIT("a THREAD REFERENCES UTF-8"), S_INIT("a"), IMAP_THREAD},
    {S_INIT("a ESEARCH IN (selected-delayed) ALL"), S_INIT("a"), IMAP_ESEARCH},
    {S_INIT("a ESEARCH IN () ALL"), S_INIT("a"), IMAP_ESEARCH},
    {S_INIT("a NOTIFY SET"), S_INIT("a"), IMAP_NOTIFY},
    {S_INIT("a NOTIFY SET (selected MessageNew)"), S_INIT("a"), IMAP_NOTIFY},
    {S_INIT("a NOTIFY SET (selected (MessageNew))"), S_INIT("a"), IMAP_NOTIFY},
    {S_INIT("a NOTIFY SET (selected (FlagChange))"), S_INIT("a"), IMAP_NOTIFY},
    {S_INIT("a NOTIFY SET (selected (MailboxName))"), S_INIT("a"), IMAP_NOTIFY},
    {S_INIT("a NOTIFY SET (personal (MessageNew (UID) MessageExpunge))"), S_INIT("a"), IMAP_NOTIFY},
    {S_INIT("a NOTIFY SET (subtree-one x (MailboxName))"), S_INIT("a"), IMAP_NOTIFY},
    {S_INIT("a SETACL x y +L"), S_INIT("a"), IMAP_SETACL},
    {S_INIT("a SETACL x y"), S_INIT("a"), IMAP_SETACL},
    {S_INIT("a SETQUOTA x (STORAGE)"), S_INIT("a"), IMAP_SETQUOTA},
    {S_INIT("a SETQUOTA x (STORAGE 9223372036854775808)"), S_INIT("a"), IMAP_SETQUOTA},
    {S_INIT("a GETMETADATA x y"), S_INIT("a"), IMAP_GETMETADATA},
    {S_INIT("a GETMETADATA x /y*"), S_INIT("a"), IMAP_GETMETADATA},
    {S_INIT("a SETMETADATA x (y NIL)"), S_INIT("a"), IMAP_SETMETADATA},
    {S_INIT("a GETMETADATA x"), S_INIT("a"), IMAP_GETMETADATA},
    {S_INIT("a GETMETADATA (DEPTH 2) x /y"), S_INIT("a"), IMAP_GETMETADATA},
    {S_INIT("a SETMETADATA x (/y)"), S_INIT("a"), IMAP_SETMETADATA},
    {S_INIT("a ID (\"name\")"), S_INIT("a"), IMAP_ID},
    {S_INIT("a APPEND x (\\Seen)"), S_INIT("a"), IMAP_APPEND},
    {S_INIT("a REPLACE 1 x"), S_INIT("a"), IMAP_REPLACE},
};

static void refuses(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct buf b = BUF(1 << 20);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct imap_command c;
        if (parse(a, wrong[i].command, &c, &b) == 0)
            fail_msg("%.*s is taken as %.*s", STR_FMT(wrong[i].command), STR_FMT(buf_str(&b)));
        assert_str(c.tag, wrong[i].tag);
        assert_int_equal(c.verb, wrong[i].verb);
    }
    buf_free(&b);
    arena_free(a);
}

/* Cut anywhere, a command is an error or another command, and nothing is read behind its end. */
static void is_cut_anywhere(void **state)
{
    (void)state;
    static const char *const whole[] = {
        "a LOGIN {5}\r\nSMITH \"a\\\"b\"",
        "a SELECT INBOX (QRESYNC (67890007 90060115194045000 41:211,214:541 (1,3 2:3)))",
        "a LIST (SUBSCRIBED) \"\" (INBOX {3}\r\na%b) RETURN (STATUS (MESSAGES) METADATA (DEPTH 1) (/a /b))",
        "a UID FETCH 1:3 (FLAGS BODY.PEEK[1.2.HEADER.FIELDS (From {2}\r\nTo)]<0.5> PREVIEW (LAZY)) "
        "(CHANGEDSINCE 9 VANISHED)",
        "a STORE 1:* (UNCHANGEDSINCE 5) +FLAGS.SILENT (\\Seen $Junk own)",
        "a ESEARCH IN (mailboxes (a {1}\r\nb)) RETURN (PARTIAL -1:-5) CHARSET UTF-8 (OR NOT SINCE \"1-Jan-2020\" "
        "MODSEQ \"/flags/\\\\Draft\" all 5)",
        "a NOTIFY SET STATUS (selected (MessageNew (UID BODY[]) MessageExpunge)) (subtree (x y) NONE)",
        "a SETMETADATA \"\" (/shared/a ~{3}\r\na\r\n /shared/b NIL)",
    };
    struct arena *a = arena_new(NULL, 0);
    struct buf b = BUF(1 << 20);
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        for (size_t n = 0; n < strlen(whole[i]); n++) {
            struct imap_command c;
            parse(a, str_of(whole[i], n), &c, &b);
            arena_reset(a);
        }
    buf_free(&b);
    arena_free(a);
}

static void fill(struct buf *b, const char *head, const char *piece, size_t times, const char *tail)
{
    buf_clear(b);
    buf_add(b, str_c(head));
    for (size_t i = 0; i < times; i++) buf_add(b, str_c(piece));
    buf_add(b, str_c(tail));
}

/* By the million: taken or refused, in bounded memory. */
static void withstands(void **state)
{
    (void)state;
    static const struct {
        const char *head, *piece, *tail;
        size_t times;
        bool taken;
    } rows[] = {
        {"a SEARCH ", "(", "", 1000000, false},
        {"a SEARCH ", "NOT ", "ALL", 1000000, false},
        {"a SEARCH ", "FUZZY ", "ALL", 1000000, false},
        {"a SEARCH ", "OR ", "ALL", 1000000, false},
        {"a SEARCH ", "OR ALL ", "ALL", LIMIT_IMAP_KEYS - 2, true},
        {"a SEARCH ", "OR ALL ", "ALL", LIMIT_IMAP_KEYS - 1, false},
        {"a SEARCH ALL", " ALL", "", 1000000, false},
        {"a SEARCH ", "(", "ALL", LIMIT_IMAP_DEPTH - 1, false},
        {"a FETCH 1", ",1:*", " FLAGS", 1000000, true},
        {"a FETCH 1", ",1:2,3:4294967295,*", " FLAGS", 1000000, true},
        {"a FETCH 1", ",9,1,8", " FLAGS", 1000000, false},
        {"a FETCH 1", ",7,1", " FLAGS", LIMIT_IMAP_SET / 2 - 1, true},
        {"a FETCH 1 (", "FLAGS ", "FLAGS)", 1000000, false},
        {"a FETCH 1 BODY[", "1.", "1]", 1000000, false},
        {"a FETCH 1 BODY[HEADER.FIELDS (", "a ", "a)]", 1000000, false},
        {"a FETCH 1 (", "(", ")", 1000000, false},
        {"a STORE 1 FLAGS (", "\\Seen ", "a)", 1000000, true},
        {"a LIST \"\" (", "% ", "%)", 1000000, false},
        {"a LIST \"\" ", "*", "", 1000000, true},
        {"a NOTIFY SET", " (personal NONE)", "", 1000000, false},
        {"a ID (", "\"a\" NIL ", "\"a\" NIL)", 100000, false},
        {"a LOGIN \"", "\\\"", "\" x", 1000000, true},
        {"a LOGIN", " ", "a b", 1000000, true},
        {"a LOGIN {0}\r\n", " {0}\r\n", "", 100000, false},
    };
    struct buf text = BUF(32 << 20);
    struct arena *a = arena_new(NULL, 16 << 20);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct imap_command c;
        fill(&text, rows[i].head, rows[i].piece, rows[i].times, rows[i].tail);
        assert_int_equal(text.failed, 0);
        int e = imap_parse(a, buf_str(&text), &c);
        if ((e == 0) != rows[i].taken) fail_msg("%s%s...: %s", rows[i].head, rows[i].piece, e ? c.error : "taken");
        arena_reset(a);
    }
    fill(&text, "a SEARCH ", "(", LIMIT_IMAP_DEPTH - 1, "ALL");
    for (size_t i = 0; i < LIMIT_IMAP_DEPTH - 1; i++) buf_char(&text, ')');
    struct imap_command c;
    assert_int_equal(imap_parse(a, buf_str(&text), &c), 0);
    buf_clear(&text);
    buf_lit(&text, "a STORE 1 FLAGS (");
    for (int i = 0; i < 10000; i++) buf_printf(&text, "keyword%d ", i);
    buf_lit(&text, "x)");
    assert_int_equal(imap_parse(a, buf_str(&text), &c), 0);
    assert_true(c.store.flags.too_many && c.store.flags.keywords.n == LIMIT_IMAP_KEYWORDS);
    buf_free(&text);
    arena_free(a);
}

static void names_verbs(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    for (enum imap_verb v = IMAP_APPEND; v < IMAP_VERBS; v++) {
        struct imap_command c;
        imap_parse(a, arena_printf(a, "a %.*s", STR_FMT(imap_verb_name(v))), &c);
        assert_int_equal(c.verb, v);
    }
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_simple_commands), cmocka_unit_test(reads_select),
        cmocka_unit_test(reads_lists),           cmocka_unit_test(reads_fetch),
        cmocka_unit_test(reads_store),           cmocka_unit_test(reads_searches),
        cmocka_unit_test(reads_sorts_and_threads), cmocka_unit_test(reads_notify),
        cmocka_unit_test(reads_administration),  cmocka_unit_test(refuses),
        cmocka_unit_test(is_cut_anywhere),       cmocka_unit_test(withstands),
        cmocka_unit_test(names_verbs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
