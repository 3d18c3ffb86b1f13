/* The directory as sharded copy-on-write tables (see directory_edit.h): nodes are immutable and counted, shards hold
 * nodes, snapshots hold shards. Only an account's used bytes change under a node, as an atomic number all snapshots
 * share. */
#include "store/directory_edit.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "mail/limits.h"

enum table { DOMAINS, ADDRESSES, ACCOUNTS, ALIASES, ROUTES, DESTINATIONS, TABLES };
enum { SHARDS = 256, SHARD_LEAST = 8 };

struct node { /* begins everything a table points to */
    _Atomic int refs;
    struct str key;
    void (*drop)(struct node *n); /* gives up what it refers to */
};

struct domain_node {
    struct node node;
    struct directory_domain d;
};
struct used { /* how much an account holds: shared by its nodes */
    _Atomic int refs;
    _Atomic int64_t bytes, count;
};
struct account_node {
    struct node node;
    struct directory_account d;
    struct used *used;
    const struct address *keys;
    size_t n_keys;
};
struct address_node {
    struct node node;
    struct account_node *account;
};
struct alias_node {
    struct node node;
    struct directory_alias d;
    int64_t row;
};

struct route_node {
    struct node node;
    struct directory_route r;
};
struct destination_node {
    struct node node;
    struct directory_destination d;
};

struct slot {
    uint64_t hash;
    struct node *node; /* NULL: free */
};
struct shard {
    _Atomic int refs;
    uint32_t n, cap; /* cap: a power of two, more than n */
    struct slot slots[];
};
struct directory {
    _Atomic int refs;
    struct hash_key key;
    size_t counts[TABLES];
    struct shard *shards[TABLES][SHARDS];
};

static void *allocate(size_t n)
{
    void *p = calloc(1, n);
    if (!p) abort();
    return p;
}

static void node_unref(struct node *n)
{
    if (atomic_fetch_sub(&n->refs, 1) != 1) return;
    if (n->drop) n->drop(n);
    free(n);
}

/* ---- shards ---- */

static struct shard *shard_new(uint32_t cap)
{
    struct shard *s = allocate(sizeof *s + cap * sizeof(struct slot));
    s->refs = 1;
    s->cap = cap;
    return s;
}

static void shard_unref(struct shard *s)
{
    if (!s || atomic_fetch_sub(&s->refs, 1) != 1) return;
    for (uint32_t i = 0; i < s->cap; i++)
        if (s->slots[i].node) node_unref(s->slots[i].node);
    free(s);
}

static struct slot *shard_find(struct shard *s, uint64_t hash, struct str key)
{
    for (uint32_t i = (uint32_t)hash & (s->cap - 1);; i = (i + 1) & (s->cap - 1)) {
        struct slot *at = &s->slots[i];
        if (!at->node || (at->hash == hash && str_eq(at->node->key, key))) return at;
    }
}

/* A copy of its own with room for one more, without the node of `leave_out`. */
static struct shard *shard_remake(struct shard *old, struct str leave_out)
{
    uint32_t n = old ? old->n : 0, cap = SHARD_LEAST;
    while (cap < (n + 1) * 2) cap *= 2;
    struct shard *s = shard_new(cap);
    for (uint32_t i = 0; old && i < old->cap; i++) {
        struct node *node = old->slots[i].node;
        if (!node || (!str_is_none(leave_out) && str_eq(node->key, leave_out))) continue;
        atomic_fetch_add(&node->refs, 1);
        *shard_find(s, old->slots[i].hash, node->key) = old->slots[i];
        s->n++;
    }
    shard_unref(old);
    return s;
}

static uint64_t hash_of(const struct directory *d, struct str key) { return hash_sip(&d->key, key); }
static size_t shard_of(uint64_t hash) { return hash >> 56; }
_Static_assert(SHARDS == 256, "shard_of() takes the top byte");

static struct node *table_get(const struct directory *d, enum table t, struct str key)
{
    uint64_t hash = hash_of(d, key);
    struct shard *s = d->shards[t][shard_of(hash)];
    return s ? shard_find(s, hash, key)->node : NULL;
}

/* Takes the reference to `node`. */
static void table_set(struct directory *d, enum table t, struct node *node)
{
    uint64_t hash = hash_of(d, node->key);
    struct shard **s = &d->shards[t][shard_of(hash)];
    if (!*s || atomic_load(&(*s)->refs) > 1 || ((*s)->n + 1) * 2 > (*s)->cap) *s = shard_remake(*s, STR_NONE);
    struct slot *at = shard_find(*s, hash, node->key);
    if (at->node) {
        node_unref(at->node);
    } else {
        (*s)->n++;
        d->counts[t]++;
    }
    *at = (struct slot){hash, node};
}

