/* The packed columns: chunks of entries, tombstones, trace payloads, envelopes, places, numbers. Whole, cut at every
 * byte, damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store/chunk.h"
#include "store/ids.h"
#include "store/record.h"

/* ---- numbers ---- */

static void test_numbers(void **state)
{
    (void)state;
    static const int64_t numbers[] = {0,   1,   -1,    63,    64,        -64,       -65,
                                      127, 128, 16383, 16384, INT32_MAX, INT64_MAX, INT64_MIN};
    char bytes[16];
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct buf b = BUF_OVER(bytes), u = BUF_OVER(bytes);
        blob_put_int(&b, numbers[i]);
        struct blob read = {buf_str(&b), false};
        assert_int_equal(blob_int(&read), numbers[i]);
        assert_true(!read.bad && read.rest.n == 0);
        blob_put_uint(&u, (uint64_t)numbers[i]);
        read = (struct blob){buf_str(&u), false};
        assert_int_equal(blob_uint(&read), (uint64_t)numbers[i]);
        for (size_t cut = 0; cut < u.n; cut++) {
            read = (struct blob){str_of(u.p, cut), false};
            assert_int_equal(blob_uint(&read), 0);
            assert_true(read.bad);
        }
    }
    struct blob too_big = {S("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), false}; /* 65 bits */
    blob_uint(&too_big);
    assert_true(too_big.bad);
    struct blob promise = {S("\xff\x7f""abc"), false}; /* more things than bytes */
    assert_int_equal(blob_count(&promise, 1), 0);
    assert_true(promise.bad);
    struct blob text = {S("\x05""abcd"), false};
    blob_str(&text);
    assert_true(text.bad);
}

/* ---- chunks ---- */

static void test_chunks(void **state)
{
    (void)state;
    struct entry v[CHUNK_ENTRIES], out[CHUNK_ENTRIES];
    char packed[CHUNK_PACKED];
    size_t n;
    for (uint32_t i = 0; i < CHUNK_ENTRIES; i++)
        v[i] = (struct entry){.uid = 7 * CHUNK_ENTRIES + i, .flags = i * 3, .modseq = 1000 + i, .email = INT64_MAX - i};
    assert_int_equal(chunk_pack(v, CHUNK_ENTRIES, packed), CHUNK_PACKED);
    assert_int_equal(chunk_unpack(str_of(packed, CHUNK_PACKED), 7, out, &n), 0);
    assert_int_equal(n, CHUNK_ENTRIES);
    assert_memory_equal(v, out, sizeof v);
    for (size_t cut = 0; cut < CHUNK_PACKED; cut++)
        assert_int_equal(chunk_unpack(str_of(packed, cut), 7, out, &n), cut % ENTRY_PACKED ? ERR_CORRUPT : 0);
    assert_int_equal(chunk_unpack(str_of(packed, CHUNK_PACKED), 8, out, &n), ERR_CORRUPT); /* another chunk's */
    /* the bytes on disk */
    static const unsigned char first[ENTRY_PACKED] = {1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4};
    assert_int_equal(chunk_unpack(str_of(first, sizeof first), 0, out, &n), 0);
    assert_true(out[0].uid == 1 && out[0].flags == 2 && out[0].modseq == 3 && out[0].email == 4);
    memcpy(packed, first, sizeof first);
    memcpy(packed + sizeof first, first, sizeof first);
    assert_int_equal(chunk_unpack(str_of(packed, 2 * sizeof first), 0, out, &n), ERR_CORRUPT); /* the same UID twice */
}

static void add_up(const struct tombstone *t, void *arg)
{
    *(int64_t *)arg += (int64_t)t->uid * 100 + t->email + (int64_t)t->flags * 1000 + t->size * 10000;
}

static void test_tombstones(void **state)
{
    (void)state;
    char packed[2 * TOMBSTONE_PACKED];
    int64_t sum = 0;
    const struct tombstone one = {3, 5, 30, 7}, two = {4, 0, 40, 0};
    for (int kept = 0; kept < 2; kept++) {
        sum = 0;
        size_t n = tombstone_pack(&one, kept != 0, packed);
        n += tombstone_pack(&two, kept != 0, packed + n);
        assert_int_equal(tombstone_unpack(str_of(packed, n), kept != 0, add_up, &sum), 0);
        assert_int_equal(sum, kept ? 75770 : 770);
        assert_int_equal(tombstone_unpack(str_of(packed, n - 1), kept != 0, add_up, &sum), ERR_CORRUPT);
        tombstone_pack(&one, kept != 0, packed + n / 2);
        assert_int_equal(tombstone_unpack(str_of(packed, n), kept != 0, add_up, &sum), ERR_CORRUPT);
    }
}

/* ---- the record ---- */

static const struct trace_recipient recipients[] = {
    {.path = {.address = {S_INIT("bob"), S_INIT("example.org")}, .notify = DSN_NOTIFY_NEVER},
     .final = {S_INIT("robert"), S_INIT("example.org")}},
    {.path = {.address = {S_INIT("\xc3\xa4 b"), S_INIT("example.org")}, .orcpt = S_INIT("rfc822;x")}},
};
static const struct trace_event events[] = {
    {.at = 999,
     .kind = TRACE_RECEIVED,
     .recipient = -1,
     .peer = {4, {192, 0, 2, 1}},
     .host = S_INIT("client"),
     .tls = S_INIT("TLSv1.3"),
     .number = -5},
    {.at = 1500,
     .kind = TRACE_REFUSED,
     .recipient = 1,
     .peer = {6, {0x20, 1}},
     .address = S_INIT("x@y"),
     .code = 550,
     .status = E(5, 7, 27),
     .text = S_INIT("no")},
};
static const struct record full = {.session = 3,
                                   .message = INT64_MAX,
                                   .at = 1000,
                                   .sender = {S_INIT("ann"), S_INIT("example.net")},
                                   .subject = S_INIT("Hi"),
                                   .message_id = S_INIT("1@x"),
                                   .recipients = recipients,
                                   .n_recipients = 2,
                                   .events = events,
                                   .n_events = 2};

static void test_record(void **state)
{
    (void)state;
    struct buf b = BUF(4096);
    struct arena *a = arena_new(NULL, 0);
    struct record r;
    record_pack(&b, &full);
    assert_int_equal(record_unpack(a, buf_str(&b), &r), 0);
    assert_true(r.session == 3 && r.message == INT64_MAX && r.at == 1000 && str_eq(r.sender.local, S("ann")) &&
                str_eq(r.subject, S("Hi")));
    assert_int_equal(r.n_recipients, 2);
    assert_int_equal(r.recipients[0].path.notify, DSN_NOTIFY_NEVER);
    assert_true(str_is_none(r.recipients[0].path.orcpt) && str_eq(r.recipients[1].path.orcpt, S("rfc822;x")));
    assert_true(str_eq(r.recipients[0].final.local, S("robert")));
    assert_int_equal(r.n_events, 2);
    assert_true(r.events[0].at == 999 && r.events[0].recipient == -1 && ip_eq(r.events[0].peer, events[0].peer) &&
                r.events[0].number == -5);
    assert_true(r.events[1].at == 1500 && r.events[1].code == 550 && r.events[1].status.detail == 27 &&
                str_eq(r.events[1].text, S("no")));
    for (size_t cut = 1; cut < b.n; cut++) assert_int_equal(record_unpack(a, str_of(b.p, cut), &r), ERR_CORRUPT);
    assert_int_equal(record_unpack(a, S(""), &r), 0); /* redacted */
    assert_int_equal(r.n_events, 0);
    b.p[0]++;
    assert_int_equal(record_unpack(a, buf_str(&b), &r), ERR_TOO_NEW);
    arena_free(a);
    buf_free(&b);
}

static void test_record_limits(void **state)
{
    (void)state;
    char text[4 * RECORD_TEXT];
    memset(text, 't', sizeof text);
    struct trace_event long_event = {.recipient = -1, .kind = TRACE_REFUSED, .text = str_of(text, sizeof text)};
    struct record in = {.subject = str_of(text, sizeof text), .events = &long_event, .n_events = 1}, out;
    struct buf b = BUF(4096);
    struct arena *a = arena_new(NULL, 0);
    /* the smallest event */
    record_pack(&b, &(struct record){.events = &(struct trace_event){.kind = TRACE_ADMIN}, .n_events = 1});
    assert_int_equal(record_unpack(a, buf_str(&b), &out), 0);
    assert_int_equal(out.events[0].kind, TRACE_ADMIN);
    buf_clear(&b);
    record_pack(&b, &in);
    assert_int_equal(record_unpack(a, buf_str(&b), &out), 0);
    assert_int_equal(out.subject.n, RECORD_SUBJECT);
    assert_int_equal(out.events[0].text.n, RECORD_TEXT);
    arena_free(a);
    buf_free(&b);
}

static void test_envelope_and_place(void **state)
{
    (void)state;
    struct buf b = BUF(4096);
    struct arena *a = arena_new(NULL, 0);
    struct reverse_path from = {.address = {S("ann"), S("example.net")}, .ret = DSN_RET_HDRS, .envid = S("QQ")}, read;
    struct trace_recipient *to;
    size_t n;
    utc_us at;
    record_pack_envelope(&b, &from, recipients, 2, 77);
    assert_int_equal(record_unpack_envelope(a, buf_str(&b), &read, &to, &n, &at), 0);
    assert_true(n == 2 && at == 77 && read.ret == DSN_RET_HDRS && str_eq(read.envid, S("QQ")) &&
                str_eq(to[1].path.orcpt, S("rfc822;x")));
    for (size_t cut = 0; cut < b.n; cut++)
        assert_int_equal(record_unpack_envelope(a, str_of(b.p, cut), &read, &to, &n, &at), ERR_CORRUPT);
    buf_clear(&b);
    struct pack_place place = {1, INT64_MAX, 3, 4, 5}, back;
    place_pack(&b, &place);
    assert_true(b.n <= PLACE_MAX);
    assert_int_equal(place_unpack(buf_str(&b), &back), 0);
    assert_true(back.pack == 1 && back.offset == INT64_MAX && back.length == 3 && back.stored == 4 && back.codec == 5);
    for (size_t cut = 0; cut < b.n; cut++) assert_int_equal(place_unpack(str_of(b.p, cut), &back), ERR_CORRUPT);
    arena_free(a);
    buf_free(&b);
}

/* ---- ids ---- */

static void test_ids(void **state)
{
    (void)state;
    struct ids g;
    utc_us now = ID_EPOCH + DAYS(700);
    ids_start(&g, 5, 0);
    int64_t last = 0;
    for (int i = 0; i < 20000; i++) { /* more than a millisecond has */
        int64_t id = ids_next(&g, now);
        assert_true(id > last);
        assert_int_equal(id >> ID_COUNTER_BITS & 1023, 5);
        last = id;
    }
    assert_true(id_time(last) - now <= 5 * US_PER_MS);
    assert_true(ids_next(&g, now - DAYS(900)) > last); /* the clock went back, before the epoch even */
    assert_int_equal(id_time(ids_next(&g, now + HOURS(1))), now + HOURS(1));
    ids_start(&g, 0, last);
    assert_true(ids_next(&g, 0) > last);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_tombstones),
        cmocka_unit_test(test_record),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_record_limits),
        cmocka_unit_test(test_envelope_and_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
