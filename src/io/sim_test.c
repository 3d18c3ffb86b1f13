/* The simulated world itself: links, listeners and their limits, jobs and lanes, machines that die. Each test twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arena.h"
#include "io/connect.h"
#include "io/file.h"
#include "io/listen.h"
#include "io/sim.h"
#include "io/udp.h"

static const struct ip server_ip = {4, {10, 0, 0, 1}}, client_ip = {4, {10, 0, 0, 2}}, nobody_ip = {4, {10, 9, 9, 9}};
static const struct ip any;

/* ---- a server that echoes lines, a client node, and what they saw ---- */

struct town {
    struct sim *sim;
    struct world *server, *client;
    struct loop *loops[2], *client_loop;
    struct gate *gate;
    struct listener *listener;
    int served, echoed, refused, failed, dropped;
    struct ip exempted, proxy;
    FIBER void (*serve)(struct stream *s, void *arg); /* NULL: echo */
    int lines, clients;
};

static FIBER void echo(struct stream *s, void *arg)
{
    struct town *t = arg;
    struct str line;
    t->served++;
    stream_deadline(s, loop_now() + MINUTES(5));
    while (stream_line(s, 1000, &line) == 0) {
        stream_write(s, line);
        stream_write(s, S("\r\n"));
    }
    stream_close(s);
}

static bool is_exempt(struct ip peer, void *arg) { return ip_eq(peer, ((struct town *)arg)->exempted); }
static bool is_proxy(struct ip peer, void *arg) { return ip_eq(peer, ((struct town *)arg)->proxy); }

static void town_build(struct town *t, struct sim *s, struct listen_limits limits)
{
    struct error e = {0};
    t->sim = s;
    t->server = sim_node(s, "server", server_ip);
    t->client = sim_node(s, "client", client_ip);
    for (int i = 0; i < 2; i++) t->loops[i] = loop_new(t->server);
    t->client_loop = loop_new(t->client);
    t->gate = gate_new(t->server, limits);
    struct listen_options o = {
        .name = "echo",
        .address = {.port = 25},
        .serve = t->serve ? t->serve : echo,
        .arg = t,
        .refusal = "421 too many\r\n",
        .exempt = is_exempt,
        .proxy = is_proxy,
    };
    if (listener_open(t->server, &o, &t->listener, &e) != 0) fail_msg("%s", e.text);
    assert_int_equal(listener_port(t->listener), 25);
    struct listener *twice;
    assert_int_equal(listener_open(t->server, &o, &twice, &e), ERR_BUSY);
    listener_start(t->listener, t->gate, t->loops, 2);
}

static void town_leave(struct town *t)
{
    listener_stop(t->listener);
    for (int i = 0; i < 2; i++) loop_stop(t->loops[i]);
    loop_stop(t->client_loop);
    sim_run(t->sim, FOREVER);
    for (int i = 0; i < 2; i++) loop_free(t->loops[i]);
    loop_free(t->client_loop);
    listener_free(t->listener);
    assert_int_equal(gate_connections(t->gate), 0);
    gate_free(t->gate);
}

static FIBER void client(void *arg)
{
    struct town *t = arg;
    struct stream *s;
    struct str line;
    if (stream_connect((struct endpoint){server_ip, 25}, any, loop_now() + MINUTES(1), &s, NULL) != 0) {
        t->failed++;
        return;
    }
    assert_true(ip_eq(stream_peer(s).ip, server_ip) && ip_eq(stream_local(s).ip, client_ip));
    stream_deadline(s, loop_now() + MINUTES(10));
    int done = 0;
    for (; done < t->lines; done++) {
        stream_write(s, S("how are you this fine day?\r\n"));
        if (stream_line(s, 100, &line) != 0) break;
        if (str_starts(line, S("421"))) {
            t->refused++;
            break;
        }
        assert_true(str_eq(line, S("how are you this fine day?")));
        t->echoed++;
        fiber_sleep(SECONDS(1));
    }
    if (done < t->lines && stream_error(s)) t->dropped++;
    stream_close(s);
}

