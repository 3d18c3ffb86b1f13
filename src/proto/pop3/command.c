/* POP3 command lines and responses (RFC 1939 §3, RFC 2449). */
#include "proto/pop3/command.h"

enum argument_kind { NOTHING, ONE_TEXT, PASSWORD, NUMBER, NUMBER_OR_NOTHING, TWO_NUMBERS, SASL };

static const struct {
    struct str name;
    enum argument_kind wants;
} verbs[POP3_VERBS] = {
    [POP3_UNKNOWN] = {S_INIT(""), NOTHING},
    [POP3_CAPA] = {S_INIT("CAPA"), NOTHING},
    [POP3_USER] = {S_INIT("USER"), ONE_TEXT},
    [POP3_PASS] = {S_INIT("PASS"), PASSWORD},
    [POP3_STLS] = {S_INIT("STLS"), NOTHING},
    [POP3_AUTH] = {S_INIT("AUTH"), SASL},
    [POP3_STAT] = {S_INIT("STAT"), NOTHING},
    [POP3_LIST] = {S_INIT("LIST"), NUMBER_OR_NOTHING},
    [POP3_RETR] = {S_INIT("RETR"), NUMBER},
    [POP3_DELE] = {S_INIT("DELE"), NUMBER},
    [POP3_NOOP] = {S_INIT("NOOP"), NOTHING},
    [POP3_RSET] = {S_INIT("RSET"), NOTHING},
    [POP3_TOP] = {S_INIT("TOP"), TWO_NUMBERS},
    [POP3_UIDL] = {S_INIT("UIDL"), NUMBER_OR_NOTHING},
    [POP3_UTF8] = {S_INIT("UTF8"), NOTHING},
    [POP3_QUIT] = {S_INIT("QUIT"), NOTHING},
};

struct str pop3_verb_name(enum pop3_verb v) { return verbs[v].name; }

static bool read_number(struct str word, uint32_t least, uint32_t *out)
{
    uint64_t v;
    if (!str_to_u64(word, UINT32_MAX, &v) || v < least) return false;
    *out = (uint32_t)v;
    return true;
}

static const char *read_numbers(struct pop3_command *c, enum argument_kind wants)
{
    struct str rest = c->argument, first = str_word(&rest), second = str_word(&rest);
    if (rest.n || (wants != TWO_NUMBERS && second.n)) return "too many arguments";
    if (first.n == 0) return wants == NUMBER_OR_NOTHING ? NULL : "which message?";
    if (!read_number(first, 1, &c->message)) return "not a message number";
    if (wants == TWO_NUMBERS && !read_number(second, 0, &c->lines)) return "how many lines?";
    return NULL;
}

/* RFC 5034 §4; AUTH alone asks for the list (RFC 1734's clients do) */
static const char *read_sasl(struct pop3_command *c)
{
    struct str rest = c->argument, mechanism = str_word(&rest), initial = str_word(&rest);
    c->mechanism = mechanism.n ? mechanism : STR_NONE;
    c->initial = initial.n ? initial : STR_NONE;
    return rest.n ? "too many arguments" : NULL;
}

static const char *read_argument(struct pop3_command *c)
{
    enum argument_kind wants = verbs[c->verb].wants;
    switch (wants) {
    case NOTHING: return c->argument.n ? "no argument wanted" : NULL;
    case ONE_TEXT:
    case PASSWORD: return c->argument.n ? NULL : "an argument is wanted";
    case SASL: return read_sasl(c);
    case NUMBER:
    case NUMBER_OR_NOTHING:
    case TWO_NUMBERS: break;
    }
    return read_numbers(c, wants);
}

static bool has_controls(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f) return true;
    return false;
}

struct pop3_command pop3_parse(struct str line)
{
    struct pop3_command c = {.mechanism = STR_NONE, .initial = STR_NONE};
    struct str word = str_head(line, str_find_char(line, ' '));
    for (enum pop3_verb v = POP3_CAPA; v < POP3_VERBS; v++)
        if (str_ieq(word, verbs[v].name)) c.verb = v;
    struct str rest = str_skip(line, word.n);
    c.argument = verbs[c.verb].wants == PASSWORD ? str_skip(rest, 1) : str_trim(rest);
    if (c.verb == POP3_UNKNOWN) c.error = "unknown command";
    else if (has_controls(line)) c.error = "control characters in a command";
    else c.error = read_argument(&c);
    return c;
}

static void put_text(struct buf *b, struct str text)
{
    char *at = buf_reserve(b, text.n);
    if (!at) return;
    for (size_t i = 0; i < text.n; i++) at[i] = text.p[i] < ' ' || text.p[i] > '~' ? '?' : text.p[i];
    b->n += text.n;
}

void pop3_ok(struct buf *b, struct str text)
{
    buf_add(b, text.n ? S("+OK ") : S("+OK"));
    put_text(b, text);
    buf_lit(b, "\r\n");
}

void pop3_err(struct buf *b, const char *code, struct str text)
{
    buf_lit(b, "-ERR ");
    if (code) {
        buf_char(b, '[');
        buf_add(b, str_c(code));
        buf_lit(b, "] ");
    }
    put_text(b, text);
    buf_lit(b, "\r\n");
}

void pop3_put_capabilities(struct buf *b, const struct pop3_capabilities *c)
{
    buf_lit(b, "+OK capabilities\r\n");
    if (c->user) buf_lit(b, "USER\r\n");
    if (c->mechanisms.n) {
        buf_lit(b, "SASL ");
        buf_add(b, c->mechanisms);
        buf_lit(b, "\r\n");
    }
    if (c->stls) buf_lit(b, "STLS\r\n"); /* RFC 2595 §4 */
    buf_lit(b, "TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nEXPIRE NEVER\r\nUTF8 USER\r\n"
               "IMPLEMENTATION Penny-Post\r\n.\r\n");
}
