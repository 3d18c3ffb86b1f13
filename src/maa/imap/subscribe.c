/* SUBSCRIBE and UNSUBSCRIBE (RFC 9051 §6.3.7, §6.3.8): names, whether there is such a mailbox or not, for it may come
 * back. */
#include "maa/imap/tree.h"

FIBER struct imap_done imap_on_subscribe(struct imap_session *s, const struct imap_command *c)
{
    struct str name;
    struct error why = {0};
    bool on = c->verb == IMAP_SUBSCRIBE;
    if (imap_name(s, c->mailbox, &name)) return imap_no(S("CANNOT"), S("that is no name for a mailbox"));
    if (str_ends(name, S("/"))) name.n--;
    struct mailbox m;
    if (!imap_find(s, name, &m, NULL)) name = imap_name_of(s, m.account, m.path); /* as LIST calls it */
    int e = store_subscribe(s->service->store, s->who.account, name, on, &why);
    if (e == ERR_CONFLICT) return imap_no(S("LIMIT"), arena_str(s->cmd, str_c(why.text)));
    if (e) return imap_refusal(s, e, &why);
    return imap_ok(STR_NONE, on ? S("subscribed") : S("not subscribed any more"));
}
