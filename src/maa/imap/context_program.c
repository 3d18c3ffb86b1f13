/* The program of a context (RFC 5267 §4.3): its keys as they live on after the command, and which letters match them.
 *
 * Message numbers mean the letters they meant when the command came (§4.3). So does "$" (RFC 5182): another search that
 * is saved does not change what is kept up to date. Names of keywords, \Recent and "*" among UIDs mean what they mean
 * at the time; ages (RFC 5032) are looked at again when a letter reaches one. */
#include "maa/imap/context.h"
#include "mail/limits.h"

/* ---- what a key looks at ---- */

enum { STORED = 1, CHANGING = 2 };

static unsigned nature_of_one(const struct imap_key *k)
{
    switch (k->kind) {
    case IMAP_KEY_FLAG:
    case IMAP_KEY_KEYWORD:
    case IMAP_KEY_RECENT:
    case IMAP_KEY_MODSEQ:
    case IMAP_KEY_OLDER:
    case IMAP_KEY_YOUNGER: return CHANGING;
    case IMAP_KEY_UID: return k->set.from ? CHANGING : 0;
    case IMAP_KEY_BCC:
    case IMAP_KEY_BODY:
    case IMAP_KEY_CC:
    case IMAP_KEY_FROM:
    case IMAP_KEY_HEADER:
    case IMAP_KEY_SUBJECT:
    case IMAP_KEY_TEXT:
    case IMAP_KEY_TO:
    case IMAP_KEY_SENTBEFORE:
    case IMAP_KEY_SENTON:
    case IMAP_KEY_SENTSINCE:
    case IMAP_KEY_SAVEDBEFORE:
    case IMAP_KEY_SAVEDON:
    case IMAP_KEY_SAVEDSINCE:
    case IMAP_KEY_THREADID: return STORED;
    default: return 0;
    }
}

static unsigned nature(const struct imap_key *k)
{
    unsigned n = nature_of_one(k);
    for (const struct imap_key *c = k->children; c; c = c->next) n |= nature(c);
    return n;
}

/* ---- keeping ---- */

/* The letters that message numbers mean; those past the end mean none (RFC 7377 §2). */
static struct uid_set letters_of(struct imap_session *s, const struct imap_set *set)
{
    const struct snapshot *shown = s->selected->shown;
    struct uid_set numbers = imap_set_resolve(s->cmd, set, shown->count), out = {0};
    for (size_t i = 0; i < numbers.n; i++) {
        struct walk w = walk_from(shown, numbers.v[i].first ? numbers.v[i].first : 1);
        while (walk_next(&w) && w.seq <= numbers.v[i].last) uid_set_add(s->cmd, &out, w.entry->uid, w.entry->uid);
    }
    return out;
}

static void freeze(struct imap_session *s, struct arena *a, struct imap_key *k)
{
    bool numbers = k->kind == IMAP_KEY_NUMBERS && !k->set.saved;
    struct uid_set meant = k->set.saved ? s->selected->saved : numbers ? letters_of(s, &k->set) : k->set.numbers;
    k->set = (struct imap_set){.from = k->set.saved || numbers ? 0 : k->set.from};
    k->kind = IMAP_KEY_UID;
    uid_set_unite(a, &k->set.numbers, &meant);
}

static struct imap_key *keep(struct imap_session *s, struct imap_context *x, const struct imap_key *k)
{
    struct arena *a = x->arena;
    struct imap_key *out = arena_new_of(a, struct imap_key), **end = &out->children;
    *out = *k;
    out->text = arena_str(a, k->text);
    out->field = arena_str(a, k->field);
    out->next = out->children = NULL;
    if (k->kind == IMAP_KEY_NUMBERS || k->kind == IMAP_KEY_UID) {
        freeze(s, a, out);
        x->last = x->last || out->set.from;
    }
    if (k->kind == IMAP_KEY_OLDER || k->kind == IMAP_KEY_YOUNGER) {
        x->ages = arena_grow(a, x->ages, x->n_ages, &x->cap_ages, sizeof *x->ages);
        x->ages[x->n_ages++] = k->number;
    }
    for (const struct imap_key *c = k->children; c; c = c->next, end = &(*end)->next) *end = keep(s, x, c);
    return out;
}

