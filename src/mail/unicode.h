/* Unicode for names and passwords: canonical composition, canonical caseless keys. Over libunistring.
 *
 * ASCII never reaches the library. Input must be UTF-8 (RFC 3629) without control characters, as RFC 5198 §2 wants of
 * text. */
#ifndef MAIL_UNICODE_H
#define MAIL_UNICODE_H

#include "base/arena.h"

/* NFC of s, in `a`. 0, or ERR_SYNTAX for bad UTF-8 and control characters (C0, DEL, C1, U+2028, U+2029). */
int unicode_nfc(struct arena *a, struct str s, struct str *out);

/* Equal for texts that differ only in case or in composition: NFC(full case folding(NFD(s))), Unicode's canonical
 * caseless matching; a key's key is itself. Errors as above. */
int unicode_caseless(struct arena *a, struct str s, struct str *out);

/* A password as it is hashed and compared: RFC 8265 §4.2, OpaqueString without its table of unassigned code points:
 * spaces of all kinds become U+0020, then NFC; case and width stay. 0; ERR_SYNTAX (empty, bad UTF-8, control
 * characters); ERR_TOO_LONG over LIMIT_PASSWORD. */
int password_prepare(struct arena *a, struct str typed, struct str *out);

#endif
