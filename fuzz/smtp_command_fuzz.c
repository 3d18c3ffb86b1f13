/* Command lines: whatever comes, the parser decides, and an address it accepts can be written and read again. */
#include <stdlib.h>

#include "base/utf8.h"
#include "proto/smtp/command.h"

static void check_address(struct arena *a, struct address x)
{
    struct address again;
    if (x.domain.n == 0) return;
    struct str written = address_str(a, x);
    if (address_take(a, &written, &again) == ERR_SYNTAX) abort(); /* quoting may make it too long */
    if (written.n == 0 && (!str_eq(again.local, x.local) || !str_eq(again.domain, x.domain))) abort();
    if (!utf8_valid(x.local) || !utf8_valid(x.domain)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(NULL, 0);
    struct smtp_command c = smtp_parse(a, arena_str(a, str_of(data, size)));
    if (c.error.code && (c.error.code < 500 || !c.error.text)) abort();
    if (!c.error.code && c.verb == SMTP_MAIL) {
        check_address(a, c.from.address);
        if (c.from.hold_for < 0 || c.from.hold_until < 0 || (c.from.hold_for && c.from.hold_until)) abort();
    }
    if (!c.error.code && c.verb == SMTP_RCPT) check_address(a, c.to.address);
    arena_free(a);
    return 0;
}
