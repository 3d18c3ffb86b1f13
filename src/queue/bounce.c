/* Who is told of a letter's fate, and what: sorting the recipients by reader, and a report for each reader. RFC 3461
 * §5.2, §6.2; RFC 3464 §2; RFC 3834 §2 (whom no automatic answer may go to). */
#include "queue/bounce.h"

#include "mail/limits.h"
#include "proto/dsn/explain.h"
#include "queue/report.h"

struct readers { /* being sorted */
    const struct queue *queue;
    struct arena *arena;
    const struct parcel *parcel;
    const struct directory *directory;
    struct reader {
        struct address address; /* as it is written to */
        bool owner;             /* of an alias; else the sender */
        struct dsn_recipient *v;
        size_t n, room;
        bool failed; /* something is */
    } * v;
    size_t n, room;
    struct record record; /* what is told of the recipients; of `parcel`'s message */
};

/* ---- does it concern anybody? ---- */

bool bounce_is_asked(const struct queue_letter *letter, const struct report_recipient *r)
{
    unsigned notify = r->item->notify;
    if (address_is_null(letter->from.address) || notify & DSN_NOTIFY_NEVER) return false;
    switch (r->kind) {
    case REPORT_FAILED: return notify == DSN_NOTIFY_UNSAID || notify & DSN_NOTIFY_FAILURE; /* RFC 3461 §4.1 */
    case REPORT_DELAYED: return notify == DSN_NOTIFY_UNSAID ? letter->authenticated : (notify & DSN_NOTIFY_DELAY) != 0;
    case REPORT_RELAYED: return notify & DSN_NOTIFY_SUCCESS && !r->outcome->passed_dsn; /* RFC 3461 §5.2.2 */
    case REPORT_DELIVERED:
    case REPORT_EXPANDED: return (notify & DSN_NOTIFY_SUCCESS) != 0;
    }
    return false;
}

/* ---- who is told ---- */

static void resolve(const struct readers *w, struct address address, struct route *out)
{
    const struct route_question question = {.rcpt = address, .size = -1, .now = w->record.at};
    route_resolve(w->arena, w->directory, &w->queue->rules, &question, out);
}

/* An address of a domain of ours that leads somewhere. */
static bool is_ours(const struct readers *w, struct address address)
{
    struct route route;
    resolve(w, address, &route);
    return route.refusal.code == 0 && !route.relay;
}

/* Whose alias led the letter away? */
static struct address owner_of(const struct readers *w, const struct queue_item *item)
{
    const struct directory_account *only = NULL;
    struct address postmaster = {S("postmaster"), item->original.domain};
    struct route route;
    size_t accounts = 0;
    resolve(w, item->original, &route);
    for (size_t i = 0; route.refusal.code == 0 && i < route.n; i++) {
        const struct directory_account *account = route.targets[i].account;
        if (!account || account == only) continue;
        only = account;
        accounts++;
    }
    if (accounts == 1) return only->shown;
    if (!is_ours(w, postmaster)) postmaster.domain = w->queue->rules.hostname; /* the domain has left us since */
    return postmaster;
}

/* False, with the reason, when nobody is. */
static bool find_reader(const struct readers *w, const struct report_recipient *r, struct reader *out, struct str *why)
{
    const struct queue_letter *letter = w->parcel->letter;
    *why = S("");
    if (!bounce_is_asked(letter, r)) {
        *why = address_is_null(letter->from.address) ? S("its sender is <>") : S("the sender did not want to be");
        return false;
    }
    *out = (struct reader){.address = letter->from.address};
    if (letter->authenticated) return true;
    if (r->kind == REPORT_FAILED && r->item->forwarded) {
        *out = (struct reader){.address = owner_of(w, r->item), .owner = true};
        return true;
    }
    /* We gave our word for it, and nobody who hopes for backscatter waits five days for it. */
    if (r->expired || is_ours(w, letter->from.address)) return true;
    *why = S("its sender was not authenticated, who knows whether he sent it");
    return false;
}

static bool is_same(struct arena *a, const struct reader *x, const struct reader *y)
{
    return x->owner == y->owner && str_eq(address_str(a, x->address), address_str(a, y->address));
}

static struct reader *reader_of(struct readers *w, const struct reader *wanted)
{
    for (size_t i = 0; i < w->n; i++)
        if (is_same(w->arena, &w->v[i], wanted)) return &w->v[i];
    w->v = arena_grow(w->arena, w->v, w->n, &w->room, sizeof *w->v);
    w->v[w->n] = *wanted;
    return &w->v[w->n++];
}

