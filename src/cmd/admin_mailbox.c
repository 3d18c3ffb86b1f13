/* Requests about the mailboxes of an account, as its owner could make them. */
#include "cmd/admin.h"

#include "proto/json/write.h"
#include "proto/mime/derive.h"
#include "store/mailboxes.h"

enum { LOST_AT_ONCE = 500, LOST_SHOWN = 10000 };

static FIBER int find(const struct admin *admin, struct answer *a, int64_t account, struct str path,
                      struct mailbox *out, struct error *e)
{
    struct error why = {0};
    int error = store_mailbox_find(admin->store, a->arena, account, account, path, out, &why);
    if (error == ERR_NOT_FOUND) return error_set(e, error, "there is no mailbox \"%.*s\"", STR_FMT(path));
    if (error) *e = why;
    return error;
}

FIBER int admin_mailbox_of(const struct admin *admin, const json_t *request, struct answer *a, int64_t *account,
                           struct mailbox *out, struct error *e)
{
    int error = admin_account(admin, request, a, account, e);
    return error ? error : find(admin, a, *account, request_text(request, "mailbox"), out, e);
}

static const char *use_word(enum special_use use)
{
    static const char *const words[] = {"", "inbox", "drafts", "sent", "junk", "trash", "archive"};
    return words[use];
}

static int use_of(struct str word, enum special_use *out, struct error *e)
{
    *out = USE_NONE;
    if (word.n == 0) return 0;
    for (enum special_use u = USE_DRAFTS; u <= USE_ARCHIVE; u++)
        if (str_ieq(word, str_c(use_word(u)))) {
            *out = u;
            return 0;
        }
    return error_set(e, ERR_SYNTAX, "\"%.*s\" is no use; there are drafts, sent, junk, trash, archive", STR_FMT(word));
}

/* ---- listing ---- */

static void put_mailbox(struct json *j, const struct mailbox *m)
{
    json_put_str(j, "mailbox", m->path);
    json_put_int(j, "messages", m->messages);
    json_put_int(j, "unseen", m->unseen);
    json_put_int(j, "bytes", m->bytes);
    json_put_str(j, "use", str_c(use_word(m->use)));
}

static bool has(const struct str *names, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(names[i], name)) return true;
    return false;
}

static FIBER int list(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    int64_t account;
    struct mailbox *v;
    struct str *names;
    size_t n, n_names;
    int error = admin_account(admin, request, a, &account, e);
    if (!error) error = store_mailbox_tree(admin->store, a->arena, account, account, &v, &n, e);
    if (!error) error = store_subscriptions(admin->store, a->arena, account, &names, &n_names, e);
    for (size_t i = 0; !error && i < n && !a->failed; i++) {
        struct json *j = answer_row(a);
        put_mailbox(j, &v[i]);
        json_put_bool(j, "subscribed", has(names, n_names, v[i].path));
        answer_send(a);
    }
    return error;
}

static FIBER int put_acl(const struct admin *admin, struct answer *a, int64_t account, const struct mailbox *m,
                         struct json *j, struct error *e)
{
    struct acl_entry *v;
    size_t n;
    int error = store_acl(admin->store, a->arena, account, m->id, &v, &n, e);
    if (error) return error;
    const struct directory *d = store_directory_in(a->arena, admin->store);
    json_put_array(j, "shared_with");
    for (size_t i = 0; i < n; i++) {
        const struct directory_account *who = directory_account_by_id(d, v[i].principal);
        struct buf *b = buf_in(a->arena, 4096);
        if (v[i].principal == PRINCIPAL_ANYONE) buf_lit(b, "anyone");
        else buf_add(b, who ? address_str(a->arena, who->shown) : S("?"));
        buf_lit(b, ": ");
        rights_put(b, v[i].rights, false);
        json_put_str(j, NULL, buf_str(b));
    }
    json_put_end(j, ']');
    return 0;
}

/* Of the whole account; quotas 0: none. */
static FIBER int put_quota(const struct admin *admin, int64_t account, struct json *j, struct error *e)
{
    struct quota q;
    int error = store_quota(admin->store, account, &q, e);
    if (error) return error;
    json_put_int(j, "account_bytes", q.used_bytes);
    json_put_int(j, "account_quota", q.limit_bytes);
    json_put_int(j, "account_letters", q.used_count);
    json_put_int(j, "account_quota_letters", q.limit_count);
    return 0;
}

static FIBER int show(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    int64_t account;
    struct mailbox m;
    int error = admin_mailbox_of(admin, request, a, &account, &m, e);
    if (error) return error;
    struct json *j = answer_row(a);
    put_mailbox(j, &m);
    json_put_int(j, "marked_deleted", m.deleted);
    json_put_int(j, "uid_validity", m.uid_validity);
    json_put_int(j, "uid_next", m.uid_next);
    json_put_int(j, "highest_modseq", (int64_t)m.highest_modseq);
    error = put_quota(admin, account, j, e);
    if (!error) error = put_acl(admin, a, account, &m, j, e);
    if (!error) answer_send(a);
    return error;
}

