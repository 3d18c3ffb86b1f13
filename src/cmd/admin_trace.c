/* Requests about the record: its last rows as they are, and the journeys of messages, found by id, address, domain,
 * Message-ID, subject and time. */
#include "base/codec.h"
#include "cmd/admin.h"

enum {
    PAGE = 100,          /* rows read at once */
    JOURNEY_ROWS = 2000, /* of one message; a letter to a thousand that waits for days has so many */
    FOUND_AT_ONCE = 50,
};

static const char *kind_name(enum trace_kind k)
{
    static const char *const names[] = {
        [TRACE_RECEIVED] = "received", [TRACE_ACCEPTED] = "accepted",         [TRACE_ROUTED] = "routed",
        [TRACE_ATTEMPT] = "attempt",   [TRACE_DEFERRED] = "deferred",         [TRACE_DELIVERED] = "delivered",
        [TRACE_BOUNCED] = "bounced",   [TRACE_EXPIRED] = "expired",           [TRACE_HELD] = "held",
        [TRACE_REFUSED] = "refused",   [TRACE_REFUSED_MANY] = "refused many", [TRACE_LOST] = "lost",
        [TRACE_LOGIN] = "login", [TRACE_LOGIN_FAILED] = "login failed", [TRACE_ADMIN] = "admin",
        [TRACE_REPORTED] = "reported",
    };
    size_t n = sizeof names / sizeof *names;
    return (size_t)k < n && names[k] ? names[k] : "event";
}

static void put_unless_empty(struct json *j, const char *name, struct str value)
{
    if (value.n) json_put_str(j, name, value);
}

static void put_event(struct json *j, struct arena *a, const struct trace_event *t)
{
    char room[64];
    struct buf text = BUF_OVER(room);
    json_put_object(j, NULL);
    json_put_time(j, "at", t->at);
    json_put_str(j, "event", str_c(kind_name(t->kind)));
    if (t->recipient >= 0) json_put_int(j, "recipient", t->recipient);
    if (t->peer.family) {
        ip_put(&text, t->peer);
        json_put_str(j, "peer", buf_str(&text));
    }
    put_unless_empty(j, "host", t->host);
    put_unless_empty(j, "tls", t->tls);
    put_unless_empty(j, "address", t->address);
    if (t->code) json_put_int(j, "code", t->code);
    if (t->status.class)
        json_put_str(j, "status", arena_printf(a, "%u.%u.%u", t->status.class, t->status.subject, t->status.detail));
    put_unless_empty(j, "text", t->text);
    if (t->number && t->kind == TRACE_REPORTED) json_put_id(j, "report", t->number);
    else if (t->number) json_put_int(j, "number", t->number);
    json_put_end(j, '}');
}

static void put_head(struct json *j, struct arena *page, const struct trace_row *row)
{
    json_put_int(j, "seq", row->seq);
    json_put_time(j, "at", row->at);
    json_put_id(j, "message", row->message);
    json_put_id(j, "session", row->session);
    put_unless_empty(j, "from", row->sender);
    put_unless_empty(j, "subject", row->subject);
    put_unless_empty(j, "message_id", row->message_id);
    json_put_array(j, "recipients");
    for (size_t i = 0; i < row->n_recipients; i++) {
        json_put_object(j, NULL);
        json_put_str(j, "to", address_str(page, row->recipients[i].path.address));
        if (!address_is_null(row->recipients[i].final))
            json_put_str(j, "final", address_str(page, row->recipients[i].final));
        json_put_end(j, '}');
    }
    json_put_end(j, ']');
}

/* ---- the last rows ---- */

static FIBER int put_row(struct answer *a, struct arena *page, const struct trace_row *row)
{
    struct json *j = answer_row(a);
    put_head(j, page, row);
    json_put_array(j, "events");
    for (size_t i = 0; i < row->n_events; i++) put_event(j, page, &row->events[i]);
    json_put_end(j, ']');
    return answer_send(a);
}

/* Is there a row behind `seq`? The first one's seq, 0 if there is none. */
static FIBER int first_after(const struct admin *admin, struct arena *page, int64_t seq, int64_t *first,
                             struct error *e)
{
    struct trace_row *row;
    size_t n;
    arena_reset(page);
    int error = store_trace_read(admin->store, page, seq, 0, 1, &row, &n, e);
    *first = !error && n ? row[0].seq : 0;
    return error;
}

/* The seq of the last row: rows have no gaps but those at the beginning, so it is found by halving. */
static FIBER int last_seq(const struct admin *admin, struct arena *page, int64_t *last, struct error *e)
{
    int64_t have, seen, step = 1;
    int error = first_after(admin, page, 0, &have, e);
    for (seen = have; !error && seen; step *= 2) {
        have = seen;
        error = first_after(admin, page, have + step - 1, &seen, e);
    }
    while (!error && step > 0) {
        error = first_after(admin, page, have + step - 1, &seen, e);
        if (seen) have = seen;
        else step /= 2;
    }
    *last = have;
    return error;
}

