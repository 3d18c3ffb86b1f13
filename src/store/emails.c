/* Rows of letters (see emails.h).
 *
 * How many entries name a letter is kept only where there are several: `email_shared` counts those beyond the first,
 * live ones and those in tombstones alike. It changes in the transactions that make entries and forget tombstones, and
 * in no others, so it cannot drift; verify counts anew. */
#include "store/emails.h"

enum { PATIENCE = 8 };

struct email_scan email_scan_of(struct db *db)
{
    return (struct email_scan){.q = db_query(db, SQL_EMAILS_FROM), .patience = PATIENCE};
}

void email_scan_end(struct email_scan *sc)
{
    if (sc->open) q_end(&sc->q);
    sc->open = false;
}

static int step(struct email_scan *sc, struct error *e)
{
    int r = q_row(&sc->q, e);
    sc->open = r > 0;
    if (r > 0) sc->at = q_get_int(&sc->q, 0);
    return r;
}

int email_scan_to(struct email_scan *sc, int64_t email, struct email_facts *out, struct error *e)
{
    int r = 1;
    if (sc->open && sc->at < email) {
        int left = sc->patience;
        while (r > 0 && sc->at < email && left-- > 0) r = step(sc, e);
        if (r <= 0) return r; /* no letter has an id so high */
        sc->patience = sc->at >= email ? PATIENCE : sc->patience / 2;
    }
    if (!sc->open || sc->at < email || sc->at > email) {
        if (sc->open && sc->at > email) sc->patience = PATIENCE;
        email_scan_end(sc);
        q_int(&sc->q, email);
        r = step(sc, e);
        if (r <= 0) return r;
    }
    if (sc->at != email) return 0;
    *out = (struct email_facts){q_get_int(&sc->q, 1), q_get_int(&sc->q, 2), q_get_int(&sc->q, 3)};
    return 1;
}

int email_shared(struct db *db, int64_t email, struct error *e)
{
    struct query q = db_query(db, SQL_EMAIL_SHARED_PUT);
    q_int(&q, email);
    return q_run(&q, e);
}

int email_let_go(struct db *db, int64_t email, bool *last, struct error *e)
{
    struct query q = db_query(db, SQL_EMAIL_SHARED_TAKE);
    q_int(&q, email);
    int r = q_run(&q, e);
    if (r) return r;
    *last = q_changed(&q) == 0;
    if (*last) return 0;
    q = db_query(db, SQL_EMAIL_SHARED_FORGET);
    q_int(&q, email);
    return q_run(&q, e);
}
