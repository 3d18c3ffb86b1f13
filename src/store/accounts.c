/* Domains, accounts and settings: rows and the next directory snapshot, changed together. What is there is asked of the
 * snapshot that the group is making, so that two changes of one group see each other. Ids of accounts do not depend on
 * addresses. */
#include <stdlib.h>

#include "store/inside.h"

int key_check(struct address key, struct error *e)
{
    if (key.local.n + key.domain.n + 1 <= DIRECTORY_ADDRESS_MAX && key.local.n && key.domain.n) return 0;
    return error_set(e, ERR_SYNTAX, "the address is empty or too long");
}

static int run_delete(struct store *s, enum sql sql, int64_t id, struct error *e)
{
    struct query q = db_query(s->writer.db, sql);
    q_int(&q, id);
    return q_run(&q, e);
}

/* ---- domains ---- */

struct domain_request {
    struct str key, alias_of;
    struct address target;
};

static int run_domain_add(struct store *s, void *args, struct error *e)
{
    const struct domain_request *d = args;
    struct directory *dir = writer_directory(s);
    if (directory_domain(dir, d->key))
        return error_set(e, ERR_EXISTS, "the domain %.*s is there already", STR_FMT(d->key));
    const struct directory_domain *of = d->alias_of.n ? directory_domain(dir, d->alias_of) : NULL;
    if (d->alias_of.n && !of) return error_set(e, ERR_NOT_FOUND, "there is no domain %.*s", STR_FMT(d->alias_of));
    if (of && of->alias_of) return error_set(e, ERR_CONFLICT, "%.*s is an alias itself", STR_FMT(d->alias_of));
    struct directory_domain fresh = {.id = store_new_id(s),
                                     .key = d->key,
                                     .shown = domain_shown(s->writer.arena, d->key)};
    struct query q = db_query(s->writer.db, SQL_DOMAIN_INSERT);
    q_int(&q, fresh.id);
    q_text(&q, d->key);
    q_int(&q, of ? of->id : 0);
    int r = q_run(&q, e);
    if (!r) directory_set_domain(dir, &fresh, d->alias_of);
    return r;
}

static bool is_role(struct str local) /* RFC 2142; come and go with their domain */
{
    return str_eq(local, S("postmaster")) || str_eq(local, S("abuse")) || str_eq(local, S("mailer-daemon"));
}

struct tenants { /* who lives in a domain */
    struct str domain;
    size_t others;
    const struct directory_alias *roles[3];
    size_t n_roles;
};

static void count_account(const struct directory_account *a, void *arg)
{
    struct tenants *t = arg;
    const struct address *keys;
    size_t n = directory_account_keys(a, &keys);
    for (size_t i = 0; i < n; i++) t->others += str_eq(keys[i].domain, t->domain);
}

static void count_alias(const struct directory_alias *a, void *arg)
{
    struct tenants *t = arg;
    if (!str_eq(a->key.domain, t->domain)) return;
    if (is_role(a->key.local)) t->roles[t->n_roles++] = a;
    else t->others++;
}

static void count_domain(const struct directory_domain *d, void *arg)
{
    struct tenants *t = arg;
    t->others += d->alias_of && str_eq(d->alias_of->key, t->domain);
}

static int run_domain_remove(struct store *s, void *args, struct error *e)
{
    const struct domain_request *d = args;
    struct directory *dir = writer_directory(s);
    const struct directory_domain *domain = directory_domain(dir, d->key);
    if (!domain) return error_set(e, ERR_NOT_FOUND, "there is no domain %.*s", STR_FMT(d->key));
    struct tenants t = {.domain = d->key};
    directory_each_account(dir, count_account, &t);
    directory_scan_aliases(dir, count_alias, &t);
    directory_each_domain(dir, count_domain, &t);
    if (t.others)
        return error_set(e, ERR_CONFLICT, "%zu addresses or alias domains still use %.*s", t.others, STR_FMT(d->key));
    int64_t id = domain->id;
    int r = grants_forget_domain(s, d->key, e);
    for (size_t i = 0; !r && i < t.n_roles; i++) {
        int64_t row = directory_alias_row(t.roles[i]);
        r = run_delete(s, SQL_TARGETS_DELETE, row, e);
        if (!r) r = run_delete(s, SQL_ADDRESS_DELETE, row, e);
        if (!r) directory_drop_alias(dir, t.roles[i]->key);
    }
    if (!r) r = run_delete(s, SQL_DOMAIN_DELETE, id, e);
    if (!r) directory_drop_domain(dir, d->key);
    return r;
}

