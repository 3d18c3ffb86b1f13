/* The running server: loops, listeners, and what stands behind them. */
#ifndef CMD_SERVER_H
#define CMD_SERVER_H

#include "base/log.h"
#include "cmd/config.h"
#include "proto/json/write.h"
#include "store/store.h"

struct queue;
struct relay;
struct scheduler;
struct server;

/* Binds every address of the configuration (so that privileges can be dropped afterwards) and reads the certificate.
 * `config` and `log` must stay. NULL with words in *e: ERR_DENIED, ERR_BUSY (address in use), ERR_TLS, ERR_NOT_FOUND …
 */
struct server *server_new(struct world *w, const struct config *config, const struct log *log, struct error *e);

/* Opens the store, builds what needs it, starts the loops and accepts. Blocking, from the first thread. 0, ERR_BUSY
 * (another process has the data folder), or what else the store says. */
int server_start(struct server *s, struct error *e);

/* Takes over what can change while it runs; *ignored (in `a`): names of changed settings that need a restart. */
int server_reload(struct server *s, struct arena *a, const struct config *config, struct str *ignored, struct error *e);

/* Accepts no more, tells every session to end, waits for them, closes the store, frees all. Of a server that never
 * started, too. */
void server_stop(struct server *s);

/* For administration: any loop. */
struct scheduler *server_scheduler(struct server *s);
const struct relay *server_relay(struct server *s);
const struct queue *server_queue(struct server *s);

/* Members of `penny status` that only a running server knows: uptime, connections, listeners, loops. Any loop. */
void server_put_status(struct server *s, struct json *j);

#endif