static FIBER void clients(void *arg)
{
    struct town *t = arg;
    struct scope all;
    scope_init(&all);
    for (int i = 0; i < t->clients; i++) fiber_spawn(&all, client, t);
    scope_join(&all);
}

static void fine_day(struct sim *s, void *arg)
{
    struct town *t = arg;
    *t = (struct town){.lines = 5, .clients = 20};
    sim_set_faults(s, (struct sim_faults){.latency_max_us = SECONDS(1), .short_read = 500000});
    town_build(t, s, (struct listen_limits){100, 50, 64});
    loop_spawn(t->client_loop, clients, t);
    sim_run(s, FOREVER);
    assert_int_equal(t->served, 20);
    assert_int_equal(t->echoed, 100);
    town_leave(t);
}

static void test_links(void **state)
{
    struct town t;
    (void)state;
    for (uint64_t seed = 0; seed < 10; seed++) sim_twice(seed, fine_day, &t);
    struct sim *one = sim_new(1), *two = sim_new(2); /* another seed is another day */
    fine_day(one, &t);
    fine_day(two, &t);
    assert_true(sim_hash(one) != sim_hash(two));
    sim_free(one);
    sim_free(two);
}

static int64_t resets_seen;
static void bad_day(struct sim *s, void *arg)
{
    struct town *t = arg;
    *t = (struct town){.lines = 10, .clients = 20};
    sim_set_faults(s, (struct sim_faults){.latency_max_us = 50 * US_PER_MS, .connection_reset = 20000});
    town_build(t, s, (struct listen_limits){100, 50, 64});
    loop_spawn(t->client_loop, clients, t);
    sim_run(s, FOREVER);
    assert_in_range(t->echoed, 20, 199);
    resets_seen += t->dropped;
    town_leave(t);
}

static void test_resets(void **state)
{
    struct town t;
    (void)state;
    for (uint64_t seed = 0; seed < 10; seed++) sim_twice(seed, bad_day, &t);
    assert_in_range(resets_seen, 50, 400);
}

/* ---- limits ---- */

static void crowded(struct sim *s, void *arg)
{
    struct town *t = arg;
    town_build(t, s, (struct listen_limits){8, 5, 64});
    loop_spawn(t->client_loop, clients, t);
    sim_run(s, FOREVER);
    town_leave(t);
}

static void per_address(struct sim *s, void *arg)
{
    struct town *t = arg;
    *t = (struct town){.lines = 2, .clients = 12};
    crowded(s, t);
    assert_int_equal(t->served, 5);
    assert_int_equal(t->refused, 7);
}

static void in_all(struct sim *s, void *arg)
{
    struct town *t = arg;
    *t = (struct town){.lines = 2, .clients = 12, .exempted = client_ip};
    crowded(s, t);
    assert_int_equal(t->served, 8);
    assert_int_equal(t->refused, 4);
}

static void test_limits(void **state)
{
    struct town t;
    (void)state;
    sim_twice(5, per_address, &t);
    sim_twice(6, in_all, &t);
}

/* ---- counted for who is named ---- */

/* The first line names an address, or nobody. */
static FIBER void serve_named(struct stream *s, void *arg)
{
    struct str line;
    struct ip named;
    stream_deadline(s, FOREVER);
    int e = stream_line(s, 100, &line);
    if (!e && line.n) {
        assert_int_equal(ip_parse(line, &named), 0);
        e = stream_count_as(s, named);
    }
    if (e) stream_write(s, S("421 too many\r\n"));
    else stream_write(s, S("welcome\r\n"));
    if (!e) echo(s, arg);
    else stream_close(s);
}

/* A connection from `from` that names `name`; NULL: refused, and closed by the server. */
static FIBER struct stream *come(struct ip from, const char *name)
{
    struct stream *s;
    struct str line = STR_NONE;
    assert_int_equal(stream_connect((struct endpoint){server_ip, 25}, from, loop_now() + MINUTES(1), &s, NULL), 0);
    stream_deadline(s, loop_now() + MINUTES(1));
    stream_write(s, str_c(name));
    stream_write(s, S("\r\n"));
    assert_int_equal(stream_line(s, 100, &line), 0);
    if (str_eq(line, S("welcome"))) return s;
    assert_true(str_eq(line, S("421 too many")));
    int e = stream_line(s, 100, &line);
    assert_true(e == ERR_EOF || e == ERR_IO); /* a reset if it came not even in: its line is left unread */
    stream_close(s);
    return NULL;
}

