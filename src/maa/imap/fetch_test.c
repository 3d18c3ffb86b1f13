/* FETCH (RFC 9051 §6.4.5) as a client sees it, over a real store: attributes, sections, partial ones, decoded ones,
 * \Seen, the modifiers of the extensions. What each section of many letters holds is in fetch_sections_test.c. */
#include "maa/imap/testing.h"

#include "proto/mime/decode.h"

static FIBER struct imap_client *select_inbox(struct imap_test *t)
{
    struct imap_client *c = imap_login(t, "bob");
    imap_ask(c, "select inbox");
    return c;
}

/* ---- attributes ---- */

static const struct str plain = S_INIT("From: Ann <ann@example.net>\r\nTo: bob@example.org\r\nSubject: one\r\n"
                                       "Date: Sat, 28 Nov 2026 20:00:00 +0000\r\nMessage-ID: <1@example.net>\r\n\r\n"
                                       "Hello, Bob.\r\n");
#define PLAIN_ENVELOPE                                                                                              \
    "ENVELOPE (\"Sat, 28 Nov 2026 20:00:00 +0000\" \"one\" ((\"Ann\" NIL \"ann\" \"example.net\")) "               \
    "((\"Ann\" NIL \"ann\" \"example.net\")) ((\"Ann\" NIL \"ann\" \"example.net\")) "                             \
    "((NIL NIL \"bob\" \"example.org\")) NIL NIL NIL \"<1@example.net>\")"
#define PLAIN_BODY "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 13 1"

static FIBER void attributes(struct imap_test *t)
{
    imap_letter_in(t, t->bob, 0, plain, 0);
    imap_letter_in(t, t->bob, 0, plain, FLAG_SEEN | FLAG_JUNK);
    struct imap_client *c = select_inbox(t);
    imap_answers(c, "fetch 1:* (uid flags rfc822.size)",
                 "* 1 FETCH (UID 1 FLAGS (\\Recent) RFC822.SIZE 147)\r\n"
                 "* 2 FETCH (UID 2 FLAGS (\\Recent \\Seen $Junk) RFC822.SIZE 147)\r\n");
    imap_answers(c, "uid fetch 2,1 flags",
                 "* 1 FETCH (UID 1 FLAGS (\\Recent))\r\n"
                 "* 2 FETCH (UID 2 FLAGS (\\Recent \\Seen $Junk))\r\n");
    imap_answers(c, "uid fetch 17 flags", "");
    imap_answers(c, "fetch * envelope", "* 2 FETCH (" PLAIN_ENVELOPE ")\r\n");
    imap_answers(c, "fetch 1 (body bodystructure)",
                 "* 1 FETCH (BODY " PLAIN_BODY ") BODYSTRUCTURE " PLAIN_BODY " NIL NIL NIL NIL))\r\n");
    imap_answers(c, "fetch 1 preview", "* 1 FETCH (PREVIEW \"Hello, Bob.\")\r\n");
    imap_answers(c, "fetch 1 (preview (lazy) uid)", "* 1 FETCH (PREVIEW \"Hello, Bob.\" UID 1)\r\n");
    imap_ask(c, "fetch 1 full");
    imap_heard(c, "* 1 FETCH (FLAGS (\\Recent) INTERNALDATE \"* +0000\" RFC822.SIZE 147 ENVELOPE (*) BODY (*))");
    imap_ask(c, "fetch 1 (fast)");
    imap_heard(c, "* 1 FETCH (FLAGS (\\Recent) INTERNALDATE \"*\" RFC822.SIZE 147)");
    imap_ask(c, "fetch 1 (emailid threadid savedate modseq)");
    imap_heard(c, "* 1 FETCH (EMAILID (M*) THREADID (T*) SAVEDATE \"* +0000\" MODSEQ (*))");
    imap_ask_for(c, "fetch 3 flags", "BAD *");
    imap_ask_for(c, "fetch 1 colour", "BAD *");
    imap_bye(c);
}

/* ---- sections ---- */

