/* File calls of the simulation: each changing one is counted, and may be the one that fails or kills the machine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/sim_disk.h"

struct range { /* locked bytes */
    struct list link;
    struct range *next; /* of the same handle */
    struct file *owner;
    int64_t offset, n;
};

struct sim_file {
    struct file base;
    struct sim_node *node;
    struct inode *inode;
    struct range *ranges;
    bool writable;
    char path[];
};

static struct sim_file *sim_file(struct file *f) { return (struct sim_file *)f; }

static int dead(struct error *e) { return error_set(e, ERR_IO, "the machine has died"); }

/* ---- operations: begin, effect, end ---- */

struct operation {
    struct sim_node *node;
    bool dies; /* after the effect, before anybody hears of it */
};

/* 0: go on; else the error the caller gets. */
static int begin(struct operation *op, struct sim_node *n, const char *what, const char *path, uint64_t detail,
                 struct error *e)
{
    *op = (struct operation){.node = n};
    if (n->crashed) return dead(e);
    n->operations++;
    sim_note_bytes(n->sim, what, detail, str_c(path));
    if (n->operations == n->fail_at) return error_set(e, n->fail_code, "%s %s: made to fail", what, path);
    if (n->operations != n->crash_at) return 0;
    op->dies = sim_below(n->sim, 2);
    if (op->dies) return 0;
    sim_node_die(n);
    return dead(e);
}

static int end(struct operation *op, struct error *e)
{
    if (!op->dies) return 0;
    sim_node_die(op->node);
    return dead(e);
}

static int failed(const char *what, const char *path, int code, struct error *e)
{
    return error_set(e, code, "cannot %s %s: %s", what, path, err_name(code));
}

/* ---- handles ---- */

static void sim_close(struct file *base)
{
    struct sim_file *f = sim_file(base);
    for (struct range *r = f->ranges, *next; r; r = next) {
        next = r->next;
        list_remove(&r->link);
        free(r);
    }
    if (!f->node->crashed) f->inode->users--;
    inode_unref(f->inode);
    free(f);
}

static int64_t sim_size(struct file *base)
{
    struct sim_file *f = sim_file(base);
    return f->node->crashed ? ERR_IO : f->inode->now.n;
}

static int64_t sim_read(struct file *base, void *out, size_t n, int64_t offset, struct error *e)
{
    struct sim_file *f = sim_file(base);
    struct sim *s = f->node->sim;
    if (f->node->crashed) return dead(e);
    if (sim_chance(s, s->faults.read_error)) return failed("read", f->path, ERR_IO, e);
    const struct content *c = &f->inode->now;
    int64_t have = offset < c->n ? c->n - offset : 0;
    if ((int64_t)n > have) n = (size_t)have;
    if (n) memcpy(out, c->p + offset, n);
    return (int64_t)n;
}

static int sim_writev(struct file *base, const struct iovec *v, int n, int64_t offset, struct error *e)
{
    struct sim_file *f = sim_file(base);
    struct sim *s = f->node->sim;
    size_t all = 0, at = 0;
    if (!f->writable) return failed("write", f->path, ERR_DENIED, e);
    for (int i = 0; i < n; i++) all += v[i].iov_len;
    char *bytes = malloc(all ? all : 1);
    if (!bytes) abort();
    for (int i = 0; i < n; at += v[i++].iov_len)
        if (v[i].iov_len) memcpy(bytes + at, v[i].iov_base, v[i].iov_len);

    struct operation op;
    int result = begin(&op, f->node, "write", f->path, (uint64_t)offset, e);
    if (!result) sim_note_bytes(s, "bytes", 0, str_of(bytes, all));
    if (!result && sim_chance(s, s->faults.write_error)) result = failed("write", f->path, ERR_IO, e);
    if (!result && sim_chance(s, s->faults.torn_write)) {
        disk_write(f->node->disk, f->inode, bytes, (int64_t)sim_below(s, all + 1), offset);
        result = failed("write all of", f->path, ERR_IO, e);
    }
    if (!result && disk_write(f->node->disk, f->inode, bytes, (int64_t)all, offset) != 0)
        result = failed("write", f->path, ERR_NO_SPACE, e);
    free(bytes);
    return result ? result : end(&op, e);
}

