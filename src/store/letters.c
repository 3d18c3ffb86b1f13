/* Reading many letters at once (letters.h): their rows in one read transaction, then their bodies, grouped by where
 * they lie, all in one trip to a thread. */
#include "store/letters.h"

#include <stdlib.h>

#include "store/inside.h"

enum {
    FIRST_LOOK = 6 << 10, /* bytes of a body read for its header: most are shorter */
    CLOCK_EVERY = 16,     /* letters between two looks at the clock */
    OTHER_BYTES = 160,    /* what a letter takes beside its strings */
};

struct block { /* of a page's memory that need not be zeroed */
    struct block *next;
    _Alignas(max_align_t) char bytes[];
};

struct page { /* what a call reads; lives with the caller's arena */
    struct arena *text; /* rows */
    struct block *blocks;
    struct letter_read *v;
    size_t n;
};

static void page_free(void *arg)
{
    struct page *p = arg;
    for (struct block *b = p->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    arena_free(p->text);
    free(p);
}

static struct page *page_new(void)
{
    struct page *p = calloc(1, sizeof *p);
    if (!p) abort();
    p->text = arena_new(NULL, 0);
    return p;
}

static void *page_take(void *arg, size_t n)
{
    struct page *p = arg;
    struct block *b = malloc(sizeof *b + n);
    if (!b) abort();
    b->next = p->blocks;
    p->blocks = b;
    return b->bytes;
}

struct reading {
    int64_t account, whole, most;
    const int64_t *emails;
    size_t n;
    unsigned want;
    struct page *page;
};

/* ---- rows ---- */

static struct str column(struct reading *r, struct query *q, int number, unsigned want)
{
    return r->want & want ? arena_str(r->page->text, q_get(q, number)) : STR_NONE;
}

static int read_row(struct reading *r, struct db *db, struct letter_read *out, struct error *e)
{
    struct letter *l = &out->letter;
    struct pack_place place;
    struct query q = db_query(db, SQL_LETTER);
    q_int(&q, l->email);
    q_int(&q, r->account);
    int got = q_row(&q, e);
    if (got < 0) return got;
    if (got == 0) {
        out->error = ERR_NOT_FOUND;
        return 0;
    }
    *l = (struct letter){.email = l->email,
                         .body = q_get_int(&q, 0),
                         .prefix = arena_str(r->page->text, q_get(&q, 1)),
                         .size = q_get_int(&q, 2),
                         .received_at = q_get_int(&q, 3),
                         .saved_at = q_get_int(&q, 4),
                         .version = (int)q_get_int(&q, 6),
                         .envelope = column(r, &q, 7, LETTERS_ENVELOPE),
                         .structure = column(r, &q, 8, LETTERS_STRUCTURE),
                         .preview = column(r, &q, 9, LETTERS_PREVIEW)};
    out->thread = q_get_int(&q, 10);
    if (place_unpack(q_get(&q, 5), &place) != 0 || l->size != (int64_t)l->prefix.n + place.length)
        out->error = ERR_CORRUPT;
    q_end(&q);
    l->place = (struct body_place){place.pack, place.offset, place.length, place.stored, place.codec};
    return 0;
}

/* How many of its body's first bytes are to be read. */
static int64_t wanted_of(const struct reading *r, const struct letter_read *l)
{
    if (l->error) return 0;
    if (r->want & LETTERS_BYTES && l->letter.size <= r->whole) return l->letter.place.length;
    if (!(r->want & LETTERS_HEADER)) return 0;
    return l->letter.place.length < FIRST_LOOK ? l->letter.place.length : FIRST_LOOK;
}

static int64_t memory_of(const struct reading *r, const struct letter_read *l)
{
    const struct letter *m = &l->letter;
    return OTHER_BYTES + wanted_of(r, l) + (int64_t)(m->prefix.n + m->envelope.n + m->structure.n + m->preview.n);
}

static int read_rows(struct store *s, struct reading *r, struct db *db, struct error *e)
{
    struct page *p = r->page;
    mono_us until = clock_mono(s->world) + READ_US;
    int64_t memory = 0;
    size_t room = 0;
    for (p->n = 0; p->n < r->n && (p->n == 0 || memory < r->most); p->n++) {
        if (p->n % CLOCK_EVERY == CLOCK_EVERY - 1 && clock_mono(s->world) > until) break;
        p->v = arena_grow(p->text, p->v, p->n, &room, sizeof *p->v);
        struct letter_read *l = &p->v[p->n];
        *l = (struct letter_read){.letter.email = r->emails[p->n]};
        int bad = read_row(r, db, l, e);
        if (bad) return bad;
        memory += memory_of(r, l);
    }
    return 0;
}

/* ---- bodies ---- */

static bool has_nul(struct str s) { return s.n && memchr(s.p, 0, s.n); }

static bool header_ends_in(struct str body)
{
    return str_starts(body, S("\r\n")) || str_find(body, S("\r\n\r\n")) < body.n;
}

struct fetching {
    struct store *store;
    struct reading *reading;
    struct pack_wanted *v;
    size_t n;
};

static void add_wanted(struct fetching *f, size_t number, int64_t most)
{
    const struct letter *l = &f->reading->page->v[number].letter;
    f->v[f->n++] = (struct pack_wanted){
        .place = {l->place.pack, l->place.offset, l->place.length, l->place.stored, l->place.codec},
        .body = l->body,
        .most = most,
        .number = number,
    };
}

static void read_bodies(struct fetching *f)
{
    packs_read_group(f->store->packs, f->v, f->n, page_take, f->reading->page);
    for (size_t i = 0; i < f->n; i++) {
        struct letter_read *l = &f->reading->page->v[f->v[i].number];
        l->error = f->v[i].error == ERR_IO ? ERR_UNAVAILABLE : f->v[i].error;
        l->body = f->v[i].bytes;
        l->nul = has_nul(l->letter.prefix) || has_nul(l->body);
    }
}

/* Their packs were compacted since the rows were read: the rows are read again, once. */
static int find_again(struct fetching *f, struct db *db, struct error *e)
{
    size_t n = f->n;
    bool begun = false;
    f->n = 0;
    for (size_t i = 0; i < n; i++) {
        size_t number = f->v[i].number;
        int64_t most = f->v[i].most;
        struct letter_read *l = &f->reading->page->v[number];
        if (l->error != ERR_NOT_FOUND) continue;
        int r = begun ? 0 : db_begin(db, e);
        if (r) return r;
        begun = true;
        l->error = 0;
        r = read_row(f->reading, db, l, e);
        if (r) return r;
        if (!l->error) add_wanted(f, number, most);
    }
    db_rollback(db);
    if (f->n == 0) return 0;
    read_bodies(f);
    for (size_t i = 0; i < f->n; i++) { /* a row that names a pack which is not there */
        struct letter_read *l = &f->reading->page->v[f->v[i].number];
        if (l->error == ERR_NOT_FOUND) l->error = ERR_CORRUPT;
    }
    return 0;
}

/* Headers longer than the first look, as long as there is room. */
static void look_further(struct fetching *f)
{
    const struct page *p = f->reading->page;
    f->n = 0;
    for (size_t i = 0; i < p->n && (f->n == 0 || (int64_t)f->n * LETTERS_HEADER_MOST < f->reading->most); i++) {
        const struct letter_read *l = &p->v[i];
        if (l->error || l->body.n < FIRST_LOOK || (int64_t)l->body.n >= l->letter.place.length) continue;
        if (!header_ends_in(l->body)) add_wanted(f, i, LETTERS_HEADER_MOST);
    }
    if (f->n) read_bodies(f);
}

static int read_letters(struct store *s, struct db *db, void *arg, struct error *e)
{
    struct reading *r = arg;
    struct page *p = r->page;
    int bad = read_rows(s, r, db, e);
    db_rollback(db); /* reading bodies needs no snapshot */
    if (bad || !(r->want & (LETTERS_BYTES | LETTERS_HEADER))) return bad;
    struct fetching f = {.store = s, .reading = r, .v = arena_array(p->text, p->n, sizeof *f.v)};
    for (size_t i = 0; i < p->n; i++)
        if (wanted_of(r, &p->v[i])) add_wanted(&f, i, wanted_of(r, &p->v[i]));
        else if (p->v[i].letter.place.length == 0) p->v[i].body = S("");
    read_bodies(&f);
    bad = find_again(&f, db, e);
    if (!bad && r->want & LETTERS_HEADER) look_further(&f);
    return bad;
}

FIBER int store_letters(struct store *s, struct arena *a, int64_t account, const int64_t *emails, size_t n,
                        unsigned want, int64_t whole, int64_t most, struct letter_read **out, size_t *done,
                        struct error *e)
{
    struct reading r = {account, whole, most, emails, n, want, page_new()};
    arena_defer(a, page_free, r.page);
    int bad = store_read(s, read_letters, &r, e);
    *out = r.page->v;
    *done = bad ? 0 : r.page->n;
    return bad;
}
