/* The client's proof of SCRAM (RFC 5802 §3), whose hashing takes as long as the server likes: on a thread, not on the
 * loop. */
#ifndef WIRE_SCRAM_PROVE_H
#define WIRE_SCRAM_PROVE_H

#include "io/fiber.h"
#include "proto/sasl/scram_client.h"

/* scram_client_final() for the server's first message `challenge`; *final lies in `a`. 0 or what that says. */
FIBER int scram_prove(struct arena *a, struct scram_client *s, struct str password, struct str challenge,
                      struct str *final);

#endif
