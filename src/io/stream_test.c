/* Streams, in the simulated world, each test twice: lines at every cut, limits, deadlines, rates, flushing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "io/sim.h"
#include "io/stream_core.h"

/* ---- a test is a fiber with a pair of streams ---- */

struct pair {
    struct arena *arena;
    struct stream *us, *them;
    int runs;
};
struct job {
    void (*test)(struct pair *p);
    size_t capacity;
    int runs;
};

static FIBER void job_fiber(void *arg)
{
    struct job *j = arg;
    struct pair p = {.arena = arena_new(NULL, 0)};
    stream_pair(p.arena, j->capacity, &p.us, &p.them);
    j->test(&p);
    arena_free(p.arena); /* closes what the test left open */
    j->runs++;
}

static void job_in_sim(struct sim *s, void *arg)
{
    struct loop *l = loop_new(sim_node(s, "home", (struct ip){4, {10, 0, 0, 1}}));
    loop_spawn(l, job_fiber, arg);
    sim_run(s, FOREVER);
    loop_free(l);
}

static void run(void (*test)(struct pair *p), size_t capacity)
{
    struct job j = {test, capacity, 0};
    sim_twice(11, job_in_sim, &j);
    assert_int_equal(j.runs, 2);
}

static void send_now(struct stream *s, struct str bytes)
{
    assert_int_equal(stream_write(s, bytes), 0);
    assert_int_equal(stream_flush(s), 0);
}

#define assert_str(got, want) assert_true(str_eq((got), (want)))

/* ---- lines at every cut ---- */

struct feed {
    struct stream *to;
    struct str text;
    size_t cut, step; /* first piece; size of the others, 0: the rest at once */
};

static FIBER void feed_fiber(void *arg)
{
    struct feed *f = arg;
    struct str rest = f->text;
    for (size_t n = f->cut; rest.n; n = f->step ? f->step : rest.n) {
        if (n) send_now(f->to, str_head(rest, n));
        rest = str_skip(rest, n);
        fiber_sleep(10);
    }
    stream_close(f->to);
}

struct expected {
    int code;
    struct str line;
};

static void read_all(struct arena *a, struct str text, bool lenient, size_t max, size_t cut, size_t step,
                     const struct expected *want, size_t n)
{
    struct stream *left, *right;
    struct scope s;
    stream_pair(a, 4096, &left, &right);
    struct feed f = {right, text, cut, step};
    scope_init(&s);
    fiber_spawn(&s, feed_fiber, &f);
    stream_lenient(left, lenient);
    for (size_t i = 0; i < n; i++) {
        struct str line = STR_NONE;
        int e = stream_line(left, max, &line);
        assert_int_equal(e, want[i].code);
        if (e == 0) assert_str(line, want[i].line);
    }
    struct str line;
    assert_int_equal(stream_line(left, max, &line), ERR_EOF);
    assert_int_equal(stream_line(left, max, &line), ERR_EOF);
    scope_join(&s);
    stream_close(left);
}

static FIBER void at_every_cut(struct pair *p)
{
    struct str text = S("a\r\n\r\nbb\n\r\ncc\r\r\n\n0123456789\r\n01234567\r\nNUL \0.\r\nd\nlost");
    const struct expected strict[] = {
        {0, S("a")}, {0, S("")}, {0, S("bb\n")}, {0, S("cc\r")}, {ERR_TOO_LONG, {0}},
        {0, S("01234567")}, {0, S("NUL \0.")},
    };
    const struct expected lenient[] = {
        {0, S("a")}, {0, S("")}, {0, S("bb")}, {0, S("")}, {0, S("cc\r")}, {0, S("")}, {ERR_TOO_LONG, {0}},
        {0, S("01234567")}, {0, S("NUL \0.")}, {0, S("d")},
    };
    for (size_t cut = 0; cut <= text.n; cut++) {
        read_all(p->arena, text, false, 10, cut, 0, strict, 7);
        read_all(p->arena, text, true, 10, cut, 0, lenient, 10);
    }
    for (size_t step = 1; step < 5; step++) {
        read_all(p->arena, text, false, 10, step, step, strict, 7);
        read_all(p->arena, text, true, 10, step, step, lenient, 10);
    }
}

static void test_cuts(void **state)
{
    (void)state;
    run(at_every_cut, 1000);
}

