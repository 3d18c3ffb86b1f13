/* Flags, and expunging (RFC 9051 §6.4.6, §6.4.9, §6.4.3; RFC 7162 §3.1.3), as operations on sets of UIDs in pieces. */
#include "store/entries_inside.h"

/* ---- flags ---- */

struct flagging {
    struct flags_change *c;
    uint32_t from, next; /* chunk to begin with, and where the next piece begins */
    bool more;           /* if there is one */
    flag_set allowed, flags; /* what may be changed; what is asked for, of that */
    bool resolved;       /* flags is known */
    flag_set lost;       /* flags that letters of this piece have no more */
    uint64_t modseq;     /* of all this piece changes; 0: nothing yet */
    struct buf *changed, *refused;
};

/* The bits the change is about, once there is a letter to change. */
static int resolve(struct store *s, struct flagging *f, struct mailbox_row *m, struct error *e)
{
    flag_set own = 0;
    bool may_keep = f->allowed & (flag_set)1 << FLAG_FIRST_OWN;
    int r = may_keep ? keywords_bits(s, m, f->c->keywords, f->c->n_keywords, f->c->how != FLAGS_REMOVE, &own, e) : 0;
    f->flags = (f->c->flags | own) & f->allowed;
    f->resolved = !r;
    return r;
}

static flag_set flags_then(const struct flagging *f, flag_set flags)
{
    switch (f->c->how) {
    case FLAGS_ADD: return flags | f->flags;
    case FLAGS_REMOVE: return flags & ~f->flags;
    case FLAGS_REPLACE: break;
    }
    return (flags & ~f->allowed) | f->flags;
}

static int flag_one(struct store *s, struct flagging *f, struct mailbox_row *m, struct account_row *a,
                    struct entry *entry, struct error *e)
{
    if (entry->modseq > f->c->unchanged_since) {
        gather(f->refused, entry->uid);
        return 0;
    }
    int r = f->resolved ? 0 : resolve(s, f, m, e);
    flag_set flags = flags_then(f, entry->flags);
    if (r || flags == entry->flags) return r;
    if (!f->modseq) f->modseq = rows_next_modseq(s, a);
    m->highest_modseq = f->modseq;
    rows_mailbox_news(s, m, NEWS_FLAGS);
    m->unseen += (int64_t) !(flags & FLAG_SEEN) - (int64_t) !(entry->flags & FLAG_SEEN);
    m->deleted += (int64_t) !!(flags & FLAG_DELETED) - (int64_t) !!(entry->flags & FLAG_DELETED);
    f->lost |= entry->flags & ~flags;
    entry->flags = flags;
    entry->modseq = f->modseq;
    gather(f->changed, entry->uid);
    return 0;
}

static int may_flag(struct flagging *f, right_set rights, struct error *e)
{
    const struct flags_change *c = f->c;
    f->allowed = flags_allowed(rights);
    flag_set asked = c->flags | (c->n_keywords ? (flag_set)1 << FLAG_FIRST_OWN : 0);
    bool none = c->how == FLAGS_REPLACE ? f->allowed == 0 : asked != 0 && (asked & f->allowed) == 0;
    return none ? error_set(e, ERR_DENIED, "you have no right to these flags") : 0; /* RFC 4314 §4 */
}

static int run_flags(struct store *s, void *args, struct error *e)
{
    struct flagging *f = args;
    struct mailbox_row *m;
    struct account_row *a;
    right_set rights;
    f->modseq = 0;
    f->lost = 0;
    f->resolved = false;
    buf_clear(f->changed);
    buf_clear(f->refused);
    int r = entries_rows(s, f->c->who, f->c->mailbox, RIGHT_READ, &rights, &m, &a, e);
    if (!r) r = may_flag(f, rights, e);
    if (r) return r;
    struct chunk_walk *w = chunk_walk_new(s, m, f->c->uids, f->from, PIECE_CHUNKS);
    while ((r = chunk_walk_next(s, w, e)) > 0) {
        bool any = false;
        r = 0;
        for (size_t i = 0; !r && i < w->n; i++) {
            if (!set_walk_has(&w->wanted, w->v[i].uid)) continue;
            flag_set flags = w->v[i].flags;
            r = flag_one(s, f, m, a, &w->v[i], e);
            any |= flags != w->v[i].flags;
        }
        if (!r && any) r = rows_chunk_put(s, m, w->number, w->v, w->n, e);
        if (r) return r;
    }
    f->next = w->next;
    f->more = w->more;
    return r || f->lost >> FLAG_FIRST_OWN == 0 ? r : keywords_tidy(s, m, e);
}

