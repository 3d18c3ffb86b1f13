/* The low-water mark and the reserve: when mail is refused, what a full disk has left, and how it recovers. */
#include "store/space.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/sim.h"

enum { MIB = 1 << 20, LOW = 100 * MIB, LIMIT = 300 * MIB };

struct fixture {
    struct sim *sim;
    struct world *w;
    struct space *space;
    struct file *ballast; /* takes room away */
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->sim = sim_new(1);
    f->w = sim_node(f->sim, "post", (struct ip){0});
    sim_disk_limit(f->w, LIMIT);
    *state = f;
    return folder_create(f->w, "/data", NULL) ||
           file_open(f->w, "/data/ballast", FILE_WRITE | FILE_CREATE, &f->ballast, NULL);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    space_close(f->space);
    file_close(f->ballast);
    sim_free(f->sim);
    free(f);
    return 0;
}

/* Leaves so many bytes free, whatever the reserve takes. */
static void leave_free(struct fixture *f, int64_t bytes)
{
    assert_int_equal(file_truncate(f->ballast, 0, NULL), 0);
    int64_t now = folder_free_bytes(f->w, "/data");
    assert_true(now >= bytes);
    assert_int_equal(file_allocate(f->ballast, 0, now - bytes, NULL), 0);
}

static void open_space(struct fixture *f) { assert_int_equal(space_open(f->w, "/data", LOW, &f->space, NULL), 0); }
static void look(struct fixture *f) { space_check(f->space, 16 * MIB); }

static void plenty_of_room(void **state)
{
    struct fixture *f = *state;
    open_space(f);
    assert_false(space_is_low(f->space));
    assert_true(space_has_reserve(f->space));
    assert_int_equal(space_free_bytes(f->space), LIMIT - SPACE_RESERVE);
}

static void below_the_mark_and_back(void **state)
{
    struct fixture *f = *state;
    open_space(f);
    static const struct {
        int64_t room;
        bool low;
    } steps[] = {
        {LOW, false}, {LOW - 1, true}, {LOW + 1, true}, {LOW + SPACE_RESERVE - 1, true}, {LOW + SPACE_RESERVE, false},
        {LOW, false}};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        leave_free(f, steps[i].room);
        look(f);
        assert_int_equal(space_is_low(f->space), steps[i].low);
        assert_true(space_has_reserve(f->space)); /* the mark alone does not touch it */
    }
}

static void a_full_disk_lives_on_the_reserve(void **state)
{
    struct fixture *f = *state;
    open_space(f);
    leave_free(f, 0);
    struct file *journal;
    static const char page[4096];
    assert_int_equal(file_open(f->w, "/data/journal", FILE_WRITE | FILE_CREATE, &journal, NULL), 0);
    assert_int_equal(file_write(journal, page, sizeof page, 0, NULL), ERR_NO_SPACE);
    assert_true(space_release(f->space));
    assert_int_equal(file_write(journal, page, sizeof page, 0, NULL), 0);
    assert_true(space_is_low(f->space) && !space_has_reserve(f->space));
    assert_false(space_release(f->space)); /* once */
    look(f);
    assert_true(space_is_low(f->space) && !space_has_reserve(f->space));
    leave_free(f, LOW + SPACE_RESERVE - 1);
    look(f);
    assert_true(space_is_low(f->space) && !space_has_reserve(f->space));
    leave_free(f, LOW + SPACE_RESERVE);
    look(f);
    assert_true(!space_is_low(f->space) && space_has_reserve(f->space));
    assert_int_equal(folder_free_bytes(f->w, "/data"), LOW);
    file_close(journal);
}

static void started_on_a_full_disk(void **state)
{
    struct fixture *f = *state;
    leave_free(f, 5 * MIB);
    open_space(f);
    assert_true(space_is_low(f->space) && !space_has_reserve(f->space));
    assert_false(space_release(f->space));
    assert_int_equal(folder_free_bytes(f->w, "/data"), 5 * MIB); /* no half of a reserve */
    leave_free(f, 200 * MIB);
    look(f);
    assert_true(!space_is_low(f->space) && space_has_reserve(f->space));
}

static void nap(void *arg)
{
    (void)arg;
    fiber_sleep(100 * US_PER_MS);
}

static void looks_are_rare(void **state)
{
    struct fixture *f = *state;
    open_space(f);
    leave_free(f, LOW - 1);
    space_check(f->space, 0);
    space_check(f->space, 15 * MIB);
    assert_false(space_is_low(f->space)); /* has not looked yet */
    space_check(f->space, MIB);
    assert_true(space_is_low(f->space));
    leave_free(f, 200 * MIB);
    space_check(f->space, 0);
    assert_true(space_is_low(f->space));
    struct loop *l = loop_new(f->w);
    loop_spawn(l, nap, NULL);
    sim_run(f->sim, SECONDS(1));
    loop_free(l);
    space_check(f->space, 0);
    assert_false(space_is_low(f->space));
}

static void errors(void **state)
{
    struct fixture *f = *state;
    struct error e;
    assert_int_equal(space_open(f->w, "/absent", LOW, &f->space, &e), ERR_NOT_FOUND);
    f->space = NULL;
    open_space(f);
    sim_crash(f->w);
    look(f); /* a dead disk changes nothing */
    assert_false(space_is_low(f->space));
    assert_false(space_release(f->space));
}

static void real_blocks(void **state)
{
    (void)state;
    char folder[] = "/tmp/penny-space-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/reserve", folder);
    struct world *w = world_real(1);
    struct space *s;
    struct stat st;
    for (int round = 0; round < 2; round++) {
        assert_int_equal(space_open(w, folder, 0, &s, NULL), 0);
        assert_int_equal(stat(path, &st), 0);
        assert_true(st.st_size == 0 && st.st_blocks * 512 >= SPACE_RESERVE);
        if (round == 0) space_close(s); /* it stays, and is found again */
    }
    assert_true(space_release(s));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_blocks, 0);
    space_check(s, 16 * MIB);
    assert_true(space_has_reserve(s) && !space_is_low(s));
    space_close(s);
    world_free(w);
    unlink(path);
    rmdir(folder);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(plenty_of_room),
        T(below_the_mark_and_back),
        T(a_full_disk_lives_on_the_reserve),
        T(started_on_a_full_disk),
        T(looks_are_rare),
        T(errors),
        cmocka_unit_test(real_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
