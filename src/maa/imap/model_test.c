/* Clients that do random things to three mailboxes at once, on several loops in the simulated world, and believe
 * nothing: each keeps its picture of the mailbox from what it is told, and every response is held against that and
 * against what all others have been told.
 *
 *   numbers   EXPUNGE and FETCH name what is there; a number is the same letter until an EXPUNGE moves it, and none
 *             does while commands by numbers run, however many were sent at once; VANISHED where it was asked for
 *   UIDs      ascend, are never used again, and are what APPENDUID and COPYUID say
 *   MODSEQ    never falls; a letter's flags at one MODSEQ are the same for everybody; what UNCHANGEDSINCE refused has
 *             changed indeed
 *   flags     what is fetched is what was told; one keyword is each client's own: it is what the client has made it
 *   searches  find what is there, by flags, UIDs, numbers, MODSEQ, texts and sizes; "$" is what was found
 *   QRESYNC   what is remembered, with what is told at SELECT, is what is there, whether the connection broke or not
 *   NOTIFY    what is told of other mailboxes is how they are
 *
 * One mailbox is deleted and made again while others have it open; INBOX is renamed. In the end all have the same
 * picture. PENNY_SEED=n plays one seed, PENNY_SEEDS=n so many from a random one on; `./dev fuzz imap` goes on until
 * stopped. */
#include "maa/imap/model_search.h"

#include <stdlib.h>
#include <time.h>

enum { STEPS = 40, SEEDS = 8, TEMP = 2 };

/* ---- which letters ---- */

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

static struct act *act(struct model *m, bool uids)
{
    struct act *a = arena_new_of(m->c->arena, struct act);
    a->uids = uids;
    return a;
}

/* Which letters the set names, as far as their UIDs are known; more may be when it is the command's turn. */
static void find_letters(struct model *m, struct act *a)
{
    a->n = 0;
    for (size_t i = 0; i < m->n; i++)
        if (m->v[i].uid && within(a->set, a->uids ? m->v[i].uid : (uint32_t)i + 1, (uint32_t)m->n))
            a->u[a->n++] = m->v[i].uid;
}

/* One that speaks of some letters. */
static struct act *act_on_some(struct model *m, bool uids)
{
    struct act *a = act(m, uids);
    a->set = some(m, uids);
    a->u = arena_array(m->c->arena, UIDS, sizeof *a->u);
    find_letters(m, a);
    return a;
}

#define SAY(m, a, ...) ((a)->command = arena_printf((m)->c->arena, __VA_ARGS__))

static struct act *plain(struct model *m, const char *command)
{
    struct act *a = act(m, true);
    a->command = str_c(command);
    return a;
}

/* ---- looking ---- */

/* News may come before the answer of who has asked for them at any time. */
static void begin_look(struct model *m, struct act *a)
{
    for (size_t i = 0; i < a->n; i++) {
        const struct slot *s = slot_of(m, a->u[i]);
        m->fetching[a->u[i]] = s && s->flags_known && m->kind != NOTIFY;
    }
}

static void begin_look_at_some(struct model *m, struct act *a)
{
    find_letters(m, a);
    begin_look(m, a);
}

static void end_look(struct model *m, struct act *a, struct str reply)
{
    (void)a, (void)reply;
    memset(m->fetching, 0, sizeof m->fetching);
    for (size_t i = 0; i < m->n; i++)
        if (m->v[i].uid && m->v[i].flags_known) check_own(m, &m->v[i]);
}

static struct act *look(struct model *m, bool uids)
{
    struct act *a = act_on_some(m, uids);
    a->numbers = !uids;
    a->begin = begin_look_at_some;
    a->end = end_look;
    SAY(m, a, "%sFETCH %.*s (UID FLAGS)", uids ? "UID " : "", STR_FMT(a->set));
    return a;
}

static void end_changed(struct model *m, struct act *a, struct str reply)
{
    for (size_t i = 0; i < a->n; i++)
        if (slot_of(m, a->u[i]) && m->heard[a->u[i]] != m->acts) wrong(m, "UID %u has changed since", a->u[i]);
    end_look(m, a, reply);
}

