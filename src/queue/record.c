/* Building trace events; the store keeps and chains them. */
#include "queue/record.h"

#include "base/codec.h"

static struct trace_event event_of(const struct transaction *t, enum trace_kind kind)
{
    return (struct trace_event){
        .at = t->at,
        .kind = kind,
        .recipient = -1,
        .peer = t->client,
        .host = t->helo,
        .tls = t->tls_version,
    };
}

static void add(struct record *r, struct trace_event e)
{
    r->events = arena_grow(r->arena, r->events, r->n, &r->cap, sizeof *r->events);
    r->events[r->n++] = e;
}

void record_begin(struct record *r, struct arena *a, const struct transaction *t, int64_t size, struct str origin)
{
    *r = (struct record){.arena = a, .at = t->at};
    struct trace_event e = event_of(t, TRACE_RECEIVED);
    e.number = size;
    e.text = origin;
    if (origin.n == 0 && t->user.n) e.text = arena_printf(a, "user %.*s of this machine", STR_FMT(t->user));
    add(r, e);
}

void record_delivered(struct record *r, uint32_t recipient, struct address final, struct str where)
{
    add(r, (struct trace_event){
               .at = r->at,
               .kind = TRACE_DELIVERED,
               .recipient = (int32_t)recipient,
               .address = address_str(r->arena, final),
               .text = where,
           });
}

void record_routed(struct record *r, uint32_t recipient, struct address final, struct str way)
{
    add(r, (struct trace_event){
               .at = r->at,
               .kind = TRACE_ROUTED,
               .recipient = (int32_t)recipient,
               .address = address_str(r->arena, final),
               .text = way,
           });
}

void record_refused_target(struct record *r, uint32_t recipient, struct address final, struct str words)
{
    add(r, (struct trace_event){
               .at = r->at,
               .kind = TRACE_REFUSED,
               .recipient = (int32_t)recipient,
               .address = address_str(r->arena, final),
               .code = 550,
               .status = E(5, 7, 1),
               .text = words,
           });
}

void record_missing(struct record *r, uint32_t recipient, struct address missing)
{
    add(r, (struct trace_event){
               .at = r->at,
               .kind = TRACE_REFUSED,
               .recipient = (int32_t)recipient,
               .address = address_str(r->arena, missing),
               .code = 550,
               .status = E(5, 1, 1),
               .text = S("an alias leads here, but there is no such address"),
           });
}

void record_accepted(struct record *r)
{
    add(r,
        (struct trace_event){.at = r->at, .kind = TRACE_ACCEPTED, .recipient = -1, .code = 250, .status = E(2, 0, 0)});
}

void record_resume(struct record *r, struct arena *a, utc_us at) { *r = (struct record){.arena = a, .at = at}; }

void record_tried(struct record *r, const struct attempt *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        add(r, (struct trace_event){
                   .at = r->at,
                   .kind = TRACE_ATTEMPT,
                   .recipient = -1,
                   .peer = v[i].contact.address.ip,
                   .host = v[i].contact.host,
                   .tls = v[i].contact.tls,
                   .code = v[i].outcome.code,
                   .status = v[i].outcome.status,
                   .text = v[i].outcome.text,
               });
}

void record_outcome(struct record *r, enum trace_kind kind, const struct queue_item *recipient,
                    const struct contact *contact, const struct outcome *o)
{
    add(r, (struct trace_event){
               .at = r->at,
               .kind = kind,
               .recipient = (int32_t)recipient->recipient,
               .peer = contact->address.ip,
               .host = contact->host,
               .tls = contact->tls,
               .address = address_str(r->arena, recipient->final),
               .code = o->code,
               .status = o->status,
               .text = o->text,
           });
}

void record_doubt(struct record *r, const struct queue_item *recipient)
{
    add(r, (struct trace_event){
               .at = r->at,
               .kind = TRACE_ATTEMPT,
               .recipient = (int32_t)recipient->recipient,
               .address = address_str(r->arena, recipient->final),
               .text = S("the server died while this may have been on its way: it may arrive twice"),
           });
}

void record_reported(struct record *r, struct address reader, struct str what, int64_t report)
{
    char room[16];
    struct buf id = BUF_OVER(room);
    id_put(&id, report);
    add(r, (struct trace_event){
               .at = r->at,
               .kind = TRACE_REPORTED,
               .recipient = -1,
               .address = address_str(r->arena, reader),
               .text = arena_printf(r->arena, "%.*s: message %.*s", STR_FMT(what), STR_FMT(buf_str(&id))),
               .number = report,
           });
}

void record_unreported(struct record *r, int32_t recipient, struct str why)
{
    add(r, (struct trace_event){.at = r->at,
                                .kind = TRACE_REPORTED,
                                .recipient = recipient,
                                .text = arena_printf(r->arena, "nobody is told: %.*s", STR_FMT(why))});
}

static void refused(struct store *s, const struct transaction *t, struct trace_event e, const struct reply *why)
{
    e.code = why->code;
    e.status = why->status;
    e.text = str_c(why->text);
    store_trace(s, t->session, t->id, &e, 1);
}

void record_refused(struct store *s, const struct transaction *t, const struct reply *why)
{
    refused(s, t, event_of(t, TRACE_REFUSED), why);
}

void record_refused_command(struct store *s, const struct transaction *t, struct str what, const struct reply *why)
{
    struct trace_event e = event_of(t, TRACE_REFUSED);
    e.address = what;
    refused(s, t, e, why);
}

void record_lost(struct store *s, const struct transaction *t)
{
    struct trace_event e = event_of(t, TRACE_LOST);
    store_trace(s, t->session, t->id, &e, 1);
}

void record_refused_more(struct store *s, const struct transaction *t, int64_t count)
{
    struct trace_event e = event_of(t, TRACE_REFUSED_MANY);
    e.number = count;
    store_trace(s, t->session, 0, &e, 1);
}
