/* The one normal form in which texts are compared when they are searched: RFC 5051 (i;unicode-casemap), what
 * I18NLEVEL=1 asks of IMAP (RFC 5255 §4), so that "contains" is a comparison of bytes.
 *
 * Every character by itself: decomposed in full (compatibility too), then in lower case; where RFC 5051 keeps an "fi"
 * ligature's case we do not. Besides, runs of white space are one space (words stay together across folds and wrapped
 * lines), and what nobody sees (controls, soft hyphens, zero-width spaces) is not there. Folding twice changes nothing.
 */
#ifndef PROTO_MIME_FOLD_H
#define PROTO_MIME_FOLD_H

#include "base/buf.h"

enum { FOLD_KEPT = 1024, FOLD_BYTES = 40 };
struct fold {
    bool after_space; /* the last byte written was a space: another would be too much */
    struct fold_kept { /* what characters became, by the low bits of their number */
        uint32_t cp;
        uint8_t n;
        char bytes[11]; /* longer ones are worked out each time */
    } kept[FOLD_KEPT];
};

/* Appends the normal form of UTF-8 text (bad bytes vanish) as far as out's maximum lets it; start with zeroes. Texts
 * folded one after another are one text; fold_line() ends it: a line feed, which no normal form holds. */
void fold_text(struct fold *f, struct str text, struct buf *out);
void fold_line(struct fold *f, struct buf *out);

/* Appends folded text without its accents (marks above, below and across letters), for those who leave them out. */
void fold_strip(struct str text, struct buf *out);

#endif
