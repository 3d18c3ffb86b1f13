/* The letter itself, by DATA (RFC 5321 §4.1.1.4, §4.5.2) or BDAT (RFC 3030), and the replies to it: one, or of LMTP one
 * for each recipient (RFC 2033 §4.2).
 *
 * It goes in slices, as it is where it can: bytes are copied only where a dot or a line end must change. Between two
 * slices the server is looked at: it may have refused already. With the last one go its end, and the commands of the
 * next transaction. Until the end has been written nobody can have got the letter. */
#include "proto/smtp/data.h"
#include "wire/smtp_client_core.h"

enum {
    CHUNKS_AHEAD = 16, /* whose replies are still to come: little enough for any socket's buffer */
    CHANGED_KEPT = 16 << 10, /* bytes of memory a connection keeps for changed letters */
};

struct letter { /* on its way */
    struct smtp_client *c;
    struct smtp_outgoing *o;
    struct smtp_stuffer stuffer; /* counted: BDAT */
    int64_t asked;         /* bytes that o->read() was asked for and gave */
    struct str rest;       /* of them, not yet sent */
    int chunks, answered;  /* BDAT: said, and replies to them */
    bool refused;          /* a chunk was */
};

static struct smtp_client_inside *inside(const struct letter *l) { return l->c->inside; }
static bool pipelines(const struct letter *l) { return (l->c->offers & SMTP_OFFERS_PIPELINING) != 0; }

/* The next slice as it is to be written. */
static FIBER int next_slice(struct letter *l, struct str *out, bool *last, struct error *e)
{
    struct buf *changed = &inside(l)->changed;
    struct smtp_outgoing *o = l->o;
    if (l->rest.n == 0 && l->asked < o->size) {
        struct error why = {0};
        int error = o->read(o->arg, l->asked, &l->rest, &why);
        if (!error && l->rest.n == 0) error = ERR_EOF;
        if (error)
            return smtp_client_fail(l->c, error, e, "the letter cannot be read: %s",
                                    why.code ? why.text : err_name(error));
        l->rest = str_head(l->rest, (size_t)(o->size - l->asked));
        l->asked += (int64_t)l->rest.n;
    }
    struct str slice = str_head(l->rest, LIMIT_SMTP_CHUNK);
    l->rest = str_skip(l->rest, slice.n);
    *last = l->rest.n == 0 && l->asked == o->size;
    *out = slice;
    if (smtp_stuff_needless(&l->stuffer, slice)) return 0;
    buf_clear(changed);
    smtp_stuff(&l->stuffer, slice, changed);
    *out = buf_str(changed);
    return 0;
}

/* ---- answers ---- */

static int out_of_class(struct letter *l, struct error *e)
{
    int code = l->c->reply.code;
    return smtp_client_fail(l->c, ERR_SYNTAX, e, "the server answers %d to the letter", code);
}

/* The server has something to say though the letter has not ended: it may have refused it, or hang up. Nothing more is
 * written: who knows what it would be taken for. */
static FIBER int cut_short(struct letter *l, struct error *e)
{
    struct smtp_client *c = l->c;
    int error = 0;
    for (size_t i = 0; i < l->o->n && !error; i++) {
        struct smtp_verdict *v = &l->o->verdicts[i];
        if (v->code) continue;
        error = smtp_client_reply(c, TIMEOUT_CLIENT_BLOCK, e);
        if (error) return error;
        if (c->reply.code / 100 < 4) return out_of_class(l, e);
        if (!c->lmtp || c->reply.code == 421) smtp_client_settle(c, l->o, SMTP_STEP_FINAL);
        else
            *v = (struct smtp_verdict){SMTP_STEP_FINAL, c->reply.code, c->reply.status,
                                       smtp_client_text(c, l->o->arena)};
        if (c->reply.code == 421) return smtp_client_ended(c, e);
        if (stream_buffered(c->io).n == 0) break; /* of LMTP's replies others may be there */
    }
    struct error words;
    smtp_client_refused(c, ERR_UNAVAILABLE, "the letter is refused before its end", &words);
    return smtp_client_fail(c, ERR_UNAVAILABLE, e, "%s", words.text);
}

static FIBER int broken_off(struct letter *l, int error, struct error *e)
{
    if (stream_buffered(l->c->io).n) return cut_short(l, e);
    return smtp_client_fail(l->c, error, e, "the connection broke in the middle of the letter: %s", err_name(error));
}

/* Reads replies to the first n chunks until so many are outstanding at most, and those that are there already. */
static FIBER int hear_chunks(struct letter *l, int n, int outstanding, struct error *e)
{
    struct smtp_client *c = l->c;
    while (l->answered < n && (n - l->answered > outstanding || stream_has_input(c->io))) {
        int error = smtp_client_reply(c, TIMEOUT_CLIENT_FINAL, e);
        if (error) return error;
        l->answered++;
        if (c->reply.code / 100 == 3) return out_of_class(l, e);
        if (c->reply.code / 100 > 3) {
            smtp_client_settle(c, l->o, SMTP_STEP_FINAL);
            l->refused = true;
        }
        if (c->reply.code == 421) return smtp_client_ended(c, e);
    }
    return 0;
}

