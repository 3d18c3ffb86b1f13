/* What an IMAP server offers, and logging in to it (RFC 9051 §6.2): SCRAM-SHA-256 (RFC 7677) where it is offered, which
 * gives nobody the password; else PLAIN (RFC 4616) or the LOGIN command, over TLS. */
#include "base/codec.h"
#include "mail/unicode.h"
#include "proto/sasl/plain.h"
#include "wire/imap_client_core.h"
#include "wire/scram_prove.h"

/* ---- capabilities ---- */

static const struct {
    struct str word;
    unsigned offers;
} known[] = {
    {S_INIT("STARTTLS"), IMAP_OFFERS_STARTTLS},
    {S_INIT("LOGINDISABLED"), IMAP_OFFERS_LOGINDISABLED},
    {S_INIT("AUTH=SCRAM-SHA-256"), IMAP_OFFERS_SCRAM},
    {S_INIT("AUTH=PLAIN"), IMAP_OFFERS_PLAIN},
    {S_INIT("SASL-IR"), IMAP_OFFERS_SASL_IR},
    {S_INIT("LITERAL+"), IMAP_OFFERS_LITERAL_PLUS},
    {S_INIT("LITERAL-"), IMAP_OFFERS_LITERAL_MINUS},
    {S_INIT("ENABLE"), IMAP_OFFERS_ENABLE},
    {S_INIT("UTF8=ACCEPT"), IMAP_OFFERS_UTF8},
    {S_INIT("UTF8=ONLY"), IMAP_OFFERS_UTF8},
    {S_INIT("UIDPLUS"), IMAP_OFFERS_UIDPLUS},
    {S_INIT("MULTIAPPEND"), IMAP_OFFERS_MULTIAPPEND},
    {S_INIT("NAMESPACE"), IMAP_OFFERS_NAMESPACE},
    {S_INIT("LIST-EXTENDED"), IMAP_OFFERS_LIST_EXTENDED},
    {S_INIT("SPECIAL-USE"), IMAP_OFFERS_SPECIAL_USE},
    {S_INIT("CREATE-SPECIAL-USE"), IMAP_OFFERS_CREATE_USE},
    {S_INIT("OBJECTID"), IMAP_OFFERS_OBJECTID},
    {S_INIT("X-GM-EXT-1"), IMAP_OFFERS_GMAIL},
    {S_INIT("IMAP4rev2"), IMAP_OFFERS_SASL_IR | IMAP_OFFERS_LITERAL_MINUS | IMAP_OFFERS_ENABLE | IMAP_OFFERS_UIDPLUS |
                              IMAP_OFFERS_NAMESPACE | IMAP_OFFERS_LIST_EXTENDED | IMAP_OFFERS_SPECIAL_USE},
};

static void take_offers(struct imap_client *c, const struct imap_value *v)
{
    static const struct str limit = S_INIT("APPENDLIMIT=");
    c->offers = 0;
    c->append_limit = 0;
    for (; v; v = v->next) {
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            if (str_ieq(v->text, known[i].word)) c->offers |= known[i].offers;
        if (str_istarts(v->text, limit)) str_to_u64(str_skip(v->text, limit.n), INT64_MAX, &c->append_limit);
    }
    if (c->tls) c->offers &= ~(unsigned)IMAP_OFFERS_STARTTLS;
}

bool imap_client_capabilities(struct imap_client *c)
{
    const struct imap_response *r = &c->said;
    if (r->kind == IMAP_UNTAGGED && !r->is_condition && !r->has_number && str_ieq(r->name, S("CAPABILITY"))) {
        take_offers(c, r->values);
        return true;
    }
    if (!r->is_condition || !str_ieq(r->code, S("CAPABILITY")) || !r->codes) return false;
    take_offers(c, r->codes);
    return true;
}

FIBER int imap_client_ask_offers(struct imap_client *c, struct error *e)
{
    c->offers = 0;
    return imap_client_ask(c, S("CAPABILITY"), ERR_UNSUPPORTED, "the server does not say what it can do", e);
}

/* ---- logging in ---- */

struct login {
    struct imap_client *c;
    unsigned tag;
    struct str user, password;
};

static int denied(struct imap_client *c, struct error *e)
{
    return imap_client_refused(c, ERR_DENIED, "the log-in is refused", e);
}

/* Says a message in base64, in wiped memory. */
static FIBER int say(struct login *l, struct str before, struct str message, struct str after, struct error *e)
{
    struct buf line = BUF(LIMIT_SASL_MESSAGE * 2);
    buf_reserve(&line, LIMIT_SASL_MESSAGE * 2);
    buf_add(&line, before);
    base64_put(&line, message);
    buf_add(&line, after);
    int error = line.failed ? imap_client_fail(l->c, ERR_TOO_LONG, e, "name or password is too long")
                            : imap_client_bytes(l->c, buf_str(&line), e);
    buf_wipe(&line);
    buf_free(&line);
    return error;
}

/* AUTHENTICATE with its first message, which travels at once where SASL-IR (RFC 4959) is offered. 0: a challenge is in
 * c->said; 1: the tagged response is. */
static FIBER int begin(struct login *l, struct str mechanism, struct str message, struct error *e)
{
    struct imap_client *c = l->c;
    struct imap_client_inside *in = c->inside;
    struct buf *b = imap_client_begin(c);
    bool at_once = c->offers & IMAP_OFFERS_SASL_IR;
    buf_lit(b, "AUTHENTICATE ");
    buf_add(b, mechanism);
    buf_add(b, at_once ? S(" ") : S("\r\n"));
    l->tag = in->tag;
    int r = imap_client_bytes(c, buf_str(b), e);
    if (!r && !at_once) r = imap_client_until(c, l->tag, e);
    if (!r) r = say(l, STR_NONE, message, S("\r\n"), e);
    return r ? r : imap_client_until(c, l->tag, e);
}