static const struct ip direct_ip = {4, {10, 0, 0, 3}};

/* Two for each address may come; client_ip is a proxy, direct_ip comes itself. */
static const struct {
    enum { PROXY, ITSELF } by;
    const char *name;
    bool in;
} comers[] = {
    {PROXY, "", true}, /* the proxy is not counted, */
    {PROXY, "", true},
    {PROXY, "", true},
    {PROXY, "203.0.113.9", true}, /* who it names is */
    {PROXY, "203.0.113.9", true},
    {PROXY, "203.0.113.9", false},
    {PROXY, "203.0.113.10", true},
    {PROXY, "2001:db8:1:2::1", true},
    {PROXY, "2001:db8:1:2::2", true},
    {PROXY, "2001:db8:1:2::3", false},
    {PROXY, "2001:db8:1:3::3", true},
    {PROXY, "198.51.100.7", true}, /* exempt */
    {PROXY, "198.51.100.7", true},
    {PROXY, "198.51.100.7", true},
    {PROXY, "127.0.0.1", true},
    {PROXY, "127.0.0.1", true},
    {PROXY, "127.0.0.1", true},
    {PROXY, "10.0.0.2", true}, /* its own address as a client's */
    {PROXY, "10.0.0.2", true},
    {PROXY, "10.0.0.2", false},
    {ITSELF, "", true}, /* both ways together */
    {PROXY, "10.0.0.3", true},
    {PROXY, "10.0.0.3", false},
    {ITSELF, "", false},
};
enum { COMERS = sizeof comers / sizeof *comers };

static FIBER void come_and_go(void *arg)
{
    struct town *t = arg;
    struct stream *held[COMERS];
    int in = 0;
    for (int i = 0; i < COMERS; i++) {
        held[i] = come(comers[i].by == PROXY ? client_ip : direct_ip, comers[i].name);
        if ((held[i] != NULL) != comers[i].in) fail_msg("%d: %s", i, comers[i].name);
        in += held[i] != NULL;
    }
    fiber_sleep(SECONDS(10));
    assert_int_equal(gate_connections(t->gate), in);
    for (int round = 0; round < 3; round++) { /* one goes, one comes, and no second one */
        stream_close(held[4]);
        fiber_sleep(SECONDS(10));
        held[4] = come(client_ip, "203.0.113.9");
        assert_non_null(held[4]);
        assert_null(come(client_ip, "203.0.113.9"));
    }
    for (int i = 0; i < COMERS; i++)
        if (held[i]) stream_close(held[i]);
    fiber_sleep(SECONDS(10));
    assert_int_equal(gate_connections(t->gate), 0);
    struct stream *one = come(direct_ip, ""), *two = come(direct_ip, "10.0.0.3"); /* the second becomes who it is */
    assert_true(one && two);
    stream_close(one);
    stream_close(two);
    t->served = -1;
}

static void named(struct sim *s, void *arg)
{
    struct town *t = arg;
    *t = (struct town){.serve = serve_named, .proxy = client_ip, .exempted = {4, {198, 51, 100, 7}}};
    town_build(t, s, (struct listen_limits){100, 2, 64});
    sim_node_address(t->client, direct_ip);
    loop_spawn(t->client_loop, come_and_go, t);
    sim_run(s, FOREVER);
    assert_int_equal(t->served, -1);
    town_leave(t);
}

static void test_named(void **state)
{
    struct town t;
    (void)state;
    sim_twice(7, named, &t);
}

/* ---- connecting ---- */

