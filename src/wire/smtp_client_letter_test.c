/* What the SMTP client says and sends: commands with their parameters, letters of any bytes by DATA and BDAT, one
 * transaction in the wake of the other, LMTP. */
#include "wire/smtp_client_rig_test.h"

#define ALL "PIPELINING\nSIZE 100000\n8BITMIME\nSMTPUTF8\nDSN\nENHANCEDSTATUSCODES"
#define LETTER S("Subject: x\r\n\r\nhi\r\n")
#define SECOND S("Subject: y\r\n\r\nho\r\n")

struct talk {
    struct rig rig;
    const char *said;
    const char *verdicts[RIG_LETTERS];
    int error; /* of the last letter that was tried */
};

static void talk(struct talk t)
{
    int last = 0;
    rig_run(&t.rig);
    assert_str(buf_str(&t.rig.said), str_c(t.said));
    for (size_t i = 0; i < t.rig.letters_n; i++) {
        if (t.verdicts[i]) assert_str(rig_verdicts(&t.rig, i), str_c(t.verdicts[i]));
        if (t.rig.errors[i] != 1) last = t.rig.errors[i];
    }
    assert_int_equal(last, t.error);
    rig_free(&t.rig);
}

/* ---- commands ---- */

static void parameters_are_said_to_who_knows_them(void **state)
{
    (void)state;
    struct rig_letter l = {.to = {"bob"},
                           .bytes = LETTER,
                           .eightbit = true,
                           .utf8 = true,
                           .notify = DSN_NOTIFY_SUCCESS | DSN_NOTIFY_DELAY};
    talk((struct talk){.rig = {.offers = ALL, .letters = {l}},
                       .said = "EHLO client.test|MAIL FROM:<me@x.test> SIZE=18 BODY=8BITMIME SMTPUTF8|"
                               "RCPT TO:<bob@x.test> NOTIFY=SUCCESS,DELAY|DATA|<letter>|QUIT|",
                       .verdicts = {"bob=250@3"}});
    talk((struct talk){
        .rig = {.offers = "8BITMIME", .letters = {l}},
        .said = "EHLO client.test|MAIL FROM:<me@x.test> BODY=8BITMIME|RCPT TO:<bob@x.test>|DATA|<letter>|QUIT|",
        .verdicts = {"bob=250@3"}});
    l.notify = DSN_NOTIFY_NEVER;
    l.from = "";
    talk((struct talk){
        .rig = {.offers = "DSN\nSIZE", .letters = {l}},
        .said = "EHLO client.test|MAIL FROM:<> SIZE=18|RCPT TO:<bob@x.test> NOTIFY=NEVER|DATA|<letter>|QUIT|",
        .verdicts = {"bob=250@3"}});
}

