/* A session with a mail host: the connection, its greeting, TLS as far as it is wanted, the log-in (RFC 5321 §3.1-3.2,
 * RFC 3207, RFC 4954). What goes wrong before a transaction is this host's failure and nobody's mail: the next host is
 * tried. */
#include "io/connect.h"
#include "mta/relay_core.h"

/* ---- what TLS must be like ---- */

struct tls_demand {
    enum tls_policy policy;
    struct str name; /* what its certificate has to say, and SNI does */
};

/* The one place that decides how a host is to be spoken to. The next hop's policy holds for all of them; what the
 * domain itself publishes can only raise it, host by host: DANE (RFC 7672, TLSA records of r->host.name) and MTA-STS
 * (RFC 8461, a policy of the domain) belong here. */
static struct tls_demand tls_demand_of(const struct run *r)
{
    struct tls_demand d = {.policy = r->errand->hop->tls, .name = r->host.name};
    if (domain_is_literal(d.name)) { /* a certificate may name an address, SNI does not */
        d.name = str_sub(d.name, 1, d.name.n - 1);
        if (str_istarts(d.name, S("IPv6:"))) d.name = str_skip(d.name, 5);
    }
    return d;
}

static struct tls_context *context_for(const struct run *r, const struct tls_demand *d)
{
    return r->relay->tls(r->relay->arg, d->policy == TLS_POLICY_VERIFY ? TLS_VERIFY_NAME : TLS_VERIFY_NONE);
}

static bool must_be_tls(const struct tls_demand *d) { return d->policy > TLS_POLICY_NONE; }

/* For the record: "TLSv1.3 TLS_AES_256_GCM_SHA384 verified". */
static void note_tls(struct run *r)
{
    const struct tls_facts *tls = stream_tls(r->client.io);
    if (tls->version)
        r->contact.tls = arena_printf(r->arena, "%s %s %s", tls->version, tls->cipher ? tls->cipher : "",
                                      tls->verified ? "verified" : "unverified");
    else r->contact.tls = r->fallback;
}

/* "TLS handshake failed: no shared cipher" without what is said anyway. */
static FIBER void tls_setback(struct run *r, struct error *e)
{
    static const char said[] = "TLS handshake failed: ";
    if (strncmp(e->text, said, sizeof said - 1) == 0)
        memmove(e->text, e->text + sizeof said - 1, strlen(e->text) - (sizeof said - 1) + 1);
    relay_setback_error(r, STAGE_TLS, E(4, 7, 5), "TLS failed", e);
}

/* ---- steps; each is false when the host is given up, with the setback noted ---- */

static FIBER bool is_connected(struct run *r, struct stream **io)
{
    struct error e = {0};
    struct ip source = r->relay->source[r->host.at.ip.family == 6];
    r->contact = (struct contact){.host = r->host.name};
    if (stream_connect(r->host.at, source, loop_now() + TIMEOUT_RELAY_CONNECT, io, &e)) {
        relay_setback_error(r, STAGE_CONNECT, E(4, 4, 1), "cannot connect", &e);
        return false;
    }
    r->contact.address = r->host.at;
    return true;
}

static FIBER bool is_tls_from_first(struct run *r, const struct tls_demand *d)
{
    struct smtp_client *c = &r->client;
    stream_deadline(c->io, loop_now() + TIMEOUT_TLS_HANDSHAKE);
    int error = stream_starttls_client(c->io, context_for(r, d), d->name);
    if (error) {
        struct error e;
        error_set(&e, error, "%s", stream_error_text(c->io));
        tls_setback(r, &e);
        return false;
    }
    c->tls = true;
    return true;
}

