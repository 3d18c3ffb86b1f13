/* ESEARCH (RFC 7377): one program of keys over several mailboxes, an ESEARCH response for each that has something. */
#include "base/map.h"
#include "maa/imap/search.h"
#include "maa/imap/tree.h"
#include "mail/limits.h"

struct sources {
    struct imap_session *s;
    struct source {
        int64_t mailbox;
        struct str name;
    } * v; /* without repetitions: */
    size_t n, cap;
    struct map there; /* by mailbox */
    struct arena *tree_in; /* of the tree read last: */
    int64_t account;
    struct mailbox *tree;
    size_t n_tree;
};

static void add_source(struct sources *so, int64_t mailbox, struct str name)
{
    struct arena *a = so->s->cmd;
    if (map_get(&so->there, str_of((const char *)&mailbox, sizeof mailbox))) return;
    int64_t *key = arena_new_of(a, int64_t);
    *key = mailbox;
    map_set(&so->there, str_of((const char *)key, sizeof *key), key);
    so->v = arena_grow(a, so->v, so->n, &so->cap, sizeof *so->v);
    so->v[so->n++] = (struct source){mailbox, name};
}

static FIBER void add(struct sources *so, const struct mailbox *m)
{
    fiber_yield_if_long();
    if (m->rights & RIGHT_READ) /* RFC 7377 §2.2: those that may not be read are passed over */
        add_source(so, m->id, imap_name_of(so->s, m->account, m->path));
}

/* All mailboxes of an account, which one after the other of a command's names may be looked for in. */
static FIBER int read_tree(struct sources *so, int64_t account, struct error *e)
{
    struct imap_session *s = so->s;
    if (so->tree_in && so->account == account) return 0;
    arena_free(so->tree_in);
    so->tree_in = arena_new(s->cmd, 0);
    so->account = account;
    so->n_tree = 0;
    return store_mailbox_tree(s->service->store, so->tree_in, s->who.account, account, &so->tree, &so->n_tree, e);
}

static bool is_below(struct str path, struct str top, bool one_level)
{
    if (top.n && !(str_starts(path, top) && path.n > top.n && path.p[top.n] == '/')) return false;
    struct str rest = top.n ? str_skip(path, top.n + 1) : path;
    return rest.n > 0 && (!one_level || str_find_char(rest, '/') == rest.n);
}

/* The mailbox of a name, with these rights and that to read (RFC 7377 §2.2). One that leads nowhere adds nothing. */
static FIBER int add_named(struct sources *so, struct str name, right_set needed, struct error *e)
{
    struct mailbox m;
    int r = imap_find(so->s, name, &m, e);
    if (r == 0 && (m.rights & needed) == needed) add(so, &m);
    return r == ERR_NOT_FOUND || r == ERR_SYNTAX ? 0 : r;
}

/* The same, and those below, which one must be able to look up too. */
static FIBER int add_subtree(struct sources *so, struct str name, bool one_level, struct error *e)
{
    struct imap_place place = {0};
    int64_t *accounts = NULL;
    size_t n = 0;
    int r = add_named(so, name, 0, e);
    if (!r) r = imap_place(so->s, name, &place, e);
    bool people = place.other && place.account == 0; /* one level below "Shared" are no mailboxes */
    if (!r && !(people && one_level)) r = imap_accounts_below(so->s, &place, &accounts, &n, e);
    for (size_t k = 0; k < n && !r; k++) {
        r = read_tree(so, accounts[k], e);
        for (size_t i = 0; i < so->n_tree && !r; i++)
            if (is_below(so->tree[i].path, place.path, one_level)) add(so, &so->tree[i]);
    }
    return r == ERR_NOT_FOUND || r == ERR_SYNTAX ? 0 : r;
}

static FIBER int add_names(struct sources *so, const struct imap_filter *f, struct error *e)
{
    int r = 0;
    for (size_t i = 0; i < f->names.n && !r; i++) {
        struct str name;
        if (imap_name(so->s, f->names.v[i], &name)) continue;
        if (f->kind == IMAP_FILTER_MAILBOXES) r = add_named(so, name, 0, e);
        else r = add_subtree(so, name, f->kind == IMAP_FILTER_SUBTREE_ONE, e);
        fiber_yield_if_long();
    }
    return r;
}

/* RFC 5465 §6.2 to §6.4 */
static FIBER int add_own(struct sources *so, int kind, struct error *e)
{
    if (kind == IMAP_FILTER_INBOXES) return add_named(so, S("INBOX"), RIGHT_LOOKUP, e);
    int r = read_tree(so, so->s->who.account, e);
    for (size_t i = 0; i < so->n_tree && !r; i++) add(so, &so->tree[i]);
    return r;
}

static FIBER int add_subscribed(struct sources *so, struct error *e)
{
    struct imap_session *s = so->s;
    struct str *names;
    size_t n;
    int r = store_subscriptions(s->service->store, s->cmd, s->who.account, &names, &n, e);
    for (size_t i = 0; i < n && !r; i++) r = add_named(so, names[i], RIGHT_LOOKUP, e);
    return r;
}

