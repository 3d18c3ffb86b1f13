/* Files of the machine, by plain system calls. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "io/world_real.h"

struct real_file {
    struct file base;
    int fd;
    char path[]; /* for messages */
};

static int fd_of(struct file *f) { return ((struct real_file *)f)->fd; }
static const char *path_of(struct file *f) { return ((struct real_file *)f)->path; }

static void real_close(struct file *f)
{
    close(fd_of(f));
    free(f);
}

static int64_t real_size(struct file *f)
{
    struct stat st;
    return fstat(fd_of(f), &st) == 0 ? st.st_size : error_os(NULL, errno, "stat");
}

static int64_t real_read(struct file *f, void *out, size_t n, int64_t offset, struct error *e)
{
    size_t done = 0;
    while (done < n) {
        ssize_t got = pread(fd_of(f), (char *)out + done, n - done, offset + (int64_t)done);
        if (got == 0) break;
        if (got > 0) done += (size_t)got;
        else if (errno != EINTR) return error_os(e, errno, "cannot read %s", path_of(f));
    }
    return (int64_t)done;
}

/* Copies at most IOV_MAX pieces of v, without the first `skip` bytes, into `part`; their number. */
static int rest_of(const struct iovec *v, int n, size_t skip, struct iovec *part, int max)
{
    int parts = 0;
    for (int i = 0; i < n && parts < max; i++) {
        if (skip >= v[i].iov_len) {
            skip -= v[i].iov_len;
            continue;
        }
        part[parts++] = (struct iovec){(char *)v[i].iov_base + skip, v[i].iov_len - skip};
        skip = 0;
    }
    return parts;
}

static int real_writev(struct file *f, const struct iovec *v, int n, int64_t offset, struct error *e)
{
    struct iovec part[64];
    size_t done = 0; /* within v */
    for (;;) {
        while (n > 0 && done >= v->iov_len) {
            done -= v->iov_len;
            v++;
            n--;
        }
        if (n <= 0) return 0;
        ssize_t put = done == 0 ? pwritev(fd_of(f), v, n < IOV_MAX ? n : IOV_MAX, offset) /* a group is one call */
                                : pwritev(fd_of(f), part, rest_of(v, n, done, part, 64), offset);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return error_os(e, put < 0 ? errno : EIO, "cannot write %s", path_of(f));
        done += (size_t)put;
        offset += put;
    }
}

static int real_sync(struct file *f, struct error *e)
{
    while (fdatasync(fd_of(f)) != 0)
        if (errno != EINTR) return error_os(e, errno, "cannot sync %s", path_of(f));
    return 0;
}

static int real_allocate(struct file *f, int64_t offset, int64_t n, struct error *e)
{
    while (fallocate(fd_of(f), FALLOC_FL_KEEP_SIZE, offset, n) != 0) {
        if (errno == EOPNOTSUPP || errno == ENOSYS) return 0;
        if (errno != EINTR) return error_os(e, errno, "cannot reserve space for %s", path_of(f));
    }
    return 0;
}

static int real_truncate(struct file *f, int64_t size, struct error *e)
{
    while (ftruncate(fd_of(f), size) != 0)
        if (errno != EINTR) return error_os(e, errno, "cannot set the size of %s", path_of(f));
    return 0;
}

static int real_lock(struct file *f, int64_t offset, int64_t n, struct error *e)
{
    struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = offset, .l_len = n};
    if (fcntl(fd_of(f), F_OFD_SETLK, &range) == 0) return 0;
    if (errno == EAGAIN || errno == EACCES)
        return error_set(e, ERR_BUSY, "%s is in use by another process", path_of(f));
    return error_os(e, errno, "cannot lock %s", path_of(f));
}

static const void *real_map(struct file *f, size_t n)
{
    void *p = n ? mmap(NULL, n, PROT_READ, MAP_SHARED, fd_of(f), 0) : MAP_FAILED;
    return p == MAP_FAILED ? NULL : p;
}

