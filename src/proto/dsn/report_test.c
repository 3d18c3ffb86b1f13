/* Reports as they are written: read back with our own parsers, legible, and no stranger's words become anything else.
 */
#include "proto/dsn/report.h"

#include "base/digest.h"
#include "base/test.h"
#include "mail/limits.h"
#include "proto/dsn/explain.h"
#include "proto/dsn/report_check.h"
#include "proto/imf/encoded_word.h"
#include "proto/mime/decode.h"
#include "proto/mime/write.h"

#define NOW SECONDS(INT64_C(1795860000)) /* Sat, 28 Nov 2026 10:00:00 */

static struct arena *a;

static int set_up(void **state)
{
    (void)state;
    a = arena_new(NULL, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(a);
    return 0;
}

static struct str written(const struct dsn_report *r)
{
    struct buf *b = buf_in(a, 64 << 20);
    dsn_put(b, a, r);
    assert_int_equal(b->failed, 0);
    const char *wrong = dsn_check(a, r, buf_str(b));
    if (wrong) fail_msg("%s:\n%.*s", wrong, STR_FMT(buf_str(b)));
    return buf_str(b);
}

/* The n-th part, decoded. */
static struct str part(struct str letter, size_t nth)
{
    const struct mime_part *p = mime_parse(a, letter)->root->first;
    for (; nth; nth--) p = p->next;
    struct buf *b = buf_in(a, 64 << 20);
    mime_decode(p->encoding, check_body(letter, p), b);
    return buf_str(b);
}

static struct str field(struct str letter, struct str name)
{
    struct imf_field f;
    size_t from = 0;
    if (!imf_find_field(letter, name, &from, &f)) return STR_NONE;
    return imf_decode_text(a, imf_unfold(a, f.body, 10000));
}

static void contains(struct str text, const char *wanted, int line)
{
    if (str_find(text, str_c(wanted)) < text.n) return;
    print_error("line %d: not in it: %s\nin: %.*s\n", line, wanted, STR_FMT(text));
    fail();
}
#define assert_contains(text, wanted) contains((text), (wanted), __LINE__)

static const struct dsn_recipient refused = {.final = {S_INIT("bob"), S_INIT("elsewhere.example")},
                                             .action = DSN_FAILED,
                                             .status = {5, 1, 1},
                                             .remote_host = S_INIT("mx.elsewhere.example"),
                                             .remote_ip = {4, {203, 0, 113, 9}},
                                             .diagnostic = S_INIT("550 5.1.1 no such user"),
                                             .reason = S_INIT("The mail server there refused it."),
                                             .last_attempt = NOW};

static struct dsn_report report_of(const struct dsn_recipient *v, size_t n)
{
    return (struct dsn_report){.hostname = S("mail.example.org"),
                               .from = {S("MAILER-DAEMON"), S("mail.example.org")},
                               .to = {S("alice"), S("example.org")},
                               .message_id = S("2@mail.example.org"),
                               .in_reply_to = S("1@example.org"),
                               .now = NOW,
                               .arrived = NOW - HOURS(1),
                               .envid = S("QQ314159"),
                               .subject = S("Lunch"),
                               .queue_id = 1,
                               .v = v,
                               .n = n,
                               .returned = S("Subject: Lunch\r\nFrom: alice@example.org\r\n")};
}

/* A whole report, as people and programs get it. */
static void test_a_whole_report(void **state)
{
    (void)state;
    struct dsn_report r = report_of(&refused, 1);
    struct str letter = written(&r);
    assert_str(field(letter, S("From")), S("Mail Delivery System <MAILER-DAEMON@mail.example.org>"));
    assert_str(field(letter, S("To")), S("alice@example.org"));
    assert_str(field(letter, S("Subject")), S("Not delivered: Lunch"));
    assert_str(field(letter, S("Date")), S("Sat, 28 Nov 2026 10:00:00 +0000"));
    assert_str(field(letter, S("Message-ID")), S("<2@mail.example.org>"));
    assert_str(field(letter, S("In-Reply-To")), S("<1@example.org>"));
    assert_str(field(letter, S("References")), S("<1@example.org>"));
    assert_str(field(letter, S("Auto-Submitted")), S("auto-replied"));
    assert_str(part(letter, 0),
               S("Your letter could not be delivered to:\r\n\r\n"
                 "    bob@elsewhere.example\r\n"
                 "    The mail server there refused it.\r\n"
                 "    There is no such mailbox. Please check the part of the address before\r\n    the @.\r\n"
                 "    The server mx.elsewhere.example (203.0.113.9) said:\r\n"
                 "        550 5.1.1 no such user\r\n\r\n"
                 "It is not tried again. Once the cause is mended, please send the letter\r\nanew.\r\n\r\n"
                 "The letter in question:\r\n\r\n"
                 "    Subject: Lunch\r\n"
                 "    Taken in: Sat, 28 Nov 2026 09:00:00 +0000\r\n"
                 "    Number: 0000000000001\r\n\r\n"
                 "Its header is attached.\r\n"
                 "This report was made by the mail server of mail.example.org, not by a\r\n"
                 "person. If you need help, write to postmaster@mail.example.org and say the\r\nnumber above.\r\n"));
    assert_str(part(letter, 1), S("Original-Envelope-Id: QQ314159\r\n"
                                  "Reporting-MTA: dns; mail.example.org\r\n"
                                  "X-Queue-ID: 0000000000001\r\n"
                                  "Arrival-Date: Sat, 28 Nov 2026 09:00:00 +0000\r\n\r\n"
                                  "Final-Recipient: rfc822; bob@elsewhere.example\r\n"
                                  "Action: failed\r\n"
                                  "Status: 5.1.1\r\n"
                                  "Remote-MTA: dns; mx.elsewhere.example (203.0.113.9)\r\n"
                                  "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n"
                                  "Last-Attempt-Date: Sat, 28 Nov 2026 10:00:00 +0000\r\n"));
    assert_str(part(letter, 2), r.returned);
}

/* Nothing is known but the address. */
static void test_the_least_report(void **state)
{
    (void)state;
    static const struct {
        enum dsn_action action;
        const char *name, *subject, *status;
    } cases[] = {
        {DSN_FAILED, "failed", "Not delivered", "5.0.0"},    {DSN_DELAYED, "delayed", "Delayed", "4.0.0"},
        {DSN_DELIVERED, "delivered", "Delivered", "2.0.0"},  {DSN_RELAYED, "relayed", "Passed on", "2.0.0"},
        {DSN_EXPANDED, "expanded", "Passed on to a list", "2.0.0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dsn_recipient to = {.final = refused.final, .action = cases[i].action};
        struct dsn_report r = {.hostname = S("h.example"), .from = {S("MAILER-DAEMON"), S("h.example")},
                               .to = {S("alice"), S("example.org")}, .message_id = S("1@h.example"), .now = NOW,
                               .v = &to, .n = 1};
        struct str letter = written(&r);
        assert_str(field(letter, S("Subject")), str_c(cases[i].subject));
        assert_str(
            part(letter, 1),
            arena_printf(a,
                         "Reporting-MTA: dns; h.example\r\n\r\nFinal-Recipient: rfc822; bob@elsewhere.example\r\n"
                         "Action: %s\r\nStatus: %s\r\n",
                         cases[i].name, cases[i].status));
    }
}

/* The most urgent of several gives the subject; each kind has its words once. */
static void test_several_fates(void **state)
{
    (void)state;
    struct dsn_recipient v[] = {refused, refused, refused, refused};
    v[0].action = DSN_DELIVERED;
    v[1].action = DSN_DELAYED;
    v[1].will_retry_until = NOW + DAYS(4);
    v[2].action = DSN_RELAYED;
    v[3].original = S("rfc822;robert@example.net");
    struct dsn_report r = report_of(v, 4);
    struct str letter = written(&r), words = part(letter, 0), status = part(letter, 1);
    assert_str(field(letter, S("Subject")), S("Not delivered: Lunch"));
    size_t failed = str_find(words, S("could not be delivered")), delayed = str_find(words, S("not arrived yet"));
    assert_true(failed < delayed && delayed < str_find(words, S("was delivered to")));
    assert_contains(words, "(to which robert@example.net leads)");
    assert_contains(words, "It is tried until Wed, 2 Dec 2026 10:00:00 +0000.");
    assert_contains(status, "Will-Retry-Until: Wed, 2 Dec 2026 10:00:00 +0000\r\n");
    assert_contains(status, "Original-Recipient: rfc822; robert@example.net\r\n");
    r.n = 2;
    assert_str(field(written(&r), S("Subject")), S("Delayed: Lunch"));
}

static void test_to_the_owner_of_an_alias(void **state)
{
    (void)state;
    struct dsn_report r = report_of(&refused, 1);
    r.to_owner = true;
    struct str letter = written(&r), words = part(letter, 0);
    assert_str(field(letter, S("Subject")), S("Not passed on: Lunch"));
    assert_contains(words, "A letter to an address of yours could not be passed on to:");
    assert_int_equal(str_find(words, S("Your letter")), words.n);
}

/* RFC 6533: forms for addresses that are not ASCII. */
static void test_scripts(void **state)
{
    (void)state;
    struct dsn_recipient to = refused;
    to.final = (struct address){S("j\xC3\xBCrgen+x"), S("b\xC3\xBC"
                                                        "cher.example")};
    to.original = S("utf-8;j\xC3\xBCrgen@x.example");
    struct dsn_report r = report_of(&to, 1);
    r.subject = S("Gr\xC3\xBC\xC3\x9F"
                  "e");
    struct str letter = written(&r);
    assert_true(str_is_ascii(letter));
    assert_contains(part(letter, 0), "    j\xC3\xBCrgen+x@b\xC3\xBC"
                                     "cher.example\r\n");
    assert_contains(part(letter, 1), "Final-Recipient: utf-8; j\\x{FC}rgen\\x{2B}x@b\\x{FC}cher.example\r\n");
    assert_contains(part(letter, 1), "Original-Recipient: utf-8; j\\x{FC}rgen@x.example\r\n");
    assert_str(field(letter, S("Subject")), S("Not delivered: Gr\xC3\xBC\xC3\x9F"
                                              "e"));
    r.utf8 = true;
    letter = written(&r);
    assert_contains(part(letter, 1), "Final-Recipient: utf-8; j\xC3\xBCrgen+x@b\xC3\xBC"
                                     "cher.example\r\n");
    assert_contains(letter, "Content-Type: message/global-delivery-status\r\n");

    r = report_of(&refused, 1); /* a reader whose name cannot be said in ASCII, and one whose domain can */
    r.to = (struct address){S("j\xC3\xBCrgen"), S("example.org")};
    assert_str(field(written(&r), S("To")), S("sender:;"));
    r.to = (struct address){S("al\0\r\nice"), S("example.org")};
    assert_str(field(written(&r), S("To")), S("sender:;"));
    r.to = (struct address){S("alice"), S("b\xC3\xBC"
                                          "cher.example")};
    assert_str(field(written(&r), S("To")), S("alice@xn--bcher-kva.example"));
    r.to = (struct address){S("j\xC3\xBCrgen"), S("example.org")};
    r.utf8 = true;
    assert_str(field(written(&r), S("To")), S("j\xC3\xBCrgen@example.org"));
}

/* What is returned is 8-bit, whole, not a letter at all. */
static void test_returned(void **state)
{
    static const struct {
        struct str bytes;
        bool whole, utf8;
        const char *type;
    } cases[] = {
        {S_INIT("Subject: a\r\n"), false, false, "text/rfc822-headers\r\n\r\n"},
        {S_INIT("Subject: \xC3\xBC\r\n"), false, false,
         "text/rfc822-headers\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"},
        {S_INIT("Subject: \xC3\xBC\r\n"), false, true,
         "message/global-headers\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"},
        {S_INIT("Subject: a\r\n\r\ntext\r\n"), true, false, "message/rfc822\r\n\r\n"},
        {S_INIT("Subject: a\r\n\r\nt\xE4xt\r\n"), true, true,
         "message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"},
        {S_INIT("Subject: \xC3\xBC\r\n\r\ntext\r\n"), true, true,
         "message/global\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"},
        {S_INIT("no header\r\n"), true, false, "message/rfc822\r\n\r\n"},
        {S_INIT("bare\nlines\n\nand\rCR and \0 NUL"), true, false, "message/rfc822\r\n\r\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dsn_report r = report_of(&refused, 1);
        r.returned = cases[i].bytes;
        r.returned_whole = cases[i].whole;
        r.utf8 = cases[i].utf8;
        assert_contains(written(&r), cases[i].type);
    }
    struct dsn_report r = report_of(&refused, 1);
    r.returned_whole = true;
    char *line = arena_alloc(a, 5000);
    memset(line, 'x', 5000);
    r.returned = arena_printf(a, "Subject: %.*s\r\n\r\n%.*s\r\n", 5000, line, 5000, line);
    struct str back = part(written(&r), 2);
    struct imf_header h = imf_header_of(back);
    assert_true(h.separated); /* the long field is folded and still one */
    assert_int_equal(field(back, S("Subject")).n, 5000 + 5); /* five folds */
}

/* A boundary that the letter has already. */
static void test_boundaries(void **state)
{
    (void)state;
    struct dsn_report r = report_of(&refused, 1);
    struct sha256 digest = sha256_of(r.message_id);
    uint64_t seed;
    memcpy(&seed, digest.b, sizeof seed);
    struct mime_boundary first = mime_boundary_of(seed, 0), second = mime_boundary_of(seed, 1);
    assert_contains(written(&r), arena_cstr(a, str_of(first.text, first.n)));
    r.returned = arena_printf(a, "Subject: a\r\n\r\n--%.*s\r\nx\r\n--%.*s--\r\n", (int)first.n, first.text,
                              (int)second.n, second.text);
    r.returned_whole = true;
    struct str letter = written(&r);
    struct mime_boundary third = mime_boundary_of(seed, 2);
    assert_contains(letter, arena_cstr(a, str_of(third.text, third.n)));
    assert_str(part(letter, 2), r.returned);
}

/* ---- strangers' words ---- */

static const struct str hostile[] = {
    S_INIT(""),
    S_INIT("a\r\nBcc: victim@example.org\r\n\r\nbuy this"),
    S_INIT("a\nAction: delivered"),
    S_INIT("a\rb\r\r\nc"),
    S_INIT("\0\1\2\3\4\5\6\7\b\t\n\v\f\r\x1b[31m\x7f"),
    S_INIT("\x80\x81\xfe\xff\xc3"),
    S_INIT("\xC2\x85\xC2\x9B\xE2\x80\xA8\xEF\xBB\xBF"), /* NEL, CSI, line separator, BOM */
    S_INIT("=?utf-8?q?a=0D=0ABcc:_victim?= =?utf-8?b?DQpCY2M6IHg=?="),
    S_INIT("--=_\r\n--\r\n\r\n--x--"),
    S_INIT("<a@b> <c@d>, \"e\" (f) ;:\\"),
    S_INIT("   "),
    S_INIT(";;;"),
    S_INIT(";"),
    S_INIT("rfc822;"),
    S_INIT("a\r\n;b@c"),
    S_INIT("%s%n%d"),
    S_INIT("\n\n\n\n\n"),
    S_INIT("."),
    S_INIT("\r\n.\r\nMAIL FROM:<x>"),
};

static void test_hostile_words(void **state)
{
    (void)state;
    char *longest = arena_alloc(a, 40000);
    memset(longest, 'w', 40000);
    for (size_t i = 0; i <= sizeof hostile / sizeof *hostile; i++)
        for (unsigned where = 1; where < 1 << 9; where <<= 1) {
            struct str word = i < sizeof hostile / sizeof *hostile ? hostile[i] : str_of(longest, 40000);
            struct dsn_recipient to = refused;
            struct dsn_report r = report_of(&to, 1);
            if (where & 1) r.subject = word;
            if (where & 2) r.envid = word;
            if (where & 4) r.in_reply_to = word;
            if (where & 8) to.diagnostic = word;
            if (where & 16) to.reason = word;
            if (where & 32) to.original = word;
            if (where & 64) to.remote_host = word;
            if (where & 128) to.final.local = word;
            if (where & 256) r.returned = word;
            struct str letter = written(&r);
            assert_int_equal(str_find(letter, S("\nBcc:")) < letter.n, where == 256 && i == 1);
            r.utf8 = true;
            written(&r);
            r.returned_whole = true;
            written(&r);
        }
}

/* A thousand recipients, each refused at length. */
static void test_many(void **state)
{
    (void)state;
    struct dsn_recipient *v = arena_array(a, 1000, sizeof *v);
    char *words = arena_alloc(a, LIMIT_SMTP_REPLY);
    for (int i = 0; i < LIMIT_SMTP_REPLY; i++) words[i] = i % 60 == 59 ? '\n' : 'r';
    for (int i = 0; i < 1000; i++) {
        v[i] = refused;
        v[i].diagnostic = str_of(words, i < 10 ? LIMIT_SMTP_REPLY : 100);
    }
    struct dsn_report r = report_of(v, 1000);
    written(&r);
}

/* ---- explanations ---- */

static void test_explanations(void **state)
{
    (void)state;
    for (unsigned class = 0; class < 6; class ++)
        for (uint16_t subject = 0; subject < 12; subject++)
            for (uint16_t detail = 0; detail < 40; detail++) {
                struct str s = dsn_explain((struct status){(uint8_t) class, subject, detail});
                assert_true(s.n > 10 && s.p[s.n - 1] == '.' && str_is_ascii(s) && s.p[0] >= 'A' && s.p[0] <= 'Z');
            }
    assert_str(dsn_explain(E(5, 2, 2)), S("The mailbox is full. Its owner has to make room first."));
    assert_str(dsn_explain(E(5, 2, 99)), dsn_explain(E(5, 2, 0))); /* of one nobody knows, what its subject says */
    assert_str(dsn_explain(E(4, 99, 1)), S("The other side could not take it just now."));
    assert_str(dsn_explain(E(5, 99, 1)), S("The other side refused it."));
    assert_str(dsn_explain(E(2, 0, 0)), S("All is well."));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_report), cmocka_unit_test(test_the_least_report),
        cmocka_unit_test(test_several_fates),  cmocka_unit_test(test_to_the_owner_of_an_alias),
        cmocka_unit_test(test_scripts),        cmocka_unit_test(test_returned),
        cmocka_unit_test(test_boundaries),     cmocka_unit_test(test_hostile_words),
        cmocka_unit_test(test_many),           cmocka_unit_test(test_explanations),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
