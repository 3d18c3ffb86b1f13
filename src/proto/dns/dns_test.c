/* DNS messages: names, queries bit by bit, and replies of every kind a server may send, honest or not. */
#include "mail/limits.h"
#include "proto/dns/dns.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdarg.h>
#include <cmocka.h>

enum {
    NOERROR = 0x8180,
    AUTHENTIC = 0x0020,
    TRUNCATED = 0x0200,
    SERVFAIL = 2,
    FORMERR = 1,
    NXDOMAIN = 3,
    SOA = 6,
    OPT = 41
};

struct fixture {
    struct arena *a;
    struct buf query, reply;
    uint16_t counts[4];
};

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof *f);
    f->a = arena_new(NULL, 0);
    f->query = BUF(1024);
    f->reply = BUF(65535 + 64);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    arena_free(f->a);
    buf_free(&f->query);
    buf_free(&f->reply);
    test_free(f);
    return 0;
}

/* ---- a reply, piece by piece ---- */

static void put16(struct buf *b, unsigned v)
{
    buf_char(b, (char)(v >> 8));
    buf_char(b, (char)v);
}

static void put_name(struct buf *b, const char *text)
{
    struct str label, rest = str_c(text);
    while (rest.n) {
        str_cut(rest, '.', &label, &rest);
        buf_char(b, (char)label.n);
        buf_add(b, label);
    }
    buf_char(b, 0);
}

static void begin(struct fixture *f, const char *name, enum dns_type type, unsigned flags)
{
    buf_clear(&f->query);
    buf_clear(&f->reply);
    memset(f->counts, 0, sizeof f->counts);
    dns_query_put(&f->query, 0x1234, str_c(name), type, true);
    put16(&f->reply, 0x1234);
    put16(&f->reply, flags);
    for (int i = 0; i < 4; i++) put16(&f->reply, 0);
    put_name(&f->reply, name);
    put16(&f->reply, type);
    put16(&f->reply, 1);
    f->counts[0] = 1;
}

static void record(struct fixture *f, int section, const char *owner, unsigned type, uint32_t ttl, struct str data)
{
    put_name(&f->reply, owner);
    put16(&f->reply, type);
    put16(&f->reply, type == OPT ? 1232 : 1);
    put16(&f->reply, ttl >> 16);
    put16(&f->reply, ttl & 0xffff);
    put16(&f->reply, (unsigned)data.n);
    buf_add(&f->reply, data);
    f->counts[section]++;
}

static void record_name(struct fixture *f, const char *owner, unsigned type, uint32_t ttl, int preference,
                        const char *target)
{
    struct buf data = BUF(512);
    if (preference >= 0) put16(&data, (unsigned)preference);
    put_name(&data, target);
    record(f, 1, owner, type, ttl, buf_str(&data));
    buf_free(&data);
}

static void record_soa(struct fixture *f, uint32_t ttl, uint32_t minimum)
{
    struct buf data = BUF(512);
    put_name(&data, "ns.example");
    put_name(&data, "root.example");
    for (int i = 0; i < 8; i++) put16(&data, 7);
    put16(&data, minimum >> 16);
    put16(&data, minimum & 0xffff);
    record(f, 2, "example", SOA, ttl, buf_str(&data));
    buf_free(&data);
}

static void finish(struct fixture *f)
{
    for (int i = 0; i < 4; i++) {
        f->reply.p[4 + 2 * i] = (char)(f->counts[i] >> 8);
        f->reply.p[5 + 2 * i] = (char)f->counts[i];
    }
}

static int read_reply(struct fixture *f, struct dns_answer *out)
{
    finish(f);
    /* in memory of its exact size, so that reading past the end is seen */
    char *exact = test_malloc(f->reply.n);
    memcpy(exact, f->reply.p, f->reply.n);
    int e = dns_reply_read(f->a, buf_str(&f->query), str_of(exact, f->reply.n), out);
    test_free(exact);
    return e;
}

