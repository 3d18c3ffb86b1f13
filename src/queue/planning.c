/* Planning a letter: one copy for each final address, one row for each recipient who is elsewhere. RFC 5321 §4.4
 * (Return-Path), §6.3 (loops); RFC 3461 §5.2.7 (aliases); RFC 4865 (letters that are held back). */
#include "queue/planning.h"

#include "mail/limits.h"
#include "proto/imf/field.h"
#include "queue/letter_facts.h"
#include "queue/record.h"
#include "queue/retry.h"

struct plans { /* being made */
    const struct planning *p;
    struct acceptance *out;
    const struct body_facts *facts;
    struct record record;
    struct queued *queue;
    size_t delivery_room, queue_room;
    utc_us release; /* not before; 0: at once */
};

/* ---- where it has been ---- */

static bool is_bulk(const struct imf_field *f)
{
    struct str body = str_trim(f->body);
    if (str_ieq(f->name, S("List-Id"))) return true;
    return str_ieq(f->name, S("Precedence")) &&
           (str_ieq(body, S("bulk")) || str_ieq(body, S("list")) || str_ieq(body, S("junk")));
}

struct journey plan_journey(struct arena *a, struct str header)
{
    struct imf_fields walk = {.text = header};
    struct imf_field field;
    struct str *to = NULL;
    struct journey j = {0};
    size_t room = 0;
    while (j.n <= LIMIT_RECEIVED_FIELDS && imf_next_field(&walk, &field)) {
        j.received += str_ieq(field.name, S("Received"));
        j.bulk |= is_bulk(&field);
        if (!str_ieq(field.name, S("Delivered-To"))) continue;
        to = arena_grow(a, to, j.n, &room, sizeof *to);
        to[j.n++] = arena_str(a, str_trim(field.body));
    }
    j.delivered_to = to;
    return j;
}

static bool needs_utf8(const struct planning *p)
{
    if (p->letter->traits & MIME_HEADER_8BIT || !address_is_ascii(p->t->from.address)) return true;
    for (size_t i = 0; i < p->n_rcpt; i++)
        if (!address_is_ascii(p->rcpt[i].path.address)) return true;
    return false;
}

struct trace_recipient *plan_recipients(struct arena *a, const struct incoming_recipient *rcpt, size_t n)
{
    struct trace_recipient *v = arena_array(a, n, sizeof *v);
    for (size_t i = 0; i < n; i++) {
        v[i].path = rcpt[i].path;
        if (rcpt[i].route->n == 1) v[i].final = rcpt[i].route->targets[0].final;
    }
    return v;
}

/* ---- into mailboxes ---- */

static void put_address_field(struct buf *b, struct str name, struct address address, bool brackets)
{
    buf_add(b, name);
    if (brackets) buf_char(b, '<');
    if (!address_is_null(address)) address_put(b, address);
    if (brackets) buf_char(b, '>');
    buf_lit(b, "\r\n");
}

static struct str delivery_prefix(const struct planning *p, struct address final, const struct address *original)
{
    struct buf *b = buf_in(p->arena, 4096);
    put_address_field(b, S("Return-Path: "), p->t->from.address, true); /* RFC 5321 §4.4 */
    put_address_field(b, S("Delivered-To: "), final, false);
    if (original) put_address_field(b, S("X-Original-To: "), *original, false);
    return buf_str(b);
}

static void deliver(struct plans *w, uint32_t index, const struct route_target *target)
{
    const struct planning *p = w->p;
    const struct address *rcpt = &p->rcpt[index].path.address;
    struct address key;
    bool same = address_key(p->arena, *rcpt, &key) == 0 && address_key_eq(key, target->final);
    struct str prefix = delivery_prefix(p, target->final, same ? NULL : rcpt);
    struct plan plan = {0};
    struct acceptance *a = w->out;
    p->queue->post->plan_local(p->arena, target->account, p->t, w->facts, &plan);
    for (size_t i = 0; i < plan.n; i++) {
        a->deliveries = arena_grow(p->arena, a->deliveries, a->n_deliveries, &w->delivery_room, sizeof *a->deliveries);
        a->deliveries[a->n_deliveries++] = (struct delivery){
            .account = target->account->id,
            .mailbox = plan.actions[i].mailbox,
            .flags = plan.actions[i].flags,
            .prefix = prefix,
            .recipient = index,
        };
        record_delivered(&w->record, index, target->final, plan.actions[i].why);
    }
}

/* ---- into the queue ---- */

/* Who asked for nothing else than what is taken away is not told of failures either. */
static unsigned without(unsigned asked, unsigned taken)
{
    return asked && !(asked & ~taken) ? DSN_NOTIFY_NEVER : asked & ~taken;
}

static unsigned known_notify(const struct planning *p, const struct incoming_recipient *rcpt)
{
    return without(rcpt->path.notify, p->authenticated ? 0 : DSN_NOTIFY_SUCCESS | DSN_NOTIFY_DELAY);
}

unsigned plan_notify(const struct planning *p, const struct incoming_recipient *rcpt)
{
    return without(known_notify(p, rcpt), rcpt->route->n > 1 ? DSN_NOTIFY_SUCCESS : 0);
}

