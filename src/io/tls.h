/* TLS settings: certificates and keys of a server (with SNI), or what a client wants of its peer. OpenSSL 3, TLS 1.2
 * and up.
 *
 * Server contexts hold several certificates and are swapped whole on reload; a stream that has begun keeps the one it
 * began with. Stateless tickets with a rotating key, own per context; read buffers released while idle. */
#ifndef IO_TLS_H
#define IO_TLS_H

#include "base/arena.h"
#include "io/world.h"

struct tls_context;

/* Reads the PEM chain and key. Blocking. 0, or ERR_NOT_FOUND / ERR_TLS with a sentence that names file and reason
 * (key does not match, expired is only a warning by tls_certificate_info). */
int tls_server_new(struct world *w, const char *certificate_path, const char *key_path, struct tls_context **out,
                   struct error *e);
/* A further certificate, chosen when SNI names one of its host names. Only before the context is in use. */
int tls_server_add(struct tls_context *t, const char *certificate_path, const char *key_path, struct error *e);

enum tls_verify { TLS_VERIFY_NONE, TLS_VERIFY_NAME };
int tls_client_new(struct world *w, enum tls_verify verify, struct tls_context **out, struct error *e);
/* With TLS_VERIFY_NAME: the authorities (or self-signed certificates) of a PEM file are believed, and no others. Before
 * the context is in use; blocking. 0, or ERR_NOT_FOUND, ERR_TLS with a sentence. */
int tls_client_trust(struct tls_context *t, const char *pem_path, struct error *e);

struct tls_context *tls_ref(struct tls_context *t);
void tls_unref(struct tls_context *t); /* NULL is fine */

/* Makes a self-signed P-256 certificate for `name` valid `days`, as two PEM texts in `a`. */
int tls_self_signed(struct world *w, struct arena *a, struct str name, int days, struct str *certificate,
                    struct str *key, struct error *e);

/* Facts of the first certificate for people: subject, not_after. */
struct tls_certificate_info {
    char subject[256];
    utc_us not_before, not_after;
    char sha256[65]; /* fingerprint, hex */
};
int tls_certificate_info(struct tls_context *t, struct tls_certificate_info *out);

#endif