static struct dns_answer answer_of(struct fixture *f)
{
    struct dns_answer out;
    assert_int_equal(read_reply(f, &out), 0);
    return out;
}

static void assert_str(struct str got, const char *want)
{
    if (!str_eq(got, str_c(want))) fail_msg("got \"%.*s\", want \"%s\"", STR_FMT(got), want);
}

/* ---- names and queries ---- */

static void names(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *in, *out;
    } row[] = {
        {"Example.ORG", "example.org"}, {"example.org.", "example.org"}, {"_dmarc.a-b.example", "_dmarc.a-b.example"},
        {"a", "a"}, {"xn--bcher-kva.example", "xn--bcher-kva.example"}, {"l=1+x.example", "l=1+x.example"},
        {"1/25.2.0.192.in-addr.arpa", "1/25.2.0.192.in-addr.arpa"},
        {"", NULL}, {".", NULL}, {"a..b", NULL}, {".a", NULL}, {"a..", NULL}, {"a b.example", NULL}, {"a\\.b", NULL},
        {"b\xc3\xbc.example", NULL}, {"a\x7f", NULL}, {"a\tb", NULL},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct str out;
        int e = dns_name(f->a, str_c(row[i].in), &out);
        assert_int_equal(e, row[i].out ? 0 : ERR_SYNTAX);
        if (!e) assert_str(out, row[i].out);
    }
    struct str out;
    assert_int_equal(dns_name(f->a, S("a\0b"), &out), ERR_SYNTAX);
}

static void name_lengths(void **state)
{
    struct fixture *f = *state;
    char text[256];
    struct str out;
    memset(text, 'a', sizeof text);
    assert_int_equal(dns_name(f->a, str_of(text, 63), &out), 0);
    assert_int_equal(dns_name(f->a, str_of(text, 64), &out), ERR_SYNTAX);
    for (int i = 49; i < 256; i += 50) text[i] = '.';
    assert_int_equal(dns_name(f->a, str_of(text, 253), &out), 0);
    assert_int_equal(dns_name(f->a, str_of(text, 254), &out), ERR_SYNTAX);
}

static void ptr_names(void **state)
{
    struct fixture *f = *state;
    struct ip ip;
    ip_parse(S("192.0.2.1"), &ip);
    assert_str(dns_ptr_name(f->a, ip), "1.2.0.192.in-addr.arpa");
    ip_parse(S("4321:0:1:2:3:4:567:89ab"), &ip); /* RFC 3596 §2.5 */
    assert_str(dns_ptr_name(f->a, ip), "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa");
}

static void a_query_bit_by_bit(void **state)
{
    struct fixture *f = *state;
    static const char want[] = "\xbe\xef\x01\x20\0\1\0\0\0\0\0\1"
                               "\2mx\7example\0\0\x1c\0\1"
                               "\0\0\x29\x04\xd0\0\0\0\0\0\0";
    dns_query_put(&f->query, 0xbeef, S("mx.example"), DNS_AAAA, true);
    assert_int_equal(f->query.n, sizeof want - 1);
    assert_memory_equal(f->query.p, want, sizeof want - 1);
    buf_clear(&f->query);
    dns_query_put(&f->query, 0xbeef, S("mx.example"), DNS_AAAA, false);
    assert_int_equal(f->query.n, sizeof want - 1 - 11);
    assert_int_equal(f->query.p[11], 0);
}

/* ---- records ---- */