static int sim_sync(struct file *base, struct error *e)
{
    struct sim_file *f = sim_file(base);
    struct sim *s = f->node->sim;
    struct operation op;
    int result = begin(&op, f->node, "sync", f->path, 0, e);
    if (result) {
        if (!f->node->crashed) disk_sync_failed(f->inode, s);
        return result;
    }
    if (sim_chance(s, s->faults.sync_error)) {
        disk_sync_failed(f->inode, s);
        return failed("sync", f->path, ERR_IO, e);
    }
    if (!sim_chance(s, s->faults.sync_lies)) disk_sync(f->inode);
    return end(&op, e);
}

static int sim_allocate(struct file *base, int64_t offset, int64_t n, struct error *e)
{
    struct sim_file *f = sim_file(base);
    struct operation op;
    int result = begin(&op, f->node, "allocate", f->path, (uint64_t)(offset + n), e);
    if (!result && disk_reserve(f->node->disk, f->inode, offset + n) != 0)
        result = failed("reserve space for", f->path, ERR_NO_SPACE, e);
    return result ? result : end(&op, e);
}

static int sim_truncate(struct file *base, int64_t size, struct error *e)
{
    struct sim_file *f = sim_file(base);
    struct operation op;
    int result = begin(&op, f->node, "truncate", f->path, (uint64_t)size, e);
    if (!result && disk_truncate(f->node->disk, f->inode, size) != 0)
        result = failed("set the size of", f->path, ERR_NO_SPACE, e);
    return result ? result : end(&op, e);
}

static int sim_lock(struct file *base, int64_t offset, int64_t n, struct error *e)
{
    struct sim_file *f = sim_file(base);
    if (f->node->crashed) return dead(e);
    list_each (link, &f->inode->locks) {
        struct range *r = list_entry(link, struct range, link);
        bool overlaps = (n == 0 || r->offset < offset + n) && (r->n == 0 || offset < r->offset + r->n);
        if (overlaps && r->owner != base) return error_set(e, ERR_BUSY, "%s is in use by another process", f->path);
    }
    struct range *r = malloc(sizeof *r);
    if (!r) abort();
    *r = (struct range){.owner = base, .offset = offset, .n = n, .next = f->ranges};
    f->ranges = r;
    list_push(&f->inode->locks, &r->link);
    return 0;
}

static const void *sim_map(struct file *base, size_t n)
{
    struct sim_file *f = sim_file(base);
    if (f->node->crashed || n == 0 || (int64_t)n > f->inode->now.n) return NULL;
    void *copy = malloc(n); /* of a sealed file: nobody can see that it is one */
    if (copy) memcpy(copy, f->inode->now.p, n);
    return copy;
}

static void sim_unmap(struct file *f, const void *p, size_t n)
{
    (void)f, (void)n;
    free((void *)(uintptr_t)p);
}

static const struct file_ops sim_file_ops = {
    .close = sim_close,
    .size = sim_size,
    .read = sim_read,
    .writev = sim_writev,
    .sync = sim_sync,
    .allocate = sim_allocate,
    .truncate = sim_truncate,
    .lock = sim_lock,
    .map = sim_map,
    .unmap = sim_unmap,
};

/* ---- names ---- */

/* Makes the file `path`, which nothing has that name now. */
static int create(struct sim_node *n, const char *path, bool folder, struct error *e)
{
    if (!disk_has_folder_of(n->disk, path)) return failed("create", path, ERR_NOT_FOUND, e);
    struct operation op;
    int result = begin(&op, n, folder ? "create folder" : "create", path, 0, e);
    if (result) return result;
    struct inode *i = inode_new(n->disk, folder);
    disk_name(n->disk, path, i, NULL);
    inode_unref(i);
    return end(&op, e);
}

int file_sim_open(struct world *w, const char *path, int mode, struct file **out, struct error *e)
{
    struct sim_node *n = node_of(w);
    if (n->crashed) return dead(e);
    struct inode *i = disk_find(n->disk, path);
    if (i && (mode & FILE_CREATE) && (mode & FILE_EXCLUSIVE)) return failed("create", path, ERR_EXISTS, e);
    if (!i && (mode & FILE_CREATE)) {
        int result = create(n, path, false, e);
        if (result) return result;
        i = disk_find(n->disk, path);
    }
    if (!i) return failed("open", path, ERR_NOT_FOUND, e);
    if (i->folder) return failed("open the folder", path, ERR_IO, e);
    size_t length = strlen(path) + 1;
    struct sim_file *f = malloc(sizeof *f + length);
    if (!f) abort();
    *f = (struct sim_file){.base.ops = &sim_file_ops, .node = n, .inode = inode_ref(i), .writable = mode & FILE_WRITE};
    memcpy(f->path, path, length);
    i->users++;
    *out = &f->base;
    return 0;
}

