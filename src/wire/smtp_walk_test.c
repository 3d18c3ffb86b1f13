/* The SMTP session against a model: random commands, right and wrong, in one stream of bytes cut anywhere. Each command
 * must have exactly the reply the model foresees, so nothing of a letter or a chunk is ever taken for a command, nor a
 * command lost. And what transcripts cannot say: the end of the server, slowness, kinds of session, large letters. */
#include "wire/smtp_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "io/sim.h"
#include "wire/smtp_rig_test.h"

static struct rig the_rig;

/* ---- the model ---- */

struct model {
    bool hello, tx, chunks, lmtp;
    int rcpt, refused, bytes;
};

static uint32_t next_random(uint32_t *seed, uint32_t below)
{
    *seed = *seed * 1664525 + 1013904223;
    return (*seed >> 10) % below;
}

static void model_reset(struct model *m)
{
    m->tx = m->chunks = false;
    m->rcpt = m->refused = m->bytes = 0;
}

/* The code that a command which is right but for its moment gets; 0: it is in its place. */
static int too_early(const struct model *m, bool needs_recipient)
{
    if (!m->hello || !m->tx) return 503;
    if (needs_recipient && m->rcpt == 0) return m->refused ? 554 : 503;
    return 0;
}

static void say_mail(struct buf *b, struct model *m, uint32_t *seed, struct buf *codes)
{
    bool large = next_random(seed, 10) == 0, wrong = next_random(seed, 10) == 0;
    buf_add(b, wrong   ? S("MAIL FROM:<a@\r\n")
               : large ? S("MAIL FROM:<a@x.test> SIZE=5000\r\n")
                       : S("MAIL FROM:<a@x.test>\r\n"));
    int code = !m->hello || m->tx ? 503 : wrong ? 501 : large ? 552 : 250;
    if (code == 250) m->tx = true;
    buf_printf(codes, "%d ", code);
}

static void say_rcpt(struct buf *b, struct model *m, uint32_t *seed, struct buf *codes)
{
    bool unknown = next_random(seed, 3) == 0;
    buf_add(b, unknown ? S("RCPT TO:<unknown@x.test>\r\n") : S("RCPT TO:<b@x.test>\r\n"));
    int code = too_early(m, false);
    if (!code && m->chunks) code = 503;
    if (!code) code = m->rcpt >= 5 ? 452 : unknown ? 550 : 250;
    if (code == 250) m->rcpt++;
    else if (code != 503) m->refused++;
    buf_printf(codes, "%d ", code);
}

static void put_results(struct model *m, int code, struct buf *codes)
{
    for (int i = 0; i < (m->lmtp ? m->rcpt : 1); i++) buf_printf(codes, "%d ", code);
    model_reset(m);
}

static const char *const letters[] = {"", "text\r\n", "QUIT\r\n", ".\r\n", "MAIL FROM:<evil@x.test>\r\n", "a\nb\r\n"};

static void say_data(struct buf *b, struct model *m, uint32_t *seed, struct buf *codes)
{
    int code = m->chunks ? 503 : too_early(m, true);
    const char *letter = letters[next_random(seed, 6)];
    buf_lit(b, "DATA\r\n");
    buf_printf(codes, "%d ", code ? code : 354);
    if (code) return; /* a client that hears the refusal sends no letter */
    if (letter[0] == '.') buf_char(b, '.');
    buf_printf(b, "%s.\r\n", letter);
    put_results(m, strcmp(letter, "a\nb\r\n") == 0 ? 550 : 250, codes);
}

static void say_bdat(struct buf *b, struct model *m, uint32_t *seed, struct buf *codes)
{
    bool last = next_random(seed, 3) == 0, wrong = next_random(seed, 8) == 0;
    const char *chunk = letters[next_random(seed, 5)];
    int n = next_random(seed, 12) == 0 ? 1001 : (int)strlen(chunk);
    buf_printf(b, "BDAT %d%s\r\n", n, wrong ? " WRONG" : last ? " LAST" : "");
    if (n == 1001)
        for (int i = 0; i < n; i++) buf_char(b, 'x');
    else buf_add(b, str_c(chunk));
    int code = too_early(m, true);
    if (!code) code = wrong ? 501 : m->bytes + n > 1000 ? 552 : 250;
    bool each = m->tx && m->rcpt && m->hello && last && !wrong;
    if (code != 250) {
        if (each) put_results(m, code, codes);
        else buf_printf(codes, "%d ", code);
        model_reset(m);
    } else if (last) {
        put_results(m, 250, codes);
    } else {
        m->chunks = true;
        m->bytes += n;
        buf_lit(codes, "250 ");
    }
}

