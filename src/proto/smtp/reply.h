/* A server's reply as a client reads it: one or more lines "250-…", "250 …" (RFC 5321 §4.2.1), with the enhanced status
 * code in front of the text (RFC 2034), and the keywords of EHLO's. */
#ifndef PROTO_SMTP_REPLY_H
#define PROTO_SMTP_REPLY_H

#include "base/arena.h"
#include "base/buf.h"
#include "mail/status.h"

struct smtp_reply {
    int code;             /* 200-599; 0 before the first line */
    struct status status; /* of the last line that had one, if its class fits the code */
    /* the lines' texts without codes, joined by LF; control characters but LF and bytes over 126 as '?' */
    struct buf text;
    int lines;
};

/* Zeroes and its text's maximum; the text's memory dies with `a`. Use it again after smtp_reply_clear(). */
void smtp_reply_init(struct smtp_reply *r, struct arena *a);
void smtp_reply_clear(struct smtp_reply *r);

/* Adds one line without its end. 1: the reply is whole; 0: more lines follow; ERR_SYNTAX (no reply, or the code
 * changed); ERR_TOO_LONG (over LIMIT_SMTP_REPLY_LINES lines or LIMIT_SMTP_REPLY bytes). */
int smtp_reply_line(struct smtp_reply *r, struct str line);

/* EHLO's reply: is `keyword` there, and with which parameters? The first line is the greeting and does not count. */
bool smtp_reply_keyword(const struct smtp_reply *r, struct str keyword, struct str *parameters);

#endif
