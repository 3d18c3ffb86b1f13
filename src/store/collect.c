/* Collecting what nobody needs any more: letters expunged, mailboxes and accounts removed some time ago, bodies that
 * lost their last reference, packs that lost their bodies (store.md, "Packs").
 *
 * A collection goes through its phases in pieces of at most COLLECT_ROWS rows, each a transaction of its own. Packs are
 * weighed only if nothing was being appended to them when it began, so what is counted can only become less. A pack
 * nobody needs is marked dead, and its file removed after that commit; should that not happen, opening the store does
 * it. A letter may have several entries (COPY, RFC 9051 §6.4.7): it goes with the last of them that is remembered
 * (emails.c counts). */
#include "store/collect.h"

#include <stdlib.h>

#include "store/emails.h"
#include "store/inside.h"
#include "store/pack_record.h"

enum {
    NODE = 0,
    ENVELOPE_ABOUT = 512, /* bytes of an envelope copy, rather too many than too few */
    PACKS_FEW = 256,      /* more of them hold so much that COLLECT_ENOUGH is less than a quarter */
};

static void go_on(struct collect *c, enum collect_phase phase)
{
    c->phase = phase;
    memset(c->after, 0, sizeof c->after);
}

/* One statement whose parameters are all numbers. *changed: rows; may be NULL. */
static int run(struct store *s, enum sql sql, const int64_t *v, size_t n, int64_t *changed, struct error *e)
{
    struct query q = db_query(s->writer.db, sql);
    for (size_t i = 0; i < n; i++) q_int(&q, v[i]);
    int r = q_run(&q, e);
    if (!r && changed) *changed = q_changed(&q);
    return r;
}

static int run_id(struct store *s, enum sql sql, int64_t id, struct error *e) { return run(s, sql, &id, 1, NULL, e); }

/* ---- when ---- */

static struct collect_pack *list_packs(struct store *s, size_t *n)
{
    int64_t *ids, *sizes, open = packs_durable(s->packs).pack;
    size_t all;
    packs_list(s->packs, s->writer.arena, &ids, &sizes, &all);
    struct collect_pack *v = calloc(all + 1, sizeof *v);
    if (!v) abort();
    *n = 0;
    for (size_t i = 0; i < all; i++)
        if (ids[i] != open) v[(*n)++] = (struct collect_pack){.id = ids[i], .size = sizes[i]};
    return v;
}

static int64_t stored_bytes(struct store *s)
{
    size_t n;
    int64_t sum = packs_size(s->packs);
    arena_reset(s->writer.arena);
    struct collect_pack *v = list_packs(s, &n);
    for (size_t i = 0; i < n; i++) sum += v[i].size;
    free(v);
    return sum;
}

bool collect_is_due(struct store *s)
{
    struct collect *c = &s->writer.collect;
    lock_take(s->lock);
    bool asked = !list_empty(&s->collectors);
    lock_give(s->lock);
    if (asked || c->phase != COLLECT_IDLE) return true;
    mono_us now = clock_mono(s->world);
    bool kept_long = c->held >= COLLECT_LEAST && clock_utc(s->world) >= c->due_at;
    if ((c->garbage < COLLECT_LEAST && !kept_long) || now < c->not_before) return false;
    if (now < c->rests_until && !space_is_low(s->space)) return false;
    if (c->garbage >= COLLECT_ENOUGH || kept_long) return true;
    return packs_stats(s->packs).packs <= PACKS_FEW && c->garbage >= stored_bytes(s) / 4;
}

void collect_ask(struct store *s)
{
    lock_take(s->lock);
    list_splice(&s->writer.collect.asked, &s->collectors);
    lock_give(s->lock);
}

/* What is being collected counts as garbage until it is done: the next run begins anew. */
static int put_garbage(struct store *s, int64_t bytes, struct error *e)
{
    char text[24];
    struct buf b = BUF_OVER(text);
    buf_printf(&b, "%lld", (long long)bytes);
    struct query q = db_query(s->writer.db, SQL_SETTING_PUT);
    q_text(&q, S("garbage"));
    q_bytes(&q, buf_str(&b));
    return q_run(&q, e);
}

int collect_save(struct store *s, struct error *e)
{
    struct collect *c = &s->writer.collect;
    return put_garbage(s, c->phase == COLLECT_IDLE ? c->garbage + c->held : COLLECT_ENOUGH, e);
}

