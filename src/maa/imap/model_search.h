/* For model_test.c: letters with known texts, and searches whose results can be told from what the client believes.
 *
 * A search is answered from what the client has been told (session.h: numbers always mean `shown`), so that what is
 * found can be worked out exactly, but for letters of which something is not known yet. Letters that are gone, without
 * the client knowing yet, may have lost their text. */
#ifndef MAA_IMAP_MODEL_SEARCH_H
#define MAA_IMAP_MODEL_SEARCH_H

#include "maa/imap/model.h"

/* ---- letters ---- */

enum { WORDS = 4, SUBJECTS = 8 };
static const char *const letter_words[WORDS] = {"quick", "Br\xC3\xB6ther", "l\xC3\xA4zy dog", "lantern"};

static struct written written(uint32_t random)
{
    return (struct written){.known = true, .subject = random % SUBJECTS, .words = random >> 8 & ((1 << WORDS) - 1)};
}

static struct str model_letter(struct arena *a, struct written *w)
{
    struct buf *b = buf_in(a, 2000);
    buf_printf(b, "Content-Type: text/plain; charset=utf-8\r\nSubject: s%u\r\n\r\n", w->subject);
    for (int i = 0; i < WORDS; i++)
        if (w->words >> i & 1) buf_printf(b, "%s here\r\n", letter_words[i]);
    for (unsigned i = 0; i < w->subject * 3 % 7; i++) buf_lit(b, "more of it\r\n");
    w->size = (uint32_t)b->n;
    return buf_str(b);
}

/* ---- keys ---- */

enum key_kind {
    K_ALL,
    K_FLAG,
    K_UIDS,
    K_NUMBERS,
    K_SAVED,
    K_MODSEQ,
    K_SUBJECT,
    K_BODY,
    K_TEXT,
    K_LARGER,
    K_NOT,
    K_OR,
    K_AND
};
struct key {
    enum key_kind kind;
    struct key *a, *b;
    struct str set;
    unsigned value; /* flag, subject, word, size */
    uint64_t modseq;
};

static struct str some(struct model *m, bool uids);

static bool has_modseq(const struct model *m) { return m->kind >= CONDSTORE && m->kind <= UIDONLY; }

static struct key *random_key(struct model *m, bool numbers, int depth)
{
    struct key *k = arena_new_of(m->c->arena, struct key);
    static const enum key_kind kinds[] = {K_FLAG, K_FLAG, K_FLAG,   K_UIDS,  K_NUMBERS, K_MODSEQ, K_SUBJECT, K_BODY,
                                          K_TEXT, K_LARGER, K_ALL, K_SAVED, K_NOT,     K_OR,     K_AND};
    k->kind = kinds[chance(m, depth ? 15 : 12)];
    if (k->kind == K_NUMBERS && !numbers) k->kind = K_UIDS;
    if (k->kind == K_MODSEQ && !has_modseq(m)) k->kind = K_FLAG;
    switch (k->kind) {
    case K_FLAG: k->value = chance(m, KNOWN_FLAGS + 1); break; /* one more: its own */
    case K_UIDS: k->set = some(m, true); break;
    case K_NUMBERS: k->set = some(m, false); break;
    case K_MODSEQ: k->modseq = m->v[chance(m, (uint32_t)m->n)].modseq + chance(m, 2); break;
    case K_SUBJECT: k->value = chance(m, SUBJECTS); break;
    case K_BODY:
    case K_TEXT: k->value = chance(m, WORDS); break;
    case K_LARGER: k->value = 60 + chance(m, 120); break;
    case K_NOT:
    case K_OR:
    case K_AND: k->a = random_key(m, numbers, depth - 1), k->b = random_key(m, numbers, depth - 1); break;
    default: break;
    }
    return k;
}

static void put_text(struct buf *b, const char *key, struct str text) /* CHARSET is UTF-8 */
{
    buf_printf(b, "%s {%zu+}\r\n", key, text.n);
    buf_add(b, text);
}

static void put_flag(struct model *m, struct buf *b, unsigned flag)
{
    static const char *const keys[] = {"SEEN", "ANSWERED", "FLAGGED", "DELETED", "DRAFT"};
    if (flag < 5) buf_printf(b, "%s", keys[flag]);
    else if (flag < KNOWN_FLAGS) buf_printf(b, "KEYWORD %s", flag_names[flag]);
    else buf_printf(b, "KEYWORD own%d", m->index);
}

