/* Submitting one letter. The session reads from top to bottom in submit(); log-in is in send_auth.c. */
#include "mua/send.h"

#include "base/utf8.h"
#include "io/connect.h"
#include "mail/limits.h"
#include "mua/send_core.h"
#include "proto/smtp/data.h"

/* RFC 5321 §4.5.3.2 */
#define TIMEOUT_GREETING MINUTES(5)
#define TIMEOUT_REPLY MINUTES(5)
#define TIMEOUT_DATA MINUTES(2)
#define TIMEOUT_FINAL MINUTES(10)
#define TIMEOUT_QUIT SECONDS(10) /* the letter is accepted by then; nobody should wait for a goodbye */
enum { STUFFED_PIECE = 64 << 10 };

/* ---- commands and replies ---- */

static struct str one_line(struct arena *a, struct str text)
{
    struct str s = arena_str(a, text);
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '\n') ((char *)(uintptr_t)s.p)[i] = ' ';
    return s;
}

FIBER int mua_reply(struct mua_session *s, int64_t timeout_us, struct error *e)
{
    int r = 0;
    smtp_reply_clear(&s->reply);
    stream_deadline(s->io, loop_now() + timeout_us);
    while (r == 0) {
        struct str line;
        r = stream_line(s->io, LIMIT_SMTP_LINE, &line);
        if (r) return error_set(e, r, "the server went silent: %s", err_name(r));
        r = smtp_reply_line(&s->reply, line);
        if (r < 0) return error_set(e, r, "what the server says is no SMTP: %.*s", STR_FMT(str_head(line, 80)));
    }
    s->report->code = s->reply.code;
    s->report->status = s->reply.status;
    s->report->words = one_line(s->arena, buf_str(&s->reply.text));
    return 0;
}

FIBER int mua_command(struct mua_session *s, struct str line, int64_t timeout_us, struct error *e)
{
    stream_deadline(s->io, loop_now() + timeout_us);
    stream_write(s->io, line);
    stream_write(s->io, S("\r\n")); /* errors are sticky: the read tells */
    return mua_reply(s, timeout_us, e);
}

int mua_refused(struct mua_session *s, int code, const char *what, struct error *e)
{
    const struct mua_report *r = s->report;
    char status[24] = "";
    struct buf b = BUF_OVER(status);
    if (r->status.class) buf_printf(&b, " %u.%u.%u", r->status.class, r->status.subject, r->status.detail);
    if (r->code / 100 == 4) code = ERR_BUSY;
    return error_set(e, code, "%s; the server says: %d%.*s %.*s", what, r->code, STR_FMT(buf_str(&b)),
                     STR_FMT(r->words));
}

static bool is_ok(const struct mua_session *s, int code) { return s->reply.code == code; }

static bool offers(const struct mua_session *s, struct str keyword)
{
    struct str parameters;
    return smtp_reply_keyword(&s->reply, keyword, &parameters);
}

/* ---- beginning ---- */

static FIBER int shake_hands(struct mua_session *s, struct error *e)
{
    stream_deadline(s->io, loop_now() + TIMEOUT_TLS_HANDSHAKE);
    int error = stream_starttls_client(s->io, s->server->context, s->server->name);
    if (error)
        return error_set(e, ERR_TLS, "the TLS handshake failed, or the certificate is not one of %.*s",
                         STR_FMT(s->server->name));
    s->tls = true;
    if (!s->server->accept) return 0;
    struct str hash = stream_channel_binding(s->io, s->arena, S("tls-server-end-point"));
    return s->server->accept(s->server->arg, hash)
               ? 0
               : error_set(e, ERR_TLS, "the server's certificate is not the expected one");
}

static FIBER int say_ehlo(struct mua_session *s, struct error *e)
{
    int error = mua_command(s, arena_printf(s->arena, "EHLO %.*s", STR_FMT(s->server->helo)), TIMEOUT_REPLY, e);
    if (error || is_ok(s, 250)) return error;
    return mua_refused(s, ERR_UNSUPPORTED, "the server does not take EHLO", e);
}

