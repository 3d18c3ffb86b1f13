/* Inside store/: a mailbox's keywords, by the bits it has given out (RFC 9051 §2.3.2; view.h has the names). */
#ifndef STORE_KEYWORDS_H
#define STORE_KEYWORDS_H

#include "store/db.h"
#include "mail/flags.h"

struct keyword_names;
struct mailbox_row;
struct store;

/* Those of a mailbox; *out is referenced. */
int keywords_load(struct db *db, int64_t mailbox, struct keyword_names **out, struct error *e);
struct keyword_names *keywords_ref(const struct keyword_names *k); /* NULL is fine, here and below */
void keywords_unref(const struct keyword_names *k);

/* The same with one name more. */
struct keyword_names *keywords_with(const struct keyword_names *k, int bit, struct str name);

/* In the lane. The bits of the names in the mailbox. Names it has none for get one when `give`, else they are passed
 * over. ERR_CONFLICT: no bit is free, and letters have all of them. */
int keywords_bits(struct store *s, struct mailbox_row *m, const struct str *names, size_t n, bool give, flag_set *bits,
                  struct error *e);
/* The bit of one name more, for a letter that will have those of `has`, too. */
int keywords_bits_more(struct store *s, struct mailbox_row *m, struct str name, flag_set has, flag_set *bit,
                       struct error *e);
/* In the lane, when letters lost flags or went: if all bits are given out, those nothing has any more are taken back.
 */
int keywords_tidy(struct store *s, struct mailbox_row *m, struct error *e);
/* The flags of an entry of `from` as they are in `to` (other mailboxes' own bits have other meanings). */
int keywords_carry(struct store *s, struct mailbox_row *from, struct mailbox_row *to, flag_set flags, flag_set *out,
                   struct error *e);
/* spared: bits of `to` that letters will have in a moment */
int keywords_carry_named(struct store *s, const struct keyword_names *from, struct mailbox_row *to, flag_set flags,
                         flag_set spared, flag_set *out, struct error *e);

#endif
