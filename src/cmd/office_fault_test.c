/* The post office when things break: each file operation fails in turn, the power is cut at each, links are reset and
 * cut reads short. What was answered 250 is in the mailbox exactly once afterwards; what was not, at most once; every
 * reply is a legal one. */
#include "cmd/office_fixture.h"

enum { LETTERS = 4 };

struct sender { /* hands in one letter, as an MTA would: until it hears 2xx or 5xx, or gives up */
    struct office *office;
    struct loop *loop;
    int number, tries, code; /* of the last reply to the data; 0: none was heard */
    bool heard_250;
};

static FIBER int reply_code(struct stream *s)
{
    struct str line;
    do {
        if (stream_line(s, 4096, &line) != 0) return 0;
    } while (line.n > 3 && line.p[3] == '-');
    uint64_t code = 0;
    str_to_u64(str_head(line, 3), 599, &code);
    assert_true(code >= 200 && code < 600 && (line.n == 3 || line.p[3] == ' '));
    return (int)code;
}

static FIBER int ask(struct stream *s, struct str words)
{
    stream_write(s, words);
    return reply_code(s);
}

static FIBER int hand_in(struct sender *me, struct stream *s)
{
    struct buf letter = BUF(1000);
    buf_printf(&letter,
               "From: <a@sender.example>\r\nMessage-ID: <%d@sender.example>\r\nSubject: letter %d\r\n\r\ntext\r\n.\r\n",
               me->number, me->number);
    int code = reply_code(s);
    if (code == 220) code = ask(s, S("EHLO client.example\r\n"));
    if (code == 250) code = ask(s, S("MAIL FROM:<a@sender.example>\r\n"));
    if (code == 250) code = ask(s, S("RCPT TO:<bob@example.org>\r\n"));
    if (code == 250) code = ask(s, S("RCPT TO:<alice@example.org>\r\n"));
    if (code == 250) code = ask(s, S("DATA\r\n"));
    if (code == 354) {
        code = ask(s, buf_str(&letter));
        me->heard_250 |= code == 250;
    }
    buf_free(&letter);
    return code;
}

static FIBER void send_until_answered(void *arg)
{
    struct sender *me = arg;
    while (!me->heard_250 && me->tries++ < 1) {
        struct stream *s;
        if (stream_connect((struct endpoint){office_ip, 25}, (struct ip){0}, loop_now() + MINUTES(1), &s, NULL) != 0)
            continue;
        stream_deadline(s, loop_now() + MINUTES(10));
        me->code = hand_in(me, s);
        stream_close(s);
    }
}

/* Sends LETTERS letters one after another from a stranger's node. */
static void send_all(struct office *o, struct sender *senders)
{
    struct world *w = sim_node(o->sim, "sender", stranger_ip);
    struct loop *l = loop_new(w);
    for (int i = 0; i < LETTERS; i++) {
        senders[i] = (struct sender){.office = o, .loop = l, .number = i};
        loop_spawn(l, send_until_answered, &senders[i]);
        sim_run(o->sim, clock_mono(w) + MINUTES(20));
    }
    loop_stop(l);
    sim_run(o->sim, clock_mono(w) + MINUTES(1));
    loop_free(l);
    world_free(w);
}

static size_t copies(const struct office_mail *m, int number)
{
    char subject[40];
    int n = snprintf(subject, sizeof subject, "\r\nSubject: letter %d\r\n", number);
    size_t found = 0;
    for (size_t i = 0; i < m->n; i++) found += str_find(m->text[i], str_of(subject, (size_t)n)) < m->text[i].n;
    return found;
}

static void check_all(struct office *o, const struct sender *senders)
{
    struct office_mail bob = office_mail(o, "bob@example.org"), alice = office_mail(o, "alice@example.org");
    for (int i = 0; i < LETTERS; i++) {
        size_t b = copies(&bob, i), a = copies(&alice, i);
        assert_int_equal(a, b); /* all recipients of a message, or none */
        if (senders[i].heard_250) assert_int_equal(b, 1);
        else assert_true(b <= 1);
    }
}

/* ---- a file operation fails ---- */

static void fail_one(struct sim *sim, void *arg)
{
    int64_t *nth = arg;
    struct office o;
    struct sender senders[LETTERS];
    office_open(&o, sim);
    int64_t before = sim_file_operations(o.world);
    sim_fail_at(o.world, *nth, *nth % 2 ? ERR_IO : ERR_NO_SPACE);
    send_all(&o, senders);
    int64_t used = sim_file_operations(o.world) - before;
    for (int i = 0; i < LETTERS; i++)
        assert_true(senders[i].code == 250 || (senders[i].code >= 400 && senders[i].code < 500));
    check_all(&o, senders);
    office_close(&o);
    if (*nth > used) *nth = 0; /* beyond the last one: the sweep is over */
}

static void test_each_file_operation_fails(void **state)
{
    (void)state;
    int64_t swept = 0;
    for (int64_t n = 1;; n++, swept++) {
        int64_t nth = n;
        struct sim *sim = sim_new(5);
        fail_one(sim, &nth);
        sim_free(sim);
        if (nth == 0) break;
    }
    assert_true(swept >= 3 * LETTERS);
}

/* ---- the power is cut ---- */

static void reopen(struct office *o)
{
    for (int i = 0; i < 3; i++) listener_stop(o->listener[i]);
    loop_stop(o->loop);
    sim_run(o->sim, clock_mono(o->world) + MINUTES(1));
    for (int i = 0; i < 3; i++) listener_free(o->listener[i]);
    resolver_free(o->resolver);
    login_free(o->login);
    gate_free(o->gate);
    store_close(o->store);
    loop_free(o->loop);
    o->world = sim_restart(o->world);
    o->loop = loop_new(o->world);
    struct error e = {0};
    if (store_open(o->world, &(struct store_options){.folder = "/post"}, &o->store, &e) != 0) fail_msg("%s", e.text);
    o->queue.store = o->store;
}

static void test_the_power_is_cut_at_each_file_operation(void **state)
{
    (void)state;
    int64_t n = 1;
    for (bool crashed = true; crashed; n++) {
        struct sim *sim = sim_new((uint64_t)(100 + n));
        struct office o;
        struct sender senders[LETTERS];
        office_open(&o, sim);
        sim_crash_at(o.world, n);
        send_all(&o, senders);
        crashed = sim_crashed(o.world);
        if (crashed) {
            reopen(&o);
            check_all(&o, senders);
            loop_stop(o.loop);
            sim_run(sim, FOREVER);
            store_close(o.store);
            loop_free(o.loop);
            arena_free(o.arena);
        } else {
            check_all(&o, senders);
            office_close(&o);
        }
        sim_free(sim);
    }
    assert_true(n > 20);
}

/* ---- the network is bad ---- */

static void bad_network(struct sim *sim, void *arg)
{
    (void)arg;
    struct office o;
    struct sender senders[LETTERS];
    office_open(&o, sim);
    sim_set_faults(sim, (struct sim_faults){.connection_reset = 30000,
                                            .short_read = 500000,
                                            .latency_max_us = SECONDS(2),
                                            .job_latency_max_us = 100000});
    send_all(&o, senders);
    sim_set_faults(sim, (struct sim_faults){0});
    check_all(&o, senders);
    office_close(&o);
}

static void test_bad_network(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) sim_twice(seed, bad_network, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_file_operation_fails),
        cmocka_unit_test(test_the_power_is_cut_at_each_file_operation),
        cmocka_unit_test(test_bad_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
