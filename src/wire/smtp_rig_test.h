/* A service with a policy of its own for the tests of the SMTP server's session: it decides by names, shows the letters
 * it gets in its replies, and asserts that the session keeps its promises to agents. */
#ifndef WIRE_SMTP_RIG_TEST_H
#define WIRE_SMTP_RIG_TEST_H

#include <stdio.h>

#include "io/tls.h"
#include "mail/limits.h"
#include "wire/smtp_server.h"

struct rig {
    struct smtp_service service;
    struct smtp_policy policy;
    struct sasl_accounts accounts;
    struct tls_context *tls;
    struct scram_keys keys; /* of "user" with password "pencil" */
    int64_t last_id;
    bool trusted, plaintext, proxy, refuse_connect;
    struct buf letter;
    struct smtp_tx *open;   /* the transaction between mail() and done() */
    bool whole;             /* end() was called for it */
    int begun, done, closed, refused, accepted, slowed;
};

static struct rig *rig_of(struct smtp_session *s) { return s->service->agent; }

#define RIG_ASSERT(truth) \
    do { \
        if (!(truth)) { \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #truth); \
            abort(); \
        } \
    } while (0)

static struct reply rig_connect(struct smtp_session *s)
{
    return rig_of(s)->refuse_connect ? R_CLOSE(554, E(5, 7, 1), "not you") : R(220, E_NONE, "mx.test ESMTP");
}

static struct reply rig_helo(struct smtp_session *s, struct str domain)
{
    (void)s;
    return str_eq(domain, S("refused.test")) ? R(550, E(5, 7, 1), "not you") : R(250, E_NONE, "ok");
}

static struct reply rig_mail(struct smtp_session *s, struct smtp_tx *tx)
{
    struct rig *r = rig_of(s);
    RIG_ASSERT(!r->open && s->tx == tx && tx->id && s->helo.n);
    r->open = tx;
    r->begun++;
    r->whole = false;
    buf_clear(&r->letter);
    if (str_eq(tx->from.address.local, S("refused"))) return R(550, E(5, 1, 8), "no such sender");
    return R(250, E(2, 1, 0), "sender ok");
}

static struct reply rig_rcpt(struct smtp_session *s, struct smtp_tx *tx, const struct forward_path *to, void **mark)
{
    struct rig *r = rig_of(s);
    struct str name = to->address.local;
    RIG_ASSERT(r->open == tx && !tx->bdat);
    *mark = r;
    if (str_starts(name, S("unknown"))) return R(550, E(5, 1, 1), "no such mailbox");
    if (str_eq(name, S("later"))) return R(451, E(4, 2, 0), "not now");
    if (str_eq(name, S("hungry"))) arena_alloc(s->arena, 2 * LIMIT_CONNECTION_MEMORY);
    return R(250, E(2, 1, 5), "recipient ok");
}

static struct reply rig_data(struct smtp_session *s, struct smtp_tx *tx)
{
    RIG_ASSERT(rig_of(s)->open == tx && tx->rcpt_n && tx->bytes == 0);
    for (size_t i = 0; i < tx->rcpt_n; i++)
        if (str_eq(tx->rcpt[i].path.address.local, S("nodata"))) return R(451, E(4, 3, 0), "no letters today");
    return R(250, E(2, 0, 0), "go on");
}

static void rig_bytes(struct smtp_session *s, struct smtp_tx *tx, struct str bytes)
{
    struct rig *r = rig_of(s);
    RIG_ASSERT(r->open == tx && !r->whole && bytes.n && !tx->too_large);
    buf_add(&r->letter, bytes);
}

/* The letter as it can stand in a reply: "a\r\nb". */
static void show_letter(struct rig *r, char *out, size_t n)
{
    size_t at = 0;
    for (size_t i = 0; i < r->letter.n && at + 5 < n; i++) {
        unsigned char c = (unsigned char)r->letter.p[i];
        if (c == '\r' || c == '\n') at += (size_t)snprintf(out + at, n - at, "\\%c", c == '\r' ? 'r' : 'n');
        else at += (size_t)snprintf(out + at, n - at, c < ' ' || c > '~' ? "\\x%02x" : "%c", c);
    }
    out[at] = 0;
}

static void rig_end(struct smtp_session *s, struct smtp_tx *tx, struct reply *results)
{
    struct rig *r = rig_of(s);
    char shown[150];
    RIG_ASSERT(r->open == tx && !r->whole && tx->rcpt_n && tx->bytes == (int64_t)r->letter.n);
    RIG_ASSERT(tx->bytes == 0 || (r->letter.n >= 2 && memcmp(r->letter.p + r->letter.n - 2, "\r\n", 2) == 0));
    r->whole = true;
    show_letter(r, shown, sizeof shown);
    for (size_t i = 0; i < tx->rcpt_n; i++) {
        struct str name = tx->rcpt[i].path.address.local;
        RIG_ASSERT(tx->rcpt[i].mark == r);
        if (str_eq(name, S("full"))) results[i] = R(452, E(4, 2, 2), "full just now");
        else if (str_eq(name, S("spam"))) results[i] = R(554, E(5, 7, 1), "not wanted");
        else results[i] = R(250, E(2, 0, 0), "%.*s got \"%s\"", STR_FMT(name), shown);
        r->accepted += reply_ok(results[i]);
    }
}

static void rig_done(struct smtp_session *s, struct smtp_tx *tx)
{
    struct rig *r = rig_of(s);
    RIG_ASSERT(r->open == tx && s->tx == tx);
    r->open = NULL;
    r->done++;
}

