/* Replies as a client reads them, line by line. */
#include <stdlib.h>

#include "proto/smtp/reply.h"

/* A refusal's first digit is all that counts (RFC 5321 §4.3.2): 598 is one, 298 is nothing. */
static bool possible(int code) { return code >= 200 && code <= 599 && (code >= 400 || code % 100 <= 59); }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(NULL, 0);
    struct smtp_reply r;
    struct str line, parameters, rest = arena_str(a, str_of(data, size));
    int e = 0;
    smtp_reply_init(&r, a);
    while (e == 0 && rest.n) {
        str_cut(rest, '\n', &line, &rest);
        e = smtp_reply_line(&r, line);
    }
    if (e == 1 && !possible(r.code)) abort();
    if (e == 1 && r.status.class && r.status.class != r.code / 100) abort();
    smtp_reply_keyword(&r, S("SIZE"), &parameters);
    arena_free(a);
    return 0;
}
