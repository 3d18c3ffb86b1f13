/* Clients that ask for as much as a command can hold: the answer is whole, and memory and time are bounded. */
#include "maa/imap/testing.h"

#define LETTER "Subject: x\r\n\r\ntext\r\n"

static struct str many(struct imap_client *c, const char *what, size_t n)
{
    struct buf *b = buf_in(c->arena, SIZE_MAX);
    for (size_t i = 0; i < n; i++) buf_add(b, str_c(what));
    return buf_str(b);
}

static FIBER void ask_for(struct imap_client *c, const char *before, struct str much, const char *behind,
                          const char *pattern)
{
    struct str command = arena_printf(c->arena, "%s%.*s%s", before, STR_FMT(much), behind);
    imap_ask_for(c, arena_cstr(c->arena, command), pattern);
}

/* ---- what is long ---- */

static FIBER void long_tags(struct imap_test *t)
{
    struct imap_client *c = imap_visit(t);
    struct str tag = many(c, "x", 9000);
    stream_write(c->stream, tag);
    imap_say(c, " NOOP");
    assert_true(str_ends(imap_hear(c), S("x OK done")));
    imap_ask(c, "login bob secret");
    stream_write(c->stream, tag);
    imap_say(c, " COMPRESS DEFLATE");
    assert_true(str_ends(imap_hear(c), S("x OK from here on")));
    imap_bye(c);
}

static FIBER void long_keywords(struct imap_test *t)
{
    imap_letter_in(t, t->bob, 0, S(LETTER), 0);
    struct imap_client *c = imap_login(t, "bob"), *other = imap_login(t, "bob");
    imap_ask(c, "select inbox");
    imap_ask(other, "select inbox");
    ask_for(c, "store 1 +flags ", many(c, "k", 9000), "", "NO [LIMIT]*");
    for (int i = 0; i < LIMIT_KEYWORDS; i++) {
        struct str name = arena_printf(c->arena, "k%.*s%02d", STR_FMT(many(c, "e", 240)), i);
        ask_for(c, "store 1 +flags ", name, "", "OK *");
        imap_heard(c, "* FLAGS (* k*)");
        imap_heard(c, "* 1 FETCH (*FLAGS (* k*)*)");
    }
    imap_ask(other, "noop");
    imap_heard(other, "* OK [PERMANENTFLAGS (* k*21*)] *");
    imap_heard(other, "* 1 FETCH (*FLAGS (* k*21)*)");
    imap_ask(other, "select inbox");
    imap_heard(other, "* OK [PERMANENTFLAGS (* k*21*)] *");
    imap_heard(other, "* 1 EXISTS");
    imap_heard(other, "* OK [MAILBOXID *");
    imap_bye(c);
    imap_bye(other);
}

/* RFC 5530 §3, LIMIT: of STORE and APPEND, however many; the connection goes on. */
static FIBER void many_keywords(struct imap_test *t)
{
    imap_letter_in(t, t->bob, 0, S(LETTER), 0);
    struct imap_client *c = imap_login(t, "bob");
    struct buf *names = buf_in(c->arena, SIZE_MAX);
    for (int i = 0; i < 10000; i++) buf_printf(names, "%skeyword%d", i ? " " : "", i);
    imap_ask(c, "select inbox");
    ask_for(c, "store 1 +flags (", buf_str(names), ")", "NO [LIMIT]*");
    ask_for(c, "store 1 -flags (", buf_str(names), ")", "NO [LIMIT]*");
    ask_for(c, "append inbox (", buf_str(names), ") {4+}\r\na: b", "NO [LIMIT]*");
    ask_for(c, "store 1 flags (", many(c, "again ", 10000), "again)", "OK *");
    imap_heard(c, "* 1 FETCH (*again)*)");
    names->n = 0;
    for (int i = 0; i < LIMIT_KEYWORDS; i++) buf_printf(names, "%skeyword%d", i ? " " : "", i);
    ask_for(c, "store 1 +flags (", buf_str(names), ")", "NO [LIMIT]*");
    ask_for(c, "store 1 flags (", buf_str(names), ")", "NO [LIMIT]*");
    ask_for(c, "store 1 -flags (", buf_str(names), " again)", "OK *");
    ask_for(c, "append inbox (", buf_str(names), ") {4+}\r\na: b", "OK *");
    imap_heard(c, "* OK [PERMANENTFLAGS (*keyword20)] *"); /* no more of them */
    imap_ask(c, "noop");
    ask_for(c, "store 2 -flags (", S("keyword3"), ")", "OK *");
    imap_heard(c, "* OK [PERMANENTFLAGS (* \\*)] *"); /* until a letter loses one */
    ask_for(c, "store 1 +flags (", S("other"), ")", "OK *");
    imap_bye(c);
}

static FIBER void long_names(struct imap_test *t)
{
    struct imap_client *c = imap_login(t, "bob");
    struct str level = many(c, "n", LIMIT_MAILBOX_NAME);
    struct buf *name = buf_in(c->arena, SIZE_MAX);
    for (int i = 0; i < LIMIT_MAILBOX_DEPTH; i++) {
        if (i) buf_char(name, '/');
        buf_add(name, level);
    }
    imap_ask(c, "enable imap4rev2");
    ask_for(c, "create ", buf_str(name), "", "OK *");
    ask_for(c, "select ", buf_str(name), "", "OK *");
    imap_heard(c, "* LIST () \"/\" *");
    imap_heard(c, "* OK [MAILBOXID *");
    /* on such a name this pattern is in all of its states at once */
    ask_for(c, "list \"\" ", many(c, "*n", 5000), "x", "OK *");
    assert_int_equal(c->said.n, 0);
    /* most of them ignored: RFC 9051 §6.3.9 */
    ask_for(c, "list \"\" (", many(c, "*n*n*n*n*n*n*n*n*n*nx ", 900), "y)", "OK *");
    imap_bye(c);
}

