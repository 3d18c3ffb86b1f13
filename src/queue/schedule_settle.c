/* Settling: what became of a parcel is written down, for each recipient its row of the queue and the record's event,
 * with the letters that are owed about it, in one commit. Results settle in groups: what comes while a commit is under
 * way is the next group. Parcels that owe somebody a report go their own way, because reports may have to be read and
 * written at length. */
#include "base/codec.h"
#include "queue/bounce.h"
#include "queue/posting.h"
#include "queue/retry.h"
#include "queue/schedule_core.h"

enum { REPORT_GROUP = 16, LAST_TRIES = 3 };

struct paper { /* in the mail's arena */
    struct settlement settlement;
    struct settled *rows;
    struct record record;
    struct report_recipient *reports;
    size_t n_reports;
    utc_us earliest; /* of what is tried again */
    int tries;
};

/* ---- words ---- */

static struct str one_line(struct arena *a, struct str text)
{
    char *line = arena_alloc(a, text.n + 1);
    for (size_t i = 0; i < text.n; i++) line[i] = text.p[i] == '\n' ? ' ' : text.p[i];
    return str_of(line, text.n);
}

/* "mx.example.org said: 450 4.2.1 come back later", or what we say ourselves */
static struct str last_reply(struct arena *a, const struct contact *c, const struct outcome *o)
{
    struct buf *b = buf_in(a, 2 * LIMIT_SMTP_REPLY);
    if (o->remote) {
        buf_printf(b, "%.*s said: %d ", STR_FMT(c->host), o->code);
        if (o->status.class) buf_printf(b, "%u.%u.%u ", o->status.class, o->status.subject, o->status.detail);
    } else if (c->host.n) {
        buf_printf(b, "%.*s: ", STR_FMT(c->host));
    }
    buf_add(b, o->text);
    return one_line(a, str_head(buf_str(b), LIMIT_QUEUE_REPLY));
}

/* ---- what is to be written ---- */

static bool wants_success(const struct out_recipient *r)
{
    return r->item.notify & DSN_NOTIFY_SUCCESS && !r->outcome.passed_dsn;
}

static bool has_expired(const struct out_recipient *r, utc_us now) { return now >= r->item.expires; }

static bool owes_report(const struct out_recipient *r, utc_us now)
{
    switch (r->outcome.kind) {
    case OUTCOME_DELIVERED: return wants_success(r);
    case OUTCOME_FAILED: return true;
    case OUTCOME_DEFERRED: return has_expired(r, now) || retry_warns(&r->item, now);
    case OUTCOME_UNTRIED:
    case OUTCOME_DAMAGED:
    case OUTCOME_MOVED: return false;
    }
    return false;
}

static void owe(struct paper *p, const struct out_recipient *r, enum report_kind kind, bool expired)
{
    p->reports[p->n_reports++] =
        (struct report_recipient){.item = &r->item, .outcome = &r->outcome, .kind = kind, .expired = expired};
}

/* False: patience has ended. */
static bool put_deferred(struct scheduler *s, struct paper *p, const struct bundle *b, const struct out_recipient *r,
                         struct settled *row)
{
    uint64_t random;
    utc_us now = p->record.at;
    if (has_expired(r, b->tried_at)) return false;
    world_random(s->world, &random, sizeof random);
    row->what = SETTLE_DEFERRED;
    row->due = retry_due(now, r->item.attempts + 1, &r->outcome, random);
    row->last_reply = last_reply(b->parcel.arena, &b->parcel.contact, &r->outcome);
    row->warned = retry_warns(&r->item, now);
    if (row->due < p->earliest) p->earliest = row->due;
    return true;
}

/* Was it perhaps on its way when the server died? Then the next host may have it already. Rows say when they are due,
 * not that somebody has taken them: a write for each letter under way would cost more than this doubt. */
static bool may_have_gone(const struct scheduler *s, const struct bundle *b, const struct out_recipient *r)
{
    return !b->into_mailboxes && b->parcel.letter->received_at < s->interrupted_at &&
           (r->item.attempts == 0 || r->item.due <= s->interrupted_at + SPAN_QUEUE_LEASE);
}

