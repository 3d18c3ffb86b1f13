/* STORE and UID STORE (RFC 9051 §6.4.6), with UNCHANGEDSINCE (RFC 7162 §3.1.3).
 *
 * Changed flags are told by imap_sync(), as everybody's changes are; .SILENT keeps from that what the client can work
 * out itself. */
#include "maa/imap/change.h"

#include "mail/limits.h"

/* ---- what the client knows already ---- */

static flag_set bits_of(const struct keyword_names *names, const struct flags_change *c)
{
    flag_set bits = c->flags;
    for (size_t i = 0; i < c->n_keywords; i++) {
        int bit = keyword_bit(names, c->keywords[i]);
        if (bit >= 0) bits |= (flag_set)1 << bit;
    }
    return bits;
}

static flag_set flags_then(const struct flags_change *c, flag_set bits, flag_set flags)
{
    if (c->how == FLAGS_ADD) return flags | bits;
    return c->how == FLAGS_REMOVE ? flags & ~bits : bits;
}

/* A keyword of the letters shown is another one by now: their flags cannot be compared. */
static bool is_renamed(const struct keyword_names *was, const struct keyword_names *is)
{
    for (size_t i = FLAG_FIRST_OWN; i < 32 && was != is; i++)
        if (was->name[i].n && !str_eq(was->name[i], is->name[i])) return true;
    return false;
}

/* Of the letters changed, those whose flags are what the client expects from what it was shown (RFC 9051 §6.4.6:
 * others' changes are told even to those who asked for silence). */
static struct uid_set expected(struct imap_session *s, const struct flags_change *c, const struct snapshot *now)
{
    const struct snapshot *shown = s->selected->shown;
    struct uid_set out = {0};
    flag_set bits = bits_of(now->keywords, c);
    if (is_renamed(shown->keywords, now->keywords)) return out;
    for (size_t i = 0; i < c->changed.n; i++) {
        struct walk was = walk_from(shown, snapshot_seq_from(shown, c->changed.v[i].first));
        struct walk is = walk_from(now, snapshot_seq_from(now, c->changed.v[i].first));
        bool there = walk_next(&is);
        while (there && walk_next(&was) && was.entry->uid <= c->changed.v[i].last) {
            while (there && is.entry->uid < was.entry->uid) there = walk_next(&is);
            if (there && is.entry->uid == was.entry->uid && is.entry->flags == flags_then(c, bits, was.entry->flags))
                uid_set_add(s->cmd, &out, is.entry->uid, is.entry->uid);
        }
    }
    return out;
}

/* "* 3 FETCH (UID 7 MODSEQ (12))": with CONDSTORE silence is about flags alone (RFC 7162 §3.1.3, example 4). */
static FIBER void tell_modseqs(struct imap_session *s, const struct uid_set *uids, const struct snapshot *now)
{
    enum { MUCH = 8 << 10 };
    bool only = s->enabled & IMAP_UIDONLY;
    struct buf *b = buf_in(s->cmd, MUCH + 256);
    for (size_t i = 0; i < uids->n; i++) {
        struct walk w = walk_from(now, snapshot_seq_from(now, uids->v[i].first));
        while (walk_next(&w) && w.entry->uid <= uids->v[i].last) {
            uint32_t seq = only ? w.entry->uid : snapshot_seq(s->selected->shown, w.entry->uid);
            buf_printf(b, "* %u %s (", seq, only ? "UIDFETCH" : "FETCH");
            if (!only) buf_printf(b, "UID %u ", w.entry->uid);
            buf_printf(b, "MODSEQ (%llu))\r\n", (unsigned long long)w.entry->modseq);
            if (b->n < MUCH) continue;
            imap_put(s, buf_str(b));
            buf_clear(b);
        }
    }
    if (b->n) imap_put(s, buf_str(b));
}

static void give_back(void *snapshot) { snapshot_unref(snapshot); }

FIBER void imap_sync_silent(struct imap_session *s, bool expunges, const struct flags_change *c)
{
    const struct snapshot *now = view_newest(s->selected->view);
    struct arena_undo *held = arena_defer(s->cmd, give_back, (void *)(uintptr_t)now);
    struct uid_set quiet = expected(s, c, now);
    if (s->enabled & IMAP_CONDSTORE) tell_modseqs(s, &quiet, now);
    imap_sync_quiet(s, expunges, &quiet, now->highest_modseq);
    arena_undefer(s->cmd, held);
    snapshot_unref(now);
}

