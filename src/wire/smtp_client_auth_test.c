/* The SMTP client before our own server's session: TLS, log-in, letters by all ways; and before scripts, for what our
 * server never says in STARTTLS and AUTH. */
#include "base/test.h"

#include <stdlib.h>

#include "io/sim.h"
#include "wire/smtp_client.h"
#include "wire/smtp_rig_test.h"

struct scene {
    /* given */
    enum smtp_service_kind kind;
    const char *ehlo; /* lines of a script's reply to the first EHLO, joined by LF; NULL: our own server */
    const char *replies[8]; /* to the lines behind it */
    bool starttls, bare;
    const char *user, *password;
    int iterations;
    /* what happened */
    struct rig rig;
    struct world *world;
    struct arena *arena;
    struct stream *client, *server;
    struct buf said;
    struct smtp_client c;
    int tls_error, auth_error, mail_error;
    int tls_code;
    struct smtp_verdict verdicts[2];
    struct error e;
};

static struct str begin_script(struct scene *s)
{
    struct buf *b = buf_in(s->arena, 1000);
    struct str line, rest = str_c(s->ehlo);
    buf_lit(b, "250-mx.test\r\n");
    while (rest.n) {
        str_cut(rest, '\n', &line, &rest);
        buf_printf(b, "250-%.*s\r\n", STR_FMT(line));
    }
    buf_lit(b, "250 HELP");
    return buf_str(b);
}

static FIBER void play_script(struct scene *s)
{
    struct str line;
    struct tls_context *tls = NULL;
    tls_server_new(s->world, "", "", &tls, NULL);
    stream_deadline(s->server, loop_now() + HOURS(1));
    struct str begin = begin_script(s);
    for (int i = -2; i < 0 || s->replies[i]; i++) {
        stream_write(s->server, i == -2 ? S("220 hello") : i == -1 ? begin : str_c(s->replies[i]));
        stream_write(s->server, S("\r\n"));
        if (str_ends(buf_str(&s->said), S("STARTTLS|")) && s->replies[i][0] == '2') {
            stream_flush(s->server);
            stream_starttls_server(s->server, tls);
        }
        if (stream_line(s->server, 1 << 16, &line)) break;
        buf_add(&s->said, line);
        buf_char(&s->said, '|');
    }
    tls_unref(tls);
    stream_close(s->server);
}

static FIBER void serve(void *arg)
{
    struct scene *s = arg;
    if (s->ehlo) {
        play_script(s);
        return;
    }
    stream_set_peer(s->server, (struct endpoint){{4, {198, 51, 100, 7}}, 40025});
    rig_serve(s->server, &s->rig);
}

static FIBER int read_letter(void *arg, int64_t offset, struct str *piece, struct error *e)
{
    (void)arg, (void)e;
    *piece = str_skip(S("a: b\r\n\r\n.x\r\n"), (size_t)offset);
    return 0;
}

static FIBER int carry_letter(struct scene *s)
{
    const struct forward_path to[2] = {{.address = {S("bob"), S("x.test")}}, {.address = {S("spam"), S("x.test")}}};
    struct smtp_outgoing o =
        {.arena = s->arena, .to = to, .n = 2, .size = 12, .read = read_letter, .verdicts = s->verdicts};
    o.from.address = (struct address){S("user"), S("x.test")};
    return smtp_client_transact(&s->c, &o, NULL, NULL, &s->e);
}

static FIBER void talk(void *arg)
{
    struct scene *s = arg;
    struct smtp_client *c = &s->c;
    struct tls_context *tls = NULL;
    tls_client_new(s->world, TLS_VERIFY_NONE, &tls, NULL);
    smtp_client_init(c, s->world, s->arena, s->client, S("client.test"), s->kind == SMTP_LMTP);
    if (smtp_client_banner(c, &s->e) || smtp_client_hello(c, &s->e)) abort();
    s->tls_error = s->auth_error = s->mail_error = 1;
    if (s->starttls) {
        s->tls_error = smtp_client_starttls(c, tls, S("mx.test"), &s->e);
        s->tls_code = c->reply.code;
    }
    if (s->user) s->auth_error = smtp_client_auth(c, str_c(s->user), str_c(s->password), s->bare, &s->e);
    if (!s->ehlo) s->mail_error = carry_letter(s);
    tls_unref(tls);
    smtp_client_quit(c);
}

