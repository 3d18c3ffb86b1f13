/* Files of either world: the way through their tables, and what is made of the simpler calls. */
#include "io/file.h"

#include <stdio.h>
#include <string.h>

#include "io/world_core.h"

int file_open(struct world *w, const char *path, int mode, struct file **out, struct error *e)
{
    return w->ops->file_open(w, path, mode, out, e);
}
void file_close(struct file *f)
{
    if (f) f->ops->close(f);
}
int64_t file_size(struct file *f) { return f->ops->size(f); }
int64_t file_read(struct file *f, void *out, size_t n, int64_t offset, struct error *e)
{
    return f->ops->read(f, out, n, offset, e);
}
int file_write(struct file *f, const void *p, size_t n, int64_t offset, struct error *e)
{
    struct iovec v = {(void *)(uintptr_t)p, n};
    return f->ops->writev(f, &v, 1, offset, e);
}
int file_writev(struct file *f, const struct iovec *v, int n, int64_t offset, struct error *e)
{
    return f->ops->writev(f, v, n, offset, e);
}
int file_sync(struct file *f, struct error *e) { return f->ops->sync(f, e); }
int file_allocate(struct file *f, int64_t offset, int64_t n, struct error *e)
{
    return f->ops->allocate(f, offset, n, e);
}
int file_truncate(struct file *f, int64_t size, struct error *e) { return f->ops->truncate(f, size, e); }
int file_lock(struct file *f, int64_t offset, int64_t n, struct error *e) { return f->ops->lock(f, offset, n, e); }
const void *file_map(struct file *f, size_t n) { return f->ops->map(f, n); }
void file_unmap(struct file *f, const void *p, size_t n) { f->ops->unmap(f, p, n); }

int file_remove(struct world *w, const char *path, struct error *e) { return w->ops->file_remove(w, path, e); }
int file_rename(struct world *w, const char *from, const char *to, struct error *e)
{
    return w->ops->file_rename(w, from, to, e);
}
bool file_exists(struct world *w, const char *path) { return w->ops->file_exists(w, path); }
int folder_create(struct world *w, const char *path, struct error *e) { return w->ops->folder_create(w, path, e); }
int folder_sync(struct world *w, const char *path, struct error *e) { return w->ops->folder_sync(w, path, e); }
int folder_list(struct world *w, struct arena *a, const char *path, struct str **names, size_t *n, struct error *e)
{
    return w->ops->folder_list(w, a, path, names, n, e);
}
int64_t folder_free_bytes(struct world *w, const char *path) { return w->ops->folder_free_bytes(w, path); }

/* ---- small files ---- */

int file_load(struct world *w, struct arena *a, const char *path, size_t max, struct str *out, struct error *e)
{
    struct file *f;
    int result = file_open(w, path, FILE_READ, &f, e);
    if (result) return result;
    int64_t size = file_size(f);
    if (size < 0) {
        result = error_set(e, (int)size, "cannot tell the size of %s", path);
    } else if ((uint64_t)size > max) {
        result = error_set(e, ERR_TOO_LONG, "%s has over %zu bytes", path, max);
    } else {
        char *bytes = arena_alloc(a, (size_t)size);
        int64_t got = file_read(f, bytes, (size_t)size, 0, e);
        if (got < 0) result = (int)got;
        else *out = str_of(bytes, (size_t)got);
    }
    file_close(f);
    return result;
}

static int store_at(struct world *w, const char *path, struct str bytes, int mode, struct error *e)
{
    struct file *f;
    int result = file_open(w, path, FILE_WRITE | FILE_CREATE | (mode & FILE_PRIVATE), &f, e);
    if (result) return result;
    result = file_truncate(f, 0, e);
    if (!result) result = file_write(f, bytes.p, bytes.n, 0, e);
    if (!result) result = file_sync(f, e);
    file_close(f);
    return result;
}

int file_store(struct world *w, const char *path, struct str bytes, int mode, struct error *e)
{
    char temporary[1024], folder[1024];
    if (snprintf(temporary, sizeof temporary, "%s.new", path) >= (int)sizeof temporary)
        return error_set(e, ERR_TOO_LONG, "path too long: %.80s...", path);
    const char *slash = strrchr(path, '/');
    size_t n = !slash ? 0 : slash == path ? 1 : (size_t)(slash - path);
    snprintf(folder, sizeof folder, "%.*s", n ? (int)n : 1, n ? path : ".");

    int result = store_at(w, temporary, bytes, mode, e);
    if (!result) result = file_rename(w, temporary, path, e);
    if (!result) return folder_sync(w, folder, e);
    file_remove(w, temporary, NULL);
    return result;
}
