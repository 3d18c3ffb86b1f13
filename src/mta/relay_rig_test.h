/* For tests of the relay: mail hosts that speak from scripts, a scheduler that hands out a few parcels, and a store of
 * letters in pieces; all in the simulated world. What the client said, what became of each recipient, and how the
 * errand ended are compared as text. */
#ifndef MTA_RELAY_RIG_TEST_H
#define MTA_RELAY_RIG_TEST_H

#include "base/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "io/listen.h"
#include "io/sim.h"
#include "mail/limits.h"
#include "mta/relay.h"

enum { HOSTS = 4, CONNECTIONS = 4, PARCELS = 6, RECIPIENTS = 300 };

/* A host says a line of its script to each line it hears, the first as its banner. "|" parts the lines of a reply.
 *   TLS        shakes hands (after the reply before it)        hang up      closes
 *   silent     says nothing any more                            nothing     says nothing to this line
 *   354 …      then a letter is heard, and answered by the next line
 *   late N …   N seconds later */
struct script {
    const char *connections[CONNECTIONS]; /* NULL: as if it had no listener */
};

struct cargo {
    const char *from, *to; /* addresses; several recipients with commas; NULL: no more parcels */
    const char *letter;    /* NULL: a short one */
    bool eightbit, utf8;
    bool stored;           /* only in the store */
    int damaged_at;        /* of a stored one: bytes before this can be read; 0: all */
    unsigned notify;
    int after;             /* seconds until it is there, from when the one before was asked for */
    int many;              /* so many recipients r0@d.example … instead of `to` */
};

struct trip {
    const char *name;
    const char *hop;       /* a route's value, or a domain; NULL: d.example */
    enum tls_policy tls;
    const char *user;
    bool named_tls;        /* asserts that a certificate was to be verified */
    struct script hosts[HOSTS]; /* mx1.d.example at 192.0.2.1 … */
    struct cargo parcels[PARCELS];
    bool company;          /* other errands are under way to the same next hop */
    int cancel_after;      /* seconds until the server stops; 0: never */
    /* a line for each recipient, in the order in which parcels were given back; "*" matches all */
    const char *outcomes;
    const char *said;      /* NULL: any */
    enum errand_end end;
    int least, most;       /* seconds it takes; 0 0: any */
    bool faults;           /* links break; then only what must always be true is asserted */
    bool random;           /* hosts say whatever comes to their minds; likewise */
};

struct host_here {
    struct scene *scene;
    const struct script *script;
    struct world *world;
    struct loop *loop;
    struct listener *listener;
    int index, connections;
};

struct scene {
    const struct trip *trip;
    struct host_here hosts[HOSTS];
    struct world *client;
    struct loop *loop;
    struct resolver *resolver;
    struct tls_context *tls[2];
    struct buf said, outcomes;
    struct arena *arena;
    int given, back, heard /* letters, by the hosts */, delivered, unknown;
    enum errand_end end;
    struct scope scope;
    mono_us took;
    bool ended;
};

/* ---- hosts ---- */

static FIBER bool hear_letter(struct scene *s, struct stream *io)
{
    struct str line;
    while (stream_line(io, 65536, &line) == 0) {
        buf_add(&s->said, line);
        buf_char(&s->said, '/');
        if (str_eq(line, S("."))) {
            s->heard++;
            return true;
        }
    }
    return false;
}

static FIBER bool hear_line(struct scene *s, struct stream *io)
{
    struct str line;
    uint64_t n;
    if (stream_line(io, 65536, &line) != 0) return false;
    buf_add(&s->said, line);
    buf_char(&s->said, '|');
    if (!str_istarts(line, S("BDAT "))) return true;
    struct str rest = str_skip(line, 5);
    char bytes[4096];
    if (!str_to_u64(str_word(&rest), sizeof bytes, &n) || stream_read(io, bytes, (size_t)n) != 0) return false;
    buf_printf(&s->said, "(%d bytes)|", (int)n);
    return true;
}

static FIBER void say_reply(struct stream *io, struct str reply)
{
    struct str line;
    uint64_t seconds;
    if (str_starts(reply, S("late "))) {
        reply = str_skip(reply, 5);
        if (str_to_u64(str_word(&reply), 100000, &seconds)) fiber_sleep(SECONDS((int64_t)seconds));
        reply = str_trim(reply);
    }
    for (bool more = true; more;) {
        more = str_cut(reply, '|', &line, &reply);
        stream_write(io, line);
        stream_write(io, S("\r\n"));
    }
}

