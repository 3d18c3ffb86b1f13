/* A program of search keys (RFC 9051 §6.4.4) over a mailbox: what the snapshot answers is decided here, by looking at
 * entries; the rest is the store's (store/search.h). */
#include "maa/imap/search.h"

#include <stdlib.h>

#include "base/codec.h"
#include "mail/limits.h"
#include "proto/imf/encoded_word.h"

/* ---- progress ---- */

void imap_progress_begin(struct imap_progress *p, struct imap_session *s, size_t total)
{
    *p = (struct imap_progress){s, total, loop_now() + SPAN_IMAP_PROGRESS};
}

FIBER bool imap_progress(void *progress, size_t done)
{
    struct imap_progress *p = progress;
    if (stream_error(p->s->io)) return false;
    if (loop_now() < p->next || p->s->tag.n > 200) return true;
    p->next = loop_now() + SPAN_IMAP_PROGRESS;
    char line[512];
    struct buf b = BUF_OVER(line);
    buf_lit(&b, "* OK [INPROGRESS (");
    imap_put_string(&b, p->s->tag, false);
    buf_printf(&b, " %zu %zu)] still looking\r\n", done < p->total ? done : p->total, p->total);
    if (b.failed) return true;
    imap_put(p->s, buf_str(&b));
    return stream_flush(p->s->io) == 0;
}

/* ---- charsets ---- */

static void convert(struct imap_session *s, struct str charset, struct imap_key *k)
{
    if (k->text.n) {
        struct buf *b = buf_in(s->cmd, k->text.n * 4 + 16);
        charset_to_utf8(b, charset, k->text, SIZE_MAX);
        k->text = buf_str(b);
    }
    for (struct imap_key *c = k->children; c; c = c->next) convert(s, charset, c);
}

bool imap_search_charset(struct imap_session *s, const struct imap_search *c, struct imap_done *refusal)
{
    struct str charset = c->charset.n ? c->charset : S("us-ascii"); /* bytes over 127 as UTF-8, if they are that */
    if (!charset_known(charset)) {
        if (c->returns & IMAP_SEARCH_SAVE && s->selected) s->selected->saved.n = 0; /* RFC 5182 §2.1 */
        *refusal = imap_no(S("BADCHARSET (UTF-8 US-ASCII)"), S("that charset is not known here"));
        return false;
    }
    convert(s, charset, c->key);
    return true;
}

bool imap_search_names(const struct imap_key *k, enum imap_key_kind kind)
{
    if (k->kind == kind) return kind != IMAP_KEY_NUMBERS || !k->set.saved;
    for (const struct imap_key *c = k->children; c; c = c->next)
        if (imap_search_names(c, kind)) return true;
    return false;
}

/* ---- keys ---- */

struct known_key { /* one the snapshot answers */
    enum imap_key_kind kind;
    struct uid_set uids;
    flag_set flags;
    int64_t from, until; /* of a time, size, MODSEQ or id: from <= it < until */
};

struct compiling {
    struct imap_session *s;
    struct arena *a;
    const struct snapshot *shown;
    bool selected, facts, saved;
    uid recent_from;
    utc_us now;
    int error;
};

#define FAR INT64_C(1) << 61

static flag_set own_keyword(const struct snapshot *shown, struct str name)
{
    for (size_t i = FLAG_FIRST_OWN; i < 32; i++)
        if (shown->keywords->name[i].n && str_ieq(shown->keywords->name[i], name)) return (flag_set)1 << i;
    return 0;
}

static int64_t object_id(struct str text, char kind)
{
    int64_t id;
    return text.n > 1 && text.p[0] == kind && id_parse(str_skip(text, 1), &id) == 0 ? id : -1;
}

/* [from, until) of days, sizes and ages. */
static void set_bounds(struct compiling *c, const struct imap_key *k, int64_t *from, int64_t *until)
{
    int64_t number = k->number < INT64_MAX / 4 ? (int64_t)k->number : INT64_MAX / 4;
    int64_t age = number < INT64_C(1) << 40 ? SECONDS(number) : FAR;
    *from = -(FAR);
    *until = FAR;
    switch (k->kind) {
    case IMAP_KEY_BEFORE:
    case IMAP_KEY_SENTBEFORE:
    case IMAP_KEY_SAVEDBEFORE: *until = k->day; break;
    case IMAP_KEY_ON:
    case IMAP_KEY_SENTON:
    case IMAP_KEY_SAVEDON: *from = k->day, *until = k->day + DAYS(1); break;
    case IMAP_KEY_SINCE:
    case IMAP_KEY_SENTSINCE:
    case IMAP_KEY_SAVEDSINCE: *from = k->day; break;
    case IMAP_KEY_LARGER: *from = number + 1; break;
    case IMAP_KEY_SMALLER: *until = number; break;
    case IMAP_KEY_OLDER: *until = c->now - age + 1; break; /* RFC 5032 §3 */
    case IMAP_KEY_YOUNGER: *from = c->now - age; break;
    case IMAP_KEY_MODSEQ: *from = number; break;
    default: break;
    }
}

