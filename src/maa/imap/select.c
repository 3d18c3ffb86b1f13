/* Opening a mailbox and leaving it: SELECT and EXAMINE (RFC 9051 §6.3.2) with CONDSTORE and QRESYNC (RFC 7162 §3.1.8,
 * §3.2.5) and MAILBOXID (RFC 8474 §5.1); CLOSE, UNSELECT, CHECK. */
#include "maa/imap/session.h"
#include "mail/limits.h"

enum { PIECE = 8 << 10 };

static void news(void *session)
{
    struct imap_session *s = session;
    event_set(&s->news);
}

FIBER void imap_unselect(struct imap_session *s)
{
    struct imap_selected *m = s->selected;
    if (!m) return;
    s->selected = NULL;
    s->state = IMAP_KNOWN;
    uid first;
    if (m->recent_owed) store_recent(s->service->store, m->mailbox, true, &first, NULL);
    store_view_close(m->view);
    snapshot_unref(m->shown);
    snapshot_unref(m->other);
    arena_free(m->arena);
}

/* ---- opening ---- */

static const right_set any_change = RIGHT_SEEN | RIGHT_WRITE | RIGHT_INSERT | RIGHT_DELETE | RIGHT_EXPUNGE;

/* RFC 3501 §2.3.2. Who only looks takes nothing from others. */
static FIBER void meet_recent(struct imap_session *s, struct imap_selected *m)
{
    uid first;
    m->recent_from = UINT32_MAX;
    if (s->enabled & IMAP_REV2) return; /* RFC 9051 has none */
    if (store_recent(s->service->store, m->mailbox, !m->read_only, &first, NULL)) return;
    if (first < m->shown->uid_next) m->recent_from = first;
}

static FIBER int open_mailbox(struct imap_session *s, const struct imap_command *c, struct str name, struct error *why)
{
    struct mailbox found;
    int e = imap_find(s, name, &found, why);
    if (e) return e;
    if (!(found.rights & (RIGHT_READ | RIGHT_LOOKUP))) return error_set(why, ERR_NOT_FOUND, "there is no such mailbox");
    if (!(found.rights & RIGHT_READ)) return error_set(why, ERR_DENIED, "you may not read it");
    struct arena *a = arena_new(s->arena, 0);
    struct imap_selected *m = arena_new_of(a, struct imap_selected);
    *m = (struct imap_selected){.mailbox = found.id,
                                .account = found.account,
                                .name = arena_str(a, imap_name_of(s, found.account, found.path)),
                                .use = found.use,
                                .rights = found.rights,
                                .read_only = c->verb == IMAP_EXAMINE || !(found.rights & any_change),
                                .arena = a};
    event_clear(&s->news);
    e = store_view_open(s->service->store, loop_self(), found.id, news, s, &m->view, why);
    if (e) {
        arena_free(a);
        return e;
    }
    m->shown = view_newest(m->view);
    m->told_modseq = m->shown->highest_modseq;
    s->selected = m;
    s->state = IMAP_SELECTED;
    meet_recent(s, m);
    return 0;
}

/* ---- what there is ---- */

static uint32_t first_unseen(const struct snapshot *shown)
{
    struct walk w = walk_from(shown, 1);
    while (shown->unseen && walk_next(&w))
        if (!(w.entry->flags & FLAG_SEEN)) return w.seq;
    return 0;
}

/* What RFC 9051 has no more. */
static void put_old(struct imap_session *s, struct buf *b)
{
    const struct imap_selected *m = s->selected;
    const struct snapshot *shown = m->shown;
    uint32_t unseen = first_unseen(shown);
    uint32_t first = m->recent_from == UINT32_MAX ? shown->count + 1 : snapshot_seq_from(shown, m->recent_from);
    buf_printf(b, "* %u RECENT\r\n", shown->count + 1 - first);
    if (unseen && !(s->enabled & IMAP_UIDONLY)) buf_printf(b, "* OK [UNSEEN %u] the first one\r\n", unseen);
}

