/* SQLite's locks without an operating system: the database belongs to this process (an OFD lock says so), and so they
 * need only stand between its own connections. The wal-index is heap memory for the same reason. */
#include <stdlib.h>

#include "store/vfs_file.h"

static struct vfs_handle *handle_of(sqlite3_file *f) { return (struct vfs_handle *)f; }

/* ---- sqlite.org/lockingv3.html: SHARED, RESERVED, PENDING, EXCLUSIVE ---- */

static int raise_level(struct vfs_shared *s, struct vfs_handle *h, int level) /* under the lock */
{
    struct vfs_handle *other = s->writer && s->writer != h ? s->writer : NULL;
    if (level == SQLITE_LOCK_SHARED) {
        if (other && other->level >= SQLITE_LOCK_PENDING) return SQLITE_BUSY;
        s->readers++;
        h->level = SQLITE_LOCK_SHARED;
        return SQLITE_OK;
    }
    if (other) return SQLITE_BUSY;
    s->writer = h;
    if (level == SQLITE_LOCK_EXCLUSIVE && s->readers > 1) {
        h->level = SQLITE_LOCK_PENDING; /* no new readers; those there are finish */
        return SQLITE_BUSY;
    }
    h->level = level;
    return SQLITE_OK;
}

int vfs_lock(sqlite3_file *f, int level)
{
    struct vfs_handle *h = handle_of(f);
    if (h->level >= level) return SQLITE_OK;
    lock_take(h->shared->lock);
    int r = raise_level(h->shared, h, level);
    lock_give(h->shared->lock);
    return r;
}

int vfs_unlock(sqlite3_file *f, int level)
{
    struct vfs_handle *h = handle_of(f);
    struct vfs_shared *s = h->shared;
    if (h->level <= level) return SQLITE_OK;
    lock_take(s->lock);
    if (s->writer == h) s->writer = NULL;
    if (level == SQLITE_LOCK_NONE) s->readers--;
    h->level = level;
    lock_give(s->lock);
    return SQLITE_OK;
}

int vfs_check_reserved(sqlite3_file *f, int *out)
{
    struct vfs_shared *s = handle_of(f)->shared;
    lock_take(s->lock);
    *out = s->writer != NULL;
    lock_give(s->lock);
    return SQLITE_OK;
}

/* ---- the wal-index ---- */

static int index_grow(struct vfs_index *x, int regions, int size)
{
    void **grown = realloc(x->regions, (size_t)regions * sizeof *grown);
    if (!grown) return SQLITE_IOERR_NOMEM;
    x->regions = grown;
    while (x->n < regions) {
        void *region = calloc(1, (size_t)size);
        if (!region) return SQLITE_IOERR_NOMEM;
        x->regions[x->n++] = region;
    }
    return SQLITE_OK;
}

int vfs_index_map(sqlite3_file *f, int region, int size, int extend, void volatile **out)
{
    struct vfs_handle *h = handle_of(f);
    struct vfs_index *x = &h->shared->index;
    int r = SQLITE_OK;
    *out = NULL;
    lock_take(h->shared->lock);
    if (!h->indexed) x->users++;
    h->indexed = true;
    if (region >= x->n && extend) r = index_grow(x, region + 1, size);
    if (region < x->n) *out = x->regions[region];
    lock_give(h->shared->lock);
    return r;
}

/* Drops what h holds of the slots in `mask`; under the lock. */
static void index_release(struct vfs_index *x, struct vfs_handle *h, unsigned mask)
{
    for (int i = 0; i < VFS_INDEX_SLOTS; i++) {
        unsigned bit = 1u << i;
        if (!(mask & bit)) continue;
        if (h->index_exclusive & bit) x->slots[i] = 0;
        if (h->index_shared & bit) x->slots[i]--;
    }
    h->index_shared &= ~mask;
    h->index_exclusive &= ~mask;
}

static int index_acquire(struct vfs_index *x, struct vfs_handle *h, unsigned mask, bool exclusive)
{
    unsigned wanted = mask & ~(exclusive ? h->index_exclusive : h->index_shared);
    for (int i = 0; i < VFS_INDEX_SLOTS; i++) {
        if (!(wanted & 1u << i)) continue;
        if (x->slots[i] < 0 || (exclusive && x->slots[i] > 0)) return SQLITE_BUSY;
    }
    for (int i = 0; i < VFS_INDEX_SLOTS; i++) {
        if (wanted & 1u << i) x->slots[i] = exclusive ? -1 : x->slots[i] + 1;
    }
    *(exclusive ? &h->index_exclusive : &h->index_shared) |= wanted;
    return SQLITE_OK;
}

int vfs_index_lock(sqlite3_file *f, int first, int n, int flags)
{
    struct vfs_handle *h = handle_of(f);
    unsigned mask = ((1u << n) - 1) << first;
    int r = SQLITE_OK;
    lock_take(h->shared->lock);
    if (flags & SQLITE_SHM_UNLOCK) index_release(&h->shared->index, h, mask);
    else r = index_acquire(&h->shared->index, h, mask, flags & SQLITE_SHM_EXCLUSIVE);
    lock_give(h->shared->lock);
    return r;
}

void vfs_index_barrier(sqlite3_file *f)
{
    struct vfs_shared *s = handle_of(f)->shared;
    atomic_thread_fence(memory_order_seq_cst);
    lock_take(s->lock); /* the fence is what counts; the lock tells race detectors */
    lock_give(s->lock);
}

void vfs_index_free(struct vfs_index *x)
{
    for (int i = 0; i < x->n; i++) free(x->regions[i]);
    free(x->regions);
    x->regions = NULL;
    x->n = 0;
}

int vfs_index_unmap(sqlite3_file *f, int delete)
{
    struct vfs_handle *h = handle_of(f);
    (void)delete; /* memory without users is gone either way; the next opener recovers it from the WAL */
    if (!h->indexed) return SQLITE_OK;
    lock_take(h->shared->lock);
    index_release(&h->shared->index, h, h->index_shared | h->index_exclusive);
    h->indexed = false;
    if (--h->shared->index.users == 0) vfs_index_free(&h->shared->index);
    lock_give(h->shared->lock);
    return SQLITE_OK;
}
