/* Administration: requests, answers, and the socket they come over. */
#include "cmd/admin.h"

#include <stdio.h>

#include "io/listen.h"
#include "io/process.h"
#include "mail/limits.h"

#define TIMEOUT_ADMIN MINUTES(1) /* to take a line of the answer */
#define TIMEOUT_ADMIN_REQUEST HOURS(1) /* for the next request of a connection: an import waits for another server */
enum { ANSWER_LINE = 4 << 20 }; /* bytes; an alias with LIMIT_ALIAS_TARGETS targets fits */

int admin_socket_path(const struct config *c, char out[108], struct error *e)
{
    int n = snprintf(out, 108, "%.*s/admin.sock", STR_FMT(c->data));
    if (n > 0 && n < 108) return 0;
    return error_set(e, ERR_CONFIG,
                     "the name of the data folder is too long, its socket would be %d bytes (at most 107)", n);
}

/* ---- answers ---- */

struct json *answer_row(struct answer *a)
{
    buf_clear(a->line);
    a->json = JSON(a->line);
    json_put_object(&a->json, NULL);
    json_put_object(&a->json, "row");
    return &a->json;
}

static FIBER int send_line(struct answer *a)
{
    if (a->line->failed) a->failed = ERR_TOO_LONG;
    if (!a->failed) a->failed = a->from->send(a->from->arg, buf_str(a->line));
    return a->failed;
}

FIBER int answer_send(struct answer *a)
{
    json_put_end(&a->json, '}');
    json_put_end(&a->json, '}');
    return send_line(a);
}

FIBER int answer_tell(struct answer *a, struct str line, bool finding)
{
    buf_clear(a->line);
    struct json j = JSON(a->line);
    json_put_object(&j, NULL);
    json_put_str(&j, "tell", line);
    if (finding) json_put_bool(&j, "finding", true);
    json_put_end(&j, '}');
    return send_line(a);
}

static FIBER void send_done(struct answer *a)
{
    buf_lit(a->done.b, "}}");
    buf_clear(a->line);
    buf_add(a->line, buf_str(a->done.b));
    send_line(a);
}

static FIBER void send_error(struct answer *a, int code, const char *text)
{
    buf_clear(a->line);
    struct json j = JSON(a->line);
    json_put_object(&j, NULL);
    json_put_object(&j, "error");
    json_put_int(&j, "code", code);
    json_put_str(&j, "text", str_c(text[0] ? text : err_name(code)));
    json_put_end(&j, '}');
    json_put_end(&j, '}');
    send_line(a);
}

/* ---- requests ---- */

int admin_domain(struct answer *a, const json_t *request, const char *member, struct str *key, struct error *e)
{
    struct str text = request_text(request, member);
    if (str_ends(text, S("."))) text.n--;
    if (text.n && domain_key(a->arena, text, key) == 0 && !domain_is_literal(text)) return 0;
    return error_set(e, ERR_SYNTAX, "\"%.*s\" is no domain", STR_FMT(str_head(text, 100)));
}

int admin_address(struct answer *a, struct str text, struct address *shown, struct address *key, struct error *e)
{
    if (text.n && address_parse(a->arena, text, shown) == 0 && shown->domain.n &&
        address_key(a->arena, *shown, key) == 0)
        return 0;
    return error_set(e, ERR_SYNTAX, "\"%.*s\" is no address", STR_FMT(str_head(text, 100)));
}

static const struct admin_op *find_op(struct str name)
{
    static const struct admin_op *const all[] = {
        admin_domain_ops, admin_account_ops, admin_alias_ops,   admin_health_ops,  admin_trace_ops, admin_queue_ops,
        admin_hop_ops,    admin_route_ops,   admin_explain_ops, admin_mailbox_ops, admin_letter_ops,  admin_survey_ops};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (const struct admin_op *op = all[i]; op->name; op++)
            if (str_eq(name, str_c(op->name))) return op;
    return NULL;
}

static void put_on_record(const struct admin *admin, const struct admin_op *op, const json_t *request)
{
    struct trace_event event = {.at = clock_utc(admin->world),
                                .kind = TRACE_ADMIN,
                                .recipient = -1,
                                .text = str_c(op->name),
                                .address = request_text(request, op->about)};
    store_trace(admin->store, 0, 0, &event, 1);
}

