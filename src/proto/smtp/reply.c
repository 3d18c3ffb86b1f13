/* Replies as a client reads them (RFC 5321 §4.2, RFC 2034 §3). Servers write them by mail/reply.c. */
#include "proto/smtp/reply.h"

#include "mail/limits.h"

static void free_text(void *text) { buf_free(text); }

void smtp_reply_init(struct smtp_reply *r, struct arena *a)
{
    *r = (struct smtp_reply){.text = BUF(LIMIT_SMTP_REPLY)};
    arena_defer(a, free_text, &r->text);
}

void smtp_reply_clear(struct smtp_reply *r)
{
    r->code = 0;
    r->lines = 0;
    r->status = E_NONE;
    buf_clear(&r->text);
}

/* Reply-code = %x32-35 %x30-35 %x30-39; but refusals such as 571 are seen, and their first digit is all that counts
 * (RFC 5321 §4.3.2) */
static int read_code(struct str line)
{
    if (line.n < 3 || line.p[0] < '2' || line.p[0] > '5' || !ch_digit(line.p[1]) || !ch_digit(line.p[2]))
        return ERR_SYNTAX;
    if (line.p[0] < '4' && line.p[1] > '5') return ERR_SYNTAX;
    return (line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 + (line.p[2] - '0');
}

/* 1*3DIGIT without leading zeros, taken off the front; false if there is none. */
static bool take_number(struct str *s, uint16_t *out)
{
    size_t n = 0;
    uint64_t v;
    while (n < s->n && n < 4 && ch_digit(s->p[n])) n++;
    if (n > 1 && s->p[0] == '0') return false;
    if (!str_to_u64(str_head(*s, n), 999, &v)) return false;
    *s = str_skip(*s, n);
    *out = (uint16_t)v;
    return true;
}

/* status-code = class "." subject "." detail, followed by a blank or the end; taken off *text if there is one. */
static void take_status(int code, struct str *text, struct status *out)
{
    struct str rest = *text;
    uint16_t class, subject, detail;
    if (!take_number(&rest, &class) || class != code / 100 || rest.n == 0 || rest.p[0] != '.') return;
    rest = str_skip(rest, 1);
    if (!take_number(&rest, &subject) || rest.n == 0 || rest.p[0] != '.') return;
    rest = str_skip(rest, 1);
    if (!take_number(&rest, &detail) || (rest.n && rest.p[0] != ' ')) return;
    *out = E((uint8_t) class, subject, detail);
    *text = str_skip(rest, 1);
}

int smtp_reply_line(struct smtp_reply *r, struct str line)
{
    int code = read_code(line);
    bool more = line.n > 3 && line.p[3] == '-';
    if (code < 0 || (r->lines && code != r->code)) return ERR_SYNTAX;
    if (line.n > 3 && line.p[3] != ' ' && !more) return ERR_SYNTAX;
    if (r->lines == LIMIT_SMTP_REPLY_LINES) return ERR_TOO_LONG;
    struct str text = str_skip(line, 4);
    r->code = code;
    take_status(code, &text, &r->status);
    if (r->lines++) buf_char(&r->text, '\n');
    char *at = buf_reserve(&r->text, text.n);
    if (!at) return ERR_TOO_LONG;
    for (size_t i = 0; i < text.n; i++) at[i] = text.p[i] < ' ' || text.p[i] > '~' ? '?' : text.p[i];
    r->text.n += text.n;
    return !more;
}

bool smtp_reply_keyword(const struct smtp_reply *r, struct str keyword, struct str *parameters)
{
    struct str line, rest = buf_str(&r->text);
    str_cut(rest, '\n', &line, &rest);
    while (rest.n) {
        str_cut(rest, '\n', &line, &rest);
        struct str word = str_word(&line);
        if (!str_ieq(word, keyword)) continue;
        *parameters = str_trim(line);
        return true;
    }
    return false;
}