static void real_unmap(struct file *f, const void *p, size_t n)
{
    (void)f;
    if (p) munmap((void *)(uintptr_t)p, n);
}

static const struct file_ops real_file_ops = {
    .close = real_close,
    .size = real_size,
    .read = real_read,
    .writev = real_writev,
    .sync = real_sync,
    .allocate = real_allocate,
    .truncate = real_truncate,
    .lock = real_lock,
    .map = real_map,
    .unmap = real_unmap,
};

int file_real_open(struct world *w, const char *path, int mode, struct file **out, struct error *e)
{
    (void)w;
    int flags = (mode & FILE_WRITE ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY;
    if (mode & FILE_CREATE) flags |= O_CREAT | (mode & FILE_EXCLUSIVE ? O_EXCL : 0);
    int fd;
    do fd = open(path, flags, mode & FILE_PRIVATE ? 0600 : 0640);
    while (fd < 0 && errno == EINTR);
    if (fd < 0) return error_os(e, errno, "cannot open %s", path);
    size_t n = strlen(path) + 1;
    struct real_file *f = malloc(sizeof *f + n);
    if (!f) abort();
    *f = (struct real_file){.base.ops = &real_file_ops, .fd = fd};
    memcpy(f->path, path, n);
    *out = &f->base;
    return 0;
}

int file_real_remove(struct world *w, const char *path, struct error *e)
{
    (void)w;
    return unlink(path) == 0 ? 0 : error_os(e, errno, "cannot remove %s", path);
}

int file_real_rename(struct world *w, const char *from, const char *to, struct error *e)
{
    (void)w;
    return rename(from, to) == 0 ? 0 : error_os(e, errno, "cannot rename %s to %s", from, to);
}

bool file_real_exists(struct world *w, const char *path)
{
    (void)w;
    return access(path, F_OK) == 0;
}

/* ---- folders ---- */

int folder_real_create(struct world *w, const char *path, struct error *e)
{
    (void)w;
    if (mkdir(path, 0700) == 0) return 0;
    int why = errno;
    struct stat st;
    if (why == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) return 0;
    return error_os(e, why, "cannot create the folder %s", path);
}

int folder_real_sync(struct world *w, const char *path, struct error *e)
{
    (void)w;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return error_os(e, errno, "cannot open the folder %s", path);
    int result = fsync(fd) == 0 ? 0 : error_os(e, errno, "cannot sync the folder %s", path);
    close(fd);
    return result;
}

static void close_folder(void *d) { closedir(d); }

static int by_name(const void *a, const void *b) { return str_cmp(*(const struct str *)a, *(const struct str *)b); }

int folder_real_list(struct world *w, struct arena *a, const char *path, struct str **names, size_t *n, struct error *e)
{
    (void)w;
    DIR *d = opendir(path);
    if (!d) return error_os(e, errno, "cannot list the folder %s", path);
    struct arena_undo *closing = arena_defer(a, close_folder, d);
    struct str *list = NULL;
    size_t count = 0, cap = 0;
    for (struct dirent *entry; (entry = readdir(d));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (count == cap) {
            struct str *more = arena_array(a, cap = cap ? cap * 2 : 16, sizeof *more);
            if (count) memcpy(more, list, count * sizeof *list);
            list = more;
        }
        list[count++] = arena_str(a, str_c(entry->d_name));
    }
    arena_undefer(a, closing);
    closedir(d);
    if (count) qsort(list, count, sizeof *list, by_name);
    *names = list;
    *n = count;
    return 0;
}

int64_t folder_real_free_bytes(struct world *w, const char *path)
{
    (void)w;
    struct statvfs st;
    if (statvfs(path, &st) != 0) return error_os(NULL, errno, "statvfs");
    return (int64_t)((uint64_t)st.f_bavail * st.f_frsize);
}
