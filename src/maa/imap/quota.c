/* Quotas (RFC 9208): a root for each account. One's own is called "", another's by his login. */
#include "maa/imap/tree.h"

enum { KIB = 1024 };

/* STORAGE is in units of 1024 octets (§5.1); used ones begun count. MESSAGE: as many as there are UIDs. */
static void put_quota(struct imap_session *s, struct buf *b, struct str root, const struct quota *q)
{
    buf_lit(b, "* QUOTA ");
    imap_put_astring(b, root, imap_utf8(s));
    buf_lit(b, " (");
    if (q->limit_bytes)
        buf_printf(b, "STORAGE %lld %lld ", (long long)((q->used_bytes + KIB - 1) / KIB),
                   (long long)(q->limit_bytes / KIB));
    buf_printf(b, "MESSAGE %lld %lld)\r\n", (long long)q->used_count,
               (long long)(q->limit_count ? q->limit_count : UINT32_MAX));
}

static struct str root_of(struct imap_session *s, int64_t account)
{
    return account == s->who.account ? S("") : imap_login_of(s, account);
}

static bool administers(struct imap_session *s)
{
    const struct imap_service *service = s->service;
    for (size_t i = 0; i < service->n_administrators; i++)
        if (imap_account_named(s, service->administrators[i]) == s->who.account) return true;
    return false;
}

/* Whose quota it is; 0: there is none of that name, or not for this client. */
static int64_t account_of(struct imap_session *s, struct str root)
{
    if (root.n == 0) return s->who.account;
    int64_t account = imap_account_named(s, root);
    return account == s->who.account || administers(s) ? account : 0;
}

static FIBER struct imap_done tell_quota(struct imap_session *s, struct str root, int64_t account)
{
    struct quota q;
    struct error why = {0};
    int e = store_quota(s->service->store, account, &q, &why);
    if (e) return imap_refusal(s, e, &why);
    struct buf *b = buf_in(s->cmd, SIZE_MAX);
    put_quota(s, b, root, &q);
    imap_put(s, buf_str(b));
    return imap_ok(STR_NONE, S("done"));
}

FIBER struct imap_done imap_on_getquota(struct imap_session *s, const struct imap_command *c) /* RFC 9208 §4.1.1 */
{
    int64_t account = account_of(s, c->quota.root);
    if (account == 0) return imap_no(S("NONEXISTENT"), S("there is no such quota root"));
    return tell_quota(s, c->quota.root, account);
}

/* Whose mailbox it is; of one's own there need be none of that name yet (§4.1.2). */
static FIBER bool find_owner(struct imap_session *s, struct str written, struct str *name, int64_t *account,
                             struct imap_done *refusal)
{
    struct mailbox m;
    struct imap_place place;
    bool found = imap_find_for(s, written, RIGHT_READ, name, &m, refusal);
    *account = found ? m.account : 0;
    if (found || !str_eq(refusal->code, S("NONEXISTENT")) || imap_place(s, *name, &place, NULL)) return found;
    *account = place.account;
    return place.account == s->who.account;
}

FIBER struct imap_done imap_on_getquotaroot(struct imap_session *s, const struct imap_command *c) /* RFC 9208 §4.3 */
{
    int64_t account;
    struct str name;
    struct quota q;
    struct imap_done refusal;
    struct error why = {0};
    if (!find_owner(s, c->quota.root, &name, &account, &refusal)) return refusal;
    int e = store_quota(s->service->store, account, &q, &why);
    if (e) return imap_refusal(s, e, &why);
    struct str root = root_of(s, account);
    struct buf *b = buf_in(s->cmd, SIZE_MAX);
    buf_lit(b, "* QUOTAROOT ");
    imap_put_mailbox(b, name, imap_utf8(s));
    buf_char(b, ' ');
    imap_put_astring(b, root, imap_utf8(s));
    buf_lit(b, "\r\n");
    put_quota(s, b, root, &q);
    imap_put(s, buf_str(b));
    return imap_ok(STR_NONE, S("done"));
}

/* What is not named has no limit any more, nor has what is given as much as there can be: MESSAGE is told so. */
static bool read_limits(const struct imap_quota *q, int64_t *bytes, int64_t *count, struct imap_done *refusal)
{
    *bytes = *count = 0;
    for (size_t i = 0; i < q->n; i++) {
        uint64_t limit = q->limits[i].limit;
        bool storage = str_ieq(q->limits[i].resource, S("STORAGE"));
        *refusal = imap_no(S("CANNOT"), S("quotas are of STORAGE and MESSAGE"));
        if (!storage && !str_ieq(q->limits[i].resource, S("MESSAGE"))) return false;
        *refusal = imap_no(S("CANNOT"), S("a quota is at least 1; leave it out for none"));
        if (limit == 0) return false;
        if (storage) *bytes = limit < INT64_MAX / KIB ? (int64_t)limit * KIB : 0;
        else *count = limit < UINT32_MAX ? (int64_t)limit : 0;
    }
    return true;
}

FIBER struct imap_done imap_on_setquota(struct imap_session *s, const struct imap_command *c) /* RFC 9208 §4.1.3 */
{
    int64_t account, bytes, count;
    struct imap_done refusal;
    struct error why = {0};
    if (!administers(s)) return imap_no(S("NOPERM"), S("quotas are set by the administration"));
    account = account_of(s, c->quota.root);
    if (account == 0) return imap_no(S("NONEXISTENT"), S("there is no such quota root"));
    if (!read_limits(&c->quota, &bytes, &count, &refusal)) return refusal;
    int e = store_account_change(s->service->store, account, NULL, &bytes, &count, NULL, &why);
    if (e) return imap_refusal(s, e, &why);
    return tell_quota(s, c->quota.root, account);
}
