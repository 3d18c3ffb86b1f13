/* Packs when the machine dies or the disk fails, at every file operation in turn: what a commit named is there
 * afterwards, byte for byte, no offset is used twice, and what no commit named is not believed. */
#include "store/pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "io/sim.h"

enum { LETTERS = 128, LARGE = 70000, ROUNDS = 12 };

struct letter { /* one a commit has named */
    int64_t body;
    struct pack_place place;
};

struct test { /* what the database would know */
    struct sim *sim;
    struct world *w;
    struct packs *p;
    int64_t ids, bodies;
    struct letter committed[LETTERS];
    size_t n_committed;
    struct pack_durable known[LETTERS];
    size_t n_known;
    int refused, no_space;
    uint64_t rounds_hash;
};

static int64_t next_id(void *arg) { return ++((struct test *)arg)->ids; }

/* The letter of that number: anything from nothing to a few pages. */
static size_t letter_bytes(int64_t body, char *out, bool large)
{
    size_t n = large ? LARGE : (size_t)(body * 769 % 9000);
    for (size_t i = 0; i < n; i++) out[i] = (char)(i * 13 + (size_t)body * 7 + i / 256);
    return n;
}

static int open_packs(struct test *t, bool clean, int *damaged)
{
    struct error e = {0};
    folder_create(t->w, "/data", NULL);
    int r = packs_open(t->w, "/data", t->known, t->n_known, clean, next_id, t, &t->p, damaged, &e);
    if (r) t->p = NULL;
    return r;
}

static void commit(struct test *t, struct pack_durable d, const struct letter *letters, size_t n)
{
    size_t i = 0;
    while (i < t->n_known && t->known[i].pack < d.pack) i++;
    if (i == t->n_known || t->known[i].pack != d.pack) {
        assert_true(t->n_known < LETTERS);
        memmove(t->known + i + 1, t->known + i, (t->n_known - i) * sizeof *t->known);
        t->n_known++;
    }
    t->known[i] = d;
    for (size_t k = 0; k < n; k++) {
        assert_true(t->n_committed < LETTERS);
        for (size_t old = 0; old < t->n_committed; old++) /* no place twice */
            assert_true(t->committed[old].place.pack != letters[k].place.pack ||
                        t->committed[old].place.offset != letters[k].place.offset);
        t->committed[t->n_committed++] = letters[k];
    }
}

static int append_group(struct test *t, size_t n, bool with_commit)
{
    static char bytes[8][9000];
    struct iovec v[8][2];
    struct pack_record r[8];
    struct letter letters[8];
    for (size_t i = 0; i < n; i++) {
        int64_t body = ++t->bodies;
        size_t size = letter_bytes(body, bytes[i], false), cut = size / 3;
        v[i][0] = (struct iovec){bytes[i], cut};
        v[i][1] = (struct iovec){bytes[i] + cut, size - cut};
        r[i] = (struct pack_record){.body = body,
                                    .envelope = S("alice to bob"),
                                    .pieces = v[i],
                                    .n_pieces = 2,
                                    .length = (int64_t)size};
    }
    int code = packs_append(t->p, r, n, NULL);
    assert_true(code == 0 || code == ERR_IO || code == ERR_NO_SPACE);
    t->refused += code != 0;
    t->no_space += code == ERR_NO_SPACE;
    if (code) return code;
    for (size_t i = 0; i < n; i++) letters[i] = (struct letter){r[i].body, r[i].place};
    if (with_commit) commit(t, packs_durable(t->p), letters, n);
    return 0;
}

static int stream_one(struct test *t, bool with_commit)
{
    static char bytes[LARGE];
    struct pack_stream *s;
    struct pack_place place;
    int64_t body = ++t->bodies;
    letter_bytes(body, bytes, true);
    int code = pack_stream_begin(t->p, body, S("alice to many"), &s, NULL);
    if (code) return code;
    for (int at = 0; code == 0 && at < LARGE; at += 10000)
        code = pack_stream_write(s, &(struct iovec){bytes + at, 10000}, 1, NULL);
    if (code == 0) code = pack_stream_finish(s, &place, NULL);
    t->refused += code != 0;
    t->no_space += code == ERR_NO_SPACE;
    if (code || !with_commit) {
        pack_stream_drop(s);
        return code;
    }
    struct letter letter = {body, place};
    commit(t, pack_stream_durable(s), &letter, 1);
    pack_stream_keep(s);
    return 0;
}

