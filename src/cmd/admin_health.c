/* Requests about the state of things: status, verify, trace. */
#include <stdlib.h>
#include <unistd.h>

#include "base/codec.h"
#include "cmd/admin.h"
#include "cmd/server.h"

static FIBER int status(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    (void)request;
    (void)e;
    struct store_stats s = store_stats(admin->store);
    struct world_usage usage = world_usage(admin->world);
    struct json *j = answer_row(a);
    json_put_str(j, "version", S(PENNY_VERSION));
    json_put_str(j, "hostname", admin->config->hostname);
    json_put_bool(j, "running", admin->server != NULL);
    if (admin->server) {
        server_put_status(admin->server, j);
        json_put_int(j, "pid", getpid());
        json_put_int(j, "resident_bytes", usage.resident_bytes);
        json_put_int(j, "cpu_ms", (usage.cpu_user_us + usage.cpu_system_us) / US_PER_MS);
    }
    json_put_object(j, "store");
    const struct {
        const char *name;
        int64_t value;
    } counts[] = {
        {"domains", s.domains},       {"accounts", s.accounts},
        {"messages", s.messages},     {"queue", s.queue_rows},
        {"free_bytes", s.free_bytes}, {"wal_bytes", s.wal_bytes},
        {"groups", s.groups},         {"jobs", s.jobs},
        {"jobs_alone", s.jobs_alone}, {"commits", s.commits},
        {"pack_syncs", s.pack_syncs}, {"checkpoints", s.checkpoints},
        {"statements", s.statements}, {"row_writes", s.row_writes},
    };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) json_put_int(j, counts[i].name, counts[i].value);
    json_put_bool(j, "writes_refused", s.writes_refused);
    json_put_bool(j, "disk_low", s.disk_low);
    json_put_end(j, '}');
    answer_send(a);
    return 0;
}

/* ---- verify: findings come from whatever thread looks, and are passed on by the fiber that answers ---- */

struct told {
    struct told *next;
    bool finding;
    char line[];
};

struct verifying {
    const struct admin *admin;
    struct loop *loop;
    bool bodies;
    struct lock *lock;
    struct told *first, **last; /* waiting to be passed on */
    bool posted;
    struct post post;
    struct event news;
    bool done;
    int result;
    int64_t bad;
    struct error error;
};

static void wake(struct post *p)
{
    struct verifying *v = p->arg;
    lock_take(v->lock);
    v->posted = false;
    lock_give(v->lock);
    event_set(&v->news);
}

static void tell(void *arg, const char *line, bool finding)
{
    struct verifying *v = arg;
    size_t n = strlen(line) + 1;
    struct told *t = malloc(sizeof *t + n);
    if (!t) return;
    *t = (struct told){.finding = finding};
    memcpy(t->line, line, n);
    lock_take(v->lock);
    *v->last = t;
    v->last = &t->next;
    bool post = !v->posted;
    v->posted = true;
    lock_give(v->lock);
    if (post) loop_post(v->loop, &v->post);
}

static FIBER void look(void *arg)
{
    struct verifying *v = arg;
    v->result = store_verify(v->admin->store, v->bodies, tell, v, &v->bad, &v->error);
    v->done = true;
    event_set(&v->news);
}

/* True while a post is on its way, which points here. */
static FIBER bool pass_on(struct verifying *v, struct answer *a)
{
    lock_take(v->lock);
    struct told *t = v->first;
    v->first = NULL;
    v->last = &v->first;
    bool posted = v->posted;
    lock_give(v->lock);
    while (t) {
        struct told *next = t->next;
        if (!a->failed) answer_tell(a, str_c(t->line), t->finding);
        free(t);
        t = next;
    }
    return posted;
}

static FIBER int verify(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    struct verifying v = {.admin = admin,
                          .loop = loop_self(),
                          .bodies = request_bool(request, "bodies"),
                          .lock = lock_new(admin->world)};
    v.last = &v.first;
    v.post = (struct post){.fn = wake, .arg = &v};
    event_init(&v.news);
    struct scope scope;
    scope_init(&scope);
    fiber_spawn(&scope, look, &v);
    while (!v.done && event_wait(&v.news, FOREVER) == 0) {
        event_clear(&v.news);
        pass_on(&v, a);
    }
    scope_join(&scope); /* cancelled: looking goes on to its end all the same */
    while (pass_on(&v, a)) fiber_yield();
    lock_free(v.lock);
    if (v.result) {
        if (e) *e = v.error;
        return v.result;
    }
    json_put_int(&a->done, "findings", v.bad);
    return 0;
}

/* ---- trace ---- */

static const char *kind_name(enum trace_kind k)
{
    static const char *const names[] = {
        [TRACE_RECEIVED] = "received", [TRACE_ACCEPTED] = "accepted",         [TRACE_ROUTED] = "routed",
        [TRACE_ATTEMPT] = "attempt",   [TRACE_DEFERRED] = "deferred",         [TRACE_DELIVERED] = "delivered",
        [TRACE_BOUNCED] = "bounced",   [TRACE_EXPIRED] = "expired",           [TRACE_HELD] = "held",
        [TRACE_REFUSED] = "refused",   [TRACE_REFUSED_MANY] = "refused many", [TRACE_LOST] = "lost",
        [TRACE_LOGIN] = "login", [TRACE_LOGIN_FAILED] = "login failed", [TRACE_ADMIN] = "admin",
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
    if (t->number) json_put_int(j, "number", t->number);
    json_put_end(j, '}');
}

static FIBER int put_row(struct answer *a, struct arena *page, const struct trace_row *row)
{
    struct json *j = answer_row(a);
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

static FIBER int trace(const struct admin *admin, const json_t *request, struct answer *a, struct error *e)
{
    enum { PAGE = 100 };
    int64_t message = 0, after = 0, last = request_int(request, "last", 20);
    struct str id = request_text(request, "message");
    if (!str_is_none(id) && id_parse(id, &message) != 0)
        return error_set(e, ERR_SYNTAX, "\"%.*s\" is no message's id", STR_FMT(str_head(id, 40)));
    struct arena *page = arena_new(a->arena, 0);
    int error = message ? 0 : last_seq(admin, page, &after, e);
    if (!message) after = after > last ? after - last : 0;
    size_t n = 1, rows = 0;
    while (!error && n > 0 && !a->failed) {
        struct trace_row *row;
        arena_reset(page);
        error = store_trace_read(admin->store, page, after, message, PAGE, &row, &n, e);
        for (size_t i = 0; !error && i < n && !a->failed; i++) put_row(a, page, &row[i]);
        if (!error && n) after = row[n - 1].seq;
        rows += error ? 0 : n;
    }
    arena_free(page);
    if (!error && message && rows == 0)
        return error_set(e, ERR_NOT_FOUND, "nothing is known of message %.*s", STR_FMT(id));
    return error;
}

const struct admin_op admin_health_ops[] = {
    {"status", status, NULL}, {"verify", verify, NULL}, {"trace", trace, NULL}, {0}};