static uint32_t draw(struct host_here *h, uint32_t n)
{
    uint32_t number;
    world_random(h->world, &number, sizeof number);
    return number % n;
}

/* False: it hangs up. */
static FIBER bool say_anything(struct host_here *h, struct stream *io)
{
    static const struct str words[] = {
        S_INIT("250 2.0.0 ok"), S_INIT("250-2.0.0 o|250 2.0.0 k"), S_INIT("250"), S_INIT("220 go"), S_INIT("354 go"),
        S_INIT("335 go"), S_INIT("450 4.2.0 later"), S_INIT("451 4.3.0 later"), S_INIT("452 4.5.3 too many"),
        S_INIT("421 4.7.0 enough"), S_INIT("550 5.1.1 who?"), S_INIT("552 too many"), S_INIT("554 5.7.1 no"),
        S_INIT("503 5.5.1 not now"), S_INIT("521 no"), S_INIT("999 what"), S_INIT("hello"), S_INIT(""),
        S_INIT("250-2.0.0 and"), S_INIT("250 a|250 b"), S_INIT("250-a|550 b"),
    };
    enum { WORDS = sizeof words / sizeof *words };
    uint32_t which = draw(h, WORDS + 2);
    if (which < WORDS) say_reply(io, words[which]);
    return which != WORDS; /* or says nothing */
}

static FIBER bool answer_anyhow(struct host_here *h, struct stream *io, bool hello, bool data)
{
    static const struct str hellos[] = {
        S_INIT("250 mx"), S_INIT("250-mx|250-PIPELINING|250 8BITMIME"), S_INIT("250-mx|250-PIPELINING|250 CHUNKING"),
        S_INIT("250-mx|250-LIMITS RCPTMAX=1 MAILMAX=2|250 SIZE 20"), S_INIT("250-mx|250 STARTTLS")};
    if (draw(h, 8) == 0) return say_anything(h, io);
    if (!data) {
        say_reply(io, hello ? hellos[draw(h, 5)] : S("250 2.0.0 ok"));
        return true;
    }
    say_reply(io, S("354 go"));
    return hear_letter(h->scene, io) && answer_anyhow(h, io, false, false);
}

static FIBER void serve_anyhow(struct host_here *h, struct stream *io)
{
    struct str line;
    stream_deadline(io, loop_now() + MINUTES(20));
    if (draw(h, 8)) say_reply(io, S("220 mx"));
    else say_anything(h, io);
    for (bool more = true; more && stream_line(io, 65536, &line) == 0;) {
        bool hello = str_istarts(line, S("EHLO")), data = str_ieq(line, S("DATA"));
        more = answer_anyhow(h, io, hello, data);
    }
    stream_close(io);
}

static FIBER void host_serve(struct stream *io, void *arg)
{
    struct host_here *h = arg;
    int number = h->connections++;
    if (h->scene->trip->random) {
        serve_anyhow(h, io);
        return;
    }
    struct str script = str_c(number < CONNECTIONS ? h->script->connections[number] : NULL), reply;
    struct tls_context *tls = NULL;
    tls_server_new(h->world, "cert.pem", "key.pem", &tls, NULL);
    stream_deadline(io, loop_now() + HOURS(2));
    buf_printf(&h->scene->said, "%smx%d: ", h->scene->said.n ? "\n" : "", h->index + 1);
    for (bool heard = true, first = true; heard && script.n; first = false) {
        str_cut(script, '\n', &reply, &script);
        if (str_eq(reply, S("hang up"))) break;
        if (str_eq(reply, S("silent"))) {
            fiber_sleep(HOURS(1));
            break;
        }
        if (str_eq(reply, S("TLS"))) {
            stream_starttls_server(io, tls);
            if (first) continue; /* the banner comes behind it */
        } else if (!str_eq(reply, S("nothing"))) {
            say_reply(io, reply);
            if (str_starts(reply, S("354"))) {
                heard = hear_letter(h->scene, io);
                continue;
            }
        }
        if (!str_starts(script, S("TLS"))) heard = hear_line(h->scene, io);
    }
    tls_unref(tls);
    stream_close(io);
}

