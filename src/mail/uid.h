/* UIDs and the sets of them that protocols and requests speak in ("1:4,9,12:*", RFC 9051 §9). */
#ifndef MAIL_UID_H
#define MAIL_UID_H

#include "base/arena.h"

typedef uint32_t uid; /* 1 - 4294967295 */

struct uid_range {
    uid first, last; /* first <= last */
};

struct uid_set { /* sorted, disjoint, not adjacent */
    struct uid_range *v;
    size_t n;
    size_t cap;
};

/* amortised O(1) when ascending, else O(n) */
void uid_set_add(struct arena *a, struct uid_set *s, uid first, uid last);
void uid_set_unite(struct arena *a, struct uid_set *s, const struct uid_set *with);    /* O(n + m) */
void uid_set_subtract(struct arena *a, struct uid_set *s, const struct uid_set *what); /* O(n + m) */
bool uid_set_has(const struct uid_set *s, uid u);                          /* O(log n) */
uint64_t uid_set_count(const struct uid_set *s);

#endif
