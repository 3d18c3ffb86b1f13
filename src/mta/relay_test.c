/* The relay before mail hosts of every kind, in the simulated world: those that die at each step, that are busy, that
 * grey-list, that speak nonsense, that fail at TLS, that are slow. Every trip runs twice. */
#include "mail/limits.h"
#include "mta/relay_rig_test.h"

#define HI "220 mx\n"
#define EHLO_BARE HI "250 mx\n"
#define EHLO(...) HI "250-mx|" __VA_ARGS__ "250 ENHANCEDSTATUSCODES\n"
#define EHLO_PIPE EHLO("250-PIPELINING|250-8BITMIME|")
#define TAKES "250 2.1.0 ok\n250 2.1.5 ok\n354 go\n250 2.0.0 kept\n"
#define BYE "221 bye"
#define OFFERS_TLS EHLO("250-STARTTLS|")
#define TLS_OK "TLSv1.3 TLS_AES_256_GCM_SHA384 unverified\n"
#define ONE {.from = "a@s.example", .to = "b@d.example"}
#define SAYS_ONE "MAIL FROM:<a@s.example>|RCPT TO:<b@d.example>|DATA|Subject: x//hi/./"
#define KEPT "b@d.example delivered 250 2.0.0 kept\n"
#define MX1 "  mx1.d.example 192.0.2.1\n"
#define MX2 "  mx2.d.example 192.0.2.2\n  before: mx1.d.example 192.0.2.1 *\n"

static void run(const struct trip *trips, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct trip t = trips[i];
        if (!t.outcomes) t.outcomes = "";
        for (uint64_t seed = 1; seed <= 2; seed++) sim_twice(seed, trip_in, &t);
    }
}
#define RUN(table) run((table), sizeof(table) / sizeof *(table))

/* ---- it works ---- */

static void carries_letters(void **state)
{
    (void)state;
    static const struct trip table[] = {
        {.name = "one letter, in lock step", .hosts = {{{EHLO_BARE TAKES BYE}}}, .parcels = {ONE},
         .outcomes = KEPT MX1, .said = "mx1: EHLO us.example|" SAYS_ONE "QUIT|"},
        {.name = "to a server of 1982", .hosts = {{{HI "500 what?\n250 mx\n250 ok\n250 ok\n354 go\n250 kept\n" BYE}}},
         .parcels = {ONE}, .outcomes = "b@d.example delivered 250 0.0.0 kept\n" MX1,
         .said = "mx1: EHLO us.example|HELO us.example|" SAYS_ONE "QUIT|"},
        {.name = "pipelined", .hosts = {{{EHLO_PIPE TAKES BYE}}}, .parcels = {ONE}, .outcomes = KEPT MX1},
        {.name = "in a chunk",
         .hosts = {{{EHLO("250-CHUNKING|250-PIPELINING|") "250 2.1.0 ok\n250 2.1.5 ok\n250 2.0.0 kept\n" BYE}}},
         .parcels = {ONE},
         .outcomes = KEPT MX1,
         .said = "*BDAT 18 LAST|(18 bytes)|QUIT|"},
        {.name = "three over one connection, the next begun with the last one's end",
         .hosts = {{{EHLO_PIPE TAKES TAKES TAKES BYE}}},
         .parcels = {ONE, {.from = "c@s.example", .to = "b@d.example"}, {.from = "", .to = "b@d.example"}},
         .outcomes = KEPT MX1 KEPT MX1 KEPT MX1,
         .said = "mx1: EHLO us.example|" SAYS_ONE "MAIL FROM:<c@s.example>|*MAIL FROM:<>|*QUIT|"},
        {.name = "three over one connection, in lock step", .hosts = {{{EHLO_BARE TAKES TAKES TAKES BYE}}},
         .parcels = {ONE, ONE, ONE}, .outcomes = KEPT MX1 KEPT MX1 KEPT MX1,
         .said = "mx1: EHLO us.example|" SAYS_ONE SAYS_ONE SAYS_ONE "QUIT|"},
        {.name = "a connection waits a moment for the next letter", .hosts = {{{EHLO_PIPE TAKES TAKES BYE}}},
         .parcels = {ONE, {.from = "a@s.example", .to = "b@d.example", .after = 1}},
         .outcomes = KEPT MX1 KEPT MX1,
         .said = "mx1: EHLO us.example|" SAYS_ONE SAYS_ONE "QUIT|",
         .least = 1,
         .most = 2},
        {.name = "but not longer",
         .hosts = {{{EHLO_PIPE TAKES BYE}}},
         .parcels = {ONE, {.from = "a@s.example", .to = "b@d.example", .after = 3}},
         .outcomes = KEPT MX1,
         .said = "mx1: EHLO us.example|" SAYS_ONE "QUIT|",
         .least = 2,
         .most = 3},
        {.name = "nothing to carry", .outcomes = "", .said = ""},
        {.name = "to an address", .hop = "[192.0.2.1]", .hosts = {{{EHLO_BARE TAKES BYE}}}, .parcels = {ONE},
         .outcomes = KEPT "  [192.0.2.1] 192.0.2.1\n"},
        {.name = "a smarthost", .hop = "smtp://mx2.d.example:25", .hosts = {{{0}}, {{EHLO_BARE TAKES BYE}}},
         .parcels = {ONE}, .outcomes = KEPT "  mx2.d.example 192.0.2.2\n"},
        {.name = "from the store, in pieces", .hosts = {{{EHLO_PIPE TAKES BYE}}},
         .parcels = {{.from = "a@s.example", .to = "b@d.example", .stored = true,
                      .letter = "Subject: long\r\n\r\n.dots\r\n..\r\nand more than a piece\r\n"}},
         .outcomes = KEPT MX1, .said = "*DATA|Subject: long//..dots/.../and more than a piece/./QUIT|"},
        {.name = "DSN is passed on", .hosts = {{{EHLO("250-DSN|") TAKES BYE}}},
         .parcels = {{.from = "a@s.example", .to = "b@d.example", .notify = DSN_NOTIFY_SUCCESS}},
         .outcomes = "b@d.example delivered dsn 250 2.0.0 kept\n" MX1,
         .said = "*RCPT TO:<b@d.example> NOTIFY=SUCCESS|*"},
        {.name = "LMTP: a reply for each",
         .hop = "lmtp://mx1.d.example:25",
         .hosts = {{{EHLO_PIPE "250 2.1.0 ok\n250 2.1.5 ok\n550 5.1.1 who?\n250 2.1.5 ok\n354 go\n"
                     "250 2.0.0 kept|452 4.2.2 full\n" BYE}}},
         .parcels = {{.from = "a@s.example", .to = "b@d.example,c@d.example,d@d.example"}},
         .outcomes = KEPT "c@d.example failed 550 5.1.1 who?\nd@d.example deferred 452 4.2.2 full\n" MX1,
         .said = "mx1: LHLO us.example|*"},
    };
    RUN(table);
}

