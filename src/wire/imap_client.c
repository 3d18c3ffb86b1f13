/* An IMAP client's session: responses (RFC 9051 §7) with their literals, commands with theirs (§4.3, RFC 7888),
 * greeting, STARTTLS, LOGOUT. Log-in is imap_client_auth.c's.
 *
 * Responses in which nothing can be found are passed over, for other people's servers say odd things; only where they
 * end must be clear. The one large thing in a response, a letter, is read into a buffer of its own, or dropped when it
 * is larger than the caller wants. */
#include <stdarg.h>
#include <stdio.h>

#include "proto/imap/framing.h"
#include "wire/imap_client_core.h"

static struct imap_client_inside *inside(const struct imap_client *c) { return c->inside; }

static void free_inside(void *arg)
{
    struct imap_client *c = arg;
    buf_free(&inside(c)->whole);
    buf_wipe(&inside(c)->line);
    buf_free(&inside(c)->line);
    buf_free(&c->body);
}

void imap_client_init(struct imap_client *c, struct world *w, struct arena *a, struct stream *io)
{
    struct imap_client_inside *in = arena_new_of(a, struct imap_client_inside);
    *in = (struct imap_client_inside){.arena = arena_new(a, 0),
                                      .whole = BUF(LIMIT_IMAP_RESPONSE + 64),
                                      .line = BUF(LIMIT_IMAP_COMMAND)};
    *c = (struct imap_client){.world = w, .arena = a, .io = io, .inside = in};
    arena_defer(a, free_inside, c);
}

/* ---- errors ---- */

int imap_client_fail(struct imap_client *c, int code, struct error *e, const char *fmt, ...)
{
    struct error *why = &inside(c)->why;
    char text[sizeof why->text];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (!why->code) error_set(why, code, "%s", text);
    return error_set(e, code, "%s", text);
}

int imap_client_sticky(const struct imap_client *c, struct error *e)
{
    const struct error *why = &inside(c)->why;
    return why->code ? error_set(e, why->code, "%s", why->text) : 0;
}

bool imap_client_broken(const struct imap_client *c) { return inside(c)->why.code != 0; }

static int broken(struct imap_client *c, int code, struct error *e)
{
    const char *bye = inside(c)->bye;
    if (code == ERR_TLS) return imap_client_fail(c, code, e, "%s", stream_error_text(c->io));
    if (code == ERR_EOF || code == ERR_IO)
        return imap_client_fail(c, ERR_EOF, e, bye[0] ? "the server has hung up: %s" : "the server has hung up", bye);
    return imap_client_fail(c, code, e, "the server went silent: %s", err_name(code));
}

int imap_client_refused(const struct imap_client *c, int code, const char *what, struct error *e)
{
    static const struct str passing[] = {S_INIT("UNAVAILABLE"), S_INIT("INUSE"), S_INIT("LIMIT")}; /* RFC 5530 */
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
        if (str_ieq(c->said.code, passing[i])) code = ERR_BUSY;
    return error_set(e, code, "%s; the server says: %.*s", what, STR_FMT(str_head(c->said.text, 150)));
}

/* ---- responses ---- */

/* A line without its end, added to what was read of the response; all of it has at most LIMIT_IMAP_RESPONSE. */
static FIBER int read_line(struct imap_client *c)
{
    struct buf *whole = &inside(c)->whole;
    for (;;) {
        struct str bytes;
        int error = stream_peek(c->io, &bytes);
        if (error) return error;
        size_t n = str_find_char(bytes, '\n');
        bool ends = n < bytes.n;
        if (whole->n + n > LIMIT_IMAP_RESPONSE) return ERR_TOO_LONG;
        buf_add(whole, str_head(bytes, n));
        stream_take(c->io, n + ends);
        if (!ends) continue;
        if (whole->n && whole->p[whole->n - 1] == '\r') whole->n--;
        return 0;
    }
}

static FIBER int read_bytes(struct imap_client *c, uint64_t n, struct buf *out)
{
    while (n) {
        struct str bytes;
        stream_deadline(c->io, loop_now() + TIMEOUT_CLIENT_COMMAND);
        int error = stream_peek(c->io, &bytes);
        if (error) return error;
        bytes = str_head(bytes, n < bytes.n ? (size_t)n : bytes.n);
        if (out) buf_add(out, bytes);
        stream_take(c->io, bytes.n);
        n -= bytes.n;
    }
    return 0;
}

/* Is the literal in whose head the response ends the letter itself? */
static bool is_body(struct str so_far)
{
    size_t head = str_rfind_char(so_far, '{');
    struct str before = str_head(so_far, head < so_far.n ? head : 0);
    static const struct str name = S_INIT(" BODY[] "), first = S_INIT("(BODY[] ");
    if (before.n < name.n) return false;
    struct str last = str_skip(before, before.n - name.n);
    return str_ieq(last, name) || str_ieq(last, first);
}