/* ---- what he is told ---- */

/* The peer's words as they came, with their codes: "550 5.1.1 no such user". */
static struct str diagnostic_of(struct arena *a, const struct outcome *o)
{
    if (!o->remote || o->code == 0) return o->remote ? o->text : S("");
    if (!o->status.class) return arena_printf(a, "%d %.*s", o->code, STR_FMT(o->text));
    return arena_printf(a, "%d %u.%u.%u %.*s", o->code, o->status.class, o->status.subject, o->status.detail,
                        STR_FMT(o->text));
}

/* Our own words as a sentence. */
static struct str sentence(struct arena *a, struct str words)
{
    if (words.n == 0) return S("");
    char last = words.p[words.n - 1];
    return arena_printf(a, "%c%.*s%s", ch_upper(words.p[0]), STR_FMT(str_skip(words, 1)),
                        last == '.' || last == '!' || last == '?' ? "" : ".");
}

static struct str reason_of(struct arena *a, const struct queue_letter *letter, const struct report_recipient *r)
{
    const struct outcome *o = r->outcome;
    struct str own = o->remote ? S("") : sentence(a, o->text);
    if (r->kind == REPORT_FAILED && r->expired) {
        utc_us from = r->item->not_before > letter->received_at ? r->item->not_before : letter->received_at;
        long long days = (r->item->expires - from) / DAYS(1);
        struct str cause = own.n ? own : dsn_explain(o->status);
        if (days > 1) return arena_printf(a, "It was tried again and again for %lld days. %.*s", days, STR_FMT(cause));
        return arena_printf(a, "It was tried again and again, in vain. %.*s", STR_FMT(cause));
    }
    if (r->kind == REPORT_FAILED) return o->remote ? S("The mail server there refused it.") : own;
    if (r->kind == REPORT_DELAYED) return o->remote ? S("The mail server there asks to try again later.") : own;
    return S("");
}

static struct status status_of(const struct report_recipient *r)
{
    if (r->kind == REPORT_FAILED && r->expired) return E(4, 4, 7); /* RFC 3463 §3.5 */
    return r->outcome->status;
}

/* Whom the sender meant: ORCPT, and where an alias leads, the alias (RFC 3461 §5.2.7.3). */
static struct str original_of(struct arena *a, const struct queue_item *item)
{
    if (item->orcpt.n || !item->forwarded) return item->orcpt;
    return arena_printf(a, "rfc822;%.*s", STR_FMT(address_str(a, item->original)));
}

static void tell(struct readers *w, struct reader *reader, const struct report_recipient *r)
{
    static const enum dsn_action actions[] = {
        [REPORT_FAILED] = DSN_FAILED,       [REPORT_DELAYED] = DSN_DELAYED,   [REPORT_RELAYED] = DSN_RELAYED,
        [REPORT_DELIVERED] = DSN_DELIVERED, [REPORT_EXPANDED] = DSN_EXPANDED,
    };
    struct arena *a = w->arena;
    const struct contact *contact = &w->parcel->contact;
    reader->v = arena_grow(a, reader->v, reader->n, &reader->room, sizeof *reader->v);
    reader->failed |= r->kind == REPORT_FAILED;
    reader->v[reader->n++] = (struct dsn_recipient){
        .original = original_of(a, r->item),
        .final = r->item->final,
        .action = actions[r->kind],
        .status = status_of(r),
        .remote_host = r->outcome->remote ? contact->host : S(""),
        .remote_ip = r->outcome->remote ? contact->address.ip : (struct ip){0},
        .diagnostic = diagnostic_of(a, r->outcome),
        .reason = reason_of(a, w->parcel->letter, r),
        .last_attempt = w->record.at,
        .will_retry_until = r->kind == REPORT_DELAYED ? r->item->expires : 0,
    };
}

/* ---- the letters ---- */

/* The first bytes of the letter about which it is; none when the store has lost them. */
static FIBER int read_letter(const struct readers *w, size_t n, struct str *out, struct error *e)
{
    const struct parcel *p = w->parcel;
    struct error lost = {0};
    *out = str_head(p->bytes, n);
    if (p->bytes.n || !p->letter->letter) return 0;
    int r = store_letter_read(w->queue->store, w->arena, p->letter->letter, 0, n, out, &lost);
    if (r == 0) return 0;
    *out = STR_NONE;
    if (r == ERR_CORRUPT || r == ERR_NOT_FOUND) return 0;
    if (e) *e = lost;
    return r;
}