/* One recipient: its row, and what the record says; of those that failed bounce_reports() says it. */
static void put_recipient(struct scheduler *s, struct paper *p, const struct bundle *b, const struct out_recipient *r,
                          struct settled *row)
{
    enum trace_kind kind = TRACE_ATTEMPT;
    *row = (struct settled){.number = r->item.number, .what = SETTLE_GONE};
    switch (r->outcome.kind) {
    case OUTCOME_DELIVERED:
        kind = TRACE_DELIVERED;
        if (may_have_gone(s, b, r)) record_doubt(&p->record, &r->item);
        if (wants_success(r)) owe(p, r, b->into_mailboxes ? REPORT_DELIVERED : REPORT_RELAYED, false);
        break;
    case OUTCOME_FAILED: owe(p, r, REPORT_FAILED, false); return;
    case OUTCOME_DEFERRED:
        if (!put_deferred(s, p, b, r, row)) {
            owe(p, r, REPORT_FAILED, true);
            return;
        }
        kind = TRACE_DEFERRED;
        if (row->warned) owe(p, r, REPORT_DELAYED, false);
        break;
    case OUTCOME_DAMAGED:
        kind = TRACE_HELD;
        row->what = SETTLE_HELD;
        row->last_reply = r->outcome.text;
        break;
    case OUTCOME_MOVED:
        kind = TRACE_ROUTED;
        row->what = SETTLE_MOVED;
        row->next_hop = r->outcome.text;
        break;
    case OUTCOME_UNTRIED: row->what = SETTLE_POSTPONED; row->due = r->item.due;
    }
    record_outcome(&p->record, kind, &r->item, &b->parcel.contact, &r->outcome);
}

static void write_paper(struct scheduler *s, struct bundle *b)
{
    struct arena *a = b->parcel.arena;
    size_t n = b->parcel.n;
    struct paper *p = arena_new_of(a, struct paper);
    p->rows = arena_array(a, n, sizeof *p->rows);
    p->reports = arena_array(a, n, sizeof *p->reports);
    p->earliest = INT64_MAX;
    record_resume(&p->record, a, clock_utc(s->world));
    record_tried(&p->record, b->parcel.tried, b->parcel.n_tried);
    for (size_t i = 0; i < n; i++) put_recipient(s, p, b, &b->parcel.v[i], &p->rows[i]);
    p->settlement = (struct settlement){
        .message = b->parcel.v[0].item.message,
        .recipients = p->rows,
        .n = n,
        .letters = b->handed,
        .n_letters = b->n_handed,
    };
    b->paper = p;
}

/* ---- reports ---- */

FIBER int mail_load(struct scheduler *s, struct mail *m, int64_t message, struct error *e)
{
    int r = store_queue_letter(s->queue->store, m->arena, message, &m->letter, e);
    m->loaded = r == 0;
    return r;
}

static void join_letters(struct arena *a, struct settlement *t, struct acceptance *letters, size_t n)
{
    struct acceptance *all = arena_array(a, t->n_letters + n, sizeof *all);
    if (t->n_letters) memcpy(all, t->letters, t->n_letters * sizeof *all);
    if (n) memcpy(all + t->n_letters, letters, n * sizeof *all);
    t->letters = all;
    t->n_letters += n;
}

/* The rows of the letter cannot be read any more, so nobody knows whom to tell: it is held for the owner. */
static void hold_instead(struct bundle *b, struct str why)
{
    struct outcome damaged = {.kind = OUTCOME_DAMAGED, .text = arena_str(b->parcel.arena, why)};
    for (size_t i = 0; i < b->parcel.n; i++)
        if (b->parcel.v[i].outcome.kind != OUTCOME_DELIVERED) b->parcel.v[i].outcome = damaged;
}