static void play(struct sim *sim, void *arg)
{
    struct scene *s = arg;
    s->world = sim_node(sim, "server", (struct ip){4, {192, 0, 2, 25}});
    struct loop *l = loop_new(s->world);
    s->arena = arena_new(NULL, 0);
    s->said = BUF(1 << 16);
    rig_begin(s->world, &s->rig);
    s->rig.service.kind = s->kind;
    s->rig.service.accounts = s->kind == SMTP_SUBMISSION ? &s->rig.accounts : NULL;
    s->rig.plaintext = s->bare;
    if (s->iterations)
        s->rig.keys = scram_derive(S("pencil"), (const unsigned char *)"0123456789abcdef", s->iterations);
    stream_pair(s->arena, 1 << 16, &s->client, &s->server);
    loop_spawn(l, serve, s);
    loop_spawn(l, talk, s);
    sim_run(sim, FOREVER);
    loop_free(l);
}

static void play_once(struct scene *s)
{
    struct sim *sim = sim_new(3);
    play(sim, s);
    sim_free(sim);
}

static void over(struct scene *s)
{
    if (!s->ehlo) rig_over(&s->rig);
    else tls_unref(s->rig.tls), buf_free(&s->rig.letter);
    buf_free(&s->said);
    arena_free(s->arena);
}

static void our_own_server(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++)
        for (int tls = 0; tls < 2; tls++) {
            struct scene s = {.kind = kind == 0   ? SMTP_RELAY
                                      : kind == 1 ? SMTP_LMTP
                                                  : SMTP_SUBMISSION,
                              .starttls = tls,
                              .bare = true};
            if (kind == 2) s.user = "bob", s.password = "secret", s.iterations = 4096;
            if (kind == 2 && tls) s.user = "user", s.password = "pencil";
            play_once(&s);
            assert_int_equal(s.tls_error, tls ? 0 : 1);
            if (tls) assert_int_equal(s.tls_code, 220);
            assert_true(s.c.offers & SMTP_OFFERS_CHUNKING && !(tls && s.c.offers & SMTP_OFFERS_STARTTLS));
            if (kind == 2) assert_int_equal(s.auth_error, tls ? 0 : ERR_DENIED);
            bool welcome = kind != 2 || s.auth_error == 0;
            if (welcome) {
                assert_int_equal(s.mail_error, 0);
                assert_int_equal(s.verdicts[0].code, 250);
                assert_int_equal(s.verdicts[1].code, kind == 1 ? 554 : 250);
            }
            over(&s);
        }
}

