/* SASL as a dialogue: every mechanism to its end and every way it can fail; SCRAM with real channel bindings over real
 * TLS. */
#include "wire/sasl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/codec.h"
#include "io/sim.h"
#include "io/tls.h"

enum { BOB = 7 };

struct asked {
    int passwords, scrams, done, done_ok;
};

static int password(void *arg, struct ip client, struct arena *a, struct str login, struct str typed,
                    struct sasl_identity *who)
{
    (void)client;
    ((struct asked *)arg)->passwords++;
    if (str_eq(login, S("busy"))) return ERR_BUSY;
    if (str_eq(login, S("down"))) return ERR_UNAVAILABLE;
    if (!str_eq(login, S("bob")) || !str_eq(typed, S("p\xc3\xa4ss word"))) return ERR_DENIED;
    *who = (struct sasl_identity){.account = BOB, .login = arena_str(a, login)};
    return 0;
}

static int scram(void *arg, struct ip client, struct arena *a, struct str login, struct scram_keys *keys,
                 struct sasl_identity *who)
{
    (void)client;
    ((struct asked *)arg)->scrams++;
    if (str_eq(login, S("busy"))) return ERR_BUSY;
    *keys = scram_derive(S("pencil"), (const unsigned char *)"0123456789abcdef", 100);
    if (str_eq(login, S("bob"))) *who = (struct sasl_identity){.account = BOB, .login = arena_str(a, login)};
    return 0;
}

static void scram_done(void *arg, struct ip client, const struct sasl_identity *who, bool ok)
{
    (void)client;
    assert_true(!ok || who->account == BOB);
    ((struct asked *)arg)->done++;
    ((struct asked *)arg)->done_ok += ok;
}

/* ---- a client that answers challenges from a list ---- */

struct talk {
    struct arena *a;
    struct stream *stream;
    const char *const *responses; /* ends with NULL; "*" cancels, "!" is no base64 */
    const char *challenge;        /* the last one got */
    struct asked asked;
};

static int answer(void *arg, struct arena *a, struct str challenge, struct str *response)
{
    struct talk *t = arg;
    t->challenge = arena_cstr(a, challenge);
    if (!*t->responses) return ERR_EOF;
    struct str next = str_c(*t->responses++);
    if (str_eq(next, S("*"))) return ERR_CANCELLED;
    if (str_eq(next, S("!"))) return ERR_SYNTAX;
    *response = arena_str(a, next);
    for (size_t i = 0; i < response->n; i++)
        if (response->p[i] == '|') ((char *)(uintptr_t)response->p)[i] = 0;
    return 0;
}

static enum sasl_outcome run(struct talk *t, const char *mechanism, const char *initial, struct sasl_identity *who)
{
    struct sasl_accounts accounts = {password, scram, scram_done, &t->asked};
    struct sasl_transport transport = {.challenge = answer, .arg = t, .stream = t->stream};
    struct str first = initial ? arena_str(t->a, str_c(initial)) : STR_NONE;
    for (size_t i = 0; i < first.n; i++)
        if (first.p[i] == '|') ((char *)(uintptr_t)first.p)[i] = 0;
    *who = (struct sasl_identity){0};
    return sasl_run(t->a, &accounts, &transport, str_c(mechanism), first, who);
}