static void host_open(struct sim *sim, struct scene *s, int i, struct gate **gate)
{
    struct host_here *h = &s->hosts[i];
    char name[16];
    const struct ip ip = {4, {192, 0, 2, (uint8_t)(1 + i)}};
    snprintf(name, sizeof name, "mx%d", i + 1);
    *h = (struct host_here){.scene = s, .script = &s->trip->hosts[i], .index = i, .world = sim_node(sim, name, ip)};
    h->loop = loop_new(h->world);
    if (!h->script->connections[0]) return;
    struct error e = {0};
    *gate = gate_new(h->world, (struct listen_limits){100, 100, 100});
    const struct listen_options o = {.name = "smtp", .address = {ip, 25}, .serve = host_serve, .arg = h};
    assert_int_equal(listener_open(h->world, &o, &h->listener, &e), 0);
    listener_start(h->listener, *gate, &h->loop, 1);
}

/* ---- the scheduler and the store ---- */

static const char short_letter[] = "Subject: x\r\n\r\nhi\r\n";

static struct str letter_of(const struct cargo *c) { return str_c(c->letter ? c->letter : short_letter); }

struct stored { /* a struct letter, and what it is of */
    struct letter letter;
    const struct cargo *cargo;
};

FIBER int store_letter_read(struct store *s, struct arena *a, struct letter *l, int64_t offset, size_t n,
                            struct str *out, struct error *e)
{
    (void)s;
    const struct cargo *c = ((struct stored *)(void *)l)->cargo;
    struct str all = letter_of(c);
    if (n == LIMIT_BODY_MEMORY) n = 7; /* as it is sent: in small pieces */
    fiber_sleep(1000);
    if (c->damaged_at && offset + (int64_t)n > c->damaged_at) return error_set(e, ERR_CORRUPT, "the record is damaged");
    *out = arena_str(a, str_head(str_skip(all, (size_t)offset), n));
    return 0;
}

static struct address address_of(struct arena *a, struct str text)
{
    struct str local, domain;
    size_t at = str_rfind_char(text, '@');
    local = arena_str(a, str_head(text, at));
    domain = arena_str(a, str_skip(text, at + 1));
    return (struct address){local, domain};
}

static struct parcel *parcel_of(struct errand *e, const struct cargo *c)
{
    struct arena *a = arena_new(e->arena, 0);
    struct parcel *p = arena_new_of(a, struct parcel);
    struct stored *stored = arena_new_of(a, struct stored);
    struct queue_letter *letter = arena_new_of(a, struct queue_letter);
    struct str rest = c->many ? STR_NONE : str_c(c->to), one;
    *stored = (struct stored){.letter.size = (int64_t)letter_of(c).n, .cargo = c};
    *letter = (struct queue_letter){.needs_8bit = c->eightbit, .needs_utf8 = c->utf8, .letter = &stored->letter};
    *p = (struct parcel){.letter = letter,
                         .bytes = c->stored ? STR_NONE : letter_of(c),
                         .hop = e->hop,
                         .v = arena_array(a, RECIPIENTS, sizeof *p->v),
                         .arena = a};
    if (c->from[0]) p->from.address = address_of(a, str_c(c->from));
    for (bool more = rest.n > 0; more;) {
        more = str_cut(rest, ',', &one, &rest);
        p->v[p->n++].item = (struct queue_item){.final = address_of(a, one), .notify = c->notify};
    }
    for (int i = 0; i < c->many; i++)
        p->v[p->n++].item.final = (struct address){arena_printf(a, "r%d", i), S("d.example")};
    return p;
}

FIBER struct parcel *errand_next(struct errand *e, int64_t wait_us)
{
    struct scene *s = e->inside;
    assert_int_equal(s->given - s->back <= 2, 1); /* one under way, one begun behind it */
    if (s->given == PARCELS || !s->trip->parcels[s->given].from) return NULL;
    const struct cargo *c = &s->trip->parcels[s->given];
    if (SECONDS(c->after) > wait_us) {
        if (wait_us) fiber_sleep(wait_us);
        return NULL;
    }
    if (c->after && fiber_sleep(SECONDS(c->after)) != 0) return NULL;
    s->given++;
    return parcel_of(e, c);
}

bool errand_has_company(const struct errand *e) { return ((struct scene *)e->inside)->trip->company; }

