/* An SMTP or LMTP client's session up to its transactions: replies (RFC 5321 §4.2), banner, EHLO with HELO to fall back
 * on (§3.2; LHLO of RFC 2033), STARTTLS (RFC 3207), single commands, QUIT.
 *
 * Who answers before it is asked, or something no command has, is not believed: the answer to a question that was never
 * read could be "250" for a letter that was never taken. Log-in is smtp_client_auth.c's, transactions are
 * smtp_client_transact.c's. */
#include <stdarg.h>
#include <stdio.h>

#include "wire/smtp_client_core.h"

static struct smtp_client_inside *inside(const struct smtp_client *c) { return c->inside; }

static void free_inside(void *arg)
{
    struct smtp_client_inside *in = arg;
    buf_free(&in->line);
    buf_free(&in->commands);
    buf_free(&in->changed);
}

void smtp_client_init(struct smtp_client *c, struct world *w, struct arena *a, struct stream *io, struct str helo,
                      bool lmtp)
{
    struct smtp_client_inside *in = arena_new_of(a, struct smtp_client_inside);
    in->line = BUF(LIMIT_SMTP_LINE);
    in->commands = BUF(LIMIT_SMTP_BURST + LIMIT_SMTP_LINE);
    in->changed = BUF(2 * LIMIT_SMTP_CHUNK + 2); /* each byte may need another, and so may a CR from before */
    arena_defer(a, free_inside, in);
    *c = (struct smtp_client){.world = w, .arena = a, .io = io, .lmtp = lmtp, .helo = arena_str(a, helo), .inside = in};
    smtp_reply_init(&c->reply, a);
}

/* ---- errors ---- */

int smtp_client_fail(struct smtp_client *c, int code, struct error *e, const char *fmt, ...)
{
    struct error *why = &inside(c)->why;
    char text[sizeof why->text];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (!why->code) error_set(why, code, "%s", text);
    smtp_reply_clear(&c->reply);
    return error_set(e, code, "%s", text);
}

int smtp_client_sticky(const struct smtp_client *c, struct error *e)
{
    const struct error *why = &inside(c)->why;
    return why->code ? error_set(e, why->code, "%s", why->text) : 0;
}

/* ---- replies ---- */

/* A line of any length, of which the beginning is kept: a server that says "250" at length has said 250 all the same.
 * *left: bytes that may still come. */
static FIBER int read_line(struct smtp_client *c, size_t *left, struct str *line)
{
    struct buf *kept = &inside(c)->line;
    buf_clear(kept);
    for (;;) {
        struct str bytes;
        int error = stream_peek(c->io, &bytes);
        if (error) return error;
        size_t n = str_find_char(bytes, '\n'), taken = n < bytes.n ? n + 1 : n;
        if (taken > *left) return ERR_TOO_LONG;
        *left -= taken;
        stream_take(c->io, taken); /* what was taken stays until the next read */
        *line = str_head(bytes, n < LIMIT_SMTP_LINE ? n : LIMIT_SMTP_LINE);
        if (kept->n || taken == n) {
            buf_add(kept, str_head(*line, LIMIT_SMTP_LINE - kept->n));
            *line = buf_str(kept);
        }
        if (taken == n) continue;
        if (line->n && line->p[line->n - 1] == '\r') line->n--;
        return 0;
    }
}

FIBER int smtp_client_reply(struct smtp_client *c, int64_t timeout_us, struct error *e)
{
    struct str line = STR_NONE;
    size_t left = LIMIT_SMTP_REPLY_BYTES;
    int r = smtp_client_sticky(c, e);
    if (r) return r;
    smtp_reply_clear(&c->reply);
    stream_deadline(c->io, loop_now() + timeout_us);
    while (r == 0) {
        r = read_line(c, &left, &line);
        if (r == ERR_TOO_LONG) break;
        if (r == ERR_TLS) return smtp_client_fail(c, r, e, "%s", stream_error_text(c->io));
        if (r == ERR_EOF) return smtp_client_fail(c, r, e, "the server has hung up");
        if (r) return smtp_client_fail(c, r, e, "the server went silent: %s", err_name(r));
        r = smtp_reply_line(&c->reply, line);
    }
    if (r == ERR_TOO_LONG) return smtp_client_fail(c, r, e, "the server's reply does not end");
    if (r < 0) return smtp_client_fail(c, r, e, "what the server says is no SMTP: %.*s", STR_FMT(str_head(line, 80)));
    if (c->reply.code == 421) inside(c)->ended = true; /* RFC 5321 §3.8 */
    return 0;
}

