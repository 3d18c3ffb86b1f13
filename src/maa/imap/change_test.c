/* STORE, COPY, MOVE, EXPUNGE, APPEND and REPLACE (RFC 9051 §6.3.12, §6.4.3, §6.4.6 - §6.4.9, RFC 7162, RFC 3502, RFC
 * 8508) as clients see them, over a real store. */
#include "maa/imap/testing.h"

static FIBER void letters(struct imap_test *t, int n)
{
    for (int i = 0; i < n; i++) imap_letter_in(t, t->bob, 0, S("Subject: x\r\n\r\nbody\r\n"), 0);
}

static struct str number_in(struct str text, struct str before)
{
    struct str rest = str_skip(text, str_find(text, before) + before.n);
    size_t n = 0;
    while (n < rest.n && ch_digit(rest.p[n])) n++;
    return str_head(rest, n);
}

/* ---- STORE ---- */

static FIBER void storing(struct imap_test *t)
{
    letters(t, 4);
    struct imap_client *c = imap_in_inbox(t);
    imap_answers(c, "store 1,3 +flags (\\seen $junk)",
                 "* 1 FETCH (UID 1 FLAGS (\\Seen $Junk))\r\n* 3 FETCH (UID 3 FLAGS (\\Seen $Junk))\r\n");
    imap_answers(c, "uid store 1:2 flags \\answered",
                 "* 1 FETCH (UID 1 FLAGS (\\Answered))\r\n* 2 FETCH (UID 2 FLAGS (\\Answered))\r\n");
    imap_answers(c, "store 3 -flags ($junk)", "* 3 FETCH (UID 3 FLAGS (\\Seen))\r\n");
    imap_answers(c, "store 1:* +flags.silent (\\flagged)", "");
    imap_answers(c, "fetch 2:3 flags",
                 "* 2 FETCH (FLAGS (\\Answered \\Flagged))\r\n* 3 FETCH (FLAGS (\\Seen \\Flagged))\r\n");
    imap_ask(c, "store 4 flags (Own other)");
    imap_heard(c, "* 4 FETCH (UID 4 FLAGS (Own other))");
    imap_heard(c, "* OK [PERMANENTFLAGS (*Own other*] *");
    imap_answers(c, "store 4 -flags.silent (oWN)", "");
    imap_answers(c, "fetch 4 flags", "* 4 FETCH (FLAGS (other))\r\n");
    imap_answers(c, "store 4 flags ()", "* 4 FETCH (UID 4 FLAGS ())\r\n");
    imap_answers(c, "uid store 99 +flags (\\seen)", "");
    /* what was so already is told all the same: RFC 9051 §6.4.6 */
    imap_answers(c, "store 1:2,4 +flags (\\flagged)",
                 "* 4 FETCH (UID 4 FLAGS (\\Flagged))\r\n"
                 "* 1 FETCH (UID 1 FLAGS (\\Answered \\Flagged))\r\n"
                 "* 2 FETCH (UID 2 FLAGS (\\Answered \\Flagged))\r\n");
    imap_ask_for(c, "store 5 +flags (\\seen)", "BAD *");
    imap_ask_for(c, "store 1 +flags (\\strange)", "BAD *");
    imap_ask(c, "store 2 +flags (Own other)");
    for (int i = 0; i < 24; i++) {
        struct str command = arena_printf(c->arena, "store 1 +flags.silent (k%d)", i);
        imap_ask_for(c, arena_cstr(c->arena, command), i < 20 ? "OK *" : "NO [LIMIT] *");
        if (i == 18) imap_heard(c, "* OK [PERMANENTFLAGS (*k18 \\*)] *");
        if (i == 19) imap_heard(c, "* OK [PERMANENTFLAGS (*k19)] *"); /* RFC 9051 §7.1 */
    }
    imap_ask(c, "examine inbox");
    imap_ask_for(c, "store 1 +flags (\\seen)", "NO [READ-ONLY] *");
    imap_bye(c);
}

/* Silence is about one's own change alone. */
static FIBER void silence(struct imap_test *t)
{
    letters(t, 2);
    struct imap_client *c = imap_in_inbox(t), *d = imap_in_inbox(t);
    imap_ask(c, "store 1 +flags (\\flagged)");
    imap_answers(d, "store 1:2 +flags.silent (\\seen)", "* 1 FETCH (UID 1 FLAGS (\\Seen \\Flagged))\r\n");
    imap_bye(c);
    imap_bye(d);
}