static void put_outcome(struct scene *s, const struct out_recipient *r)
{
    struct buf *b = &s->outcomes;
    static const char *const kinds[] = {"untried", "delivered", "deferred", "failed", "damaged"};
    const struct outcome *o = &r->outcome;
    address_put(b, r->item.final);
    buf_printf(b, " %s", kinds[o->kind]);
    if (o->passed_dsn) buf_lit(b, " dsn");
    assert_true(o->kind == OUTCOME_UNTRIED || o->remote || o->text.n > 0);
    if (o->kind == OUTCOME_UNTRIED) assert_true(o->text.n == 0 && o->code == 0);
    else
        buf_printf(b, o->remote ? " %d %u.%u.%u %.*s" : " (%d %u.%u.%u %.*s)", o->code, o->status.class,
                   o->status.subject, o->status.detail, STR_FMT(o->text));
    buf_char(b, '\n');
    s->delivered += o->kind == OUTCOME_DELIVERED;
    s->unknown += str_find(o->text, S("may arrive twice")) < o->text.n;
    assert_true(o->kind != OUTCOME_DELIVERED || (o->remote && o->code / 100 == 2));
}

void errand_give_back(struct errand *e, struct parcel *p)
{
    struct scene *s = e->inside;
    s->back++;
    for (size_t i = 0; i < p->n; i++) put_outcome(s, &p->v[i]);
    buf_lit(&s->outcomes, "  ");
    buf_add(&s->outcomes, p->contact.host);
    if (p->contact.address.ip.family) {
        buf_char(&s->outcomes, ' ');
        ip_put(&s->outcomes, p->contact.address.ip);
    }
    if (p->contact.tls.n) buf_printf(&s->outcomes, ", %.*s", STR_FMT(p->contact.tls));
    buf_char(&s->outcomes, '\n');
    for (size_t i = 0; i < p->n_tried; i++) {
        const struct attempt *t = &p->tried[i];
        buf_printf(&s->outcomes, "  before: %.*s ", STR_FMT(t->contact.host));
        ip_put(&s->outcomes, t->contact.address.ip);
        buf_printf(&s->outcomes, t->outcome.remote ? " said: %d %.*s\n" : " (%d %.*s)\n", t->outcome.code,
                   STR_FMT(t->outcome.text));
    }
    arena_free(p->arena); /* nothing of it is touched any more */
}

/* ---- the errand ---- */

static struct resolver *rig_resolver(void *scene) { return ((struct scene *)scene)->resolver; }

static struct tls_context *rig_tls(void *scene, enum tls_verify v)
{
    struct scene *s = scene;
    assert_true(!s->trip->named_tls || v == TLS_VERIFY_NAME);
    return s->tls[v];
}

static void rig_hop(struct scene *s, struct next_hop *hop)
{
    struct str text = str_c(s->trip->hop ? s->trip->hop : "d.example");
    struct error e;
    if (str_find(text, S("://")) < text.n) assert_int_equal(next_hop_parse(s->arena, text, hop, &e), 0);
    else *hop = (struct next_hop){.kind = HOP_MX, .key = text, .host = text};
    hop->tls = s->trip->tls;
    if (s->trip->user) {
        hop->user = str_c(s->trip->user);
        hop->password = S("pencil");
    }
}

static FIBER void carry(void *arg)
{
    struct scene *s = arg;
    const struct relay relay = {.world = s->client,
                                .hostname = S("us.example"),
                                .port = 25,
                                .resolver = rig_resolver,
                                .tls = rig_tls,
                                .arg = s};
    struct next_hop hop;
    mono_us began = loop_now();
    rig_hop(s, &hop);
    struct errand e = {.hop = &hop, .arena = arena_new(NULL, 0), .inside = s};
    s->end = relay_carry((void *)(uintptr_t)&relay, &e);
    arena_free(e.arena);
    s->took = loop_now() - began;
    s->ended = true;
}

static FIBER void stop_later(void *arg)
{
    struct scene *s = arg;
    scope_init(&s->scope);
    fiber_spawn(&s->scope, carry, s);
    if (s->trip->cancel_after) {
        fiber_sleep(SECONDS(s->trip->cancel_after));
        scope_cancel(&s->scope);
    }
    scope_join(&s->scope);
}

/* "*" matches anything. */
static bool is_like(struct str text, struct str pattern)
{
    struct str part, rest;
    if (!str_cut(pattern, '*', &part, &rest)) return str_eq(text, pattern);
    if (!str_starts(text, part)) return false;
    for (size_t i = part.n; i <= text.n; i++)
        if (is_like(str_skip(text, i), rest)) return true;
    return false;
}