static const struct {
    const char *mechanism, *initial, *responses[4];
    enum sasl_outcome outcome;
} dialogues[] = {
    {"PLAIN", "|bob|p\xc3\xa4ss word", {NULL}, SASL_OK},
    {"plain", NULL, {"|bob|p\xc3\xa4ss word"}, SASL_OK},
    {"PLAIN", "|bob|pa\xcc\x88ss\xc2\xa0word", {NULL}, SASL_OK}, /* another composition, another space */
    {"PLAIN", "bob|bob|p\xc3\xa4ss word", {NULL}, SASL_OK},
    {"PLAIN", "ann|bob|p\xc3\xa4ss word", {NULL}, SASL_DENIED},
    {"PLAIN", "|bob|wrong", {NULL}, SASL_DENIED},
    {"PLAIN", "|bob|\x01", {NULL}, SASL_DENIED},
    {"PLAIN", "bob", {NULL}, SASL_SYNTAX},
    {"PLAIN", "", {NULL}, SASL_SYNTAX},
    {"PLAIN", NULL, {"*"}, SASL_CANCELLED},
    {"PLAIN", NULL, {"!"}, SASL_SYNTAX},
    {"PLAIN", NULL, {NULL}, SASL_LOST},
    {"PLAIN", "|busy|x", {NULL}, SASL_BUSY},
    {"PLAIN", "|down|x", {NULL}, SASL_UNAVAILABLE},
    {"LOGIN", NULL, {"bob", "p\xc3\xa4ss word"}, SASL_OK},
    {"LOGIN", "bob", {"p\xc3\xa4ss word"}, SASL_OK},
    {"LOGIN", "bob", {"wrong"}, SASL_DENIED},
    {"LOGIN", "bob", {""}, SASL_DENIED},
    {"LOGIN", "", {"p\xc3\xa4ss word"}, SASL_DENIED},
    {"LOGIN", NULL, {"bob", "*"}, SASL_CANCELLED},
    {"SCRAM-SHA-256", "x", {NULL}, SASL_SYNTAX},
    {"SCRAM-SHA-256", "n,,n=busy,r=x", {NULL}, SASL_BUSY},
    {"SCRAM-SHA-256", "n,a=ann,n=bob,r=x", {NULL}, SASL_DENIED},
    {"SCRAM-SHA-256", "p=tls-exporter,,n=bob,r=x", {NULL}, SASL_DENIED}, /* RFC 5802 §6: that is -PLUS's */
    {"SCRAM-SHA-256", "n,,n=bob,r=x", {"garbage"}, SASL_SYNTAX},
    {"SCRAM-SHA-256", "n,,n=bob,r=x", {"*"}, SASL_CANCELLED},
    {"SCRAM-SHA-256-PLUS", "p=tls-exporter,,n=bob,r=x", {NULL}, SASL_NO_MECHANISM}, /* no TLS */
    {"CRAM-MD5", NULL, {NULL}, SASL_NO_MECHANISM},
    {"", NULL, {NULL}, SASL_NO_MECHANISM},
};

static void in_plain_text(struct talk *t)
{
    struct sasl_identity who;
    for (size_t i = 0; i < sizeof dialogues / sizeof *dialogues; i++) {
        t->responses = dialogues[i].responses;
        enum sasl_outcome outcome = run(t, dialogues[i].mechanism, dialogues[i].initial, &who);
        if (outcome != dialogues[i].outcome) fail_msg("row %zu: %d", i, outcome);
        assert_int_equal(who.account, outcome == SASL_OK ? BOB : 0);
    }
    char *huge = arena_alloc(t->a, 8194);
    memset(huge, 'x', 8193);
    assert_int_equal(run(t, "PLAIN", huge, &who), SASL_TOO_LONG);
    assert_true(str_eq(sasl_mechanisms(t->stream), S("SCRAM-SHA-256 PLAIN LOGIN")));
}

/* ---- a client that can do SCRAM (RFC 5802 §3) ---- */

struct scram_client {
    struct talk *talk;
    const char *header, *name, *password, *nonce;
    struct str binding; /* data, with "p=" */
    struct str first_bare, auth_message;
    struct sha256 salted;
    int step;
    const char *last_response; /* to the verdict: "" */
    bool verified; /* the server proved that it knows us */
};

static struct str client_final(struct scram_client *c, struct arena *a, struct str server_first)
{
    struct str nonce, salt64, iterations, rest = server_first;
    uint64_t i;
    str_cut(rest, ',', &nonce, &rest);
    str_cut(rest, ',', &salt64, &iterations);
    assert_true(str_to_u64(str_skip(iterations, 2), 100000, &i));
    struct buf *salt = buf_in(a, 100), *cb = buf_in(a, 1000), *m = buf_in(a, 2000);
    assert_int_equal(base64_decode(salt, str_skip(salt64, 2)), 0);
    buf_add(cb, str_c(c->header));
    buf_add(cb, c->binding);
    buf_lit(m, "c=");
    base64_put(m, buf_str(cb));
    buf_char(m, ',');
    buf_add(m, nonce);
    c->auth_message =
        arena_printf(a, "%.*s,%.*s,%.*s", STR_FMT(c->first_bare), STR_FMT(server_first), STR_FMT(buf_str(m)));
    c->salted = sha256_pbkdf2(str_c(c->password), buf_str(salt), (int)i);
    struct sha256 key = sha256_hmac(sha256_str(&c->salted), S("Client Key")), stored = sha256_of(sha256_str(&key));
    struct sha256 signature = sha256_hmac(sha256_str(&stored), c->auth_message);
    for (int b = 0; b < SHA256_SIZE; b++) key.b[b] ^= signature.b[b];
    buf_lit(m, ",p=");
    base64_put(m, sha256_str(&key));
    return buf_str(m);
}

