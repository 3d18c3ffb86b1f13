/* SHA-256 and what is built on it. OpenSSL can refuse only for want of memory or a broken library: both abort. */
#include "base/digest.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

static void must(bool done)
{
    if (!done) abort();
}

struct sha256 sha256_of(struct str bytes)
{
    struct sha256 d;
    must(EVP_Digest(bytes.p, bytes.n, d.b, NULL, EVP_sha256(), NULL));
    return d;
}

struct sha256 sha256_hmac(struct str key, struct str bytes)
{
    struct sha256 d;
    must(key.n <= INT_MAX);
    must(HMAC(EVP_sha256(), key.n ? key.p : "", (int)key.n, (const unsigned char *)bytes.p, bytes.n, d.b, NULL));
    return d;
}

struct sha256 sha256_pbkdf2(struct str password, struct str salt, int iterations)
{
    struct sha256 d;
    must(password.n <= INT_MAX && salt.n <= INT_MAX);
    must(PKCS5_PBKDF2_HMAC(password.n ? password.p : "", (int)password.n, (const unsigned char *)salt.p, (int)salt.n,
                           iterations, EVP_sha256(), SHA256_SIZE, d.b));
    return d;
}

/* sha256_stream is OpenSSL's own context under our name. */
static EVP_MD_CTX *context(struct sha256_stream *h) { return (EVP_MD_CTX *)(void *)h; }

struct sha256_stream *sha256_begin(void)
{
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    must(c && EVP_DigestInit_ex(c, EVP_sha256(), NULL));
    return (struct sha256_stream *)(void *)c;
}

void sha256_feed(struct sha256_stream *h, struct str bytes) { must(EVP_DigestUpdate(context(h), bytes.p, bytes.n)); }

struct sha256 sha256_end(struct sha256_stream *h)
{
    struct sha256 d;
    must(EVP_DigestFinal_ex(context(h), d.b, NULL));
    EVP_MD_CTX_free(context(h));
    return d;
}
