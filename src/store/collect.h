/* Inside store/: the collector's state. It runs in the writer's lane, in pieces between groups (see collect.c). */
#ifndef STORE_COLLECT_H
#define STORE_COLLECT_H

#include "base/error.h"
#include "base/list.h"
#include "base/time.h"

enum {
    COLLECT_ENOUGH = 16 << 20, /* bytes made garbage that are worth a collection, */
    COLLECT_LEAST = 1 << 20,   /* or so many if they are a quarter of all there is */
    COLLECT_ROWS = 500,        /* rows of one piece, */
    COLLECT_BYTES = 8 << 20,   /* and bytes it copies */
    COLLECT_PASSES = 16,       /* groups that may go first */
    COLLECT_RESTS = 50,        /* times as long as a collection took before the next, unless the disk is low: it
                                * looks at every body there is, and a million may wait while little is garbage */
    COLLECT_HOURS = 6,         /* at least, between two looks at what was kept a while */
    COLLECT_RETRY_US = 60000000, /* after a failure, unless somebody asks */
    COLLECT_SEALS = 64 << 10,  /* bytes from which on the open pack is sealed to be weighed with the others */
    PACK_DEAD = 2,             /* pack.sealed */
};

enum collect_phase {
    COLLECT_IDLE,       /* the first piece sees which packs may be weighed */
    COLLECT_TOMBSTONES, /* letters that were expunged */
    COLLECT_MAILBOXES,  /* those that were deleted */
    COLLECT_ACCOUNTS,   /* what accounts that were removed had */
    COLLECT_WEIGH,      /* bodies nobody names; how much of each pack is needed */
    COLLECT_MOVE,       /* what is needed out of packs that are worth it */
    COLLECT_BURY,       /* packs nobody needs */
    COLLECT_FORGET,     /* their rows */
};

struct collect_pack {
    int64_t id, size, live; /* bytes */
    bool moving;            /* its live bodies are moved elsewhere */
    bool dead;              /* marked by this piece; its file goes after the commit */
};

struct collect {
    int64_t garbage;      /* bytes, about; since the last collection began */
    int64_t held;         /* and before, which may be kept a while yet: */
    utc_us due_at;        /* then it is looked at again */
    mono_us not_before;   /* after a failure */
    mono_us rests_until;
    int64_t took;         /* microseconds of the lane's time */
    struct list asked;    /* struct job; they wait for this collection */
    enum collect_phase phase;
    utc_us until;         /* what went before then is collected */
    int64_t after[4];     /* keys the next piece goes on behind */
    struct collect_pack *packs; /* by id */
    size_t n_packs, buried;
    bool unsure;          /* a body's row is damaged: which pack it is in nobody knows */
    bool left;            /* for want of room */
};

struct store;

int collect_load(struct store *s, struct error *e); /* what an earlier run left */
int collect_save(struct store *s, struct error *e); /* for the next one, in a transaction */

/* In the lane. A piece runs in a transaction; when it could not be committed for want of room it may be run again. */
bool collect_is_due(struct store *s);
void collect_ask(struct store *s); /* who waits for a collection waits for this one */
int collect_piece(struct store *s, struct error *e);
void collect_again(struct store *s, const struct collect *before);
void collect_committed(struct store *s);
void collect_end(struct store *s, int result);

#endif
