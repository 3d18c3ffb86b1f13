/* Certificates: facts for people, and a self-signed one to begin with (RFC 5280). */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "base/codec.h"
#include "io/tls_context.h"
#include "mail/ip.h"
#include "proto/dns/dns.h"

enum { COMMON_NAME_MAX = 64, SERIAL_SIZE = 16 }; /* RFC 5280 §A.1 ub-common-name; §4.1.2.2: at most 20 octets */

/* ---- facts ---- */

static utc_us moment_of(const ASN1_TIME *t)
{
    struct tm tm;
    if (ASN1_TIME_to_tm(t, &tm) != 1) return 0;
    struct civil c = {.year = tm.tm_year + 1900, .month = tm.tm_mon + 1, .day = tm.tm_mday,
                      .hour = tm.tm_hour, .minute = tm.tm_min, .second = tm.tm_sec};
    return civil_to_utc(&c);
}

static void put_subject(const X509 *x, char *out, size_t size)
{
    BIO *b = BIO_new(BIO_s_mem());
    char *text = NULL;
    if (!b) return;
    X509_NAME_print_ex(b, X509_get_subject_name(x), 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB);
    size_t n = (size_t)BIO_get_mem_data(b, &text);
    if (n >= size) n = size - 1;
    if (n) memcpy(out, text, n);
    out[n] = 0;
    BIO_free(b);
}

static void put_fingerprint(const X509 *x, char out[65])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    struct buf hex = BUF(2 * EVP_MAX_MD_SIZE);
    if (X509_digest(x, EVP_sha256(), digest, &n) == 1) hex_put(&hex, str_of(digest, n));
    memcpy(out, buf_str(&hex).p, hex.n);
    out[hex.n] = 0;
    buf_free(&hex);
}

int tls_certificate_info(struct tls_context *t, struct tls_certificate_info *out)
{
    *out = (struct tls_certificate_info){.not_after = FOREVER};
    if (t->simulated) return 0;
    const X509 *x = SSL_CTX_get0_certificate(t->first->ssl);
    if (!x) return ERR_NOT_FOUND;
    put_subject(x, out->subject, sizeof out->subject);
    put_fingerprint(x, out->sha256);
    out->not_before = moment_of(X509_get0_notBefore(x));
    out->not_after = moment_of(X509_get0_notAfter(x));
    ERR_clear_error();
    return 0;
}

/* ---- a certificate of our own ---- */

static bool set_serial(struct world *w, X509 *x)
{
    unsigned char b[SERIAL_SIZE];
    world_random(w, b, sizeof b);
    b[0] = (unsigned char)((b[0] & 0x3f) | 0x40); /* positive, and never short of its size */
    BIGNUM *n = BN_bin2bn(b, sizeof b, NULL);
    bool ok = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));
    BN_free(n);
    return ok;
}

static bool set_names(X509 *x, struct str name)
{
    X509_NAME *subject = X509_get_subject_name(x);
    const unsigned char *text = (const unsigned char *)name.p;
    bool ok = name.n > COMMON_NAME_MAX ||
              X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_ASC, text, (int)name.n, -1, 0) == 1;
    return ok && X509_set_issuer_name(x, subject) == 1;
}

static GENERAL_NAME *general_name(struct str name)
{
    struct ip ip;
    GENERAL_NAME *g = GENERAL_NAME_new();
    ASN1_STRING *value = ASN1_STRING_type_new(V_ASN1_OCTET_STRING);
    bool is_ip = ip_parse(name, &ip) == 0, ok = false;
    if (g && value && is_ip) ok = ASN1_STRING_set(value, ip.b, ip.family == 4 ? 4 : 16) == 1;
    if (g && value && !is_ip) ok = ASN1_STRING_set(value, name.p, (int)name.n) == 1;
    if (!ok) {
        GENERAL_NAME_free(g);
        ASN1_STRING_free(value);
        return NULL;
    }
    if (is_ip) {
        GENERAL_NAME_set0_value(g, GEN_IPADD, value);
    } else {
        value->type = V_ASN1_IA5STRING;
        GENERAL_NAME_set0_value(g, GEN_DNS, value);
    }
    return g;
}

