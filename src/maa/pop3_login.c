/* POP3's AUTHORIZATION state (RFC 1939 §4): USER and PASS, AUTH (RFC 5034), STLS (RFC 2595 §4), CAPA (RFC 2449 §5),
 * UTF8 (RFC 6856).
 *
 * Nothing that can be overheard is taken: without TLS nobody logs in, unless the configuration trusts the client's
 * network. What is wrong with a name or a password is never told. Who people are is trust's; a failed log-in waits
 * there. */
#include "base/codec.h"
#include "io/tls.h"
#include "maa/pop3_session.h"
#include "mail/limits.h"
#include "mail/unicode.h"
#include "store/mailboxes.h"

static bool may_log_in(const struct pop3_session *p)
{
    const struct pop3_service *v = p->service;
    if (!v->accounts) return false;
    if (stream_tls(p->io)->version) return true;
    return p->named && v->plaintext_auth && v->plaintext_auth(v->arg, stream_peer(p->io).ip);
}

/* The context for STLS, referenced; NULL when there is none or TLS is on. */
static struct tls_context *tls_to_be_had(const struct pop3_session *p)
{
    const struct pop3_service *v = p->service;
    return stream_tls(p->io)->version || !v->tls ? NULL : v->tls(v->arg);
}

FIBER struct pop3_reply pop3_on_capa(struct pop3_session *p, const struct pop3_command *c) /* RFC 2449 §5 */
{
    (void)c;
    struct tls_context *tls = p->state == POP3_AUTHORIZATION ? tls_to_be_had(p) : NULL;
    bool may = may_log_in(p);
    struct buf *b = buf_in(p->cmd, 1024);
    pop3_put_capabilities(b, &(struct pop3_capabilities){
                                 .user = may,
                                 .stls = tls != NULL,
                                 .mechanisms = may ? sasl_mechanisms(p->io) : S(""),
                             });
    tls_unref(tls);
    pop3_put(p, buf_str(b));
    return POP3_NOTHING_MORE;
}

/* RFC 6856 §2.1. Letters are sent as they are in either mode: a raw UTF-8 header reaches a client that did not say UTF8
 * unchanged, where the RFC would have it re-written or refused. No such client is known to be helped by that. */
FIBER struct pop3_reply pop3_on_utf8(struct pop3_session *p, const struct pop3_command *c)
{
    (void)p, (void)c;
    return pop3_yes(S("UTF-8 it is"));
}

static void forget_user(struct pop3_session *p)
{
    arena_reset(p->name);
    p->user = STR_NONE;
}

FIBER struct pop3_reply pop3_on_stls(struct pop3_session *p, const struct pop3_command *c)
{
    (void)c;
    struct tls_context *tls = tls_to_be_had(p);
    if (!tls)
        return pop3_complain(p, stream_tls(p->io)->version ? S("TLS is on already") : S("TLS is not to be had here"));
    stream_write(p->io, S("+OK begin\r\n"));
    stream_deadline(p->io, loop_now() + TIMEOUT_TLS_HANDSHAKE);
    int e = stream_starttls_server(p->io, tls); /* what came in plain text behind STLS is thrown away */
    tls_unref(tls);
    if (e) return POP3_HANG_UP;
    forget_user(p); /* RFC 2595 §4: all that was learnt without protection */
    return POP3_NOTHING_MORE;
}

/* ---- the maildrop ---- */

static void log_login(const struct pop3_session *p, struct str how)
{
    char peer[64];
    struct buf b = BUF_OVER(peer);
    ip_put(&b, stream_peer(p->io).ip);
    LOG(p->service->log, LOG_INFO, "pop3.login", F_ID("session", p->id), F_STR("login", p->who.login),
        F_STR("client", buf_str(&b)), F_STR("tls", str_c(stream_tls(p->io)->version)), F_STR("how", how),
        F_INT("letters", p->drop.n), F_INT("octets", p->drop.octets));
}

