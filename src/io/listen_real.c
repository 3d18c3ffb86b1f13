/* Listening sockets of the machine, each shared by all loops: EPOLLEXCLUSIVE wakes one of them for a new connection.
 *
 * Level-triggered, and one accept for each time round: the next connection is reported with whatever else has happened,
 * so that accepting never costs a call that finds nothing. Accepted sockets inherit TCP_NODELAY. */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "io/world_real.h"

#define PAUSE (200 * US_PER_MS) /* when the process has no descriptors left */

struct entrance { /* an acceptor on one loop */
    struct watch watch;
    struct timer again;
    struct post start, stop;
    struct real_acceptor *acceptor;
    struct loop *loop;
};

struct real_acceptor {
    struct acceptor base;
    int fd;
    char *path; /* of a Unix socket */
    int n;
    struct entrance *entrances;
    _Atomic bool stopped;
};

static void entrance_open(struct entrance *in)
{
    if (poll_add(in->loop, in->acceptor->fd, EPOLLIN | EPOLLEXCLUSIVE, &in->watch) != 0)
        timer_set(&in->loop->timers, &in->again, in->loop->now + PAUSE);
}

static void entrance_again(struct timer *t) { entrance_open(list_entry(t, struct entrance, again)); }

static void entrance_ready(struct watch *w, uint32_t events)
{
    (void)events;
    struct entrance *in = list_entry(w, struct entrance, watch);
    struct real_acceptor *a = in->acceptor;
    if (atomic_load_explicit(&a->stopped, memory_order_relaxed)) return;
    union socket_address from = {0};
    socklen_t n = sizeof from;
    int fd = accept4(a->fd, a->path ? NULL : &from.any, a->path ? NULL : &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        int kind = a->path ? CONN_LOCAL : CONN_TCP;
        a->base.accepted(a->base.arg, in->loop, conn_real_new(in->loop, fd, kind, socket_address_get(&from)));
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        poll_remove(in->loop, a->fd); /* it would be reported again and again */
        timer_set(&in->loop->timers, &in->again, in->loop->now + PAUSE);
    }
}

static void entrance_close(struct post *p)
{
    struct entrance *in = list_entry(p, struct entrance, stop);
    timer_remove(&in->loop->timers, &in->again);
    poll_remove(in->loop, in->acceptor->fd);
}

static void entrance_start(struct post *p) { entrance_open(list_entry(p, struct entrance, start)); }

static void real_start(struct acceptor *base, struct loop **loops, int n)
{
    struct real_acceptor *a = (struct real_acceptor *)base;
    a->n = n;
    a->entrances = calloc((size_t)n, sizeof *a->entrances);
    if (!a->entrances) abort();
    for (int i = 0; i < n; i++) {
        struct entrance *in = &a->entrances[i];
        *in = (struct entrance){
            .watch.ready = entrance_ready,
            .again = {.due = FOREVER, .fire = entrance_again},
            .start.fn = entrance_start,
            .stop.fn = entrance_close,
            .acceptor = a,
            .loop = loops[i],
        };
    }
    for (int i = 0; i < n; i++) loop_post(loops[i], &a->entrances[i].start);
}

static void real_stop(struct acceptor *base)
{
    struct real_acceptor *a = (struct real_acceptor *)base;
    if (atomic_exchange(&a->stopped, true)) return;
    for (int i = 0; i < a->n; i++) loop_post(a->entrances[i].loop, &a->entrances[i].stop);
}

static void real_free(struct acceptor *base)
{
    struct real_acceptor *a = (struct real_acceptor *)base;
    close(a->fd);
    if (a->path) unlink(a->path);
    free(a->path);
    free(a->entrances);
    free(a);
}

static uint16_t real_port(struct acceptor *base)
{
    union socket_address at = {0};
    socklen_t n = sizeof at;
    if (getsockname(((struct real_acceptor *)base)->fd, &at.any, &n) != 0) return 0;
    return socket_address_get(&at).port;
}

static const struct acceptor_ops real_acceptor_ops = {real_start, real_stop, real_free, real_port};

static struct acceptor *acceptor_new(int fd, const char *path)
{
    struct real_acceptor *a = calloc(1, sizeof *a);
    if (!a || (path && !(a->path = strdup(path)))) abort();
    a->base.ops = &real_acceptor_ops;
    a->fd = fd;
    return &a->base;
}

/* ---- opening ---- */

static int bind_tcp(int fd, struct endpoint at, int backlog)
{
    union socket_address a;
    socklen_t n = socket_address_put(&a, at);
    int yes = 1, only_v6 = at.ip.family == 6;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (at.ip.family != 4) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof only_v6);
    return bind(fd, &a.any, n) == 0 && listen(fd, backlog) == 0 ? 0 : errno;
}

static int refused(int why, struct error *e, const char *what, struct endpoint at)
{
    struct buf text = BUF(64);
    ip_put(&text, at.ip);
    error_os(e, why, "cannot %s %.*s port %d", what, STR_FMT(at.ip.family ? buf_str(&text) : S("*")), at.port);
    buf_free(&text);
    return why == EADDRINUSE ? ERR_BUSY : why == EACCES || why == EPERM ? ERR_DENIED : ERR_IO;
}

int listen_real(struct world *w, struct endpoint at, int backlog, struct acceptor **out, struct error *e)
{
    (void)w;
    int fd = socket(at.ip.family == 4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 && errno == EAFNOSUPPORT && at.ip.family == 0) { /* a machine without IPv6 */
        at.ip.family = 4;
        fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    }
    if (fd < 0) return refused(errno, e, "make a socket for", at);
    int why = bind_tcp(fd, at, backlog);
    if (why) {
        close(fd);
        return refused(why, e, "listen on", at);
    }
    *out = acceptor_new(fd, NULL);
    return 0;
}

int listen_unix_real(struct world *w, const char *path, bool everybody, struct acceptor **out, struct error *e)
{
    (void)w;
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof a.sun_path) return error_set(e, ERR_TOO_LONG, "socket path too long: %s", path);
    strcpy(a.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return error_os(e, errno, "cannot make a socket");
    struct stat old;
    if (lstat(path, &old) == 0 && S_ISSOCK(old.st_mode)) unlink(path);
    /* The mode of the socket is the mode its file is born with: there is no moment at which others may connect. */
    if (fchmod(fd, 0600) != 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0 ||
        (everybody && chmod(path, 0666) != 0) || listen(fd, 64) != 0) {
        int why = errno;
        close(fd);
        return error_os(e, why, "cannot listen on %s", path);
    }
    *out = acceptor_new(fd, path);
    return 0;
}
