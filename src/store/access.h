/* Inside store/: who may do what in a mailbox, decided in one place for reads and writes (RFC 4314). */
#ifndef STORE_ACCESS_H
#define STORE_ACCESS_H

#include "store/db.h"
#include "store/mailboxes.h"

/* The rights of principal `who` in the mailbox, as the transaction of `db` sees them: the owner has all, others those
 * of their own entry and of "anyone"'s together; who is disabled or removed has none, not even the owner.
 * PRINCIPAL_ADMIN has all. ERR_NOT_FOUND: there is no such mailbox, or it was deleted. *owner may be NULL. */
int access_rights(struct db *db, int64_t who, int64_t mailbox, right_set *out, int64_t *owner, struct error *e);

/* The same as a decision: 0, ERR_NOT_FOUND when there is no such mailbox or `who` may neither look it up nor
 * read it, or ERR_DENIED when one of the rights is missing. *out, the rights he has, may be NULL. */
int access_check(struct db *db, int64_t who, int64_t mailbox, right_set needed, right_set *out, struct error *e);

/* May `who` do anything at all? 1 or 0, or an error. */
int access_is_active(struct db *db, int64_t who, struct error *e);

#endif
