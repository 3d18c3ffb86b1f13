/* What a context tells (RFC 5267 §4.3.2 - §4.3.4): ESEARCH responses with REMOVEFROM and ADDTO.
 *
 * An unsorted one names no places: its letters stand in order of the mailbox. In a sorted one letters are removed from
 * the last place up and added from the first place down, so that a place is what it is before and after the whole
 * update. */
#include "maa/imap/context.h"
#include "mail/limits.h"

enum {
    PIECE = 8 << 10,    /* bytes of untagged responses made at a time; a response is not much longer */
    LETTERS_A_PAIR = 500,
};

/* ---- writing ---- */

static const char added[] = "ADDTO", removed[] = "REMOVEFROM";

struct writer {
    struct imap_session *s;
    const struct imap_context *x;
    struct buf *b;
    const char *item; /* the last one of the response begun; NULL: none is */
};

static FIBER void finish(struct writer *w)
{
    if (w->item) buf_lit(w->b, ")\r\n");
    w->item = NULL;
    if (w->b->n == 0) return;
    imap_put(w->s, buf_str(w->b));
    buf_clear(w->b);
}

static void begin_item(struct writer *w, const char *item)
{
    if (w->item) {
        buf_lit(w->b, ") ");
    } else {
        buf_lit(w->b, "* ESEARCH (TAG ");
        imap_put_string(w->b, w->x->tag, false);
        buf_add(w->b, w->x->uids ? S(") UID ") : S(") "));
    }
    w->item = item;
    buf_add(w->b, str_c(item));
    buf_lit(w->b, " (");
}

static uint32_t number_of(const struct writer *w, uid u)
{
    return w->x->uids ? u : snapshot_seq(w->s->selected->shown, u);
}

/* " (PLACE NUMBERS": letters in their order, neighbours as ranges (§3.2). */
static FIBER void put_pair(struct writer *w, const char *item, size_t place, const uid *v, size_t n)
{
    if (w->item == item) buf_char(w->b, ' ');
    else begin_item(w, item);
    buf_u64(w->b, place);
    buf_char(w->b, ' ');
    for (size_t i = 0; i < n;) {
        uint32_t first = number_of(w, v[i]), last = first;
        if (i) buf_char(w->b, ',');
        for (i++; i < n && number_of(w, v[i]) == last + 1; i++) last++;
        buf_u64(w->b, first);
        if (last == first) continue;
        buf_char(w->b, ':');
        buf_u64(w->b, last);
    }
    if (w->b->n >= PIECE) finish(w);
}

struct uids { /* of letters, in some order */
    uid *v;
    size_t n;
};

static FIBER void put_unsorted(struct writer *w, const char *item, const struct uids *u)
{
    for (size_t i = 0; i < u->n; i += LETTERS_A_PAIR)
        put_pair(w, item, 0, u->v + i, u->n - i < LETTERS_A_PAIR ? u->n - i : LETTERS_A_PAIR);
}

/* Letters that stand in neighbouring places are one pair. at[i]: from 0 */
static FIBER void put_removed(struct writer *w, const struct uids *u, const size_t *at)
{
    for (size_t end = u->n; end > 0;) {
        size_t i = end - 1;
        while (i > 0 && at[i - 1] + 1 == at[i] && end - i < LETTERS_A_PAIR) i--;
        put_pair(w, removed, at[i] + 1, u->v + i, end - i);
        end = i;
    }
}

static FIBER void put_added(struct writer *w, const struct uids *u, const size_t *at)
{
    for (size_t i = 0; i < u->n;) {
        size_t end = i + 1;
        while (end < u->n && at[end - 1] + 1 == at[end] && end - i < LETTERS_A_PAIR) end++;
        put_pair(w, added, at[i] + 1, u->v + i, end - i);
        i = end;
    }
}

/* ---- removing ---- */

