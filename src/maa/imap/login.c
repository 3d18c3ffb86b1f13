/* Logging in and out again: STARTTLS, AUTHENTICATE with SASL-IR (RFC 4959), LOGIN (RFC 9051 §6.2), UNAUTHENTICATE
 * (RFC 8437).
 *
 * Nothing that can be overheard is taken: without TLS nobody logs in, unless the configuration trusts the client's
 * network. What is wrong with a name or a password is never told. Who people are is trust's; a failed log-in waits
 * there. */
#include "maa/imap/login.h"

#include "base/codec.h"
#include "io/tls.h"
#include "mail/limits.h"
#include "mail/unicode.h"

bool imap_may_log_in(const struct imap_session *s)
{
    const struct imap_service *v = s->service;
    if (!v->accounts) return false;
    if (stream_tls(s->io)->version) return true;
    return s->named && v->plaintext_auth && v->plaintext_auth(v->arg, stream_peer(s->io).ip);
}

struct tls_context *imap_tls_to_be_had(const struct imap_session *s)
{
    const struct imap_service *v = s->service;
    return stream_tls(s->io)->version || s->compressed || !v->tls ? NULL : v->tls(v->arg);
}

/* ---- STARTTLS ---- */

FIBER struct imap_done imap_on_starttls(struct imap_session *s, const struct imap_command *c) /* RFC 9051 §6.2.1 */
{
    struct tls_context *tls = imap_tls_to_be_had(s);
    if (stream_tls(s->io)->version) return imap_bad(S("TLS is on already"));
    if (!tls) return imap_no(S("UNAVAILABLE"), S("TLS is not to be had here"));
    struct buf *b = buf_in(s->cmd, LIMIT_IMAP_STATUS_LINE + c->tag.n);
    imap_put_condition(b, c->tag, IMAP_OK, STR_NONE, S("begin"));
    imap_put(s, buf_str(b));
    stream_deadline(s->io, loop_now() + TIMEOUT_TLS_HANDSHAKE);
    int e = stream_starttls_server(s->io, tls); /* what came in plain text behind STARTTLS is thrown away */
    tls_unref(tls);
    return (struct imap_done){.said = true, .close = e != 0};
}

/* ---- in ---- */

static void log_login(const struct imap_session *s, struct str how)
{
    char peer[64];
    struct buf b = BUF_OVER(peer);
    ip_put(&b, stream_peer(s->io).ip);
    LOG(s->service->log, LOG_INFO, "imap.login", F_ID("session", s->id), F_STR("login", s->who.login),
        F_STR("client", buf_str(&b)), F_STR("tls", str_c(stream_tls(s->io)->version)), F_STR("how", how));
}

/* The right password. */
static struct imap_done enter(struct imap_session *s, const struct sasl_identity *who, struct str how)
{
    s->who = *who;
    s->who.login = arena_str(s->arena, who->login);
    s->state = IMAP_KNOWN;
    s->errors = 0;
    log_login(s, how);
    return imap_ok(imap_capability_code(s), S("welcome"));
}

static struct imap_done failed(struct imap_session *s, struct str code, struct str text)
{
    struct imap_done r = imap_no(code, text);
    if (++s->auth_failures >= LIMIT_AUTH_FAILURES && !s->exempt) {
        r.close = true;
        s->end = "too many failed log-ins";
    }
    return r;
}

static struct imap_done not_like_this(void) /* RFC 5530 §3 */
{
    return imap_no(S("PRIVACYREQUIRED"), S("not without TLS: STARTTLS first"));
}

/* The client is gone, silent for too long, or to go because the server stops. */
static FIBER struct imap_done lost(struct imap_session *s)
{
    int e = stream_error(s->io) ? stream_error(s->io) : ERR_CANCELLED;
    imap_throw_out(s, e);
    s->end = s->end ? s->end : err_name(e);
    return (struct imap_done){.said = true, .close = true};
}

static FIBER struct imap_done outcome_done(struct imap_session *s, enum sasl_outcome outcome)
{
    switch (outcome) {
    /* RFC 5530 §3; the same for unknown names */
    case SASL_DENIED: return failed(s, S("AUTHENTICATIONFAILED"), S("wrong name or password"));
    case SASL_BUSY: return failed(s, S("UNAVAILABLE"), S("too many failed log-ins, try again later"));
    case SASL_UNAVAILABLE: return imap_no(S("UNAVAILABLE"), S("passwords cannot be checked now, try again later"));
    case SASL_NO_MECHANISM: return imap_no(STR_NONE, S("no such mechanism"));
    case SASL_SYNTAX: return imap_bad(S("that is not what the mechanism wants"));
    case SASL_CANCELLED: return imap_bad(S("as you like")); /* RFC 9051 §6.2.2 */
    case SASL_TOO_LONG: return imap_bad(S("response too long"));
    case SASL_OK:
    case SASL_LOST: break;
    }
    return lost(s);
}

