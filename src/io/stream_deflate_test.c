/* Compressed streams (RFC 4978), in the simulated world, each test twice: against zlib itself at every cut, against
 * each other over a faulty link; what is buffered at the change, broken data, bombs, and sleep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/buf.h"
#include "io/connect.h"
#include "io/listen.h"
#include "io/sim.h"
#include "io/stream_core.h"
#include "mail/limits.h"

#define assert_str(got, want) assert_true(str_eq((got), (want)))

/* ---- a test is a fiber with a pair of streams, of which ours is compressed ---- */

struct pair {
    struct arena *arena;
    struct stream *us, *them;
};
struct job {
    void (*test)(struct pair *p);
    int runs;
};

static FIBER void job_fiber(void *arg)
{
    struct job *j = arg;
    struct pair p = {.arena = arena_new(NULL, 0)};
    stream_pair(p.arena, 1 << 16, &p.us, &p.them);
    stream_deadline(p.us, loop_now() + HOURS(1));
    stream_deadline(p.them, loop_now() + HOURS(1));
    j->test(&p);
    arena_free(p.arena);
    j->runs++;
}

static void job_in_sim(struct sim *s, void *arg)
{
    struct loop *l = loop_new(sim_node(s, "home", (struct ip){4, {10, 0, 0, 1}}));
    loop_spawn(l, job_fiber, arg);
    sim_run(s, FOREVER);
    loop_free(l);
}

static void run(void (*test)(struct pair *p))
{
    struct job j = {test, 0};
    sim_twice(12, job_in_sim, &j);
    assert_int_equal(j.runs, 2);
}

static FIBER void send_now(struct stream *s, struct str bytes)
{
    assert_int_equal(stream_write(s, bytes), 0);
    assert_int_equal(stream_flush(s), 0);
}

/* ---- zlib as the peer ---- */

struct peer {
    z_stream out, in;
};

