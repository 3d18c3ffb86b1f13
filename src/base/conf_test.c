/* The configuration: what a file sets, what is refused and in which words, the sample. */
#include "base/conf.h"

#include "base/test.h"
#include "base/time.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct listener {
    struct str kind;
    struct conf_list address;
    int64_t limit;
};
struct settings {
    struct str hostname, data;
    struct conf_list trusted;
    int64_t port, offset, size, span;
    bool loopback, strict;
    struct {
        struct str certificate, key;
        int64_t days;
    } tls;
    struct conf_blocks listen;
};

static int check_hostname(const void *value, struct error *e)
{
    const struct str *s = value;
    return str_find_char(*s, '.') < s->n ? 0 : error_set(e, ERR_CONFIG, "the host name needs a dot");
}

static int check_listener(const void *value, struct error *e)
{
    const struct listener *l = value;
    return str_eq(l->kind, S("smtp")) ? 0 : error_set(e, ERR_CONFIG, "nobody knows \"%.*s\"", STR_FMT(l->kind));
}

static int check_tls(const void *value, struct error *e)
{
    const __typeof__(((struct settings *)0)->tls) *t = value;
    if (str_is_none(t->key) == str_is_none(t->certificate)) return 0;
    return error_set(e, ERR_CONFIG, "certificate and key go together");
}

static const struct conf_setting listen_table[] = {
    {"address", CONF_LIST, offsetof(struct listener, address), "{\"*:25\"}", .help = "Where."},
    {"limit", CONF_INT, offsetof(struct listener, limit), "100", 1, 1000, "Connections."},
    {0},
};
#define IN_TLS(field) (offsetof(struct settings, tls.field) - offsetof(struct settings, tls))
static const struct conf_setting tls_inside[] = {
    {"certificate", CONF_TEXT, IN_TLS(certificate), .help = "PEM."},
    {"key", CONF_TEXT, IN_TLS(key), .help = "PEM."},
    {"days", CONF_INT, IN_TLS(days), "90", .help = "Validity."},
    {0},
};
static const struct conf_setting table[] = {
    {"hostname", CONF_TEXT, offsetof(struct settings, hostname), .help = "Our name.", .check = check_hostname},
    {"data", CONF_TEXT, offsetof(struct settings, data), "/var/lib/penny", .help = "Our folder."},
    {"trusted", CONF_LIST, offsetof(struct settings, trusted), .help = "Networks."},
    {"port", CONF_INT, offsetof(struct settings, port), "25", 1, 65535, "Port."},
    {"offset", CONF_INT, offsetof(struct settings, offset), .help = "Any number."},
    {"size", CONF_SIZE, offsetof(struct settings, size), "50M", 1024, INT64_C(1) << 31, "Size."},
    {"span", CONF_SPAN, offsetof(struct settings, span), "5m", SECONDS(1), DAYS(5), "Time."},
    {"loopback", CONF_BOOL, offsetof(struct settings, loopback), .help = "Loopback."},
    {"strict", CONF_BOOL, offsetof(struct settings, strict), "yes", .help = "Strict."},
    {"tls", CONF_SECTION, offsetof(struct settings, tls), .help = "TLS.", .inside = tls_inside,
     .size = sizeof(((struct settings *)0)->tls), .check = check_tls},
    {"listen", CONF_SECTION, offsetof(struct settings, listen), "smtp", .help = "A listener.", .inside = listen_table,
     .size = sizeof(struct listener), .repeat = true, .title = offsetof(struct listener, kind),
     .check = check_listener},
    {0},
};

static struct arena *arena; /* of the running test */

