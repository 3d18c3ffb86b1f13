/* TLS over a connection: OpenSSL's state machine, fed through a BIO of ours, one step at a time (RFC 8446, RFC 5246).
 *
 * OpenSSL never waits: when the connection has nothing to give or take, the step ends with CONN_AGAIN and the fiber
 * waits outside. A connection may end without close_notify: mail protocols say themselves where a letter ends. */
#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "io/conn.h"
#include "io/tls_context.h"
#include "mail/ip.h"

struct tls_layer {
    struct tls_context *context;
    struct conn *conn;
    SSL *ssl;
    struct buf fed; /* comes before what the connection has to give */
    bool server, shaken;
    bool nameless;  /* client: it should verify a name, but was given none */
    bool eof;       /* the connection has ended */
    int conn_error; /* ERR_IO or such of the connection below, sticky */
    bool failed;    /* the TLS session is beyond repair */
    char name[256]; /* client: the peer's name */
};

/* ---- the connection as a BIO ---- */

static int64_t take_fed(struct tls_layer *l, char *out, size_t n)
{
    if (n > l->fed.n) n = l->fed.n;
    memcpy(out, l->fed.p, n);
    buf_drop(&l->fed, n);
    if (l->fed.n == 0) buf_free(&l->fed);
    return (int64_t)n;
}

static int bio_read(BIO *b, char *out, int n)
{
    struct tls_layer *l = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    int64_t got = n <= 0 ? 0 : l->fed.n ? take_fed(l, out, (size_t)n) : l->conn->ops->try_read(l->conn, out, (size_t)n);
    if (got > 0) return (int)got;
    if (got == CONN_AGAIN) BIO_set_retry_read(b);
    else if (got == 0 && n > 0) l->eof = true;
    else if (got < 0) l->conn_error = (int)got;
    return got == 0 ? 0 : -1;
}

static int bio_write(BIO *b, const char *p, int n)
{
    struct tls_layer *l = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    struct iovec v = {.iov_base = (void *)(uintptr_t)p, .iov_len = n > 0 ? (size_t)n : 0};
    int64_t put = l->conn->ops->try_writev(l->conn, &v, 1);
    if (put > 0) return (int)put;
    if (put == CONN_AGAIN || put == 0) BIO_set_retry_write(b);
    else l->conn_error = (int)put;
    return -1;
}

static long bio_ctrl(BIO *b, int command, long number, void *pointer)
{
    (void)number, (void)pointer;
    const struct tls_layer *l = BIO_get_data(b);
    if (command == BIO_CTRL_FLUSH) return 1;
    if (command == BIO_CTRL_EOF) return l->eof;
    return 0;
}

BIO_METHOD *tls_layer_bio(void)
{
    /* A fresh index (BIO_get_new_index) is not needed to be told from others, and there are only 127 of them. */
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "connection");
    if (!m) abort();
    BIO_meth_set_read(m, bio_read);
    BIO_meth_set_write(m, bio_write);
    BIO_meth_set_ctrl(m, bio_ctrl);
    return m;
}

/* ---- beginning and end ---- */

static bool set_peer(struct tls_layer *l, struct str name)
{
    struct ip ip;
    bool is_ip = ip_parse(name, &ip) == 0, verify = l->context->verify == TLS_VERIFY_NAME;
    if (str_ends(name, S("."))) name.n--;
    bool usable = name.n > 0 && name.n < sizeof l->name && !memchr(name.p, 0, name.n);
    if (!usable) return !verify;
    memcpy(l->name, name.p, name.n);
    if (!is_ip && SSL_set_tlsext_host_name(l->ssl, l->name) != 1) return false; /* RFC 6066 §3: no addresses */
    if (!verify) return true;
    SSL_set_hostflags(l->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS); /* RFC 6125 §6.4.3 */
    if (is_ip) return X509_VERIFY_PARAM_set1_ip(SSL_get0_param(l->ssl), ip.b, ip.family == 4 ? 4 : 16) == 1;
    return SSL_set1_host(l->ssl, l->name) == 1;
}

