/* Replies of SMTP and LMTP as values (RFC 5321 §4.2) with enhanced status codes (RFC 2034, RFC 3463).
 *
 * Only the text of one line is made here; when a reply is due, and replies of several lines, are the session's. */
#include "mail/reply.h"

#include <stdarg.h>
#include <stdio.h>

/* What a peer sent may be quoted in a text; nothing but printable ASCII leaves us in one. */
static void make_printable(char *text)
{
    for (; *text; text++)
        if (*text < ' ' || *text > '~') *text = '?';
}

struct reply reply_make(int code, struct status status, enum reply_then then, const char *fmt, ...)
{
    struct reply r;
    r.code = code;
    r.status = status;
    r.then = then;
    size_t n = strlen(fmt);
    if (n < sizeof r.text && !memchr(fmt, '%', n)) {
        memcpy(r.text, fmt, n + 1);
        return r;
    }
    va_list ap;
    va_start(ap, fmt);
    int made = vsnprintf(r.text, sizeof r.text, fmt, ap);
    va_end(ap);
    if (made < 0) r.text[0] = 0;
    make_printable(r.text);
    return r;
}

static char *put_number(char *at, unsigned n)
{
    if (n >= 100) *at++ = (char)('0' + n / 100 % 10);
    if (n >= 10) *at++ = (char)('0' + n / 10 % 10);
    *at++ = (char)('0' + n % 10);
    return at;
}

size_t reply_head(char out[REPLY_HEAD], int code, struct status status, bool last)
{
    char *at = put_number(out, (unsigned)code);
    *at++ = last ? ' ' : '-';
    if (status.class) {
        at = put_number(at, status.class);
        *at++ = '.';
        at = put_number(at, status.subject);
        *at++ = '.';
        at = put_number(at, status.detail);
        *at++ = ' ';
    }
    return (size_t)(at - out);
}

void reply_write(struct buf *b, const struct reply *r)
{
    char head[REPLY_HEAD];
    buf_add(b, str_of(head, reply_head(head, r->code, r->status, true)));
    buf_add(b, str_c(r->text));
    buf_lit(b, "\r\n");
}