static FIBER int begin(struct mua_session *s, struct error *e)
{
    int error = s->server->tls == MUA_TLS_IMPLICIT ? shake_hands(s, e) : 0;
    if (!error) error = mua_reply(s, TIMEOUT_GREETING, e);
    if (!error && !is_ok(s, 220)) return mua_refused(s, ERR_UNAVAILABLE, "no service", e);
    if (!error) error = say_ehlo(s, e);
    if (error || s->server->tls != MUA_TLS_STARTTLS) return error;
    if (!offers(s, S("STARTTLS"))) /* RFC 3207; never onward in the clear */
        return error_set(e, ERR_TLS, "the server offers no STARTTLS");
    error = mua_command(s, S("STARTTLS"), TIMEOUT_REPLY, e);
    if (!error && !is_ok(s, 220)) return mua_refused(s, ERR_TLS, "no TLS", e);
    if (!error) error = shake_hands(s, e);
    return error ? error : say_ehlo(s, e);
}

/* ---- the transaction ---- */

struct needs { /* of the letter, against what EHLO offered */
    bool pipelining, size, eightbit, utf8;
    uint64_t size_max; /* 0: none said */
};

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

static int look_at_needs(const struct mua_session *s, const struct mua_letter *l, struct needs *n, struct error *e)
{
    struct str size = STR_NONE;
    n->pipelining = offers(s, S("PIPELINING"));
    n->size = smtp_reply_keyword(&s->reply, S("SIZE"), &size); /* RFC 1870 */
    if (!n->size || !str_to_u64(size, INT64_MAX, &n->size_max)) n->size_max = 0;
    n->utf8 = !paths_are_ascii(l) || !header_is_ascii(l->bytes); /* RFC 6531 */
    n->eightbit = !str_is_ascii(l->bytes);                       /* RFC 6152 */
    if (n->size_max && l->bytes.n > n->size_max)
        return error_set(e, ERR_TOO_LONG, "the letter has %zu bytes, the server takes at most %llu", l->bytes.n,
                         (unsigned long long)n->size_max);
    if (n->utf8 && !offers(s, S("SMTPUTF8")))
        return error_set(e, ERR_UNSUPPORTED,
                         "the letter has addresses or header fields beyond ASCII, and the server knows no SMTPUTF8");
    if (n->eightbit && !offers(s, S("8BITMIME")))
        return error_set(e, ERR_UNSUPPORTED, "the letter has 8-bit text, and the server knows no 8BITMIME");
    return 0;
}

static struct str mail_line(const struct mua_session *s, const struct mua_letter *l, const struct needs *n)
{
    struct buf *b = buf_in(s->arena, LIMIT_SMTP_LINE);
    buf_lit(b, "MAIL FROM:<");
    if (!address_is_null(l->from)) address_put(b, l->from);
    buf_lit(b, ">");
    if (n->size) buf_printf(b, " SIZE=%zu", l->bytes.n);
    if (n->eightbit) buf_lit(b, " BODY=8BITMIME");
    if (n->utf8) buf_lit(b, " SMTPUTF8");
    return buf_str(b);
}

static FIBER void put_line(struct mua_session *s, struct str line)
{
    stream_deadline(s->io, loop_now() + TIMEOUT_REPLY);
    stream_write(s->io, line);
    stream_write(s->io, S("\r\n"));
}

static struct str rcpt_line(const struct mua_session *s, struct address to)
{
    return arena_printf(s->arena, "RCPT TO:<%.*s>", STR_FMT(address_str(s->arena, to)));
}

static int sender_refused(struct mua_session *s, struct error *e)
{
    return mua_refused(s, s->report->status.subject == 7 ? ERR_DENIED : ERR_UNAVAILABLE, "the sender is refused", e);
}

static int recipient_refused(struct mua_session *s, const struct address *to, struct error *e)
{
    struct status t = s->report->status;
    char what[160];
    struct buf b = BUF_OVER(what);
    buf_printf(&b, "%.*s is refused", STR_FMT(str_head(address_str(s->arena, *to), 100)));
    buf_char(&b, 0);
    s->report->refused = to;
    bool unknown = t.class ? t.subject == 1 : s->report->code == 550 || s->report->code == 553;
    return mua_refused(s, unknown ? ERR_NOT_FOUND : t.subject == 7 ? ERR_DENIED : ERR_UNAVAILABLE, what, e);
}