struct tls_layer *tls_layer_new(struct tls_context *t, struct conn *c, bool server, struct str server_name)
{
    struct tls_layer *l = calloc(1, sizeof *l);
    BIO *b = BIO_new(t->bio);
    SSL *ssl = SSL_new(t->first->ssl);
    if (!l || !b || !ssl) abort();
    *l = (struct tls_layer){.context = tls_ref(t), .conn = c, .ssl = ssl, .server = server};
    BIO_set_data(b, l);
    BIO_set_init(b, 1);
    SSL_set_bio(ssl, b, b);
    if (server) {
        SSL_set_accept_state(ssl);
    } else {
        SSL_set_connect_state(ssl);
        l->nameless = !set_peer(l, server_name);
    }
    return l;
}

void tls_layer_feed(struct tls_layer *l, struct str bytes)
{
    l->fed = BUF(bytes.n);
    buf_add(&l->fed, bytes);
    if (l->fed.failed) abort();
}

void tls_layer_free(struct tls_layer *l)
{
    if (!l) return;
    buf_free(&l->fed);
    /* Else OpenSSL takes the session for a broken one, and its ticket for useless. */
    if (l->shaken && !l->failed) SSL_set_shutdown(l->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(l->ssl);
    tls_unref(l->context);
    ERR_clear_error();
    free(l);
}

/* ---- steps ---- */

static int fail(struct tls_layer *l, int code)
{
    l->failed = true;
    return code;
}

/* What a call of OpenSSL that did not succeed means; the queue keeps its reasons. 0: closed in good order. */
static int outcome(struct tls_layer *l, int result, bool *want_write)
{
    switch (SSL_get_error(l->ssl, result)) {
    case SSL_ERROR_WANT_READ: *want_write = false; return CONN_AGAIN;
    case SSL_ERROR_WANT_WRITE: *want_write = true; return CONN_AGAIN;
    case SSL_ERROR_ZERO_RETURN: return 0;
    default: return fail(l, l->conn_error ? l->conn_error : l->eof ? ERR_EOF : ERR_TLS);
    }
}

static int handshake_error(struct tls_layer *l, int code, struct error *e)
{
    long verdict = SSL_get_verify_result(l->ssl);
    if (code == ERR_EOF) return error_set(e, ERR_EOF, "TLS handshake failed: peer closed the connection");
    if (code != ERR_TLS) return error_set(e, code, "TLS handshake failed: %s", err_name(code));
    if (!l->server && l->context->verify == TLS_VERIFY_NAME && verdict != X509_V_OK)
        return error_set(e, ERR_TLS, "certificate of %s: %s", l->name, X509_verify_cert_error_string(verdict));
    return tls_error(e, "TLS handshake failed");
}

int tls_layer_handshake(struct tls_layer *l, bool *want_write, struct error *e)
{
    *want_write = false;
    if (l->nameless) return error_set(e, ERR_TLS, "TLS handshake failed: no name of the peer to verify");
    ERR_clear_error();
    int r = SSL_do_handshake(l->ssl);
    if (r == 1) {
        l->shaken = true;
        return 0;
    }
    int code = outcome(l, r, want_write);
    if (code == CONN_AGAIN) return code;
    code = handshake_error(l, code ? code : fail(l, ERR_EOF), e);
    ERR_clear_error();
    return code;
}

int64_t tls_layer_try_read(struct tls_layer *l, void *out, size_t n, bool *want_write)
{
    size_t got = 0;
    *want_write = false;
    if (l->failed) return l->conn_error ? l->conn_error : ERR_TLS;
    if (n == 0) return 0;
    ERR_clear_error();
    if (SSL_read_ex(l->ssl, out, n, &got) == 1) return (int64_t)got;
    int code = outcome(l, 0, want_write);
    ERR_clear_error();
    return code == ERR_EOF ? 0 : code;
}

int64_t tls_layer_try_write(struct tls_layer *l, const void *p, size_t n, bool *want_write)
{
    size_t put = 0;
    *want_write = true;
    if (l->failed) return l->conn_error ? l->conn_error : ERR_TLS;
    if (n == 0) return 0;
    ERR_clear_error();
    if (SSL_write_ex(l->ssl, p, n, &put) == 1) return (int64_t)put;
    int code = outcome(l, 0, want_write);
    ERR_clear_error();
    return code == 0 || code == ERR_EOF ? fail(l, ERR_IO) : code; /* closed: as a write to a closed socket */
}

int tls_layer_shutdown(struct tls_layer *l, bool *want_write)
{
    *want_write = true;
    if (!l->shaken || l->failed) return 0;
    ERR_clear_error();
    int r = SSL_shutdown(l->ssl);
    if (r >= 0) return 0;
    int code = outcome(l, r, want_write);
    ERR_clear_error();
    return code;
}

/* ---- facts ---- */

static bool is_printable_name(const char *name)
{
    for (; *name; name++)
        if (!ch_alnum(*name) && !strchr("-_.:", *name)) return false;
    return true;
}

void tls_layer_facts(struct tls_layer *l, struct tls_facts *out)
{
    *out = (struct tls_facts){0};
    if (!l->shaken) return;
    const char *name = l->server ? SSL_get_servername(l->ssl, TLSEXT_NAMETYPE_host_name) : l->name;
    out->version = SSL_get_version(l->ssl);
    out->cipher = SSL_get_cipher_name(l->ssl);
    out->bits = SSL_get_cipher_bits(l->ssl, NULL);
    out->resumed = SSL_session_reused(l->ssl) == 1;
    out->verified = !l->server && l->context->verify == TLS_VERIFY_NAME && SSL_get_verify_result(l->ssl) == X509_V_OK;
    if (name && is_printable_name(name)) snprintf(out->server_name, sizeof out->server_name, "%s", name);
}

/* RFC 9266 §2; only of TLS 1.3, where it is unique whatever was negotiated (§4.2). */
static struct str exporter_binding(struct tls_layer *l, struct arena *a)
{
    static const char label[] = "EXPORTER-Channel-Binding";
    unsigned char value[32];
    if (SSL_version(l->ssl) < TLS1_3_VERSION) return STR_NONE;
    int done = SSL_export_keying_material(l->ssl, value, sizeof value, label, sizeof label - 1, NULL, 0, 1);
    return done == 1 ? arena_str(a, str_of(value, sizeof value)) : STR_NONE;
}

/* The hash of the server's certificate, by the hash its signature uses, MD5 and SHA-1 replaced (RFC 5929 §4.1). */
static struct str end_point_binding(struct tls_layer *l, struct arena *a)
{
    X509 *x = l->server ? SSL_get_certificate(l->ssl) : SSL_get0_peer_certificate(l->ssl);
    unsigned char value[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    int hash = NID_undef;
    if (!x || X509_get_signature_info(x, &hash, NULL, NULL, NULL) != 1) return STR_NONE;
    if (hash == NID_md5 || hash == NID_sha1) hash = NID_sha256;
    const EVP_MD *md = EVP_get_digestbynid(hash);
    if (!md || X509_digest(x, md, value, &n) != 1) return STR_NONE; /* of Ed25519 it is not defined */
    return arena_str(a, str_of(value, n));
}

struct str tls_layer_channel_binding(struct tls_layer *l, struct arena *a, struct str type)
{
    struct str value = STR_NONE;
    if (!l->shaken || l->failed) return value;
    ERR_clear_error();
    if (str_eq(type, S("tls-exporter"))) value = exporter_binding(l, a);
    if (str_eq(type, S("tls-server-end-point"))) value = end_point_binding(l, a);
    ERR_clear_error();
    return value;
}

struct str tls_layer_fingerprint(struct tls_layer *l, struct arena *a)
{
    unsigned char value[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    X509 *x = l->shaken && !l->failed && !l->server ? SSL_get0_peer_certificate(l->ssl) : NULL;
    if (!x || X509_digest(x, EVP_sha256(), value, &n) != 1) return STR_NONE;
    return arena_str(a, str_of(value, n));
}
