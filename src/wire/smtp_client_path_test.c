/* MAIL and RCPT as the client says them: parameters of the extensions that the server has, in their grammar; nothing in
 * an address or a parameter can end the line or begin another parameter; and our own parser reads what was meant. */
#include "base/test.h"

#include "base/utf8.h"
#include "proto/smtp/command.h"
#include "wire/smtp_client_core.h"

enum { EVERYTHING = 0xfff };

static void same_status(struct status a, struct status b)
{
    assert_true(a.class == b.class && a.subject == b.subject && a.detail == b.detail);
}

static void mail(unsigned offers, bool utf8, struct reverse_path from, const char *expected, struct status why)
{
    struct arena *a = arena_new(NULL, 0);
    struct buf *b = buf_in(a, LIMIT_SMTP_LINE);
    struct smtp_client c = {.offers = offers};
    struct smtp_outgoing o = {.arena = a, .from = from, .size = 7, .utf8 = utf8, .eightbit = true};
    struct smtp_unsayable unsayable = {0};
    buf_lit(b, "x");
    bool said = smtp_client_put_mail(&c, &o, b, &unsayable);
    assert_int_equal(said, expected != NULL);
    assert_str(str_skip(buf_str(b), 1), str_c(expected));
    if (!said) same_status(unsayable.status, why);
    arena_free(a);
}

static void rcpt(unsigned offers, bool utf8, struct forward_path to, const char *expected, struct status why)
{
    struct arena *a = arena_new(NULL, 0);
    struct buf *b = buf_in(a, LIMIT_SMTP_LINE);
    struct smtp_client c = {.offers = offers};
    struct smtp_outgoing o = {.arena = a, .to = &to, .n = 1, .utf8 = utf8};
    struct smtp_unsayable unsayable = {0};
    bool said = smtp_client_put_rcpt(&c, &o, 0, b, &unsayable);
    assert_int_equal(said, expected != NULL);
    assert_str(buf_str(b), str_c(expected));
    if (!said) same_status(unsayable.status, why);
    arena_free(a);
}

#define FROM(l, d) ((struct reverse_path){.address = {S(l), S(d)}})
#define TO(l, d) ((struct forward_path){.address = {S(l), S(d)}})

static void senders(void **state)
{
    (void)state;
    struct reverse_path from = FROM("a", "b.test");
    mail(0, false, from, "MAIL FROM:<a@b.test>\r\n", E_NONE);
    mail(0, false, (struct reverse_path){0}, "MAIL FROM:<>\r\n", E_NONE);
    mail(SMTP_OFFERS_SIZE | SMTP_OFFERS_8BITMIME, true, from, "MAIL FROM:<a@b.test> SIZE=7 BODY=8BITMIME\r\n", E_NONE);
    from.ret = DSN_RET_HDRS;
    from.envid = S("QQ=\r\n +1");
    from.auth = S("x@y"); /* never said: nobody here vouches for it */
    mail(SMTP_OFFERS_DSN, false, from, "MAIL FROM:<a@b.test> RET=HDRS ENVID=QQ+3D+0D+0A+20+2B1\r\n", E_NONE);
    mail(SMTP_OFFERS_SMTPUTF8, true, FROM("j\xc3\xb6", "b\xc3\xbc.test"),
         "MAIL FROM:<j\xc3\xb6@b\xc3\xbc.test> SMTPUTF8\r\n", E_NONE);
    mail(0, true, FROM("j", "b\xc3\xbc.test"), "MAIL FROM:<j@xn--b-eha.test>\r\n", E_NONE);
    mail(0, true, FROM("j\xc3\xb6", "b.test"), NULL, E(5, 6, 7));
    mail(SMTP_OFFERS_SMTPUTF8, true, FROM("j\xff", "b.test"), NULL, E(5, 1, 7));
    mail(0, false, FROM("a\r\nRSET", "b.test"), NULL, E(5, 1, 7));
    mail(0, false, FROM("a", "b.test> SIZE=1"), NULL, E(5, 1, 7));
    mail(0, false, FROM("a", "b\n.test"), NULL, E(5, 1, 7));
    mail(0, false, FROM("a > b", "b.test"), "MAIL FROM:<\"a > b\"@b.test>\r\n", E_NONE);
}

