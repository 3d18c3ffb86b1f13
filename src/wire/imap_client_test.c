/* The IMAP client before scripts: STARTTLS, all ways to log in and not to, literals both ways, letters that stream, and
 * servers that say what they should not. Log-in by SCRAM to the end is tested with real servers. */
#include "base/test.h"

#include <stdlib.h>

#include "io/sim.h"
#include "io/tls.h"
#include "wire/imap_client.h"

struct scene {
    /* given */
    const char *replies[12]; /* the greeting, then one for each line of the client's; '#': its tag */
    size_t piece;            /* bytes it writes at a time; 0: all */
    bool starttls, bare;
    const char *user, *password;
    const char *command;
    uint64_t body_max;
    /* what happened */
    struct world *world;
    struct arena *arena;
    struct stream *client, *server;
    struct buf said; /* by the client, joined by "|" */
    struct buf heard; /* bodies, each with its UID */
    struct imap_client c;
    unsigned offers;
    bool preauth, utf8, broken, under_tls;
    int greeting, tls, login, asked;
    struct error e;
};

static FIBER void reply(struct scene *s, const char *text, struct str tag)
{
    struct buf b = BUF(2 << 20);
    for (; *text; text++)
        if (*text == '#') buf_add(&b, tag);
        else buf_char(&b, *text);
    struct str rest = buf_str(&b);
    while (rest.n) {
        size_t n = s->piece ? s->piece : rest.n;
        stream_write(s->server, str_head(rest, n));
        stream_flush(s->server);
        rest = str_skip(rest, n);
    }
    buf_free(&b);
}

static FIBER void serve(void *arg)
{
    struct scene *s = arg;
    struct tls_context *tls = NULL;
    struct str line, tag = S("");
    char kept[16];
    tls_server_new(s->world, "", "", &tls, NULL);
    stream_deadline(s->server, loop_now() + HOURS(1));
    for (int i = 0; i < 12 && s->replies[i]; i++) {
        reply(s, s->replies[i], tag);
        if (str_ends(buf_str(&s->said), S("STARTTLS|"))) stream_starttls_server(s->server, tls);
        if (stream_line(s->server, 1 << 16, &line)) break;
        buf_add(&s->said, line);
        buf_char(&s->said, '|');
        struct str word = str_word(&line);
        if (word.n < 2 || word.n > sizeof kept || word.p[0] != 'p' || !ch_digit(word.p[1])) continue;
        memcpy(kept, word.p, word.n);
        tag = str_of(kept, word.n);
    }
    tls_unref(tls);
    stream_close(s->server);
}

static FIBER bool hear(void *arg, const struct imap_client *c)
{
    struct scene *s = arg;
    struct imap_fetched f;
    if (!imap_fetched(s->arena, &c->said, &f)) return false;
    struct str body = c->has_body ? buf_str(&c->body) : f.body;
    buf_printf(&s->heard, "%u:%.*s|", f.uid, STR_FMT(body));
    if (c->body_size > c->body_max) buf_printf(&s->heard, "%llu dropped|", (unsigned long long)c->body_size);
    return true;
}

static FIBER void talk(void *arg)
{
    struct scene *s = arg;
    struct imap_client *c = &s->c;
    struct tls_context *tls = NULL;
    tls_client_new(s->world, TLS_VERIFY_NONE, &tls, NULL);
    imap_client_init(c, s->world, s->arena, s->client);
    s->tls = s->login = s->asked = 1;
    s->greeting = imap_client_greeting(c, &s->preauth, &s->e);
    bool on = s->greeting == 0;
    if (on && s->starttls) on = (s->tls = imap_client_starttls(c, tls, S("x.test"), &s->e)) == 0;
    if (on && s->user) on = (s->login = imap_client_login(c, str_c(s->user), str_c(s->password), s->bare, &s->e)) == 0;
    s->offers = c->offers;
    s->utf8 = c->utf8;
    c->heard = hear;
    c->arg = s;
    c->body_max = s->body_max;
    if (on && s->command) s->asked = imap_client_ask(c, str_c(s->command), ERR_UNAVAILABLE, "it is refused", &s->e);
    s->broken = imap_client_broken(c);
    s->under_tls = c->tls;
    tls_unref(tls);
    imap_client_close(c);
}

static void play(struct scene *s)
{
    struct sim *sim = sim_new(3);
    s->world = sim_node(sim, "client", (struct ip){4, {192, 0, 2, 25}});
    struct loop *l = loop_new(s->world);
    s->arena = arena_new(NULL, 0);
    s->said = BUF(1 << 16);
    s->heard = BUF(1 << 20);
    stream_pair(s->arena, 1 << 16, &s->client, &s->server);
    loop_spawn(l, serve, s);
    loop_spawn(l, talk, s);
    sim_run(sim, FOREVER);
    assert_int_equal(loop_stats(l).fibers_now, 0);
    loop_free(l);
    sim_free(sim);
}

