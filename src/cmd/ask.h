/* One administrative request of a command, from its words to what is printed. */
#ifndef CMD_ASK_H
#define CMD_ASK_H

#include "cmd/client.h"
#include "cmd/listing.h"

struct ask {
    struct program *program;
    struct buf *request;
    struct json json;             /* the request; ask_op() began it, write members, then run */
    const struct column *columns; /* of the rows */
    bool rows;                    /* are there any to be shown? */
    void (*done)(struct ask *q, const json_t *facts); /* may be NULL */
    void (*row)(struct ask *q, struct str row);       /* instead of a listing; may be NULL */
    void *arg;                    /* of the two */
    const char *said;             /* printed when it is done, unless --json */

    /* while it runs */
    struct config config;
    struct client *client;
    struct listing *listing;
    bool findings;
    struct error error;
    int result;
};

/* Begins a request: {"op": op, ... */
void ask_begin(struct ask *q, struct program *p, const char *op);

/* Asks and prints. Returns the exit code. */
int ask_run(struct ask *q);

/* The common ones: an operation on one name, and a list of rows. */
int ask_simple(struct program *p, const char *op, const char *member, const char *value, const char *said);
int ask_list(struct program *p, const char *op, const struct column *columns);
int ask_show(struct program *p, const char *op, const char *member, const char *value);

#endif
