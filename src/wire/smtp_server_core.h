/* Inside wire/: what the parts of the SMTP server's session share. Handlers take a command and return its reply. */
#ifndef WIRE_SMTP_SERVER_CORE_H
#define WIRE_SMTP_SERVER_CORE_H

#include "proto/smtp/command.h"
#include "wire/smtp_server.h"

typedef FIBER struct reply smtp_handler(struct smtp_session *s, const struct smtp_command *c);

smtp_handler smtp_on_mail, smtp_on_rcpt, smtp_on_data, smtp_on_bdat; /* smtp_server_mail.c */
smtp_handler smtp_on_starttls, smtp_on_auth;                         /* smtp_server_auth.c */

#define SAID ((struct reply){0}) /* the handler has written what there was to say */

/* A command's syntax error as a reply. */
static inline struct reply smtp_problem_reply(const struct smtp_command *c)
{
    return R(c->error.code, c->error.status, "%s", c->error.text);
}

FIBER void smtp_say(struct smtp_session *s, const struct reply *r);
/* "250-text", not the last */
FIBER void smtp_say_more(struct smtp_session *s, int code, struct status status, struct str text);

/* Adds the message id to a text: to refusals after MAIL, and to the last word. */
struct reply smtp_with_id(const struct smtp_tx *tx, struct reply r);

void smtp_note_refusal(struct smtp_session *s, enum smtp_refused what, struct str argument, const struct reply *r);

/* Ends the transaction at hand, if there is one. */
void smtp_drop_tx(struct smtp_session *s);

/* Sets the stream's deadline `span` from now, within the session's own. */
void smtp_deadline(struct smtp_session *s, int64_t span);

/* Limits that keep guessers away are not for these. */
bool smtp_exempt(const struct smtp_session *s);

bool smtp_offers_tls(const struct smtp_session *s);  /* STARTTLS may be said now */
bool smtp_offers_auth(const struct smtp_session *s); /* AUTH may be said now */
/* HOLDFOR and HOLDUNTIL may be said now: by those we know (RFC 4865 §4) */
bool smtp_offers_hold(const struct smtp_session *s);

#endif
