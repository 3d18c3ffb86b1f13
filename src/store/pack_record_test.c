/* Pack bytes: heads and headers there and back, and the scan over whole, damaged and hostile packs. */
#include "store/pack_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/hash.h"

enum { EPOCH = 0x1234567, MAX_BYTES = 1 << 20 };

struct image { /* a pack in memory */
    unsigned char bytes[MAX_BYTES];
    int64_t n;
    int reads_left; /* then they fail; -1: never */
};

static int64_t image_read(void *arg, void *out, size_t n, int64_t offset, struct error *e)
{
    struct image *m = arg;
    if (m->reads_left == 0) return error_set(e, ERR_IO, "bad sector");
    if (m->reads_left > 0) m->reads_left--;
    if (offset >= m->n) return 0;
    if ((int64_t)n > m->n - offset) n = (size_t)(m->n - offset);
    memcpy(out, m->bytes + offset, n);
    return (int64_t)n;
}

static struct image *image_new(void)
{
    struct image *m = calloc(1, sizeof *m);
    assert_non_null(m);
    m->reads_left = -1;
    pack_head_put(m->bytes, &(struct pack_head){.id = 7, .epoch = EPOCH, .made_at = 99, .kind = PACK_SHARED});
    m->n = PACK_HEAD;
    return m;
}

/* Adds a record as it would stand in a pack of that epoch; its offset. */
static int64_t image_add(struct image *m, uint64_t epoch, int64_t body, struct str envelope, struct str letter)
{
    struct pack_header h = {.epoch = epoch,
                            .body = body,
                            .length = (int64_t)letter.n,
                            .stored = (int64_t)letter.n,
                            .envelope_length = (uint32_t)envelope.n,
                            .envelope_crc = hash_crc32c(0, envelope),
                            .body_crc = hash_crc32c(0, letter)};
    int64_t at = m->n;
    assert_true(at + pack_record_size(&h) <= MAX_BYTES);
    pack_header_put(m->bytes + at, &h);
    memcpy(m->bytes + at + PACK_RECORD_HEADER, envelope.p, envelope.n);
    if (letter.n) memcpy(m->bytes + at + PACK_RECORD_HEADER + envelope.n, letter.p, letter.n);
    m->n += pack_record_size(&h);
    return at;
}

struct seen {
    int n, good;
    int64_t bodies[64], offsets[64];
    int stop_after; /* 0: never */
};

static bool see(void *arg, const struct pack_found *f)
{
    struct seen *s = arg;
    assert_true(s->n < 64);
    s->bodies[s->n] = f->header.body;
    s->offsets[s->n] = f->offset;
    s->n++;
    s->good += f->envelope_ok && f->body_ok;
    assert_int_equal(f->envelope_ok, f->envelope.p != NULL);
    return s->n != s->stop_after;
}

static struct pack_scan_result scan(struct image *m, struct seen *s)
{
    struct pack_source source = {image_read, m, m->n};
    struct pack_scan_result r;
    assert_int_equal(pack_scan(&source, see, s, &r, NULL), 0);
    return r;
}

