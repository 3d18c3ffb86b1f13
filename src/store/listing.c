/* Reading what is in mailboxes: lists of mailboxes, pages of entries, letters. Each is one short read on a thread of
 * the pool, copied to the caller's arena by its own fiber. */
#include <stdlib.h>

#include "store/inside.h"

/* Runs a read whose results lie in an arena of its own, which the thread may use. */
struct reading {
    struct arena *arena;
    struct buf rows; /* structs whose strings point into the arena */
    int64_t id;
    int use;
};

static struct reading reading_of(int64_t id)
{
    return (struct reading){.arena = arena_new(NULL, 0), .rows = BUF(SIZE_MAX), .id = id};
}

static void reading_free(struct reading *r)
{
    arena_free(r->arena);
    buf_free(&r->rows);
}

/* ---- mailboxes ---- */

static int read_mailboxes(struct store *s, struct db *db, void *arg, struct error *e)
{
    (void)s;
    struct reading *re = arg;
    struct query q = db_query(db, re->use >= 0 ? SQL_MAILBOX_BY_USE : SQL_MAILBOXES);
    q_int(&q, re->id);
    if (re->use >= 0) q_int(&q, re->use);
    int r;
    while ((r = q_row(&q, e)) > 0) {
        struct mailbox_info m = {.id = q_get_int(&q, 0),
                                 .account = q_get_int(&q, 1),
                                 .parent = q_get_int(&q, 2),
                                 .name = arena_str(re->arena, q_get(&q, 3)),
                                 .use = (enum special_use)q_get_int(&q, 4),
                                 .uid_validity = (uint32_t)q_get_int(&q, 5),
                                 .uid_next = q_get_int(&q, 6) > UINT32_MAX ? UINT32_MAX : (uid)q_get_int(&q, 6),
                                 .highest_modseq = (uint64_t)q_get_int(&q, 7),
                                 .messages = q_get_int(&q, 8),
                                 .unseen = q_get_int(&q, 9),
                                 .bytes = q_get_int(&q, 10)};
        buf_add(&re->rows, str_of(&m, sizeof m));
    }
    return r;
}

static FIBER int mailboxes(struct store *s, struct arena *a, int64_t account, int use, struct mailbox_info **out,
                           size_t *n, struct error *e)
{
    struct reading re = reading_of(account);
    re.use = use;
    int r = store_read(s, read_mailboxes, &re, e);
    if (!r) {
        *n = re.rows.n / sizeof **out;
        *out = arena_array(a, *n, sizeof **out);
        if (re.rows.n) memcpy(*out, re.rows.p, re.rows.n);
        for (size_t i = 0; i < *n; i++) (*out)[i].name = arena_str(a, (*out)[i].name);
    }
    reading_free(&re);
    return r;
}

FIBER int store_mailboxes(struct store *s, struct arena *a, int64_t account, struct mailbox_info **out, size_t *n,
                          struct error *e)
{
    return mailboxes(s, a, account, -1, out, n, e);
}

FIBER int store_mailbox_by_use(struct store *s, struct arena *a, int64_t account, enum special_use use,
                               struct mailbox_info *out, struct error *e)
{
    struct mailbox_info *found;
    size_t n;
    int r = mailboxes(s, a, account, (int)use, &found, &n, e);
    if (!r && n == 0) r = error_set(e, ERR_NOT_FOUND, "the account has no such mailbox");
    if (!r) *out = found[0];
    return r;
}

/* ---- entries ---- */

struct entries_page {
    int64_t mailbox;
    uid after;
    size_t max, n, cap;
    bool with_sizes, more;
    struct entry *v;
    mono_us end;
};

static void page_put(struct entries_page *p, const struct entry *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (v[i].uid <= p->after) continue;
        if (p->n == p->max) {
            p->more = true;
            return;
        }
        if (p->n == p->cap) {
            p->cap = p->cap ? p->cap * 2 : 256;
            p->v = realloc(p->v, p->cap * sizeof *p->v);
            if (!p->v) abort();
        }
        p->v[p->n++] = v[i];
    }
}

