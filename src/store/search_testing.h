/* For the tests of searching the store: letters with all that is derived of them, questions and their answers. */
#ifndef STORE_SEARCH_TESTING_H
#define STORE_SEARCH_TESTING_H

#include "store/search_index.h"
#include "store/testing.h"

#include "base/utf8.h"
#include "proto/mime/derive.h"

TESTING void assert_str_is(struct str actual, const char *expected)
{
    if (!str_eq(actual, str_c(expected))) fail_msg("'%.*s', not '%s'", STR_FMT(actual), expected);
}

/* ---- letters ---- */

/* Delivers a letter with all that is derived of it; its email. */
TESTING FIBER int64_t deliver(struct testing *t, struct str text)
{
    struct error e = {0};
    struct arena *a = arena_new(NULL, 0);
    struct letter_out l;
    ok(letter_fill(t, a, &l, text, 0, &e), &e);
    struct mime_derived d = mime_derive(a, mime_parse(a, text));
    l.facts.envelope = d.envelope;
    l.facts.structure = d.structure;
    l.facts.sent_at = d.has_date ? d.sent.utc : 0;
    ok(store_accept(t->store, &l.a, &e), &e);
    arena_free(a);
    return l.d.email;
}

/* ---- questions: a tree in Polish notation, for the tests alone ----
 * "&" "|" "!" with their children and ".", keys as letters with a text in quotes, "~" before fuzzy ones. */

TESTING struct search_key *question(struct arena *a, struct str *q)
{
    static const char letters[] = "&|!ksftcbdThBX"; /* by enum search_kind */
    struct search_key *k = arena_new_of(a, struct search_key);
    if (q->p[0] == '~') {
        k->fuzzy = true;
        *q = str_skip(*q, 1);
    }
    k->kind = (enum search_kind)(strchr(letters, q->p[0]) - letters);
    *q = str_skip(*q, 1);
    if (k->kind <= SEARCH_NOT) {
        for (struct search_key **end = &k->children; q->p[0] != '.'; end = &(*end)->next) *end = question(a, q);
        *q = str_skip(*q, 1);
        return k;
    }
    struct str text, rest;
    if (k->kind == SEARCH_HEADER) str_cut(*q, '\'', &k->field, q);
    else *q = str_skip(*q, 1);
    str_cut(*q, '\'', &text, &rest);
    *q = rest;
    k->text = text;
    if (k->kind == SEARCH_SENT) { /* days since 1970 */
        str_cut(text, '-', &text, &rest);
        uint64_t from = 0, until = 0;
        str_to_u64(text, 1000000, &from);
        str_to_u64(rest, 1000000, &until);
        k->from = DAYS((int64_t)from);
        k->until = DAYS((int64_t)until);
    }
    return k;
}

TESTING bool known(const void *arg, const struct search_key *k, size_t i) /* k'n': letters whose number n divides */
{
    (void)arg;
    uint64_t n = 1;
    str_to_u64(k->text, 1000, &n);
    return i % n == 0;
}

/* "0 3 4": the letters that match, with scores when they are not 100. */
TESTING FIBER struct str ask(struct testing *t, const int64_t *emails, size_t n, const char *q)
{
    struct error e = {0};
    struct str rest = str_c(q);
    struct search s = {.account = t->account, .key = question(t->arena, &rest), .emails = emails, .n = n,
                       .known = known, .score = arena_alloc(t->arena, n + 1)};
    ok(store_search(t->store, &s, &e), &e);
    struct buf *b = buf_in(t->arena, 1 << 20);
    for (size_t i = 0; i < n; i++) {
        if (s.score[i] == 0) continue;
        buf_printf(b, s.score[i] < 100 ? "%s%zu(%d)" : "%s%zu", b->n ? " " : "", i, s.score[i]);
    }
    return buf_str(b);
}

/* ---- the index ---- */

struct indexer {
    struct store *store;
    bool ended;
};

TESTING FIBER void run_indexer(void *arg)
{
    struct indexer *x = arg;
    store_search_indexer(x->store);
    x->ended = true;
}

#endif
