/* Accepting a letter: everything one 250 promises, in one transaction (design.md, "The life of a message").
 *
 * The body is in a pack and synced before the transaction begins. Then the rows: the body, an email and an entry for
 * each delivery, what waits in the queue, the counters of the submitter, and one row of the record. */
#include <stdlib.h>

#include "base/utf8.h"
#include "mail/limits.h"
#include "store/inside.h"

enum { THREAD_REFS = 20 }; /* Message-IDs of one letter that are looked at and remembered */

/* ---- bodies, before the transaction ---- */

static struct str envelope_of(struct store *s, const struct acceptance *a)
{
    struct buf *b = buf_in(s->writer.arena, RECORD_MAX);
    record_pack_envelope(b, &a->from, a->recipients, a->n_recipients, a->received_at);
    return buf_str(b);
}

static struct acceptance *letters_of(const struct job *j, size_t *n)
{
    *n = 0;
    return j->kind->letters && !j->placed && j->result == 0 ? j->kind->letters(j->args, n) : NULL;
}

/* Its body has a place since it was finished. */
static bool is_placed(const struct acceptance *a) { return body_stream(a->body) != NULL; }

static size_t count_unplaced(const struct job *j)
{
    size_t n, unplaced = 0;
    const struct acceptance *a = letters_of(j, &n);
    for (size_t i = 0; i < n; i++) unplaced += !is_placed(&a[i]);
    return unplaced;
}

/* All bodies that have no place yet, with one write. */
static int place(struct store *s, struct job **jobs, size_t n, struct error *e)
{
    size_t all = 0, at = 0, n_letters;
    for (size_t i = 0; i < n; i++) all += count_unplaced(jobs[i]);
    if (all == 0) return 0;
    struct pack_record *records = arena_array(s->writer.arena, all, sizeof *records);
    struct iovec *pieces = arena_array(s->writer.arena, all, sizeof *pieces);
    for (size_t i = 0; i < n; i++) {
        const struct acceptance *a = letters_of(jobs[i], &n_letters);
        for (size_t k = 0; k < n_letters; k++) {
            if (is_placed(&a[k])) continue;
            struct str bytes = body_bytes(a[k].body);
            pieces[at] = (struct iovec){(void *)(uintptr_t)bytes.p, bytes.n};
            records[at] = (struct pack_record){.body = body_id(a[k].body),
                                               .envelope = envelope_of(s, &a[k]),
                                               .pieces = &pieces[at],
                                               .n_pieces = 1,
                                               .length = (int64_t)bytes.n};
            at++;
        }
    }
    int r = packs_append(s->packs, records, all, e);
    if (r) return r;
    at = 0;
    for (size_t i = 0; i < n; i++) {
        const struct acceptance *a = letters_of(jobs[i], &n_letters);
        for (size_t k = 0; k < n_letters; k++)
            if (!is_placed(&a[k])) *body_placed(a[k].body) = records[at++].place;
        jobs[i]->placed = n_letters > 0;
    }
    return 0;
}

/* Those whose bodies have no place. */
static void refuse(struct job **jobs, size_t n, int result, const struct error *e, bool only_new_mail)
{
    for (size_t i = 0; i < n; i++) {
        if (count_unplaced(jobs[i]) == 0 || (only_new_mail && !jobs[i]->kind->new_mail)) continue;
        jobs[i]->error = *e;
        jobs[i]->error.code = jobs[i]->result = result == ERR_NO_SPACE ? result : ERR_UNAVAILABLE;
    }
}

void accept_place(struct store *s, struct job **jobs, size_t n)
{
    struct error e = {0};
    int r = place(s, jobs, n, &e);
    if (r == ERR_NO_SPACE) { /* what there is is for letters that must go on: reports */
        refuse(jobs, n, r, &e, true);
        r = place(s, jobs, n, &e);
        if (r == ERR_NO_SPACE && space_release(s->space)) r = place(s, jobs, n, &e);
    }
    if (r) refuse(jobs, n, r, &e, false);
}

int64_t accept_bytes(const struct acceptance *a) { return (int64_t)body_bytes(a->body).n; }