static void addresses(void **state)
{
    struct fixture *f = *state;
    begin(f, "mx.example", DNS_A, NOERROR | AUTHENTIC);
    record(f, 1, "MX.Example", DNS_A, 300, S("\xc0\0\2\1"));
    record(f, 1, "mx.example", DNS_A, 60, S("\xc0\0\2\2"));
    record(f, 1, "other.example", DNS_A, 1, S("\xc0\0\2\3")); /* not asked for: not looked at */
    struct dns_answer d = answer_of(f);
    assert_int_equal(d.status, DNS_OK);
    assert_true(d.secure);
    assert_int_equal(d.ttl, 60);
    assert_int_equal(d.n, 2);
    assert_str(d.canonical, "mx.example");
    assert_int_equal(d.records[1].ip.family, 4);
    assert_int_equal(d.records[1].ip.b[3], 2);

    begin(f, "mx.example", DNS_AAAA, NOERROR);
    record(f, 1, "mx.example", DNS_AAAA, 0x80000000, S("\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"));
    d = answer_of(f);
    assert_false(d.secure);
    assert_int_equal(d.ttl, 0); /* RFC 2181 §8 */
    assert_int_equal(d.records[0].ip.family, 6);
    assert_int_equal(d.records[0].ip.b[15], 1);
}

static void mail_exchangers(void **state)
{
    struct fixture *f = *state;
    begin(f, "example", DNS_MX, NOERROR);
    record_name(f, "example", DNS_MX, 300, 20, "B.Mx.Example");
    record_name(f, "example", DNS_MX, 300, 10, "a_1.mx.example");
    record_name(f, "example", DNS_MX, 300, 5, "odd name.example"); /* left out */
    record_name(f, "example", DNS_MX, 300, 5, "back\\slash.example");
    struct dns_answer d = answer_of(f);
    assert_int_equal(d.n, 2);
    assert_int_equal(d.records[0].preference, 20);
    assert_str(d.records[0].name, "b.mx.example");
    assert_str(d.records[1].name, "a_1.mx.example");

    begin(f, "example", DNS_MX, NOERROR); /* RFC 7505 */
    record_name(f, "example", DNS_MX, 300, 0, "");
    d = answer_of(f);
    assert_int_equal(d.n, 1);
    assert_str(d.records[0].name, "");

    begin(f, "example", DNS_MX, NOERROR); /* MX there, none usable: not "no MX" */
    record_name(f, "example", DNS_MX, 300, 5, "odd name.example");
    assert_int_equal(answer_of(f).status, DNS_FAILURE);
}

static void texts_and_certificates(void **state)
{
    struct fixture *f = *state;
    begin(f, "example", DNS_TXT, NOERROR);
    record(f, 1, "example", DNS_TXT, 300, S("\7v=spf1 \0\4-all"));
    record(f, 1, "example", DNS_TXT, 300, S("\3\0\xff\\"));
    record(f, 1, "example", DNS_TXT, 300, S("\0"));
    struct dns_answer d = answer_of(f);
    assert_int_equal(d.n, 3);
    assert_str(d.records[0].data, "v=spf1 -all");
    assert_true(str_eq(d.records[1].data, S("\0\xff\\")));
    assert_int_equal(d.records[2].data.n, 0);

    begin(f, "_25._tcp.mx.example", DNS_TLSA, NOERROR | AUTHENTIC);
    record(f, 1, "_25._tcp.mx.example", DNS_TLSA, 300, S("\3\1\1\xaa\xbb"));
    d = answer_of(f);
    assert_int_equal(d.records[0].usage, 3);
    assert_int_equal(d.records[0].selector, 1);
    assert_int_equal(d.records[0].matching, 1);
    assert_true(str_eq(d.records[0].data, S("\xaa\xbb")));
}

static void damaged_record_data(void **state)
{
    struct fixture *f = *state;
    static const struct {
        enum dns_type type;
        struct str data;
    } row[] = {
        {DNS_A, S_INIT("\1\2\3")},       {DNS_A, S_INIT("\1\2\3\4\5")}, {DNS_A, S_INIT("")},
        {DNS_AAAA, S_INIT("\1\2\3\4")},  {DNS_MX, S_INIT("")},          {DNS_MX, S_INIT("\0\1")},
        {DNS_MX, S_INIT("\0\1\2mx")},    {DNS_MX, S_INIT("\0\1\2mx\0x")}, {DNS_MX, S_INIT("\0\1\xc0")},
        {DNS_MX, S_INIT("\0\1\xff\xff")}, {DNS_PTR, S_INIT("")},        {DNS_PTR, S_INIT("\x40x\0")},
        {DNS_CNAME, S_INIT("\1a")},      {DNS_TXT, S_INIT("\5abcd")},   {DNS_TXT, S_INIT("\1a\1")},
        {DNS_TLSA, S_INIT("\3\1")},      {DNS_TLSA, S_INIT("")},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct dns_answer d;
        begin(f, "example", row[i].type, NOERROR);
        record(f, 1, "example", row[i].type, 300, row[i].data);
        assert_int_equal(read_reply(f, &d), ERR_SYNTAX);
    }
}

