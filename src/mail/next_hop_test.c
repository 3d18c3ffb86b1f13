/* Routes as owners write them, right and wrong. */
#include "mail/next_hop.h"

#include "base/test.h"

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

static void routes_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum hop_kind kind;
        const char *key, *host;
        uint16_t port;
        bool lmtp, tls_first;
    } cases[] = {
        {"mx", HOP_MX, "", "", 0, 0, 0},
        {" MX ", HOP_MX, "", "", 0, 0, 0},
        {"mx://Example.NET", HOP_MX, "example.net", "example.net", 0, 0, 0},
        {"mx://example.net.", HOP_MX, "example.net", "example.net", 0, 0, 0},
        {"mx://b\xc3\xbc" "cher.example", HOP_MX, "xn--bcher-kva.example", "xn--bcher-kva.example", 0, 0, 0},
        {"smtp://relay.example", HOP_HOST, "smtp://relay.example", "relay.example", 0, 0, 0},
        {"SMTP://Relay.Example:587", HOP_HOST, "smtp://relay.example:587", "relay.example", 587, 0, 0},
        {"smtp://relay.example:1", HOP_HOST, "smtp://relay.example:1", "relay.example", 1, 0, 0},
        {"smtp://relay.example:65535", HOP_HOST, "smtp://relay.example:65535", "relay.example", 65535, 0, 0},
        {"smtp://localhost:2525", HOP_HOST, "smtp://localhost:2525", "localhost", 2525, 0, 0},
        {"smtp://B\xc3\x9c" "CHER.example:26", HOP_HOST, "smtp://xn--bcher-kva.example:26", "xn--bcher-kva.example", 26,
         0, 0},
        {"smtp://[192.0.2.1]", HOP_HOST, "smtp://[192.0.2.1]", "[192.0.2.1]", 0, 0, 0},
        {"smtp://192.0.2.1:2525", HOP_HOST, "smtp://[192.0.2.1]:2525", "[192.0.2.1]", 2525, 0, 0},
        {"smtp://[IPv6:2001:DB8:0::1]:25", HOP_HOST, "smtp://[IPv6:2001:db8::1]:25", "[IPv6:2001:db8::1]", 25, 0, 0},
        {"smtp://[2001:db8::1]", HOP_HOST, "smtp://[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]", 0, 0, 0},
        {"smtps://relay.example", HOP_HOST, "smtps://relay.example:465", "relay.example", 465, 0, 1},
        {"smtps://relay.example:465", HOP_HOST, "smtps://relay.example:465", "relay.example", 465, 0, 1},
        {"lmtp://mailbox.example:2003", HOP_HOST, "lmtp://mailbox.example:2003", "mailbox.example", 2003, 1, 0},
        {"lmtp://mailbox.example", HOP_HOST, "lmtp://mailbox.example:24", "mailbox.example", 24, 1, 0},
        {"discard", HOP_DISCARD, "discard", "", 0, 0, 0},
        {"Refuse", HOP_REFUSE, "refuse", "", 0, 0, 0},
        {"refuse: moved away, see example.org", HOP_REFUSE, "refuse", "", 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct next_hop hop, again;
        struct error e = {0};
        assert_int_equal(next_hop_parse(a, str_c(cases[i].text), &hop, &e), 0);
        assert_int_equal(hop.kind, cases[i].kind);
        assert_str(hop.key, str_c(cases[i].key));
        assert_str(hop.host, str_c(cases[i].host));
        assert_int_equal(hop.port, cases[i].port);
        assert_int_equal(hop.lmtp, cases[i].lmtp);
        assert_int_equal(hop.tls_first, cases[i].tls_first);
        assert_int_equal(hop.tls, TLS_POLICY_MAY);
        assert_int_equal(hop.user.n, 0);
        if (hop.kind != HOP_HOST) continue; /* the key of a host is a route to it */
        assert_int_equal(next_hop_parse(a, hop.key, &again, NULL), 0);
        assert_str(again.key, hop.key);
        assert_str(again.host, hop.host);
    }
}

static void refusals_have_words(void **state)
{
    (void)state;
    struct next_hop hop;
    assert_int_equal(next_hop_parse(a, S("refuse:  moved: see example.org "), &hop, NULL), 0);
    assert_str(hop.text, S("moved: see example.org"));
    assert_int_equal(next_hop_parse(a, S("refuse:"), &hop, NULL), 0);
    assert_str(hop.text, S("mail for this address is not accepted here"));
}

