/* POP3 sessions: the transcripts of tests/transcripts/pop3, and what a transcript cannot say: injection behind STLS,
 * two sessions at once, a lost connection, letters and listings too long to write down. Over a store in memory, each
 * test twice. */
#include "base/test.h"

#include "base/codec.h"
#include "base/log.h"
#include "io/tls.h"
#include "maa/maildrop.h"
#include "maa/pop3.h"
#include "mail/limits.h"
#include "../tests/transcripts/transcript.c"
#include "maa/test_client.h"
#include "maa/test_store.c"

struct rig {
    struct pop3_service service;
    struct store *store;
    struct tls_context *context;
    bool plaintext, tls, proxy;
    struct ip trusted;
    struct arena *arena;
};

static struct tls_context *rig_tls(void *rig)
{
    struct rig *r = rig;
    return r->tls ? tls_ref(r->context) : NULL;
}
static bool rig_plaintext(void *rig, struct ip peer) { return peer.family && ((struct rig *)rig)->plaintext; }
static bool rig_trusted(void *rig, struct ip peer) { return ip_eq(peer, ((struct rig *)rig)->trusted); }
static bool rig_proxy(void *rig, struct ip peer) { return peer.family == 4 && ((struct rig *)rig)->proxy; }

static void rig_begin(struct world *w, void *arg)
{
    struct rig *r = arg;
    *r = (struct rig){.store = test_store_new(),
                      .arena = arena_new(NULL, 0),
                      .plaintext = true,
                      .trusted = {4, {192, 0, 2, 99}}};
    assert_int_equal(tls_server_new(w, "", "", &r->context, NULL), 0);
    r->service = (struct pop3_service){
        .store = r->store,
        .accounts = &test_accounts,
        .tls = rig_tls,
        .plaintext_auth = rig_plaintext,
        .trusted = rig_trusted,
        .proxy_allowed = rig_proxy,
        .arg = r,
        .hostname = S("pop.example.org"),
    };
}

static void rig_end(void *arg)
{
    struct rig *r = arg;
    assert_false(r->store->locked[TEST_BOB]); /* whatever happened */
    test_store_free(r->store);
    tls_unref(r->context);
    arena_free(r->arena);
}

static int error_named(struct str name)
{
    if (str_eq(name, S("corrupt"))) return ERR_CORRUPT;
    if (str_eq(name, S("unknown"))) return ERR_UNKNOWN;
    return str_eq(name, S("missing")) ? ERR_NOT_FOUND : ERR_UNAVAILABLE;
}

static bool rig_fault(struct rig *r, struct str value)
{
    struct str rest = value, what = str_word(&rest);
    int error = error_named(str_word(&rest));
    if (str_eq(what, S("entries"))) r->store->fail_entries = error;
    else if (str_eq(what, S("letter"))) r->store->fail_letter = error;
    else if (str_eq(what, S("expunge"))) r->store->fail_expunge = error;
    else if (str_eq(what, S("access"))) r->store->forbidden = true;
    else if (str_eq(what, S("read")))
        r->store->fail_read = error, r->store->fail_read_at = str_eq(rest, S("2")) ? 2 : 1;
    else return false;
    return true;
}

/* What transcripts can set: "letter TEXT" (another one for bob; C's escapes), "fails entries|letter|expunge|access|read
 * ERROR [nth]", "plaintext yes|no" (log-in without TLS), "tls yes" (there is a certificate), "tls-first yes", "proxy
 * yes", "locked yes". */
static bool rig_option(void *arg, struct str name, struct str value)
{
    struct rig *r = arg;
    if (str_eq(name, S("letter"))) test_store_add(r->store, unescape(r->arena, value, S("")));
    else if (str_eq(name, S("fails"))) return rig_fault(r, value);
    else if (str_eq(name, S("plaintext"))) r->plaintext = str_eq(value, S("yes"));
    else if (str_eq(name, S("tls"))) r->tls = str_eq(value, S("yes"));
    else if (str_eq(name, S("tls-first"))) r->service.tls_first = str_eq(value, S("yes"));
    else if (str_eq(name, S("proxy"))) r->proxy = str_eq(value, S("yes"));
    else if (str_eq(name, S("locked"))) r->store->locked[TEST_BOB] = str_eq(value, S("yes"));
    else return false;
    return true;
}

