/* Session tickets: the state of a TLS session, sealed and left with the client (RFC 5077, RFC 8446 §4.6.1).
 *
 * A context has a key of its own that seals for 12 hours and opens for 12 more; both die with the context. So a ticket
 * is of use for as long as it says, a stolen memory image opens a day of tickets, and nothing is kept per session. */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "io/tls_context.h"

struct ticket_key {
    unsigned char name[16], cipher[32], mac[32];
    mono_us born; /* 0: no key */
};

struct tls_tickets {
    struct world *world;
    struct lock *lock;
    EVP_CIPHER *cipher;
    struct ticket_key current, previous;
};

#define SPAN_TICKET_KEY SECONDS(TLS_TICKET_LIFE_S)

struct tls_tickets *tls_tickets_new(struct world *w)
{
    struct tls_tickets *t = calloc(1, sizeof *t);
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    if (!t || !cipher) abort();
    *t = (struct tls_tickets){.world = w, .lock = lock_new(w), .cipher = cipher};
    return t;
}

void tls_tickets_free(struct tls_tickets *t)
{
    if (!t) return;
    EVP_CIPHER_free(t->cipher);
    lock_free(t->lock);
    OPENSSL_cleanse(t, sizeof *t);
    free(t);
}

static void rotate(struct tls_tickets *t, mono_us now)
{
    if (t->current.born && now - t->current.born < SPAN_TICKET_KEY) return;
    t->previous = t->current;
    t->current.born = now;
    world_random(t->world, t->current.name, sizeof t->current.name);
    world_random(t->world, t->current.cipher, sizeof t->current.cipher);
    world_random(t->world, t->current.mac, sizeof t->current.mac);
}

static bool is_named(const struct ticket_key *k, const unsigned char *name, mono_us now)
{
    return k->born && now - k->born < 2 * SPAN_TICKET_KEY && memcmp(k->name, name, sizeof k->name) == 0;
}

static struct ticket_key key_to_seal(struct tls_tickets *t)
{
    lock_take(t->lock);
    rotate(t, clock_mono(t->world));
    struct ticket_key k = t->current;
    lock_give(t->lock);
    return k;
}

static bool key_to_open(struct tls_tickets *t, const unsigned char *name, struct ticket_key *k)
{
    mono_us now = clock_mono(t->world);
    lock_take(t->lock);
    bool found = is_named(&t->current, name, now);
    if (found) *k = t->current;
    else if ((found = is_named(&t->previous, name, now))) *k = t->previous;
    lock_give(t->lock);
    return found;
}

static bool set_mac(EVP_MAC_CTX *mac, struct ticket_key *k)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, k->mac, sizeof k->mac),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* OpenSSL's question for a key: to seal with (name and iv to be filled), or the one of that name to open with.
 * 1 yes; 2 yes, and give the client a fresh ticket; 0 do a full handshake; -1 failed. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *c, EVP_MAC_CTX *mac, int seal)
{
    struct tls_tickets *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct ticket_key k;
    int result = -1;
    if (seal) {
        k = key_to_seal(t);
        memcpy(name, k.name, sizeof k.name);
        world_random(t->world, iv, (size_t)EVP_CIPHER_get_iv_length(t->cipher));
        if (EVP_EncryptInit_ex2(c, t->cipher, k.cipher, iv, NULL) == 1 && set_mac(mac, &k)) result = 1;
    } else {
        if (!key_to_open(t, name, &k)) return 0;
        bool ok = EVP_DecryptInit_ex2(c, t->cipher, k.cipher, iv, NULL) == 1 && set_mac(mac, &k);
        if (ok) result = 2; /* RFC 8446 §C.4: a ticket is for one connection */
    }
    OPENSSL_cleanse(&k, sizeof k);
    return result;
}

void tls_tickets_install(struct tls_tickets *t, SSL_CTX *ssl)
{
    SSL_CTX_set_app_data(ssl, t);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl, on_ticket);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ssl, 1);
    SSL_CTX_set_timeout(ssl, TLS_TICKET_LIFE_S);
}
