/* Inside maa/imap/: what the commands that change a mailbox's letters share. */
#ifndef MAA_IMAP_CHANGE_H
#define MAA_IMAP_CHANGE_H

#include "maa/imap/session.h"

/* imap_sync(), without the flags of our own change that the client can work out from what it was shown (store.c). */
FIBER void imap_sync_silent(struct imap_session *s, bool expunges, const struct flags_change *c);

/* A tagged response whose code may be too long for the loop's buffer is written here, after what happened meanwhile. */
FIBER struct imap_done imap_finish_long(struct imap_session *s, struct imap_done d, bool expunges);

/* The mailbox that COPY, MOVE, APPEND or REPLACE names. Else *refusal: TRYCREATE if it could be made (RFC 9051
 * §6.3.12).
 */
FIBER bool imap_find_target(struct imap_session *s, struct str written, struct mailbox *out, struct imap_done *refusal);

/* What the store says to letters that want in: OVERQUOTA (RFC 9208 §4.3), else as imap_refusal(). */
struct imap_done imap_refuse_letters(struct imap_session *s, int error, const struct error *why);

#endif
