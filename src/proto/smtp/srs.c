/* The Sender Rewriting Scheme: writing and reading the local parts that lead a forwarded letter's bounce home.
 *
 * The day counts modulo 1024 in two characters of base32, as libsrs writes it; what is hashed is lower-cased ASCII, so
 * that neither the hash nor its check cares for case. When a sender is rewritten at all is the queue's to say. */
#include "proto/smtp/srs.h"

#include "base/digest.h"
#include "mail/limits.h"

/* 30 bits: a guess costs a refused RCPT, and each character is missing from the sender's 64 (RFC 5321 §4.5.3.1.1) */
enum { HASH_SIZE = 6, DAY_SIZE = 2, DAY_CYCLE = 1024, TAG_SIZE = 4 };

static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"; /* RFC 4648 §6 */

static bool is_separator(char c) { return c == '=' || c == '+' || c == '-'; }

static bool is_tagged(struct str local, struct str tag)
{
    return local.n > TAG_SIZE && str_istarts(local, tag) && is_separator(local.p[TAG_SIZE]);
}

bool srs_is(struct str local) { return is_tagged(local, S("SRS0")) || is_tagged(local, S("SRS1")); }

/* The hash of what stands behind it; kind '0' or '1' keeps the two apart. */
static struct str hash_of(struct arena *a, struct str secret, char kind, struct str text)
{
    char *folded = arena_alloc(a, text.n + 1), *hash = arena_alloc(a, HASH_SIZE);
    folded[0] = kind;
    for (size_t i = 0; i < text.n; i++) folded[i + 1] = ch_lower(text.p[i]);
    struct sha256 mac = sha256_hmac(secret, str_of(folded, text.n + 1));
    for (size_t i = 0; i < HASH_SIZE; i++) hash[i] = base32[mac.b[i] & 31];
    return str_of(hash, HASH_SIZE);
}

static bool hash_fits(struct arena *a, struct str secret, char kind, struct str hash, struct str text)
{
    char upper[HASH_SIZE];
    if (hash.n != HASH_SIZE) return false;
    for (size_t i = 0; i < HASH_SIZE; i++) upper[i] = ch_upper(hash.p[i]);
    return str_eq_secret(str_of(upper, HASH_SIZE), hash_of(a, secret, kind, text));
}

static int64_t day_of(utc_us t) { return t / DAYS(1) % DAY_CYCLE; }

/* -1: not a day */
static int64_t day_read(struct str text)
{
    int64_t day = 0;
    if (text.n != DAY_SIZE) return -1;
    for (size_t i = 0; i < DAY_SIZE; i++) {
        const char *at = memchr(base32, ch_upper(text.p[i]), sizeof base32 - 1);
        if (!at) return -1;
        day = day * 32 + (at - base32);
    }
    return day;
}

/* ---- forward ---- */

/* Cuts "SRS1=HASH=THEIRS==..." behind its hash: THEIRS, and what THEIRS wrote behind SRS0. */
static int cut_wrapped(struct arena *a, struct str local, struct str *hash, struct str *theirs, struct str *rest)
{
    struct str key;
    if (!is_tagged(local, S("SRS1")) || !str_cut(str_skip(local, TAG_SIZE + 1), '=', hash, rest)) return ERR_SYNTAX;
    if (!str_cut(*rest, '=', theirs, rest) || domain_key(a, *theirs, &key)) return ERR_SYNTAX;
    return rest->n > 1 && is_separator(rest->p[0]) ? 0 : ERR_SYNTAX;
}

int srs_forward(struct arena *a, struct str secret, struct address sender, struct str our_domain, utc_us at,
                struct address *out)
{
    struct str kind = S("SRS1"), behind, hash, theirs, rest;
    if (address_is_null(sender)) {
        *out = sender;
        return 0;
    }
    /* an A-label, so that an ASCII local part stays one */
    if (domain_key(a, sender.domain, &theirs)) theirs = sender.domain;
    if (!cut_wrapped(a, sender.local, &hash, &behind, &rest)) { /* wrapped already: by us now, and only once */
        behind = arena_printf(a, "%.*s=%.*s", STR_FMT(behind), STR_FMT(rest));
    } else if (is_tagged(sender.local, S("SRS0")) && sender.local.n > TAG_SIZE + 1) {
        behind = arena_printf(a, "%.*s=%.*s", STR_FMT(theirs), STR_FMT(str_skip(sender.local, TAG_SIZE)));
    } else {
        int64_t day = day_of(at);
        kind = S("SRS0");
        behind = arena_printf(a, "%c%c=%.*s=%.*s", base32[day / 32], base32[day % 32], STR_FMT(theirs),
                              STR_FMT(sender.local));
    }
    hash = hash_of(a, secret, kind.p[3], behind);
    struct address made = {
        .local = arena_printf(a, "%.*s=%.*s=%.*s", STR_FMT(kind), STR_FMT(hash), STR_FMT(behind)),
        .domain = our_domain,
    };
    if (address_str(a, made).n > LIMIT_PATH) return ERR_TOO_LONG; /* RFC 5321 §4.5.3.1.3 */
    *out = made;
    return 0;
}

/* ---- reverse ---- */

static int reverse_wrapped(struct arena *a, struct str secret, struct str local, struct address *out)
{
    struct str hash, theirs, rest;
    if (cut_wrapped(a, local, &hash, &theirs, &rest)) return ERR_SYNTAX;
    if (!hash_fits(a, secret, '1', hash, str_skip(local, TAG_SIZE + 1 + hash.n + 1))) return ERR_DENIED;
    *out = (struct address){arena_printf(a, "SRS0%.*s", STR_FMT(rest)), theirs};
    return 0;
}

int srs_reverse(struct arena *a, struct str secret, struct address srs, utc_us now, struct address *out)
{
    struct str hash, day, domain, key, behind, rest;
    if (is_tagged(srs.local, S("SRS1"))) return reverse_wrapped(a, secret, srs.local, out);
    if (!is_tagged(srs.local, S("SRS0"))) return ERR_SYNTAX;
    if (!str_cut(str_skip(srs.local, TAG_SIZE + 1), '=', &hash, &behind)) return ERR_SYNTAX;
    if (!str_cut(behind, '=', &day, &rest) || !str_cut(rest, '=', &domain, &rest)) return ERR_SYNTAX;
    if (rest.n == 0 || day_read(day) < 0 || domain_key(a, domain, &key)) return ERR_SYNTAX;
    if (!hash_fits(a, secret, '0', hash, behind)) return ERR_DENIED;
    int64_t age = (day_of(now) - day_read(day) + DAY_CYCLE) % DAY_CYCLE; /* the future is a very old past */
    if (age > SPAN_SRS / DAYS(1)) return ERR_TIMEOUT;
    *out = (struct address){rest, domain};
    return 0;
}
