/* The pack folder: which packs there are, opening and recovering them, and the writer's appends.
 *
 * Order makes it safe: a pack's name is synced before anything lies in it, its bytes before a commit names them. What a
 * commit named is never written again; what no commit can have named (the tail of a failed write) is cut off only while
 * the same process still knows that. Reading is in pack_read.c, large bodies in pack_stream.c, the bytes in
 * pack_record.c. */
#include "store/pack.h"

#include <stdlib.h>

#include "base/codec.h"
#include "base/hash.h"
#include "store/pack_files.h"

static void *grown(void *p, size_t *cap, size_t need, size_t size)
{
    if (need <= *cap) return p;
    size_t n = *cap ? *cap : 64;
    while (n < need) n *= 2;
    p = realloc(p, n * size);
    if (!p) abort();
    *cap = n;
    return p;
}

/* ---- names ---- */

void pack_path(const struct packs *p, int64_t id, char out[PACK_PATH])
{
    struct buf b = {.cap = PACK_PATH, .max = PACK_PATH};
    b.p = out;
    buf_printf(&b, "%s/", p->folder);
    id_put(&b, id);
    buf_add(&b, str_of(".pack", sizeof ".pack")); /* with its NUL */
}

static bool pack_name_parse(struct str name, int64_t *id)
{
    struct str ending = S(".pack");
    return str_ends(name, ending) && id_parse(str_head(name, name.n - ending.n), id) == 0;
}

int pack_create(struct packs *p, int64_t *id, struct file **out, struct error *e)
{
    char path[PACK_PATH];
    *id = p->next_id(p->id_arg);
    pack_path(p, *id, path);
    return file_open(p->world, path, FILE_WRITE | FILE_CREATE | FILE_EXCLUSIVE | FILE_PRIVATE, out, e);
}

struct pack_head pack_new_head(struct packs *p, int64_t id, enum pack_kind kind)
{
    struct pack_head h = {.id = id, .made_at = clock_utc(p->world), .kind = kind};
    world_random(p->world, &h.epoch, sizeof h.epoch);
    return h;
}

/* ---- the table ---- */

/* Index of the first pack whose id is not below; under the lock. */
static size_t info_find(const struct packs *p, int64_t id)
{
    size_t low = 0, high = p->n_infos;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (p->infos[middle].id < id) low = middle + 1;
        else high = middle;
    }
    return low;
}

void pack_info_set(struct packs *p, int64_t id, int64_t size)
{
    lock_take(p->lock);
    size_t i = info_find(p, id);
    if (i == p->n_infos || p->infos[i].id != id) {
        p->infos = grown(p->infos, &p->infos_cap, p->n_infos + 1, sizeof *p->infos);
        memmove(p->infos + i + 1, p->infos + i, (p->n_infos - i) * sizeof *p->infos);
        p->infos[i] = (struct pack_info){.id = id};
        p->n_infos++;
    }
    p->infos[i].size = size;
    lock_give(p->lock);
}

bool pack_info_get(struct packs *p, int64_t id, struct pack_info *out)
{
    lock_take(p->lock);
    size_t i = info_find(p, id);
    bool there = i < p->n_infos && p->infos[i].id == id;
    if (there) *out = p->infos[i];
    lock_give(p->lock);
    return there;
}

bool pack_info_remove(struct packs *p, int64_t id)
{
    lock_take(p->lock);
    size_t i = info_find(p, id);
    bool there = i < p->n_infos && p->infos[i].id == id;
    if (there) {
        memmove(p->infos + i, p->infos + i + 1, (p->n_infos - i - 1) * sizeof *p->infos);
        p->n_infos--;
    }
    lock_give(p->lock);
    return there;
}

void pack_count(struct packs *p, int64_t appends, int64_t records, int64_t syncs, int64_t bytes)
{
    lock_take(p->lock);
    p->stats.appends += appends;
    p->stats.records += records;
    p->stats.syncs += syncs;
    p->stats.bytes += bytes;
    lock_give(p->lock);
}

struct pack_stats packs_stats(struct packs *p)
{
    lock_take(p->lock);
    struct pack_stats s = p->stats;
    s.packs = (int64_t)p->n_infos;
    lock_give(p->lock);
    return s;
}

