/* The running server: who stands behind which port, and the order in which all of it begins and ends. */
#include "cmd/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/codec.h"
#include "cmd/admin.h"
#include "cmd/live.h"
#include "io/listen.h"
#include "maa/pop3.h"
#include "mail/limits.h"
#include "mda/plan.h"
#include "msa/msa.h"
#include "mta/mta.h"
#include "trust/login.h"

enum { LOOPS_MAX = 256 };

struct port { /* one listener, with the agent it leads to */
    union {
        struct reception_desk desk;
        struct mta mta;
        struct msa msa;
    } agent; /* first: the services' callbacks get it back as their agent */
    struct server *server;
    const struct config_port *config;
    struct listener *listener;
    struct smtp_service smtp;
    struct pop3_service pop3;
};

struct server {
    struct world *world;
    const struct config *config;
    const struct log *log;
    struct arena *arena;
    struct live *live;
    struct port *ports;
    size_t n_ports; /* bound */

    struct store *store;
    struct str secret; /* hex; the same over restarts */
    struct login *login;
    struct queue queue;
    struct post_office post;
    struct gate *gate, *admin_gate;
    struct loop *loops[LOOPS_MAX];
    struct resolver *resolvers[LOOPS_MAX];
    int n_loops;
    struct admin admin;
    struct listener *admin_listener;
    mono_us began;
};

/* ---- what the sessions ask of the program ---- */

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
static int64_t port_new_id(void *agent) { return store_new_id(server_of(agent)->store); }
static bool login_trusts(void *server, struct ip client)
{
    return live_trusts(((struct server *)server)->live, client);
}

static bool port_exempts(struct ip peer, void *port) { return port_trusts(port, peer); }
static bool port_meets_proxy(struct ip peer, void *port) { return port_has_proxy(port, peer); }

static struct resolver *resolver_here(void *server)
{
    struct server *s = server;
    struct loop *here = loop_self();
    int i = 0;
    while (i + 1 < s->n_loops && s->loops[i] != here) i++;
    return s->resolvers[i];
}

static FIBER void serve_smtp(struct stream *stream, void *port) { smtp_serve(stream, &((struct port *)port)->smtp); }
static FIBER void serve_pop3(struct stream *stream, void *port) { pop3_serve(stream, &((struct port *)port)->pop3); }

/* ---- ports ---- */

static bool is_pop3(enum service_kind k) { return k == SERVICE_POP3 || k == SERVICE_POP3S; }

static int bind_port(struct server *s, struct port *p, const struct config_port *config, struct error *e)
{
    const struct service_fact *fact = service_fact(config->kind);
    *p = (struct port){.server = s, .config = config};
    const struct listen_options o = {
        .name = fact->name,
        .address = config->address,
        .tls = fact->tls && config->proxies.n == 0 ? port_tls : NULL, /* a PROXY header stands before TLS */
        .serve = is_pop3(config->kind) ? serve_pop3 : serve_smtp,
        .arg = p,
        .refusal =
            is_pop3(config->kind) ? "-ERR [SYS/TEMP] too many connections\r\n" : "421 4.7.0 too many connections\r\n",
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

static void prepare_smtp(struct server *s, struct port *p)
{
    bool submission = p->config->kind == SERVICE_SUBMISSION || p->config->kind == SERVICE_SUBMISSIONS;
    const struct config *c = s->config;
    p->agent.desk = (struct reception_desk){.queue = &s->queue, .resolver = resolver_here, .arg = s, .log = s->log};
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
        .new_id = port_new_id,
    };
}

/* ---- beginning ---- */

struct server *server_new(struct world *w, const struct config *config, const struct log *log, struct error *e)
{
    struct server *s = calloc(1, sizeof *s);
    if (!s) abort();
    *s = (struct server){.world = w, .config = config, .log = log, .arena = arena_new(NULL, 0)};
    s->live = live_new(w, config, e);
    s->ports = arena_array(s->arena, config->n_ports, sizeof *s->ports);
    while (s->live && s->n_ports < config->n_ports &&
           bind_port(s, &s->ports[s->n_ports], &config->ports[s->n_ports], e) == 0)
        s->n_ports++;
    if (s->live && s->n_ports == config->n_ports) return s;
    server_stop(s);
    return NULL;
}

struct secret_reading {
    struct server *server;
    struct loop *loop;
    struct error *e;
    int result;
};

static FIBER void read_secret(void *arg)
{
    struct secret_reading *r = arg;
    struct server *s = r->server;
    unsigned char fresh[32];
    char text[2 * sizeof fresh];
    struct buf hex = BUF_OVER(text);
    world_random(s->world, fresh, sizeof fresh);
    hex_put(&hex, str_of(fresh, sizeof fresh));
    r->result = store_setting(s->store, s->arena, S("server_secret"), buf_str(&hex), &s->secret, r->e);
    loop_stop(r->loop);
}

static int open_store(struct server *s, struct error *e)
{
    struct store_options o = {.folder = arena_cstr(s->arena, s->config->data)};
    int error = store_open(s->world, &o, &s->store, e);
    if (error) return error;
    struct secret_reading r = {.server = s, .loop = loop_new(s->world), .e = e};
    loop_spawn(r.loop, read_secret, &r);
    loop_run(r.loop);
    loop_free(r.loop);
    return r.result;
}

static int open_admin(struct server *s, struct error *e)
{
    char path[108];
    s->admin = (struct admin){.world = s->world, .store = s->store, .config = s->config, .server = s};
    int error = admin_socket_path(s->config, path, e);
    return error ? error : listener_open_unix(s->world, path, admin_serve, &s->admin, &s->admin_listener, e);
}

static void make_agents(struct server *s)
{
    const struct config *c = s->config;
    const struct login_options o = {.store = s->store,
                                    .fake_salt_secret = s->secret,
                                    .trusted = login_trusts,
                                    .arg = s};
    s->login = login_new(s->world, &o);
    s->post = (struct post_office){.plan_local = mda_plan};
    s->queue = (struct queue){.world = s->world,
                              .store = s->store,
                              .post = &s->post,
                              .hostname = c->hostname,
                              .rules = {.hostname = c->hostname_key, .separator = '+'}};
    s->gate =
        gate_new(s->world, (struct listen_limits){.connections = (int)c->limits.connections,
                                                  .connections_per_address = (int)c->limits.connections_per_address,
                                                  .handshakes = (int)c->limits.handshakes});
    s->admin_gate = gate_new(s->world, (struct listen_limits){.connections = LIMIT_ADMIN_CONNECTIONS});
    for (size_t i = 0; i < s->n_ports; i++) {
        if (is_pop3(s->ports[i].config->kind)) prepare_pop3(s, &s->ports[i]);
        else prepare_smtp(s, &s->ports[i]);
    }
}

static int loops_wanted(const struct config *c)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (c->loops > 0) return (int)c->loops;
    return cores < 2 ? 1 : cores > LOOPS_MAX ? LOOPS_MAX : (int)cores - 1;
}

