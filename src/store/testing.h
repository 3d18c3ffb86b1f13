/* For the store's own tests: a store in either world, an account, letters to accept. */
#ifndef STORE_TESTING_H
#define STORE_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "io/sim.h"
#include "store/entries.h"
#include "store/inside.h"
#include "store/mailboxes.h"

#define TESTING __attribute__((unused)) static

static const struct ip test_ip = {4, {10, 0, 0, 1}};

struct testing { /* one node with one store */
    struct sim *sim; /* NULL: the real world */
    struct world *world;
    struct store *store;
    struct loop *loop;
    struct arena *arena;
    const char *folder;
    int64_t account, inbox;
    int64_t low_water;
    bool count_expunged;
};

static inline void ok(int r, const struct error *e)
{
    if (r != 0) fail_msg("%d: %s", r, e->text);
}

TESTING void testing_open(struct testing *t)
{
    struct store_options o = {.folder = t->folder, .low_water_bytes = t->low_water ? t->low_water : 1,
                              .count_expunged = t->count_expunged};
    struct error e = {0};
    ok(store_open(t->world, &o, &t->store, &e), &e);
    t->loop = loop_new(t->world);
    if (!t->arena) t->arena = arena_new(NULL, 0);
}

TESTING void testing_begin(struct testing *t, struct sim *sim)
{
    t->sim = sim;
    t->folder = "/data";
    t->world = sim_node(sim, "node", test_ip);
    testing_open(t);
}

/* Runs fn(arg) as a fiber until nothing is left to do. */
TESTING void testing_run(struct testing *t, void (*fn)(void *), void *arg)
{
    loop_spawn(t->loop, fn, arg);
    if (t->sim) sim_run(t->sim, FOREVER);
    else loop_run(t->loop);
}

/* The machine that has crashed starts again; the store is to be opened. */
TESTING void testing_restart(struct testing *t)
{
    loop_free(t->loop);
    store_close(t->store);
    t->world = sim_restart(t->world);
}

TESTING void testing_close(struct testing *t)
{
    loop_stop(t->loop);
    if (t->sim) sim_run(t->sim, FOREVER);
    loop_free(t->loop);
    arena_free(t->arena); /* bodies in it belong to the store */
    t->arena = NULL;
    store_close(t->store);
    t->store = NULL;
}

/* example.org with bob in it. */
TESTING FIBER void testing_account(struct testing *t)
{
    struct error e = {0};
    struct address bob = {S("bob"), S("example.org")};
    struct new_account n = {.shown = bob, .key = bob, .name = S("Bob"), .credential.password_hash = S("$y$hash")};
    ok(store_domain_add(t->store, S("example.org"), S(""), &e), &e);
    ok(store_account_add(t->store, &n, &t->account, &e), &e);
    const struct directory *d = store_directory(t->store);
    t->inbox = directory_account_by_id(d, t->account)->inbox;
    directory_unref(d);
}

/* Another account of example.org. */
TESTING FIBER int64_t add_account(struct testing *t, const char *local)
{
    struct error e = {0};
    int64_t id = 0;
    struct address a = {str_c(local), S("example.org")};
    ok(store_account_add(t->store, &(struct new_account){.shown = a, .key = a}, &id, &e), &e);
    return id;
}

/* Runs a fiber over a new store, in the simulated world, twice. */
TESTING void run_on_store(struct sim *sim, void *arg)
{
    struct testing t = {0};
    void (*fn)(void *) = *(void (**)(void *))arg;
    testing_begin(&t, sim);
    testing_run(&t, fn, &t);
    testing_close(&t);
}

TESTING void twice(void (*fn)(void *)) { sim_twice(1, run_on_store, &fn); }

/* ---- letters ---- */

struct letter_out { /* one acceptance with one delivery and all it points to */
    struct acceptance a;
    struct delivery d;
    struct body_facts facts;
    struct trace_recipient to;
    struct trace_event events[2];
    uint64_t refs[2];
    int64_t uid;
};