void accept_committed(struct store *s, const struct acceptance *a, bool sure)
{
    body_kept(a->body);
    if (!sure) return;
    s->count.messages += (int64_t)a->n_deliveries;
    s->count.queue_rows += (int64_t)a->n_queue;
}

/* ---- rows ---- */

int accept_body(struct store *s, const struct acceptance *a, struct error *e)
{
    const struct body_facts *f = a->facts;
    char bytes[PLACE_MAX];
    struct buf place = BUF_OVER(bytes);
    place_pack(&place, body_placed(a->body));
    struct query q = db_query(s->writer.db, SQL_BODY_INSERT);
    q_int(&q, body_id(a->body));
    q_bytes(&q, sha256_str(&f->sha256));
    q_int(&q, body_size(a->body));
    q_bytes(&q, buf_str(&place));
    q_int(&q, f->version);
    q_int(&q, f->sent_at);
    q_int(&q, f->has_attachment);
    q_bytes(&q, f->envelope);
    q_bytes(&q, f->structure);
    q_bytes(&q, f->preview);
    int r = q_run(&q, e);
    if (r || !body_stream(a->body)) return r;
    struct pack_durable own = pack_stream_durable(body_stream(a->body));
    q = db_query(s->writer.db, SQL_PACK_PUT);
    q_int(&q, own.pack);
    q_int(&q, own.size);
    q_int(&q, 1);
    return q_run(&q, e);
}

/* The thread that knows a Message-ID: ERR_NOT_FOUND when none does. */
static int find_thread(struct store *s, int64_t account, uint64_t hash, int64_t *thread, struct error *e)
{
    struct query q = db_query(s->writer.db, SQL_THREAD);
    q_int(&q, account);
    q_int(&q, (int64_t)hash);
    return q_one_int(&q, thread, e);
}

static int put_thread(struct store *s, int64_t account, uint64_t hash, int64_t thread, bool *is_new, struct error *e)
{
    struct query q = db_query(s->writer.db, SQL_THREAD_PUT);
    q_int(&q, account);
    q_int(&q, (int64_t)hash);
    q_int(&q, thread);
    int r = q_run(&q, e);
    *is_new = !r && q_changed(&q) == 1;
    return r;
}

uint64_t store_thread_ref(struct str message_id)
{
    struct sha256 h = sha256_of(message_id);
    uint64_t v;
    memcpy(&v, h.b, sizeof v);
    return v;
}

/* The thread of a letter in an account: that of the first of its Message-IDs which is known there, else its own. All of
 * them belong to it from now on; what a Message-ID belongs to never changes. */
int accept_thread(struct store *s, int64_t account, const uint64_t *refs, size_t n_refs, int64_t email, int64_t *thread,
                  struct error *e)
{
    size_t n = n_refs < THREAD_REFS ? n_refs : THREAD_REFS, known = n;
    bool is_new = false;
    *thread = email;
    if (n == 0) return 0;
    if (n == 1) { /* most letters: one statement */
        int r = put_thread(s, account, refs[0], email, &is_new, e);
        return r || is_new ? r : find_thread(s, account, refs[0], thread, e);
    }
    for (size_t i = 0; i < n; i++) {
        int r = find_thread(s, account, refs[i], thread, e);
        if (r == 0) known = i;
        else if (r != ERR_NOT_FOUND) return r;
        if (r == 0) break;
    }
    for (size_t i = 0; i < n; i++) {
        int r = i == known ? 0 : put_thread(s, account, refs[i], *thread, &is_new, e);
        if (r) return r;
    }
    return 0;
}

static int insert_email(struct store *s, const struct acceptance *a, const struct delivery *d,
                        const struct entry *entry, int64_t thread, struct error *e)
{
    char *prefixes = arena_alloc(s->writer.arena, d->prefix.n + a->prefix.n);
    memcpy(prefixes, d->prefix.p ? d->prefix.p : "", d->prefix.n);
    memcpy(prefixes + d->prefix.n, a->prefix.p ? a->prefix.p : "", a->prefix.n);
    struct query q = db_query(s->writer.db, SQL_EMAIL_INSERT);
    q_int(&q, entry->email);
    q_int(&q, d->account);
    q_int(&q, thread);
    q_int(&q, body_id(a->body));
    q_int(&q, entry->size);
    q_int(&q, a->received_at);
    q_int(&q, clock_utc(s->world));
    q_int(&q, (int64_t)entry->modseq);
    q_bytes(&q, str_of(prefixes, d->prefix.n + a->prefix.n));
    return q_run(&q, e);
}