static void table_drop(struct directory *d, enum table t, struct str key)
{
    uint64_t hash = hash_of(d, key);
    struct shard **s = &d->shards[t][shard_of(hash)];
    if (!*s || !shard_find(*s, hash, key)->node) return;
    char copy[DIRECTORY_ADDRESS_MAX]; /* the key may lie in the node that goes */
    assert(key.n <= sizeof copy);
    memcpy(copy, key.p, key.n);
    *s = shard_remake(*s, str_of(copy, key.n));
    d->counts[t]--;
}

static void table_each(const struct directory *d, enum table t, void (*fn)(struct node *n, void *arg), void *arg)
{
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *s = d->shards[t][i];
        for (uint32_t k = 0; s && k < s->cap; k++)
            if (s->slots[k].node) fn(s->slots[k].node, arg);
    }
}

/* ---- snapshots ---- */

struct directory *directory_new(struct hash_key key)
{
    struct directory *d = allocate(sizeof *d);
    d->refs = 1;
    d->key = key;
    return d;
}

struct directory *directory_copy(const struct directory *d)
{
    struct directory *copy = directory_new(d->key);
    memcpy(copy->counts, d->counts, sizeof copy->counts);
    for (size_t t = 0; t < TABLES; t++)
        for (size_t i = 0; i < SHARDS; i++) {
            struct shard *s = copy->shards[t][i] = d->shards[t][i];
            if (s) atomic_fetch_add(&s->refs, 1);
        }
    return copy;
}

const struct directory *directory_ref(const struct directory *d)
{
    atomic_fetch_add(&((struct directory *)(uintptr_t)d)->refs, 1);
    return d;
}

void directory_unref(const struct directory *snapshot)
{
    struct directory *d = (struct directory *)(uintptr_t)snapshot;
    if (!d || atomic_fetch_sub(&d->refs, 1) != 1) return;
    for (size_t t = 0; t < TABLES; t++)
        for (size_t i = 0; i < SHARDS; i++) shard_unref(d->shards[t][i]);
    free(d);
}

/* ---- nodes: one allocation each, strings behind the struct ---- */

struct packer {
    char *p;
};

static struct str keep(struct packer *k, struct str s)
{
    struct str kept = {k->p, s.n};
    if (s.n) memcpy(k->p, s.p, s.n);
    k->p += s.n;
    return kept;
}

static struct address keep_address(struct packer *k, struct address a)
{
    struct address kept;
    kept.local = keep(k, a.local);
    kept.domain = keep(k, a.domain);
    return kept;
}

static size_t address_size(struct address a) { return a.local.n + a.domain.n; }

static void *node_new(size_t fixed, size_t strings, struct packer *k)
{
    struct node *n = allocate(fixed + strings);
    n->refs = 1;
    k->p = (char *)n + fixed;
    return n;
}

/* local@domain in `out`; STR_NONE when it is longer than any key of ours. */
static struct str address_bytes(struct address a, char out[DIRECTORY_ADDRESS_MAX])
{
    if (a.local.n + a.domain.n + 1 > DIRECTORY_ADDRESS_MAX) return STR_NONE;
    struct packer k = {out};
    keep_address(&k, (struct address){a.local, S("@")});
    keep(&k, a.domain);
    return str_of(out, a.local.n + 1 + a.domain.n);
}

static struct str id_bytes(const int64_t *id) { return str_of(id, sizeof *id); }

/* ---- domains ---- */

static void domain_drop(struct node *n)
{
    const struct directory_domain *of = ((struct domain_node *)n)->d.alias_of;
    if (of) node_unref(&((struct domain_node *)((char *)(uintptr_t)of - offsetof(struct domain_node, d)))->node);
}

static struct domain_node *domain_get(const struct directory *d, struct str key)
{
    return (struct domain_node *)table_get(d, DOMAINS, key);
}

