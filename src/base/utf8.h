/* UTF-8 (RFC 3629): strict decoding, no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/buf.h"

/* Decodes the first character of s into *cp and returns its length, 1-4; 0 at the end; -1 when the bytes are
 * not UTF-8 (then *cp = U+FFFD and the caller skips one byte). */
int utf8_next(struct str s, uint32_t *cp);

bool utf8_valid(struct str s);
bool str_is_ascii(struct str s);
size_t utf8_count(struct str s);                 /* characters; a bad byte counts as one */
struct str utf8_head(struct str s, size_t max);  /* the longest prefix of whole characters of at most max bytes */
void utf8_put(struct buf *b, uint32_t cp);       /* U+FFFD for what is no scalar value */
void utf8_put_repaired(struct buf *b, struct str s); /* bad bytes become U+FFFD */

#endif
