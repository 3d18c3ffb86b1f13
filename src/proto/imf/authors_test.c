/* Who wrote it: honest letters pass, everything known to show different readers different authors does not.
 * The refusals follow the attacks of "Composition Kills" (USENIX Security 2020) and of espoofer, each with ways to
 * write it. */
#include "base/test.h"
#include "proto/imf/address_list.h"

static const struct {
    struct str header;
    const char *authors; /* addresses with spaces between, NULL: refused */
    size_t from;
} cases[] = {
    {S_INIT("From: a@x.org\r\n\r\n"), "a@x.org ", 1},
    {S_INIT("Subject: s\r\nfrom: \"A, B\" <a@x.org>\r\n\r\nFrom: no@y\r\n"), "a@x.org ", 1},
    {S_INIT("From: a@x.org\r\nSender: b@x.org\r\n\r\n"), "a@x.org b@x.org ", 1},
    {S_INIT("From: a@x.org, B <b@x.org>\r\nSender: c@x.org\r\n\r\n"), "a@x.org b@x.org c@x.org ", 2},
    {S_INIT("From: =?utf-8?q?J=C3=B6rg_=28home=29?= <j@x.org>\r\n"), "j@x.org ", 1},
    {S_INIT("From: \"me@x.org\" <me@x.org>\r\n\r\n"), "me@x.org ", 1},
    {S_INIT("From: A\r\n <a@x.org>\r\n\r\n"), "a@x.org ", 1},
    {S_INIT("From: a@x.org (A at home)\r\n\r\n"), "a@x.org ", 1},
    {S_INIT("From: \"a b\"@x.org\r\n\r\n"), "\"a b\"@x.org ", 1},
    /* none, or several */
    {S_INIT("Subject: s\r\n\r\n"), NULL, 0},
    {S_INIT(""), NULL, 0},
    {S_INIT("From:\r\n\r\n"), NULL, 0},
    {S_INIT("From: <>\r\n\r\n"), NULL, 0},
    {S_INIT("From: a\r\n\r\n"), NULL, 0},
    {S_INIT("From: A <a>\r\n\r\n"), NULL, 0},
    {S_INIT("From: a@x.org\r\nFrom: admin@y\r\n\r\n"), NULL, 0},
    {S_INIT("From: a@x.org\r\nfROM: a@x.org\r\n\r\n"), NULL, 0},
    {S_INIT("From: a@x.org, b@y.org\r\n\r\n"), NULL, 0}, /* RFC 5322 §3.6.2 wants a Sender */
    {S_INIT("From: a@x.org\r\nSender: a@x.org, b@x.org\r\n\r\n"), NULL, 0},
    {S_INIT("From: a@x.org\r\nSender: a@x.org\r\nSender: b@x.org\r\n\r\n"), NULL, 0},
    {S_INIT("From: a@x.org\r\nSender: nobody\r\n\r\n"), NULL, 0},
    /* fields that only some readers take for From */
    {S_INIT("From : a@x.org\r\n\r\n"), NULL, 0},
    {S_INIT("From: a@x.org\r\nFrom : admin@y\r\n\r\n"), NULL, 0},
    {S_INIT(" From: admin@y\r\nFrom: a@x.org\r\n\r\n"), NULL, 0},
    {S_INIT("From\r\n : admin@y\r\nFrom: a@x.org\r\n\r\n"), NULL, 0},
    {S_INIT("From\xC2\xA0: admin@y\r\nFrom: a@x.org\r\n\r\n"), NULL, 0},
    {S_INIT("\0From: admin@y\r\nFrom: a@x.org\r\n\r\n"), NULL, 0},
    {S_INIT("From: a@x.org\r\njunk\r\nFrom: admin@y\r\n\r\n"), NULL, 0},
    {S_INIT("From: a@x.org\r\nX: y\rFrom: admin@y\r\n\r\n"), NULL, 0},
    {S_INIT("From: a@x.org\r\nX: y\0z\r\n\r\n"), NULL, 0},
    {S_INIT("From admin@y Mon\r\nFrom: a@x.org\r\n\r\n"), NULL, 0},
    /* lists that break apart differently */
    {S_INIT("From: <admin@y>, <a@x.org>\r\n\r\n"), NULL, 0},
    {S_INIT("From: admin@y, , a@x.org\r\nSender: a@x.org\r\n\r\n"), NULL, 0},
    {S_INIT("From: <admin@y><a@x.org>\r\nSender: a@x.org\r\n\r\n"), NULL, 0},
    {S_INIT("From: <admin@y> <a@x.org>\r\nSender: a@x.org\r\n\r\n"), NULL, 0},
    {S_INIT("From: admin@y <a@x.org>\r\n\r\n"), NULL, 0},
    {S_INIT("From: <a@x.org> admin@y\r\n\r\n"), NULL, 0},
    {S_INIT("From: <@admin@y,@b:a@x.org>\r\n\r\n"), NULL, 0},
    {S_INIT("From: <@y,@z:a@x.org>\r\n\r\n"), NULL, 0},
    {S_INIT("From: admin@y,a@x.org;\r\nSender: a@x.org\r\n\r\n"), NULL, 0},
    {S_INIT("From: group: a@x.org;\r\n\r\n"), NULL, 0},
    {S_INIT("From: admin@y:a@x.org\r\n\r\n"), NULL, 0},
    {S_INIT("From: a@x.org@y\r\n\r\n"), NULL, 0},
    {S_INIT("From: a@x.org \\\r\n\r\n"), NULL, 0},
    {S_INIT("From: admin@y\0@x.org\r\n\r\n"), NULL, 0},
    {S_INIT("From: admin@y\\,a@x.org\r\n\r\n"), NULL, 0},
    /* comments and quotes */
    {S_INIT("From: (<admin@y>) a@x.org\r\n\r\n"), NULL, 0},
    {S_INIT("From: a(<admin@y>)@x.org\r\n\r\n"), NULL, 0},
    {S_INIT("From: admin@y(a@x.org\r\n\r\n"), NULL, 0},
    {S_INIT("From: \"<admin@y>\" <a@x.org>\r\n\r\n"), NULL, 0},
    {S_INIT("From: \"admin@y\"@x.org\r\n\r\n"), NULL, 0},
    {S_INIT("From: \"<admin@y>,\"@x.org\r\n\r\n"), NULL, 0},
    {S_INIT("From: \"open <a@x.org>\r\n\r\n"), NULL, 0},
    /* encoded words */
    {S_INIT("From: =?utf-8?b?PGFkbWluQHk+?= <a@x.org>\r\n\r\n"), NULL, 0}, /* <admin@y> */
    {S_INIT("From: =?utf-8?q?admin=40y?=\r\n\r\n"), NULL, 0},
    {S_INIT("From: =?utf-8?q?admin=40y=2C?=a@x.org\r\n\r\n"), NULL, 0},
    {S_INIT("From: <=?utf-8?q?admin=40y=00?=@x.org>\r\n\r\n"), NULL, 0},
    {S_INIT("From: \"=?utf-8?q?admin?=\"@x.org\r\n\r\n"), NULL, 0},
    {S_INIT("From: A\xFF <a@x.org>\r\n\r\n"), NULL, 0},
};