static void over(struct scene *s)
{
    buf_free(&s->said);
    buf_free(&s->heard);
    arena_free(s->arena);
}

#define GREETING(more) "* OK [CAPABILITY IMAP4rev1" more "] hello\r\n"

static void log_ins(void **state)
{
    static const struct {
        const char *greeting, *user, *password;
        bool bare;
        const char *replies[4];
        const char *said; /* begins so */
        int result;
    } v[] = {
        {GREETING(""), "u", "a\"b\\", true, {"# OK\r\n"}, "p1 LOGIN \"u\" \"a\\\"b\\\\\"|p2 CAPABILITY|", 0},
        {GREETING(""), "u", "p\xc3\xa4", true, {"+ go\r\n", "# OK\r\n"}, "p1 LOGIN \"u\" {3}|p\xc3\xa4|p2 CAP", 0},
        {GREETING(" LITERAL+"), "u", "p\xc3\xa4", true, {"", "# OK\r\n"}, "p1 LOGIN \"u\" {3+}|p\xc3\xa4|p2 CAP", 0},
        {GREETING(""), "u", "p\xc3\xa4", true, {"# NO no\r\n"}, "p1 LOGIN \"u\" {3}|p2 LOGOUT|", ERR_DENIED},
        {GREETING(""), "u", "p", true, {"# NO no\r\n"}, "p1 LOGIN \"u\" \"p\"|", ERR_DENIED},
        {GREETING(""), "u", "p", true, {"# NO [UNAVAILABLE] later\r\n"}, "p1 LOGIN \"u\" \"p\"|", ERR_BUSY},
        {GREETING(""), "u", "p", false, {NULL}, "p1 LOGOUT|", ERR_UNSUPPORTED},
        {GREETING(" LOGINDISABLED"), "u", "p", true, {NULL}, "p1 LOGOUT|", ERR_UNSUPPORTED},
        {GREETING(" AUTH=PLAIN SASL-IR"), "u", "p", true, {"# OK\r\n"}, "p1 AUTHENTICATE PLAIN AHUAcA==|p2", 0},
        {GREETING(" AUTH=PLAIN"), "u", "p", true, {"+ \r\n", "# OK\r\n"}, "p1 AUTHENTICATE PLAIN|AHUAcA==|p2", 0},
        {GREETING(" AUTH=PLAIN"), "u", "p", true, {"# NO\r\n"}, "p1 AUTHENTICATE PLAIN|p2 LOGOUT", ERR_DENIED},
        {GREETING(" AUTH=PLAIN"),
         "u",
         "p",
         true,
         {"+ \r\n", "+ more\r\n", "# BAD\r\n"},
         "p1 AUTHENTICATE PLAIN|AHUAcA==|*|",
         ERR_DENIED},
        {GREETING(" AUTH=PLAIN AUTH=SCRAM-SHA-256 SASL-IR"),
         "u",
         "p",
         false,
         {"# NO no\r\n"},
         "p1 AUTHENTICATE SCRAM-SHA-256 biws",
         ERR_DENIED},
        {GREETING(" AUTH=SCRAM-SHA-256"),
         "u",
         "p",
         false,
         {"+ \r\n", "# OK welcome\r\n"}, /* it knows nothing */
         "p1 AUTHENTICATE SCRAM-SHA-256|biws",
         ERR_DENIED},
        {GREETING(" AUTH=SCRAM-SHA-256"),
         "u",
         "p",
         false,
         {"+ \r\n", "+ cj14\r\n"},
         "p1 AUTHENTICATE SCRAM",
         ERR_SYNTAX},
        {GREETING(" AUTH=SCRAM-SHA-256"), "u", "p", false, {"+ \r\n", "+ !\r\n"}, "p1 AUTHENTICATE SCRAM", ERR_SYNTAX},
        {GREETING(""), "u", "", true, {NULL}, "p1 LOGOUT|", ERR_SYNTAX},
    };
    (void)state;
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        struct scene s = {.user = v[i].user, .password = v[i].password, .bare = v[i].bare};
        size_t n = 1;
        s.replies[0] = v[i].greeting;
        for (size_t k = 0; k < 4 && v[i].replies[k]; k++) s.replies[n++] = v[i].replies[k];
        s.replies[n++] = "* CAPABILITY IMAP4rev1 ENABLE UTF8=ACCEPT\r\n# OK\r\n";
        s.replies[n] = "# OK enabled\r\n";
        play(&s);
        if (s.login != v[i].result || !str_starts(buf_str(&s.said), str_c(v[i].said)))
            fail_msg("%zu: %d, \"%.*s\" (%s)", i, s.login, STR_FMT(buf_str(&s.said)), s.e.text);
        assert_int_equal(s.utf8, v[i].result == 0);
        over(&s);
    }
}

