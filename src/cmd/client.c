/* Asking for administration, of a running server or of the store itself. */
#include "cmd/client.h"

#include <stdlib.h>

#include "cmd/admin.h"
#include "cmd/owner.h"
#include "io/connect.h"
#include "io/process.h"
#include "mail/limits.h"

#define TIMEOUT_ADMIN_ANSWER HOURS(4) /* verify reads the whole store */
#define SPAN_ADMIN_RETRY SECONDS(3) /* while another command has the store, or a server is about to answer */
enum { ADMIN_LINE = 8 << 20 };

struct client {
    struct stream *stream; /* to a running server */
    struct admin admin; /* without one: ourselves */
    struct arena *scratch;
    const struct client_listener *listener; /* of the request at hand */
    struct error *error;
    struct str bytes; /* that follow it, while nobody else answers */
    int result;
    bool ended;
};

bool client_is_remote(const struct client *c) { return c->stream != NULL; }

struct opening {
    struct world *world;
    const struct config *config;
    struct store *store;
    struct error *e;
    int result;
};

static void open_store(void *arg)
{
    struct opening *o = arg;
    struct arena *a = arena_new(NULL, 0);
    struct store_options options = {.folder = arena_cstr(a, o->config->data),
                                    .keep_expunged_us = o->config->mailbox.keep_expunged,
                                    .count_expunged = o->config->mailbox.counts_in_quota};
    o->result = owner_become(o->config, o->e);
    if (!o->result) o->result = store_open(o->world, &options, &o->store, o->e);
    arena_free(a);
}

static FIBER int try_open(struct world *w, const struct config *config, struct client *c, struct error *e)
{
    char path[108];
    struct error no_server = {0};
    int error = admin_socket_path(config, path, e);
    if (error) return error;
    error = stream_connect_unix(path, loop_now() + SECONDS(5), &c->stream, &no_server);
    if (error == 0) return 0;
    if (error == ERR_DENIED) return error_set(e, ERR_DENIED, "only root and the server's own user may ask the server");
    struct opening o = {.world = w, .config = config, .e = e};
    offload(open_store, &o);
    c->admin = (struct admin){.world = w, .store = o.store, .config = config};
    return o.result;
}

FIBER int client_open(struct world *w, const struct config *config, struct client **out, struct error *e)
{
    struct client *c = calloc(1, sizeof *c);
    if (!c) abort();
    c->scratch = arena_new(NULL, 0);
    mono_us until = loop_now() + SPAN_ADMIN_RETRY;
    int error = try_open(w, config, c, e);
    while (error == ERR_BUSY && loop_now() < until && fiber_sleep(20 * US_PER_MS) == 0)
        error = try_open(w, config, c, e);
    if (error) {
        arena_free(c->scratch);
        free(c);
        if (error == ERR_BUSY)
            error_set(e, ERR_BUSY, "another penny has the data folder %.*s; try again", STR_FMT(config->data));
        return error;
    }
    *out = c;
    return 0;
}

FIBER void client_close(struct client *c)
{
    if (c && c->stream) stream_close(c->stream);
}

void client_free(struct client *c)
{
    if (!c) return;
    store_close(c->admin.store);
    arena_free(c->scratch);
    free(c);
}

static void take_error(struct client *c, const json_t *error)
{
    struct str text = request_text(error, "text");
    int64_t code = request_int(error, "code", ERR_UNSUPPORTED);
    c->result = error_set(c->error, code < 0 && code > -100 ? (int)code : ERR_UNSUPPORTED, "%.*s", STR_FMT(text));
}

static FIBER int take_line(void *arg, struct str line)
{
    static const struct str row = S_INIT("{\"row\":");
    struct client *c = arg;
    const struct client_listener *l = c->listener;
    json_t *json;
    if (str_starts(line, row)) { /* rows pass as they are; their reader is the listener */
        if (l->row) l->row(l->arg, str_sub(line, row.n, line.n - 1));
        return 0;
    }
    struct arena *a = arena_new(c->scratch, 0);
    int error = request_read(a, line, &json, c->error);
    if (error) c->result = error;
    else if (json_object_get(json, "error")) take_error(c, json_object_get(json, "error"));
    else if (json_object_get(json, "done") && l->done) l->done(l->arg, json_object_get(json, "done"));
    else if (json_object_get(json, "tell") && l->tell)
        l->tell(l->arg, request_text(json, "tell"), request_bool(json, "finding"));
    c->ended = error || json_object_get(json, "done") || json_object_get(json, "error");
    arena_free(a);
    return 0;
}

static FIBER int ask_server(struct client *c, struct str request, struct str bytes, struct error *e)
{
    stream_deadline(c->stream, loop_now() + TIMEOUT_ADMIN_ANSWER);
    int error = stream_write(c->stream, request);
    if (!error) error = stream_write(c->stream, S("\n"));
    if (!error && bytes.n) error = stream_write(c->stream, bytes);
    stream_lenient(c->stream, true);
    while (!error && !c->ended) {
        struct str line;
        error = stream_line(c->stream, ADMIN_LINE, &line);
        if (!error) take_line(c, line);
    }
    return error ? error_set(e, ERR_UNAVAILABLE, "the server went away: %s", err_name(error)) : c->result;
}

static FIBER int take_bytes(void *arg, size_t most, struct str *bytes)
{
    struct client *c = arg;
    *bytes = str_head(c->bytes, most);
    c->bytes = str_skip(c->bytes, bytes->n);
    return bytes->n ? 0 : ERR_EOF;
}

FIBER int client_ask_with(struct client *c, struct str request, struct str bytes, const struct client_listener *l,
                          struct error *e)
{
    static const struct client_listener nobody = {0};
    c->listener = l ? l : &nobody;
    c->error = e;
    c->result = 0;
    c->ended = false;
    if (c->stream) return ask_server(c, request, bytes, e);
    c->bytes = bytes;
    const struct asker us = {.who = admin_user_name(c->scratch, process_uid()),
                             .send = take_line,
                             .take = take_bytes,
                             .arg = c};
    admin_answer(&c->admin, c->scratch, &us, request);
    arena_reset(c->scratch);
    return c->result;
}

FIBER int client_ask(struct client *c, struct str request, const struct client_listener *l, struct error *e)
{
    return client_ask_with(c, request, STR_NONE, l, e);
}