/* RFC 7162 §3.1.4.1, §3.2.6: what has changed since. */
static struct act *look_changed(struct model *m)
{
    struct act *a = act(m, true);
    const struct slot *then = &m->v[chance(m, (uint32_t)m->n)];
    a->u = arena_array(m->c->arena, UIDS, sizeof *a->u);
    for (size_t i = 0; i < m->n; i++)
        if (m->v[i].uid && m->v[i].modseq > then->modseq) a->u[a->n++] = m->v[i].uid;
    a->begin = begin_look;
    a->end = end_changed;
    SAY(m, a, "UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE %llu%s)", (unsigned long long)(then->modseq ? then->modseq : 1),
        m->kind == QRESYNC ? " VANISHED" : "");
    return a;
}

static FIBER void ask(struct model *m, struct act *a) { perform(m, &a, 1); }

/* Everything is known, and nothing is suspect any more. */
static FIBER void catch_up(struct model *m)
{
    while (m->box) {
        ask(m, plain(m, "NOOP"));
        size_t unknown = 0;
        for (size_t i = 0; i < m->n; i++) {
            const struct slot *s = &m->v[i];
            unknown += !s->uid || !s->flags_known;
            if (s->uid && m->suspect[s->uid])
                wrong(m, "UID %u has flags %x, and own%d is to be %d, or else it was told of wrongly", s->uid, s->flags,
                      m->index, m->own[s->uid]);
            if (s->uid && s->flags_known && m->owed[s->uid] >= s->modseq && m->owed[s->uid])
                wrong(m, "UID %u had not changed since %llu", s->uid, (unsigned long long)m->owed[s->uid]);
        }
        if (unknown == 0 || !m->box) return;
        struct act *a = plain(m, has_modseq(m) ? "UID FETCH 1:* (UID FLAGS MODSEQ)" : "UID FETCH 1:* (UID FLAGS)");
        a->u = arena_array(m->c->arena, m->n + 1, sizeof *a->u);
        for (size_t i = 0; i < m->n; i++)
            if (m->v[i].uid) a->u[a->n++] = m->v[i].uid;
        a->begin = begin_look;
        a->end = end_look;
        ask(m, a);
    }
}

/* ---- opening ---- */

static FIBER bool open_box(struct model *m, struct str how)
{
    m->asked_at = loop_now();
    m->selecting = true;
    m->opening = false;
    memset(m->saved, 0, sizeof m->saved);
    struct str r = SPEAK(m, "SELECT %s%.*s", mailbox_names[m->name], STR_FMT(how));
    m->selecting = false;
    bool opened = str_starts(r, S("OK"));
    if (!opened && (m->name != TEMP || !str_starts(r, S("NO [NONEXISTENT]")))) wrong(m, "SELECT: %.*s", STR_FMT(r));
    if (!opened) m->box = NULL;
    return opened;
}

static FIBER void choose_box(struct model *m, int name)
{
    if (!m->box) forget_all(m);
    m->name = name;
    m->top_modseq = 0;
    if (open_box(m, S(""))) catch_up(m);
    else choose_box(m, 0);
}

static FIBER void connect_anew(struct model *m)
{
    static const char *const enable[] = {"", "IMAP4rev2", "CONDSTORE", "QRESYNC", "QRESYNC UIDONLY", ""};
    if (m->c) imap_bye(m->c);
    if (!m->resyncing) forget_all(m), m->box = NULL;
    m->c = imap_login(m->w->t, "bob");
    if (*enable[m->kind]) SPEAK(m, "ENABLE %s", enable[m->kind]);
    memset(m->status, 0, sizeof m->status);
    if (m->kind == NOTIFY)
        SPEAK(m,
              "NOTIFY SET STATUS (SELECTED%s (MessageNew%s MessageExpunge FlagChange)) "
              "(PERSONAL (MessageNew MessageExpunge FlagChange MailboxName))",
              m->w->seed % 2 ? "-DELAYED" : "", m->w->seed % 3 ? " (UID FLAGS)" : "");
}

/* What is remembered, as the client says it (RFC 7162 §3.2.5): UIDVALIDITY, MODSEQ, UIDs, some numbers with theirs. */
static struct str memory(struct model *m)
{
    struct buf *b = buf_in(m->c->arena, 16 * UIDS);
    buf_printf(b, " (QRESYNC (%llu %llu", (unsigned long long)m->box->validity, (unsigned long long)m->top_modseq);
    bool uids = m->n && chance(m, 2), match = m->n && chance(m, 2);
    for (size_t i = 0; i < m->n && uids; i++) buf_printf(b, "%c%u", i ? ',' : ' ', m->v[i].uid);
    if (match && m->kind != UIDONLY) { /* some of them, the last among them */
        struct buf *n = buf_in(m->c->arena, 16 * UIDS), *u = buf_in(m->c->arena, 16 * UIDS);
        for (size_t i = 0; i < m->n; i++) {
            if (i + 1 < m->n && chance(m, 3)) continue;
            buf_printf(n, "%s%zu", n->n ? "," : "", i + 1);
            buf_printf(u, "%s%u", u->n ? "," : "", m->v[i].uid);
        }
        if (!uids) buf_printf(b, " 1:%u", m->v[m->n - 1].uid);
        buf_printf(b, " (%.*s %.*s)", STR_FMT(buf_str(n)), STR_FMT(buf_str(u)));
    }
    buf_lit(b, "))");
    return buf_str(b);
}

