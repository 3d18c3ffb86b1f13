/* The session of an SMTP or LMTP server (RFC 5321 §4.3, RFC 2033): the loop, the table of commands, greeting and
 * farewell.
 *
 * Transactions are smtp_server_mail.c's, STARTTLS and AUTH smtp_server_auth.c's. What is accepted is decided by the
 * agent behind the policy table; what is said, in which order and how often it may go wrong, here. */
#include "wire/smtp_server.h"

#include "base/codec.h"
#include "io/tls.h"
#include "mail/limits.h"
#include "wire/proxy.h"
#include "wire/smtp_server_core.h"

/* ---- saying ---- */

static FIBER void say_line(struct smtp_session *s, int code, struct status status, bool last, struct str text)
{
    char line[REPLY_HEAD + sizeof((struct reply *)0)->text + 2]; /* RFC 5321 §4.5.3.1.5: at most 512 */
    size_t n = reply_head(line, code, status, last);
    text = str_head(text, sizeof line - n - 2);
    memcpy(line + n, text.p, text.n);
    memcpy(line + n + text.n, "\r\n", 2);
    stream_write(s->io, str_of(line, n + text.n + 2)); /* an error sticks, and ends the loop at its next read */
}

FIBER void smtp_say(struct smtp_session *s, const struct reply *r)
{
    say_line(s, r->code, r->status, true, str_c(r->text));
}

FIBER void smtp_say_more(struct smtp_session *s, int code, struct status status, struct str text)
{
    say_line(s, code, status, false, text);
}

struct reply smtp_with_id(const struct smtp_tx *tx, struct reply r)
{
    char id[ID_TEXT] = "";
    struct buf b = {.p = id, .cap = sizeof id, .max = sizeof id};
    id_put(&b, tx->id);
    size_t n = strlen(r.text), room = sizeof r.text - 1 - (ID_TEXT + 3);
    if (str_find(str_of(r.text, n), buf_str(&b)) < n) return r; /* the agent has said it */
    if (n > room) n = room;
    r.text[n++] = ' ';
    r.text[n++] = '[';
    memcpy(r.text + n, id, b.n);
    n += b.n;
    r.text[n++] = ']';
    r.text[n] = 0;
    return r;
}

void smtp_note_refusal(struct smtp_session *s, enum smtp_refused what, struct str argument, const struct reply *r)
{
    if (s->service->policy->refused) s->service->policy->refused(s, s->tx, what, argument, r);
}

/* ---- state ---- */

void smtp_drop_tx(struct smtp_session *s)
{
    struct smtp_tx *tx = s->tx;
    if (!tx) return;
    if (s->service->policy->done) s->service->policy->done(s, tx);
    s->tx = NULL;
    s->tx_over = s->smtputf8_reply = false;
    arena_reset(s->tx_arena);
}

void smtp_deadline(struct smtp_session *s, int64_t span)
{
    mono_us at = loop_now() + span;
    stream_deadline(s->io, at < s->ends ? at : s->ends);
}

bool smtp_exempt(const struct smtp_session *s) { return s->trusted || ip_is_loopback(s->peer.ip); }

bool smtp_offers_tls(const struct smtp_session *s)
{
    if (stream_tls(s->io)->version || !s->service->tls) return false;
    struct tls_context *tls = s->service->tls(s->service->agent);
    tls_unref(tls);
    return tls != NULL;
}

bool smtp_offers_auth(const struct smtp_session *s)
{
    const struct smtp_service *v = s->service;
    if (!v->accounts) return false;
    return stream_tls(s->io)->version || (v->plaintext_auth && v->plaintext_auth(v->agent, s->peer.ip));
}

bool smtp_offers_hold(const struct smtp_session *s)
{
    return s->service->hold_max > 0 && (s->who.account || s->trusted);
}

struct str smtp_with(const struct smtp_session *s)
{
    static const struct str names[2][2][4] = {
        /* plain, A, S, SA; RFC 3848, RFC 6531 §4.3 */
        {{S_INIT("ESMTP"), S_INIT("ESMTPA"), S_INIT("ESMTPS"), S_INIT("ESMTPSA")},
         {S_INIT("UTF8SMTP"), S_INIT("UTF8SMTPA"), S_INIT("UTF8SMTPS"), S_INIT("UTF8SMTPSA")}},
        {{S_INIT("LMTP"), S_INIT("LMTPA"), S_INIT("LMTPS"), S_INIT("LMTPSA")},
         {S_INIT("UTF8LMTP"), S_INIT("UTF8LMTPA"), S_INIT("UTF8LMTPS"), S_INIT("UTF8LMTPSA")}},
    };
    if (!s->esmtp) return S("SMTP");
    int how = (stream_tls(s->io)->version ? 2 : 0) + (s->who.account ? 1 : 0);
    return names[s->service->kind == SMTP_LMTP][s->tx && s->tx->from.smtputf8][how];
}