static FIBER int last_rows(const struct admin *admin, struct answer *a, struct arena *page, int64_t last,
                           struct error *e)
{
    int64_t after = 0;
    int error = last_seq(admin, page, &after, e);
    after = after > last ? after - last : 0;
    for (size_t n = 1; !error && n > 0 && !a->failed;) {
        struct trace_row *row;
        arena_reset(page);
        error = store_trace_read(admin->store, page, after, 0, PAGE, &row, &n, e);
        for (size_t i = 0; !error && i < n && !a->failed; i++) put_row(a, page, &row[i]);
        if (!error && n) after = row[n - 1].seq;
    }
    return error;
}

/* ---- journeys ---- */

static bool is_outcome(enum trace_kind k)
{
    return k == TRACE_DEFERRED || k == TRACE_DELIVERED || k == TRACE_BOUNCED || k == TRACE_EXPIRED || k == TRACE_HELD ||
           k == TRACE_REFUSED;
}

struct journey {
    struct trace_row *rows;
    size_t n;
};

/* The last word on each address, in the order in which they were first heard of. */
static void put_outcomes(struct json *j, struct arena *page, const struct journey *way)
{
    size_t n = 0, cap = 0;
    for (size_t r = 0; r < way->n; r++) cap += way->rows[r].n_events;
    const struct trace_event **last = arena_array(page, cap, sizeof *last);
    for (size_t r = 0; r < way->n; r++)
        for (size_t i = 0; i < way->rows[r].n_events; i++) {
            const struct trace_event *t = &way->rows[r].events[i];
            if (!is_outcome(t->kind) || t->address.n == 0) continue;
            size_t k = 0;
            while (k < n && !str_eq(last[k]->address, t->address)) k++;
            last[k] = t;
            if (k == n) n++;
        }
    json_put_array(j, "outcomes");
    for (size_t k = 0; k < n; k++) put_event(j, page, last[k]);
    json_put_end(j, ']');
}

static FIBER int read_journey(const struct admin *admin, struct arena *page, int64_t message, struct journey *way,
                              struct error *e)
{
    way->rows = arena_array(page, JOURNEY_ROWS, sizeof *way->rows);
    way->n = 0;
    int error = 0;
    for (size_t n = 1; !error && n > 0 && way->n < JOURNEY_ROWS;) {
        struct trace_row *rows;
        int64_t after = way->n ? way->rows[way->n - 1].seq : 0;
        size_t room = JOURNEY_ROWS - way->n;
        error = store_trace_read(admin->store, page, after, message, room < PAGE ? room : PAGE, &rows, &n, e);
        if (!error && n) memcpy(&way->rows[way->n], rows, n * sizeof *rows);
        if (!error) way->n += n;
    }
    return error;
}

static FIBER int put_journey(const struct admin *admin, struct answer *a, struct arena *page, int64_t message,
                             struct error *e)
{
    struct journey way;
    arena_reset(page);
    int error = read_journey(admin, page, message, &way, e);
    if (error) return error;
    if (way.n == 0) return error_set(e, ERR_NOT_FOUND, "nothing is known of this message");
    const struct trace_row *head = &way.rows[0];
    for (size_t i = 1; i < way.n && head->n_recipients == 0; i++)
        if (way.rows[i].n_recipients) head = &way.rows[i]; /* refusals before it was accepted have no envelope */
    struct json *j = answer_row(a);
    put_head(j, page, head);
    put_outcomes(j, page, &way);
    json_put_array(j, "events");
    for (size_t r = 0; r < way.n; r++)
        for (size_t i = 0; i < way.rows[r].n_events; i++) put_event(j, page, &way.rows[r].events[i]);
    json_put_end(j, ']');
    return answer_send(a);
}

/* ---- which ---- */

