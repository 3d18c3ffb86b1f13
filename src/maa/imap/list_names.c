/* The names LIST chooses from: one's own mailboxes, others' that one may see, the levels above them that are no
 * mailboxes, subscriptions. */
#include "maa/imap/tree.h"

#include "base/map.h"

struct gathering {
    struct imap_session *s;
    struct imap_list_names *out;
    size_t cap;
    struct map by_name;
};

static struct imap_list_name *add(struct gathering *g, struct str name, struct imap_list_name *above)
{
    struct imap_list_name *made = arena_new_of(g->s->cmd, struct imap_list_name);
    struct imap_list_names *o = g->out;
    *made = (struct imap_list_name){.name = name, .above = above};
    o->v = arena_grow(g->s->cmd, o->v, o->n, &g->cap, sizeof(*o->v));
    o->v[o->n++] = made;
    map_set(&g->by_name, made->name, made);
    return made;
}

/* The name and all levels above it, made if they are not there. */
static struct imap_list_name *name_of(struct gathering *g, struct str name)
{
    struct imap_list_name *there = map_get(&g->by_name, name), *above = NULL;
    for (size_t i = 1; !there && i <= name.n; i++) {
        if (i < name.n && name.p[i] != '/') continue;
        struct str prefix = str_head(name, i);
        struct imap_list_name *level = map_get(&g->by_name, prefix);
        above = level ? level : add(g, prefix, above);
    }
    return there ? there : above;
}

static FIBER int add_account(struct gathering *g, int64_t account, struct error *e)
{
    struct imap_session *s = g->s;
    struct mailbox *v;
    size_t n;
    int r = store_mailbox_names(s->service->store, s->cmd, s->who.account, account, &v, &n, e);
    struct str root = n && !r && account != s->who.account ? imap_name_of(s, account, S("")) : S("");
    for (size_t i = 0; !r && i < n; i++) {
        struct str name = v[i].path;
        if (root.n) name = arena_printf(s->cmd, "%.*s/%.*s", STR_FMT(root), STR_FMT(v[i].path));
        struct imap_list_name *it = name_of(g, name);
        if (v[i].is_level) {
            it->left = true;
            continue;
        }
        it->mailbox = &v[i];
        for (struct imap_list_name *up = it->above; up && !up->has_children; up = up->above) up->has_children = true;
        if (i % 256 == 255) fiber_yield_if_long();
    }
    return r;
}

static FIBER int add_subscriptions(struct gathering *g, struct error *e)
{
    struct imap_session *s = g->s;
    struct str *names;
    size_t n;
    int r = store_subscriptions(s->service->store, s->cmd, s->who.account, &names, &n, e);
    for (size_t i = 0; !r && i < n; i++) name_of(g, names[i])->subscribed = true;
    return r;
}

static FIBER int gather(struct gathering *g, int64_t account, bool subscriptions, struct error *e)
{
    struct imap_session *s = g->s;
    int64_t *others;
    size_t n = 0;
    int r = add_account(g, account ? account : s->who.account, e);
    if (!r && !account) r = store_shared_accounts(s->service->store, s->cmd, s->who.account, &others, &n, e);
    for (size_t i = 0; !r && i < n; i++) r = add_account(g, others[i], e);
    return r || !subscriptions ? r : add_subscriptions(g, e);
}

static void drop_map(void *map) { map_free(map); }

FIBER int imap_list_names(struct imap_session *s, int64_t account, bool subscriptions, struct imap_list_names *out,
                          struct error *e)
{
    struct gathering *g = arena_new_of(s->cmd, struct gathering);
    *out = (struct imap_list_names){.by_name = &g->by_name};
    *g = (struct gathering){.s = s, .out = out};
    map_init(&g->by_name, world_hash_key(loop_world(loop_self())));
    arena_defer(s->cmd, drop_map, &g->by_name);
    return gather(g, account, subscriptions, e);
}

struct imap_list_name *imap_list_name_find(const struct imap_list_names *names, struct str name)
{
    return names->by_name ? map_get(names->by_name, name) : NULL;
}