static FIBER void compile_known(struct compiling *c, struct imap_key *k, struct search_key *out)
{
    struct known_key *known = arena_new_of(c->a, struct known_key);
    const struct view_entry *last = snapshot_at(c->shown, c->shown->count);
    known->kind = k->kind;
    out->kind = SEARCH_KNOWN;
    out->of = known;
    set_bounds(c, k, &known->from, &known->until);
    switch (k->kind) {
    case IMAP_KEY_NUMBERS: /* those past the end match nothing (RFC 7377 §2) */
        if (!k->set.saved) {
            known->uids = imap_set_resolve(c->a, &k->set, c->shown->count);
            break;
        }
        known->kind = IMAP_KEY_UID;
        /* fallthrough */
    case IMAP_KEY_UID:
        if (k->set.saved && !c->selected) c->error = ERR_SYNTAX;
        else known->uids = k->set.saved ? c->s->selected->saved : imap_set_resolve(c->a, &k->set, last ? last->uid : 0);
        break;
    case IMAP_KEY_FLAG: known->flags = k->flag; break;
    case IMAP_KEY_KEYWORD: known->flags = own_keyword(c->shown, k->text); break;
    case IMAP_KEY_RECENT: known->from = c->recent_from; break;
    case IMAP_KEY_EMAILID: known->from = object_id(k->text, 'M'); break;
    case IMAP_KEY_SAVEDBEFORE:
    case IMAP_KEY_SAVEDON:
    case IMAP_KEY_SAVEDSINCE: c->saved = true; break;
    case IMAP_KEY_BEFORE:
    case IMAP_KEY_ON:
    case IMAP_KEY_SINCE:
    case IMAP_KEY_OLDER:
    case IMAP_KEY_YOUNGER:
    case IMAP_KEY_LARGER:
    case IMAP_KEY_SMALLER: c->facts = true; break;
    default: break;
    }
}

/* Keys that the store answers; SEARCH_KNOWN: it does not. */
static enum search_kind in_store(enum imap_key_kind kind)
{
    switch (kind) {
    case IMAP_KEY_SUBJECT: return SEARCH_SUBJECT;
    case IMAP_KEY_FROM: return SEARCH_FROM;
    case IMAP_KEY_TO: return SEARCH_TO;
    case IMAP_KEY_CC: return SEARCH_CC;
    case IMAP_KEY_BCC: return SEARCH_BCC;
    case IMAP_KEY_SENTBEFORE:
    case IMAP_KEY_SENTON:
    case IMAP_KEY_SENTSINCE: return SEARCH_SENT;
    case IMAP_KEY_THREADID: return SEARCH_THREAD;
    case IMAP_KEY_HEADER: return SEARCH_HEADER;
    case IMAP_KEY_BODY: return SEARCH_BODY;
    case IMAP_KEY_TEXT: return SEARCH_TEXT;
    default: return SEARCH_KNOWN;
    }
}

static FIBER struct search_key *compile(struct compiling *c, struct imap_key *k, bool fuzzy)
{
    struct search_key *out = arena_new_of(c->a, struct search_key);
    if (k->kind == IMAP_KEY_AND || k->kind == IMAP_KEY_FUZZY) out->kind = SEARCH_AND;
    else if (k->kind == IMAP_KEY_OR) out->kind = SEARCH_OR;
    else if (k->kind == IMAP_KEY_NOT) out->kind = SEARCH_NOT;
    else if ((out->kind = in_store(k->kind)) == SEARCH_KNOWN) compile_known(c, k, out);
    else {
        set_bounds(c, k, &out->from, &out->until);
        if (k->kind == IMAP_KEY_THREADID) out->from = object_id(k->text, 'T');
        out->text = out->kind == SEARCH_SENT || out->kind == SEARCH_THREAD ? S("") : k->text;
        out->field = k->field;
        out->fuzzy = fuzzy && out->kind != SEARCH_SENT && out->kind != SEARCH_THREAD;
    }
    struct search_key **end = &out->children;
    for (struct imap_key *child = k->children; child; child = child->next, end = &(*end)->next) {
        fiber_yield_if_long(); /* a set may name all letters */
        *end = compile(c, child, fuzzy || k->kind == IMAP_KEY_FUZZY);
    }
    return out;
}

/* ---- letters ---- */

struct candidates { /* also read on other threads, by known(): nothing of it changes then */
    struct imap_found *v;
    const struct view_chunk **chunk;
    utc_us *saved_at;
    size_t n;
};

