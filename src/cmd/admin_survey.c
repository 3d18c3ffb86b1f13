/* Requests of imports from other servers and exports to them: what a mailbox has, without a letter's bytes; flags; and
 * the memory of which letters there are which here.
 *
 * The memory is kept as annotations of the mailbox (RFC 5464) that belong to the administration, so that no client sees
 * them: it lives, is renamed and goes with the mailbox. */
#include "cmd/admin.h"

#include "cmd/letters.h"
#include "mail/limits.h"
#include "proto/imap/set.h"
#include "proto/mime/derive.h"
#include "store/entries.h"
#include "store/letters.h"
#include "store/mailboxes.h"
#include "store/view.h"

enum {
    LETTERS_A_ROW = 500,
    CHUNKS_AT_ONCE = 64, /* of a snapshot, whose facts are read before they are told */
    IDS_AT_ONCE = 256,
};

/* ---- what is there ---- */

static FIBER void put_words(struct answer *a, const struct mailbox *m, const struct snapshot *snap)
{
    struct json *j = answer_row(a);
    json_put_int(j, "validity", m->uid_validity);
    json_put_array(j, "words");
    for (int bit = FLAG_FIRST_OWN; bit < 32; bit++)
        json_put_str(j, NULL, snap->keywords ? snap->keywords->name[bit] : S(""));
    json_put_end(j, ']');
    answer_send(a);
}

static FIBER void put_letters(struct answer *a, struct walk *w)
{
    struct json *j = answer_row(a);
    bool more = true;
    json_put_array(j, "letters");
    for (int i = 0; i < LETTERS_A_ROW && (more = walk_next(w)); i++) {
        const struct view_facts *facts = w->chunk->facts;
        uint32_t at = w->entry->uid % 128;
        json_put_int(j, NULL, w->entry->uid);
        json_put_int(j, NULL, w->entry->flags);
        json_put_int(j, NULL, facts ? facts->received[at] : 0);
        json_put_int(j, NULL, facts ? facts->size[at] : 0);
    }
    json_put_end(j, ']');
    answer_send(a);
    if (more) fiber_yield_if_long();
}

static FIBER int put_snapshot(const struct admin *admin, struct answer *a, const struct snapshot *snap, struct error *e)
{
    int error = 0;
    for (size_t i = 0; i < snap->n_chunks && !error; i += CHUNKS_AT_ONCE)
        error = store_view_facts(admin->store, snap, i,
                                 snap->n_chunks - i < CHUNKS_AT_ONCE ? snap->n_chunks - i : CHUNKS_AT_ONCE, e);
    struct walk w = walk_from(snap, 1);
    for (uint32_t told = 0; told < snap->count && !error && !a->failed; told += LETTERS_A_ROW) put_letters(a, &w);
    return error;
}

static struct str memory_name(struct answer *a, const json_t *request, int64_t number)
{
    return arena_printf(a->arena, "/private/penny/remote/%.*s/%lld", STR_FMT(request_text(request, "key")),
                        (long long)number);
}

static FIBER int put_memory(const struct admin *admin, const json_t *request, struct answer *a, int64_t mailbox,
                            struct error *e)
{
    struct metadata *v;
    size_t n, k = 0;
    int error = store_metadata(admin->store, a->arena, PRINCIPAL_ADMIN, mailbox, &v, &n, e);
    for (int64_t number = 0; !error && k < n && !a->failed; number++) {
        struct str name = memory_name(a, request, number);
        for (k = 0; k < n && !str_ieq(v[k].name, name);) k++;
        if (k == n) break;
        json_put_str(answer_row(a), "memory", v[k].value);
        answer_send(a);
    }
    return error;
}

static FIBER int tell(const struct admin *admin, const json_t *request, struct answer *a, const struct mailbox *m,
                      struct error *e)
{
    struct view *view;
    int error = store_view_open(admin->store, loop_self(), m->id, NULL, NULL, &view, e);
    if (error) return error;
    const struct snapshot *snap = view_newest(view);
    put_words(a, m, snap);
    error = put_memory(admin, request, a, m->id, e);
    if (!error) error = put_snapshot(admin, a, snap, e);
    snapshot_unref(snap);
    store_view_close(view);
    return error;
}

/* "make": the mailbox is made if need be, with "use", and subscribed to if "subscribe". Else there is nothing to tell
 * of one that is not there. */
static FIBER int survey(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    int64_t account, id;
    struct mailbox m;
    struct str path = request_text(request, "mailbox"), use = request_text(request, "use");
    int error = admin_account(admin, request, a, &account, e);
    if (error) return error;
    error = store_mailbox_find(admin->store, a->arena, account, account, path, &m, e);
    if (error == ERR_NOT_FOUND) {
        if (!request_bool(request, "make")) return 0;
        enum special_use role = use.n ? special_use_of(use) : USE_NONE;
        error = store_mailbox_make(admin->store, account, account, path, role, &id, e);
        if (!error && request_bool(request, "subscribe")) error = store_subscribe(admin->store, account, path, true, e);
        if (!error) error = store_mailbox_find(admin->store, a->arena, account, account, path, &m, e);
    }
    return error ? error : tell(admin, request, a, &m, e);
}

