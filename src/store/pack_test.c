/* Packs on a real disk: appending, streams, reading, recovery, strays, damage. What faults and power cuts do is in
 * pack_crash_test.c. */
#include "store/pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/pack_files.h"

struct fixture {
    struct world *w;
    struct arena *a;
    char folder[64];
    struct packs *p;
    int64_t ids;
    struct pack_durable known[64];
    size_t n_known;
};

static int64_t next_id(void *arg) { return ++((struct fixture *)arg)->ids; }

static void open_packs(struct fixture *f, bool clean, int want_damaged)
{
    int damaged = -1;
    struct error e = {0};
    assert_int_equal(packs_open(f->w, f->folder, f->known, f->n_known, clean, next_id, f, &f->p, &damaged, &e), 0);
    assert_int_equal(damaged, want_damaged);
    assert_int_equal(e.code, want_damaged ? ERR_CORRUPT : 0);
}

static void remember(struct fixture *f, struct pack_durable d) /* as a commit does */
{
    for (size_t i = 0; i < f->n_known; i++) {
        if (f->known[i].pack != d.pack) continue;
        f->known[i].size = d.size;
        return;
    }
    assert_true(f->n_known < 64 && (f->n_known == 0 || f->known[f->n_known - 1].pack < d.pack));
    f->known[f->n_known++] = d;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    strcpy(f->folder, "/tmp/penny-pack-XXXXXX");
    f->w = world_real(1);
    f->a = arena_new(NULL, 0);
    f->ids = 100;
    if (!mkdtemp(f->folder)) return -1;
    open_packs(f, false, 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[128];
    packs_close(f->p);
    arena_free(f->a);
    world_free(f->w);
    snprintf(command, sizeof command, "rm -rf %s", f->folder);
    int r = system(command);
    free(f);
    return r;
}

static struct pack_place append(struct fixture *f, int64_t body, struct str letter)
{
    struct iovec v = {(void *)(uintptr_t)letter.p, letter.n};
    struct pack_record r = {.body = body,
                            .envelope = S("from alice to bob"),
                            .pieces = &v,
                            .n_pieces = 1,
                            .length = (int64_t)letter.n};
    assert_int_equal(packs_append(f->p, &r, 1, NULL), 0);
    remember(f, packs_durable(f->p));
    return r.place;
}

static int64_t read_at(struct fixture *f, struct pack_place place, int64_t body, char *out, size_t n, int64_t from)
{
    return packs_read(f->p, &place, body, out, n, from, NULL);
}

static void assert_letter(struct fixture *f, struct pack_place place, int64_t body, struct str want)
{
    char *out = malloc(want.n + 10);
    assert_int_equal(read_at(f, place, body, out, want.n + 10, 0), (int64_t)want.n);
    assert_memory_equal(out, want.p, want.n);
    free(out);
}

static char *path_of(struct fixture *f, int64_t pack)
{
    static _Thread_local char path[PACK_PATH];
    pack_path(f->p, pack, path);
    return path;
}

static int64_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_size : -1;
}

/* ---- tests ---- */

static void groups(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(packs_durable(f->p).pack, 0);
    static char big[5000], text[32][40], want[6000], got[6000];
    static struct iovec v[32][3];
    static struct pack_record r[32];
    memset(big, 'b', sizeof big);
    for (int i = 0; i < 32; i++) { /* small pieces, empty ones, large ones, none */
        int n = snprintf(text[i], sizeof text[i], "Subject: letter %d\r\n", i);
        v[i][0] = (struct iovec){text[i], (size_t)n};
        v[i][1] = (struct iovec){big, i % 3 ? sizeof big - (size_t)i : 0};
        v[i][2] = (struct iovec){text[i], 5};
        r[i] = (struct pack_record){.body = 1000 + i,
                                    .envelope = str_of(text[i], (size_t)i % 20),
                                    .pieces = v[i],
                                    .n_pieces = i ? 3 : 0};
        for (int k = 0; k < r[i].n_pieces; k++) r[i].length += (int64_t)v[i][k].iov_len;
    }
    assert_int_equal(packs_append(f->p, r, 32, NULL), 0);
    struct pack_stats s = packs_stats(f->p);
    assert_true(s.appends == 1 && s.records == 32 && s.syncs == 1 && s.packs == 1);
    struct pack_durable d = packs_durable(f->p);
    assert_int_equal(size_of(path_of(f, d.pack)), d.size);
    assert_int_equal(s.bytes, d.size);
    for (int i = 0; i < 32; i++) {
        size_t n = 0;
        for (int k = 0; k < r[i].n_pieces; k++)
            memcpy(want + n, v[i][k].iov_base, v[i][k].iov_len), n += v[i][k].iov_len;
        assert_int_equal(read_at(f, r[i].place, 1000 + i, got, sizeof got, 0), (int64_t)n);
        assert_memory_equal(got, want, n);
        assert_int_equal(r[i].place.pack, d.pack);
    }
    assert_int_equal(packs_append(f->p, r, 32, NULL), 0); /* and on in the same pack */
    assert_int_equal(packs_durable(f->p).pack, d.pack);
    assert_true(r[0].place.offset == d.size);
}