/* ---- small commands ---- */

/* The name as said, made fit for a header field and a log. */
static void note_helo(struct smtp_session *s, struct str name)
{
    for (size_t i = 0; i < name.n; i++) s->helo_bytes[i] = name.p[i] < '!' || name.p[i] > '~' ? '?' : name.p[i];
    s->helo = str_of(s->helo_bytes, name.n);
}

/* "FUTURERELEASE 31536000 2027-11-28T00:00:00.000Z" (RFC 4865 §3) */
static struct str future_release(const struct smtp_session *s)
{
    struct buf *b = buf_in(s->cmd, 100);
    buf_printf(b, "FUTURERELEASE %lld ", (long long)s->service->hold_max);
    time_put_rfc3339(b, clock_utc(loop_world(loop_self())) + SECONDS(s->service->hold_max));
    return buf_str(b);
}

static FIBER void say_extensions(struct smtp_session *s)
{
    const struct smtp_service *v = s->service;
    struct status none = E_NONE; /* RFC 2034 §4 */
    char number[64];
    smtp_say_more(s, 250, none, v->hostname);
    smtp_say_more(s, 250, none, S("PIPELINING"));
    smtp_say_more(s, 250, none, S("8BITMIME"));
    smtp_say_more(s, 250, none, S("SMTPUTF8"));
    smtp_say_more(s, 250, none, S("CHUNKING"));
    struct buf b = {.p = number, .cap = sizeof number, .max = sizeof number};
    buf_lit(&b, "SIZE ");
    buf_u64(&b, (uint64_t)v->size_max);
    smtp_say_more(s, 250, none, buf_str(&b));
    if (v->recipients_max) { /* RFC 9422 */
        buf_clear(&b);
        buf_lit(&b, "LIMITS RCPTMAX=");
        buf_u64(&b, (uint64_t)v->recipients_max);
        smtp_say_more(s, 250, none, buf_str(&b));
    }
    if (v->kind == SMTP_SUBMISSION || s->trusted) smtp_say_more(s, 250, none, S("DSN"));
    if (smtp_offers_hold(s)) smtp_say_more(s, 250, none, future_release(s));
    if (v->policy->etrn && v->kind != SMTP_LMTP) smtp_say_more(s, 250, none, S("ETRN"));
    if (smtp_offers_tls(s)) smtp_say_more(s, 250, none, S("STARTTLS"));
    if (smtp_offers_auth(s))
        smtp_say_more(s, 250, none, arena_printf(s->cmd, "AUTH %.*s", STR_FMT(sasl_mechanisms(s->io))));
    if (v->policy->expn && s->trusted) smtp_say_more(s, 250, none, S("EXPN"));
    say_line(s, 250, none, true, S("ENHANCEDSTATUSCODES"));
}

/* RFC 5321 §4.1.1.1, RFC 2033 §4.1 */
static FIBER struct reply on_hello(struct smtp_session *s, const struct smtp_command *c)
{
    bool lmtp = s->service->kind == SMTP_LMTP;
    if ((c->verb == SMTP_LHLO) != lmtp)
        return R(500, E(5, 5, 1), lmtp ? "this is LMTP, say LHLO" : "this is SMTP, say EHLO");
    if (c->error.code) return smtp_problem_reply(c);
    smtp_drop_tx(s);
    struct reply r = s->service->policy->helo ? s->service->policy->helo(s, c->argument) : R(250, E_NONE, "ok");
    if (!reply_ok(r)) return r;
    note_helo(s, c->argument);
    s->esmtp = c->verb != SMTP_HELO;
    if (!s->esmtp) return R(250, E_NONE, "%.*s", STR_FMT(s->service->hostname));
    say_extensions(s);
    return SAID;
}

static FIBER struct reply on_rset(struct smtp_session *s, const struct smtp_command *c)
{
    if (c->error.code) return smtp_problem_reply(c);
    smtp_drop_tx(s);
    return R(250, E(2, 0, 0), "forgotten");
}

static FIBER struct reply on_noop(struct smtp_session *s, const struct smtp_command *c)
{
    (void)s;
    return c->error.code ? smtp_problem_reply(c) : R(250, E(2, 0, 0), "nothing done");
}