/* ---- hosts that do not serve ---- */

static void tries_the_next_host(void **state)
{
    (void)state;
    static const struct trip table[] = {
        {.name = "nobody listens", .hosts = {{{0}}, {{EHLO_BARE TAKES BYE}}}, .parcels = {ONE}, .outcomes = KEPT MX2},
        {.name = "nobody listens anywhere",
         .hop = "two.example",
         .parcels = {ONE},
         .outcomes =
             "b@d.example deferred (0 4.4.1 mx1.d.example [192.0.2.1]:25: cannot connect: *refused; mx2.d.example "
             "[192.0.2.2]:25: cannot connect: *refused)\n  \n"
             "  before: mx1.d.example 192.0.2.1 *\n  before: mx2.d.example 192.0.2.2 *\n",
         .end = ERRAND_NOWHERE},
        {.name = "unfriendly banner", .hosts = {{{"554 5.7.1 not you"}}, {{EHLO_BARE TAKES BYE}}}, .parcels = {ONE},
         .outcomes = KEPT MX2},
        {.name = "unfriendly everywhere: the words are the server's",
         .hop = "two.example",
         .hosts = {{{"554 5.7.1 not you\n" BYE}}},
         .parcels = {ONE},
         .outcomes = "b@d.example deferred 554 5.7.1 not you\n" MX1
                     "  before: mx2.d.example 192.0.2.2 (0 cannot connect: *refused)\n",
         .end = ERRAND_NOWHERE},
        {.name = "521: no mail here, ever (RFC 7504)",
         .hop = "one.example",
         .hosts = {{{"521 no mail here"}}},
         .parcels = {ONE},
         .outcomes = "b@d.example failed 521 0.0.0 no mail here\n" MX1,
         .end = ERRAND_NOWHERE},
        {.name = "521, and another host that is only down",
         .hop = "two.example",
         .hosts = {{{"521 no mail here"}}},
         .parcels = {ONE},
         .outcomes = "b@d.example deferred 521 0.0.0 no mail here\n" MX1
         "  before: mx2.d.example 192.0.2.2 *\n",
         .end = ERRAND_NOWHERE},
        {.name = "521, and another host that DNS does not tell",
         .hop = "halfdead.example",
         .hosts = {{{"521 no mail here"}}},
         .parcels = {ONE},
         .outcomes = "b@d.example deferred 521 0.0.0 no mail here\n" MX1,
         .end = ERRAND_NOWHERE},
        {.name = "521 of the owner's smarthost: his to mend",
         .hop = "smtp://mx1.d.example:25",
         .hosts = {{{"521 no mail here"}}},
         .parcels = {ONE},
         .outcomes = "b@d.example deferred 521 0.0.0 no mail here\n" MX1,
         .end = ERRAND_NOWHERE},
        {.name = "busy",
         .hop = "one.example",
         .hosts = {{{"421 4.7.0 too many connections"}}},
         .parcels = {ONE},
         .outcomes = "b@d.example deferred 421 4.7.0 too many connections\n" MX1,
         .end = ERRAND_BUSY},
        {.name = "busy, and others are served: it waits for them",
         .hop = "one.example",
         .company = true,
         .hosts = {{{"421 4.7.0 too many connections"}}},
         .parcels = {ONE},
         .outcomes = "b@d.example untried\n" MX1,
         .end = ERRAND_BUSY},
        {.name = "others are served, and this one cannot connect",
         .hop = "one.example",
         .company = true,
         .parcels = {ONE},
         .outcomes = "b@d.example deferred (0 4.4.1 cannot connect: *)\n  mx1.d.example\n",
         .end = ERRAND_NOWHERE},
        {.name = "busy, but there is another",
         .hosts = {{{"421 4.7.0 busy"}}, {{EHLO_BARE TAKES BYE}}},
         .parcels = {ONE},
         .outcomes = KEPT MX2},
        {.name = "hangs up at once", .hosts = {{{"hang up"}}, {{EHLO_BARE TAKES BYE}}}, .parcels = {ONE},
         .outcomes = KEPT MX2},
        {.name = "hangs up at EHLO", .hosts = {{{HI "hang up"}}, {{EHLO_BARE TAKES BYE}}}, .parcels = {ONE},
         .outcomes = KEPT MX2},
        {.name = "takes neither EHLO nor HELO", .hosts = {{{HI "500 what?\n550 no\n" BYE}}, {{EHLO_BARE TAKES BYE}}},
         .parcels = {ONE}, .outcomes = KEPT MX2, .said = "mx1: EHLO us.example|HELO us.example|QUIT|\nmx2: *"},
        {.name = "hangs up at MAIL", .hosts = {{{EHLO_BARE "hang up"}}, {{EHLO_PIPE TAKES BYE}}}, .parcels = {ONE},
         .outcomes = KEPT MX2},
        {.name = "hangs up at MAIL, pipelined",
         .hosts = {{{EHLO_PIPE "hang up"}}, {{EHLO_PIPE TAKES BYE}}},
         .parcels = {ONE},
         .outcomes = KEPT MX2},
        {.name = "all hang up at MAIL",
         .hop = "two.example",
         .hosts = {{{EHLO_BARE "hang up"}}, {{EHLO_BARE "hang up"}}},
         .parcels = {ONE},
         .outcomes = "b@d.example deferred (0 4.4.2 the connection broke: *)\n" MX2,
         .end = ERRAND_BUSY},
        {.name = "silent from the beginning", .hosts = {{{"silent"}}, {{EHLO_BARE TAKES BYE}}}, .parcels = {ONE},
         .outcomes = KEPT MX2, .least = 300, .most = 310},
        {.name = "silent at MAIL", .hosts = {{{EHLO_BARE "silent"}}, {{EHLO_BARE TAKES BYE}}}, .parcels = {ONE},
         .outcomes = KEPT MX2, .least = 300, .most = 320},
        {.name = "slow, but in time",
         .hosts =
             {{{"late 290 220 mx\nlate 290 250 mx\nlate 290 250 ok\nlate 290 250 ok\n354 go\n"
                "late 590 250 2.0.0 kept\n" BYE}}},
         .parcels = {ONE},
         .outcomes = KEPT MX1,
         .least = 1750,
         .most = 1760},
        {.name = "no SMTP",
         .hosts = {{{"HTTP/1.1 400 Bad Request\n"}}, {{EHLO_BARE TAKES BYE}}},
         .parcels = {ONE},
         .outcomes = KEPT MX2},
        {.name = "speaks before it is asked", .hosts = {{{"220 mx|250 mx\n250 ok"}}, {{EHLO_BARE TAKES BYE}}},
         .parcels = {ONE}, .outcomes = KEPT MX2},
        {.name = "null MX", .hop = "null.example", .parcels = {ONE},
         .outcomes = "b@d.example failed (556 5.1.10 the domain null.example takes no mail (null MX))\n  \n",
         .end = ERRAND_NOWHERE},
        {.name = "DNS is down", .hop = "dead.example", .parcels = {ONE},
         .outcomes = "b@d.example deferred (451 4.4.3 no answer *)\n  \n", .end = ERRAND_NOWHERE},
        {.name = "a host at loopback", .hop = "here.example", .parcels = {ONE},
         .outcomes = "b@d.example failed (550 5.4.4 *)\n  \n", .end = ERRAND_NOWHERE},
    };
    RUN(table);
}

