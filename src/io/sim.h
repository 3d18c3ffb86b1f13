/* The simulated world, for tests: nodes with clocks, disks and links, all driven by one seed in one thread.
 *
 * sim_run() picks, by the seed, among fibers ready to run, offloaded jobs and lane runs that are due, bytes on links,
 * timers; when nothing is due it jumps to the next moment. Everything is hashed: equal seeds give equal hashes. */
#ifndef IO_SIM_H
#define IO_SIM_H

#include "io/fiber.h"
#include "mail/ip.h"

struct sim;

struct sim_faults { /* chances in a million, per operation */
    int write_error, sync_error, read_error; /* disk; after a failed sync a change is on the medium or never will be */
    int torn_write;                                      /* a part is written, then ERR_IO */
    int connection_reset, short_read;                    /* links; short_read cuts what one read returns */
    int64_t latency_max_us;                              /* of a link; 0 = immediate */
    int64_t job_latency_max_us;                          /* of an offloaded job or lane run */
    int sync_lies;                                       /* a sync says 0 and has made nothing durable */
};

struct sim *sim_new(uint64_t seed);
void sim_free(struct sim *s);
void sim_set_faults(struct sim *s, struct sim_faults f);
void sim_set_utc(struct sim *s, utc_us now);

/* A node: a world with a disk of its own. Several addresses; others connect to it by them. */
struct world *sim_node(struct sim *s, const char *name, struct ip address);
void sim_node_address(struct world *node, struct ip address); /* one more; loopback addresses every node has */
void sim_disk_limit(struct world *node, int64_t bytes); /* ENOSPC beyond; -1 = none */

/* The machine stops now: every unsynced write is kept, lost or torn (in sectors of 512 bytes) as the seed decides, and
 * so are names that were not made durable by folder_sync (the first changes of a folder are kept, later ones lost); its
 * links are cut.
 *
 * Its fibers, jobs and lanes run on to their ends as ghosts, so that nothing they hold leaks, but reach nobody any
 * more: all file and stream calls fail, all waits return ERR_CANCELLED. Run sim_run() until they are gone, free what
 * the test owns (stores, listeners, loops; loop_free() drops fibers that still wait for something), then sim_restart()
 * gives a new world with the same name, addresses and what the disk kept. */
void sim_crash(struct world *node);
struct world *sim_restart(struct world *crashed);
/* Crashes the node at its n-th file operation from now (writes, syncs, renames…), for crash sweeps; 0 = off. */
void sim_crash_at(struct world *node, int64_t nth_operation);
bool sim_crashed(struct world *node);
int64_t sim_file_operations(struct world *node); /* so far */
/* that one operation fails with ERR_IO or ERR_NO_SPACE */
void sim_fail_at(struct world *node, int64_t nth_operation, int code);

/* Runs until nothing is left to do or `until` (simulated, mono) is reached; returns the time then. Not from a fiber. */
mono_us sim_run(struct sim *s, mono_us until);
uint64_t sim_hash(struct sim *s); /* of all I/O events so far */

/* DNS for the nodes, a record on each line: "example.org. MX 10 mx.example.org."; also "x. SERVFAIL", "x. TIMEOUT". */
void sim_dns(struct sim *s, const char *zone_text);

/* Runs test(sim, arg) twice with the same seed and asserts equal hashes. */
void sim_twice(uint64_t seed, void (*test)(struct sim *s, void *arg), void *arg);

#endif
