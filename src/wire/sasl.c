/* The server's dialogue of SASL (RFC 4422): PLAIN (RFC 4616), LOGIN (obsolete and everywhere), SCRAM-SHA-256 and -PLUS
 * (RFC 5802, RFC 7677) with channel bindings tls-exporter (RFC 9266) and tls-server-end-point (RFC 5929). */
#include "wire/sasl.h"

#include "base/codec.h"
#include "mail/limits.h"
#include "mail/unicode.h"
#include "proto/sasl/plain.h"

struct exchange {
    struct arena *a;
    const struct sasl_accounts *accounts;
    struct sasl_transport *t;
    struct str initial;
    struct ip client;
    struct sasl_identity *who;
    bool plus; /* the -PLUS variant */
};

static enum sasl_outcome outcome_of(int e)
{
    switch (e) {
    case 0: return SASL_OK;
    case ERR_DENIED: return SASL_DENIED;
    case ERR_SYNTAX: return SASL_SYNTAX;
    case ERR_BUSY: return SASL_BUSY;
    case ERR_UNAVAILABLE: return SASL_UNAVAILABLE;
    case ERR_TOO_LONG: return SASL_TOO_LONG;
    default: return SASL_LOST;
    }
}

/* Sends a challenge and reads the response; *outcome tells why there is none. */
static FIBER bool ask(struct exchange *x, struct str challenge, struct str *response, enum sasl_outcome *outcome)
{
    int e = x->t->challenge(x->t->arg, x->a, challenge, response);
    if (!e && response->n > LIMIT_SASL_MESSAGE) e = ERR_TOO_LONG;
    if (e == 0) return true;
    bool said_no = e == ERR_CANCELLED && !fiber_cancelled(); /* the client's "*", not the end of the server */
    *outcome = said_no ? SASL_CANCELLED : outcome_of(e);
    return false;
}

/* What the client says first: the initial response, or the answer to an empty challenge (RFC 4422 §3). */
static FIBER bool ask_first(struct exchange *x, struct str *response, enum sasl_outcome *outcome)
{
    if (str_is_none(x->initial)) return ask(x, S(""), response, outcome);
    *response = x->initial;
    return true;
}

static FIBER enum sasl_outcome check_password(struct exchange *x, struct str login, struct str typed)
{
    struct str password;
    if (login.n == 0 || password_prepare(x->a, typed, &password)) return SASL_DENIED;
    int e = x->accounts->password(x->accounts->arg, x->client, x->a, login, password, x->who);
    explicit_bzero((void *)(uintptr_t)password.p, password.n);
    return outcome_of(e);
}

static FIBER enum sasl_outcome run_plain(struct exchange *x)
{
    enum sasl_outcome outcome;
    struct str message;
    struct sasl_plain p;
    if (!ask_first(x, &message, &outcome)) return outcome;
    if (sasl_plain_parse(message, &p)) return SASL_SYNTAX;
    outcome = p.authzid.n && !str_eq(p.authzid, p.authcid) ? SASL_DENIED : check_password(x, p.authcid, p.password);
    explicit_bzero((void *)(uintptr_t)message.p, message.n);
    return outcome;
}

static FIBER enum sasl_outcome run_login(struct exchange *x)
{
    enum sasl_outcome outcome;
    struct str login = x->initial, password;
    if (str_is_none(login) && !ask(x, S("Username:"), &login, &outcome)) return outcome;
    if (!ask(x, S("Password:"), &password, &outcome)) return outcome;
    outcome = check_password(x, login, password);
    explicit_bzero((void *)(uintptr_t)password.p, password.n);
    return outcome;
}

/* ---- SCRAM ---- */

static bool binds(struct stream *s)
{
    if (!stream_tls(s)->version) return false;
    struct arena *a = arena_new(NULL, 0);
    bool found =
        stream_channel_binding(s, a, S("tls-exporter")).n || stream_channel_binding(s, a, S("tls-server-end-point")).n;
    arena_free(a);
    return found;
}