static bool add_subject_alt_name(X509 *x, struct str name) /* RFC 5280 §4.2.1.6 */
{
    GENERAL_NAMES *all = GENERAL_NAMES_new();
    GENERAL_NAME *g = general_name(name);
    bool ok = all && g && sk_GENERAL_NAME_push(all, g) > 0;
    if (!ok) GENERAL_NAME_free(g);
    ok = ok && X509_add1_ext_i2d(x, NID_subject_alt_name, all, 0, X509V3_ADD_DEFAULT) == 1;
    GENERAL_NAMES_free(all);
    return ok;
}

static bool add_extension(X509 *x, int nid, const char *value)
{
    X509V3_CTX c;
    X509V3_set_ctx_nodb(&c);
    X509V3_set_ctx(&c, x, x, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &c, nid, value);
    bool ok = ext && X509_add_ext(x, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    return ok;
}

static bool fill(struct world *w, X509 *x, EVP_PKEY *key, struct str name, int days)
{
    time_t from = (time_t)(clock_utc(w) / US_PER_S) - 3600; /* clocks of clients may be behind ours */
    bool ok = X509_set_version(x, X509_VERSION_3) == 1 && set_serial(w, x) && set_names(x, name);
    ok = ok && ASN1_TIME_adj(X509_getm_notBefore(x), from, 0, 0);
    ok = ok && ASN1_TIME_adj(X509_getm_notAfter(x), from, days, 3600);
    ok = ok && X509_set_pubkey(x, key) == 1 && add_subject_alt_name(x, name);
    ok = ok && add_extension(x, NID_basic_constraints, "critical,CA:FALSE");
    ok = ok && add_extension(x, NID_key_usage, "critical,digitalSignature");
    ok = ok && add_extension(x, NID_ext_key_usage, "serverAuth");
    ok = ok && add_extension(x, NID_subject_key_identifier, "hash");
    return ok && X509_sign(x, key, EVP_sha256()) > 0;
}

static struct str take_text(struct arena *a, BIO *b)
{
    char *text = NULL;
    size_t n = (size_t)BIO_get_mem_data(b, &text);
    return arena_str(a, str_of(text, n));
}

static int write_pem(struct arena *a, X509 *x, EVP_PKEY *key, struct str *certificate, struct str *key_text)
{
    BIO *c = BIO_new(BIO_s_mem()), *k = BIO_new(BIO_s_mem()); /* their memory is wiped when freed */
    bool ok = c && k && PEM_write_bio_X509(c, x) == 1;
    ok = ok && PEM_write_bio_PKCS8PrivateKey(k, key, NULL, NULL, 0, NULL, NULL) == 1;
    if (ok) {
        *certificate = take_text(a, c);
        *key_text = take_text(a, k);
    }
    BIO_free(c);
    BIO_free(k);
    return ok ? 0 : ERR_TLS;
}

static void simulated_pem(struct arena *a, struct str name, struct str *certificate, struct str *key)
{
    static const char form[] = "-----BEGIN %s-----\nsimulated: %.*s\n-----END %s-----\n";
    *certificate = arena_printf(a, form, "CERTIFICATE", STR_FMT(name), "CERTIFICATE");
    *key = arena_printf(a, form, "PRIVATE KEY", STR_FMT(name), "PRIVATE KEY");
}

int tls_self_signed(struct world *w, struct arena *a, struct str name, int days, struct str *certificate,
                    struct str *key, struct error *e)
{
    struct str host;
    if (dns_name(a, name, &host)) return error_set(e, ERR_SYNTAX, "\"%.*s\" is no host name", STR_FMT(name));
    if (world_is_simulated(w)) {
        simulated_pem(a, host, certificate, key);
        return 0;
    }
    ERR_clear_error();
    EVP_PKEY *pair = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    int failed = pair && x && fill(w, x, pair, host, days) ? write_pem(a, x, pair, certificate, key) : ERR_TLS;
    X509_free(x);
    EVP_PKEY_free(pair);
    return failed ? tls_error(e, "cannot make a certificate for %.*s", STR_FMT(host)) : 0;
}
