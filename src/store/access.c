/* Rights to mailboxes (RFC 4314): one place that reads them, in whatever transaction asks. */
#include "store/access.h"

#include "store/inside.h"

int access_is_active(struct db *db, int64_t who, struct error *e)
{
    int64_t n = 0;
    if (who == PRINCIPAL_ADMIN) return 1;
    struct query q = db_query(db, SQL_PRINCIPAL_IS_ACTIVE);
    q_int(&q, who);
    int r = q_one_int(&q, &n, e);
    return r == ERR_NOT_FOUND ? 0 : r ? r : 1;
}

/* Of the principal's own entry and anyone's. */
static int granted(struct db *db, int64_t who, int64_t mailbox, right_set *out, struct error *e)
{
    struct query q = db_query(db, SQL_ACL_RIGHTS);
    q_int(&q, mailbox);
    q_int(&q, who);
    q_int(&q, PRINCIPAL_ANYONE);
    int r;
    while ((r = q_row(&q, e)) > 0) {
        right_set rights = 0;
        if (!rights_parse(q_get(&q, 0), &rights)) *out |= rights; /* what cannot be read gives nothing */
    }
    return r;
}

int access_rights(struct db *db, int64_t who, int64_t mailbox, right_set *out, int64_t *owner, struct error *e)
{
    int64_t account;
    *out = 0;
    struct query q = db_query(db, SQL_MAILBOX_OWNER);
    q_int(&q, mailbox);
    int r = q_one_int(&q, &account, e);
    if (r == ERR_NOT_FOUND) return error_set(e, ERR_NOT_FOUND, "there is no such mailbox");
    if (r) return r;
    if (owner) *owner = account;
    r = access_is_active(db, who, e);
    if (r <= 0) return r;
    if (who == account || who == PRINCIPAL_ADMIN) {
        *out = RIGHTS_ALL;
        return 0;
    }
    return granted(db, who, mailbox, out, e);
}

int access_check(struct db *db, int64_t who, int64_t mailbox, right_set needed, right_set *out, struct error *e)
{
    right_set rights;
    int r = access_rights(db, who, mailbox, &rights, NULL, e);
    if (r) return r;
    if (out) *out = rights;
    if ((rights & needed) == needed) return 0;
    /* RFC 4314 §6: who may neither look it up nor read it is not told that it is there */
    if (!(rights & (RIGHT_LOOKUP | RIGHT_READ))) return error_set(e, ERR_NOT_FOUND, "there is no such mailbox");
    return error_set(e, ERR_DENIED, "you have no right to do this in the mailbox");
}

/* ---- asked from outside ---- */

struct asking {
    int64_t who, mailbox;
    right_set rights;
};

static int read_rights(struct store *s, struct db *db, void *arg, struct error *e)
{
    (void)s;
    struct asking *a = arg;
    return access_rights(db, a->who, a->mailbox, &a->rights, NULL, e);
}

FIBER right_set store_rights(struct store *s, int64_t who, int64_t mailbox)
{
    struct asking a = {.who = who, .mailbox = mailbox};
    return store_read(s, read_rights, &a, NULL) ? 0 : a.rights;
}
