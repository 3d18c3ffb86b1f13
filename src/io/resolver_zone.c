/* Name servers of the simulated world: a zone as text, one line a record, as a test wrote it for sim_dns().
 *
 *   example.org. [TTL] MX 10 mx.example.org.        A AAAA MX TXT PTR CNAME TLSA as in master files (RFC 1035 §5.1)
 *   slow.example. TIMEOUT                           SERVFAIL: an answer of failure; TIMEOUT: none at all
 *   example.org. SECURE                             what is said of this name is authentic
 * A line that is none of these is a mistake of the test and stops it. */
#include <assert.h>

#include "base/codec.h"
#include "io/resolver_core.h"
#include "io/udp.h"
#include "mail/limits.h"

enum { ZONE_TTL = 300 };
#define SPAN_ZONE_DELAY (20 * US_PER_MS) /* an answer takes up to this */

struct line {
    struct str owner, type, data;
    uint32_t ttl;
};

static void must(bool ok)
{
    assert(ok); /* the zone is the test's own */
    (void)ok;
}

static bool next_line(struct arena *a, struct str *text, struct line *out)
{
    while (text->n) {
        struct str row, word;
        uint64_t ttl = ZONE_TTL;
        str_cut(*text, '\n', &row, text);
        row = str_trim(row);
        if (row.n == 0 || row.p[0] == ';') continue;
        int bad = dns_name(a, str_word(&row), &out->owner);
        word = str_word(&row);
        if (str_to_u64(word, UINT32_MAX, &ttl)) word = str_word(&row);
        must(!bad && word.n > 0);
        *out = (struct line){out->owner, word, str_trim(row), (uint32_t)ttl};
        return true;
    }
    return false;
}

static const struct {
    struct str name;
    enum dns_type type;
} types[] = {
    {S_INIT("A"), DNS_A},     {S_INIT("AAAA"), DNS_AAAA}, {S_INIT("CNAME"), DNS_CNAME}, {S_INIT("MX"), DNS_MX},
    {S_INIT("PTR"), DNS_PTR}, {S_INIT("TLSA"), DNS_TLSA}, {S_INIT("TXT"), DNS_TXT},
};

static enum dns_type type_of(struct str word)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (str_ieq(word, types[i].name)) return types[i].type;
    must(false);
    return 0;
}

static unsigned number(struct str *data, uint64_t max)
{
    uint64_t v = 0;
    must(str_to_u64(str_word(data), max, &v));
    return (unsigned)v;
}

static struct str target(struct arena *a, struct str text)
{
    struct str name = S("");
    must(str_eq(text, S(".")) || dns_name(a, text, &name) == 0);
    return name;
}

/* "one" "two" joined, or the rest of the line as it stands. */
static struct str text_data(struct arena *a, struct str data)
{
    struct buf *joined = buf_in(a, LIMIT_DNS_MESSAGE);
    struct str before, part;
    if (data.n == 0 || data.p[0] != '"') return data;
    while (str_cut(data, '"', &before, &data) && str_cut(data, '"', &part, &data)) buf_add(joined, part);
    return buf_str(joined);
}

static void read_record(struct arena *a, const struct line *l, struct dns_record *out)
{
    struct str data = l->data;
    struct buf *bytes = buf_in(a, LIMIT_DNS_MESSAGE);
    *out = (struct dns_record){.type = type_of(l->type)};
    switch (out->type) {
    case DNS_A:
    case DNS_AAAA: must(ip_parse(data, &out->ip) == 0 && out->ip.family == (out->type == DNS_A ? 4 : 6)); break;
    case DNS_MX:
        out->preference = (uint16_t)number(&data, UINT16_MAX);
        out->name = target(a, str_trim(data));
        break;
    case DNS_PTR:
    case DNS_CNAME: out->name = target(a, data); break;
    case DNS_TXT: out->data = text_data(a, data); break;
    case DNS_TLSA:
        out->usage = (uint8_t)number(&data, UINT8_MAX);
        out->selector = (uint8_t)number(&data, UINT8_MAX);
        out->matching = (uint8_t)number(&data, UINT8_MAX);
        must(hex_decode(bytes, str_trim(data)) == 0);
        out->data = buf_str(bytes);
        break;
    }
}

enum verdict { ZONE_ANSWERED, ZONE_ALIAS, ZONE_TIMEOUT }; /* ZONE_ALIAS: canonical is the next name to look for */

/* What the zone says about out->canonical. */
static enum verdict look(struct str zone, struct arena *a, enum dns_type type, struct dns_answer *out)
{
    struct line l;
    struct dns_record *records = arena_array(a, LIMIT_DNS_RECORDS, sizeof *records), alias = {0};
    size_t n = 0;
    bool exists = false;
    while (next_line(a, &zone, &l)) {
        bool below = str_ends(l.owner, out->canonical) && l.owner.n > out->canonical.n &&
                     l.owner.p[l.owner.n - out->canonical.n - 1] == '.';
        exists = exists || below || str_eq(l.owner, out->canonical);
        if (!str_eq(l.owner, out->canonical)) continue;
        if (str_eq(l.type, S("TIMEOUT"))) return ZONE_TIMEOUT;
        if (str_eq(l.type, S("SECURE"))) {
            out->secure = true;
            continue;
        }
        if (str_eq(l.type, S("SERVFAIL"))) {
            out->status = DNS_FAILURE;
            return ZONE_ANSWERED;
        }
        if (type_of(l.type) == type && n < LIMIT_DNS_RECORDS) read_record(a, &l, &records[n++]);
        else if (type_of(l.type) == DNS_CNAME) read_record(a, &l, &alias);
        else continue;
        if (l.ttl < out->ttl) out->ttl = l.ttl;
    }
    if (out->ttl == UINT32_MAX) out->ttl = ZONE_TTL;
    out->records = records;
    out->n = n;
    out->status = n ? DNS_OK : exists ? DNS_NODATA : DNS_NXDOMAIN;
    if (n || alias.name.n == 0) return ZONE_ANSWERED;
    out->canonical = alias.name;
    return ZONE_ALIAS;
}

FIBER int dns_zone_ask(struct world *w, struct arena *a, struct str name, enum dns_type type, mono_us deadline,
                       struct dns_answer *out)
{
    uint16_t delay;
    world_random(w, &delay, sizeof delay);
    int e = fiber_sleep(delay * SPAN_ZONE_DELAY / UINT16_MAX);
    if (e) return e;
    struct dns_answer failure = {.status = DNS_FAILURE, .canonical = name};
    *out = (struct dns_answer){.canonical = name, .ttl = UINT32_MAX};
    for (int steps = 0; steps <= LIMIT_DNS_CNAMES; steps++) {
        enum verdict v = look(str_c(sim_dns_zone(w)), a, type, out);
        if (v == ZONE_TIMEOUT) {
            *out = failure;
            return fiber_sleep(deadline - loop_now());
        }
        if (v == ZONE_ANSWERED) return 0;
    }
    *out = failure; /* a loop */
    return 0;
}
