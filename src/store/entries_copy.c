/* COPY and MOVE (RFC 9051 §6.4.7, RFC 6851): letters of one mailbox into another, all of them or none.
 *
 * Up to COPY_ENTRIES go in one commit. More go in pieces; when one fails, what the others have made is taken back:
 * copies are expunged, what was moved is moved back. Entries are gathered before any is made, since both mailboxes may
 * be the same one. */
#include "proto/imf/message_id.h"
#include "proto/mime/derive.h"
#include "store/entries_inside.h"

enum { COPY_ENTRIES = 10000, COPY_CHUNKS = COPY_ENTRIES / CHUNK_ENTRIES * 4 };

struct copy {
    struct copying *c;
    int64_t who;
    bool back;             /* taking back what failed: there was room before */
    uint32_t from, next;   /* chunk to begin with, and where the next piece begins */
    bool more;
    uint64_t limit;        /* of the source's UIDs: those it had at the beginning; 0: not known */
    size_t n;              /* of this piece */
    struct buf *source, *made;
};

/* The writer's, while a piece runs. */
struct copy_piece {
    struct mailbox_row *from, *to;
    struct account_row *from_account, *to_account;
    flag_set allowed;      /* in `to` */
    struct entry *v;       /* gathered */
    size_t n;
    int64_t bytes;
    struct arena *scratch; /* of one letter at a time */
    flag_set last_from, last_to; /* flags of the entry before, in both mailboxes */
    bool carried;
};

static bool is_over(const struct copy_piece *p) { return p->n + CHUNK_ENTRIES > COPY_ENTRIES; }

/* The chosen ones of a chunk; of a MOVE they go out of it. */
static int gather_chunk(struct store *s, struct copy *c, struct copy_piece *p, struct chunk_walk *w, struct burial *b,
                        struct email_scan *sc, struct error *e)
{
    size_t kept = 0;
    for (size_t i = 0; i < w->n; i++) {
        struct entry *entry = &w->v[i];
        struct email_facts facts;
        if (entry->uid >= c->limit || !set_walk_has(&w->wanted, entry->uid)) {
            w->v[kept++] = *entry;
            continue;
        }
        int r = email_scan_to(sc, entry->email, &facts, e);
        if (r == 0) return error_set(e, ERR_CORRUPT, "entry %u has no letter", entry->uid);
        if (r > 0 && c->c->move) r = burial_add(s, b, entry, facts.size, e);
        if (r < 0) return r;
        entry->size = facts.size;
        p->bytes += facts.size;
        p->v[p->n++] = *entry;
        gather(c->source, entry->uid);
    }
    if (!c->c->move || kept == w->n) return 0;
    w->n = kept;
    return rows_chunk_put(s, w->mailbox, w->number, w->v, kept, e);
}

static int gather_all(struct store *s, struct copy *c, struct copy_piece *p, struct error *e)
{
    int r;
    bool kept = p->from_account != p->to_account && !c->back; /* else it is still there, only elsewhere */
    struct burial *b = burial_new(s, p->from, p->from_account, kept);
    struct chunk_walk *w = chunk_walk_new(s, p->from, c->c->uids, c->from, COPY_CHUNKS);
    struct email_scan sc = email_scan_of(s->writer.db);
    p->v = arena_array(s->writer.arena, COPY_ENTRIES, sizeof *p->v);
    while ((r = chunk_walk_next(s, w, e)) > 0) {
        r = gather_chunk(s, c, p, w, b, &sc, e);
        if (r) break;
        if (is_over(p)) w->left = 0;
    }
    email_scan_end(&sc);
    c->next = w->next;
    c->more = w->more;
    return r ? r : burial_end(s, b, e);
}

/* ---- making ---- */

static int carry_flags(struct store *s, struct copy_piece *p, struct entry *entry, struct error *e)
{
    const flag_set own = ~(((flag_set)1 << FLAG_FIRST_OWN) - 1);
    if (!p->carried || p->last_from != entry->flags) {
        p->last_from = entry->flags;
        /* RFC 4314 §4: who may not keep keywords there makes none either */
        flag_set carried = p->allowed & own ? entry->flags : entry->flags & ~own;
        int r = keywords_carry(s, p->from, p->to, carried, &p->last_to, e);
        if (r) return r;
        p->carried = true;
    }
    entry->flags = p->last_to & p->allowed;
    return 0;
}

