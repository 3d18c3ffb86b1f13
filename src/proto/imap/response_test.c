/* Responses as clients read them (RFC 9051 §7, RFC 3501 §7 and the examples of the extensions). */
#include "proto/imap/response.h"

#include <stdlib.h>

#include "base/test.h"
#include "proto/imap/test_response.h"

static void reads_responses(void **state)
{
    (void)state;
    static const struct {
        const char *response;
        const char *means; /* see show_response() */
    } rows[] = {
        {"+ ready for additional command text", "+ 'ready for additional command text'"},
        {"+", "+ ''"},
        {"+ YGgGCSqGSIb3EgEC {3}", "+ 'YGgGCSqGSIb3EgEC {3}'"},
        {"* OK IMAP4rev2 server ready", "* OK 'IMAP4rev2 server ready'"},
        {"* PREAUTH hi", "* PREAUTH 'hi'"},
        {"* BYE [UNAVAILABLE] later", "* BYE [UNAVAILABLE] 'later'"},
        {"a1 OK [READ-WRITE] SELECT completed", "a1 OK [READ-WRITE] 'SELECT completed'"},
        {"a1 NO", "a1 NO ''"},
        {"a1 BAD what {3}", "a1 BAD 'what {3}'"},
        {"* OK [UIDVALIDITY 3857529045] UIDs valid", "* OK [UIDVALIDITY 3857529045] 'UIDs valid'"},
        {"* OK [PERMANENTFLAGS (\\Deleted \\Seen \\*)] Limited",
         "* OK [PERMANENTFLAGS (\\Deleted \\Seen \\*)] 'Limited'"},
        {"A003 OK [COPYUID 38505 304,319:320 3956:3958] Done", "A003 OK [COPYUID 38505 304,319:320 3956:3958] 'Done'"},
        {"a OK [BADURL \"a]b\"] x", "a OK [BADURL \"a]b\"] 'x'"},
        {"a NO [ODD )(] x", "a NO [ODD ?)(?] 'x'"},
        {"a NO [not closed", "a NO '[not closed'"},
        {"a NO [] x", "a NO '[] x'"},
        {"* CAPABILITY IMAP4rev2 STARTTLS AUTH=GSSAPI", "* CAPABILITY IMAP4rev2 STARTTLS AUTH=GSSAPI"},
        {"* 172 EXISTS", "* 172 EXISTS"},
        {"* 44 expunge", "* 44 expunge"},
        {"* FLAGS (\\Answered \\Seen $Junk)", "* FLAGS (\\Answered \\Seen $Junk)"},
        {"* LIST (\\Marked) \"\\\\\" {3}\r\na b", "* LIST (\\Marked) \"\\\" \"a b\""},
        {"* LIST () NIL nil", "* LIST () NIL NIL"},
        {"* STATUS blurdybloop (MESSAGES 231 UIDNEXT 44292)", "* STATUS blurdybloop (MESSAGES 231 UIDNEXT 44292)"},
        {"* SEARCH 2 3 6 (MODSEQ 917162500)", "* SEARCH 2 3 6 (MODSEQ 917162500)"},
        {"* SEARCH", "* SEARCH"},
        {"* THREAD (2)(3 6 (4 23)(44 7 96))", "* THREAD (2) (3 6 (4 23) (44 7 96))"},
        {"* NAMESPACE ((\"\" \"/\")) NIL NIL", "* NAMESPACE ((\"\" \"/\")) NIL NIL"},
        {"* 12 FETCH (BODY[HEADER.FIELDS (DATE \"x]\")]<0> {3}\r\na\r\n UID 5)",
         "* 12 FETCH (BODY[HEADER.FIELDS (DATE \"x]\")]<0> \"a\r\n\" UID 5)"},
        {"* 12 FETCH (BINARY[1] ~{2}\r\nab BINARY.SIZE[1] 2)", "* 12 FETCH (BINARY[1] \"ab\" BINARY.SIZE[1] 2)"},
        {"* 1 FETCH (BODYSTRUCTURE ((\"text\" \"plain\" NIL NIL)(\"a\" \"b\") \"mixed\"))",
         "* 1 FETCH (BODYSTRUCTURE ((\"text\" \"plain\" NIL NIL) (\"a\" \"b\") \"mixed\"))"},
    };
    struct arena *a = arena_new(NULL, 0);
    struct buf b = BUF(1000);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct imap_response r;
        if (imap_response_parse(a, str_c(rows[i].response), &r)) fail_msg("%s", rows[i].response);
        buf_clear(&b);
        show_response(&b, &r);
        assert_str(buf_str(&b), str_c(rows[i].means));
        for (size_t n = 0; n < strlen(rows[i].response); n++) { /* cut anywhere, nothing is read behind the end */
            char *cut = malloc(n + 1);
            memcpy(cut, rows[i].response, n);
            buf_clear(&b);
            if (imap_response_parse(a, str_of(cut, n), &r) == 0) show_response(&b, &r);
            free(cut);
        }
    }
    buf_free(&b);
    arena_free(a);
}