/* ---- what replies mean ---- */

#define THREE {.from = "a@s.example", .to = "b@d.example,c@d.example,d@d.example"}

static void settles_by_replies(void **state)
{
    (void)state;
    static const struct trip table[] = {
        {.name = "each recipient has its own", .hosts = {{{EHLO_PIPE "250 2.1.0 ok\n550 5.1.1 who?\n450 4.7.1 grey, "
                                                           "come again\n250 2.1.5 ok\n354 go\n250 2.0.0 kept\n" BYE}}},
         .parcels = {THREE},
         .outcomes = "b@d.example failed 550 5.1.1 who?\nc@d.example deferred 450 4.7.1 grey, come again\n"
                     "d@d.example delivered 250 2.0.0 kept\n" MX1},
        {.name = "5yz to MAIL is for all", .hosts = {{{EHLO_BARE "550 5.7.1 not from you\n" BYE}}}, .parcels = {THREE},
         .outcomes = "b@d.example failed 550 5.7.1 not from you\nc@d.example failed 550 5.7.1 not from you\n"
                     "d@d.example failed 550 5.7.1 not from you\n" MX1},
        {.name = "and the next letter goes on",
         .hosts = {{{EHLO_BARE "550 5.7.1 not from you\n" TAKES BYE}}}, .parcels = {ONE, ONE},
         .outcomes = "b@d.example failed 550 5.7.1 not from you\n" MX1 KEPT MX1},
        {.name = "4yz to MAIL",
         .hosts = {{{EHLO_PIPE "451 4.3.0 later\n503 5.5.1 MAIL first\n503 5.5.1 no\n" TAKES BYE}}},
         .parcels = {ONE, ONE},
         .outcomes = "b@d.example deferred 451 4.3.0 later\n" MX1 KEPT MX1},
        {.name = "5yz to DATA is for all who were taken",
         .hosts = {{{EHLO_BARE "250 2.1.0 ok\n250 2.1.5 ok\n450 4.2.1 later\n250 2.1.5 ok\n554 5.7.1 no\n" BYE}}},
         .parcels = {THREE},
         .outcomes = "b@d.example failed 554 5.7.1 no\nc@d.example deferred 450 4.2.1 later\n"
                     "d@d.example failed 554 5.7.1 no\n" MX1},
        {.name = "5yz to the letter",
         .hosts = {{{EHLO_PIPE "250 ok\n250 ok\n354 go\n550 5.7.1 spam\n" TAKES BYE}}},
         .parcels = {ONE, ONE},
         .outcomes = "b@d.example failed 550 5.7.1 spam\n" MX1 KEPT MX1},
        {.name = "4yz to the letter",
         .hosts = {{{EHLO_PIPE "250 ok\n250 ok\n354 go\n451-4.3.0 out of|451 4.3.0 ink\n" BYE}}},
         .parcels = {ONE},
         .outcomes = "b@d.example deferred 451 4.3.0 out of*ink\n" MX1},
        {.name = "too many: the rest at once",
         .hosts = {{{EHLO_PIPE "250 2.1.0 ok\n250 2.1.5 ok\n452 4.5.3 too many\n452 4.5.3 too many\n354 go\n"
                               "250 2.0.0 kept\n" TAKES TAKES BYE}}},
         .parcels = {THREE},
         .outcomes = KEPT "c@d.example delivered 250 2.0.0 kept\nd@d.example delivered 250 2.0.0 kept\n" MX1,
         .said = "mx1: EHLO us.example|MAIL*MAIL FROM:<a@s.example>|RCPT TO:<c@d.example>|DATA*MAIL "
                 "FROM:<a@s.example>|RCPT TO:<d@d.example>|DATA*QUIT|"},
        {.name = "too many, with another letter begun meanwhile",
         .hosts = {{{EHLO_PIPE "250 2.1.0 ok\n250 2.1.5 ok\n552 too many\n354 go\n250 2.0.0 kept\n" TAKES TAKES BYE}}},
         .parcels = {{.from = "a@s.example", .to = "b@d.example,c@d.example"},
                     {.from = "z@s.example", .to = "z@d.example"}},
         .outcomes = "z@d.example delivered 250 2.0.0 kept\n" MX1 KEPT "c@d.example delivered 250 2.0.0 kept\n" MX1},
        {.name = "552 with a status is what it says",
         .hosts = {{{EHLO_PIPE "250 2.1.0 ok\n250 2.1.5 ok\n552 5.2.2 full\n250 ok\n354 go\n250 2.0.0 kept\n" BYE}}},
         .parcels = {THREE},
         .outcomes = KEPT "c@d.example failed 552 5.2.2 full\nd@d.example delivered 250 2.0.0 kept\n" MX1},
        {.name = "too many of none is only temporary",
         .hosts = {{{EHLO_BARE "250 2.1.0 ok\n452 4.5.3 too many\n" BYE}}},
         .parcels = {ONE},
         .outcomes = "b@d.example deferred 452 4.5.3 too many\n" MX1},
        {.name = "RCPTMAX (RFC 9422)",
         .hosts = {{{EHLO(
             "250-PIPELINING|250-LIMITS RCPTMAX=2|") "250 ok\n250 ok\n250 ok\n354 go\n250 2.0.0 kept\n" TAKES BYE}}},
         .parcels = {THREE},
         .outcomes = KEPT "c@d.example delivered 250 2.0.0 kept\nd@d.example delivered 250 2.0.0 kept\n" MX1},
        {.name = "MAILMAX (RFC 9422): the second is not taken",
         .hosts = {{{EHLO("250-PIPELINING|250-LIMITS MAILMAX=1|") TAKES BYE}}}, .parcels = {ONE, ONE},
         .outcomes = KEPT MX1, .said = "mx1: EHLO us.example|" SAYS_ONE "QUIT|"},
        {.name = "too large for the server", .hosts = {{{EHLO("250-SIZE 10|") TAKES BYE}}},
         .parcels = {ONE, {.from = "a@s.example", .to = "b@d.example", .letter = "A: b\r\n\r\n"}},
         .outcomes =
             "b@d.example failed (552 5.3.4 the letter has 18 bytes, the server takes 10 at most)\n" MX1 KEPT MX1},
        {.name = "log in first, says a server of the world",
         .hosts = {{{EHLO_BARE "530 5.7.0 log in first\n" BYE}}},
         .parcels = {ONE},
         .outcomes = "b@d.example failed 530 5.7.0 log in first\n" MX1},
        {.name = "log in first, says the owner's",
         .hop = "smtp://mx1.d.example:25",
         .hosts = {{{EHLO_BARE "530 5.7.0 log in first\n" BYE}}},
         .parcels = {ONE},
         .outcomes = "b@d.example deferred 530 5.7.0 log in first\n" MX1},
        {.name = "an address that cannot be said",
         .hosts = {{{EHLO_BARE "250 2.1.0 ok\n250 2.1.5 ok\n354 go\n250 2.0.0 kept\n" BYE}}},
         .parcels = {{.from = "a@s.example", .to = "b\x01@d.example,b@d.example"}},
         .outcomes = "*@d.example failed (553 5.1.3 *)\n" KEPT MX1},
        {.name = "nonsense to RCPT",
         .hosts = {{{EHLO_BARE "250 ok\n354 go\n" BYE}}},
         .parcels = {ONE},
         .outcomes =
             "b@d.example deferred (0 4.5.0 the connection ended at RCPT: the server answers 354 to RCPT)\n" MX1,
         .end = ERRAND_BUSY},
    };
    RUN(table);
}