static void what_is_long_is_answered_whole(void **state)
{
    (void)state;
    imap_twice(long_tags);
    imap_twice(long_keywords);
    imap_twice(many_keywords);
    imap_twice(long_names);
}

/* ---- what never comes ---- */

/* RFC 9051 §7.1.5: who is thrown out is told, whatever he was asked for. */
static FIBER void silent_in_authenticate(struct imap_test *t)
{
    struct imap_client *c = imap_visit(t);
    imap_say(c, "a AUTHENTICATE PLAIN");
    imap_expect(c, "+ ");
    imap_expect(c, "* BYE *");
    imap_bye(c);
}

static void what_never_comes_is_not_waited_for(void **state)
{
    (void)state;
    imap_twice(silent_in_authenticate);
}

/* ---- what is many ---- */

static FIBER void many_mailboxes(struct imap_test *t)
{
    enum { MANY = 300 };
    struct imap_client *c = imap_login(t, "bob");
    struct buf *make = buf_in(c->arena, SIZE_MAX), *find = buf_in(c->arena, SIZE_MAX);
    struct str word = many(c, "w", 200);
    buf_lit(find, "esearch in (mailboxes (");
    for (int i = 0; i < MANY; i++) {
        buf_printf(make, "m APPEND m/%.*s%d {4+}\r\na: b\r\n", STR_FMT(word), i);
        buf_printf(find, "%sm/%.*s%d", i ? " " : "", STR_FMT(word), i);
    }
    buf_lit(find, ") subtree (m m m m) personal personal) all");
    for (int i = 0; i < MANY; i++) {
        struct str line = arena_printf(c->arena, "m CREATE m/%.*s%d", STR_FMT(word), i);
        imap_say(c, arena_cstr(c->arena, line));
    }
    for (int i = 0; i < MANY; i++) imap_expect(c, "m OK *");
    stream_write(c->stream, buf_str(make));
    for (int i = 0; i < MANY; i++) imap_expect(c, "m OK *");
    imap_ask(c, arena_cstr(c->arena, buf_str(find)));
    size_t lines = 0;
    for (struct str rest = c->said, line; rest.n; lines++) str_cut(rest, '\n', &line, &rest);
    assert_int_equal(lines, MANY); /* each once */
    imap_ask_for(c,
                 arena_cstr(c->arena,
                            arena_printf(c->arena, "esearch in (%.*s) all", STR_FMT(many(c, "mailboxes (m m) ", 900)))),
                 "NO [LIMIT]*");
    imap_bye(c);
}

/* As many annotations as a mailbox may have. */
static FIBER void annotate(struct imap_client *c, const char *mailbox)
{
    struct str value = many(c, "v", LIMIT_METADATA_VALUE);
    for (int i = 0; i < LIMIT_METADATA_ENTRIES; i++) {
        stream_write(c->stream, arena_printf(c->arena, "m SETMETADATA %s (/private/x/%d {%d+}\r\n", mailbox, i,
                                             LIMIT_METADATA_VALUE));
        stream_write(c->stream, value);
        imap_say(c, ")");
        imap_expect(c, "m OK *");
    }
}

/* More than a connection may have in memory. */
static FIBER void many_annotations(struct imap_test *t)
{
    struct imap_client *c = imap_login(t, "bob");
    annotate(c, "inbox");
    annotate(c, "Sent");
    annotate(c, "Drafts");
    imap_ask(c, "getmetadata (depth infinity) inbox /private");
    assert_true(c->said.n > LIMIT_METADATA_ENTRIES * (size_t)LIMIT_METADATA_VALUE);
    assert_true(str_ends(c->said, S(")\r\n")));
    imap_ask(c, "list \"\" (inbox Sent Drafts) return (metadata (depth infinity) /private)");
    assert_true(c->said.n > 3 * LIMIT_METADATA_ENTRIES * (size_t)LIMIT_METADATA_VALUE);
    imap_bye(c);
}

/* Is the command answered by a connection that has so many bytes? Else it is thrown out. */
static FIBER bool answered_within(struct imap_test *t, size_t memory, const char *command)
{
    t->service.memory = memory;
    struct imap_client *c = imap_login(t, "bob");
    struct str line;
    imap_say(c, command);
    do line = imap_hear(c);
    while (!str_starts(line, S("g ")) && !str_starts(line, S("* BYE")));
    bool answered = imap_matches(S("g OK *"), line);
    if (!answered && !imap_matches(S("* BYE [LIMIT]*"), line)) fail_msg("%s: \"%.*s\"", command, STR_FMT(line));
    imap_bye(c);
    return answered;
}

/* Wherever the memory of a connection ends, what was read for it from the store goes with it. */
static FIBER void thrown_out(struct imap_test *t)
{
    static const char *const commands[] = {"g GETMETADATA (DEPTH infinity) inbox /private",
                                           "g LIST \"\" * RETURN (METADATA (DEPTH infinity) /private)"};
    struct imap_client *c = imap_login(t, "bob");
    annotate(c, "inbox");
    imap_bye(c);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        int too_little = 0;
        size_t memory = 192 << 10;
        for (; !answered_within(t, memory, commands[i]); memory += memory / 16) too_little++;
        if (too_little < 2) fail_msg("%s: %zu bytes are enough", commands[i], memory);
    }
}

static void what_is_many_takes_bounded_memory(void **state)
{
    (void)state;
    imap_twice(many_annotations);
    imap_twice(thrown_out);
    imap_twice(many_mailboxes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_long_is_answered_whole),
        cmocka_unit_test(what_never_comes_is_not_waited_for),
        cmocka_unit_test(what_is_many_takes_bounded_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
