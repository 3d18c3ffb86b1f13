/* COMPRESS=DEFLATE (RFC 4978). */
#include "maa/imap/session.h"
#include "mail/limits.h"

FIBER struct imap_done imap_on_compress(struct imap_session *s, const struct imap_command *c)
{
    if (!str_ieq(c->mailbox, S("DEFLATE"))) return imap_bad(S("DEFLATE it is, or nothing"));
    if (s->compressed) /* RFC 4978 §3 */
        return (struct imap_done){IMAP_BAD, S("COMPRESSIONACTIVE"), S("that is what we do"), false, false};
    struct buf *b = buf_in(s->cmd, LIMIT_IMAP_STATUS_LINE + c->tag.n);
    imap_put_condition(b, c->tag, IMAP_OK, STR_NONE, S("from here on"));
    imap_put(s, buf_str(b));
    s->compressed = stream_deflate(s->io) == 0;
    return (struct imap_done){.said = true, .close = !s->compressed};
}
