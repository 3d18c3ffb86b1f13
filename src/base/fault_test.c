/* Every allocation fails in turn: work under arena_protect() ends with an error, nothing leaks, nothing crashes. The
 * sources are included so that their malloc() can be ours. */
#include "base/buf.h"

#include <stdlib.h>

static int left = -1; /* allocations until one fails; negative: none does */

static void *failing_realloc(void *p, size_t n) { return left >= 0 && left-- == 0 ? NULL : realloc(p, n); }
static void *failing_malloc(size_t n) { return failing_realloc(NULL, n); }

#define malloc failing_malloc
#define realloc failing_realloc
#include "base/arena.c"
#include "base/buf.c"
#undef malloc
#undef realloc

#include "base/test.h"

struct work {
    struct arena *connection;
    int opened, closed; /* things registered by arena_defer() */
};

static void close_one(void *of) { ((struct work *)of)->closed++; }

static void open_one(struct work *w, struct arena *a)
{
    arena_defer(a, close_one, w);
    w->opened++;
}

/* Something like a transaction: commands, growing text, things to undo. */
static int transaction(void *of)
{
    struct work *w = of;
    struct arena *tx = arena_new(w->connection, 0);
    struct buf *body = buf_in(tx, 100000);
    open_one(w, tx);
    for (int i = 0; i < 20; i++) {
        struct arena *command = arena_new(tx, 50000);
        open_one(w, command);
        struct str line = arena_printf(command, "RCPT TO:<%0*d@example.org>", 300 * i, i);
        buf_add(body, arena_str(tx, line));
        buf_printf(body, "%300d", i);
        if (i % 3 == 0) arena_free(command);
        if (i % 7 == 0) arena_reset(tx), body = buf_in(tx, 100000);
    }
    return body->failed;
}

static void every_allocation_fails_in_turn(void **state)
{
    (void)state;
    int n = 0, result;
    do {
        struct work w = {.connection = arena_new(NULL, 0)};
        size_t before = arena_used(w.connection);
        left = n++;
        result = arena_protect(w.connection, transaction, &w);
        bool failed = left < 0;
        left = -1;
        assert_true(failed ? result == ERR_BUDGET || result == ERR_TOO_LONG || result == 0 : result == 0);
        assert_true(w.closed <= w.opened);
        arena_reset(w.connection);
        assert_int_equal(w.closed, w.opened);
        assert_int_equal(arena_used(w.connection), before);
        assert_int_equal(arena_protect(w.connection, transaction, &w), 0); /* and works again */
        arena_free(w.connection);
        assert_int_equal(w.closed, w.opened);
        if (!failed) break;
    } while (n < 10000);
    assert_true(n > 40 && n < 10000); /* the sweep met them all */
}

static void every_budget(void **state)
{
    (void)state;
    int ended = 0, done = 0;
    for (size_t budget = 1; budget < 200000; budget += budget / 50 + 1) {
        struct work w = {.connection = arena_new(NULL, budget)};
        int result = arena_protect(w.connection, transaction, &w);
        assert_true(result == ERR_BUDGET || result == 0);
        assert_true(arena_used(w.connection) <= budget);
        *(result ? &ended : &done) += 1;
        arena_free(w.connection);
        assert_int_equal(w.closed, w.opened);
    }
    assert_true(ended > 10 && done > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_fails_in_turn),
                                       cmocka_unit_test(every_budget)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
