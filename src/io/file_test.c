/* Files: the same suite in the real and in the simulated world; then what only the simulation can do: dying. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/file.h"
#include "io/sim.h"

static const struct ip home = {4, {10, 0, 0, 1}};

/* ---- both worlds ---- */

struct place {
    struct world *w;
    char folder[64];
    struct arena *a;
    char text[128]; /* for path_of() */
};

static const char *in(struct place *p, const char *name)
{
    snprintf(p->text, sizeof p->text, "%s/%s", p->folder, name);
    return p->text;
}

static struct file *open_ok(struct place *p, const char *name, int mode)
{
    struct file *f = NULL;
    struct error e = {0};
    if (file_open(p->w, in(p, name), mode, &f, &e) != 0) fail_msg("%s", e.text);
    return f;
}

static void opens(struct place *p)
{
    struct file *f;
    struct error e = {0};
    assert_int_equal(file_open(p->w, in(p, "a"), FILE_READ, &f, &e), ERR_NOT_FOUND);
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_non_null(strstr(e.text, "/a"));
    assert_int_equal(file_open(p->w, in(p, "none/a"), FILE_WRITE | FILE_CREATE, &f, &e), ERR_NOT_FOUND);
    file_close(open_ok(p, "a", FILE_WRITE | FILE_CREATE | FILE_EXCLUSIVE));
    assert_int_equal(file_open(p->w, in(p, "a"), FILE_WRITE | FILE_CREATE | FILE_EXCLUSIVE, &f, NULL), ERR_EXISTS);
    assert_true(file_exists(p->w, in(p, "a")));
    file_close(open_ok(p, "a", FILE_READ));
    file_close(NULL);
    assert_int_equal(file_remove(p->w, in(p, "a"), NULL), 0);
    assert_int_equal(file_remove(p->w, in(p, "a"), &e), ERR_NOT_FOUND);
    assert_false(file_exists(p->w, in(p, "a")));
}

static void reads_and_writes(struct place *p)
{
    struct file *f = open_ok(p, "b", FILE_WRITE | FILE_CREATE), *other;
    static char out[5000];
    static struct iovec many[3000]; /* past IOV_MAX, with empty ones */
    assert_int_equal(file_size(f), 0);
    assert_int_equal(file_write(f, "hello", 5, 10, NULL), 0); /* a hole of zeros before it */
    assert_int_equal(file_size(f), 15);
    assert_int_equal(file_read(f, out, sizeof out, 0, NULL), 15);
    assert_memory_equal(out, "\0\0\0\0\0\0\0\0\0\0hello", 15);
    assert_int_equal(file_read(f, out, 3, 12, NULL), 3);
    assert_memory_equal(out, "llo", 3);
    assert_int_equal(file_read(f, out, 3, 15, NULL), 0);
    assert_int_equal(file_read(f, out, 3, 1000, NULL), 0);

    for (int i = 0; i < 3000; i++) many[i] = (struct iovec){&"01234567890"[i % 10], (size_t)(i % 3)};
    assert_int_equal(file_writev(f, many, 3000, 20, NULL), 0);
    assert_int_equal(file_size(f), 20 + 3000);
    assert_int_equal(file_read(f, out, sizeof out, 0, NULL), 3020);
    size_t at = 20;
    for (int i = 0; i < 3000; i++)
        for (int k = 0; k < i % 3; k++) assert_int_equal(out[at++], ((char *)many[i].iov_base)[k]);
    assert_int_equal(file_writev(f, many, 0, 20, NULL), 0);

    assert_int_equal(file_sync(f, NULL), 0);
    assert_int_equal(file_allocate(f, 0, 100000, NULL), 0);
    assert_int_equal(file_size(f), 3020); /* reserving does not show */
    assert_int_equal(file_truncate(f, 12, NULL), 0);
    assert_int_equal(file_size(f), 12);
    assert_int_equal(file_truncate(f, 20, NULL), 0);
    assert_int_equal(file_read(f, out, sizeof out, 8, NULL), 12);
    assert_memory_equal(out, "\0\0he\0\0\0\0\0\0\0\0", 12);

    other = open_ok(p, "b", FILE_READ); /* two handles see one file, also when its name has gone */
    assert_int_equal(file_remove(p->w, in(p, "b"), NULL), 0);
    assert_int_equal(file_write(f, "HE", 2, 10, NULL), 0);
    assert_int_equal(file_read(other, out, 2, 10, NULL), 2);
    assert_memory_equal(out, "HE", 2);
    const char *map = file_map(other, 12);
    assert_non_null(map);
    assert_memory_equal(map + 10, "HE", 2);
    file_unmap(other, map, 12);
    assert_true(file_write(other, "x", 1, 0, NULL) < 0); /* opened for reading */
    file_close(f);
    file_close(other);
}

