/* Logging in to a submission server (RFC 4954): SCRAM-SHA-256 (RFC 7677) where it is offered, which gives nobody the
 * password; else PLAIN (RFC 4616) or LOGIN, over TLS. */
#include "base/codec.h"
#include "mail/limits.h"
#include "mail/unicode.h"
#include "mua/send_core.h"
#include "proto/sasl/plain.h"
#include "proto/sasl/scram_client.h"

#define TIMEOUT_AUTH MINUTES(5)

static bool offers(struct str mechanisms, struct str name)
{
    for (struct str rest = mechanisms, word; (word = str_word(&rest)).n > 0;)
        if (str_ieq(word, name)) return true;
    return false;
}

/* Sends `before` and a message in base64, in wiped memory; reads the reply. */
static FIBER int say(struct mua_session *s, struct str before, struct str message, struct error *e)
{
    struct buf line = BUF(LIMIT_SMTP_AUTH_LINE);
    buf_reserve(&line, LIMIT_SMTP_AUTH_LINE);
    buf_add(&line, before);
    if (message.n) base64_put(&line, message);
    else if (before.n) buf_char(&line, '='); /* RFC 4954 §4: an empty initial response */
    int error = line.failed ? error_set(e, ERR_TOO_LONG, "name or password is too long")
                            : mua_command(s, buf_str(&line), TIMEOUT_AUTH, e);
    buf_wipe(&line);
    buf_free(&line);
    return error;
}

static int challenge_of(struct mua_session *s, struct str *out, struct error *e)
{
    struct buf *b = buf_in(s->arena, LIMIT_SASL_MESSAGE);
    if (base64_decode(b, str_trim(buf_str(&s->reply.text))) != 0)
        return error_set(e, ERR_SYNTAX, "the server's challenge is no base64");
    *out = buf_str(b);
    return 0;
}

static int denied(struct mua_session *s, struct error *e)
{
    return mua_refused(s, ERR_DENIED, "the log-in is refused", e);
}

static FIBER int log_in_scram(struct mua_session *s, struct error *e)
{
    unsigned char random[18];
    char nonce[32];
    struct buf n = BUF_OVER(nonce);
    struct scram_client c;
    struct str password, challenge, final;
    world_random(s->world, random, sizeof random);
    base64_put(&n, str_of(random, sizeof random));
    if (password_prepare(s->arena, s->server->password, &password) != 0)
        return error_set(e, ERR_SYNTAX, "the password is empty, too long, or no UTF-8 text");
    int error = say(s, S("AUTH SCRAM-SHA-256 "), scram_client_first(s->arena, &c, s->server->user, buf_str(&n)), e);
    if (error || s->reply.code != 334) return error ? error : denied(s, e);
    error = challenge_of(s, &challenge, e);
    if (!error && scram_client_final(s->arena, &c, password, challenge, &final) != 0)
        error = error_set(e, ERR_SYNTAX, "the server's SCRAM is not right");
    if (!error) error = say(s, STR_NONE, final, e);
    if (error || s->reply.code != 334) return error ? error : denied(s, e);
    error = challenge_of(s, &challenge, e);
    if (!error && scram_client_verify(&c, challenge) != 0)
        error = error_set(e, ERR_DENIED, "the server does not know the password itself: it is not who it says");
    if (!error) error = say(s, STR_NONE, STR_NONE, e);
    return error || s->reply.code == 235 ? error : denied(s, e);
}

static FIBER int log_in_plain(struct mua_session *s, struct error *e)
{
    struct buf message = BUF(LIMIT_SASL_MESSAGE);
    buf_reserve(&message, LIMIT_SASL_MESSAGE);
    sasl_plain_put(&message, &(struct sasl_plain){.authcid = s->server->user, .password = s->server->password});
    int error = say(s, S("AUTH PLAIN "), buf_str(&message), e);
    buf_wipe(&message);
    buf_free(&message);
    return error || s->reply.code == 235 ? error : denied(s, e);
}

static FIBER int log_in_login(struct mua_session *s, struct error *e)
{
    int error = mua_command(s, S("AUTH LOGIN"), TIMEOUT_AUTH, e);
    if (!error && s->reply.code == 334) error = say(s, STR_NONE, s->server->user, e);
    if (!error && s->reply.code == 334) error = say(s, STR_NONE, s->server->password, e);
    return error || s->reply.code == 235 ? error : denied(s, e);
}

FIBER int mua_log_in(struct mua_session *s, struct error *e)
{
    struct str mechanisms = STR_NONE;
    bool bare = s->tls || s->server->bare_passwords;
    if (!smtp_reply_keyword(&s->reply, S("AUTH"), &mechanisms))
        return error_set(e, ERR_UNSUPPORTED, "the server offers no log-in%s", s->tls ? "" : " (it may want TLS first)");
    mechanisms = arena_str(s->arena, mechanisms);
    if (offers(mechanisms, S("SCRAM-SHA-256"))) return log_in_scram(s, e);
    if (bare && offers(mechanisms, S("PLAIN"))) return log_in_plain(s, e);
    if (bare && offers(mechanisms, S("LOGIN"))) return log_in_login(s, e);
    return error_set(e, ERR_UNSUPPORTED,
                     bare ? "the server knows no way to log in that we know (%.*s)"
                          : "without TLS the password would be seen on the way, and the server offers only %.*s",
                     STR_FMT(str_head(mechanisms, 100)));
}
