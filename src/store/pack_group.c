/* Reading many bodies of packs at once. Letters that came one after the other lie side by side, so a page of a mailbox
 * is a few long reads; each record is then checked where it lies. */
#include <stdlib.h>

#include "base/hash.h"
#include "store/pack_files.h"

enum {
    GAP = 8 << 10,         /* bytes: reading over so many costs less than another call */
    RUN_MOST = 1 << 20,    /* bytes of one read, but for a body that is longer */
    ENVELOPE_GUESS = 1024, /* bytes of envelope copy before a body; most are shorter */
};

struct run { /* records that are read together */
    struct pack_wanted *v;
    size_t n;
    int64_t from, end; /* bytes of the pack */
};

static int by_place(const void *left, const void *right)
{
    const struct pack_place *a = &((const struct pack_wanted *)left)->place;
    const struct pack_place *b = &((const struct pack_wanted *)right)->place;
    if (a->pack != b->pack) return a->pack < b->pack ? -1 : 1;
    return (a->offset > b->offset) - (a->offset < b->offset);
}

static void sort(struct pack_wanted *v, size_t n)
{
    for (size_t i = 1; i < n; i++) /* they usually are */
        if (by_place(&v[i - 1], &v[i]) > 0) {
            qsort(v, n, sizeof *v, by_place);
            return;
        }
}

static int64_t wanted_bytes(const struct pack_wanted *w)
{
    return w->most < w->place.length ? w->most : w->place.length;
}

static int64_t end_of(const struct pack_wanted *w)
{
    return w->place.offset + PACK_RECORD_HEADER + ENVELOPE_GUESS + wanted_bytes(w);
}

static bool joins(const struct run *r, const struct pack_wanted *w)
{
    int64_t end = end_of(w);
    return w->place.pack == r->v->place.pack && w->place.offset <= r->end + GAP && end - r->from <= RUN_MOST;
}

/* The bytes of a record that does not lie whole within what was read: its envelope copy is a long one. */
static int read_alone(struct file *f, struct pack_wanted *w, const struct pack_header *h,
                      void *(*take)(void *arg, size_t n), void *arg)
{
    size_t n = (size_t)wanted_bytes(w);
    char *bytes = take(arg, n);
    int64_t got = file_read(f, bytes, n, w->place.offset + PACK_RECORD_HEADER + (int64_t)h->envelope_length, NULL);
    if (got < 0) return (int)got;
    w->bytes = str_of(bytes, n);
    return (size_t)got < n ? ERR_CORRUPT : 0;
}

static int take_record(struct file *f, const struct run *r, struct str read, struct pack_wanted *w,
                       void *(*take)(void *arg, size_t n), void *arg)
{
    struct str at = str_skip(read, (size_t)(w->place.offset - r->from));
    struct pack_header h;
    if (at.n < PACK_RECORD_HEADER) return ERR_CORRUPT;
    int e = pack_header_check((const unsigned char *)at.p, &w->place, w->body, &h, NULL);
    if (e) return e;
    size_t before = PACK_RECORD_HEADER + h.envelope_length, n = (size_t)wanted_bytes(w);
    if (at.n >= before + n) w->bytes = str_of(at.p + before, n);
    else e = read_alone(f, w, &h, take, arg);
    if (e) return e;
    bool whole = (int64_t)n == w->place.length;
    return whole && hash_crc32c(0, w->bytes) != h.body_crc ? ERR_CORRUPT : 0;
}

static void read_run(struct packs *p, struct run *r, void *(*take)(void *arg, size_t n), void *arg)
{
    struct pack_file *f;
    size_t n = (size_t)(r->end - r->from);
    int e = pack_file_take(p, r->v->place.pack, &f, NULL);
    int64_t got = e;
    char *bytes = NULL;
    if (!e) {
        bytes = take(arg, n);
        got = file_read(f->file, bytes, n, r->from, NULL);
    }
    for (size_t i = 0; i < r->n; i++) {
        struct pack_wanted *w = &r->v[i];
        w->bytes = STR_NONE;
        w->error = got < 0 ? (int)got : take_record(f->file, r, str_of(bytes, (size_t)got), w, take, arg);
        if (w->error) w->bytes = STR_NONE;
    }
    if (!e) pack_file_give(p, f);
}

void packs_read_group(struct packs *p, struct pack_wanted *v, size_t n, void *(*take)(void *arg, size_t n), void *arg)
{
    sort(v, n);
    for (size_t i = 0; i < n;) {
        struct run r = {.v = &v[i], .from = v[i].place.offset, .end = end_of(&v[i])};
        for (r.n = 1; i + r.n < n && joins(&r, &v[i + r.n]); r.n++) {
            int64_t end = end_of(&v[i + r.n]);
            if (end > r.end) r.end = end;
        }
        read_run(p, &r, take, arg);
        i += r.n;
    }
}
