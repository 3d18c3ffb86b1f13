/* The SMTP client's session before servers of all kinds: every odd reply at every step, whole and byte by byte,
 * pipelined and not, by DATA and BDAT, SMTP and LMTP; connections that die at every byte. */
#include "wire/smtp_client_rig_test.h"

#define ALL "PIPELINING\nSIZE 100000\n8BITMIME\nSMTPUTF8\nDSN\nENHANCEDSTATUSCODES"
#define LETTER S("Subject: x\r\n\r\nhi\r\n")

static void one_letter(void **state)
{
    (void)state;
    struct rig r = {.offers = ALL, .letters = {{.to = {"bob", "eve"}, .bytes = LETTER}}};
    rig_run(&r);
    assert_str(buf_str(&r.said), S("EHLO client.test|MAIL FROM:<me@x.test> SIZE=18|RCPT TO:<bob@x.test>|"
                                   "RCPT TO:<eve@x.test>|DATA|<letter>|QUIT|"));
    assert_str(rig_verdicts(&r, 0), S("bob=250@3 eve=250@3"));
    assert_str(r.verdicts[0][0].text, S("taken"));
    rig_free(&r);
}

/* ---- every step, every odd reply ---- */

enum { STEPS = 7 };
static const struct {
    const char *verb;
    int nth;
} steps[STEPS] = {{"banner", 1}, {"EHLO", 1}, {"MAIL", 1}, {"RCPT", 1}, {"RCPT", 2}, {"DATA", 1}, {"letter", 1}};

/* What comes of it at each step: '.' both recipients have the letter; 'h' so they have, after HELO; 'a' no welcome, the
 * reply is the answer; 'r' refused with the reply's code, the session goes on; 'x' refused with 421, and the connection
 * with it; errors 'S'yntax, 'L'ong, 'E'nd; '?' an error or a refusal, whatever is left of the reply is mistaken for. */
static const struct {
    const char *reply, *outcome;
} odd[] = {
    {"#\r\n", "......."},
    {"# \r\n", "......."},
    {"# one\r\n", "......."},
    {"# bare LF\n", "......."},
    {"#-one\r\n#-two\r\n#\r\n", "......."},
    {"#-1.2.3 one\r\n#  two\r\n", "......."},
    {"# \x80\xff\x01\x7f\t\r\r\n", "......."},
    {"250 ok\r\n", "a....S."},
    {"251 will forward\r\n", "aa...S."},
    {"354 go on\r\n", "aaSSS.S"},
    {"421 4.3.2 bye\r\n", "aaxxxxx"},
    {"450-4.2.1 later\r\n450 4.2.1 please\r\n", "aarrrrr"},
    {"550 5.7.1 never\r\n", "ahrrrrr"},
    {"599\r\n", "ahrrrrr"}, /* a refusal, though the second digit should be 0 to 5 (RFC 5321 §4.2) */
    {"260 ok\r\n", "SSSSSSS"},
    {"250-one\r\n251 two\r\n", "SSSSSSS"},
    {"150 hm\r\n", "SSSSSSS"},
    {"650 hm\r\n", "SSSSSSS"},
    {"25\r\n", "SSSSSSS"},
    {"2500\r\n", "SSSSSSS"},
    {"\r\n", "SSSSSSS"},
    {"+OK\r\n", "SSSSSSS"},
    {NULL, "EEEEEEE"},
};

static int error_of(char outcome)
{
    return outcome == 'S' ? ERR_SYNTAX : outcome == 'L' ? ERR_TOO_LONG : outcome == 'E' || outcome == 'x' ? ERR_EOF : 0;
}

static const enum smtp_step step_numbers[STEPS] = {0, 0, SMTP_STEP_MAIL, SMTP_STEP_RCPT, SMTP_STEP_RCPT, SMTP_STEP_DATA,
                                                    SMTP_STEP_FINAL};

static const char *name_of_step(size_t step) { return steps[step].verb; }

