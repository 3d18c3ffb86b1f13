/* penny send: a letter from the command line through any submission server, by default our own. */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>

#include "cmd/commands.h"
#include "cmd/host.h"
#include "cmd/password.h"
#include "cmd/send_letter.h"
#include "io/process.h"
#include "mail/limits.h"
#include "mua/send.h"
#include "proto/json/write.h"

enum { ENDPOINTS_MAX = 8 };

struct sending {
    struct program *program;
    struct letter letter;
    struct str host; /* of --server, or of our own listener */
    uint16_t port;
    struct mua_server server;
    struct endpoint endpoints[ENDPOINTS_MAX];
    bool insecure;
    struct str own_certificate; /* PEM of our own server, when it is ours and can be read */

    struct mua_report report;
    struct error error;
    int result;
};

/* ---- where to ---- */

static int find_own_server(struct sending *s, struct config *c)
{
    static const enum service_kind best_first[] = {SERVICE_SUBMISSIONS, SERVICE_SUBMISSION};
    int code = program_config(s->program, c);
    if (code) return code;
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < c->n_ports; i++) {
            const struct config_port *port = &c->ports[i];
            if (port->kind != best_first[k] || port->proxies.n) continue;
            s->port = port->address.port;
            s->server.tls = k == 0 ? MUA_TLS_IMPLICIT : MUA_TLS_STARTTLS;
            char room[64];
            struct buf ip = BUF_OVER(room);
            ip_put(&ip, port->address.ip);
            s->host = port->address.ip.family ? arena_str(s->program->arena, buf_str(&ip)) : S("127.0.0.1");
            s->server.helo = s->server.name = c->hostname_key;
            return 0;
        }
    return program_fail(s->program, EX_CONFIG, "%.*s has no submission server; --server names another",
                        STR_FMT(c->file));
}

static int take_server(struct sending *s, const char *server, const char *tls)
{
    static const char *const ways[] =
        {[MUA_TLS_IMPLICIT] = "implicit", [MUA_TLS_STARTTLS] = "starttls", [MUA_TLS_NONE] = "none"};
    struct str text = str_c(server);
    if (endpoint_split(text, &s->host, &s->port) != 0) { /* without a port */
        s->host = text;
        s->port = 465;
    }
    s->server.name = s->host;
    s->server.helo = S("[127.0.0.1]");
    s->server.tls = s->port == 465 ? MUA_TLS_IMPLICIT : MUA_TLS_STARTTLS;
    for (int i = 0; tls && i < 3; i++) {
        if (strcmp(tls, ways[i]) == 0) {
            s->server.tls = (enum mua_tls)i;
            return 0;
        }
    }
    return tls ? program_usage(s->program, &(struct error){.text = "--tls is implicit, starttls or none"}) : 0;
}

/* ---- whom to believe ---- */

/* Is it the certificate of our own server's file? `end_point` is its hash, by one of the hashes certificates are signed
 * with. */
static bool is_own_certificate(void *arg, struct str end_point)
{
    const struct sending *s = arg;
    const EVP_MD *md = end_point.n == 32 ? EVP_sha256() : end_point.n == 48 ? EVP_sha384() : EVP_sha512();
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    BIO *pem = BIO_new_mem_buf(s->own_certificate.p, (int)s->own_certificate.n);
    X509 *x = pem ? PEM_read_bio_X509(pem, NULL, NULL, NULL) : NULL;
    bool same = x && X509_digest(x, md, hash, &n) == 1 && str_eq(str_of(hash, n), end_point);
    X509_free(x);
    BIO_free(pem);
    return same;
}

static bool is_loopback(const struct sending *s)
{
    for (size_t i = 0; i < s->server.n_endpoints; i++)
        if (!ip_is_loopback(s->endpoints[i].ip)) return false;
    return true;
}

static FIBER int choose_trust(struct sending *s, struct world *w)
{
    bool local = is_loopback(s);
    s->server.bare_passwords = local || s->insecure;
    if (s->server.tls == MUA_TLS_NONE) return 0;
    bool verify = !s->insecure && !local && !s->own_certificate.n;
    if (!s->insecure && s->own_certificate.n) {
        s->server.accept = is_own_certificate;
        s->server.arg = s;
    }
    return tls_client_new(w, verify ? TLS_VERIFY_NAME : TLS_VERIFY_NONE, &s->server.context, &s->error);
}

/* ---- doing it ---- */

static FIBER void send_in_fiber(struct world *w, void *arg)
{
    struct sending *s = arg;
    const struct mua_letter letter = {
        .from = s->letter.from, .to = s->letter.to, .n_to = s->letter.n_to, .bytes = buf_str(s->letter.bytes)};
    s->server.endpoints = s->endpoints;
    s->result =
        host_find(s->program->arena, s->host, s->port, s->endpoints, ENDPOINTS_MAX, &s->server.n_endpoints, &s->error);
    if (!s->result) s->result = choose_trust(s, w);
    if (!s->result) s->result = mua_send(w, s->program->arena, &s->server, &letter, &s->report, &s->error);
    tls_unref(s->server.context);
}

