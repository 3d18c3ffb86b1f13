/* Telling the client what changed in the selected mailbox, by comparing what it was shown with what is there now (RFC
 * 9051 §7.5, RFC 7162 §3.2.10, RFC 9586 §3.3).
 *
 * Expunges go first and from the highest number down, so that each number means what the client still has; then how
 * many there are now; then flags, by the numbers that hold from here on. */
#include "maa/imap/context.h"
#include "mail/limits.h"

enum { PIECE = 8 << 10 }; /* bytes of untagged responses made at a time */

/* ---- pieces ---- */

void imap_put_entry_flags(struct imap_session *s, struct buf *b, const struct view_entry *e)
{
    const struct imap_selected *m = s->selected;
    size_t at = 0;
    if (!(s->enabled & IMAP_REV2) && e->uid >= m->recent_from) { /* RFC 3501 §2.3.2 */
        buf_lit(b, "(\\Recent ");
        at = b->n;
    }
    imap_put_flags(b, e->flags, m->shown->keywords->name + FLAG_FIRST_OWN, 32 - FLAG_FIRST_OWN);
    if (at == 0 || b->failed) return;
    bool none = b->p[at + 1] == ')';
    memmove(b->p + at - none, b->p + at + 1, b->n - at - 1); /* the parenthesis that stands in front already */
    b->n -= 1 + none;
}

void imap_put_flags_fetch(struct imap_session *s, struct buf *b, uint32_t seq, const struct view_entry *e)
{
    bool only = s->enabled & IMAP_UIDONLY;
    buf_lit(b, "* ");
    buf_u64(b, only ? e->uid : seq);
    buf_add(b, only ? S(" UIDFETCH (") : S(" FETCH ("));
    if (!only) {
        buf_lit(b, "UID ");
        buf_u64(b, e->uid);
        buf_char(b, ' ');
    }
    buf_lit(b, "FLAGS ");
    imap_put_entry_flags(s, b, e);
    if (s->enabled & IMAP_CONDSTORE) {
        buf_lit(b, " MODSEQ (");
        buf_u64(b, e->modseq);
        buf_char(b, ')');
    }
    buf_lit(b, ")\r\n");
}

static FIBER void flush_piece(struct imap_session *s, struct buf *b, size_t least)
{
    if (b->n < least) return;
    imap_put(s, buf_str(b));
    buf_clear(b);
}

/* ---- which flags there are ---- */

static bool has_room(const struct keyword_names *k)
{
    for (size_t i = FLAG_FIRST_OWN; i < 32; i++)
        if (k->name[i].n == 0) return true;
    return false;
}

/* RFC 9051 §7.3.5, §7.1 PERMANENTFLAGS; RFC 4314 §5.1: those the client's rights let it keep. */
void imap_put_flags_there_are(struct imap_session *s, struct buf *b)
{
    const struct imap_selected *m = s->selected;
    const struct str *own = m->shown->keywords->name + FLAG_FIRST_OWN;
    flag_set all = UINT32_MAX, keep = 0;
    if (m->rights & RIGHT_SEEN) keep |= FLAG_SEEN;
    if (m->rights & RIGHT_DELETE) keep |= FLAG_DELETED;
    if (m->rights & RIGHT_WRITE) keep |= all & ~(flag_set)(FLAG_SEEN | FLAG_DELETED);
    if (m->read_only) keep = 0;
    buf_lit(b, "* FLAGS ");
    imap_put_flags(b, all, own, 32 - FLAG_FIRST_OWN);
    buf_lit(b, "\r\n* OK [PERMANENTFLAGS ");
    imap_put_flags(b, keep, own, 32 - FLAG_FIRST_OWN);
    if (keep & FLAG_ANSWERED && has_room(m->shown->keywords)) { /* new keywords may be made */
        b->n--;
        buf_lit(b, " \\*)");
    }
    buf_lit(b, "] these are kept\r\n");
}

