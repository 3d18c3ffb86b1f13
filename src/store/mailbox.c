/* Mailboxes: making them, changing flags, expunging (RFC 9051 §6.4.6, §6.4.9). Reading is listing.c's. */
#include <stdlib.h>

#include "base/utf8.h"
#include "mail/limits.h"
#include "store/inside.h"

enum {
    PIECE_CHUNKS = 64, /* of one job: long work comes in pieces and lets acceptances pass */
    TOMBSTONE_OF_ENTRIES = 1,
};

/* ---- making ---- */

struct create {
    int64_t account, parent;
    struct str name;
    enum special_use use;
    int64_t id;
};

static int insert_mailbox(struct store *s, const struct create *c, struct account_row *account, struct error *e)
{
    uint64_t modseq = rows_next_modseq(s, account);
    struct query q = db_query(s->writer.db, SQL_MAILBOX_INSERT);
    q_int(&q, c->id);
    q_int(&q, c->account);
    q_int(&q, c->parent);
    q_text(&q, c->name);
    q_int(&q, c->use);
    q_int(&q, account->uid_validity++);
    q_int(&q, (int64_t)modseq);
    q_int(&q, (int64_t)modseq);
    q_bytes(&q, S(""));
    return q_run(&q, e);
}

static int run_create(struct store *s, void *args, struct error *e)
{
    struct create *c = args;
    struct account_row *account;
    struct mailbox_row *parent = NULL;
    int64_t there;
    int r = rows_account(s, c->account, &account, e);
    if (!r && c->parent) r = rows_mailbox(s, c->parent, &parent, e);
    if (r) return r;
    if (parent && parent->account != c->account)
        return error_set(e, ERR_NOT_FOUND, "the parent is another account's mailbox");
    struct query q = db_query(s->writer.db, SQL_MAILBOX_FIND);
    q_int(&q, c->account);
    q_int(&q, c->parent);
    q_text(&q, c->name);
    r = q_one_int(&q, &there, e);
    if (r == 0) return error_set(e, ERR_EXISTS, "there is a mailbox %.*s already", STR_FMT(c->name));
    if (r != ERR_NOT_FOUND) return r;
    c->id = store_new_id(s);
    return insert_mailbox(s, c, account, e);
}

static const struct job_kind create_job = {.name = "mailbox create", .run = run_create, .makes_ids = true};

FIBER int store_mailbox_create(struct store *s, int64_t account, int64_t parent, struct str name, enum special_use use,
                               int64_t *id, struct error *e)
{
    if (name.n == 0 || name.n > LIMIT_MAILBOX_NAME || !utf8_valid(name) || memchr(name.p, '\0', name.n))
        return error_set(e, ERR_SYNTAX, "not a mailbox name");
    struct create c = {account, parent, name, use, 0};
    int r = store_job(s, &create_job, &c, 0, e);
    if (!r) *id = c.id;
    return r;
}

/* ---- changing what is there, in pieces ---- */

struct edit {
    int64_t mailbox;
    const struct uid_set *uids;
    flag_set add, remove;
    uint32_t from; /* chunk to begin with */
    uint32_t next; /* where the next piece begins, if there is more */
    size_t done;   /* entries this piece has touched */
    bool more;
};

/* The writer's view while a piece runs. */
struct piece {
    struct mailbox_row *mailbox;
    struct account_row *account;
    uint64_t modseq; /* of all this piece changes; 0: nothing yet */
    struct entry v[CHUNK_ENTRIES];
    size_t n;
    char gone[TOMBSTONE_ENTRIES * TOMBSTONE_PACKED];
    size_t gone_n, parts;
};

static uint64_t modseq_of(struct store *s, struct piece *p)
{
    if (!p->modseq) p->mailbox->highest_modseq = p->modseq = rows_next_modseq(s, p->account);
    return p->modseq;
}

static int set_flags(struct store *s, struct edit *ed, struct piece *p, struct error *e)
{
    (void)e;
    for (size_t i = 0; i < p->n; i++) {
        struct entry *entry = &p->v[i];
        flag_set flags = (entry->flags | ed->add) & ~ed->remove;
        if (flags == entry->flags || !uid_set_has(ed->uids, entry->uid)) continue;
        p->mailbox->unseen += (int64_t) !(flags & FLAG_SEEN) - (int64_t) !(entry->flags & FLAG_SEEN);
        entry->flags = flags;
        entry->modseq = modseq_of(s, p);
        rows_note(&s->writer.rows, ed->mailbox, CHANGE_CHANGED, entry);
        ed->done++;
    }
    return 0;
}

