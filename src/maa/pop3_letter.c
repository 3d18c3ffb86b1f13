/* RETR and TOP (RFC 1939 §5, §7): a letter from the store to the client, whole or block by block, dots stuffed.
 *
 * The first bytes are read before anything is said, so that a letter that cannot be read is an -ERR. Should a later one
 * fail, the connection is closed inside the letter: a final dot would make the client believe it has all of it, and
 * delete it. */
#include "maa/pop3_session.h"
#include "proto/smtp/data.h"

enum {
    LETTER_BLOCK = 64 << 10, /* bytes read at a time of a letter that is too long to be read whole */
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

enum { PIECES = 6 };

struct sending {
    struct pop3_session *p;
    struct letter letter;
    struct arena *block; /* of the bytes at hand */
    struct iovec pieces[PIECES]; /* to be sent, dots stuffed */
    int n;
    int64_t offset; /* of the next block */
    struct top *top; /* NULL: all of it */
    struct smtp_stuffer stuffer;
};

static bool all_sent(const struct sending *x) { return x->offset >= x->letter.size || (x->top && x->top->ended); }

static void add(struct sending *x, struct str bytes)
{
    if (bytes.n) x->pieces[x->n++] = (struct iovec){(void *)(uintptr_t)bytes.p, bytes.n};
}

/* The next bytes of the letter; most letters have nothing that must be stuffed. */
static void add_part(struct sending *x, struct str bytes)
{
    struct str part = x->top ? str_head(bytes, top_take(x->top, bytes)) : bytes;
    x->offset += (int64_t)bytes.n;
    if (!smtp_stuff_needless(&x->stuffer, part)) {
        struct buf *out = buf_in(x->block, 2 * part.n + 2); /* each byte may become two */
        smtp_stuff(&x->stuffer, part, out);
        part = buf_str(out);
    }
    add(x, part);
}

static FIBER int put(struct sending *x)
{
    int e = pop3_putv(x->p, x->pieces, x->n);
    x->n = 0;
    return e;
}

/* A block of it, by a trip of its own to the store. */
static FIBER int read_block(struct sending *x, struct str *bytes, struct error *e)
{
    struct store *s = x->p->service->store;
    arena_reset(x->block);
    int error = store_letter_read(s, x->block, &x->letter, x->offset, LETTER_BLOCK, bytes, e);
    if (!error && bytes->n == 0) error = error_set(e, ERR_CORRUPT, "the letter is shorter than it should be");
    return error;
}

static void log_damage(const struct sending *x, const struct error *why)
{
    const struct pop3_session *p = x->p;
    LOG(p->service->log, LOG_ERROR, "pop3.letter", F_ID("session", p->id), F_STR("login", p->who.login),
        F_ID("email", x->letter.email), F_STR("error", str_c(why->text)));
}

/* The rest of the letter, of which the first pieces have been added, and the end. */
static FIBER struct pop3_reply send_rest(struct sending *x)
{
    struct error why = {0};
    struct str bytes;
    char end[8];
    struct buf last = BUF_OVER(end);
    while (!all_sent(x)) {
        if (put(x)) return POP3_HANG_UP;
        fiber_yield_if_long();
        if (read_block(x, &bytes, &why)) {
            log_damage(x, &why);
            x->p->end = "a letter could not be read";
            return POP3_HANG_UP;
        }
        add_part(x, bytes);
    }
    smtp_stuff_end(&x->stuffer, &last);
    add(x, buf_str(&last));
    return put(x) ? POP3_HANG_UP : POP3_NOTHING_MORE;
}

static struct str first_line(const struct sending *x)
{
    struct buf *b = buf_in(x->p->cmd, 100);
    if (x->top) {
        pop3_ok(b, S("the top of it"));
    } else {
        buf_lit(b, "+OK ");
        buf_u64(b, (uint64_t)x->letter.size);
        buf_lit(b, " octets\r\n");
    }
    return buf_str(b);
}

static FIBER struct pop3_reply send_letter(struct pop3_session *p, uint32_t number, struct top *top)
{
    struct sending x = {.p = p, .top = top, .letter.email = maildrop_letter(&p->drop, number)->email};
    struct letter_read *l = NULL;
    struct str first = STR_NONE;
    struct error why = {0};
    int e = pop3_letter_at(p, number, top ? LETTERS_HEADER : LETTERS_BYTES, &l, &why);
    if (e == ERR_NOT_FOUND) return pop3_no(NULL, S("this letter has been deleted by another program"));
    x.block = arena_new(p->cmd, 0);
    if (!e) x.letter = l->letter;
    if (!e && str_is_none(l->body)) e = read_block(&x, &first, &why); /* too long to be read whole */
    if (e) {
        log_damage(&x, &why);
        return pop3_no(e == ERR_CORRUPT ? "SYS/PERM" : "SYS/TEMP", S("this letter cannot be read")); /* RFC 3206 §4 */
    }
    add(&x, first_line(&x));
    add_part(&x, str_is_none(l->body) ? first : l->letter.prefix);
    if (!str_is_none(l->body)) add_part(&x, l->body);
    return send_rest(&x);
}

FIBER struct pop3_reply pop3_on_retr(struct pop3_session *p, const struct pop3_command *c)
{
    struct pop3_reply r;
    if (!pop3_find(p, c, &r)) return r;
    r = send_letter(p, c->message, NULL);
    p->retrieved += r.kind == POP3_SAID && !r.close;
    return r;
}

FIBER struct pop3_reply pop3_on_top(struct pop3_session *p, const struct pop3_command *c)
{
    struct pop3_reply r;
    if (!pop3_find(p, c, &r)) return r;
    r = send_letter(p, c->message, &(struct top){.lines = c->lines});
    p->tops += r.kind == POP3_SAID && !r.close;
    return r;
}
