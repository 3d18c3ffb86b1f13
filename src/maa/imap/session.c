/* The session of an IMAP server (RFC 9051 §3, RFC 3501 §3): greeting, the loop, the table of commands and states, the
 * end.
 *
 * Commands run one after the other, however many the client has sent ahead, and answers leave when input would block.
 * Between a command's own responses and its tagged one stands what happened in the mailbox meanwhile (sync.c) and
 * elsewhere (notify.c). How a command is cut out of the stream is read.c's. */
#include "maa/imap/search.h"

#include "io/tls.h"
#include "mail/limits.h"
#include "wire/proxy.h"

/* ---- the table ---- */

enum {
    STRANGER = IMAP_STRANGER,
    KNOWN = IMAP_KNOWN | IMAP_SELECTED,
    SELECTED = IMAP_SELECTED,
    ANY = STRANGER | KNOWN,
};

static const struct row {
    unsigned states; /* in which it may be said */
    /* Said without UID it speaks in message numbers: they must not shift under it (RFC 9051 §7.5.1), and with UIDONLY
     * it may not be said (RFC 9586 §3.1). */
    bool numbers;
    imap_handler *run;
} commands[IMAP_VERBS] = {
    [IMAP_CAPABILITY] = {ANY, false, imap_on_capability},
    [IMAP_NOOP] = {ANY, false, imap_on_noop},
    [IMAP_LOGOUT] = {ANY, false, imap_on_logout},
    [IMAP_ID] = {ANY, false, imap_on_id},
    [IMAP_STARTTLS] = {STRANGER, false, imap_on_starttls},
    [IMAP_AUTHENTICATE] = {STRANGER, false, imap_on_authenticate},
    [IMAP_LOGIN] = {STRANGER, false, imap_on_login},
    [IMAP_COMPRESS] = {KNOWN, false, imap_on_compress},
    [IMAP_ENABLE] = {KNOWN, false, imap_on_enable},
    [IMAP_UNAUTHENTICATE] = {KNOWN, false, imap_on_unauthenticate},

    [IMAP_SELECT] = {KNOWN, false, imap_on_select},
    [IMAP_EXAMINE] = {KNOWN, false, imap_on_select},
    [IMAP_CLOSE] = {SELECTED, false, imap_on_close},
    [IMAP_UNSELECT] = {SELECTED, false, imap_on_unselect},
    [IMAP_CHECK] = {SELECTED, false, imap_on_check},
    [IMAP_NOTIFY] = {KNOWN, false, imap_on_notify},
    [IMAP_IDLE] = {KNOWN, false, imap_on_idle},
    [IMAP_CREATE] = {KNOWN, false, imap_on_create},
    [IMAP_DELETE] = {KNOWN, false, imap_on_delete},
    [IMAP_RENAME] = {KNOWN, false, imap_on_rename},
    [IMAP_SUBSCRIBE] = {KNOWN, false, imap_on_subscribe},
    [IMAP_UNSUBSCRIBE] = {KNOWN, false, imap_on_subscribe},
    [IMAP_LIST] = {KNOWN, false, imap_on_list},
    [IMAP_LSUB] = {KNOWN, false, imap_on_lsub},
    [IMAP_NAMESPACE] = {KNOWN, false, imap_on_namespace},
    [IMAP_STATUS] = {KNOWN, false, imap_on_status},
    [IMAP_GETACL] = {KNOWN, false, imap_on_getacl},
    [IMAP_SETACL] = {KNOWN, false, imap_on_setacl},
    [IMAP_DELETEACL] = {KNOWN, false, imap_on_deleteacl},
    [IMAP_LISTRIGHTS] = {KNOWN, false, imap_on_listrights},
    [IMAP_MYRIGHTS] = {KNOWN, false, imap_on_myrights},
    [IMAP_GETQUOTA] = {KNOWN, false, imap_on_getquota},
    [IMAP_GETQUOTAROOT] = {KNOWN, false, imap_on_getquotaroot},
    [IMAP_SETQUOTA] = {KNOWN, false, imap_on_setquota},
    [IMAP_GETMETADATA] = {KNOWN, false, imap_on_getmetadata},
    [IMAP_SETMETADATA] = {KNOWN, false, imap_on_setmetadata},
    [IMAP_FETCH] = {SELECTED, true, imap_on_fetch},
    [IMAP_STORE] = {SELECTED, true, imap_on_store},
    [IMAP_COPY] = {SELECTED, true, imap_on_copy},
    [IMAP_MOVE] = {SELECTED, true, imap_on_move},
    [IMAP_EXPUNGE] = {SELECTED, false, imap_on_expunge},
    [IMAP_SEARCH] = {SELECTED, true, imap_on_search},
    [IMAP_CANCELUPDATE] = {SELECTED, false, imap_on_cancelupdate},
    [IMAP_ESEARCH] = {KNOWN, false, imap_on_esearch},
    [IMAP_SORT] = {SELECTED, true, imap_on_sort},
    [IMAP_THREAD] = {SELECTED, true, imap_on_thread},
};

