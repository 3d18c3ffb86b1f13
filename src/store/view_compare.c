/* Reading snapshots: sequence numbers (RFC 9051 §2.3.1.2), walking, and what changed between two of them. */
#include "store/chunk.h"
#include "store/view.h"

/* The chunk that holds letter number `seq` (from 1, at most count). */
static size_t chunk_with(const struct snapshot *s, uint32_t seq)
{
    size_t from = 0, to = s->n_chunks;
    while (to - from > 1) {
        size_t middle = from + (to - from) / 2;
        if (s->before[middle] < seq) from = middle;
        else to = middle;
    }
    return from;
}

const struct view_entry *snapshot_at(const struct snapshot *s, uint32_t seq)
{
    if (seq == 0 || seq > s->count) return NULL;
    size_t i = chunk_with(s, seq);
    return &s->chunks[i]->v[seq - s->before[i] - 1];
}

/* The first chunk with number >= number; n_chunks when there is none. */
static size_t chunk_from(const struct snapshot *s, uint32_t number)
{
    size_t from = 0, to = s->n_chunks;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (s->chunks[middle]->number < number) from = middle + 1;
        else to = middle;
    }
    return from;
}

/* The first entry of the chunk with uid >= u; n when there is none. */
static uint32_t entry_from(const struct view_chunk *c, uid u)
{
    uint32_t from = 0, to = c->n;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (c->v[middle].uid < u) from = middle + 1;
        else to = middle;
    }
    return from;
}

uint32_t snapshot_seq_from(const struct snapshot *s, uid u)
{
    size_t i = chunk_from(s, chunk_of(u));
    if (i == s->n_chunks) return s->count + 1;
    return s->before[i] + entry_from(s->chunks[i], u) + 1;
}

uint32_t snapshot_seq(const struct snapshot *s, uid u)
{
    size_t i = chunk_from(s, chunk_of(u));
    if (i == s->n_chunks) return 0;
    const struct view_chunk *c = s->chunks[i];
    uint32_t at = entry_from(c, u);
    return at < c->n && c->v[at].uid == u ? s->before[i] + at + 1 : 0;
}

/* ---- walking ---- */

struct walk walk_from(const struct snapshot *s, uint32_t seq)
{
    struct walk w = {.s = s, .seq = seq ? seq - 1 : 0, .chunk_index = s->n_chunks};
    if (w.seq >= s->count) return w;
    w.chunk_index = chunk_with(s, w.seq + 1);
    w.at = w.seq - s->before[w.chunk_index];
    return w;
}

bool walk_next(struct walk *w)
{
    while (w->chunk_index < w->s->n_chunks) {
        w->chunk = w->s->chunks[w->chunk_index];
        if (w->at < w->chunk->n) {
            w->entry = &w->chunk->v[w->at++];
            w->seq++;
            return true;
        }
        w->chunk_index++;
        w->at = 0;
    }
    w->entry = NULL;
    return false;
}

/* ---- comparing ---- */

/* UIDs of a chunk that are not in the later one (NULL: none is). */
static void gone_from(const struct view_chunk *old, const struct view_chunk *now, struct arena *a, struct uid_set *gone)
{
    for (uint32_t i = 0, k = 0; i < old->n; i++) {
        while (now && k < now->n && now->v[k].uid < old->v[i].uid) k++;
        if (!now || k == now->n || now->v[k].uid != old->v[i].uid) uid_set_add(a, gone, old->v[i].uid, old->v[i].uid);
    }
}

void snapshot_gone(const struct snapshot *old, const struct snapshot *now, struct arena *a, struct uid_set *gone)
{
    for (size_t i = 0, k = 0; i < old->n_chunks; i++) {
        const struct view_chunk *c = old->chunks[i];
        while (k < now->n_chunks && now->chunks[k]->number < c->number) k++;
        const struct view_chunk *later =
            k < now->n_chunks && now->chunks[k]->number == c->number ? now->chunks[k] : NULL;
        if (later != c) gone_from(c, later, a, gone);
    }
}

static void changed_in(const struct view_chunk *old, const struct view_chunk *now, uint32_t before,
                       void (*fn)(uint32_t seq_now, const struct view_entry *e, void *arg), void *arg)
{
    for (uint32_t i = 0, k = 0; k < now->n; k++) {
        const struct view_entry *e = &now->v[k];
        while (i < old->n && old->v[i].uid < e->uid) i++;
        if (i == old->n) return;
        if (old->v[i].uid == e->uid && (old->v[i].flags != e->flags || old->v[i].modseq != e->modseq))
            fn(before + k + 1, e, arg);
    }
}

void snapshot_changed(const struct snapshot *old, const struct snapshot *now,
                      void (*fn)(uint32_t seq_now, const struct view_entry *e, void *arg), void *arg)
{
    for (size_t i = 0, k = 0; k < now->n_chunks; k++) {
        const struct view_chunk *c = now->chunks[k];
        while (i < old->n_chunks && old->chunks[i]->number < c->number) i++;
        if (i == old->n_chunks) return;
        if (old->chunks[i] != c && old->chunks[i]->number == c->number)
            changed_in(old->chunks[i], c, now->before[k], fn, arg);
    }
}
