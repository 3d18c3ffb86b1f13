/* The server's side of SASL, shared by SMTP, POP3 and IMAP (RFC 4422): PLAIN, LOGIN, SCRAM-SHA-256 and -PLUS.
 *
 * Grammar is proto/sasl's; who people are is the agent's, behind struct sasl_accounts; here is the dialogue. */
#ifndef WIRE_SASL_H
#define WIRE_SASL_H

#include "io/stream.h"
#include "proto/sasl/scram.h"

struct sasl_identity {
    int64_t account;    /* principal id; 0 = nobody */
    int64_t credential; /* which of its credentials */
    struct str login;   /* the name it logged in with, as the directory shows it */
};

/* Who may log in. Every function may suspend. Passwords come prepared (password_prepare), names as they were typed:
 * prepare and fold alike what is stored. A failure is answered when the function returns: it waits where guessing is to
 * be slow. The client's address lets the agent slow down and refuse guessers. */
struct sasl_accounts {
    /* Does `password` belong to `login`? 0 and *who; ERR_DENIED (wrong, unknown or disabled: never said which);
     * ERR_BUSY (too many failures from there: temporary); ERR_UNAVAILABLE. */
    FIBER int (*password)(void *arg, struct ip client, struct arena *a, struct str login, struct str password,
                          struct sasl_identity *who);
    /* The keys to run SCRAM with; for an unknown login keys derived from a server secret, so that nothing shows.
     * *who is filled if it is somebody. 0, ERR_BUSY, ERR_UNAVAILABLE. */
    FIBER int (*scram)(void *arg, struct ip client, struct arena *a, struct str login, struct scram_keys *keys,
                       struct sasl_identity *who);
    /* How a SCRAM exchange ended, for the failure limits and last_used. */
    FIBER void (*scram_done)(void *arg, struct ip client, const struct sasl_identity *who, bool ok);
    void *arg;
};

/* The protocol around it: how a challenge is sent and a response read. */
struct sasl_transport {
    /* Sends "334 base64" / "+ base64" with the (raw) challenge and reads one decoded response into `a`.
     * 0; ERR_CANCELLED when the client said "*"; ERR_SYNTAX when it was not base64; ERR_TOO_LONG; stream errors. */
    FIBER int (*challenge)(void *arg, struct arena *a, struct str challenge, struct str *response);
    void *arg;
    struct stream *stream; /* for channel bindings and whether TLS is on */
};

enum sasl_outcome {
    SASL_OK,
    SASL_DENIED,         /* 535 5.7.8 */
    SASL_SYNTAX,         /* 501 5.5.2 */
    SASL_CANCELLED,      /* 501 5.0.0: the client said "*" */
    SASL_NO_MECHANISM,   /* 504 5.5.4 */
    SASL_BUSY,           /* 454 4.7.0 too many failures, try later */
    SASL_UNAVAILABLE,    /* 454 4.7.0 temporary failure */
    SASL_TOO_LONG,       /* 500 5.5.6 */
    SASL_LOST            /* the connection is gone */
};

/* The mechanisms offered on this connection, space-separated, best first ("SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN
 * LOGIN"); -PLUS only where a channel binding exists. */
struct str sasl_mechanisms(struct stream *s);

/* Runs one exchange. initial: decoded initial response, STR_NONE if none was given. */
FIBER enum sasl_outcome sasl_run(struct arena *a, const struct sasl_accounts *accounts, struct sasl_transport *t,
                                 struct str mechanism, struct str initial, struct sasl_identity *who);

#endif
