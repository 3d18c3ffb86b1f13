/* The machine we run on: its clocks, its randomness, the table of everything else. */
#include "io/world_real.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static int64_t read_clock(clockid_t which)
{
    struct timespec t;
    clock_gettime(which, &t);
    return (int64_t)t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

static utc_us real_utc(struct world *w)
{
    (void)w;
    return read_clock(CLOCK_REALTIME);
}

static mono_us real_mono(struct world *w)
{
    (void)w;
    return read_clock(CLOCK_MONOTONIC) + 1;
}

static void real_random(struct world *w, void *out, size_t n)
{
    (void)w;
    for (char *at = out; n > 0;) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0) continue; /* interrupted, nothing else */
        at += got;
        n -= (size_t)got;
    }
}

static void real_loop_opened(struct world *w, struct loop *l)
{
    (void)w;
    poll_open(l);
}

static void real_loop_closed(struct world *w, struct loop *l)
{
    (void)w;
    poll_close(l);
}

static void real_free(struct world *w)
{
    struct real_world *real = (struct real_world *)w;
    pool_free(real->pool);
    free(real);
}

static const struct world_ops real_ops = {
    .free = real_free,
    .utc = real_utc,
    .mono = real_mono,
    .random = real_random,
    .loop_opened = real_loop_opened,
    .loop_closed = real_loop_closed,
    .offload = offload_real,
    .lane_new = lane_real_new,
    .connect = connect_real,
    .connect_unix = connect_unix_real,
    .listen = listen_real,
    .listen_unix = listen_unix_real,
    .udp_open = udp_real_open,
    .file_open = file_real_open,
    .file_remove = file_real_remove,
    .file_rename = file_real_rename,
    .file_exists = file_real_exists,
    .folder_create = folder_real_create,
    .folder_sync = folder_real_sync,
    .folder_list = folder_real_list,
    .folder_free_bytes = folder_real_free_bytes,
};

struct world *world_real(int offload_threads)
{
    if (offload_threads <= 0) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        offload_threads = cores >= 2 ? 4 : 2;
    }
    struct real_world *real = malloc(sizeof *real);
    if (!real) abort();
    *real = (struct real_world){.base.ops = &real_ops, .pool = pool_new(offload_threads)};
    return &real->base;
}

static int64_t timeval_us(struct timeval t) { return (int64_t)t.tv_sec * US_PER_S + t.tv_usec; }

struct world_usage world_usage(struct world *w)
{
    if (world_is_simulated(w)) return (struct world_usage){0}; /* the process says nothing about a simulated machine */
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    struct world_usage u = {.cpu_user_us = timeval_us(r.ru_utime), .cpu_system_us = timeval_us(r.ru_stime)};
    char text[128];
    FILE *f = fopen("/proc/self/statm", "re"); /* "pages_in_all resident ..." */
    if (f && fgets(text, sizeof text, f) && strchr(text, ' '))
        u.resident_bytes = strtoll(strchr(text, ' '), NULL, 10) * sysconf(_SC_PAGESIZE);
    if (f) fclose(f);
    return u;
}

/* ---- addresses ---- */

socklen_t socket_address_put(union socket_address *out, struct endpoint at)
{
    *out = (union socket_address){0};
    if (at.ip.family == 4) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(at.port);
        memcpy(&out->v4.sin_addr, at.ip.b, 4);
        return sizeof out->v4;
    }
    out->v6.sin6_family = AF_INET6;
    out->v6.sin6_port = htons(at.port);
    memcpy(&out->v6.sin6_addr, at.ip.b, 16);
    if (at.ip.family == 0) out->v6.sin6_addr = in6addr_any;
    return sizeof out->v6;
}

struct endpoint socket_address_get(const union socket_address *in)
{
    struct endpoint at = {0};
    if (in->any.sa_family == AF_INET) {
        at.ip.family = 4;
        memcpy(at.ip.b, &in->v4.sin_addr, 4);
        at.port = ntohs(in->v4.sin_port);
    } else if (in->any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in->v6.sin6_addr)) {
        at.ip.family = 4;
        memcpy(at.ip.b, (const char *)&in->v6.sin6_addr + 12, 4);
        at.port = ntohs(in->v6.sin6_port);
    } else if (in->any.sa_family == AF_INET6) {
        at.ip.family = 6;
        memcpy(at.ip.b, &in->v6.sin6_addr, 16);
        at.port = ntohs(in->v6.sin6_port);
    }
    return at;
}