static void recipients(void **state)
{
    (void)state;
    struct forward_path to = TO("a", "[IPv6:2001:db8::1]");
    rcpt(EVERYTHING, false, to, "RCPT TO:<a@[IPv6:2001:db8::1]>\r\n", E_NONE);
    rcpt(0, false, TO("Postmaster", ""), "RCPT TO:<Postmaster>\r\n", E_NONE);
    rcpt(0, false, TO("", ""), NULL, E(5, 1, 3));
    rcpt(0, true, TO("\xc3\xb6", "b.test"), NULL, E(5, 6, 7));
    rcpt(0, false, TO("a\n", "b.test"), NULL, E(5, 1, 3));
    to = TO("a", "b.test");
    to.notify = DSN_NOTIFY_SUCCESS | DSN_NOTIFY_FAILURE | DSN_NOTIFY_DELAY;
    to.orcpt = S("rfc822;a+b =<c>\r\n@d.test");
    rcpt(0, false, to, "RCPT TO:<a@b.test>\r\n", E_NONE);
    rcpt(SMTP_OFFERS_DSN, false, to,
         "RCPT TO:<a@b.test> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;a+2Bb+20+3D<c>+0D+0A@d.test\r\n", E_NONE);
    to.notify = DSN_NOTIFY_NEVER;
    to.orcpt = S("utf-8;j\xc3\xb6rg@d.test");
    rcpt(SMTP_OFFERS_DSN, false, to, "RCPT TO:<a@b.test> NOTIFY=NEVER ORCPT=utf-8;j\\x{F6}rg@d.test\r\n", E_NONE);
    rcpt(SMTP_OFFERS_DSN | SMTP_OFFERS_SMTPUTF8, true, to,
         "RCPT TO:<a@b.test> NOTIFY=NEVER ORCPT=utf-8;j\xc3\xb6rg@d.test\r\n", E_NONE);
    static const char *const bad[] = {
        "x 1;a@b", ";a@b", "a@b", "rfc822;\xc3\xb6@b", "utf-8;\xff", "utf-8;\xc3\xb6 SIZE=1", "a\r\n;b"};
    to.notify = DSN_NOTIFY_UNSAID;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        to.orcpt = str_c(bad[i]);
        rcpt(EVERYTHING, true, to, "RCPT TO:<a@b.test>\r\n", E_NONE);
    }
}

static uint64_t seed = 1;
static uint64_t below(uint64_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % n;
}

static struct str random_text(struct arena *a, size_t max)
{
    static const struct str pieces[] = {S_INIT("a"),  S_INIT("b.c"), S_INIT("."),        S_INIT("@"),    S_INIT(" "),
                                        S_INIT("<"),  S_INIT(">"),   S_INIT("\""),       S_INIT("\\"),   S_INIT("\r\n"),
                                        S_INIT("\n"), S_INIT("\0"),  S_INIT("\xc3\xb6"), S_INIT("\xff"), S_INIT("="),
                                        S_INIT("+"),  S_INIT(";"),   S_INIT("\x7f"),     S_INIT("x"),    S_INIT("-")};
    struct buf *b = buf_in(a, 4096);
    for (size_t n = below(max); n; n--)
        buf_add(b, pieces[below(10) ? below(2) : below(sizeof pieces / sizeof *pieces)]);
    return buf_str(b);
}

static void read_as_they_are_meant(void **state)
{
    (void)state;
    int said = 0;
    for (int i = 0; i < 20000; i++) {
        struct arena *a = arena_new(NULL, 0);
        struct buf *b = buf_in(a, LIMIT_SMTP_LINE);
        struct smtp_client c = {.offers = (unsigned)below(EVERYTHING + 1)};
        struct smtp_outgoing o = {.arena = a, .size = 1, .utf8 = below(2)};
        struct forward_path to = {.address = {random_text(a, 8), random_text(a, 8)}, .notify = (unsigned)below(2) * 2};
        struct smtp_unsayable why;
        to.orcpt = arena_printf(a, "rfc822;%.*s", STR_FMT(random_text(a, 8)));
        o.from = (struct reverse_path){.address = to.address, .envid = random_text(a, 9)};
        o.to = &to;
        o.n = 1;
        bool mails = below(2),
             ok = mails ? smtp_client_put_mail(&c, &o, b, &why) : smtp_client_put_rcpt(&c, &o, 0, b, &why);
        if (ok) {
            struct str line = str_head(buf_str(b), b->n - 2);
            assert_true(str_ends(buf_str(b), S("\r\n")) && b->n < LIMIT_SMTP_LINE && !b->failed);
            for (size_t k = 0; k < line.n; k++) assert_true((unsigned char)line.p[k] >= ' ' && line.p[k] != 127);
            struct smtp_command parsed = smtp_parse(a, line);
            const struct address *got = mails ? &parsed.from.address : &parsed.to.address;
            if (parsed.error.code == 0) { /* many a domain is none */
                assert_str(got->local, to.address.local);
                said++;
            }
        }
        arena_free(a);
    }
    assert_true(said > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(senders),
        cmocka_unit_test(recipients),
        cmocka_unit_test(read_as_they_are_meant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
