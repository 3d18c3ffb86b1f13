/* For tests of what the queue writes: a post office without sessions, in the simulated world. One node with a store,
 * the people of example.org, and a queue whose letters can be read back from mailboxes and rows. */
#ifndef QUEUE_POST_FIXTURE_H
#define QUEUE_POST_FIXTURE_H

#include <stdlib.h>

#include "base/test.h"
#include "io/sim.h"
#include "mail/limits.h"
#include "proto/mime/decode.h"
#include "proto/mime/parse.h"
#include "queue/posting.h"
#include "queue/schedule.h"

#define FIXTURE __attribute__((unused)) static

struct post_room {
    struct sim *sim;
    struct world *world;
    struct loop *loop;
    struct store *store;
    struct arena *arena;
    struct post_office post;
    struct queue queue;
};

static inline void right(int r, const struct error *e)
{
    if (r != 0) fail_msg("%d: %s", r, e->text);
}

FIXTURE struct address address_of(struct arena *a, const char *text)
{
    struct address typed = {0};
    if (*text && address_parse(a, str_c(text), &typed) != 0) fail_msg("no address: %s", text);
    return typed;
}

FIXTURE struct address key_of_text(struct arena *a, const char *text)
{
    struct address key = {0};
    if (*text) assert_int_equal(address_key(a, address_of(a, text), &key), 0);
    return key;
}

FIXTURE void file_in_inbox(struct arena *a, const struct directory_account *account, const struct transaction *t,
                           const struct body_facts *facts, struct plan *out)
{
    (void)t, (void)facts;
    out->n = 1;
    out->actions = arena_new_of(a, struct plan_action);
    out->actions[0] = (struct plan_action){.kind = PLAN_FILE, .mailbox = account->inbox, .why = S("INBOX")};
}

FIXTURE FIBER void post_account(struct post_room *p, const char *address)
{
    struct new_account n = {.shown = address_of(p->arena, address), .key = key_of_text(p->arena, address)};
    struct error e = {0};
    int64_t id;
    right(store_account_add(p->store, &n, &id, &e), &e);
}

FIXTURE FIBER void post_alias(struct post_room *p, const char *name, const char *target)
{
    struct address to = key_of_text(p->arena, target);
    struct error e = {0};
    right(store_alias_add(p->store, address_of(p->arena, name), key_of_text(p->arena, name), &to, 1, true, &e), &e);
}

/* alice and bob of example.org, and where its other addresses lead. */
FIXTURE FIBER void post_people(struct post_room *p)
{
    struct error e = {0};
    right(store_domain_add(p->store, S("example.org"), STR_NONE, &e), &e);
    right(store_domain_add(p->store, S("mail.example.org"), STR_NONE, &e), &e);
    post_account(p, "alice@example.org");
    post_account(p, "bob@example.org");
    post_account(p, "carol@example.org");
    post_alias(p, "postmaster@mail.example.org", "alice@example.org");
    post_alias(p, "away@example.org", "friend@elsewhere.example");
    post_alias(p, "bob@example.org", "bob@example.org");
    post_alias(p, "bob@example.org", "bob@private.example");
    post_alias(p, "team@example.org", "bob@example.org");
    post_alias(p, "team@example.org", "carol@example.org");
    post_alias(p, "team@example.org", "dave@elsewhere.example");
    post_alias(p, "nick@example.org", "carol@example.org");
}

struct post_test {
    void (*fn)(struct post_room *p);
};

FIXTURE FIBER void post_room_main(void *arg)
{
    struct post_room *p = ((void **)arg)[0];
    const struct post_test *test = ((void **)arg)[1];
    post_people(p);
    test->fn(p);
}

/* Opens its store and its queue, in p->world. */
FIXTURE void post_room_open(struct post_room *p)
{
    struct store_options o = {.folder = "/data", .low_water_bytes = 1};
    struct error e = {0};
    p->arena = arena_new(NULL, 0);
    right(store_open(p->world, &o, &p->store, &e), &e);
    p->loop = loop_new(p->world);
    p->post = (struct post_office){.plan_local = file_in_inbox};
    p->queue = (struct queue){.world = p->world,
                              .store = p->store,
                              .post = &p->post,
                              .rules = {S("mail.example.org"), '+'},
                              .hostname = S("mail.example.org"),
                              .srs_secret = S("0123456789abcdef")};
}

