/* Inside the server: its parts, for the files that build them. server.c begins and ends it, server_ports.c has who
 * stands behind which port, server_relay.c the sending side, local_users.c the door for programs of this machine. */
#ifndef CMD_SERVER_CORE_H
#define CMD_SERVER_CORE_H

#include "cmd/admin.h"
#include "cmd/live.h"
#include "cmd/server.h"
#include "io/listen.h"
#include "maa/imap.h"
#include "maa/pop3.h"
#include "msa/msa.h"
#include "mta/mta.h"
#include "mta/relay.h"
#include "queue/schedule.h"
#include "trust/login.h"

enum { LOOPS_MAX = 256 };

struct port { /* one listener, with the agent it leads to */
    union {
        struct reception_desk desk;
        struct mta mta;
        struct msa msa;
    } agent; /* first: the services' callbacks get it back as their agent */
    struct server *server;
    const struct config_port *config; /* NULL: the door for local users */
    struct listener *listener;
    struct smtp_service smtp;
    struct smtp_policy policy; /* of local users */
    struct pop3_service pop3;
    struct imap_service imap;
};

struct server {
    struct world *world;
    const struct config *config;
    const struct log *log;
    struct arena *arena;
    struct live *live;
    struct port *ports;
    size_t n_ports;     /* bound */
    struct port locals; /* for sendmail(1) */

    struct store *store;
    struct str secret; /* hex; the same over restarts */
    struct login *login;
    struct queue queue;
    struct post_office post;
    struct relay relay;
    struct tls_context *relay_tls[2]; /* by enum tls_verify */
    struct scheduler *scheduler;
    struct gate *gate, *admin_gate, *local_gate;
    struct loop *loops[LOOPS_MAX];
    struct resolver *resolvers[LOOPS_MAX];
    int n_loops;
    struct admin admin;
    struct listener *admin_listener;
    mono_us began;
};

/* ---- server_ports.c ---- */

int server_bind_port(struct server *s, struct port *p, const struct config_port *config, struct error *e);
void server_prepare_port(struct server *s, struct port *p); /* when the store is open */
struct resolver *server_resolver_here(void *server);        /* of the calling fiber's loop */
int64_t server_port_new_id(void *port);

/* ---- server_relay.c ---- */

/* Fills s->relay and what of s->post and s->queue belongs to sending. 0, or what making TLS contexts says. */
int server_prepare_relay(struct server *s, struct error *e);
void server_start_scheduler(struct server *s); /* the first loop is made, and does not run yet */
void server_end_relay(struct server *s);       /* after the loops ended */

/* ---- local_users.c ---- */

/* As root, before we become somebody else: the folder of the socket, if it is not the data folder and not there. */
void local_users_make_folder(const struct config *c);
/* Opens the socket of `sendmail { socket }`. 0 or ERR_IO with words. */
int local_users_open(struct server *s, struct error *e);

#endif