/* Those of the set that were found. */
static struct uids among_found(struct arena *a, const struct imap_context *x, const struct uid_set *set)
{
    struct uids out = {.v = arena_array(a, uid_set_count(set), sizeof *out.v)};
    for (size_t i = 0; i < set->n; i++) {
        for (uid u = set->v[i].first;; u++) {
            if (uid_set_has(&x->found, u)) out.v[out.n++] = u;
            if (u == set->v[i].last) break;
        }
    }
    return out;
}

static struct uid_set set_of(struct arena *a, const struct uids *u)
{
    struct uid_set set = {0};
    for (size_t i = 0; i < u->n; i++) uid_set_add(a, &set, u->v[i], u->v[i]);
    return set;
}

/* Out of the list, which closes up. Tells which, in their order, and where they stood. */
static void take_out(struct imap_context *x, const struct uid_set *set, struct uids *u, size_t *at)
{
    size_t kept = 0;
    u->n = 0;
    for (size_t i = 0; i < x->n; i++) {
        if (uid_set_has(set, x->order[i].uid)) {
            at[u->n] = i;
            u->v[u->n++] = x->order[i].uid;
        } else {
            x->order[kept++] = x->order[i];
        }
    }
    x->n = kept;
}

/* Letters that were found, ascending. */
static FIBER void remove_found(struct writer *w, struct imap_context *x, struct arena *a, struct uids *u)
{
    struct uid_set set = set_of(a, u);
    if (u->n == 0) return;
    if (x->sorted) {
        size_t *at = arena_array(a, u->n, sizeof *at);
        take_out(x, &set, u, at);
        put_removed(w, u, at);
    } else {
        put_unsorted(w, removed, u);
    }
    uid_set_subtract(x->arena, &x->found, &set);
}

/* ---- letters that are gone ---- */

static void free_arena(void *a) { arena_free(a); }

/* Not charged to the connection: it is of the length of the mailbox, and gone with the command. */
static struct arena *work_room(struct imap_session *s)
{
    struct arena *a = arena_new(NULL, 0);
    arena_defer(s->cmd, free_arena, a);
    return a;
}

FIBER void imap_contexts_gone(struct imap_session *s, const struct snapshot *now)
{
    struct imap_selected *m = s->selected;
    struct uid_set gone = {0};
    if (!m->contexts) return;
    struct arena *a = work_room(s);
    snapshot_gone(m->shown, now, a, &gone);
    for (struct imap_context *x = m->contexts; x && gone.n; x = x->next) {
        struct writer w = {s, x, buf_in(a, PIECE * 2), NULL};
        struct uids u = among_found(a, x, &gone);
        remove_found(&w, x, a, &u);
        finish(&w);
        uid_set_subtract(x->arena, &x->asked, &gone);
        uid_set_subtract(x->arena, &x->holding, &gone);
        fiber_yield_if_long();
    }
}

/* ---- letters that came or changed ---- */

struct update {
    struct writer w;
    struct imap_context *x;
    struct arena *a;
    struct imap_result matching; /* of those looked at, in order of the mailbox */
    struct uids left;            /* they did match, ascending */
    struct imap_result joined;   /* they did not */
};

static const struct imap_found *among(const struct imap_result *r, uid u)
{
    size_t from = 0, to = r->n;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (r->v[middle].entry->uid < u) from = middle + 1;
        else to = middle;
    }
    return from < r->n && r->v[from].entry->uid == u ? &r->v[from] : NULL;
}

static bool by_relevancy(const struct imap_context *x)
{
    for (size_t i = 0; i < x->sort.n_sort; i++)
        if (x->sort.sort[i].by == IMAP_SORT_RELEVANCY) return true;
    return false;
}

/* RFC 6203 §5: a letter that matches better or worse than it did stands elsewhere. */
static struct uid_set moved(const struct update *up)
{
    struct uid_set matching = imap_result_uids(&up->matching), out = {0};
    for (size_t i = 0; by_relevancy(up->x) && i < up->x->n; i++) {
        const struct imap_listed *l = &up->x->order[i];
        if (uid_set_has(&matching, l->uid) && among(&up->matching, l->uid)->score != l->score)
            uid_set_add(up->a, &out, l->uid, l->uid);
    }
    return out;
}

