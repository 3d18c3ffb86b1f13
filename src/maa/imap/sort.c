/* SORT (RFC 5256 §3, RFC 5957, RFC 6203 §5): keys of each letter found, from the snapshot or from rows, then a stable
 * sort. */
#include "maa/imap/search.h"

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
        *item = (struct sorted){.sorting = so, .found = r->v[from + i]};
        item->v = arena_array(r->arena, so->c->n_sort, sizeof *item->v);
        const struct view_facts *view = view_facts_of(shown, item->found.seq);
        for (size_t k = 0; k < so->c->n_sort; k++) {
            item->v[k] = value_of(so->c->sort[k].by, &item->found, view, &facts[i]);
            item->v[k].text = arena_str(r->arena, item->v[k].text);
        }
    }
    arena_free(page);
    return bad;
}

static FIBER int sort(struct imap_session *s, const struct imap_search *c, struct imap_result *r, struct error *e)
{
    struct sorting so = {.c = c, .n = r->n, .v = arena_array(r->arena, r->n, sizeof *so.v)};
    const struct snapshot *shown = s->selected->shown;
    struct imap_progress p;
    unsigned want = 0;
    imap_progress_begin(&p, s, r->n);
    for (size_t i = 0; i < c->n_sort; i++) want |= facts_of(c->sort[i].by);
    int bad = store_view_facts(s->service->store, shown, 0, shown->n_chunks, e);
    for (size_t at = 0; at < r->n && !bad; at += PAGE) {
        bad = read_keys(s, r, &so, at, r->n - at < PAGE ? r->n - at : PAGE, want, e);
        if (!bad && !imap_progress(&p, at)) bad = ERR_CANCELLED;
    }
    if (bad) return bad;
    if (so.n > MUCH) offload(run_sort, &so);
    else run_sort(&so);
    for (size_t i = 0; i < so.n; i++) r->v[i] = so.v[i].found;
    return 0;
}

FIBER struct imap_done imap_on_sort(struct imap_session *s, const struct imap_command *c)
{
    struct imap_result r;
    struct imap_done refusal;
    struct error why = {0};
    if (!imap_search_charset(s, &c->search, &refusal)) return refusal;
    if (imap_search_names_modseq(c->search.key)) imap_enable(s, IMAP_CONDSTORE);
    int e = imap_search_run(s, &c->search, s->selected->shown, true, &r, &why);
    if (!e) e = sort(s, &c->search, &r, &why);
    if (e) return imap_search_failed(s, &c->search, e, &why);
    if (c->search.returns & IMAP_SEARCH_UPDATE) imap_search_no_updates(s);
    return imap_search_answer(s, c, &r, true);
}
