/* The SMTP server's session: the transcripts of tests/transcripts/smtp, and every command in every state. */
#include "wire/smtp_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "../../tests/transcripts/transcript.c"
#include "wire/smtp_rig_test.h"

static struct rig the_rig;
static const struct transcript_rig the_transcript_rig = {
    .serve = rig_serve, .begin = rig_begin, .end = rig_over, .option = rig_option, .arg = &the_rig};

static void plays_transcripts(void **state)
{
    (void)state;
    int failed = 0, played = transcripts_play("smtp", &the_transcript_rig, &failed);
    printf("%d transcripts\n", played);
    assert_true(played > 0);
    assert_int_equal(failed, 0);
}

/* ---- every command in every state ---- */

static const struct {
    const char *name, *lines; /* how to get there */
} states[] = {
    {"new", ""},
    {"ready",
     "C: EHLO c.test\nS: 250-mx.test\nS: 250-*\nS: 250-*\nS: 250-*\nS: 250-*\nS: 250-*\nS: 250-*\nS: 250-DSN\n"
     "S: 250-STARTTLS\nS: 250-AUTH *\nS: 250 ENH*\n"},
    {"mail", "C: MAIL FROM:<a@x.test>\nS: 250 2.1.0 *\n"},
    {"refused", "C: RCPT TO:<later@x.test>\nS: 451 4.2.0 *\n"},
    {"rcpt", "C: RCPT TO:<b@x.test>\nS: 250 2.1.5 *\n"},
    {"chunks", "C: BDAT 3\nc: abc\nS: 250 2.0.0 *\n"},
};
enum { STATES = sizeof states / sizeof *states };

static const struct {
    const char *command;
    const char *reply[STATES]; /* NULL: as the one before */
} table[] = {
    {"MAIL FROM:<a@x.test>", {"503 5.5.1", "250 2.1.0", "503 5.5.1", NULL, NULL, NULL}},
    {"RCPT TO:<b@x.test>", {"503 5.5.1", NULL, "250 2.1.5", NULL, NULL, "503 5.5.1"}},
    {"DATA", {"503 5.5.1", NULL, NULL, "554 5.5.1", "354 *", "503 5.5.1"}},
    {"BDAT 0", {"503 5.5.1", NULL, NULL, "554 5.5.1", "250 2.0.0", NULL}},
    {"BDAT 0 LAST", {"503 5.5.1", NULL, NULL, "554 5.5.1", "250 2.0.0", NULL}},
    {"RSET", {"250 2.0.0", NULL, NULL, NULL, NULL, NULL}},
    {"NOOP", {"250 2.0.0", NULL, NULL, NULL, NULL, NULL}},
    {"NOOP with words", {"250 2.0.0", NULL, NULL, NULL, NULL, NULL}},
    {"VRFY bob", {"252 2.5.0", NULL, NULL, NULL, NULL, NULL}},
    {"EXPN friends", {"502 5.5.1", NULL, NULL, NULL, NULL, NULL}},
    {"ETRN x.test", {"503 5.5.1", "502 5.5.1", "503 5.5.1", NULL, NULL, NULL}},
    {"HELP", {"214 2.0.0", NULL, NULL, NULL, NULL, NULL}},
    {"QUIT", {"221 2.0.0", NULL, NULL, NULL, NULL, NULL}},
    {"HELO c.test", {"250 mx.test", NULL, NULL, NULL, NULL, NULL}},
    {"LHLO c.test", {"500 5.5.1", NULL, NULL, NULL, NULL, NULL}},
    {"STARTTLS", {"503 5.5.1", "220 2.0.0", NULL, NULL, NULL, NULL}},
    {"AUTH PLAIN AGJvYgBzZWNyZXQ=", {"503 5.5.1", "235 2.7.0", "503 5.5.1", NULL, NULL, NULL}},
    {"GET / HTTP/1.1", {"421 4.7.0", NULL, NULL, NULL, NULL, NULL}},
    {"TURN", {"500 5.5.2", NULL, NULL, NULL, NULL, NULL}},
    {"", {"500 5.5.2", NULL, NULL, NULL, NULL, NULL}},
    {"MAIL", {"503 5.5.1", "501 5.5.4", "503 5.5.1", NULL, NULL, NULL}},
    {"RCPT", {"503 5.5.1", NULL, "501 5.5.4", NULL, NULL, "503 5.5.1"}},
    {"DATA now", {"503 5.5.1", NULL, NULL, "554 5.5.1", "501 5.5.4", "503 5.5.1"}},
    {"BDAT", {"503 5.5.1", NULL, NULL, "554 5.5.1", "501 5.5.4", NULL}},
    {"BDAT 5x", {"501 5.5.4", NULL, NULL, NULL, NULL, NULL}},
    {"RSET now", {"501 5.5.4", NULL, NULL, NULL, NULL, NULL}},
    {"QUIT now", {"501 5.5.4", NULL, NULL, NULL, NULL, NULL}},
    {"EHLO", {"501 5.5.4", NULL, NULL, NULL, NULL, NULL}},
    {"VRFY", {"501 5.5.4", NULL, NULL, NULL, NULL, NULL}},
    {"STARTTLS now", {"503 5.5.1", "501 5.5.4", NULL, NULL, NULL, NULL}},
    {"AUTH", {"503 5.5.1", "501 5.5.4", "503 5.5.1", NULL, NULL, NULL}},
    {"AUTH TELEPATHY", {"503 5.5.1", "504 5.5.4", "503 5.5.1", NULL, NULL, NULL}},
};

static void answers_every_command_in_every_state(void **state)
{
    (void)state;
    int wrong = 0;
    if (getenv("TRANSCRIPT")) skip();
    for (size_t c = 0; c < sizeof table / sizeof *table; c++) {
        const char *reply = NULL;
        for (size_t to = 0; to < STATES; to++) {
            struct buf text = BUF(10000);
            char name[100];
            if (table[c].reply[to]) reply = table[c].reply[to];
            buf_printf(&text, "# RFC 5321 §4.1.4\n@ whole\n@ kind submission\n@ plaintext\n@ trusted\nS: 220 *\n");
            for (size_t s = 0; s <= to; s++)
                if (!(s == 3 && to != 3)) buf_add(&text, str_c(states[s].lines));
            buf_printf(&text, "C: %s\nS: %s%s\n", table[c].command, reply,
                       strchr(reply, '*') || reply[4] == 'm' ? "" : " *");
            buf_char(&text, 0);
            snprintf(name, sizeof name, "\"%s\" when %s", table[c].command, states[to].name);
            wrong += !transcript_play_text(name, text.p, &the_transcript_rig);
            buf_free(&text);
        }
    }
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plays_transcripts),
        cmocka_unit_test(answers_every_command_in_every_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
