/* An SMTP or LMTP reply as a value: code, status, one line of text, and what becomes of the connection.
 *
 * Policy returns replies, one loop writes them (RFC 5321 §4.2). The few replies of several lines (EHLO, HELP, EXPN)
 * are the session's own business. */
#ifndef MAIL_REPLY_H
#define MAIL_REPLY_H

#include <stdbool.h>

#include "base/buf.h"
#include "mail/status.h"

enum reply_then {
    THEN_GO_ON,
    THEN_CLOSE, /* the connection ends after this reply (221, 421) */
};

struct reply {
    int code;             /* 200-599 */
    struct status status; /* E_NONE where RFC 2034 gives none (banner, HELO, EHLO, 354, 334) */
    enum reply_then then;
    char text[232]; /* printable, no CR LF, NUL-terminated; UTF-8 only towards SMTPUTF8 clients */
};

/* R(550, E(5,1,1), "no such mailbox <%.*s>", ...): control and non-ASCII bytes become '?', the text is cut to fit. */
struct reply reply_make(int code, struct status status, enum reply_then then, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
#define R(code, status, ...) reply_make((code), (status), THEN_GO_ON, __VA_ARGS__)
#define R_CLOSE(code, status, ...) reply_make((code), (status), THEN_CLOSE, __VA_ARGS__)

static inline bool reply_ok(struct reply r) { return r.code >= 200 && r.code < 400; }
static inline bool reply_temporary(struct reply r) { return r.code >= 400 && r.code < 500; }
static inline bool reply_permanent(struct reply r) { return r.code >= 500; }

/* Writes "250 2.1.0 text\r\n". */
void reply_write(struct buf *b, const struct reply *r);

/* The part before the text, "250 2.1.0 " or, of a line that is not the last, "250-2.1.0 ". Returns its length. */
enum { REPLY_HEAD = 20 };
size_t reply_head(char out[REPLY_HEAD], int code, struct status status, bool last);

#endif
