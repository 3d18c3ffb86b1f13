/* The simulated disk: what is on the medium, what is only believed to be, and what a power cut leaves of that.
 *
 * A power cut keeps each unsynced write whole, in some of its 512-byte sectors, or not at all; of the unsynced changes
 * of a folder's names it keeps the first few, as a journal does. */
#include "io/sim_disk.h"

#include <stdlib.h>
#include <string.h>

enum { SECTOR = 512 };

/* ---- bytes ---- */

static void content_resize(struct content *c, int64_t n)
{
    if (n > c->cap) {
        int64_t cap = c->cap * 2 > n ? c->cap * 2 : n;
        c->p = realloc(c->p, (size_t)cap);
        if (!c->p) abort();
        c->cap = cap;
    }
    if (n > c->n) memset(c->p + c->n, 0, (size_t)(n - c->n));
    c->n = n;
}

static void content_put(struct content *c, const char *p, int64_t n, int64_t offset)
{
    if (n == 0) return;
    if (offset + n > c->n) content_resize(c, offset + n);
    memcpy(c->p + offset, p, (size_t)n);
}

static void apply(struct content *c, const struct change *ch)
{
    if (ch->n < 0) content_resize(c, ch->offset);
    else content_put(c, ch->bytes, ch->n, ch->offset);
}

/* Some of its sectors, each by chance. */
static void apply_torn(struct content *c, const struct change *ch, struct sim *s)
{
    for (int64_t done = 0; done < ch->n;) {
        int64_t part = SECTOR - (ch->offset + done) % SECTOR;
        if (part > ch->n - done) part = ch->n - done;
        if (sim_below(s, 2)) content_put(c, ch->bytes + done, part, ch->offset + done);
        done += part;
    }
}

static void drop_changes(struct inode *i)
{
    for (struct list *n; (n = list_shift(&i->changes));) free(list_entry(n, struct change, link));
}

/* ---- files ---- */

struct inode *inode_new(struct disk *d, bool folder)
{
    struct inode *i = calloc(1, sizeof *i);
    if (!i) abort();
    i->refs = 1;
    i->folder = folder;
    list_init(&i->changes);
    list_init(&i->locks);
    list_push(&d->inodes, &i->in_disk);
    return i;
}

struct inode *inode_ref(struct inode *i)
{
    if (i) i->refs++;
    return i;
}

static int64_t space_of(const struct inode *i)
{
    if (i->users == 0) return 0;
    return i->reserved > i->now.n ? i->reserved : i->now.n;
}

int64_t disk_used(const struct disk *d)
{
    int64_t used = 0;
    list_each (n, &d->inodes) used += space_of(list_entry(n, struct inode, in_disk));
    return used;
}

void inode_unref(struct inode *i)
{
    if (!i || --i->refs > 0) return;
    list_remove(&i->in_disk);
    drop_changes(i);
    free(i->now.p);
    free(i->durable.p);
    free(i);
}

static struct change *note_change(struct inode *i, const char *p, int64_t n, int64_t offset)
{
    struct change *ch = malloc(sizeof *ch + (n > 0 ? (size_t)n : 0));
    if (!ch) abort();
    ch->offset = offset;
    ch->n = n;
    if (n > 0) memcpy(ch->bytes, p, (size_t)n);
    list_push(&i->changes, &ch->link);
    return ch;
}

/* May the file take `size` bytes of reserved or used space? */
static int ask_space(struct disk *d, struct inode *i, int64_t size)
{
    int64_t more = size - space_of(i);
    return more > 0 && d->limit >= 0 && disk_used(d) + more > d->limit ? ERR_NO_SPACE : 0;
}

int disk_write(struct disk *d, struct inode *i, const char *p, int64_t n, int64_t offset)
{
    int e = ask_space(d, i, offset + n);
    if (!e) apply(&i->now, note_change(i, p, n, offset));
    return e;
}

int disk_truncate(struct disk *d, struct inode *i, int64_t size)
{
    int e = ask_space(d, i, size);
    if (e) return e;
    /* gives back what was reserved beyond the new end, as file systems do */
    if (i->reserved > size) i->reserved = size;
    apply(&i->now, note_change(i, NULL, -1, size));
    return 0;
}

int disk_reserve(struct disk *d, struct inode *i, int64_t size)
{
    int e = ask_space(d, i, size);
    if (!e && size > i->reserved) i->reserved = size;
    return e;
}

void disk_sync(struct inode *i)
{
    list_each (n, &i->changes) apply(&i->durable, list_entry(n, struct change, link));
    drop_changes(i);
}

static void settle_by_chance(struct inode *i, struct sim *s)
{
    list_each (n, &i->changes) {
        struct change *ch = list_entry(n, struct change, link);
        uint64_t fate = sim_below(s, 3);
        if (fate == 0) apply(&i->durable, ch);
        if (fate == 1 && ch->n > 0) apply_torn(&i->durable, ch, s);
    }
    drop_changes(i);
}

void disk_sync_failed(struct inode *i, struct sim *s) { settle_by_chance(i, s); }

/* ---- names ---- */

