/* Reading packs: a bounded cache of open files, one body, or every record in turn. Any thread. */
#include <stdlib.h>

#include "base/hash.h"
#include "store/pack_files.h"

/* ---- open files ---- */

static struct pack_file *cached(struct packs *p, int64_t id) /* under the lock */
{
    list_each (node, &p->files) {
        struct pack_file *f = list_entry(node, struct pack_file, node);
        if (f->id == id && !f->gone) return f;
    }
    return NULL;
}

static void move_to_end(struct packs *p, struct pack_file *f)
{
    list_remove(&f->node);
    list_push(&p->files, &f->node);
}

/* Takes files nobody reads out of the list until it is within its bound; the caller closes them. Under the lock. */
static void trim(struct packs *p, struct list *out)
{
    list_each_safe (node, &p->files) {
        struct pack_file *f = list_entry(node, struct pack_file, node);
        if (p->n_files <= PACK_FILES_OPEN && !f->gone) continue;
        if (f->refs > 0) continue;
        list_remove(node);
        list_push(out, node);
        p->n_files--;
    }
}

static void close_all(struct list *files)
{
    struct list *node;
    while ((node = list_shift(files))) {
        struct pack_file *f = list_entry(node, struct pack_file, node);
        file_close(f->file);
        free(f);
    }
}

int pack_file_take(struct packs *p, int64_t id, struct pack_file **out, struct error *e)
{
    lock_take(p->lock);
    struct pack_file *f = cached(p, id);
    if (f) {
        f->refs++;
        move_to_end(p, f);
    }
    lock_give(p->lock);
    if ((*out = f)) return 0;

    char path[PACK_PATH];
    struct file *file;
    pack_path(p, id, path);
    int r = file_open(p->world, path, FILE_READ, &file, e);
    if (r) return r;
    struct pack_file *made = calloc(1, sizeof *made);
    if (!made) abort();
    *made = (struct pack_file){.id = id, .file = file, .refs = 1};
    list_init(&made->node);
    struct list old;
    list_init(&old);
    lock_take(p->lock);
    f = cached(p, id); /* another thread may have been quicker */
    if (f) {
        f->refs++;
        list_push(&old, &made->node);
    } else {
        f = made;
        list_push(&p->files, &made->node);
        p->n_files++;
        trim(p, &old);
    }
    lock_give(p->lock);
    close_all(&old);
    *out = f;
    return 0;
}

void pack_file_give(struct packs *p, struct pack_file *f)
{
    struct list old;
    list_init(&old);
    lock_take(p->lock);
    f->refs--;
    if (f->gone || p->n_files > PACK_FILES_OPEN) trim(p, &old);
    lock_give(p->lock);
    close_all(&old);
}

void pack_file_forget(struct packs *p, int64_t id)
{
    struct list old;
    list_init(&old);
    lock_take(p->lock);
    struct pack_file *f = cached(p, id);
    if (f) f->gone = true;
    trim(p, &old);
    lock_give(p->lock);
    close_all(&old);
}

void pack_files_close(struct packs *p) { close_all(&p->files); }

/* ---- one body ---- */

int pack_header_check(const unsigned char bytes[PACK_RECORD_HEADER], const struct pack_place *place, int64_t body,
                      struct pack_header *h, struct error *e)
{
    if (pack_header_parse(bytes, h) != 0)
        return error_set(e, ERR_CORRUPT, "there is no record at %lld", (long long)place->offset);
    if (h->body != body || h->length != place->length || h->stored != place->stored || h->codec != place->codec)
        return error_set(e, ERR_CORRUPT, "the record at %lld is not the one looked for", (long long)place->offset);
    if (h->codec != 0 || h->key != 0 || h->length != h->stored)
        return error_set(e, ERR_UNSUPPORTED, "the record at %lld is stored in a way this version cannot read",
                         (long long)place->offset);
    return 0;
}

/* Reads the header at the place and holds it against what the row says. */
static int read_header(struct file *f, const struct pack_place *place, int64_t body, struct pack_header *h,
                       struct error *e)
{
    unsigned char bytes[PACK_RECORD_HEADER] = {0};
    int64_t got = file_read(f, bytes, sizeof bytes, place->offset, e);
    if (got < 0) return (int)got;
    return pack_header_check(bytes, place, body, h, e);
}

