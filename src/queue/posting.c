/* Posting a letter without a session: its bytes flow to the body and through the MIME parser as in queue/incoming, but
 * nothing is edited and nobody is asked. RFC 5321 §6.3 (loops); RFC 4865 (what was held back). */
#include "queue/posting.h"

#include "base/codec.h"
#include "mail/limits.h"
#include "proto/imf/field.h"
#include "queue/planning.h"
#include "queue/receipt.h"
#include "queue/schedule.h"

enum { PIECE = 2 * LIMIT_HEADER /* read at once: any header with its prefix, and every letter held in memory */ };

struct post_work {
    const struct queue *queue;
    struct arena *arena;
    const struct posting *posting;
    struct transaction t;
    struct incoming_recipient *rcpt; /* those that lead somewhere */
    size_t n_rcpt;
    uint32_t *place; /* of each among the posting's */
    struct reply *results; /* of all of the posting's; code 0: it has it */
    struct body *body;
    bool enveloped;
    struct mime_parser *parser;
    struct str header;
    struct planning plan;
};

/* ---- where it goes ---- */

static void find_routes(struct post_work *w, const struct directory *d)
{
    const struct posting *p = w->posting;
    const struct route *earlier = NULL;
    w->rcpt = arena_array(w->arena, p->n, sizeof *w->rcpt);
    w->place = arena_array(w->arena, p->n, sizeof *w->place);
    w->results = arena_array(w->arena, p->n, sizeof *w->results);
    for (size_t i = 0; i < p->n; i++) {
        struct route *route = arena_new_of(w->arena, struct route);
        const struct route_question question = {
            .rcpt = p->to[i].address,
            .sender = p->from.address,
            .size = -1,
            .srs_secret = w->queue->srs_secret,
            .now = w->t.at,
            .earlier = earlier,
        };
        route_resolve(w->arena, d, &w->queue->rules, &question, route);
        w->results[i] = route->refusal;
        if (route->refusal.code) continue;
        earlier = route;
        w->place[w->n_rcpt] = (uint32_t)i;
        w->rcpt[w->n_rcpt++] = (struct incoming_recipient){p->to[i], route};
    }
}

/* ---- its bytes ---- */

static FIBER int take(struct post_work *w, struct str bytes, struct error *e)
{
    if (!w->enveloped && body_size(w->body) + (int64_t)bytes.n > LIMIT_BODY_MEMORY) {
        body_envelope(w->body, &w->t.from, plan_recipients(w->arena, w->rcpt, w->n_rcpt), w->n_rcpt, w->t.at);
        w->enveloped = true;
    }
    int r = body_write(w->body, bytes, e);
    if (!r) mime_parser_feed(w->parser, bytes);
    return r;
}

/* The first piece holds the whole header. */
static FIBER int take_first(struct post_work *w, struct str bytes, struct error *e)
{
    w->header = arena_str(w->arena, str_head(bytes, imf_header_of(bytes).size));
    return take(w, bytes, e);
}

static FIBER int take_stored(struct post_work *w, struct letter *letter, struct error *e)
{
    struct arena *piece = arena_new(w->arena, 0);
    int r = 0;
    for (int64_t at = 0; !r && at < letter->size;) {
        struct str bytes;
        arena_reset(piece);
        r = store_letter_read(w->queue->store, piece, letter, at, PIECE, &bytes, e);
        if (!r && bytes.n == 0) r = error_set(e, ERR_CORRUPT, "the letter is shorter than it was");
        if (!r) r = at == 0 ? take_first(w, bytes, e) : take(w, bytes, e);
        at += (int64_t)bytes.n;
    }
    arena_free(piece);
    return r;
}

static FIBER int take_all(struct post_work *w, struct error *e)
{
    const struct posting *p = w->posting;
    w->body = body_begin(w->queue->store, w->arena);
    w->parser = mime_parser_new(w->arena);
    int r = p->letter && p->bytes.n == 0 ? take_stored(w, p->letter, e) : take_first(w, p->bytes, e);
    return r ? r : body_finish(w->body, e);
}

/* ---- the whole of it ---- */

