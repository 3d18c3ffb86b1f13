/* POP3 over the real store in the simulated world: what is fetched is what was delivered, what was deleted stays
 * deleted, whatever dies. */
#include "store/testing.h"

#include "base/test.h"
#include "maa/pop3.h"
#include "maa/test_client.h"

#define ONE "Subject: one\r\n\r\n.first\r\n"
#define TWO "Subject: two\r\n\r\nno end"

struct house {
    struct testing t;
    struct pop3_service service;
    struct sasl_accounts accounts;
    void (*script)(struct house *h);
    bool over;
    struct arena *kept; /* stays when the store is opened again: */
    struct str ids[3];
};

static FIBER int check_password(void *arg, struct ip client, struct arena *a, struct str login, struct str password,
                                struct sasl_identity *who)
{
    (void)client;
    struct house *h = arg;
    if (!str_eq(login, S("bob")) || !str_eq(password, S("secret"))) return ERR_DENIED;
    *who = (struct sasl_identity){.account = h->t.account, .login = arena_str(a, login)};
    return 0;
}

static bool anybody(void *arg, struct ip peer)
{
    (void)arg, (void)peer;
    return true;
}

static void furnish(struct house *h)
{
    h->accounts = (struct sasl_accounts){.password = check_password, .arg = h};
    h->service = (struct pop3_service){.store = h->t.store,
                                       .accounts = &h->accounts,
                                       .plaintext_auth = anybody,
                                       .arg = h,
                                       .hostname = S("pop.example.org")};
}

struct visit {
    struct house *house;
    struct stream *stream;
};

static FIBER void serve_visit(void *arg)
{
    struct visit *v = arg;
    pop3_serve(v->stream, &v->house->service);
}

static FIBER struct stream *visit(struct house *h)
{
    struct visit *v = arena_new_of(h->t.arena, struct visit);
    struct stream *client;
    v->house = h;
    stream_pair(h->t.arena, 1 << 16, &client, &v->stream);
    loop_spawn(loop_self(), serve_visit, v);
    stream_deadline(client, loop_now() + HOURS(1));
    expect(client, S("+OK *"));
    ask_for(client, S("USER bob"), S("+OK*"));
    return client;
}

static FIBER struct stream *log_in(struct house *h, struct str greeting)
{
    struct stream *c = visit(h);
    ask_for(c, S("PASS secret"), greeting);
    return c;
}

static FIBER void deliver(struct house *h, struct str text)
{
    struct error e = {0};
    ok(letter_accept(&h->t, text, 0, NULL, &e), &e);
}

/* ---- running ---- */

static FIBER void run_script(void *arg)
{
    struct house *h = arg;
    h->script(h);
    h->over = true;
}

static FIBER void build(void *arg)
{
    struct house *h = arg;
    testing_account(&h->t);
}

static void run(struct house *h, void (*script)(struct house *h))
{
    furnish(h);
    h->script = script;
    h->over = false;
    testing_run(&h->t, run_script, h);
}

static void reopen(struct house *h)
{
    testing_close(&h->t);
    testing_open(&h->t);
}

static FIBER void last_write(void *arg)
{
    struct house *h = arg;
    struct error e;
    letter_accept(&h->t, S(ONE), 0, NULL, &e);
}

/* The machine dies while the store begins to write something, and comes back. */
static void die(struct house *h)
{
    struct world *dead = h->t.world;
    sim_crash_at(dead, 1);
    testing_run(&h->t, last_write, h);
    assert_true(sim_crashed(dead));
    loop_free(h->t.loop);
    store_close(h->t.store);
    h->t.world = sim_restart(dead);
    testing_open(&h->t);
}

static struct sim_faults slow_and_ragged(void)
{
    return (struct sim_faults){.short_read = 200000, .latency_max_us = 5000, .job_latency_max_us = 20000};
}

/* ---- the tests ---- */

enum { LARGE = 700000 };

static struct str large_letter(struct arena *a)
{
    struct buf *b = buf_in(a, LARGE + 100);
    buf_lit(b, "Subject: large\r\n\r\n");
    for (int i = 0; b->n < LARGE; i++) buf_printf(b, "%s%d, a line of a large letter\r\n", i % 5 ? "" : ".", i);
    return buf_str(b);
}

