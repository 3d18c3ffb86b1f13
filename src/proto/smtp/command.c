/* Command lines of SMTP and LMTP (RFC 5321 §4.1.1, RFC 2033 §4, RFC 3030 §2, RFC 3207 §4, RFC 4954 §4).
 *
 * One function a kind of argument; paths are cut here, what follows them is read by parameters.c. */
#include "proto/smtp/command.h"

#include "base/utf8.h"
#include "mail/limits.h"
#include "proto/smtp/parameters.h"

typedef void argument_reader(struct arena *a, struct str argument, struct smtp_command *c);
static argument_reader read_nothing, read_anything, read_name, read_mail, read_rcpt, read_bdat, read_text, read_node,
    read_auth;

static const struct {
    struct str name;
    argument_reader *read;
} verbs[SMTP_VERBS] = {
    [SMTP_UNKNOWN] = {S_INIT(""), read_anything},
    [SMTP_FOREIGN] = {S_INIT(""), read_anything},
    [SMTP_EHLO] = {S_INIT("EHLO"), read_name},
    [SMTP_HELO] = {S_INIT("HELO"), read_name},
    [SMTP_LHLO] = {S_INIT("LHLO"), read_name},
    [SMTP_MAIL] = {S_INIT("MAIL"), read_mail},
    [SMTP_RCPT] = {S_INIT("RCPT"), read_rcpt},
    [SMTP_DATA] = {S_INIT("DATA"), read_nothing},
    [SMTP_BDAT] = {S_INIT("BDAT"), read_bdat},
    [SMTP_RSET] = {S_INIT("RSET"), read_nothing},
    [SMTP_NOOP] = {S_INIT("NOOP"), read_anything},
    [SMTP_VRFY] = {S_INIT("VRFY"), read_text},
    [SMTP_EXPN] = {S_INIT("EXPN"), read_text},
    [SMTP_ETRN] = {S_INIT("ETRN"), read_node},
    [SMTP_HELP] = {S_INIT("HELP"), read_anything},
    [SMTP_QUIT] = {S_INIT("QUIT"), read_nothing},
    [SMTP_STARTTLS] = {S_INIT("STARTTLS"), read_nothing},
    [SMTP_AUTH] = {S_INIT("AUTH"), read_auth},
};

/* What a browser says when a page makes it talk to us: such a peer is not to be answered line by line. */
static const struct str foreign[] = {S_INIT("GET"), S_INIT("POST"), S_INIT("PUT"), S_INIT("HEAD"), S_INIT("OPTIONS"),
                                     S_INIT("CONNECT")};

struct str smtp_verb_name(enum smtp_verb v) { return verbs[v].name; }

static void wrong(struct smtp_command *c, int code, struct status status, const char *text)
{
    c->error = PROBLEM(code, status, text);
}

static void read_anything(struct arena *a, struct str argument, struct smtp_command *c)
{
    (void)a, (void)argument, (void)c;
}

static void read_nothing(struct arena *a, struct str argument, struct smtp_command *c)
{
    (void)a;
    if (argument.n) wrong(c, 501, E(5, 5, 4), "no argument wanted");
}

/* Any name is taken, of which the first word counts: real clients say what they like, and no decision hangs on it. */
static void read_name(struct arena *a, struct str argument, struct smtp_command *c)
{
    (void)a;
    c->argument = str_word(&argument);
    if (c->argument.n == 0) wrong(c, 501, E(5, 5, 4), "say who you are");
    else if (c->argument.n > LIMIT_DOMAIN) wrong(c, 501, E(5, 5, 4), "name too long"); /* RFC 5321 §4.5.3.1.2 */
}

static void read_text(struct arena *a, struct str argument, struct smtp_command *c) /* VRFY, EXPN */
{
    (void)a;
    if (str_ends(argument, S(" SMTPUTF8"))) argument.n -= strlen(" SMTPUTF8"); /* RFC 6531 §3.7.4.2 */
    c->argument = str_trim(argument);
    if (c->argument.n == 0) wrong(c, 501, E(5, 5, 4), "whom?");
    else if (!utf8_valid(c->argument)) wrong(c, 501, E(5, 5, 4), "that is not UTF-8");
}

