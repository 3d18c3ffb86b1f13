/* SCRAM messages and their arithmetic (RFC 5802 §3, §7; RFC 7677 §3). */
#include "proto/sasl/scram.h"

#include "base/codec.h"
#include "base/utf8.h"

enum { MESSAGE_MAX = 16384 };

/* attr-val = ALPHA "=" value: takes the next one, which must be `name`'s, off *s with the comma behind it. */
static int take(struct str *s, char name, struct str *value)
{
    struct str one, rest;
    str_cut(*s, ',', &one, &rest);
    if (one.n < 2 || one.p[0] != name || one.p[1] != '=') return ERR_SYNTAX;
    *value = str_skip(one, 2);
    *s = rest;
    return 0;
}

/* extensions = attr-val *("," attr-val), none of which we know: well-formed ones are ignored. */
static int skip_extensions(struct str s)
{
    while (s.n) {
        struct str one, rest;
        bool more = str_cut(s, ',', &one, &rest);
        if (one.n < 3 || !ch_alpha(one.p[0]) || one.p[1] != '=' || (more && rest.n == 0)) return ERR_SYNTAX;
        s = rest;
    }
    return 0;
}

/* saslname = 1*(value-safe-char / "=2C" / "=3D") */
static int read_saslname(struct arena *a, struct str s, struct str *out)
{
    if (s.n == 0 || !utf8_valid(s) || memchr(s.p, 0, s.n)) return ERR_SYNTAX;
    char *name = arena_alloc(a, s.n);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '=') {
            struct str escape = str_head(str_skip(s, i), 3);
            if (str_eq(escape, S("=2C"))) c = ',';
            else if (!str_eq(escape, S("=3D"))) return ERR_SYNTAX;
            i += 2;
        }
        name[n++] = c;
    }
    *out = str_of(name, n);
    return 0;
}

static bool is_nonce(struct str s) /* printable = %x21-2B / %x2D-7E */
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '!' || s.p[i] > '~' || s.p[i] == ',') return false;
    return s.n > 0;
}

/* gs2-header = gs2-cbind-flag "," [ "a=" saslname ] ",", taken off *s */
static int take_gs2_header(struct arena *a, struct str *s, struct scram_first *out)
{
    struct str flag, authzid, rest;
    if (!str_cut(*s, ',', &flag, &rest) || !str_cut(rest, ',', &authzid, &rest)) return ERR_SYNTAX;
    if (str_eq(flag, S("n"))) out->binding = SCRAM_UNBOUND;
    else if (str_eq(flag, S("y"))) out->binding = SCRAM_PLUS_UNSEEN;
    else if (str_starts(flag, S("p=")) && flag.n > 2) out->binding = SCRAM_BOUND;
    else return ERR_SYNTAX;
    out->binding_type = str_skip(flag, 2);
    for (size_t i = 0; i < out->binding_type.n; i++) { /* cb-name = 1*(ALPHA / DIGIT / "." / "-") */
        char c = out->binding_type.p[i];
        if (!ch_alnum(c) && c != '.' && c != '-') return ERR_SYNTAX;
    }
    if (authzid.n && (!str_starts(authzid, S("a=")) || read_saslname(a, str_skip(authzid, 2), &out->authzid)))
        return ERR_SYNTAX;
    out->gs2_header = str_head(*s, s->n - rest.n);
    *s = rest;
    return 0;
}

int scram_parse_first(struct arena *a, struct str message, struct scram_first *out)
{
    struct scram_first m = {0};
    struct str rest = message, name;
    if (message.n > MESSAGE_MAX || take_gs2_header(a, &rest, &m)) return ERR_SYNTAX;
    m.bare = rest;
    if (take(&rest, 'n', &name) || read_saslname(a, name, &m.username)) return ERR_SYNTAX; /* "m=" fails here */
    if (take(&rest, 'r', &m.nonce) || !is_nonce(m.nonce) || skip_extensions(rest)) return ERR_SYNTAX;
    if (message.p[message.n - 1] == ',') return ERR_SYNTAX;
    *out = m;
    return 0;
}

static int read_base64(struct arena *a, struct str text, struct str *out)
{
    struct buf *b = buf_in(a, MESSAGE_MAX);
    if (text.n == 0 || base64_decode(b, text)) return ERR_SYNTAX;
    *out = buf_str(b);
    return 0;
}