static FIBER void expect_letter(struct house *h, struct stream *c, int number, struct str body)
{
    struct str want = arena_printf(h->t.arena, "%s%.*s", PREFIXES, STR_FMT(body));
    ask_for(c, arena_printf(h->t.arena, "LIST %d", number), arena_printf(h->t.arena, "+OK %d %zu", number, want.n));
    ask_for(c, arena_printf(h->t.arena, "RETR %d", number), arena_printf(h->t.arena, "+OK %zu octets", want.n));
    struct str got = hear_letter(h->t.arena, c);
    if (!str_ends(want, S("\n"))) want = arena_printf(h->t.arena, "%.*s\r\n", STR_FMT(want));
    assert_str(got, want);
}

static FIBER void fetch_and_delete(struct house *h)
{
    struct str large = large_letter(h->t.arena);
    deliver(h, S(ONE));
    deliver(h, S(TWO));
    deliver(h, large);
    struct stream *c = log_in(h, S("+OK 3 letters*"));
    deliver(h, S(ONE)); /* comes too late for this session */
    ask_for(c, S("LIST 4"), S("-ERR there is no letter 4"));
    expect_letter(h, c, 1, S(ONE));
    expect_letter(h, c, 2, S(TWO));
    expect_letter(h, c, 3, large);
    ask_for(c, S("TOP 3 1"), S("+OK*"));
    assert_str(hear_letter(h->t.arena, c), S(PREFIXES "Subject: large\r\n\r\n.0, a line of a large letter\r\n"));
    struct stream *other = visit(h);
    ask_for(other, S("PASS secret"), S("-ERR [IN-USE]*"));
    hang_up(other);
    ask_for(c, S("DELE 2"), S("+OK*"));
    ask_for(c, S("QUIT"), S("+OK*"));
    hang_up(c);
    c = log_in(h, S("+OK 3 letters*"));
    expect_letter(h, c, 1, S(ONE));
    expect_letter(h, c, 2, large);
    expect_letter(h, c, 3, S(ONE));
    hang_up(c);
    assert_sound(&h->t);
}

static void begin_house(struct house *h, struct sim *sim)
{
    sim_set_faults(sim, slow_and_ragged());
    testing_begin(&h->t, sim);
    testing_run(&h->t, build, h);
}

static void fetching(struct sim *sim, void *arg)
{
    (void)arg;
    struct house h = {0};
    begin_house(&h, sim);
    run(&h, fetch_and_delete);
    assert_true(h.over);
    testing_close(&h.t);
}

static void what_comes_is_what_was_delivered(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) sim_twice(seed, fetching, NULL);
}

/* ---- unique-ids ---- */

static FIBER void note_ids(struct house *h)
{
    for (int i = 0; i < 3; i++) deliver(h, S(ONE));
    struct stream *c = log_in(h, S("+OK 3 letters*"));
    for (int i = 0; i < 3; i++) {
        stream_write(c, arena_printf(h->t.arena, "UIDL %d\r\n", i + 1));
        h->ids[i] = str_skip(hear_line(h->kept, c), strlen("+OK 1 "));
        assert_true(h->ids[i].n >= 1 && h->ids[i].n <= 70); /* RFC 1939 §7 */
        for (int k = 0; k < i; k++) assert_false(str_eq(h->ids[i], h->ids[k])); /* alike as the letters are */
    }
    ask_for(c, S("DELE 2"), S("+OK*"));
    ask_for(c, S("QUIT"), S("+OK*"));
    hang_up(c);
}

static FIBER void compare_ids(struct house *h)
{
    deliver(h, S(ONE));
    struct stream *c = log_in(h, S("+OK 3 letters*"));
    ask_for(c, S("UIDL"), S("+OK*"));
    expect(c, arena_printf(h->t.arena, "1 %.*s", STR_FMT(h->ids[0])));
    expect(c, arena_printf(h->t.arena, "2 %.*s", STR_FMT(h->ids[2])));
    struct str fresh = str_skip(hear_line(h->t.arena, c), 2);
    for (int i = 0; i < 3; i++) assert_false(str_eq(fresh, h->ids[i]));
    hang_up(c);
}