static FIBER void rig_serve(struct stream *s, void *arg)
{
    struct rig *r = arg;
    bool locked = r->store->locked[TEST_BOB]; /* by somebody else */
    pop3_serve(s, &r->service);
    assert_int_equal(r->store->locked[TEST_BOB], locked);
    r->store->locked[TEST_BOB] = false;
}

static void plays_transcripts(void **state)
{
    (void)state;
    struct rig rig;
    const struct transcript_rig tr = {rig_serve, rig_begin, rig_end, 0, rig_option, &rig};
    int failed = 0, played = transcripts_play("pop3", &tr, &failed);
    if (played == 0 || failed) fail_msg("%d of %d transcripts failed", failed, played);
}

/* ---- sessions in code ---- */

struct talk {
    struct rig rig;
    struct arena *arena;
    void (*script)(struct talk *t);
    int over;
};

struct server {
    struct talk *talk;
    struct stream *stream;
};

static FIBER void serve_one(void *arg)
{
    struct server *s = arg;
    stream_set_peer(s->stream, (struct endpoint){{4, {198, 51, 100, 7}}, 40110});
    pop3_serve(s->stream, &s->talk->rig.service);
    s->talk->over++;
}

/* A connection to a session of its own. */
static FIBER struct stream *dial(struct talk *t)
{
    struct server *s = arena_new_of(t->arena, struct server);
    struct stream *client;
    s->talk = t;
    stream_pair(t->arena, 1 << 17, &client, &s->stream);
    loop_spawn(loop_self(), serve_one, s);
    stream_deadline(client, loop_now() + HOURS(5));
    return client;
}

static FIBER struct stream *log_in(struct talk *t)
{
    struct stream *c = dial(t);
    expect(c, S("+OK *"));
    ask_for(c, S("USER bob@example.org"), S("+OK*"));
    ask_for(c, S("PASS open sesame"), S("+OK *"));
    return c;
}

static FIBER void run_script(void *arg)
{
    struct talk *t = arg;
    t->script(t);
    t->over++;
}

static void talk_in_sim(struct sim *sim, void *arg)
{
    struct talk *t = arg;
    struct world *w = sim_node(sim, "server", (struct ip){4, {192, 0, 2, 110}});
    struct loop *l = loop_new(w);
    rig_begin(w, &t->rig);
    t->arena = arena_new(NULL, 0);
    t->over = 0;
    loop_spawn(l, run_script, t);
    sim_run(sim, FOREVER);
    assert_int_equal(loop_stats(l).fibers_now, 0);
    loop_free(l);
    arena_free(t->arena);
    rig_end(&t->rig);
}

static void talk(void (*script)(struct talk *t))
{
    struct talk t = {.script = script};
    sim_twice(3, talk_in_sim, &t);
}

/* RFC 2595 §4, and what became of many who forgot it: bytes sent before TLS must not be taken for bytes sent in it. */
static FIBER void inject_behind_stls(struct talk *t)
{
    static const struct str attempts[] = {
        S_INIT("STLS\r\nUSER mallory\r\nPASS x\r\n"),
        S_INIT("STLS\r\nUSER bob@example.org\r\nPASS open "),
        S_INIT("USER bob@example.org\r\nSTLS\r\nPASS open sesame\r\nDELE 1\r\nQUIT\r\n"),
    };
    t->rig.tls = true;
    test_store_add(t->rig.store, S("a: b\r\n\r\n"));
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
        struct stream *c = dial(t);
        expect(c, S("+OK *"));
        stream_write(c, attempts[i]);
        if (i == 2) expect(c, S("+OK password?"));
        expect(c, S("+OK begin"));
        ask_for(c, S("PASS open sesame"), S("-ERR USER first"));
        ask_for(c, S("QUIT"), S("+OK *"));
        hang_up(c);
    }
    assert_int_equal(t->rig.store->expunges, 0);
}

static void stls_throws_away_what_came_before(void **state)
{
    (void)state;
    talk(inject_behind_stls);
}

