/* Real sockets: 2,000 connections over two loops, closing while the peer sends, Unix sockets, a stop in the middle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/connect.h"
#include "io/listen.h"
#include "io/stream_core.h"

enum { CLIENTS = 2000, LINES = 5 };

static const struct ip nowhere;
static struct endpoint here(uint16_t port) { return (struct endpoint){{4, {127, 0, 0, 1}}, port}; }

static FIBER void echo(struct stream *s, void *arg)
{
    (void)arg;
    struct str line;
    stream_deadline(s, loop_now() + SECONDS(60));
    stream_write(s, S("hello\r\n"));
    while (stream_line(s, 1000, &line) == 0) {
        stream_write(s, line);
        stream_write(s, S("\r\n"));
    }
    stream_close(s);
}

struct server {
    struct world *world;
    struct loop *loops[2];
    struct gate *gate;
    struct listener *listener;
    uint16_t port;
};

static void server_start(struct server *v, struct listen_options o, struct listen_limits limits)
{
    v->world = world_real(2);
    v->loops[0] = loop_new(v->world);
    v->loops[1] = loop_new(v->world);
    v->gate = gate_new(v->world, limits);
    struct error e = {0};
    o.address = here(0);
    if (listener_open(v->world, &o, &v->listener, &e) != 0) fail_msg("%s", e.text);
    v->port = listener_port(v->listener);
    listener_start(v->listener, v->gate, v->loops, 2);
    loop_start(v->loops[0], "one");
    loop_start(v->loops[1], "two");
}

static void server_stop(struct server *v)
{
    for (int i = 0; i < 2; i++) loop_stop(v->loops[i]);
    for (int i = 0; i < 2; i++) loop_join(v->loops[i]);
    listener_stop(v->listener); /* too late, and harmless */
    listener_free(v->listener);
    for (int i = 0; i < 2; i++) loop_free(v->loops[i]);
    assert_int_equal(gate_connections(v->gate), 0);
    gate_free(v->gate);
    world_free(v->world);
}

/* Runs fn(arg) in a fiber of a loop of its own, on this thread. */
struct here_run {
    void (*fn)(void *);
    void *arg;
};

static FIBER void run_then_stop(void *arg)
{
    struct here_run *r = arg;
    r->fn(r->arg);
    loop_stop(loop_self());
}

static void run_here(struct world *w, void (*fn)(void *), void *arg)
{
    struct loop *l = loop_new(w);
    struct here_run r = {fn, arg};
    loop_spawn(l, run_then_stop, &r);
    loop_run(l);
    loop_free(l);
}

struct crowd {
    uint16_t port;
    int connected, echoed;
};

static FIBER void one_client(void *arg)
{
    struct crowd *c = arg;
    struct stream *s;
    struct str line;
    if (stream_connect(here(c->port), nowhere, loop_now() + SECONDS(30), &s, NULL) != 0) return;
    stream_deadline(s, loop_now() + SECONDS(30));
    if (stream_line(s, 100, &line) == 0 && str_eq(line, S("hello"))) c->connected++;
    while (c->connected < CLIENTS && fiber_sleep(10 * US_PER_MS) == 0) continue; /* all of them at once */
    for (int i = 0; i < LINES; i++) {
        stream_write(s, S("over and out\r\n"));
        if (stream_line(s, 100, &line) == 0 && str_eq(line, S("over and out"))) c->echoed++;
    }
    stream_close(s);
}

static FIBER void all_clients(void *arg)
{
    struct scope all;
    scope_init(&all);
    for (int i = 0; i < CLIENTS; i++) fiber_spawn(&all, one_client, arg);
    scope_join(&all);
}

static void test_crowd(void **state)
{
    (void)state;
    struct server v;
    server_start(&v, (struct listen_options){.name = "echo", .serve = echo}, (struct listen_limits){5000, 10, 64});
    struct crowd c = {.port = v.port};
    run_here(v.world, all_clients, &c);
    assert_int_equal(c.connected, CLIENTS);
    assert_int_equal(c.echoed, CLIENTS * LINES);
    server_stop(&v);
}

/* ---- one server, one client at a time ---- */