int packs_list(struct packs *p, struct arena *a, int64_t **ids, int64_t **sizes, size_t *n)
{
    lock_take(p->lock);
    size_t count = p->n_infos;
    lock_give(p->lock);
    *ids = arena_array(a, count + 1, sizeof **ids); /* not under the lock: it may leave by the guard */
    *sizes = arena_array(a, count + 1, sizeof **sizes);
    lock_take(p->lock);
    if (count > p->n_infos) count = p->n_infos;
    for (size_t i = 0; i < count; i++) {
        (*ids)[i] = p->infos[i].id;
        (*sizes)[i] = p->infos[i].size;
    }
    lock_give(p->lock);
    *n = count;
    return 0;
}

int packs_remove(struct packs *p, int64_t pack, struct error *e)
{
    if (p->growing.file && p->growing.id == pack) return error_set(e, ERR_BUSY, "the pack is being written");
    if (!pack_info_remove(p, pack)) return error_set(e, ERR_NOT_FOUND, "no such pack");
    pack_file_forget(p, pack);
    char path[PACK_PATH];
    pack_path(p, pack, path);
    return file_remove(p->world, path, e);
}

int64_t packs_latest(const struct packs *p) { return p->latest; }

int packs_sync(struct packs *p, struct error *e) { return folder_sync(p->world, p->folder, e); }

struct pack_durable packs_durable(struct packs *p) { return p->durable; }

/* ---- opening ---- */

void packs_remove_dead(struct world *w, const char *folder, int64_t pack)
{
    char path[PACK_PATH];
    struct buf b = BUF_OVER(path);
    buf_printf(&b, "%s/packs/", folder);
    id_put(&b, pack);
    buf_add(&b, str_of(".pack", sizeof ".pack")); /* with its NUL */
    if (!b.failed) file_remove(w, path, NULL);
}

/* FOLDER/lost, FOLDER/lost/NAME or FOLDER/lost/NAME.try. */
static bool lost_path(const struct packs *p, struct str name, int try, char out[PACK_PATH])
{
    struct buf b = {.cap = PACK_PATH, .max = PACK_PATH};
    b.p = out;
    buf_printf(&b, "%s/lost", p->folder);
    if (name.n) buf_char(&b, '/');
    buf_add(&b, name);
    if (try > 0) buf_printf(&b, ".%d", try);
    buf_char(&b, 0);
    return !b.failed;
}

/* Moves a file no row names out of the way, under a name that is free there. */
static int move_to_lost(struct packs *p, struct str name, struct error *e)
{
    char from[PACK_PATH], to[PACK_PATH];
    struct buf b = BUF_OVER(from);
    buf_printf(&b, "%s/", p->folder);
    buf_add(&b, name);
    buf_char(&b, 0);
    int try = 0;
    while (lost_path(p, name, try, to) && file_exists(p->world, to)) try++;
    if (b.failed || !lost_path(p, name, try, to))
        return error_set(e, ERR_TOO_LONG, "the name of a stray file is too long");
    p->stats.lost++;
    return file_rename(p->world, from, to, e);
}

static int sort_strays(struct packs *p, const struct pack_durable *known, size_t n, struct error *e)
{
    struct arena *a = arena_new(NULL, 0);
    struct str *names;
    size_t n_names, k = 0, moved = 0;
    int r = folder_list(p->world, a, p->folder, &names, &n_names, e);
    for (size_t i = 0; r == 0 && i < n_names; i++) { /* names are sorted, and so their ids: one pass */
        int64_t id = 0;
        if (str_eq(names[i], S("lost")) || str_starts(names[i], S("."))) continue;
        bool pack = pack_name_parse(names[i], &id);
        if (id > p->latest) p->latest = id;
        while (pack && k < n && known[k].pack < id) k++;
        if (pack && k < n && known[k].pack == id) continue;
        r = move_to_lost(p, names[i], e);
        moved++;
    }
    char lost[PACK_PATH];
    if (!r && moved && lost_path(p, S(""), 0, lost)) r = folder_sync(p->world, lost, e);
    if (!r && moved) r = packs_sync(p, e);
    arena_free(a);
    return r;
}

