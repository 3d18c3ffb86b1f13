/* The search index as a database: opening and throwing away, and looking up which letters cannot match. */
#include "store/search_index.h"

#include <stdio.h>
#include <stdlib.h>

static const char database[] = "search.db";

/* Rows lie in the order of their keys, and the packed ones inline in a page. */
static const char *const tables[] = {
    "CREATE TABLE state (id INTEGER PRIMARY KEY, seen INTEGER NOT NULL) STRICT", /* seen: the last letter looked at */
    /* last: the highest email id */
    ("CREATE TABLE segment (account INTEGER NOT NULL, last INTEGER NOT NULL, letters INTEGER NOT NULL, "
     "packed BLOB NOT NULL, PRIMARY KEY (account, last)) STRICT, WITHOUT ROWID"),
    ("CREATE TABLE posting (account INTEGER NOT NULL, last INTEGER NOT NULL, bucket INTEGER NOT NULL, "
     "packed BLOB NOT NULL, PRIMARY KEY (account, last, bucket)) STRICT"),
    /* letters in no segment yet */
    ("CREATE TABLE pending (account INTEGER PRIMARY KEY, letters INTEGER NOT NULL, packed BLOB NOT NULL) STRICT"),
    "CREATE INDEX pending_letters ON pending (letters)",
};

struct search_index *search_index_new(struct world *w)
{
    struct search_index *x = calloc(1, sizeof *x);
    if (!x) abort();
    x->lock = lock_new(w);
    event_init(&x->news);
    x->segment = INDEX_SEGMENT;
    return x;
}

static void close_all(struct search_index *x)
{
    db_close(x->idle);
    db_close(x->writer);
    store_vfs_unregister(x->vfs);
    x->idle = x->writer = NULL;
    x->vfs = NULL;
}

void search_index_free(struct search_index *x)
{
    if (!x) return;
    if (x->writer) db_checkpoint(x->writer, NULL, NULL);
    close_all(x);
    lock_free(x->lock);
    free(x);
}

void search_index_tell(struct search_index *x)
{
    if (atomic_load_explicit(&x->told, memory_order_relaxed)) return;
    lock_take(x->lock);
    struct loop *l = x->loop;
    if (l && !atomic_exchange(&x->told, true)) loop_post(l, &x->wake);
    lock_give(x->lock);
}

/* ---- opening ---- */

static int make_tables(struct db *db, struct error *e)
{
    int r = db_begin(db, e);
    for (size_t i = 0; !r && i < sizeof tables / sizeof *tables; i++) r = db_exec(db, tables[i], e);
    char version[64];
    snprintf(version, sizeof version, "PRAGMA user_version=%d", SEARCH_FORMAT);
    if (!r) r = db_exec(db, version, e);
    if (!r) r = db_commit(db, e);
    if (r) db_rollback(db);
    return r;
}

/* All of them are there: what makes them does so in one commit. */
static int find_tables(struct db *db, struct error *e)
{
    int64_t n = 0;
    int r = db_exec_int(db,
                        "SELECT COUNT(*) FROM sqlite_schema WHERE name IN ('state', 'segment', 'posting', 'pending', "
                        "'pending_letters')",
                        &n, e);
    if (!r && n != sizeof tables / sizeof *tables) r = error_set(e, ERR_CORRUPT, "the search index lacks tables");
    return r;
}

static int try_open(struct store *s, struct error *e)
{
    struct search_index *x = s->search;
    int64_t version = 0;
    struct db *db = NULL;
    int r = store_vfs_register(s->world, s->folder, &x->vfs, e);
    if (!r) r = db_open(store_vfs_name(x->vfs), database, DB_INDEX, &db, e);
    if (!r) r = db_checkpoint(db, NULL, e);
    if (!r) r = db_exec_int(db, "PRAGMA user_version", &version, e);
    if (!r && version == 0) r = make_tables(db, e);
    else if (!r && version != SEARCH_FORMAT) r = error_set(e, ERR_CORRUPT, "the search index has another format");
    if (!r) r = find_tables(db, e);
    if (r) {
        db_close(db);
        store_vfs_unregister(x->vfs);
        x->vfs = NULL;
        return r;
    }
    lock_take(x->lock);
    x->writer = db;
    x->damaged = false;
    lock_give(x->lock);
    return 0;
}