static int begin(void **state)
{
    (void)state;
    arena = arena_new(NULL, 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static int parse(struct str text, struct settings *s, struct error *e)
{
    memset(s, 0x55, sizeof *s);
    *e = (struct error){0};
    return conf_parse(arena, "penny.conf", text, table, s, e);
}

static void fallbacks(void **state)
{
    (void)state;
    struct settings s;
    struct error e;
    static const char *const nothing[] = {"", "\n\n", "# a comment", "// another", "/* a third */", "\r\n", "tls {}"};
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++) {
        assert_int_equal(parse(str_c(nothing[i]), &s, &e), 0);
        assert_int_equal(e.code, 0);
        assert_true(str_is_none(s.hostname));
        assert_str(s.data, S("/var/lib/penny"));
        assert_int_equal(s.trusted.n, 0);
        assert_int_equal(s.port, 25);
        assert_int_equal(s.offset, 0);
        assert_int_equal(s.size, 50 << 20);
        assert_int_equal(s.span, MINUTES(5));
        assert_false(s.loopback);
        assert_true(s.strict);
        assert_true(str_is_none(s.tls.certificate));
        assert_int_equal(s.tls.days, 90);
        assert_int_equal(s.listen.n, 0);
    }
}

static void reads_everything(void **state)
{
    (void)state;
    struct settings s;
    struct error e;
    int r = parse(S("\xef\xbb\xbfhostname = \"mail.example.org\" # ours\r\n"
                    "data=/srv/mail // no quotes needed\n"
                    "trusted = {\"10.1.0.0/16\", # inside a list\n /* too */ \"::1\",'a\\'b\\\\c\"d'}\n"
                    "trusted += {\"x\"}\n"
                    "port = 2525 offset = -7\n"
                    "size = 256K span = 1500ms loopback = On strict = false\n"
                    "listen \"smtp\" { address = {\"*:25\"} }\n"
                    "listen 'smtp' { address = \"${HOME}\" limit = 5 }\n"
                    "listen smtp { }\n"
                    "tls { certificate = \"a\\\\b\\\"\" key = \"\xc3\xa9 # $\" }\n"),
                  &s, &e);
    assert_string_equal(e.text, "");
    assert_int_equal(r, 0);
    assert_str(s.hostname, S("mail.example.org"));
    assert_str(s.data, S("/srv/mail"));
    assert_int_equal(s.trusted.n, 4);
    assert_str(s.trusted.v[0], S("10.1.0.0/16"));
    assert_str(s.trusted.v[1], S("::1"));
    assert_str(s.trusted.v[2], S("a'b\\c\"d"));
    assert_str(s.trusted.v[3], S("x"));
    assert_int_equal(s.port, 2525);
    assert_int_equal(s.offset, -7);
    assert_int_equal(s.size, 256 << 10);
    assert_int_equal(s.span, 1500 * US_PER_MS);
    assert_true(s.loopback);
    assert_false(s.strict);
    assert_str(s.tls.certificate, S("a\\b\""));
    assert_str(s.tls.key, S("\xc3\xa9 # $"));
    assert_int_equal(s.tls.days, 90);
    assert_int_equal(s.listen.n, 3);
    const struct listener *const *l = (const struct listener *const *)(void *)s.listen.v;
    for (int i = 0; i < 3; i++) assert_str(l[i]->kind, S("smtp"));
    assert_str(l[0]->address.v[0], S("*:25"));
    assert_int_equal(l[0]->limit, 100);
    assert_int_equal(l[1]->address.n, 1);
    assert_str(l[1]->address.v[0], S("${HOME}")); /* nothing is expanded */
    assert_int_equal(l[1]->limit, 5);
    assert_str(l[2]->address.v[0], S("*:25"));
}

static const struct {
    struct str text;
    const char *expected; /* after "penny.conf:" */
} wrong[] = {
    {S_INIT("hostnam = \"a.b\""), "1: no setting \"hostnam\" (did you mean \"hostname\"?)"},
    {S_INIT("\n\nHost-Name = \"a.b\""), "3: no setting \"Host-Name\" (did you mean \"hostname\"?)"},
    {S_INIT("/* a */ /*\n*/\nxyzzy = 1"), "3: no setting \"xyzzy\""},
    {S_INIT("tls {\n key = a\n hostname = 1\n}"), "3: no setting \"hostname\" in block \"tls\""},
    {S_INIT("tls {\n\n certifcate = a }"),
     "3: no setting \"certifcate\" in block \"tls\" (did you mean \"certificate\"?)"},
    {S_INIT("listen smtp { adress = a }"),
     "1: no setting \"adress\" in block \"listen\" (did you mean \"address\"?)"},
    {S_INIT("listen {}"), "1: missing title for section 'listen'"},
    {S_INIT("tls foo {}"), "1: missing opening brace for section 'tls'"},
    {S_INIT("tls|key = 1"), "1: unexpected '|' (text goes in quotes)"},
    {S_INIT("\"tls=\" = 1"), "1: a setting's name is expected here, not a text in quotes"},
    {S_INIT("port = 25\nport = 26"), "2: \"port\" is set a second time, first in line 1"},
    {S_INIT("tls { }\n\ntls { }"), "3: \"tls\" is set a second time, first in line 1"},
    {S_INIT("port = x"), "1: \"port\" must be a whole number, not \"x\""},
    {S_INIT("\nport = 0"), "2: \"port\" is 0, but must be 1 to 65535"},
    {S_INIT("port = 65536"), "1: \"port\" is 65536, but must be 1 to 65535"},
    {S_INIT("port = -1"), "1: \"port\" is -1, but must be 1 to 65535"},
    {S_INIT("port = 0x19"), "1: \"port\" must be a whole number, not \"0x19\""},
    {S_INIT("port = \"\""), "1: \"port\" must be a whole number, not \"\""},
    {S_INIT("port = 25 26"), "1: no setting \"26\""},
    {S_INIT("offset = 9223372036854775808"), "1: \"offset\" must be a whole number, not \"9223372036854775808\""},
    {S_INIT("offset = --5"), "1: \"offset\" must be a whole number, not \"--5\""},
    {S_INIT("size = 3G"), "1: \"size\" is 3G, but must be 1K to 2G"},
    {S_INIT("size = 5MB"), "1: \"size\" must be a size such as 500, 256K, 50M or 2G, not \"5MB\""},
    {S_INIT("size = M"), "1: \"size\" must be a size such as 500, 256K, 50M or 2G, not \"M\""},
    {S_INIT("size = 9999999999999G"), "1: \"size\" must be a smaller number, not \"9999999999999G\""},
    {S_INIT("span = 5"), "1: \"span\" must be a time such as 500ms, 30s, 5m, 4h or 5d, not \"5\""},
    {S_INIT("span = 0"), "1: \"span\" is 0, but must be 1s to 5d"},
    {S_INIT("span = 121h"), "1: \"span\" is 121h, but must be 1s to 5d"},
    {S_INIT("strict = maybe"), "1: \"strict\" must be yes or no, not \"maybe\""},
    {S_INIT("hostname = localhost"), "1: the host name needs a dot"},
    {S_INIT("tls {\n key = a\n}"), "3: certificate and key go together"},
    {S_INIT("listen smtp {}\nlisten \"ftp\" {\n\n}"), "2: nobody knows \"ftp\""},
    {S_INIT("listen smtp {\n limit = 0\n}"), "2: \"limit\" is 0, but must be 1 to 1000"},
    {S_INIT("hostname = \"a.b\nport = 1"), "1: this text is not closed in its line"},
    {S_INIT("hostname = \"a.b"), "1: this text is not closed in its line"},
    {S_INIT("hostname = 'a.b"), "1: this text is not closed in its line"},
    {S_INIT("hostname = \"a.b\\"), "1: only \\\\, \\\" and \\' may follow a backslash"},
    {S_INIT("hostname = \"a.b\\x00\""), "1: only \\\\, \\\" and \\' may follow a backslash"},
    {S_INIT("hostname = \"a\0b\""), "1: there is a control character in this text"},
    {S_INIT("hostname = \"a\tb\""), "1: there is a control character in this text"},
    {S_INIT("hostname = \"\xff\""), "1: this text is not UTF-8"},
    {S_INIT("port = 1\n/* never\nclosed"), "2: this comment is never closed (\"*/\")"},
    {S_INIT("\0"), "1: unexpected byte 0x00 (text goes in quotes)"},
    {S_INIT("\n\xc3\xa9 = 1"), "2: unexpected byte 0xc3 (text goes in quotes)"},
    {S_INIT("data = ${HOME}"), "1: unexpected '$' (text goes in quotes)"},
    {S_INIT("data = *:25"), "1: unexpected '*' (text goes in quotes)"},
    {S_INIT("include(\"x\")"), "1: unexpected '(' (text goes in quotes)"},
    {S_INIT("port 25"), "1: missing equal sign after option 'port'"},
    {S_INIT("port += 25"), "1: attempt to append to non-list option 'port'"},
    {S_INIT("port = {25}"), "1: unexpected token '{'"},
    {S_INIT("trusted = {a b}"), "1: unexpected token 'b'"},
    {S_INIT("\ntrusted = {a,\n"), "2: this '{' is never closed"},
    {S_INIT("tls {\nkey = 1"), "1: this '{' is never closed"},
    {S_INIT("port ="), "1: premature end of file"},
    {S_INIT("}"), "1: unexpected closing brace"},
    {S_INIT(", ="), "1: unexpected token ','"},
};

static void errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct settings s;
        struct error e;
        char expected[300];
        snprintf(expected, sizeof expected, "penny.conf:%s", wrong[i].expected);
        int r = parse(wrong[i].text, &s, &e);
        assert_string_equal(e.text, expected);
        assert_int_equal(r, ERR_CONFIG);
        assert_int_equal(e.code, ERR_CONFIG);
        assert_int_equal(conf_parse(arena, "x", wrong[i].text, table, &s, NULL), ERR_CONFIG);
        assert_int_equal(parse(S("port = 1"), &s, &e), 0); /* nothing is left over */
    }
}

