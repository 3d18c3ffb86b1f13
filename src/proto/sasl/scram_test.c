/* SCRAM: the exchange of RFC 7677 §3, channel bindings, and everything a client may get wrong. */
#include "proto/sasl/scram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/codec.h"

/* RFC 7677 §3: user "user", password "pencil" */
#define CLIENT_FIRST "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
#define SERVER_NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define NONCE "rOprNGfwEbeRWgbNEkqO" SERVER_NONCE
#define SERVER_FIRST "r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
#define CLIENT_FINAL "c=biws,r=" NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define SERVER_FINAL "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(NULL, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static struct scram_keys pencil_keys(void)
{
    struct buf *salt = buf_in(arena, 16);
    assert_int_equal(base64_decode(salt, S("W22ZaJ0SNY7soEsUEjb6gQ==")), 0);
    return scram_derive(S("pencil"), (unsigned char *)salt->p, 4096);
}

static void speaks_the_published_exchange(void **state)
{
    (void)state;
    struct scram_keys keys = pencil_keys();
    struct scram_first first;
    struct str out;
    assert_int_equal(scram_parse_first(arena, S(CLIENT_FIRST), &first), 0);
    assert_true(str_eq(first.username, S("user")) && first.binding == SCRAM_UNBOUND && first.authzid.n == 0);
    assert_true(str_eq(first.gs2_header, S("n,,")) && str_eq(first.bare, S("n=user,r=rOprNGfwEbeRWgbNEkqO")));
    assert_true(str_eq(scram_server_first(arena, &first, S(SERVER_NONCE), &keys), S(SERVER_FIRST)));
    assert_int_equal(scram_server_final(arena, &first, S(SERVER_FIRST), &keys, S(""), S(CLIENT_FINAL), &out), 0);
    assert_true(str_eq(out, S(SERVER_FINAL)));
}

