/* Searching, run: candidates in pieces, each one read on a thread of the pool, two pieces at a time. */
#include "store/search.h"

#include <stdlib.h>

#include "mail/limits.h"
#include "store/search_index.h"
#include "store/search_letter.h"

enum {
    PIECE_MOST = 4096,   /* candidates taken at once, */
    PIECE_LEAST = 16,
    ALONE = 64,          /* so few are not worth a second thread, */
    UNINDEXED = 32,      /* nor a look at the index */
    LOOK = 16,           /* letters between two looks at the clock */
};

struct run { /* a search under way; its fibers run on one loop */
    struct store *s;
    struct search *q;
    struct search_plan plan;
    uint32_t *excluded;
    size_t next, done, piece; /* candidates taken; answered */
    bool stop;
    int result;
    struct error error;
};

struct worker {
    struct run *run;
    struct search_letter letter;
    struct search_found *found; /* by leaf */
    size_t at, end;             /* of the piece: the next candidate */
    bool again;                 /* it has been tried, and its pack had been compacted */
    mono_us until;
};

/* ---- one letter, on a thread ---- */

static bool sent_within(struct search_letter *l, const struct search_key *k)
{
    enum { ZONES = 48 }; /* hours; no clock is further from UTC */
    bool far = l->sent_at < k->from - HOURS(ZONES) || (k->until < INT64_MAX && l->sent_at > k->until + HOURS(ZONES));
    if (l->sent_at != 0 && far) return false;
    struct imf_date date;
    if (imf_date_parse(search_letter_envelope(l)->date, &date) != 0) return false;
    utc_us local = date.utc + MINUTES(date.offset); /* RFC 9051 §6.4.4: the zone does not count */
    return local >= k->from && local < k->until;
}

/* Leaves the row answers. */
static int resolve_row(void *arg, size_t leaf)
{
    struct worker *w = arg;
    const struct search_leaf *l = &w->run->plan.leaves[leaf];
    struct search_found *f = &w->found[leaf];
    if (l->in_text) return SEARCH_OPEN;
    if (l->key->kind == SEARCH_THREAD) return w->letter.thread == l->key->from ? SEARCH_YES : SEARCH_NO;
    if (l->key->kind == SEARCH_SENT) return sent_within(&w->letter, l->key) ? SEARCH_YES : SEARCH_NO;
    search_look(l, search_letter_field(&w->letter, l->key->kind), w->letter.scratch, f);
    return f->value == SEARCH_YES ? SEARCH_YES : SEARCH_NO;
}

static bool hear(void *arg, enum text_place place, struct str text)
{
    struct worker *w = arg;
    const struct search_plan *p = &w->run->plan;
    bool open = false;
    for (size_t i = 0; i < p->n; i++) {
        const struct search_leaf *l = &p->leaves[i];
        struct search_found *f = &w->found[i];
        if (!l->in_text || f->value != SEARCH_OPEN) continue;
        if (l->key->kind == SEARCH_HEADER && place == TEXT_FIELD) search_look_header(l, text, w->letter.scratch, f);
        if (l->key->kind == SEARCH_TEXT || (l->key->kind == SEARCH_BODY && place == TEXT_BODY))
            search_look(l, text, w->letter.scratch, f);
        open |= f->value == SEARCH_OPEN;
    }
    return open;
}

/* Answers the leaves that are looked for in its text. */
static int read_text(struct worker *w)
{
    const struct search_plan *p = &w->run->plan;
    unsigned places = 0;
    for (size_t i = 0; i < p->n; i++) {
        const struct search_leaf *l = &p->leaves[i];
        if (!l->in_text || w->found[i].value != SEARCH_OPEN) continue;
        if (l->needle.n == 0 && l->key->kind != SEARCH_HEADER) w->found[i].value = SEARCH_YES; /* of any text */
        else places |= l->key->kind == SEARCH_HEADER ? TEXT_FIELD : l->key->kind == SEARCH_BODY ? TEXT_BODY : 7;
    }
    int r = places ? search_letter_text(&w->letter, places, hear, w) : 0;
    if (places) atomic_fetch_add_explicit(&w->run->s->search->scanned, 1, memory_order_relaxed);
    for (size_t i = 0; i < p->n; i++)
        if (p->leaves[i].in_text && w->found[i].value == SEARCH_OPEN) w->found[i].value = SEARCH_NO;
    return r;
}

static void begin_letter(struct worker *w)
{
    const struct run *run = w->run;
    uint32_t excluded = run->excluded ? run->excluded[w->at] : 0;
    for (size_t i = 0; i < run->plan.n; i++) {
        bool no = i < INDEX_LEAVES && excluded >> i & 1;
        w->found[i] = (struct search_found){.value = no ? SEARCH_NO : SEARCH_OPEN};
    }
}

/* All that the row answers, where scores are asked for. */
static void resolve_all(struct worker *w)
{
    for (size_t i = 0; i < w->run->plan.n; i++)
        if (w->found[i].value == SEARCH_OPEN) w->found[i].value = resolve_row(w, i);
}

