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
    imap_twice(long_names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_long_is_answered_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
