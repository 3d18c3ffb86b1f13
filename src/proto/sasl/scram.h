/* SCRAM-SHA-256 and -PLUS (RFC 5802, RFC 7677), the server's side as a pure dialogue: message in, message out.
 *
 * Who somebody is, where randomness and channel bindings come from and how messages travel is wire/sasl's. Names are
 * compared by the directory; passwords are prepared by mail/unicode (password_prepare), which is what RFC 8265 made of
 * SASLprep. */
#ifndef PROTO_SASL_SCRAM_H
#define PROTO_SASL_SCRAM_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/digest.h"

struct scram_keys { /* RFC 5802 §3 */
    unsigned char salt[16];
    int iterations;
    struct sha256 stored_key, server_key;
};

/* Keys for storing with a new password (RFC 5802 §3), which is prepared already; salt 16 random bytes. */
struct scram_keys scram_derive(struct str password, const unsigned char salt[16], int iterations);

enum scram_binding {
    SCRAM_UNBOUND,      /* "n": the client cannot bind to the channel */
    SCRAM_PLUS_UNSEEN,  /* "y": it could, but was offered no -PLUS */
    SCRAM_BOUND,        /* "p": it does */
};

struct scram_first { /* client-first-message */
    enum scram_binding binding;
    struct str binding_type;        /* "tls-exporter"; of SCRAM_BOUND */
    struct str authzid, username;   /* escapes undone; authzid empty if absent */
    struct str nonce;
    struct str gs2_header, bare;    /* as sent */
};

struct scram_final { /* client-final-message */
    struct str binding; /* decoded: gs2-header and binding data */
    struct str nonce;
    struct sha256 proof;
    struct str without_proof; /* as sent */
};

/* Slices borrow the message or lie in `a`. 0 or ERR_SYNTAX (also for mandatory extensions, "m="). */
int scram_parse_first(struct arena *a, struct str message, struct scram_first *out);
int scram_parse_final(struct arena *a, struct str message, struct scram_final *out);

/* "r=<client nonce><server nonce>,s=...,i=..." The server nonce is printable without comma. In `a`. */
struct str scram_server_first(struct arena *a, const struct scram_first *c, struct str server_nonce,
                              const struct scram_keys *keys);

/* Judges the client's final message to `server_first`. binding: the channel binding data, empty unless bound.
 * 0 and *out = "v=..." in `a`; ERR_SYNTAX; ERR_DENIED (proof, nonce or binding are not right). Takes the same time for
 * all proofs. */
int scram_server_final(struct arena *a, const struct scram_first *c, struct str server_first,
                       const struct scram_keys *keys, struct str binding, struct str message, struct str *out);

#endif