static FIBER int hear_finals(struct letter *l, struct error *e)
{
    struct smtp_client *c = l->c;
    for (size_t i = 0; i < l->o->n; i++) {
        struct smtp_verdict *v = &l->o->verdicts[i];
        if (v->code) continue;
        int error = smtp_client_reply(c, TIMEOUT_CLIENT_FINAL, e);
        if (error) return error;
        if (c->reply.code / 100 == 3) return out_of_class(l, e);
        if (!c->lmtp || c->reply.code == 421) smtp_client_settle(c, l->o, SMTP_STEP_FINAL);
        else
            *v = (struct smtp_verdict){SMTP_STEP_FINAL, c->reply.code, c->reply.status,
                                       smtp_client_text(c, l->o->arena)};
        if (c->reply.code == 421) return smtp_client_ended(c, e);
    }
    return 0;
}

/* ---- sending ---- */

/* One slice that is not the last. */
static FIBER int send_slice(struct letter *l, struct str slice, struct error *e)
{
    struct stream *io = l->c->io;
    char head[32];
    struct buf b = BUF_OVER(head);
    if (l->stuffer.counted) {
        if (slice.n == 0) return 0;
        buf_printf(&b, "BDAT %zu\r\n", slice.n);
        l->chunks++;
    }
    stream_deadline(io, loop_now() + TIMEOUT_CLIENT_BLOCK);
    int error = b.n ? stream_write(io, buf_str(&b)) : 0;
    if (!error) error = stream_write(io, slice);
    return error ? broken_off(l, error, e) : 0;
}

/* The next transaction's commands travel with this one's end. */
static void put_next(struct letter *l, struct smtp_outgoing *(*next)(void *arg), void *next_arg)
{
    struct smtp_client *c = l->c;
    struct smtp_client_inside *in = inside(l);
    if (!next || !pipelines(l) || (c->mail_max && c->transactions >= c->mail_max)) return;
    struct smtp_outgoing *o = next(next_arg);
    if (!o) return;
    in->reset = l->stuffer.counted; /* a refused chunk leaves the transaction open (RFC 3030 §2) */
    smtp_client_begin(c, o, &in->ahead);
    smtp_client_put_commands(c, o, &in->ahead);
    in->begun = o;
    c->began_next = true;
}

static FIBER void send_last(struct letter *l, struct str slice, struct smtp_outgoing *(*next)(void *arg),
                            void *next_arg)
{
    struct buf *behind = &inside(l)->commands;
    char head[40];
    struct buf b = BUF_OVER(head);
    buf_clear(behind);
    smtp_stuff_end(&l->stuffer, behind);
    if (l->stuffer.counted) {
        buf_printf(&b, "BDAT %zu LAST\r\n", slice.n + behind->n);
        l->chunks++;
    }
    put_next(l, next, next_arg);
    struct iovec v[3] = {{b.p, b.n}, {(void *)(uintptr_t)slice.p, slice.n}, {behind->p, behind->n}};
    stream_deadline(l->c->io, loop_now() + TIMEOUT_CLIENT_BLOCK);
    stream_writev(l->c->io, v, 3); /* whether it went the reply tells: it may have been read even so */
}

/* All but the last slice, which is left in *last. */
static FIBER int send_slices(struct letter *l, struct str *last, struct error *e)
{
    for (bool is_last = false;;) {
        int error = next_slice(l, last, &is_last, e);
        bool strict = !pipelines(l) || (is_last && l->c->lmtp); /* of LMTP: how many replies has a late 503? */
        if (!error) error = hear_chunks(l, l->chunks, strict ? 0 : CHUNKS_AHEAD, e);
        if (error || l->refused) return error;
        if (l->answered == l->chunks && stream_has_input(l->c->io)) return cut_short(l, e);
        if (is_last) return 0;
        error = send_slice(l, *last, e);
        if (error) return error;
    }
}

static FIBER int hand_over(struct letter *l, struct smtp_outgoing *(*next)(void *arg), void *next_arg,
                           enum smtp_step *step, struct error *e)
{
    struct str last;
    int error = send_slices(l, &last, e);
    if (!error && !l->refused) {
        *step = SMTP_STEP_FINAL;
        send_last(l, last, next, next_arg);
        error = hear_chunks(l, l->chunks - 1, 0, e);
        if (!error && !l->refused) return hear_finals(l, e);
    }
    return error ? error : hear_chunks(l, l->chunks, 0, e);
}

FIBER int smtp_client_letter(struct smtp_client *c, struct smtp_outgoing *o, struct smtp_outgoing *(*next)(void *arg),
                             void *next_arg, enum smtp_step *step, struct error *e)
{
    struct letter l = {.c = c, .o = o, .stuffer.counted = smtp_client_chunks(c, o)};
    struct smtp_client_inside *in = inside(&l);
    in->in_letter = true;
    *step = SMTP_STEP_DATA;
    int error = hand_over(&l, next, next_arg, step, e);
    if (in->changed.cap > CHANGED_KEPT) buf_free(&in->changed);
    if (error) return error;
    in->in_letter = false;
    if (!in->begun) in->reset = l.stuffer.counted && (l.refused || c->reply.code / 100 != 2);
    return 0;
}
