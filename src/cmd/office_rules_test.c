/* Rules of the post that hang on several sessions, or on what changes under a session: limits that parallel log-ins
 * share, accounts disabled meanwhile, aliases half of whom have a letter already, guesses at which names exist. In the
 * simulated world, each twice. */
#include "cmd/office_fixture.h"

#include "proto/sasl/scram.h"

#define TWO(a, b) "C: RCPT TO:<" a "@example.org>\nS: 250\nC: RCPT TO:<" b "@example.org>\nS: 250\n"
#define SIX TWO("bob", "bob+1") TWO("bob+2", "bob+3") TWO("bob+4", "bob+5")
#define NOTE_OF_ALICE FROM_ALICE "C: \nC: x\nC: .\n"

/* Two clients of one address at the same time. */
static void talk_together(struct office *o, uint16_t port, const char *one, const char *other)
{
    struct world *w = sim_node(o->sim, "peers", stranger_ip);
    struct loop *l = loop_new(w);
    struct peer p[2] = {{.office = o, .port = port, .script = one}, {.office = o, .port = port, .script = other}};
    loop_spawn(l, peer_run, &p[0]);
    loop_spawn(l, peer_run, &p[1]);
    for (int hours = 0; !(p[0].done && p[1].done) && hours < 24; hours++) sim_run(o->sim, clock_mono(w) + HOURS(1));
    assert_true(p[0].done && p[1].done);
    loop_stop(l);
    sim_run(o->sim, clock_mono(w) + SECONDS(30));
    loop_free(l);
    world_free(w);
}

/* ---- loops ---- */

/* An alias of two, one of whom has the letter already: the other gets it, whichever stands first. */
static void alias_half_delivered(struct office *o)
{
    static const char *const have[] = {"bob", "alice"}, *const want[] = {"alice", "bob"};
    for (size_t i = 0; i < 2; i++) {
        size_t n[2] = {office_mail(o, "alice@example.org").n, office_mail(o, "bob@example.org").n};
        office_talk(
            o, stranger_ip, 25,
            arena_printf(o->arena,
                         HELLO
                         "C: MAIL FROM:<a@sender.example>\nS: 250\nC: RCPT TO:<team@example.org>\nS: 250\nC: DATA\n"
                         "S: 354\nC: Delivered-To: %s@example.org\n" LETTER "S: 250 2.0.0\n" QUIT,
                         have[i])
                .p);
        n[want[i][0] == 'b']++;
        assert_int_equal(office_mail(o, "alice@example.org").n, n[0]);
        assert_int_equal(office_mail(o, "bob@example.org").n, n[1]);
    }
    office_talk(o, stranger_ip, 25,
                HELLO
                "C: MAIL FROM:<a@sender.example>\nS: 250\nC: RCPT TO:<team@example.org>\nS: 250\nC: DATA\nS: 354\n"
                "C: Delivered-To: bob@example.org\n"
                "C: Delivered-To: alice@example.org\n" LETTER "S: 554 5.4.6\n" QUIT);
    assert_int_equal(office_mail(o, "alice@example.org").n, 1);
    assert_int_equal(office_mail(o, "bob@example.org").n, 1);
}

static void endless_deliveries(struct office *o)
{
    office_talk(o, stranger_ip, 25,
                HELLO "C: MAIL FROM:<a@sender.example>\nS: 250\nC: RCPT TO:<bob@example.org>\nS: 250\nC: DATA\n"
                      "S: 354\n"
                      "C* 101 Delivered-To: x@elsewhere.example\n" LETTER "S: 554 5.4.6\n" QUIT);
}

