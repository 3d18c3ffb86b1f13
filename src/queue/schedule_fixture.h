/* For the scheduler's tests: a town that has a store and a scheduler in the simulated world, and a carrier that does as
 * the test says. */
#ifndef QUEUE_SCHEDULE_FIXTURE_H
#define QUEUE_SCHEDULE_FIXTURE_H

#include "base/test.h"
#include "mail/limits.h"
#include "queue/schedule.h"
#include "store/testing.h"

#pragma GCC diagnostic ignored "-Wunused-function"

enum { HOPS = 8 };

struct carried { /* one recipient, once */
    int64_t message;
    int32_t number;
    struct str to;
    utc_us at;
    enum outcome_kind kind;
};

struct behaviour { /* of a next hop */
    struct str key;
    enum errand_end refuses; /* not ERRAND_DONE: no parcel is served */
    struct outcome outcome;  /* of each recipient; kind OUTCOME_UNTRIED: delivered */
    int64_t takes_us;
    int most;                /* connections at once, else it is busy; 0 any */
    int now, peak, errands;  /* connections */
    size_t knocks;           /* connections that served nobody */
    size_t parcels;
};

struct town { /* a post office with nothing but a queue */
    struct testing t;
    struct queue queue;
    struct post_office post;
    struct scheduler *scheduler;
    struct behaviour hops[HOPS];
    size_t n_hops;
    struct carried *carried;
    size_t n_carried, room;
    struct arena *memory;
    int letters; /* handed in */
    int64_t most_in_memory;
    void (*act)(struct town *w);
    utc_us began;
    uint64_t seed;
};

static struct behaviour *behaviour_of(struct town *w, struct str key)
{
    for (size_t i = 0; i < w->n_hops; i++)
        if (str_eq(w->hops[i].key, key)) return &w->hops[i];
    assert_true(w->n_hops < HOPS);
    w->hops[w->n_hops] = (struct behaviour){.key = arena_str(w->memory, key)};
    return &w->hops[w->n_hops++];
}

/* ---- the carrier ---- */

static void note(struct town *w, const struct out_recipient *r)
{
    w->carried = arena_grow(w->memory, w->carried, w->n_carried, &w->room, sizeof *w->carried);
    w->carried[w->n_carried++] = (struct carried){.message = r->item.message,
                                                  .number = r->item.number,
                                                  .to = address_str(w->memory, r->item.final),
                                                  .at = clock_utc(w->t.world),
                                                  .kind = r->outcome.kind};
}

static void fill(struct town *w, const struct behaviour *b, struct parcel *p)
{
    p->contact = (struct contact){.host = arena_printf(p->arena, "mx.%.*s", STR_FMT(p->hop->key))};
    for (size_t i = 0; i < p->n; i++) {
        p->v[i].outcome = b->outcome;
        if (b->outcome.kind == OUTCOME_UNTRIED)
            p->v[i].outcome = (struct outcome){.kind = OUTCOME_DELIVERED,
                                               .remote = true,
                                               .code = 250,
                                               .status = E(2, 0, 0),
                                               .text = S("taken")};
        note(w, &p->v[i]);
    }
    int64_t now = scheduler_stats(w->scheduler).recipients;
    if (now > w->most_in_memory) w->most_in_memory = now;
}

static FIBER enum errand_end carry(void *arg, struct errand *e)
{
    struct town *w = arg;
    struct behaviour *b = behaviour_of(w, e->hop->key);
    enum errand_end end = b->most && b->now >= b->most ? ERRAND_BUSY : b->refuses;
    b->errands++;
    b->now++;
    if (b->now > b->peak) b->peak = b->now;
    for (struct parcel *p; (p = errand_next(e, SECONDS(2)));) {
        if (b->takes_us) fiber_sleep(b->takes_us);
        else fiber_yield();
        fill(w, b, p);
        b->parcels++;
        if (end != ERRAND_DONE) {
            static const struct outcome refused = {
                .kind = OUTCOME_DEFERRED, .status = {4, 4, 1}, .text = S_INIT("nobody answers")};
            for (size_t i = 0; i < p->n; i++) p->v[i].outcome = refused;
            w->n_carried -= p->n; /* it was not */
        }
        errand_give_back(e, p);
        if (end != ERRAND_DONE) break;
    }
    b->knocks += end != ERRAND_DONE;
    b->now--;
    return end;
}