static void throw_away(struct store *s)
{
    static const char *const files[] = {"", "-wal", "-journal", "-shm"};
    char path[4096 - 512];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s%s", s->folder, database, files[i]);
        file_remove(s->world, path, NULL);
    }
    atomic_fetch_add(&s->search->rebuilt, 1);
}

enum { OPENINGS = 3 }; /* that fail, before another file is tried: it may lie where the disk cannot be read */

int search_index_open(struct store *s, struct error *e)
{
    struct search_index *x = s->search;
    lock_take(x->lock);
    bool good = x->writer && !x->damaged, busy = x->reading > 0;
    lock_give(x->lock);
    if (good) return 0;
    if (busy) return error_set(e, ERR_BUSY, "the search index is still read");
    bool damaged = x->damaged;
    close_all(x);
    if (damaged) throw_away(s);
    int r = try_open(s, e);
    if (r == 0) x->unopened = 0;
    if (r == 0 || (r != ERR_CORRUPT && ++x->unopened < OPENINGS)) return r;
    throw_away(s);
    return try_open(s, e);
}

bool search_index_is_lost(int result)
{
    return result == ERR_CORRUPT || result == ERR_CONFLICT || result == ERR_IO || result == ERR_NO_SPACE;
}

/* ---- looking up ---- */

enum { HASHES = 16, ENOUGH = 2 }; /* of a text that are looked up; letters left over that are not worth another */

struct candidate {
    int64_t email;
    size_t at;
};

struct lookup {
    struct db *db;
    int64_t account;
    struct candidate *v; /* by email */
    size_t n;
    uint32_t *excluded;
    struct {
        size_t leaf, n;
        uint32_t hash[HASHES];
    } of[INDEX_LEAVES];
    size_t n_of;
};

static int by_email(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    return (x->email > y->email) - (x->email < y->email);
}

static size_t mask_count(const struct letters_mask *m)
{
    int n = 0;
    for (size_t i = 0; i < INDEX_SEGMENT / 64; i++) n += __builtin_popcountll(m->bits[i]);
    return (size_t)n;
}

/* Which letters of the segment may hold what leaf `of` looks for. */
static int ask_segment(struct lookup *l, size_t of, int64_t last, struct letters_mask *m, struct error *e)
{
    memset(m, 0xff, sizeof *m);
    int r = 0;
    for (size_t i = 0; i < l->of[of].n && !r && mask_count(m) > (i ? ENOUGH : 0); i++) {
        uint32_t hash = l->of[of].hash[i];
        struct query q = db_query(l->db, SQL_INDEX_POSTINGS);
        q_int(&q, l->account);
        q_int(&q, last);
        q_int(&q, gram_bucket(hash));
        r = q_row(&q, e);
        if (r >= 0) r = gram_keep(r > 0 ? q_get(&q, 0) : S(""), hash, m);
        q_end(&q);
    }
    return r;
}

/* The first candidate that is not before `email`. */
static size_t first_from(const struct lookup *l, int64_t email)
{
    size_t low = 0, high = l->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (l->v[middle].email < email) low = middle + 1;
        else high = middle;
    }
    return low;
}

static int look_in_segment(struct lookup *l, int64_t last, const int64_t *emails, size_t n,
                           const struct letters_mask *rich, struct error *e)
{
    size_t from = first_from(l, emails[0]);
    if (from == l->n || l->v[from].email > emails[n - 1]) return 0;
    for (size_t of = 0; of < l->n_of; of++) {
        struct letters_mask m;
        int r = ask_segment(l, of, last, &m, e);
        if (r) return r;
        size_t c = from;
        for (size_t i = 0; i < n; i++) {
            while (c < l->n && l->v[c].email < emails[i]) c++;
            if ((m.bits[i / 64] | rich->bits[i / 64]) >> (i % 64) & 1) continue;
            for (size_t same = c; same < l->n && l->v[same].email == emails[i]; same++)
                l->excluded[l->v[same].at] |= UINT32_C(1) << l->of[of].leaf;
        }
    }
    return 0;
}