static FIBER void two_sessions(struct talk *t)
{
    struct stream *first = log_in(t), *second = dial(t);
    expect(second, S("+OK *"));
    ask_for(second, S("USER bob@example.org"), S("+OK*"));
    ask_for(second, S("PASS open sesame"), S("-ERR [IN-USE] *"));
    ask_for(second, S("USER ann@example.org"), S("+OK*"));
    ask_for(second, S("PASS  two  blanks "), S("+OK 0 letters*"));
    ask_for(first, S("QUIT"), S("+OK *"));
    hang_up(first);
    first = log_in(t); /* free again, and for him only */
    hang_up(first);
    first = log_in(t); /* also after a connection was lost */
    hang_up(first);
    hang_up(second);
}

static void one_session_has_a_maildrop(void **state)
{
    (void)state;
    talk(two_sessions);
}

static FIBER void lose_connections(struct talk *t)
{
    static const struct str last_words[] = {
        S_INIT("DELE 1\r\n"),         S_INIT("DELE 1\r\nQUI"),           S_INIT("DELE 1\r\nQUIT\n"),
        S_INIT("DELE 1\r\nQUIT now\r\n"), S_INIT("DELE 1\r\nRSET\r\nQUIT\r\n"),
    };
    for (int i = 0; i < 3; i++) test_store_add(t->rig.store, S("a: b\r\n\r\ntext\r\n"));
    for (size_t i = 0; i < sizeof last_words / sizeof *last_words; i++) {
        struct stream *c = log_in(t);
        stream_write(c, last_words[i]);
        stream_flush(c);
        fiber_sleep(SECONDS(1));
        hang_up(c);
        assert_int_equal(t->rig.store->expunges, 0);
    }
    struct stream *c = log_in(t); /* but who said QUIT has said it, even if nobody waits for the answer */
    stream_write(c, S("DELE 1\r\nDELE 3\r\nQUIT\r\n"));
    stream_flush(c);
    hang_up(c);
    assert_int_equal(t->rig.store->expunges, 1);
    assert_int_equal(test_store_left(t->rig.store), 1);
}

static void only_quit_deletes(void **state)
{
    (void)state;
    talk(lose_connections);
}

/* ---- long ones ---- */

/* Lines of all lengths, some beginning with dots, so that block borders fall everywhere. */
static struct str long_letter(struct arena *a, size_t size)
{
    struct buf *b = buf_in(a, size + 2000);
    buf_lit(b, "Subject: long\r\n\r\n");
    for (size_t i = 0; b->n < size; i++) {
        for (size_t k = 0; k < i % 97; k++) buf_char(b, k < i % 3 ? '.' : (char)('a' + (i + k) % 26));
        buf_lit(b, "\r\n");
    }
    return buf_str(b);
}

static FIBER void fetch_long(struct talk *t)
{
    struct store *s = t->rig.store;
    static const size_t sizes[] = {100, 65000, 65536 - 30, 65536, 200000, 5000000};
    for (size_t i = 0; i < 6; i++) test_store_add(s, long_letter(t->arena, sizes[i]));
    struct stream *c = log_in(t);
    for (uint32_t i = 0; i < 6; i++) {
        struct str whole = s->letters[i].bytes;
        ask_for(c, arena_printf(t->arena, "RETR %u", i + 1), arena_printf(t->arena, "+OK %zu octets", whole.n));
        assert_str(hear_letter(t->arena, c), whole);
        ask_for(c, arena_printf(t->arena, "TOP %u 4294967295", i + 1), S("+OK*"));
        assert_str(hear_letter(t->arena, c), whole);
    }
    int64_t before = s->bytes_read;
    ask_for(c, S("TOP 6 3"), S("+OK*"));
    assert_str(hear_letter(t->arena, c), S("Subject: long\r\n\r\n\r\n.\r\n..\r\n"));
    assert_true(s->bytes_read - before <= 8192); /* not all of it was read for that */
    ask_for(c, S("QUIT"), S("+OK*"));
    hang_up(c);
}

static void long_letters_come_whole(void **state)
{
    (void)state;
    talk(fetch_long);
}

/* Letters that come before they are asked for are the ones asked for, however that goes on. */
static FIBER void retrieve(struct talk *t, struct stream *c, uint32_t number)
{
    ask_for(c, arena_printf(t->arena, "RETR %u", number), S("+OK*"));
    assert_str(hear_letter(t->arena, c), t->rig.store->letters[number - 1].bytes);
}