static int set_catch_all(struct store *s, struct str key, struct address target, struct error *e)
{
    struct directory *dir = writer_directory(s);
    const struct directory_domain *d = directory_domain(dir, key);
    if (!d || d->alias_of) return error_set(e, ERR_NOT_FOUND, "there is no domain %.*s", STR_FMT(key));
    struct directory_domain changed = *d;
    changed.catch_all = target;
    struct query q = db_query(s->writer.db, SQL_DOMAIN_CATCH_ALL);
    q_text(&q, target.local);
    q_text(&q, target.domain);
    q_int(&q, d->id);
    int r = q_run(&q, e);
    if (!r) directory_set_domain(dir, &changed, S(""));
    return r;
}

static int run_catch_all(struct store *s, void *args, struct error *e)
{
    const struct domain_request *d = args;
    struct address key = d->target;
    if (key.local.n && address_key(s->writer.arena, d->target, &key)) return error_set(e, ERR_SYNTAX, "not an address");
    return set_catch_all(s, d->key, key, e);
}

static const struct job_kind domain_add_job = {.name = "domain add", .run = run_domain_add, .makes_ids = true};
static const struct job_kind domain_remove_job = {.name = "domain remove", .run = run_domain_remove};
static const struct job_kind catch_all_job = {.name = "domain catch-all", .run = run_catch_all};

FIBER int store_domain_add(struct store *s, struct str domain_key, struct str alias_of_key, struct error *e)
{
    if (domain_key.n == 0 || domain_key.n > DIRECTORY_ADDRESS_MAX) return error_set(e, ERR_SYNTAX, "not a domain");
    return store_job(s, &domain_add_job, &(struct domain_request){domain_key, alias_of_key, {STR_NONE, STR_NONE}}, 0,
                     e);
}

FIBER int store_domain_remove(struct store *s, struct str domain_key, struct error *e)
{
    return store_job(s, &domain_remove_job, &(struct domain_request){domain_key, STR_NONE, {STR_NONE, STR_NONE}}, 0, e);
}

FIBER int store_domain_catch_all(struct store *s, struct str domain_key, struct address target, struct error *e)
{
    return store_job(s, &catch_all_job, &(struct domain_request){domain_key, STR_NONE, target}, 0, e);
}

/* ---- accounts ---- */

struct account_add {
    const struct new_account *n;
    int64_t id;
};

static const struct {
    struct str name;
    enum special_use use;
} first_mailboxes[] = { /* RFC 6154 */
    {S_INIT("INBOX"), USE_INBOX}, {S_INIT("Drafts"), USE_DRAFTS}, {S_INIT("Sent"), USE_SENT},
    {S_INIT("Junk"), USE_JUNK},   {S_INIT("Trash"), USE_TRASH},   {S_INIT("Archive"), USE_ARCHIVE},
};
enum { FIRST_MAILBOXES = sizeof first_mailboxes / sizeof *first_mailboxes };

static int subscribe(struct store *s, int64_t account, struct str name, struct error *e)
{
    struct query q = db_query(s->writer.db, SQL_SUBSCRIPTION_PUT);
    q_int(&q, account);
    q_text(&q, name);
    return q_run(&q, e);
}