static const struct str nested = S_INIT("Subject: outer\r\nX-A: 1\r\n b\r\nMIME-Version: 1.0\r\n"
                                        "Content-Type: multipart/mixed; boundary=x\r\n\r\npreamble\r\n"
                                        "--x\r\nContent-Type: text/plain\r\n\r\nfirst\r\n"
                                        "--x\r\nContent-Type: message/rfc822\r\n\r\n"
                                        "Subject: inner\r\nTo: c@d\r\n\r\nsecond\r\n\r\n"
                                        "--x\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\nAw==\r\n"
                                        "--x--\r\n");

static FIBER void sections(struct imap_test *t)
{
    imap_letter_in(t, t->bob, 0, nested, FLAG_SEEN);
    struct imap_client *c = select_inbox(t);
    imap_answers(c, "fetch 1 body[header]",
                 "* 1 FETCH (BODY[HEADER] {92}\r\nSubject: outer\r\nX-A: 1\r\n b\r\n"
                 "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n)\r\n");
    imap_answers(c, "fetch 1 rfc822.header",
                 "* 1 FETCH (RFC822.HEADER {92}\r\nSubject: outer\r\nX-A: 1\r\n b\r\n"
                 "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n)\r\n");
    imap_answers(c, "fetch 1 body[header.fields (x-a X-B)]",
                 "* 1 FETCH (BODY[HEADER.FIELDS (x-a X-B)] {14}\r\nX-A: 1\r\n b\r\n\r\n)\r\n");
    imap_answers(
        c, "fetch 1 body[header.fields.not (x-a content-type mime-version)]",
        "* 1 FETCH (BODY[HEADER.FIELDS.NOT (x-a content-type mime-version)] {18}\r\nSubject: outer\r\n\r\n)\r\n");
    imap_answers(c, "fetch 1 (body.peek[1] body[1.mime] body[2.header] body[2.text] body[2.1] body[2.1.mime])",
                 "* 1 FETCH (BODY[1] {5}\r\nfirst BODY[1.MIME] {28}\r\nContent-Type: text/plain\r\n\r\n"
                 " BODY[2.HEADER] {27}\r\nSubject: inner\r\nTo: c@d\r\n\r\n BODY[2.TEXT] {8}\r\nsecond\r\n"
                 " BODY[2.1] {8}\r\nsecond\r\n BODY[2.1.MIME] {27}\r\nSubject: inner\r\nTo: c@d\r\n\r\n)\r\n");
    imap_answers(c, "fetch 1 body[2.header.fields (to)]",
                 "* 1 FETCH (BODY[2.HEADER.FIELDS (to)] {11}\r\nTo: c@d\r\n\r\n)\r\n");
    imap_answers(c, "fetch 1 (body[4] body[1.1] body[1.header] body[2.2])",
                 "* 1 FETCH (BODY[4] NIL BODY[1.1] NIL BODY[1.HEADER] NIL BODY[2.2] NIL)\r\n");
    imap_answers(c, "fetch 1 (body[1]<1.3> body[1]<5.1> body[1]<9.1> body[1]<3.4000000000>)",
                 "* 1 FETCH (BODY[1]<1> {3}\r\nirs BODY[1]<5> {0}\r\n BODY[1]<9> {0}\r\n BODY[1]<3> {2}\r\nst)\r\n");
    imap_answers(c, "fetch 1 body[header.fields (subject)]<3.8>",
                 "* 1 FETCH (BODY[HEADER.FIELDS (subject)]<3> {8}\r\nject: ou)\r\n");
    imap_bye(c);
}

