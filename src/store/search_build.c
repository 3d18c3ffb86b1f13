/* Keeping the search index behind the commits (search_index.h). One fiber, on threads of the pool: it reads which
 * letters are new, remembers them as pending, and makes segments of accounts that have enough. */
#include <stdlib.h>

#include "base/utf8.h"
#include "mail/limits.h"
#include "proto/mime/fold.h"
#include "store/blob.h"
#include "store/search_index.h"
#include "store/search_letter.h"
#include "store/space.h"

enum {
    NEW_ROWS = 2000,          /* letters taken note of at once */
    PENDING_MOST = 1 << 20,   /* bytes of an account's pending letters */
    REMAKE = 8,               /* segments made anew at once */
    DEAD_LETTERS = 1024,      /* more than half must be dead, and so many, before segments are made anew */
    WAL_PAGES = 2000,         /* of the index, before a checkpoint */
};

struct building {
    struct store *s;
    struct search_letter letter;
    struct grams *grams;
    /* new letters */
    int64_t seen;
    struct {
        int64_t email, account;
    } * rows;
    size_t n_rows;
    /* the segment at hand */
    int64_t account;
    int64_t *pending;  /* ascending */
    size_t n_pending;
    int64_t *taken;    /* INDEX_SEGMENT: letters that are there */
    size_t n_taken, at; /* at: of pending */
    struct letters_mask rich;
    bool more;
    int64_t after;     /* accounts looked at for dead letters */
    int64_t live;      /* letters of an account, -1: it is gone */
    struct error error;
    int result;
    int (*job)(struct building *b, struct error *e);
};

static struct db *writer(struct building *b) { return b->s->search->writer; }

/* ---- the index's rows ---- */

