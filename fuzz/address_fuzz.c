/* Addresses: a key's key is itself, and what is written can be read again. */
#include <stdlib.h>

#include "mail/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(NULL, 0);
    struct str in = arena_str(a, str_of(data, size)), key, again;
    struct address x, y;
    if (domain_key(a, in, &key) == 0) {
        if (domain_key(a, key, &again) || !str_eq(key, again)) abort();
        if (domain_key(a, domain_shown(a, key), &again) || !str_eq(key, again)) abort();
    }
    if (local_key(a, in, &key) == 0 && (local_key(a, key, &again) || !str_eq(key, again))) abort();
    if (address_parse(a, in, &x) == 0) {
        struct str written = address_str(a, x);
        if (address_take(a, &written, &y) == ERR_SYNTAX) abort(); /* quoting may make it too long */
        if (written.n == 0 && (!str_eq(x.local, y.local) || !str_eq(x.domain, y.domain))) abort();
    }
    arena_free(a);
    return 0;
}