static int64_t read_body(struct file *f, const struct pack_place *place, int64_t body, void *out, size_t n,
                         int64_t from, struct error *e)
{
    struct pack_header h;
    int r = read_header(f, place, body, &h, e);
    if (r) return r;
    if (from < 0 || from >= h.length) return 0;
    if ((int64_t)n > h.length - from) n = (size_t)(h.length - from);
    int64_t got = file_read(f, out, n, place->offset + PACK_RECORD_HEADER + (int64_t)h.envelope_length + from, e);
    if (got < 0) return got;
    if ((size_t)got < n) return error_set(e, ERR_CORRUPT, "the record at %lld is cut off", (long long)place->offset);
    bool whole = from == 0 && (int64_t)n == h.length;
    if (whole && hash_crc32c(0, str_of(out, n)) != h.body_crc)
        return error_set(e, ERR_CORRUPT, "the body at %lld is damaged", (long long)place->offset);
    return got;
}

int64_t packs_read(struct packs *p, const struct pack_place *place, int64_t body, void *out, size_t n, int64_t from,
                   struct error *e)
{
    struct pack_file *f;
    int64_t r = pack_file_take(p, place->pack, &f, e);
    if (r) return r;
    r = read_body(f->file, place, body, out, n, from, e);
    pack_file_give(p, f);
    if (r < 0) error_prefix(e, "pack %lld: ", (long long)place->pack);
    return r;
}

/* ---- one record ---- */

static int copy_record(struct file *f, const struct pack_place *place, int64_t body, struct arena *a,
                       struct pack_record *out, struct error *e)
{
    struct pack_header h = {0};
    int r = read_header(f, place, body, &h, e);
    if (r) return r;
    size_t envelope = h.envelope_length, n = envelope + (size_t)h.length;
    char *bytes = arena_alloc(a, n + 1);
    struct iovec *piece = arena_new_of(a, struct iovec);
    int64_t got = file_read(f, bytes, n, place->offset + PACK_RECORD_HEADER, e);
    if (got < 0) return (int)got;
    *piece = (struct iovec){bytes + envelope, (size_t)h.length};
    *out = (struct pack_record){.body = body,
                                .envelope = str_of(bytes, envelope),
                                .pieces = piece,
                                .n_pieces = 1,
                                .length = h.length};
    if ((size_t)got < n || hash_crc32c(0, out->envelope) != h.envelope_crc ||
        hash_crc32c(0, str_of(bytes + envelope, (size_t)h.length)) != h.body_crc)
        return error_set(e, ERR_CORRUPT, "the record at %lld is damaged", (long long)place->offset);
    return 0;
}

int packs_copy(struct packs *p, const struct pack_place *place, int64_t body, struct arena *a, struct pack_record *out,
               struct error *e)
{
    struct pack_file *f;
    int r = pack_file_take(p, place->pack, &f, e);
    if (r) return r;
    r = copy_record(f->file, place, body, a, out, e);
    pack_file_give(p, f);
    return r;
}

/* ---- every record ---- */

static int64_t source_read(void *arg, void *out, size_t n, int64_t offset, struct error *e)
{
    return file_read(arg, out, n, offset, e);
}

struct visit {
    int64_t pack;
    bool (*fn)(void *arg, const struct pack_place *at, int64_t body, struct str envelope, int crc_ok);
    void *arg;
};

static bool visit(void *arg, const struct pack_found *f)
{
    struct visit *v = arg;
    struct pack_place at = {.pack = v->pack,
                            .offset = f->offset,
                            .length = f->header.length,
                            .stored = f->header.stored,
                            .codec = f->header.codec};
    return v->fn(v->arg, &at, f->header.body, f->envelope, f->envelope_ok && f->body_ok);
}

int packs_scan(struct packs *p, int64_t pack,
               bool (*fn)(void *arg, const struct pack_place *at, int64_t body, struct str envelope, int crc_ok),
               void *arg, struct error *e)
{
    struct pack_info info;
    if (!pack_info_get(p, pack, &info)) return error_set(e, ERR_NOT_FOUND, "no such pack");
    struct pack_file *f;
    int r = pack_file_take(p, pack, &f, e);
    if (r) return r;
    struct pack_source source = {.read = source_read, .arg = f->file, .size = info.size};
    struct visit v = {pack, fn, arg};
    struct pack_scan_result result;
    r = pack_scan(&source, visit, &v, &result, e);
    pack_file_give(p, f);
    if (r == 0 && result.skipped > 0)
        r = error_set(e, ERR_CORRUPT, "pack %lld: %lld bytes belong to no record", (long long)pack,
                      (long long)result.skipped);
    return r;
}