static FIBER void whole_letters(struct imap_test *t)
{
    imap_letter_in(t, t->bob, 0, plain, FLAG_SEEN);
    imap_letter_in(t, t->bob, 0, S("no header, no end"), FLAG_SEEN);
    imap_letter_in(t, t->bob, 0, S("A: b\r\n"), FLAG_SEEN);
    imap_letter_in(t, t->bob, 0, S("A: b\r\n\r\na\0b\r\n"), FLAG_SEEN);
    struct imap_client *c = select_inbox(t);
    imap_ask(c, "fetch 1 body[]");
    assert_str(c->said, arena_printf(c->arena, "* 1 FETCH (BODY[] {%zu}\r\n%.*s)\r\n", plain.n, STR_FMT(plain)));
    imap_ask(c, "fetch 1 rfc822");
    assert_str(c->said, arena_printf(c->arena, "* 1 FETCH (RFC822 {%zu}\r\n%.*s)\r\n", plain.n, STR_FMT(plain)));
    imap_answers(c, "fetch 1 (rfc822.text body[text] body[1])",
                 "* 1 FETCH (RFC822.TEXT {13}\r\nHello, Bob.\r\n BODY[TEXT] {13}\r\nHello, Bob.\r\n"
                 " BODY[1] {13}\r\nHello, Bob.\r\n)\r\n");
    imap_answers(c, "fetch 2 (body[header] body[text])",
                 "* 2 FETCH (BODY[HEADER] {0}\r\n BODY[TEXT] {17}\r\nno header, no end)\r\n");
    imap_answers(
        c, "fetch 3 (body[header] body[text] body[header.fields (a)])",
        "* 3 FETCH (BODY[HEADER] {6}\r\nA: b\r\n BODY[TEXT] {0}\r\n BODY[HEADER.FIELDS (a)] {8}\r\nA: b\r\n\r\n)\r\n");
    imap_answers(c, "fetch 4 body[text]",
                 "* 4 FETCH (BODY[TEXT] {5}\r\na\x80"
                 "b\r\n)\r\n"); /* CHAR8 has no NUL */
    imap_bye(c);
}

/* ---- RFC 3516 ---- */

static FIBER void decoded(struct imap_test *t)
{
    imap_letter_in(t, t->bob, 0, nested, FLAG_SEEN);
    imap_letter_in(t, t->bob, 0, S("Content-Transfer-Encoding: quoted-printable\r\n\r\nc=61f=C3=A9=\r\n.\r\n"),
                   FLAG_SEEN);
    imap_letter_in(t, t->bob, 0, S("Content-Transfer-Encoding: x-none\r\n\r\nabc\r\n"), FLAG_SEEN);
    struct imap_client *c = select_inbox(t);
    imap_ask(c, "fetch 1 binary[3]");
    assert_str(c->said, S("* 1 FETCH (BINARY[3] ~{4}\r\n\0\1\2\3)\r\n"));
    imap_ask(c, "fetch 1 binary[3]<1.2>");
    assert_str(c->said, S("* 1 FETCH (BINARY[3]<1> {2}\r\n\1\2)\r\n"));
    imap_answers(
        c, "fetch 1 (binary.size[3] binary.size[1] binary.size[9] binary[9] binary[1])",
        "* 1 FETCH (BINARY.SIZE[3] 4 BINARY.SIZE[1] 5 BINARY.SIZE[9] 0 BINARY[9] NIL BINARY[1] {5}\r\nfirst)\r\n");
    imap_answers(c, "fetch 2 binary.peek[1]", "* 2 FETCH (BINARY[1] {8}\r\ncaf\xC3\xA9.\r\n)\r\n");
    imap_ask(c, "fetch 2 binary[]"); /* nothing to decode: all of it */
    imap_heard(c, "* 2 FETCH (BINARY[] {*}");
    imap_heard(c, "c=61f=C3=A9=");
    imap_ask_for(c, "fetch 1:3 (uid binary.peek[1])", "NO [UNKNOWN-CTE] *");
    imap_heard(c, "* 2 FETCH *");
    assert_false(imap_said(c, "* 3 FETCH *"));
    imap_bye(c);
}

/* ---- \Seen ---- */