/* The account's inbox; 0 if it has gone since the password was right. */
static int64_t inbox_of(struct store *s, int64_t account)
{
    const struct directory *d = store_directory(s);
    const struct directory_account *a = directory_account_by_id(d, account);
    int64_t inbox = a ? a->inbox : 0;
    directory_unref(d);
    return inbox;
}

static FIBER int fill_maildrop(struct pop3_session *p, int64_t account, struct error *e)
{
    struct store *s = p->service->store;
    int64_t inbox = inbox_of(s, account);
    if (inbox == 0) return error_set(e, ERR_NOT_FOUND, "the account has no inbox");
    if (!(store_rights(s, account, inbox) & RIGHT_READ)) return error_set(e, ERR_DENIED, "the inbox may not be read");
    return maildrop_open(&p->drop, s, p->cmd, account, inbox, e);
}

/* The right password: on to the TRANSACTION state, if nobody else has the maildrop open. */
static FIBER struct pop3_reply enter(struct pop3_session *p, const struct sasl_identity *who, struct str how)
{
    struct error why = {0};
    if (store_maildrop_lock(p->service->store, who->account))
        return pop3_no("IN-USE", S("another session has this maildrop open")); /* RFC 2449 §8.1.2 */
    p->who = *who;
    p->locked = true; /* from here on it is unlocked whatever ends the session */
    p->who.login = arena_str(p->arena, who->login);
    if (fill_maildrop(p, who->account, &why)) {
        LOG(p->service->log, LOG_ERROR, "pop3.open", F_ID("session", p->id), F_STR("login", p->who.login),
            F_STR("error", str_c(why.text)));
        store_maildrop_unlock(p->service->store, who->account);
        p->locked = false;
        p->who = (struct sasl_identity){0};
        return pop3_no("SYS/TEMP", S("the maildrop cannot be opened now")); /* RFC 3206 §4 */
    }
    p->state = POP3_TRANSACTION;
    log_login(p, how);
    return pop3_yes(pop3_summary(p));
}

/* ---- log-ins that fail ---- */

static struct pop3_reply failed(struct pop3_session *p, const char *code, struct str text)
{
    struct pop3_reply r = pop3_no(code, text);
    if (++p->auth_failures >= LIMIT_AUTH_FAILURES && !p->exempt) {
        r.close = true;
        p->end = "too many failed log-ins";
    }
    return r;
}

static struct pop3_reply outcome_reply(struct pop3_session *p, enum sasl_outcome outcome)
{
    switch (outcome) {
    /* RFC 3206 §5; the same for unknown names */
    case SASL_DENIED: return failed(p, "AUTH", S("wrong name or password"));
    case SASL_BUSY: return failed(p, "SYS/TEMP", S("too many failed log-ins, try again later"));
    case SASL_UNAVAILABLE: return pop3_no("SYS/TEMP", S("passwords cannot be checked now, try again later"));
    case SASL_SYNTAX: return pop3_complain(p, S("that is not what the mechanism wants"));
    case SASL_NO_MECHANISM: return pop3_complain(p, S("no such mechanism"));
    case SASL_CANCELLED: return pop3_complain(p, S("as you like"));
    case SASL_TOO_LONG: return pop3_complain(p, S("response too long"));
    case SASL_OK:
    case SASL_LOST: break;
    }
    return POP3_HANG_UP;
}

/* ---- USER and PASS ---- */

FIBER struct pop3_reply pop3_on_user(struct pop3_session *p, const struct pop3_command *c)
{
    if (!may_log_in(p)) return pop3_complain(p, S("not without TLS: STLS first"));
    forget_user(p);
    p->user = arena_str(p->name, c->argument);
    return pop3_yes(S("password?")); /* known or not */
}

