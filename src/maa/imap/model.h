/* For model_test.c: what a client believes of its mailbox, and how it comes to believe it: every line the server says
 * is held against that, and against what all others have been told. */
#ifndef MAA_IMAP_MODEL_H
#define MAA_IMAP_MODEL_H

#include "maa/imap/testing.h"

enum {
    CLIENTS = 6,
    NAMES = 3,       /* mailboxes: INBOX, Work, and Temp, which comes and goes */
    UIDS = 2000,     /* of a mailbox at most */
    KNOWN_FLAGS = 8, /* those below, and each client's own */
    TRAIL = 250,     /* lines that are told when something is wrong */
    TOLD = 40,       /* flags of a letter that are remembered */
};
enum kind { PLAIN, REV2, CONDSTORE, QRESYNC, UIDONLY, NOTIFY };

static const char *const flag_names[KNOWN_FLAGS] = {"\\Seen",  "\\Answered", "\\Flagged", "\\Deleted",
                                                    "\\Draft", "$Junk",      "alpha",     "beta"};
static const char *const mailbox_names[NAMES] = {"INBOX", "Work", "Temp"};

struct written { /* what stands in a letter; see model_letter() */
    bool known;
    unsigned subject, words; /* words: bits */
    uint32_t size;
};

struct told { /* of a letter, by anybody to anybody */
    struct {
        uint64_t modseq;
        unsigned flags;
    } at[TOLD];
    size_t n;
    mono_us gone_at; /* 0: nobody has heard of that */
    struct written text;
};

struct box { /* a mailbox; another one of the same name has another UIDVALIDITY */
    struct box *next;
    int name;
    uint64_t validity;
    struct told *told[UIDS];
    uint32_t top; /* the highest UID heard of */
};

struct world_model {
    struct imap_test *t;
    struct box *boxes;
    uint64_t seed;
    int running;
};

struct slot { /* a letter as a client sees it */
    uint32_t uid; /* 0: not known yet */
    unsigned flags;
    bool flags_known;
    uint64_t modseq;
};

struct told_status { /* of another mailbox, as NOTIFY tells it */
    bool known;
    uint64_t messages, uid_next, unseen;
};

struct act;

struct model { /* a client */
    struct world_model *w;
    struct imap_client *c;
    enum kind kind;
    int index;
    uint64_t random;
    int name;        /* of the mailbox to be selected */
    struct box *box; /* selected; NULL: none */
    struct slot v[UIDS];
    size_t n;
    signed char own[UIDS];  /* what its own keyword is to be: 1, 0; -1: unknown */
    bool suspect[UIDS];     /* something of it was otherwise: then the letter is gone, and the next NOOP says so */
    uint64_t owed[UIDS];    /* a higher MODSEQ has been claimed, and the next NOOP tells it */
    bool fetching[UIDS];    /* asked for, and not told yet: its flags must be those it was told before */
    unsigned heard[UIDS];   /* the last command that told of it */
    bool saved[UIDS];       /* "$" */
    mono_us asked_at, selected_at; /* when it said SELECT: last, and for what is open */
    uint64_t top_modseq, validity[NAMES];
    struct told_status status[NAMES];
    struct act *act;        /* whose answer is heard */
    unsigned acts;
    bool by_numbers;        /* numbers are spoken of: they must not shift */
    bool selecting, opening, resyncing; /* SELECT was said; what it says of the new one has begun */
    uint64_t exists;        /* as SELECT says while resyncing */
    struct str code;        /* the last untagged APPENDUID or COPYUID */
    char trail[TRAIL][200];
    size_t n_trail;
};

/* A result of SEARCH or SORT is heard (model_search.h). */
static void hear_found(struct model *m, struct str rest, bool sorted);
static void hear_esearch(struct model *m, struct str rest);

/* ---- complaints ---- */

static void note(struct model *m, const char *who, struct str text)
{
    snprintf(m->trail[m->n_trail++ % TRAIL], sizeof m->trail[0], "%s %.*s", who, (int)(text.n < 180 ? text.n : 180),
             text.p ? text.p : "");
}

/* It is over: what was said, and the seed to say it again. */
__attribute__((format(printf, 2, 3), noreturn)) static void wrong(const struct model *m, const char *what, ...)
{
    va_list args;
    print_error("seed %llu, client %d:\n", (unsigned long long)m->w->seed, m->index);
    for (size_t i = m->n_trail > TRAIL ? m->n_trail - TRAIL : 0; i < m->n_trail; i++)
        print_error("  %s\n", m->trail[i % TRAIL]);
    va_start(args, what);
    vfprintf(stderr, what, args);
    va_end(args);
    fputc('\n', stderr);
    abort();
}

