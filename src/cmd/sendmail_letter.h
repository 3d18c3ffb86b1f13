/* A letter as programs of this machine hand it to sendmail(1), made into one that can be submitted: line ends, the lone
 * dot, recipients from the header, addresses without a domain, a missing From. Pure. */
#ifndef CMD_SENDMAIL_LETTER_H
#define CMD_SENDMAIL_LETTER_H

#include "mail/address.h"

struct sendmail_wishes {
    bool dot_ends;         /* without -i: a line that is a dot alone ends the letter */
    bool from_header;      /* -t: To, Cc and Bcc (of a letter sent on: Resent-To …) name recipients */
    struct str domain;     /* put behind addresses that have none; a key */
    struct address author; /* of a From that is missing */
    struct str name;       /* beside it; UTF-8, may be empty */
};

struct sendmail_letter { /* all in the arena */
    struct buf *bytes;  /* CRLF lines */
    struct address *to; /* each once */
    size_t n_to, cap_to;
};

/* Reads what is in `text`, as long as it may be, and adds the header's recipients to out->to (which may have some:
 * start with {0}). 0; ERR_SYNTAX: a recipient in the header is no address. */
int sendmail_letter(struct arena *a, struct str text, const struct sendmail_wishes *w, struct sendmail_letter *out,
                    struct error *e);

/* Adds the addresses of a word of the command line: "bob", "bob@example.org", "Bob <bob@example.org>, carol".
 * 0 or ERR_SYNTAX. */
int sendmail_add(struct arena *a, struct str word, struct str domain, struct sendmail_letter *out, struct error *e);

/* The sender's address of -f: "", "<>" (the null address), "bob", "<bob@example.org>". 0 or ERR_SYNTAX. */
int sendmail_sender(struct arena *a, struct str word, struct str domain, struct address *out, struct error *e);

/* An address list with `domain` behind every address that has none; everything else as it is. */
void sendmail_complete(struct buf *b, struct str list, struct str domain);

#endif
