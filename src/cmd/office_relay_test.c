/* Letters that go on: who may have what relayed (a table of every client and every kind of recipient: never an open
 * relay), what submission says of a recipient's domain at once, ETRN, and letters held back. In the simulated world,
 * each twice. */
#include "cmd/office_fixture.h"

enum { STRANGER, FRIEND, LMTP, SUBMITTER, CLIENTS };

static const struct {
    const char *name;
    const struct ip *ip;
    uint16_t port;
    const char *hello;
} clients[CLIENTS] = {
    [STRANGER] = {"a stranger on 25", &stranger_ip, 25, HELLO "C: MAIL FROM:<a@sender.example>\nS: 250\n"},
    [FRIEND] = {"a trusted network on 25", &friend_ip, 25, HELLO "C: MAIL FROM:<a@nomail.example>\nS: 250\n"},
    [LMTP] = {"a trusted LMTP client", &friend_ip, 24,
              "S: 220\nC: LHLO client.example\nS: 250\nC: MAIL FROM:<a@sender.example>\nS: 250\n"},
    [SUBMITTER] = {"alice, signed in", &stranger_ip, 587, SIGNED_IN "C: MAIL FROM:<alice@example.org>\nS: 250\n"},
};

#define DENIED "550 5.7.1 relay access denied"
#define TAKEN "250 2.1.5"
#define BY_ROUTE "550 5.7.1 these we do not want"

/* Each client's reply to RCPT: a stranger, trusted, LMTP, signed in. */
static const struct {
    const char *rcpt;
    const char *reply[CLIENTS];
} table[] = {
    {"bob@example.org", {TAKEN, TAKEN, TAKEN, TAKEN}},                       /* an account */
    {"away@example.org", {TAKEN, TAKEN, TAKEN, TAKEN}},                      /* an alias that leads away */
    {"astray@example.org", {BY_ROUTE, BY_ROUTE, BY_ROUTE, BY_ROUTE}},        /* … to where a route refuses */
    {"nobody@example.org", {"550 5.1.1", "550 5.1.1", "550 5.1.1", "550 5.1.1"}},
    {"x@aonly.example", {DENIED, TAKEN, TAKEN, TAKEN}},                      /* the world */
    {"x@sub.aonly.example", {DENIED, TAKEN, TAKEN, "550 5.1.2"}},            /* … that does not exist */
    {"x@null.example", {DENIED, TAKEN, TAKEN, "556 5.1.10"}},                /* … that takes no mail */
    {"x@broken.example", {DENIED, TAKEN, TAKEN, TAKEN}},                     /* … whose DNS is down */
    {"x@nomail.example", {DENIED, TAKEN, TAKEN, "550 5.1.2"}},               /* … with neither MX nor address */
    {"x@[192.0.2.9]", {DENIED, TAKEN, TAKEN, TAKEN}},                        /* an address */
    {"x@backup.example", {TAKEN, TAKEN, TAKEN, TAKEN}},                      /* we are its backup MX */
    {"x@a.backup.example", {DENIED, TAKEN, TAKEN, "550 5.1.2"}},             /* but not of what is below */
    {"x@b.deep.example", {TAKEN, TAKEN, TAKEN, TAKEN}},                      /* of all that is below this one */
    {"x@routed.example", {DENIED, TAKEN, TAKEN, TAKEN}},                     /* a route, which DNS does not know */
    {"x@unwanted.example", {BY_ROUTE, BY_ROUTE, BY_ROUTE, BY_ROUTE}},        /* a route that refuses */
    {"x@gone.example", {DENIED, TAKEN, TAKEN, TAKEN}},                       /* a route that throws away */
    {"aonly.example!x@example.org", {"550 5.1.1", "550 5.1.1", "550 5.1.1", "550 5.1.1"}}, /* old ways round */
    {"x%aonly.example@example.org", {"550 5.1.1", "550 5.1.1", "550 5.1.1", "550 5.1.1"}},
    {"\"x@aonly.example\"@example.org", {"550 5.1.1", "550 5.1.1", "550 5.1.1", "550 5.1.1"}},
    {"@example.org:x@aonly.example", {DENIED, TAKEN, TAKEN, TAKEN}},         /* a source route is none */
    /* forged */
    {"SRS0=aaaa=bb=aonly.example=x@mail.example.org", {"550 5.7.1", "550 5.7.1", "550 5.7.1", "550 5.7.1"}},
    {"postmaster", {TAKEN, TAKEN, TAKEN, TAKEN}},
};

