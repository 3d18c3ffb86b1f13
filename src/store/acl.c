/* Who else may do what in a mailbox: its access control list (RFC 4314 §3). The owner has no entry, for he has all
 * rights. */
#include "store/tree.h"

struct reading {
    struct gathering *g; /* struct acl_entry */
    int64_t who, mailbox;
};

static int read_acl(struct store *s, struct db *db, void *arg, struct error *e)
{
    (void)s;
    struct reading *re = arg;
    int r = access_check(db, re->who, re->mailbox, RIGHT_ADMIN, NULL, e);
    if (r) return r;
    struct query q = db_query(db, SQL_ACL);
    q_int(&q, re->mailbox);
    while ((r = q_row(&q, e)) > 0) {
        struct acl_entry entry = {.principal = q_get_int(&q, 0)};
        if (!rights_parse(q_get(&q, 1), &entry.rights)) buf_add(&re->g->rows, str_of(&entry, sizeof entry));
    }
    return r;
}

FIBER int store_acl(struct store *s, struct arena *a, int64_t who, int64_t mailbox, struct acl_entry **out, size_t *n,
                    struct error *e)
{
    struct reading re = {.g = gathering_new(a), .who = who, .mailbox = mailbox};
    int r = store_read(s, read_acl, &re, e);
    if (!r) *out = gathered_rows(a, re.g, sizeof **out, n);
    gathering_free(re.g);
    return r;
}

struct changing {
    int64_t who, mailbox, principal;
    enum acl_change how;
    right_set rights;
};

static int rights_now(struct store *s, const struct changing *c, right_set *out, struct error *e)
{
    struct query q = db_query(s->writer.db, SQL_ACL_RIGHTS);
    q_int(&q, c->mailbox);
    q_int(&q, c->principal);
    q_int(&q, c->principal);
    int r = q_row(&q, e);
    if (r < 0) return r;
    *out = 0;
    if (r > 0 && rights_parse(q_get(&q, 0), out)) *out = 0;
    q_end(&q);
    return 0;
}

static int put(struct store *s, const struct changing *c, right_set rights, struct error *e)
{
    char letters[32];
    struct buf text = BUF_OVER(letters);
    rights_put(&text, rights, false);
    struct query q = db_query(s->writer.db, rights ? SQL_ACL_PUT : SQL_ACL_DELETE);
    q_int(&q, c->mailbox);
    q_int(&q, c->principal);
    if (rights) q_text(&q, buf_str(&text));
    return q_run(&q, e);
}

static int check_limit(struct store *s, const struct changing *c, struct error *e)
{
    int64_t n = 0;
    struct query q = db_query(s->writer.db, SQL_ACL_COUNT);
    q_int(&q, c->mailbox);
    int r = q_one_int(&q, &n, e);
    if (!r && n >= LIMIT_ACL_ENTRIES)
        r = error_set(e, ERR_CONFLICT, "a mailbox can be shared with at most %d others", LIMIT_ACL_ENTRIES);
    return r;
}

static int run_change(struct store *s, void *args, struct error *e)
{
    const struct changing *c = args;
    int64_t owner = 0;
    right_set rights = 0;
    int r = access_check(s->writer.db, c->who, c->mailbox, RIGHT_ADMIN, NULL, e);
    if (!r) r = access_rights(s->writer.db, c->who, c->mailbox, &rights, &owner, e);
    if (r) return r;
    if (c->principal == owner) return error_set(e, ERR_DENIED, "the owner has all rights, always");
    struct account_row *a;
    bool known = c->principal == PRINCIPAL_ANYONE || rows_account(s, c->principal, &a, NULL) == 0;
    if (!known) return error_set(e, ERR_NOT_FOUND, "there is no such account");
    r = rights_now(s, c, &rights, e);
    right_set before = rights;
    switch (c->how) {
    case ACL_SET: rights = c->rights; break;
    case ACL_ADD: rights |= c->rights; break;
    case ACL_TAKE: rights &= ~c->rights; break;
    }
    if (!r && rights == before) return 0;
    if (!r && !before) r = check_limit(s, c, e);
    if (!r) r = put(s, c, rights, e);
    if (!r) rows_news(s, owner, c->mailbox, NEWS_ACL);
    if (!r && c->principal != PRINCIPAL_ANYONE) rows_news(s, c->principal, c->mailbox, NEWS_ACL);
    return r;
}

static const struct job_kind change_job = {.name = "acl", .run = run_change};

FIBER int store_acl_change(struct store *s, int64_t who, int64_t mailbox, int64_t principal, enum acl_change how,
                           right_set rights, struct error *e)
{
    struct changing c = {who, mailbox, principal, how, rights & RIGHTS_ALL};
    return store_job(s, &change_job, &c, 0, e);
}