static bool within(int64_t v, const struct known_key *k) { return v >= k->from && v < k->until; }

static bool known(const void *arg, const struct search_key *key, size_t i)
{
    const struct candidates *c = arg;
    const struct known_key *k = key->of;
    const struct view_entry *e = c->v[i].entry;
    const struct view_facts *f = c->chunk[i]->facts;
    switch (k->kind) {
    case IMAP_KEY_ALL:
    case IMAP_KEY_SAVEDATESUPPORTED: return true;
    case IMAP_KEY_NUMBERS: return uid_set_has(&k->uids, c->v[i].seq);
    case IMAP_KEY_UID: return uid_set_has(&k->uids, e->uid);
    case IMAP_KEY_FLAG:
    case IMAP_KEY_KEYWORD: return (e->flags & k->flags) != 0;
    case IMAP_KEY_RECENT: return e->uid >= k->from;
    case IMAP_KEY_MODSEQ: return e->modseq >= (uint64_t)k->from;
    case IMAP_KEY_EMAILID: return e->email == k->from;
    case IMAP_KEY_LARGER:
    case IMAP_KEY_SMALLER: return f && within(f->size[e->uid % 128], k);
    case IMAP_KEY_BEFORE:
    case IMAP_KEY_ON:
    case IMAP_KEY_SINCE:
    case IMAP_KEY_OLDER:
    case IMAP_KEY_YOUNGER: return f && within(f->received[e->uid % 128], k);
    case IMAP_KEY_SAVEDBEFORE:
    case IMAP_KEY_SAVEDON:
    case IMAP_KEY_SAVEDSINCE: return within(c->saved_at[i], k);
    default: return false;
    }
}

/* ---- memory ---- */

int imap_room(struct imap_room *room, size_t more, struct error *e)
{
    if (!room) return 0;
    const struct imap_service *service = room->s->service;
    size_t most = service->search_memory ? service->search_memory : LIMIT_IMAP_SEARCH_MEMORY;
    size_t need = arena_used(room->arena) + room->aside + more;
    if (need > most) return error_set(e, ERR_BUDGET, "that takes too much memory: ask for fewer messages at a time");
    int64_t further = (int64_t)need - room->taken;
    if (further <= 0) return 0;
    if (!store_search_take(service->store, further, LIMIT_IMAP_SEARCHES_MEMORY))
        return error_set(e, ERR_BUDGET, "too much is searched at once, try again later");
    room->taken += further;
    return 0;
}

static void leave_room(void *arg)
{
    struct imap_room *room = arg;
    arena_free(room->arena);
    store_search_give(room->s->service->store, room->taken);
}

static struct imap_room *enter_room(struct imap_session *s)
{
    struct imap_room *room = arena_new_of(s->cmd, struct imap_room);
    *room = (struct imap_room){.s = s, .arena = arena_new(NULL, 0)};
    arena_defer(s->cmd, leave_room, room);
    return room;
}

/* Bytes of a letter in the answer, while its buffer grows, and in what is kept of it. */
static size_t answer_size(const struct imap_search *c)
{
    return 24 + (c->returns & IMAP_SEARCH_SAVE ? sizeof(struct imap_found) : 0) +
           (c->returns & IMAP_SEARCH_UPDATE ? 4 * sizeof(struct uid_range) : 0);
}

static FIBER int read_saved_at(struct imap_session *s, struct arena *a, const struct snapshot *shown,
                               struct candidates *c, struct error *e)
{
    uid *uids = arena_array(a, c->n, sizeof *uids);
    int64_t *emails = arena_array(a, c->n, sizeof *emails);
    c->saved_at = arena_array(a, c->n, sizeof *c->saved_at);
    for (size_t i = 0; i < c->n; i++) {
        uids[i] = c->v[i].entry->uid;
        emails[i] = c->v[i].entry->email;
    }
    return c->n ? store_saved_at(s->service->store, shown->mailbox, uids, emails, c->n, c->saved_at, e) : 0;
}

static FIBER void list_range(const struct snapshot *shown, uid first, uid last, struct candidates *c)
{
    struct walk w = walk_from(shown, snapshot_seq_from(shown, first));
    while (walk_next(&w) && w.entry->uid <= last) {
        c->v[c->n] = (struct imap_found){.entry = w.entry, .seq = w.seq};
        c->chunk[c->n++] = w.chunk;
        if (c->n % 1024 == 0) fiber_yield_if_long();
    }
}

