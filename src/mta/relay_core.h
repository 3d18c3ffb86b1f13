/* Inside the relay: one errand's run (relay.c), how a session comes about (relay_session.c), how a letter is fitted to
 * a server and what its replies mean for the recipients (relay_outcome.c). */
#ifndef MTA_RELAY_CORE_H
#define MTA_RELAY_CORE_H

#include "mta/hosts.h"
#include "wire/smtp_client.h"

/* How far an attempt got with a host. Of several that failed, the one that got furthest says why. */
enum stage { STAGE_DNS, STAGE_CONNECT, STAGE_BANNER, STAGE_HELLO, STAGE_TLS, STAGE_LOGIN, STAGE_DIALOGUE };

/* of one errand: two at an address where TLS fails, and a dialogue that ended at once */
enum { SETBACKS_MAX = 3 * LIMIT_RELAY_ADDRESSES };

struct setbacks { /* why nobody could be served so far */
    struct attempt v[SETBACKS_MAX];
    size_t n, telling; /* the one that got furthest */
    enum stage furthest;
};

struct haul { /* a parcel being carried */
    struct parcel *parcel;
    size_t *left; /* recipients that are still to be said, indexes into parcel->v */
    size_t n_left;
    int under_way;     /* transactions with some of the others */
    struct str bytes;  /* the letter as this server gets it, if in memory; else the store has it */
    int64_t size;
    bool eightbit, utf8;
    struct haul *behind; /* run.behind's */
    bool is_behind;
};

struct run { /* of an errand */
    const struct relay *relay;
    struct errand *errand;
    struct hosts hosts;
    struct host host; /* at hand */
    struct setbacks setbacks;
    bool lasting; /* all that went wrong so far is for good */
    bool busy;    /* a host wants fewer connections */

    struct arena *arena;   /* of the connection */
    struct arena *reading; /* the piece of a letter that is being sent */
    struct smtp_client client;
    struct contact contact;
    struct str fallback; /* why the connection is in the clear, when TLS was tried */
    int rcpt_max;        /* found out on this connection */
    int served;             /* transactions on it whose MAIL was answered, */
    bool kept;              /* some of them before the present one */
    struct haul *now;       /* of the transaction at hand */
    struct transport *next; /* begun with its end */
    struct haul *behind;    /* others that have recipients left, the latest first */
};

struct transport { /* one transaction */
    struct run *run;
    struct haul *haul;
    size_t *who; /* its recipients, indexes into parcel->v */
    struct smtp_outgoing out;
    int read_error; /* the letter could not be read */
};

/* ---- relay_session.c ---- */

/* A session with r->host, ready for MAIL: connected, greeted, under TLS as the policy wants, logged in. False: not with
 * this host, noted in r->setbacks; nothing is open. */
FIBER bool relay_open(struct run *r);

/* ---- relay_outcome.c ---- */

/* Notes what went wrong with the host at hand. Words lie in the errand's arena. */
void relay_setback(struct run *r, enum stage stage, struct outcome o);
/* … as the server's last reply says. */
void relay_setback_reply(struct run *r, enum stage stage);
/* … where the connection failed: "WHAT: words"; without WHAT if the words say so themselves. */
void relay_setback_error(struct run *r, enum stage stage, struct status status, const char *what,
                         const struct error *e);

/* The attempt has come to a host that serves: what went wrong before is told by the parcel it went wrong for. */
void relay_tell_setbacks(const struct run *r, struct haul *h);

/* Nobody at all could be served: every recipient that is left hears why. */
void relay_settle_nowhere(struct run *r, struct haul *h);

/* Makes the letter fit for the server at hand (RFC 1870, RFC 6152, RFC 6531). Recipients who cannot have it are settled
 * and no longer left. */
FIBER void relay_fit(struct run *r, struct haul *h);

/* What the verdicts on a transaction mean. error: what smtp_client_transact() returned, with words. Recipients that
 * can be tried again at once are left again. */
void relay_judge(struct run *r, struct transport *t, int error, const struct error *words);

#endif