static FIBER void marks_seen(struct imap_test *t)
{
    for (int i = 0; i < 3; i++) imap_letter_in(t, t->bob, 0, plain, 0);
    struct imap_client *c = select_inbox(t);
    imap_answers(c, "fetch 1 (body.peek[text] rfc822.size)",
                 "* 1 FETCH (BODY[TEXT] {13}\r\nHello, Bob.\r\n RFC822.SIZE 147)\r\n");
    imap_answers(c, "fetch 1 body[text]", "* 1 FETCH (BODY[TEXT] {13}\r\nHello, Bob.\r\n FLAGS (\\Recent \\Seen))\r\n");
    imap_answers(c, "fetch 1 body[text]", "* 1 FETCH (BODY[TEXT] {13}\r\nHello, Bob.\r\n)\r\n");
    imap_answers(c, "fetch 1:2 (flags body[1]<0.1>)",
                 "* 1 FETCH (FLAGS (\\Recent \\Seen) BODY[1]<0> {1}\r\nH)\r\n"
                 "* 2 FETCH (FLAGS (\\Recent \\Seen) BODY[1]<0> {1}\r\nH)\r\n");
    imap_ask(c, "examine inbox");
    imap_answers(c, "fetch 3 body[1]<0.1>", "* 3 FETCH (BODY[1]<0> {1}\r\nH)\r\n");
    imap_ask(c, "select inbox");
    imap_answers(c, "fetch 3 flags", "* 3 FETCH (FLAGS ())\r\n");
    imap_ask(c, "enable condstore");
    imap_ask(c, "fetch 3 body[1]<0.1>");
    imap_heard(c, "* 3 FETCH (BODY[1]<0> {1}");
    imap_heard(c, "* 3 FETCH (UID 3 FLAGS (\\Seen) MODSEQ (*))");
    imap_bye(c);
}

/* ---- RFC 7162, RFC 9394, RFC 9586 ---- */

static FIBER void modifiers(struct imap_test *t)
{
    for (int i = 0; i < 10; i++) imap_letter_in(t, t->bob, 0, plain, 0);
    struct imap_client *c = select_inbox(t);
    imap_ask(c, "uid store 7 +flags.silent (\\deleted)");
    imap_ask(c, "uid expunge 7");
    imap_answers(c, "uid fetch 1:* (flags) (partial 2:3)",
                 "* 2 FETCH (UID 2 FLAGS (\\Recent))\r\n* 3 FETCH (UID 3 FLAGS (\\Recent))\r\n");
    imap_answers(c, "uid fetch 1:* (uid) (partial -1:-2)", "* 8 FETCH (UID 9)\r\n* 9 FETCH (UID 10)\r\n");
    imap_answers(c, "uid fetch 1:* (uid) (partial -8:-20)", "* 1 FETCH (UID 1)\r\n* 2 FETCH (UID 2)\r\n");
    imap_answers(c, "uid fetch 1:* (uid) (partial 10:20)", "");
    imap_answers(c, "uid fetch 1:* (uid) (partial -10:-20)", "");
    imap_ask(c, "enable qresync");
    imap_ask(c, "uid fetch 8 modseq");
    struct str before = str_skip(c->said, str_find(c->said, S("MODSEQ (")) + 8), rest;
    str_cut(before, ')', &before, &rest);
    imap_ask(c, "uid store 2 +flags.silent (\\flagged)");
    imap_heard(c, "* 2 FETCH (UID 2 MODSEQ (*))");
    imap_ask(c, arena_cstr(c->arena, arena_printf(c->arena, "uid fetch 1:7 (flags) (changedsince %.*s vanished)",
                                                  STR_FMT(before))));
    imap_heard(c, "* VANISHED (EARLIER) 7");
    imap_heard(c, "* 2 FETCH (UID 2 FLAGS (\\Recent \\Flagged) MODSEQ (*))");
    assert_false(imap_said(c, "* 1 FETCH*"));
    imap_ask(c, "enable uidonly");
    imap_ask_for(c, "fetch 1 flags", "BAD [UIDREQUIRED] *");
    imap_ask(c, "uid fetch 2 (flags)");
    imap_heard(c, "* 2 UIDFETCH (FLAGS (\\Recent \\Flagged))");
    imap_bye(c);
}

