/* Submitting one letter (RFC 6409): to whom, with what TLS, as whom, and what the server's words mean to a person. The
 * dialogue itself is wire/smtp_client's. */
#include "mua/send.h"

#include "base/utf8.h"
#include "io/connect.h"
#include "wire/smtp_client.h"

struct submission {
    struct smtp_client client;
    const struct mua_server *server;
    const struct mua_letter *letter;
    struct mua_report *report;
};

/* ---- beginning ---- */

/* The server's certificate, by its hash, where the context does not judge it. */
static int judge_certificate(struct submission *s, struct error *e)
{
    struct smtp_client *c = &s->client;
    if (!s->server->accept) return 0;
    struct str hash = stream_channel_binding(c->io, c->arena, S("tls-server-end-point"));
    return s->server->accept(s->server->arg, hash)
               ? 0
               : error_set(e, ERR_TLS, "the server's certificate is not the expected one");
}

static int no_handshake(const struct submission *s, struct error *e)
{
    return error_set(e, ERR_TLS, "the TLS handshake failed, or the certificate is not one of %.*s",
                     STR_FMT(s->server->name));
}

static FIBER int implicit_tls(struct submission *s, struct error *e)
{
    struct smtp_client *c = &s->client;
    stream_deadline(c->io, loop_now() + TIMEOUT_TLS_HANDSHAKE);
    if (stream_starttls_client(c->io, s->server->context, s->server->name) != 0) return no_handshake(s, e);
    c->tls = true;
    return judge_certificate(s, e);
}

static FIBER int starttls(struct submission *s, struct error *e)
{
    struct smtp_client *c = &s->client;
    if (!(c->offers & SMTP_OFFERS_STARTTLS)) /* RFC 3207; never onward in the clear */
        return error_set(e, ERR_TLS, "the server offers no STARTTLS");
    int error = smtp_client_starttls(c, s->server->context, s->server->name, e);
    if (error == ERR_TLS) return no_handshake(s, e);
    if (error) return error;
    return c->reply.code == 220 ? judge_certificate(s, e) : smtp_client_refused(c, ERR_TLS, "no TLS", e);
}

static FIBER int begin(struct submission *s, struct error *e)
{
    struct smtp_client *c = &s->client;
    int error = s->server->tls == MUA_TLS_IMPLICIT ? implicit_tls(s, e) : 0;
    if (!error) error = smtp_client_banner(c, e);
    if (error) return error;
    if (c->reply.code != 220) return smtp_client_refused(c, ERR_UNAVAILABLE, "no service", e);
    error = smtp_client_hello(c, e);
    if (error) return error;
    if (c->reply.code != 250) return smtp_client_refused(c, ERR_UNSUPPORTED, "the server does not take EHLO", e);
    if (s->server->tls == MUA_TLS_STARTTLS) error = starttls(s, e);
    if (!error && s->server->user.n)
        error = smtp_client_auth(c, s->server->user, s->server->password, s->server->bare_passwords, e);
    return error;
}

/* ---- the letter ---- */

static bool header_is_ascii(struct str letter)
{
    return str_is_ascii(str_head(letter, str_find(letter, S("\r\n\r\n"))));
}

static bool paths_are_ascii(const struct mua_letter *l)
{
    bool ascii = str_is_ascii(l->from.local) && str_is_ascii(l->from.domain);
    for (size_t i = 0; i < l->n_to; i++) ascii &= str_is_ascii(l->to[i].local) && str_is_ascii(l->to[i].domain);
    return ascii;
}

/* What the letter needs, against what EHLO offered. */
static int look_at_needs(const struct submission *s, struct smtp_outgoing *o, struct error *e)
{
    const struct smtp_client *c = &s->client;
    const struct mua_letter *l = s->letter;
    o->utf8 = !paths_are_ascii(l) || !header_is_ascii(l->bytes); /* RFC 6531 */
    o->eightbit = !str_is_ascii(l->bytes);                       /* RFC 6152 */
    if (c->size_max && l->bytes.n > c->size_max)                 /* RFC 1870 */
        return error_set(e, ERR_TOO_LONG, "the letter has %zu bytes, the server takes at most %llu", l->bytes.n,
                         (unsigned long long)c->size_max);
    if (o->utf8 && !(c->offers & SMTP_OFFERS_SMTPUTF8))
        return error_set(e, ERR_UNSUPPORTED,
                         "the letter has addresses or header fields beyond ASCII, and the server knows no SMTPUTF8");
    if (o->eightbit && !(c->offers & SMTP_OFFERS_8BITMIME))
        return error_set(e, ERR_UNSUPPORTED, "the letter has 8-bit text, and the server knows no 8BITMIME");
    return 0;
}

