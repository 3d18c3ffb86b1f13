/* The tree of mailboxes: making, deleting and renaming them (RFC 9051 §6.3.4 - §6.3.6), their special use (RFC 6154).
 * Each request is one job: what it may is decided in the transaction that does it. */
#include "store/entries.h"
#include "store/tree.h"

struct change {
    int64_t who, account, mailbox;
    struct str path;
    enum special_use use;
    bool inbox; /* out: it is the inbox that is to be renamed */
    int64_t made;
};

/* One mailbox of the account has a use, so that "where do drafts go" has an answer. */
static int use_is_free(struct store *s, int64_t account, int64_t mailbox, enum special_use use, struct error *e)
{
    int64_t other;
    if (use == USE_NONE) return 0;
    if (use == USE_INBOX) return error_set(e, ERR_CONFLICT, "there is one INBOX");
    struct query q = db_query(s->writer.db, SQL_MAILBOX_ID_BY_USE);
    q_int(&q, account);
    q_int(&q, use);
    int r = q_one_int(&q, &other, e);
    if (r == ERR_NOT_FOUND || (r == 0 && other == mailbox)) return 0;
    return r ? r : error_set(e, ERR_CONFLICT, "another mailbox is used for this");
}

/* ---- making ---- */

static int run_make(struct store *s, void *args, struct error *e)
{
    struct change *c = args;
    struct levels path;
    size_t found;
    int64_t parent;
    int r = levels_of(s->writer.arena, c->path, &path, e);
    if (!r) r = tree_walk(s->writer.db, c->account, &path, &found, &parent, e);
    if (r) return r;
    if (found == path.n) {
        r = access_check(s->writer.db, c->who, parent, RIGHT_LOOKUP, NULL, e); /* who may not see it is not told */
        return r ? tree_may_not_create(e) : error_set(e, ERR_EXISTS, "there is such a mailbox already");
    }
    r = tree_may_create(s, c->who, c->account, parent, e);
    if (!r && c->use != USE_NONE && c->who != c->account && c->who != PRINCIPAL_ADMIN)
        r = error_set(e, ERR_DENIED, "only the owner says what mailboxes are used for");
    if (!r) r = use_is_free(s, c->account, 0, c->use, e);
    return r ? r : tree_make(s, c->account, &path, found, parent, c->use, &c->made, e);
}

static const struct job_kind make_job = {.name = "mailbox make", .run = run_make, .makes_ids = true};

FIBER int store_mailbox_make(struct store *s, int64_t who, int64_t account, struct str path, enum special_use use,
                             int64_t *id, struct error *e)
{
    struct change c = {.who = who, .account = account, .path = path, .use = use};
    int r = store_job(s, &make_job, &c, 0, e);
    if (!r && id) *id = c.made;
    return r;
}

/* ---- deleting ---- */

/* It never had a letter, so there is nothing to bring back: only then nothing of it need stay. */
static int forget(struct store *s, int64_t mailbox, struct error *e)
{
    static const enum sql deletes[] = {SQL_MAILBOX_KEYWORDS_DELETE, SQL_MAILBOX_ACLS_DELETE,
                                       SQL_MAILBOX_METADATA_DELETE, SQL_MAILBOX_DELETE};
    int r = 0;
    for (size_t i = 0; !r && i < sizeof deletes / sizeof *deletes; i++) {
        struct query q = db_query(s->writer.db, deletes[i]);
        q_int(&q, mailbox);
        r = q_run(&q, e);
    }
    return r;
}

/* A tombstone. Those of one name have different times, the same clock or not. */
static int bury(struct store *s, const struct tree_row *row, struct error *e)
{
    int64_t last = 0, now = clock_utc(s->world);
    struct query q = db_query(s->writer.db, SQL_MAILBOX_LAST_DELETED);
    q_int(&q, row->account);
    q_int(&q, row->parent);
    q_text(&q, row->name);
    int r = q_one_int(&q, &last, e);
    if (r) return r;
    q = db_query(s->writer.db, SQL_MAILBOX_MARK_DELETED);
    q_int(&q, now > last ? now : last + 1);
    q_int(&q, row->id);
    return q_run(&q, e);
}