static void reading_parts_and_wrong_places(void **state)
{
    struct fixture *f = *state;
    struct pack_place at = append(f, 5, S("0123456789")), other = append(f, 6, S("abcdefghij"));
    char out[32];
    assert_int_equal(read_at(f, at, 5, out, 3, 4), 3);
    assert_memory_equal(out, "456", 3);
    assert_int_equal(read_at(f, at, 5, out, 30, 8), 2);
    assert_int_equal(read_at(f, at, 5, out, 30, 10), 0);
    assert_int_equal(read_at(f, at, 5, out, 30, 99), 0);
    assert_int_equal(read_at(f, at, 6, out, 30, 0), ERR_CORRUPT); /* somebody else's */
    struct pack_place wrong = at;
    wrong.offset = other.offset;
    assert_int_equal(read_at(f, wrong, 5, out, 30, 0), ERR_CORRUPT);
    wrong = at;
    wrong.offset += 8;
    assert_int_equal(read_at(f, wrong, 5, out, 30, 0), ERR_CORRUPT);
    wrong = at;
    wrong.length--;
    assert_int_equal(read_at(f, wrong, 5, out, 30, 0), ERR_CORRUPT);
    wrong = at;
    wrong.offset = 1 << 30;
    assert_int_equal(read_at(f, wrong, 5, out, 30, 0), ERR_CORRUPT);
    wrong = at;
    wrong.pack = 999;
    assert_int_equal(read_at(f, wrong, 5, out, 30, 0), ERR_NOT_FOUND);
}

static void damage_is_seen_when_read_whole(void **state)
{
    struct fixture *f = *state;
    struct pack_place at = append(f, 5, S("0123456789"));
    FILE *file = fopen(path_of(f, at.pack), "r+");
    assert_non_null(file);
    fseek(file, (long)at.offset + PACK_RECORD_HEADER + (long)strlen("from alice to bob") + 3, SEEK_SET);
    fputc('x', file);
    fclose(file);
    char out[32];
    struct error e;
    assert_int_equal(packs_read(f->p, &at, 5, out, sizeof out, 0, &e), ERR_CORRUPT);
    assert_non_null(strstr(e.text, "damaged"));
    assert_int_equal(read_at(f, at, 5, out, 3, 0), 3); /* parts are not checked */
}

static void clean_stop_goes_on(void **state)
{
    struct fixture *f = *state;
    struct pack_place first = append(f, 1, S("one"));
    packs_close(f->p);
    open_packs(f, true, 0);
    assert_int_equal(packs_durable(f->p).pack, first.pack);
    struct pack_place second = append(f, 2, S("two"));
    assert_int_equal(second.pack, first.pack);
    assert_true(second.offset > first.offset);
    assert_letter(f, first, 1, S("one"));
    assert_letter(f, second, 2, S("two"));
}

static void unclean_stop_seals(void **state)
{
    struct fixture *f = *state;
    struct pack_place first = append(f, 1, S("one"));
    struct pack_durable named = packs_durable(f->p);
    append(f, 2, S("no commit names it"));
    f->known[0] = named; /* so it was when the power went */
    packs_close(f->p);
    open_packs(f, false, 0);
    struct pack_place third = append(f, 3, S("three"));
    assert_true(third.pack > first.pack);
    assert_letter(f, first, 1, S("one"));
    assert_true(size_of(path_of(f, first.pack)) > named.size); /* sealed, not cut */
}

