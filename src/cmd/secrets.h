/* The server's own secrets: made once, kept in the store, the same over restarts. */
#ifndef CMD_SECRETS_H
#define CMD_SECRETS_H

#include "store/store.h"

/* The one that others are made from, as hex in `a`; the first call of a store's life makes it up. 0 or what the store
 * says. */
FIBER int secret_of_server(struct world *w, struct store *s, struct arena *a, struct str *out, struct error *e);

/* That of return addresses (proto/smtp/srs.h), made from the server's: what becomes known of one says nothing of the
 * other. */
struct str secret_of_returns(struct arena *a, struct str server_secret);

#endif
