/* TLS over real sockets: streams of ours at both ends, and the clients of others (openssl, Python) at ours: versions,
 * names, tickets, a verified certificate, bytes slipped in before the handshake or come early, garbage, a reload. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/connect.h"
#include "io/listen.h"
#include "io/tls.h"

enum { BIG = 300000 };

struct fixture {
    char folder[32];
    struct world *world;
    struct loop *loop;
    struct gate *gate;
    struct listener *plain, *implicit;
    uint16_t plain_port, implicit_port;
    struct tls_context *server, *client; /* server: of new connections */
    struct lock *lock;
};

static struct tls_context *current(void *arg)
{
    struct fixture *f = arg;
    lock_take(f->lock);
    struct tls_context *t = tls_ref(f->server);
    lock_give(f->lock);
    return t;
}

static FIBER void tell_facts(struct stream *s)
{
    const struct tls_facts *t = stream_tls(s);
    char line[400];
    const char *version = t->version ? t->version : "plain", *name = t->server_name[0] ? t->server_name : "-";
    int n = snprintf(line, sizeof line, "%s %s %s\r\n", version, name, t->resumed ? "resumed" : "new");
    stream_write(s, str_of(line, (size_t)n));
}

static FIBER void session(struct stream *s, void *arg)
{
    struct fixture *f = arg;
    struct str line;
    stream_deadline(s, loop_now() + SECONDS(30));
    while (stream_line(s, 2 * BIG, &line) == 0) {
        if (str_eq(line, S("QUIT"))) break;
        if (str_eq(line, S("FACTS"))) {
            tell_facts(s);
        } else if (str_eq(line, S("STARTTLS"))) {
            struct tls_context *t = current(f);
            stream_write(s, S("go\r\n"));
            stream_starttls_server(s, t);
            tls_unref(t);
        } else if (str_eq(line, S("COMPRESS"))) {
            stream_write(s, S("go\r\n"));
            stream_deflate(s);
        } else {
            stream_write(s, line);
            stream_write(s, S("\r\n"));
        }
    }
    stream_close(s);
}

static void listen_on(struct fixture *f, struct listen_options o, struct listener **out, uint16_t *port)
{
    struct error e = {0};
    o.address = (struct endpoint){{4, {127, 0, 0, 1}}, 0};
    o.serve = session;
    o.arg = f;
    if (listener_open(f->world, &o, out, &e)) fail_msg("%s", e.text);
    *port = listener_port(*out);
    listener_start(*out, f->gate, &f->loop, 1);
}

static void write_file(struct fixture *f, const char *name, struct str text, char path[64])
{
    snprintf(path, 64, "%s/%s", f->folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fwrite(text.p, 1, text.n, file);
    fclose(file);
}

static struct tls_context *new_server(struct fixture *f)
{
    struct arena *a = arena_new(NULL, 0);
    struct str certificate, key;
    struct tls_context *t;
    struct error e;
    char certificate_path[64], key_path[64];
    assert_int_equal(tls_self_signed(f->world, a, S("mail.example"), 30, &certificate, &key, &e), 0);
    write_file(f, "cert.pem", certificate, certificate_path);
    write_file(f, "key.pem", key, key_path);
    if (tls_server_new(f->world, certificate_path, key_path, &t, &e)) fail_msg("%s", e.text);
    arena_free(a);
    return t;
}

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof *f);
    strcpy(f->folder, "/tmp/tls-test-XXXXXX");
    if (!mkdtemp(f->folder)) return -1;
    f->world = world_real(1);
    f->loop = loop_new(f->world);
    f->gate = gate_new(f->world, (struct listen_limits){100, 100, 64});
    f->lock = lock_new(f->world);
    f->server = new_server(f);
    if (tls_client_new(f->world, TLS_VERIFY_NONE, &f->client, NULL)) return -1;
    listen_on(f, (struct listen_options){.name = "plain"}, &f->plain, &f->plain_port);
    listen_on(f, (struct listen_options){.name = "implicit", .tls = current}, &f->implicit, &f->implicit_port);
    loop_start(f->loop, "server");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[64];
    listener_stop(f->plain);
    listener_stop(f->implicit);
    loop_stop(f->loop);
    loop_join(f->loop);
    loop_free(f->loop);
    listener_free(f->plain);
    listener_free(f->implicit);
    gate_free(f->gate);
    tls_unref(f->server);
    tls_unref(f->client);
    lock_free(f->lock);
    world_free(f->world);
    snprintf(command, sizeof command, "rm -r %s", f->folder);
    int failed = system(command);
    test_free(f);
    return failed;
}

/* ---- our own client ---- */

struct run {
    struct fixture *f;
    FIBER void (*fn)(struct fixture *f);
};