static void cut_at_every_byte(void **state)
{
    (void)state;
    struct str text = S("hostname = \"a.b\" # x\ntls { key = 'k' certificate = c } /* y */\n"
                        "listen smtp { address = {\"a\", b} limit = 7 }\ntrusted += {\"\\\"\"}\n");
    struct settings s;
    struct error e;
    for (size_t i = 0; i < text.n; i++) {
        int r = parse(str_head(text, i), &s, &e);
        assert_true(r == 0 || (r == ERR_CONFIG && str_starts(str_c(e.text), S("penny.conf:"))));
    }
    assert_int_equal(parse(text, &s, &e), 0);
}

static int parse_under_guard(void *out)
{
    return conf_parse(arena, "x", S("trusted = {a, b}\nlisten smtp { address = c }\ntls { }"), table, out, NULL);
}

/* A guard is left from any place: LeakSanitizer sees what the parser would leave behind. */
static void any_budget(void **state)
{
    (void)state;
    struct settings s;
    int ended = 0, done = 0;
    for (size_t budget = 1000; budget < 20000; budget += 100) {
        struct arena *whole = arena;
        arena = arena_new(NULL, budget);
        int r = arena_protect(arena, parse_under_guard, &s);
        assert_true(r == 0 || r == ERR_BUDGET);
        *(r ? &ended : &done) += 1;
        arena_free(arena);
        arena = whole;
    }
    assert_true(ended > 5 && done > 5);
}

