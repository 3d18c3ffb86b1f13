/* SORT (RFC 5256 §3, RFC 5957, RFC 6203 §5): keys of each letter found, from the snapshot or from rows, then a stable
 * sort. */
#include "maa/imap/context.h"

#include <stdlib.h>

#include "mail/limits.h"

enum { PAGE = 1000, MUCH = 2000 }; /* letters whose facts are read at once; more are sorted on a thread */

struct sort_value { /* compared by number, then by text */
    int64_t number;
    struct str text;
};

struct sorted {
    const struct sorting *sorting;
    struct imap_found found;
    struct sort_value *v; /* n_keys of them */
    bool gone;            /* from the store: nobody can tell where it belongs */
};

struct sorting {
    const struct imap_search *c;
    struct sorted *v;
    size_t n;
};

static unsigned facts_of(enum imap_sort_by by)
{
    switch (by) {
    case IMAP_SORT_CC: return FACT_CC;
    case IMAP_SORT_DATE: return FACT_SENT;
    case IMAP_SORT_FROM: return FACT_FROM;
    case IMAP_SORT_SUBJECT: return FACT_SUBJECT;
    case IMAP_SORT_TO: return FACT_TO;
    case IMAP_SORT_DISPLAYFROM:
    case IMAP_SORT_DISPLAYTO: return FACT_SHOWN;
    case IMAP_SORT_ARRIVAL:
    case IMAP_SORT_SIZE:
    case IMAP_SORT_RELEVANCY: return 0;
    }
    return 0;
}

static const struct view_facts *view_facts_of(const struct snapshot *shown, uint32_t seq)
{
    struct walk w = walk_from(shown, seq);
    return walk_next(&w) ? w.chunk->facts : NULL;
}

static struct sort_value value_of(enum imap_sort_by by, const struct imap_found *found, const struct view_facts *view,
                                  const struct search_facts *f)
{
    uid at = found->entry->uid % 128;
    utc_us received = view ? view->received[at] : 0;
    switch (by) {
    case IMAP_SORT_ARRIVAL: return (struct sort_value){.number = received};
    case IMAP_SORT_SIZE: return (struct sort_value){.number = view ? view->size[at] : 0};
    case IMAP_SORT_DATE: return (struct sort_value){.number = f->sent ? f->sent : received}; /* RFC 5256 §2.2 */
    case IMAP_SORT_RELEVANCY: return (struct sort_value){.number = -(int64_t)found->score}; /* the best first */
    case IMAP_SORT_SUBJECT: return (struct sort_value){.text = f->subject};
    case IMAP_SORT_FROM: return (struct sort_value){.text = f->from};
    case IMAP_SORT_TO: return (struct sort_value){.text = f->to};
    case IMAP_SORT_CC: return (struct sort_value){.text = f->cc};
    case IMAP_SORT_DISPLAYFROM: return (struct sort_value){.text = f->shown_from};
    case IMAP_SORT_DISPLAYTO: return (struct sort_value){.text = f->shown_to};
    }
    return (struct sort_value){0};
}

static int compare(const void *a, const void *b)
{
    const struct sorted *x = a, *y = b;
    const struct imap_search *c = x->sorting->c;
    for (size_t i = 0; i < c->n_sort; i++) {
        int64_t m = x->v[i].number, n = y->v[i].number;
        int order = m != n ? (m > n) - (m < n) : str_cmp(x->v[i].text, y->v[i].text);
        if (order) return c->sort[i].reverse ? -order : order;
    }
    return (x->found.seq > y->found.seq) - (x->found.seq < y->found.seq); /* RFC 5256 §3 */
}

static void run_sort(void *arg)
{
    struct sorting *so = arg;
    qsort(so->v, so->n, sizeof *so->v, compare);
}

/* The keys of letters [from, from + n). */
static FIBER int read_keys(struct imap_session *s, struct imap_result *r, struct sorting *so, size_t from, size_t n,
                           unsigned want, struct error *e)
{
    const struct snapshot *shown = s->selected->shown;
    struct arena *page = arena_new(r->arena, 0);
    struct search_facts *facts = arena_array(page, n, sizeof *facts);
    int64_t *emails = arena_array(page, n, sizeof *emails);
    for (size_t i = 0; i < n; i++) emails[i] = r->v[from + i].entry->email;
    int bad =
        want ? store_search_facts(s->service->store, page, shown->account, emails, n, want, NULL, NULL, facts, e) : 0;
    for (size_t i = 0; i < n && !bad; i++) {
        struct sorted *item = &so->v[from + i];
        *item = (struct sorted){.sorting = so, .found = r->v[from + i], .gone = facts[i].gone};
        item->v = arena_array(r->arena, so->c->n_sort, sizeof *item->v);
        const struct view_facts *view = view_facts_of(shown, item->found.seq);
        for (size_t k = 0; k < so->c->n_sort; k++) {
            item->v[k] = value_of(so->c->sort[k].by, &item->found, view, &facts[i]);
            item->v[k].text = arena_str(r->arena, item->v[k].text);
        }
        bad = imap_room(r->room, 0, e);
    }
    arena_free(page);
    return bad;
}