static int insert_mailboxes(struct store *s, const struct directory_account *a, int64_t uid_validity, struct error *e)
{
    int r = 0;
    for (int i = 0; !r && i < FIRST_MAILBOXES; i++) {
        struct query q = db_query(s->writer.db, SQL_MAILBOX_INSERT);
        q_int(&q, i == 0 ? a->inbox : store_new_id(s));
        q_int(&q, a->id);
        q_int(&q, 0);
        q_text(&q, first_mailboxes[i].name);
        q_int(&q, first_mailboxes[i].use);
        q_int(&q, uid_validity + i);
        q_int(&q, i + 1);
        q_int(&q, i + 1);
        q_bytes(&q, S(""));
        r = q_run(&q, e);
        if (!r) r = subscribe(s, a->id, first_mailboxes[i].name, e);
    }
    return r;
}

static int insert_credential(struct store *s, int64_t account, const struct directory_credential *c, struct error *e)
{
    struct query q = db_query(s->writer.db, SQL_CREDENTIAL_INSERT);
    q_int(&q, c->id);
    q_int(&q, account);
    q_bytes(&q, c->password_hash);
    q_bytes(&q, c->scram);
    q_bytes(&q, S("password"));
    q_int(&q, c->created);
    return q_run(&q, e);
}

static int insert_account(struct store *s, const struct directory_account *a, const struct directory_domain *domain,
                          struct error *e)
{
    utc_us now = clock_utc(s->world);
    int64_t uid_validity = now / US_PER_S;
    struct query q = db_query(s->writer.db, SQL_ACCOUNT_INSERT);
    q_int(&q, a->id);
    q_bytes(&q, a->name);
    q_int(&q, now);
    q_int(&q, a->quota_bytes);
    q_int(&q, a->quota_count);
    q_int(&q, FIRST_MAILBOXES);
    q_int(&q, uid_validity + FIRST_MAILBOXES);
    q_int(&q, a->inbox);
    int r = q_run(&q, e);
    if (r) return r;
    q = db_query(s->writer.db, SQL_ADDRESS_INSERT);
    q_int(&q, store_new_id(s));
    q_int(&q, domain->id);
    q_text(&q, a->key.local);
    q_text(&q, a->shown.local);
    q_int(&q, 1);
    q_int(&q, a->id);
    q_int(&q, 1);
    r = q_run(&q, e);
    if (!r) r = insert_mailboxes(s, a, uid_validity, e);
    for (size_t i = 0; !r && i < a->n_credentials; i++) r = insert_credential(s, a->id, &a->credentials[i], e);
    return r;
}

static bool names_itself(const struct directory_alias *a)
{
    for (size_t i = 0; i < a->n_targets; i++)
        if (address_key_eq(a->targets[i], a->key)) return true;
    return false;
}

static int run_account_add(struct store *s, void *args, struct error *e)
{
    struct account_add *add = args;
    const struct new_account *n = add->n;
    struct directory *dir = writer_directory(s);
    const struct directory_domain *domain = directory_domain(dir, n->key.domain);
    const struct directory_alias *alias = directory_alias(dir, n->key);
    if (!domain) return error_set(e, ERR_NOT_FOUND, "the domain %.*s is not hosted here", STR_FMT(n->key.domain));
    if (domain->alias_of)
        return error_set(e, ERR_NOT_FOUND, "%.*s is an alias of %.*s", STR_FMT(n->key.domain),
                         STR_FMT(domain->alias_of->key));
    if (directory_account(dir, n->key)) return error_set(e, ERR_EXISTS, "the account is there already");
    if (alias && !names_itself(alias)) return error_set(e, ERR_EXISTS, "an alias has this name");
    struct directory_credential c = {store_new_id(s), n->credential.password_hash, n->credential.scram,
                                     clock_utc(s->world)};
    struct directory_account a = {.id = store_new_id(s),
                                  .key = n->key,
                                  .shown = {n->shown.local, domain->shown},
                                  .name = n->name,
                                  .quota_bytes = n->quota_bytes,
                                  .quota_count = n->quota_count,
                                  .inbox = store_new_id(s),
                                  .credentials = &c,
                                  .n_credentials = c.password_hash.n || c.scram.n};
    int r = insert_account(s, &a, domain, e);
    if (r) return r;
    directory_set_account(dir, &a, &a.key, 1, 0, 0);
    add->id = a.id;
    return 0;
}