/* RFC 3461 §6.2: the whole letter only in reports of failures, if the sender wants it, and not if it is long. */
static FIBER int returned_to(const struct readers *w, const struct reader *reader, struct str *out, bool *whole,
                             struct error *e)
{
    const struct parcel *p = w->parcel;
    int64_t size = p->bytes.n ? (int64_t)p->bytes.n : p->letter->letter ? p->letter->letter->size : 0;
    *whole = p->letter->from.ret == DSN_RET_FULL && reader->failed && !reader->owner && size <= LIMIT_BOUNCE_RETURNED;
    int r = read_letter(w, *whole ? (size_t)size : LIMIT_BOUNCE_RETURNED + 1, out, e);
    if (!r && !*whole) *out = report_header(*out);
    return r;
}

static FIBER int write_report(const struct readers *w, struct reader *reader, struct acceptance *out, struct error *e)
{
    const struct queue_letter *letter = w->parcel->letter;
    struct dsn_report report = {
        .to = reader->address,
        .to_owner = reader->owner,
        .in_reply_to = letter->message_id,
        .arrived = letter->received_at,
        .envid = reader->owner ? S("") : letter->from.envid,
        .subject = letter->subject,
        .queue_id = letter->id,
        .utf8 = letter->from.smtputf8 || !address_is_ascii(reader->address),
        .v = reader->v,
        .n = reader->n,
    };
    for (size_t i = 0; i < reader->n; i++) report.utf8 |= !address_is_ascii(reader->v[i].final);
    int r = returned_to(w, reader, &report.returned, &report.returned_whole, e);
    if (!r) r = report_post(w->queue, w->arena, &report, reader->owner ? 0 : letter->submitter, out, e);
    reader->address = report.to;
    return r;
}

static struct str what_of(const struct reader *reader)
{
    static const struct str what[] = {
        [DSN_FAILED] = S_INIT("a report of failure"),      [DSN_DELAYED] = S_INIT("a warning of delay"),
        [DSN_DELIVERED] = S_INIT("a report of delivery"),  [DSN_RELAYED] = S_INIT("a report of its passing on"),
        [DSN_EXPANDED] = S_INIT("a report of its passing on"),
    };
    return what[reader->failed ? DSN_FAILED : reader->v[0].action];
}

static FIBER int write_reports(struct readers *w, struct acceptance *letters, size_t *n_letters, struct error *e)
{
    *n_letters = 0;
    for (size_t i = 0; i < w->n; i++) {
        struct acceptance *letter = &letters[*n_letters];
        struct reader *reader = &w->v[i];
        struct error why = {0};
        int r = write_report(w, reader, letter, &why);
        if (r == ERR_NOT_FOUND) {
            struct str address = address_str(w->arena, reader->address);
            record_unreported(&w->record, -1, arena_printf(w->arena, "%.*s: %s", STR_FMT(address), why.text));
            continue;
        }
        if (r && e) *e = why;
        if (r) return r;
        record_reported(&w->record, reader->address, what_of(reader), letter->id);
        (*n_letters)++;
    }
    return 0;
}

FIBER int bounce_reports(const struct queue *q, struct arena *a, const struct parcel *p,
                         const struct report_recipient *v, size_t n, struct acceptance **letters, size_t *n_letters,
                         struct record *record, struct error *e)
{
    struct readers w = {.queue = q, .arena = a, .parcel = p, .directory = store_directory_in(a, q->store),
                        .record = *record};
    for (size_t i = 0; i < n; i++) {
        const struct report_recipient *r = &v[i];
        struct reader wanted;
        struct str why;
        bool failed = r->kind == REPORT_FAILED;
        if (failed)
            record_outcome(&w.record, r->expired ? TRACE_EXPIRED : TRACE_BOUNCED, r->item, &p->contact, r->outcome);
        if (find_reader(&w, r, &wanted, &why)) tell(&w, reader_of(&w, &wanted), r);
        else if (failed) record_unreported(&w.record, (int32_t)r->item->recipient, why);
    }
    *letters = arena_array(a, w.n + 1, sizeof **letters);
    *n_letters = 0;
    int done = write_reports(&w, *letters, n_letters, e);
    if (done) *n_letters = 0;
    else *record = w.record;
    return done;
}