/* ---- chance ---- */

static uint32_t chance(struct model *m, uint32_t below)
{
    m->random += 0x9e3779b97f4a7c15;
    uint64_t z = m->random;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (uint32_t)((z ^ (z >> 31)) >> 16) % below;
}

/* ---- reading ---- */

static uint64_t number(struct str *rest)
{
    uint64_t v = 0;
    while (rest->n && ch_digit(rest->p[0])) v = v * 10 + (uint64_t)(rest->p[0] - '0'), *rest = str_skip(*rest, 1);
    return v;
}

static bool take(struct str *rest, const char *word)
{
    if (!str_starts(*rest, str_c(word))) return false;
    *rest = str_skip(*rest, strlen(word));
    return true;
}

struct numbers { /* of a set, one by one, in its order */
    uint32_t v[UIDS];
    size_t n;
};

static struct numbers *read_set(struct model *m, struct str *rest)
{
    struct numbers *all = arena_new_of(m->c->arena, struct numbers);
    while (rest->n && ch_digit(rest->p[0])) {
        uint64_t first = number(rest), last = take(rest, ":") ? number(rest) : first;
        take(rest, ",");
        if (last < first || last - first >= UIDS - all->n) wrong(m, "a strange set: %.*s", STR_FMT(*rest));
        for (uint64_t u = first; u <= last; u++) all->v[all->n++] = (uint32_t)u;
    }
    return all;
}

static bool within(struct str set, uint32_t n, uint32_t last)
{
    while (set.n) {
        uint64_t a = take(&set, "*") ? last : number(&set), z = take(&set, ":") ? number(&set) : a;
        take(&set, ",");
        if (n >= a && n <= z) return true;
    }
    return false;
}

/* ---- what all have been told ---- */

/* Of the name's mailboxes the last one; NULL. */
static struct box *newest_box(struct world_model *w, int name)
{
    struct box *newest = NULL;
    for (struct box *b = w->boxes; b; b = b->next)
        if (b->name == name && (!newest || b->validity > newest->validity)) newest = b;
    return newest;
}

static struct box *box_of(struct model *m, int name, uint64_t validity)
{
    struct world_model *w = m->w;
    if (validity < m->validity[name]) wrong(m, "UIDVALIDITY falls"); /* RFC 9051 §2.3.1.1 */
    m->validity[name] = validity;
    for (struct box *b = w->boxes; b; b = b->next)
        if (b->name == name && b->validity == validity) return b;
    struct box *b = arena_new_of(w->t->t.arena, struct box);
    *b = (struct box){.next = w->boxes, .name = name, .validity = validity};
    return w->boxes = b;
}

static struct told *told_of(struct model *m, struct box *b, uint64_t u)
{
    if (u == 0 || u >= UIDS) wrong(m, "UID %llu", (unsigned long long)u);
    if (!b->told[u]) b->told[u] = arena_new_of(m->w->t->t.arena, struct told);
    return b->told[u];
}

static void learn(struct model *m, uint32_t u, unsigned flags, uint64_t modseq)
{
    struct told *t = told_of(m, m->box, u);
    for (size_t i = 0; i < t->n; i++) {
        if (t->at[i].modseq != modseq) continue;
        if (t->at[i].flags != flags) wrong(m, "UID %u has flags %x and %x at one MODSEQ", u, t->at[i].flags, flags);
        return;
    }
    if (t->n < TOLD) t->at[t->n].modseq = modseq, t->at[t->n++].flags = flags;
}

/* ---- the picture ---- */

static void check_own(struct model *m, const struct slot *s)
{
    bool has = s->flags >> (KNOWN_FLAGS + m->index) & 1;
    if (m->own[s->uid] >= 0 && has != m->own[s->uid]) m->suspect[s->uid] = true;
}

static struct slot *slot_of(struct model *m, uint32_t u)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->v[i].uid == u) return &m->v[i];
    return NULL;
}

/* A letter of unknown UID that may be this one, by where it lies. */
static struct slot *unknown_for(struct model *m, uint32_t u)
{
    if (m->kind == UIDONLY) return m->n && !m->v[m->n - 1].uid ? &m->v[m->n - 1] : NULL; /* see named() */
    for (size_t i = 0, before = 0; i < m->n; i++) {
        size_t next = i;
        if (m->v[i].uid) before = m->v[i].uid;
        while (next < m->n && !m->v[next].uid) next++;
        if (!m->v[i].uid && before < u && (next == m->n || m->v[next].uid > u)) return &m->v[i];
    }
    return NULL;
}