static void addresses_that_cannot_be_said(void **state)
{
    (void)state;
    for (int utf8 = 0; utf8 < 2; utf8++) {
        struct rig_letter l = {.to = {"j\xc3\xb6rg", "bob", "new\r\nline", "q\"uote"}, .bytes = LETTER, .utf8 = utf8};
        talk((struct talk){
            .rig = {.offers = ALL, .letters = {l}},
            .said = utf8 ? "EHLO client.test|MAIL FROM:<me@x.test> SIZE=18 SMTPUTF8|RCPT TO:<j\xc3\xb6rg@x.test>|"
                           "RCPT TO:<bob@x.test>|RCPT TO:<\"q\\\"uote\"@x.test>|DATA|<letter>|QUIT|"
                         : "EHLO client.test|MAIL FROM:<me@x.test> SIZE=18|RCPT TO:<bob@x.test>|"
                           "RCPT TO:<\"q\\\"uote\"@x.test>|DATA|<letter>|QUIT|",
            .verdicts = {utf8 ? "j\xc3\xb6rg=250@3 bob=250@3 new\r\nline=553@1 q\"uote=250@3"
                              : "j\xc3\xb6rg=553@1 bob=250@3 new\r\nline=553@1 q\"uote=250@3"}});
    }
    static const char *const ways[] = {"", "PIPELINING", "PIPELINING\nCHUNKING"};
    for (size_t way = 0; way < 3; way++) {
        struct rig_letter bad = {.to = {"\xc3\xb6", "\xc3\xa4"}, .bytes = LETTER},
                          good = {.to = {"bob"}, .bytes = SECOND};
        struct rig_letter sender = {.from = "\xc3\xb6", .to = {"bob"}, .bytes = LETTER};
        struct rig_letter one_bad = {.to = {"joe", "\xc3\xb6"}, .bytes = LETTER, .all_or_none = true};
        const char *tail = way == 2 ? "BDAT 18 LAST|QUIT|" : "DATA|<letter>|QUIT|";
        char said[500];
        for (int chained = 0; chained < 2; chained++) {
            snprintf(said, sizeof said,
                     "EHLO client.test|MAIL FROM:<me@x.test>|RSET|MAIL FROM:<me@x.test>|RCPT TO:<bob@x.test>|%s", tail);
            talk((struct talk){.rig = {.offers = ways[way], .chained = chained, .letters = {bad, good}},
                               .said = said, .verdicts = {"\xc3\xb6=553@1 \xc3\xa4=553@1", "bob=250@3"}});
            snprintf(said, sizeof said, "EHLO client.test|MAIL FROM:<me@x.test>|RCPT TO:<bob@x.test>|%s", tail);
            talk((struct talk){.rig = {.offers = ways[way], .chained = chained, .letters = {sender, good}},
                               .said = said, .verdicts = {"bob=553@0", "bob=250@3"}});
        }
        snprintf(said, sizeof said,
                 "EHLO client.test|MAIL FROM:<me@x.test>|%s|RSET|MAIL FROM:<me@x.test>|RCPT TO:<bob@x.test>|%s",
                 "RCPT TO:<joe@x.test>", tail);
        talk((struct talk){.rig = {.offers = ways[way], .letters = {one_bad, good}},
                           .said = said, .verdicts = {"joe=0@2 \xc3\xb6=553@1", "bob=250@3"}});
    }
}

/* ---- refusals leave no doubt ---- */

static void after_a_refusal_the_next_letter(void **state)
{
    (void)state;
    struct rig_letter one = {.to = {"bob", "eve"}, .bytes = LETTER}, two = {.to = {"joe"}, .bytes = SECOND};
    talk((struct talk){
        /* all recipients are refused, and the server wants the letter all the same */
        .rig = {.offers = ALL,
                .letters = {one, two},
                .twists = {{"DATA", 1, "354 go\r\n"},
                           {"RCPT", 1, "550 5.1.1 no\r\n"},
                           {"RCPT", 2, "451 4.2.0 later\r\n"}}},
        .said =
            "EHLO client.test|MAIL FROM:<me@x.test> SIZE=18|RCPT TO:<bob@x.test>|RCPT TO:<eve@x.test>|DATA|<letter>|"
            "MAIL FROM:<me@x.test> SIZE=18|RCPT TO:<joe@x.test>|DATA|<letter>|QUIT|",
        .verdicts = {"bob=550@1 eve=451@1", "joe=250@3"}});
    talk((struct talk){
        .rig = {.offers = ALL, .letters = {one, two}, .twists = {{"RCPT", 1, "550 no\r\n"}, {"RCPT", 2, "550 no\r\n"}}},
        .said = "EHLO client.test|MAIL FROM:<me@x.test> SIZE=18|RCPT TO:<bob@x.test>|RCPT TO:<eve@x.test>|DATA|"
                "RSET|MAIL FROM:<me@x.test> SIZE=18|RCPT TO:<joe@x.test>|DATA|<letter>|QUIT|",
        .verdicts = {"bob=550@1 eve=550@1", "joe=250@3"}});
    one.all_or_none = true;
    talk((struct talk){.rig = {.offers = ALL, .letters = {one, two}, .twists = {{"RCPT", 2, "550 no\r\n"}}},
                       .said =
                           "EHLO client.test|MAIL FROM:<me@x.test> SIZE=18|RCPT TO:<bob@x.test>|RCPT TO:<eve@x.test>|"
                           "RSET|MAIL FROM:<me@x.test> SIZE=18|RCPT TO:<joe@x.test>|DATA|<letter>|QUIT|",
                       .verdicts = {"bob=0@2 eve=550@1", "joe=250@3"}});
    talk((struct talk){
        .rig = {.offers = "",
                .letters = {one, two},
                .twists = {{"RSET", 1, "502 what?\r\n"}, {"RCPT", 2, "550 no\r\n"}}},
        .said = "EHLO client.test|MAIL FROM:<me@x.test>|RCPT TO:<bob@x.test>|RCPT TO:<eve@x.test>|RSET|QUIT|",
        .error = ERR_SYNTAX});
}