/* "ETRN" SP [option character] node name (RFC 1985 §5.1) */
static void read_node(struct arena *a, struct str argument, struct smtp_command *c)
{
    (void)a;
    c->argument = str_word(&argument);
    if (c->argument.n == 0 || argument.n) wrong(c, 501, E(5, 5, 4), "syntax: ETRN domain");
    else if (c->argument.n > LIMIT_DOMAIN + 1) wrong(c, 501, E(5, 5, 4), "name too long");
}

/* ---- paths ---- */

/* A-d-l ":" = At-domain *( "," At-domain ) ":", taken off and forgotten (RFC 5321 §4.1.2, Appendix C). */
static int take_source_route(struct arena *a, struct str *text)
{
    while (text->n && text->p[0] == '@') {
        struct str domain;
        *text = str_skip(*text, 1);
        if (domain_take(a, text, &domain) || text->n == 0) return ERR_SYNTAX;
        char next = text->p[0];
        *text = str_skip(*text, 1);
        if (next == ':') return 0;
        if (next != ',' || text->n == 0 || text->p[0] != '@') return ERR_SYNTAX;
    }
    return 0;
}

/* Mailbox, or "Postmaster" alone where that is allowed (RFC 5321 §4.5.1). */
static int take_mailbox(struct arena *a, struct str *text, bool postmaster, struct address *out)
{
    struct str rest = *text, local;
    if (postmaster && !local_take(a, &rest, &local) && (rest.n == 0 || rest.p[0] != '@')) {
        if (!str_ieq(local, S("postmaster"))) return ERR_SYNTAX;
        *text = rest;
        *out = (struct address){.local = local};
        return 0;
    }
    return address_take(a, text, out);
}

/* Path = "<" [ A-d-l ":" ] Mailbox ">"; a Reverse-path may be "<>". Brackets may be missing as in old mailers. */
static int take_path(struct arena *a, struct str *text, bool reverse, struct address *out)
{
    struct str rest = *text;
    while (rest.n && rest.p[0] == ' ') rest = str_skip(rest, 1);
    bool bracket = rest.n && rest.p[0] == '<';
    if (bracket) {
        rest = str_skip(rest, 1);
        if (reverse && rest.n && rest.p[0] == '>') {
            *out = (struct address){0};
            *text = str_skip(rest, 1);
            return 0;
        }
        if (take_source_route(a, &rest)) return ERR_SYNTAX;
    }
    int e = take_mailbox(a, &rest, !reverse, out);
    if (e) return e;
    if (bracket) {
        if (rest.n == 0 || rest.p[0] != '>') return ERR_SYNTAX;
        rest = str_skip(rest, 1);
    }
    *text = rest;
    return 0;
}

static bool needs_utf8(struct address x) { return !str_is_ascii(x.local) || !str_is_ascii(x.domain); }

static void read_mail(struct arena *a, struct str argument, struct smtp_command *c)
{
    c->from = (struct reverse_path){.size = -1};
    if (!str_istarts(argument, S("FROM:"))) {
        wrong(c, 501, E(5, 5, 4), "syntax: MAIL FROM:<address>");
        return;
    }
    struct str rest = str_skip(argument, 5);
    int e = take_path(a, &rest, true, &c->from.address);
    if (e) {
        wrong(c, 501, E(5, 1, 7), e == ERR_TOO_LONG ? "sender address too long" : "bad sender address syntax");
        return;
    }
    c->error = smtp_mail_parameters(a, rest, &c->from);
    c->non_ascii = needs_utf8(c->from.address);
    if (!c->error.code && c->non_ascii && !c->from.smtputf8)
        wrong(c, 553, E(5, 6, 7), "a non-ASCII address needs SMTPUTF8"); /* RFC 6531 §3.5 */
}

