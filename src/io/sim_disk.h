/* Inside io/: the simulated disk. What programs see (the page cache) and what the medium holds are kept apart: `now`
 * and `durable`, for the bytes of a file and the names in a folder. Between them lies what has not been synced. */
#ifndef IO_SIM_DISK_H
#define IO_SIM_DISK_H

#include "io/sim_core.h"

struct content {
    char *p;
    int64_t n, cap;
};

struct change { /* of a file's bytes, not synced yet */
    struct list link;
    int64_t offset, n; /* n < 0: a truncation to `offset` */
    char bytes[];
};

struct inode {
    struct list in_disk;
    int refs;  /* names (now and durable), changes of names, open handles */
    int users; /* the name it has now, open handles: without one it takes no space */
    bool folder;
    struct content now, durable;
    struct list changes;
    int64_t reserved; /* by file_allocate; counts as used if larger than the size */
    struct list locks;
};

struct name {
    char *path;
    struct inode *inode;
};
struct names {
    struct name *v;
    size_t n, cap;
};

/* a change of a folder's names, not synced yet: `path` is now `inode` (NULL: gone), and `from` is gone */
struct rename {
    struct list link;
    char *path, *from;
    struct inode *inode;
};

struct disk {
    struct names now, durable;
    struct list renames, inodes;
    int64_t limit; /* bytes; < 0: none */
};

struct inode *inode_new(struct disk *d, bool folder); /* with one reference */
struct inode *inode_ref(struct inode *i);
void inode_unref(struct inode *i);
int64_t disk_used(const struct disk *d);

struct inode *disk_find(struct disk *d, const char *path);
bool disk_has_folder_of(struct disk *d, const char *path); /* is there a folder that `path` could lie in? */
/* Gives path a new meaning: inode, or NULL for none; from: the name it had, or NULL. Durable after a folder sync. */
void disk_name(struct disk *d, const char *path, struct inode *inode, const char *from);
void disk_sync_folder(struct disk *d, const char *path);

/* Changes of bytes. 0 or ERR_NO_SPACE with nothing done. */
int disk_write(struct disk *d, struct inode *i, const char *p, int64_t n, int64_t offset);
int disk_truncate(struct disk *d, struct inode *i, int64_t size);
int disk_reserve(struct disk *d, struct inode *i, int64_t size);
void disk_sync(struct inode *i);
void disk_sync_failed(struct inode *i, struct sim *s); /* each change is on the medium or will never be */

#endif
