/* SCRAM-SHA-256 (RFC 5802, RFC 7677), the client's side as a pure dialogue. Without channel binding ("n"): where it
 * matters the caller has judged the server's certificate. */
#ifndef PROTO_SASL_SCRAM_CLIENT_H
#define PROTO_SASL_SCRAM_CLIENT_H

#include "base/arena.h"
#include "base/digest.h"

struct scram_client {
    struct str first_bare; /* client-first-message-bare */
    struct sha256 server_signature; /* expected; after scram_client_final */
};

/* The client-first-message, in `a`. nonce: random, printable without comma. */
struct str scram_client_first(struct arena *a, struct scram_client *c, struct str username, struct str nonce);

/* The client-final-message to the server's first one. password: prepared (password_prepare). 0; ERR_SYNTAX (not its
 * grammar, or not our nonce); ERR_DENIED (fewer than 4096 iterations: the password would be given away, or over 10
 * million). */
int scram_client_final(struct arena *a, struct scram_client *c, struct str password, struct str server_first,
                       struct str *out);

/* Does the server know the password too? 0; ERR_DENIED: it does not, or says "e=". */
int scram_client_verify(const struct scram_client *c, struct str server_final);

#endif