int collect_load(struct store *s, struct error *e)
{
    struct writer *w = &s->writer;
    uint64_t bytes = 0;
    int64_t state = 0;
    struct query q = db_query(w->db, SQL_SETTING);
    q_text(&q, S("garbage"));
    int r = q_row(&q, e);
    if (r > 0) str_to_u64(q_get(&q, 0), INT64_MAX, &bytes);
    q_end(&q);
    if (r < 0) return r;
    if (w->collect.garbage < (int64_t)bytes) w->collect.garbage = (int64_t)bytes;
    q = db_query(w->db, SQL_PACK_STATE);
    q_int(&q, w->pack.pack);
    r = q_one_int(&q, &state, e);
    if (r && r != ERR_NOT_FOUND) return r;
    if (state == PACK_DEAD) w->pack = (struct pack_durable){0}; /* the record speaks of a time before */
    return 0;
}

static int begin(struct store *s, struct collect *c, struct error *e)
{
    if (packs_size(s->packs) >= COLLECT_SEALS) {
        packs_seal(s->packs);
        s->writer.pack_now = packs_durable(s->packs);
    }
    free(c->packs);
    c->packs = list_packs(s, &c->n_packs);
    c->until = clock_utc(s->world) - s->keep_expunged_us;
    c->held += c->garbage;
    c->garbage = 0;
    c->buried = 0;
    c->took = 0;
    c->unsure = c->left = false;
    go_on(c, COLLECT_TOMBSTONES);
    return put_garbage(s, COLLECT_ENOUGH, e);
}

/* ---- letters ---- */

struct deleting {
    struct store *store;
    int64_t account;
    size_t rows;
    int result;
    struct error *e;
};

/* One of the letter's entries is gone for good; the letter goes with the last. */
static int let_go(struct store *s, int64_t email, struct error *e)
{
    bool last = false;
    int r = email_let_go(s->writer.db, email, &last, e);
    return r || !last ? r : run_id(s, SQL_EMAIL_DELETE, email, e);
}

/* Letters that went count no longer in the account, if it is there still. */
static int keep_less(struct store *s, int64_t account, int64_t bytes, int64_t letters, struct error *e)
{
    struct account_row *a;
    struct error why = {0};
    int r = letters ? rows_account(s, account, &a, &why) : ERR_NOT_FOUND;
    if (!r) rows_keep(s, a, -bytes, -letters);
    if (r && r != ERR_NOT_FOUND) *e = why;
    return r == ERR_NOT_FOUND ? 0 : r;
}

static void delete_email(const struct tombstone *t, void *arg)
{
    struct deleting *d = arg;
    if (!d->result) d->result = let_go(d->store, t->email, d->e);
    d->rows++;
}

static void delete_kept(const struct tombstone *t, void *arg)
{
    struct deleting *d = arg;
    if (!d->result) d->result = keep_less(d->store, d->account, t->size, t->email != 0, d->e);
    delete_email(t, arg);
}

/* The mailbox (key[2]) does not know any more what was expunged up to the MODSEQ (key[1]). */
static int forget_tombstone(struct store *s, const int64_t key[4], struct error *e)
{
    int r = run(s, SQL_TOMBSTONE_DELETE, key, 4, NULL, e);
    return r ? r : run(s, SQL_MAILBOX_FORGETS, (int64_t[]){key[1], key[2], key[1]}, 3, NULL, e);
}

/* Tombstones with their letters, the oldest first: *more when there may be others. */
static int tombstones(struct store *s, struct collect *c, bool *more, struct error *e)
{
    struct deleting d = {.store = s, .e = e};
    *more = true;
    while (d.rows < COLLECT_ROWS) {
        struct query q = db_query(s->writer.db, SQL_COLLECT_TOMBSTONES);
        q_int(&q, c->until);
        int r = q_row(&q, e);
        if (r <= 0) {
            *more = false;
            return r;
        }
        int64_t key[4];
        for (int i = 0; i < 4; i++) key[i] = q_get_int(&q, i);
        struct str packed = arena_str(s->writer.arena, q_get(&q, 4));
        bool kept = q_get_int(&q, 5) != 0;
        q_end(&q);
        d.account = key[0];
        tombstone_unpack(packed, kept, kept ? delete_kept : delete_email, &d); /* what is damaged names nothing */
        if (!d.result) d.result = forget_tombstone(s, key, e);
        if (d.result) return d.result;
    }
    return 0;
}

