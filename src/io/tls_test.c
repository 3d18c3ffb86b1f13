/* TLS contexts and the layer, over a connection in memory: handshakes cut at every byte, damaged at every byte, names,
 * certificates, tickets, channel bindings. No sockets, no waiting, and a clock of our own. */
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "io/tls_context.h"
#include "io/world_core.h"

/* ---- a world that has a clock, randomness and nothing else ---- */

struct test_world {
    struct world world;
    mono_us now;
};

static mono_us test_mono(struct world *w) { return ((struct test_world *)w)->now; }
static utc_us test_utc(struct world *w)
{
    (void)w;
    return (utc_us)time(NULL) * US_PER_S; /* OpenSSL judges certificates by the real one */
}
static void test_random(struct world *w, void *out, size_t n)
{
    (void)w;
    assert_int_equal(getentropy(out, n), 0);
}
static const struct world_ops test_ops = {.mono = test_mono, .utc = test_utc, .random = test_random};
static const struct world_ops simulated_ops = {
    .simulated = true, .mono = test_mono, .utc = test_utc, .random = test_random};

/* ---- a connection in memory ---- */

struct memory_conn {
    struct conn conn;
    struct memory_conn *other;
    struct buf in;
    bool closed;           /* the other end will write no more */
    size_t chunk;          /* bytes a call moves at most */
    size_t capacity;       /* bytes underway at most */
    size_t damage_at;      /* this byte of what arrives (from 1) is flipped */
    size_t arrived;
};

static int64_t memory_read(struct conn *c, void *out, size_t n)
{
    struct memory_conn *m = (struct memory_conn *)c;
    if (m->in.n == 0) return m->closed ? 0 : CONN_AGAIN;
    if (n > m->in.n) n = m->in.n;
    if (n > m->chunk) n = m->chunk;
    memcpy(out, m->in.p, n);
    buf_drop(&m->in, n);
    return (int64_t)n;
}

static int64_t memory_writev(struct conn *c, const struct iovec *v, int count)
{
    struct memory_conn *m = ((struct memory_conn *)c)->other;
    assert_int_equal(count, 1);
    size_t room = m->capacity - m->in.n, n = v->iov_len < room ? v->iov_len : room;
    if (n > m->chunk) n = m->chunk;
    if (n == 0) return CONN_AGAIN;
    buf_add(&m->in, str_of(v->iov_base, n));
    if (m->damage_at > m->arrived && m->damage_at <= m->arrived + n)
        m->in.p[m->in.n - (m->arrived + n - m->damage_at) - 1] ^= 0x20;
    m->arrived += n;
    return (int64_t)n;
}

static const struct conn_ops memory_ops = {.try_read = memory_read, .try_writev = memory_writev};

struct fixture {
    struct test_world world;
    struct world *w;
    struct arena *a;
    char folder[32];
    struct memory_conn s, c; /* server's and client's end */
    struct tls_layer *server, *client;
    struct error server_error, client_error;
};

static void connect_ends(struct fixture *f, size_t chunk)
{
    buf_free(&f->s.in);
    buf_free(&f->c.in);
    f->s = (struct memory_conn){{&memory_ops}, &f->c, BUF(1 << 20), false, chunk, 1 << 20, 0, 0};
    f->c = (struct memory_conn){{&memory_ops}, &f->s, BUF(1 << 20), false, chunk, 1 << 20, 0, 0};
    f->server_error = f->client_error = (struct error){0};
}

static void drop_layers(struct fixture *f)
{
    tls_layer_free(f->server);
    tls_layer_free(f->client);
    f->server = f->client = NULL;
}

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof *f);
    f->world = (struct test_world){{&test_ops}, SECONDS(1)};
    f->w = &f->world.world;
    f->a = arena_new(NULL, 0);
    strcpy(f->folder, "/tmp/tls-test-XXXXXX");
    if (!mkdtemp(f->folder)) return -1;
    connect_ends(f, SIZE_MAX);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[64];
    drop_layers(f);
    buf_free(&f->s.in);
    buf_free(&f->c.in);
    arena_free(f->a);
    snprintf(command, sizeof command, "rm -r %s", f->folder);
    int failed = system(command);
    test_free(f);
    return failed;
}

/* ---- certificates ---- */

static const char *path_of(struct fixture *f, const char *name)
{
    return arena_cstr(f->a, arena_printf(f->a, "%s/%s", f->folder, name));
}