int accept_deliver(struct store *s, const struct acceptance *a, struct delivery *d, struct error *e)
{
    struct account_row *account;
    struct mailbox_row *mailbox;
    int r = rows_account(s, d->account, &account, e);
    if (!r) r = rows_mailbox(s, d->mailbox ? d->mailbox : account->inbox, &mailbox, e);
    if (r) return r;
    if (mailbox->account != d->account) return error_set(e, ERR_NOT_FOUND, "the mailbox is another account's");
    struct entry entry = {.flags = d->flags, .email = store_new_id(s),
                          .size = (int64_t)(d->prefix.n + a->prefix.n) + body_size(a->body)};
    int64_t thread;
    r = rows_append(s, mailbox, account, &entry, e);
    const struct body_facts *f = a->facts;
    if (!r) r = accept_thread(s, d->account, f->thread_refs, f->n_thread_refs, entry.email, &thread, e);
    if (!r) r = insert_email(s, a, d, &entry, thread, e);
    d->email = entry.email;
    d->uid = entry.uid;
    return r;
}

static int insert_queue_message(struct store *s, const struct acceptance *a, struct error *e)
{
    struct query q = db_query(s->writer.db, SQL_QUEUE_MESSAGE_INSERT);
    q_int(&q, a->id);
    q_int(&q, body_id(a->body));
    q_int(&q, a->submitter);
    q_int(&q, a->authenticated);
    q_int(&q, a->received_at);
    q_int(&q, (int64_t)a->prefix.n + body_size(a->body));
    q_bytes(&q, a->from.address.local);
    q_bytes(&q, a->from.address.domain);
    q_bytes(&q, a->from.envid);
    q_int(&q, a->from.ret);
    q_int(&q, a->needs_8bit);
    q_int(&q, a->needs_utf8);
    q_bytes(&q, a->prefix);
    q_bytes(&q, utf8_head(a->facts->message_id, RECORD_TEXT));
    q_bytes(&q, utf8_head(a->facts->subject, RECORD_SUBJECT));
    return q_run(&q, e);
}

static int insert_queued(struct store *s, const struct acceptance *a, int64_t number, struct error *e)
{
    const struct queued *w = &a->queue[number];
    const struct forward_path *to = &a->recipients[w->recipient].path;
    utc_us not_before = w->not_before > a->received_at ? w->not_before : a->received_at;
    struct query q = db_query(s->writer.db, SQL_QUEUE_RECIPIENT_INSERT);
    q_int(&q, a->id);
    q_int(&q, number);
    q_int(&q, w->recipient);
    q_bytes(&q, w->final.local);
    q_bytes(&q, w->final.domain);
    q_bytes(&q, to->address.local);
    q_bytes(&q, to->address.domain);
    q_bytes(&q, to->orcpt);
    q_int(&q, w->notify);
    q_int(&q, w->forwarded);
    q_bytes(&q, w->next_hop);
    q_int(&q, not_before);
    q_int(&q, not_before + (w->leased ? SPAN_QUEUE_LEASE : 0));
    q_int(&q, w->expires);
    q_bytes(&q, S(""));
    q_int(&q, w->priority);
    return q_run(&q, e);
}

/* Sessions of one account that send at the same time are told apart only here. */
static int over_limit(struct error *e, const char *span, int64_t limit, utc_us ends)
{
    char text[40];
    struct buf b = BUF_OVER(text);
    time_put_rfc3339(&b, ends);
    return error_set(e, ERR_DENIED, "%lld recipients a%s is the limit; it ends at %.*s", (long long)limit, span,
                     STR_FMT(buf_str(&b)));
}

