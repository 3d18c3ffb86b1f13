/* Submitting to servers of all kinds, in the simulated world. The server is a script: its banner, then a reply to each
 * line of the client ("354" takes a letter, "TLS" shakes hands after the reply before it); what the client said is
 * compared as a whole. */
#include "base/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "io/connect.h"
#include "io/listen.h"
#include "io/sim.h"
#include "mua/send.h"

static const struct ip server_ip = {4, {198, 51, 100, 1}};
static const struct ip client_ip = {4, {203, 0, 113, 7}};

enum { REPLIES_MAX = 16 };

struct talk {
    const char *replies[REPLIES_MAX]; /* NULL: hangs up */
    enum mua_tls tls;
    bool no_password, bare;
    const char *to[3];
    const char *letter;
    int result;
    const char *said; /* by the client, lines joined by "|" */
    const char *words; /* begin of the error's text */
};

struct scene {
    const struct talk *talk;
    struct world *server, *client;
    struct loop *server_loop, *client_loop;
    struct buf said;
    struct mua_report report;
    struct error error;
    int result;
    bool ended;
};

/* ---- the server ---- */

static FIBER int take_letter(struct scene *s, struct stream *io)
{
    struct str line;
    int e;
    while ((e = stream_line(io, 4096, &line)) == 0) {
        buf_add(&s->said, line);
        buf_char(&s->said, '/');
        if (str_eq(line, S("."))) return 0;
    }
    return e;
}

static FIBER void serve(struct stream *io, void *arg)
{
    struct scene *s = arg;
    struct tls_context *tls = NULL;
    tls_server_new(s->server, "cert.pem", "key.pem", &tls, NULL);
    if (s->talk->tls == MUA_TLS_IMPLICIT) stream_starttls_server(io, tls);
    stream_deadline(io, loop_now() + HOURS(1));
    for (int i = 0; i < REPLIES_MAX && s->talk->replies[i]; i++) {
        const char *reply = s->talk->replies[i];
        if (strcmp(reply, "TLS") == 0) {
            stream_starttls_server(io, tls);
        } else {
            stream_write(io, str_c(reply));
            stream_write(io, S("\r\n"));
            if (strncmp(reply, "354", 3) == 0 && take_letter(s, io) != 0) break;
            if (strncmp(reply, "354", 3) == 0) continue;
        }
        struct str line;
        if (i + 1 < REPLIES_MAX && s->talk->replies[i + 1] && strcmp(s->talk->replies[i + 1], "TLS") == 0) continue;
        if (stream_line(io, 65536, &line) != 0) break;
        buf_add(&s->said, line);
        buf_char(&s->said, '|');
    }
    tls_unref(tls);
    stream_close(io);
}

/* ---- the client ---- */

static FIBER void submit(void *arg)
{
    struct scene *s = arg;
    const struct talk *t = s->talk;
    struct arena *a = arena_new(NULL, 0);
    const struct endpoint at = {server_ip, 587};
    struct address to[3];
    struct mua_letter letter = {.from = {S("ada"), S("example.org")},
                                .to = to,
                                .bytes = str_c(t->letter ? t->letter : "Subject: x\r\n\r\nhi\r\n")};
    for (; letter.n_to < 3 && t->to[letter.n_to]; letter.n_to++)
        assert_int_equal(address_parse(a, str_c(t->to[letter.n_to]), &to[letter.n_to]), 0);
    if (letter.n_to == 0) to[letter.n_to++] = (struct address){S("bob"), S("example.org")};
    struct mua_server server = {.endpoints = &at,
                                .n_endpoints = 1,
                                .name = S("mail.example.org"),
                                .tls = t->tls,
                                .helo = S("client"),
                                .bare_passwords = t->bare};
    if (!t->no_password) {
        server.user = S("user");
        server.password = S("pencil");
    }
    tls_client_new(s->client, TLS_VERIFY_NONE, &server.context, NULL);
    s->result = mua_send(s->client, a, &server, &letter, &s->report, &s->error);
    s->report.words = STR_NONE; /* they die here */
    tls_unref(server.context);
    arena_free(a);
    s->ended = true;
}