static FIBER struct reply on_quit(struct smtp_session *s, const struct smtp_command *c)
{
    (void)s;
    return c->error.code ? smtp_problem_reply(c) : R_CLOSE(221, E(2, 0, 0), "good bye");
}

static FIBER struct reply on_help(struct smtp_session *s, const struct smtp_command *c)
{
    if (c->error.code) return smtp_problem_reply(c);
    return R(214, E(2, 0, 0), "%s MAIL RCPT DATA BDAT RSET NOOP VRFY STARTTLS AUTH QUIT, as in RFC 5321",
             s->service->kind == SMTP_LMTP ? "LHLO" : "EHLO HELO");
}

static FIBER struct reply on_vrfy(struct smtp_session *s, const struct smtp_command *c) /* RFC 5321 §3.5.3 */
{
    if (c->error.code) return smtp_problem_reply(c);
    if (s->service->policy->vrfy) return s->service->policy->vrfy(s, c->argument);
    return R(252, E(2, 5, 0), "cannot tell; send it and see");
}

static FIBER struct reply on_expn(struct smtp_session *s, const struct smtp_command *c) /* RFC 5321 §4.1.1.7 */
{
    struct str line, rest;
    if (!s->service->policy->expn || !s->trusted) return R(502, E(5, 5, 1), "EXPN is not for you");
    if (c->error.code) return smtp_problem_reply(c);
    struct buf *list = buf_in(s->cmd, LIMIT_EXPN);
    struct reply r = s->service->policy->expn(s, c->argument, list);
    if (!reply_ok(r)) return r;
    if (list->n && list->p[list->n - 1] == '\n') list->n--;
    for (rest = buf_str(list); str_cut(rest, '\n', &line, &rest);) smtp_say_more(s, r.code, r.status, line);
    return R(r.code, r.status, "%.*s", STR_FMT(line.n ? line : str_c(r.text)));
}

static FIBER struct reply on_etrn(struct smtp_session *s, const struct smtp_command *c) /* RFC 1985 §5 */
{
    if (!s->service->policy->etrn || s->service->kind == SMTP_LMTP) return R(502, E(5, 5, 1), "ETRN is not for you");
    if (c->error.code) return smtp_problem_reply(c);
    if (s->starts++ >= LIMIT_ETRN_CONNECTION) return R(458, E(4, 7, 0), "that is enough for one connection");
    return s->service->policy->etrn(s, c->argument);
}

static FIBER struct reply on_foreign(struct smtp_session *s, const struct smtp_command *c)
{
    (void)s, (void)c;
    return R_CLOSE(421, E(4, 7, 0), "this is not what you took it for");
}

/* ---- the table ---- */

enum state { NEW = 1, READY = 2, MAIL = 4, RCPT = 8, CHUNKS = 16, ANY = 31 }; /* the last three: within a transaction */

static const struct {
    unsigned allowed; /* in which states */
    smtp_handler *run;
    enum smtp_refused refusal;
} commands[SMTP_VERBS] = {
    [SMTP_UNKNOWN] = {ANY, NULL, REFUSED_COMMAND}, /* may be anything, a stray password too */
    [SMTP_FOREIGN] = {ANY, on_foreign, REFUSED_COMMAND},
    [SMTP_EHLO] = {ANY, on_hello, REFUSED_HELO},
    [SMTP_HELO] = {ANY, on_hello, REFUSED_HELO},
    [SMTP_LHLO] = {ANY, on_hello, REFUSED_HELO},
    [SMTP_MAIL] = {READY, smtp_on_mail, REFUSED_MAIL},
    [SMTP_RCPT] = {MAIL | RCPT, smtp_on_rcpt, REFUSED_RCPT},
    [SMTP_DATA] = {RCPT, smtp_on_data, REFUSED_DATA},
    [SMTP_BDAT] = {ANY, smtp_on_bdat, REFUSED_DATA}, /* whose bytes must be read in any case */
    [SMTP_RSET] = {ANY, on_rset, REFUSED_COMMAND},
    [SMTP_NOOP] = {ANY, on_noop, REFUSED_COMMAND},
    [SMTP_VRFY] = {ANY, on_vrfy, REFUSED_VRFY},
    [SMTP_EXPN] = {ANY, on_expn, REFUSED_VRFY},
    [SMTP_ETRN] = {READY, on_etrn, REFUSED_COMMAND}, /* RFC 1985 §5: not within a transaction */
    [SMTP_HELP] = {ANY, on_help, REFUSED_COMMAND},
    [SMTP_QUIT] = {ANY, on_quit, REFUSED_COMMAND},
    [SMTP_STARTTLS] = {ANY & ~NEW, smtp_on_starttls, REFUSED_COMMAND},
    [SMTP_AUTH] = {READY, smtp_on_auth, REFUSED_AUTH},
};

