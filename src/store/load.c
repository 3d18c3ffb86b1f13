/* What the store keeps in memory, read from its rows when it is opened: the directory and the submission counters. */
#include <stdlib.h>

#include "store/inside.h"

struct loading {
    struct directory *directory;
    struct arena *arena; /* of one account or alias at a time */
    struct db *db;
    bool count_expunged;
};

static struct address get_address(struct query *q, int local, int domain)
{
    return (struct address){q_get(q, local), q_get(q, domain)};
}

/* ---- domains ---- */

struct alias_domain {
    int64_t id, alias_of;
    struct str name, of;
    struct address catch_all;
};

static int load_domains(struct loading *l, struct error *e)
{
    struct query q = db_query(l->db, SQL_DOMAINS);
    struct buf rows = BUF(SIZE_MAX);
    int r;
    while ((r = q_row(&q, e)) > 0) {
        struct address catch_all = get_address(&q, 3, 4);
        struct alias_domain d = {q_get_int(&q, 0), q_get_int(&q, 2), arena_str(l->arena, q_get(&q, 1)), STR_NONE,
                                 {arena_str(l->arena, catch_all.local), arena_str(l->arena, catch_all.domain)}};
        buf_add(&rows, str_of(&d, sizeof d));
    }
    struct alias_domain *v = (struct alias_domain *)(void *)rows.p;
    size_t n = rows.n / sizeof *v;
    for (int pass = 0; !r && pass < 2; pass++) /* those that aliases name come first */
        for (size_t i = 0; i < n; i++) {
            if ((v[i].alias_of != 0) != (pass == 1)) continue;
            for (size_t k = 0; v[i].alias_of && k < n; k++)
                if (v[k].id == v[i].alias_of) v[i].of = v[k].name;
            struct directory_domain d = {.id = v[i].id,
                                         .key = v[i].name,
                                         .shown = domain_shown(l->arena, v[i].name),
                                         .catch_all = v[i].catch_all};
            directory_set_domain(l->directory, &d, v[i].of);
        }
    buf_free(&rows);
    return r;
}

/* ---- accounts: four listings walked side by side, all in order of the account ---- */

struct cursor { /* the row a listing stands at */
    struct query q;
    int more;
};

static int next(struct cursor *c, struct error *e) { return c->more = q_row(&c->q, e); }

struct address_row {
    int64_t id, principal;
    struct address key, shown;
    bool may_send, is_alias;
};

/* Addresses are in order of their own id, so they are gathered first. */
static int load_addresses(struct loading *l, struct arena *kept, struct address_row **out, size_t *n, struct error *e)
{
    struct query q = db_query(l->db, SQL_ADDRESSES);
    struct buf rows = BUF(SIZE_MAX);
    int r;
    while ((r = q_row(&q, e)) > 0) {
        struct address_row row = {.id = q_get_int(&q, 0),
                                  .principal = q_get_int(&q, 5),
                                  .may_send = q_get_int(&q, 6) != 0,
                                  .is_alias = q_get_int(&q, 4) == 2};
        row.key = (struct address){arena_str(kept, q_get(&q, 1)), arena_str(kept, q_get(&q, 3))};
        row.shown = (struct address){arena_str(kept, q_get(&q, 2)), domain_shown(kept, row.key.domain)};
        buf_add(&rows, str_of(&row, sizeof row));
    }
    *n = rows.n / sizeof(struct address_row);
    *out = arena_array(kept, *n, sizeof(struct address_row));
    if (rows.n) memcpy(*out, rows.p, rows.n);
    buf_free(&rows);
    return r;
}

