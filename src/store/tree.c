/* Paths of mailboxes and the rows they lead to (RFC 9051 §5.1): a tree by (account, parent, name). */
#include "store/tree.h"

#include "mail/mailbox_name.h"

/* ---- names ---- */

/* Names that would be read as something else: by a file system when mailboxes are exported, or by an IMAP client, for
 * which "#" begins other namespaces (RFC 3501 §5.1.1). */
static bool is_trap(struct str level, bool first)
{
    return str_eq(level, S(".")) || str_eq(level, S("..")) || (first && level.p[0] == '#');
}

int levels_of(struct arena *a, struct str path, struct levels *out, struct error *e)
{
    out->n = 0;
    for (bool more = true; more; out->n++) {
        struct str level, rest;
        if (out->n == LIMIT_MAILBOX_DEPTH)
            return error_set(e, ERR_CONFLICT, "mailboxes have at most %d levels", LIMIT_MAILBOX_DEPTH);
        more = str_cut(path, '/', &level, &rest);
        path = rest;
        int r = mailbox_level(a, level, &level);
        if (r == ERR_TOO_LONG)
            return error_set(e, ERR_SYNTAX, "a mailbox's name has at most %d bytes a level", LIMIT_MAILBOX_NAME);
        if (r || is_trap(level, out->n == 0)) return error_set(e, ERR_SYNTAX, "not a name for a mailbox");
        out->v[out->n] = level;
    }
    if (str_ieq(out->v[0], S("INBOX"))) out->v[0] = S("INBOX"); /* RFC 9051 §5.1 */
    if (str_ieq(out->v[0], S("Shared")))
        return error_set(e, ERR_SYNTAX, "\"Shared\" is where mailboxes of others are"); /* RFC 2342 §5 */
    return 0;
}

int tree_walk(struct db *db, int64_t account, const struct levels *path, size_t *found, int64_t *id, struct error *e)
{
    *found = 0;
    *id = 0;
    for (int r; *found < path->n; ++*found) {
        struct query q = db_query(db, SQL_MAILBOX_FIND);
        q_int(&q, account);
        q_int(&q, *id);
        q_text(&q, path->v[*found]);
        r = q_one_int(&q, id, e);
        if (r) return r == ERR_NOT_FOUND ? 0 : r;
    }
    return 0;
}

int tree_row(struct db *db, struct arena *a, int64_t id, struct tree_row *out, struct error *e)
{
    struct query q = db_query(db, SQL_MAILBOX_ROW);
    q_int(&q, id);
    int r = q_row(&q, e);
    if (r < 0) return r;
    if (r == 0) return error_set(e, ERR_NOT_FOUND, "there is no such mailbox");
    *out = (struct tree_row){.id = id,
                             .account = q_get_int(&q, 0),
                             .parent = q_get_int(&q, 1),
                             .name = arena_str(a, q_get(&q, 2)),
                             .use = (enum special_use)q_get_int(&q, 3),
                             .uid_next = (uint64_t)q_get_int(&q, 4),
                             .deleted_at = q_get_int(&q, 5),
                             .level = q_get_int(&q, 6) != 0};
    q_end(&q);
    return 0;
}

int tree_path(struct db *db, struct arena *a, int64_t id, struct str *out, struct error *e)
{
    struct str levels[LIMIT_MAILBOX_DEPTH];
    size_t n = 0, bytes = 0;
    for (; id && n < LIMIT_MAILBOX_DEPTH; n++) {
        struct tree_row row;
        int r = tree_row(db, a, id, &row, e);
        if (r == ERR_NOT_FOUND && n > 0) break; /* an empty mailbox above was forgotten at once */
        if (r) return r;
        levels[n] = row.name;
        bytes += row.name.n + 1;
        id = row.parent;
    }
    char *p = arena_alloc(a, bytes);
    *out = str_of(p, bytes - 1);
    for (size_t i = n; i-- > 0;) {
        memcpy(p, levels[i].p, levels[i].n);
        p += levels[i].n;
        if (i > 0) *p++ = '/';
    }
    return 0;
}

/* ---- making ---- */

int tree_may_not_create(struct error *e)
{
    return error_set(e, ERR_DENIED, "mailboxes of others can be made only where they let you");
}

/* Whether there is something that he may not see is not told (RFC 4314 §6): one refusal for all. */
int tree_may_create(struct store *s, int64_t who, int64_t account, int64_t parent, struct error *e)
{
    struct error why = {0};
    int r = tree_nearest(s->writer.db, s->writer.arena, parent, &parent, &why);
    if (!r)
        r = parent ? access_check(s->writer.db, who, parent, RIGHT_CREATE, NULL, &why) /* RFC 4314 §4 */
                   : access_is_active(s->writer.db, who, &why);
    if (parent && r == 0) return 0;
    if (!parent && r > 0 && (who == account || who == PRINCIPAL_ADMIN)) return 0;
    if (r >= 0 || r == ERR_NOT_FOUND || r == ERR_DENIED) return tree_may_not_create(e);
    if (e) *e = why;
    return r;
}

