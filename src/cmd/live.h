/* The settings a running server takes over without a restart: its certificate, and who is trusted with what. */
#ifndef CMD_LIVE_H
#define CMD_LIVE_H

#include "cmd/config.h"
#include "io/tls.h"

struct live;

/* Reads the certificate (blocking). NULL with words in *e when that fails. */
struct live *live_new(struct world *w, const struct config *c, struct error *e);
void live_free(struct live *l);

/* Takes over another reading of the configuration, all of it or nothing. 0 or what is wrong with the certificate. */
int live_reload(struct live *l, const struct config *c, struct error *e);

/* Any thread. */
bool live_is_ours(struct live *l, const struct config *c, struct endpoint e); /* as own_address_is() says */
struct tls_context *live_tls(struct live *l); /* referenced; NULL: there is no certificate */
bool live_trusts(struct live *l, struct ip client);
bool live_takes_plaintext(struct live *l, struct ip client); /* may it log in without TLS? */

#endif