/* A refusal for each of very many recipients does not fill the record. */
static void many_loops_are_counted(struct office *o)
{
    struct buf *script = buf_in(o->arena, 64 << 10);
    buf_lit(script, "S: 220\nC: LHLO client.example\nS: 250\nC: MAIL FROM:<a@sender.example>\nS: 250\n");
    for (int i = 0; i < 60; i++) buf_printf(script, "C: RCPT TO:<bob+%d@example.org>\nS: 250\n", i);
    buf_lit(script, "C: RCPT TO:<alice@example.org>\nS: 250\nC: DATA\nS: 354\n");
    for (int i = 0; i < 60; i++) buf_printf(script, "C: Delivered-To: bob+%d@example.org\n", i);
    buf_lit(script, LETTER);
    for (int i = 0; i < 60; i++) buf_lit(script, "S: 554 5.4.6\n");
    buf_lit(script, "S: 250 2.0.0\n" QUIT "\n");
    buf_char(script, 0);
    office_talk(o, friend_ip, 24, script->p);
    assert_int_equal(office_trace_count(o, TRACE_REFUSED, 554), LIMIT_REFUSALS_TRACED);
    assert_int_equal(office_trace_count(o, TRACE_REFUSED_MANY, 0), 1);
}

/* ---- the header's end ---- */

struct broken_header {
    struct office *office;
    bool done;
};

/* Says a header of nearly the limit, then a line in two halves, the first of which passes the limit inside the field's
 * name. */
static FIBER void say_broken_header(void *arg)
{
    struct broken_header *p = arg;
    struct stream *s;
    struct error e = {0};
    struct arena *a = arena_new(NULL, 0);
    struct str reply;
    if (stream_connect((struct endpoint){office_ip, 25}, (struct ip){0}, loop_now() + MINUTES(1), &s, &e) != 0) abort();
    stream_deadline(s, loop_now() + HOURS(1));
    stream_write(s, S("EHLO x\r\nMAIL FROM:<a@sender.example>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n"));
    for (int i = 0; i < 5; i++) peer_reply(s, a, &reply);
    if (!str_starts(reply, S("354"))) abort();
    struct str line = S("X-Filler: 1234567890123456789012345678901234567890123456789\r\n");
    for (size_t n = 0; n + 300 < LIMIT_HEADER; n += line.n) stream_write(s, line);
    stream_flush(s);
    fiber_sleep(SECONDS(5));
    for (int i = 0; i < 60; i++) stream_write(s, S("X-Filler-9"));
    stream_flush(s);
    fiber_sleep(SECONDS(5));
    stream_write(s, S(": and on\r\n\r\ntext\r\n.\r\n"));
    peer_reply(s, a, &reply);
    if (!str_starts(reply, S("552 5.3.4"))) {
        fprintf(stderr, "the reply was %.*s\n", STR_FMT(reply));
        abort();
    }
    stream_close(s);
    arena_free(a);
    p->done = true;
}

static void header_cut_in_a_name(struct office *o)
{
    struct world *w = sim_node(o->sim, "peer", stranger_ip);
    struct loop *l = loop_new(w);
    struct broken_header p = {.office = o};
    loop_spawn(l, say_broken_header, &p);
    sim_run(o->sim, clock_mono(w) + MINUTES(10));
    assert_true(p.done);
    loop_stop(l);
    sim_run(o->sim, clock_mono(w) + SECONDS(30));
    loop_free(l);
    world_free(w);
    assert_int_equal(office_mail(o, "bob@example.org").n, 0);
}

/* ---- submission ---- */

/* Two sessions of one account, each within the limit of ten an hour, not so both: the second to end is refused. */
static void limit_is_shared(struct office *o)
{
    talk_together(o, 587,
                  SIGNED_IN "C: MAIL FROM:<alice@example.org>\nS: 250\n" SIX "W: 30\nC: DATA\nS: 354\n" NOTE_OF_ALICE
                            "S: 250\n" QUIT,
                  SIGNED_IN "C: MAIL FROM:<alice@example.org>\nS: 250\n" SIX "W: 60\nC: DATA\nS: 450 4.7.1\n" QUIT);
    assert_int_equal(office_mail(o, "bob@example.org").n, 6);
}