static int run_delete(struct store *s, void *args, struct error *e)
{
    struct change *c = args;
    struct tree_row row;
    struct mailbox_row *m;
    struct account_row *a;
    int64_t child;
    int r = access_check(s->writer.db, c->who, c->mailbox, RIGHT_REMOVE, NULL, e);
    if (!r) r = tree_row(s->writer.db, s->writer.arena, c->mailbox, &row, e);
    if (!r) r = rows_mailbox(s, c->mailbox, &m, e);
    if (!r) r = rows_account(s, m->account, &a, e);
    if (r) return r;
    if (a->inbox == c->mailbox) return error_set(e, ERR_DENIED, "INBOX cannot be deleted"); /* RFC 9051 §6.3.5 */
    struct query q = db_query(s->writer.db, SQL_MAILBOX_HAS_CHILD);
    q_int(&q, m->account);
    q_int(&q, c->mailbox);
    r = q_one_int(&q, &child, e);
    if (r == 0) return error_set(e, ERR_CONFLICT, "there are mailboxes below it");
    if (r != ERR_NOT_FOUND) return r;
    a->used_bytes -= m->octets;
    a->used_count -= m->messages;
    s->writer.collect.garbage += m->octets;
    s->count.messages -= m->messages;
    rows_touch_account(s, a);
    rows_keep(s, a, m->octets, m->messages);
    bool never_used = m->uid_next == 1;
    rows_remove_mailbox(s, m);
    return never_used ? forget(s, c->mailbox, e) : bury(s, &row, e);
}

static const struct job_kind delete_job = {.name = "mailbox delete", .run = run_delete};

FIBER int store_mailbox_delete(struct store *s, int64_t who, int64_t mailbox, struct error *e)
{
    return store_job(s, &delete_job, &(struct change){.who = who, .mailbox = mailbox}, 0, e);
}

/* ---- renaming ---- */

/* Is `id` the mailbox, or below it? */
static int is_below(struct store *s, int64_t id, int64_t mailbox, bool *out, struct error *e)
{
    *out = id == mailbox;
    for (int i = 0; id && !*out && i < LIMIT_MAILBOX_DEPTH; i++) {
        struct tree_row row;
        int r = tree_row(s->writer.db, s->writer.arena, id, &row, e);
        if (r) return r;
        id = row.parent;
        *out = id == mailbox;
    }
    return 0;
}

/* How many levels there are from a mailbox down, itself included; `top` ends the search. */
static int height(struct store *s, int64_t account, int64_t mailbox, size_t top, size_t *out, struct error *e)
{
    struct query q = db_query(s->writer.db, SQL_MAILBOX_CHILDREN);
    struct buf children = BUF(SIZE_MAX);
    size_t deepest = 0;
    int r = 0;
    q_int(&q, account);
    q_int(&q, mailbox);
    while (top > 1 && (r = q_row(&q, e)) > 0) {
        int64_t id = q_get_int(&q, 0);
        buf_add(&children, str_of(&id, sizeof id));
    }
    if (r >= 0) q_end(&q);
    for (size_t i = 0; !r && i < children.n / sizeof(int64_t); i++) {
        int64_t id;
        size_t below = 0;
        memcpy(&id, children.p + i * sizeof id, sizeof id);
        r = height(s, account, id, top - 1, &below, e);
        if (below > deepest) deepest = below;
    }
    buf_free(&children);
    *out = deepest + 1;
    return r;
}

static int move_row(struct store *s, int64_t mailbox, int64_t parent, struct str name, struct error *e)
{
    struct query q = db_query(s->writer.db, SQL_MAILBOX_RENAME);
    q_int(&q, parent);
    q_text(&q, name);
    q_int(&q, mailbox);
    return q_run(&q, e);
}

/* RFC 5464 §4.1: INBOX keeps its annotations, and what it is renamed to has them too. */
static int copy_annotations(struct store *s, int64_t from, int64_t to, struct error *e)
{
    struct query q = db_query(s->writer.db, SQL_MAILBOX_METADATA_COPY);
    q_int(&q, to);
    q_int(&q, from);
    return q_run(&q, e);
}