static void say_something(struct buf *b, struct model *m, uint32_t *seed, struct buf *codes)
{
    static const struct {
        const char *line;
        int code;
    } anytime[] = {{"NOOP", 250}, {"VRFY x", 252}, {"XYZZY", 500}, {"QUIT now", 501}, {"RSET now", 501}, {"", 500},
                   {"EXPN x", 502}, {"HELP", 214}, {"AUTH PLAIN =", 0}};
    switch (next_random(seed, 16)) {
    case 0:
        buf_lit(b, "RSET\r\n");
        buf_lit(codes, "250 ");
        model_reset(m);
        break;
    case 1:
        buf_add(b, m->lmtp ? S("LHLO c.test\r\n") : S("HELO c.test\r\n"));
        buf_lit(codes, "250 ");
        model_reset(m);
        m->hello = true;
        break;
    case 2: {
        uint32_t i = next_random(seed, 9);
        buf_printf(b, "%s\r\n", anytime[i].line);
        buf_printf(codes, "%d ", anytime[i].code ? anytime[i].code : !m->hello || m->tx ? 503 : 502);
        break;
    }
    case 3:
    case 4:
    case 5: say_mail(b, m, seed, codes); break;
    case 6:
    case 7:
    case 8:
    case 9: say_rcpt(b, m, seed, codes); break;
    case 10:
    case 11: say_data(b, m, seed, codes); break;
    default: say_bdat(b, m, seed, codes); break;
    }
}

/* ---- a session ---- */

struct walk {
    uint32_t seed;
    struct buf said, want, got;
    struct stream *client, *server;
    struct endpoint from;
    int64_t took;
    int over;
};

static FIBER void server_fiber(void *arg)
{
    struct walk *k = arg;
    stream_set_peer(k->server, k->from);
    rig_serve(k->server, &the_rig);
    k->over++;
}

static FIBER void hear_all(void *arg)
{
    struct walk *k = arg;
    struct str line;
    while (stream_line(k->client, 4096, &line) == 0)
        if (line.n >= 4 && line.p[3] == ' ') buf_add(&k->got, str_head(line, 4));
    k->over++;
}

static FIBER void client_fiber(void *arg)
{
    struct walk *k = arg;
    struct scope s;
    uint32_t seed = k->seed;
    mono_us begun = loop_now();
    scope_init(&s);
    fiber_spawn(&s, hear_all, k);
    for (struct str rest = buf_str(&k->said); rest.n;) {
        size_t n = 1 + next_random(&seed, 200);
        if (stream_write(k->client, str_head(rest, n)) || stream_flush(k->client)) break;
        rest = str_skip(rest, n);
        if (next_random(&seed, 2)) fiber_sleep(100);
    }
    scope_join(&s);
    k->took = loop_now() - begun;
    stream_abort(k->client);
    k->over++;
}

static void walk_in_sim(struct sim *sim, void *arg)
{
    struct walk *k = arg;
    struct world *w = sim_node(sim, "server", (struct ip){4, {192, 0, 2, 25}});
    struct loop *l = loop_new(w);
    struct arena *a = arena_new(NULL, 0);
    enum smtp_service_kind kind = k->seed % 2 ? SMTP_LMTP : SMTP_RELAY;
    rig_begin(w, &the_rig);
    the_rig.service.kind = kind;
    stream_pair(a, 1 << 16, &k->client, &k->server);
    k->over = 0;
    buf_clear(&k->got);
    loop_spawn(l, server_fiber, k);
    loop_spawn(l, client_fiber, k);
    sim_run(sim, FOREVER);
    assert_int_equal(k->over, 3);
    loop_free(l);
    arena_free(a);
    rig_over(&the_rig);
}

static void follows_the_model(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 300; seed++) {
        struct walk k = {.seed = seed, .said = BUF(1 << 20), .want = BUF(1 << 16), .got = BUF(1 << 16),
                         .from = {{4, {127, 0, 0, 1}}, 1}}; /* no limits on errors */
        struct model m = {.lmtp = seed % 2};
        uint32_t random = seed * 7919;
        buf_lit(&k.want, "220 ");
        for (int i = 0; i < 60; i++) say_something(&k.said, &m, &random, &k.want);
        buf_lit(&k.said, "QUIT\r\n");
        buf_lit(&k.want, "221 ");
        sim_twice(seed, walk_in_sim, &k);
        if (!str_eq(buf_str(&k.want), buf_str(&k.got)))
            fail_msg("seed %u\nwant %.*s\n got %.*s\nsaid %.*s", seed, STR_FMT(buf_str(&k.want)),
                     STR_FMT(buf_str(&k.got)), STR_FMT(buf_str(&k.said)));
        buf_free(&k.said);
        buf_free(&k.want);
        buf_free(&k.got);
    }
}

/* Plays what is said in one go and returns the reply codes; frees nothing but what the walk owns. */
static struct walk play(const char *said, size_t repeat, struct ip from)
{
    struct walk k = {.seed = 2, .said = BUF(1 << 26), .got = BUF(1 << 20), .from = {from, 1}};
    for (size_t i = 0; i < repeat; i++) buf_add(&k.said, str_c(said));
    struct sim *sim = sim_new(1);
    walk_in_sim(sim, &k);
    sim_free(sim);
    buf_char(&k.got, 0);
    return k;
}

static void free_walk(struct walk *k)
{
    buf_free(&k->said);
    buf_free(&k->got);
}

static const struct ip stranger = {4, {198, 51, 100, 7}};

