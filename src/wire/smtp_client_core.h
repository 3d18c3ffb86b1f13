/* Inside wire/: the parts of an SMTP client's session. */
#ifndef WIRE_SMTP_CLIENT_CORE_H
#define WIRE_SMTP_CLIENT_CORE_H

#include "wire/smtp_client.h"

/* How far the dialogue of a transaction is. Its commands are counted: 0 is MAIL, 1 to n are RCPT, n + 1 is DATA. */
struct smtp_dialogue {
    size_t said, heard;        /* commands, and replies to them */
    size_t accepted, refused;  /* recipients */
    bool reset_said;           /* RSET went before MAIL, its reply is still to come */
    bool sender_ok;
    bool hopeless;             /* nothing more need be said */
    bool go;                   /* 354: the server waits for the letter */
};

struct smtp_client_inside {
    struct buf line;     /* of a reply, when it came in parts */
    struct buf commands; /* to be written together */
    struct buf changed;  /* bytes of a letter that could not go out as they are */
    struct error why;    /* the sticky error, code 0: none */
    bool ended;          /* the server has said 421 */
    bool in_letter;      /* DATA was said: what is written now may be read as a letter */
    bool reset;          /* a transaction was left open: RSET before the next */
    struct smtp_outgoing *begun; /* its first commands went out with the last letter's end: */
    struct smtp_dialogue ahead;
};

/* Makes the error sticky. e: may be NULL. */
int smtp_client_fail(struct smtp_client *c, int code, struct error *e, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
int smtp_client_sticky(const struct smtp_client *c, struct error *e); /* the sticky error again, or 0 */

/* Reads a reply into c->reply, all of it within the time. 0 or an error, then sticky. */
FIBER int smtp_client_reply(struct smtp_client *c, int64_t timeout_us, struct error *e);

/* Something can be read though nothing was asked. 0: it is 421, in c->reply; else an error, sticky. */
FIBER int smtp_client_unasked(struct smtp_client *c, struct error *e);

/* ERR_EOF, sticky: the last reply was 421. */
int smtp_client_ended(struct smtp_client *c, struct error *e);

/* Says a line (borrowed, without its end) and reads the reply. */
FIBER int smtp_client_say(struct smtp_client *c, struct str line, int64_t timeout_us, struct error *e);

/* EHLO under new circumstances. ERR_UNAVAILABLE, sticky: it is not taken. */
FIBER int smtp_client_again(struct smtp_client *c, struct error *e);

/* ---- transactions ---- */

/* Puts into c's commands what can be said next; counts it. */
void smtp_client_put_commands(struct smtp_client *c, struct smtp_outgoing *o, struct smtp_dialogue *d);
/* The first word of a transaction: nothing is said yet, no recipient has a verdict. */
void smtp_client_begin(struct smtp_client *c, struct smtp_outgoing *o, struct smtp_dialogue *d);
/* Does this letter go as BDAT (RFC 3030)? */
bool smtp_client_chunks(const struct smtp_client *c, const struct smtp_outgoing *o);
/* The last reply is the verdict, at this step, on all that have none yet. */
void smtp_client_settle(const struct smtp_client *c, struct smtp_outgoing *o, enum smtp_step step);
/* Sends the letter and reads the replies to it. *step: where it breaks off, if it does. */
FIBER int smtp_client_letter(struct smtp_client *c, struct smtp_outgoing *o, struct smtp_outgoing *(*next)(void *arg),
                             void *next_arg, enum smtp_step *step, struct error *e);

/* "MAIL FROM:<…> …" and "RCPT TO:<…> …" with their parameters and line ends, as far as the server knows them. False:
 * the address cannot be said to it; nothing is put and *why is the reply that a server would give. */
struct smtp_unsayable {
    int code;
    struct status status;
    struct str text;
};
bool smtp_client_put_mail(const struct smtp_client *c, const struct smtp_outgoing *o, struct buf *b,
                          struct smtp_unsayable *why);
bool smtp_client_put_rcpt(const struct smtp_client *c, const struct smtp_outgoing *o, size_t i, struct buf *b,
                          struct smtp_unsayable *why);

#endif
