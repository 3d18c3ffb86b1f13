/* Who is it? Passwords and SCRAM keys of accounts, with guessers slowed down and shut out.
 *
 * At rest a password is a yescrypt hash beside SCRAM-SHA-256 keys. A success is remembered, keyed by credential and an
 * HMAC of the password under a key of this process, so that the slow hash is not the speed limit of log-ins. Unknown
 * users cost the same time as known ones and get SCRAM keys derived from a server secret. */
#ifndef TRUST_LOGIN_H
#define TRUST_LOGIN_H

#include "store/store.h"
#include "wire/sasl.h"

struct login;

struct login_options {
    struct store *store;
    /* stable over restarts (store_setting), so that an unknown user's salt never changes */
    struct str fake_salt_secret;
    struct str local_domain;     /* appended to a login without "@"; may be empty */
    bool (*trusted)(void *arg, struct ip client); /* neither counted nor delayed; loopback is not either */
    void *arg;
};
struct login *login_new(struct world *w, const struct login_options *o);
void login_free(struct login *l);

const struct sasl_accounts *login_accounts(struct login *l);

/* A password's hash and keys, for storing; in `a`. Runs off the loop, about 50 ms. ERR_TOO_LONG, ERR_SYNTAX (empty,
 * control characters, not UTF-8). */
FIBER int login_make_credential(struct world *w, struct arena *a, struct str typed, struct credential_data *out,
                                struct error *e);

#endif