/* Leaves, or is cut off, and comes back with what it remembers. */
static FIBER void come_back(struct model *m)
{
    catch_up(m);
    if (!m->box) return;
    bool broken = chance(m, 2);
    if (!broken) ask(m, plain(m, "UNSELECT"));
    fiber_sleep(chance(m, 30000));
    m->resyncing = true;
    if (broken) connect_anew(m);
    struct str how = memory(m);
    bool opened = open_box(m, how);
    if (m->resyncing && opened) resynced(m);
    m->resyncing = false;
    if (opened) catch_up(m);
    else choose_box(m, 1);
}

/* ---- writing ---- */

static void write_text(struct model *m, struct act *a, struct buf *b)
{
    struct written *w = &a->text[a->n_text++];
    *w = written(chance(m, 1 << 30));
    struct str text = model_letter(m->c->arena, w);
    buf_printf(b, " (\\Flagged own%d) {%zu+}\r\n%.*s", m->index, text.n, STR_FMT(text));
}

static struct act *act_into(struct model *m, struct act *a, int to)
{
    a->to = to;
    a->box = newest_box(m->w, to);
    a->top = a->box ? a->box->top : 0;
    return a;
}

/* A UID that was given out, and what lies there. */
static struct told *arrived(struct model *m, const struct act *a, uint64_t validity, uint32_t u)
{
    struct box *b = box_of(m, a->to, validity);
    if (b == a->box && u <= a->top) wrong(m, "UID %u was given out before", u);
    if (u > b->top) b->top = u;
    return told_of(m, b, u);
}

/* Of what the client does itself NOTIFY tells nothing (RFC 5465 §5). */
static bool may_be_missing(struct model *m, const struct act *a, struct str reply)
{
    m->status[a->to].known = false;
    return a->to == TEMP && str_starts(reply, S("NO [TRYCREATE]"));
}

static void end_append(struct model *m, struct act *a, struct str reply)
{
    if (may_be_missing(m, a, reply)) return;
    if (a->n && str_starts(reply, S("NO"))) return; /* REPLACE of what is gone */
    struct str r = a->n ? m->code : str_skip(reply, 3);
    if (!str_starts(reply, S("OK")) || !take(&r, "[APPENDUID ")) wrong(m, "APPEND: %.*s", STR_FMT(reply));
    uint64_t validity = number(&r);
    take(&r, " ");
    struct numbers *u = read_set(m, &r);
    if (u->n != a->n_text) wrong(m, "%zu letters were written, and %zu arrived", a->n_text, u->n);
    for (size_t i = 0; i < u->n; i++) arrived(m, a, validity, u->v[i])->text = a->text[i];
    if (a->n && slot_of(m, a->u[0])) m->suspect[a->u[0]] = true;
}

static struct act *append(struct model *m)
{
    struct act *a = act_into(m, act(m, true), (int)chance(m, NAMES));
    struct buf *b = buf_in(m->c->arena, 10000);
    a->text = arena_array(m->c->arena, 3, sizeof *a->text);
    buf_printf(b, "APPEND %s", mailbox_names[a->to]);
    for (uint32_t n = chance(m, 3) ? 1 : 3; n > 0; n--) write_text(m, a, b); /* RFC 3502 */
    a->end = end_append;
    a->command = buf_str(b);
    return a;
}

static struct act *replace(struct model *m, bool uids) /* RFC 8508 */
{
    uint32_t seq = chance(m, (uint32_t)m->n) + 1;
    if (!m->v[seq - 1].uid) return append(m);
    struct act *a = act_into(m, act(m, uids), (int)chance(m, NAMES));
    struct buf *b = buf_in(m->c->arena, 10000);
    a->text = arena_array(m->c->arena, 1, sizeof *a->text);
    a->u = arena_array(m->c->arena, 1, sizeof *a->u);
    a->u[a->n++] = m->v[seq - 1].uid;
    buf_printf(b, "%sREPLACE %u %s", uids ? "UID " : "", uids ? a->u[0] : seq, mailbox_names[a->to]);
    write_text(m, a, b);
    a->end = end_append;
    a->command = buf_str(b);
    return a;
}