/* Is the known pack as long as it must be? 0, ERR_CORRUPT, or what kept us from looking. */
static int check_size(struct packs *p, struct pack_durable known, struct error *e)
{
    char path[PACK_PATH];
    struct file *f;
    pack_path(p, known.pack, path);
    int r = file_open(p->world, path, FILE_READ, &f, e);
    if (r == ERR_NOT_FOUND)
        return error_set(e, ERR_CORRUPT, "%s is missing; %lld bytes of it were durable", path, (long long)known.size);
    if (r) return r;
    int64_t size = file_size(f);
    file_close(f);
    if (size < 0) return error_set(e, (int)size, "cannot tell the size of %s", path);
    if (size >= known.size) return 0;
    return error_set(e, ERR_CORRUPT, "%s has %lld bytes; %lld were durable", path, (long long)size,
                     (long long)known.size);
}

static int check_known(struct packs *p, const struct pack_durable *known, size_t n, int *damaged, struct error *e)
{
    for (size_t i = 0; i < n; i++) {
        struct error found = {0};
        if (i > 0 && known[i - 1].pack >= known[i].pack)
            return error_set(e, ERR_CORRUPT, "the table of packs is not in order");
        int r = check_size(p, known[i], &found);
        if (r && r != ERR_CORRUPT) {
            if (e) *e = found;
            return r;
        }
        if (r && (*damaged)++ == 0 && e) *e = found;
        pack_info_set(p, known[i].pack, known[i].size);
    }
    return 0;
}

/* After a clean stop: goes on with the newest shared pack if nothing lies behind its durable size. Failing to is no
 * error. */
static void continue_newest(struct packs *p, const struct pack_durable *known, size_t n)
{
    for (size_t i = n; i-- > 0 && n - i <= PACK_CONTINUE_LOOK;) {
        char path[PACK_PATH];
        struct file *f;
        unsigned char bytes[PACK_HEAD];
        struct pack_head head;
        pack_path(p, known[i].pack, path);
        if (file_open(p->world, path, FILE_WRITE, &f, NULL) != 0) continue;
        bool read = file_read(f, bytes, sizeof bytes, 0, NULL) == PACK_HEAD && pack_head_parse(bytes, &head) == 0;
        bool whole = read && head.id == known[i].pack && file_size(f) == known[i].size && known[i].size < PACK_SIZE;
        if (whole && head.kind == PACK_SHARED) {
            p->growing = (struct pack_growing){.id = head.id,
                                               .epoch = head.epoch,
                                               .file = f,
                                               .size = known[i].size,
                                               .allocated = known[i].size};
            p->durable = known[i];
            return;
        }
        file_close(f);
        if (read && head.kind == PACK_SHARED) return; /* full, or with a tail nobody named: sealed */
    }
}

static int open_folder(struct packs *p, const char *folder, struct error *e)
{
    char lost[PACK_PATH];
    struct buf b = BUF_OVER(p->folder);
    buf_printf(&b, "%s/packs", folder);
    buf_char(&b, 0);
    if (b.failed) return error_set(e, ERR_TOO_LONG, "the data folder's path is too long");
    lost_path(p, S(""), 0, lost);
    int r = folder_create(p->world, p->folder, e);
    if (r == 0) r = folder_create(p->world, lost, e);
    if (r == 0) r = folder_sync(p->world, p->folder, e);
    if (r == 0) r = folder_sync(p->world, folder, e);
    return r;
}

int packs_open(struct world *w, const char *folder, const struct pack_durable *known, size_t n, bool clean,
               int64_t (*next_id)(void *), void *id_arg, struct packs **out, int *damaged, struct error *e)
{
    struct packs *p = calloc(1, sizeof *p);
    if (!p) abort();
    p->world = w;
    p->next_id = next_id;
    p->id_arg = id_arg;
    p->lock = lock_new(w);
    list_init(&p->files);
    *damaged = 0;
    int r = open_folder(p, folder, e);
    if (r == 0) r = check_known(p, known, n, damaged, e);
    if (r == 0) r = sort_strays(p, known, n, e);
    if (r) {
        packs_close(p);
        return r;
    }
    if (clean) continue_newest(p, known, n);
    *out = p;
    return 0;
}

/* ---- appending ---- */

/* No more is written to the growing pack: its spare room goes back. An empty one leaves no file. */
static void growing_seal(struct packs *p)
{
    struct pack_growing *g = &p->growing;
    if (!g->file) return;
    /* ignored: only the room beyond the end is at stake */
    if (g->allocated > g->size) file_truncate(g->file, g->size, NULL);
    file_close(g->file);
    if (g->size == 0) {
        char path[PACK_PATH];
        pack_path(p, g->id, path);
        file_remove(p->world, path, NULL);
    }
    *g = (struct pack_growing){0};
}

