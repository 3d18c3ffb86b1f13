/* An 8-bit letter for a 7-bit peer (RFC 6152 §3): leaf parts become quoted-printable or base64. */
#ifndef PROTO_MIME_DOWNGRADE_H
#define PROTO_MIME_DOWNGRADE_H

#include "base/arena.h"
#include "base/buf.h"

enum { LIMIT_DOWNGRADE = 4 << 20 }; /* bytes of a letter that is re-encoded, in memory */

/* Re-encodes what needs it, changing Content-Transfer-Encoding fields and bodies of leaf parts and nothing else; lines
 * of the result are at most 998 bytes. 0; ERR_DENIED: it must not be changed (8-bit inside multipart/signed or
 * multipart/encrypted, or any DKIM-Signature above: RFC 6376 §5.3; 5.6.3); ERR_UNSUPPORTED: it cannot be (8-bit header
 * fields, message/rfc822 of another encoding, a broken structure); ERR_TOO_LONG. */
int mime_downgrade(struct arena *a, struct str letter, struct buf *out, struct error *e);

#endif
