/* Files of the database as SQLite reads and writes them.
 *
 * Consecutive writes are gathered in a buffer and written as one when something else is asked: a WAL batch, all its
 * headers and pages, is one write and one sync. Readers look into the buffer first, so that joining is not visible to
 * them. A write that fails when the buffer is emptied fails the call that emptied it: at the latest the sync, which is
 * what a commit rests on. */
#include <stdlib.h>

#include "store/vfs_file.h"

static struct vfs_shared *shared_of(sqlite3_file *f) { return ((struct vfs_handle *)f)->shared; }

/* ---- one struct per file, for all connections ---- */

static int open_result(int err)
{
    switch (err) {
    case ERR_BUSY: return SQLITE_BUSY;
    case ERR_NO_SPACE: return SQLITE_FULL;
    default: return SQLITE_CANTOPEN;
    }
}

/* Writes a WAL that was left behind once more, in place, and syncs it. If its last sync failed, in this process or one
 * that died, the kernel may show bytes that are not on disk and count them as clean; SQLite would carry them into the
 * database and a power cut then leave an older WAL beside a newer database. Afterwards what can be read is what is
 * there. */
static int renew_wal(struct vfs_shared *s)
{
    int64_t size = atomic_load(&s->size);
    if (size == 0) return SQLITE_OK;
    if (!(s->joined = malloc(VFS_JOIN))) return SQLITE_NOMEM;
    for (int64_t at = 0, n; at < size; at += n) {
        n = file_read(s->file, s->joined, VFS_JOIN, at, NULL);
        VFS_COUNT(s->vfs, reads, 1);
        VFS_COUNT(s->vfs, writes, 1);
        if (n <= 0) return SQLITE_IOERR_READ;
        int r = file_write(s->file, s->joined, (size_t)n, at, NULL);
        if (r) return r == ERR_NO_SPACE ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    }
    VFS_COUNT(s->vfs, syncs, 1);
    return file_sync(s->file, NULL) == 0 ? SQLITE_OK : SQLITE_IOERR_FSYNC;
}

/* Opens or creates the file; a database is locked before anything of it is read. */
static int open_file(struct vfs_shared *s, int flags)
{
    struct world *w = s->vfs->world;
    int r = file_open(w, s->path, FILE_WRITE, &s->file, NULL);
    if (r == ERR_NOT_FOUND && flags & SQLITE_OPEN_CREATE) {
        r = file_open(w, s->path, FILE_WRITE | FILE_CREATE | FILE_EXCLUSIVE | FILE_PRIVATE, &s->file, NULL);
        s->folder_owed = true;
        VFS_COUNT(s->vfs, others, 1);
    }
    VFS_COUNT(s->vfs, others, 1);
    if (r) return open_result(r);
    if (s->database) r = file_lock(s->file, VFS_LOCK_BYTE, VFS_LOCK_BYTES, NULL);
    if (r) return open_result(r);
    int64_t size = file_size(s->file);
    if (size < 0) return SQLITE_IOERR_FSTAT;
    atomic_init(&s->size, size);
    return s->wal ? renew_wal(s) : SQLITE_OK;
}

static struct vfs_shared *shared_new(struct store_vfs *v, const char *path, int flags)
{
    size_t n = strlen(path) + 1;
    struct vfs_shared *s = calloc(1, sizeof *s + n);
    if (!s) return NULL;
    list_init(&s->node);
    s->vfs = v;
    s->lock = lock_new(v->world);
    s->database = flags & SQLITE_OPEN_MAIN_DB;
    s->wal = flags & SQLITE_OPEN_WAL;
    memcpy(s->path, path, n);
    return s;
}

void vfs_shared_free(struct vfs_shared *s)
{
    list_remove(&s->node);
    file_close(s->file);
    vfs_index_free(&s->index);
    lock_free(s->lock);
    free(s->joined);
    free(s);
}

static struct vfs_shared *shared_find(struct store_vfs *v, const char *path) /* under the vfs's lock */
{
    list_each (node, &v->files) {
        struct vfs_shared *s = list_entry(node, struct vfs_shared, node);
        if (strcmp(s->path, path) == 0) return s;
    }
    return NULL;
}

