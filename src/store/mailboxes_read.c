/* Mailboxes as those see them who may: the tree, one by its path, whose there are (RFC 4314 §4, LIST). */
#include <stdlib.h>

#include "store/tree.h"

struct tree {
    struct gathering *g;
    int64_t who, account;
    bool levels; /* those that are no mailboxes, too */
    struct str path; /* of one mailbox; STR_NONE: all */
    struct map by_id; /* id -> struct mailbox, in g.arena */
};

static struct str key_of(const int64_t *id) { return str_of(id, sizeof *id); }

/* ---- what `who` may ---- */

static int set_rights(struct db *db, struct tree *t, struct mailbox *v, size_t n, struct error *e)
{
    int r = access_is_active(db, t->who, e);
    if (r <= 0) return r;
    if (t->who == t->account || t->who == PRINCIPAL_ADMIN) {
        for (size_t i = 0; i < n; i++) v[i].rights = RIGHTS_ALL;
        return 0;
    }
    struct query q = db_query(db, SQL_ACLS_OF_ACCOUNT);
    q_int(&q, t->account);
    q_int(&q, t->who);
    q_int(&q, PRINCIPAL_ANYONE);
    while ((r = q_row(&q, e)) > 0) {
        int64_t id = q_get_int(&q, 0);
        right_set rights = 0;
        struct mailbox *m = map_get(&t->by_id, key_of(&id));
        if (m && !rights_parse(q_get(&q, 1), &rights)) m->rights |= rights;
    }
    return r;
}

/* ---- the tree ---- */

static struct mailbox mailbox_of(struct query *q, struct arena *a)
{
    return (struct mailbox){.id = q_get_int(q, 0),
                            .account = q_get_int(q, 1),
                            .parent = q_get_int(q, 2),
                            .path = arena_str(a, q_get(q, 3)),
                            .use = (enum special_use)q_get_int(q, 4),
                            .uid_validity = (uint32_t)q_get_int(q, 5),
                            .uid_next = q_get_int(q, 6) > UINT32_MAX ? UINT32_MAX : (uid)q_get_int(q, 6),
                            .highest_modseq = (uint64_t)q_get_int(q, 7),
                            .messages = q_get_int(q, 8),
                            .unseen = q_get_int(q, 9),
                            .deleted = q_get_int(q, 10),
                            .bytes = q_get_int(q, 11)};
}

/* Siblings in order of name, INBOX first; `path` is the name still. */
static int by_place(const void *x, const void *y)
{
    const struct mailbox *a = x, *b = y;
    if (a->parent != b->parent) return a->parent < b->parent ? -1 : 1;
    if ((a->use == USE_INBOX) != (b->use == USE_INBOX)) return a->use == USE_INBOX ? -1 : 1;
    return str_cmp(a->path, b->path);
}

static size_t first_child(const struct mailbox *v, size_t n, int64_t parent)
{
    size_t from = 0, to = n;
    while (from < to) {
        size_t half = from + (to - from) / 2;
        if (v[half].parent < parent) from = half + 1;
        else to = half;
    }
    return from;
}

static struct str joined(struct arena *a, struct str above, struct str name)
{
    if (above.n == 0) return name;
    char *p = arena_alloc(a, above.n + 1 + name.n);
    memcpy(p, above.p, above.n);
    p[above.n] = '/';
    memcpy(p + above.n + 1, name.p, name.n);
    return str_of(p, above.n + 1 + name.n);
}

/* Those below `parent`, each before its own: to *out, which has room for all. */
static size_t flatten(struct tree *t, struct mailbox *v, size_t n, int64_t parent, struct str path,
                      struct mailbox **out, int depth)
{
    size_t put = 0;
    if (depth == 0) return 0;
    for (size_t i = first_child(v, n, parent); i < n && v[i].parent == parent; i++) {
        v[i].path = joined(t->g->arena, path, v[i].path);
        out[put++] = &v[i];
        put += flatten(t, v, n, v[i].id, v[i].path, out + put, depth - 1);
    }
    return put;
}