static void long_things(void **state)
{
    (void)state;
    struct settings s;
    struct error e;
    struct buf text = BUF(2 << 20);
    for (int i = 0; i < 100; i++) buf_lit(&text, "name_");
    assert_int_equal(parse(buf_str(&text), &s, &e), ERR_CONFIG); /* no hint, no overrun */
    buf_clear(&text);
    buf_lit(&text, "data = \"");
    for (int i = 0; i < 100000; i++) buf_char(&text, '$');
    buf_lit(&text, "\"");
    assert_int_equal(parse(buf_str(&text), &s, &e), 0);
    assert_int_equal(s.data.n, 100000);
    while (text.n <= 1 << 20) buf_char(&text, '\n');
    assert_int_equal(parse(buf_str(&text), &s, &e), ERR_CONFIG);
    buf_clear(&text);
    buf_lit(&text, "trusted = {");
    for (int i = 0; i < 10000; i++) buf_lit(&text, "a,");
    buf_lit(&text, "b}");
    assert_int_equal(parse(buf_str(&text), &s, &e), 0);
    assert_int_equal(s.trusted.n, 10001);
    buf_free(&text);
}

static void files(void **state)
{
    (void)state;
    struct settings s;
    struct error e = {0};
    char path[] = "/tmp/penny-conf-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "port = 1\nprt = 2\n", 17), 17);
    close(fd);
    assert_int_equal(conf_read(arena, path, table, &s, &e), ERR_CONFIG);
    char expected[128];
    snprintf(expected, sizeof expected, "%s:2: no setting \"prt\" (did you mean \"port\"?)", path);
    assert_string_equal(e.text, expected);
    unlink(path);
    assert_int_equal(conf_read(arena, path, table, &s, &e), ERR_NOT_FOUND);
    assert_int_equal(conf_read(arena, "/", table, &s, &e), ERR_IO); /* a folder */
    assert_string_equal(e.text, "cannot read /: Is a directory");
}