static FIBER void run_then_stop(void *arg)
{
    struct run *r = arg;
    r->fn(r->f);
    loop_stop(loop_self());
}

static void run_client(struct fixture *f, FIBER void (*fn)(struct fixture *f))
{
    struct loop *l = loop_new(f->world);
    struct run r = {f, fn};
    loop_spawn(l, run_then_stop, &r);
    loop_run(l);
    loop_free(l);
}

static FIBER struct stream *dial(uint16_t port)
{
    struct stream *s;
    struct endpoint to = {{4, {127, 0, 0, 1}}, port};
    assert_int_equal(stream_connect(to, (struct ip){0}, loop_now() + SECONDS(10), &s, NULL), 0);
    stream_deadline(s, loop_now() + SECONDS(30));
    return s;
}

static FIBER void expect(struct stream *s, const char *said, const char *want)
{
    struct str line;
    stream_write(s, str_c(said));
    assert_int_equal(stream_line(s, 1000, &line), 0);
    if (!str_eq(line, str_c(want))) fail_msg("got \"%.*s\", want \"%s\"", STR_FMT(line), want);
}

static FIBER void big_letters(struct fixture *f)
{
    static char text[BIG];
    for (size_t i = 0; i < BIG; i++) text[i] = (char)('a' + i % 26);
    struct stream *s = dial(f->plain_port);
    struct str line;
    expect(s, "FACTS\r\n", "plain - new");
    expect(s, "STARTTLS\r\n", "go");
    assert_int_equal(stream_starttls_client(s, f->client, S("mail.example")), 0);
    expect(s, "FACTS\r\n", "TLSv1.3 mail.example new");
    for (int i = 0; i < 3; i++) {
        stream_write(s, str_of(text, BIG));
        stream_write(s, S("\r\n"));
        assert_int_equal(stream_line(s, 2 * BIG, &line), 0);
        assert_true(str_eq(line, str_of(text, BIG)));
    }
    struct arena *a = arena_new(NULL, 0);
    assert_int_equal(stream_channel_binding(s, a, S("tls-exporter")).n, 32);
    arena_free(a);
    stream_write(s, S("QUIT\r\n"));
    assert_int_equal(stream_line(s, 1000, &line), ERR_EOF);
    stream_close(s);
}

static FIBER void compressed(struct fixture *f) /* RFC 4978, over TLS and without */
{
    static char text[BIG];
    for (size_t i = 0; i < BIG; i++) text[i] = (char)('a' + i % 26);
    for (int tls = 0; tls < 2; tls++) {
        struct stream *s = dial(tls ? f->implicit_port : f->plain_port);
        struct str line;
        if (tls) assert_int_equal(stream_starttls_client(s, f->client, STR_NONE), 0);
        expect(s, "COMPRESS\r\n", "go");
        assert_int_equal(stream_deflate(s), 0);
        expect(s, "hello\r\n", "hello");
        for (int i = 0; i < 3; i++) {
            stream_write(s, str_of(text, BIG));
            stream_write(s, S("\r\n"));
            assert_int_equal(stream_line(s, 2 * BIG, &line), 0);
            assert_true(str_eq(line, str_of(text, BIG)));
        }
        assert_true(stream_bytes_in(s) < BIG / 4 && stream_bytes_out(s) < BIG / 4);
        stream_write(s, S("QUIT\r\n"));
        assert_int_equal(stream_line(s, 1000, &line), ERR_EOF);
        stream_close(s);
    }
}

static FIBER void slipped_in(struct fixture *f) /* RFC 3207 §4.2 */
{
    struct stream *s = dial(f->plain_port);
    expect(s, "STARTTLS\r\nslipped in\r\nhalf a li", "go");
    assert_int_equal(stream_starttls_client(s, f->client, STR_NONE), 0);
    expect(s, "first\r\n", "first");
    stream_close(s);
}

static FIBER void garbage(struct fixture *f)
{
    static const struct str noise[] = {S_INIT("EHLO client.example\r\n"), S_INIT("\x16\x03\x01\xff\xff\1\2\3"),
                                       S_INIT("\0\0\0\0\0\0\0\0")};
    struct str line;
    for (size_t i = 0; i < 3; i++) {
        struct stream *s = dial(f->implicit_port);
        stream_write(s, noise[i]);
        int e = stream_line(s, 1000, &line);
        assert_true(e == ERR_EOF || e == ERR_IO);
        stream_abort(s);
        s = dial(f->plain_port);
        expect(s, "STARTTLS\r\n", "go");
        stream_write(s, noise[i]);
        e = stream_line(s, 1000, &line);
        assert_true(e == ERR_EOF || e == ERR_IO || e == 0); /* the alert may look like a line */
        stream_abort(s);
    }
    struct stream *s = dial(f->plain_port); /* a server that does not speak TLS */
    assert_int_equal(stream_write(s, S("this is no TLS\r\n")), 0);
    assert_int_equal(stream_starttls_client(s, f->client, STR_NONE), ERR_TLS);
    assert_string_equal(stream_error_text(s), "TLS handshake failed: peer does not speak TLS (wrong version number)");
    stream_abort(s);
    s = dial(f->implicit_port);
    assert_int_equal(stream_starttls_client(s, f->client, STR_NONE), 0);
    expect(s, "still here\r\n", "still here");
    stream_close(s);
}