static void read_rcpt(struct arena *a, struct str argument, struct smtp_command *c)
{
    c->to = (struct forward_path){0};
    if (!str_istarts(argument, S("TO:"))) {
        wrong(c, 501, E(5, 5, 4), "syntax: RCPT TO:<address>");
        return;
    }
    struct str rest = str_skip(argument, 3);
    int e = take_path(a, &rest, false, &c->to.address);
    if (e) {
        wrong(c, 501, E(5, 1, 3), e == ERR_TOO_LONG ? "recipient address too long" : "bad recipient address syntax");
        return;
    }
    c->error = smtp_rcpt_parameters(a, rest, &c->to);
    c->non_ascii = needs_utf8(c->to.address);
}

/* ---- BDAT, AUTH ---- */

/* bdat-cmd = "BDAT" SP chunk-size [ SP "LAST" ] (RFC 3030 §2). When a number begins that cannot be read, or something
 * stands behind it, a chunk may follow of which only the sender knows the length. */
static void read_bdat(struct arena *a, struct str argument, struct smtp_command *c)
{
    (void)a;
    struct str rest = argument, number = str_word(&rest), last = str_word(&rest);
    c->bdat.size = 0;
    c->bdat.last = str_ieq(last, S("LAST"));
    if (number.n && ch_digit(number.p[0])) {
        if (number.n > 20 || !str_to_u64(number, INT64_MAX, &c->bdat.size)) c->bdat.size = UINT64_MAX;
    } else {
        wrong(c, 501, E(5, 5, 4), "syntax: BDAT size [LAST]");
    }
    if (c->bdat.size == UINT64_MAX || (last.n && !c->bdat.last) || rest.n)
        wrong(c, 501, E(5, 5, 4), "syntax: BDAT size [LAST]");
}

/* sasl-mech = 1*20mech-char; mech-char = UPPER-ALPHA / DIGIT / HYPHEN / UNDERSCORE (RFC 4422 §3.1) */
static void read_auth(struct arena *a, struct str argument, struct smtp_command *c)
{
    (void)a;
    struct str rest = argument, mechanism = str_word(&rest);
    bool right = mechanism.n >= 1 && mechanism.n <= 20;
    for (size_t i = 0; right && i < mechanism.n; i++)
        right = ch_alnum(mechanism.p[i]) || mechanism.p[i] == '-' || mechanism.p[i] == '_';
    c->auth.mechanism = mechanism;
    c->auth.initial = str_word(&rest);
    if (c->auth.initial.n == 0) c->auth.initial = STR_NONE;
    if (!right || rest.n) wrong(c, 501, E(5, 5, 4), "syntax: AUTH mechanism [initial-response]");
}

/* ---- the line ---- */

static enum smtp_verb verb_of(struct str word)
{
    for (enum smtp_verb v = SMTP_EHLO; v < SMTP_VERBS; v++)
        if (str_ieq(word, verbs[v].name)) return v;
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        if (str_eq(word, foreign[i])) return SMTP_FOREIGN;
    return SMTP_UNKNOWN;
}

static bool has_controls(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f) return true;
    return false;
}

struct smtp_command smtp_parse(struct arena *a, struct str line)
{
    while (line.n && ch_space(line.p[line.n - 1])) line.n--; /* RFC 5321 §4.1.1: trailing white space is tolerated */
    struct str word = str_head(line, str_find_char(line, ' '));
    struct str argument = str_trim(str_skip(line, word.n));
    struct smtp_command c = {.verb = verb_of(word), .argument = argument};
    if (has_controls(line)) {
        wrong(&c, 500, E(5, 5, 2), "control characters in a command");
        if (c.verb == SMTP_BDAT) c.bdat.size = argument.n && ch_digit(argument.p[0]) ? UINT64_MAX : 0;
    } else if (c.verb == SMTP_UNKNOWN) {
        wrong(&c, 500, E(5, 5, 2), "command not recognised");
    } else {
        verbs[c.verb].read(a, argument, &c);
    }
    return c;
}
