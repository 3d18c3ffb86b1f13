/* Power cuts at every file operation while letters are accepted together: a letter and the report of its success, a
 * letter that was held back and is handed over, a letter that failed and its report. Afterwards both are done or
 * neither, and what was acknowledged is. */
#include "queue/bounce.h"
#include "queue/post_fixture.h"

void scheduler_accepted(struct scheduler *s, const struct acceptance *a, struct str body)
{
    (void)s, (void)a, (void)body;
    fail_msg("there is no scheduler");
}

#define LETTER "From: alice@example.org\r\nSubject: a letter\r\nMessage-ID: <1@example.org>\r\n\r\nHello.\r\n"

struct cut {
    const struct deed *deed;
    int64_t at;
    bool happened;
};

struct scene {
    struct post_room p;
    const struct deed *deed;
    int64_t message;
    bool acknowledged;
};

struct deed {
    const char *name;
    void (*before)(struct scene *s);   /* FIBER: nothing fails yet */
    void (*act)(struct scene *s);      /* FIBER: the machine may die in it */
    void (*look)(struct scene *s);     /* FIBER: what must hold afterwards */
};

static struct sending letter_to(struct post_room *p, struct forward_path *path, const char *rcpt)
{
    *path = (struct forward_path){.address = address_of(p->arena, rcpt), .notify = DSN_NOTIFY_SUCCESS};
    return (struct sending){.from = {.address = address_of(p->arena, "alice@example.org"), .size = -1},
                            .trusted = true,
                            .to = path,
                            .n = 1,
                            .bytes = S(LETTER)};
}

static FIBER size_t count(struct scene *s, const char *account)
{
    size_t n;
    inbox_of(&s->p, account, &n);
    return n;
}

static FIBER bool waits(struct scene *s)
{
    struct error e = {0};
    struct queue_letter letter;
    int r = store_queue_letter(s->p.store, s->p.arena, s->message, &letter, &e);
    if (r != 0 && r != ERR_NOT_FOUND) fail_msg("%d: %s", r, e.text);
    return r == 0;
}

static FIBER void settle(struct scene *s, const struct parcel *parcel, struct acceptance *letters, size_t n)
{
    struct settled *rows = arena_array(s->p.arena, parcel->n, sizeof *rows);
    for (size_t i = 0; i < parcel->n; i++)
        rows[i] = (struct settled){.number = parcel->v[i].item.number, .what = SETTLE_GONE};
    struct settlement settlement = {.message = s->message, .recipients = rows, .n = parcel->n, .letters = letters,
                                    .n_letters = n};
    store_settle(s->p.store, &settlement, 1);
    s->acknowledged = settlement.result == 0;
}

/* ---- a letter and the report of its success ---- */

static FIBER void nothing_before(struct scene *s) { (void)s; }

static FIBER void accept_with_receipt(struct scene *s)
{
    struct forward_path path;
    struct reply result;
    const struct sending letter = letter_to(&s->p, &path, "carol@example.org");
    post_try(&s->p, s->p.arena, &letter, &result);
    s->acknowledged = result.code == 250;
}

static FIBER void look_for_receipt(struct scene *s)
{
    size_t letters = count(s, "carol@example.org"), reports = count(s, "alice@example.org");
    assert_true(letters <= 1 && letters == reports);
    if (s->acknowledged) assert_int_equal(letters, 1);
}

/* ---- a letter that was held back ---- */

static FIBER void hold(struct scene *s)
{
    struct forward_path path;
    struct sending letter = letter_to(&s->p, &path, "carol@example.org");
    letter.from.hold_for = 60;
    s->message = post_take_in(&s->p, &letter);
}

static FIBER void hand_over(struct scene *s)
{
    struct error e = {0};
    struct parcel parcel;
    struct acceptance *letters;
    size_t n;
    post_parcel(&s->p, s->message, S("local"), &parcel);
    if (posting_hand_over(&s->p.queue, s->p.arena, &parcel, &letters, &n, &e) != 0) return;
    assert_int_equal(n, 2);
    settle(s, &parcel, letters, n);
}

