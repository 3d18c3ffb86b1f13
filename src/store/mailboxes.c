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
    struct tree_row there = {0};
    if (found == path.n) r = tree_row(s->writer.db, s->writer.arena, parent, &there, e);
    if (r) return r;
    if (found == path.n && !there.level) {
        r = access_check(s->writer.db, c->who, parent, RIGHT_LOOKUP, NULL, e); /* who may not see it is not told */
        return r ? tree_may_not_create(e) : error_set(e, ERR_EXISTS, "there is such a mailbox already");
    }
    r = tree_may_create(s, c->who, c->account, parent, e);
    if (!r && c->use != USE_NONE && c->who != c->account && c->who != PRINCIPAL_ADMIN)
        r = error_set(e, ERR_DENIED, "only the owner says what mailboxes are used for");
    if (!r) r = use_is_free(s, c->account, 0, c->use, e);
    c->made = there.id;
    if (!r && there.level) return tree_raise(s, &there, c->use, e);
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

/* Mailboxes below it stay, and with them its name, which is no mailbox's any more (RFC 9051 §6.3.5). What was in it is
 * the tombstone's; who makes a mailbox of that name gets a new one. */
static int leave_level(struct store *s, const struct tree_row *row, struct error *e)
{
    int64_t level = store_new_id(s);
    int r = tree_bury(s, row, e);
    if (!r) r = tree_insert(s, level, row->account, row->parent, row->name, USE_NONE, e);
    if (r) return r;
    struct query q = db_query(s->writer.db, SQL_MAILBOX_SET_LEVEL);
    q_int(&q, 1);
    q_int(&q, level);
    r = q_run(&q, e);
    if (r) return r;
    q = db_query(s->writer.db, SQL_MAILBOX_ADOPT);
    q_int(&q, level);
    q_int(&q, row->account);
    q_int(&q, row->id);
    return q_run(&q, e);
}

static int run_delete(struct store *s, void *args, struct error *e)
{
    struct change *c = args;
    struct tree_row row;
    struct mailbox_row *m;
    struct account_row *a;
    bool has_child = false;
    int r = access_check(s->writer.db, c->who, c->mailbox, RIGHT_REMOVE, NULL, e);
    if (!r) r = tree_row(s->writer.db, s->writer.arena, c->mailbox, &row, e);
    if (!r) r = rows_mailbox(s, c->mailbox, &m, e);
    if (!r) r = rows_account(s, m->account, &a, e);
    if (r) return r;
    if (a->inbox == c->mailbox) return error_set(e, ERR_DENIED, "INBOX cannot be deleted"); /* RFC 9051 §6.3.5 */
    r = tree_has_child(s, m->account, c->mailbox, &has_child, e);
    if (r) return r;
    a->used_bytes -= m->octets;
    a->used_count -= m->messages;
    s->writer.collect.garbage += m->octets;
    s->count.messages -= m->messages;
    rows_touch_account(s, a);
    rows_keep(s, a, m->octets, m->messages);
    bool never_used = m->uid_next == 1;
    rows_remove_mailbox(s, m);
    if (has_child) return leave_level(s, &row, e);
    r = never_used ? forget(s, c->mailbox, e) : tree_bury(s, &row, e);
    return r ? r : tree_prune(s, row.account, row.parent, e);
}

static const struct job_kind delete_job = {.name = "mailbox delete", .run = run_delete, .makes_ids = true};

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

/* A level is nobody's but the owner's. */
static int may_rename(struct store *s, const struct change *c, struct tree_row *row, struct error *e)
{
    int r = tree_row(s->writer.db, s->writer.arena, c->mailbox, row, e);
    if (r) return r;
    if (row->level && !row->deleted_at && (c->who == row->account || c->who == PRINCIPAL_ADMIN)) return 0;
    return access_check(s->writer.db, c->who, c->mailbox, RIGHT_REMOVE, NULL, e);
}