/* ---- changing ---- */

/* Which letters of the set MODIFIED names (RFC 7162 §3.1.3); a NULL reply: none. */
static bool *modified(struct model *m, const struct act *a, struct str reply)
{
    bool *out = arena_array(m->c->arena, UIDS, sizeof *out);
    size_t at = str_find(reply, S("[MODIFIED "));
    if (at == reply.n) return out;
    struct str rest = str_skip(reply, at + 10);
    struct numbers *v = read_set(m, &rest);
    for (size_t i = 0; i < v->n; i++) {
        struct slot *s = a->uids ? slot_of(m, v->v[i]) : v->v[i] <= m->n ? &m->v[v->v[i] - 1] : NULL;
        if (s && s->uid) out[s->uid] = true;
    }
    return out;
}

static void begin_store(struct model *m, struct act *a)
{
    find_letters(m, a);
    for (size_t i = 0; i < a->n && a->mine; i++) m->own[a->u[i]] = -1;
}

static void end_store(struct model *m, struct act *a, struct str reply)
{
    bool *not = modified(m, a, reply), done = str_starts(reply, S("OK"));
    for (size_t i = 0; i < a->n; i++) {
        struct slot *s = slot_of(m, a->u[i]);
        if (!s) continue;
        if (not [s->uid] && s->modseq) m->owed[s->uid] = a->since;
        if (not [s->uid] && !a->since_given) wrong(m, "MODIFIED for no reason");
        if (a->mine && done && !not [s->uid]) m->own[s->uid] = a->on;
        if (a->mine && !a->silent && s->flags_known) check_own(m, s);
    }
    for (size_t i = 0; i < m->n && a->silent; i++) { /* a client would believe it, unless it was refused */
        struct slot *s = &m->v[i];
        if (!s->uid || within(a->set, a->uids ? s->uid : (uint32_t)i + 1, (uint32_t)m->n)) s->flags_known = false;
    }
}

static struct act *store(struct model *m, bool uids)
{
    struct act *a = act_on_some(m, uids);
    a->on = chance(m, 2), a->mine = chance(m, 2), a->silent = chance(m, 3) == 0;
    a->since_given = has_modseq(m) && chance(m, 3) == 0;
    a->numbers = !uids;
    struct str flag =
        a->mine ? arena_printf(m->c->arena, "own%d", m->index) : str_c(flag_names[chance(m, KNOWN_FLAGS)]);
    struct str since = S("");
    if (a->since_given) {
        a->since = chance(m, 4) ? m->top_modseq : m->v[chance(m, (uint32_t)m->n)].modseq;
        since = arena_printf(m->c->arena, "(UNCHANGEDSINCE %llu) ", (unsigned long long)a->since);
    }
    a->begin = begin_store;
    a->end = end_store;
    SAY(m, a, "%sSTORE %.*s %.*s%cFLAGS%s (%.*s)", uids ? "UID " : "", STR_FMT(a->set), STR_FMT(since),
        a->on ? '+' : '-', a->silent ? ".SILENT" : "", STR_FMT(flag));
    return a;
}

/* What is found there has the text of what was copied. */
static void end_copy(struct model *m, struct act *a, struct str reply)
{
    if (may_be_missing(m, a, reply)) return;
    struct str r = str_find(reply, S("[COPYUID ")) < reply.n ? str_skip(reply, 3) : m->code;
    if (!str_starts(reply, S("OK")) || str_is_none(r)) return;
    take(&r, "[COPYUID ");
    uint64_t validity = number(&r);
    take(&r, " ");
    struct numbers *from = read_set(m, &r);
    take(&r, " ");
    struct numbers *made = read_set(m, &r);
    if (from->n != made->n) wrong(m, "COPYUID names %zu and %zu letters", from->n, made->n);
    for (size_t i = 0; i < from->n; i++) {
        if (a->uids && !within(a->set, from->v[i], 0)) wrong(m, "UID %u was not to be copied", from->v[i]);
        arrived(m, a, validity, made->v[i])->text = told_of(m, m->box, from->v[i])->text;
        if (a->on && slot_of(m, from->v[i])) m->suspect[from->v[i]] = true; /* MOVE */
    }
}