static FIBER void look_for_letter(struct scene *s)
{
    size_t letters = count(s, "carol@example.org"), reports = count(s, "alice@example.org");
    assert_int_equal(letters + waits(s), 1); /* here or there, exactly once */
    assert_int_equal(letters, reports);
    if (s->acknowledged) assert_int_equal(letters, 1);
}

/* ---- a letter that failed ---- */

static FIBER void send_away(struct scene *s)
{
    struct forward_path path;
    struct sending letter = letter_to(&s->p, &path, "x@elsewhere.example");
    path.notify = DSN_NOTIFY_UNSAID;
    s->message = post_take_in(&s->p, &letter);
}

static FIBER void bounce(struct scene *s)
{
    struct error e = {0};
    struct parcel parcel;
    struct acceptance *letters;
    struct record record;
    size_t n;
    post_parcel(&s->p, s->message, S("elsewhere.example"), &parcel);
    parcel.v[0].outcome = (struct outcome){.kind = OUTCOME_FAILED, .code = 550, .status = {5, 1, 1}, .remote = true};
    const struct report_recipient failed = {&parcel.v[0].item, &parcel.v[0].outcome, REPORT_FAILED, false};
    record_resume(&record, s->p.arena, clock_utc(s->p.world));
    if (bounce_reports(&s->p.queue, s->p.arena, &parcel, &failed, 1, &letters, &n, &record, &e) != 0) return;
    assert_int_equal(n, 1);
    settle(s, &parcel, letters, n);
}

static FIBER void look_for_report(struct scene *s)
{
    size_t reports = count(s, "alice@example.org");
    assert_int_equal(reports + waits(s), 1);
    if (s->acknowledged) assert_int_equal(reports, 1);
}

/* ---- the sweep ---- */

static FIBER void before(void *arg)
{
    struct scene *s = arg;
    post_people(&s->p);
    s->deed->before(s);
}

static FIBER void act(void *arg)
{
    struct scene *s = arg;
    s->deed->act(s);
}

static FIBER void look(void *arg)
{
    struct scene *s = arg;
    s->deed->look(s);
}

static void run_cut(struct sim *sim, void *arg)
{
    struct cut *c = arg;
    struct scene s = {.deed = c->deed};
    post_room_begin(&s.p, sim);
    post_room_fiber(&s.p, before, &s);
    sim_crash_at(s.p.world, c->at);
    post_room_fiber(&s.p, act, &s);
    c->happened = sim_crashed(s.p.world);
    if (!c->happened) {
        sim_crash_at(s.p.world, 0);
        assert_true(s.acknowledged);
    }
    post_room_close(&s.p);
    if (c->happened) s.p.world = sim_restart(s.p.world);
    post_room_open(&s.p);
    post_room_fiber(&s.p, look, &s);
    post_room_close(&s.p);
}

static void sweep(const struct deed *deed)
{
    int64_t at = 1;
    for (struct cut c = {deed, at, true}; c.happened; c.at = ++at) {
        sim_twice((uint64_t)at, run_cut, &c);
        if (at > 200) fail_msg("%s never ends", deed->name);
    }
    assert_true(at > 3); /* it had been cut somewhere */
}

static void test_accepted_with_its_receipt(void **state)
{
    static const struct deed deed = {"receipt", nothing_before, accept_with_receipt, look_for_receipt};
    (void)state;
    sweep(&deed);
}

static void test_handed_over(void **state)
{
    static const struct deed deed = {"hand-over", hold, hand_over, look_for_letter};
    (void)state;
    sweep(&deed);
}

static void test_bounced(void **state)
{
    static const struct deed deed = {"bounce", send_away, bounce, look_for_report};
    (void)state;
    sweep(&deed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted_with_its_receipt),
        cmocka_unit_test(test_handed_over),
        cmocka_unit_test(test_bounced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
