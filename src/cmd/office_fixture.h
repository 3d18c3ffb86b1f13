/* For tests: a whole post office in the simulated world, and peers that talk to it by script.
 *
 * The office is one node (198.51.100.1, mail.example.org) with ports 25, 587, 24 (LMTP); the peers are nodes of their
 * own.
 *
 *   C: text     says the line (with CRLF)
 *   C* n text   says it n times
 *   S: 250 2.1  the next whole reply begins so
 *   S-          the connection is closed
 *   W: seconds  waits */
#ifndef CMD_OFFICE_FIXTURE_H
#define CMD_OFFICE_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>

#include "base/test.h"
#include "io/connect.h"
#include "io/listen.h"
#include "io/sim.h"
#include "mail/limits.h"
#include "mda/plan.h"
#include "msa/msa.h"
#include "mta/mta.h"
#include "trust/login.h"

#pragma GCC diagnostic ignored "-Wunused-function" /* each test uses a part of it */

static const struct ip office_ip = {4, {198, 51, 100, 1}};
static const struct ip stranger_ip = {4, {203, 0, 113, 7}};
static const struct ip friend_ip = {4, {10, 1, 2, 3}}; /* trusted */

struct office {
    struct sim *sim;
    struct world *world;
    struct loop *loop;
    struct store *store;
    struct login *login;
    struct resolver *resolver;
    struct gate *gate;
    struct queue queue;
    struct post_office post;
    struct mta mta;
    struct msa msa;
    struct smtp_service service[3]; /* 25, 587, LMTP */
    struct listener *listener[3];
    struct arena *arena;
};

struct office_agent { /* what the services' callbacks get back */
    union {
        struct reception_desk desk;
        struct mta mta;
        struct msa msa;
    } agent;
    struct office *office;
};

static bool office_trusts(void *agent, struct ip peer)
{
    (void)agent;
    return ip_eq(peer, friend_ip);
}
static bool office_plaintext(void *agent, struct ip peer)
{
    (void)agent;
    (void)peer;
    return true;
}
static int64_t office_new_id(void *agent) { return store_new_id(((struct office_agent *)agent)->office->store); }
static struct resolver *office_resolver(void *office) { return ((struct office *)office)->resolver; }
static FIBER void office_serve(struct stream *s, void *service) { smtp_serve(s, service); }

static void office_account(struct office *o, const char *address, const char *password, int64_t quota, int64_t letters)
{
    struct new_account n = {.quota_bytes = quota, .quota_count = letters};
    struct error e = {0};
    int64_t id;
    assert_int_equal(address_parse(o->arena, str_c(address), &n.shown), 0);
    assert_int_equal(address_key(o->arena, n.shown, &n.key), 0);
    if (password) assert_int_equal(login_make_credential(o->world, o->arena, str_c(password), &n.credential, &e), 0);
    assert_int_equal(store_account_add(o->store, &n, &id, &e), 0);
}

static void office_alias(struct office *o, const char *name, const char *target)
{
    struct address shown, key, to, to_key;
    struct error e = {0};
    assert_int_equal(address_parse(o->arena, str_c(name), &shown), 0);
    assert_int_equal(address_key(o->arena, shown, &key), 0);
    assert_int_equal(address_parse(o->arena, str_c(target), &to), 0);
    assert_int_equal(address_key(o->arena, to, &to_key), 0);
    assert_int_equal(store_alias_add(o->store, shown, key, &to_key, 1, true, &e), 0);
}

static FIBER void office_people(void *arg)
{
    struct office *o = arg;
    struct error e = {0};
    assert_int_equal(store_domain_add(o->store, S("example.org"), STR_NONE, &e), 0);
    assert_int_equal(store_domain_add(o->store, S("mail.example.org"), STR_NONE, &e), 0);
    office_account(o, "alice@example.org", "secret of alice", 0, 0);
    office_account(o, "bob@example.org", NULL, 0, 0);
    office_account(o, "small@example.org", NULL, 10000, 0);
    office_account(o, "few@example.org", NULL, 0, 10);
    office_alias(o, "team@example.org", "bob@example.org");
    office_alias(o, "team@example.org", "alice@example.org");
    office_alias(o, "away@example.org", "friend@elsewhere.example");
    office_alias(o, "postmaster@mail.example.org", "alice@example.org");
}