static void lmtp_has_a_reply_for_each(void **state)
{
    (void)state;
    struct rig_letter one = {.to = {"bob", "eve", "amy"}, .bytes = LETTER}, two = {.to = {"joe"}, .bytes = SECOND};
    talk((struct talk){
        .rig = {.lmtp = true,
                .offers = "PIPELINING",
                .letters = {one, two},
                .chained = true,
                .twists = {{"RCPT", 2, "550 no\r\n"}, {"letter", 2, "452 4.2.2 full\r\n"}}},
        .said = "LHLO client.test|MAIL FROM:<me@x.test>|RCPT TO:<bob@x.test>|RCPT TO:<eve@x.test>|"
                "RCPT TO:<amy@x.test>|DATA|<letter>|MAIL FROM:<me@x.test>|RCPT TO:<joe@x.test>|DATA|<letter>|QUIT|",
        .verdicts = {"bob=250@3 eve=550@1 amy=452@3", "joe=250@3"}});
    talk((struct talk){.rig = {.lmtp = true,
                               .offers = "PIPELINING",
                               .letters = {one, two},
                               .twists = {{"letter", 2, "421 4.3.2 bye\r\n"}}},
                       .said = "LHLO client.test|MAIL FROM:<me@x.test>|RCPT TO:<bob@x.test>|RCPT TO:<eve@x.test>|"
                               "RCPT TO:<amy@x.test>|DATA|<letter>|",
                       .verdicts = {"bob=250@3 eve=421@3 amy=421@3"},
                       .error = ERR_EOF});
    talk((struct talk){.rig = {.lmtp = true,
                               .offers = "",
                               .letters = {two},
                               .twists = {{"DATA", 1, "354 x\r\n"}, {"RCPT", 1, "550 no\r\n"}}},
                       .said = "LHLO client.test|MAIL FROM:<me@x.test>|RCPT TO:<joe@x.test>|QUIT|",
                       .verdicts = {"joe=550@1"}});
    talk((struct talk){.rig = {.lmtp = true,
                               .offers = "PIPELINING",
                               .letters = {two},
                               .twists = {{"DATA", 1, "354 x\r\n"}, {"RCPT", 1, "550 no\r\n"}}},
                       .said = "LHLO client.test|MAIL FROM:<me@x.test>|RCPT TO:<joe@x.test>|DATA|",
                       .verdicts = {"joe=550@1"},
                       .error = ERR_SYNTAX});
}

/* ---- one behind the other ---- */

static void transactions_in_each_others_wake(void **state)
{
    (void)state;
    struct rig_letter l[3] = {{.to = {"bob"}, .bytes = LETTER},
                              {.to = {"eve"}, .bytes = SECOND},
                              {.to = {"joe"}, .bytes = S("z\r\n")}};
    static const char *const answers[] = {"# ok\r\n", "451 4.2.0 x\r\n", "550 5.0.0 x\r\n"};
    static const char *const offers[] = {"PIPELINING", "PIPELINING\nCHUNKING", "", "PIPELINING\nLIMITS MAILMAX=2"};
    for (size_t i = 0; i < 4; i++)
        for (size_t answer = 0; answer < 3; answer++)
            for (int step = 0; step < 4; step++) {
                static const char *const verbs[] = {"MAIL", "RCPT", "DATA", "letter"};
                for (int nth = 1; nth <= 3; nth++) {
                    struct rig r = {.offers = offers[i], .chained = true, .letters = {l[0], l[1], l[2]},
                                    .twists = {{verbs[step], nth, answers[answer]}}};
                    if (step == 2 && i == 1) continue;
                    rig_run(&r);
                    for (int k = 0; k < 3; k++) {
                        assert_int_equal(r.errors[k], 0);
                        assert_int_equal(r.verdicts[k][0].code,
                                         answer == 0 || k != nth - 1 ? 250 : rig_code(answers[answer]));
                        if (answer && k == nth - 1) assert_int_equal(r.verdicts[k][0].step, step);
                    }
                    rig_free(&r);
                }
            }
}