/* Reads the keys of all letters found. */
static FIBER int read_all(struct imap_session *s, const struct imap_search *c, struct imap_result *r, bool silent,
                          struct sorting *so, struct error *e)
{
    const struct snapshot *shown = s->selected->shown;
    struct imap_progress p;
    unsigned want = 0;
    /* qsort() copies, too */
    int bad = imap_room(r->room, r->n * (2 * sizeof *so->v + c->n_sort * sizeof *so->v->v), e);
    if (bad) return bad;
    *so = (struct sorting){.c = c, .n = r->n, .v = arena_array(r->arena, r->n, sizeof *so->v)};
    imap_progress_begin(&p, s, r->n);
    if (silent) p.next = FOREVER;
    for (size_t i = 0; i < c->n_sort; i++) want |= facts_of(c->sort[i].by);
    bad = store_view_facts(s->service->store, shown, 0, shown->n_chunks, e);
    for (size_t at = 0; at < r->n && !bad; at += PAGE) {
        bad = read_keys(s, r, so, at, r->n - at < PAGE ? r->n - at : PAGE, want, e);
        if (!bad && !imap_progress(&p, at)) bad = ERR_CANCELLED;
    }
    return bad;
}

static FIBER int sort(struct imap_session *s, const struct imap_search *c, struct imap_result *r, bool silent,
                      struct sorting *so, struct error *e)
{
    int bad = read_all(s, c, r, silent, so, e);
    if (bad) return bad;
    if (so->n > MUCH) offload(run_sort, so);
    else run_sort(so);
    for (size_t i = 0; i < so->n; i++) r->v[i] = so->v[i].found;
    return 0;
}

/* ---- where others belong ---- */

/* All letters are looked up at once, step by step, so that a step costs one look into the store. */
struct placing {
    struct imap_session *s;
    const struct imap_listed *list;
    size_t n;
    bool *gone;        /* of the list, as far as known: with these nothing is compared */
    size_t *from, *to; /* where each letter belongs: somewhere from here to there */
    size_t *with;      /* what each is compared with in this step, SIZE_MAX or an index of: */
    struct imap_result step;
    size_t *places;    /* theirs in the list */
};

/* What a letter is compared with next: near the middle of what is left. False: its place is found. */
static bool pivot(const struct placing *p, size_t i, size_t *at)
{
    size_t middle = p->from[i] + (p->to[i] - p->from[i]) / 2;
    for (*at = middle; *at < p->to[i]; ++*at)
        if (!p->gone[*at]) return true;
    for (*at = middle; *at > p->from[i];)
        if (!p->gone[--*at]) return true;
    p->to[i] = p->from[i];
    return false;
}

/* The letters of the list that are compared with in this step. False: none, all is done. */
static bool take_step(struct placing *p, size_t n)
{
    const struct snapshot *shown = p->s->selected->shown;
    bool open = false;
    p->step.n = 0;
    for (size_t i = 0; i < n; i++) {
        size_t at;
        p->with[i] = SIZE_MAX;
        if (!pivot(p, i, &at)) continue;
        open = true;
        if (p->step.n == 0 || p->places[p->step.n - 1] != at) {
            uint32_t seq = snapshot_seq(shown, p->list[at].uid);
            p->gone[at] = seq == 0;
            if (seq == 0) continue;
            p->places[p->step.n] = at;
            p->step.v[p->step.n++] = (struct imap_found){snapshot_at(shown, seq), seq, p->list[at].score};
        }
        p->with[i] = p->step.n - 1;
    }
    return open;
}

/* Letters went while we looked: then others may have, too. */
static void note_gone(struct placing *p)
{
    const struct snapshot *now = view_newest(p->s->selected->view);
    for (size_t i = 0; i < p->n; i++) p->gone[i] = p->gone[i] || snapshot_seq(now, p->list[i].uid) == 0;
    snapshot_unref(now);
}

static void narrow(struct placing *p, const struct sorting *so, const struct sorting *with)
{
    bool gone = false;
    for (size_t i = 0; i < so->n; i++) {
        if (p->with[i] == SIZE_MAX) continue;
        const struct sorted *other = &with->v[p->with[i]];
        size_t at = p->places[p->with[i]];
        if (other->gone) p->gone[at] = gone = true;
        else if (compare(other, &so->v[i]) < 0) p->from[i] = at + 1;
        else p->to[i] = at;
    }
    if (gone) note_gone(p);
}

FIBER int imap_sort_places(struct imap_session *s, const struct imap_search *c, struct imap_result *r,
                           const struct imap_listed *list, size_t n, size_t *places, struct error *e)
{
    struct sorting so, with;
    struct arena *a = r->arena;
    struct placing p = {.s = s, .list = list, .n = n};
    p.from = places;
    int bad = sort(s, c, r, true, &so, e);
    if (bad) return bad;
    p.gone = arena_array(a, n, sizeof *p.gone);
    p.to = arena_array(a, r->n, sizeof *p.to);
    p.with = arena_array(a, r->n, sizeof *p.with);
    p.places = arena_array(a, r->n, sizeof *p.places);
    p.step.v = arena_array(a, r->n, sizeof *p.step.v);
    for (size_t i = 0; i < r->n; i++) p.from[i] = 0, p.to[i] = n;
    while (!bad && take_step(&p, r->n)) {
        p.step.arena = arena_new(a, 0);
        if (p.step.n) bad = read_all(s, c, &p.step, true, &with, e);
        if (p.step.n && !bad) narrow(&p, &so, &with);
        arena_free(p.step.arena);
        fiber_yield_if_long();
    }
    return bad;
}

FIBER struct imap_done imap_on_sort(struct imap_session *s, const struct imap_command *c)
{
    struct imap_result r;
    struct sorting so;
    struct imap_done refusal;
    struct error why = {0};
    if (!imap_search_allowed(s, c, &refusal)) return refusal;
    int e = imap_search_run(s, &c->search, s->selected->shown, true, &r, &why);
    if (!e && c->search.returns & IMAP_SEARCH_UPDATE) r.uids = imap_result_uids(&r);
    if (!e) e = sort(s, &c->search, &r, false, &so, &why);
    return e ? imap_search_failed(s, &c->search, e, &why) : imap_search_answer(s, c, &r, true);
}