static int delete_entries(struct store *s, struct str packed, uint32_t number, size_t *rows, struct error *e)
{
    struct entry *v = arena_array(s->writer.arena, CHUNK_ENTRIES, sizeof *v);
    size_t n = 0;
    int r = 0;
    if (chunk_unpack(packed, number, v, &n)) n = 0;
    for (size_t i = 0; !r && i < n; i++) r = let_go(s, v[i].email, e);
    *rows += n + 1;
    return r;
}

/* The letters of a removed mailbox, chunk by chunk, at last the mailbox itself. */
static int remove_mailbox(struct store *s, int64_t mailbox, struct str tail, uint32_t tail_number, struct error *e)
{
    size_t rows = 0;
    for (int r; rows < COLLECT_ROWS - 2 * CHUNK_ENTRIES;) {
        struct query q = db_query(s->writer.db, SQL_CHUNKS);
        q_int(&q, mailbox);
        q_int(&q, 0);
        r = q_row(&q, e);
        if (r < 0) return r;
        if (r == 0) {
            static const enum sql last[] = {SQL_MAILBOX_KEYWORDS_DELETE, SQL_MAILBOX_ACLS_DELETE,
                                            SQL_MAILBOX_ARRIVALS_DELETE, SQL_MAILBOX_METADATA_DELETE,
                                            SQL_MAILBOX_DELETE};
            r = delete_entries(s, tail, tail_number, &rows, e);
            for (size_t i = 0; !r && i < sizeof last / sizeof *last; i++) r = run_id(s, last[i], mailbox, e);
            return r;
        }
        int64_t key[] = {mailbox, q_get_int(&q, 0)};
        struct str packed = arena_str(s->writer.arena, q_get(&q, 1));
        q_end(&q);
        r = delete_entries(s, packed, (uint32_t)key[1], &rows, e);
        if (!r) r = run(s, SQL_CHUNK_DELETE, key, 2, NULL, e);
        if (r) return r;
    }
    return 0;
}

/* A piece of the first mailbox the statement finds: 1, or 0 when there is none. */
static int remove_a_mailbox(struct store *s, enum sql which, int64_t parameter, struct error *e)
{
    struct query q = db_query(s->writer.db, which);
    q_int(&q, parameter);
    int r = q_row(&q, e);
    if (r <= 0) return r;
    int64_t mailbox = q_get_int(&q, 0);
    uint32_t tail_number = (uint32_t)(q_get_int(&q, 1) / CHUNK_ENTRIES);
    struct str tail = arena_str(s->writer.arena, q_get(&q, 2));
    q_end(&q);
    r = remove_mailbox(s, mailbox, tail, tail_number, e);
    return r ? r : 1;
}

/* The first one's letters count in the account no longer: at once, though they go piece by piece. */
static int uncount_a_mailbox(struct store *s, utc_us until, struct error *e)
{
    struct query q = db_query(s->writer.db, SQL_COLLECT_DELETED);
    q_int(&q, until);
    int r = q_row(&q, e);
    if (r <= 0) return r;
    int64_t mailbox = q_get_int(&q, 0), account = q_get_int(&q, 3), letters = q_get_int(&q, 4),
            bytes = q_get_int(&q, 5);
    q_end(&q);
    if (letters == 0) return 0;
    r = keep_less(s, account, bytes, letters, e);
    return r ? r : run(s, SQL_MAILBOX_COUNTS_LESS, (int64_t[]){letters, bytes, mailbox}, 3, NULL, e);
}

/* Mailboxes that were deleted, of accounts that are there. */
static int mailboxes(struct store *s, struct collect *c, struct error *e)
{
    int r = uncount_a_mailbox(s, c->until, e);
    if (!r) r = remove_a_mailbox(s, SQL_COLLECT_DELETED, c->until, e);
    if (r == 0) go_on(c, COLLECT_ACCOUNTS);
    return r < 0 ? r : 0;
}

/* Only the account's own row stays: its id is never another's. */
static int remove_account(struct store *s, int64_t account, struct error *e)
{
    int r = remove_a_mailbox(s, SQL_COLLECT_MAILBOX, account, e);
    if (r) return r < 0 ? r : 0;
    int64_t threads = 0;
    struct query q;
    r = run(s, SQL_THREADS_DELETE, (int64_t[]){account, account, COLLECT_ROWS}, 3, &threads, e);
    if (r || threads > 0) return r;
    q = db_query(s->writer.db, SQL_ACCOUNT_COLLECTED);
    q_bytes(&q, S(""));
    q_int(&q, account);
    return q_run(&q, e);
}