static void talk_in(struct sim *sim, void *arg)
{
    struct scene s = {.talk = arg, .said = BUF(1 << 20), .result = 1};
    struct listener *listener;
    struct error e = {0};
    s.server = sim_node(sim, "server", server_ip);
    s.client = sim_node(sim, "client", client_ip);
    s.server_loop = loop_new(s.server);
    s.client_loop = loop_new(s.client);
    struct gate *gate = gate_new(s.server, (struct listen_limits){100, 100, 100});
    const struct listen_options o = {.name = "submission", .address = {server_ip, 587}, .serve = serve, .arg = &s};
    assert_int_equal(listener_open(s.server, &o, &listener, &e), 0);
    listener_start(listener, gate, &s.server_loop, 1);
    loop_spawn(s.client_loop, submit, &s);
    sim_run(sim, clock_mono(s.client) + HOURS(2));
    assert_true(s.ended);
    listener_stop(listener);
    loop_stop(s.server_loop);
    loop_stop(s.client_loop);
    sim_run(sim, FOREVER);
    listener_free(listener);
    gate_free(gate);
    loop_free(s.server_loop);
    loop_free(s.client_loop);
    if (s.result != s.talk->result) fail_msg("result %d, wanted %d: %s", s.result, s.talk->result, s.error.text);
    assert_str(buf_str(&s.said), str_c(s.talk->said));
    if (s.talk->words && !str_starts(str_c(s.error.text), str_c(s.talk->words)))
        fail_msg("said: %s\nwanted: %s", s.error.text, s.talk->words);
    buf_free(&s.said);
}

static void talk(const struct talk *t)
{
    struct talk copy = *t;
    sim_twice(7, talk_in, &copy);
}

/* ---- what happens ---- */

#define EHLO_ALL \
    "250-mail.example.org\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 AUTH PLAIN LOGIN"
#define AUTH_PLAIN "AUTH PLAIN AHVzZXIAcGVuY2ls|"

static void over_tls_with_a_password(void **state)
{
    (void)state;
    talk(&(struct talk){.replies = {"220 hello", EHLO_ALL, "235 2.7.0 welcome", EHLO_ALL, "250 2.1.0 ok",
                                    "250 2.1.5 ok", "354 go", "250 2.0.0 queued", "221 bye"},
                        .tls = MUA_TLS_IMPLICIT,
                        .letter = "Subject: x\r\n\r\n.dot\r\n..two\r\n.\r\nend\r\n",
                        .said = "EHLO client|" AUTH_PLAIN
                                "EHLO client|MAIL FROM:<ada@example.org> SIZE=35|RCPT TO:<bob@example.org>|DATA|"
                                "Subject: x//..dot/...two/../end/./QUIT|"});
}

static void over_starttls(void **state)
{
    (void)state;
    talk(&(struct talk){
        .replies = {"220 hello", "250-x\r\n250 STARTTLS", "220 go", "TLS", "250-x\r\n250 AUTH LOGIN",
                    "334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "235 ok", "250 x", "250 ok", "250 ok", "354 go", "250 ok",
                    "221 bye"},
        .tls = MUA_TLS_STARTTLS,
        .said = "EHLO client|STARTTLS|EHLO client|AUTH LOGIN|dXNlcg==|cGVuY2ls|EHLO client|MAIL FROM:<ada@example.org>|"
                "RCPT TO:<bob@example.org>|DATA|Subject: x//hi/./QUIT|"});
}

static void no_way_back_to_plaintext(void **state)
{
    (void)state;
    talk(&(struct talk){.replies = {"220 hello", EHLO_ALL, "221 bye"},
                        .tls = MUA_TLS_STARTTLS,
                        .result = ERR_TLS,
                        .said = "EHLO client|QUIT|",
                        .words = "the server offers no STARTTLS"});
    talk(&(struct talk){.replies = {"220 hello", EHLO_ALL, "221 bye"},
                        .tls = MUA_TLS_NONE,
                        .result = ERR_UNSUPPORTED,
                        .said = "EHLO client|QUIT|",
                        .words = "without TLS the password would be seen"});
    talk(&(struct talk){.replies = {"220 hello", EHLO_ALL, "535 5.7.8 no", "221 bye"},
                        .tls = MUA_TLS_NONE,
                        .bare = true,
                        .result = ERR_DENIED,
                        .said = "EHLO client|" AUTH_PLAIN "QUIT|",
                        .words = "the log-in is refused; the server says: 535 5.7.8 no"});
}