/* ---- the plainest commands ---- */

FIBER struct imap_done imap_on_noop(struct imap_session *s, const struct imap_command *c) /* RFC 9051 §6.1.2 */
{
    (void)s, (void)c;
    return imap_ok(STR_NONE, S("done"));
}

FIBER struct imap_done imap_on_logout(struct imap_session *s, const struct imap_command *c) /* RFC 9051 §6.1.3 */
{
    (void)c;
    struct imap_done bye = imap_ok(STR_NONE, S("that was it"));
    imap_put(s, S("* BYE good bye\r\n"));
    imap_unselect(s);
    s->end = "logout";
    bye.close = true;
    return bye;
}

/* ---- saying ---- */

/* A line with a condition; after a command its tag, else "*". */
static FIBER void say(struct imap_session *s, struct str tag, enum imap_condition kind, struct str code,
                      struct str text)
{
    struct buf *b = buf_in(s->cmd, LIMIT_IMAP_STATUS_LINE + tag.n); /* a client's tag may be as long as a command */
    imap_put_condition(b, str_is_none(tag) ? S("*") : tag, kind, code, text);
    imap_put(s, buf_str(b)); /* an error sticks, and ends the loop at its next read */
}

/* The client gets no more than so many wrong; those who have logged in may begin anew with each right one. */
static FIBER bool enough_errors(struct imap_session *s, const struct imap_done *d)
{
    if (d->kind == IMAP_OK && s->state != IMAP_STRANGER) s->errors = 0;
    if (d->kind != IMAP_BAD || ++s->errors < LIMIT_IMAP_ERRORS || s->exempt) return false;
    say(s, S("*"), IMAP_BYE, STR_NONE, S("too many errors"));
    s->end = "too many errors";
    return true;
}

/* May message numbers shift under the command (RFC 9051 §7.5.1)? Not where UID stands before a search whose keys name
 * some either (RFC 7162 §3.2.10.2). */
static bool may_shift(const struct imap_command *c)
{
    bool search = c->verb == IMAP_SEARCH || c->verb == IMAP_SORT || c->verb == IMAP_THREAD;
    /* RFC 7162 §3.2.11: CLOSED within SELECT speaks of the mailbox before. That this one is gone, too, comes later. */
    if (c->verb == IMAP_SELECT || c->verb == IMAP_EXAMINE) return false;
    if (!commands[c->verb].numbers) return true;
    return c->uid && !(search && imap_search_names(c->search.key, IMAP_KEY_NUMBERS));
}

/* What happened meanwhile, then the tagged response. True: that was the last command. */
static FIBER bool finish(struct imap_session *s, const struct imap_command *c, const struct imap_done *d)
{
    if (d->said) return d->close;
    if (d->kind != IMAP_BAD && !d->close) {
        imap_sync_asked(s, may_shift(c));
        imap_tell_news(s);
        imap_tell_held(s);
    }
    say(s, c->tag, d->kind, d->code, d->text);
    return enough_errors(s, d) || d->close;
}

/* ---- the loop ---- */

