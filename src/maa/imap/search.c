/* SEARCH (RFC 9051 §6.4.4, RFC 3501 §6.4.4) and how its result is told: as a list, or as an ESEARCH response (RFC 4731,
 * RFC 9394), and kept as "$" (RFC 5182). */
#include "maa/imap/context.h"

#include <stdlib.h>

#include "mail/limits.h"

/* ---- sets of what was found ---- */

static uint32_t number_of(const struct imap_found *f, bool uids) { return uids ? f->entry->uid : f->seq; }

static int by_seq(const void *a, const void *b)
{
    const struct imap_found *x = a, *y = b;
    return (x->seq > y->seq) - (x->seq < y->seq);
}

/* Numbers in the result's order, as a set: "4,2:3". Of a result in order of the mailbox neighbours become ranges. */
static void put_numbers(struct buf *b, const struct imap_found *v, size_t n, bool uids)
{
    for (size_t i = 0; i < n;) {
        uint32_t first = number_of(&v[i], uids), last = first;
        if (i) buf_char(b, ',');
        for (i++; i < n && number_of(&v[i], uids) == last + 1; i++) last++;
        buf_u64(b, first);
        if (last == first) continue;
        buf_char(b, ':');
        buf_u64(b, last);
    }
}

/* ---- the parts of an ESEARCH response ---- */

/* The part of the result that PARTIAL names (RFC 9394 §3.1). */
static struct imap_result partial_of(const struct imap_search *c, const struct imap_result *r)
{
    struct imap_result out = *r;
    size_t first = c->partial.first - 1, n = c->partial.last - c->partial.first + 1;
    out.n = first < r->n ? r->n - first : 0;
    if (n < out.n) out.n = n;
    if (out.n) out.v = r->v + (c->partial.from_end ? r->n - first - out.n : first);
    return out;
}

static void put_partial(struct buf *b, const struct imap_search *c, const struct imap_result *r, bool uids)
{
    struct imap_result part = partial_of(c, r);
    const char *sign = c->partial.from_end ? "-" : "";
    uint32_t first = c->partial.backwards ? c->partial.last : c->partial.first;
    uint32_t last = c->partial.backwards ? c->partial.first : c->partial.last;
    buf_printf(b, " PARTIAL (%s%u:%s%u ", sign, first, sign, last); /* RFC 9394 §3.1: the original range */
    if (part.n) put_numbers(b, part.v, part.n, uids);
    else buf_lit(b, "NIL");
    buf_char(b, ')');
}

struct ends { /* of the mailbox's order, in a result of at least one letter */
    const struct imap_found *min, *max;
};

static struct ends ends_of(const struct imap_result *r)
{
    struct ends e = {&r->v[0], &r->v[0]};
    for (size_t i = 1; i < r->n; i++) {
        if (r->v[i].seq < e.min->seq) e.min = &r->v[i];
        if (r->v[i].seq > e.max->seq) e.max = &r->v[i];
    }
    return e;
}

/* RFC 4731 §3.2: of all that is told; RFC 7162 §3.1.5 */
static uint64_t modseq_of(const struct imap_search *c, const struct imap_result *r)
{
    uint64_t highest = 0;
    struct ends e = ends_of(r);
    if (c->extended && !(c->returns & ~(unsigned)(IMAP_SEARCH_MIN | IMAP_SEARCH_MAX | IMAP_SEARCH_SAVE))) {
        if (c->returns & IMAP_SEARCH_MIN) highest = e.min->entry->modseq;
        if (c->returns & IMAP_SEARCH_MAX && e.max->entry->modseq > highest) highest = e.max->entry->modseq;
        if (highest) return highest;
    }
    for (size_t i = 0; i < r->n; i++)
        if (r->v[i].entry->modseq > highest) highest = r->v[i].entry->modseq;
    return highest;
}

static void put_relevancy(struct buf *b, const struct imap_result *r) /* RFC 6203 §4 */
{
    buf_lit(b, " RELEVANCY (");
    for (size_t i = 0; i < r->n; i++) {
        if (i) buf_char(b, ' ');
        buf_u64(b, r->v[i].score);
    }
    buf_char(b, ')');
}