/* Its last write or sync failed: never touched again, for what the kernel says of it cannot be believed. */
static void growing_abandon(struct packs *p)
{
    struct pack_growing *g = &p->growing;
    lock_take(p->lock);
    p->stats.suspect++;
    lock_give(p->lock);
    g->allocated = 0; /* do not even truncate */
    growing_seal(p);
}

static int growing_begin(struct packs *p, struct pack_head *head, struct error *e)
{
    struct pack_growing *g = &p->growing;
    int r = pack_create(p, &g->id, &g->file, e);
    if (r) return r;
    *head = pack_new_head(p, g->id, PACK_SHARED);
    g->epoch = head->epoch;
    g->size = g->allocated = 0;
    r = folder_sync(p->world, p->folder, e);
    if (r) growing_seal(p);
    return r;
}

int pack_describe(struct pack_header *h, const struct pack_record *r, struct error *e)
{
    if (r->envelope.n > PACK_ENVELOPE_MAX) return error_set(e, ERR_TOO_LONG, "an envelope of %zu bytes", r->envelope.n);
    int64_t length = 0;
    uint32_t crc = 0;
    for (int i = 0; i < r->n_pieces; i++) {
        crc = hash_crc32c(crc, str_of(r->pieces[i].iov_base, r->pieces[i].iov_len));
        length += (int64_t)r->pieces[i].iov_len;
    }
    if (length != r->length)
        return error_set(e, ERR_CORRUPT, "a body of %lld bytes came with %lld", (long long)r->length,
                         (long long)length);
    *h = (struct pack_header){.envelope_length = (uint32_t)r->envelope.n,
                              .envelope_crc = hash_crc32c(0, r->envelope),
                              .body_crc = crc,
                              .body = r->body,
                              .length = length,
                              .stored = length};
    return 0;
}

/* Headers, envelopes, prefixes and padding are copied side by side, so that a letter is two pieces of the write and a
 * group one call. */
static size_t copied(size_t n) { return n < PACK_COPIED ? n : 0; }

static void piece(struct packs *p, const void *bytes, size_t n)
{
    struct pack_layout *l = &p->layout;
    if (n == 0) return;
    if (copied(n)) {
        memcpy(l->copies + l->n_copies, bytes, n);
        bytes = l->copies + l->n_copies;
        l->n_copies += n;
    }
    struct iovec *last = l->n ? &l->pieces[l->n - 1] : NULL;
    if (last && copied(n) && (const char *)last->iov_base + last->iov_len == bytes) last->iov_len += n;
    else l->pieces[l->n++] = (struct iovec){.iov_base = (void *)(uintptr_t)bytes, .iov_len = n};
}

static void layout_reserve(struct pack_layout *l, const struct pack_record *r, size_t n)
{
    size_t pieces = 1, copies = PACK_HEAD;
    for (size_t i = 0; i < n; i++) {
        pieces += 3 + (size_t)r[i].n_pieces;
        copies += PACK_RECORD_HEADER + PACK_ALIGN + copied(r[i].envelope.n);
        for (int k = 0; k < r[i].n_pieces; k++) copies += copied(r[i].pieces[k].iov_len);
    }
    l->pieces = grown(l->pieces, &l->pieces_cap, pieces, sizeof *l->pieces);
    l->copies = grown(l->copies, &l->copies_cap, copies, 1);
    l->n = 0;
    l->n_copies = 0;
}

/* Lays the group out behind what there is: p->layout and the places filled. *end: the pack's size afterwards. */
static int lay_out(struct packs *p, struct pack_record *r, size_t n, const struct pack_head *head, int64_t *end,
                   struct error *e)
{
    static const unsigned char zeros[PACK_ALIGN] = {0};
    unsigned char bytes[PACK_HEAD > PACK_RECORD_HEADER ? PACK_HEAD : PACK_RECORD_HEADER];
    layout_reserve(&p->layout, r, n);
    int64_t at = p->growing.size;
    if (head) {
        pack_head_put(bytes, head);
        piece(p, bytes, PACK_HEAD);
        at += PACK_HEAD;
    }
    for (size_t i = 0; i < n; i++) {
        struct pack_header h;
        int bad = pack_describe(&h, &r[i], e);
        if (bad) return bad;
        h.epoch = p->growing.epoch;
        pack_header_put(bytes, &h);
        piece(p, bytes, PACK_RECORD_HEADER);
        piece(p, r[i].envelope.p, r[i].envelope.n);
        for (int k = 0; k < r[i].n_pieces; k++) piece(p, r[i].pieces[k].iov_base, r[i].pieces[k].iov_len);
        int64_t size = pack_record_size(&h);
        piece(p, zeros, (size_t)(size - PACK_RECORD_HEADER - (int64_t)h.envelope_length - h.stored));
        r[i].place = (struct pack_place){.pack = p->growing.id, .offset = at, .length = h.length, .stored = h.stored};
        at += size;
    }
    *end = at;
    return 0;
}