/* Whether candidate w->at matches, and its score; ERR_NOT_FOUND: its row must be read anew, in another transaction. */
static int ask_letter(struct worker *w, struct db *db, struct error *e)
{
    struct run *run = w->run;
    struct search_ask ask = {.q = run->q, .i = w->at, .found = w->found};
    begin_letter(w);
    int v = search_eval(run->q->key, &ask);
    if (v == SEARCH_NO || (v == SEARCH_YES && !run->plan.fuzzy)) return v == SEARCH_YES ? 100 : 0;
    int r = search_letter_load(&w->letter, db, run->q->account, run->q->emails[w->at], e);
    if (r <= 0) return r;
    ask.resolve = resolve_row;
    ask.arg = w;
    if (run->plan.fuzzy) resolve_all(w);
    v = search_eval(run->q->key, &ask);
    if (v == SEARCH_OPEN || (v == SEARCH_YES && run->plan.fuzzy)) {
        r = read_text(w);
        if (r && !w->again) return r;
        v = search_eval(run->q->key, &ask);
    }
    return v == SEARCH_YES ? search_score(&run->plan, &ask) : 0;
}

static int run_piece(struct store *s, struct db *db, void *arg, struct error *e)
{
    struct worker *w = arg;
    struct run *run = w->run;
    w->until = clock_mono(s->world) + READ_US;
    for (size_t n = 1; w->at < w->end; n++) {
        int r = ask_letter(w, db, e);
        if (r == ERR_NOT_FOUND) { /* once */
            w->again = true;
            return 0;
        }
        if (r < 0) return r;
        run->q->score[w->at] = (uint8_t)r;
        w->again = false;
        w->at++;
        if (n % LOOK == 0 && clock_mono(s->world) > w->until) return 0;
    }
    return 0;
}

/* ---- the fibers ---- */

static bool take_piece(struct worker *w)
{
    struct run *run = w->run;
    if (run->stop || run->next == run->q->n) return false;
    w->at = run->next;
    w->end = w->at + run->piece < run->q->n ? w->at + run->piece : run->q->n;
    run->next = w->end;
    return true;
}

static void fail(struct run *run, int r, const struct error *e)
{
    if (!run->result && e) run->error = *e;
    if (!run->result) run->result = r;
    run->stop = true;
}

static FIBER void run_worker(struct run *run, bool tells)
{
    struct worker w = {.run = run};
    search_letter_begin(&w.letter, run->s);
    w.found = calloc(run->plan.n ? run->plan.n : 1, sizeof *w.found);
    if (!w.found) abort();
    while (take_piece(&w))
        while (w.at < w.end && !run->stop) {
            struct error e = {0};
            size_t before = w.at;
            int r = store_read(run->s, run_piece, &w, &e);
            run->done += w.at - before;
            if (r) fail(run, r, &e);
            else if (tells && run->q->progress && !run->q->progress(run->q->progress_arg, run->done))
                fail(run, ERR_CANCELLED, NULL);
            fiber_yield();
        }
    free(w.found);
    search_letter_end(&w.letter);
}

static void second_fiber(void *arg) { run_worker(arg, false); }

static void look_at_index(void *arg)
{
    struct run *run = arg;
    search_index_exclude(run->s, run->q->account, &run->plan, run->q->emails, run->q->n, run->excluded);
}

FIBER int store_search(struct store *s, struct search *q, struct error *e)
{
    struct run run = {.s = s, .q = q};
    struct arena *a = arena_new(NULL, 0);
    int r = search_plan_make(a, q->key, &run.plan, e);
    if (r) {
        arena_free(a);
        return r;
    }
    memset(q->score, 0, q->n);
    size_t piece = q->n / 8;
    run.piece = piece < PIECE_LEAST ? PIECE_LEAST : piece > PIECE_MOST ? PIECE_MOST : piece;
    if (q->n > UNINDEXED && run.plan.n > 0) {
        run.excluded = calloc(q->n, sizeof *run.excluded);
        if (!run.excluded) abort();
        offload(look_at_index, &run);
    }
    struct scope second;
    scope_init(&second);
    if (q->n > ALONE) fiber_spawn(&second, second_fiber, &run);
    run_worker(&run, true);
    scope_join(&second);
    free(run.excluded);
    arena_free(a);
    if (run.result && e && run.error.code) *e = run.error;
    return run.result == ERR_CANCELLED ? error_set(e, ERR_CANCELLED, "the search was given up") : run.result;
}

struct search_stats store_search_stats(struct store *s)
{
    const struct search_index *x = s->search;
    return (struct search_stats){.letters = atomic_load(&x->letters),
                                 .segments = atomic_load(&x->segments),
                                 .rebuilt = atomic_load(&x->rebuilt),
                                 .scanned = atomic_load(&x->scanned)};
}

bool store_search_take(struct store *s, int64_t bytes, int64_t most)
{
    if (atomic_fetch_add(&s->searching, bytes) + bytes <= most) return true;
    store_search_give(s, bytes);
    return false;
}

void store_search_give(struct store *s, int64_t bytes) { atomic_fetch_sub(&s->searching, bytes); }
