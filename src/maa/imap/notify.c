/* NOTIFY (RFC 5465): what the client wants to hear of without asking.
 *
 * What is asked for is kept as parsed; whole accounts are watched, one's own and those of others whose mailboxes are
 * named. Memory is bounded however much happens: what does not fit is found by comparing (notify_tell.c), so that
 * there is no NOTIFICATIONOVERFLOW. Notes of annotations of messages are not kept here: BADEVENT. */
#include "maa/imap/notify.h"

#include <stdlib.h>

#include "mail/limits.h"

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
    for (size_t i = 0; i < n->n; i++)
        if (means(&n->groups[i].filter, name, own, subscribed)) return n->groups[i].events;
    return 0;
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

static void on_news(int64_t mailbox, unsigned news, void *arg)
{
    struct imap_watched *w = arg;
    size_t i = 0;
    while (i < w->n_pending && w->pending[i].mailbox != mailbox) i++;
    if (i == NOTIFY_PENDING) w->overflow = true;
    else if (i == w->n_pending) w->pending[w->n_pending++] = (struct imap_pending){mailbox, news};
    else w->pending[i].news |= news;
    event_set(&w->session->news);
}

static FIBER int watch(struct imap_session *s, struct imap_notifying *n, int64_t account)
{
    for (size_t i = 0; i < n->n_watched; i++)
        if (n->watched[i]->account == account) return 0;
    if (n->n_watched > LIMIT_IMAP_WATCHED) return 0;
    struct imap_watched *w = arena_new_of(n->arena, struct imap_watched);
    *w = (struct imap_watched){.session = s, .account = account, .arena = arena_new(n->arena, 0)};
    n->watched = arena_grow(n->arena, n->watched, n->n_watched, &n->cap_watched, sizeof(struct imap_watched *));
    n->watched[n->n_watched++] = w;
    w->watch = store_watch_account(s->service->store, loop_self(), account, on_news, w);
    return imap_notify_tree(s, w->arena, account, &w->known, &w->n_known);
}

/* Whose mailbox is it? Names that lead nowhere are passed over (RFC 5465 §3.1). */
static FIBER int watch_named(struct imap_session *s, struct imap_notifying *n, struct str name)
{
    struct imap_place place;
    if (imap_place(s, name, &place, NULL) || place.account == 0) return 0;
    return watch(s, n, place.account);
}

static FIBER int watch_all(struct imap_session *s, struct imap_notifying *n)
{
    const struct imap_notify *asked = &n->command.notify;
    if (!n->elsewhere) return 0;
    int e = watch(s, n, s->who.account);
    n->names = arena_new(n->arena, 0);
    if (!e) e = imap_notify_names(s, n->names, &n->subscribed, &n->n_subscribed);
    for (size_t i = 0; i < asked->n && !e; i++) {
        const struct imap_filter *f = &asked->groups[i].filter;
        bool subscribed = f->kind == IMAP_FILTER_SUBSCRIBED;
        for (size_t k = 0; k < (subscribed ? n->n_subscribed : f->names.n) && !e; k++)
            e = watch_named(s, n, subscribed ? n->subscribed[k] : f->names.v[k]);
    }
    return e;
}

void imap_notify_end(struct imap_session *s)
{
    struct imap_notifying *n = s->notify;
    s->notify = NULL;
    if (!n) return;
    for (size_t i = 0; i < n->n_watched; i++) store_unwatch_account(n->watched[i]->watch);
    arena_free(n->arena);
}

/* ---- the command ---- */

/* A copy that lives as long as it is obeyed. */
static struct imap_notifying *keep(struct imap_session *s)
{
    struct arena *a = arena_new(s->arena, 0);
    struct imap_notifying *n = arena_new_of(a, struct imap_notifying);
    n->arena = a;
    imap_parse(a, arena_str(a, s->input), &n->command);
    return n;
}

/* Names decoded; which groups there are. A refusal's text, or none. */
static struct str prepare(struct imap_session *s, struct imap_notifying *n)
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
            g->filter.names.v[k] = arena_str(n->arena, name);
        }
    }
    return STR_NONE;
}

static FIBER void tell_status(struct imap_session *s, const struct imap_notifying *n)
{
    for (size_t i = 0; i < n->n_watched; i++) {
        const struct imap_watched *w = n->watched[i];
        for (size_t k = 0; k < w->n_known; k++) {
            struct str name = imap_name_of(s, w->account, w->known[k].path);
            bool own = w->account == s->who.account;
            if (imap_notify_events(s, name, own, imap_notify_subscribed(n, name)) & IMAP_EVENT_MESSAGE_NEW)
                imap_notify_status(s, &w->known[k]);
        }
    }
}

FIBER struct imap_done imap_on_notify(struct imap_session *s, const struct imap_command *c)
{
    const struct imap_notify *asked = &c->notify;
    for (size_t i = 0; i < asked->n; i++)
        if (asked->groups[i].events & (IMAP_EVENT_ANNOTATION_CHANGE | IMAP_EVENT_UNKNOWN)) /* RFC 5465 §5 */
            return imap_no(S("BADEVENT (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange "
                             "MailboxMetadataChange ServerMetadataChange)"),
                           S("these are the events there are"));
    imap_notify_end(s);
    if (asked->none) return imap_ok(STR_NONE, S("silence"));
    s->notify = keep(s);
    struct str refusal = prepare(s, s->notify);
    int e = str_is_none(refusal) ? watch_all(s, s->notify) : 0;
    if (e || !str_is_none(refusal)) {
        imap_notify_end(s);
        return e ? imap_refusal(s, e, NULL) : imap_bad(refusal);
    }
    if (asked->status) tell_status(s, s->notify);
    return imap_ok(STR_NONE, S("done"));
}