static FIBER void reload_underway(struct fixture *f)
{
    struct stream *old = dial(f->implicit_port), *fresh;
    struct arena *a = arena_new(NULL, 0);
    assert_int_equal(stream_starttls_client(old, f->client, STR_NONE), 0);
    struct str before = stream_channel_binding(old, a, S("tls-server-end-point"));
    struct tls_context *next = new_server(f), *former;
    lock_take(f->lock);
    former = f->server;
    f->server = next;
    lock_give(f->lock);
    tls_unref(former);
    fresh = dial(f->implicit_port);
    assert_int_equal(stream_starttls_client(fresh, f->client, STR_NONE), 0);
    assert_false(str_eq(before, stream_channel_binding(fresh, a, S("tls-server-end-point"))));
    expect(old, "still here\r\n", "still here");
    expect(fresh, "here too\r\n", "here too");
    stream_close(old);
    stream_close(fresh);
    arena_free(a);
}

/* ---- TLS behind a PROXY header, which brings the first bytes of it along ---- */

#define HEADER "PROXY UNKNOWN\r\n"

enum { HEADER_LENGTH = sizeof HEADER - 1, NOTHING_CUT = 60000 };

struct behind_header {
    struct fixture *f;
    struct stream *us, *them;
    size_t came; /* with the header */
    int outcome;
};

static FIBER void serve_behind_header(void *arg)
{
    struct behind_header *b = arg;
    struct str bytes, line;
    assert_int_equal(stream_peek(b->us, &bytes), 0);
    assert_true(str_starts(bytes, S(HEADER)));
    stream_take(b->us, HEADER_LENGTH);
    b->came = stream_buffered(b->us).n;
    stream_deadline(b->us, loop_now() + SECONDS(30));
    b->outcome = stream_tls_server(b->us, b->f->server);
    if (b->outcome == 0) {
        assert_string_equal(stream_tls(b->us)->version, "TLSv1.3");
        stream_write(b->us, S("220 ready\r\n"));
        assert_int_equal(stream_line(b->us, 100, &line), 0);
        assert_true(str_eq(line, S("NOOP")));
        assert_int_equal(stream_bytes_in(b->us), HEADER_LENGTH + strlen("NOOP\r\n"));
        stream_write(b->us, S("250 fine\r\n"));
    }
    stream_close(b->us);
}

/* Serves what the client says over a pipe of `capacity` bytes: so many come at once. */
static FIBER struct behind_header behind_header(struct fixture *f, size_t capacity,
                                                FIBER void (*client)(struct behind_header *b))
{
    struct arena *a = arena_new(NULL, 0);
    struct behind_header b = {.f = f};
    struct scope s;
    stream_pair(a, capacity, &b.us, &b.them);
    stream_deadline(b.them, loop_now() + SECONDS(30));
    scope_init(&s);
    fiber_spawn(&s, serve_behind_header, &b);
    client(&b);
    scope_join(&s);
    arena_free(a);
    return b;
}

static FIBER void shake_behind_header(struct behind_header *b)
{
    stream_write(b->them, S(HEADER));
    assert_int_equal(stream_starttls_client(b->them, b->f->client, S("mail.example")), 0);
    expect(b->them, "", "220 ready"); /* else, through a pipe this narrow, both ends would wait to be read */
    expect(b->them, "NOOP\r\n", "250 fine");
    stream_close(b->them);
}

static FIBER void hello_at_every_cut(struct fixture *f)
{
    struct behind_header whole = behind_header(f, NOTHING_CUT, shake_behind_header);
    assert_int_equal(whole.outcome, 0);
    assert_in_range(whole.came, 100, 2000);
    for (size_t n = 0; n < whole.came; n++) {
        struct behind_header cut = behind_header(f, HEADER_LENGTH + n, shake_behind_header);
        assert_int_equal(cut.outcome, 0);
        assert_int_equal(cut.came, n);
    }
}

static FIBER void speak_plainly(struct behind_header *b)
{
    stream_write(b->them, S(HEADER "EHLO client.example\r\n"));
    assert_int_equal(stream_flush(b->them), 0);
    struct str line;
    assert_int_equal(stream_line(b->them, 1000, &line), ERR_EOF);
    stream_close(b->them);
}