/* A letter without a known UID turns out to be this one. */
static struct slot *reveal(struct model *m, struct slot *s, uint32_t u)
{
    size_t i = (size_t)(s - m->v);
    for (size_t k = 0; k < m->n; k++)
        if (m->v[k].uid && ((k < i && m->v[k].uid >= u) || (k > i && m->v[k].uid <= u)))
            wrong(m, "UIDs do not ascend: %u is number %zu, %u number %zu", u, i + 1, m->v[k].uid, k + 1);
    const struct told *t = told_of(m, m->box, u);
    if (t->gone_at && t->gone_at < m->selected_at) wrong(m, "UID %u has come back", u);
    s->uid = u;
    if (u > m->box->top) m->box->top = u;
    return s;
}

static struct slot *named(struct model *m, uint64_t n, uint32_t u, bool by_uid)
{
    struct slot *s;
    if (!by_uid) {
        if (n == 0 || n > m->n) wrong(m, "there is no number %llu", (unsigned long long)n);
        s = &m->v[n - 1];
        if (u && s->uid && s->uid != u) wrong(m, "number %llu is UID %u, not %u", (unsigned long long)n, s->uid, u);
        return u && !s->uid ? reveal(m, s, u) : s;
    }
    s = slot_of(m, (uint32_t)n);
    if (s) return s;
    if (m->n == 0 || m->v[m->n - 1].uid) wrong(m, "nobody has told of UID %llu", (unsigned long long)n);
    size_t i = 0; /* without numbers the unknown ones have no place, and stand at the end */
    while (m->v[i].uid && m->v[i].uid < n) i++;
    memmove(&m->v[i + 1], &m->v[i], (m->n - i - 1) * sizeof *s);
    m->v[i] = (struct slot){0};
    return reveal(m, &m->v[i], (uint32_t)n);
}

static void forget_letter(struct model *m, uint32_t u)
{
    m->suspect[u] = m->fetching[u] = m->saved[u] = false;
    m->owed[u] = 0;
    m->own[u] = -1;
}

static void forget_all(struct model *m)
{
    for (uint32_t u = 0; u < UIDS; u++) forget_letter(m, u);
    m->n = 0;
}

static void drop(struct model *m, size_t i)
{
    struct slot *s = &m->v[i];
    if (s->uid) {
        struct told *t = told_of(m, m->box, s->uid);
        if (!t->gone_at) t->gone_at = loop_now();
        forget_letter(m, s->uid);
    }
    memmove(s, s + 1, (m->n - i - 1) * sizeof *s);
    m->n--;
}

/* ---- hearing ---- */

/* Up to the closing parenthesis. */
static unsigned read_flags(struct model *m, struct str *rest)
{
    struct str list = str_head(*rest, str_find_char(*rest, ')')), word;
    unsigned flags = 0;
    *rest = str_skip(*rest, list.n + 1);
    while ((word = str_word(&list)).n) {
        for (int i = 0; i < KNOWN_FLAGS; i++)
            if (str_eq(word, str_c(flag_names[i]))) flags |= 1u << i;
        for (int i = 0; i < CLIENTS; i++)
            if (str_eq(word, arena_printf(m->c->arena, "own%d", i))) flags |= 1u << (KNOWN_FLAGS + i);
    }
    return flags;
}

/* What is asked for is what has been told: all changes are told as changes. */
static void check_asked(struct model *m, const struct slot *s, unsigned flags, uint64_t modseq)
{
    if (!s->uid || !m->fetching[s->uid]) return;
    m->fetching[s->uid] = false;
    if (flags != s->flags) wrong(m, "UID %u has flags %x, and nobody told: it had %x", s->uid, flags, s->flags);
    if (modseq && s->modseq && modseq != s->modseq) wrong(m, "UID %u has another MODSEQ, and nobody told", s->uid);
}

static void hear_fetch(struct model *m, uint64_t n, struct str rest, bool by_uid)
{
    uint32_t u = by_uid ? (uint32_t)n : 0;
    unsigned flags = 0;
    bool has_flags = false;
    uint64_t modseq = 0;
    while (rest.n) {
        if (take(&rest, "UID ")) u = (uint32_t)number(&rest);
        else if (take(&rest, "FLAGS (")) flags = read_flags(m, &rest), has_flags = true;
        else if (take(&rest, "MODSEQ (")) modseq = number(&rest), rest = str_skip(rest, 1);
        else rest = str_skip(rest, 1);
    }
    struct slot *s = named(m, n, u, by_uid);
    if (has_flags) check_asked(m, s, flags, modseq);
    if (has_flags) s->flags = flags, s->flags_known = true;
    if (s->uid) m->heard[s->uid] = m->acts;
    if (!modseq || !s->uid) return;
    if (modseq < s->modseq) wrong(m, "the MODSEQ of UID %u falls", s->uid);
    s->modseq = modseq;
    if (modseq > m->top_modseq) m->top_modseq = modseq;
    if (has_flags) learn(m, s->uid, flags, modseq);
}