static int by_principal(const void *a, const void *b)
{
    const struct address_row *x = a, *y = b;
    if (x->principal != y->principal) return x->principal < y->principal ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

/* The account's credentials, from a listing that stands at or before them. */
static int load_credentials(struct loading *l, struct cursor *c, struct directory_account *a, struct error *e)
{
    struct buf v = BUF(SIZE_MAX);
    while (c->more > 0 && q_get_int(&c->q, 1) <= a->id) {
        if (q_get_int(&c->q, 1) == a->id) {
            struct directory_credential credential = {q_get_int(&c->q, 0), arena_str(l->arena, q_get(&c->q, 2)),
                                                      arena_str(l->arena, q_get(&c->q, 3)), q_get_int(&c->q, 4)};
            buf_add(&v, str_of(&credential, sizeof credential));
        }
        next(c, e);
    }
    a->n_credentials = v.n / sizeof *a->credentials;
    a->credentials = arena_alloc(l->arena, v.n);
    if (v.n) memcpy((void *)(uintptr_t)a->credentials, v.p, v.n);
    buf_free(&v);
    return c->more < 0 ? c->more : 0;
}

/* The addresses it was granted, likewise. */
static int load_grants(struct loading *l, struct cursor *c, struct directory_account *a, struct error *e)
{
    struct buf v = BUF(SIZE_MAX);
    while (c->more > 0 && q_get_int(&c->q, 0) <= a->id) {
        struct address key = get_address(&c->q, 1, 2);
        if (q_get_int(&c->q, 0) == a->id) {
            key = (struct address){arena_str(l->arena, key.local), arena_str(l->arena, key.domain)};
            buf_add(&v, str_of(&key, sizeof key));
        }
        next(c, e);
    }
    a->n_grants = v.n / sizeof *a->grants;
    a->grants = arena_alloc(l->arena, v.n);
    if (v.n) memcpy((void *)(uintptr_t)a->grants, v.p, v.n);
    buf_free(&v);
    return c->more < 0 ? c->more : 0;
}

static int load_accounts(struct loading *l, struct address_row *rows, size_t n, struct error *e)
{
    struct cursor accounts = {.q = db_query(l->db, SQL_ACCOUNTS)},
                  credentials = {.q = db_query(l->db, SQL_CREDENTIALS)}, grants = {.q = db_query(l->db, SQL_GRANTS)};
    size_t at = 0;
    int r = next(&credentials, e) < 0 ? credentials.more : 0;
    if (!r && next(&grants, e) < 0) r = grants.more;
    while (!r && next(&accounts, e) > 0) {
        arena_reset(l->arena);
        struct directory_account a = {.id = q_get_int(&accounts.q, 0),
                                      .name = q_get(&accounts.q, 1),
                                      .disabled = q_get_int(&accounts.q, 2) != 0,
                                      .quota_bytes = q_get_int(&accounts.q, 3),
                                      .quota_count = q_get_int(&accounts.q, 6),
                                      .inbox = q_get_int(&accounts.q, 5)};
        while (at < n && rows[at].principal < a.id) at++;
        size_t first = at;
        while (at < n && rows[at].principal == a.id) at++;
        struct address *keys = arena_array(l->arena, at - first, sizeof *keys);
        for (size_t i = first; i < at; i++) keys[i - first] = rows[i].key;
        if (at > first) {
            a.key = rows[first].key;
            a.shown = rows[first].shown;
        }
        r = load_credentials(l, &credentials, &a, e);
        if (!r) r = load_grants(l, &grants, &a, e);
        int64_t bytes = q_get_int(&accounts.q, 4), letters = q_get_int(&accounts.q, 7);
        if (l->count_expunged) bytes += q_get_int(&accounts.q, 8), letters += q_get_int(&accounts.q, 9);
        if (!r) directory_set_account(l->directory, &a, keys, at - first, bytes, letters);
    }
    q_end(&credentials.q);
    q_end(&grants.q);
    q_end(&accounts.q);
    return r ? r : accounts.more;
}

/* ---- aliases: both listings in order of the address row ---- */

static int load_aliases(struct loading *l, const struct address_row *rows, size_t n, struct error *e)
{
    struct cursor targets = {.q = db_query(l->db, SQL_TARGETS)};
    next(&targets, e);
    for (size_t i = 0; targets.more >= 0 && i < n; i++) {
        if (!rows[i].is_alias) continue;
        arena_reset(l->arena);
        struct buf keys = BUF(SIZE_MAX), shown = BUF(SIZE_MAX);
        while (targets.more > 0 && q_get_int(&targets.q, 0) <= rows[i].id) {
            struct address key = get_address(&targets.q, 1, 2), as_shown = get_address(&targets.q, 3, 4);
            key = (struct address){arena_str(l->arena, key.local), arena_str(l->arena, key.domain)};
            as_shown = (struct address){arena_str(l->arena, as_shown.local), arena_str(l->arena, as_shown.domain)};
            buf_add(&keys, str_of(&key, sizeof key));
            buf_add(&shown, str_of(&as_shown, sizeof as_shown));
            next(&targets, e);
        }
        struct directory_alias a = {.key = rows[i].key, .shown = rows[i].shown, .may_send = rows[i].may_send,
                                    .targets = (const struct address *)(void *)keys.p,
                                    .targets_shown = (const struct address *)(void *)shown.p,
                                    .n_targets = keys.n / sizeof(struct address)};
        directory_set_alias(l->directory, &a, rows[i].id);
        buf_free(&keys);
        buf_free(&shown);
    }
    q_end(&targets.q);
    return targets.more < 0 ? targets.more : 0;
}

int load_directory(struct store *s, struct error *e)
{
    struct loading l = {.directory = directory_new(s->hash_key), .arena = arena_new(NULL, 0), .db = s->writer.db,
                        .count_expunged = s->count_expunged};
    struct arena *kept = arena_new(NULL, 0);
    struct address_row *rows = NULL;
    size_t n = 0;
    int r = load_domains(&l, e);
    if (!r) r = load_addresses(&l, kept, &rows, &n, e);
    if (!r) r = load_aliases(&l, rows, n, e);
    if (!r) r = load_routes(l.db, l.directory, e);
    if (!r) {
        qsort(rows, n, sizeof *rows, by_principal);
        r = load_accounts(&l, rows, n, e);
    }
    arena_free(l.arena);
    arena_free(kept);
    if (r) directory_unref(l.directory);
    else store_publish(s, l.directory);
    return r;
}

/* ---- submissions ---- */

struct submission_usage submission_roll(struct submission_usage u, utc_us now)
{
    if (now >= u.hour_ends) {
        u.hour = 0;
        u.hour_ends = now + HOURS(1);
    }
    if (now >= u.day_ends) {
        u.day = 0;
        u.day_ends = now + DAYS(1);
    }
    return u;
}

struct submission_usage store_submission_usage(struct store *s, int64_t account, utc_us now)
{
    struct submission_usage u = {0};
    lock_take(s->lock);
    const struct submission *known = map_get(&s->submissions, str_of(&account, sizeof account));
    if (known) u = known->usage;
    lock_give(s->lock);
    return submission_roll(u, now);
}

int load_submissions(struct store *s, struct error *e)
{
    struct query q = db_query(s->writer.db, SQL_SUBMISSIONS);
    int r;
    lock_take(s->lock);
    while ((r = q_row(&q, e)) > 0) {
        int64_t account = q_get_int(&q, 0);
        struct submission *known = map_get(&s->submissions, str_of(&account, sizeof account));
        if (!known) {
            known = calloc(1, sizeof *known);
            if (!known) abort();
            known->account = account;
            map_set(&s->submissions, str_of(&known->account, sizeof account), known);
        }
        known->usage = (struct submission_usage){.hour_ends = q_get_int(&q, 1),
                                                 .hour = q_get_int(&q, 2),
                                                 .day_ends = q_get_int(&q, 3),
                                                 .day = q_get_int(&q, 4)};
    }
    lock_give(s->lock);
    return r;
}
