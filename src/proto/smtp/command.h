/* One SMTP or LMTP command line as a value (RFC 5321 §4.1, RFC 2033): verb, paths, parameters of the extensions.
 *
 * The grammar is strict, with the few liberties real mail needs (a blank after "FROM:", missing angle brackets,
 * trailing blanks). Whether a command is allowed now, and what comes of it, is the session's. */
#ifndef PROTO_SMTP_COMMAND_H
#define PROTO_SMTP_COMMAND_H

#include "mail/envelope.h"

enum smtp_verb {
    SMTP_UNKNOWN,
    SMTP_FOREIGN, /* of another protocol, such as a browser's POST */
    SMTP_EHLO,
    SMTP_HELO,
    SMTP_LHLO,
    SMTP_MAIL,
    SMTP_RCPT,
    SMTP_DATA,
    SMTP_BDAT,
    SMTP_RSET,
    SMTP_NOOP,
    SMTP_VRFY,
    SMTP_EXPN,
    SMTP_ETRN,
    SMTP_HELP,
    SMTP_QUIT,
    SMTP_STARTTLS,
    SMTP_AUTH,
    SMTP_VERBS
};

struct smtp_problem {
    int code; /* of the reply; 0: none */
    struct status status;
    const char *text; /* constant */
};

struct smtp_command {
    enum smtp_verb verb;
    struct smtp_problem error; /* the line is not right; then only verb (and bdat) is to be relied on */
    /* all behind the verb, trimmed; of EHLO HELO LHLO the first word; of VRFY without SMTPUTF8 */
    struct str argument;
    bool non_ascii;            /* MAIL, RCPT: the address needs SMTPUTF8 */
    union {
        struct reverse_path from; /* MAIL */
        struct forward_path to;   /* RCPT; <Postmaster> has no domain (RFC 5321 §4.5.1) */
        struct {
            uint64_t size; /* of the chunk that follows; UINT64_MAX: unreadable, so nobody knows where it ends */
            bool last;
        } bdat;
        struct {
            struct str mechanism;
            struct str initial; /* base64 as sent ("=" is the empty one); STR_NONE: none */
        } auth;
    };
};

/* Parses a line without its end. Slices borrow the line or lie in `a`. Never fails: see error. */
struct smtp_command smtp_parse(struct arena *a, struct str line);

struct str smtp_verb_name(enum smtp_verb v); /* "MAIL"; empty for the first two */

#endif