static int read_tree(struct store *s, struct db *db, void *arg, struct error *e)
{
    (void)s;
    struct tree *t = arg;
    struct buf rows = BUF(SIZE_MAX);
    struct query q = db_query(db, SQL_MAILBOX_TREE);
    int r;
    q_int(&q, t->account);
    while ((r = q_row(&q, e)) > 0) {
        struct mailbox m = mailbox_of(&q, t->g->arena);
        m.is_level = q_get_int(&q, 12) != 0;
        buf_add(&rows, str_of(&m, sizeof m));
    }
    size_t n = rows.n / sizeof(struct mailbox);
    struct mailbox *v = arena_array(t->g->arena, n, sizeof *v);
    if (n) memcpy(v, rows.p, rows.n);
    buf_free(&rows);
    if (r) return r;
    qsort(v, n, sizeof *v, by_place);
    for (size_t i = 0; i < n; i++) map_set(&t->by_id, key_of(&v[i].id), &v[i]);
    r = set_rights(db, t, v, n, e);
    if (r) return r;
    struct mailbox **order = arena_array(t->g->arena, n, sizeof(*order));
    n = flatten(t, v, n, 0, S(""), order, LIMIT_MAILBOX_DEPTH);
    for (size_t i = 0; i < n; i++)
        if (order[i]->rights & RIGHT_LOOKUP && (t->levels || !order[i]->is_level))
            buf_add(&t->g->rows, str_of(order[i], sizeof *order[i]));
    return 0;
}

static FIBER int whole_tree(struct store *s, struct arena *a, struct tree *t, struct mailbox **out, size_t *n,
                            struct error *e)
{
    t->g = gathering_new(a);
    map_init(&t->by_id, s->hash_key);
    int r = store_read(s, read_tree, t, e);
    if (!r) {
        *out = gathered_rows(a, t->g, sizeof **out, n);
        for (size_t i = 0; i < *n; i++) (*out)[i].path = arena_str(a, (*out)[i].path);
    }
    map_free(&t->by_id);
    gathering_free(t->g);
    return r;
}

FIBER int store_mailbox_tree(struct store *s, struct arena *a, int64_t who, int64_t account, struct mailbox **out,
                             size_t *n, struct error *e)
{
    return whole_tree(s, a, &(struct tree){.who = who, .account = account}, out, n, e);
}

FIBER int store_mailbox_names(struct store *s, struct arena *a, int64_t who, int64_t account, struct mailbox **out,
                              size_t *n, struct error *e)
{
    return whole_tree(s, a, &(struct tree){.who = who, .account = account, .levels = true}, out, n, e);
}

/* ---- one ---- */

struct finding {
    struct arena *arena;
    int64_t who, account;
    int64_t level; /* out: there is no mailbox, but a level of this name */
    struct str path;
    struct mailbox found;
};

static int read_one(struct store *s, struct db *db, void *arg, struct error *e)
{
    (void)s;
    struct finding *f = arg;
    struct levels path;
    size_t n;
    int64_t id;
    right_set rights;
    int r = levels_of(f->arena, f->path, &path, NULL);
    if (r) return error_set(e, ERR_NOT_FOUND, "there is no such mailbox"); /* nor can there be */
    r = tree_walk(db, f->account, &path, &n, &id, e);
    if (!r && n < path.n) r = error_set(e, ERR_NOT_FOUND, "there is no such mailbox");
    if (!r) f->level = id;
    if (!r) r = access_rights(db, f->who, id, &rights, NULL, e);
    if (!r && rights == 0) r = error_set(e, ERR_NOT_FOUND, "there is no such mailbox");
    if (r) return r;
    struct query q = db_query(db, SQL_MAILBOX_ONE);
    q_int(&q, id);
    r = q_row(&q, e);
    if (r <= 0) return r < 0 ? r : error_set(e, ERR_NOT_FOUND, "there is no such mailbox");
    f->found = mailbox_of(&q, f->arena);
    q_end(&q);
    f->found.rights = rights;
    struct buf *whole = buf_in(f->arena, LIMIT_MAILBOX_DEPTH * (LIMIT_MAILBOX_NAME + 1));
    for (size_t i = 0; i < path.n; i++) {
        if (i) buf_char(whole, '/');
        buf_add(whole, path.v[i]);
    }
    f->found.path = buf_str(whole);
    return 0;
}

FIBER int store_mailbox_find(struct store *s, struct arena *a, int64_t who, int64_t account, struct str path,
                             struct mailbox *out, struct error *e)
{
    struct finding f = {.arena = arena_new(NULL, 0), .who = who, .account = account, .path = path};
    int r = store_read(s, read_one, &f, e);
    if (!r) {
        *out = f.found;
        out->path = arena_str(a, f.found.path);
    }
    arena_free(f.arena);
    return r;
}

