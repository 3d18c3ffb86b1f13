/* Mail addresses, as nouns: a local part and a domain, and the keys by which the directory knows them.
 *
 * Grammar is elsewhere (proto/smtp for paths, proto/imf for headers); here an address is already cut in two.
 * Keys: local part NFC and case-folded, unquoted; domain as A-label in lower case (RFC 5890, RFC 6531, RFC 5321 §2.4).
 */
#ifndef MAIL_ADDRESS_H
#define MAIL_ADDRESS_H

#include "base/arena.h"
#include "base/buf.h"

struct address {
    struct str local;  /* unquoted: the bytes it means. May be UTF-8 */
    struct str domain; /* as written, without the final dot; "[192.0.2.1]" for a literal; empty for <Postmaster> */
};

static inline bool address_is_null(struct address a) { return a.local.n == 0 && a.domain.n == 0; } /* <> */
bool address_is_ascii(struct address a); /* else its path takes SMTPUTF8, or nobody could have said it (RFC 6531) */

/* The domain's key: A-label, lower case. `a` owns the result. 0, or ERR_SYNTAX when it is no domain (empty labels,
 * labels over 63 bytes, over 253 in all, code points IDNA2008 forbids; underscores are tolerated). Literals: the
 * canonical text form "[192.0.2.1]" / "[IPv6:2001:db8::1]". */
int domain_key(struct arena *a, struct str domain, struct str *key);

/* U-label form for showing to people; the input itself when it has none. */
struct str domain_shown(struct arena *a, struct str key);

bool domain_is_literal(struct str domain); /* "[...]" */

/* True when `domain` equals `parent` or is below it ("mail.example.org" in "example.org"); both are keys. */
bool domain_within(struct str domain, struct str parent);

/* The local part's key: NFC of the full case folding, as unicode_caseless() makes it. 0 or ERR_SYNTAX (bad UTF-8,
 * control characters). */
int local_key(struct arena *a, struct str local, struct str *key);

/* Splits a local part's key (or shown form) at the first `separator` after its first byte: "bob+x" -> "bob", "x".
 * False when there is no detail. */
bool local_detail(struct str local, char separator, struct str *base, struct str *detail);

/* Both keys at once; key->local and key->domain. */
int address_key(struct arena *a, struct address addr, struct address *key);
bool address_key_eq(struct address a, struct address b); /* of two keys */
struct address address_copy(struct arena *a, struct address from);

/* Writes local@domain, the local part quoted where its bytes need it (RFC 5321 §4.1.2). */
void address_put(struct buf *b, struct address addr);
struct str address_str(struct arena *a, struct address addr);

/* Take a Mailbox, a Local-part (quotes and escapes undone) or a Domain (RFC 5321 §4.1.2, RFC 6531 §3.3) off the front
 * of *text; what comes after is the caller's to judge. Results borrow *text, except unescaped ones, which lie in `a`.
 * 0, ERR_SYNTAX, or ERR_TOO_LONG for a Mailbox of more than LIMIT_PATH bytes (then and on other errors nothing is
 * taken). */
int address_take(struct arena *a, struct str *text, struct address *out);
int local_take(struct arena *a, struct str *text, struct str *local);
int domain_take(struct arena *a, struct str *text, struct str *domain);

/* Reads "local@domain" as an administrator types it (or a full SMTP mailbox with quotes), copied into `a`. 0 or
 * ERR_SYNTAX (also when the local part is empty or over LIMIT_LOCAL_PART: nobody gets such an address here). */
int address_parse(struct arena *a, struct str text, struct address *out);

#endif
