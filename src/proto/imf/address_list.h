/* Address lists of From, To, … (RFC 5322 §3.4 and §4.4, RFC 6532, RFC 6854).
 *
 * Two readers in one: whatever can be made sense of is returned, for ENVELOPE and for showing; and `strict` says
 * whether every reader of mail would see the same addresses in it, for deciding rights. */
#ifndef PROTO_IMF_ADDRESS_LIST_H
#define PROTO_IMF_ADDRESS_LIST_H

#include "base/arena.h"
#include "base/buf.h"
#include "mail/address.h"

enum imf_address_kind { IMF_MAILBOX, IMF_GROUP_BEGIN, IMF_GROUP_END };

struct imf_address {
    enum imf_address_kind kind;
    struct str name;   /* display name or group's name: unquoted, white space collapsed, encoded words as written;
                          for "a@b (Name)" without one, the comment. STR_NONE when there is none */
    struct str route;  /* source route "@a,@b" (RFC 5322 §4.4), STR_NONE */
    struct str local;  /* unquoted, may be empty */
    struct str domain; /* without white space and comments; empty when there was no "@" */
};

struct imf_address_list {
    struct imf_address *v;
    size_t n;
    size_t mailboxes; /* of n */
    bool strict;      /* RFC 5322 §3.4 to the letter, and no known trick: see address_list.c */
    bool cut;         /* more than LIMIT_ADDRESSES, the rest is missing */
};

/* Parses a field's body, raw or unfolded. Linear time; never fails. Strings are slices of `body` or lie in `a`. */
struct imf_address_list imf_addresses(struct arena *a, struct str body);

/* The mailbox's display name with encoded words decoded, as UTF-8 (empty when none). */
struct str imf_display_name(struct arena *a, const struct imf_address *m);

/* Writes `"Name" <local@domain>`: the name as atoms, quoted, or as encoded words (RFC 2047 §5), the address quoted
 * where needed. column: where the line stands; folds before 78. Returns the new column. name is UTF-8 and may be empty.
 */
size_t imf_put_mailbox(struct buf *b, size_t column, struct str name, struct address addr);

/* Who claims to have written and sent the letter (RFC 5322 §3.6.2): what the right to submit is decided on. */
struct imf_authors {
    struct address *v; /* every mailbox of From, then that of Sender */
    size_t n;
    size_t from; /* how many of them are From's, at least 1 */
};

/* Reads them from a whole header. 0; ERR_SYNTAX when the header could show another author to another reader: no From or
 * several, several Sender, no or broken addresses, groups, routes, comments or names with angle brackets, encoded words
 * inside addresses, control characters, bad UTF-8, white space before the colon, junk before the fields, several
 * authors without Sender. The details in *e are a sentence for the client. */
int imf_authors(struct arena *a, struct str header, struct imf_authors *out, struct error *e);

#endif