int vfs_shared_take(struct store_vfs *v, const char *path, int flags, struct vfs_shared **out)
{
    int r = SQLITE_OK;
    lock_take(v->lock); /* held over the opening: two connections must not both open the database */
    struct vfs_shared *s = shared_find(v, path);
    if (!s) {
        s = shared_new(v, path, flags);
        r = s ? open_file(s, flags) : SQLITE_NOMEM;
        if (s && r) vfs_shared_free(s);
        if (r == SQLITE_OK) list_push(&v->files, &s->node);
    }
    if (r == SQLITE_OK) {
        s->refs++;
        *out = s;
    }
    lock_give(v->lock);
    return r;
}

void vfs_shared_forget(struct store_vfs *v, const char *path)
{
    lock_take(v->lock);
    struct vfs_shared *s = shared_find(v, path);
    if (s && !s->database) list_remove(&s->node);
    lock_give(v->lock);
}

/* ---- joined writes; the thread that changes the file ---- */

static void drop_joined(struct vfs_shared *s)
{
    lock_take(s->lock); /* a reader may be copying out of it */
    atomic_store(&s->joined_n, 0);
    lock_give(s->lock);
}

static int write_through(struct vfs_shared *s, const void *p, size_t n, int64_t offset)
{
    VFS_COUNT(s->vfs, writes, 1);
    int r = file_write(s->file, p, n, offset, NULL);
    if (r == 0) return SQLITE_OK;
    int64_t size = file_size(s->file);
    if (size >= 0) atomic_store(&s->size, size);
    return r == ERR_NO_SPACE ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int flush(struct vfs_shared *s)
{
    size_t n = atomic_load(&s->joined_n);
    if (n == 0) return SQLITE_OK;
    int r = write_through(s, s->joined, n, s->joined_at);
    drop_joined(s);
    return r;
}

static bool joinable(struct vfs_shared *s, size_t n, int64_t offset)
{
    size_t used = atomic_load(&s->joined_n);
    return used + n <= VFS_JOIN && (used == 0 || offset == s->joined_at + (int64_t)used);
}

static int shared_write(struct vfs_shared *s, const void *p, size_t n, int64_t offset)
{
    if (!s->joined && !(s->joined = malloc(VFS_JOIN))) return SQLITE_IOERR_NOMEM;
    int r = joinable(s, n, offset) ? SQLITE_OK : flush(s);
    if (r) return r;
    if (n > VFS_JOIN) {
        r = write_through(s, p, n, offset);
    } else {
        size_t used = atomic_load(&s->joined_n);
        memcpy(s->joined + used, p, n); /* beyond what readers look at */
        lock_take(s->lock);
        if (used == 0) s->joined_at = offset;
        atomic_store(&s->joined_n, used + n);
        lock_give(s->lock);
    }
    int64_t end = offset + (int64_t)n;
    if (r == SQLITE_OK && end > atomic_load(&s->size)) atomic_store(&s->size, end);
    return r;
}

int vfs_shared_sync(struct vfs_shared *s)
{
    if (atomic_load(&s->broken)) return SQLITE_IOERR_FSYNC;
    int r = flush(s);
    if (r) return r;
    VFS_COUNT(s->vfs, syncs, 1);
    if (file_sync(s->file, NULL) != 0) {
        if (s->wal) atomic_store(&s->broken, true); /* SQLite writes a database's pages again, a WAL's frames never */
        return SQLITE_IOERR_FSYNC;
    }
    if (!s->folder_owed) return SQLITE_OK;
    VFS_COUNT(s->vfs, others, 1);
    if (folder_sync(s->vfs->world, s->vfs->folder, NULL) != 0) return SQLITE_IOERR_DIR_FSYNC;
    s->folder_owed = false;
    return SQLITE_OK;
}

void vfs_shared_give(struct vfs_shared *s)
{
    struct store_vfs *v = s->vfs;
    lock_take(v->lock);
    bool last = --s->refs == 0;
    if (last) flush(s); /* unsynced bytes: nobody was promised them */
    if (last && !s->database) vfs_shared_free(s);
    lock_give(v->lock);
}

/* ---- reading, by any thread ---- */

/* Copies what of [offset, offset + n) is still joined to its place in out; that part is [*from, *to) of it. */
static void read_joined(struct vfs_shared *s, unsigned char *out, int64_t n, int64_t offset, int64_t *from, int64_t *to)
{
    *from = *to = 0;
    if (atomic_load(&s->joined_n) == 0) return;
    lock_take(s->lock);
    int64_t a = s->joined_at - offset, b = a + (int64_t)atomic_load(&s->joined_n);
    if (a < 0) a = 0;
    if (b > n) b = n;
    if (a < b) {
        memcpy(out + a, s->joined + (offset + a - s->joined_at), (size_t)(b - a));
        *from = a;
        *to = b;
    }
    lock_give(s->lock);
}

/* Fills out with n bytes of the file, zeros behind its end. The bytes there were, or -1. */
static int64_t read_file(struct vfs_shared *s, unsigned char *out, int64_t n, int64_t offset)
{
    VFS_COUNT(s->vfs, reads, 1);
    int64_t got = file_read(s->file, out, (size_t)n, offset, NULL);
    if (got < 0) return -1;
    memset(out + got, 0, (size_t)(n - got));
    return got;
}

static int vfs_read(sqlite3_file *f, void *out, int n, sqlite3_int64 offset)
{
    struct vfs_shared *s = shared_of(f);
    int64_t from, to;
    read_joined(s, out, n, offset, &from, &to); /* first: what is not joined now was written before */
    if (from > 0 && read_file(s, out, from, offset) < 0) return SQLITE_IOERR_READ;
    if (to == n) return SQLITE_OK;
    int64_t rest = n - to, got = read_file(s, (unsigned char *)out + to, rest, offset + to);
    if (got < 0) return SQLITE_IOERR_READ;
    return got < rest ? SQLITE_IOERR_SHORT_READ : SQLITE_OK;
}

/* ---- the rest of sqlite3_io_methods ---- */

static int vfs_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 offset)
{
    struct vfs_shared *s = shared_of(f);
    VFS_COUNT(s->vfs, asked_writes, 1);
    VFS_COUNT(s->vfs, bytes, n);
    if (atomic_load(&s->broken)) return SQLITE_IOERR_WRITE;
    return shared_write(s, p, (size_t)n, offset);
}

