/* Log-ins: checking passwords off the loop, remembering successes, SCRAM keys at rest, limits on failures. */
#include "trust/login.h"

#include <crypt.h>
#include <stdlib.h>

#include "base/map.h"
#include "mail/limits.h"
#include "mail/unicode.h"
#include "trust/rate.h"

enum { REMEMBERED_MAX = 20000, SCRAM_PACKED = 16 + 4 + 2 * SHA256_SIZE };

struct remembered { /* a password that was right */
    int64_t credential, created;
    struct sha256 password; /* HMAC under login.key */
};

struct login {
    struct world *world;
    struct login_options o;
    struct sasl_accounts accounts;
    unsigned char key[32];
    struct rate *by_address, *by_account;
    struct lock *lock;
    struct map remembered; /* credential id, 8 bytes -> struct remembered */
};

/* ---- hashing ---- */

struct hash_job {
    const char *password, *setting; /* setting: a stored hash or a fresh salt */
    char out[CRYPT_OUTPUT_SIZE];
    bool ok;
};

static void run_hash(void *arg)
{
    struct hash_job *j = arg;
    struct crypt_data *data = calloc(1, sizeof *data); /* 32 KiB: not for a fiber's stack */
    const char *hash = data ? crypt_rn(j->password, j->setting, data, sizeof *data) : NULL;
    j->ok = hash && hash[0] != '*';
    if (j->ok) memcpy(j->out, hash, strlen(hash) + 1);
    if (data) explicit_bzero(data, sizeof *data);
    free(data);
}

static FIBER bool password_matches(struct arena *a, struct str password, struct str stored)
{
    struct hash_job *j = arena_new_of(a, struct hash_job);
    char *clear = arena_cstr(a, password);
    j->password = clear;
    j->setting = arena_cstr(a, stored);
    offload(run_hash, j);
    explicit_bzero(clear, password.n);
    return j->ok && str_eq_secret(str_c(j->out), stored);
}

struct derive_job {
    struct str password;
    unsigned char salt[16];
    struct scram_keys keys;
};

static void run_derive(void *arg)
{
    struct derive_job *j = arg;
    j->keys = scram_derive(j->password, j->salt, LIMIT_SCRAM_ITERATIONS);
}

static struct str pack_keys(struct arena *a, const struct scram_keys *k)
{
    char *p = arena_alloc(a, SCRAM_PACKED);
    int32_t iterations = k->iterations;
    memcpy(p, k->salt, 16);
    memcpy(p + 16, &iterations, 4);
    memcpy(p + 20, k->stored_key.b, SHA256_SIZE);
    memcpy(p + 20 + SHA256_SIZE, k->server_key.b, SHA256_SIZE);
    return str_of(p, SCRAM_PACKED);
}

static bool unpack_keys(struct str packed, struct scram_keys *k)
{
    if (packed.n != SCRAM_PACKED) return false;
    int32_t iterations;
    memcpy(k->salt, packed.p, 16);
    memcpy(&iterations, packed.p + 16, 4);
    memcpy(k->stored_key.b, packed.p + 20, SHA256_SIZE);
    memcpy(k->server_key.b, packed.p + 20 + SHA256_SIZE, SHA256_SIZE);
    k->iterations = iterations;
    return true;
}

/* RFC 8265 §4.2 */
static int prepare_password(struct arena *a, struct str typed, struct str *password, struct error *e)
{
    int r = password_prepare(a, typed, password);
    if (r == ERR_TOO_LONG) return error_set(e, r, "the password is longer than %d bytes", LIMIT_PASSWORD);
    if (r && typed.n == 0) return error_set(e, r, "the password is empty");
    return r ? error_set(e, r, "the password has control characters, or is not UTF-8") : 0;
}

FIBER int login_make_credential(struct world *w, struct arena *a, struct str typed, struct credential_data *out,
                                struct error *e)
{
    struct str password;
    int r = prepare_password(a, typed, &password, e);
    if (r) return r;

    struct derive_job *d = arena_new_of(a, struct derive_job);
    d->password = password;
    world_random(w, d->salt, sizeof d->salt);
    offload(run_derive, d);
    out->scram = pack_keys(a, &d->keys);