struct parts {
    struct imap_key **known, **texts; /* the ends of two lists */
    bool mixed;                       /* a key looks at what changes and at what is stored, and cannot be parted */
};

/* ANDs in an AND are one. */
static void part(struct imap_key *k, struct parts *p)
{
    for (struct imap_key *next; k; k = next) {
        unsigned n = nature(k);
        next = k->next;
        k->next = NULL;
        if (k->kind == IMAP_KEY_AND) {
            part(k->children, p);
            continue;
        }
        struct imap_key ***end = n & STORED && !(n & CHANGING) ? &p->texts : &p->known;
        p->mixed = p->mixed || (n & STORED && n & CHANGING);
        **end = k;
        *end = &k->next;
    }
}

static bool by_relevancy(const struct imap_search *c)
{
    for (size_t i = 0; i < c->n_sort; i++)
        if (c->sort[i].by == IMAP_SORT_RELEVANCY) return true;
    return false;
}

static void keep_fetch(struct arena *a, struct imap_fetch_items *out, const struct imap_fetch_items *items)
{
    *out = (struct imap_fetch_items){.v = arena_array(a, items->n, sizeof *out->v), .n = items->n, .cap = items->n};
    for (size_t i = 0; i < items->n; i++) {
        struct imap_section *to = &out->v[i].section;
        const struct imap_section *from = &items->v[i].section;
        out->v[i] = items->v[i];
        to->path = from->depth ? memcpy(arena_array(a, from->depth, sizeof *to->path), from->path,
                                        from->depth * sizeof *to->path)
                               : NULL;
        to->fields = (struct imap_strings){.v = arena_array(a, from->fields.n, sizeof *to->fields.v)};
        for (size_t k = 0; k < from->fields.n; k++) to->fields.v[to->fields.n++] = arena_str(a, from->fields.v[k]);
    }
}

void imap_context_keep_program(struct imap_session *s, struct imap_context *x, const struct imap_search *c)
{
    struct imap_key *known = arena_new_of(x->arena, struct imap_key), *texts = arena_new_of(x->arena, struct imap_key);
    struct parts p = {&known->children, &texts->children, false};
    const struct view_entry *last = snapshot_at(s->selected->shown, s->selected->shown->count);
    x->sort = (struct imap_search){.sort = arena_array(x->arena, c->n_sort, sizeof *c->sort), .n_sort = c->n_sort};
    if (c->n_sort) memcpy(x->sort.sort, c->sort, c->n_sort * sizeof *c->sort);
    keep_fetch(x->arena, &x->fetch, &c->fetch);
    known->kind = texts->kind = IMAP_KEY_AND;
    part(keep(s, x, c->key)->children, &p);
    if (p.mixed || by_relevancy(c)) { /* how well a letter matches is not remembered */
        *p.known = texts->children;
        texts->children = NULL;
    }
    x->known.key = known;
    x->texts.key = texts->children ? texts : NULL;
    x->last_uid = last ? last->uid : 0;
}

/* ---- matching ---- */

FIBER int imap_context_remember(struct imap_session *s, struct imap_context *x, struct error *e)
{
    const struct uid_set all = {&(struct uid_range){1, UINT32_MAX}, 1, 0};
    struct imap_result r;
    int bad = 0;
    if (x->texts.key && x->n_ages == 0) { /* where all else holds, the search itself asked; ages are others by now */
        bad = imap_search_some(s, &x->known, &all, &r, e);
        struct uid_set asked = bad ? (struct uid_set){0} : imap_result_uids(&r);
        uid_set_unite(x->arena, &x->asked, &asked);
    }
    if (x->texts.key) {
        uid_set_unite(x->arena, &x->asked, &x->found);
        uid_set_unite(x->arena, &x->holding, &x->found);
    }
    if (!bad && x->n_ages) bad = imap_context_others(s, x, 1, &(struct uid_set){0}, e);
    return bad;
}