static void plan_local(struct arena *a, const struct directory_account *account, const struct transaction *t,
                       const struct body_facts *facts, struct plan *out)
{
    (void)t;
    (void)facts;
    out->actions = arena_new_of(a, struct plan_action);
    out->actions[0] = (struct plan_action){.kind = PLAN_FILE, .mailbox = account->inbox, .why = S("INBOX")};
    out->n = 1;
}

/* ---- beginning and end ---- */

static void town_start(struct town *w)
{
    w->post = (struct post_office){.plan_local = plan_local, .carry = carry, .carry_arg = w};
    w->queue = (struct queue){.world = w->t.world,
                              .store = w->t.store,
                              .post = &w->post,
                              .rules = {S("mail.example.org"), '+'},
                              .hostname = S("mail.example.org"),
                              .srs_secret = S("secret")};
    w->scheduler = scheduler_new(w->t.loop, &w->queue, &(struct schedule_options){.recipients = 300});
    w->queue.scheduler = w->scheduler;
}

static void town_stop(struct town *w)
{
    loop_stop(w->t.loop);
    sim_run(w->t.sim, FOREVER);
    scheduler_free(w->scheduler);
    loop_free(w->t.loop);
    w->t.loop = loop_new(w->t.world);
}

static FIBER void open_account(void *arg) { testing_account(arg); }

static void town_run(struct town *w, int64_t span) { sim_run(w->t.sim, clock_mono(w->t.world) + span); }

static void in_town(struct sim *sim, void *arg)
{
    struct town w = {.act = *(void (**)(struct town *))arg};
    w.memory = arena_new(NULL, 0);
    sim_set_utc(sim, INT64_C(1795310400) * US_PER_S);
    testing_begin(&w.t, sim);
    testing_run(&w.t, open_account, &w.t);
    town_start(&w);
    w.began = clock_utc(w.t.world);
    w.act(&w);
    town_stop(&w);
    testing_close(&w.t);
    arena_free(w.memory);
}

static void town_twice(void (*act)(struct town *)) { sim_twice(5, in_town, &act); }

/* ---- handing in ---- */

struct handing_in {
    struct town *town;
    const char *sender, *to; /* to: "%d" is the letter's number */
    int n, from;
    unsigned notify;
    int priority;
    bool null_sender, held_back_an_hour, unknown, forwarded;
};

static struct address parsed(struct arena *a, struct str text)
{
    struct address x;
    assert_int_equal(address_parse(a, text, &x), 0);
    return x;
}

static FIBER void hand_in_one(const struct handing_in *h, struct arena *a, int number)
{
    struct town *w = h->town;
    struct letter_out l;
    struct error e = {0};
    ok(letter_fill(&w->t, a, &l, S("Subject: hello\r\n\r\ntext\r\n"), 0, &e), &e);
    struct buf *to = buf_in(a, 200);
    buf_printf(to, "%.*s", STR_FMT(str_c(h->to)));
    struct str text = buf_str(to);
    if (str_find(text, S("%d")) < text.n) {
        size_t at = str_find(text, S("%d"));
        text = arena_printf(a, "%.*s%d%.*s", (int)at, text.p, number, STR_FMT(str_skip(text, at + 2)));
    }
    struct queued q = {.final = parsed(a, text),
                       .notify = h->notify,
                       .priority = h->priority,
                       .forwarded = h->forwarded,
                       .not_before = clock_utc(w->t.world) + (h->held_back_an_hour ? HOURS(1) : 0),
                       .expires = clock_utc(w->t.world) + (h->null_sender ? SPAN_EXPIRES_NULL : SPAN_EXPIRES),
                       .leased = !h->held_back_an_hour};
    q.next_hop = q.final.domain;
    l.to.path = (struct forward_path){.address = q.final, .notify = h->notify};
    l.a.from.address = h->null_sender ? (struct address){0} : parsed(a, str_c(h->sender));
    l.a.authenticated = !h->unknown;
    l.a.n_deliveries = 0;
    l.a.n_events = 1;
    l.a.queue = &q;
    l.a.n_queue = 1;
    ok(store_accept(w->t.store, &l.a, &e), &e);
    scheduler_accepted(w->scheduler, &l.a, body_memory(l.a.body));
    w->letters++;
}