static enum sasl_outcome password_outcome(int e)
{
    return e == 0 ? SASL_OK : e == ERR_DENIED ? SASL_DENIED : e == ERR_BUSY ? SASL_BUSY : SASL_UNAVAILABLE;
}

FIBER struct imap_done imap_on_login(struct imap_session *s, const struct imap_command *c) /* RFC 9051 §6.2.3 */
{
    const struct sasl_accounts *accounts = s->service->accounts;
    struct sasl_identity who = {0};
    struct str password;
    if (!imap_may_log_in(s)) return not_like_this();
    int e = ERR_DENIED;
    if (password_prepare(s->cmd, c->login.password, &password) == 0) {
        e = accounts->password(accounts->arg, stream_peer(s->io).ip, s->cmd, c->login.user, password, &who);
        explicit_bzero((void *)(uintptr_t)password.p, password.n);
    }
    explicit_bzero((void *)(uintptr_t)c->login.password.p, c->login.password.n);
    if (e == ERR_CANCELLED) return outcome_done(s, SASL_LOST);
    return e ? outcome_done(s, password_outcome(e)) : enter(s, &who, S("LOGIN"));
}

/* ---- AUTHENTICATE ---- */

static int decode(struct arena *a, struct str text, struct str *out)
{
    struct buf *b = buf_in(a, LIMIT_SASL_MESSAGE);
    int e = base64_decode(b, text);
    *out = buf_str(b);
    return e;
}

static FIBER int challenge(void *session, struct arena *a, struct str bytes, struct str *response)
{
    struct imap_session *s = session;
    struct buf *b = buf_in(a, LIMIT_IMAP_COMMAND_EARLY);
    struct str line;
    buf_lit(b, "+ ");
    base64_put(b, bytes);
    buf_lit(b, "\r\n");
    int e = imap_put(s, buf_str(b));
    if (!e) e = stream_line(s->io, LIMIT_IMAP_COMMAND_EARLY, &line);
    if (e) return e;
    return str_eq(line, S("*")) ? ERR_CANCELLED : decode(a, line, response);
}

/* RFC 4959 §3: none, or base64, or "=" for the empty one. */
static int decode_initial(struct arena *a, struct str text, struct str *out)
{
    *out = str_is_none(text) ? STR_NONE : S("");
    return str_is_none(text) || str_eq(text, S("=")) ? 0 : decode(a, text, out);
}

FIBER struct imap_done imap_on_authenticate(struct imap_session *s, const struct imap_command *c)
{
    struct str initial;
    if (!imap_may_log_in(s)) return not_like_this();
    int e = decode_initial(s->cmd, c->authenticate.initial, &initial);
    if (e) return outcome_done(s, e == ERR_TOO_LONG ? SASL_TOO_LONG : SASL_SYNTAX);
    struct sasl_identity who = {0};
    struct sasl_transport t = {.challenge = challenge, .arg = s, .stream = s->io};
    enum sasl_outcome o = sasl_run(s->cmd, s->service->accounts, &t, c->authenticate.mechanism, initial, &who);
    return o == SASL_OK ? enter(s, &who, c->authenticate.mechanism) : outcome_done(s, o);
}

/* ---- and out ---- */

/* RFC 8437 §4.1: compression ends with the OK. */
static FIBER struct imap_done decompress(struct imap_session *s, const struct imap_done *d)
{
    struct buf *b = buf_in(s->cmd, SIZE_MAX);
    imap_put_condition(b, s->tag, d->kind, d->code, d->text);
    imap_put(s, buf_str(b));
    s->compressed = false;
    return (struct imap_done){.said = true, .close = stream_deflate_end(s->io) != 0};
}

/* RFC 8437 §3: as if nobody had logged in yet. TLS stays. */
FIBER struct imap_done imap_on_unauthenticate(struct imap_session *s, const struct imap_command *c)
{
    (void)c;
    if (!s->service->unauthenticate) return imap_bad(S("not here")); /* RFC 8437 §8 */
    imap_notify_end(s);
    imap_unselect(s);
    s->who = (struct sasl_identity){0};
    s->enabled = 0;
    s->state = IMAP_STRANGER;
    struct imap_done d = imap_ok(imap_capability_code(s), S("and you are?"));
    return s->compressed ? decompress(s, &d) : d;
}
