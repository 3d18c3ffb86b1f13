/* The wildcards of LIST (RFC 9051 §6.3.9, RFC 3501 §6.3.8).
 *
 * A pattern is an automaton with a state for each of its characters, and all states it may be in are followed at once,
 * 64 to a word: nothing is ever tried again, so no pattern is slow (going back over "*a*a*a*a*b" would be). */
#include "maa/imap/tree.h"

static bool is_wild(char c) { return c == '*' || c == '%'; }

/* ---- making ---- */

static struct str without_runs(struct arena *a, struct str text)
{
    size_t n = 0;
    char *p = arena_alloc(a, text.n);
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (n && is_wild(c) && is_wild(p[n - 1])) { /* together they match what the mightier does */
            if (c == '*') p[n - 1] = '*';
        } else {
            p[n++] = c;
        }
    }
    return str_of(p, n);
}

/* The states before a character; made when the first one is met. */
static uint64_t *row_of(const struct imap_pattern *p, struct imap_automaton *m, char c)
{
    unsigned char *row = &m->row[(unsigned char)c];
    if (!*row) *row = (unsigned char)++m->n_rows;
    return m->rows + *row * p->words;
}

static struct imap_automaton *automaton_of(struct arena *a, const struct imap_pattern *p)
{
    struct imap_automaton *m = arena_new_of(a, struct imap_automaton);
    bool met[256] = {0};
    size_t rows = 1; /* the first is of characters that are not there */
    for (size_t i = 0; i < p->text.n; i++) {
        rows += !met[(unsigned char)p->text.p[i]];
        met[(unsigned char)p->text.p[i]] = true;
    }
    m->rows = arena_array(a, rows * p->words, sizeof *m->rows);
    m->now = arena_array(a, p->words, sizeof *m->now);
    m->anything = arena_array(a, p->words, sizeof *m->anything);
    m->level = arena_array(a, p->words, sizeof *m->level);
    for (size_t i = 0; i < p->text.n; i++) {
        char c = p->text.p[i];
        uint64_t *of = c == '*' ? m->anything : c == '%' ? m->level : row_of(p, m, c);
        of[i / 64] |= UINT64_C(1) << i % 64;
    }
    return m;
}

struct imap_pattern imap_pattern_of(struct arena *a, struct str text)
{
    struct imap_pattern p = {.text = without_runs(a, text)};
    p.words = p.text.n / 64 + 1;
    p.levels = str_ends(p.text, S("%"));
    for (size_t i = 0; i < p.text.n && !p.wild; i++) p.wild = is_wild(p.text.p[i]);
    if (p.wild) p.automaton = automaton_of(a, &p);
    return p;
}

/* ---- matching ---- */

/* By a character of the name. False: no state is left. */
static bool step(const struct imap_pattern *p, struct imap_automaton *m, char c)
{
    const uint64_t *row = m->rows + m->row[(unsigned char)c] * p->words;
    uint64_t moved = 0, reached = 0, any = 0; /* into the next word */
    for (size_t w = 0; w < p->words; w++) {
        uint64_t wild = m->anything[w] | m->level[w];
        uint64_t stays = m->now[w] & (c == '/' ? m->anything[w] : wild), moves = m->now[w] & row[w];
        uint64_t next = stays | moves << 1 | moved;
        uint64_t open = next & wild; /* a wildcard may match nothing: the state behind it is reached with it */
        m->now[w] = next | open << 1 | reached;
        moved = moves >> 63;
        reached = open >> 63; /* never a wildcard's own: there are no two in a row */
        any |= m->now[w];
    }
    return any != 0;
}

bool imap_pattern_matches(const struct imap_pattern *p, struct str name)
{
    struct imap_automaton *m = p->automaton;
    if (!p->wild) return str_eq(p->text, name);
    if (p->text.n > 2 * name.n + 1) return false; /* more characters than wildcards, but for one, must be in the name */
    memset(m->now, 0, p->words * sizeof *m->now);
    m->now[0] = is_wild(p->text.p[0]) ? 3 : 1;
    for (size_t k = 0; k < name.n; k++)
        if (!step(p, m, name.p[k])) return false;
    return m->now[p->text.n / 64] >> p->text.n % 64 & 1;
}
