/* The end of DATA: cut anywhere it is found where CRLF.CRLF is and nowhere else; and what a client sends is what comes
 * out. */
#include <stdlib.h>

#include "proto/smtp/data.h"

enum { LETTER_MAX = 1 << 20 };

static size_t decode(struct smtp_data *d, struct str in, size_t step, struct buf *letter)
{
    size_t taken = 0;
    while (taken < in.n && !smtp_data_ended(d)) {
        struct str block = str_head(str_skip(in, taken), step), piece;
        while (block.n && !smtp_data_ended(d)) {
            size_t n = smtp_data_take(d, block, &piece);
            buf_add(letter, piece);
            block = str_skip(block, n);
            taken += n;
        }
    }
    return taken;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return -1;
    struct str in = str_of(data + 2, size - 2);
    bool dots = data[0] & 1, normalise = data[0] & 2;
    struct smtp_data whole = smtp_data_new(dots, normalise), cut = whole;
    struct buf one = BUF(LETTER_MAX), two = BUF(LETTER_MAX), wire = BUF(LETTER_MAX), back = BUF(LETTER_MAX);
    size_t taken = decode(&whole, in, in.n, &one);
    if (decode(&cut, in, 1 + data[1] % 9, &two) != taken || !str_eq(buf_str(&one), buf_str(&two))) abort();
    if (dots) {
        size_t end = str_starts(in, S(".\r\n")) ? 3 : str_find(in, S("\r\n.\r\n")) + 5;
        if (smtp_data_ended(&whole) != (end <= in.n) || (end <= in.n && taken != end)) abort();
    }
    struct smtp_stuffer w = {0}, looked_at = {0};
    bool needless = smtp_stuff_needless(&looked_at, in);
    smtp_stuff(&w, str_head(in, size / 2), &wire);
    smtp_stuff(&w, str_skip(in, size / 2), &wire);
    if (needless && (!str_eq(buf_str(&wire), in) || looked_at.state != w.state)) abort();
    smtp_stuff_end(&w, &wire);
    struct smtp_data reader = smtp_data_new(true, false);
    if (decode(&reader, buf_str(&wire), wire.n, &back) != wire.n || !smtp_data_ended(&reader) || reader.bare_newlines)
        abort();
    buf_free(&one);
    buf_free(&two);
    buf_free(&wire);
    buf_free(&back);
    return 0;
}