static void judge(struct rig *r, const char *reply, size_t step, char outcome)
{
    int code = reply && strlen(reply) > 3 ? rig_code(reply) : 0, first = r->verdicts[0][0].code,
        second = r->verdicts[0][1].code;
    const char *why = NULL;
    if (step < 2 && outcome != '.' && outcome != 'h') {
        if (r->error != error_of(outcome)) why = "another error";
        else if (outcome == 'a' && r->code != code) why = "another answer";
        else if (outcome != 'a' && r->c.reply.code != 0 && r->c.reply.code != 221) why = "a reply in spite of it";
        else if (r->errors[0] != 1) why = "it went on";
    } else if (r->error || r->errors[0] != error_of(outcome)) {
        why = "another error";
    } else if (outcome == '.' || outcome == 'h') {
        if (first / 100 != 2 || second / 100 != 2) why = "not delivered";
    } else if (outcome == 'r' || outcome == 'x') {
        int verdict = r->verdicts[0][step == 4].code;
        if (verdict != code || r->verdicts[0][step == 4].step != step_numbers[step]) why = "another verdict";
        if (step == 3 && outcome == 'r' && second != 250) why = "the other is not delivered";
        if (step == 4 && outcome == 'r' && first != 250) why = "the other is not delivered";
        if (step != 3 && step != 4 && second != code) why = "another verdict on the second";
        if (outcome == 'r' && r->errors[1] != 0) why = "the session does not go on";
        if (outcome == 'r' && r->verdicts[1][0].code != 250) why = "the next letter is not delivered";
    } else if (first || second) {
        why = "a verdict without a word";
    }
    if (why)
        fail_msg("\"%.40s\" to %s (%s): %s; %d %d, verdicts %d@%d %d@%d\n%s%s", reply ? reply : "hang up",
                 name_of_step(step), r->offers, why, r->error, r->errors[0], first, r->verdicts[0][0].step, second,
                 r->verdicts[0][1].step, arena_cstr(r->arena, buf_str(&r->said)), r->e.text);
}

static const struct {
    const char *offers;
    bool chained;
} ways[] = {{"", false},        {ALL, false}, {ALL, true}, {ALL "\nCHUNKING", false}, {ALL "\nCHUNKING", true},
            {"CHUNKING", false}};
enum { WAYS = sizeof ways / sizeof *ways };

static void odd_reply(const char *reply, size_t step, char outcome, size_t way, size_t piece)
{
    bool bdat = strstr(ways[way].offers, "CHUNKING") != NULL;
    struct rig r = {.offers = ways[way].offers,
                    .chained = ways[way].chained,
                    .piece = piece,
                    .twists = {{steps[step].verb, steps[step].nth, reply}},
                    .letters = {{.to = {"bob", "eve"}, .bytes = S("Subject: x\r\n\r\n.one\r\n")},
                                {.to = {"joe"}, .bytes = S("Subject: y\r\n\r\ntwo\r\n")}}};
    if (outcome == 'h') r.chained = false;
    if (step == 5 && bdat) return;
    rig_run(&r);
    judge(&r, reply, step, outcome);
    rig_free(&r);
}

static void odd_replies(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        for (size_t step = 0; step < STEPS; step++)
            for (size_t way = 0; way < WAYS; way++)
                for (size_t piece = 0; piece < 2; piece++)
                    odd_reply(odd[i].reply, step, odd[i].outcome[step], way, piece);
}

static void long_replies(void **state)
{
    (void)state;
    static char lines[10 << 10], line[300 << 10], sized[10 << 10];
    for (size_t i = 0; i < 300; i++) memcpy(lines + 4 * i, "#-a\n", 4);
    memset(line, 'x', sizeof line - 1);
    memcpy(line, "# ", 2);
    memset(sized, 'y', sizeof sized - 3);
    memcpy(sized, "# ", 2);
    memcpy(sized + sizeof sized - 3, "\r\n", 3);
    for (size_t step = 0; step < STEPS; step++)
        for (size_t way = 0; way < WAYS; way++) {
            odd_reply(lines, step, 'L', way, 0);
            odd_reply(line, step, 'L', way, 0);
            odd_reply(sized, step, '.', way, 0);
            odd_reply(sized, step, '.', way, 100);
        }
}

/* Replies in pairs: whatever they are taken for, nobody is said to have what he has not (rig_check). */
static void answers_out_of_turn(void **state)
{
    (void)state;
    for (size_t step = 0; step < STEPS; step++)
        for (size_t way = 0; way < WAYS; way++)
            for (int class = 0; class < 4; class ++) {
                static const char *const doubled[] = {"# x\r\n# y\r\n", "# x\r\n250 y\r\n", "# x\r\n354 y\r\n",
                                                      "# x\r\n550 y\r\n550 z\r\n"};
                struct rig r = {.offers = ways[way].offers,
                                .chained = ways[way].chained,
                                .twists = {{steps[step].verb, steps[step].nth, doubled[class]}},
                                .letters = {{.to = {"bob", "eve"}, .bytes = LETTER},
                                            {.to = {"joe"}, .bytes = S("Subject: y\r\n\r\ntwo\r\n")},
                                            {.to = {"amy"}, .bytes = S("Subject: z\r\n\r\nthree\r\n")}}};
                if (step == 5 && strstr(ways[way].offers, "CHUNKING")) continue;
                rig_run(&r);
                if (step < 2 && r.error != ERR_SYNTAX && r.errors[0] != ERR_SYNTAX)
                    fail_msg("believed: step %zu", step);
                if (r.errors[0] == 0 && r.errors[1] == 0 && r.errors[2] == 0)
                    fail_msg("\"%s\" at %s was not noticed", doubled[class], steps[step].verb);
                rig_free(&r);
            }
}

