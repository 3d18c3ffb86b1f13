/* Inside io/: what a world, real or simulated, has to know how to do. The public functions of world.h, file.h and the
 * rest check nothing and go through these tables. */
#ifndef IO_WORLD_CORE_H
#define IO_WORLD_CORE_H

#include "io/conn.h"
#include "io/file.h"
#include "io/loop_core.h"
#include "io/udp.h"

/* Accepts connections for one listener, on all loops it was started on. */
struct acceptor {
    const struct acceptor_ops *ops;
    /* On the loop's thread, outside of any fiber; takes c over. */
    void (*accepted)(void *arg, struct loop *l, struct conn *c);
    void *arg;
};
struct acceptor_ops {
    void (*start)(struct acceptor *a, struct loop **loops, int n);
    void (*stop)(struct acceptor *a); /* any thread */
    void (*free)(struct acceptor *a);
    uint16_t (*port)(struct acceptor *a);
};

struct world_ops {
    bool simulated;
    void (*free)(struct world *w);
    utc_us (*utc)(struct world *w);
    mono_us (*mono)(struct world *w);
    void (*random)(struct world *w, void *out, size_t n);

    void (*loop_opened)(struct world *w, struct loop *l);
    void (*loop_closed)(struct world *w, struct loop *l);

    FIBER void (*offload)(struct world *w, void (*fn)(void *), void *arg);
    struct lane *(*lane_new)(struct world *w, const char *name, void (*fn)(void *arg), void *arg);

    FIBER int (*connect)(struct world *w, struct endpoint to, struct ip source, mono_us deadline, struct conn **out,
                         struct error *e);
    FIBER int (*connect_unix)(struct world *w, const char *path, mono_us deadline, struct conn **out, struct error *e);
    int (*listen)(struct world *w, struct endpoint at, int backlog, struct acceptor **out, struct error *e);
    int (*listen_unix)(struct world *w, const char *path, bool everybody, struct acceptor **out, struct error *e);
    struct udp *(*udp_open)(struct world *w, struct endpoint server);

    int (*file_open)(struct world *w, const char *path, int mode, struct file **out, struct error *e);
    int (*file_remove)(struct world *w, const char *path, struct error *e);
    int (*file_rename)(struct world *w, const char *from, const char *to, struct error *e);
    bool (*file_exists)(struct world *w, const char *path);
    int (*folder_create)(struct world *w, const char *path, struct error *e);
    int (*folder_sync)(struct world *w, const char *path, struct error *e);
    int (*folder_list)(struct world *w, struct arena *a, const char *path, struct str **names, size_t *n,
                       struct error *e);
    int64_t (*folder_free_bytes)(struct world *w, const char *path);
};
struct world {
    const struct world_ops *ops;
};

struct lane {
    const struct lane_ops *ops;
};
struct lane_ops {
    void (*wake)(struct lane *l);
    void (*free)(struct lane *l);
};

struct file {
    const struct file_ops *ops;
};
struct file_ops {
    void (*close)(struct file *f);
    int64_t (*size)(struct file *f);
    int64_t (*read)(struct file *f, void *out, size_t n, int64_t offset, struct error *e);
    int (*writev)(struct file *f, const struct iovec *v, int n, int64_t offset, struct error *e);
    int (*sync)(struct file *f, struct error *e);
    int (*allocate)(struct file *f, int64_t offset, int64_t n, struct error *e);
    int (*truncate)(struct file *f, int64_t size, struct error *e);
    int (*lock)(struct file *f, int64_t offset, int64_t n, struct error *e);
    const void *(*map)(struct file *f, size_t n);
    void (*unmap)(struct file *f, const void *p, size_t n);
};

struct udp {
    const struct udp_ops *ops;
};
struct udp_ops {
    void (*close)(struct udp *u);
    int (*send)(struct udp *u, struct str datagram);
    FIBER int64_t (*recv)(struct udp *u, void *out, size_t max, mono_us deadline);
};

/* The real world's parts. */
FIBER void offload_real(struct world *w, void (*fn)(void *), void *arg);
struct lane *lane_real_new(struct world *w, const char *name, void (*fn)(void *arg), void *arg);
FIBER int connect_real(struct world *w, struct endpoint to, struct ip source, mono_us deadline, struct conn **out,
                       struct error *e);
FIBER int connect_unix_real(struct world *w, const char *path, mono_us deadline, struct conn **out, struct error *e);
int listen_real(struct world *w, struct endpoint at, int backlog, struct acceptor **out, struct error *e);
int listen_unix_real(struct world *w, const char *path, bool everybody, struct acceptor **out, struct error *e);
struct udp *udp_real_open(struct world *w, struct endpoint server);
int file_real_open(struct world *w, const char *path, int mode, struct file **out, struct error *e);
int file_real_remove(struct world *w, const char *path, struct error *e);
int file_real_rename(struct world *w, const char *from, const char *to, struct error *e);
bool file_real_exists(struct world *w, const char *path);
int folder_real_create(struct world *w, const char *path, struct error *e);
int folder_real_sync(struct world *w, const char *path, struct error *e);
int folder_real_list(struct world *w, struct arena *a, const char *path, struct str **names, size_t *n,
                     struct error *e);
int64_t folder_real_free_bytes(struct world *w, const char *path);

#endif