static int count_submission(struct store *s, const struct acceptance *a, struct error *e)
{
    struct account_row *account;
    int r = rows_account(s, a->submitter, &account, e);
    if (r) return r;
    account->usage = submission_roll(account->usage, a->received_at);
    account->usage.hour += a->submitted_recipients;
    account->usage.day += a->submitted_recipients;
    if (a->per_hour && account->usage.hour > a->per_hour)
        return over_limit(e, "n hour", a->per_hour, account->usage.hour_ends);
    if (a->per_day && account->usage.day > a->per_day)
        return over_limit(e, " day", a->per_day, account->usage.day_ends);
    rows_touch_submission(s, account);
    return 0;
}

/* The events with the UIDs that deliveries have got now, where the caller left them open. */
static const struct trace_event *with_uids(struct store *s, const struct acceptance *a)
{
    struct trace_event *events = arena_array(s->writer.arena, a->n_events, sizeof *events);
    if (a->n_events) memcpy(events, a->events, a->n_events * sizeof *events);
    for (size_t i = 0, d = 0; i < a->n_events; i++) {
        if (events[i].kind != TRACE_DELIVERED || events[i].number != 0) continue;
        size_t k = d; /* what a route of the owner's throws away is delivered, too, but into no mailbox */
        while (k < a->n_deliveries && (int64_t)a->deliveries[k].recipient != events[i].recipient) k++;
        if (k == a->n_deliveries) continue;
        events[i].number = a->deliveries[k].uid;
        d = k + 1;
    }
    return events;
}

static int record(struct store *s, const struct acceptance *a, struct error *e)
{
    struct record r = {.session = a->session, .message = a->id, .at = a->received_at, .sender = a->from.address,
                       .subject = a->facts->subject, .message_id = a->facts->message_id, .recipients = a->recipients,
                       .n_recipients = a->n_recipients, .events = with_uids(s, a), .n_events = a->n_events};
    struct buf *b = buf_in(s->writer.arena, RECORD_MAX);
    record_pack(b, &r);
    if (b->failed) return error_set(e, ERR_TOO_LONG, "the message's record would be over %d bytes", RECORD_MAX);
    return trace_insert(s, a->session, a->id, buf_str(b), e);
}

int accept_write(struct store *s, struct acceptance *a, struct error *e)
{
    int r = accept_body(s, a, e);
    for (size_t i = 0; !r && i < a->n_deliveries; i++) r = accept_deliver(s, a, &a->deliveries[i], e);
    if (!r && a->n_queue) r = insert_queue_message(s, a, e);
    for (size_t i = 0; !r && i < a->n_queue; i++) r = insert_queued(s, a, (int64_t)i, e);
    if (!r && a->submitter && a->submitted_recipients) r = count_submission(s, a, e);
    return r ? r : record(s, a, e);
}

/* ---- the job ---- */

struct letters { /* args of the job */
    struct acceptance *v;
    size_t n;
};

static int run_accept(struct store *s, void *args, struct error *e)
{
    const struct letters *l = args;
    int r = 0;
    for (size_t i = 0; !r && i < l->n; i++) r = accept_write(s, &l->v[i], e);
    return r;
}

static struct acceptance *accepted_letters(void *args, size_t *n)
{
    const struct letters *l = args;
    *n = l->n;
    return l->v;
}

static void accepted(struct store *s, void *args, bool sure)
{
    const struct letters *l = args;
    for (size_t i = 0; i < l->n; i++) accept_committed(s, &l->v[i], sure);
}

static const struct job_kind accept_job = {
    .name = "accept", .run = run_accept, .letters = accepted_letters, .committed = accepted, .new_mail = true};

FIBER int store_accept_all(struct store *s, struct acceptance *v, size_t n, struct error *e)
{
    struct letters letters = {v, n};
    int64_t bytes = 0;
    for (size_t i = 0; i < n; i++) bytes += accept_bytes(&v[i]);
    return store_job(s, &accept_job, &letters, bytes, e);
}

FIBER int store_accept(struct store *s, struct acceptance *a, struct error *e) { return store_accept_all(s, a, 1, e); }