static enum state state_of(const struct smtp_session *s)
{
    if (!s->tx) return s->helo.n ? READY : NEW;
    return s->tx->bdat ? CHUNKS : s->tx->rcpt_n ? RCPT : MAIL;
}

static struct reply out_of_order(const struct smtp_session *s, enum smtp_verb verb) /* RFC 5321 §4.1.4 */
{
    struct status sequence = E(5, 5, 1);
    bool lmtp = s->service->kind == SMTP_LMTP;
    switch (state_of(s)) {
    case NEW: return R(503, sequence, lmtp ? "LHLO first" : "EHLO first");
    case READY: return R(503, sequence, "MAIL first");
    case CHUNKS: return R(503, sequence, "more BDAT is wanted, or RSET");
    case MAIL:
        /* RFC 5321 §3.3 */
        if (verb == SMTP_DATA && s->tx->rcpt_refused) return R(554, sequence, "no valid recipients");
        if (verb == SMTP_DATA) return R(503, sequence, "RCPT first");
        break;
    default: break;
    }
    /* RFC 4954 §4, RFC 1985 §5 */
    bool outside = verb == SMTP_AUTH || verb == SMTP_ETRN;
    return R(503, sequence, outside ? "not within a transaction" : "the sender was given already");
}

/* Counts what went wrong, and slows down who guesses at recipients. */
static FIBER void note_outcome(struct smtp_session *s, const struct smtp_command *c, const struct reply *r)
{
    if (r->code == 0 || reply_ok(*r)) return;
    if (r->code == 535) s->auth_failures++;
    else if (reply_permanent(*r)) s->errors++;
    bool unknown = c->verb == SMTP_RCPT && r->code == 550 && r->status.subject == 1 && r->status.detail == 1;
    if (unknown && ++s->unknown_recipients >= LIMIT_UNKNOWN_RECIPIENTS && !smtp_exempt(s))
        fiber_sleep(SPAN_UNKNOWN_RECIPIENT);
    struct str argument = c->verb == SMTP_AUTH && !c->error.code ? c->auth.mechanism : c->argument;
    smtp_note_refusal(s, commands[c->verb].refusal, c->verb == SMTP_AUTH && c->error.code ? S("") : argument, r);
}

static FIBER struct reply step(struct smtp_session *s, const struct smtp_command *c)
{
    struct reply r;
    if (c->verb == SMTP_UNKNOWN) r = smtp_problem_reply(c);
    else if (!(commands[c->verb].allowed & state_of(s))) r = out_of_order(s, c->verb);
    else r = commands[c->verb].run(s, c);
    if (s->tx && r.code && !reply_ok(r)) r = smtp_with_id(s->tx, r);
    note_outcome(s, c, &r);
    if (s->tx_over) smtp_drop_tx(s);
    return r;
}

/* ---- the loop ---- */

static FIBER int read_command(struct smtp_session *s, struct smtp_command *c)
{
    struct str line;
    smtp_deadline(s, TIMEOUT_SMTP_COMMAND); /* RFC 5321 §4.5.3.2.7 */
    int e = stream_line(s->io, LIMIT_SMTP_AUTH_LINE, &line);
    if (e && e != ERR_TOO_LONG) return e;
    if (!e) *c = smtp_parse(s->cmd, arena_str(s->cmd, line)); /* a copy: handlers read on, and the line is gone */
    if (!e && (line.n + 2 <= LIMIT_SMTP_LINE || c->verb == SMTP_AUTH)) return 0;
    *c = (struct smtp_command){.error = {500, E(5, 5, 2), "line too long"}}; /* RFC 5321 §4.5.3.1.10 */
    return 0;
}

static bool went_too_far(const struct smtp_session *s)
{
    return !smtp_exempt(s) && (s->errors >= LIMIT_SMTP_ERRORS || s->auth_failures >= LIMIT_AUTH_FAILURES);
}