static void office_listen(struct office *o, int i, uint16_t port)
{
    struct listen_options l = {.name = "smtp",
                               .address = {office_ip, port},
                               .serve = office_serve,
                               .arg = &o->service[i]};
    struct error e = {0};
    assert_int_equal(listener_open(o->world, &l, &o->listener[i], &e), 0);
    listener_start(o->listener[i], o->gate, &o->loop, 1);
}

static struct smtp_service office_service(struct office *o, enum smtp_service_kind kind, struct office_agent *agent)
{
    agent->office = o;
    agent->agent.desk = (struct reception_desk){&o->queue, office_resolver, o, NULL};
    return (struct smtp_service){
        .kind = kind,
        .policy = kind == SMTP_SUBMISSION ? &msa_policy : &mta_policy,
        .accounts = kind == SMTP_SUBMISSION ? login_accounts(o->login) : NULL,
        .agent = agent,
        .hostname = o->queue.hostname,
        .trusted = office_trusts,
        .plaintext_auth = office_plaintext,
        .size_max = LIMIT_MESSAGE,
        .recipients_max = LIMIT_RECIPIENTS,
        .new_id = office_new_id,
    };
}

static void office_open(struct office *o, struct sim *sim)
{
    *o = (struct office){.sim = sim, .arena = arena_new(NULL, 0)};
    sim_set_utc(sim, INT64_C(1795310400) * US_PER_S);
    sim_dns(sim, "sender.example. MX 10 mx.sender.example.\naonly.example. A 192.0.2.9\nnull.example. MX 0 .\n"
                 "broken.example. SERVFAIL\nslow.example. TIMEOUT\nnomail.example. TXT \"nothing\"\n");
    o->world = sim_node(sim, "office", office_ip);
    o->loop = loop_new(o->world);
    struct store_options options = {.folder = "/post"};
    struct error e = {0};
    if (store_open(o->world, &options, &o->store, &e) != 0) fail_msg("%s", e.text);
    o->resolver = resolver_new(o->loop, &(struct resolver_options){0});
    o->gate =
        gate_new(o->world, (struct listen_limits){LIMIT_CONNECTIONS, LIMIT_CONNECTIONS_ADDRESS, LIMIT_HANDSHAKES});
    o->login = login_new(o->world, &(struct login_options){.store = o->store,
                                                           .fake_salt_secret = S("s"),
                                                           .local_domain = S("example.org"),
                                                           .trusted = office_trusts});
    o->post = (struct post_office){.plan_local = mda_plan};
    o->queue = (struct queue){.world = o->world,
                              .store = o->store,
                              .post = &o->post,
                              .rules = {S("mail.example.org"), '+'},
                              .hostname = S("mail.example.org"),
                              .srs_secret = S("736563726574")};
    struct office_agent *agents = arena_array(o->arena, 3, sizeof *agents);
    o->service[0] = office_service(o, SMTP_RELAY, &agents[0]);
    o->service[1] = office_service(o, SMTP_SUBMISSION, &agents[1]);
    agents[1].agent.msa.per_hour = 10;
    agents[1].agent.msa.per_day = 20;
    o->service[2] = office_service(o, SMTP_LMTP, &agents[2]);
    loop_spawn(o->loop, office_people, o);
    sim_run(sim, FOREVER);
    office_listen(o, 0, 25);
    office_listen(o, 1, 587);
    office_listen(o, 2, 24);
}