static void write_file(struct fixture *f, const char *name, struct str text)
{
    FILE *file = fopen(path_of(f, name), "w");
    assert_non_null(file);
    fwrite(text.p, 1, text.n, file);
    fclose(file);
}

static EVP_PKEY *key_of(const char *kind)
{
    if (strcmp(kind, "RSA") == 0) return EVP_RSA_gen(2048);
    if (strcmp(kind, "ED25519") == 0) return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    return EVP_EC_gen("P-256");
}

/* NAME.pem and NAME.key in the folder: self-signed; sans as OpenSSL writes them ("DNS:a,DNS:b"), may be NULL. */
static void make_certificate(struct fixture *f, const char *name, const char *kind, const EVP_MD *md, const char *cn,
                             const char *sans, int from_days, int to_days)
{
    EVP_PKEY *key = key_of(kind);
    X509 *x = X509_new();
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    X509_time_adj_ex(X509_getm_notBefore(x), from_days, 0, NULL);
    X509_time_adj_ex(X509_getm_notAfter(x), to_days, 0, NULL);
    X509_set_pubkey(x, key);
    X509_EXTENSION *ext = sans ? X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, sans) : NULL;
    if (ext) X509_add_ext(x, ext, -1);
    X509_EXTENSION_free(ext);
    assert_true(X509_sign(x, key, md) > 0);
    FILE *c = fopen(path_of(f, arena_cstr(f->a, arena_printf(f->a, "%s.pem", name))), "w");
    FILE *k = fopen(path_of(f, arena_cstr(f->a, arena_printf(f->a, "%s.key", name))), "w");
    PEM_write_X509(c, x);
    PEM_write_PrivateKey(k, key, NULL, NULL, 0, NULL, NULL);
    fclose(c);
    fclose(k);
    X509_free(x);
    EVP_PKEY_free(key);
}

static struct tls_context *server_with(struct fixture *f, const char *name)
{
    struct tls_context *t;
    struct error e;
    if (tls_server_new(f->w, path_of(f, arena_cstr(f->a, arena_printf(f->a, "%s.pem", name))),
                       path_of(f, arena_cstr(f->a, arena_printf(f->a, "%s.key", name))), &t, &e))
        fail_msg("%s", e.text);
    return t;
}

static struct tls_context *server_simple(struct fixture *f)
{
    make_certificate(f, "mail", "EC", EVP_sha256(), "mail.example", "DNS:mail.example", -1, 30);
    return server_with(f, "mail");
}

static struct tls_context *client(struct fixture *f, enum tls_verify verify)
{
    struct tls_context *t;
    assert_int_equal(tls_client_new(f->w, verify, &t, NULL), 0);
    return t;
}

/* ---- driving both ends ---- */

struct result {
    int server, client; /* 0, CONN_AGAIN when nothing moves any more, or the error */
};

/* Grows with every byte given or taken. */
static size_t moved(const struct fixture *f) { return 2 * (f->s.arrived + f->c.arrived) - f->s.in.n - f->c.in.n; }

static struct result shake(struct fixture *f)
{
    struct result r = {CONN_AGAIN, CONN_AGAIN};
    bool want_write;
    for (size_t before = SIZE_MAX, now; (now = moved(f)) != before;) {
        before = now;
        if (r.client == CONN_AGAIN && f->client)
            r.client = tls_layer_handshake(f->client, &want_write, &f->client_error);
        if (r.server == CONN_AGAIN && f->server)
            r.server = tls_layer_handshake(f->server, &want_write, &f->server_error);
        /* as the one who owns the connection would do */
        if (r.client != CONN_AGAIN && r.client != 0) f->s.closed = true;
        if (r.server != CONN_AGAIN && r.server != 0) f->c.closed = true;
    }
    return r;
}

static struct result connect_tls(struct fixture *f, struct tls_context *server, struct tls_context *client_side,
                                 const char *name, size_t chunk)
{
    drop_layers(f);
    connect_ends(f, chunk);
    f->server = tls_layer_new(server, &f->s.conn, true, STR_NONE);
    f->client = tls_layer_new(client_side, &f->c.conn, false, str_c(name));
    return shake(f);
}

static void connect_well(struct fixture *f, struct tls_context *server, struct tls_context *client_side,
                         const char *name, size_t chunk)
{
    struct result r = connect_tls(f, server, client_side, name, chunk);
    if (r.server || r.client)
        fail_msg("server %d %s, client %d %s", r.server, f->server_error.text, r.client, f->client_error.text);
}

