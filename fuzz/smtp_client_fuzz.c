/* A whole session of the SMTP or LMTP client with whatever a server may say: bytes in pieces of any size, each after
 * the client has gone silent, in the simulated world. Nothing bare goes out, no verdict is of a kind that callers do
 * not know, and nobody is said to have a letter before its end was written. */
#include <stdlib.h>

#include "io/sim.h"
#include "io/tls.h"
#include "wire/smtp_client.h"

/* the first byte */
enum { LMTP = 1, STARTTLS = 2, LOG_IN = 4, CHAINED = 8, ALL_OR_NONE = 16, GREETED = 32, CHUNKING = 64 };
enum { LETTERS = 3, RECIPIENTS = 2 };

struct fuzz {
    struct str input;
    unsigned how;
    size_t piece; /* bytes of each write of the server */
    struct world *world;
    struct arena *arena;
    struct stream *client, *server;
    struct smtp_client c;
    struct smtp_outgoing out[LETTERS];
    struct smtp_verdict verdicts[LETTERS][RECIPIENTS];
    int at;              /* the letter that is sent */
    size_t ends, said;   /* of letters: seen by the server, said to be delivered */
    size_t answered;     /* ends seen before the server's last word */
    size_t matched;      /* bytes of such an end */
    char last;           /* byte of the client */
    bool under_tls, client_ended;
};

#define MUST(truth) ((truth) ? (void)0 : abort())

static void look_at(struct fuzz *f, struct str bytes)
{
    static const struct str end = S_INIT("the end\r\n");
    for (size_t i = 0; i < bytes.n; i++) {
        char c = bytes.p[i];
        MUST((c == '\n') == (f->last == '\r')); /* RFC 5321 §2.3.8 */
        f->last = c;
        f->matched = c == end.p[f->matched] ? f->matched + 1 : c == end.p[0];
        if (f->matched < end.n) continue;
        f->matched = 0;
        f->ends++;
    }
}

static FIBER bool hear(struct fuzz *f, int64_t span)
{
    struct str bytes;
    while (wait_any(f->server, NULL, loop_now() + span) == WAIT_INPUT) {
        if (stream_peek(f->server, &bytes)) return false;
        look_at(f, bytes);
        stream_take(f->server, bytes.n);
    }
    return true;
}

static FIBER void serve(void *arg)
{
    struct fuzz *f = arg;
    stream_deadline(f->server, loop_now() + HOURS(2));
    if (f->how & GREETED) {
        stream_write(f->server, S("220 x\r\n"));
        hear(f, 1000);
        stream_write(f->server, S("250-x\r\n250-PIPELINING\r\n250-STARTTLS\r\n250-AUTH PLAIN LOGIN\r\n"));
        stream_write(f->server, f->how & CHUNKING ? S("250 CHUNKING\r\n") : S("250 SIZE\r\n"));
        hear(f, 1000);
    }
    for (struct str rest = f->input; rest.n && !stream_error(f->server); rest = str_skip(rest, f->piece)) {
        f->answered = f->ends;
        stream_write(f->server, str_head(rest, f->piece));
        stream_flush(f->server);
        if (!hear(f, 1000)) break;
    }
    hear(f, 1000);
    stream_close(f->server);
}

static const struct str letter = S_INIT("a: b\n\r\n.\r\n.c\rthe end");

static FIBER int read_letter(void *arg, int64_t offset, struct str *piece, struct error *e)
{
    (void)arg, (void)e;
    *piece = str_skip(letter, (size_t)offset);
    return 0;
}

static struct smtp_outgoing *next(void *arg)
{
    struct fuzz *f = arg;
    return f->at + 1 < LETTERS ? &f->out[f->at + 1] : NULL;
}

static void set_up_letters(struct fuzz *f)
{
    static const struct forward_path to[RECIPIENTS] = {{.address = {S_INIT("a"), S_INIT("x.test")}},
                                                       {.address = {S_INIT("b"), S_INIT("x.test")}}};
    for (int i = 0; i < LETTERS; i++)
        f->out[i] = (struct smtp_outgoing){.arena = f->arena,
                                           .to = to,
                                           .n = RECIPIENTS,
                                           .size = (int64_t)letter.n,
                                           .all_or_none = f->how & ALL_OR_NONE,
                                           .read = read_letter,
                                           .verdicts = f->verdicts[i]};
}

static void judge(struct fuzz *f, int error)
{
    size_t delivered = 0;
    MUST(f->out[f->at].broken == (error != 0));
    for (size_t i = 0; i < RECIPIENTS; i++) {
        const struct smtp_verdict *v = &f->verdicts[f->at][i];
        MUST(v->code == 0 || v->code / 100 == 2 || v->code / 100 == 4 || v->code / 100 == 5);
        MUST(v->code / 100 != 2 || v->step == SMTP_STEP_FINAL);
        MUST(v->code || error || f->how & ALL_OR_NONE);
        MUST(!memchr(v->text.p ? v->text.p : "", '\n', v->text.n));
        delivered += v->code / 100 == 2;
    }
    f->said += delivered > 0;
    MUST(f->said <= f->answered); /* what was said before a letter's end is no answer to it */
    MUST(!delivered || !(f->how & ALL_OR_NONE) || f->how & LMTP || delivered == RECIPIENTS);
}

static FIBER int open_session(struct fuzz *f)
{
    struct smtp_client *c = &f->c;
    struct tls_context *tls = NULL;
    struct error e;
    int error = smtp_client_banner(c, &e);
    if (error || c->reply.code != 220) return 1;
    error = smtp_client_hello(c, &e);
    if (error || c->reply.code != 250) return 1;
    if (f->how & STARTTLS && c->offers & SMTP_OFFERS_STARTTLS) {
        tls_client_new(f->world, TLS_VERIFY_NONE, &tls, NULL);
        error = smtp_client_starttls(c, tls, S("x.test"), &e);
        tls_unref(tls);
        MUST(error || c->tls == (c->reply.code == 220));
    }
    if (!error && f->how & LOG_IN) smtp_client_auth(c, S("u"), S("p"), true, &e);
    return error;
}

static FIBER void talk(void *arg)
{
    struct fuzz *f = arg;
    struct smtp_client *c = &f->c;
    struct error e;
    smtp_client_init(c, f->world, f->arena, f->client, S("c.test"), f->how & LMTP);
    int error = open_session(f);
    for (f->at = 0; f->at < LETTERS && !error; f->at++) {
        error = smtp_client_transact(c, &f->out[f->at], f->how & CHAINED ? next : NULL, f, &e);
        judge(f, error);
        MUST(!error || smtp_client_command(c, S("NOOP"), SECONDS(1), &e) != 0); /* errors are sticky */
    }
    smtp_client_quit(c);
    f->client_ended = true;
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
    set_up_letters(f);
    stream_pair(a, 1 << 16, &f->client, &f->server);
    loop_spawn(l, serve, f);
    loop_spawn(l, talk, f);
    sim_run(sim, FOREVER);
    MUST(f->client_ended && loop_stats(l).fibers_now == 0);
    loop_free(l);
    arena_free(a);
    sim_free(sim);
    return 0;
}
