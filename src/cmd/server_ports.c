/* Who stands behind which port: a listener, the agent it leads to, and what their sessions ask of the program. */
#include "cmd/server_core.h"
#include "mail/limits.h"

/* ---- what the sessions ask ---- */

static struct server *server_of(void *agent) { return ((struct port *)agent)->server; }

static struct tls_context *port_tls(void *agent) { return live_tls(server_of(agent)->live); }
static bool port_trusts(void *agent, struct ip peer) { return live_trusts(server_of(agent)->live, peer); }
static bool port_takes_plaintext(void *agent, struct ip peer)
{
    return live_takes_plaintext(server_of(agent)->live, peer);
}
static bool port_has_proxy(void *agent, struct ip peer)
{
    return ip_prefixes_have(&((struct port *)agent)->config->proxies, peer);
}
int64_t server_port_new_id(void *port) { return store_new_id(server_of(port)->store); }

static bool port_exempts(struct ip peer, void *port) { return port_trusts(port, peer); }
static bool port_meets_proxy(struct ip peer, void *port) { return port_has_proxy(port, peer); }

struct resolver *server_resolver_here(void *server)
{
    struct server *s = server;
    struct loop *here = loop_self();
    int i = 0;
    while (i + 1 < s->n_loops && s->loops[i] != here) i++;
    return s->resolvers[i];
}

static FIBER void serve_smtp(struct stream *stream, void *port) { smtp_serve(stream, &((struct port *)port)->smtp); }
static FIBER void serve_pop3(struct stream *stream, void *port) { pop3_serve(stream, &((struct port *)port)->pop3); }
static FIBER void serve_imap(struct stream *stream, void *port) { imap_serve(stream, &((struct port *)port)->imap); }

/* ---- listeners and agents ---- */

static void prepare_pop3(struct server *s, struct port *p);
static void prepare_imap(struct server *s, struct port *p);
static void prepare_smtp(struct server *s, struct port *p);

static const struct agent {
    FIBER void (*serve)(struct stream *stream, void *port);
    void (*prepare)(struct server *s, struct port *p);
    const char *refusal;
} smtp_agent = {serve_smtp, prepare_smtp, "421 4.7.0 too many connections\r\n"},
  pop3_agent = {serve_pop3, prepare_pop3, "-ERR [SYS/TEMP] too many connections\r\n"},
  imap_agent = {serve_imap, prepare_imap, "* BYE [UNAVAILABLE] too many connections\r\n"};

static const struct agent *agent_behind(enum service_kind k)
{
    switch (k) {
    case SERVICE_POP3:
    case SERVICE_POP3S: return &pop3_agent;
    case SERVICE_IMAP:
    case SERVICE_IMAPS: return &imap_agent;
    default: return &smtp_agent;
    }
}

int server_bind_port(struct server *s, struct port *p, const struct config_port *config, struct error *e)
{
    const struct service_fact *fact = service_fact(config->kind);
    *p = (struct port){.server = s, .config = config};
    const struct listen_options o = {
        .name = fact->name,
        .address = config->address,
        .tls = fact->tls && config->proxies.n == 0 ? port_tls : NULL, /* a PROXY header stands before TLS */
        .serve = agent_behind(config->kind)->serve,
        .arg = p,
        .refusal = agent_behind(config->kind)->refusal,
        .exempt = port_exempts,
        .proxy = port_meets_proxy,
    };
    int error = listener_open(s->world, &o, &p->listener, e);
    if (error) error_prefix(e, "%s %.*s: ", fact->name, STR_FMT(config->written));
    return error;
}

static void prepare_pop3(struct server *s, struct port *p)
{
    p->pop3 = (struct pop3_service){
        .store = s->store,
        .accounts = login_accounts(s->login),
        .tls = port_tls,
        .plaintext_auth = port_takes_plaintext,
        .trusted = port_trusts,
        .proxy_allowed = p->config->proxies.n ? port_has_proxy : NULL,
        .tls_first = p->config->proxies.n && service_fact(p->config->kind)->tls,
        .arg = p,
        .hostname = s->config->hostname,
        .log = s->log,
    };
}

static void prepare_imap(struct server *s, struct port *p)
{
    p->imap = (struct imap_service){
        .store = s->store,
        .accounts = login_accounts(s->login),
        .tls = port_tls,
        .plaintext_auth = port_takes_plaintext,
        .trusted = port_trusts,
        .proxy_allowed = p->config->proxies.n ? port_has_proxy : NULL,
        .tls_first = p->config->proxies.n && service_fact(p->config->kind)->tls,
        .arg = p,
        .hostname = s->config->hostname,
        .size_max = s->config->limits.message_size,
        .unauthenticate = s->config->imap.unauthenticate,
        .uidonly = s->config->imap.uidonly,
        .administrators = s->config->imap.administrators.v,
        .n_administrators = s->config->imap.administrators.n,
        .log = s->log,
    };
}

static void prepare_smtp(struct server *s, struct port *p)
{
    bool submission = p->config->kind == SERVICE_SUBMISSION || p->config->kind == SERVICE_SUBMISSIONS;
    const struct config *c = s->config;
    p->agent.desk =
        (struct reception_desk){.queue = &s->queue, .resolver = server_resolver_here, .arg = s, .log = s->log};
    if (submission) {
        p->agent.msa.per_hour = c->limits.per_hour;
        p->agent.msa.per_day = c->limits.per_day;
        p->agent.msa.show_client = !c->submission.hide_client;
    }
    p->smtp = (struct smtp_service){
        .kind = submission                        ? SMTP_SUBMISSION
                : p->config->kind == SERVICE_LMTP ? SMTP_LMTP
                                                  : SMTP_RELAY,
        .policy = submission ? &msa_policy
                  : c->expn  ? &mta_policy_with_expn
                             : &mta_policy,
        .accounts = submission ? login_accounts(s->login) : NULL,
        .agent = p,
        .hostname = c->hostname,
        .tls = port_tls,
        .trusted = port_trusts,
        .plaintext_auth = port_takes_plaintext,
        .proxy_allowed = p->config->proxies.n ? port_has_proxy : NULL,
        .tls_first = p->config->proxies.n && service_fact(p->config->kind)->tls,
        .size_max = c->limits.message_size,
        .recipients_max = (int)(submission ? c->limits.recipients_submission : c->limits.recipients),
        .hold_max = submission ? SPAN_FUTURE_RELEASE / US_PER_S : 0,
        .new_id = server_port_new_id,
    };
}

void server_prepare_port(struct server *s, struct port *p) { agent_behind(p->config->kind)->prepare(s, p); }
