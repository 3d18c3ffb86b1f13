/* Inside queue/: the scheduler's parts. All of it belongs to the fibers of one loop and needs no locks.
 *
 * A mail is a letter at hand; its recipients with one next hop are a bundle: what becomes a parcel. A bundle waits in
 * its hop, in the line of its sender; an errand takes it, carries it, gives it back; a settler writes down what became
 * of it, and it is gone. Each row of the store that is in memory stands in `at_hand` from the moment it comes until no
 * read that may still show it as it was can be under way. */
#ifndef QUEUE_SCHEDULE_CORE_H
#define QUEUE_SCHEDULE_CORE_H

#include <stdatomic.h>

#include "base/list.h"
#include "base/map.h"
#include "mail/limits.h"
#include "queue/schedule.h"

struct mail { /* a letter at hand, shared by its bundles */
    struct arena *arena; /* of it and of them */
    int bundles;
    bool loaded; /* `letter` is filled, and `bytes` if it was small when it came */
    struct queue_letter letter;
    struct str bytes;
};

struct row_key {
    int64_t message;
    int64_t number;
};

struct bundle {
    struct parcel parcel; /* first: what the carrier gives back */
    struct list link;     /* in a line; in a settler; among the departed */
    struct mail *mail;
    struct hop *hop;
    struct line *line;    /* NULL: taken */
    struct row_key *keys; /* one for each recipient */
    struct str sender;
    int priority;
    utc_us tried_at;     /* patience is measured by it; 0: not yet */
    bool into_mailboxes; /* the next hop is their host (LMTP): success is delivery, not relaying */
    struct paper *paper; /* what is to be written about it, once outcomes are known */
    struct acceptance *handed; /* local: the same letter anew, to be committed as the rows go */
    size_t n_handed;
};

enum { TURN_URGENT, TURN_USUAL, TURN_BULK, TURNS };

struct line { /* bundles of one sender and class to one hop */
    struct list in_hop, bundles;
    size_t recipients;
    struct str key; /* in scheduler.lines: class, hop, sender; behind the struct */
};

struct hop {
    struct str key; /* behind the struct */
    uint64_t number;
    struct list in_ready;  /* wants another errand */
    struct list in_hungry; /* wants rows of the store */
    struct list in_resting;
    struct list turns[TURNS]; /* lines; who was served goes to the end */
    struct list idle;         /* errands that wait for a parcel */
    size_t bundles, recipients; /* waiting in lines */
    int errands, window;

    /* Nobody was taken for a while though the window has room: its errands are busy with something long. */
    bool stuck;
    mono_us look_at;       /* then it is seen whether that is so; 0: no need */
    uint64_t taken, taken_then;

    /* rows of it that are not in memory may lie in the store behind this place */
    bool more;
    struct queue_place from;

    int failures;        /* in a row, to reach it or to be served */
    mono_us rests_until; /* 0: it does not */
    struct buf last_words;

    /* What kept everybody from it: all that was due then is deferred alike. */
    struct sweep {
        struct arena *arena; /* NULL: there is none */
        struct outcome outcome;
        struct contact contact;
        utc_us until;       /* rows due up to then */
        mono_us next_at;    /* not faster than LIMIT_RELAY_SWEEP: other mail goes on meanwhile */
    } sweep;

    bool suspended;
    int64_t per_hour, hour_left; /* 0: any */
    mono_us hour_ends;
};

struct run { /* an errand under way; lies in its arena */
    struct errand errand;
    struct hop *hop;
    struct list in_idle, in_all_idle; /* of its hop; of all, the longest first */
    struct fiber *fiber;
    struct next_hop next_hop;
    bool resolved;        /* next_hop is what today's routes say */
    struct bundle *first; /* found before it set out */
    bool called;          /* while idle: there is something for it, */
    bool dismissed;       /* or its connection is wanted elsewhere */
    int parcels, delivered;
    struct outcome last; /* of the parcel given back last: its kind, and words in the arena */
    struct contact contact;
};

struct settler { /* a fiber that writes outcomes down */
    struct scheduler *scheduler;
    struct list bundles;
    struct fiber *fiber;
    bool ended;
};

struct scheduler {
    struct loop *loop;
    struct world *world;
    const struct queue *queue;
    const struct log *log;
    struct schedule_options limits;

    struct fiber *main;
    struct scope scope;
    int fibers; /* in it */
    bool draining, stopping, ended;

    struct map hops;    /* by key */
    struct map lines;   /* by line.key */
    struct map at_hand; /* bundles by row_key */
    uint64_t hops_made;
    struct list ready, hungry, resting, idle;