/* How often it writes: a letter on a kept connection costs one write for its commands, or none when they went with the
 * letter before, and one for itself. */
static void one_write_for_all(void **state)
{
    (void)state;
    static const struct {
        const char *offers;
        bool chained;
        int64_t turns; /* of the connection: client to server, each answered before the next */
    } rows[] = {{"PIPELINING", true, 6},
                {"PIPELINING", false, 8},
                {"PIPELINING\nCHUNKING", true, 6},
                {"", true, 14},
                {"PIPELINING\nLIMITS MAILMAX=2", true, 7}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig r = {.offers = rows[i].offers,
                        .chained = rows[i].chained,
                        .turn_us = SECONDS(1),
                        .letters = {{.to = {"bob"}, .bytes = LETTER},
                                    {.to = {"eve"}, .bytes = SECOND},
                                    {.to = {"joe"}, .bytes = S("z\r\n")}}};
        rig_run(&r);
        assert_int_equal(r.turns, rows[i].turns);
        rig_free(&r);
    }
}

/* ---- letters of any bytes ---- */

static void send_one(const char *offers, bool lmtp, struct str bytes, size_t piece, size_t capacity)
{
    struct rig r = {.offers = offers,
                    .lmtp = lmtp,
                    .capacity = capacity,
                    .letters = {{.to = {"bob"}, .bytes = bytes, .piece = piece}, {.to = {"eve"}, .bytes = LETTER}},
                    .chained = true};
    rig_run(&r); /* rig_check compares what came with what was sent */
    if (r.errors[0] || r.errors[1]) fail_msg("%s: %s", offers, r.e.text);
    assert_int_equal(r.verdicts[0][0].code, 250);
    assert_int_equal(r.n_deliveries, 2);
    rig_free(&r);
}

static const char *const letter_offers[] = {"PIPELINING", "", "PIPELINING\nCHUNKING", "CHUNKING"};

static void awkward_letters(void **state)
{
    (void)state;
    static const struct str letters[] = {
        S_INIT(""), S_INIT("\r"), S_INIT("\n"), S_INIT("\r\n"), S_INIT("."), S_INIT(".\r\n"), S_INIT("..\r\n"),
        S_INIT("\r\n.\r\n"), S_INIT("\n.\n"), S_INIT("\r.\r"), S_INIT("a\n.\r\nQUIT\r\n"), S_INIT("a\r\n.\nRSET\n"),
        S_INIT("a\r.\r\n"), S_INIT("\r\r\n"), S_INIT("\r\n\n\r"), S_INIT("\n\r\n."), S_INIT(".\r"), S_INIT("a\0b\r\n"),
        S_INIT("no end"), S_INIT("\xff\x00\x80\r\n."),
    };
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
        for (size_t way = 0; way < 8; way++)
            for (size_t piece = 0; piece < 4; piece++) send_one(letter_offers[way % 4], way > 3, letters[i], piece, 0);
}

static void random_letters(void **state)
{
    (void)state;
    static const char alphabet[] = "\r\n.\r\n.\r\nab\0";
    char bytes[64];
    uint64_t seed = 1;
    for (int i = 0; i < 3000; i++) {
        size_t n = 0;
        for (seed = seed * 6364136223846793005u + 1442695040888963407u; n < seed >> 58; n++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            bytes[n] = alphabet[(seed >> 33) % (sizeof alphabet - 1)];
        }
        send_one(letter_offers[i % 4], i & 4, str_of(bytes, n), (size_t)(i / 8 % 5), 0);
    }
}