static FIBER void try_connections(void *arg)
{
    struct stream *s;
    struct error e = {0};
    size_t which;
    mono_us began = loop_now();
    assert_int_equal(stream_connect((struct endpoint){server_ip, 26}, any, FOREVER, &s, &e), ERR_IO);
    assert_non_null(strstr(e.text, "refused"));
    assert_int_equal(stream_connect((struct endpoint){nobody_ip, 25}, any, began + SECONDS(10), &s, &e), ERR_TIMEOUT);
    assert_in_range(loop_now() - began, SECONDS(10), SECONDS(11));

    struct endpoint several[] = {{nobody_ip, 25}, {server_ip, 26}, {server_ip, 25}};
    began = loop_now();
    assert_int_equal(stream_connect_any(several, 3, any, began + SECONDS(30), &s, &which, &e), 0);
    assert_int_equal(which, 2);
    assert_in_range(loop_now() - began, SECONDS(10), SECONDS(11)); /* the silent one had its third of the time */
    stream_close(s);
    assert_int_equal(stream_connect_any(several, 2, any, loop_now() + SECONDS(30), &s, &which, &e), ERR_IO);
    assert_int_equal(stream_connect_any(several, 0, any, FOREVER, &s, &which, &e), ERR_NOT_FOUND);
    const struct ip v6 = {6, {0x20, 1}};
    assert_int_equal(stream_connect_any(several, 3, v6, FOREVER, &s, &which, &e), ERR_NOT_FOUND); /* no such pair */
    assert_int_equal(stream_connect_unix("/nowhere", FOREVER, &s, &e), ERR_NOT_FOUND);

    struct udp *u = udp_open(loop_world(loop_self()), (struct endpoint){server_ip, 53});
    char out[10];
    assert_int_equal(udp_send(u, S("hello?")), 0);
    assert_int_equal(udp_recv(u, out, sizeof out, loop_now() + SECONDS(1)), ERR_TIMEOUT);
    udp_close(u);
    *(bool *)arg = true;
}

static void connections(struct sim *s, void *arg)
{
    struct town t = {0};
    (void)arg;
    bool done = false;
    town_build(&t, s, (struct listen_limits){100, 50, 64});
    loop_spawn(t.client_loop, try_connections, &done);
    sim_run(s, FOREVER);
    assert_true(done);
    town_leave(&t);
}

static void test_connecting(void **state)
{
    (void)state;
    sim_twice(1, connections, NULL);
}

/* ---- a Unix socket and loopback inside a node ---- */

static FIBER void local_client(void *arg)
{
    struct town *t = arg;
    struct stream *s;
    struct str line;
    struct peer_credentials who = {.uid = 99};
    assert_int_equal(stream_connect_unix("/run/penny", loop_now() + SECONDS(1), &s, NULL), 0);
    assert_int_equal(stream_peer_credentials(s, &who), 0);
    assert_int_equal(who.uid, 0);
    stream_write(s, S("hello\r\n"));
    assert_int_equal(stream_line(s, 100, &line), 0);
    stream_close(s);
    const struct ip loopback = {4, {127, 0, 0, 1}};
    assert_int_equal(stream_connect((struct endpoint){loopback, 25}, any, loop_now() + SECONDS(1), &s, NULL), 0);
    assert_int_equal(stream_peer_credentials(s, &who), ERR_UNSUPPORTED);
    assert_true(ip_is_loopback(stream_peer(s).ip));
    stream_set_peer(s, (struct endpoint){nobody_ip, 4});
    assert_true(ip_eq(stream_peer(s).ip, nobody_ip));
    stream_close(s);
    t->echoed++;
}

static void local_sockets(struct sim *s, void *arg)
{
    struct town t = {0};
    struct listener *l, *twice;
    (void)arg;
    town_build(&t, s, (struct listen_limits){100, 50, 64});
    assert_int_equal(listener_open_unix(t.server, "/run/penny", false, echo, &t, &l, NULL), 0);
    assert_int_equal(listener_open_unix(t.server, "/run/penny", false, echo, &t, &twice, NULL), ERR_BUSY);
    listener_start(l, NULL, t.loops, 1);
    loop_spawn(t.loops[1], local_client, &t);
    sim_run(s, FOREVER);
    assert_int_equal(t.echoed, 1);
    assert_int_equal(t.served, 2);
    town_leave(&t);
    listener_free(l);
}

static void test_local_sockets(void **state)
{
    (void)state;
    sim_twice(1, local_sockets, NULL);
}

/* ---- jobs and lanes ---- */