static void test_authors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *a = arena_new(NULL, 0);
        struct imf_authors who;
        struct error e = {0};
        int r = imf_authors(a, cases[i].header, &who, &e);
        if (!cases[i].authors) {
            if (r != ERR_SYNTAX || e.code != ERR_SYNTAX || !e.text[0])
                fail_msg("passed: %.*s", STR_FMT(cases[i].header));
        } else {
            struct buf *b = buf_in(a, 1000);
            if (r) fail_msg("refused (%s): %.*s", e.text, STR_FMT(cases[i].header));
            for (size_t k = 0; k < who.n; k++) {
                address_put(b, who.v[k]);
                buf_char(b, ' ');
            }
            assert_str(buf_str(b), str_c(cases[i].authors));
            assert_int_equal(who.from, cases[i].from);
        }
        arena_free(a);
    }
}

/* Whatever byte stands anywhere in a From, the letter is refused or exactly one address of ours comes out of it. */
static void test_any_byte(void **state)
{
    (void)state;
    static const struct str base = S_INIT("From: B <a@x.org>\r\n\r\n");
    for (size_t at = 5; at < 17; at++)
        for (int c = 0; c < 256; c++) {
            char text[64];
            struct imf_authors who;
            memcpy(text, base.p, at);
            text[at] = (char)c;
            memcpy(text + at + 1, base.p + at, base.n - at);
            struct arena *a = arena_new(NULL, 0);
            if (imf_authors(a, str_of(text, base.n + 1), &who, NULL) == 0) {
                assert_int_equal(who.n, 1);
                assert_true(who.v[0].local.n > 0 && who.v[0].domain.n >= 5);
            }
            arena_free(a);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_authors), cmocka_unit_test(test_any_byte)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