/* As above, with both letters under way before either is accepted. */
static void limit_is_shared_to_the_end(struct office *o)
{
    talk_together(o, 587,
                  SIGNED_IN "C: MAIL FROM:<alice@example.org>\nS: 250\n" SIX
                            "W: 10\nC: DATA\nS: 354\nW: 10\n" NOTE_OF_ALICE "S: 250\n" QUIT,
                  SIGNED_IN "C: MAIL FROM:<alice@example.org>\nS: 250\n" SIX
                            "W: 10\nC: DATA\nS: 354\nW: 20\n" NOTE_OF_ALICE "S: 450 4.7.1\n" QUIT);
    assert_int_equal(office_mail(o, "bob@example.org").n, 6);
}

/* Trusted clients have no hourly limit, whether they log in or not. */
static void trusted_without_limit(struct office *o)
{
    const char *six =
        SIGNED_IN "C: MAIL FROM:<alice@example.org>\nS: 250\n" SIX "C: DATA\nS: 354\n" NOTE_OF_ALICE "S: 250\n" QUIT;
    for (int i = 0; i < 3; i++) office_talk(o, friend_ip, 587, six);
    assert_int_equal(office_mail(o, "bob@example.org").n, 18);
}

static int64_t account_id(struct office *o, const char *address)
{
    struct address typed, key;
    assert_int_equal(address_parse(o->arena, str_c(address), &typed), 0);
    assert_int_equal(address_key(o->arena, typed, &key), 0);
    const struct directory *d = store_directory(o->store);
    int64_t id = directory_account(d, key)->id;
    directory_unref(d);
    return id;
}

static FIBER void disable_alice_later(void *office)
{
    struct office *o = office;
    struct error e = {0};
    bool yes = true;
    fiber_sleep(SECONDS(30));
    if (store_account_change(o->store, account_id(o, "alice@example.org"), &yes, NULL, NULL, NULL, &e) != 0) abort();
}

/* Who is disabled sends nothing more, also in a session that is open already. */
static void disabled_in_session(struct office *o)
{
    loop_spawn(o->loop, disable_alice_later, o);
    office_talk(o, stranger_ip, 587,
                SIGNED_IN "C: MAIL FROM:<alice@example.org>\nS: 250\nC: RSET\nS: 250\nW: 60\n"
                          "C: MAIL FROM:<alice@example.org>\nS: 550 5.7.1\nC: MAIL FROM:<>\nS: 550 5.7.1\n" QUIT);
}

/* ---- which names exist ---- */

static void salt_of(struct office *o, const char *name, unsigned char salt[16])
{
    const struct sasl_accounts *accounts = login_accounts(o->login);
    struct scram_keys keys;
    struct sasl_identity who;
    assert_int_equal(accounts->scram(accounts->arg, stranger_ip, o->arena, str_c(name), &keys, &who), 0);
    memcpy(salt, keys.salt, sizeof keys.salt);
}

static FIBER void compare_salts(struct office *o, void *arg)
{
    (void)arg;
    static const char *const forms[][4] = {
        {"alice@example.org", "ALICE@example.org", "alice", "alice@EXAMPLE.org"},
        {"nobody@example.org", "NoBody@example.org", "nobody", "nobody@EXAMPLE.org"},
        {"not an address", "not an address", "not an address", "not an address"},
    };
    unsigned char of[3][16], other[16];
    for (size_t i = 0; i < 3; i++) {
        salt_of(o, forms[i][0], of[i]);
        for (size_t k = 1; k < 4; k++) {
            salt_of(o, forms[i][k], other);
            assert_memory_equal(of[i], other, sizeof other);
        }
    }
    assert_memory_not_equal(of[0], of[1], sizeof other);
    assert_memory_not_equal(of[1], of[2], sizeof other);
}

/* The forms of a name share one salt, whether there is an account or not. */
static void salts_tell_nothing(struct office *o) { office_do(o, compare_salts, NULL); }

