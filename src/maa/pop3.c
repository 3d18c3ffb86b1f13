/* The session of a POP3 server (RFC 1939 §3): the loop, the table of commands and states, greeting, UPDATE, end.
 *
 * Logging in is pop3_login.c's, the list of letters pop3_maildrop.c's, letters themselves pop3_letter.c's. APOP is not
 * offered (it needs passwords in the clear at rest), nor are LAST (gone since RFC 1460) and LANG (an option of RFC 6856
 * §3). */
#include "maa/pop3.h"

#include "io/tls.h"
#include "maa/pop3_session.h"
#include "mail/limits.h"
#include "wire/proxy.h"

enum { GATHERED = 8 << 10 }; /* bytes */

/* ---- saying ---- */

FIBER int pop3_put(struct pop3_session *p, struct str bytes)
{
    stream_deadline(p->io, loop_now() + TIMEOUT_POP3_IDLE);
    return stream_write(p->io, bytes);
}

/* Small pieces gather with what else is said; large ones are worth a call of their own, and no copy. */
FIBER int pop3_putv(struct pop3_session *p, const struct iovec *v, int n)
{
    size_t bytes = 0;
    for (int i = 0; i < n; i++) bytes += v[i].iov_len;
    stream_deadline(p->io, loop_now() + TIMEOUT_POP3_IDLE);
    if (bytes > GATHERED) return stream_writev(p->io, v, n);
    int e = 0;
    for (int i = 0; i < n && !e; i++) e = stream_write(p->io, str_of(v[i].iov_base, v[i].iov_len));
    return e;
}

static FIBER void say(struct pop3_session *p, const struct pop3_reply *r)
{
    char line[512]; /* RFC 2449 §4 */
    struct buf b = BUF_OVER(line);
    struct str text = str_head(r->text, sizeof line - 40);
    if (r->kind == POP3_SAID) return;
    if (r->kind == POP3_OK) pop3_ok(&b, text);
    else pop3_err(&b, r->code, text);
    pop3_put(p, buf_str(&b)); /* an error sticks, and ends the loop at its next read */
}

struct pop3_reply pop3_complain(struct pop3_session *p, struct str text)
{
    struct pop3_reply r = pop3_no(NULL, text);
    if (++p->errors >= LIMIT_POP3_ERRORS && !p->exempt) {
        r.close = true;
        p->end = "too many errors";
    }
    return r;
}

/* ---- the end, by QUIT ---- */

/* RFC 1939 §6: marks become true here and nowhere else. Of very many letters some may be gone when the store fails. */
static FIBER struct pop3_reply on_quit(struct pop3_session *p, const struct pop3_command *c)
{
    (void)c;
    struct pop3_reply bye = pop3_yes(S("good bye"));
    struct error why = {0};
    size_t gone = 0;
    p->end = "quit";
    int e = p->state == POP3_TRANSACTION ? maildrop_update(&p->drop, p->service->store, p->cmd, &gone, &why) : 0;
    if (e) {
        LOG(p->service->log, LOG_ERROR, "pop3.update", F_ID("session", p->id), F_STR("login", p->who.login),
            F_INT("letters", p->drop.n_marked), F_STR("error", str_c(why.text)));
        bye = pop3_no("SYS/TEMP", e == ERR_UNKNOWN ? S("the letters may or may not have been deleted")
                                  : gone         ? S("not all of the letters were deleted")
                                                   : S("nothing was deleted, try again later"));
    }
    p->deleted = (int64_t)gone;
    bye.close = true;
    return bye;
}

/* ---- the table ---- */

static const struct {
    unsigned states; /* in which it may be said */
    pop3_handler *run;
} commands[POP3_VERBS] = {
    [POP3_CAPA] = {POP3_AUTHORIZATION | POP3_TRANSACTION, pop3_on_capa},
    [POP3_USER] = {POP3_AUTHORIZATION, pop3_on_user},
    [POP3_PASS] = {POP3_AUTHORIZATION, pop3_on_pass},
    [POP3_STLS] = {POP3_AUTHORIZATION, pop3_on_stls},
    [POP3_AUTH] = {POP3_AUTHORIZATION, pop3_on_auth},
    [POP3_UTF8] = {POP3_AUTHORIZATION, pop3_on_utf8},
    [POP3_STAT] = {POP3_TRANSACTION, pop3_on_stat},
    [POP3_LIST] = {POP3_TRANSACTION, pop3_on_list},
    [POP3_UIDL] = {POP3_TRANSACTION, pop3_on_uidl},
    [POP3_RETR] = {POP3_TRANSACTION, pop3_on_retr},
    [POP3_TOP] = {POP3_TRANSACTION, pop3_on_top},
    [POP3_DELE] = {POP3_TRANSACTION, pop3_on_dele},
    [POP3_RSET] = {POP3_TRANSACTION, pop3_on_rset},
    [POP3_NOOP] = {POP3_TRANSACTION, pop3_on_noop},
    [POP3_QUIT] = {POP3_AUTHORIZATION | POP3_TRANSACTION, on_quit},
};

