/* STARTTLS (RFC 3207) and AUTH (RFC 4954) of the SMTP server's session. */
#include "base/codec.h"
#include "io/tls.h"
#include "mail/limits.h"
#include "wire/smtp_server_core.h"

FIBER struct reply smtp_on_starttls(struct smtp_session *s, const struct smtp_command *c)
{
    if (stream_tls(s->io)->version) return R(503, E(5, 5, 1), "TLS is on already");
    struct tls_context *tls = s->service->tls ? s->service->tls(s->service->agent) : NULL;
    if (!tls) return R(502, E(5, 5, 1), "no TLS here");
    struct reply r = c->error.code ? smtp_problem_reply(c) : R(220, E(2, 0, 0), "go ahead");
    if (reply_ok(r)) {
        smtp_say(s, &r);
        smtp_deadline(s, TIMEOUT_TLS_HANDSHAKE);
        stream_starttls_server(s->io, tls); /* drops what was sent in plain text behind STARTTLS; a failure sticks */
        smtp_drop_tx(s);                    /* and all that was known is forgotten (RFC 3207 §4.2) */
        s->helo = STR_NONE;
        s->esmtp = false;
        s->who = (struct sasl_identity){0};
        r = SAID;
    }
    tls_unref(tls);
    return r;
}

/* ---- AUTH ---- */

/* "334 challenge", then a line that is base64 or "*" (RFC 4954 §4). */
static FIBER int challenge(void *session, struct arena *a, struct str challenge, struct str *response)
{
    struct smtp_session *s = session;
    struct buf *out = buf_in(a, 2 * LIMIT_SASL_MESSAGE), *decoded = buf_in(a, LIMIT_SASL_MESSAGE);
    struct str line;
    buf_lit(out, "334 ");
    base64_put(out, challenge);
    buf_lit(out, "\r\n");
    stream_write(s->io, buf_str(out));
    smtp_deadline(s, TIMEOUT_SMTP_COMMAND);
    int e = stream_line(s->io, LIMIT_SMTP_AUTH_LINE, &line);
    if (e) return e;
    if (str_eq(line, S("*"))) return ERR_CANCELLED;
    e = base64_decode(decoded, line);
    *response = buf_str(decoded);
    return e;
}

static struct reply auth_reply(enum sasl_outcome outcome)
{
    switch (outcome) {
    case SASL_OK: return R(235, E(2, 7, 0), "logged in");
    case SASL_DENIED: return R(535, E(5, 7, 8), "wrong name or password");
    case SASL_SYNTAX: return R(501, E(5, 5, 2), "that was not as the mechanism wants it");
    case SASL_CANCELLED: return R(501, E(5, 0, 0), "cancelled as you wish");
    case SASL_NO_MECHANISM: return R(504, E(5, 5, 4), "no such mechanism here");
    case SASL_BUSY: return R(454, E(4, 7, 0), "too many failures, try again later");
    case SASL_UNAVAILABLE: return R(454, E(4, 7, 0), "cannot look that up now, try again later");
    case SASL_TOO_LONG: return R(500, E(5, 5, 6), "response too long"); /* RFC 4954 §4 */
    case SASL_LOST: break;
    }
    return SAID;
}

/* The initial response decoded, none if there is none. RFC 4954 §4: "=" is the empty one. 0, ERR_SYNTAX or
 * ERR_TOO_LONG. */
static int decode_initial(struct arena *a, struct str initial, struct str *out)
{
    *out = STR_NONE;
    if (str_is_none(initial)) return 0;
    struct buf *b = buf_in(a, LIMIT_SASL_MESSAGE);
    int e = str_eq(initial, S("=")) ? 0 : base64_decode(b, initial);
    *out = buf_str(b);
    return e;
}

FIBER struct reply smtp_on_auth(struct smtp_session *s, const struct smtp_command *c)
{
    struct sasl_identity who = {0};
    struct str initial;
    if (!s->service->accounts) return R(502, E(5, 5, 1), "no log-in here");
    if (!s->esmtp) return R(503, E(5, 5, 1), "EHLO first");
    if (s->who.account) return R(503, E(5, 5, 1), "logged in already"); /* RFC 4954 §4 */
    if (!smtp_offers_auth(s)) return R(538, E(5, 7, 11), "encryption is required first");
    if (c->error.code) return smtp_problem_reply(c);
    int e = decode_initial(s->cmd, c->auth.initial, &initial);
    if (e) return auth_reply(e == ERR_TOO_LONG ? SASL_TOO_LONG : SASL_SYNTAX);
    struct sasl_transport t = {.challenge = challenge, .arg = s, .stream = s->io};
    enum sasl_outcome outcome = sasl_run(s->cmd, s->service->accounts, &t, c->auth.mechanism, initial, &who);
    if (c->auth.initial.n) explicit_bzero((void *)(uintptr_t)c->auth.initial.p, c->auth.initial.n);
    if (outcome == SASL_OK) {
        s->who = who;
        s->who.login = arena_str(s->arena, who.login);
    }
    return auth_reply(outcome);
}
