/* Base64 and hexadecimal: any cut gives the same bytes, strict decoding agrees with tolerant, encoding reads back. */
#include "base/codec.h"

#include <stdlib.h>

static void must(bool ok)
{
    if (!ok) abort();
}

static struct buf feed(struct str text, size_t step)
{
    struct buf out = BUF(1 << 20);
    struct base64_decoder d = {0};
    for (; text.n; text = str_skip(text, step)) base64_feed(&d, str_head(text, step), &out);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str text = str_of(data, n);
    struct buf whole = feed(text, n + 1), pieces = feed(text, n % 7 + 1), strict = BUF(1 << 20), back = BUF(1 << 20);
    must(str_eq(buf_str(&whole), buf_str(&pieces)));
    if (base64_decode(&strict, text) == 0) {
        must(str_eq(buf_str(&strict), buf_str(&whole)));
        base64_put(&back, buf_str(&strict));
        must(str_eq(buf_str(&back), text)); /* one text for one value */
    }
    buf_clear(&back);
    buf_clear(&strict);
    base64_put(&back, text);
    must(base64_decode(&strict, buf_str(&back)) == 0 && str_eq(buf_str(&strict), text));
    buf_clear(&strict);
    hex_decode(&strict, text);
    buf_free(&whole);
    buf_free(&pieces);
    buf_free(&strict);
    buf_free(&back);
    return 0;
}
