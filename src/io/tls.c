/* TLS contexts: certificates and keys of a server, or what a client wants of its peer (RFC 8446, RFC 9325).
 *
 * TLS 1.2 and up, forward secrecy, no renegotiation, no compression, no session cache. A server chooses among its
 * certificates by SNI (RFC 6066 §3) and their own host names (RFC 6125). In a simulated world a context is a mark. */
#include "io/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/conn.h"
#include "io/tls_context.h"
#include "proto/dns/dns.h"

#define GROUPS "X25519:P-256:P-384"
/* RFC 9325 §4.2; CBC last, for old mail servers. */
#define SERVER_CIPHERS_TLS12 "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:!aNULL"

/* ---- errors ---- */

static const struct {
    int reason;
    const char *words;
} plain_words[] = {
    {SSL_R_WRONG_VERSION_NUMBER, "peer does not speak TLS (wrong version number)"},
    {SSL_R_HTTP_REQUEST, "peer does not speak TLS (HTTP request)"},
    {SSL_R_PACKET_LENGTH_TOO_LONG, "peer does not speak TLS (record too long)"},
    {SSL_R_UNSUPPORTED_PROTOCOL, "peer has no TLS version we accept"},
    {SSL_R_NO_SHARED_CIPHER, "no cipher in common"},
    {SSL_R_UNEXPECTED_EOF_WHILE_READING, "peer closed the connection"},
};

void tls_reason(char *out, size_t size)
{
    unsigned long code = ERR_get_error();
    int reason = ERR_GET_REASON(code);
    const char *words = ERR_reason_error_string(code);
    ERR_clear_error();
    for (size_t i = 0; ERR_GET_LIB(code) == ERR_LIB_SSL && i < sizeof plain_words / sizeof *plain_words; i++)
        if (plain_words[i].reason == reason) words = plain_words[i].words;
    if (ERR_GET_LIB(code) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET)
        snprintf(out, size, "peer refused: %s", SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET));
    else snprintf(out, size, "%s", words ? words : "unknown reason");
}

int tls_error(struct error *e, const char *fmt, ...)
{
    char what[160], why[80];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    tls_reason(why, sizeof why);
    return error_set(e, ERR_TLS, "%s: %s", what, why);
}

/* ---- making a context ---- */

static struct tls_context *context_new(struct world *w, bool server)
{
    struct tls_context *t = calloc(1, sizeof *t);
    if (!t) abort();
    *t = (struct tls_context){.refs = 1, .world = w, .server = server, .simulated = world_is_simulated(w)};
    if (t->simulated) return t;
    t->arena = arena_new(NULL, 0);
    map_init(&t->names, world_hash_key(w));
    t->bio = tls_layer_bio();
    if (server) t->tickets = tls_tickets_new(w);
    return t;
}

struct tls_context *tls_ref(struct tls_context *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void tls_unref(struct tls_context *t)
{
    if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) > 1) return;
    for (struct tls_identity *i = t->first; i; i = i->next) SSL_CTX_free(i->ssl);
    if (!t->simulated) {
        map_free(&t->names);
        tls_tickets_free(t->tickets);
        BIO_meth_free(t->bio);
        arena_free(t->arena);
    }
    free(t);
}

bool tls_context_is_simulated(struct tls_context *t) { return t->simulated; }

/* A key file with a password must not make OpenSSL ask the terminal for it. */
static int no_password(char *out, int size, int writing, void *arg)
{
    (void)writing, (void)arg;
    if (size > 0) *out = 0;
    return -1;
}

static SSL_CTX *new_settings(bool server)
{
    SSL_CTX *c = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    if (!c) abort();
    SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION); /* RFC 8996, RFC 9325 §3.1.1 */
    SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(c, 1); /* a record in one read */
    SSL_CTX_set1_groups_list(c, GROUPS);
    SSL_CTX_set_default_passwd_cb(c, no_password);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    return c;
}

/* ---- certificates ---- */

static int check_readable(const char *what, const char *path, struct error *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return error_os(e, errno, "cannot read the %s %s", what, path);
    close(fd);
    return 0;
}

static bool is_mismatch(void)
{
    unsigned long code = ERR_peek_last_error();
    int reason = ERR_GET_REASON(code);
    if (ERR_GET_LIB(code) == ERR_LIB_SSL) return reason == SSL_R_NO_CERTIFICATE_ASSIGNED;
    if (ERR_GET_LIB(code) != ERR_LIB_X509) return false;
    return reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH;
}

static int load(SSL_CTX *c, const char *certificate_path, const char *key_path, struct error *e)
{
    int failed = check_readable("certificate", certificate_path, e);
    if (!failed) failed = check_readable("key", key_path, e);
    if (failed) return failed;
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(c, certificate_path) != 1)
        return tls_error(e, "the certificate %s cannot be used", certificate_path);
    if (SSL_CTX_use_PrivateKey_file(c, key_path, SSL_FILETYPE_PEM) == 1 && SSL_CTX_check_private_key(c) == 1) return 0;
    if (!is_mismatch()) return tls_error(e, "the key %s cannot be used", key_path);
    ERR_clear_error();
    return error_set(e, ERR_TLS, "the key %s does not belong to the certificate %s", key_path, certificate_path);
}