static void keeping_ids(struct sim *sim, void *arg)
{
    (void)arg;
    struct house h = {0};
    h.kept = arena_new(NULL, 0);
    begin_house(&h, sim);
    run(&h, note_ids);
    assert_true(h.over);
    reopen(&h);
    run(&h, compare_ids);
    assert_true(h.over);
    testing_close(&h.t);
    arena_free(h.kept);
}

static void unique_ids_stay(void **state)
{
    (void)state;
    sim_twice(11, keeping_ids, NULL);
}

/* ---- dying ---- */

static FIBER void delete_and_quit(struct house *h)
{
    for (int i = 0; i < 4; i++) deliver(h, S(ONE));
    struct stream *c = log_in(h, S("+OK 4 letters*"));
    ask_for(c, S("DELE 1"), S("+OK*"));
    ask_for(c, S("DELE 3"), S("+OK*"));
    ask_for(c, S("QUIT"), S("+OK*"));
}

static FIBER void delete_and_die(struct house *h)
{
    struct stream *c = log_in(h, S("+OK 2 letters*"));
    ask_for(c, S("DELE 1"), S("+OK*"));
}

static FIBER void look_for_two(struct house *h)
{
    struct stream *c = log_in(h, S("+OK 2 letters*")); /* and the maildrop's lock has died with the machine */
    hang_up(c);
    assert_sound(&h->t);
}

static void dying(struct sim *sim, void *arg)
{
    (void)arg;
    struct house h = {0};
    begin_house(&h, sim);
    run(&h, delete_and_quit);
    assert_true(h.over);
    die(&h);
    run(&h, look_for_two);
    assert_true(h.over);
    run(&h, delete_and_die);
    assert_true(h.over);
    die(&h);
    run(&h, look_for_two);
    assert_true(h.over);
    testing_close(&h.t);
}

static void what_quit_deleted_stays_deleted(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) sim_twice(seed, dying, NULL);
}

/* ---- a disk that fails ---- */

static FIBER void quit_on_a_bad_disk(struct house *h)
{
    for (int i = 0; i < 3; i++) deliver(h, S(ONE));
    struct stream *c = log_in(h, S("+OK 3 letters*"));
    ask_for(c, S("DELE 2"), S("+OK*"));
    sim_set_faults(h->t.sim, (struct sim_faults){.write_error = 1000000});
    ask_for(c, S("QUIT"), S("-ERR [SYS/TEMP]*"));
    sim_set_faults(h->t.sim, (struct sim_faults){0});
    hang_up(c);
}

static FIBER void look_for_three(struct house *h)
{
    struct stream *c = log_in(h, S("+OK 3 letters*"));
    hang_up(c);
}

static void failing(struct sim *sim, void *arg)
{
    (void)arg;
    struct house h = {0};
    begin_house(&h, sim);
    run(&h, quit_on_a_bad_disk);
    assert_true(h.over);
    reopen(&h);
    run(&h, look_for_three);
    assert_true(h.over);
    testing_close(&h.t);
}

static void a_bad_disk_is_told(void **state)
{
    (void)state;
    sim_twice(21, failing, NULL);
}

/* ---- an account that is disabled ---- */

static FIBER void fetch_disabled(struct house *h)
{
    struct error e = {0};
    deliver(h, S(ONE));
    struct stream *c = log_in(h, S("+OK 1 letters*"));
    ok(store_account_change(h->t.store, h->t.account, &(bool){true}, NULL, NULL, NULL, &e), &e);
    ask_for(c, S("RETR 1"), S("-ERR [AUTH] *"));
    hang_up(c);
}

static void disabling(struct sim *sim, void *arg)
{
    (void)arg;
    struct house h = {0};
    begin_house(&h, sim);
    run(&h, fetch_disabled);
    assert_true(h.over);
    testing_close(&h.t);
}

static void who_is_disabled_gets_nothing_more(void **state)
{
    (void)state;
    sim_twice(31, disabling, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_is_what_was_delivered),
        cmocka_unit_test(unique_ids_stay),
        cmocka_unit_test(what_quit_deleted_stays_deleted),
        cmocka_unit_test(a_bad_disk_is_told),
        cmocka_unit_test(who_is_disabled_gets_nothing_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