/* Sends text one way, through as many steps as it takes. */
static void carry(struct tls_layer *from, struct tls_layer *to, struct str text)
{
    char got[64];
    struct buf arrived = BUF(1 << 20);
    bool want_write;
    for (struct str rest = text; arrived.n < text.n;) {
        int64_t n = rest.n ? tls_layer_try_write(from, rest.p, rest.n, &want_write) : 0;
        if (n > 0) rest = str_skip(rest, (size_t)n);
        else assert_true(n == 0 || (n == CONN_AGAIN && want_write));
        while ((n = tls_layer_try_read(to, got, sizeof got, &want_write)) > 0)
            buf_add(&arrived, str_of(got, (size_t)n));
        assert_int_equal(n, CONN_AGAIN);
        assert_false(want_write);
    }
    assert_true(str_eq(buf_str(&arrived), text));
    buf_free(&arrived);
}

/* ---- the tests ---- */

static void talks_and_ends_in_good_order(void **state)
{
    struct fixture *f = *state;
    struct tls_context *s = server_simple(f), *c = client(f, TLS_VERIFY_NONE);
    static const size_t chunks[] = {SIZE_MAX, 1, 2, 3, 7, 100, 1460};
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
        char byte;
        bool want_write;
        connect_well(f, s, c, "mail.example", chunks[i]);
        carry(f->client, f->server, S("EHLO client.example\r\n"));
        carry(f->server, f->client, S("250 mail.example\r\n"));
        for (int n = 0; tls_layer_shutdown(f->client, &want_write) != 0; n++) assert_true(want_write && n < 100);
        assert_int_equal(tls_layer_try_read(f->server, &byte, 1, &want_write), 0);
        assert_int_equal(tls_layer_try_read(f->client, &byte, 1, &want_write), CONN_AGAIN);
    }
    drop_layers(f);
    tls_unref(s);
    tls_unref(c);
}

static void facts(void **state)
{
    struct fixture *f = *state;
    struct tls_context *s = server_simple(f), *c = client(f, TLS_VERIFY_NONE);
    struct tls_facts at_server, at_client;
    connect_well(f, s, c, "mail.example.", SIZE_MAX);
    tls_layer_facts(f->server, &at_server);
    tls_layer_facts(f->client, &at_client);
    assert_string_equal(at_server.version, "TLSv1.3");
    assert_string_equal(at_server.cipher, at_client.cipher);
    assert_int_equal(at_server.bits, 256);
    assert_string_equal(at_server.server_name, "mail.example");
    assert_string_equal(at_client.server_name, "mail.example");
    assert_false(at_client.verified);
    assert_false(at_server.resumed);
    connect_well(f, s, c, "192.0.2.1", SIZE_MAX); /* RFC 6066 §3: an address is no server name */
    tls_layer_facts(f->server, &at_server);
    assert_string_equal(at_server.server_name, "");
    SSL_CTX_set_max_proto_version(c->first->ssl, TLS1_2_VERSION);
    connect_well(f, s, c, "", 1);
    tls_layer_facts(f->server, &at_server);
    assert_string_equal(at_server.version, "TLSv1.2");
    drop_layers(f);
    tls_unref(s);
    tls_unref(c);
}

