/* Does a text hold what is looked for? Exact texts are one comparison of bytes; fuzzy ones (RFC 6203) are words, all of
 * which must be there. */
#include "store/search_match.h"

#include "base/utf8.h"
#include "mail/limits.h"
#include "proto/mime/fold.h"

/* ---- the plan ---- */

static bool is_word_byte(char c) { return ch_alnum(c) || (unsigned char)c >= 0x80; }

static void cut_words(struct arena *a, struct search_leaf *l)
{
    l->words = arena_array(a, SEARCH_WORDS, sizeof *l->words);
    for (size_t i = 0; i < l->needle.n && l->n_words < SEARCH_WORDS;) {
        size_t from = i;
        while (i < l->needle.n && is_word_byte(l->needle.p[i])) i++;
        if (i > from) l->words[l->n_words++] = str_sub(l->needle, from, i);
        else i++;
    }
}

static struct str without_accents(struct arena *a, struct str s)
{
    struct buf *b = buf_in(a, s.n);
    fold_strip(s, b);
    return str_trim(buf_str(b));
}

static int plan_leaf(struct arena *a, struct text_reader *r, const struct search_key *k, struct search_leaf *l,
                     struct search_plan *p, struct error *e)
{
    l->key = k;
    l->needle = text_folded(r, a, k->text);
    if (l->needle.n >= TEXT_NEEDLE) return error_set(e, ERR_TOO_LONG, "what is searched for is too long");
    if (k->kind == SEARCH_HEADER) {
        struct buf *field = buf_in(a, k->field.n * 12 + 2);
        buf_add(field, text_folded(r, a, k->field));
        buf_lit(field, ": ");
        l->field = buf_str(field);
    }
    if (k->fuzzy) {
        l->needle = without_accents(a, l->needle);
        cut_words(a, l);
        p->fuzzy = true;
    }
    l->in_text = k->kind >= SEARCH_HEADER;
    if (k->kind == SEARCH_HEADER || k->kind == SEARCH_TEXT) p->places |= TEXT_FIELD;
    if (k->kind == SEARCH_TEXT) p->places |= TEXT_PART;
    if (k->kind == SEARCH_TEXT || k->kind == SEARCH_BODY) p->places |= TEXT_BODY;
    return 0;
}

static size_t number_leaves(struct search_key *k, size_t n)
{
    if (k->kind > SEARCH_KNOWN) k->leaf = n++;
    for (struct search_key *c = k->children; c; c = c->next) n = number_leaves(c, n);
    return n;
}

static int plan_tree(struct arena *a, struct text_reader *r, const struct search_key *k, struct search_plan *p,
                     struct error *e)
{
    int bad = k->kind > SEARCH_KNOWN ? plan_leaf(a, r, k, &p->leaves[k->leaf], p, e) : 0;
    for (const struct search_key *c = k->children; c && !bad; c = c->next) bad = plan_tree(a, r, c, p, e);
    return bad;
}

int search_plan_make(struct arena *a, struct search_key *key, struct search_plan *out, struct error *e)
{
    *out = (struct search_plan){.n = number_leaves(key, 0)};
    out->leaves = arena_array(a, out->n, sizeof *out->leaves);
    return plan_tree(a, text_reader_new(a), key, out, e);
}

/* ---- the tree ---- */

static int eval_leaf(const struct search_key *k, struct search_ask *ask)
{
    if (k->kind == SEARCH_KNOWN) return ask->q->known(ask->q->known_arg, k, ask->i);
    if (!ask->found) return SEARCH_OPEN;
    struct search_found *f = &ask->found[k->leaf];
    if (f->value == SEARCH_OPEN && ask->resolve) f->value = ask->resolve(ask->arg, k->leaf);
    return f->value;
}