struct works {
    int jobs, order[10], lane_runs, wakes_inside;
    struct lane *lane;
};
struct work {
    struct works *all;
    int number;
};

static void do_work(void *arg)
{
    struct work *k = arg;
    k->all->order[k->all->jobs++] = k->number;
}
static FIBER void offload_work(void *arg)
{
    offload(do_work, arg);
    lane_wake(((struct work *)arg)->all->lane);
}
static void lane_run(void *arg)
{
    struct works *k = arg;
    k->lane_runs++;
    if (k->wakes_inside-- > 0) lane_wake(k->lane);
}

static uint64_t shuffles;
static void jobs_and_lanes(struct sim *s, void *arg)
{
    struct works all = {.wakes_inside = 1};
    struct work k[10];
    struct world *w = sim_node(s, "home", server_ip);
    struct loop *l = loop_new(w);
    (void)arg;
    sim_set_faults(s, (struct sim_faults){.job_latency_max_us = 1000});
    all.lane = lane_new(w, "lane", lane_run, &all);
    for (int i = 0; i < 3; i++) lane_wake(all.lane);
    sim_run(s, FOREVER);
    assert_int_equal(all.lane_runs, 2); /* three wakes are one run, the wake during it another */
    for (int i = 0; i < 10; i++) {
        k[i] = (struct work){&all, i};
        loop_spawn(l, offload_work, &k[i]);
    }
    sim_run(s, FOREVER);
    assert_int_equal(all.jobs, 10);
    for (int i = 0; i < 10; i++) shuffles += all.order[i] != i;
    lane_wake(all.lane);
    int before = all.lane_runs;
    lane_free(all.lane);
    assert_int_equal(all.lane_runs, before + 1);
    loop_free(l);
}

static void test_jobs_and_lanes(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 5; seed++) sim_twice(seed, jobs_and_lanes, NULL);
    assert_true(shuffles > 20); /* jobs come in an order of chance */
}

/* ---- death ---- */

/* A server that writes down what it is told, and answers when that is safe. */
struct notary {
    struct world *w;
    int written;
};
struct note {
    struct notary *n;
    struct str line;
    int result;
};

static void write_down(void *arg)
{
    struct note *k = arg;
    struct file *f;
    k->result = file_open(k->n->w, "/notes", FILE_WRITE | FILE_CREATE, &f, NULL);
    if (k->result) return;
    k->result = file_write(f, k->line.p, 4, 4 * k->n->written, NULL);
    if (!k->result) k->result = file_sync(f, NULL);
    if (!k->result) k->result = folder_sync(k->n->w, "/", NULL);
    if (!k->result) k->n->written++;
    file_close(f);
}

static FIBER void take_notes(struct stream *s, void *arg)
{
    struct note k = {.n = arg};
    char *held = malloc(1000); /* what a fiber holds when its machine dies is freed by its own hands */
    stream_deadline(s, loop_now() + HOURS(1));
    while (stream_line(s, 100, &k.line) == 0 && k.line.n == 4) {
        offload(write_down, &k);
        if (k.result) break;
        stream_write(s, S("250 ok\r\n"));
    }
    free(held);
    stream_close(s);
}

struct teller {
    int told, heard;
};
static FIBER void tell(void *arg)
{
    struct teller *t = arg;
    struct stream *s;
    struct str line;
    char text[16];
    if (stream_connect((struct endpoint){server_ip, 25}, any, loop_now() + MINUTES(1), &s, NULL) != 0) return;
    stream_deadline(s, loop_now() + MINUTES(2));
    for (t->told = 0; t->told < 6;) {
        snprintf(text, sizeof text, "%04d\r\n", t->told++);
        stream_write(s, str_of(text, 6));
        if (stream_line(s, 100, &line) != 0) break; /* a reset, or silence until the deadline */
        t->heard++;
    }
    stream_abort(s);
}

static FIBER void sleepless(void *arg)
{
    while (fiber_sleep(SECONDS(1)) == 0) ++*(int *)arg;
}