FIXTURE void post_room_begin(struct post_room *p, struct sim *sim)
{
    static const struct ip ip = {4, {192, 0, 2, 1}};
    *p = (struct post_room){.sim = sim, .world = sim_node(sim, "mail", ip)};
    sim_set_utc(sim, SECONDS(INT64_C(1795860000)));
    post_room_open(p);
}

FIXTURE void post_room_fiber(struct post_room *p, void (*fn)(void *), void *arg)
{
    loop_spawn(p->loop, fn, arg);
    sim_run(p->sim, FOREVER);
}

FIXTURE void post_room_close(struct post_room *p)
{
    loop_stop(p->loop);
    sim_run(p->sim, FOREVER);
    loop_free(p->loop);
    arena_free(p->arena); /* bodies in it belong to the store */
    store_close(p->store);
}

FIXTURE void post_room_run(struct sim *sim, void *test)
{
    struct post_room p;
    void *both[] = {&p, test};
    post_room_begin(&p, sim);
    post_room_fiber(&p, post_room_main, both);
    post_room_close(&p);
}

/* Runs fn as a fiber in a new post office, twice. */
FIXTURE void in_post_room(void (*fn)(struct post_room *p))
{
    struct post_test test = {fn};
    sim_twice(1, post_room_run, &test);
}

/* Makes a cmocka test of it: name_room. */
#define IN_POST_ROOM(name)                                                                                            \
    static void name##_room(void **state)                                                                             \
    {                                                                                                                 \
        (void)state;                                                                                                  \
        in_post_room(name);                                                                                           \
    }

/* ---- letters on their way in ---- */

struct sending {
    struct reverse_path from;
    bool trusted;
    const struct forward_path *to;
    size_t n;
    struct str bytes;
};

/* Its transaction and routes, as a session has them after RCPT; all must lead somewhere. */
FIXTURE FIBER struct transaction post_begin(struct post_room *p, struct arena *a, const struct sending *s,
                                            struct incoming_recipient **rcpt)
{
    struct transaction t = {.id = store_new_id(p->store),
                            .at = clock_utc(p->world),
                            .trusted = s->trusted,
                            .helo = S("client.example"),
                            .from = s->from};
    const struct directory *d = store_directory_in(a, p->store);
    const struct route *earlier = NULL;
    *rcpt = arena_array(a, s->n, sizeof **rcpt);
    for (size_t i = 0; i < s->n; i++) {
        struct route *route = arena_new_of(a, struct route);
        const struct route_question q = {.rcpt = s->to[i].address, .sender = s->from.address, .size = -1, .now = t.at,
                                         .earlier = earlier, .srs_secret = p->queue.srs_secret};
        route_resolve(a, d, &p->queue.rules, &q, route);
        if (route->refusal.code) fail_msg("recipient %zu: %s", i, route->refusal.text);
        (*rcpt)[i] = (struct incoming_recipient){s->to[i], route};
        earlier = route;
    }
    return t;
}

/* Takes it in as a session would, with a slow client. */
FIXTURE FIBER int64_t post_try(struct post_room *p, struct arena *a, const struct sending *s, struct reply *results)
{
    static const struct incoming_rules rules;
    struct incoming_recipient *rcpt;
    struct transaction *t = arena_new_of(a, struct transaction);
    *t = post_begin(p, a, s, &rcpt);
    fiber_sleep(SECONDS(30));
    struct incoming *in = incoming_begin(&p->queue, a, t, &rules, rcpt, s->n);
    incoming_bytes(in, s->bytes);
    incoming_end(in, results);
    return t->id;
}

/* The same; every recipient gets 250. */
FIXTURE FIBER int64_t post_take_in(struct post_room *p, const struct sending *s)
{
    struct arena *a = arena_new(p->arena, 0);
    struct reply *results = arena_array(a, s->n, sizeof *results);
    int64_t id = post_try(p, a, s, results);
    for (size_t i = 0; i < s->n; i++)
        if (results[i].code != 250) fail_msg("recipient %zu: %s", i, results[i].text);
    arena_free(a);
    return id;
}