/* Around the borders of slices, with what must change there and without; through a pipe smaller than a slice. */
static void long_letters(void **state)
{
    (void)state;
    static const char *const at_border[] = {"", "\r", "\n", "\r\n", "\r\n.", ".", "\n.", "\r\n.\r\n", "\r."};
    char *bytes = malloc(4 * LIMIT_SMTP_CHUNK);
    for (size_t kind = 0; kind < sizeof at_border / sizeof *at_border; kind++)
        for (int shift = -3; shift <= 1; shift++)
            for (size_t way = 0; way < 4; way++) {
                size_t n = 2 * LIMIT_SMTP_CHUNK + 100, k = strlen(at_border[kind]);
                for (size_t i = 0; i < n; i++)
                    bytes[i] = i % 72 == 70 ? '\r' : i % 72 == 71 ? '\n' : (char)('a' + i % 26);
                memcpy(bytes + LIMIT_SMTP_CHUNK + shift, at_border[kind], k);
                memcpy(bytes + 2 * LIMIT_SMTP_CHUNK + shift, at_border[kind], k);
                send_one(letter_offers[way], false, str_of(bytes, n), kind % 2 ? 0 : 50000, 20000);
                send_one(letter_offers[way], true, str_of(bytes, 2 * (size_t)LIMIT_SMTP_CHUNK), 0, 20000);
            }
    free(bytes);
}

static void chunks(void **state)
{
    (void)state;
    char *bytes = malloc(4 * LIMIT_SMTP_CHUNK);
    memset(bytes, 'x', 4 * LIMIT_SMTP_CHUNK);
    struct rig_letter one = {.to = {"bob", "eve"}, .bytes = str_of(bytes, 3 * LIMIT_SMTP_CHUNK + 10)},
                      two = {.to = {"joe"}, .bytes = SECOND};
    struct talk t = {
        .rig = {.offers = "PIPELINING\nCHUNKING", .letters = {one, two}, .chained = true},
        .said =
            "EHLO client.test|MAIL FROM:<me@x.test>|RCPT TO:<bob@x.test>|RCPT TO:<eve@x.test>|"
            "BDAT 65536|BDAT 65536|BDAT 65536|BDAT 12 LAST|RSET|"
            "MAIL FROM:<me@x.test>|RCPT TO:<joe@x.test>|BDAT 18 LAST|QUIT|",
        .verdicts = {"bob=250@3 eve=250@3", "joe=250@3"}};
    talk(t);
    for (int nth = 1; nth <= 3; nth++) { /* a chunk is refused: the session goes on */
        struct rig r = t.rig;
        r.twists[0] = (struct rig_twist){"BDAT", nth, "552 5.3.4 too much\r\n"};
        for (int lmtp = 0; lmtp < 2; lmtp++) {
            struct rig copy = r;
            copy.lmtp = lmtp;
            rig_run(&copy);
            assert_int_equal(copy.errors[0], 0);
            assert_str(rig_verdicts(&copy, 0), S("bob=552@3 eve=552@3"));
            assert_str(rig_verdicts(&copy, 1), S("joe=250@3"));
            rig_free(&copy);
        }
    }
    one.fails_at = 70000;
    for (size_t way = 0; way < 4; way++) { /* it cannot be read to its end: nobody gets the half of it */
        one.piece = 65536;
        struct rig r = {.offers = letter_offers[way], .letters = {one, two}};
        rig_run(&r);
        assert_int_equal(r.errors[0], ERR_CORRUPT);
        assert_str(rig_verdicts(&r, 0), S("bob=0@2 eve=0@2"));
        assert_int_equal(r.n_deliveries, 0);
        assert_true(memmem(buf_str(&r.said).p, r.said.n, "QUIT", 4) == NULL);
        rig_free(&r);
    }
    free(bytes);
}

/* ---- a thousand recipients ---- */