static FIBER void take_all(struct talk *t)
{
    struct store *s = t->rig.store;
    for (uint32_t i = 0; i < 200; i++)
        test_store_add(s, i == 50 ? long_letter(t->arena, 300000)
                                  : arena_printf(t->arena, "Subject: %u\r\n\r\n.%u\r\n", i, i * i));
    struct stream *c = log_in(t);
    for (uint32_t i = 1; i <= 200; i++) {
        retrieve(t, c, i);
        if (i % 7 == 0) ask_for(c, arena_printf(t->arena, "TOP %u 0", i), S("+OK*"));
        if (i % 7 == 0) hear_letter(t->arena, c);
        if (i % 3 == 0) ask_for(c, arena_printf(t->arena, "DELE %u", i), S("+OK*"));
    }
    assert_true(s->trips < 12); /* 1, 2, 4 … letters at a time */
    for (uint32_t i = 1; i <= 200; i += 7) { /* pipelined, over what is marked */
        if (i % 3 == 0) continue;
        stream_write(c, arena_printf(t->arena, "TOP %u 0\r\nRETR %u\r\nRETR 3\r\n", i, i));
        expect(c, S("+OK*"));
        assert_true(str_starts(s->letters[i - 1].bytes, hear_letter(t->arena, c)));
        expect(c, S("+OK*"));
        assert_str(hear_letter(t->arena, c), s->letters[i - 1].bytes);
        expect(c, S("-ERR letter 3 is deleted"));
    }
    ask_for(c, S("RSET"), S("+OK*"));
    for (uint32_t i = 200; i > 0; i--) retrieve(t, c, i);
    hang_up(c);
}

static FIBER void take_what_there_is(struct talk *t)
{
    struct store *s = t->rig.store;
    for (uint32_t i = 0; i < 10; i++) test_store_add(s, arena_printf(t->arena, "Subject: %u\r\n\r\n", i));
    struct stream *c = log_in(t);
    s->fail_read = ERR_UNAVAILABLE;
    s->fail_read_at = 6; /* read ahead: as if it had not been */
    for (uint32_t i = 1; i <= 5; i++) retrieve(t, c, i);
    s->letters[8].gone = true;
    for (uint32_t i = 6; i <= 8; i++) retrieve(t, c, i);
    ask_for(c, S("RETR 9"), S("-ERR this letter has been deleted by another program"));
    retrieve(t, c, 10);
    for (uint32_t i = 1; i <= 4; i++) retrieve(t, c, i);
    int trips = s->trips;
    retrieve(t, c, 5);
    assert_int_equal(s->trips, trips);
    fiber_sleep(MINUTES(1)); /* who goes away for a minute keeps nobody's memory */
    retrieve(t, c, 6);
    assert_int_equal(s->trips, trips + 1);
    hang_up(c);
}

static void letters_are_read_ahead(void **state)
{
    (void)state;
    talk(take_all);
    talk(take_what_there_is);
}

/* A letter that breaks off in the store must not look complete. */
static FIBER void fetch_broken(struct talk *t)
{
    struct store *s = t->rig.store;
    test_store_add(s, long_letter(t->arena, 200000));
    s->fail_read = ERR_CORRUPT;
    s->fail_read_at = 3;
    struct stream *c = log_in(t);
    struct str line, last = STR_NONE;
    ask_for(c, S("RETR 1"), S("+OK*"));
    int e;
    while ((e = stream_line(c, TEST_LINE, &line)) == 0) last = arena_str(t->arena, line);
    assert_int_equal(e, ERR_EOF);
    assert_false(str_eq(last, S(".")));
    hang_up(c);
}

static void a_broken_letter_never_ends(void **state)
{
    (void)state;
    talk(fetch_broken);
}

