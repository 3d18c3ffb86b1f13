/* NOTIFY (RFC 5465): what the client wants to hear of without asking.
 *
 * What is asked for is kept as parsed; whole accounts are watched, one's own and those of others whose mailboxes are
 * named. Memory is bounded however much happens: what does not fit is found by comparing (notify_names.c); which
 * annotations changed cannot be, and is NOTIFICATIONOVERFLOW. There are no annotations of messages: BADEVENT. */
#include "maa/imap/notify.h"
#include "maa/imap/tree.h"

#include <stdlib.h>

#include "mail/limits.h"
#include "mail/mailbox_name.h"

/* ---- what a group means ---- */

static bool names_it(const struct imap_filter *f, struct str name, bool below)
{
    for (size_t i = 0; i < f->names.n; i++) {
        struct str top = f->names.v[i];
        if (str_eq(top, name)) return true;
        if (below && str_starts(name, top) && name.n > top.n && name.p[top.n] == '/') return true;
    }
    return false;
}

static bool means(const struct imap_filter *f, struct str name, bool own, bool subscribed)
{
    switch (f->kind) {
    case IMAP_FILTER_PERSONAL: return own;
    case IMAP_FILTER_INBOXES: return str_eq(name, S("INBOX")); /* where deliveries go */
    case IMAP_FILTER_SUBSCRIBED: return subscribed;
    case IMAP_FILTER_SUBTREE: return names_it(f, name, true);
    case IMAP_FILTER_MAILBOXES: return names_it(f, name, false);
    default: return false;
    }
}

unsigned imap_notify_events(const struct imap_session *s, struct str name, bool own, bool subscribed)
{
    const struct imap_notify *n = &s->notify->command.notify;
    unsigned events = 0;
    for (size_t i = 0; i < n->n; i++) {
        if (!means(&n->groups[i].filter, name, own, subscribed)) continue;
        if (n->groups[i].events == 0) return 0; /* NONE */
        events |= n->groups[i].events;
    }
    return events;
}

bool imap_notify_wants(const struct imap_session *s, unsigned events)
{
    const struct imap_notify *n = &s->notify->command.notify;
    for (size_t i = 0; i < n->n; i++)
        if (&n->groups[i] != s->notify->selected && n->groups[i].events & events) return true;
    return false;
}

bool imap_notified(const struct imap_session *s)
{
    const struct imap_notifying *n = s->notify;
    return n && (n->elsewhere || (n->selected && n->selected->events));
}

/* ---- reading ---- */

static int by_name(const void *a, const void *b) { return str_cmp(*(const struct str *)a, *(const struct str *)b); }

bool imap_notify_subscribed(const struct imap_notifying *n, struct str name)
{
    return n->n_subscribed && bsearch(&name, n->subscribed, n->n_subscribed, sizeof name, by_name);
}

FIBER int imap_notify_names(struct imap_session *s, struct arena *a, struct str **v, size_t *n)
{
    int e = store_subscriptions(s->service->store, a, s->who.account, v, n, NULL);
    if (!e && *n) qsort(*v, *n, sizeof **v, by_name);
    return e;
}