/* Where it is to go: makes what is missing above the last level. */
static int run_rename(struct store *s, void *args, struct error *e)
{
    struct change *c = args;
    struct levels path;
    struct account_row *a;
    struct tree_row row;
    size_t found, levels;
    int64_t parent;
    bool below;
    int r = access_check(s->writer.db, c->who, c->mailbox, RIGHT_REMOVE, NULL, e);
    if (!r) r = tree_row(s->writer.db, s->writer.arena, c->mailbox, &row, e);
    if (!r) r = rows_account(s, row.account, &a, e);
    if (!r) r = levels_of(s->writer.arena, c->path, &path, e);
    if (!r) r = tree_walk(s->writer.db, row.account, &path, &found, &parent, e);
    if (r) return r;
    if (found == path.n) {
        r = access_check(s->writer.db, c->who, parent, RIGHT_LOOKUP, NULL, e);
        return r ? tree_may_not_create(e) : error_set(e, ERR_EXISTS, "there is a mailbox of this name");
    }
    r = tree_may_create(s, c->who, row.account, parent, e);
    if (!r) r = is_below(s, parent, c->mailbox, &below, e);
    if (r) return r;
    c->inbox = a->inbox == c->mailbox;
    if (c->inbox) {
        r = tree_make(s, row.account, &path, found, parent, USE_NONE, &c->made, e);
        if (!r) r = copy_annotations(s, c->mailbox, c->made, e);
        if (!r) rows_news(s, row.account, c->made, NEWS_FROM_INBOX);
        return r;
    }
    if (below) return error_set(e, ERR_CONFLICT, "it would be below itself");
    r = height(s, row.account, c->mailbox, LIMIT_MAILBOX_DEPTH, &levels, e);
    if (!r && path.n - 1 + levels > LIMIT_MAILBOX_DEPTH)
        r = error_set(e, ERR_CONFLICT, "mailboxes have at most %d levels", LIMIT_MAILBOX_DEPTH);
    struct str name = path.v[--path.n];
    if (!r && found < path.n) r = tree_make(s, row.account, &path, found, parent, USE_NONE, &parent, e);
    if (!r) r = move_row(s, c->mailbox, parent, name, e);
    if (!r) rows_news(s, row.account, c->mailbox, NEWS_RENAMED);
    return r;
}

static const struct job_kind rename_job = {.name = "mailbox rename", .run = run_rename, .makes_ids = true};

/* RFC 9051 §6.3.6: INBOX stays, its letters go. */
static FIBER int empty_inbox(struct store *s, struct change *c, struct error *e)
{
    struct arena *a = arena_new(NULL, 0);
    struct uid_set all = {0};
    uid_set_add(a, &all, 1, UINT32_MAX);
    struct copying move = {.who = c->who, .from = c->mailbox, .to = c->made, .uids = &all, .move = true};
    int r = store_copy(s, a, &move, e);
    arena_free(a);
    if (r) store_mailbox_delete(s, PRINCIPAL_ADMIN, c->made, NULL);
    return r;
}

FIBER int store_mailbox_rename(struct store *s, int64_t who, int64_t mailbox, struct str path, struct error *e)
{
    struct change c = {.who = who, .mailbox = mailbox, .path = path};
    int r = store_job(s, &rename_job, &c, 0, e);
    return r || !c.inbox ? r : empty_inbox(s, &c, e);
}

/* ---- special use ---- */

int tree_use(struct store *s, int64_t who, int64_t mailbox, enum special_use use, struct error *e)
{
    struct tree_row row;
    int r = access_check(s->writer.db, who, mailbox, RIGHT_LOOKUP, NULL, e);
    if (!r) r = tree_row(s->writer.db, s->writer.arena, mailbox, &row, e);
    if (r) return r;
    if (who != row.account && who != PRINCIPAL_ADMIN)
        return error_set(e, ERR_DENIED, "only the owner says what mailboxes are used for");
    if (row.use == USE_INBOX) return error_set(e, ERR_CONFLICT, "INBOX has its use");
    r = use_is_free(s, row.account, mailbox, use, e);
    if (r) return r;
    struct query q = db_query(s->writer.db, SQL_MAILBOX_SET_USE);
    q_int(&q, use);
    q_int(&q, mailbox);
    r = q_run(&q, e);
    if (!r) rows_news_entry(s, row.account, mailbox, S(METADATA_SPECIAL_USE), row.account);
    return r;
}

static int run_use(struct store *s, void *args, struct error *e)
{
    struct change *c = args;
    return tree_use(s, c->who, c->mailbox, c->use, e);
}

static const struct job_kind use_job = {.name = "mailbox use", .run = run_use};

FIBER int store_mailbox_use(struct store *s, int64_t who, int64_t mailbox, enum special_use use, struct error *e)
{
    return store_job(s, &use_job, &(struct change){.who = who, .mailbox = mailbox, .use = use}, 0, e);
}
