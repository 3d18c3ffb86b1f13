/* The writer's cache of hot rows (see rows.h). Counters are taken in ascending order of id when they are written, so
 * that two engines' locks never meet crosswise (store.md, "Shape"). */
#include <stdlib.h>

#include "store/inside.h"

enum { ROWS_KEPT = 256 }; /* mailboxes; more are forgotten after a group */

static struct str key_of(const int64_t *id) { return str_of(id, sizeof *id); }

static void *allocate(size_t n)
{
    void *p = calloc(1, n);
    if (!p) abort();
    return p;
}

void rows_init(struct rows *r, struct hash_key key)
{
    map_init(&r->mailboxes, key);
    map_init(&r->accounts, key);
}

static void forget(struct map *m)
{
    const struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(m, &i));) free(entry->value);
    map_free(m);
}

static void forget_mailboxes(struct map *m)
{
    const struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(m, &i));) keywords_unref(((struct mailbox_row *)entry->value)->keywords);
    forget(m);
}

void rows_forget(struct rows *r)
{
    forget_mailboxes(&r->mailboxes);
    forget(&r->accounts);
    r->dirty_mailboxes = NULL;
    r->dirty_accounts = NULL;
    r->n_dirty_mailboxes = r->n_dirty_accounts = r->n_news = 0;
    r->stale = false;
}

void rows_free(struct rows *r)
{
    rows_forget(r);
    free(r->news);
    r->news = NULL;
}

static int corrupt(struct error *e, int64_t mailbox)
{
    return error_set(e, ERR_CORRUPT, "mailbox %lld: its entries are damaged", (long long)mailbox);
}

int rows_mailbox(struct store *s, int64_t id, struct mailbox_row **out, struct error *e)
{
    struct rows *r = &s->writer.rows;
    *out = map_get(&r->mailboxes, key_of(&id));
    if (*out && (*out)->gone) return error_set(e, ERR_NOT_FOUND, "the mailbox was deleted");
    if (*out) return 0;
    struct query q = db_query(s->writer.db, SQL_MAILBOX_LOAD);
    q_int(&q, id);
    int found = q_row(&q, e);
    if (found < 0) return found;
    if (found == 0) return error_set(e, ERR_NOT_FOUND, "there is no mailbox %lld", (long long)id);
    struct str tail = q_get(&q, 9);
    if (tail.n > CHUNK_PACKED || tail.n % ENTRY_PACKED != 0) {
        q_end(&q);
        return corrupt(e, id);
    }
    struct mailbox_row *m = allocate(sizeof *m);
    *m = (struct mailbox_row){.id = id,
                              .account = q_get_int(&q, 0),
                              .uid_next = (uint64_t)q_get_int(&q, 1),
                              .highest_modseq = (uint64_t)q_get_int(&q, 2),
                              .messages = q_get_int(&q, 3),
                              .unseen = q_get_int(&q, 4),
                              .octets = q_get_int(&q, 5),
                              .deleted = q_get_int(&q, 6),
                              .recent_uid = q_get_int(&q, 7),
                              .uid_validity = (uint32_t)q_get_int(&q, 8),
                              .tail_n = tail.n};
    memcpy(m->tail, tail.p, tail.n);
    q_end(&q);
    map_set(&r->mailboxes, key_of(&m->id), m);
    *out = m;
    return 0;
}

int rows_account(struct store *s, int64_t id, struct account_row **out, struct error *e)
{
    struct rows *r = &s->writer.rows;
    *out = map_get(&r->accounts, key_of(&id));
    if (*out && (*out)->removed) return error_set(e, ERR_NOT_FOUND, "the account was removed");
    if (*out) return 0;
    struct query q = db_query(s->writer.db, SQL_ACCOUNT_LOAD);
    q_int(&q, id);
    int found = q_row(&q, e);
    if (found < 0) return found;
    if (found == 0) return error_set(e, ERR_NOT_FOUND, "there is no account %lld", (long long)id);
    struct account_row *a = allocate(sizeof *a);
    *a = (struct account_row){.id = id,
                              .modseq = (uint64_t)q_get_int(&q, 0),
                              .used_bytes = q_get_int(&q, 1),
                              .used_count = q_get_int(&q, 2),
                              .uid_validity = q_get_int(&q, 3),
                              .inbox = q_get_int(&q, 4),
                              .kept_bytes = q_get_int(&q, 5),
                              .kept_count = q_get_int(&q, 6)};
    q_end(&q);
    lock_take(s->lock);
    const struct submission *known = map_get(&s->submissions, key_of(&id));
    if (known) a->usage = known->usage;
    lock_give(s->lock);
    map_set(&r->accounts, key_of(&a->id), a);
    *out = a;
    return 0;
}