static void put_key(struct model *m, struct buf *b, const struct key *k)
{
    switch (k->kind) {
    case K_ALL: buf_lit(b, "ALL"); break;
    case K_FLAG: put_flag(m, b, k->value); break;
    case K_UIDS: buf_printf(b, "UID %.*s", STR_FMT(k->set)); break;
    case K_NUMBERS: buf_add(b, k->set); break;
    case K_SAVED: buf_lit(b, "$"); break;
    case K_MODSEQ: buf_printf(b, "MODSEQ %llu", (unsigned long long)k->modseq); break;
    case K_SUBJECT: put_text(b, "SUBJECT", arena_printf(m->c->arena, "s%u", k->value)); break;
    case K_BODY: put_text(b, "BODY", str_c(letter_words[k->value])); break;
    case K_TEXT: put_text(b, "TEXT", str_c(letter_words[k->value])); break;
    case K_LARGER: buf_printf(b, "LARGER %u", k->value); break;
    case K_NOT:
        buf_lit(b, "NOT ");
        put_key(m, b, k->a);
        break;
    case K_OR:
    case K_AND:
        buf_add(b, k->kind == K_OR ? S("OR ") : S("("));
        put_key(m, b, k->a);
        buf_char(b, ' ');
        put_key(m, b, k->b);
        if (k->kind == K_AND) buf_char(b, ')');
    }
}

static bool key_has(const struct key *k, enum key_kind from, enum key_kind to)
{
    return k && ((k->kind >= from && k->kind <= to) || key_has(k->a, from, to) || key_has(k->b, from, to));
}
static bool has_text(const struct key *k) { return key_has(k, K_SUBJECT, K_LARGER); }

/* ---- what they mean ---- */

static struct written text_of(struct model *m, const struct slot *s)
{
    const struct told *t = s->uid ? m->box->told[s->uid] : NULL;
    return t ? t->text : (struct written){0};
}

/* Does the letter match? -1: that cannot be told. */
static int value(struct model *m, const struct key *k, const struct slot *s, size_t number)
{
    struct written w = text_of(m, s);
    int a = k->a ? value(m, k->a, s, number) : -1, b = k->b ? value(m, k->b, s, number) : -1;
    unsigned flag = k->value < KNOWN_FLAGS ? k->value : KNOWN_FLAGS + (unsigned)m->index;
    switch (k->kind) {
    case K_ALL: return 1;
    case K_FLAG: return s->flags_known ? (int)(s->flags >> flag & 1) : -1;
    case K_UIDS: return s->uid ? within(k->set, s->uid, 0) : -1;
    case K_NUMBERS: return within(k->set, (uint32_t)number, (uint32_t)m->n);
    case K_SAVED: return s->uid ? m->saved[s->uid] : -1;
    case K_MODSEQ: return s->modseq ? s->modseq >= k->modseq : -1;
    case K_SUBJECT: return w.known ? w.subject == k->value : -1;
    case K_BODY:
    case K_TEXT: return w.known ? (int)(w.words >> k->value & 1) : -1;
    case K_LARGER: return w.known ? w.size > k->value : -1;
    case K_NOT: return a < 0 ? a : !a;
    case K_OR: return a > 0 || b > 0 ? 1 : a < 0 || b < 0 ? -1 : 0;
    case K_AND: return a == 0 || b == 0 ? 0 : a < 0 || b < 0 ? -1 : 1;
    }
    return -1;
}

/* ---- results ---- */

enum { RETURN_MIN = 1, RETURN_MAX = 2, RETURN_COUNT = 4, RETURN_ALL = 8, RETURN_PARTIAL = 16, RETURN_SAVE = 32 };

static struct slot *found_slot(struct model *m, const struct act *a, uint32_t n)
{
    struct slot *s = a->uids ? slot_of(m, n) : n && n <= m->n ? &m->v[n - 1] : NULL;
    if (s) return s;
    if (a->uids && m->n < UIDS) /* one that has not told its UID yet */
        for (size_t i = 0; i < m->n; i++)
            if (!m->v[i].uid) return &m->v[i];
    wrong(m, "found %u, which is not there", n);
}

static bool ascends(const struct numbers *v)
{
    for (size_t i = 1; i < v->n; i++)
        if (v->v[i] <= v->v[i - 1]) return false;
    return true;
}

/* All that was found. */
static void check_all(struct model *m, struct act *a, const struct numbers *found)
{
    bool *has = arena_array(m->c->arena, UIDS, sizeof *has);
    if (!a->sorted && !ascends(found)) wrong(m, "what was found does not ascend");
    for (size_t i = 0; i < found->n; i++) {
        size_t at = (size_t)(found_slot(m, a, found->v[i]) - m->v);
        if (has[at] && m->v[at].uid) wrong(m, "%u is found twice", found->v[i]);
        has[at] = true;
    }
    for (size_t i = 0; i < m->n; i++) {
        struct slot *s = &m->v[i];
        int want = value(m, a->key, s, i + 1);
        if (!s->uid || want < 0 || want == has[i]) continue;
        if (!has_text(a->key)) wrong(m, "number %zu, UID %u, is %sfound", i + 1, s->uid, want ? "not " : "");
        m->suspect[s->uid] = true;
    }
}