static void bad_routes_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *complaint; /* part of it */
    } cases[] = {
        {"", "no route"},
        {"relay.example", "no route"},
        {"smtp:relay.example", "no route"},
        {"http://relay.example", "no route"},
        {"mx:", "no route"},
        {"refused", "no route"},
        {"discard:", "no route"},
        {"local", "no route"},
        {"mx://", "no domain"},
        {"mx://example.net:25", "no domain"},
        {"mx://[192.0.2.1]", "no domain"},
        {"mx://192.0.2.1", "no domain"},
        {"mx://a b", "no domain"},
        {"smtp://", "host name"},
        {"smtp://:25", "host name"},
        {"smtp://[192.0.2.1", "host name"},
        {"smtp://[relay.example]", "host name"},
        {"smtp://[IPv6:192.0.2.300]", "host name"},
        {"smtp://192.0.2.300", "host name"},
        {"smtp://2001:db8::1", "host name"},
        {"smtp://-x.example", "host name"},
        {"smtp://a..b", "host name"},
        {"smtp://b\xfc" "cher.example", "host name"},
        {"smtp://relay.example/", "host name"},
        {"smtp://relay.example:", "no port"},
        {"smtp://relay.example:0", "no port"},
        {"smtp://relay.example:65536", "no port"},
        {"smtp://relay.example:25x", "no port"},
        {"smtp://relay.example:-1", "no port"},
        {"smtp://[192.0.2.1]25", "no port"},
        {"lmtp://relay.example:24/", "no port"},
        {"smtp://bob:secret@relay.example", "settings of their own"},
        {"refuse:gr\xc3\xbc\xc3\x9f" "e", "ASCII"},
        {"refuse:two\nlines", "ASCII"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct next_hop hop = {.port = 7};
        struct error e = {0};
        assert_int_equal(next_hop_parse(a, str_c(cases[i].text), &hop, &e), ERR_SYNTAX);
        assert_non_null(strstr(e.text, cases[i].complaint));
        assert_int_equal(hop.port, 7); /* untouched */
    }
    char longest[300];
    memset(longest, 'x', sizeof longest);
    memcpy(longest, "refuse:", 7);
    struct next_hop hop;
    assert_int_equal(next_hop_parse(a, str_of(longest, 207), &hop, NULL), 0);
    assert_int_equal(next_hop_parse(a, str_of(longest, 208), &hop, NULL), ERR_SYNTAX);
}

static void every_cut_of_a_route_is_survived(void **state)
{
    (void)state;
    static const char *const whole[] = {"smtp://[IPv6:2001:db8::1]:25", "mx://b\303\274cher.example", "refuse:go away"};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        for (size_t n = 0; n <= strlen(whole[i]); n++) {
            struct next_hop hop;
            struct str cut = arena_str(a, str_of(whole[i], n));
            int r = next_hop_parse(a, cut, &hop, NULL);
            assert_true(r == 0 || r == ERR_SYNTAX);
        }
    }
}

static void tls_policies_have_names(void **state)
{
    (void)state;
    static const char *const names[] = {"may", "none", "encrypt", "verify"};
    for (size_t i = 0; i < 4; i++) {
        enum tls_policy p;
        assert_int_equal(tls_policy_parse(str_c(names[i]), &p), 0);
        assert_str(tls_policy_name(p), str_c(names[i]));
    }
    enum tls_policy p = TLS_POLICY_VERIFY;
    assert_int_equal(tls_policy_parse(S("dane"), &p), ERR_SYNTAX);
    assert_int_equal(tls_policy_parse(S(""), &p), ERR_SYNTAX);
    assert_int_equal(p, TLS_POLICY_VERIFY);
    assert_int_equal(tls_policy_parse(S("NONE"), &p), 0);
    assert_int_equal(p, TLS_POLICY_NONE);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(routes_are_read),
        cmocka_unit_test(refusals_have_words),
        cmocka_unit_test(bad_routes_are_named),
        cmocka_unit_test(every_cut_of_a_route_is_survived),
        cmocka_unit_test(tls_policies_have_names),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
