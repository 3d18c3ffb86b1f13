/* ESEARCH (RFC 7377): one program of keys over several mailboxes, an ESEARCH response for each that has something. */
#include "maa/imap/search.h"
#include "mail/limits.h"

struct sources {
    struct imap_session *s;
    struct mailbox *v; /* without repetitions */
    struct str *names;
    size_t n, cap, cap_names;
};

static void add(struct sources *so, const struct mailbox *m)
{
    struct arena *a = so->s->cmd;
    if (!(m->rights & RIGHT_READ)) return; /* RFC 7377 §2.2: those that may not be read are passed over */
    for (size_t i = 0; i < so->n; i++)
        if (so->v[i].id == m->id) return;
    so->v = arena_grow(a, so->v, so->n, &so->cap, sizeof *so->v);
    so->names = arena_grow(a, so->names, so->n, &so->cap_names, sizeof *so->names);
    so->names[so->n] = imap_name_of(so->s, m->account, m->path);
    so->v[so->n++] = *m;
}

static bool is_below(struct str path, struct str top, bool one_level)
{
    if (top.n && !(str_starts(path, top) && path.n > top.n && path.p[top.n] == '/')) return false;
    struct str rest = top.n ? str_skip(path, top.n + 1) : path;
    return rest.n > 0 && (!one_level || str_find_char(rest, '/') == rest.n);
}

/* The mailbox of a name, and with `below` those under it. A name that leads nowhere adds nothing. */
static FIBER int add_named(struct sources *so, struct str written, bool below, bool one_level, struct error *e)
{
    struct imap_session *s = so->s;
    struct imap_place place;
    struct str name;
    struct mailbox *v;
    size_t n;
    if (imap_name(s, written, &name)) return 0;
    int r = imap_place(s, name, &place, e);
    if (!r) r = store_mailbox_tree(s->service->store, s->cmd, s->who.account, place.account, &v, &n, e);
    if (r) return r == ERR_NOT_FOUND || r == ERR_SYNTAX ? 0 : r;
    for (size_t i = 0; i < n; i++)
        if (str_eq(v[i].path, place.path) || (below && is_below(v[i].path, place.path, one_level))) add(so, &v[i]);
    return 0;
}

/* RFC 5465 §6.2 to §6.4 */
static FIBER int add_own(struct sources *so, int kind, struct error *e)
{
    struct imap_session *s = so->s;
    struct mailbox *v;
    size_t n;
    int r = store_mailbox_tree(s->service->store, s->cmd, s->who.account, s->who.account, &v, &n, e);
    for (size_t i = 0; i < n && !r; i++)
        if (kind == IMAP_FILTER_PERSONAL || str_eq(v[i].path, S("INBOX"))) add(so, &v[i]);
    return r;
}

static FIBER int add_subscribed(struct sources *so, struct error *e)
{
    struct imap_session *s = so->s;
    struct str *names;
    size_t n;
    int r = store_subscriptions(s->service->store, s->cmd, s->who.account, &names, &n, e);
    for (size_t i = 0; i < n && !r; i++) {
        struct mailbox m;
        r = imap_find(s, names[i], &m, e);
        if (r == 0) add(so, &m);
        if (r == ERR_NOT_FOUND || r == ERR_SYNTAX) r = 0;
    }
    return r;
}

static FIBER void add_selected(struct sources *so)
{
    const struct imap_session *s = so->s;
    const struct imap_selected *m = s->selected;
    bool own = m->account == s->who.account; /* others' rights may have been taken since it was selected */
    struct mailbox shown = {.id = m->mailbox, .account = m->account};
    shown.rights = own ? RIGHTS_ALL : store_rights(s->service->store, s->who.account, m->mailbox);
    size_t before = so->n;
    shown.uid_validity = m->shown->uid_validity;
    add(so, &shown);
    if (so->n > before) so->names[before] = m->name;
}

