/* Requests about accounts. */
#include "cmd/admin.h"

#include "mail/limits.h"
#include "store/mailboxes.h"
#include "trust/login.h"

/* Hashes the request's password and wipes it there. No password: an account nobody can log in to. */
static FIBER int credential_of(const struct admin *admin, const json_t *request, struct answer *a,
                               struct credential_data *out, struct error *e)
{
    struct str password = request_text(request, "password");
    if (str_is_none(password)) return 0;
    int error = login_make_credential(admin->world, a->arena, password, out, e);
    explicit_bzero((char *)(uintptr_t)password.p, password.n);
    return error;
}

static FIBER int add(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    struct new_account n = {.name = request_text(request, "name"),
                            .quota_bytes = request_int(request, "quota", 0),
                            .quota_count = request_int(request, "quota_letters", 0)};
    int64_t id = 0;
    int error = admin_address(a, request_text(request, "address"), &n.shown, &n.key, e);
    if (!error && (n.quota_bytes < 0 || n.quota_count < 0))
        error = error_set(e, ERR_SYNTAX, "a quota cannot be negative");
    if (!error) error = credential_of(admin, request, a, &n.credential, e);
    if (!error) error = store_account_add(admin->store, &n, &id, e);
    if (error) return error;
    json_put_str(&a->done, "address", address_str(a->arena, n.shown));
    json_put_id(&a->done, "id", id);
    return 0;
}

int admin_account(const struct admin *admin, const json_t *request, struct answer *a, int64_t *id, struct error *e)
{
    struct address shown, key;
    int error = admin_address(a, request_text(request, "address"), &shown, &key, e);
    if (error) return error;
    const struct directory *d = store_directory(admin->store);
    const struct directory_account *account = directory_account(d, key);
    if (account) *id = account->id;
    directory_unref(d);
    return account ? 0 : error_set(e, ERR_NOT_FOUND, "there is no account %.*s", STR_FMT(address_str(a->arena, shown)));
}

static FIBER int password(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    struct credential_data c = {0};
    int64_t id = 0;
    int error = admin_account(admin, request, a, &id, e);
    if (!error && str_is_none(request_text(request, "password")))
        error = error_set(e, ERR_SYNTAX, "there is no password in the request");
    if (!error) error = credential_of(admin, request, a, &c, e);
    return error ? error : store_account_password(admin->store, id, &c, e);
}

static FIBER int change(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    int64_t id, quota = request_int(request, "quota", -1), letters = request_int(request, "quota_letters", -1);
    bool has_disabled = json_is_boolean(json_object_get(request, "disabled")),
         disabled = request_bool(request, "disabled");
    struct str name = request_text(request, "name");
    int error = admin_account(admin, request, a, &id, e);
    if (error) return error;
    return store_account_change(admin->store, id, has_disabled ? &disabled : NULL, quota >= 0 ? &quota : NULL,
                                letters >= 0 ? &letters : NULL, str_is_none(name) ? NULL : &name, e);
}

static FIBER int remove_account(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    int64_t id = 0;
    int error = admin_account(admin, request, a, &id, e);
    return error ? error : store_account_remove(admin->store, id, e);
}

/* The account the request names and the address it may send as, or may no more. */
static FIBER int change_grant(const struct admin *admin, const json_t *request, struct answer *a,
                              FIBER int (*change_it)(struct store *s, int64_t id, struct address key, struct error *e),
                              struct error *e)
{
    int64_t id = 0;
    struct address shown, key;
    int error = admin_account(admin, request, a, &id, e);
    if (!error) error = admin_address(a, request_text(request, "as"), &shown, &key, e);
    return error ? error : change_it(admin->store, id, key, e);
}

static FIBER int grant(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    return change_grant(admin, request, a, store_grant_add, e);
}

static FIBER int revoke(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    return change_grant(admin, request, a, store_grant_remove, e);
}

/* ---- listing ---- */