static struct domain_node *put_domain(struct directory *d, const struct directory_domain *what, struct str alias_of_key)
{
    struct packer k;
    struct domain_node *n = node_new(sizeof *n, what->key.n + what->shown.n + address_size(what->catch_all), &k);
    n->d = (struct directory_domain){.id = what->id, .key = keep(&k, what->key), .shown = keep(&k, what->shown)};
    n->d.catch_all = keep_address(&k, what->catch_all);
    struct domain_node *of = alias_of_key.n ? domain_get(d, alias_of_key) : NULL;
    if (of) {
        atomic_fetch_add(&of->node.refs, 1);
        n->d.alias_of = &of->d;
    }
    n->node.key = n->d.key;
    n->node.drop = domain_drop;
    table_set(d, DOMAINS, &n->node);
    return n;
}

struct aliases_of {
    struct str key;
    struct domain_node **v;
    size_t n;
};

static void note_alias_domain(struct node *n, void *arg)
{
    struct aliases_of *of = arg;
    struct domain_node *dn = (struct domain_node *)n;
    if (dn->d.alias_of && str_eq(dn->d.alias_of->key, of->key)) of->v[of->n++] = dn;
}

void directory_set_domain(struct directory *d, const struct directory_domain *what, struct str alias_of_key)
{
    struct str key = put_domain(d, what, alias_of_key)->d.key; /* what->key may have gone with the node it was in */
    /* Those that are its aliases point to the node it was: make them anew. */
    struct aliases_of of = {.key = key, .v = allocate((d->counts[DOMAINS] + 1) * sizeof(struct domain_node *))};
    table_each(d, DOMAINS, note_alias_domain, &of);
    for (size_t i = 0; i < of.n; i++) put_domain(d, &of.v[i]->d, key);
    free(of.v);
}

void directory_drop_domain(struct directory *d, struct str key) { table_drop(d, DOMAINS, key); }

const struct directory_domain *directory_domain(const struct directory *d, struct str domain_key)
{
    struct domain_node *n = domain_get(d, domain_key);
    return n ? &n->d : NULL;
}

/* ---- accounts ---- */

static void account_drop(struct node *n)
{
    struct used *u = ((struct account_node *)n)->used;
    if (atomic_fetch_sub(&u->refs, 1) == 1) free(u);
}

static void address_drop(struct node *n) { node_unref(&((struct address_node *)n)->account->node); }

static struct account_node *account_get(const struct directory *d, int64_t id)
{
    return (struct account_node *)table_get(d, ACCOUNTS, id_bytes(&id));
}

static size_t account_strings(const struct directory_account *a, const struct address *keys, size_t n_keys)
{
    size_t n = address_size(a->key) + address_size(a->shown) + a->name.n;
    for (size_t i = 0; i < a->n_credentials; i++) n += a->credentials[i].password_hash.n + a->credentials[i].scram.n;
    for (size_t i = 0; i < n_keys; i++) n += address_size(keys[i]);
    for (size_t i = 0; i < a->n_grants; i++) n += address_size(a->grants[i]);
    return n;
}

static struct account_node *account_node_new(const struct directory_account *a, const struct address *keys,
                                             size_t n_keys)
{
    size_t credentials = a->n_credentials * sizeof *a->credentials, addresses = (n_keys + a->n_grants) * sizeof *keys;
    struct packer k;
    struct account_node *n = node_new(sizeof *n + credentials + addresses, account_strings(a, keys, n_keys), &k);
    struct directory_credential *c = (struct directory_credential *)(n + 1);
    struct address *kept = (struct address *)(c + a->n_credentials), *grants = kept + n_keys;
    n->d = *a;
    n->d.key = keep_address(&k, a->key);
    n->d.shown = keep_address(&k, a->shown);
    n->d.name = keep(&k, a->name);
    n->d.credentials = c;
    for (size_t i = 0; i < a->n_credentials; i++) {
        c[i] = a->credentials[i];
        c[i].password_hash = keep(&k, a->credentials[i].password_hash);
        c[i].scram = keep(&k, a->credentials[i].scram);
    }
    for (size_t i = 0; i < n_keys; i++) kept[i] = keep_address(&k, keys[i]);
    for (size_t i = 0; i < a->n_grants; i++) grants[i] = keep_address(&k, a->grants[i]);
    n->d.grants = grants;
    n->keys = kept;
    n->n_keys = n_keys;
    n->node.key = id_bytes(&n->d.id);
    n->node.drop = account_drop;
    return n;
}

static void put_address(struct directory *d, struct account_node *account, struct address key)
{
    char bytes[DIRECTORY_ADDRESS_MAX];
    struct str name = address_bytes(key, bytes);
    if (str_is_none(name)) return;
    struct packer k;
    struct address_node *n = node_new(sizeof *n, name.n, &k);
    n->node.key = keep(&k, name);
    n->node.drop = address_drop;
    n->account = account;
    atomic_fetch_add(&account->node.refs, 1);
    table_set(d, ADDRESSES, &n->node);
}