static void office_close(struct office *o)
{
    for (int i = 0; i < 3; i++) listener_stop(o->listener[i]);
    loop_stop(o->loop);
    sim_run(o->sim, FOREVER);
    for (int i = 0; i < 3; i++) listener_free(o->listener[i]);
    resolver_free(o->resolver);
    login_free(o->login);
    gate_free(o->gate);
    store_close(o->store);
    loop_free(o->loop);
    arena_free(o->arena);
}

/* ---- peers ---- */

struct peer {
    struct office *office;
    uint16_t port;
    const char *script;
    mono_us took;
    bool done;
};

static void peer_fails(const struct peer *p, struct str line, const char *why, struct str got)
{
    fprintf(stderr, "port %d: at \"%.*s\": %s \"%.*s\"\n", p->port, STR_FMT(line), why, STR_FMT(got));
    abort(); /* a fiber cannot leave by cmocka's longjmp */
}

/* The next whole reply's last line, with every line's code the same. */
static FIBER int peer_reply(struct stream *s, struct arena *a, struct str *last)
{
    for (;;) {
        int r = stream_line(s, 4096, last);
        if (r) return r;
        if (last->n < 4 || last->p[3] != '-') break;
    }
    *last = arena_str(a, *last);
    return 0;
}

static FIBER void peer_says(struct stream *s, struct str line, uint64_t times)
{
    for (uint64_t i = 0; i < times; i++) {
        stream_write(s, line);
        stream_write(s, S("\r\n"));
    }
}

static FIBER void peer_line(struct peer *p, struct stream *s, struct arena *a, struct str line)
{
    struct str got = S(""), rest = str_skip(line, 3);
    if (str_starts(line, S("C: "))) {
        peer_says(s, rest, 1);
    } else if (str_starts(line, S("C* "))) {
        uint64_t times = 0;
        assert_true(str_to_u64(str_word(&rest), 1000000, &times));
        peer_says(s, str_skip(rest, 1), times);
    } else if (str_starts(line, S("S: "))) {
        if (peer_reply(s, a, &got) != 0) peer_fails(p, line, "the connection ended:", str_c(err_name(stream_error(s))));
        if (!str_starts(got, rest)) peer_fails(p, line, "the reply was", got);
    } else if (str_eq(line, S("S-"))) {
        if (stream_line(s, 4096, &got) != ERR_EOF) peer_fails(p, line, "still open, it said", got);
    } else if (str_starts(line, S("W: "))) {
        uint64_t seconds = 0;
        assert_true(str_to_u64(rest, 1000000, &seconds));
        stream_flush(s);
        fiber_sleep(SECONDS((int64_t)seconds));
    } else if (line.n) {
        peer_fails(p, line, "no such line in a script", S(""));
    }
}

static FIBER void peer_run(void *arg)
{
    struct peer *p = arg;
    struct arena *a = arena_new(NULL, 0);
    struct stream *s;
    struct error e = {0};
    mono_us begun = loop_now();
    if (stream_connect((struct endpoint){office_ip, p->port}, (struct ip){0}, loop_now() + MINUTES(1), &s, &e) != 0)
        fail_msg("%s", e.text);
    stream_deadline(s, loop_now() + HOURS(24));
    struct str rest = str_c(p->script), line;
    while (rest.n) {
        str_cut(rest, '\n', &line, &rest);
        peer_line(p, s, a, line);
    }
    p->took = loop_now() - begun;
    stream_close(s);
    arena_free(a);
    p->done = true;
}

/* Runs the script from a client at `ip` against a port of the office to its end; returns how long it took. */
static mono_us office_talk(struct office *o, struct ip ip, uint16_t port, const char *script)
{
    struct world *w = sim_node(o->sim, "peer", ip);
    struct loop *l = loop_new(w);
    struct peer p = {.office = o, .port = port, .script = script};
    loop_spawn(l, peer_run, &p);
    for (int days = 0; !p.done && days < 40; days++) sim_run(o->sim, clock_mono(w) + HOURS(1));
    assert_true(p.done);
    loop_stop(l);
    sim_run(o->sim, clock_mono(w) + SECONDS(30));
    loop_free(l);
    world_free(w);
    return p.took;
}