FIBER int answer_bytes(struct answer *a, size_t most, struct str *bytes)
{
    if (a->bytes <= 0 || !a->from->take) return ERR_SYNTAX;
    int e = a->from->take(a->from->arg, a->bytes < (int64_t)most ? (size_t)a->bytes : most, bytes);
    if (e) a->failed = e;
    else a->bytes -= (int64_t)bytes->n;
    return e;
}

/* What the operation did not want to read, so that the next request is found. */
static FIBER void pass_over_bytes(struct answer *a)
{
    struct str bytes;
    while (a->bytes > 0 && answer_bytes(a, 1 << 20, &bytes) == 0) continue;
}

FIBER void admin_answer(const struct admin *admin, struct arena *scratch, const struct asker *from, struct str request)
{
    struct answer a = {.from = from, .arena = scratch, .who = from->who, .line = buf_in(scratch, ANSWER_LINE)};
    a.done = JSON(buf_in(scratch, 64 << 10));
    json_put_object(&a.done, NULL);
    json_put_object(&a.done, "done");
    struct error e = {0};
    json_t *json;
    int error = request_read(scratch, request, &json, &e);
    const struct admin_op *op = error ? NULL : find_op(request_text(json, "op"));
    if (!error) a.bytes = request_int(json, "bytes", 0);
    if (!error && !op) error = error_set(&e, ERR_UNSUPPORTED, "this server does not know that request");
    if (!error) error = op->run(admin, json, &a, &e);
    pass_over_bytes(&a);
    if (a.failed) return; /* nobody listens any more */
    if (!error && op->about) put_on_record(admin, op, json);
    if (error) send_error(&a, error, e.text);
    else send_done(&a);
}

/* ---- the socket ---- */

struct talk { /* with who asks */
    struct stream *stream;
    size_t borrowed; /* bytes of its input that the operation looks at */
};

static FIBER int send_to_stream(void *arg, struct str line)
{
    struct stream *s = ((struct talk *)arg)->stream;
    stream_deadline(s, loop_now() + TIMEOUT_ADMIN);
    int e = stream_write(s, line);
    return e ? e : stream_write(s, S("\n"));
}

static void give_back(struct talk *t)
{
    stream_take(t->stream, t->borrowed);
    t->borrowed = 0;
}

static FIBER int take_from_stream(void *arg, size_t most, struct str *bytes)
{
    struct talk *t = arg;
    give_back(t);
    stream_deadline(t->stream, loop_now() + TIMEOUT_ADMIN);
    int e = stream_peek(t->stream, bytes);
    if (e) return e;
    *bytes = str_head(*bytes, most);
    t->borrowed = bytes->n;
    return 0;
}

struct user_lookup {
    int64_t uid;
    struct process_user user;
    int result;
};

static void look_up(void *arg)
{
    struct user_lookup *l = arg;
    l->result = process_user_by_id(l->uid, &l->user);
}

FIBER struct str admin_user_name(struct arena *a, int64_t user)
{
    if (user == 0) return S("root");
    struct user_lookup l = {.uid = user};
    offload(look_up, &l);
    return l.result ? arena_printf(a, "user %lld", (long long)user) : arena_str(a, str_c(l.user.name));
}

static bool may_ask(struct stream *s, int64_t *user)
{
    struct peer_credentials who;
    if (stream_peer_credentials(s, &who) != 0) return false;
    *user = who.uid;
    return who.uid == 0 || who.uid == process_uid();
}

FIBER void admin_serve(struct stream *s, void *arg)
{
    const struct admin *admin = arg;
    struct arena *own = arena_new(NULL, 0), *scratch = arena_new(own, 0);
    int64_t user = -1;
    bool may = may_ask(s, &user);
    struct str who = may ? admin_user_name(own, user) : STR_NONE;
    struct talk talk = {.stream = s};
    const struct asker from = {.who = who, .send = send_to_stream, .take = take_from_stream, .arg = &talk};
    stream_lenient(s, true);
    for (;;) {
        struct str request;
        stream_deadline(s, loop_now() + TIMEOUT_ADMIN_REQUEST);
        int e = stream_line(s, LIMIT_ADMIN_REQUEST, &request);
        if (e == ERR_TOO_LONG) request = STR_NONE; /* answered as no JSON */
        else if (e) break;
        if (!may) {
            send_to_stream(&talk,
                           S("{\"error\":{\"code\":-11,\"text\":\"only root and the server's own user may ask\"}}"));
            break;
        }
        admin_answer(admin, scratch, &from, request);
        give_back(&talk);
        arena_reset(scratch);
    }
    arena_free(own);
    stream_close(s);
}