struct listing {
    struct answer *a;
    const struct directory *directory;
};

static void put_facts(struct json *j, const struct listing *l, const struct directory_account *account)
{
    json_put_str(j, "address", address_str(l->a->arena, account->shown));
    json_put_str(j, "name", account->name);
    json_put_bool(j, "disabled", account->disabled);
    json_put_int(j, "quota", account->quota_bytes);
    json_put_int(j, "used", directory_used_bytes(l->directory, account->id));
    json_put_int(j, "quota_letters", account->quota_count);
    json_put_int(j, "letters", directory_used_count(l->directory, account->id));
    json_put_id(j, "id", account->id);
}

static void put_grants(struct json *j, const struct listing *l, const struct directory_account *account)
{
    json_put_array(j, "granted");
    for (size_t i = 0; i < account->n_grants; i++) {
        struct address key = account->grants[i];
        struct address shown = {key.local, domain_shown(l->a->arena, key.domain)};
        json_put_str(j, NULL, address_str(l->a->arena, shown));
    }
    json_put_end(j, ']');
}

static FIBER void put_account(const struct directory_account *account, void *arg)
{
    struct listing *l = arg;
    if (l->a->failed) return;
    put_facts(answer_row(l->a), l, account);
    answer_send(l->a);
}

static FIBER int list(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    (void)request;
    (void)e;
    struct listing l = {.a = a, .directory = store_directory(admin->store)};
    directory_each_account(l.directory, put_account, &l);
    directory_unref(l.directory);
    return 0;
}

/* What was expunged and can be brought back. */
static FIBER int put_expunged(struct json *j, const struct admin *admin, int64_t id, struct error *e)
{
    struct quota q;
    int error = store_quota(admin->store, id, &q, e);
    if (error) return error;
    json_put_int(j, "expunged", q.kept_bytes);
    json_put_int(j, "expunged_letters", q.kept_count);
    return 0;
}

static FIBER int put_mailboxes(struct json *j, const struct admin *admin, struct answer *a, int64_t id, struct error *e)
{
    struct mailbox_info *boxes;
    size_t n;
    int error = store_mailboxes(admin->store, a->arena, id, &boxes, &n, e);
    if (error) return error;
    json_put_array(j, "mailboxes");
    for (size_t i = 0; i < n; i++) {
        json_put_object(j, NULL);
        json_put_str(j, "name", boxes[i].name);
        json_put_int(j, "messages", boxes[i].messages);
        json_put_int(j, "unseen", boxes[i].unseen);
        json_put_int(j, "bytes", boxes[i].bytes);
        json_put_end(j, '}');
    }
    json_put_end(j, ']');
    return 0;
}

static FIBER int show(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    int64_t id = 0;
    int error = admin_account(admin, request, a, &id, e);
    if (error) return error;
    struct listing l = {.a = a, .directory = store_directory(admin->store)};
    const struct directory_account *account = directory_account_by_id(l.directory, id);
    struct submission_usage usage = store_submission_usage(admin->store, id, clock_utc(admin->world));
    struct json *j = answer_row(a);
    if (account) {
        put_facts(j, &l, account);
        put_grants(j, &l, account);
    } else {
        error = error_set(e, ERR_NOT_FOUND, "the account has just been removed");
    }
    directory_unref(l.directory);
    json_put_int(j, "submitted_this_hour", usage.hour);
    json_put_int(j, "submitted_today", usage.day);
    if (!error) error = put_expunged(j, admin, id, e);
    if (!error) error = put_mailboxes(j, admin, a, id, e);
    if (!error) answer_send(a);
    return error;
}

const struct admin_op admin_account_ops[] = {
    {"account.add", add, "address"},           {"account.list", list, NULL},
    {"account.show", show, NULL},              {"account.password", password, "address"},
    {"account.change", change, "address"},     {"account.remove", remove_account, "address"},
    {"account.grant", grant, "address"},       {"account.revoke", revoke, "address"},
    {0},
};
