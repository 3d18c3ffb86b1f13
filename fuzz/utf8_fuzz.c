/* UTF-8: what is repaired is valid, what is valid stays as it is, heads never cut a character. */
#include "base/utf8.h"

#include <stdlib.h>

static void must(bool ok)
{
    if (!ok) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str s = str_of(data, n);
    struct buf repaired = BUF(1 << 22);
    utf8_put_repaired(&repaired, s);
    must(utf8_valid(buf_str(&repaired)));
    must(utf8_valid(s) == str_eq(s, buf_str(&repaired)));
    must(utf8_count(s) == utf8_count(buf_str(&repaired)));
    if (str_is_ascii(s)) must(utf8_valid(s) && utf8_count(s) == n);
    for (size_t max = 0; max <= n && max < 300; max++) {
        struct str head = utf8_head(s, max);
        must(head.n <= max && head.n + 3 >= (max < n ? max : n));
        must(utf8_count(head) + utf8_count(str_skip(s, head.n)) == utf8_count(s));
    }
    buf_free(&repaired);
    return 0;
}
