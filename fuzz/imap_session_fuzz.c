/* A whole IMAP session with whatever a client may send: bytes in pieces of any size, over a real store in the simulated
 * world. It ends, leaks nothing, and leaves the store sound. */
#include "maa/imap/testing.h"

/* Of cmocka its header alone is here: what the rig asserts ends the program. */
void _fail(const char *const file, const int line)
{
    fprintf(stderr, "%s:%d\n", file, line);
    abort();
}
void _assert_int_equal(const LargestIntegralType a, const LargestIntegralType b, const char *const file, const int line)
{
    if (a != b) _fail(file, line);
}
void _assert_true(const LargestIntegralType result, const char *const expression, const char *const file,
                  const int line)
{
    (void)expression;
    if (!result) _fail(file, line);
}
void print_error(const char *const format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
}
void print_message(const char *const format, ...) { (void)format; }

/* bits of the first byte */
enum { LOGGED_IN = 1, OPEN = 2, PLAINTEXT = 4, TLS = 8, EXTENDED = 16, LETTERS = 32 };

struct fuzz {
    struct str input;
    unsigned how;
    size_t piece; /* bytes of each write */
    struct stream *client, *server;
    struct imap_test t;
};

static FIBER void serve(void *arg)
{
    struct fuzz *f = arg;
    stream_set_peer(f->server, (struct endpoint){{4, {198, 51, 100, 7}}, 40025});
    imap_serve(f->server, &f->t.service);
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
    imap_test_people(&f->t);
    for (int i = 0; i < 3 && f->how & LETTERS; i++)
        imap_letter_in(&f->t, f->t.bob, 0, S("From: a@b.test\r\nSubject: x\r\n\r\ntext\r\n"),
                       i == 1 ? FLAG_DELETED : 0);
    loop_spawn(loop_self(), serve, f);
    stream_deadline(f->client, loop_now() + HOURS(1));
    if (f->how & LOGGED_IN) stream_write(f->client, S("l LOGIN bob secret\r\n"));
    if (f->how & EXTENDED) stream_write(f->client, S("e ENABLE QRESYNC IMAP4rev2\r\n"));
    if (f->how & OPEN) stream_write(f->client, S("s SELECT INBOX\r\n"));
    for (struct str rest = f->input; rest.n && !stream_error(f->client); rest = str_skip(rest, f->piece)) {
        stream_write(f->client, str_head(rest, f->piece));
        stream_flush(f->client);
        drain(f);
    }
    drain(f);
    stream_abort(f->client);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 8192) return -1;
    struct sim *sim = sim_new(size);
    struct fuzz *f = calloc(1, sizeof *f);
    if (!f) abort();
    testing_begin(&f->t.t, sim);
    imap_test_furnish(&f->t);
    f->input = str_of(data + 2, size - 2);
    f->how = data[0];
    f->piece = 1 + data[1] % 64;
    f->t.plaintext = f->how & PLAINTEXT || f->how & LOGGED_IN;
    f->t.tls = f->how & TLS;
    stream_pair(f->t.t.arena, 1 << 16, &f->client, &f->server);
    testing_run(&f->t.t, talk, f);
    if (loop_stats(f->t.t.loop).fibers_now) abort();
    testing_close(&f->t.t);
    tls_unref(f->t.context);
    free(f);
    sim_free(sim);
    return 0;
}