FIBER int smtp_client_unasked(struct smtp_client *c, struct error *e)
{
    int error = smtp_client_reply(c, TIMEOUT_CLIENT_COMMAND, e);
    if (error || c->reply.code == 421) return error;
    int code = c->reply.code;
    return smtp_client_fail(c, ERR_SYNTAX, e, "the server answers %d before it is asked", code);
}

int smtp_client_ended(struct smtp_client *c, struct error *e)
{
    struct error words;
    smtp_client_refused(c, ERR_EOF, "the connection is over", &words);
    return smtp_client_fail(c, ERR_EOF, e, "%s", words.text);
}

FIBER int smtp_client_say(struct smtp_client *c, struct str line, int64_t timeout_us, struct error *e)
{
    int error = smtp_client_sticky(c, e);
    if (error) return error;
    if (str_find_char(line, '\r') < line.n || str_find_char(line, '\n') < line.n)
        return error_set(e, ERR_SYNTAX, "a command has no line ends inside");
    if (inside(c)->ended) return smtp_client_fail(c, ERR_EOF, e, "the server has ended the connection");
    if (stream_has_input(c->io)) return smtp_client_unasked(c, e);
    stream_deadline(c->io, loop_now() + timeout_us);
    stream_write(c->io, line);
    stream_write(c->io, S("\r\n")); /* whether it can be written the reply tells: there may be one even so */
    return smtp_client_reply(c, timeout_us, e);
}

struct str smtp_client_text(const struct smtp_client *c, struct arena *a)
{
    struct str s = arena_str(a, buf_str(&c->reply.text));
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '\n') ((char *)(uintptr_t)s.p)[i] = ' ';
    return s;
}

static void put_words(const struct smtp_reply *r, struct buf *b)
{
    struct str line, rest = buf_str(&r->text);
    buf_printf(b, "%d", r->code);
    if (r->status.class) buf_printf(b, " %u.%u.%u", r->status.class, r->status.subject, r->status.detail);
    while (rest.n) {
        str_cut(rest, '\n', &line, &rest);
        buf_char(b, ' ');
        buf_add(b, line);
    }
}

struct str smtp_client_words(const struct smtp_client *c, struct arena *a)
{
    struct buf b = BUF(LIMIT_SMTP_REPLY + 64);
    put_words(&c->reply, &b);
    struct str words = arena_str(a, buf_str(&b));
    buf_free(&b);
    return words;
}

int smtp_client_refused(const struct smtp_client *c, int code, const char *what, struct error *e)
{
    struct buf b = BUF(LIMIT_SMTP_REPLY + 64);
    put_words(&c->reply, &b);
    if (c->reply.code / 100 == 4) code = ERR_BUSY;
    error_set(e, code, "%s; the server says: %.*s", what, STR_FMT(buf_str(&b)));
    buf_free(&b);
    return code;
}

/* ---- beginning ---- */

FIBER int smtp_client_banner(struct smtp_client *c, struct error *e)
{
    return smtp_client_reply(c, TIMEOUT_CLIENT_BANNER, e);
}

/* limits of RFC 9422 §3: "RCPTMAX=100 MAILMAX=20" */
static void read_limits(struct smtp_client *c, struct str parameters)
{
    for (struct str word; (word = str_word(&parameters)).n > 0;) {
        struct str name, value;
        uint64_t n;
        if (!str_cut(word, '=', &name, &value) || !str_to_u64(value, 999999, &n)) continue;
        if (str_ieq(name, S("RCPTMAX"))) c->rcpt_max = (int)n;
        if (str_ieq(name, S("MAILMAX"))) c->mail_max = (int)n;
    }
}

