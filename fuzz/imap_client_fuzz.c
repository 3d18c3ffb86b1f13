/* A whole session of the IMAP client with whatever a server may say, in the simulated world: log-in, the list of
 * mailboxes, a survey, letters, an APPEND. It ends, errors are sticky, no line that goes out has a bare CR or LF, the
 * password goes nowhere unasked, and no mailbox gets a name that cannot be one. */
#include <stdlib.h>

#include "cmd/remote_list.h"
#include "io/sim.h"

/* the first byte */
enum { STARTTLS = 1, LOG_IN = 2, GREETED = 4, SCRAM = 8, NON_SYNC = 16, UTF8 = 32 };
enum { BODY_MAX = 64 };

struct fuzz {
    struct str input;
    unsigned how;
    size_t piece; /* bytes of each write of the server */
    struct world *world;
    struct arena *arena;
    struct stream *client, *server;
    struct program program;
    struct remote remote;
    char last; /* byte of the client */
    bool ended;
};

#define MUST(truth) ((truth) ? (void)0 : abort())

static FIBER bool hear(struct fuzz *f, int64_t span)
{
    struct str bytes;
    while (wait_any(f->server, NULL, loop_now() + span) == WAIT_INPUT) {
        if (stream_peek(f->server, &bytes)) return false;
        for (size_t i = 0; i < bytes.n; i++) {
            MUST((bytes.p[i] == '\n') == (f->last == '\r'));
            f->last = bytes.p[i];
        }
        stream_take(f->server, bytes.n);
    }
    return true;
}

static FIBER void greet(struct fuzz *f)
{
    stream_write(f->server, S("* OK [CAPABILITY IMAP4rev1 STARTTLS NAMESPACE AUTH=PLAIN"));
    if (f->how & SCRAM) stream_write(f->server, S(" AUTH=SCRAM-SHA-256"));
    if (f->how & NON_SYNC) stream_write(f->server, S(" LITERAL+ SASL-IR LIST-EXTENDED"));
    if (f->how & UTF8) stream_write(f->server, S(" ENABLE UTF8=ACCEPT"));
    stream_write(f->server, S("] x\r\n"));
    hear(f, 1000);
}

static FIBER void serve(void *arg)
{
    struct fuzz *f = arg;
    stream_deadline(f->server, loop_now() + HOURS(2));
    if (f->how & GREETED) greet(f);
    for (struct str rest = f->input; rest.n && !stream_error(f->server); rest = str_skip(rest, f->piece)) {
        stream_write(f->server, str_head(rest, f->piece));
        stream_flush(f->server);
        if (!hear(f, 1000)) break;
    }
    hear(f, 1000);
    stream_close(f->server);
}

static FIBER bool hear_letter(void *arg, const struct imap_client *c)
{
    struct fuzz *f = arg;
    struct imap_fetched fetched;
    MUST(c->body.n <= BODY_MAX && (c->body_size > BODY_MAX ? c->body.n == 0 : c->body.n == c->body_size));
    return imap_fetched(f->arena, &c->said, &fetched);
}

static FIBER int open_session(struct fuzz *f)
{
    struct imap_client *c = f->remote.client;
    struct error e;
    struct tls_context *tls = NULL;
    bool preauth = false;
    int error = imap_client_greeting(c, &preauth, &e);
    if (!error && f->how & STARTTLS) {
        tls_client_new(f->world, TLS_VERIFY_NONE, &tls, NULL);
        error = imap_client_starttls(c, tls, S("x.test"), &e);
        tls_unref(tls);
        MUST(error || c->tls);
    }
    if (!error && f->how & LOG_IN) error = imap_client_login(c, S("u"), S("p\xc3\xa4"), true, &e);
    return error;
}

static FIBER int look_around(struct fuzz *f, struct error *e)
{
    struct imap_client *c = f->remote.client;
    struct places all;
    int error = remote_list(&f->remote, &all, e);
    for (size_t i = 0; !error && i < all.n; i++) {
        struct str level, rest = all.v[i].name, clean;
        while (rest.n) {
            str_cut(rest, '/', &level, &rest);
            MUST(mailbox_level(f->arena, level, &clean) == 0);
        }
        place_raw(f->arena, all.v[i].name, all.separator, all.prefix, c->utf8);
    }
    return error;
}

static FIBER int carry(struct fuzz *f, struct error *e)
{
    struct imap_client *c = f->remote.client;
    unsigned tag;
    c->heard = hear_letter;
    c->arg = f;
    c->body_max = BODY_MAX;
    imap_client_ask(c, S("UID FETCH 1:* (UID BODY.PEEK[])"), ERR_UNAVAILABLE, "x", e);
    buf_lit(imap_client_begin(c), "APPEND ");
    int r = imap_client_string(c, S("\xff"), e);
    if (!r) r = imap_client_literal(c, 4, false, e);
    if (!r) r = imap_client_bytes(c, S("x\r\n."), e);
    if (!r) r = imap_client_end(c, &tag, e);
    return r ? r : imap_client_wait(c, tag, e);
}

static FIBER void talk(void *arg)
{
    struct fuzz *f = arg;
    struct error e;
    struct imap_client *c = f->remote.client = arena_new_of(f->arena, struct imap_client);
    imap_client_init(c, f->world, f->arena, f->client);
    int error = open_session(f);
    if (!error) error = look_around(f, &e);
    if (!error) carry(f, &e);
    bool broken = imap_client_broken(c);
    MUST(!broken || imap_client_ask(c, S("NOOP"), ERR_UNAVAILABLE, "x", &e) != 0); /* errors are sticky */
    imap_client_close(c);
    f->ended = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 8192) return -1;
    struct sim *sim = sim_new(size);
    struct arena *a = arena_new(NULL, 0);
    struct fuzz *f = arena_new_of(a, struct fuzz);
    f->world = sim_node(sim, "client", (struct ip){4, {192, 0, 2, 25}});
    struct loop *l = loop_new(f->world);
    f->arena = a;
    f->input = str_of(data + 2, size - 2);
    f->how = data[0];
    f->piece = 1 + data[1] % 128;
    f->program.arena = a;
    f->remote.program = &f->program;
    stream_pair(a, 1 << 16, &f->client, &f->server);
    loop_spawn(l, serve, f);
    loop_spawn(l, talk, f);
    sim_run(sim, FOREVER);
    MUST(f->ended && loop_stats(l).fibers_now == 0);
    loop_free(l);
    arena_free(a);
    sim_free(sim);
    return 0;
}
