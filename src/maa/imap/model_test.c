/* Clients that do random things to two mailboxes at once, on several loops in the simulated world, and believe nothing:
 * each keeps its picture of the mailbox from what it is told, and every response is held against that and against what
 * all others have been told.
 *
 *   numbers   EXPUNGE and FETCH name what is there; a number is the same letter until an EXPUNGE moves it, and none
 * does while a command by numbers runs; VANISHED where it was asked for UIDs      ascend, are never used again, and are
 * what APPENDUID and COPYUID say MODSEQ    never falls; a letter's flags at one MODSEQ are the same for everybody flags
 * one keyword is each client's own: it is what the client has made it QRESYNC   what is remembered, with what is told
 * at SELECT, is what is there
 *
 * In the end all have the same picture. PENNY_SEED=n plays one seed, PENNY_SEEDS=n so many
 * from a random one on; `./dev fuzz imap` goes on until stopped. */
#include "maa/imap/testing.h"

#include <stdlib.h>
#include <time.h>

enum {
    CLIENTS = 5,
    STEPS = 45,
    UIDS = 4000,      /* of a mailbox at most */
    KNOWN_FLAGS = 8,  /* those below, and each client's own */
    SEEDS = 12,
};
enum kind { PLAIN, REV2, CONDSTORE, QRESYNC, UIDONLY };

static const char *const flag_names[KNOWN_FLAGS] = {"\\Seen",  "\\Answered", "\\Flagged", "\\Deleted",
                                                    "\\Draft", "$Junk",      "alpha",     "beta"};
static const char *const mailbox_names[2] = {"INBOX", "Work"};

struct told { /* of a letter, by anybody to anybody */
    struct {
        uint64_t modseq;
        unsigned flags;
    } at[40];
    size_t n;
    mono_us gone_at; /* 0: nobody has heard of that */
};

struct world_model {
    struct imap_test *t;
    struct told told[2][UIDS];
    uint32_t top[2]; /* the highest UID heard of */
    uint64_t seed;
    int running;
};

struct slot { /* a letter as a client sees it */
    uint32_t uid; /* 0: not known yet */
    unsigned flags;
    bool flags_known;
    uint64_t modseq;
};

struct model { /* a client */
    struct world_model *w;
    struct imap_client *c;
    enum kind kind;
    int index;
    uint64_t random;
    int box; /* selected; -1: none */
    struct slot v[UIDS];
    size_t n;
    signed char own[UIDS]; /* what its own keyword is to be: 1, 0; -1: unknown */
    bool suspect[UIDS];    /* it was otherwise: then the letter is gone, and the next NOOP says so */
    mono_us selected_at;
    uint64_t top_modseq, validity;
    bool by_numbers; /* the command at hand */
    bool resyncing;
    uint64_t exists; /* as SELECT says while resyncing */
    char trail[64][200];
    size_t n_trail;
};

/* ---- complaints ---- */

static void note(struct model *m, const char *who, struct str text)
{
    snprintf(m->trail[m->n_trail++ % 64], sizeof m->trail[0], "%s %.*s", who, (int)(text.n < 180 ? text.n : 180),
             text.p ? text.p : "");
}

/* It is over: what was said, and the seed to say it again. */
__attribute__((format(printf, 2, 3), noreturn)) static void wrong(const struct model *m, const char *what, ...)
{
    va_list args;
    print_error("seed %llu, client %d:\n", (unsigned long long)m->w->seed, m->index);
    for (size_t i = m->n_trail > 64 ? m->n_trail - 64 : 0; i < m->n_trail; i++) print_error("  %s\n", m->trail[i % 64]);
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

/* ---- hearing ---- */

static struct str own_name(const struct model *m) { return arena_printf(m->c->arena, "own%d", m->index); }

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

static void learn(struct model *m, uint32_t u, unsigned flags, uint64_t modseq)
{
    struct told *t = &m->w->told[m->box][u];
    for (size_t i = 0; i < t->n; i++) {
        if (t->at[i].modseq != modseq) continue;
        if (t->at[i].flags != flags) wrong(m, "UID %u has flags %x and %x at one MODSEQ", u, t->at[i].flags, flags);
        return;
    }
    if (t->n < 40) t->at[t->n].modseq = modseq, t->at[t->n++].flags = flags;
}

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
    const struct told *t = &m->w->told[m->box][u];
    if (t->gone_at && t->gone_at < m->selected_at) wrong(m, "UID %u has come back", u);
    s->uid = u;
    if (u > m->w->top[m->box]) m->w->top[m->box] = u;
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
    if (has_flags) s->flags = flags, s->flags_known = true;
    if (!modseq || !s->uid) return;
    if (modseq < s->modseq) wrong(m, "the MODSEQ of UID %u falls", s->uid);
    s->modseq = modseq;
    if (modseq > m->top_modseq) m->top_modseq = modseq;
    if (has_flags) learn(m, s->uid, flags, modseq);
}

