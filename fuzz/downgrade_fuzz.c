/* 8-bit letters for 7-bit hosts (RFC 6152): whatever is encoded anew is ASCII, and the same letter. */
#include <stdlib.h>

#include "proto/mime/downgrade_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(NULL, 0);
    struct str letter = arena_str(a, str_of(data, size));
    struct buf *out = buf_in(a, 16 * size + 4096);
    int r = mime_downgrade(a, letter, out, NULL);
    if (r != 0 && out->n != 0) abort();
    if (r != 0 && r != ERR_DENIED && r != ERR_UNSUPPORTED) abort();
    if (r == 0 && downgrade_check(a, letter, buf_str(out))) abort();
    arena_free(a);
    return 0;
}
