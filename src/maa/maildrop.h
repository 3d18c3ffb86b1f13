/* A maildrop: an account's inbox as POP3 shows it (RFC 1939 §5), frozen when it is opened.
 *
 * Letters are numbered from 1 in order of UID; deletion marks live here until maildrop_update() makes them true. Who
 * may open it and the lock on it are the session's. 16 bytes a letter, LIMIT_POP3_MESSAGES letters at most: the oldest.
 */
#ifndef MAA_MAILDROP_H
#define MAA_MAILDROP_H

#include "base/buf.h"
#include "store/store.h"

struct maildrop_letter {
    int64_t email;
    uid uid;
    uint32_t size; /* octets as RETR sends them, dots not stuffed; a letter of 4 GiB or more is not shown */
};

struct maildrop { /* all zeroes: none */
    int64_t account, mailbox;
    struct buf letters; /* struct maildrop_letter, in order */
    struct buf marks;   /* a bit for each letter: marked as deleted */
    uint32_t n, n_marked;
    int64_t octets, octets_marked;
};

/* Reads the inbox's list, page by page. Needs no maildrop_close() when it fails. 0 or the store's error. */
FIBER int maildrop_open(struct maildrop *d, struct store *s, struct arena *a, int64_t account, int64_t inbox,
                        struct error *e);
void maildrop_close(struct maildrop *d); /* forgets all; harmless when it is not open */

/* The letter with this number, NULL if there is none. */
const struct maildrop_letter *maildrop_letter(const struct maildrop *d, uint32_t number);

bool maildrop_marked(const struct maildrop *d, uint32_t number);
void maildrop_mark(struct maildrop *d, uint32_t number); /* of a letter that is there and not marked */
void maildrop_unmark_all(struct maildrop *d);

/* What is there and not marked. */
static inline uint32_t maildrop_count(const struct maildrop *d) { return d->n - d->n_marked; }
static inline int64_t maildrop_octets(const struct maildrop *d) { return d->octets - d->octets_marked; }

/* The UPDATE state: removes the marked letters by one request. *gone: how many that removed; others were gone before.
 * 0 or the store's error: then none was removed, or, of thousands, the first *gone (ERR_UNKNOWN: they may be gone). */
FIBER int maildrop_update(struct maildrop *d, struct store *s, struct arena *a, size_t *gone, struct error *e);

/* A letter's unique-id (RFC 1939 §7 "UIDL"): its email id and its UID. Never given to another letter, the same in each
 * session; a copy in the same mailbox has another one. At most MAILDROP_UNIQUE_ID bytes of the 70 that are allowed. */
enum { MAILDROP_UNIQUE_ID = 24 };
void maildrop_put_unique_id(struct buf *b, const struct maildrop_letter *l);

#endif