static void drop(struct model *m, size_t i)
{
    struct slot *s = &m->v[i];
    if (s->uid) {
        struct told *t = &m->w->told[m->box][s->uid];
        if (!t->gone_at) t->gone_at = loop_now();
        m->suspect[s->uid] = false;
        m->own[s->uid] = -1;
    }
    memmove(s, s + 1, (m->n - i - 1) * sizeof *s);
    m->n--;
}

static void hear_vanished(struct model *m, struct str rest)
{
    bool earlier = take(&rest, "(EARLIER) ");
    while (rest.n) {
        uint64_t first = number(&rest), last = take(&rest, ":") ? number(&rest) : first;
        take(&rest, ",");
        for (uint64_t u = first; u <= last; u++) {
            struct slot *s = slot_of(m, (uint32_t)u);
            if (!s && !earlier) s = unknown_for(m, (uint32_t)u);
            if (!s && !earlier) wrong(m, "UID %llu vanished, and was not there", (unsigned long long)u);
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

static void hear_line(struct model *m, struct str line)
{
    struct str rest = line;
    note(m, "<", line);
    if (!take(&rest, "* ")) return;
    if (take(&rest, "VANISHED ")) {
        if (m->kind != QRESYNC && m->kind != UIDONLY) wrong(m, "VANISHED was not asked for");
        if (m->resyncing && !str_starts(rest, S("(EARLIER)"))) resynced(m);
        hear_vanished(m, rest);
    } else if (take(&rest, "OK [HIGHESTMODSEQ ")) {
        uint64_t modseq = number(&rest);
        if (modseq > m->top_modseq) m->top_modseq = modseq;
    } else if (take(&rest, "OK [UIDVALIDITY ")) {
        m->validity = number(&rest);
    } else if (rest.n && ch_digit(rest.p[0])) {
        uint64_t n = number(&rest);
        if (take(&rest, " EXISTS")) hear_exists(m, n);
        else if (m->resyncing && !str_starts(rest, S(" RECENT"))) resynced(m), hear_line(m, line);
        else if (take(&rest, " FETCH (")) hear_fetch(m, n, rest, false);
        else if (take(&rest, " UIDFETCH (")) hear_fetch(m, n, rest, true);
        else if (take(&rest, " EXPUNGE")) {
            if (m->by_numbers) wrong(m, "EXPUNGE while numbers are spoken of");
            if (m->kind == QRESYNC || m->kind == UIDONLY) wrong(m, "EXPUNGE in place of VANISHED");
            if (n == 0 || n > m->n) wrong(m, "EXPUNGE of number %llu of %zu", (unsigned long long)n, m->n);
            drop(m, n - 1);
        }
    }
}

/* ---- saying ---- */

/* Says it and hears the answer; the tagged line without its tag. */
static FIBER struct str speak(struct model *m, struct str command)
{
    struct imap_client *c = m->c;
    struct str tag = arena_printf(c->arena, "t%d ", ++c->tag), line;
    note(m, ">", command);
    stream_write(c->stream, tag);
    stream_write(c->stream, command);
    stream_write(c->stream, S("\r\n"));
    while (!str_starts(line = imap_hear(c), tag)) hear_line(m, line);
    note(m, "<", line);
    if (str_starts(str_skip(line, tag.n), S("BAD"))) wrong(m, "BAD: %.*s", STR_FMT(line));
    return str_skip(line, tag.n);
}
#define SPEAK(m, ...) speak(m, arena_printf((m)->c->arena, __VA_ARGS__))

/* Everything is known, and nothing is suspect any more. */
static FIBER void catch_up(struct model *m)
{
    for (;;) {
        SPEAK(m, "NOOP");
        uint32_t top = 0;
        size_t unknown = 0;
        for (size_t i = 0; i < m->n; i++) {
            const struct slot *s = &m->v[i];
            if (s->uid > top) top = s->uid;
            unknown += !s->uid || !s->flags_known;
            if (s->uid && m->suspect[s->uid])
                wrong(m, "UID %u has flags %x, and own%d is to be %d", s->uid, s->flags, m->index, m->own[s->uid]);
        }
        if (unknown == 0) return;
        SPEAK(m, "UID FETCH 1:* (UID FLAGS%s)", m->kind == PLAIN || m->kind == REV2 ? "" : " MODSEQ");
        for (size_t i = 0; i < m->n; i++)
            if (m->v[i].uid && m->v[i].flags_known) check_own(m, &m->v[i]);
    }
}

static FIBER void choose_box(struct model *m, int box)
{
    if (m->box != box) memset(m->own, -1, sizeof m->own), memset(m->suspect, 0, sizeof m->suspect);
    m->box = box;
    m->n = 0;
    m->top_modseq = 0;
    m->selected_at = loop_now();
    SPEAK(m, "SELECT %s", mailbox_names[box]);
    catch_up(m);
}

/* Leaves, and comes back with what it remembers. */
static FIBER void come_back(struct model *m)
{
    catch_up(m);
    SPEAK(m, "UNSELECT");
    fiber_sleep(chance(m, 30000));
    size_t known = m->n;
    m->selected_at = loop_now();
    m->resyncing = true;
    struct str match = S("");
    if (known && chance(m, 2))
        match = arena_printf(m->c->arena, " 1:%u (%zu %u)", m->v[known - 1].uid, known, m->v[known - 1].uid);
    SPEAK(m, "SELECT %s (QRESYNC (%llu %llu%.*s))", mailbox_names[m->box], (unsigned long long)m->validity,
          (unsigned long long)m->top_modseq, STR_FMT(match));
    if (m->resyncing) resynced(m);
    uint32_t top = m->n ? m->v[m->n - 1].uid : 0;
    SPEAK(m, "UID FETCH %u:* (UID)", top + 1); /* what is new; or the last one again */
}

static FIBER void connect_anew(struct model *m)
{
    static const char *const enable[] = {"", "IMAP4rev2", "CONDSTORE", "QRESYNC", "QRESYNC UIDONLY"};
    if (m->c) imap_bye(m->c);
    m->c = imap_login(m->w->t, "bob");
    if (*enable[m->kind]) SPEAK(m, "ENABLE %s", enable[m->kind]);
}

/* ---- doing ---- */

/* Some letters: numbers, or UIDs. */
static struct str some(struct model *m, bool uids)
{
    struct buf *b = buf_in(m->c->arena, 1000);
    for (uint32_t i = 1 + chance(m, 3); i > 0; i--) {
        uint32_t first = chance(m, (uint32_t)m->n) + 1, last = first + chance(m, 4);
        if (last > m->n) last = (uint32_t)m->n;
        uint32_t a = uids ? m->v[first - 1].uid : first, z = uids ? m->v[last - 1].uid : last;
        if (b->n) buf_char(b, ',');
        if (!a || !z) buf_printf(b, "%s", uids ? "1" : "*");
        else buf_printf(b, a == z ? "%u" : "%u:%u", a, z);
    }
    return buf_str(b);
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

static FIBER void append(struct model *m)
{
    int to = (int)chance(m, 2);
    uint32_t before = m->w->top[to];
    struct str r = SPEAK(m, "APPEND %s (\\Flagged) {20+}\r\nSubject: x\r\n\r\ntext\r\n", mailbox_names[to]);
    if (!take(&r, "OK [APPENDUID ")) wrong(m, "APPEND failed");
    number(&r), take(&r, " ");
    uint32_t u = (uint32_t)number(&r);
    if (u <= before) wrong(m, "UID %u was given out before", u);
    if (u > m->w->top[to]) m->w->top[to] = u;
}

static FIBER void store(struct model *m, bool uids)
{
    struct str set = some(m, uids);
    bool on = chance(m, 2), mine = chance(m, 2), silent = chance(m, 3) == 0;
    struct str flag = mine ? own_name(m) : str_c(flag_names[chance(m, KNOWN_FLAGS)]);
    uint32_t *u = arena_array(m->c->arena, UIDS, sizeof *u);
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++)
        if (m->v[i].uid && within(set, uids ? m->v[i].uid : (uint32_t)i + 1, (uint32_t)m->n)) u[n++] = m->v[i].uid;
    for (size_t i = 0; i < n && mine; i++) m->own[u[i]] = -1;
    m->by_numbers = !uids;
    struct str r = SPEAK(m, "%sSTORE %.*s %cFLAGS%s (%.*s)", uids ? "UID " : "", STR_FMT(set), on ? '+' : '-',
                         silent ? ".SILENT" : "", STR_FMT(flag));
    m->by_numbers = false;
    for (size_t i = 0; i < n; i++) {
        struct slot *s = slot_of(m, u[i]);
        if (!s) continue;
        if (mine && str_starts(r, S("OK"))) m->own[u[i]] = on;
        if (silent) s->flags_known = false; /* a client would believe it, unless it was refused */
        else if (mine && s->flags_known) check_own(m, s);
    }
}

static FIBER void look(struct model *m, bool uids)
{
    struct str set = some(m, uids);
    m->by_numbers = !uids;
    SPEAK(m, "%sFETCH %.*s (UID FLAGS)", uids ? "UID " : "", STR_FMT(set));
    m->by_numbers = false;
    for (size_t i = 0; i < m->n; i++)
        if (m->v[i].uid && m->v[i].flags_known) check_own(m, &m->v[i]);
}

static void check_copied(struct model *m, struct str r, uint32_t before)
{
    size_t at = str_find(r, S("COPYUID "));
    if (at == r.n) return;
    r = str_skip(r, at + 8);
    number(&r), take(&r, " ");
    uint64_t counts[2] = {0}, least = UINT64_MAX;
    for (int side = 0; side < 2; side++) {
        while (r.n && (ch_digit(r.p[0]) || r.p[0] == ',')) {
            take(&r, ",");
            uint64_t a = number(&r), z = take(&r, ":") ? number(&r) : a;
            counts[side] += z - a + 1;
            if (side && a < least) least = a;
        }
        take(&r, " ");
    }
    if (counts[0] != counts[1])
        wrong(m, "COPYUID names %llu and %llu letters", (unsigned long long)counts[0], (unsigned long long)counts[1]);
    if (least <= before) wrong(m, "COPYUID: UID %llu was given out before", (unsigned long long)least);
}

static FIBER void copy(struct model *m, bool uids, bool move)
{
    int to = move ? 1 - m->box : (int)chance(m, 2);
    uint32_t before = m->w->top[to];
    struct str set = some(m, uids);
    struct str r =
        SPEAK(m, "%s%s %.*s %s", uids ? "UID " : "", move ? "MOVE" : "COPY", STR_FMT(set), mailbox_names[to]);
    if (!move) check_copied(m, r, before);
}

static FIBER void expunge(struct model *m)
{
    struct str set = some(m, true);
    SPEAK(m, "UID EXPUNGE %.*s", STR_FMT(set));
}

static FIBER void idle(struct model *m)
{
    struct imap_client *c = m->c;
    note(m, ">", S("IDLE"));
    imap_say(c, "i IDLE");
    imap_expect(c, "+ *");
    fiber_sleep(chance(m, 50000));
    imap_say(c, "DONE");
    struct str line;
    while (!str_starts(line = imap_hear(c), S("i "))) hear_line(m, line);
    if (!str_starts(line, S("i OK"))) wrong(m, "IDLE: %.*s", STR_FMT(line));
}

static FIBER void do_something(struct model *m)
{
    bool uids = m->kind == UIDONLY || chance(m, 2);
    uint32_t what = chance(m, 22);
    if (m->n == 0 && what > 6) what = chance(m, 7);
    switch (what) {
    case 0:
    case 1: append(m); break;
    case 2: idle(m); break;
    case 3: SPEAK(m, "NOOP"); break;
    case 4:
        if (m->kind == QRESYNC || m->kind == UIDONLY) come_back(m);
        else choose_box(m, m->box);
        break;
    case 5: choose_box(m, (int)chance(m, 2)); break;
    case 6:
        if (chance(m, 4) == 0) connect_anew(m), choose_box(m, m->box);
        else catch_up(m);
        break;
    case 7: SPEAK(m, "EXPUNGE"); break;
    case 8: expunge(m); break;
    case 9:
    case 10: copy(m, uids, false); break;
    case 11: copy(m, uids, true); break;
    case 12:
    case 13:
    case 14:
    case 15: look(m, uids); break;
    default: store(m, uids); break;
    }
}

static FIBER void live(void *arg)
{
    struct model *m = arg;
    connect_anew(m);
    choose_box(m, m->index % 2);
    for (int i = 0; i < STEPS; i++) {
        do_something(m);
        if (chance(m, 3) == 0) fiber_sleep(chance(m, 20000));
    }
    m->w->running--;
}

/* ---- the end ---- */

static void assert_alike(struct model *a, const struct model *b)
{
    if (a->n != b->n) wrong(a, "%zu letters here, %zu there", a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        if (a->v[i].uid != b->v[i].uid) wrong(a, "number %zu: UID %u here, %u there", i + 1, a->v[i].uid, b->v[i].uid);
        if (a->v[i].flags != b->v[i].flags)
            wrong(a, "UID %u: flags %x here, %x there", a->v[i].uid, a->v[i].flags, b->v[i].flags);
    }
}

/* What each believes is what a newcomer finds. */
static FIBER void compare(struct world_model *w, struct model *m)
{
    struct model *fresh = arena_new_of(w->t->t.arena, struct model);
    fresh->w = w;
    fresh->index = CLIENTS - 1; /* nothing is expected of a keyword */
    fresh->kind = CONDSTORE;
    connect_anew(fresh);
    fresh->box = -1;
    choose_box(fresh, m->box);
    catch_up(m);
    assert_alike(m, fresh);
    imap_bye(fresh->c);
}

static FIBER void all_live(struct imap_test *t)
{
    struct world_model *w = arena_new_of(t->t.arena, struct world_model);
    struct model *m[CLIENTS];
    w->t = t;
    w->seed = *(uint64_t *)t->arg;
    struct imap_client *c = imap_login(t, "bob");
    imap_ask(c, "create Work");
    imap_bye(c);
    for (int i = 0; i < 12; i++) imap_letter_in(t, t->bob, 0, S("Subject: x\r\n\r\ntext\r\n"), 0);
    for (int i = 0; i < CLIENTS; i++) {
        m[i] = arena_new_of(t->t.arena, struct model);
        *m[i] =
            (struct model){.w = w, .index = i, .kind = (enum kind)i, .box = -1, .random = w->seed * 1000 + (uint64_t)i};
        w->running++;
        loop_spawn(t->t.loop, live, m[i]);
    }
    while (w->running) fiber_sleep(SECONDS(1));
    for (int i = 0; i < CLIENTS; i++) compare(w, m[i]);
    for (int i = 0; i < CLIENTS; i++) imap_bye(m[i]->c);
}

static void play(uint64_t seed)
{
    struct imap_test t = {.script = all_live, .arg = &seed};
    struct sim *sim = sim_new(seed);
    sim_set_faults(sim, (struct sim_faults){.latency_max_us = 3000, .job_latency_max_us = 5000, .short_read = 50000});
    imap_run(sim, &t);
    sim_free(sim);
}

static void everybody_sees_the_same(void **state)
{
    (void)state;
    const char *one = getenv("PENNY_SEED"), *many = getenv("PENNY_SEEDS");
    uint64_t first = one ? strtoull(one, NULL, 10) : many ? (uint64_t)time(NULL) * 1000000 : 1;
    uint64_t n = many ? strtoull(many, NULL, 10) : one ? 1 : SEEDS;
    for (uint64_t seed = first; seed < first + n; seed++) {
        if (many) print_message("\rseed %llu ", (unsigned long long)seed);
        play(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(everybody_sees_the_same)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
