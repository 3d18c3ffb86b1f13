/* Mailbox names: what is read as modified UTF-7 is written as the same bytes; what is UTF-8 comes back from UTF-7. */
#include <stdlib.h>

#include "base/utf8.h"
#include "proto/imap/mailbox.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 4096) return -1;
    struct arena *a = arena_new(NULL, 8 << 20);
    struct buf *coded = buf_in(a, 8 * size + 16);
    struct str written = str_of(data, size), name, again;
    bool has_controls = false;
    for (size_t i = 0; i < size; i++) has_controls = has_controls || data[i] < ' ' || data[i] == 0x7f;
    if (imap_mailbox_decode(a, written, false, &name) == 0) {
        if (!utf8_valid(name) || (name.n && memchr(name.p, 0, name.n))) abort();
        imap_put_utf7(coded, name);
        /* raw UTF-8 has another form; "inbox" is made upper case */
        if (str_is_ascii(written) && !str_ieq(buf_str(coded), written)) abort();
    }
    buf_clear(coded);
    if (imap_mailbox_decode(a, written, true, &name) == 0) {
        imap_put_utf7(coded, name);
        if (coded->failed || imap_mailbox_decode(a, buf_str(coded), false, &again) || !str_eq(name, again)) abort();
    } else if (utf8_valid(written) && !has_controls) {
        abort();
    }
    buf_clear(coded);
    imap_put_mailbox(coded, written, size & 1);
    arena_free(a);
    return 0;
}