/* The parcel the scheduler would make of a message's rows for a next hop. */
FIXTURE FIBER void post_parcel(struct post_room *p, int64_t message, struct str next_hop, struct parcel *parcel)
{
    struct error e = {0};
    struct queue_letter *letter = arena_new_of(p->arena, struct queue_letter);
    struct queue_item *items;
    size_t n;
    bool more;
    const struct queue_filter filter = {.message = message, .next_hop = next_hop};
    right(store_queue_letter(p->store, p->arena, message, letter, &e), &e);
    right(store_queue_list(p->store, p->arena, &filter, (struct queue_place){0}, 1000, &items, &n, &more, &e), &e);
    *parcel = (struct parcel){.letter = letter, .arena = p->arena, .n = n};
    parcel->v = arena_array(p->arena, n, sizeof *parcel->v);
    for (size_t i = 0; i < n; i++) parcel->v[i].item = items[i];
}

/* ---- what came of it ---- */

/* The letters in somebody's INBOX, whole, oldest first. */
FIXTURE FIBER struct str *inbox_of(struct post_room *p, const char *address, size_t *n)
{
    struct error e = {0};
    struct entry *entries;
    bool more;
    const struct directory *d = store_directory_in(p->arena, p->store);
    const struct directory_account *account = directory_account(d, key_of_text(p->arena, address));
    assert_non_null(account);
    right(store_entries(p->store, p->arena, account->inbox, 0, 1000, false, &entries, n, &more, &e), &e);
    struct str *letters = arena_array(p->arena, *n, sizeof *letters);
    for (size_t i = 0; i < *n; i++) {
        struct letter l;
        right(store_letter(p->store, p->arena, account->id, entries[i].email, &l, &e), &e);
        right(store_letter_read(p->store, p->arena, &l, 0, (size_t)l.size, &letters[i], &e), &e);
    }
    return letters;
}

/* The n-th part of a multipart, decoded, from 0. */
FIXTURE struct str part_of(struct arena *a, struct str letter, size_t nth)
{
    const struct mime_letter *l = mime_parse(a, letter);
    const struct mime_part *part = l->root->first;
    for (; nth && part; nth--) part = part->next;
    if (!part) return STR_NONE;
    struct buf *b = buf_in(a, 1 << 24);
    mime_decode(part->encoding, str_sub(letter, (size_t)part->body_at, (size_t)(part->body_at + part->body_size)), b);
    return buf_str(b);
}

/* All there is of a message in the record, an event in a line: "kind recipient address code text". */
FIXTURE FIBER struct str record_of(struct post_room *p, int64_t message)
{
    struct error e = {0};
    struct trace_row *rows;
    size_t n;
    struct buf *b = buf_in(p->arena, 1 << 20);
    right(store_trace_read(p->store, p->arena, 0, message, 100, &rows, &n, &e), &e);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < rows[i].n_events; k++) {
            const struct trace_event *t = &rows[i].events[k];
            buf_printf(b, "%d %d %.*s %d %.*s\n", t->kind, t->recipient, STR_FMT(t->address), t->code,
                       STR_FMT(t->text));
        }
    return buf_str(b);
}

static inline void assert_has(struct str text, struct str wanted, const char *file, int line)
{
    if (str_find(text, wanted) < text.n || wanted.n == 0) return;
    print_error("not in it: %.*s\nin: %.*s\n", STR_FMT(wanted), STR_FMT(text));
    _fail(file, line);
}
#define assert_contains(text, wanted) assert_has((text), (wanted), __FILE__, __LINE__)

static inline void assert_has_not(struct str text, struct str unwanted, const char *file, int line)
{
    if (str_find(text, unwanted) == text.n) return;
    print_error("in it: %.*s\nin: %.*s\n", STR_FMT(unwanted), STR_FMT(text));
    _fail(file, line);
}
#define assert_lacks(text, unwanted) assert_has_not((text), (unwanted), __FILE__, __LINE__)

#endif
