/* RETR and TOP (RFC 1939 §5, §7): a letter from the store to the client, block by block, dots stuffed.
 *
 * The first block is read before anything is said, so that a letter that cannot be read is an -ERR. Should a later one
 * fail, the connection is closed inside the letter: a final dot would make the client believe it has all of it, and
 * delete it. */
#include "maa/pop3_session.h"
#include "proto/smtp/data.h"

enum {
    LETTER_BLOCK = 64 << 10, /* bytes read at a time; most letters are one */
    TOP_BLOCK = 8 << 10,     /* the first block of TOP: most headers are in it */
};

/* ---- what TOP asks for ---- */

struct top { /* where in the letter we are */
    uint32_t lines; /* of the body, still to come */
    bool body, ended;
    size_t length; /* of the line so far, */
    bool is_cr;    /* which is one CR and nothing else */
};

static void end_line(struct top *t)
{
    bool empty = t->length == 0 || (t->length == 1 && t->is_cr);
    if (t->body) t->lines--;
    else t->body = empty;
    t->ended = t->body && t->lines == 0;
    t->length = 0;
}

/* How many of the next bytes belong to the header, the empty line and the first lines of the body. */
static size_t top_take(struct top *t, struct str in)
{
    size_t at = 0;
    while (at < in.n && !t->ended) {
        struct str rest = str_skip(in, at);
        size_t n = str_find_char(rest, '\n');
        if (t->length == 0 && n > 0) t->is_cr = rest.p[0] == '\r';
        t->length += n;
        at += n;
        if (n == rest.n) break;
        at++;
        end_line(t);
    }
    return at;
}

/* ---- sending ---- */

struct sending {
    struct pop3_session *p;
    struct letter letter;
    struct arena *block; /* of the bytes at hand */
    struct str bytes;
    int64_t offset; /* of the next block */
    struct top *top; /* NULL: all of it */
    struct smtp_stuffer stuffer;
    struct buf *out;
};

static FIBER int read_block(struct sending *x, size_t n, struct error *e)
{
    struct store *s = x->p->service->store;
    arena_reset(x->block);
    x->bytes = S("");
    if (x->offset == x->letter.size) return 0;
    int error = store_letter_read(s, x->block, &x->letter, x->offset, n, &x->bytes, e);
    if (!error && x->bytes.n == 0) error = error_set(e, ERR_CORRUPT, "the letter is shorter than it should be");
    x->offset += (int64_t)x->bytes.n;
    return error;
}

static bool all_sent(const struct sending *x) { return x->offset >= x->letter.size || (x->top && x->top->ended); }

static void stuff_block(struct sending *x)
{
    struct str part = x->top ? str_head(x->bytes, top_take(x->top, x->bytes)) : x->bytes;
    smtp_stuff(&x->stuffer, part, x->out);
}

static void log_damage(const struct sending *x, const struct error *why)
{
    const struct pop3_session *p = x->p;
    LOG(p->service->log, LOG_ERROR, "pop3.letter", F_ID("session", p->id), F_STR("login", p->who.login),
        F_ID("email", x->letter.email), F_STR("error", str_c(why->text)));
}

/* The rest of the letter, of which the first block is at hand, and the end. */
static FIBER struct pop3_reply send_blocks(struct sending *x)
{
    struct error why = {0};
    for (;;) {
        stuff_block(x);
        if (all_sent(x)) break;
        if (pop3_put(x->p, buf_str(x->out))) return POP3_HANG_UP;
        buf_clear(x->out);
        fiber_yield_if_long();
        if (read_block(x, LETTER_BLOCK, &why)) {
            log_damage(x, &why);
            x->p->end = "a letter could not be read";
            return POP3_HANG_UP;
        }
    }
    smtp_stuff_end(&x->stuffer, x->out);
    return pop3_put(x->p, buf_str(x->out)) ? POP3_HANG_UP : POP3_NOTHING_MORE;
}

static FIBER struct pop3_reply send_letter(struct pop3_session *p, const struct maildrop_letter *l, struct top *top)
{
    struct sending x = {.p = p, .top = top, .letter.email = l->email};
    struct error why = {0};
    int e = store_letter(p->service->store, p->cmd, p->drop.account, l->email, &x.letter, &why);
    if (e == ERR_NOT_FOUND) return pop3_no(NULL, S("this letter has been deleted by another program"));
    x.block = arena_new(p->cmd, 0);
    if (!e) e = read_block(&x, top ? TOP_BLOCK : LETTER_BLOCK, &why);
    if (e) {
        log_damage(&x, &why);
        return pop3_no(e == ERR_CORRUPT ? "SYS/PERM" : "SYS/TEMP", S("this letter cannot be read")); /* RFC 3206 §4 */
    }
    x.out = buf_in(p->cmd, 2 * LETTER_BLOCK + 1024); /* each byte may become two */
    if (top) pop3_ok(x.out, S("the top of it"));
    else pop3_ok(x.out, arena_printf(p->cmd, "%lld octets", (long long)x.letter.size));
    return send_blocks(&x);
}

FIBER struct pop3_reply pop3_on_retr(struct pop3_session *p, const struct pop3_command *c)
{
    struct pop3_reply r;
    const struct maildrop_letter *l = pop3_find(p, c, &r);
    if (!l) return r;
    r = send_letter(p, l, NULL);
    p->retrieved += r.kind == POP3_SAID && !r.close;
    return r;
}

FIBER struct pop3_reply pop3_on_top(struct pop3_session *p, const struct pop3_command *c)
{
    struct pop3_reply r;
    const struct maildrop_letter *l = pop3_find(p, c, &r);
    if (!l) return r;
    r = send_letter(p, l, &(struct top){.lines = c->lines});
    p->tops += r.kind == POP3_SAID && !r.close;
    return r;
}
