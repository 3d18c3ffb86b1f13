/* POP3 command lines and responses (RFC 1939, RFC 2449, RFC 5034, RFC 6856).
 *
 * Which command is allowed in which state, and mailboxes, are maa's. Multi-line bodies are dot-stuffed as in SMTP:
 * proto/smtp/data.h writes them. */
#ifndef PROTO_POP3_COMMAND_H
#define PROTO_POP3_COMMAND_H

#include "base/buf.h"

enum pop3_verb {
    POP3_UNKNOWN,
    POP3_CAPA,
    POP3_USER,
    POP3_PASS,
    POP3_STLS,
    POP3_AUTH,
    POP3_STAT,
    POP3_LIST,
    POP3_RETR,
    POP3_DELE,
    POP3_NOOP,
    POP3_RSET,
    POP3_TOP,
    POP3_UIDL,
    POP3_UTF8,
    POP3_QUIT,
    POP3_VERBS
};

struct pop3_command {
    enum pop3_verb verb;
    const char *error;   /* what is wrong with the line, NULL if nothing is */
    struct str argument; /* all behind the verb; of PASS with its blanks, as they may belong to the password */
    uint32_t message;    /* LIST RETR DELE TOP UIDL: number, from 1; 0: not given (LIST, UIDL) */
    uint32_t lines;      /* TOP */
    struct str mechanism, initial; /* AUTH; none if not given. initial: base64 as sent, "=" is the empty one */
};

/* Parses a line without its end. Slices borrow it. Never fails: see error. */
struct pop3_command pop3_parse(struct str line);

struct str pop3_verb_name(enum pop3_verb v);

/* "+OK text", "-ERR [code] text" (RFC 2449 §8, RFC 3206); code may be NULL. Control and non-ASCII bytes become '?'. */
void pop3_ok(struct buf *b, struct str text);
void pop3_err(struct buf *b, const char *code, struct str text);

struct pop3_capabilities { /* RFC 2449 §6 */
    bool user;             /* USER and PASS may be used now */
    bool stls;             /* TLS is there to be had */
    struct str mechanisms; /* SASL, separated by blanks; empty: none now */
};
/* The whole answer to CAPA, with its first line and final dot. */
void pop3_put_capabilities(struct buf *b, const struct pop3_capabilities *c);

#endif