static void splits_large_parcels(void **state)
{
    (void)state;
    struct buf script = BUF(1 << 20), outcomes = BUF(1 << 20);
    buf_lit(&script, EHLO_PIPE);
    for (int i = 0; i < 250; i++) {
        if (i % LIMIT_RELAY_TRANSACTION == 0) buf_lit(&script, "250 ok\n");
        buf_lit(&script, "250 ok\n");
        if (i % LIMIT_RELAY_TRANSACTION == LIMIT_RELAY_TRANSACTION - 1 || i == 249)
            buf_printf(&script, "354 go\n250 2.0.0 kept\n");
        buf_printf(&outcomes, "r%d@d.example delivered 250 2.0.0 kept\n", i);
    }
    buf_lit(&script, BYE);
    buf_lit(&outcomes, MX1);
    buf_char(&script, 0);
    buf_char(&outcomes, 0);
    const struct trip t = {.name = "250 recipients", .hosts = {{{script.p}}},
                           .parcels = {{.from = "a@s.example", .many = 250}}, .outcomes = outcomes.p};
    run(&t, 1);
    buf_free(&script);
    buf_free(&outcomes);
}

/* ---- connections that end ---- */

static void survives_broken_connections(void **state)
{
    (void)state;
    static const struct trip table[] = {
        {.name = "at RCPT",
         .hosts = {{{EHLO_BARE "250 ok\nhang up"}}, {{EHLO_BARE TAKES BYE}}},
         .parcels = {THREE},
         .outcomes =
             "b@d.example deferred (0 4.4.2 the connection ended at RCPT: *)\nc@d.example deferred (0 4.4.2 *)\n"
             "d@d.example deferred (0 4.4.2 *)\n" MX1,
         .end = ERRAND_BUSY},
        {.name = "at the second RCPT", .hosts = {{{EHLO_PIPE "250 ok\n550 5.1.1 who?\nhang up"}}}, .parcels = {THREE},
         .outcomes = "b@d.example failed 550 5.1.1 who?\nc@d.example deferred (0 4.4.2 *)\n"
                     "d@d.example deferred (0 4.4.2 *)\n" MX1,
         .end = ERRAND_BUSY},
        {.name = "at DATA", .hosts = {{{EHLO_BARE "250 ok\n250 ok\nhang up"}}}, .parcels = {ONE},
         .outcomes = "b@d.example deferred (0 4.4.2 the connection ended before all of the letter was sent: *)\n" MX1,
         .end = ERRAND_BUSY},
        {.name = "after the dot: it may arrive twice", .hosts = {{{EHLO_BARE "250 ok\n250 ok\n354 go\nhang up"}}},
         .parcels = {ONE},
         .outcomes =
             "b@d.example deferred (0 4.4.2 all of the letter was sent, but no answer came (*): it may arrive "
             "twice)\n" MX1,
         .end = ERRAND_BUSY},
        {.name = "after the dot, with another begun: that one is untouched",
         .hosts = {{{EHLO_PIPE "250 ok\n250 ok\n354 go\nhang up"}}},
         .parcels = {ONE, {.from = "z@s.example", .to = "z@d.example"}},
         .outcomes = "b@d.example deferred (0 4.4.2 all of the letter *)\n" MX1 "z@d.example untried\n" MX1,
         .end = ERRAND_BUSY},
        {.name = "silent after the dot",
         .hosts = {{{EHLO_BARE "250 ok\n250 ok\n354 go\nsilent"}}},
         .parcels = {ONE},
         .outcomes =
             "b@d.example deferred (0 4.4.2 all of the letter was sent, but no answer came (*timed out): it may "
             "arrive twice)\n" MX1,
         .end = ERRAND_BUSY,
         .least = 600,
         .most = 620},
        {.name = "LMTP: between two results",
         .hop = "lmtp://mx1.d.example:25",
         .hosts = {{{EHLO_PIPE "250 ok\n250 ok\n250 ok\n250 ok\n354 go\n250 2.0.0 kept\nhang up"}}},
         .parcels = {THREE},
         .outcomes = KEPT "c@d.example deferred (0 4.4.2 all of the letter *)\nd@d.example deferred (0 4.4.2 *)\n" MX1,
         .end = ERRAND_BUSY},
        {.name = "421 to MAIL", .hosts = {{{EHLO_BARE "421 4.3.2 going down"}}, {{EHLO_BARE TAKES BYE}}},
         .parcels = {ONE}, .outcomes = "b@d.example deferred 421 4.3.2 going down\n" MX1, .end = ERRAND_BUSY},
        {.name = "421 to RCPT", .hosts = {{{EHLO_PIPE "250 ok\n550 5.1.1 who?\n421 4.3.2 going down"}}},
         .parcels = {THREE},
         .outcomes = "b@d.example failed 550 5.1.1 who?\nc@d.example deferred 421 4.3.2 going down\n"
                     "d@d.example deferred 421 4.3.2 going down\n" MX1,
         .end = ERRAND_BUSY},
        {.name = "421 to the letter, with another begun",
         .hosts = {{{EHLO_PIPE "250 ok\n250 ok\n354 go\n421 4.3.2 going down"}}},
         .parcels = {ONE, {.from = "z@s.example", .to = "z@d.example"}},
         .outcomes = "b@d.example deferred 421 4.3.2 going down\n" MX1 "z@d.example untried\n" MX1, .end = ERRAND_BUSY},
        {.name = "the server ends a connection that has served: nothing is counted",
         .hosts = {{{EHLO_BARE TAKES "421 4.7.0 enough"}}}, .parcels = {ONE, ONE},
         .outcomes = KEPT MX1 "b@d.example untried\n" MX1},
        {.name = "it hangs up while the connection waits", .hosts = {{{EHLO_BARE TAKES "hang up"}}},
         .parcels = {ONE, {.from = "a@s.example", .to = "b@d.example", .after = 1}},
         .outcomes = KEPT MX1 "b@d.example untried\n" MX1},
        {.name = "the rest of a large parcel waits again",
         .hosts = {{{EHLO("250-LIMITS RCPTMAX=1|") TAKES "hang up"}}}, .parcels = {THREE},
         .outcomes = KEPT "c@d.example untried\nd@d.example untried\n" MX1},
        {.name = "a damaged letter harms no other's reputation", .hosts = {{{EHLO_PIPE TAKES BYE}}},
         .parcels = {{.from = "a@s.example", .to = "b@d.example", .stored = true, .damaged_at = 10}, ONE},
         .outcomes = "b@d.example damaged (0 0.0.0 *the record is damaged)\n" MX1},
        {.name = "we stop, silent server at RCPT",
         .hosts = {{{EHLO_BARE "250 ok\nsilent"}}},
         .parcels = {ONE},
         .cancel_after = 10,
         .outcomes = "b@d.example untried\n" MX1,
         .least = 10,
         .most = 16},
        {.name = "we stop, after the dot",
         .hosts = {{{EHLO_BARE "250 ok\n250 ok\n354 go\nsilent"}}},
         .parcels = {ONE},
         .cancel_after = 10,
         .outcomes = "b@d.example deferred (0 4.4.2 all of the letter *twice)\n" MX1,
         .least = 10,
         .most = 16},
        {.name = "we stop while DNS is silent",
         .hop = "slow.example",
         .parcels = {ONE},
         .cancel_after = 5,
         .outcomes = "b@d.example untried\n*",
         .end = ERRAND_NOWHERE,
         .least = 5,
         .most = 6},
        {.name = "we stop before anybody has answered",
         .hosts = {{{"silent"}}},
         .parcels = {ONE},
         .cancel_after = 10,
         .outcomes = "b@d.example untried\n*",
         .end = ERRAND_NOWHERE,
         .least = 10,
         .most = 16},
    };
    RUN(table);
}