static struct str wrong_state(const struct imap_session *s, unsigned states)
{
    if (s->state == IMAP_STRANGER) return S("log in first");
    return states == IMAP_STRANGER ? S("you are logged in already") : S("select a mailbox first");
}

static FIBER void tell_flags(struct imap_session *s)
{
    struct buf *b = buf_in(s->cmd, SIZE_MAX);
    imap_put_flags_there_are(s, b);
    imap_put(s, buf_str(b));
}

FIBER bool imap_may_still_read(struct imap_session *s, enum imap_verb verb)
{
    struct imap_selected *m = s->selected;
    if (!m || m->account == s->who.account) return true;
    right_set before = m->rights;
    m->rights = store_rights(s->service->store, s->who.account, m->mailbox);
    if (!(m->rights & RIGHT_READ)) m->rights = 0; /* CLOSE expunges nothing */
    if (m->rights && m->rights != before && !m->read_only) tell_flags(s); /* RFC 4314 §5.1.1 */
    return m->rights || verb == IMAP_CLOSE || verb == IMAP_UNSELECT;
}

static bool names_numbers(const struct imap_command *c)
{
    switch (c->verb) {
    case IMAP_SEARCH:
    case IMAP_SORT:
    case IMAP_THREAD:
    case IMAP_ESEARCH:
        if (imap_search_names(c->search.key, IMAP_KEY_NUMBERS)) return true;
        return commands[c->verb].numbers && !c->uid;
    case IMAP_SELECT:
    case IMAP_EXAMINE: return c->select.has_match; /* of QRESYNC */
    default: return commands[c->verb].numbers && !c->uid;
    }
}

struct imap_done imap_unreadable(void) { return imap_no(S("NOPERM"), S("you may not read this mailbox any more")); }

static FIBER struct imap_done step(struct imap_session *s, const struct imap_command *c)
{
    const struct row *row = &commands[c->verb];
    if (c->verb == IMAP_UNKNOWN && c->error) return imap_bad(str_c(c->error));
    if (!row->run) return imap_bad(S("no such command"));
    if (!(row->states & s->state)) return imap_bad(wrong_state(s, row->states));
    if (c->error) return imap_bad(str_c(c->error));
    if (s->enabled & IMAP_UIDONLY && names_numbers(c)) /* RFC 9586 §3 */
        return (struct imap_done){.kind = IMAP_BAD, .code = S("UIDREQUIRED"), .text = S("UIDs alone are spoken here")};
    if (row->states == SELECTED && !imap_may_still_read(s, c->verb)) return imap_unreadable();
    return row->run(s, c);
}

static FIBER bool run_one(struct imap_session *s, struct imap_input *in)
{
    struct imap_command c;
    imap_parse(s->cmd, in->text, &c);
    s->tag = c.tag;
    s->input = in->text;
    s->owes = false;
    static const struct imap_done too_big = {
        .kind = IMAP_BAD, .code = S_INIT("TOOBIG"), .text = S_INIT("that literal is too large")};
    struct imap_done d = in->kind == IMAP_INPUT_TOO_BIG   ? too_big
                         : in->kind == IMAP_INPUT_MESSAGE ? imap_on_append(s, in->text)
                                                          : step(s, &c);
    return finish(s, &c, &d);
}

bool imap_is_served(const struct imap_session *s)
{
    return s->state == IMAP_STRANGER || store_account_is_active(s->service->store, s->who.account);
}

static FIBER int converse(struct imap_session *s)
{
    for (;;) {
        struct imap_input in;
        arena_reset(s->cmd);
        s->tag = STR_NONE;
        fiber_yield_if_long(); /* many a command waits for nothing */
        int e = imap_read_command(s, &in);
        if (!e && !imap_is_served(s)) e = ERR_DENIED;
        if (e) return e;
        if (in.kind == IMAP_INPUT_LOST) { /* nobody knows where the next command begins */
            s->end = "input too long";
            say(s, S("*"), IMAP_BYE, S("TOOBIG"), S("that was too long to go on"));
            return 0;
        }
        if (run_one(s, &in)) return 0;
    }
}

/* ---- beginning and end ---- */