/* What is no command may be a password that went astray: it is not put on record. */
static void strays_are_not_recorded(struct office *o)
{
    office_talk(o, stranger_ip, 25, HELLO "C: a1 LOGIN bob hunter2\nS: 500\nC: PASS hunter2\nS: 500\n" QUIT);
    assert_int_equal(office_trace_count(o, TRACE_REFUSED, 0), 0);
}

/* ---- role addresses ---- */

static void roles_are_always_there(struct office *o)
{
    static const char *const roles[] = {
        "Postmaster",
        "POSTMASTER",
        "postmaster@example.org",
        "Abuse@example.org",
        "mailer-daemon@example.org",
        "postmaster@mail.example.org",
        "abuse@mail.example.org",
        "MAILER-DAEMON@mail.example.org",
        "postmaster@[198.51.100.1]",
    };
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        office_talk(o, stranger_ip, 25,
                    arena_printf(o->arena,
                                 HELLO "C: MAIL FROM:<a@missing.test>\nS: 250\nC: RCPT TO:<%s>\nS: 250 2.1.5\nC: DATA\n"
                                       "S: 354\n" LETTER "S: 250 2.0.0\n" QUIT,
                                 roles[i])
                        .p);
    assert_int_equal(office_mail(o, "alice@example.org").n, sizeof roles / sizeof *roles);
    office_talk(o, stranger_ip, 25,
                HELLO "C: MAIL FROM:<a@sender.example>\nS: 250\nC: RCPT TO:<postmaster@[198.51.100.2]>\n"
                      "S: 550 5.7.1\n" QUIT);
}

/* A thousand recipients with the longest addresses and DSN parameters there may be: within every limit, so it is taken.
 */
static void largest_envelope(struct office *o)
{
    struct buf *script = buf_in(o->arena, 2 << 20);
    char detail[226], original[481];
    memset(detail, 'd', sizeof detail - 1);
    memset(original, 'o', sizeof original - 1);
    detail[sizeof detail - 1] = original[sizeof original - 1] = 0;
    buf_lit(script, HELLO "C: MAIL FROM:<>\nS: 250\n");
    for (int i = 0; i < LIMIT_RECIPIENTS; i++)
        buf_printf(script, "C: RCPT TO:<bob+%04d%s@example.org> ORCPT=rfc822;%s\nS: 250\n", i, detail, original);
    buf_lit(script, "C: DATA\nS: 354\n" LETTER "S: 250 2.0.0\n" QUIT);
    buf_char(script, 0);
    assert_false(script->failed);
    office_talk(o, stranger_ip, 25, script->p);
}

#define TEST(name) \
    static void test_##name(void **state) \
    { \
        (void)state; \
        office_run(name); \
    }
TEST(alias_half_delivered)
TEST(endless_deliveries)
TEST(many_loops_are_counted)
TEST(header_cut_in_a_name)
TEST(limit_is_shared)
TEST(limit_is_shared_to_the_end)
TEST(trusted_without_limit)
TEST(disabled_in_session)
TEST(salts_tell_nothing)
TEST(strays_are_not_recorded)
TEST(roles_are_always_there)
TEST(largest_envelope)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alias_half_delivered),     cmocka_unit_test(test_endless_deliveries),
        cmocka_unit_test(test_many_loops_are_counted),   cmocka_unit_test(test_header_cut_in_a_name),
        cmocka_unit_test(test_limit_is_shared),          cmocka_unit_test(test_limit_is_shared_to_the_end),
        cmocka_unit_test(test_trusted_without_limit),    cmocka_unit_test(test_disabled_in_session),
        cmocka_unit_test(test_salts_tell_nothing),       cmocka_unit_test(test_strays_are_not_recorded),
        cmocka_unit_test(test_roles_are_always_there),   cmocka_unit_test(test_largest_envelope),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
