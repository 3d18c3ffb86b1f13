/* The sending side of the server: what the relay and the scheduler are given. */
#include "cmd/secrets.h"
#include "cmd/server_core.h"

static bool is_ours(void *server, struct endpoint e)
{
    const struct server *s = server;
    return live_is_ours(s->live, s->config, e);
}

static struct tls_context *tls_to(void *server, enum tls_verify v) { return ((struct server *)server)->relay_tls[v]; }

int server_prepare_relay(struct server *s, struct error *e)
{
    const struct config *c = s->config;
    int error = tls_client_new(s->world, TLS_VERIFY_NONE, &s->relay_tls[TLS_VERIFY_NONE], e);
    if (!error) error = tls_client_new(s->world, TLS_VERIFY_NAME, &s->relay_tls[TLS_VERIFY_NAME], e);
    s->relay = (struct relay){
        .world = s->world,
        .store = s->store,
        .hostname = c->hostname_key,
        .port = (uint16_t)c->relay.port,
        .loopback = c->relay.loopback,
        .resolver = server_resolver_here,
        .is_ours = is_ours,
        .tls = tls_to,
        .source = {c->relay_source[0], c->relay_source[1]},
        .arg = s,
        .log = s->log,
    };
    s->post.carry = relay_carry;
    s->post.carry_arg = &s->relay;
    s->queue.srs_secret = secret_of_returns(s->arena, s->secret);
    return error;
}

void server_start_scheduler(struct server *s)
{
    const struct schedule_options o = {.log = s->log,
                                       .connections = (int)s->config->relay.connections,
                                       .window = (int)s->config->relay.window};
    s->scheduler = s->queue.scheduler = scheduler_new(s->loops[0], &s->queue, &o);
}

void server_end_relay(struct server *s)
{
    if (s->scheduler) scheduler_free(s->scheduler);
    tls_unref(s->relay_tls[TLS_VERIFY_NONE]);
    tls_unref(s->relay_tls[TLS_VERIFY_NAME]);
}
