/* EXPUNGE and UID EXPUNGE (RFC 9051 §6.4.3, §6.4.9). */
#include "maa/imap/session.h"

FIBER struct imap_done imap_on_expunge(struct imap_session *s, const struct imap_command *c)
{
    struct uid_range all = {1, s->selected->shown->uid_next - 1};
    struct uid_set uids = {&all, all.last >= all.first, 1}, gone = {0};
    struct error why = {0};
    if (c->uid && imap_resolve(s, &c->expunge, true, &uids)) return imap_bad(S("that is no set of UIDs"));
    if (s->selected->read_only) return imap_no(S("READ-ONLY"), S("this mailbox is open for reading only"));
    int e = uids.n ? store_expunge_set(s->service->store, s->cmd, s->who.account, s->selected->mailbox, &uids, true,
                                       &gone, &why)
                   : 0;
    if (e) return imap_refusal(s, e, &why);
    s->owes = true;
    s->expunged += (int64_t)uid_set_count(&gone);
    if (gone.n == 0 || !(s->enabled & IMAP_CONDSTORE)) return imap_ok(STR_NONE, S("done"));
    return imap_ok_gone(s, S("done")); /* RFC 7162 §3.2.7 */
}
