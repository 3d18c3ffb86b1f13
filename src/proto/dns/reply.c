/* DNS replies: does it answer our question, and with which records (RFC 1035 §4, RFC 2308, RFC 3596, RFC 6698).
 *
 * The walk over the message is glibc's ns_initparse() and ns_parserr(): they work on a struct of the caller's (so they
 * are thread-safe), check every length against the message, and give names as text in which odd bytes, NUL too, are
 * escaped with '\'. What lies inside the record data is measured here. */
#include "mail/limits.h"
#include "proto/dns/dns.h"
#include "proto/dns/wire.h"

#include <arpa/nameser.h>

struct rr {
    struct str owner; /* lower-case text; odd bytes stay escaped, so that equal text is the same name */
    unsigned type;
    uint32_t ttl;
    const uint8_t *data;
    size_t n;
};

struct reader {
    struct arena *a;
    ns_msg message;
    enum dns_type type;
    struct rr *answers; /* of class IN */
    size_t n;
    uint32_t ttl; /* the least of those used so far */
};

static unsigned get16(const void *p) { return ns_get16(p); }
static uint32_t get32(const void *p) { return (uint32_t)ns_get32(p); }

/* ---- is it ours? ---- */

static bool same_question(struct str query, struct str reply, size_t n)
{
    struct str asked = str_sub(query, HEADER_SIZE, HEADER_SIZE + n),
               echoed = str_sub(reply, HEADER_SIZE, HEADER_SIZE + n);
    /* Label lengths are below 'A': ignoring case ignores it in names only. Type and class must agree to the bit. */
    return asked.n == n && str_ieq(asked, echoed) && memcmp(asked.p + n - 4, echoed.p + n - 4, 4) == 0;
}

static size_t question_size(struct str query)
{
    size_t i = HEADER_SIZE;
    while (i < query.n && query.p[i]) i += (size_t)(uint8_t)query.p[i] + 1;
    return i + 1 + 4 - HEADER_SIZE;
}

/* 0 when there is something to read; otherwise what dns_reply_read() returns. */
static int check_header(struct str query, struct str reply, unsigned *flags)
{
    if (reply.n < HEADER_SIZE || memcmp(query.p, reply.p, 2) != 0) return ERR_CONFLICT;
    *flags = get16(reply.p + 2);
    unsigned rcode = *flags & FLAG_RCODE, questions = get16(reply.p + 4);
    if (!(*flags & FLAG_QR) || *flags & FLAG_OPCODE) return ERR_CONFLICT;
    bool bare_refusal = questions == 0 && rcode != RCODE_NOERROR && rcode != RCODE_NXDOMAIN;
    if (!bare_refusal && (questions != 1 || !same_question(query, reply, question_size(query)))) return ERR_CONFLICT;
    bool edns = get16(query.p + 10) != 0;
    if (edns && (rcode == RCODE_FORMERR || rcode == RCODE_NOTIMP)) return ERR_UNSUPPORTED; /* RFC 6891 §7 */
    if (*flags & FLAG_TC) return ERR_TOO_LONG;                                            /* RFC 2181 §9 */
    return 0;
}

/* ---- names and records ---- */

static struct str lower_name(struct arena *a, const char *text)
{
    struct str name = str_c(text);
    if (str_eq(name, S("."))) name.n = 0;
    char *lower = arena_alloc(a, name.n);
    for (size_t i = 0; i < name.n; i++) lower[i] = ch_lower(name.p[i]);
    return str_of(lower, name.n);
}

/* A name that ends exactly where its record does. */
static int name_in(struct reader *r, const uint8_t *at, const uint8_t *end, struct str *out)
{
    char text[NS_MAXDNAME];
    if (at >= end) return ERR_SYNTAX;
    int n = ns_name_uncompress(ns_msg_base(r->message), ns_msg_end(r->message), at, text, sizeof text);
    if (n < 0 || n != end - at) return ERR_SYNTAX;
    *out = lower_name(r->a, text);
    return 0;
}

/* Names of hosts (and the '/' of RFC 2317 in what leads to a PTR): others are not passed on as text. */
static bool is_host_name(struct str name, bool slash)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (!ch_alnum(c) && c != '-' && c != '_' && c != '.' && !(slash && c == '/')) return false;
    }
    return true;
}