/* ---- many, and large ones ---- */

static FIBER void many(struct imap_test *t)
{
    enum { LETTERS = 1300 };
    for (int i = 0; i < LETTERS; i++) {
        struct arena *a = arena_new(NULL, 0);
        imap_letter_in(t, t->bob, 0, arena_printf(a, "Subject: letter %d\r\n\r\nbody %d\r\n", i, i), FLAG_SEEN);
        arena_free(a);
    }
    struct imap_client *c = select_inbox(t);
    imap_ask(c, "fetch 1:* (uid body.peek[])");
    struct str rest = c->said, line;
    for (int i = 0; i < LETTERS; i++) {
        struct str lines[5];
        for (int k = 0; k < 5; k++) {
            str_cut(rest, '\n', &line, &rest);
            lines[k] = line;
        }
        assert_true(str_starts(lines[0], arena_printf(c->arena, "* %d FETCH (UID %d BODY[] {", i + 1, i + 1)));
        assert_str(lines[1], arena_printf(c->arena, "Subject: letter %d\r", i));
        assert_str(lines[3], arena_printf(c->arena, "body %d\r", i));
        assert_str(lines[4], S(")\r"));
    }
    assert_int_equal(rest.n, 0);
    imap_bye(c);
}

static FIBER void large(struct imap_test *t)
{
    enum { LINES = 60000 }; /* over 3 MB: it is sent block by block */
    struct arena *a = arena_new(NULL, 0);
    struct buf *b = buf_in(a, 8 << 20);
    buf_lit(b, "Subject: large\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
               "--b\r\nContent-Transfer-Encoding: base64\r\n\r\n");
    size_t head = b->n;
    for (int i = 0; i < LINES; i++) buf_printf(b, "QUJD%05dREVGAAAAQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJD\r\n", i);
    size_t end = b->n;
    buf_lit(b, "\r\n--b--\r\n");
    imap_letter_in(t, t->bob, 0, buf_str(b), FLAG_SEEN);
    imap_letter_in(t, t->bob, 0, plain, FLAG_SEEN);
    struct imap_client *c = select_inbox(t);
    imap_ask(c, "fetch 1:2 body[]");
    struct str first = str_skip(c->said, str_find_char(c->said, '\n') + 1);
    assert_true(str_starts(first, buf_str(b)));
    assert_true(str_starts(str_skip(first, b->n), S(")\r\n* 2 FETCH (BODY[] {147}\r\n")));
    imap_ask(c, "fetch 1 body[1]<1000000.2000000>");
    first = str_skip(c->said, str_find_char(c->said, '\n') + 1);
    assert_true(str_starts(first, str_sub(buf_str(b), head + 1000000, head + 3000000)));
    assert_str(str_skip(first, 2000000), S(")\r\n"));
    struct buf *raw = buf_in(a, 8 << 20);
    assert_int_equal(mime_decode(MIME_BASE64, str_sub(buf_str(b), head, end), raw), 0);
    imap_ask(c, "fetch 1 (binary.size[1] binary.peek[1]<5.1000000>)");
    assert_true(
        str_starts(c->said, arena_printf(a, "* 1 FETCH (BINARY.SIZE[1] %zu BINARY[1]<5> ~{1000000}\r\n", raw->n)));
    first = str_skip(c->said, str_find_char(c->said, '\n') + 1);
    assert_true(str_starts(first, str_sub(buf_str(raw), 5, 1000005)));
    imap_ask(c, "fetch 1 body[header.fields (subject)]");
    assert_str(c->said, S("* 1 FETCH (BODY[HEADER.FIELDS (subject)] {18}\r\nSubject: large\r\n\r\n)\r\n"));
    arena_free(a);
    imap_bye(c);
}

