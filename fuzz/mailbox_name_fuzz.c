/* Levels of mailbox names: one that is accepted stays as it is. */
#include <stdlib.h>

#include "mail/limits.h"
#include "mail/mailbox_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(NULL, 0);
    struct str name, again;
    if (mailbox_level(a, arena_str(a, str_of(data, size)), &name) == 0) {
        if (name.n == 0 || name.n > LIMIT_MAILBOX_NAME) abort();
        if (mailbox_level(a, name, &again) || !str_eq(name, again)) abort();
    }
    arena_free(a);
    return 0;
}
