/* Responses of whatever server: each reader decides, nothing is read behind the end, memory is bounded. */
#include <stdlib.h>

#include "proto/imap/test_response.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 8192) return -1;
    struct arena *a = arena_new(NULL, 8 << 20);
    struct str text = str_of(data, size), mailbox;
    struct imap_response r;
    struct imap_literal l;
    const struct imap_value *items;
    struct uid_set numbers;
    struct imap_listed listed;
    struct imap_fetched fetched;
    struct imap_esearched esearched;
    uint64_t modseq;
    bool earlier;
    char separator;
    imap_response_literal(text, &l);
    if (imap_response_parse(a, text, &r) == 0) {
        struct buf *b = buf_in(a, 1 << 20);
        show_response(b, &r);
        if (b->failed || (r.is_condition && r.values) || (r.kind == IMAP_TAGGED && !r.is_condition)) abort();
        imap_listed(&r, &listed);
        imap_status_of(&r, &mailbox, &items);
        if (imap_fetched(a, &r, &fetched) && !fetched.number && !fetched.uid) abort();
        imap_esearched(a, &r, &esearched);
        imap_searched(a, &r, &numbers, &modseq);
        imap_vanished(a, &r, &earlier, &numbers);
        for (int which = 0; which < 3; which++) imap_namespace_of(&r, which, &mailbox, &separator);
    }
    arena_free(a);
    return 0;
}