static void refusals(void **state)
{
    (void)state;
    static const struct {
        const char *rcpt;
        int result;
    } cases[] = {
        {"550 5.1.1 nobody", ERR_NOT_FOUND}, {"550 nobody", ERR_NOT_FOUND},       {"550 5.7.1 not you", ERR_DENIED},
        {"552 5.2.2 full", ERR_UNAVAILABLE}, {"451 4.3.0 later", ERR_BUSY},       {"452 4.5.3 too many", ERR_BUSY},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        talk(&(struct talk){
            .replies = {"220 hello", "250 x", "250 ok", "250 ok", cases[i].rcpt, "221 bye"},
            .no_password = true,
            .tls = MUA_TLS_NONE,
            .to = {"bob@example.org", "eve@example.org"},
            .result = cases[i].result,
            .said = "EHLO client|MAIL FROM:<ada@example.org>|RCPT TO:<bob@example.org>|RCPT TO:<eve@example.org>|QUIT|",
            .words = "eve@example.org is refused; the server says: "});
    talk(&(struct talk){.replies = {"220 hello", "250 x", "550 5.7.1 you may not", "221 bye"},
                        .no_password = true,
                        .tls = MUA_TLS_NONE,
                        .result = ERR_DENIED,
                        .said = "EHLO client|MAIL FROM:<ada@example.org>|QUIT|",
                        .words = "the sender is refused"});
    talk(&(struct talk){
        .replies = {"220 hello", "250 x", "250 ok", "250 ok", "354 go", "554-5.6.0 bad\r\n554 5.6.0 letter", "221 bye"},
        .no_password = true,
        .tls = MUA_TLS_NONE,
        .result = ERR_UNAVAILABLE,
        .said = "EHLO client|MAIL FROM:<ada@example.org>|RCPT TO:<bob@example.org>|DATA|Subject: x//hi/./QUIT|",
        .words = "the letter is refused; the server says: 554 5.6.0 bad letter"});
    talk(&(struct talk){.replies = {"421 4.3.2 closing", "221 bye"},
                        .no_password = true,
                        .tls = MUA_TLS_NONE,
                        .result = ERR_BUSY,
                        .said = "QUIT|",
                        .words = "no service; the server says: 421"});
}

static void what_the_letter_needs(void **state)
{
    (void)state;
    talk(&(struct talk){.replies = {"220 hello", "250-x\r\n250 SIZE 10", "221 bye"},
                        .no_password = true,
                        .tls = MUA_TLS_NONE,
                        .result = ERR_TOO_LONG,
                        .said = "EHLO client|QUIT|",
                        .words = "the letter has 18 bytes, the server takes at most 10"});
    talk(&(struct talk){.replies = {"220 hello", "250 x", "221 bye"},
                        .no_password = true,
                        .tls = MUA_TLS_NONE,
                        .to = {"j\xc3\xb6rg@example.org"},
                        .result = ERR_UNSUPPORTED,
                        .said = "EHLO client|QUIT|"});
    talk(&(struct talk){.replies = {"220 hello", "250 x", "221 bye"},
                        .no_password = true,
                        .tls = MUA_TLS_NONE,
                        .letter = "Subject: x\r\n\r\ngr\xc3\xbc\xc3\x9f\r\n",
                        .result = ERR_UNSUPPORTED,
                        .said = "EHLO client|QUIT|"});
    talk(&(struct talk){.replies = {"220 hello", EHLO_ALL, "250 ok", "250 ok", "354 go", "250 ok", "221 bye"},
                        .no_password = true,
                        .tls = MUA_TLS_NONE,
                        .to = {"j\xc3\xb6rg@example.org"},
                        .letter = "Subject: \xc3\xb6\r\n\r\nx\r\n",
                        .said = "EHLO client|MAIL FROM:<ada@example.org> SIZE=18 BODY=8BITMIME SMTPUTF8|"
                                "RCPT TO:<j\xc3\xb6rg@example.org>|DATA|"
                                "Subject: \xc3\xb6//x/./QUIT|"});
}

static void servers_that_do_not_speak_it(void **state)
{
    (void)state;
    talk(&(struct talk){.replies = {"+OK POP3"},
                        .no_password = true,
                        .tls = MUA_TLS_NONE,
                        .result = ERR_SYNTAX,
                        .said = "QUIT|",
                        .words = "what the server says is no SMTP: +OK POP3"});
    talk(&(struct talk){.replies = {NULL}, .no_password = true, .tls = MUA_TLS_NONE, .result = ERR_EOF, .said = ""});
    talk(&(struct talk){.replies = {"220 hello", "502 what?", "221 bye"},
                        .no_password = true,
                        .tls = MUA_TLS_NONE,
                        .result = ERR_UNSUPPORTED,
                        .said = "EHLO client|QUIT|"});
    talk(&(struct talk){.replies = {"220 hello", "250-x\r\n251 y", "221 bye"},
                        .no_password = true,
                        .tls = MUA_TLS_NONE,
                        .result = ERR_SYNTAX,
                        .said = "EHLO client|QUIT|"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(over_tls_with_a_password), cmocka_unit_test(over_starttls),
        cmocka_unit_test(no_way_back_to_plaintext), cmocka_unit_test(refusals),
        cmocka_unit_test(what_the_letter_needs),    cmocka_unit_test(servers_that_do_not_speak_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