static void old_versions_are_refused(void **state)
{
    struct fixture *f = *state;
    struct tls_context *s = server_simple(f), *c = client(f, TLS_VERIFY_NONE);
    SSL_CTX_set_min_proto_version(c->first->ssl, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(c->first->ssl, TLS1_1_VERSION);
    struct result r = connect_tls(f, s, c, "mail.example", SIZE_MAX);
    assert_int_equal(r.server, ERR_TLS);
    assert_int_equal(r.client, ERR_TLS);
    assert_string_equal(f->server_error.text, "TLS handshake failed: peer has no TLS version we accept");
    assert_string_equal(f->client_error.text, "TLS handshake failed: peer refused: protocol version");
    drop_layers(f);
    tls_unref(s);
    tls_unref(c);
}

#define WRONG_VERSION "TLS handshake failed: peer does not speak TLS (wrong version number)"

static void garbage_instead_of_a_handshake(void **state)
{
    static const struct {
        struct str bytes;
        int code; /* CONN_AGAIN: a beginning that may go on */
        const char *words;
    } row[] = {
        {S_INIT("GET / HTTP/1.0\r\n\r\n"), ERR_TLS, "TLS handshake failed: peer does not speak TLS (HTTP request)"},
        {S_INIT("EHLO client.example\r\n"), ERR_TLS, WRONG_VERSION},
        {S_INIT("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), ERR_TLS, WRONG_VERSION},
        {S_INIT("\x16\x03\x01\xff\xff________"), ERR_TLS, NULL},
        {S_INIT("\x16\x03\x01\0\4\2\0\0\0"), ERR_TLS, NULL},      /* a server's hello */
        {S_INIT("\x17\x03\x03\0\4abcd"), ERR_TLS, NULL},          /* data before anything */
        {S_INIT("\x15\x03\x01\0\2\2\x28"), ERR_TLS, "TLS handshake failed: unexpected message"}, /* an alert */
        {S_INIT("\x80\x2e\1\0\2"), CONN_AGAIN, NULL},             /* SSL 2 */
        {S_INIT("\x16\x03\x01\x02"), CONN_AGAIN, NULL},
        {S_INIT(""), CONN_AGAIN, NULL},
    };
    struct fixture *f = *state;
    struct tls_context *s = server_simple(f);
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        drop_layers(f);
        connect_ends(f, SIZE_MAX);
        f->server = tls_layer_new(s, &f->s.conn, true, STR_NONE);
        buf_add(&f->s.in, row[i].bytes);
        struct result r = shake(f);
        if (r.server != row[i].code) fail_msg("row %zu: %d %s", i, r.server, f->server_error.text);
        if (row[i].words) assert_string_equal(f->server_error.text, row[i].words);
        if (r.server == CONN_AGAIN) {
            f->s.closed = true;
            assert_int_equal(shake(f).server, ERR_EOF);
            assert_string_equal(f->server_error.text, "TLS handshake failed: peer closed the connection");
        }
        assert_int_equal(ERR_peek_error(), 0); /* nothing is left behind for the next connection of the thread */
    }
    drop_layers(f);
    tls_unref(s);
}

/* Every byte of a handshake, one after the other, in both directions and both versions, arrives changed. */
static void a_changed_byte_anywhere(void **state)
{
    struct fixture *f = *state;
    struct tls_context *s = server_simple(f), *c = client(f, TLS_VERIFY_NONE);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        SSL_CTX_set_max_proto_version(c->first->ssl, version);
        connect_well(f, s, c, "mail.example", SIZE_MAX);
        size_t to_server = f->s.arrived, to_client = f->c.arrived, unnoticed = 0;
        for (size_t at = 1; at <= to_server + to_client; at++) {
            drop_layers(f);
            connect_ends(f, SIZE_MAX);
            f->server = tls_layer_new(s, &f->s.conn, true, STR_NONE);
            f->client = tls_layer_new(c, &f->c.conn, false, S("mail.example"));
            if (at <= to_server) f->s.damage_at = at;
            else f->c.damage_at = at - to_server;
            struct result r = shake(f);
            if (r.server && r.server != CONN_AGAIN) assert_true(r.server == ERR_TLS || r.server == ERR_EOF);
            if (r.client && r.client != CONN_AGAIN) assert_true(r.client == ERR_TLS || r.client == ERR_EOF);
            if (r.server && r.server != CONN_AGAIN) assert_true(strlen(f->server_error.text) > 24);
            if (r.client && r.client != CONN_AGAIN) assert_true(strlen(f->client_error.text) > 24);
            unnoticed += r.server == 0 && r.client == 0;
        }
        /* The version of a record is not looked at everywhere; the ticket comes after the client is content. */
        assert_true(unnoticed < 400);
        if (version == TLS1_2_VERSION) assert_true(unnoticed < 20);
    }
    drop_layers(f);
    tls_unref(s);
    tls_unref(c);
}

static void broken_records_after_the_handshake(void **state)
{
    struct fixture *f = *state;
    struct tls_context *s = server_simple(f), *c = client(f, TLS_VERIFY_NONE);
    char got[16];
    bool want_write;
    connect_well(f, s, c, "mail.example", SIZE_MAX);
    buf_lit(&f->s.in, "\x17\x03\x03\0\x20________________________________");
    assert_int_equal(tls_layer_try_read(f->server, got, sizeof got, &want_write), ERR_TLS);
    assert_int_equal(tls_layer_try_read(f->server, got, sizeof got, &want_write), ERR_TLS);
    assert_int_equal(tls_layer_try_write(f->server, "x", 1, &want_write), ERR_TLS);
    assert_int_equal(tls_layer_shutdown(f->server, &want_write), 0);
    assert_int_equal(tls_layer_try_read(f->client, got, sizeof got, &want_write), ERR_TLS); /* the alert */

    connect_well(f, s, c, "mail.example", SIZE_MAX);
    f->s.closed = true; /* without close_notify: the end of input all the same */
    assert_int_equal(tls_layer_try_read(f->server, got, sizeof got, &want_write), 0);
    assert_int_equal(tls_layer_try_read(f->server, got, sizeof got, &want_write), 0);
    drop_layers(f);
    tls_unref(s);
    tls_unref(c);
}

static void a_full_connection(void **state)
{
    struct fixture *f = *state;
    struct tls_context *s = server_simple(f), *c = client(f, TLS_VERIFY_NONE);
    connect_well(f, s, c, "mail.example", SIZE_MAX);
    f->s.capacity = 1000;
    char *text = arena_alloc(f->a, 200000);
    for (size_t i = 0; i < 200000; i++) text[i] = (char)(i * 7 % 251);
    carry(f->client, f->server, str_of(text, 200000));
    drop_layers(f);
    tls_unref(s);
    tls_unref(c);
}

/* ---- names ---- */

static void server_names_choose_the_certificate(void **state)
{
    static const struct {
        const char *name, *subject;
    } row[] = {
        {"mail.example", "CN = mail.example"}, {"MAIL.example", "CN = mail.example"}, {"", "CN = mail.example"},
        {"unknown.example", "CN = mail.example"}, {"imap.example", "CN = mail.example"}, /* the first that has it */
        {"a.wild.example", "CN = wild"}, {"wild.example", "CN = mail.example"},
        {"a.b.wild.example", "CN = mail.example"},
        {"*.wild.example", "CN = wild"}, {"only.example", "CN = only.example"}, {".", "CN = mail.example"},
    };
    struct fixture *f = *state;
    make_certificate(f, "mail", "EC", EVP_sha256(), "mail.example", "DNS:mail.example,DNS:imap.example", -1, 30);
    make_certificate(f, "wild", "RSA", EVP_sha256(), "wild", "DNS:*.wild.example,DNS:imap.example,email:x@y.example",
                     -1, 30);
    make_certificate(f, "only", "EC", EVP_sha256(), "only.example", NULL, -1, 30);
    struct tls_context *s = server_with(f, "mail"), *c = client(f, TLS_VERIFY_NONE);
    assert_int_equal(tls_server_add(s, path_of(f, "wild.pem"), path_of(f, "wild.key"), NULL), 0);
    assert_int_equal(tls_server_add(s, path_of(f, "only.pem"), path_of(f, "only.key"), NULL), 0);
    for (size_t i = 0; i < 2 * sizeof row / sizeof *row; i++) {
        char subject[128];
        size_t r = i / 2;
        SSL_CTX_set_max_proto_version(c->first->ssl, i % 2 ? TLS1_2_VERSION : TLS1_3_VERSION);
        connect_well(f, s, c, row[r].name, SIZE_MAX);
        struct str got = tls_layer_channel_binding(f->client, f->a, S("tls-server-end-point"));
        bool same = false;
        for (struct tls_identity *id = s->first; id; id = id->next) {
            unsigned char digest[32];
            X509 *x = SSL_CTX_get0_certificate(id->ssl);
            X509_digest(x, EVP_sha256(), digest, NULL);
            if (!str_eq(got, str_of(digest, 32))) continue;
            X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, subject, sizeof subject);
            same = strcmp(subject, row[r].subject + strlen("CN = ")) == 0;
        }
        if (!same) fail_msg("%s got %s", row[r].name, subject);
    }
    drop_layers(f);
    tls_unref(s);
    tls_unref(c);
}