TESTING FIBER int letter_fill(struct testing *t, struct arena *a, struct letter_out *l, struct str text,
                              uint64_t message_hash, struct error *e)
{
    struct store *s = t->store;
    utc_us now = clock_utc(t->world);
    struct body *b = body_begin(s, a);
    int r = body_write(b, text, e);
    if (!r) r = body_finish(b, e);
    if (r) return r;
    struct address bob = {S("bob"), S("example.org")};
    *l = (struct letter_out){.d = {.account = t->account,
                                   .prefix = S("Return-Path: <ann@example.net>\r\nDelivered-To: bob@example.org\r\n")},
                             .facts = {.version = 1,
                                       .envelope = S("envelope"),
                                       .structure = S("structure"),
                                       .preview = S("preview"),
                                       .message_id = S("1@example.net"),
                                       .subject = S("a letter"),
                                       .sha256 = body_sha256(b)},
                             .to = {.path.address = bob},
                             .events = {{.at = now,
                                         .kind = TRACE_ACCEPTED,
                                         .recipient = -1,
                                         .code = 250,
                                         .status = E(2, 0, 0),
                                         .text = S("queued")},
                                        {.at = now, .kind = TRACE_DELIVERED, .text = S("INBOX")}},
                             .refs = {message_hash},
                             .a = {.id = store_new_id(s),
                                   .session = 7,
                                   .received_at = now,
                                   .body = b,
                                   .prefix = S("Received: from here\r\n"),
                                   .from = {.address = {S("ann"), S("example.net")}, .size = -1},
                                   .n_recipients = 1,
                                   .n_deliveries = 1,
                                   .n_events = 2}};
    l->facts.thread_refs = l->refs;
    l->facts.n_thread_refs = message_hash != 0;
    l->a.facts = &l->facts;
    l->a.recipients = &l->to;
    l->a.deliveries = &l->d;
    l->a.events = l->events;
    return 0;
}

/* Accepts one letter to bob. */
TESTING FIBER int letter_accept(struct testing *t, struct str text, uint64_t message_hash, struct letter_out *l,
                                struct error *e)
{
    struct arena *a = arena_new(NULL, 0);
    struct letter_out own;
    int r = letter_fill(t, a, l ? l : &own, text, message_hash, e);
    if (!r) r = store_accept(t->store, l ? &l->a : &own.a, e);
    arena_free(a);
    return r;
}

/* ---- letters that wait ---- */

enum { QUEUED_MOST = 8 };

struct queued_out { /* a letter for recipients elsewhere, each to wait for its domain's next hop */
    struct letter_out l;
    struct trace_recipient to[QUEUED_MOST];
    struct queued q[QUEUED_MOST];
    struct trace_event event;
};

static inline struct address address_of(const char *text)
{
    struct address a;
    str_cut(str_c(text), '@', &a.local, &a.domain);
    return a;
}

#define TO(...) ((const char *const[]){__VA_ARGS__, NULL})

/* to: "far@example.com", up to QUEUED_MOST, NULL after the last: TO(…). */
TESTING FIBER int queued_fill(struct testing *t, struct arena *a, struct queued_out *o, struct str text,
                              const char *const *to, struct error *e)
{
    int r = letter_fill(t, a, &o->l, text, 0, e);
    struct acceptance *l = &o->l.a;
    l->n_deliveries = 0;
    l->n_recipients = 0;
    for (; !r && to[l->n_recipients]; l->n_recipients++) {
        size_t i = l->n_recipients;
        o->to[i] = (struct trace_recipient){.path = {.address = address_of(to[i]), .orcpt = STR_NONE}};
        o->q[i] = (struct queued){.recipient = (uint32_t)i,
                                  .final = o->to[i].path.address,
                                  .next_hop = o->to[i].path.address.domain,
                                  .not_before = l->received_at,
                                  .expires = l->received_at + DAYS(5)};
    }
    o->event = (struct trace_event){.at = l->received_at, .kind = TRACE_ACCEPTED, .recipient = -1};
    l->recipients = o->to;
    l->queue = o->q;
    l->n_queue = l->n_recipients;
    l->events = &o->event;
    l->n_events = 1;
    return r;
}

/* Accepts one; its message id. */
TESTING FIBER int64_t queued_accept(struct testing *t, struct str text, const char *const *to)
{
    struct error e = {0};
    struct arena *a = arena_new(NULL, 0);
    struct queued_out o;
    ok(queued_fill(t, a, &o, text, to, &e), &e);
    ok(store_accept(t->store, &o.l.a, &e), &e);
    arena_free(a);
    return o.l.a.id;
}

/* All rows that match, held ones too. */
TESTING FIBER struct queue_item *queue_all(struct testing *t, const struct queue_filter *f, size_t *n)
{
    struct error e = {0};
    struct queue_item *v;
    bool more;
    ok(store_queue_list(t->store, t->arena, f, (struct queue_place){0}, 100000, &v, n, &more, &e), &e);
    assert_false(more);
    return v;
}