static void denies_what_is_not_proven(void **state)
{
    (void)state;
    struct scram_keys keys = pencil_keys();
    struct scram_first first;
    struct str out;
    assert_int_equal(scram_parse_first(arena, S(CLIENT_FIRST), &first), 0);
    const struct {
        struct str message;
        int error;
    } rows[] = {
        {S("c=biws,r=" NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVU="), ERR_DENIED}, /* a bit of the proof */
        {S("c=biws,r=" NONCE "x,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="), ERR_DENIED},
        /* "y,," where "n,," was said */
        {S("c=eSws,r=" NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="), ERR_DENIED},
        {S("c=biws,r=" NONCE), ERR_SYNTAX},
        {S("c=biws,r=" NONCE ",p=AAAA"), ERR_SYNTAX},
        {S("c=biws,r=" NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ"), ERR_SYNTAX},
        {S("r=" NONCE ",c=biws,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="), ERR_SYNTAX},
        {S("c=,r=" NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="), ERR_SYNTAX},
        {S(CLIENT_FINAL ","), ERR_SYNTAX},
        {S(CLIENT_FINAL ",x=y"), ERR_SYNTAX}, /* the proof comes last */
        {S("p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="), ERR_SYNTAX},
        {S(""), ERR_SYNTAX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(scram_server_final(arena, &first, S(SERVER_FIRST), &keys, S(""), rows[i].message, &out),
                         rows[i].error);
    keys.stored_key.b[0] ^= 1;
    assert_int_equal(scram_server_final(arena, &first, S(SERVER_FIRST), &keys, S(""), S(CLIENT_FINAL), &out),
                     ERR_DENIED);
}

static void parses_first_messages(void **state)
{
    (void)state;
    const struct {
        struct str message;
        int binding; /* -1: refused */
        struct str type, authzid, username;
    } rows[] = {
        {S("n,,n=u,r=x"), SCRAM_UNBOUND, S(""), S(""), S("u")},
        {S("y,,n=u,r=x"), SCRAM_PLUS_UNSEEN, S(""), S(""), S("u")},
        {S("p=tls-exporter,,n=u,r=x"), SCRAM_BOUND, S("tls-exporter"), S(""), S("u")},
        {S("n,a=boss,n=u,r=x"), SCRAM_UNBOUND, S(""), S("boss"), S("u")},
        {S("n,,n=a=2Cb=3Dc,r=x"), SCRAM_UNBOUND, S(""), S(""), S("a,b=c")},
        {S("n,,n=j\xc3\xb6rg,r=!~"), SCRAM_UNBOUND, S(""), S(""), S("j\xc3\xb6rg")},
        {S("n,,n=u,r=x,e=1,f=g=h"), SCRAM_UNBOUND, S(""), S(""), S("u")},
        {S("n,,m=must,n=u,r=x"), -1, S(""), S(""), S("")},
        {S("n,,n=u,r=x,"), -1, S(""), S(""), S("")},
        {S("n,,n=u,r=x,,e=1"), -1, S(""), S(""), S("")},
        {S("n,,n=u,r=x,1=e"), -1, S(""), S(""), S("")},
        {S("n,,n=u,r=x,e="), -1, S(""), S(""), S("")},
        {S("n,,n=,r=x"), -1, S(""), S(""), S("")},
        {S("n,,n=u,r="), -1, S(""), S(""), S("")},
        {S("n,,n=u,r=a b"), -1, S(""), S(""), S("")},
        {S("n,,n=u"), -1, S(""), S(""), S("")},
        {S("n,,r=x,n=u"), -1, S(""), S(""), S("")},
        {S("n,,n=a=2cb,r=x"), -1, S(""), S(""), S("")},
        {S("n,,n=a=,r=x"), -1, S(""), S(""), S("")},
        {S("n,,n=\xff,r=x"), -1, S(""), S(""), S("")},
        {S("n,,n=a\0b,r=x"), -1, S(""), S(""), S("")},
        {S("n,b=boss,n=u,r=x"), -1, S(""), S(""), S("")},
        {S("n,a=,n=u,r=x"), -1, S(""), S(""), S("")},
        {S("n,n=u,r=x"), -1, S(""), S(""), S("")},
        {S("p=,,n=u,r=x"), -1, S(""), S(""), S("")},
        {S("p=tls_x,,n=u,r=x"), -1, S(""), S(""), S("")},
        {S("p,,n=u,r=x"), -1, S(""), S(""), S("")},
        {S("x,,n=u,r=x"), -1, S(""), S(""), S("")},
        {S("N,,n=u,r=x"), -1, S(""), S(""), S("")},
        {S(""), -1, S(""), S(""), S("")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct scram_first m;
        int e = scram_parse_first(arena, arena_str(arena, rows[i].message), &m);
        if (rows[i].binding < 0) {
            if (e != ERR_SYNTAX) fail_msg("%.*s", STR_FMT(rows[i].message));
            continue;
        }
        assert_int_equal(e, 0);
        assert_int_equal(m.binding, rows[i].binding);
        assert_true(str_eq(m.username, rows[i].username) && str_eq(m.authzid, rows[i].authzid));
        if (m.binding == SCRAM_BOUND) assert_true(str_eq(m.binding_type, rows[i].type));
        for (size_t n = 0; n < rows[i].message.n; n++)
            scram_parse_first(arena, arena_str(arena, str_head(rows[i].message, n)), &m);
    }
}

/* What a client sends in the end, made the way RFC 5802 §3 says a client makes it. */
static struct str client_final(const char *password, const struct scram_first *first, struct str server_first,
                               struct str nonce, struct str header, struct str binding, const struct scram_keys *keys)
{
    struct buf *cb = buf_in(arena, 1000), *m = buf_in(arena, 1000), *auth = buf_in(arena, 2000);
    buf_add(cb, header);
    buf_add(cb, binding);
    buf_lit(m, "c=");
    base64_put(m, buf_str(cb));
    buf_lit(m, ",r=");
    buf_add(m, nonce);
    buf_printf(auth, "%.*s,%.*s,%.*s", STR_FMT(first->bare), STR_FMT(server_first), STR_FMT(buf_str(m)));
    struct sha256 salted = sha256_pbkdf2(str_c(password), str_of(keys->salt, 16), keys->iterations);
    struct sha256 key = sha256_hmac(sha256_str(&salted), S("Client Key"));
    struct sha256 stored = sha256_of(sha256_str(&key));
    struct sha256 signature = sha256_hmac(sha256_str(&stored), buf_str(auth));
    for (int i = 0; i < SHA256_SIZE; i++) key.b[i] ^= signature.b[i];
    buf_lit(m, ",p=");
    base64_put(m, sha256_str(&key));
    return buf_str(m);
}

static void binds_to_the_channel(void **state)
{
    (void)state;
    struct scram_keys keys = pencil_keys();
    struct scram_first first;
    struct str out, header = S("p=tls-exporter,,");
    assert_int_equal(scram_parse_first(arena, S("p=tls-exporter,,n=user,r=abc"), &first), 0);
    struct str server = scram_server_first(arena, &first, S("xyz"), &keys);
    const struct {
        struct str said, real;
        int error;
    } rows[] = {
        {S("\x01\x02\x03"), S("\x01\x02\x03"), 0},
        {S("\x01\x02\x03"), S("\x01\x02\x04"), ERR_DENIED}, /* somebody in the middle */
        {S(""), S("\x01\x02\x04"), ERR_DENIED},
        {S(""), S(""), ERR_DENIED}, /* nothing to bind to is no binding */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct str final = client_final("pencil", &first, server, S("abcxyz"), header, rows[i].said, &keys);
        assert_int_equal(scram_server_final(arena, &first, server, &keys, rows[i].real, final, &out), rows[i].error);
    }
    struct str wrong = client_final("Pencil", &first, server, S("abcxyz"), header, S("\x01"), &keys);
    assert_int_equal(scram_server_final(arena, &first, server, &keys, S("\x01"), wrong, &out), ERR_DENIED);
    struct str other = client_final("pencil", &first, server, S("abcxyz"), S("n,,"), S(""), &keys);
    assert_int_equal(scram_server_final(arena, &first, server, &keys, S("\x01"), other, &out), ERR_DENIED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(speaks_the_published_exchange),
        cmocka_unit_test(denies_what_is_not_proven),
        cmocka_unit_test(parses_first_messages),
        cmocka_unit_test(binds_to_the_channel),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
