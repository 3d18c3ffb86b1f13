/* What NOTIFY tells (RFC 5465 §5): of other mailboxes STATUS, METADATA and what notify_names.c says of names; of the
 * selected one what the session tells anyhow (sync.c), if that was asked for, and at once, with what MessageNew asked
 * to fetch. What the client does itself is not told. */
#include "maa/imap/context.h"
#include "maa/imap/notify.h"
#include "maa/imap/tree.h"
#include "mail/limits.h"

#include <limits.h>

enum { NEWS_OF_NAMES = NEWS_MADE | NEWS_RENAMED | NEWS_DELETED | NEWS_ACL };

/* ---- an account ---- */

FIBER void imap_notify_status(struct imap_session *s, const struct mailbox *m, unsigned items)
{
    items |= IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT | IMAP_STATUS_UIDVALIDITY | IMAP_STATUS_UNSEEN;
    if ((s->selected && s->selected->mailbox == m->id) || !(m->rights & RIGHT_READ)) return;
    if (s->enabled & IMAP_CONDSTORE) items |= IMAP_STATUS_HIGHESTMODSEQ;
    struct buf *b = buf_in(s->cmd, SIZE_MAX);
    buf_lit(b, "* STATUS ");
    imap_put_status(s, b, imap_name_of(s, m->account, m->path), m, items);
    buf_lit(b, "\r\n");
    imap_put(s, buf_str(b));
}

/* RFC 5464 §4.4.2: names, no values. */
static FIBER void tell_metadata(struct imap_session *s, struct str name, struct str entries)
{
    struct buf *b = buf_in(s->cmd, SIZE_MAX);
    buf_lit(b, "* METADATA ");
    imap_put_mailbox(b, name, imap_utf8(s));
    for (struct str entry, rest = str_skip(entries, 1); rest.n;) {
        str_cut(rest, ' ', &entry, &rest);
        buf_char(b, ' ');
        imap_put_astring(b, entry, imap_utf8(s));
    }
    buf_lit(b, "\r\n");
    imap_put(s, buf_str(b));
}

FIBER void imap_notify_letters(struct imap_session *s, const struct imap_watched *w, const struct mailbox *m,
                               unsigned news)
{
    unsigned events = imap_notify_events_of(s, w, imap_name_of(s, w->account, m->path));
    if ((news & NEWS_ADDED && events & IMAP_EVENT_MESSAGE_NEW) ||
        (news & NEWS_GONE && events & IMAP_EVENT_MESSAGE_EXPUNGE) ||
        (news & NEWS_FLAGS && events & IMAP_EVENT_FLAG_CHANGE))
        imap_notify_status(s, m, 0);
}

/* The mailbox as it is now, through the name it is known by. */
static FIBER bool look(struct imap_session *s, struct imap_watched *w, int64_t id, struct mailbox *out)
{
    size_t from = 0, to = w->n_known;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (w->known[middle].id < id) from = middle + 1;
        else to = middle;
    }
    struct mailbox *known = from < w->n_known && w->known[from].id == id ? &w->known[from] : NULL;
    if (!known) return false;
    int e = store_mailbox_find(s->service->store, s->cmd, s->who.account, w->account, known->path, out, NULL);
    if (e || out->id != id || !(out->rights & RIGHT_LOOKUP)) return false;
    known->uid_next = out->uid_next;
    known->highest_modseq = out->highest_modseq;
    return true;
}

/* Of a mailbox's letters and annotations; of the account, where it is one's own. `all`: letters were told of. */
static FIBER void tell_one(struct imap_session *s, struct imap_watched *w, const struct account_news *one, bool all)
{
    struct mailbox m;
    if (one->mailbox == 0) {
        if (w->account != s->who.account) return;
        if ((one->news | one->own) & NEWS_SUBSCRIBED) imap_notify_subscriptions(s, !(one->news & NEWS_SUBSCRIBED));
        if (one->entries.n && imap_notify_wants(s, IMAP_EVENT_SERVER_METADATA_CHANGE))
            tell_metadata(s, S(""), one->entries);
        return;
    }
    if (!(one->news & ~(unsigned)NEWS_OF_NAMES) || !look(s, w, one->mailbox, &m)) return;
    if (!all) imap_notify_letters(s, w, &m, one->news);
    struct str name = imap_name_of(s, w->account, m.path);
    if (one->entries.n && m.rights & RIGHT_READ &&
        imap_notify_events_of(s, w, name) & IMAP_EVENT_MAILBOX_METADATA_CHANGE)
        tell_metadata(s, name, one->entries);
}

/* RFC 5465 §5.8: what has changed and can only be told while it is remembered was forgotten. */
static FIBER bool overflows(struct imap_session *s)
{
    if (!imap_notify_wants(s, IMAP_EVENT_MAILBOX_METADATA_CHANGE | IMAP_EVENT_SERVER_METADATA_CHANGE)) return false;
    imap_put(s, S("* OK [NOTIFICATIONOVERFLOW] too much has happened: NOTIFY again\r\n"));
    imap_notify_silence(s);
    return true;
}

