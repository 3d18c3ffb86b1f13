/* Names of keywords (RFC 9051 §2.3.2). */
#include "mail/flags.h"

#include "mail/limits.h"

/* flag-keyword = atom (RFC 9051 §9) */
int keyword_check(struct str name)
{
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];
        if (c <= ' ' || c >= 0x7f || strchr("(){%*\"\\]", c)) return ERR_SYNTAX;
    }
    if (name.n == 0) return ERR_SYNTAX;
    return name.n > LIMIT_KEYWORD_NAME ? ERR_TOO_LONG : 0;
}
