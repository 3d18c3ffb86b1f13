/* "Did you mean …?" */
#include "cmd/suggest.h"

const char *suggest(struct str typed, const char *const *names, size_t n)
{
    const char *nearest = NULL;
    size_t least = typed.n < 3 ? 2 : 2 + typed.n / 3; /* more is no misspelling */
    for (size_t i = 0; i < n; i++) {
        size_t d = str_distance(typed, str_c(names[i]));
        if (d >= least) continue;
        least = d;
        nearest = names[i];
    }
    return nearest;
}