static void compare(const struct trip *t, const char *what, struct str got, const char *want)
{
    if (!want || is_like(got, str_c(want))) return;
    print_error("%s: %s:\n%.*s\nwanted:\n%s\n", t->name, what, STR_FMT(got), want);
    fail();
}

static const char rig_zone[] = "d.example. MX 1 mx1.d.example.\nd.example. MX 2 mx2.d.example.\n"
                               "d.example. MX 3 mx3.d.example.\nmx1.d.example. A 192.0.2.1\n"
                               "mx2.d.example. A 192.0.2.2\nmx3.d.example. A 192.0.2.3\n"
                               "one.example. MX 1 mx1.d.example.\nnull.example. MX 0 .\n"
                               "two.example. MX 1 mx1.d.example.\ntwo.example. MX 2 mx2.d.example.\n"
                               "halfdead.example. MX 1 mx1.d.example.\nhalfdead.example. MX 2 dead.example.\n"
                               "slow.example. TIMEOUT\ndead.example. SERVFAIL\nhere.example. A 127.0.0.1\n";

static void judge(const struct scene *s)
{
    const struct trip *t = s->trip;
    if (s->given != s->back) fail_msg("%s: %d parcels taken, %d given back", t->name, s->given, s->back);
    if (t->random) return;
    if (t->faults) { /* what a host has heard to its end was delivered, or nobody knows; nothing else was */
        if (s->delivered > s->heard || s->heard > s->delivered + s->unknown)
            fail_msg("%d letters heard, %d delivered, %d unknown:\n%.*s\n%.*s", s->heard, s->delivered, s->unknown,
                     STR_FMT(buf_str(&s->said)), STR_FMT(buf_str(&s->outcomes)));
        return;
    }
    compare(t, "outcomes", buf_str(&s->outcomes), t->outcomes);
    compare(t, "said", buf_str(&s->said), t->said);
    if (s->end != t->end) fail_msg("%s: ended %d, wanted %d", t->name, s->end, t->end);
    if (t->most && (s->took / US_PER_S < t->least || s->took / US_PER_S > t->most))
        fail_msg("%s: took %lld s", t->name, (long long)(s->took / US_PER_S));
}

static void trip_in(struct sim *sim, void *arg)
{
    struct scene s = {.trip = arg, .said = BUF(1 << 22), .outcomes = BUF(1 << 20), .arena = arena_new(NULL, 0)};
    struct gate *gates[HOSTS] = {0};
    sim_dns(sim, rig_zone);
    if (s.trip->faults)
        sim_set_faults(sim,
                       (struct sim_faults){.connection_reset = 30000, .short_read = 200000, .latency_max_us = 90000});
    for (int i = 0; i < HOSTS; i++) host_open(sim, &s, i, &gates[i]);
    s.client = sim_node(sim, "client", (struct ip){4, {203, 0, 113, 7}});
    s.loop = loop_new(s.client);
    s.resolver = resolver_new(s.loop, &(struct resolver_options){0});
    tls_client_new(s.client, TLS_VERIFY_NONE, &s.tls[TLS_VERIFY_NONE], NULL);
    tls_client_new(s.client, TLS_VERIFY_NAME, &s.tls[TLS_VERIFY_NAME], NULL);
    loop_spawn(s.loop, stop_later, &s);
    sim_run(sim, clock_mono(s.client) + HOURS(5));
    assert_true(s.ended);
    for (int i = 0; i < HOSTS; i++) {
        if (s.hosts[i].listener) listener_stop(s.hosts[i].listener);
        loop_stop(s.hosts[i].loop);
    }
    loop_stop(s.loop);
    sim_run(sim, FOREVER);
    for (int i = 0; i < HOSTS; i++) {
        if (s.hosts[i].listener) listener_free(s.hosts[i].listener);
        gate_free(gates[i]);
        loop_free(s.hosts[i].loop);
    }
    loop_free(s.loop);
    resolver_free(s.resolver);
    tls_unref(s.tls[0]);
    tls_unref(s.tls[1]);
    judge(&s);
    buf_free(&s.said);
    buf_free(&s.outcomes);
    arena_free(s.arena);
}

#endif