static FIBER void hand_in(void *arg)
{
    const struct handing_in *h = arg;
    struct arena *a = arena_new(NULL, 0);
    for (int i = 0; i < h->n; i++) {
        arena_reset(a);
        hand_in_one(h, a, h->from + i);
    }
    arena_free(a);
}

static void send_letters(struct town *w, struct handing_in h)
{
    h.town = w;
    if (!h.sender) h.sender = "bob@example.org";
    loop_spawn(w->t.loop, hand_in, &h);
    town_run(w, SECONDS(h.n / 50 + 1));
}

/* ---- looking ---- */

struct look {
    struct town *town;
    size_t waiting, held;
    struct queue_item *v;
    struct trace_row *rows;
    size_t n_rows;
    size_t inbox;
};

static FIBER void look_around(void *arg)
{
    struct look *l = arg;
    struct town *w = l->town;
    struct error e = {0};
    struct queue_place after = {0, 0, -1};
    struct queue_filter all = {0};
    bool more = true;
    while (more) {
        struct queue_item *v;
        size_t n;
        ok(store_queue_list(w->t.store, w->memory, &all, after, 500, &v, &n, &more, &e), &e);
        for (size_t i = 0; i < n; i++) l->held += v[i].held;
        if (n) after = (struct queue_place){0, v[n - 1].message, v[n - 1].number};
        if (n) l->v = v;
        l->waiting += n;
        if (n == 0) break;
    }
    ok(store_trace_read(w->t.store, w->memory, 0, 0, 100000, &l->rows, &l->n_rows, &e), &e);
    struct entry *in = entries_of(&w->t, w->t.inbox, &l->inbox);
    (void)in;
}

static struct look look(struct town *w)
{
    struct look l = {.town = w};
    loop_spawn(w->t.loop, look_around, &l);
    town_run(w, (200 * US_PER_MS));
    return l;
}

static size_t count_events(const struct look *l, enum trace_kind k)
{
    size_t n = 0;
    for (size_t i = 0; i < l->n_rows; i++)
        for (size_t j = 0; j < l->rows[i].n_events; j++) n += l->rows[i].events[j].kind == k;
    return n;
}

static size_t times_delivered(const struct town *w, int64_t message)
{
    size_t n = 0;
    for (size_t i = 0; i < w->n_carried; i++)
        n += w->carried[i].message == message && w->carried[i].kind == OUTCOME_DELIVERED;
    return n;
}

static void all_delivered_once(const struct town *w, size_t letters)
{
    size_t delivered = 0;
    for (size_t i = 0; i < w->n_carried; i++) {
        if (w->carried[i].kind != OUTCOME_DELIVERED) continue;
        delivered++;
        assert_int_equal(times_delivered(w, w->carried[i].message), 1);
    }
    assert_int_equal(delivered, letters);
}

/* ---- what the owner says ---- */

struct owner {
    struct town *town;
    struct queue_filter filter;
    enum queue_change what;
    int64_t changed;
    struct directory_destination destination;
    bool says_of_hop, done;
};

static FIBER void owner_acts(void *arg)
{
    struct owner *o = arg;
    struct error e = {0};
    int r;
    do { /* a disk may fail under him, too */
        if (o->says_of_hop) r = store_destination_put(o->town->t.store, &o->destination, &e);
        else r = store_queue_change(o->town->t.store, &o->filter, o->what, S("test"), &o->changed, &e);
        if (r) fiber_sleep(SECONDS(1));
    } while (r && !fiber_cancelled());
    o->done = true;
    scheduler_look_again(o->town->scheduler);
}

static void change(struct town *w, struct queue_filter f, enum queue_change what)
{
    struct owner o = {.town = w, .filter = f, .what = what};
    loop_spawn(w->t.loop, owner_acts, &o);
    do town_run(w, SECONDS(5));
    while (!o.done);
}

static void say_of_hop(struct town *w, const char *key, bool suspended, int64_t per_hour)
{
    struct owner o = {.town = w, .says_of_hop = true, .destination = {str_c(key), suspended, per_hour}};
    loop_spawn(w->t.loop, owner_acts, &o);
    do town_run(w, SECONDS(1));
    while (!o.done);
}

#endif