static void heads_and_headers(void **state)
{
    (void)state;
    unsigned char bytes[PACK_HEAD];
    struct pack_head h = {.id = INT64_C(0x0102030405060708),
                          .epoch = UINT64_MAX,
                          .made_at = INT64_C(1795312200000000),
                          .kind = PACK_STREAM},
                     g;
    pack_head_put(bytes, &h);
    static const unsigned char start[] = {'P', 'e', 'n', 'n', 'y', 'P', 'k', 1, 8, 7, 6, 5, 4, 3, 2, 1, 255};
    assert_memory_equal(bytes, start, sizeof start); /* little-endian on every machine */
    assert_int_equal(pack_head_parse(bytes, &g), 0);
    assert_true(g.id == h.id && g.epoch == h.epoch && g.made_at == h.made_at && g.kind == h.kind);

    struct pack_header r = {.codec = 0,
                            .key = 3,
                            .envelope_length = 77,
                            .envelope_crc = 1,
                            .body_crc = 2,
                            .epoch = 5,
                            .body = -1,
                            .length = 10,
                            .stored = 11},
                       q;
    unsigned char record[PACK_RECORD_HEADER];
    pack_header_put(record, &r);
    assert_int_equal(pack_header_parse(record, &q), 0);
    assert_true(q.key == 3 && q.envelope_length == 77 && q.envelope_crc == 1 && q.body_crc == 2 && q.epoch == 5 &&
                q.body == -1 && q.length == 10 && q.stored == 11);

    for (int bit = 0; bit < 64 * 8; bit++) { /* no flipped bit goes unseen */
        record[bit / 8] ^= (unsigned char)(1 << bit % 8);
        assert_int_equal(pack_header_parse(record, &q), ERR_CORRUPT);
        record[bit / 8] ^= (unsigned char)(1 << bit % 8);
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        assert_int_equal(pack_head_parse(bytes, &g), ERR_CORRUPT);
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
}

static void limits_and_formats(void **state)
{
    (void)state;
    static const struct {
        struct pack_header h;
        int want;
    } cases[] = {
        {{.length = PACK_BODY_MAX, .stored = PACK_BODY_MAX, .envelope_length = PACK_ENVELOPE_MAX}, 0},
        {{.length = PACK_BODY_MAX + 1}, ERR_CORRUPT},
        {{.length = -1}, ERR_CORRUPT},
        {{.stored = PACK_BODY_MAX + 1}, ERR_CORRUPT},
        {{.stored = -1}, ERR_CORRUPT},
        {{.envelope_length = PACK_ENVELOPE_MAX + 1}, ERR_CORRUPT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char bytes[PACK_RECORD_HEADER];
        struct pack_header h;
        pack_header_put(bytes, &cases[i].h);
        assert_int_equal(pack_header_parse(bytes, &h), cases[i].want);
    }
    unsigned char newer[64] = {0};
    struct pack_header h;
    struct pack_head head;
    pack_header_put(newer, &(struct pack_header){0});
    newer[4] = PACK_FORMAT + 1;
    uint32_t crc = hash_crc32c(0, str_of(newer, 60));
    memcpy(newer + 60, &crc, 4);
    assert_int_equal(pack_header_parse(newer, &h), ERR_TOO_NEW);
    pack_head_put(newer, &(struct pack_head){.kind = PACK_SHARED});
    newer[7] = PACK_FORMAT + 1;
    crc = hash_crc32c(0, str_of(newer, 60));
    memcpy(newer + 60, &crc, 4);
    assert_int_equal(pack_head_parse(newer, &head), ERR_TOO_NEW);
    pack_head_put(newer, &(struct pack_head){.kind = (enum pack_kind)9});
    assert_int_equal(pack_head_parse(newer, &head), ERR_CORRUPT);
}

static void scan_whole(void **state)
{
    (void)state;
    struct image *m = image_new();
    struct seen s = {0};
    struct pack_scan_result r = scan(m, &s);
    assert_true(s.n == 0 && r.records == 0 && r.skipped == 0);
    image_add(m, EPOCH, 1, S("to bob"), S("first letter"));
    image_add(m, EPOCH, 2, S(""), S(""));
    image_add(m, EPOCH, 3, S("x"), S("third"));
    r = scan(m, &s);
    assert_true(s.n == 3 && s.good == 3 && r.records == 3 && r.damaged == 0 && r.skipped == 0);
    assert_true(s.bodies[0] == 1 && s.bodies[1] == 2 && s.bodies[2] == 3);
    s = (struct seen){.stop_after = 2};
    r = scan(m, &s);
    assert_true(s.n == 2 && r.records == 2);
    free(m);
}

static void scan_resynchronises(void **state)
{
    (void)state;
    struct image *m = image_new();
    int64_t at[5];
    for (int i = 0; i < 5; i++)
        at[i] = image_add(m, EPOCH, i + 1, S("envelope"), S("a letter of some length, long enough to be hit"));
    struct seen s = {0};
    m->bytes[at[1] + 20] ^= 1; /* a header */
    struct pack_scan_result r = scan(m, &s);
    assert_true(s.n == 4 && s.good == 4 && r.skipped == at[2] - at[1]);
    s = (struct seen){0};
    m->bytes[at[2] + PACK_RECORD_HEADER + 2] ^= 1;  /* an envelope */
    m->bytes[at[3] + PACK_RECORD_HEADER + 30] ^= 1; /* a body */
    r = scan(m, &s);
    assert_true(s.n == 4 && s.good == 2 && r.damaged == 2);
    s = (struct seen){0};
    memset(m->bytes, 0, PACK_HEAD); /* the pack's head: its first record speaks for it */
    r = scan(m, &s);
    assert_true(s.n == 4 && r.skipped == PACK_HEAD + at[2] - at[1]);
    free(m);
}

/* A letter that holds a pack of its own is a letter: after damage its records are not taken for ours. */
static void scan_believes_no_letter(void **state)
{
    (void)state;
    struct image *inner = image_new(), *m = image_new();
    image_add(inner, EPOCH + 1, 666, S("forged"), S("forged letter"));
    image_add(inner, EPOCH + 1, 667, S("forged"), S("forged letter"));
    int64_t at = image_add(m, EPOCH, 1, S("envelop8"), str_of(inner->bytes, (size_t)inner->n));
    image_add(m, EPOCH, 2, S("e"), S("after"));
    m->bytes[at + 17] ^= 0x40; /* its header is gone, the scan goes through its bytes */
    struct seen s = {0};
    scan(m, &s);
    assert_true(s.n == 1 && s.bodies[0] == 2);
    free(inner);
    free(m);
}

static void scan_cut_at_every_point(void **state)
{
    (void)state;
    struct image *m = image_new();
    int64_t end[3];
    for (int i = 0; i < 3; i++) {
        image_add(m, EPOCH, i + 1, S("env"), S("some words of a letter"));
        end[i] = m->n;
    }
    int64_t whole = m->n;
    for (m->n = 0; m->n <= whole; m->n++) {
        struct seen s = {0};
        scan(m, &s);
        int want = 0;
        while (want < 3 && end[want] - 7 <= m->n) want++; /* 7 bytes of padding do not matter */
        assert_int_equal(s.good, want);
    }
    free(m);
}

static void scan_tells_read_errors(void **state)
{
    (void)state;
    struct image *m = image_new();
    for (int i = 0; i < 3; i++) image_add(m, EPOCH, i + 1, S("env"), S("some words of a letter"));
    struct seen s = {0};
    for (int n = 0; n < 4; n++) {
        struct pack_source source = {image_read, m, m->n};
        struct pack_scan_result r;
        struct error e = {0};
        m->reads_left = n;
        s = (struct seen){0};
        assert_int_equal(pack_scan(&source, see, &s, &r, &e), ERR_IO);
        assert_string_equal(e.text, "bad sector");
    }
    m->reads_left = -1;
    scan(m, &s);
    free(m);
}

/* Records across the scan's window, and a long stretch of rubbish between them. */
static void scan_large(void **state)
{
    (void)state;
    struct image *m = image_new();
    char *letter = malloc(300000);
    assert_non_null(letter);
    for (int i = 0; i < 300000; i++) letter[i] = (char)(i * 7 % 251);
    image_add(m, EPOCH, 1, S("e"), str_of(letter, 300000));
    int64_t rubbish = m->n;
    memset(m->bytes + m->n, 0xf3, 300000 / 8 * 8);
    m->n += 300000 / 8 * 8;
    int64_t next = image_add(m, EPOCH, 2, S("e"), str_of(letter, 200000));
    struct seen s = {0};
    struct pack_scan_result r = scan(m, &s);
    assert_true(s.n == 2 && s.good == 2 && r.skipped == next - rubbish);
    free(letter);
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_and_headers),       cmocka_unit_test(limits_and_formats),
        cmocka_unit_test(scan_whole),              cmocka_unit_test(scan_resynchronises),
        cmocka_unit_test(scan_believes_no_letter), cmocka_unit_test(scan_cut_at_every_point),
        cmocka_unit_test(scan_tells_read_errors),  cmocka_unit_test(scan_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