static enum sasl_outcome password_outcome(int e)
{
    return e == 0 ? SASL_OK : e == ERR_DENIED ? SASL_DENIED : e == ERR_BUSY ? SASL_BUSY : SASL_UNAVAILABLE;
}

FIBER struct pop3_reply pop3_on_pass(struct pop3_session *p, const struct pop3_command *c)
{
    const struct sasl_accounts *accounts = p->service->accounts;
    struct sasl_identity who = {0};
    struct str password;
    if (str_is_none(p->user)) return pop3_complain(p, S("USER first"));
    int e = ERR_DENIED;
    if (password_prepare(p->cmd, c->argument, &password) == 0) {
        e = accounts->password(accounts->arg, stream_peer(p->io).ip, p->cmd, p->user, password, &who);
        explicit_bzero((void *)(uintptr_t)password.p, password.n);
    }
    struct pop3_reply r = e == ERR_CANCELLED ? POP3_HANG_UP
                          : e                ? outcome_reply(p, password_outcome(e))
                                             : enter(p, &who, S("USER"));
    forget_user(p); /* RFC 1939 §7: after a PASS that failed USER comes again */
    return r;
}

/* ---- AUTH ---- */

/* AUTH alone: the mechanisms, one a line, as clients older than CAPA ask for them. */
static FIBER struct pop3_reply list_mechanisms(struct pop3_session *p)
{
    struct buf *b = buf_in(p->cmd, 1024);
    buf_lit(b, "+OK mechanisms\r\n");
    for (struct str rest = may_log_in(p) ? sasl_mechanisms(p->io) : S(""), name; (name = str_word(&rest)).n;) {
        buf_add(b, name);
        buf_lit(b, "\r\n");
    }
    buf_lit(b, ".\r\n");
    pop3_put(p, buf_str(b));
    return POP3_NOTHING_MORE;
}

static int decode(struct arena *a, struct str text, struct str *out)
{
    struct buf *b = buf_in(a, LIMIT_SASL_MESSAGE);
    int e = base64_decode(b, text);
    *out = buf_str(b);
    return e;
}

static FIBER int challenge(void *session, struct arena *a, struct str bytes, struct str *response)
{
    struct pop3_session *p = session;
    struct buf *b = buf_in(a, LIMIT_POP3_AUTH_LINE);
    struct str line;
    buf_lit(b, "+ ");
    base64_put(b, bytes);
    buf_lit(b, "\r\n");
    int e = pop3_put(p, buf_str(b));
    if (!e) e = stream_line(p->io, LIMIT_POP3_AUTH_LINE, &line);
    if (e) return e;
    return str_eq(line, S("*")) ? ERR_CANCELLED : decode(a, line, response);
}

/* RFC 5034 §4: none, or base64, or "=" for the empty one. */
static int decode_initial(struct arena *a, struct str text, struct str *out)
{
    *out = str_is_none(text) ? STR_NONE : S("");
    return str_is_none(text) || str_eq(text, S("=")) ? 0 : decode(a, text, out);
}

FIBER struct pop3_reply pop3_on_auth(struct pop3_session *p, const struct pop3_command *c)
{
    if (str_is_none(c->mechanism)) return list_mechanisms(p);
    if (!may_log_in(p)) return pop3_complain(p, S("not without TLS: STLS first"));
    forget_user(p);
    struct str initial, mechanism = arena_str(p->cmd, c->mechanism); /* the line is gone with the next read */
    int e = decode_initial(p->cmd, c->initial, &initial);
    if (e) return outcome_reply(p, e == ERR_TOO_LONG ? SASL_TOO_LONG : SASL_SYNTAX);

    struct sasl_identity who = {0};
    struct sasl_transport t = {.challenge = challenge, .arg = p, .stream = p->io};
    enum sasl_outcome outcome = sasl_run(p->cmd, p->service->accounts, &t, mechanism, initial, &who);
    return outcome == SASL_OK ? enter(p, &who, mechanism) : outcome_reply(p, outcome);
}