/* Even a stop that says it was clean does not make an offset be used twice. */
static void a_tail_is_not_written_over(void **state)
{
    struct fixture *f = *state;
    struct pack_place first = append(f, 1, S("one"));
    struct pack_durable named = packs_durable(f->p);
    append(f, 2, S("its commit was rolled back"));
    f->known[0] = named;
    packs_close(f->p);
    open_packs(f, true, 0);
    assert_true(append(f, 3, S("three")).pack > first.pack);
}

static void short_and_missing_packs_are_told(void **state)
{
    struct fixture *f = *state;
    struct pack_place a = append(f, 1, S("first, will live")), b = append(f, 2, S("second, cut off"));
    char path[PACK_PATH];
    pack_path(f->p, a.pack, path);
    packs_close(f->p);
    assert_int_equal(truncate(path, b.offset + 20), 0);
    remember(f, (struct pack_durable){50000, 1234}); /* a pack that is not there */
    f->ids = 60000;
    open_packs(f, false, 2);
    assert_int_equal(size_of(path), b.offset + 20); /* reported, not cut further, not moved */
    assert_letter(f, a, 1, S("first, will live"));
    char out[64];
    assert_int_equal(read_at(f, b, 2, out, sizeof out, 0), ERR_CORRUPT);
    assert_int_equal(packs_stats(f->p).lost, 0);
}

static void strays_go_to_lost(void **state)
{
    struct fixture *f = *state;
    struct pack_place a = append(f, 1, S("one"));
    char path[PACK_PATH];
    pack_path(f->p, a.pack, path);
    packs_close(f->p);
    f->n_known = 0; /* no commit knows it */
    for (int round = 0; round < 3; round++) {
        char foreign[PACK_PATH];
        snprintf(foreign, sizeof foreign, "%s/packs/notes.txt", f->folder);
        FILE *file = fopen(foreign, "w");
        assert_non_null(file);
        fprintf(file, "%d", round);
        fclose(file);
        open_packs(f, round == 1, 0);
        assert_int_equal(packs_stats(f->p).lost, round == 0 ? 2 : 1);
        packs_close(f->p);
    }
    open_packs(f, false, 0);
    struct str *names;
    size_t n;
    char lost[128];
    snprintf(lost, sizeof lost, "%s/packs/lost", f->folder);
    assert_int_equal(folder_list(f->w, f->a, lost, &names, &n, NULL), 0);
    assert_int_equal(n, 4); /* nothing was overwritten */
    assert_true(str_starts(names[0], S("000000")) && str_eq(names[1], S("notes.txt")) &&
                str_eq(names[2], S("notes.txt.1")) && str_eq(names[3], S("notes.txt.2")));
    assert_int_equal(size_of(path), -1);
}

static void streams(void **state)
{
    struct fixture *f = *state;
    struct pack_place small = append(f, 1, S("small")), place;
    struct pack_stream *s;
    char *letter = malloc(1 << 20);
    for (int i = 0; i < 1 << 20; i++) letter[i] = (char)(i * 31 % 253);
    assert_int_equal(pack_stream_begin(f->p, 2, S("to many"), &s, NULL), 0);
    for (int i = 0; i < 1 << 20; i += 1 << 16) {
        struct iovec v[2] = {{letter + i, 1000}, {letter + i + 1000, (1 << 16) - 1000}};
        assert_int_equal(pack_stream_write(s, v, 2, NULL), 0);
    }
    assert_int_equal(pack_stream_durable(s).pack, 0);
    assert_int_equal(pack_stream_finish(s, &place, NULL), 0);
    assert_letter(f, place, 2, str_of(letter, 1 << 20)); /* before a commit names it */
    remember(f, pack_stream_durable(s));
    assert_int_equal(pack_stream_durable(s).size, size_of(path_of(f, place.pack)));
    pack_stream_keep(s);
    assert_int_equal(append(f, 3, S("goes on in the shared pack")).pack, small.pack);

    struct pack_stream *dropped[2];
    struct pack_place gone;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pack_stream_begin(f->p, 4 + i, S(""), &dropped[i], NULL), 0);
        assert_int_equal(pack_stream_write(dropped[i], &(struct iovec){letter, 100}, 1, NULL), 0);
    }
    assert_int_equal(pack_stream_finish(dropped[1], &gone, NULL), 0);
    assert_letter(f, gone, 5, str_of(letter, 100));
    pack_stream_drop(dropped[0]);
    pack_stream_drop(dropped[1]);
    pack_stream_drop(NULL);
    char out[200];
    assert_int_equal(read_at(f, gone, 5, out, sizeof out, 0), ERR_NOT_FOUND);

    packs_close(f->p);
    open_packs(f, true, 0);
    assert_int_equal(packs_stats(f->p).lost, 0);
    assert_letter(f, place, 2, str_of(letter, 1 << 20));
    assert_int_equal(append(f, 6, S("the stream's pack is younger, but the shared one goes on")).pack, small.pack);
    free(letter);
}