/* A day of the store: groups, large letters, rolled back commits, a stop in the middle. */
static void workload(struct test *t)
{
    int damaged;
    for (int round = 0; round < ROUNDS && !sim_crashed(t->w); round++) {
        if (!t->p && open_packs(t, round == ROUNDS / 2, &damaged) != 0) continue;
        append_group(t, (size_t)(round % 4 + 1), round % 5 != 3);
        if (round % 4 == 2) stream_one(t, round != 6);
        if (round == ROUNDS / 2 - 1) {
            packs_close(t->p);
            t->p = NULL;
        }
    }
}

static void assert_all_there(struct test *t)
{
    static char want[LARGE], got[LARGE + 1];
    for (size_t i = 0; i < t->n_committed; i++) {
        struct letter *l = &t->committed[i];
        size_t n = letter_bytes(l->body, want, l->place.length == LARGE);
        struct error e = {0};
        int64_t r = packs_read(t->p, &l->place, l->body, got, sizeof got, 0, &e);
        if (r != (int64_t)n) fail_msg("letter %lld: %lld: %s", (long long)l->body, (long long)r, e.text);
        assert_memory_equal(got, want, n);
    }
}

static bool only_good(void *arg, const struct pack_place *at, int64_t body, struct str envelope, int crc_ok)
{
    (void)at, (void)body;
    assert_true(crc_ok && str_starts(envelope, S("alice to ")));
    ++*(size_t *)arg;
    return true;
}

/* After the restart: nothing is missing, nothing that was not committed is believed, and new letters find a place of
 * their own. */
static void check_after_crash(struct test *t)
{
    int damaged;
    packs_close(t->p);
    t->w = sim_restart(t->w);
    assert_int_equal(open_packs(t, false, &damaged), 0);
    assert_int_equal(damaged, 0);
    assert_all_there(t);
    struct arena *a = arena_new(NULL, 0);
    int64_t *ids, *sizes;
    size_t n, records = 0;
    assert_int_equal(packs_list(t->p, a, &ids, &sizes, &n), 0);
    assert_int_equal(n, t->n_known);
    for (size_t i = 0; i < n; i++) {
        assert_true(ids[i] == t->known[i].pack && sizes[i] == t->known[i].size);
        assert_int_equal(packs_scan(t->p, ids[i], only_good, &records, NULL), 0);
    }
    assert_true(records >= t->n_committed);
    struct str *names;
    assert_int_equal(folder_list(t->w, a, "/data/packs", &names, &n, NULL), 0);
    assert_int_equal(n, t->n_known + 1); /* and "lost" */
    arena_free(a);
    assert_int_equal(append_group(t, 3, true), 0);
    assert_int_equal(stream_one(t, true), 0);
    assert_all_there(t);
}

static struct test *begin(struct sim *s)
{
    struct test *t = calloc(1, sizeof *t);
    t->sim = s;
    t->w = sim_node(s, "post", (struct ip){0});
    return t;
}

static void forget(struct test *t)
{
    packs_close(t->p);
    free(t);
}

/* ---- power cuts ---- */

struct sweep {
    int64_t at;
    bool reached;
};

static void power_cut(struct sim *s, void *arg)
{
    struct sweep *sweep = arg;
    struct test *t = begin(s);
    sim_crash_at(t->w, sweep->at);
    workload(t);
    sweep->reached = sim_crashed(t->w);
    if (!sweep->reached) {
        assert_int_equal(t->refused, 0);
        sim_crash(t->w); /* at the very end */
    }
    check_after_crash(t);
    forget(t);
}

static void power_cut_at_every_operation(void **state)
{
    (void)state;
    struct sweep sweep = {.reached = true};
    for (sweep.at = 1; sweep.reached; sweep.at++)
        for (uint64_t seed = 0; seed < 4; seed++) sim_twice((uint64_t)sweep.at * 10 + seed, power_cut, &sweep);
    assert_true(sweep.at > 50);
}

/* ---- a disk that fails once ---- */

struct failure {
    int64_t at;
    int code;
    bool reached;
};

static void one_failure(struct sim *s, void *arg)
{
    struct failure *f = arg;
    struct test *t = begin(s);
    sim_fail_at(t->w, f->at, f->code);
    workload(t);
    f->reached = sim_file_operations(t->w) >= f->at;
    assert_true(t->refused <= 1);
    if (t->p) assert_all_there(t);
    sim_crash(t->w);
    check_after_crash(t);
    forget(t);
}

static void one_operation_fails(void **state)
{
    (void)state;
    struct failure f;
    int codes[] = {ERR_IO, ERR_NO_SPACE};
    for (int i = 0; i < 2; i++) {
        f = (struct failure){.code = codes[i], .reached = true};
        for (f.at = 1; f.reached; f.at++) sim_twice((uint64_t)f.at, one_failure, &f);
        assert_true(f.at > 50);
    }
}