/* What access_rights() does not find, though the walk did, is a level: of the owner's alone. */
FIBER int store_level_find(struct store *s, int64_t who, int64_t account, struct str path, int64_t *id, struct error *e)
{
    struct finding f = {.arena = arena_new(NULL, 0), .who = who, .account = account, .path = path};
    int r = store_read(s, read_one, &f, e);
    bool is_level = r == ERR_NOT_FOUND && f.level && (who == account || who == PRINCIPAL_ADMIN);
    arena_free(f.arena);
    *id = f.level;
    return is_level ? 0 : r ? r : error_set(e, ERR_EXISTS, "it is a mailbox");
}

/* ---- whose ---- */

struct sharing {
    struct gathering *g; /* ids */
    int64_t who;
};

static int read_shared(struct store *s, struct db *db, void *arg, struct error *e)
{
    (void)s;
    struct sharing *sh = arg;
    int r = access_is_active(db, sh->who, e);
    if (r <= 0) return r;
    struct query q = db_query(db, SQL_ACLS_OF_PRINCIPAL);
    q_int(&q, sh->who);
    q_int(&q, PRINCIPAL_ANYONE);
    int64_t last = 0;
    while ((r = q_row(&q, e)) > 0) { /* in order of account */
        int64_t account = q_get_int(&q, 0);
        right_set rights = 0;
        if (account == sh->who || account == last || rights_parse(q_get(&q, 1), &rights)) continue;
        if (!(rights & RIGHT_LOOKUP)) continue;
        last = account;
        buf_add(&sh->g->rows, str_of(&account, sizeof account));
    }
    return r;
}

struct shown_account {
    int64_t id;
    struct address key;
};

static int by_login(const void *x, const void *y)
{
    const struct shown_account *a = x, *b = y;
    int c = str_cmp(a->key.domain, b->key.domain);
    return c ? c : str_cmp(a->key.local, b->key.local);
}

FIBER int store_shared_accounts(struct store *s, struct arena *a, int64_t who, int64_t **accounts, size_t *n,
                                struct error *e)
{
    struct sharing sh = {.g = gathering_new(a), .who = who};
    int r = store_read(s, read_shared, &sh, e);
    if (!r) {
        size_t all, known = 0;
        int64_t *ids = gathered_rows(a, sh.g, sizeof *ids, &all);
        const struct directory *d = store_directory_in(a, s);
        struct shown_account *v = arena_array(a, all, sizeof *v);
        for (size_t i = 0; i < all; i++) {
            const struct directory_account *account = directory_account_by_id(d, ids[i]);
            if (account) v[known++] = (struct shown_account){ids[i], account->key};
        }
        if (known) qsort(v, known, sizeof *v, by_login);
        for (size_t i = 0; i < known; i++) ids[i] = v[i].id;
        *accounts = ids;
        *n = known;
    }
    gathering_free(sh.g);
    return r;
}

/* ---- quota ---- */

struct using
{
    int64_t account;
    struct quota quota;
};

static int read_quota(struct store *s, struct db *db, void *arg, struct error *e)
{
    struct using *u = arg;
    struct query q = db_query(db, SQL_ACCOUNT_USES);
    q_int(&q, u->account);
    int r = q_row(&q, e);
    if (r <= 0) return r < 0 ? r : error_set(e, ERR_NOT_FOUND, "there is no such account");
    u->quota = (struct quota){.used_bytes = q_get_int(&q, 0),
                              .used_count = q_get_int(&q, 1),
                              .limit_bytes = q_get_int(&q, 2),
                              .limit_count = q_get_int(&q, 3),
                              .kept_bytes = q_get_int(&q, 4),
                              .kept_count = q_get_int(&q, 5)};
    if (s->count_expunged) u->quota.used_bytes += u->quota.kept_bytes, u->quota.used_count += u->quota.kept_count;
    q_end(&q);
    return 0;
}

FIBER int store_quota(struct store *s, int64_t account, struct quota *out, struct error *e)
{
    struct using u = {.account = account};
    int r = store_read(s, read_quota, &u, e);
    if (!r) *out = u.quota;
    return r;
}