/* Lines longer than a block, and far longer than the limit. */
static FIBER void long_lines(struct pair *p)
{
    struct buf text = BUF(1 << 20);
    size_t lengths[] = {40000, 65534, 65535, 70000, 300000, 3};
    for (size_t i = 0; i < 6; i++) {
        memset(buf_reserve(&text, lengths[i]), 'a' + (int)i, lengths[i]);
        text.n += lengths[i];
        buf_lit(&text, "\r\n");
    }
    struct feed f = {p->them, buf_str(&text), 0, 5000};
    struct scope s;
    struct str line;
    scope_init(&s);
    fiber_spawn(&s, feed_fiber, &f);
    for (size_t i = 0; i < 6; i++) {
        int e = stream_line(p->us, 65536, &line);
        assert_int_equal(e, lengths[i] + 2 > 65536 ? ERR_TOO_LONG : 0);
        if (e) continue;
        assert_int_equal(line.n, lengths[i]);
        for (size_t k = 0; k < line.n; k += 97) assert_int_equal(line.p[k], 'a' + (int)i);
    }
    assert_int_equal(stream_line(p->us, 65536, &line), ERR_EOF);
    assert_null(p->us->in); /* nothing buffered, nothing held */
    scope_join(&s);
    stream_close(p->us);
    buf_free(&text);
}

static void test_long_lines(void **state)
{
    (void)state;
    run(long_lines, 8000);
}

/* ---- blocks ---- */

static FIBER void blocks(struct pair *p)
{
    static char out[50000];
    struct str bytes;
    struct buf text = BUF(100000);
    for (int i = 0; i < 10000; i++) buf_printf(&text, "%06d", i);
    struct feed f = {p->them, buf_str(&text), 0, 0};
    struct scope s;
    scope_init(&s);
    fiber_spawn(&s, feed_fiber, &f);
    assert_int_equal(stream_buffered(p->us).n, 0);
    assert_int_equal(stream_peek(p->us, &bytes), 0);
    assert_true(str_starts(bytes, S("000000000001")));
    stream_take(p->us, 4);
    assert_true(str_starts(stream_buffered(p->us), S("00000001")));
    assert_int_equal(stream_read(p->us, out, 2), 0);
    assert_int_equal(stream_read(p->us, out, sizeof out), 0); /* more than a block: past the buffer */
    assert_memory_equal(out, text.p + 6, sizeof out);
    assert_int_equal(stream_read(p->us, out, sizeof out), ERR_EOF); /* only 9994 are left */
    assert_int_equal(stream_bytes_in(p->us), 60000);
    scope_join(&s);
    stream_close(p->us);
    buf_free(&text);
}

static void test_blocks(void **state)
{
    (void)state;
    run(blocks, 3000);
}

/* ---- output ---- */

static FIBER void ask_and_answer(struct pair *p)
{
    struct str bytes, line;
    stream_deadline(p->us, loop_now() + SECONDS(1));
    stream_write(p->us, S("250 one\r\n"));
    stream_write(p->us, S("250 two\r\n"));
    assert_int_equal(p->them->conn->ops->ready(p->them->conn, false), false); /* gathered, not sent */

    send_now(p->them, S("NOOP\r\nNOOP\r\n"));
    assert_int_equal(stream_line(p->us, 100, &line), 0);
    assert_int_equal(stream_line(p->us, 100, &line), 0);
    /* a whole command was there: no flush (PIPELINING) */
    assert_false(p->them->conn->ops->ready(p->them->conn, false));
    assert_int_equal(stream_line(p->us, 100, &line), ERR_TIMEOUT); /* this one had to wait, so it spoke first */
    assert_int_equal(stream_peek(p->them, &bytes), 0);
    assert_str(bytes, S("250 one\r\n250 two\r\n"));

    assert_int_equal(stream_error(p->us), ERR_TIMEOUT);
    assert_int_equal(stream_line(p->us, 100, &line), ERR_TIMEOUT); /* sticky, though more has come */
    stream_take(p->them, bytes.n);
    send_now(p->us, S("421 bye\r\n")); /* last words */
    assert_int_equal(stream_line(p->them, 100, &line), 0);
    assert_str(line, S("421 bye"));
    assert_int_equal(stream_bytes_out(p->us), 27);
}

static void test_flush_before_wait(void **state)
{
    (void)state;
    run(ask_and_answer, 1000);
}

struct drain {
    struct stream *from;
    struct buf got;
};

