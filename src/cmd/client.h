/* Asking for administration: over the socket of the running server, else by opening the store ourselves. */
#ifndef CMD_CLIENT_H
#define CMD_CLIENT_H

#include "cmd/program.h"
#include "cmd/request.h"
#include "proto/json/write.h"

struct client;

/* `config` must stay. 0; ERR_BUSY ("a server is starting"), ERR_DENIED, or what opening the store says. */
FIBER int client_open(struct world *w, const struct config *config, struct client **out, struct error *e);
FIBER void client_close(struct client *c); /* hangs up; NULL is fine */
void client_free(struct client *c); /* after the loop's fibers have ended: closes our own store. NULL is fine */
bool client_is_remote(const struct client *c); /* is a server running? */

/* What comes back, line by line. Functions may be NULL. */
struct client_listener {
    void (*row)(void *arg, struct str json); /* the row's object as text */
    void (*tell)(void *arg, struct str line, bool finding);
    void (*done)(void *arg, const json_t *facts);
    void *arg;
};

/* One request as JSON. 0 or the error that was answered. */
FIBER int client_ask(struct client *c, struct str request, const struct client_listener *l, struct error *e);
/* With the bytes that its "bytes" announces. */
FIBER int client_ask_with(struct client *c, struct str request, struct str bytes, const struct client_listener *l,
                          struct error *e);

#endif
