/* Mailbox names: levels in NFC UTF-8 (RFC 9051 §5.1), the special uses of RFC 6154. */
#ifndef MAIL_MAILBOX_NAME_H
#define MAIL_MAILBOX_NAME_H

#include "base/arena.h"

/* Of those registered \All and \Flagged would be made of other mailboxes, and nothing here decides what is \Important
 * (RFC 8457 §3). */
enum special_use { USE_NONE, USE_INBOX, USE_DRAFTS, USE_SENT, USE_JUNK, USE_TRASH, USE_ARCHIVE };

struct str special_use_attribute(enum special_use use); /* "\Drafts"; empty for none and the inbox */
struct str special_use_name(enum special_use use);      /* what we call it when we make it: "Drafts", "INBOX" */
/* of an attribute, ASCII case ignored; USE_NONE if it is another */
enum special_use special_use_of(struct str attribute);

/* Checks and normalises one level: NFC, no control characters, no '/', not empty, at most LIMIT_MAILBOX_NAME bytes.
 * 0, ERR_SYNTAX or ERR_TOO_LONG. */
int mailbox_level(struct arena *a, struct str level, struct str *out);

#endif