/* With PIPELINING MAIL and all RCPTs travel together (RFC 2920 §3.1); DATA waits until every recipient has been
 * accepted. */
static FIBER int name_recipients(struct mua_session *s, const struct mua_letter *l, const struct needs *n,
                                 struct error *e)
{
    put_line(s, mail_line(s, l, n));
    for (size_t i = 0; i < l->n_to && n->pipelining; i++) put_line(s, rcpt_line(s, l->to[i]));
    int error = mua_reply(s, TIMEOUT_REPLY, e);
    if (!error && !is_ok(s, 250)) return sender_refused(s, e);
    for (size_t i = 0; i < l->n_to && !error; i++) {
        if (!n->pipelining) put_line(s, rcpt_line(s, l->to[i]));
        error = mua_reply(s, TIMEOUT_REPLY, e);
        if (!error && !is_ok(s, 250) && !is_ok(s, 251)) return recipient_refused(s, &l->to[i], e);
        s->report->recipients++;
    }
    return error;
}

static FIBER int hand_over(struct mua_session *s, struct str bytes, struct error *e)
{
    struct smtp_stuffer stuffer = {0};
    struct buf *out = buf_in(s->arena, 4 * STUFFED_PIECE);
    int error = mua_command(s, S("DATA"), TIMEOUT_DATA, e);
    if (!error && !is_ok(s, 354)) return mua_refused(s, ERR_UNAVAILABLE, "the letter is refused", e);
    for (size_t at = 0; at < bytes.n && !error; at += STUFFED_PIECE) {
        buf_clear(out);
        smtp_stuff(&stuffer, str_head(str_skip(bytes, at), STUFFED_PIECE), out);
        stream_deadline(s->io, loop_now() + TIMEOUT_SMTP_DATA_BLOCK);
        error = stream_write(s->io, buf_str(out));
    }
    if (error) return error_set(e, error, "the connection broke in the middle of the letter: %s", err_name(error));
    buf_clear(out);
    smtp_stuff_end(&stuffer, out);
    stream_write(s->io, buf_str(out));
    error = mua_reply(s, TIMEOUT_FINAL, e);
    if (!error && !is_ok(s, 250))
        error =
            mua_refused(s, s->report->status.subject == 7 ? ERR_DENIED : ERR_UNAVAILABLE, "the letter is refused", e);
    return error;
}

static FIBER int submit(struct mua_session *s, const struct mua_letter *l, struct error *e)
{
    struct needs n;
    int error = begin(s, e);
    if (!error && s->server->user.n) {
        error = mua_log_in(s, e);
        if (!error) error = say_ehlo(s, e); /* a server may offer more now, and the reply is wanted below */
    }
    if (!error) error = look_at_needs(s, l, &n, e);
    if (!error) error = name_recipients(s, l, &n, e);
    return error ? error : hand_over(s, l->bytes, e);
}

FIBER int mua_send(struct world *w, struct arena *a, const struct mua_server *server, const struct mua_letter *letter,
                   struct mua_report *report, struct error *e)
{
    struct mua_session *s = arena_new_of(a, struct mua_session);
    size_t which;
    *report = (struct mua_report){0};
    *s = (struct mua_session){.world = w, .arena = a, .server = server, .report = report};
    int error = stream_connect_any(server->endpoints, server->n_endpoints, (struct ip){0}, loop_now() + TIMEOUT_CONNECT,
                                   &s->io, &which, e);
    if (error) return error;
    smtp_reply_init(&s->reply, a);
    error = submit(s, letter, e);
    struct mua_report said = *report; /* QUIT's answer is nobody's concern */
    if (!stream_error(s->io)) mua_command(s, S("QUIT"), TIMEOUT_QUIT, NULL);
    *report = said;
    stream_close(s->io);
    return error;
}