    char random[16], setting[CRYPT_GENSALT_OUTPUT_SIZE];
    world_random(w, random, sizeof random);
    if (!crypt_gensalt_rn("$y$", 0, random, sizeof random, setting, sizeof setting))
        return error_set(e, ERR_UNSUPPORTED, "the system's libcrypt does not know yescrypt");
    struct hash_job *j = arena_new_of(a, struct hash_job);
    char *clear = arena_cstr(a, password);
    j->password = clear;
    j->setting = setting;
    offload(run_hash, j);
    explicit_bzero(clear, password.n);
    if (!j->ok) return error_set(e, ERR_IO, "the password could not be hashed");
    out->password_hash = str_c(j->out);
    return 0;
}

/* ---- remembered successes ---- */

static struct str credential_key(const int64_t *id) { return str_of(id, sizeof *id); }

static bool is_remembered(struct login *l, const struct directory_credential *c, struct str password)
{
    struct sha256 now = sha256_hmac(str_of(l->key, sizeof l->key), password);
    lock_take(l->lock);
    const struct remembered *m = map_get(&l->remembered, credential_key(&c->id));
    bool same = m && m->created == c->created && str_eq_secret(sha256_str(&m->password), sha256_str(&now));
    lock_give(l->lock);
    return same;
}

static void forget_all(struct login *l)
{
    const struct map_entry *e;
    for (size_t i = 0; (e = map_next(&l->remembered, &i));) free(e->value);
    map_free(&l->remembered);
}

static void remember(struct login *l, const struct directory_credential *c, struct str password)
{
    struct remembered *m = calloc(1, sizeof *m);
    if (!m) return;
    *m = (struct remembered){c->id, c->created, sha256_hmac(str_of(l->key, sizeof l->key), password)};
    lock_take(l->lock);
    if (l->remembered.live >= REMEMBERED_MAX) forget_all(l);
    free(map_set(&l->remembered, credential_key(&m->credential), m));
    lock_give(l->lock);
}

/* ---- limits on failures ---- */

static bool is_counted(const struct login *l, struct ip client)
{
    return !ip_is_loopback(client) && !(l->o.trusted && l->o.trusted(l->o.arg, client));
}

static struct str address_of(struct arena *a, struct ip client)
{
    struct ip *key = arena_new_of(a, struct ip);
    *key = ip_client_key(client);
    return str_of(key, sizeof *key);
}

static bool is_shut_out(struct login *l, struct arena *a, struct ip client)
{
    return is_counted(l, client) && rate_count(l->by_address, address_of(a, client)) >= LIMIT_AUTH_FAILURES_ADDRESS;
}

/* The key of a name that is an address, so that its forms are one; of others the name itself. */
static struct str key_of(const struct login *l, struct arena *a, struct str login)
{
    struct address typed, key;
    struct str text = str_find_char(login, '@') < login.n || l->o.local_domain.n == 0
                          ? login
                          : arena_printf(a, "%.*s@%.*s", STR_FMT(login), STR_FMT(l->o.local_domain));
    return address_parse(a, text, &typed) == 0 && address_key(a, typed, &key) == 0 ? address_str(a, key) : login;
}

static FIBER void note_failure(struct login *l, struct arena *a, struct ip client, struct str login)
{
    struct sha256 name = sha256_of(key_of(l, a, login));
    int64_t of_account = rate_add(l->by_account, sha256_str(&name), 1);
    if (!is_counted(l, client)) return;
    rate_add(l->by_address, address_of(a, client), 1);
    fiber_sleep(of_account > LIMIT_AUTH_FAILURES_ACCOUNT ? 5 * SPAN_AUTH_DELAY : SPAN_AUTH_DELAY);
}

/* ---- who it is ---- */

static const struct directory_account *find_account(struct login *l, struct arena *a, const struct directory *d,
                                                    struct str login)
{
    struct str text = str_find_char(login, '@') < login.n || l->o.local_domain.n == 0
                          ? login
                          : arena_printf(a, "%.*s@%.*s", STR_FMT(login), STR_FMT(l->o.local_domain));
    struct address typed, key;
    if (address_parse(a, text, &typed) != 0 || address_key(a, typed, &key) != 0) return NULL;
    const struct directory_account *account = directory_account(d, key);
    return account && !account->disabled && account->n_credentials ? account : NULL;
}