/* Links that break anywhere: every parcel comes back, and nothing is said to be delivered or untouched that is not. */
static void survives_breaking_links(void **state)
{
    (void)state;
    static const struct trip table[] = {
        {.name = "pipelined",
         .hosts = {{{EHLO_PIPE TAKES TAKES TAKES BYE}}, {{EHLO_PIPE TAKES TAKES TAKES BYE}}},
         .faults = true,
         .parcels = {ONE, {.from = "a@s.example", .to = "b@d.example", .stored = true}, ONE}},
        {.name = "in lock step",
         .hosts = {{{EHLO_BARE TAKES TAKES TAKES BYE}}, {{EHLO_BARE TAKES TAKES TAKES BYE}}},
         .faults = true,
         .parcels = {ONE, ONE, {.from = "", .to = "b@d.example", .after = 1}}},
        {.name = "under TLS",
         .faults = true,
         .parcels = {ONE, ONE},
         .hosts = {{{OFFERS_TLS "220 go\nTLS\n250 mx\n" TAKES TAKES BYE, EHLO_BARE TAKES TAKES BYE}},
                   {{EHLO_BARE TAKES TAKES BYE}}}},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        for (uint64_t seed = 1; seed <= 150; seed++) {
            struct trip t = table[i];
            sim_twice(seed, trip_in, &t);
        }
}

/* Hosts that say whatever comes to their minds: every parcel comes back with an outcome for everybody, in time. */
static void survives_any_host(void **state)
{
    (void)state;
    static const struct trip t = {
        .name = "any host",
        .random = true,
        .hosts = {{{""}}, {{""}}},
        .parcels = {ONE,
                    THREE,
                    {.from = "a@s.example", .to = "b@d.example", .stored = true},
                    {.from = "", .to = "b@d.example"}},
    };
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct trip copy = t;
        sim_twice(seed, trip_in, &copy);
    }
}