static FIBER int read_letter(void *arg, int64_t offset, struct str *piece, struct error *e)
{
    const struct mua_letter *l = arg;
    (void)e;
    *piece = str_skip(l->bytes, (size_t)offset);
    return 0;
}

/* What a refusal means: of the sender, of a recipient, of the letter. */
static int refused(struct submission *s, const struct smtp_verdict *v, const struct address *to, struct error *e)
{
    char what[160] = "the letter is refused", status[24] = "";
    int code = v->status.subject == 7 ? ERR_DENIED : ERR_UNAVAILABLE;
    struct buf b = BUF_OVER(status);
    if (v->status.class) buf_printf(&b, " %u.%u.%u", v->status.class, v->status.subject, v->status.detail);
    if (v->step == SMTP_STEP_MAIL) {
        memcpy(what, "the sender is refused", sizeof "the sender is refused");
    } else if (v->step == SMTP_STEP_RCPT) {
        struct buf w = BUF_OVER(what);
        buf_printf(&w, "%.*s is refused", STR_FMT(str_head(address_str(s->client.arena, *to), 100)));
        buf_char(&w, 0);
        s->report->refused = to;
        if (v->status.class ? v->status.subject == 1 : v->code == 550 || v->code == 553) code = ERR_NOT_FOUND;
    }
    if (v->code / 100 == 4) code = ERR_BUSY;
    return error_set(e, code, "%s; the server says: %d%.*s %.*s", what, v->code, STR_FMT(buf_str(&b)),
                     STR_FMT(v->text));
}

/* All recipients have the letter, or the first refusal is why none has. */
static int judge(struct submission *s, const struct smtp_outgoing *o, int error, struct error *e)
{
    struct mua_report *r = s->report;
    size_t i = 0;
    while (i < o->n && o->verdicts[i].code / 100 < 4) i++;
    const struct smtp_verdict *v = &o->verdicts[i < o->n ? i : 0];
    if (v->code) *r = (struct mua_report){.code = v->code, .status = v->status, .words = v->text};
    r->recipients = v->code / 100 >= 4 && v->step == SMTP_STEP_MAIL ? 0 : i;
    if (i < o->n) return refused(s, v, &s->letter->to[i], e);
    return error;
}

static FIBER int hand_over(struct submission *s, struct error *e)
{
    struct arena *a = s->client.arena;
    const struct mua_letter *l = s->letter;
    struct forward_path *to = arena_array(a, l->n_to, sizeof *to);
    struct smtp_outgoing o = {.arena = a,
                              .from.address = l->from,
                              .to = to,
                              .n = l->n_to,
                              .size = (int64_t)l->bytes.n,
                              .all_or_none = true,
                              .read = read_letter,
                              .arg = (void *)(uintptr_t)l,
                              .verdicts = arena_array(a, l->n_to, sizeof *o.verdicts)};
    for (size_t i = 0; i < l->n_to; i++) to[i].address = l->to[i];
    int error = look_at_needs(s, &o, e);
    if (error) return error;
    error = smtp_client_transact(&s->client, &o, NULL, NULL, e);
    return judge(s, &o, error, e);
}

FIBER int mua_send(struct world *w, struct arena *a, const struct mua_server *server, const struct mua_letter *letter,
                   struct mua_report *report, struct error *e)
{
    struct submission *s = arena_new_of(a, struct submission);
    struct stream *io;
    size_t which;
    *report = (struct mua_report){0};
    *s = (struct submission){.server = server, .letter = letter, .report = report};
    int error = stream_connect_any(server->endpoints, server->n_endpoints, (struct ip){0}, loop_now() + TIMEOUT_CONNECT,
                                   &io, &which, e);
    if (error) return error;
    smtp_client_init(&s->client, w, a, io, server->helo, false);
    s->client.ehlo_only = true;
    error = begin(s, e);
    const struct smtp_reply *said = &s->client.reply;
    if (said->code) *report = (struct mua_report){said->code, said->status, smtp_client_text(&s->client, a), NULL, 0};
    if (!error) error = hand_over(s, e);
    smtp_client_quit(&s->client);
    return error;
}
