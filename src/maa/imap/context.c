/* Contexts (RFC 5267 §4.3): which there are, how they begin and end. */
#include "maa/imap/context.h"
#include "mail/limits.h"

static struct imap_context *find(const struct imap_session *s, struct str tag)
{
    struct imap_context *x = s->selected ? s->selected->contexts : NULL;
    while (x && !str_eq(x->tag, tag)) x = x->next;
    return x;
}

static size_t count(const struct imap_session *s)
{
    size_t n = 0;
    for (const struct imap_context *x = s->selected->contexts; x; x = x->next) n++;
    return n;
}

bool imap_contexts_too_big(const struct imap_session *s, size_t more)
{
    for (const struct imap_context *x = s->selected->contexts; x; x = x->next) more += arena_used(x->arena);
    return more > LIMIT_IMAP_CONTEXTS_MEMORY;
}

mono_us imap_contexts_due(const struct imap_session *s)
{
    utc_us due = FOREVER, now = clock_utc(loop_world(loop_self()));
    for (const struct imap_context *x = s->selected ? s->selected->contexts : NULL; x; x = x->next)
        if (x->due < due) due = x->due;
    if (due == FOREVER) return FOREVER;
    return loop_now() + (due > now + SPAN_IMAP_AGING ? due - now : SPAN_IMAP_AGING);
}

/* ---- beginning ---- */

bool imap_context_may_begin(const struct imap_session *s, struct imap_done *refusal)
{
    if (find(s, s->tag)) {
        *refusal = imap_bad(S("that tag is in use: it names a search that is kept up to date")); /* RFC 5267 §4.3 */
        return false;
    }
    if (s->tag.n <= LIMIT_IMAP_QUOTED) return true;
    *refusal = imap_bad(S("that tag is too long to be named in every update"));
    return false;
}

/* What was found, as it was sorted. */
static void keep_order(struct imap_context *x, const struct imap_result *r)
{
    x->order = arena_array(x->arena, r->n, sizeof *x->order);
    x->n = x->cap = r->n;
    for (size_t i = 0; i < r->n; i++) x->order[i] = (struct imap_listed){r->v[i].entry->uid, r->v[i].score};
}

static FIBER bool fill(struct imap_session *s, struct imap_context *x, const struct imap_command *c,
                       const struct imap_result *r, bool sorted)
{
    struct error why = {0};
    *x = (struct imap_context){.arena = x->arena,
                               .tag = arena_str(x->arena, s->tag),
                               .uids = c->uid,
                               .sorted = sorted,
                               .due = FOREVER,
                               .aged_at = r->at};
    imap_context_keep_program(s, x, &c->search);
    uid_set_unite(x->arena, &x->found, &r->uids);
    if (sorted) keep_order(x, r);
    return imap_context_remember(s, x, &why) == 0;
}

FIBER bool imap_context_begin(struct imap_session *s, const struct imap_command *c, const struct imap_result *r,
                              bool sorted)
{
    struct imap_selected *m = s->selected;
    size_t bytes = s->input.n + r->uids.n * sizeof *r->uids.v + (sorted ? r->n * sizeof(struct imap_listed) : 0);
    if (count(s) == LIMIT_IMAP_CONTEXTS || imap_contexts_too_big(s, bytes)) return false;
    struct arena *a = arena_new(m->arena, 0);
    struct imap_context *x = arena_new_of(a, struct imap_context), **end = &m->contexts;
    x->arena = a;
    if (!fill(s, x, c, r, sorted) || imap_contexts_too_big(s, arena_used(a))) {
        arena_free(a);
        return false;
    }
    while (*end) end = &(*end)->next;
    *end = x;
    return true;
}

/* ---- ending ---- */

static void end(struct imap_session *s, struct imap_context *x)
{
    struct imap_context **at = &s->selected->contexts;
    while (*at != x) at = &(*at)->next;
    *at = x->next;
    arena_free(x->arena);
}

FIBER void imap_context_refuse(struct imap_session *s, struct str tag)
{
    struct buf *b = buf_in(s->cmd, tag.n * 2 + 100);
    buf_lit(b, "* NO [NOUPDATE ");
    imap_put_string(b, tag, false);
    buf_lit(b, "] this result is not kept up to date\r\n");
    imap_put(s, buf_str(b));
}

FIBER void imap_context_drop(struct imap_session *s, struct imap_context *x)
{
    struct str tag = arena_str(s->cmd, x->tag);
    end(s, x);
    imap_context_refuse(s, tag);
}

FIBER void imap_contexts_without_numbers(struct imap_session *s)
{
    for (struct imap_context *x = s->selected ? s->selected->contexts : NULL, *next; x; x = next) {
        next = x->next;
        if (!x->uids) imap_context_drop(s, x);
    }
}

/* RFC 5267 §4.3.5. Others it names are cancelled all the same. */
FIBER struct imap_done imap_on_cancelupdate(struct imap_session *s, const struct imap_command *c)
{
    bool all = true;
    for (size_t i = 0; i < c->words.n; i++) {
        struct imap_context *x = find(s, c->words.v[i]);
        all = all && x;
        if (x) end(s, x);
    }
    return all ? imap_ok(STR_NONE, S("no further updates")) : imap_no(STR_NONE, S("there is no such search"));
}
