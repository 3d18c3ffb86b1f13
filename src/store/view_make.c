/* Snapshots from chunks, and the next snapshot from the one before it: chunks that did not change are shared. */
#include <endian.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "store/view_inside.h"

static void *allocate(size_t n)
{
    void *p = malloc(n);
    if (!p) abort();
    return p;
}

/* ---- chunks ---- */

/* A row's bytes are the entries as they lie in memory where that is little-endian. */
_Static_assert(sizeof(struct view_entry) == ENTRY_PACKED && offsetof(struct view_entry, flags) == 4 &&
                   offsetof(struct view_entry, modseq) == 8 && offsetof(struct view_entry, email) == 16,
               "an entry as packed");

struct view_chunk *view_chunk_make(struct str packed, uint32_t number)
{
    uint32_t n = (uint32_t)(packed.n / ENTRY_PACKED);
    if (n == 0 || packed.n % ENTRY_PACKED != 0 || n > CHUNK_ENTRIES) return NULL;
    struct view_chunk *c = allocate(sizeof *c + packed.n);
    atomic_init(&c->refs, 1);
    atomic_init(&c->facts, NULL);
    c->number = number;
    c->n = n;
    memcpy(c->v, packed.p, packed.n);
    uint64_t modseq = 0;
    uid last = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct view_entry *v = &c->v[i];
        *v = (struct view_entry){le32toh(v->uid), le32toh(v->flags), le64toh(v->modseq),
                                 (int64_t)le64toh((uint64_t)v->email)};
        if (v->uid <= last || chunk_of(v->uid) != number || v->modseq == 0 || v->email <= 0) {
            free(c);
            return NULL;
        }
        last = v->uid;
        if (v->modseq > modseq) modseq = v->modseq;
    }
    c->modseq = modseq;
    return c;
}

struct view_facts *view_facts_new(void)
{
    struct view_facts *f = calloc(1, sizeof *f);
    if (!f) abort();
    atomic_init(&f->refs, 1);
    return f;
}

void view_facts_unref(struct view_facts *f)
{
    if (f && atomic_fetch_sub(&f->refs, 1) == 1) free(f);
}

static struct view_chunk *chunk_ref(const struct view_chunk *c)
{
    struct view_chunk *mine = (struct view_chunk *)(uintptr_t)c;
    atomic_fetch_add_explicit(&mine->refs, 1, memory_order_relaxed);
    return mine;
}

void view_chunk_unref(const struct view_chunk *c)
{
    struct view_chunk *mine = (struct view_chunk *)(uintptr_t)c;
    if (!mine || atomic_fetch_sub_explicit(&mine->refs, 1, memory_order_acq_rel) != 1) return;
    view_facts_unref(atomic_load(&mine->facts));
    free(mine);
}

/* A later state of the same chunk, that nobody has seen yet. */
static void inherit_facts(struct view_chunk *c, const struct view_chunk *former)
{
    struct view_facts *f = atomic_load(&former->facts);
    if (!f) return;
    atomic_fetch_add(&f->refs, 1);
    atomic_store(&c->facts, f);
}

/* ---- snapshots ---- */

static struct snapshot *snapshot_new(const struct view_totals *t, size_t n)
{
    struct snapshot *s = allocate(sizeof *s + n * (sizeof(struct view_chunk *) + sizeof(uint32_t)));
    *s = (struct snapshot){.mailbox = t->mailbox,
                           .account = t->account,
                           .uid_validity = t->uid_validity,
                           .uid_next = t->uid_next > UINT32_MAX ? UINT32_MAX : (uid)t->uid_next,
                           .highest_modseq = t->highest_modseq,
                           .unseen = (uint32_t)t->unseen,
                           .deleted = (uint32_t)t->deleted,
                           .gone = t->gone,
                           .keywords = t->keywords,
                           .chunks = (const struct view_chunk *const *)(s + 1)};
    s->before = (const uint32_t *)(s->chunks + n);
    atomic_init(&s->refs, 1);
    return s;
}