static FIBER void leave_in_the_hello(struct behind_header *b)
{
    stream_write(b->them, S(HEADER "\x16\3\1\1\0\1\0"));
    stream_close(b->them);
}

static FIBER void leave_behind_header(struct behind_header *b)
{
    stream_write(b->them, S(HEADER));
    stream_close(b->them);
}

static FIBER void no_hello(struct fixture *f)
{
    assert_int_equal(behind_header(f, NOTHING_CUT, speak_plainly).outcome, ERR_TLS);
    assert_int_equal(behind_header(f, NOTHING_CUT, leave_in_the_hello).outcome, ERR_EOF);
    assert_int_equal(behind_header(f, NOTHING_CUT, leave_behind_header).outcome, ERR_EOF);
}

static void test_hello_with_header(void **state) { run_client(*state, hello_at_every_cut); }
static void test_no_hello(void **state) { run_client(*state, no_hello); }
static void test_big_letters(void **state) { run_client(*state, big_letters); }
static void test_compressed(void **state) { run_client(*state, compressed); }
static void test_slipped_in(void **state) { run_client(*state, slipped_in); }
static void test_garbage(void **state) { run_client(*state, garbage); }
static void test_reload(void **state) { run_client(*state, reload_underway); }

/* ---- other people's clients ---- */

/* Runs a shell command ($port, $dir set) and compares what it prints. */
static void shell(struct fixture *f, const char *script, const char *want)
{
    static const char prologue[] = "port=%d dir=%s LC_ALL=C; export port dir; %s";
    char command[1000], got[1000];
    snprintf(command, sizeof command, prologue, f->implicit_port, f->folder, script);
    FILE *p = popen(command, "r");
    assert_non_null(p);
    size_t n = fread(got, 1, sizeof got - 1, p);
    got[n] = 0;
    pclose(p);
    if (strcmp(got, want) != 0) fail_msg("%s\nprinted %s", command, got);
}

#define S_CLIENT                                                          \
    "{ printf 'FACTS\\r\\n'; sleep 0.3; printf 'QUIT\\r\\n'; } | timeout 20 " \
    "openssl s_client -connect 127.0.0.1:$port -quiet -verify_quiet "

static void test_openssl(void **state)
{
    struct fixture *f = *state;
    shell(f, S_CLIENT "-tls1_3 -servername Mail.Example 2>/dev/null", "TLSv1.3 Mail.Example new\r\n");
    shell(f, S_CLIENT "-tls1_2 -noservername 2>/dev/null", "TLSv1.2 - new\r\n");
    shell(f, S_CLIENT "-tls1_1 -cipher DEFAULT:@SECLEVEL=0 2>/dev/null", "");
    for (int v = 2; v <= 3; v++) {
        char script[600], want[60];
        snprintf(script, sizeof script,
                 S_CLIENT "-tls1_%d -sess_out $dir/s >/dev/null 2>&1; " S_CLIENT "-tls1_%d -sess_in $dir/s 2>/dev/null",
                 v, v);
        snprintf(want, sizeof want, "TLSv1.%d - resumed\r\n", v);
        shell(f, script, want);
    }
    static const char verified[] =
        "openssl s_client -connect 127.0.0.1:$port -CAfile $dir/cert.pem -verify_return_error "
        "-verify_hostname mail.example </dev/null 2>/dev/null | "
        "grep -E '^(New|Compression|Server Temp|Verify return)' | sort -u";
    static const char facts[] = "Compression: NONE\nNew, TLSv1.3, Cipher is TLS_AES_256_GCM_SHA384\n"
                                "Server Temp Key: X25519, 253 bits\nVerify return code: 0 (ok)\n";
    shell(f, verified, facts);
}

static void test_python(void **state)
{
    static const char script[] = "/usr/bin/python3 -c \""
                                 "import os, socket, ssl\n"
                                 "c = ssl.create_default_context(cafile=os.environ['dir'] + '/cert.pem')\n"
                                 "for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:\n"
                                 "    c.maximum_version = version\n"
                                 "    plain = socket.create_connection(('127.0.0.1', int(os.environ['port'])))\n"
                                 "    s = c.wrap_socket(plain, server_hostname='mail.example')\n"
                                 "    s.sendall(b'FACTS\\r\\n')\n"
                                 "    print(s.makefile().readline().strip())\n"
                                 "    s.unwrap()\n\"";
    shell(*state, script, "TLSv1.2 mail.example new\nTLSv1.3 mail.example new\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(test_big_letters), T(test_compressed), T(test_slipped_in),        T(test_garbage),  T(test_reload),
        T(test_openssl),     T(test_python),     T(test_hello_with_header), T(test_no_hello),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
