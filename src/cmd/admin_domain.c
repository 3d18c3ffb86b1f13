/* Requests about domains. */
#include "cmd/admin.h"

static FIBER int add(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    struct str key, of = STR_NONE;
    int error = admin_domain(a, request, "domain", &key, e);
    if (!error && !str_is_none(request_text(request, "alias_of"))) error = admin_domain(a, request, "alias_of", &of, e);
    if (!error) error = store_domain_add(admin->store, key, of, e);
    if (!error) json_put_str(&a->done, "domain", key);
    return error;
}

static FIBER int remove_domain(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    struct str key;
    int error = admin_domain(a, request, "domain", &key, e);
    if (!error) error = store_domain_remove(admin->store, key, e);
    if (!error) json_put_str(&a->done, "domain", key);
    return error;
}

static FIBER int catch_all(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    struct str key, target = request_text(request, "target");
    struct address shown, to = {0};
    int error = admin_domain(a, request, "domain", &key, e);
    if (!error && target.n) error = admin_address(a, target, &shown, &to, e);
    if (!error) error = store_domain_catch_all(admin->store, key, to, e);
    if (!error) json_put_str(&a->done, "domain", key);
    return error;
}

struct listing {
    struct answer *a;
    const struct directory *directory;
    struct str domain; /* counting: what is counted */
    int64_t accounts, aliases;
};

static void count_account(const struct directory_account *account, void *arg)
{
    struct listing *l = arg;
    l->accounts += str_eq(account->key.domain, l->domain);
}

static void count_alias(const struct directory_alias *alias, void *arg)
{
    struct listing *l = arg;
    l->aliases += str_eq(alias->key.domain, l->domain);
}

static FIBER void put_domain(const struct directory_domain *d, void *arg)
{
    struct listing *l = arg;
    if (l->a->failed) return;
    l->domain = d->key;
    l->accounts = l->aliases = 0;
    directory_each_account(l->directory, count_account, l);
    directory_each_alias(l->directory, count_alias, l);
    struct json *j = answer_row(l->a);
    json_put_str(j, "domain", d->key);
    json_put_str(j, "shown", d->shown);
    json_put_str(j, "alias_of", d->alias_of ? d->alias_of->key : STR_NONE);
    json_put_str(j, "catch_all", address_is_null(d->catch_all) ? STR_NONE : address_str(l->a->arena, d->catch_all));
    json_put_int(j, "accounts", l->accounts);
    json_put_int(j, "aliases", l->aliases);
    answer_send(l->a);
}

static FIBER int list(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    (void)request;
    (void)e;
    struct listing l = {.a = a, .directory = store_directory(admin->store)};
    directory_each_domain(l.directory, put_domain, &l);
    directory_unref(l.directory);
    return 0;
}

static FIBER int show(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    struct str key;
    int error = admin_domain(a, request, "domain", &key, e);
    if (error) return error;
    struct listing l = {.a = a, .directory = store_directory(admin->store)};
    const struct directory_domain *d = directory_domain(l.directory, key);
    if (d) put_domain(d, &l);
    else error = error_set(e, ERR_NOT_FOUND, "there is no domain %.*s here", STR_FMT(key));
    directory_unref(l.directory);
    return error;
}

const struct admin_op admin_domain_ops[] = {
    {"domain.add", add, "domain"},
    {"domain.list", list, NULL},
    {"domain.show", show, NULL},
    {"domain.remove", remove_domain, "domain"},
    {"domain.catch_all", catch_all, "domain"},
    {0},
};
