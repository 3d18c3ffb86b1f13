/* Input of a compressed stream (RFC 4978), whatever it is: bytes in pieces of any size, read as lines and blocks.
 *
 * However it is cut, and wherever the reader falls asleep, the same bytes come out of it, and then the same end. What
 * is held never exceeds a line. */
#include <stdlib.h>

#include "io/sim.h"
#include "io/stream_core.h"
#include "mail/limits.h"

enum { LINE = 20000, MOST = 4 << 20 };

struct fuzz {
    struct str input;
    size_t piece;
    bool sleepy;
    struct stream *us, *them;
    uint64_t sum, n; /* of what came out */
    int end;
};

static void saw(struct fuzz *f, struct str bytes)
{
    for (size_t i = 0; i < bytes.n; i++) f->sum = (f->sum ^ (unsigned char)bytes.p[i]) * 1099511628211u;
    f->n += bytes.n;
}

static FIBER void talk(void *arg)
{
    struct fuzz *f = arg;
    for (struct str rest = f->input; rest.n; rest = str_skip(rest, f->piece)) {
        if (stream_write(f->them, str_head(rest, f->piece)) || stream_flush(f->them)) break;
        if (f->sleepy) fiber_sleep(SECONDS(20));
    }
    stream_close(f->them);
}

static FIBER void listen(void *arg)
{
    struct fuzz *f = arg;
    struct str bytes;
    if (stream_deflate(f->us)) abort();
    stream_deadline(f->us, loop_now() + HOURS(1000));
    for (int e = 0; !e && f->n < MOST;) {
        e = f->n % 3 ? stream_peek(f->us, &bytes) : stream_line(f->us, LINE, &bytes);
        if (f->us->cap > 2 * LINE) abort();
        if (f->n % 3 == 0) {
            if (e == ERR_TOO_LONG) e = 0, bytes = S("too long");
            if (!e) saw(f, bytes);
            if (!e) saw(f, S("\r\n"));
        } else if (!e) {
            saw(f, str_head(bytes, 1));
            stream_take(f->us, 1);
        }
        f->end = e;
    }
    stream_abort(f->us);
}

static struct fuzz listened(struct str input, size_t piece, bool sleepy)
{
    struct sim *sim = sim_new(1);
    struct loop *l = loop_new(sim_node(sim, "server", (struct ip){4, {192, 0, 2, 1}}));
    struct arena *a = arena_new(NULL, 0);
    struct fuzz f = {.input = input, .piece = piece ? piece : input.n + 1, .sleepy = sleepy};
    stream_pair(a, 1 << 16, &f.us, &f.them);
    loop_spawn(l, listen, &f);
    loop_spawn(l, talk, &f);
    sim_run(sim, FOREVER);
    loop_free(l);
    sim_free(sim);
    arena_free(a);
    return f;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 4096) return -1;
    struct str input = str_of((const char *)data + 1, size - 1);
    struct fuzz whole = listened(input, 0, false), cut = listened(input, data[0] % 64 + 1u, data[0] & 64);
    if (whole.sum != cut.sum || whole.n != cut.n || whole.end != cut.end) abort();
    return 0;
}
