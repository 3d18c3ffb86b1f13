/* An IMAP server of others: URL (RFC 5092, of which the mailbox is all we know), TLS, log-in. */
#include "cmd/remote.h"

#include "base/codec.h"
#include "base/digest.h"
#include "cmd/host.h"
#include "cmd/password.h"
#include "io/connect.h"

enum { ENDPOINTS_MAX = 8 };

/* ---- the URL ---- */

static const struct str scheme_tls = S_INIT("imaps://"), scheme = S_INIT("imap://");

bool remote_is_url(const char *word)
{
    return str_istarts(str_c(word), scheme_tls) || str_istarts(str_c(word), scheme);
}

static int decode(struct arena *a, struct str text, struct str *out, struct error *e)
{
    struct buf *b = buf_in(a, text.n + 1);
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '%') {
            if (hex_decode(b, str_sub(text, i + 1, i + 3)) != 0 || i + 2 >= text.n)
                return error_set(e, ERR_SYNTAX, "\"%.*s\": behind %% stand two hexadecimal digits", STR_FMT(text));
            i += 2;
        } else {
            buf_char(b, c);
        }
    }
    *out = buf_str(b);
    return memchr(out->p, 0, out->n) ? error_set(e, ERR_SYNTAX, "an URL has no NUL") : 0;
}

/* host[:port], the host in brackets if it is an IPv6 address */
static int read_host(struct arena *a, struct str text, struct remote_url *out, struct error *e)
{
    struct str host = text, port = STR_NONE;
    size_t colon = str_rfind_char(text, ':');
    bool bracket = str_starts(text, S("["));
    if (colon < text.n && !(bracket && str_find_char(text, ']') > colon)) {
        host = str_head(text, colon);
        port = str_skip(text, colon + 1);
    }
    if (bracket && host.n > 2 && host.p[host.n - 1] == ']') host = str_sub(host, 1, host.n - 1);
    uint64_t number = out->tls ? 993 : 143;
    if (port.p && (!str_to_u64(port, 65535, &number) || number == 0))
        return error_set(e, ERR_SYNTAX, "\"%.*s\" is no port", STR_FMT(port));
    if (host.n == 0 || host.n > LIMIT_DOMAIN) return error_set(e, ERR_SYNTAX, "the URL names no host");
    char *lower = arena_cstr(a, host);
    for (size_t i = 0; i < host.n; i++) lower[i] = ch_lower(lower[i]);
    out->host = str_of(lower, host.n);
    out->port = (uint16_t)number;
    return 0;
}

int remote_url(struct arena *a, struct str text, struct remote_url *out, struct error *e)
{
    *out = (struct remote_url){.tls = str_istarts(text, scheme_tls)};
    struct str rest = str_skip(text, out->tls ? scheme_tls.n : scheme.n), authority, path, user;
    str_cut(rest, '/', &authority, &path);
    size_t at = str_rfind_char(authority, '@'); /* the user's name may have one too */
    if (at == authority.n || at == 0)
        return error_set(e, ERR_SYNTAX, "whose mailboxes? It looks like imaps://user@host");
    user = str_head(authority, at);
    if (str_find_char(user, ':') < user.n)
        return error_set(e, ERR_SYNTAX,
                         "no password in the URL, others can see it: --password-file, or type it "
                         "(a colon in the name is %%3A)");
    size_t end = str_ifind(user, S(";AUTH=")); /* RFC 5092 §3.2: we choose ourselves */
    int error = decode(a, str_head(user, end), &out->user, e);
    if (!error) error = read_host(a, str_skip(authority, at + 1), out, e);
    while (path.n && path.p[path.n - 1] == '/') path.n--;
    if (!error) error = decode(a, path, &out->mailbox, e);
    if (!error && str_ieq(out->mailbox, S("INBOX"))) out->mailbox = S("INBOX");
    return error;
}

/* ---- the command line ---- */

static int take_fingerprint(struct remote *r, struct error *e)
{
    struct str text = str_c(r->wishes.fingerprint);
    struct buf digits = BUF(512), *bytes = buf_in(r->program->arena, 256);
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] != ':' && !ch_space(text.p[i])) buf_char(&digits, text.p[i]);
    int error = digits.failed ? ERR_SYNTAX : hex_decode(bytes, buf_str(&digits));
    buf_free(&digits);
    r->fingerprint = buf_str(bytes);
    if (!error && r->fingerprint.n == SHA256_SIZE) return 0;
    return error_set(e, ERR_SYNTAX, "--fingerprint is a SHA-256 in hexadecimal, 64 digits");
}