static FIBER int read_body(struct imap_client *c, uint64_t size)
{
    struct buf *whole = &inside(c)->whole;
    whole->n = str_rfind_char(buf_str(whole), '{');
    buf_lit(whole, "{0}\r\n");
    c->has_body = true;
    c->body_size = size;
    c->body.max = (size_t)c->body_max;
    return read_bytes(c, size, size <= c->body_max ? &c->body : NULL);
}

static FIBER int read_literal(struct imap_client *c, const struct imap_literal *l)
{
    struct buf *whole = &inside(c)->whole;
    if (l->size > LIMIT_IMAP_DROPPED && l->size > c->body_max) return ERR_TOO_LONG;
    if (!c->has_body && is_body(buf_str(whole))) return read_body(c, l->size);
    if (l->size > LIMIT_IMAP_RESPONSE || whole->n + l->size > LIMIT_IMAP_RESPONSE) return ERR_TOO_LONG;
    buf_lit(whole, "\r\n");
    return read_bytes(c, l->size, whole);
}

static FIBER int read_response(struct imap_client *c)
{
    struct imap_client_inside *in = inside(c);
    struct imap_literal l = {0};
    arena_reset(in->arena);
    buf_clear(&in->whole);
    buf_clear(&c->body);
    c->has_body = false;
    c->body_size = 0;
    bool more = true;
    int error = 0;
    while (more && !error) {
        stream_deadline(c->io, loop_now() + TIMEOUT_CLIENT_COMMAND);
        error = read_line(c);
        more = !error && imap_response_literal(buf_str(&in->whole), &l);
        if (more) error = read_literal(c, &l);
    }
    return error;
}

FIBER int imap_client_next(struct imap_client *c, struct error *e)
{
    struct imap_client_inside *in = inside(c);
    int error = imap_client_sticky(c, e);
    if (error) return error;
    error = read_response(c);
    struct str whole = buf_str(&in->whole);
    if (error == ERR_TOO_LONG) return imap_client_fail(c, error, e, "the server's response does not end");
    if (error) return broken(c, error, e);
    fiber_yield_if_long();
    if (imap_response_parse(in->arena, whole, &c->said) == 0) {
        if (c->said.kind == IMAP_UNTAGGED && c->said.is_condition && c->said.condition == IMAP_BYE)
            snprintf(in->bye, sizeof in->bye, "%.*s", STR_FMT(str_head(c->said.text, sizeof in->bye - 1)));
        return 0;
    }
    if (str_starts(whole, S("* "))) { /* odd, but where it ends is clear */
        c->said = (struct imap_response){.kind = IMAP_UNTAGGED, .name = S("")};
        return 0;
    }
    return imap_client_fail(c, ERR_SYNTAX, e, "what the server says is no IMAP: %.*s", STR_FMT(str_head(whole, 80)));
}

/* Passes an untagged response on. */
static FIBER int hear(struct imap_client *c, struct error *e)
{
    struct imap_client_inside *in = inside(c);
    imap_client_capabilities(c);
    bool asked = c->heard && c->heard(c->arg, c);
    in->unasked = asked ? 0 : in->unasked + 1;
    if (in->unasked <= LIMIT_IMAP_UNASKED) return 0;
    return imap_client_fail(c, ERR_SYNTAX, e, "the server talks without end of what it was not asked for");
}

static bool is_tag(struct str tag, unsigned number)
{
    char text[16];
    struct buf b = BUF_OVER(text);
    buf_printf(&b, "p%u", number);
    return str_eq(tag, buf_str(&b));
}

FIBER int imap_client_until(struct imap_client *c, unsigned tag, struct error *e)
{
    for (;;) {
        int error = imap_client_next(c, e);
        if (error) return error;
        if (c->said.kind == IMAP_CONTINUATION) return 0;
        if (c->said.kind == IMAP_UNTAGGED) {
            error = hear(c, e);
            if (error) return error;
            continue;
        }
        if (!is_tag(c->said.tag, tag))
            return imap_client_fail(c, ERR_SYNTAX, e,
                                    "the server answers a command that was not given, or out of turn");
        inside(c)->unasked = 0;
        imap_client_capabilities(c);
        return 1;
    }
}

FIBER int imap_client_wait(struct imap_client *c, unsigned tag, struct error *e)
{
    for (int idle = 0; idle < 100; idle++) { /* a continuation nobody asked for is of no use, but no harm */
        int r = imap_client_until(c, tag, e);
        if (r) return r < 0 ? r : 0;
    }
    return imap_client_fail(c, ERR_SYNTAX, e, "the server waits for something that nobody will say");
}

/* ---- commands ---- */

struct buf *imap_client_begin(struct imap_client *c)
{
    struct imap_client_inside *in = inside(c);
    buf_clear(&in->line);
    buf_printf(&in->line, "p%u ", ++in->tag);
    return &in->line;
}

struct buf *imap_client_line(struct imap_client *c) { return &inside(c)->line; }

static FIBER int write_line(struct imap_client *c, struct error *e)
{
    struct imap_client_inside *in = inside(c);
    int error = imap_client_sticky(c, e);
    if (error) return error;
    if (in->line.failed) return imap_client_fail(c, ERR_TOO_LONG, e, "the command is too long");
    return imap_client_bytes(c, buf_str(&in->line), e);
}