/* Who is it? 0, or the error that ends the connection before it begins. */
static FIBER int meet(struct imap_session *s)
{
    const struct imap_service *v = s->service;
    struct proxy_header header = {.named = true};
    if (v->proxy_allowed && v->proxy_allowed(v->arg, stream_peer(s->io).ip)) {
        int e = proxy_accept(s->io, &header);
        if (e) return e;
    }
    struct ip peer = stream_peer(s->io).ip;
    s->named = header.named;
    s->exempt = s->named && (ip_is_loopback(peer) || (v->trusted && v->trusted(v->arg, peer)));
    if (!v->tls_first) return 0;
    struct tls_context *tls = v->tls ? v->tls(v->arg) : NULL;
    stream_deadline(s->io, loop_now() + TIMEOUT_TLS_HANDSHAKE);
    int e = tls ? stream_tls_server(s->io, tls) : ERR_TLS;
    tls_unref(tls);
    return e;
}

/* The address a PROXY header names has too many connections. */
static FIBER void turn_away(struct imap_session *s)
{
    s->end = "too many connections";
    /* else it would take our words for broken TLS */
    if (!s->service->tls_first) imap_put(s, S("* BYE [UNAVAILABLE] too many connections\r\n"));
}

static FIBER int whole_session(void *session)
{
    struct imap_session *s = session;
    int e = meet(s);
    if (e == ERR_BUSY) turn_away(s);
    if (e) return e;
    say(s, S("*"), IMAP_OK, imap_capability_code(s),
        arena_printf(s->cmd, "%.*s Penny Post", STR_FMT(s->service->hostname)));
    return converse(s);
}

/* RFC 9051 §7.1.5: who is thrown out is told so, if he can still hear. */
FIBER void imap_throw_out(struct imap_session *s, int e)
{
    if (s->end) return;
    if (e == ERR_TIMEOUT) imap_put(s, S("* BYE you have been silent for too long\r\n"));
    else if (e == ERR_CANCELLED) imap_put(s, S("* BYE the server stops\r\n"));
    else if (e == ERR_DENIED) imap_put(s, S("* BYE [AUTHORIZATIONFAILED] this account is not served any more\r\n"));
    else if (e == ERR_BUDGET) imap_put(s, S("* BYE [LIMIT] this takes too much memory\r\n"));
}

static void log_end(const struct imap_session *s, int e)
{
    char peer[64];
    struct buf b = BUF_OVER(peer);
    ip_put(&b, stream_peer(s->io).ip);
    struct str how = s->end ? str_c(s->end) : str_c(e == ERR_TLS ? stream_error_text(s->io) : err_name(e));
    LOG(s->service->log, s->who.account ? LOG_INFO : LOG_DEBUG, "imap.end", F_ID("session", s->id),
        F_STR("login", s->who.account ? s->who.login : STR_NONE), F_STR("client", buf_str(&b)),
        F_INT("fetched", s->fetched), F_INT("appended", s->appended), F_INT("expunged", s->expunged),
        F_INT("bytes_in", stream_bytes_in(s->io)), F_INT("bytes_out", stream_bytes_out(s->io)), F_STR("end", how),
        F_MS("ms", loop_now() - s->began));
}

FIBER void imap_serve(struct stream *io, const struct imap_service *service)
{
    struct arena *a = arena_new(NULL, service->memory ? service->memory : LIMIT_CONNECTION_MEMORY);
    struct imap_session *s = arena_new_of(a, struct imap_session);
    *s = (struct imap_session){
        .service = service,
        .io = io,
        .arena = a,
        .cmd = arena_new(a, 0),
        .id = store_new_id(service->store),
        .began = loop_now(),
        .state = IMAP_STRANGER,
    };
    event_init(&s->news);
    int e = arena_protect(a, whole_session, s);
    imap_throw_out(s, e);
    imap_notify_end(s);
    imap_unselect(s);
    stream_deadline(io, loop_now() + TIMEOUT_FAREWELL);
    stream_flush(io); /* so that the log counts what was sent */
    log_end(s, e);
    stream_close(io);
    arena_free(a);
}