static FIBER void drain_fiber(void *arg)
{
    struct drain *d = arg;
    struct str bytes;
    while (stream_peek(d->from, &bytes) == 0) {
        buf_add(&d->got, bytes);
        stream_take(d->from, bytes.n);
        fiber_sleep(5);
    }
}

static FIBER void much_output(struct pair *p)
{
    struct drain d = {p->them, BUF(1 << 20)};
    struct buf want = BUF(1 << 20);
    struct scope s;
    scope_init(&s);
    fiber_spawn(&s, drain_fiber, &d);
    static char big[40000];
    memset(big, 'b', sizeof big);
    struct iovec many[70];
    for (int i = 0; i < 70; i++) many[i] = (struct iovec){big, (size_t)(i * 7 % 300)}; /* some of them empty */
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 500; i++) {
            stream_write(p->us, S("small piece "));
            buf_lit(&want, "small piece ");
        }
        assert_int_equal(stream_write(p->us, str_of(big, sizeof big)), 0);
        buf_add(&want, str_of(big, sizeof big));
        stream_write(p->us, S("before"));
        buf_lit(&want, "before");
        assert_int_equal(stream_writev(p->us, many, 70), 0);
        for (int i = 0; i < 70; i++) buf_add(&want, str_of(big, many[i].iov_len));
    }
    stream_write(p->us, S("the end"));
    buf_lit(&want, "the end");
    stream_close(p->us);
    scope_join(&s);
    assert_int_equal(d.got.n, want.n);
    assert_memory_equal(d.got.p, want.p, want.n);
    buf_free(&d.got);
    buf_free(&want);
}

static void test_much_output(void **state)
{
    (void)state;
    run(much_output, 1000);
    run(much_output, 70000);
}

static FIBER void write_errors(struct pair *p)
{
    static char big[5000];
    stream_deadline(p->us, loop_now() + SECONDS(2));
    assert_int_equal(stream_write(p->us, str_of(big, sizeof big)), 0);
    assert_int_equal(stream_flush(p->us), ERR_TIMEOUT); /* nobody reads */
    struct str line;
    stream_deadline(p->us, FOREVER);
    assert_int_equal(stream_line(p->us, 10, &line), ERR_TIMEOUT); /* a lost write ends everything */
    assert_int_equal(stream_write(p->us, S("x")), ERR_TIMEOUT);
    stream_close(p->us);
    assert_int_equal(stream_read(p->them, big, 1000), 0); /* what was taken arrives */
    stream_write(p->them, S("anybody?"));
    assert_int_equal(stream_flush(p->them), ERR_IO);
    assert_string_equal(stream_error_text(p->them), err_name(ERR_IO));
}

static void test_write_errors(void **state)
{
    (void)state;
    run(write_errors, 1000);
}

static FIBER void half_closed(struct pair *p)
{
    struct str line;
    send_now(p->them, S("QUIT\r\n"));
    p->them->conn->ops->shut(p->them->conn);
    assert_int_equal(stream_line(p->us, 100, &line), 0);
    assert_int_equal(stream_line(p->us, 100, &line), ERR_EOF);
    send_now(p->us, S("221 bye\r\n"));
    assert_int_equal(stream_line(p->them, 100, &line), 0);
    assert_str(line, S("221 bye"));
}

static void test_half_closed(void **state)
{
    (void)state;
    run(half_closed, 1000);
}

/* ---- rates and waits ---- */

struct drip {
    struct stream *to;
    int64_t every;
    int times;
};

static FIBER void drip_fiber(void *arg)
{
    struct drip *d = arg;
    for (int i = 0; i < d->times; i++) {
        if (fiber_sleep(d->every) != 0 || stream_write(d->to, S("x")) != 0 || stream_flush(d->to) != 0) return;
    }
}

static int drink(struct pair *p, int64_t every, int64_t rate, int64_t *seconds)
{
    struct scope s;
    struct stream *us, *them;
    char byte;
    int e = 0;
    scope_init(&s);
    stream_pair(p->arena, 100, &us, &them);
    struct drip d = {them, every, 10000};
    fiber_spawn(&s, drip_fiber, &d);
    mono_us began = loop_now();
    stream_min_rate(us, rate);
    stream_deadline(us, began + MINUTES(10));
    while (e == 0) e = stream_read(us, &byte, 1);
    *seconds = (loop_now() - began) / US_PER_S;
    scope_cancel(&s);
    scope_join(&s);
    stream_abort(us);
    stream_abort(them);
    return e;
}