int admin_time(struct str text, utc_us now, utc_us *out, struct error *e)
{
    static const struct {
        char unit;
        int64_t span;
    } units[] = {{'m', MINUTES(1)}, {'h', HOURS(1)}, {'d', DAYS(1)}, {'w', DAYS(7)}};
    uint64_t count;
    *out = 0;
    if (text.n == 0) return 0;
    for (size_t i = 0; i < 4; i++)
        if (text.p[text.n - 1] == units[i].unit && str_to_u64(str_head(text, text.n - 1), 10000, &count)) {
            *out = now - (int64_t)count * units[i].span;
            return 0;
        }
    static const struct {
        size_t at, n;
        char before;
    } parts[] = {{0, 4, 0}, {5, 2, '-'}, {8, 2, '-'}, {11, 2, 'T'}, {14, 2, ':'}, {17, 2, ':'}};
    uint64_t v[6] = {0};
    struct str rest = str_ends(text, S("Z")) ? str_head(text, text.n - 1) : text;
    bool right = rest.n == 10 || rest.n == 16 || rest.n == 19;
    for (size_t i = 0; i < 6 && right && parts[i].at < rest.n; i++) {
        if (i) right = rest.p[parts[i].at - 1] == parts[i].before;
        right = right && str_to_u64(str_sub(rest, parts[i].at, parts[i].at + parts[i].n), 9999, &v[i]);
    }
    struct civil c = {(int)v[0], (int)v[1], (int)v[2], (int)v[3], (int)v[4], (int)v[5], 0, 0};
    if (!right || !civil_valid(&c))
        return error_set(e, ERR_SYNTAX, "\"%.*s\" is no time: 2026-11-22, 2026-11-22T10:30, 2h or 7d are",
                         STR_FMT(str_head(text, 40)));
    *out = civil_to_utc(&c);
    return 0;
}

struct wanted {
    struct trace_query query;
    int64_t message; /* this one */
    bool any;        /* is anything asked for? */
    struct str or_message_id; /* what was no known address may be a Message-ID */
};

/* The word of the command line: an id, a Message-ID, an address, a domain. */
static int read_word(struct str what, struct wanted *w, struct error *e)
{
    if (what.n == 0) return 0;
    bool at = str_find_char(what, '@') < what.n;
    if (what.p[0] == '<') w->query.message_id = what;
    else if (at) w->query.address = w->or_message_id = what;
    else if (id_parse(what, &w->message) == 0) return 0;
    else if (str_find_char(what, '.') < what.n && str_find_char(what, ' ') == what.n) w->query.address = what;
    else
        return error_set(e, ERR_SYNTAX, "\"%.*s\" is no message's id, address, domain or Message-ID",
                         STR_FMT(str_head(what, 60)));
    return 0;
}

static int read_wanted(const struct admin *admin, const json_t *request, struct wanted *w, struct error *e)
{
    static const char *const names[] = {"what", "address", "message_id", "subject", "since", "until"};
    struct trace_query *q = &w->query;
    utc_us now = clock_utc(admin->world);
    for (size_t i = 0; i < 6; i++) w->any |= request_text(request, names[i]).n > 0;
    int error = read_word(request_text(request, "what"), w, e);
    struct str address = request_text(request, "address"), id = request_text(request, "message_id");
    if (address.n) q->address = address;
    if (id.n) q->message_id = id;
    q->subject = request_text(request, "subject");
    if (!error) error = admin_time(request_text(request, "since"), now, &q->since, e);
    if (!error) error = admin_time(request_text(request, "until"), now, &q->until, e);
    return error;
}

/* Pages of the newest messages that match, `left` at most. */
static FIBER int put_found(const struct admin *admin, struct answer *a, struct arena *page, const struct trace_query *q,
                           int64_t left, size_t *found, struct error *e)
{
    struct arena *hits = arena_new(a->arena, 0);
    int error = 0;
    int64_t before = 0;
    for (size_t n = 1; !error && left > 0 && n > 0 && !a->failed; left -= (int64_t)n) {
        struct trace_hit *hit;
        arena_reset(hits);
        error = store_trace_find(admin->store, hits, q, before, left < FOUND_AT_ONCE ? (size_t)left : FOUND_AT_ONCE,
                                 &hit, &n, e);
        for (size_t i = 0; !error && i < n && !a->failed; i++) error = put_journey(admin, a, page, hit[i].message, e);
        if (!error && n) before = hit[n - 1].seq;
        *found += error ? 0 : n;
    }
    arena_free(hits);
    return error;
}

static FIBER int find(const struct admin *admin, struct answer *a, struct arena *page, struct wanted *w, int64_t last,
                      struct error *e)
{
    size_t found = 0;
    int error = put_found(admin, a, page, &w->query, last, &found, e);
    if (!error && !found && w->or_message_id.n && !w->query.message_id.n) {
        w->query.address = S("");
        w->query.message_id = w->or_message_id;
        error = put_found(admin, a, page, &w->query, last, &found, e);
    }
    if (!error && !found) return error_set(e, ERR_NOT_FOUND, "nothing in the record matches");
    return error;
}

static FIBER int trace(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    struct wanted w = {0};
    int64_t last = request_int(request, "last", 20);
    int error = read_wanted(admin, request, &w, e);
    if (error) return error;
    struct arena *page = arena_new(a->arena, 0);
    if (!w.any) error = last_rows(admin, a, page, last, e);
    else if (w.message) error = put_journey(admin, a, page, w.message, e);
    else error = find(admin, a, page, &w, last, e);
    arena_free(page);
    return error;
}

const struct admin_op admin_trace_ops[] = {{"trace", trace, NULL}, {0}};