static void read_offers(struct smtp_client *c)
{
    static const struct {
        struct str keyword;
        enum smtp_offers offer;
    } known[] = {
        {S_INIT("PIPELINING"), SMTP_OFFERS_PIPELINING},
        {S_INIT("8BITMIME"), SMTP_OFFERS_8BITMIME},
        {S_INIT("SMTPUTF8"), SMTP_OFFERS_SMTPUTF8},
        {S_INIT("DSN"), SMTP_OFFERS_DSN},
        {S_INIT("STARTTLS"), SMTP_OFFERS_STARTTLS},
        {S_INIT("CHUNKING"), SMTP_OFFERS_CHUNKING},
        {S_INIT("REQUIRETLS"), SMTP_OFFERS_REQUIRETLS},
        {S_INIT("ENHANCEDSTATUSCODES"), SMTP_OFFERS_STATUS},
    };
    struct str parameters;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (smtp_reply_keyword(&c->reply, known[i].keyword, &parameters)) c->offers |= known[i].offer;
    if (smtp_reply_keyword(&c->reply, S("SIZE"), &parameters)) {
        c->offers |= SMTP_OFFERS_SIZE;
        if (!str_to_u64(parameters, INT64_MAX, &c->size_max)) c->size_max = 0;
    }
    if (smtp_reply_keyword(&c->reply, S("AUTH"), &parameters)) {
        c->offers |= SMTP_OFFERS_AUTH;
        c->mechanisms = arena_str(c->arena, parameters);
    }
    if (smtp_reply_keyword(&c->reply, S("LIMITS"), &parameters)) read_limits(c, parameters);
    if (c->tls) c->offers &= ~(unsigned)SMTP_OFFERS_STARTTLS;
}

static FIBER int greet(struct smtp_client *c, struct str verb, struct error *e)
{
    char line[LIMIT_DOMAIN + 8];
    struct buf b = BUF_OVER(line);
    c->offers = 0;
    c->size_max = 0;
    c->rcpt_max = c->mail_max = 0;
    c->mechanisms = STR_NONE;
    buf_add(&b, verb);
    buf_char(&b, ' ');
    buf_add(&b, c->helo);
    return smtp_client_say(c, buf_str(&b), TIMEOUT_CLIENT_COMMAND, e);
}

FIBER int smtp_client_hello(struct smtp_client *c, struct error *e)
{
    int error = greet(c, c->lmtp ? S("LHLO") : S("EHLO"), e);
    if (!error && c->reply.code == 250) read_offers(c);
    if (error || c->reply.code / 100 != 5 || c->lmtp || c->ehlo_only) return error;
    return greet(c, S("HELO"), e); /* RFC 5321 §3.2 */
}

FIBER int smtp_client_again(struct smtp_client *c, struct error *e)
{
    int error = greet(c, c->lmtp ? S("LHLO") : S("EHLO"), e);
    if (error) return error;
    if (c->reply.code == 250) {
        read_offers(c);
        return 0;
    }
    struct error words;
    smtp_client_refused(c, ERR_UNAVAILABLE, "the server does not take EHLO again", &words);
    return smtp_client_fail(c, ERR_UNAVAILABLE, e, "%s", words.text);
}

FIBER int smtp_client_starttls(struct smtp_client *c, struct tls_context *tls, struct str server_name, struct error *e)
{
    int error = smtp_client_say(c, S("STARTTLS"), TIMEOUT_CLIENT_COMMAND, e);
    if (error || c->reply.code != 220) return error;
    stream_deadline(c->io, loop_now() + TIMEOUT_TLS_HANDSHAKE);
    /* what was said in plain text behind the 220 is thrown away there (RFC 3207 §4.2) */
    if (stream_starttls_client(c->io, tls, server_name) != 0)
        return smtp_client_fail(c, ERR_TLS, e, "%s", stream_error_text(c->io));
    c->tls = true;
    error = smtp_client_again(c, e);
    if (error) return error;
    smtp_reply_clear(&c->reply);
    c->reply.code = 220;
    return 0;
}

/* ---- single commands ---- */

FIBER int smtp_client_command(struct smtp_client *c, struct str line, int64_t timeout_us, struct error *e)
{
    return smtp_client_say(c, line, timeout_us, e);
}

FIBER void smtp_client_quit(struct smtp_client *c)
{
    struct smtp_client_inside *in = inside(c);
    if (in->in_letter || in->begun) {
        stream_abort(c->io); /* nothing more may be said, it would be read as the letter's */
        c->io = NULL;
        return;
    }
    if (!stream_error(c->io)) {
        stream_deadline(c->io, loop_now() + TIMEOUT_CLIENT_QUIT);
        stream_write(c->io, S("QUIT\r\n"));
        in->why = (struct error){0}; /* who does not speak SMTP may understand this much */
        if (!in->ended) smtp_client_reply(c, TIMEOUT_CLIENT_QUIT, NULL);
    }
    stream_close(c->io);
    c->io = NULL;
}