static FIBER void rates(struct pair *p)
{
    int64_t seconds;
    assert_int_equal(drink(p, SECONDS(1) / 5, 10, &seconds), ERR_TOO_SLOW);
    assert_in_range(seconds, 60, 61);
    assert_int_equal(drink(p, HOURS(1), 1, &seconds), ERR_TOO_SLOW); /* silence is slow */
    assert_in_range(seconds, 60, 61);
    assert_int_equal(drink(p, HOURS(1), 0, &seconds), ERR_TIMEOUT); /* no rate wanted: the deadline */
    assert_in_range(seconds, 600, 601);
    assert_int_equal(drink(p, SECONDS(1) / 20, 10, &seconds), ERR_TOO_SLOW); /* fast enough for as long as it drips */
    assert_in_range(seconds, 500, 600);
}

static void test_min_rate(void **state)
{
    (void)state;
    run(rates, 1000);
}

struct ringer {
    struct event *event;
    struct stream *stream;
    int64_t after;
};

static FIBER void ring(void *arg)
{
    struct ringer *r = arg;
    fiber_sleep(r->after);
    if (r->event) event_set(r->event);
    if (r->stream) send_now(r->stream, S("DONE\r\n"));
}

static FIBER void waits(struct pair *p)
{
    struct event e;
    struct scope s;
    struct str bytes;
    event_init(&e);
    scope_init(&s);
    mono_us began = loop_now();
    stream_write(p->us, S("+ idling\r\n"));
    assert_int_equal(wait_any(p->us, &e, began + SECONDS(1)), ERR_TIMEOUT);
    assert_null(p->us->in); /* an idle stream holds no buffer */
    assert_null(p->us->out);
    assert_int_equal(stream_peek(p->them, &bytes), 0);
    assert_str(bytes, S("+ idling\r\n")); /* it was flushed */

    struct ringer bell = {&e, NULL, SECONDS(2)}, letter = {NULL, p->them, SECONDS(4)};
    fiber_spawn(&s, ring, &bell);
    fiber_spawn(&s, ring, &letter);
    assert_int_equal(wait_any(p->us, &e, FOREVER), WAIT_EVENT);
    event_clear(&e);
    assert_int_equal(wait_any(p->us, &e, FOREVER), WAIT_INPUT);
    assert_int_equal(wait_any(p->us, &e, FOREVER), WAIT_INPUT); /* it is still there */
    stream_take(p->us, stream_buffered(p->us).n);
    assert_int_equal(wait_any(NULL, &e, loop_now() + 10), ERR_TIMEOUT);
    event_set(&e);
    assert_int_equal(wait_any(NULL, &e, FOREVER), WAIT_EVENT);
    event_clear(&e);
    stream_close(p->them);
    assert_int_equal(wait_any(p->us, &e, FOREVER), WAIT_INPUT); /* the read will tell */
    assert_int_equal(stream_peek(p->us, &bytes), ERR_EOF);
    scope_join(&s);
    assert_true(list_empty(&e.waiters));
    stream_close(p->us);
}

static void test_wait_any(void **state)
{
    (void)state;
    run(waits, 1000);
}

static FIBER void read_forever(void *arg)
{
    struct pair *p = arg;
    struct str line;
    assert_int_equal(stream_line(p->us, 100, &line), ERR_CANCELLED);
    assert_int_equal(stream_line(p->us, 100, &line), ERR_CANCELLED);
    send_now(p->us, S("421 4.3.2 shutting down\r\n")); /* what needs no waiting still goes out */
    stream_close(p->us);
}

static FIBER void cancelled_read(struct pair *p)
{
    struct scope s;
    struct str line;
    scope_init(&s);
    fiber_spawn(&s, read_forever, p);
    fiber_sleep(10);
    scope_cancel(&s);
    scope_join(&s);
    assert_int_equal(stream_line(p->them, 100, &line), 0);
    assert_str(line, S("421 4.3.2 shutting down"));
}

static void test_cancelled_read(void **state)
{
    (void)state;
    run(cancelled_read, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_flush_before_wait),
        cmocka_unit_test(test_much_output),
        cmocka_unit_test(test_write_errors),
        cmocka_unit_test(test_half_closed),
        cmocka_unit_test(test_min_rate),
        cmocka_unit_test(test_wait_any),
        cmocka_unit_test(test_cancelled_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