/* RFC 5802 §6: the flag must fit the mechanism, and a client that believes we cannot bind must have been told so. */
static bool binding_acceptable(struct exchange *x, const struct scram_first *first, struct str *data)
{
    *data = S("");
    if (x->plus != (first->binding == SCRAM_BOUND)) return false;
    if (first->binding == SCRAM_PLUS_UNSEEN) return !binds(x->t->stream); /* somebody cut -PLUS out of our offer */
    if (first->binding == SCRAM_UNBOUND) return true;
    bool known =
        str_eq(first->binding_type, S("tls-exporter")) || str_eq(first->binding_type, S("tls-server-end-point"));
    if (known) *data = stream_channel_binding(x->t->stream, x->a, first->binding_type);
    return data->n > 0;
}

static struct str new_nonce(struct arena *a)
{
    unsigned char random[18];
    world_random(loop_world(loop_self()), random, sizeof random);
    struct buf *b = buf_in(a, 32);
    base64_put(b, str_of(random, sizeof random)); /* no comma in its alphabet */
    return buf_str(b);
}

static FIBER enum sasl_outcome run_scram(struct exchange *x)
{
    enum sasl_outcome outcome;
    struct scram_first first;
    struct scram_keys keys;
    struct sasl_identity who = {0};
    struct str message, binding, verdict, nothing;
    if (!ask_first(x, &message, &outcome)) return outcome;
    if (scram_parse_first(x->a, message, &first)) return SASL_SYNTAX;
    if (!binding_acceptable(x, &first, &binding)) return SASL_DENIED;
    if (first.authzid.n && !str_eq(first.authzid, first.username)) return SASL_DENIED;
    int e = x->accounts->scram(x->accounts->arg, x->client, x->a, first.username, &keys, &who);
    if (e) return outcome_of(e);

    struct str server_first = scram_server_first(x->a, &first, new_nonce(x->a), &keys);
    if (!ask(x, server_first, &message, &outcome)) return outcome;
    e = scram_server_final(x->a, &first, server_first, &keys, binding, message, &verdict);
    explicit_bzero(&keys, sizeof keys);
    if (!e && who.account == 0) e = ERR_DENIED; /* nobody's keys are right */
    if (e != ERR_SYNTAX && x->accounts->scram_done) x->accounts->scram_done(x->accounts->arg, x->client, &who, e == 0);
    if (e) return outcome_of(e);
    if (!ask(x, verdict, &nothing, &outcome)) return outcome;
    if (nothing.n) return SASL_SYNTAX;
    *x->who = who;
    return SASL_OK;
}

/* ---- which there are ---- */

static const struct {
    struct str name;
    FIBER enum sasl_outcome (*run)(struct exchange *x);
    bool plus;
} mechanisms[] = {
    {S_INIT("SCRAM-SHA-256-PLUS"), run_scram, true},
    {S_INIT("SCRAM-SHA-256"), run_scram, false},
    {S_INIT("PLAIN"), run_plain, false},
    {S_INIT("LOGIN"), run_login, false},
};

struct str sasl_mechanisms(struct stream *s)
{
    struct str all = S("SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN");
    return binds(s) ? all : str_skip(all, strlen("SCRAM-SHA-256-PLUS "));
}

FIBER enum sasl_outcome sasl_run(struct arena *a, const struct sasl_accounts *accounts, struct sasl_transport *t,
                                 struct str mechanism, struct str initial, struct sasl_identity *who)
{
    struct exchange x =
        {.a = a, .accounts = accounts, .t = t, .initial = initial, .client = stream_peer(t->stream).ip, .who = who};
    if (initial.n > LIMIT_SASL_MESSAGE) return SASL_TOO_LONG;
    for (size_t i = 0; i < sizeof mechanisms / sizeof *mechanisms; i++) {
        if (!str_ieq(mechanism, mechanisms[i].name)) continue;
        x.plus = mechanisms[i].plus;
        if (x.plus && !binds(t->stream)) return SASL_NO_MECHANISM;
        return mechanisms[i].run(&x);
    }
    return SASL_NO_MECHANISM;
}