void imap_put_esearch(struct imap_session *s, struct buf *b, const struct imap_search *c, const struct imap_result *r,
                      bool uids, bool sorted)
{
    (void)s;
    unsigned wanted = c->returns;
    if (uids) buf_lit(b, " UID");
    if (r->n && wanted & (IMAP_SEARCH_MIN | IMAP_SEARCH_MAX)) {
        /* RFC 5267 §3.1: of a sorted result the first and the last */
        struct ends e = sorted ? (struct ends){&r->v[0], &r->v[r->n - 1]} : ends_of(r);
        if (wanted & IMAP_SEARCH_MIN) buf_printf(b, " MIN %u", number_of(e.min, uids));
        if (wanted & IMAP_SEARCH_MAX) buf_printf(b, " MAX %u", number_of(e.max, uids));
    }
    if (wanted & IMAP_SEARCH_COUNT) buf_printf(b, " COUNT %zu", r->n);
    if (r->n && wanted & IMAP_SEARCH_ALL) {
        buf_lit(b, " ALL ");
        put_numbers(b, r->v, r->n, uids);
    }
    if (wanted & IMAP_SEARCH_PARTIAL) put_partial(b, c, r, uids);
    if (r->n && imap_search_names_modseq(c->key)) buf_printf(b, " MODSEQ %llu", (unsigned long long)modseq_of(c, r));
    struct imap_result told = wanted & IMAP_SEARCH_PARTIAL ? partial_of(c, r) : *r;
    if (told.n && wanted & IMAP_SEARCH_RELEVANCY) put_relevancy(b, &told);
}

/* ---- "$" ---- */

static void save_set(struct imap_selected *m, const struct imap_found *v, size_t n)
{
    struct uid_set *saved = &m->saved;
    saved->n = 0; /* its room serves again */
    for (size_t i = 0; i < n; i++) uid_set_add(m->arena, saved, v[i].entry->uid, v[i].entry->uid);
}

void imap_search_save(struct imap_session *s, const struct imap_search *c, const struct imap_result *r)
{
    const unsigned some = IMAP_SEARCH_MIN | IMAP_SEARCH_MAX | IMAP_SEARCH_PARTIAL;
    struct imap_result kept = {.arena = r->arena, .v = arena_array(r->arena, r->n + 2, sizeof *r->v)};
    if (!(c->returns & some) || c->returns & (IMAP_SEARCH_ALL | IMAP_SEARCH_COUNT)) {
        if (r->n) memcpy(kept.v, r->v, r->n * sizeof *r->v);
        kept.n = r->n;
    } else if (r->n) {
        struct imap_result part = c->returns & IMAP_SEARCH_PARTIAL ? partial_of(c, r) : (struct imap_result){0};
        struct ends e = ends_of(r);
        if (c->returns & IMAP_SEARCH_MIN) kept.v[kept.n++] = *e.min;
        if (part.n) memcpy(kept.v + kept.n, part.v, part.n * sizeof *part.v);
        kept.n += part.n;
        if (c->returns & IMAP_SEARCH_MAX) kept.v[kept.n++] = *e.max;
    }
    qsort(kept.v, kept.n, sizeof *kept.v, by_seq);
    save_set(s->selected, kept.v, kept.n);
}

struct imap_done imap_search_failed(struct imap_session *s, const struct imap_search *c, int error,
                                    const struct error *why)
{
    if (error == ERR_SYNTAX) return imap_bad(S("there is no such message number"));
    if (c->returns & IMAP_SEARCH_SAVE && s->selected) s->selected->saved.n = 0; /* RFC 5182 §2.1 */
    if (error == ERR_CANCELLED) return (struct imap_done){.said = true, .close = true};
    if (error == ERR_TOO_LONG) return imap_no(S("LIMIT"), S("that is too long a text to look for"));
    return imap_refusal(s, error, why);
}

/* ---- answers ---- */