int rows_remove_account(struct store *s, int64_t account, struct error *e)
{
    struct account_row *a;
    int r = rows_account(s, account, &a, e);
    if (r) return r;
    a->removed = s->writer.rows.stale = true;
    s->writer.collect.garbage += a->used_bytes;
    return 0;
}

void rows_touch_mailbox(struct store *s, struct mailbox_row *m)
{
    struct rows *r = &s->writer.rows;
    if (m->dirty) return;
    m->dirty = true;
    m->next_dirty = r->dirty_mailboxes;
    r->dirty_mailboxes = m;
    r->n_dirty_mailboxes++;
}

static void list_account(struct rows *r, struct account_row *a)
{
    if (a->dirty || a->submitted) return;
    a->next_dirty = r->dirty_accounts;
    r->dirty_accounts = a;
    r->n_dirty_accounts++;
}

void rows_touch_account(struct store *s, struct account_row *a)
{
    list_account(&s->writer.rows, a);
    a->dirty = true;
}

void rows_touch_submission(struct store *s, struct account_row *a)
{
    list_account(&s->writer.rows, a);
    a->submitted = true;
}

uint64_t rows_next_modseq(struct store *s, struct account_row *a)
{
    rows_touch_account(s, a);
    return ++a->modseq;
}

/* ---- entries ---- */

static uint32_t tail_number(const struct mailbox_row *m) { return (uint32_t)(m->uid_next / CHUNK_ENTRIES); }

static int save_chunk(struct store *s, int64_t mailbox, uint32_t number, struct str packed, uint64_t modseq,
                      struct error *e)
{
    struct query q = db_query(s->writer.db, packed.n ? SQL_CHUNK_SAVE : SQL_CHUNK_DELETE);
    q_int(&q, mailbox);
    q_int(&q, number);
    if (packed.n) {
        q_int(&q, (int64_t)modseq);
        q_bytes(&q, packed);
    }
    return q_run(&q, e);
}

static uint64_t highest(const struct entry *v, size_t n)
{
    uint64_t modseq = 0;
    for (size_t i = 0; i < n; i++)
        if (v[i].modseq > modseq) modseq = v[i].modseq;
    return modseq;
}

static void note_chunk(struct store *s, struct mailbox_row *m, uint32_t number, struct str packed)
{
    struct chunk_note *note = arena_alloc(s->writer.arena, sizeof *note + packed.n);
    note->next = m->changed;
    note->number = number;
    note->n = packed.n;
    if (packed.n) memcpy(note->packed, packed.p, packed.n);
    m->changed = note;
}

/* The next UID falls into another chunk: what filled so far becomes a row of its own. */
static int move_tail(struct store *s, struct mailbox_row *m, struct error *e)
{
    struct entry *v = arena_array(s->writer.arena, CHUNK_ENTRIES, sizeof *v);
    size_t n;
    uint32_t full = (uint32_t)((m->uid_next - 1) / CHUNK_ENTRIES);
    if (chunk_unpack(str_of(m->tail, m->tail_n), full, v, &n)) return corrupt(e, m->id);
    note_chunk(s, m, full, str_of(m->tail, m->tail_n));
    int r = n ? save_chunk(s, m->id, full, str_of(m->tail, m->tail_n), highest(v, n), e) : 0;
    m->tail_n = 0;
    return r;
}

void rows_count(struct store *s, struct mailbox_row *m, struct account_row *a, flag_set flags, int64_t size, int by)
{
    m->messages += by;
    m->unseen += flags & FLAG_SEEN ? 0 : by;
    m->deleted += flags & FLAG_DELETED ? by : 0;
    m->octets += by * size;
    rows_touch_account(s, a);
    a->used_bytes += by * size;
    a->used_count += by;
}

void rows_keep(struct store *s, struct account_row *a, int64_t bytes, int64_t letters)
{
    rows_touch_account(s, a);
    a->kept_bytes += bytes;
    a->kept_count += letters;
}