/* The letters' sizes; a page that takes too long ends early. */
static int page_sizes(struct store *s, struct db *db, struct entries_page *p, struct error *e)
{
    enum { LOOK = 64 }; /* entries between two looks at the clock */
    struct query q = db_query(db, SQL_EMAIL_SIZE);
    for (size_t i = 0; i < p->n; i++) {
        if (i > 0 && i % LOOK == 0 && clock_mono(s->world) > p->end) {
            p->n = i;
            p->more = true;
            return 0;
        }
        q_int(&q, p->v[i].email);
        int r = q_one_int(&q, &p->v[i].size, e);
        if (r == ERR_NOT_FOUND) return error_set(e, ERR_CORRUPT, "entry %u has no letter", p->v[i].uid);
        if (r) return r;
    }
    return 0;
}

static int read_entries(struct store *s, struct db *db, void *arg, struct error *e)
{
    struct entries_page *p = arg;
    p->end = clock_mono(s->world) + READ_US;
    struct query tail = db_query(db, SQL_MAILBOX_TAIL), q = db_query(db, SQL_CHUNKS);
    q_int(&tail, p->mailbox);
    int r = q_row(&tail, e);
    if (r <= 0) return r < 0 ? r : error_set(e, ERR_NOT_FOUND, "there is no such mailbox");
    struct entry *chunk = malloc(CHUNK_ENTRIES * sizeof *chunk);
    if (!chunk) abort();
    size_t n;
    int bad = 0;
    q_int(&q, p->mailbox);
    q_int(&q, chunk_of(p->after));
    while (!bad && !p->more && (r = q_row(&q, e)) > 0) {
        if (clock_mono(s->world) > p->end && p->n > 0) p->more = true;
        else if (!(bad = chunk_unpack(q_get(&q, 1), (uint32_t)q_get_int(&q, 0), chunk, &n))) page_put(p, chunk, n);
    }
    q_end(&q);
    if (r >= 0 && !bad && !p->more) {
        bad = chunk_unpack(q_get(&tail, 1), (uint32_t)(q_get_int(&tail, 0) / CHUNK_ENTRIES), chunk, &n);
        if (!bad) page_put(p, chunk, n);
    }
    q_end(&tail);
    free(chunk);
    if (r < 0) return r;
    if (bad) return error_set(e, ERR_CORRUPT, "mailbox %lld: its entries are damaged", (long long)p->mailbox);
    return p->with_sizes ? page_sizes(s, db, p, e) : 0;
}

static void free_page(void *page)
{
    struct entries_page *p = page;
    free(p->v);
    p->v = NULL;
}

FIBER int store_entries(struct store *s, struct arena *a, int64_t mailbox, uid after, size_t max, bool with_sizes,
                        struct entry **out, size_t *n, bool *more, struct error *e)
{
    struct entries_page *p = arena_new_of(a, struct entries_page);
    arena_defer(a, free_page, p);
    *p = (struct entries_page){.mailbox = mailbox, .after = after, .max = max, .with_sizes = with_sizes};
    int r = store_read(s, read_entries, p, e);
    if (!r) {
        *out = arena_array(a, p->n, sizeof **out);
        if (p->n) memcpy(*out, p->v, p->n * sizeof **out);
        *n = p->n;
        *more = p->more;
    }
    free_page(p);
    return r;
}

/* ---- letters ---- */

struct letter_reading {
    struct arena *arena;
    int64_t account;
    struct letter letter;
};