static void slows_down_who_guesses(void **state)
{
    (void)state;
    struct walk k = play("HELO x\r\nMAIL FROM:<>\r\n", 1, stranger);
    free_walk(&k);
    struct buf said = BUF(10000);
    buf_lit(&said, "HELO x\r\nMAIL FROM:<>\r\n");
    for (int i = 0; i < 14; i++) buf_lit(&said, "RCPT TO:<unknown@x.test>\r\n");
    buf_lit(&said, "QUIT\r\n");
    buf_char(&said, 0);
    k = play(said.p, 1, stranger);
    /* the tenth to the fourteenth */
    assert_true(k.took >= 5 * SPAN_UNKNOWN_RECIPIENT && k.took < 6 * SPAN_UNKNOWN_RECIPIENT);
    free_walk(&k);
    k = play(said.p, 1, (struct ip){4, {127, 0, 0, 1}});
    assert_true(k.took < SPAN_UNKNOWN_RECIPIENT);
    free_walk(&k);
    buf_free(&said);
}

static void ends_a_flood_of_tiny_chunks(void **state)
{
    (void)state;
    struct buf said = BUF(1 << 20);
    buf_lit(&said, "HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<b@x.test>\r\n");
    for (int i = 0; i < 2000; i++) buf_lit(&said, "BDAT 0\r\n");
    buf_char(&said, 0);
    struct walk k = play(said.p, 1, stranger);
    assert_string_equal(k.got.p + k.got.n - 5, "421 ");
    assert_true(k.got.n / 4 == 4 + LIMIT_BDAT_CHUNKS + 1);
    free_walk(&k);
    buf_free(&said);
}

/* ---- the server ends ---- */

struct ending {
    struct stream *client, *server;
    const char *before;
    struct buf heard;
};

static FIBER void ending_server(void *arg) { rig_serve(((struct ending *)arg)->server, &the_rig); }

static FIBER void ending_client(void *arg)
{
    struct ending *e = arg;
    struct str bytes;
    stream_write(e->client, str_c(e->before));
    stream_flush(e->client);
    fiber_sleep(SECONDS(10));
    scope_cancel(loop_scope(loop_self()));
    for (int i = 0; i < 100; i++) fiber_yield();
    while (stream_peek(e->client, &bytes) == 0) { /* what is there, without waiting: we are cancelled too */
        buf_add(&e->heard, bytes);
        stream_take(e->client, bytes.n);
    }
    stream_abort(e->client);
}

static void ends_in_sim(struct sim *sim, void *arg)
{
    struct ending *e = arg;
    struct world *w = sim_node(sim, "server", (struct ip){4, {192, 0, 2, 25}});
    struct loop *l = loop_new(w);
    struct arena *a = arena_new(NULL, 0);
    rig_begin(w, &the_rig);
    stream_pair(a, 1 << 16, &e->client, &e->server);
    buf_clear(&e->heard);
    loop_spawn(l, ending_server, e);
    loop_spawn(l, ending_client, e);
    sim_run(sim, FOREVER);
    loop_free(l);
    arena_free(a);
    rig_over(&the_rig);
}

static void says_farewell_when_the_server_ends(void **state)
{
    (void)state;
    const char *moments[] = {"", "HELO x\r\n", "HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<b@x.test>\r\nDATA\r\nte",
                             "HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<b@x.test>\r\nBDAT 100\r\nte"};
    for (size_t i = 0; i < 4; i++) {
        struct ending e = {.before = moments[i], .heard = BUF(10000)};
        sim_twice(i, ends_in_sim, &e);
        assert_true(str_ends(buf_str(&e.heard), S("421 4.3.2 shutting down\r\n")));
        buf_free(&e.heard);
    }
}

/* ---- with ---- */

struct named {
    bool esmtp, lmtp, utf8, auth;
    const char *name;
};

static void names_the_protocol(void **state)
{
    (void)state;
    const struct named rows[] = {
        {false, false, false, false, "SMTP"},   {true, false, false, false, "ESMTP"},
        {true, false, false, true, "ESMTPA"},   {true, true, false, false, "LMTP"},
        {true, true, false, true, "LMTPA"},     {true, false, true, false, "UTF8SMTP"},
        {true, false, true, true, "UTF8SMTPA"}, {true, true, true, false, "UTF8LMTP"},
    };
    struct arena *a = arena_new(NULL, 0);
    struct stream *left, *right;
    stream_pair(a, 100, &left, &right);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct smtp_service service = {.kind = rows[i].lmtp ? SMTP_LMTP : SMTP_RELAY};
        struct smtp_tx tx = {.from.smtputf8 = rows[i].utf8};
        struct smtp_session s = {.service = &service,
                                 .io = left,
                                 .esmtp = rows[i].esmtp,
                                 .who.account = rows[i].auth,
                                 .tx = &tx};
        assert_true(str_eq(smtp_with(&s), str_c(rows[i].name)));
    }
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_model),
        cmocka_unit_test(slows_down_who_guesses),
        cmocka_unit_test(ends_a_flood_of_tiny_chunks),
        cmocka_unit_test(says_farewell_when_the_server_ends),
        cmocka_unit_test(names_the_protocol),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