/* TOP n of a letter whose blocks end at each of its bytes: padding moves them. */
static FIBER void cut_top(struct talk *t)
{
    struct store *s = t->rig.store;
    struct str tail = S("\r\nB: x\r\n\r\n1\r\n.2\r\n3\r\n"), wanted = S("\r\nB: x\r\n\r\n1\r\n.2\r\n");
    for (size_t i = 0; i <= tail.n; i++) {
        struct buf *b = buf_in(t->arena, 20000);
        buf_lit(b, "A: ");
        while (b->n < 8192 - i) buf_char(b, 'x');
        buf_add(b, tail);
        test_store_add(s, buf_str(b));
    }
    struct stream *c = log_in(t);
    for (uint32_t i = 0; i < s->n; i++) {
        ask_for(c, arena_printf(t->arena, "TOP %u 2", i + 1), S("+OK*"));
        struct str top = hear_letter(t->arena, c);
        assert_true(str_ends(top, wanted));
        assert_int_equal(top.n, s->letters[i].bytes.n - tail.n + wanted.n);
    }
    hang_up(c);
}

static void top_stops_anywhere(void **state)
{
    (void)state;
    talk(cut_top);
}

/* LIMIT_POP3_MESSAGES and one more: the oldest are shown, all can be listed and deleted. */
static FIBER void fill_to_the_limit(struct talk *t)
{
    struct store *s = t->rig.store;
    for (int i = 0; i <= LIMIT_POP3_MESSAGES; i++) test_store_add(s, S("a: b\r\n\r\n"));
    struct stream *c = log_in(t);
    ask_for(c, S("STAT"), S("+OK 200000 1600000"));
    ask_for(c, S("LIST"), S("+OK 200000 letters (1600000 octets)"));
    expect(c, S("1 8"));
    for (int i = 2; i < LIMIT_POP3_MESSAGES; i++) stream_line(c, TEST_LINE, &(struct str){0});
    expect(c, S("200000 8"));
    expect(c, S("."));
    ask_for(c, S("RETR 200001"), S("-ERR there is no letter 200001"));
    for (int i = 1; i <= LIMIT_POP3_MESSAGES; i += 1000) { /* as much as fits between us */
        for (int k = i; k < i + 1000; k += 2) stream_write(c, arena_printf(t->arena, "DELE %d\r\n", k));
        for (int k = i; k < i + 1000; k += 2) expect(c, S("+OK letter *"));
    }
    ask_for(c, S("STAT"), S("+OK 100000 800000"));
    ask_for(c, S("QUIT"), S("+OK*"));
    assert_int_equal(test_store_left(s), 100001);
    assert_int_equal(s->expunges, 1);
    hang_up(c);
}

static void a_full_maildrop_is_served(void **state)
{
    (void)state;
    talk(fill_to_the_limit);
}

/* Idle time is counted from what the client did last; a client that reads slowly is not idle. */
static FIBER void dawdle(struct talk *t)
{
    test_store_add(t->rig.store, long_letter(t->arena, 5000000));
    struct stream *c = log_in(t);
    for (int i = 0; i < 3; i++) {
        fiber_sleep(MINUTES(9));
        ask_for(c, S("NOOP"), S("+OK*"));
    }
    ask_for(c, S("RETR 1"), S("+OK*"));
    struct str line;
    size_t got = 0;
    for (int i = 0; stream_line(c, TEST_LINE, &line) == 0 && !str_eq(line, S(".")); i++) {
        if (i % 5000 == 0) fiber_sleep(MINUTES(9));
        got += line.n - str_starts(line, S(".")) + 2;
    }
    assert_int_equal(got, t->rig.store->letters[0].bytes.n);
    fiber_sleep(MINUTES(11));
    assert_int_equal(stream_line(c, TEST_LINE, &line), ERR_EOF); /* RFC 1939 §3: without a word */
    hang_up(c);
}

static void idle_clients_are_let_go(void **state)
{
    (void)state;
    talk(dawdle);
}

static struct sha256 client_key_of_bob(void) /* RFC 5802 §3 */
{
    struct sha256 salted = sha256_pbkdf2(S("open sesame"), S("0123456789abcdef"), 1);
    return sha256_hmac(sha256_str(&salted), S("Client Key"));
}

/* SCRAM's last word is a challenge that wants an empty answer; the nonces are new each time, so no transcript can have
 * it. */