static void check_order(struct model *m, struct act *a, const struct numbers *found)
{
    for (size_t i = 1; i < found->n; i++) {
        const struct slot *x = found_slot(m, a, found->v[i - 1]), *y = found_slot(m, a, found->v[i]);
        struct written v = text_of(m, x), w = text_of(m, y);
        if (!v.known || !w.known || !x->uid || !y->uid) continue;
        int order = a->on ? (v.size > w.size) - (v.size < w.size) : (v.subject > w.subject) - (v.subject < w.subject);
        if (a->silent) order = -order;
        if (order > 0 || (order == 0 && x > y)) m->suspect[x->uid] = m->suspect[y->uid] = true;
    }
}

static void hear_found(struct model *m, struct str rest, bool sorted)
{
    struct act *a = m->act;
    struct numbers *found = arena_new_of(m->c->arena, struct numbers);
    if (!a || !a->key || a->sorted != sorted || a->found) wrong(m, "nobody has searched so");
    a->found = true;
    while (take(&rest, " ") && rest.n && ch_digit(rest.p[0])) found->v[found->n++] = (uint32_t)number(&rest);
    check_all(m, a, found);
    if (sorted) check_order(m, a, found);
}

struct bounds { /* of how many match, as far as that is known */
    size_t sure, maybe;
    uint32_t min, max; /* of the sure ones */
};

static struct bounds bounds_of(struct model *m, const struct act *a)
{
    struct bounds b = {0};
    for (size_t i = 0; i < m->n; i++) {
        int v = value(m, a->key, &m->v[i], i + 1);
        uint32_t n = a->uids ? m->v[i].uid : (uint32_t)i + 1;
        b.sure += v > 0;
        b.maybe += v < 0 || !n; /* n: 0 when its UID is not known */
        if (v > 0 && !b.min) b.min = n;
        if (v > 0) b.max = n;
    }
    return b;
}

static void check_bound(struct model *m, const struct act *a, const char *what, uint64_t is, uint64_t want)
{
    struct bounds b = bounds_of(m, a);
    if (b.maybe || has_text(a->key) || is == want) return;
    wrong(m, "%s is %llu, not %llu", what, (unsigned long long)is, (unsigned long long)want);
}

static void check_partial(struct model *m, struct act *a, struct str *rest)
{
    uint64_t first = number(rest), last;
    take(rest, ":");
    last = number(rest);
    take(rest, " ");
    struct numbers *part = take(rest, "NIL") ? arena_new_of(m->c->arena, struct numbers) : read_set(m, rest);
    take(rest, ")");
    struct bounds b = bounds_of(m, a);
    if (part->n > last - first + 1) wrong(m, "PARTIAL is more than was asked for");
    if (b.maybe || has_text(a->key)) return;
    for (size_t i = 0, at = 0; i < m->n; i++) {
        if (value(m, a->key, &m->v[i], i + 1) != 1 || ++at < first || at > last) continue;
        uint32_t n = a->uids ? m->v[i].uid : (uint32_t)i + 1;
        if (at - first >= part->n || part->v[at - first] != n) wrong(m, "PARTIAL is without %u", n);
    }
}

/* Of an ESEARCH response what follows the correlator. */
static void hear_part(struct model *m, struct act *a, struct str *rest)
{
    struct bounds b = bounds_of(m, a);
    if (take(rest, "MIN ")) check_bound(m, a, "MIN", number(rest), b.min);
    else if (take(rest, "MAX ")) check_bound(m, a, "MAX", number(rest), b.max);
    else if (take(rest, "COUNT ")) check_bound(m, a, "COUNT", number(rest), b.sure);
    else if (take(rest, "PARTIAL (")) check_partial(m, a, rest);
    else if (take(rest, "ALL ")) {
        struct numbers *found = read_set(m, rest);
        check_all(m, a, found);
        if (a->sorted) check_order(m, a, found);
        a->returns &= ~(unsigned)RETURN_ALL;
    } else if (take(rest, "MODSEQ ")) number(rest);
    else wrong(m, "a strange ESEARCH: %.*s", STR_FMT(*rest));
}