struct count {
    int n, ok;
    int64_t sum;
};
static bool count_record(void *arg, const struct pack_place *at, int64_t body, struct str envelope, int crc_ok)
{
    struct count *c = arg;
    c->n++;
    c->ok += crc_ok && str_eq(envelope, S("from alice to bob"));
    c->sum += body * at->length;
    return true;
}

static void scanning_and_removing(void **state)
{
    struct fixture *f = *state;
    struct pack_place a = append(f, 1, S("one"));
    append(f, 2, S("two two"));
    struct count c = {0};
    assert_int_equal(packs_scan(f->p, a.pack, count_record, &c, NULL), 0);
    assert_true(c.n == 2 && c.ok == 2 && c.sum == 3 + 14);
    assert_int_equal(packs_scan(f->p, 12345, count_record, &c, NULL), ERR_NOT_FOUND);
    assert_int_equal(packs_remove(f->p, a.pack, NULL), ERR_BUSY);
    packs_close(f->p);
    open_packs(f, false, 0);

    struct pack_file *reader; /* a reader that is in the middle of it */
    assert_int_equal(pack_file_take(f->p, a.pack, &reader, NULL), 0);
    assert_int_equal(packs_remove(f->p, a.pack, NULL), 0);
    assert_int_equal(packs_remove(f->p, a.pack, NULL), ERR_NOT_FOUND);
    char out[32];
    assert_int_equal(file_read(reader->file, out, 3, a.offset + PACK_RECORD_HEADER + 17, NULL), 3);
    assert_memory_equal(out, "one", 3);
    assert_int_equal(read_at(f, a, 1, out, sizeof out, 0), ERR_NOT_FOUND);
    pack_file_give(f->p, reader);
    assert_int_equal(f->p->n_files, 0);
    int64_t *ids, *sizes;
    size_t n;
    assert_int_equal(packs_list(f->p, f->a, &ids, &sizes, &n), 0);
    assert_int_equal(n, 0);
}

static void scan_tells_damage(void **state)
{
    struct fixture *f = *state;
    struct pack_place a = append(f, 1, S("one"));
    append(f, 2, S("two"));
    FILE *file = fopen(path_of(f, a.pack), "r+");
    assert_non_null(file);
    fseek(file, (long)a.offset + 10, SEEK_SET);
    fputc('x', file);
    fclose(file);
    struct count c = {0};
    struct error e;
    assert_int_equal(packs_scan(f->p, a.pack, count_record, &c, &e), ERR_CORRUPT);
    assert_true(c.n == 1 && c.sum == 2 * 3);
}

static int descriptors(void)
{
    int n = 0;
    for (int fd = 3; fd < 1024; fd++) n += fsync(fd) == 0 || lseek(fd, 0, SEEK_CUR) >= 0;
    return n;
}

static void open_files_are_bounded(void **state)
{
    struct fixture *f = *state;
    enum { PACKS = PACK_FILES_OPEN + 30 };
    struct pack_place places[PACKS];
    for (int i = 0; i < PACKS; i++) {
        struct pack_stream *s;
        assert_int_equal(pack_stream_begin(f->p, i, S(""), &s, NULL), 0);
        assert_int_equal(pack_stream_write(s, &(struct iovec){&places[0], 10}, 1, NULL), 0);
        assert_int_equal(pack_stream_finish(s, &places[i], NULL), 0);
        pack_stream_keep(s);
    }
    int before = descriptors();
    char out[16];
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < PACKS; i++) assert_int_equal(read_at(f, places[i], i, out, sizeof out, 0), 10);
    assert_int_equal(descriptors() - before, PACK_FILES_OPEN);
    assert_int_equal(f->p->n_files, PACK_FILES_OPEN);
    int64_t *ids, *sizes;
    size_t n;
    assert_int_equal(packs_list(f->p, f->a, &ids, &sizes, &n), 0);
    assert_int_equal(n, PACKS);
    for (size_t i = 1; i < n; i++) assert_true(ids[i - 1] < ids[i] && sizes[i] > 0);
}