struct account_change {
    int64_t account;
    const struct credential_data *credential;
    const bool *disabled;
    const int64_t *quota_bytes, *quota_count;
    const struct str *name;
};

/* The next snapshot's account as a copy to change, and its addresses. */
static int get_account(struct store *s, int64_t id, struct directory_account *a, const struct address **keys, size_t *n,
                       struct error *e)
{
    const struct directory_account *there = directory_account_by_id(writer_directory(s), id);
    if (!there) return error_set(e, ERR_NOT_FOUND, "there is no such account");
    *a = *there;
    *n = directory_account_keys(there, keys);
    return 0;
}

static int run_password(struct store *s, void *args, struct error *e)
{
    const struct account_change *c = args;
    struct directory_account a;
    const struct address *keys = NULL;
    size_t n = 0;
    int r = get_account(s, c->account, &a, &keys, &n, e);
    if (!r) r = run_delete(s, SQL_PASSWORD_DELETE, c->account, e);
    if (r) return r;
    struct directory_credential fresh = {store_new_id(s), c->credential->password_hash, c->credential->scram,
                                         clock_utc(s->world)};
    r = insert_credential(s, c->account, &fresh, e);
    if (r) return r;
    a.credentials = &fresh;
    a.n_credentials = 1;
    directory_set_account(writer_directory(s), &a, keys, n, -1, -1);
    return 0;
}

static int run_change(struct store *s, void *args, struct error *e)
{
    const struct account_change *c = args;
    struct directory_account a;
    const struct address *keys = NULL;
    size_t n = 0;
    int r = get_account(s, c->account, &a, &keys, &n, e);
    if (r) return r;
    if (c->disabled) a.disabled = *c->disabled;
    if (c->quota_bytes) a.quota_bytes = *c->quota_bytes;
    if (c->quota_count) a.quota_count = *c->quota_count;
    if (c->name) a.name = *c->name;
    struct query q = db_query(s->writer.db, SQL_ACCOUNT_CHANGE);
    q_int(&q, a.disabled);
    q_int(&q, a.quota_bytes);
    q_int(&q, a.quota_count);
    q_bytes(&q, a.name);
    q_int(&q, a.id);
    r = q_run(&q, e);
    if (!r) directory_set_account(writer_directory(s), &a, keys, n, -1, -1);
    return r;
}

/* ---- removing an account ---- */

/* The account's rows leave a tombstone (removed_at); letters and mailboxes are collected later. */
static int remove_rows(struct store *s, int64_t account, struct error *e)
{
    static const enum sql deletes[] = {SQL_ADDRESSES_DELETE, SQL_CREDENTIALS_DELETE, SQL_GRANTS_DELETE, SQL_ACLS_DELETE,
                                       SQL_SUBMISSION_DELETE, SQL_SUBSCRIPTIONS_DELETE, SQL_METADATA_OF_OWNER_DELETE};
    int r = 0;
    for (size_t i = 0; !r && i < sizeof deletes / sizeof *deletes; i++) r = run_delete(s, deletes[i], account, e);
    static const enum sql marks[] = {SQL_MAILBOXES_REMOVE, SQL_ACCOUNT_REMOVE};
    for (size_t i = 0; !r && i < sizeof marks / sizeof *marks; i++) {
        struct query q = db_query(s->writer.db, marks[i]);
        q_int(&q, clock_utc(s->world));
        q_int(&q, account);
        r = q_run(&q, e);
    }
    return r;
}

struct forget {
    struct store *store;
    const struct directory_account *account;
    int result;
    struct error *e;
};

static void forget_in_alias(const struct directory_alias *a, void *arg)
{
    struct forget *f = arg;
    if (!f->result) f->result = aliases_forget(f->store, a, f->account, f->e);
}

