/* What passes between the scheduler and whoever carries letters to a next hop: parcels, and what became of them.
 *
 * A parcel is one letter for recipients of one next hop. An errand is one carrier's run to that next hop: it makes a
 * connection, carries one parcel after the other over it, and gives each back with an outcome for every recipient. All
 * of it happens on the scheduler's loop. */
#ifndef QUEUE_ERRAND_H
#define QUEUE_ERRAND_H

#include "io/fiber.h"
#include "mail/next_hop.h"
#include "mail/reply.h"
#include "store/store.h"

struct scheduler;

struct outcome { /* of one recipient */
    enum outcome_kind {
        OUTCOME_UNTRIED,   /* nobody got so far: waits again, no attempt is counted */
        OUTCOME_DELIVERED,
        OUTCOME_DEFERRED,  /* temporary */
        OUTCOME_FAILED,    /* for good */
        OUTCOME_DAMAGED,   /* the letter cannot be read: it is held, and text says why */
        OUTCOME_MOVED      /* the scheduler's own: text is the key of another next hop */
    } kind;
    bool passed_dsn; /* the peer took over NOTIFY (RFC 3461 §5.2.2) */
    bool remote;     /* code, status and text are the peer's own words; else they are ours */
    int code;        /* of the reply, 0 none (no connection, DNS) */
    struct status status;
    struct str text; /* one line or lines joined by LF; lives until the parcel is given back */
};

struct out_recipient {
    struct queue_item item;
    struct outcome outcome; /* the carrier fills */
};

struct contact { /* whom an outcome comes from */
    struct str host; /* the name that was looked up: an MX host */
    struct endpoint address; /* family 0: none was reached */
    struct str tls;  /* "TLSv1.3 TLS_AES_256_GCM_SHA384 unverified"; empty: none */
};

struct attempt { /* at an address, which did not serve; or its TLS did not */
    struct contact contact;
    struct outcome outcome;
};

struct parcel {
    const struct queue_letter *letter;
    struct str bytes; /* prefix and body if they are in memory; else none: store_letter_read(letter->letter) */
    struct reverse_path from; /* as MAIL will say it: SRS done */
    const struct next_hop *hop;
    struct out_recipient *v;
    size_t n;
    struct contact contact; /* the carrier fills before it gives the parcel back */
    const struct attempt *tried; /* what came to nothing before that in the same attempt, for the record */
    size_t n_tried;
    struct arena *arena;    /* the parcel's, for the words of outcomes */
};

struct errand {
    const struct next_hop *hop;
    struct scheduler *scheduler;
    struct arena *arena; /* of the whole errand */
    void *inside;        /* the scheduler's */
};

enum errand_end {
    ERRAND_DONE,    /* nothing was left to carry, or the peer ended a connection that had served */
    ERRAND_BUSY,    /* the peer wants fewer connections: 421, a time-out in the dialogue, a broken connection */
    ERRAND_NOWHERE  /* no connection to serve anybody: nobody answered, no host, no TLS where it must be */
};

/* The next parcel. Waits for one up to the span (0: no waiting); NULL when the errand should end (none came, the next
 * hop was suspended, the server stops). */
FIBER struct parcel *errand_next(struct errand *e, int64_t wait_us);
/* Outcomes are filled: the parcel is the scheduler's again. Never waits. */
void errand_give_back(struct errand *e, struct parcel *p);

/* Do others carry to this next hop at present? Then a server that wants fewer connections wants this one less, and what
 * it would have carried waits for them. */
bool errand_has_company(const struct errand *e);

#endif