/* A client that does not read: what is on its way stays little, and the deadline ends it. */
static FIBER void silent_client(struct imap_test *t)
{
    enum { LETTERS = 60, SIZE = 200000 };
    struct arena *a = arena_new(NULL, 0);
    char *body = arena_alloc(a, SIZE);
    memset(body, 'x', SIZE);
    for (int i = 0; i < LETTERS; i++) imap_letter_in(t, t->bob, 0, str_of(body, SIZE), FLAG_SEEN);
    struct imap_client *c = select_inbox(t);
    imap_say(c, "x fetch 1:* body[]");
    fiber_sleep(HOURS(1));
    size_t heard = 0;
    struct str bytes;
    for (stream_deadline(c->stream, FOREVER); stream_peek(c->stream, &bytes) == 0; stream_take(c->stream, bytes.n))
        heard += bytes.n;
    assert_true(heard < LETTERS * SIZE / 2);
    imap_bye(c);
    arena_free(a);
}

/* ---- letters that cannot be had ---- */

static FIBER void gone_meanwhile(struct imap_test *t) /* RFC 2180 §4.1 */
{
    for (int i = 0; i < 3; i++) imap_letter_in(t, t->bob, 0, plain, FLAG_SEEN);
    struct imap_client *c = select_inbox(t);
    struct uid_set second = {&(struct uid_range){2, 2}, 1, 1}, gone = {0};
    struct error e = {0};
    ok(store_expunge_set(t->t.store, t->t.arena, t->bob, t->t.inbox, &second, false, &gone, &e), &e);
    ok(store_collect(t->t.store, &e), &e);
    imap_ask_for(c, "fetch 1:* (uid body[text])", "NO [EXPUNGEISSUED] *");
    imap_heard(c, "* 1 FETCH (UID 1 *");
    imap_heard(c, "* 3 FETCH (UID 3 *");
    assert_false(imap_said(c, "* 2 FETCH*"));
    imap_ask_for(c, "fetch 1:* (uid rfc822.size)", "NO [EXPUNGEISSUED] *");
    assert_str(c->said, S("* 1 FETCH (UID 1 RFC822.SIZE 147)\r\n* 3 FETCH (UID 3 RFC822.SIZE 147)\r\n"));
    imap_ask(c, "noop");
    imap_heard(c, "* 2 EXPUNGE");
    imap_ask(c, "fetch 1:* (uid body[text])");
    imap_bye(c);
}

static void spoil(void *arg) /* a byte of every body in the pack */
{
    struct imap_test *t = arg;
    struct error e = {0};
    struct arena *a = arena_new(NULL, 0);
    struct str *names;
    size_t n;
    ok(folder_list(t->t.world, a, "/data/packs", &names, &n, &e), &e);
    for (size_t i = 0; i < n; i++) {
        struct file *f;
        if (!str_ends(names[i], S(".pack"))) continue;
        char *path = arena_cstr(a, arena_printf(a, "/data/packs/%.*s", STR_FMT(names[i])));
        ok(file_open(t->t.world, path, FILE_WRITE, &f, &e), &e);
        size_t size = (size_t)file_size(f);
        char *bytes = arena_alloc(a, size);
        assert_int_equal(file_read(f, bytes, size, 0, &e), size);
        size_t at = str_find(str_of(bytes, size), S("spoil me"));
        if (at < size) ok(file_write(f, "x", 1, (int64_t)at, &e), &e);
        file_close(f);
    }
    arena_free(a);
}

static FIBER void damaged(struct imap_test *t)
{
    imap_letter_in(t, t->bob, 0, plain, FLAG_SEEN);
    imap_letter_in(t, t->bob, 0, S("Subject: x\r\n\r\nspoil me\r\n"), 0);
    imap_letter_in(t, t->bob, 0, plain, FLAG_SEEN);
    offload(spoil, t);
    struct imap_client *c = select_inbox(t);
    imap_ask_for(c, "fetch 1:* (uid body[text])", "NO [SERVERBUG] *");
    imap_heard(c, "* 1 FETCH (UID 1 *");
    imap_heard(c, "* 3 FETCH (UID 3 *");
    assert_false(imap_said(c, "* 2 FETCH (UID*"));
    imap_ask(c, "fetch 2 (flags envelope)"); /* it was not shown, so it is not \Seen */
    imap_heard(c, "* 2 FETCH (FLAGS (\\Recent) ENVELOPE (NIL \"x\" *");
    imap_bye(c);
}