static void names_that_are_odd_or_compressed(void **state)
{
    struct fixture *f = *state;
    begin(f, "1.2.0.192.in-addr.arpa", DNS_PTR, NOERROR);
    record(f, 1, "1.2.0.192.in-addr.arpa", DNS_PTR, 300, S("\3mx\0\7example\0")); /* NUL inside a label */
    assert_int_equal(answer_of(f).status, DNS_FAILURE);

    begin(f, "1.2.0.192.in-addr.arpa", DNS_PTR, NOERROR); /* RFC 2317 */
    record_name(f, "1.2.0.192.in-addr.arpa", DNS_CNAME, 300, -1, "1.0/25.2.0.192.in-addr.arpa");
    record_name(f, "1.0/25.2.0.192.in-addr.arpa", DNS_PTR, 300, -1, "mail.example");
    struct dns_answer d = answer_of(f);
    assert_int_equal(d.status, DNS_OK);
    assert_str(d.records[0].name, "mail.example");

    begin(f, "example", DNS_MX, NOERROR);
    record(f, 1, "example", DNS_MX, 300, S("\0\1\2mx\xc0\x0c")); /* points at the question's name */
    assert_str(answer_of(f).records[0].name, "mx.example");

    begin(f, "example", DNS_MX, NOERROR);
    size_t at = f->reply.n + 1 + 7 + 1 + 10 + 2; /* of the name in the record below */
    char loop[] = {0, 1, (char)(0xc0 | at >> 8), (char)at};
    record(f, 1, "example", DNS_MX, 300, str_of(loop, sizeof loop)); /* points at itself */
    assert_int_equal(read_reply(f, &d), ERR_SYNTAX);
}

/* ---- chains ---- */

static void cname_chains(void **state)
{
    struct fixture *f = *state;
    begin(f, "www.example", DNS_A, NOERROR);
    record(f, 1, "c.example", DNS_A, 300, S("\xc0\0\2\1")); /* the order does not matter */
    record_name(f, "b.example", DNS_CNAME, 20, -1, "C.example");
    record_name(f, "www.example", DNS_CNAME, 100, -1, "b.example");
    struct dns_answer d = answer_of(f);
    assert_int_equal(d.status, DNS_OK);
    assert_str(d.canonical, "c.example");
    assert_int_equal(d.ttl, 20);

    begin(f, "www.example", DNS_CNAME, NOERROR); /* asked for itself, it is not followed */
    record_name(f, "www.example", DNS_CNAME, 100, -1, "b.example");
    d = answer_of(f);
    assert_str(d.records[0].name, "b.example");
    assert_str(d.canonical, "www.example");

    begin(f, "www.example", DNS_A, NOERROR | NXDOMAIN); /* RFC 2308 §2.1: of the last name */
    record_name(f, "www.example", DNS_CNAME, 100, -1, "gone.example");
    record_soa(f, 3600, 900);
    d = answer_of(f);
    assert_int_equal(d.status, DNS_NXDOMAIN);
    assert_str(d.canonical, "gone.example");
    assert_int_equal(d.ttl, 100);

    begin(f, "www.example", DNS_A, NOERROR);
    record_name(f, "www.example", DNS_CNAME, 100, -1, "odd name.example");
    assert_int_equal(answer_of(f).status, DNS_FAILURE);
}