struct account_use rows_use(const struct store *s, const struct account_row *a)
{
    struct account_use use = {a->used_bytes, a->used_count};
    if (s->count_expunged) use = (struct account_use){use.bytes + a->kept_bytes, use.count + a->kept_count};
    return use;
}

int rows_append(struct store *s, struct mailbox_row *m, struct account_row *a, struct entry *entry, struct error *e)
{
    if (m->uid_next > UINT32_MAX)
        return error_set(e, ERR_CONFLICT, "mailbox %lld has used up its UIDs", (long long)m->id);
    entry->uid = (uid)m->uid_next;
    entry->modseq = rows_next_modseq(s, a);
    entry_pack(entry, m->tail + m->tail_n);
    m->tail_n += ENTRY_PACKED;
    m->uid_next++;
    m->highest_modseq = entry->modseq;
    m->tail_changed = true;
    rows_mailbox_news(s, m, NEWS_ADDED);
    rows_touch_mailbox(s, m);
    rows_count(s, m, a, entry->flags, entry->size, 1);
    return m->uid_next % CHUNK_ENTRIES == 0 ? move_tail(s, m, e) : 0;
}

int rows_chunk(struct store *s, struct mailbox_row *m, uint32_t from, uint32_t *number, struct entry *v, size_t *n,
               struct error *e)
{
    struct query q = db_query(s->writer.db, SQL_CHUNKS);
    q_int(&q, m->id);
    q_int(&q, from);
    int found = q_row(&q, e);
    if (found < 0) return found;
    int r = 0;
    if (found) {
        *number = (uint32_t)q_get_int(&q, 0);
        r = chunk_unpack(q_get(&q, 1), *number, v, n);
        q_end(&q);
    } else if (from <= tail_number(m)) {
        *number = tail_number(m);
        r = chunk_unpack(str_of(m->tail, m->tail_n), *number, v, n);
    } else {
        return 0;
    }
    return r ? corrupt(e, m->id) : 1;
}

int rows_chunk_put(struct store *s, struct mailbox_row *m, uint32_t number, const struct entry *v, size_t n,
                   struct error *e)
{
    rows_touch_mailbox(s, m);
    if (number == tail_number(m)) {
        m->tail_n = chunk_pack(v, n, m->tail);
        m->tail_changed = true;
        return 0;
    }
    char bytes[CHUNK_PACKED];
    struct str packed = str_of(bytes, chunk_pack(v, n, bytes));
    note_chunk(s, m, number, packed);
    return save_chunk(s, m->id, number, packed, highest(v, n), e);
}

void rows_remove_mailbox(struct store *s, struct mailbox_row *m)
{
    rows_touch_mailbox(s, m);
    m->gone = s->writer.rows.stale = true;
    rows_mailbox_news(s, m, NEWS_DELETED);
}

void rows_mailbox_news(struct store *s, struct mailbox_row *m, unsigned news)
{
    if (m->news == 0) m->news_by = s->writer.by;
    else if (m->news_by != s->writer.by) m->news_by = NULL;
    m->news |= news;
}

static void add_news(struct store *s, const struct news_note *note)
{
    struct rows *r = &s->writer.rows;
    if (r->n_news == r->cap_news) {
        r->cap_news = r->cap_news ? r->cap_news * 2 : 16;
        r->news = realloc(r->news, r->cap_news * sizeof *r->news);
        if (!r->news) abort();
    }
    r->news[r->n_news] = *note;
    r->news[r->n_news++].by = s->writer.by;
}

void rows_news(struct store *s, int64_t account, int64_t mailbox, unsigned news)
{
    add_news(s, &(struct news_note){.account = account, .mailbox = mailbox, .news = news});
}

void rows_news_entry(struct store *s, int64_t account, int64_t mailbox, struct str entry, int64_t only)
{
    add_news(s, &(struct news_note){.account = account,
                                    .mailbox = mailbox,
                                    .news = NEWS_METADATA,
                                    .entry = arena_str(s->writer.arena, entry),
                                    .only = only});
}

/* ---- writing ---- */