/* ---- looking into the store ---- */

struct office_look {
    struct office *office;
    void (*fn)(struct office *o, void *arg);
    void *arg;
};
static FIBER void office_look_run(void *arg)
{
    struct office_look *l = arg;
    l->fn(l->office, l->arg);
}
/* Runs fn in a fiber of the office. */
static void office_do(struct office *o, void (*fn)(struct office *o, void *arg), void *arg)
{
    struct office_look l = {o, fn, arg};
    loop_spawn(o->loop, office_look_run, &l);
    sim_run(o->sim, clock_mono(o->world) + MINUTES(1));
}

struct office_mail { /* what lies in somebody's INBOX */
    const char *account;
    size_t n;
    struct str text[64];
};
static FIBER void office_read(struct office *o, void *arg)
{
    struct office_mail *m = arg;
    struct address typed, key;
    struct error e = {0};
    assert_int_equal(address_parse(o->arena, str_c(m->account), &typed), 0);
    assert_int_equal(address_key(o->arena, typed, &key), 0);
    const struct directory *d = store_directory(o->store);
    const struct directory_account *account = directory_account(d, key);
    assert_non_null(account);
    struct entry *v;
    bool more;
    assert_int_equal(store_entries(o->store, o->arena, account->inbox, 0, 64, true, &v, &m->n, &more, &e), 0);
    for (size_t i = 0; i < m->n; i++) {
        struct letter l;
        assert_int_equal(store_letter(o->store, o->arena, account->id, v[i].email, &l, &e), 0);
        assert_int_equal(store_letter_read(o->store, o->arena, &l, 0, (size_t)l.size, &m->text[i], &e), 0);
        assert_int_equal(m->text[i].n, v[i].size);
    }
    directory_unref(d);
}
static struct office_mail office_mail(struct office *o, const char *account)
{
    struct office_mail m = {.account = account};
    office_do(o, office_read, &m);
    return m;
}

struct office_trace { /* rows of the record */
    size_t n;
    struct trace_row *rows;
};
static FIBER void office_read_trace(struct office *o, void *arg)
{
    struct office_trace *t = arg;
    struct error e = {0};
    fiber_sleep(SECONDS(5));
    assert_int_equal(store_trace_read(o->store, o->arena, 0, 0, 10000, &t->rows, &t->n, &e), 0);
}
static struct office_trace office_trace(struct office *o)
{
    struct office_trace t = {0};
    office_do(o, office_read_trace, &t);
    return t;
}
static size_t office_trace_count(struct office *o, enum trace_kind kind, int code)
{
    struct office_trace t = office_trace(o);
    size_t n = 0;
    for (size_t i = 0; i < t.n; i++)
        for (size_t k = 0; k < t.rows[i].n_events; k++)
            n += t.rows[i].events[k].kind == kind && (code == 0 || t.rows[i].events[k].code == code);
    return n;
}

/* ---- what scripts say often, and running a test ---- */

#define HELLO "S: 220\nC: EHLO client.example\nS: 250\n"
#define LETTER "C: From: <a@sender.example>\nC: Subject: hello\nC: \nC: text\nC: .\n"
#define SIGNED_IN HELLO "C: AUTH PLAIN AGFsaWNlQGV4YW1wbGUub3JnAHNlY3JldCBvZiBhbGljZQ==\nS: 235 2.7.0\n" /* alice */
#define FROM_ALICE "C: From: Alice <alice@example.org>\nC: Subject: hello\n"
#define QUIT "C: QUIT\nS: 221 2.0.0\nS-\n"

static void office_run_once(struct sim *sim, void *arg)
{
    struct office o;
    office_open(&o, sim);
    (*(void (**)(struct office *))arg)(&o);
    office_close(&o);
}

/* In a fresh office, twice, from one seed. */
static void office_run(void (*test)(struct office *o)) { sim_twice(11, office_run_once, &test); }

#endif