/* Letters of the command of which there is no news: their flags were as wanted already (RFC 9051 §6.4.6: the value is
 * told), or they were left alone (RFC 7162 §3.1.3, example 10). */
static FIBER void tell_unchanged(struct imap_session *s, const struct uid_set *uids, uint64_t before)
{
    enum { MUCH = 8 << 10 };
    if (!s->selected) return;
    struct buf *b = buf_in(s->cmd, 2 * MUCH);
    for (size_t i = 0; i < uids->n; i++) {
        struct walk w = walk_from(s->selected->shown, snapshot_seq_from(s->selected->shown, uids->v[i].first));
        while (walk_next(&w) && w.entry->uid <= uids->v[i].last) {
            if (w.entry->modseq > before) continue; /* imap_sync() has told */
            imap_put_flags_fetch(s, b, w.seq, w.entry);
            if (b->n < MUCH) continue;
            imap_put(s, buf_str(b));
            buf_clear(b);
        }
    }
    if (b->n) imap_put(s, buf_str(b));
}

/* ---- the command ---- */

/* UIDs as the command's kind of numbers. */
static struct str numbers_of(struct imap_session *s, const struct uid_set *uids, bool as_uids)
{
    struct uid_set numbers = {0};
    for (size_t i = 0; i < uids->n && !as_uids; i++) {
        struct walk w = walk_from(s->selected->shown, snapshot_seq_from(s->selected->shown, uids->v[i].first));
        while (walk_next(&w) && w.entry->uid <= uids->v[i].last) uid_set_add(s->cmd, &numbers, w.seq, w.seq);
    }
    struct buf *b = buf_in(s->cmd, 32 * (uids->n + 1));
    buf_lit(b, "MODIFIED ");
    imap_put_set(b, as_uids ? uids : &numbers);
    return buf_str(b);
}

FIBER struct imap_done imap_finish_long(struct imap_session *s, struct imap_done d, bool expunges)
{
    if (d.code.n < LIMIT_IMAP_STATUS_LINE / 2) return d;
    imap_sync_asked(s, expunges);
    imap_tell_news(s);
    imap_tell_held(s);
    struct buf *b = buf_in(s->cmd, d.code.n + d.text.n + s->tag.n + 64);
    imap_put_condition(b, s->tag, d.kind, d.code, d.text);
    imap_put(s, buf_str(b));
    return (struct imap_done){.said = true};
}

static FIBER struct imap_done refused(struct imap_session *s, int error, const struct error *why)
{
    if (error == ERR_CONFLICT)
        return imap_no(S("LIMIT"), S("this mailbox has no room for such keywords")); /* RFC 5530 §3 */
    return imap_refusal(s, error, why);
}

FIBER struct imap_done imap_on_store(struct imap_session *s, const struct imap_command *c)
{
    const struct imap_store *st = &c->store;
    struct uid_set uids;
    struct error why = {0};
    if (imap_resolve(s, &st->set, c->uid, &uids)) return imap_bad(S("there is no such message number"));
    if (s->selected->read_only) return imap_no(S("READ-ONLY"), S("this mailbox is open for reading only"));
    if (st->flags.too_many) return refused(s, ERR_CONFLICT, NULL);
    if (st->has_unchangedsince) imap_enable(s, IMAP_CONDSTORE);
    struct flags_change change = {
        .who = s->who.account,
        .mailbox = s->selected->mailbox,
        .uids = &uids,
        .how = st->how == IMAP_STORE_ADD ? FLAGS_ADD : st->how == IMAP_STORE_REMOVE ? FLAGS_REMOVE : FLAGS_REPLACE,
        .flags = st->flags.known,
        .keywords = st->flags.keywords.v,
        .n_keywords = st->flags.keywords.n,
        .unchanged_since = st->has_unchangedsince ? st->unchangedsince : UINT64_MAX,
    };
    uint64_t before = s->selected->shown->highest_modseq;
    int e = uids.n ? store_flags_change(s->service->store, s->cmd, &change, &why) : 0;
    if (e) return refused(s, e, &why);
    s->owes = true;
    if (st->silent) imap_sync_silent(s, c->uid, &change);
    else imap_sync(s, c->uid);
    if (!st->silent || st->has_unchangedsince) tell_unchanged(s, &uids, before);
    if (change.refused.n == 0) return imap_ok(STR_NONE, S("done"));
    struct imap_done d = imap_ok(numbers_of(s, &change.refused, c->uid), S("some had changed meanwhile"));
    return imap_finish_long(s, d, c->uid);
}