static void put_chunk(struct snapshot *s, struct view_chunk *c)
{
    ((struct view_chunk **)(s + 1))[s->n_chunks] = c;
    ((uint32_t *)(uintptr_t)s->before)[s->n_chunks++] = s->count;
    s->count += c->n;
}

struct snapshot *snapshot_make(const struct view_totals *t, struct view_chunk *const *chunks, size_t n)
{
    struct snapshot *s = snapshot_new(t, n);
    for (size_t i = 0; i < n; i++) put_chunk(s, chunks[i]);
    return s;
}

struct snapshot *snapshot_next(const struct snapshot *old, struct view_update *u)
{
    if (!u->totals.keywords) u->totals.keywords = keywords_ref(old->keywords);
    size_t n_old = u->totals.gone ? 0 : old->n_chunks, n = u->totals.gone ? 0 : u->n;
    struct snapshot *s = snapshot_new(&u->totals, n_old + n);
    u->totals.keywords = NULL;
    for (size_t i = 0, k = 0; i < n_old || k < n;) {
        const struct view_chunk *c = i < n_old ? old->chunks[i] : NULL;
        if (k == n || (c && c->number < u->v[k].number)) {
            put_chunk(s, chunk_ref(c));
            i++;
            continue;
        }
        struct view_chunk *now = u->v[k].chunk;
        if (c && c->number == u->v[k].number) {
            if (now) inherit_facts(now, c);
            i++;
        }
        if (now) put_chunk(s, now);
        u->v[k++].chunk = NULL;
    }
    return s;
}

void snapshot_share(struct snapshot *s, const struct snapshot *old)
{
    struct view_chunk **chunks = (struct view_chunk **)(s + 1);
    for (size_t i = 0, k = 0; i < s->n_chunks && k < old->n_chunks;) {
        const struct view_chunk *c = chunks[i], *former = old->chunks[k];
        if (c->number == former->number && c->n == former->n && memcmp(c->v, former->v, c->n * sizeof *c->v) == 0) {
            chunks[i] = chunk_ref(former);
            view_chunk_unref(c);
        }
        if (former->number <= chunks[i]->number) k++;
        else i++;
    }
}

const struct snapshot *snapshot_ref(const struct snapshot *s)
{
    if (s) atomic_fetch_add(&((struct snapshot *)(uintptr_t)s)->refs, 1);
    return s;
}

void snapshot_unref(const struct snapshot *s)
{
    struct snapshot *mine = (struct snapshot *)(uintptr_t)s;
    if (!mine || atomic_fetch_sub(&mine->refs, 1) != 1) return;
    for (size_t i = 0; i < s->n_chunks; i++) view_chunk_unref(s->chunks[i]);
    keywords_unref(s->keywords);
    free(mine);
}

/* ---- what a client may not be told yet ---- */

static bool has_uid(const struct view_chunk *c, uint32_t *at, uid u)
{
    while (*at < c->n && c->v[*at].uid < u) ++*at;
    return *at < c->n && c->v[*at].uid == u;
}

/* The later state of a chunk with the entries that are missing there; one more reference. */
static struct view_chunk *chunk_keeping(const struct view_chunk *old, const struct view_chunk *now)
{
    uint32_t missing = 0, at = 0;
    if (old == now) return chunk_ref(now);
    for (uint32_t i = 0; i < old->n; i++) missing += !has_uid(now, &at, old->v[i].uid);
    if (missing == 0) return chunk_ref(now);
    uint32_t n = now->n + missing;
    struct view_chunk *c = allocate(sizeof *c + n * sizeof *c->v);
    *c = (struct view_chunk){.number = now->number,
                             .n = n,
                             .modseq = old->modseq > now->modseq ? old->modseq : now->modseq};
    atomic_init(&c->refs, 1);
    atomic_init(&c->facts, NULL);
    inherit_facts(c, now);
    for (uint32_t i = 0, k = 0, to = 0; to < n; to++) {
        bool from_old = i < old->n && (k == now->n || old->v[i].uid < now->v[k].uid);
        if (!from_old && i < old->n && old->v[i].uid == now->v[k].uid) i++;
        c->v[to] = from_old ? old->v[i++] : now->v[k++];
    }
    return c;
}

