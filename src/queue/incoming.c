/* Receiving a letter: gather the header, judge and edit it, let the rest flow to the body writer and the MIME parser,
 * derive what the store keeps, plan the deliveries, commit. RFC 5321 §4.4 (trace fields), §6.3 (loops); RFC 6409 §8;
 * RFC 8601 §5. */
#include "queue/incoming.h"

#include "base/codec.h"
#include "base/utf8.h"
#include "mail/limits.h"
#include "proto/imf/edit.h"
#include "proto/imf/field.h"
#include "proto/imf/received.h"
#include "proto/mime/derive.h"
#include "queue/record.h"

struct incoming {
    const struct queue *queue;
    struct arena *arena;
    const struct transaction *t;
    const struct incoming_rules *rules;
    const struct incoming_recipient *rcpt;
    size_t n_rcpt;
    struct body *body;
    bool enveloped;
    struct mime_parser *parser;
    struct buf *header;           /* the header as it came, until it is whole */
    bool header_done;
    char last[2]; /* the last bytes, to see whether it ends with CRLF */
    struct str *delivered_to; /* the Delivered-To fields it came with */
    size_t n_delivered_to;
    struct reply refusal;
};

static void refuse(struct incoming *in, struct reply r)
{
    if (in->refusal.code == 0) in->refusal = r;
}

static struct reply reply_of_error(int code, const struct error *e)
{
    switch (code) {
    case ERR_DENIED: return R(450, E(4, 7, 1), "%s", e->text); /* the submitter's limit */
    case ERR_NO_SPACE: return R(452, E(4, 3, 1), "the disk is full; try again later");
    case ERR_UNAVAILABLE: return R(451, E(4, 3, 0), "the store takes nothing at the moment; try again later");
    case ERR_TOO_LONG: return R(552, E(5, 3, 4), "the message is too large");
    default: return R(451, E(4, 3, 0), "the message could not be stored; try again later");
    }
}

struct incoming *incoming_begin(const struct queue *q, struct arena *a, const struct transaction *t,
                                const struct incoming_rules *rules, const struct incoming_recipient *rcpt, size_t n)
{
    struct incoming *in = arena_new_of(a, struct incoming);
    *in = (struct incoming){.queue = q, .arena = a, .t = t, .rules = rules, .rcpt = rcpt, .n_rcpt = n};
    in->body = body_begin(q->store, a);
    in->parser = mime_parser_new(a);
    in->header = buf_in(a, 2 * LIMIT_HEADER);
    return in;
}

/* ---- the bytes ---- */

static struct trace_recipient *recipients_of(const struct incoming *in)
{
    struct trace_recipient *v = arena_array(in->arena, in->n_rcpt, sizeof *v);
    for (size_t i = 0; i < in->n_rcpt; i++) {
        v[i].path = in->rcpt[i].path;
        if (in->rcpt[i].route->n == 1) v[i].final = in->rcpt[i].route->targets[0].final;
    }
    return v;
}

/* A letter too large for memory takes its envelope along into its pack. */
static void envelop(struct incoming *in)
{
    body_envelope(in->body, &in->t->from, recipients_of(in), in->n_rcpt, in->t->at);
    in->enveloped = true;
}

static FIBER void keep(struct incoming *in, struct str bytes)
{
    if (bytes.n == 0 || in->refusal.code) return;
    struct error e = {0};
    if (!in->enveloped && body_size(in->body) + (int64_t)bytes.n > LIMIT_BODY_MEMORY) envelop(in);
    int r = body_write(in->body, bytes, &e);
    if (r) {
        refuse(in, reply_of_error(r, &e));
        return;
    }
    mime_parser_feed(in->parser, bytes);
    if (bytes.n > 1) in->last[0] = bytes.p[bytes.n - 2];
    else in->last[0] = in->last[1];
    in->last[1] = bytes.p[bytes.n - 1];
}

/* Reads the fields once: each recipient is compared with them later, and there may be many of both. */
static void note_delivered_to(struct incoming *in, struct str header)
{
    struct imf_field field;
    size_t from = 0;
    in->delivered_to = arena_array(in->arena, LIMIT_RECEIVED_FIELDS, sizeof *in->delivered_to);
    while (imf_find_field(header, S("Delivered-To"), &from, &field)) {
        if (in->n_delivered_to == LIMIT_RECEIVED_FIELDS) {
            refuse(in, R(554, E(5, 4, 6), "this message is going in circles: %d Delivered-To fields",
                         LIMIT_RECEIVED_FIELDS));
            return;
        }
        in->delivered_to[in->n_delivered_to++] = arena_str(in->arena, str_trim(field.body));
    }
}