static void cname_loops_and_long_chains(void **state)
{
    struct fixture *f = *state;
    begin(f, "a.example", DNS_A, NOERROR);
    record_name(f, "a.example", DNS_CNAME, 100, -1, "b.example");
    record_name(f, "b.example", DNS_CNAME, 100, -1, "a.example");
    assert_int_equal(answer_of(f).status, DNS_FAILURE);

    begin(f, "a.example", DNS_A, NOERROR);
    record_name(f, "a.example", DNS_CNAME, 100, -1, "a.example");
    assert_int_equal(answer_of(f).status, DNS_FAILURE);

    for (int length = LIMIT_DNS_CNAMES; length <= LIMIT_DNS_CNAMES + 1; length++) {
        begin(f, "n0.example", DNS_A, NOERROR);
        char owner[32] = "n0.example", target[32];
        for (int i = 1; i <= length; i++) {
            snprintf(target, sizeof target, "n%d.example", i);
            record_name(f, owner, DNS_CNAME, 100, -1, target);
            memcpy(owner, target, sizeof owner);
        }
        record(f, 1, owner, DNS_A, 300, S("\xc0\0\2\1"));
        assert_int_equal(answer_of(f).status, length <= LIMIT_DNS_CNAMES ? DNS_OK : DNS_FAILURE);
    }
}

/* ---- no records, refusals, lies ---- */

static void negative_answers(void **state)
{
    static const struct {
        unsigned flags;
        bool soa;
        uint32_t ttl, minimum;
        enum dns_status status;
        uint32_t want;
    } row[] = {
        {NOERROR, true, 3600, 300, DNS_NODATA, 300},
        {NOERROR, true, 60, 300, DNS_NODATA, 60},
        {NOERROR | NXDOMAIN, true, 3600, 300, DNS_NXDOMAIN, 300},
        {NOERROR | NXDOMAIN | AUTHENTIC, true, 1, 300, DNS_NXDOMAIN, 1},
        {NOERROR, false, 0, 0, DNS_NODATA, 0}, /* RFC 2308 §5: not to be cached */
        {NOERROR | NXDOMAIN, false, 0, 0, DNS_NXDOMAIN, 0},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct fixture *f = *state;
        begin(f, "no.example", DNS_MX, row[i].flags);
        if (row[i].soa) record_soa(f, row[i].ttl, row[i].minimum);
        struct dns_answer d = answer_of(f);
        assert_int_equal(d.status, row[i].status);
        assert_int_equal(d.ttl, row[i].want);
        assert_int_equal(d.n, 0);
        assert_int_equal(d.secure, (row[i].flags & AUTHENTIC) != 0);
    }
}

static void refusals(void **state)
{
    struct fixture *f = *state;
    struct dns_answer d;
    for (unsigned rcode = 1; rcode < 16; rcode++) {
        if (rcode == NXDOMAIN) continue;
        begin(f, "example", DNS_MX, NOERROR | AUTHENTIC | rcode);
        if (rcode == FORMERR || rcode == 4) {
            assert_int_equal(read_reply(f, &d), ERR_UNSUPPORTED); /* perhaps it is EDNS it cannot read */
            buf_clear(&f->query);
            dns_query_put(&f->query, 0x1234, S("example"), DNS_MX, false);
        }
        d = answer_of(f);
        assert_int_equal(d.status, DNS_FAILURE);
        assert_false(d.secure);
    }
    begin(f, "example", DNS_MX, NOERROR | FORMERR); /* a header and nothing else */
    f->reply.n = 12;
    f->counts[0] = 0;
    assert_int_equal(read_reply(f, &d), ERR_UNSUPPORTED);
    begin(f, "example", DNS_MX, NOERROR | SERVFAIL);
    f->reply.n = 12;
    f->counts[0] = 0;
    assert_int_equal(answer_of(f).status, DNS_FAILURE);

    begin(f, "example", DNS_MX, NOERROR); /* BADVERS: the upper bits of the code stand in the OPT record */
    record(f, 3, "", OPT, 1u << 24, S(""));
    assert_int_equal(answer_of(f).status, DNS_FAILURE);
    begin(f, "example", DNS_MX, NOERROR);
    record(f, 3, "", OPT, 0, S(""));
    assert_int_equal(answer_of(f).status, DNS_NODATA);
}

