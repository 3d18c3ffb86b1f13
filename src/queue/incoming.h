/* A letter on its way in: its bytes while they come, the header edits, the judgement of its header, and the one commit
 * behind 250.
 *
 * The MTA and the MSA use it alike; they differ in struct incoming_rules. */
#ifndef QUEUE_INCOMING_H
#define QUEUE_INCOMING_H

#include "mail/transaction.h"
#include "queue/post.h"
#include "queue/route.h"

struct queue { /* what accepting needs; made by the program, constant while it runs */
    struct world *world;
    struct store *store;
    const struct post_office *post;
    struct route_rules rules;
    struct str hostname; /* shown: in Received, Message-ID, authserv-id */
    struct str srs_secret; /* of return addresses, hex; empty: senders are not rewritten */
    struct scheduler *scheduler; /* told of what is to be carried; NULL: it finds the rows */
};

struct incoming_rules {
    bool submission; /* RFC 6409 §8: Bcc, Resent-Bcc, Return-Path go, Date and Message-ID come */
    bool hide_client; /* the client's address stays out of Received */
    int64_t per_hour, per_day; /* recipients the submitter may have; 0: no limit, and they are not counted */
    /* Judges the header, once, before anything is written: reply.code 0 lets it pass. May be NULL. */
    struct reply (*judge)(void *arg, struct arena *a, struct str header);
    void *arg;
};

struct incoming_recipient {
    struct forward_path path;
    const struct route *route;
};

struct incoming;

/* t, rules and the n recipients must outlive it; everything lies in `a`. */
struct incoming *incoming_begin(const struct queue *q, struct arena *a, const struct transaction *t,
                                const struct incoming_rules *rules, const struct incoming_recipient *rcpt, size_t n);

/* The next bytes. After something went wrong they are dropped; incoming_end() tells. */
FIBER void incoming_bytes(struct incoming *in, struct str bytes);

/* The letter is whole: accept it for all recipients in one commit. results[i] is recipient i's: 250, or why not. */
FIBER void incoming_end(struct incoming *in, struct reply *results);

#endif