void directory_set_account(struct directory *d, const struct directory_account *what, const struct address *keys,
                           size_t n_keys, int64_t used_bytes, int64_t used_count)
{
    struct account_node *n = account_node_new(what, keys, n_keys), *former = account_get(d, what->id);
    if (former) {
        n->used = former->used;
        atomic_fetch_add(&n->used->refs, 1);
    } else {
        n->used = allocate(sizeof *n->used);
        n->used->refs = 1;
    }
    if (used_bytes >= 0) atomic_store(&n->used->bytes, used_bytes);
    if (used_count >= 0) atomic_store(&n->used->count, used_count);
    for (size_t i = 0; i < n_keys; i++) put_address(d, n, n->keys[i]);
    table_set(d, ACCOUNTS, &n->node);
}

void directory_drop_account(struct directory *d, int64_t id)
{
    struct account_node *n = account_get(d, id);
    if (!n) return;
    for (size_t i = 0; i < n->n_keys; i++) {
        char bytes[DIRECTORY_ADDRESS_MAX];
        table_drop(d, ADDRESSES, address_bytes(n->keys[i], bytes));
    }
    table_drop(d, ACCOUNTS, id_bytes(&id));
}

const struct directory_account *directory_account(const struct directory *d, struct address key)
{
    char bytes[DIRECTORY_ADDRESS_MAX];
    struct str name = address_bytes(key, bytes);
    struct address_node *n = str_is_none(name) ? NULL : (struct address_node *)table_get(d, ADDRESSES, name);
    return n ? &n->account->d : NULL;
}

const struct directory_account *directory_account_by_id(const struct directory *d, int64_t id)
{
    struct account_node *n = account_get(d, id);
    return n ? &n->d : NULL;
}

size_t directory_account_keys(const struct directory_account *a, const struct address **keys)
{
    const struct account_node *n = (const struct account_node *)((const char *)a - offsetof(struct account_node, d));
    *keys = n->keys;
    return n->n_keys;
}

int64_t directory_used_bytes(const struct directory *d, int64_t account)
{
    struct account_node *n = account_get(d, account);
    return n ? atomic_load(&n->used->bytes) : 0;
}

int64_t directory_used_count(const struct directory *d, int64_t account)
{
    struct account_node *n = account_get(d, account);
    return n ? atomic_load(&n->used->count) : 0;
}

void directory_set_used(const struct directory *d, int64_t account, int64_t bytes, int64_t count)
{
    struct account_node *n = account_get(d, account);
    if (!n) return;
    atomic_store(&n->used->bytes, bytes);
    atomic_store(&n->used->count, count);
}

/* ---- aliases ---- */

void directory_set_alias(struct directory *d, const struct directory_alias *what, int64_t row)
{
    char bytes[DIRECTORY_ADDRESS_MAX];
    struct str name = address_bytes(what->key, bytes);
    if (str_is_none(name)) return;
    size_t strings = name.n + address_size(what->key) + address_size(what->shown);
    for (size_t i = 0; i < what->n_targets; i++)
        strings += address_size(what->targets[i]) + address_size(what->targets_shown[i]);
    struct packer k;
    struct alias_node *n = node_new(sizeof *n + 2 * what->n_targets * sizeof(struct address), strings, &k);
    struct address *targets = (struct address *)(n + 1), *shown = targets + what->n_targets;
    for (size_t i = 0; i < what->n_targets; i++) {
        targets[i] = keep_address(&k, what->targets[i]);
        shown[i] = keep_address(&k, what->targets_shown[i]);
    }
    n->d = (struct directory_alias){.may_send = what->may_send,
                                    .targets = targets,
                                    .targets_shown = shown,
                                    .n_targets = what->n_targets};
    n->d.key = keep_address(&k, what->key);
    n->d.shown = keep_address(&k, what->shown);
    n->row = row;
    n->node.key = keep(&k, name);
    table_set(d, ALIASES, &n->node);
}

void directory_drop_alias(struct directory *d, struct address key)
{
    char bytes[DIRECTORY_ADDRESS_MAX];
    struct str name = address_bytes(key, bytes);
    if (!str_is_none(name)) table_drop(d, ALIASES, name);
}

