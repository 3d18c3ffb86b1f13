/* "Did you mean …?" */
#ifndef CMD_SUGGEST_H
#define CMD_SUGGEST_H

#include "base/str.h"

/* The name nearest to what was typed, NULL if none is near enough to be a misspelling. */
const char *suggest(struct str typed, const char *const *names, size_t n);

#endif
