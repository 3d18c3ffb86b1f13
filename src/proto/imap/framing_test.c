/* Literals at lines' ends, and APPEND and REPLACE piece by piece (RFC 9051 §4.3 and §6.3.12, RFC 3502, RFC 6855 §4,
 * RFC 8508). */
#include "proto/imap/framing.h"

#include <stdlib.h>

#include "base/test.h"
#include "proto/imap/test_rewrite.h"

static void finds_literals(void **state)
{
    (void)state;
    static const struct {
        struct str line;
        bool is;
        struct imap_literal literal;
    } rows[] = {
        {S_INIT(""), false, {0}},
        {S_INIT("}"), false, {0}},
        {S_INIT("{}"), false, {0}},
        {S_INIT("{+}"), false, {0}},
        {S_INIT("3}"), false, {0}},
        {S_INIT("+}"), false, {0}},
        {S_INIT("a LOGIN {5}"), true, {5, false, false}},
        {S_INIT("a LOGIN {5+}"), true, {5, true, false}},
        {S_INIT("a LOGIN {5-}"), false, {0}},
        {S_INIT("a LOGIN {5} "), false, {0}},
        {S_INIT("a LOGIN {-5}"), false, {0}},
        {S_INIT("{0}"), true, {0, false, false}},
        {S_INIT("~{0}"), true, {0, false, true}},
        {S_INIT("a b ~{12+}"), true, {12, true, true}},
        {S_INIT("a b {00012}"), true, {12, false, false}},
        {S_INIT("a {18446744073709551614}"), true, {UINT64_MAX - 1, false, false}},
        {S_INIT("a {18446744073709551615}"), true, {UINT64_MAX, false, false}},
        {S_INIT("a {99999999999999999999999+}"), true, {UINT64_MAX, true, false}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct imap_literal l;
        bool is = imap_literal_at_end(rows[i].line, &l);
        if (is != rows[i].is || l.non_sync != rows[i].literal.non_sync) fail_msg("%.*s", STR_FMT(rows[i].line));
        if (is && (l.size != rows[i].literal.size || l.binary != rows[i].literal.binary))
            fail_msg("%.*s", STR_FMT(rows[i].line));
    }
}

static void knows_messages(void **state)
{
    (void)state;
    static const struct {
        struct str so_far;
        bool takes;
    } rows[] = {
        {S_INIT("a APPEND INBOX {5}"), true},
        {S_INIT("a append INBOX (\\Seen) \" 1-Jan-2020 00:00:00 +0000\" ~{5+}"), true},
        {S_INIT("a APPEND INBOX UTF8 (~{5+}"), true},
        {S_INIT("a APPEND {5}"), false},
        {S_INIT("a APPEND {5}\r\nINBOX {7}"), true},
        {S_INIT("a APPEND {5+}\nINBOX ({7}"), true},
        {S_INIT("a APPEND \"my \\\" box\" {7}"), true},
        {S_INIT("a APPEND \"my box {7}"), false},
        {S_INIT("a APPEND INBOX (\\Seen)"), false},
        {S_INIT("a APPEND INBOX"), false},
        {S_INIT("a REPLACE 4 Drafts (\\Seen) {312}"), true},
        {S_INIT("a UID replace * Drafts {312}"), true},
        {S_INIT("a REPLACE 4 {6}"), false},
        {S_INIT("a REPLACE {6}"), false},
        {S_INIT("a UID APPEND INBOX {5}"), false},
        {S_INIT("a UID"), false},
        {S_INIT("a LOGIN {5}"), false},
        {S_INIT("a LOGIN x {5}"), false},
        {S_INIT("a SEARCH SUBJECT {5}"), false},
        {S_INIT("APPEND {5}"), false},
        {S_INIT(" {5}"), false},
        {S_INIT("{5}"), false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (imap_takes_message(rows[i].so_far) != rows[i].takes) fail_msg("%.*s", STR_FMT(rows[i].so_far));
}

static void reads_append(void **state)
{
    (void)state;
    static const struct {
        const char *so_far;
        const char *means; /* NULL: it is wrong */
    } rows[] = {
        {"A003 APPEND saved-messages (\\Seen) {326}", "A003 APPEND saved-messages (\\Seen) {326}"},
        {"A APPEND {5}\r\nInbox {10+}", "A APPEND Inbox () {10+}"},
        {"A APPEND \"\" ~{10}", "A APPEND \"\" () ~{10}"},
        {"A APPEND x ($Forwarded own \\Recent) \" 7-Feb-1994 21:52:25 -0800\" {310}",
         "A APPEND x ($Forwarded own) \" 7-Feb-1994 21:52:25 -0800\" {310}"},
        {"A APPEND x \"07-Feb-1994 21:52:25 +0530\" {310}", "A APPEND x () \" 7-Feb-1994 21:52:25 +0530\" {310}"},
        {"A APPEND x \"31-Dec-2026 23:59:60 +0000\" {1}", "A APPEND x () \" 1-Jan-2027 00:00:00 +0000\" {1}"},
        {"A APPEND x UTF8 (~{3+}", "A APPEND x () UTF8 (~{3+}"},
        {"A APPEND x (\\Draft) utf8 (~{3}", "A APPEND x (\\Draft) UTF8 (~{3}"},
        {"A003 REPLACE 4 Drafts (\\Seen \\Draft) {312}", "A003 REPLACE 4 Drafts (\\Seen \\Draft) {312}"},
        {"A004 UID REPLACE 2000 Drafts {350}", "A004 UID REPLACE 2000 Drafts () {350}"},
        {"A004 REPLACE * Drafts {350}", "A004 REPLACE * Drafts () {350}"},
        {"A APPEND x {18446744073709551615}", NULL},
        {"A APPEND x UTF8 ({3}", NULL},
        {"A APPEND x UTF8 ~{3}", NULL},
        {"A APPEND x(\\Seen) {3}", NULL},
        {"A APPEND x (\\Seen){3}", NULL},
        {"A APPEND x (\\Foo) {3}", NULL},
        {"A APPEND x \"1-Jan-2020\" {3}", NULL},
        {"A APPEND x \" 1-Jan-2020 24:00:00 +0000\" {3}", NULL},
        {"A APPEND x \"30-Feb-2020 10:00:00 +0000\" {3}", NULL},
        {"A APPEND x \" 1-Jan-2020 10:00:00 +0060\" {3}", NULL},
        {"A APPEND x CATENATE (TEXT {3}", NULL},
        {"A APPEND x {3} {3}", NULL},
        {"A APPEND x (\\Seen)", NULL},
        {"A REPLACE 0 x {3}", NULL},
        {"A REPLACE 1:2 x {3}", NULL},
        {"A LOGIN x {3}", NULL},
    };
    struct arena *a = arena_new(NULL, 0);
    struct buf b = BUF(10000);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct imap_command c;
        buf_clear(&b);
        int e = imap_parse_append_begin(a, str_c(rows[i].so_far), &c);
        if ((e == 0) != (rows[i].means != NULL)) fail_msg("%s: %s", rows[i].so_far, e ? c.error : "taken");
        if (e == 0) rewrite(&b, &c);
        else assert_non_null(c.error);
        if (e == 0) assert_str(buf_str(&b), str_c(rows[i].means));
        assert_str(c.tag, S("A").n == c.tag.n ? S("A") : str_head(str_c(rows[i].so_far), 4));
        /* cut anywhere: an error, or a shorter literal */
        for (size_t n = 0; n < strlen(rows[i].so_far); n++) {
            char *cut = malloc(n + 1);
            memcpy(cut, rows[i].so_far, n);
            imap_parse_append_begin(a, str_of(cut, n), &c);
            free(cut);
        }
    }
    buf_free(&b);
    arena_free(a);
}

static void skips_what_it_refuses(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct imap_command c;
    assert_int_equal(imap_parse_append_begin(a, S("A APPEND x (\\Foo) {37+}"), &c), ERR_SYNTAX);
    assert_true(c.append.message.literal.size == 37 && c.append.message.literal.non_sync);
    struct imap_append_message m = {0};
    const char *error = NULL;
    assert_int_equal(imap_parse_append_more(a, S(" (\\Foo) {38+}"), &m, &error), ERR_SYNTAX);
    assert_true(m.literal.size == 38 && m.literal.non_sync && error);
    arena_free(a);
}

static void reads_what_follows(void **state)
{
    (void)state;
    static const struct {
        bool utf8;
        const char *text;
        int wanted;
        uint64_t size;
    } rows[] = {
        {false, "", IMAP_APPEND_END, 0},
        {false, " ", IMAP_APPEND_END, 0},
        {true, ")", IMAP_APPEND_END, 0},
        {true, "", ERR_SYNTAX, 0},
        {false, ")", ERR_SYNTAX, 0},
        {false, " {5}", IMAP_APPEND_NEXT, 5},
        {false, " (\\Seen) \" 7-Feb-1994 21:52:25 -0800\" {295}", IMAP_APPEND_NEXT, 295},
        {true, ") UTF8 (~{4+}", IMAP_APPEND_NEXT, 4},
        {true, ") ~{4+}", IMAP_APPEND_NEXT, 4},
        {true, " {4+}", ERR_SYNTAX, 4},
        {false, "{5}", ERR_SYNTAX, 5},
        {false, " x", ERR_SYNTAX, 0},
        {false, " (\\Seen)", ERR_SYNTAX, 0},
    };
    struct arena *a = arena_new(NULL, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct imap_append_message m = {.utf8 = rows[i].utf8};
        const char *error = NULL;
        int e = imap_parse_append_more(a, str_c(rows[i].text), &m, &error);
        if (e != rows[i].wanted || m.literal.size != rows[i].size || (e == ERR_SYNTAX) != (error != NULL))
            fail_msg("'%s': %d, %s", rows[i].text, e, error ? error : "-");
    }
    struct imap_append_message m = {.utf8 = true, .flags = {.known = FLAG_SEEN}, .has_date = true};
    const char *error;
    assert_int_equal(imap_parse_append_more(a, S(") (\\Draft) {5}"), &m, &error), IMAP_APPEND_NEXT);
    assert_true(!m.utf8 && m.flags.known == FLAG_DRAFT && !m.has_date); /* nothing of the one before */
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_literals),        cmocka_unit_test(knows_messages),
        cmocka_unit_test(reads_append),          cmocka_unit_test(skips_what_it_refuses),
        cmocka_unit_test(reads_what_follows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
