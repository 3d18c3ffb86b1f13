/* Searching letters of an account, and what sorting and threading must know of them. Part of the store's contract
 * (store.h).
 *
 * The question is a tree of keys. What the caller knows by himself (flags, UIDs, sizes) he answers; fields of the
 * envelope and dates come from rows; texts are read from packs, of those letters alone that the index
 * (search_index.h) cannot exclude. The index is a hint and may be missing: the answer is the same. Texts are compared
 * in the normal form of proto/mime/fold.h. */
#ifndef STORE_SEARCH_H
#define STORE_SEARCH_H

#include "store/store.h"

enum search_kind {
    SEARCH_AND, SEARCH_OR, SEARCH_NOT, /* of children, which may be none; NOT: of none of them */
    SEARCH_KNOWN,   /* the caller's answer */
    SEARCH_SUBJECT, /* contains `text`, as all that follow unless they say something else */
    SEARCH_FROM, SEARCH_TO, SEARCH_CC, SEARCH_BCC,
    SEARCH_SENT,    /* from <= the Date field as its writer's clock stood < until */
    SEARCH_THREAD,  /* the thread's id is `from` */
    SEARCH_HEADER,  /* a field `field` */
    SEARCH_BODY, SEARCH_TEXT,
};

struct search_key {
    enum search_kind kind;
    struct search_key *next, *children;
    struct str text, field; /* UTF-8 */
    int64_t from, until;
    bool fuzzy;             /* all words of the text, anywhere, accents aside (RFC 6203) */
    const void *of;         /* the caller's */
    size_t leaf;            /* the store's */
};

struct search {
    int64_t account;
    struct search_key *key;
    const int64_t *emails; /* the candidates; one that is no letter of the account does not match */
    size_t n;
    /* SEARCH_KNOWN: does it hold for candidate i? Called on other threads, on two at a time. */
    bool (*known)(const void *arg, const struct search_key *k, size_t i);
    const void *known_arg;
    /* After each piece of work (about 20 ms), on the caller's fiber, with how many candidates are done; false: stop.
     * Must not leave by an arena's guard. May be NULL. */
    FIBER bool (*progress)(void *arg, size_t done);
    void *progress_arg;
    uint8_t *score; /* out, n of them: 0 no match, else 1 … 100; below 100 fuzzy keys alone bring it */
};
/* ERR_CANCELLED: progress() said so. ERR_TOO_LONG: a text of more than 4 KB. */
FIBER int store_search(struct store *s, struct search *q, struct error *e);

/* What is known of candidate i without the store: 1 it matches, 0 it does not, -1 it must be searched. */
int search_decide(const struct search *q, size_t i);

enum search_fact {
    FACT_SENT = 1,
    FACT_SUBJECT = 2,
    FACT_FROM = 4, FACT_TO = 8, FACT_CC = 16,
    FACT_SHOWN = 32,      /* from and to as RFC 5957 shows them */
    FACT_IDS = 64,        /* message_id, thread */
    FACT_REFERENCES = 128, /* costs a look into the pack */
};
struct search_facts { /* of one letter; strings in the normal form, in the caller's arena */
    utc_us sent;      /* 0: no Date that parses */
    struct str subject; /* base subject (RFC 5256 §2.1) */
    bool reply;
    struct str from, to, cc; /* mailbox (local part) of the first address; empty when there is none */
    struct str shown_from, shown_to; /* its display name, else the address */
    struct str message_id; /* as written, without brackets; STR_NONE */
    const struct str *references; /* ids of References, else the first of In-Reply-To */
    size_t n_references;
    int64_t thread;
    bool gone; /* no such letter any more: nothing else is set */
};
/* Facts of letters emails[0 … n), what is wanted of them (enum search_fact), in `a`. progress as above. */
FIBER int store_search_facts(struct store *s, struct arena *a, int64_t account, const int64_t *emails, size_t n,
                             unsigned want, FIBER bool (*progress)(void *arg, size_t done), void *progress_arg,
                             struct search_facts *out, struct error *e);

/* Memory that searches work in, all together: takes so many more bytes of `most`, or none, false; and gives them back.
 */
bool store_search_take(struct store *s, int64_t bytes, int64_t most);
void store_search_give(struct store *s, int64_t bytes);

/* Keeps the index behind the commits, in small pieces that make way for deliveries, until the loop stops. On one fiber
 * of one loop; costs nothing while no letters come. */
FIBER void store_search_indexer(struct store *s);

struct search_stats {
    int64_t letters, segments, rebuilt; /* indexed and written since opening; times the index was thrown away */
    int64_t scanned;                    /* letters whose text was read to answer */
};
struct search_stats store_search_stats(struct store *s);

#endif
