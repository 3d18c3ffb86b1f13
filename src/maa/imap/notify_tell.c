/* What NOTIFY tells (RFC 5465 §5): STATUS of other mailboxes, LIST of names made, changed and gone and of
 * subscriptions, METADATA; of the selected one what the session tells anyhow (sync.c), at once, with what MessageNew
 * asked to fetch. */
#include "maa/imap/notify.h"
#include "maa/imap/tree.h"

bool imap_notified(const struct imap_session *s) { return s->notify != NULL; }

static FIBER void put_line(struct imap_session *s, const char *before, struct str name, const char *behind)
{
    struct buf *b = buf_in(s->cmd, SIZE_MAX);
    buf_add(b, str_c(before));
    imap_put_mailbox(b, name, imap_utf8(s));
    buf_add(b, str_c(behind));
    imap_put(s, buf_str(b));
}

FIBER void imap_notify_status(struct imap_session *s, const struct mailbox *m)
{
    unsigned items =
        IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT | IMAP_STATUS_UIDVALIDITY | IMAP_STATUS_UNSEEN; /* RFC 5465 §3.1 */
    if ((s->selected && s->selected->mailbox == m->id) || !(m->rights & RIGHT_READ)) return;
    if (s->enabled & IMAP_CONDSTORE) items |= IMAP_STATUS_HIGHESTMODSEQ;
    struct buf *b = buf_in(s->cmd, SIZE_MAX);
    buf_lit(b, "* STATUS ");
    imap_put_status(s, b, imap_name_of(s, m->account, m->path), m, items);
    buf_lit(b, "\r\n");
    imap_put(s, buf_str(b));
}

/* ---- an account ---- */

static unsigned events_of(const struct imap_session *s, const struct imap_watched *w, struct str name)
{
    return imap_notify_events(s, name, w->account == s->who.account, imap_notify_subscribed(s->notify, name));
}

static struct mailbox *find(struct mailbox *v, size_t n, int64_t id)
{
    size_t from = 0, to = n;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (v[middle].id < id) from = middle + 1;
        else to = middle;
    }
    return from < n && v[from].id == id ? &v[from] : NULL;
}

static FIBER void tell_metadata(struct imap_session *s, int64_t mailbox, struct str name)
{
    struct metadata *v;
    size_t n;
    if (store_metadata(s->service->store, s->cmd, s->who.account, mailbox, &v, &n, NULL) || n == 0) return;
    struct buf *b = buf_in(s->cmd, SIZE_MAX);
    buf_lit(b, "* METADATA ");
    imap_put_mailbox(b, name, imap_utf8(s));
    for (size_t i = 0; i < n; i++) { /* which of them has changed is not known: RFC 5464 §4.4.2 names, no values */
        buf_char(b, ' ');
        imap_put_astring(b, v[i].name, imap_utf8(s));
    }
    buf_lit(b, "\r\n");
    imap_put(s, buf_str(b));
}

/* Of letters in a mailbox, and of its annotations. */
static FIBER void tell_mailbox(struct imap_session *s, const struct imap_watched *w, const struct mailbox *m,
                               unsigned news)
{
    struct str name = imap_name_of(s, w->account, m->path);
    unsigned events = events_of(s, w, name);
    if ((news & NEWS_ADDED && events & IMAP_EVENT_MESSAGE_NEW) ||
        (news & NEWS_GONE && events & IMAP_EVENT_MESSAGE_EXPUNGE) ||
        (news & NEWS_FLAGS && events & IMAP_EVENT_FLAG_CHANGE))
        imap_notify_status(s, m);
    if (news & NEWS_METADATA && events & IMAP_EVENT_MAILBOX_METADATA_CHANGE) tell_metadata(s, m->id, name);
}

/* Of its name (RFC 5465 §5.4): made, called otherwise, gone. NULL: there is none. */
static FIBER void tell_name(struct imap_session *s, const struct imap_watched *w, const struct mailbox *old,
                            const struct mailbox *now)
{
    struct str old_name = old ? imap_name_of(s, w->account, old->path) : STR_NONE;
    struct str name = now ? imap_name_of(s, w->account, now->path) : STR_NONE;
    unsigned events = (old ? events_of(s, w, old_name) : 0) | (now ? events_of(s, w, name) : 0);
    if (!(events & IMAP_EVENT_MAILBOX_NAME) || str_eq(old_name, name)) return;
    if (now && old) imap_tell_name(s, name, old_name);
    else if (now) put_line(s, "* LIST () \"/\" ", name, "\r\n");
    else put_line(s, "* LIST (\\NonExistent) \"/\" ", old_name, "\r\n");
}

static unsigned difference(const struct mailbox *old, const struct mailbox *now)
{
    bool came = old->uid_next != now->uid_next, changed = old->highest_modseq != now->highest_modseq;
    return (came ? NEWS_ADDED : 0u) | (changed ? NEWS_GONE | NEWS_FLAGS : 0u);
}