/* False when nobody can have it. */
static bool plan(struct post_work *w, struct acceptance *out)
{
    struct reply *results = arena_array(w->arena, w->n_rcpt, sizeof *results);
    w->plan = (struct planning){
        .queue = w->queue,
        .arena = w->arena,
        .t = &w->t,
        .now = clock_utc(w->queue->world),
        .authenticated = w->posting->authenticated,
        .rcpt = w->rcpt,
        .n_rcpt = w->n_rcpt,
        .journey = plan_journey(w->arena, w->header),
        .body = w->body,
        .letter = mime_parser_end(w->parser),
        .origin = w->posting->origin,
    };
    bool circles = w->plan.journey.received > LIMIT_RECEIVED_FIELDS || w->plan.journey.n > LIMIT_RECEIVED_FIELDS;
    for (size_t i = 0; circles && i < w->n_rcpt; i++)
        results[i] = R(554, E(5, 4, 6), "this message is going in circles");
    bool anybody = !circles && plan_acceptance(&w->plan, out, results);
    for (size_t i = 0; i < w->n_rcpt; i++) w->results[w->place[i]] = results[i];
    return anybody;
}

/* *anybody: *out is filled. */
static FIBER int post(struct post_work *w, struct acceptance *out, bool *anybody, struct error *e)
{
    const struct posting *p = w->posting;
    w->t = (struct transaction){
        .id = p->id ? p->id : store_new_id(w->queue->store),
        .at = clock_utc(w->queue->world),
        .account = p->submitter,
        .trusted = p->authenticated && !p->submitter,
        .from = p->from,
    };
    *anybody = false;
    find_routes(w, store_directory_in(w->arena, w->queue->store));
    if (w->n_rcpt == 0) return 0;
    int r = take_all(w, e);
    if (!r) *anybody = plan(w, out);
    return r;
}

FIBER int posting_accept(const struct queue *q, struct arena *a, const struct posting *p, struct acceptance *out,
                         struct error *e)
{
    struct post_work w = {.queue = q, .arena = a, .posting = p};
    bool anybody;
    int r = post(&w, out, &anybody, e);
    if (r || anybody) return r;
    return error_set(e, ERR_NOT_FOUND, "%s", p->n ? w.results[0].text : "nobody is named");
}

void posting_accepted(const struct queue *q, const struct acceptance *letters, size_t n)
{
    for (size_t i = 0; q->scheduler && i < n; i++)
        if (letters[i].n_queue) scheduler_accepted(q->scheduler, &letters[i], body_memory(letters[i].body));
}

/* ---- what was held back ---- */

static struct outcome outcome_of(struct arena *a, const struct reply *r)
{
    if (r->code == 0) return (struct outcome){.kind = OUTCOME_DELIVERED, .code = 250, .status = E(2, 0, 0)};
    return (struct outcome){
        .kind = reply_temporary(*r) ? OUTCOME_DEFERRED : OUTCOME_FAILED,
        .code = r->code,
        .status = r->status,
        .text = arena_str(a, str_c(r->text)),
    };
}

static struct posting posting_of(struct arena *a, const struct parcel *p)
{
    const struct queue_letter *l = p->letter;
    struct forward_path *to = arena_array(a, p->n, sizeof *to);
    char room[16];
    struct buf id = BUF_OVER(room);
    id_put(&id, l->id);
    for (size_t i = 0; i < p->n; i++) {
        const struct queue_item *item = &p->v[i].item;
        to[i] = (struct forward_path){.address = item->final, .notify = item->notify, .orcpt = item->orcpt};
    }
    return (struct posting){
        .submitter = l->submitter,
        .from = {.address = l->from.address,
                 .size = -1,
                 .smtputf8 = l->from.smtputf8 || l->needs_utf8,
                 .ret = l->from.ret,
                 .envid = l->from.envid},
        .to = to,
        .n = p->n,
        .bytes = p->bytes,
        .letter = l->letter,
        .authenticated = l->authenticated,
        .origin = arena_printf(a, "message %.*s, held back until now", STR_FMT(buf_str(&id))),
    };
}

FIBER int posting_hand_over(const struct queue *q, struct arena *a, struct parcel *p, struct acceptance **letters,
                            size_t *n_letters, struct error *e)
{
    const struct posting posting = posting_of(a, p);
    struct post_work w = {.queue = q, .arena = a, .posting = &posting};
    bool anybody;
    *letters = arena_new_of(a, struct acceptance);
    *n_letters = 0;
    int r = post(&w, *letters, &anybody, e);
    if (!r && anybody) {
        struct reply *results = arena_array(a, w.n_rcpt, sizeof *results);
        for (size_t i = 0; i < w.n_rcpt; i++) results[i] = w.results[w.place[i]];
        *n_letters = 1;
        r = receipt_add(&w.plan, w.header, results, letters, n_letters, e);
        if (r) *n_letters = 0; /* nothing of it must be committed without the rest */
    }
    for (size_t i = 0; !r && i < p->n; i++) p->v[i].outcome = outcome_of(a, &w.results[i]);
    return r;
}