static int exit_code(int result) /* what sendmail's callers know */
{
    switch (result) {
    case ERR_NOT_FOUND: return EX_NOUSER;
    case ERR_IO: /* no connection, or it broke: later it may go */
    case ERR_EOF: return EX_TEMPFAIL;
    case ERR_TOO_LONG: return EX_UNAVAILABLE;
    case ERR_SYNTAX: return EX_PROTOCOL;
    default: return program_exit_code(result);
    }
}

static int report(struct sending *s)
{
    struct program *p = s->program;
    if (s->result)
        return program_fail(p, exit_code(s->result), "%s", s->error.text[0] ? s->error.text : err_name(s->result));
    if (p->json) {
        struct buf b = BUF(64 << 10);
        struct json j = JSON(&b);
        json_put_object(&j, NULL);
        json_put_int(&j, "recipients", (int64_t)s->report.recipients);
        json_put_int(&j, "code", s->report.code);
        json_put_str(&j, "words", s->report.words);
        json_put_end(&j, '}');
        printf("%.*s\n", STR_FMT(buf_str(&b)));
        buf_free(&b);
    } else {
        printf("sent to %zu recipient%s: %.*s\n", s->report.recipients, s->report.recipients == 1 ? "" : "s",
               STR_FMT(s->report.words));
    }
    return EX_OK;
}

struct wishes { /* the command line, but for the letter */
    const char *server, *tls, *user, *password_file;
    bool password_stdin, print;
};

static int take_password(struct sending *s, const struct wishes *w, struct buf *password)
{
    struct program *p = s->program;
    int code = w->user || w->password_file || w->password_stdin
                   ? password_for(p, w->password_file, w->password_stdin, w->user, password)
                   : 0;
    if (code) return code;
    s->server.password = buf_str(password);
    return 0;
}

static int take_own_certificate(struct sending *s, const struct config *c)
{
    struct buf *pem = buf_in(s->program->arena, (1 << 20) + 1);
    if (c->tls.certificate.n &&
        process_read(arena_cstr(s->program->arena, c->tls.certificate), 1 << 20, pem, NULL) == 0)
        s->own_certificate = buf_str(pem);
    return 0;
}

static int send_letter(struct sending *s, const struct wishes *w, const struct letter_wishes *letter,
                       struct buf *password)
{
    struct config own;
    int code = 0;
    if (w->server) code = take_server(s, w->server, w->tls);
    else if (!w->print) code = find_own_server(s, &own);
    if (!code && !w->server && !w->print) code = take_own_certificate(s, &own);
    if (!code) code = take_password(s, w, password);
    if (!code) code = letter_write(s->program, letter, &s->letter);
    if (code) return code;
    if (w->print) {
        fwrite(s->letter.bytes->p, 1, s->letter.bytes->n, stdout);
        return EX_OK;
    }
    if (s->server.password.n)
        s->server.user = w->user ? str_c(w->user) : address_str(s->program->arena, s->letter.from);
    program_run(send_in_fiber, NULL, s);
    return report(s);
}

int command_send(struct program *p, int argc, char **argv)
{
    struct wishes w = {0};
    struct letter_wishes letter = {0};
    struct words words;
    struct sending s = {.program = p};
    const struct arg options[] = {
        {"--from", 0, ARG_TEXT, &letter.from},
        {"--to", 0, ARG_TEXTS, &letter.to},
        {"--cc", 0, ARG_TEXTS, &letter.cc},
        {"--bcc", 0, ARG_TEXTS, &letter.bcc},
        {"--subject", 0, ARG_TEXT, &letter.subject},
        {"--attach", 0, ARG_TEXTS, &letter.attach},
        {"--html", 0, ARG_TEXT, &letter.html},
        {"--charset", 0, ARG_TEXT, &letter.charset},
        {"--header", 0, ARG_TEXTS, &letter.header},
        {"--server", 0, ARG_TEXT, &w.server},
        {"--tls", 0, ARG_TEXT, &w.tls},
        {"--user", 0, ARG_TEXT, &w.user},
        {"--password-stdin", 0, ARG_FLAG, &w.password_stdin},
        {"--password-file", 0, ARG_TEXT, &w.password_file},
        {"--insecure", 0, ARG_FLAG, &s.insecure},
        {"--print", 0, ARG_FLAG, &w.print},
        {0},
    };
    int code = program_words(p, argc, argv, options, 0, 0, &words);
    if (code) return code;
    if (!letter.from) return program_usage(p, &(struct error){.text = "a letter needs a sender (--from)"});
    struct buf password = BUF(LIMIT_PASSWORD + 3);
    buf_reserve(&password, LIMIT_PASSWORD + 3); /* it never grows: no copies are left behind */
    code = send_letter(&s, &w, &letter, &password);
    buf_wipe(&password);
    buf_free(&password);
    return code;
}