static void channel_bindings(void **state)
{
    static const struct {
        const char *kind, *digest;
        int version;
        size_t exporter, end_point; /* sizes; 0: none */
    } row[] = {
        {"EC", "SHA256", TLS1_3_VERSION, 32, 32},  {"EC", "SHA256", TLS1_2_VERSION, 0, 32},
        {"RSA", "SHA384", TLS1_3_VERSION, 32, 48}, {"RSA", "SHA512", TLS1_2_VERSION, 0, 64},
        {"RSA", "SHA1", TLS1_3_VERSION, 32, 32},   {"ED25519", NULL, TLS1_3_VERSION, 32, 0},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        const EVP_MD *md = row[i].digest ? EVP_get_digestbyname(row[i].digest) : NULL;
        make_certificate(f, "mail", row[i].kind, md, "mail.example", NULL, -1, 30);
        struct tls_context *s = server_with(f, "mail"), *c = client(f, TLS_VERIFY_NONE);
        SSL_CTX_set_max_proto_version(c->first->ssl, row[i].version);
        connect_well(f, s, c, "mail.example", SIZE_MAX);
        static const char *const types[] = {"tls-exporter", "tls-server-end-point", "tls-unique", ""};
        for (size_t k = 0; k < 4; k++) {
            struct str here = tls_layer_channel_binding(f->server, f->a, str_c(types[k]));
            struct str there = tls_layer_channel_binding(f->client, f->a, str_c(types[k]));
            size_t want = k == 0 ? row[i].exporter : k == 1 ? row[i].end_point : 0;
            assert_int_equal(here.n, want);
            assert_int_equal(str_is_none(here), want == 0);
            assert_true(str_eq(here, there));
        }
        struct str first = tls_layer_channel_binding(f->server, f->a, S("tls-exporter"));
        connect_well(f, s, c, "mail.example", SIZE_MAX);
        struct str second = tls_layer_channel_binding(f->server, f->a, S("tls-exporter"));
        if (first.n) assert_false(str_eq(first, second)); /* one of each connection */
        drop_layers(f);
        tls_unref(s);
        tls_unref(c);
    }
}

