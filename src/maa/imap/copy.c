/* COPY and MOVE (RFC 9051 §6.4.7, §6.4.8), with COPYUID (RFC 4315): one operation of the store for all letters. */
#include "maa/imap/change.h"

#include "mail/limits.h"

FIBER bool imap_find_target(struct imap_session *s, struct str written, struct mailbox *out, struct imap_done *refusal)
{
    struct str name;
    struct error why = {0};
    if (imap_name(s, written, &name)) {
        *refusal = imap_no(S("CANNOT"), S("that is no name for a mailbox"));
        return false;
    }
    int e = imap_find(s, name, out, &why);
    if (!e && !(out->rights & (RIGHT_LOOKUP | RIGHT_READ | RIGHT_INSERT))) e = ERR_NOT_FOUND; /* RFC 4314 §6 */
    if (e == ERR_NOT_FOUND) *refusal = imap_no(S("TRYCREATE"), S("there is no such mailbox"));
    else if (e) *refusal = imap_refusal(s, e, &why);
    else if (!str_ieq(written, S("INBOX"))) /* RFC 9051 §6.3.12; what everybody writes as he likes, all know */
        imap_tell_canonical(s, S(""), imap_name_of(s, out->account, out->path), written);
    return e == 0;
}

struct imap_done imap_refuse_letters(struct imap_session *s, int error, const struct error *why)
{
    if (error == ERR_CONFLICT) return imap_no(S("OVERQUOTA"), S("that is more than the quota allows"));
    if (error == ERR_NO_SPACE) return imap_no(S("UNAVAILABLE"), S("the disk is full, try again later"));
    return imap_refusal(s, error, why);
}

static struct str copyuid(struct imap_session *s, const struct copying *c)
{
    struct buf *b = buf_in(s->cmd, 64 + 32 * (c->source.n + c->made.n));
    buf_printf(b, "COPYUID %u ", c->uid_validity);
    imap_put_set(b, &c->source);
    buf_char(b, ' ');
    imap_put_set(b, &c->made);
    return buf_str(b);
}

/* RFC 6851 §4.3: where they went, before the client hears that they are gone. */
static FIBER struct imap_done moved(struct imap_session *s, struct str code)
{
    struct buf *b = buf_in(s->cmd, code.n + 64);
    imap_put_condition(b, S("*"), IMAP_OK, code, S("moved"));
    imap_put(s, buf_str(b));
    return imap_ok_gone(s, S("done")); /* RFC 6851 §4.4 */
}

static FIBER struct imap_done copy(struct imap_session *s, const struct imap_command *c, bool move)
{
    struct uid_set uids;
    struct mailbox to;
    struct imap_done refusal;
    struct error why = {0};
    if (imap_resolve(s, &c->copy.set, c->uid, &uids)) return imap_bad(S("there is no such message number"));
    if (move && s->selected->read_only) return imap_no(S("READ-ONLY"), S("this mailbox is open for reading only"));
    if (!imap_find_target(s, c->copy.mailbox, &to, &refusal)) return refusal;
    if (uids.n == 0) return imap_ok(STR_NONE, S("there were none"));
    struct copying copying = {
        .who = s->who.account, .from = s->selected->mailbox, .to = to.id, .uids = &uids, .move = move};
    int e = store_copy(s->service->store, s->cmd, &copying, &why);
    if (e) return imap_refuse_letters(s, e, &why);
    if (copying.n == 0) return imap_no(S("EXPUNGEISSUED"), S("these messages are gone"));
    imap_own_letters(s, to.id, &copying.made);
    /* RFC 9051 §6.4.7, §11.4: who may not look into it learns nothing of what is there */
    struct str code = to.rights & RIGHT_READ ? copyuid(s, &copying) : STR_NONE;
    return move ? moved(s, code) : imap_finish_long(s, imap_ok(code, S("copied")), c->uid);
}

FIBER struct imap_done imap_on_copy(struct imap_session *s, const struct imap_command *c) { return copy(s, c, false); }
FIBER struct imap_done imap_on_move(struct imap_session *s, const struct imap_command *c) { return copy(s, c, true); }
