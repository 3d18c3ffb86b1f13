/* Streams: TLS put over a connection that has begun plain, or from its first byte. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "io/stream_core.h"
#include "mail/limits.h"

/* In the simulated world a stream only says that it is TLS. */
static const struct tls_facts simulated = {.version = "TLSv1.3", .cipher = "TLS_AES_256_GCM_SHA384", .bits = 256};

static struct tls_facts *new_facts(struct stream *s)
{
    if (!s->facts && !(s->facts = malloc(sizeof *s->facts))) abort();
    return s->facts;
}

/* What is buffered is the beginning of the handshake, and no longer the stream's. */
static void hand_over_input(struct stream *s)
{
    struct str begin = stream_buffered(s);
    if (begin.n == 0) return;
    tls_layer_feed(s->tls, begin);
    s->bytes_in -= (int64_t)begin.n;
    stream_drop_input(s);
}

/* Waits for the peer. Who is silent gives the permit back meanwhile, or a few who never say more would keep out
 * everybody: *held tells whether it is still there afterwards. */
static FIBER int wait_for_peer(struct stream *s, bool want_write, struct permits *p, bool *held)
{
    mono_us soon = loop_now() + SPAN_HANDSHAKE_SILENCE;
    if (!*held || soon >= s->deadline) return conn_wait(s->conn, want_write, s->deadline);
    int e = conn_wait(s->conn, want_write, soon);
    if (e != ERR_TIMEOUT) return e;
    permits_give(p);
    *held = false;
    e = conn_wait(s->conn, want_write, s->deadline);
    if (!e) e = permits_take(p, s->deadline);
    *held = e == 0;
    return e;
}

/* *held: one of the permits p is ours; still so afterwards, unless the peer was silent. */
static FIBER int handshake(struct stream *s, struct tls_context *tls, bool server, struct str server_name,
                           struct permits *p, bool *held)
{
    s->tls = tls_layer_new(tls, s->conn, server, server_name);
    hand_over_input(s);
    for (;;) {
        bool want_write = false;
        struct error detail = {0};
        int e = tls_layer_handshake(s->tls, &want_write, &detail);
        if (e == 0) break;
        if (e == CONN_AGAIN) e = wait_for_peer(s, want_write, p, held);
        if (e == 0) continue;
        if (detail.code && (s->detail = malloc(sizeof detail))) *s->detail = detail;
        return stream_fail(s, e);
    }
    *new_facts(s) = (struct tls_facts){0};
    tls_layer_facts(s->tls, s->facts);
    return 0;
}

static FIBER int last_plain_words(struct stream *s)
{
    assert(!s->deflate); /* RFC 4978 §4: TLS lies below compression, never above it */
    int e = stream_flush(s);
    return e ? e : s->in_error;
}

/* RFC 3207 §4.2: what came in plain text before the handshake must not be taken for what comes after it. */
static FIBER int clean_slate(struct stream *s)
{
    int e = last_plain_words(s);
    if (!e) stream_drop_input(s);
    return e;
}

FIBER int stream_starttls_server(struct stream *s, struct tls_context *tls)
{
    int e = clean_slate(s);
    return e ? e : stream_tls_server(s, tls);
}

FIBER int stream_tls_server(struct stream *s, struct tls_context *tls)
{
    int e = last_plain_words(s);
    if (e) return e;
    if (tls_context_is_simulated(tls)) {
        *new_facts(s) = simulated;
        return 0;
    }
    /* only who has something to say gets one of the permits */
    if (stream_buffered(s).n == 0) e = conn_wait(s->conn, false, s->deadline);
    struct permits *p = loop_handshakes(loop_self());
    if (!e) e = permits_take(p, s->deadline);
    if (e) return stream_fail(s, e);
    bool held = true;
    e = handshake(s, tls, true, STR_NONE, p, &held);
    if (held) permits_give(p);
    return e;
}

FIBER int stream_starttls_client(struct stream *s, struct tls_context *tls, struct str server_name)
{
    int e = clean_slate(s);
    if (e) return e;
    bool held = false; /* clients need no permit */
    if (!tls_context_is_simulated(tls)) return handshake(s, tls, false, server_name, NULL, &held);
    *new_facts(s) = simulated;
    return 0;
}

const struct tls_facts *stream_tls(struct stream *s)
{
    static const struct tls_facts plain;
    return s->facts ? s->facts : &plain;
}

struct str stream_channel_binding(struct stream *s, struct arena *a, struct str type)
{
    return s->tls ? tls_layer_channel_binding(s->tls, a, type) : STR_NONE;
}

struct str stream_peer_fingerprint(struct stream *s, struct arena *a)
{
    return s->tls ? tls_layer_fingerprint(s->tls, a) : STR_NONE;
}
