/* Names of mailboxes (RFC 9051 §5.1) and their special uses (RFC 6154 §2).
 *
 * One level at a time: the hierarchy is the store's, its separator the protocol's. */
#include "mail/mailbox_name.h"

#include "mail/limits.h"
#include "mail/unicode.h"

int mailbox_level(struct arena *a, struct str level, struct str *out)
{
    struct str name;
    if (level.n > 4 * LIMIT_MAILBOX_NAME) return ERR_TOO_LONG;
    if (level.n == 0 || unicode_nfc(a, level, &name)) return ERR_SYNTAX;
    if (memchr(name.p, '/', name.n)) return ERR_SYNTAX;
    if (name.n > LIMIT_MAILBOX_NAME) return ERR_TOO_LONG;
    *out = name;
    return 0;
}

static const struct {
    struct str attribute, name;
} uses[] = {
    [USE_NONE] = {S_INIT(""), S_INIT("")},
    [USE_INBOX] = {S_INIT(""), S_INIT("INBOX")}, /* RFC 6154 has no attribute for it */
    [USE_DRAFTS] = {S_INIT("\\Drafts"), S_INIT("Drafts")},
    [USE_SENT] = {S_INIT("\\Sent"), S_INIT("Sent")},
    [USE_JUNK] = {S_INIT("\\Junk"), S_INIT("Junk")},
    [USE_TRASH] = {S_INIT("\\Trash"), S_INIT("Trash")},
    [USE_ARCHIVE] = {S_INIT("\\Archive"), S_INIT("Archive")},
};

struct str special_use_attribute(enum special_use use) { return uses[use].attribute; }
struct str special_use_name(enum special_use use) { return uses[use].name; }

enum special_use special_use_of(struct str attribute)
{
    for (enum special_use use = USE_DRAFTS; use <= USE_ARCHIVE; use++)
        if (str_ieq(uses[use].attribute, attribute)) return use;
    return USE_NONE;
}