static FIBER void conditional(struct imap_test *t) /* RFC 7162 §3.1.3 */
{
    letters(t, 3);
    struct imap_client *c = imap_in_inbox(t);
    imap_ask(c, "fetch 3 modseq");
    struct str known = number_in(c->said, S("MODSEQ ("));
    imap_ask(c, "store 2 +flags (\\seen)");
    imap_heard(c, "* 2 FETCH (UID 2 FLAGS (\\Seen) MODSEQ (*))");
    struct str store =
        arena_printf(c->arena, "store 1:3 (unchangedsince %.*s) +flags.silent (\\deleted)", STR_FMT(known));
    imap_ask_for(c, arena_cstr(c->arena, store), "OK [MODIFIED 2] *");
    imap_heard(c, "* 1 FETCH (UID 1 MODSEQ (*))");
    imap_heard(c, "* 3 FETCH (UID 3 MODSEQ (*))");
    imap_heard(c, "* 2 FETCH (UID 2 FLAGS (\\Seen) MODSEQ (*))"); /* why it was left alone */
    /* nothing to change is no reason to be silent: §3.1.3 */
    imap_ask(c, "store 2 (unchangedsince 1000000) +flags.silent (\\seen)");
    imap_heard(c, "* 2 FETCH (UID 2 FLAGS (\\Seen) MODSEQ (*))");
    store = arena_printf(c->arena, "uid store 1:3 (unchangedsince %.*s) +flags (\\flagged)", STR_FMT(known));
    imap_ask_for(c, arena_cstr(c->arena, store), "OK [MODIFIED 1:3] *");
    imap_ask_for(c, "store 2 (unchangedsince 0) +flags (\\flagged)", "OK [MODIFIED 2] *");
    imap_bye(c);
}

/* ---- COPY, MOVE, EXPUNGE ---- */

static FIBER void copying(struct imap_test *t)
{
    letters(t, 5);
    struct imap_client *c = imap_in_inbox(t);
    imap_ask(c, "store 2 flags (\\seen Own)");
    imap_ask_for(c, "copy 2,4 Archive", "OK [COPYUID * 2,4 1:2] *");
    imap_ask_for(c, "uid copy 5,99 \"Archive\"", "OK [COPYUID * 5 3] *");
    imap_ask_for(c, "uid copy 99 Archive", "OK there *");
    imap_ask_for(c, "copy 1 Nowhere", "NO [TRYCREATE] *");
    imap_ask_for(c, "copy 6 Archive", "BAD *");
    imap_ask_for(c, "copy 1 INBOX", "OK [COPYUID * 1 6] *");
    imap_heard(c, "* 6 EXISTS");
    imap_ask(c, "select Archive");
    imap_answers(c, "fetch 1:* (uid flags body.peek[text])",
                 "* 1 FETCH (UID 1 FLAGS (\\Seen Own) BODY[TEXT] {6}\r\nbody\r\n)\r\n"
                 "* 2 FETCH (UID 2 FLAGS () BODY[TEXT] {6}\r\nbody\r\n)\r\n"
                 "* 3 FETCH (UID 3 FLAGS () BODY[TEXT] {6}\r\nbody\r\n)\r\n");
    imap_bye(c);
}

/* What was copied may take more room than a response usually has. */
static FIBER void copying_many(struct imap_test *t)
{
    enum { LETTERS = 2200 };
    letters(t, LETTERS);
    struct imap_client *c = imap_in_inbox(t);
    struct buf *set = buf_in(c->arena, 1 << 16);
    for (int i = 1; i <= LETTERS; i += 2) buf_printf(set, "%s%d", i > 1 ? "," : "", i);
    struct str copied = arena_printf(c->arena, "uid copy %.*s Archive", STR_FMT(buf_str(set)));
    imap_ask_for(c, arena_cstr(c->arena, copied), "OK [COPYUID *");
    size_t at = str_find(c->done, buf_str(set));
    assert_true(at < c->done.n);
    assert_true(str_starts(str_skip(c->done, at + set->n), S(" 1:1100] copied")));
    imap_ask(c, "noop");
    imap_bye(c);
}