/* Was more gathered than a header may have, and does that break off inside a line? Then where the header ends is not
 * known. */
static bool breaks_off(struct str gathered, struct imf_header h)
{
    return gathered.n > LIMIT_HEADER && !h.separated &&
           str_find_char(str_skip(gathered, h.size), '\n') == gathered.n - h.size;
}

static void judge_header(struct incoming *in, struct str gathered)
{
    struct imf_header h = imf_header_of(gathered);
    struct str header = str_head(gathered, h.size);
    note_delivered_to(in, header);
    if (header.n > LIMIT_HEADER || breaks_off(gathered, h))
        refuse(in, R(552, E(5, 3, 4), "the header is longer than %d bytes", LIMIT_HEADER));
    else if (imf_count_received(header) >= LIMIT_RECEIVED_FIELDS) /* RFC 5321 §6.3 */
        refuse(in, R(554, E(5, 4, 6), "this message is going in circles: %d Received fields", LIMIT_RECEIVED_FIELDS));
    else if (in->rules->judge) {
        struct reply r = in->rules->judge(in->rules->arg, in->arena, header);
        if (r.code) refuse(in, r);
    }
}

static struct str new_message_id(struct incoming *in)
{
    struct buf b = BUF(64);
    id_put(&b, in->t->id);
    struct str id = arena_printf(in->arena, "%.*s@%.*s", STR_FMT(buf_str(&b)), STR_FMT(in->queue->rules.hostname));
    buf_free(&b);
    return id;
}

static FIBER void pass_header(struct incoming *in)
{
    static const struct str submission_removes[] = {S_INIT("Bcc"), S_INIT("Resent-Bcc"), S_INIT("Return-Path")};
    struct str gathered = buf_str(in->header);
    in->header_done = true;
    judge_header(in, gathered);
    if (in->refusal.code) return;

    bool submission = in->rules->submission;
    struct imf_edit edit = {
        .remove = submission ? submission_removes : &submission_removes[2],
        .removes = submission ? 3 : 1,
        .authserv_id = in->queue->hostname,
        .add_date = submission,
        .now = in->t->at,
        .add_message_id = submission ? new_message_id(in) : STR_NONE,
    };
    struct buf *edited = buf_in(in->arena, 2 * LIMIT_HEADER + 4096);
    struct imf_edited r = imf_edit_header(edited, gathered, &edit);
    keep(in, buf_str(edited));
    keep(in, str_skip(gathered, r.header));
}

/* The header is whole when an empty line has come; a letter without one is cut by imf_header_of(). */
static bool header_is_whole(const struct incoming *in, size_t looked_at)
{
    struct str all = buf_str(in->header);
    if (all.n > LIMIT_HEADER || str_starts(all, S("\r\n"))) return true;
    struct str fresh = str_skip(all, looked_at > 3 ? looked_at - 3 : 0);
    return str_find(fresh, S("\r\n\r\n")) < fresh.n;
}

FIBER void incoming_bytes(struct incoming *in, struct str bytes)
{
    if (in->refusal.code) return;
    if (in->header_done) {
        keep(in, bytes);
        return;
    }
    size_t before = in->header->n;
    size_t take = bytes.n < LIMIT_HEADER ? bytes.n : LIMIT_HEADER;
    buf_add(in->header, str_head(bytes, take));
    if (header_is_whole(in, before)) {
        pass_header(in);
        keep(in, str_skip(bytes, take));
    }
}

/* ---- what the store keeps ---- */

static uint64_t hash_of_id(struct str id)
{
    struct sha256 h = sha256_of(id);
    uint64_t v;
    memcpy(&v, h.b, sizeof v);
    return v;
}

static void set_thread_refs(struct arena *a, const struct mime_derived *d, struct body_facts *f)
{
    uint64_t *refs = arena_array(a, d->n_references + 1, sizeof *refs);
    if (d->message_id.n) refs[f->n_thread_refs++] = hash_of_id(d->message_id);
    for (size_t i = 0; i < d->n_references; i++) refs[f->n_thread_refs++] = hash_of_id(d->references[i]);
    f->thread_refs = refs;
}

