/* Rights to a mailbox: letters and bits (RFC 4314 §2.1). */
#include "mail/rights.h"

#include "base/error.h"

static const char letters[] = "lrswipkxtea"; /* in the order of the bits */

/* RFC 4314 §2.1.1: what two older rights stand for. Of the two readings of "x" that it knows, the one in which it
 * belongs to "c". */
enum { OLD_CREATE = RIGHT_CREATE | RIGHT_REMOVE, OLD_DELETE = RIGHT_EXPUNGE | RIGHT_DELETE };

int rights_parse(struct str text, right_set *out)
{
    right_set rights = 0;
    for (size_t i = 0; i < text.n; i++) {
        const char *at = memchr(letters, text.p[i], sizeof letters - 1);
        if (at) rights |= 1u << (at - letters);
        else if (text.p[i] == 'c') rights |= OLD_CREATE;
        else if (text.p[i] == 'd') rights |= OLD_DELETE;
        else return ERR_SYNTAX;
    }
    *out = rights;
    return 0;
}

void rights_put(struct buf *b, right_set rights, bool old)
{
    for (size_t i = 0; i < sizeof letters - 1; i++)
        if (rights & (1u << i)) buf_char(b, letters[i]);
    if (old && rights & OLD_CREATE) buf_char(b, 'c');
    if (old && rights & OLD_DELETE) buf_char(b, 'd');
}