static int save_mailbox(struct store *s, struct mailbox_row *m, struct error *e)
{
    struct query q = db_query(s->writer.db, SQL_MAILBOX_SAVE);
    q_int(&q, (int64_t)m->uid_next);
    q_int(&q, (int64_t)m->highest_modseq);
    q_int(&q, m->messages);
    q_int(&q, m->unseen);
    q_int(&q, m->octets);
    q_int(&q, m->deleted);
    q_int(&q, m->recent_uid);
    q_bytes(&q, str_of(m->tail, m->tail_n));
    q_int(&q, m->id);
    return q_run(&q, e);
}

static int save_submission(struct store *s, struct account_row *a, struct error *e)
{
    struct query q = db_query(s->writer.db, SQL_SUBMISSION_PUT);
    q_int(&q, a->id);
    q_int(&q, a->usage.hour_ends);
    q_int(&q, a->usage.hour);
    q_int(&q, a->usage.day_ends);
    q_int(&q, a->usage.day);
    return q_run(&q, e);
}

static int save_account(struct store *s, struct account_row *a, struct error *e)
{
    struct query q = db_query(s->writer.db, SQL_ACCOUNT_SAVE);
    q_int(&q, (int64_t)a->modseq);
    q_int(&q, a->used_bytes);
    q_int(&q, a->used_count);
    q_int(&q, a->uid_validity);
    q_int(&q, a->kept_bytes);
    q_int(&q, a->kept_count);
    q_int(&q, a->id);
    return q_run(&q, e);
}

static int by_id(const void *a, const void *b)
{
    int64_t x = **(int64_t *const *)a, y = **(int64_t *const *)b; /* both kinds of row begin with their id */
    return (x > y) - (x < y);
}
_Static_assert(offsetof(struct mailbox_row, id) == 0 && offsetof(struct account_row, id) == 0, "by_id");

int rows_flush(struct store *s, struct error *e)
{
    struct rows *r = &s->writer.rows;
    struct account_row **accounts = arena_array(s->writer.arena, r->n_dirty_accounts, sizeof(*accounts));
    struct mailbox_row **mailboxes = arena_array(s->writer.arena, r->n_dirty_mailboxes, sizeof(*mailboxes));
    size_t n_accounts = 0, n_mailboxes = 0;
    for (struct account_row *a = r->dirty_accounts; a; a = a->next_dirty) accounts[n_accounts++] = a;
    for (struct mailbox_row *m = r->dirty_mailboxes; m; m = m->next_dirty) mailboxes[n_mailboxes++] = m;
    qsort(accounts, n_accounts, sizeof(*accounts), by_id);
    qsort(mailboxes, n_mailboxes, sizeof(*mailboxes), by_id);
    int failed = 0;
    for (size_t i = 0; !failed && i < n_accounts; i++) {
        if (accounts[i]->dirty) failed = save_account(s, accounts[i], e);
        if (!failed && accounts[i]->submitted) failed = save_submission(s, accounts[i], e);
    }
    for (size_t i = 0; !failed && i < n_mailboxes; i++) failed = save_mailbox(s, mailboxes[i], e);
    return failed;
}

static void publish_submission(struct store *s, const struct account_row *a)
{
    lock_take(s->lock);
    struct submission *known = map_get(&s->submissions, key_of(&a->id));
    if (!known) {
        known = allocate(sizeof *known);
        known->account = a->id;
        map_set(&s->submissions, key_of(&known->account), known);
    }
    known->usage = a->usage;
    lock_give(s->lock);
}

void rows_committed(struct store *s)
{
    struct rows *r = &s->writer.rows;
    for (struct account_row *a = r->dirty_accounts; a; a = a->next_dirty) {
        struct account_use use = rows_use(s, a);
        if (a->dirty) directory_set_used(s->directory, a->id, use.bytes, use.count);
        if (a->submitted) publish_submission(s, a);
        a->dirty = a->submitted = false;
    }
    for (struct mailbox_row *m = r->dirty_mailboxes; m; m = m->next_dirty) {
        m->dirty = m->tail_changed = false;
        m->news = 0;
        m->changed = NULL;
    }
    r->dirty_accounts = NULL;
    r->dirty_mailboxes = NULL;
    r->n_dirty_accounts = r->n_dirty_mailboxes = r->n_news = 0;
    if (r->stale || r->mailboxes.live > ROWS_KEPT || r->accounts.live > ROWS_KEPT) rows_forget(r);
}
