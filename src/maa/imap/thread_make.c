/* Threading (RFC 5256 §3, "REFERENCES" and "ORDEREDSUBJECT"). Trees are arrays of containers, walked without recursion,
 * for threads may be as deep as a mailbox is long. */
#include <stdlib.h>

#include "maa/imap/thread.h"

enum { NONE = -1 };

struct container {
    int32_t letter; /* NONE: a dummy, for a message that is not among those found */
    int32_t parent, child, next;
    utc_us sent;
};

struct making {
    struct imap_threading *t;
    struct container *v;
    int32_t n, cap;
    int32_t *roots;
    size_t n_roots;
    struct slot { /* open addressing */
        uint64_t key;
        int32_t of;
    } * table;
    size_t mask;
    int64_t steps; /* of looking for loops, left: what would take longer is not joined */
};

static int32_t new_container(struct making *m, int32_t letter)
{
    m->v[m->n] = (struct container){.letter = letter, .parent = NONE, .child = NONE, .next = NONE};
    if (letter != NONE) m->v[m->n].sent = m->t->letters[letter].sent;
    return m->n++;
}

/* ---- step 1: who answers whom ---- */

static int32_t *find_slot(struct making *m, uint64_t key)
{
    size_t i = key & m->mask;
    while (m->table[i].key && m->table[i].key != key) i = (i + 1) & m->mask;
    if (!m->table[i].key) m->table[i] = (struct slot){key, NONE};
    return &m->table[i].of;
}

static int32_t container_of_id(struct making *m, uint64_t id)
{
    int32_t *slot = find_slot(m, id);
    if (*slot == NONE) *slot = new_container(m, NONE);
    return *slot;
}

static bool is_above(struct making *m, int32_t ancestor, int32_t c)
{
    for (; c != NONE; c = m->v[c].parent)
        if (c == ancestor || --m->steps < 0) return true;
    return false;
}

static void join(struct making *m, int32_t parent, int32_t child)
{
    if (!is_above(m, child, parent)) m->v[child].parent = parent;
}

static int32_t container_of_letter(struct making *m, int32_t letter)
{
    uint64_t id = m->t->letters[letter].id;
    int32_t *slot = id ? find_slot(m, id) : NULL;
    if (!slot || (*slot != NONE && m->v[*slot].letter != NONE)) return new_container(m, letter); /* §3 (1): unique */
    if (*slot == NONE) return *slot = new_container(m, letter);
    m->v[*slot].letter = letter;
    m->v[*slot].sent = m->t->letters[letter].sent;
    return *slot;
}

static void link_letters(struct making *m)
{
    for (size_t i = 0; i < m->t->n; i++) {
        const struct imap_thread_letter *l = &m->t->letters[i];
        int32_t own = container_of_letter(m, (int32_t)i), before = NONE;
        for (size_t k = 0; k < l->n_references; k++) {
            if (!l->references[k]) continue;
            int32_t c = container_of_id(m, l->references[k]);
            if (before != NONE && m->v[c].parent == NONE) join(m, before, c);
            before = c;
        }
        m->v[own].parent = NONE; /* what others thought of it counts less than what it says itself */
        if (before != NONE) join(m, before, own);
    }
}

/* ---- steps 2 and 3: trees, without the dummies that are not needed ---- */

static bool is_dummy(const struct making *m, int32_t c) { return m->v[c].letter == NONE; }

static void collect_roots(struct making *m)
{
    m->roots = arena_array(m->t->arena, (size_t)m->n + 1, sizeof *m->roots);
    m->n_roots = 0;
    for (int32_t c = 0; c < m->n; c++)
        if (m->v[c].parent == NONE && (!is_dummy(m, c) || m->v[c].child != NONE)) m->roots[m->n_roots++] = c;
}

/* A container's children are those of the dummies below it too; a dummy at the root stays if it has several. */
static void build_trees(struct making *m)
{
    for (int32_t c = 0; c < m->n; c++) {
        if (is_dummy(m, c)) continue;
        int32_t up = m->v[c].parent, top = NONE;
        while (up != NONE && is_dummy(m, up) && --m->steps > 0) {
            top = up;
            up = m->v[up].parent;
        }
        if (up != NONE && is_dummy(m, up)) up = NONE; /* steps ran out */
        m->v[c].parent = up != NONE ? up : top;
    }
    for (int32_t c = m->n; c-- > 0;) {
        int32_t parent = m->v[c].parent;
        if (is_dummy(m, c)) continue;
        if (parent == NONE) continue;
        m->v[c].next = m->v[parent].child;
        m->v[parent].child = c;
    }
    for (int32_t c = 0; c < m->n; c++) {
        if (!is_dummy(m, c)) continue;
        int32_t child = m->v[c].child;
        m->v[c].parent = NONE;
        if (child == NONE || m->v[child].next != NONE) continue;
        m->v[child].parent = NONE; /* promoted */
        m->v[c].child = NONE;
    }
    collect_roots(m);
}