static int read_rr(struct reader *r, ns_sect section, int i, struct rr *out, bool *taken)
{
    ns_rr rr;
    if (ns_parserr(&r->message, section, i, &rr) < 0) return ERR_SYNTAX;
    *taken = (int)ns_rr_class(rr) == CLASS_IN;
    *out = (struct rr){{0}, ns_rr_type(rr), ns_rr_ttl(rr), ns_rr_rdata(rr), ns_rr_rdlen(rr)};
    if (*taken) out->owner = lower_name(r->a, ns_rr_name(rr));
    return 0;
}

static int read_answers(struct reader *r)
{
    int count = ns_msg_count(r->message, ns_s_an);
    if (count > LIMIT_DNS_RECORDS) count = LIMIT_DNS_RECORDS;
    r->answers = arena_array(r->a, (size_t)count, sizeof *r->answers);
    for (int i = 0; i < count; i++) {
        bool taken;
        int e = read_rr(r, ns_s_an, i, &r->answers[r->n], &taken);
        if (e) return e;
        r->n += taken;
    }
    return 0;
}

static void use_ttl(struct reader *r, const struct rr *rr)
{
    uint32_t ttl = rr->ttl > INT32_MAX ? 0 : rr->ttl; /* RFC 2181 §8 */
    if (ttl < r->ttl) r->ttl = ttl;
}

/* ---- record data; 0, ERR_SYNTAX, or ERR_UNSUPPORTED for a record that is left out ---- */

static int read_address(const struct rr *rr, struct dns_record *out)
{
    size_t n = rr->type == DNS_A ? 4 : 16;
    if (rr->n != n) return ERR_SYNTAX;
    out->ip.family = n == 4 ? 4 : 6;
    memcpy(out->ip.b, rr->data, n);
    return 0;
}

static int read_target(struct reader *r, const struct rr *rr, struct dns_record *out)
{
    size_t before = rr->type == DNS_MX ? 2 : 0; /* RFC 1035 §3.3.9 */
    if (rr->n <= before) return ERR_SYNTAX;
    if (before) out->preference = (uint16_t)get16(rr->data);
    int e = name_in(r, rr->data + before, rr->data + rr->n, &out->name);
    if (e) return e;
    return is_host_name(out->name, rr->type == DNS_CNAME) ? 0 : ERR_UNSUPPORTED;
}

static int read_text(struct reader *r, const struct rr *rr, struct dns_record *out)
{
    char *joined = arena_alloc(r->a, rr->n);
    size_t n = 0;
    for (size_t i = 0; i < rr->n; i += rr->data[i] + 1u) { /* RFC 1035 §3.3.14 */
        if (rr->data[i] > rr->n - i - 1) return ERR_SYNTAX;
        memcpy(joined + n, rr->data + i + 1, rr->data[i]);
        n += rr->data[i];
    }
    out->data = str_of(joined, n);
    return 0;
}

static int read_tlsa(struct reader *r, const struct rr *rr, struct dns_record *out) /* RFC 6698 §2.1 */
{
    if (rr->n < 3) return ERR_SYNTAX;
    out->usage = rr->data[0];
    out->selector = rr->data[1];
    out->matching = rr->data[2];
    out->data = arena_str(r->a, str_of(rr->data + 3, rr->n - 3));
    return 0;
}

static int read_record(struct reader *r, const struct rr *rr, struct dns_record *out)
{
    *out = (struct dns_record){.type = (enum dns_type)rr->type};
    switch (out->type) {
    case DNS_A:
    case DNS_AAAA: return read_address(rr, out);
    case DNS_CNAME:
    case DNS_PTR:
    case DNS_MX: return read_target(r, rr, out);
    case DNS_TXT: return read_text(r, rr, out);
    case DNS_TLSA: return read_tlsa(r, rr, out);
    }
    return ERR_UNSUPPORTED;
}

/* ---- the answer ---- */

static const struct rr *find(const struct reader *r, struct str owner, unsigned type)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->answers[i].type == type && str_eq(r->answers[i].owner, owner)) return &r->answers[i];
    return NULL;
}

/* From the asked name to the one that has the records. ERR_TOO_LONG: a loop, or more than LIMIT_DNS_CNAMES. */
static int follow_cnames(struct reader *r, struct str *name)
{
    for (int steps = 0;; steps++) {
        const struct rr *cname = r->type == DNS_CNAME ? NULL : find(r, *name, DNS_CNAME);
        if (!cname || find(r, *name, r->type)) return 0;
        if (steps == LIMIT_DNS_CNAMES) return ERR_TOO_LONG;
        struct dns_record target = {0};
        int e = read_target(r, cname, &target);
        if (e) return e;
        if (target.name.n == 0) return ERR_SYNTAX;
        use_ttl(r, cname);
        *name = target.name;
    }
}