int scram_parse_final(struct arena *a, struct str message, struct scram_final *out)
{
    struct scram_final m;
    struct str rest = message, binding, proof;
    size_t at = str_rfind_char(message, ',');
    if (message.n > MESSAGE_MAX || at == message.n) return ERR_SYNTAX;
    m.without_proof = rest = str_head(message, at);
    struct str last = str_skip(message, at + 1);
    if (take(&last, 'p', &proof) || read_base64(a, proof, &proof) || proof.n != SHA256_SIZE) return ERR_SYNTAX;
    memcpy(m.proof.b, proof.p, SHA256_SIZE);
    if (take(&rest, 'c', &binding) || read_base64(a, binding, &m.binding)) return ERR_SYNTAX;
    if (take(&rest, 'r', &m.nonce) || !is_nonce(m.nonce) || skip_extensions(rest)) return ERR_SYNTAX;
    *out = m;
    return 0;
}

struct scram_keys scram_derive(struct str password, const unsigned char salt[16], int iterations)
{
    struct scram_keys k = {.iterations = iterations};
    memcpy(k.salt, salt, sizeof k.salt);
    struct sha256 salted = sha256_pbkdf2(password, str_of(salt, sizeof k.salt), iterations);
    struct sha256 client_key = sha256_hmac(sha256_str(&salted), S("Client Key"));
    k.stored_key = sha256_of(sha256_str(&client_key));
    k.server_key = sha256_hmac(sha256_str(&salted), S("Server Key"));
    explicit_bzero(&salted, sizeof salted);
    explicit_bzero(&client_key, sizeof client_key);
    return k;
}

struct str scram_server_first(struct arena *a, const struct scram_first *c, struct str server_nonce,
                              const struct scram_keys *keys)
{
    struct buf *b = buf_in(a, MESSAGE_MAX + 256);
    buf_lit(b, "r=");
    buf_add(b, c->nonce);
    buf_add(b, server_nonce);
    buf_lit(b, ",s=");
    base64_put(b, str_of(keys->salt, sizeof keys->salt));
    buf_lit(b, ",i=");
    buf_u64(b, (uint64_t)keys->iterations);
    return buf_str(b);
}

/* c= must be what the exchange began with and, where it is bound, the binding itself. */
static bool binding_right(struct arena *a, const struct scram_first *c, struct str binding, struct str said)
{
    struct buf *b = buf_in(a, MESSAGE_MAX);
    buf_add(b, c->gs2_header);
    if (c->binding == SCRAM_BOUND) buf_add(b, binding);
    return (c->binding != SCRAM_BOUND || binding.n) && str_eq_secret(buf_str(b), said);
}

int scram_server_final(struct arena *a, const struct scram_first *c, struct str server_first,
                       const struct scram_keys *keys, struct str binding, struct str message, struct str *out)
{
    struct scram_final m;
    struct str rest = server_first, nonce;
    if (scram_parse_final(a, message, &m) || take(&rest, 'r', &nonce)) return ERR_SYNTAX;
    struct buf *auth = buf_in(a, 3 * MESSAGE_MAX); /* AuthMessage */
    buf_add(auth, c->bare);
    buf_char(auth, ',');
    buf_add(auth, server_first);
    buf_char(auth, ',');
    buf_add(auth, m.without_proof);

    struct sha256 key = sha256_hmac(sha256_str(&keys->stored_key), buf_str(auth)); /* ClientSignature … */
    for (int i = 0; i < SHA256_SIZE; i++) key.b[i] ^= m.proof.b[i];                /* … XOR ClientProof = ClientKey */
    struct sha256 digest = sha256_of(sha256_str(&key));
    bool proven = str_eq_secret(sha256_str(&digest), sha256_str(&keys->stored_key));
    explicit_bzero(&key, sizeof key);
    if (!proven || !str_eq(m.nonce, nonce) || !binding_right(a, c, binding, m.binding)) return ERR_DENIED;

    struct sha256 signature = sha256_hmac(sha256_str(&keys->server_key), buf_str(auth));
    struct buf *b = buf_in(a, 64);
    buf_lit(b, "v=");
    base64_put(b, sha256_str(&signature));
    *out = buf_str(b);
    return 0;
}
