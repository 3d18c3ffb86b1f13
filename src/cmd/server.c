/* The running server: the order in which all of it begins and ends. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd/secrets.h"
#include "cmd/server_core.h"
#include "mail/limits.h"
#include "mda/plan.h"
#include "store/search.h"

static bool login_trusts(void *server, struct ip client)
{
    return live_trusts(((struct server *)server)->live, client);
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
           server_bind_port(s, &s->ports[s->n_ports], &config->ports[s->n_ports], e) == 0)
        s->n_ports++;
    if (s->live && s->n_ports == config->n_ports) {
        local_users_make_folder(config);
        return s;
    }
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
    r->result = secret_of_server(s->world, s->store, s->arena, &s->secret, r->e);
    loop_stop(r->loop);
}

static int open_store(struct server *s, struct error *e)
{
    struct store_options o = {.folder = arena_cstr(s->arena, s->config->data),
                              .keep_expunged_us = s->config->mailbox.keep_expunged,
                              .count_expunged = s->config->mailbox.counts_in_quota};
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
    return error ? error : listener_open_unix(s->world, path, false, admin_serve, &s->admin, &s->admin_listener, e);
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
    s->local_gate = gate_new(s->world, (struct listen_limits){.connections = LIMIT_LOCAL_CONNECTIONS});
    for (size_t i = 0; i < s->n_ports; i++) server_prepare_port(s, &s->ports[i]);
}

static int loops_wanted(const struct config *c)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (c->loops > 0) return (int)c->loops;
    return cores < 2 ? 1 : cores > LOOPS_MAX ? LOOPS_MAX : (int)cores - 1;
}

static FIBER void index_letters(void *arg) { store_search_indexer(((struct server *)arg)->store); }

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
    server_start_scheduler(s);
    loop_spawn(s->loops[wanted - 1], index_letters, s);
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
    error = server_prepare_relay(s, e);
    if (!error) error = local_users_open(s, e);
    if (error) return error;
    start_loops(s);
    listener_start(s->admin_listener, s->admin_gate, s->loops, 1);
    listener_start(s->locals.listener, s->local_gate, s->loops, s->n_loops);
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

/* A letter whose last reply nobody has waited for goes out twice. */
static void let_errands_end(struct server *s)
{
    mono_us until = clock_mono(s->world) + SPAN_RELAY_DRAIN;
    scheduler_drain(s->scheduler);
    while (scheduler_stats(s->scheduler).connections > 0 && clock_mono(s->world) < until)
        world_pause(s->world, 20 * US_PER_MS);
}

/* Sessions end, errands end, what they came to is settled (all of it before loop_join() returns); then the store. */
void server_stop(struct server *s)
{
    for (size_t i = 0; i < s->n_ports; i++) listener_stop(s->ports[i].listener);
    if (s->locals.listener) listener_stop(s->locals.listener);
    if (s->admin_listener) listener_stop(s->admin_listener);
    if (s->scheduler) let_errands_end(s);
    for (int i = s->n_loops; i-- > 0;) loop_stop(s->loops[i]);
    for (int i = s->n_loops; i-- > 0;) loop_join(s->loops[i]);
    for (size_t i = 0; i < s->n_ports; i++) listener_free(s->ports[i].listener);
    listener_free(s->locals.listener);
    listener_free(s->admin_listener);
    server_end_relay(s);
    for (int i = 0; i < s->n_loops; i++) {
        resolver_free(s->resolvers[i]);
        loop_free(s->loops[i]);
    }
    login_free(s->login);
    gate_free(s->gate);
    gate_free(s->admin_gate);
    gate_free(s->local_gate);
    if (s->store) store_close(s->store);
    live_free(s->live);
    arena_free(s->arena);
    free(s);
}

struct scheduler *server_scheduler(struct server *s) { return s->scheduler; }
const struct relay *server_relay(struct server *s) { return &s->relay; }
const struct queue *server_queue(struct server *s) { return &s->queue; }

static void put_relay(struct json *j, struct schedule_stats r)
{
    const struct {
        const char *name;
        int64_t value;
    } counts[] = {
        {"connections", r.connections}, {"due", r.recipients},   {"letters", r.parcels},
        {"bytes", r.bytes},             {"delivered", r.delivered}, {"deferred", r.deferred},
        {"failed", r.failed},           {"settlements", r.settlements}, {"groups", r.groups},
    };
    json_put_object(j, "relay");
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) json_put_int(j, counts[i].name, counts[i].value);
    json_put_end(j, '}');
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
    put_relay(j, scheduler_stats(s->scheduler));
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
