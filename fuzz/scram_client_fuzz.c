/* The client's side of SCRAM: whatever a server says first (up to a NUL) and last (behind it), the answer is a message
 * or an error. */
#include "proto/sasl/scram_client.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena *a = arena_new(NULL, 0);
    struct scram_client c = {0};
    struct str first, last, final, rest;
    str_cut(str_of(data, n), 0, &first, &last);
    scram_client_first(a, &c, S("user,=name"), S("abc"));
    struct str rounds = str_skip(first, str_find(first, S(",i=")) + 3);
    uint64_t count;
    str_cut(rounds, ',', &rounds, &rest);
    if (str_to_u64(rounds, UINT32_MAX, &count) && count > 5000) first = S(""); /* millions are right, and slow */
    if (scram_client_final(a, &c, S("pencil"), first, &final) == 0) {
        if (!str_starts(final, S("c=biws,r=abc"))) abort();
        if (scram_client_verify(&c, last) == 0) abort(); /* nobody guesses it */
    }
    arena_free(a);
    return 0;
}