static void hear_esearch(struct model *m, struct str rest)
{
    struct act *a = m->act;
    struct str tag = arena_printf(m->c->arena, "(TAG \"%.*s\")", a ? (int)a->tag.n - 1 : 0, a ? a->tag.p : "");
    if (!a || !a->key || a->found || !take(&rest, arena_cstr(m->c->arena, tag))) wrong(m, "nobody has searched so");
    a->found = true;
    if (take(&rest, " UID") != a->uids) wrong(m, "UIDs were %sasked for", a->uids ? "" : "not ");
    while (take(&rest, " ")) hear_part(m, a, &rest);
    if (a->returns & RETURN_ALL) check_all(m, a, arena_new_of(m->c->arena, struct numbers)); /* nothing was found */
}

/* ---- asking ---- */

/* What is kept is what will be found, if that can be told. */
static void begin_search(struct model *m, struct act *a)
{
    if (!(a->returns & RETURN_SAVE)) return;
    bool *saved = arena_array(m->c->arena, UIDS, sizeof *saved); /* the key may be about "$" */
    for (size_t i = 0; i < m->n; i++)
        if (m->v[i].uid) saved[m->v[i].uid] = value(m, a->key, &m->v[i], i + 1) == 1;
    a->u = arena_array(m->c->arena, UIDS, sizeof *a->u);
    for (uint32_t u = 1; u < UIDS; u++)
        if (saved[u]) a->u[a->n++] = u;
}

static void end_search(struct model *m, struct act *a, struct str reply)
{
    if (!str_starts(reply, S("OK"))) wrong(m, "SEARCH: %.*s", STR_FMT(reply));
    if (!a->found && !a->quiet) wrong(m, "nobody tells what was found");
    if (!(a->returns & RETURN_SAVE)) return;
    memset(m->saved, 0, sizeof m->saved);
    for (size_t i = 0; i < a->n; i++)
        if (slot_of(m, a->u[i])) m->saved[a->u[i]] = true;
}

static void put_returns(struct buf *b, unsigned returns)
{
    static const char *const names[] = {" MIN", " MAX", " COUNT", " ALL", " PARTIAL 1:3", " SAVE"};
    buf_lit(b, " RETURN (");
    size_t at = b->n;
    for (int i = 0; i < 6; i++)
        if (returns >> i & 1) buf_printf(b, "%s", names[i] + (b->n == at));
    buf_lit(b, ")");
}

/* "$" means something certain only of what is certain: such a key has neither texts nor anything unknown. */
static bool is_certain(struct model *m, const struct key *k)
{
    if (has_text(k)) return false;
    for (size_t i = 0; i < m->n; i++)
        if (!m->v[i].uid || value(m, k, &m->v[i], i + 1) < 0) return false;
    return true;
}

static struct act *search(struct model *m, bool uids, bool alone)
{
    static const char *const orders[] = {"SUBJECT", "SIZE"};
    struct act *a = arena_new_of(m->c->arena, struct act);
    struct buf *b = buf_in(m->c->arena, 4000);
    *a = (struct act){.uids = uids, .numbers = !uids, .begin = begin_search, .end = end_search};
    a->key = random_key(m, !uids, 2);
    a->sorted = chance(m, 4) == 0;
    a->on = chance(m, 2), a->silent = chance(m, 2); /* by size; reversed */
    if (chance(m, 2)) a->returns = 1u << chance(m, 4) | 1u << chance(m, 5);
    if (a->sorted) a->returns &= RETURN_COUNT | RETURN_ALL;
    bool kept = alone && !a->sorted && m->kind != NOTIFY && chance(m, 3) == 0 && is_certain(m, a->key);
    if (a->returns & RETURN_PARTIAL && a->returns & RETURN_ALL) a->returns &= ~(unsigned)RETURN_PARTIAL;
    if (kept) a->returns = RETURN_SAVE | (chance(m, 2) ? RETURN_ALL : RETURN_COUNT);
    if (kept && chance(m, 4) == 0) a->returns = RETURN_SAVE, a->quiet = true;
    buf_add(b, uids ? S("UID ") : S(""));
    buf_add(b, a->sorted ? S("SORT") : S("SEARCH"));
    if (a->returns) put_returns(b, a->returns);
    if (a->sorted) buf_printf(b, " (%s%s) UTF-8 ", a->silent ? "REVERSE " : "", orders[a->on]);
    else buf_lit(b, " CHARSET UTF-8 ");
    put_key(m, b, a->key);
    a->command = buf_str(b);
    if (!a->returns) a->returns = RETURN_ALL; /* also of an ESEARCH response that nobody asked for (RFC 9051 §7.3.4) */
    return a;
}

#endif
