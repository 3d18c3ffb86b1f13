/* Replies of a DNS server, hostile ones too. The first byte picks the type asked for; then come flags, the three counts
 * and all that follows the question, so that the fuzzer need not guess id and question. */
#include "mail/limits.h"
#include "proto/dns/dns.h"

#include <stdlib.h>

enum { HEAD = 1 + 2 + 6 };

static void must(bool what)
{
    if (!what) abort();
}

static void check(const struct dns_answer *d, enum dns_type type)
{
    must(d->n <= LIMIT_DNS_RECORDS && (d->n > 0) == (d->status == DNS_OK));
    for (size_t i = 0; i < d->n; i++) {
        must(d->records[i].type == type);
        for (size_t k = 0; k < d->records[i].name.n; k++)
            must(d->records[i].name.p[k] > ' ' && d->records[i].name.p[k] != '\\');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum dns_type types[] = {DNS_A, DNS_CNAME, DNS_PTR, DNS_MX, DNS_TXT, DNS_AAAA, DNS_TLSA};
    if (size < HEAD || size > LIMIT_DNS_MESSAGE) return 0;
    enum dns_type type = types[(data[0] & 0x7f) % (sizeof types / sizeof *types)];
    struct arena *a = arena_new(NULL, 0);
    struct buf *query = buf_in(a, DNS_QUERY_MAX), *reply = buf_in(a, 2 * LIMIT_DNS_MESSAGE);
    dns_query_put(query, 0x2a2a, S("mx.example"), type, data[0] & 0x80);
    buf_add(reply, str_head(buf_str(query), 2));
    buf_add(reply, str_of(data + 1, 2));
    buf_add(reply, S("\0\1"));
    buf_add(reply, str_of(data + 3, 6));
    buf_add(reply, str_sub(buf_str(query), 12, 12 + 12 + 4)); /* the question */
    buf_add(reply, str_of(data + HEAD, size - HEAD));
    struct dns_answer d;
    if (dns_reply_read(a, buf_str(query), buf_str(reply), &d) == 0) check(&d, type);
    if (dns_reply_read(a, buf_str(query), str_of(data, size), &d) == 0) check(&d, type);
    struct str name;
    if (dns_name(a, str_of(data, size), &name) == 0) must(name.n > 0 && name.n <= 253);
    arena_free(a);
    return 0;
}
