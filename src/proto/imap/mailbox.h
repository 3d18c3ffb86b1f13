/* Mailbox names on the wire: modified UTF-7 (RFC 3501 §5.1.3), or UTF-8 (RFC 9051 §5.1, RFC 6855).
 *
 * Inside, names are UTF-8. What a level may be, mail/mailbox_name.h says; which separator there is, the session. */
#ifndef PROTO_IMAP_MAILBOX_H
#define PROTO_IMAP_MAILBOX_H

#include "base/arena.h"
#include "base/buf.h"

/* A name as a client wrote it. utf8: IMAP4rev2 or UTF8=ACCEPT is enabled, so that "&" is an ampersand; otherwise
 * modified UTF-7 is decoded, and raw UTF-8 is taken too. "inbox" in any case, alone or before '/', becomes "INBOX".
 * The wildcards of LIST go through unchanged. 0, or ERR_SYNTAX: bad UTF-8, bad or not canonical UTF-7 (which could
 * hide a separator or be another way to write a name), control characters. */
int imap_mailbox_decode(struct arena *a, struct str written, bool utf8, struct str *out);

/* The bytes a client is to see: an astring, quoted or as a literal if it needs to be. */
void imap_put_mailbox(struct buf *b, struct str name, bool utf8);

/* The bytes alone, in modified UTF-7. */
void imap_put_utf7(struct buf *b, struct str name);

#endif