/* "250" for a letter that has not been sent, in one segment with "354" */
static void accepted_before_it_is_sent(void **state)
{
    (void)state;
    static const struct {
        const char *reply;
        int error, code;
    } rows[] = {
        {"354 go\r\n250 taken\r\n", ERR_SYNTAX, 0},
        {"354 go\r\n354 go\r\n", ERR_SYNTAX, 0},
        {"354 go\r\n552 5.3.4 too much\r\n", ERR_UNAVAILABLE, 552},
        {"354 go\r\n451 4.3.0 no\r\n", ERR_UNAVAILABLE, 451},
        {"354 go\r\n421 4.3.2 bye\r\n", ERR_EOF, 421},
        {"354 go\r\nwhat\r\n", ERR_SYNTAX, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t way = 0; way < 2; way++) {
            struct rig r = {.offers = ways[way].offers,
                            .twists = {{"DATA", 1, rows[i].reply}},
                            .letters = {{.to = {"bob"}, .bytes = LETTER}}};
            rig_run(&r);
            assert_int_equal(r.errors[0], rows[i].error);
            assert_int_equal(r.verdicts[0][0].code, rows[i].code);
            assert_int_equal(r.n_deliveries, 0);
            rig_free(&r);
        }
}

/* ---- connections that die ---- */

static void cut(size_t way, bool lmtp, int64_t *out, int64_t *in)
{
    struct rig r = {.offers = ways[way].offers,
                    .chained = ways[way].chained,
                    .lmtp = lmtp,
                    .cut_out = *out,
                    .cut_in = *in,
                    .letters = {{.to = {"bob", "eve"}, .bytes = S("Subject: x\r\n\r\n.one\r\nbare\nend")},
                                {.to = {"joe", "amy"}, .bytes = S("Subject: y\r\n\r\ntwo\r\n")}}};
    rig_run(&r);
    bool cut_off = *out > 0 || *in > 0;
    if (!cut_off) {
        *out = r.written;
        *in = r.read;
        assert_true(r.errors[0] == 0 && r.errors[1] == 0 && r.n_deliveries == 4);
    }
    rig_free(&r);
}

static void dies_at_every_byte(void **state)
{
    (void)state;
    for (size_t way = 0; way < WAYS; way++)
        for (int lmtp = 0; lmtp < 2; lmtp++) {
            int64_t out = 0, in = 0, none = 0;
            cut(way, lmtp, &out, &in);
            for (int64_t at = 1; at < out; at++) cut(way, lmtp, &at, &none);
            none = 0;
            for (int64_t at = 1; at < in; at++) cut(way, lmtp, &none, &at);
        }
}

/* The limits of RFC 5321 §4.5.3.2 and no other; whoever sends a byte now and then gains nothing by it. */
static void never_answers(void **state)
{
    (void)state;
    static const struct {
        const char *verb;
        int64_t after;
    } rows[] = {
        {"banner", TIMEOUT_CLIENT_BANNER}, {"EHLO", TIMEOUT_CLIENT_COMMAND}, {"MAIL", TIMEOUT_CLIENT_COMMAND},
        {"RCPT", TIMEOUT_CLIENT_COMMAND},  {"DATA", TIMEOUT_CLIENT_DATA},    {"letter", TIMEOUT_CLIENT_FINAL},
    };
    static char drip[1000];
    memset(drip, 'x', sizeof drip - 1);
    memcpy(drip, "# ", 2);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t way = 0; way < 3; way++) {
            struct rig r = {.offers = ways[way].offers,
                            .piece = 1,
                            .delay_us = SECONDS(1),
                            .twists = {{rows[i].verb, 0, drip}},
                            .letters = {{.to = {"bob"}, .bytes = LETTER}}};
            rig_run(&r);
            assert_int_equal(i < 2 ? r.error : r.errors[0], ERR_TIMEOUT);
            mono_us least = rows[i].after, most = rows[i].after + MINUTES(8); /* the replies before drip too */
            if (r.ended < least || r.ended > most) fail_msg("%s: %lld s", rows[i].verb, (long long)r.ended / US_PER_S);
            assert_int_equal(r.verdicts[0][0].code, 0);
            rig_free(&r);
        }
}