FIBER int imap_client_bytes(struct imap_client *c, struct str bytes, struct error *e)
{
    int error = imap_client_sticky(c, e);
    if (error) return error;
    stream_deadline(c->io, loop_now() + TIMEOUT_CLIENT_COMMAND);
    error = stream_write(c->io, bytes);
    return error ? broken(c, error, e) : 0;
}

FIBER int imap_client_literal(struct imap_client *c, uint64_t size, bool binary, struct error *e)
{
    struct imap_client_inside *in = inside(c);
    bool at_once = c->offers & IMAP_OFFERS_LITERAL_PLUS || (c->offers & IMAP_OFFERS_LITERAL_MINUS && size <= 4096);
    buf_add(&in->line, binary ? S("~{") : S("{"));
    buf_u64(&in->line, size);
    buf_add(&in->line, at_once ? S("+}\r\n") : S("}\r\n"));
    int error = write_line(c, e);
    buf_clear(&in->line);
    if (error || at_once) return error;
    return imap_client_until(c, in->tag, e);
}

static bool can_be_quoted(const struct imap_client *c, struct str s)
{
    if (s.n > LIMIT_IMAP_QUOTED || memchr(s.p ? s.p : "", 0, s.n)) return false;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char ch = (unsigned char)s.p[i];
        if (ch < ' ' || ch == 0x7f || (ch > 0x7f && !c->utf8)) return false;
    }
    return true;
}

FIBER int imap_client_string(struct imap_client *c, struct str s, struct error *e)
{
    if (!can_be_quoted(c, s)) {
        int r = imap_client_literal(c, s.n, false, e);
        return r ? r : imap_client_bytes(c, s, e);
    }
    struct buf *b = &inside(c)->line;
    buf_char(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\') buf_char(b, '\\');
        buf_char(b, s.p[i]);
    }
    buf_char(b, '"');
    return 0;
}

FIBER int imap_client_end(struct imap_client *c, unsigned *tag, struct error *e)
{
    struct imap_client_inside *in = inside(c);
    buf_lit(&in->line, "\r\n");
    *tag = in->tag;
    return write_line(c, e);
}

FIBER int imap_client_finish(struct imap_client *c, int code, const char *what, struct error *e)
{
    unsigned tag;
    int error = imap_client_end(c, &tag, e);
    if (!error) error = imap_client_wait(c, tag, e);
    if (error || c->said.condition == IMAP_OK) return error;
    return imap_client_refused(c, code, what, e);
}

FIBER int imap_client_ask(struct imap_client *c, struct str command, int code, const char *what, struct error *e)
{
    buf_add(imap_client_begin(c), command);
    return imap_client_finish(c, code, what, e);
}

/* ---- beginning and end ---- */

FIBER int imap_client_greeting(struct imap_client *c, bool *preauth, struct error *e)
{
    int error = imap_client_next(c, e);
    if (error) return error;
    const struct imap_response *r = &c->said;
    if (r->kind != IMAP_UNTAGGED || !r->is_condition || r->condition == IMAP_NO || r->condition == IMAP_BAD)
        return imap_client_fail(c, ERR_SYNTAX, e, "what answers there is no IMAP server");
    if (r->condition == IMAP_BYE)
        return imap_client_fail(c, ERR_UNAVAILABLE, e, "no service; the server says: %s", inside(c)->bye);
    *preauth = r->condition == IMAP_PREAUTH;
    return imap_client_capabilities(c) ? 0 : imap_client_ask_offers(c, e);
}

FIBER int imap_client_starttls(struct imap_client *c, struct tls_context *tls, struct str server_name, struct error *e)
{
    if (!(c->offers & IMAP_OFFERS_STARTTLS)) return error_set(e, ERR_TLS, "the server offers no STARTTLS");
    int error = imap_client_ask(c, S("STARTTLS"), ERR_TLS, "no TLS", e);
    if (error) return error;
    stream_deadline(c->io, loop_now() + TIMEOUT_TLS_HANDSHAKE);
    /* what was said in plain text behind the OK is thrown away there */
    if (stream_starttls_client(c->io, tls, server_name) != 0)
        return imap_client_fail(c, ERR_TLS, e, "%s", stream_error_text(c->io));
    c->tls = true;
    return imap_client_ask_offers(c, e);
}

FIBER void imap_client_close(struct imap_client *c)
{
    if (!stream_error(c->io) && !inside(c)->why.code) {
        unsigned tag;
        buf_lit(imap_client_begin(c), "LOGOUT");
        if (imap_client_end(c, &tag, NULL) == 0) {
            stream_deadline(c->io, loop_now() + TIMEOUT_CLIENT_QUIT);
            stream_flush(c->io);
        }
    }
    stream_deadline(c->io, loop_now() + TIMEOUT_CLIENT_QUIT);
    stream_close(c->io);
    c->io = NULL;
}