struct scene {
    struct server server;
    void (*play)(struct scene *c);
    _Atomic int served;
    int replies;
    char path[64];
    bool played;
};

static FIBER void play_fiber(void *arg)
{
    struct scene *c = arg;
    c->play(c);
    c->played = true;
}

static void play(void (*what)(struct scene *c), FIBER void (*serve)(struct stream *s, void *arg))
{
    struct scene c = {.play = what};
    server_start(&c.server, (struct listen_options){.name = "test", .serve = serve, .arg = &c},
                 (struct listen_limits){100, 100, 64});
    run_here(c.server.world, play_fiber, &c);
    server_stop(&c.server);
    assert_true(c.played);
}

/* Answers the first line with a refusal and closes, though the peer goes on sending. */
static FIBER void refuse_and_close(struct stream *s, void *arg)
{
    struct str line;
    (void)arg;
    if (stream_line(s, 1000, &line) == 0) stream_write(s, S("554 5.7.1 no\r\n"));
    fiber_sleep(20 * US_PER_MS); /* more of it arrives meanwhile, unread */
    stream_close(s);
}

static FIBER void send_on_and_on(struct scene *c)
{
    static const char big[20000];
    struct stream *s;
    struct str line = STR_NONE;
    assert_int_equal(stream_connect(here(c->server.port), nowhere, loop_now() + SECONDS(10), &s, NULL), 0);
    stream_deadline(s, loop_now() + SECONDS(10));
    stream_write(s, S("MAIL FROM:<>\r\n"));
    for (int i = 0; i < 5; i++) stream_write(s, str_of(big, sizeof big));
    stream_flush(s);
    fiber_sleep(50 * US_PER_MS);
    assert_int_equal(stream_line(s, 1000, &line), 0); /* the last words were not lost to a reset */
    assert_true(str_eq(line, S("554 5.7.1 no")));
    assert_int_equal(stream_line(s, 1000, &line), ERR_EOF);
    stream_close(s);
}

static void test_last_words(void **state)
{
    (void)state;
    play(send_on_and_on, refuse_and_close);
}

/* A peer that shuts its half down together with its last line still gets every reply. */
static FIBER void end_with_data(struct scene *c)
{
    struct stream *s;
    struct str line;
    assert_int_equal(stream_connect(here(c->server.port), nowhere, loop_now() + SECONDS(10), &s, NULL), 0);
    stream_deadline(s, loop_now() + SECONDS(10));
    assert_int_equal(stream_line(s, 100, &line), 0);
    stream_write(s, S("one\r\ntwo\r\nlost"));
    stream_flush(s);
    s->conn->ops->shut(s->conn);
    assert_int_equal(stream_line(s, 100, &line), 0);
    assert_int_equal(stream_line(s, 100, &line), 0);
    assert_true(str_eq(line, S("two")));
    assert_int_equal(stream_line(s, 100, &line), ERR_EOF);
    stream_close(s);
}

static void test_end_with_data(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) play(end_with_data, echo);
}

/* Much in both directions, through small kernel buffers: writes that must wait. */
static FIBER void echo_blocks(struct stream *s, void *arg)
{
    struct str bytes;
    (void)arg;
    stream_deadline(s, loop_now() + SECONDS(30));
    while (stream_peek(s, &bytes) == 0) {
        struct iovec v = {(void *)(uintptr_t)bytes.p, bytes.n};
        if (stream_writev(s, &v, 1) != 0) break;
        stream_take(s, bytes.n);
    }
    stream_close(s);
}

enum { MUCH = 8 << 20 };

static FIBER void pour(void *arg)
{
    struct stream *s = arg;
    static uint32_t block[4096];
    for (uint32_t n = 0; n < MUCH / sizeof block; n++) {
        for (uint32_t i = 0; i < 4096; i++) block[i] = n * 4096 + i;
        if (stream_write(s, str_of(block, sizeof block)) != 0) break;
    }
    stream_flush(s);
}

