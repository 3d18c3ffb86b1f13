/* Trace payloads, envelopes and places as packed columns (see record.h). RFC 3461's parameters are kept with each
 * recipient. */
#include "store/record.h"

#include "base/utf8.h"

enum {
    RECORD_VERSION = 1,
    ENVELOPE_VERSION = 1,
    RECIPIENT_LEAST = 6, /* bytes of the smallest recipient, */
    EVENT_LEAST = 11,    /* and event: so a count cannot promise more than there is */
};

static void put_address(struct buf *b, struct address a)
{
    blob_put_str(b, a.local);
    blob_put_str(b, a.domain);
}

/* 0 when the bytes begin with a version we can read. */
static int get_version(struct blob *b, uint64_t newest)
{
    uint64_t version = blob_uint(b);
    return b->bad || version == 0 ? ERR_CORRUPT : version > newest ? ERR_TOO_NEW : 0;
}

static struct address get_address(struct blob *b)
{
    struct address a;
    a.local = blob_str(b);
    a.domain = blob_str(b);
    return a;
}

/* A string that may be absent: its length + 1, or 0. */
static void put_optional(struct buf *b, struct str s)
{
    blob_put_uint(b, str_is_none(s) ? 0 : s.n + 1);
    buf_add(b, s);
}

static struct str get_optional(struct blob *b)
{
    uint64_t n = blob_uint(b);
    if (n == 0) return STR_NONE;
    if (n - 1 > b->rest.n) {
        b->bad = true;
        return STR_NONE;
    }
    struct str s = str_head(b->rest, (size_t)n - 1);
    b->rest = str_skip(b->rest, s.n);
    return s.p ? s : S("");
}

static void put_recipients(struct buf *b, const struct trace_recipient *r, size_t n)
{
    blob_put_uint(b, n);
    for (size_t i = 0; i < n; i++) {
        put_address(b, r[i].path.address);
        blob_put_uint(b, r[i].path.notify);
        put_optional(b, r[i].path.orcpt);
        put_address(b, r[i].final);
    }
}

static struct trace_recipient *get_recipients(struct arena *a, struct blob *b, size_t *n)
{
    *n = blob_count(b, RECIPIENT_LEAST);
    struct trace_recipient *r = arena_array(a, *n, sizeof *r);
    for (size_t i = 0; i < *n; i++) {
        r[i].path.address = get_address(b);
        r[i].path.notify = (unsigned)blob_uint_max(b, UINT8_MAX);
        r[i].path.orcpt = get_optional(b);
        r[i].final = get_address(b);
    }
    return r;
}

static size_t ip_bytes(uint8_t family) { return family == 4 ? 4 : family == 6 ? 16 : 0; }

static void put_event(struct buf *b, const struct trace_event *e, utc_us since)
{
    blob_put_int(b, (int64_t)((uint64_t)e->at - (uint64_t)since)); /* wraps, as get_event() does */
    blob_put_uint(b, (uint64_t)e->kind);
    blob_put_int(b, e->recipient);
    blob_put_str(b, str_of(e->peer.b, ip_bytes(e->peer.family)));
    blob_put_str(b, str_head(e->host, RECORD_TEXT));
    blob_put_str(b, str_head(e->tls, RECORD_TEXT));
    blob_put_str(b, str_head(e->address, RECORD_TEXT));
    blob_put_uint(b, (uint64_t)e->code);
    blob_put_uint(b, e->status.class);
    if (e->status.class) {
        blob_put_uint(b, e->status.subject);
        blob_put_uint(b, e->status.detail);
    }
    blob_put_str(b, utf8_head(e->text, RECORD_TEXT));
    blob_put_int(b, e->number);
}

static struct ip get_ip(struct blob *b)
{
    struct str bytes = blob_str(b);
    struct ip ip = {.family = bytes.n == 4 ? 4 : bytes.n == 16 ? 6 : 0};
    if (ip.family == 0 && bytes.n != 0) b->bad = true;
    if (ip.family != 0) memcpy(ip.b, bytes.p, bytes.n);
    return ip;
}

