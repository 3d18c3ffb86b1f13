/* Logging in to a server (RFC 4954): SCRAM-SHA-256 (RFC 7677) where it is offered, which gives nobody the password;
 * else PLAIN (RFC 4616) or LOGIN, over TLS. A dialogue that cannot go on is called off, so that the session can. */
#include "base/codec.h"
#include "mail/unicode.h"
#include "proto/sasl/plain.h"
#include "wire/scram_prove.h"
#include "wire/smtp_client_core.h"

struct login {
    struct smtp_client *c;
    struct str user, password;
};

static bool knows(struct str mechanisms, struct str name)
{
    for (struct str word; (word = str_word(&mechanisms)).n > 0;)
        if (str_ieq(word, name)) return true;
    return false;
}

/* Says `before` and a message in base64, in wiped memory; reads the reply. */
static FIBER int say(struct smtp_client *c, struct str before, struct str message, struct error *e)
{
    struct buf line = BUF(LIMIT_SMTP_AUTH_LINE);
    buf_reserve(&line, LIMIT_SMTP_AUTH_LINE);
    buf_add(&line, before);
    if (message.n) base64_put(&line, message);
    else if (before.n) buf_char(&line, '='); /* RFC 4954 §4: an empty initial response */
    int error = line.failed ? error_set(e, ERR_TOO_LONG, "name or password is too long")
                            : smtp_client_say(c, buf_str(&line), TIMEOUT_CLIENT_COMMAND, e);
    buf_wipe(&line);
    buf_free(&line);
    return error;
}

static int challenge_of(struct smtp_client *c, struct str *out, struct error *e)
{
    struct buf *b = buf_in(c->arena, LIMIT_SASL_MESSAGE);
    if (base64_decode(b, str_trim(buf_str(&c->reply.text))) != 0)
        return error_set(e, ERR_SYNTAX, "the server's challenge is no base64");
    *out = buf_str(b);
    return 0;
}

static int denied(struct smtp_client *c, struct error *e)
{
    return smtp_client_refused(c, ERR_DENIED, "the log-in is refused", e);
}

static FIBER int final_of(struct smtp_client *c, struct scram_client *s, struct str password, struct str challenge,
                          struct str *final, struct error *e)
{
    return scram_prove(c->arena, s, password, challenge, final)
               ? error_set(e, ERR_SYNTAX, "the server's SCRAM is not right")
               : 0;
}

static FIBER int scram(struct login *l, struct error *e)
{
    struct smtp_client *c = l->c;
    unsigned char random[18];
    char nonce[32];
    struct buf n = BUF_OVER(nonce);
    struct scram_client s;
    struct str password, challenge, final = STR_NONE;
    world_random(c->world, random, sizeof random);
    base64_put(&n, str_of(random, sizeof random));
    if (password_prepare(c->arena, l->password, &password) != 0)
        return error_set(e, ERR_SYNTAX, "the password is empty, too long, or no UTF-8 text");
    int error = say(c, S("AUTH SCRAM-SHA-256 "), scram_client_first(c->arena, &s, l->user, buf_str(&n)), e);
    if (error || c->reply.code != 334) return error ? error : denied(c, e);
    error = challenge_of(c, &challenge, e);
    if (!error) error = final_of(c, &s, password, challenge, &final, e);
    if (!error) error = say(c, STR_NONE, final, e);
    if (error || c->reply.code != 334) return error ? error : denied(c, e);
    error = challenge_of(c, &challenge, e);
    if (!error && scram_client_verify(&s, challenge) != 0)
        error = error_set(e, ERR_DENIED, "the server does not know the password itself: it is not who it says");
    if (!error) error = say(c, STR_NONE, STR_NONE, e);
    return error || c->reply.code == 235 ? error : denied(c, e);
}

static FIBER int plain(struct login *l, struct error *e)
{
    struct buf message = BUF(LIMIT_SASL_MESSAGE);
    buf_reserve(&message, LIMIT_SASL_MESSAGE);
    sasl_plain_put(&message, &(struct sasl_plain){.authcid = l->user, .password = l->password});
    int error = message.failed ? error_set(e, ERR_TOO_LONG, "name or password is too long")
                               : say(l->c, S("AUTH PLAIN "), buf_str(&message), e);
    buf_wipe(&message);
    buf_free(&message);
    return error || l->c->reply.code == 235 ? error : denied(l->c, e);
}

/* No RFC has it, many servers have nothing else. */
static FIBER int login(struct login *l, struct error *e)
{
    struct smtp_client *c = l->c;
    int error = smtp_client_say(c, S("AUTH LOGIN"), TIMEOUT_CLIENT_COMMAND, e);
    if (!error && c->reply.code == 334) error = say(c, STR_NONE, l->user, e);
    if (!error && c->reply.code == 334) error = say(c, STR_NONE, l->password, e);
    return error || c->reply.code == 235 ? error : denied(c, e);
}

/* The server waits for a response that will not come (RFC 4954 §4). */
static FIBER int call_off(struct smtp_client *c, struct error *e)
{
    int error = smtp_client_say(c, S("*"), TIMEOUT_CLIENT_COMMAND, e);
    if (error || c->reply.code / 100 > 3) return error;
    return smtp_client_fail(c, ERR_SYNTAX, e, "the server answers %d when a log-in is called off", c->reply.code);
}

FIBER int smtp_client_auth(struct smtp_client *c, struct str user, struct str password, bool bare, struct error *e)
{
    struct login l = {c, user, password};
    int error = smtp_client_sticky(c, e);
    bare |= c->tls;
    if (error) return error;
    if (!(c->offers & SMTP_OFFERS_AUTH))
        return error_set(e, ERR_UNSUPPORTED, "the server offers no log-in%s", c->tls ? "" : " (it may want TLS first)");
    if (user.n == 0 || password.n == 0) return error_set(e, ERR_SYNTAX, "a log-in has a name and a password");
    if (knows(c->mechanisms, S("SCRAM-SHA-256"))) error = scram(&l, e);
    else if (bare && knows(c->mechanisms, S("PLAIN"))) error = plain(&l, e);
    else if (bare && knows(c->mechanisms, S("LOGIN"))) error = login(&l, e);
    else
        return error_set(e, ERR_UNSUPPORTED,
                         bare ? "the server knows no way to log in that we know (%.*s)"
                              : "without TLS the password would be seen on the way, and the server offers only %.*s",
                         STR_FMT(str_head(c->mechanisms, 100)));
    if (!error) return smtp_client_again(c, e);
    if (c->reply.code != 334) return error; /* which a sticky error has no more */
    int off = call_off(c, NULL);
    return off ? smtp_client_sticky(c, e) : error;
}
