/* Pieces of responses (RFC 9051 §9, RFC 3501 §9), appended to a buffer.
 *
 * `utf8`: the client has enabled IMAP4rev2 or UTF8=ACCEPT, so that quoted strings may hold UTF-8 (RFC 6855 §3). */
#ifndef PROTO_IMAP_WRITE_H
#define PROTO_IMAP_WRITE_H

#include "base/time.h"
#include "mail/flags.h"
#include "mail/uid.h"
#include "proto/imap/command.h"
#include "proto/imap/mailbox.h"

/* string: quoted if it can be (and is not long), else a literal. NUL becomes 0x80: CHAR8 has none. */
void imap_put_string(struct buf *b, struct str s, bool utf8);
void imap_put_nstring(struct buf *b, struct str s, bool utf8); /* STR_NONE: NIL */
void imap_put_astring(struct buf *b, struct str s, bool utf8); /* an atom if it can be one */
void imap_put_literal_head(struct buf *b, uint64_t size, bool binary); /* "{5}\r\n", "~{5}\r\n" */

/* date-time: "28-Nov-2026 20:55:00 +0000" in its quotes. offset: minutes east of UTC. */
void imap_put_date_time(struct buf *b, utc_us t, int offset);

void imap_put_set(struct buf *b, const struct uid_set *s); /* "1:4,9"; nothing for the empty one */

/* "(\Seen $Junk own)", with its parentheses. own: names of the bits from FLAG_FIRST_OWN on, n_own of them; bits without
 * a name are left out. */
void imap_put_flags(struct buf *b, flag_set flags, const struct str *own, size_t n_own);
/* The name of a bit below FLAG_FIRST_OWN: "\\Seen", "$Forwarded". */
struct str imap_flag_name(unsigned bit);

/* "[1.2.HEADER.FIELDS (Subject To)]", as BODY[...] and BINARY[...] are answered. Of a partial, "<offset>" is not. */
void imap_put_section(struct buf *b, const struct imap_section *s);

/* Status responses (RFC 9051 §7.1): "a1 OK [UIDNEXT 4] text\r\n". */
enum imap_condition { IMAP_OK, IMAP_NO, IMAP_BAD, IMAP_BYE, IMAP_PREAUTH };
/* tag: "*" for untagged ones. code: without its brackets, empty: none. text: control and non-ASCII bytes become '?';
 * an empty one becomes a word, for there must be one. */
void imap_put_condition(struct buf *b, struct str tag, enum imap_condition c, struct str code, struct str text);

#endif