/* False: not now, the store has a fault. */
static FIBER bool write_reports(struct scheduler *s, struct bundle *b)
{
    struct paper *p = b->paper;
    struct error e = {0};
    struct acceptance *letters;
    size_t n;
    struct arena *a = arena_new(b->parcel.arena, 0); /* of this attempt */
    int r = b->mail->loaded ? 0 : mail_load(s, b->mail, p->settlement.message, &e);
    if (!r) r = bounce_reports(s->queue, a, &b->parcel, p->reports, p->n_reports, &letters, &n, &p->record, &e);
    if (r) arena_free(a);
    if (r == 0) join_letters(b->parcel.arena, &p->settlement, letters, n);
    else if (r == ERR_CORRUPT) {
        hold_instead(b, str_c(e.text));
        write_paper(s, b);
        return true;
    } else if (r != ERR_NOT_FOUND) { /* not found: it has been removed, and so will be its rows */
        LOG(s->log, LOG_ERROR, "queue.report", F_ID("id", p->settlement.message), F_STR("error", str_c(e.text)));
        return false;
    }
    p->n_reports = 0;
    return true;
}

/* ---- after the commit ---- */

static const char *event_name(enum outcome_kind k)
{
    static const char *const names[] = {
        [OUTCOME_UNTRIED] = "queue.untried", [OUTCOME_DELIVERED] = "queue.delivered",
        [OUTCOME_DEFERRED] = "queue.deferred", [OUTCOME_FAILED] = "queue.failed",
        [OUTCOME_DAMAGED] = "queue.held", [OUTCOME_MOVED] = "queue.moved",
    };
    return names[k];
}

static void tell(struct scheduler *s, const struct bundle *b)
{
    const struct parcel *p = &b->parcel;
    const struct outcome *o = &p->v[0].outcome;
    if (!s->log) return;
    LOG(s->log, LOG_INFO, event_name(o->kind), F_ID("id", p->v[0].item.message),
        F_STR("to", address_str(p->arena, p->v[0].item.final)), F_INT("recipients", p->n),
        F_STR("host", p->contact.host), F_STR("tls", p->contact.tls), F_INT("code", o->code),
        F_STR("reply", one_line(p->arena, o->text)));
}

static void count(struct scheduler *s, const struct bundle *b)
{
    for (size_t i = 0; i < b->parcel.n; i++) {
        enum outcome_kind k = b->parcel.v[i].outcome.kind;
        if (k == OUTCOME_DELIVERED) s->delivered++;
        else if (k == OUTCOME_DEFERRED) s->deferred++;
        else if (k == OUTCOME_FAILED) s->failed++;
    }
    s->settlements++;
}

/* Rows that moved are read anew under their new hop. */
static void follow_moved(struct scheduler *s, const struct bundle *b)
{
    for (size_t i = 0; i < b->parcel.n; i++) {
        const struct outcome *o = &b->parcel.v[i].outcome;
        if (o->kind != OUTCOME_MOVED) continue;
        struct hop *h = hop_of(s, o->text);
        if (!h) {
            s->hops_missing = true;
            continue;
        }
        hop_has_more(s, h, (struct queue_place){0});
        hop_check(s, h);
        finder_expect(s, clock_utc(s->world) + SPAN_QUEUE_LEASE); /* it may not be due before */
    }
}

static void is_settled(struct scheduler *s, struct bundle *b)
{
    const struct settlement *t = &b->paper->settlement;
    tell(s, b);
    count(s, b);
    posting_accepted(s->queue, t->letters, t->n_letters);
    finder_expect(s, b->paper->earliest);
    if (s->reading) list_push(&s->departed, &b->link);
    follow_moved(s, b);
    if (!s->reading) bundle_free(s, b);
    if (s->room_wanted && !scheduler_is_half_full(s)) finder_wake(s);
}

/* ---- the fibers ---- */

void settle(struct scheduler *s, struct bundle *b)
{
    struct settler *t = &s->plain;
    if (!b->tried_at) b->tried_at = clock_utc(s->world);
    for (size_t i = 0; i < b->parcel.n; i++)
        if (owes_report(&b->parcel.v[i], b->tried_at)) t = &s->reporting;
    list_push(&t->bundles, &b->link);
    if (t->fiber) fiber_wake(t->fiber);
}

