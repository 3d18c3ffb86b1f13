/* A transaction up to its letter (RFC 5321 §3.3): MAIL, RCPT, DATA, and what the server makes of them.
 *
 * With PIPELINING (RFC 2920) commands go out in bursts that no socket's buffer is too small for, and their replies are
 * read in order; without it each waits for the one before. RSET goes in front when a transaction was left open. A "354"
 * that came for nobody is answered with an empty letter, which reaches nobody, so that the session stays in step.
 * The letter is smtp_client_letter.c's. */
#include <assert.h>

#include "wire/smtp_client_core.h"

static struct smtp_client_inside *inside(const struct smtp_client *c) { return c->inside; }
static bool pipelines(const struct smtp_client *c) { return (c->offers & SMTP_OFFERS_PIPELINING) != 0; }

static enum smtp_step step_of(const struct smtp_outgoing *o, size_t command)
{
    return command == 0 ? SMTP_STEP_MAIL : command <= o->n ? SMTP_STEP_RCPT : SMTP_STEP_DATA;
}

bool smtp_client_chunks(const struct smtp_client *c, const struct smtp_outgoing *o)
{
    /* a letter of many chunks would wait for the reply to each */
    return c->offers & SMTP_OFFERS_CHUNKING && (pipelines(c) || o->size <= LIMIT_SMTP_CHUNK);
}

void smtp_client_settle(const struct smtp_client *c, struct smtp_outgoing *o, enum smtp_step step)
{
    struct smtp_verdict v = {.step = step, .code = c->reply.code, .status = c->reply.status};
    v.text = smtp_client_text(c, o->arena);
    for (size_t i = 0; i < o->n; i++)
        if (o->verdicts[i].code == 0) o->verdicts[i] = v;
}

void smtp_client_begin(struct smtp_client *c, struct smtp_outgoing *o, struct smtp_dialogue *d)
{
    *d = (struct smtp_dialogue){0};
    o->broken = false;
    for (size_t i = 0; i < o->n; i++) o->verdicts[i] = (struct smtp_verdict){0};
    c->transactions++;
}

/* ---- commands ---- */

static bool may_say(const struct smtp_client *c, const struct smtp_outgoing *o, struct smtp_dialogue *d)
{
    size_t commands = o->n + (smtp_client_chunks(c, o) ? 1 : 2);
    bool answered = d->said == d->heard && !d->reset_said;
    if (d->refused == o->n) d->hopeless = true;
    if (d->hopeless || d->said == commands) return false;
    if (step_of(o, d->said) == SMTP_STEP_DATA && o->all_or_none && !answered) return false;
    return answered || pipelines(c);
}

/* Nothing goes out for an address that cannot be said; it has its verdict. */
static void unsayable(struct smtp_outgoing *o, struct smtp_dialogue *d, const struct smtp_unsayable *why)
{
    struct smtp_verdict v = {.step = step_of(o, d->said),
                             .code = why->code,
                             .status = why->status,
                             .text = why->text,
                             .unsaid = true};
    if (v.step == SMTP_STEP_MAIL) {
        for (size_t i = 0; i < o->n; i++) o->verdicts[i] = v;
        d->hopeless = true;
        return;
    }
    o->verdicts[d->said++ - 1] = v;
    d->refused++;
    if (o->all_or_none) d->hopeless = true;
}

/* Passes over what was never said and has no reply. */
static void pass_over(const struct smtp_outgoing *o, struct smtp_dialogue *d)
{
    while (d->heard < d->said && step_of(o, d->heard) == SMTP_STEP_RCPT) {
        const struct smtp_verdict *v = &o->verdicts[d->heard - 1];
        if (v->code == 0 || v->step != SMTP_STEP_RCPT) break;
        d->heard++;
    }
}

void smtp_client_put_commands(struct smtp_client *c, struct smtp_outgoing *o, struct smtp_dialogue *d)
{
    struct smtp_client_inside *in = inside(c);
    struct buf *b = &in->commands;
    struct smtp_unsayable why;
    size_t begin = b->n;
    if (in->reset && d->said == 0) {
        buf_lit(b, "RSET\r\n");
        in->reset = false;
        d->reset_said = true;
    }
    for (; may_say(c, o, d); pass_over(o, d)) {
        enum smtp_step step = step_of(o, d->said);
        size_t before = b->n;
        bool put = true;
        if (step == SMTP_STEP_MAIL) put = smtp_client_put_mail(c, o, b, &why);
        else if (step == SMTP_STEP_RCPT) put = smtp_client_put_rcpt(c, o, d->said - 1, b, &why);
        else buf_lit(b, "DATA\r\n");
        if (b->n - begin > LIMIT_SMTP_BURST && before > begin) {
            b->n = before;
            break;
        }
        if (!put) {
            unsayable(o, d, &why);
            continue;
        }
        if (step == SMTP_STEP_DATA) in->in_letter = true;
        d->said++;
    }
}

/* ---- replies ---- */

static int out_of_class(struct smtp_client *c, const char *command, struct error *e)
{
    int code = c->reply.code;
    return smtp_client_fail(c, ERR_SYNTAX, e, "the server answers %d to %s", code, command);
}

static void mail_refused(struct smtp_client *c, struct smtp_outgoing *o, struct smtp_dialogue *d)
{
    smtp_client_settle(c, o, SMTP_STEP_MAIL);
    d->hopeless = true;
}

