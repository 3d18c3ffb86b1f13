/* Digests and message authentication, over OpenSSL's libcrypto, as pure functions of their input. */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include "base/str.h"

enum { SHA256_SIZE = 32, SHA1_SIZE = 20 };

struct sha256 {
    unsigned char b[SHA256_SIZE];
};
static inline struct str sha256_str(const struct sha256 *d) { return (struct str){(const char *)d->b, SHA256_SIZE}; }

struct sha256 sha256_of(struct str bytes);
struct sha256 sha256_hmac(struct str key, struct str bytes);                       /* RFC 2104 */
struct sha256 sha256_pbkdf2(struct str password, struct str salt, int iterations); /* RFC 8018 §5.2, one block */

/* Over pieces: sha256_begin() allocates, sha256_end() frees. */
struct sha256_stream;
struct sha256_stream *sha256_begin(void);
void sha256_feed(struct sha256_stream *h, struct str bytes);
struct sha256 sha256_end(struct sha256_stream *h);

#endif