static int bury(struct store *s, struct piece *p, struct error *e)
{
    if (p->gone_n == 0) return 0;
    struct query q = db_query(s->writer.db, SQL_TOMBSTONE_INSERT);
    q_int(&q, p->account->id);
    q_int(&q, (int64_t)p->modseq);
    q_int(&q, TOMBSTONE_OF_ENTRIES);
    q_int(&q, p->mailbox->id);
    q_int(&q, (int64_t)p->parts++);
    q_int(&q, clock_utc(s->world));
    q_bytes(&q, str_of(p->gone, p->gone_n));
    p->gone_n = 0;
    return q_run(&q, e);
}

static int expunge_one(struct store *s, struct piece *p, struct entry *entry, struct error *e)
{
    int64_t size = 0;
    struct query q = db_query(s->writer.db, SQL_EMAIL_SIZE);
    q_int(&q, entry->email);
    int r = q_one_int(&q, &size, e);
    if (r == ERR_NOT_FOUND) return error_set(e, ERR_CORRUPT, "entry %u has no letter", entry->uid);
    if (r) return r;
    entry->modseq = modseq_of(s, p);
    p->mailbox->messages--;
    p->mailbox->unseen -= !(entry->flags & FLAG_SEEN);
    p->mailbox->octets -= size;
    p->account->used_bytes -= size;
    p->account->used_count--;
    s->writer.collect.garbage += size;
    p->gone_n += tombstone_pack(entry->uid, entry->email, p->gone + p->gone_n);
    rows_note(&s->writer.rows, p->mailbox->id, CHANGE_GONE, entry);
    return p->gone_n == sizeof p->gone ? bury(s, p, e) : 0;
}

static int expunge(struct store *s, struct edit *ed, struct piece *p, struct error *e)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (!uid_set_has(ed->uids, p->v[i].uid)) {
            p->v[kept++] = p->v[i];
            continue;
        }
        int r = expunge_one(s, p, &p->v[i], e);
        if (r) return r;
        ed->done++;
    }
    p->n = kept;
    return 0;
}

/* The first chunk from `chunk` on that has UIDs of the set; UINT32_MAX when there is none. */
static uint32_t next_wanted(const struct uid_set *uids, uint32_t chunk)
{
    for (size_t i = 0; i < uids->n; i++) {
        if (chunk_of(uids->v[i].last) < chunk) continue;
        return chunk_of(uids->v[i].first) > chunk ? chunk_of(uids->v[i].first) : chunk;
    }
    return UINT32_MAX;
}

static int run_edit(struct store *s, struct edit *ed,
                    int (*fn)(struct store *s, struct edit *ed, struct piece *p, struct error *e), struct error *e)
{
    struct piece *p = arena_new_of(s->writer.arena, struct piece);
    uint32_t number = ed->from;
    int r = rows_mailbox(s, ed->mailbox, &p->mailbox, e);
    if (!r) r = rows_account(s, p->mailbox->account, &p->account, e);
    ed->done = 0;
    ed->more = false;
    for (int i = 0; !r; i++) {
        uint32_t wanted = next_wanted(ed->uids, number);
        ed->more = i == PIECE_CHUNKS && wanted != UINT32_MAX;
        if (wanted == UINT32_MAX || ed->more) break;
        size_t before = ed->done;
        r = rows_chunk(s, p->mailbox, wanted, &number, p->v, &p->n, e);
        if (r <= 0) break; /* past the last one */
        r = fn(s, ed, p, e);
        if (!r && ed->done != before) r = rows_chunk_put(s, p->mailbox, number, p->v, p->n, e);
        number++;
    }
    ed->next = number;
    return r ? r : bury(s, p, e);
}

static int run_flags(struct store *s, void *args, struct error *e) { return run_edit(s, args, set_flags, e); }
static int run_expunge(struct store *s, void *args, struct error *e) { return run_edit(s, args, expunge, e); }

static const struct job_kind flags_job = {.name = "flags", .run = run_flags};
static const struct job_kind expunge_job = {.name = "expunge", .run = run_expunge};

static FIBER int edit_in_pieces(struct store *s, const struct job_kind *kind, struct edit *ed, size_t *done,
                                struct error *e)
{
    int r;
    *done = 0;
    do {
        r = store_job(s, kind, ed, 0, e);
        if (!r) *done += ed->done;
        ed->from = ed->next;
    } while (!r && ed->more);
    return r;
}

FIBER int store_flags(struct store *s, int64_t mailbox, const struct uid_set *uids, flag_set add, flag_set remove,
                      struct error *e)
{
    struct edit ed = {.mailbox = mailbox, .uids = uids, .add = add & ~remove, .remove = remove};
    size_t done;
    return edit_in_pieces(s, &flags_job, &ed, &done, e);
}

FIBER int store_expunge(struct store *s, int64_t mailbox, const struct uid_set *uids, size_t *gone, struct error *e)
{
    struct edit ed = {.mailbox = mailbox, .uids = uids};
    int r = edit_in_pieces(s, &expunge_job, &ed, gone, e);
    s->count.messages -= (int64_t)*gone;
    return r;
}