static void forget_in_domain(const struct directory_domain *d, void *arg)
{
    struct forget *f = arg;
    const struct address *keys;
    size_t n = directory_account_keys(f->account, &keys);
    for (size_t i = 0; !f->result && i < n; i++)
        if (address_key_eq(d->catch_all, keys[i]))
            f->result = set_catch_all(f->store, d->key, (struct address){S(""), S("")}, f->e);
}

static int run_account_remove(struct store *s, void *args, struct error *e)
{
    const struct account_change *c = args;
    const struct directory *before = directory_copy(writer_directory(s)); /* is walked while the next one changes */
    const struct directory_account *a = directory_account_by_id(before, c->account);
    struct forget f = {s, a, 0, e};
    if (!a) f.result = error_set(e, ERR_NOT_FOUND, "there is no such account");
    else if (str_eq(a->key.local, S("postmaster")) && !directory_alias(before, a->key))
        f.result = error_set(e, ERR_CONFLICT, "a domain must have a postmaster"); /* RFC 5321 §4.5.1 */
    if (!f.result) directory_scan_aliases(before, forget_in_alias, &f);
    if (!f.result) directory_each_domain(before, forget_in_domain, &f);
    if (!f.result) f.result = rows_remove_account(s, c->account, e);
    if (!f.result) f.result = remove_rows(s, c->account, e);
    if (!f.result) directory_drop_account(writer_directory(s), c->account);
    directory_unref(before);
    return f.result;
}

static const struct job_kind account_add_job = {.name = "account add", .run = run_account_add, .makes_ids = true};
static const struct job_kind password_job = {.name = "account password", .run = run_password, .makes_ids = true};
static const struct job_kind change_job = {.name = "account change", .run = run_change};
static const struct job_kind account_remove_job = {.name = "account remove", .run = run_account_remove};

FIBER int store_account_add(struct store *s, const struct new_account *n, int64_t *id, struct error *e)
{
    struct account_add add = {n, 0};
    int r = key_check(n->key, e);
    if (!r) r = store_job(s, &account_add_job, &add, 0, e);
    if (!r && id) *id = add.id;
    return r;
}

FIBER int store_account_password(struct store *s, int64_t account, const struct credential_data *c, struct error *e)
{
    return store_job(s, &password_job, &(struct account_change){.account = account, .credential = c}, 0, e);
}

FIBER int store_account_change(struct store *s, int64_t account, const bool *disabled, const int64_t *quota_bytes,
                               const int64_t *quota_count, const struct str *name, struct error *e)
{
    struct account_change c = {account, NULL, disabled, quota_bytes, quota_count, name};
    return store_job(s, &change_job, &c, 0, e);
}

FIBER int store_account_remove(struct store *s, int64_t account, struct error *e)
{
    return store_job(s, &account_remove_job, &(struct account_change){.account = account}, 0, e);
}

/* ---- settings ---- */

struct setting {
    struct str name, if_absent;
    struct buf value;
};

static int run_setting(struct store *s, void *args, struct error *e)
{
    struct setting *set = args;
    buf_clear(&set->value);
    struct query q = db_query(s->writer.db, SQL_SETTING);
    q_text(&q, set->name);
    int r = q_row(&q, e);
    if (r < 0) return r;
    buf_add(&set->value, r ? q_get(&q, 0) : set->if_absent);
    q_end(&q);
    if (r) return 0;
    q = db_query(s->writer.db, SQL_SETTING_PUT);
    q_text(&q, set->name);
    q_bytes(&q, set->if_absent);
    return q_run(&q, e);
}

static const struct job_kind setting_job = {.name = "setting", .run = run_setting};

FIBER int store_setting(struct store *s, struct arena *a, struct str name, struct str if_absent, struct str *value,
                        struct error *e)
{
    struct setting set = {name, if_absent, BUF(1 << 20)};
    int r = store_job(s, &setting_job, &set, 0, e);
    if (!r) *value = arena_str(a, buf_str(&set.value));
    buf_wipe(&set.value); /* may be a secret */
    buf_free(&set.value);
    return r;
}