static void add_name(struct tls_context *t, struct tls_identity *i, const ASN1_STRING *text)
{
    struct str name, raw = str_of(ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text));
    if (dns_name(t->arena, raw, &name)) return;
    if (!map_get(&t->names, name)) map_set(&t->names, name, i); /* the first certificate of a name keeps it */
}

static void add_names(struct tls_context *t, struct tls_identity *i)
{
    X509 *x = SSL_CTX_get0_certificate(i->ssl);
    GENERAL_NAMES *all = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    bool any = false;
    for (int n = 0; n < sk_GENERAL_NAME_num(all); n++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(all, n);
        if (g->type != GEN_DNS) continue;
        add_name(t, i, g->d.dNSName);
        any = true;
    }
    GENERAL_NAMES_free(all);
    if (any) return;
    const X509_NAME *subject = X509_get_subject_name(x); /* counts if there is no other, RFC 6125 §6.4.4 */
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at >= 0) add_name(t, i, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

/* The identity for a name; wildcards stand for one whole label (RFC 6125 §6.4.3). NULL if it is none of ours. */
static struct tls_identity *identity_of(const struct tls_context *t, const char *server_name)
{
    char lower[256];
    size_t n = strlen(server_name);
    if (n == 0 || n >= sizeof lower) return NULL;
    for (size_t i = 0; i < n; i++) lower[i] = ch_lower(server_name[i]);
    struct str name = str_of(lower, n);
    struct tls_identity *found = map_get(&t->names, name);
    size_t dot = str_find_char(name, '.');
    if (found || dot == 0 || dot == n) return found;
    lower[dot - 1] = '*';
    return map_get(&t->names, str_skip(name, dot - 1));
}

static int on_server_name(SSL *ssl, int *alert, void *arg)
{
    const struct tls_context *t = arg;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    struct tls_identity *i = name ? identity_of(t, name) : NULL;
    if (i && i->ssl != SSL_get_SSL_CTX(ssl)) SSL_set_SSL_CTX(ssl, i->ssl);
    *alert = SSL_AD_UNRECOGNIZED_NAME; /* not sent: an unknown name gets the first certificate */
    return i ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

int tls_server_add(struct tls_context *t, const char *certificate_path, const char *key_path, struct error *e)
{
    if (t->simulated) return 0;
    SSL_CTX *c = new_settings(true);
    SSL_CTX_set_cipher_list(c, SERVER_CIPHERS_TLS12);
    SSL_CTX_set_tlsext_servername_callback(c, on_server_name);
    SSL_CTX_set_tlsext_servername_arg(c, t);
    tls_tickets_install(t->tickets, c);
    int failed = load(c, certificate_path, key_path, e);
    if (failed) {
        SSL_CTX_free(c);
        return failed;
    }
    struct tls_identity *i = arena_new_of(t->arena, struct tls_identity), **end = &t->first;
    i->ssl = c;
    while (*end) end = &(*end)->next;
    *end = i;
    add_names(t, i);
    return 0;
}

int tls_server_new(struct world *w, const char *certificate_path, const char *key_path, struct tls_context **out,
                   struct error *e)
{
    struct tls_context *t = context_new(w, true);
    int failed = tls_server_add(t, certificate_path, key_path, e);
    if (failed) tls_unref(t);
    else *out = t;
    return failed;
}

/* ---- clients ---- */

int tls_client_new(struct world *w, enum tls_verify verify, struct tls_context **out, struct error *e)
{
    struct tls_context *t = context_new(w, false);
    t->verify = verify;
    if (t->simulated) {
        *out = t;
        return 0;
    }
    t->first = arena_new_of(t->arena, struct tls_identity);
    SSL_CTX *c = t->first->ssl = new_settings(false);
    ERR_clear_error();
    if (verify == TLS_VERIFY_NONE) {
        /* RFC 7435: without verification weak cryptography is still better than the plain text that would follow. */
        SSL_CTX_set_security_level(c, 0);
        SSL_CTX_set_cipher_list(c, "DEFAULT:@SECLEVEL=0");
        SSL_CTX_set_options(c, SSL_OP_LEGACY_SERVER_CONNECT);
    } else if (SSL_CTX_set_default_verify_paths(c) != 1) {
        tls_unref(t);
        return tls_error(e, "cannot read the system's trusted certificates");
    } else {
        SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
    }
    *out = t;
    return 0;
}

int tls_client_trust(struct tls_context *t, const char *pem_path, struct error *e)
{
    if (t->simulated) return 0;
    int failed = check_readable("certificate", pem_path, e);
    if (failed) return failed;
    SSL_CTX *c = t->first->ssl;
    X509_STORE *believed = X509_STORE_new();
    if (!believed) abort();
    SSL_CTX_set_cert_store(c, believed);
    ERR_clear_error();
    if (X509_STORE_load_file(believed, pem_path) == 1) return 0;
    return tls_error(e, "the certificates %s cannot be used", pem_path);
}
