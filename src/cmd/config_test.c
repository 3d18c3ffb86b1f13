#include "base/test.h"
#include "cmd/config.h"

#define HOST "hostname = \"mail.example.org\"\n"
#define TLS "tls { certificate = \"c.pem\"\nkey = \"/k.pem\" }\n"

static int parse(struct arena *a, const char *text, struct config *c, struct error *e)
{
    return config_parse(a, "penny.conf", "/etc/penny", str_c(text), c, e);
}

static void ten_lines(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct config c;
    struct error e = {0};
    assert_int_equal(parse(a, HOST TLS, &c, &e), 0);
    assert_str(c.hostname_key, S("mail.example.org"));
    assert_str(c.data, S("/var/lib/penny"));
    assert_str(c.tls.certificate, S("/etc/penny/c.pem"));
    assert_str(c.tls.key, S("/k.pem"));
    static const uint16_t ports[] = {25, 587, 465, 110, 995, 143, 993};
    assert_int_equal(c.n_ports, 7);
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(c.ports[i].address.port, ports[i]);
        assert_int_equal(c.ports[i].address.ip.family, 0);
    }
    assert_int_equal(c.limits.message_size, INT64_C(50) << 20);
    assert_int_equal(c.limits.per_hour, 300);
    assert_true(c.mailbox.keep_expunged == INT64_C(14) * 86400 * 1000000);
    assert_true(c.submission.hide_client);
    assert_int_equal(c.relay.port, 25);
    assert_false(c.relay.loopback);
    arena_free(a);
}

static void only_what_is_written(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct config c;
    struct error e = {0};
    assert_int_equal(parse(a,
                           HOST
                           "data = \"mail\"\nlisten \"smtp\" { address = {\"*:25\", \"[::1]:2525\"} }\n"
                           "listen \"lmtp\" { address = {\"127.0.0.1:24\"} proxy_protocol = {\"10.0.0.5\"} }\n"
                           "listen \"smtp\" { address = {\"192.0.2.1:26\"} }\n"
                           "trusted = {\"10.1.0.0/16\"}\nresolver { servers = {\"127.0.0.1:53\", \"[::1]:53\"} }\n",
                           &c, &e),
                     0);
    assert_str(c.data, S("/etc/penny/mail"));
    assert_int_equal(c.n_ports, 4);
    static const struct {
        enum service_kind kind;
        uint16_t port;
        uint8_t family;
    } want[] = {{SERVICE_SMTP, 25, 0}, {SERVICE_SMTP, 2525, 6}, {SERVICE_LMTP, 24, 4}, {SERVICE_SMTP, 26, 4}};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(c.ports[i].kind, want[i].kind);
        assert_int_equal(c.ports[i].address.port, want[i].port);
        assert_int_equal(c.ports[i].address.ip.family, want[i].family);
        assert_int_equal(c.ports[i].proxies.n, i == 2);
    }
    struct ip in, out;
    ip_parse(S("10.1.200.3"), &in);
    ip_parse(S("10.2.0.1"), &out);
    assert_true(ip_prefixes_have(&c.trusted_prefixes, in));
    assert_false(ip_prefixes_have(&c.trusted_prefixes, out));
    assert_int_equal(c.resolver_servers[1].port, 53);
    arena_free(a);
}

