/* What real loops sleep on: an edge-triggered epoll set, with an eventfd in it for posts from other threads.
 *
 * Events only set flags and wake fibers; nothing is closed or freed while a batch is gone through, so no event can be
 * about something that is gone. */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "io/loop_core.h"

enum { BATCH = 256 };

/* The eventfd is never read: each write is a new edge, and it takes 2^64 of them to fill it. */
static void posts_came(struct watch *w, uint32_t events) { (void)w, (void)events; }

void poll_open(struct loop *l)
{
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    l->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    l->wake_watch.ready = posts_came;
    if (l->epoll_fd < 0 || l->event_fd < 0 || poll_add(l, l->event_fd, EPOLLIN | EPOLLET, &l->wake_watch) != 0) abort();
}

void poll_close(struct loop *l)
{
    close(l->epoll_fd);
    close(l->event_fd);
}

int poll_add(struct loop *l, int fd, uint32_t epoll_events, struct watch *w)
{
    struct epoll_event e = {.events = epoll_events, .data.ptr = w};
    return epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0 ? 0 : -errno;
}

int poll_change(struct loop *l, int fd, uint32_t epoll_events, struct watch *w)
{
    struct epoll_event e = {.events = epoll_events, .data.ptr = w};
    return epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, fd, &e) == 0 ? 0 : -errno;
}

void poll_remove(struct loop *l, int fd) { epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, fd, NULL); }

/* How long to sleep, in epoll's milliseconds, rounded up. */
static int patience(struct loop *l)
{
    mono_us next = loop_next_timer(l);
    if (next == FOREVER) return -1;
    int64_t span = next - clock_mono(l->world);
    if (span <= 0) return 0;
    return span > HOURS(1) ? 3600 * 1000 : (int)((span + 999) / 1000);
}

void poll_wait(struct loop *l)
{
    int timeout = 0;
    if (!loop_has_work(l)) {
        timeout = patience(l);
        atomic_store(&l->sleeping, true); /* from here on a post writes to the eventfd... */
        if (atomic_load(&l->inbox)) timeout = 0; /* ...unless it came before */
    }
    struct epoll_event events[BATCH];
    int n = epoll_wait(l->epoll_fd, events, BATCH, timeout);
    atomic_store_explicit(&l->sleeping, false, memory_order_relaxed);
    count(&l->polls, 1);
    for (int i = 0; i < n; i++) {
        struct watch *w = events[i].data.ptr;
        w->ready(w, events[i].events);
    }
}

void poll_wake(struct loop *l)
{
    if (!atomic_load(&l->sleeping) || !atomic_exchange(&l->sleeping, false)) return;
    uint64_t one = 1;
    ssize_t written = write(l->event_fd, &one, sizeof one);
    (void)written; /* it cannot be full */
}