/* ---- steps 4 and 6: in order of time ---- */

struct dated {
    utc_us sent;
    uint32_t number;
    int32_t of;
};

static int by_date(const void *a, const void *b)
{
    const struct dated *x = a, *y = b;
    if (x->sent != y->sent) return x->sent < y->sent ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

static struct dated dated(const struct making *m, int32_t c)
{
    int32_t first = is_dummy(m, c) ? m->v[c].child : c;
    return (struct dated){m->v[first].sent, m->t->letters[m->v[first].letter].number, c};
}

static void sort_children(struct making *m, int32_t c, struct dated *v)
{
    size_t n = 0;
    for (int32_t k = m->v[c].child; k != NONE; k = m->v[k].next) v[n++] = dated(m, k);
    if (n < 2) return;
    qsort(v, n, sizeof *v, by_date);
    for (size_t i = 0; i < n; i++) m->v[v[i].of].next = i + 1 < n ? v[i + 1].of : NONE;
    m->v[c].child = v[0].of;
}

static void sort_all(struct making *m)
{
    struct dated *v = arena_array(m->t->arena, (size_t)m->n + 1, sizeof *v);
    for (int32_t c = 0; c < m->n; c++) sort_children(m, c, v);
    for (size_t i = 0; i < m->n_roots; i++) v[i] = dated(m, m->roots[i]);
    qsort(v, m->n_roots, sizeof *v, by_date);
    for (size_t i = 0; i < m->n_roots; i++) m->roots[i] = v[i].of;
}

/* ---- step 5: what has the same subject belongs together ---- */

static const struct imap_thread_letter *letter_of(const struct making *m, int32_t c)
{
    return &m->t->letters[m->v[is_dummy(m, c) ? m->v[c].child : c].letter];
}

static void add_child(struct making *m, int32_t parent, int32_t child)
{
    m->v[child].parent = parent;
    m->v[child].next = m->v[parent].child;
    m->v[parent].child = child;
}

/* Root `c` and the one the table has for its subject become one; the one that stays. */
static int32_t merge(struct making *m, int32_t old, int32_t c)
{
    if (is_dummy(m, old) && is_dummy(m, c)) {
        for (int32_t k = m->v[c].child, next; k != NONE; k = next) {
            next = m->v[k].next;
            add_child(m, old, k);
        }
        m->v[c].child = NONE;
        return old;
    }
    bool below = is_dummy(m, old) || (!is_dummy(m, c) && letter_of(m, c)->reply && !letter_of(m, old)->reply);
    if (below) {
        add_child(m, old, c);
        return old;
    }
    int32_t both = new_container(m, NONE);
    m->v[old].next = m->v[c].next = NONE;
    add_child(m, both, old);
    add_child(m, both, c);
    return both;
}

static void enter_subjects(struct making *m)
{
    for (size_t i = 0; i < m->n_roots; i++) {
        struct str subject = letter_of(m, m->roots[i])->subject;
        if (subject.n == 0) continue;
        int32_t *slot = find_slot(m, hash_sip(&m->t->key, subject) | 1), c = m->roots[i];
        bool better = *slot == NONE || (is_dummy(m, c) && !is_dummy(m, *slot)) ||
                      (letter_of(m, *slot)->reply && !letter_of(m, c)->reply && !is_dummy(m, *slot));
        if (better) *slot = c;
    }
}

static void join_subjects(struct making *m)
{
    memset(m->table, 0, (m->mask + 1) * sizeof *m->table);
    enter_subjects(m);
    for (size_t i = 0; i < m->n_roots; i++) {
        int32_t c = m->roots[i];
        struct str subject = letter_of(m, c)->subject;
        if (subject.n == 0) continue;
        int32_t *slot = find_slot(m, hash_sip(&m->t->key, subject) | 1);
        if (*slot != c) *slot = merge(m, *slot, c);
    }
    collect_roots(m);
}

/* ---- step 7: telling ---- */

static void put_threads(struct making *m)
{
    enum { CLOSE = -2, PLAIN = 0x40000000 }; /* PLAIN: goes on in the same parentheses */
    struct buf *b = m->t->out;
    int32_t *stack = arena_array(m->t->arena, 2 * (size_t)m->n + 2, sizeof *stack);
    buf_lit(b, "* THREAD");
    if (m->n_roots) buf_char(b, ' ');
    for (size_t i = 0; i < m->n_roots; i++) {
        size_t n = 0;
        stack[n++] = m->roots[i];
        while (n > 0) {
            int32_t c = stack[--n];
            if (c == CLOSE) {
                buf_char(b, ')');
                continue;
            }
            if (ch_digit(b->p[b->n - 1])) buf_char(b, ' ');
            if (c & PLAIN) {
                c &= ~PLAIN;
            } else {
                buf_char(b, '(');
                stack[n++] = CLOSE;
            }
            if (!is_dummy(m, c)) buf_u64(b, m->t->letters[m->v[c].letter].number);
            size_t from = n;
            for (int32_t k = m->v[c].child; k != NONE; k = m->v[k].next) stack[n++] = k;
            if (n == from + 1) stack[from] |= PLAIN;
            for (size_t x = from, y = n; x + 1 < y; x++, y--) { /* the first comes off first */
                int32_t swapped = stack[x];
                stack[x] = stack[y - 1];
                stack[y - 1] = swapped;
            }
        }
    }
    buf_lit(b, "\r\n");
}

/* ---- ORDEREDSUBJECT ---- */

struct subjected {
    const struct imap_thread_letter *l;
    int32_t of;
};

static int by_subject(const void *a, const void *b)
{
    const struct subjected *x = a, *y = b;
    int order = str_cmp(x->l->subject, y->l->subject);
    if (order) return order;
    if (x->l->sent != y->l->sent) return x->l->sent < y->l->sent ? -1 : 1;
    return (x->l->number > y->l->number) - (x->l->number < y->l->number);
}

static void order_by_subject(struct making *m)
{
    size_t n = m->t->n;
    struct subjected *v = arena_array(m->t->arena, n, sizeof *v);
    for (size_t i = 0; i < n; i++) v[i] = (struct subjected){&m->t->letters[i], new_container(m, (int32_t)i)};
    qsort(v, n, sizeof *v, by_subject);
    m->roots = arena_array(m->t->arena, n + 1, sizeof *m->roots);
    for (size_t i = 0; i < n; i++) {
        bool same = i > 0 && str_eq(v[i].l->subject, v[i - 1].l->subject);
        if (same) add_child(m, m->roots[m->n_roots - 1], v[i].of);
        else m->roots[m->n_roots++] = v[i].of;
    }
}

static size_t ids_of(const struct imap_threading *t)
{
    size_t ids = t->n;
    for (size_t i = 0; i < t->n; i++) ids += t->letters[i].n_references;
    return ids;
}

static size_t slots_for(size_t ids)
{
    size_t slots = 64;
    while (slots < 2 * ids) slots *= 2;
    return slots;
}

/* With what qsort() copies. */
size_t imap_thread_memory(const struct imap_threading *t)
{
    size_t ids = ids_of(t), most = ids + t->n + 1; /* containers */
    size_t each =
        sizeof(struct container) + 3 * sizeof(struct dated) + 2 * sizeof(struct subjected) + 6 * sizeof(int32_t);
    return most * each + slots_for(ids) * sizeof(struct slot);
}

void imap_thread(struct imap_threading *t)
{
    struct making m = {.t = t};
    size_t ids = ids_of(t), slots = slots_for(ids);
    m.v = arena_array(t->arena, ids + t->n + 1, sizeof *m.v); /* every letter may need a dummy of its subject */
    m.table = arena_array(t->arena, slots, sizeof *m.table);
    m.mask = slots - 1;
    m.steps = 64 * (int64_t)ids + (1 << 20);
    if (t->algorithm == IMAP_THREAD_ORDEREDSUBJECT) {
        order_by_subject(&m);
    } else {
        link_letters(&m);
        build_trees(&m);
        sort_all(&m);
        join_subjects(&m);
    }
    sort_all(&m);
    put_threads(&m);
}