/* Asks of letters that were not asked yet. */
static FIBER int ask(struct imap_session *s, struct imap_context *x, const struct imap_result *r, struct error *e)
{
    struct uid_set open = imap_result_uids(r), holding;
    struct imap_result answer;
    uid_set_subtract(r->arena, &open, &x->asked);
    if (open.n == 0) return 0;
    int bad = imap_search_some(s, &x->texts, &open, &answer, e);
    if (bad) return bad;
    holding = imap_result_uids(&answer);
    uid_set_unite(x->arena, &x->asked, &open);
    uid_set_unite(x->arena, &x->holding, &holding);
    return 0;
}

FIBER int imap_context_match(struct imap_session *s, struct imap_context *x, const struct uid_set *among,
                             struct imap_result *r, struct error *e)
{
    int bad = imap_search_some(s, &x->known, among, r, e);
    if (bad || !x->texts.key) return bad;
    bad = ask(s, x, r, e);
    size_t n = 0;
    for (size_t i = 0; i < r->n && !bad; i++)
        if (uid_set_has(&x->holding, r->v[i].entry->uid)) r->v[n++] = r->v[i];
    r->n = n;
    return bad;
}

/* ---- letters that did not change ---- */

static void add_if_there(struct imap_session *s, struct uid_set *set, uid u)
{
    if (u && snapshot_seq(s->selected->shown, u)) uid_set_add(s->cmd, set, u, u);
}

/* Letters that reached an age since they were last looked at, and when the next one will. */
static FIBER int look_at_ages(struct imap_session *s, struct imap_context *x, uid first, bool now_due,
                              struct uid_set *changed, struct error *e)
{
    const struct snapshot *shown = s->selected->shown;
    utc_us now = clock_utc(loop_world(loop_self())), next = now_due ? FOREVER : x->due;
    int bad = store_view_facts(s->service->store, shown, 0, shown->n_chunks, e);
    struct walk w = walk_from(shown, now_due ? 1 : snapshot_seq_from(shown, first));
    while (!bad && walk_next(&w)) {
        const struct view_facts *f = w.chunk->facts;
        for (size_t i = 0; f && i < x->n_ages; i++) {
            utc_us at = f->received[w.entry->uid % 128] + SECONDS((int64_t)x->ages[i]) + 1;
            if (at > x->aged_at && at <= now) uid_set_add(s->cmd, changed, w.entry->uid, w.entry->uid);
            if (at > now && at < next) next = at;
        }
        if (w.seq % 1024 == 0) fiber_yield_if_long();
    }
    if (bad) return bad;
    x->due = next == FOREVER || next > now + SPAN_IMAP_AGING ? next : now + SPAN_IMAP_AGING;
    if (now_due) x->aged_at = now;
    return 0;
}

FIBER int imap_context_others(struct imap_session *s, struct imap_context *x, uid first, struct uid_set *changed,
                              struct error *e)
{
    const struct snapshot *shown = s->selected->shown;
    const struct view_entry *last = snapshot_at(shown, shown->count);
    uid last_uid = last ? last->uid : 0;
    if (x->last && last_uid != x->last_uid) { /* RFC 9051 §9: "n:*" has the last letter in it whatever n is */
        add_if_there(s, changed, x->last_uid);
        add_if_there(s, changed, last_uid);
        x->last_uid = last_uid;
    }
    bool due = x->due <= clock_utc(loop_world(loop_self()));
    if (x->n_ages == 0 || (!due && !(last_uid >= first))) return 0;
    return look_at_ages(s, x, first, due, changed, e);
}