/* The level `id` makes room for a mailbox of its name, which gets what lies below it. */
static int give_way(struct store *s, const struct change *c, int64_t id, struct error *e)
{
    struct tree_row level;
    bool has_child = false;
    int r = tree_row(s->writer.db, s->writer.arena, id, &level, e);
    if (!r && level.level) r = tree_has_child(s, level.account, c->mailbox, &has_child, e);
    if (r) return r;
    if (!level.level || has_child) {
        r = level.level ? 0 : access_check(s->writer.db, c->who, id, RIGHT_LOOKUP, NULL, e);
        return r ? tree_may_not_create(e) : error_set(e, ERR_EXISTS, "there is a mailbox of this name");
    }
    r = tree_may_create(s, c->who, level.account, level.parent, e);
    if (!r) r = tree_bury(s, &level, e);
    if (r) return r;
    struct query q = db_query(s->writer.db, SQL_MAILBOX_ADOPT);
    q_int(&q, c->mailbox);
    q_int(&q, level.account);
    q_int(&q, level.id);
    return q_run(&q, e);
}

struct destination {
    struct levels path;
    size_t found;   /* levels of it that are there */
    int64_t parent; /* the last of them */
};

/* Whether it can go there: not below itself, not too deep. */
static int fits(struct store *s, const struct change *c, const struct tree_row *row, const struct destination *to,
                struct error *e)
{
    bool below;
    size_t levels = 1;
    int r = tree_may_create(s, c->who, row->account, to->parent, e);
    if (!r) r = is_below(s, to->parent, c->mailbox, &below, e);
    if (r || c->inbox) return r;
    if (below) return error_set(e, ERR_CONFLICT, "it would be below itself");
    r = height(s, row->account, c->mailbox, LIMIT_MAILBOX_DEPTH, &levels, e);
    if (!r && to->path.n - 1 + levels > LIMIT_MAILBOX_DEPTH)
        r = error_set(e, ERR_CONFLICT, "mailboxes have at most %d levels", LIMIT_MAILBOX_DEPTH);
    return r;
}

/* RFC 9051 §6.3.6: the mailbox that INBOX's letters go to. there: a level of that name, or nothing. */
static int split_inbox(struct store *s, struct change *c, const struct destination *to, const struct tree_row *there,
                       struct error *e)
{
    c->made = there->id;
    int r = there->level ? tree_raise(s, there, USE_NONE, e)
                         : tree_make(s, there->account, &to->path, to->found, to->parent, USE_NONE, &c->made, e);
    if (!r) r = copy_annotations(s, c->mailbox, c->made, e);
    if (!r) rows_news(s, there->account, c->made, NEWS_FROM_INBOX);
    return r;
}

static int run_rename(struct store *s, void *args, struct error *e)
{
    struct change *c = args;
    struct destination to;
    struct account_row *a;
    struct tree_row row, there = {0};
    int r = may_rename(s, c, &row, e);
    if (!r) r = rows_account(s, row.account, &a, e);
    if (!r) r = levels_of(s->writer.arena, c->path, &to.path, e);
    if (!r) r = tree_walk(s->writer.db, row.account, &to.path, &to.found, &to.parent, e);
    if (r) return r;
    c->inbox = a->inbox == c->mailbox;
    there.account = row.account;
    bool taken = to.found == to.path.n;
    if (taken) r = tree_row(s->writer.db, s->writer.arena, to.parent, &there, e);
    if (!r && c->inbox && there.level) r = tree_may_create(s, c->who, row.account, there.parent, e);
    else if (!r) r = taken ? give_way(s, c, to.parent, e) : fits(s, c, &row, &to, e);
    if (r) return r;
    if (c->inbox) return split_inbox(s, c, &to, &there, e);
    struct str name = to.path.v[--to.path.n];
    if (taken) to.parent = there.parent;
    else if (to.found < to.path.n)
        r = tree_make(s, row.account, &to.path, to.found, to.parent, USE_NONE, &to.parent, e);
    if (!r) r = move_row(s, c->mailbox, to.parent, name, e);
    if (!r) r = tree_prune(s, row.account, row.parent, e);
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
