/* Many letters at once, in the simulated world: what comes back is what store_letter() and store_letter_read() give,
 * letter by letter, whatever their order, size and fate. */
#include "store/letters.h"

#include "store/pack_files.h"
#include "store/testing.h"

enum { LETTERS = 60 };

struct plan {
    struct testing t;
    struct letter spoiled;
    int64_t emails[LETTERS + 1];
    size_t sizes[LETTERS];
};

/* Small ones, some of 20 KB, one streamed, one with a NUL, one with a long header, one with no body behind its header,
 * one that is empty. */
static struct str text_of(struct arena *a, int number)
{
    struct buf *b = buf_in(a, 1 << 20);
    buf_printf(b, "Subject: letter %d\r\n", number);
    if (number == 11)
        for (int i = 0; i < 4000; i++) buf_printf(b, "X-Line: %06d\r\n", i);
    if (number != 13) buf_lit(b, "\r\n");
    size_t n = number == 7 ? 300 << 10 : number % 9 == 2 ? 20000 : (size_t)number * 37;
    for (size_t i = 0; i < n && number != 13; i += 10) buf_printf(b, "%08d\r\n", number);
    if (number == 17) buf_add(b, str_of("a\0b\r\n", 5));
    if (number == 19) buf_clear(b);
    return buf_str(b);
}

static FIBER void fill(struct plan *p)
{
    testing_account(&p->t);
    for (int i = 0; i < LETTERS; i++) {
        struct arena *a = arena_new(NULL, 0);
        struct error e = {0};
        struct letter_out l;
        struct str text = text_of(a, i);
        p->sizes[i] = strlen(PREFIXES) + text.n;
        ok(letter_accept(&p->t, text, (uint64_t)i + 1, &l, &e), &e);
        p->emails[i] = l.d.email;
        arena_free(a);
    }
    p->emails[LETTERS] = 12345; /* none */
}

/* Holds one against the single read. */
static FIBER void compare(struct plan *p, int64_t email, const struct letter_read *l, unsigned want, int64_t whole)
{
    struct error e = {0};
    struct letter one;
    struct str bytes;
    struct arena *a = arena_new(NULL, 0);
    int r = store_letter(p->t.store, a, p->t.account, email, &one, &e);
    assert_int_equal(l->error, r);
    if (!r) {
        assert_int_equal(l->letter.email, email);
        assert_int_equal(l->letter.size, one.size);
        assert_int_equal(l->letter.received_at, one.received_at);
        assert_int_equal(l->letter.saved_at, one.saved_at);
        assert_true(l->thread != 0);
        assert_true(str_eq(l->letter.prefix, one.prefix));
        assert_true(str_eq(l->letter.envelope, want & LETTERS_ENVELOPE ? one.envelope : STR_NONE));
        assert_true(str_eq(l->letter.structure, want & LETTERS_STRUCTURE ? one.structure : STR_NONE));
        assert_true(str_eq(l->letter.preview, want & LETTERS_PREVIEW ? one.preview : STR_NONE));
        ok(store_letter_read(p->t.store, a, &one, 0, (size_t)one.size, &bytes, &e), &e);
        struct str body = str_skip(bytes, one.prefix.n);
        if (want & LETTERS_BYTES && one.size <= whole) {
            assert_false(str_is_none(l->body));
            assert_true(str_eq(l->body, body));
            assert_int_equal(l->nul, memchr(bytes.p, 0, bytes.n) != NULL);
        } else if (want & LETTERS_HEADER) {
            size_t end = str_find(body, S("\r\n\r\n"));
            assert_true(str_starts(body, l->body));
            assert_true(l->body.n == body.n || l->body.n >= end + 4);
        } else {
            assert_true(str_is_none(l->body));
        }
    }
    arena_free(a);
}

static FIBER size_t read_all(struct plan *p, const int64_t *emails, size_t n, unsigned want, int64_t whole,
                             int64_t most)
{
    size_t calls = 0;
    for (size_t i = 0; i < n; calls++) {
        struct error e = {0};
        struct arena *a = arena_new(NULL, 0);
        struct letter_read *v;
        size_t done;
        ok(store_letters(p->t.store, a, p->t.account, emails + i, n - i, want, whole, most, &v, &done, &e), &e);
        assert_true(done > 0 && done <= n - i);
        for (size_t k = 0; k < done; k++) compare(p, emails[i + k], &v[k], want, whole);
        i += done;
        arena_free(a);
    }
    return calls;
}

