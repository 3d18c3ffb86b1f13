/* Outgoing sockets of the machine: TCP, Unix, and UDP to one server. */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/un.h>
#include <unistd.h>

#include "io/world_real.h"

/* Until connect() has ended, one way or the other; the connection is in the epoll set from here on. */
static FIBER int connected(struct conn *c, int fd, mono_us deadline, struct error *e)
{
    int result = conn_wait(c, true, deadline);
    if (result) return error_set(e, result, "%s", err_name(result));
    int why = 0;
    socklen_t n = sizeof why;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &n);
    return why ? error_os(e, why, "cannot connect") : 0;
}

FIBER int connect_real(struct world *w, struct endpoint to, struct ip source, mono_us deadline, struct conn **out,
                       struct error *e)
{
    (void)w;
    union socket_address a, from;
    socklen_t n = socket_address_put(&a, to);
    int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return error_os(e, errno, "cannot make a socket");
    int yes = 1, result = 0;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (source.family) {
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
        socklen_t from_n = socket_address_put(&from, (struct endpoint){.ip = source});
        if (bind(fd, &from.any, from_n) != 0) result = error_os(e, errno, "cannot bind the source address");
    }
    bool pending = false;
    if (!result && connect(fd, &a.any, n) != 0) {
        pending = errno == EINPROGRESS;
        if (!pending) result = error_os(e, errno, "cannot connect");
    }
    if (result) {
        close(fd);
        return result;
    }
    struct conn *c = conn_real_new(loop_self(), fd, pending ? CONN_CONNECTING : CONN_TCP, to);
    if (pending) result = connected(c, fd, deadline, e);
    if (result) c->ops->close(c, false);
    else *out = c;
    return result;
}

FIBER int connect_unix_real(struct world *w, const char *path, mono_us deadline, struct conn **out, struct error *e)
{
    (void)w;
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof a.sun_path) return error_set(e, ERR_TOO_LONG, "socket path too long: %s", path);
    strcpy(a.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return error_os(e, errno, "cannot make a socket");
    int result = 0;
    while (result == 0 && connect(fd, (struct sockaddr *)&a, sizeof a) != 0) {
        if (errno != EAGAIN) result = error_os(e, errno, "cannot connect to %s", path);
        else if (loop_now() >= deadline) result = error_set(e, ERR_TIMEOUT, "%s does not accept", path);
        else result = fiber_sleep(10 * US_PER_MS); /* its backlog is full, and nothing tells when it no longer is */
    }
    if (result) close(fd);
    else *out = conn_real_new(loop_self(), fd, CONN_LOCAL, (struct endpoint){0});
    return result;
}

/* ---- UDP ---- */

struct real_udp {
    struct udp base;
    struct watch watch;
    struct fiber *fiber; /* waits for a datagram */
    int fd;
    bool readable;
};

static void udp_edge(struct watch *w, uint32_t events)
{
    struct real_udp *u = list_entry(w, struct real_udp, watch);
    (void)events;
    u->readable = true;
    if (u->fiber) fiber_wake(u->fiber);
}

static void udp_real_close(struct udp *u)
{
    close(((struct real_udp *)u)->fd);
    free(u);
}

static int udp_real_send(struct udp *u, struct str datagram)
{
    ssize_t put = send(((struct real_udp *)u)->fd, datagram.p, datagram.n, MSG_NOSIGNAL);
    return put >= 0 || errno == EAGAIN || errno == ENOBUFS ? 0 : ERR_IO;
}

static FIBER int64_t udp_real_recv(struct udp *base, void *out, size_t max, mono_us deadline)
{
    struct real_udp *u = (struct real_udp *)base;
    int64_t result = 0;
    u->fiber = fiber_self();
    for (;;) {
        while (!u->readable && result == 0) result = fiber_park(deadline);
        if (!u->readable) break;
        result = recv(u->fd, out, max, 0);
        if (result >= 0) break;
        if (errno != EAGAIN) {
            result = ERR_IO;
            break;
        }
        u->readable = false;
        result = 0;
    }
    u->fiber = NULL;
    return result;
}

static const struct udp_ops udp_real_ops = {.close = udp_real_close, .send = udp_real_send, .recv = udp_real_recv};

struct udp *udp_real_open(struct world *w, struct endpoint server)
{
    (void)w;
    union socket_address a;
    socklen_t n = socket_address_put(&a, server);
    int fd = socket(a.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return NULL;
    struct real_udp *u = malloc(sizeof *u);
    if (!u) abort();
    *u = (struct real_udp){.base.ops = &udp_real_ops, .watch.ready = udp_edge, .fd = fd};
    if (connect(fd, &a.any, n) == 0 && poll_add(loop_self(), fd, EPOLLIN | EPOLLET, &u->watch) == 0) return &u->base;
    close(fd);
    free(u);
    return NULL;
}