const struct directory_alias *directory_alias(const struct directory *d, struct address key)
{
    char bytes[DIRECTORY_ADDRESS_MAX];
    struct str name = address_bytes(key, bytes);
    struct alias_node *n = str_is_none(name) ? NULL : (struct alias_node *)table_get(d, ALIASES, name);
    return n ? &n->d : NULL;
}

int64_t directory_alias_row(const struct directory_alias *a)
{
    return ((const struct alias_node *)((const char *)a - offsetof(struct alias_node, d)))->row;
}

static bool address_is(struct address a, struct address b)
{
    return str_eq(a.local, b.local) && str_eq(a.domain, b.domain);
}

void directory_look_up(const struct directory *d, struct address key, const struct directory_alias **alias,
                       const struct directory_account **account)
{
    const struct directory_domain *domain = directory_domain(d, key.domain);
    if (domain && domain->alias_of) key.domain = domain->alias_of->key;
    *alias = directory_alias(d, key);
    *account = directory_account(d, key);
    struct str detail;
    struct address base = {STR_NONE, key.domain};
    if (*alias || *account || !local_detail(key.local, '+', &base.local, &detail)) return;
    *alias = directory_alias(d, base);
    *account = directory_account(d, base);
}

/* *steps: look-ups that may still be made, so that aliases of many aliases of many aliases end. */
static bool reaches(const struct directory *d, int64_t account, struct address key, int depth, int *steps)
{
    const struct directory_alias *alias;
    const struct directory_account *direct;
    if (--*steps < 0) return false;
    directory_look_up(d, key, &alias, &direct);
    if (!alias) return direct && direct->id == account;
    if (!alias->may_send || depth >= LIMIT_ALIAS_DEPTH) return false;
    for (size_t i = 0; i < alias->n_targets; i++) {
        if (address_is(alias->targets[i], alias->key)) { /* an alias that names itself keeps a copy for the account */
            if (direct && direct->id == account) return true;
        } else if (reaches(d, account, alias->targets[i], depth + 1, steps)) {
            return true;
        }
    }
    return false;
}

bool directory_may_send_as(const struct directory *d, int64_t account, struct address key)
{
    int steps = 10 * LIMIT_ALIAS_TARGETS;
    return reaches(d, account, key, 0, &steps);
}

bool directory_is_granted(const struct directory_account *a, struct address key)
{
    for (size_t i = 0; i < a->n_grants; i++)
        if (address_is(a->grants[i], key)) return true;
    return false;
}

/* ---- routes, and what is said of next hops ---- */

/* The key with its side before it: a domain's route first in listings. STR_NONE when it is longer than any of ours. */
static struct str route_bytes(bool by_sender, struct str key, char out[DIRECTORY_ADDRESS_MAX])
{
    if (key.n + 1 > DIRECTORY_ADDRESS_MAX) return STR_NONE;
    struct packer k = {out};
    keep(&k, by_sender ? S("1") : S("0"));
    keep(&k, key);
    return str_of(out, key.n + 1);
}

static void route_drop(struct node *n)
{
    struct str secret = ((struct route_node *)n)->r.password;
    explicit_bzero((void *)(uintptr_t)secret.p, secret.n);
}

void directory_set_route(struct directory *d, const struct directory_route *what)
{
    char bytes[DIRECTORY_ADDRESS_MAX];
    struct str name = route_bytes(what->by_sender, what->key, bytes);
    if (str_is_none(name)) return;
    struct packer k;
    struct route_node *n = node_new(sizeof *n, name.n + what->target.n + what->user.n + what->password.n, &k);
    n->node.key = keep(&k, name);
    n->node.drop = route_drop;
    n->r = *what;
    n->r.key = str_skip(n->node.key, 1);
    n->r.target = keep(&k, what->target);
    n->r.user = keep(&k, what->user);
    n->r.password = keep(&k, what->password);
    table_set(d, ROUTES, &n->node);
}

void directory_drop_route(struct directory *d, bool by_sender, struct str key)
{
    char bytes[DIRECTORY_ADDRESS_MAX];
    struct str name = route_bytes(by_sender, key, bytes);
    if (!str_is_none(name)) table_drop(d, ROUTES, name);
}

const struct directory_route *directory_route(const struct directory *d, bool by_sender, struct str key)
{
    char bytes[DIRECTORY_ADDRESS_MAX];
    struct str name = route_bytes(by_sender, key, bytes);
    struct route_node *n = str_is_none(name) ? NULL : (struct route_node *)table_get(d, ROUTES, name);
    return n ? &n->r : NULL;
}