static FIBER void all_alike(void *arg)
{
    static const unsigned wants[] = {LETTERS_FACTS, LETTERS_ENVELOPE, LETTERS_STRUCTURE | LETTERS_PREVIEW,
                                     LETTERS_BYTES, LETTERS_HEADER, LETTERS_BYTES | LETTERS_HEADER | LETTERS_ENVELOPE};
    struct plan *p = arg;
    fill(p);
    for (size_t i = 0; i < sizeof wants / sizeof *wants; i++) {
        read_all(p, p->emails, LETTERS + 1, wants[i], 1 << 20, 1 << 20);
        read_all(p, p->emails, LETTERS + 1, wants[i], 10000, 50000);
        assert_int_equal(read_all(p, p->emails, LETTERS + 1, wants[i], 1 << 20, 1), LETTERS + 1); /* one at a time */
    }
    int64_t other[2 * LETTERS]; /* any order, the same one twice */
    for (int i = 0; i < 2 * LETTERS; i++) other[i] = p->emails[i * 7 % LETTERS];
    read_all(p, other, 2 * LETTERS, LETTERS_BYTES, 1 << 20, 4 << 20);
    size_t done;
    struct letter_read *v;
    ok(store_letters(p->t.store, p->t.arena, p->t.account, NULL, 0, LETTERS_BYTES, 1, 1, &v, &done, NULL),
       &(struct error){0});
    assert_int_equal(done, 0);
    ok(store_letters(p->t.store, p->t.arena, p->t.account + 1, p->emails, 1, 0, 1, 1, &v, &done, NULL),
       &(struct error){0}); /* somebody else's */
    assert_int_equal(v[0].error, ERR_NOT_FOUND);
}

/* ---- damage ---- */

static void spoil(void *arg)
{
    struct plan *p = arg;
    struct error e = {0};
    struct letter l = p->spoiled;
    char path[PACK_PATH];
    struct file *f;
    pack_path(p->t.store->packs, l.place.pack, path);
    ok(file_open(p->t.world, path, FILE_WRITE, &f, &e), &e);
    char byte;
    int64_t at = l.place.offset + PACK_RECORD_HEADER + 160; /* the envelope copy is shorter */
    assert_int_equal(file_read(f, &byte, 1, at, &e), 1);
    byte ^= 1;
    ok(file_write(f, &byte, 1, at, &e), &e);
    file_close(f);
}

static FIBER void one_is_damaged(void *arg)
{
    struct plan *p = arg;
    fill(p);
    struct error e = {0};
    ok(store_letter(p->t.store, p->t.arena, p->t.account, p->emails[5], &p->spoiled, &e), &e);
    offload(spoil, p);
    struct letter_read *v;
    size_t done;
    ok(store_letters(p->t.store, p->t.arena, p->t.account, p->emails, 10, LETTERS_BYTES, 1 << 20, 4 << 20, &v, &done,
                     &e),
       &e);
    assert_int_equal(done, 10);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(v[i].error, i == 5 ? ERR_CORRUPT : 0);
        assert_int_equal(str_is_none(v[i].body), i == 5);
    }
    ok(store_letters(p->t.store, p->t.arena, p->t.account, p->emails, 10, LETTERS_HEADER, 0, 4 << 20, &v, &done, &e),
       &e);
    assert_int_equal(done, 10);
}

static void run_plan(struct sim *sim, void *arg)
{
    struct plan p = {0};
    testing_begin(&p.t, sim);
    testing_run(&p.t, *(void (**)(void *))arg, &p);
    testing_close(&p.t);
}

static void test_all_alike(void **state)
{
    (void)state;
    void (*fn)(void *) = all_alike;
    sim_twice(1, run_plan, &fn);
}

static void test_damage(void **state)
{
    (void)state;
    void (*fn)(void *) = one_is_damaged;
    sim_twice(1, run_plan, &fn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_alike), cmocka_unit_test(test_damage)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