static void put_list(struct buf *b, const struct imap_search *c, const struct imap_result *r, bool uids, bool sorted)
{
    buf_add(b, sorted ? S("* SORT") : S("* SEARCH"));
    for (size_t i = 0; i < r->n; i++) {
        buf_char(b, ' ');
        buf_u64(b, number_of(&r->v[i], uids));
    }
    if (r->n && imap_search_names_modseq(c->key)) /* RFC 7162 §3.1.5, §3.1.6 */
        buf_printf(b, " (MODSEQ %llu)", (unsigned long long)modseq_of(c, r));
    buf_lit(b, "\r\n");
}

static FIBER void tell(struct imap_session *s, const struct imap_command *c, struct imap_result *r, bool sorted)
{
    struct imap_search search = c->search;
    const unsigned silent = IMAP_SEARCH_SAVE | IMAP_SEARCH_UPDATE | IMAP_SEARCH_CONTEXT;
    struct buf *b = buf_in(r->arena, SIZE_MAX / 2);
    if (!search.extended && !sorted && s->enabled & IMAP_REV2) { /* RFC 9051 §7.3.4: SEARCH is gone */
        search.extended = true;
        search.returns = IMAP_SEARCH_ALL;
    }
    if (search.returns & IMAP_SEARCH_SAVE) imap_search_save(s, &search, r);
    if (!search.extended) {
        put_list(b, &search, r, c->uid, sorted);
    } else if (search.returns & ~silent || !(search.returns & IMAP_SEARCH_SAVE)) { /* SAVE alone says nothing */
        buf_lit(b, "* ESEARCH (TAG ");
        imap_put_string(b, s->tag, false);
        buf_char(b, ')');
        imap_put_esearch(s, b, &search, r, c->uid, sorted);
        buf_lit(b, "\r\n");
    }
    imap_put(s, buf_str(b));
}

/* A context is made before SAVE changes what "$" means, and refused after the answer (RFC 5267 §4.3.1). */
FIBER struct imap_done imap_search_answer(struct imap_session *s, const struct imap_command *c, struct imap_result *r,
                                          bool sorted)
{
    bool update = c->search.returns & IMAP_SEARCH_UPDATE;
    bool kept = update && imap_context_begin(s, c, r, sorted);
    tell(s, c, r, sorted);
    if (update && !kept) imap_context_refuse(s, s->tag);
    return imap_ok(STR_NONE, kept      ? S("searched, changes will be told")
                             : update ? S("searched, changes will not be told")
                                      : S("searched"));
}

bool imap_search_allowed(struct imap_session *s, const struct imap_command *c, struct imap_done *refusal)
{
    if (c->search.returns & IMAP_SEARCH_UPDATE && !imap_context_may_begin(s, refusal)) return false;
    if (!imap_search_charset(s, &c->search, refusal)) return false;
    if (imap_search_names_modseq(c->search.key)) imap_enable(s, IMAP_CONDSTORE); /* RFC 7162 §3.1 */
    return true;
}

/* RFC 6855 §3: with UTF8=ACCEPT a charset has no place in SEARCH. One that says nothing new does no harm. */
static bool conflicts(const struct imap_session *s, struct str charset)
{
    return s->enabled & IMAP_UTF8 && charset.n && !str_ieq(charset, S("UTF-8")) && !str_ieq(charset, S("US-ASCII"));
}

FIBER struct imap_done imap_on_search(struct imap_session *s, const struct imap_command *c)
{
    struct imap_result r;
    struct imap_done refusal;
    struct error why = {0};
    if (conflicts(s, c->search.charset)) return imap_bad(S("with UTF8=ACCEPT all is UTF-8"));
    if (!imap_search_allowed(s, c, &refusal)) return refusal;
    int e = imap_search_run(s, &c->search, s->selected->shown, true, &r, &why);
    if (e) return imap_search_failed(s, &c->search, e, &why);
    if (c->search.returns & IMAP_SEARCH_UPDATE) r.uids = imap_result_uids(&r);
    return imap_search_answer(s, c, &r, false);
}