static FIBER void pour_and_drink(struct scene *c)
{
    struct stream *s;
    struct scope pouring;
    static uint32_t block[1000];
    uint32_t next = 0;
    scope_init(&pouring);
    assert_int_equal(stream_connect(here(c->server.port), nowhere, loop_now() + SECONDS(10), &s, NULL), 0);
    stream_deadline(s, loop_now() + SECONDS(30));
    fiber_spawn(&pouring, pour, s); /* one fiber writes, the other reads */
    while (next < MUCH / 4) {
        size_t n = MUCH / 4 - next < 1000 ? MUCH / 4 - next : 1000;
        assert_int_equal(stream_read(s, block, n * 4), 0);
        for (size_t i = 0; i < n; i++)
            if (block[i] != next++) fail_msg("wrong word %u", next - 1);
    }
    scope_join(&pouring);
    stream_close(s);
}

static void test_much_both_ways(void **state)
{
    (void)state;
    play(pour_and_drink, echo_blocks);
}

/* ---- connecting ---- */

static FIBER void try_connections(struct scene *c)
{
    struct stream *s;
    struct error e = {0};
    size_t which;
    struct endpoint v6 = {{6, {[15] = 1}}, c->server.port}, dead = here(1);
    assert_int_equal(stream_connect(dead, nowhere, loop_now() + SECONDS(5), &s, &e), ERR_IO);
    assert_non_null(strstr(e.text, "refused"));
    struct endpoint several[] = {dead, v6, here(c->server.port)};
    assert_int_equal(stream_connect_any(several, 3, nowhere, loop_now() + SECONDS(10), &s, &which, &e), 0);
    assert_int_equal(which, 2);
    assert_int_equal(stream_peer(s).port, c->server.port);
    assert_true(ip_is_loopback(stream_local(s).ip));
    stream_abort(s);
    const struct ip source = {4, {127, 0, 0, 9}}, foreign = {4, {192, 0, 2, 1}};
    assert_int_equal(stream_connect(here(c->server.port), source, loop_now() + SECONDS(5), &s, &e), 0);
    assert_true(ip_eq(stream_local(s).ip, source));
    stream_close(s);
    assert_true(stream_connect(here(c->server.port), foreign, loop_now() + SECONDS(5), &s, &e) < 0);
    struct listener *l;
    struct listen_options o = {.address = here(c->server.port), .serve = echo};
    assert_int_equal(listener_open(c->server.world, &o, &l, &e), ERR_BUSY);
}

static void test_connecting(void **state)
{
    (void)state;
    play(try_connections, echo);
}

/* ---- Unix sockets ---- */

static FIBER void who_are_you(struct stream *s, void *arg)
{
    struct peer_credentials who = {0};
    struct scene *c = arg;
    assert_int_equal(stream_peer_credentials(s, &who), 0);
    if (who.pid == getpid() && who.uid == (int64_t)getuid() && who.gid == (int64_t)getgid()) c->served++;
    assert_int_equal(stream_peer(s).ip.family, 0);
    stream_write(s, S("it is you\r\n"));
    stream_close(s);
}

static FIBER void ask_unix(struct scene *c)
{
    struct stream *s;
    struct str line;
    struct error e = {0};
    struct peer_credentials who;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(stream_connect_unix(c->path, loop_now() + SECONDS(5), &s, &e), 0);
        stream_deadline(s, loop_now() + SECONDS(5));
        assert_int_equal(stream_line(s, 100, &line), 0);
        stream_close(s);
    }
    assert_int_equal(c->served, 3);
    assert_int_equal(stream_connect_unix("/tmp/no/such/socket", loop_now() + SECONDS(5), &s, &e), ERR_NOT_FOUND);
    assert_int_equal(stream_connect(here(c->server.port), nowhere, loop_now() + SECONDS(5), &s, &e), 0);
    assert_int_equal(stream_peer_credentials(s, &who), ERR_UNSUPPORTED);
    stream_abort(s);
}