static struct name *find_name(struct names *ns, const char *path)
{
    for (size_t i = 0; i < ns->n; i++)
        if (strcmp(ns->v[i].path, path) == 0) return &ns->v[i];
    return NULL;
}

static void set_name(struct names *ns, const char *path, struct inode *inode)
{
    struct name *at = find_name(ns, path);
    struct inode *before = at ? at->inode : NULL;
    if (!at && inode) {
        if (ns->n == ns->cap) {
            ns->cap = ns->cap ? ns->cap * 2 : 16;
            ns->v = realloc(ns->v, ns->cap * sizeof *ns->v);
            if (!ns->v) abort();
        }
        at = &ns->v[ns->n++];
        if (!(at->path = strdup(path))) abort();
    }
    if (at && inode) {
        at->inode = inode_ref(inode);
    } else if (at) {
        free(at->path);
        memmove(at, at + 1, (size_t)(&ns->v[--ns->n] - at) * sizeof *at);
    }
    inode_unref(before);
}

static void names_free(struct names *ns)
{
    for (size_t i = 0; i < ns->n; i++) {
        free(ns->v[i].path);
        inode_unref(ns->v[i].inode);
    }
    free(ns->v);
    *ns = (struct names){0};
}

struct inode *disk_find(struct disk *d, const char *path)
{
    struct name *n = find_name(&d->now, path);
    return n ? n->inode : NULL;
}

/* Length of the folder's part of a path: "/data/x" -> 5, "/x" -> 0, "x" -> 0. */
static size_t folder_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) : 0;
}

bool disk_has_folder_of(struct disk *d, const char *path)
{
    size_t n = folder_part(path);
    if (n == 0) return true; /* the root, or the current folder */
    char *folder = strndup(path, n);
    if (!folder) abort();
    struct inode *i = disk_find(d, folder);
    free(folder);
    return i && i->folder;
}

static void rename_apply(struct names *ns, const struct rename *r)
{
    if (r->from) set_name(ns, r->from, NULL);
    set_name(ns, r->path, r->inode);
}

static void rename_free(struct rename *r)
{
    list_remove(&r->link);
    inode_unref(r->inode);
    free(r->path);
    free(r->from);
    free(r);
}

void disk_name(struct disk *d, const char *path, struct inode *inode, const char *from)
{
    struct rename *r = malloc(sizeof *r);
    if (!r) abort();
    *r = (struct rename){.path = strdup(path), .from = from ? strdup(from) : NULL, .inode = inode_ref(inode)};
    if (!r->path || (from && !r->from)) abort();
    list_push(&d->renames, &r->link);
    struct inode *replaced = disk_find(d, path);
    if (replaced) replaced->users--;
    if (inode && !from) inode->users++;
    rename_apply(&d->now, r);
}

static bool lies_in(const struct rename *r, const char *folder)
{
    size_t n = folder_part(r->path);
    if (strcmp(folder, ".") == 0 || strcmp(folder, "/") == 0) return n == 0;
    return n == strlen(folder) && memcmp(r->path, folder, n) == 0;
}

/* The first changes of the names of one folder, in order: all, or while chance lets them. */
static void settle_folder(struct disk *d, const char *folder, struct sim *by_chance)
{
    bool lost = false;
    list_each_safe (n, &d->renames) {
        struct rename *r = list_entry(n, struct rename, link);
        if (!lies_in(r, folder)) continue;
        lost = lost || (by_chance && sim_below(by_chance, 2));
        if (!lost) rename_apply(&d->durable, r);
        rename_free(r);
    }
}

void disk_sync_folder(struct disk *d, const char *path) { settle_folder(d, path, NULL); }

/* ---- the whole ---- */

struct disk *disk_new(void)
{
    struct disk *d = calloc(1, sizeof *d);
    if (!d) abort();
    d->limit = -1;
    list_init(&d->renames);
    list_init(&d->inodes);
    return d;
}

void disk_limit(struct disk *d, int64_t bytes) { d->limit = bytes; }

void disk_free(struct disk *d)
{
    if (!d) return;
    while (!list_empty(&d->renames)) rename_free(list_entry(d->renames.next, struct rename, link));
    names_free(&d->now);
    names_free(&d->durable);
    free(d);
}

void disk_power_cut(struct disk *d, struct sim *s)
{
    while (!list_empty(&d->renames)) { /* folder by folder, the oldest change first */
        struct rename *first = list_entry(d->renames.next, struct rename, link);
        size_t n = folder_part(first->path);
        char *folder = n ? strndup(first->path, n) : strdup("/");
        if (!folder) abort();
        settle_folder(d, folder, s);
        free(folder);
    }
    names_free(&d->now);
    list_each (n, &d->inodes) {
        struct inode *i = list_entry(n, struct inode, in_disk);
        settle_by_chance(i, s);
        content_resize(&i->now, 0);
        content_put(&i->now, i->durable.p, i->durable.n, 0);
        i->users = 0; /* handles of the dead do not count */
        while (list_shift(&i->locks)) continue;
    }
    for (size_t i = 0; i < d->durable.n; i++) {
        set_name(&d->now, d->durable.v[i].path, d->durable.v[i].inode);
        d->durable.v[i].inode->users++;
    }
}