/* ---- verification ---- */

static void names_are_verified(void **state)
{
    static const struct {
        const char *certificate, *name;
        const char *words; /* NULL: good */
    } row[] = {
        {"mail", "mail.example", NULL},
        {"mail", "MAIL.Example.", NULL},
        {"mail", "192.0.2.1", NULL},
        {"mail", "192.0.2.2", "certificate of 192.0.2.2: IP address mismatch"},
        {"mail", "other.example", "certificate of other.example: hostname mismatch"},
        {"mail", "", "TLS handshake failed: no name of the peer to verify"},
        {"wild", "a.wild.example", NULL},
        {"wild", "a.b.wild.example", "certificate of a.b.wild.example: hostname mismatch"},
        {"old", "old.example", "certificate of old.example: certificate has expired"},
        {"early", "early.example", "certificate of early.example: certificate is not yet valid"},
        {"stranger", "stranger.example", "certificate of stranger.example: self-signed certificate"},
    };
    struct fixture *f = *state;
    char command[256];
    make_certificate(f, "mail", "EC", EVP_sha256(), "mail.example", "DNS:mail.example,IP:192.0.2.1", -1, 30);
    make_certificate(f, "wild", "EC", EVP_sha256(), "wild", "DNS:*.wild.example", -1, 30);
    make_certificate(f, "old", "EC", EVP_sha256(), "old.example", "DNS:old.example", -30, -1);
    make_certificate(f, "early", "EC", EVP_sha256(), "early.example", "DNS:early.example", 1, 30);
    make_certificate(f, "stranger", "EC", EVP_sha256(), "stranger.example", "DNS:stranger.example", -1, 30);
    snprintf(command, sizeof command, "cd %s && cat mail.pem wild.pem old.pem early.pem >trusted", f->folder);
    assert_int_equal(system(command), 0);
    setenv("SSL_CERT_FILE", path_of(f, "trusted"), 1); /* "the system's" store */
    struct tls_context *c = client(f, TLS_VERIFY_NAME), *any = client(f, TLS_VERIFY_NONE);
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct tls_context *s = server_with(f, row[i].certificate);
        struct tls_facts seen;
        struct result r = connect_tls(f, s, c, row[i].name, SIZE_MAX);
        assert_int_equal(r.client, row[i].words ? ERR_TLS : 0);
        if (row[i].words) assert_string_equal(f->client_error.text, row[i].words);
        tls_layer_facts(f->client, &seen);
        assert_int_equal(seen.verified, row[i].words == NULL);
        connect_well(f, s, any, row[i].name, SIZE_MAX); /* whom nobody asks for a name, everything is good enough */
        drop_layers(f);
        tls_unref(s);
    }
    tls_unref(c);
    tls_unref(any);
}

/* ---- files ---- */