static void locks(struct place *p)
{
    struct error e = {0};
    struct file *one = open_ok(p, "lock", FILE_WRITE | FILE_CREATE), *two = open_ok(p, "lock", FILE_WRITE);
    assert_int_equal(file_lock(one, 100, 10, NULL), 0);
    assert_int_equal(file_lock(one, 100, 10, NULL), 0); /* one's own does not conflict */
    assert_int_equal(file_lock(two, 109, 1, &e), ERR_BUSY);
    assert_non_null(strstr(e.text, "lock"));
    assert_int_equal(file_lock(two, 110, 1, NULL), 0);
    file_close(one);
    assert_int_equal(file_lock(two, 100, 10, NULL), 0);
    file_close(two);
    file_remove(p->w, in(p, "lock"), NULL);
}

static void small_files(struct place *p)
{
    struct str s;
    struct error e = {0};
    assert_int_equal(file_store(p->w, in(p, "key"), S("first"), FILE_PRIVATE, NULL), 0);
    assert_int_equal(file_store(p->w, in(p, "key"), S("2nd"), FILE_PRIVATE, NULL), 0);
    assert_int_equal(file_load(p->w, p->a, in(p, "key"), 100, &s, NULL), 0);
    assert_true(str_eq(s, S("2nd")));
    assert_int_equal(file_load(p->w, p->a, in(p, "key"), 2, &s, &e), ERR_TOO_LONG);
    assert_int_equal(file_load(p->w, p->a, in(p, "none"), 2, &s, &e), ERR_NOT_FOUND);
    assert_int_equal(file_rename(p->w, in(p, "none"), "elsewhere", &e), ERR_NOT_FOUND);
    file_remove(p->w, in(p, "key"), NULL);
}

static void folders(struct place *p)
{
    struct str *names;
    size_t n;
    char sub[80], target[80];
    snprintf(sub, sizeof sub, "%s/sub", p->folder);
    snprintf(target, sizeof target, "%s/sub/a", p->folder);
    assert_int_equal(folder_create(p->w, sub, NULL), 0);
    assert_int_equal(folder_create(p->w, sub, NULL), 0);
    assert_int_equal(folder_list(p->w, p->a, sub, &names, &n, NULL), 0);
    assert_int_equal(n, 0);
    file_close(open_ok(p, "sub/b", FILE_WRITE | FILE_CREATE));
    file_close(open_ok(p, "sub/c", FILE_WRITE | FILE_CREATE));
    assert_int_equal(file_rename(p->w, in(p, "sub/c"), target, NULL), 0);
    assert_int_equal(folder_list(p->w, p->a, sub, &names, &n, NULL), 0);
    assert_int_equal(n, 2);
    assert_true(str_eq(names[0], S("a")) && str_eq(names[1], S("b")));
    assert_int_equal(folder_sync(p->w, sub, NULL), 0);
    assert_int_equal(folder_list(p->w, p->a, p->folder, &names, &n, NULL), 0);
    assert_int_equal(n, 1);
    assert_true(str_eq(names[0], S("sub")));
    assert_true(folder_free_bytes(p->w, sub) > 0);
    assert_int_equal(folder_list(p->w, p->a, in(p, "none"), &names, &n, NULL), ERR_NOT_FOUND);
    assert_true(folder_create(p->w, target, NULL) < 0); /* a file has that name */
    file_remove(p->w, in(p, "sub/a"), NULL);
    file_remove(p->w, in(p, "sub/b"), NULL);
}

static void suite(struct place *p)
{
    p->a = arena_new(NULL, 0);
    opens(p);
    reads_and_writes(p);
    locks(p);
    small_files(p);
    folders(p);
    arena_free(p->a);
}