static int read_letter(struct store *s, struct db *db, void *arg, struct error *e)
{
    (void)s;
    struct letter_reading *lr = arg;
    struct letter *l = &lr->letter;
    struct query q = db_query(db, SQL_LETTER);
    q_int(&q, l->email);
    q_int(&q, lr->account);
    int r = q_row(&q, e);
    if (r <= 0) return r < 0 ? r : error_set(e, ERR_NOT_FOUND, "there is no such letter");
    struct pack_place place;
    *l = (struct letter){.email = l->email,
                         .body = q_get_int(&q, 0),
                         .prefix = arena_str(lr->arena, q_get(&q, 1)),
                         .size = q_get_int(&q, 2),
                         .received_at = q_get_int(&q, 3),
                         .saved_at = q_get_int(&q, 4),
                         .version = (int)q_get_int(&q, 6),
                         .envelope = arena_str(lr->arena, q_get(&q, 7)),
                         .structure = arena_str(lr->arena, q_get(&q, 8)),
                         .preview = arena_str(lr->arena, q_get(&q, 9))};
    bool bad = place_unpack(q_get(&q, 5), &place) != 0 || l->size != (int64_t)l->prefix.n + place.length;
    q_end(&q);
    if (bad) return error_set(e, ERR_CORRUPT, "the letter's row is damaged");
    l->place = (struct body_place){place.pack, place.offset, place.length, place.stored, place.codec};
    return 0;
}

FIBER int store_letter(struct store *s, struct arena *a, int64_t account, int64_t email, struct letter *out,
                       struct error *e)
{
    struct letter_reading lr = {.arena = arena_new(NULL, 0), .account = account, .letter.email = email};
    int r = store_read(s, read_letter, &lr, e);
    if (!r) {
        *out = lr.letter;
        out->prefix = arena_str(a, lr.letter.prefix);
        out->envelope = arena_str(a, lr.letter.envelope);
        out->structure = arena_str(a, lr.letter.structure);
        out->preview = arena_str(a, lr.letter.preview);
    }
    arena_free(lr.arena);
    return r;
}

struct body_reading {
    struct store *store;
    const struct letter *letter;
    void *out;
    int64_t from, n, got;
    struct error error;
};

static void read_body(void *arg)
{
    struct body_reading *b = arg;
    const struct body_place *p = &b->letter->place;
    struct pack_place place = {p->pack, p->offset, p->length, p->stored, p->codec};
    b->got = packs_read(b->store->packs, &place, b->letter->body, b->out, (size_t)b->n, b->from, &b->error);
}

static int read_place(struct store *s, struct db *db, void *arg, struct error *e)
{
    (void)s;
    struct letter *l = arg;
    struct pack_place place;
    struct query q = db_query(db, SQL_BODY_PLACE);
    q_int(&q, l->body);
    int r = q_row(&q, e);
    if (r <= 0) return r < 0 ? r : error_set(e, ERR_NOT_FOUND, "the letter is gone");
    r = place_unpack(q_get(&q, 0), &place);
    q_end(&q);
    if (r) return error_set(e, ERR_CORRUPT, "the letter's row is damaged");
    l->place = (struct body_place){place.pack, place.offset, place.length, place.stored, place.codec};
    return 0;
}

FIBER int store_letter_read(struct store *s, struct arena *a, struct letter *l, int64_t offset, size_t n,
                            struct str *out, struct error *e)
{
    int64_t prefix = (int64_t)l->prefix.n, end = l->size;
    if (offset < 0 || offset > end) offset = end;
    if ((int64_t)n < end - offset) end = offset + (int64_t)n;
    int64_t of_prefix = offset < prefix ? (end < prefix ? end : prefix) - offset : 0;
    char *p = arena_alloc(a, (size_t)(end - offset));
    memcpy(p, l->prefix.p + (of_prefix ? offset : 0), (size_t)of_prefix);
    *out = str_of(p, (size_t)(end - offset));
    int64_t rest = end - offset - of_prefix;
    if (rest == 0) return 0;
    struct body_reading b = {.store = s,
                             .letter = l,
                             .out = p + of_prefix,
                             .from = offset + of_prefix - prefix,
                             .n = rest};
    offload(read_body, &b);
    if (b.got == ERR_NOT_FOUND) { /* its pack was compacted since the row was read: the row is read again, once */
        int r = store_read(s, read_place, l, e);
        if (r) return r;
        offload(read_body, &b);
    }
    if (b.got == rest) return 0;
    if (b.got >= 0) return error_set(e, ERR_CORRUPT, "the letter's body is shorter than its row says");
    if (e) *e = b.error;
    return (int)b.got;
}