static FIBER void moving(struct imap_test *t) /* RFC 6851 */
{
    letters(t, 5);
    struct imap_client *c = imap_in_inbox(t);
    imap_ask_for(c, "move 2:3 Archive", "OK [HIGHESTMODSEQ *] *"); /* §4.4 */
    struct str first, rest;
    str_cut(c->said, '\n', &first, &rest);
    assert_true(imap_matches(S("* OK [COPYUID * 2:3 1:2] *"), first));
    assert_str(rest, S("* 3 EXPUNGE\r\n* 2 EXPUNGE\r\n"));
    imap_ask(c, "enable qresync");
    imap_ask(c, "uid move 5 Archive");
    imap_heard(c, "* VANISHED 5");
    imap_answers(c, "fetch 1:* uid", "* 1 FETCH (UID 1)\r\n* 2 FETCH (UID 4)\r\n");
    imap_ask(c, "examine inbox");
    imap_ask_for(c, "move 1 Archive", "NO [READ-ONLY] *");
    imap_bye(c);
}

static FIBER void expunging(struct imap_test *t)
{
    letters(t, 6);
    struct imap_client *c = imap_in_inbox(t), *d = imap_in_inbox(t);
    imap_ask(c, "store 1,3:4,6 +flags.silent (\\deleted)");
    imap_answers(c, "uid expunge 4:5", "* 4 EXPUNGE\r\n");
    imap_answers(c, "expunge", "* 5 EXPUNGE\r\n* 3 EXPUNGE\r\n* 1 EXPUNGE\r\n");
    imap_answers(c, "expunge", "");
    /* others keep their numbers until they may be told: RFC 9051 §7.5.1 */
    imap_ask(d, "fetch 1:6 uid");
    assert_false(imap_said(d, "*EXPUNGE*"));
    imap_heard(d, "* 6 FETCH (UID 6)");
    imap_answers(d, "noop", "* 6 EXPUNGE\r\n* 4 EXPUNGE\r\n* 3 EXPUNGE\r\n* 1 EXPUNGE\r\n");
    imap_ask(c, "enable qresync");
    imap_ask(c, "uid store 2 +flags.silent (\\deleted)");
    imap_ask_for(c, "expunge", "OK [HIGHESTMODSEQ *] *");
    imap_heard(c, "* VANISHED 2");
    imap_ask(c, "examine inbox");
    imap_ask_for(c, "expunge", "NO [READ-ONLY] *");
    imap_bye(c);
    imap_bye(d);
}

/* ---- APPEND ---- */

/* Pieces with a literal behind each but the last; "{}" in a piece becomes its head. */
static FIBER void ask_append(struct imap_client *c, const char *const *pieces, const char *pattern)
{
    struct buf *b = buf_in(c->arena, 1 << 20);
    for (size_t i = 0; pieces[i]; i++) {
        struct str p = str_c(pieces[i]);
        size_t at = str_find(p, S("{}"));
        buf_add(b, str_head(p, at));
        if (at < p.n) buf_printf(b, "{%zu+}\r\n", strlen(pieces[i + 1]));
        buf_add(b, str_skip(p, at + 2));
    }
    imap_ask_for(c, arena_cstr(c->arena, buf_str(b)), pattern);
}
#define PIECES(...) ((const char *const[]){__VA_ARGS__, NULL})