static int accounts(struct store *s, struct collect *c, struct error *e)
{
    int64_t account;
    struct query q = db_query(s->writer.db, SQL_COLLECT_ACCOUNT);
    q_int(&q, c->until);
    int r = q_one_int(&q, &account, e);
    if (r == 0) return remove_account(s, account, e);
    if (r == ERR_NOT_FOUND) go_on(c, COLLECT_WEIGH);
    return r == ERR_NOT_FOUND ? 0 : r;
}

/* ---- bodies ---- */

static int by_pack(const void *a, const void *b)
{
    int64_t x = ((const struct collect_pack *)a)->id, y = ((const struct collect_pack *)b)->id;
    return (x > y) - (x < y);
}

static struct collect_pack *find_pack(struct collect *c, int64_t id)
{
    return bsearch(&(struct collect_pack){.id = id}, c->packs, c->n_packs, sizeof *c->packs, by_pack);
}

struct collect_body {
    int64_t id;
    bool named, damaged;
    struct pack_place place;
};

/* The next page of bodies, copied: what follows changes their table. */
static int page_of_bodies(struct store *s, struct collect *c, struct collect_body **out, size_t *n, struct error *e)
{
    struct query q = db_query(s->writer.db, SQL_COLLECT_BODIES);
    q_int(&q, c->after[0]);
    q_int(&q, COLLECT_ROWS);
    *out = arena_array(s->writer.arena, COLLECT_ROWS, sizeof **out);
    *n = 0;
    int r;
    while ((r = q_row(&q, e)) > 0) {
        struct collect_body *b = &(*out)[(*n)++];
        *b = (struct collect_body){.id = q_get_int(&q, 0), .named = q_get_int(&q, 2) != 0};
        b->damaged = place_unpack(q_get(&q, 1), &b->place) != 0;
    }
    return r;
}

/* Which packs are worth moving out of, now that it is known how much of each is needed. */
static void choose(struct store *s, struct collect *c)
{
    bool any = false, room = !space_is_low(s->space);
    for (size_t i = 0; i < c->n_packs; i++) {
        struct collect_pack *p = &c->packs[i];
        p->moving = room && !c->unsure && p->live > 0 && p->live < p->size / 2;
        any |= p->moving;
    }
    go_on(c, any ? COLLECT_MOVE : COLLECT_BURY);
}

static int weigh(struct store *s, struct collect *c, struct error *e)
{
    struct collect_body *v;
    size_t n;
    int r = page_of_bodies(s, c, &v, &n, e);
    for (size_t i = 0; !r && i < n; i++) {
        struct collect_pack *p = find_pack(c, v[i].place.pack);
        c->after[0] = v[i].id;
        if (!v[i].named) {
            r = run_id(s, SQL_BODY_DELETE, v[i].id, e);
        } else {
            c->unsure |= v[i].damaged;
            if (p) p->live += v[i].place.stored + PACK_RECORD_HEADER + ENVELOPE_ABOUT;
        }
    }
    if (!r && n < COLLECT_ROWS) choose(s, c);
    return r;
}

static int put_place(struct store *s, const struct pack_record *record, struct error *e)
{
    char bytes[PLACE_MAX];
    struct buf place = BUF_OVER(bytes);
    place_pack(&place, &record->place);
    struct query q = db_query(s->writer.db, SQL_BODY_MOVE);
    q_bytes(&q, buf_str(&place));
    q_int(&q, record->body);
    return q_run(&q, e);
}

/* Copies records to the open pack, and the rows with them; the commit remembers the pack's durable size. */
static int move(struct store *s, struct collect *c, struct pack_record *v, size_t n, struct error *e)
{
    if (n == 0) return 0;
    struct writer *w = &s->writer;
    int r = packs_append(s->packs, v, n, e);
    if (r == ERR_NO_SPACE) { /* nothing has changed: the packs stay as they are */
        for (size_t i = 0; i < c->n_packs; i++) c->packs[i].moving = false;
        c->left = true;
        go_on(c, COLLECT_BURY);
        return 0;
    }
    if (r) return r;
    w->pack_now = packs_durable(s->packs);
    w->made_ids = true;
    for (size_t i = 0; !r && i < n; i++) r = put_place(s, &v[i], e);
    return r ? r : run(s, SQL_PACK_PUT, (int64_t[]){w->pack_now.pack, w->pack_now.size, 0}, 3, NULL, e);
}