    /* the finder */
    struct fiber *finder;
    bool look;              /* from the beginning, and at what the owner said of next hops */
    bool scanning;          /* rows behind `scanned` may be due */
    struct queue_place scanned;
    utc_us next_due;        /* the first row behind, INT64_MAX none */
    mono_us walk_anew_at;
    bool hops_missing;      /* a row's hop could not be remembered */
    bool reading;           /* rows are being read */
    bool room_wanted;       /* there is no memory for rows that hops want */
    uint64_t generation;    /* of what a read may still believe */
    struct list departed;   /* settled while rows were read */

    struct settler plain, reporting;
    utc_us interrupted_at; /* struct store_stats */

    _Atomic int64_t parcels, recipients, bytes, connections; /* now */
    _Atomic int64_t delivered, deferred, failed, settlements, groups;
    _Atomic bool deaf; /* nothing is handed over any more */
    _Atomic bool look_asked, drain_asked;
    _Atomic mono_us hurried_at; /* by a stranger */
    _Atomic int64_t hurried_by; /* his session */
    struct post look_post, drain_post;
};

/* ---- schedule.c ---- */

void scheduler_spawn(struct scheduler *s, void (*fn)(void *), void *arg); /* in its scope, counted */
void scheduler_fiber_ends(struct scheduler *s);                           /* called last by each of them */

/* A bundle of n recipients of the mail, in memory from now on. */
struct bundle *bundle_new(struct scheduler *s, struct mail *m, const struct queue_item *items, size_t n,
                          struct str sender);
void bundle_free(struct scheduler *s, struct bundle *b); /* its rows are not at hand any more */
/* The first k recipients stay; the others become a bundle of their own. */
struct bundle *bundle_split(struct scheduler *s, struct bundle *b, size_t k);
/* While its recipients change places its rows are not at hand. */
void bundle_let_go(struct scheduler *s, struct bundle *b);
void bundle_hold(struct scheduler *s, struct bundle *b);
struct mail *mail_new(void);
void mail_drop_if_unused(struct mail *m);
bool is_at_hand(const struct scheduler *s, const struct queue_item *i);
bool scheduler_is_full(const struct scheduler *s);
bool scheduler_is_half_full(const struct scheduler *s);

/* ---- schedule_hop.c ---- */

struct hop *hop_of(struct scheduler *s, struct str key); /* made if need be; NULL: too many are remembered */
void hop_free(struct scheduler *s, struct hop *h);
void hop_read_owner(struct scheduler *s, struct hop *h, const struct directory *d);
bool hop_is_open(struct scheduler *s, struct hop *h); /* may letters be taken to it now? */
void hop_add(struct scheduler *s, struct hop *h, struct bundle *b, bool first);
/* For one more letter of this sender. One that has just come waits behind his that are in the store. */
bool hop_has_room(struct scheduler *s, struct hop *h, struct str sender, int priority, bool has_just_come);
struct bundle *hop_take(struct scheduler *s, struct hop *h); /* NULL: none waits */
void hop_not_sent(struct hop *h, size_t n); /* recipients that were taken count no more against its hour */
void hop_forget_waiting(struct scheduler *s, struct hop *h); /* bundles leave memory; their rows are found again */
void hop_has_more(struct scheduler *s, struct hop *h, struct queue_place before);
void hop_check(struct scheduler *s, struct hop *h); /* after a change: wants it errands, or rows? */
void hop_served(struct scheduler *s, struct hop *h);
void hop_is_busy(struct scheduler *s, struct hop *h, const struct run *r);
void hop_sweep(struct scheduler *s, struct hop *h, struct bundle *b); /* deferred with what keeps everybody from it */
void hop_cannot_be_reached(struct scheduler *s, struct hop *h, const struct run *r);
void hops_wake(struct scheduler *s, mono_us now, mono_us *next); /* those that have rested */

/* ---- schedule_errand.c ---- */

void errands_start(struct scheduler *s); /* as many as hops want and limits allow */
void errand_call(struct hop *h);         /* an idle one has something to carry */
/* An idle one ends: who has waited longest, or all of them. */
void errands_dismiss_idle(struct scheduler *s, bool all);

/* ---- schedule_find.c ---- */

void finder_run(void *scheduler);
void finder_wake(struct scheduler *s);
void finder_expect(struct scheduler *s, utc_us due); /* a row will be due then */

/* ---- schedule_settle.c ---- */

void settler_run(void *settler);
void settler_end(struct settler *t); /* when it has written everything down */
void settle(struct scheduler *s, struct bundle *b); /* its outcomes are filled, none is OUTCOME_UNTRIED */
/* Fills in the letter of a mail that was found in the store. 0, or as store_queue_letter(). */
FIBER int mail_load(struct scheduler *s, struct mail *m, int64_t message, struct error *e);

/* ---- schedule_local.c ---- */

/* Carries to mailboxes of ours, again; for next hops that need no connection. */
FIBER enum errand_end local_carry(const struct queue *q, struct errand *e);

#endif
