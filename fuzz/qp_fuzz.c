/* Quoted-printable: any cut gives the same bytes; encoding makes short lines and reads back. */
#include "base/codec.h"

#include <stdlib.h>

static void must(bool ok)
{
    if (!ok) abort();
}

static struct buf decoded(struct str text, size_t step)
{
    struct buf out = BUF(1 << 20);
    struct qp_decoder d = {0};
    for (; text.n; text = str_skip(text, step)) qp_feed(&d, str_head(text, step), &out);
    qp_end(&d, &out);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str text = str_of(data, n);
    struct buf whole = decoded(text, n + 1), pieces = decoded(text, n % 7 + 1), encoded = BUF(1 << 22);
    must(str_eq(buf_str(&whole), buf_str(&pieces)));
    must(whole.n <= n);
    qp_put(&encoded, text);
    struct buf back = decoded(buf_str(&encoded), n % 5 + 1);
    must(str_eq(buf_str(&back), text));
    for (struct str rest = buf_str(&encoded); rest.n;) {
        size_t end = str_find(rest, S("\r\n"));
        must(end <= 76);
        rest = str_skip(rest, end + 2);
    }
    buf_free(&whole);
    buf_free(&pieces);
    buf_free(&encoded);
    buf_free(&back);
    return 0;
}