int search_eval(const struct search_key *k, struct search_ask *ask)
{
    if (k->kind >= SEARCH_KNOWN) return eval_leaf(k, ask);
    int decides = k->kind == SEARCH_AND ? SEARCH_NO : SEARCH_YES; /* one child that says so */
    bool open = false;
    for (const struct search_key *c = k->children; c; c = c->next) {
        int v = search_eval(c, ask);
        if (v == decides) return k->kind == SEARCH_NOT ? SEARCH_NO : decides;
        open |= v == SEARCH_OPEN;
    }
    if (open) return SEARCH_OPEN;
    return k->kind == SEARCH_OR ? SEARCH_NO : SEARCH_YES;
}

int search_decide(const struct search *q, size_t i)
{
    return search_eval(q->key, &(struct search_ask){.q = q, .i = i});
}

/* How well a text fits: all its words are there; better when they stand by themselves, and as they were written. */
static unsigned score_of(const struct search_leaf *l, const struct search_found *f)
{
    if (l->n_words == 0) return 100;
    unsigned whole = 0;
    for (uint32_t w = f->whole; w; w &= w - 1) whole++;
    return 50 + 30 * whole / (unsigned)l->n_words + (f->phrase ? 20 : 0);
}

static bool has_fuzzy(const struct search_key *k)
{
    for (const struct search_key *c = k->children; c; c = c->next)
        if (has_fuzzy(c)) return true;
    return k->fuzzy && k->kind > SEARCH_KNOWN;
}

/* Of a tree that holds: the mean of what is asked for together, the best of what is asked for instead. */
static unsigned score_tree(const struct search_plan *p, const struct search_key *k, struct search_ask *ask)
{
    unsigned sum = 0, best = 0, n = 0;
    if (k->kind == SEARCH_NOT || !has_fuzzy(k)) return 100;
    if (k->kind > SEARCH_KNOWN) return score_of(&p->leaves[k->leaf], &ask->found[k->leaf]);
    for (const struct search_key *c = k->children; c; c = c->next) {
        if ((k->kind == SEARCH_AND && !has_fuzzy(c)) || search_eval(c, ask) != SEARCH_YES) continue;
        unsigned score = score_tree(p, c, ask);
        best = score > best ? score : best;
        sum += score;
        n++;
    }
    return k->kind == SEARCH_OR ? best : n ? sum / n : 100;
}

uint8_t search_score(const struct search_plan *p, struct search_ask *ask)
{
    return (uint8_t)(p->fuzzy ? score_tree(p, ask->q->key, ask) : 100);
}

/* ---- texts ---- */

static bool is_word_at(struct str text, size_t at, size_t n)
{
    return (at == 0 || !is_word_byte(text.p[at - 1])) && (at + n == text.n || !is_word_byte(text.p[at + n]));
}

static void look_for_words(const struct search_leaf *l, struct str text, struct search_found *f)
{
    for (size_t i = 0; i < l->n_words; i++) {
        uint32_t bit = UINT32_C(1) << i;
        struct str rest = text, word = l->words[i];
        for (size_t at; !(f->whole & bit) && (at = str_find(rest, word)) < rest.n; rest = str_skip(rest, at + 1)) {
            f->words |= bit;
            if (is_word_at(rest, at, word.n)) f->whole |= bit;
        }
    }
    f->phrase |= str_find(text, l->needle) < text.n;
    uint32_t all = l->n_words == SEARCH_WORDS ? UINT32_MAX : (UINT32_C(1) << l->n_words) - 1;
    if (f->words == all) f->value = SEARCH_YES;
}

void search_look(const struct search_leaf *l, struct str text, struct buf *scratch, struct search_found *f)
{
    if (l->n_words == 0) {
        if (l->needle.n == 0 || str_find(text, l->needle) < text.n) f->value = SEARCH_YES;
        return;
    }
    if (!str_is_ascii(text)) {
        buf_clear(scratch);
        fold_strip(text, scratch);
        text = buf_str(scratch);
    }
    look_for_words(l, text, f);
}

void search_look_header(const struct search_leaf *l, struct str lines, struct buf *scratch, struct search_found *f)
{
    for (struct str line; lines.n && f->value != SEARCH_YES;) {
        str_cut(lines, '\n', &line, &lines);
        if (str_starts(line, l->field)) search_look(l, str_skip(line, l->field.n), scratch, f);
    }
}