int remote_begin(struct remote *r, struct program *p, const char *url, const struct remote_wishes *wishes)
{
    struct error e = {0};
    *r = (struct remote){.program = p, .wishes = *wishes, .fingerprint = STR_NONE, .password = BUF(LIMIT_PASSWORD + 3)};
    int error = remote_url(p->arena, str_c(url), &r->url, &e);
    if (!error && wishes->fingerprint) error = take_fingerprint(r, &e);
    if (!error && wishes->plaintext && r->url.tls)
        error = error_set(&e, ERR_SYNTAX, "--plaintext goes with imap://, not with imaps://");
    if (error) return program_usage(p, &e);
    struct str whose = arena_printf(p->arena, "%.*s at %.*s", STR_FMT(r->url.user), STR_FMT(r->url.host));
    return password_for(p, wishes->password_file, wishes->password_stdin, arena_cstr(p->arena, whose), &r->password);
}

void remote_end(struct remote *r)
{
    buf_wipe(&r->password);
    buf_free(&r->password);
}

/* ---- the way in ---- */

static int make_context(struct remote *r, struct world *w, struct error *e)
{
    bool verify = str_is_none(r->fingerprint);
    if (r->wishes.plaintext) return 0;
    int error = tls_client_new(w, verify ? TLS_VERIFY_NAME : TLS_VERIFY_NONE, &r->tls, e);
    return error || !verify || !r->wishes.ca ? error : tls_client_trust(r->tls, r->wishes.ca, e);
}

/* The certificate, where it is not the chain that is believed. */
static int judge(struct remote *r, struct stream *io, struct error *e)
{
    if (str_is_none(r->fingerprint)) return 0;
    struct str is = stream_peer_fingerprint(io, r->program->arena);
    if (str_eq(is, r->fingerprint)) return 0;
    struct buf hex = BUF(128);
    hex_put(&hex, is);
    error_set(e, ERR_TLS, "the certificate has another fingerprint: %.*s", STR_FMT(buf_str(&hex)));
    buf_free(&hex);
    return ERR_TLS;
}

static FIBER int shake_hands(struct remote *r, struct stream *io, struct error *e)
{
    stream_deadline(io, loop_now() + TIMEOUT_TLS_HANDSHAKE);
    if (stream_starttls_client(io, r->tls, r->url.host) != 0) return error_set(e, ERR_TLS, "%s", stream_error_text(io));
    return judge(r, io, e);
}

static FIBER int enter(struct remote *r, struct error *e)
{
    struct imap_client *c = r->client;
    bool preauth = false;
    int error = imap_client_greeting(c, &preauth, e);
    if (error) return error;
    if (!c->tls && !r->wishes.plaintext) {
        /* Who is logged in already cannot begin TLS (RFC 9051 §6.2.1): it could be anybody's greeting. */
        if (preauth) return error_set(e, ERR_TLS, "it begins without TLS and lets in whoever comes");
        error = imap_client_starttls(c, r->tls, r->url.host, e);
        if (!error) error = judge(r, c->io, e);
        if (error) return error;
    }
    return preauth ? 0 : imap_client_login(c, r->url.user, buf_str(&r->password), r->wishes.plaintext, e);
}

static FIBER int open_to(struct remote *r, struct world *w, struct error *e)
{
    struct endpoint to[ENDPOINTS_MAX];
    struct stream *io;
    size_t n, which;
    int error = host_find(r->program->arena, r->url.host, r->url.port, to, ENDPOINTS_MAX, &n, e);
    if (error) return error;
    error = make_context(r, w, e);
    if (error) return error;
    error = stream_connect_any(to, n, (struct ip){0}, loop_now() + TIMEOUT_CONNECT, &io, &which, e);
    if (error == ERR_IO) e->code = error = ERR_BUSY; /* nobody listens now */
    if (error) return error;
    if (r->url.tls) error = shake_hands(r, io, e);
    if (error) {
        stream_abort(io);
        return error;
    }
    r->client = arena_new_of(r->program->arena, struct imap_client);
    imap_client_init(r->client, w, r->program->arena, io);
    r->client->tls = r->url.tls;
    return enter(r, e);
}

FIBER int remote_open(struct remote *r, struct world *w, struct error *e)
{
    int error = open_to(r, w, e);
    if (error) error_prefix(e, "%.*s: ", STR_FMT(r->url.host));
    return error;
}

FIBER void remote_close(struct remote *r)
{
    if (r->client) imap_client_close(r->client);
    r->client = NULL;
    tls_unref(r->tls);
    r->tls = NULL;
}