/* False: nothing is watched any more. */
static FIBER bool tell_watched(struct imap_session *s, struct imap_watched *w)
{
    struct account_news *v;
    bool lost, names = false;
    w->news = false; /* more may come meanwhile */
    size_t n = store_watch_take(w->watch, s->cmd, &v, &lost);
    if (lost && overflows(s)) return false;
    bool all = lost || w->stale;
    for (size_t i = 0; i < n; i++) names |= ((v[i].news | v[i].own) & NEWS_OF_NAMES) != 0;
    const struct imap_notifying *notify = s->notify;
    w->stale = (all || names) && imap_notify_compare(s, w, v, n, all);
    for (size_t i = 0; i < n && s->notify == notify; i++) tell_one(s, w, &v[i], all);
    if (lost && w->account == s->who.account) imap_notify_subscriptions(s, false);
    return s->notify == notify;
}

FIBER void imap_tell_news(struct imap_session *s)
{
    for (size_t i = 0; s->notify && i < s->notify->n_watched; i++) {
        struct imap_watched *w = s->notify->watched[i];
        if ((w->news || w->stale) && !tell_watched(s, w)) return;
    }
}

/* ---- the selected mailbox ---- */

FIBER int imap_sync_asked(struct imap_session *s, bool expunges)
{
    const struct imap_notifying *n = s->notify;
    unsigned events = !n || s->owes ? UINT_MAX : n->selected ? n->selected->events : 0;
    s->news_unwanted = events == 0;
    s->flags_unwanted = !(events & IMAP_EVENT_FLAG_CHANGE);
    int e = imap_sync(s, expunges);
    s->news_unwanted = s->flags_unwanted = false;
    return e;
}

FIBER void imap_tell_unasked(struct imap_session *s)
{
    const struct imap_event_group *g = s->notify->selected;
    s->owes = false;
    imap_sync_asked(s, g && g->filter.kind == IMAP_FILTER_SELECTED);
    imap_tell_news(s);
}

mono_us imap_unasked_due(const struct imap_session *s)
{
    const struct imap_event_group *g = s->notify ? s->notify->selected : NULL;
    return g && g->events ? imap_contexts_due(s) : FOREVER;
}

/* ---- letters that came: MessageNew (RFC 5465 §5.2), and UPDATE of SEARCH and SORT (§7) ---- */

enum { ASKERS = LIMIT_IMAP_CONTEXTS + 1 };

struct askers {
    const struct imap_fetch_items *items[ASKERS];
    const struct uid_set *uids[ASKERS]; /* NULL: all that came */
    size_t n;
};

static struct askers who_asks(const struct imap_session *s)
{
    struct askers a = {.n = 0};
    const struct imap_event_group *g = s->notify ? s->notify->selected : NULL;
    if (g && g->events & IMAP_EVENT_MESSAGE_NEW && g->fetch.n) a.items[a.n++] = &g->fetch;
    for (const struct imap_context *x = s->selected->contexts; x; x = x->next) {
        if (x->came.n == 0) continue;
        a.items[a.n] = &x->fetch;
        a.uids[a.n++] = &x->came;
    }
    return a;
}

static struct imap_fetch_items together(struct arena *arena, const struct askers *a, unsigned mask)
{
    struct imap_fetch_items out = {0};
    for (size_t i = 0; i < a->n; i++) {
        for (size_t k = 0; mask >> i & 1 && k < a->items[i]->n; k++) {
            out.v = arena_grow(arena, out.v, out.n, &out.cap, sizeof *out.v);
            out.v[out.n++] = a->items[i]->v[k];
        }
    }
    return out;
}

static FIBER void fetch_for(struct imap_session *s, const struct askers *a, uid first)
{
    const struct imap_selected *m = s->selected;
    struct uid_set *of = arena_array(s->cmd, (size_t)1 << a->n, sizeof *of); /* by who asks, as bits */
    struct walk w = walk_from(m->shown, snapshot_seq_from(m->shown, first));
    while (walk_next(&w)) {
        unsigned mask = 0;
        uid u = w.entry->uid;
        for (size_t i = 0; i < a->n; i++)
            if (!a->uids[i] || uid_set_has(a->uids[i], u)) mask |= 1u << i;
        if (!uid_set_has(&m->own, u)) uid_set_add(s->cmd, &of[mask], u, u);
    }
    for (unsigned mask = 1; mask >> a->n == 0; mask++) {
        struct imap_fetch_items items = of[mask].n ? together(s->cmd, a, mask) : (struct imap_fetch_items){0};
        if (items.n) imap_tell_letters(s, &items, &of[mask]);
    }
}

/* One response for each letter, whoever asked: letters that the same ask for are fetched at once. Letters the client
 * itself put there are left out. */
FIBER void imap_notify_fetch(struct imap_session *s, uid first)
{
    const struct askers a = who_asks(s);
    if (a.n) fetch_for(s, &a, first);
    s->selected->own.n = 0;
}

void imap_own_letters(struct imap_session *s, int64_t mailbox, const struct uid_set *uids)
{
    struct imap_selected *m = s->selected;
    if (!m || m->mailbox != mailbox || (!s->notify && !m->contexts)) return;
    for (size_t i = 0; i < uids->n; i++) uid_set_add(m->arena, &m->own, uids->v[i].first, uids->v[i].last);
}