/* What was written of it cannot be, whatever the disk does: an account is gone that a report was for. It is thought out
 * anew. */
static bool is_outdated(int result)
{
    return result != ERR_UNKNOWN && result != ERR_UNAVAILABLE && result != ERR_NO_SPACE && result != ERR_IO;
}

/* NULL: it is carried anew. */
static struct bundle *think_again(struct scheduler *s, struct bundle *b)
{
    b->paper = NULL;
    if (!b->n_handed) return b;
    struct hop *h = hop_of(s, b->parcel.v[0].item.next_hop); /* its own may have been forgotten */
    if (!h) s->hops_missing = true;
    bundle_free(s, b);
    if (!h) return NULL;
    hop_has_more(s, h, (struct queue_place){0});
    hop_check(s, h);
    return NULL;
}

/* The store did not take it. It was carried all the same: this must be written down, or it is carried again. When we
 * have to go, it is left to be tried again by whoever comes after us. */
static void keep_or_drop(struct settler *t, struct bundle *b)
{
    if (t->scheduler->stopping && b->paper && ++b->paper->tries >= LAST_TRIES) bundle_free(t->scheduler, b);
    else list_push(&t->bundles, &b->link);
}

static FIBER void wait_a_little(void)
{
    if (fiber_sleep(SECONDS(1))) fiber_yield();
}

static FIBER void settle_group(struct settler *t, struct bundle **v, size_t n)
{
    struct scheduler *s = t->scheduler;
    struct arena *a = arena_new(NULL, 0);
    struct settlement *all = arena_array(a, n, sizeof *all);
    bool failed = false;
    for (size_t i = 0; i < n; i++) {
        all[i] = v[i]->paper->settlement;
        all[i].events = v[i]->paper->record.events;
        all[i].n_events = v[i]->paper->record.n;
    }
    store_settle(s->queue->store, all, n);
    s->groups++;
    for (size_t i = 0; i < n; i++) {
        v[i]->paper->settlement = all[i];
        v[i]->paper->settlement.again = true;
        if (all[i].result == 0) {
            is_settled(s, v[i]);
            continue;
        }
        LOG(s->log, LOG_ERROR, "queue.settle", F_ID("id", all[i].message), F_STR("error", str_c(all[i].error.text)));
        failed = true;
        if (is_outdated(all[i].result) && all[i].n_letters) v[i] = think_again(s, v[i]);
        if (v[i]) keep_or_drop(t, v[i]);
    }
    arena_free(a);
    if (failed) wait_a_little();
}

/* The next of the list, ready to be settled; NULL: none, or one that must wait while others go on. */
static FIBER struct bundle *next_ready(struct settler *t)
{
    struct scheduler *s = t->scheduler;
    struct list *first = list_shift(&t->bundles);
    if (!first) return NULL;
    struct bundle *b = list_entry(first, struct bundle, link);
    if (!b->paper) write_paper(s, b);
    if (b->paper->n_reports == 0 || write_reports(s, b)) return b;
    keep_or_drop(t, b);
    return NULL;
}

void settler_end(struct settler *t)
{
    t->ended = true;
    if (t->fiber) fiber_wake(t->fiber);
}

void settler_run(void *settler)
{
    struct settler *t = settler;
    struct scheduler *s = t->scheduler;
    size_t most = t == &s->plain ? LIMIT_SETTLE_GROUP : REPORT_GROUP;
    struct bundle *v[LIMIT_SETTLE_GROUP];
    t->fiber = fiber_self();
    for (;;) {
        size_t n = 0;
        while (n < most && (v[n] = next_ready(t))) n++;
        if (n > 0) settle_group(t, v, n);
        else if (!list_empty(&t->bundles)) wait_a_little();
        else if (t->ended) break;
        else fiber_park_whatever();
    }
    t->fiber = NULL;
    scheduler_fiber_ends(s);
}