/* A sync that fails is not asked again: the group goes to a fresh pack, and what was durable before is still read. */
static void failed_sync(void **state)
{
    (void)state;
    struct sim *s = sim_new(1);
    struct test *t = begin(s);
    int damaged;
    assert_int_equal(open_packs(t, false, &damaged), 0);
    assert_int_equal(append_group(t, 2, true), 0);
    int64_t first = packs_durable(t->p).pack;
    int64_t before = sim_file_operations(t->w);
    assert_int_equal(append_group(t, 2, true), 0);
    int64_t per_group = sim_file_operations(t->w) - before; /* write, sync */
    sim_fail_at(t->w, per_group, ERR_IO);
    assert_int_equal(append_group(t, 2, true), 0);
    assert_true(packs_durable(t->p).pack != first);
    assert_int_equal(packs_stats(t->p).suspect, 1);
    assert_all_there(t);
    sim_set_faults(s, (struct sim_faults){.sync_error = 1000000}); /* now every one */
    assert_int_equal(append_group(t, 2, true), ERR_IO);
    assert_int_equal(stream_one(t, true), ERR_IO);
    sim_set_faults(s, (struct sim_faults){0});
    assert_int_equal(append_group(t, 2, true), 0);
    sim_crash(t->w);
    check_after_crash(t);
    forget(t);
    sim_free(s);
}

/* ---- a bad disk, a full disk, a lying disk ---- */

static void bad_disk(struct sim *s, void *arg)
{
    (void)arg;
    struct test *t = begin(s);
    sim_set_faults(s, (struct sim_faults){.write_error = 50000, .sync_error = 50000, .torn_write = 50000});
    workload(t);
    sim_set_faults(s, (struct sim_faults){0});
    if (t->p) assert_all_there(t);
    sim_crash(t->w);
    check_after_crash(t);
    forget(t);
}

static void bad_disks(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) sim_twice(seed, bad_disk, NULL);
}

struct limit {
    int64_t bytes;
    bool was_full;
};

static void full_disk(struct sim *s, void *arg)
{
    struct limit *limit = arg;
    struct test *t = begin(s);
    int damaged;
    assert_int_equal(open_packs(t, false, &damaged), 0);
    sim_disk_limit(t->w, limit->bytes);
    workload(t);
    assert_int_equal(t->no_space, t->refused);
    limit->was_full = t->no_space > 0;
    assert_all_there(t);
    sim_disk_limit(t->w, -1);
    int64_t pack = packs_durable(t->p).pack;
    assert_int_equal(append_group(t, 4, true), 0);
    if (limit->was_full && pack) assert_int_equal(packs_durable(t->p).pack, pack); /* a full disk spoils no pack */
    sim_crash(t->w);
    check_after_crash(t);
    forget(t);
}

static void disk_fills_up_anywhere(void **state)
{
    (void)state;
    struct limit limit = {.was_full = true};
    for (; limit.was_full; limit.bytes += 3001) sim_twice(5, full_disk, &limit);
    assert_true(limit.bytes > 100000);
}

/* Where the disk itself lies nothing can be promised, but it is told: damaged packs or unreadable letters, never wrong
 * ones. */
static void a_lying_disk_is_found_out(void **state)
{
    (void)state;
    int found = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct sim *s = sim_new(seed);
        struct test *t = begin(s);
        sim_set_faults(s, (struct sim_faults){.sync_lies = 300000});
        workload(t);
        sim_set_faults(s, (struct sim_faults){0});
        packs_close(t->p);
        t->p = NULL;
        sim_crash(t->w);
        t->w = sim_restart(t->w);
        int damaged;
        assert_int_equal(open_packs(t, false, &damaged), 0);
        static char want[LARGE], got[LARGE + 1];
        for (size_t i = 0; i < t->n_committed; i++) {
            struct letter *l = &t->committed[i];
            size_t n = letter_bytes(l->body, want, l->place.length == LARGE);
            int64_t r = packs_read(t->p, &l->place, l->body, got, sizeof got, 0, NULL);
            assert_true(r == (int64_t)n || r == ERR_CORRUPT || r == ERR_NOT_FOUND);
            if (r >= 0) assert_memory_equal(got, want, n);
            found += r < 0;
        }
        forget(t);
        sim_free(s);
    }
    assert_true(found > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(power_cut_at_every_operation), cmocka_unit_test(one_operation_fails),
        cmocka_unit_test(failed_sync),                  cmocka_unit_test(bad_disks),
        cmocka_unit_test(disk_fills_up_anywhere),       cmocka_unit_test(a_lying_disk_is_found_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
