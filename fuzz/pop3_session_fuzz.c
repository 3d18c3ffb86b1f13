/* A whole POP3 session with whatever a client may send: bytes in pieces of any size, in the simulated world, over a
 * store in memory.
 *
 * Afterwards the maildrop is free, and letters have gone by one request at most. */
#include <stdlib.h>

#include "io/sim.h"
#include "io/tls.h"
#include "maa/pop3.h"
#include "maa/test_store.c"

enum { PLAINTEXT = 1, TLS = 2, PROXY = 4, LOGGED_IN = 8, TRUSTED = 16 }; /* bits of the first byte */

struct fuzz {
    struct str input;
    unsigned how;
    size_t piece; /* bytes of each write */
    struct tls_context *tls;
    struct stream *client, *server;
    struct pop3_service service;
};

static bool takes_plaintext(void *arg, struct ip peer)
{
    return peer.family && (((struct fuzz *)arg)->how & PLAINTEXT);
}
static bool trusts(void *arg, struct ip peer) { return peer.family && (((struct fuzz *)arg)->how & TRUSTED); }
static bool has_proxy(void *arg, struct ip peer) { return peer.family == 4 && (((struct fuzz *)arg)->how & PROXY); }
static struct tls_context *tls_of(void *arg)
{
    struct fuzz *f = arg;
    return f->how & TLS ? tls_ref(f->tls) : NULL;
}

static FIBER void serve(void *arg)
{
    struct fuzz *f = arg;
    stream_set_peer(f->server, (struct endpoint){{4, {198, 51, 100, 7}}, 40110});
    pop3_serve(f->server, &f->service);
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
    stream_deadline(f->client, loop_now() + HOURS(1));
    if (f->how & LOGGED_IN) stream_write(f->client, S("USER bob@example.org\r\nPASS open sesame\r\n"));
    for (struct str rest = f->input; rest.n && !stream_error(f->client); rest = str_skip(rest, f->piece)) {
        stream_write(f->client, str_head(rest, f->piece));
        stream_flush(f->client);
        drain(f);
    }
    drain(f);
    stream_abort(f->client);
}

static void fill(struct store *s)
{
    test_store_add(s, S("Subject: one\r\n\r\n.first\r\n"));
    test_store_add(s, S(""));
    test_store_add(s, S("no header, no end"));
    test_store_add(s, S("A: b\r\n\r\n\r\r\n\n.\n.\r\n\0\xff"));
    char *large = arena_alloc(s->arena, 100000);
    for (size_t i = 0; i < 100000; i++) large[i] = ".\r\n\r\nx"[i % 6];
    test_store_add(s, str_of(large, 100000));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 4096) return -1;
    struct sim *sim = sim_new(size);
    struct world *w = sim_node(sim, "server", (struct ip){4, {192, 0, 2, 110}});
    struct loop *l = loop_new(w);
    struct arena *a = arena_new(NULL, 0);
    struct store *store = test_store_new();
    struct fuzz f = {.input = str_of(data + 2, size - 2), .how = data[0], .piece = 1 + data[1] % 64};
    f.service = (struct pop3_service){.store = store,
                                      .accounts = &test_accounts,
                                      .tls = tls_of,
                                      .plaintext_auth = takes_plaintext,
                                      .trusted = trusts,
                                      .proxy_allowed = has_proxy,
                                      .arg = &f,
                                      .hostname = S("pop.example.org")};
    if (tls_server_new(w, "", "", &f.tls, NULL)) abort();
    fill(store);
    stream_pair(a, 1 << 16, &f.client, &f.server);
    loop_spawn(l, serve, &f);
    loop_spawn(l, talk, &f);
    sim_run(sim, FOREVER);
    if (loop_stats(l).fibers_now || store->locked[TEST_BOB] || store->locked[TEST_ANN] || store->expunges > 1) abort();
    loop_free(l);
    arena_free(a);
    tls_unref(f.tls);
    test_store_free(store);
    sim_free(sim);
    return 0;
}