static int collect(struct reader *r, struct dns_answer *out)
{
    struct dns_record *records = arena_array(r->a, r->n, sizeof *records);
    size_t dropped = 0;
    for (size_t i = 0; i < r->n; i++) {
        const struct rr *rr = &r->answers[i];
        if (rr->type != (unsigned)r->type || !str_eq(rr->owner, out->canonical)) continue;
        int e = read_record(r, rr, &records[out->n]);
        if (e == ERR_UNSUPPORTED) {
            dropped++;
            continue;
        }
        if (e) return e;
        use_ttl(r, rr);
        out->n++;
    }
    out->records = records;
    /* There are records, but none we can use: that is not "no record". */
    out->status = out->n ? DNS_OK : dropped ? DNS_FAILURE : DNS_NODATA;
    return 0;
}

/* How long "there is none" may be believed: RFC 2308 §5; without an SOA not at all. */
static int negative_ttl(struct reader *r, uint32_t *ttl)
{
    int count = ns_msg_count(r->message, ns_s_ns);
    *ttl = 0;
    for (int i = 0; i < count && i < LIMIT_DNS_RECORDS; i++) {
        struct rr rr;
        bool taken;
        int e = read_rr(r, ns_s_ns, i, &rr, &taken);
        if (e) return e;
        if (!taken || rr.type != TYPE_SOA) continue;
        if (rr.n < 20) return ERR_SYNTAX;
        uint32_t minimum = get32(rr.data + rr.n - 4);
        use_ttl(r, &rr);
        *ttl = minimum < r->ttl ? minimum : r->ttl;
        return 0;
    }
    return 0;
}

/* The upper bits of the response code stand in the OPT record (RFC 6891 §6.1.3). */
static int extended_rcode(struct reader *r, unsigned *rcode)
{
    int count = ns_msg_count(r->message, ns_s_ar);
    for (int i = 0; i < count && i < LIMIT_DNS_RECORDS; i++) {
        struct rr rr;
        bool taken;
        int e = read_rr(r, ns_s_ar, i, &rr, &taken);
        if (e) return e;
        if (rr.type == TYPE_OPT) *rcode |= rr.ttl >> 24 << 4;
    }
    return 0;
}

static int read_message(struct reader *r, unsigned rcode, struct dns_answer *out)
{
    ns_rr question;
    int e = extended_rcode(r, &rcode);
    if (e) return e;
    if (rcode != RCODE_NOERROR && rcode != RCODE_NXDOMAIN) return 0;
    if (ns_parserr(&r->message, ns_s_qd, 0, &question) < 0) return ERR_SYNTAX;
    r->type = (enum dns_type)ns_rr_type(question);
    out->canonical = lower_name(r->a, ns_rr_name(question));
    if ((e = read_answers(r))) return e;
    e = follow_cnames(r, &out->canonical);
    if (e == ERR_SYNTAX) return e;
    if (e) return 0; /* a loop, or a name we cannot write: DNS_FAILURE */
    if ((e = collect(r, out))) return e;
    if (rcode == RCODE_NXDOMAIN) out->status = DNS_NXDOMAIN, out->n = 0; /* RFC 2308 §2.1: of the last name */
    if (out->status == DNS_OK) {
        out->ttl = r->ttl;
        return 0;
    }
    return out->status == DNS_FAILURE ? 0 : negative_ttl(r, &out->ttl);
}

int dns_reply_read(struct arena *a, struct str query, struct str reply, struct dns_answer *out)
{
    unsigned flags;
    struct reader r = {.a = a, .ttl = INT32_MAX};
    struct dns_answer answer = {.status = DNS_FAILURE, .canonical = S("")};
    if (reply.n > LIMIT_DNS_MESSAGE) return ERR_SYNTAX;
    int e = check_header(query, reply, &flags);
    if (e) return e;
    if (ns_initparse((const uint8_t *)reply.p, (int)reply.n, &r.message) < 0) return ERR_SYNTAX;
    if ((e = read_message(&r, flags & FLAG_RCODE, &answer))) return e;
    answer.secure = flags & FLAG_AD && answer.status != DNS_FAILURE;
    *out = answer;
    return 0;
}
