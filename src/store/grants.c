/* Granted addresses: those an account may send as although no mail to them comes to it (mail-rules.md, "Submission").
 *
 * Such an address lies in a domain of ours, under the domain's own name; whether an account or an alias has it does not
 * matter. Who may send as what is decided by msa/rights. */
#include "mail/limits.h"
#include "store/inside.h"

struct grant_request {
    int64_t account;
    struct address key;
};

/* The account in the next snapshot, with these grants instead. */
static void set_grants(struct store *s, const struct directory_account *a, const struct address *grants, size_t n)
{
    struct directory_account changed = *a;
    const struct address *keys;
    size_t n_keys = directory_account_keys(a, &keys);
    changed.grants = grants;
    changed.n_grants = n;
    directory_set_account(writer_directory(s), &changed, keys, n_keys, -1, -1);
}

static int run_row(struct store *s, enum sql sql, const struct grant_request *g, struct error *e)
{
    struct query q = db_query(s->writer.db, sql);
    q_int(&q, g->account);
    q_text(&q, g->key.domain);
    q_text(&q, g->key.local);
    return q_run(&q, e);
}

/* The order they are listed in, now and after the next opening: that of their rows. */
static bool comes_before(struct address a, struct address b)
{
    int c = str_cmp(a.domain, b.domain);
    return c ? c < 0 : str_cmp(a.local, b.local) < 0;
}

static int run_grant_add(struct store *s, void *args, struct error *e)
{
    const struct grant_request *g = args;
    const struct directory *d = writer_directory(s);
    const struct directory_account *a = directory_account_by_id(d, g->account);
    const struct directory_domain *domain = directory_domain(d, g->key.domain);
    if (!a) return error_set(e, ERR_NOT_FOUND, "there is no such account");
    if (!domain) return error_set(e, ERR_NOT_FOUND, "the domain %.*s is not hosted here", STR_FMT(g->key.domain));
    if (domain->alias_of)
        return error_set(e, ERR_NOT_FOUND, "%.*s is an alias of %.*s", STR_FMT(g->key.domain),
                         STR_FMT(domain->alias_of->key));
    if (directory_is_granted(a, g->key)) return error_set(e, ERR_EXISTS, "the account has that grant already");
    if (a->n_grants == LIMIT_GRANTS)
        return error_set(e, ERR_CONFLICT, "an account has at most %d granted addresses", LIMIT_GRANTS);
    int r = run_row(s, SQL_GRANT_INSERT, g, e);
    if (r) return r;
    struct address *grants = arena_array(s->writer.arena, a->n_grants + 1, sizeof *grants);
    size_t n = 0;
    for (size_t i = 0; i < a->n_grants; i++) {
        if (n == i && comes_before(g->key, a->grants[i])) grants[n++] = g->key;
        grants[n++] = a->grants[i];
    }
    if (n == a->n_grants) grants[n++] = g->key;
    set_grants(s, a, grants, n);
    return 0;
}

static int run_grant_remove(struct store *s, void *args, struct error *e)
{
    const struct grant_request *g = args;
    const struct directory_account *a = directory_account_by_id(writer_directory(s), g->account);
    if (!a) return error_set(e, ERR_NOT_FOUND, "there is no such account");
    if (!directory_is_granted(a, g->key)) return error_set(e, ERR_NOT_FOUND, "the account has no such grant");
    int r = run_row(s, SQL_GRANT_DELETE, g, e);
    if (r) return r;
    struct address *left = arena_array(s->writer.arena, a->n_grants, sizeof *left);
    size_t n = 0;
    for (size_t i = 0; i < a->n_grants; i++)
        if (!address_key_eq(a->grants[i], g->key)) left[n++] = a->grants[i];
    set_grants(s, a, left, n);
    return 0;
}

struct forget {
    struct store *store;
    struct str domain;
};

static void forget_of_account(const struct directory_account *a, void *arg)
{
    const struct forget *f = arg;
    struct address *left = arena_array(f->store->writer.arena, a->n_grants, sizeof *left);
    size_t n = 0;
    for (size_t i = 0; i < a->n_grants; i++)
        if (!str_eq(a->grants[i].domain, f->domain)) left[n++] = a->grants[i];
    if (n < a->n_grants) set_grants(f->store, a, left, n);
}

int grants_forget_domain(struct store *s, struct str domain, struct error *e)
{
    struct query q = db_query(s->writer.db, SQL_GRANTS_OF_DOMAIN_DELETE);
    q_text(&q, domain);
    int r = q_run(&q, e);
    if (r) return r;
    const struct directory *before = directory_copy(writer_directory(s)); /* is walked while the next one changes */
    directory_each_account(before, forget_of_account, &(struct forget){s, domain});
    directory_unref(before);
    return 0;
}

static const struct job_kind grant_add_job = {.name = "grant add", .run = run_grant_add};
static const struct job_kind grant_remove_job = {.name = "grant remove", .run = run_grant_remove};

FIBER int store_grant_add(struct store *s, int64_t account, struct address key, struct error *e)
{
    int r = key_check(key, e);
    return r ? r : store_job(s, &grant_add_job, &(struct grant_request){account, key}, 0, e);
}

FIBER int store_grant_remove(struct store *s, int64_t account, struct address key, struct error *e)
{
    return store_job(s, &grant_remove_job, &(struct grant_request){account, key}, 0, e);
}
