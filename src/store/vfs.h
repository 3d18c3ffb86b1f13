/* The file system SQLite sees: every connection of the store goes through it, in the real and the simulated world.
 *
 * The wal-index is process memory and SQLite's locks are kept in the process, so no other process can take part; an OFD
 * write lock over SQLite's lock bytes, held from before the first page is read until the vfs is unregistered, makes any
 * other program get SQLITE_BUSY. All connections share one descriptor of the database, which stays open to the end
 * (closing any descriptor of a file drops the process's POSIX locks on it). Nothing else in the process may open the
 * database file. Consecutive small writes (a WAL frame is a header and a page) are joined and reach the disk as one
 * write, before the sync that makes them count.
 *
 * Of the caller it asks: one connection writes and checkpoints, readers are closed before it; temp_store=MEMORY (there
 * are no temporary files here); mmap_size=0. After a failed sync the WAL accepts nothing more until every connection
 * has been closed; the next to open it writes and syncs what can be read of it anew, because the kernel may have shown
 * bytes that are not on disk. */
#ifndef STORE_VFS_H
#define STORE_VFS_H

#include "io/world.h"

struct store_vfs;

/* `folder` exists and is copied. The vfs has a name of its own, so that several nodes live in one process. 0, ERR_IO.
 * In the simulated world SQLite's own generator is seeded anew from the world. The first call of a process configures
 * SQLite (MULTITHREAD, no memory statistics). */
int store_vfs_register(struct world *w, const char *folder, struct store_vfs **out, struct error *e);

/* For sqlite3_open_v2(): databases are opened by their bare file name ("penny.db"); names outside the folder are
 * SQLITE_CANTOPEN. If another process has the database open: SQLITE_BUSY. */
const char *store_vfs_name(const struct store_vfs *v);

/* After every connection has been closed: gives up the lock and frees it. NULL is fine. */
void store_vfs_unregister(struct store_vfs *v);

/* What SQLite asked for and what reached io/file.h, since registration. Any thread. */
struct store_vfs_stats {
    int64_t asked_writes, bytes; /* xWrite calls and their bytes */
    int64_t writes, reads, syncs, others; /* file calls: write, read, sync, and open, remove, truncate… */
};
struct store_vfs_stats store_vfs_stats(struct store_vfs *v);

#endif