static void refuses_what_is_none(void **state)
{
    (void)state;
    static const struct str rows[] = {
        S_INIT(""),           S_INIT("*"),        S_INIT("* "),
        S_INIT("* 5"),        S_INIT("* ("),      S_INIT("a1"),
        S_INIT("a1 FETCH"),   S_INIT("* LIST ("), S_INIT("* LIST ())"),
        S_INIT("* LIST \"a"), S_INIT("* 1 FETCH (BODY[] {5}\r\nabc)"),
    };
    struct arena *a = arena_new(NULL, 4 << 20);
    struct imap_response r;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (imap_response_parse(a, rows[i], &r) == 0) fail_msg("%.*s", STR_FMT(rows[i]));
    struct buf deep = BUF(1 << 20);
    buf_lit(&deep, "* X ");
    for (int i = 0; i < 1000000; i++) buf_char(&deep, '(');
    assert_int_equal(imap_response_parse(a, buf_str(&deep), &r), ERR_SYNTAX);
    buf_free(&deep);
    arena_free(a);
}

static void knows_literals(void **state)
{
    (void)state;
    static const struct {
        struct str so_far;
        bool goes_on;
    } rows[] = {
        {S_INIT("* 1 FETCH (BODY[] {5}"), true},
        {S_INIT("* 1 FETCH (BODY[] {5}\r\nabcde BINARY[1] ~{7}"), true},
        {S_INIT("* LIST () \"/\" {5}"), true},
        {S_INIT("* OK look: {5}"), false},
        {S_INIT("a NO {5}"), false},
        {S_INIT("+ {5}"), false},
        {S_INIT("* 1 FETCH (UID 5)"), false},
        {S_INIT("{5}"), false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct imap_literal l;
        if (imap_response_literal(rows[i].so_far, &l) != rows[i].goes_on) fail_msg("%.*s", STR_FMT(rows[i].so_far));
    }
}

static struct imap_response parsed(struct arena *a, const char *text)
{
    struct imap_response r;
    if (imap_response_parse(a, str_c(text), &r)) fail_msg("%s", text);
    return r;
}

static void reads_fetched_letters(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct imap_fetched f;
    struct imap_response r =
        parsed(a, "* 23 FETCH (FLAGS (\\Seen $Junk own \\Recent \\Odd) UID 4827313 RFC822.SIZE 44827 "
                  "INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" MODSEQ (624140003) X-GM-MSGID 7 "
                  "BODY[] {3}\r\na\nb)");
    assert_true(imap_fetched(a, &r, &f));
    assert_true(f.number == 23 && f.uid == 4827313 && f.has_size && f.size == 44827 && f.modseq == 624140003);
    assert_true(f.has_flags && f.flags.known == (FLAG_SEEN | FLAG_JUNK) && f.flags.keywords.n == 1 && f.recent);
    assert_str(f.flags.keywords.v[0], S("own"));
    assert_true(f.has_date && f.offset == -420 && f.date == SECONDS(INT64_C(837596665)));
    assert_str(f.body, S("a\nb"));
    assert_str(imap_value_after(f.all, S("x-gm-msgid"))->text, S("7"));
    r = parsed(a, "* 25996 UIDFETCH (FLAGS () INTERNALDATE \"rubbish\" RFC822 NIL)");
    assert_true(imap_fetched(a, &r, &f) && f.number == 0 && f.uid == 25996 && !f.has_date && str_is_none(f.body));
    static const char *const wrong[] = {
        "* 0 FETCH (UID 1)",  "* 1 FETCH UID",       "* 1 FETCH (UID)",       "* 1 FETCH (UID 0)",
        "* 1 FETCH (UID x)",  "* 1 FETCH (FLAGS 1)", "* 1 FETCH (MODSEQ 1)",  "* 1 FETCH (\"UID\" 1)",
        "* 1 FETCH",          "* FETCH (UID 1)",     "* 1 FETCH (BODY[] ())", "* 1 EXISTS",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        r = parsed(a, wrong[i]);
        if (imap_fetched(a, &r, &f)) fail_msg("%s", wrong[i]);
    }
    arena_free(a);
}

static void reads_mailboxes(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct imap_listed l;
    struct imap_response r = parsed(a, "* LIST (\\HasNoChildren \\Sent) \"/\" \"Sent Items\"");
    assert_true(imap_listed(&r, &l) && l.separator == '/' && imap_values_have(l.attributes, S("\\sent")));
    assert_str(l.name, S("Sent Items"));
    r = parsed(a, "* LSUB () NIL nil");
    assert_true(imap_listed(&r, &l) && l.separator == 0);
    assert_str(l.name, S("nil"));
    r = parsed(a, "* LIST \"/\" x");
    assert_false(imap_listed(&r, &l));
    struct str mailbox;
    const struct imap_value *items;
    uint64_t n;
    r = parsed(a, "* STATUS \"a b\" (MESSAGES 17 UIDNEXT 9)");
    assert_true(imap_status_of(&r, &mailbox, &items));
    assert_str(mailbox, S("a b"));
    assert_true(imap_value_number(imap_value_after(items, S("UIDNEXT")), UINT32_MAX, &n) && n == 9);
    assert_null(imap_value_after(items, S("17")));
    struct str prefix;
    char separator;
    r = parsed(a, "* NAMESPACE ((\"INBOX.\" \".\")) ((\"~\" \"/\")(\"x\" NIL)) NIL");
    assert_true(imap_namespace_of(&r, 0, &prefix, &separator) && separator == '.');
    assert_str(prefix, S("INBOX."));
    assert_true(imap_namespace_of(&r, 1, &prefix, &separator) && separator == '/');
    assert_false(imap_namespace_of(&r, 2, &prefix, &separator));
    assert_false(imap_namespace_of(&r, 3, &prefix, &separator));
    arena_free(a);
}

static void assert_set(const struct uid_set *s, const char *wanted)
{
    struct buf b = BUF(1000);
    imap_put_set(&b, s);
    assert_str(buf_str(&b), str_c(wanted));
    buf_free(&b);
}

static void reads_numbers(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct uid_set s;
    uint64_t modseq;
    struct imap_response r = parsed(a, "* SEARCH 7 2 5 6 (MODSEQ 917162500)");
    assert_true(imap_searched(a, &r, &s, &modseq) && modseq == 917162500);
    assert_set(&s, "2,5:7");
    r = parsed(a, "* SEARCH 0");
    assert_false(imap_searched(a, &r, &s, &modseq));
    struct imap_esearched e;
    r = parsed(a, "* ESEARCH (TAG \"A283\") UID MIN 2 MAX 47 COUNT 25 ALL 2,10:11 MODSEQ 7 PARTIAL (1:9 NIL)");
    assert_true(imap_esearched(a, &r, &e) && e.uid && e.min == 2 && e.max == 47 && e.count == 25 && e.modseq == 7);
    assert_str(e.tag, S("A283"));
    assert_set(&e.all, "2,10:11");
    assert_non_null(imap_value_after(e.items, S("PARTIAL")));
    r = parsed(a, "* ESEARCH");
    assert_true(imap_esearched(a, &r, &e) && !e.uid && !e.has_all && str_is_none(e.tag));
    r = parsed(a, "* ESEARCH UID ALL 1:*");
    assert_false(imap_esearched(a, &r, &e));
    bool earlier;
    r = parsed(a, "* VANISHED (EARLIER) 41,43:116");
    assert_true(imap_vanished(a, &r, &earlier, &s) && earlier);
    assert_set(&s, "41,43:116");
    r = parsed(a, "* VANISHED 405,407");
    assert_true(imap_vanished(a, &r, &earlier, &s) && !earlier);
    r = parsed(a, "* VANISHED");
    assert_false(imap_vanished(a, &r, &earlier, &s));
    r = parsed(a, "* OK [COPYUID 38505 304,319:320 3956:3958] Done");
    assert_true(str_eq(r.code, S("COPYUID")) && imap_value_set(a, r.codes->next->next, &s));
    assert_set(&s, "3956:3958");
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_responses),       cmocka_unit_test(refuses_what_is_none),
        cmocka_unit_test(knows_literals),        cmocka_unit_test(reads_fetched_letters),
        cmocka_unit_test(reads_mailboxes),       cmocka_unit_test(reads_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