static struct body_facts facts_of(struct arena *a, const struct mime_derived *d, struct sha256 digest)
{
    struct body_facts f = {
        .sha256 = digest,
        .version = MIME_DERIVED_VERSION,
        .envelope = d->envelope,
        .structure = d->structure,
        .preview = d->preview,
        .sent_at = d->has_date ? d->sent.utc : 0,
        .has_attachment = d->has_attachment,
        .message_id = d->message_id,
        .subject = d->subject,
    };
    set_thread_refs(a, d, &f);
    return f;
}

static bool address_needs_utf8(struct address a) { return !str_is_ascii(a.local) || !str_is_ascii(a.domain); }

static bool needs_utf8(const struct incoming *in, const struct mime_letter *letter)
{
    if (letter->traits & MIME_HEADER_8BIT || address_needs_utf8(in->t->from.address)) return true;
    for (size_t i = 0; i < in->n_rcpt; i++)
        if (address_needs_utf8(in->rcpt[i].path.address)) return true;
    return false;
}

/* ---- prefixes ---- */

static struct str received_field(struct incoming *in)
{
    const struct transaction *t = in->t;
    struct buf id = BUF(16);
    id_put(&id, t->id);
    struct imf_received r = {
        .helo = t->helo,
        .ptr = t->ptr,
        .client = in->rules->hide_client ? (struct ip){0} : t->client,
        .by = in->queue->hostname,
        .lmtp = t->lmtp,
        .esmtp = t->esmtp,
        .tls = t->tls_version.n > 0,
        .auth = t->account != 0,
        .utf8 = t->from.smtputf8,
        .tls_version = t->tls_version,
        .tls_cipher = t->tls_cipher,
        .id = buf_str(&id),
        .rcpt = in->n_rcpt == 1 ? &in->rcpt[0].path.address : NULL,
        .at = t->at,
    };
    struct buf *field = buf_in(in->arena, 8192);
    imf_put_received(field, &r);
    buf_free(&id);
    return buf_str(field);
}

static void put_address_field(struct buf *b, struct str name, struct address address, bool brackets)
{
    buf_add(b, name);
    if (brackets) buf_char(b, '<');
    if (!address_is_null(address)) address_put(b, address);
    if (brackets) buf_char(b, '>');
    buf_lit(b, "\r\n");
}

static struct str delivery_prefix(struct incoming *in, struct address final, const struct address *original)
{
    struct buf *b = buf_in(in->arena, 4096);
    put_address_field(b, S("Return-Path: "), in->t->from.address, true); /* RFC 5321 §4.4 */
    put_address_field(b, S("Delivered-To: "), final, false);
    if (original) put_address_field(b, S("X-Original-To: "), *original, false);
    return buf_str(b);
}

/* ---- planning ---- */

struct planning {
    struct incoming *in;
    struct acceptance *acceptance;
    const struct body_facts *facts;
    struct record record;
    size_t cap;
    struct reply *results;
};

static struct delivery *new_delivery(struct planning *p)
{
    struct acceptance *a = p->acceptance;
    if (a->n_deliveries == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 4;
        struct delivery *more = arena_array(p->in->arena, cap, sizeof *more);
        if (a->n_deliveries) memcpy(more, a->deliveries, a->n_deliveries * sizeof *more);
        a->deliveries = more;
        p->cap = cap;
    }
    return &a->deliveries[a->n_deliveries++];
}

static bool is_planned(const struct route_target *const *done, size_t n, struct address final)
{
    for (size_t i = 0; i < n; i++)
        if (address_key_eq(done[i]->final, final)) return true;
    return false;
}

static bool is_loop(const struct incoming *in, struct address final) /* RFC 5321 §6.3 */
{
    if (in->n_delivered_to == 0) return false;
    struct str text = address_str(in->arena, final);
    for (size_t i = 0; i < in->n_delivered_to; i++)
        if (str_ieq(in->delivered_to[i], text)) return true;
    return false;
}

static void plan_target(struct planning *p, uint32_t index, const struct incoming_recipient *rcpt,
                        const struct route_target *target)
{
    struct incoming *in = p->in;
    struct address original;
    bool same = address_key(in->arena, rcpt->path.address, &original) == 0 && address_key_eq(original, target->final);
    struct str prefix = delivery_prefix(in, target->final, same ? NULL : &rcpt->path.address);
    struct plan plan = {0};
    in->queue->post->plan_local(in->arena, target->account, in->t, p->facts, &plan);
    for (size_t i = 0; i < plan.n; i++) {
        *new_delivery(p) = (struct delivery){
            .account = target->account->id,
            .mailbox = plan.actions[i].mailbox,
            .flags = plan.actions[i].flags,
            .prefix = prefix,
            .recipient = index,
        };
        record_delivered(&p->record, index, target->final, plan.actions[i].why);
    }
}