static struct act *copy(struct model *m, bool uids, bool move)
{
    struct act *a = act_into(m, act_on_some(m, uids), (int)chance(m, NAMES));
    if (move && a->to == m->name) a->to = 1 - m->name % 2, act_into(m, a, a->to);
    a->on = move;
    a->end = end_copy;
    SAY(m, a, "%s%s %.*s %s", uids ? "UID " : "", move ? "MOVE" : "COPY", STR_FMT(a->set), mailbox_names[a->to]);
    return a;
}

static struct act *expunge(struct model *m)
{
    struct act *a = act_on_some(m, true);
    SAY(m, a, "UID EXPUNGE %.*s", STR_FMT(a->set));
    return a;
}

/* ---- the tree ---- */

/* RFC 9051 §6.3.6: its letters go, and INBOX stays. */
static FIBER void rename_inbox(struct model *m)
{
    bool selected = m->box && m->name == 0;
    bool *was = arena_array(m->c->arena, UIDS, sizeof *was);
    for (size_t i = 0; i < m->n; i++) was[m->v[i].uid] = selected;
    struct str r = SPEAK(m, "RENAME INBOX old%d-%u", m->index, m->acts);
    m->status[0].known = false;
    if (!str_starts(r, S("OK"))) wrong(m, "RENAME: %.*s", STR_FMT(r));
    for (size_t i = 0; i < m->n; i++)
        if (m->v[i].uid && was[m->v[i].uid]) m->suspect[m->v[i].uid] = true;
}

static FIBER void make_or_delete(struct model *m)
{
    bool make = chance(m, 2);
    struct str r = SPEAK(m, make ? "CREATE Temp" : "DELETE Temp");
    m->status[TEMP].known = false;
    const struct str refusal = make ? S("NO [ALREADYEXISTS]") : S("NO [NONEXISTENT]");
    if (!str_starts(r, S("OK")) && !str_starts(r, refusal)) wrong(m, "Temp: %.*s", STR_FMT(r));
}

/* ---- doing ---- */

static FIBER void idle(struct model *m)
{
    struct imap_client *c = m->c;
    bool selected = m->box;
    note(m, ">", S("IDLE"));
    imap_say(c, "i IDLE");
    for (struct str line; !str_starts(line = imap_hear(c), S("+ "));) hear_line(m, line);
    fiber_sleep(chance(m, 50000));
    imap_say(c, "DONE");
    struct str line;
    while (!str_starts(line = imap_hear(c), S("i "))) hear_line(m, line);
    if (!str_starts(line, S("i OK")) && (m->box || !selected)) wrong(m, "IDLE: %.*s", STR_FMT(line));
}

/* What can be sent along with others: by numbers alone, or by UIDs alone. */
static struct act *one_of_many(struct model *m, bool uids)
{
    switch (chance(m, uids ? 14 : 8)) {
    case 0:
    case 1: return look(m, uids);
    case 2:
    case 3:
    case 4: return search(m, uids, false);
    case 5:
    case 6:
    case 7: return store(m, uids);
    case 8: return append(m);
    case 9: return plain(m, "NOOP");
    case 10: return plain(m, "EXPUNGE");
    case 11: return copy(m, true, false);
    case 12: return copy(m, true, true);
    default: return expunge(m);
    }
}

static FIBER void many(struct model *m, bool uids)
{
    struct act *v[8];
    size_t n = 2 + chance(m, 6);
    for (size_t i = 0; i < n; i++) v[i] = one_of_many(m, uids);
    perform(m, v, n);
}

/* With an empty mailbox, or none. */
static FIBER void do_without_letters(struct model *m)
{
    switch (chance(m, 14)) {
    case 0:
    case 1: ask(m, append(m)); break;
    case 2: idle(m); break;
    case 3: ask(m, plain(m, "NOOP")); break;
    case 4:
        if (m->box && has_modseq(m) && m->kind != CONDSTORE) come_back(m);
        else choose_box(m, m->name);
        break;
    case 5:
    case 6: choose_box(m, (int)chance(m, NAMES)); break;
    case 7:
        if (chance(m, 3) == 0) rename_inbox(m);
        break;
    case 8:
    case 9: make_or_delete(m); break;
    case 10:
        if (chance(m, 2)) connect_anew(m), choose_box(m, m->name);
        break;
    case 11:
        if (!m->box) break;
        ask(m, plain(m, "CLOSE"));
        m->box = NULL;
        choose_box(m, m->name);
        break;
    default: catch_up(m); break;
    }
}