static void hear_vanished(struct model *m, struct str rest)
{
    bool earlier = take(&rest, "(EARLIER) ");
    while (rest.n) {
        uint64_t first = number(&rest), last = take(&rest, ":") ? number(&rest) : first;
        take(&rest, ",");
        for (uint64_t u = first; u <= last && u < UIDS; u++) {
            struct slot *s = slot_of(m, (uint32_t)u);
            if (!s && !earlier) s = unknown_for(m, (uint32_t)u);
            if (!s && !earlier) wrong(m, "UID %llu vanished, and was not there", (unsigned long long)u);
            if (s && earlier && !m->resyncing)
                wrong(m, "UID %llu was there, and vanished long ago", (unsigned long long)u);
            if (s) drop(m, (size_t)(s - m->v));
        }
    }
}

static void hear_exists(struct model *m, uint64_t n)
{
    if (m->resyncing) { /* what is remembered is not yet what is there: what vanished comes first */
        m->exists = n;
        return;
    }
    if (n < m->n) wrong(m, "%llu EXISTS, and there were %zu", (unsigned long long)n, m->n);
    if (n >= UIDS) wrong(m, "too many letters");
    while (m->n < n) m->v[m->n++] = (struct slot){0};
}

static void resynced(struct model *m)
{
    m->resyncing = false;
    hear_exists(m, m->exists);
}

static void hear_validity(struct model *m, uint64_t validity)
{
    struct box *b = box_of(m, m->name, validity);
    if (m->resyncing && b != m->box) forget_all(m); /* what is remembered is of another one */
    m->box = b;
    m->opening = true;
    m->selected_at = m->asked_at;
    m->status[m->name].known = false; /* from here on it is told otherwise */
}

static int name_in(struct str *rest)
{
    for (int i = 0; i < NAMES; i++)
        if (take(rest, mailbox_names[i]) && (rest->n == 0 || rest->p[0] == ' ')) return i;
    return -1;
}

static void hear_status(struct model *m, struct str rest)
{
    int name = name_in(&rest);
    if (name < 0) return;
    struct told_status *s = &m->status[name], now = {.known = true};
    if (!take(&rest, " (MESSAGES ")) wrong(m, "a strange STATUS");
    now.messages = number(&rest);
    if (take(&rest, " UIDNEXT ")) now.uid_next = number(&rest);
    if (take(&rest, " UIDVALIDITY ")) box_of(m, name, number(&rest));
    if (take(&rest, " UNSEEN ")) now.unseen = number(&rest);
    *s = now;
}

/* The name was made or is gone: what was told of it is of something else. */
static void hear_list(struct model *m, struct str rest)
{
    rest = str_skip(rest, str_find(rest, S("\"/\" ")) + 4);
    int name = name_in(&rest);
    if (name >= 0) m->status[name].known = false;
}

static void hear_ok(struct model *m, struct str rest)
{
    struct str whole = rest;
    if (take(&rest, "[HIGHESTMODSEQ ")) {
        uint64_t modseq = number(&rest);
        if (modseq > m->top_modseq) m->top_modseq = modseq;
    } else if (take(&rest, "[UIDVALIDITY ")) {
        hear_validity(m, number(&rest));
    } else if (take(&rest, "[APPENDUID ") || take(&rest, "[COPYUID ")) {
        m->code = whole;
    } else if (take(&rest, "[CLOSED]")) { /* another one is selected (RFC 7162 §3.2.11), or somebody has deleted it */
        if (m->selecting ? !m->box || m->opening : m->name != 2) wrong(m, "%s is gone", mailbox_names[m->name]);
        forget_all(m);
        m->box = NULL;
    }
}