/* ---- Message-IDs ---- */

static int read_uids(const json_t *request, struct answer *a, struct uid_set *out, struct error *e)
{
    struct imap_set set;
    if (imap_set_parse(a->arena, request_text(request, "uids"), &set) != 0 || set.saved || set.from)
        return error_set(e, ERR_SYNTAX, "no set of UIDs");
    *out = set.numbers;
    return 0;
}

static FIBER int put_ids(const struct admin *admin, struct answer *a, int64_t account, const struct entry *v, size_t n,
                         struct error *e)
{
    int64_t emails[IDS_AT_ONCE];
    for (size_t i = 0; i < n; i++) emails[i] = v[i].email;
    for (size_t at = 0, done; at < n && !a->failed; at += done) {
        struct arena *some = arena_new(a->arena, 0);
        struct letter_read *letters;
        int error = store_letters(admin->store, some, account, emails + at, n - at, LETTERS_ENVELOPE, 0, INT64_MAX,
                                  &letters, &done, e);
        struct json *j = answer_row(a);
        json_put_array(j, "ids");
        for (size_t i = 0; !error && i < done; i++) {
            struct mime_envelope envelope = {.message_id = STR_NONE};
            if (letters[i].error || mime_envelope_read(some, letters[i].letter.envelope, &envelope) != 0) continue;
            json_put_int(j, NULL, v[at + i].uid);
            json_put_str(j, NULL, envelope.message_id);
        }
        json_put_end(j, ']');
        if (!error) answer_send(a);
        arena_free(some);
        if (error) return error;
    }
    return 0;
}

static FIBER int ids(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    int64_t account;
    struct mailbox m;
    struct uid_set uids;
    int error = admin_mailbox_of(admin, request, a, &account, &m, e);
    if (!error) error = read_uids(request, a, &uids, e);
    uid after = 0;
    for (bool more = true; more && !error && !a->failed;) {
        struct arena *page = arena_new(a->arena, 0);
        struct entry *v;
        size_t n, kept = 0;
        error = store_entries(admin->store, page, m.id, after, IDS_AT_ONCE, false, &v, &n, &more, e);
        if (!error && n) after = v[n - 1].uid;
        for (size_t i = 0; !error && i < n; i++)
            if (uid_set_has(&uids, v[i].uid)) v[kept++] = v[i];
        if (!error) error = put_ids(admin, a, account, v, kept, e);
        arena_free(page);
    }
    return error;
}

/* ---- flags ---- */

static FIBER int flags(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    struct mailbox m;
    struct uid_set uids;
    struct flags_change c = {.uids = &uids, .how = FLAGS_REPLACE, .unchanged_since = UINT64_MAX};
    int error = admin_mailbox_of(admin, request, a, &c.who, &m, e);
    if (!error) error = read_uids(request, a, &uids, e);
    if (error) return error;
    const json_t *words = json_object_get(request, "keywords");
    struct str *keywords = arena_array(a->arena, json_array_size(words), sizeof *keywords);
    for (size_t i = 0; i < json_array_size(words); i++) {
        const json_t *w = json_array_get(words, i);
        if (json_is_string(w)) keywords[c.n_keywords++] = str_of(json_string_value(w), json_string_length(w));
    }
    c.mailbox = m.id;
    c.flags = (flag_set)request_int(request, "flags", 0) & LETTERS_BY_BIT;
    c.keywords = keywords;
    error = store_flags_change(admin->store, a->arena, &c, e);
    if (!error) json_put_int(&a->done, "letters", (int64_t)uid_set_count(&c.changed));
    return error;
}

/* ---- the memory ---- */

/* "values" are kept from the place "from" on; what an older memory has behind them goes. */
static FIBER int remember(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    int64_t account, from = request_int(request, "from", 0);
    struct mailbox m;
    struct metadata *old;
    size_t n_old;
    const json_t *values = json_object_get(request, "values");
    size_t n = json_array_size(values);
    int error = admin_mailbox_of(admin, request, a, &account, &m, e);
    if (!error) error = store_metadata(admin->store, a->arena, PRINCIPAL_ADMIN, m.id, &old, &n_old, e);
    if (error) return error;
    struct metadata *v = arena_array(a->arena, n + n_old, sizeof *v);
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_array_get(values, i);
        v[i] = (struct metadata){memory_name(a, request, from + (int64_t)i),
                                 str_of(json_string_value(value), json_string_length(value))};
    }
    for (size_t i = 0; i < n_old; i++) {
        struct str name = memory_name(a, request, from + (int64_t)n);
        bool there = false;
        for (size_t k = 0; k < n_old && !there; k++) there = str_ieq(old[k].name, name);
        if (!there) break;
        v[n++] = (struct metadata){name, STR_NONE};
    }
    return store_metadata_set(admin->store, PRINCIPAL_ADMIN, m.id, v, n, e);
}

const struct admin_op admin_survey_ops[] = {
    {"letters.survey", survey, "address"},
    {"letters.ids", ids, NULL},
    {"letters.flags", flags, NULL},
    {"letters.remember", remember, NULL},
    {0},
};