static int scram_answer(void *arg, struct arena *a, struct str challenge, struct str *response)
{
    struct scram_client *c = arg;
    if (c->step++ == 0) {
        *response = client_final(c, a, challenge);
        return 0;
    }
    struct sha256 key = sha256_hmac(sha256_str(&c->salted), S("Server Key")),
                  signature = sha256_hmac(sha256_str(&key), c->auth_message);
    struct buf *want = buf_in(a, 100);
    buf_lit(want, "v=");
    base64_put(want, sha256_str(&signature));
    c->verified = str_eq(buf_str(want), challenge);
    *response = str_c(c->last_response);
    return 0;
}

static enum sasl_outcome run_scram(struct talk *t, const char *mechanism, struct scram_client c, bool *verified)
{
    struct sasl_accounts accounts = {password, scram, scram_done, &t->asked};
    struct sasl_transport transport = {.challenge = scram_answer, .arg = &c, .stream = t->stream};
    struct sasl_identity who = {0};
    c.first_bare = arena_printf(t->a, "n=%s,r=%s", c.name, c.nonce);
    if (!c.last_response) c.last_response = "";
    struct str first = arena_printf(t->a, "%s%.*s", c.header, STR_FMT(c.first_bare));
    enum sasl_outcome outcome = sasl_run(t->a, &accounts, &transport, str_c(mechanism), first, &who);
    assert_int_equal(who.account, outcome == SASL_OK ? BOB : 0);
    *verified = c.verified;
    return outcome;
}

static void scram_in_plain_text(struct talk *t)
{
    bool verified;
    struct scram_client right = {.header = "n,,", .name = "bob", .password = "pencil", .nonce = "abc"}, c = right;
    assert_int_equal(run_scram(t, "SCRAM-SHA-256", c, &verified), SASL_OK);
    assert_true(verified);
    c.header = "y,,"; /* it can bind, we did not offer it: true, and fine */
    assert_int_equal(run_scram(t, "SCRAM-SHA-256", c, &verified), SASL_OK);
    c.header = "n,a=bob,";
    assert_int_equal(run_scram(t, "SCRAM-SHA-256", c, &verified), SASL_OK);
    assert_int_equal(t->asked.done_ok, 3);
    c = right, c.password = "Pencil";
    assert_int_equal(run_scram(t, "SCRAM-SHA-256", c, &verified), SASL_DENIED);
    c = right, c.name = "nobody"; /* with the right proof for made-up keys */
    assert_int_equal(run_scram(t, "SCRAM-SHA-256", c, &verified), SASL_DENIED);
    assert_false(verified);
    c = right, c.last_response = "more";
    assert_int_equal(run_scram(t, "SCRAM-SHA-256", c, &verified), SASL_SYNTAX);
    assert_int_equal(t->asked.done, 6);
    assert_int_equal(t->asked.done_ok, 4); /* the last one had proven itself */
}

static void test_in_sim(struct talk *t)
{
    in_plain_text(t);
    t->asked = (struct asked){0};
    scram_in_plain_text(t);
}

/* ---- real TLS ---- */

static void write_file(const char *path, struct str text)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text.p, 1, text.n, f), text.n);
    fclose(f);
}

struct tls_pair {
    struct arena *a;
    struct stream *client, *server;
    struct tls_context *client_tls, *server_tls;
    int handshakes;
};

static FIBER void client_handshake(void *arg)
{
    struct tls_pair *p = arg;
    p->handshakes += stream_starttls_client(p->client, p->client_tls, S("mx.test")) == 0;
}