/* The sample says nothing as it stands, and the fallbacks when its settings are uncommented. */
static void sample(void **state)
{
    (void)state;
    struct settings s;
    struct error e;
    struct buf b = BUF(1 << 16), bare = BUF(1 << 16);
    static const struct conf_setting part[] = {
        {"size", CONF_SIZE, 0, "50M", 1024, INT64_C(1) << 31, "The size."},
        {"tls", CONF_SECTION, 0, .help = "TLS.", .inside = tls_inside},
        {"listen", CONF_SECTION, 0, "smtp", .help = "Ports.", .inside = listen_table + 1, .repeat = true},
        {0},
    };
    conf_put_sample(&b, part);
    assert_str(buf_str(&b), S("# The size. (1K to 2G)\n#size = 50M\n\n"
                              "# TLS.\n#tls {\n    # PEM.\n    #certificate = \"\"\n\n    # PEM.\n    #key = \"\"\n\n"
                              "    # Validity.\n    #days = 90\n#}\n\n"
                              "# Ports.\n#listen \"smtp\" {\n    # Connections. (1 to 1000)\n    #limit = 100\n#}\n"));
    buf_clear(&b);
    conf_put_sample(&b, table + 1); /* without hostname, whose check refuses an empty one */
    assert_int_equal(parse(buf_str(&b), &s, &e), 0);
    for (size_t i = 0; i < b.n; i++)
        if (b.p[i] != '#' || b.p[i + 1] == ' ') buf_char(&bare, b.p[i]);
    assert_int_equal(parse(buf_str(&bare), &s, &e), 0);
    assert_str(s.data, S("/var/lib/penny"));
    assert_int_equal(s.span, MINUTES(5));
    assert_true(s.strict);
    assert_int_equal(s.listen.n, 1);
    buf_free(&b);
    buf_free(&bare);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fallbacks, begin, end),
        cmocka_unit_test_setup_teardown(reads_everything, begin, end),
        cmocka_unit_test_setup_teardown(errors, begin, end),
        cmocka_unit_test_setup_teardown(cut_at_every_byte, begin, end),
        cmocka_unit_test_setup_teardown(any_budget, begin, end),
        cmocka_unit_test_setup_teardown(long_things, begin, end),
        cmocka_unit_test_setup_teardown(files, begin, end),
        cmocka_unit_test_setup_teardown(sample, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