/* Of all letters, or of some. */
static FIBER int list_letters(struct imap_room *room, const struct snapshot *shown, const struct uid_set *only,
                              struct candidates *c, struct error *e)
{
    struct arena *a = room->arena;
    const struct uid_set all = {&(struct uid_range){1, UINT32_MAX}, 1, 0};
    uint64_t most = only ? uid_set_count(only) : shown->count;
    if (most > shown->count) most = shown->count;
    if (!only) only = &all;
    int r = imap_room(room, (size_t)most * (sizeof *c->v + sizeof *c->chunk), e);
    if (r) return r;
    *c = (struct candidates){.v = arena_array(a, most, sizeof *c->v), .chunk = arena_array(a, most, sizeof *c->chunk)};
    for (size_t i = 0; i < only->n; i++) list_range(shown, only->v[i].first, only->v[i].last, c);
    return 0;
}

/* Keeps the letters that match already or may do so; scores of the former are set. How many are open. */
static FIBER size_t decide(struct search *q, struct candidates *c)
{
    size_t kept = 0, open = 0, n = c->n;
    for (size_t i = 0; i < n; i++) {
        int v = search_decide(q, i);
        if (i % 64 == 0) fiber_yield_if_long(); /* there may be thousands of keys */
        if (v == 0) continue;
        c->v[kept] = c->v[i];
        c->v[kept].score = v > 0 ? 100 : 0;
        c->chunk[kept] = c->chunk[i];
        if (c->saved_at) c->saved_at[kept] = c->saved_at[i];
        open += v < 0;
        kept++;
    }
    c->n = kept;
    return open;
}

static FIBER int ask_store(struct imap_session *s, struct arena *a, struct search *q, struct candidates *c, bool silent,
                           struct error *e)
{
    int64_t *emails = arena_array(a, c->n, sizeof *emails);
    for (size_t i = 0; i < c->n; i++) emails[i] = c->v[i].entry->email;
    struct imap_progress *p = arena_new_of(a, struct imap_progress);
    imap_progress_begin(p, s, c->n);
    if (silent) p->next = FOREVER;
    q->emails = emails;
    q->n = c->n;
    q->score = arena_alloc(a, c->n);
    q->progress = imap_progress;
    q->progress_arg = p;
    int r = store_search(s->service->store, q, e);
    size_t kept = 0;
    for (size_t i = 0; i < c->n && !r; i++) {
        if (q->score[i] == 0) continue;
        c->v[kept] = c->v[i];
        c->v[kept++].score = q->score[i];
    }
    c->n = kept;
    return r;
}

/* `only`: NULL, or these letters alone, and nothing is said of progress. */
static FIBER int run(struct imap_session *s, const struct imap_search *c, const struct snapshot *shown, bool selected,
                     const struct uid_set *only, struct imap_result *out, struct error *e)
{
    struct imap_room *room = enter_room(s);
    struct arena *a = room->arena;
    *out = (struct imap_result){.arena = a, .room = room};
    struct compiling comp = {.s = s,
                             .a = a,
                             .shown = shown,
                             .selected = selected,
                             .recent_from = selected ? s->selected->recent_from : UINT32_MAX,
                             .now = clock_utc(loop_world(loop_self()))};
    struct candidates letters;
    struct search q = {.account = shown->account, .known = known, .known_arg = &letters};
    q.key = compile(&comp, c->key, false);
    out->at = comp.now;
    if (comp.error) return comp.error;
    int r = comp.facts ? store_view_facts(s->service->store, shown, 0, shown->n_chunks, e) : 0;
    if (r) return r;
    r = list_letters(room, shown, only, &letters, e);
    if (!r && comp.saved) r = imap_room(room, letters.n * (sizeof(uid) + 2 * sizeof(int64_t)), e);
    if (!r && comp.saved) r = read_saved_at(s, a, shown, &letters, e);
    if (!r && decide(&q, &letters) > 0) {
        r = imap_room(room, letters.n * (sizeof *q.emails + sizeof *q.score + sizeof(uint32_t)), e);
        if (!r) r = ask_store(s, a, &q, &letters, only != NULL, e);
    }
    room->aside = letters.n * answer_size(c);
    if (!r) r = imap_room(room, 0, e);
    out->v = letters.v;
    out->n = letters.n;
    return r;
}

FIBER int imap_search_run(struct imap_session *s, const struct imap_search *c, const struct snapshot *shown,
                          bool selected, struct imap_result *out, struct error *e)
{
    return run(s, c, shown, selected, NULL, out, e);
}

FIBER int imap_search_some(struct imap_session *s, const struct imap_search *c, const struct uid_set *only,
                           struct imap_result *out, struct error *e)
{
    return run(s, c, s->selected->shown, true, only, out, e);
}

struct uid_set imap_result_uids(const struct imap_result *r)
{
    struct uid_set uids = {0};
    for (size_t i = 0; i < r->n; i++) uid_set_add(r->arena, &uids, r->v[i].entry->uid, r->v[i].entry->uid);
    return uids;
}