static void log_ins(void **state)
{
    (void)state;
    static const struct {
        const char *user, *password;
        int iterations, result;
    } rows[] = {
        {"user", "pencil", 4096, 0},        {"user", "pencil", 10000, 0},   {"user", "pen", 4096, ERR_DENIED},
        {"nobody", "pencil", 4096, ERR_DENIED}, {"user", "pencil", 10, ERR_SYNTAX}, {"user", "", 4096, ERR_SYNTAX},
        {"", "pencil", 4096, ERR_SYNTAX},   {"user", "\xff", 4096, ERR_SYNTAX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct scene s = {.kind = SMTP_SUBMISSION, .starttls = true, .user = rows[i].user, .password = rows[i].password,
                          .iterations = rows[i].iterations};
        play_once(&s);
        if (s.auth_error != rows[i].result) fail_msg("row %zu: %d, %s", i, s.auth_error, s.e.text);
        assert_true(s.mail_error == 0); /* the session went on: the server has its say about the letter */
        over(&s);
    }
}

static void scripts(void **state)
{
    (void)state;
    static const struct {
        struct scene scene;
        int tls, auth;
        const char *said;
    } rows[] = {
        /* STARTTLS is refused */
        {{.starttls = true, .ehlo = "STARTTLS\nAUTH PLAIN", .replies = {"454 4.7.0 no TLS now", "221 bye"}},
         0,
         1,
         "EHLO client.test|STARTTLS|QUIT|"},
        /* under TLS everything is said anew, and what was said in plain text behind the 220 is not heard */
        {{.starttls = true,
          .user = "u",
          .password = "p",
          .ehlo = "STARTTLS\nAUTH LOGIN",
          .replies = {"220 go\r\n250-mx.test\r\n250 AUTH LOGIN", "250-mx.test\r\n250 AUTH PLAIN", "235 ok", "250 x",
                      "221 bye"}},
         0,
         0,
         "EHLO client.test|STARTTLS|EHLO client.test|AUTH PLAIN AHUAcA==|EHLO client.test|QUIT|"},
        {{.starttls = true, .ehlo = "STARTTLS\nAUTH LOGIN", .replies = {"220 go", "502 what?", "221 bye"}},
         ERR_UNAVAILABLE,
         1,
         "EHLO client.test|STARTTLS|EHLO client.test|QUIT|"},
        /* no password in the clear */
        {{.user = "u", .password = "p", .ehlo = "AUTH PLAIN LOGIN", .replies = {"221 bye"}},
         1,
         ERR_UNSUPPORTED,
         "EHLO client.test|QUIT|"},
        {{.user = "u", .password = "p", .bare = true, .ehlo = "AUTH X-TELEPATHY", .replies = {"221 bye"}},
         1,
         ERR_UNSUPPORTED,
         "EHLO client.test|QUIT|"},
        {{.user = "u", .password = "p", .bare = true, .ehlo = "", .replies = {"221 bye"}},
         1,
         ERR_UNSUPPORTED,
         "EHLO client.test|QUIT|"},
        {{.user = "u",
          .password = "p",
          .bare = true,
          .ehlo = "AUTH LOGIN", .replies = {"334 x", "334 y", "235 ok", "250 x", "221 bye"}},
         1,
         0,
         "EHLO client.test|AUTH LOGIN|dQ==|cA==|EHLO client.test|QUIT|"},
        {{.user = "u",
          .password = "p",
          .bare = true,
          .ehlo = "AUTH LOGIN", .replies = {"334 x", "334 y", "334 z", "501 ok", "221 bye"}},
         1,
         ERR_DENIED,
         "EHLO client.test|AUTH LOGIN|dQ==|cA==|*|QUIT|"},
        {{.user = "u", .password = "p", .bare = true, .ehlo = "AUTH PLAIN", .replies = {"454 4.7.0 later", "221 bye"}},
         1,
         ERR_BUSY,
         "EHLO client.test|AUTH PLAIN AHUAcA==|QUIT|"},
        {{.user = "u",
          .password = "p",
          .bare = true,
          .ehlo = "AUTH PLAIN",
          .replies = {"235 ok", "550 no more", "221 bye"}},
         1,
         ERR_UNAVAILABLE,
         "EHLO client.test|AUTH PLAIN AHUAcA==|EHLO client.test|QUIT|"},
        /* a log-in is called off, and the server takes it for one */
        {{.user = "u",
          .password = "p",
          .bare = true,
          .ehlo = "AUTH LOGIN", .replies = {"334 x", "334 y", "334 z", "235 ok", "221 bye"}},
         1,
         ERR_SYNTAX,
         "EHLO client.test|AUTH LOGIN|dQ==|cA==|*|QUIT|"},
        {{.user = "u", .password = "p", .bare = true, .ehlo = "AUTH PLAIN", .replies = {"421 4.3.2 bye"}},
         1,
         ERR_BUSY,
         "EHLO client.test|AUTH PLAIN AHUAcA==|QUIT|"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct scene s = rows[i].scene;
        play_once(&s);
        if (s.tls_error != rows[i].tls || s.auth_error != rows[i].auth)
            fail_msg("script %zu: %d, %d: %s", i, s.tls_error, s.auth_error, s.e.text);
        assert_str(buf_str(&s.said), str_c(rows[i].said));
        over(&s);
    }
}

/* SCRAM with servers that are not right: the dialogue is called off. The nonce is random, but the same for a seed. */
static void scram_is_called_off(void **state)
{
    (void)state;
    static const char *const firsts[] = {"334 !", "334 cj1hLHM9VzIyWmFKMFNOWT09LGk9NDA5Ng==", "334 "};
    for (size_t i = 0; i < 3; i++) {
        struct scene s = {.user = "u",
                          .password = "p",
                          .ehlo = "AUTH SCRAM-SHA-256", .replies = {firsts[i], "501 ok", "221 bye"}};
        play_once(&s);
        assert_int_equal(s.auth_error, ERR_SYNTAX);
        assert_true(str_ends(buf_str(&s.said), S("|*|QUIT|")));
        over(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_own_server),
        cmocka_unit_test(log_ins),
        cmocka_unit_test(scripts),
        cmocka_unit_test(scram_is_called_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
