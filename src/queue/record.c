/* Building trace events; the store keeps and chains them. */
#include "queue/record.h"

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
    if (r->n == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : 4;
        struct trace_event *more = arena_array(r->arena, cap, sizeof *more);
        if (r->n) memcpy(more, r->events, r->n * sizeof *more);
        r->events = more;
        r->cap = cap;
    }
    r->events[r->n++] = e;
}

void record_begin(struct record *r, struct arena *a, const struct transaction *t, int64_t size)
{
    *r = (struct record){.arena = a, .at = t->at};
    struct trace_event e = event_of(t, TRACE_RECEIVED);
    e.number = size;
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