/* ---- TLS and log-ins ---- */

static void secures_sessions(void **state)
{
    (void)state;
    static const struct trip table[] = {
        {.name = "offered, so it is used",
         .hosts = {{{OFFERS_TLS "220 go\nTLS\n250 mx\n" TAKES BYE}}},
         .parcels = {ONE},
         .outcomes = KEPT "  mx1.d.example 192.0.2.1, " TLS_OK,
         .said = "mx1: EHLO us.example|STARTTLS|EHLO us.example|" SAYS_ONE "QUIT|"},
        {.name = "fails after STARTTLS: once more in the clear",
         .hosts = {{{OFFERS_TLS "220 go\nhang up", OFFERS_TLS TAKES BYE}}},
         .parcels = {ONE},
         .outcomes = KEPT
         "  mx1.d.example 192.0.2.1, none: TLS failed (*)\n  before: mx1.d.example 192.0.2.1 (0 TLS failed: *)\n",
         .said = "mx1: EHLO us.example|STARTTLS|*\nmx1: EHLO us.example|" SAYS_ONE "QUIT|"},
        {.name = "fails, and the clear is refused: not the letter's fault",
         .hosts = {{{OFFERS_TLS "220 go\nhang up", OFFERS_TLS "530 5.7.0 STARTTLS first\n" BYE}}},
         .parcels = {ONE},
         .outcomes =
             "b@d.example deferred 530 5.7.0 STARTTLS first\n  mx1.d.example 192.0.2.1, none: TLS failed (*)\n"
             "  before: mx1.d.example 192.0.2.1 (0 TLS failed: *)\n"},
        {.name = "fails, and nobody listens any more",
         .hosts = {{{OFFERS_TLS "220 go\nhang up", "hang up"}}, {{EHLO_BARE TAKES BYE}}},
         .parcels = {ONE},
         .outcomes = KEPT MX2},
        {.name = "refused",
         .hosts = {{{OFFERS_TLS "454 4.7.0 not now\n" TAKES BYE}}},
         .parcels = {ONE},
         .outcomes = KEPT MX1},
        {.name = "never",
         .tls = TLS_POLICY_NONE,
         .hosts = {{{OFFERS_TLS TAKES BYE}}},
         .parcels = {ONE},
         .outcomes = KEPT MX1,
         .said = "mx1: EHLO us.example|" SAYS_ONE "QUIT|"},
        {.name = "must be, and is",
         .tls = TLS_POLICY_ENCRYPT,
         .hosts = {{{OFFERS_TLS "220 go\nTLS\n250 mx\n" TAKES BYE}}},
         .parcels = {ONE},
         .outcomes = KEPT "  mx1.d.example 192.0.2.1, " TLS_OK},
        {.name = "must be, and is not offered",
         .tls = TLS_POLICY_ENCRYPT,
         .hop = "two.example",
         .hosts = {{{EHLO_BARE BYE}}, {{EHLO_BARE BYE}}},
         .parcels = {ONE},
         .outcomes = "b@d.example deferred (0 4.7.4 TLS must be used with this host, but it does not offer it)\n" MX2,
         .said = "mx1: EHLO us.example|QUIT|\nmx2: EHLO us.example|QUIT|", .end = ERRAND_NOWHERE},
        {.name = "must be, and fails: no word in the clear", .tls = TLS_POLICY_ENCRYPT, .hop = "one.example",
         .hosts = {{{OFFERS_TLS "220 go\nhang up", OFFERS_TLS TAKES BYE}}}, .parcels = {ONE},
         .outcomes = "b@d.example deferred (0 4.7.5 TLS failed: *)\n" MX1,
         .end = ERRAND_NOWHERE},
        {.name = "must be, and is refused", .tls = TLS_POLICY_VERIFY, .hop = "one.example", .named_tls = true,
         .hosts = {{{OFFERS_TLS "454 4.7.0 not now\n" BYE}}}, .parcels = {ONE},
         .outcomes = "b@d.example deferred 454 4.7.0 not now\n" MX1, .end = ERRAND_NOWHERE},
        {.name = "must be verified", .tls = TLS_POLICY_VERIFY, .named_tls = true,
         .hosts = {{{OFFERS_TLS "220 go\nTLS\n250 mx\n" TAKES BYE}}}, .parcels = {ONE},
         .outcomes = KEPT "  mx1.d.example 192.0.2.1, TLSv1.3 *\n"},
        {.name = "from the first byte",
         .hop = "smtps://mx1.d.example:25",
         .hosts = {{{"TLS\n" EHLO_BARE TAKES BYE}}},
         .parcels = {ONE},
         .outcomes = KEPT "  mx1.d.example 192.0.2.1, " TLS_OK},
        {.name = "a log-in under TLS",
         .hop = "smtp://mx1.d.example:25",
         .user = "us",
         .hosts = {{{OFFERS_TLS "220 go\nTLS\n250-mx|250 AUTH PLAIN\n235 2.7.0 in\n250 mx\n" TAKES BYE}}},
         .parcels = {ONE},
         .outcomes = KEPT "  mx1.d.example 192.0.2.1, " TLS_OK,
         .said = "*AUTH PLAIN AHVzAHBlbmNpbA==|*QUIT|"},
        {.name = "never bare in the clear",
         .hop = "smtp://mx1.d.example:25",
         .user = "us",
         .hosts = {{{EHLO("250-AUTH PLAIN LOGIN|") BYE}}},
         .parcels = {ONE},
         .outcomes = "b@d.example deferred (0 4.7.8 no log-in: *)\n" MX1,
         .said = "mx1: EHLO us.example|QUIT|", .end = ERRAND_NOWHERE},
        {.name = "a wrong password is the owner's to mend", .hop = "smtp://mx1.d.example:25", .user = "us",
         .hosts = {{{OFFERS_TLS "220 go\nTLS\n250-mx|250 AUTH PLAIN\n535 5.7.8 wrong\n" BYE}}}, .parcels = {ONE},
         .outcomes = "b@d.example deferred 535 5.7.8 wrong\n" MX1, .end = ERRAND_NOWHERE},
    };
    RUN(table);
}