static void test_unix(void **state)
{
    (void)state;
    struct scene c = {.play = ask_unix};
    struct listener *l;
    struct stat st;
    snprintf(c.path, sizeof c.path, "/tmp/penny-socket-test-%d", (int)getpid());
    server_start(&c.server, (struct listen_options){.name = "tcp", .serve = echo},
                 (struct listen_limits){100, 100, 64});
    struct sockaddr_un left = {.sun_family = AF_UNIX}; /* the file of one that was killed is in the way */
    strcpy(left.sun_path, c.path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&left, sizeof left), 0);
    close(fd);
    assert_int_equal(listener_open_unix(c.server.world, c.path, false, who_are_you, &c, &l, NULL), 0);
    assert_int_equal(stat(c.path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    listener_start(l, NULL, c.server.loops, 1);
    run_here(c.server.world, play_fiber, &c);
    assert_true(c.played);
    server_stop(&c.server);
    listener_free(l);
    assert_int_equal(stat(c.path, &st), -1); /* it takes its file along */
}

/* ---- no descriptors left ---- */

/* A server that cannot accept pauses, and goes on when it can. */
static FIBER void exhaust_descriptors(struct scene *c)
{
    struct rlimit all, few;
    int held[64], n = 0;
    struct stream *s;
    struct str line;
    getrlimit(RLIMIT_NOFILE, &all);
    few = all;
    few.rlim_cur = 64;
    setrlimit(RLIMIT_NOFILE, &few);
    while (n < 64 && (held[n] = dup(0)) >= 0) n++;
    assert_in_range(n, 2, 63);
    close(held[--n]);
    int e = stream_connect(here(c->server.port), nowhere, loop_now() + SECONDS(5), &s, NULL); /* takes the last one */
    int none = dup(0);
    fiber_sleep(50 * US_PER_MS);
    int64_t polls = loop_stats(c->server.loops[0]).polls + loop_stats(c->server.loops[1]).polls;
    fiber_sleep(50 * US_PER_MS);
    polls = loop_stats(c->server.loops[0]).polls + loop_stats(c->server.loops[1]).polls - polls;
    while (n > 0) close(held[--n]);
    setrlimit(RLIMIT_NOFILE, &all);
    assert_int_equal(e, 0);
    assert_int_equal(none, -1);
    assert_in_range(polls, 0, 10); /* it does not spin */
    stream_deadline(s, loop_now() + SECONDS(5));
    assert_int_equal(stream_line(s, 100, &line), 0);
    assert_true(str_eq(line, S("hello")));
    stream_close(s);
}

static void test_no_descriptors(void **state)
{
    (void)state;
    play(exhaust_descriptors, echo);
}

/* ---- a stop in the middle ---- */

static FIBER void wait_for_the_end(struct stream *s, void *arg)
{
    struct scene *c = arg;
    struct str line;
    c->served++;
    assert_int_equal(stream_line(s, 100, &line), ERR_CANCELLED);
    stream_write(s, S("421 4.3.2 shutting down\r\n"));
    stream_close(s);
}

static FIBER void stay_to_the_end(void *arg)
{
    struct scene *c = arg;
    struct stream *s;
    struct str line;
    assert_int_equal(stream_connect(here(c->server.port), nowhere, loop_now() + SECONDS(10), &s, NULL), 0);
    stream_deadline(s, loop_now() + SECONDS(10));
    if (stream_line(s, 100, &line) == 0 && str_starts(line, S("421"))) c->replies++;
    assert_int_equal(stream_line(s, 100, &line), ERR_EOF);
    stream_close(s);
}

static FIBER void stop_in_the_middle(struct scene *c)
{
    struct scope all;
    scope_init(&all);
    for (int i = 0; i < 50; i++) fiber_spawn(&all, stay_to_the_end, c);
    while (c->served < 50) fiber_sleep(US_PER_MS);
    listener_stop(c->server.listener);
    for (int i = 0; i < 2; i++) loop_stop(c->server.loops[i]);
    scope_join(&all);
    assert_int_equal(c->replies, 50);
}

static void test_stop(void **state)
{
    (void)state;
    play(stop_in_the_middle, wait_for_the_end);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crowd),
        cmocka_unit_test(test_last_words),
        cmocka_unit_test(test_end_with_data),
        cmocka_unit_test(test_much_both_ways),
        cmocka_unit_test(test_connecting),
        cmocka_unit_test(test_unix),
        cmocka_unit_test(test_no_descriptors),
        cmocka_unit_test(test_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