static int by_id(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The account's pending letters into b->pending, with room for `more`. */
static int load_pending(struct building *b, int64_t account, size_t more, struct error *e)
{
    struct query q = db_query(writer(b), SQL_INDEX_PENDING);
    q_int(&q, account);
    int r = q_row(&q, e);
    if (r < 0) return r;
    struct blob in = {r > 0 ? q_get(&q, 0) : S(""), false};
    size_t n = in.rest.n ? blob_count(&in, 1) : 0;
    free(b->pending);
    b->pending = calloc(n + more + 1, sizeof *b->pending);
    if (!b->pending) abort();
    for (size_t i = 0; i < n; i++) b->pending[i] = (i ? b->pending[i - 1] : 0) + blob_int(&in);
    b->n_pending = n;
    q_end(&q);
    return in.bad ? error_set(e, ERR_CORRUPT, "pending letters of the search index are damaged") : 0;
}

static int save_pending(struct building *b, int64_t account, const int64_t *v, size_t n, struct error *e)
{
    if (n == 0) {
        struct query q = db_query(writer(b), SQL_INDEX_PENDING_DELETE);
        q_int(&q, account);
        return q_run(&q, e);
    }
    struct buf packed = BUF(PENDING_MOST);
    blob_put_uint(&packed, n);
    for (size_t i = 0; i < n; i++) blob_put_int(&packed, v[i] - (i ? v[i - 1] : 0));
    struct query q = db_query(writer(b), SQL_INDEX_PENDING_PUT);
    q_int(&q, account);
    q_int(&q, (int64_t)n);
    q_bytes(&q, buf_str(&packed));
    int r = packed.failed ? error_set(e, ERR_TOO_LONG, "too many letters wait for the index") : q_run(&q, e);
    buf_free(&packed);
    return r;
}

static int finish(struct building *b, int r, struct error *e)
{
    if (!r) r = db_commit(writer(b), e);
    if (r) db_rollback(writer(b));
    else if (db_wal_frames(writer(b)) > WAL_PAGES) db_checkpoint(writer(b), NULL, NULL);
    return r;
}

/* ---- new letters ---- */

static int read_new(struct store *s, struct db *db, void *arg, struct error *e)
{
    (void)s;
    struct building *b = arg;
    b->n_rows = 0;
    struct query q = db_query(db, SQL_SEARCH_NEW);
    q_int(&q, b->seen);
    q_int(&q, NEW_ROWS);
    int r;
    while ((r = q_row(&q, e)) > 0) {
        b->rows[b->n_rows].email = q_get_int(&q, 0);
        b->rows[b->n_rows++].account = q_get_int(&q, 1);
    }
    return r;
}

static int by_account(const void *a, const void *b)
{
    const int64_t *x = a, *y = b; /* email, account */
    if (x[1] != y[1]) return (x[1] > y[1]) - (x[1] < y[1]);
    return (x[0] > y[0]) - (x[0] < y[0]);
}

static int load_seen(struct building *b, struct error *e)
{
    int r = search_index_open(b->s, e);
    if (r) return r;
    struct query q = db_query(writer(b), SQL_INDEX_STATE);
    r = q_row(&q, e);
    b->seen = r > 0 ? q_get_int(&q, 0) : 0;
    q_end(&q);
    return r < 0 ? r : 0;
}

static int note_new(struct building *b, struct error *e)
{
    int64_t seen = b->rows[b->n_rows - 1].email;
    qsort(b->rows, b->n_rows, sizeof *b->rows, by_account);
    int r = db_begin(writer(b), e);
    for (size_t i = 0; i < b->n_rows && !r;) {
        size_t from = i;
        while (i < b->n_rows && b->rows[i].account == b->rows[from].account) i++;
        r = load_pending(b, b->rows[from].account, i - from, e);
        for (size_t k = from; k < i && !r; k++) b->pending[b->n_pending++] = b->rows[k].email;
        if (!r) r = save_pending(b, b->rows[from].account, b->pending, b->n_pending, e);
    }
    struct query q = db_query(writer(b), SQL_INDEX_STATE_PUT);
    q_int(&q, seen);
    if (!r) r = q_run(&q, e);
    r = finish(b, r, e);
    if (!r) b->seen = seen;
    return r;
}

/* ---- a segment ---- */

static int find_full(struct building *b, struct error *e)
{
    struct query q = db_query(writer(b), SQL_INDEX_PENDING_FULL);
    q_int(&q, (int64_t)b->s->search->segment);
    int r = q_one_int(&q, &b->account, e);
    b->more = r == 0;
    if (r) return r == ERR_NOT_FOUND ? 0 : r;
    r = load_pending(b, b->account, 0, e);
    if (b->n_pending) qsort(b->pending, b->n_pending, sizeof *b->pending, by_id);
    b->at = b->n_taken = 0;
    b->rich = (struct letters_mask){{0}};
    grams_clear(b->grams);
    return r;
}

/* Accents are left out by those who search loosely. */
static void add_text(struct building *b, struct str text)
{
    grams_add(b->grams, text);
    if (str_is_ascii(text)) return;
    buf_clear(b->letter.scratch);
    fold_strip(text, b->letter.scratch);
    grams_add(b->grams, buf_str(b->letter.scratch));
}

static bool hear(void *arg, enum text_place place, struct str text)
{
    (void)place;
    add_text(arg, text);
    return true;
}

static int take_letter(struct building *b)
{
    for (enum search_kind k = SEARCH_SUBJECT; k <= SEARCH_BCC; k++) add_text(b, search_letter_field(&b->letter, k));
    int r = search_letter_text(&b->letter, TEXT_FIELD | TEXT_PART | TEXT_BODY, hear, b);
    bool rich;
    grams_end(b->grams, &rich);
    if (r || b->letter.error || rich) /* what cannot be read now may be later: it is looked at then */
        b->rich.bits[b->n_taken / 64] |= UINT64_C(1) << (b->n_taken % 64);
    b->taken[b->n_taken++] = b->pending[b->at];
    return 0;
}

/* As many letters of the segment as 20 ms allow. */
static int read_letters(struct store *s, struct db *db, void *arg, struct error *e)
{
    struct building *b = arg;
    mono_us end = clock_mono(s->world) + READ_US;
    while (b->at < b->n_pending && !grams_full(b->grams)) {
        int r = search_letter_load(&b->letter, db, b->account, b->pending[b->at], e);
        if (r < 0) return r;
        if (r > 0) take_letter(b);
        b->at++;
        if (clock_mono(s->world) > end) return 0;
    }
    b->more = false;
    return 0;
}

static int put_row(void *arg, unsigned bucket, struct str packed)
{
    struct building *b = arg;
    struct query q = db_query(writer(b), SQL_INDEX_POSTINGS_PUT);
    q_int(&q, b->account);
    q_int(&q, b->taken[b->n_taken - 1]);
    q_int(&q, bucket);
    q_bytes(&q, packed);
    return q_run(&q, &b->error);
}

static int write_segment(struct building *b, struct error *e)
{
    struct buf packed = BUF(1 << 16);
    int r = db_begin(writer(b), e);
    if (!r && b->n_taken > 0) {
        segment_pack(&packed, b->taken, b->n_taken, &b->rich);
        struct query q = db_query(writer(b), SQL_INDEX_SEGMENT_PUT);
        q_int(&q, b->account);
        q_int(&q, b->taken[b->n_taken - 1]);
        q_int(&q, (int64_t)b->n_taken);
        q_bytes(&q, buf_str(&packed));
        r = q_run(&q, e);
        if (!r) r = grams_rows(b->grams, put_row, b);
    }
    buf_free(&packed);
    if (!r) r = save_pending(b, b->account, b->pending + b->at, b->n_pending - b->at, e);
    r = finish(b, r, e);
    if (r) return r;
    atomic_fetch_add(&b->s->search->letters, (int64_t)b->n_taken);
    atomic_fetch_add(&b->s->search->segments, b->n_taken > 0);
    return 0;
}

/* ---- dead letters ---- */

static int next_account(struct building *b, struct error *e)
{
    struct query q = db_query(writer(b), SQL_INDEX_SIZES);
    q_int(&q, b->after);
    int r = q_row(&q, e);
    b->more = r > 0;
    b->account = r > 0 ? q_get_int(&q, 0) : 0;
    b->n_rows = r > 0 ? (size_t)q_get_int(&q, 1) : 0; /* letters in its segments */
    q_end(&q);
    return r < 0 ? r : 0;
}

static int count_live(struct store *s, struct db *db, void *arg, struct error *e)
{
    (void)s;
    struct building *b = arg;
    struct query q = db_query(db, SQL_SEARCH_ACCOUNT);
    q_int(&q, b->account);
    int r = q_one_int(&q, &b->live, e);
    if (r == ERR_NOT_FOUND) b->live = -1;
    return r == ERR_NOT_FOUND ? 0 : r;
}

static int delete_segment(struct building *b, int64_t last, struct error *e)
{
    static const enum sql both[] = {SQL_INDEX_SEGMENTS_DELETE, SQL_INDEX_POSTINGS_DELETE};
    int r = 0;
    for (size_t i = 0; i < 2 && !r; i++) {
        struct query q = db_query(writer(b), both[i]);
        q_int(&q, b->account);
        q_int(&q, last);
        r = q_run(&q, e);
    }
    return r;
}

/* The account's oldest segments are taken apart; what lives of them waits for a new one. */
static int remake(struct building *b, struct error *e)
{
    int64_t last[REMAKE];
    size_t n = 0;
    int r = db_begin(writer(b), e);
    if (!r) r = load_pending(b, b->account, REMAKE * INDEX_SEGMENT, e);
    struct query q = db_query(writer(b), SQL_INDEX_SEGMENTS);
    q_int(&q, b->account);
    q_int(&q, 0);
    int more = 0;
    while (!r && n < REMAKE && (more = q_row(&q, e)) > 0) {
        size_t letters;
        struct letters_mask rich;
        last[n++] = q_get_int(&q, 0);
        r = segment_unpack(q_get(&q, 1), b->pending + b->n_pending, &letters, &rich);
        if (!r) b->n_pending += letters;
    }
    q_end(&q);
    if (!r && more < 0) r = more;
    for (size_t i = 0; i < n && !r; i++) r = delete_segment(b, last[i], e);
    if (!r) r = save_pending(b, b->account, b->pending, b->live < 0 ? 0 : b->n_pending, e);
    b->more = n == REMAKE;
    return finish(b, r, e);
}

/* ---- the fiber ---- */

static void run_job(void *arg)
{
    struct building *b = arg;
    b->error = (struct error){0};
    b->result = b->job(b, &b->error);
    if (!search_index_is_lost(b->result)) return;
    lock_take(b->s->search->lock);
    b->s->search->damaged |= writer(b) != NULL;
    lock_give(b->s->search->lock);
}

static FIBER int job(struct building *b, int (*fn)(struct building *b, struct error *e))
{
    if (space_is_low(b->s->space)) return ERR_NO_SPACE; /* what room there is belongs to the mail */
    b->job = fn;
    offload(run_job, b);
    return b->result;
}

/* Makes way for deliveries: rests as long as it has worked, longer while letters come in. */
static FIBER int rest(struct building *b, mono_us began)
{
    struct world *w = b->s->world;
    int64_t commits = atomic_load(&b->s->count.commits), span = clock_mono(w) - began;
    int r = fiber_sleep(span > SPAN_INDEX_REST ? SPAN_INDEX_REST : span);
    for (int i = 0; !r && i < 10 && atomic_load(&b->s->count.commits) - commits > 10; i++) {
        commits = atomic_load(&b->s->count.commits);
        r = fiber_sleep(SPAN_INDEX_REST);
    }
    return r;
}

static FIBER int make_segments(struct building *b)
{
    int r;
    while (!(r = job(b, find_full)) && b->more) {
        mono_us began = clock_mono(b->s->world);
        while (b->more && !r) r = store_read(b->s, read_letters, b, NULL);
        if (!r) r = job(b, write_segment);
        if (!r) r = rest(b, began);
        if (r) break;
    }
    return r;
}

static FIBER int index_new(struct building *b)
{
    int r = job(b, load_seen);
    if (!r) r = make_segments(b);
    while (!r) {
        r = store_read(b->s, read_new, b, NULL);
        if (r || b->n_rows == 0) break;
        r = job(b, note_new);
        if (!r) r = make_segments(b);
    }
    return r;
}

/* Accounts that are gone, and those whose segments are mostly dead letters. */
static FIBER int look_for_dead(struct building *b)
{
    int r = 0;
    for (b->after = 0; !r && !(r = job(b, next_account)) && b->more; b->after = b->account) {
        int64_t indexed = (int64_t)b->n_rows;
        r = store_read(b->s, count_live, b, NULL);
        bool dead = b->live < 0 || indexed > b->live * 2 + DEAD_LETTERS;
        while (!r && dead && !(r = job(b, remake)) && b->more) r = fiber_sleep(SPAN_INDEX_REST);
        if (!r && dead) r = make_segments(b);
    }
    return r;
}

static void wake(struct post *p)
{
    struct search_index *x = list_entry(p, struct search_index, wake);
    event_set(&x->news);
}

static void attach(struct search_index *x, struct loop *l)
{
    lock_take(x->lock);
    x->loop = l;
    lock_give(x->lock);
}

static void building_free(struct building *b)
{
    search_letter_end(&b->letter);
    grams_free(b->grams);
    free(b->rows);
    free(b->pending);
    free(b->taken);
}

static FIBER int catch_up(struct store *s, mono_us *look_at_dead)
{
    struct building b = {.s = s, .grams = grams_new()};
    search_letter_begin(&b.letter, s);
    b.rows = calloc(NEW_ROWS, sizeof *b.rows);
    b.taken = calloc(INDEX_SEGMENT, sizeof *b.taken);
    if (!b.rows || !b.taken) abort();
    int r = index_new(&b);
    if (!r && clock_mono(s->world) >= *look_at_dead) {
        r = look_for_dead(&b);
        *look_at_dead = clock_mono(s->world) + SPAN_INDEX_DEAD;
    }
    building_free(&b);
    return r;
}

FIBER void store_search_indexer(struct store *s)
{
    struct search_index *x = s->search;
    mono_us look_at_dead = 0;
    x->wake.fn = wake;
    attach(x, loop_self());
    for (int r = 0; r != ERR_CANCELLED;) {
        atomic_store(&x->told, false); /* what comes from here on is news */
        event_clear(&x->news);
        r = catch_up(s, &look_at_dead);
        if (r == ERR_CANCELLED) break;
        if (r) r = fiber_sleep(SPAN_INDEX_RETRY);
        else if ((r = event_wait(&x->news, FOREVER)) == 0) r = fiber_sleep(SPAN_INDEX_DELAY);
    }
    attach(x, NULL);
}