/* ---- letters beyond ASCII ---- */

#define EIGHT "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n" \
    "Content-Transfer-Encoding: 8bit\r\n\r\nh\xC3\xBC\r\n"
#define SIGNED "Subject: x\r\nDKIM-Signature: v=1\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n" \
    "Content-Transfer-Encoding: 8bit\r\n\r\nh\xC3\xBC\r\n"
#define UTF8_PEER EHLO("250-8BITMIME|250-SMTPUTF8|")

static void fits_letters_to_servers(void **state)
{
    (void)state;
    static const struct trip table[] = {
        {.name = "8-bit to a server that knows it", .hosts = {{{EHLO_PIPE TAKES BYE}}},
         .parcels = {{.from = "a@s.example", .to = "b@d.example", .letter = EIGHT, .eightbit = true}},
         .outcomes = KEPT MX1, .said = "*MAIL FROM:<a@s.example> BODY=8BITMIME|*h\xC3\xBC/./QUIT|"},
        {.name = "8-bit to a 7-bit server", .hosts = {{{EHLO_BARE TAKES BYE}}},
         .parcels = {{.from = "a@s.example", .to = "b@d.example", .letter = EIGHT, .eightbit = true}},
         .outcomes = KEPT MX1, .said = "*MAIL FROM:<a@s.example>|*ncoding: base64//aMO8DQo=/./QUIT|"},
        {.name = "the same from the store", .hosts = {{{EHLO_BARE TAKES BYE}}},
         .parcels = {{.from = "a@s.example", .to = "b@d.example", .letter = EIGHT, .eightbit = true, .stored = true}},
         .outcomes = KEPT MX1, .said = "*//aMO8DQo=/./QUIT|"},
        {.name = "a signed one cannot be changed", .hosts = {{{EHLO_BARE TAKES BYE}}},
         .parcels = {{.from = "a@s.example", .to = "b@d.example", .letter = SIGNED, .eightbit = true}, ONE},
         .outcomes =
             "b@d.example failed (554 5.6.3 the server takes no 8-bit letters, and this one cannot *)\n" MX1 KEPT MX1},
        {.name = "SMTPUTF8",
         .hosts = {{{UTF8_PEER TAKES BYE}}},
         .parcels = {{.from = "a@s.example", .to = "b\xC3\xBC@d.example", .utf8 = true}},
         .outcomes = "b\xC3\xBC@d.example delivered 250 2.0.0 kept\n" MX1,
         .said = "*MAIL FROM:<a@s.example> BODY=8BITMIME SMTPUTF8|RCPT TO:<b\xC3\xBC@d.example>|*"},
        {.name = "domains have another form", .hosts = {{{EHLO_BARE TAKES BYE}}},
         .parcels = {{.from = "a@s\xC3\xBC.example", .to = "b@\xC3\xBC.example", .utf8 = true}},
         .outcomes = "b@\xC3\xBC.example delivered 250 2.0.0 kept\n" MX1,
         .said = "*MAIL FROM:<a@xn--s-eha.example>|RCPT TO:<b@xn--tda.example>|*"},
        {.name = "local parts have not", .hosts = {{{EHLO_BARE TAKES BYE}}},
         .parcels = {{.from = "a@s.example", .to = "\xC3\xBC@d.example,b@d.example", .utf8 = true}},
         .outcomes =
             "\xC3\xBC@d.example failed (553 5.6.7 the address needs SMTPUTF8, which the server does not know)\n" KEPT
                 MX1},
        {.name = "nor has the sender's",
         .hosts = {{{EHLO_BARE BYE}}},
         .parcels = {{.from = "\xC3\xBC@s.example", .to = "b@d.example", .utf8 = true}},
         .outcomes = "b@d.example failed (553 5.6.7 the sender's address needs SMTPUTF8, *)\n" MX1},
        {.name = "nor the header",
         .hosts = {{{EHLO_PIPE BYE}}},
         .parcels =
             {{.from = "a@s.example", .to = "b@d.example", .utf8 = true, .letter = "Subject: \xC3\xBC\r\n\r\nx\r\n"}},
         .outcomes = "b@d.example failed (553 5.6.7 the letter's header needs SMTPUTF8, *)\n" MX1},
        {.name = "read from the store while another is on its way", .hosts = {{{EHLO_PIPE TAKES BYE}}},
         .parcels = {{.from = "a@s.example", .to = "b@d.example", .stored = true},
                     {.from = "a@s.example", .to = "b@d.example", .utf8 = true, .stored = true,
                      .letter = "Subject: \xC3\xBC\r\n\r\nx\r\n"}},
         .outcomes = "b@d.example failed (553 5.6.7 *)\n" MX1 KEPT MX1, .said = "*Subject: x//hi/./QUIT|"},
    };
    RUN(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carries_letters),
        cmocka_unit_test(tries_the_next_host),
        cmocka_unit_test(settles_by_replies),
        cmocka_unit_test(splits_large_parcels),
        cmocka_unit_test(survives_broken_connections),
        cmocka_unit_test(survives_breaking_links),
        cmocka_unit_test(survives_any_host),
        cmocka_unit_test(secures_sessions),
        cmocka_unit_test(fits_letters_to_servers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