/* Room on disk for the group, in steps. A full disk is left to the write to tell. */
static void growing_allocate(struct pack_growing *g, int64_t end)
{
    if (end <= g->allocated) return;
    int64_t n = end - g->allocated > PACK_STEP ? end - g->allocated : PACK_STEP;
    if (file_allocate(g->file, g->allocated, n, NULL) == 0) g->allocated += n;
}

/* Writes and syncs the group. ERR_NO_SPACE: nothing has changed. Another error: the pack must be abandoned. */
static int write_group(struct packs *p, int64_t end, struct error *e)
{
    struct pack_growing *g = &p->growing;
    growing_allocate(g, end);
    struct error why = {0};
    int r = file_writev(g->file, p->layout.pieces, p->layout.n, g->size, &why);
    /* gives back what was written, and the steps */
    bool full = r == ERR_NO_SPACE && file_truncate(g->file, g->size, NULL) == 0;
    if (full) g->allocated = g->size;
    if (r == ERR_NO_SPACE && !full) r = ERR_IO;
    if (r == 0) r = file_sync(g->file, &why) ? ERR_IO : 0;
    if (r && e) *e = why;
    if (r && e) e->code = r;
    if (r) return r;
    pack_count(p, 0, 0, 1, end - g->size);
    g->size = end;
    return 0;
}

/* One try: the group into the growing pack, or a new one. *abandoned: the pack was given up, another try makes sense.
 */
static int append_once(struct packs *p, struct pack_record *r, size_t n, int64_t bytes, bool *abandoned,
                       struct error *e)
{
    struct pack_growing *g = &p->growing;
    struct pack_head head;
    *abandoned = false;
    /* full, or a full disk left it empty */
    if (g->file && (g->size == 0 || g->size + bytes > PACK_SIZE)) growing_seal(p);
    bool fresh = !g->file;
    int code = fresh ? growing_begin(p, &head, e) : 0;
    int64_t end = g->size;
    if (code == 0) code = lay_out(p, r, n, fresh ? &head : NULL, &end, e);
    if (code) return code;
    code = write_group(p, end, e);
    if (code == 0) {
        pack_info_set(p, g->id, g->size);
        p->durable = (struct pack_durable){g->id, g->size};
    } else if (code != ERR_NO_SPACE) {
        growing_abandon(p);
        *abandoned = true;
    }
    return code;
}

int64_t packs_size(const struct packs *p) { return p->growing.file ? p->growing.size : 0; }

void packs_seal(struct packs *p)
{
    growing_seal(p);
    p->durable = (struct pack_durable){0};
}

int packs_append(struct packs *p, struct pack_record *r, size_t n, struct error *e)
{
    if (n == 0) return 0;
    int64_t bytes = 0;
    for (size_t i = 0; i < n; i++) bytes += PACK_RECORD_HEADER + PACK_ALIGN + (int64_t)r[i].envelope.n + r[i].length;
    bool abandoned;
    int code = append_once(p, r, n, bytes, &abandoned, e);
    if (code && abandoned) code = append_once(p, r, n, bytes, &abandoned, e);
    if (code == 0) pack_count(p, 1, (int64_t)n, 0, 0);
    if (code && code != ERR_NO_SPACE && code != ERR_TOO_LONG && code != ERR_CORRUPT) code = ERR_IO;
    return code;
}

void packs_close(struct packs *p)
{
    if (!p) return;
    growing_seal(p);
    pack_files_close(p);
    lock_free(p->lock);
    free(p->infos);
    free(p->layout.pieces);
    free(p->layout.copies);
    free(p);
}
