/* Which addresses are ourselves: a relay that took one of them for somebody else would send letters in a circle. */
#include "cmd/own_address.h"

#include "base/test.h"

static struct ip ip_of(const char *text)
{
    struct ip ip;
    assert_int_equal(ip_parse(str_c(text), &ip), 0);
    return ip;
}

static void ours(void **state)
{
    static const struct {
        const char *listen, *ip;
        uint16_t port;
        bool is;
    } rows[] = {
        {"*:25", "192.0.2.1", 25, true},            /* an interface, and we listen everywhere */
        {"*:25", "2001:db8::1", 25, true},
        {"*:25", "127.0.0.1", 25, true},
        {"*:25", "127.9.9.9", 25, true},
        {"*:25", "192.0.2.1", 26, false},           /* where nobody of ours listens: another server */
        {"*:25", "192.0.2.9", 25, false},           /* another machine */
        {"192.0.2.1:25", "192.0.2.1", 25, true},
        {"192.0.2.1:25", "127.0.0.1", 25, false},
        {"192.0.2.1:25", "2001:db8::1", 25, false},
        {"127.0.0.1:2525", "127.0.0.1", 2525, true},
        {"127.0.0.1:2525", "127.0.0.2", 2525, false}, /* tests keep their hosts there */
        {"127.0.0.1:2525", "198.51.100.7", 25, true}, /* behind a translating router, at any port */
        {"127.0.0.1:2525", "198.51.100.7", 2525, true},
        {"127.0.0.1:2525", "198.51.100.8", 25, false},
        {"[::1]:25", "::1", 25, true},
    };
    struct ip interfaces[] = {ip_of("192.0.2.1"), ip_of("2001:db8::1"), ip_of("127.0.0.1")};
    struct ip public[] = {ip_of("198.51.100.7")};
    const struct own_addresses own = {interfaces, public, 3, 1};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena *a = arena_new(NULL, 0);
        struct config c;
        struct error e = {0};
        struct str text = arena_printf(a, "hostname = \"mail.example.org\"\nlisten \"smtp\" { address = {\"%s\"} }\n",
                                       rows[i].listen);
        assert_int_equal(config_parse(a, "penny.conf", "/", text, &c, &e), 0);
        bool is = own_address_is(&own, &c, (struct endpoint){ip_of(rows[i].ip), rows[i].port});
        if (is != rows[i].is) fail_msg("row %zu: %s at port %d", i, rows[i].ip, rows[i].port);
        arena_free(a);
    }
    (void)state;
}

static void the_machines_own(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct config c;
    struct error e = {0};
    struct str text = S("hostname = \"mail.example.org\"\nlisten \"smtp\" { address = {\"*:25\"} }\n"
                        "public_addresses = {\"198.51.100.7\"}\n");
    assert_int_equal(config_parse(a, "penny.conf", "/", text, &c, &e), 0);
    struct own_addresses own = own_addresses_now(a, &c);
    assert_int_equal(own.n_public, 1);
    assert_true(own_address_is(&own, &c, (struct endpoint){ip_of("127.0.0.1"), 25}));
    for (size_t i = 0; i < own.n_interfaces; i++)
        assert_true(own_address_is(&own, &c, (struct endpoint){own.interfaces[i], 25}));
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ours), cmocka_unit_test(the_machines_own)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
