/* DELETE (RFC 9051 §6.3.5). What lies below a mailbox stays, and keeps its name as one that is no mailbox. */
#include "maa/imap/tree.h"

FIBER struct imap_done imap_on_delete(struct imap_session *s, const struct imap_command *c)
{
    struct mailbox m;
    struct str name;
    struct imap_done refusal;
    struct error why = {0};
    if (!imap_find_for(s, c->mailbox, RIGHT_REMOVE, &name, &m, &refusal)) return refusal;
    if (m.use == USE_INBOX) return imap_no(S("CANNOT"), S("INBOX cannot be deleted"));
    int e = store_mailbox_delete(s->service->store, s->who.account, m.id, &why);
    if (e) return imap_refusal(s, e, &why);
    imap_tell_canonical(s, S("\\NonExistent"), imap_name_of(s, m.account, m.path), c->mailbox);
    return imap_ok(STR_NONE, S("deleted"));
}
