/* The resolver's memory: answers by name and type until their time is over (RFC 1035 §7.4, RFC 2308 §5). It is bounded
 * in number and bytes; what was not asked for longest goes first. Who may ask, and for what, is resolver.c's. */
#include <stdlib.h>

#include "base/list.h"
#include "base/map.h"
#include "io/resolver_core.h"
#include "mail/limits.h"

enum { KEY_MAX = 1 + LIMIT_DOMAIN };

struct entry { /* one piece of memory: the entry, its key, what the answer points to */
    struct list used; /* the least recently used first */
    mono_us stored, expires;
    size_t size;
    struct dns_answer answer;
    size_t key_n;
    char key[KEY_MAX];
    _Alignas(max_align_t) char data[];
};

struct dns_cache {
    struct map entries;
    struct list used;
    size_t bytes, max_bytes, max_answers;
};

struct dns_cache *dns_cache_new(struct hash_key key, size_t max_answers, size_t max_bytes)
{
    struct dns_cache *c = calloc(1, sizeof *c);
    if (!c) abort();
    map_init(&c->entries, key);
    list_init(&c->used);
    c->max_answers = max_answers;
    c->max_bytes = max_bytes;
    return c;
}

static struct str key_of(char key[KEY_MAX], struct str name, enum dns_type type)
{
    size_t n = name.n < LIMIT_DOMAIN ? name.n : LIMIT_DOMAIN;
    key[0] = (char)type;
    memcpy(key + 1, name.p, n);
    return str_of(key, n + 1);
}

static void forget(struct dns_cache *c, struct entry *e)
{
    map_remove(&c->entries, str_of(e->key, e->key_n));
    list_remove(&e->used);
    c->bytes -= e->size;
    free(e);
}

void dns_cache_free(struct dns_cache *c)
{
    if (!c) return;
    while (!list_empty(&c->used)) forget(c, list_entry(c->used.next, struct entry, used));
    map_free(&c->entries);
    free(c);
}

size_t dns_cache_count(const struct dns_cache *c) { return c->entries.live; }

const struct dns_answer *dns_cache_get(struct dns_cache *c, struct str name, enum dns_type type, mono_us now,
                                       mono_us asked, mono_us *expires)
{
    char key[KEY_MAX];
    struct entry *e = map_get(&c->entries, key_of(key, name, type));
    if (!e || (now >= e->expires && e->stored < asked)) return NULL;
    list_remove(&e->used);
    list_push(&c->used, &e->used);
    *expires = e->expires;
    return &e->answer;
}

static int64_t span_of(const struct dns_answer *answer)
{
    if (answer->status == DNS_FAILURE) return SPAN_DNS_FAILURE; /* RFC 2308 §7.1: five minutes at most */
    int64_t most = answer->status == DNS_OK ? SPAN_DNS_TTL_MAX : SPAN_DNS_NEGATIVE_MAX, span = SECONDS(answer->ttl);
    return span < most ? span : most;
}

void dns_cache_put(struct dns_cache *c, struct str name, enum dns_type type, mono_us now,
                   const struct dns_answer *answer)
{
    size_t size = sizeof(struct entry) + dns_answer_size(answer);
    struct entry *e = calloc(1, size), *former;
    if (!e) abort();
    e->stored = now;
    e->expires = now + span_of(answer);
    e->size = size;
    dns_answer_copy(e->data, answer, &e->answer);
    e->key_n = key_of(e->key, name, type).n;
    if ((former = map_get(&c->entries, str_of(e->key, e->key_n)))) forget(c, former);
    while (!list_empty(&c->used) && (c->entries.live >= c->max_answers || c->bytes + size > c->max_bytes))
        forget(c, list_entry(c->used.next, struct entry, used));
    map_set(&c->entries, str_of(e->key, e->key_n), e);
    list_push(&c->used, &e->used);
    c->bytes += size;
}

size_t dns_answer_size(const struct dns_answer *answer)
{
    size_t size = answer->n * sizeof *answer->records + answer->canonical.n;
    for (size_t i = 0; i < answer->n; i++) size += answer->records[i].name.n + answer->records[i].data.n;
    return size;
}

static struct str move_to(char **at, struct str s)
{
    struct str copy = str_of(*at, s.n);
    if (s.n) memcpy(*at, s.p, s.n);
    *at += s.n;
    return copy;
}

void dns_answer_copy(void *memory, const struct dns_answer *from, struct dns_answer *out)
{
    struct dns_record *records = memory;
    char *at = (char *)(records + from->n);
    *out = *from;
    out->records = records;
    out->canonical = move_to(&at, from->canonical);
    for (size_t i = 0; i < from->n; i++) {
        records[i] = from->records[i];
        records[i].name = move_to(&at, from->records[i].name);
        records[i].data = move_to(&at, from->records[i].data);
    }
}
