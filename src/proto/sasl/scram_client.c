/* SCRAM-SHA-256 from the client's side (RFC 5802 §3, §5, §7). */
#include "proto/sasl/scram_client.h"

#include "base/codec.h"

enum { ITERATIONS_MIN = 4096 /* RFC 7677 §4 */, ITERATIONS_MAX = 10000000, SALT_MAX = 256 };

/* saslname = 1*(value-safe-char / "=2C" / "=3D") */
static void put_saslname(struct buf *b, struct str name)
{
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == ',') buf_lit(b, "=2C");
        else if (name.p[i] == '=') buf_lit(b, "=3D");
        else buf_char(b, name.p[i]);
    }
}

struct str scram_client_first(struct arena *a, struct scram_client *c, struct str username, struct str nonce)
{
    struct buf *b = buf_in(a, 3 * username.n + nonce.n + 64);
    buf_lit(b, "n,,n="); /* gs2-header: no channel binding, no authzid */
    put_saslname(b, username);
    buf_lit(b, ",r=");
    buf_add(b, nonce);
    c->first_bare = str_skip(buf_str(b), 3);
    return buf_str(b);
}

struct server_first {
    struct str nonce;
    struct buf salt;
    uint64_t iterations;
};

/* server-first-message = nonce "," salt "," iteration-count ["," extensions] */
static int read_server_first(struct arena *a, struct str message, struct server_first *out)
{
    struct str nonce, salt, count, rest;
    char *room = arena_alloc(a, SALT_MAX);
    out->salt = (struct buf){.p = room, .cap = SALT_MAX, .max = SALT_MAX};
    if (!str_cut(message, ',', &nonce, &rest) || !str_cut(rest, ',', &salt, &rest)) return ERR_SYNTAX;
    str_cut(rest, ',', &count, &rest);
    if (!str_starts(nonce, S("r=")) || !str_starts(salt, S("s=")) || !str_starts(count, S("i="))) return ERR_SYNTAX;
    out->nonce = str_skip(nonce, 2);
    if (base64_decode(&out->salt, str_skip(salt, 2)) != 0) return ERR_SYNTAX;
    if (out->salt.n == 0 || !str_to_u64(str_skip(count, 2), UINT32_MAX, &out->iterations)) return ERR_SYNTAX;
    return out->iterations >= ITERATIONS_MIN && out->iterations <= ITERATIONS_MAX ? 0 : ERR_DENIED;
}

static bool extends_our_nonce(const struct scram_client *c, struct str nonce)
{
    struct str ours = str_skip(c->first_bare, str_find(c->first_bare, S(",r=")) + 3);
    return nonce.n > ours.n && str_starts(nonce, ours);
}

int scram_client_final(struct arena *a, struct scram_client *c, struct str password, struct str server_first,
                       struct str *out)
{
    struct server_first s;
    int e = read_server_first(a, server_first, &s);
    if (e) return e;
    if (!extends_our_nonce(c, s.nonce)) return ERR_SYNTAX;
    struct buf *b = buf_in(a, s.nonce.n + 128);
    buf_lit(b, "c=biws,r="); /* base64 of "n,," */
    buf_add(b, s.nonce);
    struct str signed_text =
        arena_printf(a, "%.*s,%.*s,%.*s", STR_FMT(c->first_bare), STR_FMT(server_first), STR_FMT(buf_str(b)));
    struct sha256 salted = sha256_pbkdf2(password, buf_str(&s.salt), (int)s.iterations);
    struct sha256 key = sha256_hmac(sha256_str(&salted), S("Client Key"));
    struct sha256 server_key = sha256_hmac(sha256_str(&salted), S("Server Key"));
    struct sha256 stored = sha256_of(sha256_str(&key));
    struct sha256 signature = sha256_hmac(sha256_str(&stored), signed_text);
    for (size_t i = 0; i < SHA256_SIZE; i++) key.b[i] ^= signature.b[i]; /* now the proof */
    c->server_signature = sha256_hmac(sha256_str(&server_key), signed_text);
    buf_lit(b, ",p=");
    base64_put(b, sha256_str(&key));
    *out = buf_str(b);
    explicit_bzero(&salted, sizeof salted);
    explicit_bzero(&stored, sizeof stored);
    return b->failed ? ERR_TOO_LONG : 0;
}

int scram_client_verify(const struct scram_client *c, struct str server_final)
{
    char room[SHA256_SIZE + 3];
    struct buf said = BUF_OVER(room);
    struct str verifier, rest;
    str_cut(server_final, ',', &verifier, &rest);
    if (!str_starts(verifier, S("v=")) || base64_decode(&said, str_skip(verifier, 2)) != 0) return ERR_DENIED;
    return str_eq_secret(buf_str(&said), sha256_str(&c->server_signature)) ? 0 : ERR_DENIED;
}