static bool new_names(const struct snapshot *old, const struct snapshot *now)
{
    if (old->keywords == now->keywords) return false;
    for (size_t i = 0; i < 32; i++)
        if (!str_eq(old->keywords->name[i], now->keywords->name[i])) return true;
    return false;
}

/* ---- expunges ---- */

static void put_vanished(struct buf *b, bool earlier, const struct uid_set *gone)
{
    buf_add(b, earlier ? S("* VANISHED (EARLIER) ") : S("* VANISHED "));
    imap_put_set(b, gone);
    buf_lit(b, "\r\n");
}

static FIBER void tell_expunges(struct imap_session *s, struct buf *b, const struct snapshot *old,
                                const struct uid_set *gone)
{
    for (size_t i = gone->n; i-- > 0;) {
        uint32_t first = snapshot_seq(old, gone->v[i].first);
        for (uint32_t n = gone->v[i].last - gone->v[i].first + 1; n-- > 0;) {
            buf_lit(b, "* ");
            buf_u64(b, first + n);
            buf_lit(b, " EXPUNGE\r\n");
            flush_piece(s, b, PIECE);
        }
    }
}

/* A set may be long, and a line should not. */
enum { RANGES_A_LINE = 400 };

FIBER void imap_tell_vanished(struct imap_session *s, struct buf *b, bool earlier, const struct uid_set *gone)
{
    for (size_t i = 0; i < gone->n; i += RANGES_A_LINE) {
        struct uid_set part = {gone->v + i, gone->n - i < RANGES_A_LINE ? gone->n - i : RANGES_A_LINE, 0};
        put_vanished(b, earlier, &part);
        flush_piece(s, b, PIECE);
    }
}

/* ---- all of it ---- */

struct telling {
    struct imap_session *s;
    struct buf *b;
    uid old_next; /* letters from here on are new */
    const struct uid_set *quiet;
    uint64_t quiet_modseq;
    struct uid_set changed; /* letters that came or changed, for contexts */
};

static FIBER void tell_flags(uint32_t seq, const struct view_entry *e, void *arg)
{
    struct telling *t = arg;
    if (e->uid >= t->old_next) return;
    if (t->quiet && e->modseq <= t->quiet_modseq && uid_set_has(t->quiet, e->uid)) return;
    imap_put_flags_fetch(t->s, t->b, seq, e);
    flush_piece(t->s, t->b, PIECE);
}

static void note_changed(uint32_t seq, const struct view_entry *e, void *arg)
{
    struct telling *t = arg;
    (void)seq;
    uid_set_add(t->s->cmd, &t->changed, e->uid, e->uid);
}

static void note_all_changed(const struct snapshot *old, const struct snapshot *now, struct telling *t)
{
    struct walk w = walk_from(now, snapshot_seq_from(now, old->uid_next));
    snapshot_changed(old, now, note_changed, t);
    while (walk_next(&w)) note_changed(w.seq, w.entry, t);
}

static FIBER void tell_exists(struct imap_session *s, struct buf *b, const struct snapshot *now)
{
    struct imap_selected *m = s->selected;
    buf_printf(b, "* %u EXISTS\r\n", now->count);
    if (s->enabled & IMAP_REV2) return;
    uint32_t first = m->recent_from == UINT32_MAX ? now->count + 1 : snapshot_seq_from(now, m->recent_from);
    buf_printf(b, "* %u RECENT\r\n", now->count + 1 - first);
}

