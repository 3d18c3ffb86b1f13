/* Inside io/: the machine we run on. */
#ifndef IO_WORLD_REAL_H
#define IO_WORLD_REAL_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "io/world_core.h"

struct pool *pool_new(int threads);
void pool_free(struct pool *p); /* after the last job; joins */

struct real_world {
    struct world base;
    struct pool *pool;
};

/* A socket, which stays on loop l from now on. */
enum { CONN_TCP, CONN_CONNECTING /* TCP, not writable before it is connected */, CONN_LOCAL /* a Unix socket */ };
struct conn *conn_real_new(struct loop *l, int fd, int kind, struct endpoint peer);

/* Addresses between our values and the kernel's. family 0: the IPv6 wildcard, which is IPv4's too. */
union socket_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};
socklen_t socket_address_put(union socket_address *out, struct endpoint at);
struct endpoint socket_address_get(const union socket_address *in);

#endif
