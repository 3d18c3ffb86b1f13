/* Which letter of another server is which of ours: what is remembered between two runs of an import or export.
 *
 * In memory a list; written down as text in runs, for letters that were carried in one go count up together on both
 * sides. Each pair has the flags that both letters had when they were last alike, so that a later run can tell where
 * they were changed. */
#ifndef CMD_PAIRS_H
#define CMD_PAIRS_H

#include "base/buf.h"
#include "mail/flags.h"
#include "mail/uid.h"

struct pair {
    uid theirs; /* 0: theirs has an UID that was not told */
    uid ours;
    flag_set flags;
};
struct pairs {
    uint32_t their_validity, our_validity; /* UIDVALIDITY of the two mailboxes */
    struct str words[32];                  /* names of the flags from FLAG_FIRST_OWN on, by bit */
    struct pair *v;
    size_t n, cap;
};

void pairs_add(struct arena *a, struct pairs *p, struct pair pair);
void pairs_put(struct buf *b, const struct pairs *p);
/* 0, or ERR_SYNTAX for what pairs_put() does not write, ERR_TOO_LONG for more than LIMIT_REMOTE_LETTERS. Strings borrow
 * the text. */
int pairs_read(struct arena *a, struct str text, struct pairs *out);

#endif