static void peer_open(struct peer *z)
{
    *z = (struct peer){0};
    assert_int_equal(deflateInit2(&z->out, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(inflateInit2(&z->in, -15), Z_OK);
}

static void peer_close(struct peer *z)
{
    deflateEnd(&z->out);
    inflateEnd(&z->in);
}

static struct str pack(struct arena *a, struct peer *z, struct str text, int flush)
{
    size_t room = deflateBound(&z->out, text.n) + 100;
    char *out = arena_alloc(a, room);
    z->out.next_in = (Bytef *)(uintptr_t)text.p;
    z->out.avail_in = (uInt)text.n;
    z->out.next_out = (Bytef *)out;
    z->out.avail_out = (uInt)room;
    int result = deflate(&z->out, flush);
    assert_int_equal(result, flush == Z_FINISH ? Z_STREAM_END : Z_OK);
    assert_true(z->out.avail_out > 0);
    return str_of(out, room - z->out.avail_out);
}

/* All the other end has sent so far, decompressed. */
static FIBER struct str unpack(struct arena *a, struct peer *z, struct stream *from)
{
    struct buf *text = buf_in(a, 1 << 20);
    struct str bytes;
    while (wait_any(from, NULL, loop_now() + 1000) == WAIT_INPUT && stream_peek(from, &bytes) == 0) {
        z->in.next_in = (Bytef *)(uintptr_t)bytes.p;
        z->in.avail_in = (uInt)bytes.n;
        do {
            z->in.next_out = (Bytef *)buf_reserve(text, 10000);
            z->in.avail_out = 10000;
            int result = inflate(&z->in, Z_SYNC_FLUSH);
            assert_true(result == Z_OK || result == Z_BUF_ERROR);
            text->n += 10000 - z->in.avail_out;
        } while (z->in.avail_out == 0);
        assert_int_equal(z->in.avail_in, 0);
        stream_take(from, bytes.n);
    }
    return buf_str(text);
}

/* ---- what is said, at every cut ---- */

static FIBER void said_at(struct arena *a, struct str bytes, size_t cut)
{
    struct stream *us, *them;
    struct str line;
    char literal[5];
    stream_pair(a, 1 << 16, &us, &them);
    stream_deadline(us, loop_now() + SECONDS(1));
    send_now(them, str_head(bytes, cut)); /* begins in the segment that has the command, */
    assert_int_equal(stream_line(us, 100, &line), 0);
    assert_str(line, S("a COMPRESS DEFLATE"));
    assert_int_equal(stream_deflate(us), 0);
    send_now(them, str_skip(bytes, cut)); /* ends in another */
    assert_int_equal(stream_line(us, 100, &line), 0);
    assert_str(line, S("b APPEND x {5}"));
    assert_int_equal(stream_read(us, literal, 5), 0);
    assert_memory_equal(literal, "ab\r\nc", 5);
    assert_int_equal(stream_line(us, 100, &line), 0);
    assert_str(line, S(""));
    assert_int_equal(stream_line(us, 100, &line), 0);
    assert_str(line, S("c NOOP"));
    assert_int_equal(stream_line(us, 100, &line), ERR_TIMEOUT);
    assert_int_equal(stream_bytes_in(us), bytes.n);
    stream_abort(us);
    stream_abort(them);
}

static FIBER void at_every_cut(struct pair *p)
{
    struct peer z;
    peer_open(&z);
    struct buf *bytes = buf_in(p->arena, 1000);
    buf_lit(bytes, "a COMPRESS DEFLATE\r\n");
    size_t plain = bytes->n;
    buf_add(bytes, pack(p->arena, &z, S("b APPEND x {5}\r\nab\r\n"), Z_SYNC_FLUSH));
    buf_add(bytes, pack(p->arena, &z, S("c\r\nc NOOP\r\n"), Z_PARTIAL_FLUSH));
    for (size_t cut = plain; cut <= bytes->n; cut++) said_at(p->arena, buf_str(bytes), cut);
    peer_close(&z);
}

static void test_cuts(void **state)
{
    (void)state;
    run(at_every_cut);
}

/* ---- what we say ---- */

static struct str noise(struct arena *a, size_t n)
{
    char *p = arena_alloc(a, n);
    uint32_t x = 1;
    for (size_t i = 0; i < n; i++) p[i] = (char)((x = x * 1664525 + 1013904223) >> 24);
    return str_of(p, n);
}

static FIBER void replies(struct pair *p)
{
    struct peer z;
    peer_open(&z);
    assert_int_equal(stream_write(p->us, S("a OK now\r\n")), 0);
    assert_int_equal(stream_deflate(p->us), 0);
    struct str line;
    assert_int_equal(stream_line(p->them, 100, &line), 0); /* in plain text, and alone */
    assert_str(line, S("a OK now"));
    assert_int_equal(stream_buffered(p->them).n, 0);
    assert_int_equal(stream_flush(p->us), 0);
    assert_str(unpack(p->arena, &z, p->them), S(""));

    send_now(p->us, S("* OK still here\r\n")); /* all of it can be read after a flush */
    assert_str(unpack(p->arena, &z, p->them), S("* OK still here\r\n"));
    int64_t before = stream_bytes_out(p->us);
    char *same = arena_alloc(p->arena, 100000);
    send_now(p->us, str_of(same, 100000));
    assert_str(unpack(p->arena, &z, p->them), str_of(same, 100000));
    assert_true(stream_bytes_out(p->us) - before < 1000);
    before = stream_bytes_out(p->us);
    struct str any = noise(p->arena, 40000);
    struct iovec v[4] = {{(void *)"{40000}\r\n", 9},
                         {(void *)"", 0},
                         {(void *)(uintptr_t)any.p, any.n},
                         {(void *)")\r\n", 3}};
    assert_int_equal(stream_write(p->us, S("* 1 FETCH (BODY[] ")), 0);
    assert_int_equal(stream_writev(p->us, v, 4), 0);
    struct str want = arena_printf(p->arena, "* 1 FETCH (BODY[] {40000}\r\n"), got = unpack(p->arena, &z, p->them);
    assert_str(str_head(got, want.n), want);
    assert_str(str_head(str_skip(got, want.n), any.n), any);
    assert_str(str_skip(got, want.n + any.n), S(")\r\n"));
    assert_true(stream_bytes_out(p->us) - before < 40000 + 300); /* grows by next to nothing */
    peer_close(&z);
}

static void test_replies(void **state)
{
    (void)state;
    run(replies);
}

/* ---- what goes wrong ---- */

static FIBER void broken(struct pair *p)
{
    struct peer z;
    struct str line;
    peer_open(&z);
    assert_int_equal(stream_deflate(p->us), 0);
    send_now(p->them, pack(p->arena, &z, S("a NOOP\r\n"), Z_SYNC_FLUSH));
    send_now(p->them, S("b NOOP\r\n\r\n\r\n\377\377\377"));
    assert_int_equal(stream_line(p->us, 100, &line), 0);
    assert_str(line, S("a NOOP"));
    assert_int_equal(stream_line(p->us, 100, &line), ERR_SYNTAX);
    send_now(p->them, pack(p->arena, &z, S("c NOOP\r\n"), Z_SYNC_FLUSH));
    assert_int_equal(stream_line(p->us, 100, &line), ERR_SYNTAX);
    assert_int_equal(stream_error(p->us), ERR_SYNTAX);
    send_now(p->us, S("* BYE that is not deflate\r\n"));
    assert_str(unpack(p->arena, &z, p->them), S("* BYE that is not deflate\r\n"));
    peer_close(&z);
}

static FIBER void finished(struct pair *p)
{
    struct peer z;
    struct str line;
    peer_open(&z);
    assert_int_equal(stream_deflate(p->us), 0);
    send_now(p->them, pack(p->arena, &z, S("a LOGOUT\r\nhalf"), Z_FINISH));
    send_now(p->them, S("more"));
    assert_int_equal(stream_line(p->us, 100, &line), 0);
    assert_str(line, S("a LOGOUT"));
    assert_int_equal(stream_line(p->us, 100, &line), ERR_EOF);
    peer_close(&z);
}

/* RFC 8437 §4.1 */
static FIBER void ended(struct pair *p)
{
    struct peer z;
    struct str line;
    peer_open(&z);
    assert_int_equal(stream_deflate_end(p->us), 0); /* there is none */
    assert_int_equal(stream_deflate(p->us), 0);
    send_now(p->them, pack(p->arena, &z, S("a UNAUTHENTICATE\r\nb NOOP\r\n"), Z_SYNC_FLUSH));
    assert_int_equal(stream_line(p->us, 100, &line), 0);
    stream_write(p->us, S("a OK\r\n"));
    assert_int_equal(stream_deflate_end(p->us), 0);
    assert_str(unpack(p->arena, &z, p->them), S("a OK\r\n"));
    send_now(p->them, S("c NOOP\r\n"));
    assert_int_equal(stream_line(p->us, 100, &line), 0);
    assert_str(line, S("c NOOP"));
    send_now(p->us, S("c OK\r\n"));
    assert_int_equal(stream_line(p->them, 100, &line), 0);
    assert_str(line, S("c OK"));
    peer_close(&z);
    /* what stands behind the end of the deflate data has come with it */
    peer_open(&z);
    assert_int_equal(stream_deflate(p->us), 0);
    stream_write(p->them, pack(p->arena, &z, S("d UNAUTHENTICATE\r\n"), Z_FINISH));
    send_now(p->them, S("e NOOP\r\n"));
    assert_int_equal(stream_line(p->us, 100, &line), 0);
    assert_int_equal(stream_deflate_end(p->us), 0);
    assert_int_equal(stream_line(p->us, 100, &line), 0);
    assert_str(line, S("e NOOP"));
    peer_close(&z);
}

static FIBER void cut_off(struct pair *p)
{
    struct peer z;
    struct str line;
    peer_open(&z);
    assert_int_equal(stream_deflate(p->us), 0);
    struct str bytes = pack(p->arena, &z, S("a NOOP\r\n"), Z_SYNC_FLUSH);
    send_now(p->them, str_head(bytes, 5));
    stream_close(p->them);
    assert_int_equal(stream_line(p->us, 100, &line), ERR_EOF);
    peer_close(&z);
}

static void test_ends(void **state)
{
    (void)state;
    run(broken);
    run(finished);
    run(ended);
    run(cut_off);
}

/* 16 MiB in 16 KiB: what is not read is not inflated. */
static FIBER void bomb(struct pair *p)
{
    struct peer z;
    struct str line, bytes;
    peer_open(&z);
    assert_int_equal(stream_deflate(p->us), 0);
    struct str text = str_of(arena_alloc(p->arena, 16 << 20), 16 << 20);
    send_now(p->them, pack(p->arena, &z, text, Z_SYNC_FLUSH));
    send_now(p->them, pack(p->arena, &z, S("\r\nb NOOP\r\n"), Z_SYNC_FLUSH));
    assert_int_equal(stream_peek(p->us, &bytes), 0);
    assert_int_equal(bytes.n, BLOCK_SIZE);
    assert_int_equal(stream_line(p->us, 8192, &line), ERR_TOO_LONG);
    assert_int_equal(p->us->cap, BLOCK_SIZE);
    assert_int_equal(stream_line(p->us, 8192, &line), 0);
    assert_str(line, S("b NOOP"));
    send_now(p->them, pack(p->arena, &z, text, Z_SYNC_FLUSH));
    char *all = arena_alloc(p->arena, text.n);
    memset(all, 1, text.n);
    assert_int_equal(stream_read(p->us, all, text.n), 0);
    assert_memory_equal(all, text.p, text.n);
    peer_close(&z);
}

static void test_bomb(void **state)
{
    (void)state;
    run(bomb);
}

/* Deflate has blocks with nothing in them: input for ever, and never a byte of output. */
struct flood {
    struct stream *to;
    bool stop;
    int64_t sent;
};

static FIBER void flood_fiber(void *arg)
{
    struct flood *f = arg;
    char blocks[5000];
    for (size_t i = 0; i < sizeof blocks; i++) blocks[i] = "\0\0\0\377\377"[i % 5];
    while (!f->stop && stream_write(f->to, str_of(blocks, sizeof blocks)) == 0 && stream_flush(f->to) == 0)
        f->sent += (int64_t)sizeof blocks;
}

static FIBER void count_turns(void *arg)
{
    int *turns = arg;
    while (fiber_sleep(10) == 0) (*turns)++;
}

static FIBER void nothing_at_all(struct pair *p)
{
    struct flood f = {.to = p->them};
    struct scope s, counting;
    struct event stop;
    int turns = 0;
    event_init(&stop);
    scope_init(&s);
    scope_init(&counting);
    assert_int_equal(stream_deflate(p->us), 0);
    fiber_spawn(&s, flood_fiber, &f);
    fiber_spawn(&counting, count_turns, &turns);
    for (int i = 0; i < 100; i++) {
        stream_has_input(p->us); /* returns */
        fiber_yield();
    }
    event_set(&stop);
    assert_int_equal(wait_any(p->us, &stop, loop_now() + SECONDS(1)), WAIT_EVENT);
    assert_true(f.sent > 300000);
    f.stop = true;
    struct str line;
    stream_deadline(p->us, loop_now() + SECONDS(1));
    assert_int_equal(stream_line(p->us, 100, &line), ERR_TIMEOUT);
    scope_cancel(&counting);
    scope_join(&counting);
    scope_join(&s);
    assert_true(turns > 0);
}

static void test_nothing(void **state)
{
    (void)state;
    run(nothing_at_all);
}

/* ---- sleep ---- */

/* What both sides said before is remembered as far as it must be: the peer refers back to it, and can read on. */
static FIBER void sleeps(struct pair *p)
{
    struct peer z;
    struct str line, secret = noise(p->arena, 30000);
    char *copy = arena_alloc(p->arena, secret.n);
    peer_open(&z);
    assert_int_equal(stream_deflate(p->us), 0);
    send_now(p->them, pack(p->arena, &z, secret, Z_SYNC_FLUSH));
    assert_int_equal(stream_read(p->us, copy, secret.n), 0);
    for (int i = 0; i < 3; i++) {
        send_now(p->us, S("+ idling\r\n"));
        assert_str(unpack(p->arena, &z, p->them), S("+ idling\r\n"));
        assert_int_equal(wait_any(p->us, NULL, loop_now() + 2 * SPAN_IDLE), ERR_TIMEOUT);
        stream_deadline(p->us, loop_now() + 2 * SPAN_IDLE);
        struct str again = pack(p->arena, &z, secret, Z_SYNC_FLUSH);
        assert_true(again.n < 1000);
        send_now(p->them, again);
        assert_int_equal(stream_read(p->us, copy, secret.n), 0);
        assert_memory_equal(copy, secret.p, secret.n);
        struct str done = pack(p->arena, &z, S("DONE\r\n"), Z_SYNC_FLUSH); /* it sleeps in the middle of a block */
        send_now(p->them, str_head(done, 1));
        assert_int_equal(wait_any(p->us, NULL, loop_now() + 2 * SPAN_IDLE), ERR_TIMEOUT);
        send_now(p->them, str_skip(done, 1));
        assert_int_equal(stream_line(p->us, 100, &line), 0);
        assert_str(line, S("DONE"));
    }
    peer_close(&z);
}

static void test_sleep(void **state)
{
    (void)state;
    run(sleeps);
}

/* ---- ours at both ends of a faulty link ---- */

enum { MUCH = 200000, PORT = 143 };

static FIBER void echo(struct stream *s, void *arg)
{
    (void)arg;
    struct str bytes, line;
    stream_deadline(s, loop_now() + HOURS(1));
    assert_int_equal(stream_line(s, 100, &line), 0);
    stream_write(s, S("OK\r\n"));
    assert_int_equal(stream_deflate(s), 0);
    while (stream_peek(s, &bytes) == 0) {
        stream_write(s, bytes);
        stream_take(s, bytes.n);
    }
    stream_close(s);
}

static FIBER void say_much(void *arg)
{
    struct stream *s = arg;
    struct arena *a = arena_new(NULL, 0);
    struct str text = noise(a, MUCH);
    for (size_t i = 0; i < MUCH; i += 2) ((char *)(uintptr_t)text.p)[i] = 'x';
    for (size_t at = 0; at < MUCH; at += 7001) {
        stream_write(s, str_head(str_skip(text, at), 7001));
        if (at % 3 == 0) stream_flush(s);
    }
    stream_flush(s);
    arena_free(a);
}

static FIBER void over_a_link(void *arg)
{
    int *runs = arg;
    struct arena *a = arena_new(NULL, 0);
    struct stream *s;
    struct scope talking;
    struct str line;
    struct endpoint to = {{4, {10, 0, 0, 1}}, PORT};
    assert_int_equal(stream_connect(to, (struct ip){0}, loop_now() + SECONDS(10), &s, NULL), 0);
    stream_deadline(s, loop_now() + HOURS(1));
    stream_write(s, S("COMPRESS\r\n"));
    assert_int_equal(stream_line(s, 100, &line), 0);
    assert_str(line, S("OK"));
    assert_int_equal(stream_deflate(s), 0);
    scope_init(&talking);
    fiber_spawn(&talking, say_much, s); /* while we read: two fibers, two directions */
    struct str want = noise(a, MUCH);
    char *got = arena_alloc(a, MUCH);
    for (size_t i = 0; i < MUCH; i += 2) ((char *)(uintptr_t)want.p)[i] = 'x';
    assert_int_equal(stream_read(s, got, MUCH), 0);
    assert_memory_equal(got, want.p, MUCH);
    assert_true(stream_bytes_in(s) < MUCH * 3 / 4);
    scope_join(&talking);
    stream_close(s);
    arena_free(a);
    ++*runs;
}

static void link_in_sim(struct sim *s, void *arg)
{
    struct world *w = sim_node(s, "server", (struct ip){4, {10, 0, 0, 1}});
    struct loop *server = loop_new(w), *client = loop_new(sim_node(s, "client", (struct ip){4, {10, 0, 0, 2}}));
    struct gate *gate = gate_new(w, (struct listen_limits){100, 100, 64});
    struct listener *l;
    struct listen_options o = {.name = "imap", .address = {{4, {10, 0, 0, 1}}, PORT}, .serve = echo};
    sim_set_faults(s, (struct sim_faults){.short_read = 300000, .latency_max_us = 5000});
    assert_int_equal(listener_open(w, &o, &l, NULL), 0);
    listener_start(l, gate, &server, 1);
    loop_spawn(client, over_a_link, arg);
    sim_run(s, SECONDS(600));
    listener_stop(l);
    sim_run(s, FOREVER);
    loop_free(client);
    loop_free(server);
    listener_free(l);
    gate_free(gate);
}

static void test_link(void **state)
{
    (void)state;
    int runs = 0;
    sim_twice(5, link_in_sim, &runs);
    assert_int_equal(runs, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cuts),    cmocka_unit_test(test_replies), cmocka_unit_test(test_ends),
        cmocka_unit_test(test_bomb),    cmocka_unit_test(test_nothing), cmocka_unit_test(test_sleep),
        cmocka_unit_test(test_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