static void route(struct office *o, const char *key, const char *target, bool accept)
{
    struct directory_route r = {.key = str_c(key), .target = str_c(target), .accept = accept};
    struct error e = {0};
    if (store_route_put(o->store, &r, &e) != 0) fail_msg("%s: %s", key, e.text);
}

static FIBER void routes(struct office *o, void *arg)
{
    (void)arg;
    sim_dns(o->sim, "sender.example. MX 10 mx.sender.example.\naonly.example. A 192.0.2.9\nnull.example. MX 0 .\n"
                    "broken.example. SERVFAIL\nnomail.example. TXT x\nbackup.example. MX 10 mx.backup.example.\n"
                    "b.deep.example. MX 10 mx.backup.example.\nelsewhere.example. A 192.0.2.8\n");
    route(o, "backup.example", "mx", true);
    route(o, "*.deep.example", "mx", true);
    route(o, "routed.example", "smtp://relay.example:25", false);
    route(o, "unwanted.example", "refuse:these we do not want", false);
    route(o, "gone.example", "discard", false);
    office_alias(o, "astray@example.org", "x@unwanted.example");
}

static void relays_for_whom_it_may(struct office *o)
{
    o->queue.srs_secret = S("a secret");
    office_do(o, routes, NULL);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        for (int c = 0; c < CLIENTS; c++) {
            struct str script = arena_printf(o->arena, "%sC: RCPT TO:<%s>\nS: %s\n" QUIT, clients[c].hello,
                                             table[i].rcpt, table[i].reply[c]);
            office_talk(o, *clients[c].ip, clients[c].port, arena_cstr(o->arena, script));
        }
    }
}

/* ---- what is taken waits for its next hop ---- */

struct waiting {
    struct queue_item *v;
    size_t n;
};

static FIBER void read_queue(struct office *o, void *arg)
{
    struct waiting *w = arg;
    struct error e = {0};
    bool more;
    const struct queue_filter all = {0};
    assert_int_equal(store_queue_list(o->store, o->arena, &all, (struct queue_place){0}, 100, &w->v, &w->n, &more, &e),
                     0);
}

static struct waiting waiting(struct office *o)
{
    struct waiting w = {0};
    office_do(o, read_queue, &w);
    return w;
}

static void wait_for_hop(struct office *o)
{
    office_do(o, routes, NULL);
    office_talk(o, stranger_ip, 25,
                HELLO "C: MAIL FROM:<a@sender.example>\nS: 250\nC: RCPT TO:<x@backup.example>\nS: 250\n"
                      "C: RCPT TO:<bob@example.org>\nS: 250\nC: RCPT TO:<away@example.org>\nS: 250\n"
                      "C: RCPT TO:<y@aonly.example>\nS: 550 5.7.1\nC: DATA\nS: 354\n" LETTER "S: 250 2.0.0\n" QUIT);
    struct waiting w = waiting(o);
    assert_int_equal(w.n, 2);
    assert_str(w.v[0].next_hop, S("backup.example"));
    assert_str(w.v[1].next_hop, S("elsewhere.example"));
    assert_true(w.v[1].forwarded && !w.v[0].forwarded);
    assert_int_equal(office_mail(o, "bob@example.org").n, 1);
}

/* ---- ETRN ---- */

#define RCPT(address) "C: RCPT TO:<" address ">\nS: 250\n"
#define TO_BACKUP \
    HELLO "C: MAIL FROM:<a@sender.example>\nS: 250\n" RCPT("x@b.deep.example") RCPT("y@c.deep.example") \
        RCPT("x@backup.example") "C: DATA\nS: 354\n" LETTER "S: 250 2.0.0\n" QUIT

static FIBER void defer_all(struct office *o, void *arg)
{
    const struct waiting *w = arg;
    struct settled rows[8] = {0};
    struct settlement t = {.message = w->v[0].message, .recipients = rows, .n = w->n};
    for (size_t i = 0; i < w->n; i++)
        rows[i] =
            (struct settled){.number = w->v[i].number, .what = SETTLE_POSTPONED, .due = clock_utc(o->world) + HOURS(4)};
    store_settle(o->store, &t, 1);
    assert_int_equal(t.result, 0);
}