static bool has_same_chunks(const struct snapshot *s, const struct snapshot *now)
{
    if (s->n_chunks != now->n_chunks) return false;
    for (size_t i = 0; i < s->n_chunks; i++)
        if (s->chunks[i] != now->chunks[i]) return false;
    return true;
}

const struct snapshot *snapshot_keeping(const struct snapshot *old, const struct snapshot *now)
{
    const struct view_totals t = {.mailbox = now->mailbox,
                                  .account = now->account,
                                  .uid_validity = now->uid_validity,
                                  .uid_next = now->uid_next,
                                  .highest_modseq = now->highest_modseq,
                                  .unseen = now->unseen,
                                  .deleted = now->deleted,
                                  .gone = now->gone,
                                  .keywords = keywords_ref(now->keywords)};
    struct snapshot *s = snapshot_new(&t, old->n_chunks + now->n_chunks);
    for (size_t i = 0, k = 0; i < old->n_chunks || k < now->n_chunks;) {
        const struct view_chunk *was = i < old->n_chunks ? old->chunks[i] : NULL;
        const struct view_chunk *is = k < now->n_chunks ? now->chunks[k] : NULL;
        if (was && is && was->number == is->number) {
            put_chunk(s, chunk_keeping(was, is));
            i++;
            k++;
        } else if (was && (!is || was->number < is->number)) {
            put_chunk(s, chunk_ref(was));
            i++;
        } else {
            put_chunk(s, chunk_ref(is));
            k++;
        }
    }
    bool same = has_same_chunks(s, now);
    snapshot_unref(same ? s : now);
    return same ? now : s;
}

size_t snapshot_bytes(const struct snapshot *s)
{
    size_t bytes = sizeof *s + s->n_chunks * (sizeof(void *) + sizeof(uint32_t));
    for (size_t i = 0; i < s->n_chunks; i++) {
        const struct view_chunk *c = s->chunks[i];
        bytes += sizeof *c + c->n * sizeof *c->v + (atomic_load(&c->facts) ? sizeof(struct view_facts) : 0);
    }
    return bytes;
}

/* ---- what a commit changed ---- */

struct noted {
    uint32_t number;
    size_t age; /* 0: the newest */
    struct str packed;
};

static int by_number(const void *a, const void *b)
{
    const struct noted *x = a, *y = b;
    if (x->number != y->number) return x->number < y->number ? -1 : 1;
    return x->age < y->age ? -1 : 1;
}

struct view_update *view_update_of(struct store *s, struct mailbox_row *m)
{
    size_t n = 1, at = 0;
    for (const struct chunk_note *c = m->changed; c; c = c->next) n++;
    struct noted *v = arena_array(s->writer.arena, n, sizeof *v);
    if (m->tail_changed)
        v[at++] = (struct noted){(uint32_t)(m->uid_next / CHUNK_ENTRIES), 0, str_of(m->tail, m->tail_n)};
    for (const struct chunk_note *c = m->changed; c; c = c->next, at++)
        v[at] = (struct noted){c->number, at, str_of(c->packed, c->n)};
    qsort(v, at, sizeof *v, by_number);
    struct view_update *u = allocate(sizeof *u + at * sizeof *u->v);
    *u = (struct view_update){.totals = {.mailbox = m->id,
                                         .account = m->account,
                                         .uid_validity = m->uid_validity,
                                         .uid_next = m->uid_next,
                                         .highest_modseq = m->highest_modseq,
                                         .unseen = m->unseen,
                                         .deleted = m->deleted,
                                         .gone = m->gone,
                                         .keywords = keywords_ref(m->keywords)}};
    for (size_t i = 0; i < at; i++)
        if (i == 0 || v[i].number != v[i - 1].number)
            u->v[u->n++] = (struct view_chunk_update){v[i].number, view_chunk_make(v[i].packed, v[i].number)};
    return u;
}

void view_update_free(struct view_update *u)
{
    for (size_t i = 0; i < u->n; i++) view_chunk_unref(u->v[i].chunk);
    keywords_unref(u->totals.keywords);
    free(u);
}