int file_sim_remove(struct world *w, const char *path, struct error *e)
{
    struct sim_node *n = node_of(w);
    if (n->crashed) return dead(e);
    struct inode *i = disk_find(n->disk, path);
    if (!i || i->folder) return failed("remove", path, i ? ERR_IO : ERR_NOT_FOUND, e);
    struct operation op;
    int result = begin(&op, n, "remove", path, 0, e);
    if (result) return result;
    disk_name(n->disk, path, NULL, NULL);
    return end(&op, e);
}

int file_sim_rename(struct world *w, const char *from, const char *to, struct error *e)
{
    struct sim_node *n = node_of(w);
    if (n->crashed) return dead(e);
    struct inode *i = disk_find(n->disk, from);
    if (!i || !disk_has_folder_of(n->disk, to)) return failed("rename", from, ERR_NOT_FOUND, e);
    if (i->folder) return failed("rename the folder", from, ERR_UNSUPPORTED, e);
    struct operation op;
    int result = begin(&op, n, "rename", to, 0, e);
    if (result) return result;
    if (strcmp(from, to) != 0) disk_name(n->disk, to, i, from);
    return end(&op, e);
}

bool file_sim_exists(struct world *w, const char *path)
{
    return !node_of(w)->crashed && disk_find(node_of(w)->disk, path) != NULL;
}

/* ---- folders ---- */

int folder_sim_create(struct world *w, const char *path, struct error *e)
{
    struct sim_node *n = node_of(w);
    if (n->crashed) return dead(e);
    if (strcmp(path, ".") == 0 || strcmp(path, "/") == 0) return 0;
    struct inode *i = disk_find(n->disk, path);
    if (i) return i->folder ? 0 : failed("create the folder", path, ERR_EXISTS, e);
    return create(n, path, true, e);
}

static bool is_folder(struct disk *d, const char *path)
{
    struct inode *i = disk_find(d, path);
    return (i && i->folder) || strcmp(path, ".") == 0 || strcmp(path, "/") == 0;
}

int folder_sim_sync(struct world *w, const char *path, struct error *e)
{
    struct sim_node *n = node_of(w);
    struct sim *s = n->sim;
    if (n->crashed) return dead(e);
    if (!is_folder(n->disk, path)) return failed("sync the folder", path, ERR_NOT_FOUND, e);
    struct operation op;
    int result = begin(&op, n, "sync folder", path, 0, e);
    if (!result && sim_chance(s, s->faults.sync_error)) result = failed("sync the folder", path, ERR_IO, e);
    if (result) return result;
    if (!sim_chance(s, s->faults.sync_lies)) disk_sync_folder(n->disk, path);
    return end(&op, e);
}

static int by_name(const void *a, const void *b) { return str_cmp(*(const struct str *)a, *(const struct str *)b); }

int folder_sim_list(struct world *w, struct arena *a, const char *path, struct str **names, size_t *n, struct error *e)
{
    struct sim_node *node = node_of(w);
    if (node->crashed) return dead(e);
    if (!is_folder(node->disk, path)) return failed("list the folder", path, ERR_NOT_FOUND, e);
    const struct names *all = &node->disk->now;
    bool root = strcmp(path, "/") == 0, here = strcmp(path, ".") == 0;
    size_t skip = here ? 0 : root ? 1 : strlen(path) + 1, count = 0;
    struct str *list = arena_array(a, all->n, sizeof *list);
    for (size_t i = 0; i < all->n; i++) {
        const char *name = all->v[i].path;
        bool inside = here || (strlen(name) > skip && memcmp(name, path, skip - 1) == 0 && name[skip - 1] == '/');
        if (inside && !strchr(name + skip, '/')) list[count++] = arena_str(a, str_c(name + skip));
    }
    if (count) qsort(list, count, sizeof *list, by_name);
    *names = list;
    *n = count;
    return 0;
}

int64_t folder_sim_free_bytes(struct world *w, const char *path)
{
    struct sim_node *n = node_of(w);
    (void)path;
    if (n->crashed) return ERR_IO;
    if (n->disk->limit < 0) return INT64_C(1) << 40;
    int64_t left = n->disk->limit - disk_used(n->disk);
    return left > 0 ? left : 0;
}
