/* A connected socket on an epoll loop.
 *
 * The kernel's edges set two flags, an EAGAIN or a short transfer clears them, and no system call is made while a flag
 * is clear. The socket joins the epoll set when somebody first has to wait for it, with one call, for input; only one
 * whose send buffer has filled up asks to hear of room too. */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "io/world_real.h"

struct real_conn {
    struct conn base;
    struct watch watch;
    struct loop *loop;
    int fd;
    bool local;       /* a Unix socket */
    bool watched;     /* in the epoll set, for input */
    bool watched_out; /* for room too */
    bool readable, writable;
    bool hung_up;     /* the end of input is there or near: a short read no longer means that nothing is left */
    struct fiber *reader, *writer;
    struct endpoint peer;
};

static struct real_conn *real(struct conn *c) { return (struct real_conn *)c; }

static void edge(struct watch *w, uint32_t events)
{
    struct real_conn *c = list_entry(w, struct real_conn, watch);
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) c->hung_up = true;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        c->readable = true;
        if (c->reader) fiber_wake(c->reader);
    }
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) {
        c->writable = true;
        if (c->writer) fiber_wake(c->writer);
    }
}

static int64_t real_try_read(struct conn *conn, void *out, size_t n)
{
    struct real_conn *c = real(conn);
    if (!c->readable) return CONN_AGAIN;
    ssize_t got;
    do got = recv(c->fd, out, n, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0) {
        if (errno != EAGAIN) return ERR_IO;
        c->readable = false;
        return CONN_AGAIN;
    }
    if ((size_t)got < n && got > 0 && !c->hung_up) c->readable = false;
    return got;
}

static int64_t real_try_writev(struct conn *conn, const struct iovec *v, int n)
{
    struct real_conn *c = real(conn);
    if (!c->writable) return CONN_AGAIN;
    struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)v, .msg_iovlen = (size_t)n};
    ssize_t put;
    do put = n == 1 ? send(c->fd, v->iov_base, v->iov_len, MSG_NOSIGNAL) : sendmsg(c->fd, &m, MSG_NOSIGNAL);
    while (put < 0 && errno == EINTR);
    if (put >= 0) return put;
    if (errno != EAGAIN) return ERR_IO;
    c->writable = false;
    return CONN_AGAIN;
}

static bool real_ready(struct conn *c, bool for_write) { return for_write ? real(c)->writable : real(c)->readable; }

static void real_watch(struct conn *conn, bool for_write, struct fiber *f)
{
    struct real_conn *c = real(conn);
    *(for_write ? &c->writer : &c->reader) = f;
    if (!f) return;
    uint32_t events = EPOLLIN | EPOLLRDHUP | EPOLLET | (for_write || c->watched_out ? (uint32_t)EPOLLOUT : 0);
    int failed = 0;
    if (!c->watched) failed = poll_add(c->loop, c->fd, events, &c->watch);
    else if (for_write && !c->watched_out) failed = poll_change(c->loop, c->fd, events, &c->watch);
    c->watched = true;
    if (for_write) c->watched_out = true;
    if (failed) c->readable = c->writable = c->hung_up = true; /* no memory for it: the next try tells */
}

static void real_shut(struct conn *c) { shutdown(real(c)->fd, SHUT_WR); }

static void real_close(struct conn *conn, bool abort)
{
    struct real_conn *c = real(conn);
    if (abort) {
        struct linger at_once = {.l_onoff = 1, .l_linger = 0};
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    close(c->fd); /* leaves the epoll set by itself */
    free(c);
}

static struct endpoint real_peer(struct conn *c) { return real(c)->peer; }

static struct endpoint real_local(struct conn *c)
{
    union socket_address a = {0};
    socklen_t n = sizeof a;
    if (real(c)->local || getsockname(real(c)->fd, &a.any, &n) != 0) return (struct endpoint){0};
    return socket_address_get(&a);
}

static int real_credentials(struct conn *c, struct peer_credentials *out)
{
    struct ucred u;
    socklen_t n = sizeof u;
    if (!real(c)->local || getsockopt(real(c)->fd, SOL_SOCKET, SO_PEERCRED, &u, &n) != 0) return ERR_UNSUPPORTED;
    *out = (struct peer_credentials){.pid = u.pid, .uid = u.uid, .gid = u.gid};
    return 0;
}

static const struct conn_ops real_conn_ops = {
    .try_read = real_try_read,
    .try_writev = real_try_writev,
    .ready = real_ready,
    .watch = real_watch,
    .shut = real_shut,
    .close = real_close,
    .peer = real_peer,
    .local = real_local,
    .credentials = real_credentials,
};

struct conn *conn_real_new(struct loop *l, int fd, int kind, struct endpoint peer)
{
    struct real_conn *c = calloc(1, sizeof *c);
    if (!c) abort();
    *c = (struct real_conn){
        .base.ops = &real_conn_ops,
        .watch.ready = edge,
        .loop = l,
        .fd = fd,
        .local = kind == CONN_LOCAL,
        .writable = kind != CONN_CONNECTING,
        .peer = peer,
    };
    return &c->base;
}