static FIBER bool is_greeted(struct run *r)
{
    struct smtp_client *c = &r->client;
    struct error e = {0};
    if (smtp_client_banner(c, &e)) {
        relay_setback_error(r, STAGE_BANNER, E(4, 4, 2), "no greeting", &e);
        return false;
    }
    if (c->reply.code != 220) {
        relay_setback_reply(r, STAGE_BANNER);
        return false;
    }
    if (smtp_client_hello(c, &e)) {
        relay_setback_error(r, STAGE_HELLO, E(4, 4, 2), "no answer to the greeting", &e);
        return false;
    }
    if (c->reply.code != 250) relay_setback_reply(r, STAGE_HELLO);
    return c->reply.code == 250;
}

enum secured { SECURED, SECURED_NOT, SECURED_NOT_BUT_MAY_BE_CLEAR };

/* STARTTLS, if it is wanted and offered. */
static FIBER enum secured secure(struct run *r, const struct tls_demand *d)
{
    struct smtp_client *c = &r->client;
    struct error e = {0};
    if (c->tls || d->policy == TLS_POLICY_NONE || r->fallback.n) return SECURED;
    if (!(c->offers & SMTP_OFFERS_STARTTLS)) {
        if (!must_be_tls(d)) return SECURED;
        relay_setback(r, STAGE_TLS,
                      (struct outcome){.kind = OUTCOME_DEFERRED,
                                       .status = E(4, 7, 4),
                                       .text = S("TLS must be used with this host, but it does not offer it")});
        return SECURED_NOT;
    }
    int error = smtp_client_starttls(c, context_for(r, d), d->name, &e);
    if (error == 0 && c->tls) return SECURED;
    if (error == 0 && !must_be_tls(d)) return SECURED; /* refused, and we are still in the clear: so be it */
    if (error == 0) {
        relay_setback_reply(r, STAGE_TLS);
        return SECURED_NOT;
    }
    tls_setback(r, &e);
    if (must_be_tls(d) || error == ERR_CANCELLED) return SECURED_NOT;
    r->fallback = arena_printf(r->errand->arena, "none: TLS failed (%s)", e.text);
    return SECURED_NOT_BUT_MAY_BE_CLEAR;
}

/* A password never crosses a network in the clear; who listens on our own machine can read it in the store as well. */
static FIBER bool is_logged_in(struct run *r)
{
    const struct next_hop *hop = r->errand->hop;
    struct smtp_client *c = &r->client;
    struct error e = {0};
    if (hop->user.n == 0) return true;
    int error = smtp_client_auth(c, hop->user, hop->password, ip_is_loopback(r->host.at.ip), &e);
    if (error == 0) return true;
    if ((error == ERR_DENIED || error == ERR_BUSY) && c->reply.code) relay_setback_reply(r, STAGE_LOGIN);
    else relay_setback_error(r, STAGE_LOGIN, E(4, 7, 8), "no log-in", &e);
    return false;
}

/* ---- all of them ---- */

static FIBER enum secured open_once(struct run *r, const struct tls_demand *d)
{
    const struct next_hop *hop = r->errand->hop;
    struct stream *io;
    arena_reset(r->arena);
    r->rcpt_max = r->served = 0;
    if (!is_connected(r, &io)) return SECURED_NOT;
    smtp_client_init(&r->client, r->relay->world, r->arena, io, r->relay->hostname, hop->lmtp);
    r->client.ehlo_only = hop->user.n > 0;
    enum secured s = SECURED_NOT;
    if ((!hop->tls_first || is_tls_from_first(r, d)) && is_greeted(r)) s = secure(r, d);
    if (s == SECURED && !is_logged_in(r)) s = SECURED_NOT;
    if (s == SECURED) note_tls(r);
    else smtp_client_quit(&r->client);
    return s;
}

/* RFC 7435: TLS that does not work is no reason to have none of the letter; the clear is as good as if it had not been
 * offered. Once, at the same address. */
FIBER bool relay_open(struct run *r)
{
    struct tls_demand d = tls_demand_of(r);
    r->fallback = STR_NONE;
    enum secured s = open_once(r, &d);
    if (s == SECURED_NOT_BUT_MAY_BE_CLEAR) s = open_once(r, &d);
    return s == SECURED;
}