static FIBER void appending(struct imap_test *t)
{
    struct imap_client *c = imap_in_inbox(t);
    ask_append(c, PIECES("append inbox (\\seen Own) \" 1-Feb-2003 04:05:06 +0100\" {}", "Subject: a\r\n\r\nbo\r\n"),
               "OK [APPENDUID * 1] *");
    imap_heard(c, "* 1 EXISTS");
    imap_answers(
        c, "fetch 1 (flags internaldate rfc822.size body[])",
        "* 1 FETCH (FLAGS (\\Seen Own) INTERNALDATE \" 1-Feb-2003 03:05:06 +0000\" RFC822.SIZE 18 BODY[] {18}\r\n"
        "Subject: a\r\n\r\nbo\r\n)\r\n");
    /* line ends become CRLF; what has none at its end gets none */
    ask_append(c, PIECES("append inbox {}", "Subject: b\n\na\rb\nc"), "OK [APPENDUID * 2] *");
    imap_answers(c, "fetch 2 body.peek[]", "* 2 FETCH (BODY[] {21}\r\nSubject: b\r\n\r\na\r\nb\r\nc)\r\n");
    /* but not in a binary one */
    imap_ask_for(c, "append inbox ~{18+}\r\nSubject: c\r\n\r\na\nb\r", "OK [APPENDUID * 3] *");
    imap_ask(c, "fetch 3 rfc822.size");
    imap_heard(c, "* 3 FETCH (RFC822.SIZE 18)");
    /* several are one */
    ask_append(c, PIECES("append inbox {}", "A: 1\r\n\r\n", " (\\flagged) {}", "A: 2\r\n\r\n", " {}", "A: 3\r\n\r\n"),
               "OK [APPENDUID * 4:6] *");
    ask_append(c, PIECES("append inbox {}", "A: 1\r\n\r\n", " (\\flagged {}", "A: 2\r\n\r\n", " {}", "A: 3\r\n\r\n"),
               "BAD *");
    ask_append(c, PIECES("append inbox {}", "A: 1\r\n\r\n", " {}", "", " {}", "A: 3\r\n\r\n"), "NO *");
    ask_append(c, PIECES("append inbox {}", "A: 1\r\n\r\n", " what"), "BAD *");
    ask_append(c, PIECES("append Nowhere {}", "A: 1\r\n\r\n"), "NO [TRYCREATE] *");
    ask_append(c, PIECES("append inbox (\\what\") {}", "A: 1\r\n\r\n"), "BAD *");
    imap_ask_for(c, "append Nowhere {8}", "NO [TRYCREATE] *"); /* the client need not send it */
    imap_ask_for(c, "append inbox {52428801}", "NO [TOOBIG] *");
    imap_ask(c, "noop");
    imap_ask(c, "fetch * uid");
    imap_heard(c, "* 6 FETCH (UID 6)");
    imap_ask(c, "append inbox utf8 (~{10+}\r\nA: b\r\n\r\n\xC3\xA4)");
    imap_say(c, "z append inbox {8}");
    imap_expect(c, "+ *");
    imap_say(c, "A: b\r\n\r\n");
    imap_expect(c, "* 8 EXISTS");
    imap_expect(c, "z OK *");
    imap_bye(c);
}

static FIBER void broken_appends(struct imap_test *t)
{
    struct imap_client *c = imap_in_inbox(t);
    struct error e = {0};
    int64_t quota = 2000;
    imap_say(c, "a append inbox {100000+}\r\nSubject: cut");
    imap_bye(c);
    ok(store_account_change(t->t.store, t->bob, NULL, &quota, NULL, NULL, &e), &e);
    c = imap_in_inbox(t);
    imap_ask_for(c, "append inbox {3000}", "NO [OVERQUOTA] *");
    ask_append(c, PIECES("append inbox {}", "A: b\r\n\r\n"), "OK *");
    char *long_one = arena_alloc(c->arena, 3001);
    memset(long_one, 'x', 3000);
    ask_append(c, PIECES("append inbox {}", long_one), "NO [OVERQUOTA] *");
    ask_append(c, PIECES("append inbox {}", "A: b\r\n\r\n", " {}", long_one), "NO [OVERQUOTA] *");
    imap_ask(c, "fetch * uid");
    imap_heard(c, "* 1 FETCH (UID 1)");
    imap_ask_for(c, "append inbox {9999999999999999999999}", "BAD *");
    imap_bye(c);
}

