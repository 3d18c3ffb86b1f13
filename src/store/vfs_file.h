/* What the vfs*.c files share: a file as all its connections see it, and a connection's handle of it. */
#ifndef STORE_VFS_FILE_H
#define STORE_VFS_FILE_H

#include <sqlite3.h>
#include <stdatomic.h>

#include "base/list.h"
#include "io/file.h"
#include "store/vfs.h"

enum {
    VFS_LOCK_BYTE = 0x40000000, /* SQLite's PENDING_BYTE: the lock bytes of a database file */
    VFS_LOCK_BYTES = 512,
    VFS_PATH = 1024,            /* bytes of a path with its NUL */
    VFS_JOIN = 256 << 10,       /* bytes of consecutive writes joined at most: a group's WAL frames */
    VFS_INDEX_SLOTS = SQLITE_SHM_NLOCK,
};

struct vfs_handle;

struct vfs_index { /* the wal-index of a database: what other programs would share as the -shm file */
    void **regions;
    int n, users;
    int slots[VFS_INDEX_SLOTS]; /* shared holders; -1: one exclusive */
};

/* A file of the folder, one for all connections of the process. SQLite's own locks see to it that one thread at a time
 * changes it; any number may read meanwhile. */
struct vfs_shared {
    struct list node; /* in store_vfs.files */
    struct store_vfs *vfs;
    struct file *file;
    int refs;         /* under the vfs's lock */
    bool database;    /* has lock bytes and a wal-index; stays open to the end */
    bool wal;
    bool folder_owed; /* created by us: its name is durable after a sync of the folder */
    atomic_bool broken; /* a WAL whose sync failed: nothing more is written until it has been closed by all */
    atomic_llong size;  /* joined bytes included */

    struct lock *lock;        /* for what follows */
    unsigned char *joined;    /* consecutive bytes not yet written; NULL until the first */
    int64_t joined_at;
    atomic_size_t joined_n;
    int readers;              /* SQLite's SHARED locks */
    struct vfs_handle *writer; /* who holds RESERVED or more */
    struct vfs_index index;
    char path[];
};

struct vfs_handle { /* sqlite3_file of one connection */
    sqlite3_file base;
    struct vfs_shared *shared;
    int level;          /* SQLITE_LOCK_* */
    bool indexed;       /* uses the wal-index */
    unsigned index_shared, index_exclusive; /* slots held, as bits */
};

struct store_vfs {
    sqlite3_vfs base;
    struct world *world;
    struct lock *lock;
    struct list files; /* vfs_shared */
    struct {
        atomic_llong asked_writes, bytes, writes, reads, syncs, others;
    } count;
    char name[40];
    char folder[];
};

#define VFS_COUNT(vfs, what, n) atomic_fetch_add_explicit(&(vfs)->count.what, (n), memory_order_relaxed)

/* The shared file at `path`, opened if it is not; *out referenced. SQLITE_OK, SQLITE_CANTOPEN, SQLITE_BUSY (a database
 * open in another process), SQLITE_FULL. flags: SQLITE_OPEN_*. */
int vfs_shared_take(struct store_vfs *v, const char *path, int flags, struct vfs_shared **out);
void vfs_shared_give(struct vfs_shared *s);
void vfs_shared_forget(struct store_vfs *v, const char *path); /* its name goes away: the next opener gets a new one */
void vfs_shared_free(struct vfs_shared *s);
int vfs_shared_sync(struct vfs_shared *s);

extern const sqlite3_io_methods vfs_methods;

/* vfs_lock.c: SQLite's locks and the wal-index, within the process. */
int vfs_lock(sqlite3_file *f, int level);
int vfs_unlock(sqlite3_file *f, int level);
int vfs_check_reserved(sqlite3_file *f, int *out);
int vfs_index_map(sqlite3_file *f, int region, int size, int extend, void volatile **out);
int vfs_index_lock(sqlite3_file *f, int first, int n, int flags);
void vfs_index_barrier(sqlite3_file *f);
int vfs_index_unmap(sqlite3_file *f, int delete);
void vfs_index_free(struct vfs_index *x);

#endif