/* ---- changing ---- */

static FIBER int create(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    int64_t account, id;
    enum special_use use;
    struct str path = request_text(request, "mailbox");
    int error = admin_account(admin, request, a, &account, e);
    if (!error) error = use_of(request_text(request, "use"), &use, e);
    if (!error) error = store_mailbox_make(admin->store, account, account, path, use, &id, e);
    if (!error) error = store_subscribe(admin->store, account, path, true, e);
    return error;
}

static FIBER int rename_it(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    int64_t account = 0;
    struct mailbox m;
    int error = admin_mailbox_of(admin, request, a, &account, &m, e);
    struct str path = request_text(request, "mailbox");
    if (error == ERR_NOT_FOUND && !store_level_find(admin->store, account, account, path, &m.id, NULL)) error = 0;
    return error ? error : store_mailbox_rename(admin->store, account, m.id, request_text(request, "to"), e);
}

static FIBER int delete_it(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    int64_t account;
    struct mailbox m;
    int error = admin_mailbox_of(admin, request, a, &account, &m, e);
    if (!error) error = store_mailbox_delete(admin->store, account, m.id, e);
    if (!error) json_put_int(&a->done, "letters", m.messages);
    return error;
}

static FIBER int subscribe(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    int64_t account;
    int error = admin_account(admin, request, a, &account, e);
    if (error) return error;
    return store_subscribe(admin->store, account, request_text(request, "mailbox"), !request_bool(request, "not"), e);
}

/* ---- what can be brought back ---- */

struct wish {
    int64_t account, mailbox /* 0: all */;
    utc_us since;
};

static FIBER int read_wish(const struct admin *admin, const json_t *request, struct answer *a, struct wish *out,
                           struct error *e)
{
    struct str path = request_text(request, "mailbox"), since = request_text(request, "since");
    struct mailbox m;
    *out = (struct wish){0};
    int error = admin_account(admin, request, a, &out->account, e);
    if (!error && path.n && (error = find(admin, a, out->account, path, &m, e)) == 0) out->mailbox = m.id;
    return error ? error : admin_time(since, clock_utc(admin->world), &out->since, e);
}

static void put_lost(struct answer *a, const struct lost_letter *l)
{
    struct mime_envelope envelope;
    struct buf *at = buf_in(a->arena, 64);
    bool readable = mime_envelope_read(a->arena, l->envelope, &envelope) == 0;
    time_put_rfc3339(at, l->gone_at);
    struct json *j = answer_row(a);
    json_put_str(j, "gone_at", buf_str(at));
    json_put_str(j, "mailbox", l->path);
    json_put_int(j, "uid", l->uid);
    json_put_int(j, "size", l->size);
    json_put_str(j, "subject", readable ? envelope.subject : STR_NONE);
}

static FIBER int lost(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    struct wish w;
    struct lost_letter *v;
    size_t n;
    int error = read_wish(admin, request, a, &w, e);
    if (!error) error = store_lost(admin->store, a->arena, w.account, w.mailbox, w.since, LOST_SHOWN, &v, &n, e);
    for (size_t i = 0; !error && i < n && !a->failed; i++) {
        put_lost(a, &v[i]);
        answer_send(a);
    }
    return error;
}

static FIBER int undelete(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    struct wish w;
    struct mailbox into = {0};
    struct str into_path = request_text(request, "into");
    int error = read_wish(admin, request, a, &w, e);
    if (!error && into_path.n) error = find(admin, a, w.account, into_path, &into, e);
    size_t all = 0, n = LOST_AT_ONCE, back = 1;
    while (!error && n == LOST_AT_ONCE && back) {
        struct arena *piece = arena_new(a->arena, 0);
        struct lost_letter *v;
        back = 0;
        error = store_lost(admin->store, piece, w.account, w.mailbox, w.since, LOST_AT_ONCE, &v, &n, e);
        if (!error && n) error = store_undelete(admin->store, w.account, v, n, into.id, &back, e);
        all += back;
        arena_free(piece);
    }
    if (!error) json_put_int(&a->done, "letters", (int64_t)all);
    return error;
}

const struct admin_op admin_mailbox_ops[] = {
    {"mailbox.list", list, NULL},
    {"mailbox.show", show, NULL},
    {"mailbox.create", create, "address"},
    {"mailbox.rename", rename_it, "address"},
    {"mailbox.delete", delete_it, "address"},
    {"mailbox.subscribe", subscribe, "address"},
    {"mailbox.lost", lost, NULL},
    {"mailbox.undelete", undelete, "address"},
    {0},
};
