/* Pieces of the set operations on entries (see entries_inside.h). */
#include "store/entries_inside.h"

/* ---- sets ---- */

struct set_walk set_walk_from(const struct uid_set *set, uid u)
{
    size_t from = 0, to = set->n;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (set->v[middle].last < u) from = middle + 1;
        else to = middle;
    }
    return (struct set_walk){set, from};
}

bool set_walk_has(struct set_walk *w, uid u)
{
    while (w->at < w->set->n && w->set->v[w->at].last < u) w->at++;
    return w->at < w->set->n && w->set->v[w->at].first <= u;
}

uint32_t set_walk_chunk(struct set_walk *w, uint32_t chunk)
{
    const struct uid_set *set = w->set;
    while (w->at < set->n && chunk_of(set->v[w->at].last) < chunk) w->at++;
    if (w->at == set->n) return UINT32_MAX;
    uint32_t first = chunk_of(set->v[w->at].first);
    return first > chunk ? first : chunk;
}

static void free_gathered(void *ranges) { buf_free(ranges); }

struct buf *gathered_new(struct arena *a)
{
    struct buf *b = arena_new_of(a, struct buf);
    arena_defer(a, free_gathered, b);
    *b = BUF(SIZE_MAX);
    return b;
}

void gather(struct buf *ranges, uid u)
{
    struct uid_range one = {u, u}, *last = ranges->n ? (struct uid_range *)(void *)(ranges->p + ranges->n) - 1 : NULL;
    if (last && last->last + 1 == u) last->last = u;
    else buf_add(ranges, str_of(&one, sizeof one));
}

void gathered_into(struct arena *a, struct uid_set *set, const struct buf *ranges)
{
    const struct uid_range *v = (const struct uid_range *)(const void *)ranges->p;
    for (size_t i = 0; i < ranges->n / sizeof *v; i++) uid_set_add(a, set, v[i].first, v[i].last);
}

/* ---- chunks ---- */

struct chunk_walk *chunk_walk_new(struct store *s, struct mailbox_row *m, const struct uid_set *uids, uint32_t from,
                                  int chunks)
{
    struct chunk_walk *w = arena_new_of(s->writer.arena, struct chunk_walk);
    w->mailbox = m;
    w->wanted = set_walk_from(uids, from * CHUNK_ENTRIES);
    w->next = from;
    w->left = chunks;
    return w;
}

int chunk_walk_next(struct store *s, struct chunk_walk *w, struct error *e)
{
    uint32_t wanted = set_walk_chunk(&w->wanted, w->next);
    w->more = w->left == 0 && wanted != UINT32_MAX;
    if (wanted == UINT32_MAX || w->more) return 0;
    w->left--;
    int r = rows_chunk(s, w->mailbox, wanted, &w->number, w->v, &w->n, e);
    if (r > 0) w->next = w->number + 1;
    return r;
}

/* ---- taking out ---- */

struct burial *burial_new(struct store *s, struct mailbox_row *m, struct account_row *a, bool kept)
{
    struct burial *b = arena_new_of(s->writer.arena, struct burial);
    b->mailbox = m;
    b->account = a;
    b->kept = kept;
    return b;
}

static int put_tombstone(struct store *s, struct burial *b, struct error *e)
{
    struct query q = db_query(s->writer.db, SQL_TOMBSTONE_INSERT);
    q_int(&q, b->account->id);
    q_int(&q, (int64_t)b->modseq);
    q_int(&q, TOMBSTONE_OF_ENTRIES);
    q_int(&q, b->mailbox->id);
    q_int(&q, (int64_t)b->parts++);
    q_int(&q, clock_utc(s->world));
    q_int(&q, b->kept);
    q_bytes(&q, str_of(b->packed, b->n));
    s->writer.collect.garbage += TOMBSTONE_ROW + (int64_t)b->n; /* also where nothing but MOVE ever makes any */
    b->n = 0;
    return q_run(&q, e);
}

int burial_add(struct store *s, struct burial *b, const struct entry *entry, int64_t size, struct error *e)
{
    if (!b->modseq) b->modseq = rows_next_modseq(s, b->account);
    if (b->mailbox->highest_modseq < b->modseq) b->mailbox->highest_modseq = b->modseq;
    rows_mailbox_news(s, b->mailbox, NEWS_GONE);
    rows_touch_mailbox(s, b->mailbox);
    rows_count(s, b->mailbox, b->account, entry->flags, size, -1);
    if (b->kept) rows_keep(s, b->account, size, 1);
    struct tombstone t = {entry->uid, entry->flags, entry->email, size};
    b->n += tombstone_pack(&t, b->kept, b->packed + b->n);
    size_t full = TOMBSTONE_ENTRIES * (b->kept ? TOMBSTONE_PACKED : TOMBSTONE_BARE);
    return b->n == full ? put_tombstone(s, b, e) : 0;
}

int burial_end(struct store *s, struct burial *b, struct error *e) { return b->n ? put_tombstone(s, b, e) : 0; }

/* ---- what every request asks ---- */

int entries_rows(struct store *s, int64_t who, int64_t mailbox, right_set needed, right_set *rights,
                 struct mailbox_row **m, struct account_row **a, struct error *e)
{
    int r = rows_mailbox(s, mailbox, m, e);
    if (!r) r = rows_account(s, (*m)->account, a, e);
    return r ? r : access_check(s->writer.db, who, mailbox, needed, rights, e);
}

flag_set flags_allowed(right_set rights)
{
    flag_set allowed = 0;
    if (rights & RIGHT_SEEN) allowed |= FLAG_SEEN;
    if (rights & RIGHT_DELETE) allowed |= FLAG_DELETED;
    if (rights & RIGHT_WRITE) allowed |= ~(flag_set)(FLAG_SEEN | FLAG_DELETED);
    return allowed;
}

int quota_check(struct store *s, const struct account_row *a, int64_t bytes, int64_t letters, struct error *e)
{
    const struct directory *d = s->writer.directory ? s->writer.directory : s->directory;
    const struct directory_account *account = directory_account_by_id(d, a->id);
    if (letters <= 0 || !account) return 0;
    struct account_use use = rows_use(s, a);
    if (account->quota_bytes && use.bytes + bytes > account->quota_bytes)
        return error_set(e, ERR_CONFLICT, "the account's quota of %lld bytes is used up",
                         (long long)account->quota_bytes);
    if (account->quota_count && use.count + letters > account->quota_count)
        return error_set(e, ERR_CONFLICT, "the account's quota of %lld letters is used up",
                         (long long)account->quota_count);
    return 0;
}

int arrival_put(struct store *s, int64_t mailbox, uid first, uid last, struct error *e)
{
    struct query q = db_query(s->writer.db, SQL_ARRIVAL_INSERT);
    q_int(&q, mailbox);
    q_int(&q, last);
    q_int(&q, first);
    q_int(&q, clock_utc(s->world));
    return q_run(&q, e);
}