static FIBER int gather(struct sources *so, const struct imap_search *c, struct error *e)
{
    int r = 0;
    if (c->n_sources == 0) add_selected(so);
    for (size_t i = 0; i < c->n_sources && !r; i++) {
        const struct imap_filter *f = &c->sources[i];
        switch (f->kind) {
        case IMAP_FILTER_SELECTED:
        case IMAP_FILTER_SELECTED_DELAYED:
            if (so->s->selected) add_selected(so);
            else r = ERR_CONFLICT;
            break;
        case IMAP_FILTER_PERSONAL:
        case IMAP_FILTER_INBOXES: r = add_own(so, (int)f->kind, e); break;
        case IMAP_FILTER_SUBSCRIBED: r = add_subscribed(so, e); break;
        case IMAP_FILTER_SUBTREE:
        case IMAP_FILTER_SUBTREE_ONE:
        case IMAP_FILTER_MAILBOXES:
            for (size_t k = 0; k < f->names.n && !r; k++)
                r = add_named(so, f->names.v[k], f->kind != IMAP_FILTER_MAILBOXES, f->kind == IMAP_FILTER_SUBTREE_ONE,
                              e);
        }
    }
    return r;
}

static void nothing_to_do(void *arg) { (void)arg; }

struct looking { /* at a mailbox that is not selected; ended with the command whatever happens */
    struct view *view;
    const struct snapshot *shown;
};

static void end_looking(void *arg)
{
    struct looking *l = arg;
    snapshot_unref(l->shown);
    if (l->view) store_view_close(l->view);
    *l = (struct looking){0};
}

static FIBER int search_one(struct imap_session *s, const struct imap_search *c, const struct mailbox *m,
                            struct str name, struct error *e)
{
    struct looking *l = arena_new_of(s->cmd, struct looking);
    struct imap_result r;
    int bad = store_view_open(s->service->store, loop_self(), m->id, nothing_to_do, NULL, &l->view, e);
    if (bad) return bad == ERR_NOT_FOUND ? 0 : bad; /* gone meanwhile */
    arena_defer(s->cmd, end_looking, l);
    l->shown = view_newest(l->view);
    bad = imap_search_run(s, c, l->shown, false, &r, e);
    if (!bad && r.n > 0) { /* RFC 7377 §2.1: where nothing is found nothing is said */
        struct buf *b = buf_in(r.arena, SIZE_MAX / 2);
        buf_lit(b, "* ESEARCH (TAG ");
        imap_put_string(b, s->tag, false);
        buf_lit(b, " MAILBOX ");
        imap_put_mailbox(b, name, imap_utf8(s));
        buf_printf(b, " UIDVALIDITY %u)", l->shown->uid_validity);
        imap_put_esearch(s, b, c, &r, true, false);
        buf_lit(b, "\r\n");
        imap_put(s, buf_str(b));
    }
    end_looking(l);
    return bad;
}

FIBER struct imap_done imap_on_esearch(struct imap_session *s, const struct imap_command *c)
{
    struct sources so = {.s = s};
    struct imap_done refusal;
    struct error why = {0};
    if (c->search.n_sources == 0 && !s->selected) return imap_bad(S("select a mailbox, or say which"));
    if (c->search.returns & (IMAP_SEARCH_SAVE | IMAP_SEARCH_UPDATE | IMAP_SEARCH_CONTEXT))
        return imap_bad(S("that goes with SEARCH alone"));
    if (!imap_search_charset(s, &c->search, &refusal)) return refusal;
    int e = gather(&so, &c->search, &why);
    if (e == ERR_CONFLICT) return imap_bad(S("no mailbox is selected"));
    for (size_t i = 0; i < so.n && !e; i++) e = search_one(s, &c->search, &so.v[i], so.names[i], &why);
    if (e) return imap_search_failed(s, &c->search, e, &why);
    return imap_ok(STR_NONE, S("searched"));
}