static FIBER void tell(struct imap_session *s, const struct snapshot *now, struct telling *t)
{
    struct imap_selected *m = s->selected;
    const struct snapshot *old = m->shown;
    struct uid_set gone = {0};
    struct buf *b = t->b;
    m->other = now;
    snapshot_gone(old, now, s->cmd, &gone);
    if (s->enabled & (IMAP_QRESYNC | IMAP_UIDONLY)) imap_tell_vanished(s, b, false, &gone);
    else tell_expunges(s, b, old, &gone);
    m->other = old;
    m->shown = now; /* from here on numbers and names are the new ones */
    if (new_names(old, now)) imap_put_flags_there_are(s, b);
    if (now->uid_next != old->uid_next && snapshot_seq_from(now, old->uid_next) <= now->count) {
        if (m->recent_from == UINT32_MAX) m->recent_from = old->uid_next;
        m->recent_owed = !m->read_only;
        tell_exists(s, b, now);
    }
    if (!s->flags_unwanted) snapshot_changed(old, now, tell_flags, t);
    if (m->contexts) note_all_changed(old, now, t);
    m->other = NULL;
    snapshot_unref(old);
    flush_piece(s, b, 1);
}

/* RFC 2180 §3.3, RFC 9051 §6.3.5: it was deleted, or taken from us. By ourselves: that is no reason to part. */
static FIBER int lose_mailbox(struct imap_session *s)
{
    imap_unselect(s);
    return imap_put(s, S("* OK [CLOSED] the mailbox is not there any more\r\n"));
}

/* RFC 4314 §4: the owner of somebody else's mailbox may have taken rights back while it is open; then no news of it. */
static FIBER bool may_hear(struct imap_session *s)
{
    const struct imap_selected *m = s->selected;
    return m->account == s->who.account || store_rights(s->service->store, s->who.account, m->mailbox) & RIGHT_READ;
}

FIBER int imap_sync_quiet(struct imap_session *s, bool expunges, const struct uid_set *quiet, uint64_t quiet_modseq)
{
    struct imap_selected *m = s->selected;
    if (!m || !may_hear(s)) return 0;
    struct buf *b = buf_in(s->cmd, SIZE_MAX); /* sent whenever it has a PIECE */
    const struct snapshot *now = view_newest(m->view);
    if (now == m->shown) {
        snapshot_unref(now);
        if (!s->news_unwanted) imap_contexts_tell(s, &(struct uid_set){0}, m->shown->uid_next); /* time goes by */
        return stream_error(s->io);
    }
    if (now->gone) {
        snapshot_unref(now);
        return expunges ? lose_mailbox(s) : 0;
    }
    if (s->news_unwanted) { /* RFC 5465 §5: NONE is a snapshot */
        snapshot_unref(now);
        return 0;
    }
    m->other = now;
    imap_contexts_gone(s, now);
    m->other = NULL;
    uint32_t there = now->count;
    if (!expunges) now = snapshot_keeping(m->shown, now);
    m->held = now->count > there;
    struct telling t = {.s = s,
                        .b = b,
                        .old_next = m->shown->uid_next,
                        .quiet = quiet,
                        .quiet_modseq = quiet_modseq};
    tell(s, now, &t);
    if (!m->held) m->told_modseq = now->highest_modseq;
    imap_contexts_tell(s, &t.changed, t.old_next);
    if (s->selected->shown->uid_next != t.old_next) imap_notify_fetch(s, t.old_next);
    return stream_error(s->io);
}

FIBER int imap_sync(struct imap_session *s, bool expunges) { return imap_sync_quiet(s, expunges, NULL, 0); }

FIBER void imap_tell_held(struct imap_session *s)
{
    if (!s->selected || !s->selected->held || !(s->enabled & IMAP_QRESYNC)) return;
    struct buf *b = buf_in(s->cmd, 100);
    buf_printf(b, "* OK [HIGHESTMODSEQ %llu] some are gone, of which later\r\n",
               (unsigned long long)s->selected->told_modseq);
    imap_put(s, buf_str(b));
}

FIBER struct imap_done imap_ok_gone(struct imap_session *s, struct str text)
{
    imap_sync(s, true);
    if (!s->selected) return imap_ok(STR_NONE, text);
    unsigned long long modseq = s->selected->told_modseq;
    return imap_ok(arena_printf(s->cmd, "HIGHESTMODSEQ %llu", modseq), text);
}