static void start_loops(struct server *s)
{
    const struct config *c = s->config;
    const struct resolver_options o = {.servers = c->resolver_servers,
                                       .n_servers = c->resolver.servers.n,
                                       .trust_ad_any = c->resolver.trust_ad};
    int wanted = loops_wanted(c);
    for (int i = 0; i < wanted; i++) {
        s->loops[i] = loop_new(s->world);
        s->resolvers[i] = resolver_new(s->loops[i], &o);
    }
    s->n_loops = wanted;
    for (int i = 0; i < wanted; i++) {
        char name[24];
        snprintf(name, sizeof name, "loop-%d", i);
        loop_start(s->loops[i], name);
    }
}

int server_start(struct server *s, struct error *e)
{
    int error = open_store(s, e);
    if (!error) error = open_admin(s, e);
    if (error) return error;
    s->began = clock_mono(s->world);
    make_agents(s);
    start_loops(s);
    listener_start(s->admin_listener, s->admin_gate, s->loops, 1);
    for (size_t i = 0; i < s->n_ports; i++) {
        listener_start(s->ports[i].listener, s->gate, s->loops, s->n_loops);
        LOG(s->log, LOG_INFO, "serve.listening", F_STR("service", str_c(service_fact(s->ports[i].config->kind)->name)),
            F_STR("address", s->ports[i].config->written));
    }
    return 0;
}

/* ---- changing and ending ---- */

int server_reload(struct server *s, struct arena *a, const struct config *config, struct str *ignored, struct error *e)
{
    *ignored = config_needs_restart(a, s->config, config);
    return live_reload(s->live, config, e);
}

void server_stop(struct server *s)
{
    for (size_t i = 0; i < s->n_ports; i++) listener_stop(s->ports[i].listener);
    if (s->admin_listener) listener_stop(s->admin_listener);
    for (int i = 0; i < s->n_loops; i++) loop_stop(s->loops[i]);
    for (int i = 0; i < s->n_loops; i++) loop_join(s->loops[i]);
    for (size_t i = 0; i < s->n_ports; i++) listener_free(s->ports[i].listener);
    if (s->admin_listener) listener_free(s->admin_listener);
    for (int i = 0; i < s->n_loops; i++) {
        resolver_free(s->resolvers[i]);
        loop_free(s->loops[i]);
    }
    login_free(s->login);
    gate_free(s->gate);
    gate_free(s->admin_gate);
    if (s->store) store_close(s->store);
    live_free(s->live);
    arena_free(s->arena);
    free(s);
}

void server_put_status(struct server *s, struct json *j)
{
    json_put_int(j, "uptime_s", (clock_mono(s->world) - s->began) / US_PER_S);
    json_put_int(j, "connections", gate_connections(s->gate));
    json_put_array(j, "listeners");
    for (size_t i = 0; i < s->n_ports; i++) {
        json_put_object(j, NULL);
        json_put_str(j, "service", str_c(service_fact(s->ports[i].config->kind)->name));
        json_put_str(j, "address", s->ports[i].config->written);
        json_put_int(j, "port", listener_port(s->ports[i].listener));
        json_put_end(j, '}');
    }
    json_put_end(j, ']');
    json_put_array(j, "loops");
    for (int i = 0; i < s->n_loops; i++) {
        struct loop_stats l = loop_stats(s->loops[i]);
        json_put_object(j, NULL);
        json_put_int(j, "fibers", l.fibers_now);
        json_put_int(j, "fibers_ever", l.fibers_ever);
        json_put_int(j, "turns", l.turns);
        json_put_int(j, "polls", l.polls);
        json_put_int(j, "longest_run_us", l.longest_run_us);
        json_put_end(j, '}');
    }
    json_put_end(j, ']');
}
