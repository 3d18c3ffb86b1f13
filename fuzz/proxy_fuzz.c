/* PROXY headers of both versions. What is taken names a source of a known family, and no length is believed beyond the
 * limit. */
#include <stdlib.h>

#include "proto/proxy/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header h = {0};
    struct str all = str_of(data, size);
    if (proxy_parse_line(all, &h) == 0 && h.named && h.source.ip.family != 4 && h.source.ip.family != 6) abort();
    if (size < PROXY_V2_HEAD) return 0;
    int length = proxy_v2_length(data);
    if (length > PROXY_V2_MAX) abort();
    if (length < 0 || (size_t)length > size - PROXY_V2_HEAD) return 0;
    h = (struct proxy_header){0};
    struct str body = str_sub(all, PROXY_V2_HEAD, PROXY_V2_HEAD + (size_t)length);
    if (proxy_parse_binary(data, body, &h) == 0 && h.named && h.source.ip.family != 4 && h.source.ip.family != 6)
        abort();
    return 0;
}