/* RFC 9208 §5.2: no more letters than that, whoever brings them. */
static FIBER void too_many_letters(struct imap_test *t)
{
    struct error e = {0};
    int64_t limit = 4;
    letters(t, 3);
    ok(store_account_change(t->t.store, t->bob, NULL, NULL, &limit, NULL, &e), &e);
    struct imap_client *c = imap_in_inbox(t);
    ask_append(c, PIECES("append Drafts {}", "A: 1\r\n\r\n", " {}", "A: 2\r\n\r\n"), "NO [OVERQUOTA] *");
    imap_ask_for(c, "copy 1:2 Archive", "NO [OVERQUOTA] *");
    ask_append(c, PIECES("append inbox {}", "A: b\r\n\r\n"), "OK *");
    imap_ask_for(c, "append inbox {3000}", "NO [OVERQUOTA] *");
    imap_ask_for(c, "copy 1 Archive", "NO [OVERQUOTA] *");
    imap_ask_for(c, "move 1 Archive", "OK *");
    ask_append(c, PIECES("replace 1 inbox {}", "A: new\r\n\r\n"), "OK *");
    ask_append(c, PIECES("replace 1 Drafts {}", "A: new\r\n\r\n"), "OK *");
    imap_answers(c, "getquota \"\"", "* QUOTA \"\" (MESSAGE 4 4)\r\n");
    /* somebody else's letters, too */
    imap_ask(c, "setacl Archive ann lrsi");
    imap_letter_in(t, t->ann, 0, S("A: hers\r\n\r\n"), 0);
    struct imap_client *ann = imap_login(t, "ann");
    imap_ask(ann, "select inbox");
    imap_ask_for(ann, "copy 1 Shared/bob@example.org/Archive", "NO [OVERQUOTA] *");
    imap_ask_for(ann, "move 1 Shared/bob@example.org/Archive", "NO [OVERQUOTA] *");
    imap_ask_for(ann, "append Shared/bob@example.org/Archive {9}", "NO [OVERQUOTA] *");
    imap_ask_for(ann, "getquotaroot Shared/bob@example.org/Archive", "OK *");
    imap_heard(ann, "* QUOTA bob@example.org (MESSAGE 4 4)");
    imap_bye(ann);
    imap_bye(c);
}

/* A large one is streamed to a pack of its own, and comes back as it went. */
static FIBER void large_append(struct imap_test *t)
{
    struct imap_client *c = imap_in_inbox(t);
    struct buf *b = buf_in(c->arena, 4 << 20);
    buf_lit(b, "Subject: large\r\n\r\n");
    while (b->n < 3 << 20) buf_printf(b, "line at %zu\r\n", b->n);
    stream_write(c->stream, arena_printf(c->arena, "a append inbox {%zu}\r\n", b->n));
    stream_flush(c->stream);
    imap_expect(c, "+ *");
    imap_say(c, arena_cstr(c->arena, buf_str(b)));
    imap_expect(c, "* 1 EXISTS");
    imap_expect(c, "a OK *");
    imap_ask(c, "fetch 1 (body.peek[] envelope)");
    struct str rest = str_skip(c->said, str_find_char(c->said, '\n') + 1);
    assert_true(str_starts(rest, buf_str(b)));
    assert_true(str_starts(str_skip(rest, b->n), S(" ENVELOPE (NIL \"large\"")));
    imap_bye(c);
}

static FIBER void replacing(struct imap_test *t) /* RFC 8508 */
{
    letters(t, 3);
    struct imap_client *c = imap_in_inbox(t);
    ask_append(c, PIECES("replace 2 inbox (\\draft) {}", "A: new\r\n\r\n"), "OK *");
    imap_heard(c, "* OK [APPENDUID * 4] *");
    imap_heard(c, "* 2 EXPUNGE");
    imap_heard(c, "* 3 EXISTS");
    ask_append(c, PIECES("uid replace 3 Drafts {}", "A: new\r\n\r\n"), "OK *");
    imap_heard(c, "* OK [APPENDUID * 1] *");
    imap_heard(c, "* 2 EXPUNGE");
    assert_true(imap_matches(S("OK [HIGHESTMODSEQ *] *"), c->done)); /* §4.5 */
    ask_append(c, PIECES("uid replace 3 Drafts {}", "A: new\r\n\r\n"), "NO *");
    ask_append(c, PIECES("replace 3 Drafts {}", "A: new\r\n\r\n"), "BAD *");
    ask_append(c, PIECES("replace 1 Nowhere {}", "A: new\r\n\r\n"), "NO [TRYCREATE] *");
    ask_append(c, PIECES("replace 1 inbox {}", "A: 1\r\n\r\n", " {}", "A: 2\r\n\r\n"), "BAD *");
    imap_answers(c, "fetch 1:* uid", "* 1 FETCH (UID 1)\r\n* 2 FETCH (UID 4)\r\n");
    imap_ask(c, "examine inbox");
    ask_append(c, PIECES("replace 1 inbox {}", "A: 1\r\n\r\n"), "NO [READ-ONLY] *");
    imap_ask(c, "unselect");
    ask_append(c, PIECES("replace 1 inbox {}", "A: 1\r\n\r\n"), "BAD *");
    imap_bye(c);
}

