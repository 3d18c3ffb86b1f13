/* What NOTIFY tells of names (RFC 5465 §5.4, §5.5, §5.9): LIST of mailboxes made, renamed and gone, with the parents of
 * those made and gone; of rights given and taken; of subscriptions. Attributes are those LIST would tell. */
#include "maa/imap/notify.h"
#include "maa/imap/tree.h"

#include "base/map.h"

enum { NEWS_OF_NAMES = NEWS_MADE | NEWS_RENAMED | NEWS_DELETED | NEWS_ACL };

struct comparing { /* what was told with what is there now; both by id */
    struct imap_session *s;
    struct imap_watched *w;
    const struct account_news *v; /* what is known of what happened */
    size_t n_v;
    struct mailbox *now;
    size_t n_now;
    struct imap_list_names *names; /* as LIST knows them; NULL: not asked yet */
    struct map told;               /* names told this time */
    struct str *parents;           /* of what was made or is gone */
    size_t n_parents, cap_parents;
};

/* ---- LIST responses ---- */

static FIBER void put_list(struct imap_session *s, const struct imap_list_names *names, struct str name, struct str old)
{
    const struct imap_list_name none = {.name = name}, *it = imap_list_name_find(names, name);
    struct buf *b = buf_in(s->cmd, SIZE_MAX);
    buf_lit(b, "* LIST ");
    imap_put_list_attributes(s, b, it ? it : &none, IMAP_LIST_SUBSCRIBED | IMAP_LIST_NOTIFY);
    buf_lit(b, " \"/\" ");
    imap_put_mailbox(b, name, imap_utf8(s));
    if (old.n) {
        buf_lit(b, " (\"OLDNAME\" (");
        imap_put_mailbox(b, old, imap_utf8(s));
        buf_lit(b, "))");
    }
    buf_lit(b, "\r\n");
    imap_put(s, buf_str(b));
}

static FIBER void tell(struct comparing *c, struct str name, struct str old)
{
    if (!c->names) {
        c->names = arena_new_of(c->s->cmd, struct imap_list_names);
        if (imap_list_names(c->s, c->w->account, true, c->names, NULL)) *c->names = (struct imap_list_names){0};
    }
    put_list(c->s, c->names, name, old);
    map_set(&c->told, name, c);
}

/* ---- what happened to a mailbox ---- */

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

static const struct account_news *news_of(const struct comparing *c, int64_t mailbox)
{
    for (size_t i = 0; i < c->n_v; i++)
        if (c->v[i].mailbox == mailbox) return &c->v[i];
    return NULL;
}

static bool is_own(const struct comparing *c, int64_t mailbox)
{
    const struct account_news *news = news_of(c, mailbox);
    return news && news->own & NEWS_OF_NAMES && !(news->news & NEWS_OF_NAMES);
}

static unsigned events_of(const struct comparing *c, struct str path)
{
    return imap_notify_events_of(c->s, c->w, imap_name_of(c->s, c->w->account, path));
}

static struct str parent_of(struct str path)
{
    size_t n = path.n;
    while (n > 0 && path.p[n - 1] != '/') n--;
    return n > 0 ? str_head(path, n - 1) : S("");
}

/* It has another path because the mailbox above was renamed: no event of its own (RFC 5465 §5.4) where that is told, or
 * was the client's doing. */
static bool is_moved_along(struct comparing *c, const struct mailbox *old, const struct mailbox *now)
{
    size_t old_above = parent_of(old->path).n, above = parent_of(now->path).n;
    if (!old->parent || old->parent != now->parent ||
        !str_eq(str_skip(old->path, old_above), str_skip(now->path, above)))
        return false;
    const struct mailbox *old_parent = find(c->w->known, c->w->n_known, old->parent);
    const struct mailbox *parent = find(c->now, c->n_now, old->parent);
    if (!old_parent || !parent || str_eq(old_parent->path, parent->path)) return false;
    if (is_moved_along(c, old_parent, parent) || is_own(c, parent->id)) return true;
    return (events_of(c, old_parent->path) | events_of(c, parent->path)) & IMAP_EVENT_MAILBOX_NAME;
}

/* ---- telling ---- */

static void add_parent(struct comparing *c, struct str path)
{
    struct arena *a = c->s->cmd;
    struct str above = parent_of(path);
    if (above.n == 0) return;
    c->parents = arena_grow(a, c->parents, c->n_parents, &c->cap_parents, sizeof *c->parents);
    c->parents[c->n_parents++] = above;
}

/* RFC 5465 §5.1: with FlagChange the client hears when a name means a mailbox of another UIDVALIDITY. */
static FIBER void tell_validity(struct comparing *c, const struct mailbox *now)
{
    if (events_of(c, now->path) & IMAP_EVENT_FLAG_CHANGE) imap_notify_status(c->s, now, 0);
}

static FIBER void tell_made(struct comparing *c, struct mailbox *now)
{
    const struct account_news *news = news_of(c, now->id);
    struct str name = imap_name_of(c->s, c->w->account, now->path);
    bool renamed = news && news->news & NEWS_FROM_INBOX;
    if (is_own(c, now->id)) return;
    if (!renamed) add_parent(c, now->path);
    if (events_of(c, now->path) & IMAP_EVENT_MAILBOX_NAME) tell(c, name, renamed ? S("INBOX") : S(""));
    tell_validity(c, now);
}

static FIBER void tell_gone(struct comparing *c, const struct mailbox *old)
{
    if (is_own(c, old->id)) return;
    add_parent(c, old->path);
    if (events_of(c, old->path) & IMAP_EVENT_MAILBOX_NAME) tell(c, imap_name_of(c->s, c->w->account, old->path), S(""));
}