/* RFC 9051 §6.3.2. Of attributes those that are at hand. */
static void put_list(struct imap_session *s, struct buf *b, struct str written)
{
    const struct imap_selected *m = s->selected;
    buf_lit(b, "* LIST (");
    if (m->account == s->who.account) buf_add(b, special_use_attribute(m->use));
    buf_lit(b, ") \"/\" ");
    imap_put_mailbox(b, m->name, true);
    if (!str_eq(m->name, written)) {
        buf_lit(b, " (\"OLDNAME\" (");
        imap_put_mailbox(b, written, true);
        buf_lit(b, "))");
    }
    buf_lit(b, "\r\n");
}

static FIBER void tell_all(struct imap_session *s, struct str written)
{
    const struct imap_selected *m = s->selected;
    const struct snapshot *shown = m->shown;
    struct buf *b = buf_in(s->cmd, SIZE_MAX); /* keywords and name may be long */
    imap_put_flags_there_are(s, b);
    buf_printf(b, "* %u EXISTS\r\n", shown->count);
    if (s->enabled & IMAP_REV2) put_list(s, b, written);
    else put_old(s, b);
    buf_printf(b, "* OK [UIDVALIDITY %u] UIDs valid\r\n* OK [UIDNEXT %u] the next one\r\n", shown->uid_validity,
               shown->uid_next);
    buf_printf(b, "* OK [HIGHESTMODSEQ %llu] of all\r\n* OK [MAILBOXID (", (unsigned long long)shown->highest_modseq);
    imap_put_object_id(b, 'F', m->mailbox);
    buf_lit(b, ")] for good\r\n");
    imap_put(s, buf_str(b));
}

/* ---- QRESYNC ---- */

/* RFC 7162 §3.2.5.2: the highest UID up to which the client's picture has as many letters as ours, so that nothing it
 * knows below is gone. */
static uid known_good(const struct imap_session *s, const struct imap_select *q)
{
    const struct snapshot *shown = s->selected->shown;
    const struct uid_set *numbers = &q->match_numbers.numbers, *uids = &q->match_uids.numbers;
    size_t u = 0;
    uint32_t within = 0;
    uid good = 0;
    for (size_t i = 0; i < numbers->n; i++) {
        for (uint32_t n = numbers->v[i].first;; n++) {
            if (u == uids->n || n > shown->count) return good;
            uid told = uids->v[u].first + within;
            if (told == uids->v[u].last) u++, within = 0;
            else within++;
            if (snapshot_at(shown, n)->uid == told) good = told;
            if (n == numbers->v[i].last) break;
        }
    }
    return good;
}

/* Without what is there all the same (it went only after we began to look: sync tells), and what is known. */
static struct uid_set truly_gone(struct imap_session *s, const struct uid_set *gone, uid good)
{
    const struct snapshot *shown = s->selected->shown;
    struct uid_set out = {0};
    for (size_t i = 0; i < gone->n; i++) {
        uint64_t at = gone->v[i].first > good ? gone->v[i].first : (uint64_t)good + 1;
        struct walk w = walk_from(shown, snapshot_seq_from(shown, (uid)(at > UINT32_MAX ? UINT32_MAX : at)));
        while (at <= gone->v[i].last) {
            uint64_t next = walk_next(&w) ? w.entry->uid : UINT64_MAX;
            uint64_t last = next > gone->v[i].last ? gone->v[i].last : next - 1;
            if (at <= last) uid_set_add(s->cmd, &out, (uid)at, (uid)last);
            at = next == UINT64_MAX ? next : next + 1;
        }
    }
    return out;
}

static FIBER void tell_changes(struct imap_session *s, const struct imap_select *q, struct buf *b)
{
    const struct snapshot *shown = s->selected->shown;
    for (size_t i = 0; i < shown->n_chunks; i++) {
        if (shown->chunks[i]->modseq <= q->modseq) continue;
        for (uint32_t k = 0; k < shown->chunks[i]->n; k++) {
            const struct view_entry *e = &shown->chunks[i]->v[k];
            if (e->modseq <= q->modseq) continue;
            if (q->has_known && !uid_set_has(&q->known_uids.numbers, e->uid)) continue;
            imap_put_flags_fetch(s, b, shown->before[i] + k + 1, e);
            if (b->n < PIECE) continue;
            imap_put(s, buf_str(b));
            buf_clear(b);
        }
    }
}