static void begins_tls(void **state)
{
    (void)state;
    /* what was said behind the OK was not said under TLS */
    struct scene s = {.replies = {GREETING(" STARTTLS LOGINDISABLED"), "# OK\r\n* CAPABILITY IMAP4rev1 UIDPLUS\r\n",
                                  "* CAPABILITY IMAP4rev2 STARTTLS\r\n# OK\r\n", "# OK\r\n", "# OK\r\n"},
                      .starttls = true,
                      .user = "u",
                      .password = "p"};
    play(&s);
    assert_int_equal(s.tls, 0);
    assert_true(s.under_tls);
    assert_int_equal(s.login, 0);
    assert_false(s.offers & IMAP_OFFERS_STARTTLS);
    assert_str(str_head(buf_str(&s.said), 61), S("p1 STARTTLS|p2 CAPABILITY|p3 LOGIN \"u\" \"p\"|p4 CAPABILITY|p5 L"));
    over(&s);
    static const char *const refused[][2] = {{GREETING(""), NULL}, {GREETING(" STARTTLS"), "# NO\r\n"}};
    for (size_t i = 0; i < 2; i++) {
        struct scene r = {.replies = {refused[i][0], refused[i][1]}, .starttls = true, .user = "u", .password = "p"};
        play(&r);
        assert_int_equal(r.tls, ERR_TLS);
        assert_int_equal(str_find(buf_str(&r.said), S("LOGIN")), r.said.n);
        over(&r);
    }
}

static void letters(void **state)
{
    static const char answer[] =
        "* 1 FETCH (UID 4 BODY[] {5}\r\na\r\nb\r)\r\n"
        "* 2 FETCH (BODY[] {0}\r\n UID 5)\r\n* 3 FETCH (UID 6 FLAGS (\\Seen))\r\n* 3 EXISTS\r\n"
        "* 4 FETCH (FLAGS () BODY[] {9}\r\n* 5 FETCH UID 7)\r\n* 5 FETCH (UID 8 BODY[] \"quoted\")\r\n"
        "* 6 FETCH (UID 9 BODY[] NIL)\r\n* odd ((\r\n* 7 FETCH (UID 10 BODY[] ~{1}\r\nx)\r\n# OK done\r\n";
    (void)state;
    for (size_t piece = 0; piece < 40; piece++) {
        struct scene s = {.replies = {GREETING(""), answer}, .piece = piece, .command = "FETCH", .body_max = 8};
        play(&s);
        if (s.asked) fail_msg("%zu: %s", piece, s.e.text);
        assert_str(buf_str(&s.heard), S("4:a\r\nb\r|5:|6:|7:|9 dropped|8:quoted|9:|10:x|"));
        over(&s);
    }
}

static void what_nobody_can_take(void **state)
{
    static const struct {
        const char *greeting, *answer;
        int greeted, asked;
    } v[] = {
        {"220 smtp\r\n", "", ERR_SYNTAX, 1},
        {"* BYE busy\r\n", "", ERR_UNAVAILABLE, 1},
        {"* NO\r\n", "", ERR_SYNTAX, 1},
        {GREETING(""), NULL, 0, ERR_EOF},
        {GREETING(""), "# NO no\r\n", 0, ERR_UNAVAILABLE},
        {GREETING(""), "# BAD no\r\n", 0, ERR_UNAVAILABLE},
        {GREETING(""), "p9 OK\r\n", 0, ERR_SYNTAX},
        {GREETING(""), "# FLAGS x\r\n", 0, ERR_SYNTAX},
        {GREETING(""), "* LIST {18446744073709551616}\r\n", 0, ERR_TOO_LONG},
        {GREETING(""), "* LIST {1048577}\r\n", 0, ERR_TOO_LONG},
        {GREETING(""), "* 1 FETCH (BODY[] {1}\r\nx BODY[] {1048577}\r\n", 0, ERR_TOO_LONG}, /* one letter a response */
        {GREETING(""), "* 1 FETCH (BODY[] {2}\r\nx)\r\n# OK\r\n", 0, 0}, /* no letter, but where it ends is clear */
    };
    (void)state;
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        struct scene s = {.replies = {v[i].greeting, v[i].answer}, .command = "X", .body_max = 8};
        play(&s);
        if (s.greeting != v[i].greeted || s.asked != v[i].asked)
            fail_msg("%zu: %d %d %s", i, s.greeting, s.asked, s.e.text);
        assert_int_equal(s.broken, v[i].asked != 0 && v[i].asked != ERR_UNAVAILABLE);
        over(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(log_ins), cmocka_unit_test(begins_tls),
                                       cmocka_unit_test(letters), cmocka_unit_test(what_nobody_can_take)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