static void over_tls(struct tls_pair *p)
{
    struct talk t = {.a = p->a, .stream = p->server};
    struct scope s;
    bool verified;
    scope_init(&s);
    fiber_spawn(&s, client_handshake, p);
    assert_int_equal(stream_starttls_server(p->server, p->server_tls), 0);
    scope_join(&s);
    assert_int_equal(p->handshakes, 1);
    assert_true(str_eq(sasl_mechanisms(p->server), S("SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN")));

    const struct {
        const char *header, *type;
    } types[] = {{"p=tls-exporter,,", "tls-exporter"}, {"p=tls-server-end-point,,", "tls-server-end-point"}};
    for (size_t i = 0; i < 2; i++) {
        struct scram_client c = {.header = types[i].header, .name = "bob", .password = "pencil", .nonce = "abc"};
        c.binding = stream_channel_binding(p->client, p->a, str_c(types[i].type));
        assert_true(c.binding.n >= 32);
        assert_int_equal(run_scram(&t, "SCRAM-SHA-256-PLUS", c, &verified), SASL_OK);
        assert_true(verified);
        ((char *)(uintptr_t)c.binding.p)[0] ^= 1; /* another channel: somebody stands between */
        assert_int_equal(run_scram(&t, "SCRAM-SHA-256-PLUS", c, &verified), SASL_DENIED);
        assert_false(verified);
    }
    struct scram_client c = {.header = "n,,", .name = "bob", .password = "pencil", .nonce = "abc"};
    assert_int_equal(run_scram(&t, "SCRAM-SHA-256", c, &verified), SASL_OK);
    assert_int_equal(run_scram(&t, "SCRAM-SHA-256-PLUS", c, &verified), SASL_DENIED);
    c.header = "y,,"; /* somebody took -PLUS out of our offer (RFC 5802 §6) */
    assert_int_equal(run_scram(&t, "SCRAM-SHA-256", c, &verified), SASL_DENIED);
    c.header = "p=tls-unique,,";
    assert_int_equal(run_scram(&t, "SCRAM-SHA-256-PLUS", c, &verified), SASL_DENIED);
}

/* ---- running ---- */

struct job {
    void (*plain)(struct talk *t);
    struct tls_pair *tls;
    int runs;
};

static FIBER void job_fiber(void *arg)
{
    struct job *j = arg;
    struct arena *a = arena_new(NULL, 0);
    struct stream *client, *server;
    stream_pair(a, 1 << 16, &client, &server);
    if (j->plain) {
        struct talk t = {.a = a, .stream = server};
        j->plain(&t);
    } else {
        j->tls->a = a;
        j->tls->client = client;
        j->tls->server = server;
        over_tls(j->tls);
    }
    stream_abort(client);
    stream_abort(server);
    arena_free(a);
    j->runs++;
}

static void job_in_sim(struct sim *s, void *arg)
{
    struct loop *l = loop_new(sim_node(s, "home", (struct ip){4, {10, 0, 0, 1}}));
    loop_spawn(l, job_fiber, arg);
    sim_run(s, FOREVER);
    loop_free(l);
}

static void speaks_every_mechanism(void **state)
{
    (void)state;
    struct job j = {.plain = test_in_sim};
    sim_twice(3, job_in_sim, &j);
    assert_int_equal(j.runs, 2);
}

static void binds_to_tls(void **state)
{
    (void)state;
    char folder[] = "/tmp/penny-sasl-XXXXXX", certificate_path[64], key_path[64];
    struct arena *a = arena_new(NULL, 0);
    struct world *w = world_real(1);
    struct str certificate, key;
    struct tls_pair p = {0};
    assert_non_null(mkdtemp(folder));
    snprintf(certificate_path, sizeof certificate_path, "%s/cert.pem", folder);
    snprintf(key_path, sizeof key_path, "%s/key.pem", folder);
    assert_int_equal(tls_self_signed(w, a, S("mx.test"), 10, &certificate, &key, NULL), 0);
    write_file(certificate_path, certificate);
    write_file(key_path, key);
    assert_int_equal(tls_server_new(w, certificate_path, key_path, &p.server_tls, NULL), 0);
    assert_int_equal(tls_client_new(w, TLS_VERIFY_NONE, &p.client_tls, NULL), 0);
    struct job j = {.tls = &p};
    struct sim *s = sim_new(1); /* only its fibers: real TLS is not simulated */
    job_in_sim(s, &j);
    sim_free(s);
    assert_int_equal(j.runs, 1);
    tls_unref(p.server_tls);
    tls_unref(p.client_tls);
    world_free(w);
    unlink(certificate_path);
    unlink(key_path);
    rmdir(folder);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(speaks_every_mechanism),
        cmocka_unit_test(binds_to_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
