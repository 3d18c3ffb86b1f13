/* Receiving a letter: gather the header, judge and edit it, let the rest flow to the body writer and the MIME parser;
 * at the end have it planned (queue/planning), commit, and tell the scheduler. RFC 5321 §4.4 (trace fields), §6.3
 * (loops); RFC 6409 §8; RFC 8601 §5. */
#include "queue/incoming.h"

#include "base/codec.h"
#include "base/utf8.h"
#include "mail/limits.h"
#include "proto/imf/edit.h"
#include "proto/imf/field.h"
#include "proto/imf/received.h"
#include "queue/planning.h"
#include "queue/posting.h"
#include "queue/receipt.h"
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
    struct journey journey; /* as its header tells */
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

/* A letter too large for memory takes its envelope along into its pack. */
static void envelop(struct incoming *in)
{
    body_envelope(in->body, &in->t->from, plan_recipients(in->arena, in->rcpt, in->n_rcpt), in->n_rcpt, in->t->at);
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

/* How often it has been handed on, and to whom. RFC 5321 §6.3. */
static void judge_journey(struct incoming *in, struct str header)
{
    in->journey = plan_journey(in->arena, header);
    if (in->journey.n > LIMIT_RECEIVED_FIELDS)
        refuse(in,
               R(554, E(5, 4, 6), "this message is going in circles: %d Delivered-To fields", LIMIT_RECEIVED_FIELDS));
    else if (in->journey.received >= LIMIT_RECEIVED_FIELDS)
        refuse(in, R(554, E(5, 4, 6), "this message is going in circles: %d Received fields", LIMIT_RECEIVED_FIELDS));
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
    if (header.n > LIMIT_HEADER || breaks_off(gathered, h))
        refuse(in, R(552, E(5, 3, 4), "the header is longer than %d bytes", LIMIT_HEADER));
    judge_journey(in, header);
    if (in->refusal.code || !in->rules->judge) return;
    struct reply r = in->rules->judge(in->rules->arg, in->arena, header);
    if (r.code) refuse(in, r);
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

/* ---- the end ---- */

/* Domains are said as A-labels: a field of ours must not be what makes a letter one for SMTPUTF8 (RFC 6531 §3.7.3). */
static struct str ascii_domain(struct incoming *in, struct str domain)
{
    struct str key;
    return str_is_ascii(domain) || domain_key(in->arena, domain, &key) ? domain : key;
}

static struct str received_field(struct incoming *in)
{
    const struct transaction *t = in->t;
    const struct address to = in->rcpt[0].path.address;
    const struct address rcpt = {to.local, str_is_ascii(to.local) ? ascii_domain(in, to.domain) : to.domain};
    struct buf id = BUF(16);
    id_put(&id, t->id);
    struct imf_received r = {
        .helo = t->helo,
        .ptr = t->ptr,
        .client = in->rules->hide_client ? (struct ip){0} : t->client,
        .by = ascii_domain(in, in->queue->hostname),
        .lmtp = t->lmtp,
        .esmtp = t->esmtp,
        .tls = t->tls_version.n > 0,
        .auth = t->account != 0,
        .utf8 = t->from.smtputf8,
        .tls_version = t->tls_version,
        .tls_cipher = t->tls_cipher,
        .id = buf_str(&id),
        .rcpt = in->n_rcpt == 1 ? &rcpt : NULL,
        .at = t->at,
    };
    struct buf *field = buf_in(in->arena, 8192);
    imf_put_received(field, &r);
    buf_free(&id);
    return buf_str(field);
}

static FIBER int finish_body(struct incoming *in, struct error *e)
{
    if (!in->header_done) pass_header(in);
    if (in->refusal.code) return 0;
    bool whole_line = in->last[0] == '\r' && in->last[1] == '\n';
    if (!whole_line) keep(in, S("\r\n"));
    return in->refusal.code ? 0 : body_finish(in->body, e);
}

static struct reply reply_of_commit(int code, const struct error *e)
{
    if (code == ERR_TOO_LONG) /* RFC 5321 §4.5.3.1.10 */
        return R(452, E(4, 5, 3), "the recipients' aliases lead to too many; send to fewer at a time");
    return reply_of_error(code, e);
}

static FIBER struct reply accept_all(struct incoming *in, struct reply *results)
{
    struct planning plan = {
        .queue = in->queue,
        .arena = in->arena,
        .t = in->t,
        .now = clock_utc(in->queue->world),
        .authenticated = in->t->account || in->t->trusted || in->t->user.n,
        .rcpt = in->rcpt,
        .n_rcpt = in->n_rcpt,
        .journey = in->journey,
        .body = in->body,
        .prefix = received_field(in),
        .letter = mime_parser_end(in->parser),
    };
    struct acceptance acceptance;
    struct error e = {0};
    struct reply stored = R(250, E(2, 0, 0), "stored");
    if (!plan_acceptance(&plan, &acceptance, results)) return stored; /* to nobody: every result says why not */
    acceptance.submitted_recipients = in->rules->per_hour ? (uint32_t)in->n_rcpt : 0;
    acceptance.per_hour = in->rules->per_hour;
    acceptance.per_day = in->rules->per_day;
    struct acceptance *all = &acceptance;
    size_t n = 1;
    int r = receipt_add(&plan, buf_str(in->header), results, &all, &n, &e);
    if (!r) r = store_accept_all(in->queue->store, all, n, &e);
    if (r) return reply_of_commit(r, &e);
    posting_accepted(in->queue, all, n);
    return stored;
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
    if (r) refuse(in, reply_of_error(r, &e));
    answer_all(in, results, in->refusal.code ? in->refusal : accept_all(in, results));
}