static size_t count_due(struct office *o)
{
    struct waiting w = waiting(o);
    size_t n = 0;
    for (size_t i = 0; i < w.n; i++) n += w.v[i].due <= clock_utc(o->world);
    return n;
}

static void starts_what_waits(struct office *o)
{
    office_do(o, routes, NULL);
    office_talk(o, stranger_ip, 25, TO_BACKUP);
    struct waiting w = waiting(o);
    assert_int_equal(w.n, 3);
    office_do(o, defer_all, &w);
    assert_int_equal(count_due(o), 0);
    office_talk(o, stranger_ip, 25,
                HELLO
                "C: ETRN aonly.example\nS: 459 4.7.1\nC: ETRN example.org\nS: 459 4.7.1\nC: ETRN #q\nS: 459 4.7.1\n"
                "C: ETRN deep.example\nS: 459 4.7.1\nC: ETRN x..y\nS: 501 5.1.2\n" QUIT);
    assert_int_equal(count_due(o), 0);
    office_talk(o, stranger_ip, 25,
                HELLO "C: ETRN BACKUP.example\nS: 253 2.0.0 1\nC: ETRN a.deep.example\nS: 251 2.0.0\n" QUIT);
    assert_int_equal(count_due(o), 1);
    office_talk(o, friend_ip, 25,
                HELLO "C: ETRN deep.example\nS: 251 2.0.0\nC: ETRN @deep.example\nS: 253 2.0.0 2\n"
                      "C: ETRN aonly.example\nS: 251 2.0.0\n" QUIT);
    assert_int_equal(count_due(o), 3);
}

static void not_by_submission(struct office *o)
{
    office_talk(o, stranger_ip, 587, SIGNED_IN "C: ETRN example.org\nS: 502 5.5.1\n" QUIT);
    office_talk(o, friend_ip, 24, "S: 220\nC: LHLO x\nS: 250\nC: ETRN backup.example\nS: 502 5.5.1\n" QUIT);
}

/* ---- letters held back ---- */

static void holds_letters_back(struct office *o)
{
    o->service[1].hold_max = 86400;
    utc_us before = clock_utc(o->world);
    office_talk(o, stranger_ip, 587,
                SIGNED_IN
                "C: MAIL FROM:<alice@example.org> HOLDFOR=90000\nS: 501 5.5.4\n"
                "C: MAIL FROM:<alice@example.org> HOLDFOR=3600\nS: 250\nC: RCPT TO:<x@aonly.example>\nS: 250\n"
                "C: RCPT TO:<bob@example.org>\nS: 250\nC: DATA\nS: 354\n" FROM_ALICE
                "C: \nC: x\nC: .\nS: 250 2.0.0\n" QUIT);
    struct waiting w = waiting(o);
    assert_int_equal(w.n, 2); /* for one of us too: it is not to be read before its time */
    for (size_t i = 0; i < w.n; i++) {
        assert_in_range(w.v[i].due - before, SECONDS(3600), SECONDS(3700));
        assert_in_range(w.v[i].expires - w.v[i].due, DAYS(5) - SECONDS(10), DAYS(5));
    }
    assert_int_equal(office_mail(o, "bob@example.org").n, 0);
    office_talk(o, stranger_ip, 25, HELLO "C: MAIL FROM:<a@sender.example> HOLDFOR=3600\nS: 555 5.5.4\n" QUIT);
}

static void test_table(void **state)
{
    (void)state;
    office_run(relays_for_whom_it_may);
}
static void test_waits(void **state)
{
    (void)state;
    office_run(wait_for_hop);
}
static void test_etrn(void **state)
{
    (void)state;
    office_run(starts_what_waits);
}
static void test_etrn_elsewhere(void **state)
{
    (void)state;
    office_run(not_by_submission);
}
static void test_hold(void **state)
{
    (void)state;
    office_run(holds_letters_back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table), cmocka_unit_test(test_waits), cmocka_unit_test(test_etrn),
        cmocka_unit_test(test_etrn_elsewhere), cmocka_unit_test(test_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
