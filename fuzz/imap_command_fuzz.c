/* IMAP commands: whatever comes, the parser decides; what it takes can be written in one form and be read as the same
 * again, from an arena of bounded size. */
#include <stdlib.h>

#include "mail/limits.h"
#include "proto/imap/test_rewrite.h"

/* What stands for something longer ("NEW", "UNSEEN") may pass a limit when it is written out. */
static bool passes_limit(const char *error) { return strstr(error, "too deep") || strstr(error, "too many"); }

static void check(struct arena *a, const struct imap_command *c,
                  int (*parse)(struct arena *, struct str, struct imap_command *))
{
    struct buf *first = buf_in(a, 1 << 20), *second = buf_in(a, 1 << 20);
    struct imap_command again;
    rewrite(first, c);
    if (parse(a, buf_str(first), &again)) {
        if (passes_limit(again.error)) return;
        abort();
    }
    rewrite(second, &again);
    if (first->failed || !str_eq(buf_str(first), buf_str(second))) abort();
}

/* What follows a message: nothing may be read behind its end, and a message's literal is the one the line ends in. */
static void check_more(struct arena *a, struct str text, bool utf8)
{
    struct imap_append_message m = {.utf8 = utf8};
    struct imap_literal l;
    const char *error = NULL;
    int e = imap_parse_append_more(a, text, &m, &error);
    bool has_literal = imap_literal_at_end(text, &l);
    if ((e == ERR_SYNTAX) != (error != NULL) || (e == IMAP_APPEND_NEXT && !has_literal)) abort();
    if (has_literal && m.literal.size != l.size) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 8192) return -1;
    struct arena *a = arena_new(NULL, 8 << 20);
    struct str text = str_of(data, size);
    struct imap_command c;
    if (imap_parse(a, text, &c) == 0) check(a, &c, imap_parse);
    else if (!c.error || (str_is_none(c.tag) && c.verb != IMAP_UNKNOWN)) abort();
    if (imap_parse_append_begin(a, text, &c) == 0) {
        if (!imap_takes_message(text)) abort();
        check(a, &c, imap_parse_append_begin);
    }
    check_more(a, text, false);
    check_more(a, text, true);
    arena_free(a);
    return 0;
}