enum { CROWD = 1000 };

struct crowd {
    struct world *world;
    struct arena *arena;
    struct stream *client, *server;
    struct smtp_verdict verdicts[CROWD];
    int heard, letters, result;
    bool ended;
};

/* Answers at length each line it reads, one after the other: its replies fill any buffer if nobody reads them. */
static FIBER void serve_crowd(void *arg)
{
    struct crowd *w = arg;
    struct str line;
    static char words[400];
    memset(words, 'w', sizeof words);
    stream_write(w->server, S("220 x\r\n"));
    while (stream_line(w->server, LIMIT_SMTP_LINE, &line) == 0) {
        const char *reply = "250";
        if (str_starts(line, S("EHLO"))) reply = "250-x\r\n250-PIPELINING\r\n250";
        if (str_starts(line, S("RCPT")) && w->heard++ % 7 == 3) reply = "550";
        if (str_eq(line, S("DATA"))) reply = "354";
        if (str_starts(line, S("Subject:")) || str_eq(line, S("")) || str_eq(line, S("hi"))) continue;
        w->letters += str_eq(line, S("."));
        stream_write(w->server, str_c(reply));
        stream_write(w->server, S(" "));
        stream_write(w->server, str_of(words, sizeof words));
        stream_write(w->server, S("\r\n"));
        stream_flush(w->server);
    }
    stream_close(w->server);
}

static FIBER void carry_crowd(void *arg)
{
    struct crowd *w = arg;
    struct rig_letter l = {.bytes = LETTER};
    struct forward_path *to = arena_array(w->arena, CROWD, sizeof *to);
    struct smtp_outgoing o =
        {.arena = w->arena, .to = to, .n = CROWD, .size = 18, .read = rig_read, .arg = &l, .verdicts = w->verdicts};
    struct smtp_client *c = arena_new_of(w->arena, struct smtp_client);
    for (int i = 0; i < CROWD; i++) to[i].address = (struct address){arena_printf(w->arena, "user%d", i), S("x.test")};
    smtp_client_init(c, w->world, w->arena, w->client, S("c.test"), false);
    w->result = smtp_client_banner(c, NULL);
    if (!w->result) w->result = smtp_client_hello(c, NULL);
    if (!w->result) w->result = smtp_client_transact(c, &o, NULL, NULL, NULL);
    smtp_client_quit(c);
    w->ended = true;
}

/* RFC 2920 §3.1: neither side ever waits for the other to read, though the pipe holds one burst and no more. */
static void nobody_waits_for_ever(void **state)
{
    (void)state;
    struct sim *sim = sim_new(5);
    struct crowd w = {.world = sim_node(sim, "client", (struct ip){4, {192, 0, 2, 25}}), .arena = arena_new(NULL, 0)};
    struct loop *l = loop_new(w.world);
    stream_pair(w.arena, LIMIT_SMTP_BURST, &w.client, &w.server);
    loop_spawn(l, serve_crowd, &w);
    loop_spawn(l, carry_crowd, &w);
    mono_us ended = sim_run(sim, FOREVER);
    assert_true(w.ended && ended < SECONDS(1));
    assert_int_equal(w.result, 0);
    assert_int_equal(w.heard, CROWD);
    assert_int_equal(w.letters, 1);
    for (int i = 0; i < CROWD; i++) assert_int_equal(w.verdicts[i].code, i % 7 == 3 ? 550 : 250);
    loop_free(l);
    arena_free(w.arena);
    sim_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_are_said_to_who_knows_them),
        cmocka_unit_test(addresses_that_cannot_be_said),
        cmocka_unit_test(after_a_refusal_the_next_letter),
        cmocka_unit_test(lmtp_has_a_reply_for_each),
        cmocka_unit_test(transactions_in_each_others_wake),
        cmocka_unit_test(one_write_for_all),
        cmocka_unit_test(awkward_letters),
        cmocka_unit_test(random_letters),
        cmocka_unit_test(long_letters),
        cmocka_unit_test(chunks),
        cmocka_unit_test(nobody_waits_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
