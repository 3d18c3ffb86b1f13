/* SASL messages: PLAIN, and both of SCRAM's, in one exchange with whatever stands in them. */
#include <stdlib.h>

#include "proto/sasl/plain.h"
#include "proto/sasl/scram.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(NULL, 0);
    struct str in = arena_str(a, str_of(data, size)), first_message, final_message, out;
    struct sasl_plain plain;
    struct scram_first first;
    struct scram_keys keys = {.iterations = 4096};
    if (sasl_plain_parse(in, &plain) == 0) {
        struct buf *b = buf_in(a, size + 10);
        sasl_plain_put(b, &plain);
        if (!str_eq(buf_str(b), in)) abort();
    }
    str_cut(in, '\n', &first_message, &final_message);
    if (scram_parse_first(a, first_message, &first) == 0) {
        if (first.username.n == 0 || first.nonce.n == 0 || first.gs2_header.n + first.bare.n != first_message.n)
            abort();
        struct str server_first = scram_server_first(a, &first, S("nonce"), &keys);
        /* keys of nobody */
        if (scram_server_final(a, &first, server_first, &keys, S(""), final_message, &out) == 0) abort();
    }
    arena_free(a);
    return 0;
}
