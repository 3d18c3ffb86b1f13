/* Carrying a transaction from the session to the queue, and its refusals to the record. */
#include "queue/reception.h"

#include "mail/limits.h"
#include "queue/record.h"
#include "wire/smtp_facts.h"

enum { UNANSWERED_MAX = 32 };

struct unanswered { /* messages accepted since the last bytes went out to the client; smtp_session.mark */
    int64_t bytes_out;
    size_t n;
    int64_t id[UNANSWERED_MAX];
};

static const struct reception_desk *desk_of(const struct smtp_session *s) { return s->service->agent; }

struct reception *reception_begin(struct smtp_session *s, struct smtp_tx *tx)
{
    struct reception *r = arena_new_of(tx->arena, struct reception);
    r->desk = desk_of(s);
    r->t = smtp_facts(s, tx);
    r->directory = store_directory_in(tx->arena, r->desk->queue->store);
    tx->mark = r;
    return r;
}

const struct route *reception_route(struct smtp_session *s, struct smtp_tx *tx, const struct forward_path *to,
                                    void **mark)
{
    struct reception *r = tx->mark;
    struct route *route = arena_new_of(tx->arena, struct route);
    const struct address nobody = {STR_NONE, STR_NONE};
    const bool known = r->t.account || r->t.trusted || s->known;
    const struct route_question question = {
        .rcpt = to->address,
        .sender = known ? tx->from.address : nobody,
        .our_address = s->local.ip,
        .size = tx->from.size,
        .srs_secret = r->desk->queue->srs_secret,
        .now = r->t.at,
        .earlier = r->last_route,
    };
    route_resolve(tx->arena, r->directory, &r->desk->queue->rules, &question, route);
    if (route->refusal.code == 0) r->last_route = route;
    *mark = route;
    return route;
}

FIBER struct reply reception_data(struct smtp_session *s, struct smtp_tx *tx)
{
    (void)s;
    struct reception *r = tx->mark;
    struct incoming_recipient *rcpt = arena_array(tx->arena, tx->rcpt_n, sizeof *rcpt);
    for (size_t i = 0; i < tx->rcpt_n; i++) rcpt[i] = (struct incoming_recipient){tx->rcpt[i].path, tx->rcpt[i].mark};
    r->incoming = incoming_begin(r->desk->queue, tx->arena, &r->t, &r->rules, rcpt, tx->rcpt_n);
    return R(354, E_NONE, "go ahead");
}

FIBER void reception_bytes(struct smtp_session *s, struct smtp_tx *tx, struct str bytes)
{
    (void)s;
    struct reception *r = tx->mark;
    incoming_bytes(r->incoming, bytes);
}

static void log_message(const struct smtp_session *s, const struct smtp_tx *tx, const struct reception *r,
                        const struct reply *first)
{
    char client[64], status[24];
    struct buf b = {.p = client, .cap = sizeof client, .max = sizeof client};
    ip_put(&b, s->peer.ip);
    struct str client_text = buf_str(&b);
    b = (struct buf){.p = status, .cap = sizeof status, .max = sizeof status};
    buf_printf(&b, "%u.%u.%u", first->status.class, first->status.subject, first->status.detail);
    LOG(r->desk->log, LOG_INFO, "message", F_ID("session", s->id), F_ID("id", tx->id), F_STR("client", client_text),
        F_STR("from", address_str(tx->arena, tx->from.address)), F_INT("recipients", tx->rcpt_n),
        F_INT("size", tx->bytes), F_INT("code", first->code), F_STR("status", buf_str(&b)),
        F_MS("ms", clock_utc(r->desk->queue->world) - r->t.at));
}

static bool any_accepted(const struct reply *results, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (reply_ok(results[i])) return true;
    return false;
}

static void note_unanswered(struct smtp_session *s, int64_t id)
{
    struct unanswered *u = s->mark;
    if (!u) u = s->mark = arena_new_of(s->arena, struct unanswered);
    if (u->bytes_out != stream_bytes_out(s->io)) u->n = 0;
    u->bytes_out = stream_bytes_out(s->io);
    if (u->n < UNANSWERED_MAX) u->id[u->n++] = id;
}

FIBER void reception_end(struct smtp_session *s, struct smtp_tx *tx, struct reply *results)
{
    struct reception *r = tx->mark;
    incoming_end(r->incoming, results);
    if (any_accepted(results, tx->rcpt_n)) note_unanswered(s, tx->id);
    log_message(s, tx, r, &results[0]);
}

void reception_done(struct smtp_session *s, struct smtp_tx *tx)
{
    (void)s;
    tx->mark = NULL; /* all it held lies in the transaction's arena */
}

/* Refusals are recorded to LIMIT_REFUSALS_TRACED a connection, then counted: a dictionary attack must not fill the
 * disk. */
void reception_refused(struct smtp_session *s, struct smtp_tx *tx, enum smtp_refused what, struct str argument,
                       const struct reply *r)
{
    if (what == REFUSED_COMMAND || what == REFUSED_VRFY) return;
    if (s->refusals_traced++ >= LIMIT_REFUSALS_TRACED) return;
    struct transaction t = smtp_facts(s, tx);
    record_refused_command(desk_of(s)->queue->store, &t, argument, r);
}

static void record_unanswered(const struct smtp_session *s)
{
    const struct unanswered *u = s->mark;
    if (!u || !stream_error(s->io) || stream_bytes_out(s->io) != u->bytes_out) return;
    struct transaction t = smtp_facts(s, NULL);
    for (size_t i = 0; i < u->n; i++) {
        t.id = u->id[i];
        record_lost(desk_of(s)->queue->store, &t);
    }
}

void reception_closed(struct smtp_session *s)
{
    record_unanswered(s);
    if (s->refusals_traced <= LIMIT_REFUSALS_TRACED) return;
    struct transaction t = smtp_facts(s, NULL);
    record_refused_more(desk_of(s)->queue->store, &t, s->refusals_traced - LIMIT_REFUSALS_TRACED);
}