static int look_up(struct lookup *l, struct error *e)
{
    int64_t *emails = calloc(INDEX_SEGMENT, sizeof *emails);
    if (!emails) abort();
    struct query q = db_query(l->db, SQL_INDEX_SEGMENTS);
    q_int(&q, l->account);
    q_int(&q, 0);
    int r;
    while ((r = q_row(&q, e)) > 0) {
        size_t n;
        struct letters_mask rich;
        r = segment_unpack(q_get(&q, 1), emails, &n, &rich);
        if (!r) r = look_in_segment(l, q_get_int(&q, 0), emails, n, &rich, e);
        if (r) break;
    }
    q_end(&q);
    free(emails);
    return r;
}

/* The keys that can be looked up. */
static void take_leaves(struct lookup *l, const struct search_plan *p)
{
    for (size_t i = 0; i < p->n && i < INDEX_LEAVES; i++) {
        const struct search_leaf *leaf = &p->leaves[i];
        uint32_t *hash = l->of[l->n_of].hash;
        size_t n = 0;
        if (leaf->n_words == 0) n = gram_hashes(leaf->needle, hash, HASHES);
        for (size_t w = 0; w < leaf->n_words; w++) n += gram_hashes(leaf->words[w], hash + n, HASHES - n);
        l->of[l->n_of].leaf = i;
        l->of[l->n_of].n = n;
        l->n_of += n > 0;
    }
}

static void take_candidates(struct lookup *l, const int64_t *emails, size_t n)
{
    bool ordered = true;
    l->v = malloc((n ? n : 1) * sizeof *l->v);
    if (!l->v) abort();
    l->n = n;
    for (size_t i = 0; i < n; i++) {
        l->v[i] = (struct candidate){emails[i], i};
        ordered &= i == 0 || emails[i - 1] <= emails[i];
    }
    if (!ordered) qsort(l->v, n, sizeof *l->v, by_email);
}

/* A reader's connection; false: there is no index. */
static bool begin_reading(struct search_index *x, struct db **db)
{
    lock_take(x->lock);
    bool there = x->writer && !x->damaged;
    if (there) {
        x->reading++;
        *db = x->idle;
        x->idle = NULL;
    }
    lock_give(x->lock);
    return there;
}

static void end_reading(struct search_index *x, struct db *db, int result)
{
    if (db) db_rollback(db);
    lock_take(x->lock);
    if (search_index_is_lost(result)) x->damaged = true;
    if (!x->idle && result == 0) {
        x->idle = db;
        db = NULL;
    }
    lock_give(x->lock);
    db_close(db); /* before it counts as gone: who throws the index away waits for that */
    lock_take(x->lock);
    x->reading--;
    lock_give(x->lock);
    if (search_index_is_lost(result)) search_index_tell(x);
}

void search_index_exclude(struct store *s, int64_t account, const struct search_plan *p, const int64_t *emails,
                          size_t n, uint32_t *excluded)
{
    struct search_index *x = s->search;
    struct lookup *l = calloc(1, sizeof *l);
    if (!l) abort();
    *l = (struct lookup){.account = account, .excluded = excluded};
    take_leaves(l, p);
    if (l->n_of > 0 && begin_reading(x, &l->db)) {
        take_candidates(l, emails, n);
        int r = l->db ? 0 : db_open(store_vfs_name(x->vfs), database, DB_READER, &l->db, NULL);
        if (!r) r = db_begin(l->db, NULL);
        if (!r) r = look_up(l, NULL);
        if (r) memset(excluded, 0, n * sizeof *excluded);
        end_reading(x, l->db, r);
        free(l->v);
    }
    free(l);
}
