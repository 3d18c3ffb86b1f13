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

FIBER struct imap_done imap_on_getquota(struct imap_session *s, const struct imap_command *c) /* RFC 9208 §4.2 */
{
    struct quota q;
    struct error why = {0};
    struct str login = imap_login_of(s, s->who.account);
    bool own = c->quota.root.n == 0 || str_ieq(c->quota.root, login);
    if (!own) return imap_no(S("NONEXISTENT"), S("there is no such quota root"));
    int e = store_quota(s->service->store, s->who.account, &q, &why);
    if (e) return imap_refusal(s, e, &why);
    struct buf *b = buf_in(s->cmd, SIZE_MAX);
    put_quota(s, b, c->quota.root, &q);
    imap_put(s, buf_str(b));
    return imap_ok(STR_NONE, S("done"));
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

/* RFC 9208 §4.1.1: for the administration, which has words of its own (penny account). */
FIBER struct imap_done imap_on_setquota(struct imap_session *s, const struct imap_command *c)
{
    (void)s, (void)c;
    return imap_no(S("NOPERM"), S("quotas are set by the administration"));
}