void directory_set_destination(struct directory *d, const struct directory_destination *what)
{
    if (what->key.n > DIRECTORY_ADDRESS_MAX) return;
    if (!what->suspended && what->per_hour == 0) {
        table_drop(d, DESTINATIONS, what->key);
        return;
    }
    struct packer k;
    struct destination_node *n = node_new(sizeof *n, what->key.n, &k);
    n->d = *what;
    n->node.key = n->d.key = keep(&k, what->key);
    table_set(d, DESTINATIONS, &n->node);
}

const struct directory_destination *directory_destination(const struct directory *d, struct str next_hop)
{
    struct destination_node *n = (struct destination_node *)table_get(d, DESTINATIONS, next_hop);
    return n ? &n->d : NULL;
}

/* ---- listings ---- */

size_t directory_count_accounts(const struct directory *d) { return d->counts[ACCOUNTS]; }
size_t directory_count_domains(const struct directory *d) { return d->counts[DOMAINS]; }
size_t directory_count_routes(const struct directory *d) { return d->counts[ROUTES]; }
size_t directory_count_destinations(const struct directory *d) { return d->counts[DESTINATIONS]; }

struct listing {
    struct node **v;
    size_t n;
};

static void list_node(struct node *n, void *arg)
{
    struct listing *l = arg;
    l->v[l->n++] = n;
}

/* The nodes of a table in the order `compare` gives; free() the array. */
static struct listing list_table(const struct directory *d, enum table t, int (*compare)(const void *, const void *))
{
    struct listing l = {.v = allocate((d->counts[t] + 1) * sizeof(struct node *))};
    table_each(d, t, list_node, &l);
    qsort(l.v, l.n, sizeof *l.v, compare);
    return l;
}

static int by_key(const void *a, const void *b)
{
    return str_cmp((*(struct node *const *)a)->key, (*(struct node *const *)b)->key);
}

static int compare_addresses(struct address a, struct address b)
{
    int c = str_cmp(a.domain, b.domain);
    return c ? c : str_cmp(a.local, b.local);
}

static int by_account(const void *a, const void *b)
{
    return compare_addresses((*(struct account_node *const *)a)->d.key, (*(struct account_node *const *)b)->d.key);
}

static int by_alias(const void *a, const void *b)
{
    return compare_addresses((*(struct alias_node *const *)a)->d.key, (*(struct alias_node *const *)b)->d.key);
}

void directory_each_domain(const struct directory *d, void (*fn)(const struct directory_domain *, void *), void *arg)
{
    struct listing l = list_table(d, DOMAINS, by_key);
    for (size_t i = 0; i < l.n; i++) fn(&((struct domain_node *)l.v[i])->d, arg);
    free(l.v);
}

void directory_each_account(const struct directory *d, void (*fn)(const struct directory_account *, void *), void *arg)
{
    struct listing l = list_table(d, ACCOUNTS, by_account);
    for (size_t i = 0; i < l.n; i++) fn(&((struct account_node *)l.v[i])->d, arg);
    free(l.v);
}

struct scan {
    void (*fn)(const struct directory_alias *, void *);
    void *arg;
};

static void scan_alias(struct node *n, void *arg)
{
    struct scan *scan = arg;
    scan->fn(&((struct alias_node *)n)->d, scan->arg);
}

void directory_scan_aliases(const struct directory *d, void (*fn)(const struct directory_alias *, void *), void *arg)
{
    table_each(d, ALIASES, scan_alias, &(struct scan){fn, arg});
}

void directory_each_alias(const struct directory *d, void (*fn)(const struct directory_alias *, void *), void *arg)
{
    struct listing l = list_table(d, ALIASES, by_alias);
    for (size_t i = 0; i < l.n; i++) fn(&((struct alias_node *)l.v[i])->d, arg);
    free(l.v);
}

void directory_each_route(const struct directory *d, void (*fn)(const struct directory_route *, void *), void *arg)
{
    struct listing l = list_table(d, ROUTES, by_key);
    for (size_t i = 0; i < l.n; i++) fn(&((struct route_node *)l.v[i])->r, arg);
    free(l.v);
}

void directory_each_destination(const struct directory *d, void (*fn)(const struct directory_destination *, void *),
                                void *arg)
{
    struct listing l = list_table(d, DESTINATIONS, by_key);
    for (size_t i = 0; i < l.n; i++) fn(&((struct destination_node *)l.v[i])->d, arg);
    free(l.v);
}