static struct trace_event get_event(struct blob *b, utc_us since)
{
    struct trace_event e = {0};
    e.at = (utc_us)((uint64_t)since + (uint64_t)blob_int(b)); /* the bytes may be anything */
    e.kind = (enum trace_kind)blob_uint_max(b, UINT8_MAX);
    int64_t recipient = blob_int(b);
    if (recipient < -1 || recipient > INT32_MAX) b->bad = true;
    else e.recipient = (int32_t)recipient;
    e.peer = get_ip(b);
    e.host = blob_str(b);
    e.tls = blob_str(b);
    e.address = blob_str(b);
    e.code = (int)blob_uint_max(b, 999);
    e.status.class = (uint8_t)blob_uint_max(b, 9);
    if (e.status.class) {
        e.status.subject = (uint16_t)blob_uint_max(b, UINT16_MAX);
        e.status.detail = (uint16_t)blob_uint_max(b, UINT16_MAX);
    }
    e.text = blob_str(b);
    e.number = blob_int(b);
    return e;
}

void record_pack(struct buf *b, const struct record *r)
{
    blob_put_uint(b, RECORD_VERSION);
    blob_put_int(b, r->at);
    blob_put_uint(b, (uint64_t)r->session);
    blob_put_uint(b, (uint64_t)r->message);
    put_address(b, r->sender);
    blob_put_str(b, utf8_head(r->subject, RECORD_SUBJECT));
    blob_put_str(b, str_head(r->message_id, RECORD_TEXT));
    put_recipients(b, r->recipients, r->n_recipients);
    blob_put_uint(b, r->n_events);
    for (size_t i = 0; i < r->n_events; i++) put_event(b, &r->events[i], r->at);
}

int record_unpack(struct arena *a, struct str payload, struct record *out)
{
    *out = (struct record){0};
    if (payload.n == 0) return 0;
    struct blob b = {payload, false};
    int newer = get_version(&b, RECORD_VERSION);
    if (newer) return newer;
    struct record r = {.at = blob_int(&b)};
    r.session = (int64_t)blob_uint_max(&b, INT64_MAX);
    r.message = (int64_t)blob_uint_max(&b, INT64_MAX);
    r.sender = get_address(&b);
    r.subject = blob_str(&b);
    r.message_id = blob_str(&b);
    r.recipients = get_recipients(a, &b, &r.n_recipients);
    r.n_events = blob_count(&b, EVENT_LEAST);
    struct trace_event *events = arena_array(a, r.n_events, sizeof *events);
    for (size_t i = 0; i < r.n_events; i++) events[i] = get_event(&b, r.at);
    r.events = events;
    if (b.bad || b.rest.n != 0) return ERR_CORRUPT;
    *out = r;
    return 0;
}

void record_pack_envelope(struct buf *b, const struct reverse_path *from, const struct trace_recipient *r, size_t n,
                          utc_us at)
{
    blob_put_uint(b, ENVELOPE_VERSION);
    blob_put_int(b, at);
    put_address(b, from->address);
    blob_put_uint(b, (uint64_t)from->ret);
    put_optional(b, from->envid);
    put_recipients(b, r, n);
}

int record_unpack_envelope(struct arena *a, struct str bytes, struct reverse_path *from, struct trace_recipient **r,
                           size_t *n, utc_us *at)
{
    struct blob b = {bytes, false};
    int newer = get_version(&b, ENVELOPE_VERSION);
    if (newer) return newer;
    *at = blob_int(&b);
    *from = (struct reverse_path){.address = get_address(&b), .size = -1};
    from->ret = (enum dsn_return)blob_uint_max(&b, DSN_RET_HDRS);
    from->envid = get_optional(&b);
    *r = get_recipients(a, &b, n);
    return b.bad || b.rest.n != 0 ? ERR_CORRUPT : 0;
}

void place_pack(struct buf *b, const struct pack_place *p)
{
    blob_put_uint(b, (uint64_t)p->pack);
    blob_put_uint(b, (uint64_t)p->offset);
    blob_put_uint(b, (uint64_t)p->length);
    blob_put_uint(b, (uint64_t)p->stored);
    blob_put_uint(b, (uint64_t)p->codec);
}

int place_unpack(struct str bytes, struct pack_place *out)
{
    struct blob b = {bytes, false};
    *out = (struct pack_place){.pack = (int64_t)blob_uint_max(&b, INT64_MAX)};
    out->offset = (int64_t)blob_uint_max(&b, INT64_MAX);
    out->length = (int64_t)blob_uint_max(&b, INT64_MAX);
    out->stored = (int64_t)blob_uint_max(&b, INT64_MAX);
    out->codec = (int)blob_uint_max(&b, UINT8_MAX);
    return b.bad || b.rest.n != 0 ? ERR_CORRUPT : 0;
}