/* Names may have changed, or nobody knows what: everything is compared. `all`: letters too. */
static FIBER int compare(struct imap_session *s, struct imap_watched *w, bool all)
{
    struct arena *a = arena_new(s->notify->arena, 0);
    struct mailbox *v;
    size_t n, i = 0, k = 0;
    int e = imap_notify_tree(s, a, w->account, &v, &n);
    if (e) {
        arena_free(a);
        return e;
    }
    while (i < w->n_known || k < n) {
        const struct mailbox *old = i < w->n_known ? &w->known[i] : NULL, *now = k < n ? &v[k] : NULL;
        if (old && now && old->id != now->id) old->id < now->id ? (now = NULL) : (old = NULL);
        tell_name(s, w, old, now);
        if (all && old && now) tell_mailbox(s, w, now, difference(old, now));
        i += old != NULL;
        k += now != NULL;
    }
    arena_free(w->arena);
    w->arena = a;
    w->known = v;
    w->n_known = n;
    return 0;
}

/* RFC 5465 §5.5 */
static FIBER void tell_subscriptions(struct imap_session *s, const struct imap_watched *w)
{
    struct imap_notifying *n = s->notify;
    struct arena *a = arena_new(n->arena, 0);
    struct str *v;
    size_t many, i = 0, k = 0;
    if (imap_notify_names(s, a, &v, &many)) {
        arena_free(a);
        return;
    }
    while (i < n->n_subscribed || k < many) {
        int order = i == n->n_subscribed ? 1 : k == many ? -1 : str_cmp(n->subscribed[i], v[k]);
        struct str name = order > 0 ? v[k] : n->subscribed[i];
        bool wanted = imap_notify_events(s, name, w->account == s->who.account, true) & IMAP_EVENT_SUBSCRIPTION_CHANGE;
        if (order > 0 && wanted) put_line(s, "* LIST (\\Subscribed) \"/\" ", name, "\r\n");
        if (order < 0 && wanted) put_line(s, "* LIST () \"/\" ", name, "\r\n");
        i += order <= 0;
        k += order >= 0;
    }
    arena_free(n->names);
    n->names = a;
    n->subscribed = v;
    n->n_subscribed = many;
}

static bool wants_server_metadata(const struct imap_session *s)
{
    const struct imap_notify *n = &s->notify->command.notify;
    for (size_t i = 0; i < n->n; i++)
        if (n->groups[i].events & IMAP_EVENT_SERVER_METADATA_CHANGE) return true;
    return false;
}

/* Of the account as a whole. */
static FIBER void tell_account(struct imap_session *s, const struct imap_watched *w, unsigned news)
{
    if (w->account != s->who.account) return;
    if (news & NEWS_SUBSCRIBED) tell_subscriptions(s, w);
    if (news & NEWS_METADATA && wants_server_metadata(s)) tell_metadata(s, 0, S(""));
}

/* The mailbox as it is now, through the name it is known by. */
static FIBER bool look(struct imap_session *s, struct imap_watched *w, int64_t id, struct mailbox *out)
{
    struct mailbox *known = find(w->known, w->n_known, id);
    if (!known) return false;
    int e = store_mailbox_find(s->service->store, s->cmd, s->who.account, w->account, known->path, out, NULL);
    if (e || out->id != id) return false;
    known->uid_next = out->uid_next;
    known->highest_modseq = out->highest_modseq;
    return true;
}

static FIBER void tell_watched(struct imap_session *s, struct imap_watched *w)
{
    struct imap_pending pending[NOTIFY_PENDING];
    size_t n = w->n_pending;
    unsigned together = 0;
    bool all = w->overflow;
    memcpy(pending, w->pending, n * sizeof *pending); /* more may come meanwhile */
    w->n_pending = 0;
    w->overflow = false;
    for (size_t i = 0; i < n; i++) together |= pending[i].news;
    if (all || together & (NEWS_MADE | NEWS_RENAMED | NEWS_DELETED | NEWS_ACL))
        if (compare(s, w, all)) w->overflow = true; /* next time */
    for (size_t i = 0; i < n; i++) {
        struct mailbox m;
        if (pending[i].mailbox == 0) tell_account(s, w, pending[i].news);
        else if (!all && look(s, w, pending[i].mailbox, &m)) tell_mailbox(s, w, &m, pending[i].news);
    }
    if (all) tell_account(s, w, NEWS_SUBSCRIBED);
}

FIBER void imap_tell_news(struct imap_session *s)
{
    struct imap_notifying *n = s->notify;
    for (size_t i = 0; n && i < n->n_watched; i++)
        if (n->watched[i]->n_pending || n->watched[i]->overflow) tell_watched(s, n->watched[i]);
}

/* ---- the selected mailbox ---- */

FIBER void imap_tell_unasked(struct imap_session *s)
{
    const struct imap_event_group *g = s->notify ? s->notify->selected : NULL;
    s->flags_unwanted = g && !(g->events & IMAP_EVENT_FLAG_CHANGE);
    if (g && g->events) imap_sync(s, g->filter.kind == IMAP_FILTER_SELECTED);
    s->flags_unwanted = false;
    imap_tell_news(s);
}

FIBER void imap_notify_fetch(struct imap_session *s, uid first)
{
    const struct imap_event_group *g = s->notify ? s->notify->selected : NULL;
    struct uid_set new = {0};
    if (!g || !(g->events & IMAP_EVENT_MESSAGE_NEW) || g->fetch.n == 0) return;
    const struct snapshot *shown = s->selected->shown;
    struct walk w = walk_from(shown, snapshot_seq_from(shown, first));
    while (walk_next(&w)) uid_set_add(s->cmd, &new, w.entry->uid, w.entry->uid);
    imap_tell_letters(s, &g->fetch, &new);
}