static void what_leaves(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct config c;
    struct error e = {0};
    assert_int_equal(parse(a, HOST TLS, &c, &e), 0); /* nothing said */
    assert_int_equal(c.relay.port, 25);
    assert_int_equal(c.relay_source[0].family + c.relay_source[1].family, 0);
    assert_true(str_ends(c.local_socket, S("/sendmail.sock")) && str_starts(c.local_socket, c.data));
    assert_str(c.local_domain, c.hostname_key);
    assert_int_equal(parse(a,
                           HOST TLS
                           "data = \"mail\"\nrelay { source = {\"2001:db8::1\", \"192.0.2.1\"}  connections = 7 }\n"
                           "public_addresses = {\"198.51.100.1\"}\n"
                           "sendmail { socket = \"run/socket\"  domain = \"B\xc3\xbc"
                           "cher.example\" }\n",
                           &c, &e),
                     0);
    assert_int_equal(c.relay.connections, 7);
    assert_int_equal(c.relay_source[0].family, 4);
    assert_int_equal(c.relay_source[1].family, 6);
    assert_int_equal(c.own_addresses[0].b[3], 1);
    assert_true(str_ends(c.local_socket, S("/run/socket")) && c.local_socket.p[0] == '/');
    assert_str(c.local_domain, S("xn--bcher-kva.example"));
    arena_free(a);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "penny.conf: the hostname is missing"},
        {HOST, "penny.conf: listening for submissions needs tls"},
        {HOST "listen \"pop3s\" { address = {\"*:995\"} }", "penny.conf: listening for pop3s needs tls"},
        {HOST "tls { certificate = \"c\" }", "penny.conf:2: tls wants both"},
        {"\nhostname = \"mail\"", "penny.conf:2: \"mail\" is no full host name"},
        {"hostname = \"[192.0.2.1]\"", "penny.conf:1: \"[192.0.2.1]\" is no full host name"},
        {HOST "hostnam = \"x\"", "penny.conf:2: no setting \"hostnam\" (did you mean \"hostname\"?)"},
        {HOST "limits {\n  recipient = 5\n}",
         "penny.conf:3: no setting \"recipient\" in block \"limits\" (did you mean"},
        {HOST "limits { recipients = 5 }", "penny.conf:2: \"recipients\" is 5, but must be 100 to 100000"},
        {HOST "limits { message_size = big }", "penny.conf:2: \"message_size\" must be a size"},
        {HOST "submission { hide_client = perhaps }", "penny.conf:2: \"hide_client\" must be yes or no"},
        {HOST "trusted = {\"10.1.0.1/16\"}", "penny.conf:2: \"10.1.0.1/16\" is no network"},
        {HOST "plaintext_auth = {\"localhost\"}", "penny.conf:2: \"localhost\" is no network"},
        {HOST "resolver { servers = {\"127.0.0.1\"} }", "penny.conf:2: \"127.0.0.1\" is no server"},
        {HOST "resolver { servers = {\"*:53\"} }", "penny.conf:2: \"*:53\" is no server"},
        {HOST "log { level = \"loud\" }", "penny.conf:2: \"loud\" is none of: debug, info, warn, error"},
        {HOST "log { format = \"xml\" }", "penny.conf:2: \"xml\" is none of: logfmt, json"},
        {HOST "listen \"managesieve\" { address = {\"*:4190\"} }",
         "penny.conf:2: listen \"managesieve\": this version of Penny Post does not serve managesieve"},
        {HOST "listen \"smpt\" { address = {\"*:25\"} }",
         "penny.conf:2: listen \"smpt\": the title is one of smtp submission"},
        {HOST "\nlisten \"smtp\" { }", "penny.conf:3: listen \"smtp\" has no address (address = {\"*:25\"})"},
        {HOST "listen \"smtp\" { address = {\"25\"} }", "penny.conf:2: \"25\" is nowhere to listen"},
        {HOST "listen \"smtp\" { address = {\"example.org:25\"} }",
         "penny.conf:2: \"example.org:25\" is nowhere to listen"},
        {HOST HOST, "penny.conf:2: \"hostname\" is set a second time, first in line 1"},
        {HOST "relay { port = 0 }", "penny.conf:2: \"port\" is 0, but must be 1 to 65535"},
        {HOST "relay { window = 0 }", "penny.conf:2: \"window\" is 0, but must be 1 to 10000"},
        {HOST "relay { source = {\"relay.example.org\"} }",
         "penny.conf:2: \"relay.example.org\" is no network address"},
        {HOST "relay { source = {\"192.0.2.1\", \"192.0.2.2\"} }", "penny.conf:2: one IPv4 address to send from"},
        {HOST "public_addresses = {\"192.0.2.0/24\"}", "penny.conf:2: \"192.0.2.0/24\" is no network address"},
        {HOST "sendmail { domain = \"[192.0.2.1]\" }", "penny.conf:2: \"[192.0.2.1]\" is no domain"},
        {HOST "sendmail { sokcet = \"/run/x\" }", "penny.conf:2: no setting \"sokcet\" in block \"sendmail\" (did you"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *a = arena_new(NULL, 0);
        struct config c;
        struct error e = {0};
        assert_int_equal(parse(a, cases[i].text, &c, &e), ERR_CONFIG);
        if (!str_starts(str_c(e.text), str_c(cases[i].says))) fail_msg("wanted: %s\n  said: %s", cases[i].says, e.text);
        arena_free(a);
    }
}

static void what_needs_a_restart(void **state)
{
    (void)state;
    static const struct {
        const char *changed, *names;
    } cases[] = {
        {HOST TLS, ""},
        {HOST "tls { certificate = \"d.pem\"\nkey = \"/k.pem\" }\n", ""},
        {HOST TLS "trusted = {\"10.0.0.1\"}\nplaintext_auth = {\"10.0.0.1\"}", ""},
        {"hostname = \"mx.example.org\"\n" TLS, "hostname"},
        {HOST TLS "listen \"smtp\" { address = {\"*:25\"} }", "listen"},
        {HOST TLS "public_addresses = {\"192.0.2.1\"}", ""},
        {HOST TLS "relay { window = 7 }\nsendmail { domain = \"x.example\" }", "relay sendmail"},
        {HOST TLS "limits { per_hour = 5 }\nlog { level = \"warn\" }", "limits log"},
    };
    struct arena *a = arena_new(NULL, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config was, is;
        struct error e = {0};
        assert_int_equal(parse(a, HOST TLS, &was, &e), 0);
        assert_int_equal(parse(a, cases[i].changed, &is, &e), 0);
        assert_str(config_needs_restart(a, &was, &is), str_c(cases[i].names));
    }
    arena_free(a);
}

static void the_sample_is_read_again(void **state)
{
    (void)state;
    struct arena *a = arena_new(NULL, 0);
    struct buf *sample = buf_in(a, 1 << 20), *all = buf_in(a, 1 << 20);
    struct config c;
    struct error e = {0};
    conf_put_sample(sample, config_table);
    buf_lit(all, HOST TLS); /* every line of the sample is a comment: it changes nothing */
    buf_add(all, buf_str(sample));
    buf_char(all, 0);
    assert_int_equal(parse(a, all->p, &c, &e), 0);
    assert_true(str_find(buf_str(sample), S("#listen \"smtp\" {")) < sample->n);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_lines),
        cmocka_unit_test(only_what_is_written),
        cmocka_unit_test(what_leaves),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(what_needs_a_restart),
        cmocka_unit_test(the_sample_is_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
