/* Inside store/: checking everything. verify.c goes through it all, verify_mailboxes.c through accounts. */
#ifndef STORE_VERIFY_H
#define STORE_VERIFY_H

#include "store/inside.h"

struct verify {
    void (*tell)(void *arg, const char *line, bool finding);
    void *arg;
    int64_t bad;
    struct buf lines; /* of one step, each ends with NUL: findings */
    int64_t after;    /* by key */
    bool end;
    int64_t seen;
    struct sha256 chain;
    struct arena *arena; /* of one step */
    struct checked_body {
        int64_t id, size;
        struct sha256 sha256;
        struct pack_place place;
    } * bodies;
    size_t n_bodies;
};

/* A finding, for this step's report. */
void verify_found(struct verify *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* One account with all its mailboxes, in one snapshot: the one after v->after. arg: struct verify. */
int verify_account(struct store *s, struct db *db, void *arg, struct error *e);

#endif