/* Its thread in the other account, as if it were delivered there; of its references the envelope has the last alone. */
static int thread_there(struct store *s, struct copy_piece *p, int64_t email, int64_t source, int64_t *thread,
                        struct error *e)
{
    struct mime_envelope envelope;
    uint64_t refs[2];
    size_t n = 0;
    struct query q = db_query(s->writer.db, SQL_LETTER_LOST);
    q_int(&q, source);
    q_int(&q, p->from_account->id);
    int r = q_row(&q, e);
    if (r < 0) return r;
    arena_reset(p->scratch);
    if (r > 0 && mime_envelope_read(p->scratch, q_get(&q, 2), &envelope) == 0) {
        struct str own = imf_message_id(p->scratch, envelope.message_id);
        struct str answered = imf_message_id(p->scratch, envelope.in_reply_to);
        if (own.n) refs[n++] = store_thread_ref(own);
        if (answered.n) refs[n++] = store_thread_ref(answered);
    }
    if (r > 0) q_end(&q);
    return accept_thread(s, p->to_account->id, refs, n, email, thread, e);
}

/* The letter in another account: its own row, on the same body. */
static int copy_email(struct store *s, struct copy_piece *p, struct entry *entry, int64_t source, struct error *e)
{
    int64_t thread;
    int r = thread_there(s, p, entry->email, source, &thread, e);
    if (r) return r;
    struct query q = db_query(s->writer.db, SQL_EMAIL_COPY);
    q_int(&q, entry->email);
    q_int(&q, p->to_account->id);
    q_int(&q, thread);
    q_int(&q, clock_utc(s->world));
    q_int(&q, (int64_t)entry->modseq);
    q_int(&q, source);
    return q_run(&q, e);
}

static int make_one(struct store *s, struct copy *c, struct copy_piece *p, struct entry entry, struct error *e)
{
    int64_t source = entry.email;
    bool foreign = p->from_account != p->to_account;
    int r = carry_flags(s, p, &entry, e);
    if (foreign) entry.email = store_new_id(s);
    if (!r) r = rows_append(s, p->to, p->to_account, &entry, e);
    if (!r) r = foreign ? copy_email(s, p, &entry, source, e) : email_shared(s->writer.db, source, e);
    gather(c->made, entry.uid);
    return r;
}

static int run_copy(struct store *s, void *args, struct error *e)
{
    struct copy *c = args;
    struct copy_piece *p = arena_new_of(s->writer.arena, struct copy_piece);
    right_set from_needed = RIGHT_READ | (c->c->move ? RIGHT_DELETE | RIGHT_EXPUNGE : 0), rights;
    buf_clear(c->source);
    buf_clear(c->made);
    c->n = 0;
    int r = entries_rows(s, c->who, c->c->to, RIGHT_INSERT, &rights, &p->to, &p->to_account, e);
    if (!r) r = entries_rows(s, c->who, c->c->from, from_needed, NULL, &p->from, &p->from_account, e);
    if (r) return r;
    p->allowed = flags_allowed(rights);
    if (!c->limit) c->limit = p->from->uid_next;
    c->c->uid_validity = p->to->uid_validity;
    r = gather_all(s, c, p, e);
    bool stays = c->c->move && p->from_account == p->to_account;
    if (!r && !stays && !c->back) r = quota_check(s, p->to_account, p->bytes, (int64_t)p->n, e);
    uid first = (uid)p->to->uid_next;
    p->scratch = arena_new(NULL, 0);
    for (size_t i = 0; !r && i < p->n; i++) r = make_one(s, c, p, p->v[i], e);
    arena_free(p->scratch);
    c->n = p->n;
    return r || p->n == 0 ? r : arrival_put(s, p->to->id, first, (uid)(p->to->uid_next - 1), e);
}

static const struct job_kind copy_job = {.name = "copy", .run = run_copy, .makes_ids = true};

/* ---- all or nothing ---- */

static FIBER void take_back(struct store *s, struct arena *a, struct copying *c)
{
    if (c->made.n == 0) return;
    if (!c->move) {
        entries_unmake(s, a, c->to, &c->made);
        return;
    }
    struct copying back = {.from = c->to, .to = c->from, .uids = &c->made, .move = true};
    struct copy b = {.c = &back,
                     .who = PRINCIPAL_ADMIN,
                     .back = true,
                     .source = gathered_new(a),
                     .made = gathered_new(a)};
    do {
        if (store_job(s, &copy_job, &b, 0, NULL)) break;
        b.from = b.next;
    } while (b.more);
    buf_free(b.source);
    buf_free(b.made);
}

FIBER int store_copy(struct store *s, struct arena *a, struct copying *c, struct error *e)
{
    struct copy p = {.c = c, .who = c->who, .source = gathered_new(a), .made = gathered_new(a)};
    int r;
    c->source = c->made = (struct uid_set){0}; /* what an earlier one made is not this one's to take back */
    c->n = 0;
    do {
        r = store_job(s, &copy_job, &p, 0, e);
        if (r) break;
        gathered_into(a, &c->source, p.source);
        gathered_into(a, &c->made, p.made);
        c->n += p.n;
        if (!c->move) s->count.messages += (int64_t)p.n;
        p.from = p.next;
    } while (p.more);
    if (r) {
        take_back(s, a, c);
        c->source = c->made = (struct uid_set){0};
        c->n = 0;
    }
    buf_free(p.source);
    buf_free(p.made);
    return r;
}
