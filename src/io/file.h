/* Files of the data folder. Every call blocks: call from a lane, from offload(), or before the loops run.
 * In the simulation the disk is memory whose unsynced writes may be lost, torn or reordered by a power cut. */
#ifndef IO_FILE_H
#define IO_FILE_H

#include <sys/uio.h>

#include "base/arena.h"
#include "io/world.h"

struct file;

enum file_mode {
    FILE_READ = 1,
    FILE_WRITE = 2, /* implies read */
    FILE_CREATE = 4,
    FILE_EXCLUSIVE = 8, /* with FILE_CREATE: ERR_EXISTS if it is there */
    FILE_PRIVATE = 16,  /* created with mode 0600, else 0640 */
};

/* 0 or a negative enum err (ERR_NOT_FOUND, ERR_EXISTS, ERR_DENIED, ERR_NO_SPACE, ERR_IO) with details in *e. Symbolic
 * links are not followed in the last component. Opened close-on-exec. */
int file_open(struct world *w, const char *path, int mode, struct file **out, struct error *e);
void file_close(struct file *f); /* NULL is fine */

int64_t file_size(struct file *f); /* bytes or negative enum err */

/* Whole reads and writes: short ones are continued. file_read returns the bytes read (less than n only at the end). */
int64_t file_read(struct file *f, void *out, size_t n, int64_t offset, struct error *e);
int file_write(struct file *f, const void *p, size_t n, int64_t offset, struct error *e);
/* any n; may be split at IOV_MAX */
int file_writev(struct file *f, const struct iovec *v, int n, int64_t offset, struct error *e);

/* fdatasync: after a failure the file's unsynced bytes must be taken for lost; never call again for the same bytes. */
int file_sync(struct file *f, struct error *e);
/* fallocate keeping the size; not supported = 0 */
int file_allocate(struct file *f, int64_t offset, int64_t n, struct error *e);
int file_truncate(struct file *f, int64_t size, struct error *e);

/* An exclusive OFD lock on bytes [offset, offset+n), held until the file is closed. 0, or ERR_BUSY. */
int file_lock(struct file *f, int64_t offset, int64_t n, struct error *e);

/* Read-only map of a sealed file's first n bytes; NULL if not possible (then read). Freed by file_unmap. */
const void *file_map(struct file *f, size_t n);
void file_unmap(struct file *f, const void *p, size_t n);

int file_remove(struct world *w, const char *path, struct error *e);
int file_rename(struct world *w, const char *from, const char *to, struct error *e);
bool file_exists(struct world *w, const char *path);

/* Small files (keys, markers). file_load: at most max bytes. file_store: temporary file, sync, rename, sync. */
int file_load(struct world *w, struct arena *a, const char *path, size_t max, struct str *out, struct error *e);
int file_store(struct world *w, const char *path, struct str bytes, int mode, struct error *e);

int folder_create(struct world *w, const char *path, struct error *e); /* 0700; 0 if it is there already */
int folder_sync(struct world *w, const char *path, struct error *e);
/* Names in the folder without "." and "..", sorted; array of n slices in `a`. */
int folder_list(struct world *w, struct arena *a, const char *path, struct str **names, size_t *n, struct error *e);
int64_t folder_free_bytes(struct world *w, const char *path); /* available to us; negative enum err */

#endif
