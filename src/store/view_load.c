/* Snapshots from the database: in one read, from the bytes of the rows to chunks. And the facts of letters. */
#include <stdatomic.h>
#include <stdlib.h>

#include "store/emails.h"
#include "store/view_inside.h"

struct loading {
    struct view_totals totals;
    struct view_chunk **chunks;
    size_t n, cap;
};

static bool put(struct loading *l, struct str packed, uint32_t number)
{
    struct view_chunk *c = view_chunk_make(packed, number);
    if (!c) return false;
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 64;
        l->chunks = realloc(l->chunks, l->cap * sizeof(*l->chunks));
        if (!l->chunks) abort();
    }
    l->chunks[l->n++] = c;
    return true;
}

static int load(struct db *db, struct loading *l, struct error *e)
{
    int64_t mailbox = l->totals.mailbox;
    struct query row = db_query(db, SQL_MAILBOX_LOAD), q = db_query(db, SQL_CHUNKS);
    q_int(&row, mailbox);
    int r = q_row(&row, e);
    if (r <= 0) return r < 0 ? r : error_set(e, ERR_NOT_FOUND, "there is no such mailbox");
    struct view_totals *t = &l->totals;
    t->account = q_get_int(&row, 0);
    t->uid_next = (uint64_t)q_get_int(&row, 1);
    t->highest_modseq = (uint64_t)q_get_int(&row, 2);
    t->unseen = q_get_int(&row, 4);
    t->deleted = q_get_int(&row, 6);
    t->uid_validity = (uint32_t)q_get_int(&row, 8);
    bool good = true;
    q_int(&q, mailbox);
    q_int(&q, 0);
    while (good && (r = q_row(&q, e)) > 0) good = put(l, q_get(&q, 1), (uint32_t)q_get_int(&q, 0));
    q_end(&q);
    struct str tail = q_get(&row, 9);
    if (good && r == 0 && tail.n > 0) good = put(l, tail, (uint32_t)(t->uid_next / CHUNK_ENTRIES));
    q_end(&row);
    if (!good) return error_set(e, ERR_CORRUPT, "mailbox %lld: its entries are damaged", (long long)mailbox);
    return r < 0 ? r : keywords_load(db, mailbox, &t->keywords, e);
}

int snapshot_load(struct db *db, int64_t mailbox, struct snapshot **out, struct error *e)
{
    struct loading l = {.totals.mailbox = mailbox};
    int r = load(db, &l, e);
    if (r == 0) *out = snapshot_make(&l.totals, l.chunks, l.n);
    else
        for (size_t i = 0; i < l.n; i++) view_chunk_unref(l.chunks[i]);
    free(l.chunks);
    return r;
}

/* ---- facts ---- */

static void mask_of(const struct view_chunk *c, uint64_t mask[2])
{
    mask[0] = mask[1] = 0;
    for (uint32_t i = 0; i < c->n; i++) {
        unsigned at = c->v[i].uid % CHUNK_ENTRIES;
        mask[at / 64] |= UINT64_C(1) << at % 64;
    }
}

static bool has_facts(const struct view_chunk *c)
{
    struct view_facts *f = atomic_load(&((struct view_chunk *)(uintptr_t)c)->facts);
    uint64_t mask[2];
    if (!f) return false;
    mask_of(c, mask);
    return (mask[0] & ~atomic_load(&f->known[0])) == 0 && (mask[1] & ~atomic_load(&f->known[1])) == 0;
}

/* Several readers may have read the same; what is known already is not written again. */
static void publish(struct store *s, const struct view_chunk *chunk, struct view_facts *fresh)
{
    struct view_chunk *c = (struct view_chunk *)(uintptr_t)chunk;
    uint64_t mask[2];
    mask_of(c, mask);
    lock_take(s->lock);
    struct view_facts *f = atomic_load(&c->facts);
    for (unsigned at = 0; f && at < CHUNK_ENTRIES; at++) {
        uint64_t bit = UINT64_C(1) << at % 64;
        if (!(mask[at / 64] & bit) || (atomic_load(&f->known[at / 64]) & bit)) continue;
        f->size[at] = fresh->size[at];
        f->received[at] = fresh->received[at];
    }
    for (int i = 0; i < 2; i++) atomic_fetch_or(f ? &f->known[i] : &fresh->known[i], mask[i]);
    if (!f) atomic_store(&c->facts, fresh);
    lock_give(s->lock);
    if (f) view_facts_unref(fresh);
}

struct facts_reading {
    const struct snapshot *snap;
    size_t at, end;
};

static int read_chunk_facts(struct store *s, struct email_scan *sc, const struct view_chunk *c, struct error *e)
{
    struct view_facts *f = view_facts_new();
    for (uint32_t i = 0; i < c->n; i++) {
        struct email_facts facts = {0};
        int r = email_scan_to(sc, c->v[i].email, &facts, e);
        if (r < 0) {
            view_facts_unref(f);
            return r;
        }
        f->size[c->v[i].uid % CHUNK_ENTRIES] = (uint32_t)facts.size;
        f->received[c->v[i].uid % CHUNK_ENTRIES] = facts.received_at;
    }
    publish(s, c, f);
    return 0;
}

static int read_facts(struct store *s, struct db *db, void *arg, struct error *e)
{
    struct facts_reading *re = arg;
    mono_us end = clock_mono(s->world) + READ_US;
    struct email_scan sc = email_scan_of(db);
    int r = 0;
    for (bool any = false; !r && re->at < re->end; re->at++) {
        if (has_facts(re->snap->chunks[re->at])) continue;
        if (any && clock_mono(s->world) > end) break;
        r = read_chunk_facts(s, &sc, re->snap->chunks[re->at], e);
        any = true;
    }
    email_scan_end(&sc);
    return r;
}

FIBER int store_view_facts(struct store *s, const struct snapshot *snap, size_t first, size_t n, struct error *e)
{
    struct facts_reading re = {snap, first, first};
    if (first < snap->n_chunks) re.end = n < snap->n_chunks - first ? first + n : snap->n_chunks;
    for (;;) {
        while (re.at < re.end && has_facts(snap->chunks[re.at])) re.at++;
        if (re.at == re.end) return 0;
        int r = store_read(s, read_facts, &re, e);
        if (r) return r;
    }
}
