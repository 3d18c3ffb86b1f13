/* What sendmail(1) makes of letters as programs write them. */
#include "cmd/sendmail_letter.h"

#include "base/test.h"

static struct str complete(struct arena *a, const char *list)
{
    struct buf *b = buf_in(a, 4096);
    sendmail_complete(b, str_c(list), S("h.example"));
    return buf_str(b);
}

static void addresses_get_a_domain(void **state)
{
    static const struct {
        const char *list, *expected;
    } rows[] = {
        {"bob", "bob@h.example"},
        {"bob@example.org", "bob@example.org"},
        {"bob, carol@x.example ,dave", "bob@h.example, carol@x.example ,dave@h.example"},
        {"root (Cron Daemon)", "root@h.example (Cron Daemon)"},
        {"(a, comment) root", "(a, comment) root@h.example"},
        {"Bob Builder <bob>", "Bob Builder <bob@h.example>"},
        {"\"Builder, Bob\" <bob>, x", "\"Builder, Bob\" <bob@h.example>, x@h.example"},
        {"\"a b\"", "\"a b\"@h.example"},
        {"\"a\\\"b@c\"", "\"a\\\"b@c\"@h.example"},
        {"bob@ [192.0.2.1]", "bob@ [192.0.2.1]"},
        {"bob @x.example", "bob @x.example"},
        {"undisclosed-recipients:;", "undisclosed-recipients:;"},
        {"team: bob, carol@x.example;", "team: bob@h.example, carol@x.example;"},
        {"Bob Builder", "Bob Builder"}, /* no address at all */
        {"<>", "<>"},
        {"<bob> later", "<bob@h.example> later"},
        {"", ""},
        {" , ,", " , ,"},
        {"(never closed", "(never closed"},
        {"\"never closed", "\"never closed"},
        {"bob, \"never closed", "bob@h.example, \"never closed"},
        {"a\r\n b", "a\r\n b"},
        {" bob,\r\n carol", " bob@h.example,\r\n carol@h.example"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena *a = arena_new(NULL, 0);
        assert_str(complete(a, rows[i].list), str_c(rows[i].expected));
        arena_free(a);
    }
    (void)state;
}

/* Any bytes: what was written stays in its order, only domains come in between. */
static void no_byte_is_lost(void **state)
{
    static const char alphabet[] = "a@<>(),;:\"\\ \n.";
    uint32_t seed = 7;
    for (int round = 0; round < 20000; round++) {
        struct arena *a = arena_new(NULL, 0);
        char text[16];
        size_t n = 0;
        for (; n < sizeof text; n++) {
            seed = seed * 1664525 + 1013904223;
            text[n] = alphabet[(seed >> 16) % (sizeof alphabet - 1)];
        }
        struct buf *b = buf_in(a, 4096);
        sendmail_complete(b, str_of(text, n), S("#"));
        size_t at = 0;
        for (size_t i = 0; i < b->n; i++) {
            bool added = b->p[i] == '#' || (b->p[i] == '@' && i + 1 < b->n && b->p[i + 1] == '#');
            if (!added) assert_true(at < n && b->p[i] == text[at++]);
        }
        assert_int_equal(at, n);
        arena_free(a);
    }
    (void)state;
}

struct letter_row {
    const char *text, *expected, *to;
    bool keep_dots, from_header;
};

#define FROM "From: Bob Builder <bob@h.example>\r\n"

static const struct letter_row letters[] = {
    {"Subject: x\n\nhello\n", "Subject: x\r\n" FROM "\r\nhello\r\n", "", 0, 0},
    {"From: bob\r\nSubject: x\r\n\r\nhello", "From: bob@h.example\r\nSubject: x\r\n\r\nhello\r\n", "", 0, 0},
    {"From: a@x\n\none\n.\ntwo\n", "From: a@x\r\n\r\none\r\n", "", 0, 0},
    {"From: a@x\n\none\n.\ntwo\n", "From: a@x\r\n\r\none\r\n.\r\ntwo\r\n", "", 1, 0},
    {"From: a@x\n\n..\n.x\n", "From: a@x\r\n\r\n..\r\n.x\r\n", "", 0, 0},
    {"just text\nmore: text\n", FROM "\r\njust text\r\nmore: text\r\n", "", 0, 0},
    {"\nbody\n", FROM "\r\nbody\r\n", "", 0, 0},
    {"", FROM "\r\n", "", 0, 0},
    {"From bob Sat Nov 28 2026\nTo: x@y\nFrom: a@x\n\nhi\n", "To: x@y\r\nFrom: a@x\r\n\r\nhi\r\n", "", 0, 0},
    {"From here on it is text\n", FROM "\r\nFrom here on it is text\r\n", "", 0, 0},
    {"From: a@x\nTo: carol, Dave <dave@x.example>\nCc: CAROL@h.example\nBcc: eve\n\nhi\n",
     "From: a@x\r\nTo: carol@h.example, Dave <dave@x.example>\r\nCc: CAROL@h.example\r\n"
     "Bcc: eve@h.example\r\n\r\nhi\r\n",
     "carol@h.example dave@x.example eve@h.example ", 0, 1},
    {"From: a@x\nTo: carol\nResent-To: dave\nResent-From: b@x\n\nhi\n",
     "From: a@x\r\nTo: carol@h.example\r\nResent-To: dave@h.example\r\nResent-From: b@x\r\n\r\nhi\r\n",
     "dave@h.example ", 0, 1},
    {"From: a@x\nTo: undisclosed-recipients:;\nBcc: eve\n\nhi\n",
     "From: a@x\r\nTo: undisclosed-recipients:;\r\nBcc: eve@h.example\r\n\r\nhi\r\n", "eve@h.example ", 0, 1},
    {"From: a@x\nTo: carol,\n dave\n\nTo: eve\n",
     "From: a@x\r\nTo: carol@h.example,\r\n dave@h.example\r\n\r\nTo: eve\r\n", "carol@h.example dave@h.example ", 0,
     1},
    {"From: a@x\nTo: not an address\n\nhi\n", NULL, "", 0, 1},
    {"From: a@x\nTo: not an address\n\nhi\n", "From: a@x\r\nTo: not an address\r\n\r\nhi\r\n", "", 0, 0},
};

static void letters_become_letters(void **state)
{
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++) {
        const struct letter_row *r = &letters[i];
        struct arena *a = arena_new(NULL, 0);
        const struct sendmail_wishes w = {.dot_ends = !r->keep_dots,
                                          .from_header = r->from_header,
                                          .domain = S("h.example"),
                                          .author = {S("bob"), S("h.example")},
                                          .name = S("Bob Builder")};
        struct sendmail_letter l = {0};
        struct error e = {0};
        int error = sendmail_letter(a, str_c(r->text), &w, &l, &e);
        assert_int_equal(error, r->expected ? 0 : ERR_SYNTAX);
        if (!r->expected) {
            assert_true(str_find(str_c(e.text), S("is no address")) < strlen(e.text));
        } else {
            struct buf *to = buf_in(a, 4096);
            for (size_t k = 0; k < l.n_to; k++) buf_printf(to, "%.*s ", STR_FMT(address_str(a, l.to[k])));
            assert_str(buf_str(l.bytes), str_c(r->expected));
            assert_str(buf_str(to), str_c(r->to));
        }
        arena_free(a);
    }
    (void)state;
}

static void senders(void **state)
{
    static const struct {
        const char *word, *expected;
    } rows[] = {
        {"", "@"},
        {"<>", "@"},
        {"bob", "bob@h.example"},
        {"<bob@x.example>", "bob@x.example"},
        {"Bob <bob@x.example>", "bob@x.example"},
        {"a@x.example, b@x.example", NULL},
        {"a b", NULL},
        {"@x.example", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena *a = arena_new(NULL, 0);
        struct address out;
        struct error e = {0};
        int error = sendmail_sender(a, str_c(rows[i].word), S("h.example"), &out, &e);
        assert_int_equal(error, rows[i].expected ? 0 : ERR_SYNTAX);
        if (rows[i].expected)
            assert_str(arena_printf(a, "%.*s@%.*s", STR_FMT(out.local), STR_FMT(out.domain)), str_c(rows[i].expected));
        arena_free(a);
    }
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_get_a_domain),
        cmocka_unit_test(no_byte_is_lost),
        cmocka_unit_test(letters_become_letters),
        cmocka_unit_test(senders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