static void test_real(void **state)
{
    (void)state;
    struct place p = {.w = world_real(1), .folder = "/tmp/penny-file-XXXXXX"};
    assert_non_null(mkdtemp(p.folder));
    suite(&p);

    struct stat st;
    struct file *f = open_ok(&p, "private", FILE_WRITE | FILE_CREATE | FILE_PRIVATE);
    assert_int_equal(stat(in(&p, "private"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    char link_path[80];
    snprintf(link_path, sizeof link_path, "%s/link", p.folder);
    assert_int_equal(symlink("private", link_path), 0);
    assert_true(file_open(p.w, link_path, FILE_READ, &f, NULL) < 0); /* links are not followed */
    unlink(link_path);
    file_close(f);
    unlink(in(&p, "private"));
    rmdir(in(&p, "sub"));
    assert_int_equal(rmdir(p.folder), 0); /* nothing is left behind */
    world_free(p.w);
}

static void suite_in_sim(struct sim *s, void *arg)
{
    (void)arg;
    struct place p = {.w = sim_node(s, "home", home), .folder = "/data"};
    assert_int_equal(folder_create(p.w, p.folder, NULL), 0);
    suite(&p);
}

static void test_simulated(void **state)
{
    (void)state;
    sim_twice(3, suite_in_sim, NULL);
}

/* ---- a simulated power cut ---- */

enum { BLOCK = 2048 };

struct outcome { /* over many seeds */
    int kept, torn, lost, name_lost;
};

/* Synced bytes stay; each of three later writes is there, in part there, or not; a new name may be missing. */
static void cut_power(uint64_t seed, struct outcome *o)
{
    struct sim *s = sim_new(seed);
    struct place p = {.w = sim_node(s, "home", home), .folder = "/data"};
    static char bytes[BLOCK], got[3 * BLOCK], after[BLOCK];
    folder_create(p.w, "/data", NULL);
    folder_sync(p.w, "/", NULL);
    struct file *f = open_ok(&p, "f", FILE_WRITE | FILE_CREATE);
    memset(bytes, 's', BLOCK);
    for (int i = 0; i < 3; i++) file_write(f, bytes, BLOCK, i * BLOCK, NULL);
    assert_int_equal(file_sync(f, NULL), 0);
    assert_int_equal(folder_sync(p.w, "/data", NULL), 0);
    for (int i = 0; i < 3; i++) {
        memset(bytes, 'a' + i, BLOCK);
        file_write(f, bytes, BLOCK, i * BLOCK, NULL);
    }
    struct file *fresh = open_ok(&p, "fresh", FILE_WRITE | FILE_CREATE);
    file_write(fresh, "fresh", 5, 0, NULL);
    file_sync(fresh, NULL); /* its bytes are safe, its name is not */

    sim_crash(p.w);
    assert_true(sim_crashed(p.w));
    assert_int_equal(file_write(f, "x", 1, 0, NULL), ERR_IO);
    assert_int_equal(file_read(f, got, 1, 0, NULL), ERR_IO);
    assert_false(file_exists(p.w, "/data/f"));
    p.w = sim_restart(p.w);

    struct file *g = open_ok(&p, "f", FILE_READ);
    assert_int_equal(file_read(g, got, sizeof got, 0, NULL), 3 * BLOCK);
    for (int i = 0; i < 3; i++) {
        int changed = 0;
        for (int k = 0; k < BLOCK; k++) changed += got[i * BLOCK + k] == 'a' + i;
        assert_int_equal(changed % 512, 0); /* sectors do not tear */
        if (changed == BLOCK) o->kept++;
        else if (changed) o->torn++;
        else o->lost++;
    }
    file_close(g);
    if (!file_exists(p.w, "/data/fresh")) {
        o->name_lost++;
    } else {
        g = open_ok(&p, "fresh", FILE_READ);
        assert_int_equal(file_read(g, after, BLOCK, 0, NULL), 5);
        file_close(g);
    }
    file_close(f); /* handles of the dead machine are still to be freed */
    file_close(fresh);
    sim_free(s);
}

static void test_power_cut(void **state)
{
    (void)state;
    struct outcome o = {0};
    for (uint64_t seed = 0; seed < 100; seed++) cut_power(seed, &o);
    assert_in_range(o.kept, 60, 160);
    assert_in_range(o.torn, 40, 140);
    assert_in_range(o.lost, 60, 160);
    assert_in_range(o.name_lost, 20, 80);
}

/* file_store() at every crash point: the file then holds the old or the new text, whole; the new one if it said 0. */
static void store_at_crash(struct sim *s, void *arg)
{
    int nth = *(int *)arg;
    struct place p = {.w = sim_node(s, "home", home), .folder = "/data", .a = arena_new(NULL, 0)};
    struct str got;
    folder_create(p.w, "/data", NULL);
    folder_sync(p.w, "/", NULL);
    assert_int_equal(file_store(p.w, in(&p, "key"), S("old text"), 0, NULL), 0);
    sim_crash_at(p.w, nth);
    int result = file_store(p.w, in(&p, "key"), S("a new text"), 0, NULL);
    if (!sim_crashed(p.w)) sim_crash(p.w);
    p.w = sim_restart(p.w);
    assert_int_equal(file_load(p.w, p.a, in(&p, "key"), 100, &got, NULL), 0);
    assert_true(str_eq(got, S("a new text")) || (result != 0 && str_eq(got, S("old text"))));
    arena_free(p.a);
}

static void test_store_is_atomic(void **state)
{
    (void)state;
    for (int nth = 1; nth < 10; nth++)
        for (uint64_t seed = 0; seed < 20; seed++) sim_twice(seed, store_at_crash, &nth);
}

/* ---- faults ---- */

static void test_fail_at(void **state)
{
    (void)state;
    struct sim *s = sim_new(1);
    struct place p = {.w = sim_node(s, "home", home), .folder = "/data"};
    struct error e = {0};
    folder_create(p.w, "/data", NULL);
    struct file *f = open_ok(&p, "f", FILE_WRITE | FILE_CREATE);
    assert_int_equal(sim_file_operations(p.w), 2);
    sim_fail_at(p.w, 2, ERR_NO_SPACE);
    assert_int_equal(file_write(f, "one", 3, 0, NULL), 0);
    assert_int_equal(file_write(f, "two", 3, 0, &e), ERR_NO_SPACE);
    assert_int_equal(file_write(f, "thr", 3, 0, NULL), 0);
    sim_disk_limit(p.w, 1000);
    char big[2000] = {0};
    assert_int_equal(folder_free_bytes(p.w, "/data"), 997);
    assert_int_equal(file_write(f, big, 1001, 0, &e), ERR_NO_SPACE);
    assert_int_equal(file_size(f), 3); /* nothing of it */
    assert_int_equal(file_allocate(f, 0, 900, NULL), 0);
    assert_int_equal(folder_free_bytes(p.w, "/data"), 100);
    struct file *g = open_ok(&p, "g", FILE_WRITE | FILE_CREATE);
    assert_int_equal(file_write(g, big, 101, 0, NULL), ERR_NO_SPACE);
    assert_int_equal(file_write(f, big, 900, 0, NULL), 0); /* what was reserved is there */
    file_close(g);
    file_close(f);
    assert_int_equal(file_remove(p.w, "/data/f", NULL), 0);
    assert_int_equal(folder_free_bytes(p.w, "/data"), 1000); /* freed with the last name and handle, synced or not */
    sim_free(s);
}

/* A failed sync leaves bytes that can be read but may never reach the medium; a good one does not bring them back. */
static void test_failed_sync(void **state)
{
    (void)state;
    int lost = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct sim *s = sim_new(seed);
        struct place p = {.w = sim_node(s, "home", home), .folder = "/data"};
        char got[4];
        folder_create(p.w, "/data", NULL);
        struct file *f = open_ok(&p, "f", FILE_WRITE | FILE_CREATE);
        folder_sync(p.w, "/", NULL);
        folder_sync(p.w, "/data", NULL);
        file_write(f, "once", 4, 0, NULL);
        sim_set_faults(s, (struct sim_faults){.sync_error = 1000000});
        assert_int_equal(file_sync(f, NULL), ERR_IO);
        sim_set_faults(s, (struct sim_faults){0});
        assert_int_equal(file_sync(f, NULL), 0);
        assert_int_equal(file_read(f, got, 4, 0, NULL), 4); /* the page cache still has them */
        file_close(f);
        sim_crash(p.w);
        p.w = sim_restart(p.w);
        f = open_ok(&p, "f", FILE_READ);
        lost += file_size(f) == 0;
        file_close(f);
        sim_free(s);
    }
    assert_in_range(lost, 10, 35);
}

static void test_lying_sync(void **state)
{
    (void)state;
    int lost = 0;
    for (uint64_t seed = 0; seed < 30; seed++) {
        struct sim *s = sim_new(seed);
        sim_set_faults(s, (struct sim_faults){.sync_lies = 1000000});
        struct place p = {.w = sim_node(s, "home", home), .folder = ""};
        struct file *f = open_ok(&p, "f", FILE_WRITE | FILE_CREATE);
        assert_int_equal(folder_sync(p.w, "/", NULL), 0);
        file_close(f);
        sim_crash(p.w);
        p.w = sim_restart(p.w);
        lost += !file_exists(p.w, "/f");
        sim_free(s);
    }
    assert_in_range(lost, 5, 25);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real),
        cmocka_unit_test(test_simulated),
        cmocka_unit_test(test_power_cut),
        cmocka_unit_test(test_store_is_atomic),
        cmocka_unit_test(test_fail_at),
        cmocka_unit_test(test_failed_sync),
        cmocka_unit_test(test_lying_sync),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
