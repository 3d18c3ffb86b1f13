/* mbox files: whatever stands in one, its letters can be written to another and be read as the same again; and names of
 * a Maildir's files. */
#include <stdint.h>
#include <stdlib.h>

#include "proto/mbox/mbox.h"

static void check_again(struct arena *a, const struct kept_letter *l)
{
    struct buf *file = buf_in(a, 1 << 20), *text = buf_in(a, 1 << 20);
    struct kept_letter again;
    struct str from, raw;
    size_t at = 0;
    mbox_put(file, S("a@b.test"), l);
    if (!mbox_next(buf_str(file), &at, &from, &raw) || at != file->n) abort();
    mbox_letter(a, text, from, raw, &again);
    if (again.flags != l->flags || again.n_keywords != l->n_keywords) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 16384) return -1;
    struct arena *a = arena_new(NULL, 0);
    struct str all = {(const char *)data, size}, from, raw;
    size_t at = 0, before = 0;
    while (mbox_next(all, &at, &from, &raw)) {
        struct buf *b = buf_in(a, 1 << 20);
        struct kept_letter l;
        if (at <= before) abort();
        before = at;
        if (mbox_letter(a, b, from, raw, &l) && l.at > 0) check_again(a, &l);
    }
    struct kept_letter l = {0};
    const struct str names[26] = {S("one")};
    maildir_read_name(all, names, &l);
    arena_free(a);
    return 0;
}