static void rig_refused(struct smtp_session *s, struct smtp_tx *tx, enum smtp_refused what, struct str argument,
                        const struct reply *reply)
{
    (void)what, (void)argument;
    RIG_ASSERT(tx == s->tx && !reply_ok(*reply) && reply->code >= 400 && reply->text[0]);
    rig_of(s)->refused++;
}

static void rig_closed(struct smtp_session *s)
{
    RIG_ASSERT(!s->tx && !rig_of(s)->open);
    rig_of(s)->closed++;
}

static struct reply rig_expn(struct smtp_session *s, struct str what, struct buf *out)
{
    (void)s;
    if (!str_eq(what, S("friends"))) return R(550, E(5, 1, 1), "no such list");
    buf_lit(out, "<a@x.test>\n<b@x.test>\n");
    return R(250, E(2, 1, 5), "friends");
}

static struct reply rig_etrn(struct smtp_session *s, struct str node)
{
    RIG_ASSERT(!s->tx && node.n);
    if (str_eq(node, S("@x.test"))) return R(253, E(2, 0, 0), "3 pending messages for node @x.test started");
    return R(459, E(4, 7, 1), "not for you");
}

static int rig_password(void *arg, struct ip client, struct arena *a, struct str login, struct str password,
                        struct sasl_identity *who)
{
    (void)arg, (void)client;
    if (str_eq(login, S("busy"))) return ERR_BUSY;
    if (str_eq(login, S("down"))) return ERR_UNAVAILABLE;
    if (!str_eq(login, S("bob")) || !str_eq(password, S("secret"))) return ERR_DENIED;
    *who = (struct sasl_identity){.account = 7, .credential = 8, .login = arena_str(a, login)};
    return 0;
}

static int rig_scram(void *arg, struct ip client, struct arena *a, struct str login, struct scram_keys *keys,
                     struct sasl_identity *who)
{
    (void)client;
    *keys = ((struct rig *)arg)->keys;
    if (str_eq(login, S("user"))) *who = (struct sasl_identity){.account = 9, .login = arena_str(a, login)};
    return 0;
}

static int64_t rig_new_id(void *agent) { return ++((struct rig *)agent)->last_id; }
static struct tls_context *rig_tls(void *agent) { return tls_ref(((struct rig *)agent)->tls); }
static bool rig_trusted(void *agent, struct ip peer) { return ((struct rig *)agent)->trusted && peer.family; }
static bool rig_plaintext(void *agent, struct ip peer) { return ((struct rig *)agent)->plaintext && peer.family; }
static bool rig_proxy(void *agent, struct ip peer) { return ((struct rig *)agent)->proxy && peer.family; }

static void rig_begin(struct world *w, void *arg)
{
    struct rig *r = arg;
    *r = (struct rig){.letter = BUF(1 << 24), .last_id = 1000};
    r->policy = (struct smtp_policy){.connect = rig_connect,
                                     .helo = rig_helo,
                                     .mail = rig_mail,
                                     .rcpt = rig_rcpt,
                                     .data = rig_data,
                                     .bytes = rig_bytes,
                                     .end = rig_end,
                                     .done = rig_done,
                                     .refused = rig_refused,
                                     .closed = rig_closed};
    r->accounts = (struct sasl_accounts){.password = rig_password, .scram = rig_scram, .arg = r};
    r->service = (struct smtp_service){.kind = SMTP_RELAY,
                                       .policy = &r->policy,
                                       .agent = r,
                                       .hostname = S("mx.test"),
                                       .tls = rig_tls,
                                       .trusted = rig_trusted,
                                       .plaintext_auth = rig_plaintext,
                                       .proxy_allowed = rig_proxy,
                                       .size_max = 1000,
                                       .recipients_max = 5,
                                       .new_id = rig_new_id};
    r->keys = scram_derive(
        S("pencil"), (const unsigned char *)"\x5b\x6d\x99\x68\x9d\x12\x35\x8e\xec\xa0\x4b\x14\x12\x36\xfa\x81", 10);
    RIG_ASSERT(w == NULL || tls_server_new(w, "", "", &r->tls, NULL) == 0);
}

static void rig_over(void *arg)
{
    struct rig *r = arg;
    RIG_ASSERT(!r->open && r->begun == r->done && r->closed == 1);
    tls_unref(r->tls);
    buf_free(&r->letter);
}

static inline bool rig_option(void *arg, struct str name, struct str value)
{
    struct rig *r = arg;
    uint64_t n;
    if (str_eq(name, S("kind")) && str_eq(value, S("lmtp"))) r->service.kind = SMTP_LMTP;
    else if (str_eq(name, S("kind")) && str_eq(value, S("submission")))
        r->service.kind = SMTP_SUBMISSION, r->service.accounts = &r->accounts;
    else if (str_eq(name, S("trusted"))) r->trusted = true;
    else if (str_eq(name, S("plaintext"))) r->plaintext = true;
    else if (str_eq(name, S("proxy"))) r->proxy = true;
    else if (str_eq(name, S("refuse"))) r->refuse_connect = true;
    else if (str_eq(name, S("no-tls"))) r->service.tls = NULL;
    else if (str_eq(name, S("tls-first"))) r->service.tls_first = true;
    else if (str_eq(name, S("expn"))) r->policy.expn = rig_expn;
    else if (str_eq(name, S("etrn"))) r->policy.etrn = rig_etrn;
    else if (str_eq(name, S("hold")) && str_to_u64(value, INT64_MAX, &n)) r->service.hold_max = (int64_t)n;
    else if (str_eq(name, S("size")) && str_to_u64(value, INT64_MAX, &n)) r->service.size_max = (int64_t)n;
    else return false;
    return true;
}

static void rig_serve(struct stream *io, void *arg) { smtp_serve(io, &((struct rig *)arg)->service); }

#endif
