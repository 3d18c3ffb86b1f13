/* The sqlite3_vfs itself: names, opening, removing, and the world's clock and randomness. Files are in vfs_file.c,
 * locks in vfs_lock.c. */
#include "store/vfs.h"

#include <stdio.h>
#include <stdlib.h>

#include "store/vfs_file.h"

static struct store_vfs *vfs_of(sqlite3_vfs *v) { return v->pAppData; }

/* The bare file name of a path in our folder, or NULL. */
static const char *name_in_folder(const struct store_vfs *v, const char *path)
{
    size_t n = strlen(v->folder);
    if (strncmp(path, v->folder, n) != 0 || path[n] != '/') return NULL;
    const char *name = path + n + 1;
    return *name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 ? name : NULL;
}

static int full_path(sqlite3_vfs *base, const char *name, int max, char *out)
{
    struct store_vfs *v = vfs_of(base);
    char path[VFS_PATH];
    int n = strchr(name, '/') ? snprintf(path, sizeof path, "%s", name)
                              : snprintf(path, sizeof path, "%s/%s", v->folder, name);
    if (n < 0 || n >= (int)sizeof path || n >= max || !name_in_folder(v, path)) return SQLITE_CANTOPEN;
    memcpy(out, path, (size_t)n + 1);
    return SQLITE_OK;
}

static int open_handle(sqlite3_vfs *base, const char *path, sqlite3_file *f, int flags, int *flags_out)
{
    enum { OURS = SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL };
    struct vfs_handle *h = (struct vfs_handle *)f;
    *h = (struct vfs_handle){0};
    /* no temporary files */
    if (!path || !(flags & OURS) || !name_in_folder(vfs_of(base), path)) return SQLITE_CANTOPEN;
    int r = vfs_shared_take(vfs_of(base), path, flags, &h->shared);
    if (r) return r;
    h->base.pMethods = &vfs_methods;
    if (flags_out) *flags_out = flags;
    return SQLITE_OK;
}

static int delete_file(sqlite3_vfs *base, const char *path, int sync_folder)
{
    struct store_vfs *v = vfs_of(base);
    if (!name_in_folder(v, path)) return SQLITE_IOERR_DELETE;
    vfs_shared_forget(v, path);
    VFS_COUNT(v, others, 1);
    int r = file_remove(v->world, path, NULL);
    if (r == ERR_NOT_FOUND) return SQLITE_IOERR_DELETE_NOENT;
    if (r) return SQLITE_IOERR_DELETE;
    if (!sync_folder) return SQLITE_OK;
    VFS_COUNT(v, others, 1);
    return folder_sync(v->world, v->folder, NULL) == 0 ? SQLITE_OK : SQLITE_IOERR_DIR_FSYNC;
}

static int check_access(sqlite3_vfs *base, const char *path, int flags, int *out)
{
    struct store_vfs *v = vfs_of(base);
    (void)flags; /* what is there is ours to read and write, or opening will tell */
    VFS_COUNT(v, others, 1);
    *out = name_in_folder(v, path) && file_exists(v->world, path);
    return SQLITE_OK;
}

static int randomness(sqlite3_vfs *base, int n, char *out)
{
    world_random(vfs_of(base)->world, out, (size_t)n);
    return n;
}

static int sleep_us(sqlite3_vfs *base, int us)
{
    world_pause(vfs_of(base)->world, us);
    return us;
}

static int current_time_int64(sqlite3_vfs *base, sqlite3_int64 *out)
{
    static const int64_t unix_epoch = INT64_C(24405875) * 8640000; /* as a Julian day in ms */
    *out = unix_epoch + clock_utc(vfs_of(base)->world) / US_PER_MS;
    return SQLITE_OK;
}

static int current_time(sqlite3_vfs *base, double *out)
{
    sqlite3_int64 ms;
    current_time_int64(base, &ms);
    *out = (double)ms / 86400000.0;
    return SQLITE_OK;
}

static int last_error(sqlite3_vfs *base, int n, char *out)
{
    (void)base;
    if (n > 0) *out = 0;
    return 0;
}

static void *no_extensions(sqlite3_vfs *base, const char *path)
{
    (void)base, (void)path;
    return NULL;
}

static void no_extensions_why(sqlite3_vfs *base, int n, char *out)
{
    (void)base;
    sqlite3_snprintf(n, out, "extensions are not loaded here");
}

/* SQLite has one generator for the whole process, seeded once from the default vfs. In the simulation its salts must
 * come from the world, so it is seeded anew while our vfs is the default one. */
static void seed_sqlite(struct store_vfs *v)
{
    char byte;
    sqlite3_vfs *usual = sqlite3_vfs_find(NULL);
    sqlite3_vfs_register(&v->base, 1);
    sqlite3_randomness(0, NULL);
    sqlite3_randomness(1, &byte);
    if (usual) sqlite3_vfs_register(usual, 1);
}

/* Threads never share a connection, so SQLite's own mutexes can go, and nobody asks how much memory it takes. Only
 * before SQLite begins, which registering makes it do: later calls change nothing. */
static void configure(void)
{
    sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

int store_vfs_register(struct world *w, const char *folder, struct store_vfs **out, struct error *e)
{
    configure();
    size_t n = strlen(folder);
    while (n > 1 && folder[n - 1] == '/') n--;
    if (n + 128 > VFS_PATH) return error_set(e, ERR_TOO_LONG, "the data folder's path is too long");
    struct store_vfs *v = calloc(1, sizeof *v + n + 1);
    if (!v) abort();
    memcpy(v->folder, folder, n);
    v->world = w;
    v->lock = lock_new(w);
    list_init(&v->files);
    snprintf(v->name, sizeof v->name, "penny-%p", (void *)v); /* unique in the process; nothing depends on its order */
    v->base = (sqlite3_vfs){
        .iVersion = 2,
        .szOsFile = sizeof(struct vfs_handle),
        .mxPathname = VFS_PATH - 32, /* "-journal" still fits */
        .zName = v->name,
        .pAppData = v,
        .xOpen = open_handle,
        .xDelete = delete_file,
        .xAccess = check_access,
        .xFullPathname = full_path,
        .xDlOpen = no_extensions,
        .xDlError = no_extensions_why,
        .xRandomness = randomness,
        .xSleep = sleep_us,
        .xCurrentTime = current_time,
        .xGetLastError = last_error,
        .xCurrentTimeInt64 = current_time_int64,
    };
    int r = sqlite3_vfs_register(&v->base, 0);
    if (r) {
        lock_free(v->lock);
        free(v);
        return error_set(e, ERR_IO, "SQLite refuses our file system: %s", sqlite3_errstr(r));
    }
    if (world_is_simulated(w)) seed_sqlite(v);
    *out = v;
    return 0;
}

const char *store_vfs_name(const struct store_vfs *v) { return v->name; }

void store_vfs_unregister(struct store_vfs *v)
{
    if (!v) return;
    sqlite3_vfs_unregister(&v->base);
    list_each_safe (node, &v->files) vfs_shared_free(list_entry(node, struct vfs_shared, node));
    lock_free(v->lock);
    free(v);
}

struct store_vfs_stats store_vfs_stats(struct store_vfs *v)
{
    return (struct store_vfs_stats){
        .asked_writes = atomic_load(&v->count.asked_writes),
        .bytes = atomic_load(&v->count.bytes),
        .writes = atomic_load(&v->count.writes),
        .reads = atomic_load(&v->count.reads),
        .syncs = atomic_load(&v->count.syncs),
        .others = atomic_load(&v->count.others),
    };
}