static void rcpt_refused(struct smtp_client *c, struct smtp_outgoing *o, struct smtp_dialogue *d)
{
    struct smtp_verdict *v = &o->verdicts[d->heard - 1];
    d->refused++;
    if (v->code) return; /* MAIL was refused */
    *v = (struct smtp_verdict){.step = SMTP_STEP_RCPT, .code = c->reply.code, .status = c->reply.status};
    v->text = smtp_client_text(c, o->arena);
    if (o->all_or_none) d->hopeless = true;
}

/* What the last reply says about the command whose turn it is. */
static int take_reply(struct smtp_client *c, struct smtp_outgoing *o, struct smtp_dialogue *d, struct error *e)
{
    enum smtp_step step = step_of(o, d->heard);
    int class = c->reply.code / 100;
    if (step == SMTP_STEP_MAIL) {
        if (class == 3) return out_of_class(c, "MAIL", e);
        d->sender_ok = class == 2;
        if (!d->sender_ok) mail_refused(c, o, d);
    } else if (step == SMTP_STEP_RCPT) {
        if (class == 3 || (class == 2 && !d->sender_ok)) return out_of_class(c, "RCPT", e);
        if (class == 2) d->accepted++;
        else rcpt_refused(c, o, d);
    } else {
        if (class == 2) return out_of_class(c, "DATA", e);
        d->go = class == 3;
        inside(c)->in_letter = d->go;
        if (!d->go) smtp_client_settle(c, o, SMTP_STEP_DATA);
    }
    d->heard++;
    return 0;
}

/* One reply, and what it means. */
static FIBER int hear(struct smtp_client *c, struct smtp_outgoing *o, struct smtp_dialogue *d, struct error *e)
{
    enum smtp_step step = step_of(o, d->heard);
    bool data = step == SMTP_STEP_DATA && !d->reset_said;
    int error = smtp_client_reply(c, data ? TIMEOUT_CLIENT_DATA : TIMEOUT_CLIENT_COMMAND, e);
    if (error) return error;
    if (c->reply.code == 421) {
        smtp_client_settle(c, o, step);
        return smtp_client_ended(c, e);
    }
    if (!d->reset_said) return take_reply(c, o, d, e);
    d->reset_said = false;
    return c->reply.code / 100 == 2 ? 0 : out_of_class(c, "RSET", e);
}

static FIBER int burst(struct smtp_client *c, struct smtp_outgoing *o, const struct smtp_dialogue *d, struct error *e)
{
    if (stream_has_input(c->io)) {
        int error = smtp_client_unasked(c, e);
        if (error) return error;
        smtp_client_settle(c, o, step_of(o, d->heard));
        return smtp_client_ended(c, e);
    }
    stream_deadline(c->io, loop_now() + TIMEOUT_CLIENT_COMMAND);
    stream_write(c->io, buf_str(&inside(c)->commands)); /* whether it went the replies tell */
    return 0;
}

/* From wherever the dialogue is to the reply to its last command. */
static FIBER int converse(struct smtp_client *c, struct smtp_outgoing *o, struct smtp_dialogue *d, struct error *e)
{
    struct buf *commands = &inside(c)->commands;
    for (;;) {
        int error = 0;
        pass_over(o, d);
        if (d->said == d->heard && !d->reset_said) {
            buf_clear(commands);
            smtp_client_put_commands(c, o, d);
            if (commands->n == 0) return 0;
            error = burst(c, o, d, e);
        }
        if (!error) error = hear(c, o, d, e);
        if (error) return error;
    }
}

/* ---- the whole ---- */

/* The server wants a letter for recipients it has all refused. */
static FIBER int send_nothing(struct smtp_client *c, struct error *e)
{
    /* how many replies would there be? */
    if (c->lmtp) return smtp_client_fail(c, ERR_SYNTAX, e, "the server wants a letter for nobody");
    int error = smtp_client_say(c, S("."), TIMEOUT_CLIENT_FINAL, e);
    if (error) return error;
    if (c->reply.code == 421) return smtp_client_ended(c, e);
    if (c->reply.code / 100 == 3) return out_of_class(c, "an empty letter", e);
    inside(c)->in_letter = inside(c)->reset = false;
    return 0;
}

static FIBER int run(struct smtp_client *c, struct smtp_outgoing *o, struct smtp_outgoing *(*next)(void *arg),
                     void *next_arg, enum smtp_step *step, struct error *e)
{
    struct smtp_client_inside *in = inside(c);
    struct smtp_dialogue d = {0};
    int error = smtp_client_sticky(c, e);
    assert(o->n && (error || !in->begun || in->begun == o));
    if (in->begun && !error) d = in->ahead;
    else smtp_client_begin(c, o, &d);
    in->begun = NULL;
    c->began_next = false;
    if (!error && in->ended) error = smtp_client_fail(c, ERR_EOF, e, "the server has ended the connection");
    if (!error) error = converse(c, o, &d, e);
    *step = step_of(o, d.heard);
    if (error) return error;
    in->reset = d.sender_ok;
    if (d.go && d.accepted == 0) return send_nothing(c, e);
    if (d.accepted == 0 || d.hopeless || !(d.go || smtp_client_chunks(c, o))) return 0;
    return smtp_client_letter(c, o, next, next_arg, step, e);
}

FIBER int smtp_client_transact(struct smtp_client *c, struct smtp_outgoing *o, struct smtp_outgoing *(*next)(void *arg),
                               void *next_arg, struct error *e)
{
    enum smtp_step step = SMTP_STEP_MAIL;
    int error = run(c, o, next, next_arg, &step, e);
    o->broken = error != 0;
    for (size_t i = 0; i < o->n; i++)
        if (o->verdicts[i].code == 0) o->verdicts[i].step = step;
    return error;
}