static int check_limit(struct store *s, int64_t account, size_t more, struct error *e)
{
    int64_t n = 0;
    struct query q = db_query(s->writer.db, SQL_MAILBOXES_COUNT);
    q_int(&q, account);
    int r = q_one_int(&q, &n, e);
    if (r) return r;
    if (n + (int64_t)more > LIMIT_MAILBOXES)
        return error_set(e, ERR_CONFLICT, "there are at most %d mailboxes", LIMIT_MAILBOXES);
    return 0;
}

int tree_nearest(struct db *db, struct arena *a, int64_t id, int64_t *out, struct error *e)
{
    for (*out = id; *out;) {
        struct tree_row row = {0};
        int r = tree_row(db, a, *out, &row, e);
        if (r || !row.level) return r;
        *out = row.parent;
    }
    return 0;
}

int tree_insert(struct store *s, int64_t id, int64_t account, int64_t parent, struct str name, enum special_use use,
                struct error *e)
{
    struct account_row *a;
    int r = rows_account(s, account, &a, e);
    if (r) return r;
    uint64_t modseq = rows_next_modseq(s, a);
    struct query q = db_query(s->writer.db, SQL_MAILBOX_INSERT);
    q_int(&q, id);
    q_int(&q, account);
    q_int(&q, parent);
    q_text(&q, name);
    q_int(&q, use);
    q_int(&q, a->uid_validity++); /* of the account: two mailboxes never have the same, whatever their names */
    q_int(&q, (int64_t)modseq);
    q_int(&q, (int64_t)modseq);
    q_bytes(&q, S(""));
    return q_run(&q, e);
}

static int inherit(struct store *s, int64_t id, int64_t parent, struct error *e) /* RFC 4314 §4, CREATE */
{
    int r = tree_nearest(s->writer.db, s->writer.arena, parent, &parent, e);
    if (r || !parent) return r;
    struct query q = db_query(s->writer.db, SQL_ACL_INHERIT);
    q_int(&q, id);
    q_int(&q, parent);
    return q_run(&q, e);
}

int tree_raise(struct store *s, const struct tree_row *level, enum special_use use, struct error *e)
{
    static const enum sql set[] = {SQL_MAILBOX_SET_LEVEL, SQL_MAILBOX_SET_USE};
    const int64_t to[] = {0, use};
    int r = 0;
    for (size_t i = 0; !r && i < 2; i++) {
        struct query q = db_query(s->writer.db, set[i]);
        q_int(&q, to[i]);
        q_int(&q, level->id);
        r = q_run(&q, e);
    }
    if (!r) r = inherit(s, level->id, level->parent, e);
    if (!r) rows_news(s, level->account, level->id, NEWS_MADE);
    return r;
}

/* Tombstones of one name have different times, the same clock or not. */
int tree_bury(struct store *s, const struct tree_row *row, struct error *e)
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

int tree_has_child(struct store *s, int64_t account, int64_t id, bool *out, struct error *e)
{
    int64_t child;
    struct query q = db_query(s->writer.db, SQL_MAILBOX_HAS_CHILD);
    q_int(&q, account);
    q_int(&q, id);
    int r = q_one_int(&q, &child, e);
    *out = r == 0;
    return r == ERR_NOT_FOUND ? 0 : r;
}

/* What lay below may be a tombstone still, which has its path from it. */
int tree_prune(struct store *s, int64_t account, int64_t id, struct error *e)
{
    while (id) {
        struct tree_row row = {0};
        bool has_child = false;
        int r = tree_row(s->writer.db, s->writer.arena, id, &row, e);
        if (!r && row.level) r = tree_has_child(s, account, id, &has_child, e);
        if (r || !row.level || row.deleted_at || has_child) return r;
        r = tree_bury(s, &row, e);
        if (r) return r;
        id = row.parent;
    }
    return 0;
}

int tree_make(struct store *s, int64_t account, const struct levels *path, size_t found, int64_t parent,
              enum special_use use, int64_t *id, struct error *e)
{
    int r = check_limit(s, account, path->n - found, e);
    for (size_t i = found; !r && i < path->n; i++) {
        *id = store_new_id(s);
        r = tree_insert(s, *id, account, parent, path->v[i], i + 1 == path->n ? use : USE_NONE, e);
        if (!r) r = inherit(s, *id, parent, e);
        if (!r) rows_news(s, account, *id, NEWS_MADE);
        parent = *id;
    }
    return r;
}
