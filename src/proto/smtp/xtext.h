/* xtext, by which parameters carry any printable text (RFC 3461 §4). */
#ifndef PROTO_SMTP_XTEXT_H
#define PROTO_SMTP_XTEXT_H

#include "base/arena.h"
#include "base/buf.h"

/* Decodes; the result borrows `text` where nothing was escaped. 0 or ERR_SYNTAX (a broken escape, or a byte that had to
 * be one). */
int xtext_decode(struct arena *a, struct str text, struct str *out);
void xtext_put(struct buf *b, struct str text);

#endif