/* Plans every recipient; a final address that two recipients share gets one copy. Where an alias leads on to several,
 * those who have the letter already are passed over; a recipient that leads to nobody else is a loop. */
static void plan_all(struct planning *p)
{
    struct arena *a = p->in->arena;
    const struct incoming_recipient *rcpt = p->in->rcpt;
    size_t n = p->in->n_rcpt, targets = 0, done_n = 0;
    for (size_t i = 0; i < n; i++) targets += rcpt[i].route->n;
    const struct route_target **done = arena_array(a, targets, sizeof *done);
    for (size_t i = 0; i < n; i++) {
        size_t loops = 0;
        if (!address_is_null(rcpt[i].route->missing)) record_missing(&p->record, (uint32_t)i, rcpt[i].route->missing);
        for (size_t t = 0; t < rcpt[i].route->n; t++) {
            const struct route_target *target = &rcpt[i].route->targets[t];
            if (is_loop(p->in, target->final)) {
                loops++;
                continue;
            }
            if (is_planned(done, done_n, target->final)) continue;
            done[done_n++] = target;
            plan_target(p, (uint32_t)i, &rcpt[i], target);
        }
        if (loops == rcpt[i].route->n)
            p->results[i] = R(554, E(5, 4, 6), "this message has been delivered here before: a loop");
    }
}

/* ---- the end ---- */

static FIBER int finish_body(struct incoming *in, struct error *e)
{
    if (!in->header_done) pass_header(in);
    if (in->refusal.code) return 0;
    bool whole_line = in->last[0] == '\r' && in->last[1] == '\n';
    if (!whole_line) keep(in, S("\r\n"));
    return in->refusal.code ? 0 : body_finish(in->body, e);
}

static FIBER int accept_all(struct incoming *in, struct reply *results, struct error *e)
{
    struct arena *a = in->arena;
    struct mime_letter *letter = mime_parser_end(in->parser);
    struct mime_derived derived = mime_derive(a, letter);
    struct body_facts facts = facts_of(a, &derived, body_sha256(in->body));
    struct acceptance acceptance = {
        .id = in->t->id,
        .session = in->t->session,
        .submitter = in->t->account,
        .received_at = in->t->at,
        .from = in->t->from,
        .needs_8bit = letter->traits & MIME_BODY_8BIT,
        .needs_utf8 = needs_utf8(in, letter),
        .body = in->body,
        .prefix = received_field(in),
        .facts = &facts,
        .recipients = recipients_of(in),
        .n_recipients = in->n_rcpt,
        .submitted_recipients = in->rules->per_hour ? (uint32_t)in->n_rcpt : 0,
        .per_hour = in->rules->per_hour,
        .per_day = in->rules->per_day,
    };
    struct planning p = {.in = in, .acceptance = &acceptance, .facts = &facts, .results = results};
    record_begin(&p.record, a, in->t, body_size(in->body));
    plan_all(&p);
    if (acceptance.n_deliveries == 0) return 0; /* every recipient is a loop */
    record_accepted(&p.record);
    acceptance.events = p.record.events;
    acceptance.n_events = p.record.n;
    return store_accept(in->queue->store, &acceptance, e);
}

/* A letter's refusals are recorded up to LIMIT_REFUSALS_TRACED recipients, then counted. */
static void answer_all(const struct incoming *in, struct reply *results, struct reply r)
{
    struct store *store = in->queue->store;
    size_t refused = 0;
    if (r.code >= 400) record_refused(store, in->t, &r);
    for (size_t i = 0; i < in->n_rcpt; i++) {
        if (results[i].code == 0) results[i] = r;
        else if (refused++ < LIMIT_REFUSALS_TRACED)
            record_refused_command(store, in->t, address_str(in->arena, in->rcpt[i].path.address), &results[i]);
    }
    if (refused > LIMIT_REFUSALS_TRACED) record_refused_more(store, in->t, (int64_t)refused - LIMIT_REFUSALS_TRACED);
}

FIBER void incoming_end(struct incoming *in, struct reply *results)
{
    struct error e = {0};
    for (size_t i = 0; i < in->n_rcpt; i++) results[i] = (struct reply){0};
    int r = finish_body(in, &e);
    if (in->refusal.code == 0 && r == 0) r = accept_all(in, results, &e);
    if (r) refuse(in, reply_of_error(r, &e));
    answer_all(in, results, in->refusal.code ? in->refusal : R(250, E(2, 0, 0), "stored"));
}