static int machines_died;
static void die_at(struct sim *s, void *arg)
{
    int nth = *(int *)arg, ticks = 0;
    struct notary n = {.w = sim_node(s, "server", server_ip)};
    struct world *client_world = sim_node(s, "client", client_ip);
    struct loop *loop = loop_new(n.w), *client_loop = loop_new(client_world);
    struct listener *l;
    struct listen_options o = {.name = "notes", .address = {server_ip, 25}, .serve = take_notes, .arg = &n};
    struct teller t = {0};
    sim_set_faults(s, (struct sim_faults){.latency_max_us = 5000, .job_latency_max_us = 5000});
    assert_int_equal(listener_open(n.w, &o, &l, NULL), 0);
    listener_start(l, NULL, &loop, 1);
    loop_spawn(client_loop, tell, &t);
    loop_spawn(loop, sleepless, &ticks);
    sim_crash_at(n.w, nth);
    sim_run(s, MINUTES(10));
    machines_died += sim_crashed(n.w);
    if (!sim_crashed(n.w)) sim_crash(n.w);
    sim_run(s, MINUTES(20));
    assert_int_equal(loop_stats(loop).fibers_now, 0); /* all have gone */
    listener_free(l);
    loop_free(loop);

    n.w = sim_restart(n.w);
    char got[100];
    struct file *f;
    int64_t size = 0;
    if (file_open(n.w, "/notes", FILE_READ, &f, NULL) == 0) {
        size = file_read(f, got, sizeof got, 0, NULL);
        file_close(f);
    }
    assert_true(size >= 4 * t.heard); /* what was answered is there */
    assert_true(size <= 4 * t.told);
    for (int i = 0; i < t.heard; i++) {
        char want[16];
        snprintf(want, sizeof want, "%04d", i);
        assert_memory_equal(got + 4 * (ptrdiff_t)i, want, 4);
    }
    loop_free(client_loop);
}

static void test_death(void **state)
{
    (void)state;
    for (int nth = 1; nth < 22; nth++)
        for (uint64_t seed = 0; seed < 10; seed++) sim_twice(seed, die_at, &nth);
    assert_true(machines_died > 300);
}

/* A fiber that waits for what never comes is dropped with its loop. */
static FIBER void deaf(void *arg)
{
    struct scope inner;
    scope_init(&inner);
    if (!arg) fiber_spawn(&inner, deaf, &inner);
    if (!arg) scope_join(&inner);
    else fiber_park_whatever();
}

static void test_drop(void **state)
{
    (void)state;
    struct sim *s = sim_new(1);
    struct loop *l = loop_new(sim_node(s, "home", server_ip));
    loop_spawn(l, deaf, NULL);
    sim_run(s, SECONDS(1));
    assert_int_equal(loop_stats(l).fibers_now, 2);
    loop_free(l);
    sim_free(s);
}

/* ---- clocks and chance ---- */

static void clocks(struct sim *s, void *arg)
{
    struct world *w = sim_node(s, "home", server_ip);
    (void)arg;
    utc_us utc = clock_utc(w);
    mono_us mono = clock_mono(w);
    assert_true(mono > 0);
    assert_int_equal(sim_run(s, mono + DAYS(1)), mono); /* nothing to do: no time passes */
    sim_set_utc(s, utc + DAYS(3));
    assert_int_equal(clock_utc(w), utc + DAYS(3));
    assert_int_equal(clock_mono(w), mono);
    char one[20], two[20];
    world_random(w, one, sizeof one);
    world_random(w, two, sizeof two);
    assert_memory_not_equal(one, two, sizeof one);
    assert_string_equal(sim_dns_zone(w), "");
    sim_dns(s, "example.org. A 10.0.0.1\n");
    assert_string_equal(sim_dns_zone(w), "example.org. A 10.0.0.1\n");
    struct lock *l = lock_new(w);
    lock_take(l);
    lock_give(l);
    lock_free(l);
}

static void test_clocks(void **state)
{
    (void)state;
    sim_twice(1, clocks, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_resets),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_named),
        cmocka_unit_test(test_connecting),
        cmocka_unit_test(test_local_sockets),
        cmocka_unit_test(test_jobs_and_lanes),
        cmocka_unit_test(test_death),
        cmocka_unit_test(test_drop),
        cmocka_unit_test(test_clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
