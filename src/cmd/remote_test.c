/* URLs of other servers, and how mailboxes are called there and here. */
#include "base/test.h"
#include "cmd/remote_list.h"

static void urls(void **state)
{
    static const struct {
        const char *text, *user, *host, *mailbox;
        int port; /* 0: it is none */
        bool tls;
    } v[] = {
        {"imaps://ada@mail.example.net", "ada", "mail.example.net", "", 993, true},
        {"IMAP://ada@Mail.Example.Net:1143/", "ada", "mail.example.net", "", 1143, false},
        {"imap://ada@example.org@mail.example.net/INBOX", "ada@example.org", "mail.example.net", "INBOX", 143, false},
        {"imaps://ada%40example.org@[2001:db8::1]:94/inbox", "ada@example.org", "2001:db8::1", "INBOX", 94, true},
        {"imaps://a%3Ab;AUTH=*@[2001:db8::1]/W%c3%bc/x%20y//", "a:b", "2001:db8::1", "W\xc3\xbc/x y", 993, true},
        {"imaps://mail.example.net", NULL, NULL, NULL, 0, true},
        {"imaps://@mail.example.net", NULL, NULL, NULL, 0, true},
        {"imaps://ada:secret@mail.example.net", NULL, NULL, NULL, 0, true},
        {"imaps://ada@", NULL, NULL, NULL, 0, true},
        {"imaps://ada@:993", NULL, NULL, NULL, 0, true},
        {"imaps://ada@h:0", NULL, NULL, NULL, 0, true},
        {"imaps://ada@h:65536", NULL, NULL, NULL, 0, true},
        {"imaps://ada@h:x", NULL, NULL, NULL, 0, true},
        {"imaps://ada%4@h", NULL, NULL, NULL, 0, true},
        {"imaps://ada%zz@h", NULL, NULL, NULL, 0, true},
        {"imaps://ada@h/a%00b", NULL, NULL, NULL, 0, true},
    };
    struct arena *a = arena_new(NULL, 0);
    (void)state;
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        struct remote_url u;
        struct error e = {0};
        assert_true(remote_is_url(v[i].text));
        int error = remote_url(a, str_c(v[i].text), &u, &e);
        if ((error == 0) != (v[i].port != 0)) fail_msg("%s: %d %s", v[i].text, error, e.text);
        if (error) continue;
        assert_str(u.user, str_c(v[i].user));
        assert_str(u.host, str_c(v[i].host));
        assert_str(u.mailbox, str_c(v[i].mailbox));
        assert_int_equal(u.port, v[i].port);
        assert_int_equal(u.tls, v[i].tls);
    }
    assert_false(remote_is_url("/var/mail/ada") || remote_is_url("imap:/x") || remote_is_url("imap"));
    arena_free(a);
}

static void names(void **state)
{
    static const struct {
        const char *raw, *prefix, *name, *again; /* again: NULL, as raw */
        char separator;
        bool utf8;
    } v[] = {
        {"inbox", "", "INBOX", "INBOX", '/', false},
        {"INBOX.Work.Old", "INBOX.", "Work/Old", NULL, '.', false},
        {"INBOX.Work.Old", "", "INBOX/Work/Old", NULL, '.', false},
        {"Gr&APwA3w-e.&-", "", "Gr\xc3\xbc\xc3\x9f" "e/&", NULL, '.', false},
        {"Gr\xc3\xbc\xc3\x9f" "e&", "", "Gr\xc3\xbc\xc3\x9f" "e&", NULL, '/', true},
        {"a/b.c", "", "a_b/c", "a_b.c", '.', false},
        {"a/b", "", "a_b", "a_b", 0, false},
        {"a\\b", "", "a/b", NULL, '\\', false},
        {"/etc/passwd", "", "etc/passwd", "etc/passwd", '/', false},
        {"../../etc", "", "../../etc", NULL, '/', false},
        {"a//b/", "", "a/b", "a/b", '/', false},
        {"&bad", "", "&bad", "&-bad", '/', false},
        {"\xff\x01x", "", "__x", "__x", '/', false},
        {"///", "", NULL, NULL, '/', false},
        {"", "", NULL, NULL, '/', false},
    };
    struct arena *a = arena_new(NULL, 0);
    (void)state;
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        struct str name = place_name(a, str_c(v[i].raw), v[i].separator, str_c(v[i].prefix), v[i].utf8);
        assert_str(name, str_c(v[i].name));
        if (!v[i].name) continue;
        struct str raw = place_raw(a, name, v[i].separator, str_c(v[i].prefix), v[i].utf8);
        assert_str(raw, str_c(v[i].again ? v[i].again : v[i].raw));
    }
    arena_free(a);
}

static void patterns(void **state)
{
    (void)state;
    assert_true(place_matches(S("Spam"), S("Spam")));
    assert_true(place_matches(S("Spam"), S("Spam/2020")));
    assert_false(place_matches(S("Spam"), S("Spammers")));
    assert_false(place_matches(S("Spam"), S("Old/Spam")));
    assert_true(place_matches(S("*Spam"), S("Old/Spam")));
    assert_true(place_matches(S("*a*a*a*"), S("banana")));
    assert_false(place_matches(S("*a*a*a*b"), S("bananas")));
    assert_true(place_matches(S("*"), S("x")));
    assert_false(place_matches(S(""), S("x")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(urls), cmocka_unit_test(names), cmocka_unit_test(patterns)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