static int by_id(const void *a, const void *b)
{
    const struct mailbox *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

FIBER int imap_notify_tree(struct imap_session *s, struct arena *a, int64_t account, struct mailbox **v, size_t *n)
{
    int e = store_mailbox_tree(s->service->store, a, s->who.account, account, v, n, NULL);
    if (!e && *n) qsort(*v, *n, sizeof **v, by_id);
    return e;
}

/* ---- watching ---- */

static void on_news(void *arg)
{
    struct imap_watched *w = arg;
    w->news = true;
    event_set(&w->session->news);
}

static void end_watch(void *watch) { store_unwatch_account(watch); }

static FIBER int watch(struct imap_session *s, struct imap_notifying *n, int64_t account)
{
    for (size_t i = 0; i < n->n_watched; i++)
        if (n->watched[i]->account == account) return 0;
    if (n->n_watched > LIMIT_IMAP_WATCHED) return ERR_TOO_LONG;
    struct imap_watched *w = arena_new_of(n->arena, struct imap_watched);
    *w = (struct imap_watched){.session = s, .account = account, .arena = arena_new(n->arena, 0)};
    n->watched = arena_grow(n->arena, n->watched, n->n_watched, &n->cap_watched, sizeof(struct imap_watched *));
    n->watched[n->n_watched++] = w;
    w->watch = store_watch_account(s->service->store, loop_self(), s->who.account, account, on_news, w);
    arena_defer(n->arena, end_watch, w->watch);
    return imap_notify_tree(s, w->arena, account, &w->known, &w->n_known);
}

/* Whose mailbox is it? Names that lead nowhere are passed over (RFC 5465 §3.1); who shows us nothing yet may do so
 * later (§5.9). */
static FIBER int watch_named(struct imap_session *s, struct imap_notifying *n, struct str name)
{
    struct imap_place place;
    int64_t *v;
    size_t many;
    struct arena *whole = s->cmd;
    s->cmd = arena_new(whole, 0); /* there may be thousands of names */
    int e = imap_place(s, name, &place, NULL), r = e ? 0 : imap_accounts_below(s, &place, &v, &many, NULL);
    for (size_t i = 0; !e && !r && i < many; i++) r = watch(s, n, v[i]);
    arena_free(s->cmd);
    s->cmd = whole;
    return r;
}

FIBER int imap_notify_watch_subscribed(struct imap_session *s, struct imap_notifying *n)
{
    bool asked = false;
    int e = 0;
    for (size_t i = 0; i < n->command.notify.n; i++)
        asked |= n->command.notify.groups[i].filter.kind == IMAP_FILTER_SUBSCRIBED;
    for (size_t i = 0; asked && i < n->n_subscribed && !e; i++) e = watch_named(s, n, n->subscribed[i]);
    return e;
}

static FIBER int watch_all(struct imap_session *s, struct imap_notifying *n)
{
    const struct imap_notify *asked = &n->command.notify;
    if (!n->elsewhere) return 0;
    int e = watch(s, n, s->who.account);
    n->names = arena_new(n->arena, 0);
    if (!e) e = imap_notify_names(s, n->names, &n->subscribed, &n->n_subscribed);
    for (size_t i = 0; i < asked->n && !e; i++) {
        const struct imap_strings *names = &asked->groups[i].filter.names;
        for (size_t k = 0; k < names->n && !e; k++) e = watch_named(s, n, names->v[k]);
    }
    return e ? e : imap_notify_watch_subscribed(s, n);
}

void imap_notify_end(struct imap_session *s)
{
    struct imap_notifying *n = s->notify;
    s->notify = NULL;
    if (n) arena_free(n->arena);
}

/* ---- the command ---- */

static struct imap_notifying *begin(struct imap_session *s)
{
    struct arena *a = arena_new(s->arena, 0);
    struct imap_notifying *n = arena_new_of(a, struct imap_notifying);
    n->arena = a;
    return n;
}

void imap_notify_silence(struct imap_session *s)
{
    struct imap_notifying *none = begin(s);
    imap_notify_end(s);
    s->notify = none;
}

/* As we say it: the login in full, composed as the store keeps it. What is no name stays as it is, and means nothing.
 */
static FIBER struct str as_told(struct imap_session *s, struct arena *a, struct str name)
{
    struct imap_place place;
    if (imap_place(s, name, &place, NULL) || place.account == 0) return arena_str(a, name);
    struct buf *path = buf_in(s->cmd, SIZE_MAX);
    for (bool more = place.path.n > 0; more;) {
        struct str level, rest;
        more = str_cut(place.path, '/', &level, &rest);
        place.path = rest;
        if (mailbox_level(s->cmd, level, &level)) return arena_str(a, name);
        buf_add(path, level);
        if (more) buf_char(path, '/');
    }
    return arena_str(a, imap_name_of(s, place.account, buf_str(path)));
}

/* Names decoded; which groups there are. A refusal's text, or none. */
static FIBER struct str prepare(struct imap_session *s, struct imap_notifying *n)
{
    struct imap_notify *asked = &n->command.notify;
    for (size_t i = 0; i < asked->n; i++) {
        struct imap_event_group *g = &asked->groups[i];
        if (g->filter.kind == IMAP_FILTER_SELECTED || g->filter.kind == IMAP_FILTER_SELECTED_DELAYED) {
            if (n->selected) return S("the selected mailbox is named twice"); /* RFC 5465 §8 */
            n->selected = g;
            continue;
        }
        n->elsewhere = true;
        for (size_t k = 0; k < g->filter.names.n; k++) {
            struct str name;
            if (imap_name(s, g->filter.names.v[k], &name)) return S("that is no name for a mailbox");
            g->filter.names.v[k] = as_told(s, n->arena, name);
        }
    }
    return STR_NONE;
}

/* RFC 5465 §3.1: what STATUS tells of each. */
static FIBER void tell_status(struct imap_session *s, const struct imap_watched *w)
{
    for (size_t k = 0; k < w->n_known; k++) {
        struct str name = imap_name_of(s, w->account, w->known[k].path);
        unsigned events = imap_notify_events_of(s, w, name);
        if (!(events & IMAP_EVENT_MESSAGE_NEW)) continue;
        imap_notify_status(s, &w->known[k], events & IMAP_EVENT_FLAG_CHANGE ? IMAP_STATUS_HIGHESTMODSEQ : 0);
        fiber_yield_if_long();
    }
}

static FIBER struct imap_done set(struct imap_session *s)
{
    struct imap_notifying *n = begin(s);
    imap_parse(n->arena, arena_str(n->arena, s->input), &n->command);
    struct str refusal = prepare(s, n);
    int e = str_is_none(refusal) ? watch_all(s, n) : 0;
    if (e || !str_is_none(refusal)) { /* what was asked for before holds */
        arena_free(n->arena);
        if (e == ERR_TOO_LONG) return imap_no(S("NOTIFICATIONOVERFLOW"), S("these are too many accounts"));
        return e ? imap_refusal(s, e, NULL) : imap_bad(refusal);
    }
    imap_notify_end(s);
    s->notify = n;
    for (size_t i = 0; i < n->n_watched; i++) {
        imap_notify_no_access(s, n->watched[i]);
        if (n->command.notify.status) tell_status(s, n->watched[i]);
    }
    s->owes = true; /* RFC 5465 §3.1: "implies an implicit NOOP" */
    return imap_ok(STR_NONE, S("done"));
}

FIBER struct imap_done imap_on_notify(struct imap_session *s, const struct imap_command *c)
{
    const struct imap_notify *asked = &c->notify;
    for (size_t i = 0; i < asked->n; i++)
        if (asked->groups[i].events & (IMAP_EVENT_ANNOTATION_CHANGE | IMAP_EVENT_UNKNOWN)) /* RFC 5465 §5 */
            return imap_no(S("BADEVENT (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange "
                             "MailboxMetadataChange ServerMetadataChange)"),
                           S("these are the events there are"));
    if (!asked->none) return set(s);
    imap_notify_silence(s);
    return imap_ok(STR_NONE, S("silence"));
}