static FIBER void do_something(struct model *m)
{
    bool uids = m->kind == UIDONLY || m->kind == NOTIFY || chance(m, 2);
    if (!m->box || m->n == 0 || chance(m, 3) == 0) {
        do_without_letters(m);
        return;
    }
    switch (chance(m, 20)) {
    case 0: ask(m, plain(m, "EXPUNGE")); break;
    case 1: ask(m, expunge(m)); break;
    case 2: ask(m, replace(m, uids)); break;
    case 3: ask(m, copy(m, uids, false)); break;
    case 4: ask(m, copy(m, uids, true)); break;
    case 5: ask(m, has_modseq(m) ? look_changed(m) : look(m, uids)); break;
    case 6:
    case 7: ask(m, look(m, uids)); break;
    case 8:
    case 9:
    case 10: many(m, uids); break;
    case 11:
    case 12:
    case 13:
    case 14: ask(m, search(m, uids, true)); break;
    default: ask(m, store(m, uids)); break;
    }
}

static FIBER void live(void *arg)
{
    struct model *m = arg;
    connect_anew(m);
    choose_box(m, m->index % NAMES);
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

/* What NOTIFY has told of mailboxes that are not selected. */
static FIBER void compare_status(struct model *m, struct model *fresh)
{
    for (int i = 0; i < NAMES; i++) {
        const struct told_status told = m->status[i];
        if (!told.known || (m->box && i == m->name)) continue;
        fresh->status[i].known = false;
        SPEAK(fresh, "STATUS %s (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)", mailbox_names[i]);
        const struct told_status is = fresh->status[i];
        if (!is.known) wrong(m, "%s is gone, and nobody told", mailbox_names[i]);
        if (is.messages != told.messages || is.uid_next != told.uid_next || is.unseen != told.unseen)
            wrong(m, "%s has %llu letters, not %llu", mailbox_names[i], (unsigned long long)is.messages,
                  (unsigned long long)told.messages);
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
    forget_all(fresh);
    catch_up(m);
    fiber_sleep(SECONDS(1));
    SPEAK(m, "NOOP");
    compare_status(m, fresh);
    if (m->box) {
        choose_box(fresh, m->name);
        assert_alike(m, fresh);
    }
    imap_bye(fresh->c);
}

static FIBER void first_letters(struct world_model *w)
{
    struct model *m = arena_new_of(w->t->t.arena, struct model);
    *m = (struct model){.w = w, .c = imap_login(w->t, "bob")};
    SPEAK(m, "CREATE Work");
    SPEAK(m, "CREATE Temp");
    for (uint32_t i = 0; i < 12; i++) {
        struct written text = written(i * 0x25f3u);
        imap_letter_in(w->t, w->t->bob, 0, model_letter(m->c->arena, &text), 0);
    }
    imap_bye(m->c);
}

static FIBER void all_live(struct imap_test *t)
{
    struct world_model *w = arena_new_of(t->t.arena, struct world_model);
    struct model *m[CLIENTS];
    w->t = t;
    w->seed = *(uint64_t *)t->arg;
    for (int i = 0; i < CLIENTS; i++) {
        m[i] = arena_new_of(t->t.arena, struct model);
        *m[i] = (struct model){.w = w, .index = i, .kind = (enum kind)i, .random = w->seed * 1000 + (uint64_t)i};
    }
    first_letters(w);
    for (int i = 0; i < CLIENTS; i++) {
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

/* Seeds that have found something, each once. 18: the mailbox is deleted while it is being selected. */
static const uint64_t known_seeds[] = {18};

static void everybody_sees_the_same(void **state)
{
    (void)state;
    const char *one = getenv("PENNY_SEED"), *many_seeds = getenv("PENNY_SEEDS");
    uint64_t first = one ? strtoull(one, NULL, 10) : many_seeds ? (uint64_t)time(NULL) * 1000000 : 1;
    uint64_t n = many_seeds ? strtoull(many_seeds, NULL, 10) : one ? 1 : SEEDS;
    for (uint64_t seed = first; seed < first + n; seed++) {
        if (many_seeds) print_message("\rseed %llu ", (unsigned long long)seed);
        play(seed);
    }
    for (size_t i = 0; i < sizeof known_seeds / sizeof *known_seeds && !one && !many_seeds; i++) play(known_seeds[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(everybody_sees_the_same)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
