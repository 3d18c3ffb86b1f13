/* Requests about aliases. */
#include "cmd/admin.h"

#include "mail/limits.h"

static int targets_of(struct answer *a, const json_t *request, struct address **targets, size_t *n, struct error *e)
{
    const json_t *list = json_object_get(request, "targets");
    struct address key;
    *n = json_is_array(list) ? json_array_size(list) : 0;
    if (*n > LIMIT_ALIAS_TARGETS)
        return error_set(e, ERR_TOO_LONG, "an alias has at most %d targets", LIMIT_ALIAS_TARGETS);
    *targets = arena_array(a->arena, *n, sizeof **targets);
    for (size_t i = 0; i < *n; i++) {
        const json_t *t = json_array_get(list, i);
        struct str text = str_of(json_string_value(t), json_is_string(t) ? json_string_length(t) : 0);
        int error = admin_address(a, text, &(*targets)[i], &key, e);
        if (error) return error;
    }
    return 0;
}

/* A target that is ours by its domain but unknown is worth a word: it may come later, or be misspelt. */
static FIBER void warn_of_unknown(const struct admin *admin, struct answer *a, const struct address *targets, size_t n)
{
    const struct directory *d = store_directory(admin->store);
    for (size_t i = 0; i < n; i++) {
        struct address key;
        if (address_key(a->arena, targets[i], &key) != 0 || !directory_domain(d, key.domain)) continue;
        struct str base = key.local, detail;
        local_detail(key.local, '+', &base, &detail);
        struct address whole = {base, key.domain};
        if (directory_account(d, key) || directory_alias(d, key) || directory_account(d, whole) ||
            directory_alias(d, whole))
            continue;
        struct str shown = address_str(a->arena, targets[i]);
        answer_tell(a, arena_printf(a->arena, "note: there is no %.*s here yet", STR_FMT(shown)), false);
    }
    directory_unref(d);
}

static FIBER int add(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    struct address shown, key, *targets;
    size_t n;
    int error = admin_address(a, request_text(request, "address"), &shown, &key, e);
    if (!error) error = targets_of(a, request, &targets, &n, e);
    if (!error && n == 0) error = error_set(e, ERR_SYNTAX, "an alias needs a target");
    if (!error) error = store_alias_add(admin->store, shown, key, targets, n, !request_bool(request, "no_send"), e);
    if (!error) warn_of_unknown(admin, a, targets, n);
    return error;
}

static FIBER int remove_alias(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    struct address shown, key, *targets;
    size_t n;
    int error = admin_address(a, request_text(request, "address"), &shown, &key, e);
    if (!error) error = targets_of(a, request, &targets, &n, e);
    for (size_t i = 0; !error && i < n; i++)
        if (address_key(a->arena, targets[i], &targets[i]) != 0)
            error = error_set(e, ERR_SYNTAX, "a target is no address");
    return error ? error : store_alias_remove(admin->store, key, targets, n, e);
}

static FIBER void put_alias(const struct directory_alias *alias, void *arg)
{
    struct answer *a = arg;
    if (a->failed) return;
    struct json *j = answer_row(a);
    json_put_str(j, "address", address_str(a->arena, alias->shown));
    json_put_array(j, "targets");
    for (size_t i = 0; i < alias->n_targets; i++) json_put_str(j, NULL, address_str(a->arena, alias->targets_shown[i]));
    json_put_end(j, ']');
    json_put_bool(j, "may_send", alias->may_send);
    answer_send(a);
}

static FIBER int list(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    (void)request;
    (void)e;
    const struct directory *d = store_directory(admin->store);
    directory_each_alias(d, put_alias, a);
    directory_unref(d);
    return 0;
}

static FIBER int show(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    struct address shown, key;
    int error = admin_address(a, request_text(request, "address"), &shown, &key, e);
    if (error) return error;
    const struct directory *d = store_directory(admin->store);
    const struct directory_alias *alias = directory_alias(d, key);
    if (alias) put_alias(alias, a);
    else error = error_set(e, ERR_NOT_FOUND, "there is no alias %.*s", STR_FMT(address_str(a->arena, shown)));
    directory_unref(d);
    return error;
}

const struct admin_op admin_alias_ops[] = {
    {"alias.add", add, "address"},
    {"alias.list", list, NULL},
    {"alias.show", show, NULL},
    {"alias.remove", remove_alias, "address"},
    {0},
};