static FIBER void add_selected(struct sources *so)
{
    const struct imap_session *s = so->s;
    const struct imap_selected *m = s->selected;
    bool own = m->account == s->who.account; /* others' rights may have been taken since it was selected */
    if (own || store_rights(s->service->store, s->who.account, m->mailbox) & RIGHT_READ)
        add_source(so, m->mailbox, m->name);
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
        case IMAP_FILTER_MAILBOXES: r = add_names(so, f, e); break;
        }
    }
    arena_free(so->tree_in);
    return r;
}

static bool too_many_names(const struct imap_search *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n_sources; i++) n += c->sources[i].names.n;
    return n > LIMIT_IMAP_WORDS;
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

static FIBER int tell_found(struct imap_session *s, const struct imap_search *c, const struct source *so,
                            const struct snapshot *shown, const struct imap_result *r)
{
    struct buf *b = buf_in(r->arena, SIZE_MAX / 2);
    buf_lit(b, "* ESEARCH (TAG ");
    imap_put_string(b, s->tag, false);
    buf_lit(b, " MAILBOX ");
    imap_put_mailbox(b, so->name, imap_utf8(s));
    buf_printf(b, " UIDVALIDITY %u)", shown->uid_validity);
    imap_put_esearch(s, b, c, r, true, false);
    buf_lit(b, "\r\n");
    return imap_put(s, buf_str(b)) ? ERR_CANCELLED : 0;
}

static FIBER int look(struct imap_session *s, const struct imap_search *c, const struct source *so, struct error *e)
{
    struct looking *l = arena_new_of(s->cmd, struct looking);
    struct imap_result r;
    int bad = store_view_open(s->service->store, loop_self(), so->mailbox, nothing_to_do, NULL, &l->view, e);
    if (bad) return bad == ERR_NOT_FOUND ? 0 : bad; /* gone meanwhile */
    arena_defer(s->cmd, end_looking, l);
    l->shown = view_newest(l->view);
    bad = imap_search_run(s, c, l->shown, false, &r, e);
    /* RFC 7377 §2.1: where nothing is, nothing is said */
    if (!bad && r.n > 0) bad = tell_found(s, c, so, l->shown, &r);
    return bad;
}

/* What a mailbox takes is given back before the next one: there may be thousands. */
static FIBER int search_one(struct imap_session *s, const struct imap_search *c, const struct source *so,
                            struct error *e)
{
    struct arena *whole = s->cmd;
    s->cmd = arena_new(whole, 0);
    int bad = look(s, c, so, e);
    arena_free(s->cmd);
    s->cmd = whole;
    return bad;
}

/* The selected mailbox alone: as it is shown, and "$" means something. */
static FIBER int search_selected(struct imap_session *s, const struct imap_search *c, const struct source *so,
                                 struct error *e)
{
    struct imap_result r;
    int bad = imap_search_run(s, c, s->selected->shown, true, &r, e);
    if (bad) return bad;
    if (c->returns & IMAP_SEARCH_SAVE) imap_search_save(s, c, &r);
    if (r.n == 0 || c->returns == IMAP_SEARCH_SAVE) return 0;
    return tell_found(s, c, so, s->selected->shown, &r);
}

static bool of_selected_alone(const struct imap_search *c)
{
    for (size_t i = 0; i < c->n_sources; i++)
        if (c->sources[i].kind != IMAP_FILTER_SELECTED) return false;
    return true;
}

static void drop_map(void *map) { map_free(map); }

FIBER struct imap_done imap_on_esearch(struct imap_session *s, const struct imap_command *c)
{
    struct sources *so = arena_new_of(s->cmd, struct sources);
    struct imap_done refusal;
    struct error why = {0};
    if (c->search.n_sources == 0 && !s->selected) return imap_bad(S("select a mailbox, or say which"));
    bool alone = of_selected_alone(&c->search);
    if (c->search.returns & (IMAP_SEARCH_UPDATE | IMAP_SEARCH_CONTEXT))
        return imap_bad(S("that goes with SEARCH alone"));
    if (c->search.returns & IMAP_SEARCH_SAVE && !alone) return imap_bad(S("SAVE is for the selected mailbox alone"));
    if (too_many_names(&c->search)) return imap_no(S("LIMIT"), S("those are too many mailboxes"));
    if (!imap_search_charset(s, &c->search, &refusal)) return refusal;
    so->s = s;
    map_init(&so->there, world_hash_key(loop_world(loop_self())));
    arena_defer(s->cmd, drop_map, &so->there);
    int e = gather(so, &c->search, &why);
    if (e == ERR_CONFLICT) return imap_bad(S("no mailbox is selected"));
    for (size_t i = 0; i < so->n && !e; i++)
        e = alone ? search_selected(s, &c->search, &so->v[i], &why) : search_one(s, &c->search, &so->v[i], &why);
    if (e) return imap_search_failed(s, &c->search, e, &why);
    return imap_ok(STR_NONE, S("searched"));
}