static const struct job_kind flags_job = {.name = "flags", .run = run_flags};

FIBER int store_flags_change(struct store *s, struct arena *a, struct flags_change *c, struct error *e)
{
    struct flagging f = {.c = c, .changed = gathered_new(a), .refused = gathered_new(a)};
    int r;
    do {
        r = store_job(s, &flags_job, &f, 0, e);
        if (r) break;
        gathered_into(a, &c->changed, f.changed);
        gathered_into(a, &c->refused, f.refused);
        if (f.modseq) c->modseq = f.modseq;
        f.from = f.next;
    } while (f.more);
    buf_free(f.changed);
    buf_free(f.refused);
    return r;
}

/* ---- expunging ---- */

struct expunging {
    int64_t who, mailbox;
    const struct uid_set *uids;
    bool deleted_only, unmade;
    uint32_t from, next;
    bool more;
    struct buf *gone;
    int64_t n; /* of this piece */
    flag_set lost; /* their flags */
};

static int expunge_chunk(struct store *s, struct expunging *x, struct chunk_walk *w, struct burial *b,
                         struct email_scan *sc, struct error *e)
{
    size_t kept = 0;
    for (size_t i = 0; i < w->n; i++) {
        struct entry *entry = &w->v[i];
        struct email_facts facts;
        if (!set_walk_has(&w->wanted, entry->uid) || (x->deleted_only && !(entry->flags & FLAG_DELETED))) {
            w->v[kept++] = *entry;
            continue;
        }
        int r = email_scan_to(sc, entry->email, &facts, e);
        if (r == 0) return error_set(e, ERR_CORRUPT, "entry %u has no letter", entry->uid);
        if (r > 0) r = burial_add(s, b, entry, facts.size, e);
        if (r) return r;
        s->writer.collect.garbage += facts.size;
        gather(x->gone, entry->uid);
        x->lost |= entry->flags;
        x->n++;
    }
    if (kept == w->n) return 0;
    w->n = kept;
    return rows_chunk_put(s, w->mailbox, w->number, w->v, kept, e);
}

static int run_expunge(struct store *s, void *args, struct error *e)
{
    struct expunging *x = args;
    struct mailbox_row *m;
    struct account_row *a;
    x->n = 0;
    x->lost = 0;
    buf_clear(x->gone);
    int r = entries_rows(s, x->who, x->mailbox, RIGHT_EXPUNGE, NULL, &m, &a, e);
    if (r) return r;
    struct burial *b = burial_new(s, m, a, !x->unmade);
    struct chunk_walk *w = chunk_walk_new(s, m, x->uids, x->from, PIECE_CHUNKS);
    struct email_scan sc = email_scan_of(s->writer.db);
    while ((r = chunk_walk_next(s, w, e)) > 0 && (r = expunge_chunk(s, x, w, b, &sc, e)) == 0) continue;
    email_scan_end(&sc);
    x->next = w->next;
    x->more = w->more;
    if (!r) r = burial_end(s, b, e);
    return r || x->lost >> FLAG_FIRST_OWN == 0 ? r : keywords_tidy(s, m, e);
}

static const struct job_kind expunge_job = {.name = "expunge", .run = run_expunge};

static FIBER int expunge(struct store *s, struct arena *a, struct expunging *x, struct uid_set *gone, struct error *e)
{
    int r;
    do {
        r = store_job(s, &expunge_job, x, 0, e);
        if (r) break;
        s->count.messages -= x->n;
        gathered_into(a, gone, x->gone);
        x->from = x->next;
    } while (x->more);
    buf_free(x->gone);
    return r;
}

FIBER int store_expunge_set(struct store *s, struct arena *a, int64_t who, int64_t mailbox, const struct uid_set *uids,
                            bool deleted_only, struct uid_set *gone, struct error *e)
{
    struct expunging x = {.who = who,
                          .mailbox = mailbox,
                          .uids = uids,
                          .deleted_only = deleted_only,
                          .gone = gathered_new(a)};
    return expunge(s, a, &x, gone, e);
}

FIBER void entries_unmake(struct store *s, struct arena *a, int64_t mailbox, const struct uid_set *uids)
{
    struct uid_set gone = {0};
    struct expunging x = {.who = PRINCIPAL_ADMIN,
                          .mailbox = mailbox,
                          .uids = uids,
                          .unmade = true,
                          .gone = gathered_new(a)};
    expunge(s, a, &x, &gone, NULL);
}