static int move_page(struct store *s, struct collect *c, struct error *e)
{
    struct pack_record *records = s->writer.records;
    struct collect_body *v;
    size_t n, n_records = 0, i = 0;
    int64_t bytes = 0;
    int r = page_of_bodies(s, c, &v, &n, e);
    if (r) return r;
    for (; i < n && n_records < GROUP_JOBS && bytes < COLLECT_BYTES; i++) {
        struct collect_pack *p = find_pack(c, v[i].place.pack);
        c->after[0] = v[i].id;
        if (!p || !p->moving) continue;
        if (packs_copy(s->packs, &v[i].place, v[i].id, s->writer.arena, &records[n_records], NULL))
            p->moving = false; /* verify tells why; what cannot be read is not thrown away */
        else bytes += records[n_records++].length;
    }
    if (i == n && n < COLLECT_ROWS) go_on(c, COLLECT_BURY);
    return move(s, c, records, n_records, e);
}

/* ---- packs ---- */

static int bury(struct store *s, struct collect *c, struct error *e)
{
    enum { AT_ONCE = 100 };
    int r = 0;
    for (int n = 0; !r && n < AT_ONCE && c->buried < c->n_packs; c->buried++) {
        struct collect_pack *p = &c->packs[c->buried];
        p->dead = !c->unsure && (p->live == 0 || p->moving);
        if (!p->dead) continue;
        n++;
        r = run_id(s, SQL_PACK_DEAD, p->id, e);
    }
    if (!r && c->buried == c->n_packs) go_on(c, COLLECT_FORGET);
    return r;
}

/* What went but is kept a while is looked at again when the first of it has been kept long enough. */
static int look_ahead(struct store *s, struct collect *c, struct error *e)
{
    int64_t first = 0;
    struct query q = db_query(s->writer.db, SQL_COLLECT_NEXT);
    int r = q_one_int(&q, &first, e);
    if (r) return r;
    utc_us soonest = clock_utc(s->world) + HOURS(COLLECT_HOURS);
    if (first == 0) c->held = 0;
    c->due_at = first + s->keep_expunged_us > soonest ? first + s->keep_expunged_us : soonest;
    return 0;
}

static int forget(struct store *s, struct collect *c, struct error *e)
{
    int r = packs_sync(s->packs, e);
    if (!r) r = run_id(s, SQL_PACKS_FORGET, NODE, e);
    if (!r) r = look_ahead(s, c, e);
    if (!r) r = put_garbage(s, c->held, e);
    go_on(c, COLLECT_IDLE);
    return r;
}

int collect_piece(struct store *s, struct error *e)
{
    struct collect *c = &s->writer.collect;
    bool more;
    int r;
    switch (c->phase) {
    case COLLECT_IDLE: return begin(s, c, e);
    case COLLECT_TOMBSTONES:
        r = tombstones(s, c, &more, e);
        if (!r && !more) go_on(c, COLLECT_MAILBOXES);
        return r;
    case COLLECT_MAILBOXES: return mailboxes(s, c, e);
    case COLLECT_ACCOUNTS: return accounts(s, c, e);
    case COLLECT_WEIGH: return weigh(s, c, e);
    case COLLECT_MOVE: return move_page(s, c, e);
    case COLLECT_BURY: return bury(s, c, e);
    case COLLECT_FORGET: return forget(s, c, e);
    }
    return 0;
}

void collect_again(struct store *s, const struct collect *before)
{
    struct collect_pack *packs = s->writer.collect.packs;
    s->writer.collect = *before;
    s->writer.collect.packs = packs;
}

/* Packs whose rows say now that they are dead. */
void collect_committed(struct store *s)
{
    struct collect *c = &s->writer.collect;
    for (size_t i = 0; i < c->buried; i++) {
        struct collect_pack *p = &c->packs[i];
        if (!p->dead) continue;
        p->dead = false;
        if (packs_remove(s->packs, p->id, NULL)) continue;
        s->count.packs_removed++;
        s->count.bytes_collected += p->size;
    }
}

void collect_end(struct store *s, int result)
{
    struct collect *c = &s->writer.collect;
    free(c->packs);
    c->packs = NULL;
    c->n_packs = c->buried = 0;
    if (result && c->phase != COLLECT_IDLE && c->garbage < COLLECT_ENOUGH) c->garbage = COLLECT_ENOUGH;
    if (result) c->not_before = clock_mono(s->world) + COLLECT_RETRY_US;
    c->rests_until = clock_mono(s->world) + COLLECT_RESTS * c->took;
    c->phase = COLLECT_IDLE;
}