static void replies_to_something_else(void **state)
{
    struct fixture *f = *state;
    struct dns_answer d;
    static const struct {
        size_t at;
        char value;
    } row[] = {
        {0, 0x13},         /* another id */
        {1, 0x35},
        {2, 0x01},         /* a query, not a reply */
        {2, (char)0x91},   /* another opcode */
        {13, 'f'},         /* another name */
        {12 + 10, 1},      /* another type */
        {12 + 12, 3},      /* another class */
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        begin(f, "example", DNS_MX, NOERROR);
        record_name(f, "example", DNS_MX, 300, 10, "mx.example");
        f->reply.p[row[i].at] = row[i].value;
        assert_int_equal(read_reply(f, &d), ERR_CONFLICT);
    }
    begin(f, "example", DNS_MX, NOERROR); /* letters may change their case */
    f->reply.p[13] = 'E';
    assert_int_equal(read_reply(f, &d), 0);
    begin(f, "example", DNS_MX, NOERROR);
    f->counts[0] = 0;
    f->reply.n = 12;
    assert_int_equal(read_reply(f, &d), ERR_CONFLICT); /* success without a question */
    begin(f, "example", DNS_MX, NOERROR);
    f->counts[0] = 2;
    assert_int_equal(read_reply(f, &d), ERR_CONFLICT);
}

static void truncated(void **state)
{
    struct fixture *f = *state;
    struct dns_answer d;
    begin(f, "example", DNS_MX, NOERROR | TRUNCATED);
    assert_int_equal(read_reply(f, &d), ERR_TOO_LONG);
    record_name(f, "example", DNS_MX, 300, 10, "mx.example");
    f->reply.n -= 3; /* cut inside a record, as some servers do */
    assert_int_equal(read_reply(f, &d), ERR_TOO_LONG);
}

static void many_records(void **state)
{
    struct fixture *f = *state;
    begin(f, "example", DNS_A, NOERROR);
    for (int i = 0; i < 1000; i++) record(f, 1, "example", DNS_A, 300, S("\1\2\3\4"));
    assert_int_equal(answer_of(f).n, LIMIT_DNS_RECORDS);
}

static void cut_at_every_byte(void **state)
{
    struct fixture *f = *state;
    begin(f, "www.example", DNS_MX, NOERROR);
    record_name(f, "www.example", DNS_CNAME, 20, -1, "c.example");
    record_name(f, "c.example", DNS_MX, 100, 10, "mx.example");
    record_soa(f, 300, 300);
    record(f, 3, "", OPT, 0, S(""));
    size_t whole = f->reply.n;
    struct dns_answer d;
    for (size_t n = 0; n < whole; n++) {
        finish(f);
        char *exact = test_malloc(n + 1);
        memcpy(exact + 1, f->reply.p, n);
        int e = dns_reply_read(f->a, buf_str(&f->query), str_of(exact + 1, n), &d);
        assert_int_equal(e, n < 12 + 13 + 4 ? ERR_CONFLICT : ERR_SYNTAX);
        test_free(exact);
    }
    assert_int_equal(read_reply(f, &d), 0);
    buf_char(&f->reply, 'x'); /* and nothing may follow */
    assert_int_equal(read_reply(f, &d), ERR_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(names),
        T(name_lengths),
        T(ptr_names),
        T(a_query_bit_by_bit),
        T(addresses),
        T(mail_exchangers),
        T(texts_and_certificates),
        T(damaged_record_data),
        T(names_that_are_odd_or_compressed),
        T(cname_chains),
        T(cname_loops_and_long_chains),
        T(negative_answers),
        T(refusals),
        T(replies_to_something_else),
        T(truncated),
        T(many_records),
        T(cut_at_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