static void hear_number(struct model *m, struct str line, struct str rest)
{
    uint64_t n = number(&rest);
    if (take(&rest, " EXISTS")) hear_exists(m, n);
    else if (m->resyncing && !str_starts(rest, S(" RECENT"))) {
        resynced(m);
        hear_number(m, line, str_skip(line, 2));
    } else if (take(&rest, " FETCH (")) hear_fetch(m, n, rest, false);
    else if (take(&rest, " UIDFETCH (")) hear_fetch(m, n, rest, true);
    else if (take(&rest, " EXPUNGE")) {
        if (m->by_numbers) wrong(m, "EXPUNGE while numbers are spoken of");
        if (m->kind == QRESYNC || m->kind == UIDONLY) wrong(m, "EXPUNGE in place of VANISHED");
        if (n == 0 || n > m->n) wrong(m, "EXPUNGE of number %llu of %zu", (unsigned long long)n, m->n);
        drop(m, n - 1);
    }
}

static void hear_line(struct model *m, struct str line)
{
    struct str rest = line;
    note(m, "<", line);
    if (!take(&rest, "* ")) return;
    if (take(&rest, "VANISHED ")) {
        if (m->kind != QRESYNC && m->kind != UIDONLY) wrong(m, "VANISHED was not asked for");
        if (m->resyncing && !str_starts(rest, S("(EARLIER)"))) resynced(m);
        if (m->by_numbers && !str_starts(rest, S("(EARLIER)"))) wrong(m, "VANISHED while numbers are spoken of");
        hear_vanished(m, rest);
    } else if (take(&rest, "OK ")) hear_ok(m, rest);
    else if (take(&rest, "STATUS ")) hear_status(m, rest);
    else if (take(&rest, "LIST ")) hear_list(m, rest);
    else if (take(&rest, "ESEARCH ")) hear_esearch(m, rest);
    else if (take(&rest, "SEARCH")) hear_found(m, rest, false);
    else if (take(&rest, "SORT")) hear_found(m, rest, true);
    else if (rest.n && ch_digit(rest.p[0])) hear_number(m, line, rest);
}

/* ---- speaking ---- */

struct act { /* a command */
    struct str command;
    bool numbers;  /* it speaks in them */
    bool refused;  /* may be: NO and BAD are nothing to wonder at */
    void (*begin)(struct model *m, struct act *a);                      /* all before it has been answered */
    void (*end)(struct model *m, struct act *a, struct str reply);
    struct str set, tag;
    bool uids;
    /* of letters that are meant */
    uint32_t *u;
    size_t n;
    uint64_t since;
    bool on, mine, silent, since_given;
    /* of letters that are written */
    int to;
    struct box *box;    /* the newest of that name when it was said, */
    uint32_t top;       /* and its highest UID then */
    struct written *text;
    size_t n_text;
    /* of a search */
    struct key *key;
    bool sorted, found, saves, quiet;
    unsigned returns;
};

static void keep_reply(struct model *m, struct act *a, struct str reply) { (void)m, a->set = reply; }

/* Says them all at once, and hears the answers, one after the other. */
static FIBER void perform(struct model *m, struct act *const *v, size_t n)
{
    struct imap_client *c = m->c;
    bool numbers = true;
    struct box *box = m->box;
    for (size_t i = 0; i < n; i++) {
        v[i]->tag = arena_printf(c->arena, "t%d ", ++c->tag);
        note(m, n > 1 ? "}" : ">", v[i]->command);
        stream_write(c->stream, v[i]->tag);
        stream_write(c->stream, v[i]->command);
        stream_write(c->stream, S("\r\n"));
        numbers &= v[i]->numbers;
    }
    for (size_t i = 0; i < n; i++) {
        struct str line;
        m->act = v[i];
        m->acts++;
        m->code = STR_NONE;
        m->by_numbers = numbers || v[i]->numbers;
        if (v[i]->begin) v[i]->begin(m, v[i]);
        while (!str_starts(line = imap_hear(c), v[i]->tag)) hear_line(m, line);
        note(m, "<", line);
        line = str_skip(line, v[i]->tag.n);
        bool lost = box && !m->box; /* the mailbox: nothing is selected any more */
        if (str_starts(line, S("BAD")) && !v[i]->refused && !lost) wrong(m, "BAD: %.*s", STR_FMT(line));
        if (v[i]->end && (!lost || v[i]->end == keep_reply)) v[i]->end(m, v[i], line);
        m->by_numbers = false;
        m->act = NULL;
    }
}

/* The tagged line without its tag. */
static FIBER struct str speak(struct model *m, struct str command)
{
    struct act a = {.command = command, .end = keep_reply};
    perform(m, (struct act *const[]){&a}, 1);
    return a.set;
}
#define SPEAK(m, ...) speak(m, arena_printf((m)->c->arena, __VA_ARGS__))

#endif