static void tear(void *arg) /* what stands before "tear me" in a pack: the head of its record */
{
    struct imap_test *t = arg;
    struct error e = {0};
    struct arena *a = arena_new(NULL, 0);
    struct str *names;
    size_t n;
    ok(folder_list(t->t.world, a, "/data/packs", &names, &n, &e), &e);
    for (size_t i = 0; i < n; i++) {
        struct file *f;
        static const char nothing[300];
        char *path = arena_cstr(a, arena_printf(a, "/data/packs/%.*s", STR_FMT(names[i])));
        if (!str_ends(names[i], S(".pack"))) continue;
        ok(file_open(t->t.world, path, FILE_WRITE, &f, &e), &e);
        size_t size = (size_t)file_size(f);
        char *bytes = arena_alloc(a, size);
        assert_int_equal(file_read(f, bytes, size, 0, &e), size);
        size_t at = str_find(str_of(bytes, size), S("tear me")), from = at > sizeof nothing ? at - sizeof nothing : 0;
        if (at < size) ok(file_write(f, nothing, at - from, (int64_t)from, &e), &e);
        file_close(f);
    }
    arena_free(a);
}

/* NOTIFY fetches new letters unasked (RFC 5465 §5.2), here between a command's responses and its end: one whose bytes
 * were promised and cannot be had is the end, not an answer with a hole. */
static FIBER void torn(struct imap_test *t)
{
    enum { LETTERS = 60, SIZE = 200000 };
    struct arena *a = arena_new(NULL, 0);
    char *body = arena_alloc(a, 2 * SIZE);
    memset(body, 'x', 2 * SIZE);
    for (int i = 0; i < LETTERS; i++) imap_letter_in(t, t->bob, 0, str_of(body, SIZE), FLAG_SEEN);
    struct imap_client *c = select_inbox(t);
    imap_ask(c, "notify set (selected-delayed (MessageNew (body.peek[]) MessageExpunge))");
    imap_say(c, "f fetch 1:* body.peek[]"); /* and does not read what comes */
    fiber_sleep(SECONDS(1));
    memcpy(body, "tear me: x\r\n\r\n", 15);
    imap_letter_in(t, t->bob, 0, str_of(body, 2 * SIZE), FLAG_SEEN);
    offload(tear, t);
    struct buf *all = buf_in(a, 64 << 20);
    struct str bytes;
    for (stream_deadline(c->stream, FOREVER); stream_peek(c->stream, &bytes) == 0; stream_take(c->stream, bytes.n))
        buf_add(all, bytes);
    assert_true(str_find(buf_str(all), S("* 61 EXISTS")) < all->n);
    assert_true(str_find(buf_str(all), S("f OK")) == all->n);
    imap_bye(c);
    arena_free(a);
}

#define TEST(name)                            \
    static void test_##name(void **state)     \
    {                                         \
        (void)state;                          \
        imap_twice(name);                     \
    }
TEST(attributes)
TEST(sections)
TEST(whole_letters)
TEST(decoded)
TEST(marks_seen)
TEST(modifiers)
TEST(many)
TEST(large)
TEST(silent_client)
TEST(gone_meanwhile)
TEST(damaged)
TEST(torn)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attributes), cmocka_unit_test(test_sections),  cmocka_unit_test(test_whole_letters),
        cmocka_unit_test(test_decoded),    cmocka_unit_test(test_marks_seen), cmocka_unit_test(test_modifiers),
        cmocka_unit_test(test_many),           cmocka_unit_test(test_large),      cmocka_unit_test(test_silent_client),
        cmocka_unit_test(test_gone_meanwhile), cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_torn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