/* What goes counts against what comes (RFC 8508 §3.4). */
static FIBER void replacing_at_quota(struct imap_test *t)
{
    struct error e = {0};
    struct imap_client *c = imap_in_inbox(t);
    char *long_one = arena_alloc(c->arena, 1501);
    memset(long_one, 'x', 1500);
    int64_t quota = 2000;
    ask_append(c, PIECES("append inbox {}", long_one), "OK *");
    ok(store_account_change(t->t.store, t->bob, NULL, &quota, NULL, NULL, &e), &e);
    ask_append(c, PIECES("append inbox {}", long_one), "NO [OVERQUOTA] *");
    ask_append(c, PIECES("replace 1 inbox {}", long_one), "OK *");
    char *longer = arena_alloc(c->arena, 2501);
    memset(longer, 'x', 2500);
    ask_append(c, PIECES("replace 1 inbox {}", longer), "NO [OVERQUOTA] *");
    imap_answers(c, "fetch 1:* uid", "* 1 FETCH (UID 2)\r\n");
    imap_bye(c);
}

/* Where one may put letters but not look (RFC 9051 §6.4.7, §6.3.12), nothing is told of what is there. */
static FIBER void posting(struct imap_test *t)
{
    struct imap_client *bob = imap_login(t, "bob"), *ann = imap_login(t, "ann");
    imap_ask(bob, "setacl Archive ann@example.org i");
    imap_letter_in(t, t->ann, 0, S("Subject: x\r\n\r\nbody\r\n"), 0);
    imap_ask(ann, "select inbox");
    imap_ask_for(ann, "copy 1 Shared/bob@example.org/Archive", "OK copied");
    ask_append(ann, PIECES("append Shared/bob@example.org/Archive {}", "A: 1\r\n\r\n"), "OK appended");
    imap_ask(ann, "move 1 Shared/bob@example.org/Archive");
    assert_false(imap_said(ann, "*COPYUID*"));
    imap_heard(ann, "* 1 EXPUNGE");
    imap_ask(bob, "select Archive");
    imap_heard(bob, "* 3 EXISTS");
    imap_bye(bob);
    imap_bye(ann);
}

static FIBER void full_of_keywords(struct imap_test *t)
{
    letters(t, 1);
    struct imap_client *c = imap_in_inbox(t);
    for (int i = 0; i < 22; i++) {
        imap_heard(c, "* OK [PERMANENTFLAGS (*\\*)] *"); /* there is room for more */
        imap_ask(c, arena_cstr(c->arena, arena_printf(c->arena, "store 1 +flags (k%d)", i)));
    }
    imap_heard(c, "* OK [PERMANENTFLAGS (* k21)] *");
    imap_ask_for(c, "store 1 +flags (k22)", "NO [LIMIT] *");
    ask_append(c, PIECES("append inbox (\\seen k22 k21) {}", "A: new\r\n\r\n"), "OK *"); /* without it */
    imap_answers(c, "fetch 2 flags", "* 2 FETCH (FLAGS (\\Seen k21))\r\n");
    imap_bye(c);
}

#define TEST(name)                        \
    static void test_##name(void **state) \
    {                                     \
        (void)state;                      \
        imap_twice(name);                 \
    }
TEST(storing)
TEST(silence)
TEST(conditional)
TEST(copying)
TEST(copying_many)
TEST(moving)
TEST(expunging)
TEST(appending)
TEST(broken_appends)
TEST(too_many_letters)
TEST(large_append)
TEST(replacing)
TEST(replacing_at_quota)
TEST(posting)
TEST(full_of_keywords)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_storing),        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_conditional),    cmocka_unit_test(test_copying),
        cmocka_unit_test(test_copying_many),   cmocka_unit_test(test_moving),
        cmocka_unit_test(test_expunging),      cmocka_unit_test(test_appending),
        cmocka_unit_test(test_broken_appends), cmocka_unit_test(test_large_append),
        cmocka_unit_test(test_replacing),      cmocka_unit_test(test_replacing_at_quota),
        cmocka_unit_test(test_posting),
        cmocka_unit_test(test_too_many_letters),
        cmocka_unit_test(test_full_of_keywords),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