static struct sasl_identity identity_of(struct arena *a, const struct directory_account *account,
                                        const struct directory_credential *c)
{
    return (struct sasl_identity){account->id, c->id, address_str(a, account->shown)};
}

/* A yescrypt hash of nothing anybody can type, so that an unknown user costs what a known one does. */
static struct str nobodys_hash(void)
{
    return S("$y$j9T$LdJMENpBABJJ3hIHjB1Bi.$R5XYPZkIIxlmKz6aUvmu/bdeZVuLPE3xaFhGNyDtVr9");
}

static FIBER bool check_account(struct login *l, struct arena *a, const struct directory_account *account,
                                struct str password, struct sasl_identity *who)
{
    for (size_t i = 0; i < account->n_credentials; i++) {
        const struct directory_credential *c = &account->credentials[i];
        bool known = is_remembered(l, c, password);
        if (!known && !password_matches(a, password, c->password_hash)) continue;
        if (!known) remember(l, c, password);
        *who = identity_of(a, account, c);
        return true;
    }
    return false;
}

static FIBER int check_password(void *arg, struct ip client, struct arena *a, struct str login, struct str password,
                                struct sasl_identity *who)
{
    struct login *l = arg;
    if (is_shut_out(l, a, client)) return ERR_BUSY;
    if (password.n > LIMIT_PASSWORD || password.n == 0 || memchr(password.p, 0, password.n)) return ERR_DENIED;
    const struct directory *d = store_directory_in(a, l->o.store);
    const struct directory_account *account = find_account(l, a, d, login);
    bool ok = account && check_account(l, a, account, password, who);
    if (!account) password_matches(a, password, nobodys_hash());
    if (!ok) note_failure(l, a, client, login);
    return ok ? 0 : ERR_DENIED;
}

/* ---- SCRAM ---- */

static struct scram_keys fake_keys(const struct login *l, struct str login)
{
    struct sha256 seed = sha256_hmac(l->o.fake_salt_secret, login);
    struct scram_keys k = {.iterations = LIMIT_SCRAM_ITERATIONS};
    memcpy(k.salt, seed.b, sizeof k.salt);
    k.stored_key = sha256_hmac(l->o.fake_salt_secret, sha256_str(&seed));
    k.server_key = sha256_hmac(l->o.fake_salt_secret, sha256_str(&k.stored_key));
    return k;
}

static FIBER int scram_keys_of(void *arg, struct ip client, struct arena *a, struct str login, struct scram_keys *keys,
                               struct sasl_identity *who)
{
    struct login *l = arg;
    if (is_shut_out(l, a, client)) return ERR_BUSY;
    *who = (struct sasl_identity){.login = arena_str(a, login)};
    *keys = fake_keys(l, key_of(l, a, login));
    const struct directory *d = store_directory_in(a, l->o.store);
    const struct directory_account *account = find_account(l, a, d, login);
    for (size_t i = 0; account && i < account->n_credentials; i++)
        if (unpack_keys(account->credentials[i].scram, keys)) {
            *who = identity_of(a, account, &account->credentials[i]);
            break;
        }
    return 0;
}

static FIBER void scram_done(void *arg, struct ip client, const struct sasl_identity *who, bool ok)
{
    struct login *l = arg;
    if (ok) return;
    struct arena *a = arena_new(NULL, 0);
    note_failure(l, a, client, who->login);
    arena_free(a);
}

/* ---- making one ---- */

struct login *login_new(struct world *w, const struct login_options *o)
{
    struct login *l = calloc(1, sizeof *l);
    if (!l) abort();
    l->world = w;
    l->o = *o;
    l->accounts =
        (struct sasl_accounts){.password = check_password, .scram = scram_keys_of, .scram_done = scram_done, .arg = l};
    world_random(w, l->key, sizeof l->key);
    l->by_address = rate_new(w, SPAN_AUTH_WINDOW, 100000);
    l->by_account = rate_new(w, SPAN_AUTH_WINDOW, 100000);
    l->lock = lock_new(w);
    map_init(&l->remembered, world_hash_key(w));
    return l;
}

void login_free(struct login *l)
{
    if (!l) return;
    forget_all(l);
    rate_free(l->by_address);
    rate_free(l->by_account);
    lock_free(l->lock);
    explicit_bzero(l, sizeof *l);
    free(l);
}

const struct sasl_accounts *login_accounts(struct login *l) { return &l->accounts; }
