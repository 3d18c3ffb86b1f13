/* Inside store/: rows of letters, looked up many at a time, and how many entries name each. */
#ifndef STORE_EMAILS_H
#define STORE_EMAILS_H

#include "base/time.h"
#include "store/db.h"

struct email_facts {
    int64_t size;
    utc_us received_at, saved_at;
};

/* Looking up letters of a mailbox in its order: their ids mostly ascend and lie close together, so going on to the next
 * row is often enough, which costs a tenth of finding it anew. One scan at a time on a connection. */
struct email_scan {
    struct query q;
    int64_t at;   /* the row it stands at */
    bool open;
    int patience; /* rows that are passed over before the next is looked for */
};
struct email_scan email_scan_of(struct db *db);
/* 1; 0: there is no such letter; or an error. */
int email_scan_to(struct email_scan *sc, int64_t email, struct email_facts *out, struct error *e);
void email_scan_end(struct email_scan *sc);

/* One entry more names the letter (COPY), besides the one it was delivered with. In the transaction that makes it. */
int email_shared(struct db *db, int64_t email, struct error *e);
/* An entry that named it is gone for good: *last says whether it was the only one, and the letter may go. */
int email_let_go(struct db *db, int64_t email, bool *last, struct error *e);

#endif