/* RFC 7162 §3.2.5.1: what the client would have been told had it been here. */
static FIBER int resync(struct imap_session *s, const struct imap_select *q, struct error *why)
{
    struct imap_selected *m = s->selected;
    struct uid_set gone = {0};
    if (q->uidvalidity != m->shown->uid_validity) return 0; /* another mailbox of the same name */
    const struct uid_set everything = {&(struct uid_range){1, m->shown->uid_next - 1}, m->shown->uid_next > 1, 0};
    int e = store_vanished(s->service->store, s->cmd, m->mailbox, q->modseq,
                           q->has_known ? &q->known_uids.numbers : &everything, &gone, why);
    if (e) return e;
    struct buf *b = buf_in(s->cmd, SIZE_MAX);
    gone = truly_gone(s, &gone, q->has_match ? known_good(s, q) : 0);
    imap_tell_vanished(s, b, true, &gone);
    tell_changes(s, q, b);
    imap_put(s, buf_str(b));
    return 0;
}

/* ---- the commands ---- */

FIBER struct imap_done imap_on_select(struct imap_session *s, const struct imap_command *c)
{
    const struct imap_select *q = &c->select;
    struct error why = {0};
    struct str name;
    if (q->qresync && !(s->enabled & IMAP_QRESYNC)) return imap_bad(S("ENABLE QRESYNC first")); /* RFC 7162 §3.2.5 */
    if (s->selected) { /* whatever comes of this */
        imap_unselect(s);
        imap_put(s, S("* OK [CLOSED] that one is closed\r\n")); /* RFC 9051 §7.1 */
    }
    if (q->condstore) imap_enable(s, IMAP_CONDSTORE);
    if (imap_name(s, q->mailbox, &name)) return imap_no(S("CANNOT"), S("that is no name for a mailbox"));
    int e = open_mailbox(s, c, name, &why);
    if (e) return imap_refusal(s, e, &why);
    tell_all(s, q->mailbox);
    if (q->qresync) e = resync(s, q, &why);
    if (e) {
        imap_unselect(s);
        return imap_refusal(s, e, &why);
    }
    return imap_ok(s->selected->read_only ? S("READ-ONLY") : S("READ-WRITE"), S("here it is"));
}

/* RFC 9051 §6.4.2, RFC 3691 */
FIBER struct imap_done imap_on_unselect(struct imap_session *s, const struct imap_command *c)
{
    (void)c;
    imap_unselect(s);
    return imap_ok(STR_NONE, S("closed"));
}

/* RFC 9051 §6.4.1: what is marked goes without a word. Failing or not, it is closed. */
FIBER struct imap_done imap_on_close(struct imap_session *s, const struct imap_command *c)
{
    (void)c;
    struct imap_selected *m = s->selected;
    struct uid_set all = {0}, gone = {0};
    struct error why = {0};
    int e = 0;
    const struct view_entry *last = snapshot_at(m->shown, m->shown->count);
    if (last && !m->read_only && m->rights & RIGHT_EXPUNGE) {
        uid_set_add(s->cmd, &all, 1, last->uid);
        e = store_expunge_set(s->service->store, s->cmd, s->who.account, m->mailbox, &all, true, &gone, &why);
        s->expunged += (int64_t)uid_set_count(&gone);
    }
    imap_unselect(s);
    return e ? imap_refusal(s, e, &why) : imap_ok(STR_NONE, S("closed"));
}

FIBER struct imap_done imap_on_check(struct imap_session *s, const struct imap_command *c) /* RFC 3501 §6.4.1 */
{
    (void)s, (void)c;
    return imap_ok(STR_NONE, S("all is kept")); /* it always is */
}