static FIBER void tell_renamed(struct comparing *c, const struct mailbox *old, struct mailbox *now)
{
    if (is_own(c, now->id) || is_moved_along(c, old, now)) return;
    if ((events_of(c, old->path) | events_of(c, now->path)) & IMAP_EVENT_MAILBOX_NAME)
        tell(c, imap_name_of(c->s, c->w->account, now->path), imap_name_of(c->s, c->w->account, old->path));
    tell_validity(c, now);
}

/* RFC 5465 §5.9: it may still be seen, but not be read; or again. */
static FIBER void tell_access(struct comparing *c, const struct mailbox *old, const struct mailbox *now)
{
    if ((old->rights & RIGHT_READ) == (now->rights & RIGHT_READ) || !events_of(c, now->path)) return;
    tell(c, imap_name_of(c->s, c->w->account, now->path), S(""));
}

static unsigned difference(const struct mailbox *old, const struct mailbox *now)
{
    bool came = old->uid_next != now->uid_next, changed = old->highest_modseq != now->highest_modseq;
    return (came ? NEWS_ADDED : 0u) | (changed ? NEWS_GONE | NEWS_FLAGS : 0u);
}

static FIBER void tell_difference(struct comparing *c, const struct mailbox *old, struct mailbox *now, bool all)
{
    if (!old) tell_made(c, now);
    else if (!now) tell_gone(c, old);
    else if (!str_eq(old->path, now->path)) tell_renamed(c, old, now);
    else tell_access(c, old, now);
    if (all && old && now) imap_notify_letters(c->s, c->w, now, difference(old, now));
}

/* RFC 5465 §5.4: the parent of what was made or is gone is affected too; told once, and not again. */
static FIBER void tell_parents(struct comparing *c)
{
    for (size_t i = 0; i < c->n_parents; i++) {
        struct str name = imap_name_of(c->s, c->w->account, c->parents[i]);
        if (map_get(&c->told, name) || !(events_of(c, c->parents[i]) & IMAP_EVENT_MAILBOX_NAME)) continue;
        tell(c, name, S(""));
    }
}

static void drop_map(void *map) { map_free(map); }

static struct comparing *begin(struct imap_session *s, struct imap_watched *w, const struct account_news *v, size_t n)
{
    struct comparing *c = arena_new_of(s->cmd, struct comparing);
    *c = (struct comparing){.s = s, .w = w, .v = v, .n_v = n};
    map_init(&c->told, world_hash_key(loop_world(loop_self())));
    arena_defer(s->cmd, drop_map, &c->told);
    return c;
}

FIBER int imap_notify_compare(struct imap_session *s, struct imap_watched *w, const struct account_news *v, size_t n,
                              bool all)
{
    struct comparing *c = begin(s, w, v, n);
    struct arena *a = arena_new(s->notify->arena, 0);
    size_t i = 0, k = 0;
    int e = imap_notify_tree(s, a, w->account, &c->now, &c->n_now);
    if (e) {
        arena_free(a);
        return e;
    }
    while (i < w->n_known || k < c->n_now) {
        const struct mailbox *old = i < w->n_known ? &w->known[i] : NULL;
        struct mailbox *now = k < c->n_now ? &c->now[k] : NULL;
        if (old && now && old->id != now->id) old->id < now->id ? (now = NULL) : (old = NULL);
        tell_difference(c, old, now, all);
        i += old != NULL;
        k += now != NULL;
        fiber_yield_if_long();
    }
    tell_parents(c);
    arena_free(w->arena);
    w->arena = a;
    w->known = c->now;
    w->n_known = c->n_now;
    return 0;
}

FIBER void imap_notify_no_access(struct imap_session *s, const struct imap_watched *w)
{
    struct comparing *c = begin(s, (struct imap_watched *)(uintptr_t)w, NULL, 0);
    for (size_t i = 0; i < w->n_known && w->account != s->who.account; i++) {
        struct str name = imap_name_of(s, w->account, w->known[i].path);
        if (!(w->known[i].rights & RIGHT_READ) && imap_notify_events_of(s, w, name)) tell(c, name, S(""));
    }
}

/* ---- subscriptions ---- */

FIBER void imap_notify_subscriptions(struct imap_session *s, bool silent)
{
    struct imap_notifying *n = s->notify;
    struct arena *a = arena_new(n->arena, 0);
    struct imap_list_names names = {0};
    struct str *v;
    size_t many, i = 0, k = 0;
    if (imap_notify_names(s, a, &v, &many)) {
        arena_free(a);
        return;
    }
    bool wanted = !silent && imap_notify_wants(s, IMAP_EVENT_SUBSCRIPTION_CHANGE);
    if (wanted && imap_list_names(s, 0, true, &names, NULL)) names = (struct imap_list_names){0};
    while (wanted && (i < n->n_subscribed || k < many)) {
        int order = i == n->n_subscribed ? 1 : k == many ? -1 : str_cmp(n->subscribed[i], v[k]);
        struct str name = order > 0 ? v[k] : n->subscribed[i];
        bool own = !str_starts(name, S(IMAP_SHARED));
        if (order && imap_notify_events(s, name, own, true) & IMAP_EVENT_SUBSCRIPTION_CHANGE)
            put_list(s, &names, name, S(""));
        i += order <= 0;
        k += order >= 0;
    }
    arena_free(n->names);
    n->names = a;
    n->subscribed = v;
    n->n_subscribed = many;
    if (imap_notify_watch_subscribed(s, n) != ERR_TOO_LONG) return;
    imap_put(s, S("* OK [NOTIFICATIONOVERFLOW] these are too many accounts: NOTIFY again\r\n"));
    imap_notify_silence(s);
}