/* Commands and replies until one of them ends it. 0, or why nothing more can be read. */
static FIBER int converse(struct smtp_session *s)
{
    for (;;) {
        struct smtp_command c;
        arena_reset(s->cmd);
        int e = read_command(s, &c);
        if (e) return e;
        struct reply r = step(s, &c);
        if (r.code) smtp_say(s, &r);
        if (r.code && r.then == THEN_CLOSE) return 0;
        if (went_too_far(s)) {
            say_line(s, 421, E(4, 7, 0), true, S("too many errors"));
            return 0;
        }
    }
}

/* ---- beginning and end ---- */

/* Who is it? 0, or the error that ends the connection. */
static FIBER int meet(struct smtp_session *s)
{
    const struct smtp_service *v = s->service;
    struct proxy_header header = {.named = true};
    s->peer = stream_peer(s->io);
    s->local = stream_local(s->io);
    if (v->proxy_allowed && v->proxy_allowed(v->agent, s->peer.ip)) {
        int e = proxy_accept(s->io, &header);
        s->peer = stream_peer(s->io);
        if (e) return e;
        if (header.named) s->local = header.destination;
    }
    s->trusted = header.named && v->trusted && v->trusted(v->agent, s->peer.ip);
    if (!v->tls_first) return 0;
    struct tls_context *tls = v->tls ? v->tls(v->agent) : NULL;
    smtp_deadline(s, TIMEOUT_TLS_HANDSHAKE);
    int e = tls ? stream_tls_server(s->io, tls) : ERR_TLS;
    tls_unref(tls);
    return e;
}

/* The banner, or a refusal to talk. */
static FIBER bool greet(struct smtp_session *s)
{
    struct reply r = s->service->policy->connect ? s->service->policy->connect(s)
                                                 : R(220, E_NONE, "%.*s %s Penny Post", STR_FMT(s->service->hostname),
                                                     s->service->kind == SMTP_LMTP ? "LMTP" : "ESMTP");
    if (!reply_ok(r)) smtp_note_refusal(s, REFUSED_CONNECT, STR_NONE, &r);
    smtp_say(s, &r);
    return reply_ok(r);
}

static FIBER int whole_session(void *session)
{
    struct smtp_session *s = session;
    int e = meet(s);
    if (e) return e;
    return greet(s) ? converse(s) : 0;
}

/* Last words to a peer that did not end it itself (RFC 5321 §3.8). */
static FIBER void say_farewell(struct smtp_session *s, int e)
{
    bool late = loop_now() >= s->ends;
    if (s->service->tls_first && !stream_tls(s->io)->version) return; /* it would take our words for broken TLS */
    switch (e) {
    case ERR_TIMEOUT:
        say_line(s, 421, E(4, 4, 2), true, late ? S("this took too long") : S("waited too long for you"));
        break;
    case ERR_TOO_SLOW: say_line(s, 421, E(4, 4, 2), true, S("too slow")); break;
    case ERR_CANCELLED: say_line(s, 421, E(4, 3, 2), true, S("shutting down")); break;
    case ERR_BUDGET: say_line(s, 421, E(4, 3, 0), true, S("this connection has used up its memory")); break;
    case ERR_BUSY: say_line(s, 421, E(4, 7, 0), true, S("too many connections")); break;
    case ERR_SYNTAX: say_line(s, 421, E(4, 7, 0), true, S("a PROXY header was expected")); break;
    default: break; /* it went away */
    }
}

static int tear_down(void *session)
{
    struct smtp_session *s = session;
    smtp_drop_tx(s);
    if (s->service->policy->closed) s->service->policy->closed(s);
    return 0;
}

static struct smtp_session *new_session(struct arena *a, struct stream *io, const struct smtp_service *service)
{
    struct smtp_session *s = arena_new_of(a, struct smtp_session);
    s->service = service;
    s->io = io;
    s->arena = a;
    s->cmd = arena_new(a, 0);
    s->tx_arena = arena_new(a, 0);
    s->id = service->new_id(service->agent);
    s->began = clock_utc(loop_world(loop_self()));
    s->ends = loop_now() + TIMEOUT_SMTP_SESSION;
    return s;
}

FIBER void smtp_serve(struct stream *io, const struct smtp_service *service)
{
    struct arena *a = arena_new(NULL, LIMIT_CONNECTION_MEMORY);
    struct smtp_session *s = new_session(a, io, service);
    int e = arena_protect(a, whole_session, s);
    say_farewell(s, e);
    arena_reset(s->cmd); /* room for what is still to be done */
    stream_deadline(io, loop_now() + TIMEOUT_FAREWELL);
    stream_flush(io); /* so that closed() can see whether the last replies went out */
    arena_protect(a, tear_down, s);
    stream_close(io);
    arena_free(a);
}
