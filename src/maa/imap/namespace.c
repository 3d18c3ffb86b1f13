/* NAMESPACE (RFC 9051 §6.3.10, RFC 2342): one's own mailboxes, and those of others below "Shared/". */
#include "maa/imap/session.h"

FIBER struct imap_done imap_on_namespace(struct imap_session *s, const struct imap_command *c)
{
    (void)c;
    imap_put(s, S("* NAMESPACE ((\"\" \"/\")) ((\"" IMAP_SHARED "\" \"/\")) NIL\r\n"));
    return imap_ok(STR_NONE, S("done"));
}
