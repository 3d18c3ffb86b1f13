/* The words sendmail(1) is called with, as Unix programs call it. */
#ifndef CMD_SENDMAIL_H
#define CMD_SENDMAIL_H

#include "cmd/args.h"
#include "mail/envelope.h"

enum sendmail_mode {
    SENDMAIL_DELIVER, /* -bm, as a rule */
    SENDMAIL_SPEAK,   /* -bs: SMTP on stdin and stdout */
    SENDMAIL_LIST,    /* -bp; mailq */
    SENDMAIL_FLUSH,   /* -q */
    SENDMAIL_ALIASES  /* -bi, -I; newaliases */
};

struct sendmail_words {
    enum sendmail_mode mode;
    bool from_header; /* -t */
    bool keep_dots;   /* -i, -oi */
    bool verbose;     /* -v */
    const char *from, *name, *config; /* -f or -r, -F, -C; NULL: not said */
    const char *envid;                /* -V (RFC 3461 §4.4) */
    enum dsn_return ret;              /* -R */
    unsigned notify;                  /* -N: enum dsn_notify */
    char flush;                       /* of -q: 0, or I (id), R (recipient, domain), S (sender), with ... */
    const char *flush_what;
    struct words recipients;
};

/* Options may stand together ("-ti"), with what they take joined or as the next word. What only concerned other mail
 * systems is read and forgotten (-om, -odb, -O…, -B, -L, -G …). 0, or ERR_SYNTAX with a sentence. */
int sendmail_words(struct arena *a, int argc, char **argv, struct sendmail_words *out, struct error *e);

/* What a program's name asks for ("sendmail", "mailq", "newaliases"), as an option of sendmail; "" for sendmail itself,
 * NULL for other names. */
const char *sendmail_by_name(const char *argv0);

#endif