static void does_not_read_the_letter(void **state)
{
    (void)state;
    char *big = calloc(1, 1 << 20);
    memset(big, 'x', 1 << 20);
    struct rig r = {.offers = ALL,
                    .silent_in_letter = true,
                    .letters = {{.to = {"bob"}, .bytes = str_of(big, 1 << 20)}}};
    rig_run(&r);
    assert_int_equal(r.errors[0], ERR_TIMEOUT);
    assert_str(rig_verdicts(&r, 0), S("bob=0@2"));
    assert_true(r.ended >= TIMEOUT_CLIENT_BLOCK && r.ended < TIMEOUT_CLIENT_BLOCK + SECONDS(5));
    rig_free(&r);
    for (int early = 0; early < 2; early++) { /* "552" while the letter is on its way */
        r = (struct rig){.offers = early ? ALL : "",
                         .early_refusal = true,
                         .letters = {{.to = {"bob"}, .bytes = str_of(big, 1 << 20)}}};
        rig_run(&r);
        assert_int_equal(r.errors[0], ERR_UNAVAILABLE);
        assert_str(rig_verdicts(&r, 0), S("bob=552@3"));
        rig_free(&r);
    }
    /* it hangs up behind the "552", which is heard all the same */
    for (size_t size = 1 << 15; size <= 1 << 20; size <<= 5) {
        r = (struct rig){.offers = ALL,
                         .early_refusal = 2,
                         .capacity = 4096,
                         .letters = {{.to = {"bob"}, .bytes = str_of(big, size)}}};
        rig_run(&r);
        assert_str(rig_verdicts(&r, 0), S("bob=552@3"));
        rig_free(&r);
    }
    free(big);
}

/* A server that refuses the sender and then takes recipients and a letter: for whom? */
static void no_sender_but_recipients(void **state)
{
    (void)state;
    struct rig r = {.offers = ALL,
                    .lax = true,
                    .twists = {{"MAIL", 1, "550 5.7.1 not you\r\n"}},
                    .letters = {{.to = {"bob"}, .bytes = LETTER}}};
    rig_run(&r);
    assert_int_equal(r.errors[0], ERR_SYNTAX);
    assert_str(rig_verdicts(&r, 0), S("bob=550@0"));
    assert_int_equal(r.n_deliveries, 0);
    rig_free(&r);
}

/* ---- links with a will of their own ---- */

struct weather {
    size_t way;
    bool lmtp;
    int resets; /* in a million reads and writes */
    int finished, broken; /* sessions */
};

static void session_in(struct sim *sim, void *arg)
{
    struct weather *w = arg;
    struct rig r = {.offers = ways[w->way].offers,
                    .chained = ways[w->way].chained,
                    .lmtp = w->lmtp,
                    .letters = {{.to = {"bob", "eve"}, .bytes = S("Subject: x\r\n\r\n.one\r\nbare\nend"), .piece = 5},
                                {.to = {"joe", "amy"}, .bytes = S("Subject: y\r\n\r\ntwo\r\n")},
                                {.to = {"sue"}, .bytes = S("Subject: z\r\n\r\nthree\r\n")}}};
    sim_set_faults(sim,
                   (struct sim_faults){.connection_reset = w->resets, .short_read = 300000, .latency_max_us = 200000});
    rig_run_linked(sim, &r);
    if (r.errors[2] == 0) w->finished++;
    else w->broken++;
    if (!w->resets && (r.errors[2] != 0 || r.n_deliveries != 5)) fail_msg("%s", r.e.text);
    rig_free(&r);
}

static void bad_links(void **state)
{
    (void)state;
    struct weather w = {0};
    for (uint64_t seed = 1; seed <= 300; seed++) {
        w.way = seed % WAYS;
        w.lmtp = seed % 5 == 0;
        w.resets = seed % 3 ? 20000 : 0;
        sim_twice(seed, session_in, &w);
    }
    assert_true(w.finished > 200 && w.broken > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_letter),
        cmocka_unit_test(odd_replies),
        cmocka_unit_test(long_replies),
        cmocka_unit_test(answers_out_of_turn),
        cmocka_unit_test(accepted_before_it_is_sent),
        cmocka_unit_test(dies_at_every_byte),
        cmocka_unit_test(never_answers),
        cmocka_unit_test(does_not_read_the_letter),
        cmocka_unit_test(no_sender_but_recipients),
        cmocka_unit_test(bad_links),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