static FIBER struct pop3_reply step(struct pop3_session *p, const struct pop3_command *c)
{
    if (c->verb == POP3_UNKNOWN) return pop3_complain(p, str_c(c->error));
    if (!(commands[c->verb].states & p->state))
        return pop3_complain(p, p->state == POP3_AUTHORIZATION ? S("log in first") : S("you are logged in already"));
    if (c->error) return pop3_complain(p, str_c(c->error));
    if (p->state != POP3_AUTHORIZATION && !store_account_is_active(p->service->store, p->who.account)) {
        struct pop3_reply r = pop3_no("AUTH", S("this account is not served any more")); /* RFC 3206 §5 */
        r.close = true;
        p->end = "account not served";
        return r;
    }
    return commands[c->verb].run(p, c);
}

/* ---- the loop ---- */

/* Letters that were read ahead are for a client that goes on taking them. */
static FIBER void await_command(struct pop3_session *p)
{
    if (p->ahead.arena && wait_any(p->io, NULL, loop_now() + SPAN_IDLE) == ERR_TIMEOUT) pop3_forget_ahead(p);
}

/* A command line; of POP3_AUTHORIZATION longer ones are taken, as passwords and SASL responses may be long. */
static FIBER int read_command(struct pop3_session *p, struct pop3_command *c)
{
    struct str line;
    stream_deadline(p->io, loop_now() + TIMEOUT_POP3_IDLE); /* RFC 1939 §3 */
    await_command(p);
    int e = stream_line(p->io, p->state == POP3_AUTHORIZATION ? LIMIT_POP3_AUTH_LINE : LIMIT_POP3_LINE, &line);
    if (e == ERR_TOO_LONG) *c = (struct pop3_command){.error = "line too long"};
    else if (!e) *c = pop3_parse(line);
    return e == ERR_TOO_LONG ? 0 : e;
}

static FIBER int converse(struct pop3_session *p)
{
    for (;;) {
        struct pop3_command c;
        arena_reset(p->cmd);
        int e = read_command(p, &c);
        if (e) return e;
        struct pop3_reply r = step(p, &c);
        say(p, &r);
        if (r.close) return 0;
    }
}

/* Who is it? 0, or the error that ends the connection before it begins. */
static FIBER int meet(struct pop3_session *p)
{
    const struct pop3_service *v = p->service;
    struct proxy_header header = {.named = true};
    if (v->proxy_allowed && v->proxy_allowed(v->arg, stream_peer(p->io).ip)) {
        int e = proxy_accept(p->io, &header);
        if (e) return e;
    }
    struct ip peer = stream_peer(p->io).ip;
    p->named = header.named;
    p->exempt = p->named && (ip_is_loopback(peer) || (v->trusted && v->trusted(v->arg, peer)));
    if (!v->tls_first) return 0;
    struct tls_context *tls = v->tls ? v->tls(v->arg) : NULL;
    stream_deadline(p->io, loop_now() + TIMEOUT_TLS_HANDSHAKE);
    int e = tls ? stream_tls_server(p->io, tls) : ERR_TLS;
    tls_unref(tls);
    return e;
}

/* The address a PROXY header names has too many connections. */
static FIBER void turn_away(struct pop3_session *p)
{
    struct pop3_reply no = pop3_no("SYS/TEMP", S("too many connections"));
    p->end = "too many connections";
    if (!p->service->tls_first) say(p, &no); /* else it would take our words for broken TLS */
}

static FIBER int whole_session(void *session)
{
    struct pop3_session *p = session;
    int e = meet(p);
    if (e == ERR_BUSY) turn_away(p);
    if (e) return e;
    struct pop3_reply banner = pop3_yes(arena_printf(p->cmd, "%.*s POP3 Penny Post", STR_FMT(p->service->hostname)));
    say(p, &banner);
    return converse(p);
}

/* ---- beginning and end ---- */

static void log_end(const struct pop3_session *p, int e)
{
    char peer[64];
    struct buf b = BUF_OVER(peer);
    ip_put(&b, stream_peer(p->io).ip);
    struct str how = p->end ? str_c(p->end) : str_c(e == ERR_TLS ? stream_error_text(p->io) : err_name(e));
    LOG(p->service->log, p->who.account ? LOG_INFO : LOG_DEBUG, "pop3.end", F_ID("session", p->id),
        F_STR("login", p->who.account ? p->who.login : STR_NONE), F_STR("client", buf_str(&b)),
        F_INT("retrieved", p->retrieved), F_INT("tops", p->tops), F_INT("deleted", p->deleted),
        F_INT("bytes_out", stream_bytes_out(p->io)), F_STR("end", how), F_MS("ms", loop_now() - p->began));
}

/* RFC 1939 §3: a session that ends otherwise than by QUIT is closed without a word, and nothing is removed. */
FIBER void pop3_serve(struct stream *io, const struct pop3_service *service)
{
    struct arena *a = arena_new(NULL, LIMIT_CONNECTION_MEMORY);
    struct pop3_session *p = arena_new_of(a, struct pop3_session);
    *p = (struct pop3_session){
        .service = service,
        .io = io,
        .arena = a,
        .cmd = arena_new(a, 0),
        .name = arena_new(a, 0),
        .id = store_new_id(service->store),
        .began = loop_now(),
        .state = POP3_AUTHORIZATION,
    };
    int e = arena_protect(a, whole_session, p);
    if (p->locked) store_maildrop_unlock(service->store, p->who.account);
    stream_deadline(io, loop_now() + TIMEOUT_FAREWELL);
    stream_flush(io); /* so that the log counts what was sent */
    log_end(p, e);
    maildrop_close(&p->drop);
    stream_close(io);
    arena_free(a);
}