static void certificates_that_cannot_be_used(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *certificate, *key;
        int code;
        const char *words; /* the folder's name left out */
    } row[] = {
        {"none.pem", "a.key", ERR_NOT_FOUND, "cannot read the certificate none.pem: No such file or directory"},
        {"a.pem", "none.key", ERR_NOT_FOUND, "cannot read the key none.key: No such file or directory"},
        {"junk", "a.key", ERR_TLS, "the certificate junk cannot be used: no start line"},
        {"a.key", "a.key", ERR_TLS, "the certificate a.key cannot be used: no start line"},
        {"a.pem", "b.key", ERR_TLS, "the key b.key does not belong to the certificate a.pem"},
        {"a.pem", "rsa.key", ERR_TLS, "the key rsa.key does not belong to the certificate a.pem"},
        {"a.pem", "junk", ERR_TLS, NULL},
        {"a.pem", "locked.key", ERR_TLS, NULL},
        {"weak.pem", "weak.key", ERR_TLS, "the certificate weak.pem cannot be used: ee key too small"},
    };
    char command[512];
    make_certificate(f, "a", "EC", EVP_sha256(), "a.example", NULL, -1, 30);
    make_certificate(f, "b", "EC", EVP_sha256(), "b.example", NULL, -1, 30);
    make_certificate(f, "rsa", "RSA", EVP_sha256(), "rsa.example", NULL, -1, 30);
    write_file(f, "junk", S("this is no certificate\n"));
    snprintf(command, sizeof command,
             "cd %s && openssl pkcs8 -topk8 -v2 aes-256-cbc -passout pass:x -in a.key -out locked.key && "
             "openssl req -x509 -newkey rsa:1024 -nodes -keyout weak.key -out weak.pem -subj /CN=w -days 3 2>/dev/null",
             f->folder);
    assert_int_equal(system(command), 0);
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct tls_context *t = NULL;
        struct error e = {0};
        const char *certificate = path_of(f, row[i].certificate), *key = path_of(f, row[i].key);
        assert_int_equal(tls_server_new(f->w, certificate, key, &t, &e), row[i].code);
        assert_null(t);
        for (char *at; (at = strstr(e.text, f->folder));)
            memmove(at, at + strlen(f->folder) + 1, strlen(at + strlen(f->folder)));
        if (row[i].words) assert_string_equal(e.text, row[i].words);
        assert_true(strlen(e.text) > 20);
        assert_int_equal(ERR_peek_error(), 0);
    }
}

static void a_certificate_of_our_own(void **state)
{
    struct fixture *f = *state;
    struct str certificate, key;
    struct error e;
    struct tls_certificate_info info;
    setenv("SSL_CERT_FILE", path_of(f, "own.pem"), 1);
    static const char *const names[] = {
        "Mail.Example", "192.0.2.1", "2001:db8::1",
        "a-very-long-host-name-of-more-than-sixty-four-characters.in-some-domain.example",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(tls_self_signed(f->w, f->a, str_c(names[i]), 3650, &certificate, &key, &e), 0);
        write_file(f, "own.pem", certificate);
        write_file(f, "own.key", key);
        struct tls_context *s = server_with(f, "own"), *c = client(f, TLS_VERIFY_NAME);
        connect_well(f, s, c, names[i], SIZE_MAX);
        assert_int_equal(tls_certificate_info(s, &info), 0);
        if (i == 0) assert_string_equal(info.subject, "CN = mail.example");
        assert_int_equal(strlen(info.sha256), 64);
        assert_true(info.not_before <= clock_utc(f->w) - SECONDS(3599) &&
                    info.not_before >= clock_utc(f->w) - SECONDS(3610));
        assert_true(info.not_after - info.not_before == DAYS(3650) + HOURS(1));
        drop_layers(f);
        tls_unref(s);
        tls_unref(c);
    }
    assert_int_equal(tls_self_signed(f->w, f->a, S("not a name"), 1, &certificate, &key, &e), ERR_SYNTAX);
    assert_string_equal(e.text, "\"not a name\" is no host name");
}

/* ---- tickets ---- */