static FIBER void scram(struct talk *t)
{
    struct stream *c = dial(t);
    expect(c, S("+OK *"));
    stream_write(c, S("AUTH SCRAM-SHA-256 "));
    struct buf *b = buf_in(t->arena, 1000), *first = buf_in(t->arena, 1000);
    struct str bare = S("n=bob@example.org,r=nonce");
    base64_put(b, arena_printf(t->arena, "n,,%.*s", STR_FMT(bare)));
    stream_write(c, buf_str(b));
    stream_write(c, S("\r\n"));
    assert_int_equal(base64_decode(first, str_skip(hear_line(t->arena, c), 2)), 0);

    struct str rest = buf_str(first), nonce;
    str_cut(str_skip(rest, 2), ',', &nonce, &rest);
    struct scram_keys keys = scram_derive(S("open sesame"), (const unsigned char *)"0123456789abcdef", 1);
    struct str without_proof = arena_printf(t->arena, "c=biws,r=%.*s", STR_FMT(nonce));
    struct str said =
        arena_printf(t->arena, "%.*s,%.*s,%.*s", STR_FMT(bare), STR_FMT(buf_str(first)), STR_FMT(without_proof));
    struct sha256 signature = sha256_hmac(sha256_str(&keys.stored_key), said), proof = client_key_of_bob();
    for (size_t i = 0; i < sizeof proof.b; i++) proof.b[i] ^= signature.b[i];
    buf_clear(b);
    base64_put(b, sha256_str(&proof));
    struct str final = arena_printf(t->arena, "%.*s,p=%.*s", STR_FMT(without_proof), STR_FMT(buf_str(b)));
    buf_clear(b);
    base64_put(b, final);
    ask_for(c, buf_str(b), S("+ dj*")); /* "v=" */
    ask_for(c, S(""), S("+OK 0 letters (0 octets)"));
    hang_up(c);
}

static void scram_ends_with_an_empty_line(void **state)
{
    (void)state;
    talk(scram);
}

/* ---- the log ---- */

static utc_us no_clock(void *clock)
{
    (void)clock;
    return 0;
}
static void keep_line(void *sink, struct str line) { buf_add(sink, line); }

static FIBER void log_in_and_out(struct talk *t)
{
    struct buf *lines = buf_in(t->arena, 10000);
    const struct log log = {.least = LOG_DEBUG, .now = no_clock, .write = keep_line, .sink = lines};
    t->rig.service.log = &log;
    test_store_add(t->rig.store, S("a: b\r\n\r\n"));
    struct stream *c = log_in(t);
    ask_for(c, S("RETR 1"), S("+OK*"));
    hear_letter(t->arena, c);
    ask_for(c, S("DELE 1"), S("+OK*"));
    ask_for(c, S("QUIT"), S("+OK*"));
    hang_up(c);
    c = dial(t);
    expect(c, S("+OK *"));
    ask_for(c, S("USER my\xc3\xa4secret"), S("+OK*"));
    ask_for(c, S("PASS hidden"), S("-ERR*"));
    hang_up(c);
    struct str all = buf_str(lines);
    assert_true(str_find(all, S("event=pop3.login session=0000000000001 login=bob@example.org client=198.51.100.7")) <
                all.n);
    assert_true(str_find(all, S("retrieved=1 tops=0 deleted=1")) < all.n && str_find(all, S("end=quit")) < all.n);
    assert_true(str_find(all, S("sesame")) == all.n && str_find(all, S("secret")) == all.n &&
                str_find(all, S("hidden")) == all.n);
    t->rig.service.log = NULL;
}

static void the_log_tells_and_keeps_secrets(void **state)
{
    (void)state;
    talk(log_in_and_out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plays_transcripts),
        cmocka_unit_test(stls_throws_away_what_came_before),
        cmocka_unit_test(one_session_has_a_maildrop),
        cmocka_unit_test(only_quit_deletes),
        cmocka_unit_test(long_letters_come_whole),
        cmocka_unit_test(a_broken_letter_never_ends),
        cmocka_unit_test(letters_are_read_ahead),
        cmocka_unit_test(top_stops_anywhere),
        cmocka_unit_test(a_full_maildrop_is_served),
        cmocka_unit_test(idle_clients_are_let_go),
        cmocka_unit_test(scram_ends_with_an_empty_line),
        cmocka_unit_test(the_log_tells_and_keeps_secrets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