/* A response to a challenge, and what follows it; as begin(). */
static FIBER int respond(struct login *l, struct str message, struct error *e)
{
    int error = say(l, STR_NONE, message, S("\r\n"), e);
    return error ? error : imap_client_until(l->c, l->tag, e);
}

/* The tagged response must have come, and be OK. r: as begin() returns. */
static FIBER int ended(struct login *l, int r, struct error *e)
{
    struct imap_client *c = l->c;
    if (r == 0) { /* it waits for a response that will not come (RFC 9051 §6.2.2) */
        r = imap_client_bytes(c, S("*\r\n"), e);
        if (!r) r = imap_client_wait(c, l->tag, e);
        return r ? r : denied(c, e);
    }
    if (r < 0) return r;
    return c->said.condition == IMAP_OK ? 0 : denied(c, e);
}

static int challenge_of(struct imap_client *c, struct str *out, struct error *e)
{
    struct buf *b = buf_in(c->arena, LIMIT_SASL_MESSAGE);
    if (base64_decode(b, str_trim(c->said.text)) != 0)
        return imap_client_fail(c, ERR_SYNTAX, e, "the server's challenge is no base64");
    *out = buf_str(b);
    return 0;
}

static FIBER int scram(struct login *l, struct error *e)
{
    struct imap_client *c = l->c;
    unsigned char random[18];
    char nonce[32];
    struct buf n = BUF_OVER(nonce);
    struct scram_client s;
    struct str password, challenge, final = STR_NONE;
    world_random(c->world, random, sizeof random);
    base64_put(&n, str_of(random, sizeof random));
    if (password_prepare(c->arena, l->password, &password) != 0)
        return error_set(e, ERR_SYNTAX, "the password is empty, too long, or no UTF-8 text");
    int r = begin(l, S("SCRAM-SHA-256"), scram_client_first(c->arena, &s, l->user, buf_str(&n)), e);
    if (r) return r < 0 || c->said.condition != IMAP_OK ? ended(l, r, e) : denied(c, e); /* OK: without a proof */
    r = challenge_of(c, &challenge, e);
    if (r) return r;
    if (scram_prove(c->arena, &s, password, challenge, &final) != 0)
        return imap_client_fail(c, ERR_SYNTAX, e, "the server's SCRAM is not right");
    r = respond(l, final, e);
    if (r) return r < 0 || c->said.condition != IMAP_OK ? ended(l, r, e) : denied(c, e);
    r = challenge_of(c, &challenge, e);
    if (r) return r;
    if (scram_client_verify(&s, challenge) != 0)
        return imap_client_fail(c, ERR_DENIED, e,
                                "the server does not know the password itself: it is not who it says");
    return ended(l, respond(l, STR_NONE, e), e);
}

static FIBER int plain(struct login *l, struct error *e)
{
    struct buf message = BUF(LIMIT_SASL_MESSAGE);
    buf_reserve(&message, LIMIT_SASL_MESSAGE);
    sasl_plain_put(&message, &(struct sasl_plain){.authcid = l->user, .password = l->password});
    int error = message.failed ? error_set(e, ERR_TOO_LONG, "name or password is too long")
                               : ended(l, begin(l, S("PLAIN"), buf_str(&message), e), e);
    buf_wipe(&message);
    buf_free(&message);
    return error;
}

static FIBER int login(struct login *l, struct error *e)
{
    struct imap_client *c = l->c;
    struct buf *b = imap_client_begin(c);
    buf_lit(b, "LOGIN ");
    int r = imap_client_string(c, l->user, e);
    if (!r) buf_char(b, ' ');
    if (!r) r = imap_client_string(c, l->password, e);
    if (r) return r < 0 ? r : denied(c, e);
    r = imap_client_end(c, &l->tag, e);
    buf_wipe(b);
    if (!r) r = imap_client_wait(c, l->tag, e);
    return r ? r : ended(l, 1, e);
}

static FIBER int choose(struct login *l, bool bare, struct error *e)
{
    unsigned offers = l->c->offers;
    if (offers & IMAP_OFFERS_SCRAM) return scram(l, e);
    if (!bare) return error_set(e, ERR_UNSUPPORTED, "without TLS the password would be seen on the way: no log-in");
    if (offers & IMAP_OFFERS_PLAIN) return plain(l, e);
    if (!(offers & IMAP_OFFERS_LOGINDISABLED)) return login(l, e); /* RFC 9051 §6.2.3 */
    return error_set(e, ERR_UNSUPPORTED, "the server knows no way to log in that we know%s",
                     l->c->tls ? "" : " (it may want TLS first)");
}

FIBER int imap_client_login(struct imap_client *c, struct str user, struct str password, bool bare, struct error *e)
{
    struct login l = {.c = c, .user = user, .password = password};
    int error = imap_client_sticky(c, e);
    if (error) return error;
    if (user.n == 0 || password.n == 0) return error_set(e, ERR_SYNTAX, "a log-in has a name and a password");
    error = choose(&l, bare || c->tls, e);
    if (!error) error = imap_client_ask_offers(c, e);
    if (error || !(c->offers & IMAP_OFFERS_ENABLE) || !(c->offers & IMAP_OFFERS_UTF8)) return error;
    error = imap_client_ask(c, S("ENABLE UTF8=ACCEPT"), ERR_UNSUPPORTED, "no UTF-8", NULL); /* then without it */
    c->utf8 = error == 0;
    return imap_client_sticky(c, e);
}