static void compare(struct update *up, const struct uid_set *changed)
{
    const struct uid_set move = moved(up);
    struct uids were = among_found(up->a, up->x, changed);
    up->left = (struct uids){.v = were.v};
    up->joined = (struct imap_result){.arena = up->a, .v = arena_array(up->a, up->matching.n, sizeof *up->joined.v)};
    for (size_t i = 0; i < were.n; i++)
        if (!among(&up->matching, were.v[i]) || uid_set_has(&move, were.v[i])) up->left.v[up->left.n++] = were.v[i];
    for (size_t i = 0; i < up->matching.n; i++) {
        uid u = up->matching.v[i].entry->uid;
        if (!uid_set_has(&up->x->found, u) || uid_set_has(&move, u)) up->joined.v[up->joined.n++] = up->matching.v[i];
    }
}

/* Into the list, which opens up; r is sorted, and places are those of imap_sort_places(). They become those after it.
 */
static void put_in(struct imap_context *x, const struct imap_result *r, size_t *places)
{
    size_t from = x->n, to = x->n + r->n, k = r->n;
    while (x->cap < to) x->order = arena_grow(x->arena, x->order, x->cap, &x->cap, sizeof *x->order);
    x->n = to;
    while (k > 0) {
        if (places[k - 1] == from) {
            k--;
            places[k] = --to;
            x->order[to] = (struct imap_listed){r->v[k].entry->uid, r->v[k].score};
        } else {
            x->order[--to] = x->order[--from];
        }
    }
}

static FIBER int add_joined(struct imap_session *s, struct update *up, struct error *e)
{
    struct imap_context *x = up->x;
    struct imap_result *r = &up->joined;
    struct uids u = {.v = arena_array(up->a, r->n, sizeof *u.v), .n = r->n};
    if (r->n == 0) return 0;
    struct uid_set joined = imap_result_uids(r);
    size_t *places = arena_array(up->a, r->n, sizeof *places);
    int bad = x->sorted ? imap_sort_places(s, &x->sort, r, x->order, x->n, places, e) : 0;
    if (bad) return bad;
    for (size_t i = 0; i < r->n; i++) u.v[i] = r->v[i].entry->uid;
    if (x->sorted) {
        put_in(x, r, places);
        put_added(&up->w, &u, places);
    } else {
        put_unsorted(&up->w, added, &u);
    }
    uid_set_unite(x->arena, &x->found, &joined);
    return 0;
}

static FIBER int update(struct imap_session *s, struct imap_context *x, const struct uid_set *changed, uid first,
                        struct error *e)
{
    struct update up = {.x = x, .a = work_room(s)};
    struct uid_set all = {0};
    up.w = (struct writer){s, x, buf_in(up.a, PIECE * 2), NULL};
    x->came = (struct uid_set){0};
    uid_set_unite(s->cmd, &all, changed);
    int bad = imap_context_others(s, x, first, &all, e);
    if (bad || all.n == 0) return bad;
    bad = imap_context_match(s, x, &all, &up.matching, e);
    if (bad) return bad;
    compare(&up, &all);
    for (size_t i = 0; i < up.joined.n && x->fetch.n; i++) {
        uid u = up.joined.v[i].entry->uid;
        if (u >= first) uid_set_add(s->cmd, &x->came, u, u);
    }
    remove_found(&up.w, x, up.a, &up.left);
    bad = add_joined(s, &up, e);
    finish(&up.w);
    return bad;
}

FIBER void imap_contexts_tell(struct imap_session *s, const struct uid_set *changed, uid first)
{
    struct error why = {0};
    for (struct imap_context *x = s->selected->contexts, *next; x; x = next) {
        next = x->next;
        int e = update(s, x, changed, first, &why);
        if (e && e != ERR_CANCELLED) imap_refusal(s, e, &why); /* for the log */
        if (e || imap_contexts_too_big(s, 0)) imap_context_drop(s, x);
        fiber_yield_if_long();
    }
}