/* A client of plain OpenSSL that keeps its session; returns whether the server took it up again. */
static bool resumes(struct fixture *f, struct tls_context *s, SSL_CTX *plain, SSL_SESSION **session)
{
    char byte;
    bool want_write, resumed;
    drop_layers(f);
    connect_ends(f, SIZE_MAX);
    f->server = tls_layer_new(s, &f->s.conn, true, STR_NONE);
    SSL *ssl = SSL_new(plain);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl, in, out);
    SSL_set_tlsext_host_name(ssl, "mail.example");
    if (*session) SSL_set_session(ssl, *session);
    for (int i = 0, at_server = CONN_AGAIN; i < 10; i++) {
        char *p;
        SSL_connect(ssl);
        size_t n = (size_t)BIO_get_mem_data(out, &p);
        buf_add(&f->s.in, str_of(p, n));
        (void)BIO_reset(out);
        if (at_server == CONN_AGAIN) at_server = tls_layer_handshake(f->server, &want_write, &f->server_error);
        if (f->c.in.n) BIO_write(in, f->c.in.p, (int)f->c.in.n);
        buf_clear(&f->c.in);
    }
    assert_true(SSL_is_init_finished(ssl));
    tls_layer_try_write(f->server, "x", 1, &want_write);
    BIO_write(in, f->c.in.p, (int)f->c.in.n);
    assert_int_equal(SSL_read(ssl, &byte, 1), 1); /* with it the ticket is read */
    resumed = SSL_session_reused(ssl);
    SSL_SESSION_free(*session);
    *session = SSL_get1_session(ssl);
    SSL_shutdown(ssl);
    SSL_free(ssl);
    ERR_clear_error();
    return resumed;
}

static void tickets_resume_sessions_for_a_day_at_most(void **state)
{
    struct fixture *f = *state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct tls_context *s = server_simple(f), *other = server_with(f, "mail");
        SSL_SESSION *session = NULL;
        SSL_CTX *plain = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_max_proto_version(plain, version);
        assert_false(resumes(f, s, plain, &session));
        assert_true(resumes(f, s, plain, &session));
        struct tls_facts seen;
        tls_layer_facts(f->server, &seen);
        assert_true(seen.resumed);
        f->world.now += HOURS(11);
        assert_true(resumes(f, s, plain, &session));
        SSL_SESSION *kept = SSL_SESSION_dup(session);
        f->world.now += HOURS(11) + MINUTES(59); /* the key is no longer the newest, but still opens */
        assert_true(resumes(f, s, plain, &session));
        SSL_SESSION_free(session);
        session = kept;
        f->world.now += HOURS(2); /* a day after it was made it does not */
        assert_false(resumes(f, s, plain, &session));
        assert_true(resumes(f, s, plain, &session));
        assert_false(resumes(f, other, plain, &session)); /* another context has keys of its own */
        SSL_SESSION_free(session);
        SSL_CTX_free(plain);
        drop_layers(f);
        tls_unref(s);
        tls_unref(other);
    }
}

static void a_stream_keeps_the_context_it_began_with(void **state)
{
    struct fixture *f = *state;
    struct tls_context *s = server_simple(f), *c = client(f, TLS_VERIFY_NONE);
    connect_well(f, s, c, "mail.example", SIZE_MAX);
    struct tls_context *kept = tls_ref(s);
    tls_unref(s); /* reload */
    tls_unref(kept);
    tls_unref(c);
    carry(f->client, f->server, S("still there"));
    assert_false(tls_context_is_simulated(s));
    tls_unref(NULL);
}

static void in_the_simulation_it_is_only_a_mark(void **state)
{
    struct fixture *f = *state;
    struct tls_context *s, *c;
    struct str certificate, key;
    struct tls_certificate_info info;
    f->world.world.ops = &simulated_ops;
    assert_int_equal(tls_server_new(f->w, "/none", "/none", &s, NULL), 0);
    assert_int_equal(tls_server_add(s, "/none", "/none", NULL), 0);
    assert_int_equal(tls_client_new(f->w, TLS_VERIFY_NAME, &c, NULL), 0);
    assert_true(tls_context_is_simulated(s) && tls_context_is_simulated(c));
    assert_int_equal(tls_certificate_info(s, &info), 0);
    assert_int_equal(tls_self_signed(f->w, f->a, S("mail.example"), 1, &certificate, &key, NULL), 0);
    assert_true(str_starts(certificate, S("-----BEGIN CERTIFICATE-----\n")));
    tls_unref(s);
    tls_unref(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(talks_and_ends_in_good_order), T(facts), T(old_versions_are_refused), T(garbage_instead_of_a_handshake),
        T(a_changed_byte_anywhere), T(broken_records_after_the_handshake), T(a_full_connection),
        T(server_names_choose_the_certificate), T(channel_bindings), T(names_are_verified),
        T(certificates_that_cannot_be_used), T(a_certificate_of_our_own), T(tickets_resume_sessions_for_a_day_at_most),
        T(a_stream_keeps_the_context_it_began_with), T(in_the_simulation_it_is_only_a_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