/* Readers in threads while the writer appends, large letters come and go, and more packs are read than may stay open.
 */
struct traffic {
    struct fixture *f;
    struct pack_place places[200];
    atomic_int n, wrong, reads;
    atomic_bool stop;
};

static void *traffic_reader(void *arg)
{
    struct traffic *t = arg;
    for (unsigned i = 1; !atomic_load(&t->stop); i = i * 1103515245u + 12345u) {
        int n = atomic_load(&t->n);
        if (n == 0) continue;
        int pick = (int)(i / 65536 % (unsigned)n);
        char out[64], want[64];
        int size = snprintf(want, sizeof want, "letter %d", pick);
        int64_t r = packs_read(t->f->p, &t->places[pick], pick, out, sizeof out, 0, NULL);
        if (r != size || memcmp(out, want, (size_t)size) != 0) atomic_fetch_add(&t->wrong, 1);
        atomic_fetch_add(&t->reads, 1);
    }
    return NULL;
}

static void readers_in_threads(void **state)
{
    static struct traffic t;
    t.f = *state;
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) assert_int_equal(pthread_create(&threads[i], NULL, traffic_reader, &t), 0);
    for (int i = 0; i < 200; i++) {
        char text[64];
        int size = snprintf(text, sizeof text, "letter %d", i);
        if (i % 2) {
            struct iovec v = {text, (size_t)size};
            struct pack_record r = {.body = i, .pieces = &v, .n_pieces = 1, .length = size};
            assert_int_equal(packs_append(t.f->p, &r, 1, NULL), 0);
            t.places[i] = r.place;
        } else {
            struct pack_stream *s;
            assert_int_equal(pack_stream_begin(t.f->p, i, S(""), &s, NULL), 0);
            assert_int_equal(pack_stream_write(s, &(struct iovec){text, (size_t)size}, 1, NULL), 0);
            assert_int_equal(pack_stream_finish(s, &t.places[i], NULL), 0);
            pack_stream_keep(s);
        }
        atomic_store(&t.n, i + 1);
    }
    while (atomic_load(&t.reads) < 2000) usleep(1000);
    atomic_store(&t.stop, true);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&t.wrong), 0);
    assert_true(t.f->p->n_files <= PACK_FILES_OPEN);
}

static void a_full_pack_is_sealed(void **state)
{
    struct fixture *f = *state;
    char *mib = calloc(1, 8 << 20);
    int64_t first = 0, packs = 0, last = 0;
    for (int i = 0; i < 17; i++) { /* 8 MiB each: 15 fit */
        struct pack_place at = append(f, i, str_of(mib, 8 << 20));
        if (!first) first = at.pack;
        packs += at.pack != last;
        last = at.pack;
    }
    assert_int_equal(packs, 2);
    assert_int_equal(size_of(path_of(f, first)) <= PACK_SIZE, 1);
    struct stat st;
    assert_int_equal(stat(path_of(f, first), &st), 0);
    assert_true(st.st_blocks * 512 < st.st_size + (1 << 20)); /* spare room was given back */
    free(mib);
}

static void bad_requests(void **state)
{
    struct fixture *f = *state;
    struct iovec v = {"abc", 3};
    struct pack_record r = {.body = 1, .pieces = &v, .n_pieces = 1, .length = 4};
    assert_int_equal(packs_append(f->p, &r, 1, NULL), ERR_CORRUPT);
    char *envelope = calloc(1, PACK_ENVELOPE_MAX + 1);
    r = (struct pack_record){.body = 1, .envelope = str_of(envelope, PACK_ENVELOPE_MAX + 1)};
    assert_int_equal(packs_append(f->p, &r, 1, NULL), ERR_TOO_LONG);
    assert_int_equal(packs_append(f->p, &r, 0, NULL), 0);
    free(envelope);
    assert_letter(f, append(f, 2, S("life goes on")), 2, S("life goes on"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(groups),
        T(reading_parts_and_wrong_places),
        T(damage_is_seen_when_read_whole),
        T(clean_stop_goes_on),
        T(unclean_stop_seals),
        T(a_tail_is_not_written_over),
        T(short_and_missing_packs_are_told),
        T(strays_go_to_lost),
        T(streams),
        T(scanning_and_removing),
        T(scan_tells_damage),
        T(open_files_are_bounded),
        T(readers_in_threads),
        T(a_full_pack_is_sealed),
        T(bad_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