static int vfs_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    struct vfs_shared *s = shared_of(f);
    int r = flush(s);
    if (r) return r;
    VFS_COUNT(s->vfs, others, 1);
    if (file_truncate(s->file, size, NULL) != 0) return SQLITE_IOERR_TRUNCATE;
    atomic_store(&s->size, size);
    return SQLITE_OK;
}

static int vfs_sync(sqlite3_file *f, int flags)
{
    (void)flags; /* every sync is a full one */
    return vfs_shared_sync(shared_of(f));
}

static int vfs_size(sqlite3_file *f, sqlite3_int64 *size)
{
    *size = atomic_load(&shared_of(f)->size); /* nobody else changes the file */
    return SQLITE_OK;
}

static int vfs_close(sqlite3_file *f)
{
    struct vfs_handle *h = (struct vfs_handle *)f;
    vfs_unlock(f, SQLITE_LOCK_NONE);
    vfs_index_unmap(f, 0);
    vfs_shared_give(h->shared);
    h->shared = NULL;
    return SQLITE_OK;
}

static int vfs_control(sqlite3_file *f, int op, void *arg)
{
    struct vfs_shared *s = shared_of(f);
    if (op != SQLITE_FCNTL_SIZE_HINT) return SQLITE_NOTFOUND;
    int64_t hint = *(sqlite3_int64 *)arg, size = atomic_load(&s->size);
    if (hint > size) { /* before a checkpoint that makes the database grow; advice only */
        VFS_COUNT(s->vfs, others, 1);
        file_allocate(s->file, size, hint - size, NULL);
    }
    return SQLITE_OK;
}

static int vfs_sector_size(sqlite3_file *f)
{
    (void)f;
    return 4096;
}

/* POWERSAFE_OVERWRITE: a power cut during a write leaves bytes outside of it as they were, because disks replace whole
 * sectors and a page of the cache holds the old bytes beside the new. Without it SQLite would pad every commit to a
 * whole sector (4 KiB more each). No promise of atomic or ordered writes: torn frames are told by their checksum. */
static int vfs_characteristics(sqlite3_file *f)
{
    (void)f;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

const sqlite3_io_methods vfs_methods = {
    .iVersion = 2,
    .xClose = vfs_close,
    .xRead = vfs_read,
    .xWrite = vfs_write,
    .xTruncate = vfs_truncate,
    .xSync = vfs_sync,
    .xFileSize = vfs_size,
    .xLock = vfs_lock,
    .xUnlock = vfs_unlock,
    .xCheckReservedLock = vfs_check_reserved,
    .xFileControl = vfs_control,
    .xSectorSize = vfs_sector_size,
    .xDeviceCharacteristics = vfs_characteristics,
    .xShmMap = vfs_index_map,
    .xShmLock = vfs_index_lock,
    .xShmBarrier = vfs_index_barrier,
    .xShmUnmap = vfs_index_unmap,
};
