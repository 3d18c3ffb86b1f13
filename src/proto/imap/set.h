/* Sequence sets (RFC 9051 §9, sequence-set; RFC 5182's "$"): message numbers or UIDs, as a client writes them.
 *
 * What "*" is, the mailbox knows: imap_set_resolve(). Sets of numbers are kept as mail/uid.h keeps them, sorted and
 * merged, so that "1:*,1:*,..." a million times is one range. */
#ifndef PROTO_IMAP_SET_H
#define PROTO_IMAP_SET_H

#include "mail/uid.h"

struct imap_set {
    bool saved;              /* "$": the result of the last SEARCH with SAVE; nothing else is set then */
    struct uid_set numbers;  /* without what has a "*" */
    uint32_t from;           /* "from:*", the lowest of all that were written; UINT32_MAX for "*" alone; 0: no "*" */
};

/* Parses all of text. 0; ERR_SYNTAX; ERR_TOO_LONG for more than LIMIT_IMAP_SET pieces. Time O(n log n) at most. */
int imap_set_parse(struct arena *a, struct str text, struct imap_set *out);

/* The numbers meant when `max` is the highest there is (0: none is). Numbers above max that were written as such stay
 * (the caller refuses or ignores them); "n:*" with n above max is max (RFC 9051 §9, seq-range). Not for saved ones. */
struct uid_set imap_set_resolve(struct arena *a, const struct imap_set *set, uint32_t max);

#endif
