/* A whole SMTP session with whatever a client may send: bytes in pieces of any size, in the simulated world, before a
 * policy that asserts what agents are promised. */
#include <stdlib.h>

#include "io/sim.h"
#include "wire/smtp_rig_test.h"

#ifndef FUZZED_KIND
#define FUZZED_KIND SMTP_RELAY
#endif

/* bits of the first byte */
enum { SUBMISSION = 1, PLAINTEXT = 2, TRUSTED = 4, PROXY = 8, GREETED = 16, EXPANDS = 32, RARE = 64 };

struct fuzz {
    struct str input;
    unsigned how;
    size_t piece; /* bytes of each write */
    struct stream *client, *server;
    struct rig rig;
};

static FIBER void serve(void *arg)
{
    struct fuzz *f = arg;
    stream_set_peer(f->server, (struct endpoint){{4, {198, 51, 100, 7}}, 40025});
    rig_serve(f->server, &f->rig);
}

/* Reads what has come until nothing more does. */
static FIBER void drain(struct fuzz *f)
{
    struct str bytes;
    while (wait_any(f->client, NULL, loop_now() + 1000) == WAIT_INPUT && stream_peek(f->client, &bytes) == 0)
        stream_take(f->client, bytes.n);
}

static FIBER void talk(void *arg)
{
    struct fuzz *f = arg;
    bool lmtp = f->rig.service.kind == SMTP_LMTP;
    stream_deadline(f->client, loop_now() + HOURS(1));
    if (f->how & GREETED) {
        stream_write(f->client, lmtp ? S("LHLO x\r\n") : S("EHLO x\r\n"));
        stream_write(f->client, S("MAIL FROM:<>\r\nRCPT TO:<b@x.test>\r\n"));
    }
    for (struct str rest = f->input; rest.n && !stream_error(f->client); rest = str_skip(rest, f->piece)) {
        stream_write(f->client, str_head(rest, f->piece));
        stream_flush(f->client);
        drain(f);
    }
    drain(f);
    stream_abort(f->client);
}

static void set_up(struct fuzz *f, struct world *w)
{
    struct rig *r = &f->rig;
    rig_begin(w, r);
    r->service.kind = FUZZED_KIND == SMTP_RELAY && f->how & SUBMISSION ? SMTP_SUBMISSION : FUZZED_KIND;
    if (r->service.kind == SMTP_SUBMISSION) r->service.accounts = &r->accounts;
    r->plaintext = f->how & PLAINTEXT;
    r->trusted = f->how & TRUSTED;
    r->proxy = f->how & PROXY;
    if (f->how & EXPANDS) r->policy.expn = rig_expn;
    if (f->how & RARE) {
        r->policy.etrn = rig_etrn;
        r->service.hold_max = 86400;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 8192) return -1;
    struct sim *sim = sim_new(size);
    struct world *w = sim_node(sim, "server", (struct ip){4, {192, 0, 2, 25}});
    struct loop *l = loop_new(w);
    struct arena *a = arena_new(NULL, 0);
    struct fuzz *f = arena_new_of(a, struct fuzz);
    f->input = str_of(data + 2, size - 2);
    f->how = data[0];
    f->piece = 1 + data[1] % 64;
    set_up(f, w);
    stream_pair(a, 1 << 16, &f->client, &f->server);
    loop_spawn(l, serve, f);
    loop_spawn(l, talk, f);
    sim_run(sim, FOREVER);
    if (loop_stats(l).fibers_now) abort();
    loop_free(l);
    rig_over(&f->rig);
    arena_free(a);
    sim_free(sim);
    return 0;
}