static void wait(struct plans *w, uint32_t index, struct address final, unsigned notify, bool forwarded,
                 struct str next_hop, struct str way)
{
    const struct planning *p = w->p;
    bool null_sender = address_is_null(p->t->from.address);
    utc_us from = w->release ? w->release : p->now; /* patience and warnings count from here */
    w->queue = arena_grow(p->arena, w->queue, w->out->n_queue, &w->queue_room, sizeof *w->queue);
    w->queue[w->out->n_queue++] = (struct queued){
        .recipient = index,
        .final = final,
        .notify = notify,
        .forwarded = forwarded,
        .next_hop = next_hop,
        .not_before = from,
        .expires = retry_expires(from, null_sender),
        .leased = p->queue->scheduler && !w->release,
        .priority = p->journey.bulk ? -1 : 0,
    };
    record_routed(&w->record, index, final, way);
}

static void send_on(struct plans *w, uint32_t index, const struct route_target *target)
{
    struct arena *a = w->p->arena;
    switch (target->hop->kind) {
    case HOP_REFUSE: record_refused_target(&w->record, index, target->final, target->hop->text); return;
    case HOP_DISCARD:
        record_delivered(&w->record, index, target->final, arena_printf(a, "thrown away: %.*s", STR_FMT(target->why)));
        return;
    case HOP_MX:
    case HOP_HOST:
    case HOP_LOCAL:
        wait(w, index, target->shown, plan_notify(w->p, &w->p->rcpt[index]), target->forwarded, target->hop->key,
             target->why);
    }
}

/* A letter to us that is held back waits as it was addressed: where the address leads is asked again at its release
 * (queue/posting), and only then is it reported that it went to several. */
static void wait_here(struct plans *w, uint32_t index)
{
    const struct planning *p = w->p;
    const struct incoming_recipient *rcpt = &p->rcpt[index];
    struct address final = rcpt->path.address;
    if (final.domain.n == 0 || domain_is_literal(final.domain)) final.domain = p->queue->rules.hostname;
    wait(w, index, final, known_notify(p, rcpt), false, S("local"), S("held back until its release"));
}

/* RFC 4865 §5: only for those we know, and they have been told how long it may be. */
static utc_us release_of(const struct planning *p)
{
    const struct reverse_path *from = &p->t->from;
    utc_us release = from->hold_until ? from->hold_until : from->hold_for ? p->t->at + SECONDS(from->hold_for) : 0;
    return p->authenticated && release > p->t->at ? release : 0;
}

/* ---- all of them ---- */

static bool is_planned(const struct route_target *const *done, size_t n, struct address final)
{
    for (size_t i = 0; i < n; i++)
        if (address_key_eq(done[i]->final, final)) return true;
    return false;
}

static bool is_loop(const struct planning *p, struct address final) /* RFC 5321 §6.3 */
{
    if (p->journey.n == 0) return false;
    struct str text = address_str(p->arena, final);
    for (size_t i = 0; i < p->journey.n; i++)
        if (str_ieq(p->journey.delivered_to[i], text)) return true;
    return false;
}

/* A final address that two recipients share gets one copy. Where an alias leads on to several, those who have the
 * letter already are passed over; false for a recipient that leads to nobody else: a loop. */
static bool plan_recipient(struct plans *w, uint32_t index, const struct route_target **done, size_t *n_done)
{
    const struct route *route = w->p->rcpt[index].route;
    size_t loops = 0;
    if (!address_is_null(route->missing)) record_missing(&w->record, index, route->missing);
    for (size_t i = 0; i < route->n; i++) {
        const struct route_target *target = &route->targets[i];
        if (target->account && is_loop(w->p, target->final)) {
            loops++;
            continue;
        }
        if (is_planned(done, *n_done, target->final)) continue;
        done[(*n_done)++] = target;
        if (target->account) deliver(w, index, target);
        else send_on(w, index, target);
    }
    return loops < route->n;
}

static bool plan_all(struct plans *w, struct reply *results)
{
    const struct planning *p = w->p;
    size_t targets = 0, n_done = 0, refused = 0;
    for (size_t i = 0; i < p->n_rcpt; i++) targets += p->rcpt[i].route->n;
    const struct route_target **done = arena_array(p->arena, targets, sizeof *done);
    for (size_t i = 0; i < p->n_rcpt; i++) {
        if (w->release && !p->rcpt[i].route->relay) {
            wait_here(w, (uint32_t)i);
            continue;
        }
        if (plan_recipient(w, (uint32_t)i, done, &n_done)) continue;
        results[i] = R(554, E(5, 4, 6), "this message has been delivered here before: a loop");
        refused++;
    }
    return refused < p->n_rcpt;
}

bool plan_acceptance(const struct planning *p, struct acceptance *out, struct reply *results)
{
    struct plans w = {.p = p,
                      .out = out,
                      .facts = letter_facts(p->arena, p->letter, p->body),
                      .release = release_of(p)};
    *out = (struct acceptance){
        .id = p->t->id,
        .session = p->t->session,
        .submitter = p->t->account,
        .authenticated = p->authenticated,
        .received_at = p->t->at,
        .from = p->t->from,
        .needs_8bit = p->letter->traits & MIME_BODY_8BIT,
        .needs_utf8 = needs_utf8(p),
        .body = p->body,
        .prefix = p->prefix,
        .facts = w.facts,
        .recipients = plan_recipients(p->arena, p->rcpt, p->n_rcpt),
        .n_recipients = p->n_rcpt,
    };
    record_begin(&w.record, p->arena, p->t, body_size(p->body), p->origin);
    if (!plan_all(&w, results)) return false;
    record_accepted(&w.record);
    out->queue = w.queue;
    out->events = w.record.events;
    out->n_events = w.record.n;
    return true;
}
