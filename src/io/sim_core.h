/* Inside io/: what the simulated world is made of. */
#ifndef IO_SIM_CORE_H
#define IO_SIM_CORE_H

#include "io/sim.h"
#include "io/world_core.h"

/* ---- the simulation: one clock, one source of chance, one queue of things to come ---- */

struct sim {
    uint64_t random[4];
    uint64_t hash;
    mono_us now;
    utc_us utc; /* at mono 0 */
    struct sim_faults faults;
    struct timers events; /* keyed by sim_key(): moments in random order where they are equal */
    struct list nodes, loops, links;
    const char *zone;
    char *zone_copy;
    uint16_t next_port;
};

uint64_t sim_random(struct sim *s);
uint64_t sim_below(struct sim *s, uint64_t n); /* 0 .. n-1; n = 0: 0 */
bool sim_chance(struct sim *s, int per_million);

/* Something that happened goes into the hash. */
void sim_note(struct sim *s, const char *what, uint64_t a, uint64_t b);
void sim_note_bytes(struct sim *s, const char *what, uint64_t a, struct str bytes);

/* t->fire(t) runs at `at` (or soon, if that has passed), outside of any loop. */
void sim_at(struct sim *s, struct timer *t, mono_us at);
void sim_forget(struct sim *s, struct timer *t);

/* ---- nodes ---- */

enum { NODE_ADDRESSES = 8 };

struct sim_node {
    struct world base;
    struct sim *sim;
    struct list in_sim;
    char name[64];
    struct ip addresses[NODE_ADDRESSES];
    int n_addresses;
    bool crashed;
    struct list jobs, conns, acceptors;
    struct disk *disk;
    int64_t operations, crash_at, fail_at; /* file operations: so far; the one at which it dies; the one that fails */
    int fail_code;
};
static inline struct sim_node *node_of(struct world *w) { return (struct sim_node *)(void *)w; }

extern const struct world_ops sim_world_ops;

struct sim_node *sim_node_new(struct sim *s, const char *name);
void sim_node_die(struct sim_node *n);

/* Jobs and lanes (sim_threads.c). */
FIBER void offload_sim(struct world *w, void (*fn)(void *), void *arg);
struct lane *lane_sim_new(struct world *w, const char *name, void (*fn)(void *arg), void *arg);
void sim_threads_forget(struct sim_node *n, struct loop *l); /* the jobs its fibers wait for */

/* Links (sim_net.c). */
FIBER int connect_sim(struct world *w, struct endpoint to, struct ip source, mono_us deadline, struct conn **out,
                      struct error *e);
FIBER int connect_unix_sim(struct world *w, const char *path, mono_us deadline, struct conn **out, struct error *e);
int listen_sim(struct world *w, struct endpoint at, int backlog, struct acceptor **out, struct error *e);
int listen_unix_sim(struct world *w, const char *path, bool everybody, struct acceptor **out, struct error *e);
struct udp *udp_sim_open(struct world *w, struct endpoint server);
void sim_net_forget(struct sim_node *n, struct loop *l); /* the fibers that wait for a link */
void sim_net_cut(struct sim_node *n);                     /* its machine has died */
void sim_net_free(struct sim *s);

/* Files (sim_disk.c: the medium; sim_file.c: the calls). */
struct disk *disk_new(void);
void disk_free(struct disk *d);
void disk_power_cut(struct disk *d, struct sim *s);
void disk_limit(struct disk *d, int64_t bytes);
int file_sim_open(struct world *w, const char *path, int mode, struct file **out, struct error *e);
int file_sim_remove(struct world *w, const char *path, struct error *e);
int file_sim_rename(struct world *w, const char *from, const char *to, struct error *e);
bool file_sim_exists(struct world *w, const char *path);
int folder_sim_create(struct world *w, const char *path, struct error *e);
int folder_sim_sync(struct world *w, const char *path, struct error *e);
int folder_sim_list(struct world *w, struct arena *a, const char *path, struct str **names, size_t *n, struct error *e);
int64_t folder_sim_free_bytes(struct world *w, const char *path);

#endif