/* The one row of a message. */
TESTING FIBER struct queue_item queue_only(struct testing *t, int64_t message)
{
    size_t n;
    struct queue_item *v = queue_all(t, &(struct queue_filter){.message = message}, &n);
    assert_int_equal(n, 1);
    return v[0];
}

/* A page of what is due. */
TESTING FIBER struct queue_item *queue_due(struct testing *t, const char *hop, struct queue_place after, utc_us until,
                                           size_t max, size_t *n, bool *more, utc_us *next)
{
    struct error e = {0};
    struct queue_item *v;
    ok(store_queue_due(t->store, t->arena, *hop ? str_c(hop) : STR_NONE, after, until, max, &v, n, more, next, &e), &e);
    return v;
}

/* A simulated node is not infinitely fast. */
TESTING void assert_about(utc_us a, utc_us b)
{
    if (a < b || a > b + SECONDS(1)) fail_msg("%lld, not %lld", (long long)a, (long long)b);
}

/* Settles one row; the result. */
TESTING FIBER int queue_settle(struct testing *t, int64_t message, struct settled d, struct str words)
{
    struct trace_event event = {.at = clock_utc(t->world), .kind = TRACE_ATTEMPT, .text = words};
    struct settlement v = {.message = message, .recipients = &d, .n = 1, .events = &event, .n_events = 1};
    store_settle(t->store, &v, 1);
    return v.result;
}

/* All entries of a mailbox, with sizes. */
TESTING FIBER struct entry *entries_of(struct testing *t, int64_t mailbox, size_t *n)
{
    struct error e = {0};
    struct entry *all = NULL, *page;
    size_t n_page;
    bool more = true;
    *n = 0;
    while (more) {
        ok(store_entries(t->store, t->arena, mailbox, *n ? all[*n - 1].uid : 0, 1000, true, &page, &n_page, &more, &e),
           &e);
        struct entry *joined = arena_array(t->arena, *n + n_page, sizeof *joined);
        if (*n) memcpy(joined, all, *n * sizeof *joined);
        if (n_page) memcpy(joined + *n, page, n_page * sizeof *joined);
        all = joined;
        *n += n_page;
    }
    return all;
}

/* As the owner of the account does it. */
TESTING FIBER int flag_letters(struct testing *t, int64_t mailbox, const struct uid_set *uids, flag_set add,
                               flag_set remove, struct error *e)
{
    struct arena *a = arena_new(NULL, 0);
    struct flags_change c = {.who = t->account, .mailbox = mailbox, .uids = uids, .how = FLAGS_ADD, .flags = add,
                             .unchanged_since = UINT64_MAX};
    int r = add ? store_flags_change(t->store, a, &c, e) : 0;
    struct flags_change d = {.who = t->account, .mailbox = mailbox, .uids = uids, .how = FLAGS_REMOVE, .flags = remove,
                             .unchanged_since = UINT64_MAX};
    if (!r && (remove || !add)) r = store_flags_change(t->store, a, &d, e);
    arena_free(a);
    return r;
}

TESTING FIBER int expunge_letters(struct testing *t, int64_t mailbox, const struct uid_set *uids, size_t *gone,
                                  struct error *e)
{
    struct arena *a = arena_new(NULL, 0);
    struct uid_set set = {0};
    int r = store_expunge_set(t->store, a, t->account, mailbox, uids, false, &set, e);
    *gone = (size_t)uid_set_count(&set);
    arena_free(a);
    return r;
}

/* A whole letter as its owner reads it. */
TESTING FIBER struct str read_whole(struct testing *t, int64_t email)
{
    struct error e = {0};
    struct letter l;
    struct str bytes;
    ok(store_letter(t->store, t->arena, t->account, email, &l, &e), &e);
    ok(store_letter_read(t->store, t->arena, &l, 0, (size_t)l.size, &bytes, &e), &e);
    return bytes;
}

#define PREFIXES "Return-Path: <ann@example.net>\r\nDelivered-To: bob@example.org\r\nReceived: from here\r\n"

TESTING void ignore_finding(void *arg, const char *line, bool finding) { (void)arg, (void)line, (void)finding; }

TESTING void print_finding(void *arg, const char *line, bool finding)
{
    (void)arg;
    if (finding) print_message("finding: %s\n", line);
}

/* Nothing is wrong with the store. */
TESTING FIBER void assert_sound(struct testing *t)
{
    struct error e = {0};
    int64_t bad = -1;
    ok(store_verify(t->store, true, print_finding, NULL, &bad, &e), &e);
    assert_int_equal(bad, 0);
}

#endif
